/*
 * Sense data in its two formats, as devices send it: too short, with a wrong additional length, or
 * with bytes that mean nothing. What lies beyond the bytes that came counts as zero.
 */

#include "scsi/scsi_sense.h"

#include <ctype.h>
#include <errno.h>
#include <scsi/sg_lib.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"

/* SPC-4, table "Sense data response codes". */
#define RESPONSE_FIXED_CURRENT 0x70
#define RESPONSE_FIXED_DEFERRED 0x71
#define RESPONSE_DESCRIPTOR_CURRENT 0x72
#define RESPONSE_DESCRIPTOR_DEFERRED 0x73

/* Where a format is long enough to hold a sense key. */
#define FIXED_SIZE_MIN 3
#define DESCRIPTOR_SIZE_MIN 4

#define DESCRIPTOR_INFORMATION 0x00
#define DESCRIPTOR_SENSE_KEY_SPECIFIC 0x02
#define DESCRIPTORS_MAX 32

/* The sense-key specific field tells progress for these keys alone. */
static bool scsi_sense_key_has_progress(ScsiSenseKey key) {
        return key == SCSI_SENSE_KEY_NO_SENSE || key == SCSI_SENSE_KEY_NOT_READY;
}

static void scsi_sense_decode_specific(ScsiSense *sense, const uint8_t *bytes) {
        if (!(bytes[0] & 0x80) || !scsi_sense_key_has_progress(sense->key))
                return;

        sense->has_progress = true;
        sense->progress = get_be16(bytes + 1);
}

/* SPC-4, "Fixed format sense data". The additional length is not believed: devices that leave it
   zero fill in the rest none the less. */
static void scsi_sense_decode_fixed(ScsiSense *sense, const uint8_t *bytes, size_t size) {
        sense->key = bytes[2] & 0x0F;
        if (size >= 7 && (bytes[0] & 0x80)) {
                sense->has_information = true;
                sense->information = get_be32(bytes + 3);
        }
        if (size >= 13)
                sense->asc = bytes[12];
        if (size >= 14)
                sense->ascq = bytes[13];
        if (size >= 18)
                scsi_sense_decode_specific(sense, bytes + 15);
}

static void scsi_sense_decode_one(ScsiSense *sense, const uint8_t *descriptor, size_t size) {
        switch (descriptor[0]) {
        case DESCRIPTOR_INFORMATION:
                if (size >= 12 && (descriptor[2] & 0x80)) {
                        sense->has_information = true;
                        sense->information = get_be64(descriptor + 4);
                }
                break;
        case DESCRIPTOR_SENSE_KEY_SPECIFIC:
                if (size >= 7)
                        scsi_sense_decode_specific(sense, descriptor + 4);
                break;
        }
}

/* SPC-4, "Descriptor format sense data". */
static void scsi_sense_decode_descriptors(ScsiSense *sense, const uint8_t *bytes, size_t size) {
        size_t end = size > 8 ? MIN(size, (size_t) 8 + bytes[7]) : 0;
        size_t offset = 8;

        sense->key = bytes[1] & 0x0F;
        sense->asc = bytes[2];
        sense->ascq = bytes[3];
        for (unsigned i = 0; i < DESCRIPTORS_MAX && offset + 2 <= end; i++) {
                size_t descriptor_size = (size_t) 2 + bytes[offset + 1];

                scsi_sense_decode_one(sense, bytes + offset, MIN(descriptor_size, end - offset));
                offset += descriptor_size;
        }
}

int scsi_sense_decode(ScsiSense *sense, const uint8_t *bytes, size_t size) {
        uint8_t response_code;

        if (size < FIXED_SIZE_MIN)
                return -EBADMSG;

        response_code = bytes[0] & 0x7F;
        switch (response_code) {
        case RESPONSE_FIXED_CURRENT:
        case RESPONSE_FIXED_DEFERRED:
                *sense = (ScsiSense){ .is_deferred = response_code == RESPONSE_FIXED_DEFERRED };
                scsi_sense_decode_fixed(sense, bytes, size);
                return 0;
        case RESPONSE_DESCRIPTOR_CURRENT:
        case RESPONSE_DESCRIPTOR_DEFERRED:
                if (size < DESCRIPTOR_SIZE_MIN)
                        return -EBADMSG;
                *sense = (ScsiSense){ .is_deferred = response_code ==
                                                     RESPONSE_DESCRIPTOR_DEFERRED };
                scsi_sense_decode_descriptors(sense, bytes, size);
                return 0;
        default:
                return -EBADMSG;
        }
}

const char *scsi_sense_key_to_string(ScsiSenseKey key) {
        switch (key) {
        case SCSI_SENSE_KEY_NO_SENSE:
                return "no sense";
        case SCSI_SENSE_KEY_RECOVERED_ERROR:
                return "recovered error";
        case SCSI_SENSE_KEY_NOT_READY:
                return "not ready";
        case SCSI_SENSE_KEY_MEDIUM_ERROR:
                return "medium error";
        case SCSI_SENSE_KEY_HARDWARE_ERROR:
                return "hardware error";
        case SCSI_SENSE_KEY_ILLEGAL_REQUEST:
                return "illegal request";
        case SCSI_SENSE_KEY_UNIT_ATTENTION:
                return "unit attention";
        case SCSI_SENSE_KEY_DATA_PROTECT:
                return "data protect";
        case SCSI_SENSE_KEY_BLANK_CHECK:
                return "blank check";
        case SCSI_SENSE_KEY_VENDOR_SPECIFIC:
                return "vendor specific";
        case SCSI_SENSE_KEY_COPY_ABORTED:
                return "copy aborted";
        case SCSI_SENSE_KEY_ABORTED_COMMAND:
                return "aborted command";
        case SCSI_SENSE_KEY_RESERVED:
                return "reserved";
        case SCSI_SENSE_KEY_VOLUME_OVERFLOW:
                return "volume overflow";
        case SCSI_SENSE_KEY_MISCOMPARE:
                return "miscompare";
        case SCSI_SENSE_KEY_COMPLETED:
                return "completed";
        case _SCSI_SENSE_KEY_MAX:
                break;
        }

        assert_not_reached();
}

/* ", unrecovered read error" as sg3_utils has it; "" where it knows no words. */
static void scsi_sense_find_words(const ScsiSense *sense, char *words, size_t size) {
        static const char prefix[] = "Additional sense: ";
        char text[128];
        size_t length = strlen(prefix);

        words[0] = '\0';
        sg_get_asc_ascq_str(sense->asc, sense->ascq, sizeof(text), text);
        if (strncmp(text, prefix, length) != 0)
                return;
        /* Not of an abbreviation. */
        if (islower((unsigned char) text[length + 1]))
                text[length] = (char) tolower((unsigned char) text[length]);
        snprintf(words, size, ", %s", text + length);
}

const char *scsi_sense_format(const ScsiSense *sense, char *text, size_t size) {
        char details[40] = "", words[128];

        assert(size > 0);

        if (sense->has_information)
                snprintf(details, sizeof(details), " at block %llu",
                         (unsigned long long) sense->information);
        else if (sense->has_progress)
                snprintf(details, sizeof(details), ", %u%% done", sense->progress * 100U / 65536);
        scsi_sense_find_words(sense, words, sizeof(words));
        snprintf(text, size, "%s%s%s (%02x/%02x)%s", sense->is_deferred ? "deferred " : "",
                 scsi_sense_key_to_string(sense->key), words, sense->asc, sense->ascq, details);
        return text;
}
