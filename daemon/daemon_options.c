/* The command line, by getopt_long. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "daemon_options.h"

static void print_help(void) {
        puts("usb-storaged [OPTION]...\n"
             "\n"
             "Drives USB disks in user space and exports every LUN over NBD.\n"
             "\n"
             "  --config FILE        configuration (default /etc/usb-storage/usb-storage.conf)\n"
             "  --bus BUS            D-Bus to serve on: none, system, session or an address\n"
             "                       (default none)\n"
             "  --runtime-dir DIR    sockets and locks (default /run/usb-storage)\n"
             "  --state-dir DIR      what must survive a restart (default /var/lib/usb-storage)\n"
             "  --nbd ADDRESS        listen on unix:PATH or tcp:HOST:PORT; may be repeated\n"
             "                       (default unix:<runtime-dir>/nbd.sock)\n"
             "  --simulate SPEC      add a simulated disk, key=value,...; may be repeated\n"
             "  --quirks LIST        VID:PID:letters,... as the kernel's usb-storage.quirks; may "
             "be\n"
             "                       repeated\n"
             "  --no-usb             leave real devices alone\n"
             "  --log-level LEVEL    error, warning, notice, info or debug (default info)\n"
             "  --test-config        say what is wrong with the configuration, and leave\n"
             "  --dump-config        write the configuration that holds, and leave\n"
             "  --help, --version");
}

static int add(const char **list, size_t *n, size_t n_max, const char *what) {
        if (*n >= n_max) {
                fprintf(stderr, "usb-storaged: %s is given more than %zu times\n", what, n_max);
                return -EINVAL;
        }
        list[(*n)++] = optarg;
        return 0;
}

static int set_log_level(DaemonOptions *options) {
        LogLevel level;

        if (log_level_from_string(optarg, &level) < 0) {
                fprintf(stderr,
                        "usb-storaged: --log-level %s: allowed are error, warning, notice, info, "
                        "debug\n",
                        optarg);
                return -EINVAL;
        }
        options->log_level = optarg;
        return 0;
}

static int set_bus(DaemonOptions *options) {
        if (strcmp(optarg, "none") != 0 && strcmp(optarg, "system") != 0 &&
            strcmp(optarg, "session") != 0 && !strchr(optarg, '=')) {
                fprintf(stderr,
                        "usb-storaged: --bus %s: allowed are none, system, session or an address "
                        "like unix:path=/run/bus\n",
                        optarg);
                return -EINVAL;
        }
        options->bus = optarg;
        return 0;
}

enum {
        OPTION_CONFIG = 256,
        OPTION_BUS,
        OPTION_RUNTIME_DIR,
        OPTION_STATE_DIR,
        OPTION_NBD,
        OPTION_SIMULATE,
        OPTION_QUIRKS,
        OPTION_NO_USB,
        OPTION_LOG_LEVEL,
        OPTION_TEST_CONFIG,
        OPTION_DUMP_CONFIG,
        OPTION_HELP,
        OPTION_VERSION,
};

static int handle(DaemonOptions *options, int option) {
        switch (option) {
        case OPTION_CONFIG:
                options->config_path = optarg;
                return 0;
        case OPTION_BUS:
                return set_bus(options);
        case OPTION_RUNTIME_DIR:
                options->runtime_dir = optarg;
                return 0;
        case OPTION_STATE_DIR:
                options->state_dir = optarg;
                return 0;
        case OPTION_NBD:
                return add(options->listen_addresses, &options->n_listen_addresses,
                           N_ELEMENTS(options->listen_addresses), "--nbd");
        case OPTION_SIMULATE:
                return add(options->simulations, &options->n_simulations,
                           N_ELEMENTS(options->simulations), "--simulate");
        case OPTION_QUIRKS:
                return add(options->quirks, &options->n_quirks, N_ELEMENTS(options->quirks),
                           "--quirks");
        case OPTION_NO_USB:
                options->has_usb = false;
                return 0;
        case OPTION_LOG_LEVEL:
                return set_log_level(options);
        case OPTION_TEST_CONFIG:
                options->task = DAEMON_OPTIONS_TASK_TEST_CONFIG;
                return 0;
        case OPTION_DUMP_CONFIG:
                options->task = DAEMON_OPTIONS_TASK_DUMP_CONFIG;
                return 0;
        case OPTION_HELP:
                print_help();
                return 1;
        case OPTION_VERSION:
                puts("usb-storaged " PROJECT_VERSION);
                return 1;
        default: /* getopt_long has said what was wrong */
                return -EINVAL;
        }
}

int daemon_options_parse(DaemonOptions *options, int argc, char **argv) {
        static const struct option long_options[] = {
                { "config", required_argument, NULL, OPTION_CONFIG },
                { "bus", required_argument, NULL, OPTION_BUS },
                { "runtime-dir", required_argument, NULL, OPTION_RUNTIME_DIR },
                { "state-dir", required_argument, NULL, OPTION_STATE_DIR },
                { "nbd", required_argument, NULL, OPTION_NBD },
                { "simulate", required_argument, NULL, OPTION_SIMULATE },
                { "quirks", required_argument, NULL, OPTION_QUIRKS },
                { "no-usb", no_argument, NULL, OPTION_NO_USB },
                { "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
                { "test-config", no_argument, NULL, OPTION_TEST_CONFIG },
                { "dump-config", no_argument, NULL, OPTION_DUMP_CONFIG },
                { "help", no_argument, NULL, OPTION_HELP },
                { "version", no_argument, NULL, OPTION_VERSION },
                {},
        };
        int option, r;

        *options = (DaemonOptions){
                .bus = "none",
                .runtime_dir = "/run/usb-storage",
                .state_dir = "/var/lib/usb-storage",
                .has_usb = true,
        };

        while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
                r = handle(options, option);
                if (r != 0)
                        return r;
        }
        if (optind < argc) {
                fprintf(stderr, "usb-storaged: %s: no arguments are allowed, only options\n",
                        argv[optind]);
                return -EINVAL;
        }
        return 0;
}
