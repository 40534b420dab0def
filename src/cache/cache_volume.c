/*
 * A volume as a whole: takes requests, lets them go on when they can, and sees that nobody waits
 * past a deadline, but while the device is away.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "cache/cache_ahead.h"
#include "cache/cache_clear.h"
#include "cache/cache_direct.h"
#include "cache/cache_fill.h"
#include "cache/cache_loan.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_state.h"
#include "cache/cache_volume_internal.h"
#include "cache/cache_writer.h"

static CacheVolume *get(BlockDevice *device) { return cache_volume_get_inside(device); }

CacheEntry *cache_volume_find(const CacheVolume *volume, uint64_t offset) {
        return cache_table_find(volume->table, volume->lun, offset / volume->line_size);
}

CacheEntry *cache_volume_get(CacheVolume *volume, uint64_t offset) {
        return cache_table_get(volume->table, volume, volume->lun, offset / volume->line_size,
                               volume->block_size);
}

void cache_volume_touch(CacheVolume *volume, const CacheEntry *entry) {
        if (entry->line == volume->touched_line)
                return;
        volume->touched_line = entry->line;
        cache_table_touch(volume->table, entry);
}

CacheBits cache_volume_blocks(const CacheVolume *volume, uint64_t offset, uint64_t end) {
        uint64_t start = cache_volume_line_start(volume, offset);

        assert(offset < end && end <= start + volume->line_size);
        return cache_bits_range((unsigned) ((offset - start) / volume->block_size),
                                (unsigned) DIV_ROUND_UP(end - start, volume->block_size));
}

/* The device below */

bool cache_volume_may_submit(const CacheVolume *volume) {
        return volume->lower && !volume->is_below_gone && !volume->is_shut_down;
}

uint64_t cache_volume_get_lower_deadline_ns(const CacheVolume *volume) {
        return event_loop_now_ns(volume->device.loop) + volume->manager->options.request_timeout_ns;
}

int cache_volume_submit_below(CacheVolume *volume, BlockRequest *request) {
        int r;

        assert(cache_volume_may_submit(volume));

        r = block_device_submit(volume->lower, request);
        if (r == 0)
                volume->n_below++;
        else if (r == -ESHUTDOWN)
                volume->is_below_gone = true;
        return r;
}

void cache_volume_returned(CacheVolume *volume, int error) {
        assert(volume->n_below > 0);

        volume->n_below--;
        if (error == -ESHUTDOWN)
                volume->is_below_gone = true;
}

/* Requests */

static CacheRequest *first_request(const CacheVolume *volume, CacheRequestState state) {
        ListNode *node = list_first(&volume->requests[state]);

        return node ? list_entry(node, CacheRequest, node) : NULL;
}

static void unblock(CacheVolume *volume) {
        BlockRange *range;

        while ((range = block_range_lock_next(&volume->lock))) {
                CacheRequest *request = container_of(range, CacheRequest, range);

                /* One that was given up meanwhile is about to be completed. */
                if (request->state == CACHE_REQUEST_STATE_BLOCKED)
                        cache_request_enter(request, CACHE_REQUEST_STATE_READY);
        }
}

/* Those that can't go on end up in another state. */
static void work(CacheVolume *volume) {
        CacheRequest *request;

        while ((request = first_request(volume, CACHE_REQUEST_STATE_READY)))
                cache_request_go_on(request);
}

static void send(CacheVolume *volume) {
        LIST_FOR_EACH (node, &volume->requests[CACHE_REQUEST_STATE_SENDING])
                cache_clear_send(list_entry(node, CacheRequest, node));
}

/* In the order in which they came: as long as the first one starves, so do the others. */
static void feed_starving(CacheVolume *volume) {
        ListNode *starving = &volume->requests[CACHE_REQUEST_STATE_STARVING];
        size_t n = 0;

        LIST_FOR_EACH (node, starving)
                n++;
        while (n-- > 0 && !list_is_empty(starving)) {
                CacheRequest *request = first_request(volume, CACHE_REQUEST_STATE_STARVING);

                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
                cache_request_go_on(request);
                if (request->state != CACHE_REQUEST_STATE_STARVING)
                        continue;
                list_unlink(&request->node);
                list_prepend(starving, &request->node);
                return;
        }
}

static void let_throttled_go(CacheVolume *volume) {
        uint64_t now_ns = event_loop_now_ns(volume->device.loop);
        CacheRequest *request;

        while ((request = first_request(volume, CACHE_REQUEST_STATE_THROTTLED))) {
                uint64_t delay_ns = cache_manager_get_write_delay_ns(volume->manager,
                                                                     request->block->size);

                if (delay_ns == UINT64_MAX)
                        return; /* the next run that ends wakes us */
                if (delay_ns > 0 && volume->throttle_ns == 0)
                        volume->throttle_ns = now_ns + delay_ns;
                if (delay_ns > 0 && now_ns < volume->throttle_ns) {
                        event_timer_set(&volume->throttle_timer, volume->throttle_ns);
                        return;
                }
                volume->throttle_ns = 0;
                cache_request_enter(request, CACHE_REQUEST_STATE_READY);
                cache_request_go_on(request);
        }
}

/* Those that finish meanwhile are completed by the next call, as their owners may submit more and
 * more. */
static void complete_finished(CacheVolume *volume) {
        ListNode *finished = &volume->requests[CACHE_REQUEST_STATE_FINISHED];
        ListNode *last = list_last(finished);

        while (last) {
                CacheRequest *request = first_request(volume, CACHE_REQUEST_STATE_FINISHED);
                bool is_last = &request->node == last;

                cache_request_complete(request);
                if (is_last)
                        break;
        }
        if (!list_is_empty(finished))
                cache_volume_run_later(volume);
        if (event_timer_is_armed(&volume->deadline_timer) && list_is_empty(&volume->active))
                event_timer_clear(&volume->deadline_timer);
}

static void plan_upkeep(CacheVolume *volume) {
        uint64_t upkeep_ns = cache_writer_get_upkeep_ns(volume);

        if (upkeep_ns != UINT64_MAX && !volume->has_upkeep && cache_volume_may_submit(volume) &&
            !event_timer_is_armed(&volume->upkeep_timer))
                event_timer_set(&volume->upkeep_timer, upkeep_ns);
}

void cache_volume_run(CacheVolume *volume) {
        unblock(volume);
        cache_direct_run(volume);
        work(volume);
        feed_starving(volume);
        let_throttled_go(volume);
        send(volume);
        cache_writer_run(volume);
        cache_ahead_run(volume);
        plan_upkeep(volume);
        complete_finished(volume);
}

void cache_volume_run_later(CacheVolume *volume) { event_defer_schedule(&volume->defer); }

static void on_defer(EventDefer *defer) {
        cache_volume_run(container_of(defer, CacheVolume, defer));
}

static void on_throttle_timer(EventTimer *timer) {
        cache_volume_run(container_of(timer, CacheVolume, throttle_timer));
}

/* It was set when something became dirty; what was asked for since puts it off. */
static void on_upkeep_timer(EventTimer *timer) {
        CacheVolume *volume = container_of(timer, CacheVolume, upkeep_timer);

        if (cache_volume_may_submit(volume) &&
            cache_writer_get_upkeep_ns(volume) <= event_loop_now_ns(volume->device.loop))
                cache_writer_start_upkeep(volume);
        cache_volume_run(volume);
}

/* Deadlines */

void cache_volume_watch_deadline(CacheVolume *volume, uint64_t deadline_ns) {
        if (!event_timer_is_armed(&volume->deadline_timer) ||
            deadline_ns < volume->deadline_timer.deadline_ns)
                event_timer_set(&volume->deadline_timer, deadline_ns);
}

static void on_deadline(EventTimer *timer) {
        CacheVolume *volume = container_of(timer, CacheVolume, deadline_timer);
        uint64_t now_ns = event_loop_now_ns(volume->device.loop);

        if (volume->is_away)
                return;
        LIST_FOR_EACH (node, &volume->active) {
                CacheRequest *request = list_entry(node, CacheRequest, active_node);

                if (request->deadline_ns <= now_ns)
                        cache_request_give_up(request, -ETIMEDOUT, /* with_lower= */ false);
                else
                        cache_volume_watch_deadline(volume, request->deadline_ns);
        }
        cache_volume_run(volume);
}

/* Parking */

void cache_volume_park(BlockDevice *device) {
        CacheVolume *volume = get(device);

        volume->lower = NULL;
        cache_ahead_forget(volume);
        cache_volume_run_later(volume);
}

void cache_volume_set_away(BlockDevice *device) {
        assert(!get(device)->lower);

        get(device)->is_away = true;
}

bool cache_volume_is_detached(const BlockDevice *device) {
        const CacheVolume *volume = get((BlockDevice *) device);

        return !volume->lower && volume->n_below == 0;
}

/* Who waited for the device has as long as a request takes from now on. */
static void restart_time(CacheVolume *volume) {
        uint64_t deadline_ns = cache_volume_get_lower_deadline_ns(volume);

        if (!volume->is_away)
                return;
        volume->is_away = false;
        LIST_FOR_EACH (node, &volume->active) {
                CacheRequest *request = list_entry(node, CacheRequest, active_node);

                request->deadline_ns = MAX(request->deadline_ns, deadline_ns);
                cache_volume_watch_deadline(volume, request->deadline_ns);
        }
}

void cache_volume_resume(BlockDevice *device, BlockDevice *lower) {
        CacheVolume *volume = get(device);

        assert(cache_volume_is_detached(device));
        assert(lower->info.size == device->info.size);
        assert(lower->info.block_size == device->info.block_size);

        volume->lower = lower;
        volume->lower_staging = lower->staging;
        volume->is_below_gone = false;
        device->info.transfer_size_max = lower->info.transfer_size_max;
        restart_time(volume);
        cache_writer_on_reset(volume);
        cache_writer_start_upkeep(volume);
        cache_volume_run_later(volume);
}

void cache_volume_shut_down(BlockDevice *device) {
        CacheVolume *volume = get(device);

        assert(!volume->lower);

        volume->is_shut_down = true;
        event_timer_clear(&volume->upkeep_timer);
        LIST_FOR_EACH (node, &volume->active)
                cache_request_give_up(list_entry(node, CacheRequest, active_node), -ESHUTDOWN,
                                      /* with_lower= */ false);
        cache_volume_run_later(volume);
}

bool cache_volume_is_shut_down(const BlockDevice *device) {
        return get((BlockDevice *) device)->is_shut_down;
}

/* BlockDevice */

static int add_slab(CacheVolume *volume) {
        CacheRequest *slab;

        if (volume->n_slabs == CACHE_SLABS_MAX)
                return -EBUSY;
        slab = calloc(CACHE_REQUESTS_PER_SLAB, sizeof(*slab));
        if (!slab)
                return -ENOMEM;
        for (size_t i = 0; i < CACHE_REQUESTS_PER_SLAB; i++) {
                slab[i].volume = volume;
                list_init(&slab[i].node);
                list_init(&slab[i].active_node);
                list_append(&volume->requests[CACHE_REQUEST_STATE_FREE], &slab[i].node);
        }
        volume->slabs[volume->n_slabs++] = slab;
        return 0;
}

static int judge(const CacheVolume *volume, const BlockRequest *block) {
        const BlockInfo *info = &volume->device.info;
        bool changes = block->operation == BLOCK_OPERATION_WRITE ||
                       block->operation == BLOCK_OPERATION_TRIM ||
                       block->operation == BLOCK_OPERATION_WRITE_ZEROES;

        if (volume->is_shut_down)
                return -ESHUTDOWN;
        if (changes && info->is_read_only)
                return -EPERM;
        if (block->operation == BLOCK_OPERATION_TRIM && !info->can_trim)
                return -EOPNOTSUPP;
        if (block->flags & BLOCK_REQUEST_FAST_ONLY && !info->can_zero_fast)
                return -EOPNOTSUPP;
        return 0;
}

static int volume_submit(BlockDevice *device, BlockRequest *block) {
        CacheVolume *volume = get(device);
        CacheRequest *request;
        int r;

        r = judge(volume, block);
        if (r < 0)
                return r;
        request = first_request(volume, CACHE_REQUEST_STATE_FREE);
        if (!request) {
                r = add_slab(volume);
                if (r < 0)
                        return r;
                request = first_request(volume, CACHE_REQUEST_STATE_FREE);
        }
        if (block != &volume->upkeep_block)
                volume->manager->last_asked_ns = event_loop_now_ns(device->loop);
        cache_request_start(request, block);
        cache_volume_watch_deadline(volume, request->deadline_ns);
        cache_volume_run_later(volume);
        return 0;
}

static void volume_cancel(BlockDevice *device, BlockRequest *block) {
        CacheRequest *request = block->device_private;

        assert(request->block == block);
        cache_request_give_up(request, -ECANCELED, /* with_lower= */ true);
        cache_volume_run_later(get(device));
}

static void release_entries(CacheVolume *volume) {
        for (uint32_t slot = 0; slot < volume->table->n_slots; slot++) {
                CacheEntry *entry = &volume->table->entries[slot];

                if (entry->volume != volume)
                        continue;
                assert(entry->n_pins == 0);
                if (cache_entry_may_evict(entry))
                        cache_table_release(volume->table, entry);
        }
}

/* What is kept is a successor's, so its slots are never used again. */
static void volume_free(BlockDevice *device) {
        CacheVolume *volume = get(device);

        assert(list_is_empty(&volume->active));
        assert(volume->n_below == 0 && volume->n_loaned == 0);

        list_unlink(&volume->node);
        release_entries(volume);
        event_defer_cancel(&volume->defer);
        event_timer_done(&volume->deadline_timer);
        event_timer_done(&volume->throttle_timer);
        event_timer_done(&volume->upkeep_timer);
        cache_streams_free(volume->streams);
        cache_ghost_done(&volume->passed);
        for (size_t i = 0; i < volume->n_slabs; i++)
                free(volume->slabs[i]);
        free(volume->name);
        free(volume);
}

static bool volume_lend(BlockDevice *device, uint64_t offset, uint64_t size, BlockLoan *ret) {
        return cache_loan_lend(get(device), offset, size, ret);
}

static void volume_take_back(BlockDevice *device, BlockLoan *loan) {
        cache_loan_take_back(get(device), loan);
}

bool cache_volume_is_idle(const BlockDevice *device) {
        const CacheVolume *volume = get((BlockDevice *) device);

        return list_is_empty(&volume->active) && volume->n_below == 0 && volume->n_loaned == 0;
}

uint64_t cache_volume_get_kept_size(const BlockDevice *device) {
        const CacheVolume *volume = get((BlockDevice *) device);
        uint64_t n_blocks = 0;

        for (uint32_t slot = 0; slot < volume->table->n_slots; slot++) {
                const CacheEntry *entry = &volume->table->entries[slot];

                if (entry->volume == volume)
                        n_blocks += cache_bits_count(cache_entry_get_kept(entry));
        }
        return n_blocks * volume->block_size;
}

void cache_volume_discard(BlockDevice *device) {
        CacheVolume *volume = get(device);

        assert(volume->is_shut_down && list_is_empty(&volume->active) && volume->n_below == 0);

        for (uint32_t slot = 0; slot < volume->table->n_slots; slot++) {
                CacheEntry *entry = &volume->table->entries[slot];

                if (entry->volume == volume)
                        cache_state_drop(volume, entry, cache_entry_get_kept(entry));
        }
        cache_arena_clear_identity(volume->table->arena, volume->lun);
}

static int init_sources(CacheVolume *volume) {
        EventLoop *loop = volume->device.loop;
        int r;

        event_defer_init(&volume->defer, loop, on_defer);
        r = event_timer_init(&volume->deadline_timer, loop, on_deadline);
        if (r < 0)
                return r;
        r = event_timer_init(&volume->throttle_timer, loop, on_throttle_timer);
        if (r < 0)
                return r;
        return event_timer_init(&volume->upkeep_timer, loop, on_upkeep_timer);
}

int cache_volume_new(BlockDevice **ret, CacheManager *manager, unsigned lun,
                     const CacheIdentity *identity, BlockDevice *lower) {
        static const BlockDeviceOps ops = {
                .submit = volume_submit,
                .cancel = volume_cancel,
                .lend = volume_lend,
                .take_back = volume_take_back,
                .free = volume_free,
        };
        _cleanup_(block_device_freep) BlockDevice *device = NULL;
        CacheVolume *volume;
        int r;

        assert(lun < CACHE_LUNS_MAX);

        volume = calloc(1, sizeof(*volume));
        if (!volume)
                return -ENOMEM;
        device = &volume->device;
        *device = (BlockDevice){
                .ops = &ops,
                .loop = lower->loop,
                /* That of the device below goes away with it. */
                .staging = &manager->staging.staging,
                .info = lower->info,
        };
        volume->manager = manager;
        volume->table = &manager->table;
        volume->lun = lun;
        volume->line_size = cache_arena_get_line_size(manager->arena);
        volume->block_size = lower->info.block_size;
        volume->lower = lower;
        volume->lower_staging = lower->staging;
        volume->touched_line = UINT64_MAX;
        list_init(&volume->node);
        list_init(&volume->active);
        for (size_t i = 0; i < _CACHE_REQUEST_STATE_MAX; i++)
                list_init(&volume->requests[i]);
        block_range_lock_init(&volume->lock);
        cache_fill_init(volume);
        cache_writer_init(volume);

        volume->name = strdup(lower->name);
        if (!volume->name)
                return -ENOMEM;
        device->name = volume->name;
        r = init_sources(volume);
        if (r < 0)
                return r;
        r = cache_ahead_update(volume);
        if (r < 0)
                return r;
        r = cache_ghost_init(&volume->passed, volume->table->n_slots);
        if (r < 0)
                return r;
        cache_arena_set_identity(manager->arena, lun, identity);
        list_append(&manager->volumes, &volume->node);
        *ret = TAKE_PTR(device);
        return 0;
}
