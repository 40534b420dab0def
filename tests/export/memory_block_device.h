#pragma once

/*
 * MemoryBlockDevice
 *
 * A BlockDevice in memory for tests and benchmarks: it may delay, reorder, fail and hold requests,
 * and keeps count of what it was asked.
 */

#include "base/random.h"
#include "block/block_device.h"

/* Blocks of powers of two, from 4 KiB on. */
#define MEMORY_BLOCK_DEVICE_ORDERS 16

typedef struct MemoryBlockDevice {
        BlockDevice device;
        Staging staging; /* keeps what is given back, as a USB device's does */
        ListNode staging_free[MEMORY_BLOCK_DEVICE_ORDERS]; /* in the blocks themselves */
        uint8_t *memory;                                   /* owned, device.info.size bytes */
        Random random;

        /* What it does to requests; change at will. */
        uint64_t delay_ns_max;   /* random, so that requests are reordered; 0: in the next iteration
                                  */
        bool is_held;            /* nothing completes until memory_block_device_release() */
        int error;               /* of each request, 0: none */
        uint64_t error_position; /* with an error: READs and WRITEs up to here are good */
        bool has_error_position;
        int submit_error;   /* what submit refuses with, 0: nothing */
        bool has_no_memory; /* for staging */
        uint64_t loan_size; /* reads are lent in parts of so many bytes; 0: not at all */
        bool is_sparse;     /* STATUS tells whole zero blocks as holes */

        /* What it saw. */
        size_t n_submitted[_BLOCK_OPERATION_MAX];
        size_t n_in_flight;
        size_t n_lent;  /* loans that are out */
        size_t n_loans; /* that ever were */
        size_t n_in_flight_highest;
        uint64_t size_in_flight;
        uint64_t size_in_flight_highest;
        BlockRequestFlags last_flags;
        uint64_t last_deadline_ns;

        ListNode due; /* BlockRequest::node, in the order of completion */
        EventDefer defer;
        EventTimer timer;
} MemoryBlockDevice;

/* `memory_size` bytes of zeroes in blocks of `block_size`; what it tells of itself is then the
 * caller's to change. NULL: out of memory. */
MemoryBlockDevice *memory_block_device_new(EventLoop *loop, uint64_t memory_size,
                                           uint32_t block_size);
/* Lets go of what it held. */
void memory_block_device_release(MemoryBlockDevice *device);
