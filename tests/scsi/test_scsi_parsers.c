/* The parsers of what bring-up is told, in tables, and with random bytes. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "scsi/scsi_format_capacity.h"
#include "scsi/scsi_inquiry.h"
#include "scsi/scsi_media_event.h"
#include "scsi/scsi_mode.h"
#include "scsi/scsi_optical.h"
#include "scsi/scsi_vpd.h"
#include "unit_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ROUNDS 300000

typedef struct ModeCase {
        const char *what;
        bool is_10;
        uint8_t device_type;
        size_t size;
        uint8_t bytes[48];
        const char *flags; /* p: protected, f: FUA, c: caching page, w: writes cached; NULL: none */
} ModeCase;

static const ModeCase mode_cases[] = {
        { "nothing", false, 0, 0, { 0 }, NULL },
        { "less than a header", false, 0, 3, { 3, 0, 0x80 }, NULL },
        { "less than a header of 10", true, 0, 7, { 0, 6, 0, 0x80 }, NULL },
        { "a header", false, 0, 4, { 3 }, "" },
        { "protected", false, 0, 4, { 3, 0, 0x80 }, "p" },
        { "a header with length 0", false, 0, 4, { 0, 0, 0x90 }, "pf" },
        { "write cache", false, 0, 24, { 23, 0, 0x10, 0, 0x08, 18, 0x04 }, "fcw" },
        { "write cache off", false, 0, 24, { 23, 0, 0, 0, 0x88, 18, 0x01 }, "c" },
        { "write cache in 10", true, 0, 28, { 0, 26, 0, 0x10, 0, 0, 0, 0, 0x08, 18, 0x04 }, "fcw" },
        { "behind a block descriptor",
          false,
          0,
          32,
          { 31, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0x08, 18, 0x04 },
          "cw" },
        { "behind a block descriptor that is longer than everything",
          false,
          0,
          24,
          { 23, 0, 0, 255, 0x08, 18, 0x04 },
          "" },
        { "behind other pages",
          false,
          0,
          32,
          { 31, 0, 0, 0, 0x01, 2, 0, 0, 0x1C, 4, 0, 0, 0, 0, 0x08, 18, 0x04 },
          "cw" },
        { "a subpage of the same code",
          false,
          0,
          12,
          { 11, 0, 0, 0, 0x48, 1, 0, 4, 4, 4, 4, 4 },
          "" },
        { "a subpage, then the page",
          false,
          0,
          20,
          { 19, 0, 0, 0, 0x41, 1, 0, 2, 0, 0, 0x08, 8, 0x04 },
          "cw" },
        { "a page beyond the data length", false, 0, 24, { 3, 0, 0, 0, 0x08, 18, 0x04 }, "" },
        { "a data length beyond what came", false, 0, 7, { 255, 0, 0, 0, 0x08, 18, 0x04 }, "cw" },
        { "a page cut before its flags", false, 0, 6, { 255, 0, 0, 0, 0x08, 18 }, "" },
        { "pages of length 0", false, 0, 48, { 47 }, "" },
        { "RBC", false, 0x0E, 16, { 15, 0, 0, 0, 0x06, 11, 0x00 }, "cw" },
        { "RBC without cache", false, 0x0E, 16, { 15, 0, 0, 0, 0x06, 11, 0x01 }, "c" },
        { "page 6 of a disk", false, 0, 16, { 15, 0, 0, 0, 0x06, 11, 0x00 }, "" },
};

START_TEST(modes_are_read) {
        const ModeCase *c = &mode_cases[_i];
        ScsiMode mode;
        char flags[8];
        int r;

        r = scsi_mode_parse(&mode, c->bytes, c->size, c->is_10, c->device_type);
        ck_assert_msg(r == (c->flags ? 0 : -EBADMSG), "%s: %d", c->what, r);
        if (!c->flags)
                return;
        snprintf(flags, sizeof(flags), "%s%s%s%s", mode.is_read_only ? "p" : "",
                 mode.has_fua ? "f" : "", mode.has_cache_page ? "c" : "",
                 mode.has_write_cache ? "w" : "");
        ck_assert_msg(strcmp(flags, c->flags) == 0, "%s: %s", c->what, flags);
}
END_TEST

typedef struct NameCase {
        const char *what;
        size_t size;
        uint8_t bytes[64];
        const char *identifier;
        const char *wwn; /* NULL: none */
} NameCase;

#define NAA 0x01, 0x03, 0, 8, 0x50, 1, 2, 3, 4, 5, 6, 7
#define VENDOR 0x02, 0x01, 0, 4, 'A', 'C', 'M', 'E'
#define PORT 0x01, 0x13, 0, 4, 9, 9, 9, 9

static const NameCase name_cases[] = {
        { "no names", 4, { 0, 0x83 }, "" },
        { "a vendor's", 12, { 0, 0x83, 0, 8, VENDOR }, "ACME" },
        { "the better of two",
          24,
          { 0, 0x83, 0, 20, VENDOR, NAA },
          "5001020304050607",
          "5001020304050607" },
        { "the better of two, the other way round",
          24,
          { 0, 0x83, 0, 20, NAA, VENDOR },
          "5001020304050607",
          "5001020304050607" },
        { "a name for its maker alone, as text",
          16,
          { 0, 0x83, 0, 12, 2, 3, 0, 8, 'n', 'a', 'a', '.', '5', '0', '0', '1' },
          "naa.5001" },
        { "a port's name is not the unit's", 20, { 0, 0x83, 0, 16, PORT, VENDOR }, "ACME" },
        { "a name cut off", 10, { 0, 0x83, 0, 8, VENDOR }, "" },
        { "a name longer than the page", 12, { 0, 0x83, 0, 8, 2, 1, 0, 200, 'A' }, "" },
        { "an empty name", 8, { 0, 0x83, 0, 4, 2, 1, 0, 0 }, "" },
        { "a long binary name",
          60,
          { 0, 0x83, 0, 56, 1, 3, 0, 52, 0xAB, [40] = 0xCD },
          "ab00000000000000000000000000000000000000000000000000000000000000",
          "ab000000000000000000000000000000" },
        { "a name with control characters",
          12,
          { 0, 0x83, 0, 8, 2, 1, 0, 4, 'A', '\n', 0x1B, 'B' },
          "A??B" },
};

START_TEST(names_are_chosen) {
        const NameCase *c = &name_cases[_i];
        ScsiDisk disk = { .block_size = 512, .transfer_size_max = 65536 };

        scsi_vpd_parse(&disk, SCSI_VPD_PAGE_IDENTIFICATION, c->bytes, c->size);
        ck_assert_msg(strcmp(disk.identifier, c->identifier) == 0, "%s: %s", c->what,
                      disk.identifier);
        ck_assert_msg(strcmp(disk.wwn, c->wwn ? c->wwn : "") == 0, "%s: %s", c->what, disk.wwn);
}
END_TEST

typedef struct LimitsCase {
        const char *what;
        size_t size;
        uint8_t bytes[64];
        uint32_t transfer_size_max;
        uint32_t transfer_size_optimal;
        uint32_t unmap_blocks_max;
} LimitsCase;

static const LimitsCase limits_cases[] = {
        { "none", 64, { 0, 0xB0, 0, 60 }, 65536, 0, 0 },
        { "smaller than the transport's", 64, { 0, 0xB0, 0, 60, [11] = 64 }, 32768, 0, 0 },
        { "larger than the transport's", 64, { 0, 0xB0, 0, 60, [8] = 0xFF }, 65536, 0, 0 },
        { "so large that bytes overflow 32 bits", 64, { 0, 0xB0, 0, 60, [8] = 0x80 }, 65536, 0, 0 },
        { "optimal beyond maximal", 64, { 0, 0xB0, 0, 60, [11] = 8, [15] = 16 }, 4096, 4096, 0 },
        { "of SBC-2", 16, { 0, 0xB0, 0, 12, [11] = 64, [15] = 32 }, 32768, 16384, 0 },
        { "cut", 15, { 0, 0xB0, 0, 12, [11] = 64 }, 65536, 0, 0 },
        { "unmapping", 64, { 0, 0xB0, 0, 60, [23] = 9, [27] = 1 }, 65536, 0, 9 },
        { "unmapping without descriptors", 64, { 0, 0xB0, 0, 60, [23] = 9 }, 65536, 0, 0 },
};

START_TEST(limits_are_the_least) {
        const LimitsCase *c = &limits_cases[_i];
        ScsiDisk disk = { .block_size = 512, .transfer_size_max = 65536 };

        scsi_vpd_parse(&disk, SCSI_VPD_PAGE_LIMITS, c->bytes, c->size);
        ck_assert_msg(disk.transfer_size_max == c->transfer_size_max, "%s", c->what);
        ck_assert_msg(disk.transfer_size_optimal == c->transfer_size_optimal, "%s", c->what);
        ck_assert_msg(disk.unmap_blocks_max == c->unmap_blocks_max, "%s", c->what);
}
END_TEST

typedef struct TextCase {
        const char *bytes;
        size_t size;
        const char *text;
} TextCase;

static const TextCase text_cases[] = {
        { "", 0, "" },         { "    ", 4, "" },      { "\0\0\0", 3, "" },
        { " a b ", 5, "a b" }, { "a\0b\0", 4, "a?b" }, { "\x7F\x80\xFF\t", 4, "????" },
};

START_TEST(text_is_made_harmless) {
        const TextCase *c = &text_cases[_i];
        char text[16];

        scsi_inquiry_copy_text(text, (const uint8_t *) c->bytes, c->size);
        ck_assert_str_eq(text, c->text);
}
END_TEST

START_TEST(any_bytes_are_survived) {
        Random random;

        random_init(&random, 3);
        for (unsigned i = 0; i < FUZZ_ROUNDS; i++) {
                uint8_t bytes[260];
                size_t size = (size_t) random_below(&random, sizeof(bytes));
                static const uint8_t pages[] = { 0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2 };

                random_fill(&random, bytes, sizeof(bytes));
                bytes[1] = pages[random_below(&random, N_ELEMENTS(pages))];
                /* Small lengths keep the walks going. */
                if (random_one_in(&random, 2))
                        for (size_t j = 2; j < sizeof(bytes); j++)
                                bytes[j] &= 0x0F;
                LLVMFuzzerTestOneInput(bytes, size);
        }
}
END_TEST

typedef struct DiscCase {
        const char *what;
        ScsiOptical optical;
        ScsiOpticalDisc disc;
} DiscCase;

static const DiscCase disc_cases[] = {
        { "nothing is known", { 0 }, SCSI_OPTICAL_DISC_DATA },
        { "a closed data disc",
          { .has_status = true, .n_data_tracks = 1 },
          SCSI_OPTICAL_DISC_DATA },
        { "a blank disc", { .has_status = true, .is_empty = true }, SCSI_OPTICAL_DISC_BLANK },
        { "music", { .has_status = true, .n_audio_tracks = 12 }, SCSI_OPTICAL_DISC_AUDIO },
        { "music, and no status", { .n_audio_tracks = 1 }, SCSI_OPTICAL_DISC_AUDIO },
        { "music behind data",
          { .n_audio_tracks = 9, .n_data_tracks = 1 },
          SCSI_OPTICAL_DISC_DATA },
};

START_TEST(a_disc_is_what_its_drive_tells) {
        const DiscCase *c = &disc_cases[_i];

        ck_assert_msg(scsi_optical_judge(&c->optical) == c->disc, "%s", c->what);
        ck_assert((scsi_optical_disc_get_obstacle(c->disc) == NULL) ==
                  (c->disc == SCSI_OPTICAL_DISC_DATA));
}
END_TEST

START_TEST(tracks_are_counted_as_far_as_they_came) {
        static const uint8_t toc[] = { 0, 34,   1, 3, 0, 0x14, 1,    0, 0, 0,    0,    0,
                                       0, 0x10, 2, 0, 0, 0,    1,    0, 0, 0x12, 3,    0,
                                       0, 0,    2, 0, 0, 0x14, 0xAA, 0, 0, 5,    0x43, 0x21 };

        for (size_t size = 0; size <= sizeof(toc); size++) {
                ScsiOptical optical = { 0 };
                int r = scsi_optical_parse_toc(&optical, toc, size);

                ck_assert_int_eq(r, size < 12 ? -EBADMSG : 0);
                ck_assert_uint_eq(optical.n_data_tracks, size < 12 ? 0 : 1);
                ck_assert_uint_eq(optical.n_audio_tracks, size < 20 ? 0 : size < 28 ? 1 : 2);
                ck_assert_uint_eq(optical.lead_out, size < 36 ? 0 : 0x54321);
        }
}
END_TEST

typedef struct DiscCapacityCase {
        ScsiCapacity told;
        uint32_t lead_out;
        uint64_t last_lba; /* 0: unknown */
        uint32_t block_size;
} DiscCapacityCase;

static const DiscCapacityCase disc_capacity_cases[] = {
        { { .last_lba = 999, .block_size = 2048 }, 0, 999, 2048 },
        { { .last_lba = 999, .block_size = 2048 }, 2000, 999, 2048 },
        { { .last_lba = 999, .block_size = 512 }, 0, 999, 512 },
        { { .last_lba = 999, .block_size = 0 }, 0, 999, 2048 },
        { { .last_lba = 999, .block_size = 2340 }, 0, 999, 2048 },
        { { .last_lba = 999, .block_size = 2352 }, 0, 999, 2048 },
        { { .last_lba = UINT32_MAX, .block_size = 2048 }, 500, 499, 2048 },
        { { .last_lba = UINT32_MAX, .block_size = 2048 }, 0, 0, 2048 },
        { { 0 }, 500, 499, 2048 },
        { { 0 }, 1, 0, 2048 },
        { { 0 }, 0, 0, 2048 },
};

START_TEST(the_size_of_a_disc_is_never_guessed) {
        const DiscCapacityCase *c = &disc_capacity_cases[_i];
        ScsiOptical optical = { .lead_out = c->lead_out };
        ScsiCapacity capacity = c->told;

        ck_assert(scsi_optical_fix_capacity(&capacity, &optical) == (c->last_lba > 0));
        ck_assert_uint_eq(capacity.block_size, c->block_size);
        if (c->last_lba > 0)
                ck_assert_uint_eq(capacity.last_lba, c->last_lba);
}
END_TEST

typedef struct EjectCase {
        const char *what;
        uint8_t bytes[16];
        size_t size;
        int r;
        bool cannot_eject;
} EjectCase;

static const EjectCase eject_cases[] = {
        { "a tray", { 0, 0, 0, 12, [9] = 3, 3, 4, 0x29 }, 16, 0, false },
        { "a slot that keeps what is in it", { 0, 0, 0, 12, [9] = 3, 3, 4, 0x01 }, 16, 0, true },
        { "no such feature", { 0, 0, 0, 4 }, 16, -EBADMSG, false },
        { "another feature", { 0, 0, 0, 12, [9] = 1, 3, 4, 0x01 }, 16, -EBADMSG, false },
        { "an answer cut off", { 0, 0, 0, 12, [9] = 3, 3, 4 }, 12, -EBADMSG, false },
};

START_TEST(a_drive_may_tell_that_it_cannot_eject) {
        const EjectCase *c = &eject_cases[_i];
        ScsiOptical optical = { 0 };

        ck_assert_msg(scsi_optical_parse_removable(&optical, c->bytes, c->size) == c->r, "%s",
                      c->what);
        ck_assert_msg(scsi_optical_get_disc(&optical).cannot_eject == c->cannot_eject, "%s",
                      c->what);
}
END_TEST

typedef struct MediaEventCase {
        const char *what;
        uint8_t bytes[8];
        size_t size;
        int r;
        ScsiMediaEvent event;
} MediaEventCase;

#define CODE(code) SCSI_MEDIA_EVENT_CODE_##code

static const MediaEventCase media_event_cases[] = {
        { "nothing, with a disc", { 0, 6, 4, 0x10, 0, 2 }, 8, 0, { CODE(NONE), true } },
        { "nothing, without one", { 0, 6, 4, 0x10, 0, 0 }, 8, 0, { CODE(NONE), false } },
        { "a button", { 0, 6, 4, 0x10, 1, 2 }, 8, 0, { CODE(EJECT_REQUEST), true } },
        { "a new disc", { 0, 6, 4, 0x10, 2, 2 }, 8, 0, { CODE(NEW_MEDIUM), true } },
        { "an open tray", { 0, 6, 4, 0x10, 3, 1 }, 8, 0, { CODE(REMOVAL), false, true } },
        { "a disc in an open tray", { 0, 6, 4, 0x10, 0, 3 }, 8, 0, { CODE(NONE), false, true } },
        { "another slot", { 0, 6, 4, 0x10, 4, 2 }, 8, 0, { CODE(CHANGED), true } },
        { "a format in the background", { 0, 6, 4, 0x10, 5, 2 }, 8, 0, { CODE(NONE), true } },
        { "reserved bits", { 0, 6, 0x7C, 0xFF, 0xF2, 0xFE }, 8, 0, { CODE(NEW_MEDIUM), true } },
        { "a short descriptor", { 0, 4, 4, 0x10, 2, 2 }, 6, 0, { CODE(NEW_MEDIUM), true } },
        { "less than that", { 0, 4, 4, 0x10, 2 }, 5, -EBADMSG, { 0 } },
        { "a header alone", { 0, 2, 4, 0x10 }, 8, -EBADMSG, { 0 } },
        { "no event available", { 0, 6, 0x84, 0x10, 2, 2 }, 8, -EBADMSG, { 0 } },
        { "another class", { 0, 6, 3, 0x10, 2, 2 }, 8, -EBADMSG, { 0 } },
        { "nothing at all", { 0 }, 0, -EBADMSG, { 0 } },
};

START_TEST(a_drive_tells_what_happened_to_its_medium) {
        const MediaEventCase *c = &media_event_cases[_i];
        ScsiMediaEvent event = { 0 };

        ck_assert_msg(scsi_media_event_parse(&event, c->bytes, c->size) == c->r, "%s", c->what);
        ck_assert_msg(event.code == c->event.code && event.is_present == c->event.is_present &&
                                      event.is_tray_open == c->event.is_tray_open,
                      "%s", c->what);
}
END_TEST

typedef struct FormatCase {
        const char *what;
        uint8_t bytes[20];
        size_t size;
        int r;
        ScsiFormatCapacity format;
} FormatCase;

#define TYPE(type) SCSI_FORMAT_CAPACITY_TYPE_##type

static const FormatCase format_cases[] = {
        { "unformatted",
          { 0, 0, 0, 8, 0, 0, 0x0B, 0x40, 1, 0, 2, 0 },
          12,
          0,
          { TYPE(UNFORMATTED), 2880, 512 } },
        { "formatted, with what else is possible",
          { 0, 0, 0, 16, 0, 0, 0x05, 0xA0, 2, 0, 2, 0, 0, 0, 0x0B, 0x40, 0, 0, 2, 0 },
          20,
          0,
          { TYPE(FORMATTED), 1440, 512 } },
        { "no medium",
          { 0, 0, 0, 8, 0, 0, 0x0B, 0x40, 3, 0, 2, 0 },
          12,
          0,
          { TYPE(NO_MEDIUM), 2880, 512 } },
        { "reserved bits",
          { 9, 9, 9, 8, 0, 0, 0x0B, 0x40, 0xFE, 0, 2, 0 },
          12,
          0,
          { TYPE(FORMATTED), 2880, 512 } },
        { "large numbers",
          { 0, 0, 0, 8, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0xFF, 0xFF, 0xFF },
          12,
          0,
          { TYPE(FORMATTED), UINT32_MAX, 0xFFFFFF } },
        { "no type", { 0, 0, 0, 8, 0, 0, 0x0B, 0x40, 0, 0, 2, 0 }, 12, -EBADMSG, { 0 } },
        { "no descriptor", { 0, 0, 0, 0, 0, 0, 0x0B, 0x40, 2, 0, 2, 0 }, 12, -EBADMSG, { 0 } },
        { "half a descriptor", { 0, 0, 0, 8, 0, 0, 0x0B, 0x40, 2, 0, 2 }, 11, -EBADMSG, { 0 } },
        { "nothing at all", { 0 }, 0, -EBADMSG, { 0 } },
};

START_TEST(a_medium_tells_whether_it_is_formatted) {
        const FormatCase *c = &format_cases[_i];
        ScsiFormatCapacity format = { 0 };

        ck_assert_msg(scsi_format_capacity_parse(&format, c->bytes, c->size) == c->r, "%s",
                      c->what);
        ck_assert_int_eq(format.type, c->format.type);
        ck_assert_uint_eq(format.n_blocks, c->format.n_blocks);
        ck_assert_uint_eq(format.block_size, c->format.block_size);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("scsi_parsers");
        TCase *tcase = tcase_create("scsi_parsers");

        tcase_add_loop_test(tcase, modes_are_read, 0, N_ELEMENTS(mode_cases));
        tcase_add_loop_test(tcase, names_are_chosen, 0, N_ELEMENTS(name_cases));
        tcase_add_loop_test(tcase, limits_are_the_least, 0, N_ELEMENTS(limits_cases));
        tcase_add_loop_test(tcase, text_is_made_harmless, 0, N_ELEMENTS(text_cases));
        tcase_add_loop_test(tcase, a_disc_is_what_its_drive_tells, 0, N_ELEMENTS(disc_cases));
        tcase_add_test(tcase, tracks_are_counted_as_far_as_they_came);
        tcase_add_loop_test(tcase, the_size_of_a_disc_is_never_guessed, 0,
                            N_ELEMENTS(disc_capacity_cases));
        tcase_add_loop_test(tcase, a_drive_may_tell_that_it_cannot_eject, 0,
                            (int) N_ELEMENTS(eject_cases));
        tcase_add_loop_test(tcase, a_drive_tells_what_happened_to_its_medium, 0,
                            N_ELEMENTS(media_event_cases));
        tcase_add_loop_test(tcase, a_medium_tells_whether_it_is_formatted, 0,
                            N_ELEMENTS(format_cases));
        tcase_add_test(tcase, any_bytes_are_survived);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
