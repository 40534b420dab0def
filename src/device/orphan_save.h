#pragma once

/*
 * OrphanSave
 *
 * Copies an arena to orphan files, one name for each LUN, in small steps from the loop, so that
 * nothing else waits for a slow disk. The copy is sparse; it gets its names when all of it is on
 * the disk. How it ended is told in the log, with the files' paths.
 */

#include "base/event_loop.h"
#include "device/orphan_name.h"

/* Bytes copied, and brought to the disk, in one step. */
#define ORPHAN_SAVE_STEP_SIZE MIB

typedef struct OrphanSave OrphanSave;

/* -EDQUOT: there are enough orphans of that LUN; -ENOSPC; -errno. Once; `save` may be freed within.
 */
typedef void (*OrphanSaveDone)(OrphanSave *save, int result, void *userdata);

typedef struct OrphanSaveSource {
        const char *base_name; /* copied */
        uint32_t luns;         /* mask, not 0 */
        int fd;                /* borrowed: the arena */
        unsigned n_files_max;  /* of each LUN: with more it fails */
} OrphanSaveSource;

/* `folder` is borrowed. -ENOMEM; other errors come by `done`. */
int orphan_save_new(OrphanSave **ret, EventLoop *loop, const char *folder,
                    const OrphanSaveSource *source, OrphanSaveDone done, void *userdata);
/* Gives it up if it is not done. Takes NULL. */
OrphanSave *orphan_save_free(OrphanSave *save);
DEFINE_CLEANUP(OrphanSave *, orphan_save_free);

uint32_t orphan_save_get_luns(const OrphanSave *save);
/* After it is done well: of the file that has the LUN's data. */
uint32_t orphan_save_get_number(const OrphanSave *save, unsigned lun);
