/*
 * Bulk-Only Transport as a device lives it: a CBW, perhaps data, a CSW. What host and device expect
 * of a data phase is compared once, when the CBW has come (the thirteen cases of BOT 6.7); what
 * follows from it are a few numbers that the two pipes work off, and that faults falsify.
 */

#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "simulator/simulated_bot.h"

/* BOT 5.1 and 5.2. */
#define CBW_SIGNATURE UINT32_C(0x43425355)
#define CBW_SIZE 31
#define CSW_SIGNATURE UINT32_C(0x53425355)
#define CSW_SIZE 13
#define CSW_STATUS_PASSED 0x00
#define CSW_STATUS_FAILED 0x01
#define CSW_STATUS_PHASE_ERROR 0x02

/* BOT 3.1 and 3.2. */
#define REQUEST_RESET 0xFF
#define REQUEST_GET_MAX_LUN 0xFE

#define WRONG_TAG_BITS UINT32_C(0xA5A5A5A5)

static SimulatedBot *bot_from_wire(const SimulatedWire *wire) {
        return container_of((SimulatedWire *) wire, SimulatedBot, wire);
}

const char *simulated_bot_state_to_string(SimulatedBotState state) {
        switch (state) {
        case SIMULATED_BOT_STATE_COMMAND:
                return "command";
        case SIMULATED_BOT_STATE_DATA_IN:
                return "data in";
        case SIMULATED_BOT_STATE_DATA_OUT:
                return "data out";
        case SIMULATED_BOT_STATE_STATUS:
                return "status";
        case SIMULATED_BOT_STATE_BROKEN:
                return "broken";
        case _SIMULATED_BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

static bool has_fault(const SimulatedBot *bot, SimulatorFaultKind kind) {
        return simulated_wire_has_fault(&bot->wire, kind);
}

/* BOT 6.7: the command is carried out only if the data can be what the host expects. */
static void finish_command(SimulatedBot *bot) {
        bool has_passed = !bot->is_phase_error &&
                          simulated_command_finish(&bot->wire.command) == SIMULATED_STATUS_GOOD;

        if (bot->is_phase_error)
                bot->status = CSW_STATUS_PHASE_ERROR;
        else
                bot->status = has_passed ? CSW_STATUS_PASSED : CSW_STATUS_FAILED;
        bot->residue = bot->host_size - (uint32_t) MIN(bot->n_moved, bot->n_relevant);
}

/* The one place where the state changes. */
static void enter(SimulatedBot *bot, SimulatedBotState state) {
        bot->state = state;
        if (state == SIMULATED_BOT_STATE_STATUS)
                finish_command(bot);
}

static SimulatedAnswer stall_in(SimulatedBot *bot) {
        return simulated_wire_stall(&bot->wire, SIMULATED_PIPE_IN);
}

static SimulatedAnswer stall_out(SimulatedBot *bot) {
        return simulated_wire_stall(&bot->wire, SIMULATED_PIPE_OUT);
}

/* BOT 6.2.1 and 6.2.2; a LUN that does not exist is SCSI's to refuse. */
static bool cbw_is_good(const uint8_t *cbw, size_t size) {
        return size == CBW_SIZE && get_le32(cbw) == CBW_SIGNATURE && (cbw[12] & 0x7F) == 0 &&
               (cbw[13] & 0xF0) == 0 && cbw[14] >= 1 && cbw[14] <= SIMULATED_CDB_SIZE_MAX;
}

/* BOT 6.7, table 6-1: which of the thirteen cases can't end well. */
static bool is_mismatch(const SimulatedBot *bot, SimulatedDirection host) {
        SimulatedDirection device = simulated_command_get_direction(&bot->wire.command);

        if (device == SIMULATED_DIRECTION_NONE)
                return false; /* cases 1, 4, 9 */
        if (device != host)
                return true;                                 /* cases 2, 3, 8, 10 */
        return bot->wire.command.data_size > bot->host_size; /* cases 7, 13; else 5, 6, 11, 12 */
}

static void plan_data_phase(SimulatedBot *bot, SimulatedDirection host) {
        bot->is_phase_error = is_mismatch(bot, host);
        bot->n_relevant = bot->wire.command.data_size;
        if (bot->is_phase_error) {
                /* Case 7 sends what fits; the others move nothing that means anything. */
                bool is_case_7 = host == SIMULATED_DIRECTION_IN &&
                                 simulated_command_get_direction(&bot->wire.command) == host;
                bot->n_relevant = is_case_7 ? bot->host_size : 0;
        }
        bot->n_relevant = simulated_wire_shorten(&bot->wire, bot->n_relevant);
        bot->n_moved = 0;

        if (host == SIMULATED_DIRECTION_NONE) {
                enter(bot, SIMULATED_BOT_STATE_STATUS);
        } else if (has_fault(bot, SIMULATOR_FAULT_DATA_SKIPPED)) {
                bot->n_relevant = 0;
                if (host == SIMULATED_DIRECTION_OUT)
                        stall_out(bot);
                enter(bot, SIMULATED_BOT_STATE_STATUS);
        } else if (host == SIMULATED_DIRECTION_IN) {
                enter(bot, SIMULATED_BOT_STATE_DATA_IN);
        } else {
                enter(bot, SIMULATED_BOT_STATE_DATA_OUT);
        }
}

static SimulatedAnswer accept_command(SimulatedBot *bot, const uint8_t *cbw) {
        SimulatedDirection host = SIMULATED_DIRECTION_NONE;

        if (bot->host_size > 0)
                host = cbw[12] & 0x80 ? SIMULATED_DIRECTION_IN : SIMULATED_DIRECTION_OUT;

        simulated_wire_start_command(&bot->wire, cbw[13], cbw + 15);
        plan_data_phase(bot, host);
        return SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer receive_cbw(SimulatedBot *bot, const uint8_t *cbw, size_t size,
                                   size_t *ret_size) {
        SimulatedAnswer answer;

        *ret_size = size;
        if (!cbw_is_good(cbw, size)) {
                bot->wire.n_commands_refused++;
                enter(bot, SIMULATED_BOT_STATE_BROKEN);
                return SIMULATED_ANSWER_DONE; /* the packet was acknowledged before it was read */
        }

        bot->tag = get_le32(cbw + 4);
        bot->host_size = get_le32(cbw + 8);
        simulated_wire_plan_faults(&bot->wire, cbw[13], cbw + 15, bot->host_size > 0);
        if (!simulated_wire_take_fault(&bot->wire, SIMULATOR_PHASE_COMMAND, SIMULATED_PIPE_OUT,
                                       &answer))
                return accept_command(bot, cbw);
        *ret_size = 0;
        return answer;
}

static uint64_t get_relevant_left(const SimulatedBot *bot) {
        return bot->n_relevant - MIN(bot->n_moved, bot->n_relevant);
}

/* BOT 6.7.3: what the device does not want is discarded, or refused by a stall. */
static SimulatedAnswer receive_data(SimulatedBot *bot, const uint8_t *bytes, size_t size,
                                    size_t *ret_size) {
        SimulatedAnswer answer;

        *ret_size = 0;
        if (simulated_wire_take_fault(&bot->wire, SIMULATOR_PHASE_DATA, SIMULATED_PIPE_OUT,
                                      &answer)) {
                if (answer == SIMULATED_ANSWER_STALL)
                        enter(bot, SIMULATED_BOT_STATE_STATUS);
                return answer;
        }

        size_t n_taken = MIN(size, get_relevant_left(bot));
        if (n_taken > 0)
                simulated_command_data_out(&bot->wire.command, bytes, n_taken);

        bool is_too_much = n_taken < size;
        if (is_too_much && bot->wire.target->spec.short_data == SIMULATOR_SHORT_DATA_STALL) {
                bot->n_moved += n_taken;
                *ret_size = n_taken;
                enter(bot, SIMULATED_BOT_STATE_STATUS);
                return stall_out(bot);
        }
        bot->n_moved += size;
        *ret_size = size;
        if (bot->n_moved >= bot->host_size)
                enter(bot, SIMULATED_BOT_STATE_STATUS);
        return SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer simulated_bot_out(SimulatedWire *wire, const void *bytes, size_t size,
                                         size_t *ret_size) {
        SimulatedBot *bot = bot_from_wire(wire);

        switch (bot->state) {
        case SIMULATED_BOT_STATE_COMMAND:
                return receive_cbw(bot, bytes, size, ret_size);
        case SIMULATED_BOT_STATE_DATA_OUT:
                if (simulated_wire_is_slow(wire))
                        return SIMULATED_ANSWER_NAK;
                return receive_data(bot, bytes, size, ret_size);
        case SIMULATED_BOT_STATE_BROKEN:
                return stall_out(bot);
        case SIMULATED_BOT_STATE_DATA_IN:
        case SIMULATED_BOT_STATE_STATUS:
                return bot->wire.target->spec.bears_pipelining ? SIMULATED_ANSWER_NAK
                                                               : stall_out(bot);
        case _SIMULATED_BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* How much the device sends before it ends the data phase: all of it, if it pads. */
static uint64_t get_send_size(const SimulatedBot *bot) {
        if (bot->wire.target->spec.short_data == SIMULATOR_SHORT_DATA_PAD)
                return bot->host_size;
        return bot->n_relevant;
}

static size_t fill(SimulatedBot *bot, uint8_t *bytes, size_t size) {
        size = MIN(size, get_send_size(bot) - bot->n_moved);

        size_t n_relevant = MIN(size, get_relevant_left(bot));
        if (n_relevant > 0)
                simulated_command_data_in(&bot->wire.command, bytes, n_relevant);
        if (size > n_relevant)
                memset(bytes + n_relevant, 0, size - n_relevant);
        bot->n_moved += size;
        return size;
}

/* BOT 6.7.2: the data ended before the host's length. `size` bytes of this transfer were filled,
 * and a packet that is not full tells the host so by itself. */
static SimulatedAnswer end_short(SimulatedBot *bot, size_t size, bool is_transfer_full) {
        bool is_told = size % bot->wire.packet_size != 0;
        bool stalls = bot->wire.target->spec.short_data == SIMULATOR_SHORT_DATA_STALL;

        if (is_transfer_full && !is_told)
                return SIMULATED_ANSWER_DONE; /* the next transfer hears of it */

        enter(bot, SIMULATED_BOT_STATE_STATUS);
        if (!stalls)
                return SIMULATED_ANSWER_DONE;
        stall_in(bot);
        return is_told ? SIMULATED_ANSWER_DONE : SIMULATED_ANSWER_STALL;
}

/* A transfer that does not end with a packet is burst by the packet that comes there (USB 2.0,
 * 5.8.3); the device keeps that packet, as nobody has acknowledged it. */
static bool overruns(const SimulatedBot *bot, size_t size) {
        return size % bot->wire.packet_size != 0 && get_send_size(bot) - bot->n_moved > size;
}

static SimulatedAnswer send_data(SimulatedBot *bot, uint8_t *bytes, size_t size, size_t *ret_size) {
        SimulatedAnswer answer;

        *ret_size = 0;
        if (simulated_wire_take_fault(&bot->wire, SIMULATOR_PHASE_DATA, SIMULATED_PIPE_IN,
                                      &answer)) {
                if (answer == SIMULATED_ANSWER_STALL)
                        enter(bot, SIMULATED_BOT_STATE_STATUS);
                return answer;
        }

        if (overruns(bot, size)) {
                *ret_size = fill(bot, bytes, ALIGN_DOWN(size, bot->wire.packet_size));
                return SIMULATED_ANSWER_BABBLE;
        }
        size_t n = fill(bot, bytes, size);
        *ret_size = n;
        if (has_fault(bot, SIMULATOR_FAULT_BABBLE)) {
                enter(bot, SIMULATED_BOT_STATE_STATUS);
                return SIMULATED_ANSWER_BABBLE;
        }
        if (bot->n_moved >= bot->host_size) {
                enter(bot, SIMULATED_BOT_STATE_STATUS);
                return SIMULATED_ANSWER_DONE;
        }
        if (bot->n_moved < get_send_size(bot))
                return SIMULATED_ANSWER_DONE;
        return end_short(bot, n, /* is_transfer_full= */ n == size);
}

static void encode_csw(const SimulatedBot *bot, uint8_t *csw) {
        uint32_t signature = CSW_SIGNATURE, tag = bot->tag, residue = bot->residue;
        uint8_t status = bot->status;

        if (has_fault(bot, SIMULATOR_FAULT_CSW_SIGNATURE))
                signature = ~signature;
        if (has_fault(bot, SIMULATOR_FAULT_CSW_TAG))
                tag ^= WRONG_TAG_BITS;
        if (has_fault(bot, SIMULATOR_FAULT_SHORT_DATA_UNTOLD))
                residue = 0;
        if (has_fault(bot, SIMULATOR_FAULT_RESIDUE))
                residue = (uint32_t) bot->wire.faults->fault_argument[SIMULATOR_FAULT_RESIDUE];
        if (has_fault(bot, SIMULATOR_FAULT_PHASE_ERROR))
                status = CSW_STATUS_PHASE_ERROR;
        if (has_fault(bot, SIMULATOR_FAULT_CSW_STATUS))
                status = (uint8_t) bot->wire.faults->fault_argument[SIMULATOR_FAULT_CSW_STATUS];

        put_le32(csw, signature);
        put_le32(csw + 4, tag);
        put_le32(csw + 8, residue);
        csw[12] = status;
}

/* A fault that goes before the CSW, or takes its place; false: there is none. */
static bool spoil_status(SimulatedBot *bot, SimulatedAnswer *ret) {
        if (simulated_wire_take_fault(&bot->wire, SIMULATOR_PHASE_STATUS, SIMULATED_PIPE_IN, ret))
                return true;
        if (has_fault(bot, SIMULATOR_FAULT_CSW_MISSING)) {
                enter(bot, SIMULATED_BOT_STATE_COMMAND);
                *ret = SIMULATED_ANSWER_NAK;
                return true;
        }
        if (has_fault(bot, SIMULATOR_FAULT_ZERO_PACKET)) {
                bot->wire.faults->has_fault[SIMULATOR_FAULT_ZERO_PACKET] = false;
                *ret = SIMULATED_ANSWER_DONE;
                return true;
        }
        return false;
}

static SimulatedAnswer send_csw(SimulatedBot *bot, uint8_t *bytes, size_t size, size_t *ret_size) {
        uint8_t csw[CSW_SIZE];
        size_t csw_size = CSW_SIZE;
        SimulatedAnswer answer;

        *ret_size = 0;
        if (bot->wire.faults->has_faults && spoil_status(bot, &answer))
                return answer;
        if (has_fault(bot, SIMULATOR_FAULT_CSW_SIZE))
                csw_size = MIN(bot->wire.faults->fault_argument[SIMULATOR_FAULT_CSW_SIZE],
                               (size_t) CSW_SIZE);

        encode_csw(bot, csw);
        *ret_size = MIN(size, csw_size);
        if (*ret_size > 0)
                memcpy(bytes, csw, *ret_size);
        enter(bot, SIMULATED_BOT_STATE_COMMAND);
        return size < csw_size ? SIMULATED_ANSWER_BABBLE : SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer simulated_bot_in(SimulatedWire *wire, void *bytes, size_t size,
                                        size_t *ret_size) {
        SimulatedBot *bot = bot_from_wire(wire);

        switch (bot->state) {
        case SIMULATED_BOT_STATE_DATA_IN:
                return simulated_wire_is_slow(wire) ? SIMULATED_ANSWER_NAK
                                                    : send_data(bot, bytes, size, ret_size);
        case SIMULATED_BOT_STATE_STATUS:
                return simulated_wire_is_slow(wire) ? SIMULATED_ANSWER_NAK
                                                    : send_csw(bot, bytes, size, ret_size);
        case SIMULATED_BOT_STATE_BROKEN:
                return stall_in(bot);
        case SIMULATED_BOT_STATE_COMMAND:
        case SIMULATED_BOT_STATE_DATA_OUT:
                return SIMULATED_ANSWER_NAK;
        case _SIMULATED_BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

static SimulatedAnswer simulated_bot_control(SimulatedWire *wire, const UsbSetup *setup,
                                             uint8_t *bytes, size_t size, size_t *ret_size) {
        if (setup->value != 0 || setup->index != 0)
                return SIMULATED_ANSWER_STALL;

        if (setup->request_type == USB_REQUEST_TYPE_CLASS_INTERFACE_OUT &&
            setup->request == REQUEST_RESET && size == 0) {
                simulated_wire_class_reset(wire);
                return SIMULATED_ANSWER_DONE;
        }
        if (setup->request_type == USB_REQUEST_TYPE_CLASS_INTERFACE_IN &&
            setup->request == REQUEST_GET_MAX_LUN && size >= 1) {
                bytes[0] = (uint8_t) (wire->target->spec.n_luns - 1);
                *ret_size = 1;
                return SIMULATED_ANSWER_DONE;
        }
        return SIMULATED_ANSWER_STALL;
}

static void simulated_bot_rest(SimulatedWire *wire) {
        enter(bot_from_wire(wire), SIMULATED_BOT_STATE_COMMAND);
}

/* Also while the CBW that it belongs to is on its way. */
static bool simulated_bot_is_early(const SimulatedWire *wire) {
        return !wire->target->spec.bears_pipelining &&
               bot_from_wire(wire)->state == SIMULATED_BOT_STATE_COMMAND;
}

static const SimulatedWireOps simulated_bot_ops = {
        .out = simulated_bot_out,
        .in = simulated_bot_in,
        .control = simulated_bot_control,
        .rest = simulated_bot_rest,
        .is_early = simulated_bot_is_early,
};

void simulated_bot_init(SimulatedBot *bot, SimulatedTarget *target, size_t packet_size) {
        memset(bot, 0, offsetof(SimulatedBot, wire));
        simulated_wire_init(&bot->wire, &simulated_bot_ops, target, packet_size);
}
