#pragma once

/* BusLun's methods. */

#include <systemd/sd-bus.h>

int bus_lun_methods_on_open_nbd(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_lun_methods_on_attach(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_lun_methods_on_mount(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_lun_methods_on_unmount(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
/* The paths of its mounts; `userdata` is BusLunFacts::mounts. */
int bus_lun_methods_get_mounts(sd_bus *bus, const char *path, const char *interface,
                               const char *property, sd_bus_message *reply, void *userdata,
                               sd_bus_error *ret_error);
