#pragma once

/*
 * ScsiBringUp
 *
 * From a LUN number to a ScsiDisk, in the order and with the commands that real devices bear:
 * INQUIRY of 36 bytes, TEST UNIT READY with patience, capacity 10 then 16, a first read, mode
 * pages, and vital product data only from devices that claim a standard which has them.
 */

#include "scsi/scsi_disk.h"

typedef enum ScsiBringUpResult {
        SCSI_BRING_UP_RESULT_READY,       /* the ScsiDisk is complete */
        SCSI_BRING_UP_RESULT_NO_UNIT,     /* there is no such logical unit */
        SCSI_BRING_UP_RESULT_NO_MEDIUM,   /* a unit without a medium: identity and type are known */
        SCSI_BRING_UP_RESULT_UNSUPPORTED, /* a type, disc or block size that we don't drive */
        SCSI_BRING_UP_RESULT_FAILED,      /* it would not become ready, or made no sense; or the
                                             task was cancelled */
        SCSI_BRING_UP_RESULT_GONE,
        _SCSI_BRING_UP_RESULT_MAX,
} ScsiBringUpResult;

/* What is wrong with the number of blocks that a device tells. */
typedef enum ScsiCapacityFix {
        SCSI_CAPACITY_FIX_NONE,
        SCSI_CAPACITY_FIX_ONE_LESS,        /* it tells the number in place of the last block */
        SCSI_CAPACITY_FIX_ONE_LESS_IF_ODD, /* so if it comes out odd, as media are even */
        _SCSI_CAPACITY_FIX_MAX,
} ScsiCapacityFix;
/* What the interface's subclass says of the commands that the device knows. */
typedef enum ScsiCommandSet {
        SCSI_COMMAND_SET_FULL,
        SCSI_COMMAND_SET_ATAPI, /* SFF-8020i, SFF-8070i: no MODE SENSE(6) */
        SCSI_COMMAND_SET_UFI,   /* likewise, nor SYNCHRONIZE CACHE; a mode header is all it bears */
        _SCSI_COMMAND_SET_MAX,
} ScsiCommandSet;

typedef struct ScsiBringUpOptions {
        uint64_t command_timeout_ns;
        uint64_t spin_up_timeout_ns; /* how long a unit may take to become ready */
        ScsiCapacityFix capacity_fix;
        bool repeats_first_read;       /* a first READ that fails is given as many tries again */
        bool ignores_write_protection; /* writable, whatever it says */
        bool assumes_write_cache;      /* if it does not tell whether it has one */
        bool has_write_cache_always;   /* it has a write cache, whatever it says */
        bool avoids_capacity_16;       /* known to lack it: asked only where nothing else will do */
        bool prefers_mode_sense_10;    /* known to have that alone: asked first */
        bool asks_no_events;           /* an optical drive is known to lack them */
        ScsiCommandSet command_set;
} ScsiBringUpOptions;

/*
 * `options` NULL, or a field of it 0: defaults (20 s and 100 s). `ret` is written on READY, and
 * with what is known so far on NO_MEDIUM, UNSUPPORTED and FAILED (then perhaps nothing).
 */
ScsiBringUpResult scsi_bring_up(Task *task, ScsiTarget *target, uint8_t lun,
                                const ScsiBringUpOptions *options, ScsiDisk *ret);
/* Whether what was brought up as `disk` is write protected now: READY with `ret_is_read_only`, or
 * why there is no answer. */
ScsiBringUpResult scsi_bring_up_check_protection(Task *task, ScsiTarget *target,
                                                 const ScsiBringUpOptions *options,
                                                 const ScsiDisk *disk, bool *ret_is_read_only);
const char *scsi_bring_up_result_to_string(ScsiBringUpResult result);
