/*
 * Drives asked for their health: whatever carries the question, the answer is the same; a broken one
 * is never good; and nobody is woken, disturbed or asked again for it.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smart_dump.h"
#include "stack.h"
#include "stack_log.h"

#define SPEC "size=16M,serial=SICK1,"
#define PERIOD_MS 10000
#define OPCODE_SAT_16 0x85
#define OPCODE_SAT_12 0xA1

static Stack stack;
static uint8_t data[256 * KIB];

static void start_with(const char *spec, const SmartBridge *bridge, uint32_t period_ms,
                       const UsbLearnedFacts *known) {
        char text[512];
        StorageOptions options = { .known = known, .smart = { .period_ms = period_ms } };

        if (bridge)
                control_smart_options_set_bridge(&options.smart, bridge);
        snprintf(text, sizeof(text), SPEC "%s", spec);
        if (text[strlen(text) - 1] == ',')
                text[strlen(text) - 1] = '\0';
        stack_init_with_options(&stack, text, &options);
        ck_assert_int_eq(stack.brought_up_result, 0);
}

static void start(const char *spec) { start_with(spec, NULL, 0, NULL); }

static const SimulatedDeviceCounters *get_counters(void) {
        return simulated_device_get_counters(stack.device);
}

static ControlRequest make_update(uint32_t flags) {
        return (ControlRequest){ .kind = CONTROL_REQUEST_KIND_SMART_UPDATE, .flags = flags };
}

static int update_with(uint32_t flags) {
        ControlRequest request = make_update(flags);

        return stack_ask(&stack, &request);
}

static int update(void) { return update_with(0); }

static int test(uint32_t kind) {
        return stack_ask(&stack, &(ControlRequest){ .kind = CONTROL_REQUEST_KIND_SMART_TEST,
                                                    .self_test = kind });
}

static const char *get_words(void) { return stack.requests[stack.n_requests - 1].reply.words; }

static void expect_verdict(SmartVerdictKind kind, const char *reason) {
        ck_assert_msg(stack.smart[0].verdict.kind == kind, "%s: %s",
                      smart_verdict_kind_to_string(stack.smart[0].verdict.kind),
                      stack.smart[0].verdict.reason);
        if (reason)
                ck_assert_str_eq(stack.smart[0].verdict.reason, reason);
}

/* All ways to one drive */

typedef struct Way {
        const char *spec;
        SmartBridgeKind kind; /* as it is told from outside; NONE: it is found */
        const char *name;
        bool loses_status;
} Way;

static const Way ata_ways[] = {
        { "bridge=sat,", SMART_BRIDGE_KIND_NONE, "SAT, 16 bytes", false },
        { "bridge=sat,registers=fixed,", SMART_BRIDGE_KIND_NONE, "SAT, 16 bytes", false },
        { "bridge=sat,registers=cut,", SMART_BRIDGE_KIND_NONE, "SAT, 16 bytes", true },
        { "bridge=sat,registers=none,", SMART_BRIDGE_KIND_NONE, "SAT, 16 bytes", true },
        { "bridge=sat,transport=uas,", SMART_BRIDGE_KIND_NONE, "SAT, 16 bytes", false },
        { "bridge=sat12,", SMART_BRIDGE_KIND_NONE, "SAT, 12 bytes", false },
        { "bridge=sat12,", SMART_BRIDGE_KIND_SAT_12, "SAT, 12 bytes", false },
        { "bridge=jmicron,", SMART_BRIDGE_KIND_JMICRON, "JMicron's bridge for ATA", false },
        { "bridge=sunplus,", SMART_BRIDGE_KIND_SUNPLUS, "Sunplus' bridge for ATA", false },
        { "bridge=cypress,", SMART_BRIDGE_KIND_CYPRESS, "Cypress' bridge for ATA", false },
        { "bridge=prolific,", SMART_BRIDGE_KIND_PROLIFIC, "Prolific's bridge for ATA", false },
        /* By our own table. */
        { "bridge=sunplus,vid=04fc,pid=0c15,", SMART_BRIDGE_KIND_NONE, "Sunplus' bridge for ATA",
          false },
};

static const Way nvme_ways[] = {
        { "bridge=nvme-jmicron,", SMART_BRIDGE_KIND_NVME_JMICRON, "JMicron's bridge for NVMe",
          false },
        { "bridge=nvme-asmedia,", SMART_BRIDGE_KIND_NVME_ASMEDIA, "ASMedia's bridge for NVMe",
          false },
        { "bridge=nvme-realtek,", SMART_BRIDGE_KIND_NVME_REALTEK, "Realtek's bridge for NVMe",
          false },
        { "bridge=nvme-jmicron,vid=152d,pid=0583,transport=uas,", SMART_BRIDGE_KIND_NONE,
          "JMicron's bridge for NVMe", false },
        { "bridge=nvme-realtek,vid=0bda,pid=9210,", SMART_BRIDGE_KIND_NONE,
          "Realtek's bridge for NVMe", false },
};

typedef struct DriveCase {
        const char *spec;
        SmartVerdictKind kind;
        const char *reason;
        SmartVerdictKind kind_without_status;
} DriveCase;

static const DriveCase ata_drives[] = {
        { "", SMART_VERDICT_KIND_GOOD, NULL, SMART_VERDICT_KIND_GOOD },
        { "rotation=7200,errors=7,temperature=41", SMART_VERDICT_KIND_GOOD, NULL,
          SMART_VERDICT_KIND_GOOD },
        { "failing", SMART_VERDICT_KIND_FAILING, "it predicts its own failure",
          SMART_VERDICT_KIND_GOOD },
        { "attribute-5=2000/100/90/140", SMART_VERDICT_KIND_FAILING,
          "attribute 5 is at 100, its threshold is 140", SMART_VERDICT_KIND_FAILING },
        { "attribute-5=2000/200/90/140", SMART_VERDICT_KIND_WARNING, "2000 sectors were replaced",
          SMART_VERDICT_KIND_WARNING },
        { "attribute-197=8", SMART_VERDICT_KIND_WARNING, "8 sectors cannot be read",
          SMART_VERDICT_KIND_WARNING },
        { "smart-enabled=no", SMART_VERDICT_KIND_UNKNOWN, "its SMART is off",
          SMART_VERDICT_KIND_UNKNOWN },
};

static const DriveCase nvme_drives[] = {
        { "", SMART_VERDICT_KIND_GOOD, NULL, SMART_VERDICT_KIND_GOOD },
        { "errors=7,power-on-hours=99999", SMART_VERDICT_KIND_GOOD, NULL, SMART_VERDICT_KIND_GOOD },
        { "failing", SMART_VERDICT_KIND_FAILING, "it is no longer reliable",
          SMART_VERDICT_KIND_FAILING },
        { "media-errors=3", SMART_VERDICT_KIND_WARNING, "3 times data could not be corrected",
          SMART_VERDICT_KIND_WARNING },
        { "wear=101", SMART_VERDICT_KIND_WARNING, "101% of its estimated life is over",
          SMART_VERDICT_KIND_WARNING },
        { "temperature=85", SMART_VERDICT_KIND_WARNING, "it has 85 degrees, its limit is 83",
          SMART_VERDICT_KIND_WARNING },
};

static const DriveCase scsi_drives[] = {
        { "", SMART_VERDICT_KIND_GOOD, NULL, SMART_VERDICT_KIND_GOOD },
        { "rotation=15000,scsi-version=5", SMART_VERDICT_KIND_GOOD, NULL, SMART_VERDICT_KIND_GOOD },
        { "failing", SMART_VERDICT_KIND_FAILING, "it predicts its own failure",
          SMART_VERDICT_KIND_FAILING },
        { "media-errors=3", SMART_VERDICT_KIND_WARNING, "3 reads could not be corrected",
          SMART_VERDICT_KIND_WARNING },
        { "defects=2", SMART_VERDICT_KIND_WARNING, "2 defects have grown",
          SMART_VERDICT_KIND_WARNING },
        { "wear=100", SMART_VERDICT_KIND_WARNING, "100% of its estimated life is over",
          SMART_VERDICT_KIND_WARNING },
        { "temperature=70", SMART_VERDICT_KIND_WARNING, "it has 70 degrees, its limit is 65",
          SMART_VERDICT_KIND_WARNING },
};

/* What it tells, as text; whether its status got lost counts for nothing. */
static char *ask_by(const Way *way, const char *kind, const DriveCase *drive) {
        bool is_lost = way->loses_status && strcmp(drive->spec, "smart-enabled=no") != 0;
        SmartBridge bridge;
        char spec[256];
        SmartData told;

        snprintf(spec, sizeof(spec), "%s%s%s", kind, way->spec, drive->spec);
        smart_bridge_init(&bridge, way->kind);
        start_with(spec, way->kind != SMART_BRIDGE_KIND_NONE ? &bridge : NULL, 0, NULL);
        ck_assert_int_eq(update(), 0);
        ck_assert_str_eq(stack.smart[0].way, way->name);
        ck_assert_int_eq(stack.smart[0].error, 0);
        if (is_lost)
                expect_verdict(drive->kind_without_status, NULL);
        else
                expect_verdict(drive->kind, drive->reason);
        told = stack.smart[0].data;
        if (is_lost) {
                ck_assert_int_eq(told.answers[SMART_SECTION_STATUS], SMART_ANSWER_LOST);
                told.status = SMART_STATUS_UNKNOWN;
        }
        told.answers[SMART_SECTION_STATUS] = SMART_ANSWER_NONE;
        if (way->loses_status || drive->kind_without_status != drive->kind)
                told.status = SMART_STATUS_UNKNOWN;
        stack_done(&stack);
        return smart_dump(&told);
}

static void compare_ways(const Way *ways, size_t n, const char *kind, const DriveCase *drive,
                         bool has_status) {
        char *first = ask_by(&ways[0], kind, drive);

        for (size_t i = 1; i < n; i++) {
                char *other;

                if (ways[i].loses_status == has_status)
                        continue;
                other = ask_by(&ways[i], kind, drive);
                ck_assert_str_eq(other, first);
                free(other);
        }
        free(first);
}

START_TEST(whatever_the_bridge_an_ata_drive_tells_the_same) {
        compare_ways(ata_ways, N_ELEMENTS(ata_ways), "smart=ata,", &ata_drives[_i], true);
}
END_TEST

START_TEST(without_registers_the_rest_is_the_same) {
        char *first = NULL;

        for (size_t i = 0; i < N_ELEMENTS(ata_ways); i++) {
                char *other;

                if (!ata_ways[i].loses_status)
                        continue;
                other = ask_by(&ata_ways[i], "smart=ata,", &ata_drives[_i]);
                if (first)
                        ck_assert_str_eq(other, first);
                free(first);
                first = other;
        }
        ck_assert_ptr_nonnull(first);
        free(first);
}
END_TEST

/* The half that came tells of a failure, so it is not for the attributes to say that all is well. */
START_TEST(half_of_the_registers_is_no_status) {
        start("smart=ata,registers=half");
        ck_assert_int_eq(update(), 0);
        expect_verdict(SMART_VERDICT_KIND_GOOD,
                       "by its attributes: its status does not come through the bridge");
        stack_done(&stack);
        start("smart=ata,registers=half,failing");
        ck_assert_int_eq(update(), 0);
        expect_verdict(SMART_VERDICT_KIND_UNKNOWN, "its status makes no sense");
        stack_done(&stack);
}
END_TEST

START_TEST(whatever_the_bridge_an_nvme_drive_tells_the_same) {
        compare_ways(nvme_ways, N_ELEMENTS(nvme_ways), "smart=nvme,", &nvme_drives[_i], true);
}
END_TEST

START_TEST(a_scsi_drive_tells_by_its_log_pages) {
        static const Way ways[] = {
                { "transport=bot,", SMART_BRIDGE_KIND_NONE, "SCSI log pages", false },
                { "transport=uas,", SMART_BRIDGE_KIND_NONE, "SCSI log pages", false },
        };

        compare_ways(ways, N_ELEMENTS(ways), "smart=scsi,", &scsi_drives[_i], true);
}
END_TEST

START_TEST(a_device_that_carries_nothing_has_nothing_to_tell) {
        start("smart=none");
        ck_assert_int_eq(update(), -EOPNOTSUPP);
        ck_assert_str_eq(get_words(), "no way to the drive is known");
        ck_assert_int_eq(stack.smart[0].error, -EOPNOTSUPP);
        expect_verdict(SMART_VERDICT_KIND_UNKNOWN, "it tells nothing of its health");
        stack_done(&stack);
}
END_TEST

/* What can be taken out is a card or a stick, which may break over it. */
START_TEST(a_removable_medium_is_not_tried_out) {
        start("smart=ata,removable=yes");
        ck_assert_int_eq(update(), -EOPNOTSUPP);
        ck_assert_uint_eq(get_counters()->n_commands_by_opcode[OPCODE_SAT_16], 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_floppy_has_no_drive_to_be_asked) {
        stack_init(&stack, "size=1440K,transport=cbi,command-set=ufi,speed=full");
        ck_assert_int_eq(update(), -EOPNOTSUPP);
        stack_done(&stack);
}
END_TEST

START_TEST(makers_commands_go_to_bridges_that_have_them) {
        static const uint8_t opcodes[] = { 0x24, 0xD7, 0xD8, 0xDF, 0xE4, 0xE6, 0xF8 };

        start("smart=ata");
        ck_assert_int_eq(update(), 0);
        for (size_t i = 0; i < N_ELEMENTS(opcodes); i++)
                ck_assert_uint_eq(get_counters()->n_commands_by_opcode[opcodes[i]], 0);
        stack_done(&stack);
}
END_TEST

/* Broken answers */

typedef struct BrokenCase {
        const char *drive;
        const char *fault;
        const char *section;
} BrokenCase;

#define SAT(byte) "@opcode=85+cdb=" byte "*always"

/* Whatever is done to each answer. */
static const BrokenCase broken_cases[] = {
        { "smart=ata", SAT("14/ec"), "identity" },
        { "smart=ata", SAT("4/d0"), "table of attributes" },
        { "smart=ata", SAT("4/d1"), "table of thresholds" },
        { "smart=ata", SAT("8/01"), "error log" },
        { "smart=ata", SAT("8/06"), "self-test log" },
        { "smart=nvme,vid=152d,pid=0583", "@opcode=a1+cdb=1/82*always", "" },
        { "smart=nvme,vid=174c,pid=2362,bridge=nvme-asmedia", "@opcode=e6+cdb=3/02*always", "" },
        { "smart=scsi", "@opcode=4d+cdb=2/6f*always", "" },
        { "smart=scsi", "@opcode=4d+cdb=2/4d*always", "" },
};

static const char *const damages[] = {
        "data-filled:00", "data-filled:ff", "data-filled:5a",
        "short-data:100", "short-data:500", "short-data-untold:100",
};

static void check_damage(const BrokenCase *c, const char *damage) {
        char plan[128];

        snprintf(plan, sizeof(plan), "%s%s", damage, c->fault);
        stack_add_faults(&stack, plan);
        if (update() < 0)
                return;
        expect_verdict(SMART_VERDICT_KIND_UNKNOWN, NULL);
        ck_assert_ptr_nonnull(strstr(stack.smart[0].verdict.reason, c->section));
}

START_TEST(a_damaged_answer_is_never_good) {
        const BrokenCase *c = &broken_cases[_i];

        for (size_t i = 0; i < N_ELEMENTS(damages); i++) {
                start(c->drive);
                check_damage(c, damages[i]);
                /* It knows that it does not know. */
                simulated_device_clear_faults(stack.device);
                ck_assert_int_eq(update(), 0);
                expect_verdict(SMART_VERDICT_KIND_GOOD, "");
                stack_done(&stack);
        }
}
END_TEST

START_TEST(a_bit_that_is_wrong_is_found_by_its_sum) {
        const BrokenCase *c = &broken_cases[_i];
        char plan[128], reason[SMART_VERDICT_REASON_SIZE];

        start(c->drive);
        snprintf(plan, sizeof(plan), "data-flipped%s", c->fault);
        stack_add_faults(&stack, plan);
        ck_assert_int_eq(update(), 0);
        snprintf(reason, sizeof(reason), "its %s has a wrong checksum", c->section);
        expect_verdict(SMART_VERDICT_KIND_UNKNOWN, reason);
        stack_done(&stack);
}
END_TEST

static const char *const faults[] = {
        "stall:command", "stall:data",  "stall:status", "wire-error:data", "wire-error:status",
        "csw-tag",       "csw-missing", "csw-status",   "phase-error",     "hang:data",
        "hang:status",   "babble",      "data-skipped", "sense:b/00/00",   "sense:2/04/01",
        "zero-packet",   "residue:512", "short-data:1", "freeze:command",  "unit-attention:29/00",
};

/* Whichever of the commands it happens to: what is told is told as it is, or not known, and the
 * device serves its clients as before. */
START_TEST(a_fault_at_any_command_makes_nothing_good_that_is_not) {
        uint64_t n_commands = 1;

        for (uint64_t n = 1; n <= n_commands; n++) {
                uint64_t n_before;
                char plan[128];

                start("smart=ata,failing,attribute-197=8");
                n_before = get_counters()->n_commands;
                snprintf(plan, sizeof(plan), "%s@nth=%llu", faults[_i],
                         (unsigned long long) (n_before + n));
                stack_add_faults(&stack, plan);
                if (update() == 0) {
                        ck_assert_int_ne(stack.smart[0].verdict.kind, SMART_VERDICT_KIND_GOOD);
                        n_commands = MAX(n_commands, get_counters()->n_commands - n_before);
                } else {
                        expect_verdict(SMART_VERDICT_KIND_UNKNOWN, NULL);
                        n_commands = MAX(n_commands, n + 1);
                }
                ck_assert_uint_lt(n, 40);
                stack_connect(&stack, 0, /* is_structured= */ false);
                ck_assert_int_eq(stack_read(&stack, 0, 0, data, 4096, NULL), 0);
                stack_done(&stack);
        }
        ck_assert_uint_gt(n_commands, 6);
}
END_TEST

/* Polls */

START_TEST(it_is_polled_while_nobody_uses_it) {
        start_with("smart=ata,rotation=1", NULL, PERIOD_MS, NULL);
        stack_sleep_ms(&stack, 3000);
        ck_assert_uint_eq(stack.n_smart[0], 1);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        stack_sleep_ms(&stack, 10 * PERIOD_MS);
        ck_assert_uint_ge(stack.n_smart[0], 10);
        ck_assert_uint_eq(stack.smart[0].n_asked, stack.n_smart[0]);
        stack_done(&stack);
}
END_TEST

START_TEST(without_a_period_it_is_asked_by_request_alone) {
        start("smart=ata");
        stack_sleep_ms(&stack, 3600 * 1000);
        ck_assert_uint_eq(stack.n_smart[0], 0);
        ck_assert_int_eq(update(), 0);
        ck_assert_uint_eq(stack.n_smart[0], 1);
        stack_done(&stack);
}
END_TEST

/* What turns and is not used has nothing new to tell, and asking might keep it from its sleep. */
START_TEST(a_disk_that_nobody_uses_can_go_to_sleep_and_is_not_woken) {
        start_with("smart=ata,rotation=5400,stop-after-ms=30000,stopped=start", NULL, PERIOD_MS,
                   NULL);
        stack_sleep_ms(&stack, 40000);
        ck_assert(simulated_device_is_stopped(stack.device, 0));
        stack_sleep_ms(&stack, 24 * 3600 * 1000);
        ck_assert(simulated_device_is_stopped(stack.device, 0));
        ck_assert_uint_eq(get_counters()->n_spin_ups, 0);
        ck_assert_int_eq(stack.smart[0].error, 0);
        stack_done(&stack);
}
END_TEST

typedef struct SleepCase {
        const char *spec;
        SmartBridgeKind kind;
} SleepCase;

static const SleepCase sleep_cases[] = {
        { "smart=ata,rotation=5400,", SMART_BRIDGE_KIND_NONE },
        { "smart=ata,rotation=5400,registers=fixed,", SMART_BRIDGE_KIND_NONE },
        { "smart=ata,rotation=5400,registers=none,", SMART_BRIDGE_KIND_NONE },
        { "smart=ata,rotation=5400,bridge=sat12,", SMART_BRIDGE_KIND_NONE },
        { "smart=ata,rotation=5400,bridge=jmicron,", SMART_BRIDGE_KIND_JMICRON },
        { "smart=ata,rotation=5400,bridge=sunplus,", SMART_BRIDGE_KIND_SUNPLUS },
        { "smart=ata,rotation=5400,bridge=cypress,", SMART_BRIDGE_KIND_CYPRESS },
        { "smart=ata,rotation=5400,bridge=prolific,", SMART_BRIDGE_KIND_PROLIFIC },
        { "smart=scsi,rotation=10000,", SMART_BRIDGE_KIND_NONE },
        { "smart=ata,rotation=1,", SMART_BRIDGE_KIND_NONE },
};

START_TEST(a_drive_that_sleeps_is_woken_by_who_asks_for_that_alone) {
        const SleepCase *c = &sleep_cases[_i];
        SmartBridge bridge;
        unsigned n_told;

        smart_bridge_init(&bridge, c->kind);
        start_with(c->spec, c->kind != SMART_BRIDGE_KIND_NONE ? &bridge : NULL, PERIOD_MS, NULL);
        stack_sleep_ms(&stack, 3000);
        ck_assert_uint_eq(stack.n_smart[0], 1);
        stack_sleep_ms(&stack, 120000);
        simulated_device_put_drive_to_sleep(stack.device, 0);
        n_told = stack.n_smart[0];
        stack_sleep_ms(&stack, 3600 * 1000);
        ck_assert(simulated_device_is_stopped(stack.device, 0));
        ck_assert_uint_eq(stack.n_smart[0], n_told);

        ck_assert_int_eq(update_with(CONTROL_REQUEST_NO_WAKE), -EAGAIN);
        ck_assert_str_eq(get_words(), "the drive sleeps");
        ck_assert(simulated_device_is_stopped(stack.device, 0));
        ck_assert_uint_eq(get_counters()->n_spin_ups, 0);

        ck_assert_int_eq(update(), 0);
        ck_assert_uint_eq(stack.n_smart[0], n_told + 1);
        stack_done(&stack);
}
END_TEST

static const PowerOptions sleepers[] = {
        { .is_enabled = true, .standby_timeout_ms = 30000 },
        { .is_enabled = true, .suspend_timeout_ms = 30000 },
};

/* Polls are no use of it: it goes to sleep beside them. */
START_TEST(a_device_that_is_put_to_sleep_stays_so_until_somebody_wakes_it) {
        StorageOptions options = {
                .smart = { .period_ms = PERIOD_MS },
                .power = sleepers[_i / 2],
        };
        static const char *const specs[] = {
                SPEC "smart=ata,rotation=1",
                SPEC "smart=nvme,bridge=nvme-jmicron,vid=152d,pid=0583,transport=uas",
        };
        unsigned n_told;

        stack_init_with_options(&stack, specs[_i % 2], &options);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_sleep_ms(&stack, 60000);
        ck_assert_uint_ge(stack.power.state, POWER_STATE_STANDBY);
        n_told = stack.n_smart[0];
        ck_assert_uint_ge(n_told, 1);
        stack_sleep_ms(&stack, 3600 * 1000);
        ck_assert_uint_eq(stack.n_smart[0], n_told);
        ck_assert_int_eq(update_with(CONTROL_REQUEST_NO_WAKE), -EAGAIN);
        ck_assert_uint_ge(stack.power.state, POWER_STATE_STANDBY);
        ck_assert_uint_eq(get_counters()->n_spin_ups + get_counters()->n_resumes, 0);
        ck_assert_int_eq(update(), 0);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        ck_assert_uint_eq(get_counters()->n_suspended_uses, 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_that_is_used_is_not_disturbed_for_a_good_while) {
        uint64_t n_questions;

        start_with("smart=ata,rotation=1", NULL, PERIOD_MS, NULL);
        stack_connect(&stack, 0, /* is_structured= */ false);
        for (unsigned i = 0; i < 150; i++) {
                ck_assert_int_eq(
                                stack_read(&stack, 0, (uint64_t) (i % 64) * 4096, data, 4096, NULL),
                                0);
                stack_sleep_ms(&stack, 200);
        }
        n_questions = get_counters()->n_commands_by_opcode[OPCODE_SAT_16];
        ck_assert_uint_eq(n_questions, 0);
        for (unsigned i = 0; i < 150; i++) {
                ck_assert_int_eq(
                                stack_read(&stack, 0, (uint64_t) (i % 64) * 4096, data, 4096, NULL),
                                0);
                stack_sleep_ms(&stack, 200);
        }
        ck_assert_uint_ge(stack.n_smart[0], 1);
        stack_done(&stack);
}
END_TEST

/* Bridges that keep state answer with what somebody else was told, if they are interrupted. */
START_TEST(beside_clients_the_answer_is_still_right) {
        static const char *const specs[] = {
                "smart=ata,bridge=sunplus,vid=04fc,pid=0c15,latency-us=200,link=real",
                "smart=ata,bridge=cypress,vid=04b4,pid=6830,latency-us=200,link=real",
                "smart=nvme,bridge=nvme-jmicron,vid=152d,pid=0583,latency-us=200,link=real",
                ("smart=nvme,bridge=nvme-jmicron,vid=152d,pid=0583,latency-us=200,link=real,"
                 "transport=uas"),
        };
        unsigned number;
        ControlRequest request = make_update(0);

        start(specs[_i]);
        stack_connect(&stack, 0, /* is_structured= */ false);
        for (unsigned round = 0; round < 20; round++) {
                number = stack_request(&stack, &request, -EBADF);
                while (stack.requests[number].n_replies == 0)
                        ck_assert_int_eq(stack_read(&stack, 0, 0, data, 65536, NULL), 0);
                ck_assert_int_eq(stack.requests[number].reply.error, 0);
                expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        }
        stack_done(&stack);
}
END_TEST

/* Failures */

START_TEST(a_device_that_falls_silent_is_never_asked_again) {
        UsbLearnedFacts known;
        uint64_t n_questions;

        start_with("smart=ata,faults=hang:command@opcode=85*always", NULL, PERIOD_MS, NULL);
        stack_log_start();
        stack_sleep_ms(&stack, 60000);
        stack_log_expect("when it was asked for its health");
        ck_assert_int_eq(stack.smart[0].error, -EIO);
        n_questions = get_counters()->n_commands_by_opcode[OPCODE_SAT_16];
        stack_sleep_ms(&stack, 3600 * 1000);
        ck_assert_uint_eq(get_counters()->n_commands_by_opcode[OPCODE_SAT_16], n_questions);
        ck_assert_int_eq(update(), -EIO);
        ck_assert(stack.learned.facts & USB_FACT_NO_SMART);
        known = stack.learned;
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, data, 4096, NULL), 0);
        stack_done(&stack);

        /* Nor by the next worker. */
        start_with("smart=ata", NULL, PERIOD_MS, &known);
        stack_sleep_ms(&stack, 3600 * 1000);
        ck_assert_uint_eq(get_counters()->n_commands_by_opcode[OPCODE_SAT_16], 0);
        ck_assert_uint_eq(stack.n_smart[0], 1);
        ck_assert_int_eq(stack.smart[0].error, -EIO);
        ck_assert_int_eq(update(), -EIO);
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_that_breaks_twice_is_given_up_on) {
        start_with("smart=ata,faults=wire-error:status@opcode=85*2", NULL, PERIOD_MS, NULL);
        stack_sleep_ms(&stack, 10 * PERIOD_MS);
        ck_assert(stack.learned.facts & USB_FACT_NO_SMART);
        stack_done(&stack);

        start_with("smart=ata,faults=wire-error:status@opcode=85*1", NULL, PERIOD_MS, NULL);
        stack_sleep_ms(&stack, 10 * PERIOD_MS);
        ck_assert(!(stack.learned.facts & USB_FACT_NO_SMART));
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        stack_done(&stack);
}
END_TEST

START_TEST(a_stop_or_an_unplug_ends_a_poll) {
        ControlRequest request = make_update(0);
        unsigned number;

        for (unsigned i = 0; i < 2; i++) {
                start("smart=ata,faults=slow:300@opcode=85");
                number = stack_request(&stack, &request, -EBADF);
                stack_sleep_ms(&stack, 700);
                if (i == 0)
                        simulated_device_unplug(stack.device);
                else
                        stack_stop(&stack);
                while (!stack.is_stopped)
                        stack_sleep_ms(&stack, 10);
                ck_assert_uint_eq(stack.requests[number].n_replies, 1);
                ck_assert_int_eq(stack.requests[number].reply.error, i == 0 ? -ENODEV : -ESHUTDOWN);
                stack_done(&stack);
        }
}
END_TEST

START_TEST(who_asked_may_leave) {
        ControlRequest request = make_update(0);
        unsigned number;

        start("smart=ata,faults=slow:300@opcode=85");
        number = stack_request(&stack, &request, -EBADF);
        stack_sleep_ms(&stack, 100);
        stack_cancel_request(&stack, number);
        ck_assert_int_eq(stack_await_answer(&stack, number)->error, -ECANCELED);
        stack_sleep_ms(&stack, 10000);
        /* The poll has gone on, and nothing was reset for it. */
        ck_assert_uint_eq(stack.n_smart[0], 1);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        ck_assert_uint_eq(get_counters()->n_port_resets, 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_that_comes_back_is_asked_anew) {
        static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK,
                                                 .line_size = 16 * KIB };

        stack_init_with_cache(&stack, SPEC "smart=ata,power-on-hours=5", &write_back, NULL, NULL);
        stack_sleep_ms(&stack, 100);
        ck_assert_int_eq(update(), 0);
        ck_assert_str_eq(stack.smart[0].way, "SAT, 16 bytes");
        stack_unplug(&stack);
        stack_replug(&stack, SPEC "smart=ata,power-on-hours=6,bridge=sat12");
        stack_await_unparked(&stack);
        ck_assert_int_eq(update(), 0);
        ck_assert_str_eq(stack.smart[0].way, "SAT, 12 bytes");
        ck_assert_uint_eq(stack.smart[0].data.power_on_hours.value, 6);
        ck_assert_uint_eq(stack.smart[0].n_asked, 2);
        stack_done(&stack);
}
END_TEST

/* Self-tests */

static const Way test_ways[] = {
        { "smart=ata,", SMART_BRIDGE_KIND_NONE, NULL, false },
        { "smart=ata,bridge=sunplus,", SMART_BRIDGE_KIND_SUNPLUS, NULL, false },
        { "smart=ata,bridge=jmicron,", SMART_BRIDGE_KIND_JMICRON, NULL, false },
        { "smart=nvme,", SMART_BRIDGE_KIND_NVME_JMICRON, NULL, false },
        { "smart=scsi,", SMART_BRIDGE_KIND_NONE, NULL, false },
};

static void start_test_way(const Way *way, const char *more) {
        SmartBridge bridge;
        char spec[256];

        snprintf(spec, sizeof(spec), "%s%s", way->spec, more);
        smart_bridge_init(&bridge, way->kind);
        start_with(spec, way->kind != SMART_BRIDGE_KIND_NONE ? &bridge : NULL, 0, NULL);
}

static const SmartSelfTests *get_tests(void) { return &stack.smart[0].data.self_tests; }

START_TEST(a_self_test_runs_and_its_result_is_told) {
        start_test_way(&test_ways[_i], "self-test-ms=90000");
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_SHORT), 0);
        ck_assert(get_tests()->is_running.value);
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_EXTENDED), -EBUSY);
        ck_assert_ptr_nonnull(strstr(get_words(), "a self-test runs already"));
        /* Nobody asks for it: how it gets on is told all the same. */
        stack_sleep_ms(&stack, 300000);
        ck_assert(!get_tests()->is_running.value);
        ck_assert_uint_eq(get_tests()->n_entries, 1);
        ck_assert_int_eq(get_tests()->entries[0].kind, SMART_SELF_TEST_KIND_SHORT);
        ck_assert_int_eq(get_tests()->entries[0].result, SMART_SELF_TEST_RESULT_PASSED);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        stack_done(&stack);
}
END_TEST

START_TEST(a_self_test_that_fails_is_a_warning) {
        start_test_way(&test_ways[_i], "self-test-ms=1000,self-test-result=7");
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_EXTENDED), 0);
        stack_sleep_ms(&stack, 300000);
        ck_assert_uint_eq(get_tests()->n_entries, 1);
        ck_assert_int_eq(get_tests()->entries[0].kind, SMART_SELF_TEST_KIND_EXTENDED);
        ck_assert_int_eq(get_tests()->entries[0].result, SMART_SELF_TEST_RESULT_FAILED);
        ck_assert_uint_eq(get_tests()->entries[0].lba.value, 4711);
        expect_verdict(SMART_VERDICT_KIND_WARNING, "a self-test failed");
        stack_done(&stack);
}
END_TEST

START_TEST(a_self_test_is_aborted) {
        start_test_way(&test_ways[_i], "self-test-ms=90000");
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_SHORT), 0);
        ck_assert_int_eq(test(CONTROL_SELF_TEST_ABORT), 0);
        ck_assert(!get_tests()->is_running.value);
        ck_assert_uint_eq(get_tests()->n_entries, 1);
        ck_assert_int_eq(get_tests()->entries[0].result, SMART_SELF_TEST_RESULT_ABORTED);
        stack_done(&stack);
}
END_TEST

/* What was known before is not what it tells now. */
START_TEST(a_drive_that_falls_silent_over_a_self_test_has_told_nothing) {
        start("smart=ata");
        ck_assert_int_eq(update(), 0);
        ck_assert_uint_eq(stack.smart[0].n_asked, 1);
        stack_add_faults(&stack, "hang:command@opcode=85*always");
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_SHORT), -EIO);
        ck_assert_int_eq(stack.smart[0].error, -EIO);
        ck_assert_uint_eq(stack.smart[0].n_asked, 1);
        stack_done(&stack);
}
END_TEST

START_TEST(a_self_test_that_is_refused_says_nothing_of_the_drive) {
        start_test_way(&test_ways[0], "self-test-ms=90000");
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_SHORT), 0);
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_EXTENDED), -EBUSY);
        ck_assert_int_eq(stack.smart[0].error, 0);
        expect_verdict(SMART_VERDICT_KIND_GOOD, "");
        stack_done(&stack);
}
END_TEST

START_TEST(what_carries_no_self_tests_says_so) {
        SmartBridge bridge;

        smart_bridge_init(&bridge, SMART_BRIDGE_KIND_NVME_REALTEK);
        start_with("smart=nvme,bridge=nvme-realtek", &bridge, 0, NULL);
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_SHORT), -EOPNOTSUPP);
        ck_assert_str_eq(get_words(), "the drive or its bridge refuses it");
        ck_assert_int_eq(test(SMART_SELF_TEST_KIND_CONVEYANCE), -EOPNOTSUPP);
        ck_assert_str_eq(get_words(), "the drive has no such self-test");
        stack_done(&stack);
}
END_TEST

static TCase *make_ways(void) {
        TCase *tcase = tcase_create("ways");

        tcase_add_loop_test(tcase, whatever_the_bridge_an_ata_drive_tells_the_same, 0,
                            (int) N_ELEMENTS(ata_drives));
        tcase_add_loop_test(tcase, without_registers_the_rest_is_the_same, 0,
                            (int) N_ELEMENTS(ata_drives));
        tcase_add_test(tcase, half_of_the_registers_is_no_status);
        tcase_add_loop_test(tcase, whatever_the_bridge_an_nvme_drive_tells_the_same, 0,
                            (int) N_ELEMENTS(nvme_drives));
        tcase_add_loop_test(tcase, a_scsi_drive_tells_by_its_log_pages, 0,
                            (int) N_ELEMENTS(scsi_drives));
        tcase_add_test(tcase, a_device_that_carries_nothing_has_nothing_to_tell);
        tcase_add_test(tcase, a_removable_medium_is_not_tried_out);
        tcase_add_test(tcase, a_floppy_has_no_drive_to_be_asked);
        tcase_add_test(tcase, makers_commands_go_to_bridges_that_have_them);
        return tcase;
}

static TCase *make_failures(void) {
        TCase *tcase = tcase_create("failures");

        tcase_add_loop_test(tcase, a_damaged_answer_is_never_good, 0,
                            (int) N_ELEMENTS(broken_cases));
        tcase_add_loop_test(tcase, a_bit_that_is_wrong_is_found_by_its_sum, 0, 5);
        tcase_add_loop_test(tcase, a_fault_at_any_command_makes_nothing_good_that_is_not, 0,
                            (int) N_ELEMENTS(faults));
        tcase_add_test(tcase, a_device_that_falls_silent_is_never_asked_again);
        tcase_add_test(tcase, a_device_that_breaks_twice_is_given_up_on);
        tcase_add_test(tcase, a_stop_or_an_unplug_ends_a_poll);
        tcase_add_test(tcase, who_asked_may_leave);
        tcase_add_test(tcase, a_device_that_comes_back_is_asked_anew);
        return tcase;
}

static TCase *make_polls(void) {
        TCase *tcase = tcase_create("polls");

        tcase_add_test(tcase, it_is_polled_while_nobody_uses_it);
        tcase_add_test(tcase, without_a_period_it_is_asked_by_request_alone);
        tcase_add_test(tcase, a_disk_that_nobody_uses_can_go_to_sleep_and_is_not_woken);
        tcase_add_loop_test(tcase, a_drive_that_sleeps_is_woken_by_who_asks_for_that_alone, 0,
                            (int) N_ELEMENTS(sleep_cases));
        tcase_add_loop_test(tcase, a_device_that_is_put_to_sleep_stays_so_until_somebody_wakes_it,
                            0, 4);
        tcase_add_test(tcase, a_device_that_is_used_is_not_disturbed_for_a_good_while);
        tcase_add_loop_test(tcase, beside_clients_the_answer_is_still_right, 0, 4);
        return tcase;
}

static TCase *make_tests(void) {
        TCase *tcase = tcase_create("self-tests");

        tcase_add_loop_test(tcase, a_self_test_runs_and_its_result_is_told, 0,
                            (int) N_ELEMENTS(test_ways));
        tcase_add_loop_test(tcase, a_self_test_that_fails_is_a_warning, 0,
                            (int) N_ELEMENTS(test_ways));
        tcase_add_loop_test(tcase, a_self_test_is_aborted, 0, (int) N_ELEMENTS(test_ways));
        tcase_add_test(tcase, a_drive_that_falls_silent_over_a_self_test_has_told_nothing);
        tcase_add_test(tcase, a_self_test_that_is_refused_says_nothing_of_the_drive);
        tcase_add_test(tcase, what_carries_no_self_tests_says_so);
        return tcase;
}

int main(void) {
        Suite *suite = suite_create("stack_smart");
        SRunner *runner;
        int n_failed;

        suite_add_tcase(suite, make_ways());
        suite_add_tcase(suite, make_failures());
        suite_add_tcase(suite, make_polls());
        suite_add_tcase(suite, make_tests());
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? 0 : 1;
}
