/*
 * What drives told over time: a sample where something telling has changed, words for what got worse,
 * and files that are the same drive's or nobody's.
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
#include "device/device_smart.h"
#include "unit_test.h"

#define DAY_S (24 * 60 * 60)
#define START_S UINT64_C(1795000000) /* 2026-11-18 */

static char folder[64], log_text[8192];
static StateStore *store;
static SmartHistory history;
static DeviceSmart smart;
static char words[DEVICE_SMART_REASON_SIZE];

static void on_log(const LogRecord *record, void *userdata) {
        size_t size = strlen(log_text);

        snprintf(log_text + size, sizeof(log_text) - size, "%s\n", record->message);
}

static void set_up(void) {
        strcpy(folder, "/tmp/smart-history-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
        ck_assert_int_eq(state_store_new(&store, folder, SMART_HISTORY_FOLDER_NAME,
                                         SMART_HISTORY_FILES_MAX),
                         0);
        history = (SmartHistory){ 0 };
        smart = (DeviceSmart){ .store = store };
        log_text[0] = words[0] = '\0';
        log_set_sink(on_log, NULL);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw) {
        return remove(path);
}

static void tear_down(void) {
        log_set_sink(NULL, NULL);
        device_smart_done(&smart);
        state_store_free(store);
        ck_assert_int_eq(nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void make_data(SmartData *data, uint64_t n_replaced) {
        smart_data_init(data, SMART_KIND_ATA);
        strcpy(data->identity.model, "Some Drive");
        strcpy(data->identity.serial, "S/N");
        data->status = SMART_STATUS_PASSED;
        data->answers[SMART_SECTION_STATUS] = SMART_ANSWER_GOOD;
        data->reallocated_sectors = (SmartNumber){ true, n_replaced };
}

static bool add(const SmartData *data, uint64_t now_s) {
        SmartHistorySample sample;

        smart_history_take(&sample, data, SMART_VERDICT_KIND_GOOD, now_s);
        return smart_history_add(&history, &sample);
}

static bool add_replaced(uint64_t n_replaced, uint64_t now_s) {
        SmartData data;

        make_data(&data, n_replaced);
        return add(&data, now_s);
}

START_TEST(only_what_is_telling_makes_a_sample) {
        SmartData data;

        ck_assert(add_replaced(5, START_S));
        make_data(&data, 5);
        data.power_on_hours = (SmartNumber){ true, 9 };
        data.temperature = (SmartCelsius){ true, 50 };
        ck_assert(!add(&data, START_S + 1));
        ck_assert_uint_eq(history.n_samples, 1);
        ck_assert_uint_eq(history.samples[0].first_s, START_S);
        ck_assert_uint_eq(history.samples[0].last_s, START_S + 1);
        ck_assert_uint_eq(history.samples[0].values[SMART_HISTORY_ITEM_POWER_ON_HOURS], 9);
        ck_assert(add_replaced(6, START_S + 2));
        ck_assert_uint_eq(history.n_samples, 2);
        /* What was not told this time. */
        ck_assert_uint_eq(history.samples[1].values[SMART_HISTORY_ITEM_POWER_ON_HOURS], 9);
        ck_assert_uint_eq(history.samples[1].values[SMART_HISTORY_ITEM_TEMPERATURE_MAX], 50);
}
END_TEST

START_TEST(what_got_worse_is_told_with_the_last_day_on_which_it_was_not_so) {
        char news[SMART_HISTORY_WORDS_SIZE];

        add_replaced(5, START_S);
        smart_history_describe(&history, news);
        ck_assert_str_eq(news, "");
        add_replaced(5, START_S + 2 * DAY_S);
        add_replaced(8, START_S + 4 * DAY_S);
        smart_history_describe(&history, news);
        ck_assert_str_eq(news, "3 sectors were replaced since 2026-11-20");
        add_replaced(9, START_S + 5 * DAY_S);
        smart_history_describe(&history, news);
        ck_assert_str_eq(news, "4 sectors were replaced since 2026-11-20");
        add_replaced(9, START_S + 33 * DAY_S);
        smart_history_describe(&history, news);
        ck_assert_str_eq(news, "1 sector was replaced since 2026-11-22");
        add_replaced(9, START_S + 40 * DAY_S);
        smart_history_describe(&history, news);
        ck_assert_str_eq(news, "");
}
END_TEST

START_TEST(several_changes_are_told_together) {
        SmartData data;
        char news[SMART_HISTORY_WORDS_SIZE];

        make_data(&data, 0);
        data.n_attributes = 1;
        data.attributes[0] = (SmartAttribute){ .id = 199 };
        add(&data, START_S);
        data.attributes[0].raw = 1;
        data.pending_sectors = (SmartNumber){ true, 2 }; /* not known before: no change */
        data.reallocated_sectors.value = 3;
        add(&data, START_S + 1);
        smart_history_describe(&history, news);
        ck_assert_str_eq(news, "3 sectors were replaced, 1 transfer to the drive was garbled "
                               "since 2026-11-18");
}
END_TEST

START_TEST(the_first_sample_stays_where_there_are_too_many) {
        for (uint64_t i = 0; i < 100; i++)
                ck_assert(add_replaced(i, START_S + i));
        ck_assert_uint_eq(history.n_samples, SMART_HISTORY_SAMPLES_MAX);
        ck_assert_uint_eq(history.samples[0].values[0], 0);
        for (size_t i = 1; i < history.n_samples; i++)
                ck_assert_uint_eq(history.samples[i].values[0],
                                  100 - SMART_HISTORY_SAMPLES_MAX + i);
        ck_assert(smart_history_is_valid(&history));
}
END_TEST

START_TEST(a_clock_that_was_set_back_does_not_mix_up_the_samples) {
        add_replaced(1, START_S);
        add_replaced(2, START_S - 100);
        add_replaced(2, 1);
        ck_assert_uint_eq(history.samples[1].first_s, START_S);
        ck_assert(smart_history_is_valid(&history));
}
END_TEST

/* Files */

static const char *path_of(const char *name) {
        static char path[256];

        snprintf(path, sizeof(path), "%s/smart/%s", folder, name);
        return path;
}

#define FILE_NAME "ATA-Some_Drive-S_N"

static SmartHistoryFile save_some(void) {
        SmartHistoryFile file;
        SmartData data;

        make_data(&data, 5);
        smart_history_file_init(&file, &data);
        add(&data, START_S);
        data.used_percent = (SmartNumber){ true, UINT64_MAX };
        data.reallocated_sectors.value = UINT64_MAX - 1;
        add(&data, START_S + 1);
        smart_history_file_save(&file, store, &history);
        return file;
}

START_TEST(what_was_saved_is_read_back) {
        SmartHistoryFile file = save_some();
        SmartHistory read;

        ck_assert_int_eq(access(path_of(FILE_NAME), F_OK), 0);
        ck_assert(smart_history_file_load(&file, store, &read));
        ck_assert_uint_eq(read.n_samples, history.n_samples);
        for (size_t i = 0; i < read.n_samples; i++) {
                const SmartHistorySample *is = &read.samples[i], *was = &history.samples[i];

                ck_assert_uint_eq(is->first_s, was->first_s);
                ck_assert_uint_eq(is->last_s, was->last_s);
                ck_assert_int_eq(is->verdict, was->verdict);
                ck_assert_mem_eq(is->values, was->values, sizeof(is->values));
        }
        ck_assert_str_eq(log_text, "");
}
END_TEST

START_TEST(a_full_history_has_room) {
        SmartHistoryFile file;
        SmartHistory read;
        SmartData data;

        make_data(&data, 0);
        smart_history_file_init(&file, &data);
        for (uint64_t i = 0; i < SMART_HISTORY_SAMPLES_MAX; i++) {
                SmartHistorySample sample = { .first_s = INT64_MAX / 2, .last_s = INT64_MAX / 2 };

                for (size_t j = 0; j < _SMART_HISTORY_ITEM_MAX; j++)
                        sample.values[j] = UINT64_MAX - 1 - i;
                smart_history_add(&history, &sample);
        }
        smart_history_file_save(&file, store, &history);
        ck_assert(smart_history_file_load(&file, store, &read));
        ck_assert_uint_eq(read.n_samples, SMART_HISTORY_SAMPLES_MAX);
}
END_TEST

START_TEST(another_drive_with_the_same_file_has_no_history) {
        SmartHistoryFile file = save_some();
        SmartHistory read = { .n_samples = 7 };
        SmartData data;

        make_data(&data, 5);
        strcpy(data.identity.serial, "S N");
        smart_history_file_init(&file, &data);
        ck_assert_str_eq(file.name, FILE_NAME);
        ck_assert(!smart_history_file_load(&file, store, &read));
        ck_assert_uint_eq(read.n_samples, 0);
        ck_assert_ptr_nonnull(strstr(log_text, "is not the history of that drive"));
}
END_TEST

START_TEST(a_drive_without_a_serial_number_has_no_file) {
        SmartHistoryFile file;
        SmartData data;

        make_data(&data, 5);
        data.identity.serial[0] = '\0';
        smart_history_file_init(&file, &data);
        add(&data, START_S);
        smart_history_file_save(&file, store, &history);
        ck_assert(!smart_history_file_load(&file, store, &history));
        ck_assert_int_lt(access(path_of(""), F_OK), 0);
}
END_TEST

START_TEST(hostile_names_stay_in_the_folder) {
        SmartHistoryFile file;
        SmartData data;

        make_data(&data, 5);
        memset(data.identity.model, '/', sizeof(data.identity.model) - 1);
        memcpy(data.identity.model, "../../..", 8);
        memset(data.identity.serial, '.', sizeof(data.identity.serial) - 1);
        smart_history_file_init(&file, &data);
        ck_assert_ptr_null(strchr(file.name, '/'));
        ck_assert_int_ne(file.name[0], '.');
        add(&data, START_S);
        smart_history_file_save(&file, store, &history);
        ck_assert_int_eq(access(path_of(file.name), F_OK), 0);
}
END_TEST

START_TEST(changed_bytes_are_never_fatal) {
        SmartHistoryFile file = save_some();
        uint8_t original[4096], bytes[4096];
        Random random;
        ssize_t size;
        int fd;

        random_init(&random, (uint64_t) _i);
        fd = open(path_of(FILE_NAME), O_RDWR | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        size = read(fd, original, sizeof(original));
        ck_assert_int_gt(size, 0);
        for (unsigned i = 0; i < 200; i++) {
                SmartHistory read;

                memcpy(bytes, original, (size_t) size);
                for (unsigned j = 0; j < 3; j++)
                        bytes[random_below(&random, (uint64_t) size)] =
                                        (uint8_t) random_below(&random, 256);
                ck_assert_int_eq(pwrite(fd, bytes, (size_t) size, 0), size);
                if (smart_history_file_load(&file, store, &read))
                        ck_assert(smart_history_is_valid(&read));
                log_text[0] = '\0';
        }
        fd_close(fd);
}
END_TEST

/* A device's word */

static bool tell(uint64_t n_replaced, uint64_t now_s) {
        ControlSmart message = { .lun = 1, .n_asked = 1 };

        make_data(&message.data, n_replaced);
        smart_verdict(&message.data, &message.verdict);
        return device_smart_set(&smart, &message, now_s, words);
}

static bool fail_to_ask(int error) {
        ControlSmart message = { .lun = 1, .error = error };

        return device_smart_set(&smart, &message, START_S + 10, words);
}

static void restart(void) {
        device_smart_done(&smart);
        smart = (DeviceSmart){ .store = store };
}

START_TEST(a_verdict_is_told_when_it_changes) {
        ck_assert(!tell(0, START_S));
        ck_assert(!tell(0, START_S + 1));
        ck_assert(tell(8, START_S + 2));
        ck_assert_str_eq(words, "health is warning, was good: 8 sectors were replaced; "
                                "8 sectors were replaced since 2026-11-18");
        ck_assert(!tell(9, START_S + 3));
        ck_assert_str_eq(smart.units[1]->reason, "9 sectors were replaced; "
                                                 "9 sectors were replaced since 2026-11-18");
}
END_TEST

START_TEST(what_is_wrong_with_a_drive_that_nobody_knew_is_told) {
        ck_assert(tell(8, START_S));
        ck_assert_str_eq(words, "health is warning: 8 sectors were replaced");
}
END_TEST

START_TEST(a_change_is_told_across_a_restart_and_nothing_else) {
        tell(0, START_S);
        restart();
        ck_assert(!tell(0, START_S + 1));
        restart();
        ck_assert(tell(3, START_S + 2 * DAY_S));
        ck_assert_str_eq(smart.units[1]->news, "3 sectors were replaced since 2026-11-18");
        restart();
        ck_assert(!tell(3, START_S + 3 * DAY_S));
        ck_assert_str_eq(smart.units[1]->news, "3 sectors were replaced since 2026-11-18");
}
END_TEST

START_TEST(a_drive_that_can_not_be_asked_keeps_its_verdict) {
        tell(8, START_S);
        ck_assert(!fail_to_ask(-EAGAIN));
        ck_assert(!tell(8, START_S + 20));
        restart();
        ck_assert(!fail_to_ask(-EOPNOTSUPP));
        ck_assert_str_eq(smart.units[1]->reason, "no way to its health is known");
}
END_TEST

START_TEST(another_drive_in_the_same_bridge_has_its_own_history) {
        ControlSmart message = { .lun = 1 };

        tell(0, START_S);
        make_data(&message.data, 100);
        strcpy(message.data.identity.serial, "OTHER");
        smart_verdict(&message.data, &message.verdict);
        ck_assert(device_smart_set(&smart, &message, START_S + 1, words));
        ck_assert_str_eq(words, "health is warning: 100 sectors were replaced");
        ck_assert_uint_eq(smart.units[1]->history.n_samples, 1);
}
END_TEST

START_TEST(another_drive_without_a_serial_number_has_no_history_of_the_one_before) {
        ControlSmart message = { .lun = 1 };

        make_data(&message.data, 0);
        message.data.identity.serial[0] = '\0';
        smart_verdict(&message.data, &message.verdict);
        ck_assert(!device_smart_set(&smart, &message, START_S, words));
        message.data.identity.serial[0] = '\0';
        strcpy(message.data.identity.model, "Another Drive");
        message.data.reallocated_sectors = (SmartNumber){ true, 100 };
        smart_verdict(&message.data, &message.verdict);
        ck_assert(device_smart_set(&smart, &message, START_S + 1, words));
        ck_assert_str_eq(words, "health is warning: 100 sectors were replaced");
        ck_assert_uint_eq(smart.units[1]->history.n_samples, 1);
}
END_TEST

START_TEST(an_unchanged_history_is_written_once_a_day) {
        struct stat before, after;

        tell(0, START_S);
        ck_assert_int_eq(stat(path_of(FILE_NAME), &before), 0);
        tell(0, START_S + DAY_S - 1);
        ck_assert_int_eq(stat(path_of(FILE_NAME), &after), 0);
        ck_assert_uint_eq(before.st_ino, after.st_ino);
        tell(0, START_S + DAY_S);
        ck_assert_int_eq(stat(path_of(FILE_NAME), &after), 0);
        ck_assert_uint_ne(before.st_ino, after.st_ino);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                only_what_is_telling_makes_a_sample,
                what_got_worse_is_told_with_the_last_day_on_which_it_was_not_so,
                several_changes_are_told_together,
                the_first_sample_stays_where_there_are_too_many,
                a_clock_that_was_set_back_does_not_mix_up_the_samples,
                what_was_saved_is_read_back,
                a_full_history_has_room,
                another_drive_with_the_same_file_has_no_history,
                a_drive_without_a_serial_number_has_no_file,
                hostile_names_stay_in_the_folder,
                a_verdict_is_told_when_it_changes,
                what_is_wrong_with_a_drive_that_nobody_knew_is_told,
                a_change_is_told_across_a_restart_and_nothing_else,
                a_drive_that_can_not_be_asked_keeps_its_verdict,
                another_drive_in_the_same_bridge_has_its_own_history,
                another_drive_without_a_serial_number_has_no_history_of_the_one_before,
                an_unchanged_history_is_written_once_a_day,
                NULL,
        };
        Suite *suite = suite_with_fixture("smart history", set_up, tear_down, tests);
        TCase *tcase = tcase_create("seeds");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_set_timeout(tcase, 120);
        tcase_add_loop_test(tcase, changed_bytes_are_never_fatal, 0, 5);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
