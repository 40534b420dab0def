/* Each layer has the counters that it alone writes; here they become one picture. */

#include "storage/storage_collector.h"

#include <string.h>

#include "storage/storage_manager_internal.h"

#define PERIOD_NS (1 * NS_PER_S)

static_assert((int) STORAGE_RESET_CLEAR_HALTS == (int) TRANSPORT_RECOVERY_CLEAR_HALTS &&
                              (int) STORAGE_RESET_CLASS == (int) TRANSPORT_RECOVERY_CLASS_RESET &&
                              (int) STORAGE_RESET_LUN == (int) TRANSPORT_RECOVERY_LUN_RESET &&
                              (int) STORAGE_RESET_PORT == (int) TRANSPORT_RECOVERY_PORT_RESET,
              "steps of recovery are counted by their numbers");
static_assert(STORAGE_SENSE_KEYS == _SCSI_SENSE_KEY_MAX, "sense keys are counted by their numbers");
static_assert(STORAGE_LUNS_MAX <= SCSI_PROCESSOR_LUNS_MAX, "each LUN is counted");

/* A LUN */

static StorageCacheStats get_cache_stats(const StorageManager *manager, unsigned lun) {
        const CacheStatistics *statistics;

        if (!manager->cache)
                return (StorageCacheStats){ 0 };
        statistics = cache_manager_get_lun_statistics(manager->cache, lun);
        return (StorageCacheStats){
                .n_hits = statistics->n_hits,
                .n_misses = statistics->n_misses,
                .hit_size = statistics->hit_size,
                .miss_size = statistics->miss_size,
                .read_ahead_used_size = statistics->read_ahead_used_size,
                .read_ahead_wasted_size = statistics->read_ahead_wasted_size,
                .n_writes_back = statistics->n_writes_back,
                .write_back_size = statistics->write_back_size,
                .dirty_size = statistics->dirty_size,
        };
}

/* What keeps a unit that does as well as it can from more. */
static StorageTransferLimit get_standing_limit(const StorageManager *manager,
                                               const LunCondition *condition) {
        if (condition->transfer_size_max <
            storage_stack_get_state(manager->stack).transfer_size_max)
                return STORAGE_TRANSFER_LIMIT_DEVICE;
        return manager->quirks.bot.transfer_size_max > 0 ? STORAGE_TRANSFER_LIMIT_QUIRK
                                                         : STORAGE_TRANSFER_LIMIT_BUS;
}

static void add_condition(const StorageManager *manager, const StorageUnit *unit,
                          StorageStats *stats) {
        LunCondition condition;
        StorageTransferLimit limit;

        if (!unit->lun_device || !manager->stack)
                return;
        condition = lun_get_condition(unit->lun_device);
        if (condition.is_shortened)
                limit = STORAGE_TRANSFER_LIMIT_ERRORS;
        else if (condition.transfer_size < condition.transfer_size_max)
                limit = STORAGE_TRANSFER_LIMIT_MEMORY;
        else
                limit = get_standing_limit(manager, &condition);
        stats->transfer_size = condition.transfer_size;
        stats->transfer_limit = limit;
        stats->is_read_only_by_errors = condition.is_read_only;
}

static void collect_lun(StorageManager *manager, StorageUnit *unit, StorageStats *ret) {
        const StorageStackStatistics *stack = &manager->collector.stack;
        const ScsiLunStatistics *scsi = &stack->scsi.luns[unit->lun];

        storage_unit_rest(unit);
        *ret = unit->stats;
        ret->cache = get_cache_stats(manager, unit->lun);
        ret->layers[STORAGE_LAYER_SCSI] = scsi->latency;
        ret->layers[STORAGE_LAYER_TRANSPORT] = scsi->transport_latency;
        ret->n_retries = stack->errors.n_lun_retries[unit->lun];
        ret->n_timeouts = scsi->n_timeouts;
        memcpy(ret->n_check_conditions, scsi->n_check_conditions, sizeof(ret->n_check_conditions));
        add_condition(manager, unit, ret);
}

/* Whether there was anything new, or may soon be. */
static bool tell_lun(StorageManager *manager, StorageUnit *unit) {
        StorageStats *stats = &manager->collector.scratch.lun;

        collect_lun(manager, unit, stats);
        if (memcmp(stats, &unit->told, sizeof(*stats)) == 0)
                return stats->n_in_flight > 0 || stats->cache.dirty_size > 0;
        unit->told = *stats;
        manager->handlers->lun_stats(manager, unit->lun, stats, manager->userdata);
        return true;
}

/* The device */

static StorageTransport to_transport(UsbStorageProtocol protocol) {
        switch (protocol) {
        case USB_STORAGE_PROTOCOL_BOT:
                return STORAGE_TRANSPORT_BOT;
        case USB_STORAGE_PROTOCOL_CBI:
                return STORAGE_TRANSPORT_CBI;
        case USB_STORAGE_PROTOCOL_CB:
                return STORAGE_TRANSPORT_CB;
        case USB_STORAGE_PROTOCOL_UAS:
                return STORAGE_TRANSPORT_UAS;
        case _USB_STORAGE_PROTOCOL_MAX:
                break;
        }
        assert_not_reached();
}

static StorageCacheMode get_cache_mode(const StorageManager *manager) {
        if (!manager->cache)
                return STORAGE_CACHE_MODE_NONE;

        switch (cache_manager_get_mode(manager->cache)) {
        case CACHE_MODE_OFF:
                return STORAGE_CACHE_MODE_OFF;
        case CACHE_MODE_WRITE_THROUGH:
                return STORAGE_CACHE_MODE_WRITE_THROUGH;
        case CACHE_MODE_WRITE_BACK:
                return STORAGE_CACHE_MODE_WRITE_BACK;
        case _CACHE_MODE_MAX:
                break;
        }
        assert_not_reached();
}

static uint32_t to_mbps(UsbSpeed speed) {
        switch (speed) {
        case USB_SPEED_UNKNOWN:
                return 0;
        case USB_SPEED_LOW: /* 1.5 */
                return 1;
        case USB_SPEED_FULL:
                return 12;
        case USB_SPEED_HIGH:
                return 480;
        case USB_SPEED_SUPER:
                return 5000;
        case USB_SPEED_SUPER_PLUS:
                return 10000;
        case _USB_SPEED_MAX:
                break;
        }
        assert_not_reached();
}

static void add_link(const UsbDevice *device, StorageDeviceStats *stats) {
        const UsbDescriptors *descriptors = usb_device_get_descriptors(device);
        UsbSpeed speed_max = descriptors->is_super_speed_plus_capable ? USB_SPEED_SUPER_PLUS
                             : descriptors->is_super_speed_capable    ? USB_SPEED_SUPER
                                                                      : USB_SPEED_UNKNOWN;

        stats->usb_version = descriptors->usb_version;
        stats->speed_mbps = to_mbps(usb_device_get_speed(device));
        stats->speed_mbps_max = to_mbps(speed_max);
}

static void add_stack(const StorageStack *stack, StorageDeviceStats *stats) {
        StorageStackState state = storage_stack_get_state(stack);
        UsbDeviceStatistics usb = usb_device_get_statistics(storage_stack_get_device(stack));

        stats->n_transfers += usb.n_transfers;
        stats->n_memory_refusals += usb.n_memory_refusals;
        stats->zero_copy_size = usb.zero_copy_size;
        stats->heap_size = usb.heap_size;
        stats->offers_uas = state.offers_uas;
        add_link(storage_stack_get_device(stack), stats);
        if (!state.is_started)
                return;
        stats->transport = to_transport(state.protocol);
        stats->transfer_size_max = state.transfer_size_max;
        stats->depth = state.n_in_flight_max;
        stats->is_pipelined = state.is_pipelined;
}

static void collect_device(StorageManager *manager, StorageDeviceStats *ret) {
        const StorageCollector *collector = &manager->collector;
        const ErrorHandlerStatistics *errors = &collector->stack.errors;

        *ret = collector->past;
        for (unsigned i = 0; i < _STORAGE_RESET_MAX; i++)
                ret->n_resets[i] = errors->n_steps[i];
        ret->n_recoveries_failed = errors->n_recoveries_failed;
        ret->cache_mode = get_cache_mode(manager);
        ret->is_write_through_by_resets = manager->cache &&
                                          manager->options.cache.mode == CACHE_MODE_WRITE_BACK &&
                                          ret->cache_mode == STORAGE_CACHE_MODE_WRITE_THROUGH;
        ret->is_parked = collector->parked_ns != 0;
        ret->is_serial = manager->options.is_serial;
        ret->has_read_ahead = manager->cache && manager->options.cache.has_read_ahead;
        if (manager->stack)
                add_stack(manager->stack, ret);
}

static bool tell_device(StorageManager *manager) {
        StorageDeviceStats *stats = &manager->collector.scratch.device;

        collect_device(manager, stats);
        if (memcmp(stats, &manager->collector.told, sizeof(*stats)) == 0)
                return false;
        manager->collector.told = *stats;
        manager->handlers->device_stats(manager, stats, manager->userdata);
        return true;
}

static bool tell_all(StorageManager *manager) {
        bool is_active = false;

        for (unsigned i = 0; i < manager->n_units; i++)
                is_active |= tell_lun(manager, &manager->units[i]);
        return tell_device(manager) || is_active;
}

static void on_timer(EventTimer *timer) {
        StorageManager *manager = container_of(timer, StorageManager, collector.timer);

        if (tell_all(manager))
                storage_collector_note(manager);
}

void storage_collector_note(StorageManager *manager) {
        EventTimer *timer = &manager->collector.timer;

        if (manager->collector.is_enabled && !event_timer_is_armed(timer))
                event_timer_set(timer, event_loop_now_ns(manager->loop) + PERIOD_NS);
}

void storage_collector_detach(StorageManager *manager) {
        StorageDeviceStats *past = &manager->collector.past;
        UsbDeviceStatistics usb;

        if (!manager->stack)
                return;
        usb = usb_device_get_statistics(storage_stack_get_device(manager->stack));
        past->n_transfers += usb.n_transfers;
        past->n_memory_refusals += usb.n_memory_refusals;
}

void storage_collector_set_parked(StorageManager *manager, bool is_parked) {
        StorageCollector *collector = &manager->collector;
        uint64_t now_ns = event_loop_now_ns(manager->loop), passed_ns;

        if (is_parked == (collector->parked_ns != 0))
                return;
        passed_ns = now_ns - collector->parked_ns;
        collector->parked_ns = is_parked ? now_ns : 0;
        storage_collector_note(manager);
        if (is_parked)
                return;
        collector->past.parked_ns += passed_ns;
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].is_open)
                        manager->units[i].stats.parked_ns += passed_ns;
}

int storage_collector_init(StorageManager *manager) {
        manager->collector.is_enabled = manager->options.is_monitored;
        return event_timer_init(&manager->collector.timer, manager->loop, on_timer);
}

void storage_collector_done(StorageCollector *collector) { event_timer_done(&collector->timer); }

void storage_collector_finish(StorageManager *manager) {
        event_timer_clear(&manager->collector.timer);
        if (manager->collector.is_enabled)
                tell_all(manager);
        /* Nobody listens any more. */
        manager->collector.is_enabled = false;
}
