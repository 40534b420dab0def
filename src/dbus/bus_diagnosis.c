/* What is known of a device and its units, one fact to a line. */

#include "dbus/bus_diagnosis.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_request.h"
#include "dbus/metrics_counter.h"
#include "device/device_stats.h"
#include "device/optimization_advice.h"
#include "smart/smart_attribute.h"

static void write_device(FILE *file, const BusDevice *device) {
        const BusDeviceFacts *facts = &device->facts;

        fprintf(file, "usb-storaged %s\n\n", device->service->version);
        fprintf(file, "Device %s: %04x:%04x, revision %x.%02x\n", facts->name, facts->vendor_id,
                facts->product_id, facts->device_version >> 8, facts->device_version & 0xff);
        fprintf(file, "It calls itself: %s %s\n", facts->vendor, facts->model);
        fprintf(file, "Bus: %s, %u Mb/s\n", facts->connection_bus, facts->speed_mbps);
        fprintf(file, "State: %s\n", facts->state);
        if (facts->failure_reason[0] != '\0')
                fprintf(file, "It could not be driven: %s\n", facts->failure_reason);
        fprintf(file, "Transport: %s, up to %u bytes in a command\n",
                facts->transport[0] != '\0' ? facts->transport : "not known",
                facts->transfer_size_max);
        fprintf(file, "Quirks: %s\n", facts->quirks[0] != '\0' ? facts->quirks : "none");
        fprintf(file, "Cache: %s, %s, up to %" PRIu64 " bytes, %s read-ahead\n", facts->cache_mode,
                facts->cache_policy, facts->cache_size_max,
                facts->has_read_ahead ? "with" : "without");
        fprintf(file, "Read-only: %s\n", facts->is_read_only ? "yes" : "no");
        fprintf(file, "Its process was started anew %u times\n", facts->n_restarts);
}

static void write_masks(FILE *file, const BusDeviceFacts *facts) {
        for (unsigned bit = 0; bit < CONTROL_DEGRADATIONS_N; bit++)
                if (facts->degradations & UINT32_C(1) << bit)
                        fprintf(file, "Degraded: %s\n", control_degradation_to_string(1U << bit));
        for (unsigned bit = 0; bit < USB_FACTS_N; bit++)
                if (facts->learned & UINT32_C(1) << bit)
                        fprintf(file, "Learned: %s\n", usb_fact_to_string(1U << bit));
        for (unsigned bit = 0; bit < USB_UNIT_FACTS_N; bit++)
                if (facts->learned & UINT32_C(1) << (USB_FACTS_N + bit))
                        fprintf(file, "Learned of a unit: %s\n",
                                usb_unit_fact_to_string(1U << bit));
}

static void write_lun(FILE *file, const BusLunFacts *facts) {
        fprintf(file, "\nUnit %u: %s, %s %s %s, peripheral type %02x, version %02x\n",
                facts->number, facts->kind, facts->vendor, facts->model, facts->revision,
                facts->peripheral_type, facts->version);
        fprintf(file, "Medium: %s, %" PRIu64 " bytes in blocks of %u, physically %u\n",
                facts->has_medium ? "there" : "none", facts->size, facts->block_size,
                facts->physical_block_size);
        fprintf(file, "It is%s%s%s, and %s exported, to %u clients\n",
                facts->is_removable ? " removable" : " fixed",
                facts->is_read_only ? ", read-only" : "",
                facts->is_rotational ? ", rotational" : "",
                facts->export_name[0] != '\0' ? "is" : "is not", facts->n_clients);
        fprintf(file, "Commands: SYNCHRONIZE CACHE %s, FUA %s, UNMAP %s, TRIM of clients %s\n",
                facts->has_synchronize_cache ? "yes" : "no", facts->has_fua ? "yes" : "no",
                facts->can_unmap ? "yes" : "no", facts->can_trim ? "yes" : "no");
        if (facts->last_sense[0] != '\0')
                fprintf(file, "Last sense: %s\n", facts->last_sense);
}

static void write_number(FILE *file, const char *title, const SmartNumber *number) {
        if (number->is_known)
                fprintf(file, "%s: %" PRIu64 "\n", title, number->value);
}

static void write_attributes(FILE *file, const SmartData *data) {
        for (size_t i = 0; i < data->n_attributes; i++) {
                const SmartAttribute *attribute = &data->attributes[i];

                fprintf(file, "Attribute %u, %s: %u, worst %u, threshold %u, raw %" PRIu64 ", %s\n",
                        attribute->id, smart_attribute_get_name(attribute->id), attribute->value,
                        attribute->worst, attribute->threshold, attribute->raw,
                        smart_attribute_state_to_string(attribute->state));
        }
}

/* Without the drive's serial number. */
static void write_smart_data(FILE *file, const SmartData *data) {
        fprintf(file, "Its drive: %s, %s, firmware %s\n", smart_kind_to_string(data->kind),
                data->identity.model, data->identity.firmware);
        if (data->temperature.is_known)
                fprintf(file, "Temperature: %d degrees\n", data->temperature.value);
        write_number(file, "Hours switched on", &data->power_on_hours);
        write_number(file, "Times switched on", &data->power_cycles);
        write_number(file, "Sectors replaced", &data->reallocated_sectors);
        write_number(file, "Sectors that can't be read", &data->pending_sectors);
        write_number(file, "Sectors that can't be corrected", &data->uncorrectable_sectors);
        write_number(file, "Percent of its life that are over", &data->used_percent);
        write_number(file, "Errors in its log", &data->n_errors);
        write_attributes(file, data);
        for (unsigned i = 0; i < _SMART_SECTION_MAX; i++)
                if (data->answers[i] != SMART_ANSWER_NONE && data->answers[i] != SMART_ANSWER_GOOD)
                        fprintf(file, "Its %s %s\n", smart_section_to_string((SmartSection) i),
                                smart_answer_to_string(data->answers[i]));
}

static void write_health(FILE *file, const BusLun *lun) {
        const BusSmartFacts *facts = &lun->smart;
        const BusDevice *device = lun->device;
        LunView view;

        fprintf(file, "Health: %s%s%s\n", facts->verdict, facts->reason[0] != '\0' ? ": " : "",
                facts->reason);
        if (!device_manager_get_lun(device->service->manager, device->id, lun->facts.number,
                                    &view) ||
            !view.smart)
                return;
        fprintf(file, "It was asked %" PRIu64 " times%s%s\n", view.smart->n_asked,
                facts->way[0] != '\0' ? ", by " : "", facts->way);
        if (view.smart->n_asked > 0)
                write_smart_data(file, &view.smart->data);
}

static void write_counters(FILE *file, const StorageStats *stats) {
        const MetricsCounter *counter;
        char name[METRICS_COUNTER_NAME_SIZE];

        for (size_t i = 0; (counter = metrics_counter_get(i)); i++) {
                uint64_t value = metrics_counter_read(counter, stats);

                metrics_counter_format_name(counter, name);
                if (value > 0)
                        fprintf(file, "%s: %" PRIu64 "\n", name, value);
        }
        for (unsigned i = 0; i < _STORAGE_ERROR_MAX; i++)
                if (stats->n_errors[i] > 0)
                        fprintf(file, "errors, %s: %" PRIu64 "\n",
                                storage_error_to_string((StorageError) i), stats->n_errors[i]);
        for (unsigned i = 0; i < STORAGE_SENSE_KEYS; i++)
                if (stats->n_check_conditions[i] > 0)
                        fprintf(file, "check conditions, sense key %u: %" PRIu64 "\n", i,
                                stats->n_check_conditions[i]);
}

static void write_stats(FILE *file, const BusDevice *device, const DeviceStats *stats) {
        StorageDeviceStats totals;

        if (!device_stats_get_device(stats, &totals))
                return;
        fprintf(file, "USB transfers: %" PRIu64 "\n", totals.n_transfers);
        for (unsigned i = 0; i < _STORAGE_RESET_MAX; i++)
                if (totals.n_resets[i] > 0)
                        fprintf(file, "Resets, %s: %" PRIu64 "\n",
                                storage_reset_to_string((StorageReset) i), totals.n_resets[i]);
        if (totals.n_recoveries_failed > 0)
                fprintf(file, "Recoveries that failed: %" PRIu64 "\n", totals.n_recoveries_failed);
}

static void write_power(FILE *file, const BusDevice *device) {
        const BusPowerFacts *facts = &device->power;
        PowerStatistics statistics;
        const StorageHistogram *latency = &statistics.wake_latency;

        (void) bus_power_get_statistics(device, &statistics);
        fprintf(file, "\nPower: %s; it has standby: %s, may be suspended: %s\n", facts->state,
                facts->can_standby ? "yes" : "no", facts->can_suspend ? "yes" : "no");
        fprintf(file, "It may draw %u mA, and is %s\n", facts->max_power_ma,
                facts->is_self_powered ? "self-powered" : "bus-powered");
        fprintf(file,
                "Sleeps by itself: %s; standby after %" PRIu64 " s, suspended after %" PRIu64
                " s (0: never)\n",
                facts->is_enabled ? "yes" : "no", facts->standby_timeout_us / 1000000,
                facts->suspend_timeout_us / 1000000);
        for (PowerState state = 0; state < _POWER_STATE_MAX; state++)
                if (statistics.time_ns[state] > 0)
                        fprintf(file, "Time %s: %.1f s\n", power_state_to_string(state),
                                (double) statistics.time_ns[state] / (double) NS_PER_S);
        fprintf(file,
                "Standbys: %" PRIu64 ", spin-ups: %" PRIu64 ", suspends: %" PRIu64
                ", failures: %" PRIu64 "\n",
                statistics.n_standbys, statistics.n_spin_ups, statistics.n_suspends,
                statistics.n_sleep_failures);
        if (storage_histogram_count(latency) > 0)
                fprintf(file, "Wakes: %" PRIu64 ", half of them in %.1f ms, all in %.1f ms\n",
                        storage_histogram_count(latency),
                        (double) storage_histogram_get_quantile_ns(latency, 500) / 1e6,
                        (double) latency->largest_ns / 1e6);
}

static void write_advice(FILE *file, const BusDevice *device) {
        OptimizationAdvice advice[_OPTIMIZATION_TOPIC_MAX];
        size_t n = device_manager_get_advice(device->service->manager, device->id, advice);

        for (size_t i = 0; i < n; i++)
                fprintf(file, "%sAdvice (%s, %s): %s\n", i == 0 ? "\n" : "",
                        optimization_topic_to_string(advice[i].topic),
                        optimization_severity_to_string(advice[i].severity), advice[i].text);
}

static void write_all(FILE *file, const BusDevice *device) {
        const DeviceStats *stats = device_manager_get_stats(device->service->manager, device->id);
        StorageStats totals;

        write_device(file, device);
        write_masks(file, &device->facts);
        if (stats)
                write_stats(file, device, stats);
        write_power(file, device);
        for (size_t i = 0; i < N_ELEMENTS(device->luns); i++) {
                if (!device->luns[i])
                        continue;
                write_lun(file, &device->luns[i]->facts);
                write_health(file, device->luns[i]);
                if (stats && device_stats_get_lun(stats, (unsigned) i, &totals))
                        write_counters(file, &totals);
        }
        write_advice(file, device);
}

static int format(const BusDevice *device, char **ret) {
        _cleanup_(freep) char *text = NULL;
        bool has_failed;
        size_t size;
        FILE *file;

        file = open_memstream(&text, &size);
        if (!file)
                return -errno;
        write_all(file, device);
        has_failed = ferror(file);
        if (fclose(file) != 0 || has_failed)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}

/* The last commands, as the worker tells them: text that is not trusted. */

static void clean(char *text, const uint8_t *data, size_t size) {
        for (size_t i = 0; i < size; i++)
                text[i] = data[i] == '\n' || (data[i] >= ' ' && data[i] <= '~') ? (char) data[i]
                                                                                : '?';
        text[size] = '\0';
}

static int reply_with_history(BusRequest *request, const ControlReply *reply, const uint8_t *data) {
        _cleanup_(freep) char *history = NULL, *report = NULL;
        int r;

        if (reply->error < 0)
                r = asprintf(&history, "not known: %s\n", strerror(-reply->error));
        else
                r = (history = malloc(reply->data_size + 1)) ? 0 : -1;
        if (r < 0)
                return -ENOMEM;
        if (reply->error == 0)
                clean(history, data, reply->data_size);
        if (asprintf(&report, "%s\nThe last commands:%s%s", request->text,
                     reply->error < 0 ? " " : "\n", history) < 0)
                return -ENOMEM;
        return sd_bus_reply_method_return(request->message, "s", report);
}

int bus_diagnosis_reply(BusDevice *device, sd_bus_message *message, sd_bus_error *ret_error) {
        BusRequest *request;
        int r;

        r = bus_request_new(&request, device->service, message, ret_error);
        if (r < 0)
                return r;
        request->reply = reply_with_history;
        request->replies_to_failure = true;
        request->request.request = (ControlRequest){
                .kind = CONTROL_REQUEST_KIND_HISTORY,
                .lun = CONTROL_LUN_ALL,
        };
        r = format(device, &request->text);
        if (r < 0) {
                bus_request_abandon(request);
                return bus_error_set(ret_error, r, "No memory");
        }
        r = device_manager_request(device->service->manager, device->id, &request->request);
        if (r >= 0)
                return bus_request_sent(request, r, ret_error);
        r = reply_with_history(request, &(ControlReply){ .error = r }, NULL);
        bus_request_abandon(request);
        return r;
}
