#pragma once

/* A client in TLS for tests, on a socket that does not block, with a key that the server knows. */

#include <gnutls/gnutls.h>

#include "base/macros.h"

typedef struct TlsClient {
        int fd; /* borrowed */
        gnutls_session_t session;
        gnutls_psk_client_credentials_t shared;
        gnutls_certificate_credentials_t certificate;
} TlsClient;

/* With a certificate and its key in PEM; NULL: none. */
void tls_client_init_certificate(TlsClient *client, int fd, const gnutls_datum_t *certificate,
                                 const gnutls_datum_t *key, const char *priority);
/* `priority`: NULL: what suits a shared key. */
void tls_client_init(TlsClient *client, int fd, const char *identity, const char *key,
                     const char *priority);
void tls_client_done(TlsClient *client);
