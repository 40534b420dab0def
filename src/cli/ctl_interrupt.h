#pragma once

/* Ctrl-C and SIGTERM as something to look at, for verbs that have to tidy up. */

#include "base/macros.h"

/* From now on they wait to be looked at. A descriptor to poll and to close, or -errno. */
int ctl_interrupt_open(void);
/* True: one has come, or comes within `timeout_ms`. */
bool ctl_interrupt_wait(int fd, int timeout_ms);
/* What has come is dealt with; the next one ends the process, as without all this. */
void ctl_interrupt_let_next(int fd);
