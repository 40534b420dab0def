#pragma once

/*
 * NbdHandshake
 *
 * One connection before transmission: its socket, its deadline, and the framing of options, in the
 * clear or in TLS. Never reads a byte that it does not need now, because the socket goes to another
 * process, and what follows the last option belongs to that one.
 */

#include "base/event_loop.h"
#include "negotiation/nbd_handshake_options.h"
#include "negotiation/nbd_stream.h"
#include "negotiation/nbd_tls.h"

typedef struct NbdHandshake NbdHandshake;

/*
 * Over, once, from the loop; the handshake is to be freed within. `stream` is the client's, to be
 * taken with TAKE_PTR() if it is ready for transmission, and NULL if it failed.
 */
typedef void (*NbdHandshakeEnded)(NbdHandshake *handshake, NbdStream **stream, void *userdata);

/* Takes `fd` over, also on failure. What `terms` borrow must outlive it. `credentials`: NULL: no TLS;
 * a reference is taken. -ENOMEM, -errno. */
int nbd_handshake_new(NbdHandshake **ret, EventLoop *loop, const NbdHandshakeTerms *terms,
                      NbdTlsCredentials *credentials, int fd, uint64_t timeout_ns,
                      NbdHandshakeEnded ended, void *userdata);
/* Closes the socket unless it was taken. */
NbdHandshake *nbd_handshake_free(NbdHandshake *handshake);
DEFINE_CLEANUP(NbdHandshake *, nbd_handshake_free);

/* What was agreed on, once it is ready. */
const NbdHandshakeOptions *nbd_handshake_get_options(const NbdHandshake *handshake);
/* For its owner's list. */
ListNode *nbd_handshake_get_node(NbdHandshake *handshake);
NbdHandshake *nbd_handshake_from_node(ListNode *node);
