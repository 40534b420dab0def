#pragma once

/*
 * OrphanName
 *
 * What an orphan file is called: "<base name>-lun<N>.<number>.orphan". It is a copy of an arena in
 * which the data of that LUN waits to be given back. Plain data.
 */

#include <stddef.h>
#include <stdint.h>

/* Of the state folder. */
#define ORPHAN_FOLDER_NAME "orphans"
#define ORPHAN_BASE_NAME_SIZE_MAX 112
#define ORPHAN_NAME_SIZE_MAX 160

typedef struct OrphanName {
        char base_name[ORPHAN_BASE_NAME_SIZE_MAX]; /* of the device's exports */
        unsigned lun;
        uint32_t number; /* from 1 on; the higher, the newer */
} OrphanName;

/* `ret` has ORPHAN_NAME_SIZE_MAX bytes. */
void orphan_name_format(const OrphanName *name, char *ret);
/* -EINVAL: no orphan file is called so. */
int orphan_name_parse(OrphanName *ret, const char *text);
