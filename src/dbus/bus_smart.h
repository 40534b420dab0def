#pragma once

/*
 * BusSmart
 *
 * The interface Smart of a logical unit's object: the health of the drive behind it. Members mirror
 * those of UDisks2's Drive.Ata where they mean the same.
 */

#include "dbus/bus_service_internal.h"
#include "device/device_view.h"

#define BUS_SMART_INTERFACE BUS_SERVICE_NAME ".Smart"

/* What the properties are read from. */
typedef struct BusSmartFacts {
        char verdict[16];
        char reason[SMART_VERDICT_REASON_SIZE + SMART_HISTORY_WORDS_SIZE];
        char changes[SMART_HISTORY_WORDS_SIZE];
        char way[CONTROL_SMART_WAY_SIZE];
        char kind[16];
        char model[SMART_MODEL_SIZE];
        char serial[SMART_SERIAL_SIZE];
        char firmware[SMART_FIRMWARE_SIZE];
        char self_test_status[24];
        double temperature; /* kelvin; 0: not known */
        uint64_t updated_s;
        uint64_t power_on_s; /* 0: not known */
        int64_t n_bad_sectors;
        int32_t n_failing;
        int32_t n_failed_before;
        int32_t self_test_remaining_percent;
        uint32_t critical_warning; /* mask, of NVMe's health log */
        int is_supported;
        int is_enabled;
        int is_failing;
} BusSmartFacts;

void bus_smart_set_facts(BusSmartFacts *facts, const LunView *view);
/* On `bus` (NULL: on none) what has changed. */
void bus_smart_announce(BusLun *lun, sd_bus *bus, const BusSmartFacts *former);
int bus_smart_attach(BusService *service, sd_bus *bus);
