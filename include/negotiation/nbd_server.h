#pragma once

/*
 * NbdServer
 *
 * The handshake for all exports, in the front: listens, accepts, negotiates (fixed newstyle), and
 * hands the connection over in transmission phase, having read not one byte past the last option.
 */

#include "base/event_loop.h"
#include "base/nbd_protocol.h"

#define NBD_SERVER_EXPORTS_MAX 1024
#define NBD_SERVER_LISTENERS_MAX 16
#define NBD_SERVER_NAME_SIZE_MAX 128
#define NBD_OPTION_SIZE_MAX (64 * KIB)

typedef struct NbdServer NbdServer;

typedef struct NbdServerExport {
        char name[NBD_SERVER_NAME_SIZE_MAX];
        char description[NBD_SERVER_NAME_SIZE_MAX];
        NbdExportInfo info;
        uint64_t generation; /* unique over the server's life */
} NbdServerExport;

typedef struct NbdServerOptions {
        uint32_t handshake_timeout_ms; /* 0: default, 10 s for the whole handshake */
        uint32_t n_connections_max;    /* in handshake at once; 0: default, 100 */
} NbdServerOptions;

/* A connection is ready for transmission: `fd` is given away. May change or free the server. */
typedef void (*NbdServerHandover)(NbdServer *server, const NbdServerExport *export,
                                  const NbdAgreement *agreement, int fd, void *userdata);

int nbd_server_new(NbdServer **ret, EventLoop *loop, const NbdServerOptions *options,
                   NbdServerHandover handover, void *userdata);
/* Closes listeners and connections in handshake. Takes NULL. */
NbdServer *nbd_server_free(NbdServer *server);
DEFINE_CLEANUP(NbdServer *, nbd_server_free);

/* Takes `fd` over, also on failure: a listening stream socket. */
int nbd_server_listen(NbdServer *server, int fd);
/* Takes `fd` over, also on failure: a connected client. `only_generation`: of the one export that it
 * may see and choose; 0: it may choose any. -EBUSY: as many as may be are in handshake, -ESHUTDOWN,
 * -ENOMEM. */
int nbd_server_accept(NbdServer *server, int fd, uint64_t only_generation);
/* -EEXIST: that name or generation, -ENOSPC: too many, -EINVAL: no name, or block sizes that the
 * protocol does not allow (all 0: not known, then not told), -ENOMEM. */
int nbd_server_add_export(NbdServer *server, const NbdServerExport *export);
/* Harmless if there is none. Handshakes under way see it gone. */
void nbd_server_remove_export(NbdServer *server, uint64_t generation);
/* From now on: new connections are refused, and options get ERR_SHUTDOWN. */
void nbd_server_shut_down(NbdServer *server);
