#pragma once

/* An authority for certificates, made in memory. */

#include <gnutls/x509.h>

#include "base/macros.h"

typedef struct TlsAuthority {
        gnutls_x509_privkey_t key;
        gnutls_x509_crt_t certificate;
} TlsAuthority;

typedef struct TlsCertificate {
        gnutls_datum_t certificate; /* PEM, as all of them */
        gnutls_datum_t key;
} TlsCertificate;

void tls_authority_init(TlsAuthority *authority);
void tls_authority_done(TlsAuthority *authority);
/* To be freed with gnutls_free(). */
gnutls_datum_t tls_authority_get_pem(const TlsAuthority *authority);
/* `purpose`: GNUTLS_KP_TLS_WWW_CLIENT or SERVER. */
void tls_authority_certify(const TlsAuthority *authority, const char *subject, const char *purpose,
                           bool is_expired, TlsCertificate *ret);
/* The list of revoked certificates, with that one. To be freed with gnutls_free(). */
gnutls_datum_t tls_authority_revoke(const TlsAuthority *authority,
                                    const TlsCertificate *certificate);
void tls_certificate_done(TlsCertificate *certificate);
