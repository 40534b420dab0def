#pragma once

#include "cli/ctl.h"

CtlExit verb_attach(Ctl *ctl, char **arguments);
CtlExit verb_attach_detach(Ctl *ctl, char **arguments);
