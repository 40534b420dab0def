#pragma once

/*
 * SmartScsi
 *
 * The log pages of SCSI drives (SPC-4, 7.3, and SBC-3, 6.4), decoded into SmartData. A page tells
 * its code, which must be the one that was asked for.
 */

#include "smart/smart_data.h"

typedef enum SmartScsiPage {
        SMART_SCSI_PAGE_LIST = 0x00,
        SMART_SCSI_PAGE_WRITE_COUNTERS = 0x02,
        SMART_SCSI_PAGE_READ_COUNTERS = 0x03,
        SMART_SCSI_PAGE_VERIFY_COUNTERS = 0x05,
        SMART_SCSI_PAGE_NON_MEDIUM = 0x06,
        SMART_SCSI_PAGE_TEMPERATURE = 0x0D,
        SMART_SCSI_PAGE_START_STOP = 0x0E,
        SMART_SCSI_PAGE_SELF_TESTS = 0x10,
        SMART_SCSI_PAGE_ENDURANCE = 0x11,
        SMART_SCSI_PAGE_BACKGROUND_SCAN = 0x15,
        SMART_SCSI_PAGE_EXCEPTIONS = 0x2F,
} SmartScsiPage;

/* What comes to a LOG SENSE of `page`. Notes in the page's section what it returns. */
SmartAnswer smart_scsi_decode_page(SmartData *data, SmartScsiPage page, const uint8_t *bytes,
                                   size_t size);
/* Which section a page is noted in, also where it cannot be had. */
SmartSection smart_scsi_page_get_section(SmartScsiPage page);
/* True if the drive lists it: only such pages may be asked for. */
bool smart_scsi_has_page(const SmartData *data, SmartScsiPage page);
/* Instead of page 2Fh, from what REQUEST SENSE brings. No sense is no good sign: whoever knows no
 * exceptions has none either. */
SmartAnswer smart_scsi_decode_sense(SmartData *data, uint8_t asc, uint8_t ascq);
/* READ DEFECT DATA of the grown list; (10) and (12) have headers of different sizes. */
SmartAnswer smart_scsi_decode_defects(SmartData *data, const uint8_t *bytes, size_t size,
                                      bool is_12);
