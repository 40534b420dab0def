/*
 * The deterministic simulation: the whole of a worker on a simulated device, with generated clients
 * and generated faults, in virtual time. A seed is a run.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "seeds.h"

static bool arg_is_verbose;
static bool arg_has_seed;
static uint64_t arg_seed;
static SeedsOptions arg_seeds = { .first = 1, .n = 1000, .n_jobs = 1 };

static int usage(int status) {
        fprintf(status == EXIT_SUCCESS ? stdout : stderr,
                "simulation --seed N [--verbose]\n"
                "simulation --seeds N [--first K] [--jobs J] [--twice]\n"
                "\n"
                "  --seed N     one run, in this process; the same each time\n"
                "  --verbose    print all that happens in it\n"
                "  --seeds N    so many runs (1000); prints the rate and the seeds that fail\n"
                "  --first K    their first seed (1)\n"
                "  --jobs J     so many at once (1)\n"
                "  --twice      each twice: what happens must be the same\n");
        return status;
}

static bool parse_number(const char *text, uint64_t limit, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(text, &end, 10);
        return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *ret <= limit;
}

static bool take_option(int option) {
        uint64_t number = 0;

        if (option == 'v') {
                arg_is_verbose = true;
                return true;
        }
        if (option == 't') {
                arg_seeds.runs_twice = true;
                return true;
        }
        if (!parse_number(optarg, option == 'j' ? 64 : UINT64_MAX / 2, &number))
                return false;
        switch (option) {
        case 's':
                arg_has_seed = true;
                arg_seed = number;
                return true;
        case 'n':
                arg_seeds.n = number;
                return true;
        case 'f':
                arg_seeds.first = number;
                return true;
        case 'j':
                arg_seeds.n_jobs = (unsigned) number;
                return number > 0;
        default:
                return false;
        }
}

int main(int argc, char **argv) {
        static const struct option options[] = {
                { "seed", required_argument, NULL, 's' },
                { "verbose", no_argument, NULL, 'v' },
                { "seeds", required_argument, NULL, 'n' },
                { "first", required_argument, NULL, 'f' },
                { "jobs", required_argument, NULL, 'j' },
                { "twice", no_argument, NULL, 't' },
                { "help", no_argument, NULL, 'h' },
                {},
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (option == 'h')
                        return usage(EXIT_SUCCESS);
                if (option == '?' || !take_option(option))
                        return usage(2);
        }
        if (optind < argc)
                return usage(2);

        if (!arg_has_seed)
                return seeds_run(&arg_seeds) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        seeds_run_one(arg_seed, arg_is_verbose, /* is_quiet= */ false);
        return EXIT_SUCCESS;
}
