/*
 * Cuts requests into commands. Whole blocks go as they are; edges are read, modified and written.
 * Zeroes are left to the device where it guarantees them: WRITE SAME does, with or without its
 * UNMAP bit, while the UNMAP command is a hint that a device may follow for some blocks only
 * (SBC-3, "UNMAP command"), so it serves TRIM alone.
 */

#include "block/lun_step.h"

#define GRANULARITY_MAX (256 * MIB)

/* Limits of 0 blocks mean that none was told. */
static uint64_t size_limit(uint64_t n_blocks, uint32_t block_size, uint64_t size_max) {
        if (n_blocks == 0)
                return size_max;
        return MIN(n_blocks, size_max / block_size) * block_size;
}

void lun_step_limits_init(LunLimits *limits, const ScsiDisk *disk, size_t transfer_size_max,
                          bool is_trim_enabled) {
        uint32_t block_size = disk->block_size;
        uint64_t granularity = (uint64_t) disk->unmap_granularity_blocks * block_size;
        uint64_t transfer_size = MIN((uint64_t) disk->transfer_size_max, transfer_size_max);

        *limits = (LunLimits){
                .block_size = block_size,
                .transfer_size = MAX(ALIGN_DOWN(transfer_size, block_size), block_size),
                .unmap_granularity = block_size,
                .unmapped_reads_zero = disk->unmapped_reads_zero,
                .can_get_lba_status = disk->can_get_lba_status,
                .has_fua = disk->has_fua,
                /* Without the page nobody knows: many bridges have a cache and no page. */
                .can_synchronize = !disk->has_no_synchronize &&
                                   (disk->has_write_cache || !disk->has_cache_page),
        };
        if (granularity > 0 && granularity <= GRANULARITY_MAX)
                limits->unmap_granularity = granularity;
        if (disk->can_write_same_16)
                limits->write_same_size = size_limit(disk->write_same_blocks_max, block_size,
                                                     LUN_STEP_WRITE_SAME_SIZE_MAX);
        if (!is_trim_enabled)
                return;
        if (disk->can_unmap && disk->unmap_blocks_max > 0)
                limits->unmap_size = size_limit(disk->unmap_blocks_max, block_size,
                                                LUN_STEP_UNMAP_SIZE_MAX);
        if (disk->can_write_same_unmap)
                limits->write_same_unmap_size = size_limit(disk->write_same_blocks_max, block_size,
                                                           LUN_STEP_UNMAP_SIZE_MAX);
}

bool lun_step_can_trim(const LunLimits *limits) {
        return limits->unmap_size > 0 || limits->write_same_unmap_size > 0;
}

LunStepKind lun_step_zero_kind(const LunLimits *limits, BlockRequestFlags flags) {
        if (limits->write_same_unmap_size > 0 && limits->is_unmap_proven &&
            limits->unmapped_reads_zero && !(flags & BLOCK_REQUEST_NO_HOLE))
                return LUN_STEP_KIND_WRITE_SAME_UNMAP;
        if (limits->write_same_size > 0)
                return LUN_STEP_KIND_WRITE_SAME;
        return LUN_STEP_KIND_ZERO;
}

void lun_step_forget(LunLimits *limits, LunStepKind kind) {
        switch (kind) {
        case LUN_STEP_KIND_WRITE_SAME:
                limits->write_same_size = 0;
                return;
        case LUN_STEP_KIND_WRITE_SAME_UNMAP:
                limits->write_same_unmap_size = 0;
                return;
        case LUN_STEP_KIND_UNMAP:
                limits->unmap_size = 0;
                return;
        case LUN_STEP_KIND_STATUS:
                limits->can_get_lba_status = false;
                return;
        case LUN_STEP_KIND_NOTHING:
        case LUN_STEP_KIND_UNSUPPORTED:
        case LUN_STEP_KIND_READ:
        case LUN_STEP_KIND_WRITE:
        case LUN_STEP_KIND_MODIFY:
        case LUN_STEP_KIND_ZERO:
        case _LUN_STEP_KIND_MAX:
                break;
        }
        assert_not_reached(); /* nothing works without these */
}

static uint64_t kind_size_max(const LunLimits *limits, LunStepKind kind) {
        switch (kind) {
        case LUN_STEP_KIND_READ:
        case LUN_STEP_KIND_WRITE:
                return limits->transfer_size;
        case LUN_STEP_KIND_MODIFY:
                return MIN(limits->transfer_size,
                           MAX(LUN_STEP_MODIFY_SIZE_MAX, limits->block_size));
        case LUN_STEP_KIND_ZERO:
                return MIN(limits->transfer_size,
                           MAX(LUN_STEP_ZEROES_SIZE_MAX, limits->block_size));
        case LUN_STEP_KIND_WRITE_SAME:
                return limits->write_same_size;
        case LUN_STEP_KIND_WRITE_SAME_UNMAP:
                return limits->write_same_unmap_size;
        case LUN_STEP_KIND_UNMAP:
                return limits->unmap_size;
        case LUN_STEP_KIND_NOTHING:
        case LUN_STEP_KIND_UNSUPPORTED:
        case LUN_STEP_KIND_STATUS:
                return UINT64_MAX;
        case _LUN_STEP_KIND_MAX:
                break;
        }
        assert_not_reached();
}

/* Up to `end`, or as far as one command of whole blocks from the position's block on reaches. */
static LunStep step_of(const LunLimits *limits, LunStepKind kind, uint64_t position, uint64_t end) {
        uint64_t first = ALIGN_DOWN(position, limits->block_size);
        uint64_t size_max = kind_size_max(limits, kind) - (position - first);

        return (LunStep){ .kind = kind, .size = MIN(end - position, size_max) };
}

/* Bytes that change: `kind` does it to whole blocks. */
static LunStep plan_change(const LunLimits *limits, LunStepKind kind, uint64_t position,
                           uint64_t end) {
        uint32_t block_size = limits->block_size;
        uint64_t first = ALIGN_DOWN(position, block_size);
        uint64_t whole_end = ALIGN_DOWN(end, block_size);
        bool is_sent = kind == LUN_STEP_KIND_WRITE || kind == LUN_STEP_KIND_ZERO;

        if (position == first && end == whole_end)
                return step_of(limits, kind, position, end);
        /* Two commands for all of a short one beat up to five for its parts. */
        if (is_sent &&
            ALIGN_UP(end, block_size) - first <= kind_size_max(limits, LUN_STEP_KIND_MODIFY))
                return step_of(limits, LUN_STEP_KIND_MODIFY, position, end);
        if (position > first || whole_end == position)
                return step_of(limits, LUN_STEP_KIND_MODIFY, position,
                               MIN(end, first + block_size));
        return step_of(limits, kind, position, whole_end);
}

static LunStep plan_zeroes(const LunLimits *limits, BlockRequestFlags flags, uint64_t position,
                           uint64_t end) {
        LunStepKind kind = lun_step_zero_kind(limits, flags);

        if (kind == LUN_STEP_KIND_ZERO && flags & BLOCK_REQUEST_FAST_ONLY)
                return (LunStep){ .kind = LUN_STEP_KIND_UNSUPPORTED };
        return plan_change(limits, kind, position, end);
}

/* Only whole granules inside the range: a device ignores the others, and what was
 * not asked for must stay. */
static LunStep plan_trim(const LunLimits *limits, uint64_t position, uint64_t end) {
        LunStepKind kind = limits->unmap_size > 0 ? LUN_STEP_KIND_UNMAP
                                                  : LUN_STEP_KIND_WRITE_SAME_UNMAP;
        uint64_t granularity = limits->unmap_granularity;
        uint64_t first = DIV_ROUND_UP(position, granularity) * granularity;
        uint64_t last = end / granularity * granularity;
        uint64_t size;

        if (!lun_step_can_trim(limits) || first >= last)
                return (LunStep){ .kind = LUN_STEP_KIND_NOTHING, .size = end - position };
        if (first > position)
                return (LunStep){ .kind = LUN_STEP_KIND_NOTHING, .size = first - position };

        size = MIN(last - first, kind_size_max(limits, kind));
        if (size >= granularity)
                size = size / granularity * granularity;
        return (LunStep){ .kind = kind, .size = size };
}

LunStep lun_step_plan(const LunLimits *limits, BlockOperation operation, BlockRequestFlags flags,
                      uint64_t position, uint64_t end) {
        assert(position < end);

        switch (operation) {
        case BLOCK_OPERATION_READ:
                return step_of(limits, LUN_STEP_KIND_READ, position, end);
        case BLOCK_OPERATION_WRITE:
                return plan_change(limits, LUN_STEP_KIND_WRITE, position, end);
        case BLOCK_OPERATION_TRIM:
                return plan_trim(limits, position, end);
        case BLOCK_OPERATION_WRITE_ZEROES:
                return plan_zeroes(limits, flags, position, end);
        case BLOCK_OPERATION_STATUS:
                return (LunStep){ .kind = LUN_STEP_KIND_STATUS, .size = end - position };
        case BLOCK_OPERATION_FLUSH:
        case BLOCK_OPERATION_PREFETCH:
        case _BLOCK_OPERATION_MAX:
                break;
        }
        assert_not_reached(); /* these have no range */
}
