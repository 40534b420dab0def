#pragma once

/*
 * CacheSlotLink
 *
 * Doubly linked lists of slots by their numbers: an array with a link for each slot, and behind
 * these one for the head of each list. As with ListNode, who is in no list points at itself.
 * Private to cache.
 */

#include "base/macros.h"

typedef struct CacheSlotLink {
        uint32_t previous;
        uint32_t next;
} CacheSlotLink;

/* For all links, slots' and heads'. */
static inline void cache_slot_list_init(CacheSlotLink *links, uint32_t n_links) {
        for (uint32_t i = 0; i < n_links; i++)
                links[i] = (CacheSlotLink){ .previous = i, .next = i };
}

/* For a head: holds nothing. For a slot: is in no list. */
static inline bool cache_slot_list_is_empty(const CacheSlotLink *links, uint32_t index) {
        return links[index].next == index;
}

static inline uint32_t cache_slot_list_first(const CacheSlotLink *links, uint32_t head) {
        assert(!cache_slot_list_is_empty(links, head));
        return links[head].next;
}

static inline void cache_slot_list_append(CacheSlotLink *links, uint32_t head, uint32_t slot) {
        uint32_t last = links[head].previous;

        assert(cache_slot_list_is_empty(links, slot));
        links[slot] = (CacheSlotLink){ .previous = last, .next = head };
        links[last].next = slot;
        links[head].previous = slot;
}

static inline void cache_slot_list_unlink(CacheSlotLink *links, uint32_t slot) {
        CacheSlotLink link = links[slot];

        links[link.previous].next = link.next;
        links[link.next].previous = link.previous;
        links[slot] = (CacheSlotLink){ .previous = slot, .next = slot };
}
