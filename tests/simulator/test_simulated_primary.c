/* INQUIRY and its pages, MODE SENSE, REPORT LUNS: bytes against the specifications' layouts. */

#include <string.h>

#include "../base/unit_test.h"
#include "base/bytes.h"
#include "scsi_bench.h"

START_TEST(standard_inquiry_names_vendor_model_and_versions) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,removable,vendor=Acme,model=Rocket");
        SCSI_EXPECT(&bench, 0, 0x12, 0, 0, 0, 96);
        ck_assert_uint_eq(bench.data_size, 96);
        ck_assert_uint_eq(bench.data[0], 0x00);
        ck_assert_uint_eq(bench.data[1], 0x80);
        ck_assert_uint_eq(bench.data[2], 0x06);
        ck_assert_uint_eq(bench.data[3] & 0x0F, 0x02);
        ck_assert_uint_eq(bench.data[4], 91);
        ck_assert_mem_eq(bench.data + 8, "Acme    Rocket          1.00", 28);
        scsi_bench_done(&bench);
}
END_TEST

/* CDBs and how many bytes come. */
typedef struct Length {
        uint8_t cdb[16];
        size_t size;
} Length;

static const Length lengths[] = {
        { { 0x12, 0, 0, 0, 0 }, 0 },
        { { 0x12, 0, 0, 0, 5 }, 5 },
        { { 0x12, 0, 0, 0, 36 }, 36 },
        { { 0x12, 0, 0, 1, 0 }, 96 },
        { { 0x12, 1, 0x00, 0, 255 }, 10 },
        { { 0x12, 1, 0x80, 0, 255 }, 8 },
        { { 0x12, 1, 0x80, 0, 4 }, 4 },
        { { 0x12, 1, 0xB0, 0, 255 }, 64 },
        { { 0x12, 1, 0xB1, 0, 255 }, 64 },
        { { 0x12, 1, 0xB2, 0, 255 }, 8 },
        { { 0x03, 0, 0, 0, 4 }, 4 },
        { { 0x03, 0, 0, 0, 255 }, 18 },
        { { 0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 16 }, 16 },
        { { 0xA0, 0, 0, 0, 0, 0, 0, 0, 1, 0 }, 32 },
        { { 0xA0, 0, 1, 0, 0, 0, 0, 0, 1, 0 }, 8 },
        { { 0x1A, 0, 0x3F, 0, 192 }, 44 },
        { { 0x1A, 0, 0x3F, 0, 4 }, 4 },
        { { 0x1A, 8, 0x08, 0, 192 }, 24 },
        { { 0x1A, 8, 0x1C, 0, 192 }, 16 },
        { { 0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 192 }, 48 },
        { { 0x5A, 8, 0x3F, 0xFF, 0, 0, 0, 0, 192 }, 40 },
        { { 0x5A, 0x10, 0x08, 0, 0, 0, 0, 0, 192 }, 44 },
        { { 0x25 }, 8 },
        { { 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12 }, 12 },
        { { 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255 }, 32 },
        { { 0x9E, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255 }, 24 },
};

START_TEST(no_more_comes_than_there_is_or_than_was_allocated) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,luns=3");
        memset(bench.data, 0xCC, 512);
        ck_assert_uint_eq(scsi_bench_run(&bench, 0, lengths[_i].cdb), 0);
        ck_assert_uint_eq(bench.data_size, lengths[_i].size);
        ck_assert_uint_eq(bench.data[bench.data_size], 0xCC);
        scsi_bench_done(&bench);
}
END_TEST

static const uint8_t invalid_fields[][16] = {
        { 0x12, 0, 0x80, 0, 36 },              /* a page without EVPD */
        { 0x12, 1, 0x81, 0, 36 },              /* no such page */
        { 0x12, 2, 0, 0, 36 },                 /* CMDDT is obsolete */
        { 0xA0, 0, 3, 0, 0, 0, 0, 0, 0, 16 },  /* SELECT REPORT */
        { 0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 15 },  /* too little to allocate */
        { 0x1A, 0, 0x2A, 0, 192 },             /* no such page */
        { 0x1A, 0, 0x08, 1, 192 },             /* no such subpage */
        { 0x5A, 0, 0x00, 0, 0, 0, 0, 0, 192 }, /* the vendor's page */
        { 0x9E, 0x11 },                        /* no such service action */
        { 0x2F, 0x04, 0, 0, 0, 0, 0, 0, 1 },   /* BYTCHK 2 */
        { 0x28, 0x20, 0, 0, 0, 0, 0, 0, 1 },   /* RDPROTECT */
        { 0x2A, 0x20, 0, 0, 0, 0, 0, 0, 1 },   /* WRPROTECT */
        { 0x42, 0x01, 0, 0, 0, 0, 0, 0, 24 },  /* ANCHOR */
        { 0x41, 0x10, 0, 0, 0, 0, 0, 0, 1 },   /* ANCHOR */
};

START_TEST(a_field_that_makes_no_sense_is_refused) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        ck_assert_uint_eq(scsi_bench_run(&bench, 0, invalid_fields[_i]), 0x052400);
        ck_assert_uint_eq(bench.data_size, 0);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(saved_mode_pages_are_not_supported) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        SCSI_EXPECT(&bench, 0x053900, 0x1A, 0, 0xFF, 0, 192);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(the_list_of_pages_is_in_order_and_each_can_be_read) {
        ScsiBench bench;
        uint8_t pages[6];

        scsi_bench_init(&bench, "size=1M");
        SCSI_EXPECT(&bench, 0, 0x12, 1, 0x00, 0, 255);
        ck_assert_uint_eq(get_be16(bench.data + 2), 6);
        memcpy(pages, bench.data + 4, 6);
        ck_assert_mem_eq(pages, ((uint8_t[]){ 0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2 }), 6);
        for (size_t i = 0; i < 6; i++) {
                SCSI_EXPECT(&bench, 0, 0x12, 1, pages[i], 0, 255);
                ck_assert_uint_eq(bench.data[1], pages[i]);
                ck_assert_uint_eq(get_be16(bench.data + 2), bench.data_size - 4);
        }
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(identification_differs_between_luns_and_lasts) {
        static const uint8_t cdb[16] = { 0x12, 1, 0x83, 0, 255 };
        uint8_t names[3][8];

        for (size_t run = 0; run < 3; run++) {
                ScsiBench bench;

                scsi_bench_init(&bench, "size=1M,luns=2,serial=X1");
                ck_assert_uint_eq(scsi_bench_run(&bench, run == 2, cdb), 0);
                ck_assert_uint_eq(bench.data[4] & 0x0F, 0x01);
                ck_assert_uint_eq(bench.data[5], 0x03);
                ck_assert_uint_eq(bench.data[7], 8);
                memcpy(names[run], bench.data + 8, 8);
                scsi_bench_done(&bench);
        }
        ck_assert_uint_eq(names[0][0] >> 4, 3);
        ck_assert_mem_eq(names[0], names[1], 8);
        ck_assert_mem_ne(names[0], names[2], 8);
}
END_TEST

START_TEST(limits_and_provisioning_follow_the_specification) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M,rotation=5400,physical-block-size=4096");
        SCSI_EXPECT(&bench, 0, 0x12, 1, 0xB0, 0, 255);
        ck_assert_uint_eq(get_be16(bench.data + 6), 8);
        ck_assert_uint_eq(get_be32(bench.data + 20), 0x400000);
        ck_assert_uint_eq(get_be32(bench.data + 24), 255);
        ck_assert_uint_eq(get_be32(bench.data + 28), 128);
        SCSI_EXPECT(&bench, 0, 0x12, 1, 0xB1, 0, 255);
        ck_assert_uint_eq(get_be16(bench.data + 4), 5400);
        SCSI_EXPECT(&bench, 0, 0x12, 1, 0xB2, 0, 255);
        ck_assert_uint_eq(bench.data[5], 0xE4);
        SCSI_EXPECT(&bench, 0, 0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32);
        ck_assert_uint_eq(bench.data[13], 3);
        ck_assert_uint_eq(bench.data[14], 0xC0);
        scsi_bench_done(&bench);

        scsi_bench_init(&bench, "size=1M,unmap=no");
        SCSI_EXPECT(&bench, 0, 0x12, 1, 0xB0, 0, 255);
        ck_assert_uint_eq(get_be32(bench.data + 20), 0);
        SCSI_EXPECT(&bench, 0, 0x12, 1, 0xB2, 0, 255);
        ck_assert_uint_eq(bench.data[5], 0x00);
        SCSI_EXPECT(&bench, 0x052000, 0x42, 0, 0, 0, 0, 0, 0, 0, 24);
        SCSI_EXPECT(&bench, 0x052400, 0x41, 8, 0, 0, 0, 0, 0, 0, 1);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(mode_sense_tells_cache_and_write_protection) {
        ScsiBench bench;

        scsi_bench_init(&bench, "size=1M");
        SCSI_EXPECT(&bench, 0, 0x1A, 8, 0x08, 0, 192);
        ck_assert_uint_eq(bench.data[0], 23);
        ck_assert_uint_eq(bench.data[2], 0x10);
        ck_assert_uint_eq(bench.data[4], 0x08);
        ck_assert_uint_eq(bench.data[6], 0x04);
        SCSI_EXPECT(&bench, 0, 0x1A, 8, 0x48, 0, 192); /* changeable */
        ck_assert_uint_eq(bench.data[6], 0x00);
        scsi_bench_done(&bench);

        scsi_bench_init(&bench, "size=1M,write-cache=no,read-only,block-size=2048");
        SCSI_EXPECT(&bench, 0, 0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 192);
        ck_assert_uint_eq(get_be16(bench.data), 46);
        ck_assert_uint_eq(bench.data[3], 0x90);
        ck_assert_uint_eq(get_be16(bench.data + 6), 8);
        ck_assert_uint_eq(get_be32(bench.data + 8), 512);
        ck_assert_uint_eq(get_be24(bench.data + 13), 2048);
        ck_assert_uint_eq(bench.data[16], 0x08);
        ck_assert_uint_eq(bench.data[18], 0x00);
        ck_assert_uint_eq(bench.data[36], 0x1C);
        scsi_bench_done(&bench);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                standard_inquiry_names_vendor_model_and_versions,
                saved_mode_pages_are_not_supported,
                the_list_of_pages_is_in_order_and_each_can_be_read,
                identification_differs_between_luns_and_lasts,
                limits_and_provisioning_follow_the_specification,
                mode_sense_tells_cache_and_write_protection,
                NULL,
        };
        Suite *suite = suite_of("simulated_primary", tests);
        TCase *tcase = tcase_create("simulated_primary, tables");

        tcase_add_loop_test(tcase, no_more_comes_than_there_is_or_than_was_allocated, 0,
                            (int) N_ELEMENTS(lengths));
        tcase_add_loop_test(tcase, a_field_that_makes_no_sense_is_refused, 0,
                            (int) N_ELEMENTS(invalid_fields));
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
