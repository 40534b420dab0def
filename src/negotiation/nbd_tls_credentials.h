#pragma once

/*
 * NbdTlsCredentials, its inside
 *
 * What a session is set up with. Private to the files that know GnuTLS.
 */

#include <gnutls/gnutls.h>

#include "negotiation/nbd_tls_psk.h"

struct NbdTlsCredentials {
        unsigned n_references;
        gnutls_certificate_credentials_t certificate; /* owned; NULL: none */
        gnutls_psk_server_credentials_t shared;       /* owned; NULL: no shared keys */
        gnutls_priority_t priority;                   /* owned */
        NbdTlsPsk psk;
        bool wants_certificate; /* of clients without a shared key */
};
