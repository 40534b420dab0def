#pragma once

/* Two hexadecimal digits, as fingerprints and keys are written. */

#include <stdint.h>

#include "base/macros.h"

/* False, and nothing behind the first wrong digit is looked at. */
bool nbd_hex_parse_byte(const char *text, uint8_t *ret);
