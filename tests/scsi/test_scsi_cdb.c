/* The table of operation codes, held against the builders and against itself. */

#include <string.h>

#include "base/macros.h"
#include "base/random.h"
#include "scsi/scsi_command.h"
#include "unit_test.h"

#define ROUNDS 100000

typedef struct CdbCase {
        uint8_t cdb[16];
        size_t size;
        const char *name;
} CdbCase;

static const CdbCase cdb_cases[] = {
        { { 0x00 }, 6, "TEST UNIT READY" },
        { { 0x28 }, 10, "READ(10)" },
        { { 0x9E, 0x10 }, 16, "READ CAPACITY(16)" },
        { { 0x9E, 0x12 }, 16, "GET LBA STATUS" },
        { { 0x9E, 0x1F }, 16, "9Eh" },
        { { 0xA3, 0x0C }, 12, "REPORT SUPPORTED OPERATION CODES" },
        { { 0xC0 }, 10, "C0h" },
        { { 0x28 }, 6, "28h" }, /* too short for what it claims to be */
        { { 0x28 }, 0, "nothing" },
};

START_TEST(commands_have_names) {
        const CdbCase *c = &cdb_cases[_i];

        ck_assert_str_eq(scsi_cdb_name(c->cdb, c->size), c->name);
}
END_TEST

START_TEST(each_entry_agrees_with_its_group) {
        for (unsigned opcode = 0; opcode < 256; opcode++)
                for (uint8_t action = 0; action < 32; action++) {
                        uint8_t cdb[16] = { (uint8_t) opcode, action };
                        const ScsiCdbInfo *info = scsi_cdb_find(cdb, sizeof(cdb));

                        if (!info)
                                continue;
                        ck_assert_uint_eq(info->opcode, opcode);
                        ck_assert_uint_eq(info->size, scsi_cdb_group_size(info->opcode));
                        ck_assert_uint_le(info->length_offset + info->length_size, info->size);
                        ck_assert_uint_lt(info->danger, _SCSI_DANGER_MAX);
                        ck_assert_ptr_eq(strchr(info->name, '_'), NULL);
                }
}
END_TEST

START_TEST(entries_are_in_the_order_of_their_codes) {
        const ScsiCdbInfo *info;
        unsigned last = 0;

        for (size_t i = 0; (info = scsi_cdb_get(i)); i++) {
                ck_assert_uint_ge(info->opcode, last);
                last = info->opcode;
        }
}
END_TEST

static uint8_t data[4096];

static void build(ScsiCommand *command, int which) {
        switch (which) {
        case 0:
                return scsi_command_test_unit_ready(command);
        case 1:
                return scsi_command_inquiry(command, data, 36);
        case 2:
                return scsi_command_inquiry_vpd(command, 0x83, data, 252);
        case 3:
                return scsi_command_request_sense(command, data, 18);
        case 4:
                return scsi_command_read_capacity_10(command, data);
        case 5:
                return scsi_command_read_capacity_16(command, data, 32);
        case 6:
                return scsi_command_mode_sense_6(command, 0x3F, data, 192);
        case 7:
                return scsi_command_mode_sense_10(command, 0x3F, data, 192);
        case 8:
                return scsi_command_start_stop(command, true, false, true);
        case 9:
                return scsi_command_prevent_removal(command, true);
        case 10:
                return scsi_command_read(command, 0x12345678, 8, data, 4096);
        case 11:
                return scsi_command_read(command, UINT64_C(0x112345678), 8, data, 4096);
        case 12:
                return scsi_command_write(command, 1, 2, true, data, 1024);
        case 13:
                return scsi_command_write(command, UINT64_C(1) << 40, 2, false, data, 1024);
        case 14:
                return scsi_command_synchronize_cache(command);
        case 15:
                return scsi_command_unmap(command, 16, 8, data);
        case 16:
                return scsi_command_write_same(command, 16, 8, true, data, 512);
        case 17:
                return scsi_command_get_lba_status(command, 99, data, 24);
        case 18:
                return scsi_command_report_luns(command, data, 64);
        case 19:
                return scsi_command_get_media_event(command, data, 8);
        case 20:
                return scsi_command_start_stop(command, false, true, false);
        case 21:
                return scsi_command_read_format_capacities(command, data, 252);
        }
        ck_abort_msg("no such builder");
}

/* What builders make, byte by byte (SPC-4 and SBC-3, the commands' tables). */
static const CdbCase built_cases[] = {
        { { 0x00 }, 6, "TEST UNIT READY" },
        { { 0x12, 0, 0, 0, 36 }, 6, "INQUIRY" },
        { { 0x12, 1, 0x83, 0, 252 }, 6, "INQUIRY" },
        { { 0x03, 0, 0, 0, 18 }, 6, "REQUEST SENSE" },
        { { 0x25 }, 10, "READ CAPACITY(10)" },
        { { 0x9E, 0x10, [13] = 32 }, 16, "READ CAPACITY(16)" },
        { { 0x1A, 0, 0x3F, 0, 192 }, 6, "MODE SENSE(6)" },
        { { 0x5A, 0, 0x3F, [8] = 192 }, 10, "MODE SENSE(10)" },
        { { 0x1B, 1, 0, 0, 1 }, 6, "START STOP UNIT" },
        { { 0x1E, 0, 0, 0, 1 }, 6, "PREVENT ALLOW MEDIUM REMOVAL" },
        { { 0x28, 0, 0x12, 0x34, 0x56, 0x78, 0, 0, 8 }, 10, "READ(10)" },
        { { 0x88, 0, 0, 0, 0, 1, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 8 }, 16, "READ(16)" },
        { { 0x2A, 8, 0, 0, 0, 1, 0, 0, 2 }, 10, "WRITE(10)" },
        { { 0x8A, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2 }, 16, "WRITE(16)" },
        { { 0x35 }, 10, "SYNCHRONIZE CACHE(10)" },
        { { 0x42, [8] = 24 }, 10, "UNMAP" },
        { { 0x93, 8, [9] = 16, [13] = 8 }, 16, "WRITE SAME(16)" },
        { { 0x9E, 0x12, [9] = 99, [13] = 24 }, 16, "GET LBA STATUS" },
        { { 0xA0, [9] = 64 }, 12, "REPORT LUNS" },
        { { 0x4A, 1, 0, 0, 0x10, [8] = 8 }, 10, "GET EVENT STATUS NOTIFICATION" },
        { { 0x1B, 0, 0, 0, 2 }, 6, "START STOP UNIT" },
        { { 0x23, [8] = 252 }, 10, "READ FORMAT CAPACITIES" },
};

START_TEST(builders_make_what_the_table_says) {
        const CdbCase *c = &built_cases[_i];
        const TransportRequest *request;
        const ScsiCdbInfo *info;
        ScsiCommand command;
        uint64_t length;

        scsi_command_init(&command, 3, 1);
        build(&command, _i);
        request = &command.request;
        ck_assert_uint_eq(request->lun, 3);
        ck_assert_uint_eq(request->command_size, c->size);
        ck_assert_mem_eq(request->command, c->cdb, c->size);

        info = scsi_cdb_find(request->command, request->command_size);
        ck_assert_ptr_nonnull(info);
        ck_assert_str_eq(info->name, c->name);
        ck_assert_int_eq(info->direction, request->direction);
        length = scsi_cdb_get_length(info, request->command);
        if (info->unit == SCSI_CDB_UNIT_BYTES || info->unit == SCSI_CDB_UNIT_BLOCKS)
                ck_assert_uint_eq(length * (info->unit == SCSI_CDB_UNIT_BLOCKS ? 512 : 1),
                                  request->size);
}
END_TEST

START_TEST(an_unmap_list_holds_its_one_range) {
        static const uint8_t expected[SCSI_UNMAP_DATA_SIZE] = {
                0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 9,
        };
        ScsiCommand command;

        memset(data, 0xFF, sizeof(data));
        scsi_command_init(&command, 0, 1);
        scsi_command_unmap(&command, UINT64_C(0x0102030405), 9, data);
        ck_assert_mem_eq(data, expected, sizeof(expected));
}
END_TEST

START_TEST(any_bytes_have_some_name) {
        Random random;

        random_init(&random, 1);
        for (unsigned i = 0; i < ROUNDS; i++) {
                uint8_t cdb[16];
                size_t size = (size_t) random_below(&random, sizeof(cdb) + 1);

                random_fill(&random, cdb, sizeof(cdb));
                ck_assert_uint_gt(strlen(scsi_cdb_name(cdb, size)), 0);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_cdb");
        TCase *tcase = tcase_create("scsi_cdb");

        tcase_add_loop_test(tcase, commands_have_names, 0, N_ELEMENTS(cdb_cases));
        tcase_add_test(tcase, each_entry_agrees_with_its_group);
        tcase_add_test(tcase, entries_are_in_the_order_of_their_codes);
        tcase_add_loop_test(tcase, builders_make_what_the_table_says, 0, N_ELEMENTS(built_cases));
        tcase_add_test(tcase, an_unmap_list_holds_its_one_range);
        tcase_add_test(tcase, any_bytes_have_some_name);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
