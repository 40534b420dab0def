#pragma once

/*
 * DeviceLearned
 *
 * What one device's workers have learned of it, for those to come: at once for its next worker, in a
 * file for the next service. A worker that tells ever new things is heard, but does not keep the disk
 * busy. Plain data.
 */

#include "base/event_loop.h"
#include "device/learned_store.h"

/* The file is written once in so long, and when a worker ends. */
#define DEVICE_LEARNED_PAUSE_NS (5 * NS_PER_S)

typedef struct DeviceLearned {
        EventLoop *loop;     /* borrowed */
        LearnedStore *store; /* borrowed; NULL: none, what is known ends with the device */
        char name[LEARNED_STORE_NAME_SIZE_MAX]; /* of the file; "": none */
        UsbLearnedFacts facts;
        uint64_t saved_ns; /* when the file was tried to be written last; 0: not yet */
        bool is_unsaved;
} DeviceLearned;

/* Nothing is known. */
void device_learned_init(DeviceLearned *learned, EventLoop *loop, LearnedStore *store);
/* It is there, or there again: knows what the file says. */
void device_learned_load(DeviceLearned *learned, const char *name);
/* Valid facts, in place of all that was known. */
void device_learned_set(DeviceLearned *learned, const UsbLearnedFacts *facts);
/* Its worker has ended. */
void device_learned_flush(DeviceLearned *learned);
