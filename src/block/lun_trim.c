/* Sequential, in a task. All that it writes is what was given up, and what it restores. */

#include "block/lun_trim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "block/lun_error.h"
#include "block/lun_internal.h"

/* What is tried at least, if so much was given up; and how far a device may have reached beyond. */
#define SCRATCH_SIZE (64 * KIB)
#define MARGIN_SIZE (64 * KIB)

typedef struct TrimRun {
        const LunTrimTest *test; /* borrowed */
        Task *task;              /* borrowed */
        uint32_t block_size;
        uint8_t *before; /* owned: the neighbours, and the pattern between them */
        uint8_t *after;  /* owned */
        bool is_broken_off;
} TrimRun;

static void trim_run_done(TrimRun *run) {
        free(run->before);
        free(run->after);
}

bool lun_trim_plan(LunTrimTest *test, Lun *lun, LunStepKind kind, uint64_t position,
                   uint64_t size) {
        const LunLimits *limits = &lun->limits;
        uint64_t granularity = limits->unmap_granularity;
        uint64_t n_blocks = lun->device.info.size / limits->block_size;
        uint64_t margin = MAX(granularity, (uint64_t) MARGIN_SIZE) / limits->block_size;
        uint64_t scratch = ALIGN_UP((uint64_t) SCRATCH_SIZE, limits->block_size);

        scratch = DIV_ROUND_UP(scratch, granularity) * granularity;
        if (granularity > LUN_TRIM_GRANULARITY_MAX || size < granularity)
                return false;
        *test = (LunTrimTest){
                .lun = lun,
                .kind = kind,
                .lba = position / limits->block_size,
                .n_blocks = (uint32_t) (MIN(size, scratch) / limits->block_size),
        };
        test->first = test->lba - MIN(test->lba, margin);
        test->end = MIN(test->lba + test->n_blocks + margin, n_blocks);
        return true;
}

static void init_command(const TrimRun *run, ScsiCommand *command) {
        const Lun *lun = run->test->lun;
        uint64_t now_ns = event_loop_now_ns(lun->device.loop);

        scsi_command_init(command, lun->number,
                          MIN(run->test->deadline_ns, now_ns + lun->command_timeout_ns));
}

static int await(TrimRun *run, ScsiCommand *command) {
        int error;

        (void) scsi_target_await(run->test->lun->target, run->task, command);
        error = lun_error_from_command(command);
        if (error == 0 && command->actual_size < command->request.size)
                error = -EIO;
        if (error == -ECANCELED || error == -ESHUTDOWN)
                run->is_broken_off = true;
        return error;
}

static int synchronize(TrimRun *run) {
        ScsiCommand command;

        if (!run->test->lun->limits.can_synchronize)
                return 0;
        init_command(run, &command);
        scsi_command_synchronize_cache(&command);
        return await(run, &command);
}

static int transfer_some(TrimRun *run, uint64_t lba, uint32_t n_blocks, uint8_t *bytes,
                         bool is_write) {
        Staging *staging = run->test->lun->target->staging;
        size_t size = (size_t) n_blocks * run->block_size;
        uint8_t *buffer = staging_get(staging, size);
        ScsiCommand command;
        int r;

        if (!buffer)
                return -ENOMEM;
        init_command(run, &command);
        if (is_write) {
                memcpy(buffer, bytes, size);
                scsi_command_write(&command, lba, n_blocks, /* fua= */ false, buffer, size);
        } else {
                scsi_command_read(&command, lba, n_blocks, buffer, size);
        }
        r = await(run, &command);
        if (r == 0 && !is_write)
                memcpy(bytes, buffer, size);
        staging_put(staging, buffer, size);
        return r;
}

/* [first, end), which lies in `image` of all blocks of the test. */
static int transfer(TrimRun *run, uint64_t first, uint64_t end, uint8_t *image, bool is_write) {
        uint64_t n_max = run->test->lun->limits.transfer_size / run->block_size;
        uint64_t lba = first;

        while (lba < end) {
                uint64_t n = MIN(n_max, end - lba);
                int r = transfer_some(run, lba, (uint32_t) n,
                                      image + (lba - run->test->first) * run->block_size, is_write);

                if (r < 0)
                        return r;
                lba += n;
        }
        return 0;
}

static uint8_t *at(const TrimRun *run, uint8_t *image, uint64_t lba) {
        return image + (lba - run->test->first) * run->block_size;
}

static int write_pattern(TrimRun *run) {
        const LunTrimTest *test = run->test;
        uint8_t *bytes = at(run, run->before, test->lba);
        size_t size = (size_t) test->n_blocks * run->block_size;
        int r;

        for (size_t i = 0; i < size; i++)
                bytes[i] = (uint8_t) (0x5A ^ (i / run->block_size) ^ (i % 127));
        r = transfer(run, test->lba, test->lba + test->n_blocks, run->before, /* is_write= */ true);
        return r < 0 ? r : synchronize(run);
}

static int unmap(TrimRun *run) {
        const LunTrimTest *test = run->test;
        Staging *staging = test->lun->target->staging;
        size_t size = MAX(run->block_size, (uint32_t) SCSI_UNMAP_DATA_SIZE);
        uint8_t *buffer = staging_get(staging, size);
        ScsiCommand command;
        int r;

        if (!buffer)
                return -ENOMEM;
        memset(buffer, 0, size);
        init_command(run, &command);
        if (test->kind == LUN_STEP_KIND_UNMAP)
                scsi_command_unmap(&command, test->lba, test->n_blocks, buffer);
        else
                scsi_command_write_same(&command, test->lba, test->n_blocks, /* unmap= */ true,
                                        buffer, run->block_size);
        r = await(run, &command);
        staging_put(staging, buffer, size);
        return r;
}

static bool is_filled(const uint8_t *bytes, size_t size, uint8_t value) {
        return bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* SBC-3, "Unmapped LBAs": zeroes if LBPRZ says so, else anything that is not another block's; and
 * the UNMAP may not have been followed. */
static bool is_scratch_right(TrimRun *run) {
        const LunTrimTest *test = run->test;
        LunLimits *limits = &test->lun->limits;

        for (uint32_t i = 0; i < test->n_blocks; i++) {
                const uint8_t *bytes = at(run, run->after, test->lba + i);

                if (is_filled(bytes, run->block_size, 0))
                        continue;
                if (memcmp(bytes, at(run, run->before, test->lba + i), run->block_size) != 0 &&
                    (limits->unmapped_reads_zero || !is_filled(bytes, run->block_size, 0xFF)))
                        return false;
                limits->unmapped_reads_zero = false;
        }
        return true;
}

static bool is_same(TrimRun *run, uint64_t first, uint64_t end) {
        return memcmp(at(run, run->before, first), at(run, run->after, first),
                      (end - first) * run->block_size) == 0;
}

/* Puts back what the device took with what it was told to take. */
static bool restore(TrimRun *run, uint64_t first, uint64_t end) {
        if (is_same(run, first, end))
                return true;
        if (transfer(run, first, end, run->before, /* is_write= */ true) < 0 ||
            synchronize(run) < 0)
                log_device_error(run->test->lun->name,
                                 "TRIM destroyed some of the blocks %llu to %llu",
                                 (unsigned long long) first, (unsigned long long) end - 1);
        return false;
}

static LunTrimResult judge(TrimRun *run) {
        const LunTrimTest *test = run->test;
        bool is_right;

        if (transfer(run, test->first, test->end, run->after, /* is_write= */ false) < 0)
                return run->is_broken_off ? LUN_TRIM_RESULT_UNKNOWN : LUN_TRIM_RESULT_REFUSED;
        is_right = restore(run, test->first, test->lba);
        is_right &= restore(run, test->lba + test->n_blocks, test->end);
        return is_right && is_scratch_right(run) ? LUN_TRIM_RESULT_PROVEN : LUN_TRIM_RESULT_REFUSED;
}

LunTrimResult lun_trim_run(const LunTrimTest *test, Task *task) {
        size_t size = (size_t) (test->end - test->first) * test->lun->limits.block_size;
        _cleanup_(trim_run_done) TrimRun run = {
                .test = test,
                .task = task,
                .block_size = test->lun->limits.block_size,
                .before = malloc(size),
                .after = malloc(size),
        };
        unsigned n_resets = test->lun->target->n_resets;
        int r;

        if (!run.before || !run.after)
                return LUN_TRIM_RESULT_UNKNOWN;
        if (transfer(&run, test->first, test->end, run.before, /* is_write= */ false) < 0 ||
            write_pattern(&run) < 0)
                return LUN_TRIM_RESULT_UNKNOWN;
        /* A reset took some of it; what a reset does later comes of the UNMAP. */
        if (test->lun->target->n_resets != n_resets)
                return LUN_TRIM_RESULT_UNKNOWN;
        r = unmap(&run);
        if (r == -ENOMEM)
                return LUN_TRIM_RESULT_UNKNOWN;
        if (r < 0)
                return run.is_broken_off ? LUN_TRIM_RESULT_UNKNOWN : LUN_TRIM_RESULT_REFUSED;
        return judge(&run);
}
