#pragma once

/*
 * ControlRequest
 *
 * What a worker is asked to do beside serving clients, and how it answers: once, whatever happens.
 */

#include "cache/cache_manager.h"
#include "control/control_description.h"
#include "power/power_state.h"
#include "scsi/scsi_cdb.h"
#include "smart/smart_data.h"
#include "transport/transport.h"

/* Requests that a worker has at once; beyond it they are answered with -EBUSY. */
#define CONTROL_REQUESTS_MAX 16
#define CONTROL_LUN_ALL UINT32_MAX
/* Data of a SCSI command: so much in the message itself, more in a memfd of exactly its size. */
#define CONTROL_DATA_INLINE_MAX 2048
#define CONTROL_DATA_MAX ((uint32_t) MIB)
#define CONTROL_WORDS_SIZE 192
/* Lines of text. */
#define CONTROL_HISTORY_SIZE_MAX ((uint32_t) (64 * KIB))

typedef enum ControlRequestKind {
        CONTROL_REQUEST_KIND_FLUSH,       /* all that is dirty to the medium; with PROGRESS */
        CONTROL_REQUEST_KIND_CACHE_RESET, /* what is clean is forgotten */
        CONTROL_REQUEST_KIND_CACHE_MODE,  /* of the device, until it goes */
        CONTROL_REQUEST_KIND_DEVICE_RESET,
        CONTROL_REQUEST_KIND_LUN_RESET, /* the class reset where the transport has none of a LUN */
        CONTROL_REQUEST_KIND_SCSI_COMMAND,
        CONTROL_REQUEST_KIND_RELEASE, /* flush, then the worker ends; with PROGRESS */
        CONTROL_REQUEST_KIND_REMOVE,  /* the same, and the media are stopped */
        CONTROL_REQUEST_KIND_TRACE,   /* fd 0: a file, in which transfers are recorded until it is
                                         cancelled or its time is over; both are success */
        CONTROL_REQUEST_KIND_POWER_STATE,  /* to be woken, or put to sleep now: flushed before */
        CONTROL_REQUEST_KIND_SMART_UPDATE, /* the unit's drive is asked; SMART comes before REPLY */
        CONTROL_REQUEST_KIND_SMART_TEST,   /* a self-test begins, or is aborted */
        CONTROL_REQUEST_KIND_HISTORY,      /* the last commands, in words, into fd 0, a memfd of
                                         CONTROL_HISTORY_SIZE_MAX; whatever the device does */
        CONTROL_REQUEST_KIND_EJECT,        /* flushed, then the medium comes out */
        CONTROL_REQUEST_KIND_LOAD,         /* the tray closes */
        _CONTROL_REQUEST_KIND_MAX,
} ControlRequestKind;

typedef enum ControlRequestFlags {
        /* RELEASE, REMOVE, EJECT: though clients are connected, or not all could be written.
         * SCSI_COMMAND: though the command is not known. */
        CONTROL_REQUEST_FORCE = 1 << 0,
        /* CACHE_RESET: what can't be written is given up, and lost. */
        CONTROL_REQUEST_DISCARD_DIRTY = 1 << 1,
        /* SMART_UPDATE: a drive that sleeps is left alone: -EAGAIN. */
        CONTROL_REQUEST_NO_WAKE = 1 << 2,
} ControlRequestFlags;

#define CONTROL_REQUEST_FLAGS_ALL \
        (CONTROL_REQUEST_FORCE | CONTROL_REQUEST_DISCARD_DIRTY | CONTROL_REQUEST_NO_WAKE)

typedef struct ControlScsi {
        uint8_t cdb[SCSI_CDB_SIZE_MAX];
        uint32_t cdb_size;
        uint32_t direction;  /* TransportDirection */
        uint32_t data_size;  /* 0 exactly with DIRECTION_NONE. More than CONTROL_DATA_INLINE_MAX:
                                fd 0 is a memfd of this size, for either direction */
        uint32_t danger_max; /* ScsiDanger: what its sender may do; less than BLOCKED */
        uint8_t data[CONTROL_DATA_INLINE_MAX]; /* OUT */
} ControlScsi;

typedef struct ControlTrace {
        uint64_t realtime_ns; /* what CLOCK_REALTIME tells */
        uint32_t bus_number;
        uint32_t device_number;
        uint32_t data_size_max; /* of each transfer; 0: the default */
} ControlTrace;

/* SMART_TEST: instead of a SmartSelfTestKind. */
#define CONTROL_SELF_TEST_ABORT UINT32_MAX

typedef struct ControlRequest {
        uint64_t id;         /* the manager's numbering */
        uint32_t kind;       /* ControlRequestKind */
        uint32_t lun;        /* or CONTROL_LUN_ALL: FLUSH, CACHE_RESET. Others of the device: ALL */
        uint32_t flags;      /* ControlRequestFlags: of its kind alone */
        uint32_t timeout_ms; /* 0: the kind's own */
        uint32_t cache_mode; /* CACHE_MODE: CacheMode; else 0 */
        uint32_t power_state; /* POWER_STATE: ACTIVE, STANDBY or SUSPENDED; else 0 */
        uint32_t self_test;   /* SMART_TEST: SmartSelfTestKind, or the abort; else 0 */
        ControlScsi scsi;     /* SCSI_COMMAND; else zeroes */
        ControlTrace trace;   /* TRACE; else zeroes */
} ControlRequest;

typedef struct ControlCancel {
        uint64_t id; /* harmless if that was answered already */
} ControlCancel;

typedef struct ControlReply {
        uint64_t id;
        /*
         * 0: done; of a SCSI command: the device answered, see `status`. -EBUSY: clients are
         * connected, or too many requests; -ECANCELED; -ENODEV: the device is away, or went;
         * -ENXIO: no such LUN; -ENOMEDIUM; -EOPNOTSUPP; -ETIMEDOUT; -EIO; -ESHUTDOWN: the worker
         * ends; what scsi_pass_through_check() says.
         */
        int32_t error;
        uint32_t status; /* SCSI's: 0 GOOD, 2 CHECK CONDITION, 8 BUSY, 18h RESERVATION CONFLICT */
        uint32_t data_size; /* that came in: in `data` or in the memfd, as the request had it */
        uint32_t sense_size;
        uint8_t sense[TRANSPORT_SENSE_SIZE_MAX]; /* as the device sent it */
        uint64_t n_packets;                      /* TRACE: that are in the file */
        uint64_t n_dropped;                      /* TRACE: that the file did not take */
        char words[CONTROL_WORDS_SIZE]; /* printable ASCII: what went wrong, or the sense; or "" */
        uint8_t data[CONTROL_DATA_INLINE_MAX];
} ControlReply;

typedef struct ControlProgress {
        uint64_t id;
        uint64_t n_done;  /* bytes */
        uint64_t n_total; /* at least n_done */
} ControlProgress;

bool control_request_is_valid(const ControlRequest *request, size_t n_fds);
bool control_reply_is_valid(const ControlReply *reply);
bool control_progress_is_valid(const ControlProgress *progress);
/* Whether the data goes by a memfd. */
bool control_scsi_has_memfd(const ControlScsi *scsi);
/* "flush" */
const char *control_request_kind_to_string(ControlRequestKind kind);
