/*
 * Reads exactly what the state wants, lets NbdHandshakeOptions answer, and sends the answer before
 * anything more is read. So a client that does not read its answers is not read from either: what
 * it can make us keep is one option and one answer, until the deadline of the whole handshake.
 */

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "negotiation/nbd_handshake.h"
#include "negotiation/nbd_tls_stream.h"

/* Steps for one connection in one turn of the loop. */
#define STEPS_MAX 16
/* Options that are too big are skipped up to this size; beyond it the client is dropped. */
#define SKIP_SIZE_MAX (4 * MIB)
#define SKIP_STEP_SIZE (16 * KIB)

typedef enum HandshakeState {
        HANDSHAKE_STATE_CLIENT_FLAGS,
        HANDSHAKE_STATE_OPTION_HEADER,
        HANDSHAKE_STATE_OPTION_DATA,
        HANDSHAKE_STATE_OPTION_SKIP,
        HANDSHAKE_STATE_STARTTLS, /* the answer goes out, then TLS begins */
        HANDSHAKE_STATE_TLS,      /* begins */
        HANDSHAKE_STATE_READY,    /* the last answer goes out, then it is handed over */
        HANDSHAKE_STATE_CLOSING,  /* the last answer goes out, then it ends */
        _HANDSHAKE_STATE_MAX,
} HandshakeState;

struct NbdHandshake {
        EventLoop *loop; /* borrowed */
        NbdHandshakeEnded ended;
        void *userdata;
        ListNode node;                  /* NbdServer::handshakes */
        NbdTlsCredentials *credentials; /* a reference; NULL: no TLS */
        NbdStream *stream;              /* owned */
        EventFd watch;
        uint32_t tls_events; /* that TLS waits for while it begins */
        EventDefer more;     /* there was more to do than one turn allows */
        EventTimer deadline;
        HandshakeState state;
        NbdHandshakeOptions options;
        uint8_t header[NBD_OPTION_HEADER_SIZE];
        uint32_t option;    /* that is being read */
        uint8_t *data;      /* owned; of that option, while it is being read */
        size_t size_wanted; /* of what the state reads */
        size_t size_read;   /* of that */
};

static void enter(NbdHandshake *h, HandshakeState state, size_t size_wanted) {
        h->state = state;
        h->size_wanted = size_wanted;
        h->size_read = 0;
}

static void enter_verdict(NbdHandshake *h, NbdOptionVerdict verdict) {
        switch (verdict) {
        case NBD_OPTION_VERDICT_CONTINUE:
                enter(h, HANDSHAKE_STATE_OPTION_HEADER, NBD_OPTION_HEADER_SIZE);
                return;
        case NBD_OPTION_VERDICT_STARTTLS:
                enter(h, HANDSHAKE_STATE_STARTTLS, 0);
                return;
        case NBD_OPTION_VERDICT_TRANSMIT:
                enter(h, HANDSHAKE_STATE_READY, 0);
                return;
        case NBD_OPTION_VERDICT_CLOSE:
                enter(h, HANDSHAKE_STATE_CLOSING, 0);
                return;
        }

        assert_not_reached();
}

/* 0, -EAGAIN: the client has to read first, -errno. */
static int send_output(NbdHandshake *h) {
        Buffer *output = &h->options.output;

        while (output->size > 0) {
                ssize_t n = h->stream->ops->send(h->stream, buffer_data(output), output->size);

                if (n < 0)
                        return (int) n;
                buffer_consume(output, (size_t) n);
        }
        return 0;
}

/* One piece, never more than is wanted. 0, -EAGAIN: nothing there, -ECONNRESET: the end, -errno. */
static int receive(NbdHandshake *h, uint8_t *bytes, size_t size) {
        ssize_t n = h->stream->ops->receive(h->stream, bytes, size);

        if (n < 0)
                return (int) n;
        if (n == 0)
                return -ECONNRESET;

        h->size_read += (size_t) n;
        return 0;
}

static int receive_wanted(NbdHandshake *h) {
        size_t size = h->size_wanted - h->size_read;
        uint8_t scratch[SKIP_STEP_SIZE];

        assert(size > 0);

        switch (h->state) {
        case HANDSHAKE_STATE_CLIENT_FLAGS:
        case HANDSHAKE_STATE_OPTION_HEADER:
                return receive(h, h->header + h->size_read, size);
        case HANDSHAKE_STATE_OPTION_DATA:
                return receive(h, h->data + h->size_read, size);
        case HANDSHAKE_STATE_OPTION_SKIP:
                return receive(h, scratch, MIN(size, sizeof(scratch)));
        case HANDSHAKE_STATE_STARTTLS:
        case HANDSHAKE_STATE_TLS:
        case HANDSHAKE_STATE_READY:
        case HANDSHAKE_STATE_CLOSING:
        case _HANDSHAKE_STATE_MAX:
                break;
        }

        assert_not_reached(); /* these read nothing */
        return -EINVAL;
}

static void answer(NbdHandshake *h) {
        enter_verdict(h, nbd_handshake_options_answer(&h->options, h->option, h->data,
                                                      h->size_wanted));
        free(h->data);
        h->data = NULL;
}

/* "Option haggling": 64 bits of magic, 32 bits of option, 32 bits of length. */
static int on_option_header(NbdHandshake *h) {
        size_t size = get_be32(h->header + 12);

        if (get_be64(h->header) != NBD_OPTION_MAGIC || size > SKIP_SIZE_MAX)
                return -EBADMSG;

        h->option = get_be32(h->header + 8);
        if (size > NBD_OPTION_SIZE_MAX) {
                enter(h, HANDSHAKE_STATE_OPTION_SKIP, size);
                return 0;
        }
        if (size > 0) {
                h->data = malloc(size);
                if (!h->data)
                        return -ENOMEM;
        }

        enter(h, HANDSHAKE_STATE_OPTION_DATA, size);
        if (size == 0)
                answer(h);
        return 0;
}

/* What the state wanted is there. */
static int on_wanted(NbdHandshake *h) {
        int r;

        switch (h->state) {
        case HANDSHAKE_STATE_CLIENT_FLAGS:
                r = nbd_handshake_options_set_client_flags(&h->options, get_be32(h->header));
                if (r < 0)
                        return r;
                enter(h, HANDSHAKE_STATE_OPTION_HEADER, NBD_OPTION_HEADER_SIZE);
                return 0;
        case HANDSHAKE_STATE_OPTION_HEADER:
                return on_option_header(h);
        case HANDSHAKE_STATE_OPTION_DATA:
                answer(h);
                return 0;
        case HANDSHAKE_STATE_OPTION_SKIP:
                enter_verdict(h, nbd_handshake_options_answer_too_big(&h->options, h->option));
                return 0;
        case HANDSHAKE_STATE_STARTTLS:
        case HANDSHAKE_STATE_TLS:
        case HANDSHAKE_STATE_READY:
        case HANDSHAKE_STATE_CLOSING:
        case _HANDSHAKE_STATE_MAX:
                break;
        }

        assert_not_reached(); /* these want nothing */
        return -EINVAL;
}

static void on_ready(EventFd *watch, uint32_t events);

/* From here on the socket is TLS's. What a client has sent behind STARTTLS was not read in the clear,
 * and is no TLS. */
static int start_tls(NbdHandshake *h) {
        int r;

        event_fd_remove(&h->watch);
        r = nbd_tls_stream_new(&h->stream, h->credentials,
                               nbd_stream_free_but_fd(TAKE_PTR(h->stream)));
        if (r < 0)
                return r;
        r = event_fd_add(&h->watch, h->loop, h->stream->fd, 0, on_ready);
        if (r < 0)
                return r;
        enter(h, HANDSHAKE_STATE_TLS, 0);
        return 0;
}

static int go_on_with_tls(NbdHandshake *h) {
        NbdPeer client = h->options.client;
        int r;

        r = nbd_tls_stream_begin(h->stream, &h->tls_events);
        if (r < 0)
                return r;
        r = nbd_tls_stream_identify(h->stream, &client);
        if (r < 0)
                return r;
        nbd_handshake_options_encrypted(&h->options, &client);
        enter(h, HANDSHAKE_STATE_OPTION_HEADER, NBD_OPTION_HEADER_SIZE);
        return 0;
}

/* One answer out, one piece in. 1: ready, 0: go on, -EAGAIN: wait, -errno: over. */
static int step(NbdHandshake *h) {
        int r;

        r = send_output(h);
        if (r < 0)
                return r;
        if (h->state == HANDSHAKE_STATE_STARTTLS)
                return start_tls(h);
        if (h->state == HANDSHAKE_STATE_TLS)
                return go_on_with_tls(h);
        if (h->state == HANDSHAKE_STATE_READY)
                return 1;
        if (h->state == HANDSHAKE_STATE_CLOSING) {
                (void) h->stream->ops->finish(h->stream);
                return -ESHUTDOWN;
        }

        r = receive_wanted(h);
        if (r < 0)
                return r;
        return h->size_read == h->size_wanted ? on_wanted(h) : 0;
}

/* The handshake is freed within. */
static void end(NbdHandshake *h, int error) {
        event_timer_clear(&h->deadline);
        event_defer_cancel(&h->more);
        event_fd_remove(&h->watch);
        if (error < 0)
                log_debug("A client left the handshake: %s", strerror(-error));
        h->ended(h, error < 0 ? NULL : &h->stream, h->userdata);
}

static uint32_t wanted_events(const NbdHandshake *h) {
        switch (h->state) {
        case HANDSHAKE_STATE_TLS:
                return h->tls_events;
        case HANDSHAKE_STATE_STARTTLS:
        case HANDSHAKE_STATE_READY:
        case HANDSHAKE_STATE_CLOSING:
                return EPOLLOUT;
        case HANDSHAKE_STATE_CLIENT_FLAGS:
        case HANDSHAKE_STATE_OPTION_HEADER:
        case HANDSHAKE_STATE_OPTION_DATA:
        case HANDSHAKE_STATE_OPTION_SKIP:
                return h->options.output.size > 0 ? EPOLLOUT : EPOLLIN;
        case _HANDSHAKE_STATE_MAX:
                break;
        }

        assert_not_reached();
        return 0;
}

/* Bytes that TLS keeps do not make the socket ready: whoever has had enough for now goes on by
 * himself. */
static void go_on(NbdHandshake *h) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < STEPS_MAX; i++)
                r = step(h);
        if (r != 0 && r != -EAGAIN) {
                end(h, MIN(r, 0));
                return;
        }

        if (r == 0)
                event_defer_schedule(&h->more);
        event_fd_set_events(&h->watch, r == 0 ? 0 : wanted_events(h));
}

static void on_ready(EventFd *watch, uint32_t events) {
        go_on(container_of(watch, NbdHandshake, watch));
}

static void on_more(EventDefer *defer) { go_on(container_of(defer, NbdHandshake, more)); }

static void on_deadline(EventTimer *timer) {
        end(container_of(timer, NbdHandshake, deadline), -ETIMEDOUT);
}

NbdHandshake *nbd_handshake_free(NbdHandshake *handshake) {
        if (!handshake)
                return NULL;

        list_unlink(&handshake->node);
        event_timer_done(&handshake->deadline);
        event_defer_cancel(&handshake->more);
        event_fd_remove(&handshake->watch);
        nbd_stream_free(handshake->stream);
        nbd_tls_credentials_unref(handshake->credentials);
        nbd_handshake_options_done(&handshake->options);
        free(handshake->data);
        free(handshake);
        return NULL;
}

int nbd_handshake_new(NbdHandshake **ret, EventLoop *loop, const NbdHandshakeTerms *terms,
                      NbdTlsCredentials *credentials, int fd, uint64_t timeout_ns,
                      NbdHandshakeEnded ended, void *userdata) {
        _cleanup_(fd_closep) int owned_fd = fd;
        _cleanup_(freep) NbdHandshake *unfinished = NULL;
        NbdPeer client;
        NbdHandshake *h;
        int r;

        assert(loop);
        assert(terms);
        assert(credentials || !terms->is_tls_ready);
        assert(fd >= 0);
        assert(ended);

        unfinished = h = calloc(1, sizeof(*h));
        if (!h)
                return -ENOMEM;
        r = event_timer_init(&h->deadline, loop, on_deadline);
        if (r < 0)
                return r;

        /* From here on there is enough of it for its destructor. */
        _cleanup_(nbd_handshake_freep) NbdHandshake *handshake = TAKE_PTR(unfinished);

        h->loop = loop;
        h->ended = ended;
        h->userdata = userdata;
        h->credentials = credentials ? nbd_tls_credentials_ref(credentials) : NULL;
        list_init(&h->node);
        event_defer_init(&h->more, loop, on_more);
        enter(h, HANDSHAKE_STATE_CLIENT_FLAGS, NBD_CLIENT_FLAGS_SIZE);
        r = nbd_peer_init(&client, owned_fd);
        if (r < 0)
                return r;
        r = nbd_handshake_options_init(&h->options, terms, &client);
        if (r < 0)
                return r;
        r = nbd_stream_new_plain(&h->stream, TAKE_FD(owned_fd));
        if (r < 0)
                return r;
        r = event_fd_add(&h->watch, loop, h->stream->fd, EPOLLOUT, on_ready); /* for the greeting */
        if (r < 0)
                return r;

        event_timer_set(&h->deadline, event_loop_now_ns(loop) + timeout_ns);
        *ret = TAKE_PTR(handshake);
        return 0;
}

const NbdHandshakeOptions *nbd_handshake_get_options(const NbdHandshake *handshake) {
        return &handshake->options;
}

ListNode *nbd_handshake_get_node(NbdHandshake *handshake) { return &handshake->node; }

NbdHandshake *nbd_handshake_from_node(ListNode *node) {
        return list_entry(node, NbdHandshake, node);
}
