/* What each letter means to the layers, and what it does to a device of the simulator. */

#include <check.h>
#include <string.h>

#include "base/virtual_event_loop.h"
#include "simulator/simulated_device.h"
#include "simulator/simulator_spec.h"
#include "storage/storage_manager.h"
#include "storage/storage_quirks.h"
#include "usb/usb_quirks.h"

typedef struct QuirkCase {
        uint32_t quirks;
        StorageQuirks expected;
} QuirkCase;

#define REFUSES(what)                                           \
        {                                                       \
                .processor = {.refusals = SCSI_REFUSAL_##what } \
        }

static const QuirkCase quirk_cases[] = {
        { 0, { 0 } },
        { USB_QUIRK_SANE_SENSE, { .processor = { .sense_length = SCSI_SENSE_LENGTH_LONG } } },
        { USB_QUIRK_BAD_SENSE, { .processor = { .sense_length = SCSI_SENSE_LENGTH_SHORT } } },
        { USB_QUIRK_BAD_SENSE | USB_QUIRK_SANE_SENSE,
          { .processor = { .sense_length = SCSI_SENSE_LENGTH_SHORT } } },
        { USB_QUIRK_FIX_CAPACITY, { .bring_up = { .capacity_fix = SCSI_CAPACITY_FIX_ONE_LESS } } },
        { USB_QUIRK_CAPACITY_HEURISTICS,
          { .bring_up = { .capacity_fix = SCSI_CAPACITY_FIX_ONE_LESS_IF_ODD } } },
        { USB_QUIRK_CAPACITY_HEURISTICS | USB_QUIRK_FIX_CAPACITY,
          { .bring_up = { .capacity_fix = SCSI_CAPACITY_FIX_ONE_LESS } } },
        { USB_QUIRK_CAPACITY_OK | USB_QUIRK_CAPACITY_HEURISTICS | USB_QUIRK_FIX_CAPACITY, { 0 } },
        { USB_QUIRK_NO_READ_DISC_INFO, REFUSES(DISC_INFORMATION) },
        { USB_QUIRK_NO_READ_CAPACITY_16, REFUSES(CAPACITY_16) },
        { USB_QUIRK_NO_REPORT_OPCODES, REFUSES(OPERATION_CODES) },
        { USB_QUIRK_NO_REPORT_LUNS, REFUSES(REPORT_LUNS) },
        { USB_QUIRK_NO_SAME, REFUSES(WRITE_SAME) },
        { USB_QUIRK_NOT_LOCKABLE, REFUSES(PREVENT_REMOVAL) },
        { USB_QUIRK_NO_ATA_1X, REFUSES(ATA) },
        { USB_QUIRK_MAX_SECTORS_240, { .bot = { .transfer_size_max = 122880 } } },
        { USB_QUIRK_MAX_SECTORS_64, { .bot = { .transfer_size_max = 32768 } } },
        { USB_QUIRK_MAX_SECTORS_64 | USB_QUIRK_MAX_SECTORS_240,
          { .bot = { .transfer_size_max = 32768 } } },
        { USB_QUIRK_INITIAL_READ10, { .bring_up = { .repeats_first_read = true } } },
        { USB_QUIRK_WRITE_CACHE, { .bring_up = { .assumes_write_cache = true } } },
        { USB_QUIRK_ALWAYS_SYNC, { .bring_up = { .has_write_cache_always = true } } },
        { USB_QUIRK_NO_WP_DETECT, { .bring_up = { .ignores_write_protection = true } } },
        { USB_QUIRK_IGNORE_RESIDUE, { .bot = { .ignores_residue = true } } },
        { USB_QUIRK_SINGLE_LUN, { .has_single_lun = true } },
        { USB_QUIRK_IGNORE_UAS, { .ignores_uas = true } },
        { USB_QUIRK_IGNORE_DEVICE, { 0 } },
};

START_TEST(each_letter_reaches_its_layer) {
        const StorageQuirks *expected = &quirk_cases[_i].expected;
        StorageQuirks quirks;

        storage_quirks_init(&quirks, quirk_cases[_i].quirks);
        ck_assert_int_eq(quirks.has_single_lun, expected->has_single_lun);
        ck_assert_int_eq(quirks.ignores_uas, expected->ignores_uas);
        ck_assert_int_eq(quirks.bot.mode, BOT_MODE_AUTO);
        ck_assert_uint_eq(quirks.bot.transfer_size_max, expected->bot.transfer_size_max);
        ck_assert_int_eq(quirks.bot.ignores_residue, expected->bot.ignores_residue);
        ck_assert_uint_eq(quirks.processor.refusals, expected->processor.refusals);
        ck_assert_int_eq(quirks.processor.sense_length, expected->processor.sense_length);
        ck_assert_int_eq(quirks.bring_up.capacity_fix, expected->bring_up.capacity_fix);
        ck_assert_int_eq(quirks.bring_up.repeats_first_read, expected->bring_up.repeats_first_read);
        ck_assert_int_eq(quirks.bring_up.ignores_write_protection,
                         expected->bring_up.ignores_write_protection);
        ck_assert_int_eq(quirks.bring_up.assumes_write_cache,
                         expected->bring_up.assumes_write_cache);
        ck_assert_int_eq(quirks.bring_up.has_write_cache_always,
                         expected->bring_up.has_write_cache_always);
}
END_TEST

START_TEST(uas_alone_is_taken_away) {
        const unsigned all = (1U << _USB_STORAGE_PROTOCOL_MAX) - 1;
        StorageQuirks quirks;

        storage_quirks_init(&quirks, 0);
        ck_assert_uint_eq(storage_quirks_filter_protocols(&quirks, all), all);
        storage_quirks_init(&quirks, USB_QUIRK_IGNORE_UAS);
        ck_assert_uint_eq(storage_quirks_filter_protocols(&quirks, all),
                          all & ~(1U << USB_STORAGE_PROTOCOL_UAS));
}
END_TEST

/* A whole worker on a simulated device */

typedef struct Run {
        EventLoop *loop;
        StorageManager *storage;
        NbdExportInfo info;
        unsigned n_exports;
        bool is_brought_up;
        bool has_stopped;
} Run;

static void on_export_opened(StorageManager *storage, const StorageExport *export, void *userdata) {
        Run *run = userdata;

        run->n_exports++;
        run->info = export->info;
}

static void on_export_closed(StorageManager *storage, unsigned lun, uint64_t generation,
                             void *userdata) {}

static void on_brought_up(StorageManager *storage, int result, unsigned n_luns, const char *reason,
                          void *userdata) {
        ck_assert_int_eq(result, 0);
        ((Run *) userdata)->is_brought_up = true;
}

static void on_stopped(StorageManager *storage, int result, void *userdata) {
        ((Run *) userdata)->has_stopped = true;
}

static void run_until(Run *run, const bool *flag) {
        while (!*flag)
                ck_assert_int_gt(event_loop_run_once(run->loop, /* may_wait= */ true), 0);
}

/* Brings it up with these quirks, and stops it. */
static void run_device(Run *run, const char *text, uint32_t quirks) {
        static const StorageHandlers handlers = {
                .export_opened = on_export_opened,
                .export_closed = on_export_closed,
                .brought_up = on_brought_up,
                .stopped = on_stopped,
        };
        SimulatorSpec spec;
        UsbDevice *device;
        char *error = NULL;

        *run = (Run){ 0 };
        ck_assert_int_eq(virtual_event_loop_new(&run->loop), 0);
        ck_assert_msg(simulator_spec_parse(&spec, text, &error) == 0, "%s", error);
        ck_assert_int_eq(simulated_device_new(&device, run->loop, &spec, NULL, 0), 0);
        ck_assert_int_eq(storage_manager_new(&run->storage, device,
                                             &(StorageOptions){
                                                             .base_name = "quirky",
                                                             .quirks = quirks,
                                             },
                                             &handlers, run),
                         0);
        run_until(run, &run->is_brought_up);
        storage_manager_stop(run->storage);
        run_until(run, &run->has_stopped);
        storage_manager_free(run->storage);
        event_loop_free(run->loop);
}

typedef struct EffectCase {
        const char *spec;
        uint32_t quirks;
        unsigned n_exports;
        uint64_t size;
        bool is_read_only;
} EffectCase;

static const EffectCase effect_cases[] = {
        { "size=1M,luns=3", 0, 3, MIB, false },
        { "size=1M,luns=3", USB_QUIRK_SINGLE_LUN, 1, MIB, false },
        { "size=1M", USB_QUIRK_FIX_CAPACITY, 1, MIB - 512, false },
        { "size=1M", USB_QUIRK_CAPACITY_HEURISTICS, 1, MIB, false },
        { "size=1M", USB_QUIRK_FIX_CAPACITY | USB_QUIRK_CAPACITY_OK, 1, MIB, false },
        { "size=1M,read-only", 0, 1, MIB, true },
        { "size=1M,read-only", USB_QUIRK_NO_WP_DETECT, 1, MIB, false },
        { "size=1M", USB_QUIRK_NO_READ_CAPACITY_16 | USB_QUIRK_MAX_SECTORS_64, 1, MIB, false },
};

START_TEST(quirks_change_what_is_exported) {
        const EffectCase *c = &effect_cases[_i];
        Run run;

        run_device(&run, c->spec, c->quirks);
        ck_assert_uint_eq(run.n_exports, c->n_exports);
        ck_assert_uint_eq(run.info.size, c->size);
        ck_assert_int_eq((run.info.transmission_flags & NBD_FLAG_READ_ONLY) != 0, c->is_read_only);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("storage quirks");
        TCase *tcase = tcase_create("quirks");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, each_letter_reaches_its_layer, 0, N_ELEMENTS(quirk_cases));
        tcase_add_test(tcase, uas_alone_is_taken_away);
        tcase_add_loop_test(tcase, quirks_change_what_is_exported, 0, N_ELEMENTS(effect_cases));
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
