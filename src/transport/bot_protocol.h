#pragma once

/*
 * BotProtocol
 *
 * The two wrappers of BOT 1.0 as bytes: CBW (5.1) and CSW (5.2). Pure functions.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOT_CBW_SIZE 31
#define BOT_CBW_COMMAND_SIZE_MAX 16
#define BOT_CBW_SIGNATURE 0x43425355
#define BOT_CSW_SIZE 13
#define BOT_CSW_SIGNATURE 0x53425355

/* 5.2, table 5.3: bCSWStatus. */
#define BOT_CSW_STATUS_PASSED 0
#define BOT_CSW_STATUS_FAILED 1
#define BOT_CSW_STATUS_PHASE_ERROR 2

typedef struct BotCbw {
        uint32_t tag;
        uint32_t data_size;
        bool is_in;
        uint8_t lun;
        uint8_t command_size;
        const uint8_t *command; /* borrowed */
} BotCbw;

typedef struct BotCsw {
        uint32_t signature;
        uint32_t tag;
        uint32_t residue;
        uint8_t status;
} BotCsw;

/* `bytes` has room for BOT_CBW_SIZE. */
void bot_protocol_encode_cbw(uint8_t *bytes, const BotCbw *cbw);
/* Takes whatever the device sent apart; false if it has not the size of a CSW (6.3.1). */
bool bot_protocol_decode_csw(BotCsw *csw, const uint8_t *bytes, size_t size);
/* 6.3.1: carries that signature and answers the CBW with that tag. */
bool bot_protocol_csw_is_valid(const BotCsw *csw, uint32_t signature, uint32_t tag);
/* 6.3.2: says what can be true about a CBW that announced `data_size` bytes. */
bool bot_protocol_csw_is_meaningful(const BotCsw *csw, uint32_t data_size);
