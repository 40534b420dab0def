#pragma once

/*
 * World
 *
 * One run: a plan, the disk, its workers, the clients, what goes wrong, and the end, at which
 * everything that was promised must be on the medium. Aborts if a promise is broken.
 */

#include "journal.h"
#include "plan.h"

typedef struct WorldResult {
        uint64_t digest; /* of all that happened */
        uint64_t n_entries;
        uint64_t n_answered;
        uint64_t n_failed;
        uint64_t duration_ns; /* virtual */
} WorldResult;

void world_run(const Plan *plan, bool is_verbose, WorldResult *ret);
