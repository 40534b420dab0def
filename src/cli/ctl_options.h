#pragma once

/*
 * CtlOptions
 *
 * What the command line says before a verb takes its arguments. One table holds all options: a verb
 * names those that it takes beside the common ones.
 */

#include <stdio.h>

#include "base/macros.h"

typedef enum CtlOptionId {
        CTL_OPTION_HELP,
        CTL_OPTION_VERSION,
        CTL_OPTION_JSON,
        CTL_OPTION_JSON_SHORT,
        CTL_OPTION_NO_PAGER,
        CTL_OPTION_NO_LEGEND,
        CTL_OPTION_BYTES,
        CTL_OPTION_ADDRESS,
        CTL_OPTION_NO_ASK_PASSWORD,
        CTL_OPTION_TIMEOUT,
        _CTL_OPTION_COMMON_MAX,
        CTL_OPTION_OUTPUT = _CTL_OPTION_COMMON_MAX,
        CTL_OPTION_FORCE,
        CTL_OPTION_YES,
        CTL_OPTION_DISCARD_DIRTY,
        CTL_OPTION_IN,
        CTL_OPTION_OUT,
        CTL_OPTION_ITERATIONS,
        CTL_OPTION_DELAY,
        CTL_OPTION_PCAP,
        CTL_OPTION_SECONDS,
        CTL_OPTION_MAP,
        CTL_OPTION_RETRY,
        CTL_OPTION_DEPTH,
        CTL_OPTION_TEXTFILE,
        CTL_OPTION_WRITE,
        CTL_OPTION_WAIT,
        CTL_OPTION_STANDBY_TIMEOUT,
        CTL_OPTION_SUSPEND_TIMEOUT,
        CTL_OPTION_DEFAULT_TIMEOUTS,
        CTL_OPTION_READ_ONLY,
        CTL_OPTION_ALLOW_OTHER,
        CTL_OPTION_ALL,
        CTL_OPTION_FOLLOW,
        _CTL_OPTION_MAX,
} CtlOptionId;

static_assert(_CTL_OPTION_MAX <= 64, "a bit to each");

#define CTL_OPTION_BIT(id) (UINT64_C(1) << (id))

typedef struct CtlOption {
        char short_name; /* '\0': none */
        const char *name;
        const char *argument; /* NULL: takes none */
        const char *help;
} CtlOption;

typedef enum CtlJson {
        CTL_JSON_OFF,
        CTL_JSON_SHORT,
        CTL_JSON_PRETTY,
} CtlJson;

typedef struct CtlOptions {
        uint64_t given; /* CTL_OPTION_BIT() of each */
        CtlJson json;
        const char *address; /* NULL: the system bus */
        const char *columns;
        const char *out_path;
        const char *pcap_path;
        const char *map_path;
        const char *textfile_path;
        uint64_t timeout_s; /* 0: what suits the call */
        uint64_t n_in;
        uint64_t n_iterations;
        uint64_t delay_s;
        uint64_t seconds;
        uint64_t depth;
        uint64_t standby_timeout_us; /* 0: never */
        uint64_t suspend_timeout_us;
} CtlOptions;

/* By CtlOptionId. */
extern const CtlOption ctl_options_table[_CTL_OPTION_MAX];

/* Sorts `argv` so that `*ret_first` is the first that is no option. -EINVAL: it has said why.
 * `name` is the program's, for messages. */
int ctl_options_parse(CtlOptions *options, const char *name, int argc, char **argv, int *ret_first);
static inline bool ctl_options_has(const CtlOptions *options, CtlOptionId id) {
        return options->given & CTL_OPTION_BIT(id);
}
/* One line for each option of `set`. */
void ctl_options_print_help(FILE *file, uint64_t set);
