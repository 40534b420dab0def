#pragma once

/*
 * DeviceManager
 *
 * The broker: finds USB disks, decides which are taken, gives each to a worker of its own, keeps a
 * spare worker warm, restarts what died, and tells the front which exports there are. It opens
 * nodes, files and listening sockets for the others, and reads neither network bytes nor device
 * bytes.
 */

#include "base/event_loop.h"
#include "base/log.h"
#include "cache/cache_manager.h"
#include "control/control_message.h"
#include "negotiation/nbd_server.h"
#include "power/power_state.h"
#include "smart/smart_drivedb.h"
#include "usb/usb_quirks.h"

/* The hard limits; options may ask for less. */
#define DEVICE_MANAGER_DEVICES_MAX 64
#define DEVICE_MANAGER_LISTENERS_MAX 16
#define DEVICE_MANAGER_COMMANDS_KEPT_MAX 4096

typedef struct DeviceManager DeviceManager;
typedef struct DevicePolicy DevicePolicy;

/* What happens to disks that were plugged in before the service started. */
typedef enum DevicePresentPolicy {
        DEVICE_PRESENT_POLICY_KEEP, /* the kernel keeps them */
        DEVICE_PRESENT_POLICY_TAKE,
        DEVICE_PRESENT_POLICY_APPLY, /* those that a rule is about; the kernel keeps the others */
        _DEVICE_PRESENT_POLICY_MAX,
} DevicePresentPolicy;

/* The cache of each device, in memory that outlives its worker. */
typedef struct DeviceCacheOptions {
        bool is_enabled;
        bool is_write_back;
        bool has_read_ahead;
        bool verifies_hits;
        CachePolicyKind policy;
        uint64_t size;            /* bytes, of all devices together */
        uint32_t park_timeout_ms; /* for so long a device that was unplugged is waited for; 0: not */
} DeviceCacheOptions;

/* A device gets so much of the cache at least, however many there are. */
#define DEVICE_CACHE_SIZE_MIN (4 * MIB)
#define DEVICE_CACHE_SIZE_MAX (64 * GIB)

/* How drives are asked for their health. */
typedef struct DeviceSmartOptions {
        uint32_t period_ms;          /* between two polls; 0: only when somebody asks */
        const SmartDrivedb *drivedb; /* borrowed, until there are other options; NULL: none */
} DeviceSmartOptions;

/* What NBD clients come to. */
typedef struct DeviceNbdOptions {
        NbdTlsMode tls_mode;
        bool allows_plain_tcp;
        const int *tls_fds; /* borrowed, until there are other options: by ControlTlsFile, negative:
                               not there; NULL: none */
        const NbdAccessList *access; /* likewise; NULL: an empty one */
} DeviceNbdOptions;

typedef struct DeviceManagerOptions {
        const char *worker_path; /* borrowed for the manager's life */
        const char *front_path;  /* likewise */
        bool has_usb;            /* look for USB devices at all */
        DevicePresentPolicy present_devices;
        unsigned n_devices_max;
        unsigned n_luns_max;
        uint32_t device_timeout_ms;
        bool is_trim_enabled;
        bool is_serial;        /* one command at a time to each device, no read-ahead */
        bool skips_processing; /* devices are taken, and nothing of them is exported */
        bool skips_validation;
        unsigned n_commands_kept; /* for reuse, of each device */
        bool is_monitored;        /* what clients do is counted */
        const char *state_dir;    /* copied: of orphan files and what devices taught */
        const char *runtime_dir; /* copied: where arenas lie without systemd; NULL: they are memfds */
        /* Copied: where it is noted which USB devices were taken, for a service after this one, which takes
         * them though they were there before it; NULL: nowhere. */
        const char *taken_dir;
        bool keeps_taken;            /* a stop leaves them noted, too: it may be for a restart */
        const UsbQuirksList *quirks; /* borrowed, until there are other options; NULL: none */
        DevicePolicy *policy;        /* likewise; NULL: all are allowed */
        DeviceCacheOptions cache;
        PowerOptions power;
        DeviceSmartOptions smart;
        DeviceNbdOptions nbd;
} DeviceManagerOptions;

/* A simulated disk, as the command line gives it. The descriptors are taken over. */
typedef struct DeviceSimulation {
        const char *spec;
        uint16_t vendor_id;
        uint16_t product_id;
        const char *serial;
        bool is_read_only;
        int *fds; /* image files in the order of the spec */
        size_t n_fds;
} DeviceSimulation;

typedef struct DeviceManagerCounts {
        unsigned n_devices; /* that have or should have a worker */
        unsigned n_exports;
        bool is_saving;   /* what is on no medium goes to files */
        bool is_stopping; /* device_manager_stop() was called */
} DeviceManagerCounts;

/* After device_manager_stop(): everything has been given back. */
typedef void (*DeviceManagerStopped)(DeviceManager *manager, void *userdata);

int device_manager_new(DeviceManager **ret, EventLoop *loop, const DeviceManagerOptions *options,
                       DeviceManagerStopped stopped, void *userdata);
/* Stopped, or never started; otherwise children are killed. Takes NULL. */
DeviceManager *device_manager_free(DeviceManager *manager);
DEFINE_CLEANUP(DeviceManager *, device_manager_free);

/* Takes a listening socket over, also on failure; before device_manager_start(). */
int device_manager_listen(DeviceManager *manager, int fd);
/* Whether systemd keeps an arena under this name, and not a socket. */
bool device_manager_is_stored_name(const char *name);
/* An arena that systemd kept over a restart, under `name`: `fd` is taken over. Before
 * device_manager_start(). -EBADMSG: it is none, and closed. */
int device_manager_take_stored(DeviceManager *manager, int fd, const char *name);
/* -ENOSPC: too many devices. Best before device_manager_start(). */
int device_manager_add_simulation(DeviceManager *manager, const DeviceSimulation *simulation);
/* Starts the front, a spare worker and the search for devices; -errno, before any was taken. */
int device_manager_start(DeviceManager *manager);
/* Ends clients, flushes, gives devices back to the kernel; then `stopped`. */
void device_manager_stop(DeviceManager *manager);
/*
 * Other options from now on: what devices that are there can change is changed at once, the rest
 * counts for those that come. Not those that say where it runs, and with which programs; nor
 * `present_devices`.
 */
void device_manager_set_options(DeviceManager *manager, const DeviceManagerOptions *options);
/* In force. Borrowed until they are set anew. */
const DeviceManagerOptions *device_manager_get_options(const DeviceManager *manager);
DeviceManagerCounts device_manager_get_counts(const DeviceManager *manager);
