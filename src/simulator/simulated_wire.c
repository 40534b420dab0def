/* See simulated_wire.h: halts, silence, slowness and the faults of the current command. */

#include <string.h>

#include "simulator/simulated_control.h"
#include "simulator/simulated_wire.h"

#define NO_FAULT _SIMULATOR_FAULT_KIND_MAX

/* Those that strike a phase; of several only the first does. */
static const SimulatorFaultKind phase_kinds[] = {
        SIMULATOR_FAULT_STALL,      SIMULATOR_FAULT_HANG,       SIMULATOR_FAULT_FREEZE,
        SIMULATOR_FAULT_DISCONNECT, SIMULATOR_FAULT_WIRE_ERROR,
};

SimulatedAnswer simulated_wire_stall(SimulatedWire *wire, SimulatedPipe pipe) {
        /* USB 2.0, 8.5.3.4: a stall of the control pipe ends with the next request. */
        if (pipe != SIMULATED_PIPE_CONTROL) {
                wire->is_halted[pipe] = true;
                wire->n_stalls++;
        }
        return SIMULATED_ANSWER_STALL;
}

static SimulatedAnswer apply_fault(SimulatedWire *wire, SimulatorFaultKind kind,
                                   SimulatedPipe pipe) {
        switch (kind) {
        case SIMULATOR_FAULT_STALL:
                return simulated_wire_stall(wire, pipe);
        case SIMULATOR_FAULT_HANG:
                wire->silence = SIMULATED_SILENCE_HUNG;
                return SIMULATED_ANSWER_NAK;
        case SIMULATOR_FAULT_FREEZE:
                wire->silence = SIMULATED_SILENCE_FROZEN;
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

bool simulated_wire_has_fault(const SimulatedWire *wire, SimulatorFaultKind kind) {
        return wire->faults->has_faults && wire->faults->has_fault[kind];
}

static const SimulatorFault *take_planned(SimulatedWire *wire, SimulatorFaultKind kind,
                                          SimulatorPhase phase,
                                          const SimulatorFaultOccasion *occasion) {
        SimulatedTarget *target = wire->target;

        return simulator_fault_plan_take(&target->spec.faults, kind, phase, occasion,
                                         &target->random);
}

static SimulatorFaultKind plan_phase(SimulatedWire *wire, SimulatorPhase phase,
                                     const SimulatorFaultOccasion *occasion) {
        for (size_t i = 0; i < N_ELEMENTS(phase_kinds); i++)
                if (take_planned(wire, phase_kinds[i], phase, occasion))
                        return phase_kinds[i];
        return NO_FAULT;
}

static void plan_kind(SimulatedWire *wire, SimulatorFaultKind kind,
                      const SimulatorFaultOccasion *occasion) {
        const SimulatorFault *fault;

        if (kind >= SIMULATOR_FAULT_MEDIUM_ERROR && kind != SIMULATOR_FAULT_SLOW)
                return; /* those are the target's */
        fault = take_planned(wire, kind, 0, occasion);
        if (!fault)
                return;
        wire->faults->has_fault[kind] = true;
        wire->faults->fault_argument[kind] = fault->argument;
        wire->faults->has_faults = true;
}

void simulated_wire_plan_faults(SimulatedWire *wire, uint8_t lun, const uint8_t *cdb,
                                bool has_data) {
        SimulatorFaultOccasion occasion;

        wire->faults->has_faults = false;
        if (wire->target->spec.faults.n_faults == 0)
                return;

        memset(wire->faults->has_fault, 0, sizeof(wire->faults->has_fault));
        simulated_target_describe(wire->target, lun, cdb, has_data, &occasion);
        for (SimulatorPhase phase = 0; phase < SIMULATOR_PHASE_CONTROL; phase++) {
                wire->faults->phase_fault[phase] = plan_phase(wire, phase, &occasion);
                if (wire->faults->phase_fault[phase] != NO_FAULT)
                        wire->faults->has_faults = true;
        }
        for (SimulatorFaultKind kind = SIMULATOR_FAULT_SHORT_DATA; kind < NO_FAULT; kind++)
                plan_kind(wire, kind, &occasion);
}

bool simulated_wire_take_fault(SimulatedWire *wire, SimulatorPhase phase, SimulatedPipe pipe,
                               SimulatedAnswer *ret) {
        SimulatorFaultKind kind;

        if (!wire->faults->has_faults || wire->faults->phase_fault[phase] == NO_FAULT)
                return false;

        kind = wire->faults->phase_fault[phase];
        wire->faults->phase_fault[phase] = NO_FAULT;
        *ret = apply_fault(wire, kind, pipe);
        return true;
}

void simulated_wire_start_command(SimulatedWire *wire, uint8_t lun, const uint8_t *cdb) {
        wire->ready_at_ns = 0;
        if (simulated_wire_has_fault(wire, SIMULATOR_FAULT_SLOW))
                wire->ready_at_ns = event_loop_now_ns(wire->target->loop) +
                                    wire->faults->fault_argument[SIMULATOR_FAULT_SLOW] * NS_PER_MS;
        simulated_command_start(&wire->command, wire->target, lun, cdb);
        if (wire->command.delay_ns > 0)
                wire->ready_at_ns = MAX(wire->ready_at_ns, event_loop_now_ns(wire->target->loop) +
                                                                           wire->command.delay_ns);
}

bool simulated_wire_is_slow(SimulatedWire *wire) {
        if (wire->ready_at_ns == 0)
                return false;
        if (event_loop_now_ns(wire->target->loop) < wire->ready_at_ns)
                return true;
        wire->ready_at_ns = 0;
        return false;
}

uint64_t simulated_wire_shorten(const SimulatedWire *wire, uint64_t size) {
        uint64_t n_missing = 0;

        if (simulated_wire_has_fault(wire, SIMULATOR_FAULT_SHORT_DATA))
                n_missing = wire->faults->fault_argument[SIMULATOR_FAULT_SHORT_DATA];
        else if (simulated_wire_has_fault(wire, SIMULATOR_FAULT_SHORT_DATA_UNTOLD))
                n_missing = wire->faults->fault_argument[SIMULATOR_FAULT_SHORT_DATA_UNTOLD];
        return size - MIN(n_missing, size);
}

static void rest(SimulatedWire *wire) {
        wire->silence = SIMULATED_SILENCE_NONE;
        wire->ready_at_ns = 0;
        wire->ops->rest(wire);
}

/* The halts stay (BOT 3.1): the host clears them next. */
void simulated_wire_class_reset(SimulatedWire *wire) {
        wire->n_class_resets++;
        rest(wire);
}

void simulated_wire_port_reset(SimulatedWire *wire) {
        memset(wire->is_halted, 0, sizeof(wire->is_halted));
        rest(wire);
}

static bool take_control_fault(SimulatedWire *wire, const UsbSetup *setup, SimulatedAnswer *ret) {
        SimulatorFaultOccasion occasion = {
                .opcode = setup->request,
                .has_data = true,
                .over = wire->target->protocol,
        };
        SimulatorFaultKind kind = plan_phase(wire, SIMULATOR_PHASE_CONTROL, &occasion);

        if (kind == NO_FAULT)
                return false;
        *ret = apply_fault(wire, kind, SIMULATED_PIPE_CONTROL);
        return true;
}

static SimulatedAnswer offer_control(SimulatedWire *wire, const UsbSetup *setup, uint8_t *bytes,
                                     size_t size, size_t *ret_size) {
        bool is_class = (setup->request_type & 0x60) == 0x20;
        SimulatedAnswer answer;

        if (take_control_fault(wire, setup, &answer))
                return answer;
        if (is_class)
                return wire->ops->control(wire, setup, bytes, size, ret_size);
        return simulated_control_request(wire, setup, bytes, size, ret_size);
}

static SimulatedAnswer offer_endpoint(SimulatedWire *wire, SimulatedPipe pipe, uint32_t stream,
                                      void *bytes, size_t size, size_t *ret_size) {
        if (wire->is_halted[pipe])
                return SIMULATED_ANSWER_STALL;
        if (wire->silence != SIMULATED_SILENCE_NONE)
                return SIMULATED_ANSWER_NAK;
        if (wire->ops->pipe)
                return wire->ops->pipe(wire, pipe, stream, bytes, size, ret_size);
        if (pipe == SIMULATED_PIPE_OUT)
                return wire->ops->out(wire, bytes, size, ret_size);
        if (pipe == SIMULATED_PIPE_IN)
                return wire->ops->in(wire, bytes, size, ret_size);
        return wire->ops->interrupt(wire, bytes, size, ret_size);
}

SimulatedAnswer simulated_wire_offer(SimulatedWire *wire, SimulatedPipe pipe, uint32_t stream,
                                     const UsbSetup *setup, void *bytes, size_t size,
                                     size_t *ret_size) {
        *ret_size = 0;
        if (wire->silence == SIMULATED_SILENCE_FROZEN)
                return SIMULATED_ANSWER_NAK;
        if (pipe == SIMULATED_PIPE_CONTROL)
                return offer_control(wire, setup, bytes, size, ret_size);
        return offer_endpoint(wire, pipe, stream, bytes, size, ret_size);
}

bool simulated_wire_refuse_early(SimulatedWire *wire) {
        if (!wire->ops->is_early || wire->silence != SIMULATED_SILENCE_NONE ||
            wire->is_halted[SIMULATED_PIPE_IN] || !wire->ops->is_early(wire))
                return false;
        wire->n_transfers_early++;
        simulated_wire_stall(wire, SIMULATED_PIPE_IN);
        return true;
}

void simulated_wire_init(SimulatedWire *wire, const SimulatedWireOps *ops, SimulatedTarget *target,
                         size_t packet_size) {
        assert(is_power_of_two(packet_size));

        memset(wire, 0, offsetof(SimulatedWire, command));
        wire->ops = ops;
        wire->target = target;
        wire->packet_size = packet_size;
        wire->faults = &wire->own_faults;
}
