#pragma once

/* BusDiagnosis: a report on a device, in words, for who looks into a fault. */

#include "dbus/bus_service_internal.h"

/*
 * Replies with it, at once or when the device's worker has told what it sent last; as a handler
 * returns. Nothing in it tells whose device it is: no serial numbers, no names made of them, nothing
 * of what is stored.
 */
int bus_diagnosis_reply(BusDevice *device, sd_bus_message *message, sd_bus_error *ret_error);
