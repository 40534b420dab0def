/* UAS-3, 6.2. Without streams whoever was taken first is answered first. */

#include <string.h>

#include "base/bytes.h"
#include "hostile_uas.h"

#define IU_COMMAND 0x01
#define IU_SENSE 0x03
#define IU_RESPONSE 0x04
#define IU_TASK_MANAGEMENT 0x05
#define IU_READ_READY 0x06
#define IU_WRITE_READY 0x07
#define IU_COMMAND_SIZE 32
#define IU_TASK_MANAGEMENT_SIZE 16
#define IU_SENSE_SIZE 16
#define IU_RESPONSE_SIZE 8
#define IU_READY_SIZE 4
#define CDB_OFFSET 16
#define FIXED_SENSE_SIZE 18

static bool is_one_of(uint8_t opcode, const uint8_t *opcodes, size_t n) {
        return memchr(opcodes, opcode, n);
}

/* TEST UNIT READY, START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL, SYNCHRONIZE CACHE. */
static bool has_no_data(uint8_t opcode) {
        static const uint8_t opcodes[] = { 0x00, 0x1B, 0x1E, 0x35, 0x91 };

        return is_one_of(opcode, opcodes, sizeof(opcodes));
}

/* MODE SELECT, WRITE, UNMAP, WRITE SAME. */
static bool has_data_out(uint8_t opcode) {
        static const uint8_t opcodes[] = { 0x15, 0x2A, 0x41, 0x42, 0x55, 0x8A, 0x93, 0xAA };

        return is_one_of(opcode, opcodes, sizeof(opcodes));
}

void hostile_uas_forget(HostileUas *uas) { memset(uas->tags, 0, sizeof(uas->tags)); }

void hostile_uas_take(HostileUas *uas, const UsbTransfer *transfer) {
        const uint8_t *iu = transfer->data;
        HostileUasTag *tag;
        uint16_t number;

        if (transfer->size != IU_COMMAND_SIZE && transfer->size != IU_TASK_MANAGEMENT_SIZE)
                return;
        number = get_be16(iu + 2);
        if (number == 0 || number > HOSTILE_UAS_TAGS_MAX)
                return;
        tag = &uas->tags[number];
        *tag = (HostileUasTag){
                .taken = ++uas->n_taken,
                .is_management = iu[0] == IU_TASK_MANAGEMENT,
        };
        if (transfer->size == IU_COMMAND_SIZE)
                tag->opcode = iu[CDB_OFFSET];
}

static bool has_stream(const UsbTransfer *transfer) {
        return transfer->type == USB_TRANSFER_TYPE_BULK_STREAM &&
               transfer->stream_id <= HOSTILE_UAS_TAGS_MAX;
}

/* 0: there is none. */
static uint32_t find_tag(const HostileUas *uas, const UsbTransfer *transfer) {
        uint32_t found = 0;

        if (has_stream(transfer))
                return uas->tags[transfer->stream_id].taken > 0 ? transfer->stream_id : 0;
        for (uint32_t i = 1; i <= HOSTILE_UAS_TAGS_MAX; i++)
                if (uas->tags[i].taken > 0 &&
                    (found == 0 || uas->tags[i].taken < uas->tags[found].taken))
                        found = i;
        return found;
}

unsigned hostile_uas_rank(const HostileUas *uas, const UsbTransfer *transfer) {
        if (transfer->endpoint == HOSTILE_UAS_COMMAND)
                return 1;
        if (transfer->endpoint != HOSTILE_UAS_STATUS)
                return !has_stream(transfer) || find_tag(uas, transfer) > 0 ? 2 : 0;
        return find_tag(uas, transfer) > 0 ? 3 : 0;
}

/* What fits of it. */
static size_t put_iu(UsbTransfer *transfer, uint8_t id, uint32_t tag, uint8_t *iu, size_t size) {
        size = MIN(size, transfer->size);
        iu[0] = id;
        put_be16(iu + 2, (uint16_t) tag);
        memcpy(transfer->data, iu, size);
        return size;
}

void hostile_uas_end(HostileUas *uas, const UsbTransfer *transfer) {
        uas->tags[find_tag(uas, transfer)] = (HostileUasTag){};
}

size_t hostile_uas_answer(HostileUas *uas, UsbTransfer *transfer) {
        uint8_t iu[IU_SENSE_SIZE] = {};
        uint32_t number = find_tag(uas, transfer);
        HostileUasTag *tag = &uas->tags[number];

        if (tag->is_management) {
                hostile_uas_end(uas, transfer);
                return put_iu(transfer, IU_RESPONSE, number, iu, IU_RESPONSE_SIZE);
        }
        if (!has_stream(transfer) && !tag->is_ready && !has_no_data(tag->opcode)) {
                tag->is_ready = true;
                return put_iu(transfer, has_data_out(tag->opcode) ? IU_WRITE_READY : IU_READ_READY,
                              number, iu, IU_READY_SIZE);
        }
        hostile_uas_end(uas, transfer);
        return put_iu(transfer, IU_SENSE, number, iu, IU_SENSE_SIZE);
}

size_t hostile_uas_fail(HostileUas *uas, UsbTransfer *transfer, uint8_t status, uint8_t key,
                        uint8_t asc) {
        uint8_t iu[IU_SENSE_SIZE + FIXED_SENSE_SIZE] = {
                [6] = status,      [15] = FIXED_SENSE_SIZE,     [16] = 0x70,
                [18] = key & 0x0F, [23] = FIXED_SENSE_SIZE - 8, [28] = asc,
        };
        uint32_t number = find_tag(uas, transfer);

        hostile_uas_end(uas, transfer);
        return put_iu(transfer, IU_SENSE, number, iu, sizeof(iu));
}
