#pragma once

/*
 * PowerManager
 *
 * The command gate: a ScsiTarget around the error handler's, one for a device. Nothing reaches a
 * device that sleeps but through it: a command that needs the device awake waits here while that is
 * woken, and by its deadline at most. It puts the device to sleep when somebody asks, or when nobody
 * has wanted anything for as long as its options say.
 *
 * Commands with SCSI_COMMAND_NO_WAKE are no use of the device: they neither keep it awake nor wake it,
 * and end with BUSY while it sleeps.
 */

#include "error/error_handler.h"
#include "power/power_state.h"
#include "usb/usb_device.h"

typedef struct PowerManager PowerManager;

typedef struct PowerManagerOps {
        /*
         * Mandatory. What is not on the medium yet goes there. 0; -EAGAIN: this is no time to sleep;
         * -errno: it can't, and stays awake. `is_asked`: somebody wants it to sleep now. From a task.
         */
        int (*flush)(Task *task, bool is_asked, void *userdata);
        /* Mandatory. Whether nothing has come since that must be written. `was_written`: a command
         * carried data out since `flush` began, be it that of `flush`. */
        bool (*is_clean)(bool was_written, void *userdata);
        /* Mandatory. Its state, or something that is counted, is another one. From the loop. */
        void (*changed)(void *userdata);
} PowerManagerOps;

/* What it may do to the device, and what it has learned of it. Plain data. */
typedef struct PowerTraits {
        bool avoids_standby; /* it broke over START STOP UNIT, or knows none */
        bool avoids_suspend; /* it broke over a suspend */
} PowerTraits;

typedef struct PowerManagerSetup {
        ErrorHandler *handler; /* borrowed */
        UsbDevice *device;     /* borrowed */
        PowerTraits traits;
        PowerOptions options;
        PowerStatistics *statistics; /* borrowed: it counts on from what is in there */
        const PowerManagerOps *ops;
        void *userdata;
} PowerManagerSetup;

/* All that is borrowed must outlive it. -ENOMEM. */
int power_manager_new(PowerManager **ret, const PowerManagerSetup *setup);
/* Ended, see power_manager_end(). */
PowerManager *power_manager_free(PowerManager *power);
DEFINE_CLEANUP(PowerManager *, power_manager_free);
ScsiTarget *power_manager_get_target(PowerManager *power);

void power_manager_set_options(PowerManager *power, const PowerOptions *options);
/* Whether a LUN has a medium, and whether START STOP UNIT is for it. */
void power_manager_set_unit(PowerManager *power, unsigned lun, bool has_medium, bool can_stop);
/* What it wraps takes more or fewer commands at once than before. */
void power_manager_note_depth(PowerManager *power);
/* What the error handler tells comes here before others hear of it. */
void power_manager_on_event(PowerManager *power, ErrorHandlerEvent event);

PowerState power_manager_get_state(const PowerManager *power);
/* STANDBY, SUSPENDED, or on the way there or back. */
bool power_manager_is_asleep(const PowerManager *power);
bool power_manager_can_standby(const PowerManager *power);
bool power_manager_can_suspend(const PowerManager *power);
PowerTraits power_manager_get_traits(const PowerManager *power);
/* Brings the times of its statistics up to now. */
void power_manager_count_time(PowerManager *power);

/*
 * For tasks. Puts it to sleep: STANDBY or SUSPENDED. 0; -EOPNOTSUPP: it can't; -EBUSY: it is in use;
 * -EIO: it did not do it; what `flush` said; -ENODEV; -ECANCELED.
 */
int power_manager_sleep(PowerManager *power, Task *task, PowerState state);
/* 0 when it is awake with its media, as far as can be known, or has gone. -ECANCELED. */
int power_manager_wake(PowerManager *power, Task *task);
/* Its link is awake from then on, and nothing puts it to sleep until it is let go: for what reaches
 * the device past the gate. -ECANCELED: it is not held. */
int power_manager_hold(PowerManager *power, Task *task);
void power_manager_let_go(PowerManager *power);
/* Wakes the link, and ends: all goes through from now on. Then it is idle once no command is in
 * flight. */
void power_manager_end(PowerManager *power, Task *task);
bool power_manager_is_idle(const PowerManager *power);
