/* READ FORMAT CAPACITIES of a floppy drive, with the three types of its first descriptor. */

#include "../base/unit_test.h"
#include "scsi_bench.h"

typedef struct Floppy {
        const char *spec;
        uint8_t type;
        uint32_t ready; /* the sense of TEST UNIT READY and of READ CAPACITY */
} Floppy;

static const Floppy floppies[] = {
        { "command-set=ufi,size=1440K,formatted=no", 1, 0x033001 },
        { "command-set=ufi,size=1440K", 2, 0 },
        { "command-set=ufi,size=1440K,empty=0", 3, 0x023A00 },
};

START_TEST(the_first_descriptor_tells_whether_the_medium_is_formatted) {
        const Floppy *floppy = &floppies[_i];
        const uint8_t expected[] = {
                0, 0, 0,    16, /* header */
                0, 0, 0x0B, 0x40, floppy->type,
                0, 2, 0, /* the medium as it is */
                0, 0, 0x0B, 0x40, 0,
                0, 2, 0, /* what it can be formatted to */
        };
        ScsiBench bench;

        scsi_bench_init(&bench, floppy->spec);
        SCSI_EXPECT(&bench, 0, 0x23, 0, 0, 0, 0, 0, 0, 0, 252);
        ck_assert_uint_eq(bench.data_size, sizeof(expected));
        ck_assert_mem_eq(bench.data, expected, sizeof(expected));
        SCSI_EXPECT(&bench, 0, 0x23, 0, 0, 0, 0, 0, 0, 0, 12);
        ck_assert_uint_eq(bench.data_size, 12);
        SCSI_EXPECT(&bench, floppy->ready, 0x00);
        SCSI_EXPECT(&bench, floppy->ready, 0x25);
        scsi_bench_done(&bench);
}
END_TEST

START_TEST(another_floppy_is_a_formatted_one) {
        ScsiBench bench;

        scsi_bench_init(&bench, "command-set=ufi,size=1440K,formatted=no");
        ck_assert_int_eq(simulated_target_change_medium(bench.target, 0, 720 * KIB), 0);
        SCSI_EXPECT(&bench, 0x062800, 0x00);
        SCSI_EXPECT(&bench, 0, 0x23, 0, 0, 0, 0, 0, 0, 0, 252);
        ck_assert_uint_eq(bench.data[8], 2);
        ck_assert_uint_eq(bench.data[6], 0x05);
        SCSI_EXPECT(&bench, 0, 0x25);
        scsi_bench_done(&bench);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("simulated_ufi");
        TCase *tcase = tcase_create("simulated_ufi");

        tcase_add_loop_test(tcase, the_first_descriptor_tells_whether_the_medium_is_formatted, 0,
                            (int) N_ELEMENTS(floppies));
        tcase_add_test(tcase, another_floppy_is_a_formatted_one);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
