/*
 * A session of GnuTLS on a socket that does not block. What comes is received in large pieces, as
 * GnuTLS asks for each record's header and body one by one; when it says that it must wait, it has
 * taken all of them, and the socket had no more.
 */

#include "negotiation/nbd_tls_stream.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "negotiation/nbd_tls_credentials.h"

#define RECEIVE_SIZE (64 * KIB)
/* Alerts and the like that may come in the place of data, one after the other. */
#define DISTRACTIONS_MAX 16

typedef struct NbdTlsStream {
        NbdStream stream;
        NbdTlsCredentials *credentials; /* a reference */
        gnutls_session_t session;       /* owned */
        uint8_t *received;              /* owned, of RECEIVE_SIZE */
        size_t start;                   /* of what GnuTLS has not taken yet */
        size_t end;
        bool is_dry;     /* the socket has had nothing more */
        bool is_sending; /* a record has been made, and waits for the socket */
} NbdTlsStream;

static NbdTlsStream *get_tls(NbdStream *stream) {
        return container_of(stream, NbdTlsStream, stream);
}

/* The socket */

static ssize_t pull(gnutls_transport_ptr_t pointer, void *bytes, size_t size) {
        NbdTlsStream *tls = pointer;

        if (tls->start == tls->end) {
                ssize_t n = recv(tls->stream.fd, tls->received, RECEIVE_SIZE, MSG_DONTWAIT);

                tls->is_dry = n < 0;
                if (n <= 0) {
                        gnutls_transport_set_errno(tls->session, errno);
                        return n;
                }
                tls->start = 0;
                tls->end = (size_t) n;
        }
        size = MIN(size, tls->end - tls->start);
        memcpy(bytes, tls->received + tls->start, size);
        tls->start += size;
        return (ssize_t) size;
}

static ssize_t push(gnutls_transport_ptr_t pointer, const void *bytes, size_t size) {
        NbdTlsStream *tls = pointer;
        ssize_t n = send(tls->stream.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0)
                gnutls_transport_set_errno(tls->session, errno);
        return n;
}

/* Results */

static int translate(int error) {
        switch (error) {
        case GNUTLS_E_AGAIN:
        case GNUTLS_E_INTERRUPTED:
                return -EAGAIN;
        case GNUTLS_E_PREMATURE_TERMINATION:
        case GNUTLS_E_PULL_ERROR:
        case GNUTLS_E_PUSH_ERROR:
                return -ECONNRESET;
        case GNUTLS_E_MEMORY_ERROR:
                return -ENOMEM;
        default:
                log_debug("TLS: %s", gnutls_strerror(error));
                return -EPROTO;
        }
}

/*
 * What is to be tried again at once: an alert that is only a warning, or a record that changes keys,
 * after which GnuTLS says that it must wait though more may be here. A client that wants to negotiate
 * anew (TLS 1.2) is none of them.
 */
static bool is_distraction(const NbdTlsStream *tls, int error) {
        if (error == GNUTLS_E_AGAIN)
                return !tls->is_dry && gnutls_record_get_direction(tls->session) == 0;
        return error == GNUTLS_E_INTERRUPTED ||
               (error != GNUTLS_E_REHANDSHAKE && !gnutls_error_is_fatal(error));
}

/* The stream */

/* A client that goes without a farewell has ended as well: requests tell their own size, so that
 * nothing that was cut off is taken for whole. */
static ssize_t tls_receive(NbdStream *stream, void *bytes, size_t size) {
        NbdTlsStream *tls = get_tls(stream);

        for (size_t i = 0; i < DISTRACTIONS_MAX; i++) {
                ssize_t n;

                tls->is_dry = false;
                n = gnutls_record_recv(tls->session, bytes, size);
                if (n >= 0)
                        return n;
                if (n == GNUTLS_E_PREMATURE_TERMINATION)
                        return 0;
                if (!is_distraction(tls, (int) n))
                        return translate((int) n);
        }
        return -EPROTO;
}

/* What GnuTLS has made a record of is not given to it again. */
static ssize_t tls_send(NbdStream *stream, const void *bytes, size_t size) {
        NbdTlsStream *tls = get_tls(stream);
        ssize_t n;

        n = tls->is_sending ? gnutls_record_send(tls->session, NULL, 0)
                            : gnutls_record_send(tls->session, bytes, size);
        tls->is_sending = n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED;
        return n < 0 ? translate((int) n) : n;
}

static int tls_finish(NbdStream *stream) {
        NbdTlsStream *tls = get_tls(stream);
        int r;

        r = gnutls_bye(tls->session, GNUTLS_SHUT_WR);
        if (r < 0)
                return translate(r);
        return shutdown(stream->fd, SHUT_WR) < 0 ? -errno : 0;
}

static void tls_free(NbdStream *stream) {
        NbdTlsStream *tls = get_tls(stream);

        if (tls->session)
                gnutls_deinit(tls->session);
        nbd_tls_credentials_unref(tls->credentials);
        fd_close(stream->fd);
        if (tls->received)
                explicit_bzero(tls->received, RECEIVE_SIZE);
        free(tls->received);
        free(tls);
}

int nbd_tls_stream_begin(NbdStream *stream, uint32_t *ret_events) {
        NbdTlsStream *tls = get_tls(stream);
        int r;

        for (size_t i = 0; i < DISTRACTIONS_MAX; i++) {
                tls->is_dry = false;
                r = gnutls_handshake(tls->session);
                if (r >= 0)
                        return 0;
                if (is_distraction(tls, r))
                        continue;
                if (r != GNUTLS_E_AGAIN)
                        break;
                *ret_events = gnutls_record_get_direction(tls->session) ? EPOLLOUT : EPOLLIN;
                return -EAGAIN;
        }
        log_debug("A client can't begin with TLS: %s", gnutls_strerror(r));
        /* Best effort: it tells the client's user why. */
        (void) gnutls_alert_send_appropriate(tls->session, r);
        return r == GNUTLS_E_AGAIN ? -EPROTO : translate(r);
}

/* Who the client is */

static int set_name(char *name, const void *bytes, size_t size) {
        if (size == 0 || size >= NBD_PEER_NAME_SIZE_MAX || memchr(bytes, '\0', size))
                return -EPROTO;
        memcpy(name, bytes, size);
        name[size] = '\0';
        return 0;
}

static int set_subject(NbdPeer *client, gnutls_x509_crt_t certificate) {
        gnutls_datum_t subject = { 0 };
        int r;

        r = gnutls_x509_crt_get_dn3(certificate, &subject, 0);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
                return 0; /* it says nothing but other names */
        if (r < 0)
                return -EPROTO;
        r = set_name(client->subject, subject.data, subject.size);
        gnutls_free(subject.data);
        return r;
}

static int set_certificate(NbdPeer *client, const gnutls_datum_t *der) {
        size_t size = sizeof(client->fingerprint);
        gnutls_x509_crt_t certificate;
        int r;

        if (gnutls_fingerprint(GNUTLS_DIG_SHA256, der, client->fingerprint, &size) < 0)
                return -EPROTO;
        if (gnutls_x509_crt_init(&certificate) < 0)
                return -ENOMEM;
        r = gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER);
        r = r < 0 ? -EPROTO : set_subject(client, certificate);
        gnutls_x509_crt_deinit(certificate);
        client->has_certificate = r == 0;
        return r;
}

int nbd_tls_stream_identify(const NbdStream *stream, NbdPeer *client) {
        const NbdTlsStream *tls = container_of(stream, NbdTlsStream, stream);
        const gnutls_datum_t *certificates;
        gnutls_datum_t identity = { 0 };
        unsigned n_certificates = 0;

        client->is_encrypted = true;
        if (gnutls_auth_client_get_type(tls->session) == GNUTLS_CRD_PSK) {
                if (gnutls_psk_server_get_username2(tls->session, &identity) < 0)
                        return -EPROTO;
                return set_name(client->psk_identity, identity.data, identity.size);
        }
        if (!tls->credentials->wants_certificate)
                return 0;
        /* GnuTLS has verified it, or there would be no session. */
        certificates = gnutls_certificate_get_peers(tls->session, &n_certificates);
        return n_certificates > 0 ? set_certificate(client, &certificates[0]) : -EPROTO;
}

/* Beginning */

static int set_credentials(NbdTlsStream *tls) {
        static gnutls_typed_vdata_st purpose = {
                .type = GNUTLS_DT_KEY_PURPOSE_OID,
                .data = (unsigned char *) GNUTLS_KP_TLS_WWW_CLIENT,
        };
        NbdTlsCredentials *credentials = tls->credentials;
        int r = 0;

        if (credentials->certificate)
                r = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
                                           credentials->certificate);
        if (r >= 0 && credentials->shared)
                r = gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, credentials->shared);
        if (r < 0)
                return r;
        if (credentials->wants_certificate) {
                gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUIRE);
                gnutls_session_set_verify_cert2(tls->session, &purpose, 1, 0);
        }
        gnutls_session_set_ptr(tls->session, credentials);
        return gnutls_priority_set(tls->session, credentials->priority);
}

static int start_session(NbdTlsStream *tls) {
        int r;

        r = gnutls_init(&tls->session,
                        GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
        if (r < 0)
                return translate(r);
        gnutls_transport_set_ptr(tls->session, tls);
        gnutls_transport_set_pull_function(tls->session, pull);
        gnutls_transport_set_push_function(tls->session, push);
        r = set_credentials(tls);
        return r < 0 ? translate(r) : 0;
}

int nbd_tls_stream_new(NbdStream **ret, NbdTlsCredentials *credentials, int fd) {
        static const NbdStreamOps ops = {
                .receive = tls_receive,
                .send = tls_send,
                .finish = tls_finish,
                .free = tls_free,
        };
        _cleanup_(nbd_stream_freep) NbdStream *stream = NULL;
        NbdTlsStream *tls = calloc(1, sizeof(*tls));
        int r;

        if (!tls) {
                fd_close(fd);
                return -ENOMEM;
        }
        stream = &tls->stream;
        *stream = (NbdStream){ .ops = &ops, .fd = fd };
        tls->credentials = nbd_tls_credentials_ref(credentials);
        tls->received = malloc(RECEIVE_SIZE);
        if (!tls->received)
                return -ENOMEM;
        r = start_session(tls);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(stream);
        return 0;
}
