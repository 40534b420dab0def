#pragma once

/*
 * BusSmartData
 *
 * All that is known of a drive's health, as values on the bus. What the drive did not tell is not
 * there.
 */

#include <systemd/sd-bus.h>

#include "device/device_view.h"

#define BUS_SMART_DATA_KELVIN 273.15 /* of 0 degrees Celsius */

/* a{sv}, as GetData answers; `view` may have nothing. */
int bus_smart_data_append(sd_bus_message *reply, const LunView *view);
/* a(ysqiiixia{sv}), as UDisks2's SmartGetAttributes() has it. */
int bus_smart_data_append_attributes(sd_bus_message *reply, const LunView *view);
/* aa{sv}, the oldest one first. */
int bus_smart_data_append_history(sd_bus_message *reply, const LunView *view);
/* As UDisks2 calls the state of the newest self-test: "success", "error_read", "inprogress"; "": there
 * is none. -1 in `ret_remaining_percent`: not known. */
const char *bus_smart_data_get_self_test(const SmartData *data, int32_t *ret_remaining_percent);
/* "short"; NULL after the last. */
const char *bus_smart_data_get_self_test_kind(SmartSelfTestKind kind);
