/* What every verb prints and asks alike. */

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "cli/ctl.h"

void ctl_done(Ctl *ctl) {
        ctl->bus = sd_bus_flush_close_unref(ctl->bus);
        ctl_terminal_done(&ctl->terminal);
        if (ctl->agent_pid > 0) {
                (void) kill(ctl->agent_pid, SIGTERM);
                (void) waitpid(ctl->agent_pid, NULL, 0);
        }
}

void ctl_complain(const Ctl *ctl, const char *format, ...) {
        va_list arguments;

        (void) fflush(stdout);
        fprintf(stderr, "%s: ", ctl->name);
        va_start(arguments, format);
        (void) vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
}

CtlExit ctl_print_json(const Ctl *ctl, json_object *value) {
        _cleanup_(json_object_putp) json_object *owned = value;
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

        flags |= ctl->options.json == CTL_JSON_PRETTY
                                 ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED
                                 : JSON_C_TO_STRING_PLAIN;
        puts(json_object_to_json_string_ext(owned, flags));
        return ferror(stdout) ? CTL_EXIT_FAILURE : CTL_EXIT_OK;
}

CtlExit ctl_confirm(const Ctl *ctl, const char *question) {
        if (ctl_options_has(&ctl->options, CTL_OPTION_YES))
                return CTL_EXIT_OK;
        if (!isatty(STDIN_FILENO)) {
                ctl_complain(ctl, "%s Say --yes where nobody can be asked.", question);
                return CTL_EXIT_USAGE;
        }
        return ctl_terminal_confirm(question) ? CTL_EXIT_OK : CTL_EXIT_FAILURE;
}
