/* Which exports may take the place of a connection that died. */

#include <errno.h>
#include <string.h>

#include "cli/attachment.h"

#include "../base/unit_test.h"

#define FACTS(size, block_size, is_read_only, number, worker) \
        { (size), (block_size), (is_read_only), (number), (worker) }

typedef struct Case {
        AttachmentFacts attached;
        AttachmentFacts offered;
        bool is_same;
} Case;

static const Case cases[] = {
        /* The kernel's patience was over, or a TLS relay died: the export is the one that it was. */
        { FACTS(8192, 512, false, 3, 100), FACTS(8192, 512, false, 3, 100), true },
        /* Another worker took over; another service counts from the beginning. */
        { FACTS(8192, 512, false, 3, 100), FACTS(8192, 512, false, 4, 101), true },
        { FACTS(8192, 512, false, 3, 100), FACTS(8192, 512, false, 1, 200), true },
        /* A card was exchanged for one of the same size. */
        { FACTS(8192, 512, false, 3, 100), FACTS(8192, 512, false, 4, 100), false },
        { FACTS(8192, 512, false, 3, 100), FACTS(4096, 512, false, 4, 101), false },
        { FACTS(8192, 512, false, 3, 100), FACTS(8192, 4096, false, 4, 101), false },
        { FACTS(8192, 512, false, 3, 100), FACTS(8192, 512, true, 4, 101), false },
        /* What an earlier run has left: the kernel knows this much of it. */
        { FACTS(8192, 512, true, 0, 0), FACTS(8192, 512, true, 7, 100), true },
        { FACTS(8192, 512, true, 0, 0), FACTS(8192, 512, false, 7, 100), false },
        { FACTS(8192, 512, true, 0, 0), FACTS(8704, 512, true, 7, 100), false },
};

START_TEST(only_the_same_medium_takes_its_place) {
        ck_assert(attachment_is_same(&cases[_i].attached, &cases[_i].offered) == cases[_i].is_same);
}
END_TEST

START_TEST(a_path_is_that_of_a_whole_device) {
        static const char *const others[] = { "/dev/nbd", "/dev/nbd1p1", "/dev/sda",
                                              "nbd1",     "/dev/nbd-1",  "/dev/nbd99999999999" };
        uint32_t index = 0;

        ck_assert(attachment_parse_path("/dev/nbd12", &index));
        ck_assert_uint_eq(index, 12);
        for (size_t i = 0; i < N_ELEMENTS(others); i++)
                ck_assert_msg(!attachment_parse_path(others[i], &index), "%s", others[i]);
}
END_TEST

START_TEST(a_name_that_the_kernel_has_no_room_for_is_refused) {
        char name[NBD_NETLINK_IDENTIFIER_SIZE];
        Attachment *attachment;

        memset(name, 'n', sizeof(name));
        name[sizeof(name) - 1] = '\0';
        ck_assert_int_eq(attachment_new(&attachment, name), -ENAMETOOLONG);
        ck_assert_int_eq(attachment_new(&attachment, "46f4-0001-DISK-lun0"), 0);
        ck_assert_str_eq(attachment->identifier, "usb-storage-46f4-0001-DISK-lun0");
        attachment_free(attachment);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_path_is_that_of_a_whole_device,
                a_name_that_the_kernel_has_no_room_for_is_refused,
                NULL,
        };
        Suite *suite = suite_of("attachment", tests);
        TCase *facts = tcase_create("facts");

        tcase_add_loop_test(facts, only_the_same_medium_takes_its_place, 0, N_ELEMENTS(cases));
        suite_add_tcase(suite, facts);
        return run_suite(suite);
}
