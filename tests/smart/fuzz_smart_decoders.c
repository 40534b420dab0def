/*
 * Fuzz target: a drive's answers, one after the other into the same SmartData, with any bytes. A
 * chunk is a byte that chooses the decoder, one whose bit 0 has the checksums put right, two of
 * size, and what came. An answer that is no good never leaves a drive that is called good.
 */

#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "smart/smart_ata.h"
#include "smart/smart_nvme.h"
#include "smart/smart_scsi.h"
#include "smart/smart_verdict.h"

#define CHUNK_HEADER_SIZE 4
#define CHUNKS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef SmartAnswer (*Decode)(SmartData *data, const uint8_t *bytes, size_t size);

static SmartAnswer decode_status(SmartData *data, const uint8_t *bytes, size_t size) {
        SmartAtaRegisters registers = { .lba = size >= 3 ? get_be24(bytes) : 0 };

        return smart_ata_decode_status(data, &registers);
}

/* Each page, chosen by its own code. */
static SmartAnswer decode_page(SmartData *data, const uint8_t *bytes, size_t size) {
        static const SmartScsiPage pages[] = {
                SMART_SCSI_PAGE_LIST,          SMART_SCSI_PAGE_WRITE_COUNTERS,
                SMART_SCSI_PAGE_READ_COUNTERS, SMART_SCSI_PAGE_VERIFY_COUNTERS,
                SMART_SCSI_PAGE_NON_MEDIUM,    SMART_SCSI_PAGE_TEMPERATURE,
                SMART_SCSI_PAGE_START_STOP,    SMART_SCSI_PAGE_SELF_TESTS,
                SMART_SCSI_PAGE_ENDURANCE,     SMART_SCSI_PAGE_BACKGROUND_SCAN,
                SMART_SCSI_PAGE_EXCEPTIONS,
        };

        for (size_t i = 0; i < N_ELEMENTS(pages); i++)
                if (size > 0 && bytes[0] == pages[i])
                        return smart_scsi_decode_page(data, pages[i], bytes, size);
        return smart_scsi_decode_page(data, SMART_SCSI_PAGE_LIST, bytes, size);
}

static SmartAnswer decode_sense(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_scsi_decode_sense(data, size > 0 ? bytes[0] : 0, size > 1 ? bytes[1] : 0);
}

static SmartAnswer decode_defects_10(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_scsi_decode_defects(data, bytes, size, /* is_12= */ false);
}

static SmartAnswer decode_defects_12(SmartData *data, const uint8_t *bytes, size_t size) {
        return smart_scsi_decode_defects(data, bytes, size, /* is_12= */ true);
}

static const Decode decoders[] = {
        smart_ata_decode_identity,
        smart_ata_decode_attributes,
        smart_ata_decode_thresholds,
        decode_status,
        smart_ata_decode_error_log,
        smart_ata_decode_extended_error_log,
        smart_ata_decode_self_tests,
        smart_nvme_decode_identity,
        smart_nvme_decode_health,
        smart_nvme_decode_self_tests,
        smart_nvme_decode_error_log,
        decode_page,
        decode_sense,
        decode_defects_10,
        decode_defects_12,
};

static void fix_checksums(uint8_t *bytes, size_t size) {
        for (size_t i = 0; i + SMART_ATA_SECTOR_SIZE <= size; i += SMART_ATA_SECTOR_SIZE) {
                uint8_t sum = 0;

                for (size_t j = 0; j < SMART_ATA_SECTOR_SIZE - 1; j++)
                        sum = (uint8_t) (sum + bytes[i + j]);
                bytes[i + SMART_ATA_SECTOR_SIZE - 1] = (uint8_t) -sum;
        }
}

static void check_text(const char *text, size_t size) {
        size_t length = strnlen(text, size);

        assert(length < size);
        for (size_t i = 0; i < length; i++)
                assert(text[i] >= 0x20 && text[i] < 0x7F);
}

static bool is_broken(SmartAnswer answer) {
        return answer == SMART_ANSWER_TRUNCATED || answer == SMART_ANSWER_CHECKSUM ||
               answer == SMART_ANSWER_ABSURD;
}

static void check_data(const SmartData *data) {
        SmartVerdict verdict;
        bool has_broken = false;

        check_text(data->identity.model, sizeof(data->identity.model));
        check_text(data->identity.serial, sizeof(data->identity.serial));
        check_text(data->identity.firmware, sizeof(data->identity.firmware));
        assert(data->n_attributes <= SMART_ATTRIBUTES_MAX);
        assert(data->n_error_entries <= SMART_ERRORS_MAX);
        assert(data->self_tests.n_entries <= SMART_SELF_TESTS_MAX);
        assert(data->scsi.n_pages <= SMART_PAGES_MAX);
        for (size_t i = 0; i < data->n_attributes; i++)
                assert(data->attributes[i].state < _SMART_ATTRIBUTE_STATE_MAX);
        for (size_t i = 0; i < data->self_tests.n_entries; i++)
                assert(data->self_tests.entries[i].result < _SMART_SELF_TEST_RESULT_MAX);
        for (SmartSection section = 0; section < _SMART_SECTION_MAX; section++)
                has_broken |= is_broken(data->answers[section]);
        smart_verdict(data, &verdict);
        check_text(verdict.reason, sizeof(verdict.reason));
        assert(verdict.kind != SMART_VERDICT_KIND_GOOD || !has_broken);
        assert(verdict.kind == SMART_VERDICT_KIND_GOOD || verdict.reason[0] != '\0');
}

/* Returns the chunk's size. */
static size_t feed(SmartData *smart, const uint8_t *chunk, size_t size) {
        size_t n = MIN(size - CHUNK_HEADER_SIZE, (size_t) get_le16(chunk + 2));
        /* Exactly as large as what came, so that a sanitizer sees each byte read past it. */
        _cleanup_(freep) uint8_t *bytes = malloc(MAX(n, (size_t) 1));

        if (!bytes)
                return size;
        memcpy(bytes, chunk + CHUNK_HEADER_SIZE, n);
        if (chunk[1] & 1)
                fix_checksums(bytes, n);
        decoders[chunk[0] % N_ELEMENTS(decoders)](smart, bytes, n);
        return CHUNK_HEADER_SIZE + n;
}

/* The first byte is the kind. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        SmartData smart;

        if (size < 1)
                return 0;
        smart_data_init(&smart, data[0] % _SMART_KIND_MAX);
        data++;
        size--;
        for (unsigned i = 0; i < CHUNKS_MAX && size > CHUNK_HEADER_SIZE; i++) {
                size_t n = feed(&smart, data, size);

                check_data(&smart);
                data += n;
                size -= n;
        }
        return 0;
}
