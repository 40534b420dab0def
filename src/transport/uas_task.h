#pragma once

/*
 * UasTask
 *
 * One tag of a UAS device: the states of the command that carries it, the events that move them, and
 * the pure function between them.
 */

#include <stdbool.h>

typedef enum UasTaskState {
        UAS_TASK_STATE_FREE,
        UAS_TASK_STATE_SENT,     /* its status is waited for */
        UAS_TASK_STATE_ANSWERED, /* its status has come; its transfers are on their way home */
        UAS_TASK_STATE_LEAVING,  /* given up; its transfers are being recalled */
        UAS_TASK_STATE_STRAY,    /* the device may still know the tag: not to be used */
        _UAS_TASK_STATE_MAX,
} UasTaskState;

typedef enum UasTaskEvent {
        UAS_TASK_EVENT_SUBMITTED,
        UAS_TASK_EVENT_ANSWERED,  /* sense IU, response IU */
        UAS_TASK_EVENT_ABANDONED, /* deadline, cancellation, a pipe that failed */
        UAS_TASK_EVENT_HOME,      /* no transfer is in flight any more */
        UAS_TASK_EVENT_FORGOTTEN, /* the device has: an abort or a reset */
        _UAS_TASK_EVENT_MAX,
} UasTaskEvent;

/* `is_known`: the device may know the tag. Pure. */
UasTaskState uas_task_next_state(UasTaskState state, UasTaskEvent event, bool is_known);
const char *uas_task_state_to_string(UasTaskState state);
