#pragma once

/*
 * FuseSession, its inside
 *
 * What the session and its operations share. Private to export.
 */

#include "export/fuse_session.h"
#include "export/fuse_slots.h"

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

/* In one look for data or holes. */
#define FUSE_REQUEST_EXTENTS_MAX 32

typedef enum FuseSessionState {
        FUSE_SESSION_STATE_STARTING, /* answers what a predecessor left */
        FUSE_SESSION_STATE_RUNNING,
        FUSE_SESSION_STATE_DRAINING, /* nothing more is received */
        FUSE_SESSION_STATE_ENDED,
        _FUSE_SESSION_STATE_MAX,
} FuseSessionState;

/* What it asks the device for, one piece after the other. */
typedef struct FuseRequest {
        BlockRequest block;
        FuseSession *session; /* borrowed */
        unsigned slot;
        fuse_req_t handle;    /* libfuse's; NULL: it needs no answer any more */
        struct iovec segment; /* the only one of `block` */
        void *data;           /* owned: `data_size` bytes of staging memory */
        size_t data_size;
        uint64_t offset; /* of the piece that is next */
        uint64_t end;
        BlockRequestFlags flags;
        int whence;   /* SEEK_DATA, SEEK_HOLE */
        bool is_left; /* it stays in its slot */
        BlockExtent extents[FUSE_REQUEST_EXTENTS_MAX];
        ListNode node; /* FuseSession::free or FuseSession::busy */
} FuseRequest;

struct FuseSession {
        BlockDevice *device; /* borrowed */
        FuseSessionOptions options;
        FuseSessionEnded ended;
        void *userdata;
        FuseSessionState state;
        int error; /* that `ended` tells */

        struct fuse_session *library; /* owned, with its descriptor */
        int fd;                       /* borrowed from it */
        EventFd watch;
        bool is_watched;
        bool has_adopted;
        bool is_left;  /* to a successor */
        bool is_muted; /* what libfuse answers now was answered by a predecessor */
        FuseSlots slots;

        FuseRequest requests[FUSE_SLOTS_N];
        ListNode free; /* FuseRequest::node; the last used first */
        ListNode busy; /* FuseRequest::node */
        size_t n_busy;
        FuseRequest *current; /* borrowed: that libfuse takes apart now */
        bool is_bulky;        /* large WRITEs come */
        uint64_t started_ns;
        uint64_t modified_ns; /* both of the loop's clock */

        EventDefer defer;        /* begins, goes on receiving, ends */
        EventTimer budget_timer; /* the next request may pass */
        EventTimer idle_timer;   /* nobody wanted anything for a while */
};

/* It was answered, or needs no answer: its slot is free again. */
void fuse_session_release(FuseRequest *request);
