/* The table of verbs, and the way from the command line to one of them. */

#include <errno.h>
#include <string.h>

#include "cli/ctl_verb.h"
#include "cli/verb_attach.h"
#include "cli/verb_benchmark.h"
#include "cli/verb_cache.h"
#include "cli/verb_copy.h"
#include "cli/verb_device.h"
#include "cli/verb_list.h"
#include "cli/verb_manager.h"
#include "cli/verb_monitor.h"
#include "cli/verb_mount.h"
#include "cli/verb_optical.h"
#include "cli/verb_performance.h"
#include "cli/verb_power.h"
#include "cli/verb_scsi.h"
#include "cli/verb_smart.h"
#include "cli/verb_status.h"
#include "cli/verb_top.h"
#include "cli/verb_trace.h"

#define BIT(id) CTL_OPTION_BIT(CTL_OPTION_##id)
#define COMMON_OPTIONS (CTL_OPTION_BIT(_CTL_OPTION_COMMON_MAX) - 1)

const CtlVerb ctl_verbs[] = {
        { "list", NULL, "", "disks, those that the service drives and others", 0, 0, BIT(OUTPUT),
          true, verb_list },
        { "status", NULL, "[DEV]", "how a disk, or the service, is", 0, 1, 0, true, verb_status },
        { "take", NULL, "PORT", "take a disk from the kernel", 1, 1, 0, false, verb_device_take },
        { "release", NULL, "DEV", "write everything, give a disk back to the kernel", 1, 1, 0,
          false, verb_device_release },
        { "device-info", "usb_storage_device_info", "DEV", "what a device is", 1, 1, 0, true,
          verb_device_info },
        { "device-reset", "usb_storage_device_reset", "DEV", "reset its port; clients wait", 1, 1,
          0, false, verb_device_reset },
        { "device-remove", "usb_storage_device_remove", "DEV",
          "write everything and stop it, so that it can be unplugged", 1, 1, BIT(FORCE), false,
          verb_device_remove },
        { "scsi-info", "usb_storage_scsi_info", "DEV[.LUN]", "what a unit can do", 1, 1, 0, true,
          verb_scsi_info },
        { "scsi-command", "usb_storage_scsi_command", "DEV[.LUN] BYTE...",
          "send a command block, hexadecimal", 2, 33, BIT(IN) | BIT(OUT) | BIT(FORCE), false,
          verb_scsi_command },
        { "scsi-reset", "usb_storage_scsi_reset", "DEV[.LUN]", "reset a unit; clients wait", 1, 1,
          0, false, verb_scsi_reset },
        { "eject", NULL, "DEV[.LUN]", "bring a disc out", 1, 1, BIT(FORCE), false,
          verb_optical_eject },
        { "load", NULL, "DEV[.LUN]", "close a drive's tray", 1, 1, 0, false, verb_optical_load },
        { "cache-info", "usb_storage_cache_info", "DEV", "what the cache holds and how it does", 1,
          1, 0, true, verb_cache_info },
        { "cache-flush", "usb_storage_cache_flush", "DEV[.LUN]", "write everything to the medium",
          1, 1, 0, false, verb_cache_flush },
        { "cache-reset", "usb_storage_cache_reset", "DEV", "drop what is written already", 1, 1,
          BIT(DISCARD_DIRTY) | BIT(YES), false, verb_cache_reset },
        { "performance-stats", "usb_storage_performance_stats", "DEV[.LUN]",
          "rates, latencies, counters", 1, 1, 0, true, verb_performance_stats },
        { "optimization-info", "usb_storage_optimization_info", "DEV[.LUN]",
          "what would make it faster", 1, 1, 0, true, verb_performance_advice },
        { "power-info", "usb_storage_power_info", "DEV", "how awake it is, and how often it woke",
          1, 1, 0, true, verb_power_info },
        { "power-set", "usb_storage_power_set", "DEV [active|standby|suspended]",
          "wake it, put it to sleep, or say when it sleeps", 1, 2,
          BIT(STANDBY_TIMEOUT) | BIT(SUSPEND_TIMEOUT) | BIT(DEFAULT_TIMEOUTS), false,
          verb_power_set },
        { "smart", "usb_storage_smart_info", "DEV[.LUN]", "what the disk knows of its health", 1, 1,
          BIT(FORCE), true, verb_smart_info },
        { "smart-test", "usb_storage_smart_test", "DEV[.LUN] [KIND]", "let the disk test itself", 1,
          2, BIT(WAIT), false, verb_smart_test },
        { "top", NULL, "", "what the disks do, live", 0, 0, BIT(ITERATIONS) | BIT(DELAY), false,
          verb_top },
        { "monitor", NULL, "", "what happens, a line each", 0, 0, BIT(ITERATIONS), false,
          verb_monitor },
        { "policy", NULL, "[list|test PORT|generate]",
          "the rules, what they say of a device, rules for all", 0, 2, 0, true,
          verb_manager_policy },
        { "quirks", NULL, "", "what is known to be wrong with models", 0, 0, 0, true,
          verb_manager_quirks },
        { "config", NULL, "", "settings in force, and where they are from", 0, 0, 0, true,
          verb_manager_config },
        { "reload", NULL, "", "read the configuration again", 0, 0, 0, false, verb_manager_reload },
        { "metrics", NULL, "", "OpenMetrics text", 0, 0, BIT(TEXTFILE), true,
          verb_manager_metrics },
        { "diagnose", NULL, "DEV", "a report for a bug", 1, 1, 0, true, verb_manager_diagnose },
        { "trace", NULL, "DEV", "record what goes over the wire", 1, 1, BIT(PCAP) | BIT(SECONDS),
          false, verb_trace },
        { "copy", NULL, "DEV[.LUN] FILE | FILE DEV[.LUN]", "an image out of a disk, or into it", 2,
          2, BIT(MAP) | BIT(RETRY) | BIT(DEPTH) | BIT(YES), false, verb_copy },
        { "mount", NULL, "DEV[.LUN] FILE | FOLDER", "a unit as a file, or all in a folder", 1, 2,
          BIT(READ_ONLY) | BIT(ALLOW_OTHER) | BIT(ALL) | BIT(FOLLOW), false, verb_mount },
        { "umount", NULL, "FILE | DEV[.LUN]", "no longer", 1, 1, BIT(FORCE), false,
          verb_mount_end },
        { "attach", NULL, "DEV[.LUN] [/dev/nbdN] | --all", "make it a block device of the kernel",
          0, 2, BIT(ALL), false, verb_attach },
        { "detach", NULL, "DEV[.LUN] | /dev/nbdN", "end that", 1, 1, BIT(FORCE), false,
          verb_attach_detach },
        { "benchmark", NULL, "DEV[.LUN]", "how fast it is", 1, 1,
          BIT(WRITE) | BIT(YES) | BIT(SECONDS) | BIT(DEPTH), false, verb_benchmark },
};
const size_t ctl_verbs_n = N_ELEMENTS(ctl_verbs);

const CtlVerb *ctl_verb_find(const char *name) {
        for (size_t i = 0; i < ctl_verbs_n; i++)
                if (strcmp(ctl_verbs[i].name, name) == 0)
                        return &ctl_verbs[i];
        return NULL;
}

const CtlVerb *ctl_verb_find_link(const char *program) {
        for (size_t i = 0; i < ctl_verbs_n; i++)
                if (ctl_verbs[i].link && strcmp(ctl_verbs[i].link, program) == 0)
                        return &ctl_verbs[i];
        return NULL;
}

static void print_help(void) {
        puts("usb-storagectl [OPTION]... [VERB [ARGUMENT]...]\n"
             "\n"
             "Looks at and commands the service that drives USB disks.\n"
             "\n"
             "DEV is a port path (1-4.1), a serial number or an export's name; DEV.LUN is one of "
             "its\n"
             "logical units (1-4.1.0, 1-4.1:0). Without a verb: list.\n"
             "\n"
             "Verbs:");
        for (size_t i = 0; i < ctl_verbs_n; i++) {
                int width = printf("  %s %s", ctl_verbs[i].name, ctl_verbs[i].arguments);

                printf("%*s%s\n", MAX(34 - width, 1), "", ctl_verbs[i].help);
        }
        puts("\nOptions of all verbs:");
        ctl_options_print_help(stdout, COMMON_OPTIONS);
        puts("\nusb-storagectl VERB --help shows the options of a verb.\n"
             "\n"
             "Exit status: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 no "
             "answer\n"
             "in time, 6 not supported.");
}

static void print_verb_help(const Ctl *ctl, const CtlVerb *verb) {
        if (verb->link && strcmp(ctl->name, verb->link) == 0)
                printf("%s [OPTION]... %s\n", verb->link, verb->arguments);
        else
                printf("usb-storagectl [OPTION]... %s %s\n", verb->name, verb->arguments);
        printf("\n%s\n\nOptions:\n", verb->help);
        ctl_options_print_help(stdout, verb->options | COMMON_OPTIONS);
}

/* What is wrong with the command line, if anything is. */
static CtlExit check(const Ctl *ctl, const CtlVerb *verb, unsigned n_arguments) {
        uint64_t strange = ctl->options.given & ~(verb->options | COMMON_OPTIONS);

        if (strange != 0) {
                const CtlOption *option = &ctl_options_table[__builtin_ctzll(strange)];

                ctl_complain(ctl, "%s does not take --%s", verb->name, option->name);
                return CTL_EXIT_USAGE;
        }
        if (n_arguments < verb->n_arguments_min || n_arguments > verb->n_arguments_max) {
                ctl_complain(ctl, "%s arguments: usb-storagectl %s %s",
                             n_arguments < verb->n_arguments_min ? "Too few" : "Too many",
                             verb->name, verb->arguments);
                return CTL_EXIT_USAGE;
        }
        return CTL_EXIT_OK;
}

/* What was lost before the last flush has left no more than the mark. */
static CtlExit finish(const Ctl *ctl, CtlExit e) {
        bool is_flushed = fflush(stdout) != EOF;

        if (is_flushed && !ferror(stdout))
                return e;
        ctl_complain(ctl, "The output can't be written%s%s", is_flushed ? "" : ": ",
                     is_flushed ? "" : strerror(errno));
        return e == CTL_EXIT_OK ? CTL_EXIT_FAILURE : e;
}

static CtlExit run(Ctl *ctl, const CtlVerb *verb, unsigned n_arguments, char **arguments) {
        CtlExit e;

        if (ctl_options_has(&ctl->options, CTL_OPTION_HELP)) {
                print_verb_help(ctl, verb);
                return finish(ctl, CTL_EXIT_OK);
        }
        e = check(ctl, verb, n_arguments);
        if (e != CTL_EXIT_OK)
                return e;
        if (verb->has_pager && !ctl_options_has(&ctl->options, CTL_OPTION_NO_PAGER))
                ctl_terminal_open_pager(&ctl->terminal);
        return finish(ctl, verb->run(ctl, arguments));
}

CtlExit ctl_verb_main(int argc, char **argv) {
        _cleanup_(ctl_done) Ctl ctl = { .name = argc > 0 ? basename(argv[0]) : "usb-storagectl" };
        const CtlVerb *verb = ctl_verb_find_link(ctl.name);
        int first;

        /* 0.9 and not 0.90000000000000002; it fails only for want of memory. */
        (void) json_c_set_serialization_double_format("%.12g", JSON_C_OPTION_GLOBAL);
        if (ctl_options_parse(&ctl.options, ctl.name, argc, argv, &first) < 0)
                return CTL_EXIT_USAGE;
        ctl_terminal_init(&ctl.terminal);
        if (ctl_options_has(&ctl.options, CTL_OPTION_VERSION)) {
                puts("usb-storagectl " PROJECT_VERSION);
                return finish(&ctl, CTL_EXIT_OK);
        }
        if (!verb && first == argc && ctl_options_has(&ctl.options, CTL_OPTION_HELP)) {
                print_help();
                return finish(&ctl, CTL_EXIT_OK);
        }
        if (!verb) {
                const char *name = first < argc ? argv[first++] : "list";

                verb = ctl_verb_find(name);
                if (!verb) {
                        ctl_complain(&ctl, "There is no verb '%s': see --help", name);
                        return CTL_EXIT_USAGE;
                }
        }
        return run(&ctl, verb, (unsigned) (argc - first), argv + first);
}
