/*
 * Encodes CBWs and decodes CSWs. USB is little-endian (BOT 1.0, 5); the command block inside is the
 * SCSI layer's business.
 */

#include <string.h>

#include "transport/bot_protocol.h"

#include "base/bytes.h"
#include "base/macros.h"

void bot_protocol_encode_cbw(uint8_t *bytes, const BotCbw *cbw) {
        assert(cbw->command_size >= 1 && cbw->command_size <= BOT_CBW_COMMAND_SIZE_MAX);
        assert(cbw->lun < 16);

        put_le32(bytes, BOT_CBW_SIGNATURE);
        put_le32(bytes + 4, cbw->tag);
        put_le32(bytes + 8, cbw->data_size);
        bytes[12] = cbw->is_in ? 0x80 : 0;
        bytes[13] = cbw->lun;
        bytes[14] = cbw->command_size;
        memcpy(bytes + 15, cbw->command, cbw->command_size);
        memset(bytes + 15 + cbw->command_size, 0, BOT_CBW_COMMAND_SIZE_MAX - cbw->command_size);
}

bool bot_protocol_decode_csw(BotCsw *csw, const uint8_t *bytes, size_t size) {
        if (size != BOT_CSW_SIZE)
                return false;

        *csw = (BotCsw){
                .signature = get_le32(bytes),
                .tag = get_le32(bytes + 4),
                .residue = get_le32(bytes + 8),
                .status = bytes[12],
        };
        return true;
}

bool bot_protocol_csw_is_valid(const BotCsw *csw, uint32_t signature, uint32_t tag) {
        return csw->signature == signature && csw->tag == tag;
}

bool bot_protocol_csw_is_meaningful(const BotCsw *csw, uint32_t data_size) {
        if (csw->status == BOT_CSW_STATUS_PHASE_ERROR)
                return true;
        return csw->status < BOT_CSW_STATUS_PHASE_ERROR && csw->residue <= data_size;
}
