#pragma once

/*
 * BusTrace
 *
 * The recording of a device's transfers: from StartTrace to StopTrace, or as long as was asked for.
 * What it came to is kept until somebody asks.
 */

#include <systemd/sd-bus.h>

#include "base/macros.h"

typedef struct BusTrace BusTrace;

int bus_trace_on_start(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_trace_on_stop(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
/* Its device's object goes: who waits for the end is told. Takes NULL. */
BusTrace *bus_trace_detach(BusTrace *trace);
