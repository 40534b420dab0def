#pragma once

/*
 * CacheEntry
 *
 * What is known of the line in one slot: which of its blocks are there, and how far each is on its
 * way to the medium. A block is clean (valid alone), dirty, writing, or unsynced; it may be dirty
 * and one of the latter two at once, when it was changed again. Those that are not clean are kept
 * in the arena. Private to cache.
 */

#include <bsd/sys/tree.h>
#include <stdalign.h>

#include "base/list.h"
#include "cache/cache_bits.h"

typedef struct CacheEntry CacheEntry;
typedef struct CacheVolume CacheVolume;

/* What a hit looks at comes first, and lies in one line of the processor's cache. */
struct CacheEntry {
        alignas(64) uint64_t line; /* of the LUN: its offset divided by the line size */
        CacheVolume *volume;       /* borrowed; NULL: the slot is free */
        CacheBits valid;           /* the bytes are the LUN's */
        CacheBits ahead;           /* read before anybody asked */
        uint32_t next_index;       /* of the hash chain or the list of free slots */
        uint32_t n_pins;           /* who needs the slot to stay that line's */
        uint8_t lun;
        uint8_t stream;     /* that read it ahead */
        uint8_t n_failures; /* to write it: each makes the next try shorter */
        bool is_in_tree;    /* CacheVolume::dirty_by_line, with `dirty_node` in ::dirty */

        CacheBits dirty;    /* changed, and not yet on their way to the device */
        CacheBits writing;  /* on their way */
        CacheBits unsynced; /* the device has them, the medium maybe not */
        CacheBits lost;     /* were acknowledged, but a predecessor left them corrupt; not valid */
        CacheBits bad;      /* of those dirty: could not be written, each alone */
        CacheBits filling;  /* a fill is on its way for them */
        CacheBits stale;    /* of these: were written or dropped since, the fill must not touch */

        uint64_t dirty_sequence; /* CacheVolume::write_sequence of the oldest that is dirty */
        uint64_t dirty_since_ns; /* likewise */
        uint64_t unsynced_epoch; /* CacheVolume::sync_epoch of the latest that is unsynced */
        int error;               /* why it could not be written */

        ListNode waiters;       /* CacheRequest::node: until a fill has ended */
        ListNode dirty_node;    /* CacheVolume::dirty by age, or CacheVolume::failed */
        ListNode unsynced_node; /* CacheVolume::unsynced */
        RB_ENTRY(CacheEntry) dirty_tree;
};

/* Blocks that a successor needs to know of. */
static inline CacheBits cache_entry_get_kept(const CacheEntry *entry) {
        return cache_bits_or(cache_bits_or(entry->dirty, entry->writing),
                             cache_bits_or(entry->unsynced, entry->lost));
}

static inline bool cache_entry_is_kept(const CacheEntry *entry) {
        return !cache_bits_is_empty(cache_entry_get_kept(entry));
}

static inline bool cache_entry_may_evict(const CacheEntry *entry) {
        return entry->n_pins == 0 && !cache_entry_is_kept(entry);
}
