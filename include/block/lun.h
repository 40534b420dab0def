#pragma once

/*
 * Lun
 *
 * A logical unit as a BlockDevice: splits requests to the device's limits, aligns them to its
 * blocks (read-modify-write with the neighbours excluded meanwhile), and turns them into SCSI
 * commands.
 */

#include "block/block_device.h"
#include "scsi/scsi_disk.h"

/* Commands that one LUN keeps in flight at once, over all its requests. */
#define LUN_COMMANDS_MAX 64
/* Requests that one LUN accepts at once; beyond it submit returns -EBUSY. */
#define LUN_REQUESTS_MAX 4096

/* What a unit has taught about itself beyond what bring-up learns of it. Plain data. */
typedef struct LunFacts {
        bool has_no_synchronize; /* it knows no SYNCHRONIZE CACHE */
        bool is_unmap_proven;    /* tried out, and right */
        bool is_unmap_refused;   /* tried out, and wrong */
        uint32_t transfer_size;  /* longer ones failed; 0: of any length do well */
} LunFacts;

typedef struct LunOptions {
        const char *name;  /* copied */
        bool is_read_only; /* by policy */
        bool is_trim_enabled;
        LunFacts known; /* from an earlier life; what it says of a cache itself counts more */
        /* A FLUSH fails, once, if the device has lost what it covers; else whoever stands above
         * writes that again. */
        bool tells_losses;
        uint64_t command_timeout_ns; /* of each command of a longer request; 0: default, 30 s */
} LunOptions;

/* What it does worse than it could, for a while. */
typedef struct LunCondition {
        uint32_t transfer_size;     /* of one command, now */
        uint32_t transfer_size_max; /* where nothing is wrong */
        bool is_shortened; /* long transfers failed; else the host had no memory for them */
        bool is_read_only; /* the device refused to be written to */
} LunCondition;

/* `target` is borrowed and must outlive it, `disk` is copied and must have a medium. */
int lun_new(BlockDevice **ret, ScsiTarget *target, const ScsiDisk *disk, const LunOptions *options);
/* What is known by now. */
LunFacts lun_get_facts(const BlockDevice *lun);
/* Of commands that are sent from now on. */
void lun_set_command_timeout(BlockDevice *lun, uint64_t timeout_ns);
/* Somebody else has changed the medium: blocks that were bad may be good. */
void lun_forget_bad_blocks(BlockDevice *lun);
/* The device is gone or failed: new requests get -ESHUTDOWN. */
void lun_shut_down(BlockDevice *lun);
LunCondition lun_get_condition(const BlockDevice *lun);
