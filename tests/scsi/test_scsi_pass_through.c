/* Commands from outside: by hand, byte by byte, and each row of the table in all its wrong ways. */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "scsi/scsi_pass_through.h"
#include "scsi/scsi_refusal.h"
#include "unit_test.h"

#define N_BLOCKS 1000
#define BLOCK 512
#define TRANSFER_SIZE_MAX (1 * MIB)

#define DISK SCSI_DEVICE_TYPE_DISK
#define OPTICAL SCSI_DEVICE_TYPE_OPTICAL
#define NO TRANSPORT_DIRECTION_NONE
#define IN TRANSPORT_DIRECTION_IN
#define OUT TRANSPORT_DIRECTION_OUT

typedef struct HandCase {
        uint8_t device_type;
        uint8_t cdb[20];
        uint8_t cdb_size;
        TransportDirection direction;
        size_t data_size;
        ScsiDanger danger;  /* what it is, and the least that lets it through */
        int result;         /* with that danger */
        const char *reason; /* NULL: none */
} HandCase;

#define READS SCSI_DANGER_READS_DATA
#define WRITES SCSI_DANGER_WRITES_DATA
#define CHANGES SCSI_DANGER_CHANGES_STATE
#define DESTROYS SCSI_DANGER_DESTROYS
#define STATE SCSI_DANGER_NONE

/* From SPC-4, SBC-3, MMC-6 and SAT-3, the tables of the commands. */
static const HandCase hand_cases[] = {
        { DISK, { 0x00 }, 6, NO, 0, STATE, 0, NULL },
        { DISK, { 0x12, 0, 0, 0, 36 }, 6, IN, 36, STATE, 0, NULL },
        { DISK, { 0x12, 1, 0x80, 1, 0 }, 6, IN, 256, STATE, 0, NULL },
        { DISK,
          { 0x12, 0, 0, 0, 36 },
          6,
          IN,
          37,
          STATE,
          -EINVAL,
          "INQUIRY announces 36 bytes, and 37 come with it" },
        { DISK,
          { 0x12, 0, 0, 0, 36 },
          6,
          OUT,
          36,
          STATE,
          -EINVAL,
          "INQUIRY has data from the device, not data to the device" },
        { DISK, { 0x12, 0, 0, 0, 36 }, 10, IN, 36, STATE, -EINVAL, "INQUIRY has 6 bytes, not 10" },
        { DISK, { 0x08, 0, 0, 0, 0 }, 6, IN, 131072, READS, 0, NULL },
        { DISK, { 0x08, 0xE0, 0, 0, 1 }, 6, IN, 512, READS, 0, NULL },
        { DISK, { 0x0A, 0, 3, 0xE7, 1 }, 6, OUT, 512, WRITES, 0, NULL },
        { DISK,
          { 0x0A, 0, 3, 0xE7, 2 },
          6,
          OUT,
          1024,
          WRITES,
          -ERANGE,
          "WRITE(6) of 2 blocks at 999 goes beyond the medium's 1000" },
        { DISK, { 0x25 }, 10, IN, 8, STATE, 0, NULL },
        { DISK,
          { 0x25 },
          10,
          IN,
          32,
          STATE,
          -EINVAL,
          "READ CAPACITY(10) announces 8 bytes, and 32 come with it" },
        { DISK, { 0x28, 0, 0, 0, 3, 0xE0, 0, 0, 8 }, 10, IN, 4096, READS, 0, NULL },
        { DISK,
          { 0x28, 0, 0, 0, 3, 0xE1, 0, 0, 8 },
          10,
          IN,
          4096,
          READS,
          -ERANGE,
          "READ(10) of 8 blocks at 993 goes beyond the medium's 1000" },
        { DISK,
          { 0x28, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 8 },
          10,
          IN,
          4096,
          READS,
          -ERANGE,
          "READ(10) of 8 blocks at 4294967295 goes beyond the medium's 1000" },
        { DISK,
          { 0x28, 0, 0, 0, 0, 0, 0, 0, 8 },
          10,
          IN,
          512,
          READS,
          -EINVAL,
          "READ(10) announces 4096 bytes, and 512 come with it" },
        { DISK,
          { 0x28, 0, 0, 0, 0, 0, 0, 0, 8 },
          6,
          IN,
          4096,
          READS,
          -EINVAL,
          "READ(10) has 10 bytes, not 6" },
        { DISK, { 0x2A, 8, 0, 0, 0, 0, 0, 0, 1 }, 10, OUT, 512, WRITES, 0, NULL },
        { DISK, { 0x2F, 0, 0, 0, 0, 0, 0, 0, 2 }, 10, NO, 0, READS, 0, NULL },
        { DISK, { 0x2F, 2, 0, 0, 0, 0, 0, 0, 2 }, 10, OUT, 1024, READS, 0, NULL },
        { DISK, { 0x2F, 6, 0, 0, 0, 0, 0, 0, 2 }, 10, OUT, 512, READS, 0, NULL },
        { DISK,
          { 0x2F, 2, 0, 0, 0, 0, 0, 0, 2 },
          10,
          NO,
          0,
          READS,
          -EINVAL,
          "VERIFY(10) announces 1024 bytes, and 0 come with it" },
        { DISK,
          { 0x2B, 0, 0, 0, 3, 0xE8 },
          10,
          NO,
          0,
          CHANGES,
          -ERANGE,
          "SEEK(10) of 1 blocks at 1000 goes beyond the medium's 1000" },
        { DISK, { 0x35, 0, 0, 0, 3, 0xE8 }, 10, NO, 0, CHANGES, 0, NULL },
        { DISK,
          { 0x35, 0, 0, 0, 3, 0xE8, 0, 0, 1 },
          10,
          NO,
          0,
          CHANGES,
          -ERANGE,
          "SYNCHRONIZE CACHE(10) of 1 blocks at 1000 goes beyond the medium's 1000" },
        { DISK, { 0x3B, 2, 0, 0, 0, 0, 1, 0, 0 }, 10, OUT, 65536, DESTROYS, 0, NULL },
        { DISK, { 0x3E, 0, 0, 0, 3, 0xE7, 0, 2, 8 }, 10, IN, 520, READS, 0, NULL },
        { DISK, { 0x41, 0, 0, 0, 0, 0, 0, 0, 100 }, 10, OUT, 512, WRITES, 0, NULL },
        { DISK, { 0x42, 0, 0, 0, 0, 0, 0, 0, 24 }, 10, OUT, 24, WRITES, 0, NULL },
        { OPTICAL, { 0x42, 2, 0x40, 1, 0, 0, 0, 0, 16 }, 10, IN, 16, STATE, 0, NULL },
        { OPTICAL, { 0x43, 0, 0, 0, 0, 0, 0, 3, 0x24 }, 10, IN, 804, STATE, 0, NULL },
        { DISK,
          { 0x43, 0, 0, 0, 0, 0, 0, 3, 0x24 },
          10,
          IN,
          804,
          STATE,
          -EOPNOTSUPP,
          "READ TOC/PMA/ATIP is not for devices of type 00h" },
        { OPTICAL, { 0x51, 0, 0, 0, 0, 0, 0, 0, 34 }, 10, IN, 34, STATE, 0, NULL },
        { DISK,
          { 0x5F, 0, 0, 0, 0, 0, 0, 0, 24 },
          10,
          OUT,
          24,
          DESTROYS,
          -EPERM,
          "PERSISTENT RESERVE OUT is never passed on" },
        { DISK, { 0x85, 0x08, 0x0E, [6] = 1, [14] = 0xEC }, 16, IN, 512, STATE, 0, NULL },
        { DISK,
          { 0x85, 0x08, 0x0E, [6] = 1, [14] = 0xEC },
          16,
          OUT,
          512,
          STATE,
          -EINVAL,
          "ATA PASS-THROUGH(16) has data from the device, not data to the device" },
        { DISK, { 0x85, 0x09, 0x0E, [5] = 1, 0, [14] = 0x2F }, 16, IN, 131072, STATE, 0, NULL },
        { DISK,
          { 0x85, 0x08, 0x0E, [4] = 0xD0, [6] = 1, [10] = 0x4F, [12] = 0xC2, [14] = 0xB0 },
          16,
          IN,
          512,
          STATE,
          0,
          NULL },
        { DISK,
          { 0x85, 0x06, 0x00, [4] = 0xD8, [10] = 0x4F, [12] = 0xC2, [14] = 0xB0 },
          16,
          NO,
          0,
          DESTROYS,
          0,
          NULL },
        { DISK, { 0xA1, 0x08, 0x0E, 0, 1, [9] = 0xEC }, 12, IN, 512, STATE, 0, NULL },
        { DISK, { 0xA1, 0x0A, 0x06, 0, 1, [9] = 0x92 }, 12, OUT, 512, DESTROYS, 0, NULL },
        { DISK, { 0xA1, 0x06, 0x03, 0, 1, [9] = 0xE5 }, 12, NO, 0, STATE, 0, NULL },
        { OPTICAL, { 0xA1, 1 }, 12, NO, 0, DESTROYS, 0, NULL },
        { DISK, { 0x88, [13] = 2 }, 16, IN, 1024, READS, 0, NULL },
        { DISK,
          { 0x88, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, [13] = 2 },
          16,
          IN,
          1024,
          READS,
          -ERANGE,
          "READ(16) of 2 blocks at 18446744073709551615 goes beyond the medium's 1000" },
        { DISK, { 0x89, [13] = 1 }, 16, OUT, 1024, WRITES, 0, NULL },
        { DISK, { 0x93, 8, [13] = 100 }, 16, OUT, 512, WRITES, 0, NULL },
        { DISK, { 0x93, 9, [13] = 100 }, 16, NO, 0, WRITES, 0, NULL },
        { DISK, { 0x9E, 0x10, [13] = 32 }, 16, IN, 32, STATE, 0, NULL },
        { DISK, { 0x9E, 0x12, [9] = 0xFF, [13] = 24 }, 16, IN, 24, STATE, 0, NULL },
        { DISK,
          { 0x9E, 0x12, [8] = 4, 0, [13] = 24 },
          16,
          IN,
          24,
          STATE,
          -ERANGE,
          "GET LBA STATUS of 1 blocks at 1024 goes beyond the medium's 1000" },
        { DISK, { 0x9E, 0x1F, [13] = 32 }, 16, IN, 32, DESTROYS, -EOPNOTSUPP, "9Eh is not known" },
        { DISK, { 0xA0, [9] = 64 }, 12, IN, 64, STATE, 0, NULL },
        { DISK, { 0xA2, 0, 0, 0, 0x80, 0, 0, 0, 0, 1 }, 12, IN, 512, STATE, 0, NULL },
        { DISK, { 0xA2, 0, 0, 0, 0, 0, 0, 0, 2, 0 }, 12, IN, 512, STATE, 0, NULL },
        { DISK, { 0xA3, 0x0C, 1, 0, 0, 0, 0, 0, 2 }, 12, IN, 512, STATE, 0, NULL },
        { DISK, { 0xA8, [9] = 3 }, 12, IN, 1536, READS, 0, NULL },
        { DISK, { 0xAA, [9] = 3 }, 12, OUT, 1536, WRITES, 0, NULL },
        { OPTICAL, { 0xBE, 0, 0, 0, 0, 0, 0, 0, 1, 0xF8 }, 12, IN, 2352, READS, 0, NULL },
        { OPTICAL,
          { 0xBE, 0, 0, 0, 4, 0, 0, 0, 1, 0xF8 },
          12,
          IN,
          2352,
          READS,
          -ERANGE,
          "READ CD of 1 blocks at 1024 goes beyond the medium's 1000" },
        { DISK, { 0x04, 0x10 }, 6, OUT, 12, DESTROYS, 0, NULL },
        { DISK, { 0x16 }, 6, NO, 0, DESTROYS, -EPERM, "RESERVE(6) is never passed on" },
        { DISK,
          { 0x7F, [7] = 24 },
          16,
          OUT,
          512,
          DESTROYS,
          -EPERM,
          "variable-length command is never passed on" },
        { DISK,
          { 0x7F, [7] = 12 },
          20,
          OUT,
          512,
          DESTROYS,
          -EINVAL,
          "a command has 1 to 16 bytes, not 20" },
        { DISK, { 0x00 }, 0, NO, 0, STATE, -EINVAL, "a command has 1 to 16 bytes, not 0" },
        { DISK, { 0xC0 }, 10, NO, 0, DESTROYS, -EOPNOTSUPP, "C0h is not known" },
        { DISK, { 0x00 }, 6, NO, 1, STATE, -EINVAL, "no data do not go with 1 bytes" },
        { DISK, { 0x00 }, 6, IN, 0, STATE, -EINVAL, "data from the device do not go with 0 bytes" },
        { DISK,
          { 0x28, [7] = 0x10 },
          10,
          IN,
          2097152,
          READS,
          -E2BIG,
          "2097152 bytes are more than the 1048576 of one command" },
};

static ScsiPassThroughLimits get_limits(uint8_t device_type, ScsiDanger danger_max) {
        return (ScsiPassThroughLimits){
                .device_type = device_type,
                .n_blocks = N_BLOCKS,
                .block_size = BLOCK,
                .transfer_size_max = TRANSFER_SIZE_MAX,
                .danger_max = danger_max,
        };
}

START_TEST(commands_are_judged_by_their_bytes) {
        const HandCase *c = &hand_cases[_i];
        const ScsiPassThrough command = { c->cdb, c->cdb_size, c->direction, c->data_size };
        ScsiPassThroughLimits limits = get_limits(c->device_type, c->danger);
        char reason[SCSI_PASS_THROUGH_REASON_SIZE] = "";

        ck_assert_int_eq(scsi_pass_through_check(&command, &limits, reason), c->result);
        ck_assert_str_eq(reason, c->reason ?: "");
        if (c->result != 0)
                return;
        ck_assert_int_eq(scsi_pass_through_judge(c->cdb, c->cdb_size, c->device_type), c->danger);
        if (c->danger > 0) {
                limits.danger_max = c->danger - 1;
                ck_assert_int_eq(scsi_pass_through_check(&command, &limits, reason), -EPERM);
                ck_assert_ptr_nonnull(strstr(reason, scsi_danger_to_string(c->danger)));
        }
}
END_TEST

/* Each row */

typedef struct Row {
        const ScsiCdbInfo *info;
        uint8_t cdb[SCSI_CDB_SIZE_MAX];
        uint8_t device_type;
        ScsiPassThrough command;
} Row;

static void put(uint8_t *bytes, size_t size, uint64_t value) {
        for (size_t i = size; i > 0; i--, value >>= 8)
                bytes[i - 1] = (uint8_t) value;
}

static size_t get_row_size(ScsiCdbUnit unit) {
        switch (unit) {
        case SCSI_CDB_UNIT_NONE:
        case SCSI_CDB_UNIT_VERIFIED:
        case SCSI_CDB_UNIT_ATA:
                return 0;
        case SCSI_CDB_UNIT_BYTES:
        case SCSI_CDB_UNIT_BYTES_OR_512:
                return 4;
        case SCSI_CDB_UNIT_BLOCKS:
                return 4 * BLOCK;
        case SCSI_CDB_UNIT_EIGHT:
                return 8;
        case SCSI_CDB_UNIT_ONE_BLOCK:
                return BLOCK;
        case SCSI_CDB_UNIT_TWO_TIMES:
                return 8 * BLOCK;
        case SCSI_CDB_UNIT_OPEN:
                return 100;
        case _SCSI_CDB_UNIT_MAX:
                break;
        }
        ck_abort_msg("no such unit");
}

/* A command of that row with 4 bytes or blocks at block 7; ATA without data, VERIFY without, too. */
static void row_init(Row *row, const ScsiCdbInfo *info) {
        size_t size = get_row_size(info->unit);

        *row = (Row){ .info = info };
        while (!(info->device_types & UINT32_C(1) << row->device_type))
                row->device_type++;
        row->cdb[0] = info->opcode;
        if (info->service_action >= 0)
                row->cdb[1] = (uint8_t) info->service_action;
        put(row->cdb + info->length_offset, info->length_size, 4);
        put(row->cdb + info->lba_offset, info->lba_size, 7);
        row->command = (ScsiPassThrough){
                .cdb = row->cdb,
                .cdb_size = info->size > 0 ? info->size : SCSI_CDB_SIZE_MAX,
                .direction = size > 0 ? info->direction : TRANSPORT_DIRECTION_NONE,
                .data_size = size,
        };
}

static int check_row(const Row *row, ScsiDanger danger_max) {
        ScsiPassThroughLimits limits = get_limits(row->device_type, danger_max);
        char reason[SCSI_PASS_THROUGH_REASON_SIZE];
        int r;

        r = scsi_pass_through_check(&row->command, &limits, reason);
        if (r < 0 && r != -EOPNOTSUPP)
                ck_assert_msg(strstr(reason, row->info->name), "%s: %s", row->info->name, reason);
        return r;
}

static void expect(const Row *row, const char *what, int expected) {
        int r = check_row(row, SCSI_DANGER_DESTROYS);

        ck_assert_msg(r == expected, "%s, %s: %d", row->info->name, what, r);
}

static void check_row_data(const ScsiCdbInfo *info) {
        bool is_told = info->unit != SCSI_CDB_UNIT_OPEN && info->unit != SCSI_CDB_UNIT_NONE &&
                       info->unit != SCSI_CDB_UNIT_VERIFIED && info->unit != SCSI_CDB_UNIT_ATA;
        Row row;

        row_init(&row, info);
        if (info->unit == SCSI_CDB_UNIT_NONE) {
                row.command.direction = TRANSPORT_DIRECTION_IN;
                row.command.data_size = 4;
                expect(&row, "data where there is none", -EINVAL);
        }
        if (is_told) {
                row.command.data_size++;
                expect(&row, "one byte too many", -EINVAL);
                row.command.data_size--;
        }
        if (row.command.data_size > 0) {
                row.command.direction = row.command.direction == TRANSPORT_DIRECTION_IN
                                                        ? TRANSPORT_DIRECTION_OUT
                                                        : TRANSPORT_DIRECTION_IN;
                expect(&row, "the wrong direction", -EINVAL);
        }
}

static void check_row_range(const ScsiCdbInfo *info) {
        Row row;

        if (info->lba_size == 0)
                return;
        row_init(&row, info);
        put(row.cdb + info->lba_offset, info->lba_size, N_BLOCKS);
        expect(&row, "behind the last block", -ERANGE);
}

static void check_row_shape(const ScsiCdbInfo *info) {
        Row row;

        row_init(&row, info);
        row.command.cdb_size--;
        expect(&row, "one byte short", -EINVAL);
        if (info->device_types != UINT32_MAX) {
                row_init(&row, info);
                row.device_type = 0x1E;
                expect(&row, "for another type", -EOPNOTSUPP);
        }
}

START_TEST(each_row_passes_as_it_is_meant_and_in_no_other_way) {
        for (size_t i = 0; scsi_cdb_get(i); i++) {
                const ScsiCdbInfo *info = scsi_cdb_get(i);
                Row row;

                row_init(&row, info);
                ck_assert_ptr_eq(scsi_cdb_find_for(row.cdb, sizeof(row.cdb), row.device_type),
                                 info);
                if (info->danger == SCSI_DANGER_BLOCKED) {
                        expect(&row, "blocked", -EPERM);
                        continue;
                }
                expect(&row, "as it is meant", 0);
                ck_assert_int_eq(check_row(&row, info->danger), 0);
                if (info->danger > 0)
                        ck_assert_int_eq(check_row(&row, info->danger - 1), -EPERM);
                check_row_data(info);
                check_row_range(info);
                check_row_shape(info);
        }
}
END_TEST

START_TEST(what_a_device_must_not_see_does_not_pass) {
        const uint8_t cdb[16] = { 0x85, 0x08, 0x0E, [6] = 1, [14] = 0xEC };
        const ScsiPassThrough command = { cdb, sizeof(cdb), IN, 512 };
        ScsiPassThroughLimits limits = get_limits(DISK, SCSI_DANGER_DESTROYS);
        char reason[SCSI_PASS_THROUGH_REASON_SIZE];

        limits.refusals = SCSI_REFUSAL_ATA;
        ck_assert_int_eq(scsi_pass_through_check(&command, &limits, reason), -EOPNOTSUPP);
        ck_assert_str_eq(reason, "ATA PASS-THROUGH(16) is known to break this device");
}
END_TEST

START_TEST(without_a_medium_the_device_tells_what_is_beyond) {
        const uint8_t cdb[10] = { 0x28, [2] = 0xFF, [8] = 8 };
        const ScsiPassThrough command = { cdb, sizeof(cdb), IN, 4096 };
        ScsiPassThroughLimits limits = get_limits(DISK, SCSI_DANGER_READS_DATA);
        char reason[SCSI_PASS_THROUGH_REASON_SIZE];

        limits.n_blocks = limits.block_size = 0;
        ck_assert_int_eq(scsi_pass_through_check(&command, &limits, reason), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_pass_through");
        TCase *tcase = tcase_create("scsi_pass_through");

        tcase_add_loop_test(tcase, commands_are_judged_by_their_bytes, 0, N_ELEMENTS(hand_cases));
        tcase_add_test(tcase, each_row_passes_as_it_is_meant_and_in_no_other_way);
        tcase_add_test(tcase, what_a_device_must_not_see_does_not_pass);
        tcase_add_test(tcase, without_a_medium_the_device_tells_what_is_beyond);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
