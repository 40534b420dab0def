#pragma once

/*
 * ControlMessage
 *
 * What manager, workers and front say to each other: one fixed struct to each type, versioned by
 * HELLO, in one SOCK_SEQPACKET message with at most CONTROL_FDS_MAX descriptors. Plain data.
 * Strings are NUL-terminated within their field; who receives a message checks that by
 * control_message_validate() before using it.
 *
 * manager → worker: CONFIGURE, then USB_DEVICE or SIMULATE once; CLIENT, PING, STOP, GONE.
 * worker → manager: HELLO, READY, EXPORT, EXPORT_CLOSED, BROUGHT_UP, PONG, LOG, STOPPED, FAILED.
 * manager → front: CONFIGURE, LISTEN, EXPORT, EXPORT_CLOSED, PING, STOP.
 * front → manager: HELLO, READY, HANDOVER, PONG, LOG, STOPPED.
 */

#include "base/log.h"
#include "base/nbd_protocol.h"

#define CONTROL_VERSION 1
#define CONTROL_MESSAGE_SIZE_MAX (64 * KIB)
#define CONTROL_FDS_MAX 16
#define CONTROL_NAME_SIZE_MAX 128
#define CONTROL_DESCRIPTION_SIZE_MAX 128
#define CONTROL_SPEC_SIZE_MAX 4096
#define CONTROL_LUNS_MAX 16

typedef enum ControlType {
        CONTROL_TYPE_HELLO, /* the first message of a child */
        CONTROL_TYPE_CONFIGURE,
        CONTROL_TYPE_READY, /* sandboxed, waiting for work */
        CONTROL_TYPE_PING,
        CONTROL_TYPE_PONG,
        CONTROL_TYPE_LOG,
        CONTROL_TYPE_STOP,    /* flush, give back, exit */
        CONTROL_TYPE_STOPPED, /* the last message of a child */
        CONTROL_TYPE_USB_DEVICE,
        CONTROL_TYPE_SIMULATE,
        CONTROL_TYPE_GONE,       /* the kernel says that the device was unplugged */
        CONTROL_TYPE_BROUGHT_UP, /* all LUNs were looked at; EXPORTs were sent before */
        CONTROL_TYPE_FAILED,     /* the device could not be driven; the worker is about to exit */
        CONTROL_TYPE_EXPORT,     /* a LUN can be exported (worker), or offered to clients (front) */
        CONTROL_TYPE_EXPORT_CLOSED, /* no longer */
        CONTROL_TYPE_LISTEN,        /* fd 0: a listening socket */
        CONTROL_TYPE_HANDOVER,      /* fd 0: a client in transmission phase, for an export */
        CONTROL_TYPE_CLIENT,        /* the same, from the manager to the worker */
        _CONTROL_TYPE_MAX,
} ControlType;

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
        uint8_t is_trim_enabled;
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
        uint32_t speed_mbps;                   /* as sysfs tells it; 0: unknown */
        uint8_t is_read_only;
        uint8_t is_restart; /* a predecessor died: begin with a port reset */
} ControlUsbDevice;

typedef struct ControlSimulate {          /* fds: the image files in the order of the spec */
        char name[CONTROL_NAME_SIZE_MAX]; /* "sim0" */
        char base_name[CONTROL_NAME_SIZE_MAX];
        char spec[CONTROL_SPEC_SIZE_MAX];
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

typedef struct ControlBroughtUp {
        uint32_t n_luns;
        uint32_t n_exports;
} ControlBroughtUp;

typedef struct ControlFailed {
        int32_t error; /* -errno */
        char reason[CONTROL_DESCRIPTION_SIZE_MAX];
} ControlFailed;

typedef struct ControlHandover { /* fd 0: the client's socket; HANDOVER and CLIENT alike */
        uint32_t lun;            /* CLIENT: of the worker */
        uint64_t generation;     /* of the export; a stale one is refused by closing the socket */
        NbdAgreement agreement;
} ControlHandover;

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
                ControlBroughtUp brought_up;
                ControlFailed failed;
                ControlHandover handover;
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
