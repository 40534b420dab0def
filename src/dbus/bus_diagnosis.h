#pragma once

/* BusDiagnosis: a report on a device, in words, for who looks into a fault. */

#include "dbus/bus_service_internal.h"

/*
 * On the heap; -ENOMEM. Nothing in it tells whose device it is: no serial numbers, no names made of
 * them, nothing of what is stored.
 */
int bus_diagnosis_format(const BusDevice *device, char **ret);
