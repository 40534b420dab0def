/*
 * The wrappers around a CachePolicy's vtable: each crossing is asserted here, on the way in and on
 * the way out. Whether a slot has a line, each implementation knows and asserts itself.
 */

#include "cache/cache_policy.h"
#include "cache/cache_policy_kinds.h"

/* The heads of lists are numbered behind the slots. */
#define N_SLOTS_MAX (UINT32_MAX - 16)

int cache_policy_new(CachePolicy **ret, CachePolicyKind kind, uint32_t n_slots) {
        assert(ret);
        assert(n_slots > 0 && n_slots <= N_SLOTS_MAX);

        switch (kind) {
        case CACHE_POLICY_KIND_LRU:
                return cache_policy_lru_new(ret, n_slots);
        case CACHE_POLICY_KIND_S3FIFO:
                return cache_policy_s3fifo_new(ret, n_slots);
        case _CACHE_POLICY_KIND_MAX:
                break;
        }
        assert_not_reached();
}

CachePolicy *cache_policy_free(CachePolicy *policy) {
        if (policy)
                policy->ops->free(policy);
        return NULL;
}

void cache_policy_insert(CachePolicy *policy, uint32_t slot, uint64_t key) {
        assert(policy && policy->ops->insert);
        assert(slot < policy->n_slots);

        policy->ops->insert(policy, slot, key);
}

void cache_policy_touch(CachePolicy *policy, uint32_t slot) {
        assert(policy && policy->ops->touch);
        assert(slot < policy->n_slots);

        policy->ops->touch(policy, slot);
}

void cache_policy_remove(CachePolicy *policy, uint32_t slot, bool is_evicted) {
        assert(policy && policy->ops->remove);
        assert(slot < policy->n_slots);

        policy->ops->remove(policy, slot, is_evicted);
}

uint32_t cache_policy_get_victim(CachePolicy *policy, CachePolicyMayEvict may_evict,
                                 void *userdata) {
        uint32_t slot;

        assert(policy && policy->ops->victim);
        assert(may_evict);

        slot = policy->ops->victim(policy, may_evict, userdata);
        assert(slot == CACHE_POLICY_NONE || (slot < policy->n_slots && may_evict(slot, userdata)));
        return slot;
}
