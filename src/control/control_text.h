#pragma once

/*
 * ControlText
 *
 * Checks of fields that several messages have. Private to control.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool control_is_bool(uint8_t value) { return value <= 1; }

/* 0 or -errno (Linux: at most 4095): what any other number is turned into may be none (INT32_MIN). */
static inline bool control_is_error(int32_t error) { return error <= 0 && error >= -4095; }

/* Ends within its field, and is printable ASCII. */
bool control_text_is_printable(const char *text, size_t size);
#define CONTROL_TEXT_IS_PRINTABLE(field) control_text_is_printable((field), sizeof(field))
