/* One connection from its first request to its end, over a socket pair. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "session_fixture.h"
#include "unit_test.h"

static SessionFixture fixture;

static void begin_simple(void) { fixture_begin(&fixture, /* has_structured_replies= */ false); }

static void begin_structured(void) { fixture_begin(&fixture, /* has_structured_replies= */ true); }

static void finish(void) { fixture_tear_down(&fixture); }

static uint8_t *device_bytes(uint64_t offset) { return fixture.memory->memory + offset; }

static bool is_all(const uint8_t *bytes, uint8_t value, size_t size) {
        return size == 0 || (bytes[0] == value && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* A WRITE of `size` times `value`. */
static void write_bytes(uint16_t flags, uint64_t cookie, uint64_t offset, uint32_t size,
                        uint8_t value) {
        uint8_t *bytes = malloc(28 + (size_t) size);

        ck_assert_ptr_nonnull(bytes);
        fixture_put_request(bytes, flags, NBD_CMD_WRITE, cookie, offset, size);
        memset(bytes + 28, value, size);
        fixture_send(&fixture, bytes, 28 + (size_t) size);
        free(bytes);
}

static Reply next_reply(void) {
        Reply reply;

        ck_assert(fixture_next_reply(&fixture, 0, &reply));
        return reply;
}

static void expect_no_reply(void) {
        Reply reply;

        ck_assert(!fixture_next_reply(&fixture, 0, &reply));
}

static void expect_still_in_step(void) {
        Reply reply = fixture_ask(&fixture, 0, NBD_CMD_READ, 4096, 100);

        ck_assert_uint_eq(reply.error, 0);
        ck_assert_mem_eq(reply.payload, device_bytes(4096), 100);
}

START_TEST(a_read_is_answered_with_the_bytes_at_any_offset) {
        static const struct {
                uint64_t offset;
                uint32_t size;
        } ranges[] = { { 0, 512 }, { 1, 2 }, { 4095, 4097 }, { 0, 1 * MIB }, { 1 * MIB - 1, 1 } };

        begin_simple();
        for (size_t i = 0; i < N_ELEMENTS(ranges); i++) {
                Reply reply = fixture_ask(&fixture, 0, NBD_CMD_READ, ranges[i].offset,
                                          ranges[i].size);

                ck_assert(!reply.is_structured);
                ck_assert_uint_eq(reply.error, 0);
                ck_assert_mem_eq(reply.payload, device_bytes(ranges[i].offset), ranges[i].size);
        }
        finish();
}
END_TEST

START_TEST(a_structured_read_is_one_chunk_of_data) {
        Reply reply;

        begin_structured();
        reply = fixture_ask(&fixture, NBD_CMD_FLAG_DF, NBD_CMD_READ, 777, 70000);
        ck_assert(reply.is_structured && reply.is_done);
        ck_assert_uint_eq(reply.type, NBD_REPLY_TYPE_OFFSET_DATA);
        ck_assert_uint_eq(reply.offset, 777);
        ck_assert_uint_eq(reply.payload_size, 70000);
        ck_assert_mem_eq(reply.payload, device_bytes(777), 70000);
        finish();
}
END_TEST

static void check_lent_reads(void) {
        static const uint32_t sizes[] = { 1, 512, 4096, 70000, 300000 };

        for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
                Reply reply = fixture_ask(&fixture, 0, NBD_CMD_READ, 777, sizes[i]);

                ck_assert_uint_eq(reply.error, 0);
                ck_assert_uint_eq(reply.payload_size, sizes[i]);
                ck_assert_mem_eq(reply.payload, device_bytes(777), sizes[i]);
        }
        ck_assert_uint_eq(fixture.memory->n_loans, N_ELEMENTS(sizes));
        ck_assert_uint_eq(fixture.memory->n_lent, 0);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_READ], 0);
}

START_TEST(what_the_device_lends_is_sent_without_reading_it) {
        begin_simple();
        fixture.memory->loan_size = 65000;
        check_lent_reads();
        finish();
}
END_TEST

START_TEST(what_is_lent_goes_into_chunks_too) {
        begin_structured();
        fixture.memory->loan_size = 65000;
        check_lent_reads();
        finish();
}
END_TEST

/* More than the socket holds: loans are out when the client goes, and must come back. */
START_TEST(loans_are_given_back_when_the_client_vanishes) {
        begin_simple();
        fixture.memory->loan_size = 65000;
        for (unsigned i = 0; i < 32; i++)
                fixture_request(&fixture, 0, NBD_CMD_READ, i, 0, 1 * MIB);
        fixture_run(&fixture);
        ck_assert_uint_gt(fixture.memory->n_lent, 0);
        finish();
}
END_TEST

START_TEST(writes_of_all_sizes_arrive_whole) {
        static const uint32_t sizes[] = { 1, 512, 4096, 4097, 65536, 300000, 1 * MIB };

        begin_simple();
        for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
                memset(device_bytes(0), 0, FIXTURE_DEVICE_SIZE);
                write_bytes(0, 5, FIXTURE_DEVICE_SIZE - sizes[i], sizes[i], 0xA5);
                ck_assert_uint_eq(next_reply().error, 0);
                ck_assert(is_all(device_bytes(0), 0, FIXTURE_DEVICE_SIZE - sizes[i]));
                ck_assert(is_all(device_bytes(FIXTURE_DEVICE_SIZE - sizes[i]), 0xA5, sizes[i]));
        }
        finish();
}
END_TEST

START_TEST(large_writes_in_a_row_stay_in_step) {
        begin_simple();
        for (unsigned i = 0; i < 24; i++)
                write_bytes(0, i, (i % 4) * 256 * KIB, i % 3 == 2 ? 100 : 256 * KIB, (uint8_t) i);
        for (unsigned i = 0; i < 24; i++)
                ck_assert_uint_eq(next_reply().error, 0);
        for (unsigned i = 20; i < 24; i++)
                ck_assert_uint_eq(*device_bytes((i % 4) * 256 * KIB + 99), i);
        finish();
}
END_TEST

START_TEST(a_batch_of_requests_is_answered_whole) {
        uint8_t bytes[128 * 28];
        bool seen[128] = {};
        Reply reply;

        begin_simple();
        for (unsigned i = 0; i < 128; i++)
                fixture_put_request(bytes + 28 * i, 0, NBD_CMD_READ, i, i * 4096, 4096);
        fixture_send(&fixture, bytes, sizeof(bytes));
        for (unsigned i = 0; i < 128; i++) {
                ck_assert(fixture_next_reply(&fixture, 4096, &reply));
                ck_assert_uint_lt(reply.cookie, 128);
                ck_assert(!seen[reply.cookie]);
                seen[reply.cookie] = true;
                ck_assert_mem_eq(reply.payload, device_bytes(reply.cookie * 4096), 4096);
        }
        ck_assert_uint_gt(fixture.memory->n_in_flight_highest, 64);
        finish();
}
END_TEST

START_TEST(replies_carry_their_cookies_when_the_device_reorders) {
        bool was_reordered = false;
        Reply reply;

        begin_structured();
        fixture.memory->delay_ns_max = 10 * NS_PER_MS;
        for (unsigned i = 0; i < 64; i++)
                fixture_request(&fixture, 0, NBD_CMD_READ, i, i * 512, 512);
        for (unsigned i = 0; i < 64; i++) {
                ck_assert(fixture_next_reply(&fixture, 512, &reply));
                was_reordered |= reply.cookie != i;
                ck_assert_uint_eq(reply.offset, reply.cookie * 512);
                ck_assert_mem_eq(reply.payload, device_bytes(reply.offset), 512);
        }
        ck_assert(was_reordered);
        finish();
}
END_TEST

/* 4 KiB a request, so that the socket holds all replies. */
static size_t count_answers_in(uint64_t duration_ns) {
        fixture_run_for(&fixture, duration_ns);
        fixture_receive(&fixture);
        return fixture.replies_size / (16 + 4096);
}

START_TEST(a_client_that_is_too_fast_is_not_read_from) {
        RateBudget budget = { .rate_max = 64 * KIB };

        fixture_set_up(&fixture, FIXTURE_DEVICE_SIZE);
        fixture_start(&fixture, (NbdAgreement){ 0 }, &(NbdSessionOptions){ .budget = &budget });
        for (unsigned i = 0; i < 64; i++)
                fixture_request(&fixture, 0, NBD_CMD_READ, i, i * 4096, 4096);
        ck_assert_uint_le(count_answers_in(NS_PER_MS), 4);
        /* 16 a second. */
        ck_assert_uint_le(count_answers_in(NS_PER_S), 20);
        ck_assert_uint_ge(count_answers_in(NS_PER_S), 30);
        ck_assert_uint_eq(count_answers_in(3 * NS_PER_S), 64);
        finish();
}
END_TEST

/* Who connects again must not have been told that it failed. */
START_TEST(an_export_that_comes_again_answers_what_was_sent_and_takes_nothing_more) {
        uint8_t more[NBD_REQUEST_SIZE] = {};

        begin_structured();
        fixture.memory->is_held = true;
        fixture_request(&fixture, 0, NBD_CMD_READ, 1, 0, 512);
        fixture_run(&fixture);
        fixture_request(&fixture, 0, NBD_CMD_READ, 2, 0, 512);
        nbd_session_hang_up(fixture.session);
        ck_assert_int_eq(send(fixture.client_fd, more, sizeof(more), MSG_NOSIGNAL), -1);
        ck_assert_int_eq(errno, EPIPE);
        fixture_run_for(&fixture, 5 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 0);
        memory_block_device_release(fixture.memory);
        ck_assert_uint_eq(next_reply().type, NBD_REPLY_TYPE_OFFSET_DATA);
        ck_assert_uint_eq(next_reply().type, NBD_REPLY_TYPE_OFFSET_DATA);
        expect_no_reply();
        ck_assert(fixture.has_end);
        ck_assert_uint_eq(fixture.n_ended, 1);
        finish();
}
END_TEST

START_TEST(an_export_that_comes_again_tells_nobody_that_it_ends) {
        static const int errors[] = { -ESHUTDOWN, -ENODEV };

        for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
                begin_simple();
                fixture.memory->is_held = true;
                fixture.memory->error = errors[i];
                fixture_request(&fixture, 0, NBD_CMD_READ, 1, 0, 512);
                fixture_run(&fixture);
                nbd_session_hang_up(fixture.session);
                memory_block_device_release(fixture.memory);
                expect_no_reply();
                ck_assert(fixture.has_end);
                ck_assert_uint_eq(fixture.n_ended, 1);
                finish();
        }
}
END_TEST

START_TEST(a_client_that_waits_for_its_turn_is_told_of_the_end) {
        RateBudget budget = { .rate_max = 64 * KIB };
        Reply reply;

        fixture_set_up(&fixture, FIXTURE_DEVICE_SIZE);
        fixture_start(&fixture, (NbdAgreement){ 0 }, &(NbdSessionOptions){ .budget = &budget });
        write_bytes(0, 1, 0, 1 * MIB, 1);
        write_bytes(0, 2, 0, 512, 1);
        ck_assert(fixture_next_reply(&fixture, 0, &reply));
        ck_assert_uint_eq(reply.error, 0);
        nbd_session_shut_down(fixture.session);
        ck_assert(fixture_next_reply(&fixture, 0, &reply));
        ck_assert_uint_eq(reply.error, NBD_ESHUTDOWN);
        finish();
}
END_TEST

START_TEST(flags_reach_the_device) {
        begin_simple();
        write_bytes(NBD_CMD_FLAG_FUA, 1, 0, 512, 1);
        ck_assert_uint_eq(next_reply().error, 0);
        ck_assert_uint_eq(fixture.memory->last_flags, BLOCK_REQUEST_FUA);
        fixture_ask(&fixture, NBD_CMD_FLAG_NO_HOLE | NBD_CMD_FLAG_FAST_ZERO, NBD_CMD_WRITE_ZEROES,
                    0, 4096);
        ck_assert_uint_eq(fixture.memory->last_flags,
                          BLOCK_REQUEST_NO_HOLE | BLOCK_REQUEST_FAST_ONLY);
        fixture_ask(&fixture, NBD_CMD_FLAG_FUA, NBD_CMD_TRIM, 0, 4096);
        ck_assert_uint_eq(fixture.memory->last_flags, BLOCK_REQUEST_FUA);
        /* It means nothing for these, but is no error. */
        fixture_ask(&fixture, NBD_CMD_FLAG_FUA, NBD_CMD_READ, 0, 512);
        ck_assert_uint_eq(fixture.memory->last_flags, 0);
        fixture_ask(&fixture, NBD_CMD_FLAG_FUA, NBD_CMD_FLUSH, 0, 0);
        fixture_ask(&fixture, NBD_CMD_FLAG_FUA, NBD_CMD_CACHE, 0, 512);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_FLUSH], 1);
        ck_assert_uint_eq(fixture.memory->n_submitted[BLOCK_OPERATION_PREFETCH], 1);
        finish();
}
END_TEST

START_TEST(the_payload_of_a_refused_write_is_consumed) {
        static const uint32_t sizes[] = { 1, 4096, 100000, 2 * MIB };

        begin_simple();
        fixture.memory->device.info.is_read_only = true;
        for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
                write_bytes(0, 1, 0, sizes[i], 0x25);
                ck_assert_uint_eq(next_reply().error, NBD_EPERM);
                expect_still_in_step();
        }
        fixture.memory->device.info.is_read_only = false;
        write_bytes(0, 1, FIXTURE_DEVICE_SIZE, 4096, 0x25);
        ck_assert_uint_eq(next_reply().error, NBD_ENOSPC);
        expect_still_in_step();
        finish();
}
END_TEST

START_TEST(no_length_is_no_reason_to_disconnect) {
        static const uint16_t commands[] = { NBD_CMD_READ,         NBD_CMD_WRITE,
                                             NBD_CMD_TRIM,         NBD_CMD_CACHE,
                                             NBD_CMD_WRITE_ZEROES, NBD_CMD_FLUSH,
                                             NBD_CMD_BLOCK_STATUS };

        for (unsigned structured = 0; structured < 2; structured++) {
                fixture_begin(&fixture, structured);
                for (size_t i = 0; i < N_ELEMENTS(commands); i++) {
                        Reply reply = fixture_ask(&fixture, 0, commands[i], 512, 0);

                        ck_assert_uint_eq(reply.error,
                                          commands[i] == NBD_CMD_BLOCK_STATUS ? NBD_EINVAL : 0);
                        ck_assert(reply.is_done);
                        ck_assert_uint_eq(reply.payload_size, 0);
                }
                expect_still_in_step();
                finish();
        }
}
END_TEST

START_TEST(unknown_commands_and_flags_are_answered_and_the_stream_goes_on) {
        begin_structured();
        ck_assert_uint_eq(fixture_ask(&fixture, 0, 99, 0, 4096).error, NBD_EINVAL);
        ck_assert_uint_eq(fixture_ask(&fixture, 0x8000, NBD_CMD_READ, 0, 4096).error, NBD_EINVAL);
        write_bytes(0x8000, 3, 0, 4096, 1);
        ck_assert_uint_eq(next_reply().error, NBD_EINVAL);
        expect_still_in_step();
        finish();
}
END_TEST

START_TEST(structured_read_errors_are_chunks_with_a_text) {
        Reply reply;

        begin_structured();
        fixture.memory->error = -EIO;
        reply = fixture_ask(&fixture, 0, NBD_CMD_READ, 0, 4096);
        ck_assert(reply.is_structured && reply.is_done);
        ck_assert_uint_eq(reply.type, NBD_REPLY_TYPE_ERROR);
        ck_assert_uint_eq(reply.error, NBD_EIO);
        ck_assert_uint_gt(strlen(reply.text), 0);
        finish();
}
END_TEST

START_TEST(a_bad_place_is_told_after_the_good_data_before_it) {
        Reply reply;

        begin_structured();
        fixture.memory->error = -EIO;
        fixture.memory->has_error_position = true;
        fixture.memory->error_position = 5120;

        fixture_request(&fixture, 0, NBD_CMD_READ, 9, 1024, 8192);
        reply = next_reply();
        ck_assert_uint_eq(reply.type, NBD_REPLY_TYPE_OFFSET_DATA);
        ck_assert(!reply.is_done);
        ck_assert_uint_eq(reply.offset, 1024);
        ck_assert_uint_eq(reply.payload_size, 4096);
        ck_assert_mem_eq(reply.payload, device_bytes(1024), 4096);
        reply = next_reply();
        ck_assert_uint_eq(reply.type, NBD_REPLY_TYPE_ERROR_OFFSET);
        ck_assert(reply.is_done);
        ck_assert_uint_eq(reply.cookie, 9);
        ck_assert_uint_eq(reply.error, NBD_EIO);
        ck_assert_uint_eq(reply.offset, 5120);

        /* With nothing good before it there is no data. */
        reply = fixture_ask(&fixture, 0, NBD_CMD_READ, 5120, 512);
        ck_assert_uint_eq(reply.type, NBD_REPLY_TYPE_ERROR_OFFSET);
        ck_assert_uint_eq(reply.offset, 5120);
        fixture.memory->error = 0;
        expect_still_in_step();
        finish();
}
END_TEST

START_TEST(a_simple_read_error_has_no_payload) {
        begin_simple();
        fixture.memory->error = -EIO;
        ck_assert_uint_eq(fixture_ask(&fixture, 0, NBD_CMD_READ, 0, 4096).error, NBD_EIO);
        fixture.memory->error = 0;
        expect_still_in_step();
        finish();
}
END_TEST

START_TEST(what_the_device_refuses_at_once_is_answered) {
        static const int errors[][2] = { { -ESHUTDOWN, NBD_ESHUTDOWN },
                                         { -ENOMEM, NBD_ENOMEM },
                                         { -EBUSY, NBD_ENOMEM } };

        begin_simple();
        for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
                fixture.memory->submit_error = errors[i][0];
                ck_assert_uint_eq(fixture_ask(&fixture, 0, NBD_CMD_FLUSH, 0, 0).error,
                                  errors[i][1]);
                write_bytes(0, 1, 0, 100000, 1);
                ck_assert_uint_eq(next_reply().error, errors[i][1]);
        }
        fixture.memory->submit_error = 0;
        expect_still_in_step();
        finish();
}
END_TEST

START_TEST(a_shortage_of_memory_is_told_and_the_stream_goes_on) {
        begin_simple();
        fixture.memory->has_no_memory = true;
        write_bytes(0, 1, 0, 200000, 1);
        ck_assert_uint_eq(next_reply().error, NBD_ENOMEM);
        ck_assert_uint_eq(fixture_ask(&fixture, 0, NBD_CMD_READ, 0, 200000).error, NBD_ENOMEM);
        expect_still_in_step(); /* small requests need no staging memory */
        finish();
}
END_TEST

START_TEST(deadlines_grow_with_what_is_ahead) {
        static const NbdSessionOptions options = { .request_timeout_ns = 10 * NS_PER_S };
        uint64_t now_ns;

        fixture_set_up(&fixture, 64 * MIB);
        fixture_start(&fixture, (NbdAgreement){}, &options);
        fixture.memory->is_held = true;
        now_ns = event_loop_now_ns(fixture.loop);
        fixture_request(&fixture, 0, NBD_CMD_READ, 1, 0, 512);
        fixture_run(&fixture);
        ck_assert_uint_eq(fixture.memory->last_deadline_ns, now_ns + 10 * NS_PER_S);
        fixture_request(&fixture, 0, NBD_CMD_READ, 2, 0, 5 * MIB);
        fixture_request(&fixture, 0, NBD_CMD_READ, 3, 0, 512);
        fixture_run(&fixture);
        ck_assert_uint_ge(fixture.memory->last_deadline_ns, now_ns + 15 * NS_PER_S);
        fixture_request(&fixture, 0, NBD_CMD_FLUSH, 4, 0, 0);
        fixture_run(&fixture);
        ck_assert_uint_ge(fixture.memory->last_deadline_ns, now_ns + 25 * NS_PER_S);
        finish();
}
END_TEST

START_TEST(fast_zeroes_are_refused_honestly) {
        begin_structured();
        fixture.memory->submit_error = -EOPNOTSUPP;
        ck_assert_uint_eq(
                        fixture_ask(&fixture, NBD_CMD_FLAG_FAST_ZERO, NBD_CMD_WRITE_ZEROES, 0, 512)
                                        .error,
                        NBD_ENOTSUP);
        finish();
}
END_TEST

static void expect_extent(const Reply *reply, size_t index, uint32_t size, uint32_t flags) {
        ck_assert_uint_ge(reply->payload_size, 4 + 8 * (index + 1));
        ck_assert_uint_eq(get_be32(reply->payload + 4 + 8 * index), size);
        ck_assert_uint_eq(get_be32(reply->payload + 4 + 8 * index + 4), flags);
}

START_TEST(block_status_tells_holes_within_the_range) {
        Reply reply;

        begin_structured();
        fixture.memory->is_sparse = true;
        memset(device_bytes(8192), 0, 8192);

        reply = fixture_ask(&fixture, 0, NBD_CMD_BLOCK_STATUS, 100, 20000);
        ck_assert_uint_eq(reply.type, NBD_REPLY_TYPE_BLOCK_STATUS);
        ck_assert(reply.is_done);
        ck_assert_uint_eq(get_be32(reply.payload), NBD_META_BASE_ALLOCATION_ID);
        ck_assert_uint_eq(reply.payload_size, 4 + 8 * 3);
        expect_extent(&reply, 0, 8092, 0);
        expect_extent(&reply, 1, 8192, NBD_STATE_HOLE | NBD_STATE_ZERO);
        expect_extent(&reply, 2, 20000 - 8092 - 8192, 0);

        reply = fixture_ask(&fixture, NBD_CMD_FLAG_REQ_ONE, NBD_CMD_BLOCK_STATUS, 8192, 20000);
        ck_assert_uint_eq(reply.payload_size, 4 + 8);
        expect_extent(&reply, 0, 8192, NBD_STATE_HOLE | NBD_STATE_ZERO);
        finish();
}
END_TEST

START_TEST(block_status_tells_as_many_extents_as_fit) {
        Reply reply;

        begin_structured();
        fixture.memory->is_sparse = true;
        for (unsigned i = 0; i < 256; i += 2)
                memset(device_bytes(i * 4096), 0, 4096);
        reply = fixture_ask(&fixture, 0, NBD_CMD_BLOCK_STATUS, 0, FIXTURE_DEVICE_SIZE);
        ck_assert_uint_eq(reply.payload_size, 4 + 8 * 128);
        expect_extent(&reply, 127, 4096, 0);
        finish();
}
END_TEST

START_TEST(disc_finishes_what_is_in_flight_and_closes) {
        begin_simple();
        fixture.memory->is_held = true;
        write_bytes(0, 1, 0, 4096, 0x77);
        fixture_request(&fixture, 0, NBD_CMD_DISC, 2, 0, 0);
        fixture_request(&fixture, 0, NBD_CMD_WRITE_ZEROES, 3, 0, 4096);
        fixture_run(&fixture);
        ck_assert_uint_eq(fixture.n_ended, 0);

        memory_block_device_release(fixture.memory);
        ck_assert_uint_eq(next_reply().cookie, 1);
        expect_no_reply();
        ck_assert(fixture.has_end);
        ck_assert_uint_eq(fixture.n_ended, 1);
        ck_assert_uint_eq(*device_bytes(4095), 0x77);
        finish();
}
END_TEST

START_TEST(a_client_that_shuts_down_its_half_is_still_answered) {
        begin_simple();
        fixture.memory->is_held = true;
        write_bytes(0, 1, 0, 4096, 0x77);
        fixture_request(&fixture, 0, NBD_CMD_FLUSH, 2, 0, 0);
        ck_assert_int_eq(shutdown(fixture.client_fd, SHUT_WR), 0);
        fixture_run(&fixture);
        ck_assert_uint_eq(fixture.n_ended, 0);

        memory_block_device_release(fixture.memory);
        ck_assert_uint_eq(next_reply().cookie, 1);
        ck_assert_uint_eq(next_reply().cookie, 2);
        expect_no_reply();
        ck_assert(fixture.has_end);
        finish();
}
END_TEST

START_TEST(a_wrong_magic_ends_the_connection_after_what_came_before) {
        uint8_t bytes[56];

        begin_simple();
        fixture_put_request(bytes, 0, NBD_CMD_FLUSH, 1, 0, 0);
        fixture_put_request(bytes + 28, 0, NBD_CMD_FLUSH, 2, 0, 0);
        bytes[28] = 0;
        fixture_send(&fixture, bytes, sizeof(bytes));
        ck_assert_uint_eq(next_reply().cookie, 1);
        expect_no_reply();
        ck_assert(fixture.has_end);
        finish();
}
END_TEST

START_TEST(a_payload_beyond_the_limit_ends_the_connection) {
        begin_simple();
        fixture_request(&fixture, 0, NBD_CMD_WRITE, 1, 0, (64U << 20) + 1);
        expect_no_reply();
        ck_assert(fixture.has_end);
        finish();
}
END_TEST

START_TEST(the_largest_payload_passes_both_ways) {
        const uint32_t size = 64U << 20;
        Reply reply;

        fixture_set_up(&fixture, size);
        fixture_start(&fixture, (NbdAgreement){}, NULL);
        write_bytes(0, 1, 0, size, 0x5A);
        ck_assert_uint_eq(next_reply().error, 0);
        ck_assert_uint_eq(*device_bytes(size - 1), 0x5A);

        fixture_request(&fixture, 0, NBD_CMD_READ, 2, 0, size);
        ck_assert(fixture_next_reply(&fixture, size, &reply));
        ck_assert_mem_eq(reply.payload, device_bytes(0), size);
        finish();
}
END_TEST

START_TEST(no_more_requests_are_taken_than_may_be_in_flight) {
        uint8_t bytes[28];
        size_t n_sent = 0, n_replies = 0;
        Reply reply;

        begin_simple();
        fixture.memory->is_held = true;
        for (unsigned i = 0; i < 1000; i++) {
                fixture_put_request(bytes, 0, NBD_CMD_READ, i, 0, 512);
                if (fixture_try_send(&fixture, bytes, sizeof(bytes)) < sizeof(bytes))
                        break;
                n_sent++;
                fixture_run_for(&fixture, NS_PER_MS);
        }
        ck_assert_uint_gt(n_sent, NBD_SESSION_REQUESTS_MAX);
        ck_assert_uint_eq(fixture.memory->n_in_flight, NBD_SESSION_REQUESTS_MAX);

        memory_block_device_release(fixture.memory);
        while (fixture_next_reply(&fixture, 512, &reply))
                n_replies++;
        ck_assert_uint_eq(n_replies, n_sent);
        ck_assert_uint_eq(fixture.memory->n_in_flight_highest, NBD_SESSION_REQUESTS_MAX);
        finish();
}
END_TEST

/* All that it may have in flight is answered and waits in the socket; nothing else will wake the session
 * but that the client reads. */
START_TEST(a_client_that_reads_late_is_answered_all_the_same) {
        const size_t reply_size = 16 + 64 * KIB;
        static uint8_t requests[3 * NBD_SESSION_REQUESTS_MAX][28];
        size_t size = 0;

        fixture_set_up(&fixture, FIXTURE_DEVICE_SIZE);
        fixture_start(&fixture, (NbdAgreement){}, NULL);
        for (unsigned i = 0; i < N_ELEMENTS(requests); i++)
                fixture_put_request(requests[i], 0, NBD_CMD_READ, i, 0, 64 * KIB);
        fixture_send(&fixture, requests, sizeof(requests));
        fixture_run(&fixture);
        for (unsigned i = 0; i < 1000 && size < N_ELEMENTS(requests) * reply_size; i++) {
                static uint8_t bytes[16 * MIB];
                ssize_t n = recv(fixture.client_fd, bytes, sizeof(bytes), MSG_DONTWAIT);

                size += n > 0 ? (size_t) n : 0;
                fixture_run(&fixture);
        }
        ck_assert_uint_eq(size, N_ELEMENTS(requests) * reply_size);
        finish();
}
END_TEST

START_TEST(no_more_bytes_are_buffered_than_the_limit) {
        const size_t size = 28 + 1 * MIB;
        uint8_t *bytes = calloc(1, size);
        size_t n_written = 0;

        begin_simple();
        fixture.memory->is_held = true;
        fixture_put_request(bytes, 0, NBD_CMD_WRITE, 1, 0, 1 * MIB);
        for (unsigned i = 0; i < 100; i++) {
                size_t sent = 0;

                for (unsigned k = 0; k < 1000 && sent < size; k++) {
                        sent += fixture_try_send(&fixture, bytes + sent, size - sent);
                        fixture_run_for(&fixture, NS_PER_US);
                }
                if (sent < size)
                        break;
                n_written++;
        }
        ck_assert_uint_ge(n_written, 64);
        ck_assert_uint_lt(n_written, 68);
        ck_assert_uint_le(fixture.memory->size_in_flight_highest, NBD_SESSION_BUFFERED_SIZE_MAX);
        free(bytes);
        finish();
}
END_TEST

START_TEST(a_client_that_reads_nothing_is_dropped_in_time) {
        static const NbdSessionOptions options = { .send_timeout_ns = 7 * NS_PER_S };
        uint8_t bytes[28];

        fixture_set_up(&fixture, FIXTURE_DEVICE_SIZE);
        fixture_start(&fixture, (NbdAgreement){}, &options);
        for (unsigned i = 0; i < 32; i++) {
                fixture_put_request(bytes, 0, NBD_CMD_READ, i, 0, 1 * MIB);
                ck_assert_uint_eq(fixture_try_send(&fixture, bytes, sizeof(bytes)), sizeof(bytes));
        }
        fixture_run_for(&fixture, 6 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 0);
        fixture_run_for(&fixture, 2 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 1);
        ck_assert_uint_lt(fixture.memory->n_in_flight_highest, 33);
        finish();
}
END_TEST

START_TEST(a_slow_client_is_kept_as_long_as_it_reads) {
        static const NbdSessionOptions options = { .send_timeout_ns = 2 * NS_PER_S };
        size_t size = 0;

        fixture_set_up(&fixture, FIXTURE_DEVICE_SIZE);
        fixture_start(&fixture, (NbdAgreement){}, &options);
        for (unsigned i = 0; i < 8; i++)
                fixture_request(&fixture, 0, NBD_CMD_READ, i, 0, 1 * MIB);
        for (unsigned i = 0; i < 200 && size < 8 * (16 + 1 * MIB); i++) {
                static uint8_t bytes[1 * MIB];
                ssize_t n;

                fixture_run_for(&fixture, NS_PER_S);
                n = recv(fixture.client_fd, bytes, sizeof(bytes), MSG_DONTWAIT);
                size += n > 0 ? n : 0;
        }
        ck_assert_uint_eq(size, 8 * (16 + 1 * MIB));
        ck_assert_uint_eq(fixture.n_ended, 0);
        finish();
}
END_TEST

START_TEST(a_closing_export_answers_for_a_moment_and_ends) {
        begin_structured();
        fixture.memory->is_held = true;
        fixture_request(&fixture, 0, NBD_CMD_READ, 1, 0, 512);
        fixture_run(&fixture);

        nbd_session_shut_down(fixture.session);
        write_bytes(0, 2, 0, 100000, 1);
        ck_assert_uint_eq(next_reply().error, NBD_ESHUTDOWN);
        ck_assert_uint_eq(fixture_ask(&fixture, 0, NBD_CMD_FLUSH, 0, 0).error, NBD_ESHUTDOWN);
        ck_assert_uint_eq(fixture_ask(&fixture, 0, NBD_CMD_READ, 0, 512).error, NBD_ESHUTDOWN);

        /* What is in flight is finished, however long it takes. */
        fixture_run_for(&fixture, 5 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 0);
        memory_block_device_release(fixture.memory);
        ck_assert_uint_eq(next_reply().type, NBD_REPLY_TYPE_OFFSET_DATA);
        expect_no_reply();
        ck_assert(fixture.has_end);
        ck_assert_uint_eq(fixture.n_ended, 1);
        finish();
}
END_TEST

/* A client that takes no answers keeps a service from stopping for a moment only. */
static void close_under_silent_client(bool is_half_closed) {
        begin_simple();
        fixture.memory->is_held = true;
        for (unsigned i = 0; i < 8; i++)
                fixture_request(&fixture, 0, NBD_CMD_READ, i, 0, 1 * MIB);
        fixture_run(&fixture);
        if (is_half_closed) {
                ck_assert_int_eq(shutdown(fixture.client_fd, SHUT_WR), 0);
                fixture_run(&fixture);
        }
        nbd_session_shut_down(fixture.session);

        /* The device has all the time that it needs. */
        fixture_run_for(&fixture, 20 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 0);
        memory_block_device_release(fixture.memory);
        fixture_run_for(&fixture, 4 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 0);
        fixture_run_for(&fixture, 2 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 1);
        finish();
}

START_TEST(a_closing_export_does_not_wait_for_a_client_that_reads_nothing) {
        close_under_silent_client(/* is_half_closed= */ false);
}
END_TEST

START_TEST(a_closing_export_does_not_wait_for_one_that_had_finished_either) {
        close_under_silent_client(/* is_half_closed= */ true);
}
END_TEST

/* Three writes, a read and a flush, as one stream. */
static size_t build_script(uint8_t *bytes) {
        size_t size = 0;

        for (unsigned i = 0; i < 3; i++) {
                size += fixture_put_request(bytes + size, 0, NBD_CMD_WRITE, i, i * 512, 100);
                memset(bytes + size, 0xE0 + i, 100);
                size += 100;
        }
        size += fixture_put_request(bytes + size, 0, NBD_CMD_READ, 3, 4096, 64);
        return size + fixture_put_request(bytes + size, 0, NBD_CMD_FLUSH, 4, 0, 0);
}

START_TEST(a_client_may_vanish_at_any_byte) {
        uint8_t script[1024];
        size_t script_size = build_script(script);

        for (size_t size = 0; size <= script_size; size++) {
                fixture_set_up(&fixture, 64 * KIB);
                fixture_start(&fixture, (NbdAgreement){}, NULL);
                if (size % 2)
                        fixture.memory->delay_ns_max = NS_PER_MS;
                fixture_send(&fixture, script, size);
                if (size % 3)
                        fixture_run_for(&fixture, 1);
                fixture.client_fd = fd_close(fixture.client_fd);
                fixture_run(&fixture);
                ck_assert_uint_eq(fixture.n_ended, 1);
                for (unsigned i = 0; i < 3; i++) {
                        bool is_whole = size >= (i + 1) * 128;

                        ck_assert_uint_eq(*device_bytes(i * 512), is_whole ? 0xE0 + i : 0);
                        ck_assert_uint_eq(*device_bytes(i * 512 + 99), is_whole ? 0xE0 + i : 0);
                }
                finish();
        }
}
END_TEST

START_TEST(a_stream_of_single_bytes_is_understood_alike) {
        uint8_t script[1024];
        size_t script_size = build_script(script);
        bool seen[5] = {};
        Reply reply;

        begin_simple();
        for (size_t i = 0; i < script_size; i++) {
                fixture_send(&fixture, script + i, 1);
                fixture_run_for(&fixture, NS_PER_US);
        }
        for (unsigned i = 0; i < 5; i++) {
                ck_assert(fixture_next_reply(&fixture, i == 3 ? 64 : 0, &reply));
                ck_assert_uint_eq(reply.error, 0);
                seen[reply.cookie] = true;
        }
        for (unsigned i = 0; i < 5; i++)
                ck_assert(seen[i]);
        for (unsigned i = 0; i < 3; i++)
                ck_assert_uint_eq(*device_bytes(i * 512 + 99), 0xE0 + i);
        finish();
}
END_TEST

START_TEST(an_export_is_described_truthfully) {
        NbdExportInfo info;

        begin_simple();
        fixture.memory->device.info.block_size_optimal = 512;
        nbd_session_describe(&fixture.memory->device, &info);
        ck_assert_uint_eq(info.size, FIXTURE_DEVICE_SIZE);
        ck_assert_uint_eq(info.block_size_minimum, 1);
        ck_assert_uint_eq(info.block_size_preferred, 4096);
        ck_assert_uint_eq(info.block_size_maximum, 64U << 20);
        ck_assert_uint_eq(info.transmission_flags,
                          NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                                          NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES |
                                          NBD_FLAG_SEND_DF | NBD_FLAG_CAN_MULTI_CONN |
                                          NBD_FLAG_SEND_CACHE | NBD_FLAG_SEND_FAST_ZERO);

        fixture.memory->device.info.is_read_only = true;
        fixture.memory->device.info.is_rotational = true;
        fixture.memory->device.info.block_size_optimal = 16384;
        nbd_session_describe(&fixture.memory->device, &info);
        ck_assert_uint_eq(info.block_size_preferred, 16384);
        ck_assert_uint_eq(info.transmission_flags,
                          NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY | NBD_FLAG_SEND_FLUSH |
                                          NBD_FLAG_ROTATIONAL | NBD_FLAG_SEND_DF |
                                          NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE);

        fixture.memory->device.info.is_read_only = false;
        fixture.memory->device.info.can_trim = false;
        nbd_session_describe(&fixture.memory->device, &info);
        ck_assert(!(info.transmission_flags & NBD_FLAG_SEND_TRIM));
        finish();
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_read_is_answered_with_the_bytes_at_any_offset,
                a_structured_read_is_one_chunk_of_data,
                what_the_device_lends_is_sent_without_reading_it,
                what_is_lent_goes_into_chunks_too,
                loans_are_given_back_when_the_client_vanishes,
                writes_of_all_sizes_arrive_whole,
                large_writes_in_a_row_stay_in_step,
                a_batch_of_requests_is_answered_whole,
                replies_carry_their_cookies_when_the_device_reorders,
                a_client_that_is_too_fast_is_not_read_from,
                a_client_that_waits_for_its_turn_is_told_of_the_end,
                flags_reach_the_device,
                the_payload_of_a_refused_write_is_consumed,
                no_length_is_no_reason_to_disconnect,
                unknown_commands_and_flags_are_answered_and_the_stream_goes_on,
                structured_read_errors_are_chunks_with_a_text,
                a_bad_place_is_told_after_the_good_data_before_it,
                a_simple_read_error_has_no_payload,
                what_the_device_refuses_at_once_is_answered,
                a_shortage_of_memory_is_told_and_the_stream_goes_on,
                deadlines_grow_with_what_is_ahead,
                fast_zeroes_are_refused_honestly,
                block_status_tells_holes_within_the_range,
                block_status_tells_as_many_extents_as_fit,
                disc_finishes_what_is_in_flight_and_closes,
                a_client_that_shuts_down_its_half_is_still_answered,
                a_wrong_magic_ends_the_connection_after_what_came_before,
                a_payload_beyond_the_limit_ends_the_connection,
                the_largest_payload_passes_both_ways,
                no_more_requests_are_taken_than_may_be_in_flight,
                a_client_that_reads_late_is_answered_all_the_same,
                no_more_bytes_are_buffered_than_the_limit,
                a_client_that_reads_nothing_is_dropped_in_time,
                a_slow_client_is_kept_as_long_as_it_reads,
                a_closing_export_answers_for_a_moment_and_ends,
                an_export_that_comes_again_answers_what_was_sent_and_takes_nothing_more,
                an_export_that_comes_again_tells_nobody_that_it_ends,
                a_closing_export_does_not_wait_for_a_client_that_reads_nothing,
                a_closing_export_does_not_wait_for_one_that_had_finished_either,
                a_client_may_vanish_at_any_byte,
                a_stream_of_single_bytes_is_understood_alike,
                an_export_is_described_truthfully,
                NULL,
        };

        return run_suite(suite_of("nbd_session", tests));
}
