/* An ATA drive (ACS-3, ATA8-ACS for SMART), through any bridge that carries its commands. */

#include "smart/smart_ask.h"
#include "smart/smart_registers.h"

#define READ_DATA 0xD0
#define READ_THRESHOLDS 0xD1
#define ERROR_LOG 0x01
#define SELF_TEST_LOG 0x06

/* ATA8-ACS, "SMART EXECUTE OFF-LINE IMMEDIATE". */
#define TEST_OFFLINE 0x00
#define TEST_SHORT 0x01
#define TEST_EXTENDED 0x02
#define TEST_CONVEYANCE 0x03
#define TEST_ABORT 0x7F

/* SPC-4, "Descriptor format sense data": what comes by default, and where it tells of more. */
#define SENSE_SIZE_DEFAULT 18
#define SENSE_DESCRIPTORS 0x72
#define SENSE_LENGTH_OFFSET 7

/* ACS-3, "CHECK POWER MODE". */
#define POWER_STANDBY_Z 0x00
#define POWER_STANDBY_Y 0x01
#define POWER_NV_CACHE_SPUN_DOWN 0x40
#define POWER_NV_CACHE_SPUN_UP 0x41
#define POWER_IDLE 0x80
#define POWER_IDLE_C 0x83
#define POWER_ACTIVE 0xFF

/* The processor has learned by it that there is more, and asks for more next time. */
static bool is_sense_cut(const SmartDialogue *dialogue) {
        return dialogue->raw_sense_size == SENSE_SIZE_DEFAULT &&
               (dialogue->raw_sense[0] & 0x7F) == SENSE_DESCRIPTORS &&
               dialogue->raw_sense[SENSE_LENGTH_OFFSET] + SENSE_LENGTH_OFFSET + 1 >
                               SENSE_SIZE_DEFAULT;
}

/* A command whose answer is in the registers. */
static SmartAnswer ask_registers(SmartDialogue *dialogue, const SmartAtaWay *way,
                                 const SmartRequest *request) {
        SmartAnswer answer;

        if (*way->lacks_registers)
                return SMART_ANSWER_LOST;
        answer = smart_dialogue_ask(dialogue, way->bridge, request);
        if (answer == SMART_ANSWER_LOST && is_sense_cut(dialogue))
                answer = smart_dialogue_ask(dialogue, way->bridge, request);
        if (answer == SMART_ANSWER_GOOD && !dialogue->run.has_registers)
                answer = SMART_ANSWER_LOST;
        *way->lacks_registers = answer == SMART_ANSWER_LOST;
        return answer;
}

static SmartPower judge_power(uint8_t count) {
        switch (count) {
        case POWER_STANDBY_Z:
        case POWER_STANDBY_Y:
        case POWER_NV_CACHE_SPUN_DOWN:
                return SMART_POWER_ASLEEP;
        case POWER_NV_CACHE_SPUN_UP:
        case POWER_ACTIVE:
                return SMART_POWER_AWAKE;
        default: /* any byte */
                return count >= POWER_IDLE && count <= POWER_IDLE_C ? SMART_POWER_AWAKE
                                                                    : SMART_POWER_UNKNOWN;
        }
}

/* A failed command has told nothing: neither that it is in standby nor that it sleeps. */
SmartPower smart_ask_ata_power(SmartDialogue *dialogue, const SmartAtaWay *way) {
        SmartRequest request;

        smart_request_check_power(&request);
        if (ask_registers(dialogue, way, &request) != SMART_ANSWER_GOOD ||
            !smart_registers_are_good(&dialogue->run.registers))
                return SMART_POWER_UNKNOWN;
        return judge_power((uint8_t) dialogue->run.registers.count);
}

/* Asks for what a decoder takes. */
static SmartAnswer ask(SmartDialogue *dialogue, SmartBridge *bridge, const SmartRequest *request,
                       SmartData *data, SmartSection section,
                       SmartAnswer (*decode)(SmartData *data, const uint8_t *bytes, size_t size)) {
        SmartAnswer answer = smart_dialogue_ask(dialogue, bridge, request);

        if (answer != SMART_ANSWER_GOOD)
                return smart_data_note(data, section, answer);
        return decode(data, dialogue->data, dialogue->actual_size);
}

SmartAnswer smart_ask_ata_identity(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data) {
        SmartRequest request;

        smart_request_identify_device(&request);
        return ask(dialogue, bridge, &request, data, SMART_SECTION_IDENTITY,
                   smart_ata_decode_identity);
}

static void ask_attributes(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data) {
        SmartRequest request;

        smart_request_smart_read(&request, READ_DATA);
        if (ask(dialogue, bridge, &request, data, SMART_SECTION_ATTRIBUTES,
                smart_ata_decode_attributes) != SMART_ANSWER_GOOD)
                return;
        smart_request_smart_read(&request, READ_THRESHOLDS);
        ask(dialogue, bridge, &request, data, SMART_SECTION_THRESHOLDS,
            smart_ata_decode_thresholds);
}

static void ask_status(SmartDialogue *dialogue, const SmartAtaWay *way, SmartData *data) {
        SmartRequest request;
        SmartAnswer answer;

        smart_request_smart_status(&request);
        answer = ask_registers(dialogue, way, &request);
        if (answer != SMART_ANSWER_GOOD)
                smart_data_note(data, SMART_SECTION_STATUS, answer);
        else
                smart_ata_decode_status(data, &dialogue->run.registers);
}

static void ask_logs(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data) {
        SmartRequest request;

        smart_request_smart_read_log(&request, ERROR_LOG, 1);
        ask(dialogue, bridge, &request, data, SMART_SECTION_ERROR_LOG, smart_ata_decode_error_log);
        smart_request_smart_read_log(&request, SELF_TEST_LOG, 1);
        ask(dialogue, bridge, &request, data, SMART_SECTION_SELF_TESTS,
            smart_ata_decode_self_tests);
}

static bool is_without(const SmartTruth *truth) { return truth->is_known && !truth->value; }

void smart_ask_ata(SmartDialogue *dialogue, const SmartAtaWay *way, SmartData *data) {
        if (is_without(&data->is_supported) || is_without(&data->is_enabled))
                return;
        ask_attributes(dialogue, way->bridge, data);
        ask_status(dialogue, way, data);
        ask_logs(dialogue, way->bridge, data);
}

SmartAnswer smart_ask_ata_test(SmartDialogue *dialogue, SmartBridge *bridge, SmartSelfTestKind kind,
                               bool is_abort) {
        static const uint8_t codes[_SMART_SELF_TEST_KIND_MAX] = {
                [SMART_SELF_TEST_KIND_OFFLINE] = TEST_OFFLINE,
                [SMART_SELF_TEST_KIND_SHORT] = TEST_SHORT,
                [SMART_SELF_TEST_KIND_EXTENDED] = TEST_EXTENDED,
                [SMART_SELF_TEST_KIND_CONVEYANCE] = TEST_CONVEYANCE,
        };
        SmartRequest request;

        smart_request_smart_self_test(&request, is_abort ? TEST_ABORT : codes[kind]);
        return smart_dialogue_ask(dialogue, bridge, &request);
}
