/* Each accessor against bytes written out by hand, at every alignment. */

#include "base/bytes.h"
#include "unit_test.h"

static const uint8_t bytes[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

START_TEST(big_endian_values_are_read_most_significant_byte_first) {
        ck_assert_uint_eq(get_be16(bytes), 0x0123);
        ck_assert_uint_eq(get_be24(bytes), 0x012345);
        ck_assert_uint_eq(get_be32(bytes), 0x01234567);
        ck_assert_uint_eq(get_be64(bytes), UINT64_C(0x0123456789abcdef));
}
END_TEST

START_TEST(little_endian_values_are_read_least_significant_byte_first) {
        ck_assert_uint_eq(get_le16(bytes), 0x2301);
        ck_assert_uint_eq(get_le32(bytes), 0x67452301);
        ck_assert_uint_eq(get_le64(bytes), UINT64_C(0xefcdab8967452301));
}
END_TEST

START_TEST(values_survive_at_every_alignment_and_touch_nothing_else) {
        for (size_t offset = 1; offset <= 8; offset++) {
                uint8_t memory[24];

                memset(memory, 0x5a, sizeof(memory));
                put_be64(memory + offset, UINT64_C(0xfedcba9876543210));
                ck_assert_uint_eq(get_be64(memory + offset), UINT64_C(0xfedcba9876543210));
                put_le32(memory + offset, UINT32_C(0xdeadbeef));
                ck_assert_uint_eq(get_le32(memory + offset), UINT32_C(0xdeadbeef));
                put_be16(memory + offset, 0xc0de);
                ck_assert_uint_eq(get_be16(memory + offset), 0xc0de);
                ck_assert_uint_eq(memory[offset - 1], 0x5a);
                ck_assert_uint_eq(memory[offset + 8], 0x5a);
        }
}
END_TEST

START_TEST(three_bytes_are_written_and_the_fourth_is_not) {
        uint8_t memory[] = { 0, 0, 0, 0x5a };

        put_be24(memory, 0xff123456);
        ck_assert_mem_eq(memory, ((uint8_t[]){ 0x12, 0x34, 0x56, 0x5a }), 4);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                big_endian_values_are_read_most_significant_byte_first,
                little_endian_values_are_read_least_significant_byte_first,
                values_survive_at_every_alignment_and_touch_nothing_else,
                three_bytes_are_written_and_the_fourth_is_not,
                NULL,
        };

        return run_suite(suite_of("bytes", tests));
}
