#pragma once

/* BusDevice's methods. */

#include <systemd/sd-bus.h>

int bus_device_methods_on_release(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_device_methods_on_remove(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_device_methods_on_diagnose(sd_bus_message *message, void *userdata,
                                   sd_bus_error *ret_error);
int bus_device_methods_on_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
