/* Directory entries: see state_folder.h. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "device/state_folder.h"

static void closedirp(DIR **dir) {
        if (*dir)
                closedir(*dir);
}

int state_folder_open(const char *path) {
        int fd;

        if (mkdir(path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int state_folder_for_each(const char *path, StateFolderEntry handler, void *userdata) {
        _cleanup_(closedirp) DIR *dir = NULL;
        struct dirent *entry;

        dir = opendir(path);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while ((errno = 0, entry = readdir(dir)))
                handler(dirfd(dir), entry->d_name, userdata);
        return -errno;
}

int state_folder_open_file(const char *path, const char *name) {
        _cleanup_(fd_closep) int folder_fd = -EBADF, fd = -EBADF;
        struct stat status;

        folder_fd = state_folder_open(path);
        if (folder_fd < 0)
                return folder_fd;
        fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &status) < 0)
                return -errno;
        return S_ISREG(status.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

static int write_whole(int fd, const uint8_t *bytes, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, bytes, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                bytes += n;
                size -= (size_t) n;
        }
        return fsync(fd) < 0 ? -errno : 0;
}

static int write_file(int folder_fd, const char *name, const void *bytes, size_t size) {
        _cleanup_(fd_closep) int fd = -EBADF;

        fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        return write_whole(fd, bytes, size);
}

int state_folder_replace(const char *path, const char *name, const void *bytes, size_t size) {
        _cleanup_(fd_closep) int folder_fd = -EBADF;
        char unfinished[STATE_FOLDER_NAME_SIZE_MAX + 8];
        int r;

        assert(strlen(name) < STATE_FOLDER_NAME_SIZE_MAX);

        folder_fd = state_folder_open(path);
        if (folder_fd < 0)
                return folder_fd;
        snprintf(unfinished, sizeof(unfinished), ".%s.tmp", name);
        r = write_file(folder_fd, unfinished, bytes, size);
        if (r == 0 && renameat(folder_fd, unfinished, folder_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                unlinkat(folder_fd, unfinished, 0);
                return r;
        }
        return fsync(folder_fd) < 0 ? -errno : 0;
}

/* What is in the folder besides the newest file. */
typedef struct StateFiles {
        const char *newest;
        size_t n;
        struct timespec oldest_time;
        char oldest[STATE_FOLDER_NAME_SIZE_MAX]; /* "": there is none */
} StateFiles;

static bool is_before(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static void find_oldest(int folder_fd, const char *name, void *userdata) {
        StateFiles *files = userdata;
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

void state_folder_drop_oldest(const char *path, const char *newest, size_t n_max) {
        _cleanup_(fd_closep) int folder_fd = -EBADF;

        folder_fd = state_folder_open(path);
        if (folder_fd < 0)
                return;
        for (size_t i = 0; i < n_max; i++) {
                StateFiles files = { .newest = newest };

                if (state_folder_for_each(path, find_oldest, &files) < 0 || files.n < n_max ||
                    files.oldest[0] == '\0' || unlinkat(folder_fd, files.oldest, 0) < 0)
                        return;
                log_debug("%s/%s is dropped, there are too many", path, files.oldest);
        }
}

int state_folder_remove(const char *path, const char *name) {
        _cleanup_(fd_closep) int folder_fd = -EBADF;

        folder_fd = state_folder_open(path);
        if (folder_fd < 0)
                return folder_fd;
        return unlinkat(folder_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

bool state_folder_is_unfinished(const char *name) {
        size_t size = strlen(name);

        return name[0] == '.' && size > 4 && strcmp(name + size - 4, ".tmp") == 0;
}
