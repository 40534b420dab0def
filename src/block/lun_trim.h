#pragma once

/*
 * LunTrim
 *
 * Whether a device's UNMAP can be trusted is tried out on the first blocks that a client gives up,
 * and on no others: they are written, unmapped and read again, and their neighbours, which nobody
 * else may write meanwhile, are compared, and written back if the device took them too. Private to
 * block.
 */

#include "base/task.h"
#include "block/lun_step.h"

typedef struct Lun Lun;

/* Blocks of larger granules are not written just to try. */
#define LUN_TRIM_GRANULARITY_MAX (256 * KIB)

typedef enum LunTrimResult {
        LUN_TRIM_RESULT_PROVEN,
        LUN_TRIM_RESULT_REFUSED, /* it failed, or took what it should not have */
        LUN_TRIM_RESULT_UNKNOWN, /* something else came in the way: another time */
} LunTrimResult;

typedef struct LunTrimTest {
        Lun *lun; /* borrowed */
        LunStepKind kind;
        uint64_t lba; /* what was given up */
        uint32_t n_blocks;
        uint64_t first; /* with its neighbours, from here... */
        uint64_t end;   /* ...to here: the caller has them for itself */
        uint64_t deadline_ns;
} LunTrimTest;

/* What of `size` bytes at `position`, which were given up, is tried. False: nothing can be. */
bool lun_trim_plan(LunTrimTest *test, Lun *lun, LunStepKind kind, uint64_t position, uint64_t size);
LunTrimResult lun_trim_run(const LunTrimTest *test, Task *task);
