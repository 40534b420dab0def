/* Files of a StateFolder: see learned_store.h. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "device/export_name.h"
#include "device/learned_file.h"
#include "device/learned_store.h"
#include "device/state_folder.h"

static_assert(LEARNED_STORE_NAME_SIZE_MAX >= EXPORT_NAME_SIZE_MAX, "a name has its room");
static_assert(LEARNED_STORE_NAME_SIZE_MAX <= STATE_FOLDER_NAME_SIZE_MAX, "and so in the folder");

struct LearnedStore {
        char *path; /* owned: of the folder */
};

int learned_store_new(LearnedStore **ret, const char *state_dir) {
        _cleanup_(learned_store_freep) LearnedStore *store = NULL;

        store = calloc(1, sizeof(*store));
        if (!store)
                return -ENOMEM;
        if (asprintf(&store->path, "%s/" LEARNED_STORE_FOLDER_NAME, state_dir) < 0) {
                store->path = NULL;
                return -ENOMEM;
        }
        *ret = TAKE_PTR(store);
        return 0;
}

LearnedStore *learned_store_free(LearnedStore *store) {
        if (!store)
                return NULL;

        free(store->path);
        free(store);
        return NULL;
}

void learned_store_format_name(char name[static LEARNED_STORE_NAME_SIZE_MAX], uint16_t vendor_id,
                               uint16_t product_id, uint16_t version, const char *serial) {
        char text[LEARNED_STORE_NAME_SIZE_MAX];

        snprintf(text, sizeof(text), "%04x%s%s", version, serial[0] != '\0' ? "-" : "", serial);
        export_name_format(name, vendor_id, product_id, text, "");
}

static int read_file(const LearnedStore *store, const char *name, UsbLearnedFacts *ret) {
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
        return learned_file_read(ret, fd, path);
}

bool learned_store_load(LearnedStore *store, const char *name, UsbLearnedFacts *ret) {
        int r;

        *ret = (UsbLearnedFacts){ 0 };
        r = read_file(store, name, ret);
        if (r < 0 && r != -ENOENT)
                log_warning("%s/%s is ignored, and what it may have said is learned anew: %s",
                            store->path, name, strerror(-r));
        return r == 0;
}

/* What is in the folder besides the file that was just written. */
typedef struct LearnedFiles {
        const char *newest;
        size_t n;
        struct timespec oldest_time;
        char oldest[LEARNED_STORE_NAME_SIZE_MAX]; /* "": there is none */
} LearnedFiles;

static bool is_before(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static void on_entry(int folder_fd, const char *name, void *userdata) {
        LearnedFiles *files = userdata;
        struct stat status;

        /* Names are ours or nobody's: those with a dot are not. */
        if (name[0] == '.' || strlen(name) >= sizeof(files->oldest) ||
            strcmp(name, files->newest) == 0)
                return;
        files->n++;
        if (fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(status.st_mode))
                return;
        if (files->oldest[0] != '\0' && !is_before(&status.st_mtim, &files->oldest_time))
                return;
        files->oldest_time = status.st_mtim;
        strcpy(files->oldest, name);
}

/* One is added at a time, so one goes at a time, more only where somebody else has added some. */
static void drop_oldest(const LearnedStore *store, const char *newest) {
        _cleanup_(fd_closep) int folder_fd = -EBADF;

        folder_fd = state_folder_open(store->path);
        if (folder_fd < 0)
                return;
        for (unsigned i = 0; i < LEARNED_STORE_FILES_MAX; i++) {
                LearnedFiles files = { .newest = newest };

                if (state_folder_for_each(store->path, on_entry, &files) < 0 ||
                    files.n < LEARNED_STORE_FILES_MAX || files.oldest[0] == '\0' ||
                    unlinkat(folder_fd, files.oldest, 0) < 0)
                        return;
                log_debug("%s/%s is dropped, there are too many", store->path, files.oldest);
        }
}

int learned_store_save(LearnedStore *store, const char *name, const UsbLearnedFacts *facts) {
        char text[LEARNED_FILE_SIZE_MAX];
        int r;

        r = state_folder_replace(store->path, name, text, learned_file_format(facts, text));
        if (r < 0) {
                log_warning("%s/%s can't be written, ignoring: %s", store->path, name,
                            strerror(-r));
                return r;
        }
        drop_oldest(store, name);
        return 0;
}
