/*
 * USB Attached SCSI as a device lives it. A tag is a task from its command IU to its sense IU. With
 * streams each of its transfers waits in the stream of its number, and is served when the task comes
 * to it; without, the device says on the status pipe whose data comes next, one task at a time in
 * each direction. Tasks may overtake each other as far as chance (`disorder-us`) lets them.
 */

#include <string.h>

#include "base/bytes.h"
#include "simulator/simulated_uas.h"

/* UAS, table 9: information units. */
#define IU_COMMAND 0x01
#define IU_SENSE 0x03
#define IU_RESPONSE 0x04
#define IU_TASK_MANAGEMENT 0x05
#define IU_READ_READY 0x06
#define IU_WRITE_READY 0x07

#define IU_HEADER_SIZE 4
#define COMMAND_IU_SIZE 32
#define TASK_MANAGEMENT_IU_SIZE 16
#define SENSE_IU_SIZE 16 /* without the sense */
#define RESPONSE_IU_SIZE 8

/* UAS, table 15: task management functions. */
#define FUNCTION_ABORT_TASK 0x01
#define FUNCTION_ABORT_TASK_SET 0x02
#define FUNCTION_CLEAR_TASK_SET 0x04
#define FUNCTION_LOGICAL_UNIT_RESET 0x08
#define FUNCTION_I_T_NEXUS_RESET 0x10
#define FUNCTION_QUERY_TASK 0x80
#define FUNCTION_QUERY_TASK_SET 0x81

/* UAS, table 18. */
#define RESPONSE_COMPLETE 0x00
#define RESPONSE_INVALID_IU 0x02
#define RESPONSE_NOT_SUPPORTED 0x04
#define RESPONSE_SUCCEEDED 0x08
#define RESPONSE_INCORRECT_LUN 0x09
#define RESPONSE_OVERLAPPED_TAG 0x0A

#define STATUS_TASK_SET_FULL 0x28 /* SAM-5, table 36 */

#define WRONG_TAG_BITS 0x00A5
#define WRONG_ID 0x5A

static SimulatedUas *uas_from_wire(const SimulatedWire *wire) {
        return container_of((SimulatedWire *) wire, SimulatedUas, wire);
}

/* The wire's faults are those of the task that is worked on. */
static void work_on(SimulatedUas *uas, SimulatedUasTask *task) { uas->wire.faults = &task->faults; }

static bool has_fault(const SimulatedUas *uas, SimulatorFaultKind kind) {
        return simulated_wire_has_fault(&uas->wire, kind);
}

static uint16_t get_tag(const SimulatedUas *uas, const SimulatedUasTask *task) {
        return (uint16_t) (task - uas->tasks);
}

static bool has_data_phase(const SimulatedUasTask *task) {
        return task->state == SIMULATED_UAS_STATE_DATA_IN ||
               task->state == SIMULATED_UAS_STATE_DATA_OUT;
}

static void forget(SimulatedUas *uas, SimulatedUasTask *task) {
        if (task->command)
                uas->n_commands--;
        free(task->command);
        *task = (SimulatedUasTask){ .state = SIMULATED_UAS_STATE_FREE };
}

/* Those of one LUN, or all (negative). */
static void forget_all(SimulatedUas *uas, int lun) {
        for (size_t i = 0; i < N_ELEMENTS(uas->tasks); i++)
                if (lun < 0 || (uas->tasks[i].command && uas->tasks[i].lun == lun))
                        forget(uas, &uas->tasks[i]);
}

static void respond(SimulatedUas *uas, SimulatedUasTask *task, uint8_t response) {
        forget(uas, task);
        task->state = SIMULATED_UAS_STATE_RESPONSE;
        task->response = response;
        task->order = ++uas->n_arrived;
}

/* Whether the task's time has come; else the device is looked at again when it has. */
static bool is_ready(SimulatedUas *uas, const SimulatedUasTask *task) {
        uint64_t *wake_ns = &uas->wire.ready_at_ns;

        if (task->ready_at_ns <= event_loop_now_ns(uas->wire.target->loop))
                return true;
        if (*wake_ns == 0 || task->ready_at_ns < *wake_ns)
                *wake_ns = task->ready_at_ns;
        return false;
}

/* All data was moved. */
static void end_data(SimulatedUas *uas, SimulatedUasTask *task) {
        task->status = simulated_command_finish(task->command);
        task->state = SIMULATED_UAS_STATE_STATUS;
        work_on(uas, task);
        if (has_fault(uas, SIMULATOR_FAULT_CSW_MISSING))
                task->state = SIMULATED_UAS_STATE_LOST;
}

static void plan_time(SimulatedUas *uas, SimulatedUasTask *task) {
        SimulatedTarget *target = uas->wire.target;
        uint64_t delay_ns = task->command->delay_ns;

        if (target->spec.disorder_us > 0)
                delay_ns += random_below(&target->random, target->spec.disorder_us + 1) * NS_PER_US;
        if (has_fault(uas, SIMULATOR_FAULT_SLOW))
                delay_ns += uas->wire.faults->fault_argument[SIMULATOR_FAULT_SLOW] * NS_PER_MS;
        if (delay_ns > 0)
                task->ready_at_ns = event_loop_now_ns(target->loop) + delay_ns;
}

/* UAS has no word for data that was taken and is missing. */
static void begin_command(SimulatedUas *uas, SimulatedUasTask *task, const uint8_t *iu) {
        bool is_in;

        simulated_command_start(task->command, uas->wire.target, task->lun, iu + 16);
        is_in = simulated_command_get_direction(task->command) == SIMULATED_DIRECTION_IN;
        plan_time(uas, task);
        task->n_relevant = task->command->data_size;
        if (is_in)
                task->n_relevant = simulated_wire_shorten(&uas->wire, task->n_relevant);
        if (has_fault(uas, SIMULATOR_FAULT_DATA_SKIPPED))
                task->n_relevant = 0;
        if (has_fault(uas, SIMULATOR_FAULT_PHASE_ERROR))
                respond(uas, task, RESPONSE_INVALID_IU);
        else if (task->n_relevant == 0)
                end_data(uas, task);
        else if (is_in)
                task->state = SIMULATED_UAS_STATE_DATA_IN;
        else
                task->state = SIMULATED_UAS_STATE_DATA_OUT;
}

/* SAM-5, 4.6.4.2: a LUN of the peripheral addressing method; another one is a LUN that isn't. */
static uint8_t decode_lun(const uint8_t *bytes) {
        for (size_t i = 2; i < 8; i++)
                if (bytes[i] != 0)
                        return UINT8_MAX;
        return bytes[0] == 0 ? bytes[1] : UINT8_MAX;
}

static bool take_room(SimulatedUas *uas, SimulatedUasTask *task) {
        if (uas->n_commands < uas->wire.target->spec.queue_depth)
                task->command = malloc(sizeof(*task->command));
        if (!task->command) {
                uas->n_queue_full++;
                task->status = STATUS_TASK_SET_FULL;
                task->state = SIMULATED_UAS_STATE_STATUS;
                return false;
        }
        uas->n_commands++;
        uas->n_queue_max = MAX(uas->n_queue_max, (uint64_t) uas->n_commands);
        return true;
}

static SimulatedAnswer receive_command(SimulatedUas *uas, SimulatedUasTask *task, const uint8_t *iu,
                                       size_t *ret_size) {
        SimulatedAnswer answer;

        work_on(uas, task);
        task->lun = decode_lun(iu + 8);
        simulated_wire_plan_faults(&uas->wire, task->lun, iu + 16, /* has_data= */ true);
        if (simulated_wire_take_fault(&uas->wire, SIMULATOR_PHASE_COMMAND, SIMULATED_PIPE_COMMAND,
                                      &answer)) {
                *ret_size = 0;
                return answer;
        }
        task->order = ++uas->n_arrived;
        if (take_room(uas, task))
                begin_command(uas, task, iu);
        return SIMULATED_ANSWER_DONE;
}

static uint8_t abort_task(SimulatedUas *uas, uint16_t tag) {
        if (tag <= SIMULATED_UAS_TAG_MAX && uas->tasks[tag].command)
                forget(uas, &uas->tasks[tag]);
        return RESPONSE_COMPLETE; /* SAM-5, 7.2: also if there is no such task any more */
}

static uint8_t query(const SimulatedUas *uas, const uint8_t *iu, uint8_t lun) {
        uint16_t tag = get_be16(iu + 6);

        for (size_t i = 1; i < N_ELEMENTS(uas->tasks); i++)
                if (uas->tasks[i].command && uas->tasks[i].lun == lun &&
                    (iu[4] == FUNCTION_QUERY_TASK_SET || i == tag))
                        return RESPONSE_SUCCEEDED;
        return RESPONSE_COMPLETE;
}

static uint8_t manage(SimulatedUas *uas, const uint8_t *iu) {
        SimulatedTarget *target = uas->wire.target;
        uint8_t lun = decode_lun(iu + 8);

        if (iu[4] != FUNCTION_I_T_NEXUS_RESET && lun >= target->spec.n_luns)
                return RESPONSE_INCORRECT_LUN;
        switch (iu[4]) {
        case FUNCTION_ABORT_TASK:
                return abort_task(uas, get_be16(iu + 6));
        case FUNCTION_ABORT_TASK_SET:
        case FUNCTION_CLEAR_TASK_SET:
                forget_all(uas, lun);
                return RESPONSE_COMPLETE;
        case FUNCTION_LOGICAL_UNIT_RESET:
                forget_all(uas, lun);
                simulated_target_reset_lun(target, lun);
                return RESPONSE_COMPLETE;
        case FUNCTION_I_T_NEXUS_RESET:
                forget_all(uas, /* lun= */ -1);
                for (size_t i = 0; i < target->spec.n_luns; i++)
                        simulated_target_reset_lun(target, i);
                return RESPONSE_COMPLETE;
        case FUNCTION_QUERY_TASK:
        case FUNCTION_QUERY_TASK_SET:
                return query(uas, iu, lun);
        default: /* a byte of the host, not an enum */
                return RESPONSE_NOT_SUPPORTED;
        }
}

static SimulatedAnswer receive_iu(SimulatedUas *uas, const uint8_t *iu, size_t size,
                                  size_t *ret_size) {
        uint32_t tag_max = uas->n_streams > 0 ? uas->n_streams : SIMULATED_UAS_TAG_MAX;
        uint16_t tag = size >= IU_HEADER_SIZE ? get_be16(iu + 2) : 0;
        SimulatedUasTask *task = &uas->tasks[tag <= tag_max ? tag : 0];

        *ret_size = size;
        if (task == uas->tasks) { /* there is no stream that could tell */
                uas->wire.n_commands_refused++;
                return SIMULATED_ANSWER_DONE;
        }
        if (task->state != SIMULATED_UAS_STATE_FREE) { /* SAM-5, 5.11 */
                forget_all(uas, /* lun= */ -1);
                respond(uas, task, RESPONSE_OVERLAPPED_TAG);
                return SIMULATED_ANSWER_DONE;
        }
        if (iu[0] == IU_COMMAND && size == COMMAND_IU_SIZE && iu[6] == 0)
                return receive_command(uas, task, iu, ret_size);
        if (iu[0] == IU_TASK_MANAGEMENT && size == TASK_MANAGEMENT_IU_SIZE) {
                uas->n_task_managements++;
                respond(uas, task, manage(uas, iu));
                return SIMULATED_ANSWER_DONE;
        }
        uas->wire.n_commands_refused++;
        respond(uas, task, RESPONSE_INVALID_IU);
        return SIMULATED_ANSWER_DONE;
}

/* Which task a transfer of that stream is for, of those in `state`; without streams the one whose
 * data was announced. */
static SimulatedUasTask *find_data(SimulatedUas *uas, uint32_t stream, SimulatedUasState state) {
        SimulatedUasTask *task = NULL;

        if (uas->n_streams > 0) {
                task = &uas->tasks[stream];
                return task->state == state ? task : NULL;
        }
        for (size_t i = 1; i < N_ELEMENTS(uas->tasks) && !task; i++)
                if (uas->tasks[i].state == state && uas->tasks[i].is_announced)
                        task = &uas->tasks[i];
        return task;
}

static SimulatedAnswer send_data(SimulatedUas *uas, uint32_t stream, uint8_t *bytes, size_t size,
                                 size_t *ret_size) {
        SimulatedUasTask *task = find_data(uas, stream, SIMULATED_UAS_STATE_DATA_IN);
        SimulatedAnswer answer;

        if (!task || !is_ready(uas, task))
                return SIMULATED_ANSWER_NAK;
        work_on(uas, task);
        if (simulated_wire_take_fault(&uas->wire, SIMULATOR_PHASE_DATA, SIMULATED_PIPE_IN,
                                      &answer)) {
                if (answer == SIMULATED_ANSWER_STALL)
                        end_data(uas, task);
                return answer;
        }

        *ret_size = MIN(size, task->n_relevant - task->n_moved);
        simulated_command_data_in(task->command, bytes, *ret_size);
        task->n_moved += *ret_size;
        /* A packet that is not full ends the transfer, and with it the room for more of it. */
        bool is_overrun = size % uas->wire.packet_size != 0 && task->n_moved < task->n_relevant;
        bool is_babble = is_overrun || has_fault(uas, SIMULATOR_FAULT_BABBLE);
        if (is_babble || task->n_moved == task->n_relevant)
                end_data(uas, task);
        return is_babble ? SIMULATED_ANSWER_BABBLE : SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer receive_data(SimulatedUas *uas, uint32_t stream, const uint8_t *bytes,
                                    size_t size, size_t *ret_size) {
        SimulatedUasTask *task = find_data(uas, stream, SIMULATED_UAS_STATE_DATA_OUT);
        SimulatedAnswer answer;

        if (!task || !is_ready(uas, task))
                return SIMULATED_ANSWER_NAK;
        work_on(uas, task);
        if (simulated_wire_take_fault(&uas->wire, SIMULATOR_PHASE_DATA, SIMULATED_PIPE_OUT,
                                      &answer)) {
                if (answer == SIMULATED_ANSWER_STALL)
                        end_data(uas, task);
                return answer;
        }

        size_t n_taken = MIN(size, task->n_relevant - task->n_moved);
        simulated_command_data_out(task->command, bytes, n_taken);
        task->n_moved += n_taken;
        *ret_size = size;
        if (task->n_moved == task->n_relevant || size % uas->wire.packet_size != 0)
                end_data(uas, task);
        return SIMULATED_ANSWER_DONE;
}

static bool is_announcing(const SimulatedUas *uas, SimulatedUasState state) {
        for (size_t i = 1; i < N_ELEMENTS(uas->tasks); i++)
                if (uas->tasks[i].state == state && uas->tasks[i].is_announced)
                        return true;
        return false;
}

/* Whether the task has something to say on the status pipe. */
static bool wants_status(SimulatedUas *uas, const SimulatedUasTask *task) {
        switch (task->state) {
        case SIMULATED_UAS_STATE_DATA_IN:
        case SIMULATED_UAS_STATE_DATA_OUT:
                return uas->n_streams == 0 && !is_announcing(uas, task->state) &&
                       is_ready(uas, task);
        case SIMULATED_UAS_STATE_STATUS:
        case SIMULATED_UAS_STATE_RESPONSE:
                return is_ready(uas, task);
        case SIMULATED_UAS_STATE_FREE:
        case SIMULATED_UAS_STATE_LOST:
                return false;
        }

        assert_not_reached();
}

static SimulatedUasTask *find_status(SimulatedUas *uas, uint32_t stream) {
        SimulatedUasTask *best = NULL;

        if (uas->n_streams > 0) {
                best = &uas->tasks[stream];
                return wants_status(uas, best) ? best : NULL;
        }
        for (size_t i = 1; i < N_ELEMENTS(uas->tasks); i++) {
                SimulatedUasTask *task = &uas->tasks[i];

                if (!wants_status(uas, task))
                        continue;
                if (!best || task->ready_at_ns < best->ready_at_ns ||
                    (task->ready_at_ns == best->ready_at_ns && task->order < best->order))
                        best = task;
        }
        return best;
}

static size_t encode_ready(const SimulatedUasTask *task, uint8_t *iu) {
        iu[0] = task->state == SIMULATED_UAS_STATE_DATA_IN ? IU_READ_READY : IU_WRITE_READY;
        return IU_HEADER_SIZE;
}

static size_t encode_response(const SimulatedUasTask *task, uint8_t *iu) {
        iu[0] = IU_RESPONSE;
        iu[7] = task->response;
        return RESPONSE_IU_SIZE;
}

static size_t encode_sense(const SimulatedUas *uas, const SimulatedUasTask *task, uint8_t *iu) {
        size_t n_sense = 0;

        iu[0] = IU_SENSE;
        iu[6] = task->status;
        if (has_fault(uas, SIMULATOR_FAULT_CSW_STATUS))
                iu[6] = (uint8_t) uas->wire.faults->fault_argument[SIMULATOR_FAULT_CSW_STATUS];
        if (task->status == SIMULATED_STATUS_CHECK_CONDITION &&
            !has_fault(uas, SIMULATOR_FAULT_SENSE_MISSING)) {
                n_sense = simulated_sense_encode(&task->command->sense,
                                                 /* is_descriptor_format= */ false,
                                                 iu + SENSE_IU_SIZE);
                /* SPC-4, 4.5.1: what was told with the status is told. */
                if (task->command->lun)
                        task->command->lun->sense = (SimulatedSense){ 0 };
        }
        put_be16(iu + 14, (uint16_t) n_sense);
        return SENSE_IU_SIZE + n_sense;
}

static size_t encode_iu(const SimulatedUas *uas, const SimulatedUasTask *task, uint8_t *iu) {
        uint16_t tag = get_tag(uas, task);
        size_t size;

        if (has_data_phase(task))
                size = encode_ready(task, iu);
        else if (task->state == SIMULATED_UAS_STATE_RESPONSE)
                size = encode_response(task, iu);
        else
                size = encode_sense(uas, task, iu);
        if (has_fault(uas, SIMULATOR_FAULT_CSW_TAG))
                tag ^= WRONG_TAG_BITS;
        if (has_fault(uas, SIMULATOR_FAULT_CSW_SIGNATURE))
                iu[0] = WRONG_ID;
        if (has_fault(uas, SIMULATOR_FAULT_CSW_SIZE))
                size = MIN(size, uas->wire.faults->fault_argument[SIMULATOR_FAULT_CSW_SIZE]);
        put_be16(iu + 2, tag);
        return size;
}

static SimulatedAnswer send_status(SimulatedUas *uas, uint32_t stream, uint8_t *bytes, size_t size,
                                   size_t *ret_size) {
        uint8_t iu[SENSE_IU_SIZE + SIMULATED_SENSE_SIZE_MAX] = { 0 };
        SimulatedUasTask *task = find_status(uas, stream);
        SimulatedAnswer answer;

        if (!task)
                return SIMULATED_ANSWER_NAK;
        work_on(uas, task);
        if (simulated_wire_take_fault(&uas->wire, SIMULATOR_PHASE_STATUS, SIMULATED_PIPE_STATUS,
                                      &answer))
                return answer;
        if (has_fault(uas, SIMULATOR_FAULT_ZERO_PACKET)) {
                task->faults.has_fault[SIMULATOR_FAULT_ZERO_PACKET] = false;
                return SIMULATED_ANSWER_DONE;
        }

        size_t n = encode_iu(uas, task, iu);
        *ret_size = MIN(n, size);
        memcpy(bytes, iu, *ret_size);
        if (has_data_phase(task))
                task->is_announced = true;
        else
                forget(uas, task);
        return size < n ? SIMULATED_ANSWER_BABBLE : SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer simulated_uas_pipe(SimulatedWire *wire, SimulatedPipe pipe, uint32_t stream,
                                          void *bytes, size_t size, size_t *ret_size) {
        SimulatedUas *uas = uas_from_wire(wire);

        switch (pipe) {
        case SIMULATED_PIPE_COMMAND:
                return receive_iu(uas, bytes, size, ret_size);
        case SIMULATED_PIPE_STATUS:
                return send_status(uas, stream, bytes, size, ret_size);
        case SIMULATED_PIPE_IN:
                return send_data(uas, stream, bytes, size, ret_size);
        case SIMULATED_PIPE_OUT:
                return receive_data(uas, stream, bytes, size, ret_size);
        case SIMULATED_PIPE_CONTROL:
        case SIMULATED_PIPE_INTERRUPT:
        case _SIMULATED_PIPE_MAX:
                break;
        }

        assert_not_reached();
}

/* UAS has no class requests. */
static SimulatedAnswer simulated_uas_control(SimulatedWire *wire, const UsbSetup *setup,
                                             uint8_t *bytes, size_t size, size_t *ret_size) {
        return SIMULATED_ANSWER_STALL;
}

static void simulated_uas_rest(SimulatedWire *wire) {
        forget_all(uas_from_wire(wire), /* lun= */ -1);
}

static const SimulatedWireOps simulated_uas_ops = {
        .pipe = simulated_uas_pipe,
        .control = simulated_uas_control,
        .rest = simulated_uas_rest,
};

void simulated_uas_init(SimulatedUas *uas, SimulatedTarget *target, size_t packet_size) {
        memset(uas, 0, offsetof(SimulatedUas, wire));
        simulated_wire_init(&uas->wire, &simulated_uas_ops, target, packet_size);
}

void simulated_uas_done(SimulatedUas *uas) { forget_all(uas, /* lun= */ -1); }

void simulated_uas_set_streams(SimulatedUas *uas, uint32_t n_streams) {
        forget_all(uas, /* lun= */ -1);
        uas->n_streams = n_streams;
}
