/*
 * The server and a client in TLS, both in this process, on the virtual loop: what begins in the clear
 * goes on in TLS, the worker's end of the pair sees what the client says, and who is not what TLS asks
 * for is dropped. Certificates are tested with other people's clients (tests/interop/tls.py).
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/virtual_event_loop.h"
#include "loop_steps.h"
#include "negotiation/nbd_server.h"
#include "negotiation/nbd_tls_psk.h"
#include "tls_client.h"

#define TIMEOUT_S 120
#define HANDSHAKE_TIMEOUT_NS (10 * NS_PER_S)

#define ALICES_KEY "00112233445566778899aabbccddeeff"
#define BOBS_KEY "ffeeddccbbaa99887766554433221100"
#define KEYS "# who\nalice:" ALICES_KEY "\n\nbob:" BOBS_KEY "\r\n"

#define DATA(text) (text), sizeof(text) - 1
#define OPTION(number, size) \
        "IHAVEOPT"           \
        "\0\0\0" number "\0\0\0" size
#define FLAGS "\0\0\0\3"
#define STARTTLS OPTION("\5", "\0")
#define GO_ALPHA             \
        OPTION("\7", "\x10") \
        "\0\0\0\x0a"         \
        "alpha-lun0"         \
        "\0\0"
#define GREETING_SIZE 18
#define REPLY_SIZE 20

typedef struct Fixture {
        EventLoop *loop;
        NbdServer *server;
        NbdTlsCredentials *credentials;
        unsigned n_handovers;
        unsigned n_idle;
        int worker; /* handed over, the last */
        NbdAgreement agreement;
        NbdPeer peer;
        ino_t own_inode;    /* of the client's own socket, 0: it was not told */
        ino_t served_inode; /* of the socket that the server was given */
        int fd;
        TlsClient client;
        bool has_client;
} Fixture;

static Fixture fixture;

static ino_t get_inode(int fd) {
        struct stat status;

        ck_assert_int_eq(fstat(fd, &status), 0);
        return status.st_ino;
}

static void on_handover(NbdServer *server, const NbdServerExport *export,
                        const NbdServerClient *client, void *userdata) {
        fixture.n_handovers++;
        fd_close(fixture.worker);
        fixture.worker = client->fd;
        fixture.agreement = client->agreement;
        fixture.peer = client->peer;
        fixture.own_inode = 0;
        if (client->own_fd >= 0)
                fixture.own_inode = get_inode(client->own_fd);
}

static void on_idle(NbdServer *server, void *userdata) { fixture.n_idle++; }

static NbdTlsCredentials *make_credentials(const char *keys) {
        const NbdTlsTexts texts = { .psk = { keys, strlen(keys) } };
        char reason[NBD_TLS_REASON_SIZE] = "";
        NbdTlsCredentials *credentials;

        ck_assert_msg(nbd_tls_credentials_new(&credentials, &texts, reason) == 0, "%s", reason);
        return credentials;
}

static void set_mode(NbdTlsMode mode) {
        nbd_server_set_tls(fixture.server,
                           &(NbdServerTls){ .mode = mode, .credentials = fixture.credentials });
}

static void set_up(void) {
        static const NbdServerExport alpha = {
                .name = "alpha-lun0",
                .info = { .size = 0x1000000 },
                .generation = 7,
        };

        fixture = (Fixture){ .worker = -EBADF, .fd = -EBADF };
        ck_assert_int_eq(virtual_event_loop_new(&fixture.loop), 0);
        ck_assert_int_eq(nbd_server_new(&fixture.server, fixture.loop, NULL, on_handover, NULL), 0);
        nbd_server_set_idle_handler(fixture.server, on_idle);
        ck_assert_int_eq(nbd_server_add_export(fixture.server, &alpha), 0);
        fixture.credentials = make_credentials(KEYS);
        set_mode(NBD_TLS_MODE_REQUIRE);
}

static void drop_client(void) {
        if (fixture.has_client)
                tls_client_done(&fixture.client);
        fixture.has_client = false;
        fixture.fd = fd_close(fixture.fd);
}

static void tear_down(void) {
        drop_client();
        nbd_server_free(fixture.server);
        nbd_tls_credentials_unref(fixture.credentials);
        fixture.worker = fd_close(fixture.worker);
        event_loop_free(fixture.loop);
}

static void settle(void) { loop_steps_settle(fixture.loop); }

static void pass_time(uint64_t duration_ns) { loop_steps_pass_time(fixture.loop, duration_ns); }

static void say_in_the_clear(const char *bytes, size_t size) {
        ck_assert_int_eq(send(fixture.fd, bytes, size, MSG_NOSIGNAL), (ssize_t) size);
        settle();
}

static void connect_client(void) {
        uint8_t greeting[GREETING_SIZE];
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        fixture.served_inode = get_inode(fds[1]);
        ck_assert_int_eq(nbd_server_accept(fixture.server, fds[1], 0), 0);
        fixture.fd = fds[0];
        settle();
        ck_assert_int_eq(recv(fixture.fd, greeting, sizeof(greeting), 0), GREETING_SIZE);
}

static uint32_t get_reply_in_the_clear(void) {
        uint8_t reply[REPLY_SIZE + 64];

        ck_assert_int_ge(recv(fixture.fd, reply, sizeof(reply), 0), REPLY_SIZE);
        return get_be32(reply + 12);
}

static void start_tls(void) {
        connect_client();
        say_in_the_clear(DATA(FLAGS STARTTLS));
        ck_assert_uint_eq(get_reply_in_the_clear(), NBD_REP_ACK);
}

/* The result of the client's handshake. */
static int shake_hands_as(const char *identity, const char *key, const char *priority) {
        int r;

        tls_client_init(&fixture.client, fixture.fd, identity, key, priority);
        fixture.has_client = true;
        do {
                r = gnutls_handshake(fixture.client.session);
                settle();
        } while (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED);
        return r;
}

static void begin_as_alice(void) {
        start_tls();
        ck_assert_int_eq(shake_hands_as("alice", ALICES_KEY, NULL), 0);
}

static void say(const char *bytes, size_t size) {
        ck_assert_int_eq(gnutls_record_send(fixture.client.session, bytes, size), (ssize_t) size);
        settle();
}

/* What is there now, or 0 at the end, or an error of GnuTLS, which says that it must wait after a
 * record that changes keys, too. */
static ssize_t hear(void *bytes, size_t size) {
        ssize_t n = GNUTLS_E_AGAIN;

        for (size_t i = 0; i < 4 && (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED); i++)
                n = gnutls_record_recv(fixture.client.session, bytes, size);
        return n;
}

static uint32_t get_reply(void) {
        uint8_t reply[REPLY_SIZE + 64];

        ck_assert_int_ge(hear(reply, sizeof(reply)), REPLY_SIZE);
        return get_be32(reply + 12);
}

static void go(void) {
        ssize_t n;
        uint8_t bytes[4096];

        say(DATA(GO_ALPHA));
        ck_assert_uint_eq(fixture.n_handovers, 1);
        while ((n = hear(bytes, sizeof(bytes))) > 0)
                settle();
        ck_assert_int_eq((int) n, GNUTLS_E_AGAIN);
}

static void expect_in_worker(const char *text) {
        char bytes[256] = "";

        settle();
        ck_assert_int_eq(recv(fixture.worker, bytes, sizeof(bytes) - 1, 0), (ssize_t) strlen(text));
        ck_assert_str_eq(bytes, text);
}

static void say_as_worker(const char *text) {
        ck_assert_int_eq(send(fixture.worker, text, strlen(text), MSG_NOSIGNAL),
                         (ssize_t) strlen(text));
        settle();
}

static void expect(const char *text) {
        char bytes[256] = "";

        ck_assert_int_eq(hear(bytes, sizeof(bytes) - 1), (ssize_t) strlen(text));
        ck_assert_str_eq(bytes, text);
}

static void expect_dropped(void) {
        uint8_t bytes[4096];
        ssize_t n;

        settle();
        do
                n = recv(fixture.fd, bytes, sizeof(bytes), 0);
        while (n > 0);
        ck_assert(n == 0 || errno == ECONNRESET);
        ck_assert_uint_eq(fixture.n_handovers, 0);
}

START_TEST(a_client_negotiates_in_tls_and_is_relayed) {
        begin_as_alice();
        go();
        say(DATA("a request"));
        expect_in_worker("a request");
        say_as_worker("a reply");
        expect("a reply");
        ck_assert(nbd_server_is_relaying(fixture.server));
        ck_assert_int_eq(fcntl(fixture.worker, F_GETFL) & O_NONBLOCK, O_NONBLOCK);

        fixture.worker = fd_close(fixture.worker);
        settle();
        ck_assert_int_eq(hear(&(char){ 0 }, 1), 0); /* a proper farewell */
        ck_assert_uint_eq(fixture.n_idle, 1);
        ck_assert(!nbd_server_is_relaying(fixture.server));
}
END_TEST

START_TEST(who_is_relayed_is_told_with_their_own_socket) {
        begin_as_alice();
        go();
        ck_assert_uint_eq(fixture.own_inode, fixture.served_inode);
        ck_assert_uint_ne(get_inode(fixture.worker), fixture.served_inode);
        ck_assert_str_eq(fixture.peer.psk_identity, "alice");
}
END_TEST

START_TEST(who_is_not_relayed_is_told_with_one_socket) {
        set_mode(NBD_TLS_MODE_ON);
        connect_client();
        say_in_the_clear(DATA(FLAGS GO_ALPHA));
        ck_assert_uint_eq(fixture.n_handovers, 1);
        ck_assert_uint_eq(fixture.own_inode, 0);
        ck_assert_uint_eq(get_inode(fixture.worker), fixture.served_inode);
        ck_assert_str_eq(fixture.peer.psk_identity, "");
}
END_TEST

START_TEST(requests_that_follow_go_at_once_reach_the_worker) {
        begin_as_alice();
        say(DATA(GO_ALPHA "a request"));
        ck_assert_uint_eq(fixture.n_handovers, 1);
        expect_in_worker("a request");
}
END_TEST

START_TEST(aes_comes_first) {
        static const char *const priorities[] = {
                NULL,
                "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK",
        };
        gnutls_cipher_algorithm_t cipher;

        start_tls();
        ck_assert_int_eq(shake_hands_as("alice", ALICES_KEY, priorities[_i]), 0);
        cipher = gnutls_cipher_get(fixture.client.session);
        ck_assert(cipher == GNUTLS_CIPHER_AES_128_GCM || cipher == GNUTLS_CIPHER_AES_256_GCM);
        go();
        say(DATA("a request"));
        expect_in_worker("a request");
}
END_TEST

START_TEST(keys_may_be_changed_on_the_way) {
        begin_as_alice();
        go();
        for (size_t i = 0; i < 4; i++) {
                ck_assert_int_eq(gnutls_session_key_update(fixture.client.session, GNUTLS_KU_PEER),
                                 0);
                say(DATA("a request"));
                expect_in_worker("a request");
                say_as_worker("a reply");
                expect("a reply");
        }
}
END_TEST

START_TEST(nobody_negotiates_anew) {
        start_tls();
        ck_assert_int_eq(shake_hands_as("alice", ALICES_KEY,
                                        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-PSK"),
                         0);
        go();
        ck_assert_int_lt(gnutls_handshake(fixture.client.session), 0);
        settle();
        ck_assert_uint_eq(fixture.n_idle, 1);
}
END_TEST

START_TEST(a_half_that_the_client_ends_is_still_answered) {
        begin_as_alice();
        go();
        say(DATA("the last request"));
        ck_assert_int_eq(gnutls_bye(fixture.client.session, GNUTLS_SHUT_WR), 0);
        expect_in_worker("the last request");
        ck_assert_int_eq(recv(fixture.worker, &(char){ 0 }, 1, 0), 0);
        say_as_worker("the last reply");
        expect("the last reply");
        ck_assert_uint_eq(fixture.n_idle, 0);
}
END_TEST

START_TEST(a_client_that_vanishes_ends_its_worker) {
        begin_as_alice();
        go();
        say(DATA("a request"));
        drop_client();
        settle();
        expect_in_worker("a request");
        ck_assert_int_eq(recv(fixture.worker, &(char){ 0 }, 1, 0), 0);
}
END_TEST

START_TEST(a_record_that_was_changed_ends_the_connection) {
        begin_as_alice();
        go();
        say_in_the_clear(DATA("\x17\x03\x03\0\x20this is no record that we have sent"));
        settle();
        ck_assert_uint_eq(fixture.n_idle, 1);
        ck_assert_int_eq(recv(fixture.worker, &(char){ 0 }, 1, 0), 0);
}
END_TEST

START_TEST(what_is_void_after_starttls_is_void) {
        connect_client();
        set_mode(NBD_TLS_MODE_ON);
        drop_client();
        connect_client();
        say_in_the_clear(DATA(FLAGS OPTION("\x08", "\0")));
        ck_assert_uint_eq(get_reply_in_the_clear(), NBD_REP_ACK);
        say_in_the_clear(DATA(STARTTLS));
        ck_assert_uint_eq(get_reply_in_the_clear(), NBD_REP_ACK);
        ck_assert_int_eq(shake_hands_as("alice", ALICES_KEY, NULL), 0);
        go();
        ck_assert_uint_eq(fixture.agreement.has_structured_replies, 0);
}
END_TEST

START_TEST(the_second_starttls_is_refused) {
        begin_as_alice();
        say(DATA(STARTTLS));
        ck_assert_uint_eq(get_reply(), NBD_REP_ERR_INVALID);
        go();
}
END_TEST

START_TEST(abort_in_tls_says_farewell) {
        begin_as_alice();
        say(DATA(OPTION("\2", "\0")));
        ck_assert_uint_eq(get_reply(), NBD_REP_ACK);
        ck_assert_int_eq(hear(&(char){ 0 }, 1), 0);
}
END_TEST

typedef struct StrangerCase {
        const char *identity;
        const char *key;
        const char *priority;
} StrangerCase;

static const StrangerCase stranger_cases[] = {
        { "alice", BOBS_KEY, NULL },
        { "alicia", ALICES_KEY, NULL },
        { "al", ALICES_KEY, NULL },
        { "alice", ALICES_KEY, "NORMAL:-VERS-ALL:+VERS-TLS1.1:-KX-ALL:+DHE-PSK" },
        { "alice", ALICES_KEY, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK" },
        { "alice", ALICES_KEY, "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ANON-ECDH" },
};

START_TEST(strangers_are_dropped) {
        const StrangerCase *c = &stranger_cases[_i];

        start_tls();
        ck_assert_int_lt(shake_hands_as(c->identity, c->key, c->priority), 0);
        expect_dropped();
}
END_TEST

START_TEST(what_is_no_tls_is_dropped) {
        start_tls();
        say_in_the_clear(DATA(GO_ALPHA));
        expect_dropped();
}
END_TEST

START_TEST(what_is_pipelined_behind_starttls_is_no_option) {
        connect_client();
        say_in_the_clear(DATA(FLAGS STARTTLS GO_ALPHA));
        expect_dropped();
}
END_TEST

START_TEST(tls_that_is_begun_and_left_has_the_deadline_of_all) {
        start_tls();
        tls_client_init(&fixture.client, fixture.fd, "alice", ALICES_KEY, NULL);
        fixture.has_client = true;
        ck_assert_int_eq(gnutls_handshake(fixture.client.session), GNUTLS_E_AGAIN);
        pass_time(HANDSHAKE_TIMEOUT_NS - NS_PER_S);
        ck_assert_int_eq(send(fixture.fd, "", 0, MSG_NOSIGNAL), 0);
        pass_time(2 * NS_PER_S);
        expect_dropped();
}
END_TEST

START_TEST(a_client_may_vanish_while_tls_begins) {
        for (size_t size = 0; size < 400; size += 40) {
                static uint8_t hello[4096];
                ssize_t n;
                int fds[2];

                start_tls();
                /* A hello that the client says to somebody else. */
                ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
                tls_client_init(&fixture.client, fds[0], "alice", ALICES_KEY, NULL);
                fixture.has_client = true;
                ck_assert_int_eq(gnutls_handshake(fixture.client.session), GNUTLS_E_AGAIN);
                n = recv(fds[1], hello, sizeof(hello), 0);
                ck_assert_int_gt(n, 0);
                if (size > 0)
                        say_in_the_clear((const char *) hello, MIN((size_t) n, size));
                drop_client();
                settle();
                fd_close(fds[0]);
                fd_close(fds[1]);
        }
        ck_assert_uint_eq(fixture.n_handovers, 0);
}
END_TEST

START_TEST(who_the_key_shows_decides_what_is_there) {
        const NbdAccessRule rule = { .grant = NBD_ACCESS_GRANT_READ_ONLY,
                                     .who = NBD_ACCESS_WHO_PSK,
                                     .exports = "*",
                                     .name = "alice" };
        const NbdAccessRule others = { .who = NBD_ACCESS_WHO_UNIX, .exports = "*" };
        NbdAccessList list = { 0 };

        ck_assert_int_eq(nbd_access_list_add(&list, &rule), 0);
        ck_assert_int_eq(nbd_access_list_add(&list, &others), 0);
        nbd_server_set_access(fixture.server, &list);
        start_tls();
        ck_assert_int_eq(shake_hands_as("bob", BOBS_KEY, NULL), 0);
        say(DATA(GO_ALPHA));
        ck_assert_uint_eq(get_reply(), NBD_REP_ERR_UNKNOWN);
        drop_client();

        begin_as_alice();
        go();
        ck_assert_uint_eq(fixture.agreement.is_read_only, 1);
}
END_TEST

START_TEST(other_keys_count_for_those_who_come_later) {
        NbdTlsCredentials *credentials = make_credentials("carol:" BOBS_KEY);

        begin_as_alice();
        go();
        nbd_server_set_tls(fixture.server, &(NbdServerTls){ .mode = NBD_TLS_MODE_REQUIRE,
                                                            .credentials = credentials });
        nbd_tls_credentials_unref(credentials);
        fixture.credentials = nbd_tls_credentials_unref(fixture.credentials);
        say(DATA("a request"));
        expect_in_worker("a request");
        drop_client();
        settle();

        fixture.n_handovers = 0;
        start_tls();
        ck_assert_int_lt(shake_hands_as("alice", ALICES_KEY, NULL), 0);
        expect_dropped();
        drop_client();
        start_tls();
        ck_assert_int_eq(shake_hands_as("carol", BOBS_KEY, NULL), 0);
}
END_TEST

START_TEST(a_connection_for_one_export_alone_needs_no_tls) {
        uint8_t bytes[256];
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        ck_assert_int_eq(nbd_server_accept(fixture.server, fds[1], 7), 0);
        fixture.fd = fds[0];
        say_in_the_clear(DATA(FLAGS GO_ALPHA));
        ck_assert_int_gt(recv(fixture.fd, bytes, sizeof(bytes), 0), GREETING_SIZE + REPLY_SIZE);
        ck_assert_uint_eq(fixture.n_handovers, 1);
        ck_assert(!nbd_server_is_relaying(fixture.server));
}
END_TEST

START_TEST(relays_end_with_the_server) {
        begin_as_alice();
        go();
        nbd_server_shut_down(fixture.server);
        say(DATA("a request"));
        expect_in_worker("a request");
        fixture.server = nbd_server_free(fixture.server);
        ck_assert_int_eq(recv(fixture.worker, &(char){ 0 }, 1, 0), 0);
}
END_TEST

typedef struct KeysCase {
        const char *keys;
        const char *reason;
} KeysCase;

static const KeysCase keys_cases[] = {
        { "", "there are no keys in the file of keys" },
        { "# alice:" ALICES_KEY "\n", "there are no keys in the file of keys" },
        { "alice\n", "line 1 of the keys: must be IDENTITY:KEY" },
        { ":" ALICES_KEY, "line 1 of the keys: must be IDENTITY:KEY" },
        { "alice:001122\n",
          "line 1 of the keys: the key must be 16 to 64 bytes in hexadecimal digits" },
        { "\nalice:" ALICES_KEY "0\n",
          "line 2 of the keys: the key must be 16 to 64 bytes in hexadecimal digits" },
        { "alice:" ALICES_KEY "xx\n",
          "line 1 of the keys: the key must be 16 to 64 bytes in hexadecimal digits" },
        { KEYS "alice:" BOBS_KEY, "line 5 of the keys: the identity has a line already" },
};

START_TEST(mistakes_in_keys_are_told) {
        const KeysCase *c = &keys_cases[_i];
        const NbdTlsTexts texts = { .psk = { c->keys, strlen(c->keys) } };
        char reason[NBD_TLS_REASON_SIZE] = "";
        NbdTlsCredentials *credentials;

        ck_assert_int_eq(nbd_tls_credentials_new(&credentials, &texts, reason), -EINVAL);
        ck_assert_str_eq(reason, c->reason);
        ck_assert_ptr_null(strstr(reason, "0011"));
}
END_TEST

START_TEST(an_identity_may_have_colons) {
        const NbdTlsText text = { DATA("a:b:" ALICES_KEY) };
        char reason[NBD_TLS_REASON_SIZE];
        NbdTlsPsk psk = { 0 };

        ck_assert_int_eq(nbd_tls_psk_parse(&psk, &text, reason), 0);
        ck_assert_ptr_nonnull(nbd_tls_psk_find(&psk, DATA("a:b")));
        ck_assert_ptr_null(nbd_tls_psk_find(&psk, DATA("a")));
        ck_assert_ptr_null(nbd_tls_psk_find(&psk, DATA("a:b\0")));
        nbd_tls_psk_done(&psk);
}
END_TEST

START_TEST(certificates_that_are_none_are_refused) {
        static const char pem[] = "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----";
        const NbdTlsTexts texts = { .certificate = { DATA(pem) }, .key = { DATA(pem) } };
        char reason[NBD_TLS_REASON_SIZE] = "";
        NbdTlsCredentials *credentials;

        ck_assert_int_eq(nbd_tls_credentials_new(&credentials, &texts, reason), -EINVAL);
        ck_assert_ptr_nonnull(strstr(reason, "the certificate and its key: "));
        ck_assert_int_eq(nbd_tls_credentials_new(&credentials, &(NbdTlsTexts){ 0 }, reason),
                         -EINVAL);
        ck_assert_str_eq(reason, "there is neither a certificate nor a key");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("nbd_tls");
        TCase *tcase = tcase_create("server");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_client_negotiates_in_tls_and_is_relayed);
        tcase_add_test(tcase, who_is_relayed_is_told_with_their_own_socket);
        tcase_add_test(tcase, who_is_not_relayed_is_told_with_one_socket);
        tcase_add_test(tcase, requests_that_follow_go_at_once_reach_the_worker);
        tcase_add_loop_test(tcase, aes_comes_first, 0, 2);
        tcase_add_test(tcase, keys_may_be_changed_on_the_way);
        tcase_add_test(tcase, nobody_negotiates_anew);
        tcase_add_test(tcase, a_half_that_the_client_ends_is_still_answered);
        tcase_add_test(tcase, a_client_that_vanishes_ends_its_worker);
        tcase_add_test(tcase, a_record_that_was_changed_ends_the_connection);
        tcase_add_test(tcase, what_is_void_after_starttls_is_void);
        tcase_add_test(tcase, the_second_starttls_is_refused);
        tcase_add_test(tcase, abort_in_tls_says_farewell);
        tcase_add_loop_test(tcase, strangers_are_dropped, 0, (int) N_ELEMENTS(stranger_cases));
        tcase_add_test(tcase, what_is_no_tls_is_dropped);
        tcase_add_test(tcase, what_is_pipelined_behind_starttls_is_no_option);
        tcase_add_test(tcase, tls_that_is_begun_and_left_has_the_deadline_of_all);
        tcase_add_test(tcase, a_client_may_vanish_while_tls_begins);
        tcase_add_test(tcase, who_the_key_shows_decides_what_is_there);
        tcase_add_test(tcase, other_keys_count_for_those_who_come_later);
        tcase_add_test(tcase, a_connection_for_one_export_alone_needs_no_tls);
        tcase_add_test(tcase, relays_end_with_the_server);
        tcase_add_loop_test(tcase, mistakes_in_keys_are_told, 0, (int) N_ELEMENTS(keys_cases));
        tcase_add_test(tcase, an_identity_may_have_colons);
        tcase_add_test(tcase, certificates_that_are_none_are_refused);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
