/*
 * Writing back. Runs start when somebody waits for them (a FLUSH, a write-through, a slot), when
 * much is dirty, or for upkeep: an internal FLUSH when something is old or nobody wants anything.
 * They go through the dirty lines like an elevator.
 *
 * A run that fails is tried again in smaller parts until what can't be written is alone; that stays
 * dirty, fails each FLUSH (which tries it again), and otherwise waits a while.
 */

#include <bsd/sys/tree.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_writer.h"

/* Nobody has asked for anything for so long: what is dirty is written. */
#define IDLE_NS (500 * NS_PER_MS)
/* What could not be written is tried again on our own after this. */
#define RETRY_NS (30 * NS_PER_S)
/* Upkeep that failed is not tried again before. */
#define UPKEEP_PAUSE_NS (5 * NS_PER_S)
/* Lines that one look for the next run passes over at most. */
#define LOOK_MAX 256

static int compare_lines(const CacheEntry *a, const CacheEntry *b) {
        return (a->line > b->line) - (a->line < b->line);
}

RB_GENERATE_INTERNAL(CacheDirtyTree, CacheEntry, dirty_tree, compare_lines, _unused_ static)

/* State */

static uint64_t size_of(const CacheVolume *volume, CacheBits blocks) {
        return (uint64_t) cache_bits_count(blocks) * volume->block_size;
}

/* All that is left to be written can't be. */
static bool has_given_up(const CacheEntry *entry) {
        return cache_bits_contain(entry->bad, entry->dirty);
}

/* What a run may take. */
static CacheBits can_write(const CacheEntry *entry) {
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

static void count_states(CacheVolume *volume, const BlockStates *before, const BlockStates *after) {
        CacheStatistics *statistics = &volume->manager->statistics;

        statistics->dirty_size += size_of(volume, to_write(after));
        statistics->dirty_size -= size_of(volume, to_write(before));
        statistics->unsynced_size += size_of(volume, after->unsynced);
        statistics->unsynced_size -= size_of(volume, before->unsynced);
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

void cache_writer_mark_dirty(CacheVolume *volume, CacheEntry *entry, CacheBits blocks) {
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

void cache_writer_mark_lost(CacheVolume *volume, CacheEntry *entry, CacheBits blocks) {
        BlockStates states = get_states(entry);

        states.lost = cache_bits_or(states.lost, blocks);
        set_states(volume, entry, &states);
}

void cache_writer_drop(CacheVolume *volume, CacheEntry *entry, CacheBits blocks) {
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

/* Questions */

bool cache_writer_is_writing(const CacheVolume *volume, uint64_t offset, uint64_t end) {
        LIST_FOR_EACH (node, (ListNode *) &volume->runs) {
                const CacheRun *run = list_entry(node, CacheRun, node);

                if (run->block.offset < end && offset < run->block.offset + run->block.size)
                        return true;
        }
        return false;
}

int cache_writer_check(const CacheVolume *volume, const CacheEntry *entry, CacheBits blocks,
                       uint64_t sequence) {
        if (cache_bits_intersect(entry->writing, blocks))
                return -EAGAIN;
        if (!cache_bits_intersect(entry->dirty, blocks) || entry->dirty_sequence > sequence)
                return 0;
        return cache_bits_intersect(can_write(entry), blocks) ? -EAGAIN : entry->error;
}

/* The oldest write that a run could still bring to the device. UINT64_MAX: there is none. */
static uint64_t oldest_sequence(const CacheVolume *volume) {
        ListNode *first = list_first(&volume->dirty);
        uint64_t oldest = UINT64_MAX;

        if (first)
                oldest = list_entry(first, CacheEntry, dirty_node)->dirty_sequence;
        LIST_FOR_EACH (node, (ListNode *) &volume->runs)
                oldest = MIN(oldest, list_entry(node, CacheRun, node)->sequence);
        return oldest;
}

/* Runs */

/* The parts of lines that a run covers, one after the other. */
typedef struct RunPart {
        CacheEntry *entry;
        CacheBits blocks;
        uint64_t offset; /* of the LUN */
        uint32_t size;
} RunPart;

static bool next_part(const CacheVolume *volume, const CacheRun *run, uint64_t *position,
                      RunPart *ret) {
        uint64_t end = run->block.offset + run->block.size;
        uint64_t stop = MIN(cache_volume_line_end(volume, *position), end);

        if (*position >= end)
                return false;
        *ret = (RunPart){
                .entry = cache_volume_find(volume, *position),
                .blocks = cache_volume_blocks(volume, *position, stop),
                .offset = *position,
                .size = (uint32_t) (stop - *position),
        };
        assert(ret->entry);
        *position = stop;
        return true;
}

static const uint8_t *bytes_at(const CacheVolume *volume, const CacheEntry *entry,
                               uint64_t offset) {
        return cache_arena_get_data(volume->table->arena,
                                    cache_table_get_slot(volume->table, entry)) +
               offset % volume->line_size;
}

static uint32_t run_size_max(const CacheVolume *volume, const CacheEntry *entry) {
        uint32_t size = MIN(volume->lower->info.transfer_size_max, (uint32_t) CACHE_RUN_SIZE_MAX);

        if (entry->n_failures == 0)
                return ALIGN_DOWN(size, volume->block_size);
        if (entry->n_failures == 1)
                return MIN(size, MAX((uint32_t) CACHE_CHUNK_SIZE, volume->block_size));
        return volume->block_size;
}

static bool is_excluded_by(const CacheVolume *volume, CacheRequestState state, uint64_t offset) {
        LIST_FOR_EACH (node, (ListNode *) &volume->requests[state])
                if (cache_request_excludes(list_entry(node, CacheRequest, node), offset,
                                           offset + volume->line_size))
                        return true;
        return false;
}

/* Some of the line's blocks are being cleared. */
static bool is_excluded(const CacheVolume *volume, const CacheEntry *entry) {
        uint64_t offset = entry->line * volume->line_size;

        return is_excluded_by(volume, CACHE_REQUEST_STATE_SENDING, offset) ||
               is_excluded_by(volume, CACHE_REQUEST_STATE_BELOW, offset);
}

/* How far dirty blocks go on without a gap. */
static uint64_t find_run_end(const CacheVolume *volume, CacheEntry *entry, uint64_t offset,
                             uint64_t limit) {
        limit = MIN(limit, offset + run_size_max(volume, entry));
        for (;;) {
                uint64_t start = entry->line * volume->line_size;
                unsigned first = (unsigned) ((offset - start) / volume->block_size);
                unsigned end = cache_bits_next_clear(can_write(entry), first);

                offset = MIN(start + (uint64_t) end * volume->block_size, limit);
                if (offset == limit || offset < start + volume->line_size)
                        return offset;
                entry = RB_NEXT(CacheDirtyTree, &volume->dirty_by_line, entry);
                if (!entry || entry->line * volume->line_size != offset || entry->n_failures > 0 ||
                    is_excluded(volume, entry))
                        return offset;
        }
}

static void mark_writing(CacheVolume *volume, CacheRun *run) {
        uint64_t position = run->block.offset;
        RunPart part;

        run->sequence = UINT64_MAX;
        while (next_part(volume, run, &position, &part)) {
                BlockStates states = get_states(part.entry);

                memcpy((uint8_t *) run->buffer + (part.offset - run->block.offset),
                       bytes_at(volume, part.entry, part.offset), part.size);
                if (part.entry->dirty_sequence < run->sequence) {
                        run->sequence = part.entry->dirty_sequence;
                        run->dirty_since_ns = part.entry->dirty_since_ns;
                }
                states.dirty = cache_bits_without(states.dirty, part.blocks);
                states.writing = cache_bits_or(states.writing, part.blocks);
                part.entry->n_pins++;
                set_states(volume, part.entry, &states);
        }
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

/* `good_end`: what was written, up to there. */
static void mark_done(CacheVolume *volume, CacheRun *run, uint64_t good_end, int error) {
        bool is_sure = run->n_resets == volume->n_resets;
        uint64_t position = run->block.offset;
        RunPart part;

        while (next_part(volume, run, &position, &part)) {
                CacheBits good = part.offset < good_end
                                                 ? cache_volume_blocks(volume, part.offset,
                                                                       MIN(position, good_end))
                                                 : (CacheBits){};
                BlockStates states = get_states(part.entry);

                if (!is_sure)
                        good = (CacheBits){};
                states.writing = cache_bits_without(states.writing, part.blocks);
                states.unsynced = cache_bits_or(states.unsynced, good);
                part.entry->n_pins--;
                if (!cache_bits_is_empty(good)) {
                        part.entry->unsynced_epoch = volume->sync_epoch;
                        list_unlink(&part.entry->unsynced_node);
                        list_append(&volume->unsynced, &part.entry->unsynced_node);
                }
                count_failure(part.entry, cache_bits_without(part.blocks, good), error);
                make_dirty(volume, part.entry, &states, cache_bits_without(part.blocks, good),
                           run->sequence, run->dirty_since_ns);
                set_states(volume, part.entry, &states);
        }
}

static void run_end(CacheRun *run) {
        CacheVolume *volume = run->volume;

        staging_put(volume->lower_staging, run->buffer, run->block.size);
        run->buffer = NULL;
        list_unlink(&run->node);
        list_append(&volume->free_runs, &run->node);
}

/* That the device below is gone, or has no memory now, is nothing that the blocks failed with. */
static bool is_of_the_blocks(int error) {
        return error < 0 && error != -ESHUTDOWN && error != -ENOMEM && error != -ECANCELED &&
               error != -EBUSY;
}

static void on_run_done(BlockRequest *block) {
        CacheRun *run = container_of(block, CacheRun, block);
        CacheVolume *volume = run->volume;
        uint64_t good_end = block->error == 0 ? block->offset + block->size
                            : block->has_error_offset
                                            ? ALIGN_DOWN(block->error_offset, volume->block_size)
                                            : block->offset;

        if (block->error == 0)
                cache_manager_count_written(volume->manager, block->size, run->started_ns,
                                            now_ns(volume));
        if (is_of_the_blocks(block->error)) {
                volume->manager->statistics.n_write_errors++;
                volume->retry_ns = now_ns(volume) + RETRY_NS;
                log_device_debug(volume->name, "writing %llu bytes at %llu failed: %s",
                                 (unsigned long long) block->size,
                                 (unsigned long long) block->offset, strerror(-block->error));
        }
        mark_done(volume, run, good_end, is_of_the_blocks(block->error) ? block->error : 0);
        run_end(run);
        cache_volume_returned(volume, block->error);
        cache_manager_wake(volume->manager);
        cache_volume_run(volume);
}

/* Samples of what is overwritten recognise the medium no longer. */
static void drop_samples(CacheVolume *volume, uint64_t offset, uint64_t end) {
        const CacheSample *samples = cache_arena_get_samples(volume->table->arena, volume->lun);

        for (unsigned i = 0; i < CACHE_SAMPLES_MAX; i++)
                if (samples[i].size > 0 && samples[i].offset < end &&
                    offset < samples[i].offset + samples[i].size)
                        cache_arena_set_sample(volume->table->arena, volume->lun, i, NULL);
        if (volume->taking.offset < end && offset < volume->taking.offset + volume->taking.size)
                volume->taking.size = 0;
}

void cache_writer_before_change(CacheVolume *volume, uint64_t offset, uint64_t end) {
        drop_samples(volume, offset, end);
}

/* Whether it could be started. */
static bool run_start(CacheVolume *volume, CacheEntry *entry, unsigned first_block,
                      uint64_t limit) {
        CacheRun *run = list_entry(list_first(&volume->free_runs), CacheRun, node);
        uint64_t offset = entry->line * volume->line_size +
                          (uint64_t) first_block * volume->block_size;
        uint64_t end = find_run_end(volume, entry, offset, limit);
        int r;

        run->buffer = staging_get(volume->lower->staging, end - offset);
        if (!run->buffer)
                return false;
        run->segment = (struct iovec){ .iov_base = run->buffer, .iov_len = end - offset };
        run->block = (BlockRequest){
                .operation = BLOCK_OPERATION_WRITE,
                .offset = offset,
                .size = end - offset,
                .segments = &run->segment,
                .n_segments = 1,
                .deadline_ns = cache_volume_get_lower_deadline_ns(volume),
                .done = on_run_done,
        };
        run->n_resets = volume->n_resets;
        run->started_ns = now_ns(volume);
        list_unlink(&run->node);
        list_append(&volume->runs, &run->node);
        mark_writing(volume, run);
        cache_writer_before_change(volume, offset, end);

        r = cache_volume_submit_below(volume, &run->block);
        if (r < 0) {
                mark_done(volume, run, offset, is_of_the_blocks(r) ? r : 0);
                run_end(run);
                return false;
        }
        volume->elevator_line = cache_volume_line_start(volume, end - 1) / volume->line_size;
        volume->manager->statistics.n_writes_back++;
        volume->manager->statistics.write_back_size += end - offset;
        return true;
}

/* The next block that can be written, from the elevator's place on and then from the start. */
static CacheEntry *find_next(CacheVolume *volume, unsigned *ret_block) {
        CacheEntry from = { .line = volume->elevator_line };
        CacheEntry *entry = RB_NFIND(CacheDirtyTree, &volume->dirty_by_line, &from);

        for (unsigned i = 0; i < LOOK_MAX; i++) {
                if (!entry)
                        entry = RB_MIN(CacheDirtyTree, &volume->dirty_by_line);
                if (!entry)
                        return NULL;
                *ret_block = cache_bits_next_set(can_write(entry), 0);
                if (*ret_block < CACHE_BITS_MAX && !is_excluded(volume, entry))
                        return entry;
                entry = RB_NEXT(CacheDirtyTree, &volume->dirty_by_line, entry);
        }
        return NULL;
}

static bool can_start_run(const CacheVolume *volume) {
        return cache_volume_may_submit(volume) && !list_is_empty(&volume->free_runs);
}

/* Those who wait for the device to have their own blocks come first. */
static void start_awaited_runs(CacheVolume *volume) {
        LIST_FOR_EACH (node, &volume->requests[CACHE_REQUEST_STATE_WRITING]) {
                CacheRequest *request = list_entry(node, CacheRequest, node);

                while (can_start_run(volume) && request->position < request->end) {
                        uint64_t stop = MIN(cache_volume_line_end(volume, request->position),
                                            request->end);
                        CacheEntry *entry = cache_volume_find(volume, request->position);
                        CacheBits blocks = cache_volume_blocks(volume, request->position, stop);
                        CacheBits ready = entry ? cache_bits_and(can_write(entry), blocks)
                                                : (CacheBits){};

                        if (cache_bits_is_empty(ready) ||
                            !run_start(volume, entry, cache_bits_next_set(ready, 0),
                                       ALIGN_UP(request->end, (uint64_t) volume->block_size)))
                                break;
                }
        }
}

static bool is_wanted(const CacheVolume *volume) {
        return !list_is_empty(&volume->requests[CACHE_REQUEST_STATE_FLUSHING]) ||
               !list_is_empty(&volume->requests[CACHE_REQUEST_STATE_STARVING]) ||
               !list_is_empty(&volume->requests[CACHE_REQUEST_STATE_THROTTLED]) ||
               !cache_manager_may_keep(volume->manager) ||
               volume->manager->statistics.dirty_size >
                               cache_manager_get_dirty_limit(volume->manager) / 4;
}

static void start_wanted_runs(CacheVolume *volume) {
        while (can_start_run(volume) && is_wanted(volume)) {
                unsigned block;
                CacheEntry *entry = find_next(volume, &block);

                if (!entry || !run_start(volume, entry, block, UINT64_MAX))
                        return;
        }
}

/* Synchronising */

static void make_clean(CacheVolume *volume, uint64_t epoch) {
        ListNode *node;

        while ((node = list_first(&volume->unsynced))) {
                CacheEntry *entry = list_entry(node, CacheEntry, unsynced_node);
                BlockStates states = get_states(entry);

                if (entry->unsynced_epoch >= epoch)
                        return;
                states.unsynced = (CacheBits){};
                set_states(volume, entry, &states);
        }
}

static void end_syncing(CacheVolume *volume, int error) {
        ListNode *syncing = &volume->requests[CACHE_REQUEST_STATE_SYNCING];
        ListNode *node;

        while ((node = list_first(syncing)))
                cache_request_synced(list_entry(node, CacheRequest, node), error);
}

static void on_sync_done(BlockRequest *block) {
        CacheVolume *volume = container_of(block, CacheVolume, sync);
        bool is_sure = volume->sync_n_resets == volume->n_resets;

        volume->is_syncing = false;
        if (block->error == 0 && is_sure)
                make_clean(volume, volume->sync_epoch);
        /* -EAGAIN: all over again, as what was to be synchronised is dirty again. */
        end_syncing(volume, block->error == -ESHUTDOWN || (block->error == 0 && !is_sure)
                                            ? -EAGAIN
                                            : block->error);
        cache_volume_returned(volume, block->error);
        cache_manager_wake(volume->manager);
        cache_volume_run(volume);
}

/* FLUSHes whose writes are all at the device need but to be synchronised. */
static bool collect_flushes(CacheVolume *volume) {
        uint64_t oldest = oldest_sequence(volume);
        bool has_any = false;

        LIST_FOR_EACH (node, &volume->requests[CACHE_REQUEST_STATE_FLUSHING]) {
                CacheRequest *request = list_entry(node, CacheRequest, node);

                if (oldest <= request->sequence)
                        continue;
                cache_request_enter(request, CACHE_REQUEST_STATE_SYNCING);
                has_any = true;
        }
        return has_any;
}

static void fail_flushes(CacheVolume *volume) {
        LIST_FOR_EACH (node, &volume->failed) {
                const CacheEntry *entry = list_entry(node, CacheEntry, dirty_node);

                LIST_FOR_EACH (request_node, &volume->requests[CACHE_REQUEST_STATE_FLUSHING]) {
                        CacheRequest *request = list_entry(request_node, CacheRequest, node);

                        if (request->block != &volume->upkeep_block &&
                            entry->dirty_sequence <= request->sequence)
                                cache_request_synced(request, entry->error);
                }
        }
}

/* Slots that only wait to be synchronised are wanted. */
static bool is_short_of_slots(const CacheVolume *volume) {
        return !list_is_empty(&volume->unsynced) && list_is_empty(&volume->runs) &&
               !cache_manager_may_keep(volume->manager);
}

static void synchronize(CacheVolume *volume) {
        int r;

        if (volume->is_syncing || !cache_volume_may_submit(volume))
                return;
        if (!collect_flushes(volume) && !is_short_of_slots(volume))
                return;
        volume->sync = (BlockRequest){
                .operation = BLOCK_OPERATION_FLUSH,
                .deadline_ns = cache_volume_get_lower_deadline_ns(volume),
                .done = on_sync_done,
        };
        volume->sync_epoch++;
        volume->sync_n_resets = volume->n_resets;
        r = cache_volume_submit_below(volume, &volume->sync);
        if (r < 0) {
                end_syncing(volume, r == -ESHUTDOWN ? -EAGAIN : r);
                return;
        }
        volume->is_syncing = true;
}

static void check_written(CacheVolume *volume) {
        LIST_FOR_EACH (node, &volume->requests[CACHE_REQUEST_STATE_WRITING])
                cache_request_check_written(list_entry(node, CacheRequest, node));
}

void cache_writer_run(CacheVolume *volume) {
        check_written(volume);
        fail_flushes(volume);
        start_awaited_runs(volume);
        start_wanted_runs(volume);
        synchronize(volume);
}

void cache_writer_retry(CacheVolume *volume) {
        ListNode *node;

        while ((node = list_first(&volume->failed))) {
                CacheEntry *entry = list_entry(node, CacheEntry, dirty_node);

                entry->bad = (CacheBits){};
                delist(volume, entry);
                enlist(volume, entry);
        }
}

void cache_writer_on_reset(CacheVolume *volume) {
        ListNode *node;

        volume->n_resets++;
        while ((node = list_first(&volume->unsynced))) {
                CacheEntry *entry = list_entry(node, CacheEntry, unsynced_node);
                BlockStates states = get_states(entry);

                make_dirty(volume, entry, &states, states.unsynced, 0, now_ns(volume));
                states.unsynced = (CacheBits){};
                set_states(volume, entry, &states);
        }
        cache_volume_run_later(volume);
}

/* Upkeep */

static uint64_t upkeep_due_ns(const CacheVolume *volume) {
        const CacheManager *manager = volume->manager;
        ListNode *oldest = list_first(&volume->dirty);
        uint64_t age_ns = manager->options.dirty_age_ns;
        uint64_t idle_ns = manager->last_asked_ns + IDLE_NS;

        if (oldest)
                return MIN(idle_ns,
                           list_entry(oldest, CacheEntry, dirty_node)->dirty_since_ns + age_ns);
        if (!list_is_empty(&volume->unsynced))
                return MIN(idle_ns, manager->last_written_ns + age_ns);
        if (!list_is_empty(&volume->failed))
                return volume->retry_ns;
        return UINT64_MAX;
}

uint64_t cache_writer_get_upkeep_ns(const CacheVolume *volume) {
        return MAX(upkeep_due_ns(volume), volume->upkeep_pause_ns);
}

static void on_upkeep_done(BlockRequest *block) {
        CacheVolume *volume = container_of(block, CacheVolume, upkeep_block);

        volume->has_upkeep = false;
        if (block->error < 0)
                volume->upkeep_pause_ns = now_ns(volume) + UPKEEP_PAUSE_NS;
}

void cache_writer_start_upkeep(CacheVolume *volume) {
        if (volume->has_upkeep || volume->is_shut_down)
                return;
        volume->upkeep_block = (BlockRequest){
                .operation = BLOCK_OPERATION_FLUSH,
                .deadline_ns = cache_volume_get_lower_deadline_ns(volume),
                .done = on_upkeep_done,
        };
        volume->has_upkeep = block_device_submit(&volume->device, &volume->upkeep_block) == 0;
}

void cache_writer_init(CacheVolume *volume) {
        RB_INIT(&volume->dirty_by_line);
        list_init(&volume->dirty);
        list_init(&volume->failed);
        list_init(&volume->unsynced);
        list_init(&volume->free_runs);
        list_init(&volume->runs);
        for (size_t i = 0; i < CACHE_RUNS_MAX; i++) {
                volume->run_pool[i].volume = volume;
                list_init(&volume->run_pool[i].node);
                list_append(&volume->free_runs, &volume->run_pool[i].node);
        }
        volume->sync_epoch = 1;
}
