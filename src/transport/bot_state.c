/*
 * The course of a BOT command as a pure function. Sections are those of the USB Mass Storage Class,
 * Bulk-Only Transport 1.0.
 */

#include "transport/bot_state.h"

#include "base/macros.h"

/* 5.3.1: a command that the device did not take leaves both out of step. */
static BotState next_of_command(BotEvent event, bool has_data) {
        if (event == BOT_EVENT_DONE)
                return has_data ? BOT_STATE_DATA : BOT_STATE_STATUS;
        return event == BOT_EVENT_NOT_SENT ? BOT_STATE_IDLE : BOT_STATE_GIVE_UP;
}

/* 6.7.2 and 6.7.3: whatever becomes of the data, a status follows. */
static BotState next_of_data(BotEvent event) {
        switch (event) {
        case BOT_EVENT_DONE:
                return BOT_STATE_STATUS;
        case BOT_EVENT_STALLED:
                return BOT_STATE_DATA_HALTED;
        case BOT_EVENT_OVERFLOWED:
                return BOT_STATE_DATA_OVERRUN;
        case BOT_EVENT_STATUS_CAME:
                return BOT_STATE_DATA_SKIPPED;
        case BOT_EVENT_SUBMITTED:
        case BOT_EVENT_EMPTY:
        case BOT_EVENT_NOT_SENT:
        case BOT_EVENT_FAILED:
        case BOT_EVENT_UNANSWERED:
        case BOT_EVENT_ABANDONED:
        case BOT_EVENT_RECOVERY:
        case BOT_EVENT_RECOVERED:
        case BOT_EVENT_UNRECOVERED:
                return BOT_STATE_GIVE_UP;
        case _BOT_EVENT_MAX:
                break;
        }

        assert_not_reached();
}

/* 6.7.2, figure 2: a status that stalls is read once more. Some devices end it with a zero-length
 * packet first. */
static BotState next_of_status(BotEvent event) {
        switch (event) {
        case BOT_EVENT_DONE:
                return BOT_STATE_IDLE;
        case BOT_EVENT_EMPTY:
                return BOT_STATE_STATUS_AGAIN;
        case BOT_EVENT_STALLED:
                return BOT_STATE_CLEAR_STATUS_HALT;
        case BOT_EVENT_UNANSWERED:
                return BOT_STATE_STATUS_UNANSWERED;
        case BOT_EVENT_SUBMITTED:
        case BOT_EVENT_OVERFLOWED:
        case BOT_EVENT_STATUS_CAME:
        case BOT_EVENT_NOT_SENT:
        case BOT_EVENT_FAILED:
        case BOT_EVENT_ABANDONED:
        case BOT_EVENT_RECOVERY:
        case BOT_EVENT_RECOVERED:
        case BOT_EVENT_UNRECOVERED:
                return BOT_STATE_GIVE_UP;
        case _BOT_EVENT_MAX:
                break;
        }

        assert_not_reached();
}

static BotState next_of_recovery(BotEvent event) {
        if (event == BOT_EVENT_RECOVERED)
                return BOT_STATE_IDLE;
        return event == BOT_EVENT_UNRECOVERED ? BOT_STATE_BROKEN : BOT_STATE_RECOVERING;
}

static BotState next_of_idle(BotEvent event) {
        if (event == BOT_EVENT_SUBMITTED)
                return BOT_STATE_COMMAND;
        return event == BOT_EVENT_RECOVERY ? BOT_STATE_RECOVERING : BOT_STATE_IDLE;
}

BotState bot_state_next(BotState state, BotEvent event, bool has_data) {
        bool is_done = event == BOT_EVENT_DONE;

        switch (state) {
        case BOT_STATE_IDLE:
                return next_of_idle(event);
        case BOT_STATE_COMMAND:
                return next_of_command(event, has_data);
        case BOT_STATE_DATA:
                return next_of_data(event);
        case BOT_STATE_DATA_HALTED:
                return is_done ? BOT_STATE_CLEAR_DATA_HALT : BOT_STATE_GIVE_UP;
        case BOT_STATE_DATA_OVERRUN:
        case BOT_STATE_CLEAR_DATA_HALT:
                return is_done ? BOT_STATE_STATUS : BOT_STATE_GIVE_UP;
        case BOT_STATE_STATUS:
                return next_of_status(event);
        case BOT_STATE_STATUS_UNANSWERED:
        case BOT_STATE_CLEAR_STATUS_HALT:
                return is_done ? BOT_STATE_STATUS_AGAIN : BOT_STATE_GIVE_UP;
        case BOT_STATE_DATA_SKIPPED:
        case BOT_STATE_STATUS_AGAIN:
                return is_done ? BOT_STATE_IDLE : BOT_STATE_GIVE_UP;
        case BOT_STATE_GIVE_UP:
                return is_done ? BOT_STATE_BROKEN : BOT_STATE_GIVE_UP;
        case BOT_STATE_BROKEN: /* 5.3.4: only reset recovery leads out */
                return event == BOT_EVENT_RECOVERY ? BOT_STATE_RECOVERING : BOT_STATE_BROKEN;
        case BOT_STATE_RECOVERING:
                return next_of_recovery(event);
        case _BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

bool bot_state_is_active(BotState state) {
        return state != BOT_STATE_IDLE && state != BOT_STATE_BROKEN &&
               state != BOT_STATE_RECOVERING;
}

const char *bot_state_to_string(BotState state) {
        static const char *const names[_BOT_STATE_MAX] = {
                [BOT_STATE_IDLE] = "idle",
                [BOT_STATE_COMMAND] = "command",
                [BOT_STATE_DATA] = "data",
                [BOT_STATE_DATA_HALTED] = "data halted",
                [BOT_STATE_DATA_OVERRUN] = "data overrun",
                [BOT_STATE_DATA_SKIPPED] = "data skipped",
                [BOT_STATE_CLEAR_DATA_HALT] = "clear data halt",
                [BOT_STATE_STATUS] = "status",
                [BOT_STATE_STATUS_UNANSWERED] = "status unanswered",
                [BOT_STATE_CLEAR_STATUS_HALT] = "clear status halt",
                [BOT_STATE_STATUS_AGAIN] = "status again",
                [BOT_STATE_GIVE_UP] = "give up",
                [BOT_STATE_BROKEN] = "broken",
                [BOT_STATE_RECOVERING] = "recovering",
        };

        assert(state < _BOT_STATE_MAX);
        return names[state];
}

const char *bot_event_to_string(BotEvent event) {
        static const char *const names[_BOT_EVENT_MAX] = {
                [BOT_EVENT_SUBMITTED] = "submitted",
                [BOT_EVENT_DONE] = "done",
                [BOT_EVENT_EMPTY] = "empty",
                [BOT_EVENT_STALLED] = "stalled",
                [BOT_EVENT_OVERFLOWED] = "overflowed",
                [BOT_EVENT_STATUS_CAME] = "status came",
                [BOT_EVENT_NOT_SENT] = "not sent",
                [BOT_EVENT_FAILED] = "failed",
                [BOT_EVENT_UNANSWERED] = "unanswered",
                [BOT_EVENT_ABANDONED] = "abandoned",
                [BOT_EVENT_RECOVERY] = "recovery",
                [BOT_EVENT_RECOVERED] = "recovered",
                [BOT_EVENT_UNRECOVERED] = "unrecovered",
        };

        assert(event < _BOT_EVENT_MAX);
        return names[event];
}
