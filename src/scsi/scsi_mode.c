/*
 * The reply to MODE SENSE for all pages: a header, block descriptors, pages. Each length in it is
 * the device's claim, and is held against what came.
 */

#include "scsi/scsi_mode.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "scsi/scsi_cdb.h"

#define PAGE_RBC_DEVICE_PARAMETERS 0x06
#define PAGE_CACHING 0x08
/* The shortest page has two bytes, so the walk ends by itself; the limit is for readers. */
#define PAGES_MAX (SCSI_MODE_SIZE / 2)

/* SBC-3, "Caching mode page"; RBC, "Device parameters page". */
static void scsi_mode_parse_page(ScsiMode *mode, const uint8_t *page, size_t size,
                                 uint8_t device_type) {
        bool is_rbc = device_type == SCSI_DEVICE_TYPE_RBC;
        bool is_subpage = page[0] & 0x40;
        uint8_t code = page[0] & 0x3F;

        if (is_subpage || size < 3)
                return;

        if (code == PAGE_CACHING) {
                mode->has_cache_page = true;
                mode->has_write_cache = page[2] & 0x04;
        } else if (is_rbc && code == PAGE_RBC_DEVICE_PARAMETERS) {
                mode->has_cache_page = true;
                mode->has_write_cache = !(page[2] & 0x01);
        }
}

static void scsi_mode_walk(ScsiMode *mode, const uint8_t *bytes, size_t size, uint8_t device_type) {
        size_t offset = 0;

        for (unsigned i = 0; i < PAGES_MAX && offset + 2 <= size; i++) {
                const uint8_t *page = bytes + offset;
                bool is_subpage = page[0] & 0x40;
                size_t page_size = (size_t) 2 + page[1];

                if (is_subpage) {
                        if (offset + 4 > size)
                                return;
                        page_size = (size_t) 4 + get_be16(page + 2);
                }
                scsi_mode_parse_page(mode, page, MIN(page_size, size - offset), device_type);
                offset += page_size;
        }
}

int scsi_mode_parse(ScsiMode *ret, const uint8_t *bytes, size_t size, bool is_10,
                    uint8_t device_type) {
        size_t header_size = is_10 ? 8 : 4;
        size_t end;
        size_t pages;
        ScsiMode mode;

        if (size < header_size)
                return -EBADMSG;

        end = is_10 ? (size_t) 2 + get_be16(bytes) : (size_t) 1 + bytes[0];
        pages = header_size + (is_10 ? get_be16(bytes + 6) : bytes[3]);
        mode = (ScsiMode){
                .is_read_only = bytes[is_10 ? 3 : 2] & 0x80,
                .has_fua = bytes[is_10 ? 3 : 2] & 0x10,
        };
        end = MIN(end, size);
        if (pages < end)
                scsi_mode_walk(&mode, bytes + pages, end - pages, device_type);

        *ret = mode;
        return 0;
}
