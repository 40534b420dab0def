#pragma once

/*
 * SmartRegisters
 *
 * The ATA registers that a SAT bridge puts into sense data (SAT-3, 12.2.5 and 12.2.6).
 */

#include "smart/smart_ata.h"

/* False: there are none. */
bool smart_registers_parse(SmartAtaRegisters *ret, const uint8_t *sense, size_t size);

#define SMART_REGISTERS_ERROR 0x01 /* of the status */
#define SMART_REGISTERS_READY 0x40
#define SMART_REGISTERS_BUSY 0x80

/* Ready, not busy, no error: whatever else the sense says, the command has worked. */
bool smart_registers_are_good(const SmartAtaRegisters *registers);
