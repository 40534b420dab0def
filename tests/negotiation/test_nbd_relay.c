/*
 * The relay between streams whose habits are scripted, and sockets, on the virtual loop: what comes
 * out is what went in, nothing waits without bounds, and each way to end ends both sides.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/virtual_event_loop.h"
#include "loop_steps.h"
#include "negotiation/nbd_relay.h"

#define TIMEOUT_S 120
#define STALL_NS (60 * NS_PER_S)
#define LOAD_SIZE (3 * MIB)

/* A stream in the clear, with the habits of TLS. */
typedef struct ScriptedStream {
        NbdStream stream;
        NbdStream *plain;   /* owned: does the work */
        uint8_t kept[4096]; /* taken from the socket, and not given on yet */
        size_t kept_size;
        size_t piece_max;  /* of a send or receive; 0: no limit */
        bool keeps_bytes;  /* receives more than it gives */
        uint64_t refusals; /* a bit for each send: told to come again */
        unsigned n_sends;
        uint8_t refused; /* the byte it must begin with then */
        bool is_refused;
        unsigned n_finishes_refused;
        int receive_error;
} ScriptedStream;

typedef struct Fixture {
        EventLoop *loop;
        NbdRelay *relay;
        ScriptedStream *script; /* the client's stream */
        int client;             /* the far ends */
        int worker;
        unsigned n_ended;
} Fixture;

static Fixture fixture;

static ScriptedStream *get_script(NbdStream *stream) {
        return container_of(stream, ScriptedStream, stream);
}

static size_t limit(const ScriptedStream *script, size_t size) {
        return script->piece_max > 0 ? MIN(size, script->piece_max) : size;
}

static ssize_t scripted_receive(NbdStream *stream, void *bytes, size_t size) {
        ScriptedStream *script = get_script(stream);
        ssize_t n;

        if (script->receive_error < 0)
                return script->receive_error;
        size = limit(script, size);
        if (!script->keeps_bytes)
                return script->plain->ops->receive(script->plain, bytes, size);
        if (script->kept_size == 0) {
                n = script->plain->ops->receive(script->plain, script->kept, sizeof(script->kept));
                if (n <= 0)
                        return n;
                script->kept_size = (size_t) n;
        }
        size = MIN(size, script->kept_size);
        memcpy(bytes, script->kept, size);
        script->kept_size -= size;
        memmove(script->kept, script->kept + size, script->kept_size);
        return (ssize_t) size;
}

static ssize_t scripted_send(NbdStream *stream, const void *bytes, size_t size) {
        ScriptedStream *script = get_script(stream);
        const uint8_t first = *(const uint8_t *) bytes;

        ck_assert_uint_gt(size, 0);
        if (script->is_refused)
                ck_assert_uint_eq(first, script->refused);
        script->is_refused = script->refusals >> (script->n_sends++ % 64) & 1;
        script->refused = first;
        if (script->is_refused)
                return -EAGAIN;
        return script->plain->ops->send(script->plain, bytes, limit(script, size));
}

static int scripted_finish(NbdStream *stream) {
        ScriptedStream *script = get_script(stream);

        if (script->n_finishes_refused > 0) {
                script->n_finishes_refused--;
                return -EAGAIN;
        }
        return script->plain->ops->finish(script->plain);
}

static void scripted_free(NbdStream *stream) {
        ScriptedStream *script = get_script(stream);

        nbd_stream_free(script->plain);
        free(script);
}

static ScriptedStream *scripted_stream_new(int fd) {
        static const NbdStreamOps ops = {
                .receive = scripted_receive,
                .send = scripted_send,
                .finish = scripted_finish,
                .free = scripted_free,
        };
        ScriptedStream *script = calloc(1, sizeof(*script));

        ck_assert_ptr_nonnull(script);
        script->stream = (NbdStream){ .ops = &ops, .fd = fd };
        ck_assert_int_eq(nbd_stream_new_plain(&script->plain, fd), 0);
        return script;
}

static void on_ended(NbdRelay *relay, void *userdata) {
        ck_assert_ptr_eq(relay, fixture.relay);
        fixture.n_ended++;
        fixture.relay = nbd_relay_free(relay);
        fixture.script = NULL;
}

/* Returns the near end. */
static int make_pair(int *ret_far) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        *ret_far = fds[1];
        return fds[0];
}

static void set_up(void) {
        NbdStream *worker;

        fixture = (Fixture){ 0 };
        ck_assert_int_eq(virtual_event_loop_new(&fixture.loop), 0);
        fixture.script = scripted_stream_new(make_pair(&fixture.client));
        ck_assert_int_eq(nbd_stream_new_plain(&worker, make_pair(&fixture.worker)), 0);
        ck_assert_int_eq(nbd_relay_new(&fixture.relay, fixture.loop, &fixture.script->stream,
                                       worker, STALL_NS, on_ended, NULL),
                         0);
}

static void tear_down(void) {
        nbd_relay_free(fixture.relay);
        fd_close(fixture.client);
        fd_close(fixture.worker);
        event_loop_free(fixture.loop);
}

/* Ends, so nothing spins. */
static void settle(void) { loop_steps_settle(fixture.loop); }

static void pass_time(uint64_t duration_ns) { loop_steps_pass_time(fixture.loop, duration_ns); }

static void say(int fd, const char *text) {
        ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t) strlen(text));
        settle();
}

static void expect(int fd, const char *text) {
        char bytes[256] = "";

        settle();
        ck_assert_int_eq(recv(fd, bytes, sizeof(bytes) - 1, 0), (ssize_t) strlen(text));
        ck_assert_str_eq(bytes, text);
}

static void expect_end(int fd) {
        char byte;

        settle();
        ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
}

static void expect_nothing(int fd) {
        char byte;

        settle();
        ck_assert_int_lt(recv(fd, &byte, 1, 0), 0);
        ck_assert_int_eq(errno, EAGAIN);
}

static uint8_t pattern(size_t i) { return (uint8_t) (i ^ i >> 8 ^ i >> 16); }

/* As much as goes in at once; returns how much there has been since the beginning. */
static size_t push(int fd, size_t sent, size_t size) {
        static uint8_t bytes[16 * KIB];

        while (sent < size) {
                size_t n = MIN(size - sent, sizeof(bytes));
                ssize_t r;

                for (size_t i = 0; i < n; i++)
                        bytes[i] = pattern(sent + i);
                r = send(fd, bytes, n, MSG_NOSIGNAL);
                if (r < 0)
                        break;
                sent += (size_t) r;
        }
        return sent;
}

static size_t pull(int fd, size_t received, size_t size_max) {
        static uint8_t bytes[16 * KIB];
        ssize_t n = recv(fd, bytes, MIN(size_max, sizeof(bytes)), 0);
        bool is_same = true;

        for (ssize_t i = 0; i < n; i++)
                is_same &= bytes[i] == pattern(received + (size_t) i);
        ck_assert(is_same);
        return received + (size_t) MAX(n, 0);
}

typedef struct HabitCase {
        const char *what;
        size_t piece_max;
        bool keeps_bytes;
        uint64_t refusals;
} HabitCase;

static const HabitCase habit_cases[] = {
        { "a plain stream", 0, false, 0 },
        { "small pieces", 1000, false, 0 },
        { "bytes that are kept", 500, true, 0 },
        { "sends that are refused now and then", 16384, true, 0x0123456789abcdef },
};

START_TEST(what_goes_in_comes_out_on_the_other_side) {
        const HabitCase *c = &habit_cases[_i];
        size_t sent_up = 0, sent_down = 0, got_up = 0, got_down = 0;

        fixture.script->piece_max = c->piece_max;
        fixture.script->keeps_bytes = c->keeps_bytes;
        fixture.script->refusals = c->refusals;
        while (got_up < LOAD_SIZE || got_down < LOAD_SIZE) {
                sent_up = push(fixture.client, sent_up, LOAD_SIZE);
                sent_down = push(fixture.worker, sent_down, LOAD_SIZE);
                settle();
                got_up = pull(fixture.worker, got_up, 7000);
                got_down = pull(fixture.client, got_down, 9000);
        }
        ck_assert_uint_eq(fixture.n_ended, 0);
        expect_nothing(fixture.client);
        expect_nothing(fixture.worker);
}
END_TEST

/* What two sockets and a pipe hold, at most. */
static size_t bound(void) {
        int size;
        socklen_t size_size = sizeof(size);

        ck_assert_int_eq(getsockopt(fixture.client, SOL_SOCKET, SO_SNDBUF, &size, &size_size), 0);
        return 2 * (size_t) size + NBD_RELAY_BUFFER_SIZE;
}

START_TEST(a_slow_worker_holds_its_client_back) {
        size_t sent = 0, before;

        do {
                before = sent;
                sent = push(fixture.client, sent, SIZE_MAX);
                settle();
        } while (sent > before);
        ck_assert_uint_le(sent, bound());
        /* The other direction is free. */
        say(fixture.worker, "a reply");
        expect(fixture.client, "a reply");
        /* For as long as it takes. */
        pass_time(100 * STALL_NS);
        ck_assert_uint_eq(fixture.n_ended, 0);
        for (size_t got = 0; got < sent;) {
                got = pull(fixture.worker, got, sent);
                settle();
        }
}
END_TEST

START_TEST(a_slow_client_holds_its_worker_back_and_is_dropped_in_the_end) {
        size_t sent = 0, before;

        do {
                before = sent;
                sent = push(fixture.worker, sent, SIZE_MAX);
                settle();
        } while (sent > before);
        ck_assert_uint_le(sent, bound());
        pass_time(STALL_NS - NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 0);
        pass_time(2 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_ended, 1);
}
END_TEST

START_TEST(a_client_that_takes_a_little_now_and_then_stays) {
        size_t sent = 0, got = 0;

        for (size_t i = 0; i < 20; i++) {
                sent = push(fixture.worker, sent, SIZE_MAX);
                settle();
                for (size_t j = 0; j < 16; j++)
                        got = pull(fixture.client, got, SIZE_MAX);
                pass_time(STALL_NS - NS_PER_S);
                ck_assert_uint_eq(fixture.n_ended, 0);
        }
}
END_TEST

START_TEST(nobody_who_waits_is_dropped) {
        say(fixture.client, "a request");
        expect(fixture.worker, "a request");
        pass_time(24 * 3600 * NS_PER_S);
        say(fixture.worker, "a reply");
        expect(fixture.client, "a reply");
        ck_assert_uint_eq(fixture.n_ended, 0);
}
END_TEST

START_TEST(what_the_stream_has_kept_needs_no_event) {
        fixture.script->keeps_bytes = true;
        fixture.script->piece_max = 3;
        say(fixture.client, "more than three bytes");
        expect(fixture.worker, "more than three bytes");
}
END_TEST

START_TEST(a_half_that_the_client_ends_is_ended_and_still_answered) {
        say(fixture.client, "the last request");
        ck_assert_int_eq(shutdown(fixture.client, SHUT_WR), 0);
        expect(fixture.worker, "the last request");
        expect_end(fixture.worker);
        ck_assert_uint_eq(fixture.n_ended, 0);
        say(fixture.worker, "the last reply");
        fixture.worker = fd_close(fixture.worker);
        expect(fixture.client, "the last reply");
        expect_end(fixture.client);
        ck_assert_uint_eq(fixture.n_ended, 1);
}
END_TEST

START_TEST(a_worker_that_ends_ends_its_client_with_all_it_said) {
        fixture.script->n_finishes_refused = 3;
        say(fixture.worker, "the last reply");
        fixture.worker = fd_close(fixture.worker);
        expect(fixture.client, "the last reply");
        expect_end(fixture.client);
        ck_assert_uint_eq(fixture.n_ended, 1);
}
END_TEST

START_TEST(a_worker_that_dies_ends_its_client) {
        /* What it has not read makes the kernel tell a reset. */
        say(fixture.client, "a request");
        fixture.worker = fd_close(fixture.worker);
        expect_end(fixture.client);
        ck_assert_uint_eq(fixture.n_ended, 1);
}
END_TEST

START_TEST(a_worker_that_listens_no_more_may_still_speak) {
        ck_assert_int_eq(shutdown(fixture.worker, SHUT_RD), 0);
        say(fixture.client, "too late");
        say(fixture.client, "again");
        say(fixture.worker, "the last reply");
        expect(fixture.client, "the last reply");
        ck_assert_uint_eq(fixture.n_ended, 0);
}
END_TEST

START_TEST(a_client_that_vanishes_ends_its_worker) {
        say(fixture.worker, "a reply that nobody reads");
        fixture.client = fd_close(fixture.client);
        settle();
        if (fixture.n_ended == 0)
                say(fixture.worker, "another");
        settle();
        ck_assert_uint_eq(fixture.n_ended, 1);
        expect_end(fixture.worker);
}
END_TEST

START_TEST(a_client_whose_bytes_are_not_what_they_should_be_is_dropped) {
        char byte;

        fixture.script->receive_error = -EPROTO;
        say(fixture.client, "anything");
        ck_assert_uint_eq(fixture.n_ended, 1);
        expect_end(fixture.worker);
        /* What was not read makes the kernel tell a reset. */
        ck_assert_int_lt(recv(fixture.client, &byte, 1, 0), 0);
        ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("nbd_relay");
        TCase *tcase = tcase_create("relay");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, what_goes_in_comes_out_on_the_other_side, 0,
                            (int) N_ELEMENTS(habit_cases));
        tcase_add_test(tcase, a_slow_worker_holds_its_client_back);
        tcase_add_test(tcase, a_slow_client_holds_its_worker_back_and_is_dropped_in_the_end);
        tcase_add_test(tcase, a_client_that_takes_a_little_now_and_then_stays);
        tcase_add_test(tcase, nobody_who_waits_is_dropped);
        tcase_add_test(tcase, what_the_stream_has_kept_needs_no_event);
        tcase_add_test(tcase, a_half_that_the_client_ends_is_ended_and_still_answered);
        tcase_add_test(tcase, a_worker_that_ends_ends_its_client_with_all_it_said);
        tcase_add_test(tcase, a_worker_that_dies_ends_its_client);
        tcase_add_test(tcase, a_worker_that_listens_no_more_may_still_speak);
        tcase_add_test(tcase, a_client_that_vanishes_ends_its_worker);
        tcase_add_test(tcase, a_client_whose_bytes_are_not_what_they_should_be_is_dropped);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
