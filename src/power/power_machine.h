#pragma once

/*
 * PowerMachine
 *
 * Where a device is between awake and asleep, and what leads from one to the other: pure, so that a
 * test can walk every pair. Private to power.
 */

#include "power/power_state.h"

typedef enum PowerPhase {
        POWER_PHASE_UNKNOWN, /* nobody has asked anything of it yet */
        POWER_PHASE_ACTIVE,
        POWER_PHASE_IDLE,
        POWER_PHASE_FALLING, /* the gate is closed: it is being put to sleep */
        POWER_PHASE_STANDBY, /* only what needs no medium goes through */
        POWER_PHASE_SUSPENDED,
        POWER_PHASE_WAKING, /* the gate is closed: what waits goes on when it is awake */
        POWER_PHASE_ENDED,  /* gone, or given up: all goes through, and fails below */
        _POWER_PHASE_MAX,
} PowerPhase;

typedef enum PowerEvent {
        POWER_EVENT_USED,      /* a command that counts went through */
        POWER_EVENT_RESTED,    /* the last of these came back */
        POWER_EVENT_FALL,      /* it is to sleep */
        POWER_EVENT_STOPPED,   /* its media stand still, its link is awake */
        POWER_EVENT_SUSPENDED, /* its link sleeps */
        POWER_EVENT_WANTED,    /* it is to wake */
        POWER_EVENT_WOKEN,     /* it did, or did not fall asleep */
        POWER_EVENT_ENDED,
        _POWER_EVENT_MAX,
} PowerEvent;

/* The phase itself: nothing changes. */
PowerPhase power_machine_next(PowerPhase phase, PowerEvent event);
/* Whether commands that need the device awake go on at once. */
bool power_machine_is_open(PowerPhase phase);
/* What others are told; `before`: what they were told last, which holds on the way. */
PowerState power_machine_get_state(PowerPhase phase, PowerState before);
const char *power_machine_phase_to_string(PowerPhase phase);
