#pragma once

/*
 * UsbMemoryPool
 *
 * A device's staging memory: blocks of powers of two, from the implementation's memory_new() while
 * a budget lasts and from the heap beyond. Freed blocks are kept for the next taker, within limits.
 */

#include "base/staging_pool.h"
#include "usb/usb_device.h"

/*
 * Two of the largest commands, and the small blocks beside them. The host's whole usbfs memory is
 * 16 MiB unless it was raised, and all devices share it.
 */
#define USB_MEMORY_BUDGET_DEFAULT (2 * MIB + 64 * KIB)
#define USB_MEMORY_ZERO_COPY_BLOCKS_MAX 64
#define USB_MEMORY_HEAP_CACHED_MAX (4 * MIB)
/* How many requests go to the heap after the host refused zero-copy memory. */
#define USB_MEMORY_REFUSED_REQUESTS 64

typedef struct UsbMemoryPool UsbMemoryPool;

typedef struct UsbMemoryStats {
        size_t zero_copy_size; /* held, in use or not; never above the budget */
        size_t heap_size;      /* in use */
        size_t heap_cached_size;
        uint64_t n_refusals; /* of the host's */
} UsbMemoryStats;

/* `device` is borrowed, and its memory operations are. -ENOMEM. */
int usb_memory_pool_new(UsbMemoryPool **ret, UsbDevice *device);
/* Asserts that every block was given back. Takes NULL, returns NULL. */
UsbMemoryPool *usb_memory_pool_free(UsbMemoryPool *pool);
DEFINE_CLEANUP(UsbMemoryPool *, usb_memory_pool_free);

void usb_memory_pool_set_budget(UsbMemoryPool *pool, size_t budget);
/* At least `size` bytes, aligned to 4096, or NULL. */
void *usb_memory_pool_get(UsbMemoryPool *pool, size_t size);
void usb_memory_pool_put(UsbMemoryPool *pool, void *memory, size_t size);
/* The host has no memory left: gives unused zero-copy memory back to it; whether there was any. */
bool usb_memory_pool_shrink(UsbMemoryPool *pool);
void usb_memory_pool_get_stats(const UsbMemoryPool *pool, UsbMemoryStats *ret_stats);
