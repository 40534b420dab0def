/*
 * Certificates and keys out of PEM texts. AES-GCM is at the front of what is offered, and ours is the
 * order that counts: shared keys of TLS 1.3 are bound to SHA-256, with which GnuTLS would choose
 * ChaCha20 otherwise, at a tenth of the speed.
 */

#include "negotiation/nbd_tls_credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PRIORITY                                                                  \
        "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:" \
        "+AES-256-GCM:+CHACHA20-POLY1305:-KX-ALL:%SERVER_PRECEDENCE"
#define PRIORITY_CERTIFICATE ":+ECDHE-ECDSA:+ECDHE-RSA:+DHE-RSA"
#define PRIORITY_SHARED ":+ECDHE-PSK:+DHE-PSK"

bool nbd_tls_is_available(void) { return true; }

static int refuse(char *reason, const char *what, int error) {
        snprintf(reason, NBD_TLS_REASON_SIZE, "%s: %s", what, gnutls_strerror(error));
        return error == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
}

/* GnuTLS changes nothing of it. */
static gnutls_datum_t as_datum(const NbdTlsText *text) {
        return (gnutls_datum_t){ .data = (unsigned char *) text->bytes,
                                 .size = (unsigned) text->size };
}

static int set_authorities(NbdTlsCredentials *credentials, const NbdTlsTexts *texts, char *reason) {
        gnutls_datum_t datum = as_datum(&texts->authorities);
        int r;

        r = gnutls_certificate_set_x509_trust_mem(credentials->certificate, &datum,
                                                  GNUTLS_X509_FMT_PEM);
        if (r <= 0)
                return refuse(reason, "the authorities' certificates",
                              r < 0 ? r : GNUTLS_E_NO_CERTIFICATE_FOUND);
        credentials->wants_certificate = true;
        if (!texts->revoked.bytes)
                return 0;
        datum = as_datum(&texts->revoked);
        r = gnutls_certificate_set_x509_crl_mem(credentials->certificate, &datum,
                                                GNUTLS_X509_FMT_PEM);
        if (r <= 0)
                return refuse(reason, "the list of revoked certificates",
                              r < 0 ? r : GNUTLS_E_NO_CERTIFICATE_FOUND);
        return 0;
}

static int set_certificate(NbdTlsCredentials *credentials, const NbdTlsTexts *texts, char *reason) {
        const gnutls_datum_t certificate = as_datum(&texts->certificate);
        const gnutls_datum_t key = as_datum(&texts->key);
        int r;

        if (!texts->certificate.bytes)
                return 0;
        r = gnutls_certificate_allocate_credentials(&credentials->certificate);
        if (r < 0)
                return refuse(reason, "certificates", r);
        r = gnutls_certificate_set_x509_key_mem2(credentials->certificate, &certificate, &key,
                                                 GNUTLS_X509_FMT_PEM, NULL, 0);
        if (r < 0)
                return refuse(reason, "the certificate and its key", r);
        r = gnutls_certificate_set_known_dh_params(credentials->certificate,
                                                   GNUTLS_SEC_PARAM_MEDIUM);
        if (r < 0)
                return refuse(reason, "key exchange", r);
        return texts->authorities.bytes ? set_authorities(credentials, texts, reason) : 0;
}

static int find_shared_key(gnutls_session_t session, const gnutls_datum_t *identity,
                           gnutls_datum_t *key) {
        const NbdTlsCredentials *credentials = gnutls_session_get_ptr(session);
        const NbdTlsPskEntry *entry;

        entry = nbd_tls_psk_find(&credentials->psk, identity->data, identity->size);
        if (!entry)
                return -1;
        key->data = gnutls_malloc(entry->key_size);
        if (!key->data)
                return -1;
        memcpy(key->data, entry->key, entry->key_size);
        key->size = (unsigned) entry->key_size;
        return 0;
}

static int set_shared_keys(NbdTlsCredentials *credentials, const NbdTlsTexts *texts, char *reason) {
        int r;

        if (!texts->psk.bytes)
                return 0;
        r = nbd_tls_psk_parse(&credentials->psk, &texts->psk, reason);
        if (r < 0)
                return r;
        r = gnutls_psk_allocate_server_credentials(&credentials->shared);
        if (r < 0)
                return refuse(reason, "shared keys", r);
        gnutls_psk_set_server_credentials_function2(credentials->shared, find_shared_key);
        r = gnutls_psk_set_server_known_dh_params(credentials->shared, GNUTLS_SEC_PARAM_MEDIUM);
        return r < 0 ? refuse(reason, "key exchange", r) : 0;
}

static int set_priority(NbdTlsCredentials *credentials, char *reason) {
        char text[sizeof(PRIORITY PRIORITY_CERTIFICATE PRIORITY_SHARED)];
        int r;

        snprintf(text, sizeof(text), "%s%s%s", PRIORITY,
                 credentials->certificate ? PRIORITY_CERTIFICATE : "",
                 credentials->shared ? PRIORITY_SHARED : "");
        r = gnutls_priority_init(&credentials->priority, text, NULL);
        return r < 0 ? refuse(reason, "algorithms", r) : 0;
}

NbdTlsCredentials *nbd_tls_credentials_ref(NbdTlsCredentials *credentials) {
        credentials->n_references++;
        return credentials;
}

NbdTlsCredentials *nbd_tls_credentials_unref(NbdTlsCredentials *credentials) {
        if (!credentials || --credentials->n_references > 0)
                return NULL;

        if (credentials->certificate)
                gnutls_certificate_free_credentials(credentials->certificate);
        if (credentials->shared)
                gnutls_psk_free_server_credentials(credentials->shared);
        if (credentials->priority)
                gnutls_priority_deinit(credentials->priority);
        nbd_tls_psk_done(&credentials->psk);
        free(credentials);
        return NULL;
}

int nbd_tls_credentials_new(NbdTlsCredentials **ret, const NbdTlsTexts *texts, char *reason) {
        _cleanup_(nbd_tls_credentials_unrefp) NbdTlsCredentials *credentials = NULL;
        int r;

        assert(reason);

        credentials = calloc(1, sizeof(*credentials));
        if (!credentials)
                return -ENOMEM;
        credentials->n_references = 1;
        r = set_certificate(credentials, texts, reason);
        if (r < 0)
                return r;
        r = set_shared_keys(credentials, texts, reason);
        if (r < 0)
                return r;
        if (!credentials->certificate && !credentials->shared) {
                snprintf(reason, NBD_TLS_REASON_SIZE, "there is neither a certificate nor a key");
                return -EINVAL;
        }
        r = set_priority(credentials, reason);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(credentials);
        return 0;
}
