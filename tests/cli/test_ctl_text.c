/* Sizes, numbers, widths and the cleaning of what strangers wrote. */

#include <errno.h>
#include <locale.h>
#include <string.h>

#include "cli/ctl_text.h"

#include "../base/unit_test.h"

START_TEST(timeouts_are_read_as_in_the_configuration) {
        static const struct {
                const char *text;
                int r;
                uint64_t value_us;
        } cases[] = {
                { "never", 0, 0 },
                { "0", 0, 0 },
                { "500", 0, 500000 },
                { "500ms", 0, 500000 },
                { "30s", 0, 30000000 },
                { "10min", 0, 600000000 },
                { "2h", 0, UINT64_C(7200000000) },
                { "", -EINVAL, 7 },
                { "soon", -EINVAL, 7 },
                { "10 min", -EINVAL, 7 },
                { "-1s", -EINVAL, 7 },
                { "5124095576031h", -ERANGE, 7 },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                uint64_t value_us = 7;

                ck_assert_int_eq(ctl_text_parse_timeout(cases[i].text, &value_us), cases[i].r);
                if (cases[i].r == 0)
                        ck_assert_uint_eq(value_us, cases[i].value_us);
        }
}
END_TEST

START_TEST(sizes_are_told_in_powers_of_1024) {
        static const struct {
                uint64_t size;
                const char *text;
        } cases[] = {
                { 0, "0B" },
                { 512, "512B" },
                { 1023, "1023B" },
                { 1024, "1K" },
                { 1536, "1.5K" },
                { 1048575, "1M" },
                { 16008609792, "14.9G" },
                { UINT64_MAX, "16E" },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                _cleanup_(freep) char *text = ctl_text_size(cases[i].size, false);
                _cleanup_(freep) char *bytes = ctl_text_size(cases[i].size, true);

                ck_assert_str_eq(text, cases[i].text);
                ck_assert_uint_eq(strtoull(bytes, NULL, 10), cases[i].size);
        }
}
END_TEST

START_TEST(sizes_are_read_with_their_units) {
        static const struct {
                const char *text;
                int r;
                uint64_t size;
        } cases[] = {
                { "0", 0, 0 },
                { "512", 0, 512 },
                { "64K", 0, 65536 },
                { "64k", 0, 65536 },
                { "1MiB", 0, MIB },
                { "2GB", 0, 2 * GIB },
                { "15E", 0, UINT64_C(15) << 60 },
                { "16E", -ERANGE, 0 },
                { "99999999999999999999", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { " 1", -EINVAL, 0 },
                { "1X", -EINVAL, 0 },
                { "1Ki", -EINVAL, 0 },
                { "1KBs", -EINVAL, 0 },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                uint64_t size = 0;

                ck_assert_int_eq(ctl_text_parse_size(cases[i].text, &size), cases[i].r);
                ck_assert_uint_eq(size, cases[i].size);
        }
}
END_TEST

START_TEST(numbers_have_digits_alone_and_a_limit) {
        uint64_t number = 7;

        ck_assert_int_eq(ctl_text_parse_number("12", 12, &number), 0);
        ck_assert_uint_eq(number, 12);
        ck_assert_int_eq(ctl_text_parse_number("13", 12, &number), -ERANGE);
        ck_assert_int_eq(ctl_text_parse_number("1K", 99999, &number), -EINVAL);
        ck_assert_int_eq(ctl_text_parse_number("+1", 12, &number), -EINVAL);
        ck_assert_uint_eq(number, 12);
}
END_TEST

START_TEST(rates_latencies_and_times_are_short) {
        const struct {
                char *text;
                const char *expected;
        } cases[] = {
                { ctl_text_rate(0), "0 B/s" },
                { ctl_text_rate(999), "999 B/s" },
                { ctl_text_rate(1500), "1.5 kB/s" },
                { ctl_text_rate(123456789), "123 MB/s" },
                { ctl_text_latency(0), "-" },
                { ctl_text_latency(0.0000123), "12.3 us" },
                { ctl_text_latency(0.000123), "123 us" },
                { ctl_text_latency(0.0123), "12.3 ms" },
                { ctl_text_latency(0.123), "123 ms" },
                { ctl_text_latency(1.5), "1.50 s" },
                { ctl_text_seconds(5), "0:05" },
                { ctl_text_seconds(3723), "1:02:03" },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                ck_assert_str_eq(cases[i].text, cases[i].expected);
                free(cases[i].text);
        }
}
END_TEST

START_TEST(what_controls_a_terminal_does_not_pass) {
        static const struct {
                const char *text;
                const char *clean;
        } cases[] = {
                { "plain", "plain" },
                { "two\nlines\tand a tab", "two\nlines\tand a tab" },
                { "\033[2J", "?[2J" },
                { "a\033\n\033b", "a?\n?b" },
                { "\302\233"
                  "31m",
                  "?31m" },
                { "\342\200\256"
                  "evil\n",
                  "?evil\n" },
                { "\r", "?" },
                { "\xff\n", "?\n" },
                { "grün", "grün" },
                { "", "" },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                _cleanup_(freep) char *text = ctl_text_copy(cases[i].text);

                ctl_text_clean(text);
                ck_assert_str_eq(text, cases[i].clean);
        }
}
END_TEST

START_TEST(width_is_columns_and_not_bytes) {
        ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
        ck_assert_uint_eq(ctl_text_width("abc"), 3);
        ck_assert_uint_eq(ctl_text_width("grün"), 4);
        ck_assert_uint_eq(ctl_text_width("日本"), 4);
        ck_assert_uint_eq(ctl_text_fit("日本", 3), strlen("日"));
        ck_assert_uint_eq(ctl_text_fit("grün", 3), strlen("grü"));
        ck_assert_uint_eq(ctl_text_fit("abc", 9), 3);
        /* What is no character still takes a column, and does not stop. */
        ck_assert_uint_eq(ctl_text_width("a\xff"
                                         "b"),
                          3);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                timeouts_are_read_as_in_the_configuration,
                sizes_are_told_in_powers_of_1024,
                sizes_are_read_with_their_units,
                numbers_have_digits_alone_and_a_limit,
                rates_latencies_and_times_are_short,
                what_controls_a_terminal_does_not_pass,
                width_is_columns_and_not_bytes,
                NULL,
        };

        return run_suite(suite_of("ctl_text", tests));
}
