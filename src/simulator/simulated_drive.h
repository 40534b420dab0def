#pragma once

/*
 * SimulatedDrive
 *
 * The drive behind a bridge, as far as it is more than its medium: whether it turns, its self-tests,
 * and what its bridge remembers from one command to the next. What time brings is made up for when it
 * is looked at.
 */

#include "simulator/simulated_sense.h"
#include "simulator/simulator_drive.h"

#define SIMULATED_SELF_TESTS_MAX 21
#define SIMULATED_NVME_COMMAND_SIZE 64

/* In the languages of all drives alike. */
typedef enum SimulatedTestKind {
        SIMULATED_TEST_NONE,
        SIMULATED_TEST_SHORT,
        SIMULATED_TEST_EXTENDED,
        SIMULATED_TEST_CONVEYANCE,
} SimulatedTestKind;

#define SIMULATED_TEST_ABORTED 0x1 /* by the host */

typedef struct SimulatedTest {
        SimulatedTestKind kind;
        uint8_t result;
        uint8_t remaining_percent;
} SimulatedTest;

typedef struct SimulatedTarget SimulatedTarget;

typedef struct SimulatedDrive {
        SimulatedTarget *target; /* borrowed: whose medium it turns */
        size_t lun;
        const SimulatorDrive *traits; /* borrowed */

        SimulatedTestKind test; /* that runs */
        uint64_t test_began_ns;
        SimulatedTest tests[SIMULATED_SELF_TESTS_MAX]; /* the oldest one first */
        size_t n_tests;

        /* Of the bridge. */
        SimulatedTaskfile taskfile; /* after the last ATA command, whoever sent it */
        SimulatedTaskfile upper;    /* Sunplus: the halves that wait for their command */
        bool has_nvme_command;      /* JMicron: that waits for its data */
        uint8_t nvme_command[SIMULATED_NVME_COMMAND_SIZE];
        bool has_nvme_response;
        uint16_t nvme_status;
} SimulatedDrive;

void simulated_drive_start(SimulatedDrive *drive, SimulatedTarget *target, size_t lun);
/* Something that needs the medium, or all of the drive's electronics: it turns then. */
void simulated_drive_use(SimulatedDrive *drive);
void simulated_drive_sleep(SimulatedDrive *drive);
bool simulated_drive_is_asleep(SimulatedDrive *drive);
/* A command of another kind goes through the bridge: it forgets what it was told. */
void simulated_drive_interrupt(SimulatedDrive *drive);

void simulated_drive_begin_test(SimulatedDrive *drive, SimulatedTestKind kind);
void simulated_drive_abort_test(SimulatedDrive *drive);
/* What runs: NONE, if nothing does. */
SimulatedTestKind simulated_drive_get_test(SimulatedDrive *drive, uint8_t *ret_remaining_percent);
