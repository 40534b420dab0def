/* mount(2), or fusermount3's way to give a descriptor back: over a socket that it finds in its environment. */

#include "cli/fuse_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/ctl_text.h"

#define SUBTYPE "usb-storage"
#define TYPE "fuse." SUBTYPE
/* What one request may carry; the service says the same to the kernel. */
#define MAX_READ "1048576"
#define SOCKET_VARIABLE "_FUSE_COMMFD"

FuseMountState fuse_mount_look(const char *file) {
        FILE *table = setmntent("/proc/self/mounts", "re");
        FuseMountState state = FUSE_MOUNT_STATE_NONE;
        struct mntent *entry;

        if (!table)
                return state;
        /* The last one is on top. */
        while ((entry = getmntent(table)))
                if (strcmp(entry->mnt_dir, file) == 0)
                        state = strcmp(entry->mnt_type, TYPE) == 0 ? FUSE_MOUNT_STATE_OURS
                                                                   : FUSE_MOUNT_STATE_OTHER;
        endmntent(table);
        return state;
}

/* As root */

static CtlExit mount_by_kernel(const Ctl *ctl, const char *file, const FuseMountOptions *options,
                               int *ret_fd) {
        _cleanup_(fd_closep) int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        _cleanup_(freep) char *data = NULL;

        if (fd < 0) {
                ctl_complain(ctl, "/dev/fuse: %s", strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        data = ctl_text_format("fd=%d,rootmode=%o,user_id=0,group_id=0,max_read=" MAX_READ
                               ",allow_other,default_permissions",
                               fd, S_IFREG);
        if (mount(options->source, file, TYPE,
                  MS_NOSUID | MS_NODEV | (options->is_read_only ? MS_RDONLY : 0), data) < 0) {
                ctl_complain(ctl, "%s can't be mounted over: %s", file, strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        *ret_fd = TAKE_FD(fd);
        return CTL_EXIT_OK;
}

static CtlExit unmount_by_kernel(const Ctl *ctl, const char *file, bool is_lazy) {
        if (umount2(file, UMOUNT_NOFOLLOW | (is_lazy ? MNT_DETACH : 0)) == 0)
                return CTL_EXIT_OK;
        ctl_complain(ctl, "%s can't be unmounted: %s", file,
                     errno == EBUSY ? "it is in use" : strerror(errno));
        return CTL_EXIT_FAILURE;
}

/* As anybody else */

/* `comm_fd` negative: there is none. The program tells itself what is wrong. */
static CtlExit run_fusermount(const Ctl *ctl, const char *const *arguments, int comm_fd) {
        _cleanup_(freep) char *number = ctl_text_format("%d", comm_fd);
        int status;
        pid_t pid;

        pid = fork();
        if (pid == 0) {
                if (comm_fd >= 0) {
                        (void) setenv(SOCKET_VARIABLE, number, 1);
                        (void) fcntl(comm_fd, F_SETFD, 0);
                }
                (void) execvp(arguments[0], (char *const *) arguments);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0) {
                ctl_complain(ctl, "%s: %s", arguments[0], strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
                ctl_complain(ctl, "fusermount3 can't be run: install fuse3, or be root");
                return CTL_EXIT_UNSUPPORTED;
        }
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? CTL_EXIT_OK : CTL_EXIT_FAILURE;
}

/* -errno. */
static int receive_fd(int socket) {
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control;
        char byte;
        struct iovec part = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr message = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control.bytes,
                .msg_controllen = sizeof(control.bytes),
        };
        struct cmsghdr *header;
        int fd;

        if (recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
                return -errno;
        header = CMSG_FIRSTHDR(&message);
        if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof(int)))
                return -EBADMSG;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        return fd;
}

/* A comma ends an option, unless there is a backslash before it. */
static char *escape(const char *text) {
        char *escaped = ctl_text_copy("");

        for (; *text != '\0'; text++) {
                char *longer = ctl_text_format("%s%s%c", escaped,
                                               *text == ',' || *text == '\\' ? "\\" : "", *text);

                free(escaped);
                escaped = longer;
        }
        return escaped;
}

static CtlExit mount_by_helper(const Ctl *ctl, const char *file, const FuseMountOptions *options,
                               int *ret_fd) {
        _cleanup_(freep) char *source = escape(options->source);
        _cleanup_(freep) char *text =
                        ctl_text_format("fsname=%s,subtype=" SUBTYPE ",max_read=" MAX_READ
                                        ",default_permissions%s%s",
                                        source, options->is_read_only ? ",ro" : "",
                                        options->allows_others ? ",allow_other" : "");
        const char *const arguments[] = { "fusermount3", "-o", text, "--", file, NULL };
        _cleanup_(fd_closep) int ours = -EBADF, theirs = -EBADF;
        CtlExit e;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
                ctl_complain(ctl, "socketpair: %s", strerror(errno));
                return CTL_EXIT_FAILURE;
        }
        ours = fds[0];
        theirs = fds[1];
        e = run_fusermount(ctl, arguments, theirs);
        if (e != CTL_EXIT_OK)
                return e;
        *ret_fd = receive_fd(ours);
        if (*ret_fd >= 0)
                return CTL_EXIT_OK;
        ctl_complain(ctl, "fusermount3 gave no descriptor: %s", strerror(-*ret_fd));
        return CTL_EXIT_FAILURE;
}

CtlExit fuse_mount_begin(const Ctl *ctl, const char *file, const FuseMountOptions *options,
                         int *ret_fd) {
        return geteuid() == 0 ? mount_by_kernel(ctl, file, options, ret_fd)
                              : mount_by_helper(ctl, file, options, ret_fd);
}

CtlExit fuse_mount_end(const Ctl *ctl, const char *file, bool is_lazy) {
        const char *const arguments[] = { "fusermount3", is_lazy ? "-uz" : "-u", "--", file, NULL };

        return geteuid() == 0 ? unmount_by_kernel(ctl, file, is_lazy)
                              : run_fusermount(ctl, arguments, -EBADF);
}
