#pragma once

/* BusLun's methods. */

#include <systemd/sd-bus.h>

int bus_lun_methods_on_open_nbd(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_lun_methods_on_attach(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
