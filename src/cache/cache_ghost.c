/*
 * A queue without links: each entry carries the number of its put, and is old when enough others
 * were put since. Buckets are half full on average, so that few overflow.
 */

#include <errno.h>

#include "cache/cache_ghost.h"

#define BUCKET_ENTRIES 8
#define BUCKET_LOAD (BUCKET_ENTRIES / 2)

typedef struct CacheGhostEntry {
        uint32_t hash; /* 0: free */
        uint32_t put;
} CacheGhostEntry;

struct CacheGhostBucket {
        CacheGhostEntry entries[BUCKET_ENTRIES];
};

static CacheGhostBucket *bucket_of(const CacheGhost *ghost, uint32_t hash) {
        return &ghost->buckets[(uint64_t) hash * ghost->n_buckets >> 32];
}

static uint32_t age_of(const CacheGhost *ghost, const CacheGhostEntry *entry) {
        return ghost->n_puts - entry->put;
}

int cache_ghost_init(CacheGhost *ghost, uint32_t n_hashes) {
        uint32_t n_buckets = n_hashes / BUCKET_LOAD + 1;
        CacheGhostBucket *buckets = calloc(n_buckets, sizeof(*buckets));

        if (!buckets)
                return -ENOMEM;
        *ghost = (CacheGhost){ .buckets = buckets, .n_buckets = n_buckets };
        return 0;
}

void cache_ghost_done(CacheGhost *ghost) {
        free(ghost->buckets);
        *ghost = (CacheGhost){};
}

/* The finaliser of MurmurHash3: keys are close to each other, hashes must not be. */
uint32_t cache_ghost_hash(uint64_t key) {
        key = (key ^ key >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
        key = (key ^ key >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
        return MAX((uint32_t) (key >> 32), 1U);
}

void cache_ghost_put(CacheGhost *ghost, uint32_t hash) {
        CacheGhostEntry *entries = bucket_of(ghost, hash)->entries, *chosen = &entries[0];

        assert(hash != 0);
        for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
                if (entries[i].hash == 0 || entries[i].hash == hash) {
                        chosen = &entries[i];
                        break;
                }
                if (age_of(ghost, &entries[i]) > age_of(ghost, chosen))
                        chosen = &entries[i];
        }
        *chosen = (CacheGhostEntry){ .hash = hash, .put = ghost->n_puts++ };
}

bool cache_ghost_take(CacheGhost *ghost, uint32_t hash, uint32_t n_hashes) {
        CacheGhostEntry *entries = bucket_of(ghost, hash)->entries;

        for (unsigned i = 0; i < BUCKET_ENTRIES; i++) {
                if (entries[i].hash != hash)
                        continue;
                entries[i].hash = 0;
                return age_of(ghost, &entries[i]) <= n_hashes;
        }
        return false;
}
