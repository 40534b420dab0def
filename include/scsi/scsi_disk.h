#pragma once

/*
 * ScsiDisk
 *
 * What bring-up learned of one logical unit of a direct-access device. Plain data.
 */

#include "scsi/scsi_target.h"

/* What an optical drive tells of its disc and of itself. */
typedef struct ScsiDisc {
        uint16_t profile; /* MMC-6, "Profile list feature"; 0: not told */
        uint8_t n_data_tracks;
        uint8_t n_audio_tracks;
        bool is_blank;
        bool cannot_eject; /* it says so */
} ScsiDisc;

typedef struct ScsiDisk {
        uint8_t lun;
        uint8_t device_type; /* peripheral device type (SPC-4, table 139) */
        uint8_t scsi_version;
        char vendor[9];       /* printable ASCII, trimmed */
        char product[17];     /* likewise */
        char revision[5];     /* likewise */
        char serial[65];      /* VPD 80, likewise; "" if none */
        char identifier[65];  /* VPD 83 of the unit, as hexadecimal or text; "" if none */
        char wwn[33];         /* that of it which no other unit has: NAA, EUI-64; "" if none */
        const char *obstacle; /* static: why it is not exported, of a disc; NULL: nothing known */
        bool is_removable;
        bool has_medium;
        bool is_read_only;
        bool has_events;   /* an optical drive that tells what happens to its medium */
        bool lacks_events; /* it was asked, and does not; or it was not asked for that */
        uint64_t n_blocks;
        uint32_t block_size;          /* 512, 1024, 2048 or 4096 */
        uint32_t physical_block_size; /* at least block_size */
        uint32_t transfer_size_max;   /* bytes in one command: the least of VPD B0 and the transport
                                       */
        uint32_t transfer_size_optimal; /* 0: unknown */
        bool is_rotational;
        bool is_rotation_known;
        uint16_t rotation_rpm; /* 0: it does not rotate, or does not tell */
        bool has_write_cache;  /* WCE of the caching page */
        bool has_cache_page;
        bool lacks_capacity_16;    /* READ CAPACITY(16) was refused, or broke it; or was avoided */
        bool has_mode_sense_10;    /* and not MODE SENSE(6) */
        bool has_no_synchronize;   /* its command set lacks SYNCHRONIZE CACHE, and it a cache */
        bool has_fua;              /* DPOFUA */
        bool can_unmap;            /* LBPU, with limits in VPD B0 */
        bool can_write_same_16;    /* without unmapping: assumed only where VPD B0 tells limits */
        bool can_write_same_unmap; /* LBPWS */
        bool unmapped_reads_zero;  /* LBPRZ */
        bool can_get_lba_status;
        uint32_t unmap_blocks_max; /* in one command */
        uint32_t unmap_granularity_blocks;
        uint64_t write_same_blocks_max;
        ScsiDisc disc; /* of an optical drive */
} ScsiDisk;

static inline uint64_t scsi_disk_get_size(const ScsiDisk *disk) {
        return disk->n_blocks * disk->block_size;
}
