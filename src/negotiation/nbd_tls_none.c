/* A build without TLS: STARTTLS is refused, and nobody can come that far. */

#include <errno.h>
#include <stdio.h>

#include "negotiation/nbd_tls_stream.h"

bool nbd_tls_is_available(void) { return false; }

int nbd_tls_credentials_new(NbdTlsCredentials **ret, const NbdTlsTexts *texts, char *reason) {
        snprintf(reason, NBD_TLS_REASON_SIZE, "this build has no TLS");
        return -EOPNOTSUPP;
}

NbdTlsCredentials *nbd_tls_credentials_ref(NbdTlsCredentials *credentials) { return credentials; }

NbdTlsCredentials *nbd_tls_credentials_unref(NbdTlsCredentials *credentials) { return NULL; }

int nbd_tls_stream_new(NbdStream **ret, NbdTlsCredentials *credentials, int fd) {
        fd_close(fd);
        return -EOPNOTSUPP;
}

int nbd_tls_stream_begin(NbdStream *stream, uint32_t *ret_events) { return -EOPNOTSUPP; }

int nbd_tls_stream_identify(const NbdStream *stream, NbdPeer *client) { return -EOPNOTSUPP; }
