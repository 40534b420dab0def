/*
 * Receives a stream of headers and payloads. Small payloads come with their batch and are copied
 * out of the buffer; the rest of a large one is received in place, with the next headers behind it
 * in the same call.
 */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "export/nbd_receiver.h"

int nbd_receiver_init(NbdReceiver *receiver, int fd) {
        *receiver = (NbdReceiver){ .fd = fd, .buffer = malloc(NBD_RECEIVER_BUFFER_SIZE) };
        return receiver->buffer ? 0 : -ENOMEM;
}

void nbd_receiver_done(NbdReceiver *receiver) {
        free(receiver->buffer);
        *receiver = (NbdReceiver){ .fd = -EBADF };
}

const uint8_t *nbd_receiver_peek(const NbdReceiver *receiver, size_t size) {
        assert(receiver->payload_left == 0);
        return receiver->size >= size ? receiver->buffer + receiver->start : NULL;
}

void nbd_receiver_consume(NbdReceiver *receiver, size_t size) {
        assert(size <= receiver->size);

        receiver->size -= size;
        receiver->start = receiver->size > 0 ? receiver->start + size : 0;
}

/* `size` more bytes of the payload are where they belong. */
static void advance_payload(NbdReceiver *receiver, size_t size) {
        receiver->payload_left -= size;
        if (receiver->payload)
                receiver->payload += size;
}

static void move_payload(NbdReceiver *receiver) {
        size_t size = MIN(receiver->size, receiver->payload_left);

        if (receiver->payload)
                memcpy(receiver->payload, receiver->buffer + receiver->start, size);
        advance_payload(receiver, size);
        nbd_receiver_consume(receiver, size);
}

void nbd_receiver_expect(NbdReceiver *receiver, void *memory, size_t size) {
        assert(receiver->payload_left == 0);

        receiver->payload = memory;
        receiver->payload_left = size;
        receiver->is_bulk = size >= NBD_RECEIVER_BULK_SIZE;
        move_payload(receiver);
}

static ssize_t receive(NbdReceiver *receiver, struct iovec *vectors, size_t n_vectors) {
        struct msghdr message = { .msg_iov = vectors, .msg_iovlen = n_vectors };
        ssize_t n;

        do
                n = recvmsg(receiver->fd, &message, MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EWOULDBLOCK ? -EAGAIN : -errno;
        return n;
}

static size_t buffer_room(NbdReceiver *receiver) {
        size_t room;

        if (receiver->start > 0) {
                memmove(receiver->buffer, receiver->buffer + receiver->start, receiver->size);
                receiver->start = 0;
        }
        room = NBD_RECEIVER_BUFFER_SIZE - receiver->size;
        return receiver->is_bulk ? MIN(room, NBD_RECEIVER_BULK_AHEAD_SIZE) : room;
}

int nbd_receiver_fill(NbdReceiver *receiver) {
        size_t in_place = receiver->payload ? receiver->payload_left : 0, room;
        struct iovec vectors[2];
        ssize_t n;

        room = buffer_room(receiver);
        assert(room > 0);
        vectors[0] = (struct iovec){ .iov_base = receiver->payload, .iov_len = in_place };
        vectors[1] = (struct iovec){ .iov_base = receiver->buffer + receiver->size,
                                     .iov_len = room };

        n = receive(receiver, in_place ? vectors : vectors + 1, in_place ? 2 : 1);
        if (n <= 0)
                return n;

        in_place = MIN(in_place, (size_t) n);
        advance_payload(receiver, in_place);
        receiver->size += n - in_place;
        if (receiver->payload_left > 0)
                move_payload(receiver);
        return 1;
}
