#pragma once

/*
 * CachePolicy
 *
 * Which slot is given to another line when all are taken. Slots are numbers; what a policy needs to
 * know of each it keeps itself. Private to cache.
 */

#include "base/macros.h"
#include "cache/cache_manager.h"

typedef struct CachePolicy CachePolicy;
typedef struct CachePolicyOps CachePolicyOps;

#define CACHE_POLICY_NONE UINT32_MAX /* no slot */

/* Whether a slot can be emptied now (it is neither dirty nor in use). */
typedef bool (*CachePolicyMayEvict)(uint32_t slot, void *userdata);

struct CachePolicyOps {
        /* Mandatory. A free slot got a line; `key` is the line's name, the same whenever it comes
         * back. */
        void (*insert)(CachePolicy *policy, uint32_t slot, uint64_t key);
        /* Mandatory. The line was wanted again. O(1). What belongs together is told once: a reader
         * who passes through a line in several requests wants it once. */
        void (*touch)(CachePolicy *policy, uint32_t slot);
        /* Mandatory. The slot is free again. `is_evicted`: to make room, as victim() said. */
        void (*remove)(CachePolicy *policy, uint32_t slot, bool is_evicted);
        /* Mandatory. The slot to be emptied next, which stays until remove(); CACHE_POLICY_NONE:
         * none may be. Amortised O(1) as long as a good part may be evicted. */
        uint32_t (*victim)(CachePolicy *policy, CachePolicyMayEvict may_evict, void *userdata);
        /* Mandatory. */
        void (*free)(CachePolicy *policy);
};

/* The head of each implementation. */
struct CachePolicy {
        const CachePolicyOps *ops;
        uint32_t n_slots;
};

/* Slots are numbered below `n_slots`; it may be that never so many have a line. Nothing is allocated
 * later. -ENOMEM. */
int cache_policy_new(CachePolicy **ret, CachePolicyKind kind, uint32_t n_slots);
CachePolicy *cache_policy_free(CachePolicy *policy);
DEFINE_CLEANUP(CachePolicy *, cache_policy_free);

void cache_policy_insert(CachePolicy *policy, uint32_t slot, uint64_t key);
void cache_policy_touch(CachePolicy *policy, uint32_t slot);
void cache_policy_remove(CachePolicy *policy, uint32_t slot, bool is_evicted);
uint32_t cache_policy_get_victim(CachePolicy *policy, CachePolicyMayEvict may_evict,
                                 void *userdata);
