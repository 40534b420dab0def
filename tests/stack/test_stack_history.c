/* The last commands that a device was sent, as a worker tells them in words. */

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scsi/scsi_history.h"
#include "stack.h"

#define BLOCK 512

static const CacheOptions options = { .mode = CACHE_MODE_WRITE_BACK, .line_size = 16 * KIB };
static Stack stack;
static uint8_t data[BLOCK];

static void set_up(void) {
        stack_init_with_cache(&stack, "size=16M,serial=TOLD", &options, NULL, NULL);
        ck_assert_int_eq(stack.brought_up_result, 0);
        stack_connect(&stack, 0, /* is_structured= */ false);
}

static void tear_down(void) { stack_done(&stack); }

static const char *ask(void) {
        static const ControlRequest request = { .kind = CONTROL_REQUEST_KIND_HISTORY,
                                                .lun = CONTROL_LUN_ALL };
        static char text[CONTROL_HISTORY_SIZE_MAX + 1];
        int fd = memfd_create("history", MFD_CLOEXEC), kept = dup(fd);
        const ControlReply *reply = stack_await_answer(&stack, stack_request(&stack, &request, fd));

        ck_assert_int_eq(reply->error, 0);
        ck_assert_uint_le(reply->data_size, CONTROL_HISTORY_SIZE_MAX);
        memset(text, 0, sizeof(text));
        ck_assert_int_eq(pread(kept, text, reply->data_size, 0), (ssize_t) reply->data_size);
        close(kept);
        return text;
}

static unsigned count_lines(const char *text) {
        unsigned n = 0;

        for (; *text != '\0'; text++)
                n += *text == '\n';
        return n;
}

static void read_block(uint64_t lba, bool is_good) {
        ck_assert_int_eq(stack_read(&stack, 0, lba * BLOCK, data, BLOCK, NULL) == 0, is_good);
}

START_TEST(the_last_commands_are_told_in_words) {
        const char *text;

        stack_add_faults(&stack, "medium-error@lba=8192*always");
        read_block(8192, /* is_good= */ false);
        for (unsigned i = 0; i < 5; i++)
                read_block(16384 + 64 * i, /* is_good= */ true);
        text = ask();
        ck_assert_uint_gt(count_lines(text), 6);
        ck_assert_uint_le(count_lines(text), SCSI_HISTORY_SIZE);
        ck_assert_ptr_nonnull(strstr(text, " s ago, unit 0: READ(10), block 16384, "));
        ck_assert_ptr_nonnull(strstr(text, " bytes in: good in "));
        ck_assert_ptr_nonnull(strstr(text, ": check condition in "));
        ck_assert_ptr_nonnull(strstr(text, "(11/00) at block 8192 [28 "));
}
END_TEST

/* Then most of all: nobody else knows what it was asked last. */
START_TEST(the_last_commands_are_told_of_a_device_that_went) {
        read_block(8192, /* is_good= */ true);
        stack_unplug(&stack);
        ck_assert_ptr_nonnull(strstr(ask(), "READ(10), block 8192, "));
        stack_replug(&stack, NULL);
        stack_await_unparked(&stack);
        ck_assert_ptr_nonnull(strstr(ask(), "READ(10), block 8192, "));
        ck_assert_ptr_nonnull(strstr(ask(), "INQUIRY"));
}
END_TEST

int main(void) {
        Suite *suite = suite_create("stack history");
        TCase *tcase = tcase_create("stack history");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, the_last_commands_are_told_in_words);
        tcase_add_test(tcase, the_last_commands_are_told_of_a_device_that_went);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
