/*
 * Listeners, the connections in handshake, and the table of exports they ask about. While as many
 * connections are in handshake as may be, listeners rest: newcomers wait in the kernel's backlog.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "negotiation/nbd_export_table.h"
#include "negotiation/nbd_handshake.h"
#include "negotiation/nbd_server.h"

#define HANDSHAKE_TIMEOUT_MS_DEFAULT 10000
#define CONNECTIONS_MAX_DEFAULT 100
/* Connections taken from one listener in one turn of the loop. */
#define ACCEPT_BATCH_MAX 16
/* After an accept that failed for want of descriptors or memory. */
#define ACCEPT_PAUSE_NS (100 * NS_PER_MS)
/* Replies of a megabyte leave in one piece: measured, up to a quarter faster on unix sockets. */
#define SEND_BUFFER_SIZE (2 * MIB)

typedef struct NbdListener {
        NbdServer *server; /* borrowed */
        int fd;            /* owned */
        EventFd watch;
} NbdListener;

struct NbdServer {
        EventLoop *loop; /* borrowed */
        NbdServerOptions options;
        NbdServerHandover handover;
        void *userdata;
        NbdExportTable table;
        NbdListener listeners[NBD_SERVER_LISTENERS_MAX];
        size_t n_listeners;
        ListNode handshakes; /* NbdHandshake::node */
        size_t n_handshakes;
        EventTimer accept_pause; /* armed while accepting rests after a failure */
};

static bool can_accept(const NbdServer *server) {
        return server->n_handshakes < server->options.n_connections_max &&
               !event_timer_is_armed(&server->accept_pause);
}

static void update_listeners(NbdServer *server) {
        uint32_t events = can_accept(server) ? EPOLLIN : 0;

        for (size_t i = 0; i < server->n_listeners; i++)
                event_fd_set_events(&server->listeners[i].watch, events);
}

static void on_accept_pause(EventTimer *timer) {
        update_listeners(container_of(timer, NbdServer, accept_pause));
}

/* Each of these only makes it faster; a socket may be of a kind that does not know it. */
static void prepare_for_transmission(int fd) {
        int send_buffer_size = (int) SEND_BUFFER_SIZE, on = 1;

        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer_size, sizeof(send_buffer_size));
        (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void on_handshake_ended(NbdHandshake *handshake, int *fd, void *userdata) {
        const NbdHandshakeOptions *agreed = nbd_handshake_get_options(handshake);
        const NbdAgreement agreement = agreed->agreement;
        _cleanup_(fd_closep) int client_fd = -1;
        const NbdServerExport *found = NULL;
        NbdServer *server = userdata;
        NbdServerExport export;

        /* It may have gone while the last answer was on its way. */
        if (fd)
                found = nbd_export_table_find_generation(&server->table, agreed->generation);
        if (found) {
                export = *found;
                client_fd = TAKE_FD(*fd);
        }
        nbd_handshake_free(handshake);
        server->n_handshakes--;
        update_listeners(server);
        if (!found)
                return;

        log_debug("A client begins with %s", export.name);
        prepare_for_transmission(client_fd);
        server->handover(server, &export, &agreement, TAKE_FD(client_fd), server->userdata);
}

int nbd_server_accept(NbdServer *server, int fd, uint64_t only_generation) {
        _cleanup_(fd_closep) int client_fd = fd;
        NbdHandshake *handshake;
        int r;

        assert(server);
        assert(fd >= 0);

        if (server->table.is_shut_down)
                return -ESHUTDOWN;
        if (server->n_handshakes >= server->options.n_connections_max)
                return -EBUSY;

        r = nbd_handshake_new(&handshake, server->loop, &server->table, only_generation,
                              TAKE_FD(client_fd), server->options.handshake_timeout_ms * NS_PER_MS,
                              on_handshake_ended, server);
        if (r < 0)
                return r;

        list_append(&server->handshakes, nbd_handshake_get_node(handshake));
        server->n_handshakes++;
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

        for (size_t i = 0; i < ACCEPT_BATCH_MAX && can_accept(server); i++) {
                int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
                int r = fd < 0 ? -errno : nbd_server_accept(server, fd, /* only_generation= */ 0);

                if (r == -EAGAIN)
                        return;
                if (is_exhaustion(r))
                        pause_accepting(server, r);
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
        *listener = (NbdListener){ .server = server, .fd = listener_fd };
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

NbdServer *nbd_server_free(NbdServer *server) {
        ListNode *node;

        if (!server)
                return NULL;

        while ((node = list_first(&server->handshakes)))
                nbd_handshake_free(nbd_handshake_from_node(node));
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
