#pragma once

/*
 * NbdRelay
 *
 * A client in TLS and its worker, in transmission phase: the bytes of each go to the other. What
 * waits for a slow one is bounded, and the other is not read from meanwhile. A half that ends is
 * ended on the other side once all before it has arrived there.
 */

#include "base/event_loop.h"
#include "negotiation/nbd_stream.h"

/* Of each direction. */
#define NBD_RELAY_BUFFER_SIZE (256 * KIB)

typedef struct NbdRelay NbdRelay;

/* Over, once, from the loop; the relay is to be freed within. */
typedef void (*NbdRelayEnded)(NbdRelay *relay, void *userdata);

/*
 * Takes both streams over, also on failure. A client that takes nothing for `stall_timeout_ns` while
 * there is something for it is dropped. -ENOMEM, -errno.
 */
int nbd_relay_new(NbdRelay **ret, EventLoop *loop, NbdStream *client, NbdStream *worker,
                  uint64_t stall_timeout_ns, NbdRelayEnded ended, void *userdata);
NbdRelay *nbd_relay_free(NbdRelay *relay);
DEFINE_CLEANUP(NbdRelay *, nbd_relay_free);

/* For its owner's list. */
ListNode *nbd_relay_get_node(NbdRelay *relay);
NbdRelay *nbd_relay_from_node(ListNode *node);
