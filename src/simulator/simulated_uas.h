#pragma once

/*
 * SimulatedUas
 *
 * The device's side of USB Attached SCSI (T10/2095-D, revision 04): many commands at once, told apart
 * by tags, which are the numbers of their streams where there are streams.
 */

#include "simulator/simulated_wire.h"

#define SIMULATED_UAS_TAG_MAX 256

typedef enum SimulatedUasState {
        SIMULATED_UAS_STATE_FREE,
        SIMULATED_UAS_STATE_DATA_IN,
        SIMULATED_UAS_STATE_DATA_OUT,
        SIMULATED_UAS_STATE_STATUS,   /* has a sense IU to send */
        SIMULATED_UAS_STATE_RESPONSE, /* has a response IU to send */
        SIMULATED_UAS_STATE_LOST,     /* will never answer (a fault) */
} SimulatedUasState;

/* What one tag stands for. */
typedef struct SimulatedUasTask {
        SimulatedUasState state;
        SimulatedCommand *command; /* owned; NULL: TASK SET FULL, or a response */
        SimulatedFaults faults;
        uint64_t order;       /* of arrival */
        uint64_t ready_at_ns; /* moves nothing before; 0: is ready */
        uint64_t n_relevant;  /* bytes of data to be moved */
        uint64_t n_moved;
        bool is_announced; /* by a READ READY or WRITE READY IU */
        uint8_t lun;
        uint8_t status;   /* SAM-5, 5.3.1 */
        uint8_t response; /* UAS, table 18 */
} SimulatedUasTask;

typedef struct SimulatedUas {
        uint32_t n_streams;  /* 0: none */
        uint32_t n_commands; /* that are not finished */
        uint64_t n_arrived;
        uint64_t n_task_managements;
        uint64_t n_queue_max;
        uint64_t n_queue_full;
        SimulatedUasTask tasks[SIMULATED_UAS_TAG_MAX + 1]; /* by tag */
        SimulatedWire wire;
} SimulatedUas;

void simulated_uas_init(SimulatedUas *uas, SimulatedTarget *target, size_t packet_size);
/* Harmless on a zeroed one. */
void simulated_uas_done(SimulatedUas *uas);
/* The host has allocated so many streams, or freed them (0). */
void simulated_uas_set_streams(SimulatedUas *uas, uint32_t n_streams);
