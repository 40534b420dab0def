#pragma once

/*
 * PowerState
 *
 * How much of a USB device is awake, as far as is known without asking it. Plain data.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/storage_histogram.h"

typedef enum PowerState {
        POWER_STATE_UNKNOWN,   /* nothing was heard of it yet, or it did not say */
        POWER_STATE_ACTIVE,    /* commands are under way */
        POWER_STATE_IDLE,      /* ready, nothing to do */
        POWER_STATE_STANDBY,   /* its media stand still, or its drives sleep; the link is awake */
        POWER_STATE_SUSPENDED, /* the link sleeps as well (USB 2.0, 9.1.1.6) */
        _POWER_STATE_MAX,
} PowerState;

/* What a device is to do by itself once nobody has wanted anything from it for so long. */
typedef struct PowerOptions {
        uint32_t standby_timeout_ms; /* 0: never */
        uint32_t suspend_timeout_ms; /* 0: never */
        uint8_t is_enabled; /* else it is never put to sleep, unless somebody asks for it */
        uint8_t unused[7];  /* 0 */
} PowerOptions;

/* Counters only grow, over all attachments of a device. */
typedef struct PowerStatistics {
        uint64_t time_ns[_POWER_STATE_MAX]; /* in each state */
        uint64_t n_standbys;
        uint64_t n_spin_ups; /* as far as is known: woken from standby */
        uint64_t n_suspends;
        uint64_t n_sleep_failures;     /* it refused to sleep, or could not be put to sleep */
        StorageHistogram wake_latency; /* from a command that found it asleep to its being ready */
} PowerStatistics;

/* "suspended" */
const char *power_state_to_string(PowerState state);
