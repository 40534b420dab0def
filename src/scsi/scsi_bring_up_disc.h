#pragma once

/* ScsiBringUpDisc: the steps of a bring-up for the disc in an optical drive. Private to scsi. */

#include "scsi/scsi_bring_up_step.h"

/* What the disc is, and what has happened to it so far. */
ScsiBringUpResult scsi_bring_up_disc_ask(ScsiBringUp *bring_up);
ScsiBringUpResult scsi_bring_up_disc_ask_capacity(ScsiBringUp *bring_up);
