#pragma once

/* SmartDump: all that is known of a drive as JSON, to be compared, by people as well. */

#include "smart/smart_data.h"

/* Owned by the caller. */
char *smart_dump(const SmartData *data);
