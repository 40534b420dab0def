#pragma once

/*
 * BotState
 *
 * The states of a BOT command, the events that move it, and the pure function between them. One
 * machine serves both modes: pipelined only means that the transfers of later states were started
 * early.
 */

#include <stdbool.h>

typedef enum BotState {
        BOT_STATE_IDLE,
        BOT_STATE_COMMAND,           /* the CBW is on its way */
        BOT_STATE_DATA,              /* the data is on its way */
        BOT_STATE_DATA_HALTED,       /* data stalled: recalls a status transfer queued behind it */
        BOT_STATE_DATA_OVERRUN,      /* too much data came: recalls likewise */
        BOT_STATE_DATA_SKIPPED,      /* the CSW came in place of data: recalls likewise */
        BOT_STATE_CLEAR_DATA_HALT,   /* CLEAR_FEATURE(ENDPOINT_HALT) is on its way */
        BOT_STATE_STATUS,            /* the CSW is on its way */
        BOT_STATE_STATUS_UNANSWERED, /* a CSW queued behind data got lost: recalls its transfer */
        BOT_STATE_CLEAR_STATUS_HALT, /* CLEAR_FEATURE(ENDPOINT_HALT) is on its way */
        BOT_STATE_STATUS_AGAIN,      /* the CSW is read for the second and last time */
        BOT_STATE_GIVE_UP,           /* recalls everything */
        BOT_STATE_BROKEN,            /* out of step with the device; only a recovery helps */
        BOT_STATE_RECOVERING,
        _BOT_STATE_MAX,
} BotState;

typedef enum BotEvent {
        BOT_EVENT_SUBMITTED,
        BOT_EVENT_DONE,        /* what the state waits for came as it should */
        BOT_EVENT_EMPTY,       /* a zero-length packet came where a CSW was due */
        BOT_EVENT_STALLED,     /* the endpoint is halted */
        BOT_EVENT_OVERFLOWED,  /* the device sent more than was asked for */
        BOT_EVENT_STATUS_CAME, /* a CSW came where data was due */
        BOT_EVENT_NOT_SENT,    /* the host could not even start the CBW */
        BOT_EVENT_FAILED,      /* the wire failed, or what came makes no sense */
        BOT_EVENT_UNANSWERED,  /* a pipelined transfer takes suspiciously long */
        BOT_EVENT_ABANDONED,   /* the deadline passed, or the owner cancelled */
        BOT_EVENT_RECOVERY,    /* a recovery begins */
        BOT_EVENT_RECOVERED,   /* it helped */
        BOT_EVENT_UNRECOVERED, /* it did not */
        _BOT_EVENT_MAX,
} BotEvent;

/* Total: an event that means nothing in a state leaves it, or gives up what was in flight. */
BotState bot_state_next(BotState state, BotEvent event, bool has_data);
/* Whether a command occupies the endpoints. */
bool bot_state_is_active(BotState state);

const char *bot_state_to_string(BotState state);
const char *bot_event_to_string(BotEvent event);
