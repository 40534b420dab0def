/*
 * Zero-copy blocks are described apart from themselves, in a fixed table: they are few, and memory
 * that a host controller sees is not written to for bookkeeping. A freed heap block carries its own
 * list node. Whether a block that comes back is of one kind or the other is decided by its address.
 */

#include <errno.h>

#include "usb/usb_memory_pool.h"

typedef struct UsbMemoryBlock {
        void *memory; /* owned; NULL: the slot is unused */
        unsigned order;
        bool is_taken;
} UsbMemoryBlock;

struct UsbMemoryPool {
        UsbDevice *device; /* borrowed */
        size_t budget;
        UsbMemoryStats stats;
        unsigned n_requests_refused; /* still to go to the heap */
        UsbMemoryBlock blocks[USB_MEMORY_ZERO_COPY_BLOCKS_MAX];
        ListNode heap_cached[USB_MEMORY_ORDERS]; /* at the start of the block itself */
};

static_assert(USB_MEMORY_BLOCK_SIZE_MIN << (USB_MEMORY_ORDERS - 1) == USB_MEMORY_BLOCK_SIZE_MAX,
              "the highest order is the largest block");

static size_t order_size(unsigned order) {
        assert(order < USB_MEMORY_ORDERS);
        return USB_MEMORY_BLOCK_SIZE_MIN << order;
}

/* USB_MEMORY_ORDERS: too large for any. */
static unsigned order_of(size_t size) {
        unsigned order = 0;

        while (order < USB_MEMORY_ORDERS && order_size(order) < size)
                order++;
        return order;
}

static void block_release(UsbMemoryPool *pool, UsbMemoryBlock *block) {
        size_t size = order_size(block->order);

        assert(block->memory);
        assert(!block->is_taken);
        assert(pool->stats.zero_copy_size >= size);
        pool->device->ops->memory_free(pool->device, block->memory, size);
        pool->stats.zero_copy_size -= size;
        *block = (UsbMemoryBlock){ 0 };
}

/* Releases unused blocks until `size` more bytes are within the budget; whether they are. */
static bool make_room(UsbMemoryPool *pool, size_t size) {
        if (size > pool->budget)
                return false;
        for (size_t i = 0; i < N_ELEMENTS(pool->blocks); i++) {
                if (pool->stats.zero_copy_size + size <= pool->budget)
                        break;
                if (pool->blocks[i].memory && !pool->blocks[i].is_taken)
                        block_release(pool, &pool->blocks[i]);
        }
        return pool->stats.zero_copy_size + size <= pool->budget;
}

static UsbMemoryBlock *find_block(UsbMemoryPool *pool, const void *memory) {
        for (size_t i = 0; i < N_ELEMENTS(pool->blocks); i++)
                if (pool->blocks[i].memory == memory)
                        return &pool->blocks[i];
        return NULL;
}

static UsbMemoryBlock *find_unused_block(UsbMemoryPool *pool, unsigned order) {
        for (size_t i = 0; i < N_ELEMENTS(pool->blocks); i++) {
                UsbMemoryBlock *block = &pool->blocks[i];

                if (block->memory && !block->is_taken && block->order == order)
                        return block;
        }
        return NULL;
}

/* A refusal costs a system call, so the host is not asked again at once. */
static UsbMemoryBlock *new_block(UsbMemoryPool *pool, unsigned order) {
        UsbMemoryBlock *block = find_block(pool, NULL);
        size_t size = order_size(order);
        void *memory;

        if (!pool->device->ops->memory_new || !block || pool->device->is_gone)
                return NULL;
        if (pool->n_requests_refused > 0) {
                pool->n_requests_refused--;
                return NULL;
        }
        if (!make_room(pool, size))
                return NULL;
        memory = pool->device->ops->memory_new(pool->device, size);
        if (!memory) {
                pool->n_requests_refused = USB_MEMORY_REFUSED_REQUESTS;
                return NULL;
        }
        assert((uintptr_t) memory % USB_MEMORY_BLOCK_SIZE_MIN == 0);
        *block = (UsbMemoryBlock){ .memory = memory, .order = order };
        pool->stats.zero_copy_size += size;
        return block;
}

static void *get_zero_copy(UsbMemoryPool *pool, unsigned order) {
        UsbMemoryBlock *block = find_unused_block(pool, order);

        if (!block)
                block = new_block(pool, order);
        if (!block)
                return NULL;
        block->is_taken = true;
        return block->memory;
}

static void *get_heap(UsbMemoryPool *pool, unsigned order, size_t size) {
        void *memory = NULL;

        if (order < USB_MEMORY_ORDERS) {
                size = order_size(order);
                memory = list_take_first(&pool->heap_cached[order]);
        }
        if (memory)
                pool->stats.heap_cached_size -= size;
        else
                memory = aligned_alloc(USB_MEMORY_BLOCK_SIZE_MIN,
                                       ALIGN_UP(size, USB_MEMORY_BLOCK_SIZE_MIN));
        if (memory)
                pool->stats.heap_size += size;
        return memory;
}

static void put_heap(UsbMemoryPool *pool, unsigned order, void *memory, size_t size) {
        ListNode *node = memory;

        if (order < USB_MEMORY_ORDERS)
                size = order_size(order);
        assert(pool->stats.heap_size >= size);
        pool->stats.heap_size -= size;
        if (order == USB_MEMORY_ORDERS ||
            pool->stats.heap_cached_size + size > USB_MEMORY_HEAP_CACHED_MAX) {
                free(memory);
                return;
        }
        list_init(node);
        list_prepend(&pool->heap_cached[order], node);
        pool->stats.heap_cached_size += size;
}

void *usb_memory_pool_get(UsbMemoryPool *pool, size_t size) {
        unsigned order = order_of(size);
        void *memory = NULL;

        if (order < USB_MEMORY_ORDERS)
                memory = get_zero_copy(pool, order);
        return memory ?: get_heap(pool, order, size);
}

void usb_memory_pool_put(UsbMemoryPool *pool, void *memory, size_t size) {
        unsigned order = order_of(size);
        UsbMemoryBlock *block;

        assert(memory);
        block = find_block(pool, memory);
        if (!block) {
                put_heap(pool, order, memory, size);
                return;
        }
        assert(block->is_taken);
        assert(block->order == order);
        block->is_taken = false;
        if (pool->stats.zero_copy_size > pool->budget || pool->device->is_gone)
                block_release(pool, block);
}

bool usb_memory_pool_shrink(UsbMemoryPool *pool) {
        bool has_released = false;

        for (size_t i = 0; i < N_ELEMENTS(pool->blocks); i++) {
                UsbMemoryBlock *block = &pool->blocks[i];

                if (!block->memory || block->is_taken)
                        continue;
                block_release(pool, block);
                has_released = true;
        }
        pool->n_requests_refused = USB_MEMORY_REFUSED_REQUESTS;
        return has_released;
}

void usb_memory_pool_set_budget(UsbMemoryPool *pool, size_t budget) {
        pool->budget = budget > 0 ? budget : USB_MEMORY_BUDGET_DEFAULT;
        (void) make_room(pool, 0);
}

void usb_memory_pool_get_stats(const UsbMemoryPool *pool, UsbMemoryStats *ret_stats) {
        *ret_stats = pool->stats;
}

UsbMemoryPool *usb_memory_pool_free(UsbMemoryPool *pool) {
        if (!pool)
                return NULL;

        assert(pool->stats.heap_size == 0);
        (void) usb_memory_pool_shrink(pool);
        assert(pool->stats.zero_copy_size == 0);
        for (unsigned order = 0; order < USB_MEMORY_ORDERS; order++)
                while (!list_is_empty(&pool->heap_cached[order]))
                        free(list_take_first(&pool->heap_cached[order]));
        free(pool);
        return NULL;
}

int usb_memory_pool_new(UsbMemoryPool **ret, UsbDevice *device) {
        UsbMemoryPool *pool;

        pool = calloc(1, sizeof(*pool));
        if (!pool)
                return -ENOMEM;
        pool->device = device;
        pool->budget = USB_MEMORY_BUDGET_DEFAULT;
        for (unsigned order = 0; order < USB_MEMORY_ORDERS; order++)
                list_init(&pool->heap_cached[order]);
        *ret = pool;
        return 0;
}
