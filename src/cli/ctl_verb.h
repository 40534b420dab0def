#pragma once

/*
 * CtlVerb
 *
 * What the program can do. One table holds all verbs: it is the help, and what the shell completions
 * and the manual are compared to.
 */

#include "cli/ctl.h"

#define CTL_ARGUMENTS_MAX 64

typedef struct CtlVerb {
        const char *name;
        const char *link;      /* the program's other name that means this verb; NULL: none */
        const char *arguments; /* for the help; "": none */
        const char *help;      /* one line */
        unsigned n_arguments_min;
        unsigned n_arguments_max;
        uint64_t options; /* CTL_OPTION_BIT() of those beside the common ones */
        bool has_pager;
        /* `arguments` ends with NULL. */
        CtlExit (*run)(Ctl *ctl, char **arguments);
} CtlVerb;

extern const CtlVerb ctl_verbs[];
extern const size_t ctl_verbs_n;

/* NULL: there is none. */
const CtlVerb *ctl_verb_find(const char *name);
/* By what the program was called. */
const CtlVerb *ctl_verb_find_link(const char *program);
/* Parses the command line and does it. */
CtlExit ctl_verb_main(int argc, char **argv);
