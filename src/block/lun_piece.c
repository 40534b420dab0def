/*
 * The commands of a piece. Each answer leads to the next step: the piece plans what is left of it
 * anew, so that shorter transfers, and features that turned out to be missing, need no special way.
 */

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/log.h"
#include "block/block_request.h"
#include "block/lun_error.h"
#include "block/lun_internal.h"

/* GET LBA STATUS (SBC-3): a header, then descriptors. */
#define STATUS_HEADER_SIZE 8
#define STATUS_DESCRIPTOR_SIZE 16
#define STATUS_DATA_SIZE 4096
#define PROVISIONING_MASK 0x0F
#define PROVISIONING_DEALLOCATED 1
#define PROVISIONING_ANCHORED 2

static Lun *lun_of(const LunPiece *piece) { return piece->request->lun; }

static uint64_t step_position(const LunPiece *piece) { return piece->position; }

/* The first byte of the step's first block. */
static uint64_t step_start(const LunPiece *piece) {
        return piece->lba * lun_of(piece)->limits.block_size;
}

static uint64_t step_blocks_size(const LunPiece *piece) {
        return (uint64_t) piece->n_blocks * lun_of(piece)->limits.block_size;
}

static void put_bounce(LunPiece *piece) {
        staging_put(lun_of(piece)->target->staging, piece->bounce, piece->bounce_size);
        piece->bounce = NULL;
        piece->bounce_size = 0;
}

static void *get_bounce(LunPiece *piece, size_t size) {
        if (piece->bounce && piece->bounce_size == size)
                return piece->bounce;
        put_bounce(piece);
        piece->bounce = staging_get(lun_of(piece)->target->staging, size);
        piece->bounce_size = piece->bounce ? size : 0;
        return piece->bounce;
}

/* Gives everything back. `error` 0: all of it was done. */
static void end_piece(LunPiece *piece, uint64_t position, int error, bool is_exact) {
        LunRequest *request = piece->request;
        Lun *lun = request->lun;

        if (error < 0)
                lun_request_fail(request, position, error, is_exact);
        put_bounce(piece);
        if (piece->has_range) {
                block_range_lock_release(&lun->lock, &piece->range);
                piece->has_range = false;
                /* Others may be granted theirs now. */
                if (lun->lock.n_waiting > 0)
                        lun_run_later(lun);
        }
        if (lun->trim_piece == piece)
                lun->trim_piece = NULL;
        piece->state = LUN_PIECE_STATE_IDLE;
        list_unlink(&piece->node);
        lun_piece_put(lun, piece);
        lun_request_piece_done(request);
}

static void fail_piece(LunPiece *piece, int error) {
        end_piece(piece, piece->position, error, /* is_exact= */ false);
}

static void on_command_done(ScsiCommand *command);

/* Where the client's bytes of the step are, as the device may read or write them: whole blocks in
 * one segment. NULL: they must be copied. */
static void *get_direct(const LunPiece *piece) {
        const BlockRequest *block = piece->request->block;

        if (piece->step.size != step_blocks_size(piece))
                return NULL;
        return block_request_get_contiguous(block, piece->position - block->offset,
                                            piece->step.size);
}

/* Makes the step's blocks in the bounce buffer what they shall be. */
static void fill_bounce(LunPiece *piece) {
        const BlockRequest *block = piece->request->block;
        uint8_t *bytes = (uint8_t *) piece->bounce + (piece->position - step_start(piece));

        if (block->operation == BLOCK_OPERATION_WRITE_ZEROES)
                memset(bytes, 0, piece->step.size);
        else
                block_request_gather(block, piece->position - block->offset, bytes,
                                     piece->step.size);
}

static void build_read(LunPiece *piece, void *data) {
        scsi_command_read(piece->command, piece->lba, piece->n_blocks, data,
                          step_blocks_size(piece));
}

static void build_write(LunPiece *piece, void *data) {
        const BlockRequest *block = piece->request->block;

        piece->has_fua = block->operation == BLOCK_OPERATION_WRITE &&
                         block->flags & BLOCK_REQUEST_FUA && lun_of(piece)->limits.has_fua;
        scsi_command_write(piece->command, piece->lba, piece->n_blocks, piece->has_fua, data,
                           step_blocks_size(piece));
}

/* -ENOMEM. */
static int build_reading(LunPiece *piece) {
        void *data = get_direct(piece);

        if (data)
                put_bounce(piece); /* of an earlier step: scatter() goes by it */
        else
                data = get_bounce(piece, step_blocks_size(piece));
        if (!data)
                return -ENOMEM;
        build_read(piece, data);
        return 0;
}

static int build_modifying(LunPiece *piece) {
        void *data = get_bounce(piece, step_blocks_size(piece));

        if (!data)
                return -ENOMEM;
        build_read(piece, data);
        return 0;
}

static int build_plain_write(LunPiece *piece) {
        void *data = get_direct(piece);

        if (!data) {
                data = get_bounce(piece, step_blocks_size(piece));
                if (!data)
                        return -ENOMEM;
                fill_bounce(piece);
        }
        build_write(piece, data);
        return 0;
}

static int build_zeroes(LunPiece *piece) {
        void *zeroes = lun_get_zeroes(lun_of(piece));
        ScsiCommand *command = piece->command;

        if (!zeroes)
                return -ENOMEM;
        if (piece->step.kind == LUN_STEP_KIND_ZERO)
                build_write(piece, zeroes);
        else
                scsi_command_write_same(command, piece->lba, piece->n_blocks,
                                        piece->step.kind == LUN_STEP_KIND_WRITE_SAME_UNMAP, zeroes,
                                        lun_of(piece)->limits.block_size);
        return 0;
}

static int build_writing(LunPiece *piece) {
        switch (piece->step.kind) {
        case LUN_STEP_KIND_WRITE:
                return build_plain_write(piece);
        case LUN_STEP_KIND_MODIFY:
                fill_bounce(piece);
                build_write(piece, piece->bounce);
                return 0;
        case LUN_STEP_KIND_ZERO:
        case LUN_STEP_KIND_WRITE_SAME:
        case LUN_STEP_KIND_WRITE_SAME_UNMAP:
                return build_zeroes(piece);
        case LUN_STEP_KIND_UNMAP:
                scsi_command_unmap(piece->command, piece->lba, piece->n_blocks, piece->unmap_data);
                return 0;
        case LUN_STEP_KIND_NOTHING:
        case LUN_STEP_KIND_UNSUPPORTED:
        case LUN_STEP_KIND_READ:
        case LUN_STEP_KIND_STATUS:
        case _LUN_STEP_KIND_MAX:
                break;
        }
        assert_not_reached(); /* these write nothing */
}

static int build_asking(LunPiece *piece) {
        void *data = get_bounce(piece, STATUS_DATA_SIZE);

        if (!data)
                return -ENOMEM;
        scsi_command_get_lba_status(piece->command, piece->lba, data, STATUS_DATA_SIZE);
        return 0;
}

static int build(LunPiece *piece) {
        switch (piece->state) {
        case LUN_PIECE_STATE_READING:
                return build_reading(piece);
        case LUN_PIECE_STATE_MODIFYING:
                return build_modifying(piece);
        case LUN_PIECE_STATE_WRITING:
                return build_writing(piece);
        case LUN_PIECE_STATE_ASKING:
                return build_asking(piece);
        case LUN_PIECE_STATE_IDLE:
        case LUN_PIECE_STATE_LOCKING:
        case LUN_PIECE_STATE_TRYING:
        case _LUN_PIECE_STATE_MAX:
                break;
        }
        assert_not_reached(); /* these send nothing */
}

/* A long request has a long deadline, which must not keep a hung device from being noticed. */
static uint64_t command_deadline_ns(const LunPiece *piece) {
        Lun *lun = lun_of(piece);

        return MIN(piece->request->block->deadline_ns,
                   event_loop_now_ns(lun->device.loop) + lun->command_timeout_ns);
}

static int try_trim(Task *task, void *userdata) {
        LunPiece *piece = userdata;

        return (int) lun_trim_run(&piece->trim_test, task);
}

static void on_trim_tried(Task *task, int result, void *userdata);

/* TRYING */
static void start_trying(LunPiece *piece) {
        Lun *lun = lun_of(piece);

        piece->trim_test.deadline_ns = piece->request->block->deadline_ns;
        if (task_start(&piece->trim_task, lun->device.loop, "trim", try_trim, on_trim_tried,
                       piece) < 0)
                fail_piece(piece, -ENOMEM);
}

/* The one place where the state changes and where commands are sent. */
static void enter(LunPiece *piece, LunPieceState state) {
        Lun *lun = lun_of(piece);
        int r;

        piece->state = state;
        if (state == LUN_PIECE_STATE_LOCKING) {
                lun_watch_deadline(lun, piece->request->block->deadline_ns);
                return;
        }
        if (state == LUN_PIECE_STATE_TRYING) {
                start_trying(piece);
                return;
        }
        piece->has_fua = false;
        scsi_command_init(piece->command, lun->number, command_deadline_ns(piece));
        r = build(piece);
        if (r < 0) {
                fail_piece(piece, r);
                return;
        }
        piece->command->done = on_command_done;
        piece->command->owner = piece;
        piece->sent_ns = event_loop_now_ns(lun->device.loop);
        scsi_target_submit(lun->target, piece->command);
}

static LunPieceState first_state(LunStepKind kind) {
        switch (kind) {
        case LUN_STEP_KIND_READ:
                return LUN_PIECE_STATE_READING;
        case LUN_STEP_KIND_MODIFY:
                return LUN_PIECE_STATE_MODIFYING;
        case LUN_STEP_KIND_WRITE:
        case LUN_STEP_KIND_ZERO:
        case LUN_STEP_KIND_WRITE_SAME:
        case LUN_STEP_KIND_WRITE_SAME_UNMAP:
        case LUN_STEP_KIND_UNMAP:
                return LUN_PIECE_STATE_WRITING;
        case LUN_STEP_KIND_STATUS:
                return LUN_PIECE_STATE_ASKING;
        case LUN_STEP_KIND_NOTHING:
        case LUN_STEP_KIND_UNSUPPORTED:
        case _LUN_STEP_KIND_MAX:
                break;
        }
        assert_not_reached(); /* these have no command */
}

static void set_step(LunPiece *piece, LunStep step) {
        uint32_t block_size = lun_of(piece)->limits.block_size;

        piece->step = step;
        piece->lba = piece->position / block_size;
        piece->n_blocks = DIV_ROUND_UP(piece->position + step.size, block_size) - piece->lba;
}

static void end_with_bad_block(LunPiece *piece, int error, uint64_t lba) {
        uint64_t bad = MAX(lba * lun_of(piece)->limits.block_size, step_position(piece));

        end_piece(piece, bad, error, /* is_exact= */ true);
}

/* How much of a step a search wants to know at once: up to the block that is said to be bad, then
 * that alone, else a half of what is left. */
static void narrow_step(const LunPiece *piece, LunStep *step) {
        const LunSearch *state = &piece->search;
        uint32_t block_size = lun_of(piece)->limits.block_size;
        uint64_t first = piece->position / block_size, end;

        if (state->has_claim)
                end = MAX(state->claim, first + 1);
        else
                end = first + MAX((DIV_ROUND_UP(state->end, block_size) - first) / 2, UINT64_C(1));
        step->size = MIN(step->size, end * block_size - piece->position);
}

/* False: the first block of it is known to be bad, and the piece has ended. */
static bool prepare_reading(LunPiece *piece, LunStep *step) {
        Lun *lun = lun_of(piece);
        LunSearch *state = &piece->search;
        uint32_t block_size = lun->limits.block_size;
        uint64_t first = piece->position / block_size, bad;
        int error = state->error < 0 ? state->error : -EIO;

        if (state->error < 0 && piece->position >= state->end)
                *state = (LunSearch){ 0 };
        if (state->error < 0)
                narrow_step(piece, step);
        if (lun->information == LUN_INFORMATION_TRUE && state->has_claim && state->claim == first) {
                lun_bad_blocks_add(&lun->bad_blocks, first, event_loop_now_ns(lun->device.loop));
                end_with_bad_block(piece, error, first);
                return false;
        }
        if (!lun_bad_blocks_find(&lun->bad_blocks, first,
                                 DIV_ROUND_UP(piece->position + step->size, block_size),
                                 event_loop_now_ns(lun->device.loop), &bad))
                return true;
        if (bad == first) {
                end_with_bad_block(piece, error, bad);
                return false;
        }
        step->size = bad * block_size - piece->position;
        return true;
}

/* Likewise, where blocks will be changed in part. Nothing of this step will be written, so only its
 * first block can be the place. */
static bool may_modify(LunPiece *piece) {
        Lun *lun = lun_of(piece);
        uint64_t bad;

        if (!lun_bad_blocks_find(&lun->bad_blocks, piece->lba, piece->lba + piece->n_blocks,
                                 event_loop_now_ns(lun->device.loop), &bad))
                return true;
        if (bad == piece->lba)
                end_with_bad_block(piece, -EIO, bad);
        else
                fail_piece(piece, -EIO);
        return false;
}

static bool unmaps(LunStepKind kind) {
        return kind == LUN_STEP_KIND_UNMAP || kind == LUN_STEP_KIND_WRITE_SAME_UNMAP;
}

/* Goes on with what is left of it, or ends it. */
static void next_step(LunPiece *piece) {
        const BlockRequest *block = piece->request->block;

        while (piece->position < piece->end) {
                LunStep step = lun_step_plan(&lun_of(piece)->limits, block->operation, block->flags,
                                             piece->position, piece->end);

                if (step.kind == LUN_STEP_KIND_UNSUPPORTED) {
                        fail_piece(piece, -EOPNOTSUPP);
                        return;
                }
                if (unmaps(step.kind) && !lun_of(piece)->limits.is_unmap_proven) {
                        if (lun_of(piece)->trim_piece == piece) {
                                enter(piece, LUN_PIECE_STATE_TRYING);
                                return;
                        }
                        /* A hint, which need not be followed. */
                        step.kind = LUN_STEP_KIND_NOTHING;
                }
                if (step.kind == LUN_STEP_KIND_READ && !prepare_reading(piece, &step))
                        return;
                if (step.kind != LUN_STEP_KIND_NOTHING) {
                        set_step(piece, step);
                        if (step.kind == LUN_STEP_KIND_MODIFY && !may_modify(piece))
                                return;
                        enter(piece, first_state(step.kind));
                        return;
                }
                piece->position += step.size;
        }
        end_piece(piece, piece->end, 0, false);
}

static void step_done(LunPiece *piece) {
        piece->position += piece->step.size;
        next_step(piece);
}

/* Copies to the client what was read through the bounce buffer: up to `end`, of the device. */
static void scatter(LunPiece *piece, uint64_t end) {
        const BlockRequest *block = piece->request->block;

        if (piece->bounce && end > piece->position)
                block_request_scatter(block, piece->position - block->offset,
                                      (uint8_t *) piece->bounce +
                                                      (piece->position - step_start(piece)),
                                      end - piece->position);
}

/* Fewer bytes came, or were taken, than were asked for. */
static bool is_short(const ScsiCommand *command) {
        return command->actual_size < command->request.size;
}

/* The step's first block failed, alone or believably: that is the place. */
static void end_search(LunPiece *piece, int error, bool is_alone) {
        Lun *lun = lun_of(piece);

        if (is_alone && piece->search.was_disproved)
                lun->information = LUN_INFORMATION_FALSE;
        else if (is_alone && piece->search.has_claim && piece->search.claim == piece->lba &&
                 !piece->search.is_claim_cheap)
                lun->information = LUN_INFORMATION_TRUE;
        lun_bad_blocks_add(&lun->bad_blocks, piece->lba, event_loop_now_ns(lun->device.loop));
        end_with_bad_block(piece, error, piece->lba);
}

/* What came before the block that is claimed to be bad is not read again from a device that is
 * right about it. */
static void keep_good_part(LunPiece *piece) {
        uint64_t bad = piece->search.claim * lun_of(piece)->limits.block_size;

        if (!piece->search.has_claim || lun_of(piece)->information != LUN_INFORMATION_TRUE ||
            bad <= piece->position || piece->command->actual_size < bad - step_start(piece))
                return;
        scatter(piece, bad);
        piece->position = bad;
}

/* Some of the blocks can't be read. */
static void search(LunPiece *piece, int error) {
        Lun *lun = lun_of(piece);
        LunSearch *state = &piece->search;
        uint64_t now_ns = event_loop_now_ns(lun->device.loop), lba;

        if (piece->n_blocks == 1) {
                end_search(piece, error, /* is_alone= */ true);
                return;
        }
        state->error = error;
        state->end = piece->position + piece->step.size;
        state->cost_ns = now_ns - piece->sent_ns;
        state->has_claim =
                        lun->information != LUN_INFORMATION_FALSE &&
                        lun_error_get_bad_block(piece->command, piece->lba, piece->n_blocks, &lba);
        if (state->has_claim) {
                state->claim = lba;
                state->is_claim_cheap = lba == piece->lba;
        }
        keep_good_part(piece);
        /* Another step like that would run into the deadline, and that into a reset. */
        if (now_ns + state->cost_ns >= piece->request->block->deadline_ns)
                fail_piece(piece, error);
        else
                next_step(piece);
}

static void reading_done(LunPiece *piece, int error) {
        LunSearch *state = &piece->search;

        if (error == 0 && is_short(piece->command))
                error = -EIO;
        if (error < 0 && lun_error_is_of_medium(piece->command)) {
                search(piece, error);
                return;
        }
        if (error < 0) {
                fail_piece(piece, state->error < 0 ? state->error : error);
                return;
        }
        scatter(piece, piece->position + piece->step.size);
        if (state->has_claim && piece->lba + piece->n_blocks > state->claim) {
                state->has_claim = false;
                state->was_disproved = true;
        }
        step_done(piece);
}

static void modifying_done(LunPiece *piece, int error) {
        Lun *lun = lun_of(piece);
        bool is_alone = piece->n_blocks == 1 && lun_error_is_of_medium(piece->command);
        uint64_t lba;

        if (error == 0 && is_short(piece->command))
                error = -EIO;
        if (error == 0) {
                enter(piece, LUN_PIECE_STATE_WRITING);
                return;
        }
        if (is_alone)
                lun_bad_blocks_add(&lun->bad_blocks, piece->lba,
                                   event_loop_now_ns(lun->device.loop));
        if (is_alone || lun_error_get_bad_block(piece->command, piece->lba, 1, &lba))
                end_with_bad_block(piece, error, piece->lba);
        else
                fail_piece(piece, error);
}

/* What came before the block that the device names may still be in its cache, or not written at
 * all, so only the step's own beginning is a place that can be told. */
static void writing_failed(LunPiece *piece, int error) {
        uint64_t lba;

        if (error == -EPERM)
                lun_note_write_refused(lun_of(piece));
        if (piece->n_blocks == 1 && lun_error_is_of_medium(piece->command))
                end_with_bad_block(piece, error, piece->lba);
        else if (lun_error_get_bad_block(piece->command, piece->lba, 1, &lba))
                end_with_bad_block(piece, error, lba);
        else
                fail_piece(piece, error);
}

static void writing_done(LunPiece *piece, int error) {
        if (error == 0 && is_short(piece->command))
                error = -EIO;
        if (error < 0) {
                writing_failed(piece, error);
                return;
        }
        if (!piece->has_fua && piece->step.kind != LUN_STEP_KIND_UNMAP)
                lun_note_written(lun_of(piece));
        lun_of(piece)->n_writes_refused = 0;
        lun_bad_blocks_forget(&lun_of(piece)->bad_blocks, piece->lba, piece->lba + piece->n_blocks);
        step_done(piece);
}

static BlockExtentFlags extent_flags(const LunLimits *limits, uint8_t provisioning) {
        BlockExtentFlags zero = limits->unmapped_reads_zero ? BLOCK_EXTENT_ZERO : 0;

        if (provisioning == PROVISIONING_DEALLOCATED)
                return BLOCK_EXTENT_HOLE | zero;
        return provisioning == PROVISIONING_ANCHORED ? zero : 0;
}

static bool add_extent(BlockRequest *block, uint64_t size, BlockExtentFlags flags) {
        if (block->n_extents > 0 && block->extents[block->n_extents - 1].flags == flags) {
                block->extents[block->n_extents - 1].size += size;
                return true;
        }
        if (block->n_extents == block->n_extents_max)
                return false;
        block->extents[block->n_extents++] = (BlockExtent){ .size = size, .flags = flags };
        return true;
}

/* Takes what makes sense: descriptors that follow each other from the position on. */
static void tell_extents(LunPiece *piece, const uint8_t *bytes, size_t size) {
        const LunLimits *limits = &lun_of(piece)->limits;
        BlockRequest *block = piece->request->block;
        uint64_t position = piece->position;

        for (size_t at = STATUS_HEADER_SIZE; at + STATUS_DESCRIPTOR_SIZE <= size;
             at += STATUS_DESCRIPTOR_SIZE) {
                uint64_t lba = get_be64(bytes + at), n_blocks = get_be32(bytes + at + 8), end;

                if (position >= piece->end || lba > position / limits->block_size ||
                    lba + n_blocks <= position / limits->block_size)
                        break;
                end = MIN((lba + n_blocks) * limits->block_size, piece->end);
                if (!add_extent(block, end - position,
                                extent_flags(limits, bytes[at + 12] & PROVISIONING_MASK)))
                        break;
                position = end;
        }
        if (block->n_extents == 0)
                add_extent(block, piece->end - piece->position, 0);
}

static void asking_done(LunPiece *piece, int error) {
        const ScsiCommand *command = piece->command;
        size_t size = error == 0 ? MIN(command->actual_size, (size_t) STATUS_DATA_SIZE) : 0;

        /* The length counts what follows its own four bytes. */
        if (size >= STATUS_HEADER_SIZE)
                size = MIN(size, get_be32(piece->bounce) + UINT64_C(4));
        tell_extents(piece, piece->bounce, size);
        step_done(piece);
}

/* Remembers what the device does not know, and whether there is another way now. */
static bool learn(LunPiece *piece) {
        Lun *lun = lun_of(piece);

        if (!lun_error_is_unsupported(piece->command))
                return false;
        if (piece->has_fua) {
                log_device_debug(lun->name, "FUA is not supported, synchronizing instead");
                lun->limits.has_fua = false;
                piece->request->needs_sync = true;
                return true;
        }
        switch (piece->step.kind) {
        case LUN_STEP_KIND_UNMAP:
        case LUN_STEP_KIND_WRITE_SAME:
        case LUN_STEP_KIND_WRITE_SAME_UNMAP:
        case LUN_STEP_KIND_STATUS:
                log_device_debug(lun->name, "%s is not supported",
                                 scsi_cdb_name(piece->command->request.command,
                                               piece->command->request.command_size));
                lun_step_forget(&lun->limits, piece->step.kind);
                return piece->step.kind != LUN_STEP_KIND_STATUS;
        case LUN_STEP_KIND_NOTHING:
        case LUN_STEP_KIND_UNSUPPORTED:
        case LUN_STEP_KIND_READ:
        case LUN_STEP_KIND_WRITE:
        case LUN_STEP_KIND_MODIFY:
        case LUN_STEP_KIND_ZERO:
                return false;
        case _LUN_STEP_KIND_MAX:
                break;
        }
        assert_not_reached();
}

static void handle(LunPiece *piece, int error) {
        switch (piece->state) {
        case LUN_PIECE_STATE_READING:
                reading_done(piece, error);
                return;
        case LUN_PIECE_STATE_MODIFYING:
                modifying_done(piece, error);
                return;
        case LUN_PIECE_STATE_WRITING:
                writing_done(piece, error);
                return;
        case LUN_PIECE_STATE_ASKING:
                asking_done(piece, error);
                return;
        case LUN_PIECE_STATE_IDLE:
        case LUN_PIECE_STATE_LOCKING:
        case LUN_PIECE_STATE_TRYING:
        case _LUN_PIECE_STATE_MAX:
                break;
        }
        assert_not_reached(); /* nothing is in flight in these */
}

/* Another way to do the step, after an answer that is not the last word. */
static bool tries_otherwise(LunPiece *piece, int error) {
        if (error == 0)
                return false;
        if (piece->command->result == SCSI_RESULT_NO_MEMORY)
                return lun_shrink_transfers(lun_of(piece), piece->command->request.size);
        if (piece->command->is_too_long) {
                lun_shorten_transfers(lun_of(piece), piece->command->request.size);
                return true;
        }
        return learn(piece);
}

static void on_command_done(ScsiCommand *command) {
        LunPiece *piece = command->owner;
        Lun *lun = lun_of(piece);
        int error = lun_error_from_command(command);

        assert(command == piece->command);

        if (command->saw_deferred)
                lun_note_cache(lun);
        if (tries_otherwise(piece, error))
                next_step(piece);
        else
                handle(piece, error);
        lun_run(lun);
}

static void on_trim_tried(Task *task, int result, void *userdata) {
        LunPiece *piece = userdata;
        Lun *lun = lun_of(piece);

        piece->trim_task = NULL;
        lun->trim_piece = NULL;
        switch ((LunTrimResult) result) {
        case LUN_TRIM_RESULT_PROVEN:
                log_device_info(lun->name, "TRIM was tried out, and works");
                lun->limits.is_unmap_proven = true;
                lun->facts.is_unmap_proven = true;
                break;
        case LUN_TRIM_RESULT_REFUSED:
                log_device_warning(lun->name, "TRIM was tried out, and failed: it is off");
                lun->facts.is_unmap_refused = true;
                lun_step_forget(&lun->limits, LUN_STEP_KIND_UNMAP);
                lun_step_forget(&lun->limits, LUN_STEP_KIND_WRITE_SAME_UNMAP);
                break;
        case LUN_TRIM_RESULT_UNKNOWN:
                break;
        }
        next_step(piece);
        lun_run(lun);
}

/* What changes blocks keeps out of the way of a read-modify-write, and that of everything. */
static bool needs_range(LunStepKind kind) {
        return kind != LUN_STEP_KIND_READ && kind != LUN_STEP_KIND_STATUS;
}

/* One tries it out for all, alone with its blocks and their neighbours. */
static void prepare_trying(LunPiece *piece, LunStep step) {
        Lun *lun = lun_of(piece);

        if (lun->trim_piece ||
            !lun_trim_plan(&piece->trim_test, lun, step.kind, piece->position, step.size))
                return;
        lun->trim_piece = piece;
        piece->range.first = MIN(piece->range.first, piece->trim_test.first);
        piece->range.end = MAX(piece->range.end, piece->trim_test.end);
        piece->range.is_exclusive = true;
}

void lun_piece_start(LunPiece *piece, LunRequest *request, uint64_t position, uint64_t end) {
        const BlockRequest *block = request->block;
        uint32_t block_size = request->lun->limits.block_size;
        LunStep step;

        assert(piece->state == LUN_PIECE_STATE_IDLE);
        assert(position < end);

        piece->request = request;
        piece->search = (LunSearch){ 0 };
        piece->position = position;
        piece->end = end;
        step = lun_step_plan(&request->lun->limits, block->operation, block->flags, position, end);
        piece->has_range = needs_range(step.kind);
        if (piece->has_range) {
                piece->range = (BlockRange){
                        .first = position / block_size,
                        .end = DIV_ROUND_UP(end, block_size),
                        .is_exclusive = step.kind == LUN_STEP_KIND_MODIFY,
                };
                if (unmaps(step.kind) && !request->lun->limits.is_unmap_proven)
                        prepare_trying(piece, step);
                if (!block_range_lock_acquire(&request->lun->lock, &piece->range)) {
                        enter(piece, LUN_PIECE_STATE_LOCKING);
                        return;
                }
        }
        next_step(piece);
}

void lun_piece_resume(LunPiece *piece) {
        assert(piece->state == LUN_PIECE_STATE_LOCKING);

        next_step(piece);
}

void lun_piece_give_up(LunPiece *piece, int error, bool with_command) {
        if (piece->state == LUN_PIECE_STATE_LOCKING)
                fail_piece(piece, error);
        else if (with_command && piece->state == LUN_PIECE_STATE_TRYING)
                task_cancel(piece->trim_task);
        else if (with_command)
                scsi_target_cancel(lun_of(piece)->target, piece->command);
}
