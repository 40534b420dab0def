/* What a monitor counts of a device that is held for as long as the test wants, in virtual time. */

#include <errno.h>
#include <string.h>

#include "base/virtual_event_loop.h"
#include "memory_block_device.h"
#include "performance/performance_monitor.h"
#include "unit_test.h"

#define SIZE (1 * MIB)

static EventLoop *loop;
static MemoryBlockDevice *memory;
static BlockDevice *monitor;
static StorageStats stats;
static unsigned n_notified, n_done;
static uint8_t bytes[64 * KIB];
static struct iovec segment = { .iov_base = bytes };

static void on_notify(void *userdata) { n_notified++; }

static void on_done(BlockRequest *request) { n_done++; }

static void make_monitor(void) {
        const PerformanceMonitorOptions options = { .has_cache = true, .notify = on_notify };

        ck_assert_int_eq(performance_monitor_new(&monitor, &memory->device, &stats, &options), 0);
}

static void set_up(void) {
        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        memory = memory_block_device_new(loop, SIZE, 512);
        ck_assert_ptr_nonnull(memory);
        stats = (StorageStats){};
        n_notified = n_done = 0;
        make_monitor();
}

static void tear_down(void) {
        monitor = block_device_free(monitor);
        block_device_free(&memory->device);
        loop = event_loop_free(loop);
}

static void sleep_ms(uint64_t ms) {
        EventTimer timer = {};

        ck_assert_int_eq(event_timer_init(&timer, loop, event_timer_clear), 0);
        event_timer_set(&timer, event_loop_now_ns(loop) + ms * NS_PER_MS);
        ck_assert_int_ge(virtual_event_loop_run_until(loop, timer.deadline_ns), 0);
        event_timer_done(&timer);
}

static int submit(BlockRequest *request, BlockOperation operation, uint64_t size) {
        segment.iov_len = size;
        *request = (BlockRequest){
                .operation = operation,
                .size = size,
                .segments = &segment,
                .n_segments = 1,
                .deadline_ns = UINT64_MAX,
                .done = on_done,
        };
        return block_device_submit(monitor, request);
}

static void release(void) {
        memory_block_device_release(memory);
        sleep_ms(1);
        memory->is_held = true;
}

typedef struct KindCase {
        BlockOperation asked;
        StorageOperation counted; /* _MAX: it is not */
        uint64_t size;
} KindCase;

static const KindCase kind_cases[] = {
        { BLOCK_OPERATION_READ, STORAGE_OPERATION_READ, 4096 },
        { BLOCK_OPERATION_WRITE, STORAGE_OPERATION_WRITE, 512 },
        { BLOCK_OPERATION_FLUSH, STORAGE_OPERATION_FLUSH, 0 },
        { BLOCK_OPERATION_TRIM, STORAGE_OPERATION_TRIM, 65536 },
        { BLOCK_OPERATION_WRITE_ZEROES, STORAGE_OPERATION_WRITE_ZEROES, 1024 },
        { BLOCK_OPERATION_PREFETCH, _STORAGE_OPERATION_MAX, 4096 },
};

START_TEST(each_kind_is_counted_for_itself_with_bytes_and_time) {
        const KindCase *c = &kind_cases[_i];
        BlockRequest request;

        memory->is_held = true;
        ck_assert_int_eq(submit(&request, c->asked, c->size), 0);
        sleep_ms(7);
        release();
        ck_assert_uint_eq(n_done, 1);
        ck_assert_uint_eq(memory->n_submitted[c->asked], 1);
        for (size_t i = 0; i < _STORAGE_OPERATION_MAX; i++) {
                const StorageOperationStats *operation = &stats.operations[i];
                bool is_counted = i == c->counted;

                ck_assert_uint_eq(operation->n, is_counted);
                ck_assert_uint_eq(operation->size, is_counted ? c->size : 0);
                ck_assert_uint_eq(operation->latency.sum_ns, is_counted ? 7 * NS_PER_MS : 0);
                ck_assert_uint_eq(storage_histogram_count(&operation->latency), is_counted);
                ck_assert_uint_eq(operation->n_errors, 0);
        }
        ck_assert_uint_eq(n_notified, c->counted != _STORAGE_OPERATION_MAX);
}
END_TEST

START_TEST(the_owner_gets_its_request_back_as_it_was) {
        BlockRequest request;

        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_READ, 4096), 0);
        sleep_ms(1);
        ck_assert_uint_eq(n_done, 1);
        ck_assert(request.done == on_done);
        memory->submit_error = -EBUSY;
        ck_assert_int_eq(block_device_submit(monitor, &request), -EBUSY);
        ck_assert(request.done == on_done);
        ck_assert_uint_eq(n_done, 1);
}
END_TEST

START_TEST(a_failure_is_counted_by_kind_and_moves_no_bytes) {
        const StorageOperationStats *writes = &stats.operations[STORAGE_OPERATION_WRITE];
        BlockRequest request;

        memory->error = -EIO;
        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_WRITE, 4096), 0);
        sleep_ms(1);
        memory->submit_error = -ESHUTDOWN;
        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_WRITE, 4096), -ESHUTDOWN);
        ck_assert_uint_eq(writes->n, 2);
        ck_assert_uint_eq(writes->n_errors, 2);
        ck_assert_uint_eq(writes->size, 0);
        ck_assert_uint_eq(stats.n_errors[STORAGE_ERROR_IO], 1);
        ck_assert_uint_eq(stats.n_errors[STORAGE_ERROR_GONE], 1);
        ck_assert_uint_eq(stats.n_in_flight, 0);
}
END_TEST

/* One for 10 ms, two for 20 ms, none for 40 ms, one for 10 ms. */
START_TEST(the_queue_is_weighted_by_time) {
        BlockRequest first, second;

        memory->is_held = true;
        ck_assert_int_eq(submit(&first, BLOCK_OPERATION_READ, 4096), 0);
        sleep_ms(10);
        ck_assert_int_eq(submit(&second, BLOCK_OPERATION_READ, 4096), 0);
        ck_assert_uint_eq(stats.n_in_flight, 2);
        sleep_ms(20);
        release();
        ck_assert_uint_eq(stats.n_in_flight, 0);
        ck_assert_uint_eq(stats.busy_ns, 30 * NS_PER_MS);
        ck_assert_uint_eq(stats.weighted_ns, 50 * NS_PER_MS);
        sleep_ms(40);
        ck_assert_int_eq(submit(&first, BLOCK_OPERATION_READ, 4096), 0);
        sleep_ms(10);
        performance_monitor_rest(monitor);
        ck_assert_uint_eq(stats.busy_ns, 40 * NS_PER_MS);
        ck_assert_uint_eq(stats.weighted_ns, 60 * NS_PER_MS);
        release();
        ck_assert_uint_eq(stats.n_in_flight_max, 2);
}
END_TEST

START_TEST(loans_pass_through_and_count_as_hits) {
        const StorageOperationStats *reads = &stats.operations[STORAGE_OPERATION_READ];
        BlockLoan loan;

        memory->loan_size = 4096;
        for (unsigned i = 0; i < 3 * PERFORMANCE_MONITOR_LOANS_PER_SAMPLE; i++) {
                ck_assert(block_device_lend(monitor, 512, 8192, &loan));
                ck_assert_uint_eq(loan.n_parts, 2);
                ck_assert_ptr_eq(loan.parts[0].bytes, memory->memory + 512);
                block_device_take_back(monitor, &loan);
                ck_assert_uint_eq(reads->n, i + 1);
                ck_assert_uint_eq(reads->size, (i + 1) * UINT64_C(8192));
        }
        ck_assert_uint_eq(storage_histogram_count(&stats.layers[STORAGE_LAYER_CACHE_HIT]),
                          reads->n);
        ck_assert_uint_eq(memory->n_loans, reads->n);
        ck_assert_uint_eq(memory->n_lent, 0);
        ck_assert_uint_eq(n_notified, 1);
        ck_assert_uint_eq(stats.n_in_flight_max, 1);
}
END_TEST

START_TEST(a_loan_that_is_refused_is_not_counted) {
        BlockLoan loan;

        ck_assert(!block_device_lend(monitor, 0, 4096, &loan));
        ck_assert_uint_eq(stats.operations[STORAGE_OPERATION_READ].n, 0);
        ck_assert_uint_eq(n_notified, 0);
}
END_TEST

START_TEST(a_read_that_was_not_lent_is_a_hit_or_a_miss_as_the_device_says) {
        BlockRequest request;

        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_READ, 4096), 0);
        sleep_ms(1);
        ck_assert_uint_eq(storage_histogram_count(&stats.layers[STORAGE_LAYER_CACHE_MISS]), 1);
        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_READ, 4096), 0);
        request.was_hit = true; /* as a cache would say in between */
        sleep_ms(1);
        ck_assert_uint_eq(storage_histogram_count(&stats.layers[STORAGE_LAYER_CACHE_MISS]), 1);
        ck_assert_uint_eq(storage_histogram_count(&stats.layers[STORAGE_LAYER_CACHE_HIT]), 1);
        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_WRITE, 4096), 0);
        sleep_ms(1);
        ck_assert_uint_eq(storage_histogram_count(&stats.layers[STORAGE_LAYER_CACHE_MISS]), 1);
}
END_TEST

START_TEST(news_is_told_once_until_it_rests) {
        BlockRequest request;

        for (unsigned i = 0; i < 3; i++) {
                ck_assert_int_eq(submit(&request, BLOCK_OPERATION_FLUSH, 0), 0);
                sleep_ms(1);
        }
        ck_assert_uint_eq(n_notified, 1);
        performance_monitor_rest(monitor);
        ck_assert_uint_eq(n_notified, 1);
        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_FLUSH, 0), 0);
        sleep_ms(1);
        ck_assert_uint_eq(n_notified, 2);
}
END_TEST

START_TEST(a_later_monitor_goes_on_from_what_was_counted) {
        BlockRequest request;

        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_READ, 4096), 0);
        sleep_ms(1);
        monitor = block_device_free(monitor);
        sleep_ms(100);
        make_monitor();
        ck_assert_int_eq(submit(&request, BLOCK_OPERATION_READ, 4096), 0);
        sleep_ms(1);
        ck_assert_uint_eq(stats.operations[STORAGE_OPERATION_READ].n, 2);
        ck_assert_uint_lt(stats.busy_ns, 100 * NS_PER_MS);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("performance_monitor");
        TCase *tcase = tcase_create("performance_monitor");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, each_kind_is_counted_for_itself_with_bytes_and_time, 0,
                            (int) N_ELEMENTS(kind_cases));
        tcase_add_test(tcase, the_owner_gets_its_request_back_as_it_was);
        tcase_add_test(tcase, a_failure_is_counted_by_kind_and_moves_no_bytes);
        tcase_add_test(tcase, the_queue_is_weighted_by_time);
        tcase_add_test(tcase, loans_pass_through_and_count_as_hits);
        tcase_add_test(tcase, a_loan_that_is_refused_is_not_counted);
        tcase_add_test(tcase, a_read_that_was_not_lent_is_a_hit_or_a_miss_as_the_device_says);
        tcase_add_test(tcase, news_is_told_once_until_it_rests);
        tcase_add_test(tcase, a_later_monitor_goes_on_from_what_was_counted);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
