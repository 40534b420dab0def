/*
 * Standard INQUIRY data. Its strings reach logs, file names and other programs, so nothing but
 * printable ASCII leaves here.
 */

#include "scsi/scsi_inquiry.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

/* SPC-4, "VERSION field". */
#define VERSION_SPC_2 4
#define VERSION_SPC_3 5
#define RESPONSE_DATA_FORMAT_STANDARD 2

static bool is_blank(uint8_t byte) { return byte == ' ' || byte == '\0'; }

void scsi_inquiry_copy_text(char *text, const uint8_t *bytes, size_t size) {
        while (size > 0 && is_blank(bytes[size - 1]))
                size--;
        for (; size > 0 && is_blank(bytes[0]); size--)
                bytes++;

        for (size_t i = 0; i < size; i++)
                text[i] = bytes[i] >= 0x20 && bytes[i] < 0x7F ? (char) bytes[i] : '?';
        text[size] = '\0';
}

int scsi_inquiry_parse(ScsiInquiry *ret, const uint8_t *bytes, size_t size) {
        uint8_t data[SCSI_INQUIRY_SIZE] = { 0 };

        if (size == 0)
                return -EBADMSG;

        memcpy(data, bytes, MIN(size, sizeof(data)));
        *ret = (ScsiInquiry){
                .qualifier = data[0] >> 5,
                .device_type = data[0] & 0x1F,
                .is_removable = data[1] & 0x80,
                .version = data[2],
                .response_data_format = data[3] & 0x0F,
        };
        scsi_inquiry_copy_text(ret->vendor, data + 8, 8);
        scsi_inquiry_copy_text(ret->product, data + 16, 16);
        scsi_inquiry_copy_text(ret->revision, data + 32, 4);
        return 0;
}

bool scsi_inquiry_has_vpd(const ScsiInquiry *inquiry) {
        if (inquiry->version >= VERSION_SPC_3)
                return true;
        return inquiry->version == VERSION_SPC_2 &&
               inquiry->response_data_format == RESPONSE_DATA_FORMAT_STANDARD;
}
