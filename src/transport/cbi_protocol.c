/* See cbi_protocol.h. */

#include "transport/cbi_protocol.h"

#include <string.h>

#include "usb/usb_descriptors.h"

#define OPCODE_REQUEST_SENSE 0x03
#define OPCODE_INQUIRY 0x12
#define OPCODE_SEND_DIAGNOSTIC 0x1D

/* CBI 1.1, interrupt data block: type and value, of which the low bits count. */
#define TYPE_COMPLETION 0x00
#define VALUE_MASK 0x0F
#define VALUE_PASS 0x00
#define VALUE_FAIL 0x01
#define VALUE_PHASE_ERROR 0x02
#define VALUE_PERSISTENT_FAILURE 0x03

static bool is_padded(uint8_t subclass) {
        return subclass == USB_SUBCLASS_8020 || subclass == USB_SUBCLASS_UFI ||
               subclass == USB_SUBCLASS_8070;
}

size_t cbi_protocol_encode_command(uint8_t *block, uint8_t subclass, const uint8_t *command,
                                   size_t size) {
        size_t size_max = is_padded(subclass) ? CBI_COMMAND_SIZE_PADDED : CBI_COMMAND_SIZE_MAX;

        if (size > size_max)
                return 0;
        memset(block, 0, CBI_COMMAND_SIZE_MAX);
        memcpy(block, command, size);
        return is_padded(subclass) ? CBI_COMMAND_SIZE_PADDED : size;
}

void cbi_protocol_encode_reset(uint8_t *block) {
        memset(block, 0xFF, CBI_COMMAND_SIZE_PADDED);
        block[0] = OPCODE_SEND_DIAGNOSTIC;
        block[1] = 0x04; /* SelfTest */
}

/* UFI 1.0: what the two commands leave there is about another one, or the sense that they told. */
static CbiStatus decode_ufi(uint8_t opcode, const uint8_t *bytes) {
        if (opcode == OPCODE_REQUEST_SENSE || opcode == OPCODE_INQUIRY)
                return CBI_STATUS_PASSED;
        return bytes[0] == 0 && bytes[1] == 0 ? CBI_STATUS_PASSED : CBI_STATUS_FAILED;
}

static CbiStatus decode_value(uint8_t value) {
        switch (value & VALUE_MASK) {
        case VALUE_PASS:
                return CBI_STATUS_PASSED;
        case VALUE_FAIL:
        case VALUE_PERSISTENT_FAILURE:
                return CBI_STATUS_FAILED;
        case VALUE_PHASE_ERROR:
                return CBI_STATUS_PHASE_ERROR;
        default: /* a byte of the device, not an enum */
                return CBI_STATUS_INVALID;
        }
}

CbiStatus cbi_protocol_decode_status(uint8_t subclass, uint8_t opcode, const uint8_t *bytes,
                                     size_t size) {
        if (size < CBI_STATUS_SIZE)
                return CBI_STATUS_INVALID;
        if (subclass == USB_SUBCLASS_UFI)
                return decode_ufi(opcode, bytes);
        return bytes[0] == TYPE_COMPLETION ? decode_value(bytes[1]) : CBI_STATUS_INVALID;
}
