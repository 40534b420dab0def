#pragma once

/*
 * DevicePower
 *
 * How awake a device is, as its workers have told, with what they counted added up, and after which
 * time without work it is to go to sleep. The numbers are a worker's word: they are shown, nothing
 * is decided by them.
 */

#include "control/control_power.h"

/* Of news: so many in a row, and then one in this time, so that a device which can't make up its
 * mind does not fill anybody's screen. */
#define DEVICE_POWER_NEWS_MAX 4
#define DEVICE_POWER_NEWS_PERIOD_NS (60 * NS_PER_S)
/* A day. */
#define DEVICE_POWER_TIMEOUT_MAX_MS 86400000

typedef struct DeviceManager DeviceManager;

/* What somebody wants instead of what holds for all devices. */
typedef struct DevicePowerTimeouts {
        bool has_standby;
        bool has_suspend;
        uint32_t standby_ms; /* 0: never */
        uint32_t suspend_ms; /* 0: never */
} DevicePowerTimeouts;

typedef enum DevicePowerNews {
        DEVICE_POWER_NEWS_NONE,
        DEVICE_POWER_NEWS_ASLEEP,
        DEVICE_POWER_NEWS_AWAKE,
} DevicePowerNews;

/* Initially zero. Read it by the functions below. */
typedef struct DevicePower {
        ControlPower told; /* by the worker that lives */
        bool is_told;
        bool is_away; /* unplugged, and waited for: nothing is known of it now */
        uint64_t told_ns;
        uint64_t since_us;                   /* of CLOCK_REALTIME: in this state */
        PowerStatistics past;                /* of earlier workers */
        uint64_t shown_ns[_POWER_STATE_MAX]; /* at least: no time runs backwards */
        bool was_asleep;                     /* as the news had it */
        unsigned n_news;                     /* not yet made up for */
        uint64_t news_ns;
} DevicePower;

PowerState device_power_get_state(const DevicePower *power);
/* Of the worker that told last, its time in the state until now, and of its predecessors. */
void device_power_get_statistics(const DevicePower *power, uint64_t now_ns, PowerStatistics *ret);
/* What a device is told: `asked` before `rule` before `configured`. */
PowerOptions device_power_merge(const PowerOptions *configured, const DevicePowerTimeouts *rule,
                                const DevicePowerTimeouts *asked);

/* For who supervises the device. */
DevicePowerNews device_power_note(DevicePower *power, const ControlPower *told, uint64_t now_ns,
                                  uint64_t realtime_us);
/* The worker has no device any more, until it tells again. */
void device_power_note_away(DevicePower *power, uint64_t now_ns, uint64_t realtime_us);
/* The next one begins at 0. */
void device_power_end_worker(DevicePower *power, uint64_t now_ns, uint64_t realtime_us);

/* Of the device with that id, as DeviceView has it; borrowed until the loop goes on. NULL: there is
 * none (any more). */
const DevicePower *device_manager_get_power(const DeviceManager *manager, uint64_t id);
/*
 * Counts until the device goes, and is told its worker at once; what `timeouts` does not have stays
 * as it was. NULL: as configured again. -ENODEV.
 */
int device_manager_set_power_timeouts(DeviceManager *manager, uint64_t id,
                                      const DevicePowerTimeouts *timeouts);
