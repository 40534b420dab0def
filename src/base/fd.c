/*
 * File descriptors
 *
 * Closing, in the form that cleanup attributes and half-built objects need, and reading in spite of
 * signals and short reads.
 */

#include <errno.h>
#include <fcntl.h>

#include "base/macros.h"

int fd_close(int fd) {
        int saved_errno = errno;

        /* Linux frees the number even when close() reports EINTR or EIO: a retry could hit another
         * descriptor. */
        if (fd >= 0)
                (void) close(fd);
        errno = saved_errno;
        return -EBADF;
}

ssize_t fd_read_all(int fd, void *bytes, size_t size) {
        size_t n_read = 0;

        while (n_read < size) {
                ssize_t n = read(fd, (char *) bytes + n_read, size - n_read);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                n_read += (size_t) n;
        }
        return (ssize_t) n_read;
}

ssize_t fd_read_path(const char *path, void *bytes, size_t size) {
        _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd_read_all(fd, bytes, size);
}
