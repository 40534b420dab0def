#pragma once

/*
 * LunPiece
 *
 * A part of a request that is worked on with one command after the other: usually just one, two for
 * a read-modify-write, more if the host or the device refused the first. Private to block.
 */

#include "block/block_range_lock.h"
#include "block/lun_step.h"
#include "block/lun_trim.h"
#include "scsi/scsi_command.h"

typedef struct LunPiece LunPiece;
typedef struct LunRequest LunRequest;

typedef enum LunPieceState {
        LUN_PIECE_STATE_IDLE,
        LUN_PIECE_STATE_LOCKING,   /* waits for overlapping writes to end */
        LUN_PIECE_STATE_READING,   /* for the client */
        LUN_PIECE_STATE_MODIFYING, /* reads the blocks that will be changed in part */
        LUN_PIECE_STATE_WRITING,   /* data, zeroes, or which blocks to unmap */
        LUN_PIECE_STATE_TRYING,    /* whether UNMAP can be trusted */
        LUN_PIECE_STATE_ASKING,    /* for the status of blocks */
        _LUN_PIECE_STATE_MAX,
} LunPieceState;

/*
 * A read failed at one of its blocks: it is read in ever shorter steps, until the first bad block is
 * alone and all before it have come.
 */
typedef struct LunSearch {
        int error;           /* what it failed with; 0: no search goes on */
        uint64_t end;        /* of the device: a bad block is known to be before this */
        bool has_claim;      /* the device says which one */
        bool was_disproved;  /* it did say which one, and that was good */
        bool is_claim_cheap; /* the first of all: what devices say that do not know */
        uint64_t claim;      /* block */
        uint64_t cost_ns;    /* how long the failure took */
} LunSearch;

struct LunPiece {
        LunRequest *request; /* borrowed while in use */
        LunPieceState state;
        ScsiCommand *command; /* owned while in use, of the target's or the Lun's spare one */
        uint64_t position;    /* of the device: what is left to do */
        uint64_t end;
        LunStep step;      /* what the command in flight is part of */
        uint64_t lba;      /* of the blocks of the step */
        uint32_t n_blocks; /* likewise */
        BlockRange range;
        bool has_range;
        void *bounce; /* owned: staging memory */
        size_t bounce_size;
        uint64_t sent_ns; /* when the command in flight was sent */
        bool has_fua;     /* the command in flight has the bit */
        LunSearch search;
        LunTrimTest trim_test; /* TRYING */
        Task *trim_task;       /* likewise; borrowed */
        uint8_t unmap_data[SCSI_UNMAP_DATA_SIZE];
        ListNode node; /* LunRequest::pieces or Lun::free_pieces */
};

/* `piece` is in LunRequest::pieces and has a command. */
void lun_piece_start(LunPiece *piece, LunRequest *request, uint64_t position, uint64_t end);
/* Its range was granted. */
void lun_piece_resume(LunPiece *piece);
/* Ends it now if it only waits for its range, else cancels its command if `with_command`. */
void lun_piece_give_up(LunPiece *piece, int error, bool with_command);
