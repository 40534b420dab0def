/* What a client may ask for, and which error the protocol text has for the rest. */

#include <errno.h>

#include "base/virtual_event_loop.h"
#include "export/nbd_reply.h"
#include "memory_block_device.h"
#include "unit_test.h"

#define SIZE (1 * MIB)
#define FUA NBD_CMD_FLAG_FUA

typedef struct Rule {
        const char *name;
        uint16_t command;
        uint16_t flags;
        uint64_t offset;
        uint32_t size;
        uint32_t error;           /* NbdError */
        uint32_t read_only_error; /* likewise, on a read-only export */
} Rule;

static const Rule rules[] = {
        { "read", NBD_CMD_READ, 0, 0, 4096, 0, 0 },
        { "read of odd bytes", NBD_CMD_READ, 0, 1, 2, 0, 0 },
        { "read with FUA", NBD_CMD_READ, FUA, 0, 512, 0, 0 },
        { "read of the last byte", NBD_CMD_READ, 0, SIZE - 1, 1, 0, 0 },
        { "read past the end", NBD_CMD_READ, 0, SIZE - 1, 2, NBD_EINVAL, NBD_EINVAL },
        { "read that overflows", NBD_CMD_READ, 0, UINT64_MAX - 511, 1024, NBD_EINVAL, NBD_EINVAL },
        { "read with DF", NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 512, 0, 0 },
        { "read with another's flag", NBD_CMD_READ, NBD_CMD_FLAG_NO_HOLE, 0, 512, NBD_EINVAL,
          NBD_EINVAL },
        { "read with an unknown flag", NBD_CMD_READ, 1 << 9, 0, 512, NBD_EINVAL, NBD_EINVAL },
        { "read of nothing", NBD_CMD_READ, 0, 512, 0, 0, 0 },
        { "write", NBD_CMD_WRITE, 0, 0, 4096, 0, NBD_EPERM },
        { "write with FUA", NBD_CMD_WRITE, FUA, 7, 9, 0, NBD_EPERM },
        { "write past the end", NBD_CMD_WRITE, 0, SIZE, 1, NBD_ENOSPC, NBD_EPERM },
        { "write that overflows", NBD_CMD_WRITE, 0, UINT64_MAX, 2, NBD_ENOSPC, NBD_EPERM },
        { "write with DF", NBD_CMD_WRITE, NBD_CMD_FLAG_DF, 0, 512, NBD_EINVAL, NBD_EINVAL },
        { "write of nothing", NBD_CMD_WRITE, 0, 0, 0, 0, NBD_EPERM },
        { "flush", NBD_CMD_FLUSH, 0, 0, 0, 0, 0 },
        { "flush with FUA", NBD_CMD_FLUSH, FUA, 0, 0, 0, 0 },
        { "flush with a range", NBD_CMD_FLUSH, 0, UINT64_MAX, 77, 0, 0 },
        { "trim", NBD_CMD_TRIM, FUA, 512, 512, 0, NBD_EPERM },
        { "trim past the end", NBD_CMD_TRIM, 0, SIZE - 512, 1024, NBD_EINVAL, NBD_EPERM },
        { "cache", NBD_CMD_CACHE, FUA, 0, 4096, 0, 0 },
        { "cache past the end", NBD_CMD_CACHE, 0, SIZE, 1, NBD_EINVAL, NBD_EINVAL },
        { "zeroes", NBD_CMD_WRITE_ZEROES, 0, 0, 4096, 0, NBD_EPERM },
        { "zeroes with all flags", NBD_CMD_WRITE_ZEROES,
          FUA | NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO, 0, 4096, 0, NBD_EPERM },
        { "zeroes past the end", NBD_CMD_WRITE_ZEROES, 0, 1, SIZE, NBD_ENOSPC, NBD_EPERM },
        { "zeroes with DF", NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_DF, 0, 1, NBD_EINVAL, NBD_EINVAL },
        { "status", NBD_CMD_BLOCK_STATUS, FUA, 0, SIZE, 0, 0 },
        { "status of one extent", NBD_CMD_BLOCK_STATUS, NBD_CMD_FLAG_REQ_ONE, 0, 1, 0, 0 },
        { "status past the end", NBD_CMD_BLOCK_STATUS, 0, 0, SIZE + 1, NBD_EINVAL, NBD_EINVAL },
        { "status of nothing", NBD_CMD_BLOCK_STATUS, 0, 0, 0, NBD_EINVAL, NBD_EINVAL },
        { "resize", NBD_CMD_RESIZE, 0, 0, 0, NBD_EINVAL, NBD_EINVAL },
        { "an unknown command", 77, 0, 0, 512, NBD_EINVAL, NBD_EINVAL },
        { "the highest command", UINT16_MAX, UINT16_MAX, 0, 0, NBD_EINVAL, NBD_EINVAL },
};

static EventLoop *loop;
static MemoryBlockDevice *memory;

static void set_up(void) {
        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        memory = memory_block_device_new(loop, SIZE, 512);
        ck_assert_ptr_nonnull(memory);
}

static void tear_down(void) {
        block_device_free(&memory->device);
        event_loop_free(loop);
}

static uint32_t check(uint16_t command, uint16_t flags, uint64_t offset, uint32_t size,
                      const NbdAgreement *agreement) {
        NbdRequest request = { .command = command, .flags = flags, .offset = offset, .size = size };

        return nbd_reply_error_from_errno(nbd_request_check(&request, &memory->device, agreement),
                                          &request);
}

START_TEST(each_rule_of_the_protocol_holds) {
        static const NbdAgreement agreement = { .has_structured_replies = true,
                                                .has_base_allocation = true };
        const Rule *rule = &rules[_i];

        ck_assert_msg(check(rule->command, rule->flags, rule->offset, rule->size, &agreement) ==
                                      rule->error,
                      "%s", rule->name);
        memory->device.info.is_read_only = true;
        ck_assert_msg(check(rule->command, rule->flags, rule->offset, rule->size, &agreement) ==
                                      rule->read_only_error,
                      "%s, read-only", rule->name);
}
END_TEST

START_TEST(who_may_only_read_is_refused_as_if_the_device_were_read_only) {
        static const NbdAgreement agreement = { .has_structured_replies = true,
                                                .has_base_allocation = true,
                                                .is_read_only = true };
        const Rule *rule = &rules[_i];

        ck_assert_msg(check(rule->command, rule->flags, rule->offset, rule->size, &agreement) ==
                                      rule->read_only_error,
                      "%s", rule->name);
}
END_TEST

START_TEST(what_was_not_agreed_on_is_refused) {
        static const NbdAgreement nothing = {}, structured = { .has_structured_replies = true };

        ck_assert_uint_eq(check(NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, 512, &nothing), NBD_EINVAL);
        ck_assert_uint_eq(check(NBD_CMD_READ, 0, 0, 512, &nothing), 0);
        ck_assert_uint_eq(check(NBD_CMD_BLOCK_STATUS, 0, 0, 512, &structured), NBD_EINVAL);
}
END_TEST

START_TEST(trim_is_refused_where_it_was_not_announced) {
        static const NbdAgreement nothing = {};

        memory->device.info.can_trim = false;
        ck_assert_uint_eq(check(NBD_CMD_TRIM, 0, 0, 512, &nothing), NBD_EINVAL);
}
END_TEST

START_TEST(reads_longer_than_a_payload_are_refused) {
        static const NbdAgreement structured = { .has_structured_replies = true };

        memory->device.info.size = UINT64_C(1) << 40;
        ck_assert_uint_eq(check(NBD_CMD_READ, 0, 0, 64U << 20, &structured), 0);
        ck_assert_uint_eq(check(NBD_CMD_READ, 0, 0, (64U << 20) + 1, &structured), NBD_EINVAL);
        ck_assert_uint_eq(check(NBD_CMD_READ, NBD_CMD_FLAG_DF, 0, UINT32_MAX, &structured),
                          NBD_EOVERFLOW);
        /* These carry no data. */
        ck_assert_uint_eq(check(NBD_CMD_WRITE_ZEROES, 0, 0, UINT32_MAX, &structured), 0);
        ck_assert_uint_eq(check(NBD_CMD_TRIM, 0, 0, UINT32_MAX, &structured), 0);
        ck_assert_uint_eq(check(NBD_CMD_CACHE, 0, 0, UINT32_MAX, &structured), 0);
}
END_TEST

START_TEST(errors_have_the_protocols_numbers) {
        static const struct {
                int error;
                uint16_t command, flags;
                NbdError expected;
        } table[] = {
                { 0, NBD_CMD_READ, 0, NBD_SUCCESS },
                { -EPERM, NBD_CMD_WRITE, 0, NBD_EPERM },
                { -EIO, NBD_CMD_READ, 0, NBD_EIO },
                { -ETIMEDOUT, NBD_CMD_READ, 0, NBD_EIO },
                { -ECANCELED, NBD_CMD_READ, 0, NBD_EIO },
                { -ENOMEM, NBD_CMD_READ, 0, NBD_ENOMEM },
                { -EBUSY, NBD_CMD_READ, 0, NBD_ENOMEM },
                { -ENOSPC, NBD_CMD_WRITE, 0, NBD_ENOSPC },
                { -ESHUTDOWN, NBD_CMD_FLUSH, 0, NBD_ESHUTDOWN },
                { -ENODEV, NBD_CMD_FLUSH, 0, NBD_ESHUTDOWN },
                { -EOVERFLOW, NBD_CMD_READ, NBD_CMD_FLAG_DF, NBD_EOVERFLOW },
                { -EOVERFLOW, NBD_CMD_READ, 0, NBD_EINVAL },
                { -EOPNOTSUPP, NBD_CMD_WRITE_ZEROES, NBD_CMD_FLAG_FAST_ZERO, NBD_ENOTSUP },
                { -EOPNOTSUPP, NBD_CMD_WRITE_ZEROES, 0, NBD_EINVAL },
                { -EOPNOTSUPP, NBD_CMD_TRIM, 0, NBD_EINVAL },
                { -E2BIG, NBD_CMD_READ, 0, NBD_EIO },
        };

        for (size_t i = 0; i < N_ELEMENTS(table); i++) {
                NbdRequest request = { .command = table[i].command, .flags = table[i].flags };

                ck_assert_uint_eq(nbd_reply_error_from_errno(table[i].error, &request),
                                  table[i].expected);
        }
}
END_TEST

START_TEST(a_header_is_decoded_and_a_wrong_magic_seen) {
        uint8_t bytes[NBD_REQUEST_SIZE] = {
                0x25, 0x60, 0x95, 0x13, 0x00, 0x01, 0x00, 0x06, 1, 2, 3, 4, 5, 6,
                7,    8,    0,    0,    0,    1,    0,    0,    0, 2, 0, 0, 1, 0,
        };
        NbdRequest request = {};

        ck_assert_int_eq(nbd_request_decode(&request, bytes), 0);
        ck_assert_uint_eq(request.flags, FUA);
        ck_assert_uint_eq(request.command, NBD_CMD_WRITE_ZEROES);
        ck_assert_uint_eq(request.cookie, 0x0102030405060708);
        ck_assert_uint_eq(request.offset, 0x0000000100000002);
        ck_assert_uint_eq(request.size, 256);
        for (size_t i = 0; i < 4; i++) {
                bytes[i] ^= 0x10;
                ck_assert_int_eq(nbd_request_decode(&request, bytes), -EBADMSG);
                bytes[i] ^= 0x10;
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("nbd_request");
        TCase *tcase = tcase_create("nbd_request");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, each_rule_of_the_protocol_holds, 0, N_ELEMENTS(rules));
        tcase_add_loop_test(tcase, who_may_only_read_is_refused_as_if_the_device_were_read_only, 0,
                            (int) N_ELEMENTS(rules));
        tcase_add_test(tcase, what_was_not_agreed_on_is_refused);
        tcase_add_test(tcase, trim_is_refused_where_it_was_not_announced);
        tcase_add_test(tcase, reads_longer_than_a_payload_are_refused);
        tcase_add_test(tcase, errors_have_the_protocols_numbers);
        tcase_add_test(tcase, a_header_is_decoded_and_a_wrong_magic_seen);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
