/* A SCSI drive (SPC-4, SBC-3): the log pages that it lists, and what it has no page for. */

#include "base/bytes.h"
#include "smart/smart_ask.h"
#include "smart/smart_scsi.h"

#define LOG_SENSE 0x4D
#define LOG_CUMULATIVE 0x40 /* page control */
#define LOG_HEADER_SIZE 4
#define REQUEST_SENSE 0x03
#define REQUEST_SENSE_SIZE 18
#define SEND_DIAGNOSTIC 0x1D
#define READ_DEFECT_DATA_10 0x37
#define READ_DEFECT_DATA_12 0xB7
#define DEFECTS_GROWN 0x08
#define DEFECTS_LONG_BLOCKS 0x03
#define DEFECTS_HEADER_SIZE_10 4
#define DEFECTS_HEADER_SIZE_12 8

/* SPC-4, "SEND DIAGNOSTIC": the self-test codes, in the background. */
#define TEST_SHORT 1
#define TEST_EXTENDED 2
#define TEST_ABORT 4
#define TEST_CODE_SHIFT 5

/* SPC-4, "ASC and ASCQ assignments". */
#define ASC_LOGICAL_UNIT_NOT_READY 0x04
#define ASCQ_START_NEEDED 0x02
#define ASC_WARNING 0x0B
#define ASC_LOW_POWER 0x5E
#define ASC_FAILURE 0x5D

static SmartAnswer judge_failure(const SmartDialogue *dialogue) {
        if (dialogue->error < 0)
                return SMART_ANSWER_NONE;
        return dialogue->sense.key == SCSI_SENSE_KEY_ILLEGAL_REQUEST ? SMART_ANSWER_REFUSED
                                                                     : SMART_ANSWER_LOST;
}

static ScsiResult send_log_sense(SmartDialogue *dialogue, SmartScsiPage page, size_t size) {
        uint8_t cdb[10] = { LOG_SENSE, 0, (uint8_t) (LOG_CUMULATIVE | page) };

        put_be16(cdb + 7, (uint16_t) size);
        return smart_dialogue_send(dialogue, cdb, sizeof(cdb), size);
}

/* Its size first: there are devices that break over being asked for more than they have. */
static SmartAnswer ask_page(SmartDialogue *dialogue, SmartData *data, SmartScsiPage page) {
        SmartSection section = smart_scsi_page_get_section(page);
        size_t size = LOG_HEADER_SIZE;

        if (send_log_sense(dialogue, page, size) != SCSI_RESULT_GOOD)
                return smart_data_note(data, section, judge_failure(dialogue));
        if (dialogue->actual_size == LOG_HEADER_SIZE)
                size += get_be16(dialogue->data + 2);
        if (size > LOG_HEADER_SIZE &&
            send_log_sense(dialogue, page, MIN(size, SMART_DIALOGUE_DATA_SIZE)) != SCSI_RESULT_GOOD)
                return smart_data_note(data, section, judge_failure(dialogue));
        return smart_scsi_decode_page(data, page, dialogue->data, dialogue->actual_size);
}

static const SmartScsiPage pages[] = {
        SMART_SCSI_PAGE_EXCEPTIONS,      SMART_SCSI_PAGE_TEMPERATURE,
        SMART_SCSI_PAGE_WRITE_COUNTERS,  SMART_SCSI_PAGE_READ_COUNTERS,
        SMART_SCSI_PAGE_VERIFY_COUNTERS, SMART_SCSI_PAGE_NON_MEDIUM,
        SMART_SCSI_PAGE_START_STOP,      SMART_SCSI_PAGE_SELF_TESTS,
        SMART_SCSI_PAGE_ENDURANCE,       SMART_SCSI_PAGE_BACKGROUND_SCAN,
};

bool smart_ask_scsi_list(SmartDialogue *dialogue, SmartData *data) {
        if (ask_page(dialogue, data, SMART_SCSI_PAGE_LIST) != SMART_ANSWER_GOOD)
                return false;
        for (size_t i = 0; i < N_ELEMENTS(pages); i++)
                if (smart_scsi_has_page(data, pages[i]))
                        return true;
        return false;
}

/* Answered also by a unit that is stopped, and told of nothing else: a UNIT ATTENTION would be taken
   from whoever it is meant for, so TEST UNIT READY gets it before. */
static bool request_sense(SmartDialogue *dialogue, ScsiSense *ret) {
        static const uint8_t ready[6] = { 0 };
        static const uint8_t cdb[6] = { REQUEST_SENSE, 0, 0, 0, REQUEST_SENSE_SIZE };

        smart_dialogue_send(dialogue, ready, sizeof(ready), 0);
        return smart_dialogue_send(dialogue, cdb, sizeof(cdb), REQUEST_SENSE_SIZE) ==
                               SCSI_RESULT_GOOD &&
               scsi_sense_decode(ret, dialogue->data, dialogue->actual_size) >= 0;
}

/* SPC-4: "low power condition on", and the conditions, each by its timer or by a command. */
static bool is_standby(uint8_t ascq) {
        switch (ascq) {
        case 0x00: /* whichever it is */
        case 0x02: /* standby_z */
        case 0x04:
        case 0x09: /* standby_y */
        case 0x0A:
                return true;
        default: /* idle, and what is reserved */
                return false;
        }
}

SmartPower smart_ask_scsi_power(SmartDialogue *dialogue) {
        ScsiSense sense;

        if (!request_sense(dialogue, &sense))
                return SMART_POWER_UNKNOWN;
        if (sense.key == SCSI_SENSE_KEY_NOT_READY && sense.asc == ASC_LOGICAL_UNIT_NOT_READY &&
            sense.ascq == ASCQ_START_NEEDED)
                return SMART_POWER_ASLEEP;
        if (sense.asc == ASC_LOW_POWER && is_standby(sense.ascq))
                return SMART_POWER_ASLEEP;
        return sense.key == SCSI_SENSE_KEY_NO_SENSE && sense.asc == ASC_LOW_POWER
                               ? SMART_POWER_AWAKE
                               : SMART_POWER_UNKNOWN;
}

/* What is no exception says nothing of any. */
static void ask_exceptions(SmartDialogue *dialogue, SmartData *data) {
        ScsiSense sense;
        bool is_exception;

        if (!request_sense(dialogue, &sense)) {
                smart_data_note(data, SMART_SECTION_STATUS, judge_failure(dialogue));
                return;
        }
        is_exception = sense.asc == ASC_WARNING || sense.asc == ASC_FAILURE;
        smart_scsi_decode_sense(data, is_exception ? sense.asc : 0, is_exception ? sense.ascq : 0);
}

/* A list in another format, or none, is a recovered error (SBC-3, "READ DEFECT DATA"). */
static bool send_defects(SmartDialogue *dialogue, const uint8_t *cdb, size_t cdb_size,
                         size_t size) {
        ScsiResult result = smart_dialogue_send(dialogue, cdb, cdb_size, size);

        return result == SCSI_RESULT_GOOD ||
               (result == SCSI_RESULT_CHECK_CONDITION &&
                dialogue->sense.key == SCSI_SENSE_KEY_RECOVERED_ERROR);
}

static bool ask_defects_12(SmartDialogue *dialogue, SmartData *data) {
        uint8_t cdb[12] = { READ_DEFECT_DATA_12, DEFECTS_GROWN | DEFECTS_LONG_BLOCKS };

        put_be32(cdb + 6, DEFECTS_HEADER_SIZE_12);
        if (!send_defects(dialogue, cdb, sizeof(cdb), DEFECTS_HEADER_SIZE_12))
                return false;
        smart_scsi_decode_defects(data, dialogue->data, dialogue->actual_size, /* is_12= */ true);
        return true;
}

static void ask_defects(SmartDialogue *dialogue, SmartData *data) {
        uint8_t cdb[10] = { READ_DEFECT_DATA_10, 0, DEFECTS_GROWN | DEFECTS_LONG_BLOCKS };

        if (ask_defects_12(dialogue, data))
                return;
        put_be16(cdb + 7, DEFECTS_HEADER_SIZE_10);
        if (!send_defects(dialogue, cdb, sizeof(cdb), DEFECTS_HEADER_SIZE_10))
                smart_data_note(data, SMART_SECTION_DEFECTS, judge_failure(dialogue));
        else
                smart_scsi_decode_defects(data, dialogue->data, dialogue->actual_size,
                                          /* is_12= */ false);
}

void smart_ask_scsi(SmartDialogue *dialogue, SmartData *data) {
        for (size_t i = 0; i < N_ELEMENTS(pages); i++)
                if (smart_scsi_has_page(data, pages[i]))
                        ask_page(dialogue, data, pages[i]);
        if (!smart_scsi_has_page(data, SMART_SCSI_PAGE_EXCEPTIONS))
                ask_exceptions(dialogue, data);
        ask_defects(dialogue, data);
}

SmartAnswer smart_ask_scsi_test(SmartDialogue *dialogue, SmartSelfTestKind kind, bool is_abort) {
        uint8_t code = kind == SMART_SELF_TEST_KIND_SHORT ? TEST_SHORT : TEST_EXTENDED;
        uint8_t cdb[6] = { SEND_DIAGNOSTIC };

        cdb[1] = (uint8_t) ((is_abort ? TEST_ABORT : code) << TEST_CODE_SHIFT);
        return smart_dialogue_send(dialogue, cdb, sizeof(cdb), 0) == SCSI_RESULT_GOOD
                               ? SMART_ANSWER_GOOD
                               : judge_failure(dialogue);
}
