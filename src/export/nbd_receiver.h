#pragma once

/*
 * NbdReceiver
 *
 * The receiving half of a connection: as many requests as there are with one system call, and the
 * data of large WRITEs right into the memory where it belongs. Private to export.
 */

#include "base/macros.h"

/* A batch: 64 requests to write 4 KiB fit. */
#define NBD_RECEIVER_BUFFER_SIZE (288 * KIB)
/* Payloads from this size on are bulk: what follows them is received in small pieces, so that the
 * bytes of the next one are not copied through the buffer. */
#define NBD_RECEIVER_BULK_SIZE (32 * KIB)
#define NBD_RECEIVER_BULK_AHEAD_SIZE (2 * KIB)

typedef struct NbdReceiver {
        int fd;              /* borrowed */
        uint8_t *buffer;     /* owned */
        size_t start;        /* of the bytes received but not consumed */
        size_t size;         /* of these */
        uint8_t *payload;    /* borrowed: where the expected payload goes on; NULL: nowhere */
        size_t payload_left; /* bytes of it that have not come yet */
        bool is_bulk;
} NbdReceiver;

/* -ENOMEM. */
int nbd_receiver_init(NbdReceiver *receiver, int fd);
void nbd_receiver_done(NbdReceiver *receiver);
/* Receives once, never blocks: 1, 0 at the stream's end, -EAGAIN, -errno. There is room: all that
 * could be consumed was. */
int nbd_receiver_fill(NbdReceiver *receiver);
/* The next `size` bytes without consuming them, NULL if they have not come. No payload is expected.
 */
const uint8_t *nbd_receiver_peek(const NbdReceiver *receiver, size_t size);
void nbd_receiver_consume(NbdReceiver *receiver, size_t size);
/* The next `size` bytes go to `memory`, or nowhere if that is NULL. */
void nbd_receiver_expect(NbdReceiver *receiver, void *memory, size_t size);
static inline bool nbd_receiver_has_payload(const NbdReceiver *receiver) {
        return receiver->payload_left == 0;
}
