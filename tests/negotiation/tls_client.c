#include "tls_client.h"

#include <check.h>
#include <string.h>

#define SHARED_PRIORITY "NORMAL:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK"

static void start(TlsClient *client, int fd, const char *priority) {
        *client = (TlsClient){ .fd = fd };
        ck_assert_int_eq(gnutls_init(&client->session,
                                     GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL),
                         0);
        ck_assert_int_eq(gnutls_certificate_allocate_credentials(&client->certificate), 0);
        ck_assert_int_eq(gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE,
                                                client->certificate),
                         0);
        ck_assert_int_eq(gnutls_priority_set_direct(client->session, priority, NULL), 0);
        gnutls_transport_set_int(client->session, fd);
}

void tls_client_init(TlsClient *client, int fd, const char *identity, const char *key,
                     const char *priority) {
        const gnutls_datum_t datum = { .data = (unsigned char *) key,
                                       .size = (unsigned) strlen(key) };

        start(client, fd, priority ?: SHARED_PRIORITY);
        ck_assert_int_eq(gnutls_psk_allocate_client_credentials(&client->shared), 0);
        ck_assert_int_eq(gnutls_psk_set_client_credentials(client->shared, identity, &datum,
                                                           GNUTLS_PSK_KEY_HEX),
                         0);
        ck_assert_int_eq(gnutls_credentials_set(client->session, GNUTLS_CRD_PSK, client->shared),
                         0);
}

void tls_client_init_certificate(TlsClient *client, int fd, const gnutls_datum_t *certificate,
                                 const gnutls_datum_t *key, const char *priority) {
        start(client, fd, priority ?: "NORMAL");
        if (certificate)
                ck_assert_int_ge(gnutls_certificate_set_x509_key_mem(client->certificate,
                                                                     certificate, key,
                                                                     GNUTLS_X509_FMT_PEM),
                                 0);
}

void tls_client_done(TlsClient *client) {
        gnutls_deinit(client->session);
        if (client->shared)
                gnutls_psk_free_client_credentials(client->shared);
        gnutls_certificate_free_credentials(client->certificate);
}
