#pragma once

/*
 * ScsiSense
 *
 * Sense data, decoded from either format (SPC-4, 4.5). Plain data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ScsiSenseKey {
        SCSI_SENSE_KEY_NO_SENSE = 0x0,
        SCSI_SENSE_KEY_RECOVERED_ERROR = 0x1,
        SCSI_SENSE_KEY_NOT_READY = 0x2,
        SCSI_SENSE_KEY_MEDIUM_ERROR = 0x3,
        SCSI_SENSE_KEY_HARDWARE_ERROR = 0x4,
        SCSI_SENSE_KEY_ILLEGAL_REQUEST = 0x5,
        SCSI_SENSE_KEY_UNIT_ATTENTION = 0x6,
        SCSI_SENSE_KEY_DATA_PROTECT = 0x7,
        SCSI_SENSE_KEY_BLANK_CHECK = 0x8,
        SCSI_SENSE_KEY_VENDOR_SPECIFIC = 0x9,
        SCSI_SENSE_KEY_COPY_ABORTED = 0xA,
        SCSI_SENSE_KEY_ABORTED_COMMAND = 0xB,
        SCSI_SENSE_KEY_RESERVED = 0xC,
        SCSI_SENSE_KEY_VOLUME_OVERFLOW = 0xD,
        SCSI_SENSE_KEY_MISCOMPARE = 0xE,
        SCSI_SENSE_KEY_COMPLETED = 0xF,
        _SCSI_SENSE_KEY_MAX,
} ScsiSenseKey;

typedef struct ScsiSense {
        ScsiSenseKey key;
        uint8_t asc;
        uint8_t ascq;
        bool is_deferred; /* of an earlier command (response codes 71h, 73h) */
        bool has_information;
        uint64_t information; /* for READ and WRITE the LBA that failed */
        bool has_progress;
        uint16_t progress; /* of 65536 */
} ScsiSense;

/* An ASC and ASCQ as one number, for tables: 0x0403. */
#define SCSI_ASC_ASCQ(sense) ((uint16_t) ((sense)->asc << 8 | (sense)->ascq))

/* -EBADMSG: the bytes are no sense data (too few, or an unknown response code). */
int scsi_sense_decode(ScsiSense *sense, const uint8_t *bytes, size_t size);
const char *scsi_sense_key_to_string(ScsiSenseKey key);
/* "medium error, unrecovered read error (11/00) at block 1234" into `text`, which is returned. */
#define SCSI_SENSE_TEXT_SIZE 192
const char *scsi_sense_format(const ScsiSense *sense, char *text, size_t size);
