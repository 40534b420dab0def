/*
 * One set of methods for both kinds of object: a device's numbers are those of its units together.
 * What nobody has told of yet is zero.
 */

#include "dbus/bus_performance.h"

#include <errno.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_lun.h"
#include "dbus/metrics_counter.h"
#include "device/device_stats.h"
#include "device/optimization_advice.h"

#define PERFORMANCE_INTERFACE BUS_SERVICE_NAME ".Performance"

static const DeviceStats *get_stats(const BusSubject *subject) {
        return device_manager_get_stats(subject->service->manager, subject->id);
}

StorageStats bus_performance_get_totals(const BusSubject *subject) {
        const DeviceStats *stats = get_stats(subject);
        StorageStats totals = {};

        if (stats && subject->lun == CONTROL_LUN_ALL)
                device_stats_get_sum(stats, &totals);
        else if (stats)
                (void) device_stats_get_lun(stats, subject->lun, &totals);
        return totals;
}

static DeviceStatsRates get_rates(const BusSubject *subject, DeviceStatsWindow window) {
        uint64_t now_ns = event_loop_now_ns(subject->service->loop);
        const DeviceStats *stats = get_stats(subject);
        DeviceStatsRates rates = {};

        if (stats && subject->lun == CONTROL_LUN_ALL)
                device_stats_get_sum_rates(stats, window, now_ns, &rates);
        else if (stats)
                (void) device_stats_get_lun_rates(stats, subject->lun, window, now_ns, &rates);
        return rates;
}

static double to_seconds(double time_ns) { return time_ns / (double) NS_PER_S; }

/* Each fills in the reply. */

static int append_counters(const BusSubject *subject, sd_bus_message *reply) {
        StorageStats totals = bus_performance_get_totals(subject);
        char name[METRICS_COUNTER_NAME_SIZE];
        const MetricsCounter *counter;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{st}");
        for (size_t i = 0; r >= 0 && (counter = metrics_counter_get(i)); i++) {
                metrics_counter_format_name(counter, name);
                r = sd_bus_message_append(reply, "{st}", name,
                                          metrics_counter_read(counter, &totals));
        }
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int append_rates(const BusSubject *subject, sd_bus_message *reply) {
        static const struct {
                DeviceStatsWindow window;
                uint32_t seconds;
        } windows[] = {
                { DEVICE_STATS_WINDOW_1_S, 1 },
                { DEVICE_STATS_WINDOW_10_S, 10 },
                { DEVICE_STATS_WINDOW_60_S, 60 },
        };
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(uddddddd)");
        for (size_t i = 0; r >= 0 && i < N_ELEMENTS(windows); i++) {
                DeviceStatsRates rates = get_rates(subject, windows[i].window);

                r = sd_bus_message_append(reply, "(uddddddd)", windows[i].seconds, rates.reads,
                                          rates.read_size, rates.writes, rates.write_size,
                                          to_seconds(rates.read_latency_ns),
                                          to_seconds(rates.write_latency_ns), rates.hit_ratio);
        }
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static const StorageHistogram *find_histogram(const StorageStats *totals, const char *name) {
        for (unsigned i = 0; i < _STORAGE_OPERATION_MAX; i++)
                if (strcmp(name, storage_operation_to_string((StorageOperation) i)) == 0)
                        return &totals->operations[i].latency;
        for (unsigned i = 0; i < _STORAGE_LAYER_MAX; i++)
                if (strcmp(name, storage_layer_to_string((StorageLayer) i)) == 0)
                        return &totals->layers[i];
        return NULL;
}

static int append_buckets(const StorageHistogram *histogram, sd_bus_message *reply) {
        uint64_t n = 0;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(dt)");
        for (size_t i = 0; r >= 0 && i < STORAGE_HISTOGRAM_BUCKETS; i++) {
                uint64_t end_ns = storage_histogram_get_end_ns(i);
                double end = end_ns == UINT64_MAX ? __builtin_inf() : to_seconds((double) end_ns);

                n += histogram->counts[i];
                r = sd_bus_message_append(reply, "(dt)", end, n);
        }
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int append_latency(const StorageHistogram *histogram, sd_bus_message *reply) {
        int r;

        r = append_buckets(histogram, reply);
        if (r < 0)
                return r;
        return sd_bus_message_append(
                        reply, "ddd",
                        to_seconds((double) storage_histogram_get_quantile_ns(histogram, 500)),
                        to_seconds((double) storage_histogram_get_quantile_ns(histogram, 990)),
                        to_seconds((double) histogram->largest_ns));
}

static int append_advice(const BusSubject *subject, sd_bus_message *reply) {
        OptimizationAdvice advice[_OPTIMIZATION_TOPIC_MAX];
        size_t n;
        int r;

        n = device_manager_get_advice(subject->service->manager, subject->id, advice);
        r = sd_bus_message_open_container(reply, 'a', "(sss)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "(sss)",
                                          optimization_topic_to_string(advice[i].topic),
                                          optimization_severity_to_string(advice[i].severity),
                                          advice[i].text);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

typedef int (*Append)(const BusSubject *subject, sd_bus_message *reply);

static int reply_with(sd_bus_message *message, const BusSubject *subject, Append append) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(message, &reply);
        if (r < 0)
                return r;
        r = append(subject, reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

static int on_get_counters(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return reply_with(message, userdata, append_counters);
}

static int on_get_rates(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return reply_with(message, userdata, append_rates);
}

static int on_get_advice(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        return reply_with(message, userdata, append_advice);
}

static int on_get_latency(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        StorageStats totals = bus_performance_get_totals(userdata);
        const StorageHistogram *histogram;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        histogram = find_histogram(&totals, name);
        if (!histogram)
                return bus_error_set(ret_error, -EINVAL, "No such operation is measured");
        r = sd_bus_message_new_method_return(message, &reply);
        if (r < 0)
                return r;
        r = append_latency(histogram, reply);
        if (r < 0)
                return r;
        return sd_bus_message_send(reply);
}

static const sd_bus_vtable performance_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("GetCounters", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{st}", counters),
                                on_get_counters, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetRates", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(uddddddd)", rates),
                                on_get_rates, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetLatency", SD_BUS_ARGS("s", operation),
                                SD_BUS_RESULT("a(dt)", buckets, "d", p50, "d", p99, "d", maximum),
                                on_get_latency, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetAdvice", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sss)", advice),
                                on_get_advice, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static int find_subject(sd_bus *bus, const char *path, const char *interface, void *userdata,
                        void **ret_found, sd_bus_error *ret_error) {
        BusService *service = userdata;

        LIST_FOR_EACH (node, &service->devices) {
                BusDevice *device = list_entry(node, BusDevice, node);

                if (strcmp(device->path, path) == 0) {
                        *ret_found = &device->subject;
                        return 1;
                }
                for (size_t i = 0; i < N_ELEMENTS(device->luns); i++) {
                        if (!device->luns[i] || strcmp(device->luns[i]->path, path) != 0)
                                continue;
                        *ret_found = &device->luns[i]->subject;
                        return 1;
                }
        }
        return 0;
}

int bus_performance_attach(BusService *service, sd_bus *bus) {
        return sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service),
                                          BUS_SERVICE_DEVICES_PATH, PERFORMANCE_INTERFACE,
                                          performance_vtable, find_subject, service);
}
