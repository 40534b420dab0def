#pragma once

/*
 * DeviceView
 *
 * What the DeviceManager knows of a device, of one of its LUNs, and of a device that it does not
 * drive. Plain data; texts are borrowed until the loop goes on, and those of the USB device are
 * what it sent, any bytes.
 */

#include "base/nbd_protocol.h"
#include "control/control_description.h"
#include "control/control_smart.h"
#include "device/device_manager.h"
#include "device/device_policy.h"
#include "device/smart_history.h"
#include "usb/usb_learned_facts.h"

typedef enum DeviceViewState {
        DEVICE_VIEW_STATE_STARTING,
        DEVICE_VIEW_STATE_RUNNING,
        DEVICE_VIEW_STATE_PARKED, /* unplugged, and waited for */
        DEVICE_VIEW_STATE_FAILED, /* without a worker; another one is started soon */
        DEVICE_VIEW_STATE_STOPPING,
        _DEVICE_VIEW_STATE_MAX,
} DeviceViewState;

typedef struct DeviceView {
        uint64_t id;           /* of this device for its life here, and never of another */
        const char *name;      /* "1-4.1", "sim0"; changes if it comes back at another port */
        const char *base_name; /* of its exports */
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t device_version; /* bcdDevice */
        const char *vendor;      /* "": none, as below */
        const char *model;
        const char *serial;
        unsigned speed_mbps; /* 0: unknown */
        bool is_simulated;
        DeviceViewState state;
        const char *failure_reason; /* why it could not be driven; "": it can */
        DeviceTarget target;        /* of the policy: allow or read-only */
        const char *rule;           /* that decided; "": none, the default */
        bool is_read_only;          /* by policy, or as its image is */
        uint32_t quirks;            /* UsbQuirk */
        UsbLearnedFacts learned;    /* what it has taught */
        uint32_t degradations;      /* ControlDegradation: of it or of one of its LUNs */
        pid_t worker_pid;           /* 0: none now */
        unsigned n_restarts;        /* of its worker */
        uint64_t taken_us;          /* of CLOCK_REALTIME */
        bool has_info;              /* its worker has told: */
        ControlDeviceInfo info;
        CachePolicyKind cache_policy;
        bool has_read_ahead;
        uint64_t cache_size_max; /* bytes */
        PowerOptions power_options;
        PowerState power_state;
        uint64_t power_since_us; /* of CLOCK_REALTIME; 0: nothing was told yet */
        uint32_t max_power_ma;   /* 0: it does not say, or nobody has asked it yet, as below */
        bool is_self_powered;
        bool can_standby;
        bool can_suspend;
} DeviceView;

typedef struct LunView {
        const ControlLunInfo *info;
        const char *export_name; /* "": not exported */
        uint64_t generation;     /* of the export */
        NbdExportInfo export_info;
        uint32_t n_mount_changes; /* so far: device_manager_get_mount() tells others when it differs */
        const ControlSmart *smart;         /* the drive's health; NULL: nothing was told */
        const char *smart_reason;          /* of the verdict, with what has changed lately; or "" */
        const char *smart_news;            /* that alone */
        const SmartHistory *smart_history; /* NULL as `smart` */
} LunView;

/* Why a device is not driven. */
typedef enum DeviceOtherReason {
        DEVICE_OTHER_REASON_PRESENT, /* it was there before, and the kernel keeps it */
        DEVICE_OTHER_REASON_POLICY,
        DEVICE_OTHER_REASON_BUSY,        /* somebody uses it */
        DEVICE_OTHER_REASON_LIMIT,       /* there are too many */
        DEVICE_OTHER_REASON_RELEASED,    /* somebody gave it back, or removed it */
        DEVICE_OTHER_REASON_UNSUPPORTED, /* nothing that we drive */
        DEVICE_OTHER_REASON_FAILED,      /* it could not be taken */
        _DEVICE_OTHER_REASON_MAX,
} DeviceOtherReason;

typedef struct DeviceOtherView {
        const char *name;
        uint16_t vendor_id;
        uint16_t product_id;
        const char *vendor;
        const char *model;
        const char *serial;
        unsigned speed_mbps;
        DeviceOtherReason reason;
} DeviceOtherView;

/* One after the other, from 0 on, in the order in which they came; false: there are no more. */
bool device_manager_get_device(const DeviceManager *manager, size_t index, DeviceView *ret);
bool device_manager_get_other(const DeviceManager *manager, size_t index, DeviceOtherView *ret);
/* False: there is none (any more). */
bool device_manager_find_device(const DeviceManager *manager, uint64_t id, DeviceView *ret);
bool device_manager_find_device_by_name(const DeviceManager *manager, const char *name,
                                        DeviceView *ret);
/* False: no such LUN, as far as its worker has told. `lun` is any number. */
bool device_manager_get_lun(const DeviceManager *manager, uint64_t id, unsigned lun, LunView *ret);

const char *device_view_state_to_string(DeviceViewState state);      /* "running" */
const char *device_other_reason_to_string(DeviceOtherReason reason); /* "present" */
