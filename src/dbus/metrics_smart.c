/* A family with a number of each unit comes from a table; those with more labels have their own code. */

#include "dbus/metrics_smart.h"

#include <inttypes.h>

#include "smart/smart_attribute.h"

#define VALUE_SIZE 32

/* `ret` is text: numbers are whole, or have a fraction. False: not known. */
typedef bool (*SmartValue)(const ControlSmart *smart, char ret[static VALUE_SIZE]);

static bool get_healthy(const ControlSmart *smart, char ret[static VALUE_SIZE]) {
        snprintf(ret, VALUE_SIZE, "%d", smart->verdict.kind == SMART_VERDICT_KIND_GOOD);
        return smart->verdict.kind != SMART_VERDICT_KIND_UNKNOWN;
}

static bool get_updated(const ControlSmart *smart, char ret[static VALUE_SIZE]) {
        snprintf(ret, VALUE_SIZE, "%" PRIu64, smart->asked_realtime_s);
        return smart->asked_realtime_s > 0;
}

static bool get_temperature(const ControlSmart *smart, char ret[static VALUE_SIZE]) {
        snprintf(ret, VALUE_SIZE, "%d", smart->data.temperature.value);
        return smart->data.temperature.is_known;
}

static bool get_power_on(const ControlSmart *smart, char ret[static VALUE_SIZE]) {
        const SmartNumber *hours = &smart->data.power_on_hours;

        snprintf(ret, VALUE_SIZE, "%" PRIu64, MIN(hours->value, (uint64_t) UINT32_MAX) * 3600);
        return hours->is_known;
}

static bool get_power_cycles(const ControlSmart *smart, char ret[static VALUE_SIZE]) {
        snprintf(ret, VALUE_SIZE, "%" PRIu64, smart->data.power_cycles.value);
        return smart->data.power_cycles.is_known;
}

static bool get_used(const ControlSmart *smart, char ret[static VALUE_SIZE]) {
        const SmartNumber *percent = &smart->data.used_percent;

        snprintf(ret, VALUE_SIZE, "%" PRIu64 ".%02" PRIu64, percent->value / 100,
                 percent->value % 100);
        return percent->is_known;
}

typedef struct SmartFamily {
        const char *name;
        const char *unit;
        const char *help;
        SmartValue get;
        bool is_counter;
} SmartFamily;

static const SmartFamily families[] = {
        { "smart_healthy", NULL,
          "Whether the drive is good; 0: there is a warning, or it is failing.", get_healthy,
          false },
        { "smart_updated_timestamp_seconds", "seconds", "When the drive was asked last.",
          get_updated, false },
        { "temperature_celsius", "celsius", "The drive's temperature.", get_temperature, false },
        { "power_on_seconds", "seconds", "For how long the drive has been switched on in all.",
          get_power_on, true },
        { "power_cycles", NULL, "How often the drive was switched on.", get_power_cycles, true },
        { "smart_used_ratio", "ratio", "How much of what its flash endures is over; may pass 1.",
          get_used, false },
};

/* A family that is there from its first sample on. */
typedef struct SmartSeries {
        const MetricsWriter *writer;
        SmartFamily family;
        const char *type;
        bool has_begun;
} SmartSeries;

static FILE *begin_sample(SmartSeries *series, const MetricsDevice *device, const MetricsLun *lun) {
        const SmartFamily *family = &series->family;

        if (!series->has_begun)
                metrics_writer_begin_family(series->writer, family->name, series->type,
                                            family->unit, family->help);
        series->has_begun = true;
        metrics_writer_begin_lun(series->writer->file, family->name,
                                 family->is_counter ? "_total" : "", device, lun);
        return series->writer->file;
}

typedef void (*WriteUnit)(SmartSeries *series, const MetricsDevice *device, const MetricsLun *lun);

static void write_series(const MetricsWriter *writer, const SmartFamily *family, const char *type,
                         WriteUnit write) {
        SmartSeries series = { .writer = writer, .family = *family, .type = type };

        for (size_t i = 0; i < writer->n_devices; i++) {
                const MetricsDevice *device = &writer->devices[i];

                for (size_t j = 0; j < device->n_luns; j++)
                        if (device->luns[j].smart)
                                write(&series, device, &device->luns[j]);
        }
}

static void write_number(SmartSeries *series, const MetricsDevice *device, const MetricsLun *lun) {
        char value[VALUE_SIZE];

        if (series->family.get(lun->smart, value))
                fprintf(begin_sample(series, device, lun), "} %s\n", value);
}

static void write_verdict(SmartSeries *series, const MetricsDevice *device, const MetricsLun *lun) {
        for (unsigned i = 0; i < _SMART_VERDICT_KIND_MAX; i++) {
                FILE *file = begin_sample(series, device, lun);

                metrics_writer_add_label(file, METRICS_PREFIX "smart_verdict",
                                         smart_verdict_kind_to_string((SmartVerdictKind) i));
                fprintf(file, "} %d\n", lun->smart->verdict.kind == i);
        }
}

static void write_sectors(SmartSeries *series, const MetricsDevice *device, const MetricsLun *lun) {
        const SmartData *data = &lun->smart->data;
        const struct {
                const char *state;
                const SmartNumber *number;
        } kinds[] = {
                { "replaced", &data->reallocated_sectors },
                { "pending", &data->pending_sectors },
                { "uncorrectable", &data->uncorrectable_sectors },
        };

        for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
                FILE *file;

                if (!kinds[i].number->is_known)
                        continue;
                file = begin_sample(series, device, lun);
                metrics_writer_add_label(file, "state", kinds[i].state);
                fprintf(file, "} %" PRIu64 "\n", kinds[i].number->value);
        }
}

static void write_attribute(SmartSeries *series, const MetricsDevice *device, const MetricsLun *lun,
                            const SmartAttribute *attribute) {
        const struct {
                const char *kind;
                uint64_t value;
                bool is_known;
        } kinds[] = {
                { "value", attribute->value, true },
                { "worst", attribute->worst, true },
                { "threshold", attribute->threshold, attribute->has_threshold },
                { "raw", attribute->raw, true },
        };
        char id[8];

        snprintf(id, sizeof(id), "%u", attribute->id);
        for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
                FILE *file;

                if (!kinds[i].is_known)
                        continue;
                file = begin_sample(series, device, lun);
                metrics_writer_add_label(file, "id", id);
                metrics_writer_add_label(file, "name", smart_attribute_get_name(attribute->id));
                metrics_writer_add_label(file, "kind", kinds[i].kind);
                fprintf(file, "} %" PRIu64 "\n", kinds[i].value);
        }
}

static void write_attributes(SmartSeries *series, const MetricsDevice *device,
                             const MetricsLun *lun) {
        for (size_t i = 0; i < lun->smart->data.n_attributes; i++)
                write_attribute(series, device, lun, &lun->smart->data.attributes[i]);
}

void metrics_smart_write(const MetricsWriter *writer) {
        for (size_t i = 0; i < N_ELEMENTS(families); i++)
                write_series(writer, &families[i], families[i].is_counter ? "counter" : "gauge",
                             write_number);
        write_series(writer,
                     &(SmartFamily){ "smart_verdict", .help = "What is thought of the drive." },
                     "stateset", write_verdict);
        write_series(writer,
                     &(SmartFamily){ "smart_sectors",
                                     .help = "Bad sectors of the drive, by what became of them." },
                     "gauge", write_sectors);
        write_series(writer,
                     &(SmartFamily){ "smart_attribute",
                                     .help = "Attributes of an ATA drive; what a raw one means its "
                                             "maker knows." },
                     "gauge", write_attributes);
}
