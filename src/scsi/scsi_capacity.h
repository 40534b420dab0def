#pragma once

/*
 * ScsiCapacity
 *
 * READ CAPACITY data of both lengths (SBC-3, "READ CAPACITY (10) parameter data" and (16)). Plain
 * data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCSI_CAPACITY_10_SIZE 8
#define SCSI_CAPACITY_16_SIZE 32

typedef struct ScsiCapacity {
        uint64_t last_lba;
        uint32_t block_size;
        uint32_t physical_block_size; /* at least block_size */
        bool is_provisioned;          /* LBPME */
        bool unmapped_reads_zero;     /* LBPRZ */
} ScsiCapacity;

/* -EBADMSG: too short. */
int scsi_capacity_parse_10(ScsiCapacity *ret, const uint8_t *bytes, size_t size);
int scsi_capacity_parse_16(ScsiCapacity *ret, const uint8_t *bytes, size_t size);
/* More blocks than READ CAPACITY(10) can tell. */
bool scsi_capacity_is_beyond_10(const ScsiCapacity *capacity);
/* A reader without a medium that answers with zeroes instead of NOT READY. */
bool scsi_capacity_is_empty(const ScsiCapacity *capacity);
/* A block size that is driven, and a size in bytes that off_t can tell. */
bool scsi_capacity_is_supported(const ScsiCapacity *capacity);
