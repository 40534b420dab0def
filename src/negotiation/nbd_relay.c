/*
 * Two pipes, one for each direction. A pipe reads while it has room and writes while it has bytes,
 * until an end says that it must wait for its socket; then it is left alone until that is ready. So
 * nothing is asked twice, and nothing spins.
 */

#include "negotiation/nbd_relay.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

/* Reads and writes of one connection in one turn of the loop, each of at most the buffer's size. */
#define STEPS_MAX 64

typedef enum PipeState {
        PIPE_STATE_OPEN,
        PIPE_STATE_DRAINING, /* the source has ended: what is left goes out, then the end */
        PIPE_STATE_ENDED,
        _PIPE_STATE_MAX,
} PipeState;

typedef struct Pipe {
        NbdStream *from;  /* borrowed */
        NbdStream *to;    /* borrowed */
        uint8_t *bytes;   /* owned, of NBD_RELAY_BUFFER_SIZE */
        size_t start;     /* of what has not been sent */
        size_t end;       /* of what was received */
        bool awaits_from; /* the source has nothing now */
        bool awaits_to;   /* the destination takes nothing now */
        PipeState state;
} Pipe;

struct NbdRelay {
        EventLoop *loop;   /* borrowed */
        NbdStream *client; /* owned */
        NbdStream *worker; /* owned */
        Pipe up;           /* client to worker */
        Pipe down;
        EventFd client_watch;
        EventFd worker_watch;
        EventDefer more; /* there was more to do than one turn allows */
        EventTimer stall_timer;
        uint64_t stall_timeout_ns;
        NbdRelayEnded ended;
        void *userdata;
        ListNode node; /* NbdServer::relays */
};

/* 1: something was done, 0: it must wait, -errno: of the source. */
static int pipe_receive(Pipe *pipe) {
        ssize_t n;

        if (pipe->state != PIPE_STATE_OPEN || pipe->awaits_from ||
            pipe->end == NBD_RELAY_BUFFER_SIZE)
                return 0;

        n = pipe->from->ops->receive(pipe->from, pipe->bytes + pipe->end,
                                     NBD_RELAY_BUFFER_SIZE - pipe->end);
        if (n == -EAGAIN) {
                pipe->awaits_from = true;
                return 0;
        }
        if (n < 0)
                return (int) n;
        if (n == 0)
                pipe->state = PIPE_STATE_DRAINING;
        pipe->end += (size_t) n;
        return 1;
}

static int pipe_finish(Pipe *pipe) {
        int r;

        r = pipe->to->ops->finish(pipe->to);
        if (r < 0)
                return r;
        pipe->state = PIPE_STATE_ENDED;
        return 1;
}

static ssize_t pipe_send_bytes(Pipe *pipe) {
        ssize_t n;

        n = pipe->to->ops->send(pipe->to, pipe->bytes + pipe->start, pipe->end - pipe->start);
        if (n < 0)
                return n;
        pipe->start += (size_t) n;
        if (pipe->start == pipe->end)
                pipe->start = pipe->end = 0;
        return 1;
}

/* 1: something was done, 0: it must wait, -errno: of the destination. */
static int pipe_send(Pipe *pipe) {
        ssize_t r;

        if (pipe->awaits_to)
                return 0;
        if (pipe->start < pipe->end)
                r = pipe_send_bytes(pipe);
        else if (pipe->state == PIPE_STATE_DRAINING)
                r = pipe_finish(pipe);
        else
                return 0;
        if (r != -EAGAIN)
                return (int) r;
        pipe->awaits_to = true;
        return 0;
}

static bool wants_to_receive(const Pipe *pipe) {
        return pipe->state == PIPE_STATE_OPEN && pipe->end < NBD_RELAY_BUFFER_SIZE;
}

static bool wants_to_send(const Pipe *pipe) {
        return pipe->start < pipe->end || pipe->state == PIPE_STATE_DRAINING;
}

/* What the worker does not take any more is nothing to it; what it has said still goes out. */
static int pump_up(NbdRelay *relay) {
        int received, sent;

        sent = pipe_send(&relay->up);
        if (sent < 0) {
                relay->up.state = PIPE_STATE_ENDED;
                relay->up.start = relay->up.end = 0;
                return 1;
        }
        received = pipe_receive(&relay->up);
        return received < 0 ? received : sent | received;
}

/* A worker that resets its connection has ended it, too. */
static int pump_down(NbdRelay *relay) {
        int received, sent;

        received = pipe_receive(&relay->down);
        if (received < 0) {
                relay->down.state = PIPE_STATE_DRAINING;
                received = 1;
        }
        sent = pipe_send(&relay->down);
        if (sent > 0)
                event_timer_clear(&relay->stall_timer);
        return sent < 0 ? sent : sent | received;
}

/* 1: there is more to do, 0: it must wait, -errno: the client is gone. */
static int pump(NbdRelay *relay) {
        for (size_t i = 0; i < STEPS_MAX; i++) {
                int up, down;

                down = pump_down(relay);
                if (down < 0)
                        return down;
                up = pump_up(relay);
                if (up < 0)
                        return up;
                if (!up && !down)
                        return 0;
        }
        return 1;
}

static void watch_what_is_awaited(NbdRelay *relay) {
        const Pipe *up = &relay->up, *down = &relay->down;
        uint32_t client = 0, worker = 0;

        if (up->awaits_from && wants_to_receive(up))
                client |= EPOLLIN;
        if (down->awaits_to && wants_to_send(down))
                client |= EPOLLOUT;
        if (down->awaits_from && wants_to_receive(down))
                worker |= EPOLLIN;
        if (up->awaits_to && wants_to_send(up))
                worker |= EPOLLOUT;
        if (relay->client_watch.events != client)
                event_fd_set_events(&relay->client_watch, client);
        if (relay->worker_watch.events != worker)
                event_fd_set_events(&relay->worker_watch, worker);
}

static void end(NbdRelay *relay, int error) {
        if (error < 0)
                log_debug("A client in TLS has ended: %s", strerror(-error));
        event_fd_set_events(&relay->client_watch, 0);
        event_fd_set_events(&relay->worker_watch, 0);
        event_timer_clear(&relay->stall_timer);
        relay->ended(relay, relay->userdata);
}

/* The end of every event: the relay may be freed when this returns. A worker never ends its half
 * alone, so with that all is over. */
static void go_on(NbdRelay *relay) {
        int r;

        r = pump(relay);
        if (r < 0 || relay->down.state == PIPE_STATE_ENDED) {
                end(relay, MIN(r, 0));
                return;
        }
        if (r > 0)
                event_defer_schedule(&relay->more);
        watch_what_is_awaited(relay);
        if (relay->down.awaits_to && wants_to_send(&relay->down) &&
            !event_timer_is_armed(&relay->stall_timer))
                event_timer_set(&relay->stall_timer,
                                event_loop_now_ns(relay->loop) + relay->stall_timeout_ns);
}

/* A socket that has failed is ready for everything. */
static bool is_ready(uint32_t events, uint32_t direction) {
        return events & (direction | EPOLLERR | EPOLLHUP);
}

static void on_client(EventFd *watch, uint32_t events) {
        NbdRelay *relay = container_of(watch, NbdRelay, client_watch);

        if (is_ready(events, EPOLLIN))
                relay->up.awaits_from = false;
        if (is_ready(events, EPOLLOUT))
                relay->down.awaits_to = false;
        go_on(relay);
}

static void on_worker(EventFd *watch, uint32_t events) {
        NbdRelay *relay = container_of(watch, NbdRelay, worker_watch);

        if (is_ready(events, EPOLLIN))
                relay->down.awaits_from = false;
        if (is_ready(events, EPOLLOUT))
                relay->up.awaits_to = false;
        go_on(relay);
}

static void on_more(EventDefer *defer) { go_on(container_of(defer, NbdRelay, more)); }

static void on_stall(EventTimer *timer) {
        end(container_of(timer, NbdRelay, stall_timer), -ETIMEDOUT);
}

NbdRelay *nbd_relay_free(NbdRelay *relay) {
        if (!relay)
                return NULL;

        list_unlink(&relay->node);
        event_defer_cancel(&relay->more);
        event_timer_done(&relay->stall_timer);
        event_fd_remove(&relay->client_watch);
        event_fd_remove(&relay->worker_watch);
        nbd_stream_free(relay->client);
        nbd_stream_free(relay->worker);
        free(relay->up.bytes);
        free(relay->down.bytes);
        free(relay);
        return NULL;
}

static int pipe_init(Pipe *pipe, NbdStream *from, NbdStream *to) {
        *pipe = (Pipe){ .from = from, .to = to, .bytes = malloc(NBD_RELAY_BUFFER_SIZE) };
        return pipe->bytes ? 0 : -ENOMEM;
}

static int add_watches(NbdRelay *relay) {
        int r;

        r = event_fd_add(&relay->client_watch, relay->loop, relay->client->fd, 0, on_client);
        if (r < 0)
                return r;
        return event_fd_add(&relay->worker_watch, relay->loop, relay->worker->fd, 0, on_worker);
}

int nbd_relay_new(NbdRelay **ret, EventLoop *loop, NbdStream *client, NbdStream *worker,
                  uint64_t stall_timeout_ns, NbdRelayEnded ended, void *userdata) {
        _cleanup_(nbd_stream_freep) NbdStream *owned_client = client, *owned_worker = worker;
        _cleanup_(nbd_relay_freep) NbdRelay *relay = NULL;
        int r;

        assert(client);
        assert(worker);
        assert(ended);

        relay = calloc(1, sizeof(*relay));
        if (!relay)
                return -ENOMEM;
        list_init(&relay->node);
        relay->loop = loop;
        relay->client = TAKE_PTR(owned_client);
        relay->worker = TAKE_PTR(owned_worker);
        relay->stall_timeout_ns = stall_timeout_ns;
        relay->ended = ended;
        relay->userdata = userdata;
        event_defer_init(&relay->more, loop, on_more);
        r = pipe_init(&relay->up, relay->client, relay->worker);
        if (r < 0)
                return r;
        r = pipe_init(&relay->down, relay->worker, relay->client);
        if (r < 0)
                return r;
        r = event_timer_init(&relay->stall_timer, loop, on_stall);
        if (r < 0)
                return r;
        r = add_watches(relay);
        if (r < 0)
                return r;

        /* What came behind the last option may be in the client's stream already. */
        event_defer_schedule(&relay->more);
        *ret = TAKE_PTR(relay);
        return 0;
}

ListNode *nbd_relay_get_node(NbdRelay *relay) { return &relay->node; }

NbdRelay *nbd_relay_from_node(ListNode *node) { return list_entry(node, NbdRelay, node); }
