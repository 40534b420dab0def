#pragma once

/*
 * Transport
 *
 * Carries command blocks to a device and brings their status back. Knows nothing of SCSI.
 * BotTransport, CbiTransport and UasTransport implement it.
 */

#include "base/event_loop.h"
#include "base/staging.h"
#include "base/task.h"

#define TRANSPORT_COMMAND_SIZE_MAX 32
#define TRANSPORT_SENSE_SIZE_MAX 252

typedef struct Transport Transport;
typedef struct TransportOps TransportOps;
typedef struct TransportRequest TransportRequest;

typedef enum TransportDirection {
        TRANSPORT_DIRECTION_NONE,
        TRANSPORT_DIRECTION_IN,
        TRANSPORT_DIRECTION_OUT,
} TransportDirection;

typedef enum TransportResult {
        TRANSPORT_RESULT_GOOD,     /* delivered; the command succeeded */
        TRANSPORT_RESULT_FAILED,   /* delivered; the command failed: sense follows or must be asked
                                    for */
        TRANSPORT_RESULT_UNTOLD,   /* delivered; the device has no way to tell how it ended but by
                                    its sense, which must be asked for (CB) */
        TRANSPORT_RESULT_BUSY,     /* delivered; the device was busy or its queue full (UAS) */
        TRANSPORT_RESULT_RESERVED, /* delivered; RESERVATION CONFLICT (UAS) */
        TRANSPORT_RESULT_ERROR, /* not delivered or not answered properly; the device needs recovery
                                 */
        TRANSPORT_RESULT_TIMED_OUT, /* the deadline passed; the device needs recovery */
        TRANSPORT_RESULT_NO_MEMORY, /* the host had no memory for a transfer of this size: nothing
                                       was sent */
        TRANSPORT_RESULT_CANCELLED, /* given up on request; the device needs recovery if it had
                                       begun */
        TRANSPORT_RESULT_GONE,      /* unplugged */
        _TRANSPORT_RESULT_MAX,
} TransportResult;

/* Steps of recovery, from mild to rude. Each leaves the device ready for the next command if it
 * succeeds. */
typedef enum TransportRecovery {
        TRANSPORT_RECOVERY_CLEAR_HALTS,
        /* BOT: reset recovery, 5.3.4; CBI: command block reset; UAS: ABORT TASK. */
        TRANSPORT_RECOVERY_CLASS_RESET,
        TRANSPORT_RECOVERY_LUN_RESET,  /* UAS */
        TRANSPORT_RECOVERY_PORT_RESET, /* and whatever the transport must redo after it */
        _TRANSPORT_RECOVERY_MAX,
} TransportRecovery;

/* Called exactly once per accepted request, never from within submit. */
typedef void (*TransportDone)(TransportRequest *request);

struct TransportRequest {
        /* Set by the owner, constant while in flight. */
        uint8_t lun;
        uint8_t command[TRANSPORT_COMMAND_SIZE_MAX];
        uint8_t command_size;
        TransportDirection direction;
        void *data;           /* borrowed while in flight; best from the device's staging memory */
        size_t size;          /* what the command will transfer, in the host's view */
        uint64_t deadline_ns; /* of the loop's clock; mandatory */
        TransportDone done;

        /* Valid in `done`. */
        TransportResult result;
        size_t actual_size; /* bytes of data that are meaningful; beyond it an IN buffer is
                               unspecified */
        uint8_t sense[TRANSPORT_SENSE_SIZE_MAX]; /* UAS only: came with the status */
        uint8_t sense_size;                      /* 0: none came */

        ListNode node; /* the transport's while in flight */
};

struct TransportOps {
        /*
         * Mandatory. -EBUSY if max_in_flight requests are, -ENODEV if unplugged, -EINVAL for a
         * command or size that this transport can't carry. While the device needs recovery
         * requests are accepted and complete with ERROR at once, without being sent.
         */
        int (*submit)(Transport *transport, TransportRequest *request);
        /* Mandatory. Gives up a request in flight; it completes soon, with CANCELLED unless it was
         * faster. */
        void (*cancel)(Transport *transport, TransportRequest *request);
        /* Mandatory. Claims the interface and selects its alternate setting. 0, -errno. */
        int (*start)(Transport *transport, Task *task);
        /* Mandatory. The highest LUN, 0 to 15. -EOPNOTSUPP: the device does not tell, which one with
         * a single LUN need not; -ENODEV: gone; -ECANCELED. */
        int (*get_max_lun)(Transport *transport, Task *task);
        /*
         * Mandatory. No request is in flight. 0; -EOPNOTSUPP: not known to this transport; -ENODEV:
         * gone, or came back as another device; -EIO: it didn't help; -ECANCELED.
         */
        int (*recover)(Transport *transport, Task *task, TransportRecovery recovery, uint8_t lun);
        /* Mandatory. Nothing is in flight. Takes what start() did back (the interface is released
         * by the owner). */
        void (*free)(Transport *transport);
};

/* The head of each implementation. */
struct Transport {
        const TransportOps *ops;
        EventLoop *loop;          /* borrowed */
        Staging *staging;         /* borrowed */
        const char *name;         /* the device's, for the log; borrowed */
        unsigned n_in_flight_max; /* 1 for BOT; of UAS known once it was started */
        size_t transfer_size_max; /* bytes of data in one command */
};

/* Takes NULL, returns NULL. */
Transport *transport_free(Transport *transport);
DEFINE_CLEANUP(Transport *, transport_free);

int transport_submit(Transport *transport, TransportRequest *request);
void transport_cancel(Transport *transport, TransportRequest *request);
int transport_start(Transport *transport, Task *task);
int transport_get_max_lun(Transport *transport, Task *task);
int transport_recover(Transport *transport, Task *task, TransportRecovery recovery, uint8_t lun);

const char *transport_result_to_string(TransportResult result);
const char *transport_recovery_to_string(TransportRecovery recovery);
