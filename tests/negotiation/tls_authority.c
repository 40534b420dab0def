#include "tls_authority.h"

#include <check.h>
#include <time.h>

#define DAY_S (24 * 3600)
#define OK(call) ck_assert_int_ge((call), 0)

static gnutls_x509_privkey_t make_key(void) {
        gnutls_x509_privkey_t key;

        OK(gnutls_x509_privkey_init(&key));
        OK(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
        return key;
}

static gnutls_x509_crt_t make_certificate(const char *subject, gnutls_x509_privkey_t key,
                                          unsigned char serial, bool is_expired) {
        gnutls_x509_crt_t certificate;
        time_t now = time(NULL);

        OK(gnutls_x509_crt_init(&certificate));
        OK(gnutls_x509_crt_set_version(certificate, 3));
        OK(gnutls_x509_crt_set_serial(certificate, &serial, sizeof(serial)));
        OK(gnutls_x509_crt_set_dn(certificate, subject, NULL));
        OK(gnutls_x509_crt_set_key(certificate, key));
        OK(gnutls_x509_crt_set_activation_time(certificate, now - 2 * DAY_S));
        OK(gnutls_x509_crt_set_expiration_time(certificate, now + (is_expired ? -DAY_S : DAY_S)));
        return certificate;
}

void tls_authority_init(TlsAuthority *authority) {
        authority->key = make_key();
        authority->certificate = make_certificate("CN=authority", authority->key, 1, false);
        OK(gnutls_x509_crt_set_ca_status(authority->certificate, 1));
        OK(gnutls_x509_crt_set_key_usage(authority->certificate,
                                         GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
        OK(gnutls_x509_crt_sign2(authority->certificate, authority->certificate, authority->key,
                                 GNUTLS_DIG_SHA256, 0));
}

void tls_authority_done(TlsAuthority *authority) {
        gnutls_x509_crt_deinit(authority->certificate);
        gnutls_x509_privkey_deinit(authority->key);
}

gnutls_datum_t tls_authority_get_pem(const TlsAuthority *authority) {
        gnutls_datum_t pem;

        OK(gnutls_x509_crt_export2(authority->certificate, GNUTLS_X509_FMT_PEM, &pem));
        return pem;
}

void tls_authority_certify(const TlsAuthority *authority, const char *subject, const char *purpose,
                           bool is_expired, TlsCertificate *ret) {
        static unsigned char serial = 1;
        gnutls_x509_privkey_t key = make_key();
        gnutls_x509_crt_t certificate = make_certificate(subject, key, ++serial, is_expired);

        OK(gnutls_x509_crt_set_key_purpose_oid(certificate, purpose, 0));
        OK(gnutls_x509_crt_sign2(certificate, authority->certificate, authority->key,
                                 GNUTLS_DIG_SHA256, 0));
        OK(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &ret->certificate));
        OK(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &ret->key));
        gnutls_x509_crt_deinit(certificate);
        gnutls_x509_privkey_deinit(key);
}

gnutls_datum_t tls_authority_revoke(const TlsAuthority *authority,
                                    const TlsCertificate *certificate) {
        time_t now = time(NULL);
        gnutls_x509_crt_t revoked;
        gnutls_x509_crl_t list;
        gnutls_datum_t pem;

        OK(gnutls_x509_crt_init(&revoked));
        OK(gnutls_x509_crt_import(revoked, &certificate->certificate, GNUTLS_X509_FMT_PEM));
        OK(gnutls_x509_crl_init(&list));
        OK(gnutls_x509_crl_set_version(list, 2));
        OK(gnutls_x509_crl_set_this_update(list, now - DAY_S));
        OK(gnutls_x509_crl_set_next_update(list, now + DAY_S));
        OK(gnutls_x509_crl_set_number(list, "\1", 1));
        OK(gnutls_x509_crl_set_crt(list, revoked, now - DAY_S));
        OK(gnutls_x509_crl_sign2(list, authority->certificate, authority->key, GNUTLS_DIG_SHA256,
                                 0));
        OK(gnutls_x509_crl_export2(list, GNUTLS_X509_FMT_PEM, &pem));
        gnutls_x509_crl_deinit(list);
        gnutls_x509_crt_deinit(revoked);
        return pem;
}

void tls_certificate_done(TlsCertificate *certificate) {
        gnutls_free(certificate->certificate.data);
        gnutls_free(certificate->key.data);
        *certificate = (TlsCertificate){ 0 };
}
