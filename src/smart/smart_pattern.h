#pragma once

/*
 * SmartPattern
 *
 * Regular expressions, as far as tables of USB numbers need them: literals, `.`, `[a-f0]`, groups
 * with alternatives, `?`, `*`, `+`, and `\` before anything. Whole texts match. Time is bounded
 * whatever the pattern is, as all ways through the text are gone at once.
 */

#include <stdbool.h>

#define SMART_PATTERN_TEXT_SIZE_MAX 31
#define SMART_PATTERN_DEPTH_MAX 3 /* of groups in groups */

/* False also for a pattern that is none. */
bool smart_pattern_matches(const char *pattern, const char *text);
