/* What one worker has learned of a device, the next one need not: it is told, and does not ask. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"
#include "usb/usb_quirks.h"

#define SIZE (1 * MIB)
#define OPTICAL "type=optical,size=16M"
#define MINUTE_MS UINT64_C(60000)
#define MODE_SENSE_6 0x1A
#define READ_10 0x28
#define SYNCHRONIZE_CACHE 0x35
#define UNMAP 0x42
#define GET_EVENT 0x4A
#define WRITE_SAME_16 0x93
#define CAPACITY_16 0x9E
#define REPORT_LUNS 0xA0

/* All zeroes: a device that nobody knows. */
static const UsbLearnedFacts nothing;
static Stack stack;
static UsbLearnedFacts facts;
static uint8_t written[SIZE], got[SIZE];

static uint64_t count(uint8_t opcode) {
        return simulated_device_get_counters(stack.device)->n_commands_by_opcode[opcode];
}

static void start(const char *spec, const UsbLearnedFacts *known, uint32_t quirks) {
        UsbLearnedFacts copy = *known;

        stack_init_with_facts(&stack, spec, &copy, quirks);
        ck_assert_int_eq(stack.brought_up_result, 0);
        ck_assert(stack.exports[0].is_open);
        stack_connect(&stack, 0, /* is_structured= */ false);
}

/* The worker ends; its successor will know what it has told. */
static void stop(void) {
        stack_stop(&stack);
        facts = stack.learned;
        stack_done(&stack);
}

static void use(void) {
        stack_fill(written, SIZE, 1);
        if (stack.exports[0].info.transmission_flags & NBD_FLAG_READ_ONLY)
                ck_assert_int_eq(simulated_device_write_medium(stack.device, 0, 0, written, SIZE),
                                 0);
        else
                ck_assert_int_eq(stack_write(&stack, 0, 0, written, SIZE, 0), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        memset(got, 0xEE, SIZE);
        ck_assert_int_eq(stack_read(&stack, 0, 0, got, SIZE, NULL), 0);
        ck_assert_mem_eq(got, written, SIZE);
}

typedef struct QuestionCase {
        const char *spec;
        uint8_t opcode; /* what the device does not bear */
        uint32_t fact, unit_fact;
} QuestionCase;

static const QuestionCase question_cases[] = {
        { "size=16M,faults=hang:data@opcode=9E*always", CAPACITY_16, 0,
          USB_UNIT_FACT_NO_CAPACITY_16 },
        { "size=16M,faults=sense:5/20/00@opcode=9E*always", CAPACITY_16, 0,
          USB_UNIT_FACT_NO_CAPACITY_16 },
        { "size=16M,faults=wire-error:data@opcode=9E*always", CAPACITY_16, 0,
          USB_UNIT_FACT_NO_CAPACITY_16 },
        { "size=16M,faults=sense:5/20/00@opcode=1A*always", MODE_SENSE_6, 0,
          USB_UNIT_FACT_MODE_SENSE_10 },
        { "size=16M,transport=uas,faults=sense:5/20/00@opcode=A0*always", REPORT_LUNS,
          USB_FACT_NO_REPORT_LUNS, 0 },
        { OPTICAL ",faults=hang:data@opcode=4A*always", GET_EVENT, 0, USB_UNIT_FACT_NO_EVENTS },
        { OPTICAL ",faults=sense:5/20/00@opcode=4A*always", GET_EVENT, 0, USB_UNIT_FACT_NO_EVENTS },
        { OPTICAL ",faults=csw-missing@opcode=4A*always", GET_EVENT, 0, USB_UNIT_FACT_NO_EVENTS },
};

START_TEST(what_a_device_does_not_know_is_asked_by_its_first_worker_alone) {
        const QuestionCase *c = &question_cases[_i];

        start(c->spec, &nothing, 0);
        ck_assert_uint_gt(count(c->opcode), 0);
        use();
        stop();
        ck_assert_uint_eq(facts.facts & c->fact, c->fact);
        ck_assert_uint_eq(facts.units[0].facts & c->unit_fact, c->unit_fact);

        start(c->spec, &facts, 0);
        ck_assert_uint_eq(count(c->opcode), 0);
        use();
        ck_assert_uint_eq(stack.n_learned, 0);
        stop();
}
END_TEST

START_TEST(what_a_quirk_decides_is_not_learned) {
        start("size=16M", &nothing, USB_QUIRK_NO_READ_CAPACITY_16 | USB_QUIRK_BAD_SENSE);
        use();
        stop();
        ck_assert_uint_eq(facts.units[0].facts & USB_UNIT_FACT_NO_CAPACITY_16, 0);
        ck_assert_uint_eq(facts.facts & USB_FACT_SHORT_SENSE, 0);
}
END_TEST

START_TEST(a_large_disk_is_asked_again_for_what_it_must_know) {
        start("size=16M", &nothing, 0);
        stop();
        facts.units[0].facts |= USB_UNIT_FACT_NO_CAPACITY_16;

        start("size=4T", &facts, 0);
        ck_assert_uint_eq(stack.exports[0].info.size, UINT64_C(4) << 40);
        stop();
        ck_assert_uint_eq(facts.units[0].facts & USB_UNIT_FACT_NO_CAPACITY_16, 0);
}
END_TEST

START_TEST(another_disk_in_the_same_bridge_is_not_taken_for_the_first) {
        start("size=16M,model=ONE,faults=sense:5/20/00@opcode=9E*always;sense:5/20/"
              "00@opcode=35*always",
              &nothing, 0);
        use();
        stop();
        ck_assert_uint_ne(facts.units[0].facts & USB_UNIT_FACT_NO_CAPACITY_16, 0);
        ck_assert_uint_ne(facts.units[0].facts & USB_UNIT_FACT_NO_SYNCHRONIZE, 0);

        start("size=16M,model=OTHER", &facts, 0);
        ck_assert_uint_gt(count(CAPACITY_16), 0);
        use();
        ck_assert_uint_gt(count(SYNCHRONIZE_CACHE), 0);
        stop();
        ck_assert_uint_eq(facts.units[0].facts, 0);
}
END_TEST

/* "sense" of SYNCHRONIZE CACHE: the device has no such command. */
START_TEST(a_disk_that_tells_of_a_cache_is_asked_again_whether_it_can_synchronise) {
        static const char *const specs[] = {
                "size=16M,faults=sense:5/20/00@opcode=35*always",
                "size=16M,faults=sense:5/20/00@opcode=35*always;sense:5/20/00@opcode=1A*always;"
                "sense:5/20/00@opcode=5A*always",
        };
        bool tells_of_cache = _i == 0;

        start(specs[_i], &nothing, 0);
        use();
        ck_assert_uint_eq(count(SYNCHRONIZE_CACHE), 1);
        stop();
        ck_assert_uint_ne(facts.units[0].facts & USB_UNIT_FACT_NO_SYNCHRONIZE, 0);

        start(specs[_i], &facts, 0);
        use();
        ck_assert_uint_eq(count(SYNCHRONIZE_CACHE), tells_of_cache ? 1 : 0);
        stop();
}
END_TEST

static int trim(void) { return stack_command(&stack, 0, NBD_CMD_TRIM, 0, 256 * KIB, 512 * KIB); }

static uint64_t count_unmaps(void) { return count(UNMAP) + count(WRITE_SAME_16); }

START_TEST(unmap_that_has_passed_its_trial_is_not_tried_again) {
        uint64_t n_reads;

        start("size=16M", &nothing, 0);
        use();
        ck_assert_int_eq(trim(), 0);
        stop();
        ck_assert_uint_ne(facts.units[0].facts & USB_UNIT_FACT_UNMAP_PROVEN, 0);

        start("size=16M", &facts, 0);
        n_reads = count(READ_10);
        ck_assert_int_eq(trim(), 0);
        ck_assert_uint_eq(count_unmaps(), 1);
        ck_assert_uint_eq(count(READ_10), n_reads);
        stop();
}
END_TEST

START_TEST(of_a_removable_medium_unmap_is_tried_each_time) {
        uint64_t n_reads;

        start("size=16M,removable", &nothing, 0);
        ck_assert_int_eq(trim(), 0);
        stop();

        start("size=16M,removable", &facts, 0);
        n_reads = count(READ_10);
        ck_assert_int_eq(trim(), 0);
        ck_assert_uint_gt(count(READ_10), n_reads);
        stop();
}
END_TEST

START_TEST(unmap_that_has_failed_its_trial_stays_off) {
        start("size=16M,faults=unmap-overreach:1", &nothing, 0);
        use();
        (void) trim();
        stop();
        ck_assert_uint_ne(facts.units[0].facts & USB_UNIT_FACT_UNMAP_REFUSED, 0);

        start("size=16M,faults=unmap-overreach:1", &facts, 0);
        ck_assert(!(stack.exports[0].info.transmission_flags & NBD_FLAG_SEND_TRIM));
        use();
        (void) trim();
        ck_assert_uint_eq(count_unmaps(), 0);
        stop();
}
END_TEST

static uint64_t count_reads(void) {
        uint64_t n_before = count(READ_10);

        ck_assert_int_eq(stack_read(&stack, 0, 0, got, SIZE, NULL), 0);
        return count(READ_10) - n_before;
}

START_TEST(transfers_begin_as_long_as_they_did_well_and_grow_back) {
        uint64_t n_long, n_short, n_again;

        start("size=16M", &nothing, 0);
        n_long = count_reads();
        stack_add_faults(&stack, "wire-error:data@longer=128*always");
        count_reads();
        n_short = count_reads();
        ck_assert_uint_gt(n_short, n_long);
        stop();
        ck_assert_uint_eq(facts.units[0].transfer_size, 64 * KIB);

        start("size=16M", &facts, 0);
        n_again = count_reads();
        ck_assert_uint_eq(n_again, n_short);
        for (unsigned i = 0; i < 6; i++) {
                stack_sleep_ms(&stack, 11 * MINUTE_MS);
                n_again = count_reads();
        }
        ck_assert_uint_eq(n_again, n_long);
        stop();
        ck_assert_uint_eq(facts.units[0].transfer_size, 0);
}
END_TEST

static void check_mode(const char *spec, uint32_t fact) {
        start(spec, &nothing, 0);
        for (unsigned i = 0; i < 20; i++)
                use();
        stop();
        ck_assert_uint_eq(facts.facts & (USB_FACT_BY_PHASE | USB_FACT_PIPELINED), fact);
        start(spec, &facts, 0);
        use();
        ck_assert_uint_eq(stack.n_learned, 0);
        stop();
}

START_TEST(whether_it_bears_pipelining_is_tried_out_once) {
        check_mode("size=16M", USB_FACT_PIPELINED);
        check_mode("size=16M,pipelining=no", USB_FACT_BY_PHASE);
}
END_TEST

START_TEST(uas_that_does_not_answer_is_not_tried_again) {
        static const char *const spec =
                        "size=16M,transport=uas,faults=hang:command@opcode=A0*always";
        uint64_t first_ms;

        start(spec, &nothing, 0);
        first_ms = stack_now_ms(&stack);
        use();
        stop();
        ck_assert_uint_eq(facts.facts & USB_FACT_UAS_UNRELIABLE, USB_FACT_UAS_UNRELIABLE);

        start(spec, &facts, 0);
        ck_assert_uint_eq(count(REPORT_LUNS), 0);
        ck_assert_uint_lt(stack_now_ms(&stack), first_ms);
        use();
        stop();
        ck_assert_uint_eq(facts.facts & USB_FACT_UAS_UNRELIABLE, USB_FACT_UAS_UNRELIABLE);
}
END_TEST

START_TEST(uas_is_tried_where_there_is_nothing_else) {
        facts = (UsbLearnedFacts){ .facts = USB_FACT_UAS_UNRELIABLE };
        start("size=16M,transport=uas-only", &facts, 0);
        use();
        stop();
}
END_TEST

START_TEST(what_is_learned_is_told_without_waiting_for_the_end) {
        start("size=16M,faults=sense:5/20/00@opcode=35*always", &nothing, 0);
        ck_assert_uint_eq(stack.n_learned, 1);
        use();
        stack_sleep_ms(&stack, 11 * MINUTE_MS);
        ck_assert_uint_eq(stack.n_learned, 2);
        ck_assert_uint_ne(stack.learned.units[0].facts & USB_UNIT_FACT_NO_SYNCHRONIZE, 0);
        stop();
}
END_TEST

START_TEST(a_device_that_is_pulled_out_has_taught_nothing) {
        start("size=16M", &nothing, 0);
        for (unsigned i = 0; i < 20; i++)
                use();
        stack.n_learned = 0;
        simulated_device_unplug(stack.device);
        while (!stack.is_stopped)
                ck_assert_int_gt(event_loop_run_once(stack.loop, /* may_wait= */ true), 0);
        ck_assert_uint_eq(stack.n_learned, 0);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack_learned");
        TCase *tcase = tcase_create("learned");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, what_a_device_does_not_know_is_asked_by_its_first_worker_alone,
                            0, (int) N_ELEMENTS(question_cases));
        tcase_add_test(tcase, what_a_quirk_decides_is_not_learned);
        tcase_add_test(tcase, a_large_disk_is_asked_again_for_what_it_must_know);
        tcase_add_test(tcase, another_disk_in_the_same_bridge_is_not_taken_for_the_first);
        tcase_add_loop_test(tcase,
                            a_disk_that_tells_of_a_cache_is_asked_again_whether_it_can_synchronise,
                            0, 2);
        tcase_add_test(tcase, unmap_that_has_passed_its_trial_is_not_tried_again);
        tcase_add_test(tcase, of_a_removable_medium_unmap_is_tried_each_time);
        tcase_add_test(tcase, unmap_that_has_failed_its_trial_stays_off);
        tcase_add_test(tcase, transfers_begin_as_long_as_they_did_well_and_grow_back);
        tcase_add_test(tcase, whether_it_bears_pipelining_is_tried_out_once);
        tcase_add_test(tcase, uas_that_does_not_answer_is_not_tried_again);
        tcase_add_test(tcase, uas_is_tried_where_there_is_nothing_else);
        tcase_add_test(tcase, what_is_learned_is_told_without_waiting_for_the_end);
        tcase_add_test(tcase, a_device_that_is_pulled_out_has_taught_nothing);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
