/* ATA registers in sense data, as bridges send them. */

#include "base/macros.h"
#include "smart/smart_registers.h"
#include "unit_test.h"

typedef struct RegistersCase {
        const char *what;
        size_t size;
        uint8_t sense[32];
        bool has_registers;
        SmartAtaRegisters registers;
} RegistersCase;

#define DESCRIPTOR 0x09, 0x0C, 0, 0, 0, 0x01, 0, 0x02, 0, 0x4F, 0, 0xC2, 0xA0, 0x50

static const RegistersCase cases[] = {
        { "nothing", 0, { 0 }, false, { 0 } },
        { "no sense data", 18, { 0x7F }, false, { 0 } },
        /* What two bridges sent after STANDBY IMMEDIATE and CHECK POWER MODE. */
        { "fixed, after STANDBY IMMEDIATE",
          14,
          { 0xF0, 0x00, 0x01, 0x00, 0x50, 0x40, 0x00, 0x0A, 0x80, 0x00, 0x00, 0x00, 0x00, 0x1D },
          true,
          { .status = 0x50, .device = 0x40 } },
        { "fixed, a drive that is active",
          14,
          { 0xF0, 0x00, 0x01, 0x00, 0x50, 0x00, 0xFF, 0x0A, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1D },
          true,
          { .status = 0x50, .count = 0xFF } },
        { "fixed, with an LBA",
          18,
          { 0x70, 0, 1, 0x04, 0x51, 0xE0, 0x07, 0x0A, 0, 0x11, 0x4F, 0xC2, 0, 0x1D },
          true,
          { .error = 0x04, .status = 0x51, .device = 0xE0, .count = 7, .lba = 0xC24F11 } },
        { "fixed, deferred",
          18,
          { 0x71, 0, 1, 0, 0x50, 0, 0, 0x0A, 0, 0, 0x4F, 0xC2, 0, 0x1D },
          true,
          { .status = 0x50, .lba = 0xC24F00 } },
        { "fixed, of another kind",
          18,
          { 0x70, 0, 5, 0, 0x50, 0, 0, 0x0A, 0, 0, 0x4F, 0xC2, 0x24, 0x00 },
          false,
          { 0 } },
        { "fixed, with no status",
          18,
          { 0x70, 0, 1, 0, 0x00, 0, 0, 0x0A, 0, 0, 0x4F, 0xC2, 0, 0x1D },
          false,
          { 0 } },
        { "fixed, cut off",
          13,
          { 0x70, 0, 1, 0, 0x50, 0, 0, 0x0A, 0, 0, 0x4F, 0xC2, 0 },
          false,
          { 0 } },
        { "a descriptor",
          22,
          { 0x72, 0x01, 0, 0x1D, 0, 0, 0, 14, DESCRIPTOR },
          true,
          { .status = 0x50, .device = 0xA0, .count = 1, .lba = 0xC24F02 } },
        { "a descriptor of 48 bits",
          22,
          { 0x72, 0x01, 0,    0x1D, 0,    0,    0,    14,   0x09, 0x0C, 1,
            0x10, 0x12, 0x34, 0x66, 0x33, 0x55, 0x22, 0x44, 0x11, 0x40, 0x51 },
          true,
          { .error = 0x10,
            .status = 0x51,
            .device = 0x40,
            .count = 0x1234,
            .lba = 0x445566112233 } },
        { "a descriptor behind another one",
          26,
          { 0x72, 0x01, 0, 0x1D, 0, 0, 0, 18, 0x03, 2, 0, 0, DESCRIPTOR },
          true,
          { .status = 0x50, .device = 0xA0, .count = 1, .lba = 0xC24F02 } },
        { "a descriptor cut off behind its device",
          21,
          { 0x72, 0x01, 0, 0x1D, 0, 0, 0, 14, DESCRIPTOR },
          true,
          { .device = 0xA0, .count = 1, .lba = 0xC24F02 } },
        { "a descriptor cut off behind its LBA",
          20,
          { 0x72, 0x01, 0, 0x1D, 0, 0, 0, 14, DESCRIPTOR },
          true,
          { .count = 1, .lba = 0xC24F02 } },
        { "a descriptor cut off in its LBA: 18 bytes of sense",
          18,
          { 0x72, 0x01, 0, 0x1D, 0, 0, 0, 14, DESCRIPTOR },
          false,
          { 0 } },
        { "no such descriptor", 12, { 0x72, 0x01, 0, 0x1D, 0, 0, 0, 4, 3, 2 }, false, { 0 } },
        { "a length that lies", 12, { 0x72, 0x01, 0, 0, 0, 0, 0, 255, 3, 255 }, false, { 0 } },
};

START_TEST(registers_are_found_in_both_formats) {
        const RegistersCase *c = &cases[_i];
        SmartAtaRegisters registers = { 0 };

        ck_assert_msg(smart_registers_parse(&registers, c->sense, c->size) == c->has_registers,
                      "%s", c->what);
        ck_assert_msg(registers.status == c->registers.status, "%s", c->what);
        ck_assert_msg(registers.error == c->registers.error, "%s", c->what);
        ck_assert_msg(registers.device == c->registers.device, "%s", c->what);
        ck_assert_msg(registers.count == c->registers.count, "%s", c->what);
        ck_assert_msg(registers.lba == c->registers.lba, "%s: %llx", c->what,
                      (unsigned long long) registers.lba);
}
END_TEST

START_TEST(only_a_ready_drive_without_an_error_is_good) {
        for (unsigned status = 0; status <= UINT8_MAX; status++) {
                SmartAtaRegisters registers = { .status = (uint8_t) status };

                ck_assert_int_eq(smart_registers_are_good(&registers), (status & 0xC1) == 0x40);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_registers");
        TCase *tcase = tcase_create("smart_registers");

        tcase_add_loop_test(tcase, registers_are_found_in_both_formats, 0, N_ELEMENTS(cases));
        tcase_add_test(tcase, only_a_ready_drive_without_an_error_is_good);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
