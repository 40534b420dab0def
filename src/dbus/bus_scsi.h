#pragma once

/* BusScsi: the methods and counters of a logical unit's interface Scsi. */

#include <systemd/sd-bus.h>

/* Of the properties that are counters; `userdata` are the unit's facts. */
int bus_scsi_get_counter(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);
int bus_scsi_on_command(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_scsi_on_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
