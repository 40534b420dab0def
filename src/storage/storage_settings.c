/* Each layer's own setters, told of what is new. */

#include <string.h>

#include "base/log.h"
#include "storage/storage_manager_internal.h"
#include "storage/storage_mounts.h"
#include "storage/storage_settings.h"

/* A stop has begun to empty it. */
static bool has_cache_in_use(const StorageManager *manager) {
        return manager->cache && manager->state != STORAGE_STATE_STOPPING &&
               manager->state != STORAGE_STATE_STOPPED;
}

static int set_read_ahead(StorageManager *manager) {
        bool has_read_ahead = manager->wants_read_ahead && !manager->options.is_serial;

        manager->options.cache.has_read_ahead = has_read_ahead;
        return has_cache_in_use(manager)
                               ? cache_manager_set_read_ahead(manager->cache, has_read_ahead)
                               : 0;
}

static void tell_cache_error(const StorageManager *manager, int r) {
        log_device_warning(manager->name, "Its cache goes on as it was in part: %s", strerror(-r));
}

/* Of the layers of the stack; one that comes later finds them in the quirks. */
static void set_stack_settings(StorageManager *manager, const StorageOptions *options) {
        ScsiProcessorOptions *processor = &manager->quirks.processor;
        int r;

        manager->options.is_serial = options->is_serial;
        manager->options.skips_validation = options->skips_validation;
        manager->options.n_commands_kept = options->n_commands_kept;
        processor->is_validating = !options->skips_validation;
        processor->n_commands_kept = options->n_commands_kept;
        processor->is_serial = options->is_serial;
        manager->quirks.bot.is_serial = options->is_serial;
        if (manager->stack)
                storage_stack_update_settings(manager->stack);
        r = set_read_ahead(manager);
        if (r < 0)
                tell_cache_error(manager, r);
}

void storage_settings_set(StorageManager *manager, const StorageOptions *options) {
        uint64_t timeout_ns = options->device_timeout_ms * NS_PER_MS;

        manager->options.is_trim_enabled = options->is_trim_enabled;
        set_stack_settings(manager, options);
        if (options->device_timeout_ms == 0 ||
            options->device_timeout_ms == manager->options.device_timeout_ms)
                return;
        manager->options.device_timeout_ms = options->device_timeout_ms;
        if (manager->cache)
                cache_manager_set_request_timeout(manager->cache, timeout_ns);
        for (unsigned i = 0; i < manager->n_units; i++) {
                storage_unit_set_timeout(&manager->units[i], timeout_ns);
                storage_mounts_set_timeout(&manager->units[i], timeout_ns);
        }
}

void storage_settings_set_power(StorageManager *manager, const PowerOptions *options) {
        manager->options.power = *options;
        if (manager->stack)
                storage_stack_set_power_options(manager->stack, options);
}

void storage_settings_set_cache_mode(StorageManager *manager, CacheMode mode) {
        bool is_degraded;

        if (!has_cache_in_use(manager))
                return;
        manager->options.cache.mode = mode;
        is_degraded = storage_degradation_is_on(&manager->degradation,
                                                event_loop_now_ns(manager->loop));
        if (mode == CACHE_MODE_WRITE_BACK && is_degraded)
                mode = CACHE_MODE_WRITE_THROUGH;
        cache_manager_set_mode(manager->cache, mode);
        storage_manager_wake(manager);
}

void storage_settings_set_cache(StorageManager *manager, const CacheOptions *options,
                                uint32_t park_timeout_ms) {
        CacheOptions *known = &manager->options.cache;
        int r, read_ahead_r;

        if (!has_cache_in_use(manager))
                return;
        manager->options.park_timeout_ms = park_timeout_ms;
        known->verifies_hits = options->verifies_hits;
        manager->wants_read_ahead = options->has_read_ahead;
        cache_manager_set_verification(manager->cache, known->verifies_hits);
        cache_manager_set_size(manager->cache, options->size_max);
        r = cache_manager_set_policy(manager->cache, options->policy);
        read_ahead_r = set_read_ahead(manager);
        if (r < 0 || read_ahead_r < 0)
                tell_cache_error(manager, r < 0 ? r : read_ahead_r);
}

void storage_settings_set_smart(StorageManager *manager, const ControlSmartOptions *options) {
        storage_smart_set_options(manager, options);
        storage_manager_wake(manager);
}
