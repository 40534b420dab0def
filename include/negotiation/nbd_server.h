#pragma once

/*
 * NbdServer
 *
 * The handshake for all exports, in the front: listens, accepts, negotiates (fixed newstyle), and
 * hands the connection over in transmission phase, having read not one byte past the last option. Of
 * a connection in TLS it hands one end of a pair over, and relays between that and the client.
 */

#include "base/event_loop.h"
#include "base/nbd_protocol.h"
#include "negotiation/nbd_access.h"
#include "negotiation/nbd_tls.h"

#define NBD_SERVER_EXPORTS_MAX 1024
#define NBD_SERVER_LISTENERS_MAX 16
/* Connections in TLS that are relayed. */
#define NBD_SERVER_RELAYS_MAX 256
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
        uint32_t n_connections_max;    /* in handshake at once; 0: default, 100. Of TCP at most
                                          three quarters of these */
} NbdServerOptions;

typedef enum NbdTlsMode {
        NBD_TLS_MODE_OFF,
        NBD_TLS_MODE_ON,      /* offered over unix sockets, required over TCP */
        NBD_TLS_MODE_REQUIRE, /* required */
        _NBD_TLS_MODE_MAX,
} NbdTlsMode;

typedef struct NbdServerTls {
        NbdTlsMode mode;
        bool allows_plain_tcp;          /* unless the mode is REQUIRE */
        NbdTlsCredentials *credentials; /* borrowed; NULL: who needs TLS can't come */
} NbdServerTls;

typedef struct NbdServerClient {
        NbdPeer peer;
        NbdAgreement agreement;
        int fd;     /* what speaks for it in transmission */
        int own_fd; /* borrowed: its own socket, where that is relayed; else -EBADF */
} NbdServerClient;

/* A connection is ready for transmission: `client->fd` is given away. May change the server, and free
 * it unless the connection is relayed. */
typedef void (*NbdServerHandover)(NbdServer *server, const NbdServerExport *export,
                                  const NbdServerClient *client, void *userdata);

/* May free the server. */
typedef void (*NbdServerIdle)(NbdServer *server, void *userdata);

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
/* Of connections that come from now on. What the server was made with is NBD_TLS_MODE_OFF. */
void nbd_server_set_tls(NbdServer *server, const NbdServerTls *tls);
/* Who may open what, from the next option of any client on: `list` is taken over, and zeroed. What
 * the server was made with is empty. */
void nbd_server_set_access(NbdServer *server, NbdAccessList *list);
/* Called when the last relayed connection has ended, after each such time. */
void nbd_server_set_idle_handler(NbdServer *server, NbdServerIdle idle);
/* Whether any connection is relayed. */
bool nbd_server_is_relaying(const NbdServer *server);
