#pragma once

/* A client in TLS for tests, on a socket that does not block, with a key that the server knows. */

#include <gnutls/gnutls.h>

#include "base/macros.h"

typedef struct TlsClient {
        int fd; /* borrowed */
        gnutls_session_t session;
        gnutls_psk_client_credentials_t shared;
        gnutls_certificate_credentials_t none;
} TlsClient;

/* `priority`: NULL: what suits a shared key. */
void tls_client_init(TlsClient *client, int fd, const char *identity, const char *key,
                     const char *priority);
void tls_client_done(TlsClient *client);
