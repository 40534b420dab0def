/* By signalfd: no handler, no global state. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/ctl_interrupt.h"

static sigset_t get_signals(void) {
        sigset_t signals;

        (void) sigemptyset(&signals);
        (void) sigaddset(&signals, SIGINT);
        (void) sigaddset(&signals, SIGTERM);
        return signals;
}

int ctl_interrupt_open(void) {
        const sigset_t signals = get_signals();
        int fd;

        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
        return fd < 0 ? -errno : fd;
}

bool ctl_interrupt_wait(int fd, int timeout_ms) {
        struct pollfd pollfd = { .fd = fd, .events = POLLIN };

        return poll(&pollfd, 1, timeout_ms) > 0;
}

void ctl_interrupt_let_next(int fd) {
        const sigset_t signals = get_signals();
        struct signalfd_siginfo taken;

        while (read(fd, &taken, sizeof(taken)) > 0)
                continue;
        (void) sigprocmask(SIG_UNBLOCK, &signals, NULL);
}
