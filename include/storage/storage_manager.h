#pragma once

/*
 * StorageManager
 *
 * One device's life in the worker: its stack up to the gate, bring-up of its LUNs, the
 * pipe of BlockDevices above each, and the sessions on them; and the way back down. With a cache,
 * the units outlive an unplug: they are parked until the device comes back or the park time ends.
 */

#include "base/nbd_protocol.h"
#include "base/storage_stats.h"
#include "cache/cache_manager.h"
#include "control/control_message.h"
#include "control/control_power.h"
#include "control/control_request.h"
#include "control/control_smart.h"
#include "usb/usb_device.h"
#include "usb/usb_learned_facts.h"

#define STORAGE_LUNS_MAX 16
#define STORAGE_SESSIONS_PER_EXPORT_MAX 16
/* Of which something is left. */
#define STORAGE_REMAINS_MAX 192
/* At a stop, what is dirty has so long to get to the medium, on all LUNs together. */
#define STORAGE_STOP_FLUSH_MAX_NS (90 * NS_PER_S)

typedef struct StorageManager StorageManager;

typedef enum StorageState {
        STORAGE_STATE_STARTING,
        STORAGE_STATE_RUNNING,
        STORAGE_STATE_PARKED, /* the device is away; clients wait */
        STORAGE_STATE_STOPPING,
        STORAGE_STATE_STOPPED,
        _STORAGE_STATE_MAX,
} StorageState;

typedef struct StorageExport {
        unsigned lun;
        uint64_t generation;
        const char *name;        /* borrowed until it is closed */
        const char *description; /* likewise */
        NbdExportInfo info;
} StorageExport;

typedef struct StorageOptions {
        const char *base_name;        /* of the exports; copied */
        const char *serial;           /* of the USB device; copied; NULL: none */
        uint32_t quirks;              /* UsbQuirk */
        const UsbLearnedFacts *known; /* of the device, from earlier; copied; NULL: nothing */
        uint64_t rate_max;            /* of all clients: bytes a second; 0: no limit */
        bool is_read_only;
        bool is_trim_enabled;
        bool is_monitored;          /* what clients do is counted, and told of */
        bool starts_with_reset;     /* a predecessor died */
        uint32_t device_timeout_ms; /* 0: default, 30 s */
        unsigned n_luns_max;        /* 0: default, 8 */
        bool is_serial; /* one command at a time, no pipelining, no read-ahead: for diagnosis */
        bool skips_processing; /* the device is taken, but gets no command: nothing is exported */
        bool skips_validation;
        size_t n_commands_kept; /* of the ScsiCommandPool */
        PowerOptions power;     /* all zeroes: it sleeps only if somebody asks for it */
        bool has_cache;
        int arena_fd; /* with a cache: its memory; borrowed */
        CacheOptions cache;
        ControlSmartOptions smart;
        uint32_t park_timeout_ms; /* with a cache: how long an unplugged device is waited for; 0:
                                     not at all */
} StorageOptions;

typedef struct StorageHandlers {
        void (*export_opened)(StorageManager *manager, const StorageExport *export, void *userdata);
        void (*export_closed)(StorageManager *manager, unsigned lun, uint64_t generation,
                              void *userdata);
        /* Once: 0 and the number of LUNs found, or -errno with a reason: then it must be freed. */
        void (*brought_up)(StorageManager *manager, int result, unsigned n_luns, const char *reason,
                           void *userdata);
        /* Once: after stop(), or on its own when the device has gone (-ENODEV) or failed (-EIO: what
         * is kept in the arena is for a successor). It may be freed now. */
        void (*stopped)(StorageManager *manager, int result, void *userdata);
        /* Optional. All that is known of the device, when that has changed. */
        void (*learned)(StorageManager *manager, const UsbLearnedFacts *facts, void *userdata);
        /* Needed where it is monitored: all that is counted of a LUN, or of the device beside them,
         * when that has changed, at most once a second, and at the end. */
        void (*lun_stats)(StorageManager *manager, unsigned lun, const StorageStats *stats,
                          void *userdata);
        void (*device_stats)(StorageManager *manager, const StorageDeviceStats *stats,
                             void *userdata);

        /* Optional, as the next four: what others should know, before `brought_up` and whenever it
         * has changed. */
        void (*device_described)(StorageManager *manager, const ControlDeviceInfo *info,
                                 void *userdata);
        void (*lun_described)(StorageManager *manager, const ControlLunInfo *info, void *userdata);
        /* A unit's drive was asked for its health. When that was is for others to say. */
        void (*smart_told)(StorageManager *manager, const ControlSmart *smart, void *userdata);
        void (*progressed)(StorageManager *manager, const ControlProgress *progress,
                           void *userdata);
        /* Optional. How awake the device is: once it is brought up, when it falls asleep or wakes,
         * and when something else of it has changed, at most once a second. */
        void (*power_changed)(StorageManager *manager, const ControlPower *power, void *userdata);
        /* Optional. Once for each client that was accepted and has NbdAgreement::client_id. */
        void (*client_ended)(StorageManager *manager, uint64_t client_id, void *userdata);
        /* Once for each request, before `stopped` at the latest. */
        void (*replied)(StorageManager *manager, const ControlReply *reply, void *userdata);

        /* Optional, as the next one: a mount is served, its LUN is exported. */
        void (*mount_served)(StorageManager *manager, uint32_t id, void *userdata);
        /* 0: it was unmounted, or its export has closed; -errno. Not told of one that a successor is to go
         * on with. */
        void (*mount_ended)(StorageManager *manager, uint32_t id, int error, void *userdata);

        /* Those below are needed with a cache alone. */

        /* The device has gone, or came back but could not be driven; storage_manager_replug() brings
         * it back. */
        void (*parked)(StorageManager *manager, void *userdata);
        /* It is back, and what it has is exported. */
        void (*returned)(StorageManager *manager, void *userdata);
        /* The arena holds data of these LUNs (a mask) that can't be written: it must be saved before
         * it goes; answered by storage_manager_saved(). */
        void (*save)(StorageManager *manager, unsigned luns, void *userdata);
        /* Of these remains, the data of these LUNs has not been given back. 0: of none. */
        void (*remains_left)(StorageManager *manager, uint32_t id, unsigned luns, void *userdata);
} StorageHandlers;

/* Takes `device` over, also on failure. Starts at once, on the loop. */
int storage_manager_new(StorageManager **ret, UsbDevice *device, const StorageOptions *options,
                        const StorageHandlers *handlers, void *userdata);
/* Only when stopped, or when brought_up told a failure. */
StorageManager *storage_manager_free(StorageManager *manager);
DEFINE_CLEANUP(StorageManager *, storage_manager_free);

StorageState storage_manager_get_state(const StorageManager *manager);
unsigned storage_manager_get_n_luns(const StorageManager *manager);
/* NULL: there is none, or no longer. For statistics and tests. */
CacheManager *storage_manager_get_cache(StorageManager *manager);
/* A client in transmission phase; takes `fd` over. A stale generation or one too many closes it:
 * -ESTALE, -EUSERS. */
int storage_manager_add_client(StorageManager *manager, unsigned lun, uint64_t generation, int fd,
                               const NbdAgreement *agreement);
/* A mount of `mount->lun`, which is within; takes the descriptors over. `mount_served` or `mount_ended`
 * tells what comes of it, also from within. */
void storage_manager_add_mount(StorageManager *manager, const ControlMount *mount, int fd,
                               int slots_fd);
/* It ends soon, if it is there. */
void storage_manager_end_mount(StorageManager *manager, uint32_t id);
/* The device was unplugged (the kernel says so; the wire may say it later). */
void storage_manager_set_gone(StorageManager *manager);
/* The device came back; taken over, also where it comes too late (-EBUSY: not parked). */
int storage_manager_replug(StorageManager *manager, UsbDevice *device);
/* Parked, before the device comes back: what is known of that one. */
void storage_manager_recall(StorageManager *manager, const UsbLearnedFacts *known);
/* Ends sessions, flushes, releases the interface to the kernel's driver; then `stopped`. */
void storage_manager_stop(StorageManager *manager);

/* Answered by `replied`, which may be within; `fd` (negative: none) is taken over. RELEASE and REMOVE
 * stop it, unless they are refused. */
void storage_manager_request(StorageManager *manager, const ControlRequest *request, int fd);
/* It is answered soon. Harmless if it was. */
void storage_manager_cancel_request(StorageManager *manager, uint64_t id);

/* What a predecessor left: its arena or an orphan file (`fd`, taken over), and the LUNs (a mask)
 * whose data in it matters; of several, the oldest first. It is given back when a unit with that
 * medium is brought up: at the start, or when it returns. -EBADMSG: it makes no sense, -ENOSPC, -EOPNOTSUPP: no cache, -errno. */
int storage_manager_add_remains(StorageManager *manager, uint32_t id, unsigned luns, int fd);
/* The answer to `save`: 0, or -errno. */
void storage_manager_saved(StorageManager *manager, unsigned luns, int error);
