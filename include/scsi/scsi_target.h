#pragma once

/*
 * ScsiTarget
 *
 * Where commands are sent: submit one, get its result and sense. ScsiProcessor is one, ErrorHandler
 * wraps that with retries and recovery, PowerManager wraps that with its gate. Bring-up, block
 * and SMART are given a ScsiTarget and never know how deep it is. One for a device, for all of its
 * LUNs.
 */

#include "scsi/scsi_command_pool.h"

typedef struct ScsiTarget ScsiTarget;

typedef struct ScsiTargetOps {
        /*
         * Mandatory. Always accepts, and completes exactly once, later, and by the command's
         * deadline (a short while after, where the kernel must first give a transfer back).
         */
        void (*submit)(ScsiTarget *target, ScsiCommand *command);
        /* Mandatory. The command completes soon, with CANCELLED unless it was faster. */
        void (*cancel)(ScsiTarget *target, ScsiCommand *command);
} ScsiTargetOps;

struct ScsiTarget {
        const ScsiTargetOps *ops;
        EventLoop *loop;           /* borrowed */
        Staging *staging;          /* borrowed: the device's */
        ScsiCommandPool *commands; /* likewise */
        const char *name;          /* the device's, for the log; borrowed */
        size_t transfer_size_max;  /* bytes in one command, as the transport has it */
        unsigned n_in_flight_max;  /* how many commands the device takes at once */
        unsigned n_in_flight_most; /* the most that this may become, by other settings */
        /* How often the device has lost what it had not synchronised, as far as can be known; one
         * writer: who recovers. Wraps around. */
        unsigned n_resets;
};

/* Of one that wraps `next`: how many commands that takes. */
static inline void scsi_target_take_depth(ScsiTarget *target, const ScsiTarget *next) {
        target->n_in_flight_max = next->n_in_flight_max;
        target->n_in_flight_most = next->n_in_flight_most;
}

void scsi_target_submit(ScsiTarget *target, ScsiCommand *command);
void scsi_target_cancel(ScsiTarget *target, ScsiCommand *command);
/* For tasks: submits and waits until it is done (also when the task is cancelled, after cancelling
 * it). */
ScsiResult scsi_target_await(ScsiTarget *target, Task *task, ScsiCommand *command);
