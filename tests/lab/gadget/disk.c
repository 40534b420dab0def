/*
 * Data that the host sends is written to the image at once. Sense data is kept until the next
 * command, as a device without autosense must (SPC-4, 4.5).
 */

#include "disk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#define KEY_MEDIUM_ERROR 0x3
#define KEY_ILLEGAL_REQUEST 0x5
#define ASC_READ_ERROR 0x11
#define ASC_WRITE_ERROR 0x0C
#define ASC_INVALID_OPCODE 0x20
#define ASC_LBA_OUT_OF_RANGE 0x21
#define ASC_INVALID_FIELD 0x24
#define ASC_NO_UNIT 0x25

static void put_16(uint8_t *bytes, uint16_t value) {
        value = htobe16(value);
        memcpy(bytes, &value, sizeof(value));
}

static void put_32(uint8_t *bytes, uint32_t value) {
        value = htobe32(value);
        memcpy(bytes, &value, sizeof(value));
}

static void put_64(uint8_t *bytes, uint64_t value) {
        value = htobe64(value);
        memcpy(bytes, &value, sizeof(value));
}

static uint16_t get_16(const uint8_t *bytes) { return (uint16_t) (bytes[0] << 8 | bytes[1]); }

static uint32_t get_32(const uint8_t *bytes) {
        return (uint32_t) get_16(bytes) << 16 | get_16(bytes + 2);
}

static uint64_t get_64(const uint8_t *bytes) {
        return (uint64_t) get_32(bytes) << 32 | get_32(bytes + 4);
}

/* Fixed format (SPC-4, 4.5.3). */
static void set_sense(Disk *disk, uint8_t key, uint8_t asc, uint8_t ascq) {
        memset(disk->sense, 0, sizeof(disk->sense));
        disk->sense[0] = 0x70;
        disk->sense[2] = key;
        disk->sense[7] = sizeof(disk->sense) - 8;
        disk->sense[12] = asc;
        disk->sense[13] = ascq;
}

static void set_information(Disk *disk, uint32_t information) {
        disk->sense[0] |= 0x80;
        put_32(disk->sense + 3, information);
}

void disk_fail(Disk *disk, DiskCommand *command, uint8_t key, uint8_t asc, uint8_t ascq) {
        set_sense(disk, key, asc, ascq);
        command->has_failed = true;
}

static void refuse(Disk *disk, DiskCommand *command, uint8_t asc) {
        disk_fail(disk, command, KEY_ILLEGAL_REQUEST, asc, 0);
        command->direction = DISK_DIRECTION_NONE;
        command->size = 0;
}

/* `size` bytes are there, of which the host wants no more than the allocation length. */
static void answer(DiskCommand *command, size_t size, size_t allocation) {
        command->direction = DISK_DIRECTION_IN;
        command->size = MIN(size, allocation);
}

static uint32_t told_block_size(const Disk *disk) {
        return disk->options.has_block_size ? disk->options.block_size : DISK_BLOCK_SIZE;
}

/* What a device says whose memory was never initialised: always the same, so that runs compare. */
static void fill_with_garbage(uint8_t *bytes, size_t size, uint32_t seed) {
        for (size_t i = 0; i < size; i++) {
                seed = seed * 1664525 + 1013904223;
                bytes[i] = (uint8_t) (seed >> 24);
        }
}

static void inquire_standard(Disk *disk, DiskCommand *command) {
        uint8_t *data = disk->data;

        memset(data, 0, 36);
        data[0] = command->lun == 0 || disk->options.aliases_luns ? 0 : 0x7F;
        data[1] = disk->options.is_ufi ? 0x80 : 0;
        data[2] = disk->options.is_ufi ? 0 : 5; /* SPC-3 */
        data[3] = disk->options.is_ufi ? 1 : 2;
        data[4] = 36 - 5;
        memcpy(data + 8, "LAB     MISBEHAVING     1.0 ", 28);
        if (disk->options.changes_identity)
                data[27] = (uint8_t) ('0' + disk->n_resets % 10);
        if (disk->options.has_garbage) {
                data[4] = 0xFF;
                fill_with_garbage(data + 8, 28, 1);
        }
}

/* Supported pages, serial number, identification (SPC-4, 7.8). */
static size_t inquire_page(Disk *disk, uint8_t page) {
        static const uint8_t pages[] = { 0x00, 0x80, 0x83 };
        uint8_t *data = disk->data;

        memset(data, 0, 32);
        data[1] = page;
        if (page == 0x00) {
                data[3] = sizeof(pages);
                memcpy(data + 4, pages, sizeof(pages));
        } else if (page == 0x80) {
                data[3] = 8;
                memcpy(data + 4, "LAB00001", 8);
        } else {
                data[3] = 12;
                data[4] = 1;    /* binary */
                data[5] = 0x03; /* NAA */
                data[7] = 8;
                put_64(data + 8, 0x3000000000000001);
        }
        if (!disk->options.has_garbage)
                return (size_t) 4 + data[3];
        fill_with_garbage(data + 4, 508, page);
        put_16(data + 2, 0xFFFF);
        return 512;
}

static void inquire(Disk *disk, DiskCommand *command) {
        const uint8_t *cdb = command->cdb;
        size_t allocation = get_16(cdb + 3), size = 36;

        if (cdb[1] & 0x01) {
                if (disk->options.is_ufi || (cdb[2] != 0x00 && cdb[2] != 0x80 && cdb[2] != 0x83)) {
                        refuse(disk, command, ASC_INVALID_FIELD);
                        return;
                }
                size = inquire_page(disk, cdb[2]);
        } else {
                inquire_standard(disk, command);
        }
        answer(command, size, allocation);
}

static void tell_capacity_10(Disk *disk, DiskCommand *command) {
        uint64_t last = disk->options.has_last_lba_10 ? disk->options.last_lba_10
                                                      : disk->n_blocks - 1;

        put_32(disk->data, (uint32_t) MIN(last, (uint64_t) UINT32_MAX));
        put_32(disk->data + 4, told_block_size(disk));
        answer(command, 8, 8);
}

static void tell_capacity_16(Disk *disk, DiskCommand *command) {
        if ((command->cdb[1] & 0x1F) != 0x10) {
                refuse(disk, command, ASC_INVALID_FIELD);
                return;
        }
        memset(disk->data, 0, 32);
        put_64(disk->data,
               disk->options.has_last_lba_16 ? disk->options.last_lba_16 : disk->n_blocks - 1);
        put_32(disk->data + 8, told_block_size(disk));
        answer(command, 32, get_32(command->cdb + 10));
}

/* One descriptor: formatted medium (MMC-5, 6.23). */
static void tell_format_capacities(Disk *disk, DiskCommand *command) {
        memset(disk->data, 0, 12);
        disk->data[3] = 8;
        put_32(disk->data + 4, (uint32_t) disk->n_blocks);
        put_32(disk->data + 8, 0x02000000 | DISK_BLOCK_SIZE);
        answer(command, 12, get_16(command->cdb + 7));
}

/* The caching page, as most disks have it (SBC-3, 6.4.5). */
static void tell_modes(Disk *disk, DiskCommand *command) {
        bool is_long = command->cdb[0] == 0x5A;
        size_t header = is_long ? 8 : 4;
        uint8_t *page = disk->data + header;

        memset(disk->data, 0, header + 20);
        page[0] = 0x08;
        page[1] = 18;
        page[2] = 0x04; /* WCE */
        if (disk->options.has_garbage)
                fill_with_garbage(page, 20, 8);
        if (is_long)
                put_16(disk->data,
                       disk->options.has_garbage ? 0xFFFF : (uint16_t) (header + 20 - 2));
        else
                disk->data[0] = disk->options.has_garbage ? 0xFF : (uint8_t) (header + 20 - 1);
        answer(command, header + 20, is_long ? get_16(command->cdb + 7) : command->cdb[4]);
}

static void tell_luns(Disk *disk, DiskCommand *command) {
        memset(disk->data, 0, 16);
        disk->data[3] = 8;
        answer(command, 16, get_32(command->cdb + 6));
}

static void tell_sense(Disk *disk, DiskCommand *command) {
        memcpy(disk->data, disk->sense, sizeof(disk->sense));
        answer(command, sizeof(disk->sense), command->cdb[4]);
        set_sense(disk, 0, 0, 0);
}

/* How many of the blocks are read well. */
static uint64_t n_good_blocks(Disk *disk, DiskCommand *command) {
        const FaultOccasion *occasion = &command->occasion;
        const Fault *fault = fault_plan_take(disk->plan, FAULT_MEDIUM_ERROR, occasion);
        bool has_information = fault;

        if (!fault)
                fault = fault_plan_take(disk->plan, FAULT_MEDIUM_ERROR_BARE, occasion);
        if (!fault)
                return occasion->n_blocks;

        disk_fail(disk, command, KEY_MEDIUM_ERROR, ASC_READ_ERROR, 0);
        if (has_information)
                set_information(disk, (uint32_t) fault->argument);
        return fault->argument - occasion->lba;
}

static void read_blocks(Disk *disk, DiskCommand *command) {
        size_t size = (size_t) n_good_blocks(disk, command) * DISK_BLOCK_SIZE;

        if (pread(disk->image_fd, disk->data, size,
                  (off_t) command->occasion.lba * DISK_BLOCK_SIZE) != (ssize_t) size) {
                refuse(disk, command, ASC_LBA_OUT_OF_RANGE);
                return;
        }
        answer(command, size, size);
}

static void access_blocks(Disk *disk, DiskCommand *command, DiskDirection direction) {
        uint64_t lba = command->occasion.lba, n_blocks = command->occasion.n_blocks;

        if (lba >= disk->n_blocks || n_blocks > disk->n_blocks - lba) {
                refuse(disk, command, ASC_LBA_OUT_OF_RANGE);
                return;
        }
        if (n_blocks * DISK_BLOCK_SIZE > DISK_DATA_SIZE_MAX) {
                refuse(disk, command, ASC_INVALID_FIELD);
                return;
        }
        if (direction == DISK_DIRECTION_IN) {
                read_blocks(disk, command);
                return;
        }
        command->direction = DISK_DIRECTION_OUT;
        command->size = (size_t) n_blocks * DISK_BLOCK_SIZE;
}

void disk_finish(Disk *disk, DiskCommand *command, size_t size) {
        size -= size % DISK_BLOCK_SIZE;
        if (pwrite(disk->image_fd, disk->data, size,
                   (off_t) command->occasion.lba * DISK_BLOCK_SIZE) != (ssize_t) size)
                disk_fail(disk, command, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR, 0);
}

static bool is_long_command(uint8_t opcode) { return opcode >= 0x80; }

static void dispatch(Disk *disk, DiskCommand *command) {
        switch (command->cdb[0]) {
        case 0x00: /* TEST UNIT READY */
        case 0x1B: /* START STOP UNIT */
        case 0x1E: /* PREVENT ALLOW MEDIUM REMOVAL */
        case 0x2F: /* VERIFY(10), without data */
        case 0x35: /* SYNCHRONIZE CACHE(10) */
                return;
        case 0x12:
                inquire(disk, command);
                return;
        case 0x1A:
        case 0x5A:
                tell_modes(disk, command);
                return;
        case 0x23:
                tell_format_capacities(disk, command);
                return;
        case 0x25:
                tell_capacity_10(disk, command);
                return;
        case 0x9E:
                tell_capacity_16(disk, command);
                return;
        case 0xA0:
                tell_luns(disk, command);
                return;
        case 0x28:
        case 0x88:
                access_blocks(disk, command, DISK_DIRECTION_IN);
                return;
        case 0x2A:
        case 0x8A:
                access_blocks(disk, command, DISK_DIRECTION_OUT);
                return;
        default:
                refuse(disk, command, ASC_INVALID_OPCODE);
        }
}

static FaultOccasion occasion_of(const uint8_t *cdb) {
        FaultOccasion occasion = { .opcode = cdb[0] };

        if (cdb[0] == 0x28 || cdb[0] == 0x2A) {
                occasion.lba = get_32(cdb + 2);
                occasion.n_blocks = get_16(cdb + 7);
        } else if (cdb[0] == 0x88 || cdb[0] == 0x8A) {
                occasion.lba = get_64(cdb + 2);
                occasion.n_blocks = get_32(cdb + 10);
        }
        return occasion;
}

void disk_begin(Disk *disk, DiskCommand *command) {
        const Fault *fault;

        command->occasion = occasion_of(command->cdb);
        command->data = disk->data;
        if (command->cdb[0] == 0x03) {
                tell_sense(disk, command);
                return;
        }
        set_sense(disk, 0, 0, 0);
        fault = fault_plan_take(disk->plan, FAULT_SENSE, &command->occasion);
        if (fault)
                disk_fail(disk, command, fault->sense[0], fault->sense[1], fault->sense[2]);
        else if (command->lun > 0 && !disk->options.aliases_luns && command->cdb[0] != 0x12)
                refuse(disk, command, ASC_NO_UNIT);
        else if (disk->options.is_ufi && is_long_command(command->cdb[0]))
                refuse(disk, command, ASC_INVALID_OPCODE);
        else
                dispatch(disk, command);
}

bool disk_init(Disk *disk, const char *image, const DiskOptions *options, FaultPlan *plan) {
        struct stat status;

        disk->options = *options;
        disk->plan = plan;
        disk->image_fd = open(image, O_RDWR | O_CLOEXEC);
        if (disk->image_fd < 0 || fstat(disk->image_fd, &status) < 0)
                return false;
        disk->n_blocks = (uint64_t) status.st_size / DISK_BLOCK_SIZE;
        errno = EINVAL;
        return disk->n_blocks > 0;
}
