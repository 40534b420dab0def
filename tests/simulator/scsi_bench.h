#pragma once

/* A SimulatedTarget without USB around it: one SCSI command after another, and what came of it. */

#include "simulator/simulated_command.h"

#define SCSI_BENCH_DATA_SIZE_MAX (1024 * 1024)

typedef struct ScsiBench {
        EventLoop *loop;
        SimulatedTarget *target;
        SimulatedCommand *command;
        uint8_t *data;    /* in: what came; out: what is sent */
        size_t data_size; /* what the device moved */
        SimulatedDirection direction;
} ScsiBench;

/* Without the unit attention of power-on. */
void scsi_bench_init(ScsiBench *bench, const char *spec);
void scsi_bench_done(ScsiBench *bench);
/* Runs the CDB (16 bytes) and moves all of its data: 0 for GOOD, else key << 16 | ASC << 8 | ASCQ. */
uint32_t scsi_bench_run(ScsiBench *bench, uint8_t lun, const uint8_t *cdb);
/* In virtual time. */
void scsi_bench_sleep(ScsiBench *bench, uint64_t duration_ns);
/* Forgets attentions, as a host does that tests the unit until it is ready. */
void scsi_bench_settle(ScsiBench *bench);

#define SCSI_RUN(bench, ...) \
        scsi_bench_run(bench, 0, (const uint8_t[SIMULATED_CDB_SIZE_MAX]){ __VA_ARGS__ })
#define SCSI_EXPECT(bench, sense, ...)                                                         \
        ck_assert_msg(SCSI_RUN(bench, __VA_ARGS__) == (sense), "%s: sense %06x", #__VA_ARGS__, \
                      scsi_bench_sense(bench))
/* Of the command that ran last, as scsi_bench_run() returned it. */
uint32_t scsi_bench_sense(const ScsiBench *bench);
