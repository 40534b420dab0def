/* An optical drive: bytes against MMC-6's layouts, and what the tray does. */

#include <string.h>

#include "../base/unit_test.h"
#include "base/bytes.h"
#include "scsi_bench.h"

#define N_BLOCKS 512 /* of a disc of 1 MiB */

#define GET_CONFIGURATION(rt, feature) 0x46, rt, 0, feature, 0, 0, 0, 1, 0
#define GET_EVENT 0x4A, 0x01, 0, 0, 0x10, 0, 0, 0, 8
#define EJECT 0x1B, 0, 0, 0, 0x02
#define LOAD 0x1B, 0, 0, 0, 0x03
#define PREVENT 0x1E, 0, 0, 0, 0x01
#define ALLOW 0x1E, 0, 0, 0, 0x00
#define READ_BLOCK 0x28, 0, 0, 0, 0, 1, 0, 0, 1
#define READ_TOC 0x43, 0, 0, 0, 0, 0, 0, 1, 0
#define READ_DISC_INFORMATION 0x51, 0, 0, 0, 0, 0, 0, 1, 0

static void expect_event(ScsiBench *bench, uint8_t event, uint8_t status) {
        SCSI_EXPECT(bench, 0, GET_EVENT);
        ck_assert_uint_eq(bench->data_size, 8);
        ck_assert_uint_eq(get_be16(bench->data), 6);
        ck_assert_uint_eq(bench->data[2], 4);
        ck_assert_uint_eq(bench->data[3], 0x10);
        ck_assert_msg(bench->data[4] == event && bench->data[5] == status, "%02x %02x",
                      bench->data[4], bench->data[5]);
}

/* Without the event of power-on. */
static void init(ScsiBench *bench, const char *spec) {
        scsi_bench_init(bench, spec);
        bench->target->luns[0].n_events = 0;
}

START_TEST(it_is_a_removable_drive_of_type_5) {
        ScsiBench bench;

        init(&bench, "type=optical,size=1M");
        SCSI_EXPECT(&bench, 0, 0x12, 0, 0, 0, 36);
        ck_assert_uint_eq(bench.data[0], 0x05);
        ck_assert_uint_eq(bench.data[1], 0x80);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_data_disc_is_read_in_blocks_of_2048) {
        uint8_t block[2048], tail[8];
        ScsiBench bench;

        init(&bench, "type=optical,size=1M");
        memset(block, 0x5A, sizeof(block));
        ck_assert_int_eq(simulated_medium_write_stable(bench.target->luns[0].medium, 2048, block,
                                                       sizeof(block)),
                         0);
        SCSI_EXPECT(&bench, 0, 0x25);
        put_be32(tail, N_BLOCKS - 1);
        put_be32(tail + 4, 2048);
        ck_assert_mem_eq(bench.data, tail, 8);
        SCSI_EXPECT(&bench, 0, READ_BLOCK);
        ck_assert_uint_eq(bench.data_size, 2048);
        ck_assert_mem_eq(bench.data, block, 2048);
        SCSI_EXPECT(&bench, 0x052100, 0x28, 0, 0, 0, 2, 0, 0, 0, 1);
        scsi_bench_done(&bench);
}
END_TEST

typedef struct Disc {
        const char *name;
        uint32_t read;
        uint32_t toc;
        uint8_t status;
        uint16_t profile;
        uint32_t last_lba;
} Disc;

static const Disc discs[] = {
        { "data", 0, 0, 0x0E, 0x0008, N_BLOCKS - 1 },
        { "blank", 0x052100, 0x052400, 0x00, 0x0009, 0 },
        { "audio", 0x056400, 0, 0x0E, 0x0008, N_BLOCKS - 1 },
};

START_TEST(each_disc_tells_what_it_is) {
        const Disc *disc = &discs[_i];
        ScsiBench bench;
        char spec[64];

        snprintf(spec, sizeof(spec), "type=optical,size=1M,disc=%s", disc->name);
        init(&bench, spec);
        SCSI_EXPECT(&bench, 0, 0x00);
        SCSI_EXPECT(&bench, disc->read, READ_BLOCK);
        SCSI_EXPECT(&bench, disc->read, 0xA8, 0, 0, 0, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, disc->toc, READ_TOC);
        SCSI_EXPECT(&bench, 0, READ_DISC_INFORMATION);
        ck_assert_uint_eq(bench.data_size, 34);
        ck_assert_uint_eq(get_be16(bench.data), 32);
        ck_assert_uint_eq(bench.data[2], disc->status);
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(0, 0));
        ck_assert_uint_eq(get_be32(bench.data), bench.data_size - 4);
        ck_assert_uint_eq(get_be16(bench.data + 6), disc->profile);
        SCSI_EXPECT(&bench, 0, 0x25);
        ck_assert_uint_eq(get_be32(bench.data), disc->last_lba);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(without_a_disc_the_sense_tells_of_the_tray) {
        ScsiBench bench;

        init(&bench, "type=optical,size=1M,disc=none");
        SCSI_EXPECT(&bench, 0x023A01, 0x00);
        SCSI_EXPECT(&bench, 0x023A01, READ_TOC);
        SCSI_EXPECT(&bench, 0x023A01, READ_BLOCK);
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(0, 0));
        ck_assert_uint_eq(get_be16(bench.data + 6), 0);
        expect_event(&bench, 0, 0x00);
        SCSI_EXPECT(&bench, 0, EJECT);
        SCSI_EXPECT(&bench, 0x023A02, 0x00);
        expect_event(&bench, 0, 0x01);
        SCSI_EXPECT(&bench, 0, LOAD);
        SCSI_EXPECT(&bench, 0x023A01, 0x00);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_large_disc_is_a_dvd) {
        ScsiBench bench;

        init(&bench, "type=optical,size=4G");
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(0, 0));
        ck_assert_uint_eq(get_be16(bench.data + 6), 0x0010);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(features_are_told_as_asked_for) {
        ScsiBench bench;

        init(&bench, "type=optical,size=1M,disc=audio");
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(0, 0));
        ck_assert_uint_eq(bench.data_size, 8 + 16 + 12 + 8 + 12);
        /* The readable one is not current. */
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(1, 0));
        ck_assert_uint_eq(bench.data_size, 8 + 16 + 12 + 8);
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(1, 1));
        ck_assert_uint_eq(bench.data_size, 8 + 12 + 8);
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(2, 3));
        ck_assert_mem_eq(bench.data, ((uint8_t[]){ 0, 0, 0, 12, 0, 0, 0, 8, 0, 3, 3, 4, 0x29 }),
                         13);
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(2, 4));
        ck_assert_uint_eq(bench.data_size, 8);
        SCSI_EXPECT(&bench, 0x052400, GET_CONFIGURATION(3, 0));
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(the_table_of_contents_has_tracks_and_a_lead_out) {
        static const uint8_t data_toc[] = { 0, 18,   1,    1, 0, 0x14, 1, 0, 0, 0, 0, 0, /* track */
                                            0, 0x14, 0xAA, 0, 0, 0,    2, 0 };
        ScsiBench bench;

        init(&bench, "type=optical,size=1M");
        SCSI_EXPECT(&bench, 0, READ_TOC);
        ck_assert_uint_eq(bench.data_size, sizeof(data_toc));
        ck_assert_mem_eq(bench.data, data_toc, sizeof(data_toc));
        /* By time: 512 + 150 sectors are 8 s and 62 sectors. */
        SCSI_EXPECT(&bench, 0, 0x43, 0x02, 0, 0, 0, 0, 0xAA, 1, 0);
        ck_assert_uint_eq(bench.data_size, 12);
        ck_assert_mem_eq(bench.data + 8, ((uint8_t[]){ 0, 0, 8, 62 }), 4);
        SCSI_EXPECT(&bench, 0x052400, 0x43, 0, 0, 0, 0, 0, 2, 1, 0);
        SCSI_EXPECT(&bench, 0, 0x43, 0, 1, 0, 0, 0, 0, 1, 0);
        ck_assert_uint_eq(bench.data_size, 12);
        SCSI_EXPECT(&bench, 0x052400, 0x43, 0, 2, 0, 0, 0, 0, 1, 0);
        scsi_bench_done(&bench);

        init(&bench, "type=optical,size=1M,disc=audio");
        SCSI_EXPECT(&bench, 0, 0x43, 0, 0, 0, 0, 0, 2, 1, 0);
        ck_assert_uint_eq(bench.data_size, 4 + 3 * 8);
        ck_assert_uint_eq(bench.data[3], 3);
        ck_assert_uint_eq(bench.data[5], 0x10);
        ck_assert_uint_eq(bench.data[6], 2);
        ck_assert_uint_eq(get_be32(bench.data + 8), N_BLOCKS / 3);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(nothing_is_written_and_what_disks_do_is_unknown) {
        ScsiBench bench;

        init(&bench, "type=optical,size=1M");
        SCSI_EXPECT(&bench, 0x072700, 0x2A, 0, 0, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0x072700, 0xAA, 0, 0, 0, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0x052000, 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
        SCSI_EXPECT(&bench, 0x052000, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
        SCSI_EXPECT(&bench, 0x052000, 0x1A, 0, 0x3F, 0, 192);
        scsi_bench_done(&bench);
        scsi_bench_init(&bench, "size=1M");
        SCSI_EXPECT(&bench, 0x052000, READ_TOC);
        SCSI_EXPECT(&bench, 0x052000, GET_CONFIGURATION(0, 0));
        SCSI_EXPECT(&bench, 0x052000, GET_EVENT);
        SCSI_EXPECT(&bench, 0x052000, READ_DISC_INFORMATION);
        scsi_bench_done(&bench);
}
END_TEST

typedef struct Trap {
        const char *spec;
        uint32_t sense;
        uint32_t last_lba;
        uint32_t block_size;
} Trap;

static const Trap traps[] = {
        { "type=optical,size=1M,capacity=raw", 0, N_BLOCKS - 1, 2352 },
        { "type=optical,size=1M,capacity=zero", 0, 0, 0 },
        { "type=optical,size=1M,capacity=ones", 0, UINT32_MAX, UINT32_MAX },
        { "type=optical,size=1M,capacity=refused", 0x052000, 0, 0 },
        { "type=optical,size=1M,block-size=512", 0, 2047, 512 },
        { "size=1M,capacity=zero", 0, 0, 0 },
        { "size=1M,capacity=refused", 0x052000, 0, 0 },
};

START_TEST(the_capacity_may_be_told_wrong) {
        const Trap *trap = &traps[_i];
        ScsiBench bench;

        scsi_bench_init(&bench, trap->spec);
        SCSI_EXPECT(&bench, trap->sense, 0x25);
        if (trap->sense != 0) {
                ck_assert_uint_eq(bench.data_size, 0);
        } else {
                ck_assert_uint_eq(get_be32(bench.data), trap->last_lba);
                ck_assert_uint_eq(get_be32(bench.data + 4), trap->block_size);
        }
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(events_are_told_once_in_their_order_past_an_attention) {
        ScsiBench bench;

        scsi_bench_init(&bench, "type=optical,size=1M");
        expect_event(&bench, 2, 0x02);
        expect_event(&bench, 0, 0x02);
        simulated_target_remove_medium(bench.target, 0);
        simulated_target_insert_medium(bench.target, 0);
        expect_event(&bench, 3, 0x02);
        expect_event(&bench, 2, 0x02);
        expect_event(&bench, 0, 0x02);
        SCSI_EXPECT(&bench, 0, GET_CONFIGURATION(0, 0));
        SCSI_EXPECT(&bench, 0x062800, 0x00);
        SCSI_EXPECT(&bench, 0, 0x00);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(an_event_is_not_lost_on_who_asks_otherwise) {
        ScsiBench bench;

        scsi_bench_init(&bench, "type=optical,size=1M");
        /* Asynchronously. */
        SCSI_EXPECT(&bench, 0x052400, 0x4A, 0, 0, 0, 0x10, 0, 0, 0, 8);
        /* For another class. */
        SCSI_EXPECT(&bench, 0, 0x4A, 0x01, 0, 0, 0x04, 0, 0, 0, 8);
        ck_assert_uint_eq(bench.data_size, 4);
        ck_assert_uint_eq(bench.data[2], 0x80);
        ck_assert_uint_eq(bench.data[3], 0x10);
        /* For the header alone. */
        SCSI_EXPECT(&bench, 0, 0x4A, 0x01, 0, 0, 0x10, 0, 0, 0, 4);
        ck_assert_uint_eq(bench.data_size, 4);
        expect_event(&bench, 2, 0x02);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(of_too_many_events_the_last_ones_are_left) {
        ScsiBench bench;

        init(&bench, "type=optical,size=1M");
        SCSI_EXPECT(&bench, 0, PREVENT);
        simulated_target_press_button(bench.target, 0);
        for (unsigned i = 0; i < 2; i++) {
                simulated_target_remove_medium(bench.target, 0);
                simulated_target_insert_medium(bench.target, 0);
        }
        expect_event(&bench, 3, 0x02);
        expect_event(&bench, 2, 0x02);
        expect_event(&bench, 3, 0x02);
        expect_event(&bench, 2, 0x02);
        expect_event(&bench, 0, 0x02);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_drive_may_be_wrong_about_its_disc) {
        ScsiBench bench;

        scsi_bench_init(&bench, "type=optical,size=1M,faults=event-wrong");
        expect_event(&bench, 0, 0x00);
        SCSI_EXPECT(&bench, 0, 0x00);
        simulated_target_remove_medium(bench.target, 0);
        expect_event(&bench, 0, 0x02);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(the_tray_opens_and_closes_by_command) {
        ScsiBench bench;

        init(&bench, "type=optical,size=1M");
        SCSI_EXPECT(&bench, 0, EJECT);
        expect_event(&bench, 3, 0x01);
        SCSI_EXPECT(&bench, 0x023A02, 0x00);
        SCSI_EXPECT(&bench, 0, LOAD);
        expect_event(&bench, 2, 0x02);
        SCSI_EXPECT(&bench, 0x062800, 0x00);
        SCSI_EXPECT(&bench, 0, 0x00);
        /* Closed as it is. */
        SCSI_EXPECT(&bench, 0, LOAD);
        SCSI_EXPECT(&bench, 0, 0x00);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_locked_tray_stays_shut_and_its_button_tells_the_host) {
        ScsiBench bench;

        init(&bench, "type=optical,size=1M");
        SCSI_EXPECT(&bench, 0, PREVENT);
        SCSI_EXPECT(&bench, 0x055302, EJECT);
        expect_event(&bench, 0, 0x02);
        simulated_target_press_button(bench.target, 0);
        expect_event(&bench, 1, 0x02);
        SCSI_EXPECT(&bench, 0, 0x00);
        SCSI_EXPECT(&bench, 0, ALLOW);
        SCSI_EXPECT(&bench, 0, EJECT);
        expect_event(&bench, 3, 0x01);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(an_unlocked_tray_follows_its_button) {
        ScsiBench bench;

        init(&bench, "type=optical,size=1M");
        simulated_target_press_button(bench.target, 0);
        expect_event(&bench, 3, 0x01);
        SCSI_EXPECT(&bench, 0x023A02, 0x00);
        simulated_target_press_button(bench.target, 0);
        expect_event(&bench, 2, 0x02);
        SCSI_EXPECT(&bench, 0x062800, 0x00);
        /* Somebody takes the disc out of the open tray. */
        simulated_target_press_button(bench.target, 0);
        simulated_target_remove_medium(bench.target, 0);
        simulated_target_press_button(bench.target, 0);
        SCSI_EXPECT(&bench, 0x023A01, 0x00);
        scsi_bench_done(&bench);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("simulated_optical");
        TCase *tcase = tcase_create("simulated_optical");

        tcase_add_test(tcase, it_is_a_removable_drive_of_type_5);
        tcase_add_test(tcase, a_data_disc_is_read_in_blocks_of_2048);
        tcase_add_loop_test(tcase, each_disc_tells_what_it_is, 0, (int) N_ELEMENTS(discs));
        tcase_add_test(tcase, without_a_disc_the_sense_tells_of_the_tray);
        tcase_add_test(tcase, a_large_disc_is_a_dvd);
        tcase_add_test(tcase, features_are_told_as_asked_for);
        tcase_add_test(tcase, the_table_of_contents_has_tracks_and_a_lead_out);
        tcase_add_test(tcase, nothing_is_written_and_what_disks_do_is_unknown);
        tcase_add_loop_test(tcase, the_capacity_may_be_told_wrong, 0, (int) N_ELEMENTS(traps));
        tcase_add_test(tcase, events_are_told_once_in_their_order_past_an_attention);
        tcase_add_test(tcase, an_event_is_not_lost_on_who_asks_otherwise);
        tcase_add_test(tcase, of_too_many_events_the_last_ones_are_left);
        tcase_add_test(tcase, a_drive_may_be_wrong_about_its_disc);
        tcase_add_test(tcase, the_tray_opens_and_closes_by_command);
        tcase_add_test(tcase, a_locked_tray_stays_shut_and_its_button_tells_the_host);
        tcase_add_test(tcase, an_unlocked_tray_follows_its_button);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
