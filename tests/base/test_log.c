/* Log: levels, the sinks, and that no text from outside reaches a line unchecked. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "unit_test.h"

/* A sink that remembers the last record. */
static unsigned n_records;
static LogRecord last;
static char last_message[LOG_MESSAGE_SIZE_MAX];

static void remember(const LogRecord *record, void *userdata) {
        ck_assert_ptr_eq(userdata, &n_records);
        n_records++;
        last = *record;
        (void) snprintf(last_message, sizeof(last_message), "%s", record->message);
}

static void set_up(void) {
        n_records = 0;
        log_set_level(LOG_LEVEL_INFO);
        log_set_sink(remember, &n_records);
}

START_TEST(a_record_has_all_that_the_caller_gave) {
        log_device_warning("stick", "%s is %d", "answer", 42);
        ck_assert_uint_eq(n_records, 1);
        ck_assert_int_eq(last.level, LOG_LEVEL_WARNING);
        ck_assert_str_eq(last.device, "stick");
        ck_assert_str_eq(last_message, "answer is 42");
        ck_assert_str_eq(last.function, __func__);
        ck_assert_ptr_nonnull(strstr(last.file, "test_log.c"));
        ck_assert_int_gt(last.line, 0);
        log_error("alone");
        ck_assert_ptr_null(last.device);
}
END_TEST

START_TEST(only_wanted_levels_pass) {
        for (LogLevel wanted = 0; wanted < _LOG_LEVEL_MAX; wanted++) {
                log_set_level(wanted);
                ck_assert_int_eq(log_get_level(), wanted);
                n_records = 0;
                log_error("x");
                log_warning("x");
                log_notice("x");
                log_info("x");
                log_debug("x");
                ck_assert_uint_eq(n_records, (unsigned) wanted + 1);
        }
}
END_TEST

START_TEST(arguments_of_unwanted_lines_are_not_evaluated) {
        int n = 0;

        log_debug("%d", ++n);
        ck_assert_int_eq(n, 0);
        log_info("%d", ++n);
        ck_assert_int_eq(n, 1);
}
END_TEST

START_TEST(finished_records_are_filtered_too) {
        LogRecord record = { .level = LOG_LEVEL_DEBUG, .message = "from afar" };

        log_record(&record);
        ck_assert_uint_eq(n_records, 0);
        record.level = LOG_LEVEL_ERROR;
        log_record(&record);
        ck_assert_uint_eq(n_records, 1);
        ck_assert_str_eq(last_message, "from afar");
}
END_TEST

START_TEST(level_names_go_both_ways) {
        LogLevel level = LOG_LEVEL_NOTICE;

        for (LogLevel i = 0; i < _LOG_LEVEL_MAX; i++) {
                ck_assert_int_eq(log_level_from_string(log_level_to_string(i), &level), 0);
                ck_assert_int_eq(level, i);
        }
        level = LOG_LEVEL_NOTICE;
        ck_assert_int_eq(log_level_from_string("", &level), -EINVAL);
        ck_assert_int_eq(log_level_from_string("Debug", &level), -EINVAL);
        ck_assert_int_eq(level, LOG_LEVEL_NOTICE);
}
END_TEST

START_TEST(logging_keeps_errno_and_may_print_it) {
        errno = ENOENT;
        log_info("no: %m");
        ck_assert_int_eq(errno, ENOENT);
        ck_assert_str_eq(last_message, "no: No such file or directory");
}
END_TEST

START_TEST(long_messages_are_cut) {
        static char text[2 * LOG_MESSAGE_SIZE_MAX];

        memset(text, 'x', sizeof(text) - 1);
        log_info("%s", text);
        ck_assert_uint_eq(strlen(last_message), LOG_MESSAGE_SIZE_MAX - 1);
}
END_TEST

/* Sanitising */

typedef struct SanitiseCase {
        const char *text;
        const char *expected;
} SanitiseCase;

static const SanitiseCase sanitise_cases[] = {
        { "", "" },
        { "plain ASCII ~", "plain ASCII ~" },
        { "two\nlines\r\n", "two?lines??" },
        { "\x1b[31mred\x07\x7f\t", "?[31mred???" },
        { "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x92\xbe", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x92\xbe" },
        { "C1 \xc2\x9b here", "C1 ? here" },
        { "raw \x9b", "raw ?" },
        { "overlong \xc0\x8a", "overlong ??" },
        { "overlong \xe0\x80\x8a", "overlong ???" },
        { "surrogate \xed\xa0\x80", "surrogate ???" },
        { "too large \xf4\x90\x80\x80", "too large ????" },
        { "cut \xe2\x82", "cut ??" },
        { "cut \xf0", "cut ?" },
        { "override \xe2\x80\xae", "override ?" },
        { "none \xef\xbf\xbe \xef\xb7\x90 \xf0\x9f\xbf\xbf", "none ? ? ?" },
        { "next to them \xef\xbf\xbd \xef\xb7\x8f", "next to them \xef\xbf\xbd \xef\xb7\x8f" },
        { "\xff\xfe", "??" },
};

START_TEST(what_is_not_printable_is_replaced) {
        const SanitiseCase *c = &sanitise_cases[_i];
        char *text = strdup(c->text);

        ck_assert_ptr_nonnull(text);
        log_sanitise(text);
        ck_assert_str_eq(text, c->expected);
        free(text);
}
END_TEST

/* The default sink */

/* Logs with standard error on a pipe and returns what came out. */
static const char *capture(const char *device, const char *message) {
        static char text[4 * LOG_MESSAGE_SIZE_MAX];
        int saved = dup(STDERR_FILENO), fds[2];
        ssize_t n;

        ck_assert_int_eq(pipe(fds), 0);
        ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
        log_device_notice(device, "%s", message);
        ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
        fd_close(saved);
        fd_close(fds[1]);
        n = read(fds[0], text, sizeof(text) - 1);
        ck_assert_int_ge(n, 0);
        text[n] = '\0';
        fd_close(fds[0]);
        return text;
}

START_TEST(the_default_sink_writes_priority_device_and_message) {
        log_set_sink(NULL, NULL);
        ck_assert_str_eq(capture("stick", "hello"), "<5>stick: hello\n");
        ck_assert_str_eq(capture(NULL, "hello"), "<5>hello\n");
}
END_TEST

START_TEST(the_default_sink_sanitises_device_and_message) {
        log_set_sink(NULL, NULL);
        ck_assert_str_eq(capture("st\nick", "he\x1bllo\n"), "<5>st?ick: he?llo?\n");
}
END_TEST

START_TEST(the_default_sink_bears_long_names_and_messages) {
        static char device[4096], message[4096];
        const char *line;

        log_set_sink(NULL, NULL);
        memset(device, 'd', sizeof(device) - 1);
        memset(message, 'm', sizeof(message) - 1);
        line = capture(device, message);
        ck_assert_uint_gt(strlen(line), LOG_MESSAGE_SIZE_MAX);
        ck_assert_int_eq(line[strlen(line) - 1], '\n');
        ck_assert_ptr_nonnull(strstr(line, "d: m"));
}
END_TEST

START_TEST(a_journal_elsewhere_is_not_ours) {
        log_set_sink(NULL, NULL);
        ck_assert_int_eq(setenv("JOURNAL_STREAM", "1:1", /* overwrite= */ 1), 0);
        ck_assert_str_eq(capture(NULL, "hello"), "<5>hello\n");
        ck_assert_int_eq(setenv("JOURNAL_STREAM", "nonsense", /* overwrite= */ 1), 0);
        ck_assert_str_eq(capture(NULL, "hello"), "<5>hello\n");
        ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("log");
        TCase *tcase = tcase_create("log");

        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, a_record_has_all_that_the_caller_gave);
        tcase_add_test(tcase, only_wanted_levels_pass);
        tcase_add_test(tcase, arguments_of_unwanted_lines_are_not_evaluated);
        tcase_add_test(tcase, finished_records_are_filtered_too);
        tcase_add_test(tcase, level_names_go_both_ways);
        tcase_add_test(tcase, logging_keeps_errno_and_may_print_it);
        tcase_add_test(tcase, long_messages_are_cut);
        tcase_add_loop_test(tcase, what_is_not_printable_is_replaced, 0,
                            N_ELEMENTS(sanitise_cases));
        tcase_add_test(tcase, the_default_sink_writes_priority_device_and_message);
        tcase_add_test(tcase, the_default_sink_sanitises_device_and_message);
        tcase_add_test(tcase, the_default_sink_bears_long_names_and_messages);
        tcase_add_test(tcase, a_journal_elsewhere_is_not_ours);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
