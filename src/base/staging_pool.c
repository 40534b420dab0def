/* A kept block carries its own list node. */

#include "base/staging_pool.h"

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

static void *pool_get(Staging *staging, size_t size) {
        StagingPool *pool = container_of(staging, StagingPool, staging);
        unsigned order = staging_pool_order_of(size);
        void *memory = NULL;

        if (order < STAGING_POOL_ORDERS)
                memory = list_take_first(&pool->kept[order]);
        size = block_size(order, size);
        if (memory)
                pool->kept_size -= size;
        else
                memory = staging_get(staging_heap(), size);
        if (memory)
                pool->taken_size += size;
        return memory;
}

static void pool_put(Staging *staging, void *memory, size_t size) {
        StagingPool *pool = container_of(staging, StagingPool, staging);
        unsigned order = staging_pool_order_of(size);
        ListNode *node = memory;

        size = block_size(order, size);
        assert(pool->taken_size >= size);
        pool->taken_size -= size;
        if (order == STAGING_POOL_ORDERS || pool->kept_size + size > pool->kept_size_max) {
                staging_put(staging_heap(), memory, size);
                return;
        }
        list_init(node);
        list_prepend(&pool->kept[order], node);
        pool->kept_size += size;
}

static const StagingOps pool_ops = {
        .get = pool_get,
        .put = pool_put,
};

void staging_pool_done(StagingPool *pool) {
        assert(pool->taken_size == 0);
        for (unsigned order = 0; order < STAGING_POOL_ORDERS; order++)
                while (!list_is_empty(&pool->kept[order]))
                        staging_put(staging_heap(), list_take_first(&pool->kept[order]),
                                    staging_pool_order_size(order));
}

void staging_pool_init(StagingPool *pool, size_t kept_size_max) {
        *pool = (StagingPool){
                .staging = { .ops = &pool_ops },
                .kept_size_max = kept_size_max,
        };
        for (unsigned order = 0; order < STAGING_POOL_ORDERS; order++)
                list_init(&pool->kept[order]);
}
