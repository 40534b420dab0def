/* Command blocks as people write them. */

#include <errno.h>
#include <string.h>

#include "cli/cdb_words.h"
#include "cli/hex_dump.h"

#include "../base/unit_test.h"

#define N_WORDS_MAX 6

static const struct {
        const char *words[N_WORDS_MAX + 1];
        int r;
        const char *bytes; /* or the wrong word */
} cases[] = {
        { { "12", "00", "00" }, 0, "120000" },
        { { "12", "0", "f" }, 0, "12000f" },
        { { "120000002400" }, 0, "120000002400" },
        { { "0x12", "0X0f" }, 0, "120f" },
        { { "12:34,56 78" }, 0, "12345678" },
        { { "aB:Cd" }, 0, "abcd" },
        { { "0123456789abcdef", "0123456789abcdef" }, 0, "0123456789abcdef0123456789abcdef" },
        { { "0123456789abcdef", "0123456789abcdef", "0" }, -E2BIG, "0" },
        { { NULL }, 0, "" },
        { { "" }, -EINVAL, "" },
        { { "123" }, -EINVAL, "123" },
        { { "12", "g" }, -EINVAL, "g" },
        { { "12:" }, -EINVAL, "12:" },
        { { ":12" }, -EINVAL, ":12" },
        { { "0x" }, -EINVAL, "0x" },
        { { "-1" }, -EINVAL, "-1" },
        { { "12 " }, -EINVAL, "12 " },
};

START_TEST(words_are_bytes) {
        uint8_t bytes[CDB_WORDS_SIZE_MAX];
        const char *wrong = NULL;
        size_t size = 0;

        ck_assert_int_eq(cdb_words_parse((char *const *) cases[_i].words, bytes, sizeof(bytes),
                                         &size, &wrong),
                         cases[_i].r);
        if (cases[_i].r == 0) {
                _cleanup_(freep) char *text = hex_dump_string(bytes, size);

                ck_assert_str_eq(text, cases[_i].bytes);
        } else {
                ck_assert_str_eq(wrong, cases[_i].bytes);
        }
}
END_TEST

START_TEST(a_dump_has_sixteen_bytes_a_line_and_nothing_but_ascii) {
        static const uint8_t bytes[] = "0123456789abcdef\x1b\xff";
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        hex_dump_print(file, bytes, sizeof(bytes) - 1);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_str_eq(text,
                         "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  "
                         "|0123456789abcdef|\n"
                         "00000010  1b ff                                             |..|\n");
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_dump_has_sixteen_bytes_a_line_and_nothing_but_ascii,
                NULL,
        };
        Suite *suite = suite_of("cdb_words", tests);
        TCase *words = tcase_create("words");

        tcase_add_loop_test(words, words_are_bytes, 0, N_ELEMENTS(cases));
        suite_add_tcase(suite, words);
        return run_suite(suite);
}
