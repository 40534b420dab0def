/*
 * Fuzz target: any bytes as any of the answers that bring-up parses, and as sense. What a parser
 * lets through keeps the promises of its structure.
 */

#include <string.h>

#include "scsi/scsi_capacity.h"
#include "scsi/scsi_format_capacity.h"
#include "scsi/scsi_inquiry.h"
#include "scsi/scsi_media_event.h"
#include "scsi/scsi_mode.h"
#include "scsi/scsi_optical.h"
#include "scsi/scsi_sense.h"
#include "scsi/scsi_vpd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t size) {
        size_t length = strnlen(text, size);

        assert(length < size);
        for (size_t i = 0; i < length; i++)
                assert(text[i] >= 0x20 && text[i] < 0x7F);
}

static void fuzz_inquiry(const uint8_t *bytes, size_t size) {
        ScsiInquiry inquiry;

        if (scsi_inquiry_parse(&inquiry, bytes, size) < 0)
                return;
        check_text(inquiry.vendor, sizeof(inquiry.vendor));
        check_text(inquiry.product, sizeof(inquiry.product));
        check_text(inquiry.revision, sizeof(inquiry.revision));
        (void) scsi_inquiry_has_vpd(&inquiry);
}

static void fuzz_capacity(const uint8_t *bytes, size_t size, bool is_16) {
        ScsiCapacity capacity;
        int r;

        r = is_16 ? scsi_capacity_parse_16(&capacity, bytes, size)
                  : scsi_capacity_parse_10(&capacity, bytes, size);
        if (r < 0 || !scsi_capacity_is_supported(&capacity))
                return;
        assert(capacity.block_size >= 512 && capacity.block_size <= 4096);
        assert(capacity.physical_block_size >= capacity.block_size);
        assert(capacity.last_lba + 1 <= INT64_MAX / capacity.block_size);
}

static void fuzz_mode(const uint8_t *bytes, size_t size, bool is_10) {
        ScsiMode mode;

        if (scsi_mode_parse(&mode, bytes, size, is_10, SCSI_DEVICE_TYPE_RBC) >= 0)
                assert(mode.has_cache_page || !mode.has_write_cache);
}

static void fuzz_vpd(const uint8_t *bytes, size_t size, uint8_t page) {
        ScsiDisk disk = { .block_size = 512, .transfer_size_max = 122880 };
        size_t page_size;

        (void) scsi_vpd_parse_header(&page_size, page, bytes, size);
        (void) scsi_vpd_is_listed(page, bytes, size);
        scsi_vpd_parse(&disk, page, bytes, size);
        check_text(disk.serial, sizeof(disk.serial));
        check_text(disk.identifier, sizeof(disk.identifier));
        assert(disk.transfer_size_max >= 512 && disk.transfer_size_max <= 122880);
        assert(disk.transfer_size_max % 512 == 0);
        assert(disk.transfer_size_optimal <= disk.transfer_size_max);
}

static void fuzz_optical(const uint8_t *bytes, size_t size) {
        ScsiOptical optical = { 0 };
        ScsiCapacity capacity = { 0 };

        (void) scsi_optical_parse_configuration(&optical, bytes, size);
        (void) scsi_optical_parse_removable(&optical, bytes, size);
        (void) scsi_optical_parse_information(&optical, bytes, size);
        (void) scsi_optical_parse_toc(&optical, bytes, size);
        (void) scsi_optical_disc_get_obstacle(scsi_optical_judge(&optical));
        (void) scsi_capacity_parse_10(&capacity, bytes, size);
        if (!scsi_optical_fix_capacity(&capacity, &optical))
                return;
        assert(scsi_capacity_is_supported(&capacity));
        assert(capacity.last_lba > 0);
}

static void fuzz_format_capacity(const uint8_t *bytes, size_t size) {
        ScsiFormatCapacity format;

        if (scsi_format_capacity_parse(&format, bytes, size) < 0)
                return;
        assert(format.type >= SCSI_FORMAT_CAPACITY_TYPE_UNFORMATTED &&
               format.type <= SCSI_FORMAT_CAPACITY_TYPE_NO_MEDIUM);
        assert(format.block_size <= 0xFFFFFF);
}

static void fuzz_media_event(const uint8_t *bytes, size_t size) {
        ScsiMediaEvent event;

        if (scsi_media_event_parse(&event, bytes, size) >= 0)
                assert(event.code < _SCSI_MEDIA_EVENT_CODE_MAX);
}

static void fuzz_sense(const uint8_t *bytes, size_t size) {
        ScsiSense sense;
        char text[SCSI_SENSE_TEXT_SIZE];

        if (scsi_sense_decode(&sense, bytes, size) >= 0)
                check_text(scsi_sense_format(&sense, text, sizeof(text)), sizeof(text));
}

/* The first byte chooses the parser, the second a page, the rest is what came. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) uint8_t *bytes = NULL;
        size_t n;

        if (size < 2)
                return 0;

        /* Exactly as large as what came, so that a sanitizer sees each byte read past it. */
        n = size - 2;
        bytes = malloc(MAX(n, (size_t) 1));
        if (!bytes)
                return 0;
        memcpy(bytes, data + 2, n);

        switch (data[0] % 16) {
        case 0:
                fuzz_inquiry(bytes, n);
                break;
        case 1:
        case 2:
                fuzz_capacity(bytes, n, data[0] % 16 == 2);
                break;
        case 3:
        case 4:
                fuzz_mode(bytes, n, data[0] % 16 == 4);
                break;
        case 5:
                fuzz_vpd(bytes, n, data[1]);
                break;
        case 6:
                fuzz_sense(bytes, n);
                break;
        case 7:
                fuzz_optical(bytes, n);
                break;
        case 8:
                fuzz_media_event(bytes, n);
                break;
        case 9:
                fuzz_format_capacity(bytes, n);
                break;
        default: /* free for others */
                break;
        }
        return 0;
}
