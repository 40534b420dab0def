/* An NVMe drive (NVM Express 1.4), as much of it as its bridge carries. */

#include "base/bytes.h"
#include "smart/smart_ask.h"
#include "smart/smart_nvme.h"

#define LOG_ERRORS 0x01
#define LOG_HEALTH 0x02
#define LOG_SELF_TESTS 0x06

/* Identify Controller: OACS. */
#define OPTIONAL_COMMANDS_OFFSET 256
#define HAS_SELF_TESTS 0x0010
#define ERROR_LOG_ENTRIES_OFFSET 262 /* less one */

/* "Device Self-test command". */
#define TEST_SHORT 0x1
#define TEST_EXTENDED 0x2
#define TEST_ABORT 0xF

#define SELF_TESTS_HEADER_SIZE 4

static void ask_log(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data,
                    SmartSection section, uint8_t log, size_t size,
                    SmartAnswer (*decode)(SmartData *data, const uint8_t *bytes, size_t size)) {
        SmartRequest request;
        SmartAnswer answer;

        smart_request_nvme_log(&request, log, size);
        answer = smart_dialogue_ask(dialogue, bridge, &request);
        if (answer != SMART_ANSWER_GOOD)
                smart_data_note(data, section, answer);
        else
                decode(data, dialogue->data, dialogue->actual_size);
}

/* A drive without self-tests may note the question as an error: it is not asked. */
SmartAnswer smart_ask_nvme_identity(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data) {
        SmartRequest request;
        SmartAnswer answer;

        smart_request_nvme_identify_controller(&request);
        answer = smart_dialogue_ask(dialogue, bridge, &request);
        /* There are bridges that bring no more than its begin. */
        if (answer == SMART_ANSWER_TRUNCATED && dialogue->actual_size >= SMART_NVME_IDENTITY_SIZE)
                answer = SMART_ANSWER_GOOD;
        if (answer != SMART_ANSWER_GOOD)
                return smart_data_note(data, SMART_SECTION_IDENTITY, answer);
        answer = smart_nvme_decode_identity(data, dialogue->data, dialogue->actual_size);
        dialogue->n_nvme_errors_max = dialogue->data[ERROR_LOG_ENTRIES_OFFSET] + 1U;
        if (answer == SMART_ANSWER_GOOD &&
            !(get_le16(dialogue->data + OPTIONAL_COMMANDS_OFFSET) & HAS_SELF_TESTS))
                smart_data_note(data, SMART_SECTION_SELF_TESTS, SMART_ANSWER_REFUSED);
        return answer;
}

/* As many whole entries as the bridge carries. */
static size_t get_self_tests_size(const SmartBridge *bridge) {
        size_t size_max = MIN(smart_bridge_get_log_size_max(bridge, LOG_SELF_TESTS),
                              (size_t) SMART_NVME_SELF_TESTS_SIZE);

        return size_max - (size_max - SELF_TESTS_HEADER_SIZE) % SMART_NVME_SELF_TEST_SIZE;
}

static size_t get_errors_size(const SmartDialogue *dialogue, const SmartBridge *bridge) {
        size_t n = MAX(MIN(dialogue->n_nvme_errors_max, (size_t) SMART_ERRORS_MAX), (size_t) 1);

        return MIN(smart_bridge_get_log_size_max(bridge, LOG_ERRORS), n * SMART_NVME_ERROR_SIZE);
}

void smart_ask_nvme(SmartDialogue *dialogue, SmartBridge *bridge, SmartData *data) {
        ask_log(dialogue, bridge, data, SMART_SECTION_HEALTH, LOG_HEALTH, SMART_NVME_HEALTH_SIZE,
                smart_nvme_decode_health);
        ask_log(dialogue, bridge, data, SMART_SECTION_ERROR_LOG, LOG_ERRORS,
                get_errors_size(dialogue, bridge), smart_nvme_decode_error_log);
        if (data->answers[SMART_SECTION_SELF_TESTS] != SMART_ANSWER_REFUSED)
                ask_log(dialogue, bridge, data, SMART_SECTION_SELF_TESTS, LOG_SELF_TESTS,
                        get_self_tests_size(bridge), smart_nvme_decode_self_tests);
}

SmartAnswer smart_ask_nvme_test(SmartDialogue *dialogue, SmartBridge *bridge,
                                SmartSelfTestKind kind, bool is_abort) {
        uint8_t code = kind == SMART_SELF_TEST_KIND_SHORT ? TEST_SHORT : TEST_EXTENDED;
        SmartRequest request;

        smart_request_nvme_self_test(&request, is_abort ? TEST_ABORT : code);
        return smart_dialogue_ask(dialogue, bridge, &request);
}
