/*
 * The budget: how many slots are used, how much may be dirty, how fast the device writes.
 */

#include <errno.h>

#include "cache/cache_ahead.h"
#include "cache/cache_manager_internal.h"
#include "cache/cache_writer.h"

#define LINE_SIZE_DEFAULT ((uint32_t) (64 * KIB))
#define DIRTY_AGE_DEFAULT_NS (5 * NS_PER_S)
#define REQUEST_TIMEOUT_DEFAULT_NS (30 * NS_PER_S)
/* Of memory that clients had, for those to come. */
#define STAGING_KEPT_SIZE (4 * MIB)
/* Until it was measured: a slow stick. */
#define WRITE_RATE_DEFAULT (8 * MIB)
#define WRITE_RATE_MIN (64 * KIB)
/* Shorter writes tell little of the rate. */
#define WRITE_RATE_SAMPLE_SIZE_MIN (16 * KIB)
/* So many slots are used at least. */
#define SLOTS_MIN 16
#define SYNCED_SLOTS_MIN UINT32_C(4)

uint64_t cache_manager_get_dirty_limit(const CacheManager *manager) {
        uint64_t rate = manager->write_rate ?: WRITE_RATE_DEFAULT;
        uint64_t by_rate = rate * (manager->options.request_timeout_ns / NS_PER_MS) / 3000;
        uint64_t by_size = (uint64_t) manager->table.n_used_max *
                           cache_arena_get_line_size(manager->arena) / 2;

        return MIN(by_rate, by_size);
}

uint64_t cache_manager_get_flush_time_ns(const CacheManager *manager) {
        uint64_t rate = manager->write_rate ?: WRITE_RATE_DEFAULT;

        /* By KiB, so that the product fits. */
        return manager->options.request_timeout_ns +
               2 * DIV_ROUND_UP(manager->statistics.dirty_size, KIB) * NS_PER_S / (rate / KIB);
}

/* Nothing up to half of the limit, then more and more, until writers are as slow as the device. */
uint64_t cache_manager_get_write_delay_ns(const CacheManager *manager, uint64_t size) {
        uint64_t limit = cache_manager_get_dirty_limit(manager);
        uint64_t dirty = manager->statistics.dirty_size, full_delay_ns;

        if (dirty <= limit / 2)
                return 0;
        if (dirty >= limit)
                return UINT64_MAX;
        full_delay_ns = size * NS_PER_MS / ((manager->write_rate ?: WRITE_RATE_DEFAULT) / 1000);
        /* By KiB, so that the product fits. */
        return full_delay_ns / KIB * (dirty - limit / 2) / (limit / 2 / KIB + 1);
}

void cache_manager_count_written(CacheManager *manager, uint64_t size, uint64_t started_ns,
                                 uint64_t now_ns) {
        uint64_t busy_ns = now_ns - MAX(started_ns, manager->last_written_ns);
        uint64_t rate;

        manager->last_written_ns = now_ns;
        if (size < WRITE_RATE_SAMPLE_SIZE_MIN)
                return;
        rate = size * NS_PER_MS / MAX(busy_ns / 1000, UINT64_C(1));
        rate = MAX(rate, WRITE_RATE_MIN);
        manager->write_rate =
                        manager->write_rate == 0 ? rate : (manager->write_rate * 7 + rate) / 8;
}

bool cache_manager_may_keep(const CacheManager *manager) {
        return manager->table.n_kept < manager->table.n_used_max / 4 * 3;
}

/* It costs a disk as much time as some MiB: so for many slots at a time, and early enough, as what comes
 * meanwhile needs some, too. Who waits for one already is not made to wait for many. */
bool cache_manager_wants_sync(const CacheManager *manager) {
        const CacheTable *table = &manager->table;

        if (!cache_manager_may_keep(manager))
                return table->n_unsynced >= MAX(table->n_used_max / 64, SYNCED_SLOTS_MIN);
        return table->n_kept >= table->n_used_max / 8 * 5 &&
               table->n_unsynced >= table->n_used_max / 8;
}

void cache_manager_wake(CacheManager *manager) {
        LIST_FOR_EACH (node, &manager->volumes)
                cache_volume_run_later(list_entry(node, CacheVolume, node));
}

void cache_manager_wake_starving(CacheManager *manager) {
        LIST_FOR_EACH (node, &manager->volumes) {
                CacheVolume *volume = list_entry(node, CacheVolume, node);

                if (!list_is_empty(&volume->requests[CACHE_REQUEST_STATE_STARVING]))
                        cache_volume_run_later(volume);
        }
}

static void on_evict(CacheEntry *entry) { cache_ahead_count_waste(entry->volume, entry); }

static void set_defaults(CacheOptions *options) {
        if (options->line_size == 0)
                options->line_size = LINE_SIZE_DEFAULT;
        if (options->dirty_age_ns == 0)
                options->dirty_age_ns = DIRTY_AGE_DEFAULT_NS;
        if (options->request_timeout_ns == 0)
                options->request_timeout_ns = REQUEST_TIMEOUT_DEFAULT_NS;
        if (options->size_max == 0)
                options->size_max = UINT64_MAX;
}

int cache_manager_new(CacheManager **ret, EventLoop *loop, int arena_fd,
                      const CacheOptions *options) {
        _cleanup_(cache_manager_freep) CacheManager *manager = NULL;
        int r;

        manager = calloc(1, sizeof(*manager));
        if (!manager)
                return -ENOMEM;
        manager->loop = loop;
        manager->options = *options;
        list_init(&manager->volumes);
        staging_pool_init(&manager->staging, STAGING_KEPT_SIZE);
        set_defaults(&manager->options);

        r = cache_arena_new(&manager->arena, arena_fd, manager->options.line_size);
        if (r < 0)
                return r;
        r = cache_table_init(&manager->table, manager->arena, options->policy, on_evict);
        if (r < 0)
                return r;
        manager->scratch = malloc(manager->options.line_size);
        if (!manager->scratch)
                return -ENOMEM;
        cache_manager_set_size(manager, manager->options.size_max);
        *ret = TAKE_PTR(manager);
        return 0;
}

CacheManager *cache_manager_free(CacheManager *manager) {
        if (!manager)
                return NULL;

        assert(list_is_empty(&manager->volumes));
        cache_table_done(&manager->table);
        cache_arena_free(manager->arena);
        free(manager->scratch);
        staging_pool_done(&manager->staging);
        free(manager);
        return NULL;
}

void cache_manager_set_size(CacheManager *manager, uint64_t size_max) {
        uint64_t n_slots = size_max / manager->options.line_size;

        manager->options.size_max = size_max;
        n_slots = MIN(MAX(n_slots, (uint64_t) SLOTS_MIN), (uint64_t) manager->table.n_slots);
        cache_table_set_limit(&manager->table, (uint32_t) n_slots);
        LIST_FOR_EACH (node, &manager->volumes)
                cache_ahead_update_size(list_entry(node, CacheVolume, node));
        cache_manager_wake(manager);
}

void cache_manager_set_mode(CacheManager *manager, CacheMode mode) {
        if (manager->options.mode == mode)
                return;
        manager->options.mode = mode;
        LIST_FOR_EACH (node, &manager->volumes)
                cache_writer_start_upkeep(list_entry(node, CacheVolume, node));
        if (mode != CACHE_MODE_OFF)
                return;
        LIST_FOR_EACH (node, &manager->volumes)
                cache_ahead_forget(list_entry(node, CacheVolume, node));
        cache_table_empty(&manager->table);
}

int cache_manager_set_policy(CacheManager *manager, CachePolicyKind policy) {
        int r;

        if (manager->options.policy == policy)
                return 0;
        r = cache_table_set_policy(&manager->table, policy);
        if (r < 0)
                return r;
        manager->options.policy = policy;
        return 0;
}

int cache_manager_set_read_ahead(CacheManager *manager, bool has_read_ahead) {
        int r, result = 0;

        manager->options.has_read_ahead = has_read_ahead;
        LIST_FOR_EACH (node, &manager->volumes) {
                r = cache_ahead_update(list_entry(node, CacheVolume, node));
                if (r < 0)
                        result = r;
        }
        return result;
}

void cache_manager_set_verification(CacheManager *manager, bool verifies_hits) {
        manager->options.verifies_hits = verifies_hits;
}

void cache_manager_set_request_timeout(CacheManager *manager, uint64_t timeout_ns) {
        assert(timeout_ns > 0);

        manager->options.request_timeout_ns = timeout_ns;
}

CacheMode cache_manager_get_mode(const CacheManager *manager) { return manager->options.mode; }

void cache_manager_on_reset(CacheManager *manager) {
        LIST_FOR_EACH (node, &manager->volumes)
                cache_writer_on_reset(list_entry(node, CacheVolume, node));
}

const CacheStatistics *cache_manager_get_statistics(CacheManager *manager) {
        manager->statistics.n_slots = manager->table.n_used_max;
        manager->statistics.n_slots_used = manager->table.n_used;
        manager->statistics.n_slots_kept = manager->table.n_kept;
        manager->statistics.n_evictions = manager->table.n_evictions;
        return &manager->statistics;
}

const CacheStatistics *cache_manager_get_lun_statistics(const CacheManager *manager, unsigned lun) {
        assert(lun < CACHE_LUNS_MAX);

        return &manager->lun_statistics[lun];
}

void cache_manager_wipe(CacheManager *manager) { cache_arena_wipe(manager->arena); }

const char *cache_mode_to_string(CacheMode mode) {
        static const char *const names[_CACHE_MODE_MAX] = {
                [CACHE_MODE_OFF] = "off",
                [CACHE_MODE_WRITE_THROUGH] = "write-through",
                [CACHE_MODE_WRITE_BACK] = "write-back",
        };

        assert(mode < _CACHE_MODE_MAX);
        return names[mode];
}

const char *cache_policy_kind_to_string(CachePolicyKind kind) {
        static const char *const names[_CACHE_POLICY_KIND_MAX] = {
                [CACHE_POLICY_KIND_LRU] = "lru",
                [CACHE_POLICY_KIND_S3FIFO] = "s3fifo",
        };

        assert(kind < _CACHE_POLICY_KIND_MAX);
        return names[kind];
}
