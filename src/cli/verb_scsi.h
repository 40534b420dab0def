#pragma once

/* scsi-info, scsi-command, scsi-reset. */

#include "cli/ctl.h"

CtlExit verb_scsi_info(Ctl *ctl, char **arguments);
CtlExit verb_scsi_command(Ctl *ctl, char **arguments);
CtlExit verb_scsi_reset(Ctl *ctl, char **arguments);
