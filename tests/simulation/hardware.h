#pragma once

/*
 * Hardware
 *
 * The disk on the desk: its media, which outlive each UsbDevice that somebody has opened of it, its
 * cable, its power. The bytes in its own volatile cache stay, are written to the media, or are lost.
 *
 * Beside it lies a foreign one, which may be plugged in instead: another device with the same
 * numbers on its outside, or the same one with other media. Nobody may write to that.
 */

#include "journal.h"
#include "plan.h"
#include "simulator/simulated_device.h"

typedef enum HardwareCache {
        HARDWARE_CACHE_WRITTEN, /* all of it reaches the media */
        HARDWARE_CACHE_LOST,
        HARDWARE_CACHE_TORN, /* some blocks of it do */
        _HARDWARE_CACHE_MAX,
} HardwareCache;

typedef enum HardwareDisk {
        HARDWARE_DISK_OWN,
        HARDWARE_DISK_OTHER_MEDIA,  /* the same device in all that it tells */
        HARDWARE_DISK_OTHER_DEVICE, /* which INQUIRY tells */
        _HARDWARE_DISK_MAX,
} HardwareDisk;

typedef struct Hardware {
        EventLoop *loop;  /* borrowed */
        Journal *journal; /* borrowed */
        const Plan *plan; /* borrowed */
        Random random;
        int fds[PLAN_LUNS_MAX];         /* owned: the media */
        int foreign_fds[PLAN_LUNS_MAX]; /* owned: those of the foreign disk */
        bool is_plugged;
        HardwareDisk disk; /* which one is, or was last */
        UsbSpeed speed;
        uint8_t *scratch;  /* owned; tasks, in which all this may happen, have small stacks */
        UsbDevice *device; /* borrowed: what the worker opened; NULL: nobody has */
        uint64_t cut_ns;   /* when that was last taken from somebody */
        uint64_t n_losses; /* as last looked at */
        bool has_lost;     /* since the last question */
} Hardware;

void hardware_init(Hardware *hardware, EventLoop *loop, Journal *journal, const Plan *plan);
void hardware_done(Hardware *hardware);

/* Opens it, as the manager does for a worker, which owns what it returns. It is plugged in. */
UsbDevice *hardware_open(Hardware *hardware);
/* Whoever has it open loses it, and what is in the device's cache goes this way. */
void hardware_cut(Hardware *hardware, HardwareCache cache);
void hardware_unplug(Hardware *hardware, HardwareCache cache);
/* Whoever had it open has let it go, or it went by itself. */
void hardware_forget(Hardware *hardware);
void hardware_plug(Hardware *hardware, HardwareDisk disk, UsbSpeed speed);
/* Whether the foreign media are as they were. */
bool hardware_is_foreign_untouched(const Hardware *hardware);
/* Adds to the faults; a no-op if nobody has it open. */
void hardware_add_faults(Hardware *hardware, const char *plan);
void hardware_heal(Hardware *hardware);
/* Whether bytes in the device's cache were lost since the last call. */
bool hardware_take_loss(Hardware *hardware);
/* What lies on the medium itself. */
void hardware_read(Hardware *hardware, unsigned lun, uint64_t offset, void *bytes, size_t size);
