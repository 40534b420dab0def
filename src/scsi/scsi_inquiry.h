#pragma once

/*
 * ScsiInquiry
 *
 * Standard INQUIRY data (SPC-4, "Standard INQUIRY data"), parsed from whatever came. Plain data.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is asked for: exactly this, as larger lengths break devices. */
#define SCSI_INQUIRY_SIZE 36

typedef struct ScsiInquiry {
        uint8_t qualifier;
        uint8_t device_type;
        bool is_removable;
        uint8_t version;
        uint8_t response_data_format;
        char vendor[9];
        char product[17];
        char revision[5];
} ScsiInquiry;

/* What lies beyond `size` counts as empty. -EBADMSG: nothing came. */
int scsi_inquiry_parse(ScsiInquiry *ret, const uint8_t *bytes, size_t size);
/* Printable ASCII, others become '?', without blanks at both ends. `text` has room for `size` + 1.
 */
void scsi_inquiry_copy_text(char *text, const uint8_t *bytes, size_t size);
/* Whether the device claims a standard that has vital product data which can be relied on. */
bool scsi_inquiry_has_vpd(const ScsiInquiry *inquiry);
