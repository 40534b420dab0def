/*
 * A queue for each LUN, served in turn, above a transport of a certain depth. A command that the
 * transport has room for goes out from within submit; its completion comes straight from the
 * transport's. Only what never reached the transport completes by a deferred call, and only what
 * had to wait costs the processor's one timer anything.
 *
 * Auto-sense (SAM-5, "Sense data"): a command that failed without sense is not told before REQUEST
 * SENSE was asked of its LUN, with nothing between the two.
 */

#include "scsi/scsi_processor.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "scsi/scsi_fence.h"
#include "scsi/scsi_pass_through.h"
#include "scsi/scsi_refusal.h"

/* What every device bears; larger ones break some (reference, section 2). */
#define SENSE_SIZE 18
/* What the long form may have (SPC-4, "Descriptor format sense data"), within one byte of length. */
#define SENSE_SIZE_LONG 96
/* SPC-4, "Fixed format sense data": what the additional length is counted from. */
#define SENSE_HEADER_SIZE 8
#define SENSE_ADDITIONAL_LENGTH_OFFSET 7

#define ASC_INVALID_OPERATION_CODE 0x20
#define SENSE_TIMEOUT_NS (5 * NS_PER_S)
/* For sense of a command that failed right at its deadline. */
#define SENSE_TIMEOUT_LEAST_NS (1 * NS_PER_S)
/* What one try of a command that shares its deadline gets at least. */
#define TRY_TIMEOUT_LEAST_NS (5 * NS_PER_S)

/* So many good commands let a LUN's depth grow by one again. */
#define GOOD_BEFORE_GROWTH 64

/* What one LUN has at the transport. */
typedef struct ScsiLunDepth {
        unsigned n_in_flight;
        unsigned n_max; /* lowered where the device's queue was full; 0: not lowered */
        unsigned n_good;
} ScsiLunDepth;

struct ScsiProcessor {
        ScsiTarget target;
        Transport *transport; /* borrowed */
        ScsiProcessorOptions options;
        ScsiPassThroughLimits limits[SCSI_PROCESSOR_LUNS_MAX]; /* what is validated against */
        bool is_paused;
        bool is_held;

        ListNode queues[SCSI_PROCESSOR_LUNS_MAX]; /* ScsiCommand::node */
        ScsiLunDepth depths[SCSI_PROCESSOR_LUNS_MAX];
        uint32_t luns_used;      /* mask */
        bool is_full;            /* the device: until something comes back */
        unsigned turn;           /* the LUN whose turn it is */
        ListNode recovery_queue; /* ScsiCommand::node */
        ListNode holder_queue;   /* ScsiCommand::node */
        ListNode completed;      /* ScsiCommand::node */
        ListNode in_flight;      /* ScsiCommand::node; not those whose sense is fetched */
        ScsiFence fence;
        size_t n_queued;      /* not those for recovery */
        size_t n_outstanding; /* accepted and not told */
        unsigned n_in_flight; /* at the transport */

        EventDefer defer;   /* tells `completed`, fills the transport */
        EventTimer timeout; /* armed no later than the earliest deadline of a queued command */

        TransportRequest sense_request;
        uint8_t *sense_data;        /* owned, of the staging memory */
        size_t sense_size;          /* that is asked for */
        ScsiCommand *sense_command; /* borrowed; NULL: no sense is being fetched */
        ListNode sense_waiting;     /* ScsiCommand::node */

        ScsiProcessorStatistics *statistics; /* borrowed */
        ScsiProcessorStatistics own_statistics;
};

static ScsiProcessor *scsi_processor_from_target(ScsiTarget *target) {
        return container_of(target, ScsiProcessor, target);
}

static void scsi_processor_count_sent(ScsiProcessor *processor, const ScsiCommand *command) {
        ScsiLunStatistics *lun = &processor->statistics->luns[command->request.lun];
        uint64_t now_ns = event_loop_now_ns(processor->target.loop);

        storage_histogram_record(&lun->latency, now_ns - command->submitted_ns);
        if (command->result == SCSI_RESULT_CHECK_CONDITION)
                lun->n_check_conditions[command->sense.key]++;
        if (processor->options.history)
                scsi_history_note(processor->options.history, command, now_ns);
}

static void scsi_processor_count(ScsiProcessor *processor, const ScsiCommand *command) {
        ScsiProcessorStatistics *statistics = processor->statistics;
        ScsiLunStatistics *lun = &statistics->luns[command->request.lun];

        statistics->n_commands++;
        if (command->was_sent)
                scsi_processor_count_sent(processor, command);
        switch (command->result) {
        case SCSI_RESULT_CHECK_CONDITION:
                statistics->n_check_conditions++;
                break;
        case SCSI_RESULT_TRANSPORT_ERROR:
                statistics->n_transport_errors++;
                break;
        case SCSI_RESULT_TIMED_OUT:
                statistics->n_timeouts++;
                lun->n_timeouts++;
                break;
        case SCSI_RESULT_INVALID:
                statistics->n_invalid++;
                break;
        case SCSI_RESULT_GOOD:
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_RESERVED:
        case SCSI_RESULT_NO_MEMORY:
        case SCSI_RESULT_CANCELLED:
        case SCSI_RESULT_GONE:
        case _SCSI_RESULT_MAX:
                break;
        }
}

/* From the loop, never from within submit. The callee may free an idle processor: nothing may touch
 * it afterwards. */
static void scsi_processor_tell(ScsiProcessor *processor, ScsiCommand *command) {
        assert(processor->n_outstanding > 0);
        assert(list_is_empty(&command->node));

        scsi_processor_count(processor, command);
        processor->n_outstanding--;
        command->state = SCSI_COMMAND_STATE_IDLE;
        command->processor = NULL;
        if (command->processor_done)
                command->processor_done(command);
        else
                command->done(command);
}

/* Told later. `command` is in no list. */
static void scsi_processor_complete(ScsiProcessor *processor, ScsiCommand *command,
                                    ScsiResult result) {
        command->state = SCSI_COMMAND_STATE_COMPLETED;
        command->result = result;
        list_append(&processor->completed, &command->node);
        event_defer_schedule(&processor->defer);
}

static bool scsi_command_is_recovery(const ScsiCommand *command) {
        return (command->flags & SCSI_COMMAND_RECOVERY) != 0;
}

static void scsi_processor_dequeue(ScsiProcessor *processor, ScsiCommand *command) {
        list_unlink(&command->node);
        if (!scsi_command_is_recovery(command)) {
                assert(processor->n_queued > 0);
                processor->n_queued--;
        }
}

static void scsi_processor_complete_queue(ScsiProcessor *processor, ListNode *queue,
                                          ScsiResult result, uint64_t until_ns) {
        LIST_FOR_EACH (node, queue) {
                ScsiCommand *command = list_entry(node, ScsiCommand, node);

                if (command->deadline_ns > until_ns)
                        continue;
                scsi_processor_dequeue(processor, command);
                scsi_processor_complete(processor, command, result);
        }
}

/* Ends with `result` whatever is queued and has its deadline no later than `until_ns`. */
static void scsi_processor_complete_queued(ScsiProcessor *processor, ScsiResult result,
                                           uint64_t until_ns) {
        scsi_processor_complete_queue(processor, &processor->recovery_queue, result, until_ns);
        scsi_processor_complete_queue(processor, &processor->holder_queue, result, until_ns);
        for (size_t i = 0; i < N_ELEMENTS(processor->queues); i++)
                scsi_processor_complete_queue(processor, &processor->queues[i], result, until_ns);
}

static void scsi_processor_arm(ScsiProcessor *processor, uint64_t deadline_ns) {
        EventTimer *timeout = &processor->timeout;

        if (!event_timer_is_armed(timeout) || deadline_ns < timeout->deadline_ns)
                event_timer_set(timeout, deadline_ns);
}

static void scsi_processor_arm_for_queue(ScsiProcessor *processor, ListNode *queue) {
        LIST_FOR_EACH (node, queue)
                scsi_processor_arm(processor, list_entry(node, ScsiCommand, node)->deadline_ns);
}

static void scsi_processor_on_timeout(EventTimer *timer) {
        ScsiProcessor *processor = container_of(timer, ScsiProcessor, timeout);

        scsi_processor_complete_queued(processor, SCSI_RESULT_TIMED_OUT,
                                       event_loop_now_ns(processor->target.loop));
        scsi_processor_arm_for_queue(processor, &processor->recovery_queue);
        scsi_processor_arm_for_queue(processor, &processor->holder_queue);
        for (size_t i = 0; i < N_ELEMENTS(processor->queues); i++)
                scsi_processor_arm_for_queue(processor, &processor->queues[i]);
}

/* All but a quarter, where there are others: so that a slow LUN does not hold everything. */
static unsigned scsi_processor_lun_limit(const ScsiProcessor *processor, unsigned lun) {
        unsigned n_max = processor->target.n_in_flight_max;

        if (processor->luns_used & ~(1U << lun))
                n_max -= n_max / 4;
        if (processor->depths[lun].n_max > 0)
                n_max = MIN(n_max, processor->depths[lun].n_max);
        return n_max;
}

static bool scsi_processor_may_send(const ScsiProcessor *processor, unsigned lun) {
        return !list_is_empty(&processor->queues[lun]) &&
               processor->depths[lun].n_in_flight < scsi_processor_lun_limit(processor, lun);
}

/* The LUN that is next among those that may send something; NULL: none may. */
static ListNode *scsi_processor_take_turn(ScsiProcessor *processor) {
        for (size_t i = 0; i < SCSI_PROCESSOR_LUNS_MAX; i++) {
                unsigned lun = processor->turn;

                processor->turn = (processor->turn + 1) % SCSI_PROCESSOR_LUNS_MAX;
                if (scsi_processor_may_send(processor, lun))
                        return &processor->queues[lun];
        }
        return NULL;
}

/* NULL: it has none, or others are still at the device. */
static ListNode *scsi_processor_get_holder(ScsiProcessor *processor) {
        return processor->n_in_flight == 0 && !list_is_empty(&processor->holder_queue)
                               ? &processor->holder_queue
                               : NULL;
}

/* The next one to be sent, out of its queue; NULL: none may be. */
static ScsiCommand *scsi_processor_take_next(ScsiProcessor *processor) {
        ListNode *queue = &processor->recovery_queue;

        if (list_is_empty(queue)) {
                if (processor->is_paused || processor->is_full || processor->n_queued == 0)
                        return NULL;
                queue = processor->is_held ? scsi_processor_get_holder(processor)
                                           : scsi_processor_take_turn(processor);
                if (!queue)
                        return NULL;
        }

        ScsiCommand *command = list_entry(list_first(queue), ScsiCommand, node);

        scsi_processor_dequeue(processor, command);
        return command;
}

static void scsi_processor_on_transport_done(TransportRequest *request);

static uint64_t scsi_processor_try_deadline_ns(const ScsiCommand *command, uint64_t now_ns) {
        uint64_t left_ns = command->deadline_ns - now_ns;

        if (!command->shares_deadline)
                return command->deadline_ns;
        return now_ns + MIN(left_ns, MAX(left_ns / 3 * 2, TRY_TIMEOUT_LEAST_NS));
}

static void scsi_processor_send(ScsiProcessor *processor, ScsiCommand *command, uint64_t now_ns) {
        int r;

        command->request.deadline_ns = scsi_processor_try_deadline_ns(command, now_ns);
        command->request.done = scsi_processor_on_transport_done;
        command->state = SCSI_COMMAND_STATE_IN_FLIGHT;
        command->was_sent = true;
        command->sent_ns = now_ns;
        command->is_given_up = false;
        processor->n_in_flight++;
        processor->depths[command->request.lun].n_in_flight++;
        processor->luns_used |= 1U << command->request.lun;
        r = transport_submit(processor->transport, &command->request);
        if (r >= 0) {
                scsi_fence_note_sent(&processor->fence, command);
                list_append(&processor->in_flight, &command->node);
                return;
        }

        processor->n_in_flight--;
        processor->depths[command->request.lun].n_in_flight--;
        command->was_sent = false;
        scsi_processor_complete(processor, command,
                                r == -ENODEV ? SCSI_RESULT_GONE : SCSI_RESULT_TRANSPORT_ERROR);
}

/* Keeps the transport full. Tells nobody anything. */
static void scsi_processor_fill(ScsiProcessor *processor) {
        while (processor->n_in_flight < processor->target.n_in_flight_max &&
               !processor->sense_command) {
                ScsiCommand *command = scsi_processor_take_next(processor);
                uint64_t now_ns;

                if (!command)
                        return;
                now_ns = event_loop_now_ns(processor->target.loop);
                if (command->deadline_ns <= now_ns)
                        scsi_processor_complete(processor, command, SCSI_RESULT_TIMED_OUT);
                else
                        scsi_processor_send(processor, command, now_ns);
        }
}

static void scsi_processor_sense_next(ScsiProcessor *processor);

static void scsi_processor_on_defer(EventDefer *defer) {
        ScsiProcessor *processor = container_of(defer, ScsiProcessor, defer);
        ListNode completed = LIST_INIT(completed);
        ListNode *node;

        scsi_processor_sense_next(processor);
        scsi_processor_fill(processor);
        list_splice(&completed, &processor->completed);
        while ((node = list_take_first(&completed)))
                scsi_processor_tell(processor, list_entry(node, ScsiCommand, node));
}

/* A failure that nobody can explain must not look like a success or like nothing. */
static void scsi_processor_set_sense(ScsiCommand *command, const uint8_t *bytes, size_t size) {
        int r = scsi_sense_decode(&command->sense, bytes, size);

        if (command->raw_sense) {
                command->raw_sense_size = MIN(size, (size_t) TRANSPORT_SENSE_SIZE_MAX);
                memcpy(command->raw_sense, bytes, command->raw_sense_size);
        }
        if (r >= 0 && (command->sense.key != SCSI_SENSE_KEY_NO_SENSE || command->sense.asc != 0 ||
                       command->sense.ascq != 0))
                return;

        command->sense = (ScsiSense){ .key = SCSI_SENSE_KEY_HARDWARE_ERROR };
        command->is_unexplained = true;
}

/* What a command that did well, on a transport that can't tell so, leaves behind. */
static bool scsi_processor_has_no_sense(const uint8_t *bytes, size_t size) {
        ScsiSense sense;

        return scsi_sense_decode(&sense, bytes, size) >= 0 && !sense.is_deferred &&
               sense.key == SCSI_SENSE_KEY_NO_SENSE && sense.asc == 0 && sense.ascq == 0;
}

static ScsiResult scsi_processor_translate(TransportResult result) {
        switch (result) {
        case TRANSPORT_RESULT_GOOD:
                return SCSI_RESULT_GOOD;
        case TRANSPORT_RESULT_FAILED:
        case TRANSPORT_RESULT_UNTOLD:
                return SCSI_RESULT_CHECK_CONDITION;
        case TRANSPORT_RESULT_BUSY:
                return SCSI_RESULT_BUSY;
        case TRANSPORT_RESULT_RESERVED:
                return SCSI_RESULT_RESERVED;
        case TRANSPORT_RESULT_ERROR:
                return SCSI_RESULT_TRANSPORT_ERROR;
        case TRANSPORT_RESULT_TIMED_OUT:
                return SCSI_RESULT_TIMED_OUT;
        case TRANSPORT_RESULT_NO_MEMORY:
                return SCSI_RESULT_NO_MEMORY;
        case TRANSPORT_RESULT_CANCELLED:
                return SCSI_RESULT_CANCELLED;
        case TRANSPORT_RESULT_GONE:
                return SCSI_RESULT_GONE;
        case _TRANSPORT_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* What the failed command ends with, now that REQUEST SENSE ended with `result`. */
static ScsiResult scsi_processor_translate_sense(TransportResult result) {
        switch (result) {
        case TRANSPORT_RESULT_GOOD:
        case TRANSPORT_RESULT_FAILED:
        case TRANSPORT_RESULT_UNTOLD:
        case TRANSPORT_RESULT_BUSY:
        case TRANSPORT_RESULT_RESERVED:
        case TRANSPORT_RESULT_NO_MEMORY:
                /* The device does talk: the failure stands, with or without an explanation. */
                return SCSI_RESULT_CHECK_CONDITION;
        case TRANSPORT_RESULT_ERROR:
        case TRANSPORT_RESULT_TIMED_OUT:
        case TRANSPORT_RESULT_CANCELLED:
        case TRANSPORT_RESULT_GONE:
                return scsi_processor_translate(result);
        case _TRANSPORT_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* A device that needs recovery is left alone until whoever recovers it was told and could pause. */
static bool scsi_result_needs_recovery(ScsiResult result) {
        return result == SCSI_RESULT_TRANSPORT_ERROR || result == SCSI_RESULT_TIMED_OUT ||
               result == SCSI_RESULT_CANCELLED || result == SCSI_RESULT_GONE;
}

/* Sends what comes next and tells `command`, in the order that its result allows. */
static void scsi_processor_end(ScsiProcessor *processor, ScsiCommand *command, ScsiResult result) {
        if (result == SCSI_RESULT_CANCELLED && command->is_given_up)
                result = SCSI_RESULT_TIMED_OUT;
        command->result = result;
        if (scsi_result_needs_recovery(result)) {
                event_defer_schedule(&processor->defer);
        } else {
                scsi_processor_sense_next(processor);
                scsi_processor_fill(processor);
        }
        scsi_processor_tell(processor, command);
}

/* Who was asked for more than the usual and did not answer is not asked for more again; who has told
 * that there is more is. */
static void scsi_processor_learn_sense(ScsiProcessor *processor, bool is_good, size_t size) {
        const uint8_t *data = processor->sense_data;

        if (!is_good && processor->sense_size > SENSE_SIZE) {
                log_device_debug(processor->target.name, "No more than %d bytes of sense",
                                 SENSE_SIZE);
                processor->sense_size = SENSE_SIZE;
                processor->options.sense_length = SCSI_SENSE_LENGTH_SHORT;
        } else if (is_good && size == SENSE_SIZE &&
                   processor->options.sense_length == SCSI_SENSE_LENGTH_LEARNED &&
                   data[SENSE_ADDITIONAL_LENGTH_OFFSET] + SENSE_HEADER_SIZE > SENSE_SIZE) {
                processor->sense_size = SENSE_SIZE_LONG;
        }
}

static void scsi_processor_on_sense_done(TransportRequest *request) {
        ScsiProcessor *processor = container_of(request, ScsiProcessor, sense_request);
        ScsiCommand *command = processor->sense_command;
        bool is_good = request->result == TRANSPORT_RESULT_GOOD;
        size_t size = is_good ? MIN(request->actual_size, request->size) : 0;

        assert(command && command->state == SCSI_COMMAND_STATE_SENSING);
        assert(processor->n_in_flight > 0);

        processor->sense_command = NULL;
        processor->n_in_flight--;
        processor->is_full = false;
        scsi_processor_learn_sense(processor, is_good, size);
        if (command->request.result == TRANSPORT_RESULT_UNTOLD &&
            scsi_processor_has_no_sense(processor->sense_data, size)) {
                scsi_processor_end(processor, command, SCSI_RESULT_GOOD);
                return;
        }
        scsi_processor_set_sense(command, processor->sense_data, size);
        scsi_processor_end(processor, command, scsi_processor_translate_sense(request->result));
}

/* SPC-4, "REQUEST SENSE command". */
static void scsi_processor_sense(ScsiProcessor *processor, ScsiCommand *command) {
        const uint8_t cdb[6] = { SCSI_OPCODE_REQUEST_SENSE, 0, 0, 0,
                                 (uint8_t) processor->sense_size };
        TransportRequest *request = &processor->sense_request;
        uint64_t now_ns = event_loop_now_ns(processor->target.loop);
        uint64_t least_ns = now_ns + SENSE_TIMEOUT_LEAST_NS;
        int r;

        memset(processor->sense_data, 0, SENSE_SIZE_LONG);
        request->lun = command->request.lun;
        memset(request->command, 0, sizeof(request->command));
        memcpy(request->command, cdb, sizeof(cdb));
        request->command_size = sizeof(cdb);
        request->direction = TRANSPORT_DIRECTION_IN;
        request->data = processor->sense_data;
        request->size = processor->sense_size;
        request->deadline_ns = MIN(now_ns + SENSE_TIMEOUT_NS, MAX(command->deadline_ns, least_ns));
        request->done = scsi_processor_on_sense_done;
        request->sense_size = 0;
        request->actual_size = 0;

        command->state = SCSI_COMMAND_STATE_SENSING;
        processor->sense_command = command;
        processor->n_in_flight++;
        r = transport_submit(processor->transport, request);
        if (r >= 0)
                return;

        processor->sense_command = NULL;
        processor->n_in_flight--;
        scsi_processor_complete(processor, command,
                                r == -ENODEV ? SCSI_RESULT_GONE : SCSI_RESULT_TRANSPORT_ERROR);
}

static void scsi_processor_sense_next(ScsiProcessor *processor) {
        while (!processor->sense_command) {
                ListNode *node = list_take_first(&processor->sense_waiting);

                if (!node)
                        return;
                scsi_processor_sense(processor, list_entry(node, ScsiCommand, node));
        }
}

static void scsi_processor_on_failed(ScsiProcessor *processor, ScsiCommand *command) {
        TransportRequest *request = &command->request;

        /* A REQUEST SENSE that fails would be asked about for ever. */
        if (request->sense_size > 0 || request->command[0] == SCSI_OPCODE_REQUEST_SENSE) {
                scsi_processor_set_sense(command, request->sense, request->sense_size);
                scsi_processor_end(processor, command, SCSI_RESULT_CHECK_CONDITION);
                return;
        }

        command->state = SCSI_COMMAND_STATE_AWAITING_SENSE;
        list_append(&processor->sense_waiting, &command->node);
        scsi_processor_sense_next(processor);
}

static void scsi_processor_learn_depth(ScsiProcessor *processor, const TransportRequest *request) {
        ScsiLunDepth *depth = &processor->depths[request->lun];

        if (request->result == TRANSPORT_RESULT_BUSY) {
                depth->n_max = MAX(depth->n_in_flight, 1U);
                depth->n_good = 0;
        } else if (depth->n_max > 0 && ++depth->n_good >= GOOD_BEFORE_GROWTH) {
                depth->n_good = 0;
                depth->n_max = depth->n_max < processor->target.n_in_flight_max ? depth->n_max + 1
                                                                                : 0;
        }
}

/*
 * SAM-5, "TASK SET FULL": as long as others are at the device, their end is what is waited for.
 * Whether the command was taken back.
 */
static bool scsi_processor_take_back(ScsiProcessor *processor, ScsiCommand *command) {
        processor->is_full = false;
        if (command->request.result != TRANSPORT_RESULT_BUSY || processor->n_in_flight == 0 ||
            scsi_command_is_recovery(command))
                return false;

        processor->is_full = true;
        command->state = SCSI_COMMAND_STATE_QUEUED;
        command->was_sent = false;
        list_prepend(&processor->queues[command->request.lun], &command->node);
        processor->n_queued++;
        scsi_processor_arm(processor, command->deadline_ns);
        return true;
}

static void scsi_processor_enqueue(ScsiProcessor *processor, ScsiCommand *command) {
        command->state = SCSI_COMMAND_STATE_QUEUED;
        if (scsi_command_is_recovery(command)) {
                list_append(&processor->recovery_queue, &command->node);
                return;
        }

        list_append(command->flags & SCSI_COMMAND_HOLDER ? &processor->holder_queue
                                                         : &processor->queues[command->request.lun],
                    &command->node);
        processor->n_queued++;
}

static bool has_status(TransportResult result) {
        return result == TRANSPORT_RESULT_GOOD || result == TRANSPORT_RESULT_FAILED ||
               result == TRANSPORT_RESULT_BUSY || result == TRANSPORT_RESULT_RESERVED;
}

/* Told behind what has come back. Of a device that is gone nothing is asked again. */
static void scsi_processor_release_held(ScsiProcessor *processor, bool is_gone) {
        ScsiCommand *command;

        while ((command = scsi_fence_take(&processor->fence))) {
                if (!command->must_repeat) {
                        scsi_processor_complete(processor, command, SCSI_RESULT_GOOD);
                } else if (is_gone) {
                        scsi_processor_complete(processor, command, SCSI_RESULT_GONE);
                } else {
                        scsi_processor_enqueue(processor, command);
                        scsi_processor_arm(processor, command->deadline_ns);
                }
        }
}

static void scsi_processor_on_transport_done(TransportRequest *request) {
        ScsiCommand *command = container_of(request, ScsiCommand, request);
        ScsiProcessor *processor = command->processor;

        assert(command->state == SCSI_COMMAND_STATE_IN_FLIGHT);
        assert(processor->n_in_flight > 0);
        assert(request->actual_size <= request->size);

        list_unlink(&command->node);
        processor->n_in_flight--;
        processor->depths[request->lun].n_in_flight--;
        scsi_processor_learn_depth(processor, request);
        scsi_fence_note_back(&processor->fence, request->lun, command->sent_number,
                             has_status(request->result));
        scsi_processor_release_held(processor, request->result == TRANSPORT_RESULT_GONE);
        if (scsi_processor_take_back(processor, command))
                return;
        storage_histogram_record(&processor->statistics->luns[request->lun].transport_latency,
                                 event_loop_now_ns(processor->target.loop) - command->sent_ns);
        command->actual_size = request->actual_size;
        if (request->result == TRANSPORT_RESULT_FAILED ||
            request->result == TRANSPORT_RESULT_UNTOLD)
                scsi_processor_on_failed(processor, command);
        else if (request->result == TRANSPORT_RESULT_GOOD &&
                 scsi_fence_holds(&processor->fence, command,
                                  processor->depths[request->lun].n_in_flight))
                event_defer_schedule(&processor->defer);
        else
                scsi_processor_end(processor, command, scsi_processor_translate(request->result));
}

/* SPC-4, "ASC and ASCQ assignments": as the device would, if it knew better. */
static void scsi_processor_refuse(ScsiProcessor *processor, ScsiCommand *command) {
        log_device_debug(processor->target.name, "LUN %u: %s is not sent to this device",
                         command->request.lun,
                         scsi_cdb_name(command->request.command, command->request.command_size));
        command->sense = (ScsiSense){
                .key = SCSI_SENSE_KEY_ILLEGAL_REQUEST,
                .asc = ASC_INVALID_OPERATION_CODE,
        };
        scsi_processor_complete(processor, command, SCSI_RESULT_CHECK_CONDITION);
}

/* Whether it may be sent. Why not is told here alone. */
static bool scsi_processor_validate(ScsiProcessor *processor, const ScsiCommand *command) {
        const TransportRequest *request = &command->request;
        const ScsiPassThrough checked = {
                .cdb = request->command,
                .cdb_size = request->command_size,
                .direction = request->direction,
                .data_size = request->size,
        };
        char reason[SCSI_PASS_THROUGH_REASON_SIZE];
        int r;

        if (!processor->options.is_validating || (command->flags & SCSI_COMMAND_VALIDATED))
                return true;
        r = scsi_pass_through_check(&checked, &processor->limits[request->lun], reason);
        if (r == 0)
                return true;
        log_device_error(processor->target.name, "LUN %u: a command is not sent: %s", request->lun,
                         reason);
        return false;
}

static void scsi_processor_submit(ScsiTarget *target, ScsiCommand *command) {
        ScsiProcessor *processor = scsi_processor_from_target(target);

        assert(command->request.lun < SCSI_PROCESSOR_LUNS_MAX);
        assert(processor->is_held || !(command->flags & SCSI_COMMAND_HOLDER));

        processor->n_outstanding++;
        command->processor = processor;
        command->was_sent = false;
        command->is_unexplained = false;
        command->actual_size = 0;
        command->request.actual_size = 0;
        command->request.sense_size = 0;
        command->submitted_ns = event_loop_now_ns(target->loop);

        if (scsi_refusal_covers(processor->options.refusals, command->request.command)) {
                scsi_processor_refuse(processor, command);
                return;
        }
        if (!scsi_processor_validate(processor, command)) {
                scsi_processor_complete(processor, command, SCSI_RESULT_INVALID);
                return;
        }
        if (!scsi_command_is_recovery(command) && processor->n_queued >= SCSI_PROCESSOR_QUEUE_MAX) {
                scsi_processor_complete(processor, command, SCSI_RESULT_BUSY);
                return;
        }

        scsi_processor_enqueue(processor, command);
        scsi_processor_fill(processor);
        if (command->state == SCSI_COMMAND_STATE_QUEUED)
                scsi_processor_arm(processor, command->deadline_ns);
}

static void scsi_processor_cancel(ScsiTarget *target, ScsiCommand *command) {
        ScsiProcessor *processor = scsi_processor_from_target(target);

        switch (command->state) {
        case SCSI_COMMAND_STATE_QUEUED:
                scsi_processor_dequeue(processor, command);
                scsi_processor_complete(processor, command, SCSI_RESULT_CANCELLED);
                break;
        case SCSI_COMMAND_STATE_IN_FLIGHT:
                transport_cancel(processor->transport, &command->request);
                break;
        case SCSI_COMMAND_STATE_AWAITING_SENSE:
                list_unlink(&command->node);
                scsi_processor_complete(processor, command, SCSI_RESULT_CANCELLED);
                break;
        case SCSI_COMMAND_STATE_SENSING:
                transport_cancel(processor->transport, &processor->sense_request);
                break;
        case SCSI_COMMAND_STATE_HELD:
                list_unlink(&command->node);
                command->was_sent = false; /* the device is not asked for anything */
                scsi_processor_complete(processor, command, SCSI_RESULT_CANCELLED);
                break;
        case SCSI_COMMAND_STATE_IDLE:
        case SCSI_COMMAND_STATE_WAITING:
        case SCSI_COMMAND_STATE_COMPLETED:
                break;
        case _SCSI_COMMAND_STATE_MAX:
                assert_not_reached();
        }
}

ScsiTarget *scsi_processor_get_target(ScsiProcessor *processor) { return &processor->target; }

/* A simplified disk (RBC) is driven as any other, where it says that it knows the command. */
void scsi_processor_set_unit(ScsiProcessor *processor, uint8_t lun, const ScsiDisk *disk) {
        ScsiPassThroughLimits *limits = &processor->limits[lun];

        assert(lun < SCSI_PROCESSOR_LUNS_MAX);

        *limits = (ScsiPassThroughLimits){
                .device_type = SCSI_DEVICE_TYPE_ANY,
                .transfer_size_max = processor->target.transfer_size_max,
                .danger_max = SCSI_DANGER_DESTROYS,
        };
        if (!disk)
                return;
        limits->device_type = disk->device_type == SCSI_DEVICE_TYPE_RBC ? SCSI_DEVICE_TYPE_DISK
                                                                        : disk->device_type;
        limits->n_blocks = disk->n_blocks;
        limits->block_size = disk->block_size;
}

void scsi_processor_pause(ScsiProcessor *processor) { processor->is_paused = true; }

void scsi_processor_resume(ScsiProcessor *processor) {
        processor->is_paused = false;
        event_defer_schedule(&processor->defer);
}

void scsi_processor_hold(ScsiProcessor *processor) {
        assert(!processor->is_held);

        processor->is_held = true;
}

void scsi_processor_release(ScsiProcessor *processor) {
        assert(processor->is_held);
        assert(list_is_empty(&processor->holder_queue));

        processor->is_held = false;
        event_defer_schedule(&processor->defer);
}

bool scsi_processor_is_idle(const ScsiProcessor *processor) {
        return processor->n_outstanding == 0;
}

bool scsi_processor_is_drained(const ScsiProcessor *processor) {
        return processor->n_in_flight == 0 && list_is_empty(&processor->sense_waiting);
}

void scsi_processor_give_up(ScsiProcessor *processor) {
        ListNode *node;

        LIST_FOR_EACH (n, &processor->in_flight) {
                ScsiCommand *command = list_entry(n, ScsiCommand, node);

                command->is_given_up = true;
                transport_cancel(processor->transport, &command->request);
        }
        while ((node = list_take_first(&processor->sense_waiting)))
                scsi_processor_complete(processor, list_entry(node, ScsiCommand, node),
                                        SCSI_RESULT_TIMED_OUT);
        if (!processor->sense_command)
                return;
        processor->sense_command->is_given_up = true;
        transport_cancel(processor->transport, &processor->sense_request);
}

static void scsi_processor_take_transport(ScsiProcessor *processor, Transport *transport) {
        processor->transport = transport;
        processor->target.n_in_flight_most = transport->n_in_flight_max;
        processor->target.n_in_flight_max =
                        processor->options.is_serial ? 1 : transport->n_in_flight_max;
}

void scsi_processor_set_options(ScsiProcessor *processor, const ScsiProcessorOptions *options) {
        processor->options.is_validating = options->is_validating;
        processor->options.n_commands_kept = options->n_commands_kept;
        processor->options.is_serial = options->is_serial;
        scsi_command_pool_set_kept_max(processor->target.commands, options->n_commands_kept);
        scsi_processor_take_transport(processor, processor->transport);
        event_defer_schedule(&processor->defer);
}

void scsi_processor_set_transport(ScsiProcessor *processor, Transport *transport) {
        assert(scsi_processor_is_drained(processor));
        assert(transport->loop == processor->target.loop);
        assert(transport->staging == processor->target.staging);
        assert(transport->transfer_size_max >= processor->target.transfer_size_max);
        assert(transport->n_in_flight_max > 0);

        scsi_processor_take_transport(processor, transport);
        processor->is_full = false;
        memset(processor->depths, 0, sizeof(processor->depths));
}

void scsi_processor_fail_all(ScsiProcessor *processor, ScsiResult result) {
        assert(result != SCSI_RESULT_GOOD && result != SCSI_RESULT_CHECK_CONDITION);

        scsi_processor_complete_queued(processor, result, UINT64_MAX);
}

ScsiSenseLength scsi_processor_get_sense_length(const ScsiProcessor *processor) {
        if (processor->options.sense_length == SCSI_SENSE_LENGTH_SHORT)
                return SCSI_SENSE_LENGTH_SHORT;
        return processor->sense_size > SENSE_SIZE ? SCSI_SENSE_LENGTH_LONG
                                                  : SCSI_SENSE_LENGTH_LEARNED;
}

const ScsiProcessorStatistics *scsi_processor_get_statistics(const ScsiProcessor *processor) {
        return processor->statistics;
}

static const ScsiTargetOps scsi_processor_ops = {
        .submit = scsi_processor_submit,
        .cancel = scsi_processor_cancel,
};

static void scsi_processor_init(ScsiProcessor *processor, Transport *transport,
                                const ScsiProcessorOptions *options) {
        processor->target = (ScsiTarget){
                .ops = &scsi_processor_ops,
                .loop = transport->loop,
                .staging = transport->staging,
                .name = transport->name,
                .transfer_size_max = transport->transfer_size_max,
        };
        if (options)
                processor->options = *options;
        scsi_processor_take_transport(processor, transport);
        processor->statistics = processor->options.statistics ?: &processor->own_statistics;
        processor->sense_size = processor->options.sense_length == SCSI_SENSE_LENGTH_LONG
                                                ? SENSE_SIZE_LONG
                                                : SENSE_SIZE;
        for (size_t i = 0; i < N_ELEMENTS(processor->queues); i++) {
                list_init(&processor->queues[i]);
                scsi_processor_set_unit(processor, (uint8_t) i, NULL);
        }
        list_init(&processor->recovery_queue);
        list_init(&processor->holder_queue);
        list_init(&processor->completed);
        list_init(&processor->in_flight);
        scsi_fence_init(&processor->fence);
        list_init(&processor->sense_waiting);
        list_init(&processor->sense_request.node);
        event_defer_init(&processor->defer, transport->loop, scsi_processor_on_defer);
}

int scsi_processor_new(ScsiProcessor **ret, Transport *transport,
                       const ScsiProcessorOptions *options) {
        _cleanup_(scsi_processor_freep) ScsiProcessor *processor = NULL;
        int r;

        assert(transport->n_in_flight_max > 0);

        processor = calloc(1, sizeof(*processor));
        if (!processor)
                return -ENOMEM;
        scsi_processor_init(processor, transport, options);
        r = event_timer_init(&processor->timeout, transport->loop, scsi_processor_on_timeout);
        if (r < 0)
                return r;
        processor->sense_data = staging_get(transport->staging, SENSE_SIZE_LONG);
        if (!processor->sense_data)
                return -ENOMEM;
        r = scsi_command_pool_new(&processor->target.commands, processor->options.n_commands_kept);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(processor);
        return 0;
}

ScsiProcessor *scsi_processor_free(ScsiProcessor *processor) {
        if (!processor)
                return NULL;

        assert(processor->n_outstanding == 0);
        assert(processor->n_in_flight == 0);

        event_defer_cancel(&processor->defer);
        event_timer_done(&processor->timeout);
        staging_put(processor->target.staging, processor->sense_data, SENSE_SIZE_LONG);
        scsi_command_pool_free(processor->target.commands);
        free(processor);
        return NULL;
}
