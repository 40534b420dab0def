/* What is written of a table can be read, and tells where it came from. */

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "config/config_writer.h"

#define TEXT_SIZE_MAX 4096

typedef struct Target {
        bool flag;
        uint32_t number;
        uint64_t size;
        uint32_t timeout_ms;
        int colour;
        char *name;    /* owned */
        char **listen; /* owned */
} Target;

static const char *const colours[] = { "red", "green", NULL };

static const ConfigOption options[] = {
        { "a", "flag", CONFIG_TYPE_BOOL, offsetof(Target, flag), .help = "A flag." },
        { "a", "number", CONFIG_TYPE_UINT, offsetof(Target, number), .help = "A number." },
        { "a", "size", CONFIG_TYPE_SIZE, offsetof(Target, size), .help = "A size." },
        { "a", "timeout", CONFIG_TYPE_DURATION_MS, offsetof(Target, timeout_ms), .help = "Time." },
        { "b", "colour", CONFIG_TYPE_ENUM, offsetof(Target, colour), .names = colours,
          .help = "A colour." },
        { "b", "name", CONFIG_TYPE_STRING, offsetof(Target, name), .help = "A name." },
        { "b", "listen", CONFIG_TYPE_STRING_LIST, offsetof(Target, listen), .help = "A list." },
};

static Target target;
static const ConfigTable table = { options, N_ELEMENTS(options), &target };
static ConfigParser *parser;
static unsigned n_complaints;

static void on_complaint(const char *file, unsigned line, const char *text, void *userdata) {
        n_complaints++;
}

static void start(const char *text) {
        _cleanup_(fd_closep) int fd = memfd_create("config", MFD_CLOEXEC);
        size_t size = strlen(text);

        n_complaints = 0;
        ck_assert_int_eq(pwrite(fd, text, size, 0), (ssize_t) size);
        ck_assert_int_eq(config_parser_new(&parser, &table, 1, on_complaint, NULL), 0);
        ck_assert_int_eq(config_parser_read_fd(parser, fd, "x.conf"), 0);
}

static void write_to(char *text) {
        FILE *file = fmemopen(text, TEXT_SIZE_MAX, "w");

        ck_assert_int_eq(config_writer_write(file, &table, 1, parser), 0);
        ck_assert_int_eq(fclose(file), 0);
}

static void done(void) {
        parser = config_parser_free(parser);
        free(target.name);
        config_option_strings_free(target.listen);
        target = (Target){ 0 };
}

START_TEST(defaults_are_told_as_such) {
        char text[TEXT_SIZE_MAX] = "";

        start("");
        ck_assert_int_eq(config_parser_apply(parser), 0);
        write_to(text);
        ck_assert_str_eq(text, "[a]\n"
                               "# A flag.\n# Set by: default\nflag = false\n"
                               "# A number.\n# Set by: default\nnumber = 0\n"
                               "# A size.\n# Set by: default\nsize = 0\n"
                               "# Time.\n# Set by: default\ntimeout = 0s\n"
                               "\n[b]\n"
                               "# A colour.\n# Set by: default\ncolour = red\n"
                               "# A name.\n# Set by: default\nname = \"\"\n"
                               "# A list.\n# Set by: default\nlisten = \"\"\n");
        done();
}
END_TEST

typedef struct WriteCase {
        const char *read;
        const char *written; /* a part of it */
} WriteCase;

static const WriteCase write_cases[] = {
        { "[a]\nflag = on", "# Set by: x.conf:2\nflag = true\n" },
        { "[a]\n\nnumber = 4294967295", "# Set by: x.conf:3\nnumber = 4294967295\n" },
        { "[a]\nsize = 1023", "\nsize = 1023\n" },
        { "[a]\nsize = 1024", "\nsize = 1K\n" },
        { "[a]\nsize = 1536M", "\nsize = 1536M\n" },
        { "[a]\nsize = 16777215T", "\nsize = 16777215T\n" },
        { "[a]\nsize = 18446744073709551615", "\nsize = 18446744073709551615\n" },
        { "[a]\ntimeout = 1500", "\ntimeout = 1500ms\n" },
        { "[a]\ntimeout = 1h", "\ntimeout = 3600s\n" },
        { "[b]\ncolour = green", "\ncolour = green\n" },
        { "[b]\nname = a b", "\nname = \"a b\"\n" },
        { "[b]\nname = \" a \"", "\nname = \" a \"\n" },
        { "[b]\nname = a \"b\" c", "\nname = a \"b\" c\n" },
        { "[b]\nlisten = a, b c", "\nlisten = \"a, b c\"\n" },
        { "[b]\nlisten = a\"b, c", "\nlisten = a\"b, c\n" },
};

START_TEST(what_was_written_can_be_read) {
        const WriteCase *c = &write_cases[_i];
        char text[TEXT_SIZE_MAX] = "", again[TEXT_SIZE_MAX] = "";
        const char *value = strrchr(c->written, '\n') - 1;

        start(c->read);
        ck_assert_int_eq(config_parser_apply(parser), 0);
        write_to(text);
        ck_assert_msg(strstr(text, c->written), "%s", text);
        done();

        while (value > c->written && value[-1] != '\n')
                value--;
        start(text);
        ck_assert_int_eq(config_parser_apply(parser), 0);
        write_to(again);
        ck_assert_msg(strstr(again, value), "%s", again);
        ck_assert_uint_eq(n_complaints, 0);
        done();
}
END_TEST

START_TEST(the_command_line_beats_a_file) {
        char text[TEXT_SIZE_MAX] = "";

        start("[a]\nnumber = 1\n[b]\nname = a\n");
        ck_assert_int_eq(config_parser_override(parser, "a", "number", "2", "--number"), 0);
        ck_assert_int_eq(config_parser_override(parser, "b", "colour", "green", "--colour"), 0);
        ck_assert_int_eq(config_parser_apply(parser), 0);
        write_to(text);
        ck_assert_uint_eq(target.number, 2);
        ck_assert_msg(strstr(text, "# Set by: command line, --number\nnumber = 2\n"), "%s", text);
        ck_assert_msg(strstr(text, "# Set by: command line, --colour\ncolour = green\n"), "%s",
                      text);
        ck_assert_msg(strstr(text, "# Set by: x.conf:4\nname = \"a\"\n"), "%s", text);
        done();
}
END_TEST

START_TEST(a_list_of_the_command_line_goes_in_front) {
        char text[TEXT_SIZE_MAX] = "";

        start("[b]\nlisten = c, d\n");
        ck_assert_int_eq(config_parser_override(parser, "b", "listen", "b", "--listen"), 0);
        ck_assert_int_eq(config_parser_override(parser, "b", "listen", "", "--listen"), 0);
        ck_assert_int_eq(config_parser_override(parser, "b", "listen", "a, a", "--listen"), 0);
        ck_assert_int_eq(config_parser_apply(parser), 0);
        write_to(text);
        ck_assert_msg(strstr(text, "# Set by: command line, --listen, then x.conf:2\n"
                                   "listen = \"a, a, b, c, d\"\n"),
                      "%s", text);
        done();
}
END_TEST

START_TEST(a_list_that_grows_too_long_is_a_mistake) {
        start("[b]\nlisten = c, d\n");
        for (unsigned i = 0; i < 63; i++)
                ck_assert_int_eq(config_parser_override(parser, "b", "listen", "x", "--listen"), 0);
        ck_assert_uint_eq(n_complaints, 1);
        ck_assert_int_lt(config_parser_apply(parser), 0);
        done();
}
END_TEST

START_TEST(a_mistake_of_the_command_line_is_one) {
        start("");
        ck_assert_int_eq(config_parser_override(parser, "a", "number", "two", "--number"), 0);
        ck_assert_uint_eq(n_complaints, 1);
        ck_assert_int_lt(config_parser_apply(parser), 0);
        done();
}
END_TEST

START_TEST(a_string_can_be_seen_before_it_holds) {
        start("[a]\nnumber = x\n[b]\nname = seen\n");
        ck_assert_str_eq(config_parser_peek(parser, &options[5]), "seen");
        ck_assert_int_lt(config_parser_apply(parser), 0);
        ck_assert_ptr_null(target.name);
        done();
        start("");
        ck_assert_ptr_null(config_parser_peek(parser, &options[5]));
        done();
}
END_TEST

START_TEST(a_full_disk_is_told) {
        FILE *file = fopen("/dev/full", "w");

        start("");
        ck_assert_int_lt(config_writer_write(file, &table, 1, parser), 0);
        fclose(file);
        done();
}
END_TEST

START_TEST(values_are_equal_or_not) {
        char *empty[] = { NULL }, *one[] = { (char *) "a", NULL };
        char *two[] = { (char *) "a", (char *) "b", NULL };
        const Target nothing = { 0 };
        const Target others[] = {
                { .flag = true },    { .number = 1 }, { .size = UINT64_C(1) << 32 },
                { .timeout_ms = 1 }, { .colour = 1 }, { .name = (char *) "a" },
                { .listen = one },
        };
        const Target none = { .name = (char *) "", .listen = empty };

        for (size_t i = 0; i < N_ELEMENTS(options); i++) {
                ck_assert(config_option_is_equal(&options[i], &nothing, &none));
                ck_assert(!config_option_is_equal(&options[i], &nothing, &others[i]));
                ck_assert(!config_option_is_equal(&options[i], &others[i], &nothing));
                ck_assert(config_option_is_equal(&options[i], &others[i], &others[i]));
        }
        ck_assert(!config_option_is_equal(&options[6], &(Target){ .listen = one },
                                          &(Target){ .listen = two }));
        ck_assert(!config_option_is_equal(&options[6], &(Target){ .listen = two },
                                          &(Target){ .listen = one }));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("config writer");
        TCase *tcase = tcase_create("writer");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, defaults_are_told_as_such);
        tcase_add_loop_test(tcase, what_was_written_can_be_read, 0, N_ELEMENTS(write_cases));
        tcase_add_test(tcase, the_command_line_beats_a_file);
        tcase_add_test(tcase, a_list_of_the_command_line_goes_in_front);
        tcase_add_test(tcase, a_list_that_grows_too_long_is_a_mistake);
        tcase_add_test(tcase, a_mistake_of_the_command_line_is_one);
        tcase_add_test(tcase, a_string_can_be_seen_before_it_holds);
        tcase_add_test(tcase, a_full_disk_is_told);
        tcase_add_test(tcase, values_are_equal_or_not);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
