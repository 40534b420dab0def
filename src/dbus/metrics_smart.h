#pragma once

/*
 * MetricsSmart
 *
 * Families of what drives know of their own health. What is not known has no sample.
 */

#include "dbus/metrics_writer.h"

void metrics_smart_write(const MetricsWriter *writer);
