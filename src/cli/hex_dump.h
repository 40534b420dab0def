#pragma once

/* Bytes for people. */

#include <stdio.h>

#include "base/macros.h"

/* Sixteen to a line, with their offset and what is ASCII. */
void hex_dump_print(FILE *file, const uint8_t *bytes, size_t size);
/* "120000", to be freed. */
char *hex_dump_string(const uint8_t *bytes, size_t size);
