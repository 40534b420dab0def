/* The limits of staging memory, on a device that only counts what is taken from it. */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "base/virtual_event_loop.h"
#include "usb/usb_memory_pool.h"

#define BLOCKS_MAX 256

typedef struct CountingDevice {
        UsbDevice device;
        EventLoop *loop; /* owned */
        size_t size;     /* given out */
        size_t size_max; /* at which the host refuses */
        size_t n_requests;
        void *blocks[BLOCKS_MAX];
        size_t n_blocks;
} CountingDevice;

static void *counting_device_memory_new(UsbDevice *device, size_t size) {
        CountingDevice *counting = container_of(device, CountingDevice, device);
        void *memory;

        counting->n_requests++;
        if (counting->size + size > counting->size_max || counting->n_blocks == BLOCKS_MAX)
                return NULL;
        memory = aligned_alloc(4096, size);
        ck_assert_ptr_nonnull(memory);
        counting->blocks[counting->n_blocks++] = memory;
        counting->size += size;
        return memory;
}

static void counting_device_memory_free(UsbDevice *device, void *memory, size_t size) {
        CountingDevice *counting = container_of(device, CountingDevice, device);

        for (size_t i = 0; i < counting->n_blocks; i++) {
                if (counting->blocks[i] != memory)
                        continue;
                counting->blocks[i] = counting->blocks[--counting->n_blocks];
                counting->size -= size;
                free(memory);
                return;
        }
        ck_abort_msg("freed what was never given");
}

static bool is_zero_copy(const CountingDevice *counting, const void *memory) {
        for (size_t i = 0; i < counting->n_blocks; i++)
                if (counting->blocks[i] == memory)
                        return true;
        return false;
}

static int counting_device_transfer_init(UsbDevice *device, UsbTransfer *transfer) { return 0; }
static void counting_device_transfer_done(UsbDevice *device, UsbTransfer *transfer) {}
static int counting_device_submit(UsbDevice *device, UsbTransfer *transfer) { return -EIO; }
static void counting_device_cancel(UsbDevice *device, UsbTransfer *transfer) {}
static void counting_device_operate(UsbDevice *device, UsbOperation *operation) {}
static void counting_device_free(UsbDevice *device) { usb_device_done(device); }

static const UsbDeviceOps counting_device_ops = {
        .transfer_init = counting_device_transfer_init,
        .transfer_done = counting_device_transfer_done,
        .submit = counting_device_submit,
        .cancel = counting_device_cancel,
        .operate = counting_device_operate,
        .memory_new = counting_device_memory_new,
        .memory_free = counting_device_memory_free,
        .free = counting_device_free,
};

static CountingDevice counting;
static Staging *staging;

static void set_up(void) {
        counting = (CountingDevice){ .size_max = SIZE_MAX };
        ck_assert_int_eq(virtual_event_loop_new(&counting.loop), 0);
        ck_assert_int_eq(usb_device_init(&counting.device, counting.loop, &counting_device_ops), 0);
        staging = usb_device_get_staging(&counting.device);
}

static void tear_down(void) {
        usb_device_free(&counting.device);
        ck_assert_uint_eq(counting.size, 0);
        event_loop_free(counting.loop);
}

static void *get(size_t size) {
        void *memory = staging_get(staging, size);

        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t) memory % 4096, 0);
        memset(memory, 0xA5, size);
        return memory;
}

START_TEST(memory_of_any_size_is_aligned_and_writable) {
        static const size_t sizes[] = {
                1, 13, 31, 4096, 4097, 120 * KIB, 1 * MIB, 1 * MIB + 1, 4 * MIB, 5 * MIB,
        };
        void *memory[N_ELEMENTS(sizes)];

        for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
                memory[i] = get(sizes[i]);
        for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
                staging_put(staging, memory[i], sizes[i]);
}
END_TEST

START_TEST(freed_memory_is_taken_again) {
        void *first = get(MIB), *second;

        ck_assert(is_zero_copy(&counting, first));
        staging_put(staging, first, MIB);
        second = get(MIB - 100);
        ck_assert_ptr_eq(first, second);
        ck_assert_uint_eq(counting.n_requests, 1);
        staging_put(staging, second, MIB - 100);
}
END_TEST

START_TEST(past_the_budget_memory_comes_from_the_heap) {
        void *memory[4];

        usb_device_set_memory_budget(&counting.device, 2 * MIB);
        for (size_t i = 0; i < N_ELEMENTS(memory); i++) {
                memory[i] = get(MIB);
                ck_assert_int_eq(is_zero_copy(&counting, memory[i]), i < 2);
        }
        for (size_t i = 0; i < N_ELEMENTS(memory); i++)
                staging_put(staging, memory[i], MIB);
        ck_assert_uint_eq(counting.size, 2 * MIB);
}
END_TEST

START_TEST(unused_blocks_make_room_for_other_sizes) {
        void *memory[16], *large;

        usb_device_set_memory_budget(&counting.device, MIB);
        for (size_t i = 0; i < N_ELEMENTS(memory); i++)
                memory[i] = get(64 * KIB);
        for (size_t i = 0; i < N_ELEMENTS(memory); i++)
                staging_put(staging, memory[i], 64 * KIB);
        large = get(MIB);
        ck_assert(is_zero_copy(&counting, large));
        ck_assert_uint_eq(counting.n_blocks, 1);
        staging_put(staging, large, MIB);
}
END_TEST

START_TEST(lowered_budget_gives_memory_back) {
        void *memory = get(MIB);

        usb_device_set_memory_budget(&counting.device, 64 * KIB);
        ck_assert_uint_eq(counting.size, MIB);
        staging_put(staging, memory, MIB);
        ck_assert_uint_eq(counting.size, 0);
}
END_TEST

START_TEST(number_of_zero_copy_blocks_is_limited) {
        void *memory[USB_MEMORY_ZERO_COPY_BLOCKS_MAX + 1];

        for (size_t i = 0; i < N_ELEMENTS(memory); i++)
                memory[i] = get(4096);
        ck_assert_uint_eq(counting.n_blocks, USB_MEMORY_ZERO_COPY_BLOCKS_MAX);
        for (size_t i = 0; i < N_ELEMENTS(memory); i++)
                staging_put(staging, memory[i], 4096);
}
END_TEST

START_TEST(host_that_refuses_is_not_asked_again_at_once) {
        UsbDeviceStatistics statistics;
        void *memory;

        counting.size_max = 0;
        for (size_t i = 0; i <= USB_MEMORY_REFUSED_REQUESTS; i++) {
                memory = get(4096);
                ck_assert(!is_zero_copy(&counting, memory));
                staging_put(staging, memory, 4096);
        }
        ck_assert_uint_eq(counting.n_requests, 1);
        counting.size_max = MIB;
        memory = get(4096);
        ck_assert(is_zero_copy(&counting, memory));
        statistics = usb_device_get_statistics(&counting.device);
        ck_assert_uint_eq(statistics.n_memory_refusals, 1);
        ck_assert_uint_eq(statistics.zero_copy_size, 4096);
        ck_assert_uint_eq(statistics.heap_size, 0);
        staging_put(staging, memory, 4096);
}
END_TEST

START_TEST(heap_memory_is_kept_within_a_limit) {
        UsbMemoryStats stats;
        void *memory[8];

        counting.size_max = 0;
        for (size_t i = 0; i < N_ELEMENTS(memory); i++)
                memory[i] = get(MIB);
        for (size_t i = 0; i < N_ELEMENTS(memory); i++)
                staging_put(staging, memory[i], MIB);
        usb_memory_pool_get_stats(counting.device.memory_pool, &stats);
        ck_assert_uint_eq(stats.heap_size, 0);
        ck_assert_uint_eq(stats.heap_cached_size, USB_MEMORY_HEAP_CACHED_MAX);
        memory[0] = get(MIB);
        usb_memory_pool_get_stats(counting.device.memory_pool, &stats);
        ck_assert_uint_eq(stats.heap_cached_size, USB_MEMORY_HEAP_CACHED_MAX - MIB);
        staging_put(staging, memory[0], MIB);
}
END_TEST

START_TEST(shrinking_gives_back_what_is_unused) {
        void *kept = get(MIB), *unused = get(64 * KIB);

        staging_put(staging, unused, 64 * KIB);
        ck_assert(usb_memory_pool_shrink(counting.device.memory_pool));
        ck_assert_uint_eq(counting.size, MIB);
        ck_assert(!usb_memory_pool_shrink(counting.device.memory_pool));
        staging_put(staging, kept, MIB);
}
END_TEST

START_TEST(device_that_is_gone_gets_its_memory_back) {
        void *memory = get(MIB);

        usb_device_set_gone(&counting.device);
        staging_put(staging, memory, MIB);
        ck_assert_uint_eq(counting.size, 0);
        memory = get(MIB);
        ck_assert(!is_zero_copy(&counting, memory));
        staging_put(staging, memory, MIB);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("usb_memory_pool");
        TCase *tests = tcase_create("usb_memory_pool");
        SRunner *runner = srunner_create(suite);
        int n_failed;

        suite_add_tcase(suite, tests);
        tcase_add_checked_fixture(tests, set_up, tear_down);
        tcase_add_test(tests, memory_of_any_size_is_aligned_and_writable);
        tcase_add_test(tests, freed_memory_is_taken_again);
        tcase_add_test(tests, past_the_budget_memory_comes_from_the_heap);
        tcase_add_test(tests, unused_blocks_make_room_for_other_sizes);
        tcase_add_test(tests, lowered_budget_gives_memory_back);
        tcase_add_test(tests, number_of_zero_copy_blocks_is_limited);
        tcase_add_test(tests, host_that_refuses_is_not_asked_again_at_once);
        tcase_add_test(tests, heap_memory_is_kept_within_a_limit);
        tcase_add_test(tests, shrinking_gives_back_what_is_unused);
        tcase_add_test(tests, device_that_is_gone_gets_its_memory_back);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
