#pragma once

/*
 * NbdTls
 *
 * What TLS connections begin with: certificates and keys, read from memory. Whoever has begun with
 * some keeps them, whatever comes later.
 */

#include "base/macros.h"

/* Of each file. */
#define NBD_TLS_TEXT_SIZE_MAX MIB
#define NBD_TLS_REASON_SIZE 256

typedef struct NbdTlsCredentials NbdTlsCredentials;

/* The contents of files; no bytes: there is none. */
typedef struct NbdTlsText {
        const char *bytes; /* borrowed */
        size_t size;
} NbdTlsText;

typedef struct NbdTlsTexts {
        NbdTlsText certificate; /* PEM: ours, and those between it and its root */
        NbdTlsText key;         /* PEM, without a password */
        NbdTlsText authorities; /* PEM: clients must have a certificate of one of them */
        NbdTlsText revoked;     /* PEM: and not one of these lists */
        NbdTlsText psk;         /* lines of IDENTITY:HEXADECIMAL-KEY */
} NbdTlsTexts;

/* Whether this build knows TLS at all. */
bool nbd_tls_is_available(void);
/* -EINVAL: `reason`, of NBD_TLS_REASON_SIZE, says what is wrong; -EOPNOTSUPP, -ENOMEM. */
int nbd_tls_credentials_new(NbdTlsCredentials **ret, const NbdTlsTexts *texts, char *reason);
NbdTlsCredentials *nbd_tls_credentials_ref(NbdTlsCredentials *credentials);
/* Takes NULL, returns NULL. */
NbdTlsCredentials *nbd_tls_credentials_unref(NbdTlsCredentials *credentials);
DEFINE_CLEANUP(NbdTlsCredentials *, nbd_tls_credentials_unref);
