#include "tls_client.h"

#include <check.h>
#include <string.h>

#define PRIORITY "NORMAL:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK"

void tls_client_init(TlsClient *client, int fd, const char *identity, const char *key,
                     const char *priority) {
        const gnutls_datum_t datum = { .data = (unsigned char *) key,
                                       .size = (unsigned) strlen(key) };

        *client = (TlsClient){ .fd = fd };
        ck_assert_int_eq(gnutls_init(&client->session,
                                     GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL),
                         0);
        ck_assert_int_eq(gnutls_psk_allocate_client_credentials(&client->shared), 0);
        ck_assert_int_eq(gnutls_psk_set_client_credentials(client->shared, identity, &datum,
                                                           GNUTLS_PSK_KEY_HEX),
                         0);
        ck_assert_int_eq(gnutls_certificate_allocate_credentials(&client->none), 0);
        ck_assert_int_eq(gnutls_credentials_set(client->session, GNUTLS_CRD_PSK, client->shared),
                         0);
        ck_assert_int_eq(gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE,
                                                client->none),
                         0);
        ck_assert_int_eq(gnutls_priority_set_direct(client->session, priority ?: PRIORITY, NULL),
                         0);
        gnutls_transport_set_int(client->session, fd);
}

void tls_client_done(TlsClient *client) {
        gnutls_deinit(client->session);
        gnutls_psk_free_client_credentials(client->shared);
        gnutls_certificate_free_credentials(client->none);
}
