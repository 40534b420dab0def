#pragma once

/* StackLog: what the stack has told in the log, from info on. */

#include <stdbool.h>

/* Forgets what was told before. */
void stack_log_start(void);
bool stack_log_is_empty(void);
/* Fails the test if `text` was not told since the last call of these. */
void stack_log_expect(const char *text);
