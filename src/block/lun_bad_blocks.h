#pragma once

/*
 * LunBadBlocks
 *
 * Blocks that could not be read, remembered for a while, so that a device is not made to try again
 * and again what takes it seconds each time. Plain data, initially zero. Bounded: of too many the
 * oldest are forgotten. Private to block.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LUN_BAD_RANGES_MAX 64

typedef struct LunBadRange {
        uint64_t first; /* blocks */
        uint64_t end;   /* behind the last one */
        uint64_t until_ns;
} LunBadRange;

typedef struct LunBadBlocks {
        LunBadRange ranges[LUN_BAD_RANGES_MAX];
        size_t n;
} LunBadBlocks;

/* Joins it to what it touches; all of that is remembered as long as it is then. */
void lun_bad_blocks_add(LunBadBlocks *blocks, uint64_t lba, uint64_t now_ns);
/* The first bad one of [first, end). */
bool lun_bad_blocks_find(LunBadBlocks *blocks, uint64_t first, uint64_t end, uint64_t now_ns,
                         uint64_t *ret_lba);
/* They were written: whether they can be read is open again. */
void lun_bad_blocks_forget(LunBadBlocks *blocks, uint64_t first, uint64_t end);
