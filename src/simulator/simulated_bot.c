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
#define NO_FAULT _SIMULATOR_FAULT_KIND_MAX

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
        case SIMULATED_BOT_STATE_HUNG:
                return "hung";
        case SIMULATED_BOT_STATE_FROZEN:
                return "frozen";
        case _SIMULATED_BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

static bool has_fault(const SimulatedBot *bot, SimulatorFaultKind kind) {
        return bot->has_faults && bot->has_fault[kind];
}

/* BOT 6.7: the command is carried out only if the data can be what the host expects. */
static void finish_command(SimulatedBot *bot) {
        bool has_passed = !bot->is_phase_error &&
                          simulated_command_finish(&bot->command) == SIMULATED_STATUS_GOOD;

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
        bot->is_in_halted = true;
        bot->n_stalls++;
        return SIMULATED_ANSWER_STALL;
}

static SimulatedAnswer stall_out(SimulatedBot *bot) {
        bot->is_out_halted = true;
        bot->n_stalls++;
        return SIMULATED_ANSWER_STALL;
}

SimulatedAnswer simulated_bot_apply_fault(SimulatedBot *bot, SimulatorFaultKind kind) {
        switch (kind) {
        case SIMULATOR_FAULT_STALL:
                return SIMULATED_ANSWER_STALL;
        case SIMULATOR_FAULT_HANG:
                enter(bot, SIMULATED_BOT_STATE_HUNG);
                return SIMULATED_ANSWER_NAK;
        case SIMULATOR_FAULT_FREEZE:
                enter(bot, SIMULATED_BOT_STATE_FROZEN);
                return SIMULATED_ANSWER_NAK;
        case SIMULATOR_FAULT_DISCONNECT:
                return SIMULATED_ANSWER_GONE;
        case SIMULATOR_FAULT_WIRE_ERROR:
                return SIMULATED_ANSWER_ERROR;
        default: /* the other kinds have no phase */
                break;
        }

        assert_not_reached();
}

/* Takes the phase's fault, if there is one. */
static bool take_phase_fault(SimulatedBot *bot, SimulatorPhase phase, SimulatorFaultKind *ret) {
        if (!bot->has_faults || bot->phase_fault[phase] == NO_FAULT)
                return false;

        *ret = bot->phase_fault[phase];
        bot->phase_fault[phase] = NO_FAULT;
        return true;
}

static void plan_phase_faults(SimulatedBot *bot, const SimulatorFaultOccasion *occasion) {
        static const SimulatorFaultKind kinds[] = {
                SIMULATOR_FAULT_STALL,      SIMULATOR_FAULT_HANG,       SIMULATOR_FAULT_FREEZE,
                SIMULATOR_FAULT_DISCONNECT, SIMULATOR_FAULT_WIRE_ERROR,
        };
        SimulatedTarget *target = bot->target;

        for (SimulatorPhase phase = 0; phase < SIMULATOR_PHASE_CONTROL; phase++)
                for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
                        if (!simulator_fault_plan_take(&target->spec.faults, kinds[i], phase,
                                                       occasion, &target->random))
                                continue;
                        bot->phase_fault[phase] = kinds[i];
                        bot->has_faults = true;
                        break;
                }
}

/* Decides at the CBW what will go wrong until the CSW. */
static void plan_faults(SimulatedBot *bot, uint8_t lun, const uint8_t *cdb) {
        SimulatedTarget *target = bot->target;
        SimulatorFaultOccasion occasion;

        bot->has_faults = false;
        if (target->spec.faults.n_faults == 0)
                return;

        memset(bot->has_fault, 0, sizeof(bot->has_fault));
        for (size_t i = 0; i < _SIMULATOR_PHASE_MAX; i++)
                bot->phase_fault[i] = NO_FAULT;

        simulated_target_describe(target, lun, cdb, bot->host_size > 0, &occasion);
        plan_phase_faults(bot, &occasion);
        for (SimulatorFaultKind kind = SIMULATOR_FAULT_SHORT_DATA; kind < NO_FAULT; kind++) {
                if (kind >= SIMULATOR_FAULT_MEDIUM_ERROR && kind != SIMULATOR_FAULT_SLOW)
                        continue; /* those are the target's */
                const SimulatorFault *fault = simulator_fault_plan_take(
                                &target->spec.faults, kind, 0, &occasion, &target->random);
                if (!fault)
                        continue;
                bot->has_fault[kind] = true;
                bot->fault_argument[kind] = fault->argument;
                bot->has_faults = true;
        }
}

/* BOT 6.2.1 and 6.2.2; a LUN that does not exist is SCSI's to refuse. */
static bool cbw_is_good(const uint8_t *cbw, size_t size) {
        return size == CBW_SIZE && get_le32(cbw) == CBW_SIGNATURE && (cbw[12] & 0x7F) == 0 &&
               (cbw[13] & 0xF0) == 0 && cbw[14] >= 1 && cbw[14] <= SIMULATED_CDB_SIZE_MAX;
}

/* BOT 6.7, table 6-1: which of the thirteen cases can't end well. */
static bool is_mismatch(const SimulatedBot *bot, SimulatedDirection host) {
        SimulatedDirection device = simulated_command_get_direction(&bot->command);

        if (device == SIMULATED_DIRECTION_NONE)
                return false; /* cases 1, 4, 9 */
        if (device != host)
                return true;                            /* cases 2, 3, 8, 10 */
        return bot->command.data_size > bot->host_size; /* cases 7, 13; else 5, 6, 11, 12 */
}

static uint64_t take_short_data(const SimulatedBot *bot, uint64_t n_relevant) {
        uint64_t n_missing = 0;

        if (has_fault(bot, SIMULATOR_FAULT_SHORT_DATA))
                n_missing = bot->fault_argument[SIMULATOR_FAULT_SHORT_DATA];
        else if (has_fault(bot, SIMULATOR_FAULT_SHORT_DATA_UNTOLD))
                n_missing = bot->fault_argument[SIMULATOR_FAULT_SHORT_DATA_UNTOLD];
        return n_relevant - MIN(n_missing, n_relevant);
}

static void plan_data_phase(SimulatedBot *bot, SimulatedDirection host) {
        bot->is_phase_error = is_mismatch(bot, host);
        bot->n_relevant = bot->command.data_size;
        if (bot->is_phase_error) {
                /* Case 7 sends what fits; the others move nothing that means anything. */
                bool is_case_7 = host == SIMULATED_DIRECTION_IN &&
                                 simulated_command_get_direction(&bot->command) == host;
                bot->n_relevant = is_case_7 ? bot->host_size : 0;
        }
        bot->n_relevant = take_short_data(bot, bot->n_relevant);
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

        if (has_fault(bot, SIMULATOR_FAULT_SLOW))
                bot->ready_at_ns = event_loop_now_ns(bot->target->loop) +
                                   bot->fault_argument[SIMULATOR_FAULT_SLOW] * NS_PER_MS;
        simulated_command_start(&bot->command, bot->target, cbw[13], cbw + 15);
        plan_data_phase(bot, host);
        return SIMULATED_ANSWER_DONE;
}

static SimulatedAnswer receive_cbw(SimulatedBot *bot, const uint8_t *cbw, size_t size,
                                   size_t *ret_size) {
        SimulatorFaultKind fault;

        *ret_size = size;
        if (!cbw_is_good(cbw, size)) {
                bot->n_cbws_refused++;
                enter(bot, SIMULATED_BOT_STATE_BROKEN);
                return SIMULATED_ANSWER_DONE; /* the packet was acknowledged before it was read */
        }

        bot->tag = get_le32(cbw + 4);
        bot->host_size = get_le32(cbw + 8);
        bot->ready_at_ns = 0;
        plan_faults(bot, cbw[13], cbw + 15);
        if (!take_phase_fault(bot, SIMULATOR_PHASE_COMMAND, &fault))
                return accept_command(bot, cbw);

        *ret_size = 0;
        if (fault == SIMULATOR_FAULT_STALL)
                return stall_out(bot);
        return simulated_bot_apply_fault(bot, fault);
}

static uint64_t get_relevant_left(const SimulatedBot *bot) {
        return bot->n_relevant - MIN(bot->n_moved, bot->n_relevant);
}

/* BOT 6.7.3: what the device does not want is discarded, or refused by a stall. */
static SimulatedAnswer receive_data(SimulatedBot *bot, const uint8_t *bytes, size_t size,
                                    size_t *ret_size) {
        SimulatorFaultKind fault;

        *ret_size = 0;
        if (take_phase_fault(bot, SIMULATOR_PHASE_DATA, &fault)) {
                if (fault != SIMULATOR_FAULT_STALL)
                        return simulated_bot_apply_fault(bot, fault);
                enter(bot, SIMULATED_BOT_STATE_STATUS);
                return stall_out(bot);
        }

        size_t n_taken = MIN(size, get_relevant_left(bot));
        if (n_taken > 0)
                simulated_command_data_out(&bot->command, bytes, n_taken);

        bool is_too_much = n_taken < size;
        if (is_too_much && bot->target->spec.short_data == SIMULATOR_SHORT_DATA_STALL) {
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

static bool is_slow(SimulatedBot *bot) {
        if (bot->ready_at_ns == 0)
                return false;
        if (event_loop_now_ns(bot->target->loop) < bot->ready_at_ns)
                return true;
        bot->ready_at_ns = 0;
        return false;
}

SimulatedAnswer simulated_bot_out(SimulatedBot *bot, const void *bytes, size_t size,
                                  size_t *ret_size) {
        assert(!bot->is_out_halted);

        *ret_size = 0;

        switch (bot->state) {
        case SIMULATED_BOT_STATE_COMMAND:
                return receive_cbw(bot, bytes, size, ret_size);
        case SIMULATED_BOT_STATE_DATA_OUT:
                if (is_slow(bot))
                        return SIMULATED_ANSWER_NAK;
                return receive_data(bot, bytes, size, ret_size);
        case SIMULATED_BOT_STATE_BROKEN:
                return stall_out(bot);
        case SIMULATED_BOT_STATE_DATA_IN:
        case SIMULATED_BOT_STATE_STATUS:
                return bot->target->spec.bears_pipelining ? SIMULATED_ANSWER_NAK : stall_out(bot);
        case SIMULATED_BOT_STATE_HUNG:
        case SIMULATED_BOT_STATE_FROZEN:
                return SIMULATED_ANSWER_NAK;
        case _SIMULATED_BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* How much the device sends before it ends the data phase: all of it, if it pads. */
static uint64_t get_send_size(const SimulatedBot *bot) {
        if (bot->target->spec.short_data == SIMULATOR_SHORT_DATA_PAD)
                return bot->host_size;
        return bot->n_relevant;
}

static size_t fill(SimulatedBot *bot, uint8_t *bytes, size_t size) {
        size = MIN(size, get_send_size(bot) - bot->n_moved);

        size_t n_relevant = MIN(size, get_relevant_left(bot));
        if (n_relevant > 0)
                simulated_command_data_in(&bot->command, bytes, n_relevant);
        if (size > n_relevant)
                memset(bytes + n_relevant, 0, size - n_relevant);
        bot->n_moved += size;
        return size;
}

/* BOT 6.7.2: the data ended before the host's length. `size` bytes of this transfer were filled,
 * and a packet that is not full tells the host so by itself. */
static SimulatedAnswer end_short(SimulatedBot *bot, size_t size, bool is_transfer_full) {
        bool is_told = size % bot->packet_size != 0;
        bool stalls = bot->target->spec.short_data == SIMULATOR_SHORT_DATA_STALL;

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
        return size % bot->packet_size != 0 && get_send_size(bot) - bot->n_moved > size;
}

static SimulatedAnswer send_data(SimulatedBot *bot, uint8_t *bytes, size_t size, size_t *ret_size) {
        SimulatorFaultKind fault;

        *ret_size = 0;
        if (take_phase_fault(bot, SIMULATOR_PHASE_DATA, &fault)) {
                if (fault != SIMULATOR_FAULT_STALL)
                        return simulated_bot_apply_fault(bot, fault);
                enter(bot, SIMULATED_BOT_STATE_STATUS);
                return stall_in(bot);
        }

        if (overruns(bot, size)) {
                *ret_size = fill(bot, bytes, ALIGN_DOWN(size, bot->packet_size));
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
                residue = (uint32_t) bot->fault_argument[SIMULATOR_FAULT_RESIDUE];
        if (has_fault(bot, SIMULATOR_FAULT_PHASE_ERROR))
                status = CSW_STATUS_PHASE_ERROR;
        if (has_fault(bot, SIMULATOR_FAULT_CSW_STATUS))
                status = (uint8_t) bot->fault_argument[SIMULATOR_FAULT_CSW_STATUS];

        put_le32(csw, signature);
        put_le32(csw + 4, tag);
        put_le32(csw + 8, residue);
        csw[12] = status;
}

/* A fault that goes before the CSW, or takes its place; false: there is none. */
static bool spoil_status(SimulatedBot *bot, SimulatedAnswer *ret) {
        SimulatorFaultKind fault;

        if (take_phase_fault(bot, SIMULATOR_PHASE_STATUS, &fault)) {
                *ret = fault == SIMULATOR_FAULT_STALL ? stall_in(bot)
                                                      : simulated_bot_apply_fault(bot, fault);
                return true;
        }
        if (has_fault(bot, SIMULATOR_FAULT_CSW_MISSING)) {
                enter(bot, SIMULATED_BOT_STATE_COMMAND);
                *ret = SIMULATED_ANSWER_NAK;
                return true;
        }
        if (has_fault(bot, SIMULATOR_FAULT_ZERO_PACKET)) {
                bot->has_fault[SIMULATOR_FAULT_ZERO_PACKET] = false;
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
        if (bot->has_faults && spoil_status(bot, &answer))
                return answer;
        if (has_fault(bot, SIMULATOR_FAULT_CSW_SIZE))
                csw_size = MIN(bot->fault_argument[SIMULATOR_FAULT_CSW_SIZE], (size_t) CSW_SIZE);

        encode_csw(bot, csw);
        *ret_size = MIN(size, csw_size);
        if (*ret_size > 0)
                memcpy(bytes, csw, *ret_size);
        enter(bot, SIMULATED_BOT_STATE_COMMAND);
        return size < csw_size ? SIMULATED_ANSWER_BABBLE : SIMULATED_ANSWER_DONE;
}

SimulatedAnswer simulated_bot_in(SimulatedBot *bot, void *bytes, size_t size, size_t *ret_size) {
        assert(!bot->is_in_halted);

        *ret_size = 0;

        switch (bot->state) {
        case SIMULATED_BOT_STATE_COMMAND:
                if (bot->target->spec.bears_pipelining)
                        return SIMULATED_ANSWER_NAK;
                bot->n_transfers_early++;
                return stall_in(bot);
        case SIMULATED_BOT_STATE_DATA_IN:
                return is_slow(bot) ? SIMULATED_ANSWER_NAK : send_data(bot, bytes, size, ret_size);
        case SIMULATED_BOT_STATE_STATUS:
                return is_slow(bot) ? SIMULATED_ANSWER_NAK : send_csw(bot, bytes, size, ret_size);
        case SIMULATED_BOT_STATE_BROKEN:
                return stall_in(bot);
        case SIMULATED_BOT_STATE_DATA_OUT:
        case SIMULATED_BOT_STATE_HUNG:
        case SIMULATED_BOT_STATE_FROZEN:
                return SIMULATED_ANSWER_NAK;
        case _SIMULATED_BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* BOT 3.1: the halts stay; the host clears them next. */
static void class_reset(SimulatedBot *bot) {
        bot->n_class_resets++;
        bot->ready_at_ns = 0;
        enter(bot, SIMULATED_BOT_STATE_COMMAND);
}

SimulatedAnswer simulated_bot_control(SimulatedBot *bot, const UsbSetup *setup, uint8_t *bytes,
                                      size_t size, size_t *ret_size) {
        assert(bot->state != SIMULATED_BOT_STATE_FROZEN);

        *ret_size = 0;
        if (setup->value != 0 || setup->index != 0)
                return SIMULATED_ANSWER_STALL;

        if (setup->request_type == USB_REQUEST_TYPE_CLASS_INTERFACE_OUT &&
            setup->request == REQUEST_RESET && size == 0) {
                class_reset(bot);
                return SIMULATED_ANSWER_DONE;
        }
        if (setup->request_type == USB_REQUEST_TYPE_CLASS_INTERFACE_IN &&
            setup->request == REQUEST_GET_MAX_LUN && size >= 1) {
                bytes[0] = (uint8_t) (bot->target->spec.n_luns - 1);
                *ret_size = 1;
                return SIMULATED_ANSWER_DONE;
        }
        return SIMULATED_ANSWER_STALL;
}

void simulated_bot_port_reset(SimulatedBot *bot) {
        bot->is_in_halted = false;
        bot->is_out_halted = false;
        bot->ready_at_ns = 0;
        enter(bot, SIMULATED_BOT_STATE_COMMAND);
}

void simulated_bot_init(SimulatedBot *bot, SimulatedTarget *target, size_t packet_size) {
        assert(is_power_of_two(packet_size));

        memset(bot, 0, offsetof(SimulatedBot, command));
        bot->target = target;
        bot->packet_size = packet_size;
}
