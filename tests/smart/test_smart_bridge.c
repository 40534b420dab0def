/* What bridges are sent for a request, and what their answers mean. */

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "scsi/scsi_sense.h"
#include "smart/smart_bridge.h"
#include "unit_test.h"

#define STEPS_MAX 3
#define KIND(name) SMART_BRIDGE_KIND_##name
#define ANSWER(name) SMART_ANSWER_##name

typedef enum RequestKind {
        IDENTIFY,
        READ_DATA,
        STATUS,
        CHECK_POWER,
        SELF_TEST,
        LOG_EXT,
        LOG_EXT_FAR,
        NVME_IDENTIFY,
        NVME_HEALTH,
        NVME_SELF_TESTS,
        NVME_SELF_TESTS_SHORTER,
        NVME_SELF_TESTS_SHORTEST,
        NVME_SELF_TEST,
} RequestKind;

static void make_request(SmartRequest *request, RequestKind kind) {
        switch (kind) {
        case IDENTIFY:
                smart_request_identify_device(request);
                break;
        case READ_DATA:
                smart_request_smart_read(request, 0xD0);
                break;
        case STATUS:
                smart_request_smart_status(request);
                break;
        case CHECK_POWER:
                smart_request_check_power(request);
                break;
        case SELF_TEST:
                smart_request_smart_self_test(request, 2);
                break;
        case LOG_EXT:
                smart_request_read_log_ext(request, 0x03, 0, 1);
                break;
        case LOG_EXT_FAR:
                smart_request_read_log_ext(request, 0x03, 0x1234, 0x0102);
                break;
        case NVME_IDENTIFY:
                smart_request_nvme_identify_controller(request);
                break;
        case NVME_HEALTH:
                smart_request_nvme_log(request, 0x02, 512);
                break;
        case NVME_SELF_TESTS:
                smart_request_nvme_log(request, 0x06, 564);
                break;
        case NVME_SELF_TESTS_SHORTER:
                smart_request_nvme_log(request, 0x06, 0x218);
                break;
        case NVME_SELF_TESTS_SHORTEST:
                smart_request_nvme_log(request, 0x06, 508);
                break;
        case NVME_SELF_TEST:
                smart_request_nvme_self_test(request, 1);
                break;
        }
}

typedef struct ExpectedStep {
        size_t cdb_size; /* 0: there is none */
        uint8_t cdb[16];
        char direction; /* i, o or - */
        size_t data_size;
        bool is_request_data;
} ExpectedStep;

typedef struct BuildCase {
        SmartBridgeKind kind;
        int port;
        RequestKind request;
        ExpectedStep steps[STEPS_MAX]; /* none: it is not carried */
} BuildCase;

static const BuildCase build_cases[] = {
        { KIND(SAT_16),
          -1,
          IDENTIFY,
          { { 16, { 0x85, 0x08, 0x0E, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xEC }, 'i', 512, true } } },
        { KIND(SAT_16),
          -1,
          READ_DATA,
          { { 16,
              { 0x85, 0x08, 0x0E, 0, 0xD0, 0, 1, 0, 0, 0, 0x4F, 0, 0xC2, 0, 0xB0 },
              'i',
              512,
              true } } },
        { KIND(SAT_16),
          -1,
          STATUS,
          { { 16, { 0x85, 0x06, 0x20, 0, 0xDA, 0, 0, 0, 0, 0, 0x4F, 0, 0xC2, 0, 0xB0 }, '-' } } },
        { KIND(SAT_16),
          -1,
          SELF_TEST,
          { { 16, { 0x85, 0x06, 0x00, 0, 0xD4, 0, 0, 0, 2, 0, 0x4F, 0, 0xC2, 0, 0xB0 }, '-' } } },
        { KIND(SAT_16), -1, CHECK_POWER, { { 16, { 0x85, 0x06, 0x20, [14] = 0xE5 }, '-' } } },
        { KIND(SAT_16),
          -1,
          LOG_EXT_FAR,
          { { 16,
              { 0x85, 0x09, 0x0E, 0, 0, 0x01, 0x02, 0, 0x03, 0x12, 0x34, 0, 0, 0, 0x2F },
              'i',
              0x102 * 512,
              true } } },
        { KIND(SAT_12),
          -1,
          READ_DATA,
          { { 12, { 0xA1, 0x08, 0x0E, 0xD0, 1, 0, 0x4F, 0xC2, 0, 0xB0 }, 'i', 512, true } } },
        { KIND(SAT_12),
          -1,
          STATUS,
          { { 12, { 0xA1, 0x06, 0x20, 0xDA, 0, 0, 0x4F, 0xC2, 0, 0xB0 }, '-' } } },
        { KIND(SAT_12), -1, LOG_EXT, { { 0 } } },
        { KIND(SAT_16), -1, NVME_HEALTH, { { 0 } } },
        { KIND(NONE), -1, IDENTIFY, { { 0 } } },
        { KIND(JMICRON),
          0,
          READ_DATA,
          { { 12,
              { 0xDF, 0x10, 0, 0x02, 0x00, 0xD0, 1, 0, 0x4F, 0xC2, 0xA0, 0xB0 },
              'i',
              512,
              true } } },
        { KIND(JMICRON),
          1,
          STATUS,
          { { 12, { 0xDF, 0x10, 0, 0, 1, 0xDA, 0, 0, 0x4F, 0xC2, 0xB0, 0xB0 }, 'i', 1 } } },
        { KIND(JMICRON),
          -1,
          IDENTIFY,
          { { 12, { 0xDF, 0x10, 0, 0, 1, 0, 0x72, 0x0F, 0, 0, 0, 0xFD }, 'i', 1 },
            { 12, { 0xDF, 0x10, 0, 2, 0, 0, 1, 0, 0, 0, 0xA0, 0xEC }, 'i', 512, true } } },
        { KIND(JMICRON), 0, CHECK_POWER, { { 0 } } },
        { KIND(JMICRON), 0, LOG_EXT, { { 0 } } },
        { KIND(SUNPLUS),
          -1,
          READ_DATA,
          { { 12,
              { 0xF8, 0, 0x22, 0x10, 1, 0xD0, 1, 0, 0x4F, 0xC2, 0xA0, 0xB0 },
              'i',
              512,
              true } } },
        { KIND(SUNPLUS),
          -1,
          STATUS,
          { { 12, { 0xF8, 0, 0x22, 0, 0, 0xDA, 0, 0, 0x4F, 0xC2, 0xA0, 0xB0 }, '-' },
            { 12, { 0xF8, 0, 0x21 }, 'i', 8 } } },
        { KIND(SUNPLUS),
          -1,
          LOG_EXT,
          { { 12, { 0xF8, 0, 0x23 }, '-' },
            { 12, { 0xF8, 0, 0x22, 0x10, 1, 0, 1, 3, 0, 0, 0xA0, 0x2F }, 'i', 512, true } } },
        { KIND(CYPRESS),
          -1,
          IDENTIFY,
          { { 16, { 0x24, 0x24, 0x80, 0xBE, 1, 0, 0, 1, 0, 0, 0, 0, 0xEC }, 'i', 512, true } } },
        { KIND(CYPRESS),
          -1,
          STATUS,
          { { 16, { 0x24, 0x24, 0x00, 0xBE, 1, 0, 0xDA, 0, 0, 0x4F, 0xC2, 0, 0xB0 }, '-' },
            { 16, { 0x24, 0x24, 0x01, 0xBE, 1, 0, 0xDA, 0, 0, 0x4F, 0xC2, 0, 0xB0 }, 'i', 8 } } },
        { KIND(CYPRESS), -1, LOG_EXT, { { 0 } } },
        { KIND(PROLIFIC),
          -1,
          READ_DATA,
          { { 16,
              { 0xD8, 0x15, 0, 0xD0, 0x06, 0x7B, 0, 0, 2, 0, 1, 0, 0x4F, 0xC2, 0xA0, 0xB0 },
              'i',
              512,
              true } } },
        { KIND(PROLIFIC),
          -1,
          STATUS,
          { { 16,
              { 0xD8, 0x15, 0, 0xDA, 0x06, 0x7B, 0, 0, 0, 0, 0, 0, 0x4F, 0xC2, 0xA0, 0xB0 },
              '-' },
            { 16, { 0xD7, 0, 0, 0, 0x06, 0x7B }, 'i', 16 } } },
        { KIND(PROLIFIC), -1, LOG_EXT_FAR, { { 0 } } },
        { KIND(NVME_JMICRON),
          -1,
          NVME_HEALTH,
          { { 12, { 0xA1, 0x80, 0, 0, 2, 0 }, 'o', 512 },
            { 12, { 0xA1, 0x82, 0, 0, 2, 0 }, 'i', 512, true },
            { 12, { 0xA1, 0x8F, 0, 0, 2, 0 }, 'i', 512 } } },
        { KIND(NVME_JMICRON),
          -1,
          NVME_SELF_TEST,
          { { 12, { 0xA1, 0x80, 0, 0, 2, 0 }, 'o', 512 },
            { 12, { 0xA1, 0x81 }, '-' },
            { 12, { 0xA1, 0x8F, 0, 0, 2, 0 }, 'i', 512 } } },
        /* It hangs over a longer one. */
        { KIND(NVME_JMICRON), -1, NVME_SELF_TESTS, { { 0 } } },
        { KIND(NVME_JMICRON),
          -1,
          NVME_SELF_TESTS_SHORTER,
          { { 12, { 0xA1, 0x80, 0, 0, 2, 0 }, 'o', 512 },
            { 12, { 0xA1, 0x82, 0, 0, 0x02, 0x18 }, 'i', 0x218, true },
            { 12, { 0xA1, 0x8F, 0, 0, 2, 0 }, 'i', 512 } } },
        { KIND(NVME_JMICRON), -1, IDENTIFY, { { 0 } } },
        { KIND(NVME_ASMEDIA),
          -1,
          NVME_IDENTIFY,
          { { 16, { 0xE6, 0x06, 0, 0x01 }, 'i', 4096, true } } },
        { KIND(NVME_ASMEDIA),
          -1,
          NVME_HEALTH,
          { { 16, { 0xE6, 0x02, 0, 0x02, 0, 0, 0, 0x7F }, 'i', 512, true } } },
        { KIND(NVME_ASMEDIA),
          -1,
          NVME_SELF_TESTS,
          { { 16, { 0xE6, 0x02, 0, 0x06, 0, 0, 0, 0x8C }, 'i', 564, true } } },
        { KIND(NVME_ASMEDIA), -1, NVME_SELF_TEST, { { 0 } } },
        { KIND(NVME_REALTEK),
          -1,
          NVME_IDENTIFY,
          { { 16, { 0xE4, 0x00, 0x10, 0x06, 0x01 }, 'i', 4096, true } } },
        { KIND(NVME_REALTEK),
          -1,
          NVME_HEALTH,
          { { 16, { 0xE4, 0x00, 0x02, 0x02, 0x02 }, 'i', 512, true } } },
        { KIND(NVME_REALTEK), -1, NVME_SELF_TESTS, { { 0 } } },
        { KIND(NVME_REALTEK),
          -1,
          NVME_SELF_TESTS_SHORTEST,
          { { 16, { 0xE4, 0xFC, 0x01, 0x02, 0x06 }, 'i', 508, true } } },
        { KIND(NVME_REALTEK), -1, NVME_SELF_TEST, { { 0 } } },
};

static char direction_to_char(TransportDirection direction) {
        if (direction == TRANSPORT_DIRECTION_NONE)
                return '-';
        return direction == TRANSPORT_DIRECTION_IN ? 'i' : 'o';
}

static SmartBridgeOutcome good_outcome(const SmartBridgeStep *step) {
        return (SmartBridgeOutcome){ .is_good = true, .actual_size = step->data_size };
}

/* What a bridge that has all answers would put into the run's own bytes. */
static void answer_well(SmartBridgeRun *run, const SmartBridgeStep *step) {
        if (step->direction != TRANSPORT_DIRECTION_IN || step->is_request_data)
                return;
        memset(run->bytes, 0, sizeof(run->bytes));
        if (step->data_size == 1)
                run->bytes[0] = run->bridge.port < 0 ? 0x04 : 0xC2;
        else if (step->data_size == 512)
                memcpy(run->bytes, "NVME", 4);
}

static bool start(SmartBridgeRun *run, SmartBridgeKind kind, int port, RequestKind request_kind) {
        SmartBridge bridge;
        SmartRequest request;

        smart_bridge_init(&bridge, kind);
        bridge.port = port;
        make_request(&request, request_kind);
        return smart_bridge_run_init(run, &bridge, &request) == 0;
}

START_TEST(requests_are_packed_as_each_bridge_wants_them) {
        const BuildCase *c = &build_cases[_i];
        SmartBridgeRun run;
        SmartBridgeStep step;
        size_t n = 0;

        ck_assert_msg(start(&run, c->kind, c->port, c->request) == (c->steps[0].cdb_size > 0),
                      "case %d", _i);
        if (c->steps[0].cdb_size == 0)
                return;
        while (smart_bridge_run_get_step(&run, &step)) {
                const ExpectedStep *expected = &c->steps[n++];
                SmartBridgeOutcome outcome = good_outcome(&step);

                ck_assert_msg(n <= STEPS_MAX && expected->cdb_size > 0, "case %d, step %zu", _i, n);
                ck_assert_msg(step.cdb_size == expected->cdb_size, "case %d, step %zu", _i, n);
                for (size_t i = 0; i < sizeof(step.cdb); i++)
                        ck_assert_msg(step.cdb[i] == expected->cdb[i],
                                      "case %d, step %zu, byte %zu: %02x", _i, n, i, step.cdb[i]);
                ck_assert_int_eq(direction_to_char(step.direction), expected->direction);
                ck_assert_uint_eq(step.data_size, expected->data_size);
                ck_assert_int_eq(step.is_request_data, expected->is_request_data);
                answer_well(&run, &step);
                smart_bridge_run_take(&run, &outcome);
        }
        ck_assert(n == STEPS_MAX || c->steps[n].cdb_size == 0);
        ck_assert(run.is_done);
}
END_TEST

START_TEST(a_prolific_chip_with_jmicrons_commands_has_its_check_word) {
        SmartBridge bridge;
        SmartRequest request;
        SmartBridgeRun run;
        SmartBridgeStep step;

        smart_bridge_init(&bridge, KIND(JMICRON));
        bridge.port = 0;
        bridge.is_prolific = true;
        bridge.is_extended = true;
        smart_request_read_log_ext(&request, 3, 0, 1);
        ck_assert_int_eq(smart_bridge_run_init(&run, &bridge, &request), 0);
        ck_assert(smart_bridge_run_get_step(&run, &step));
        ck_assert_uint_eq(step.cdb_size, 14);
        ck_assert_uint_eq(get_be16(step.cdb + 12), 0x067B);
        smart_request_read_log_ext(&request, 3, 0x100, 1);
        ck_assert_int_eq(smart_bridge_run_init(&run, &bridge, &request), -EOPNOTSUPP);
}
END_TEST

START_TEST(the_command_for_nvme_lies_in_512_bytes) {
        SmartBridgeRun run;
        SmartBridgeStep step;

        ck_assert(start(&run, KIND(NVME_JMICRON), -1, NVME_HEALTH));
        ck_assert(smart_bridge_run_get_step(&run, &step));
        ck_assert_mem_eq(run.bytes, "NVME", 4);
        ck_assert_uint_eq(run.bytes[8], 0x02);
        ck_assert_uint_eq(get_le32(run.bytes + 12), 0xFFFFFFFF);
        ck_assert_uint_eq(get_le32(run.bytes + 48), 0x007F0002);
        ck_assert_uint_eq(get_le32(run.bytes + 52), 0);
}
END_TEST

#define SENSE_REGISTERS(mid, high, status) \
        { 0x72, 1, 0, 0x1D, 0, 0, 0, 14, 9, 12, 0, 0, 0, 0, 0, 0, 0, mid, 0, high, 0xA0, status }
#define SENSE_ILLEGAL \
        { 0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x20, 0 }
#define SENSE_NOT_READY \
        { 0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 1 }
#define SENSE_RECOVERED \
        { 0x70, 0, 1, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x17, 0 }

typedef struct SatCase {
        const char *what;
        RequestKind request;
        bool is_good;
        size_t sense_size;
        uint8_t sense[24];
        size_t actual_size;
        SmartAnswer answer;
        uint64_t lba;
} SatCase;

static const SatCase sat_cases[] = {
        { "data", IDENTIFY, true, 0, { 0 }, 512, ANSWER(GOOD), 0 },
        { "too little data", IDENTIFY, true, 0, { 0 }, 511, ANSWER(TRUNCATED), 0 },
        { "data, and a recovered error", IDENTIFY, false, 14, SENSE_RECOVERED, 512, ANSWER(GOOD),
          0 },
        { "no such command", IDENTIFY, false, 14, SENSE_ILLEGAL, 0, ANSWER(REFUSED), 0 },
        { "not ready", IDENTIFY, false, 14, SENSE_NOT_READY, 0, ANSWER(LOST), 0 },
        { "a failure without sense", IDENTIFY, false, 0, { 0 }, 0, ANSWER(LOST), 0 },
        { "an error of the drive", IDENTIFY, false, 22, SENSE_REGISTERS(0, 0, 0x51), 0,
          ANSWER(REFUSED), 0 },
        { "a status", STATUS, false, 22, SENSE_REGISTERS(0x4F, 0xC2, 0x50), 0, ANSWER(GOOD),
          0xC24F00 },
        { "a status in sense with GOOD", STATUS, true, 22, SENSE_REGISTERS(0xF4, 0x2C, 0x50), 0,
          ANSWER(GOOD), 0x2CF400 },
        { "a status cut off behind the LBA", STATUS, false, 20, SENSE_REGISTERS(0x4F, 0xC2, 0x50),
          0, ANSWER(GOOD), 0xC24F00 },
        { "a status cut off in the LBA", STATUS, false, 18, SENSE_REGISTERS(0x4F, 0xC2, 0x50), 0,
          ANSWER(LOST), 0 },
        { "a status that does not come", STATUS, true, 0, { 0 }, 0, ANSWER(LOST), 0 },
        { "a status that is refused", STATUS, false, 14, SENSE_ILLEGAL, 0, ANSWER(REFUSED), 0 },
        { "a status that the drive refuses", STATUS, false, 22, SENSE_REGISTERS(0x4F, 0xC2, 0x51),
          0, ANSWER(REFUSED), 0xC24F00 },
        { "a status with a key that is made up",
          STATUS,
          false,
          22,
          { 0x72, 5, 0x20, 0, 0, 0, 0, 14, 9, 12, 0, 0, 0, 0, 0, 0, 0, 0x4F, 0, 0xC2, 0xA0, 0x50 },
          0,
          ANSWER(GOOD),
          0xC24F00 },
        { "a refusal with registers that say nothing",
          STATUS,
          false,
          22,
          { 0x72, 5, 0x20, 0, 0, 0, 0, 14, 9, 12 },
          0,
          ANSWER(REFUSED),
          0 },
};

START_TEST(answers_through_sat_are_what_they_say) {
        const SatCase *c = &sat_cases[_i];
        SmartBridgeOutcome outcome = {
                .is_good = c->is_good,
                .sense = c->sense_size > 0 ? c->sense : NULL,
                .sense_size = c->sense_size,
                .actual_size = c->actual_size,
        };
        SmartBridgeRun run;

        ck_assert(start(&run, _i % 2 ? KIND(SAT_16) : KIND(SAT_12), -1, c->request));
        smart_bridge_run_take(&run, &outcome);
        ck_assert(run.is_done);
        ck_assert_msg(run.answer == c->answer, "%s: %d", c->what, run.answer);
        ck_assert_msg(run.registers.lba == c->lba, "%s", c->what);
}
END_TEST

typedef struct StatusCase {
        SmartBridgeKind kind;
        size_t actual_size;
        uint8_t bytes[16];
        SmartAnswer answer;
        uint64_t lba;
} StatusCase;

/* The last step's bytes. */
static const StatusCase status_cases[] = {
        { KIND(JMICRON), 1, { 0xC2 }, ANSWER(GOOD), 0xC24F00 },
        { KIND(JMICRON), 1, { 0x2C }, ANSWER(GOOD), 0x2CF400 },
        { KIND(JMICRON), 1, { 0x01 }, ANSWER(LOST), 0 },
        { KIND(JMICRON), 0, { 0xC2 }, ANSWER(LOST), 0 },
        { KIND(SUNPLUS), 8, { 0, 0, 1, 2, 0x4F, 0xC2, 0xA0, 0x50 }, ANSWER(GOOD), 0xC24F02 },
        { KIND(SUNPLUS), 8, { 0, 4, 1, 2, 0x4F, 0xC2, 0xA0, 0x51 }, ANSWER(REFUSED), 0xC24F02 },
        { KIND(SUNPLUS), 7, { 0, 0, 1, 2, 0x4F, 0xC2, 0xA0, 0x50 }, ANSWER(TRUNCATED), 0 },
        { KIND(CYPRESS), 8, { 0, 0, 1, 2, 0xF4, 0x2C, 0xA0, 0x50 }, ANSWER(GOOD), 0x2CF402 },
        /* What a PL2773 sent. */
        { KIND(PROLIFIC),
          16,
          { 0x50, 0, 0, 0, 0, 0x01, 0x4F, 0, 0xC2, 0, 0xA0, 0xDA, 0, 0xB0, 0, 0x50 },
          ANSWER(GOOD),
          0xC24F00 },
};

START_TEST(vendors_ways_to_tell_the_status_are_understood) {
        const StatusCase *c = &status_cases[_i];
        SmartBridgeRun run;
        SmartBridgeStep step;

        ck_assert(start(&run, c->kind, 0, STATUS));
        while (smart_bridge_run_get_step(&run, &step)) {
                SmartBridgeOutcome outcome = good_outcome(&step);

                if (step.data_size > 0) {
                        memcpy(run.bytes, c->bytes, sizeof(c->bytes));
                        outcome.actual_size = c->actual_size;
                }
                smart_bridge_run_take(&run, &outcome);
        }
        ck_assert_msg(run.answer == c->answer, "case %d: %d", _i, run.answer);
        ck_assert_uint_eq(run.registers.lba, c->lba);
}
END_TEST

START_TEST(a_jmicron_bridge_tells_its_port_once) {
        const struct {
                uint8_t byte;
                SmartAnswer answer;
                int port;
        } ports[] = {
                { 0x04, ANSWER(GOOD), 0 },
                { 0x40, ANSWER(GOOD), 1 },
                { 0x44, ANSWER(REFUSED), SMART_BRIDGE_PORT_UNKNOWN },
                { 0x00, ANSWER(REFUSED), SMART_BRIDGE_PORT_UNKNOWN },
        };

        for (size_t i = 0; i < N_ELEMENTS(ports); i++) {
                SmartBridgeRun run;
                SmartBridgeStep step;
                SmartBridgeOutcome outcome;

                ck_assert(start(&run, KIND(JMICRON), -1, IDENTIFY));
                ck_assert(smart_bridge_run_get_step(&run, &step));
                outcome = good_outcome(&step);
                run.bytes[0] = ports[i].byte;
                smart_bridge_run_take(&run, &outcome);
                ck_assert_int_eq(run.answer, ports[i].answer);
                ck_assert_int_eq(run.bridge.port, ports[i].port);
                ck_assert_int_eq(run.is_done, ports[i].answer != ANSWER(GOOD));
        }
}
END_TEST

START_TEST(the_first_step_that_fails_is_the_last) {
        const uint8_t sense[] = SENSE_ILLEGAL;
        SmartBridgeOutcome outcome = { .sense = sense, .sense_size = sizeof(sense) };
        SmartBridgeRun run;
        SmartBridgeStep step;

        ck_assert(start(&run, KIND(NVME_JMICRON), -1, NVME_HEALTH));
        smart_bridge_run_take(&run, &outcome);
        ck_assert(run.is_done);
        ck_assert_int_eq(run.answer, ANSWER(REFUSED));
        ck_assert(!smart_bridge_run_get_step(&run, &step));
}
END_TEST

START_TEST(a_sunplus_bridge_tells_of_a_drives_error_as_of_the_medium) {
        const uint8_t sense[] = { 0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 0 };
        SmartBridgeOutcome outcome = { .sense = sense, .sense_size = sizeof(sense) };
        SmartBridgeRun run;

        ck_assert(start(&run, KIND(SUNPLUS), -1, IDENTIFY));
        smart_bridge_run_take(&run, &outcome);
        ck_assert_int_eq(run.answer, ANSWER(REFUSED));
        ck_assert(start(&run, KIND(CYPRESS), -1, IDENTIFY));
        smart_bridge_run_take(&run, &outcome);
        ck_assert_int_eq(run.answer, ANSWER(LOST));
}
END_TEST

static void run_nvme(SmartBridgeRun *run, const char *signature, uint32_t status) {
        SmartBridgeStep step;

        ck_assert(start(run, KIND(NVME_JMICRON), -1, NVME_HEALTH));
        while (smart_bridge_run_get_step(run, &step)) {
                SmartBridgeOutcome outcome = good_outcome(&step);

                memset(run->bytes, 0, sizeof(run->bytes));
                memcpy(run->bytes, signature, 4);
                put_le32(run->bytes + 20, status);
                smart_bridge_run_take(run, &outcome);
        }
}

START_TEST(the_response_for_nvme_has_the_drives_status) {
        SmartBridgeRun run;

        run_nvme(&run, "NVME", 0x00010000);
        ck_assert_int_eq(run.answer, ANSWER(GOOD));
        run_nvme(&run, "NVME", 0x00050000);
        ck_assert_int_eq(run.answer, ANSWER(REFUSED));
        ck_assert_uint_eq(run.nvme_status, 2);
        run_nvme(&run, "ATA!", 0);
        ck_assert_int_eq(run.answer, ANSWER(ABSURD));
}
END_TEST

typedef struct FindCase {
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t device_bcd;
        bool is_known;
        SmartBridgeKind kind;
        bool is_sat_too;
        bool is_extended;
} FindCase;

static const FindCase find_cases[] = {
        { 0x152D, 0x0583, 0x0213, true, KIND(NVME_JMICRON), true, false },
        { 0x152D, 0x2336, 0x0100, true, KIND(JMICRON), false, true },
        { 0x152D, 0x2336, 0x0200, false, KIND(NONE), false, false },
        { 0x0BDA, 0x9210, 0xF101, true, KIND(NVME_REALTEK), true, false },
        { 0x174C, 0x55AA, 0x0100, true, KIND(SAT_16), false, false },
        { 0x1234, 0x5678, 0x0100, false, KIND(NONE), false, false },
};

START_TEST(some_bridges_are_known) {
        const FindCase *c = &find_cases[_i];
        SmartBridge bridge = { 0 };

        ck_assert_int_eq(smart_bridge_find(&bridge, c->vendor_id, c->product_id, c->device_bcd),
                         c->is_known);
        ck_assert_int_eq(bridge.kind, c->kind);
        ck_assert_int_eq(bridge.is_sat_too, c->is_sat_too);
        ck_assert_int_eq(bridge.is_extended, c->is_extended);
        if (c->is_known)
                ck_assert_int_eq(bridge.port, SMART_BRIDGE_PORT_UNKNOWN);
}
END_TEST

START_TEST(logs_are_read_no_further_than_bridges_bear) {
        SmartBridge bridge;

        smart_bridge_init(&bridge, KIND(NVME_JMICRON));
        ck_assert_uint_eq(smart_bridge_get_log_size_max(&bridge, 0x06), 0x218);
        ck_assert_uint_ge(smart_bridge_get_log_size_max(&bridge, 0x02), 512);
        smart_bridge_init(&bridge, KIND(NVME_REALTEK));
        ck_assert_uint_eq(smart_bridge_get_log_size_max(&bridge, 0x06), 512);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_bridge");
        TCase *tcase = tcase_create("smart_bridge");

        tcase_add_loop_test(tcase, requests_are_packed_as_each_bridge_wants_them, 0,
                            N_ELEMENTS(build_cases));
        tcase_add_test(tcase, a_prolific_chip_with_jmicrons_commands_has_its_check_word);
        tcase_add_test(tcase, the_command_for_nvme_lies_in_512_bytes);
        tcase_add_loop_test(tcase, answers_through_sat_are_what_they_say, 0, N_ELEMENTS(sat_cases));
        tcase_add_loop_test(tcase, vendors_ways_to_tell_the_status_are_understood, 0,
                            N_ELEMENTS(status_cases));
        tcase_add_test(tcase, a_jmicron_bridge_tells_its_port_once);
        tcase_add_test(tcase, the_first_step_that_fails_is_the_last);
        tcase_add_test(tcase, a_sunplus_bridge_tells_of_a_drives_error_as_of_the_medium);
        tcase_add_test(tcase, the_response_for_nvme_has_the_drives_status);
        tcase_add_loop_test(tcase, some_bridges_are_known, 0, N_ELEMENTS(find_cases));
        tcase_add_test(tcase, logs_are_read_no_further_than_bridges_bear);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
