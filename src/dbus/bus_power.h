#pragma once

/*
 * BusPower
 *
 * The interface Power of devices: how awake one is, for how long it was, and what may be done about
 * that.
 */

#include "dbus/bus_service_internal.h"
#include "device/device_view.h"

/* What the properties are read from that announce their changes. */
typedef struct BusPowerFacts {
        char state[16];
        uint64_t since_us;
        uint64_t standby_timeout_us; /* 0: never */
        uint64_t suspend_timeout_us;
        uint32_t max_power_ma;
        int is_self_powered;
        int can_standby;
        int can_suspend;
        int is_enabled;
} BusPowerFacts;

void bus_power_set_facts(BusPowerFacts *facts, const DeviceView *view);
/* What differs from `former`. `bus` may be NULL. */
void bus_power_announce_changes(sd_bus *bus, const char *path, const BusPowerFacts *former,
                                const BusPowerFacts *now);
/* What was counted; zeroes: nothing was told. Returns the state that it is of. */
PowerState bus_power_get_statistics(const BusDevice *device, PowerStatistics *ret);
int bus_power_attach(BusService *service, sd_bus *bus);
