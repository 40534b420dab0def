/*
 * Decides what to believe of a device and how to talk to it, from what it did so far.
 */

#include "transport/bot_habits.h"

/* Seen in the field instead of BOT 1.0's 53425355h: a CBW's signature, and a garbled one. */
static const uint32_t odd_signatures[] = { 0x43425355, 0x55425355 };

void bot_habits_init(BotHabits *habits, BotMode mode, bool ignores_residue) {
        assert(mode < _BOT_MODE_MAX);

        *habits = (BotHabits){
                .mode = mode,
                .is_mode_given = mode != BOT_MODE_AUTO,
                .is_residue_ignored = ignores_residue,
        };
}

void bot_habits_recall(BotHabits *habits, BotMode known_mode) {
        assert(known_mode < _BOT_MODE_MAX);

        if (habits->is_mode_given)
                return;
        habits->known_mode = known_mode;
        if (known_mode == BOT_MODE_BY_PHASE)
                habits->mode = BOT_MODE_BY_PHASE;
}

void bot_habits_forget_signature(BotHabits *habits) { habits->has_signature = false; }

bool bot_habits_wants_pipeline(const BotHabits *habits, TransportDirection direction, size_t size) {
        if (habits->is_serial)
                return false;
        switch (habits->mode) {
        case BOT_MODE_AUTO:
                return habits->n_good >= BOT_HABITS_GOOD_BEFORE_TRIAL &&
                       direction == TRANSPORT_DIRECTION_IN && size >= BOT_HABITS_TRIAL_SIZE_MIN;
        case BOT_MODE_BY_PHASE:
                return false;
        case BOT_MODE_PIPELINED:
                return true;
        case _BOT_MODE_MAX:
                break;
        }

        assert_not_reached();
}

bool bot_habits_is_watchful(const BotHabits *habits) { return !habits->is_mode_given; }

bool bot_habits_learn_good(BotHabits *habits, bool was_pipelined) {
        if (habits->mode != BOT_MODE_AUTO)
                return false;

        if (!was_pipelined) {
                habits->n_good = MIN(habits->n_good + 1, BOT_HABITS_GOOD_BEFORE_TRIAL);
                if (habits->n_good < BOT_HABITS_GOOD_BEFORE_TRIAL ||
                    habits->known_mode != BOT_MODE_PIPELINED)
                        return false;
                habits->mode = BOT_MODE_PIPELINED;
                return true;
        }
        if (++habits->n_trials < BOT_HABITS_TRIALS_NEEDED)
                return false;
        habits->mode = BOT_MODE_PIPELINED;
        return true;
}

bool bot_habits_learn_anomaly(BotHabits *habits) {
        if (habits->is_mode_given || habits->mode == BOT_MODE_BY_PHASE)
                return false;

        habits->mode = BOT_MODE_BY_PHASE;
        return true;
}

bool bot_habits_accept_csw(const BotHabits *habits, const BotCsw *csw, uint32_t tag) {
        if (!bot_protocol_csw_is_meaningful(csw, /* data_size= */ UINT32_MAX))
                return false;
        if (bot_protocol_csw_is_valid(csw, BOT_CSW_SIGNATURE, tag))
                return true;
        return bot_protocol_csw_is_valid(
                        csw, habits->has_signature ? habits->signature : csw->signature, tag);
}

bool bot_habits_accept_csw_as_data(const BotHabits *habits, const BotCsw *csw, uint32_t tag) {
        bool is_known = csw->signature == BOT_CSW_SIGNATURE || habits->has_signature;

        for (size_t i = 0; i < N_ELEMENTS(odd_signatures); i++)
                is_known = is_known || csw->signature == odd_signatures[i];
        return is_known && bot_habits_accept_csw(habits, csw, tag);
}

bool bot_habits_learn_signature(BotHabits *habits, uint32_t signature) {
        bool is_first = !habits->has_signature;

        if (is_first || signature == BOT_CSW_SIGNATURE)
                habits->signature = signature;
        habits->has_signature = true;
        return is_first && signature != BOT_CSW_SIGNATURE;
}

size_t bot_habits_actual_size(const BotHabits *habits, const BotCsw *csw, size_t size,
                              size_t transferred) {
        if (habits->is_residue_ignored || !bot_protocol_csw_is_meaningful(csw, (uint32_t) size))
                return transferred;
        return MIN(transferred, size - csw->residue);
}

bool bot_habits_learn_residue(BotHabits *habits, const BotCsw *csw, TransportDirection direction,
                              size_t size, size_t transferred) {
        bool is_proof = direction == TRANSPORT_DIRECTION_IN && size > 0 &&
                        size <= BOT_HABITS_RESIDUE_PROOF_SIZE_MAX && transferred == size &&
                        csw->status == BOT_CSW_STATUS_PASSED && csw->residue >= size;

        if (!is_proof || habits->is_residue_ignored)
                return false;

        habits->is_residue_ignored = true;
        return true;
}
