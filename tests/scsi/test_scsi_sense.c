/* Sense data as devices send it, in tables: both formats, cut short, with lengths that lie. */

#include <errno.h>
#include <string.h>

#include "base/macros.h"
#include "base/random.h"
#include "scsi/scsi_sense.h"
#include "unit_test.h"

#define ROUNDS 200000

typedef struct SenseCase {
        const char *what;
        uint8_t bytes[32];
        size_t size;
        const char *text; /* NULL: no sense data at all */
} SenseCase;

static const SenseCase sense_cases[] = {
        { "nothing", { 0 }, 0, NULL },
        { "two bytes", { 0x70, 0 }, 2, NULL },
        { "all zeroes", { 0 }, 18, NULL },
        { "an unknown response code", { 0x7F, 0, 3 }, 18, NULL },
        { "a vendor's response code", { 0x7E, 0, 3 }, 18, NULL },
        { "fixed, key alone",
          { 0x70, 0, 5 },
          3,
          "illegal request, no additional sense information (00/00)" },
        { "fixed",
          { 0x70, 0, 5, 0, 0, 0, 0, 10, [12] = 0x24 },
          18,
          "illegal request, invalid field in cdb (24/00)" },
        { "fixed, flags beside the key",
          { 0x70, 0, 0xE2, [12] = 0x3A },
          18,
          "not ready, medium not present (3a/00)" },
        { "fixed, additional length 0",
          { 0x70, 0, 6, [12] = 0x29, [13] = 1 },
          18,
          "unit attention, power on occurred (29/01)" },
        { "fixed, additional length too long",
          { 0x70, 0, 6, [7] = 255, [12] = 0x28 },
          18,
          "unit attention, not ready to ready change, medium may have changed (28/00)" },
        { "fixed, cut behind the ASC",
          { 0x70, 0, 3, [7] = 10, [12] = 0x11, [13] = 4 },
          13,
          "medium error, unrecovered read error (11/00)" },
        { "fixed with a block",
          { 0xF0, 0, 3, 0, 0, 0x04, 0xD2, 10, [12] = 0x11 },
          18,
          "medium error, unrecovered read error (11/00) at block 1234" },
        { "fixed, block not valid",
          { 0x70, 0, 3, 0, 0, 0x04, 0xD2, 10, [12] = 0x11 },
          18,
          "medium error, unrecovered read error (11/00)" },
        { "fixed, deferred",
          { 0x71, 0, 4, [12] = 0x44 },
          18,
          "deferred hardware error, internal target failure (44/00)" },
        { "fixed with progress",
          { 0x70, 0, 2, [7] = 10, [12] = 4, [13] = 4, [15] = 0x80, [16] = 0x80 },
          18,
          "not ready, logical unit not ready, format in progress (04/04), 50% done" },
        { "fixed, progress of a key that has none",
          { 0x70, 0, 5, [7] = 10, [12] = 0x24, [15] = 0xC0, [16] = 0x80 },
          18,
          "illegal request, invalid field in cdb (24/00)" },
        { "descriptor of three bytes", { 0x72, 3, 0x11 }, 3, NULL },
        { "descriptor, no descriptors",
          { 0x72, 3, 0x11, 0x04 },
          4,
          "medium error, unrecovered read error - auto reallocate failed (11/04)" },
        { "descriptor, deferred",
          { 0x73, 3, 0x0C, 0 },
          8,
          "deferred medium error, write error (0c/00)" },
        { "descriptor with a block beyond 32 bits",
          { 0x72, 3, 0x11, 0, [7] = 12, 0x00, 0x0A, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 2 },
          20,
          "medium error, unrecovered read error (11/00) at block 4294967298" },
        { "descriptor, block not valid",
          { 0x72, 3, 0x11, 0, [7] = 12, 0x00, 0x0A, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2 },
          20,
          "medium error, unrecovered read error (11/00)" },
        { "descriptor, cut within the block",
          { 0x72, 3, 0x11, 0, [7] = 12, 0x00, 0x0A, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 2 },
          19,
          "medium error, unrecovered read error (11/00)" },
        { "descriptor with progress behind another",
          { 0x72, 2, 4, 1, [7] = 12, 0x03, 0x02, 0, 0, 0x02, 0x06, 0, 0, 0x80, 0x40, 0 },
          20,
          "not ready, logical unit is in process of becoming ready (04/01), 25% done" },
        { "descriptors of length 0 up to the end",
          { 0x72, 1, 0x5D, 0, [7] = 255 },
          32,
          "recovered error, failure prediction threshold exceeded (5d/00)" },
};

START_TEST(sense_is_told_in_words) {
        const SenseCase *c = &sense_cases[_i];
        ScsiSense sense = { .key = SCSI_SENSE_KEY_MISCOMPARE };
        char text[SCSI_SENSE_TEXT_SIZE];
        int r = scsi_sense_decode(&sense, c->bytes, c->size);

        if (!c->text) {
                ck_assert_msg(r == -EBADMSG, "%s: %d", c->what, r);
                ck_assert_msg(sense.key == SCSI_SENSE_KEY_MISCOMPARE, "%s: written", c->what);
                return;
        }
        ck_assert_msg(r == 0, "%s: %d", c->what, r);
        ck_assert_str_eq(scsi_sense_format(&sense, text, sizeof(text)), c->text);
}
END_TEST

/* Exactly as large as what came, so that a sanitizer sees each byte read past it. */
START_TEST(any_bytes_are_survived) {
        Random random;

        random_init(&random, 2);
        for (unsigned i = 0; i < ROUNDS; i++) {
                size_t size = (size_t) random_below(&random, 64);
                uint8_t *bytes = malloc(MAX(size, (size_t) 1));
                ScsiSense sense;
                char text[SCSI_SENSE_TEXT_SIZE];

                ck_assert_ptr_nonnull(bytes);
                random_fill(&random, bytes, size);
                if (size > 0)
                        bytes[0] = (uint8_t) (0x70 + random_below(&random, 5));
                if (scsi_sense_decode(&sense, bytes, size) == 0) {
                        ck_assert_uint_lt(sense.key, _SCSI_SENSE_KEY_MAX);
                        scsi_sense_format(&sense, text, sizeof(text));
                }
                free(bytes);
        }
}
END_TEST

START_TEST(text_is_cut_to_its_room) {
        const ScsiSense sense = { .key = SCSI_SENSE_KEY_HARDWARE_ERROR };
        char text[9];

        ck_assert_str_eq(scsi_sense_format(&sense, text, sizeof(text)), "hardware");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_sense");
        TCase *tcase = tcase_create("scsi_sense");

        tcase_add_loop_test(tcase, sense_is_told_in_words, 0, N_ELEMENTS(sense_cases));
        tcase_add_test(tcase, any_bytes_are_survived);
        tcase_add_test(tcase, text_is_cut_to_its_room);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
