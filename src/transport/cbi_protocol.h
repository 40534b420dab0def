#pragma once

/*
 * CbiProtocol
 *
 * What CBI 1.1 carries as bytes: command blocks and the interrupt's data. Pure functions.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CBI_COMMAND_SIZE_MAX 16
/* Of UFI, SFF-8020i, SFF-8070i and of the command block reset. */
#define CBI_COMMAND_SIZE_PADDED 12
#define CBI_STATUS_SIZE 2

typedef enum CbiStatus {
        CBI_STATUS_PASSED,
        CBI_STATUS_FAILED,
        CBI_STATUS_PHASE_ERROR,
        CBI_STATUS_INVALID, /* is no status */
        _CBI_STATUS_MAX,
} CbiStatus;

/*
 * The command block as an interface of that subclass wants it, in `block`, which has room for
 * CBI_COMMAND_SIZE_MAX; its size, 0: it can't carry the command.
 */
size_t cbi_protocol_encode_command(uint8_t *block, uint8_t subclass, const uint8_t *command,
                                   size_t size);
/* CBI 1.1, 2.2 "Command Block Reset": CBI_COMMAND_SIZE_PADDED bytes. */
void cbi_protocol_encode_reset(uint8_t *block);
/* Whatever came from the interrupt endpoint after a command with that operation code. */
CbiStatus cbi_protocol_decode_status(uint8_t subclass, uint8_t opcode, const uint8_t *bytes,
                                     size_t size);
