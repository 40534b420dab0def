/*
 * The whole stack with each transport: what a client sees when the n-th command of the device's
 * life, from its bring-up on, is struck in each way that the simulator knows. For n = 1, 2, … until
 * the run is over before: right data, once, by the deadline, and a device that works afterwards.
 * There is no write cache, as what a reset loses from it is told by a FLUSH that fails.
 */

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "stack.h"

#define DATA_SIZE 65536
#define DATA_OFFSET 65536
#define SPEC_SIZE_MAX 256
#define DEADLINE_MS 30000
/* What the kernel, here the simulated host, may need to give a transfer back after the deadline. */
#define GRACE_MS 1000
/* A run has fewer commands than this, whatever strikes it. */
#define N_COMMANDS_MAX 300

static const char *const variants[] = {
        "transport=bot",
        "transport=bot,command-set=ufi",
        "transport=cbi",
        "transport=cbi,command-set=8070",
        "transport=cbi,command-set=ufi",
        "transport=cb",
        "transport=cb,command-set=ufi",
};

static const char *const faults[] = {
        "stall:command",
        "stall:data",
        "stall:status",
        "hang:command",
        "hang:data",
        "hang:status",
        "freeze:command",
        "freeze:data",
        "freeze:status",
        "disconnect:command",
        "disconnect:data",
        "disconnect:status",
        "wire-error:command",
        "wire-error:data",
        "wire-error:status",
        "short-data",
        "babble",
        "data-skipped",
        "zero-packet",
        "csw-missing",
        "csw-tag",
        "csw-signature",
        "csw-status",
        "csw-size:1",
        "phase-error",
        "sense:B/00/00",
        "unit-attention:29/00",
        "reset",
};

typedef struct Sweep {
        Stack stack;
        const char *text; /* borrowed */
        bool may_go;      /* the fault unplugs the device */
        uint8_t written[DATA_SIZE];
        uint8_t read[DATA_SIZE];
} Sweep;

/* Whether the request did well; one that did not must have a reason. */
static bool judge(Sweep *sweep, const char *what, int r, uint64_t start_ms) {
        uint64_t duration_ms = stack_now_ms(&sweep->stack) - start_ms;

        ck_assert_msg(r == 0 || sweep->may_go, "%s: %s gave %d", sweep->text, what, r);
        ck_assert_msg(duration_ms <= DEADLINE_MS + GRACE_MS, "%s: %s took %llu ms", sweep->text,
                      what, (unsigned long long) duration_ms);
        return r == 0;
}

static bool write_once(Sweep *sweep, uint64_t seed) {
        uint64_t start_ms = stack_now_ms(&sweep->stack);

        stack_fill(sweep->written, DATA_SIZE, seed);
        return judge(sweep, "writing",
                     stack_write(&sweep->stack, 0, DATA_OFFSET, sweep->written, DATA_SIZE, 0),
                     start_ms);
}

static bool flush_once(Sweep *sweep) {
        uint64_t start_ms = stack_now_ms(&sweep->stack);

        return judge(sweep, "flushing", stack_command(&sweep->stack, 0, NBD_CMD_FLUSH, 0, 0, 0),
                     start_ms);
}

static bool read_once(Sweep *sweep) {
        uint64_t start_ms = stack_now_ms(&sweep->stack);

        memset(sweep->read, 0xEE, DATA_SIZE);
        if (!judge(sweep, "reading",
                   stack_read(&sweep->stack, 0, DATA_OFFSET, sweep->read, DATA_SIZE, NULL),
                   start_ms))
                return false;
        ck_assert_msg(memcmp(sweep->read, sweep->written, DATA_SIZE) == 0, "%s: wrong data",
                      sweep->text);
        return true;
}

static void use(Sweep *sweep) {
        Stack *stack = &sweep->stack;

        ck_assert_msg(sweep->may_go || (stack->brought_up_result == 0 && stack->exports[0].is_open),
                      "%s: did not come up", sweep->text);
        if (stack->brought_up_result < 0 || !stack->exports[0].is_open)
                return;
        stack_connect(stack, 0, /* is_structured= */ false);
        if (!write_once(sweep, 1) || !flush_once(sweep) || !read_once(sweep))
                return;
        simulated_device_clear_faults(stack->device);
        if (write_once(sweep, 2) && flush_once(sweep))
                read_once(sweep);
}

/* Returns how many commands the device took while faults could strike it. */
static uint64_t run(const char *text, bool may_go) {
        Sweep *sweep = calloc(1, sizeof(*sweep));
        uint64_t n_commands;

        ck_assert_ptr_nonnull(sweep);
        sweep->text = text;
        sweep->may_go = may_go;
        stack_init(&sweep->stack, text);
        use(sweep);
        n_commands = sweep->stack.brought_up_result == 0 && sweep->stack.exports[0].is_open
                                     ? simulated_device_get_counters(sweep->stack.device)
                                                       ->n_commands
                                     : UINT64_MAX;
        stack_done(&sweep->stack);
        free(sweep);
        return n_commands;
}

START_TEST(whatever_strikes_a_client_gets_right_data) {
        const char *variant = variants[(size_t) _i / N_ELEMENTS(faults)];
        const char *fault = faults[(size_t) _i % N_ELEMENTS(faults)];
        bool may_go = strncmp(fault, "disconnect", strlen("disconnect")) == 0;
        char text[SPEC_SIZE_MAX];
        uint64_t n = 0;

        do {
                ck_assert_uint_lt(++n, N_COMMANDS_MAX);
                snprintf(text, sizeof(text), "size=1440K,write-cache=no,%s,faults=%s@nth=%u",
                         variant, fault, (unsigned) n);
        } while (run(text, may_go) >= n);
}
END_TEST

/* UFI 1.0 has none of these, and floppy drives are not asked what they can't answer. */
START_TEST(floppy_gets_no_command_that_it_lacks) {
        static const uint8_t lacking[] = { 0x1A, 0x35, 0x91, 0x9E, 0xA0 };
        const SimulatedDeviceCounters *counters;
        uint8_t data[1024];
        Stack stack;

        stack_init(&stack, _i == 0 ? "size=1440K,transport=cbi,command-set=ufi"
                                   : "size=1440K,transport=bot,command-set=ufi");
        ck_assert_int_eq(stack.brought_up_result, 0);
        ck_assert_uint_eq(stack.exports[0].info.size, 1440 * KIB);
        ck_assert(!(stack.exports[0].info.transmission_flags & NBD_FLAG_READ_ONLY));
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_fill(data, sizeof(data), 1);
        ck_assert_int_eq(stack_write(&stack, 0, 1440 * KIB - sizeof(data), data, sizeof(data), 0),
                         0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        counters = simulated_device_get_counters(stack.device);
        for (size_t i = 0; i < N_ELEMENTS(lacking); i++)
                ck_assert_msg(counters->n_commands_by_opcode[lacking[i]] == 0, "%02x was sent",
                              lacking[i]);
        ck_assert_uint_gt(counters->n_commands_by_opcode[0x5A], 0);
        stack_done(&stack);
}
END_TEST

START_TEST(floppy_that_is_write_protected_is_exported_so) {
        Stack stack;

        stack_init(&stack, "size=1440K,transport=cbi,command-set=ufi,read-only");
        ck_assert_int_eq(stack.brought_up_result, 0);
        ck_assert(stack.exports[0].info.transmission_flags & NBD_FLAG_READ_ONLY);
        stack_done(&stack);
}
END_TEST

/* CB: nothing but the sense tells that a write has failed. */
START_TEST(failure_that_only_the_sense_tells_is_told) {
        uint8_t data[512] = { 0 };
        Stack stack;

        stack_init(&stack, "size=1440K,transport=cb");
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_add_faults(&stack, "write-error@lba=8");
        ck_assert_int_eq(stack_write(&stack, 0, 8 * sizeof(data), data, sizeof(data), 0), NBD_EIO);
        ck_assert_int_eq(stack_write(&stack, 0, 9 * sizeof(data), data, sizeof(data), 0), 0);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack_transports");
        TCase *tcase = tcase_create("stack_transports");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, whatever_strikes_a_client_gets_right_data, 0,
                            N_ELEMENTS(variants) * N_ELEMENTS(faults));
        tcase_add_loop_test(tcase, floppy_gets_no_command_that_it_lacks, 0, 2);
        tcase_add_test(tcase, floppy_that_is_write_protected_is_exported_so);
        tcase_add_test(tcase, failure_that_only_the_sense_tells_is_told);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
