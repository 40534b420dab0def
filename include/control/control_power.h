#pragma once

/*
 * ControlPower
 *
 * What a worker tells of its device's power, and of what it may do about it.
 */

#include "power/power_state.h"

/* To the worker, before its device and whenever it changes: POWER_OPTIONS has a PowerOptions. */

/* From it: once after bring-up, when the state is another one, and at most once a second when the
 * rest has changed. */
typedef struct ControlPower {
        uint32_t state;        /* PowerState */
        uint32_t max_power_ma; /* bMaxPower of its configuration; 0: it does not say */
        PowerOptions options;  /* in force */
        uint8_t can_suspend;   /* the host lets it */
        uint8_t can_standby;   /* a unit of it takes START STOP UNIT, as far as is known */
        uint8_t is_self_powered;
        uint8_t unused[5]; /* 0 */
        PowerStatistics statistics;
} ControlPower;

bool control_power_options_is_valid(const PowerOptions *options);
bool control_power_is_valid(const ControlPower *power);
