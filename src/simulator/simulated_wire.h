#pragma once

/*
 * SimulatedWire
 *
 * What the device's sides of all transports have in common: pipes that halt, a command in
 * execution, and the faults that strike it. SimulatedBot, SimulatedCbi and SimulatedUas implement it.
 * A transport is asked once for each transfer that stands first on one of its pipes or streams,
 * answers at once, and keeps no time but that of slow commands.
 */

#include "simulator/simulated_command.h"
#include "usb/usb_device.h"

typedef struct SimulatedWire SimulatedWire;

/* What a device does with the transfer that it is offered. */
typedef enum SimulatedAnswer {
        SIMULATED_ANSWER_NAK,    /* not now: the transfer waits */
        SIMULATED_ANSWER_DONE,   /* it is over */
        SIMULATED_ANSWER_STALL,  /* it is over, and its endpoint has halted */
        SIMULATED_ANSWER_BABBLE, /* more came than was asked for */
        SIMULATED_ANSWER_ERROR,  /* the wire spoilt it */
        SIMULATED_ANSWER_GONE,   /* nobody is there any more */
} SimulatedAnswer;

typedef enum SimulatedPipe {
        SIMULATED_PIPE_CONTROL,
        SIMULATED_PIPE_OUT,
        SIMULATED_PIPE_IN,
        SIMULATED_PIPE_INTERRUPT,
        SIMULATED_PIPE_COMMAND, /* UAS; its data goes by IN and OUT */
        SIMULATED_PIPE_STATUS,  /* UAS */
        _SIMULATED_PIPE_MAX,
} SimulatedPipe;

/* What a device does not answer any more. */
typedef enum SimulatedSilence {
        SIMULATED_SILENCE_NONE,
        SIMULATED_SILENCE_HUNG,   /* all but control requests, until a class or port reset */
        SIMULATED_SILENCE_FROZEN, /* everything, until a port reset */
} SimulatedSilence;

typedef struct SimulatedWireOps {
        /* Mandatory without `pipe`. Offers what the host sends; `ret_size`, zeroed: how much was taken. */
        SimulatedAnswer (*out)(SimulatedWire *wire, const void *bytes, size_t size,
                               size_t *ret_size);
        /* Mandatory without `pipe`. Offers room for what the host wants; `ret_size`, zeroed: how much was filled. */
        SimulatedAnswer (*in)(SimulatedWire *wire, void *bytes, size_t size, size_t *ret_size);
        /* Optional: there is an interrupt endpoint. As `in`. */
        SimulatedAnswer (*interrupt)(SimulatedWire *wire, void *bytes, size_t size,
                                     size_t *ret_size);
        /* Optional: in place of the three above, for a transport with pipes of its own. As those; the
         * stream is 0 where there are none. */
        SimulatedAnswer (*pipe)(SimulatedWire *wire, SimulatedPipe pipe, uint32_t stream,
                                void *bytes, size_t size, size_t *ret_size);
        /* Mandatory. A class request, also of a device that hangs. */
        SimulatedAnswer (*control)(SimulatedWire *wire, const UsbSetup *setup, uint8_t *bytes,
                                   size_t size, size_t *ret_size);
        /* Mandatory. Waits for the next command: a reset of either kind. */
        void (*rest)(SimulatedWire *wire);
        /* Optional. Whether an IN that is there now has come too early to be borne. */
        bool (*is_early)(const SimulatedWire *wire);
} SimulatedWireOps;

/* What goes wrong with one command. */
typedef struct SimulatedFaults {
        bool has_faults; /* any of the following */
        bool has_fault[_SIMULATOR_FAULT_KIND_MAX];
        uint64_t fault_argument[_SIMULATOR_FAULT_KIND_MAX];
        SimulatorFaultKind phase_fault[_SIMULATOR_PHASE_MAX]; /* _SIMULATOR_FAULT_KIND_MAX: none */
} SimulatedFaults;

struct SimulatedWire {
        const SimulatedWireOps *ops;
        SimulatedTarget *target; /* borrowed */
        size_t packet_size;
        SimulatedSilence silence;
        bool is_halted[_SIMULATED_PIPE_MAX];
        uint64_t ready_at_ns; /* a slow command moves nothing before; 0: is not slow */

        SimulatedFaults *faults; /* borrowed: of the command that is worked on */
        SimulatedFaults own_faults;

        uint64_t n_class_resets;
        uint64_t n_stalls;
        uint64_t n_commands_refused; /* what did not even look like one */
        uint64_t n_transfers_early;
        SimulatedCommand command;
};

void simulated_wire_init(SimulatedWire *wire, const SimulatedWireOps *ops, SimulatedTarget *target,
                         size_t packet_size);

/* The host's transfer stands first on that pipe. `ret_size`: how much was taken or filled. */
SimulatedAnswer simulated_wire_offer(SimulatedWire *wire, SimulatedPipe pipe, uint32_t stream,
                                     const UsbSetup *setup, void *bytes, size_t size,
                                     size_t *ret_size);
/* Refuses an IN that came too early; false: it did not. */
bool simulated_wire_refuse_early(SimulatedWire *wire);
void simulated_wire_port_reset(SimulatedWire *wire);

/* For transports. */
void simulated_wire_class_reset(SimulatedWire *wire);
SimulatedAnswer simulated_wire_stall(SimulatedWire *wire, SimulatedPipe pipe);
/* Decides, when a command comes, what will go wrong until its status. */
void simulated_wire_plan_faults(SimulatedWire *wire, uint8_t lun, const uint8_t *cdb,
                                bool has_data);
bool simulated_wire_has_fault(const SimulatedWire *wire, SimulatorFaultKind kind);
/* The phase's fault, once, and what it makes the pipe answer; false: there is none. */
bool simulated_wire_take_fault(SimulatedWire *wire, SimulatorPhase phase, SimulatedPipe pipe,
                               SimulatedAnswer *ret);
/* The command begins: its time runs. */
void simulated_wire_start_command(SimulatedWire *wire, uint8_t lun, const uint8_t *cdb);
bool simulated_wire_is_slow(SimulatedWire *wire);
/* What of the command's data is really moved. */
uint64_t simulated_wire_shorten(const SimulatedWire *wire, uint64_t size);
