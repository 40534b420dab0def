/* Files as tables: what they set, or what is complained about in which line. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/random.h"
#include "config/config_parser.h"

/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 120

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ROUNDS 3000
#define COMPLAINTS_MAX 16

typedef enum Colour { COLOUR_RED, COLOUR_GREEN, COLOUR_BLUE } Colour;

typedef struct Target {
        bool flag;
        uint32_t number;
        uint64_t size;
        uint32_t timeout_ms;
        Colour colour;
        char *name;    /* owned */
        char **listen; /* owned */
} Target;

typedef struct Complaint {
        unsigned line;
        const char *text; /* a part of it */
} Complaint;

static const char *const colours[] = { "red", "green", "blue", NULL };

static bool is_address(const char *text) { return strncmp(text, "unix:", 5) == 0; }

static const ConfigOption options[] = {
        { "a", "flag", CONFIG_TYPE_BOOL, offsetof(Target, flag) },
        { "a", "number", CONFIG_TYPE_UINT, offsetof(Target, number), .minimum = 2, .maximum = 16 },
        { "a", "size", CONFIG_TYPE_SIZE, offsetof(Target, size) },
        { "a", "timeout", CONFIG_TYPE_DURATION_MS, offsetof(Target, timeout_ms) },
};

static const ConfigOption other_options[] = {
        { "b", "colour", CONFIG_TYPE_ENUM, offsetof(Target, colour), .names = colours },
        { "b", "name", CONFIG_TYPE_STRING, offsetof(Target, name) },
        { "b", "listen", CONFIG_TYPE_STRING_LIST, offsetof(Target, listen), .check = is_address,
          .allowed = "unix:PATH" },
};

typedef struct Fixture {
        Target target;
        ConfigTable tables[2];
        size_t n_complaints;
        struct {
                char file[64];
                unsigned line;
                char text[512];
        } complaints[COMPLAINTS_MAX];
} Fixture;

static Fixture fixture;

static void set_up(void) {
        fixture = (Fixture){ 0 };
        fixture.tables[0] = (ConfigTable){ options, N_ELEMENTS(options), &fixture.target };
        fixture.tables[1] =
                        (ConfigTable){ other_options, N_ELEMENTS(other_options), &fixture.target };
}

static void tear_down(void) {
        free(fixture.target.name);
        fixture.target.listen = config_option_strings_free(fixture.target.listen);
}

static void on_complaint(const char *file, unsigned line, const char *text, void *userdata) {
        size_t i = fixture.n_complaints++;

        ck_assert_uint_lt(i, COMPLAINTS_MAX);
        snprintf(fixture.complaints[i].file, sizeof(fixture.complaints[i].file), "%s", file);
        fixture.complaints[i].line = line;
        snprintf(fixture.complaints[i].text, sizeof(fixture.complaints[i].text), "%s", text);
}

static int parse(const char *text, size_t size) {
        _cleanup_(config_parser_freep) ConfigParser *parser = NULL;
        _cleanup_(fd_closep) int fd = memfd_create("config", MFD_CLOEXEC);

        ck_assert_int_eq(pwrite(fd, text, size, 0), (ssize_t) size);
        ck_assert_int_eq(config_parser_new(&parser, fixture.tables, 2, on_complaint, NULL), 0);
        ck_assert_int_eq(config_parser_read_fd(parser, fd, "test.conf"), 0);
        return config_parser_apply(parser);
}

typedef struct GoodCase {
        const char *text;
        Target expected; /* name and listen: see below */
        const char *name;
        const char *listen[4];
} GoodCase;

static const GoodCase good_cases[] = {
        { "" },
        { "\n# comment\n  ; another\n\r\n[a]\n[b]" },
        { "[a]\nflag = true", { .flag = true } },
        { "[a]\nflag=YES\r\nnumber=2\r\n", { .flag = true, .number = 2 } },
        { "[a]\nflag = on ; really", { .flag = true } },
        { "[a]\n flag = 1", { .flag = true } },
        { "\xef\xbb\xbf[a]\nflag = 1", { .flag = true } },
        { "[a] # of many\nflag = 1\nnumber = 16", { .flag = true, .number = 16 } },
        { "[a]\nsize = 0", { .size = 0 } },
        { "[a]\nsize = 4096", { .size = 4096 } },
        { "[a]\nsize = \"256MB\"", { .size = 256 << 20 } },
        { "[a]\nsize = 64 k", { .size = 64 << 10 } },
        { "[a]\nsize = 1GiB", { .size = 1 << 30 } },
        { "[a]\nsize = 2T", { .size = UINT64_C(2) << 40 } },
        { "[a]\nsize = 18446744073709551615", { .size = UINT64_MAX } },
        { "[a]\ntimeout = 500", { .timeout_ms = 500 } },
        { "[a]\ntimeout = 500ms", { .timeout_ms = 500 } },
        { "[a]\ntimeout = \"30 s\"", { .timeout_ms = 30000 } },
        { "[a]\ntimeout = 5min", { .timeout_ms = 300000 } },
        { "[a]\ntimeout = 1h", { .timeout_ms = 3600000 } },
        { "[b]\ncolour = red", { .colour = COLOUR_RED } },
        { "[b]\ncolour = blue", { .colour = COLOUR_BLUE } },
        { "[b]\nname = a b  c ", .name = "a b  c" },
        { "[b]\nname = \" a \"", .name = " a " },
        { "[b]\nname = \"\"", .name = "" },
        { "[b]\nname =", .name = "" },
        { "[b]\nname = a = b", .name = "a = b" },
        { "[b]\nlisten = unix:/a", .listen = { "unix:/a" } },
        { "[b]\nlisten = \"unix:/a, unix:/b b ,unix:/c\"",
          .listen = { "unix:/a", "unix:/b b", "unix:/c" } },
        { "[b]\nlisten = \"\"" },
        { "[a]\nnumber = 3\n[b]\nname = x\n[a]\nflag = 1",
          { .flag = true, .number = 3 },
          .name = "x" },
};

START_TEST(good_values_are_set) {
        const GoodCase *c = &good_cases[_i];
        const Target *t = &fixture.target;
        size_t n = 0;

        ck_assert_msg(parse(c->text, strlen(c->text)) == 0, "%s: %s", c->text,
                      fixture.complaints[0].text);
        ck_assert(t->flag == c->expected.flag);
        ck_assert_uint_eq(t->number, c->expected.number);
        ck_assert_uint_eq(t->size, c->expected.size);
        ck_assert_uint_eq(t->timeout_ms, c->expected.timeout_ms);
        ck_assert_int_eq(t->colour, c->expected.colour);
        ck_assert_pstr_eq(t->name, c->name);
        for (; c->listen[n]; n++)
                ck_assert_str_eq(t->listen[n], c->listen[n]);
        if (t->listen)
                ck_assert_ptr_null(t->listen[n]);
        else
                ck_assert_uint_eq(n, 0);
}
END_TEST

typedef struct BadCase {
        const char *text;
        Complaint complaints[COMPLAINTS_MAX];
} BadCase;

static const BadCase bad_cases[] = {
        { "[a]\nflag = maybe", { { 2, "flag = maybe: must be one of: true, false, yes" } } },
        { "[a]\nflag =", { { 2, "must be one of" } } },
        { "[a]\nnumber = 1", { { 2, "from 2 to 16" } } },
        { "[a]\nnumber = 17", { { 2, "from 2 to 16" } } },
        { "[a]\nnumber = -3", { { 2, "from 2 to 16" } } },
        { "[a]\nnumber = +3", { { 2, "from 2 to 16" } } },
        { "[a]\nnumber = 0x3", { { 2, "from 2 to 16" } } },
        { "[a]\nnumber = 3.0", { { 2, "from 2 to 16" } } },
        { "[a]\nnumber = 4K", { { 2, "from 2 to 16" } } },
        { "[a]\nnumber = 18446744073709551619", { { 2, "from 2 to 16" } } },
        { "[a]\nsize = K", { { 2, "a number of bytes" } } },
        { "[a]\nsize = 1X", { { 2, "a number of bytes" } } },
        { "[a]\nsize = 18446744073709551616", { { 2, "a number of bytes" } } },
        { "[a]\nsize = 16777216T", { { 2, "a number of bytes" } } },
        { "[a]\ntimeout = 3d", { { 2, "a number of milliseconds" } } },
        { "[a]\ntimeout = 4294967296", { { 2, "to 4294967295" } } },
        { "[b]\ncolour = Red", { { 2, "must be one of: red, green, blue" } } },
        { "[b]\ncolour = \"red", { { 2, "the quotes do not match" } } },
        { "[b]\ncolour = \"", { { 2, "the quotes do not match" } } },
        { "[b]\ncolour = re\"d\"", { { 2, "the quotes do not match" } } },
        { "[b]\nname = \"a\"b\"", { { 2, "the quotes do not match" } } },
        { "[b]\nname = \"a ;b\"", { { 2, "the quotes do not match" } } },
        { "[b]\nlisten = tcp:1", { { 2, "must be unix:PATH" } } },
        { "[b]\nlisten = unix:/a, tcp:1", { { 2, "must be unix:PATH" } } },
        { "[b]\nlisten = ,unix:/a", { { 2, "with commas in between" } } },
        { "[b]\nlisten = unix:/a,", { { 2, "with commas in between" } } },
        { "[a]\ncolour = red",
          { { 2, "no key colour in [a], only: flag, number, size, timeout" } } },
        { "[a]\nFlag = 1", { { 2, "no key Flag in [a]" } } },
        { "[A]\nflag = 1\nnonsense", { { 1, "no section [A], only: [a], [b]" } } },
        { "[]\nflag = 1", { { 1, "no section []" } } },
        { "[a", { { 1, "does not end with ]" } } },
        { "[a] b\nflag = 1", { { 1, "something stands behind the section" } } },
        { "flag = 1", { { 1, "no [section] before" } } },
        { "[a]\nflag", { { 2, "neither [section] nor key = value" } } },
        { "[a]\nflag ; = 1", { { 2, "neither [section] nor key = value" } } },
        { "[a]\n= 1", { { 2, "no key  in [a]" } } },
        { "[a]\nflag = 1\n\nflag = 0", { { 4, "flag has been set in line 2 already" } } },
        { "[a]\nflag = 1\n  number = 99", { { 3, "from 2 to 16" } } },
        { "[a]\nflag = maybe\nnumber = 99\nnonsense\n[c]\nx = 1\n[b]\ncolour = 7\nname = \"x\nsize "
          "= 1",
          { { 2, "flag" },
            { 3, "number" },
            { 4, "neither" },
            { 5, "[c]" },
            { 8, "colour" },
            { 9, "quotes" },
            { 10, "no key size in [b]" } } },
};

START_TEST(each_mistake_is_told_and_nothing_is_set) {
        const BadCase *c = &bad_cases[_i];
        static const Target untouched;
        size_t n = 0;

        ck_assert_int_eq(parse(c->text, strlen(c->text)), -EINVAL);
        for (; c->complaints[n].line > 0; n++) {
                ck_assert_msg(n < fixture.n_complaints, "%s: not told: %s", c->text,
                              c->complaints[n].text);
                ck_assert_str_eq(fixture.complaints[n].file, "test.conf");
                ck_assert_msg(fixture.complaints[n].line == c->complaints[n].line &&
                                              strstr(fixture.complaints[n].text,
                                                     c->complaints[n].text),
                              "%s: line %u: %s", c->text, fixture.complaints[n].line,
                              fixture.complaints[n].text);
        }
        ck_assert_uint_eq(fixture.n_complaints, n);
        ck_assert_mem_eq(&fixture.target, &untouched, sizeof(untouched));
}
END_TEST

START_TEST(a_file_with_nul_bytes_is_refused) {
        ck_assert_int_eq(parse("[a]\nflag = 1\0\n", 15), -EINVAL);
        ck_assert_uint_eq(fixture.n_complaints, 1);
}
END_TEST

START_TEST(long_lines_are_told_and_not_cut) {
        static char text[CONFIG_LINE_SIZE_MAX + 64];
        int n = sprintf(text, "[b]\nname = ");

        /* The longest line that is allowed. */
        memset(text + n, 'x', sizeof(text) - (size_t) n - 1);
        text[4 + CONFIG_LINE_SIZE_MAX] = '\0';
        ck_assert_int_eq(parse(text, strlen(text)), 0);
        ck_assert_uint_eq(strlen(fixture.target.name), CONFIG_LINE_SIZE_MAX - 7);

        text[4 + CONFIG_LINE_SIZE_MAX] = 'x';
        ck_assert_int_eq(parse(text, strlen(text)), -EINVAL);
        ck_assert_uint_eq(fixture.complaints[0].line, 2);
        ck_assert_ptr_nonnull(strstr(fixture.complaints[0].text, "longer than 4096 bytes"));
}
END_TEST

START_TEST(a_huge_file_is_refused) {
        size_t size = CONFIG_FILE_SIZE_MAX + 1;
        _cleanup_(freep) char *text = malloc(size);

        memset(text, '\n', size);
        ck_assert_int_eq(parse(text, size - 1), 0);
        ck_assert_int_eq(parse(text, size), -EINVAL);
        ck_assert_ptr_nonnull(strstr(fixture.complaints[0].text, "the file is longer"));
}
END_TEST

/* Files in a folder of their own. */
static char folder[] = "/tmp/test-config-XXXXXX";

static const char *path_of(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        return path;
}

static void write_file(const char *name, const char *text) {
        FILE *file = fopen(path_of(name), "w");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(text, file), 0);
        ck_assert_int_eq(fclose(file), 0);
}

static void set_up_folder(void) {
        set_up();
        strcpy(folder + strlen(folder) - 6, "XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void tear_down_folder(void) {
        char command[128];

        snprintf(command, sizeof(command), "rm -r %s", folder);
        ck_assert_int_eq(system(command), 0);
        tear_down();
}

static int load(bool is_optional) {
        return config_parser_load(fixture.tables, 2, path_of("x.conf"), is_optional, on_complaint,
                                  NULL);
}

START_TEST(drop_ins_win_in_lexical_order) {
        write_file("x.conf", "[a]\nnumber = 3\nflag = yes\n[b]\nname = main");
        ck_assert_int_eq(mkdir(path_of("x.conf.d"), 0700), 0);
        write_file("x.conf.d/20-b.conf", "[a]\nnumber = 5\n[b]\nname = second");
        write_file("x.conf.d/10-a.conf", "[a]\nnumber = 4\n[b]\nname = first");
        write_file("x.conf.d/30-c.conf~", "nonsense");
        write_file("x.conf.d/.hidden.conf", "nonsense");
        write_file("x.conf.d/README", "nonsense");
        ck_assert_int_eq(load(/* is_optional= */ false), 0);
        ck_assert_uint_eq(fixture.target.number, 5);
        ck_assert_str_eq(fixture.target.name, "second");
        ck_assert(fixture.target.flag);
}
END_TEST

START_TEST(mistakes_of_all_files_are_told_with_their_names) {
        write_file("x.conf", "[a]\nnumber = 99");
        ck_assert_int_eq(mkdir(path_of("x.conf.d"), 0700), 0);
        write_file("x.conf.d/a.conf", "\n\n[c]");
        ck_assert_int_eq(load(/* is_optional= */ false), -EINVAL);
        ck_assert_uint_eq(fixture.n_complaints, 2);
        ck_assert_str_eq(fixture.complaints[0].file, path_of("x.conf"));
        ck_assert_str_eq(fixture.complaints[1].file, path_of("x.conf.d/a.conf"));
        ck_assert_uint_eq(fixture.complaints[1].line, 3);
}
END_TEST

START_TEST(a_missing_file_is_a_mistake_unless_it_is_optional) {
        ck_assert_int_eq(load(/* is_optional= */ true), 0);
        ck_assert_int_eq(load(/* is_optional= */ false), -EINVAL);
        ck_assert_uint_eq(fixture.n_complaints, 1);
        ck_assert_uint_eq(fixture.complaints[0].line, 0);
}
END_TEST

START_TEST(drop_ins_count_without_a_main_file_too) {
        ck_assert_int_eq(mkdir(path_of("x.conf.d"), 0700), 0);
        write_file("x.conf.d/a.conf", "[a]\nnumber = 7");
        ck_assert_int_eq(load(/* is_optional= */ true), 0);
        ck_assert_uint_eq(fixture.target.number, 7);
}
END_TEST

START_TEST(what_is_no_file_is_told) {
        ck_assert_int_eq(mkdir(path_of("x.conf"), 0700), 0);
        write_file("x.conf.d", "");
        ck_assert_int_eq(load(/* is_optional= */ true), -EINVAL);
        ck_assert_uint_eq(fixture.n_complaints, 2);
}
END_TEST

START_TEST(strings_that_were_set_before_are_replaced) {
        ck_assert_int_eq(parse("[b]\nname = a\nlisten = unix:/a", 29), 0);
        ck_assert_int_eq(parse("[b]\nname = b\nlisten = unix:/b", 29), 0);
        ck_assert_str_eq(fixture.target.name, "b");
        ck_assert_str_eq(fixture.target.listen[0], "unix:/b");
}
END_TEST

START_TEST(random_files_do_no_harm) {
        static const char *const pieces[] = { "[a]\n", "[b]\n",        "flag",   "number", "size",
                                              "name",  "listen",       "colour", "=",      " ",
                                              "\n",    "\"",           ";",      "#",      "[",
                                              "]",     "99",           "4KiB",   "red",    ",",
                                              "\r\n",  "\xef\xbb\xbf", "true",   "\t",     ":" };
        char text[512];
        Random random;

        random_init(&random, 1);
        for (size_t i = 0; i < FUZZ_ROUNDS; i++) {
                size_t n = random_below(&random, 40), size = 0;

                for (size_t j = 0; j < n; j++) {
                        const char *piece = pieces[random_below(&random, N_ELEMENTS(pieces))];

                        memcpy(text + size, piece, strlen(piece));
                        size += strlen(piece);
                }
                LLVMFuzzerTestOneInput((const uint8_t *) text, size);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("config_parser");
        TCase *tcase = tcase_create("texts");
        TCase *files = tcase_create("files");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_set_timeout(files, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, good_values_are_set, 0, (int) N_ELEMENTS(good_cases));
        tcase_add_loop_test(tcase, each_mistake_is_told_and_nothing_is_set, 0,
                            (int) N_ELEMENTS(bad_cases));
        tcase_add_test(tcase, a_file_with_nul_bytes_is_refused);
        tcase_add_test(tcase, long_lines_are_told_and_not_cut);
        tcase_add_test(tcase, a_huge_file_is_refused);
        tcase_add_test(tcase, strings_that_were_set_before_are_replaced);
        tcase_add_test(tcase, random_files_do_no_harm);
        suite_add_tcase(suite, tcase);

        tcase_add_checked_fixture(files, set_up_folder, tear_down_folder);
        tcase_add_test(files, drop_ins_win_in_lexical_order);
        tcase_add_test(files, mistakes_of_all_files_are_told_with_their_names);
        tcase_add_test(files, a_missing_file_is_a_mistake_unless_it_is_optional);
        tcase_add_test(files, drop_ins_count_without_a_main_file_too);
        tcase_add_test(files, what_is_no_file_is_told);
        suite_add_tcase(suite, files);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
