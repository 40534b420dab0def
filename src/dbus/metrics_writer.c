/* Lines of either format, piece by piece. */

#include "dbus/metrics_writer.h"

#include <string.h>

/* OpenMetrics 1.0, "Escaping": these three alone. */
void metrics_writer_add_text(FILE *file, const char *value) {
        for (; *value != '\0'; value++) {
                if (*value == '\n')
                        fputs("\\n", file);
                else if (*value == '\\' || *value == '"')
                        fprintf(file, "\\%c", *value);
                else
                        fputc(*value, file);
        }
}

void metrics_writer_add_label(FILE *file, const char *name, const char *value) {
        fprintf(file, ",%s=\"", name);
        metrics_writer_add_text(file, value);
        fputc('"', file);
}

/* What OpenMetrics calls a family by its type, the older format calls by its samples. */
static const struct {
        const char *type;
        const char *older_type;
        const char *suffix;
} family_types[] = {
        { "counter", "counter", "_total" }, { "gauge", "gauge", "" },
        { "histogram", "histogram", "" },   { "info", "gauge", "_info" },
        { "stateset", "gauge", "" },
};

static void add_older_family(FILE *file, const char *name, const char *type, const char *help) {
        for (size_t i = 0; i < N_ELEMENTS(family_types); i++)
                if (strcmp(family_types[i].type, type) == 0) {
                        const char *suffix = family_types[i].suffix;

                        fprintf(file, "# HELP " METRICS_PREFIX "%s%s %s\n", name, suffix, help);
                        fprintf(file, "# TYPE " METRICS_PREFIX "%s%s %s\n", name, suffix,
                                family_types[i].older_type);
                        return;
                }
        assert_not_reached();
}

void metrics_writer_begin_family(const MetricsWriter *writer, const char *name, const char *type,
                                 const char *unit, const char *help) {
        if (writer->format == METRICS_FORMAT_PROMETHEUS) {
                add_older_family(writer->file, name, type, help);
                return;
        }
        fprintf(writer->file, "# TYPE " METRICS_PREFIX "%s %s\n", name, type);
        if (unit)
                fprintf(writer->file, "# UNIT " METRICS_PREFIX "%s %s\n", name, unit);
        fprintf(writer->file, "# HELP " METRICS_PREFIX "%s %s\n", name, help);
}

void metrics_writer_begin_device(FILE *file, const char *name, const char *suffix,
                                 const MetricsDevice *device) {
        fprintf(file, METRICS_PREFIX "%s%s{device=\"", name, suffix);
        metrics_writer_add_text(file, device->name);
        fputc('"', file);
}

void metrics_writer_begin_lun(FILE *file, const char *name, const char *suffix,
                              const MetricsDevice *device, const MetricsLun *lun) {
        metrics_writer_begin_device(file, name, suffix, device);
        fprintf(file, ",lun=\"%u\"", lun->number);
}

void metrics_writer_add_seconds(FILE *file, uint64_t time_ns) {
        fprintf(file, "%llu.%09llu", (unsigned long long) (time_ns / NS_PER_S),
                (unsigned long long) (time_ns % NS_PER_S));
}
