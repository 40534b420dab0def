/*
 * Fuzz target: any bytes as a CSW. What is accepted must answer our tag, and whatever a device says
 * about its residue, no more counts than came or was asked for.
 */

#include <stdlib.h>
#include <string.h>

#include "transport/bot_habits.h"

#define TAG 0x01020304
#define SIZE 36

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(BotHabits *habits, const BotCsw *csw) {
        size_t transferred = csw->tag % (SIZE + 1);
        size_t actual_size;

        if (bot_habits_accept_csw(habits, csw, TAG)) {
                assert(csw->tag == TAG);
                assert(csw->status <= BOT_CSW_STATUS_PHASE_ERROR);
                bot_habits_learn_signature(habits, csw->signature);
                assert(bot_habits_accept_csw(habits, csw, TAG));
        }
        if (bot_habits_accept_csw_as_data(habits, csw, TAG))
                assert(bot_habits_accept_csw(habits, csw, TAG));

        bot_habits_learn_residue(habits, csw, TRANSPORT_DIRECTION_IN, SIZE, transferred);
        actual_size = bot_habits_actual_size(habits, csw, SIZE, transferred);
        assert(actual_size <= transferred);
}

/* The first byte says how the device was before, the rest is what came. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) uint8_t *received = NULL;
        BotHabits habits;
        BotCsw csw;

        if (size < 1)
                return 0;

        /* Exactly as large as what came, so that a sanitizer sees each byte read past it. */
        received = malloc(MAX(size - 1, (size_t) 1));
        if (!received)
                return 0;
        memcpy(received, data + 1, size - 1);

        bot_habits_init(&habits, BOT_MODE_AUTO, false);
        if (data[0] & 1)
                bot_habits_learn_signature(&habits, BOT_CSW_SIGNATURE);
        if (bot_protocol_decode_csw(&csw, received, size - 1))
                use(&habits, &csw);
        return 0;
}
