/*
 * What devices taught, in files: each fact comes back, what nobody wrote is told and ignored, the
 * folder does not grow without end, and a file is there whole or not at all.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/random.h"
#include "base/virtual_event_loop.h"
#include "device/device_learned.h"
#include "device/learned_file.h"
#include "device/state_folder.h"

#define NAME "1209-0001-0100-S"

static char folder[64], log_text[4096];
static LearnedStore *store;

static void on_log(const LogRecord *record, void *userdata) {
        size_t size = strlen(log_text);

        snprintf(log_text + size, sizeof(log_text) - size, "%s\n", record->message);
}

static void set_up(void) {
        strcpy(folder, "/tmp/learned-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(learned_store_new(&store, folder), 0);
        log_text[0] = '\0';
        log_set_sink(on_log, NULL);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
        return remove(path);
}

static void tear_down(void) {
        log_set_sink(NULL, NULL);
        learned_store_free(store);
        ck_assert_int_eq(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static const char *path_of(const char *name) {
        static char path[256];

        snprintf(path, sizeof(path), "%s/learned/%s", folder, name);
        return path;
}

static void write_file(const char *name, const char *text, size_t size) {
        char path[128];

        snprintf(path, sizeof(path), "%s/learned", folder);
        ck_assert_int_eq(state_folder_replace(path, name, text, size), 0);
}

static void is_read_back(const UsbLearnedFacts *facts) {
        UsbLearnedFacts got;

        ck_assert_int_eq(learned_store_save(store, NAME, facts), 0);
        ck_assert(learned_store_load(store, NAME, &got));
        ck_assert(usb_learned_facts_is_equal(&got, facts));
        ck_assert_str_eq(log_text, "");
}

START_TEST(each_fact_is_read_back) {
        UsbLearnedFacts facts = { 0 };

        is_read_back(&facts);
        for (uint32_t fact = 1; fact & USB_FACTS_ALL; fact <<= 1)
                is_read_back(&(UsbLearnedFacts){ .facts = fact });
        for (size_t i = 0; i < USB_LEARNED_UNITS_MAX; i++)
                for (uint32_t fact = 1; fact & USB_UNIT_FACTS_ALL; fact <<= 1) {
                        facts = (UsbLearnedFacts){ 0 };
                        facts.units[i].identity = UINT64_MAX - i;
                        facts.units[i].facts = fact;
                        is_read_back(&facts);
                }
        facts = (UsbLearnedFacts){ 0 };
        facts.units[15].facts = USB_UNIT_FACT_NO_CAPACITY_16;
        is_read_back(&facts);
}
END_TEST

START_TEST(all_that_can_be_known_has_room) {
        UsbLearnedFacts facts = { .facts = USB_FACTS_ALL &
                                           ~(USB_FACT_LONG_SENSE | USB_FACT_BY_PHASE) };

        for (size_t i = 0; i < USB_LEARNED_UNITS_MAX; i++)
                facts.units[i] = (UsbLearnedUnit){
                        .identity = UINT64_MAX,
                        .facts = USB_UNIT_FACTS_ALL & ~USB_UNIT_FACT_UNMAP_PROVEN,
                        .transfer_size = USB_LEARNED_TRANSFER_SIZE_MAX,
                };
        is_read_back(&facts);
}
END_TEST

START_TEST(an_unknown_device_leaves_no_trace) {
        UsbLearnedFacts facts;

        ck_assert(!learned_store_load(store, NAME, &facts));
        ck_assert_uint_eq(facts.facts, 0);
        ck_assert_str_eq(log_text, "");
}
END_TEST

typedef struct BadCase {
        const char *text;
        const char *complaint; /* behind the path */
} BadCase;

static const BadCase bad_cases[] = {
        { "[device]\nuas-reliable = yes\n", ":2:" },
        { "[device]\npipelined = perhaps\n", ":2:" },
        { "[devices]\npipelined = yes\n", ":1:" },
        { "pipelined = yes\n", ":1:" },
        { "[lun16]\nunmap-proven = yes\n", ":1:" },
        { "[lun0]\nidentity = -1\n", ":2:" },
        { "[lun0]\nidentity = 18446744073709551616\n", ":2:" },
        { "[device]\npipelined = yes\nby-phase = yes\n", ": this can't be true" },
        { "[lun0]\nunmap-proven = yes\n", ": this can't be true" },
        { "[lun0]\nidentity = 1\ntransfer-size = 1\n", ": this can't be true" },
        { "[lun0]\nidentity = 1\ntransfer-size = 4295032832\n", ": this can't be true" },
        { "[device\n", ":1:" },
        { "\x01\x02\xff\n", ":1:" },
};

START_TEST(a_bad_file_is_told_ignored_and_written_anew) {
        const BadCase *c = &bad_cases[_i];
        UsbLearnedFacts facts;
        char complaint[512];

        write_file(NAME, c->text, strlen(c->text));
        ck_assert(!learned_store_load(store, NAME, &facts));
        ck_assert(usb_learned_facts_is_equal(&facts, &(UsbLearnedFacts){ 0 }));
        snprintf(complaint, sizeof(complaint), "%s%s", path_of(NAME), c->complaint);
        ck_assert_msg(strstr(log_text, complaint), "no \"%s\" in \"%s\"", complaint, log_text);
        log_text[0] = '\0';
        is_read_back(&(UsbLearnedFacts){ .facts = USB_FACT_PIPELINED });
}
END_TEST

START_TEST(what_is_no_file_is_told_and_ignored) {
        UsbLearnedFacts facts;

        is_read_back(&(UsbLearnedFacts){ .facts = USB_FACT_PIPELINED });
        ck_assert_int_eq(symlink(NAME, path_of("link")), 0);
        ck_assert(!learned_store_load(store, "link", &facts));
        ck_assert_int_eq(mkdir(path_of("folder"), 0700), 0);
        ck_assert(!learned_store_load(store, "folder", &facts));
        ck_assert(strstr(log_text, "/learned/link is ignored"));
        ck_assert(strstr(log_text, "/learned/folder is ignored"));
}
END_TEST

START_TEST(a_file_cut_anywhere_is_never_fatal) {
        UsbLearnedFacts facts = { .facts = USB_FACT_PIPELINED | USB_FACT_UAS_UNRELIABLE }, got;
        char text[LEARNED_FILE_SIZE_MAX];
        size_t size;

        facts.units[3] = (UsbLearnedUnit){ 77, USB_UNIT_FACT_UNMAP_PROVEN, 65536 };
        size = learned_file_format(&facts, text);
        for (size_t i = 0; i < size; i++) {
                write_file(NAME, text, i);
                (void) learned_store_load(store, NAME, &got);
                ck_assert(usb_learned_facts_is_valid(&got));
        }
}
END_TEST

START_TEST(changed_bytes_are_never_fatal) {
        UsbLearnedFacts facts = { .facts = USB_FACTS_ALL &
                                           ~(USB_FACT_LONG_SENSE | USB_FACT_BY_PHASE) },
                        got;
        char text[LEARNED_FILE_SIZE_MAX];
        Random random;
        size_t size;

        facts.units[0] = (UsbLearnedUnit){ 77, USB_UNIT_FACT_UNMAP_PROVEN, 65536 };
        random_init(&random, 1);
        for (unsigned i = 0; i < 1000; i++) {
                size = learned_file_format(&facts, text);
                for (unsigned j = 0; j < 3; j++)
                        text[random_below(&random, size)] = (char) random_u64(&random);
                write_file(NAME, text, size);
                (void) learned_store_load(store, NAME, &got);
                ck_assert(usb_learned_facts_is_valid(&got));
        }
}
END_TEST

static void set_age(const char *name, time_t age_s) {
        struct timespec times[2] = { { .tv_sec = 1000000000 - age_s },
                                     { .tv_sec = 1000000000 - age_s } };

        ck_assert_int_eq(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
}

START_TEST(the_oldest_is_dropped_where_there_are_too_many) {
        UsbLearnedFacts facts = { .facts = USB_FACT_PIPELINED };
        char name[16];

        for (unsigned i = 0; i < LEARNED_STORE_FILES_MAX; i++) {
                snprintf(name, sizeof(name), "d%u", i);
                ck_assert_int_eq(learned_store_save(store, name, &facts), 0);
                set_age(name, i == 7 ? 9000 : 1000 + i);
        }
        ck_assert_int_eq(access(path_of("d7"), F_OK), 0);
        /* To change one is no reason to drop another. */
        ck_assert_int_eq(learned_store_save(store, "d3", &facts), 0);
        ck_assert_int_eq(access(path_of("d7"), F_OK), 0);
        ck_assert_int_eq(learned_store_save(store, NAME, &facts), 0);
        ck_assert_int_eq(access(path_of("d7"), F_OK), -1);
        ck_assert_int_eq(access(path_of("d255"), F_OK), 0);

        /* What is used is not old. */
        ck_assert(learned_store_load(store, "d255", &facts));
        set_age("d254", 10000);
        set_age(NAME, 0);
        ck_assert_int_eq(learned_store_save(store, "another", &facts), 0);
        ck_assert_int_eq(access(path_of("d254"), F_OK), -1);
        ck_assert_int_eq(access(path_of("d255"), F_OK), 0);
}
END_TEST

static void count_entry(int folder_fd, const char *name, void *userdata) {
        if (name[0] != '.' || state_folder_is_unfinished(name))
                ++*(unsigned *) userdata;
}

static unsigned count_files(void) {
        char path[128];
        unsigned n = 0;

        snprintf(path, sizeof(path), "%s/learned", folder);
        ck_assert_int_eq(state_folder_for_each(path, count_entry, &n), 0);
        return n;
}

START_TEST(who_reads_meanwhile_sees_the_former_file_whole) {
        UsbLearnedFacts first = { .facts = USB_FACT_PIPELINED }, got;
        int fd;

        ck_assert_int_eq(learned_store_save(store, NAME, &first), 0);
        fd = open(path_of(NAME), O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(learned_store_save(store, NAME,
                                            &(UsbLearnedFacts){ .facts = USB_FACT_BY_PHASE }),
                         0);
        ck_assert_int_eq(learned_file_read(&got, fd, "former"), 0);
        ck_assert(usb_learned_facts_is_equal(&got, &first));
        fd_close(fd);
        ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(a_copy_that_was_never_finished_does_not_count_and_is_overwritten) {
        char unfinished[64] = "." NAME ".tmp";

        is_read_back(&(UsbLearnedFacts){ .facts = USB_FACT_PIPELINED });
        write_file(unfinished, "[dev", 4);
        is_read_back(&(UsbLearnedFacts){ .facts = USB_FACT_BY_PHASE });
        ck_assert_uint_eq(count_files(), 1);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_is_told_and_goes_on) {
        char path[128];

        snprintf(path, sizeof(path), "%s/learned", folder);
        fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        ck_assert_int_lt(learned_store_save(store, NAME, &(UsbLearnedFacts){ 0 }), 0);
        ck_assert(strstr(log_text, "can't be written, ignoring"));
        ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(names_are_safe_and_tell_versions_apart) {
        char name[LEARNED_STORE_NAME_SIZE_MAX], serial[300] = {};

        learned_store_format_name(name, 0x1209, 1, 0x100, "S");
        ck_assert_str_eq(name, NAME);
        learned_store_format_name(name, 0x1209, 1, 0x110, "");
        ck_assert_str_eq(name, "1209-0001-0110");
        learned_store_format_name(name, 0x1209, 1, 0x110, "../../etc/passwd\n");
        ck_assert_str_eq(name, "1209-0001-0110-.._.._etc_passwd_");
        memset(serial, '/', sizeof(serial) - 1);
        learned_store_format_name(name, 0x1209, 1, 0x110, serial);
        ck_assert_ptr_null(strchr(name, '/'));
}
END_TEST

static const UsbLearnedFacts one = { .facts = USB_FACT_PIPELINED };
static const UsbLearnedFacts two = { .facts = USB_FACT_BY_PHASE };

static bool has_saved(const UsbLearnedFacts *facts) {
        UsbLearnedFacts got;

        return learned_store_load(store, NAME, &got) && usb_learned_facts_is_equal(&got, facts);
}

static void on_clock(EventTimer *timer) {}

START_TEST(a_worker_that_talks_much_does_not_keep_the_disk_busy) {
        DeviceLearned learned;
        EventTimer clock;
        EventLoop *loop;

        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        ck_assert_int_eq(event_timer_init(&clock, loop, on_clock), 0);
        event_timer_set(&clock, 60 * NS_PER_S);
        virtual_event_loop_run_until(loop, NS_PER_S);
        device_learned_init(&learned, loop, store);
        device_learned_load(&learned, NAME);
        device_learned_set(&learned, &one);
        ck_assert(has_saved(&one));
        device_learned_set(&learned, &two);
        ck_assert(usb_learned_facts_is_equal(&learned.facts, &two));
        ck_assert(has_saved(&one));
        device_learned_flush(&learned);
        ck_assert(has_saved(&two));
        virtual_event_loop_run_until(loop, 30 * NS_PER_S);
        device_learned_set(&learned, &one);
        ck_assert(has_saved(&one));

        /* Without a file of its own it is known as long as the device is. */
        device_learned_init(&learned, loop, NULL);
        device_learned_set(&learned, &two);
        device_learned_flush(&learned);
        ck_assert(usb_learned_facts_is_equal(&learned.facts, &two));
        event_timer_done(&clock);
        event_loop_free(loop);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("learned_store");
        TCase *tcase = tcase_create("learned_store");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, each_fact_is_read_back);
        tcase_add_test(tcase, all_that_can_be_known_has_room);
        tcase_add_test(tcase, an_unknown_device_leaves_no_trace);
        tcase_add_loop_test(tcase, a_bad_file_is_told_ignored_and_written_anew, 0,
                            (int) N_ELEMENTS(bad_cases));
        tcase_add_test(tcase, what_is_no_file_is_told_and_ignored);
        tcase_add_test(tcase, a_file_cut_anywhere_is_never_fatal);
        tcase_add_test(tcase, changed_bytes_are_never_fatal);
        tcase_add_test(tcase, the_oldest_is_dropped_where_there_are_too_many);
        tcase_add_test(tcase, who_reads_meanwhile_sees_the_former_file_whole);
        tcase_add_test(tcase, a_copy_that_was_never_finished_does_not_count_and_is_overwritten);
        tcase_add_test(tcase, a_folder_that_cannot_be_written_is_told_and_goes_on);
        tcase_add_test(tcase, names_are_safe_and_tell_versions_apart);
        tcase_add_test(tcase, a_worker_that_talks_much_does_not_keep_the_disk_busy);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
