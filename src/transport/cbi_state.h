#pragma once

/* CbiState: the states of a CBI or CB command, their events, and the pure function between them. */

#include <stdbool.h>

typedef enum CbiState {
        CBI_STATE_IDLE,
        CBI_STATE_COMMAND,           /* the control request is on its way */
        CBI_STATE_DATA,              /* the data is on its way */
        CBI_STATE_CLEAR_DATA_HALT,   /* CLEAR_FEATURE(ENDPOINT_HALT) is on its way */
        CBI_STATE_STATUS,            /* waits for the interrupt */
        CBI_STATE_CLEAR_STATUS_HALT, /* CLEAR_FEATURE(ENDPOINT_HALT) is on its way */
        CBI_STATE_STATUS_AGAIN,      /* waits for the interrupt for the second and last time */
        CBI_STATE_GIVE_UP,           /* recalls everything */
        CBI_STATE_BROKEN,            /* out of step with the device; only a recovery helps */
        CBI_STATE_RECOVERING,
        _CBI_STATE_MAX,
} CbiState;

typedef enum CbiEvent {
        CBI_EVENT_SUBMITTED,
        CBI_EVENT_DONE,        /* what the state waits for came as it should */
        CBI_EVENT_EMPTY,       /* a zero-length packet came where a status was due */
        CBI_EVENT_STALLED,     /* the endpoint is halted, or the request refused */
        CBI_EVENT_NOT_SENT,    /* the host could not even start the command */
        CBI_EVENT_FAILED,      /* the wire failed, or what came makes no sense */
        CBI_EVENT_ABANDONED,   /* the deadline passed, or the owner cancelled */
        CBI_EVENT_RECOVERY,    /* a recovery begins */
        CBI_EVENT_RECOVERED,   /* it helped */
        CBI_EVENT_UNRECOVERED, /* it did not */
        _CBI_EVENT_MAX,
} CbiEvent;

/* Total: an event that means nothing in a state leaves it, or gives up what was in flight. */
CbiState cbi_state_next(CbiState state, CbiEvent event, bool has_data, bool has_interrupt);
/* Whether a command occupies the endpoints. */
bool cbi_state_is_active(CbiState state);

const char *cbi_state_to_string(CbiState state);
