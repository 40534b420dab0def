/* Written aside, brought to the medium, renamed. */

#include "cli/ctl_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/macros.h"

static int write_temporary(const char *temporary, CtlFileWrite write_text, const void *userdata) {
        FILE *file;
        int fd, r = 0;

        fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd < 0)
                return -errno;
        file = fdopen(fd, "w");
        if (!file) {
                r = -errno;
                fd_close(fd);
                return r;
        }
        errno = 0;
        write_text(file, userdata);
        /* Of what failed in between the mark alone may be left, and the flush then succeeds. */
        if (fflush(file) == EOF || ferror(file) || fsync(fd) < 0)
                r = errno > 0 ? -errno : -EIO;
        if (fclose(file) == EOF && r == 0)
                r = -errno;
        return r;
}

int ctl_file_replace(const char *path, CtlFileWrite write, const void *userdata) {
        _cleanup_(freep) char *temporary = NULL;
        int r;

        if (asprintf(&temporary, "%s.new", path) < 0)
                return -ENOMEM;
        r = write_temporary(temporary, write, userdata);
        if (r == 0 && rename(temporary, path) < 0)
                r = -errno;
        if (r < 0)
                (void) unlink(temporary);
        return r;
}
