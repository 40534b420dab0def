#pragma once

/*
 * CacheImport
 *
 * Gives a LUN's volume what is left of the LUN's data in a predecessor's arena or an orphan file.
 */

#include "cache/cache_remains.h"
#include "cache/cache_volume.h"

/* Takes in what is kept of the volume's LUN; what was taken in before is older. Before the first
 * request. -ENOSPC: there is no room for all of it. */
int cache_import_remains(BlockDevice *volume, const CacheRemains *remains);
