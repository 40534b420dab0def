/*
 * INQUIRY with its pages, MODE SENSE, REQUEST SENSE, REPORT LUNS, PREVENT ALLOW: what SPC-4 asks of
 * any device, with the disk's own pages (SBC-3, 6.4 and 6.6) among the others of their kind.
 */

#include <string.h>

#include "base/bytes.h"
#include "simulator/simulated_disk.h"
#include "simulator/simulated_log.h"
#include "simulator/simulated_primary.h"

#define INQUIRY_SIZE 96
#define REVISION "1.00"
/* SPC-4, 6.4.2: no such LUN (peripheral qualifier 3, device type 1F). */
#define NO_PERIPHERAL 0x7F

void simulated_primary_test_unit_ready(SimulatedCommand *command) {}

/* SPC-4, 6.39: a pending attention is told here too, and cleared by it. */
void simulated_primary_request_sense(SimulatedCommand *command) {
        uint8_t bytes[SIMULATED_SENSE_SIZE_MAX];
        SimulatedLun *lun = command->lun;
        SimulatedSense sense = { 0 };

        if (!lun) {
                sense = SIMULATED_SENSE_NO_SUCH_LUN;
        } else if (lun->sense.key != 0 || lun->sense.has_taskfile) {
                sense = lun->sense;
                lun->sense = (SimulatedSense){ 0 };
        } else if (lun->n_attentions > 0) {
                sense = lun->attentions[0];
                lun->n_attentions--;
                memmove(lun->attentions, lun->attentions + 1,
                        lun->n_attentions * sizeof(lun->attentions[0]));
        } else {
                sense = simulated_log_get_power_sense(lun);
        }

        bool is_descriptor_format = command->cdb[1] & 0x01;
        size_t size = simulated_sense_encode(&sense, is_descriptor_format, bytes);
        memcpy(simulated_command_respond(command, size, command->cdb[4]), bytes, size);
}

void simulated_primary_put_text(uint8_t *bytes, size_t size, const char *text) {
        memset(bytes, ' ', size);
        memcpy(bytes, text, strnlen(text, size));
}

static uint8_t get_device_type(const SimulatorSpec *spec) {
        switch (spec->type) {
        case SIMULATOR_TYPE_DISK:
                return 0x00;
        case SIMULATOR_TYPE_OPTICAL:
                return 0x05;
        }
        assert_not_reached();
}

/* SPC-4, 6.4.2; the version descriptors are SAM-5, SPC-4, SBC-3 and BOT without versions. */
static void standard_inquiry(SimulatedCommand *command, uint64_t allocation_size) {
        static const uint16_t versions[] = { 0x00A0, 0x0460, 0x04C0 };
        const SimulatorSpec *spec = &command->target->spec;
        uint8_t *bytes = simulated_command_respond(command, INQUIRY_SIZE, allocation_size);

        bytes[0] = command->lun ? get_device_type(spec) : NO_PERIPHERAL;
        bytes[1] = spec->is_removable ? 0x80 : 0x00;
        bytes[2] = spec->scsi_version;
        bytes[3] = 0x02; /* the response data format */
        bytes[4] = INQUIRY_SIZE - 5;
        simulated_primary_put_text(bytes + 8, 8, spec->vendor);
        simulated_primary_put_text(bytes + 16, 16, spec->model);
        simulated_primary_put_text(bytes + 32, 4, REVISION);
        for (size_t i = 0; i < N_ELEMENTS(versions); i++)
                put_be16(bytes + 58 + 2 * i, versions[i]);
}

/* Each fills the page behind its four-byte header and returns its length. */
typedef size_t (*PageFill)(SimulatedCommand *command, uint8_t *page);

static size_t page_supported(SimulatedCommand *command, uint8_t *page);

/* SPC-4, 7.8.18. */
static size_t page_serial(SimulatedCommand *command, uint8_t *page) {
        const char *serial = command->target->spec.serial;

        memcpy(page, serial, strlen(serial));
        return strlen(serial);
}

/* FNV-1a over what makes the LUN this LUN, so that its name survives a restart. */
static uint64_t lun_name(const SimulatedCommand *command) {
        const char *serial = command->target->spec.serial;
        uint64_t hash = UINT64_C(0xCBF29CE484222325);

        for (size_t i = 0; i < strlen(serial); i++)
                hash = (hash ^ (uint8_t) serial[i]) * UINT64_C(0x100000001B3);
        return (hash ^ command->lun_number) * UINT64_C(0x100000001B3);
}

/* SPC-4, 7.8.6: a locally assigned NAA name (type 3) and the vendor's text. */
static size_t page_identification(SimulatedCommand *command, uint8_t *page) {
        const SimulatorSpec *spec = &command->target->spec;
        size_t serial_size = strlen(spec->serial);

        page[0] = 0x01; /* binary */
        page[1] = 0x03; /* NAA, of the LUN */
        page[3] = 8;
        put_be64(page + 4,
                 (lun_name(command) & UINT64_C(0x0FFFFFFFFFFFFFFF)) | UINT64_C(0x3000000000000000));

        page[12] = 0x02; /* ASCII */
        page[13] = 0x01; /* T10 vendor identification, of the LUN */
        page[15] = (uint8_t) (8 + serial_size);
        simulated_primary_put_text(page + 16, 8, spec->vendor);
        memcpy(page + 24, spec->serial, serial_size);
        return 24 + serial_size;
}

/* SBC-3, 6.6.4. */
static size_t page_block_limits(SimulatedCommand *command, uint8_t *page) {
        const SimulatorSpec *spec = &command->target->spec;

        put_be16(page + 2, (uint16_t) (spec->physical_block_size / spec->block_size));
        if (spec->has_unmap) {
                put_be32(page + 16, SIMULATED_DISK_UNMAP_BLOCKS_MAX);
                put_be32(page + 20, SIMULATED_DISK_UNMAP_DESCRIPTORS_MAX);
                put_be32(page + 24, (uint32_t) (SIMULATED_MEDIUM_CHUNK_SIZE / spec->block_size));
                put_be32(page + 28, UINT32_C(0x80000000)); /* aligned to block 0 */
        }
        put_be64(page + 32, SIMULATED_DISK_WRITE_SAME_BLOCKS_MAX);
        return 60;
}

/* SBC-3, 6.6.2. */
static size_t page_characteristics(SimulatedCommand *command, uint8_t *page) {
        put_be16(page, command->target->spec.rotation_rate);
        return 60;
}

/* SBC-3, 6.6.3. */
static size_t page_provisioning(SimulatedCommand *command, uint8_t *page) {
        if (command->target->spec.has_unmap) {
                page[1] = 0x80 | 0x40 | 0x20 | 0x04; /* LBPU, LBPWS, LBPWS10, LBPRZ */
                page[2] = 0x02;                      /* thin */
        }
        return 4;
}

typedef struct InquiryPage {
        uint8_t code;
        PageFill fill;
} InquiryPage;

/* In ascending order: SPC-4, 7.8.15. */
static const InquiryPage inquiry_pages[] = {
        { 0x00, page_supported },    { 0x80, page_serial },          { 0x83, page_identification },
        { 0xB0, page_block_limits }, { 0xB1, page_characteristics }, { 0xB2, page_provisioning },
};

static size_t page_supported(SimulatedCommand *command, uint8_t *page) {
        for (size_t i = 0; i < N_ELEMENTS(inquiry_pages); i++)
                page[i] = inquiry_pages[i].code;
        return N_ELEMENTS(inquiry_pages);
}

static void vital_product_data(SimulatedCommand *command, uint8_t code, uint64_t allocation_size) {
        for (size_t i = 0; i < N_ELEMENTS(inquiry_pages); i++) {
                if (inquiry_pages[i].code != code)
                        continue;

                uint8_t *bytes = simulated_command_respond(command, 256, allocation_size);
                size_t size = inquiry_pages[i].fill(command, bytes + 4);

                assert(size + 4 <= 256);
                bytes[1] = code;
                put_be16(bytes + 2, (uint16_t) size);
                command->data_size = MIN((uint64_t) size + 4, allocation_size);
                return;
        }
        simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
}

void simulated_primary_inquiry(SimulatedCommand *command) {
        uint64_t allocation_size = get_be16(command->cdb + 3);
        bool wants_page = command->cdb[1] & 0x01;

        if ((command->cdb[1] & 0xFE) != 0 || (!wants_page && command->cdb[2] != 0))
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
        else if (wants_page && !command->lun)
                simulated_command_fail(command, SIMULATED_SENSE_NO_SUCH_LUN);
        else if (wants_page)
                vital_product_data(command, command->cdb[2], allocation_size);
        else
                standard_inquiry(command, allocation_size);
}

/* SPC-4, 6.33. All LUNs are in peripheral addressing. */
void simulated_primary_report_luns(SimulatedCommand *command) {
        uint8_t report = command->cdb[2];
        uint32_t allocation_size = get_be32(command->cdb + 6);
        size_t n = report == 0x01 ? 0 : command->target->spec.n_luns; /* 1: well known ones */

        if (report > 0x02 || allocation_size < 16) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }

        uint8_t *bytes = simulated_command_respond(command, 8 + 8 * n, allocation_size);
        put_be32(bytes, (uint32_t) (8 * n));
        for (size_t i = 0; i < n; i++)
                bytes[8 + 8 * i + 1] = (uint8_t) i;
}

/* SPC-4, 7.5.7: what PAGE CONTROL asks for. */
typedef enum PageControl {
        PAGE_CONTROL_CURRENT,
        PAGE_CONTROL_CHANGEABLE, /* nothing is: all zeroes */
        PAGE_CONTROL_DEFAULT,
        PAGE_CONTROL_SAVED,
} PageControl;

/* SBC-3, 6.4.5. */
static size_t mode_page_caching(const SimulatedCommand *command, bool has_values, uint8_t *page) {
        page[0] = 0x08;
        page[1] = 0x12;
        if (has_values && command->target->spec.has_write_cache)
                page[2] = 0x04; /* WCE */
        return 20;
}

/* SPC-4, 7.5.11: everything off. */
static size_t mode_page_exceptions(uint8_t *page) {
        page[0] = 0x1C;
        page[1] = 0x0A;
        return 12;
}

static size_t put_mode_pages(const SimulatedCommand *command, uint8_t *bytes) {
        uint8_t wanted = command->cdb[2] & 0x3F;
        bool has_values = command->cdb[2] >> 6 != PAGE_CONTROL_CHANGEABLE;
        size_t size = 0;

        if (wanted == 0x08 || wanted == 0x3F)
                size += mode_page_caching(command, has_values, bytes + size);
        if (wanted == 0x1C || wanted == 0x3F)
                size += mode_page_exceptions(bytes + size);
        return size;
}

/* SBC-3, 6.4.2: the short and the long block descriptor. */
static size_t put_block_descriptor(const SimulatedCommand *command, bool is_long, uint8_t *bytes) {
        uint64_t n_blocks = command->lun->is_present ? command->lun->n_blocks : 0;

        if (is_long) {
                put_be64(bytes, n_blocks);
                put_be32(bytes + 12, command->target->spec.block_size);
                return 16;
        }
        put_be32(bytes, (uint32_t) MIN(n_blocks, (uint64_t) UINT32_MAX));
        put_be24(bytes + 5, command->target->spec.block_size);
        return 8;
}

/* SBC-3, 6.4.1: write protection, and that DPO and FUA are understood. MMC-6 reserves it. */
static uint8_t device_specific(const SimulatedCommand *command) {
        if (command->target->spec.type == SIMULATOR_TYPE_OPTICAL)
                return 0;
        return (command->lun->is_protected ? 0x80 : 0x00) | 0x10;
}

/* SPC-4, 6.11 and 6.12: they differ in their headers. */
void simulated_primary_mode_sense(SimulatedCommand *command) {
        const uint8_t *cdb = command->cdb;
        bool is_ten = cdb[0] == SIMULATED_OPCODE_MODE_SENSE_10;
        bool has_descriptor = !(cdb[1] & 0x08);
        bool is_long = is_ten && cdb[1] & 0x10; /* LLBAA */
        uint8_t page = cdb[2] & 0x3F;

        if (cdb[2] >> 6 == PAGE_CONTROL_SAVED) {
                simulated_command_fail(command, SIMULATED_SENSE_SAVING_UNSUPPORTED);
                return;
        }
        if ((page != 0x08 && page != 0x1C && page != 0x3F) ||
            (cdb[3] != 0x00 && !(page == 0x3F && cdb[3] == 0xFF))) {
                simulated_command_fail(command, SIMULATED_SENSE_INVALID_FIELD);
                return;
        }

        uint64_t allocation_size = is_ten ? get_be16(cdb + 7) : cdb[4];
        uint8_t *bytes = simulated_command_respond(command, 256, allocation_size);
        size_t header_size = is_ten ? 8 : 4, descriptor_size = 0;

        if (has_descriptor)
                descriptor_size = put_block_descriptor(command, is_long, bytes + header_size);
        size_t size = header_size + descriptor_size;
        size += put_mode_pages(command, bytes + size);

        if (is_ten) {
                put_be16(bytes, (uint16_t) (size - 2));
                bytes[3] = device_specific(command);
                bytes[4] = is_long && has_descriptor ? 0x01 : 0x00;
                put_be16(bytes + 6, (uint16_t) descriptor_size);
        } else {
                bytes[0] = (uint8_t) (size - 1);
                bytes[2] = device_specific(command);
                bytes[3] = (uint8_t) descriptor_size;
        }
        command->data_size = MIN((uint64_t) size, allocation_size);
}

/* SPC-4, 6.21. */
void simulated_primary_prevent_allow(SimulatedCommand *command) {
        command->lun->is_prevented = command->cdb[4] & 0x01;
}
