#pragma once

/*
 * OptimizationAdvice
 *
 * What would make a device faster, and why, in words and with the numbers that were measured: a
 * pure function of what is known of the device. It advises, and changes nothing.
 */

#include "base/storage_stats.h"
#include "power/power_state.h"

#define OPTIMIZATION_ADVICE_TEXT_SIZE 320

typedef struct DeviceManager DeviceManager;

typedef enum OptimizationTopic {
        OPTIMIZATION_TOPIC_LINK,            /* slower than the device can do */
        OPTIMIZATION_TOPIC_MAYBE_LINK,      /* slower than it says it may do */
        OPTIMIZATION_TOPIC_UAS_BROKEN,      /* it offers UAS, but does not bear it */
        OPTIMIZATION_TOPIC_UAS_QUIRK,       /* it offers UAS, and is not to use it */
        OPTIMIZATION_TOPIC_TRANSFER_ERRORS, /* long commands fail */
        OPTIMIZATION_TOPIC_TRANSFER_QUIRK,  /* long commands are not to be sent */
        OPTIMIZATION_TOPIC_USB_MEMORY,      /* the host has no memory for transfers */
        OPTIMIZATION_TOPIC_SERIAL,          /* one command at a time, by the configuration */
        OPTIMIZATION_TOPIC_PIPELINING,      /* the parts of a command go one by one */
        OPTIMIZATION_TOPIC_QUEUE,           /* more requests at once would be served at once */
        OPTIMIZATION_TOPIC_CACHE_OFF,
        OPTIMIZATION_TOPIC_CACHE_SIZE, /* little of what is read is there */
        OPTIMIZATION_TOPIC_READ_AHEAD, /* much of what is read ahead is not wanted */
        OPTIMIZATION_TOPIC_WRITE_THROUGH,
        OPTIMIZATION_TOPIC_FLUSHES,        /* many, and slow */
        OPTIMIZATION_TOPIC_RESETS,         /* too many for write-back */
        OPTIMIZATION_TOPIC_RETRIES,        /* many commands have to be sent again */
        OPTIMIZATION_TOPIC_WRITES_REFUSED, /* by the device */
        OPTIMIZATION_TOPIC_SPIN_UPS,       /* it is stopped, and soon wanted again */
        OPTIMIZATION_TOPIC_SLEEP_FAILURES, /* it does not sleep, though it is asked to */
        _OPTIMIZATION_TOPIC_MAX,
} OptimizationTopic;

typedef enum OptimizationSeverity {
        OPTIMIZATION_SEVERITY_LOW,    /* a few per cent, or for some uses alone */
        OPTIMIZATION_SEVERITY_MEDIUM, /* can be felt */
        OPTIMIZATION_SEVERITY_HIGH,   /* several times slower than need be, or something is wrong */
        _OPTIMIZATION_SEVERITY_MAX,
} OptimizationSeverity;

typedef struct OptimizationFacts {
        uint32_t quirks;    /* UsbQuirk: in force */
        StorageStats stats; /* of a LUN, or of all */
        StorageDeviceStats device;
        PowerStatistics power;
        PowerOptions power_options;
} OptimizationFacts;

typedef struct OptimizationAdvice {
        OptimizationTopic topic;
        OptimizationSeverity severity;
        char text[OPTIMIZATION_ADVICE_TEXT_SIZE];
} OptimizationAdvice;

/* Returns how many there are; `ret` has room for all topics. What matters most comes first. */
size_t optimization_advice_find(const OptimizationFacts *facts,
                                OptimizationAdvice ret[_OPTIMIZATION_TOPIC_MAX]);

/* Of the device with that id, as DeviceView has it, as a whole. 0 also where nothing was told of it. */
size_t device_manager_get_advice(const DeviceManager *manager, uint64_t id,
                                 OptimizationAdvice ret[_OPTIMIZATION_TOPIC_MAX]);

const char *optimization_topic_to_string(OptimizationTopic topic);          /* "uas-broken" */
const char *optimization_severity_to_string(OptimizationSeverity severity); /* "high" */
