/* Directory entries: see orphan_folder.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "device/orphan_folder.h"

typedef void (*EntryHandler)(int folder_fd, const char *name, void *userdata);

static void closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

int orphan_folder_open(const char *path) {
        int fd;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int for_each_entry(const char *path, EntryHandler handler, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;

        dir = opendir(path);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while ((errno = 0, entry = readdir(dir)))
                handler(dirfd(dir), entry->d_name, userdata);
        return -errno;
}

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
        r = for_each_entry(path, on_list_entry, &request);
        if (r < 0)
                return r;
        if (request.is_full)
                return -E2BIG;
        qsort(ret->names, ret->n_names, sizeof(*ret->names), compare_age);
        return 0;
}

int orphan_folder_open_file(const char *path, const OrphanName *name) {
        _cleanup_(fd_closep) int folder_fd = -EBADF, fd = -EBADF;
        char text[ORPHAN_NAME_SIZE_MAX];
        struct stat status;

        folder_fd = orphan_folder_open(path);
        if (folder_fd < 0)
                return folder_fd;
        orphan_name_format(name, text);
        fd = openat(folder_fd, text, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        return S_ISREG(status.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

int orphan_folder_delete(const char *path, const OrphanName *name) {
        _cleanup_(fd_closep) int folder_fd = -EBADF;
        char text[ORPHAN_NAME_SIZE_MAX];

        folder_fd = orphan_folder_open(path);
        if (folder_fd < 0)
                return folder_fd;
        orphan_name_format(name, text);
        if (unlinkat(folder_fd, text, 0) < 0 && errno != ENOENT)
                return -errno;
        return fsync(folder_fd) < 0 ? -errno : 0;
}

static bool is_unfinished(const char *text) {
        size_t size = strlen(text);

        return text[0] == '.' && size > 4 && strcmp(text + size - 4, ".tmp") == 0;
}

static void on_clean_entry(int folder_fd, const char *text, void *userdata) {
        const char *path = userdata;
        OrphanName name;

        if (is_unfinished(text))
                unlinkat(folder_fd, text, 0);
        else if (orphan_name_parse(&name, text) == 0)
                log_warning("Data waits for LUN %u of %s in %s/%s", name.lun, name.base_name, path,
                            text);
}

void orphan_folder_clean(const char *path) {
        int r;

        r = for_each_entry(path, on_clean_entry, (void *) path);
        if (r < 0)
                log_warning("%s can't be looked at, ignoring: %s", path, strerror(-r));
}
