/* Sums over workers, and rates of loads that are known, from news that comes as workers send it. */

#include <check.h>
#include <stdlib.h>

#include "device/device_stats.h"

#define START_NS (1000 * NS_PER_S)
#define READ_SIZE 4096

static DeviceStats stats;
static StorageStats told; /* by the worker that lives */
static uint64_t now_ns;

static void set_up(void) {
        stats = (DeviceStats){};
        told = (StorageStats){};
        now_ns = START_NS;
}

static void tear_down(void) { device_stats_done(&stats); }

/* A second, or a bit more, in which there were so many reads of 2 ms, one at a time. */
static void work_for(uint64_t duration_ns, uint64_t n_reads) {
        StorageOperationStats *reads = &told.operations[STORAGE_OPERATION_READ];

        reads->n += n_reads;
        reads->size += n_reads * READ_SIZE;
        for (uint64_t i = 0; i < n_reads; i++)
                storage_histogram_record(&reads->latency, 2 * NS_PER_MS);
        told.busy_ns += n_reads * 2 * NS_PER_MS;
        told.weighted_ns += n_reads * 2 * NS_PER_MS;
        now_ns += duration_ns;
        device_stats_note_lun(&stats, 0, &told, now_ns);
}

static DeviceStatsRates get_rates(DeviceStatsWindow window) {
        DeviceStatsRates rates;

        ck_assert(device_stats_get_lun_rates(&stats, 0, window, now_ns, &rates));
        return rates;
}

static void expect_reads(DeviceStatsWindow window, double expected) {
        double reads = get_rates(window).reads;

        ck_assert_msg(reads >= expected * 0.9 && reads <= expected * 1.1,
                      "%f reads a second instead of %f", reads, expected);
}

START_TEST(a_steady_load_has_the_same_rate_in_all_windows) {
        for (unsigned i = 0; i < 200; i++) {
                DeviceStatsRates rates;

                /* Timers are late now and then. */
                work_for(NS_PER_S + i % 3 * 10 * NS_PER_MS, 100);
                for (unsigned window = 0; window < _DEVICE_STATS_WINDOW_MAX; window++)
                        expect_reads(window, 100);
                rates = get_rates(DEVICE_STATS_WINDOW_10_S);
                ck_assert_double_eq_tol(rates.read_size, rates.reads * READ_SIZE, 1);
                ck_assert_double_eq_tol(rates.read_latency_ns, 2e6, 1);
                ck_assert_double_eq_tol(rates.busy, 0.2, 0.02);
                ck_assert_double_eq_tol(rates.depth, 0.2, 0.02);
                ck_assert_double_eq(rates.writes, 0);
                ck_assert_double_eq(rates.write_latency_ns, 0);
        }
}
END_TEST

START_TEST(between_two_messages_a_rate_stays) {
        for (unsigned i = 0; i < 20; i++)
                work_for(NS_PER_S, 100);
        now_ns += 950 * NS_PER_MS;
        expect_reads(DEVICE_STATS_WINDOW_1_S, 100);
        expect_reads(DEVICE_STATS_WINDOW_60_S, 100);
}
END_TEST

/* Who is idle sends nothing. */
START_TEST(after_the_end_of_a_load_windows_run_empty_one_by_one) {
        for (unsigned i = 0; i < 100; i++)
                work_for(NS_PER_S, 100);
        now_ns += 5 * NS_PER_S;
        expect_reads(DEVICE_STATS_WINDOW_1_S, 0);
        expect_reads(DEVICE_STATS_WINDOW_10_S, 50);
        expect_reads(DEVICE_STATS_WINDOW_60_S, 100.0 * 55 / 60);
        now_ns += 25 * NS_PER_S;
        expect_reads(DEVICE_STATS_WINDOW_10_S, 0);
        expect_reads(DEVICE_STATS_WINDOW_60_S, 50);
        now_ns += 3600 * NS_PER_S;
        expect_reads(DEVICE_STATS_WINDOW_60_S, 0);
}
END_TEST

START_TEST(a_burst_after_a_rest_is_of_its_second) {
        work_for(NS_PER_S, 100);
        now_ns += 1000 * NS_PER_S;
        work_for(NS_PER_S, 500);
        expect_reads(DEVICE_STATS_WINDOW_1_S, 500);
        expect_reads(DEVICE_STATS_WINDOW_10_S, 50);
        expect_reads(DEVICE_STATS_WINDOW_60_S, 500.0 / 60);
}
END_TEST

START_TEST(a_worker_that_floods_does_not_shorten_the_windows) {
        for (unsigned i = 0; i < 70; i++)
                work_for(NS_PER_S, 100);
        for (unsigned i = 0; i < 10000; i++)
                work_for(NS_PER_MS, 0);
        expect_reads(DEVICE_STATS_WINDOW_60_S, 100.0 * 50 / 60);
        expect_reads(DEVICE_STATS_WINDOW_10_S, 0);
}
END_TEST

START_TEST(a_worker_that_counts_backwards_has_no_rate) {
        for (unsigned i = 0; i < 3; i++)
                work_for(NS_PER_S, 100);
        told = (StorageStats){};
        work_for(NS_PER_S, 0);
        for (unsigned window = 0; window < _DEVICE_STATS_WINDOW_MAX; window++)
                ck_assert_double_eq(get_rates(window).reads, 0);
}
END_TEST

START_TEST(counters_go_on_over_workers_and_states_do_not) {
        StorageDeviceStats device = { .n_transfers = 7, .transport = STORAGE_TRANSPORT_UAS }, got;
        StorageStats sum;

        told.cache.dirty_size = 4096;
        work_for(NS_PER_S, 100);
        device_stats_note_device(&stats, &device);
        device_stats_end_worker(&stats);
        ck_assert(device_stats_get_device(&stats, &got));
        ck_assert_uint_eq(got.transport, STORAGE_TRANSPORT_NONE);
        ck_assert_uint_eq(got.n_transfers, 7);

        told = (StorageStats){};
        work_for(NS_PER_S, 10);
        device_stats_note_device(&stats, &device);
        device_stats_get_sum(&stats, &sum);
        ck_assert_uint_eq(sum.operations[STORAGE_OPERATION_READ].n, 110);
        ck_assert_uint_eq(storage_histogram_count(&sum.operations[STORAGE_OPERATION_READ].latency),
                          110);
        ck_assert_uint_eq(sum.cache.dirty_size, 0);
        ck_assert(device_stats_get_device(&stats, &got));
        ck_assert_uint_eq(got.n_transfers, 14);
        ck_assert_uint_eq(got.transport, STORAGE_TRANSPORT_UAS);
        expect_reads(DEVICE_STATS_WINDOW_1_S, 10);
}
END_TEST

START_TEST(luns_add_up) {
        DeviceStatsRates rates;
        StorageStats sum;

        work_for(NS_PER_S, 100);
        device_stats_note_lun(&stats, 5, &told, now_ns);
        device_stats_get_sum(&stats, &sum);
        ck_assert_uint_eq(sum.operations[STORAGE_OPERATION_READ].n, 200);
        device_stats_get_sum_rates(&stats, DEVICE_STATS_WINDOW_1_S, now_ns, &rates);
        ck_assert_double_eq_tol(rates.reads, 200, 0.1);
        ck_assert_double_eq_tol(rates.read_latency_ns, 2e6, 1);
        ck_assert_double_eq_tol(rates.busy, 0.2, 0.01);
        ck_assert_double_eq_tol(rates.depth, 0.4, 0.01);
}
END_TEST

START_TEST(of_what_was_not_told_there_is_nothing) {
        StorageDeviceStats device;
        DeviceStatsRates rates;
        StorageStats lun;

        ck_assert(!device_stats_get_lun(&stats, 3, &lun));
        ck_assert(!device_stats_get_lun_rates(&stats, 3, DEVICE_STATS_WINDOW_1_S, now_ns, &rates));
        ck_assert(!device_stats_get_device(&stats, &device));
        device_stats_get_sum(&stats, &lun);
        ck_assert_uint_eq(lun.operations[STORAGE_OPERATION_READ].n, 0);
        device_stats_get_sum_rates(&stats, DEVICE_STATS_WINDOW_60_S, now_ns, &rates);
        ck_assert_double_eq(rates.reads, 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("device_stats");
        TCase *tcase = tcase_create("device_stats");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_steady_load_has_the_same_rate_in_all_windows);
        tcase_add_test(tcase, between_two_messages_a_rate_stays);
        tcase_add_test(tcase, after_the_end_of_a_load_windows_run_empty_one_by_one);
        tcase_add_test(tcase, a_burst_after_a_rest_is_of_its_second);
        tcase_add_test(tcase, a_worker_that_floods_does_not_shorten_the_windows);
        tcase_add_test(tcase, a_worker_that_counts_backwards_has_no_rate);
        tcase_add_test(tcase, counters_go_on_over_workers_and_states_do_not);
        tcase_add_test(tcase, luns_add_up);
        tcase_add_test(tcase, of_what_was_not_told_there_is_nothing);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
