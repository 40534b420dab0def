#pragma once

/* cache-info, cache-flush, cache-reset. */

#include "cli/ctl.h"

CtlExit verb_cache_info(Ctl *ctl, char **arguments);
CtlExit verb_cache_flush(Ctl *ctl, char **arguments);
CtlExit verb_cache_reset(Ctl *ctl, char **arguments);
