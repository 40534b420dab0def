/* CBW and CSW as bytes, and which CSWs are valid (BOT 1.0, 6.3.1) and meaningful (6.3.2). */

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "transport/bot_habits.h"

#define FUZZ_ROUNDS 200000
#define FUZZ_SIZE_MAX 16

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

START_TEST(a_cbw_is_laid_out_as_specified) {
        static const uint8_t command[] = { 0x28, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
        static const uint8_t expected[BOT_CBW_SIZE] = {
                0x55, 0x53, 0x42, 0x43,             /* signature */
                0x78, 0x56, 0x34, 0x12,             /* tag */
                0x00, 0x10, 0x02, 0x00,             /* data */
                0x80,                               /* flags */
                0x0F,                               /* LUN */
                0x0A,                               /* command size */
                0x28, 1,    2,    3,    4, 5, 6, 7, /* command */
                8,    9,    0,    0,    0, 0, 0, 0,
        };
        BotCbw cbw = {
                .tag = 0x12345678,
                .data_size = 0x21000,
                .is_in = true,
                .lun = 15,
                .command_size = sizeof(command),
                .command = command,
        };
        uint8_t bytes[BOT_CBW_SIZE];

        memset(bytes, 0xEE, sizeof(bytes));
        bot_protocol_encode_cbw(bytes, &cbw);
        ck_assert_mem_eq(bytes, expected, sizeof(expected));
}
END_TEST

START_TEST(a_csw_has_thirteen_bytes) {
        uint8_t bytes[32] = { 0x55, 0x53, 0x42, 0x53, 1, 0, 0, 0, 2, 1, 0, 0, 1 };
        BotCsw csw;

        for (size_t size = 0; size < sizeof(bytes); size++)
                ck_assert_int_eq(bot_protocol_decode_csw(&csw, bytes, size), size == BOT_CSW_SIZE);
        ck_assert_uint_eq(csw.signature, BOT_CSW_SIGNATURE);
        ck_assert_uint_eq(csw.tag, 1);
        ck_assert_uint_eq(csw.residue, 0x102);
        ck_assert_uint_eq(csw.status, BOT_CSW_STATUS_FAILED);
}
END_TEST

START_TEST(a_csw_is_valid_with_signature_and_tag) {
        BotCsw csw = { .signature = BOT_CSW_SIGNATURE, .tag = 7, .status = 0xFF };

        ck_assert(bot_protocol_csw_is_valid(&csw, BOT_CSW_SIGNATURE, 7));
        ck_assert(!bot_protocol_csw_is_valid(&csw, BOT_CSW_SIGNATURE, 8));
        ck_assert(!bot_protocol_csw_is_valid(&csw, BOT_CBW_SIGNATURE, 7));
}
END_TEST

START_TEST(a_csw_is_meaningful_as_specified) {
        static const struct {
                uint8_t status;
                uint32_t residue;
                bool is_meaningful;
        } rows[] = {
                { 0, 0, true },   { 0, 512, true },  { 0, 513, false },
                { 1, 512, true }, { 1, 513, false }, { 2, 0, true },
                { 2, 513, true }, { 3, 0, false },   { 255, 0, false },
        };

        for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
                BotCsw csw = { .status = rows[i].status, .residue = rows[i].residue };

                ck_assert_int_eq(bot_protocol_csw_is_meaningful(&csw, 512), rows[i].is_meaningful);
        }
}
END_TEST

START_TEST(no_bytes_upset_the_parser) {
        uint64_t seed = random_system_seed();
        uint8_t bytes[FUZZ_SIZE_MAX];
        Random random;

        fprintf(stderr, "Seed %#llx\n", (unsigned long long) seed);
        random_init(&random, seed);
        for (int i = 0; i < FUZZ_ROUNDS; i++) {
                random_fill(&random, bytes, sizeof(bytes));
                /* Mostly right, or nothing would ever be accepted. */
                if (!random_one_in(&random, 4))
                        memcpy(bytes + 1, "USBS\x04\x03\x02\x01", 8);
                bytes[13] &= random_one_in(&random, 2) ? 0x03 : 0xFF;
                LLVMFuzzerTestOneInput(bytes, random_one_in(&random, 4)
                                                              ? random_below(&random, sizeof(bytes))
                                                              : 1 + BOT_CSW_SIZE);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bot_protocol");
        TCase *tcase = tcase_create("bot_protocol");
        SRunner *runner;
        int n_failed;

        tcase_add_test(tcase, a_cbw_is_laid_out_as_specified);
        tcase_add_test(tcase, a_csw_has_thirteen_bytes);
        tcase_add_test(tcase, a_csw_is_valid_with_signature_and_tag);
        tcase_add_test(tcase, a_csw_is_meaningful_as_specified);
        tcase_add_test(tcase, no_bytes_upset_the_parser);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0;
}
