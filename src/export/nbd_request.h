#pragma once

/*
 * NbdRequest
 *
 * One request of a client: what its header said, the BlockRequest made of it, the memory that its
 * data rests in, and its reply. Preallocated per connection. Private to export.
 */

#include "base/nbd_protocol.h"
#include "block/block_device.h"

/* Each request object has that much memory of its own. It is of the heap: what devices transfer
 * without a copy is scarce, and gains nothing with so few bytes. */
#define NBD_REQUEST_SMALL_SIZE 4096
/* In one reply to BLOCK_STATUS. */
#define NBD_REQUEST_EXTENTS_MAX 128
#define NBD_REQUEST_TEXT_SIZE_MAX 64

/* The reply before and after the data: a structured header and an offset; then possibly an error
 * chunk with a text and an offset. */
#define NBD_REQUEST_HEAD_SIZE_MAX 32
#define NBD_REQUEST_TAIL_SIZE_MAX (20 + 4 + 2 + NBD_REQUEST_TEXT_SIZE_MAX + 8)

typedef struct NbdRequest {
        BlockRequest block;
        struct iovec segment; /* the only one of `block` */
        void *owner;          /* borrowed: the session */

        /* As it came over the wire. */
        uint16_t command; /* an NbdCommand, or anything else */
        uint16_t flags;
        uint64_t cookie;
        uint64_t offset;
        uint32_t size;

        int error; /* 0, -errno: why it is refused, or how it ended */

        void *data; /* owned: `small`, or `data_size` bytes of staging memory */
        size_t data_size;
        void *small;    /* borrowed: NBD_REQUEST_SMALL_SIZE bytes of the session's */
        BlockLoan loan; /* the device's own memory, in place of `data` */

        /* The reply: head, then `payload_size` bytes of data, then tail. */
        uint8_t head[NBD_REQUEST_HEAD_SIZE_MAX];
        uint8_t head_size;
        uint8_t tail_size;
        size_t payload_size;
        const void *payload; /* within `data`; NULL: it is the loan */
        uint8_t tail[NBD_REQUEST_TAIL_SIZE_MAX];

        ListNode node; /* NbdSession::free, NbdSession::in_flight, or NbdSender::queue */
} NbdRequest;

/* Reads a header of NBD_REQUEST_SIZE bytes. -EBADMSG: the magic is wrong. */
int nbd_request_decode(NbdRequest *request, const uint8_t *bytes);
/*
 * Whether `device` and the agreement allow it: 0, or -errno as nbd_error_from_errno() takes it.
 * Looks only at what came over the wire.
 */
int nbd_request_check(const NbdRequest *request, const BlockDevice *device,
                      const NbdAgreement *agreement);
/* Bytes that follow its header on the wire. */
uint32_t nbd_request_payload_size(const NbdRequest *request);
/* Bytes of memory that it needs until it was answered. */
size_t nbd_request_data_size(const NbdRequest *request);
/* Fills `block` from the rest, but for `done`. The data is there. */
void nbd_request_prepare(NbdRequest *request, uint64_t deadline_ns);

/* -ENOMEM. */
int nbd_request_get_data(NbdRequest *request, Staging *staging);
void nbd_request_put_data(NbdRequest *request, Staging *staging);
/* A READ whose bytes the device has at hand needs no memory, and is done then. */
bool nbd_request_borrow(NbdRequest *request, BlockDevice *device);
void nbd_request_give_back(NbdRequest *request, BlockDevice *device);
