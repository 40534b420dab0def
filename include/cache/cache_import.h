#pragma once

/*
 * CacheImport
 *
 * Gives a LUN's volume what is left of the LUN's data in a predecessor's arena or an orphan file.
 */

#include "cache/cache_remains.h"
#include "cache/cache_volume.h"

/* Takes in what is kept of the volume's LUN, from `cursor` on, which starts with 0; what was taken in
 * before is older. Before the first request of a client. -ENOSPC: there is no room for more; after
 * a FLUSH it may go on. */
int cache_import_remains(BlockDevice *volume, const CacheRemains *remains, uint32_t *cursor);
/* Lines that the cache has room for, of all LUNs together. */
uint32_t cache_import_get_room(const BlockDevice *volume);
