/*
 * S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): a small queue
 * on probation, a main queue, and the ghosts of what left the small one. A hit only counts, up to
 * three; what the count is worth is decided when the line has come to the end of its queue:
 *
 *     small: wanted more than once: to main, the count begins anew; else evicted, its ghost stays
 *     main:  count > 0: round again, with one less; else evicted
 *
 * A line whose ghost is still there when it comes back goes to main at once. Shares are of the slots
 * in use, as the cache may be smaller than what was made room for.
 */

#include <errno.h>

#include "cache/cache_ghost.h"
#include "cache/cache_policy_kinds.h"
#include "cache/cache_slot_list.h"

#define SMALL_SHARE 10 /* one in so many slots */
#define FREQUENCY_MAX 3
#define FREQUENCY_FOR_MAIN 2

typedef enum S3fifoQueue {
        S3FIFO_QUEUE_NONE, /* the slot has no line */
        S3FIFO_QUEUE_SMALL,
        S3FIFO_QUEUE_MAIN,
        _S3FIFO_QUEUE_MAX,
} S3fifoQueue;

/* Apart from the links, so that a hit touches this alone. */
typedef struct S3fifoSlot {
        uint32_t hash;
        uint8_t queue; /* S3fifoQueue */
        uint8_t frequency;
} S3fifoSlot;

typedef struct CachePolicyS3fifo {
        CachePolicy policy;
        CacheSlotLink *links; /* owned; heads are numbered n_slots + S3fifoQueue */
        S3fifoSlot *slots;    /* owned */
        uint32_t n_queued[_S3FIFO_QUEUE_MAX];
        CacheGhost ghost;
} CachePolicyS3fifo;

static CachePolicyS3fifo *s3fifo_of(CachePolicy *policy) {
        return container_of(policy, CachePolicyS3fifo, policy);
}

static uint32_t count_used(const CachePolicyS3fifo *s3fifo) {
        return s3fifo->n_queued[S3FIFO_QUEUE_SMALL] + s3fifo->n_queued[S3FIFO_QUEUE_MAIN];
}

static uint32_t oldest_of(const CachePolicyS3fifo *s3fifo, S3fifoQueue queue) {
        return cache_slot_list_first(s3fifo->links, s3fifo->policy.n_slots + queue);
}

static void enqueue(CachePolicyS3fifo *s3fifo, uint32_t slot, S3fifoQueue queue) {
        assert(s3fifo->slots[slot].queue == S3FIFO_QUEUE_NONE);
        cache_slot_list_append(s3fifo->links, s3fifo->policy.n_slots + queue, slot);
        s3fifo->slots[slot].queue = queue;
        s3fifo->n_queued[queue]++;
}

static void dequeue(CachePolicyS3fifo *s3fifo, uint32_t slot) {
        assert(s3fifo->slots[slot].queue != S3FIFO_QUEUE_NONE);
        cache_slot_list_unlink(s3fifo->links, slot);
        s3fifo->n_queued[s3fifo->slots[slot].queue]--;
        s3fifo->slots[slot].queue = S3FIFO_QUEUE_NONE;
}

/* To the young end. */
static void move(CachePolicyS3fifo *s3fifo, uint32_t slot, S3fifoQueue queue) {
        dequeue(s3fifo, slot);
        enqueue(s3fifo, slot, queue);
}

static void s3fifo_insert(CachePolicy *policy, uint32_t slot, uint64_t key) {
        CachePolicyS3fifo *s3fifo = s3fifo_of(policy);
        uint32_t hash = cache_ghost_hash(key), n_used = count_used(s3fifo) + 1;
        bool is_known = cache_ghost_take(&s3fifo->ghost, hash, n_used - n_used / SMALL_SHARE);

        enqueue(s3fifo, slot, is_known ? S3FIFO_QUEUE_MAIN : S3FIFO_QUEUE_SMALL);
        s3fifo->slots[slot].hash = hash;
        s3fifo->slots[slot].frequency = 0;
}

static void s3fifo_touch(CachePolicy *policy, uint32_t slot) {
        S3fifoSlot *entry = &s3fifo_of(policy)->slots[slot];

        assert(entry->queue != S3FIFO_QUEUE_NONE);
        if (entry->frequency < FREQUENCY_MAX)
                entry->frequency++;
}

static void s3fifo_remove(CachePolicy *policy, uint32_t slot, bool is_evicted) {
        CachePolicyS3fifo *s3fifo = s3fifo_of(policy);
        bool is_in_small = s3fifo->slots[slot].queue == S3FIFO_QUEUE_SMALL;

        dequeue(s3fifo, slot);
        if (is_evicted && is_in_small)
                cache_ghost_put(&s3fifo->ghost, s3fifo->slots[slot].hash);
}

/* Until only `n_kept` are left in the small queue; one round at most. */
static uint32_t victim_of_small(CachePolicyS3fifo *s3fifo, uint32_t n_kept,
                                CachePolicyMayEvict may_evict, void *userdata) {
        const uint32_t *n_queued = &s3fifo->n_queued[S3FIFO_QUEUE_SMALL];

        for (uint32_t i = *n_queued; i > 0 && *n_queued > n_kept; i--) {
                uint32_t slot = oldest_of(s3fifo, S3FIFO_QUEUE_SMALL);

                if (s3fifo->slots[slot].frequency >= FREQUENCY_FOR_MAIN) {
                        s3fifo->slots[slot].frequency = 0;
                        move(s3fifo, slot, S3FIFO_QUEUE_MAIN);
                        continue;
                }
                if (may_evict(slot, userdata))
                        return slot;
                move(s3fifo, slot, S3FIFO_QUEUE_SMALL);
        }
        return CACHE_POLICY_NONE;
}

/* Until a whole round brought nothing, not even a count that was lowered: after FREQUENCY_MAX + 2
 * rounds at the latest. */
static uint32_t victim_of_main(CachePolicyS3fifo *s3fifo, CachePolicyMayEvict may_evict,
                               void *userdata) {
        uint32_t n_passed = 0;

        while (n_passed < s3fifo->n_queued[S3FIFO_QUEUE_MAIN]) {
                uint32_t slot = oldest_of(s3fifo, S3FIFO_QUEUE_MAIN);

                if (s3fifo->slots[slot].frequency > 0) {
                        s3fifo->slots[slot].frequency--;
                        n_passed = 0;
                } else if (may_evict(slot, userdata))
                        return slot;
                else
                        n_passed++;
                move(s3fifo, slot, S3FIFO_QUEUE_MAIN);
        }
        return CACHE_POLICY_NONE;
}

/* When neither queue gives a slot by the rule, the small one must, below its share too. That may
 * move lines to main: so main is asked again. */
static uint32_t s3fifo_victim(CachePolicy *policy, CachePolicyMayEvict may_evict, void *userdata) {
        CachePolicyS3fifo *s3fifo = s3fifo_of(policy);
        const uint32_t n_kept[] = { count_used(s3fifo) / SMALL_SHARE, 0 };
        uint32_t slot = CACHE_POLICY_NONE;

        for (size_t i = 0; i < N_ELEMENTS(n_kept) && slot == CACHE_POLICY_NONE; i++) {
                slot = victim_of_small(s3fifo, n_kept[i], may_evict, userdata);
                if (slot == CACHE_POLICY_NONE)
                        slot = victim_of_main(s3fifo, may_evict, userdata);
        }
        return slot;
}

static void s3fifo_free(CachePolicy *policy) {
        CachePolicyS3fifo *s3fifo = s3fifo_of(policy);

        cache_ghost_done(&s3fifo->ghost);
        free(s3fifo->slots);
        free(s3fifo->links);
        free(s3fifo);
}

static const CachePolicyOps s3fifo_ops = {
        .insert = s3fifo_insert,
        .touch = s3fifo_touch,
        .remove = s3fifo_remove,
        .victim = s3fifo_victim,
        .free = s3fifo_free,
};

int cache_policy_s3fifo_new(CachePolicy **ret, uint32_t n_slots) {
        _cleanup_(cache_policy_freep) CachePolicy *policy = NULL;
        uint32_t n_links = n_slots + _S3FIFO_QUEUE_MAX;
        CachePolicyS3fifo *s3fifo = calloc(1, sizeof(*s3fifo));
        int r;

        if (!s3fifo)
                return -ENOMEM;
        policy = &s3fifo->policy;
        *policy = (CachePolicy){ .ops = &s3fifo_ops, .n_slots = n_slots };
        s3fifo->links = calloc(n_links, sizeof(s3fifo->links[0]));
        s3fifo->slots = calloc(n_slots, sizeof(s3fifo->slots[0]));
        if (!s3fifo->links || !s3fifo->slots)
                return -ENOMEM;
        cache_slot_list_init(s3fifo->links, n_links);
        r = cache_ghost_init(&s3fifo->ghost, n_slots - n_slots / SMALL_SHARE);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(policy);
        return 0;
}
