#pragma once

/* BusPolicy: the methods of the interface Manager about the policy of devices. */

#include <systemd/sd-bus.h>

int bus_policy_on_list(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
/* What stands beside the policy: the quirks. */
int bus_policy_on_list_quirks(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_policy_on_test(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
int bus_policy_on_generate(sd_bus_message *message, void *userdata, sd_bus_error *ret_error);
