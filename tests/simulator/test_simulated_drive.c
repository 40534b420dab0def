/* Drives and their bridges: bytes against the specifications' layouts, without any decoder of ours. */

#include <string.h>

#include "../base/unit_test.h"
#include "base/bytes.h"
#include "scsi_bench.h"

static uint8_t sum(const uint8_t *bytes, size_t size) {
        uint8_t total = 0;

        for (size_t i = 0; i < size; i++)
                total = (uint8_t) (total + bytes[i]);
        return total;
}

#define IDENTIFY 0x85, 0x08, 0x0E, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xEC
#define SMART(feature, log) 0x85, 0x08, 0x0E, 0, feature, 0, 1, 0, log, 0, 0x4F, 0, 0xC2, 0, 0xB0
#define STATUS 0x85, 0x06, 0x20, 0, 0xDA, 0, 0, 0, 0, 0, 0x4F, 0, 0xC2, 0, 0xB0
#define POWER 0x85, 0x06, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xE5

START_TEST(an_ata_drive_identifies_itself_by_sat) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,smart=ata,rotation=5400,serial=ABC");
        SCSI_EXPECT(&bench, 0, IDENTIFY);
        ck_assert_uint_eq(bench.data_size, 512);
        /* The characters of each word are swapped. */
        ck_assert_mem_eq(bench.data + 20, "BA C", 4);
        ck_assert_mem_eq(bench.data + 54, "ROOI NISUMALET DIDKS", 20);
        ck_assert_uint_eq(get_le64(bench.data + 200), 2048);
        ck_assert_uint_eq(get_le16(bench.data + 434), 5400);
        ck_assert_uint_eq(bench.data[510], 0xA5);
        ck_assert_uint_eq(sum(bench.data, 512), 0);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(its_tables_and_logs_have_sums) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,smart=ata,attribute-5=12/90/80/70,errors=7");
        SCSI_EXPECT(&bench, 0, SMART(0xD0, 0));
        ck_assert_uint_eq(sum(bench.data, 512), 0);
        ck_assert_mem_eq(bench.data + 14, "\x05\x33\x00\x5a\x50\x0c\x00\x00\x00\x00\x00\x00", 12);
        SCSI_EXPECT(&bench, 0, SMART(0xD1, 0));
        ck_assert_uint_eq(sum(bench.data, 512), 0);
        ck_assert_mem_eq(bench.data + 14, "\x05\x46", 2);
        SCSI_EXPECT(&bench, 0, SMART(0xD5, 1));
        ck_assert_uint_eq(sum(bench.data, 512), 0);
        ck_assert_uint_eq(bench.data[1], 2); /* the seventh is at the second place */
        ck_assert_uint_eq(get_le16(bench.data + 452), 7);
        SCSI_EXPECT(&bench, 0, SMART(0xD5, 6));
        ck_assert_uint_eq(sum(bench.data, 512), 0);
        ck_assert_uint_eq(bench.data[508], 0);
        /* Without the signature, and of a log that there is not. */
        SCSI_EXPECT(&bench, 0x0B0000, 0x85, 0x08, 0x0E, 0, 0xD0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xB0);
        SCSI_EXPECT(&bench, 0x0B0000, SMART(0xD5, 0x77));
        scsi_bench_done(&bench);
}
END_TEST

typedef struct SenseCase {
        const char *spec;
        size_t size;
        const char *bytes;
} SenseCase;

static const SenseCase sense_cases[] = {
        { "", 22, "\x72\x01\x00\x1d\0\0\0\x0e\x09\x0c\0\0\0\0\0\0\0\x4f\0\xc2\0\x50" },
        { "failing", 22, "\x72\x01\x00\x1d\0\0\0\x0e\x09\x0c\0\0\0\0\0\0\0\xf4\0\x2c\0\x50" },
        { "registers=fixed", 18, "\x70\0\x01\0\x50\0\0\x0a\0\0\x4f\xc2\0\x1d\0\0\0\0" },
        { "registers=cut", 18, "\x72\x01\x00\x1d\0\0\0\x0e\x09\x0c\0\0\0\0\0\0\0\x4f" },
        { "registers=half", 22, "\x72\x01\x00\x1d\0\0\0\x0e\x09\x0c\0\0\0\0\0\0\0\x4f\0\0\0\x50" },
};

START_TEST(its_registers_come_as_sense) {
        const SenseCase *c = &sense_cases[_i];
        ScsiBench bench;
        char spec[64] = "size=1M,smart=ata";

        if (c->spec[0] != '\0')
                strcat(strcat(spec, ","), c->spec);
        scsi_bench_init(&bench, spec);
        SCSI_EXPECT(&bench, 0x01001D, STATUS);
        SCSI_EXPECT(&bench, 0, 0x03, 0, 0, 0, 96);
        ck_assert_uint_eq(bench.data_size, c->size);
        ck_assert_mem_eq(bench.data, c->bytes, c->size);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_drive_sleeps_until_its_medium_is_used) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,smart=ata,stop-after-ms=1000,stopped=start");
        SCSI_EXPECT(&bench, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0x01001D, POWER);
        SCSI_RUN(&bench, 0x03, 0, 0, 0, 96);
        ck_assert_uint_eq(bench.data[13], 0xFF);
        scsi_bench_sleep(&bench, 2 * NS_PER_S);
        SCSI_EXPECT(&bench, 0, IDENTIFY);
        SCSI_EXPECT(&bench, 0x01001D, POWER);
        SCSI_RUN(&bench, 0x03, 0, 0, 0, 96);
        ck_assert_uint_eq(bench.data[13], 0x00);
        ck_assert_uint_eq(bench.target->n_spin_ups, 0);
        SCSI_EXPECT(&bench, 0, SMART(0xD0, 0));
        ck_assert_uint_eq(bench.target->n_spin_ups, 1);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_bridge_that_keeps_state_is_interrupted_by_any_command) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,smart=ata,bridge=sunplus");
        SCSI_EXPECT(&bench, 0, 0xF8, 0, 0x22, 0, 0, 0xDA, 0, 0, 0x4F, 0xC2, 0xA0, 0xB0);
        SCSI_EXPECT(&bench, 0, 0xF8, 0, 0x21);
        ck_assert_mem_eq(bench.data + 4, "\x4f\xc2", 2);
        SCSI_EXPECT(&bench, 0, 0xF8, 0, 0x22, 0, 0, 0xDA, 0, 0, 0x4F, 0xC2, 0xA0, 0xB0);
        SCSI_EXPECT(&bench, 0, 0x28, 0, 0, 0, 0, 0, 0, 0, 1);
        SCSI_EXPECT(&bench, 0, 0xF8, 0, 0x21);
        ck_assert_mem_eq(bench.data + 4, "\0\0", 2);
        scsi_bench_done(&bench);

        scsi_bench_init(&bench, "size=1M,smart=nvme");
        memset(bench.data, 0, 512);
        memcpy(bench.data, "NVME", 4);
        bench.data[8] = 0x06;
        bench.data[48] = 0x01;
        SCSI_EXPECT(&bench, 0, 0xA1, 0x80, 0, 0, 2, 0);
        SCSI_EXPECT(&bench, 0, 0x00);
        SCSI_EXPECT(&bench, 0x052C00, 0xA1, 0x82, 0, 0, 16, 0);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(an_nvme_drive_identifies_itself) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,smart=nvme,bridge=nvme-asmedia,serial=ABC");
        SCSI_EXPECT(&bench, 0, 0xE6, 0x06, 0, 0x01);
        ck_assert_uint_eq(bench.data_size, 4096);
        ck_assert_mem_eq(bench.data + 4, "ABC     ", 8);
        ck_assert_mem_eq(bench.data + 24, "ORION SIMULATED DISK  ", 22);
        SCSI_EXPECT(&bench, 0, 0xE6, 0x02, 0, 0x02, 0, 0, 0, 127);
        ck_assert_uint_eq(bench.data_size, 512);
        ck_assert_uint_eq(get_le16(bench.data + 1), 306);
        SCSI_EXPECT(&bench, 0x052400, 0xE6, 0x02, 0, 0x99, 0, 0, 0, 127);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(realtek_brings_what_is_stale_beyond_512_bytes) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,smart=nvme,bridge=nvme-realtek");
        SCSI_EXPECT(&bench, 0, 0xE4, 0x34, 0x02, 0x02, 0x06);
        ck_assert_uint_eq(bench.data_size, 564);
        ck_assert_uint_eq(bench.data[4], 0x0F);
        ck_assert_uint_eq(bench.data[511], 0x00);
        ck_assert_uint_eq(bench.data[512], 0xEE);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(a_scsi_drive_lists_its_pages_and_tells_them) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,smart=scsi,temperature=40,defects=2");
        SCSI_EXPECT(&bench, 0, 0x4D, 0, 0x40, 0, 0, 0, 0, 0, 255);
        ck_assert_mem_eq(bench.data, "\x00\x00\x00\x0b\x00\x02\x03\x05\x06\x0d\x0e\x10\x11\x15\x2f",
                         15);
        SCSI_EXPECT(&bench, 0, 0x4D, 0, 0x4D, 0, 0, 0, 0, 0, 255);
        ck_assert_mem_eq(bench.data, "\x0d\0\0\x0c\0\0\x03\x02\0\x28\0\x01\x03\x02\0\x41", 16);
        SCSI_EXPECT(&bench, 0x052400, 0x4D, 0, 0x77, 0, 0, 0, 0, 0, 255);
        SCSI_EXPECT(&bench, 0, 0xB7, 0x0B, 0, 0, 0, 0, 0, 0, 0, 8);
        ck_assert_mem_eq(bench.data, "\0\x0b\0\0\0\0\0\x10", 8);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(what_a_device_has_not_it_refuses) {
        static const uint8_t opcodes[] = { 0x1D, 0x24, 0x37, 0x4D, 0x85, 0xA1, 0xB7,
                                           0xD7, 0xD8, 0xDF, 0xE4, 0xE6, 0xF8 };
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        SCSI_EXPECT(&bench, 0x052000, opcodes[_i]);
        scsi_bench_done(&bench);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("simulated_drive");
        TCase *tcase = tcase_create("simulated_drive");

        tcase_add_test(tcase, an_ata_drive_identifies_itself_by_sat);
        tcase_add_test(tcase, its_tables_and_logs_have_sums);
        tcase_add_loop_test(tcase, its_registers_come_as_sense, 0, (int) N_ELEMENTS(sense_cases));
        tcase_add_test(tcase, a_drive_sleeps_until_its_medium_is_used);
        tcase_add_test(tcase, a_bridge_that_keeps_state_is_interrupted_by_any_command);
        tcase_add_test(tcase, an_nvme_drive_identifies_itself);
        tcase_add_test(tcase, realtek_brings_what_is_stale_beyond_512_bytes);
        tcase_add_test(tcase, a_scsi_drive_lists_its_pages_and_tells_them);
        tcase_add_loop_test(tcase, what_a_device_has_not_it_refuses, 0, 13);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
