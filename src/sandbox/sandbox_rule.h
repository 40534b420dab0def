#pragma once

/*
 * SandboxRule
 *
 * One row of the allow-list: a system call, for whom, under which conditions on its arguments, and
 * what happens. What no row matches kills the process.
 */

#include <stdint.h>

#include "base/macros.h"
#include "sandbox/sandbox.h"

#define SANDBOX_CONDITIONS_MAX 2

/* Bits of SandboxRule::profiles. */
#define SANDBOX_FOR(profile) (1U << (profile))
#define SANDBOX_FOR_WORKER SANDBOX_FOR(SANDBOX_PROFILE_WORKER)
#define SANDBOX_FOR_FRONT SANDBOX_FOR(SANDBOX_PROFILE_FRONT)
#define SANDBOX_FOR_ALL (SANDBOX_FOR_WORKER | SANDBOX_FOR_FRONT)

/* Holds if (argument & mask) == value. */
typedef struct SandboxCondition {
        unsigned argument_index;
        uint64_t mask; /* 0: no condition */
        uint64_t value;
} SandboxCondition;

typedef struct SandboxRule {
        int system_call; /* SCMP_SYS(); calls that an architecture does not have are left out */
        unsigned profiles;
        int error; /* 0: it is allowed; else it fails with this errno */
        SandboxCondition conditions[SANDBOX_CONDITIONS_MAX];
} SandboxRule;

/* Rows that never change. */
const SandboxRule *sandbox_rules(size_t *ret_n_rules);
