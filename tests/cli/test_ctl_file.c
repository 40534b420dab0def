/* What takes a file's place is whole, or does not take it. */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/ctl_file.h"

#include "../base/unit_test.h"

/* More than a stream holds back until it is flushed. */
#define LONG_SIZE 65536

static void write_long(FILE *file, const void *userdata) {
        for (size_t i = 0; i < LONG_SIZE; i++)
                fputc('x', file);
        fputs(userdata, file);
}

static void write_at_once(FILE *file, const void *userdata) { fputs(userdata, file); }

/* What is beyond fails as it does on a full disk. */
static void limit_files(rlim_t size) {
        struct rlimit limit = { .rlim_cur = size, .rlim_max = RLIM_INFINITY };

        (void) signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void assert_file_is(const char *path, const char *text) {
        char bytes[16] = "";
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_ge(read(fd, bytes, sizeof(bytes) - 1), 0);
        ck_assert_str_eq(bytes, text);
        ck_assert_int_eq(close(fd), 0);
}

START_TEST(what_can_not_be_written_whole_leaves_the_former_file) {
        char folder[] = "/tmp/ctl_file.XXXXXX", path[64], temporary[80];
        static char long_text[LONG_SIZE + 1];

        ck_assert_ptr_nonnull(mkdtemp(folder));
        (void) snprintf(path, sizeof(path), "%s/file", folder);
        (void) snprintf(temporary, sizeof(temporary), "%s.new", path);
        memset(long_text, 'y', LONG_SIZE);
        ck_assert_int_eq(ctl_file_replace(path, write_at_once, "former"), 0);
        for (rlim_t size = 0; size <= LONG_SIZE; size += 1024) {
                limit_files(size);
                ck_assert_int_eq(ctl_file_replace(path, write_long, "z"), -EFBIG);
                if (size < LONG_SIZE)
                        ck_assert_int_eq(ctl_file_replace(path, write_at_once, long_text), -EFBIG);
        }
        limit_files(RLIM_INFINITY);
        assert_file_is(path, "former");
        ck_assert_int_ne(access(temporary, F_OK), 0);
        ck_assert_int_eq(ctl_file_replace(path, write_at_once, "later"), 0);
        assert_file_is(path, "later");
        ck_assert_int_eq(unlink(path), 0);
        ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("ctl_file");
        TCase *tcase = tcase_create("replaced");

        tcase_add_test(tcase, what_can_not_be_written_whole_leaves_the_former_file);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
