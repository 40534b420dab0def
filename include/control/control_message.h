#pragma once

/*
 * ControlMessage
 *
 * What manager, workers and front say to each other: one fixed struct to each type, versioned by
 * HELLO, in one SOCK_SEQPACKET message with at most CONTROL_FDS_MAX descriptors. Plain data.
 * Strings are NUL-terminated within their field; who receives a message checks that by
 * control_message_validate() before using it.
 *
 * manager → worker: CONFIGURE (again when settings change), CACHE, REMAINS for each that there is, then USB_DEVICE or SIMULATE
 *                   (once, and USB_DEVICE again after PARKED); CLIENT, CACHE_OPTIONS, PING, STOP, GONE;
 *                   REMAINS of what was saved, before SAVED; REQUEST, CANCEL; MOUNT, UNMOUNT.
 * worker → manager: HELLO, READY, EXPORT, EXPORT_CLOSED, BROUGHT_UP, REMAINS_LEFT, SAVE, PARKED,
 *                   LEARNED, PONG, LOG, STOPPED, FAILED; DEVICE_INFO, LUN_INFO; PROGRESS, REPLY;
 *                   LUN_STATS, DEVICE_STATS; MOUNT_SERVED, MOUNT_ENDED, CLIENT_ENDED.
 * A device that goes: GONE; the worker answers PARKED, or stops. A parked worker that is sent
 * USB_DEVICE answers as it did the first time, BROUGHT_UP or FAILED; one whose park time is over
 * asks to SAVE what it has, and stops.
 * MOUNT, before the device for each that a dead worker served (with the generation 0), else when
 * somebody mounts; the worker answers MOUNT_SERVED or MOUNT_ENDED, and MOUNT_ENDED when it ends, also by
 * UNMOUNT. A worker that fails, or dies, tells nothing: its successor goes on.
 * A worker that has its device answers each REQUEST by one REPLY, at its end at the latest.
 *
 * manager → front: CONFIGURE, TLS, ACCESS, LISTEN, CONNECT, EXPORT, EXPORT_CLOSED, PING, STOP.
 * front → manager: HELLO, READY, HANDOVER, PONG, LOG, STOPPED.
 */

#include "base/log.h"
#include "base/nbd_protocol.h"
#include "base/storage_stats.h"
#include "cache/cache_manager.h"
#include "control/control_description.h"
#include "control/control_power.h"
#include "control/control_request.h"
#include "control/control_smart.h"
#include "negotiation/nbd_access.h"
#include "usb/usb_learned_facts.h"

#define CONTROL_VERSION 13
#define CONTROL_MESSAGE_SIZE_MAX (64 * KIB)
#define CONTROL_FDS_MAX 16
#define CONTROL_NAME_SIZE_MAX 128
#define CONTROL_DESCRIPTION_SIZE_MAX 128
#define CONTROL_SPEC_SIZE_MAX 4096
#define CONTROL_COMMANDS_KEPT_MAX 4096
/* REMAINS that a worker was told of and that have data left: it can't do with a part of them, as the
 * order in which they are given back matters. */
#define CONTROL_REMAINS_MAX 192
/* That a device has at once. */
#define CONTROL_MOUNTS_MAX 16
#define CONTROL_LUNS_ALL ((UINT32_C(1) << CONTROL_LUNS_MAX) - 1) /* of a mask of LUNs */

typedef enum ControlType {
        CONTROL_TYPE_HELLO, /* the first message of a child */
        CONTROL_TYPE_CONFIGURE,
        CONTROL_TYPE_READY, /* sandboxed, waiting for work */
        CONTROL_TYPE_PING,
        CONTROL_TYPE_PONG,
        CONTROL_TYPE_LOG,
        CONTROL_TYPE_STOP,    /* flush, give back, exit */
        CONTROL_TYPE_STOPPED, /* the last message of a child; unless FAILED came before, a worker's
                                 arena has nothing that is needed any more */
        CONTROL_TYPE_USB_DEVICE,
        CONTROL_TYPE_SIMULATE,
        CONTROL_TYPE_GONE,       /* the kernel says that the device was unplugged */
        CONTROL_TYPE_BROUGHT_UP, /* all LUNs were looked at; EXPORTs were sent before */
        CONTROL_TYPE_FAILED,     /* the device could not be driven; the worker is about to exit */
        CONTROL_TYPE_EXPORT,     /* a LUN can be exported (worker), or offered to clients (front) */
        CONTROL_TYPE_EXPORT_CLOSED, /* no longer */
        CONTROL_TYPE_LISTEN,        /* fd 0: a listening socket */
        CONTROL_TYPE_CONNECT,       /* fd 0: a client that may see one export alone */
        CONTROL_TYPE_HANDOVER, /* fd 0: a client in transmission phase, for an export; fd 1: its
                                       own socket, where fd 0 is another one */
        CONTROL_TYPE_CLIENT,   /* fd 0 of the same, from the manager to the worker */
        CONTROL_TYPE_CACHE,    /* fd 0: the arena, a memfd; before the device */
        CONTROL_TYPE_CACHE_OPTIONS, /* at any time after CACHE: what it said has changed */
        CONTROL_TYPE_REMAINS,       /* fd 0: a predecessor's arena, or an orphan file */
        CONTROL_TYPE_REMAINS_LEFT,  /* after bring-up, and when it changes */
        CONTROL_TYPE_SAVE,          /* the medium is gone or another: keep the arena's data */
        CONTROL_TYPE_SAVED,         /* the answer to SAVE, in the order of the questions */
        CONTROL_TYPE_PARKED,        /* the device is gone, the worker waits for it to come back */
        CONTROL_TYPE_DEVICE_INFO,   /* before BROUGHT_UP, and when something in it changed */
        CONTROL_TYPE_LUN_INFO,      /* the same of each LUN, exported or not */
        CONTROL_TYPE_REQUEST,       /* fd 0: a memfd, where its data needs one */
        CONTROL_TYPE_CANCEL,        /* of a REQUEST: answered soon */
        CONTROL_TYPE_REPLY,         /* to a REQUEST */
        CONTROL_TYPE_PROGRESS,      /* of a REQUEST that takes long */
        CONTROL_TYPE_LEARNED,   /* all that is known of the device, when that has changed; seldom */
        CONTROL_TYPE_LUN_STATS, /* when they have changed, at most once a second */
        CONTROL_TYPE_DEVICE_STATS,  /* likewise */
        CONTROL_TYPE_POWER_OPTIONS, /* before the device, and when they change */
        CONTROL_TYPE_POWER,         /* the device's state, and what is counted of it */
        CONTROL_TYPE_SMART_OPTIONS, /* as POWER_OPTIONS */
        CONTROL_TYPE_SMART,         /* the health of a unit's drive, after it was asked */
        CONTROL_TYPE_MOUNT, /* fd 0: of /dev/fuse, fd 1: the memory that its requests lie in */
        CONTROL_TYPE_MOUNT_SERVED, /* its LUN is exported */
        CONTROL_TYPE_MOUNT_ENDED,  /* it was unmounted, or its export has closed */
        CONTROL_TYPE_UNMOUNT,      /* it is to end */
        CONTROL_TYPE_TLS,          /* fds: files, in the order of ControlTls; before LISTEN, and
                                       when something in it changed */
        CONTROL_TYPE_ACCESS,       /* one rule of the list of who may open what; likewise */
        CONTROL_TYPE_CLIENT_ENDED, /* of a CLIENT that had an id: once, unless the worker ends */
        _CONTROL_TYPE_MAX,
} ControlType;

/* The files of TLS, each as a descriptor that can be read from its beginning. */
typedef enum ControlTlsFile {
        CONTROL_TLS_FILE_CERTIFICATE,
        CONTROL_TLS_FILE_KEY,
        CONTROL_TLS_FILE_AUTHORITIES, /* of clients' certificates */
        CONTROL_TLS_FILE_REVOKED,
        CONTROL_TLS_FILE_PSK,
        _CONTROL_TLS_FILE_MAX,
} ControlTlsFile;

typedef struct ControlTls { /* fds: of the files that there are */
        uint32_t mode;      /* NbdTlsMode */
        uint8_t allows_plain_tcp;
        uint8_t has_file[_CONTROL_TLS_FILE_MAX];
} ControlTls;

typedef struct ControlAccess {
        uint32_t n_rules; /* of the whole list; 0: it is empty, and there is no rule here */
        uint32_t index;   /* of this rule; 0 begins a list, the last one puts it in force */
        NbdAccessRule rule;
} ControlAccess;

typedef struct ControlHello {
        uint32_t version;
        uint32_t pid;
} ControlHello;

typedef struct ControlConfigure {
        uint32_t log_level;
        uint32_t handshake_timeout_ms; /* front */
        uint32_t n_connections_max;    /* front: of all exports together */
        uint32_t device_timeout_ms;    /* worker: the deadline of reads and writes */
        uint32_t n_luns_max;           /* worker */
        uint32_t n_commands_kept;      /* worker */
        uint8_t is_trim_enabled;
        uint8_t is_serial;
        uint8_t skips_processing;
        uint8_t skips_validation;
        uint8_t is_monitored; /* worker: counts what its clients do, and tells */
} ControlConfigure;

typedef struct ControlPing {
        uint64_t serial; /* PONG gives it back */
} ControlPing;

typedef struct ControlLog {
        uint32_t level;
        char device[CONTROL_NAME_SIZE_MAX]; /* "": none */
        char message[LOG_MESSAGE_SIZE_MAX];
} ControlLog;

typedef struct ControlUsbDevice {              /* fd 0: the usbfs node */
        char name[CONTROL_NAME_SIZE_MAX];      /* the port path, for the log: "1-4.1" */
        char base_name[CONTROL_NAME_SIZE_MAX]; /* of the exports, "-lun<N>" is appended */
        char serial[CONTROL_NAME_SIZE_MAX];    /* as sysfs tells it, any text; "": none */
        uint32_t speed_mbps;                   /* as sysfs tells it; 0: unknown */
        uint32_t quirks;                       /* UsbQuirk */
        UsbLearnedFacts facts;                 /* known so far */
        uint64_t rate_max;                     /* of its clients: bytes a second; 0: no limit */
        uint8_t is_read_only;
        uint8_t is_restart; /* a predecessor died, or it came back: begin with a port reset */
} ControlUsbDevice;

typedef struct ControlSimulate {          /* fds: the image files in the order of the spec */
        char name[CONTROL_NAME_SIZE_MAX]; /* "sim0" */
        char base_name[CONTROL_NAME_SIZE_MAX];
        char spec[CONTROL_SPEC_SIZE_MAX];
        uint32_t quirks; /* UsbQuirk */
        UsbLearnedFacts facts;
        uint64_t rate_max;
        uint8_t is_read_only;
        uint8_t is_restart;
} ControlSimulate;

typedef struct ControlExport {
        uint32_t lun;
        uint64_t generation; /* the manager's numbering towards the front; the worker's own towards
                                the manager */
        char name[CONTROL_NAME_SIZE_MAX];
        char description[CONTROL_DESCRIPTION_SIZE_MAX];
        NbdExportInfo info;
} ControlExport;

typedef struct ControlExportClosed {
        uint32_t lun;
        uint64_t generation;
} ControlExportClosed;

typedef struct ControlClientEnded {
        uint64_t id; /* NbdAgreement::client_id, not 0 */
} ControlClientEnded;

typedef struct ControlConnect { /* fd 0: a connected socket, before negotiation */
        uint64_t generation;    /* of the export, by the manager's numbering */
} ControlConnect;

typedef struct ControlBroughtUp {
        uint32_t n_luns;
        uint32_t n_exports;
} ControlBroughtUp;

typedef struct ControlFailed {
        int32_t error; /* -errno */
        char reason[CONTROL_DESCRIPTION_SIZE_MAX];
} ControlFailed;

typedef struct ControlHandover { /* HANDOVER and CLIENT alike */
        uint32_t lun;            /* CLIENT: of the worker */
        uint64_t generation;     /* of the export; a stale one is refused by closing the socket */
        NbdAgreement agreement;
        char identity[NBD_IDENTITY_SIZE]; /* HANDOVER: who TLS says that it is, any text; "": nothing */
} ControlHandover;

typedef struct ControlCache {     /* CACHE and CACHE_OPTIONS alike */
        uint64_t size_max;        /* bytes of lines in use; less than the arena has room for */
        uint32_t mode;            /* CacheMode */
        uint32_t policy;          /* CachePolicyKind */
        uint32_t park_timeout_ms; /* 0: does not wait for a device that went */
        uint8_t has_read_ahead;
        uint8_t verifies_hits;
} ControlCache;

typedef struct ControlRemains { /* REMAINS and REMAINS_LEFT alike */
        uint32_t id;            /* the manager's numbering, for this worker */
        uint32_t luns; /* mask. REMAINS: whose data in it matters, not 0. REMAINS_LEFT: whose
                                   data could not be given back yet; 0: all is taken in */
} ControlRemains;

typedef struct ControlSave { /* SAVE and SAVED alike */
        uint32_t luns;       /* mask, not 0; their data must not change until SAVED */
        int32_t error;       /* SAVED: 0, and the worker drops the data; or -errno. SAVE: 0 */
} ControlSave;

typedef struct ControlLearned {
        UsbLearnedFacts facts;
} ControlLearned;

typedef struct ControlLunStats {
        uint32_t lun;
        StorageStats stats; /* since the worker was started */
} ControlLunStats;

typedef struct ControlMount {
        uint64_t generation; /* of the export, by the worker's numbering; 0: of the next that opens, as a
                                predecessor served it */
        uint64_t realtime_ns; /* what CLOCK_REALTIME tells */
        uint32_t id;          /* the manager's numbering, for this device */
        uint32_t lun;
        uint32_t uid; /* the file's owner */
        uint32_t gid;
        uint8_t is_read_only;
        uint8_t unused[7];
} ControlMount;

typedef struct ControlMountState { /* MOUNT_SERVED, MOUNT_ENDED, UNMOUNT */
        uint32_t id;
        int32_t error; /* MOUNT_ENDED: 0: it was unmounted, or told to end; -errno. Else 0 */
} ControlMountState;

typedef struct ControlMessage {
        uint32_t type; /* ControlType */
        uint32_t size; /* of the part of `body` that the type has */
        union {
                ControlHello hello;
                ControlConfigure configure;
                ControlPing ping;
                ControlLog log;
                ControlUsbDevice usb_device;
                ControlSimulate simulate;
                ControlExport export;
                ControlExportClosed export_closed;
                ControlConnect connect;
                ControlClientEnded client_ended;
                ControlBroughtUp brought_up;
                ControlFailed failed;
                ControlHandover handover;
                ControlCache cache;
                ControlRemains remains;
                ControlSave save;
                ControlLunStats lun_stats;
                StorageDeviceStats device_stats;
                ControlDeviceInfo device_info;
                ControlLunInfo lun_info;
                ControlRequest request;
                ControlCancel cancel;
                ControlReply reply;
                ControlProgress progress;
                ControlLearned learned;
                ControlMount mount;
                ControlMountState mount_state;
                PowerOptions power_options;
                ControlPower power;
                ControlSmartOptions smart_options;
                ControlSmart smart;
                ControlTls tls;
                ControlAccess access;
        } body;
} ControlMessage;

/* Sets type and size and zeroes the body. */
void control_message_init(ControlMessage *message, ControlType type);
/*
 * Checks what came from a peer: a known type, exactly its size, terminated strings, `n_fds` as the
 * type needs them. -EBADMSG. Never reads past `received_size`.
 */
int control_message_validate(const ControlMessage *message, size_t received_size, size_t n_fds);
size_t control_message_wire_size(const ControlMessage *message);
const char *control_type_to_string(ControlType type);
