/* One command after the other, each with a deadline of its own, and none tried again: but for a UNIT
   ATTENTION, which stands in the way of the next command, whichever that is. */

#include "smart/smart_dialogue.h"

#include <errno.h>
#include <string.h>

/* For the bridge, the drive, and what is queued before it. */
#define TIMEOUT_NS (10 * NS_PER_S)
#define ATTENTIONS_MAX 8U
#define FLAGS (SCSI_COMMAND_NO_RETRY | SCSI_COMMAND_VALIDATED | SCSI_COMMAND_ASIDE)

/* What is sent, and until when. */
typedef struct SmartDelivery {
        const uint8_t *cdb;
        size_t cdb_size;
        TransportDirection direction;
        void *data;
        size_t size;
        uint64_t deadline_ns;
        bool is_holder;
} SmartDelivery;

int smart_dialogue_init(SmartDialogue *dialogue, const SmartMonitor *monitor, ScsiTarget *target,
                        Task *task, bool may_wake) {
        *dialogue = (SmartDialogue){
                .target = target,
                .task = task,
                .handlers = monitor->handlers,
                .userdata = monitor->userdata,
                .lun = monitor->options.lun,
                .may_wake = may_wake,
                .data = staging_get(target->staging, SMART_DIALOGUE_DATA_SIZE),
                .bytes = staging_get(target->staging, SMART_BRIDGE_BYTES_SIZE),
        };
        if (dialogue->data && dialogue->bytes)
                return 0;
        smart_dialogue_done(dialogue);
        return -ENOMEM;
}

void smart_dialogue_done(SmartDialogue *dialogue) {
        staging_put(dialogue->target->staging, TAKE_PTR(dialogue->data), SMART_DIALOGUE_DATA_SIZE);
        staging_put(dialogue->target->staging, TAKE_PTR(dialogue->bytes), SMART_BRIDGE_BYTES_SIZE);
}

/* What was never sent, or was taken back for another's sake, says nothing of the device. */
static bool is_its_fault(const ScsiCommand *command) {
        return command->was_sent && !command->is_given_up;
}

static int note_result(SmartDialogue *dialogue, const ScsiCommand *command) {
        switch (command->result) {
        case SCSI_RESULT_GOOD:
        case SCSI_RESULT_CHECK_CONDITION:
                return 0;
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_RESERVED:
                return -EBUSY;
        case SCSI_RESULT_TRANSPORT_ERROR:
                dialogue->has_broken = is_its_fault(command);
                return -EIO;
        case SCSI_RESULT_TIMED_OUT:
                dialogue->has_broken = dialogue->has_hung = is_its_fault(command);
                return -ETIMEDOUT;
        case SCSI_RESULT_NO_MEMORY:
                return -ENOMEM;
        case SCSI_RESULT_CANCELLED:
                return -ECANCELED;
        case SCSI_RESULT_GONE:
                return -ENODEV;
        case SCSI_RESULT_INVALID:
        case _SCSI_RESULT_MAX:
                break;
        }
        assert_not_reached();
}

static void note_sense(SmartDialogue *dialogue, const ScsiCommand *command) {
        dialogue->raw_sense_size = command->raw_sense_size;
        dialogue->sense = (ScsiSense){ 0 };
        if (command->result != SCSI_RESULT_CHECK_CONDITION)
                return;
        dialogue->sense = command->sense;
        dialogue->is_not_ready |= command->sense.key == SCSI_SENSE_KEY_NOT_READY;
        if (dialogue->handlers->told)
                dialogue->handlers->told(command, dialogue->userdata);
}

static ScsiCommandFlags get_flags(const SmartDialogue *dialogue, const SmartDelivery *delivery) {
        return FLAGS | (delivery->is_holder ? SCSI_COMMAND_HOLDER : 0) |
               (dialogue->may_wake ? 0 : SCSI_COMMAND_NO_WAKE);
}

static ScsiResult send_once(SmartDialogue *dialogue, const SmartDelivery *delivery) {
        ScsiCommand command;

        if (delivery->direction == TRANSPORT_DIRECTION_IN)
                memset(delivery->data, 0, delivery->size);
        scsi_command_init(&command, dialogue->lun, delivery->deadline_ns);
        scsi_command_set_cdb(&command, delivery->cdb, delivery->cdb_size);
        scsi_command_set_data(&command, delivery->direction, delivery->data, delivery->size);
        command.flags = get_flags(dialogue, delivery);
        command.raw_sense = dialogue->raw_sense;
        scsi_target_await(dialogue->target, dialogue->task, &command);
        dialogue->error = note_result(dialogue, &command);
        dialogue->actual_size = MIN(command.actual_size, delivery->size);
        note_sense(dialogue, &command);
        return command.result;
}

static bool has_ended(SmartDialogue *dialogue) {
        if (dialogue->error == 0 && dialogue->handlers->must_end &&
            dialogue->handlers->must_end(dialogue->userdata))
                dialogue->error = -ECANCELED;
        return dialogue->error < 0;
}

static ScsiResult deliver(SmartDialogue *dialogue, const SmartDelivery *delivery) {
        ScsiResult result = SCSI_RESULT_CANCELLED;

        for (unsigned i = 0; i <= ATTENTIONS_MAX; i++) {
                result = send_once(dialogue, delivery);
                if (result != SCSI_RESULT_CHECK_CONDITION ||
                    dialogue->sense.key != SCSI_SENSE_KEY_UNIT_ATTENTION)
                        break;
        }
        return result;
}

static uint64_t get_deadline_ns(const SmartDialogue *dialogue) {
        return event_loop_now_ns(dialogue->target->loop) + TIMEOUT_NS;
}

ScsiResult smart_dialogue_send(SmartDialogue *dialogue, const uint8_t *cdb, size_t cdb_size,
                               size_t size) {
        assert(size <= SMART_DIALOGUE_DATA_SIZE);

        if (has_ended(dialogue))
                return SCSI_RESULT_CANCELLED;
        memset(dialogue->data, 0, SMART_DIALOGUE_DATA_SIZE);
        return deliver(dialogue, &(SmartDelivery){
                                                 .cdb = cdb,
                                                 .cdb_size = cdb_size,
                                                 .direction = size > 0 ? TRANSPORT_DIRECTION_IN
                                                                       : TRANSPORT_DIRECTION_NONE,
                                                 .data = dialogue->data,
                                                 .size = size,
                                                 .deadline_ns = get_deadline_ns(dialogue),
                                 });
}

static SmartDelivery make_delivery(SmartDialogue *dialogue, const SmartBridgeStep *step) {
        SmartBridgeRun *run = &dialogue->run;
        SmartDelivery delivery = {
                .cdb = step->cdb,
                .cdb_size = step->cdb_size,
                .direction = step->direction,
                .data = step->is_request_data ? dialogue->data : dialogue->bytes,
                .size = step->data_size,
        };

        assert(step->data_size <=
               (step->is_request_data ? SMART_DIALOGUE_DATA_SIZE : SMART_BRIDGE_BYTES_SIZE));

        if (!step->is_request_data && step->direction == TRANSPORT_DIRECTION_OUT)
                memcpy(dialogue->bytes, run->bytes, step->data_size);
        return delivery;
}

/* False: the dialogue has ended. */
static bool do_step(SmartDialogue *dialogue, const SmartBridgeStep *step, uint64_t deadline_ns,
                    bool is_holder, size_t *data_size) {
        SmartBridgeRun *run = &dialogue->run;
        SmartDelivery delivery = make_delivery(dialogue, step);
        ScsiResult result;

        delivery.deadline_ns = deadline_ns;
        delivery.is_holder = is_holder;
        result = deliver(dialogue, &delivery);
        if (dialogue->error < 0)
                return false;
        if (step->is_request_data)
                *data_size = dialogue->actual_size;
        else if (step->direction == TRANSPORT_DIRECTION_IN)
                memcpy(run->bytes, dialogue->bytes, step->data_size);
        smart_bridge_run_take(run, &(SmartBridgeOutcome){
                                                   .is_good = result == SCSI_RESULT_GOOD,
                                                   .sense = dialogue->raw_sense,
                                                   .sense_size = dialogue->raw_sense_size,
                                                   .actual_size = dialogue->actual_size,
                                   });
        return true;
}

static SmartAnswer run_steps(SmartDialogue *dialogue, bool is_holder) {
        uint64_t deadline_ns = get_deadline_ns(dialogue);
        size_t data_size = 0;
        SmartBridgeStep step;

        while (smart_bridge_run_get_step(&dialogue->run, &step))
                if (!do_step(dialogue, &step, deadline_ns, is_holder, &data_size))
                        return SMART_ANSWER_NONE;
        dialogue->actual_size = data_size;
        return dialogue->run.answer;
}

SmartAnswer smart_dialogue_ask(SmartDialogue *dialogue, SmartBridge *bridge,
                               const SmartRequest *request) {
        bool is_holder = smart_bridge_keeps_state(bridge, request);
        SmartAnswer answer;

        if (has_ended(dialogue))
                return SMART_ANSWER_NONE;
        if (smart_bridge_run_init(&dialogue->run, bridge, request) < 0)
                return SMART_ANSWER_REFUSED;
        memset(dialogue->data, 0, SMART_DIALOGUE_DATA_SIZE);
        if (is_holder)
                dialogue->handlers->hold(dialogue->userdata);
        answer = run_steps(dialogue, is_holder);
        if (is_holder)
                dialogue->handlers->release(dialogue->userdata);
        if (answer == SMART_ANSWER_GOOD)
                bridge->port = dialogue->run.bridge.port;
        return answer;
}
