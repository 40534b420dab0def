/* See uas_task.h. */

#include "transport/uas_task.h"

#include "base/macros.h"

const char *uas_task_state_to_string(UasTaskState state) {
        static const char *const names[_UAS_TASK_STATE_MAX] = {
                [UAS_TASK_STATE_FREE] = "free",         [UAS_TASK_STATE_SENT] = "sent",
                [UAS_TASK_STATE_ANSWERED] = "answered", [UAS_TASK_STATE_LEAVING] = "leaving",
                [UAS_TASK_STATE_STRAY] = "stray",
        };

        assert(state < _UAS_TASK_STATE_MAX);
        return names[state];
}

UasTaskState uas_task_next_state(UasTaskState state, UasTaskEvent event, bool is_known) {
        switch (event) {
        case UAS_TASK_EVENT_SUBMITTED:
                assert(state == UAS_TASK_STATE_FREE);
                return UAS_TASK_STATE_SENT;
        case UAS_TASK_EVENT_ANSWERED:
                /* UAS, 6.2.4: an answer ends the tag, also one that nobody waits for any more. */
                if (state == UAS_TASK_STATE_STRAY)
                        return UAS_TASK_STATE_FREE;
                return state == UAS_TASK_STATE_SENT ? UAS_TASK_STATE_ANSWERED : state;
        case UAS_TASK_EVENT_ABANDONED:
                if (state == UAS_TASK_STATE_SENT || state == UAS_TASK_STATE_ANSWERED)
                        return UAS_TASK_STATE_LEAVING;
                return state;
        case UAS_TASK_EVENT_HOME:
                assert(state == UAS_TASK_STATE_ANSWERED || state == UAS_TASK_STATE_LEAVING);
                return is_known ? UAS_TASK_STATE_STRAY : UAS_TASK_STATE_FREE;
        case UAS_TASK_EVENT_FORGOTTEN:
                return state == UAS_TASK_STATE_STRAY ? UAS_TASK_STATE_FREE : state;
        case _UAS_TASK_EVENT_MAX:
                break;
        }

        assert_not_reached();
}
