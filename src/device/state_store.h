#pragma once

/*
 * StateStore
 *
 * A folder in the state folder with a file for each thing of which something is known. None of it is
 * needed: a file that can't be read is told of in the log and taken for none. All of it blocks, for
 * as long as a few small files take.
 */

#include "base/macros.h"

typedef struct StateStore StateStore;

/* Takes in the file; `path` is for the log. -errno: it is of no use. */
typedef int (*StateStoreRead)(int fd, const char *path, void *userdata);

/* With more than `n_files_max`, what was neither used nor changed for the longest time goes. -ENOMEM.
 * Nothing is made on the disk before there is something to save. */
int state_store_new(StateStore **ret, const char *state_dir, const char *folder,
                    size_t n_files_max);
StateStore *state_store_free(StateStore *store);
DEFINE_CLEANUP(StateStore *, state_store_free);

/* Marks the file as used. False: there is none, or it is of no use, which is told in the log. */
bool state_store_load(StateStore *store, const char *name, StateStoreRead read, void *userdata);
/* Failure is told in the log: -errno. */
int state_store_save(StateStore *store, const char *name, const char *text, size_t size);
