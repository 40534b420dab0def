/* What a BlockDevice may be asked, and the bytes of a request in segments. */

#include <string.h>

#include "block/block_request.h"
#include "unit_test.h"

static void on_done(BlockRequest *request) {}

static BlockDevice device = { .info = { .size = 10000, .block_size = 512 } };

START_TEST(ranges_are_checked_without_overflow) {
        ck_assert(block_device_has_range(&device, 0, 10000));
        ck_assert(block_device_has_range(&device, 10000, 0));
        ck_assert(block_device_has_range(&device, 9999, 1));
        ck_assert(!block_device_has_range(&device, 9999, 2));
        ck_assert(!block_device_has_range(&device, 10001, 0));
        ck_assert(!block_device_has_range(&device, UINT64_MAX, 2));
        ck_assert(!block_device_has_range(&device, 2, UINT64_MAX));
}
END_TEST

START_TEST(requests_are_checked_before_they_pass) {
        uint8_t bytes[4096];
        BlockExtent extent;
        struct iovec segments[] = { { bytes, 96 }, { bytes, 4000 } };
        BlockRequest good = { .operation = BLOCK_OPERATION_WRITE,
                              .flags = BLOCK_REQUEST_FUA,
                              .size = 4096,
                              .segments = segments,
                              .n_segments = 2,
                              .deadline_ns = 1,
                              .done = on_done };
        BlockRequest request = good;

        ck_assert(block_device_check(&device, &good));
        request.size = 4095;
        ck_assert(!block_device_check(&device, &request));
        request = good;
        request.operation = BLOCK_OPERATION_READ;
        ck_assert(!block_device_check(&device, &request)); /* FUA */
        request.flags = 0;
        ck_assert(block_device_check(&device, &request));
        request.offset = 6000;
        ck_assert(!block_device_check(&device, &request));
        request = good;
        request.done = NULL;
        ck_assert(!block_device_check(&device, &request));
        request = good;
        request.deadline_ns = 0;
        ck_assert(!block_device_check(&device, &request));

        request = (BlockRequest){ .operation = BLOCK_OPERATION_FLUSH,
                                  .deadline_ns = 1,
                                  .done = on_done };
        ck_assert(block_device_check(&device, &request));
        request.operation = BLOCK_OPERATION_TRIM;
        ck_assert(!block_device_check(&device, &request)); /* of nothing */
        request.size = 10000;
        ck_assert(block_device_check(&device, &request));
        request.operation = BLOCK_OPERATION_STATUS;
        ck_assert(!block_device_check(&device, &request)); /* nowhere to tell it */
        request.extents = &extent;
        request.n_extents_max = 1;
        ck_assert(block_device_check(&device, &request));
}
END_TEST

START_TEST(bytes_are_gathered_and_scattered_over_segments) {
        char a[] = "abc", b[] = "de", c[] = "fghij", text[16] = "";
        struct iovec segments[] = { { a, 3 }, { b, 0 }, { b, 2 }, { c, 5 } };
        BlockRequest request = { .size = 10, .segments = segments, .n_segments = 4 };

        block_request_gather(&request, 0, text, 10);
        ck_assert_str_eq(text, "abcdefghij");
        block_request_gather(&request, 2, text, 4);
        ck_assert_str_eq(text, "cdefefghij");
        block_request_scatter(&request, 1, "12345678", 8);
        ck_assert_str_eq(a, "a12");
        ck_assert_str_eq(b, "34");
        ck_assert_str_eq(c, "5678j");
        ck_assert_ptr_eq(block_request_get_contiguous(&request, 3, 2), b);
        ck_assert_ptr_eq(block_request_get_contiguous(&request, 7, 3), c + 2);
        ck_assert_ptr_null(block_request_get_contiguous(&request, 2, 2));
}
END_TEST

START_TEST(operations_have_names) {
        for (BlockOperation o = 0; o < _BLOCK_OPERATION_MAX; o++)
                ck_assert_uint_gt(strlen(block_operation_to_string(o)), 0);
        ck_assert_str_eq(block_operation_to_string(BLOCK_OPERATION_WRITE_ZEROES), "write zeroes");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                ranges_are_checked_without_overflow,
                requests_are_checked_before_they_pass,
                bytes_are_gathered_and_scattered_over_segments,
                operations_have_names,
                NULL,
        };

        return run_suite(suite_of("block_device", tests));
}
