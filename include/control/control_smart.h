#pragma once

/*
 * ControlSmart
 *
 * What a worker tells of the health of a unit's drive, and how it is to ask for it.
 */

#include "smart/smart_bridge.h"
#include "smart/smart_verdict.h"

#define CONTROL_SMART_WAY_SIZE 64

/* To the worker, before its device and whenever it changes: SMART_OPTIONS. */
typedef struct ControlSmartOptions {
        uint32_t period_ms;  /* between two polls of a drive that is awake; 0: only when asked */
        uint8_t has_bridge;  /* the manager knows how the device carries it (drivedb.h): */
        uint8_t bridge_kind; /* SmartBridgeKind */
        uint8_t bridge_is_sat_too;
        uint8_t bridge_is_extended;
        uint8_t bridge_is_prolific;
        int8_t bridge_port;
        uint8_t bridge_signature;
        uint8_t unused; /* 0 */
} ControlSmartOptions;

/* From it: after a unit was asked, whatever came of it. Texts are printable ASCII. */
typedef struct ControlSmart {
        uint32_t lun;
        int32_t error; /* 0; -errno: it could not be asked (-EOPNOTSUPP: no way to it is known); the
                          data is then what was known before */
        uint64_t asked_realtime_s; /* 0: never yet */
        uint64_t n_asked;
        char way[CONTROL_SMART_WAY_SIZE]; /* "SAT, 16 bytes", for people */
        SmartVerdict verdict;
        SmartData data;
} ControlSmart;

bool control_smart_options_is_valid(const ControlSmartOptions *options);
bool control_smart_is_valid(const ControlSmart *smart);
void control_smart_options_set_bridge(ControlSmartOptions *options, const SmartBridge *bridge);
/* False: the manager knows of none. */
bool control_smart_options_get_bridge(const ControlSmartOptions *options, SmartBridge *ret);
