/* See uas_iu.h. Information units are big-endian. */

#include <string.h>

#include "transport/uas_iu.h"

#include "base/bytes.h"
#include "base/macros.h"

#define IU_COMMAND 0x01
#define IU_TASK_MANAGEMENT 0x05
#define HEADER_SIZE 4
#define RESPONSE_SIZE 8
#define SENSE_OFFSET 16
#define STATUS_OFFSET 6

/* SAM-5, 4.6.6: peripheral device addressing. */
static void put_lun(uint8_t *bytes, uint8_t lun) { bytes[1] = lun; }

void uas_iu_encode_command(uint8_t *bytes, uint16_t tag, uint8_t lun, const uint8_t *cdb,
                           size_t cdb_size) {
        assert(cdb_size >= 1 && cdb_size <= UAS_IU_CDB_SIZE_MAX);

        memset(bytes, 0, UAS_IU_COMMAND_SIZE); /* SIMPLE, no additional CDB (6.2.2) */
        bytes[0] = IU_COMMAND;
        put_be16(bytes + 2, tag);
        put_lun(bytes + 8, lun);
        memcpy(bytes + 16, cdb, cdb_size);
}

void uas_iu_encode_task_management(uint8_t *bytes, uint16_t tag, UasFunction function,
                                   uint16_t managed_tag, uint8_t lun) {
        memset(bytes, 0, UAS_IU_TASK_MANAGEMENT_SIZE);
        bytes[0] = IU_TASK_MANAGEMENT;
        put_be16(bytes + 2, tag);
        bytes[4] = (uint8_t) function;
        put_be16(bytes + 6, managed_tag);
        put_lun(bytes + 8, lun);
}

static bool decode_sense(UasIu *iu, const uint8_t *bytes, size_t size) {
        if (size <= STATUS_OFFSET)
                return false;
        iu->type = UAS_IU_TYPE_SENSE;
        iu->status = bytes[STATUS_OFFSET];
        if (size < SENSE_OFFSET)
                return true; /* cut, but its status has come */
        iu->sense = bytes + SENSE_OFFSET;
        iu->sense_size = MIN((size_t) get_be16(bytes + 14), size - SENSE_OFFSET);
        return true;
}

bool uas_iu_decode(UasIu *iu, const uint8_t *bytes, size_t size) {
        if (size < HEADER_SIZE)
                return false;

        *iu = (UasIu){ .tag = get_be16(bytes + 2) };
        switch (bytes[0]) {
        case UAS_IU_TYPE_SENSE:
                return decode_sense(iu, bytes, size);
        case UAS_IU_TYPE_RESPONSE:
                iu->type = UAS_IU_TYPE_RESPONSE;
                iu->response = size >= RESPONSE_SIZE ? bytes[7] : 0;
                return size >= RESPONSE_SIZE;
        case UAS_IU_TYPE_READ_READY:
        case UAS_IU_TYPE_WRITE_READY:
                iu->type = (UasIuType) bytes[0];
                return true;
        default: /* a byte of the device, not an enum */
                return false;
        }
}
