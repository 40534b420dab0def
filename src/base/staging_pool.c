/*
 * A kept block carries its own list nodes. Takers of one size get the block that was used last, so
 * the oldest is one that nobody needs: it makes room.
 */

#include "base/staging_pool.h"

typedef struct KeptBlock {
        ListNode order_node; /* StagingPool::kept */
        ListNode age_node;   /* StagingPool::kept_by_age */
        unsigned order;
} KeptBlock;

static_assert(STAGING_POOL_BLOCK_SIZE_MIN << (STAGING_POOL_ORDERS - 1) ==
                              STAGING_POOL_BLOCK_SIZE_MAX,
              "the highest order is the largest block");

size_t staging_pool_order_size(unsigned order) {
        assert(order < STAGING_POOL_ORDERS);
        return STAGING_POOL_BLOCK_SIZE_MIN << order;
}

unsigned staging_pool_order_of(size_t size) {
        unsigned order = 0;

        while (order < STAGING_POOL_ORDERS && staging_pool_order_size(order) < size)
                order++;
        return order;
}

static size_t block_size(unsigned order, size_t size) {
        return order < STAGING_POOL_ORDERS ? staging_pool_order_size(order) : size;
}

static KeptBlock *take_kept(StagingPool *pool, KeptBlock *block) {
        list_unlink(&block->order_node);
        list_unlink(&block->age_node);
        pool->kept_size -= staging_pool_order_size(block->order);
        return block;
}

static void *take_kept_of(StagingPool *pool, unsigned order) {
        if (order == STAGING_POOL_ORDERS || list_is_empty(&pool->kept[order]))
                return NULL;
        return take_kept(pool, list_entry(list_first(&pool->kept[order]), KeptBlock, order_node));
}

static void release_oldest(StagingPool *pool) {
        KeptBlock *oldest = list_entry(list_first(&pool->kept_by_age), KeptBlock, age_node);

        staging_put(staging_heap(), take_kept(pool, oldest),
                    staging_pool_order_size(oldest->order));
}

static void *pool_get(Staging *staging, size_t size) {
        StagingPool *pool = container_of(staging, StagingPool, staging);
        unsigned order = staging_pool_order_of(size);
        void *memory;

        size = block_size(order, size);
        memory = take_kept_of(pool, order) ?: staging_get(staging_heap(), size);
        if (memory)
                pool->taken_size += size;
        return memory;
}

static void pool_put(Staging *staging, void *memory, size_t size) {
        StagingPool *pool = container_of(staging, StagingPool, staging);
        unsigned order = staging_pool_order_of(size);
        KeptBlock *block = memory;

        size = block_size(order, size);
        assert(pool->taken_size >= size);
        pool->taken_size -= size;
        if (order == STAGING_POOL_ORDERS || size > pool->kept_size_max) {
                staging_put(staging_heap(), memory, size);
                return;
        }
        while (pool->kept_size + size > pool->kept_size_max)
                release_oldest(pool);
        block->order = order;
        list_init(&block->order_node);
        list_init(&block->age_node);
        list_prepend(&pool->kept[order], &block->order_node);
        list_append(&pool->kept_by_age, &block->age_node);
        pool->kept_size += size;
}

static const StagingOps pool_ops = {
        .get = pool_get,
        .put = pool_put,
};

void staging_pool_done(StagingPool *pool) {
        assert(pool->taken_size == 0);
        while (!list_is_empty(&pool->kept_by_age))
                release_oldest(pool);
}

void staging_pool_init(StagingPool *pool, size_t kept_size_max) {
        *pool = (StagingPool){
                .staging = { .ops = &pool_ops },
                .kept_size_max = kept_size_max,
        };
        list_init(&pool->kept_by_age);
        for (unsigned order = 0; order < STAGING_POOL_ORDERS; order++)
                list_init(&pool->kept[order]);
}
