/* As systemd's tools do it: NO_COLOR, SYSTEMD_COLORS, SYSTEMD_PAGER and PAGER are heard. */

#include <fcntl.h>
#include <langinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "cli/ctl_terminal.h"

#define WIDTH_DEFAULT 80

static const char *const sequences[_CTL_COLOUR_MAX] = {
        [CTL_COLOUR_NONE] = "",          [CTL_COLOUR_BOLD] = "\033[1m",
        [CTL_COLOUR_GREY] = "\033[2m",   [CTL_COLOUR_RED] = "\033[1;31m",
        [CTL_COLOUR_GREEN] = "\033[32m", [CTL_COLOUR_YELLOW] = "\033[33m",
};

/* SYSTEMD_COLORS: a boolean, or how many colours there are. */
static bool is_no(const char *word) {
        static const char *const words[] = { "0", "no", "n", "false", "f", "off" };

        for (size_t i = 0; i < N_ELEMENTS(words); i++)
                if (strcasecmp(word, words[i]) == 0)
                        return true;
        return false;
}

static bool has_colours(bool is_terminal) {
        const char *wanted = getenv("SYSTEMD_COLORS"), *term = getenv("TERM");
        const char *unwanted = getenv("NO_COLOR");

        if (wanted && *wanted != '\0')
                return !is_no(wanted);
        if (unwanted && *unwanted != '\0')
                return false;
        return is_terminal && term && strcmp(term, "dumb") != 0;
}

static unsigned find_width(void) {
        const char *columns = getenv("COLUMNS");
        struct winsize size;

        if (columns && atoi(columns) > 0)
                return (unsigned) atoi(columns);
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
                return size.ws_col;
        return WIDTH_DEFAULT;
}

void ctl_terminal_init(CtlTerminal *terminal) {
        bool is_terminal = isatty(STDOUT_FILENO);

        *terminal = (CtlTerminal){
                .is_terminal = is_terminal,
                .has_colours = has_colours(is_terminal),
                .has_utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
                .n_columns = is_terminal ? find_width() : 0,
        };
}

static const char *find_pager(void) {
        static const char *const variables[] = { "SYSTEMD_PAGER", "PAGER" };

        for (size_t i = 0; i < N_ELEMENTS(variables); i++) {
                const char *pager = getenv(variables[i]);

                if (pager)
                        return pager;
        }
        return "less";
}

static void run_pager(const char *pager, int fd) {
        (void) prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (dup2(fd, STDIN_FILENO) < 0)
                _exit(EXIT_FAILURE);
        (void) setenv("LESS", "FRSXMK", /* overwrite= */ 0);
        (void) setenv("LESSSECURE", "1", /* overwrite= */ 0);
        execl("/bin/sh", "sh", "-c", pager, (char *) NULL);
        _exit(EXIT_FAILURE);
}

void ctl_terminal_open_pager(CtlTerminal *terminal) {
        const char *pager = find_pager();
        int ends[2];
        pid_t pid;

        if (!terminal->is_terminal || terminal->pager_pid > 0 || *pager == '\0' ||
            strcmp(pager, "cat") == 0)
                return;
        if (pipe2(ends, O_CLOEXEC) < 0)
                return;
        (void) fflush(stdout);
        pid = fork();
        if (pid == 0)
                run_pager(pager, ends[0]);
        if (pid > 0 && dup2(ends[1], STDOUT_FILENO) >= 0)
                terminal->pager_pid = pid;
        fd_close(ends[0]);
        fd_close(ends[1]);
}

void ctl_terminal_done(CtlTerminal *terminal) {
        (void) fflush(stdout);
        if (terminal->pager_pid <= 0)
                return;
        /* It ends when its input does. */
        (void) freopen("/dev/null", "w", stdout);
        (void) waitpid(terminal->pager_pid, NULL, 0);
        terminal->pager_pid = 0;
}

const char *ctl_terminal_colour(const CtlTerminal *terminal, CtlColour colour) {
        assert(colour < _CTL_COLOUR_MAX);

        return terminal->has_colours ? sequences[colour] : "";
}

const char *ctl_terminal_plain(const CtlTerminal *terminal) {
        return terminal->has_colours ? "\033[0m" : "";
}

bool ctl_terminal_confirm(const char *question) {
        char answer[16];

        fprintf(stderr, "%s [y/N] ", question);
        (void) fflush(stderr);
        if (!fgets(answer, sizeof(answer), stdin))
                return false;
        return answer[0] == 'y' || answer[0] == 'Y';
}
