#pragma once

/*
 * OrphanFolder
 *
 * The folder of orphan files: what is in it for a device, and under which name the next one goes.
 * A StateFolder.
 */

#include "base/macros.h"
#include "device/orphan_name.h"

/* Of one LUN, while its device is there: an orphan is never deleted for room's sake, so a worker that
 * makes them endlessly has to be stopped here. */
#define ORPHAN_FOLDER_FILES_PER_LUN_MAX 16
/* Of one device, in any case. */
#define ORPHAN_FOLDER_FILES_MAX 512

typedef struct OrphanList {
        OrphanName names[ORPHAN_FOLDER_FILES_MAX]; /* the oldest first */
        size_t n_names;
} OrphanList;

/* The orphans of a device; none if there is no folder. -E2BIG: more than fit; -errno. */
int orphan_folder_list(const char *path, const char *base_name, OrphanList *ret);
/* For reading. A descriptor, or -errno. */
int orphan_folder_open_file(const char *path, const OrphanName *name);
/* It was given back. A deletion that is undone by a power cut would have it given back again, over
 * newer data: it is on the medium when this returns 0. -errno. */
int orphan_folder_delete(const char *path, const OrphanName *name);
/* Removes copies that were never finished, and tells of each orphan in the log. Nobody may be
 * writing any. */
void orphan_folder_clean(const char *path);
