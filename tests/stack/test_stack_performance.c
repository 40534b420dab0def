/* A load that is known gives exactly the counters that it should, and no news after its end. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"
#include "usb/usb_quirks.h"

#define BLOCK 4096
#define WRITE_10 0x2A

static const CacheOptions write_back = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static uint8_t data[1 * MIB];
static StorageStats before;

/* Long enough for the samples of the medium, and for what is told of them. */
static void start(const char *spec, const CacheOptions *cache) {
        if (cache)
                stack_init_with_cache(&stack, spec, cache, NULL, NULL);
        else
                stack_init(&stack, spec);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_connect(&stack, 0, /* is_structured= */ false);
        stack_fill(data, sizeof(data), 1);
        stack_sleep_ms(&stack, 5000);
        before = stack.stats[0];
}

static void read_blocks(uint64_t offset, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                ck_assert_int_eq(stack_read(&stack, 0, offset + i * BLOCK, data, BLOCK, NULL), 0);
}

static void expect_operation(StorageOperation kind, uint64_t n, uint64_t size) {
        const StorageOperationStats *then = &before.operations[kind];
        const StorageOperationStats *now = &stack.stats[0].operations[kind];

        ck_assert_uint_eq(now->n - then->n, n);
        ck_assert_uint_eq(now->size - then->size, size);
        ck_assert_uint_eq(now->n_errors, 0);
        ck_assert_uint_eq(storage_histogram_count(&now->latency), now->n);
}

START_TEST(a_known_load_is_counted_exactly) {
        const StorageStats *now = &stack.stats[0];

        start("size=16M", &write_back);
        for (unsigned i = 0; i < 10; i++)
                ck_assert_int_eq(stack_write(&stack, 0, i * BLOCK, data, BLOCK, 0), 0);
        read_blocks(0, 10);      /* of which all is there */
        read_blocks(8 * MIB, 1); /* of which nothing is */
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_WRITE_ZEROES, 0, 4 * MIB, 64 * KIB), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        ck_assert_uint_eq(now->operations[STORAGE_OPERATION_WRITE].n, 0); /* not told yet */
        stack_sleep_ms(&stack, 1000);

        expect_operation(STORAGE_OPERATION_WRITE, 10, 10 * BLOCK);
        expect_operation(STORAGE_OPERATION_READ, 11, 11 * BLOCK);
        expect_operation(STORAGE_OPERATION_FLUSH, 2, 0);
        expect_operation(STORAGE_OPERATION_WRITE_ZEROES, 1, 64 * KIB);
        expect_operation(STORAGE_OPERATION_TRIM, 0, 0);
        ck_assert_uint_eq(now->cache.n_hits - before.cache.n_hits, 10);
        ck_assert_uint_eq(now->cache.hit_size - before.cache.hit_size, 10 * BLOCK);
        ck_assert_uint_eq(now->cache.n_misses - before.cache.n_misses, 1);
        ck_assert_uint_eq(now->cache.miss_size - before.cache.miss_size, BLOCK);
        ck_assert_uint_eq(storage_histogram_count(&now->layers[STORAGE_LAYER_CACHE_HIT]), 10);
        ck_assert_uint_eq(storage_histogram_count(&now->layers[STORAGE_LAYER_CACHE_MISS]), 1);
        ck_assert_uint_ge(now->cache.write_back_size, 10 * BLOCK);
        ck_assert_uint_eq(now->cache.dirty_size, 0);
        ck_assert_uint_eq(now->n_in_flight, 0);
        ck_assert_uint_eq(now->n_in_flight_max, 1);
        stack_done(&stack);
}
END_TEST

START_TEST(who_asks_for_nothing_is_told_nothing) {
        unsigned n_told;

        start("size=16M", &write_back);
        n_told = stack.n_told;
        stack_sleep_ms(&stack, 60000);
        ck_assert_uint_eq(stack.n_told, n_told);
        for (unsigned i = 0; i < 20; i++) {
                read_blocks(0, 5);
                stack_sleep_ms(&stack, 100);
        }
        stack_sleep_ms(&stack, 60000);
        /* Of one LUN and of the device, in two seconds and at their end. */
        ck_assert_uint_gt(stack.n_told, n_told);
        ck_assert_uint_le(stack.n_told, n_told + 2 * 3);
        stack_done(&stack);
}
END_TEST

/* A simulated disk that takes 20 ms for each WRITE. */
START_TEST(layers_agree_on_where_the_time_went) {
        const StorageStats *now = &stack.stats[0];
        uint64_t asked_ns, scsi_ns, transport_ns;

        start("size=16M", NULL);
        stack_add_faults(&stack, "slow:20@opcode=2A*always");
        for (unsigned i = 0; i < 5; i++)
                ck_assert_int_eq(stack_write(&stack, 0, i * MIB, data, BLOCK, 0), 0);
        stack_sleep_ms(&stack, 2000);
        asked_ns = now->operations[STORAGE_OPERATION_WRITE].latency.sum_ns;
        scsi_ns = now->layers[STORAGE_LAYER_SCSI].sum_ns - before.layers[STORAGE_LAYER_SCSI].sum_ns;
        transport_ns = now->layers[STORAGE_LAYER_TRANSPORT].sum_ns -
                       before.layers[STORAGE_LAYER_TRANSPORT].sum_ns;
        ck_assert_uint_ge(asked_ns, 100 * NS_PER_MS);
        ck_assert_uint_le(asked_ns, 120 * NS_PER_MS);
        ck_assert_uint_eq(now->busy_ns, asked_ns);
        ck_assert_uint_eq(now->weighted_ns, asked_ns);
        ck_assert_uint_ge(asked_ns, scsi_ns);
        ck_assert_uint_ge(scsi_ns, transport_ns);
        ck_assert_uint_ge(transport_ns, 100 * NS_PER_MS);
        /* There is nothing that could be hit. */
        ck_assert_uint_eq(storage_histogram_count(&now->layers[STORAGE_LAYER_CACHE_MISS]), 0);
        stack_done(&stack);
}
END_TEST

START_TEST(what_goes_wrong_is_counted_where_it_went_wrong) {
        const StorageStats *now = &stack.stats[0];

        start("size=16M", &write_back);
        stack_add_faults(&stack, "medium-error@lba=8192*always;reset@opcode=35");
        ck_assert_int_eq(stack_read(&stack, 0, 4 * MIB, data, 512, NULL), NBD_EIO);
        ck_assert_int_eq(stack_write(&stack, 0, 0, data, BLOCK, 0), 0);
        ck_assert_int_eq(stack_command(&stack, 0, NBD_CMD_FLUSH, 0, 0, 0), 0);
        stack_sleep_ms(&stack, 2000);
        ck_assert_uint_eq(now->operations[STORAGE_OPERATION_READ].n, 1);
        ck_assert_uint_eq(now->operations[STORAGE_OPERATION_READ].n_errors, 1);
        ck_assert_uint_eq(now->n_errors[STORAGE_ERROR_IO], 1);
        ck_assert_uint_gt(now->n_check_conditions[3], 0);
        /* The device told of its reset, and what it had lost was sent again. */
        ck_assert_uint_gt(now->n_check_conditions[6], before.n_check_conditions[6]);
        ck_assert_uint_gt(now->n_retries, before.n_retries);
        ck_assert_uint_eq(now->cache.write_back_size, 2 * BLOCK);
        stack_done(&stack);
}
END_TEST

START_TEST(resets_and_degradation_are_told) {
        start("size=16M", NULL);
        ck_assert_uint_eq(stack.device_stats.transport, STORAGE_TRANSPORT_BOT);
        ck_assert_uint_eq(stack.stats[0].transfer_limit, STORAGE_TRANSFER_LIMIT_BUS);
        ck_assert_uint_eq(stack.stats[0].transfer_size, stack.device_stats.transfer_size_max);
        stack_add_faults(&stack, "wire-error:data@longer=128*always");
        ck_assert_int_eq(stack_read(&stack, 0, 0, data, sizeof(data), NULL), 0);
        stack_sleep_ms(&stack, 5000);
        ck_assert_uint_eq(stack.stats[0].transfer_limit, STORAGE_TRANSFER_LIMIT_ERRORS);
        ck_assert_uint_lt(stack.stats[0].transfer_size, stack.device_stats.transfer_size_max);
        ck_assert_uint_gt(stack.device_stats.n_resets[STORAGE_RESET_CLEAR_HALTS] +
                                          stack.device_stats.n_resets[STORAGE_RESET_CLASS],
                          0);
        ck_assert_uint_gt(stack.device_stats.n_transfers, 0);
        ck_assert_uint_eq(stack.device_stats.cache_mode, STORAGE_CACHE_MODE_NONE);
        stack_done(&stack);
}
END_TEST

START_TEST(a_device_that_refuses_writes_is_told_of) {
        start("size=16M", NULL);
        stack_add_faults(&stack, "sense:7/27/00@opcode=2A*always");
        for (unsigned i = 0; i < 3; i++)
                ck_assert_int_eq(stack_write(&stack, 0, 0, data, BLOCK, 0), NBD_EPERM);
        stack_sleep_ms(&stack, 2000);
        ck_assert(stack.stats[0].is_read_only_by_errors);
        ck_assert_uint_eq(stack.stats[0].operations[STORAGE_OPERATION_WRITE].n_errors, 3);
        ck_assert_uint_eq(stack.stats[0].n_errors[STORAGE_ERROR_READ_ONLY], 3);
        ck_assert_uint_ge(stack.stats[0].n_check_conditions[7], 3);
        stack_done(&stack);
}
END_TEST

START_TEST(what_a_quirk_limits_is_told) {
        static const UsbLearnedFacts nothing;

        stack_init_with_facts(&stack, "size=16M", &nothing, USB_QUIRK_MAX_SECTORS_64);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_sleep_ms(&stack, 2000);
        ck_assert_uint_eq(stack.stats[0].transfer_size, 32 * KIB);
        ck_assert_uint_eq(stack.stats[0].transfer_limit, STORAGE_TRANSFER_LIMIT_QUIRK);
        stack_done(&stack);
}
END_TEST

START_TEST(the_link_is_told) {
        start("size=16M,speed=super,transport=uas", &write_back);
        ck_assert_uint_eq(stack.device_stats.speed_mbps, 5000);
        ck_assert_uint_eq(stack.device_stats.speed_mbps_max, 5000);
        ck_assert_uint_eq(stack.device_stats.transport, STORAGE_TRANSPORT_UAS);
        ck_assert(stack.device_stats.offers_uas);
        stack_done(&stack);
        start("size=16M,speed=high", &write_back);
        ck_assert_uint_eq(stack.device_stats.speed_mbps, 480);
        ck_assert_uint_eq(stack.device_stats.speed_mbps_max, 0);
        ck_assert_uint_eq(stack.device_stats.usb_version, 0x0200);
        ck_assert(!stack.device_stats.offers_uas);
        stack_done(&stack);
}
END_TEST

START_TEST(counters_outlive_a_replug) {
        uint64_t n_transfers, n_commands;

        start("size=16M", &write_back);
        read_blocks(8 * MIB, 3);
        stack_sleep_ms(&stack, 2000);
        n_transfers = stack.device_stats.n_transfers;
        n_commands = storage_histogram_count(&stack.stats[0].layers[STORAGE_LAYER_SCSI]);
        stack_unplug(&stack);
        stack_sleep_ms(&stack, 7000);
        ck_assert(stack.device_stats.is_parked);
        ck_assert_uint_eq(stack.device_stats.transport, STORAGE_TRANSPORT_NONE);
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        stack_sleep_ms(&stack, 2000);
        ck_assert(!stack.device_stats.is_parked);
        ck_assert_uint_ge(stack.device_stats.parked_ns, 7000 * NS_PER_MS);
        ck_assert_uint_eq(stack.stats[0].parked_ns, stack.device_stats.parked_ns);
        ck_assert_uint_gt(stack.device_stats.n_transfers, n_transfers);
        ck_assert_uint_gt(storage_histogram_count(&stack.stats[0].layers[STORAGE_LAYER_SCSI]),
                          n_commands);
        ck_assert_uint_eq(stack.stats[0].operations[STORAGE_OPERATION_READ].n, 3);
        stack_done(&stack);
}
END_TEST

START_TEST(what_happened_last_is_told_at_the_end) {
        start("size=16M", &write_back);
        ck_assert_int_eq(stack_write(&stack, 0, 0, data, BLOCK, 0), 0);
        ck_assert_uint_eq(stack.stats[0].operations[STORAGE_OPERATION_WRITE].n, 0);
        stack_stop(&stack);
        ck_assert_uint_eq(stack.stats[0].operations[STORAGE_OPERATION_WRITE].n, 1);
        /* The flush of a stop is nobody's. */
        ck_assert_uint_eq(stack.stats[0].operations[STORAGE_OPERATION_FLUSH].n, 0);
        ck_assert_uint_eq(stack.stats[0].cache.write_back_size, BLOCK);
        stack_done(&stack);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack performance");
        TCase *tcase = tcase_create("performance");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, a_known_load_is_counted_exactly);
        tcase_add_test(tcase, who_asks_for_nothing_is_told_nothing);
        tcase_add_test(tcase, layers_agree_on_where_the_time_went);
        tcase_add_test(tcase, what_goes_wrong_is_counted_where_it_went_wrong);
        tcase_add_test(tcase, resets_and_degradation_are_told);
        tcase_add_test(tcase, a_device_that_refuses_writes_is_told_of);
        tcase_add_test(tcase, what_a_quirk_limits_is_told);
        tcase_add_test(tcase, the_link_is_told);
        tcase_add_test(tcase, counters_outlive_a_replug);
        tcase_add_test(tcase, what_happened_last_is_told_at_the_end);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
