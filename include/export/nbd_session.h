#pragma once

/*
 * NbdSession
 *
 * One NBD connection in transmission phase, in the worker, on a BlockDevice. Requests are received
 * and replies sent in batches; bytes buffered for one connection are bounded, beyond that it is not
 * read from.
 */

#include "base/nbd_protocol.h"
#include "base/rate_budget.h"
#include "block/block_device.h"

#define NBD_SESSION_REQUESTS_MAX 128
#define NBD_SESSION_BUFFERED_SIZE_MAX (64 * MIB)

typedef struct NbdSession NbdSession;

typedef struct NbdSessionOptions {
        /* The deadline of each request, with a second more for each MiB that is ahead of it; twice
         * as long for a FLUSH; 0: default, 30 s. */
        uint64_t request_timeout_ns;
        uint64_t send_timeout_ns; /* a client that takes no reply for so long is dropped; 0:
                                        default, 60 s */
        RateBudget *budget;       /* of READs and WRITEs: borrowed, outlives the session; NULL: no
                                        limit */
} NbdSessionOptions;

/* The connection has ended and nothing of it is in flight; free it now or later. Once. */
typedef void (*NbdSessionEnded)(NbdSession *session, void *userdata);

/* What the handshake tells of `device`. */
void nbd_session_describe(const BlockDevice *device, NbdExportInfo *ret);

/* Takes `fd` over, also on failure. `device` is borrowed and must outlive it. */
int nbd_session_new(NbdSession **ret, BlockDevice *device, int fd, const NbdAgreement *agreement,
                    const NbdSessionOptions *options, NbdSessionEnded ended, void *userdata);
/* Only after `ended`, or within it. */
NbdSession *nbd_session_free(NbdSession *session);
DEFINE_CLEANUP(NbdSession *, nbd_session_free);
/* Of requests that come from now on; see NbdSessionOptions. */
void nbd_session_set_request_timeout(NbdSession *session, uint64_t timeout_ns);
/*
 * The export closes: finishes what is in flight, answers what comes with ESHUTDOWN for a moment,
 * then ends; at the latest a moment after the last request in flight has ended.
 */
void nbd_session_shut_down(NbdSession *session);
/*
 * The export closes, and comes again: finishes what is in flight, and ends. What was not answered by
 * then is for the client's next connection, so nobody is told that it failed.
 */
void nbd_session_hang_up(NbdSession *session);
