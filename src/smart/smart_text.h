#pragma once

/* Texts and sums in the answers of drives. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ASCII without the blanks and zeroes around it; what is not printable becomes '?'. `text` has room
 * for `size` + 1. */
void smart_text_copy(char *text, const uint8_t *bytes, size_t size);
/* As ATA has it: the bytes of each word are swapped. `size` is even, and 40 at most. */
void smart_text_copy_swapped(char *text, const uint8_t *bytes, size_t size);
/* ACS-3, "Checksum": all bytes add up to zero. */
bool smart_text_sums_to_zero(const uint8_t *bytes, size_t size);
/* Each byte is the same. */
bool smart_text_is_filled(const uint8_t *bytes, size_t size, uint8_t filling);
