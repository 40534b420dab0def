#pragma once

/*
 * StorageDegradation
 *
 * Whether a device is too unreliable to be written to later: it was reset again and again. Plain
 * data, initially zero; a pure function of events and time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORAGE_DEGRADATION_RESETS 3

typedef struct StorageDegradation {
        uint64_t times_ns[STORAGE_DEGRADATION_RESETS]; /* a ring of the newest */
        size_t next_index;
        uint64_t until_ns; /* 0: it is not degraded */
} StorageDegradation;

/* The device was reset, not by who starts it. `now_ns` > 0. */
void storage_degradation_note_reset(StorageDegradation *degradation, uint64_t now_ns);
/* Ends it when it is over. */
bool storage_degradation_is_on(StorageDegradation *degradation, uint64_t now_ns);
/* When that has to be looked at again; UINT64_MAX: not before the next reset. */
uint64_t storage_degradation_get_end_ns(const StorageDegradation *degradation);
