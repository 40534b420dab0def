/* See client_wire.h. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "client_wire.h"

#define SIMPLE_SIZE 16
#define CHUNK_SIZE 20

void client_wire_init(ClientWire *wire) {
        *wire = (ClientWire){
                .fd = -EBADF,
                .received = malloc(CLIENT_WIRE_MESSAGE_SIZE_MAX),
        };
        assert(wire->received);
}

void client_wire_close(ClientWire *wire) {
        wire->fd = fd_close(wire->fd);
        wire->received_start = 0;
        wire->received_size = 0;
        free(wire->unsent);
        wire->unsent = NULL;
        wire->unsent_size = 0;
}

void client_wire_done(ClientWire *wire) {
        client_wire_close(wire);
        free(wire->received);
}

static void send_now(ClientWire *wire, const uint8_t *bytes, size_t size) {
        ssize_t n = 0;

        if (wire->unsent_size == 0)
                n = send(wire->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
                n = 0; /* full; or closed, which is seen when it is read from */
        if ((size_t) n == size)
                return;
        bytes += n;
        size -= (size_t) n;
        wire->unsent = realloc(wire->unsent, wire->unsent_size + size);
        assert(wire->unsent);
        memcpy(wire->unsent + wire->unsent_size, bytes, size);
        wire->unsent_size += size;
}

void client_wire_send(ClientWire *wire, const void *header, const void *payload, size_t size) {
        send_now(wire, header, NBD_REQUEST_SIZE);
        if (size > 0)
                send_now(wire, payload, size);
}

void client_wire_send_rest(ClientWire *wire) {
        ssize_t n;

        if (wire->unsent_size == 0)
                return;
        n = send(wire->fd, wire->unsent, wire->unsent_size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
                return;
        /* Closed, which is seen when it is read from. */
        wire->unsent_size = n < 0 ? 0 : wire->unsent_size - (size_t) n;
        memmove(wire->unsent, wire->unsent + MAX(n, (ssize_t) 0), wire->unsent_size);
}

bool client_wire_receive(ClientWire *wire) {
        ssize_t n;

        memmove(wire->received, wire->received + wire->received_start, wire->received_size);
        wire->received_start = 0;
        n = recv(wire->fd, wire->received + wire->received_size,
                 CLIENT_WIRE_MESSAGE_SIZE_MAX - wire->received_size, MSG_DONTWAIT);
        if (n > 0)
                wire->received_size += (size_t) n;
        return n > 0 || (n < 0 && errno == EAGAIN);
}

static ClientWireResult peek_chunk(const ClientWire *wire, ClientReply *ret) {
        const uint8_t *bytes = wire->received + wire->received_start;
        uint32_t size;

        if (wire->received_size < CHUNK_SIZE)
                return CLIENT_WIRE_RESULT_INCOMPLETE;
        size = get_be32(bytes + 16);
        if (size > CLIENT_WIRE_MESSAGE_SIZE_MAX - CHUNK_SIZE)
                return CLIENT_WIRE_RESULT_GARBAGE;
        if (wire->received_size < CHUNK_SIZE + size)
                return CLIENT_WIRE_RESULT_INCOMPLETE;
        *ret = (ClientReply){
                .cookie = get_be64(bytes + 8),
                .is_structured = true,
                .is_last = get_be16(bytes + 4) & NBD_REPLY_FLAG_DONE,
                .type = get_be16(bytes + 6),
                .payload = bytes + CHUNK_SIZE,
                .payload_size = size,
        };
        if (ret->type & 1U << 15 && size < 6)
                return CLIENT_WIRE_RESULT_GARBAGE;
        if (ret->type & 1U << 15)
                ret->error = (NbdError) get_be32(ret->payload);
        return CLIENT_WIRE_RESULT_REPLY;
}

ClientWireResult client_wire_peek(const ClientWire *wire,
                                  size_t (*simple_size)(void *userdata, uint64_t cookie),
                                  void *userdata, ClientReply *ret) {
        const uint8_t *bytes = wire->received + wire->received_start;
        uint32_t magic;

        if (wire->received_size < SIMPLE_SIZE)
                return CLIENT_WIRE_RESULT_INCOMPLETE;
        magic = get_be32(bytes);
        if (magic == NBD_STRUCTURED_REPLY_MAGIC)
                return peek_chunk(wire, ret);
        if (magic != NBD_SIMPLE_REPLY_MAGIC)
                return CLIENT_WIRE_RESULT_GARBAGE;

        *ret = (ClientReply){
                .cookie = get_be64(bytes + 8),
                .is_last = true,
                .error = (NbdError) get_be32(bytes + 4),
                .payload = bytes + SIMPLE_SIZE,
        };
        if (ret->error == NBD_SUCCESS)
                ret->payload_size = simple_size(userdata, ret->cookie);
        return wire->received_size < SIMPLE_SIZE + ret->payload_size ? CLIENT_WIRE_RESULT_INCOMPLETE
                                                                     : CLIENT_WIRE_RESULT_REPLY;
}

void client_wire_consume(ClientWire *wire, const ClientReply *reply) {
        size_t size = (reply->is_structured ? CHUNK_SIZE : SIMPLE_SIZE) + reply->payload_size;

        assert(size <= wire->received_size);
        wire->received_start += size;
        wire->received_size -= size;
}
