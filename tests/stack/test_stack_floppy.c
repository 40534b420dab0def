/* Floppies and cards that tell their size by READ FORMAT CAPACITIES, through the whole stack. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"
#include "stack_log.h"

#define FLOPPY "command-set=ufi,size=1440K,serial=FLOPPY"
#define CARD "removable,size=1440K,serial=CARD"
#define SIZE (1440 * KIB)
#define OPCODE_READ_FORMAT_CAPACITIES 0x23

static Stack stack;
static uint8_t data[64 * KIB], other[64 * KIB];

static void set_up(const char *spec) {
        stack_log_start();
        stack_init(&stack, spec);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_fill(data, sizeof(data), 1);
}

static uint64_t count_questions(void) {
        return simulated_device_get_counters(stack.device)
                        ->n_commands_by_opcode[OPCODE_READ_FORMAT_CAPACITIES];
}

typedef struct Medium {
        const char *spec;
        bool is_asked; /* for its format */
} Medium;

static const Medium media[] = {
        { FLOPPY, false },
        { FLOPPY ",transport=cbi", false },
        { FLOPPY ",transport=cb", false },
        { FLOPPY ",capacity=refused", true },
        { FLOPPY ",capacity=zero,transport=cbi", true },
        { FLOPPY ",capacity=ones", true },
        { FLOPPY ",capacity=raw,transport=cb", true },
        { CARD ",capacity=refused", true },
        { CARD ",capacity=zero", true },
        { CARD ",capacity=ones", true },
        { CARD ",capacity=raw,transport=uas", true },
};

START_TEST(a_formatted_medium_has_its_size_and_is_written) {
        const Medium *medium = &media[_i];

        set_up(medium->spec);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].info.size, SIZE);
        ck_assert(!(stack.exports[0].info.transmission_flags & NBD_FLAG_READ_ONLY));
        ck_assert_uint_eq(count_questions(), medium->is_asked);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_write(&stack, 0, SIZE - sizeof(data), data, sizeof(data), 0), 0);
        ck_assert_int_eq(stack_read(&stack, 0, SIZE - sizeof(data), other, sizeof(other), NULL), 0);
        ck_assert_mem_eq(other, data, sizeof(data));
        stack_done(&stack);
}
END_TEST

static const char *const unformatted[] = {
        FLOPPY ",formatted=no",
        FLOPPY ",formatted=no,transport=cbi",
        FLOPPY ",formatted=no,transport=cb",
        CARD ",formatted=no",
};

START_TEST(a_medium_that_is_not_formatted_is_told_and_left_alone) {
        uint64_t n_questions;

        set_up(unformatted[_i]);
        ck_assert(!stack.exports[0].is_open);
        stack_log_expect("LUN 0 is not exported: a medium that is not formatted");
        n_questions = count_questions();
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack_log_is_empty());
        ck_assert_uint_eq(count_questions(), n_questions);

        ck_assert_int_eq(simulated_device_change_medium(stack.device, 0, 720 * KIB), 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].info.size, 720 * KIB);
        stack_done(&stack);
}
END_TEST

static const char *const nothing[] = {
        FLOPPY ",empty=0",
        FLOPPY ",empty=0,capacity=zero,transport=cbi",
        CARD ",empty=0,capacity=refused",
};

START_TEST(an_empty_drive_is_not_asked_for_a_format) {
        set_up(nothing[_i]);
        ck_assert(!stack.exports[0].is_open);
        stack_log_expect("LUN 0 is not exported: no medium");
        ck_assert_uint_eq(count_questions(), 0);
        simulated_device_insert_medium(stack.device, 0);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        ck_assert_uint_eq(stack.exports[0].info.size, SIZE);
        stack_done(&stack);
}
END_TEST

START_TEST(a_reader_that_is_always_ready_is_told_to_be_empty_once) {
        set_up(CARD ",capacity=zero,faults=sense:5/20/00@opcode=23*always");
        stack_log_expect("no medium");
        stack_sleep_ms(&stack, 60000);
        ck_assert(stack_log_is_empty());
        simulated_device_clear_faults(stack.device);
        stack_sleep_ms(&stack, 3000);
        ck_assert(stack.exports[0].is_open);
        stack_done(&stack);
}
END_TEST

START_TEST(a_disk_that_stays_in_is_not_asked_for_a_format) {
        set_up("size=1M,capacity=refused");
        ck_assert(!stack.exports[0].is_open);
        stack_sleep_ms(&stack, 60000);
        ck_assert_uint_eq(count_questions(), 0);
        stack_done(&stack);
}
END_TEST

/* The first block has to be read where a size is all that speaks for a medium. */
START_TEST(a_size_without_a_medium_is_not_exported) {
        set_up(CARD ",capacity=zero,faults=sense:3/11/00@opcode=28*always");
        ck_assert(!stack.exports[0].is_open);
        simulated_device_clear_faults(stack.device);
        stack_sleep_ms(&stack, 20000);
        ck_assert(stack.exports[0].is_open);
        stack_done(&stack);
}
END_TEST

/* One glitch at any of the commands of a bring-up that needs the format. */

#define GLITCH_COMMANDS 16

static const char *const glitches[] = {
        "stall:data",        "stall:status",
        "hang:data",         "freeze:status",
        "csw-missing",       "csw-tag",
        "phase-error",       "babble",
        "wire-error:data",   "short-data",
        "short-data-untold", "sense:b/47/00",
        "sense:3/11/00",     "unit-attention:29/00",
        "not-ready:3000",    "unit-attention:28/00",
};

static const char *const glitch_specs[] = {
        FLOPPY ",capacity=refused",
        FLOPPY ",capacity=refused,transport=cbi",
        FLOPPY ",capacity=zero,transport=cb",
        CARD ",capacity=ones,transport=uas",
};

START_TEST(a_glitch_changes_nothing_about_the_size) {
        for (unsigned nth = 1; nth <= GLITCH_COMMANDS; nth++) {
                char spec[160];

                snprintf(spec, sizeof(spec), "%s,faults=%s@nth=%u",
                         glitch_specs[_i % N_ELEMENTS(glitch_specs)],
                         glitches[_i / N_ELEMENTS(glitch_specs)], nth);
                stack_log_start();
                stack_init(&stack, spec);
                ck_assert_msg(stack.brought_up_result == 0, "%s", spec);
                stack_sleep_ms(&stack, 60000);
                ck_assert_msg(stack.exports[0].is_open, "%s", spec);
                ck_assert_msg(stack.exports[0].info.size == SIZE, "%s", spec);
                stack_connect(&stack, 0, /* is_structured= */ false);
                ck_assert_int_eq(stack_read(&stack, 0, SIZE - sizeof(other), other, sizeof(other),
                                            NULL),
                                 0);
                stack_done(&stack);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack floppy");
        TCase *tcase = tcase_create("floppy");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, a_formatted_medium_has_its_size_and_is_written, 0,
                            N_ELEMENTS(media));
        tcase_add_loop_test(tcase, a_medium_that_is_not_formatted_is_told_and_left_alone, 0,
                            N_ELEMENTS(unformatted));
        tcase_add_loop_test(tcase, an_empty_drive_is_not_asked_for_a_format, 0,
                            N_ELEMENTS(nothing));
        tcase_add_test(tcase, a_reader_that_is_always_ready_is_told_to_be_empty_once);
        tcase_add_test(tcase, a_disk_that_stays_in_is_not_asked_for_a_format);
        tcase_add_test(tcase, a_size_without_a_medium_is_not_exported);
        tcase_add_loop_test(tcase, a_glitch_changes_nothing_about_the_size, 0,
                            N_ELEMENTS(glitches) * N_ELEMENTS(glitch_specs));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
