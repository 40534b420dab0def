#pragma once

/*
 * PowerTransition
 *
 * Putting the device to sleep and waking it, step by step: the body of the task that moves it.
 * Private to power.
 */

#include "power/power_manager_internal.h"

/* 0: asleep; -EAGAIN: somebody wants it; as power_manager_sleep(). */
int power_transition_fall(PowerManager *power, Task *task);
/* Ends when the device is awake, or when all was tried. */
void power_transition_wake(PowerManager *power, Task *task);
