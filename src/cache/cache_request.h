#pragma once

/*
 * CacheRequest
 *
 * A BlockRequest on its way through a volume. Private to cache.
 */

#include "block/block_device.h"
#include "block/block_range_lock.h"
#include "cache/cache_manager.h"

typedef struct CacheEntry CacheEntry;
typedef struct CacheRequest CacheRequest;
typedef struct CacheVolume CacheVolume;

/* But for FREE and FILLING, the request is in the list of CacheVolume that has the same name. */
typedef enum CacheRequestState {
        CACHE_REQUEST_STATE_FREE,
        CACHE_REQUEST_STATE_HELD,      /* not begun, as the volume is held */
        CACHE_REQUEST_STATE_BLOCKED,   /* must wait for others that overlap it */
        CACHE_REQUEST_STATE_THROTTLED, /* a WRITE that waits for its turn under the dirty limit */
        CACHE_REQUEST_STATE_READY,     /* can be worked on */
        CACHE_REQUEST_STATE_FILLING,   /* waits for a fill, in CacheEntry::waiters */
        CACHE_REQUEST_STATE_STARVING,  /* waits for slots, or for the device to come back */
        CACHE_REQUEST_STATE_WRITING,   /* waits until its range was written to the device */
        CACHE_REQUEST_STATE_FLUSHING,  /* waits until all before it was written */
        CACHE_REQUEST_STATE_SYNCING,   /* the FLUSH below is for it */
        CACHE_REQUEST_STATE_SENDING,   /* `lower` is to be sent when nothing is written there */
        CACHE_REQUEST_STATE_GATHERING, /* a direct READ that the device is not to have yet */
        CACHE_REQUEST_STATE_JOINED, /* the device below has `leader`'s `lower`, which is for it too */
        CACHE_REQUEST_STATE_BELOW,    /* the device below has `lower` */
        CACHE_REQUEST_STATE_FINISHED, /* to be completed, from a safe place */
        _CACHE_REQUEST_STATE_MAX,
} CacheRequestState;

struct CacheRequest {
        CacheVolume *volume; /* borrowed */
        BlockRequest *block; /* borrowed until it is completed */
        CacheRequestState state;
        BlockRange range; /* bytes, in CacheVolume::lock */
        bool has_range;
        uint64_t deadline_ns;
        uint64_t position;          /* of the LUN: done up to here */
        uint64_t end;               /* of this stage */
        uint64_t issued_end;        /* fills were started up to here */
        uint64_t sequence;          /* WRITING, FLUSHING: writes up to this one must be written */
        uint8_t stream;             /* of a READ, or CACHE_STREAM_NONE */
        bool is_direct;             /* READ: what is missing is read past the cache */
        bool is_single;             /* and not together with others, as that failed */
        const CacheRequest *leader; /* JOINED: borrowed */
        bool is_exact;     /* its fills are of its own blocks alone, as a larger one failed */
        bool was_written;  /* STATUS: what was dirty */
        bool was_cleared;  /* TRIM, WRITE_ZEROES: the device has done its part, or failed to */
        uint64_t n_resets; /* CacheVolume::n_resets when it was sent; STATUS: when all was
                                  written, too */
        int error;
        uint64_t error_position;
        bool is_error_exact;
        BlockRequest lower;   /* what the device below does for it */
        struct iovec segment; /* of `lower`, a direct READ: owned staging memory of that device */
        ListNode node;        /* CacheVolume::requests[state], or CacheEntry::waiters */
        ListNode active_node; /* CacheVolume::active */
};

/* Takes `block` in and does what can be done at once; it never completes from within. */
void cache_request_start(CacheRequest *request, BlockRequest *block);
/* In HELD: as if it came now. */
void cache_request_begin(CacheRequest *request);
/* In READY: as far as it can. */
void cache_request_go_on(CacheRequest *request);
/* In FLUSHING or SYNCING. */
void cache_request_synced(CacheRequest *request, int error);
/* Ends it, unless the device below has it: then when that comes back, soon if `with_lower`. */
void cache_request_give_up(CacheRequest *request, int error, bool with_lower);
/* In FINISHED: tells the owner and is free again. */
void cache_request_complete(CacheRequest *request);
/* The one place where the state changes. */
void cache_request_enter(CacheRequest *request, CacheRequestState state);
/* Waits for a fill of the entry to end. */
void cache_request_enter_filling(CacheRequest *request, CacheEntry *entry);
/* It will be completed soon: well, with an error, or with one at `position`, before which all is
 * good. */
void cache_request_finish(CacheRequest *request);
void cache_request_fail(CacheRequest *request, int error);
void cache_request_fail_at(CacheRequest *request, int error, uint64_t position);
/* Where the request's part of the line at its position ends. */
uint64_t cache_request_get_line_stop(const CacheRequest *request);
CacheMode cache_request_get_mode(const CacheRequest *request);
