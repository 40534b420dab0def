#pragma once

/*
 * Ctl
 *
 * One run of the program: its options, its terminal, its connection to the service. Verbs get it.
 */

#include <json-c/json.h>

#include "cli/ctl_exit.h"
#include "cli/ctl_options.h"
#include "cli/ctl_terminal.h"

typedef struct Ctl {
        const char *name; /* that the program was called by */
        CtlOptions options;
        CtlTerminal terminal;
        sd_bus *bus;     /* owned; NULL: not connected yet */
        pid_t agent_pid; /* the one that asks for passwords; 0: none */
} Ctl;

void ctl_done(Ctl *ctl);
/* On standard error, after the program's name; a colour where there are some. */
void ctl_complain(const Ctl *ctl, const char *format, ...) _printf_(2, 3);
/* True: the verb prints JSON and nothing else. */
static inline bool ctl_is_json(const Ctl *ctl) { return ctl->options.json != CTL_JSON_OFF; }
/* Prints `value` as the options say, with a line's end. Takes it. */
CtlExit ctl_print_json(const Ctl *ctl, json_object *value);
/* Before data is lost: --yes, or a yes on the terminal. */
CtlExit ctl_confirm(const Ctl *ctl, const char *question);

DEFINE_CLEANUP(json_object *, json_object_put);
