/*
 * The client's side is written from the protocol text, with an offset for each field, and shares
 * nothing with the server but the numbers' names.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "session_fixture.h"

static void on_ended(NbdSession *session, void *userdata) {
        SessionFixture *fixture = userdata;

        ck_assert_ptr_eq(session, fixture->session);
        fixture->n_ended++;
}

void fixture_set_up(SessionFixture *fixture, uint64_t device_size) {
        *fixture = (SessionFixture){ .client_fd = -EBADF };
        ck_assert_int_eq(virtual_event_loop_new(&fixture->loop), 0);
        fixture->memory = memory_block_device_new(fixture->loop, device_size, 512);
        ck_assert_ptr_nonnull(fixture->memory);
        fixture->replies_size_max = 256 * KIB + 2 * device_size;
        fixture->replies = malloc(fixture->replies_size_max);
        ck_assert_ptr_nonnull(fixture->replies);
}

void fixture_start(SessionFixture *fixture, NbdAgreement agreement,
                   const NbdSessionOptions *options) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        fixture->client_fd = fds[0];
        fixture->agreement = agreement;
        ck_assert_int_eq(nbd_session_new(&fixture->session, &fixture->memory->device, fds[1],
                                         &agreement, options, on_ended, fixture),
                         0);
}

void fixture_begin(SessionFixture *fixture, bool has_structured_replies) {
        fixture_set_up(fixture, FIXTURE_DEVICE_SIZE);
        for (size_t i = 0; i < FIXTURE_DEVICE_SIZE; i++)
                fixture->memory->memory[i] = (uint8_t) (i * 7 + i / 4096);
        fixture_start(fixture,
                      (NbdAgreement){ .has_structured_replies = has_structured_replies,
                                      .has_base_allocation = has_structured_replies },
                      NULL);
}

void fixture_tear_down(SessionFixture *fixture) {
        fixture->client_fd = fd_close(fixture->client_fd);
        memory_block_device_release(fixture->memory);
        fixture_run_for(fixture, 100 * NS_PER_S);
        ck_assert_uint_eq(fixture->n_ended, 1);
        fixture->session = nbd_session_free(fixture->session);
        block_device_free(&fixture->memory->device);
        event_loop_free(fixture->loop);
        free(fixture->replies);
}

void fixture_run_for(SessionFixture *fixture, uint64_t duration_ns) {
        ck_assert_int_eq(virtual_event_loop_run_until(fixture->loop,
                                                      event_loop_now_ns(fixture->loop) +
                                                                      duration_ns),
                         0);
}

void fixture_run(SessionFixture *fixture) { fixture_run_for(fixture, FIXTURE_MOMENT_NS); }

size_t fixture_put_request(uint8_t *bytes, uint16_t flags, uint16_t command, uint64_t cookie,
                           uint64_t offset, uint32_t size) {
        put_be32(bytes, 0x25609513);
        put_be16(bytes + 4, flags);
        put_be16(bytes + 6, command);
        put_be64(bytes + 8, cookie);
        put_be64(bytes + 16, offset);
        put_be32(bytes + 24, size);
        return 28;
}

size_t fixture_try_send(SessionFixture *fixture, const void *bytes, size_t size) {
        size_t sent = 0;

        while (sent < size) {
                ssize_t n = send(fixture->client_fd, (const uint8_t *) bytes + sent, size - sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0)
                        break;
                sent += n;
        }
        return sent;
}

void fixture_send(SessionFixture *fixture, const void *bytes, size_t size) {
        size_t sent = 0;

        while (sent < size) {
                size_t n = fixture_try_send(fixture, (const uint8_t *) bytes + sent, size - sent);

                sent += n;
                if (sent == size)
                        break;
                fixture_run_for(fixture, NS_PER_MS);
                fixture_receive(fixture);
                ck_assert_msg(n > 0 || fixture->n_ended == 0, "the server closed early");
        }
}

void fixture_request(SessionFixture *fixture, uint16_t flags, uint16_t command, uint64_t cookie,
                     uint64_t offset, uint32_t size) {
        uint8_t bytes[28];

        fixture_put_request(bytes, flags, command, cookie, offset, size);
        fixture_send(fixture, bytes, sizeof(bytes));
}

void fixture_receive(SessionFixture *fixture) {
        while (!fixture->has_end) {
                ssize_t n = recv(fixture->client_fd, fixture->replies + fixture->replies_size,
                                 fixture->replies_size_max - fixture->replies_size, MSG_DONTWAIT);

                if (n < 0 && errno == EAGAIN)
                        return;
                if (n <= 0)
                        fixture->has_end = true;
                else
                        fixture->replies_size += n;
        }
}

/* Waits until the server has sent that much, or nothing more. */
static bool await_bytes(SessionFixture *fixture, size_t size) {
        for (unsigned i = 0; i < 1000; i++) {
                size_t before = fixture->replies_size;

                if (fixture->replies_size >= size)
                        return true;
                fixture_run(fixture);
                fixture_receive(fixture);
                if (fixture->replies_size == before)
                        return false;
        }
        return false;
}

static size_t parse_simple(const uint8_t *bytes, size_t read_size, Reply *reply) {
        reply->is_done = true;
        reply->error = get_be32(bytes + 4);
        reply->cookie = get_be64(bytes + 8);
        if (reply->error == 0)
                reply->payload_size = read_size;
        return 16;
}

static size_t parse_error(const uint8_t *bytes, Reply *reply) {
        size_t text_size = get_be16(bytes + 24);

        reply->error = get_be32(bytes + 20);
        ck_assert_uint_ne(reply->error, 0);
        ck_assert_uint_le(6 + text_size, reply->payload_size);
        ck_assert_uint_lt(text_size, sizeof(reply->text));
        memcpy(reply->text, bytes + 26, text_size);
        reply->payload_size -= 6 + text_size;
        if (reply->type == 32770) {
                ck_assert_uint_eq(reply->payload_size, 8);
                reply->offset = get_be64(bytes + 26 + text_size);
                reply->payload_size = 0;
                text_size += 8;
        }
        return 26 + text_size;
}

static size_t parse_chunk(const uint8_t *bytes, Reply *reply) {
        reply->is_structured = true;
        reply->is_done = get_be16(bytes + 4) & 1;
        reply->type = get_be16(bytes + 6);
        reply->cookie = get_be64(bytes + 8);
        reply->payload_size = get_be32(bytes + 16);
        if (reply->type & 0x8000)
                return parse_error(bytes, reply);
        if (reply->type != 1)
                return 20;
        ck_assert_uint_gt(reply->payload_size, 8);
        reply->offset = get_be64(bytes + 20);
        reply->payload_size -= 8;
        return 28;
}

bool fixture_next_reply(SessionFixture *fixture, size_t read_size, Reply *ret) {
        static uint8_t *taken;
        uint8_t *bytes = fixture->replies;
        Reply reply = {};
        size_t head_size;
        uint32_t magic;

        if (!await_bytes(fixture, 16))
                return false;
        magic = get_be32(bytes);
        ck_assert(magic == 0x67446698 || magic == 0x668e33ef);
        if (magic == 0x668e33ef) {
                ck_assert(await_bytes(fixture, 20));
                ck_assert(await_bytes(fixture, 20 + get_be32(bytes + 16)));
        }
        head_size = magic == 0x67446698 ? parse_simple(bytes, read_size, &reply)
                                        : parse_chunk(bytes, &reply);
        ck_assert(await_bytes(fixture, head_size + reply.payload_size));

        /* The payload stays valid until the next reply is taken. */
        free(taken);
        taken = malloc(reply.payload_size + 1);
        ck_assert_ptr_nonnull(taken);
        memcpy(taken, bytes + head_size, reply.payload_size);
        reply.payload = taken;
        fixture->replies_size -= head_size + reply.payload_size;
        memmove(bytes, bytes + head_size + reply.payload_size, fixture->replies_size);
        *ret = reply;
        return true;
}

Reply fixture_ask(SessionFixture *fixture, uint16_t flags, uint16_t command, uint64_t offset,
                  uint32_t size) {
        static uint64_t cookie = 0x1122334455667700;
        Reply reply;

        fixture_request(fixture, flags, command, ++cookie, offset, size);
        ck_assert(fixture_next_reply(fixture, command == NBD_CMD_READ ? size : 0, &reply));
        ck_assert_uint_eq(reply.cookie, cookie);
        return reply;
}
