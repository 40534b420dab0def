/* How a drive is asked: which commands are sent, one after the other, and what becomes known. */

#include <errno.h>
#include <stdio.h>

#include "ata_sector.h"
#include "base/log.h"
#include "scripted_transport.h"
#include "scsi/scsi_processor.h"
#include "smart/smart_monitor.h"
#include "unit_test.h"

#define ANSWERS_MAX 24
#define STEPS "ATA PASS-THROUGH(16)"

static uint8_t identity[SECTOR], attributes[SECTOR], thresholds[SECTOR], error_log[SECTOR],
                self_tests[SECTOR];

/* SAT-3, "ATA Status Return descriptor": of SMART RETURN STATUS, and of CHECK POWER MODE. */
static const uint8_t sense_good[] = { 0x72, 0x01, 0x00, 0x1D, 0, 0, 0,    14, 0x09, 0x0C, 0,
                                      0,    0,    0,    0,    0, 0, 0x4F, 0,  0xC2, 0xA0, 0x50 };
static const uint8_t sense_failing[] = { 0x72, 0x01, 0x00, 0x1D, 0, 0, 0,    14, 0x09, 0x0C, 0,
                                         0,    0,    0,    0,    0, 0, 0xF4, 0,  0x2C, 0xA0, 0x50 };
static const uint8_t sense_standby[] = { 0x72, 0x01, 0x00, 0x1D, 0, 0, 0, 14, 0x09, 0x0C, 0,
                                         0,    0,    0x00, 0,    0, 0, 0, 0,  0,    0xA0, 0x50 };
static const uint8_t sense_active[] = { 0x72, 0x01, 0x00, 0x1D, 0, 0, 0, 14, 0x09, 0x0C, 0,
                                        0,    0,    0xFF, 0,    0, 0, 0, 0,  0,    0xA0, 0x50 };

#define BYTES(array) .sense_bytes = (array), .sense_bytes_size = sizeof(array)
#define IDENTIFY \
        { SCRIPTED(0x85, 0x08, 0x0E, 0, 0), SCRIPTED_DATA(identity) }
#define READ_ATTRIBUTES \
        { SCRIPTED(0x85, 0x08, 0x0E, 0, 0xD0), SCRIPTED_DATA(attributes) }
#define READ_THRESHOLDS \
        { SCRIPTED(0x85, 0x08, 0x0E, 0, 0xD1), SCRIPTED_DATA(thresholds) }
#define READ_ERRORS \
        { SCRIPTED(0x85, 0x08, 0x0E, 0, 0xD5, 0, 1, 0, 1), SCRIPTED_DATA(error_log) }
#define READ_TESTS \
        { SCRIPTED(0x85, 0x08, 0x0E, 0, 0xD5, 0, 1, 0, 6), SCRIPTED_DATA(self_tests) }
#define STATUS(sense) \
        { SCRIPTED(0x85, 0x06, 0x20, 0, 0xDA), BYTES(sense) }
#define POWER(sense) \
        { SCRIPTED(0x85, 0x06, 0x20, 0, 0), BYTES(sense) }
#define DRIVE(status, power)                                                                 \
        IDENTIFY, READ_ATTRIBUTES, READ_THRESHOLDS, READ_ERRORS, READ_TESTS, STATUS(status), \
                        POWER(power)

typedef struct Bench {
        ScriptedTransport scripted;
        ScsiProcessor *processor;
        SmartMonitor monitor;
        unsigned n_holds;
        unsigned n_told;
        bool is_held;
        bool must_end;
        unsigned n_commands_max; /* then it must end; 0: never */

        unsigned flags;
        bool is_abort;
        int result;
        char words[SMART_MONITOR_WORDS_SIZE];
} Bench;

static Bench bench;
static unsigned n_logged;

static void on_log(const LogRecord *record, void *userdata) {
        n_logged += record->level <= LOG_LEVEL_ERROR;
}

static void on_hold(void *userdata) {
        scsi_processor_hold(bench.processor);
        bench.n_holds++;
}

static void on_release(void *userdata) { scsi_processor_release(bench.processor); }

static void on_told(const ScsiCommand *command, void *userdata) {
        ck_assert_int_eq(command->result, SCSI_RESULT_CHECK_CONDITION);
        bench.n_told++;
}

static bool on_must_end(void *userdata) {
        return bench.n_commands_max > 0 && bench.scripted.n_commands >= bench.n_commands_max;
}

static const SmartMonitorHandlers handlers = {
        .hold = on_hold,
        .release = on_release,
        .told = on_told,
        .must_end = on_must_end,
};

static const SmartMonitorOptions probing = { .name = "bench", .may_probe = true };

static const ScriptedAnswer refuses_all[] = { { SCRIPTED(0xFF) } };

static void set_up_sectors(void) {
        ata_sector_identity(identity);
        ata_sector_attributes(attributes);
        ata_sector_thresholds(thresholds);
        memset(error_log, 0, SECTOR);
        error_log[0] = 1;
        ata_sector_seal(error_log);
        memset(self_tests, 0, SECTOR);
        self_tests[0] = 1;
        ata_sector_seal(self_tests);
}

static void set_up_with(const ScriptedAnswer *answers, size_t n,
                        const SmartMonitorOptions *options) {
        bench = (Bench){ 0 };
        scripted_transport_init(&bench.scripted, answers, n);
        ck_assert_int_eq(scsi_processor_new(&bench.processor, &bench.scripted.transport, NULL), 0);
        smart_monitor_init(&bench.monitor, options, &handlers, NULL);
}

#define SET_UP(table, options)                                      \
        do {                                                        \
                set_up_sectors();                                   \
                set_up_with((table), N_ELEMENTS(table), (options)); \
        } while (0)

static void finish(void) {
        scripted_transport_run(&bench.scripted);
        scsi_processor_free(bench.processor);
        scripted_transport_done(&bench.scripted);
}

static int poll_main(Task *task, void *userdata) {
        return smart_monitor_poll(&bench.monitor, task, scsi_processor_get_target(bench.processor),
                                  bench.flags);
}

static int test_main(Task *task, void *userdata) {
        ScsiTarget *target = scsi_processor_get_target(bench.processor);
        const SmartSelfTestKind *kind = userdata;

        return bench.is_abort ? smart_monitor_abort_test(&bench.monitor, task, target, bench.words)
                              : smart_monitor_start_test(&bench.monitor, task, target, *kind,
                                                         bench.words);
}

static void on_end(Task *task, int result, void *userdata) { bench.result = result; }

static int run(TaskMain main, void *userdata) {
        bench.result = 1;
        ck_assert_int_eq(task_start(NULL, bench.scripted.loop, "poll", main, on_end, userdata), 0);
        scripted_transport_run(&bench.scripted);
        ck_assert_int_le(bench.result, 0);
        return bench.result;
}

static int poll_with(unsigned flags) {
        bench.flags = flags;
        return run(poll_main, NULL);
}

static int poll(void) { return poll_with(SMART_MONITOR_IS_AWAKE); }

static int start_test(SmartSelfTestKind kind) { return run(test_main, &kind); }

static size_t count_commands(void) {
        size_t n = bench.scripted.n_commands;

        bench.scripted.n_commands = 0;
        return n;
}

static void expect_verdict(SmartVerdictKind kind, const char *reason) {
        ck_assert_int_eq(bench.monitor.verdict.kind, kind);
        if (reason)
                ck_assert_str_eq(bench.monitor.verdict.reason, reason);
}

/* Ways */

START_TEST(a_drive_behind_a_bridge_that_speaks_sat_is_asked_all) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_active) };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        ck_assert_str_eq(smart_monitor_describe_way(&bench.monitor), "SAT, 16 bytes");
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        ck_assert_uint_eq(bench.monitor.n_asked, 1);
        ck_assert_int_eq(bench.monitor.data.status, SMART_STATUS_PASSED);
        ck_assert_uint_eq(bench.monitor.data.power_on_hours.value, 9123);
        ck_assert_int_eq(bench.monitor.data.answers[SMART_SECTION_SELF_TESTS], SMART_ANSWER_GOOD);
        ck_assert_int_eq(bench.monitor.data.answers[SMART_SECTION_ERROR_LOG], SMART_ANSWER_GOOD);
        ck_assert_uint_eq(bench.n_holds, 0);
        finish();
}
END_TEST

START_TEST(a_drive_that_fails_says_so) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_failing, sense_active) };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_FAILING, "it predicts its own failure");
        finish();
}
END_TEST

START_TEST(what_refuses_all_is_asked_once) {
        SET_UP(refuses_all, &probing);
        ck_assert_int_eq(poll(), -EOPNOTSUPP);
        scripted_transport_expect(&bench.scripted, "ATA PASS-THROUGH(16), REQUEST SENSE, "
                                                   "ATA PASS-THROUGH(12), REQUEST SENSE, "
                                                   "LOG SENSE, REQUEST SENSE");
        ck_assert_str_eq(smart_monitor_describe_way(&bench.monitor), "none");
        ck_assert_int_eq(poll(), -EOPNOTSUPP);
        scripted_transport_expect(&bench.scripted, "");
        ck_assert_int_eq(poll_with(SMART_MONITOR_IS_AWAKE | SMART_MONITOR_LOOK_AGAIN), -EOPNOTSUPP);
        ck_assert_uint_gt(bench.scripted.n_commands, 6);
        expect_verdict(SMART_VERDICT_KIND_UNKNOWN, "it tells nothing of its health");
        finish();
}
END_TEST

typedef struct WayCase {
        SmartMonitorOptions options;
        const char *trace;
} WayCase;

#define BRIDGE(what, ...) \
        .has_bridge = true, .bridge = { .kind = SMART_BRIDGE_KIND_##what, .port = -1, __VA_ARGS__ }

/* Nothing but what the bridge is known to have, and nothing at all where nothing is known. */
static const WayCase way_cases[] = {
        { { .may_probe = false }, "" },
        { { .may_probe = true, BRIDGE(NONE) }, "LOG SENSE, REQUEST SENSE" },
        { { .may_probe = false, BRIDGE(SAT_12) }, "ATA PASS-THROUGH(12), REQUEST SENSE" },
        { { .may_probe = false, BRIDGE(SUNPLUS) }, "F8h, REQUEST SENSE" },
        { { .may_probe = false, BRIDGE(NVME_REALTEK, .is_sat_too = true) },
          "E4h, REQUEST SENSE, ATA PASS-THROUGH(16), REQUEST SENSE" },
        /* Our own table counts more. */
        { { .may_probe = false,
            .vendor_id = 0x152D,
            .product_id = 0x2338,
            .device_bcd = 0x0100,
            BRIDGE(SUNPLUS) },
          "DFh, REQUEST SENSE" },
};

START_TEST(only_what_a_bridge_may_have_is_tried) {
        SmartMonitorOptions options = way_cases[_i].options;

        options.name = "bench";
        SET_UP(refuses_all, &options);
        ck_assert_int_eq(poll(), -EOPNOTSUPP);
        scripted_transport_expect(&bench.scripted, way_cases[_i].trace);
        finish();
}
END_TEST

START_TEST(a_unit_that_is_not_ready_is_looked_at_again) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x85), .n_times = 1, .sense = 0x020401 },
                { SCRIPTED(0xA1), .n_times = 1, .sense = 0x020401 },
                DRIVE(sense_good, sense_active),
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), -EAGAIN);
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        finish();
}
END_TEST

/* Answers that are no good */

typedef struct BrokenCase {
        uint8_t *sector;
        size_t offset;
        uint8_t value;
        const char *reason;
} BrokenCase;

static const BrokenCase broken_cases[] = {
        { identity, 100, 0x77, "its identity has a wrong checksum" },
        { attributes, 100, 0x77, "its table of attributes has a wrong checksum" },
        { thresholds, 100, 0x77, "its table of thresholds has a wrong checksum" },
        { error_log, 100, 0x77, "its error log has a wrong checksum" },
        { self_tests, 100, 0x77, "its self-test log has a wrong checksum" },
};

START_TEST(a_wrong_checksum_is_never_good) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_active) };
        const BrokenCase *c = &broken_cases[_i];

        SET_UP(answers, &probing);
        c->sector[c->offset] = c->value;
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_UNKNOWN, c->reason);
        set_up_sectors();
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        finish();
}
END_TEST

START_TEST(an_answer_that_is_too_short_is_never_good) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x85, 0x08, 0x0E, 0, 0xD0), .data = attributes, .size = 100 },
                DRIVE(sense_good, sense_active),
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_UNKNOWN, "its table of attributes is truncated");
        finish();
}
END_TEST

START_TEST(without_registers_the_attributes_count_and_they_are_asked_for_once) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x85, 0x06, 0x20, 0, 0xDA) }, /* good, without any sense */
                DRIVE(sense_good, sense_active),
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_GOOD,
                       "by its attributes: its status does not come through the bridge");
        ck_assert_uint_eq(count_commands(), 6);
        ck_assert_int_eq(poll(), 0);
        ck_assert_uint_eq(count_commands(), 5);
        finish();
}
END_TEST

START_TEST(registers_that_are_cut_off_are_asked_for_once_more) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_active) };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        /* Identity, attributes, thresholds, status and its sense twice, two logs. */
        ck_assert_uint_eq(count_commands(), 9);
        ck_assert_int_eq(poll(), 0);
        /* Before all that its power mode and sense; but no sense is cut off any more. */
        ck_assert_uint_eq(count_commands(), 9);
        ck_assert_int_eq(bench.monitor.data.status, SMART_STATUS_PASSED);
        finish();
}
END_TEST

/* Sleep */

START_TEST(a_drive_in_standby_is_left_alone) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_standby) };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll_with(0), -EAGAIN);
        ck_assert_uint_eq(count_commands(), 0);
        ck_assert_int_eq(poll(), 0);
        count_commands();
        ck_assert_int_eq(poll(), -EAGAIN);
        ck_assert_uint_eq(count_commands(), 2);
        ck_assert_uint_eq(bench.monitor.n_asked, 1);
        ck_assert_int_eq(poll_with(SMART_MONITOR_MAY_WAKE), 0);
        ck_assert_uint_eq(bench.monitor.n_asked, 2);
        finish();
}
END_TEST

START_TEST(what_does_not_tell_whether_it_sleeps_is_asked_while_it_is_in_use) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x85, 0x06, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xE5),
                  .sense = 0x0B0000 },
                DRIVE(sense_good, sense_active),
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        ck_assert_int_eq(poll_with(0), -EAGAIN);
        ck_assert_int_eq(poll(), 0);
        finish();
}
END_TEST

/* Failures */

START_TEST(what_falls_silent_is_never_asked_again) {
        static const ScriptedAnswer answers[] = { { SCRIPTED(0x85), .hangs = true } };

        SET_UP(answers, &probing);
        log_set_sink(on_log, NULL);
        n_logged = 0;
        ck_assert_int_eq(poll(), -EIO);
        ck_assert(bench.monitor.is_given_up);
        ck_assert_uint_eq(n_logged, 1);
        count_commands();
        ck_assert_int_eq(poll_with(SMART_MONITOR_MAY_WAKE | SMART_MONITOR_LOOK_AGAIN), -EIO);
        ck_assert_uint_eq(count_commands(), 0);
        ck_assert_uint_eq(n_logged, 1);
        log_set_sink(NULL, NULL);
        finish();
}
END_TEST

START_TEST(what_breaks_the_transport_is_asked_once_more) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x85), .result = TRANSPORT_RESULT_ERROR },
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), -EIO);
        ck_assert(!bench.monitor.is_given_up);
        ck_assert_int_eq(poll(), -EIO);
        ck_assert(bench.monitor.is_given_up);
        finish();
}
END_TEST

START_TEST(what_another_command_broke_is_not_its_fault) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_active) };

        SET_UP(answers, &probing);
        scsi_processor_pause(bench.processor);
        ck_assert_int_eq(poll(), -ETIMEDOUT);
        ck_assert(!bench.monitor.is_given_up);
        ck_assert_uint_eq(bench.monitor.n_breaks, 0);
        scsi_processor_resume(bench.processor);
        ck_assert_int_eq(poll(), 0);
        finish();
}
END_TEST

typedef struct SweepCase {
        TransportResult failure;
        int result;
} SweepCase;

static const SweepCase sweep_cases[] = {
        { TRANSPORT_RESULT_ERROR, -EIO },           { TRANSPORT_RESULT_TIMED_OUT, -EIO },
        { TRANSPORT_RESULT_BUSY, -EBUSY },          { TRANSPORT_RESULT_GONE, -ENODEV },
        { TRANSPORT_RESULT_CANCELLED, -ECANCELED },
};

/* Whichever command fails: what was known stays, and nothing half known comes beside it. */
START_TEST(a_failure_anywhere_leaves_what_was_known) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_active) };
        const SweepCase *c = &sweep_cases[_i];
        size_t n = 1;

        for (bool has_failed = true; has_failed; n++) {
                SET_UP(answers, &probing);
                ck_assert_int_eq(poll(), 0);
                count_commands();
                attributes[2 + 12 + 3] = 1;
                ata_sector_seal(attributes);
                bench.scripted.failing_command = n;
                bench.scripted.failure = c->failure;
                bench.result = poll();
                has_failed = bench.scripted.n_commands >= n;
                if (has_failed && bench.result != 0) {
                        ck_assert_int_eq(bench.result, c->result);
                        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
                        ck_assert_uint_eq(bench.monitor.n_asked, 1);
                } else {
                        expect_verdict(SMART_VERDICT_KIND_FAILING, NULL);
                }
                finish();
        }
        ck_assert_uint_gt(n, 9);
}
END_TEST

START_TEST(a_unit_attention_is_told_and_stands_in_nobodys_way) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x85), .n_times = 2, .sense = 0x062800 },
                DRIVE(sense_good, sense_active),
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        ck_assert_uint_ge(bench.n_told, 2);
        finish();
}
END_TEST

START_TEST(it_ends_between_two_commands) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_active) };

        SET_UP(answers, &probing);
        bench.n_commands_max = 3;
        ck_assert_int_eq(poll(), -ECANCELED);
        ck_assert_uint_eq(count_commands(), 3);
        finish();
}
END_TEST

/* SCSI */

static const uint8_t page_list[] = { 0x00, 0, 0, 3, 0x00, 0x0D, 0x2F };
static const uint8_t page_temperature[] = { 0x0D, 0, 0, 6, 0, 0, 3, 2, 0, 33 };
static const uint8_t page_exceptions[] = { 0x2F, 0, 0, 8, 0, 0, 3, 4, 0, 0, 33, 0 };
static const uint8_t page_failing[] = { 0x2F, 0, 0, 8, 0, 0, 3, 4, 0x5D, 0x10, 33, 0 };
static const uint8_t no_defects[] = { 0, 0x0B, 0, 0, 0, 0, 0, 0 };

#define PAGE(page, bytes) \
        { SCRIPTED(0x4D, 0, 0x40 | (page)), SCRIPTED_DATA(bytes) }

START_TEST(a_scsi_drive_is_asked_for_the_pages_that_it_lists) {
        static const ScriptedAnswer answers[] = {
                PAGE(0x00, page_list),
                PAGE(0x0D, page_temperature),
                PAGE(0x2F, page_exceptions),
                { SCRIPTED(0xB7), SCRIPTED_DATA(no_defects) },
        };
        SmartMonitorOptions options = probing;

        options.identity = (SmartIdentity){ .model = "ORION DISK" };
        SET_UP(answers, &options);
        ck_assert_int_eq(poll(), 0);
        ck_assert_str_eq(smart_monitor_describe_way(&bench.monitor), "SCSI log pages");
        scripted_transport_expect(&bench.scripted,
                                  "ATA PASS-THROUGH(16), REQUEST SENSE, "
                                  "ATA PASS-THROUGH(12), REQUEST SENSE, LOG SENSE, LOG SENSE, "
                                  "LOG SENSE, LOG SENSE, LOG SENSE, LOG SENSE, "
                                  "READ DEFECT DATA(12)");
        ck_assert_str_eq(bench.monitor.data.identity.model, "ORION DISK");
        ck_assert_int_eq(bench.monitor.data.temperature.value, 33);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        finish();
}
END_TEST

START_TEST(an_exception_means_a_failure) {
        static const ScriptedAnswer answers[] = {
                PAGE(0x00, page_list),
                PAGE(0x0D, page_temperature),
                PAGE(0x2F, page_failing),
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_FAILING, "it predicts its own failure");
        finish();
}
END_TEST

static const uint8_t short_list[] = { 0x00, 0, 0, 2, 0x00, 0x0D };
static const uint8_t sense_exception[18] = { 0x70, 0, 1, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x5D, 0x10 };
static const uint8_t sense_low_power[18] = { 0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x5E, 0x02 };
static const uint8_t sense_idle[18] = { 0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x5E, 0x01 };

START_TEST(without_the_page_an_exception_comes_as_sense) {
        static const ScriptedAnswer answers[] = {
                PAGE(0x00, short_list),
                PAGE(0x0D, page_temperature),
                { SCRIPTED(0x00) },
                { SCRIPTED(0x03), SCRIPTED_DATA(sense_exception) },
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        expect_verdict(SMART_VERDICT_KIND_FAILING, "it predicts its own failure");
        finish();
}
END_TEST

START_TEST(a_scsi_drive_in_standby_is_left_alone) {
        static const ScriptedAnswer answers[] = {
                PAGE(0x00, page_list),
                PAGE(0x0D, page_temperature),
                PAGE(0x2F, page_exceptions),
                { SCRIPTED(0x00) },
                { SCRIPTED(0x03), SCRIPTED_DATA(sense_low_power), .n_times = 1 },
                { SCRIPTED(0x03), SCRIPTED_DATA(sense_idle) },
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(poll(), 0);
        ck_assert_int_eq(poll(), -EAGAIN);
        ck_assert_int_eq(poll_with(0), 0);
        finish();
}
END_TEST

/* Self-tests */

START_TEST(a_self_test_begins_and_is_aborted) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0x85, 0x06, 0x00, 0, 0xD4, 0, 0, 0, 0x02) },
                { SCRIPTED(0x85, 0x06, 0x00, 0, 0xD4, 0, 0, 0, 0x7F) },
                DRIVE(sense_good, sense_active),
        };

        SET_UP(answers, &probing);
        ck_assert_int_eq(start_test(SMART_SELF_TEST_KIND_EXTENDED), 0);
        ck_assert_uint_eq(bench.scripted.n_used[0], 1);
        bench.is_abort = true;
        ck_assert_int_eq(start_test(SMART_SELF_TEST_KIND_OTHER), 0);
        ck_assert_uint_eq(bench.scripted.n_used[1], 1);
        finish();
}
END_TEST

START_TEST(a_self_test_that_runs_is_not_replaced) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_active) };

        SET_UP(answers, &probing);
        attributes[363] = 0xF4;
        ata_sector_seal(attributes);
        ck_assert_int_eq(start_test(SMART_SELF_TEST_KIND_SHORT), -EBUSY);
        ck_assert_str_eq(bench.words, "a self-test runs already, 40% of it are left");
        finish();
}
END_TEST

START_TEST(a_self_test_that_the_drive_has_not_is_refused) {
        static const ScriptedAnswer answers[] = { DRIVE(sense_good, sense_active) };

        SET_UP(answers, &probing);
        attributes[367] &= (uint8_t) ~0x20;
        ata_sector_seal(attributes);
        ck_assert_int_eq(start_test(SMART_SELF_TEST_KIND_CONVEYANCE), -EOPNOTSUPP);
        ck_assert_str_eq(bench.words, "the drive has no such self-test");
        /* One that it has, but that does not go through. */
        ck_assert_int_eq(start_test(SMART_SELF_TEST_KIND_SHORT), -EOPNOTSUPP);
        ck_assert_str_eq(bench.words, "the drive or its bridge refuses it");
        finish();
}
END_TEST

/* What keeps state is held. */
START_TEST(a_bridge_that_keeps_state_is_held_while_it_is_told) {
        static const ScriptedAnswer answers[] = {
                { SCRIPTED(0xD8, 0x15, 0, 0, 0x06, 0x7B, 0, 0, 2, 0, 1, 0, 0, 0, 0xA0, 0xEC),
                  SCRIPTED_DATA(identity) },
                { SCRIPTED(0xD8, 0x15, 0, 0xD0), SCRIPTED_DATA(attributes) },
                { SCRIPTED(0xD8, 0x15, 0, 0xD1), SCRIPTED_DATA(thresholds) },
                { SCRIPTED(0xD8, 0x15, 0, 0xDA) },
                { SCRIPTED(0xD7) },
        };
        SmartMonitorOptions options = { .name = "bench", BRIDGE(PROLIFIC) };

        SET_UP(answers, &options);
        ck_assert_int_eq(poll(), 0);
        ck_assert_uint_eq(bench.n_holds, 1);
        finish();
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_monitor");
        TCase *tcase = tcase_create("smart_monitor");

        tcase_add_test(tcase, a_drive_behind_a_bridge_that_speaks_sat_is_asked_all);
        tcase_add_test(tcase, a_drive_that_fails_says_so);
        tcase_add_test(tcase, what_refuses_all_is_asked_once);
        tcase_add_loop_test(tcase, only_what_a_bridge_may_have_is_tried, 0,
                            (int) N_ELEMENTS(way_cases));
        tcase_add_test(tcase, a_unit_that_is_not_ready_is_looked_at_again);
        tcase_add_loop_test(tcase, a_wrong_checksum_is_never_good, 0,
                            (int) N_ELEMENTS(broken_cases));
        tcase_add_test(tcase, an_answer_that_is_too_short_is_never_good);
        tcase_add_test(tcase, without_registers_the_attributes_count_and_they_are_asked_for_once);
        tcase_add_test(tcase, registers_that_are_cut_off_are_asked_for_once_more);
        tcase_add_test(tcase, a_drive_in_standby_is_left_alone);
        tcase_add_test(tcase, what_does_not_tell_whether_it_sleeps_is_asked_while_it_is_in_use);
        tcase_add_test(tcase, what_falls_silent_is_never_asked_again);
        tcase_add_test(tcase, what_breaks_the_transport_is_asked_once_more);
        tcase_add_test(tcase, what_another_command_broke_is_not_its_fault);
        tcase_add_loop_test(tcase, a_failure_anywhere_leaves_what_was_known, 0,
                            (int) N_ELEMENTS(sweep_cases));
        tcase_add_test(tcase, a_unit_attention_is_told_and_stands_in_nobodys_way);
        tcase_add_test(tcase, it_ends_between_two_commands);
        tcase_add_test(tcase, a_scsi_drive_is_asked_for_the_pages_that_it_lists);
        tcase_add_test(tcase, an_exception_means_a_failure);
        tcase_add_test(tcase, without_the_page_an_exception_comes_as_sense);
        tcase_add_test(tcase, a_scsi_drive_in_standby_is_left_alone);
        tcase_add_test(tcase, a_self_test_begins_and_is_aborted);
        tcase_add_test(tcase, a_self_test_that_runs_is_not_replaced);
        tcase_add_test(tcase, a_self_test_that_the_drive_has_not_is_refused);
        tcase_add_test(tcase, a_bridge_that_keeps_state_is_held_while_it_is_told);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
