#pragma once

/*
 * Disk
 *
 * The gadget's logical units: SCSI commands on an image file, with what it says about itself as
 * wrong as the options want it. Written from SPC-4 and SBC-3.
 */

#include "fault.h"

#define DISK_BLOCK_SIZE 512U
#define DISK_DATA_SIZE_MAX (2U << 20)

typedef struct DiskOptions {
        bool has_last_lba_10; /* READ CAPACITY(10) tells `last_lba_10` */
        uint32_t last_lba_10;
        bool has_last_lba_16;
        uint64_t last_lba_16;
        bool has_block_size; /* the block size that is told */
        uint32_t block_size;
        bool has_garbage;      /* strings, mode pages and VPD pages are noise with lying lengths */
        bool changes_identity; /* INQUIRY tells another product after each reset */
        bool aliases_luns;     /* all LUNs are the same unit; else those but 0 do not exist */
        bool is_ufi;           /* no long commands, no VPD */
} DiskOptions;

typedef enum DiskDirection {
        DISK_DIRECTION_NONE,
        DISK_DIRECTION_IN,
        DISK_DIRECTION_OUT,
} DiskDirection;

typedef struct DiskCommand {
        uint8_t cdb[16];
        uint8_t lun;
        FaultOccasion occasion;
        DiskDirection direction;
        size_t size; /* of the data that the device wants to move */
        bool has_failed;
        uint8_t *data; /* borrowed: the disk's */
} DiskCommand;

typedef struct Disk {
        DiskOptions options;
        FaultPlan *plan; /* borrowed */
        int image_fd;
        uint64_t n_blocks;
        unsigned n_resets;
        uint8_t sense[18];
        uint8_t data[DISK_DATA_SIZE_MAX];
} Disk;

/* False: the image can't be used; errno. */
bool disk_init(Disk *disk, const char *image, const DiskOptions *options, FaultPlan *plan);
/* All but the data that comes from the host: fills direction, size, data and has_failed from cdb and lun. */
void disk_begin(Disk *disk, DiskCommand *command);
/* The data of DISK_DIRECTION_OUT has come, `size` bytes of it. */
void disk_finish(Disk *disk, DiskCommand *command, size_t size);
/* The command fails though it did not want to: what its sense data will tell. */
void disk_fail(Disk *disk, DiskCommand *command, uint8_t key, uint8_t asc, uint8_t ascq);
