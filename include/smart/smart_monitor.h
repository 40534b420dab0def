#pragma once

/*
 * SmartMonitor
 *
 * Asks the drive behind a unit for its health: finds the way to it once, then takes it. Known bridges
 * come first: those of our own table, then what it was told from outside, then, where nothing is
 * known, what SAT says, by commands that only read. A drive without any is asked as a SCSI drive.
 *
 * It decides nothing about when: whoever calls it knows whether the device may be asked. All calls
 * are from within a task, one at a time on the device.
 */

#include "base/task.h"
#include "scsi/scsi_target.h"
#include "smart/smart_bridge.h"
#include "smart/smart_verdict.h"

/* So often in a row it may break the transport, before it is given up. Silence is not tried twice. */
#define SMART_MONITOR_BREAKS_MAX 2

typedef enum SmartWay {
        SMART_WAY_UNKNOWN, /* not looked for yet, or not found for reasons that pass */
        SMART_WAY_NONE,    /* looked for, and not found */
        SMART_WAY_BRIDGE,
        SMART_WAY_SCSI,
        _SMART_WAY_MAX,
} SmartWay;

typedef enum SmartMonitorFlags {
        SMART_MONITOR_MAY_WAKE = 1 << 0,   /* a drive that sleeps is asked all the same */
        SMART_MONITOR_IS_AWAKE = 1 << 1,   /* it was used just now, so it needs not tell */
        SMART_MONITOR_LOOK_AGAIN = 1 << 2, /* where no way was found */
} SmartMonitorFlags;

typedef struct SmartMonitorHandlers {
        /* Mandatory. From now on nobody else's commands go to the device, those with
         * SCSI_COMMAND_HOLDER do. */
        void (*hold)(void *userdata);
        /* Mandatory. */
        void (*release)(void *userdata);
        /* Optional. A command failed so; what it was told is told to nobody else. */
        void (*told)(const ScsiCommand *command, void *userdata);
        /* Optional. True: nothing more is to be asked now. */
        bool (*must_end)(void *userdata);
} SmartMonitorHandlers;

/* Of the unit. */
typedef struct SmartMonitorOptions {
        const char *name; /* for the log; borrowed */
        uint8_t lun;
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t device_bcd;
        bool has_bridge; /* somebody knows: */
        SmartBridge bridge;
        bool may_probe;         /* what is not known to carry anything may be tried */
        bool is_given_up;       /* it broke over being asked, as was learned earlier */
        SmartIdentity identity; /* as SCSI tells it */
} SmartMonitorOptions;

typedef struct SmartMonitor {
        SmartMonitorOptions options;
        const SmartMonitorHandlers *handlers; /* borrowed */
        void *userdata;
        SmartWay way;
        SmartBridge bridge;
        const char *tried;    /* the way that was taken last; static */
        bool lacks_registers; /* the bridge does not carry them back */
        unsigned n_breaks;    /* in a row */
        bool is_given_up;

        /* Of the last time that it could be asked. */
        uint64_t n_asked;
        SmartData data;
        SmartVerdict verdict;
} SmartMonitor;

void smart_monitor_init(SmartMonitor *monitor, const SmartMonitorOptions *options,
                        const SmartMonitorHandlers *handlers, void *userdata);
/*
 * 0: data and verdict are new. -EAGAIN: it sleeps, or may sleep, and is left alone; -EOPNOTSUPP: no way
 * to it is known; -EIO: it does not bear to be asked; -EBUSY, -ETIMEDOUT: it could not be asked just
 * now; -ECANCELED, -ENODEV, -ENOMEM. `flags`: SmartMonitorFlags.
 */
int smart_monitor_poll(SmartMonitor *monitor, Task *task, ScsiTarget *target, unsigned flags);

#define SMART_MONITOR_WORDS_SIZE 128

/*
 * A self-test begins, after a poll. 0; -EBUSY: one runs already; -EOPNOTSUPP: the drive or its bridge
 * has none of this kind; -EIO: it refused; else as poll(). `words` tells why, or is empty.
 */
int smart_monitor_start_test(SmartMonitor *monitor, Task *task, ScsiTarget *target,
                             SmartSelfTestKind kind, char *words);
int smart_monitor_abort_test(SmartMonitor *monitor, Task *task, ScsiTarget *target, char *words);
/* "SAT, 16 bytes"; "none" */
const char *smart_monitor_describe_way(const SmartMonitor *monitor);
