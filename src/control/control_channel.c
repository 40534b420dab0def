/*
 * A control socket on the loop. Incoming messages are checked here and nowhere else, and what they
 * carried is closed unless the handler takes it. Outgoing ones go straight to the socket while it
 * takes them, and wait in a bounded queue while it does not. A peer that has died may have left
 * messages behind: those are read to the end before the channel is told closed.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "control/control_channel.h"

/* Descriptors that wait with queued messages; each costs this process one of its own. */
#define FDS_QUEUED_MAX 256
#define LOG_WINDOW_NS NS_PER_S

typedef struct ControlOutgoing {
        ListNode node; /* ControlChannel::queue */
        size_t size;
        size_t n_fds;
        int fds[CONTROL_FDS_MAX]; /* owned */
        uint8_t bytes[];
} ControlOutgoing;

struct ControlChannel {
        EventLoop *loop; /* borrowed */
        ControlChannelHandler handler;
        ControlChannelClosed closed;
        void *userdata;
        int fd; /* owned */
        EventFd watch;
        EventDefer failure;     /* tells `closed` */
        int error;              /* what it tells */
        bool is_ended;          /* nothing is read or sent any more */
        bool is_deaf;           /* the peer takes nothing any more, but may have left messages */
        bool is_dispatching;    /* a handler runs: free waits for its return */
        bool is_freed;          /* free was called meanwhile */
        ListNode queue;         /* ControlOutgoing::node */
        size_t n_queued;        /* messages in `queue` */
        size_t n_fds_queued;    /* descriptors in `queue` */
        EventTimer log_window;  /* armed while incoming LOGs are counted */
        size_t n_logs;          /* that came in this window */
        size_t n_logs_unsent;   /* that were dropped because the queue was half full */
        bool is_sending_log;    /* so that logging about logging ends */
        ControlMessage message; /* the one being read */
};

static void close_all(int *fds, size_t n_fds) {
        for (size_t i = 0; i < n_fds; i++)
                fds[i] = fd_close(fds[i]);
}

static ControlOutgoing *outgoing_free(ControlOutgoing *outgoing) {
        if (!outgoing)
                return NULL;

        close_all(outgoing->fds, outgoing->n_fds);
        free(outgoing);
        return NULL;
}
DEFINE_CLEANUP(ControlOutgoing *, outgoing_free);

static int outgoing_new(ControlOutgoing **ret, const ControlMessage *message, const int *fds,
                        size_t n_fds) {
        _cleanup_(outgoing_freep) ControlOutgoing *outgoing = NULL;
        size_t size = control_message_wire_size(message);

        outgoing = calloc(1, sizeof(*outgoing) + size);
        if (!outgoing)
                return -ENOMEM;

        list_init(&outgoing->node);
        outgoing->size = size;
        memcpy(outgoing->bytes, message, size);
        for (; outgoing->n_fds < n_fds; outgoing->n_fds++) {
                int fd = fcntl(fds[outgoing->n_fds], F_DUPFD_CLOEXEC, 3);

                if (fd < 0)
                        return -errno;
                outgoing->fds[outgoing->n_fds] = fd;
        }

        *ret = TAKE_PTR(outgoing);
        return 0;
}

static void queue_clear(ControlChannel *channel) {
        ListNode *node;

        while ((node = list_take_first(&channel->queue)))
                outgoing_free(list_entry(node, ControlOutgoing, node));
        channel->n_queued = 0;
        channel->n_fds_queued = 0;
}

/* The one place where a channel ends. The owner learns of it from the loop. */
static void end(ControlChannel *channel, int error) {
        if (channel->is_ended)
                return;

        channel->is_ended = true;
        channel->error = error;
        event_fd_remove(&channel->watch);
        queue_clear(channel);
        event_defer_schedule(&channel->failure);
}

/* Nothing can be sent any more. What the peer has left behind is still read, and ends the channel.
 */
static void go_deaf(ControlChannel *channel) {
        channel->is_deaf = true;
        queue_clear(channel);
        event_fd_set_events(&channel->watch, EPOLLIN);
}

/* 0, -EAGAIN: has to wait, -EPIPE: the peer is gone, -errno. */
static int send_bytes(int fd, const void *bytes, size_t size, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS_MAX)];
        } control = { 0 };
        struct iovec vector = { .iov_base = (void *) bytes, .iov_len = size };
        struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };

        if (n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        }

        if (sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return 0;

        switch (errno) {
        case EAGAIN:
        case EINTR:
        case ENOBUFS:
        case ETOOMANYREFS: /* unix(7): the peer has not yet taken the descriptors sent before */
                return -EAGAIN;
        case ECONNRESET:
        case EPIPE:
                return -EPIPE;
        default:
                return -errno;
        }
}

/* Sends what is queued, as far as that needs no waiting. */
static int queue_flush(ControlChannel *channel) {
        ListNode *node;

        while ((node = list_first(&channel->queue))) {
                ControlOutgoing *outgoing = list_entry(node, ControlOutgoing, node);
                int r;

                r = send_bytes(channel->fd, outgoing->bytes, outgoing->size, outgoing->fds,
                               outgoing->n_fds);
                if (r < 0)
                        return r;

                list_unlink(&outgoing->node);
                channel->n_queued--;
                channel->n_fds_queued -= outgoing->n_fds;
                outgoing_free(outgoing);
        }
        return 0;
}

static int queue_append(ControlChannel *channel, const ControlMessage *message, const int *fds,
                        size_t n_fds) {
        ControlOutgoing *outgoing = NULL;
        int r;

        if (channel->n_queued >= CONTROL_CHANNEL_QUEUE_MAX ||
            channel->n_fds_queued + n_fds > FDS_QUEUED_MAX)
                return -EXFULL;

        r = outgoing_new(&outgoing, message, fds, n_fds);
        if (r < 0)
                return r;

        list_append(&channel->queue, &outgoing->node);
        channel->n_queued++;
        channel->n_fds_queued += n_fds;
        event_fd_set_events(&channel->watch, EPOLLIN | EPOLLOUT);
        return 0;
}

int control_channel_send(ControlChannel *channel, const ControlMessage *message, const int *fds,
                         size_t n_fds) {
        int r = -EAGAIN;

        assert(channel);
        assert(control_message_validate(message, control_message_wire_size(message), n_fds) == 0);

        if (channel->is_ended || channel->is_deaf)
                return -EPIPE;

        if (list_is_empty(&channel->queue))
                r = send_bytes(channel->fd, message, control_message_wire_size(message), fds,
                               n_fds);
        if (r == -EAGAIN)
                r = queue_append(channel, message, fds, n_fds);
        if (r == -EPIPE)
                go_deaf(channel);
        else if (r < 0)
                end(channel, r);
        return r;
}

/* Cuts at the field's end; the rest of it is zeroes already. */
static void copy_string(char *to, size_t to_size, const char *from) {
        memcpy(to, from, strnlen(from, to_size - 1));
}

static void send_log_line(ControlChannel *channel, LogLevel level, const char *device,
                          const char *text) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_LOG);
        message.body.log.level = level;
        copy_string(message.body.log.device, sizeof(message.body.log.device), device ?: "");
        copy_string(message.body.log.message, sizeof(message.body.log.message), text);
        (void) control_channel_send(channel, &message, NULL, 0);
}

static void send_logs_unsent(ControlChannel *channel) {
        char text[64];

        snprintf(text, sizeof(text), "%zu log messages dropped, the manager is slow",
                 channel->n_logs_unsent);
        channel->n_logs_unsent = 0;
        send_log_line(channel, LOG_LEVEL_WARNING, NULL, text);
}

void control_channel_send_log(ControlChannel *channel, const LogRecord *record) {
        assert(channel);
        assert(record);

        if (channel->is_sending_log || channel->is_ended || channel->is_deaf)
                return;
        if (channel->n_queued >= CONTROL_CHANNEL_QUEUE_MAX / 2) {
                channel->n_logs_unsent++;
                return;
        }

        channel->is_sending_log = true;
        if (channel->n_logs_unsent > 0)
                send_logs_unsent(channel);
        send_log_line(channel, record->level, record->device, record->message);
        channel->is_sending_log = false;
}

static void report_log_flood(ControlChannel *channel) {
        if (channel->n_logs > CONTROL_CHANNEL_LOGS_PER_SECOND_MAX)
                log_warning("%zu log messages of a child dropped, it sent more than %d in a second",
                            channel->n_logs - CONTROL_CHANNEL_LOGS_PER_SECOND_MAX,
                            CONTROL_CHANNEL_LOGS_PER_SECOND_MAX);
        channel->n_logs = 0;
}

static void on_log_window(EventTimer *timer) {
        report_log_flood(container_of(timer, ControlChannel, log_window));
}

/* Counts, and tells whether this one is too many. */
static bool is_log_flood(ControlChannel *channel) {
        if (!event_timer_is_armed(&channel->log_window))
                event_timer_set(&channel->log_window,
                                event_loop_now_ns(channel->loop) + LOG_WINDOW_NS);
        channel->n_logs++;
        return channel->n_logs > CONTROL_CHANNEL_LOGS_PER_SECOND_MAX;
}

/* The kernel has installed these already, so that each must be found, whatever the message is. */
static size_t collect_fds(struct msghdr *header, int *fds) {
        size_t n_fds = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                assert(n_fds + n <= CONTROL_FDS_MAX);
                memcpy(fds + n_fds, CMSG_DATA(c), n * sizeof(int));
                n_fds += n;
        }
        return n_fds;
}

/* 1: a valid message is in `channel->message`, 0: the peer has closed, -EAGAIN, -EBADMSG, -errno.
 */
static int receive(ControlChannel *channel, int *fds, size_t *ret_n_fds) {
        union {
                struct cmsghdr header;
                uint8_t bytes[CMSG_LEN(sizeof(int) * CONTROL_FDS_MAX)];
        } control;
        struct iovec vector = { .iov_base = &channel->message,
                                .iov_len = sizeof(channel->message) };
        struct msghdr header = { .msg_iov = &vector,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control.bytes) };
        size_t n_fds;
        ssize_t size;
        int r;

        size = recvmsg(channel->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size < 0) {
                /* A peer that died with unread messages resets once; what it sent comes after. */
                if (errno == EINTR || errno == ECONNRESET)
                        return -EAGAIN;
                return -errno;
        }

        n_fds = collect_fds(&header, fds);
        r = size > 0;
        if (size > 0 && (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                r = -EBADMSG;
        else if (size > 0 && control_message_validate(&channel->message, (size_t) size, n_fds) < 0)
                r = -EBADMSG;
        if (r <= 0) {
                close_all(fds, n_fds);
                return r;
        }

        *ret_n_fds = n_fds;
        return r;
}

/* Returns whether there may be more. */
static bool read_one(ControlChannel *channel) {
        int fds[CONTROL_FDS_MAX];
        size_t n_fds = 0;
        int r;

        r = receive(channel, fds, &n_fds);
        if (r == -EAGAIN)
                return false;
        if (r <= 0) {
                end(channel, r);
                return false;
        }

        if (channel->message.type != CONTROL_TYPE_LOG || !is_log_flood(channel))
                channel->handler(channel, &channel->message, fds, n_fds, channel->userdata);
        close_all(fds, n_fds);
        return !channel->is_freed && !channel->is_ended;
}

static void on_ready(EventFd *watch, uint32_t events) {
        ControlChannel *channel = container_of(watch, ControlChannel, watch);

        channel->is_dispatching = true;
        if (events & EPOLLOUT) {
                int r = queue_flush(channel);

                if (r == 0)
                        event_fd_set_events(&channel->watch, EPOLLIN);
                else if (r == -EPIPE)
                        go_deaf(channel);
                else if (r != -EAGAIN)
                        end(channel, r);
        }
        if (events & ~EPOLLOUT && !channel->is_ended)
                for (size_t i = 0; i < CONTROL_CHANNEL_BATCH_MAX && read_one(channel); i++)
                        ;
        channel->is_dispatching = false;

        if (channel->is_freed)
                control_channel_free(channel);
}

static void on_failure(EventDefer *defer) {
        ControlChannel *channel = container_of(defer, ControlChannel, failure);

        channel->is_dispatching = true;
        channel->closed(channel, channel->error, channel->userdata);
        channel->is_dispatching = false;

        if (channel->is_freed)
                control_channel_free(channel);
}

ControlChannel *control_channel_free(ControlChannel *channel) {
        if (!channel)
                return NULL;

        if (!channel->is_ended && !channel->is_deaf)
                (void) queue_flush(channel);
        channel->is_ended = true;
        event_fd_remove(&channel->watch);
        event_defer_cancel(&channel->failure);
        if (channel->is_dispatching) {
                channel->is_freed = true;
                return NULL;
        }

        report_log_flood(channel);
        event_timer_done(&channel->log_window);
        queue_clear(channel);
        fd_close(channel->fd);
        free(channel);
        return NULL;
}

int control_channel_new(ControlChannel **ret, EventLoop *loop, int fd,
                        ControlChannelHandler handler, ControlChannelClosed closed,
                        void *userdata) {
        _cleanup_(fd_closep) int owned_fd = fd;
        _cleanup_(freep) ControlChannel *channel = NULL;
        int r;

        assert(loop);
        assert(fd >= 0);
        assert(handler);
        assert(closed);

        channel = calloc(1, sizeof(*channel));
        if (!channel)
                return -ENOMEM;

        channel->loop = loop;
        channel->handler = handler;
        channel->closed = closed;
        channel->userdata = userdata;
        list_init(&channel->queue);
        event_defer_init(&channel->failure, loop, on_failure);
        r = event_timer_init(&channel->log_window, loop, on_log_window);
        if (r < 0)
                return r;
        r = event_fd_add(&channel->watch, loop, fd, EPOLLIN, on_ready);
        if (r < 0) {
                event_timer_done(&channel->log_window);
                return r;
        }

        channel->fd = TAKE_FD(owned_fd);
        *ret = TAKE_PTR(channel);
        return 0;
}

int control_channel_pair(int *ret_parent, int *ret_child) {
        int fds[2];

        assert(ret_parent);
        assert(ret_child);

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;

        *ret_parent = fds[0];
        *ret_child = fds[1];
        return 0;
}
