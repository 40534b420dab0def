#pragma once

/*
 * ScsiBringUpFormat: the step of a bring-up for removable media of which READ CAPACITY makes no
 * sense. Private to scsi.
 */

#include "scsi/scsi_bring_up_step.h"

/* Whether there is another way to ask, once asking for the capacity has ended with `result`. */
bool scsi_bring_up_format_may_help(const ScsiBringUp *bring_up, ScsiBringUpResult result);
/* READY with `capacity`; `result` where the device does not know better. */
ScsiBringUpResult scsi_bring_up_format_ask(ScsiBringUp *bring_up, ScsiBringUpResult result);
