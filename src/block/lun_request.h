#pragma once

/*
 * LunRequest
 *
 * A BlockRequest on its way: cut into pieces from its front to its end, then, if it must be on the
 * medium and the device has no FUA, followed by a SYNCHRONIZE CACHE that it may share with others.
 * Private to block.
 */

#include "block/block_device.h"

typedef struct Lun Lun;
typedef struct LunPiece LunPiece;
typedef struct LunRequest LunRequest;

/* In each but FREE, the request is in the list of Lun that has the same name. */
typedef enum LunRequestState {
        LUN_REQUEST_STATE_FREE,
        LUN_REQUEST_STATE_CUTTING,      /* waits for its next piece to be cut */
        LUN_REQUEST_STATE_ISSUED,       /* all pieces were cut, some are in flight */
        LUN_REQUEST_STATE_SYNC_WAITING, /* for the next SYNCHRONIZE CACHE to be sent */
        LUN_REQUEST_STATE_SYNCING,      /* the one in flight is for it */
        LUN_REQUEST_STATE_FINISHED,     /* to be completed, from a safe place */
        _LUN_REQUEST_STATE_MAX,
} LunRequestState;

struct LunRequest {
        Lun *lun;            /* borrowed */
        BlockRequest *block; /* borrowed until it is completed */
        LunRequestState state;
        uint64_t position; /* of the device: where the next piece begins */
        uint64_t end;
        uint64_t turn_size; /* bytes cut since others had their turn */
        ListNode pieces;    /* LunPiece::node, those in flight */
        bool needs_sync;

        /* The failure nearest to the front. */
        int error;
        uint64_t error_position;
        bool is_error_exact; /* all before that position is good, and it is not */

        ListNode node; /* Lun::requests[state] */
};

/* Takes `block` in; what needs no command finishes, the rest waits for lun_request_cut(). */
void lun_request_start(LunRequest *request, BlockRequest *block);
/* In CUTTING: starts one more piece, or finds that there is none. Needs a free piece. */
void lun_request_cut(LunRequest *request);
/* Something from `position` on failed; what is not cut yet is given up. */
void lun_request_fail(LunRequest *request, uint64_t position, int error, bool is_exact);
/* One of its pieces is done and was taken out of `pieces`. */
void lun_request_piece_done(LunRequest *request);
/* All that wait for a SYNCHRONIZE CACHE are now in SYNCING; returns the last of their deadlines. */
uint64_t lun_request_begin_sync(Lun *lun);
/* The SYNCHRONIZE CACHE for it is done, or needless. */
void lun_request_sync_done(LunRequest *request, int error);
/* Ends what is not at the device; `with_commands` cancels that too. */
void lun_request_give_up(LunRequest *request, int error, bool with_commands);
/* In FINISHED: tells the owner and is free again. */
void lun_request_complete(LunRequest *request);
