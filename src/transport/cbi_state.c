/*
 * The course of a CBI or CB command as a pure function. Sections are those of the USB Mass Storage
 * Class, Control/Bulk/Interrupt Transport 1.1.
 */

#include "transport/cbi_state.h"

#include "base/macros.h"

/* CBI ends with an interrupt, CB with the last transfer. */
static CbiState after_data(bool has_interrupt) {
        return has_interrupt ? CBI_STATE_STATUS : CBI_STATE_IDLE;
}

/* 2.1: a stall refuses the command, and nothing follows it. */
static CbiState next_of_command(CbiEvent event, bool has_data, bool has_interrupt) {
        if (event == CBI_EVENT_DONE)
                return has_data ? CBI_STATE_DATA : after_data(has_interrupt);
        if (event == CBI_EVENT_STALLED || event == CBI_EVENT_NOT_SENT)
                return CBI_STATE_IDLE;
        return CBI_STATE_GIVE_UP;
}

/* A bulk pipe that stalls ends the command, which has failed. */
static CbiState next_of_data(CbiEvent event, bool has_interrupt) {
        if (event == CBI_EVENT_DONE)
                return after_data(has_interrupt);
        return event == CBI_EVENT_STALLED ? CBI_STATE_CLEAR_DATA_HALT : CBI_STATE_GIVE_UP;
}

/* USB 2.0, 5.7.5: a halted interrupt pipe is cleared by the host; then it is asked once more. */
static CbiState next_of_status(CbiEvent event) {
        if (event == CBI_EVENT_DONE)
                return CBI_STATE_IDLE;
        if (event == CBI_EVENT_EMPTY)
                return CBI_STATE_STATUS_AGAIN;
        return event == CBI_EVENT_STALLED ? CBI_STATE_CLEAR_STATUS_HALT : CBI_STATE_GIVE_UP;
}

static CbiState next_of_recovery(CbiEvent event) {
        if (event == CBI_EVENT_RECOVERED)
                return CBI_STATE_IDLE;
        return event == CBI_EVENT_UNRECOVERED ? CBI_STATE_BROKEN : CBI_STATE_RECOVERING;
}

static CbiState next_of_idle(CbiEvent event) {
        if (event == CBI_EVENT_SUBMITTED)
                return CBI_STATE_COMMAND;
        return event == CBI_EVENT_RECOVERY ? CBI_STATE_RECOVERING : CBI_STATE_IDLE;
}

CbiState cbi_state_next(CbiState state, CbiEvent event, bool has_data, bool has_interrupt) {
        bool is_done = event == CBI_EVENT_DONE;

        switch (state) {
        case CBI_STATE_IDLE:
                return next_of_idle(event);
        case CBI_STATE_COMMAND:
                return next_of_command(event, has_data, has_interrupt);
        case CBI_STATE_DATA:
                return next_of_data(event, has_interrupt);
        case CBI_STATE_STATUS:
                return next_of_status(event);
        case CBI_STATE_CLEAR_STATUS_HALT:
                return is_done ? CBI_STATE_STATUS_AGAIN : CBI_STATE_GIVE_UP;
        case CBI_STATE_CLEAR_DATA_HALT:
        case CBI_STATE_STATUS_AGAIN:
                return is_done ? CBI_STATE_IDLE : CBI_STATE_GIVE_UP;
        case CBI_STATE_GIVE_UP:
                return is_done ? CBI_STATE_BROKEN : CBI_STATE_GIVE_UP;
        case CBI_STATE_BROKEN: /* 2.2: a command block reset, or more, leads out */
                return event == CBI_EVENT_RECOVERY ? CBI_STATE_RECOVERING : CBI_STATE_BROKEN;
        case CBI_STATE_RECOVERING:
                return next_of_recovery(event);
        case _CBI_STATE_MAX:
                break;
        }

        assert_not_reached();
}

bool cbi_state_is_active(CbiState state) {
        return state != CBI_STATE_IDLE && state != CBI_STATE_BROKEN &&
               state != CBI_STATE_RECOVERING;
}

const char *cbi_state_to_string(CbiState state) {
        static const char *const names[_CBI_STATE_MAX] = {
                [CBI_STATE_IDLE] = "idle",
                [CBI_STATE_COMMAND] = "command",
                [CBI_STATE_DATA] = "data",
                [CBI_STATE_CLEAR_DATA_HALT] = "clear data halt",
                [CBI_STATE_STATUS] = "status",
                [CBI_STATE_CLEAR_STATUS_HALT] = "clear status halt",
                [CBI_STATE_STATUS_AGAIN] = "status again",
                [CBI_STATE_GIVE_UP] = "give up",
                [CBI_STATE_BROKEN] = "broken",
                [CBI_STATE_RECOVERING] = "recovering",
        };

        assert(state < _CBI_STATE_MAX);
        return names[state];
}
