#pragma once

/*
 * MetricsWriter
 *
 * Writes families and samples to a file, in OpenMetrics or in Prometheus' older format.
 */

#include <stdio.h>

#include "dbus/metrics_text.h"

#define METRICS_PREFIX "usb_storage_" /* of all names */

typedef struct MetricsWriter {
        FILE *file;
        MetricsFormat format;
        const MetricsDevice *devices;
        size_t n_devices;
} MetricsWriter;

/* `unit` may be NULL; else `name` ends with it. */
void metrics_writer_begin_family(const MetricsWriter *writer, const char *name, const char *type,
                                 const char *unit, const char *help);
/* The begin of a sample, with its first label, which every sample has; others may follow, then "} ", a
 * value and the line's end. */
void metrics_writer_begin_device(FILE *file, const char *name, const char *suffix,
                                 const MetricsDevice *device);
/* Likewise, with two labels. */
void metrics_writer_begin_lun(FILE *file, const char *name, const char *suffix,
                              const MetricsDevice *device, const MetricsLun *lun);
void metrics_writer_add_label(FILE *file, const char *name, const char *value);
/* Of a label, without its quotes. */
void metrics_writer_add_text(FILE *file, const char *text);
/* Exactly, where a double would round. */
void metrics_writer_add_seconds(FILE *file, uint64_t time_ns);
