/*
 * Certificates: whom a stream in TLS lets in, and who it says that they are. Both sides are in this
 * process, and take turns.
 */

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "negotiation/nbd_tls_stream.h"
#include "tls_authority.h"
#include "tls_client.h"

#define TIMEOUT_S 120
#define TURNS_MAX 100
#define TLS_1_2 "NORMAL:-VERS-ALL:+VERS-TLS1.2"

typedef struct Fixture {
        TlsAuthority authority;
        TlsAuthority other;
        TlsCertificate server;
        TlsCertificate client;
        gnutls_datum_t authority_pem;
        NbdTlsTexts texts;
} Fixture;

static Fixture fixture;

static NbdTlsText as_text(const gnutls_datum_t *datum) {
        return (NbdTlsText){ .bytes = (const char *) datum->data, .size = datum->size };
}

static void set_up(void) {
        fixture = (Fixture){ 0 };
        tls_authority_init(&fixture.authority);
        tls_authority_init(&fixture.other);
        tls_authority_certify(&fixture.authority, "CN=server", GNUTLS_KP_TLS_WWW_SERVER, false,
                              &fixture.server);
        fixture.authority_pem = tls_authority_get_pem(&fixture.authority);
        fixture.texts = (NbdTlsTexts){
                .certificate = as_text(&fixture.server.certificate),
                .key = as_text(&fixture.server.key),
                .authorities = as_text(&fixture.authority_pem),
        };
}

static void tear_down(void) {
        tls_certificate_done(&fixture.client);
        tls_certificate_done(&fixture.server);
        gnutls_free(fixture.authority_pem.data);
        tls_authority_done(&fixture.authority);
        tls_authority_done(&fixture.other);
}

static NbdTlsCredentials *make_credentials(void) {
        char reason[NBD_TLS_REASON_SIZE] = "";
        NbdTlsCredentials *credentials;

        ck_assert_msg(nbd_tls_credentials_new(&credentials, &fixture.texts, reason) == 0, "%s",
                      reason);
        return credentials;
}

/* What the server comes to; the stream is freed. */
static int meet(TlsClient *client, int server_fd, NbdPeer *peer) {
        NbdTlsCredentials *credentials = make_credentials();
        _cleanup_(nbd_stream_freep) NbdStream *stream = NULL;
        uint32_t events;
        int r;

        *peer = (NbdPeer){ 0 };
        ck_assert_int_eq(nbd_tls_stream_new(&stream, credentials, server_fd), 0);
        nbd_tls_credentials_unref(credentials);
        for (size_t i = 0; i < TURNS_MAX; i++) {
                (void) gnutls_handshake(client->session);
                r = nbd_tls_stream_begin(stream, &events);
                if (r != -EAGAIN)
                        return r < 0 ? r : nbd_tls_stream_identify(stream, peer);
        }
        return -EAGAIN;
}

static int meet_certificate(const TlsCertificate *certificate, const char *priority,
                            NbdPeer *peer) {
        TlsClient client;
        int fds[2], r;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        tls_client_init_certificate(&client, fds[0], certificate ? &certificate->certificate : NULL,
                                    certificate ? &certificate->key : NULL, priority);
        r = meet(&client, fds[1], peer);
        tls_client_done(&client);
        fd_close(fds[0]);
        return r;
}

typedef struct ClientCase {
        const char *what;
        const char *subject; /* NULL: without a certificate */
        const char *purpose;
        const char *told; /* the subject; NULL: it is not let in */
        bool is_expired;
        bool is_of_other;
} ClientCase;

static const ClientCase client_cases[] = {
        { "a client", "CN=alice,O=Example", GNUTLS_KP_TLS_WWW_CLIENT, "CN=alice,O=Example" },
        { "a name with a comma", "CN=alice,O=Example\\, Inc.", GNUTLS_KP_TLS_WWW_CLIENT,
          "CN=alice,O=Example\\, Inc." },
        { "no certificate" },
        { "a server", "CN=alice", GNUTLS_KP_TLS_WWW_SERVER },
        { "a certificate that has expired", "CN=alice", GNUTLS_KP_TLS_WWW_CLIENT,
          .is_expired = true },
        { "a certificate of another authority", "CN=alice", GNUTLS_KP_TLS_WWW_CLIENT,
          .is_of_other = true },
};

static void check_client(const ClientCase *c, const char *priority) {
        const TlsAuthority *authority = c->is_of_other ? &fixture.other : &fixture.authority;
        NbdPeer peer;
        int r;

        tls_certificate_done(&fixture.client);
        if (c->subject)
                tls_authority_certify(authority, c->subject, c->purpose, c->is_expired,
                                      &fixture.client);
        r = meet_certificate(c->subject ? &fixture.client : NULL, priority, &peer);
        ck_assert_msg(c->told ? r == 0 : r == -EPROTO, "%s: %d", c->what, r);
        ck_assert_msg(peer.has_certificate == (c->told != NULL), "%s", c->what);
        ck_assert_str_eq(peer.subject, c->told ?: "");
        ck_assert_str_eq(peer.psk_identity, "");
}

START_TEST(whoever_has_the_authoritys_certificate_is_let_in) {
        check_client(&client_cases[_i], NULL);
        check_client(&client_cases[_i], TLS_1_2);
}
END_TEST

START_TEST(a_fingerprint_is_that_of_the_certificate) {
        uint8_t fingerprint[NBD_FINGERPRINT_SIZE];
        size_t size = sizeof(fingerprint);
        gnutls_x509_crt_t certificate;
        NbdPeer peer;

        tls_authority_certify(&fixture.authority, "CN=alice", GNUTLS_KP_TLS_WWW_CLIENT, false,
                              &fixture.client);
        ck_assert_int_eq(meet_certificate(&fixture.client, NULL, &peer), 0);
        ck_assert_int_eq(gnutls_x509_crt_init(&certificate), 0);
        ck_assert_int_eq(gnutls_x509_crt_import(certificate, &fixture.client.certificate,
                                                GNUTLS_X509_FMT_PEM),
                         0);
        ck_assert_int_eq(gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256,
                                                         fingerprint, &size),
                         0);
        gnutls_x509_crt_deinit(certificate);
        ck_assert_mem_eq(peer.fingerprint, fingerprint, sizeof(fingerprint));
}
END_TEST

START_TEST(who_was_revoked_is_not_let_in) {
        gnutls_datum_t list;
        TlsCertificate bob;
        NbdPeer peer;

        tls_authority_certify(&fixture.authority, "CN=alice", GNUTLS_KP_TLS_WWW_CLIENT, false,
                              &fixture.client);
        tls_authority_certify(&fixture.authority, "CN=bob", GNUTLS_KP_TLS_WWW_CLIENT, false, &bob);
        list = tls_authority_revoke(&fixture.authority, &bob);
        fixture.texts.revoked = as_text(&list);
        ck_assert_int_eq(meet_certificate(&bob, NULL, &peer), -EPROTO);
        ck_assert_int_eq(meet_certificate(&fixture.client, NULL, &peer), 0);
        tls_certificate_done(&bob);
        gnutls_free(list.data);
}
END_TEST

START_TEST(without_an_authority_nobody_says_who_he_is) {
        NbdPeer peer;

        fixture.texts.authorities = (NbdTlsText){ 0 };
        ck_assert_int_eq(meet_certificate(NULL, NULL, &peer), 0);
        ck_assert(peer.is_encrypted && !peer.has_certificate);
        tls_authority_certify(&fixture.other, "CN=alice", GNUTLS_KP_TLS_WWW_CLIENT, false,
                              &fixture.client);
        ck_assert_int_eq(meet_certificate(&fixture.client, NULL, &peer), 0);
        ck_assert(!peer.has_certificate);
}
END_TEST

START_TEST(a_shared_key_is_as_good_as_a_certificate) {
        static const char key[] = "00112233445566778899aabbccddeeff";
        static const char keys[] = "carol:00112233445566778899aabbccddeeff";
        TlsClient client;
        NbdPeer peer;
        int fds[2];

        fixture.texts.psk = (NbdTlsText){ keys, sizeof(keys) - 1 };
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                         0);
        tls_client_init(&client, fds[0], "carol", key, NULL);
        ck_assert_int_eq(meet(&client, fds[1], &peer), 0);
        ck_assert_str_eq(peer.psk_identity, "carol");
        ck_assert(peer.is_encrypted && !peer.has_certificate);
        tls_client_done(&client);
        fd_close(fds[0]);
}
END_TEST

typedef struct TextsCase {
        const char *reason;
        size_t offset; /* of the text in NbdTlsTexts that is nonsense */
} TextsCase;

static const TextsCase texts_cases[] = {
        { "the certificate and its key: ", offsetof(NbdTlsTexts, certificate) },
        { "the certificate and its key: ", offsetof(NbdTlsTexts, key) },
        { "the authorities' certificates: ", offsetof(NbdTlsTexts, authorities) },
        { "the list of revoked certificates: ", offsetof(NbdTlsTexts, revoked) },
        { "there are no keys", offsetof(NbdTlsTexts, psk) },
};

START_TEST(nonsense_is_told_by_its_name) {
        const TextsCase *c = &texts_cases[_i];
        NbdTlsText *text = (NbdTlsText *) (void *) ((uint8_t *) &fixture.texts + c->offset);
        char reason[NBD_TLS_REASON_SIZE] = "";
        NbdTlsCredentials *credentials;

        *text = (NbdTlsText){ "#", 1 };
        ck_assert_int_eq(nbd_tls_credentials_new(&credentials, &fixture.texts, reason), -EINVAL);
        ck_assert_msg(strncmp(reason, c->reason, strlen(c->reason)) == 0, "%s", reason);
}
END_TEST

START_TEST(a_key_of_another_certificate_is_refused) {
        char reason[NBD_TLS_REASON_SIZE] = "";
        NbdTlsCredentials *credentials;

        tls_authority_certify(&fixture.authority, "CN=alice", GNUTLS_KP_TLS_WWW_CLIENT, false,
                              &fixture.client);
        fixture.texts.key = as_text(&fixture.client.key);
        ck_assert_int_eq(nbd_tls_credentials_new(&credentials, &fixture.texts, reason), -EINVAL);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("nbd_tls_certificates");
        TCase *tcase = tcase_create("certificates");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, whoever_has_the_authoritys_certificate_is_let_in, 0,
                            (int) N_ELEMENTS(client_cases));
        tcase_add_test(tcase, a_fingerprint_is_that_of_the_certificate);
        tcase_add_test(tcase, who_was_revoked_is_not_let_in);
        tcase_add_test(tcase, without_an_authority_nobody_says_who_he_is);
        tcase_add_test(tcase, a_shared_key_is_as_good_as_a_certificate);
        tcase_add_loop_test(tcase, nonsense_is_told_by_its_name, 0, (int) N_ELEMENTS(texts_cases));
        tcase_add_test(tcase, a_key_of_another_certificate_is_refused);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
