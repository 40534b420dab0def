#pragma once

/*
 * Lun, its inside
 *
 * What the files that make up a Lun share. Private to block.
 */

#include "block/block_range_lock.h"
#include "block/lun.h"
#include "block/lun_bad_blocks.h"
#include "block/lun_piece.h"
#include "block/lun_request.h"

/* Requests are allocated so many at a time, when they are first needed. */
#define LUN_REQUESTS_PER_SLAB 64
#define LUN_SLABS_MAX (LUN_REQUESTS_MAX / LUN_REQUESTS_PER_SLAB)
/* One command is SYNCHRONIZE CACHE. */
#define LUN_PIECES_MAX (LUN_COMMANDS_MAX - 1)
/* Commands beyond what the device takes at once, so that it never waits for us. */
#define LUN_PIECES_AHEAD 1
/* After errors, transfers are made shorter down to this, and grow back after so much time. */
#define LUN_TRANSFER_SAFE_SIZE_MIN (64 * KIB)
#define LUN_TRANSFER_SAFE_NS (600 * NS_PER_S)
/* So many writes that the device refused in a row make it read-only, for so much time. */
#define LUN_WRITES_REFUSED_MAX 3
#define LUN_READ_ONLY_NS (300 * NS_PER_S)
/* Transfers are never made shorter than that for lack of memory... */
#define LUN_TRANSFER_SIZE_MIN (4 * KIB)
/* ...and twice as long again after so much time without. */
#define LUN_TRANSFER_GROW_NS (10 * NS_PER_S)

/* Bytes that one request has cut before others get their turn. */
#define LUN_TURN_SIZE_MAX (2 * MIB)
#define LUN_COMMAND_TIMEOUT_DEFAULT_NS (30 * NS_PER_S)

/* Whether the INFORMATION field names the block that failed. */
typedef enum LunInformation {
        LUN_INFORMATION_UNPROVEN, /* what it names is read alone before it is believed */
        LUN_INFORMATION_TRUE,
        LUN_INFORMATION_FALSE, /* it named a good one while another was bad */
} LunInformation;

/* Writes that only the device's own cache is known to have. */
typedef struct LunUnsynced {
        bool has_some;
        unsigned n_resets; /* ScsiTarget::n_resets when the first of them was done */
} LunUnsynced;

struct Lun {
        BlockDevice device;
        ScsiTarget *target; /* borrowed */
        char *name;         /* owned */
        uint8_t number;     /* the logical unit's */
        LunLimits limits;
        uint32_t transfer_size_max;
        uint64_t command_timeout_ns;
        uint64_t grow_ns;            /* when the transfer size may grow back */
        uint64_t grow_pause_ns;      /* and how long after that once more */
        unsigned n_writes_refused;   /* in a row */
        uint64_t read_only_until_ns; /* 0: it is not, by what it did */
        bool is_shut_down;
        LunFacts facts; /* without the transfer size, which is in the limits */

        LunRequest *slabs[LUN_SLABS_MAX]; /* owned arrays */
        size_t n_slabs;
        ListNode requests[_LUN_REQUEST_STATE_MAX]; /* LunRequest::node */

        LunPiece *pieces; /* owned array of LUN_PIECES_MAX */
        ListNode free_pieces;
        size_t n_pieces; /* in flight */
        size_t n_pieces_max;
        ScsiCommand *next_command; /* owned, of the target's: for the next piece; NULL: none yet */
        ScsiCommand spare_command; /* for it where there is no memory for another */
        bool is_spare_used;
        BlockRangeLock lock;
        LunBadBlocks bad_blocks;
        LunInformation information;
        LunPiece *trim_piece; /* whose blocks UNMAP is tried out on; NULL: that is not going on */
        void *zeroes;         /* owned: staging memory, made when first needed */
        size_t zeroes_size;

        ScsiCommand sync_command;
        bool is_syncing;
        bool tells_losses;
        LunUnsynced unsynced; /* since SYNCHRONIZE CACHE was sent last */
        LunUnsynced syncing;  /* what that covers */

        EventDefer defer;          /* completes, cuts, synchronises */
        EventTimer deadline_timer; /* for requests that are not at the device as a whole */
};

/* Cuts pieces while there is room. Completes nothing. */
void lun_cut(Lun *lun);
/* Soon, from the loop: lun_run(). */
void lun_run_later(Lun *lun);
/* Completes what is finished, cuts and synchronises; the end of every event. */
void lun_run(Lun *lun);
/* A request waits for something that may outlast its deadline. */
void lun_watch_deadline(Lun *lun, uint64_t deadline_ns);

/* The device has a cache after all: the next FLUSH is for it, and hears what became of writes. */
void lun_note_cache(Lun *lun);

/* The device has a write that may be in its cache alone. */
void lun_note_written(Lun *lun);

LunPiece *lun_piece_get(Lun *lun);
void lun_piece_put(Lun *lun, LunPiece *piece);

/* The host could not transfer `size` bytes at once. False: it can't be less. */
bool lun_shrink_transfers(Lun *lun, uint64_t size);
/* The device failed with `size` bytes at once: less is tried for a good while. */
void lun_shorten_transfers(Lun *lun, uint64_t size);
/* The device refused to be written to. */
void lun_note_write_refused(Lun *lun);
/* At least LUN_STEP_ZEROES_SIZE_MAX or one block of them; NULL: out of memory. */
void *lun_get_zeroes(Lun *lun);
