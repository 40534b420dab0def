/* What the settings of a device do to the whole of a worker: each would show if it did nothing. */

#include <check.h>
#include <string.h>

#include "scsi/scsi_command_pool.h"
#include "scsi/scsi_pass_through.h"
#include "stack.h"
#include "storage/storage_settings.h"

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

static const StorageOptions cached = {
        .has_cache = true,
        .cache = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB },
        .park_timeout_ms = 60000,
};

static CacheManager *get_cache(void) { return storage_manager_get_cache(stack.storage); }

/* A request of a client that was there before, of a device that no longer answers. */
START_TEST(another_deadline_is_that_of_clients_that_are_connected) {
        uint64_t start_ms, took_ms;

        start("size=16M", _i % 2 ? &cached : &(StorageOptions){ 0 });
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_int_eq(stack_read(&stack, 0, 0, got, 4096, NULL), 0);
        if (_i < 2)
                storage_settings_set(stack.storage, &(StorageOptions){ .device_timeout_ms = 3000 });
        stack_add_faults(&stack, "hang:command@opcode=28*always");
        start_ms = stack_now_ms(&stack);
        ck_assert_int_ne(stack_read(&stack, 0, MIB, got, 4096, NULL), 0);
        took_ms = stack_now_ms(&stack) - start_ms;
        ck_assert_uint_eq(took_ms < 10000, _i < 2);
        stack_done(&stack);
}
END_TEST

/* Changed before anything is asked of the device: as if it had begun so. */
static void restart_with(const StorageOptions *before, const StorageOptions *after,
                         const char *spec) {
        start(spec, before);
        storage_settings_set(stack.storage, after);
}

START_TEST(one_command_at_once_can_be_begun_and_ended) {
        const StorageOptions serial = { .is_serial = true }, parallel = { 0 };
        const char *spec = "size=16M,luns=2,transport=uas,disorder-us=1000";

        restart_with(&parallel, &serial, spec);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_connect(&stack, 1, /* is_structured= */ false);
        for (unsigned i = 0; i < 2; i++) {
                stack_send_write(&stack, 0, 0, bytes, LARGE_SIZE, 0);
                stack_send_write(&stack, 1, 0, bytes, LARGE_SIZE, 0);
                ck_assert_int_eq(stack_await_reply(&stack, 0), 0);
                ck_assert_int_eq(stack_await_reply(&stack, 1), 0);
                ck_assert_uint_eq(counters()->n_queue_max == 1, i == 0);
                storage_settings_set(stack.storage, &parallel);
        }
        write_and_read(0);
        stack_done(&stack);
}
END_TEST

/* A unit that was opened while there was one command at a time gets as many as any other. */
START_TEST(what_was_opened_serial_is_not_slower_for_ever) {
        const StorageOptions serial = { .is_serial = true }, parallel = { 0 };
        uint64_t depth[2];

        for (unsigned i = 0; i < 2; i++) {
                restart_with(i == 0 ? &parallel : &serial, &parallel,
                             "size=16M,transport=uas,disorder-us=1000");
                write_and_read(0);
                depth[i] = counters()->n_queue_max;
                stack_done(&stack);
        }
        ck_assert_uint_gt(depth[0], 1);
        ck_assert_uint_eq(depth[0], depth[1]);
}
END_TEST

START_TEST(pipelining_can_be_begun) {
        const StorageOptions serial = { .is_serial = true }, parallel = { 0 };

        restart_with(&serial, _i ? &parallel : &serial, "size=16M,pipelining=no");
        for (unsigned i = 0; i < 4; i++)
                write_and_read(0);
        ck_assert_uint_eq(counters()->n_transfers_early > 0, _i);
        stack_done(&stack);
}
END_TEST

/* What was decided of it stays known meanwhile. */
START_TEST(what_was_learned_of_pipelining_outlives_its_end) {
        const StorageOptions serial = { .is_serial = true }, parallel = { 0 };

        start("size=16M,link=ideal", &parallel);
        for (unsigned i = 0; i < 4; i++)
                write_and_read(0);
        stack_sleep_ms(&stack, 1000);
        ck_assert(stack.device_info.is_pipelined);
        storage_settings_set(stack.storage, &serial);
        write_and_read(0);
        stack_sleep_ms(&stack, 1000);
        ck_assert(!stack.device_info.is_pipelined);
        storage_settings_set(stack.storage, &parallel);
        write_and_read(0);
        stack_sleep_ms(&stack, 1000);
        ck_assert(stack.device_info.is_pipelined);
        stack_done(&stack);
}
END_TEST

START_TEST(validation_can_be_begun_and_ended) {
        const StorageOptions off = { .skips_validation = true }, on = { 0 };

        restart_with(&off, &on, "size=16M");
        ck_assert_uint_eq(n_validated, 0);
        write_and_read(0);
        ck_assert_uint_gt(n_validated, 0);
        storage_settings_set(stack.storage, &off);
        n_validated = 0;
        write_and_read(0);
        ck_assert_uint_eq(n_validated, 0);
        stack_done(&stack);
}
END_TEST

START_TEST(more_or_fewer_commands_can_be_kept) {
        const StorageOptions none = { 0 }, some = { .n_commands_kept = 4 };
        const ScsiCommandPoolStatistics *statistics;
        uint64_t n_hits;

        restart_with(&none, &some, "size=16M,transport=uas");
        write_and_read(0);
        write_and_read(0);
        statistics = scsi_command_pool_get_statistics(seen_pool);
        n_hits = statistics->n_hits;
        ck_assert_uint_gt(n_hits, 0);
        storage_settings_set(stack.storage, &none);
        write_and_read(0);
        ck_assert_uint_eq(statistics->n_hits, n_hits);
        stack_done(&stack);
}
END_TEST

START_TEST(another_mode_counts_for_the_next_write) {
        start("size=16M", &cached);
        stack_connect(&stack, 0, /* is_structured= */ false);
        storage_settings_set_cache_mode(stack.storage, CACHE_MODE_WRITE_THROUGH);
        stack_fill(bytes, 4096, 1);
        ck_assert_int_eq(stack_write(&stack, 0, 0, bytes, 4096, 0), 0);
        ck_assert_int_eq(simulated_device_read_medium(stack.device, 0, /* is_stable= */ false, 0,
                                                      got, 4096),
                         0);
        ck_assert_mem_eq(got, bytes, 4096);
        storage_settings_set_cache_mode(stack.storage, CACHE_MODE_WRITE_BACK);
        ck_assert_int_eq(stack_write(&stack, 0, 0, bytes + 4096, 4096, 0), 0);
        ck_assert_uint_eq(cache_manager_get_statistics(get_cache())->dirty_size, 4096);
        stack_done(&stack);
}
END_TEST

/* Three resets: it is written through until it has been well for a while. */
START_TEST(another_mode_does_not_hide_that_a_device_is_unwell) {
        start("size=16M", &cached);
        for (unsigned i = 0; i < 3; i++) {
                stack_connect(&stack, 0, /* is_structured= */ false);
                stack_add_faults(&stack, "phase-error");
                stack_read(&stack, 0, i * MIB, got, 4096, NULL);
                stack_sleep_ms(&stack, 1000);
        }
        ck_assert_int_eq(cache_manager_get_mode(get_cache()), CACHE_MODE_WRITE_THROUGH);
        storage_settings_set_cache_mode(stack.storage, CACHE_MODE_OFF);
        ck_assert_int_eq(cache_manager_get_mode(get_cache()), CACHE_MODE_OFF);
        storage_settings_set_cache_mode(stack.storage, CACHE_MODE_WRITE_BACK);
        ck_assert_int_eq(cache_manager_get_mode(get_cache()), CACHE_MODE_WRITE_THROUGH);
        stack_sleep_ms(&stack, 15 * 60000);
        ck_assert_int_eq(cache_manager_get_mode(get_cache()), CACHE_MODE_WRITE_BACK);
        stack_done(&stack);
}
END_TEST

static uint64_t read_in_a_row(uint64_t first) {
        uint64_t n_before = cache_manager_get_statistics(get_cache())->read_ahead_size;

        for (uint64_t offset = first; offset < first + 512 * KIB; offset += 16 * KIB)
                ck_assert_int_eq(stack_read(&stack, 0, offset, got, 16 * KIB, NULL), 0);
        stack_sleep_ms(&stack, 1000);
        return cache_manager_get_statistics(get_cache())->read_ahead_size - n_before;
}

START_TEST(reading_ahead_and_the_size_can_be_changed) {
        StorageOptions options = cached;
        CacheOptions *cache = &options.cache;
        uint64_t n_slots;

        options.is_serial = _i;
        start("size=16M", &options);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_uint_eq(read_in_a_row(0), 0);
        n_slots = cache_manager_get_statistics(get_cache())->n_slots;
        cache->has_read_ahead = true;
        cache->size_max = MIB;
        storage_settings_set_cache(stack.storage, cache, 60000);
        ck_assert_uint_eq(read_in_a_row(4 * MIB) == 0, _i);
        ck_assert_uint_eq(cache_manager_get_statistics(get_cache())->n_slots, MIB / (16 * KIB));
        ck_assert_uint_gt(n_slots, MIB / (16 * KIB));
        stack_done(&stack);
}
END_TEST

START_TEST(nothing_is_read_ahead_while_there_is_one_command_at_once) {
        StorageOptions options = cached, serial = { .is_serial = true }, parallel = { 0 };

        options.cache.has_read_ahead = true;
        start("size=16M", &options);
        stack_connect(&stack, 0, /* is_structured= */ false);
        ck_assert_uint_gt(read_in_a_row(0), 0);
        storage_settings_set(stack.storage, &serial);
        ck_assert_uint_eq(read_in_a_row(4 * MIB), 0);
        storage_settings_set_cache(stack.storage, &options.cache, 60000);
        ck_assert_uint_eq(read_in_a_row(8 * MIB), 0);
        storage_settings_set(stack.storage, &parallel);
        ck_assert_uint_gt(read_in_a_row(12 * MIB), 0);
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_is_waited_for_as_long_as_was_said_last) {
        start("size=16M", &cached);
        storage_settings_set_cache(stack.storage, &cached.cache, 600000);
        stack_unplug(&stack);
        stack_sleep_ms(&stack, 500000);
        ck_assert(!stack.is_stopped);
        stack_sleep_ms(&stack, 150000);
        ck_assert(stack.is_stopped);
        stack_done(&stack);
}
END_TEST

START_TEST(trim_is_offered_by_what_is_opened_next) {
        start("size=16M", &cached);
        ck_assert_int_eq(stack.exports[0].info.transmission_flags & NBD_FLAG_SEND_TRIM, 0);
        stack_sleep_ms(&stack, 1000);
        storage_settings_set(stack.storage, &(StorageOptions){ .is_trim_enabled = true });
        stack_unplug(&stack);
        stack_fill(bytes, LARGE_SIZE, 1); /* another medium */
        stack_write_image(&stack, 0, 0, bytes, LARGE_SIZE);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        stack_sleep_ms(&stack, 1000);
        ck_assert_uint_eq(stack.exports[0].n_opened, 2);
        ck_assert_int_ne(stack.exports[0].info.transmission_flags & NBD_FLAG_SEND_TRIM, 0);
        stack_done(&stack);
}
END_TEST

/* A stop gives the cache's memory back, and what comes late must not undo that. */
START_TEST(a_stop_is_not_disturbed) {
        start("size=16M", &cached);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_fill(bytes, LARGE_SIZE, 1);
        ck_assert_int_eq(stack_write(&stack, 0, 0, bytes, LARGE_SIZE, 0), 0);
        storage_manager_stop(stack.storage);
        while (storage_manager_get_state(stack.storage) == STORAGE_STATE_RUNNING)
                ck_assert_int_gt(event_loop_run_once(stack.loop, /* may_wait= */ true), 0);
        storage_settings_set_cache(stack.storage, &cached.cache, 0);
        storage_settings_set_cache_mode(stack.storage, CACHE_MODE_OFF);
        ck_assert_int_eq(cache_manager_get_mode(get_cache()), CACHE_MODE_WRITE_BACK);
        stack_stop(&stack);
        ck_assert_int_eq(stack.stopped_result, 0);
        storage_settings_set_cache(stack.storage, &cached.cache, 0);
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
        tcase_add_loop_test(tcase, another_deadline_is_that_of_clients_that_are_connected, 0, 4);
        tcase_add_test(tcase, one_command_at_once_can_be_begun_and_ended);
        tcase_add_test(tcase, what_was_opened_serial_is_not_slower_for_ever);
        tcase_add_loop_test(tcase, pipelining_can_be_begun, 0, 2);
        tcase_add_test(tcase, what_was_learned_of_pipelining_outlives_its_end);
        tcase_add_test(tcase, validation_can_be_begun_and_ended);
        tcase_add_test(tcase, more_or_fewer_commands_can_be_kept);
        tcase_add_test(tcase, nothing_is_read_ahead_while_there_is_one_command_at_once);
        tcase_add_test(tcase, another_mode_counts_for_the_next_write);
        tcase_add_test(tcase, another_mode_does_not_hide_that_a_device_is_unwell);
        tcase_add_loop_test(tcase, reading_ahead_and_the_size_can_be_changed, 0, 2);
        tcase_add_test(tcase, a_device_is_waited_for_as_long_as_was_said_last);
        tcase_add_test(tcase, trim_is_offered_by_what_is_opened_next);
        tcase_add_test(tcase, a_stop_is_not_disturbed);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
