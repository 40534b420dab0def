/*
 * A connection's life: reads batches of requests, hands them to the BlockDevice, and sends the
 * replies of one loop iteration together. The client may vanish at any byte, send anything and read
 * nothing: the session then ends once nothing of it is in flight. What was submitted is never
 * cancelled, since giving up a command half way costs the device a reset.
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/log.h"
#include "export/nbd_receiver.h"
#include "export/nbd_reply.h"
#include "export/nbd_sender.h"
#include "export/nbd_session.h"

#define REQUEST_TIMEOUT_DEFAULT_NS (30 * NS_PER_S)
#define SEND_TIMEOUT_DEFAULT_NS (60 * NS_PER_S)
/* How long a closing export still answers. */
#define CLOSING_NS (500 * NS_PER_MS)
/* How long its last replies may take to leave once the device has given them all. */
#define LAST_REPLIES_NS (5 * NS_PER_S)
/* The slowest link's: a second more for so many bytes. */
#define SLOWEST_RATE (1 * MIB)
/* 208 KiB, the usual default, makes 1 MiB replies take many rounds. */
#define SEND_BUFFER_SIZE ((int) (2 * MIB))
#define PREFERRED_SIZE_MIN 4096U
#define PREFERRED_SIZE_MAX ((uint32_t) (32 * MIB))

typedef enum NbdSessionState {
        NBD_SESSION_STATE_RUNNING,
        NBD_SESSION_STATE_CLOSING,  /* the export closes: everything new gets ESHUTDOWN */
        NBD_SESSION_STATE_DRAINING, /* nothing more is read: what is in flight is answered */
        NBD_SESSION_STATE_BROKEN,   /* nothing more is sent: what is in flight ends */
        NBD_SESSION_STATE_ENDED,
        _NBD_SESSION_STATE_MAX,
} NbdSessionState;

struct NbdSession {
        BlockDevice *device; /* borrowed */
        NbdAgreement agreement;
        NbdSessionOptions options;
        NbdSessionEnded ended;
        void *userdata;
        NbdSessionState state;

        int fd; /* owned */
        EventFd watch;
        bool is_watched;
        NbdReceiver receiver;
        NbdSender sender;

        uint8_t *small;         /* owned: NbdRequest::small of all */
        NbdRequest *requests;   /* owned array of NBD_SESSION_REQUESTS_MAX */
        ListNode free;          /* NbdRequest::node; the last used first, for the caches' sake */
        ListNode in_flight;     /* NbdRequest::node, at the device */
        NbdRequest *receiving;  /* borrowed: its payload has not come whole */
        size_t n_busy;          /* requests that are not free */
        uint64_t buffered_size; /* their data */
        bool is_throttled; /* the next request in the buffer must wait for others to be answered */

        bool is_shut_down;
        bool is_hung_up;  /* what can't be done any more gets no answer */
        EventDefer defer; /* sends replies, goes on reading, ends */
        EventTimer send_timer;
        EventTimer closing_timer;
        EventTimer budget_timer; /* the next request may pass */
};

static const char *state_to_string(NbdSessionState state) {
        static const char *const names[_NBD_SESSION_STATE_MAX] = {
                [NBD_SESSION_STATE_RUNNING] = "running",   [NBD_SESSION_STATE_CLOSING] = "closing",
                [NBD_SESSION_STATE_DRAINING] = "draining", [NBD_SESSION_STATE_BROKEN] = "broken",
                [NBD_SESSION_STATE_ENDED] = "ended",
        };

        return names[state];
}

static bool is_reading(const NbdSession *session) {
        return session->state <= NBD_SESSION_STATE_CLOSING;
}

static void release_data(NbdSession *session, NbdRequest *request) {
        session->buffered_size -= request->data_size;
        nbd_request_put_data(request, session->device->staging);
        nbd_request_give_back(request, session->device);
}

/* The request was answered, or nobody will ever read the answer. */
static void recycle(NbdSession *session, NbdRequest *request) {
        release_data(session, request);
        list_unlink(&request->node);
        list_prepend(&session->free, &request->node);
        session->n_busy--;
}

static void recycle_all(NbdSession *session, ListNode *requests) {
        LIST_FOR_EACH (node, requests)
                recycle(session, list_entry(node, NbdRequest, node));
}

/* The one place where the state changes. States only ever go forward. */
static void enter(NbdSession *session, NbdSessionState state) {
        if (state <= session->state)
                return;
        log_device_debug(session->device->name, "NBD connection %d: %s", session->fd,
                         state_to_string(state));
        session->state = state;

        switch (state) {
        case NBD_SESSION_STATE_CLOSING:
                event_timer_set(&session->closing_timer,
                                event_loop_now_ns(session->device->loop) + CLOSING_NS);
                break;
        case NBD_SESSION_STATE_BROKEN:
                recycle_all(session, &session->sender.queue);
                session->sender.is_blocked = false;
                /* fallthrough */
        case NBD_SESSION_STATE_DRAINING:
                event_timer_clear(&session->closing_timer);
                if (session->receiving)
                        recycle(session, TAKE_PTR(session->receiving));
                event_defer_schedule(&session->defer);
                break;
        case NBD_SESSION_STATE_ENDED:
                event_fd_remove(&session->watch);
                event_timer_clear(&session->send_timer);
                event_timer_clear(&session->closing_timer);
                event_timer_clear(&session->budget_timer);
                session->fd = fd_close(session->fd);
                break;
        case NBD_SESSION_STATE_RUNNING:
        case _NBD_SESSION_STATE_MAX:
                assert_not_reached(); /* nothing leads back */
        }
}

static void answer(NbdSession *session, NbdRequest *request, int error) {
        request->error = error;
        if (session->state == NBD_SESSION_STATE_BROKEN ||
            (session->is_hung_up && (error == -ESHUTDOWN || error == -ENODEV))) {
                recycle(session, request);
        } else {
                nbd_reply_encode(request, &session->agreement);
                if (request->payload_size == 0)
                        release_data(session, request);
                nbd_sender_queue(&session->sender, request);
        }
        event_defer_schedule(&session->defer);
}

static void on_block_done(BlockRequest *block) {
        NbdRequest *request = container_of(block, NbdRequest, block);

        list_unlink(&request->node);
        answer(request->owner, request, block->error);
}

/* A request waits for those before it, and zeroes and trims may be of 4 GiB. */
static uint64_t deadline_ns(const NbdSession *session, const NbdRequest *request) {
        uint64_t timeout_ns = session->options.request_timeout_ns;
        uint64_t size = session->buffered_size;

        if (request->command == NBD_CMD_FLUSH)
                timeout_ns *= 2; /* a disk's whole cache goes to the medium */
        if (request->command == NBD_CMD_TRIM || request->command == NBD_CMD_WRITE_ZEROES)
                size += request->size;
        return event_loop_now_ns(session->device->loop) + timeout_ns +
               size / SLOWEST_RATE * NS_PER_S;
}

/* The request is whole: its payload, if any, has come. */
static void start(NbdSession *session, NbdRequest *request) {
        int r;

        if (request->error < 0 || (request->size == 0 && request->command != NBD_CMD_FLUSH)) {
                answer(session, request, request->error);
                return;
        }
        nbd_request_prepare(request, deadline_ns(session, request));
        r = block_device_submit(session->device, &request->block);
        if (r < 0)
                answer(session, request, r);
        else
                list_append(&session->in_flight, &request->node);
}

static bool has_room(const NbdSession *session, size_t data_size) {
        if (list_is_empty(&session->free))
                return false;
        /* One request always fits, so that the largest one gets through. */
        return session->buffered_size == 0 ||
               session->buffered_size + data_size <= NBD_SESSION_BUFFERED_SIZE_MAX;
}

static int judge(const NbdSession *session, const NbdRequest *request) {
        if (session->state == NBD_SESSION_STATE_CLOSING)
                return -ESHUTDOWN;
        return nbd_request_check(request, session->device, &session->agreement);
}

static bool has_bytes(const NbdRequest *request) {
        return request->command == NBD_CMD_READ || request->command == NBD_CMD_WRITE;
}

/* A client that is too fast is not read from, so nothing waits that was accepted. */
static bool may_pass(NbdSession *session, const NbdRequest *request) {
        RateBudget *budget = session->options.budget;
        uint64_t now_ns = event_loop_now_ns(session->device->loop), due_ns;

        if (!budget || !has_bytes(request))
                return true;
        due_ns = rate_budget_get_due_ns(budget, now_ns);
        if (due_ns > 0) {
                event_timer_set(&session->budget_timer, due_ns);
                return false;
        }
        rate_budget_spend(budget, request->size, now_ns);
        return true;
}

/* Takes the request whose header was decoded into the first free object. */
static void accept_request(NbdSession *session, NbdRequest *request) {
        uint32_t payload_size = nbd_request_payload_size(request);

        list_unlink(&request->node);
        session->n_busy++;
        if (request->error == 0 && nbd_request_borrow(request, session->device)) {
                answer(session, request, 0);
                return;
        }
        if (request->error == 0)
                request->error = nbd_request_get_data(request, session->device->staging);
        session->buffered_size += request->data_size;

        if (payload_size == 0) {
                start(session, request);
                return;
        }
        /* The payload of a refused WRITE is consumed, or the stream would be out of step. */
        nbd_receiver_expect(&session->receiver, request->error == 0 ? request->data : NULL,
                            payload_size);
        session->receiving = request;
}

/* Looks at the next header. False: it has not come, must wait, or there is none any more. */
static bool take_header(NbdSession *session) {
        NbdRequest *request;
        const uint8_t *bytes;

        bytes = nbd_receiver_peek(&session->receiver, NBD_REQUEST_SIZE);
        if (!bytes)
                return false;
        session->is_throttled = list_is_empty(&session->free);
        if (session->is_throttled)
                return false;

        request = list_entry(list_first(&session->free), NbdRequest, node);
        if (nbd_request_decode(request, bytes) < 0 || request->command == NBD_CMD_DISC ||
            nbd_request_payload_size(request) > NBD_PAYLOAD_SIZE_MAX) {
                enter(session, NBD_SESSION_STATE_DRAINING);
                return false;
        }
        request->error = judge(session, request);
        session->is_throttled = request->error == 0 &&
                                (!has_room(session, nbd_request_data_size(request)) ||
                                 !may_pass(session, request));
        if (session->is_throttled)
                return false;

        nbd_receiver_consume(&session->receiver, NBD_REQUEST_SIZE);
        accept_request(session, request);
        return true;
}

static void take_requests(NbdSession *session) {
        while (is_reading(session)) {
                if (session->receiving) {
                        if (!nbd_receiver_has_payload(&session->receiver))
                                return;
                        start(session, TAKE_PTR(session->receiving));
                }
                if (!take_header(session))
                        return;
        }
}

static void receive(NbdSession *session) {
        int r;

        r = nbd_receiver_fill(&session->receiver);
        if (r == -EAGAIN)
                return;
        if (r < 0) {
                enter(session, NBD_SESSION_STATE_BROKEN);
                return;
        }
        if (r == 0) {
                /* The client may have shut down its half only: it is still answered. */
                enter(session, NBD_SESSION_STATE_DRAINING);
                return;
        }
        take_requests(session);
}

/* Whether any bytes left. */
static bool send_replies(NbdSession *session) {
        ListNode sent = LIST_INIT(sent);
        int r;

        r = nbd_sender_flush(&session->sender, &sent);
        recycle_all(session, &sent);
        if (r < 0) {
                enter(session, NBD_SESSION_STATE_BROKEN);
                return false;
        }
        if (!session->sender.is_blocked)
                event_timer_clear(&session->send_timer);
        else if (r > 0 || !event_timer_is_armed(&session->send_timer))
                event_timer_set(&session->send_timer,
                                event_loop_now_ns(session->device->loop) +
                                                session->options.send_timeout_ns);
        return r > 0;
}

static uint32_t wanted_events(const NbdSession *session) {
        return (is_reading(session) && !session->is_throttled ? (uint32_t) EPOLLIN : 0U) |
               (session->sender.is_blocked ? (uint32_t) EPOLLOUT : 0U);
}

static void on_fd(EventFd *watch, uint32_t events);

/* A socket that nothing is wanted of is not watched: epoll would report its hang-up for ever. */
static void update_watch(NbdSession *session) {
        uint32_t events = wanted_events(session);

        if (events == 0) {
                event_fd_remove(&session->watch);
                session->is_watched = false;
        } else if (session->is_watched) {
                if (session->watch.events != events)
                        event_fd_set_events(&session->watch, events);
        } else if (event_fd_add(&session->watch, session->device->loop, session->fd, events,
                                on_fd) < 0) {
                enter(session, NBD_SESSION_STATE_BROKEN);
        } else {
                session->is_watched = true;
        }
}

static bool has_finished(const NbdSession *session) {
        return !is_reading(session) && session->n_busy == 0;
}

/* Whoever closes the export waits for this, and not for a client that takes no replies. */
static void bound_last_replies(NbdSession *session) {
        if (session->is_shut_down && session->state == NBD_SESSION_STATE_DRAINING &&
            list_is_empty(&session->in_flight) && !event_timer_is_armed(&session->closing_timer))
                event_timer_set(&session->closing_timer,
                                event_loop_now_ns(session->device->loop) + LAST_REPLIES_NS);
}

/* The end of every event: the session may be freed when this returns. */
static void settle(NbdSession *session) {
        update_watch(session);
        bound_last_replies(session);
        if (!has_finished(session))
                return;
        event_defer_cancel(&session->defer);
        enter(session, NBD_SESSION_STATE_ENDED);
        session->ended(session, session->userdata);
}

/* What was sent has made room, and nothing else may ever wake the session. */
static void take_postponed(NbdSession *session) {
        if (session->is_throttled)
                take_requests(session);
}

static void on_fd(EventFd *watch, uint32_t events) {
        NbdSession *session = container_of(watch, NbdSession, watch);

        if (session->sender.is_blocked && events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
                send_replies(session);
                take_postponed(session);
        }
        if (is_reading(session) && !session->is_throttled &&
            events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                receive(session);
        settle(session);
}

static void on_defer(EventDefer *defer) {
        NbdSession *session = container_of(defer, NbdSession, defer);

        if (session->state < NBD_SESSION_STATE_BROKEN && !session->sender.is_blocked)
                send_replies(session);
        take_postponed(session);
        settle(session);
}

static void on_send_timer(EventTimer *timer) {
        NbdSession *session = container_of(timer, NbdSession, send_timer);

        /* A unix socket reports room only when most of its buffer is free: a slow client may have
         * read something. */
        if (!send_replies(session))
                enter(session, NBD_SESSION_STATE_BROKEN);
        take_postponed(session);
        settle(session);
}

static void on_closing_timer(EventTimer *timer) {
        NbdSession *session = container_of(timer, NbdSession, closing_timer);

        enter(session, is_reading(session) ? NBD_SESSION_STATE_DRAINING : NBD_SESSION_STATE_BROKEN);
        settle(session);
}

static void on_budget_timer(EventTimer *timer) {
        event_defer_schedule(&container_of(timer, NbdSession, budget_timer)->defer);
}

void nbd_session_set_request_timeout(NbdSession *session, uint64_t timeout_ns) {
        assert(timeout_ns > 0);

        session->options.request_timeout_ns = timeout_ns;
}

void nbd_session_shut_down(NbdSession *session) {
        session->is_shut_down = true;
        enter(session, NBD_SESSION_STATE_CLOSING);
        event_defer_schedule(&session->defer);
}

/* What the client has sent already is still read, up to the end that comes behind it. With a unix
 * socket the client knows at once that it can't send more; one with TCP may go on for a moment. */
void nbd_session_hang_up(NbdSession *session) {
        session->is_shut_down = true;
        session->is_hung_up = true;
        if (!is_reading(session))
                return;
        (void) shutdown(session->fd, SHUT_RD);
        event_timer_set(&session->closing_timer,
                        event_loop_now_ns(session->device->loop) + CLOSING_NS);
        event_defer_schedule(&session->defer);
}

static uint16_t transmission_flags(const BlockInfo *info) {
        /* MULTI_CONN: a FLUSH covers the writes of every connection (rule 10 of the protocol's
         * FLUSH and multi-conn). SEND_DF: the handshake clears it where structured replies were
         * not agreed on. */
        uint16_t flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_DF |
                         NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE;

        if (info->is_rotational)
                flags |= NBD_FLAG_ROTATIONAL;
        if (info->is_read_only)
                return flags | NBD_FLAG_READ_ONLY;
        /* FAST_ZERO promises an honest answer, not speed. */
        flags |= NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO;
        if (info->can_trim)
                flags |= NBD_FLAG_SEND_TRIM;
        return flags;
}

void nbd_session_describe(const BlockDevice *device, NbdExportInfo *ret) {
        const BlockInfo *info = block_device_get_info(device);

        *ret = (NbdExportInfo){
                .size = info->size,
                .block_size_minimum = 1, /* BlockDevices take any byte */
                .block_size_preferred = MIN(MAX(info->block_size_optimal, PREFERRED_SIZE_MIN),
                                            PREFERRED_SIZE_MAX),
                .block_size_maximum = NBD_PAYLOAD_SIZE_MAX,
                .transmission_flags = transmission_flags(info),
        };
}

/* What is refused here costs speed alone. TCP finds the size of its buffers better itself. */
static void tune_socket(int fd) {
        static const int size = SEND_BUFFER_SIZE, yes = 1;
        int domain = AF_UNSPEC;
        socklen_t domain_size = sizeof(domain);

        (void) getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_size);
        if (domain == AF_UNIX)
                (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        else
                (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

static int init_requests(NbdSession *session) {
        session->requests = calloc(NBD_SESSION_REQUESTS_MAX, sizeof(*session->requests));
        /* Pages that no request needed yet cost nothing. */
        session->small = aligned_alloc(NBD_REQUEST_SMALL_SIZE,
                                       NBD_SESSION_REQUESTS_MAX * NBD_REQUEST_SMALL_SIZE);
        if (!session->requests || !session->small)
                return -ENOMEM;
        for (size_t i = 0; i < NBD_SESSION_REQUESTS_MAX; i++) {
                NbdRequest *request = &session->requests[i];

                request->owner = session;
                request->small = session->small + i * NBD_REQUEST_SMALL_SIZE;
                request->block.done = on_block_done;
                list_init(&request->block.node);
                list_init(&request->node);
                list_append(&session->free, &request->node);
        }
        return 0;
}

static int init_sources(NbdSession *session) {
        EventLoop *loop = session->device->loop;
        int r;

        r = event_timer_init(&session->send_timer, loop, on_send_timer);
        if (r < 0)
                return r;
        r = event_timer_init(&session->closing_timer, loop, on_closing_timer);
        if (r < 0)
                return r;
        r = event_timer_init(&session->budget_timer, loop, on_budget_timer);
        if (r < 0)
                return r;
        r = event_fd_add(&session->watch, loop, session->fd, EPOLLIN, on_fd);
        if (r < 0)
                return r;
        session->is_watched = true;
        return 0;
}

static void set_options(NbdSession *session, const NbdSessionOptions *options) {
        if (options)
                session->options = *options;
        if (session->options.request_timeout_ns == 0)
                session->options.request_timeout_ns = REQUEST_TIMEOUT_DEFAULT_NS;
        if (session->options.send_timeout_ns == 0)
                session->options.send_timeout_ns = SEND_TIMEOUT_DEFAULT_NS;
}

NbdSession *nbd_session_free(NbdSession *session) {
        if (!session)
                return NULL;
        assert(session->n_busy == 0);

        event_fd_remove(&session->watch);
        event_defer_cancel(&session->defer);
        event_timer_done(&session->send_timer);
        event_timer_done(&session->closing_timer);
        event_timer_done(&session->budget_timer);
        nbd_receiver_done(&session->receiver);
        fd_close(session->fd);
        free(session->requests);
        free(session->small);
        free(session);
        return NULL;
}

int nbd_session_new(NbdSession **ret, BlockDevice *device, int fd, const NbdAgreement *agreement,
                    const NbdSessionOptions *options, NbdSessionEnded ended, void *userdata) {
        _cleanup_(nbd_session_freep) NbdSession *session = NULL;
        _cleanup_(fd_closep) int owned_fd = fd;
        int r;

        assert(device && agreement && ended && fd >= 0);

        session = calloc(1, sizeof(*session));
        if (!session)
                return -ENOMEM;
        session->device = device;
        session->agreement = *agreement;
        session->ended = ended;
        session->userdata = userdata;
        session->fd = TAKE_FD(owned_fd);
        list_init(&session->free);
        list_init(&session->in_flight);
        event_defer_init(&session->defer, device->loop, on_defer);
        set_options(session, options);
        nbd_sender_init(&session->sender, session->fd);

        r = nbd_receiver_init(&session->receiver, session->fd);
        if (r < 0)
                return r;
        r = init_requests(session);
        if (r < 0)
                return r;
        tune_socket(session->fd);
        r = init_sources(session);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(session);
        return 0;
}
