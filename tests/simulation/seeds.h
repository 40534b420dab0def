#pragma once

/*
 * Seeds
 *
 * Many runs, in processes of their own, so that a seed that fails, crashes or hangs ends no more
 * than its process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct SeedsOptions {
        uint64_t first;
        uint64_t n;
        unsigned n_jobs;
        bool runs_twice; /* and compares what happened */
} SeedsOptions;

/* Runs one, in this process; what happened is told by the return value. */
uint64_t seeds_run_one(uint64_t seed, bool is_verbose, bool is_quiet);
/* Prints how it goes and which failed. Returns how many failed. */
uint64_t seeds_run(const SeedsOptions *options);
