/*
 * Least recently used: one list from the oldest to the youngest. What may not be evicted is moved to
 * the young end when it is met, so that it is not met again before all others.
 */

#include <errno.h>

#include "cache/cache_policy_kinds.h"
#include "cache/cache_slot_list.h"

typedef struct CachePolicyLru {
        CachePolicy policy;
        uint32_t n_used;
        CacheSlotLink links[]; /* the head is numbered n_slots */
} CachePolicyLru;

static CachePolicyLru *lru_of(CachePolicy *policy) {
        return container_of(policy, CachePolicyLru, policy);
}

static void lru_insert(CachePolicy *policy, uint32_t slot, uint64_t key) {
        CachePolicyLru *lru = lru_of(policy);

        cache_slot_list_append(lru->links, policy->n_slots, slot);
        lru->n_used++;
}

static void lru_touch(CachePolicy *policy, uint32_t slot) {
        CachePolicyLru *lru = lru_of(policy);

        assert(!cache_slot_list_is_empty(lru->links, slot));
        cache_slot_list_unlink(lru->links, slot);
        cache_slot_list_append(lru->links, policy->n_slots, slot);
}

static void lru_remove(CachePolicy *policy, uint32_t slot, bool is_evicted) {
        CachePolicyLru *lru = lru_of(policy);

        assert(!cache_slot_list_is_empty(lru->links, slot));
        cache_slot_list_unlink(lru->links, slot);
        lru->n_used--;
}

/* One round at most. */
static uint32_t lru_victim(CachePolicy *policy, CachePolicyMayEvict may_evict, void *userdata) {
        CachePolicyLru *lru = lru_of(policy);

        for (uint32_t i = 0; i < lru->n_used; i++) {
                uint32_t slot = cache_slot_list_first(lru->links, policy->n_slots);

                if (may_evict(slot, userdata))
                        return slot;
                lru_touch(policy, slot);
        }
        return CACHE_POLICY_NONE;
}

static void lru_free(CachePolicy *policy) { free(lru_of(policy)); }

static const CachePolicyOps lru_ops = {
        .insert = lru_insert,
        .touch = lru_touch,
        .remove = lru_remove,
        .victim = lru_victim,
        .free = lru_free,
};

int cache_policy_lru_new(CachePolicy **ret, uint32_t n_slots) {
        uint32_t n_links = n_slots + 1;
        CachePolicyLru *lru = calloc(1, sizeof(*lru) + n_links * sizeof(lru->links[0]));

        if (!lru)
                return -ENOMEM;
        lru->policy = (CachePolicy){ .ops = &lru_ops, .n_slots = n_slots };
        cache_slot_list_init(lru->links, n_links);
        *ret = &lru->policy;
        return 0;
}
