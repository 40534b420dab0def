/* The table, and getopt_long() on it. */

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cli/ctl_options.h"
#include "cli/ctl_text.h"

#define SECONDS_MAX 86400
#define ITERATIONS_MAX 1000000
#define DEPTH_MAX 64
/* What SCSI's pass-through takes. */
#define IN_SIZE_MAX (64 * MIB)

/* The first that getopt_long() returns for what has no short name. */
#define LONG_ONLY 256

const CtlOption ctl_options_table[_CTL_OPTION_MAX] = {
        [CTL_OPTION_HELP] = { 'h', "help", NULL, "show this, or what belongs to the verb" },
        [CTL_OPTION_VERSION] = { 0, "version", NULL, "show the version" },
        [CTL_OPTION_JSON] = { 0, "json", "MODE", "JSON: pretty, short or off" },
        [CTL_OPTION_JSON_SHORT] = { 'j', NULL, NULL, "--json=pretty on a terminal, else short" },
        [CTL_OPTION_NO_PAGER] = { 0, "no-pager", NULL, "do not pipe into a pager" },
        [CTL_OPTION_NO_LEGEND] = { 0, "no-legend", NULL, "tables without a heading" },
        [CTL_OPTION_BYTES] = { 'b', "bytes", NULL, "sizes in bytes" },
        [CTL_OPTION_ADDRESS] = { 0, "address", "ADDRESS", "the bus, in place of the system's" },
        [CTL_OPTION_NO_ASK_PASSWORD] = { 0, "no-ask-password", NULL, "fail rather than ask" },
        [CTL_OPTION_TIMEOUT] = { 0, "timeout", "SECONDS", "how long to wait for an answer" },
        [CTL_OPTION_OUTPUT] = { 'o', "output", "COLS", "which columns, or 'all'" },
        [CTL_OPTION_FORCE] = { 0, "force", NULL, "even what would be refused" },
        [CTL_OPTION_YES] = { 'y', "yes", NULL, "do not ask before data is lost" },
        [CTL_OPTION_DISCARD_DIRTY] = { 0, "discard-dirty", NULL, "give up what can't be written" },
        [CTL_OPTION_IN] = { 0, "in", "SIZE", "at most so many bytes come in" },
        [CTL_OPTION_OUT] = { 0, "out", "FILE", "the data that goes out ('-': standard input)" },
        [CTL_OPTION_ITERATIONS] = { 'n', "iterations", "N", "so many times, then end" },
        [CTL_OPTION_DELAY] = { 'd', "delay", "SECONDS", "between two looks (1)" },
        [CTL_OPTION_PCAP] = { 0, "pcap", "FILE", "where the packets go" },
        [CTL_OPTION_SECONDS] = { 0, "seconds", "N", "for how long" },
        [CTL_OPTION_MAP] = { 0, "map", "FILE", "map of what was copied: resumes from it" },
        [CTL_OPTION_RETRY] = { 0, "retry", NULL, "try what the map calls bad again" },
        [CTL_OPTION_DEPTH] = { 0, "depth", "N", "requests in flight" },
        [CTL_OPTION_TEXTFILE] = { 0, "textfile", "FILE", "into a file, for node_exporter" },
        [CTL_OPTION_WAIT] = { 0, "wait", NULL, "until it has ended" },
        [CTL_OPTION_WRITE] = { 0, "write", NULL, "write as well: what is there is lost" },
        [CTL_OPTION_STANDBY_TIMEOUT] = { 0, "standby-timeout", "TIME", "stop it after, or never" },
        [CTL_OPTION_SUSPEND_TIMEOUT] = { 0, "suspend-timeout", "TIME",
                                         "suspend it after, or never" },
        [CTL_OPTION_DEFAULT_TIMEOUTS] = { 0, "default-timeouts", NULL, "as configured again" },
        [CTL_OPTION_READ_ONLY] = { 'r', "read-only", NULL, "nothing may be written" },
        [CTL_OPTION_ALLOW_OTHER] = { 0, "allow-other", NULL, "root may use it, too" },
        [CTL_OPTION_ALL] = { 0, "all", NULL, "every unit, as it comes" },
        [CTL_OPTION_FOLLOW] = { 0, "follow", NULL, "stay, and see to those that come and go" },
};

static const struct {
        const char *name;
        CtlJson json;
} json_modes[] = {
        { "pretty", CTL_JSON_PRETTY },
        { "short", CTL_JSON_SHORT },
        { "off", CTL_JSON_OFF },
};

static int set_json(CtlOptions *options, const char *mode) {
        for (size_t i = 0; i < N_ELEMENTS(json_modes); i++)
                if (strcmp(mode, json_modes[i].name) == 0) {
                        options->json = json_modes[i].json;
                        return 0;
                }
        return -EINVAL;
}

static int set_size(const char *text, uint64_t maximum, uint64_t *ret) {
        uint64_t size;
        int r;

        r = ctl_text_parse_size(text, &size);
        if (r < 0)
                return r;
        if (size > maximum)
                return -ERANGE;
        *ret = size;
        return 0;
}

static int set_count(const char *text, uint64_t maximum, uint64_t *ret) {
        uint64_t value;
        int r;

        r = ctl_text_parse_number(text, maximum, &value);
        if (r < 0)
                return r;
        if (value == 0)
                return -ERANGE;
        *ret = value;
        return 0;
}

static int set(CtlOptions *options, CtlOptionId id) {
        switch (id) {
        case CTL_OPTION_JSON:
                return set_json(options, optarg);
        case CTL_OPTION_JSON_SHORT:
                options->json = isatty(STDOUT_FILENO) ? CTL_JSON_PRETTY : CTL_JSON_SHORT;
                return 0;
        case CTL_OPTION_ADDRESS:
                options->address = optarg;
                return 0;
        case CTL_OPTION_TIMEOUT:
                return set_count(optarg, SECONDS_MAX, &options->timeout_s);
        case CTL_OPTION_OUTPUT:
                options->columns = optarg;
                return 0;
        case CTL_OPTION_IN:
                return set_size(optarg, IN_SIZE_MAX, &options->n_in);
        case CTL_OPTION_OUT:
                options->out_path = optarg;
                return 0;
        case CTL_OPTION_ITERATIONS:
                return set_count(optarg, ITERATIONS_MAX, &options->n_iterations);
        case CTL_OPTION_DELAY:
                return set_count(optarg, SECONDS_MAX, &options->delay_s);
        case CTL_OPTION_PCAP:
                options->pcap_path = optarg;
                return 0;
        case CTL_OPTION_SECONDS:
                return set_count(optarg, SECONDS_MAX, &options->seconds);
        case CTL_OPTION_MAP:
                options->map_path = optarg;
                return 0;
        case CTL_OPTION_TEXTFILE:
                options->textfile_path = optarg;
                return 0;
        case CTL_OPTION_DEPTH:
                return set_count(optarg, DEPTH_MAX, &options->depth);
        case CTL_OPTION_STANDBY_TIMEOUT:
                return ctl_text_parse_timeout(optarg, &options->standby_timeout_us);
        case CTL_OPTION_SUSPEND_TIMEOUT:
                return ctl_text_parse_timeout(optarg, &options->suspend_timeout_us);
        case CTL_OPTION_DEFAULT_TIMEOUTS:
        case CTL_OPTION_HELP:
        case CTL_OPTION_VERSION:
        case CTL_OPTION_NO_PAGER:
        case CTL_OPTION_NO_LEGEND:
        case CTL_OPTION_BYTES:
        case CTL_OPTION_NO_ASK_PASSWORD:
        case CTL_OPTION_FORCE:
        case CTL_OPTION_YES:
        case CTL_OPTION_DISCARD_DIRTY:
        case CTL_OPTION_RETRY:
        case CTL_OPTION_WRITE:
        case CTL_OPTION_WAIT:
        case CTL_OPTION_READ_ONLY:
        case CTL_OPTION_ALLOW_OTHER:
        case CTL_OPTION_ALL:
        case CTL_OPTION_FOLLOW:
                return 0;
        case _CTL_OPTION_MAX:
                break;
        }

        assert_not_reached();
}

/* What getopt_long() returned, as an id. */
static CtlOptionId find(int character) {
        if (character >= LONG_ONLY)
                return (CtlOptionId) (character - LONG_ONLY);
        for (size_t i = 0; i < _CTL_OPTION_MAX; i++)
                if (ctl_options_table[i].short_name == character)
                        return (CtlOptionId) i;
        return _CTL_OPTION_MAX;
}

static void fill(struct option *long_options, char *short_options) {
        for (size_t i = 0; i < _CTL_OPTION_MAX; i++) {
                const CtlOption *option = &ctl_options_table[i];

                if (option->name)
                        *long_options++ = (struct option){
                                .name = option->name,
                                .has_arg = option->argument ? required_argument : no_argument,
                                .val = LONG_ONLY + (int) i,
                        };
                if (option->short_name != '\0')
                        *short_options++ = option->short_name;
                if (option->short_name != '\0' && option->argument)
                        *short_options++ = ':';
        }
}

int ctl_options_parse(CtlOptions *options, const char *name, int argc, char **argv,
                      int *ret_first) {
        struct option long_options[_CTL_OPTION_MAX + 1] = {};
        char short_options[2 * _CTL_OPTION_MAX + 1] = "";
        int character, r;

        *options = (CtlOptions){ .delay_s = 1 };
        fill(long_options, short_options);
        optind = 0; /* from the beginning, also the second time */
        while ((character = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
                CtlOptionId id = find(character);

                if (id == _CTL_OPTION_MAX)
                        return -EINVAL; /* getopt_long() has said why */
                r = set(options, id);
                if (r < 0) {
                        fprintf(stderr, "%s: --%s: %s is no value for it\n", name,
                                ctl_options_table[id].name, optarg);
                        return -EINVAL;
                }
                options->given |= CTL_OPTION_BIT(id);
        }
        *ret_first = optind;
        return 0;
}

void ctl_options_print_help(FILE *file, uint64_t set_of_options) {
        for (size_t i = 0; i < _CTL_OPTION_MAX; i++) {
                const CtlOption *option = &ctl_options_table[i];
                _cleanup_(freep) char *text = NULL;

                if (!(set_of_options & CTL_OPTION_BIT(i)))
                        continue;
                text = ctl_text_format("%s%s%s%s", option->name ? "--" : "",
                                       option->name ? option->name : "",
                                       option->argument ? "=" : "",
                                       option->argument ? option->argument : "");
                fprintf(file, "  %c%c%c %-24s %s\n", option->short_name ? '-' : ' ',
                        option->short_name ? option->short_name : ' ',
                        option->short_name && option->name ? ',' : ' ', text, option->help);
        }
}
