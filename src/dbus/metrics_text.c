/*
 * Families one after the other, as OpenMetrics wants it, each with its samples of all devices. A
 * device is named by its port: its serial number is in `device_info` alone, so that no other series
 * changes with it.
 */

#include "dbus/metrics_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dbus/metrics_counter.h"
#include "dbus/metrics_smart.h"
#include "dbus/metrics_writer.h"

/* Counters */

static const char *unit_name(MetricsUnit unit) {
        switch (unit) {
        case METRICS_UNIT_NONE:
                return NULL;
        case METRICS_UNIT_BYTES:
                return "bytes";
        case METRICS_UNIT_SECONDS:
                return "seconds";
        }

        assert_not_reached();
}

static void write_counter(const MetricsWriter *text, const MetricsCounter *counter) {
        metrics_writer_begin_family(text, counter->name, counter->is_gauge ? "gauge" : "counter",
                                    unit_name(counter->unit), counter->help);
        for (size_t i = 0; i < text->n_devices; i++) {
                const MetricsDevice *device = &text->devices[i];

                for (size_t j = 0; j < device->n_luns; j++) {
                        uint64_t value = metrics_counter_read(counter, &device->luns[j].stats);

                        metrics_writer_begin_lun(text->file, counter->name,
                                                 counter->is_gauge ? "" : "_total", device,
                                                 &device->luns[j]);
                        fputs("} ", text->file);
                        if (counter->unit == METRICS_UNIT_SECONDS)
                                metrics_writer_add_seconds(text->file, value);
                        else
                                fprintf(text->file, "%llu", (unsigned long long) value);
                        fputc('\n', text->file);
                }
        }
}

/* Counters that have one more label, with a value of an enum. */
typedef struct LabelledCounter {
        const char *name;
        const char *help;
        const char *label;
        const char *(*value_name)(unsigned value);
        unsigned n_values;
        size_t offset; /* of an array of uint64_t */
} LabelledCounter;

static const char *error_name(unsigned value) {
        return storage_error_to_string((StorageError) value);
}

static const char *reset_name(unsigned value) {
        return storage_reset_to_string((StorageReset) value);
}

/* SPC-4, table 48. */
static const char *sense_key_name(unsigned value) {
        static const char *const names[STORAGE_SENSE_KEYS] = {
                "no-sense",       "recovered-error", "not-ready",      "medium-error",
                "hardware-error", "illegal-request", "unit-attention", "data-protect",
                "blank-check",    "vendor-specific", "copy-aborted",   "aborted-command",
                "reserved",       "volume-overflow", "miscompare",     "completed",
        };

        return names[value];
}

static uint64_t read_at(const void *stats, size_t offset, unsigned index) {
        uint64_t value;

        memcpy(&value, (const char *) stats + offset + index * sizeof(value), sizeof(value));
        return value;
}

static void write_labelled_value(const MetricsWriter *text, const LabelledCounter *counter,
                                 const void *stats, unsigned index) {
        metrics_writer_add_label(text->file, counter->label, counter->value_name(index));
        fprintf(text->file, "} %llu\n",
                (unsigned long long) read_at(stats, counter->offset, index));
}

static void write_labelled_of_luns(const MetricsWriter *text, const LabelledCounter *counter) {
        metrics_writer_begin_family(text, counter->name, "counter", NULL, counter->help);
        for (size_t i = 0; i < text->n_devices; i++) {
                const MetricsDevice *device = &text->devices[i];

                for (size_t j = 0; j < device->n_luns; j++)
                        for (unsigned value = 0; value < counter->n_values; value++) {
                                metrics_writer_begin_lun(text->file, counter->name, "_total",
                                                         device, &device->luns[j]);
                                write_labelled_value(text, counter, &device->luns[j].stats, value);
                        }
        }
}

static void write_labelled_of_devices(const MetricsWriter *text, const LabelledCounter *counter) {
        metrics_writer_begin_family(text, counter->name, "counter", NULL, counter->help);
        for (size_t i = 0; i < text->n_devices; i++)
                for (unsigned value = 0; value < counter->n_values; value++) {
                        metrics_writer_begin_device(text->file, counter->name, "_total",
                                                    &text->devices[i]);
                        write_labelled_value(text, counter, &text->devices[i].stats, value);
                }
}

static void write_labelled(const MetricsWriter *text) {
        static const LabelledCounter errors = {
                .name = "errors",
                .help = "Requests of clients that failed, by what they were told.",
                .label = "error",
                .value_name = error_name,
                .n_values = _STORAGE_ERROR_MAX,
                .offset = offsetof(StorageStats, n_errors),
        };
        static const LabelledCounter check_conditions = {
                .name = "check_conditions",
                .help = "Commands that the device refused or failed, by its sense key.",
                .label = "key",
                .value_name = sense_key_name,
                .n_values = STORAGE_SENSE_KEYS,
                .offset = offsetof(StorageStats, n_check_conditions),
        };
        static const LabelledCounter resets = {
                .name = "transport_resets",
                .help = "Steps of recovery that were taken.",
                .label = "level",
                .value_name = reset_name,
                .n_values = _STORAGE_RESET_MAX,
                .offset = offsetof(StorageDeviceStats, n_resets),
        };

        write_labelled_of_luns(text, &errors);
        write_labelled_of_luns(text, &check_conditions);
        write_labelled_of_devices(text, &resets);
}

/* Histograms */

/* Of what a histogram is, beside its device. */
typedef struct HistogramSubject {
        const MetricsLun *lun;
        const char *label;
        const char *value;
} HistogramSubject;

/* NULL: of the device as a whole. */
static void write_histogram_labels(const MetricsWriter *text, const char *name, const char *suffix,
                                   const MetricsDevice *device, const HistogramSubject *subject) {
        if (!subject) {
                metrics_writer_begin_device(text->file, name, suffix, device);
                return;
        }
        metrics_writer_begin_lun(text->file, name, suffix, device, subject->lun);
        metrics_writer_add_label(text->file, subject->label, subject->value);
}

/* A bound for each power of two is enough: cumulative counts can be told at any of them. */
static void write_histogram(const MetricsWriter *text, const char *name,
                            const MetricsDevice *device, const HistogramSubject *subject,
                            const StorageHistogram *histogram) {
        uint64_t n = 0;

        for (size_t i = 0; i < STORAGE_HISTOGRAM_BUCKETS; i++) {
                uint64_t end_ns = storage_histogram_get_end_ns(i);

                n += histogram->counts[i];
                if (end_ns != UINT64_MAX && !is_power_of_two(end_ns))
                        continue;
                write_histogram_labels(text, name, "_bucket", device, subject);
                fputs(",le=\"", text->file);
                if (end_ns == UINT64_MAX)
                        fputs("+Inf", text->file);
                else
                        metrics_writer_add_seconds(text->file, end_ns);
                fprintf(text->file, "\"} %llu\n", (unsigned long long) n);
        }
        write_histogram_labels(text, name, "_count", device, subject);
        fprintf(text->file, "} %llu\n", (unsigned long long) n);
        write_histogram_labels(text, name, "_sum", device, subject);
        fputs("} ", text->file);
        metrics_writer_add_seconds(text->file, histogram->sum_ns);
        fputc('\n', text->file);
}

static void write_histograms_of_lun(const MetricsWriter *text, const MetricsDevice *device,
                                    const MetricsLun *lun) {
        HistogramSubject subject = { .lun = lun, .label = "operation" };

        for (unsigned i = 0; i < _STORAGE_OPERATION_MAX; i++) {
                subject.value = storage_operation_to_string((StorageOperation) i);
                write_histogram(text, "request_duration_seconds", device, &subject,
                                &lun->stats.operations[i].latency);
        }
}

static void write_layers_of_lun(const MetricsWriter *text, const MetricsDevice *device,
                                const MetricsLun *lun) {
        HistogramSubject subject = { .lun = lun, .label = "layer" };

        for (unsigned i = 0; i < _STORAGE_LAYER_MAX; i++) {
                subject.value = storage_layer_to_string((StorageLayer) i);
                write_histogram(text, "layer_duration_seconds", device, &subject,
                                &lun->stats.layers[i]);
        }
}

static void write_histograms(const MetricsWriter *text) {
        metrics_writer_begin_family(text, "request_duration_seconds", "histogram", "seconds",
                                    "How long requests of clients took.");
        for (size_t i = 0; i < text->n_devices; i++)
                for (size_t j = 0; j < text->devices[i].n_luns; j++)
                        write_histograms_of_lun(text, &text->devices[i], &text->devices[i].luns[j]);
        metrics_writer_begin_family(text, "layer_duration_seconds", "histogram", "seconds",
                                    "Where time was spent.");
        for (size_t i = 0; i < text->n_devices; i++)
                for (size_t j = 0; j < text->devices[i].n_luns; j++)
                        write_layers_of_lun(text, &text->devices[i], &text->devices[i].luns[j]);
}

/* Power */

static void write_power_states(const MetricsWriter *text) {
        metrics_writer_begin_family(text, "power_state", "stateset", NULL,
                                    "How awake the device is.");
        for (size_t i = 0; i < text->n_devices; i++)
                for (PowerState state = 0; state < _POWER_STATE_MAX; state++) {
                        metrics_writer_begin_device(text->file, "power_state", "",
                                                    &text->devices[i]);
                        metrics_writer_add_label(text->file, METRICS_PREFIX "power_state",
                                                 power_state_to_string(state));
                        fprintf(text->file, "} %d\n", state == text->devices[i].power_state);
                }
        metrics_writer_begin_family(text, "power_state_seconds", "counter", "seconds",
                                    "For how long it was so awake.");
        for (size_t i = 0; i < text->n_devices; i++)
                for (PowerState state = 0; state < _POWER_STATE_MAX; state++) {
                        metrics_writer_begin_device(text->file, "power_state_seconds", "_total",
                                                    &text->devices[i]);
                        metrics_writer_add_label(text->file, "state", power_state_to_string(state));
                        fputs("} ", text->file);
                        metrics_writer_add_seconds(text->file,
                                                   text->devices[i].power.time_ns[state]);
                        fputc('\n', text->file);
                }
}

/* What it does not say is not 0, which would be a device that needs none. */
static void write_max_power(const MetricsWriter *text) {
        bool has_family = false;

        for (size_t i = 0; i < text->n_devices; i++) {
                uint32_t current_ma = text->devices[i].max_power_ma;

                if (current_ma == 0)
                        continue;
                if (!has_family)
                        metrics_writer_begin_family(
                                        text, "max_power_amperes", "gauge", "amperes",
                                        "The current that the device may draw from the bus, as it "
                                        "says.");
                has_family = true;
                metrics_writer_begin_device(text->file, "max_power_amperes", "", &text->devices[i]);
                fprintf(text->file, "} %u.%03u\n", current_ma / 1000, current_ma % 1000);
        }
}

static void write_power(const MetricsWriter *text) {
        write_power_states(text);
        write_max_power(text);
        metrics_writer_begin_family(
                        text, "wake_duration_seconds", "histogram", "seconds",
                        "From a command that found the device asleep to its being ready.");
        for (size_t i = 0; i < text->n_devices; i++)
                write_histogram(text, "wake_duration_seconds", &text->devices[i], NULL,
                                &text->devices[i].power.wake_latency);
}

/* What they are */

static void write_device_info(const MetricsWriter *text) {
        metrics_writer_begin_family(text, "device", "info", NULL, "A USB device.");
        for (size_t i = 0; i < text->n_devices; i++) {
                const MetricsDevice *device = &text->devices[i];
                char id[16];

                metrics_writer_begin_device(text->file, "device", "_info", device);
                snprintf(id, sizeof(id), "%04x:%04x", device->vendor_id, device->product_id);
                metrics_writer_add_label(text->file, "id", id);
                metrics_writer_add_label(text->file, "vendor", device->vendor);
                metrics_writer_add_label(text->file, "model", device->model);
                metrics_writer_add_label(text->file, "serial", device->serial);
                metrics_writer_add_label(
                                text->file, "transport",
                                storage_transport_to_string(
                                                (StorageTransport) device->stats.transport));
                fputs("} 1\n", text->file);
        }
}

static void write_lun_info(const MetricsWriter *text) {
        metrics_writer_begin_family(text, "drive", "info", NULL, "A logical unit.");
        for (size_t i = 0; i < text->n_devices; i++)
                for (size_t j = 0; j < text->devices[i].n_luns; j++) {
                        const MetricsLun *lun = &text->devices[i].luns[j];

                        metrics_writer_begin_lun(text->file, "drive", "_info", &text->devices[i],
                                                 lun);
                        metrics_writer_add_label(text->file, "kind", lun->kind);
                        metrics_writer_add_label(text->file, "vendor", lun->vendor);
                        metrics_writer_add_label(text->file, "model", lun->model);
                        metrics_writer_add_label(text->file, "serial", lun->serial);
                        metrics_writer_add_label(text->file, "export", lun->export_name);
                        fputs("} 1\n", text->file);
                }
}

static void write_states(const MetricsWriter *text) {
        static const char *const states[] = { "starting", "running", "parked", "failed",
                                              "stopping" };

        metrics_writer_begin_family(text, "device_state", "stateset", NULL,
                                    "What the device is doing.");
        for (size_t i = 0; i < text->n_devices; i++)
                for (size_t j = 0; j < N_ELEMENTS(states); j++) {
                        metrics_writer_begin_device(text->file, "device_state", "",
                                                    &text->devices[i]);
                        metrics_writer_add_label(text->file, METRICS_PREFIX "device_state",
                                                 states[j]);
                        fprintf(text->file, "} %d\n",
                                strcmp(states[j], text->devices[i].state) == 0);
                }
}

static uint64_t get_degraded(const MetricsDevice *device, const MetricsLun *lun) {
        return device->is_degraded;
}

static uint64_t get_restarts(const MetricsDevice *device, const MetricsLun *lun) {
        return device->n_restarts;
}

static uint64_t get_failed_recoveries(const MetricsDevice *device, const MetricsLun *lun) {
        return device->stats.n_recoveries_failed;
}

static uint64_t get_standbys(const MetricsDevice *device, const MetricsLun *lun) {
        return device->power.n_standbys;
}

static uint64_t get_spin_ups(const MetricsDevice *device, const MetricsLun *lun) {
        return device->power.n_spin_ups;
}

static uint64_t get_suspends(const MetricsDevice *device, const MetricsLun *lun) {
        return device->power.n_suspends;
}

static uint64_t get_sleep_failures(const MetricsDevice *device, const MetricsLun *lun) {
        return device->power.n_sleep_failures;
}

static uint64_t get_size(const MetricsDevice *device, const MetricsLun *lun) { return lun->size; }

static uint64_t get_n_clients(const MetricsDevice *device, const MetricsLun *lun) {
        return lun->n_clients;
}

static uint64_t get_read_only(const MetricsDevice *device, const MetricsLun *lun) {
        return lun->is_read_only;
}

typedef struct PlainFamily {
        const char *name;
        const char *unit;
        const char *help;
        uint64_t (*get)(const MetricsDevice *device, const MetricsLun *lun);
        bool is_gauge;
        bool is_of_lun;
} PlainFamily;

static void write_plain(const MetricsWriter *text, const PlainFamily *family) {
        const char *suffix = family->is_gauge ? "" : "_total";

        metrics_writer_begin_family(text, family->name, family->is_gauge ? "gauge" : "counter",
                                    family->unit, family->help);
        for (size_t i = 0; i < text->n_devices; i++) {
                const MetricsDevice *device = &text->devices[i];
                size_t n_samples = family->is_of_lun ? device->n_luns : 1;

                for (size_t j = 0; j < n_samples; j++) {
                        const MetricsLun *lun = family->is_of_lun ? &device->luns[j] : NULL;

                        if (lun)
                                metrics_writer_begin_lun(text->file, family->name, suffix, device,
                                                         lun);
                        else
                                metrics_writer_begin_device(text->file, family->name, suffix,
                                                            device);
                        fprintf(text->file, "} %llu\n",
                                (unsigned long long) family->get(device, lun));
                }
        }
}

static void write_plains(const MetricsWriter *text) {
        static const PlainFamily families[] = {
                { "device_degraded", NULL, "Whether something works worse than it could.",
                  get_degraded, true, false },
                { "worker_restarts", NULL, "How often the device's process was started anew.",
                  get_restarts, false, false },
                { "recoveries_failed", NULL, "How often all steps of recovery were in vain.",
                  get_failed_recoveries, false, false },
                { "standbys", NULL, "How often its media were stopped.", get_standbys, false,
                  false },
                { "spin_ups", NULL, "How often they were started again.", get_spin_ups, false,
                  false },
                { "suspends", NULL, "How often its port was suspended.", get_suspends, false,
                  false },
                { "sleep_failures", NULL, "How often it could not be put to sleep.",
                  get_sleep_failures, false, false },
                { "size_bytes", "bytes", "The medium's size; 0: there is none.", get_size, true,
                  true },
                { "export_clients", NULL, "Clients that are connected, in TLS and without.",
                  get_n_clients, true, true },
                { "read_only", NULL, "Whether it can't be written to.", get_read_only, true, true },
        };

        for (size_t i = 0; i < N_ELEMENTS(families); i++)
                write_plain(text, &families[i]);
}

static void write_all(const MetricsWriter *text, const char *version) {
        const MetricsCounter *counter;

        metrics_writer_begin_family(text, "build", "info", NULL, "The service.");
        fputs(METRICS_PREFIX "build_info{version=\"", text->file);
        metrics_writer_add_text(text->file, version);
        fputs("\"} 1\n", text->file);
        write_device_info(text);
        write_states(text);
        write_lun_info(text);
        write_plains(text);
        for (size_t i = 0; (counter = metrics_counter_get(i)); i++)
                write_counter(text, counter);
        write_labelled(text);
        metrics_smart_write(text);
        write_histograms(text);
        write_power(text);
        if (text->format == METRICS_FORMAT_OPENMETRICS)
                fputs("# EOF\n", text->file);
}

static const char *const format_names[_METRICS_FORMAT_MAX] = {
        [METRICS_FORMAT_OPENMETRICS] = "openmetrics",
        [METRICS_FORMAT_PROMETHEUS] = "prometheus",
};

int metrics_format_from_string(const char *name, MetricsFormat *ret) {
        for (size_t i = 0; i < N_ELEMENTS(format_names); i++)
                if (strcmp(format_names[i], name) == 0) {
                        *ret = (MetricsFormat) i;
                        return 0;
                }
        return -EINVAL;
}

int metrics_text_format(char **ret, MetricsFormat format, const char *version,
                        const MetricsDevice *devices, size_t n_devices) {
        _cleanup_(freep) char *bytes = NULL;
        MetricsWriter text = { .format = format, .devices = devices, .n_devices = n_devices };
        bool has_failed;
        size_t size;

        text.file = open_memstream(&bytes, &size);
        if (!text.file)
                return -errno;
        write_all(&text, version);
        has_failed = ferror(text.file);
        if (fclose(text.file) != 0 || has_failed)
                return -ENOMEM;
        if (size > METRICS_TEXT_SIZE_MAX)
                return -E2BIG;
        *ret = TAKE_PTR(bytes);
        return 0;
}
