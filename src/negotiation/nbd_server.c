/*
 * Listeners, the connections in handshake, the table of exports they ask about, and the connections
 * in TLS. While as many connections are in handshake as may be, listeners rest: newcomers wait in
 * the kernel's backlog. Those of TCP rest sooner.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "negotiation/nbd_export_table.h"
#include "negotiation/nbd_handshake.h"
#include "negotiation/nbd_relay.h"
#include "negotiation/nbd_server.h"

#define HANDSHAKE_TIMEOUT_MS_DEFAULT 10000
#define CONNECTIONS_MAX_DEFAULT 100
/* One place for a connection in handshake in so many is for unix sockets alone. */
#define PLACES_NOT_FOR_TCP_DIVISOR 4
/* Connections taken from one listener in one turn of the loop. */
#define ACCEPT_BATCH_MAX 16
/* After an accept that failed for want of descriptors or memory. */
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)
/* Replies of a megabyte leave in one piece: measured, up to a quarter faster on unix sockets. */
#define SEND_BUFFER_SIZE (2 * MIB)
/* A client in TLS that takes no reply for so long is dropped, as a worker does with others. */
#define STALL_TIMEOUT_NS (60 * NS_PER_S)

typedef struct NbdListener {
        NbdServer *server; /* borrowed */
        int fd;            /* owned */
        bool is_tcp;
        EventFd watch;
} NbdListener;

struct NbdServer {
        EventLoop *loop; /* borrowed */
        NbdServerOptions options;
        NbdServerHandover handover;
        void *userdata;
        NbdServerIdle idle; /* NULL: nobody wants to know */
        NbdExportTable table;
        NbdAccessList access;
        NbdServerTls tls; /* with a reference */
        NbdListener listeners[NBD_SERVER_LISTENERS_MAX];
        size_t n_listeners;
        ListNode handshakes; /* NbdHandshake::node */
        size_t n_handshakes;
        size_t n_tcp_handshakes; /* of these */
        ListNode relays;         /* NbdRelay::node */
        size_t n_relays;
        EventTimer accept_pause; /* armed while accepting rests after a failure */
};

/* Who is on the network, and has not told who he is, never keeps out who is on this host. */
static bool has_room(const NbdServer *server, bool is_tcp) {
        uint32_t n_max = server->options.n_connections_max;

        return server->n_handshakes < n_max &&
               (!is_tcp || server->n_tcp_handshakes < n_max - n_max / PLACES_NOT_FOR_TCP_DIVISOR);
}

static bool can_accept(const NbdListener *listener) {
        return has_room(listener->server, listener->is_tcp) &&
               !event_timer_is_armed(&listener->server->accept_pause);
}

static void update_listeners(NbdServer *server) {
        for (size_t i = 0; i < server->n_listeners; i++) {
                NbdListener *listener = &server->listeners[i];

                event_fd_set_events(&listener->watch, can_accept(listener) ? EPOLLIN : 0);
        }
}

static void on_accept_pause(EventTimer *timer) {
        update_listeners(container_of(timer, NbdServer, accept_pause));
}

/* Each of these only makes it faster; a socket may be of a kind that does not know it. TCP finds the
 * size of its buffers itself, unless it is told one. */
static void prepare_for_transmission(int fd, bool is_tcp) {
        int send_buffer_size = (int) SEND_BUFFER_SIZE, on = 1;

        if (!is_tcp)
                (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer_size,
                                  sizeof(send_buffer_size));
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void on_relay_ended(NbdRelay *relay, void *userdata) {
        NbdServer *server = userdata;

        nbd_relay_free(relay);
        server->n_relays--;
        if (server->n_relays == 0 && server->idle)
                server->idle(server, server->userdata);
}

/* Takes the stream over, also on failure. */
static int start_relay(NbdServer *server, NbdStream *client, int *ret_fd) {
        _cleanup_(nbd_stream_freep) NbdStream *owned_client = client, *worker = NULL;
        int send_buffer_size = (int) SEND_BUFFER_SIZE;
        _cleanup_(fd_closep) int theirs = -EBADF;
        NbdRelay *relay;
        int fds[2], r;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
                return -errno;
        theirs = fds[1];
        (void) setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &send_buffer_size,
                          sizeof(send_buffer_size));
        r = nbd_stream_new_plain(&worker, fds[0]);
        if (r < 0)
                return r;
        r = nbd_relay_new(&relay, server->loop, TAKE_PTR(owned_client), TAKE_PTR(worker),
                          STALL_TIMEOUT_NS, on_relay_ended, server);
        if (r < 0)
                return r;
        list_append(&server->relays, nbd_relay_get_node(relay));
        server->n_relays++;
        *ret_fd = TAKE_FD(theirs);
        return 0;
}

/* The worker's end of the connection: the client's own socket, unless that speaks TLS. */
static int set_fds(NbdServer *server, NbdServerClient *client, NbdStream *stream) {
        prepare_for_transmission(stream->fd, client->peer.is_tcp);
        if (client->peer.is_encrypted) {
                client->own_fd = stream->fd;
                return start_relay(server, stream, &client->fd);
        }
        client->own_fd = -EBADF;
        client->fd = nbd_stream_free_but_fd(stream);
        return 0;
}

static void on_handshake_ended(NbdHandshake *handshake, NbdStream **stream, void *userdata) {
        const NbdHandshakeOptions *agreed = nbd_handshake_get_options(handshake);
        NbdServerClient client = { .peer = agreed->client, .agreement = agreed->agreement };
        _cleanup_(nbd_stream_freep) NbdStream *taken = NULL;
        const NbdServerExport *found = NULL;
        NbdServer *server = userdata;
        NbdServerExport export;
        int r;

        /* It may have gone while the last answer was on its way. */
        if (stream)
                found = nbd_export_table_find_generation(&server->table, agreed->generation);
        if (found) {
                export = *found;
                taken = TAKE_PTR(*stream);
        }
        nbd_handshake_free(handshake);
        server->n_handshakes--;
        server->n_tcp_handshakes -= client.peer.is_tcp;
        update_listeners(server);
        if (!found)
                return;

        r = set_fds(server, &client, TAKE_PTR(taken));
        if (r < 0) {
                log_warning("A client of %s can't be served: %s", export.name, strerror(-r));
                return;
        }
        log_debug("A client begins with %s%s", export.name,
                  client.peer.is_encrypted ? ", in TLS" : "");
        server->handover(server, &export, &client, server->userdata);
}

static NbdTlsUse get_tls_use(const NbdServer *server, bool is_tcp) {
        switch (server->tls.mode) {
        case NBD_TLS_MODE_OFF:
                /* Who opened the socket has seen to it that this is what is wanted; if not, nobody
                 * can come. */
                return is_tcp && !server->tls.allows_plain_tcp ? NBD_TLS_USE_REQUIRED
                                                               : NBD_TLS_USE_NONE;
        case NBD_TLS_MODE_ON:
                return is_tcp && !server->tls.allows_plain_tcp ? NBD_TLS_USE_REQUIRED
                                                               : NBD_TLS_USE_OFFERED;
        case NBD_TLS_MODE_REQUIRE:
                return NBD_TLS_USE_REQUIRED;
        case _NBD_TLS_MODE_MAX:
                break;
        }
        assert_not_reached();
        return NBD_TLS_USE_REQUIRED;
}

static bool is_tcp(int fd) {
        int domain = AF_UNSPEC;
        socklen_t size = sizeof(domain);

        (void) getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
        return domain != AF_UNIX;
}

static NbdHandshakeTerms get_terms(const NbdServer *server, bool is_tcp, uint64_t only_generation) {
        NbdHandshakeTerms terms = {
                .table = &server->table,
                .access = &server->access,
                .only_generation = only_generation,
        };

        /* A connection that was made for one export alone goes nowhere. */
        if (only_generation != 0)
                return terms;
        terms.tls = get_tls_use(server, is_tcp);
        terms.is_tls_ready = server->tls.credentials && server->tls.mode != NBD_TLS_MODE_OFF &&
                             server->n_relays < NBD_SERVER_RELAYS_MAX;
        return terms;
}

int nbd_server_accept(NbdServer *server, int fd, uint64_t only_generation) {
        _cleanup_(fd_closep) int client_fd = fd;
        NbdHandshakeTerms terms;
        NbdHandshake *handshake;
        bool has_come_by_tcp;
        int r;

        assert(server);
        assert(fd >= 0);

        has_come_by_tcp = is_tcp(fd);
        if (server->table.is_shut_down)
                return -ESHUTDOWN;
        if (!has_room(server, has_come_by_tcp))
                return -EBUSY;

        terms = get_terms(server, has_come_by_tcp, only_generation);
        r = nbd_handshake_new(&handshake, server->loop, &terms, server->tls.credentials,
                              TAKE_FD(client_fd), server->options.handshake_timeout_ms * NS_PER_MS,
                              on_handshake_ended, server);
        if (r < 0)
                return r;

        list_append(&server->handshakes, nbd_handshake_get_node(handshake));
        server->n_handshakes++;
        server->n_tcp_handshakes += has_come_by_tcp;
        update_listeners(server);
        return 0;
}

/* Whose accept failed does not matter: what is missing is missing for all. */
static void pause_accepting(NbdServer *server, int error) {
        log_warning("Can't accept clients for now: %s", strerror(-error));
        event_timer_set(&server->accept_pause, event_loop_now_ns(server->loop) + ACCEPT_PAUSE_NS);
        update_listeners(server);
}

static bool is_exhaustion(int error) {
        return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS;
}

static void on_listener(EventFd *watch, uint32_t events) {
        NbdListener *listener = container_of(watch, NbdListener, watch);
        NbdServer *server = listener->server;

        for (size_t i = 0; i < ACCEPT_BATCH_MAX && can_accept(listener); i++) {
                int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                int r = fd < 0 ? -errno : nbd_server_accept(server, fd, /* only_generation= */ 0);

                if (r == -EAGAIN)
                        return;
                if (is_exhaustion(r))
                        pause_accepting(server, r);
                if (r == -E2BIG)
                        log_warning("A client is refused: its process is in more than %d groups",
                                    NBD_PEER_GROUPS_MAX - 1);
        }
}

int nbd_server_listen(NbdServer *server, int fd) {
        _cleanup_(fd_closep) int listener_fd = fd;
        NbdListener *listener;
        int r;

        assert(server);
        assert(fd >= 0);

        if (server->table.is_shut_down)
                return -ESHUTDOWN;
        if (server->n_listeners >= NBD_SERVER_LISTENERS_MAX)
                return -ENOSPC;

        listener = &server->listeners[server->n_listeners];
        *listener = (NbdListener){ .server = server,
                                   .fd = listener_fd,
                                   .is_tcp = is_tcp(listener_fd) };
        r = event_fd_add(&listener->watch, server->loop, listener_fd, EPOLLIN, on_listener);
        if (r < 0)
                return r;

        (void) TAKE_FD(listener_fd);
        server->n_listeners++;
        update_listeners(server);
        return 0;
}

int nbd_server_add_export(NbdServer *server, const NbdServerExport *export) {
        assert(server);
        assert(export);

        return nbd_export_table_add(&server->table, export);
}

void nbd_server_remove_export(NbdServer *server, uint64_t generation) {
        assert(server);

        (void) nbd_export_table_remove(&server->table, generation);
}

static void close_listeners(NbdServer *server) {
        for (size_t i = 0; i < server->n_listeners; i++) {
                event_fd_remove(&server->listeners[i].watch);
                fd_close(server->listeners[i].fd);
        }
        server->n_listeners = 0;
}

void nbd_server_shut_down(NbdServer *server) {
        assert(server);

        server->table.is_shut_down = true;
        close_listeners(server);
}

void nbd_server_set_tls(NbdServer *server, const NbdServerTls *tls) {
        NbdTlsCredentials *former = server->tls.credentials;

        assert(tls->mode < _NBD_TLS_MODE_MAX);

        server->tls = *tls;
        if (tls->credentials)
                nbd_tls_credentials_ref(tls->credentials);
        nbd_tls_credentials_unref(former);
}

void nbd_server_set_access(NbdServer *server, NbdAccessList *list) {
        nbd_access_list_done(&server->access);
        server->access = *list;
        *list = (NbdAccessList){ 0 };
}

void nbd_server_set_idle_handler(NbdServer *server, NbdServerIdle idle) { server->idle = idle; }

bool nbd_server_is_relaying(const NbdServer *server) { return server->n_relays > 0; }

NbdServer *nbd_server_free(NbdServer *server) {
        ListNode *node;

        if (!server)
                return NULL;

        while ((node = list_first(&server->handshakes)))
                nbd_handshake_free(nbd_handshake_from_node(node));
        while ((node = list_first(&server->relays)))
                nbd_relay_free(nbd_relay_from_node(node));
        nbd_tls_credentials_unref(server->tls.credentials);
        nbd_access_list_done(&server->access);
        close_listeners(server);
        event_timer_done(&server->accept_pause);
        nbd_export_table_done(&server->table);
        free(server);
        return NULL;
}

int nbd_server_new(NbdServer **ret, EventLoop *loop, const NbdServerOptions *options,
                   NbdServerHandover handover, void *userdata) {
        _cleanup_(freep) NbdServer *server = NULL;
        int r;

        assert(loop);
        assert(handover);

        server = calloc(1, sizeof(*server));
        if (!server)
                return -ENOMEM;

        server->loop = loop;
        server->handover = handover;
        server->userdata = userdata;
        list_init(&server->handshakes);
        list_init(&server->relays);
        if (options)
                server->options = *options;
        if (server->options.handshake_timeout_ms == 0)
                server->options.handshake_timeout_ms = HANDSHAKE_TIMEOUT_MS_DEFAULT;
        if (server->options.n_connections_max == 0)
                server->options.n_connections_max = CONNECTIONS_MAX_DEFAULT;
        r = event_timer_init(&server->accept_pause, loop, on_accept_pause);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(server);
        return 0;
}
