#pragma once

/*
 * CacheVolume, its inside
 *
 * What the files that make up a volume share. Requests (cache_request) go through the states below;
 * fills (cache_fill) bring blocks from the device; the writer (cache_writer) brings them back and is
 * the only one that changes how far a block is on its way to the medium. Private to cache.
 */

#include "block/block_range_lock.h"
#include "cache/cache_ghost.h"
#include "cache/cache_request.h"
#include "cache/cache_stream.h"
#include "cache/cache_table.h"
#include "cache/cache_volume.h"

#define CACHE_REQUESTS_MAX 4096
#define CACHE_REQUESTS_PER_SLAB 64
#define CACHE_SLABS_MAX (CACHE_REQUESTS_MAX / CACHE_REQUESTS_PER_SLAB)
/* Fills in flight for one volume, and how many of them may be ahead of their readers. */
#define CACHE_FILLS_MAX 32
#define CACHE_FILLS_AHEAD_MAX 2
/* Writes back in flight for one volume, and how large each may be. */
#define CACHE_RUNS_MAX 4
#define CACHE_RUNS_BESIDE_READS_MAX 2
#define CACHE_RUN_SIZE_MAX (1 * MIB)
typedef struct CacheFill {
        BlockRequest block;
        struct iovec segment;
        CacheVolume *volume; /* borrowed */
        void *buffer;        /* owned: staging memory of the device below */
        bool is_ahead;
        uint8_t stream; /* of the reader, or CACHE_STREAM_NONE */
        ListNode node;  /* CacheVolume::fills or ::free_fills */
} CacheFill;

typedef struct CacheRun {
        BlockRequest block;
        struct iovec segment;
        CacheVolume *volume;     /* borrowed */
        void *buffer;            /* owned: staging memory of the device below */
        uint64_t sequence;       /* the oldest write in it */
        uint64_t dirty_since_ns; /* likewise */
        uint64_t n_resets;       /* CacheVolume::n_resets when it was submitted */
        uint64_t started_ns;
        ListNode node; /* CacheVolume::runs or ::free_runs */
} CacheRun;

typedef RB_HEAD(CacheDirtyTree, CacheEntry) CacheDirtyTree;

struct CacheVolume {
        BlockDevice device;
        CacheManager *manager; /* borrowed */
        CacheTable *table;     /* borrowed: the manager's */
        char *name;            /* owned */
        unsigned lun;
        uint32_t line_size;
        uint32_t block_size;
        BlockDevice *lower;     /* borrowed; NULL: parked */
        Staging *lower_staging; /* borrowed: its memory, as long as n_below > 0 */
        bool is_below_gone;     /* the device below accepts nothing any more */
        bool is_away;           /* until `lower` is set again, deadlines do not count */
        size_t n_below;         /* requests that the device below has */
        bool is_shut_down;
        bool is_held;  /* nothing but FLUSHes is begun */
        ListNode node; /* CacheManager::volumes */

        /* Requests */
        CacheRequest *slabs[CACHE_SLABS_MAX]; /* owned arrays */
        size_t n_slabs;
        ListNode requests[_CACHE_REQUEST_STATE_MAX]; /* CacheRequest::node */
        ListNode active;                             /* CacheRequest::active_node */
        BlockRangeLock lock;                         /* of bytes */
        EventDefer defer;
        EventTimer deadline_timer;
        EventTimer throttle_timer;
        uint64_t throttle_ns; /* the next throttled write may go on */

        /* Fills */
        CacheFill fill_pool[CACHE_FILLS_MAX];
        ListNode free_fills; /* CacheFill::node */
        ListNode fills;      /* likewise */
        size_t n_fills;
        size_t n_fills_ahead;
        size_t n_fills_single; /* of readers that are no stream */
        uint32_t n_loaned;     /* slots */
        uint64_t touched_line; /* the latest: a pass through it counts once */

        /* Reading ahead */
        CacheStreams *streams;                      /* owned; NULL: it is not done */
        CacheStreamAdvice ahead[CACHE_STREAMS_MAX]; /* what of each stream is still to be read */

        /* READs past the cache */
        size_t n_reads;        /* READs in `active` */
        uint64_t last_read_ns; /* when the latest of them ended */
        size_t n_direct;       /* their `lower`s that the device below has */
        uint64_t direct_end;   /* of the latest one that was sent, or gathered */
        CacheGhost passed;     /* lines that were read so */

        /* Writing back */
        CacheRun run_pool[CACHE_RUNS_MAX];
        ListNode free_runs; /* CacheRun::node */
        ListNode runs;      /* likewise */
        size_t n_runs;
        CacheDirtyTree dirty_by_line; /* CacheEntry::dirty_tree: what can be written */
        ListNode dirty;               /* CacheEntry::dirty_node: the same, the oldest first */
        ListNode failed;              /* CacheEntry::dirty_node: what could not be written */
        ListNode unsynced;            /* CacheEntry::unsynced_node, by epoch */
        uint64_t elevator_line;       /* writing back goes on there */
        uint64_t write_sequence;      /* of the latest write */
        uint64_t n_resets;            /* of the device: what it had not synced then is lost */
        BlockRequest sync;            /* the FLUSH below */
        bool is_syncing;
        bool has_sync_failed;
        uint64_t sync_epoch;       /* counts them */
        uint64_t synced_epoch;     /* of the last one that succeeded */
        uint64_t trim_epoch;       /* a later one synchronises the last TRIM; 0: there was none */
        uint64_t sync_n_resets;    /* `n_resets` when it was sent */
        uint64_t retry_ns;         /* `failed` is tried again on our own then */
        BlockRequest upkeep_block; /* a FLUSH of our own */
        bool has_upkeep;           /* and it is in flight */
        uint64_t upkeep_pause_ns;  /* not before */
        EventTimer upkeep_timer;
        CacheSample taking; /* a range being sampled; size 0: none, or it was overwritten */
};

static inline CacheVolume *cache_volume_get_inside(BlockDevice *device) {
        return container_of(device, CacheVolume, device);
}

/* Works on all that can go on; the end of every event. */
void cache_volume_run(CacheVolume *volume);
/* The same, soon, from the loop. */
void cache_volume_run_later(CacheVolume *volume);
/* Blocks of the line at `offset` that the bytes from there to `end` touch. */
CacheBits cache_volume_blocks(const CacheVolume *volume, uint64_t offset, uint64_t end);
/* A request ends by then: the timer is set if it is not early enough. */
void cache_volume_watch_deadline(CacheVolume *volume, uint64_t deadline_ns);
CacheEntry *cache_volume_find(const CacheVolume *volume, uint64_t offset);
/* The line was wanted. */
void cache_volume_touch(CacheVolume *volume, const CacheEntry *entry);
/* NULL: no slot can be had now. */
CacheEntry *cache_volume_get(CacheVolume *volume, uint64_t offset);

/* Requests to the device below: whether it takes any, -errno (counted), and that one came back. */
bool cache_volume_may_submit(const CacheVolume *volume);
int cache_volume_submit_below(CacheVolume *volume, BlockRequest *request);
void cache_volume_returned(CacheVolume *volume, int error);
uint64_t cache_volume_get_lower_deadline_ns(const CacheVolume *volume);

static inline uint64_t cache_volume_line_start(const CacheVolume *volume, uint64_t offset) {
        return ALIGN_DOWN(offset, (uint64_t) volume->line_size);
}

static inline uint64_t cache_volume_line_end(const CacheVolume *volume, uint64_t offset) {
        return cache_volume_line_start(volume, offset) + volume->line_size;
}
