#pragma once

/* Which bridges carry what, out of smartmontools' drivedb.h, where there is one. */

#include "smart/smart_drivedb.h"

/*
 * The files at `paths` (NULL-terminated), the first of which counts most; none: those that
 * smartmontools has, as far as they are there. What can't be read, or not as a whole, is told in the
 * log, and does no harm.
 */
void daemon_drivedb_load(SmartDrivedb *db, char *const *paths);
bool daemon_drivedb_is_equal(const SmartDrivedb *a, const SmartDrivedb *b);
