#pragma once

/* BusConfiguration: the methods of the interface Manager about the configuration. */

#include <systemd/sd-bus.h>

int bus_configuration_on_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_configuration_on_reload(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
