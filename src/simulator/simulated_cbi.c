/*
 * Control/Bulk/Interrupt as a device lives it: a command block in a control request, perhaps data,
 * and two bytes from the interrupt endpoint. A command that failed before its data moved stalls the
 * bulk pipes. CB leaves the host to ask for the sense.
 */

#include <string.h>

#include "simulator/simulated_cbi.h"
#include "simulator/simulated_sense.h"

/* CBI 1.1, 2.1 "Accept Device-Specific Command". */
#define REQUEST_ADSC 0x00
#define COMMAND_SIZE_MIN 6

/* CBI 1.1, 2.2 "Command Block Reset". */
#define RESET_OPCODE 0x1D /* SEND DIAGNOSTIC */
#define RESET_SELF_TEST 0x04
#define RESET_FILLER 0xFF

/* The interrupt's data where the command set gives it no meaning of its own. */
#define STATUS_SIZE 2
#define STATUS_TYPE_COMPLETION 0x00
#define STATUS_PASS 0x00
#define STATUS_FAIL 0x01
#define STATUS_PHASE_ERROR 0x02

static SimulatedCbi *cbi_from_wire(const SimulatedWire *wire) {
        return container_of((SimulatedWire *) wire, SimulatedCbi, wire);
}

static bool has_interrupt(const SimulatedCbi *cbi) { return cbi->wire.ops->interrupt; }

static bool has_fault(const SimulatedCbi *cbi, SimulatorFaultKind kind) {
        return simulated_wire_has_fault(&cbi->wire, kind);
}

static void finish_command(SimulatedCbi *cbi) {
        SimulatedCommand *command = &cbi->wire.command;
        SimulatedSense told = command->sense;

        /* UFI 1.0, "REQUEST SENSE": the interrupt repeats the sense that the data just told. */
        if (command->cdb[0] == SIMULATED_OPCODE_REQUEST_SENSE && !command->is_failed &&
            command->data_size >= 14)
                told = SIMULATED_SENSE(0, command->buffer[12], command->buffer[13]);
        cbi->is_failed = simulated_command_finish(command) != SIMULATED_STATUS_GOOD;
        cbi->sense = cbi->is_failed ? command->sense : told;
}

/* The one place where the state changes. */
static void enter(SimulatedCbi *cbi, SimulatedCbiState state) {
        cbi->state = state;
        if (state == SIMULATED_CBI_STATE_STATUS)
                finish_command(cbi);
}

/* The data, if there was any, is through. Without an interrupt that is all. */
static void end_data(SimulatedCbi *cbi) {
        enter(cbi, SIMULATED_CBI_STATE_STATUS);
        if (!has_interrupt(cbi))
                enter(cbi, SIMULATED_CBI_STATE_COMMAND);
}

static SimulatedAnswer begin_data(SimulatedCbi *cbi) {
        cbi->n_relevant = simulated_wire_shorten(&cbi->wire, cbi->wire.command.data_size);
        cbi->n_moved = 0;
        cbi->is_zero_due = false;
        if (has_fault(cbi, SIMULATOR_FAULT_DATA_SKIPPED))
                cbi->n_relevant = 0;

        switch (simulated_command_get_direction(&cbi->wire.command)) {
        case SIMULATED_DIRECTION_IN:
                cbi->is_zero_due = cbi->n_relevant % cbi->wire.packet_size == 0;
                enter(cbi, SIMULATED_CBI_STATE_DATA_IN);
                return SIMULATED_ANSWER_DONE;
        case SIMULATED_DIRECTION_OUT:
                enter(cbi, SIMULATED_CBI_STATE_DATA_OUT);
                return SIMULATED_ANSWER_DONE;
        case SIMULATED_DIRECTION_NONE:
                break;
        }

        if (!has_interrupt(cbi) && simulated_wire_is_slow(&cbi->wire)) {
                enter(cbi, SIMULATED_CBI_STATE_HOLDING);
                return SIMULATED_ANSWER_NAK;
        }
        end_data(cbi);
        return SIMULATED_ANSWER_DONE;
}

static bool is_reset(const uint8_t *block, size_t size) {
        if (size != SIMULATED_CBI_COMMAND_SIZE || block[0] != RESET_OPCODE ||
            block[1] != RESET_SELF_TEST)
                return false;
        for (size_t i = 2; i < size; i++)
                if (block[i] != RESET_FILLER)
                        return false;
        return true;
}

/* UFI 1.0 and SFF-8070i have command blocks of 12 bytes, whatever they hold. */
static bool is_good_size(const SimulatedCbi *cbi, size_t size) {
        if (cbi->wire.target->spec.command_set != SIMULATOR_COMMAND_SET_SCSI)
                return size == SIMULATED_CBI_COMMAND_SIZE;
        return size >= COMMAND_SIZE_MIN && size <= SIMULATED_CDB_SIZE_MAX;
}

/* What the host has not fetched of an earlier command is forgotten. */
static SimulatedAnswer receive_command(SimulatedCbi *cbi, const uint8_t *block, size_t size) {
        uint8_t cdb[SIMULATED_CDB_SIZE_MAX] = { 0 };
        SimulatedAnswer answer;

        memcpy(cdb, block, size);
        enter(cbi, SIMULATED_CBI_STATE_COMMAND);
        simulated_wire_plan_faults(&cbi->wire, /* lun= */ 0, cdb, /* has_data= */ true);
        if (simulated_wire_take_fault(&cbi->wire, SIMULATOR_PHASE_COMMAND, SIMULATED_PIPE_CONTROL,
                                      &answer))
                return answer;

        simulated_wire_start_command(&cbi->wire, /* lun= */ 0, cdb);
        return begin_data(cbi);
}

static bool is_held(const SimulatedCbi *cbi, const uint8_t *block, size_t size) {
        return cbi->state == SIMULATED_CBI_STATE_HOLDING &&
               memcmp(block, cbi->wire.command.cdb, size) == 0;
}

static SimulatedAnswer simulated_cbi_control(SimulatedWire *wire, const UsbSetup *setup,
                                             uint8_t *bytes, size_t size, size_t *ret_size) {
        SimulatedCbi *cbi = cbi_from_wire(wire);

        if (setup->request_type != USB_REQUEST_TYPE_CLASS_INTERFACE_OUT ||
            setup->request != REQUEST_ADSC || setup->value != 0 || setup->index != 0)
                return SIMULATED_ANSWER_STALL;

        *ret_size = size;
        if (is_reset(bytes, size)) {
                simulated_wire_class_reset(wire);
                return SIMULATED_ANSWER_DONE;
        }
        if (wire->silence != SIMULATED_SILENCE_NONE)
                return SIMULATED_ANSWER_NAK;
        if (!is_good_size(cbi, size)) {
                wire->n_commands_refused++;
                return SIMULATED_ANSWER_STALL;
        }
        if (!is_held(cbi, bytes, size))
                return receive_command(cbi, bytes, size);
        if (simulated_wire_is_slow(wire))
                return SIMULATED_ANSWER_NAK;
        end_data(cbi);
        return SIMULATED_ANSWER_DONE;
}

/* The host wants to move what the device does not: too much, or with a command that failed. */
static SimulatedAnswer refuse_data(SimulatedCbi *cbi, SimulatedPipe pipe) {
        if (cbi->state == SIMULATED_CBI_STATE_DATA_OUT)
                end_data(cbi);
        return simulated_wire_stall(&cbi->wire, pipe);
}

static SimulatedAnswer receive_data(SimulatedCbi *cbi, const void *bytes, size_t size,
                                    size_t *ret_size) {
        SimulatedAnswer answer;

        if (simulated_wire_take_fault(&cbi->wire, SIMULATOR_PHASE_DATA, SIMULATED_PIPE_OUT,
                                      &answer)) {
                if (answer == SIMULATED_ANSWER_STALL)
                        end_data(cbi);
                return answer;
        }

        *ret_size = MIN(size, cbi->n_relevant - cbi->n_moved);
        if (*ret_size > 0)
                simulated_command_data_out(&cbi->wire.command, bytes, *ret_size);
        cbi->n_moved += *ret_size;
        if (*ret_size < size)
                return refuse_data(cbi, SIMULATED_PIPE_OUT);
        /* What a fault cut off is still to come, and will be refused. */
        if (cbi->n_moved == cbi->wire.command.data_size)
                end_data(cbi);
        return SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer simulated_cbi_out(SimulatedWire *wire, const void *bytes, size_t size,
                                         size_t *ret_size) {
        SimulatedCbi *cbi = cbi_from_wire(wire);

        if (simulated_wire_is_slow(wire))
                return SIMULATED_ANSWER_NAK;

        switch (cbi->state) {
        case SIMULATED_CBI_STATE_DATA_OUT:
                return receive_data(cbi, bytes, size, ret_size);
        case SIMULATED_CBI_STATE_COMMAND:
        case SIMULATED_CBI_STATE_STATUS:
                return refuse_data(cbi, SIMULATED_PIPE_OUT);
        case SIMULATED_CBI_STATE_HOLDING:
        case SIMULATED_CBI_STATE_DATA_IN:
                return SIMULATED_ANSWER_NAK;
        case _SIMULATED_CBI_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* USB 2.0, 5.8.3: a packet beyond the host's room is too much. */
static bool overruns(const SimulatedCbi *cbi, size_t size) {
        return size % cbi->wire.packet_size != 0 && cbi->n_relevant - cbi->n_moved > size;
}

static SimulatedAnswer send_data(SimulatedCbi *cbi, void *bytes, size_t size, size_t *ret_size) {
        SimulatedAnswer answer;

        if (simulated_wire_take_fault(&cbi->wire, SIMULATOR_PHASE_DATA, SIMULATED_PIPE_IN,
                                      &answer)) {
                if (answer == SIMULATED_ANSWER_STALL)
                        end_data(cbi);
                return answer;
        }

        bool is_too_much = overruns(cbi, size) || has_fault(cbi, SIMULATOR_FAULT_BABBLE);
        *ret_size = MIN(size, cbi->n_relevant - cbi->n_moved);
        if (*ret_size > 0)
                simulated_command_data_in(&cbi->wire.command, bytes, *ret_size);
        cbi->n_moved += *ret_size;
        if (is_too_much) {
                end_data(cbi);
                return SIMULATED_ANSWER_BABBLE;
        }
        /* The host that got all it can expect does not wait for an empty packet. */
        if (cbi->n_moved == cbi->n_relevant &&
            (*ret_size < size || !cbi->is_zero_due || cbi->n_moved == cbi->wire.command.data_size))
                end_data(cbi);
        return SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer simulated_cbi_in(SimulatedWire *wire, void *bytes, size_t size,
                                        size_t *ret_size) {
        SimulatedCbi *cbi = cbi_from_wire(wire);

        if (simulated_wire_is_slow(wire))
                return SIMULATED_ANSWER_NAK;

        switch (cbi->state) {
        case SIMULATED_CBI_STATE_DATA_IN:
                return send_data(cbi, bytes, size, ret_size);
        case SIMULATED_CBI_STATE_COMMAND:
        case SIMULATED_CBI_STATE_STATUS:
                return refuse_data(cbi, SIMULATED_PIPE_IN);
        case SIMULATED_CBI_STATE_HOLDING:
        case SIMULATED_CBI_STATE_DATA_OUT:
                return SIMULATED_ANSWER_NAK;
        case _SIMULATED_CBI_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* UFI 1.0, "Interrupt transfer": ASC and ASCQ; else a type and a value. */
static void encode_status(const SimulatedCbi *cbi, uint8_t *status) {
        bool is_ufi = cbi->wire.target->spec.command_set == SIMULATOR_COMMAND_SET_UFI;

        status[0] = is_ufi ? cbi->sense.asc : STATUS_TYPE_COMPLETION;
        status[1] = cbi->is_failed ? STATUS_FAIL : STATUS_PASS;
        if (is_ufi)
                status[1] = cbi->sense.ascq;
        if (has_fault(cbi, SIMULATOR_FAULT_CSW_STATUS))
                status[is_ufi ? 0 : 1] =
                                (uint8_t) cbi->wire.faults
                                                ->fault_argument[SIMULATOR_FAULT_CSW_STATUS];
        if (is_ufi)
                return; /* has no word for the others */
        if (has_fault(cbi, SIMULATOR_FAULT_PHASE_ERROR))
                status[1] = STATUS_PHASE_ERROR;
        if (has_fault(cbi, SIMULATOR_FAULT_CSW_SIGNATURE))
                status[0] = (uint8_t) ~status[0];
}

/* A fault that goes before the interrupt, or takes its place; false: there is none. */
static bool spoil_status(SimulatedCbi *cbi, SimulatedAnswer *ret) {
        if (simulated_wire_take_fault(&cbi->wire, SIMULATOR_PHASE_STATUS, SIMULATED_PIPE_INTERRUPT,
                                      ret))
                return true;
        if (has_fault(cbi, SIMULATOR_FAULT_CSW_MISSING)) {
                enter(cbi, SIMULATED_CBI_STATE_COMMAND);
                *ret = SIMULATED_ANSWER_NAK;
                return true;
        }
        if (has_fault(cbi, SIMULATOR_FAULT_ZERO_PACKET)) {
                cbi->wire.faults->has_fault[SIMULATOR_FAULT_ZERO_PACKET] = false;
                *ret = SIMULATED_ANSWER_DONE;
                return true;
        }
        return false;
}

static SimulatedAnswer simulated_cbi_interrupt(SimulatedWire *wire, void *bytes, size_t size,
                                               size_t *ret_size) {
        SimulatedCbi *cbi = cbi_from_wire(wire);
        size_t status_size = STATUS_SIZE;
        uint8_t status[STATUS_SIZE];
        SimulatedAnswer answer;

        if (cbi->state != SIMULATED_CBI_STATE_STATUS || simulated_wire_is_slow(wire))
                return SIMULATED_ANSWER_NAK;
        if (wire->faults->has_faults && spoil_status(cbi, &answer))
                return answer;

        if (has_fault(cbi, SIMULATOR_FAULT_CSW_SIZE))
                status_size = MIN(wire->faults->fault_argument[SIMULATOR_FAULT_CSW_SIZE],
                                  status_size);
        encode_status(cbi, status);
        *ret_size = MIN(size, status_size);
        memcpy(bytes, status, *ret_size);
        enter(cbi, SIMULATED_CBI_STATE_COMMAND);
        return size < status_size ? SIMULATED_ANSWER_BABBLE : SIMULATED_ANSWER_DONE;
}

static void simulated_cbi_rest(SimulatedWire *wire) {
        enter(cbi_from_wire(wire), SIMULATED_CBI_STATE_COMMAND);
}

static const SimulatedWireOps simulated_cbi_ops = {
        .out = simulated_cbi_out,
        .in = simulated_cbi_in,
        .interrupt = simulated_cbi_interrupt,
        .control = simulated_cbi_control,
        .rest = simulated_cbi_rest,
};

static const SimulatedWireOps simulated_cb_ops = {
        .out = simulated_cbi_out,
        .in = simulated_cbi_in,
        .control = simulated_cbi_control,
        .rest = simulated_cbi_rest,
};

void simulated_cbi_init(SimulatedCbi *cbi, SimulatedTarget *target, size_t packet_size) {
        bool has_no_interrupt = target->spec.transport == SIMULATOR_TRANSPORT_CB;

        memset(cbi, 0, offsetof(SimulatedCbi, wire));
        simulated_wire_init(&cbi->wire, has_no_interrupt ? &simulated_cb_ops : &simulated_cbi_ops,
                            target, packet_size);
}
