/*
 * File descriptors
 *
 * Closing, in the form that cleanup attributes and half-built objects need.
 */

#include <errno.h>

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
