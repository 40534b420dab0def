#pragma once

/*
 * CtlTerminal
 *
 * Where output goes: its width and whether it takes colours and more than ASCII; the pager; the
 * agent that asks for passwords; and the keyboard for what redraws itself.
 */

#include <sys/types.h>

#include "base/macros.h"

typedef enum CtlColour {
        CTL_COLOUR_NONE,
        CTL_COLOUR_BOLD,
        CTL_COLOUR_GREY,
        CTL_COLOUR_RED,
        CTL_COLOUR_GREEN,
        CTL_COLOUR_YELLOW,
        _CTL_COLOUR_MAX,
} CtlColour;

typedef struct CtlTerminal {
        bool is_terminal; /* standard output is one */
        bool has_colours;
        bool has_utf8;
        unsigned n_columns; /* 0: no limit */
        pid_t pager_pid;    /* 0: none */
} CtlTerminal;

/* Reads the environment. */
void ctl_terminal_init(CtlTerminal *terminal);
/* What is printed goes through a pager from now on, if there is a terminal and a pager. */
void ctl_terminal_open_pager(CtlTerminal *terminal);
/* Waits for the pager's end. */
void ctl_terminal_done(CtlTerminal *terminal);
/* The sequence that begins `colour`, or "" where there are none. */
const char *ctl_terminal_colour(const CtlTerminal *terminal, CtlColour colour);
const char *ctl_terminal_plain(const CtlTerminal *terminal);
/* Asks on the terminal: true if the answer is yes. */
bool ctl_terminal_confirm(const char *question);
