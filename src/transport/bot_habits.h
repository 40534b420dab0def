#pragma once

/*
 * BotHabits
 *
 * What one device has taught us about itself: whether it bears pipelining, which signature its CSWs
 * carry, whether its residue can be believed. Plain data and decisions, no transfers.
 *
 * The trial of pipelining: after BOT_HABITS_GOOD_BEFORE_TRIAL good commands by phase, reads of at
 * least BOT_HABITS_TRIAL_SIZE_MIN bytes are sent pipelined; that they may be repeated makes them
 * harmless. BOT_HABITS_TRIALS_NEEDED good ones decide for PIPELINED, one anomaly, then or ever
 * after, decides for BY_PHASE. Small reads prove nothing: QEMU's usb-storage answers them from
 * memory in time, and loses the CSW only where the data had to be waited for.
 */

#include "transport/bot_protocol.h"
#include "transport/bot_transport.h"

#define BOT_HABITS_GOOD_BEFORE_TRIAL 4U
#define BOT_HABITS_TRIAL_SIZE_MIN 512
#define BOT_HABITS_TRIALS_NEEDED 8U
/* A longer answer that comes whole in spite of its residue may be padding (BOT 1.0, 6.7.2, Hi >
 * Di). */
#define BOT_HABITS_RESIDUE_PROOF_SIZE_MAX 36

typedef struct BotHabits {
        BotMode mode;
        BotMode known_mode; /* decided earlier: there is no trial */
        bool is_mode_given; /* by the options: nothing is tried, nothing changes it */
        bool is_serial;     /* nothing is pipelined now, and nothing learned of that */
        unsigned n_good;    /* commands by phase; counted until the first trial */
        unsigned n_trials;  /* good ones */
        bool has_signature;
        uint32_t signature; /* of the first CSW */
        bool is_residue_ignored;
} BotHabits;

void bot_habits_init(BotHabits *habits, BotMode mode, bool ignores_residue);
/* With AUTO: an earlier decision. One for PIPELINED counts once the device has done as many good
 * commands by phase as before a trial. */
void bot_habits_recall(BotHabits *habits, BotMode known_mode);
/* The device was reset by its port: it may be another one in all but its name. Keeps the mode. */
void bot_habits_forget_signature(BotHabits *habits);

/* Whether the next command goes out with its transfers queued together. */
bool bot_habits_wants_pipeline(const BotHabits *habits, TransportDirection direction, size_t size);
/* Whether pipelined commands are watched for anomalies. */
bool bot_habits_is_watchful(const BotHabits *habits);
/* True if this decided for PIPELINED. */
bool bot_habits_learn_good(BotHabits *habits, bool was_pipelined);
/* A pipelined command went wrong in a way that pipelining may have caused. True if this decided. */
bool bot_habits_learn_anomaly(BotHabits *habits);

/*
 * Whether this is the answer to the CBW with that tag (BOT 1.0, 6.3). Signatures are learned: the
 * standard one is always right, another one only if the first CSW carried it. A residue that can't
 * be true does not make a CSW wrong, as too many devices fill in nonsense.
 */
bool bot_habits_accept_csw(const BotHabits *habits, const BotCsw *csw, uint32_t tag);
/* Stricter, for what came where data was due: it must also look like a CSW without the tag. */
bool bot_habits_accept_csw_as_data(const BotHabits *habits, const BotCsw *csw, uint32_t tag);
/* True if its signature is odd and was learned now. */
bool bot_habits_learn_signature(BotHabits *habits, uint32_t signature);

/* How many of `transferred` bytes mean something, of `size` that were announced. */
size_t bot_habits_actual_size(const BotHabits *habits, const BotCsw *csw, size_t size,
                              size_t transferred);
/*
 * A residue is proven to be a lie when a short IN command succeeded and delivered every byte, but
 * its residue says that none of them counts (or that more are missing than were asked for).
 * Anything less may be honest padding. True if this was learned now.
 */
bool bot_habits_learn_residue(BotHabits *habits, const BotCsw *csw, TransportDirection direction,
                              size_t size, size_t transferred);
