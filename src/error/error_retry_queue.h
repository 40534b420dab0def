#pragma once

/*
 * ErrorRetryQueue
 *
 * Commands that wait a while until they are sent to the processor again. Embedded in the handler.
 */

#include "scsi/scsi_target.h"

typedef struct ErrorRetryQueue {
        ScsiTarget *target; /* borrowed: where they are sent */
        ListNode commands;  /* ScsiCommand::node; in state WAITING */
        EventTimer timer;   /* at the earliest of their times */
} ErrorRetryQueue;

/* -ENOMEM; then it may be done with all the same. */
int error_retry_queue_init(ErrorRetryQueue *queue, ScsiTarget *target);
/* It is empty. */
void error_retry_queue_done(ErrorRetryQueue *queue);
/* Before its deadline; who adds it made sure of that. */
void error_retry_queue_add(ErrorRetryQueue *queue, ScsiCommand *command, uint64_t retry_ns);
/* The first, no matter when; NULL: it is empty. */
ScsiCommand *error_retry_queue_take(ErrorRetryQueue *queue);
/* How long one that has waited `n_earlier` times waits. */
uint64_t error_retry_queue_get_delay_ns(unsigned n_earlier);
/* How long `command` waits this time: longer each time. */
uint64_t error_retry_queue_next_delay_ns(ScsiCommand *command);
