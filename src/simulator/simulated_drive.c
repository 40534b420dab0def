/* Time, as a drive sees it. */

#include "simulator/simulated_drive.h"

#include <string.h>

#include "simulator/simulated_target.h"

void simulated_drive_start(SimulatedDrive *drive, SimulatedTarget *target, size_t lun) {
        *drive = (SimulatedDrive){
                .target = target,
                .lun = lun,
                .traits = &target->spec.drive,
        };
}

static uint64_t get_now_ns(const SimulatedDrive *drive) {
        return event_loop_now_ns(drive->target->loop);
}

bool simulated_drive_is_asleep(SimulatedDrive *drive) {
        simulated_target_rest(drive->target, drive->lun);
        return drive->target->luns[drive->lun].motion != SIMULATED_MOTION_TURNING;
}

void simulated_drive_use(SimulatedDrive *drive) {
        simulated_target_rest(drive->target, drive->lun);
        (void) simulated_target_spin_up(drive->target, drive->lun);
        drive->target->luns[drive->lun].used_at_ns = get_now_ns(drive);
}

void simulated_drive_sleep(SimulatedDrive *drive) {
        simulated_drive_abort_test(drive);
        drive->target->luns[drive->lun].motion = SIMULATED_MOTION_STANDBY;
}

void simulated_drive_interrupt(SimulatedDrive *drive) {
        drive->taskfile = (SimulatedTaskfile){ .status = 0x50 };
        drive->has_nvme_command = drive->has_nvme_response = false;
}

static void add_test(SimulatedDrive *drive, const SimulatedTest *test) {
        if (drive->n_tests == SIMULATED_SELF_TESTS_MAX) {
                drive->n_tests--;
                memmove(drive->tests, drive->tests + 1, drive->n_tests * sizeof(drive->tests[0]));
        }
        drive->tests[drive->n_tests++] = *test;
}

static uint64_t get_duration_ns(const SimulatedDrive *drive) {
        return drive->traits->self_test_ms * NS_PER_MS *
               (drive->test == SIMULATED_TEST_EXTENDED ? 2 : 1);
}

SimulatedTestKind simulated_drive_get_test(SimulatedDrive *drive, uint8_t *ret_remaining_percent) {
        uint64_t passed_ns, duration_ns;

        if (drive->test == SIMULATED_TEST_NONE)
                return SIMULATED_TEST_NONE;
        passed_ns = get_now_ns(drive) - drive->test_began_ns;
        duration_ns = get_duration_ns(drive);
        if (passed_ns >= duration_ns) {
                add_test(drive, &(SimulatedTest){ .kind = drive->test,
                                                  .result = drive->traits->self_test_result });
                drive->test = SIMULATED_TEST_NONE;
                return SIMULATED_TEST_NONE;
        }
        /* In tenths, as ATA tells it. */
        *ret_remaining_percent = (uint8_t) (10 * (10 - 10 * passed_ns / duration_ns));
        return drive->test;
}

void simulated_drive_abort_test(SimulatedDrive *drive) {
        SimulatedTest test = { .result = SIMULATED_TEST_ABORTED };

        test.kind = simulated_drive_get_test(drive, &test.remaining_percent);
        if (test.kind != SIMULATED_TEST_NONE)
                add_test(drive, &test);
        drive->test = SIMULATED_TEST_NONE;
}

void simulated_drive_begin_test(SimulatedDrive *drive, SimulatedTestKind kind) {
        simulated_drive_abort_test(drive);
        simulated_drive_use(drive);
        drive->test = kind;
        drive->test_began_ns = get_now_ns(drive);
}
