#pragma once

/*
 * BusSleep
 *
 * Delays the host's sleep, through logind, until what is cached has been written; where there is no
 * logind, nothing is delayed. After the host has woken, devices are looked for again.
 */

#include "dbus/bus_service_internal.h"

int bus_sleep_new(BusSleep **ret, BusService *service);
BusSleep *bus_sleep_free(BusSleep *sleep);
DEFINE_CLEANUP(BusSleep *, bus_sleep_free);
/* `bus` is new. */
int bus_sleep_attach(BusService *service, sd_bus *bus);
/* The bus is gone. */
void bus_sleep_detach(BusSleep *sleep);
