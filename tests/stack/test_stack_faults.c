/*
 * What an NBD client sees while the device misbehaves in every way that the simulator knows: right
 * data or an error, once, by the deadline, and a device that works afterwards.
 */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stack.h"

#define DATA_SIZE 65536
#define DATA_OFFSET (1 * MIB)
#define DEADLINE_MS 30000
/* What the kernel, here the simulated host, may need to give a transfer back after the deadline. */
#define GRACE_MS 1000

typedef struct FaultCase {
        const char *faults;
        int read_error;  /* what the client is told */
        int write_error; /* likewise */
        bool ends;       /* the device does not come back */
} FaultCase;

/*
 * One fault at a time, each hitting the client's command once: the answer must be as if nothing
 * was.
 */
static const FaultCase transient_cases[] = {
        { .faults = "stall:command" },
        { .faults = "stall:data" },
        { .faults = "stall:status" },
        { .faults = "stall:command*3" },
        { .faults = "stall:status*3" },
        { .faults = "hang:command" },
        { .faults = "hang:data" },
        { .faults = "hang:status" },
        { .faults = "wire-error:command" },
        { .faults = "wire-error:data" },
        { .faults = "wire-error:status" },
        { .faults = "short-data" },
        { .faults = "babble" },
        { .faults = "data-skipped" },
        { .faults = "zero-packet" },
        { .faults = "csw-tag" },
        { .faults = "csw-signature" },
        { .faults = "csw-status" },
        { .faults = "csw-size" },
        { .faults = "phase-error" },
        { .faults = "reset" },
        { .faults = "unit-attention:29/00" },
        { .faults = "not-ready:3000" },
        { .faults = "slow:5000*1" },
        { .faults = "sense:B/00/00" },
        { .faults = "sense:0/00/00*2" },
        { .faults = "sense:4/44/00*3" },
        { .faults = "sense:2/04/00*3" },
        { .faults = "sense:2/04/0A*9" },
        { .faults = "sense:6/3F/0E*3" },
        { .faults = "deferred:3/0C/00" },
        { .faults = "phase-error*2;stall:status" },
};

/* These are answers, and the client is told so. */
static const FaultCase lasting_cases[] = {
        { .faults = "medium-error@lba=2050", .read_error = NBD_EIO },
        { .faults = "write-error@lba=2050", .write_error = NBD_EIO },
        { .faults = "sense:3/11/00*always", .read_error = NBD_EIO, .write_error = NBD_EIO },
        { .faults = "sense:4/44/00*always", .read_error = NBD_EIO, .write_error = NBD_EIO },
        { .faults = "sense:4/44/00*always;slow:7000@opcode=28;slow:7000@opcode=2A",
          .read_error = NBD_EIO,
          .write_error = NBD_EIO },
        { .faults = "sense:0/00/00*always", .read_error = NBD_EIO, .write_error = NBD_EIO },
        { .faults = "sense:0/00/1D*always", .read_error = NBD_EIO, .write_error = NBD_EIO },
        { .faults = "not-ready:60000", .read_error = NBD_EIO, .write_error = NBD_EIO },
        { .faults = "sense:7/27/00@opcode=2A", .write_error = NBD_EPERM },
};

typedef struct FaultRun {
        Stack stack;
        uint8_t *written; /* owned */
        uint8_t *read;    /* owned */
} FaultRun;

static void run_init(FaultRun *run, const char *spec) {
        run->written = malloc(DATA_SIZE);
        run->read = malloc(DATA_SIZE);
        stack_init(&run->stack, spec);
        ck_assert_int_eq(run->stack.brought_up_result, 0);
        stack_connect(&run->stack, 0, /* is_structured= */ false);
        stack_fill(run->written, DATA_SIZE, 1);
        ck_assert_int_eq(stack_write(&run->stack, 0, DATA_OFFSET, run->written, DATA_SIZE, 0), 0);
        ck_assert_int_eq(stack_command(&run->stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
}

static void run_done(FaultRun *run) {
        stack_done(&run->stack);
        free(run->written);
        free(run->read);
}

static void read_is(FaultRun *run, const char *what, int error) {
        uint64_t start_ms = stack_now_ms(&run->stack);
        int r;

        memset(run->read, 0xEE, DATA_SIZE);
        r = stack_read(&run->stack, 0, DATA_OFFSET, run->read, DATA_SIZE, NULL);
        ck_assert_msg(r == error, "%s: reading gave %d, not %d", what, r, error);
        ck_assert_msg(stack_now_ms(&run->stack) - start_ms <= DEADLINE_MS + GRACE_MS,
                      "%s: reading took %llu ms", what,
                      (unsigned long long) (stack_now_ms(&run->stack) - start_ms));
        if (error == 0)
                ck_assert_msg(memcmp(run->read, run->written, DATA_SIZE) == 0,
                              "%s: wrong data was read", what);
}

static void write_is(FaultRun *run, const char *what, uint64_t seed, int error) {
        uint64_t start_ms = stack_now_ms(&run->stack);
        int r;

        if (error == 0)
                stack_fill(run->written, DATA_SIZE, seed);
        r = stack_write(&run->stack, 0, DATA_OFFSET, run->written, DATA_SIZE, 0);
        ck_assert_msg(r == error, "%s: writing gave %d, not %d", what, r, error);
        ck_assert_msg(stack_now_ms(&run->stack) - start_ms <= DEADLINE_MS + GRACE_MS,
                      "%s: writing took %llu ms", what,
                      (unsigned long long) (stack_now_ms(&run->stack) - start_ms));
}

START_TEST(client_reads_right_data_through_a_passing_fault) {
        const FaultCase *fault = &transient_cases[_i];
        FaultRun run;

        run_init(&run, "size=16M");
        stack_add_faults(&run.stack, fault->faults);
        read_is(&run, fault->faults, 0);
        simulated_device_clear_faults(run.stack.device);
        read_is(&run, "afterwards", 0);
        run_done(&run);
}
END_TEST

START_TEST(client_writes_through_a_passing_fault) {
        const FaultCase *fault = &transient_cases[_i];
        FaultRun run;

        run_init(&run, "size=16M");
        stack_add_faults(&run.stack, fault->faults);
        write_is(&run, fault->faults, 2, 0);
        simulated_device_clear_faults(run.stack.device);
        read_is(&run, "afterwards", 0);
        run_done(&run);
}
END_TEST

START_TEST(client_is_told_of_what_lasts) {
        const FaultCase *fault = &lasting_cases[_i];
        FaultRun run;

        run_init(&run, "size=16M");
        stack_add_faults(&run.stack, fault->faults);
        read_is(&run, fault->faults, fault->read_error);
        write_is(&run, fault->faults, 3, fault->write_error);
        simulated_device_clear_faults(run.stack.device);
        write_is(&run, "afterwards", 4, 0);
        read_is(&run, "afterwards", 0);
        run_done(&run);
}
END_TEST

START_TEST(device_that_never_answers_again_fails_by_the_deadline) {
        FaultRun run;
        int r;

        run_init(&run, "size=16M");
        stack_add_faults(&run.stack, "freeze:command*always;port-reset-fails*always");
        uint64_t start_ms = stack_now_ms(&run.stack);
        r = stack_read(&run.stack, 0, DATA_OFFSET, run.read, DATA_SIZE, NULL);
        ck_assert_int_ne(r, 0);
        ck_assert_uint_le(stack_now_ms(&run.stack) - start_ms, DEADLINE_MS + GRACE_MS);
        run_done(&run);
}
END_TEST

/* Slower than the default deadline: any try that is given up after that would never succeed. */
START_TEST(slow_device_answers_within_the_deadline_that_it_was_given) {
        uint8_t data[512];
        Stack stack;

        stack_init_with_timeout(&stack, "size=1M", 4 * DEADLINE_MS);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_add_faults(&stack, "slow:45000@opcode=28*always;slow:45000@opcode=2A*always");
        ck_assert_int_eq(stack_read(&stack, 0, 0, data, sizeof(data), NULL), 0);
        ck_assert_int_eq(stack_write(&stack, 0, 0, data, sizeof(data), 0), 0);
        stack_done(&stack);
}
END_TEST

START_TEST(unplugged_device_ends_its_clients) {
        FaultRun run;
        int r;

        run_init(&run, "size=16M");
        stack_add_faults(&run.stack, "disconnect:data");
        r = stack_read(&run.stack, 0, DATA_OFFSET, run.read, DATA_SIZE, NULL);
        ck_assert(r == NBD_ESHUTDOWN || r == NBD_EIO || r == STACK_CLOSED);
        stack_sleep_ms(&run.stack, DEADLINE_MS);
        ck_assert(run.stack.is_stopped);
        ck_assert_int_eq(run.stack.stopped_result, -ENODEV);
        ck_assert(!run.stack.exports[0].is_open);
        ck_assert_int_lt(run.stack.clients[0].fd, 0);
        run_done(&run);
}
END_TEST

START_TEST(client_hears_of_a_write_that_the_device_lost_later) {
        FaultRun run;

        run_init(&run, "size=16M,write-cache=no");
        write_is(&run, "before", 5, 0);
        stack_add_faults(&run.stack, "deferred:3/0C/00");
        read_is(&run, "while it is told", 0);
        ck_assert_int_eq(stack_command(&run.stack, 0, NBD_CMD_FLUSH, 0, 0, 0), NBD_EIO);
        ck_assert_int_eq(stack_command(&run.stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        run_done(&run);
}
END_TEST

START_TEST(structured_client_is_told_where_the_medium_is_bad) {
        uint64_t error_offset = 0;
        FaultRun run;

        run_init(&run, "size=16M");
        stack_connect(&run.stack, 0, /* is_structured= */ true);
        stack_add_faults(&run.stack, "medium-error@lba=2060");
        ck_assert_int_eq(stack_read(&run.stack, 0, DATA_OFFSET, run.read, DATA_SIZE, &error_offset),
                         NBD_EIO);
        ck_assert_uint_eq(error_offset, 2060 * 512);
        run_done(&run);
}
END_TEST

START_TEST(device_that_breaks_on_early_transfers_is_driven_by_phase) {
        FaultRun run;

        run_init(&run, "size=16M,pipelining=no");
        for (unsigned i = 0; i < 20; i++) {
                write_is(&run, "without pipelining", i, 0);
                read_is(&run, "without pipelining", 0);
        }
        run_done(&run);
}
END_TEST

typedef struct TrialCase {
        const char *spec;
        const char *misbehaviour; /* of the read on trial, which is the first one */
        uint64_t cost_max_ms;
} TrialCase;

static const TrialCase trial_cases[] = {
        /* A command more, recovery, and its probe. */
        { "size=1M", "pipelining=no", 1 },
        { "size=1M,speed=full", "pipelining=no", 5 },
        { "size=1M,latency-us=20000", "pipelining=no", 12 * 20 },
        { "size=1M", "faults=hang:data@opcode=28", 1100 },
        { "size=1M,speed=full", "faults=hang:data@opcode=28", 1100 },
        { "size=1M", "faults=hang:command@opcode=28", 1100 },
        { "size=1M", "faults=stall:data@opcode=28", 1 },
        { "size=1M", "faults=stall:status@opcode=28", 1 },
};

static uint64_t bring_up_ms(const char *spec) {
        uint64_t duration_ms;
        Stack stack;

        stack_init(&stack, spec);
        ck_assert_int_eq(stack.brought_up_result, 0);
        ck_assert(stack.exports[0].is_open);
        duration_ms = stack_now_ms(&stack);
        stack_done(&stack);
        return duration_ms;
}

START_TEST(trial_of_pipelining_costs_little) {
        const TrialCase *trial = &trial_cases[_i];
        char spec[128];
        uint64_t cost_ms;

        snprintf(spec, sizeof(spec), "%s,%s", trial->spec, trial->misbehaviour);
        cost_ms = bring_up_ms(spec) - bring_up_ms(trial->spec);
        ck_assert_msg(cost_ms <= trial->cost_max_ms, "%s: the trial cost %llu ms", spec,
                      (unsigned long long) cost_ms);
}
END_TEST

START_TEST(every_nth_command_may_fail) {
        FaultRun run;

        run_init(&run, "size=16M");
        stack_add_faults(&run.stack, "csw-tag@every=7*always;stall:data@every=5*always;"
                                     "phase-error@every=11*always");
        for (unsigned i = 0; i < 40; i++) {
                write_is(&run, "with many faults", 100 + i, 0);
                read_is(&run, "with many faults", 0);
                /* The breaker counts resets in a minute. */
                stack_sleep_ms(&run.stack, 60000);
        }
        run_done(&run);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack faults");
        TCase *tcase = tcase_create("faults");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 60);
        tcase_add_loop_test(tcase, client_reads_right_data_through_a_passing_fault, 0,
                            N_ELEMENTS(transient_cases));
        tcase_add_loop_test(tcase, client_writes_through_a_passing_fault, 0,
                            N_ELEMENTS(transient_cases));
        tcase_add_loop_test(tcase, client_is_told_of_what_lasts, 0, N_ELEMENTS(lasting_cases));
        tcase_add_test(tcase, device_that_never_answers_again_fails_by_the_deadline);
        tcase_add_test(tcase, slow_device_answers_within_the_deadline_that_it_was_given);
        tcase_add_test(tcase, unplugged_device_ends_its_clients);
        tcase_add_test(tcase, client_hears_of_a_write_that_the_device_lost_later);
        tcase_add_test(tcase, structured_client_is_told_where_the_medium_is_bad);
        tcase_add_test(tcase, device_that_breaks_on_early_transfers_is_driven_by_phase);
        tcase_add_loop_test(tcase, trial_of_pipelining_costs_little, 0, N_ELEMENTS(trial_cases));
        tcase_add_test(tcase, every_nth_command_may_fail);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
