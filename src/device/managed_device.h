#pragma once

/*
 * ManagedDevice
 *
 * One device in the manager: where it comes from, the worker that drives it, the exports that the
 * worker told of. It is restarted after its worker's death, with growing pauses, until it is
 * unplugged or stopped.
 */

#include "device/device_cache.h"
#include "device/device_learned.h"
#include "device/device_mounts.h"
#include "device/device_observer.h"
#include "device/device_peers.h"
#include "device/device_policy.h"
#include "device/device_power.h"
#include "device/device_requests.h"
#include "device/device_smart.h"
#include "device/device_stats.h"
#include "device/device_view.h"
#include "device/export_name.h"
#include "device/usb_takeover.h"

/* Pauses before a restart: none after the first death, then doubling between these. */
#define MANAGED_DEVICE_PAUSE_MIN_NS (250 * NS_PER_MS)
#define MANAGED_DEVICE_PAUSE_MAX_NS (30 * NS_PER_S)
/* A worker that lived so long was well: the pauses begin anew. */
#define MANAGED_DEVICE_WELL_AFTER_NS (60 * NS_PER_S)
/* To end what is in flight and leave: longer than a FLUSH on a bad device may take by default (60 s).
 */
#define MANAGED_DEVICE_LEAVE_TIMEOUT_NS (75 * NS_PER_S)
/* The same, and before it all that is dirty is written (STORAGE_STOP_FLUSH_MAX_NS): shorter than
 * systemd's patience with the service (240 s), in which orphan files must be saved, too. */
#define MANAGED_DEVICE_STOP_TIMEOUT_NS (MANAGED_DEVICE_LEAVE_TIMEOUT_NS + 95 * NS_PER_S)

typedef struct ManagedDevice ManagedDevice;

typedef enum ManagedDeviceState {
        MANAGED_DEVICE_STATE_STARTING, /* has a worker that brings it up */
        MANAGED_DEVICE_STATE_RUNNING,
        MANAGED_DEVICE_STATE_LEAVING, /* the worker said that it ends, or was told of the unplug */
        MANAGED_DEVICE_STATE_PARKED,  /* the worker waits for the device to come back */
        MANAGED_DEVICE_STATE_PAUSING, /* no worker; to be started again */
        MANAGED_DEVICE_STATE_STOPPING,
        MANAGED_DEVICE_STATE_ENDED,
        _MANAGED_DEVICE_STATE_MAX,
} ManagedDeviceState;

typedef struct ManagedExport {
        bool is_open;
        uint64_t worker_generation;
        uint64_t generation; /* the manager's: unique over all devices */
} ManagedExport;

typedef enum ManagedDeviceNews {
        MANAGED_DEVICE_NEWS_ADDED,
        MANAGED_DEVICE_NEWS_CHANGED,
        MANAGED_DEVICE_NEWS_REMOVED,
} ManagedDeviceNews;

typedef struct ManagedDeviceHandlers {
        /* A worker that is nobody's yet, configured; NULL and -errno if none can be had. */
        int (*get_worker)(ChildProcess **ret, void *userdata);
        /* Fills in export->generation. */
        void (*export_opened)(ManagedDevice *device, ControlExport *export, void *userdata);
        void (*export_closed)(ManagedDevice *device, uint64_t generation, void *userdata);
        /* The first attempt to bring it up has ended, well or not. */
        void (*settled)(ManagedDevice *device, void *userdata);
        /* Its worker waits for it. It may be resumed within. */
        void (*parked)(ManagedDevice *device, void *userdata);
        /* It was unplugged or stopped, and has no worker any more. It may be freed within. */
        void (*ended)(ManagedDevice *device, void *userdata);
        /* Something in what it is, or in what its worker told. */
        void (*changed)(ManagedDevice *device, void *userdata);
        void (*lun_changed)(ManagedDevice *device, unsigned lun, ManagedDeviceNews news,
                            void *userdata);
        /* `lun` CONTROL_LUN_ALL: of all of it. */
        void (*happened)(ManagedDevice *device, DeviceEvent event, unsigned lun, const char *words,
                         void *userdata);
} ManagedDeviceHandlers;

struct ManagedDevice {
        EventLoop *loop; /* borrowed */
        uint64_t id;     /* never used again */
        ManagedDeviceState state;
        char name[64];                          /* the port path, or "sim0" */
        char base_name[EXPORT_NAME_SIZE_MAX];   /* of what is kept of it */
        char export_name[EXPORT_NAME_SIZE_MAX]; /* of its exports: the same, but by policy */
        UsbNode node;                           /* of a simulated one what has a meaning */
        struct udev *udev;                      /* borrowed; NULL: simulated */
        char *spec;                             /* owned; a simulated one */
        int *fds;                               /* owned: its image files */
        size_t n_fds;
        bool is_read_only;       /* a simulated one's image is */
        DeviceDecision decision; /* of the policy; its rule is `rule` */
        char *rule;              /* owned */
        uint32_t quirks;         /* UsbQuirk */
        DeviceLearned learned;
        ChildProcess *worker; /* owned; NULL while pausing */
        ManagedExport exports[CONTROL_LUNS_MAX];
        ControlDeviceInfo info; /* as its worker told last */
        bool has_info;
        ControlLunInfo luns[CONTROL_LUNS_MAX]; /* likewise */
        DeviceRequests requests;
        DevicePeers peers;
        DeviceMounts mounts;
        char failure_reason[CONTROL_DESCRIPTION_SIZE_MAX]; /* "": none */
        uint64_t taken_us;                                 /* of CLOCK_REALTIME */
        unsigned n_restarts;
        unsigned n_deaths; /* in a row */
        uint64_t started_ns;
        DeviceCache cache;
        DeviceStats stats;
        DeviceSmart smart;
        DevicePower power;
        const PowerOptions *power_options;  /* borrowed: as configured */
        DevicePowerTimeouts power_timeouts; /* that somebody has set for it alone */
        uint64_t cache_size_max;            /* its share */
        bool has_failed;                    /* the worker said so: its arena is needed */
        bool has_stopped;                   /* the worker said so */
        bool is_restart;
        bool is_settled; /* has left STARTING once */
        bool is_unplugged;
        bool is_resuming; /* it came back, and is not yet running */
        bool is_removed;  /* the kernel does not get it back */
        bool must_leave;  /* somebody gave it up */
        bool is_refused;  /* it is not ours to drive */
        bool has_successor;
        UsbNode successor; /* what looks the same and was plugged in since */
        EventTimer timer;  /* the pause before a restart, or the patience with a stop */
        const ManagedDeviceHandlers *handlers; /* borrowed */
        void *userdata;
        ListNode node_of_manager; /* DeviceManager::devices */
};

int managed_device_new(ManagedDevice **ret, EventLoop *loop, const char *name,
                       const char *base_name, const ManagedDeviceHandlers *handlers,
                       void *userdata);
/* Kills a worker that lives. Takes NULL. */
ManagedDevice *managed_device_free(ManagedDevice *device);
DEFINE_CLEANUP(ManagedDevice *, managed_device_free);

/* Before it is started. `store` and `options` are borrowed. */
void managed_device_set_cache(ManagedDevice *device, CacheStore *store,
                              const DeviceCacheOptions *options);
/* What is known of its model; before it is started. */
void managed_device_set_quirks(ManagedDevice *device, uint32_t quirks);
/* Whether nothing may be written to it. */
bool managed_device_is_read_only(const ManagedDevice *device);
/* What the policy says of it, copied; `export_name` "": its base name. Before it is started, after
 * its cache was set. -ENOMEM. */
int managed_device_set_decision(ManagedDevice *device, const DeviceDecision *decision,
                                const char *export_name);
/* Where what is learned of it outlives the service; before it is started. Borrowed. */
void managed_device_set_learned(ManagedDevice *device, LearnedStore *store);
/* Before it is started. `options` is borrowed, and may change. */
void managed_device_set_power(ManagedDevice *device, const PowerOptions *options);
/* As device_manager_set_power_timeouts(). */
void managed_device_set_power_timeouts(ManagedDevice *device, const DevicePowerTimeouts *timeouts);
/* In force. */
PowerOptions managed_device_get_power_options(const ManagedDevice *device);
/* Where the history of its drives is kept; before it is started. Borrowed; NULL: nowhere. */
void managed_device_set_smart(ManagedDevice *device, StateStore *store);
/* How its workers ask its drives for their health; before it is started, and whenever that changes. */
void managed_device_set_smart_options(ManagedDevice *device, const ControlSmartOptions *options);
/* Its share of the cache; before it is started, and whenever that changes. */
void managed_device_set_cache_size(ManagedDevice *device, uint64_t size_max);
/* The options of its cache and of its power have changed, and what CONFIGURE says. */
void managed_device_update_settings(ManagedDevice *device, const ControlMessage *configure);
/* Starts on a node that was taken over; `fd` is taken over. */
void managed_device_start_usb(ManagedDevice *device, const UsbNode *node, struct udev *udev, int fd,
                              bool needs_reset);
/* Takes the descriptors over, also on failure; -ENOMEM. */
int managed_device_start_simulation(ManagedDevice *device, const DeviceSimulation *simulation);
/* It is parked, and this may be the same device: its worker will see. `fd` is taken over. */
void managed_device_resume_usb(ManagedDevice *device, const UsbNode *node, int fd);
/* Its exports stay open until its worker closes them, or ends. It may end within. */
void managed_device_set_unplugged(ManagedDevice *device);
void managed_device_stop(ManagedDevice *device);
/* Its worker ends, or there is none: it is not to be started again. It ends later. */
void managed_device_leave(ManagedDevice *device, bool is_removal);
/* Hands a client to the worker, if that export is still open; else closes nothing: -ESTALE. The
 * descriptors are those of HANDOVER. */
int managed_device_add_client(ManagedDevice *device, const ControlHandover *handover,
                              const int *fds, size_t n_fds);
unsigned managed_device_count_exports(const ManagedDevice *device);
