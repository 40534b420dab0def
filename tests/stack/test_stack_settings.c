/* What the settings of a device do to the whole of a worker: each would show if it did nothing. */

#include <check.h>
#include <string.h>

#include "scsi/scsi_command_pool.h"
#include "scsi/scsi_pass_through.h"
#include "stack.h"

#define LARGE_SIZE (2U * 1024 * 1024)

static Stack stack;
static uint8_t bytes[LARGE_SIZE], got[LARGE_SIZE];

static ScsiCommandPool *seen_pool;
static unsigned n_validated;

/* NOLINTBEGIN(readability-identifier-naming): the linker calls them so. */
ScsiCommand *__real_scsi_command_pool_get(ScsiCommandPool *pool);
ScsiCommand *__wrap_scsi_command_pool_get(ScsiCommandPool *pool);
int __real_scsi_pass_through_check(const ScsiPassThrough *command,
                                   const ScsiPassThroughLimits *limits, char *reason);
int __wrap_scsi_pass_through_check(const ScsiPassThrough *command,
                                   const ScsiPassThroughLimits *limits, char *reason);

ScsiCommand *__wrap_scsi_command_pool_get(ScsiCommandPool *pool) {
        seen_pool = pool;
        return __real_scsi_command_pool_get(pool);
}

int __wrap_scsi_pass_through_check(const ScsiPassThrough *command,
                                   const ScsiPassThroughLimits *limits, char *reason) {
        n_validated++;
        return __real_scsi_pass_through_check(command, limits, reason);
}
/* NOLINTEND(readability-identifier-naming) */

static void start(const char *spec, const StorageOptions *options) {
        n_validated = 0;
        stack_init_with_options(&stack, spec, options);
        ck_assert_int_eq(stack.brought_up_result, 0);
}

static const SimulatedDeviceCounters *counters(void) {
        return simulated_device_get_counters(stack.device);
}

static void write_and_read(unsigned lun) {
        stack_connect(&stack, lun, /* is_structured= */ false);
        stack_fill(bytes, LARGE_SIZE, lun);
        ck_assert_int_eq(stack_write(&stack, lun, 0, bytes, LARGE_SIZE, 0), 0);
        ck_assert_int_eq(stack_read(&stack, lun, 0, got, LARGE_SIZE, NULL), 0);
        ck_assert_mem_eq(got, bytes, LARGE_SIZE);
}

typedef struct LunsCase {
        const char *five_luns;
        const char *three_luns;
} LunsCase;

static const LunsCase luns_cases[] = {
        { "size=8M,luns=5", "size=8M,luns=3" },
        { "size=8M,luns=5,transport=uas", "size=8M,luns=3,transport=uas" },
        { "size=8M,luns=5,transport=uas-only,speed=high",
          "size=8M,luns=3,transport=uas-only,speed=high" },
};

static uint64_t count_commands(const char *spec, unsigned n_luns_max) {
        uint64_t n_commands;

        start(spec, &(StorageOptions){ .n_luns_max = n_luns_max });
        ck_assert_uint_eq(stack.n_opened, MIN(n_luns_max, 3U));
        ck_assert_uint_eq(storage_manager_get_n_luns(stack.storage), MIN(n_luns_max, 3U));
        stack_sleep_ms(&stack, 10000);
        n_commands = counters()->n_commands;
        stack_done(&stack);
        return n_commands;
}

/* The others get no command, at the start or later. */
START_TEST(luns_beyond_the_limit_are_not_looked_at) {
        const LunsCase *c = &luns_cases[_i];

        ck_assert_uint_eq(count_commands(c->five_luns, 3), count_commands(c->three_luns, 16));
}
END_TEST

START_TEST(luns_beyond_the_limit_are_not_looked_at_when_the_device_comes_back) {
        start("size=8M,luns=5", &(StorageOptions){
                                                .n_luns_max = 3,
                                                .has_cache = true,
                                                .cache = { .mode = CACHE_MODE_WRITE_BACK },
                                                .park_timeout_ms = 60000,
                                });
        stack_unplug(&stack);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        stack_sleep_ms(&stack, 10000);
        ck_assert_uint_eq(stack.n_opened, 3);
        ck_assert_uint_eq(storage_manager_get_n_luns(stack.storage), 3);
        stack_done(&stack);
}
END_TEST

START_TEST(serial_a_device_has_one_command_at_once) {
        start("size=16M,luns=2,transport=uas,disorder-us=1000",
              &(StorageOptions){ .is_serial = _i });
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_connect(&stack, 1, /* is_structured= */ false);
        stack_send_write(&stack, 0, 0, bytes, LARGE_SIZE, 0);
        stack_send_write(&stack, 1, 0, bytes, LARGE_SIZE, 0);
        ck_assert_int_eq(stack_await_reply(&stack, 0), 0);
        ck_assert_int_eq(stack_await_reply(&stack, 1), 0);
        ck_assert_uint_eq(counters()->n_queue_max == 1, _i);
        write_and_read(0);
        stack_done(&stack);
}
END_TEST

/* This one refuses a transfer that comes before its command is done. */
START_TEST(serial_a_command_is_not_pipelined) {
        start("size=16M,pipelining=no", &(StorageOptions){ .is_serial = _i });
        for (unsigned i = 0; i < 4; i++)
                write_and_read(0);
        ck_assert_uint_eq(counters()->n_transfers_early == 0, _i);
        /* That it was not tried says nothing of the device. */
        stack_sleep_ms(&stack, 20000);
        ck_assert_uint_eq((stack.learned.facts & USB_FACT_BY_PHASE) == 0, _i);
        stack_done(&stack);
}
END_TEST

START_TEST(serial_nothing_is_read_ahead) {
        const StorageOptions options = {
                .is_serial = _i,
                .has_cache = true,
                .cache = { .mode = CACHE_MODE_WRITE_BACK,
                           .has_read_ahead = true,
                           .line_size = 16 * KIB },
        };

        start("size=16M", &options);
        stack_connect(&stack, 0, /* is_structured= */ false);
        for (uint64_t offset = 0; offset < 512 * KIB; offset += 16 * KIB)
                ck_assert_int_eq(stack_read(&stack, 0, offset, got, 16 * KIB, NULL), 0);
        stack_sleep_ms(&stack, 1000);
        ck_assert_uint_eq(cache_manager_get_statistics(storage_manager_get_cache(stack.storage))
                                                          ->read_ahead_size == 0,
                          _i);
        stack_done(&stack);
}
END_TEST

static const char *const transports[] = {
        "size=8M,luns=2",
        "size=8M,luns=2,transport=uas",
        "size=8M,transport=cbi,command-set=ufi",
};

START_TEST(without_processing_a_device_is_taken_and_gets_no_command) {
        start(transports[_i], &(StorageOptions){ .skips_processing = true });
        stack_sleep_ms(&stack, 60000);
        ck_assert_uint_eq(counters()->n_commands, 0);
        ck_assert_uint_eq(stack.n_opened, 0);
        ck_assert_int_eq(storage_manager_get_state(stack.storage), STORAGE_STATE_RUNNING);
        stack_stop(&stack);
        ck_assert_int_eq(stack.stopped_result, 0);
        ck_assert_uint_eq(counters()->n_commands, 0);
        stack_done(&stack);
}
END_TEST

START_TEST(without_processing_a_device_that_goes_is_not_waited_for) {
        start("size=8M", &(StorageOptions){
                                         .skips_processing = true,
                                         .has_cache = true,
                                         .cache = { .mode = CACHE_MODE_WRITE_BACK },
                                         .park_timeout_ms = 60000,
                         });
        simulated_device_unplug(stack.device);
        stack_sleep_ms(&stack, 1000);
        ck_assert(stack.is_stopped);
        ck_assert_uint_eq(stack.n_parked, 0);
        stack_done(&stack);
}
END_TEST

/* Sense that a transport has to ask for is no command of a sender's. */
START_TEST(each_command_is_validated_unless_that_is_off) {
        start(transports[_i / 2], &(StorageOptions){ .skips_validation = _i % 2 });
        write_and_read(0);
        if (_i % 2) {
                ck_assert_uint_eq(n_validated, 0);
        } else {
                ck_assert_uint_le(n_validated, counters()->n_commands);
                ck_assert_uint_ge(n_validated + counters()->n_commands_by_opcode[0x03],
                                  counters()->n_commands);
        }
        stack_done(&stack);
}
END_TEST

START_TEST(commands_are_kept_for_reuse) {
        const ScsiCommandPoolStatistics *statistics;

        start("size=16M,transport=uas", &(StorageOptions){ .n_commands_kept = (size_t) _i });
        write_and_read(0);
        write_and_read(0);
        statistics = scsi_command_pool_get_statistics(seen_pool);
        ck_assert_uint_gt(statistics->n_misses, 0);
        ck_assert_uint_eq(statistics->n_hits > 0, _i > 0);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack_settings");
        TCase *tcase = tcase_create("stack_settings");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, luns_beyond_the_limit_are_not_looked_at, 0,
                            N_ELEMENTS(luns_cases));
        tcase_add_test(tcase, luns_beyond_the_limit_are_not_looked_at_when_the_device_comes_back);
        tcase_add_loop_test(tcase, serial_a_device_has_one_command_at_once, 0, 2);
        tcase_add_loop_test(tcase, serial_a_command_is_not_pipelined, 0, 2);
        tcase_add_loop_test(tcase, serial_nothing_is_read_ahead, 0, 2);
        tcase_add_loop_test(tcase, without_processing_a_device_is_taken_and_gets_no_command, 0,
                            N_ELEMENTS(transports));
        tcase_add_test(tcase, without_processing_a_device_that_goes_is_not_waited_for);
        tcase_add_loop_test(tcase, each_command_is_validated_unless_that_is_off, 0,
                            2 * N_ELEMENTS(transports));
        tcase_add_loop_test(tcase, commands_are_kept_for_reuse, 0, 3);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
