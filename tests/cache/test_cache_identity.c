#include <string.h>

#include "cache/cache_identity.h"
#include "unit_test.h"

static CacheIdentity make_identity(void) {
        static const UsbDescriptors descriptors = { .vendor_id = 0x46f4, .product_id = 1 };
        static const ScsiDisk disk = {
                .vendor = "QEMU",
                .product = "QEMU HARDDISK",
                .serial = "S1",
                .identifier = "naa.5",
                .n_blocks = 1000,
                .block_size = 512,
        };
        CacheIdentity identity;

        memset(&identity, 0xaa, sizeof(identity));
        cache_identity_init(&identity, &descriptors, "1-0000:00:04.0-1", &disk);
        return identity;
}

START_TEST(it_takes_what_device_and_disk_tell) {
        CacheIdentity identity = make_identity();
        CacheIdentity wanted = {
                .vendor_id = 0x46f4,
                .product_id = 1,
                .block_size = 512,
                .n_blocks = 1000,
                .usb_serial = "1-0000:00:04.0-1",
                .vendor = "QEMU",
                .product = "QEMU HARDDISK",
                .unit_serial = "S1",
                .identifier = "naa.5",
        };

        ck_assert(cache_identity_is_equal(&identity, &wanted));
        ck_assert(cache_identity_is_sane(&identity));
}
END_TEST

START_TEST(a_text_that_is_too_long_is_cut_off) {
        char text[1000] = "";
        UsbDescriptors descriptors = {};
        ScsiDisk disk = { .n_blocks = 1, .block_size = 4096 };
        CacheIdentity identity;

        memset(text, 'x', sizeof(text) - 1);
        memset(disk.serial, 'y', sizeof(disk.serial) - 1);
        cache_identity_init(&identity, &descriptors, text, &disk);
        ck_assert(cache_identity_is_sane(&identity));
        ck_assert_uint_eq(strlen(identity.usb_serial), sizeof(identity.usb_serial) - 1);
        ck_assert_str_eq(identity.unit_serial, disk.serial);
}
END_TEST

/* A byte anywhere is a difference. */
START_TEST(whatever_differs_is_another_one) {
        CacheIdentity identity = make_identity();

        for (size_t i = 0; i < sizeof(identity); i++) {
                CacheIdentity other = identity;

                ((uint8_t *) &other)[i] ^= 1;
                ck_assert(!cache_identity_is_equal(&identity, &other));
                ck_assert(!cache_identity_is_equal(&other, &identity));
        }
}
END_TEST

START_TEST(a_number_that_was_not_told_is_no_difference) {
        CacheIdentity identity = make_identity(), other = identity;

        memset(other.unit_serial, 0, sizeof(other.unit_serial));
        ck_assert(!cache_identity_is_equal(&identity, &other));
        ck_assert(cache_identity_may_be_same(&identity, &other));
        memset(other.identifier, 0, sizeof(other.identifier));
        ck_assert(cache_identity_may_be_same(&identity, &other));
        ck_assert(cache_identity_may_be_same(&other, &identity));
        memset(other.usb_serial, 0, sizeof(other.usb_serial));
        ck_assert(cache_identity_may_be_same(&identity, &other));

        other = identity;
        other.unit_serial[0] ^= 1;
        ck_assert(!cache_identity_may_be_same(&identity, &other));
        memset(other.unit_serial, 0, sizeof(other.unit_serial));
        other.usb_serial[0] ^= 1;
        ck_assert(!cache_identity_may_be_same(&identity, &other));
}
END_TEST

START_TEST(a_size_that_can_not_be_is_senseless) {
        static const struct {
                uint32_t block_size;
                uint64_t n_blocks;
                bool is_sane;
        } cases[] = {
                { 512, 1, true },
                { 4096, INT64_MAX / 4096, true },
                { 4096, INT64_MAX / 4096 + 1, false },
                { 512, UINT64_MAX, false },
                { 512, 0, false },
                { 0, 1, false },
                { 1, 1, false },
                { 256, 1, false },
                { 520, 1, false },
                { 8192, 1, false },
                { UINT32_MAX, 1, false },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                CacheIdentity identity = make_identity();

                identity.block_size = cases[i].block_size;
                identity.n_blocks = cases[i].n_blocks;
                ck_assert_msg(cache_identity_is_sane(&identity) == cases[i].is_sane, "case %zu", i);
        }
}
END_TEST

static void check_text(size_t offset, size_t size) {
        CacheIdentity identity = make_identity();
        char *text = (char *) &identity + offset;

        text[size - 1] = 'x'; /* behind the end */
        ck_assert(!cache_identity_is_sane(&identity));
        memset(text, 'x', size); /* without end */
        ck_assert(!cache_identity_is_sane(&identity));
        text[size - 1] = '\0';
        ck_assert(cache_identity_is_sane(&identity));
        memset(text, '\0', size);
        ck_assert(cache_identity_is_sane(&identity));
}

#define CHECK_TEXT(field) \
        check_text(offsetof(CacheIdentity, field), sizeof(((CacheIdentity *) 0)->field))

START_TEST(a_text_without_end_is_senseless) {
        CHECK_TEXT(usb_serial);
        CHECK_TEXT(vendor);
        CHECK_TEXT(product);
        CHECK_TEXT(unit_serial);
        CHECK_TEXT(identifier);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                it_takes_what_device_and_disk_tell,
                a_text_that_is_too_long_is_cut_off,
                whatever_differs_is_another_one,
                a_number_that_was_not_told_is_no_difference,
                a_size_that_can_not_be_is_senseless,
                a_text_without_end_is_senseless,
                NULL,
        };

        return run_suite(suite_of("cache_identity", tests));
}
