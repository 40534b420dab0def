/*
 * Writing back. Runs start when somebody waits for them (a FLUSH, a write-through, a slot), when
 * much is dirty, or for upkeep: an internal FLUSH when something is old or nobody wants anything.
 * They go through the dirty lines like an elevator. What could not be written fails each FLUSH,
 * which tries it again, and otherwise waits a while.
 */

#include <errno.h>
#include <string.h>

#include "cache/cache_manager_internal.h"
#include "cache/cache_run.h"
#include "cache/cache_state.h"
#include "cache/cache_write.h"
#include "cache/cache_writer.h"

/* Nobody has asked for anything for so long: what is dirty is written. */
#define IDLE_NS (500 * NS_PER_MS)
/* A reader that waits for one block after the other asks for the next one in this time. */
#define READER_PAUSE_NS (20 * NS_PER_MS)
/* Upkeep that failed is not tried again before. */
#define UPKEEP_PAUSE_NS (5 * NS_PER_S)

static uint64_t now_ns(const CacheVolume *volume) { return event_loop_now_ns(volume->device.loop); }

int cache_writer_check(const CacheVolume *volume, const CacheEntry *entry, CacheBits blocks,
                       uint64_t sequence) {
        if (cache_bits_intersect(entry->writing, blocks))
                return -EAGAIN;
        if (!cache_bits_intersect(entry->dirty, blocks) || entry->dirty_sequence > sequence)
                return 0;
        return cache_bits_intersect(cache_state_can_write(entry), blocks) ? -EAGAIN : entry->error;
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

/* The oldest write that is not at the device. UINT64_MAX: there is none. */
static uint64_t oldest_sequence(const CacheVolume *volume) {
        ListNode *first = list_first(&volume->dirty);
        uint64_t oldest = cache_run_get_oldest_sequence(volume);

        return first ? MIN(oldest, list_entry(first, CacheEntry, dirty_node)->dirty_sequence)
                     : oldest;
}

static bool is_read_from(const CacheVolume *volume) {
        return volume->n_reads > 0 || now_ns(volume) < volume->last_read_ns + READER_PAUSE_NS;
}

/* What the device has already a reader waits for: so there is less of it where there is one. */
static bool can_start_run(const CacheVolume *volume) {
        size_t n_max = is_read_from(volume) ? CACHE_RUNS_BESIDE_READS_MAX : CACHE_RUNS_MAX;

        return cache_volume_may_submit(volume) && volume->n_runs < n_max;
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
                        CacheBits ready =
                                        entry ? cache_bits_and(cache_state_can_write(entry), blocks)
                                              : (CacheBits){};

                        if (cache_bits_is_empty(ready) ||
                            !cache_run_start(volume, entry, cache_bits_next_set(ready, 0),
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
                CacheEntry *entry = cache_run_find_next(volume, &block);

                if (!entry || !cache_run_start(volume, entry, block, UINT64_MAX))
                        return;
        }
}

/* Synchronising */

static void end_syncing(CacheVolume *volume, int error) {
        ListNode *syncing = &volume->requests[CACHE_REQUEST_STATE_SYNCING];
        ListNode *node;

        while ((node = list_first(syncing)))
                cache_request_synced(list_entry(node, CacheRequest, node), error);
}

static void set_synchronized(CacheVolume *volume) {
        volume->synced_epoch = volume->sync_epoch;
        cache_state_synchronized(volume, volume->sync_epoch);
}

static void on_sync_done(BlockRequest *block) {
        CacheVolume *volume = container_of(block, CacheVolume, sync);
        bool is_sure = volume->sync_n_resets == volume->n_resets;

        volume->is_syncing = false;
        volume->has_sync_failed = block->error < 0;
        if (block->error == 0 && is_sure)
                set_synchronized(volume);
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
        if (list_is_empty(&volume->unsynced))
                return false;
        if (list_is_empty(&volume->runs) && !cache_manager_may_keep(volume->manager))
                return true;
        return !volume->has_sync_failed && cache_manager_wants_sync(volume->manager);
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
                cache_write_check(list_entry(node, CacheRequest, node));
}

void cache_writer_run(CacheVolume *volume) {
        check_written(volume);
        fail_flushes(volume);
        start_awaited_runs(volume);
        start_wanted_runs(volume);
        synchronize(volume);
}

void cache_writer_on_reset(CacheVolume *volume) {
        volume->n_resets++;
        cache_state_reset(volume);
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
        volume->sync_epoch = 1;
        cache_run_init(volume);
}
