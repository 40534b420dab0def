/*
 * Sends queued replies, head, data and tail of many in one sendmsg(): measured, one call for a
 * reply costs more than everything else about it.
 */

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "export/nbd_sender.h"

typedef struct Vectors {
        struct iovec items[NBD_SENDER_VECTORS_MAX];
        size_t n;
        size_t size;
        size_t skip; /* bytes at the front that have left already */
} Vectors;

static void add_vector(Vectors *vectors, const void *bytes, size_t size) {
        size_t skipped = MIN(vectors->skip, size);

        vectors->skip -= skipped;
        if (size == skipped)
                return;
        vectors->items[vectors->n++] = (struct iovec){
                .iov_base = (uint8_t *) bytes + skipped,
                .iov_len = size - skipped,
        };
        vectors->size += size - skipped;
}

static void collect(const NbdSender *sender, Vectors *vectors) {
        vectors->n = 0;
        vectors->size = 0;
        vectors->skip = sender->n_sent;
        LIST_FOR_EACH (node, &sender->queue) {
                const NbdRequest *request = list_entry(node, NbdRequest, node);

                if (vectors->n + 3 + request->loan.n_parts > NBD_SENDER_VECTORS_MAX)
                        return;
                add_vector(vectors, request->head, request->head_size);
                if (request->payload)
                        add_vector(vectors, request->payload, request->payload_size);
                for (size_t i = 0; i < request->loan.n_parts; i++)
                        add_vector(vectors, request->loan.parts[i].bytes,
                                   request->loan.parts[i].size);
                add_vector(vectors, request->tail, request->tail_size);
        }
}

static ssize_t transmit(int fd, Vectors *vectors) {
        struct msghdr message = { .msg_iov = vectors->items, .msg_iovlen = vectors->n };
        ssize_t n;

        do
                n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
        return n;
}

static void take_sent(NbdSender *sender, size_t n, ListNode *sent) {
        sender->n_sent += n;
        for (ListNode *node; (node = list_first(&sender->queue));) {
                NbdRequest *request = list_entry(node, NbdRequest, node);
                size_t size = request->head_size + request->payload_size + request->tail_size;

                if (sender->n_sent < size)
                        break;
                sender->n_sent -= size;
                list_unlink(node);
                list_append(sent, node);
        }
}

void nbd_sender_init(NbdSender *sender, int fd) {
        *sender = (NbdSender){ .fd = fd };
        list_init(&sender->queue);
}

void nbd_sender_queue(NbdSender *sender, NbdRequest *request) {
        assert(request->head_size + request->tail_size > 0);
        list_append(&sender->queue, &request->node);
}

int nbd_sender_flush(NbdSender *sender, ListNode *sent) {
        bool has_progress = false;
        Vectors vectors;

        sender->is_blocked = false;
        while (!list_is_empty(&sender->queue)) {
                ssize_t n;

                collect(sender, &vectors);
                n = transmit(sender->fd, &vectors);
                if (n < 0)
                        return n;
                take_sent(sender, n, sent);
                has_progress |= n > 0;
                if ((size_t) n < vectors.size) {
                        sender->is_blocked = true;
                        break;
                }
        }
        return has_progress;
}
