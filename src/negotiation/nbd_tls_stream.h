#pragma once

/*
 * NbdTlsStream
 *
 * A stream in TLS, on the server's side.
 */

#include "negotiation/nbd_peer.h"
#include "negotiation/nbd_stream.h"
#include "negotiation/nbd_tls.h"

/* Takes `fd` over, also on failure. -ENOMEM, -EPROTO. */
int nbd_tls_stream_new(NbdStream **ret, NbdTlsCredentials *credentials, int fd);
/* Before anything else: 0: TLS has begun, -EAGAIN: it must wait for `ret_events` of the socket,
 * -errno. */
int nbd_tls_stream_begin(NbdStream *stream, uint32_t *ret_events);
/* Who TLS says that the client is, beside what is known. -EPROTO: it can't be told. */
int nbd_tls_stream_identify(const NbdStream *stream, NbdPeer *client);
