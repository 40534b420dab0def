#pragma once

/*
 * UasTransport, its inside
 *
 * What the transport and its recovery share. Private to transport.
 */

#include "transport/uas_task.h"
#include "transport/uas_transport.h"

typedef struct UasTransport UasTransport;

typedef struct UasTask {
        UasTransport *uas; /* borrowed: its owner */
        UasTaskState state;
        uint16_t tag;
        TransportRequest *request; /* borrowed; NULL: task management */
        Future *future;            /* borrowed; of task management */
        uint64_t deadline_ns;
        TransportResult result;
        bool is_known; /* the device may know the tag */
        uint8_t response;
        uint8_t lun;         /* also of a stray one */
        uint8_t *buffer;     /* borrowed of UasTransport::buffers */
        UsbTransfer command; /* or task management */
        UsbTransfer status;  /* with streams */
        UsbTransfer data;
        bool has_data; /* was started */
        ListNode node; /* UasTransport::free_tasks */
} UasTask;

typedef enum UasState {
        UAS_STATE_READY,
        UAS_STATE_BROKEN,     /* needs recovery */
        UAS_STATE_RECOVERING, /* only task management is sent */
} UasState;

struct UasTransport {
        Transport transport;
        UsbDevice *device; /* borrowed */
        UsbStorageDevice storage_device;
        UasState state;
        unsigned n_tags_wanted;
        unsigned n_tags;  /* 0: not started */
        UasTask *tasks;   /* owned; the last one is for task management */
        uint8_t *buffers; /* owned, of the staging memory */
        size_t buffers_size;
        ListNode refused;    /* TransportRequest::node: while it was broken; told by `advance` */
        ListNode free_tasks; /* UasTask::node; the one that has been free longest first */
        unsigned n_busy;     /* SENT, ANSWERED, LEAVING */
        UsbTransfer status;  /* without streams: for whoever is next */
        bool has_streams;
        EventTimer timer;   /* armed no later than the earliest deadline */
        EventDefer advance; /* for what must not happen within submit and cancel */
};

/* The tag that is kept for task management. */
UasTask *uas_transport_get_management(UasTransport *uas);
/* Sends the task's IU, which is in its buffer, and what belongs to it. -errno: it was not sent. */
int uas_transport_send(UasTask *task, size_t iu_size);
/* Of one that is under way: it ends with `result`, as soon as its transfers are home. */
void uas_transport_abandon(UasTask *task, TransportResult result);
/* The one place where a tag's state changes. */
void uas_transport_move(UasTask *task, UasTaskEvent event);
