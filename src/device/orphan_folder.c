/* Directory entries: see orphan_folder.h. */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "device/orphan_folder.h"
#include "device/state_folder.h"

typedef struct ListRequest {
        const char *base_name;
        OrphanList *list;
        bool is_full;
} ListRequest;

static void on_list_entry(int folder_fd, const char *text, void *userdata) {
        ListRequest *request = userdata;
        OrphanList *list = request->list;
        OrphanName name;

        if (orphan_name_parse(&name, text) < 0 || strcmp(name.base_name, request->base_name) != 0)
                return;
        if (list->n_names >= N_ELEMENTS(list->names))
                request->is_full = true;
        else
                list->names[list->n_names++] = name;
}

static int compare_age(const void *a, const void *b) {
        const OrphanName *left = a, *right = b;

        if (left->number != right->number)
                return left->number < right->number ? -1 : 1;
        return (left->lun > right->lun) - (left->lun < right->lun);
}

int orphan_folder_list(const char *path, const char *base_name, OrphanList *ret) {
        ListRequest request = { .base_name = base_name, .list = ret };
        int r;

        ret->n_names = 0;
        r = state_folder_for_each(path, on_list_entry, &request);
        if (r < 0)
                return r;
        if (request.is_full)
                return -E2BIG;
        qsort(ret->names, ret->n_names, sizeof(*ret->names), compare_age);
        return 0;
}

int orphan_folder_open_file(const char *path, const OrphanName *name) {
        char text[ORPHAN_NAME_SIZE_MAX];

        orphan_name_format(name, text);
        return state_folder_open_file(path, text);
}

int orphan_folder_delete(const char *path, const OrphanName *name) {
        _cleanup_(fd_closep) int folder_fd = -EBADF;
        char text[ORPHAN_NAME_SIZE_MAX];

        folder_fd = state_folder_open(path);
        if (folder_fd < 0)
                return folder_fd;
        orphan_name_format(name, text);
        if (unlinkat(folder_fd, text, 0) < 0 && errno != ENOENT)
                return -errno;
        return fsync(folder_fd) < 0 ? -errno : 0;
}

static void on_clean_entry(int folder_fd, const char *text, void *userdata) {
        const char *path = userdata;
        OrphanName name;

        if (state_folder_is_unfinished(text))
                unlinkat(folder_fd, text, 0);
        else if (orphan_name_parse(&name, text) == 0)
                log_warning("Data waits for LUN %u of %s in %s/%s", name.lun, name.base_name, path,
                            text);
}

void orphan_folder_clean(const char *path) {
        int r;

        r = state_folder_for_each(path, on_clean_entry, (void *) path);
        if (r < 0)
                log_warning("%s can't be looked at, ignoring: %s", path, strerror(-r));
}
