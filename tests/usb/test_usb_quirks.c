/* Lists of quirks: the syntax, each mistake in it, and the list that is shipped. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "usb/usb_quirks.h"

static const char *shipped_path; /* of conf/quirks.conf */

/* "line:column text", one after the other. */
typedef struct Complaints {
        char text[1024];
        size_t n;
} Complaints;

static void on_mistake(const char *source, unsigned line, unsigned column, const char *text,
                       void *userdata) {
        Complaints *complaints = userdata;
        size_t used = strlen(complaints->text);

        snprintf(complaints->text + used, sizeof(complaints->text) - used, "%s%s:%u:%u %s",
                 used > 0 ? "; " : "", source, line, column, text);
        complaints->n++;
}

static int add(UsbQuirksList *list, const char *text, Complaints *complaints) {
        return usb_quirks_list_add(list, "f", text, strlen(text), on_mistake, complaints);
}

typedef struct LetterCase {
        char letter;
        UsbQuirk quirk;
} LetterCase;

/* From the kernel's documentation of usb-storage.quirks. */
static const LetterCase letter_cases[] = {
        { 'a', USB_QUIRK_SANE_SENSE },
        { 'b', USB_QUIRK_BAD_SENSE },
        { 'c', USB_QUIRK_FIX_CAPACITY },
        { 'd', USB_QUIRK_NO_READ_DISC_INFO },
        { 'e', USB_QUIRK_NO_READ_CAPACITY_16 },
        { 'f', USB_QUIRK_NO_REPORT_OPCODES },
        { 'g', USB_QUIRK_MAX_SECTORS_240 },
        { 'h', USB_QUIRK_CAPACITY_HEURISTICS },
        { 'i', USB_QUIRK_IGNORE_DEVICE },
        { 'j', USB_QUIRK_NO_REPORT_LUNS },
        { 'k', USB_QUIRK_NO_SAME },
        { 'l', USB_QUIRK_NOT_LOCKABLE },
        { 'm', USB_QUIRK_MAX_SECTORS_64 },
        { 'n', USB_QUIRK_INITIAL_READ10 },
        { 'o', USB_QUIRK_CAPACITY_OK },
        { 'p', USB_QUIRK_WRITE_CACHE },
        { 'r', USB_QUIRK_IGNORE_RESIDUE },
        { 's', USB_QUIRK_SINGLE_LUN },
        { 't', USB_QUIRK_NO_ATA_1X },
        { 'u', USB_QUIRK_IGNORE_UAS },
        { 'w', USB_QUIRK_NO_WP_DETECT },
        { 'y', USB_QUIRK_ALWAYS_SYNC },
};

static_assert(N_ELEMENTS(letter_cases) == USB_QUIRKS_N, "a letter is missing in the table");

START_TEST(each_letter_is_its_quirk) {
        const LetterCase *c = &letter_cases[_i];
        char text[] = { '1', ':', '2', ':', c->letter, '\0' };
        char formatted[USB_QUIRKS_TEXT_SIZE];
        Complaints complaints = { 0 };
        UsbQuirksList list = { 0 };

        ck_assert_int_eq(add(&list, text, &complaints), 0);
        ck_assert_uint_eq(usb_quirks_list_find(&list, 1, 2), c->quirk);
        ck_assert_str_eq(usb_quirks_format(c->quirk, formatted), text + 4);
        usb_quirks_list_done(&list);
}
END_TEST

typedef struct GoodCase {
        const char *text;
        uint16_t vendor_id;
        uint16_t product_id;
        uint32_t quirks;
        size_t n_entries;
} GoodCase;

#define GU (USB_QUIRK_MAX_SECTORS_240 | USB_QUIRK_IGNORE_UAS)

static const GoodCase good_cases[] = {
        { "", 1, 2, 0, 0 },
        { " \t\r\n# nothing: 1:2:g\n", 1, 2, 0, 0 },
        { "174c:55aa:gu", 0x174c, 0x55aa, GU, 1 },
        { "174C:55AA:ug", 0x174c, 0x55aa, GU, 1 },
        { "1:2:a,174c:55aa:gu", 0x174c, 0x55aa, GU, 2 },
        { "1:2:a , 174c:55aa:gu\n", 0x174c, 0x55aa, GU, 2 },
        { "  1:2:a\r\n\n174c:55aa:gu# why", 0x174c, 0x55aa, GU, 2 },
        { "174c:55aa:gu", 0x174c, 0x55ab, 0, 1 },
        { "0:0:", 0, 0, 0, 1 },
        { "ffff:ffff:abcdefghijklmnoprstuwy", 0xffff, 0xffff, USB_QUIRKS_ALL, 1 },
};

START_TEST(entries_are_found) {
        const GoodCase *c = &good_cases[_i];
        Complaints complaints = { 0 };
        UsbQuirksList list = { 0 };

        ck_assert_int_eq(add(&list, c->text, &complaints), 0);
        ck_assert_str_eq(complaints.text, "");
        ck_assert_uint_eq(list.n_entries, c->n_entries);
        ck_assert_uint_eq(usb_quirks_list_find(&list, c->vendor_id, c->product_id), c->quirks);
        usb_quirks_list_done(&list);
}
END_TEST

typedef struct BadCase {
        const char *text;
        const char *complaints;
} BadCase;

#define NO_QUIRK "there is no such quirk, only the letters abcdefghijklmnoprstuwy"

static const BadCase bad_cases[] = {
        { "174c:55aa:ux", "f:1:12 " NO_QUIRK },
        { "174c:55aa:U", "f:1:11 " NO_QUIRK },
        { "\n 174c:55aa:uu", "f:2:13 the quirk u stands here twice" },
        { "174c:55aa", "f:1:10 a colon is missing behind the product" },
        { "174c", "f:1:5 a colon is missing behind the vendor" },
        { "174c;55aa:u", "f:1:5 a colon is missing behind the vendor" },
        { ":55aa:u", "f:1:1 a vendor of 1 to 4 hexadecimal digits is missing" },
        { "174c::u", "f:1:6 a product of 1 to 4 hexadecimal digits is missing" },
        { "174c:g5aa:u", "f:1:6 a product of 1 to 4 hexadecimal digits is missing" },
        { "0174c:55aa:u", "f:1:1 the vendor has more than 4 digits" },
        { "0x174c:55aa:u", "f:1:2 a colon is missing behind the vendor" },
        { "-1:55aa:u", "f:1:1 a vendor of 1 to 4 hexadecimal digits is missing" },
        { "1:2:u,", "f:1:7 an entry VID:PID:letters is missing" },
        { "1:2:u,,1:3:u", "f:1:7 an entry VID:PID:letters is missing" },
        { ",1:2:u", "f:1:1 an entry VID:PID:letters is missing" },
        { "1:2:u 1:3:u", "f:1:7 a comma is missing between two entries" },
        { "1:2:u\n0001:0002:g", "f:2:1 0001:0002 stands here already" },
        { "1:2:q\n1:3:u\n1:4:z", "f:1:5 " NO_QUIRK "; f:3:5 " NO_QUIRK },
};

START_TEST(mistakes_are_told_with_their_place_and_nothing_is_added) {
        const BadCase *c = &bad_cases[_i];
        Complaints complaints = { 0 };
        UsbQuirksList list = { 0 };

        ck_assert_int_eq(add(&list, "9:9:u", &complaints), 0);
        ck_assert_int_eq(add(&list, c->text, &complaints), -EINVAL);
        ck_assert_str_eq(complaints.text, c->complaints);
        ck_assert_uint_eq(list.n_entries, 1);
        ck_assert_int_eq(usb_quirks_list_add(&list, "f", c->text, strlen(c->text), NULL, NULL),
                         -EINVAL);
        usb_quirks_list_done(&list);
}
END_TEST

START_TEST(the_source_that_was_added_first_wins) {
        Complaints complaints = { 0 };
        UsbQuirksList list = { 0 };

        ck_assert_int_eq(add(&list, "1:2:", &complaints), 0);
        ck_assert_int_eq(add(&list, "1:2:u,1:3:g", &complaints), 0);
        ck_assert_int_eq(add(&list, "1:3:t", &complaints), 0);
        ck_assert_uint_eq(usb_quirks_list_find(&list, 1, 2), 0);
        ck_assert_uint_eq(usb_quirks_list_find(&list, 1, 3), USB_QUIRK_MAX_SECTORS_240);
        usb_quirks_list_done(&list);
}
END_TEST

START_TEST(there_is_an_end_to_entries) {
        static char text[(USB_QUIRKS_ENTRIES_MAX + 1) * 8];
        Complaints complaints = { 0 };
        UsbQuirksList list = { 0 };
        size_t size = 0;

        for (unsigned i = 0; i <= USB_QUIRKS_ENTRIES_MAX; i++)
                size += (size_t) snprintf(text + size, sizeof(text) - size, "1:%x:\n", i);
        ck_assert_int_eq(add(&list, text, &complaints), -EINVAL);
        ck_assert_str_eq(complaints.text, "f:4097:1 there are more than 4096 entries");
        usb_quirks_list_done(&list);
}
END_TEST

START_TEST(the_shipped_file_is_right) {
        Complaints complaints = { 0 };
        UsbQuirksList list = { 0 };
        int r;

        r = usb_quirks_list_add_file(&list, shipped_path, on_mistake, &complaints);
        ck_assert_str_eq(complaints.text, "");
        ck_assert_int_eq(r, 0);
        ck_assert_uint_gt(list.n_entries, 10);
        for (size_t i = 0; i < list.n_entries; i++)
                ck_assert_uint_ne(list.entries[i].quirks, 0);
        usb_quirks_list_done(&list);
}
END_TEST

START_TEST(a_file_that_can_not_be_read_is_told_unless_it_is_missing) {
        Complaints complaints = { 0 };
        UsbQuirksList list = { 0 };

        ck_assert_int_eq(usb_quirks_list_add_file(&list, "/nonexistent/quirks", on_mistake,
                                                  &complaints),
                         -ENOENT);
        ck_assert_uint_eq(complaints.n, 0);
        ck_assert_int_eq(usb_quirks_list_add_file(&list, "/", on_mistake, &complaints), -EISDIR);
        ck_assert_str_eq(complaints.text, "/:1:1 the file can't be read: Is a directory");
}
END_TEST

START_TEST(a_file_without_an_end_is_refused) {
        Complaints complaints = { 0 };
        UsbQuirksList list = { 0 };

        ck_assert_int_eq(usb_quirks_list_add_file(&list, "/dev/zero", on_mistake, &complaints),
                         -EINVAL);
        ck_assert_str_eq(complaints.text, "/dev/zero:1:1 the file is longer than 1048576 bytes");
}
END_TEST

int main(int argc, char **argv) {
        Suite *suite = suite_create("usb_quirks");
        TCase *tcase = tcase_create("all");
        SRunner *runner;
        int n_failed;

        shipped_path = argc > 1 ? argv[1] : "conf/quirks.conf";
        tcase_add_loop_test(tcase, each_letter_is_its_quirk, 0, N_ELEMENTS(letter_cases));
        tcase_add_loop_test(tcase, entries_are_found, 0, N_ELEMENTS(good_cases));
        tcase_add_loop_test(tcase, mistakes_are_told_with_their_place_and_nothing_is_added, 0,
                            N_ELEMENTS(bad_cases));
        tcase_add_test(tcase, the_source_that_was_added_first_wins);
        tcase_add_test(tcase, there_is_an_end_to_entries);
        tcase_add_test(tcase, the_shipped_file_is_right);
        tcase_add_test(tcase, a_file_that_can_not_be_read_is_told_unless_it_is_missing);
        tcase_add_test(tcase, a_file_without_an_end_is_refused);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
