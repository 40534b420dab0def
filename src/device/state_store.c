/* Files of a StateFolder: see state_store.h. */

#include "device/state_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "device/state_folder.h"

struct StateStore {
        char *path; /* owned: of the folder */
        size_t n_files_max;
};

int state_store_new(StateStore **ret, const char *state_dir, const char *folder,
                    size_t n_files_max) {
        _cleanup_(state_store_freep) StateStore *store = NULL;

        store = calloc(1, sizeof(*store));
        if (!store)
                return -ENOMEM;
        store->n_files_max = n_files_max;
        if (asprintf(&store->path, "%s/%s", state_dir, folder) < 0) {
                store->path = NULL;
                return -ENOMEM;
        }
        *ret = TAKE_PTR(store);
        return 0;
}

StateStore *state_store_free(StateStore *store) {
        if (!store)
                return NULL;

        free(store->path);
        free(store);
        return NULL;
}

static int read_file(const StateStore *store, const char *name, StateStoreRead read,
                     void *userdata) {
        _cleanup_(fd_closep) int fd = -EBADF;
        _cleanup_(freep) char *path = NULL;

        fd = state_folder_open_file(store->path, name);
        if (fd < 0)
                return fd;
        if (asprintf(&path, "%s/%s", store->path, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        /* It is in use. */
        (void) futimens(fd, NULL);
        return read(fd, path, userdata);
}

bool state_store_load(StateStore *store, const char *name, StateStoreRead read, void *userdata) {
        int r;

        r = read_file(store, name, read, userdata);
        if (r < 0 && r != -ENOENT)
                log_warning("%s/%s is ignored, and what it may have said is learned anew: %s",
                            store->path, name, strerror(-r));
        return r == 0;
}

int state_store_save(StateStore *store, const char *name, const char *text, size_t size) {
        int r;

        r = state_folder_replace(store->path, name, text, size);
        if (r < 0) {
                log_warning("%s/%s can't be written, ignoring: %s", store->path, name,
                            strerror(-r));
                return r;
        }
        state_folder_drop_oldest(store->path, name, store->n_files_max);
        return 0;
}
