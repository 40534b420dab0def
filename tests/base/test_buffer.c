/* Buffers: contents against a plain model, and the limit from both sides. */

#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/random.h"
#include "unit_test.h"

START_TEST(what_is_appended_is_consumed_in_order) {
        Buffer buffer;

        buffer_init(&buffer, 64);
        ck_assert_int_eq(buffer_append(&buffer, "abcdef", 6), 0);
        buffer_consume(&buffer, 2);
        ck_assert_uint_eq(buffer.size, 4);
        ck_assert_mem_eq(buffer_data(&buffer), "cdef", 4);
        buffer_clear(&buffer);
        ck_assert_uint_eq(buffer.size, 0);
        buffer_done(&buffer);
}
END_TEST

START_TEST(the_limit_is_reached_and_not_passed) {
        uint8_t bytes[301] = { 0 };
        Buffer buffer;

        buffer_init(&buffer, 300);
        ck_assert_int_eq(buffer_append(&buffer, bytes, 301), -ENOBUFS);
        ck_assert_ptr_null(buffer_reserve(&buffer, 301));
        ck_assert_int_eq(buffer_append(&buffer, bytes, 300), 0);
        ck_assert_int_eq(buffer_append(&buffer, bytes, 1), -ENOBUFS);
        ck_assert_ptr_null(buffer_reserve(&buffer, SIZE_MAX));
        buffer_consume(&buffer, 1);
        ck_assert_int_eq(buffer_append(&buffer, bytes, 1), 0);
        ck_assert_uint_eq(buffer.size, 300);
        ck_assert_uint_le(buffer.capacity, 300);
        buffer_done(&buffer);
}
END_TEST

START_TEST(a_reservation_counts_only_as_far_as_it_is_committed) {
        uint8_t *room;
        Buffer buffer;

        buffer_init(&buffer, 100);
        room = buffer_reserve(&buffer, 10);
        ck_assert_ptr_nonnull(room);
        ck_assert_uint_eq(buffer.size, 0);
        memcpy(room, "xyz", 3);
        buffer_commit(&buffer, 3);
        ck_assert_uint_eq(buffer.size, 3);
        ck_assert_mem_eq(buffer_data(&buffer), "xyz", 3);
        buffer_done(&buffer);
}
END_TEST

START_TEST(nothing_may_be_appended_to_an_empty_buffer) {
        Buffer buffer;

        buffer_init(&buffer, 1);
        ck_assert_int_eq(buffer_append(&buffer, NULL, 0), 0);
        ck_assert_ptr_nonnull(buffer_reserve(&buffer, 0));
        buffer_done(&buffer);
        buffer_done(&buffer);
}
END_TEST

/* `_i` is the seed. The model is the count of bytes in and out, as each byte tells its position. */
START_TEST(a_stream_of_random_pieces_comes_out_as_it_went_in) {
        uint64_t n_in = 0, n_out = 0, n_wrong = 0;
        Random random;
        Buffer buffer;

        random_init(&random, (uint64_t) _i);
        buffer_init(&buffer, 1000);
        for (unsigned step = 0; step < 2000; step++) {
                size_t n = random_below(&random, 400);
                uint8_t *room = buffer_reserve(&buffer, n);

                ck_assert_int_eq(room != NULL, n_in - n_out + n <= 1000);
                for (size_t i = 0; room && i < n; i++)
                        room[i] = (uint8_t) ((n_in + i) * 7 % 251);
                if (room) {
                        buffer_commit(&buffer, n);
                        n_in += n;
                }

                ck_assert_uint_eq(buffer.size, n_in - n_out);
                n = random_below(&random, buffer.size + 1);
                for (size_t i = 0; i < n; i++)
                        n_wrong += buffer_data(&buffer)[i] != (n_out + i) * 7 % 251;
                buffer_consume(&buffer, n);
                n_out += n;
        }
        ck_assert_uint_eq(n_wrong, 0);
        ck_assert_uint_gt(n_out, 100000);
        buffer_done(&buffer);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                what_is_appended_is_consumed_in_order,
                the_limit_is_reached_and_not_passed,
                a_reservation_counts_only_as_far_as_it_is_committed,
                nothing_may_be_appended_to_an_empty_buffer,
                NULL,
        };
        Suite *suite = suite_of("buffer", tests);
        TCase *seeds = tcase_create("seeds");

        tcase_add_loop_test(seeds, a_stream_of_random_pieces_comes_out_as_it_went_in, 0, 10);
        suite_add_tcase(suite, seeds);
        return run_suite(suite);
}
