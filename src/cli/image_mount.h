#pragma once

/*
 * ImageMount
 *
 * A unit's image file: mounted here, served by the service.
 */

#include "cli/ctl_target.h"

/* Mounts `unit` (properties of its Lun at `lun`) over `file`, which is absolute and a regular file. What
 * is wrong has been told. */
CtlExit image_mount_begin(Ctl *ctl, const char *lun, json_object *unit, const char *file);
/* Whether it answers: who waits for it now would wait for ever otherwise. -errno of whoever uses it. */
int image_mount_check(const char *file);
/* Whether the service says that it serves `unit` at `file`. */
bool image_mount_is_served(json_object *unit, const char *file);
