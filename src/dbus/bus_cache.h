#pragma once

/* BusCache: the methods and counters of a device's interface Cache. */

#include <systemd/sd-bus.h>

/* Of the properties that are counters; `userdata` are the device's facts. */
int bus_cache_get_counter(sd_bus *bus, const char *path, const char *interface,
                          const char *property, sd_bus_message *reply, void *userdata,
                          sd_bus_error *ret_error);
int bus_cache_on_flush(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_cache_on_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_cache_on_set_mode(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
