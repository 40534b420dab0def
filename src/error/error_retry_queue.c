/*
 * One timer for all that wait. They are few, and wait for tenths of seconds, so a list does.
 */

#include "error/error_retry_queue.h"

/* Doubled with each try. */
#define DELAY_MIN_NS (100 * NS_PER_MS)
#define DELAY_MAX_NS (1 * NS_PER_S)
#define DOUBLINGS_MAX 4U

static void error_retry_queue_arm(ErrorRetryQueue *queue, uint64_t retry_ns) {
        if (!event_timer_is_armed(&queue->timer) || retry_ns < queue->timer.deadline_ns)
                event_timer_set(&queue->timer, retry_ns);
}

static void error_retry_queue_on_timer(EventTimer *timer) {
        ErrorRetryQueue *queue = container_of(timer, ErrorRetryQueue, timer);
        uint64_t now_ns = event_loop_now_ns(timer->loop);

        LIST_FOR_EACH (node, &queue->commands) {
                ScsiCommand *command = list_entry(node, ScsiCommand, node);

                if (command->retry_ns > now_ns) {
                        error_retry_queue_arm(queue, command->retry_ns);
                        continue;
                }
                list_unlink(&command->node);
                command->state = SCSI_COMMAND_STATE_IDLE;
                scsi_target_submit(queue->target, command);
        }
}

int error_retry_queue_init(ErrorRetryQueue *queue, ScsiTarget *target) {
        queue->target = target;
        list_init(&queue->commands);
        return event_timer_init(&queue->timer, target->loop, error_retry_queue_on_timer);
}

void error_retry_queue_done(ErrorRetryQueue *queue) {
        assert(list_is_empty(&queue->commands));

        event_timer_done(&queue->timer);
}

void error_retry_queue_add(ErrorRetryQueue *queue, ScsiCommand *command, uint64_t retry_ns) {
        assert(command->state == SCSI_COMMAND_STATE_IDLE);
        assert(retry_ns < command->deadline_ns);

        command->state = SCSI_COMMAND_STATE_WAITING;
        command->retry_ns = retry_ns;
        list_append(&queue->commands, &command->node);
        error_retry_queue_arm(queue, retry_ns);
}

ScsiCommand *error_retry_queue_take(ErrorRetryQueue *queue) {
        ListNode *node = list_take_first(&queue->commands);

        return node ? list_entry(node, ScsiCommand, node) : NULL;
}

uint64_t error_retry_queue_get_delay_ns(unsigned n_earlier) {
        unsigned n_doublings = MIN(n_earlier, DOUBLINGS_MAX);

        return MIN(DELAY_MIN_NS << n_doublings, DELAY_MAX_NS);
}

uint64_t error_retry_queue_next_delay_ns(ScsiCommand *command) {
        return error_retry_queue_get_delay_ns(command->n_free_tries++);
}
