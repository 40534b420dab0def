/* Views are made when somebody looks. */

#include "device/device_manager_internal.h"

static DeviceViewState get_state(const ManagedDevice *device) {
        switch (device->state) {
        case MANAGED_DEVICE_STATE_STARTING:
                return DEVICE_VIEW_STATE_STARTING;
        case MANAGED_DEVICE_STATE_RUNNING:
                return DEVICE_VIEW_STATE_RUNNING;
        case MANAGED_DEVICE_STATE_PARKED:
                return DEVICE_VIEW_STATE_PARKED;
        case MANAGED_DEVICE_STATE_PAUSING:
                return DEVICE_VIEW_STATE_FAILED;
        case MANAGED_DEVICE_STATE_LEAVING: /* not to be driven now, but there it is */
                return device->has_failed && !device->is_unplugged ? DEVICE_VIEW_STATE_FAILED
                                                                   : DEVICE_VIEW_STATE_STOPPING;
        case MANAGED_DEVICE_STATE_STOPPING:
        case MANAGED_DEVICE_STATE_ENDED:
                return DEVICE_VIEW_STATE_STOPPING;
        case _MANAGED_DEVICE_STATE_MAX:
                break;
        }
        assert_not_reached();
}

static uint32_t get_degradations(const ManagedDevice *device) {
        uint32_t degradations = device->info.degradations;

        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++)
                if (device->luns[lun].is_present)
                        degradations |= device->luns[lun].degradations;
        return degradations;
}

static void look_at_power(const ManagedDevice *device, DeviceView *ret) {
        const DevicePower *power = &device->power;

        ret->power_options = managed_device_get_power_options(device);
        ret->power_state = device_power_get_state(power);
        ret->power_since_us = power->since_us;
        if (!power->is_told)
                return;
        ret->max_power_ma = power->told.max_power_ma;
        ret->is_self_powered = power->told.is_self_powered;
        ret->can_standby = power->told.can_standby;
        ret->can_suspend = power->told.can_suspend;
}

static void look_at(const ManagedDevice *device, DeviceView *ret) {
        const UsbNode *node = &device->node;
        const DeviceCacheOptions *cache = device->cache.options;

        *ret = (DeviceView){
                .id = device->id,
                .name = device->name,
                .base_name = device->export_name,
                .vendor_id = node->vendor_id,
                .product_id = node->product_id,
                .device_version = node->version,
                .vendor = node->manufacturer,
                .model = node->product,
                .serial = node->serial,
                .speed_mbps = node->speed_mbps,
                .is_simulated = !device->udev,
                .state = get_state(device),
                .failure_reason = device->failure_reason,
                .target = device->decision.target,
                .rule = device->rule,
                .is_read_only = managed_device_is_read_only(device),
                .quirks = device->quirks,
                .learned = device->learned.facts,
                .degradations = get_degradations(device),
                .worker_pid = device->worker ? child_process_get_pid(device->worker) : 0,
                .n_restarts = device->n_restarts,
                .taken_us = device->taken_us,
                .has_info = device->has_info,
                .info = device->info,
                .cache_policy = cache->policy,
                .has_read_ahead = cache->has_read_ahead,
                .cache_size_max = device->cache_size_max,
        };
        look_at_power(device, ret);
}

bool device_manager_get_device(const DeviceManager *manager, size_t index, DeviceView *ret) {
        LIST_FOR_EACH (node, &manager->devices) {
                if (index-- > 0)
                        continue;
                look_at(list_entry(node, ManagedDevice, node_of_manager), ret);
                return true;
        }
        return false;
}

bool device_manager_get_other(const DeviceManager *manager, size_t index, DeviceOtherView *ret) {
        LIST_FOR_EACH (list_node, &manager->others.list) {
                const DeviceOther *other = list_entry(list_node, DeviceOther, node_of_others);
                const UsbNode *node = &other->node;

                if (index-- > 0)
                        continue;
                *ret = (DeviceOtherView){
                        .name = node->name,
                        .vendor_id = node->vendor_id,
                        .product_id = node->product_id,
                        .vendor = node->manufacturer,
                        .model = node->product,
                        .serial = node->serial,
                        .speed_mbps = node->speed_mbps,
                        .reason = other->reason,
                };
                return true;
        }
        return false;
}

bool device_manager_find_device(const DeviceManager *manager, uint64_t id, DeviceView *ret) {
        const ManagedDevice *device = device_manager_get(manager, id);

        if (device)
                look_at(device, ret);
        return device;
}

bool device_manager_find_device_by_name(const DeviceManager *manager, const char *name,
                                        DeviceView *ret) {
        const ManagedDevice *device = device_manager_find(manager, name);

        if (device)
                look_at(device, ret);
        return device;
}

static void look_at_health(const DeviceSmartUnit *unit, LunView *ret) {
        ret->smart_reason = unit ? unit->reason : "";
        ret->smart_news = unit ? unit->news : "";
        ret->smart = unit ? &unit->told : NULL;
        ret->smart_history = unit ? &unit->history : NULL;
}

bool device_manager_get_lun(const DeviceManager *manager, uint64_t id, unsigned lun, LunView *ret) {
        const ManagedDevice *device = device_manager_get(manager, id);
        const ControlExport *export = NULL;

        if (!device || lun >= CONTROL_LUNS_MAX || !device->luns[lun].is_present)
                return false;
        if (device->exports[lun].is_open)
                export = device_front_find_export(&manager->front, device->exports[lun].generation);
        *ret = (LunView){
                .info = &device->luns[lun],
                .export_name = "",
                .n_mount_changes = device->mounts.n_changes[lun],
        };
        look_at_health(device->smart.units[lun], ret);
        if (export) {
                ret->export_name = export->name;
                ret->generation = export->generation;
                ret->export_info = export->info;
        }
        return true;
}
