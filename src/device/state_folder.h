#pragma once

/*
 * StateFolder
 *
 * A folder of the service's own files, as systemd's StateDirectory= has them. It is opened anew each
 * time, so that an administrator who mends it needs no restart. All of it blocks.
 */

#include "base/macros.h"

#define STATE_FOLDER_NAME_SIZE_MAX 256

/* `folder_fd` is borrowed. */
typedef void (*StateFolderEntry)(int folder_fd, const char *name, void *userdata);

/* Makes the folder, readable by its owner alone, if it is missing. A descriptor, or -errno. */
int state_folder_open(const char *path);
/* Calls `handler` for all that is in it; for nothing if there is no folder. -errno. */
int state_folder_for_each(const char *path, StateFolderEntry handler, void *userdata);
/* For reading: a regular file. A descriptor, or -errno. */
int state_folder_open_file(const char *path, const char *name);
/* What is read under `name` from now on is all of this, also after a power cut, or what was there
 * before. -errno. */
int state_folder_replace(const char *path, const char *name, const void *bytes, size_t size);
/* 0, also if there is none of that name; -errno. */
int state_folder_remove(const char *path, const char *name);
/*
 * With more than `n_max` files, those go that were neither changed nor marked as used for longest, but
 * never `newest`. One is added at a time, so one goes at a time, more only where somebody else has
 * added some.
 */
void state_folder_drop_oldest(const char *path, const char *newest, size_t n_max);
/* Whether it is a copy that was never finished. */
bool state_folder_is_unfinished(const char *name);
