/*
 * The life of a request in a Lun. It is never completed from within a call of its owner: FINISHED
 * is a state of its own.
 */

#include <errno.h>

#include "block/block_request.h"
#include "block/lun_internal.h"

/* The one place where the state changes. */
static void enter(LunRequest *request, LunRequestState state) {
        list_unlink(&request->node);
        request->state = state;
        list_append(&request->lun->requests[state], &request->node);

        switch (state) {
        case LUN_REQUEST_STATE_SYNCING:
                lun_watch_deadline(request->lun, request->block->deadline_ns);
                break;
        case LUN_REQUEST_STATE_SYNC_WAITING:
                lun_watch_deadline(request->lun, request->block->deadline_ns);
                lun_run_later(request->lun);
                break;
        case LUN_REQUEST_STATE_FINISHED:
                lun_run_later(request->lun);
                break;
        case LUN_REQUEST_STATE_FREE:
        case LUN_REQUEST_STATE_CUTTING:
        case LUN_REQUEST_STATE_ISSUED:
                break;
        case _LUN_REQUEST_STATE_MAX:
                assert_not_reached();
        }
}

/* Nothing is left of its range. */
static void range_done(LunRequest *request) {
        bool syncs = request->needs_sync && request->error == 0 &&
                     request->lun->limits.can_synchronize;

        enter(request, syncs ? LUN_REQUEST_STATE_SYNC_WAITING : LUN_REQUEST_STATE_FINISHED);
}

static bool needs_sync(const LunLimits *limits, const BlockRequest *block) {
        if (block->operation == BLOCK_OPERATION_FLUSH)
                return true;
        /* Only WRITE commands have the bit. */
        return block->flags & BLOCK_REQUEST_FUA &&
               !(limits->has_fua && block->operation == BLOCK_OPERATION_WRITE);
}

void lun_request_start(LunRequest *request, BlockRequest *block) {
        bool has_range = true;

        request->block = block;
        request->position = block->offset;
        request->end = block->offset + block->size;
        request->turn_size = 0;
        request->needs_sync = needs_sync(&request->lun->limits, block);
        request->error = 0;
        block->device_private = request;

        if (block->operation == BLOCK_OPERATION_FLUSH ||
            block->operation == BLOCK_OPERATION_PREFETCH)
                has_range = false;
        if (block->operation == BLOCK_OPERATION_STATUS &&
            !request->lun->limits.can_get_lba_status) {
                block->extents[0] = (BlockExtent){ .size = block->size };
                block->n_extents = 1;
                has_range = false;
        }
        if (has_range)
                enter(request, LUN_REQUEST_STATE_CUTTING);
        else
                range_done(request);
}

static void start_piece(LunRequest *request, uint64_t size) {
        LunPiece *piece = lun_piece_get(request->lun);
        uint64_t position = request->position;

        request->position += size;
        request->turn_size += size;
        list_append(&request->pieces, &piece->node);
        if (request->position == request->end) {
                enter(request, LUN_REQUEST_STATE_ISSUED);
        } else if (request->turn_size >= LUN_TURN_SIZE_MAX) {
                /* To the end of the queue: zeroing gigabytes must not hold others up. */
                request->turn_size = 0;
                enter(request, LUN_REQUEST_STATE_CUTTING);
        }
        lun_piece_start(piece, request, position, position + size);
}

void lun_request_cut(LunRequest *request) {
        const BlockRequest *block = request->block;
        LunStep step;

        assert(request->state == LUN_REQUEST_STATE_CUTTING);
        assert(request->position < request->end);

        step = lun_step_plan(&request->lun->limits, block->operation, block->flags,
                             request->position, request->end);
        if (step.kind == LUN_STEP_KIND_UNSUPPORTED) {
                lun_request_fail(request, request->position, -EOPNOTSUPP, false);
                return;
        }
        if (step.kind != LUN_STEP_KIND_NOTHING) {
                start_piece(request, step.size);
                return;
        }
        request->position += step.size;
        if (request->position < request->end)
                return;
        enter(request, LUN_REQUEST_STATE_ISSUED);
        if (list_is_empty(&request->pieces))
                range_done(request);
}

void lun_request_fail(LunRequest *request, uint64_t position, int error, bool is_exact) {
        assert(error < 0);

        if (request->error == 0 || position < request->error_position) {
                request->error = error;
                request->error_position = position;
                request->is_error_exact = is_exact;
        }
        if (request->state != LUN_REQUEST_STATE_CUTTING)
                return;
        request->position = request->end;
        enter(request, LUN_REQUEST_STATE_ISSUED);
        if (list_is_empty(&request->pieces))
                range_done(request);
}

void lun_request_piece_done(LunRequest *request) {
        if (request->state == LUN_REQUEST_STATE_ISSUED && list_is_empty(&request->pieces))
                range_done(request);
}

uint64_t lun_request_begin_sync(Lun *lun) {
        uint64_t deadline_ns = 0;

        LIST_FOR_EACH (node, &lun->requests[LUN_REQUEST_STATE_SYNC_WAITING]) {
                LunRequest *request = list_entry(node, LunRequest, node);

                deadline_ns = MAX(deadline_ns, request->block->deadline_ns);
                enter(request, LUN_REQUEST_STATE_SYNCING);
        }
        return deadline_ns;
}

void lun_request_sync_done(LunRequest *request, int error) {
        if (error < 0)
                lun_request_fail(request, request->block->offset, error, false);
        enter(request, LUN_REQUEST_STATE_FINISHED);
}

static bool is_sole(const ListNode *node) { return node->previous == node->next; }

static void give_up_pieces(LunRequest *request, int error, bool with_commands) {
        LIST_FOR_EACH (node, &request->pieces)
                lun_piece_give_up(list_entry(node, LunPiece, node), error, with_commands);
}

void lun_request_give_up(LunRequest *request, int error, bool with_commands) {
        switch (request->state) {
        case LUN_REQUEST_STATE_CUTTING:
                lun_request_fail(request, request->position, error, false);
                if (request->state == LUN_REQUEST_STATE_ISSUED)
                        give_up_pieces(request, error, with_commands);
                return;
        case LUN_REQUEST_STATE_ISSUED:
                give_up_pieces(request, error, with_commands);
                return;
        case LUN_REQUEST_STATE_SYNCING:
                /* The last one keeps the command, whose deadline is not before its own. */
                if (!is_sole(&request->node))
                        lun_request_sync_done(request, error);
                else if (with_commands)
                        scsi_target_cancel(request->lun->target, &request->lun->sync_command);
                return;
        case LUN_REQUEST_STATE_SYNC_WAITING:
                lun_request_sync_done(request, error);
                return;
        case LUN_REQUEST_STATE_FINISHED:
                return;
        case LUN_REQUEST_STATE_FREE:
        case _LUN_REQUEST_STATE_MAX:
                break;
        }
        assert_not_reached(); /* its owner has it back */
}

static bool has_data(const BlockRequest *block) {
        return block->operation == BLOCK_OPERATION_READ ||
               block->operation == BLOCK_OPERATION_WRITE;
}

void lun_request_complete(LunRequest *request) {
        BlockRequest *block = request->block;
        int error = request->error;

        assert(request->state == LUN_REQUEST_STATE_FINISHED);
        assert(list_is_empty(&request->pieces));

        if (error < 0 && has_data(block) && request->is_error_exact) {
                block->has_error_offset = true;
                block->error_offset = request->error_position;
        }
        request->block = NULL;
        enter(request, LUN_REQUEST_STATE_FREE);
        block_request_complete(block, error);
}
