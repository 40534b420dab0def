/*
 * The server with real sockets on the virtual loop: where the bytes end, and when. What the options
 * mean is tested in test_nbd_handshake_options.c.
 */

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/bytes.h"
#include "base/virtual_event_loop.h"
#include "loop_steps.h"
#include "negotiation/nbd_server.h"

/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 120

#define DATA(text) (text), sizeof(text) - 1
#define OPTION(number, size) \
        "IHAVEOPT"           \
        "\0\0\0" number "\0\0\0" size
#define FLAGS "\0\0\0\3"
#define GO_ALPHA             \
        OPTION("\7", "\x10") \
        "\0\0\0\x0a"         \
        "alpha-lun0"         \
        "\0\0"
#define REQUEST            \
        "\x25\x60\x95\x13" \
        "transmission begins"

typedef struct Fixture {
        EventLoop *loop;
        NbdServer *server;
        size_t n_handovers;
        int fd; /* handed over, the last */
        NbdAgreement agreement;
        NbdServerExport export;
        bool frees_in_handover;
        bool removes_in_handover;
        size_t n_fds_before;
} Fixture;

static Fixture fixture;

static const NbdServerExport alpha = {
        .name = "alpha-lun0",
        .info = { .size = 0x1000000, .transmission_flags = NBD_FLAG_SEND_FLUSH },
        .generation = 7,
};

static size_t count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        ck_assert_ptr_nonnull(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static void on_handover(NbdServer *server, const NbdServerExport *export,
                        const NbdServerClient *client, void *userdata) {
        fixture.n_handovers++;
        fd_close(fixture.fd);
        fixture.fd = client->fd;
        fixture.agreement = client->agreement;
        if (fixture.removes_in_handover)
                nbd_server_remove_export(server, export->generation);
        fixture.export = *export;
        if (fixture.frees_in_handover)
                fixture.server = nbd_server_free(server);
}

static void set_up_with(const NbdServerOptions *options) {
        fixture = (Fixture){ .fd = -1 };
        fixture.n_fds_before = count_fds();
        ck_assert_int_eq(virtual_event_loop_new(&fixture.loop), 0);
        ck_assert_int_eq(nbd_server_new(&fixture.server, fixture.loop, options, on_handover, NULL),
                         0);
        ck_assert_int_eq(nbd_server_add_export(fixture.server, &alpha), 0);
}

static void set_up(void) { set_up_with(NULL); }

static void tear_down(void) {
        nbd_server_free(fixture.server);
        fixture.fd = fd_close(fixture.fd);
        event_loop_free(fixture.loop);
        ck_assert_uint_eq(count_fds(), fixture.n_fds_before);
}

/* Without letting time pass. */
static void settle(void) { loop_steps_settle(fixture.loop); }

static void pass_time(uint64_t duration_ns) { loop_steps_pass_time(fixture.loop, duration_ns); }

/* The client's end of a connection that the server has just accepted. */
static int connect_client(void) {
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        ck_assert_int_eq(nbd_server_accept(fixture.server, fds[1], 0), 0);
        return fds[0];
}

static void say(int fd, const char *bytes, size_t size) {
        ck_assert_int_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t) size);
}

/* Reads what is there; -1: the end, and nothing before it. */
static ssize_t hear(int fd, uint8_t *bytes, size_t size) {
        ssize_t n = recv(fd, bytes, size, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
                return 0;
        return n > 0 ? n : -1;
}

static bool is_closed(int fd) {
        uint8_t bytes[4096];
        ssize_t n;

        do
                n = hear(fd, bytes, sizeof(bytes));
        while (n > 0);
        return n < 0;
}

static const char whole_dialogue[] =
                FLAGS OPTION("\3", "\0") OPTION("\x63", "\5") "stuff" OPTION("\x08", "\0") GO_ALPHA;
#define WHOLE_DIALOGUE_SIZE (sizeof(whole_dialogue) - 1)

START_TEST(a_client_is_handed_over) {
        int client = connect_client();

        say(client, DATA(whole_dialogue));
        settle();
        ck_assert_uint_eq(fixture.n_handovers, 1);
        ck_assert_str_eq(fixture.export.name, "alpha-lun0");
        ck_assert_uint_eq(fixture.export.generation, 7);
        ck_assert_uint_eq(fixture.agreement.has_structured_replies, 1);
        /* The socket is the client's. */
        say(fixture.fd, DATA("x"));
        ck_assert(!is_closed(client));
        fd_close(client);
}
END_TEST

/* What follows the last option belongs to the worker: it must still be in the socket. */
static void expect_unread(const char *bytes, size_t size) {
        uint8_t unread[256];

        ck_assert_uint_eq(fixture.n_handovers, 1);
        ck_assert_int_eq(recv(fixture.fd, unread, sizeof(unread), MSG_PEEK | MSG_DONTWAIT),
                         (ssize_t) size);
        ck_assert_mem_eq(unread, bytes, size);
}

START_TEST(what_is_pipelined_behind_go_stays_in_the_socket) {
        int client = connect_client();

        say(client, DATA(FLAGS OPTION("\3", "\0") GO_ALPHA REQUEST));
        settle();
        expect_unread(DATA(REQUEST));
        fd_close(client);
}
END_TEST

START_TEST(what_is_pipelined_behind_export_name_stays_in_the_socket) {
        int client = connect_client();

        say(client, DATA(FLAGS OPTION("\1", "\x0a") "alpha-lun0" REQUEST));
        settle();
        expect_unread(DATA(REQUEST));
        fd_close(client);
}
END_TEST

START_TEST(options_behind_go_are_not_read_either) {
        int client = connect_client();

        say(client, DATA(FLAGS GO_ALPHA OPTION("\2", "\0")));
        settle();
        expect_unread(DATA(OPTION("\2", "\0")));
        fd_close(client);
}
END_TEST

START_TEST(bytes_may_come_one_by_one) {
        int client = connect_client();

        for (size_t i = 0; i < WHOLE_DIALOGUE_SIZE; i++) {
                ck_assert_uint_eq(fixture.n_handovers, 0);
                say(client, whole_dialogue + i, 1);
                settle();
        }
        ck_assert_uint_eq(fixture.n_handovers, 1);
        fd_close(client);
}
END_TEST

START_TEST(a_client_may_vanish_after_any_byte) {
        for (size_t size = 0; size <= WHOLE_DIALOGUE_SIZE; size++) {
                int client = connect_client();

                if (size > 0)
                        say(client, whole_dialogue, size);
                if (_i)
                        settle();
                fd_close(client);
                settle();
                ck_assert_uint_le(fixture.n_handovers, size == WHOLE_DIALOGUE_SIZE);
        }
}
END_TEST

START_TEST(a_client_that_has_said_everything_is_still_answered) {
        int client = connect_client();
        uint8_t bytes[4096];

        say(client, DATA(FLAGS OPTION("\3", "\0")));
        ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
        settle();
        ck_assert_int_eq(hear(client, bytes, sizeof(bytes)), 18 + 20 + 4 + 10 + 20);
        ck_assert(is_closed(client));
        fd_close(client);
}
END_TEST

START_TEST(abort_is_answered_and_closes) {
        int client = connect_client();
        uint8_t bytes[64];

        say(client, DATA(FLAGS OPTION("\2", "\0")));
        settle();
        ck_assert_int_eq(hear(client, bytes, sizeof(bytes)), 18 + 20);
        ck_assert_uint_eq(get_be32(bytes + 18 + 12), NBD_REP_ACK);
        ck_assert(is_closed(client));
        fd_close(client);
}
END_TEST

typedef struct GarbageCase {
        const char *what;
        const char *bytes;
        size_t size;
} GarbageCase;

static const GarbageCase garbage_cases[] = {
        { "unknown client flags", DATA("\0\0\0\7") },
        { "other client flags", DATA("\x80\0\0\3") },
        { "a wrong magic", DATA(FLAGS "IHAVEOPS"
                                      "\0\0\0\3"
                                      "\0\0\0\0") },
        { "HTTP", DATA("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") },
        { "an option of 4 GiB", DATA(FLAGS "IHAVEOPT"
                                           "\0\0\0\3"
                                           "\xff\xff\xff\xff") },
        { "an unknown export by EXPORT_NAME", DATA(FLAGS OPTION("\1", "\5") "gamma") },
};

START_TEST(garbage_is_dropped) {
        const GarbageCase *c = &garbage_cases[_i];
        int client = connect_client();

        say(client, c->bytes, c->size);
        settle();
        ck_assert_msg(is_closed(client), "%s was not dropped", c->what);
        ck_assert_uint_eq(fixture.n_handovers, 0);
        fd_close(client);
}
END_TEST

START_TEST(an_option_that_is_too_big_is_skipped_exactly) {
        static uint8_t data[NBD_OPTION_SIZE_MAX + 1];
        uint8_t header[16] = "IHAVEOPT";
        int client = connect_client();
        uint8_t bytes[256];
        size_t sent = 0;

        /* Full of option headers, which must not be taken for some. */
        for (size_t i = 0; i + sizeof(header) <= sizeof(data); i += sizeof(header))
                memcpy(data + i, OPTION("\2", "\0"), sizeof(header));
        put_be32(header + 8, NBD_OPT_GO);
        put_be32(header + 12, sizeof(data));
        say(client, DATA(FLAGS));
        say(client, (const char *) header, sizeof(header));
        while (sent < sizeof(data)) {
                ssize_t n = send(client, data + sent, sizeof(data) - sent, MSG_DONTWAIT);

                if (n > 0)
                        sent += (size_t) n;
                settle();
        }
        say(client, DATA(GO_ALPHA REQUEST));
        settle();
        ck_assert_int_gt(hear(client, bytes, sizeof(bytes)), 18 + 20);
        ck_assert_uint_eq(get_be32(bytes + 18 + 8), NBD_OPT_GO);
        ck_assert_uint_eq(get_be32(bytes + 18 + 12), NBD_REP_ERR_TOO_BIG);
        expect_unread(DATA(REQUEST));
        fd_close(client);
}
END_TEST

START_TEST(the_whole_handshake_has_one_deadline) {
        int client = connect_client();

        /* A byte each second keeps nobody in. */
        for (size_t i = 0; i < 9; i++) {
                pass_time(NS_PER_S);
                say(client, whole_dialogue + i, 1);
        }
        settle();
        ck_assert(!is_closed(client));
        pass_time(2 * NS_PER_S);
        ck_assert(is_closed(client));
        fd_close(client);
}
END_TEST

START_TEST(the_deadline_ends_with_the_handshake) {
        int client = connect_client();

        say(client, DATA(whole_dialogue));
        pass_time(60 * NS_PER_S);
        ck_assert_uint_eq(fixture.n_handovers, 1);
        ck_assert(!is_closed(client));
        fd_close(client);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_not_read_from_and_times_out) {
        NbdServerExport export = alpha;
        int client = connect_client();
        size_t n_sent = 0;

        /* Many LISTs of many exports: their answers are beyond what the socket keeps. */
        memset(export.description, 'd', sizeof(export.description) - 1);
        for (uint64_t i = 1; i < NBD_SERVER_EXPORTS_MAX; i++) {
                export.generation = 100 + i;
                snprintf(export.name, sizeof(export.name), "export-%u", (unsigned) i);
                ck_assert_int_eq(nbd_server_add_export(fixture.server, &export), 0);
        }
        say(client, DATA(FLAGS));
        for (size_t i = 0; i < 20000; i++)
                if (send(client, DATA(OPTION("\3", "\0")), MSG_DONTWAIT | MSG_NOSIGNAL) == 16)
                        n_sent++;
                else
                        break;
        settle();
        ck_assert_uint_gt(n_sent, 0);
        /* Still there, but stuck: what is left of the options is in the socket. */
        ck_assert_int_lt(send(client, DATA(OPTION("\3", "\0")), MSG_DONTWAIT | MSG_NOSIGNAL), 17);
        pass_time(11 * NS_PER_S);
        ck_assert_int_eq(send(client, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
        ck_assert(errno == EPIPE || errno == ECONNRESET);
        fd_close(client);
}
END_TEST

START_TEST(an_export_that_goes_during_a_handshake_is_gone) {
        int client = connect_client();
        uint8_t bytes[256];

        say(client, DATA(FLAGS));
        settle();
        nbd_server_remove_export(fixture.server, 99); /* there is none */
        nbd_server_remove_export(fixture.server, alpha.generation);
        say(client, DATA(GO_ALPHA));
        settle();
        ck_assert_uint_eq(fixture.n_handovers, 0);
        ck_assert_int_gt(hear(client, bytes, sizeof(bytes)), 18 + 16);
        ck_assert_uint_eq(get_be32(bytes + 18 + 12), NBD_REP_ERR_UNKNOWN);
        fd_close(client);
}
END_TEST

START_TEST(the_server_may_be_changed_and_freed_by_the_handover) {
        int client = connect_client(), other = connect_client();

        fixture.removes_in_handover = true;
        fixture.frees_in_handover = true;
        say(client, DATA(whole_dialogue));
        settle();
        ck_assert_uint_eq(fixture.n_handovers, 1);
        ck_assert_str_eq(fixture.export.name, "alpha-lun0");
        ck_assert(is_closed(other));
        fd_close(client);
        fd_close(other);
}
END_TEST

START_TEST(shut_down_refuses_newcomers_and_tells_the_others) {
        int client = connect_client(), fds[2];
        uint8_t bytes[256];

        say(client, DATA(FLAGS));
        settle();
        nbd_server_shut_down(fixture.server);
        say(client, DATA(GO_ALPHA));
        settle();
        ck_assert_int_gt(hear(client, bytes, sizeof(bytes)), 18 + 16);
        ck_assert_uint_eq(get_be32(bytes + 18 + 12), NBD_REP_ERR_SHUTDOWN);
        ck_assert_uint_eq(fixture.n_handovers, 0);

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_eq(nbd_server_accept(fixture.server, fds[1], 0), -ESHUTDOWN);
        ck_assert_int_eq(recv(fds[0], bytes, 1, 0), 0);
        fd_close(fds[0]);
        fd_close(client);
}
END_TEST

static int listen_on_loopback(struct sockaddr_in *ret_address) {
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, size), 0);
        ck_assert_int_eq(listen(fd, 16), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        *ret_address = address;
        return fd;
}

static int connect_to(const struct sockaddr_in *address) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(connect(fd, (const struct sockaddr *) address, sizeof(*address)), 0);
        return fd;
}

static const NbdServerTls plain_tcp = { .allows_plain_tcp = true };

/* Linux 5.16; older C libraries have no name for it. */
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

/* It has been told the size of a buffer, and does not look for a better one. */
static bool has_fixed_buffers(int fd) {
        socklen_t size = sizeof(int);
        int locks = 0;

        return getsockopt(fd, SOL_SOCKET, SO_BUF_LOCK, &locks, &size) == 0 && locks != 0;
}

START_TEST(a_tcp_client_is_accepted_and_handed_over) {
        struct sockaddr_in address;
        uint8_t bytes[1];
        int client;

        nbd_server_set_tls(fixture.server, &plain_tcp);
        ck_assert_int_eq(nbd_server_listen(fixture.server, listen_on_loopback(&address)), 0);
        client = connect_to(&address);
        settle();
        say(client, DATA(FLAGS GO_ALPHA REQUEST));
        while (recv(client, bytes, 1, MSG_PEEK | MSG_DONTWAIT) < 0 || fixture.n_handovers == 0)
                settle();
        ck_assert_int_eq(fcntl(fixture.fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
        ck_assert_int_eq(fcntl(fixture.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        ck_assert(!has_fixed_buffers(fixture.fd));
        expect_unread(DATA(REQUEST));
        fd_close(client);
}
END_TEST

START_TEST(nobody_comes_over_tcp_in_the_clear_by_accident) {
        struct sockaddr_in address;
        uint8_t bytes[256];
        int client;
        ssize_t n;

        ck_assert_int_eq(nbd_server_listen(fixture.server, listen_on_loopback(&address)), 0);
        client = connect_to(&address);
        settle();
        ck_assert_int_eq(recv(client, bytes, 18, 0), 18);
        say(client, DATA(FLAGS GO_ALPHA));
        while ((n = hear(client, bytes, sizeof(bytes))) == 0)
                settle();
        ck_assert_int_gt(n, 20);
        ck_assert_uint_eq(get_be32(bytes + 12), NBD_REP_ERR_TLS_REQD);
        say(client, DATA(OPTION("\5", "\0")));
        while ((n = hear(client, bytes, sizeof(bytes))) == 0)
                settle();
        ck_assert_uint_eq(get_be32(bytes + 12), NBD_REP_ERR_POLICY);
        ck_assert_uint_eq(fixture.n_handovers, 0);
        fd_close(client);
}
END_TEST

START_TEST(what_an_access_list_allows_is_told_to_the_worker) {
        const NbdAccessRule rule = { .grant = NBD_ACCESS_GRANT_READ_ONLY,
                                     .who = NBD_ACCESS_WHO_UNIX,
                                     .exports = "alpha*" };
        int client = connect_client();
        NbdAccessList list = { 0 };

        /* It counts for who is there already. */
        ck_assert_int_eq(nbd_access_list_add(&list, &rule), 0);
        nbd_server_set_access(fixture.server, &list);
        ck_assert_ptr_null(list.rules);
        say(client, DATA(FLAGS GO_ALPHA));
        settle();
        ck_assert_uint_eq(fixture.n_handovers, 1);
        ck_assert_uint_eq(fixture.agreement.is_read_only, 1);
        fd_close(client);

        client = connect_client();
        nbd_server_set_access(fixture.server, &list);
        say(client, DATA(FLAGS GO_ALPHA));
        settle();
        ck_assert_uint_eq(fixture.n_handovers, 2);
        ck_assert_uint_eq(fixture.agreement.is_read_only, 0);
        fd_close(client);
}
END_TEST

START_TEST(newcomers_wait_while_too_many_are_in_handshake) {
        struct sockaddr_in address;
        int clients[3], fds[2];
        uint8_t bytes[64];

        ck_assert_int_eq(nbd_server_listen(fixture.server, listen_on_loopback(&address)), 0);
        for (size_t i = 0; i < N_ELEMENTS(clients); i++)
                clients[i] = connect_to(&address);
        settle();
        ck_assert_int_eq(hear(clients[0], bytes, sizeof(bytes)), 18);
        ck_assert_int_eq(hear(clients[1], bytes, sizeof(bytes)), 18);
        ck_assert_int_eq(hear(clients[2], bytes, sizeof(bytes)), 0);

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_eq(nbd_server_accept(fixture.server, fds[1], 0), -EBUSY);
        fd_close(fds[0]);

        /* One that leaves makes room, and so does one that is handed over. */
        fd_close(clients[0]);
        while (hear(clients[2], bytes, sizeof(bytes)) == 0)
                settle();
        for (size_t i = 1; i < N_ELEMENTS(clients); i++)
                fd_close(clients[i]);
}
END_TEST

/* An address in the abstract name space. */
static int listen_on_unix(struct sockaddr_un *ret_address) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        socklen_t size = sizeof(address.sun_family);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *) &address, size), 0);
        ck_assert_int_eq(listen(fd, 16), 0);
        size = sizeof(address);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        *ret_address = address;
        return fd;
}

START_TEST(who_is_on_the_network_keeps_nobody_out_who_is_on_this_host) {
        struct sockaddr_un unix_address;
        struct sockaddr_in address;
        int clients[8], local;
        size_t n_greeted = 0;
        uint8_t bytes[64];

        ck_assert_int_eq(nbd_server_listen(fixture.server, listen_on_loopback(&address)), 0);
        ck_assert_int_eq(nbd_server_listen(fixture.server, listen_on_unix(&unix_address)), 0);
        for (size_t i = 0; i < N_ELEMENTS(clients); i++)
                clients[i] = connect_to(&address);
        settle();
        for (size_t i = 0; i < N_ELEMENTS(clients); i++)
                n_greeted += hear(clients[i], bytes, sizeof(bytes)) == 18;
        ck_assert_uint_eq(n_greeted, 3);

        local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(local, (struct sockaddr *) &unix_address,
                                 offsetof(struct sockaddr_un, sun_path) + 6),
                         0);
        settle();
        ck_assert_int_eq(hear(local, bytes, sizeof(bytes)), 18);

        /* Places are given back as they were taken. */
        fd_close(local);
        for (size_t i = 0; i < 3; i++)
                fd_close(clients[i]);
        while (hear(clients[5], bytes, sizeof(bytes)) == 0)
                settle();
        ck_assert_int_eq(hear(clients[6], bytes, sizeof(bytes)), 0);
        for (size_t i = 3; i < N_ELEMENTS(clients); i++)
                fd_close(clients[i]);
}
END_TEST

START_TEST(nothing_is_accepted_for_a_while_when_descriptors_run_out) {
        struct rlimit before, none;
        struct sockaddr_in address;
        uint8_t bytes[64];
        int client;

        ck_assert_int_eq(nbd_server_listen(fixture.server, listen_on_loopback(&address)), 0);
        client = connect_to(&address);
        ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 3;
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
        settle(); /* ends, so it does not spin */
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        ck_assert_int_eq(hear(client, bytes, sizeof(bytes)), 0);
        pass_time(NS_PER_S);
        ck_assert_int_eq(hear(client, bytes, sizeof(bytes)), 18);
        fd_close(client);
}
END_TEST

START_TEST(listeners_are_counted) {
        struct sockaddr_in address;

        for (size_t i = 0; i < NBD_SERVER_LISTENERS_MAX; i++)
                ck_assert_int_eq(nbd_server_listen(fixture.server, listen_on_loopback(&address)),
                                 0);
        ck_assert_int_eq(nbd_server_listen(fixture.server, listen_on_loopback(&address)), -ENOSPC);
}
END_TEST

static void set_up_for_two(void) { set_up_with(&(NbdServerOptions){ .n_connections_max = 2 }); }

static void set_up_for_four(void) { set_up_with(&(NbdServerOptions){ .n_connections_max = 4 }); }

int main(void) {
        Suite *suite = suite_create("nbd_server");
        TCase *tcase = tcase_create("handshake");
        TCase *limited = tcase_create("two connections at most");
        TCase *shared = tcase_create("four connections at most");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_set_timeout(limited, TIMEOUT_S);
        tcase_set_timeout(shared, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_client_is_handed_over);
        tcase_add_test(tcase, what_is_pipelined_behind_go_stays_in_the_socket);
        tcase_add_test(tcase, what_is_pipelined_behind_export_name_stays_in_the_socket);
        tcase_add_test(tcase, options_behind_go_are_not_read_either);
        tcase_add_test(tcase, bytes_may_come_one_by_one);
        tcase_add_loop_test(tcase, a_client_may_vanish_after_any_byte, 0, 2);
        tcase_add_test(tcase, a_client_that_has_said_everything_is_still_answered);
        tcase_add_test(tcase, abort_is_answered_and_closes);
        tcase_add_loop_test(tcase, garbage_is_dropped, 0, (int) N_ELEMENTS(garbage_cases));
        tcase_add_test(tcase, an_option_that_is_too_big_is_skipped_exactly);
        tcase_add_test(tcase, the_whole_handshake_has_one_deadline);
        tcase_add_test(tcase, the_deadline_ends_with_the_handshake);
        tcase_add_test(tcase, a_client_that_does_not_read_is_not_read_from_and_times_out);
        tcase_add_test(tcase, an_export_that_goes_during_a_handshake_is_gone);
        tcase_add_test(tcase, the_server_may_be_changed_and_freed_by_the_handover);
        tcase_add_test(tcase, shut_down_refuses_newcomers_and_tells_the_others);
        tcase_add_test(tcase, a_tcp_client_is_accepted_and_handed_over);
        tcase_add_test(tcase, nobody_comes_over_tcp_in_the_clear_by_accident);
        tcase_add_test(tcase, what_an_access_list_allows_is_told_to_the_worker);
        tcase_add_test(tcase, nothing_is_accepted_for_a_while_when_descriptors_run_out);
        tcase_add_test(tcase, listeners_are_counted);
        suite_add_tcase(suite, tcase);

        tcase_add_checked_fixture(limited, set_up_for_two, tear_down);
        tcase_add_test(limited, newcomers_wait_while_too_many_are_in_handshake);
        suite_add_tcase(suite, limited);

        tcase_add_checked_fixture(shared, set_up_for_four, tear_down);
        tcase_add_test(shared, who_is_on_the_network_keeps_nobody_out_who_is_on_this_host);
        suite_add_tcase(suite, shared);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
