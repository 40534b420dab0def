/*
 * All that is derived from the states of blocks is kept here with them: the lists and the tree of
 * what can be written, the sums of what is dirty, and the arena's kept blocks.
 */

#include <bsd/sys/tree.h>

#include "cache/cache_manager_internal.h"
#include "cache/cache_state.h"

static int compare_lines(const CacheEntry *a, const CacheEntry *b) {
        return (a->line > b->line) - (a->line < b->line);
}

RB_GENERATE_INTERNAL(CacheDirtyTree, CacheEntry, dirty_tree, compare_lines, _unused_ static)

static uint64_t size_of(const CacheVolume *volume, CacheBits blocks) {
        return (uint64_t) cache_bits_count(blocks) * volume->block_size;
}

/* All that is left to be written can't be. */
static bool has_given_up(const CacheEntry *entry) {
        return cache_bits_contain(entry->bad, entry->dirty);
}

CacheBits cache_state_can_write(const CacheEntry *entry) {
        return cache_bits_without(entry->dirty, cache_bits_or(entry->writing, entry->bad));
}

/* By the age of the oldest write; most come at the end. */
static void insert_by_sequence(ListNode *head, CacheEntry *entry) {
        ListNode *where = head;

        while (where->previous != head &&
               list_entry(where->previous, CacheEntry, dirty_node)->dirty_sequence >
                               entry->dirty_sequence)
                where = where->previous;
        list_insert_before(where, &entry->dirty_node);
}

static void enlist(CacheVolume *volume, CacheEntry *entry) {
        if (has_given_up(entry)) {
                list_append(&volume->failed, &entry->dirty_node);
                return;
        }
        insert_by_sequence(&volume->dirty, entry);
        RB_INSERT(CacheDirtyTree, &volume->dirty_by_line, entry);
        entry->is_in_tree = true;
}

static void delist(CacheVolume *volume, CacheEntry *entry) {
        list_unlink(&entry->dirty_node);
        if (!entry->is_in_tree)
                return;
        RB_REMOVE(CacheDirtyTree, &volume->dirty_by_line, entry);
        entry->is_in_tree = false;
}

typedef struct BlockStates {
        CacheBits dirty;
        CacheBits writing;
        CacheBits unsynced;
        CacheBits lost;
} BlockStates;

static BlockStates get_states(const CacheEntry *entry) {
        return (BlockStates){
                .dirty = entry->dirty,
                .writing = entry->writing,
                .unsynced = entry->unsynced,
                .lost = entry->lost,
        };
}

static CacheBits to_write(const BlockStates *states) {
        return cache_bits_or(states->dirty, states->writing);
}

/* What a successor would have to write. */
static CacheBits to_keep(const BlockStates *states) {
        return cache_bits_or(to_write(states), states->unsynced);
}

static bool awaits_sync_alone(const BlockStates *states) {
        return !cache_bits_is_empty(states->unsynced) &&
               cache_bits_is_empty(cache_bits_or(to_write(states), states->lost));
}

static void count_states(CacheVolume *volume, const BlockStates *before, const BlockStates *after) {
        /* Modulo 2^64, so that less is added as well. */
        CACHE_COUNT(volume, dirty_size,
                    size_of(volume, to_write(after)) - size_of(volume, to_write(before)));
        CACHE_COUNT(volume, unsynced_size,
                    size_of(volume, after->unsynced) - size_of(volume, before->unsynced));
        volume->table->n_unsynced += awaits_sync_alone(after);
        volume->table->n_unsynced -= awaits_sync_alone(before);
}

/* The one place where these states change. The arena learns what need not be kept any longer. */
static void set_states(CacheVolume *volume, CacheEntry *entry, const BlockStates *after) {
        BlockStates before = get_states(entry);
        bool was_kept = cache_entry_is_kept(entry);
        CacheBits dropped = cache_bits_without(cache_bits_or(to_keep(&before), before.lost),
                                               cache_bits_or(to_keep(after), after->lost));

        count_states(volume, &before, after);
        entry->dirty = after->dirty;
        entry->writing = after->writing;
        entry->unsynced = after->unsynced;
        entry->lost = after->lost;
        entry->bad = cache_bits_and(entry->bad, entry->dirty);
        volume->table->n_kept += cache_entry_is_kept(entry);
        volume->table->n_kept -= was_kept;

        if (!cache_bits_is_empty(dropped))
                cache_arena_drop(volume->table->arena, cache_table_get_slot(volume->table, entry),
                                 dropped);
        if (cache_bits_is_empty(entry->unsynced))
                list_unlink(&entry->unsynced_node);
        if (cache_bits_is_empty(entry->dirty) || has_given_up(entry) == entry->is_in_tree)
                delist(volume, entry);
        if (!cache_bits_is_empty(entry->dirty) && list_is_empty(&entry->dirty_node))
                enlist(volume, entry);
}

static uint64_t now_ns(const CacheVolume *volume) { return event_loop_now_ns(volume->device.loop); }

static void make_dirty(CacheVolume *volume, CacheEntry *entry, BlockStates *states,
                       CacheBits blocks, uint64_t sequence, uint64_t since_ns) {
        if (cache_bits_is_empty(blocks))
                return;
        if (cache_bits_is_empty(entry->dirty) || sequence < entry->dirty_sequence) {
                delist(volume, entry);
                entry->dirty_sequence = sequence;
                entry->dirty_since_ns = since_ns;
        }
        states->dirty = cache_bits_or(states->dirty, blocks);
}

void cache_state_mark_dirty(CacheVolume *volume, CacheEntry *entry, CacheBits blocks) {
        BlockStates states = get_states(entry);

        /* What is new is tried anew. */
        entry->bad = cache_bits_without(entry->bad, blocks);
        make_dirty(volume, entry, &states, blocks, ++volume->write_sequence, now_ns(volume));
        states.lost = cache_bits_without(states.lost, blocks);
        entry->valid = cache_bits_or(entry->valid, blocks);
        entry->ahead = cache_bits_without(entry->ahead, blocks);
        entry->stale = cache_bits_or(entry->stale, cache_bits_and(entry->filling, blocks));
        set_states(volume, entry, &states);
}

void cache_state_mark_lost(CacheVolume *volume, CacheEntry *entry, CacheBits blocks) {
        BlockStates states = get_states(entry);

        states.lost = cache_bits_or(states.lost, blocks);
        set_states(volume, entry, &states);
}

void cache_state_drop(CacheVolume *volume, CacheEntry *entry, CacheBits blocks) {
        BlockStates states = get_states(entry);

        assert(!cache_bits_intersect(states.writing, blocks));
        states.dirty = cache_bits_without(states.dirty, blocks);
        states.unsynced = cache_bits_without(states.unsynced, blocks);
        states.lost = cache_bits_without(states.lost, blocks);
        entry->valid = cache_bits_without(entry->valid, blocks);
        entry->ahead = cache_bits_without(entry->ahead, blocks);
        entry->stale = cache_bits_or(entry->stale, cache_bits_and(entry->filling, blocks));
        set_states(volume, entry, &states);
}

void cache_state_begin_writing(CacheVolume *volume, CacheEntry *entry, CacheBits blocks) {
        BlockStates states = get_states(entry);

        assert(cache_bits_contain(cache_state_can_write(entry), blocks));

        states.dirty = cache_bits_without(states.dirty, blocks);
        states.writing = cache_bits_or(states.writing, blocks);
        entry->n_pins++;
        set_states(volume, entry, &states);
}

/* The next try is in smaller parts, until a block is alone. */
static void count_failure(CacheEntry *entry, CacheBits unwritten, int error) {
        if (error == 0) {
                entry->n_failures = 0;
                return;
        }
        if (cache_bits_is_empty(unwritten))
                return;
        entry->error = error;
        entry->n_failures++;
        if (cache_bits_count(unwritten) > 1)
                return;
        entry->bad = cache_bits_or(entry->bad, unwritten);
        entry->n_failures = 0;
}

void cache_state_end_writing(CacheVolume *volume, CacheEntry *entry, const CacheWritten *written) {
        CacheBits unwritten = cache_bits_without(written->blocks, written->good);
        BlockStates states = get_states(entry);

        states.writing = cache_bits_without(states.writing, written->blocks);
        states.unsynced = cache_bits_or(states.unsynced, written->good);
        entry->n_pins--;
        if (!cache_bits_is_empty(written->good)) {
                entry->unsynced_epoch = volume->sync_epoch;
                list_unlink(&entry->unsynced_node);
                list_append(&volume->unsynced, &entry->unsynced_node);
        }
        count_failure(entry, unwritten, written->error);
        make_dirty(volume, entry, &states, unwritten, written->sequence, written->dirty_since_ns);
        set_states(volume, entry, &states);
}

void cache_state_synchronized(CacheVolume *volume, uint64_t epoch) {
        bool is_off = volume->manager->options.mode == CACHE_MODE_OFF;
        ListNode *node;

        while ((node = list_first(&volume->unsynced))) {
                CacheEntry *entry = list_entry(node, CacheEntry, unsynced_node);
                BlockStates states = get_states(entry);

                if (entry->unsynced_epoch >= epoch)
                        return;
                states.unsynced = (CacheBits){};
                set_states(volume, entry, &states);
                if (is_off && cache_entry_may_evict(entry) && list_is_empty(&entry->waiters))
                        cache_table_release(volume->table, entry);
        }
}

void cache_state_retry(CacheVolume *volume) {
        ListNode *node;

        while ((node = list_first(&volume->failed))) {
                CacheEntry *entry = list_entry(node, CacheEntry, dirty_node);

                entry->bad = (CacheBits){};
                delist(volume, entry);
                enlist(volume, entry);
        }
}

void cache_state_reset(CacheVolume *volume) {
        ListNode *node;

        volume->n_resets++;
        while ((node = list_first(&volume->unsynced))) {
                CacheEntry *entry = list_entry(node, CacheEntry, unsynced_node);
                BlockStates states = get_states(entry);

                make_dirty(volume, entry, &states, states.unsynced, 0, now_ns(volume));
                states.unsynced = (CacheBits){};
                set_states(volume, entry, &states);
        }
}

CacheEntry *cache_state_find_dirty(CacheVolume *volume, uint64_t line) {
        CacheEntry from = { .line = line };

        return RB_NFIND(CacheDirtyTree, &volume->dirty_by_line, &from);
}

CacheEntry *cache_state_next_dirty(CacheEntry *entry) {
        return RB_NEXT(CacheDirtyTree, NULL, entry);
}
