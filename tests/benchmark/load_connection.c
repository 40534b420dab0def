/*
 * The load generator's side of NBD: a handshake with GO and nothing else, then simple replies. The
 * payload of a read is passed over in the receive buffer, that of a write is sent from a buffer of
 * its slot, header in front.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/bytes.h"
#include "base/macros.h"
#include "base/nbd_protocol.h"
#include "benchmark/load_connection.h"

#define RECEIVE_BUFFER_SIZE (256 * KIB)
#define REPLY_SIZE 16
#define GREETING_SIZE 18
#define OPTION_HEADER_SIZE 16
#define OPTION_REPLY_SIZE 20
#define OPTION_DATA_SIZE_MAX 4096

typedef struct LoadSlot {
        uint8_t *message; /* owned: header, and payload of a write */
        uint64_t started_ns;
        bool is_in_flight;
} LoadSlot;

struct LoadConnection {
        const LoadPlan *plan; /* borrowed */
        int fd;
        uint64_t span;
        uint64_t next_offset;
        Random random;

        LoadSlot slots[LOAD_DEPTH_MAX];
        unsigned n_in_flight;
        unsigned free_slots[LOAD_DEPTH_MAX];
        unsigned n_free;

        struct iovec queue[LOAD_DEPTH_MAX]; /* to be sent; the first may be sent in part */
        unsigned n_queued;

        uint8_t *received; /* owned */
        size_t n_received;
        uint64_t n_to_skip; /* of the payload of the reply that was read last */
};

static int receive_all(int fd, void *bytes, size_t size) {
        ssize_t r = recv(fd, bytes, size, MSG_WAITALL);

        if (r < 0)
                return -errno;
        return (size_t) r == size ? 0 : -EPROTO;
}

static int send_all(int fd, const void *bytes, size_t size) {
        ssize_t r = send(fd, bytes, size, MSG_NOSIGNAL);

        if (r < 0)
                return -errno;
        return (size_t) r == size ? 0 : -EPROTO;
}

static int connect_socket(LoadConnection *connection) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        if (strlen(connection->plan->socket_path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, connection->plan->socket_path);
        connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection->fd < 0)
                return -errno;
        if (connect(connection->fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

static int send_go(LoadConnection *connection) {
        const char *name = connection->plan->export_name;
        size_t name_size = strlen(name);
        uint8_t message[4 + OPTION_HEADER_SIZE + 4 + NBD_STRING_SIZE_MAX + 2] = { 0 };
        uint8_t *option = message + 4;

        if (name_size > NBD_STRING_SIZE_MAX)
                return -ENAMETOOLONG;
        put_be32(message, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES);
        put_be64(option, NBD_OPTION_MAGIC);
        put_be32(option + 8, NBD_OPT_GO);
        put_be32(option + 12, (uint32_t) (4 + name_size + 2));
        put_be32(option + 16, (uint32_t) name_size);
        memcpy(option + 20, name, name_size);
        return send_all(connection->fd, message, 4 + OPTION_HEADER_SIZE + 4 + name_size + 2);
}

/* Reads replies up to the ACK; the size of the export is in the INFO on the way. */
static int receive_go(LoadConnection *connection, uint64_t *ret_size) {
        for (;;) {
                uint8_t header[OPTION_REPLY_SIZE];
                uint8_t data[OPTION_DATA_SIZE_MAX];
                uint32_t type, size;
                int r;

                r = receive_all(connection->fd, header, sizeof(header));
                if (r < 0)
                        return r;
                type = get_be32(header + 12);
                size = get_be32(header + 16);
                if (get_be64(header) != NBD_OPTION_REPLY_MAGIC || size > sizeof(data))
                        return -EPROTO;
                r = size > 0 ? receive_all(connection->fd, data, size) : 0;
                if (r < 0)
                        return r;
                if (type == NBD_REP_ACK)
                        return 0;
                if (type != NBD_REP_INFO)
                        return -ENOENT;
                if (size == 12 && get_be16(data) == NBD_INFO_EXPORT)
                        *ret_size = get_be64(data + 2);
        }
}

static int negotiate(LoadConnection *connection) {
        uint8_t greeting[GREETING_SIZE];
        uint64_t size = 0;
        int r;

        r = receive_all(connection->fd, greeting, sizeof(greeting));
        if (r < 0)
                return r;
        if (get_be64(greeting) != NBD_MAGIC || get_be64(greeting + 8) != NBD_OPTION_MAGIC)
                return -EPROTO;
        r = send_go(connection);
        if (r < 0)
                return r;
        r = receive_go(connection, &size);
        if (r < 0)
                return r;
        connection->span = connection->plan->span > 0 ? MIN(connection->plan->span, size) : size;
        return connection->span >= connection->plan->size ? 0 : -ENOSPC;
}

static int allocate_slots(LoadConnection *connection) {
        const LoadPlan *plan = connection->plan;
        size_t message_size = NBD_REQUEST_SIZE + (plan->is_write ? plan->size : 0);

        for (unsigned i = 0; i < plan->depth; i++) {
                connection->slots[i].message = malloc(message_size);
                if (!connection->slots[i].message)
                        return -ENOMEM;
                memset(connection->slots[i].message, (int) i, message_size);
                connection->free_slots[connection->n_free++] = i;
        }
        connection->received = malloc(RECEIVE_BUFFER_SIZE);
        return connection->received ? 0 : -ENOMEM;
}

/* A server that the client just leaves complains. */
static void say_goodbye(LoadConnection *connection) {
        uint8_t header[NBD_REQUEST_SIZE] = { 0 };

        put_be32(header, NBD_REQUEST_MAGIC);
        put_be16(header + 6, NBD_CMD_DISC);
        if (connection->fd >= 0 && connection->n_queued == 0)
                (void) send_all(connection->fd, header, sizeof(header));
}

LoadConnection *load_connection_free(LoadConnection *connection) {
        if (!connection)
                return NULL;
        for (unsigned i = 0; i < connection->plan->depth; i++)
                free(connection->slots[i].message);
        free(connection->received);
        say_goodbye(connection);
        fd_closep(&connection->fd);
        free(connection);
        return NULL;
}
DEFINE_CLEANUP(LoadConnection *, load_connection_free);

int load_connection_new(LoadConnection **ret, const LoadPlan *plan, uint64_t seed) {
        _cleanup_(load_connection_freep) LoadConnection *connection = NULL;
        int r;

        assert(ret);
        assert(plan->depth > 0 && plan->depth <= LOAD_DEPTH_MAX);

        connection = calloc(1, sizeof(*connection));
        if (!connection)
                return -ENOMEM;
        connection->plan = plan;
        connection->fd = -EBADF;
        random_init(&connection->random, seed);
        r = allocate_slots(connection);
        if (r < 0)
                return r;
        r = connect_socket(connection);
        if (r < 0)
                return r;
        r = negotiate(connection);
        if (r < 0)
                return r;

        /* Connections that go through an export side by side begin at different places. */
        connection->next_offset = random_below(&connection->random, connection->span / plan->size) *
                                  plan->size;
        *ret = TAKE_PTR(connection);
        return 0;
}

int load_connection_get_fd(const LoadConnection *connection) { return connection->fd; }

unsigned load_connection_get_n_in_flight(const LoadConnection *connection) {
        return connection->n_in_flight;
}

static uint64_t choose_offset(LoadConnection *connection) {
        uint32_t size = connection->plan->size;
        uint64_t offset = connection->next_offset;

        if (connection->plan->is_random)
                return random_below(&connection->random, connection->span / size) * size;
        connection->next_offset += size;
        if (connection->next_offset + size > connection->span)
                connection->next_offset = 0;
        return offset;
}

static void queue_request(LoadConnection *connection, unsigned slot_index, uint64_t now_ns) {
        const LoadPlan *plan = connection->plan;
        LoadSlot *slot = &connection->slots[slot_index];
        uint8_t *header = slot->message;

        put_be32(header, NBD_REQUEST_MAGIC);
        put_be16(header + 4, 0);
        put_be16(header + 6, plan->is_write ? NBD_CMD_WRITE : NBD_CMD_READ);
        put_be64(header + 8, slot_index);
        put_be64(header + 16, choose_offset(connection));
        put_be32(header + 24, plan->size);
        slot->started_ns = now_ns;
        slot->is_in_flight = true;
        connection->n_in_flight++;
        connection->queue[connection->n_queued++] = (struct iovec){
                .iov_base = slot->message,
                .iov_len = NBD_REQUEST_SIZE + (plan->is_write ? plan->size : 0),
        };
}

void load_connection_fill(LoadConnection *connection, uint64_t now_ns) {
        while (connection->n_free > 0)
                queue_request(connection, connection->free_slots[--connection->n_free], now_ns);
}

/* Drops what was sent from the front of the queue. */
static void advance_queue(LoadConnection *connection, size_t n_sent) {
        unsigned n_done = 0;

        while (n_done < connection->n_queued && n_sent >= connection->queue[n_done].iov_len)
                n_sent -= connection->queue[n_done++].iov_len;
        connection->n_queued -= n_done;
        memmove(connection->queue, connection->queue + n_done,
                connection->n_queued * sizeof(connection->queue[0]));
        if (n_sent > 0) {
                connection->queue[0].iov_base = (uint8_t *) connection->queue[0].iov_base + n_sent;
                connection->queue[0].iov_len -= n_sent;
        }
}

int load_connection_send(LoadConnection *connection) {
        while (connection->n_queued > 0) {
                struct msghdr message = {
                        .msg_iov = connection->queue,
                        .msg_iovlen = connection->n_queued,
                };
                ssize_t r = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (r < 0)
                        return errno == EAGAIN ? 1 : -errno;
                advance_queue(connection, (size_t) r);
        }
        return 0;
}

static int take_reply(LoadConnection *connection, const uint8_t *reply, uint64_t now_ns,
                      Histogram *latency) {
        uint64_t slot_index = get_be64(reply + 8);
        LoadSlot *slot;

        if (get_be32(reply) != NBD_SIMPLE_REPLY_MAGIC || slot_index >= connection->plan->depth)
                return -EPROTO;
        slot = &connection->slots[slot_index];
        if (!slot->is_in_flight)
                return -EPROTO;
        if (get_be32(reply + 4) != 0)
                return -EREMOTEIO;
        slot->is_in_flight = false;
        connection->n_in_flight--;
        connection->free_slots[connection->n_free++] = (unsigned) slot_index;
        connection->n_to_skip = connection->plan->is_write ? 0 : connection->plan->size;
        histogram_record(latency, now_ns - slot->started_ns);
        return 0;
}

/* Walks over the replies in the buffer and keeps what is left of the last header. */
static int parse_received(LoadConnection *connection, uint64_t now_ns, Histogram *latency) {
        size_t position = 0;

        for (;;) {
                size_t left = connection->n_received - position;
                size_t skipped = MIN((uint64_t) left, connection->n_to_skip);
                int r;

                position += skipped;
                left -= skipped;
                connection->n_to_skip -= skipped;
                if (connection->n_to_skip > 0 || left < REPLY_SIZE)
                        break;
                r = take_reply(connection, connection->received + position, now_ns, latency);
                if (r < 0)
                        return r;
                position += REPLY_SIZE;
        }
        connection->n_received -= position;
        memmove(connection->received, connection->received + position, connection->n_received);
        return 0;
}

int load_connection_receive(LoadConnection *connection, uint64_t now_ns, Histogram *latency) {
        ssize_t r = recv(connection->fd, connection->received + connection->n_received,
                         RECEIVE_BUFFER_SIZE - connection->n_received, MSG_DONTWAIT);

        if (r < 0)
                return errno == EAGAIN ? 0 : -errno;
        if (r == 0)
                return -ECONNRESET;
        connection->n_received += (size_t) r;
        return parse_received(connection, now_ns, latency);
}
