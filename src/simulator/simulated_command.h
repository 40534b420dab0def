#pragma once

/*
 * SimulatedCommand
 *
 * One SCSI command in execution: started with its CDB, fed or drained by the transport as far as
 * that gets, and finished with a status. It never waits.
 */

#include "simulator/simulated_cdb.h"
#include "simulator/simulated_target.h"

/* For a response, for parameters, for a block that arrives in pieces and for what it is compared
 * to. */
#define SIMULATED_COMMAND_BUFFER_SIZE 8192

typedef struct SimulatedCommand SimulatedCommand;

typedef enum SimulatedDirection {
        SIMULATED_DIRECTION_NONE,
        SIMULATED_DIRECTION_IN,
        SIMULATED_DIRECTION_OUT,
} SimulatedDirection;

/* What the data is. */
typedef enum SimulatedData {
        SIMULATED_DATA_NONE,
        SIMULATED_DATA_RESPONSE,   /* in, from the buffer */
        SIMULATED_DATA_READ,       /* in, from the medium */
        SIMULATED_DATA_WRITE,      /* out, to the medium */
        SIMULATED_DATA_COMPARE,    /* out, against the medium */
        SIMULATED_DATA_PARAMETERS, /* out, to the buffer */
} SimulatedData;

/* SAM-5, 5.3.1. */
typedef enum SimulatedStatus {
        SIMULATED_STATUS_GOOD = 0x00,
        SIMULATED_STATUS_CHECK_CONDITION = 0x02,
} SimulatedStatus;

struct SimulatedCommand {
        SimulatedTarget *target; /* borrowed */
        SimulatedLun *lun;       /* borrowed; NULL: there is no such LUN */
        uint8_t lun_number;
        uint8_t cdb[SIMULATED_CDB_SIZE_MAX];
        SimulatedData data;
        uint64_t data_size; /* what the device wants to move */
        uint64_t n_moved;
        uint64_t medium_offset; /* of the first data byte; READ, WRITE, COMPARE */
        uint64_t n_writable;    /* WRITE: bytes before the first bad block */
        uint64_t delay_ns;      /* nothing of it moves before */
        bool is_forced;         /* FUA */
        bool is_failed;
        SimulatedSense sense;
        /* Optional. Runs when all data has been moved, unless the command has failed. */
        void (*finish)(SimulatedCommand *command);
        uint8_t buffer[SIMULATED_COMMAND_BUFFER_SIZE];
};

/* `cdb` has SIMULATED_CDB_SIZE_MAX bytes. Afterwards direction and data_size are known. */
void simulated_command_start(SimulatedCommand *command, SimulatedTarget *target, uint8_t lun,
                             const uint8_t *cdb);
SimulatedDirection simulated_command_get_direction(const SimulatedCommand *command);
/* The next `size` bytes; at most what is left of data_size. */
void simulated_command_data_in(SimulatedCommand *command, void *bytes, size_t size);
void simulated_command_data_out(SimulatedCommand *command, const void *bytes, size_t size);
/* Also leaves the sense with the LUN. */
SimulatedStatus simulated_command_finish(SimulatedCommand *command);

/* For handlers. The first failure stands. */
void simulated_command_fail(SimulatedCommand *command, SimulatedSense sense);
/* Makes the first `size` bytes of the buffer the zeroed response, of which `allocation_size` are
 * sent at most. */
uint8_t *simulated_command_respond(SimulatedCommand *command, size_t size,
                                   uint64_t allocation_size);
/* `size` bytes are asked of the host, into the buffer, then `finish` runs. */
void simulated_command_expect(SimulatedCommand *command, size_t size,
                              void (*finish)(SimulatedCommand *command));
