#pragma once

/*
 * BlockDevice
 *
 * Bytes at offsets. Lun is one on a device; filters (cache, performance) are one on another;
 * exports stand on whichever is on top. Requests may have any offset and length in bytes: who can't
 * do it in bytes reads, modifies and writes.
 *
 * Each accepted request completes exactly once, later, by its deadline. Requests in flight are not
 * ordered among each other, save that a FLUSH covers every write that had completed when it was
 * submitted. Overlapping writes in flight at once leave either's bytes in each block, never a mix
 * within a logical block from elsewhere.
 */

#include <sys/uio.h>

#include "base/event_loop.h"
#include "base/staging.h"

#define BLOCK_REQUEST_SIZE_MAX (64 * MIB)

typedef struct BlockDevice BlockDevice;
typedef struct BlockDeviceOps BlockDeviceOps;
typedef struct BlockRequest BlockRequest;

typedef enum BlockOperation {
        BLOCK_OPERATION_READ,
        BLOCK_OPERATION_WRITE,
        BLOCK_OPERATION_FLUSH,
        BLOCK_OPERATION_TRIM,
        BLOCK_OPERATION_WRITE_ZEROES,
        BLOCK_OPERATION_PREFETCH, /* a hint; completes at once where there is no cache */
        BLOCK_OPERATION_STATUS,   /* which parts are allocated */
        _BLOCK_OPERATION_MAX,
} BlockOperation;

typedef enum BlockRequestFlags {
        BLOCK_REQUEST_FUA = 1 << 0,     /* completes when the data is on the medium */
        BLOCK_REQUEST_NO_HOLE = 1 << 1, /* WRITE_ZEROES: keep the blocks allocated */
        /* WRITE_ZEROES: -EOPNOTSUPP rather than take as long as writing the zeroes would. */
        BLOCK_REQUEST_FAST_ONLY = 1 << 2,
} BlockRequestFlags;

typedef enum BlockExtentFlags {
        BLOCK_EXTENT_HOLE = 1 << 0, /* not allocated */
        BLOCK_EXTENT_ZERO = 1 << 1, /* reads as zeroes */
} BlockExtentFlags;

typedef struct BlockExtent {
        uint64_t size;
        BlockExtentFlags flags;
} BlockExtent;

/* Called exactly once per accepted request, never from within submit. */
typedef void (*BlockRequestDone)(BlockRequest *request);

struct BlockRequest {
        /* Set by the owner, constant while in flight. */
        BlockOperation operation;
        BlockRequestFlags flags;
        uint64_t offset;
        uint64_t size; /* FLUSH: 0, others more. READ, WRITE: what the segments hold, at most
                          BLOCK_REQUEST_SIZE_MAX */
        const struct iovec *segments; /* READ: where to; WRITE: where from. Borrowed; best from
                                         staging memory */
        size_t n_segments;
        uint64_t deadline_ns;
        BlockRequestDone done;
        BlockExtent *extents; /* STATUS: where to; borrowed */
        size_t n_extents_max; /* STATUS: at least 1 */

        /* Valid in `done`. */
        int error; /* 0, or -EIO, -EPERM, -ENOSPC, -ENOTSUP, -ETIMEDOUT, -ESHUTDOWN, -ENOMEM,
                      -ECANCELED */
        uint64_t error_offset; /* READ, WRITE with an error: the first byte that failed; all before
                                  it is good */
        bool has_error_offset;
        size_t n_extents; /* STATUS */
        bool was_hit;     /* READ: a cache had all of it */

        /* Of the filter on top that only looks on: whom it calls at its own end. */
        BlockRequestDone observed_done;
        void *observer;
        uint64_t observed_ns;

        /* Of the device that has it. */
        void *device_private;
        ListNode node;
};

typedef struct BlockInfo {
        uint64_t size;               /* bytes */
        uint32_t block_size;         /* logical: what needs no read-modify-write */
        uint32_t block_size_optimal; /* physical, or the optimal transfer granularity; a power of
                                        two >= block_size */
        uint32_t transfer_size_max;  /* of one command below: larger requests are split */
        bool is_read_only;
        bool is_rotational;
        bool is_removable;
        bool can_trim;
        bool can_zero_fast;      /* zeroes without sending them */
        bool has_volatile_cache; /* FLUSH does something */
} BlockInfo;

/* More parts than a loan can have: it is not lent. */
#define BLOCK_LOAN_PARTS_MAX 20

typedef struct BlockLoanPart {
        const uint8_t *bytes;
        uint64_t size;
        void *owner; /* of the device that lent it */
} BlockLoanPart;

/* Bytes in a device's own memory, lent to who reads them. */
typedef struct BlockLoan {
        BlockLoanPart parts[BLOCK_LOAN_PARTS_MAX];
        size_t n_parts;
} BlockLoan;

struct BlockDeviceOps {
        /*
         * Mandatory. The request passed block_device_check(). Refuses at once, without `done`, with
         * -ESHUTDOWN after the device has gone, -EPERM for a change of what is read-only,
         * -EOPNOTSUPP for a TRIM or a fast WRITE_ZEROES that it can't do, -EBUSY with too many
         * requests in flight, -ENOMEM.
         */
        int (*submit)(BlockDevice *device, BlockRequest *request);
        /* Mandatory. The request completes soon, with -ECANCELED unless it was faster. */
        void (*cancel)(BlockDevice *device, BlockRequest *request);
        /* Optional. What is in memory as a whole is lent, until it is taken back; false: it must be
         * read. A write meanwhile may change it. */
        bool (*lend)(BlockDevice *device, uint64_t offset, uint64_t size, BlockLoan *ret);
        /* Mandatory with `lend`. */
        void (*take_back)(BlockDevice *device, BlockLoan *loan);
        /* Mandatory. */
        void (*free)(BlockDevice *device);
};

/* The head of each implementation. */
struct BlockDevice {
        const BlockDeviceOps *ops;
        EventLoop *loop;  /* borrowed */
        Staging *staging; /* borrowed: memory for segments */
        const char *name; /* of the export, for the log; borrowed */
        BlockInfo info;
};

/* Takes NULL, returns NULL. No request is in flight. */
BlockDevice *block_device_free(BlockDevice *device);
DEFINE_CLEANUP(BlockDevice *, block_device_free);
const BlockInfo *block_device_get_info(const BlockDevice *device);
/* What a caller must have made sure of: range, segments against size, flags that belong to the
 * operation. */
bool block_device_check(const BlockDevice *device, const BlockRequest *request);
/* Asserts block_device_check(). */
int block_device_submit(BlockDevice *device, BlockRequest *request);
void block_device_cancel(BlockDevice *device, BlockRequest *request);
/* A READ without copying, if that can be had at once; the range is within the device, `size` > 0. */
bool block_device_lend(BlockDevice *device, uint64_t offset, uint64_t size, BlockLoan *ret);
/* Harmless without parts. */
void block_device_take_back(BlockDevice *device, BlockLoan *loan);
/* offset + size within the device, without overflow. */
bool block_device_has_range(const BlockDevice *device, uint64_t offset, uint64_t size);
const char *block_operation_to_string(BlockOperation operation);
