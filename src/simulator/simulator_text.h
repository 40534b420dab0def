#pragma once

/* SimulatorText: reads the numbers and names of the simulator's small grammars. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* A piece of a longer text. */
typedef struct SimulatorText {
        const char *start;
        size_t size;
} SimulatorText;

SimulatorText simulator_text(const char *text);
/* Splits off what stands before `separator`, or everything; false when nothing is left. */
bool simulator_text_next(SimulatorText *rest, char separator, SimulatorText *ret);
/* Splits at the first `separator`; without one the second half is empty and false is returned. */
bool simulator_text_split(SimulatorText text, char separator, SimulatorText *ret_before,
                          SimulatorText *ret_after);
bool simulator_text_equals(SimulatorText text, const char *word);

/* The whole text is a number in that base, min … max; else false and nothing written. */
bool simulator_text_to_number(SimulatorText text, unsigned base, uint64_t min, uint64_t max,
                              uint64_t *ret);
/* Likewise, decimal with an optional K, M, G or T. */
bool simulator_text_to_size(SimulatorText text, uint64_t min, uint64_t max, uint64_t *ret);

/* Sets `ret_error` to the formatted sentence, or NULL when out of memory; returns `error`, or
 * -ENOMEM. */
int simulator_text_refuse(char **ret_error, int error, const char *format, ...) _printf_(3, 4);
