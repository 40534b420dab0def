#pragma once

/* The agent that asks for passwords on the terminal while a call waits for polkit. */

#include "cli/ctl.h"

/* Starts it where a person at a terminal may be asked, and is needed: not for root, not on another
 * bus, not with --no-ask-password. Failures only mean that nobody is asked. */
void ctl_agent_open(Ctl *ctl);
