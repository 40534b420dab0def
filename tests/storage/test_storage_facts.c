/* What facts mean as options, what becomes a fact, and what quirks keep out of both. */

#include <check.h>
#include <string.h>

#include "storage/storage_facts.h"
#include "usb/usb_quirks.h"

#define LUN 2

static const ScsiDisk disk = { .vendor = "A", .product = "B", .n_blocks = 100, .block_size = 512 };
static StorageFacts facts;
static StorageQuirks options;

static void init(uint32_t quirks, uint32_t known, const UsbLearnedUnit *unit) {
        UsbLearnedFacts learned = { .facts = known };

        if (unit)
                learned.units[LUN] = *unit;
        storage_quirks_init(&options, quirks);
        storage_facts_init(&facts, quirks, &learned);
        storage_facts_apply(&facts, &options);
}

typedef struct OptionCase {
        uint32_t quirks;
        uint32_t known;
        bool avoids_uas;
        BotMode bot_mode;
        ScsiSenseLength sense_length;
        uint32_t refusals;
} OptionCase;

static const OptionCase option_cases[] = {
        { 0, 0, false, BOT_MODE_AUTO, SCSI_SENSE_LENGTH_LEARNED, 0 },
        { 0, USB_FACT_UAS_UNRELIABLE, true, BOT_MODE_AUTO, SCSI_SENSE_LENGTH_LEARNED, 0 },
        { 0, USB_FACT_BY_PHASE, false, BOT_MODE_BY_PHASE, SCSI_SENSE_LENGTH_LEARNED, 0 },
        { 0, USB_FACT_PIPELINED, false, BOT_MODE_PIPELINED, SCSI_SENSE_LENGTH_LEARNED, 0 },
        { 0, USB_FACT_SHORT_SENSE, false, BOT_MODE_AUTO, SCSI_SENSE_LENGTH_SHORT, 0 },
        { 0, USB_FACT_LONG_SENSE, false, BOT_MODE_AUTO, SCSI_SENSE_LENGTH_LONG, 0 },
        { USB_QUIRK_SANE_SENSE, USB_FACT_SHORT_SENSE, false, BOT_MODE_AUTO, SCSI_SENSE_LENGTH_LONG,
          0 },
        { USB_QUIRK_BAD_SENSE, USB_FACT_LONG_SENSE, false, BOT_MODE_AUTO, SCSI_SENSE_LENGTH_SHORT,
          0 },
        { 0, USB_FACT_NO_REPORT_LUNS, false, BOT_MODE_AUTO, SCSI_SENSE_LENGTH_LEARNED,
          SCSI_REFUSAL_REPORT_LUNS },
        { USB_QUIRK_NO_REPORT_LUNS | USB_QUIRK_NO_SAME, 0, false, BOT_MODE_AUTO,
          SCSI_SENSE_LENGTH_LEARNED, SCSI_REFUSAL_REPORT_LUNS | SCSI_REFUSAL_WRITE_SAME },
};

START_TEST(facts_are_options_where_quirks_leave_the_choice) {
        const OptionCase *c = &option_cases[_i];

        init(c->quirks, c->known, NULL);
        ck_assert_int_eq(options.avoids_uas, c->avoids_uas);
        ck_assert_int_eq(options.bot.known_mode, c->bot_mode);
        ck_assert_int_eq(options.processor.sense_length, c->sense_length);
        ck_assert_uint_eq(options.processor.refusals, c->refusals);
}
END_TEST

START_TEST(options_are_as_before_once_facts_are_forgotten) {
        StorageQuirks before;

        init(0, 0, NULL);
        before = options;
        facts.known.facts = USB_FACT_UAS_UNRELIABLE | USB_FACT_NO_REPORT_LUNS |
                            USB_FACT_SHORT_SENSE | USB_FACT_BY_PHASE;
        storage_facts_apply(&facts, &options);
        ck_assert_mem_ne(&options, &before, sizeof(before));
        facts.known.facts = 0;
        storage_facts_apply(&facts, &options);
        ck_assert_mem_eq(&options, &before, sizeof(before));
}
END_TEST

START_TEST(what_is_learned_later_takes_the_place_of_its_opposite) {
        init(0, USB_FACT_PIPELINED | USB_FACT_LONG_SENSE, NULL);
        storage_facts_learn_stack(&facts, &(StorageStackFacts){
                                                          .bot_mode = BOT_MODE_BY_PHASE,
                                                          .sense_length = SCSI_SENSE_LENGTH_SHORT,
                                          });
        ck_assert_uint_eq(facts.known.facts, USB_FACT_BY_PHASE | USB_FACT_SHORT_SENSE);
        /* Nothing new is no reason to forget. */
        storage_facts_learn_stack(&facts, &(StorageStackFacts){ 0 });
        ck_assert_uint_eq(facts.known.facts, USB_FACT_BY_PHASE | USB_FACT_SHORT_SENSE);
}
END_TEST

START_TEST(uas_that_is_unreliable_is_avoided_and_told) {
        init(0, 0, NULL);
        ck_assert(!storage_facts_take_news(&facts));
        storage_facts_set_uas_unreliable(&facts);
        ck_assert(storage_facts_take_news(&facts));
        ck_assert(!storage_facts_take_news(&facts));
        storage_facts_apply(&facts, &options);
        ck_assert(options.avoids_uas);
}
END_TEST

static LunFacts learn_and_get(const ScsiDisk *learned, const ScsiDisk *asked) {
        static const LunFacts all = {
                .has_no_synchronize = true,
                .is_unmap_proven = true,
                .transfer_size = 256 * KIB,
        };

        init(0, 0, NULL);
        ck_assert(!storage_facts_learn_disk(&facts, LUN, learned, /* is_ready= */ true));
        storage_facts_learn_unit(&facts, LUN, &all);
        return storage_facts_get_unit(&facts, LUN, asked);
}

START_TEST(what_is_known_of_a_unit_is_said_of_no_other) {
        ScsiDisk other = disk;
        LunFacts got = learn_and_get(&disk, &disk);

        ck_assert(got.has_no_synchronize && got.is_unmap_proven && !got.is_unmap_refused);
        ck_assert_uint_eq(got.transfer_size, 256 * KIB);

        strcpy(other.serial, "1");
        ck_assert(!learn_and_get(&disk, &other).has_no_synchronize);
        other = disk;
        other.n_blocks++;
        ck_assert(!learn_and_get(&disk, &other).is_unmap_proven);
        /* Strings have ends. */
        other = disk;
        strcpy(other.vendor, "AB");
        strcpy(other.product, "");
        ck_assert_uint_eq(learn_and_get(&disk, &other).transfer_size, 0);
}
END_TEST

START_TEST(of_a_drive_the_medium_does_not_count_nor_does_it_prove_unmap) {
        ScsiDisk drive = disk, other;
        LunFacts got;

        drive.is_removable = true;
        other = drive;
        other.n_blocks = 7;
        got = learn_and_get(&drive, &other);
        ck_assert(got.has_no_synchronize && !got.is_unmap_proven);
        ck_assert_uint_eq(got.transfer_size, 256 * KIB);
}
END_TEST

START_TEST(another_unit_that_was_looked_at_by_wrong_facts_is_looked_at_again) {
        ScsiDisk lacking = disk, other = disk;

        lacking.lacks_capacity_16 = true;
        strcpy(other.serial, "1");
        init(0, 0, NULL);
        ck_assert(!storage_facts_learn_disk(&facts, LUN, &lacking, /* is_ready= */ true));
        ck_assert_uint_eq(facts.known.units[LUN].facts, USB_UNIT_FACT_NO_CAPACITY_16);
        ck_assert(storage_facts_learn_disk(&facts, LUN, &other, /* is_ready= */ true));
        ck_assert_uint_eq(facts.known.units[LUN].facts, 0);
        ck_assert(!storage_facts_learn_disk(&facts, LUN, &other, /* is_ready= */ true));
        ck_assert(usb_learned_facts_is_valid(&facts.known));
}
END_TEST

START_TEST(a_unit_that_never_became_ready_may_have_taught_why) {
        ScsiDisk lacking = { .lacks_capacity_16 = true };

        init(0, 0, NULL);
        ck_assert(!storage_facts_learn_disk(&facts, LUN, &lacking, /* is_ready= */ false));
        ck_assert_uint_eq(facts.known.units[LUN].facts, USB_UNIT_FACT_NO_CAPACITY_16);
        ck_assert(usb_learned_facts_is_valid(&facts.known));
        /* What it is turns out later. */
        lacking = disk;
        lacking.lacks_capacity_16 = true;
        ck_assert(!storage_facts_learn_disk(&facts, LUN, &lacking, /* is_ready= */ true));
        ck_assert_uint_ne(facts.known.units[LUN].identity, 0);
        ck_assert_uint_eq(facts.known.units[LUN].facts, USB_UNIT_FACT_NO_CAPACITY_16);
}
END_TEST

START_TEST(a_drive_without_events_is_not_asked_for_them_whatever_its_disc_is) {
        ScsiDisk drive = { .device_type = SCSI_DEVICE_TYPE_OPTICAL, .lacks_events = true };
        ScsiBringUpOptions look = { 0 };

        init(0, 0, NULL);
        storage_facts_apply_to_look(&facts, LUN, &look);
        ck_assert(!look.asks_no_events);
        ck_assert(!storage_facts_learn_disk(&facts, LUN, &drive, /* is_ready= */ false));
        ck_assert_uint_eq(facts.known.units[LUN].facts, USB_UNIT_FACT_NO_EVENTS);
        ck_assert(usb_learned_facts_is_valid(&facts.known));
        storage_facts_apply_to_look(&facts, LUN, &look);
        ck_assert(look.asks_no_events);
        /* An empty one tells nothing about it. */
        drive.lacks_events = false;
        ck_assert(!storage_facts_learn_disk(&facts, LUN, &drive, /* is_ready= */ false));
        ck_assert_uint_eq(facts.known.units[LUN].facts, USB_UNIT_FACT_NO_EVENTS);
}
END_TEST

START_TEST(what_we_refuse_ourselves_is_no_fact) {
        ScsiDisk lacking = disk;

        lacking.lacks_capacity_16 = true;
        init(USB_QUIRK_NO_READ_CAPACITY_16 | USB_QUIRK_NO_REPORT_LUNS | USB_QUIRK_NO_SAME |
                             USB_QUIRK_BAD_SENSE,
             0, NULL);
        storage_facts_learn_disk(&facts, LUN, &lacking, /* is_ready= */ true);
        storage_facts_learn_unit(&facts, LUN, &(LunFacts){ .is_unmap_refused = true });
        storage_facts_learn_stack(&facts, &(StorageStackFacts){
                                                          .lacks_report_luns = true,
                                                          .sense_length = SCSI_SENSE_LENGTH_SHORT,
                                          });
        ck_assert_uint_eq(facts.known.units[LUN].facts, 0);
        ck_assert_uint_eq(facts.known.facts, 0);
}
END_TEST

START_TEST(lengths_that_a_message_may_not_have_are_brought_into_its_range) {
        init(0, 0, NULL);
        storage_facts_learn_disk(&facts, LUN, &disk, /* is_ready= */ true);
        storage_facts_learn_unit(&facts, LUN, &(LunFacts){ .transfer_size = 512 });
        ck_assert_uint_eq(facts.known.units[LUN].transfer_size, USB_LEARNED_TRANSFER_SIZE_MIN);
        storage_facts_learn_unit(&facts, LUN, &(LunFacts){ .transfer_size = UINT32_MAX });
        ck_assert_uint_eq(facts.known.units[LUN].transfer_size, USB_LEARNED_TRANSFER_SIZE_MAX);
        storage_facts_learn_unit(&facts, LUN, &(LunFacts){ 0 });
        ck_assert_uint_eq(facts.known.units[LUN].transfer_size, 0);
}
END_TEST

START_TEST(pauses_double_up_to_a_limit) {
        uint64_t now_ns = 0, pause_ns = 0;

        init(0, 0, NULL);
        for (unsigned i = 0; i < 20; i++) {
                storage_facts_plan(&facts, now_ns);
                ck_assert_uint_ge(facts.next_ns - now_ns, pause_ns);
                pause_ns = facts.next_ns - now_ns;
                now_ns = facts.next_ns;
        }
        ck_assert_uint_eq(pause_ns, STORAGE_FACTS_PAUSE_MAX_NS);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("storage_facts");
        TCase *tcase = tcase_create("storage_facts");
        SRunner *runner;
        int n_failed;

        tcase_add_loop_test(tcase, facts_are_options_where_quirks_leave_the_choice, 0,
                            (int) N_ELEMENTS(option_cases));
        tcase_add_test(tcase, options_are_as_before_once_facts_are_forgotten);
        tcase_add_test(tcase, what_is_learned_later_takes_the_place_of_its_opposite);
        tcase_add_test(tcase, uas_that_is_unreliable_is_avoided_and_told);
        tcase_add_test(tcase, what_is_known_of_a_unit_is_said_of_no_other);
        tcase_add_test(tcase, of_a_drive_the_medium_does_not_count_nor_does_it_prove_unmap);
        tcase_add_test(tcase, another_unit_that_was_looked_at_by_wrong_facts_is_looked_at_again);
        tcase_add_test(tcase, a_unit_that_never_became_ready_may_have_taught_why);
        tcase_add_test(tcase, a_drive_without_events_is_not_asked_for_them_whatever_its_disc_is);
        tcase_add_test(tcase, what_we_refuse_ourselves_is_no_fact);
        tcase_add_test(tcase, lengths_that_a_message_may_not_have_are_brought_into_its_range);
        tcase_add_test(tcase, pauses_double_up_to_a_limit);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
