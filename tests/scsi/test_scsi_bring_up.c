/* Bring-up dialogues with devices out of tables, and every step of them failing in turn. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scripted_transport.h"
#include "scsi/scsi_bring_up.h"
#include "scsi/scsi_processor.h"
#include "unit_test.h"

#define SWEEP_STEPS_MAX 64

/* Devices */

typedef struct InquiryData {
        uint8_t head[8];
        char strings[28];
} InquiryData;

static const InquiryData inquiry_modern = { { 0x00, 0x80, 0x06, 0x02, 31 },
                                            "ACME    Fast Stick 3    1.23" };
static const InquiryData inquiry_old = { { 0x00, 0x80, 0x02, 0x02, 31 },
                                         "Generic USB Flash Disk  8.07" };
static const InquiryData inquiry_disk = { { 0x00, 0x00, 0x06, 0x02, 31 },
                                          "Spinner Portable        0001" };
static const InquiryData inquiry_optical = { { 0x05, 0x80, 0x00, 0x02, 31 },
                                             "Disc    Writer          A000" };
static const InquiryData inquiry_tape = { { 0x01, 0x80, 0x00, 0x02, 31 },
                                          "Slow    Reel            A000" };
static const InquiryData inquiry_none = { { 0x7F, 0x00, 0x00, 0x02, 31 }, "" };
static const InquiryData inquiry_dirty = { { 0x00, 0x00, 0x02, 0x02, 255 },
                                           "\x01\x02 A\xFF"
                                           "BC\nevil\x1B[2J  \0\0\0\0\0\0rev\x7F" };

static const uint8_t capacity_1g[8] = { 0x00, 0x1F, 0xFF, 0xFF, 0, 0, 0x02, 0 };
static const uint8_t capacity_1g_no_block_size[8] = { 0x00, 0x1F, 0xFF, 0xFF };
static const uint8_t capacity_zeroes[8] = { 0 };
static const uint8_t capacity_disc[8] = { 0x00, 0x03, 0xFF, 0xFF, 0, 0, 0x08, 0 };
static const uint8_t capacity_raw[8] = { 0x00, 0x03, 0xFF, 0xFF, 0, 0, 0x09, 0x30 };
static const uint8_t configuration_dvd[8] = { 0, 0, 0, 4, 0, 0, 0x00, 0x10 };
static const uint8_t information_closed[34] = { 0, 32, 0x0E, 1, 1, 1, 1 };
static const uint8_t information_blank[34] = { 0, 32, 0x00, 1, 1, 1, 1 };
static const uint8_t toc_data[20] = { 0, 18, 1, 1,    0,    0x14, 1, 0, 0,    0,
                                      0, 0,  0, 0x14, 0xAA, 0,    0, 0, 0x10, 0 };
static const uint8_t toc_audio[20] = { 0, 18, 1, 1,    0,    0x10, 1, 0, 0,    0,
                                       0, 0,  0, 0x10, 0xAA, 0,    0, 0, 0x10, 0 };
static const uint8_t event_new[8] = { 0, 6, 0x04, 0x10, 2, 0x02 };
static const uint8_t event_none[8] = { 0, 6, 0x04, 0x10, 0, 0x02 };
static const uint8_t event_absent[8] = { 0, 6, 0x04, 0x10, 0, 0x00 };
static const uint8_t event_not_available[4] = { 0, 2, 0x80, 0x04 };
static const uint8_t format_unformatted[12] = { 0, 0, 0, 8, 0, 0, 0x0B, 0x40, 1, 0, 2, 0 };
static const uint8_t format_floppy[20] = { 0, 0, 0, 16, 0,    0,    0x0B, 0x40, 2, 0,
                                           2, 0, 0, 0,  0x0B, 0x40, 0,    0,    2, 0 };
static const uint8_t format_none[12] = { 0, 0, 0, 8, 0, 0, 0x0B, 0x40, 3, 0, 2, 0 };
static const uint8_t format_nothing[12] = { 0, 0, 0, 8, 0, 0, 0, 0, 2, 0, 2, 0 };
static const uint8_t capacity_4kn[8] = { 0x0F, 0xFF, 0xFF, 0xFF, 0, 0, 0x10, 0 };
static const uint8_t capacity_520[8] = { 0x0F, 0xFF, 0xFF, 0xFF, 0, 0, 0x02, 0x08 };
static const uint8_t capacity_beyond[8] = { 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x02, 0 };
static const uint8_t capacity_16_1g[32] = {
        [5] = 0x1F, 0xFF, 0xFF, [10] = 0x02, [13] = 0x03, [14] = 0xC0
};
static const uint8_t capacity_16_other[32] = { [5] = 0x2F, 0xFF, 0xFF, [10] = 0x02, [13] = 3 };
static const uint8_t capacity_16_8t[32] = { [3] = 3, 0xFF,        0xFF,       0xFF,
                                            0xFF,    [10] = 0x02, [13] = 0x03 };
static const uint8_t capacity_16_absurd[32] = { 0xFF, 0xFF, 0xFF, 0xFF,       0xFF,
                                                0xFF, 0xFF, 0xFF, [10] = 0x02 };

static const uint8_t mode_bare[4] = { 3 };
static const uint8_t mode_protected[4] = { 3, 0, 0x80 };
static const uint8_t mode_cache[] = { 43, 0, 0x10, 8,    [4] = 1, 2,           3,  4,    5,
                                      6,  7, 8,    0x01, 10,      [24] = 0x08, 18, 0x04, [43] = 0 };
static const uint8_t mode_10_protected[8] = { 0, 6, 0, 0x80 };

static const uint8_t vpd_list[] = { 0, 0x00, 0, 6, 0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2 };
static const uint8_t vpd_list_of_serial[] = { 0, 0x00, 0, 2, 0x00, 0x80 };
static const uint8_t vpd_serial[] = {
        0, 0x80, 0, 10, ' ', ' ', 'S', 'N', '-', '4', '2', ' ', 0, 0
};
static const uint8_t vpd_names[] = { 0,    0x83, 0,    20,  0x02, 0x01, 0,    4,
                                     'A',  'C',  'M',  'E', 0x01, 0x03, 0x00, 0x08,
                                     0x50, 0x01, 0x02, 0x3, 4,    5,    6,    7 };
static const uint8_t vpd_limits[64] = {
        0,    0xB0, 0,        60,       [10] = 0x00, 0x80, [15] = 0x40, [20] = 0x00, 0x00,
        0x10, 0x00, [27] = 1, [31] = 8, [40] = 0,    0,    0x80,        0x00
};
static const uint8_t vpd_characteristics[64] = { 0, 0xB1, 0, 60, 0, 1 };
static const uint8_t vpd_characteristics_5400[64] = { 0, 0xB1, 0, 60, 0x15, 0x18 };
static const uint8_t vpd_provisioning[8] = { 0, 0xB2, 0, 4, 0, 0xC4 };
static const uint8_t vpd_lying[] = { 0, 0x80, 0xFF, 0xFF, 'x' };
static const uint8_t lba_status[24] = { 0, 0, 0, 20 };

#define TEST_UNIT_READY SCRIPTED(0x00)
#define INQUIRY SCRIPTED(0x12, 0)
#define VPD(page) SCRIPTED(0x12, 1, page)
#define READ_CAPACITY_10 SCRIPTED(0x25)
#define READ_CAPACITY_16 SCRIPTED(0x9E, 0x10)
#define READ_FORMAT SCRIPTED(0x23)
#define FORMAT "READ FORMAT CAPACITIES"
#define CAPACITY_THRICE                                                                           \
        "READ CAPACITY(10), REQUEST SENSE, READ CAPACITY(10), REQUEST SENSE, READ CAPACITY(10), " \
        "REQUEST SENSE, "
#define READ_10 SCRIPTED(0x28)
#define MODE_SENSE_6 SCRIPTED(0x1A)
#define MODE_SENSE_10 SCRIPTED(0x5A)
#define GET_CONFIGURATION SCRIPTED(0x46)
#define READ_DISC_INFORMATION SCRIPTED(0x51)
#define READ_TOC SCRIPTED(0x43)
#define GET_EVENT SCRIPTED(0x4A, 0x01)
#define OPTICAL_START                                                                             \
        "INQUIRY, TEST UNIT READY, GET CONFIGURATION, GET CONFIGURATION, READ DISC INFORMATION, " \
        "READ TOC/PMA/ATIP"
#define EVENT "GET EVENT STATUS NOTIFICATION"
#define OPTICAL_DISC OPTICAL_START ", " EVENT ", REQUEST SENSE"
#define OPTICAL OPTICAL_DISC ", READ CAPACITY(10)"
#define INQUIRY_OF(data_) INQUIRY, .data = &(data_), .size = sizeof(data_)

static const ScriptedAnswer modern_stick[] = {
        { INQUIRY_OF(inquiry_modern) },
        { TEST_UNIT_READY, .n_times = 1, .sense = 0x062900 },
        { TEST_UNIT_READY },
        { READ_CAPACITY_10, SCRIPTED_DATA(capacity_1g) },
        { READ_CAPACITY_16, SCRIPTED_DATA(capacity_16_1g) },
        { READ_10 },
        { MODE_SENSE_6, SCRIPTED_DATA(mode_cache) },
        { VPD(0x00), SCRIPTED_DATA(vpd_list) },
        { VPD(0x80), SCRIPTED_DATA(vpd_serial) },
        { VPD(0x83), SCRIPTED_DATA(vpd_names) },
        { VPD(0xB0), SCRIPTED_DATA(vpd_limits) },
        { VPD(0xB1), SCRIPTED_DATA(vpd_characteristics) },
        { VPD(0xB2), SCRIPTED_DATA(vpd_provisioning) },
        { SCRIPTED(0x9E, 0x12), SCRIPTED_DATA(lba_status) },
};

/* A disk of the answers that `base` does not give. */
#define DISK_BASICS                                                                           \
        { TEST_UNIT_READY }, { READ_CAPACITY_10, SCRIPTED_DATA(capacity_1g) }, { READ_10 }, { \
                MODE_SENSE_6, SCRIPTED_DATA(mode_bare)                                        \
        }

#define DISC_BASICS                                                                   \
        { INQUIRY_OF(inquiry_optical) }, { TEST_UNIT_READY },                         \
                        { GET_CONFIGURATION, SCRIPTED_DATA(configuration_dvd) },      \
                        { READ_DISC_INFORMATION, SCRIPTED_DATA(information_closed) }, \
                        { READ_TOC, SCRIPTED_DATA(toc_data) },                        \
                        { READ_CAPACITY_10, SCRIPTED_DATA(capacity_disc) }, {         \
                READ_10                                                               \
        }

typedef struct BringUpCase {
        const char *what;
        ScriptedAnswer answers[12];
        ScsiBringUpResult result;
        const char *text; /* of the disk; see describe() */
        const char *trace;
} BringUpCase;

#define OLD "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ(10), MODE SENSE(6)"
#define OLD_TEXT "Generic|USB Flash Disk|8.07 2097152x512/512 removable"

static const BringUpCase bring_up_cases[] = {
        { "an old stick",
          { { INQUIRY_OF(inquiry_old) }, DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          OLD },
        { "an old stick that is late to say who it is",
          { { INQUIRY, .n_times = 1, .is_empty = true },
            { INQUIRY, .n_times = 1, .sense = 0x062800 },
            { INQUIRY_OF(inquiry_old) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          "INQUIRY, INQUIRY, REQUEST SENSE, " OLD },
        { "an old stick that is not ready any more",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, .n_times = 4, .sense = 0x020401 },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), REQUEST SENSE, READ CAPACITY(10), "
          "REQUEST SENSE, READ CAPACITY(10), REQUEST SENSE, READ CAPACITY(10), REQUEST SENSE, "
          "READ CAPACITY(10), READ(10), MODE SENSE(6)" },
        { "strings that want to write to a terminal",
          { { INQUIRY_OF(inquiry_dirty) }, DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "?? A?BC?|evil?[2J|rev? 2097152x512/512",
          OLD },
        { "no unit",
          { { INQUIRY_OF(inquiry_none) } },
          SCSI_BRING_UP_RESULT_NO_UNIT,
          NULL,
          "INQUIRY" },
        { "a tape drive",
          { { INQUIRY_OF(inquiry_tape) } },
          SCSI_BRING_UP_RESULT_UNSUPPORTED,
          "Slow|Reel|A000 removable",
          "INQUIRY" },
        { "a data disc",
          { { INQUIRY_OF(inquiry_optical) },
            { TEST_UNIT_READY },
            { GET_CONFIGURATION, SCRIPTED_DATA(configuration_dvd) },
            { READ_DISC_INFORMATION, SCRIPTED_DATA(information_closed) },
            { READ_TOC, SCRIPTED_DATA(toc_data) },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_disc) },
            { READ_10 } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 262144x2048/2048 removable protected no-events",
          OPTICAL ", READ(10)" },
        { "a drive that tells what happened to its disc",
          { DISC_BASICS,
            { GET_EVENT, .n_times = 1, SCRIPTED_DATA(event_new) },
            { GET_EVENT, SCRIPTED_DATA(event_none) } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 262144x2048/2048 removable protected events",
          OPTICAL_START ", " EVENT ", " EVENT ", READ CAPACITY(10), READ(10)" },
        { "a drive that is never done with telling",
          { DISC_BASICS, { GET_EVENT, SCRIPTED_DATA(event_new) } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 262144x2048/2048 removable protected events",
          OPTICAL_START ", " EVENT ", " EVENT ", " EVENT ", " EVENT ", " EVENT ", " EVENT ", " EVENT
                        ", " EVENT ", READ CAPACITY(10), READ(10)" },
        { "a drive that does not see its own disc",
          { DISC_BASICS, { GET_EVENT, SCRIPTED_DATA(event_absent) } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 262144x2048/2048 removable protected",
          OPTICAL_START ", " EVENT ", READ CAPACITY(10), READ(10)" },
        { "a drive that has events of no kind",
          { DISC_BASICS, { GET_EVENT, SCRIPTED_DATA(event_not_available) } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 262144x2048/2048 removable protected no-events",
          OPTICAL_START ", " EVENT ", READ CAPACITY(10), READ(10)" },
        { "a drive that falls silent over its events",
          { DISC_BASICS, { GET_EVENT, .hangs = true } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 262144x2048/2048 removable protected no-events",
          OPTICAL_START ", " EVENT ", READ CAPACITY(10), READ(10)" },
        { "a drive that knows READ CAPACITY alone, and raw sectors",
          { { INQUIRY_OF(inquiry_optical) },
            { TEST_UNIT_READY, .n_times = 1, .sense = 0x062800 },
            { TEST_UNIT_READY },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_raw) },
            { READ_10 } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 262144x2048/2048 removable protected",
          "INQUIRY, TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, GET CONFIGURATION, "
          "REQUEST SENSE, READ DISC INFORMATION, REQUEST SENSE, READ TOC/PMA/ATIP, REQUEST SENSE, "
          "READ CAPACITY(10), READ(10)" },
        { "a disc whose tracks tell its size",
          { { INQUIRY_OF(inquiry_optical) },
            { TEST_UNIT_READY },
            { GET_CONFIGURATION, SCRIPTED_DATA(configuration_dvd) },
            { READ_DISC_INFORMATION, SCRIPTED_DATA(information_closed) },
            { READ_TOC, SCRIPTED_DATA(toc_data) },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_zeroes) },
            { READ_10 } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 4096x2048/2048 removable protected no-events",
          OPTICAL ", READ(10)" },
        { "a disc of which nobody tells the size",
          { { INQUIRY_OF(inquiry_optical) },
            { TEST_UNIT_READY },
            { GET_CONFIGURATION, SCRIPTED_DATA(configuration_dvd) },
            { READ_DISC_INFORMATION, SCRIPTED_DATA(information_closed) },
            { READ_TOC, .is_empty = true },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_zeroes) } },
          SCSI_BRING_UP_RESULT_UNSUPPORTED,
          "Disc|Writer|A000 removable protected no-events",
          OPTICAL },
        { "a blank disc",
          { { INQUIRY_OF(inquiry_optical) },
            { TEST_UNIT_READY },
            { GET_CONFIGURATION, SCRIPTED_DATA(configuration_dvd) },
            { READ_DISC_INFORMATION, SCRIPTED_DATA(information_blank) },
            { READ_TOC, .is_empty = true } },
          SCSI_BRING_UP_RESULT_UNSUPPORTED,
          "Disc|Writer|A000 removable protected no-events",
          OPTICAL_DISC },
        { "an audio disc",
          { { INQUIRY_OF(inquiry_optical) },
            { TEST_UNIT_READY },
            { GET_CONFIGURATION, SCRIPTED_DATA(configuration_dvd) },
            { READ_DISC_INFORMATION, SCRIPTED_DATA(information_closed) },
            { READ_TOC, SCRIPTED_DATA(toc_audio) } },
          SCSI_BRING_UP_RESULT_UNSUPPORTED,
          "Disc|Writer|A000 removable protected no-events",
          OPTICAL_DISC },
        { "an open tray",
          { { INQUIRY_OF(inquiry_optical) }, { TEST_UNIT_READY, .sense = 0x023A02 } },
          SCSI_BRING_UP_RESULT_NO_MEDIUM,
          "Disc|Writer|A000 removable protected",
          "INQUIRY, TEST UNIT READY, REQUEST SENSE" },
        { "an empty card reader",
          { { INQUIRY_OF(inquiry_old) }, { TEST_UNIT_READY, .sense = 0x023A00 } },
          SCSI_BRING_UP_RESULT_NO_MEDIUM,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, REQUEST SENSE" },
        { "an empty card reader that finds out late",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY },
            { READ_CAPACITY_10, .sense = 0x023A01 } },
          SCSI_BRING_UP_RESULT_NO_MEDIUM,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), REQUEST SENSE" },
        { "an empty card reader that answers with zeroes",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_zeroes) } },
          SCSI_BRING_UP_RESULT_NO_MEDIUM,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), " FORMAT ", REQUEST SENSE" },
        { "an empty card reader that answers with ones",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_beyond) } },
          SCSI_BRING_UP_RESULT_NO_MEDIUM,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ CAPACITY(16), REQUEST SENSE, " FORMAT
          ", REQUEST SENSE" },
        { "an empty card reader that knows better by another way",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_zeroes) },
            { READ_FORMAT, SCRIPTED_DATA(format_none) } },
          SCSI_BRING_UP_RESULT_NO_MEDIUM,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), " FORMAT },
        { "an empty card reader that remembers its last card",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_zeroes) },
            { READ_FORMAT, SCRIPTED_DATA(format_floppy) },
            { READ_10, .sense = 0x031100 } },
          SCSI_BRING_UP_RESULT_FAILED,
          NULL,
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), " FORMAT ", READ(10), REQUEST SENSE, "
          "READ(10), REQUEST SENSE, READ(10), REQUEST SENSE" },
        { "a card that is taken out meanwhile",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_520) },
            { READ_FORMAT, .sense = 0x023A00 } },
          SCSI_BRING_UP_RESULT_NO_MEDIUM,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), " FORMAT ", REQUEST SENSE" },
        { "a floppy whose drive does not tell its capacity",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, .sense = 0x052000 },
            { READ_FORMAT, SCRIPTED_DATA(format_floppy) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "Generic|USB Flash Disk|8.07 2880x512/512 removable",
          "INQUIRY, TEST UNIT READY, " CAPACITY_THRICE FORMAT ", READ(10), MODE SENSE(6)" },
        { "a floppy whose drive tells nonsense",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_520) },
            { READ_FORMAT, SCRIPTED_DATA(format_floppy) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "Generic|USB Flash Disk|8.07 2880x512/512 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), " FORMAT ", READ(10), MODE SENSE(6)" },
        { "a floppy that was never formatted",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY, .sense = 0x033001 },
            { READ_CAPACITY_10, .sense = 0x033001 },
            { READ_FORMAT, SCRIPTED_DATA(format_unformatted) } },
          SCSI_BRING_UP_RESULT_UNSUPPORTED,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, REQUEST SENSE, "
          "TEST UNIT READY, REQUEST SENSE, " CAPACITY_THRICE FORMAT },
        { "a format of no blocks",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, .sense = 0x052000 },
            { READ_FORMAT, SCRIPTED_DATA(format_nothing) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_FAILED,
          NULL,
          "INQUIRY, TEST UNIT READY, " CAPACITY_THRICE FORMAT },
        { "a disk that stays in is not asked for its format",
          { { INQUIRY_OF(inquiry_disk) },
            { READ_CAPACITY_10, .sense = 0x052000 },
            { READ_FORMAT, SCRIPTED_DATA(format_floppy) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_FAILED,
          NULL,
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), REQUEST SENSE, READ CAPACITY(10), "
          "REQUEST SENSE, READ CAPACITY(10), REQUEST SENSE" },
        { "a disk that must be started",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY, .n_times = 1, .sense = 0x020402 },
            { TEST_UNIT_READY, .n_times = 2, .sense = 0x020401 },
            { SCRIPTED(0x1B, 1, 0, 0) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          "INQUIRY, TEST UNIT READY, REQUEST SENSE, START STOP UNIT, TEST UNIT READY, "
          "REQUEST SENSE, TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, READ CAPACITY(10), "
          "READ(10), MODE SENSE(6)" },
        { "a disk that forgets that it was started",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY, .n_times = 7, .sense = 0x020402 },
            { SCRIPTED(0x1B, 1, 0, 0) },
            { SCRIPTED(0x1B, 1, 0, 0) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          "INQUIRY, TEST UNIT READY, REQUEST SENSE, START STOP UNIT, TEST UNIT READY, "
          "REQUEST SENSE, TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, REQUEST SENSE, "
          "TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, REQUEST SENSE, START STOP UNIT, "
          "TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, READ CAPACITY(10), READ(10), "
          "MODE SENSE(6)" },
        { "a disk in need of a hand",
          { { INQUIRY_OF(inquiry_old) }, { TEST_UNIT_READY, .sense = 0x020403 } },
          SCSI_BRING_UP_RESULT_FAILED,
          NULL,
          "INQUIRY, TEST UNIT READY, REQUEST SENSE" },
        { "slow flash that is not sure of its medium for a while",
          { { INQUIRY_OF(inquiry_old) },
            { TEST_UNIT_READY, .n_times = 2, .sense = 0x062800 },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          "INQUIRY, TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, REQUEST SENSE, "
          "TEST UNIT READY, READ CAPACITY(10), READ(10), MODE SENSE(6)" },
        { "a device that does not know TEST UNIT READY",
          { { INQUIRY_OF(inquiry_old) }, { TEST_UNIT_READY, .sense = 0x052000 }, DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          "INQUIRY, TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, REQUEST SENSE, "
          "TEST UNIT READY, REQUEST SENSE, READ CAPACITY(10), READ(10), MODE SENSE(6)" },
        { "no block size",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_1g_no_block_size) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          OLD },
        { "blocks of 520 bytes",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_520) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_UNSUPPORTED,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), " FORMAT ", REQUEST SENSE" },
        { "blocks of 4096 bytes, 1 TiB",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_4kn) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "Generic|USB Flash Disk|8.07 268435456x4096/4096 removable",
          OLD },
        { "8 TiB",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_beyond) },
            { READ_CAPACITY_16, SCRIPTED_DATA(capacity_16_8t) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "Generic|USB Flash Disk|8.07 17179869184x512/4096 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ CAPACITY(16), READ(10), "
          "MODE SENSE(6)" },
        { "more bytes than there are numbers",
          { { INQUIRY_OF(inquiry_old) },
            { READ_CAPACITY_10, SCRIPTED_DATA(capacity_beyond) },
            { READ_CAPACITY_16, SCRIPTED_DATA(capacity_16_absurd) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_UNSUPPORTED,
          "Generic|USB Flash Disk|8.07 removable",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ CAPACITY(16), " FORMAT
          ", REQUEST SENSE" },
        { "capacities that disagree",
          { { INQUIRY_OF(inquiry_disk) },
            { READ_CAPACITY_16, SCRIPTED_DATA(capacity_16_other) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "Spinner|Portable|0001 2097152x512/512",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ CAPACITY(16), READ(10), "
          "MODE SENSE(6), INQUIRY, REQUEST SENSE" },
        { "a first block that can't be read",
          { { INQUIRY_OF(inquiry_old) }, { READ_10, .sense = 0x031100 }, DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ(10), REQUEST SENSE, READ(10), "
          "REQUEST SENSE, READ(10), REQUEST SENSE, MODE SENSE(6)" },
        { "write protected",
          { { INQUIRY_OF(inquiry_old) },
            { MODE_SENSE_6, SCRIPTED_DATA(mode_protected) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT " protected",
          OLD },
        { "write protected, told in 10 bytes",
          { { INQUIRY_OF(inquiry_old) },
            { MODE_SENSE_6, .sense = 0x052000 },
            { MODE_SENSE_10, SCRIPTED_DATA(mode_10_protected) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT " protected",
          OLD ", REQUEST SENSE, MODE SENSE(10)" },
        { "no modes",
          { { INQUIRY_OF(inquiry_old) }, { MODE_SENSE_6, .sense = 0x052400 }, DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          OLD ", REQUEST SENSE, MODE SENSE(10), REQUEST SENSE" },
        { "modes that are too short to be any",
          { { INQUIRY_OF(inquiry_old) },
            { MODE_SENSE_6, .data = mode_protected, .size = 3 },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          OLD_TEXT,
          OLD },
        { "a disk that turns",
          { { INQUIRY_OF(inquiry_disk) },
            { VPD(0x00), SCRIPTED_DATA(vpd_list) },
            { VPD(0x80), SCRIPTED_DATA(vpd_serial) },
            { VPD(0x83), SCRIPTED_DATA(vpd_names) },
            { VPD(0xB0), SCRIPTED_DATA(vpd_limits) },
            { VPD(0xB1), SCRIPTED_DATA(vpd_characteristics_5400) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "Spinner|Portable|0001 2097152x512/512 serial=SN-42 id=5001020304050607 max=65536 "
          "optimal=32768 turns same=32768",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ CAPACITY(16), REQUEST SENSE, "
          "READ(10), MODE SENSE(6), INQUIRY, INQUIRY, INQUIRY, INQUIRY, INQUIRY, INQUIRY, "
          "INQUIRY, INQUIRY, INQUIRY, INQUIRY, INQUIRY, REQUEST SENSE" },
        { "a page longer than anything",
          { { INQUIRY_OF(inquiry_disk) },
            { VPD(0x00), SCRIPTED_DATA(vpd_list_of_serial) },
            { VPD(0x80), SCRIPTED_DATA(vpd_lying) },
            DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "Spinner|Portable|0001 2097152x512/512 serial=x",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ CAPACITY(16), REQUEST SENSE, "
          "READ(10), MODE SENSE(6), INQUIRY, INQUIRY, INQUIRY, INQUIRY" },
        { "another page than the one that was asked for",
          { { INQUIRY_OF(inquiry_disk) }, { VPD(0x00), SCRIPTED_DATA(vpd_serial) }, DISK_BASICS },
          SCSI_BRING_UP_RESULT_READY,
          "Spinner|Portable|0001 2097152x512/512",
          "INQUIRY, TEST UNIT READY, READ CAPACITY(10), READ CAPACITY(16), REQUEST SENSE, "
          "READ(10), MODE SENSE(6), INQUIRY" },
};

#define MODERN_TEXT                                                                           \
        "ACME|Fast Stick 3|1.23 2097152x512/4096 removable serial=SN-42 id=5001020304050607 " \
        "max=65536 optimal=32768 still cache fua unmap=4096/8 same=32768 unmap-same zero status"

/* The device and its bring-up */

typedef struct Fixture {
        ScriptedTransport scripted;
        ScsiProcessor *processor;
        ScsiBringUpOptions options;
        ScsiDisk disk;
        ScsiBringUpResult result;
        bool is_done;
} Fixture;

static Fixture fixture;

static int main_of_task(Task *task, void *userdata) {
        return (int) scsi_bring_up(task, scsi_processor_get_target(fixture.processor), 0,
                                   &fixture.options, &fixture.disk);
}

static void on_task_done(Task *task, int result, void *userdata) {
        fixture.result = (ScsiBringUpResult) result;
        fixture.is_done = true;
}

static void set_up(const ScriptedAnswer *answers, size_t n_answers) {
        fixture = (Fixture){ 0 };
        scripted_transport_init(&fixture.scripted, answers, n_answers);
        ck_assert_int_eq(scsi_processor_new(&fixture.processor, &fixture.scripted.transport, NULL),
                         0);
}

static Task *start(void) {
        Task *task;

        ck_assert_int_eq(task_start(&task, fixture.scripted.loop, "bring-up", main_of_task,
                                    on_task_done, NULL),
                         0);
        return task;
}

static void run(void) {
        start();
        scripted_transport_run(&fixture.scripted);
        ck_assert(fixture.is_done);
}

static void tear_down(void) {
        scsi_processor_free(fixture.processor);
        scripted_transport_done(&fixture.scripted);
}

static _printf_(2, 3) void add(char *text, const char *format, ...) {
        size_t length = strlen(text);
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text + length, 512 - length, format, arguments);
        va_end(arguments);
}

static const char *describe(const ScsiDisk *d, char *text) {
        text[0] = '\0';
        add(text, "%s|%s|%s", d->vendor, d->product, d->revision);
        if (d->n_blocks > 0)
                add(text, " %llux%u/%u", (unsigned long long) d->n_blocks, d->block_size,
                    d->physical_block_size);
        if (d->is_removable)
                add(text, " removable");
        if (d->serial[0])
                add(text, " serial=%s", d->serial);
        if (d->identifier[0])
                add(text, " id=%s", d->identifier);
        if (d->has_medium && d->transfer_size_max != 120 * KIB)
                add(text, " max=%u", d->transfer_size_max);
        if (d->transfer_size_optimal > 0)
                add(text, " optimal=%u", d->transfer_size_optimal);
        if (d->is_rotation_known)
                add(text, d->is_rotational ? " turns" : " still");
        if (d->is_read_only)
                add(text, " protected");
        if (d->has_write_cache)
                add(text, " cache");
        if (d->has_fua)
                add(text, " fua");
        if (d->can_unmap)
                add(text, " unmap=%u/%u", d->unmap_blocks_max, d->unmap_granularity_blocks);
        if (d->can_write_same_16)
                add(text, " same=%llu", (unsigned long long) d->write_same_blocks_max);
        if (d->can_write_same_unmap)
                add(text, " unmap-same");
        if (d->unmapped_reads_zero)
                add(text, " zero");
        if (d->can_get_lba_status)
                add(text, " status");
        if (d->has_events)
                add(text, " events");
        if (d->lacks_events)
                add(text, " no-events");
        return text;
}

START_TEST(devices_are_told_for_what_they_are) {
        const BringUpCase *c = &bring_up_cases[_i];
        size_t n = 0;
        char text[512];

        while (n < N_ELEMENTS(c->answers) && c->answers[n].command_size > 0)
                n++;
        set_up(c->answers, n);
        run();
        ck_assert_msg(fixture.result == c->result, "%s: %s", c->what,
                      scsi_bring_up_result_to_string(fixture.result));
        if (c->text)
                ck_assert_str_eq(describe(&fixture.disk, text), c->text);
        ck_assert_int_eq(fixture.disk.has_medium, c->result == SCSI_BRING_UP_RESULT_READY);
        scripted_transport_expect(&fixture.scripted, c->trace);
        tear_down();
}
END_TEST

typedef struct OptionCase {
        const char *what;
        ScsiBringUpOptions options;
        ScriptedAnswer answers[8];
        ScsiBringUpResult result;
        const char *text;
} OptionCase;

static const uint8_t capacity_odd[8] = { 0x00, 0x20, 0x00, 0x00, 0, 0, 0x02, 0 };
static const uint8_t capacity_one[8] = { 0, 0, 0, 0, 0, 0, 0x02, 0 };
static const uint8_t mode_no_cache[] = { 23, 0, 0, 0, 0x08, 18, 0x00, [23] = 0 };

#define DISK_OF(capacity, modes)                                                      \
        { INQUIRY_OF(inquiry_old) }, { TEST_UNIT_READY },                             \
                        { READ_CAPACITY_10, SCRIPTED_DATA(capacity) }, { READ_10 }, { \
                MODE_SENSE_6, SCRIPTED_DATA(modes)                                    \
        }
#define NAME "Generic|USB Flash Disk|8.07 "

static const OptionCase option_cases[] = {
        { "the last block for the number of blocks",
          { .capacity_fix = SCSI_CAPACITY_FIX_ONE_LESS },
          { DISK_OF(capacity_1g, mode_bare) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2097151x512/512 removable" },
        { "an even number stays",
          { .capacity_fix = SCSI_CAPACITY_FIX_ONE_LESS_IF_ODD },
          { DISK_OF(capacity_1g, mode_bare) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2097152x512/512 removable" },
        { "an odd number becomes even",
          { .capacity_fix = SCSI_CAPACITY_FIX_ONE_LESS_IF_ODD },
          { DISK_OF(capacity_odd, mode_bare) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2097152x512/512 removable" },
        { "a size of another source is not corrected",
          { .capacity_fix = SCSI_CAPACITY_FIX_ONE_LESS },
          { { READ_FORMAT, SCRIPTED_DATA(format_floppy) }, DISK_OF(capacity_zeroes, mode_bare) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2880x512/512 removable" },
        { "the only block stays",
          { .capacity_fix = SCSI_CAPACITY_FIX_ONE_LESS },
          { DISK_OF(capacity_one, mode_bare) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "1x512/512 removable" },
        { "write protection that is none",
          { .ignores_write_protection = true },
          { DISK_OF(capacity_1g, mode_protected) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2097152x512/512 removable" },
        { "a cache that is not told of",
          { .assumes_write_cache = true },
          { DISK_OF(capacity_1g, mode_bare) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2097152x512/512 removable cache" },
        { "a cache that is denied is not assumed",
          { .assumes_write_cache = true },
          { DISK_OF(capacity_1g, mode_no_cache) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2097152x512/512 removable" },
        { "a cache that is denied, by a liar",
          { .has_write_cache_always = true },
          { DISK_OF(capacity_1g, mode_no_cache) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2097152x512/512 removable cache" },
        { "a drive that is known to lack events",
          { .asks_no_events = true },
          { DISC_BASICS, { GET_EVENT, SCRIPTED_DATA(event_new) } },
          SCSI_BRING_UP_RESULT_READY,
          "Disc|Writer|A000 262144x2048/2048 removable protected no-events" },
        { "a first READ that needs five tries",
          { .repeats_first_read = true },
          { { READ_10, .n_times = 4, .result = TRANSPORT_RESULT_ERROR },
            DISK_OF(capacity_1g, mode_bare) },
          SCSI_BRING_UP_RESULT_READY,
          NAME "2097152x512/512 removable" },
        { "the same without that option",
          { 0 },
          { { READ_10, .n_times = 4, .result = TRANSPORT_RESULT_ERROR },
            DISK_OF(capacity_1g, mode_bare) },
          SCSI_BRING_UP_RESULT_FAILED,
          NULL },
};

START_TEST(options_correct_what_devices_get_wrong) {
        const OptionCase *c = &option_cases[_i];
        size_t n = 0;
        char text[512];

        while (n < N_ELEMENTS(c->answers) && c->answers[n].command_size > 0)
                n++;
        set_up(c->answers, n);
        fixture.options = c->options;
        run();
        ck_assert_msg(fixture.result == c->result, "%s: %s", c->what,
                      scsi_bring_up_result_to_string(fixture.result));
        if (c->text)
                ck_assert_str_eq(describe(&fixture.disk, text), c->text);
        tear_down();
}
END_TEST

START_TEST(a_modern_stick_is_told_whole) {
        char text[512];

        set_up(modern_stick, N_ELEMENTS(modern_stick));
        run();
        ck_assert_int_eq(fixture.result, SCSI_BRING_UP_RESULT_READY);
        ck_assert_str_eq(describe(&fixture.disk, text), MODERN_TEXT);
        scripted_transport_expect(
                        &fixture.scripted,
                        "INQUIRY, TEST UNIT READY, REQUEST SENSE, TEST UNIT READY, READ "
                        "CAPACITY(10), "
                        "READ CAPACITY(16), READ(10), MODE SENSE(6), INQUIRY, INQUIRY, INQUIRY, "
                        "INQUIRY, "
                        "INQUIRY, INQUIRY, INQUIRY, INQUIRY, INQUIRY, INQUIRY, INQUIRY, INQUIRY, "
                        "GET LBA STATUS");
        tear_down();
}
END_TEST

START_TEST(a_disk_that_never_turns_is_given_up_in_time) {
        static const ScriptedAnswer answers[] = {
                { INQUIRY_OF(inquiry_disk) },
                { TEST_UNIT_READY, .sense = 0x020401 },
                { SCRIPTED(0x1B) },
        };
        uint64_t began_ns;

        set_up(answers, N_ELEMENTS(answers));
        fixture.options.spin_up_timeout_ns = 10 * NS_PER_S;
        began_ns = event_loop_now_ns(fixture.scripted.loop);
        start();
        while (!fixture.is_done)
                scripted_transport_run_for(&fixture.scripted, 100 * NS_PER_MS);
        ck_assert_int_eq(fixture.result, SCSI_BRING_UP_RESULT_FAILED);
        ck_assert_uint_lt(event_loop_now_ns(fixture.scripted.loop) - began_ns, 12 * NS_PER_S);
        scripted_transport_run(&fixture.scripted);
        tear_down();
}
END_TEST

typedef struct SweepCase {
        TransportResult failure;
        bool fails_for_ever;
} SweepCase;

static const SweepCase sweep_cases[] = {
        { TRANSPORT_RESULT_FAILED, false },    { TRANSPORT_RESULT_ERROR, false },
        { TRANSPORT_RESULT_TIMED_OUT, false }, { TRANSPORT_RESULT_BUSY, false },
        { TRANSPORT_RESULT_GONE, false },      { TRANSPORT_RESULT_NO_MEMORY, false },
        { TRANSPORT_RESULT_FAILED, true },     { TRANSPORT_RESULT_ERROR, true },
        { TRANSPORT_RESULT_TIMED_OUT, true },  { TRANSPORT_RESULT_BUSY, true },
        { TRANSPORT_RESULT_GONE, true },
};

/* One failure of any kind costs at most what was asked; a device that is gone says so. */
static void check_sweep(const SweepCase *c, size_t n) {
        ScsiBringUpResult result = fixture.result;

        if (c->failure == TRANSPORT_RESULT_GONE) {
                ck_assert_msg(result == SCSI_BRING_UP_RESULT_GONE, "step %zu: %s", n,
                              scsi_bring_up_result_to_string(result));
                return;
        }
        ck_assert_msg(result == SCSI_BRING_UP_RESULT_READY || result == SCSI_BRING_UP_RESULT_FAILED,
                      "step %zu: %s", n, scsi_bring_up_result_to_string(result));
        if (!c->fails_for_ever && c->failure != TRANSPORT_RESULT_NO_MEMORY)
                ck_assert_msg(result == SCSI_BRING_UP_RESULT_READY, "step %zu", n);
        if (result == SCSI_BRING_UP_RESULT_READY) {
                ck_assert_str_eq(fixture.disk.product, "Fast Stick 3");
                ck_assert_uint_eq(fixture.disk.n_blocks, 2097152);
        }
        /* Data that waits for this very unit is recognised by these. */
        if (!c->fails_for_ever && c->failure == TRANSPORT_RESULT_ERROR) {
                ck_assert_msg(fixture.disk.serial[0] != '\0', "step %zu", n);
                ck_assert_msg(fixture.disk.identifier[0] != '\0', "step %zu", n);
        }
}

START_TEST(each_step_may_fail) {
        const SweepCase *c = &sweep_cases[_i];
        size_t n;

        for (n = 1; n < SWEEP_STEPS_MAX; n++) {
                size_t n_commands;

                set_up(modern_stick, N_ELEMENTS(modern_stick));
                fixture.scripted.failing_command = n;
                fixture.scripted.fails_for_ever = c->fails_for_ever;
                fixture.scripted.failure = c->failure;
                run();
                n_commands = fixture.scripted.n_commands;
                if (n_commands >= n)
                        check_sweep(c, n);
                tear_down();
                if (n_commands < n)
                        break;
        }
        /* The sweep ended because the run got through, not because of its limit. */
        ck_assert_uint_gt(n, 15);
        ck_assert_uint_lt(n, SWEEP_STEPS_MAX);
}
END_TEST

START_TEST(it_can_be_cancelled_at_any_moment) {
        for (unsigned n = 0; n < 40; n++) {
                Task *task;

                set_up(modern_stick, N_ELEMENTS(modern_stick));
                task = start();
                for (unsigned i = 0; i < n && !fixture.is_done; i++)
                        ck_assert_int_ge(event_loop_run_once(fixture.scripted.loop, false), 0);
                if (!fixture.is_done)
                        task_cancel(task);
                scripted_transport_run(&fixture.scripted);
                ck_assert(fixture.is_done);
                ck_assert(fixture.result == SCSI_BRING_UP_RESULT_FAILED ||
                          fixture.result == SCSI_BRING_UP_RESULT_READY);
                tear_down();
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_bring_up");
        TCase *tcase = tcase_create("scsi_bring_up");

        tcase_add_loop_test(tcase, devices_are_told_for_what_they_are, 0,
                            N_ELEMENTS(bring_up_cases));
        tcase_add_loop_test(tcase, options_correct_what_devices_get_wrong, 0,
                            N_ELEMENTS(option_cases));
        tcase_add_test(tcase, a_modern_stick_is_told_whole);
        tcase_add_test(tcase, a_disk_that_never_turns_is_given_up_in_time);
        tcase_add_loop_test(tcase, each_step_may_fail, 0, N_ELEMENTS(sweep_cases));
        tcase_add_test(tcase, it_can_be_cancelled_at_any_moment);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
