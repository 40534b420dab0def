/* Fault plans: the grammar, and which fault fires when. */

#include <errno.h>
#include <string.h>

#include "../base/unit_test.h"
#include "base/macros.h"
#include "base/random.h"
#include "simulator/simulator_fault.h"

typedef struct Refusal {
        const char *text;
        const char *message; /* a part of it */
} Refusal;

static const Refusal refusals[] = {
        { "", "\"\" is no fault" },
        { "stall", "stall: \"\" is wrong; allowed is command, data, status or control" },
        { "stall:lunch", "\"lunch\" is wrong" },
        { "stall:data;", "\"\" is no fault" },
        { "babble:3", "babble: \"3\" is wrong; allowed is no argument" },
        { "short-data:0", "a decimal number from 1" },
        { "short-data:x", "a decimal number from 1" },
        { "csw-status:100", "a hexadecimal byte" },
        { "sense:3/11", "KEY/ASC/ASCQ" },
        { "sense:3/11/00/1", "KEY/ASC/ASCQ" },
        { "sense:10/11/00", "KEY/ASC/ASCQ" },
        { "sense", "KEY/ASC/ASCQ" },
        { "unit-attention:28", "ASC/ASCQ" },
        { "slow", "a decimal number from 1" },
        { "medium-error", "needs a selector lba=" },
        { "medium-error@nth=3", "needs a selector lba=" },
        { "medium-error@lba=5..4", "selector \"lba=5..4\" is wrong" },
        { "medium-error@lba=5.6", "selector \"lba=5.6\" is wrong" },
        { "babble@", "selector \"\" is wrong" },
        { "babble@nth=0", "selector \"nth=0\" is wrong" },
        { "babble@nth=1+", "selector \"\" is wrong" },
        { "babble@opcode=1ff", "selector \"opcode=1ff\" is wrong" },
        { "babble@lun=16", "selector \"lun=16\" is wrong" },
        { "babble@cdb=16/00", "selector \"cdb=16/00\" is wrong" },
        { "babble@cdb=4", "selector \"cdb=4\" is wrong" },
        { "data-filled", "a hexadecimal byte" },
        { "babble@moon=full", "allowed are nth=N" },
        { "babble*0", "count \"0\" is wrong" },
        { "babble*", "count \"\" is wrong" },
        { "babble*never", "or always" },
};

START_TEST(a_bad_fault_is_refused_in_words_and_adds_nothing) {
        SimulatorFaultPlan plan = { 0 };
        char *error;

        ck_assert_int_eq(simulator_fault_plan_parse(&plan, "zero-packet", &error), 0);
        ck_assert_int_eq(simulator_fault_plan_parse(&plan, refusals[_i].text, &error), -EINVAL);
        ck_assert_ptr_nonnull(error);
        ck_assert_msg(strstr(error, refusals[_i].message), "\"%s\" gave: %s", refusals[_i].text,
                      error);
        ck_assert_uint_eq(plan.n_faults, 1);
        free(error);
}
END_TEST

static SimulatorFaultPlan parse(const char *text) {
        SimulatorFaultPlan plan = { 0 };
        char *error;

        ck_assert_msg(simulator_fault_plan_parse(&plan, text, &error) == 0, "%s: %s", text, error);
        return plan;
}

START_TEST(every_kind_can_be_named) {
        static const char *const arguments[] = { "", ":data", ":7", ":3/11/00", ":28/00" };

        for (SimulatorFaultKind kind = 0; kind < _SIMULATOR_FAULT_KIND_MAX; kind++) {
                bool is_parsed = false;

                for (size_t i = 0; i < N_ELEMENTS(arguments) && !is_parsed; i++) {
                        SimulatorFaultPlan plan = { 0 };
                        char text[80], *error;

                        snprintf(text, sizeof(text), "%s%s@lba=1",
                                 simulator_fault_kind_to_string(kind), arguments[i]);
                        is_parsed = simulator_fault_plan_parse(&plan, text, &error) == 0;
                        if (is_parsed)
                                ck_assert_int_eq(plan.faults[0].kind, kind);
                        free(error);
                }
                ck_assert_msg(is_parsed, "%s", simulator_fault_kind_to_string(kind));
        }
}
END_TEST

START_TEST(everything_in_the_grammar_reaches_its_field) {
        SimulatorFaultPlan plan =
                        parse("stall:status@nth=7+opcode=2a+lun=3*5;"
                              "sense:b/4e/01@every=9+one-in=4*always;medium-error@lba=10..12");
        const SimulatorFault *fault = plan.faults;

        ck_assert_uint_eq(plan.n_faults, 3);
        ck_assert_int_eq(fault[0].kind, SIMULATOR_FAULT_STALL);
        ck_assert_int_eq(fault[0].phase, SIMULATOR_PHASE_STATUS);
        ck_assert_uint_eq(fault[0].nth, 7);
        ck_assert(fault[0].has_opcode && fault[0].opcode == 0x2A);
        ck_assert(fault[0].has_lun && fault[0].lun == 3);
        ck_assert_uint_eq(fault[0].n_left, 5);
        ck_assert_uint_eq(fault[1].sense_key, 0x0B);
        ck_assert_uint_eq(fault[1].asc, 0x4E);
        ck_assert_uint_eq(fault[1].ascq, 0x01);
        ck_assert_uint_eq(fault[1].every, 9);
        ck_assert_uint_eq(fault[1].one_in, 4);
        ck_assert_uint_eq(fault[1].n_left, SIMULATOR_FAULT_ALWAYS);
        ck_assert_uint_eq(fault[2].lba_first, 10);
        ck_assert_uint_eq(fault[2].lba_last, 12);
        ck_assert_uint_eq(fault[2].n_left, SIMULATOR_FAULT_ALWAYS);
}
END_TEST

START_TEST(more_faults_than_the_limit_are_refused) {
        SimulatorFaultPlan plan = { 0 };
        char *error;

        for (size_t i = 0; i < SIMULATOR_FAULTS_MAX; i++)
                ck_assert_int_eq(simulator_fault_plan_parse(&plan, "babble", &error), 0);
        ck_assert_int_eq(simulator_fault_plan_parse(&plan, "babble", &error), -E2BIG);
        free(error);
        ck_assert_uint_eq(plan.n_faults, SIMULATOR_FAULTS_MAX);
}
END_TEST

/* Which of the commands 1 to 12 the fault fires on. Even ones are READ(10) of LUN 0, odd ones
 * WRITE(10) of LUN 1, all of them of blocks 10 * n to 10 * n + 9; each third has no data. The first
 * half goes over Bulk-Only, the second over UAS. Byte 4 of the last three is 3. */
typedef struct Firing {
        const char *text;
        unsigned commands; /* bit n - 1 */
} Firing;

static const Firing firings[] = {
        { "csw-tag", 0x001 },
        { "csw-tag*3", 0x007 },
        { "csw-tag*always", 0xFFF },
        { "csw-tag@nth=5", 0x010 },
        { "csw-tag@every=5*always", 0x210 },
        { "csw-tag@opcode=28*always", 0xAAA },
        { "csw-tag@lun=1*2", 0x005 },
        { "csw-tag@lun=1+opcode=28*always", 0x000 },
        { "csw-tag@lba=59*always", 0x010 },
        { "csw-tag@lba=59..60*always", 0x030 },
        { "csw-tag@lba=0..9*always", 0x000 },
        { "csw-tag@one-in=1*2", 0x003 },
        { "csw-tag@longer=9*2", 0x003 },
        { "csw-tag@longer=10*2", 0x000 },
        { "csw-tag@over=uas*always", 0xFC0 },
        { "csw-tag@over=bot*always", 0x03F },
        { "csw-tag@cdb=4/3*always", 0xE00 },
        { "csw-tag@cdb=15/3*always", 0x000 },
        { "babble*3", 0x00B }, /* needs data */
};

START_TEST(a_fault_fires_where_all_selectors_hold_as_often_as_told) {
        SimulatorFaultPlan plan = parse(firings[_i].text);
        unsigned commands = 0;
        Random random;

        random_init(&random, 1);
        for (unsigned n = 1; n <= 12; n++) {
                const uint8_t cdb[16] = { [4] = (uint8_t) (n >= 10 ? 3 : 0) };
                SimulatorFaultOccasion occasion = {
                        .nth = n,
                        .cdb = cdb,
                        .opcode = n % 2 == 0 ? 0x28 : 0x2A,
                        .lun = n % 2,
                        .has_data = n % 3 != 0,
                        .lba = 10 * n,
                        .n_blocks = 10,
                        .over = n <= 6 ? SIMULATOR_PROTOCOL_BOT : SIMULATOR_PROTOCOL_UAS,
                };
                if (simulator_fault_plan_take(&plan, plan.faults[0].kind, 0, &occasion, &random))
                        commands |= 1U << (n - 1);
        }
        ck_assert_msg(commands == firings[_i].commands, "%s fired on %03x, not on %03x",
                      firings[_i].text, commands, firings[_i].commands);
}
END_TEST

START_TEST(chance_is_decided_by_the_seed) {
        SimulatorFaultOccasion occasion = { .nth = 1 };
        uint64_t fired[2] = { 0 };

        for (size_t run = 0; run < 2; run++) {
                SimulatorFaultPlan plan = parse("csw-tag@one-in=4*always");
                Random random;

                random_init(&random, 7);
                for (unsigned i = 0; i < 64; i++)
                        if (simulator_fault_plan_take(&plan, SIMULATOR_FAULT_CSW_TAG, 0, &occasion,
                                                      &random))
                                fired[run] |= UINT64_C(1) << i;
        }
        ck_assert_uint_eq(fired[0], fired[1]);
        ck_assert(fired[0] != 0 && fired[0] != UINT64_MAX);
}
END_TEST

START_TEST(the_first_bad_block_of_a_command_is_found) {
        SimulatorFaultPlan plan = parse("medium-error@lba=50..60;medium-error@lba=30;"
                                        "write-error@lba=20");
        SimulatorFaultOccasion occasion = { .nth = 1, .lba = 10, .n_blocks = 100 };
        uint64_t lba;
        Random random;

        random_init(&random, 1);
        ck_assert(simulator_fault_plan_find_bad_block(&plan, SIMULATOR_FAULT_MEDIUM_ERROR,
                                                      &occasion, &random, &lba));
        ck_assert_uint_eq(lba, 30);
        occasion.lba = 55;
        ck_assert(simulator_fault_plan_find_bad_block(&plan, SIMULATOR_FAULT_MEDIUM_ERROR,
                                                      &occasion, &random, &lba));
        ck_assert_uint_eq(lba, 55);
        occasion.lba = 61;
        ck_assert(!simulator_fault_plan_find_bad_block(&plan, SIMULATOR_FAULT_MEDIUM_ERROR,
                                                       &occasion, &random, &lba));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("simulator_fault");
        TCase *tcase = tcase_create("simulator_fault");

        tcase_add_loop_test(tcase, a_bad_fault_is_refused_in_words_and_adds_nothing, 0,
                            (int) N_ELEMENTS(refusals));
        tcase_add_test(tcase, every_kind_can_be_named);
        tcase_add_test(tcase, everything_in_the_grammar_reaches_its_field);
        tcase_add_test(tcase, more_faults_than_the_limit_are_refused);
        tcase_add_loop_test(tcase, a_fault_fires_where_all_selectors_hold_as_often_as_told, 0,
                            (int) N_ELEMENTS(firings));
        tcase_add_test(tcase, chance_is_decided_by_the_seed);
        tcase_add_test(tcase, the_first_bad_block_of_a_command_is_found);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
