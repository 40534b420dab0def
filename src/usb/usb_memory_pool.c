/*
 * Zero-copy blocks are described apart from themselves, in a fixed table: they are few, and memory
 * that a host controller sees is not written to for bookkeeping. Whether a block that comes back is of one kind or the other is decided by its address.
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
        size_t zero_copy_size;
        unsigned n_requests_refused; /* still to go to the heap */
        uint64_t n_refusals;
        UsbMemoryBlock blocks[USB_MEMORY_ZERO_COPY_BLOCKS_MAX];
        StagingPool heap;
};

static void block_release(UsbMemoryPool *pool, UsbMemoryBlock *block) {
        size_t size = staging_pool_order_size(block->order);

        assert(block->memory);
        assert(!block->is_taken);
        assert(pool->zero_copy_size >= size);
        pool->device->ops->memory_free(pool->device, block->memory, size);
        pool->zero_copy_size -= size;
        *block = (UsbMemoryBlock){ 0 };
}

/* Releases unused blocks until `size` more bytes are within the budget; whether they are. */
static bool make_room(UsbMemoryPool *pool, size_t size) {
        if (size > pool->budget)
                return false;
        for (size_t i = 0; i < N_ELEMENTS(pool->blocks); i++) {
                if (pool->zero_copy_size + size <= pool->budget)
                        break;
                if (pool->blocks[i].memory && !pool->blocks[i].is_taken)
                        block_release(pool, &pool->blocks[i]);
        }
        return pool->zero_copy_size + size <= pool->budget;
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
        size_t size = staging_pool_order_size(order);
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
                pool->n_refusals++;
                pool->n_requests_refused = USB_MEMORY_REFUSED_REQUESTS;
                return NULL;
        }
        assert((uintptr_t) memory % STAGING_POOL_BLOCK_SIZE_MIN == 0);
        *block = (UsbMemoryBlock){ .memory = memory, .order = order };
        pool->zero_copy_size += size;
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

void *usb_memory_pool_get(UsbMemoryPool *pool, size_t size) {
        unsigned order = staging_pool_order_of(size);
        void *memory = NULL;

        if (order < STAGING_POOL_ORDERS)
                memory = get_zero_copy(pool, order);
        return memory ?: staging_get(&pool->heap.staging, size);
}

void usb_memory_pool_put(UsbMemoryPool *pool, void *memory, size_t size) {
        unsigned order = staging_pool_order_of(size);
        UsbMemoryBlock *block;

        assert(memory);
        block = find_block(pool, memory);
        if (!block) {
                staging_put(&pool->heap.staging, memory, size);
                return;
        }
        assert(block->is_taken);
        assert(block->order == order);
        block->is_taken = false;
        if (pool->zero_copy_size > pool->budget || pool->device->is_gone)
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
        pool->n_refusals++;
        pool->n_requests_refused = USB_MEMORY_REFUSED_REQUESTS;
        return has_released;
}

void usb_memory_pool_set_budget(UsbMemoryPool *pool, size_t budget) {
        pool->budget = budget > 0 ? budget : USB_MEMORY_BUDGET_DEFAULT;
        (void) make_room(pool, 0);
}

void usb_memory_pool_get_stats(const UsbMemoryPool *pool, UsbMemoryStats *ret_stats) {
        *ret_stats = (UsbMemoryStats){
                .zero_copy_size = pool->zero_copy_size,
                .heap_size = pool->heap.taken_size,
                .heap_cached_size = pool->heap.kept_size,
                .n_refusals = pool->n_refusals,
        };
}

UsbMemoryPool *usb_memory_pool_free(UsbMemoryPool *pool) {
        if (!pool)
                return NULL;

        (void) usb_memory_pool_shrink(pool);
        assert(pool->zero_copy_size == 0);
        staging_pool_done(&pool->heap);
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
        staging_pool_init(&pool->heap, USB_MEMORY_HEAP_CACHED_MAX);
        *ret = pool;
        return 0;
}
