#pragma once

/* Units as files: mount, umount. */

#include "cli/ctl.h"

CtlExit verb_mount(Ctl *ctl, char **arguments);
CtlExit verb_mount_end(Ctl *ctl, char **arguments);
