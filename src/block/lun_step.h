#pragma once

/*
 * LunStep
 *
 * How the next part of a request is done on a device of given limits: with which command, and how
 * many bytes of it at once. Pure, so that tests can walk tables. Private to block.
 */

#include "block/block_device.h"
#include "scsi/scsi_disk.h"

/* A write with an unaligned edge reads all its blocks if there are no more bytes than that. */
#define LUN_STEP_MODIFY_SIZE_MAX (64 * KIB)
/* Zeroes written in one command where the device can't make them itself. */
#define LUN_STEP_ZEROES_SIZE_MAX (128 * KIB)
/* What a device may be busy with for one command, in bytes: it must answer by the deadline. */
#define LUN_STEP_UNMAP_SIZE_MAX (1 * GIB)
#define LUN_STEP_WRITE_SAME_SIZE_MAX (32 * MIB)

typedef enum LunStepKind {
        LUN_STEP_KIND_NOTHING, /* these bytes need no command */
        LUN_STEP_KIND_UNSUPPORTED,
        LUN_STEP_KIND_READ,
        LUN_STEP_KIND_WRITE,
        LUN_STEP_KIND_MODIFY, /* read, modify, write: of a WRITE or of zeroes */
        LUN_STEP_KIND_ZERO,   /* zeroes, written one by one */
        LUN_STEP_KIND_WRITE_SAME,
        LUN_STEP_KIND_WRITE_SAME_UNMAP,
        LUN_STEP_KIND_UNMAP,
        LUN_STEP_KIND_STATUS,
        _LUN_STEP_KIND_MAX,
} LunStepKind;

typedef struct LunStep {
        LunStepKind kind;
        uint64_t size; /* bytes from the position on */
} LunStep;

/* What the device can, as far as known; what it rejects is taken away from it. */
typedef struct LunLimits {
        uint32_t block_size;
        uint32_t transfer_size;     /* a multiple of block_size; changes with the host's memory */
        uint64_t unmap_size;        /* 0: can't */
        uint32_t unmap_granularity; /* bytes, a multiple of block_size */
        uint64_t write_same_size;   /* 0: can't */
        uint64_t write_same_unmap_size; /* 0: can't */
        bool is_unmap_proven;           /* else it serves for nothing but to be tried out */
        bool unmapped_reads_zero;
        bool can_get_lba_status;
        bool has_fua;
        bool can_synchronize; /* there may be a volatile cache */
} LunLimits;

void lun_step_limits_init(LunLimits *limits, const ScsiDisk *disk, size_t transfer_size_max,
                          bool is_trim_enabled);
bool lun_step_can_trim(const LunLimits *limits);
/* `flags` of a WRITE_ZEROES: with which command the device makes them itself, LUN_STEP_KIND_ZERO if
 * it can't. */
LunStepKind lun_step_zero_kind(const LunLimits *limits, BlockRequestFlags flags);
/* The device rejected such a command as unknown. */
void lun_step_forget(LunLimits *limits, LunStepKind kind);
/* For READ, WRITE, TRIM, WRITE_ZEROES, STATUS; `position` < `end`. */
LunStep lun_step_plan(const LunLimits *limits, BlockOperation operation, BlockRequestFlags flags,
                      uint64_t position, uint64_t end);
