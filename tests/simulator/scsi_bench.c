/* Runs SCSI commands against a SimulatedTarget, in pieces of odd sizes. */

#include <check.h>

#include "base/virtual_event_loop.h"
#include "scsi_bench.h"

/* Transfers need not end where blocks do. */
#define PIECE_SIZE 1000

void scsi_bench_init(ScsiBench *bench, const char *text) {
        SimulatorSpec spec;
        char *error;

        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
        ck_assert_int_eq(virtual_event_loop_new(&bench->loop), 0);
        bench->target = calloc(1, sizeof(*bench->target));
        bench->command = calloc(1, sizeof(*bench->command));
        bench->data = calloc(1, SCSI_BENCH_DATA_SIZE_MAX);
        ck_assert(bench->target && bench->command && bench->data);
        ck_assert_int_eq(simulated_target_init(bench->target, bench->loop, &spec, NULL, 0), 0);
        scsi_bench_settle(bench);
}

void scsi_bench_done(ScsiBench *bench) {
        simulated_target_done(bench->target);
        event_loop_free(bench->loop);
        free(bench->target);
        free(bench->command);
        free(bench->data);
}

uint32_t scsi_bench_sense(const ScsiBench *bench) {
        const SimulatedSense *sense = &bench->command->sense;

        if (!bench->command->is_failed)
                return 0;
        return (uint32_t) sense->key << 16 | (uint32_t) sense->asc << 8 | sense->ascq;
}

uint32_t scsi_bench_run(ScsiBench *bench, uint8_t lun, const uint8_t *cdb) {
        SimulatedCommand *command = bench->command;

        simulated_command_start(command, bench->target, lun, cdb);
        ck_assert_uint_le(command->data_size, SCSI_BENCH_DATA_SIZE_MAX);
        bench->data_size = command->data_size;
        bench->direction = simulated_command_get_direction(command);
        while (command->n_moved < command->data_size) {
                uint8_t *at = bench->data + command->n_moved;
                size_t size = MIN(command->data_size - command->n_moved, (uint64_t) PIECE_SIZE);

                if (bench->direction == SIMULATED_DIRECTION_IN)
                        simulated_command_data_in(command, at, size);
                else
                        simulated_command_data_out(command, at, size);
        }
        SimulatedStatus status = simulated_command_finish(command);
        ck_assert_int_eq(status == SIMULATED_STATUS_GOOD, !command->is_failed);
        return scsi_bench_sense(bench);
}

void scsi_bench_settle(ScsiBench *bench) {
        for (size_t i = 0; i < bench->target->spec.n_luns; i++)
                bench->target->luns[i].n_attentions = 0;
}

static void on_sleep_over(EventTimer *timer) {}

void scsi_bench_sleep(ScsiBench *bench, uint64_t duration_ns) {
        uint64_t until_ns = event_loop_now_ns(bench->loop) + duration_ns;
        EventTimer timer;

        ck_assert_int_eq(event_timer_init(&timer, bench->loop, on_sleep_over), 0);
        event_timer_set(&timer, until_ns);
        ck_assert_int_eq(virtual_event_loop_run_until(bench->loop, UINT64_MAX), 0);
        ck_assert_uint_eq(event_loop_now_ns(bench->loop), until_ns);
        event_timer_done(&timer);
}
