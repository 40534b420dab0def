/*
 * Both ends of a control socket on one virtual loop, or one end and a raw socket that lies. Leaks
 * are counted in /proc/self/fd.
 */

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/virtual_event_loop.h"
#include "control/control_channel.h"

/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 120

#define SEEN_MAX 4096

typedef struct End {
        ControlChannel *channel; /* owned */
        size_t n_seen;
        uint32_t types[SEEN_MAX];
        uint64_t serials[SEEN_MAX]; /* of PINGs */
        char last_log[LOG_MESSAGE_SIZE_MAX];
        size_t n_fds_seen;
        size_t n_closed;
        int error;
        bool takes_first_fd;
        int taken_fd;
        bool frees_in_handler;
        bool frees_when_closed;
} End;

typedef struct Fixture {
        EventLoop *loop;
        End a;
        End b;      /* the other end: a channel ... */
        int raw_fd; /* ... or a bare socket */
        size_t n_fds_before;
} Fixture;

static Fixture fixture;

static size_t count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static void on_message(ControlChannel *channel, const ControlMessage *message, int *fds,
                       size_t n_fds, void *userdata) {
        End *end = userdata;

        ck_assert_uint_lt(end->n_seen, SEEN_MAX);
        end->types[end->n_seen] = message->type;
        end->serials[end->n_seen] = message->body.ping.serial;
        if (message->type == CONTROL_TYPE_LOG)
                strcpy(end->last_log, message->body.log.message);
        end->n_seen++;
        end->n_fds_seen += n_fds;
        for (size_t i = 0; i < n_fds; i++)
                ck_assert_int_eq(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        if (end->takes_first_fd && n_fds > 0)
                end->taken_fd = TAKE_FD(fds[0]);
        if (end->frees_in_handler)
                end->channel = control_channel_free(channel);
}

static void on_closed(ControlChannel *channel, int error, void *userdata) {
        End *end = userdata;

        end->n_closed++;
        end->error = error;
        if (end->frees_when_closed)
                end->channel = control_channel_free(channel);
}

static void set_up_pair(bool has_raw_peer) {
        int parent, child;

        fixture = (Fixture){ .raw_fd = -1, .a.taken_fd = -1, .b.taken_fd = -1 };
        fixture.n_fds_before = count_fds();
        ck_assert_int_eq(virtual_event_loop_new(&fixture.loop), 0);
        ck_assert_int_eq(control_channel_pair(&parent, &child), 0);
        ck_assert_int_eq(control_channel_new(&fixture.a.channel, fixture.loop, parent, on_message,
                                             on_closed, &fixture.a),
                         0);
        if (has_raw_peer)
                fixture.raw_fd = child;
        else
                ck_assert_int_eq(control_channel_new(&fixture.b.channel, fixture.loop, child,
                                                     on_message, on_closed, &fixture.b),
                                 0);
}

static void set_up_channels(void) { set_up_pair(/* has_raw_peer= */ false); }

static void set_up_raw_peer(void) { set_up_pair(/* has_raw_peer= */ true); }

static void tear_down(void) {
        control_channel_free(fixture.a.channel);
        control_channel_free(fixture.b.channel);
        fd_close(fixture.raw_fd);
        fd_close(fixture.a.taken_fd);
        fd_close(fixture.b.taken_fd);
        event_loop_free(fixture.loop);
        ck_assert_uint_eq(count_fds(), fixture.n_fds_before);
}

/* Without letting time pass, so that windows of time stay open. */
static void settle(void) {
        for (;;) {
                int r = event_loop_run_once(fixture.loop, /* may_wait= */ false);

                ck_assert_int_ge(r, 0);
                if (r == 0)
                        return;
        }
}

static int send_ping(ControlChannel *channel, uint64_t serial) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_PING);
        message.body.ping.serial = serial;
        return control_channel_send(channel, &message, NULL, 0);
}

/* What a peer could send that does not use our code. */
static ssize_t send_raw(const void *bytes, size_t size, const int *fds, size_t n_fds) {
        uint8_t control[CMSG_SPACE(sizeof(int) * 64)] __attribute__((aligned(8))) = { 0 };
        struct iovec vector = { .iov_base = (void *) bytes, .iov_len = size };
        struct msghdr header = { .msg_iov = &vector, .msg_iovlen = 1 };

        if (n_fds > 0) {
                struct cmsghdr *c = (struct cmsghdr *) control;

                header.msg_control = control;
                header.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }
        return sendmsg(fixture.raw_fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_raw_log(const char *text) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_LOG);
        message.body.log.level = LOG_LEVEL_INFO;
        strcpy(message.body.log.message, text);
        ck_assert_int_gt(send_raw(&message, control_message_wire_size(&message), NULL, 0), 0);
}

START_TEST(messages_arrive_in_order) {
        for (uint64_t i = 0; i < 10; i++)
                ck_assert_int_eq(send_ping(fixture.a.channel, i), 0);
        ck_assert_uint_eq(fixture.b.n_seen, 0); /* never from within send */
        settle();
        ck_assert_uint_eq(fixture.b.n_seen, 10);
        for (uint64_t i = 0; i < 10; i++)
                ck_assert_uint_eq(fixture.b.serials[i], i);
}
END_TEST

START_TEST(descriptors_arrive_and_what_is_not_taken_is_closed) {
        int fds[CONTROL_FDS_MAX];
        ControlMessage message;

        for (size_t i = 0; i < N_ELEMENTS(fds); i++)
                fds[i] = STDIN_FILENO;
        fixture.b.takes_first_fd = true;
        control_message_init(&message, CONTROL_TYPE_SIMULATE);
        strcpy(message.body.simulate.base_name, "sim0");
        ck_assert_int_eq(control_channel_send(fixture.a.channel, &message, fds, N_ELEMENTS(fds)),
                         0);
        settle();
        ck_assert_uint_eq(fixture.b.n_fds_seen, N_ELEMENTS(fds));
        ck_assert_int_ge(fcntl(fixture.b.taken_fd, F_GETFD), 0);
}
END_TEST

/* Fills socket and queue up to `n` queued messages; returns how many were sent in all. */
static uint64_t send_until_queue_is_full(void) {
        uint64_t n = 0;

        for (;;) {
                int r = send_ping(fixture.a.channel, n);

                if (r == -EXFULL)
                        return n;
                ck_assert_int_eq(r, 0);
                n++;
        }
}

START_TEST(what_a_slow_peer_does_not_take_waits_in_order) {
        size_t n_seen = 0;

        /* The socket takes a few hundred, the queue the rest. */
        for (uint64_t i = 0; i < 1000; i++)
                ck_assert_int_eq(send_ping(fixture.a.channel, i), 0);
        while (n_seen < 1000) {
                ControlMessage message;
                ssize_t size = recv(fixture.raw_fd, &message, sizeof(message), MSG_DONTWAIT);

                if (size < 0) {
                        ck_assert_int_eq(errno, EAGAIN);
                        ck_assert_int_eq(event_loop_run_once(fixture.loop, false), 1);
                        continue;
                }
                ck_assert_int_eq(control_message_validate(&message, (size_t) size, 0), 0);
                ck_assert_uint_eq(message.body.ping.serial, n_seen);
                n_seen++;
        }
        settle();
        ck_assert_uint_eq(fixture.a.n_closed, 0);
}
END_TEST

START_TEST(descriptors_wait_with_their_message) {
        ControlMessage message, received;
        size_t n_handed = 0, n_before;

        for (uint64_t i = 0; i < 1000; i++)
                ck_assert_int_eq(send_ping(fixture.a.channel, i), 0);
        n_before = count_fds();
        control_message_init(&message, CONTROL_TYPE_LISTEN);
        ck_assert_int_eq(control_channel_send(fixture.a.channel, &message, &(int){ STDIN_FILENO },
                                              1),
                         0);
        ck_assert_uint_eq(count_fds(), n_before + 1); /* a duplicate waits */
        for (;;) {
                if (recv(fixture.raw_fd, &received, sizeof(received), MSG_DONTWAIT) < 0) {
                        if (event_loop_run_once(fixture.loop, false) == 0)
                                break;
                } else if (received.type == CONTROL_TYPE_LISTEN)
                        n_handed++;
        }
        ck_assert_uint_eq(n_handed, 1);
        ck_assert_uint_eq(count_fds(), n_before);
}
END_TEST

START_TEST(a_peer_that_hangs_ends_the_channel_once_and_later) {
        uint64_t n = send_until_queue_is_full();

        ck_assert_uint_ge(n, CONTROL_CHANNEL_QUEUE_MAX);
        ck_assert_uint_eq(fixture.a.n_closed, 0);
        ck_assert_int_eq(send_ping(fixture.a.channel, n), -EPIPE);
        settle();
        ck_assert_uint_eq(fixture.a.n_closed, 1);
        ck_assert_int_eq(fixture.a.error, -EXFULL);
}
END_TEST

START_TEST(too_many_waiting_descriptors_end_the_channel) {
        ControlMessage message;
        int r = 0;

        for (uint64_t i = 0; i < 1000; i++)
                ck_assert_int_eq(send_ping(fixture.a.channel, i), 0);
        control_message_init(&message, CONTROL_TYPE_LISTEN);
        for (size_t i = 0; r == 0 && i < CONTROL_CHANNEL_QUEUE_MAX; i++)
                r = control_channel_send(fixture.a.channel, &message, &(int){ STDIN_FILENO }, 1);
        ck_assert_int_eq(r, -EXFULL);
        settle();
        ck_assert_int_eq(fixture.a.error, -EXFULL);
}
END_TEST

typedef struct LieCase {
        const char *what;
        uint32_t type;
        uint32_t size;
        size_t sent_size;
        size_t n_fds;
} LieCase;

static const LieCase lie_cases[] = {
        { "an unknown type", _CONTROL_TYPE_MAX, 0, 8, 0 },
        { "a huge type", UINT32_MAX, 0, 8, 0 },
        { "a wrong size", CONTROL_TYPE_PING, 7, 16, 0 },
        { "a size that was not sent", CONTROL_TYPE_PING, 8, 12, 0 },
        { "more than the type has", CONTROL_TYPE_PING, 8, 24, 0 },
        { "half a header", CONTROL_TYPE_PING, 8, 4, 0 },
        { "descriptors where none belong", CONTROL_TYPE_READY, 0, 8, 3 },
        { "no descriptor where one belongs", CONTROL_TYPE_LISTEN, 0, 8, 0 },
        { "two descriptors where one belongs", CONTROL_TYPE_LISTEN, 0, 8, 2 },
        { "more descriptors than any message has", CONTROL_TYPE_READY, 0, 8, 40 },
        { "a message that is too large", CONTROL_TYPE_READY, 0, sizeof(ControlMessage) + 1, 0 },
        { "the same with descriptors", CONTROL_TYPE_LISTEN, 0, 60000, 5 },
};

START_TEST(a_lie_ends_the_channel_and_leaks_nothing) {
        static uint8_t bytes[CONTROL_MESSAGE_SIZE_MAX];
        const LieCase *c = &lie_cases[_i];
        size_t n_before = count_fds();
        int fds[64] = { 0 };

        memcpy(bytes, &c->type, sizeof(c->type));
        memcpy(bytes + sizeof(c->type), &c->size, sizeof(c->size));
        ck_assert_int_eq(send_raw(bytes, c->sent_size, fds, c->n_fds), (ssize_t) c->sent_size);
        settle();
        ck_assert_msg(fixture.a.n_closed == 1 && fixture.a.error == -EBADMSG, "%s passed", c->what);
        ck_assert_uint_eq(fixture.a.n_seen, 0);
        ck_assert_uint_eq(count_fds(), n_before);
}
END_TEST

START_TEST(nothing_is_heard_after_a_lie) {
        ControlMessage message;

        ck_assert_int_eq(send_raw("?", 1, NULL, 0), 1);
        control_message_init(&message, CONTROL_TYPE_READY);
        ck_assert_int_gt(send_raw(&message, control_message_wire_size(&message), NULL, 0), 0);
        settle();
        ck_assert_uint_eq(fixture.a.n_seen, 0);
        ck_assert_uint_eq(fixture.a.n_closed, 1);
}
END_TEST

START_TEST(last_words_are_read_before_the_end) {
        ControlMessage message;

        /* Unread by the peer, so that its death also resets the socket. */
        ck_assert_int_eq(send_ping(fixture.a.channel, 1), 0);
        control_message_init(&message, CONTROL_TYPE_STOPPED);
        ck_assert_int_gt(send_raw(&message, control_message_wire_size(&message), NULL, 0), 0);
        fixture.raw_fd = fd_close(fixture.raw_fd);
        if (_i)
                ck_assert_int_eq(send_ping(fixture.a.channel, 2), -EPIPE);
        settle();
        ck_assert_uint_eq(fixture.a.n_seen, 1);
        ck_assert_uint_eq(fixture.a.types[0], CONTROL_TYPE_STOPPED);
        ck_assert_uint_eq(fixture.a.n_closed, 1);
        ck_assert_int_eq(fixture.a.error, 0);
        ck_assert_int_eq(send_ping(fixture.a.channel, 3), -EPIPE);
        settle();
        ck_assert_uint_eq(fixture.a.n_closed, 1);
}
END_TEST

START_TEST(a_channel_may_be_freed_by_its_handler) {
        fixture.b.frees_in_handler = true;
        ck_assert_int_eq(send_ping(fixture.a.channel, 1), 0);
        ck_assert_int_eq(send_ping(fixture.a.channel, 2), 0);
        settle();
        ck_assert_uint_eq(fixture.b.n_seen, 1);
        ck_assert_uint_eq(fixture.b.n_closed, 0);
        ck_assert_uint_eq(fixture.a.n_closed, 1);
}
END_TEST

START_TEST(a_channel_may_be_freed_when_it_is_told_closed) {
        fixture.b.frees_when_closed = true;
        fixture.a.channel = control_channel_free(fixture.a.channel);
        settle();
        ck_assert_uint_eq(fixture.b.n_closed, 1);
        ck_assert_int_eq(fixture.b.error, 0);
        ck_assert_ptr_null(fixture.b.channel);
}
END_TEST

START_TEST(what_was_sent_before_free_arrives) {
        ck_assert_int_eq(send_ping(fixture.a.channel, 7), 0);
        fixture.a.channel = control_channel_free(fixture.a.channel);
        settle();
        ck_assert_uint_eq(fixture.b.n_seen, 1);
        ck_assert_uint_eq(fixture.b.serials[0], 7);
        ck_assert_uint_eq(fixture.b.n_closed, 1);
}
END_TEST

START_TEST(a_flood_is_taken_in_batches) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_PONG);
        for (size_t i = 0; i < 2 * CONTROL_CHANNEL_BATCH_MAX; i++)
                ck_assert_int_gt(send_raw(&message, control_message_wire_size(&message), NULL, 0),
                                 0);
        ck_assert_int_eq(event_loop_run_once(fixture.loop, /* may_wait= */ false), 1);
        ck_assert_uint_gt(fixture.a.n_seen, 0);
        ck_assert_uint_le(fixture.a.n_seen, CONTROL_CHANNEL_BATCH_MAX);
        settle();
        ck_assert_uint_eq(fixture.a.n_seen, 2 * CONTROL_CHANNEL_BATCH_MAX);
}
END_TEST

static size_t n_warnings;

static void count_warnings(const LogRecord *record, void *userdata) {
        if (record->level == LOG_LEVEL_WARNING)
                n_warnings++;
}

START_TEST(a_flood_of_logs_is_dropped_and_counted_in_one_warning) {
        uint64_t start_ns = event_loop_now_ns(fixture.loop);

        n_warnings = 0;
        log_set_sink(count_warnings, NULL);
        for (size_t i = 0; i < 3 * CONTROL_CHANNEL_LOGS_PER_SECOND_MAX; i++) {
                send_raw_log("again");
                settle();
        }
        ck_assert_uint_eq(fixture.a.n_seen, CONTROL_CHANNEL_LOGS_PER_SECOND_MAX);
        ck_assert_int_eq(virtual_event_loop_run_until(fixture.loop, start_ns + 2 * NS_PER_S), 0);
        ck_assert_uint_eq(n_warnings, 1);

        send_raw_log("later");
        settle();
        ck_assert_uint_eq(fixture.a.n_seen, CONTROL_CHANNEL_LOGS_PER_SECOND_MAX + 1);
        ck_assert_str_eq(fixture.a.last_log, "later");
        log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(logging_gives_way_to_a_slow_manager_and_says_so) {
        LogRecord record = { .level = LOG_LEVEL_INFO, .device = "1-4.1", .message = "line" };
        bool has_seen_warning = false;
        size_t n_logs = 0;

        for (size_t i = 0; i < 2 * CONTROL_CHANNEL_QUEUE_MAX; i++)
                control_channel_send_log(fixture.a.channel, &record);
        /* The other half of the queue is left to what matters. */
        ck_assert_int_eq(send_ping(fixture.a.channel, 1), 0);

        for (;;) {
                ControlMessage message;

                if (recv(fixture.raw_fd, &message, sizeof(message), MSG_DONTWAIT) < 0 &&
                    event_loop_run_once(fixture.loop, /* may_wait= */ false) == 0)
                        break;
                n_logs += message.type == CONTROL_TYPE_LOG;
        }
        ck_assert_uint_lt(n_logs, 2 * CONTROL_CHANNEL_QUEUE_MAX);

        control_channel_send_log(fixture.a.channel, &record);
        for (size_t i = 0; i < 2; i++) {
                ControlMessage message = { 0 };

                ck_assert_int_gt(recv(fixture.raw_fd, &message, sizeof(message), MSG_DONTWAIT), 0);
                ck_assert_uint_eq(message.type, CONTROL_TYPE_LOG);
                if (message.body.log.level == LOG_LEVEL_WARNING)
                        has_seen_warning = strstr(message.body.log.message, "dropped") != NULL;
                else
                        ck_assert_str_eq(message.body.log.device, "1-4.1");
        }
        ck_assert(has_seen_warning);
}
END_TEST

START_TEST(a_long_log_line_is_cut) {
        static char text[2 * LOG_MESSAGE_SIZE_MAX];
        LogRecord record = { .level = LOG_LEVEL_ERROR, .message = text };

        memset(text, 'x', sizeof(text) - 1);
        control_channel_send_log(fixture.a.channel, &record);
        settle();
        ck_assert_uint_eq(strlen(fixture.b.last_log), LOG_MESSAGE_SIZE_MAX - 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("control_channel");
        TCase *channels = tcase_create("two channels");
        TCase *raw = tcase_create("a channel and a raw socket");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(channels, TIMEOUT_S);
        tcase_set_timeout(raw, TIMEOUT_S);
        tcase_add_checked_fixture(channels, set_up_channels, tear_down);
        tcase_add_test(channels, messages_arrive_in_order);
        tcase_add_test(channels, descriptors_arrive_and_what_is_not_taken_is_closed);
        tcase_add_test(channels, a_channel_may_be_freed_by_its_handler);
        tcase_add_test(channels, a_channel_may_be_freed_when_it_is_told_closed);
        tcase_add_test(channels, what_was_sent_before_free_arrives);
        tcase_add_test(channels, a_long_log_line_is_cut);
        suite_add_tcase(suite, channels);

        tcase_add_checked_fixture(raw, set_up_raw_peer, tear_down);
        tcase_add_test(raw, what_a_slow_peer_does_not_take_waits_in_order);
        tcase_add_test(raw, descriptors_wait_with_their_message);
        tcase_add_test(raw, a_peer_that_hangs_ends_the_channel_once_and_later);
        tcase_add_test(raw, too_many_waiting_descriptors_end_the_channel);
        tcase_add_loop_test(raw, a_lie_ends_the_channel_and_leaks_nothing, 0,
                            (int) N_ELEMENTS(lie_cases));
        tcase_add_test(raw, nothing_is_heard_after_a_lie);
        tcase_add_loop_test(raw, last_words_are_read_before_the_end, 0, 2);
        tcase_add_test(raw, a_flood_is_taken_in_batches);
        tcase_add_test(raw, a_flood_of_logs_is_dropped_and_counted_in_one_warning);
        tcase_add_test(raw, logging_gives_way_to_a_slow_manager_and_says_so);
        suite_add_tcase(suite, raw);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
