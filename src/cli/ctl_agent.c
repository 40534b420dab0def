/* pkttyagent, as systemd's tools run it: it says over a pipe when it is ready. */

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#include "cli/ctl_agent.h"
#include "cli/ctl_text.h"

static void run_agent(int fd) {
        _cleanup_(freep) char *number = ctl_text_format("%d", fd);

        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (fcntl(fd, F_SETFD, 0) < 0)
                _exit(EXIT_FAILURE);
        execlp("pkttyagent", "pkttyagent", "--notify-fd", number, "--fallback", (char *) NULL);
        _exit(EXIT_FAILURE);
}

static bool is_wanted(const Ctl *ctl) {
        return ctl->agent_pid == 0 && geteuid() != 0 && !ctl->options.address &&
               isatty(STDIN_FILENO) && isatty(STDERR_FILENO) &&
               !ctl_options_has(&ctl->options, CTL_OPTION_NO_ASK_PASSWORD);
}

void ctl_agent_open(Ctl *ctl) {
        int ends[2];
        char byte;
        pid_t pid;

        if (!is_wanted(ctl) || pipe2(ends, O_CLOEXEC) < 0)
                return;
        (void) fflush(NULL);
        pid = fork();
        if (pid == 0)
                run_agent(ends[1]);
        fd_close(ends[1]);
        if (pid > 0) {
                ctl->agent_pid = pid;
                /* Ends when it is ready or when it is gone. */
                (void) fd_read_all(ends[0], &byte, sizeof(byte));
        }
        fd_close(ends[0]);
}
