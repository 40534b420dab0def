/* Views and statistics, put together for metrics_text. */

#include "dbus/bus_metrics.h"

#include <errno.h>

#include "dbus/bus_device.h"
#include "dbus/bus_lun.h"
#include "device/device_stats.h"

static void fill_in_lun(MetricsLun *metrics, const BusLun *lun, const DeviceStats *stats) {
        const BusLunFacts *facts = &lun->facts;
        LunView view;

        *metrics = (MetricsLun){
                .number = facts->number,
                .kind = facts->kind,
                .vendor = facts->vendor,
                .model = facts->model,
                .serial = facts->serial,
                .export_name = facts->export_name,
                .size = facts->size,
                .n_clients = facts->n_clients,
                .is_read_only = facts->is_read_only,
        };
        if (device_manager_get_lun(lun->device->service->manager, lun->device->id, facts->number,
                                   &view))
                metrics->smart = view.smart;
        if (stats)
                (void) device_stats_get_lun(stats, facts->number, &metrics->stats);
}

static void fill_in_device(MetricsDevice *metrics, const BusDevice *device, MetricsLun *luns) {
        const DeviceStats *stats = device_manager_get_stats(device->service->manager, device->id);
        const BusDeviceFacts *facts = &device->facts;

        *metrics = (MetricsDevice){
                .name = device->unique_name,
                .vendor = facts->vendor,
                .model = facts->model,
                .serial = facts->serial,
                .state = facts->state,
                .vendor_id = facts->vendor_id,
                .product_id = facts->product_id,
                .n_restarts = facts->n_restarts,
                .is_degraded = facts->degradations != 0,
                .luns = luns,
        };
        if (stats)
                (void) device_stats_get_device(stats, &metrics->stats);
        metrics->max_power_ma = device->power.max_power_ma;
        metrics->power_state = bus_power_get_statistics(device, &metrics->power);
        for (size_t i = 0; i < N_ELEMENTS(device->luns); i++)
                if (device->luns[i])
                        fill_in_lun(&luns[metrics->n_luns++], device->luns[i], stats);
}

int bus_metrics_format(BusService *service, MetricsFormat format, char **ret) {
        _cleanup_(freep) MetricsDevice *devices = NULL;
        _cleanup_(freep) MetricsLun *luns = NULL;
        size_t n_devices = 0, n_luns = 0, i = 0;

        LIST_FOR_EACH (node, &service->devices)
                n_devices++;
        devices = calloc(MAX(n_devices, (size_t) 1), sizeof(*devices));
        luns = calloc(MAX(n_devices, (size_t) 1) * CONTROL_LUNS_MAX, sizeof(*luns));
        if (!devices || !luns)
                return -ENOMEM;
        LIST_FOR_EACH (node, &service->devices) {
                fill_in_device(&devices[i], list_entry(node, BusDevice, node), &luns[n_luns]);
                n_luns += devices[i++].n_luns;
        }
        return metrics_text_format(ret, format, service->version, devices, n_devices);
}
