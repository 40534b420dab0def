#pragma once

/*
 * FuseOperations
 *
 * What the one file can do: libfuse's operations, each answered at once or made into requests to the
 * BlockDevice. Private to export.
 */

#include "export/fuse_session_internal.h"

/* Rows that never change. Their userdata is the FuseSession, whose `current` is what is asked. */
const struct fuse_lowlevel_ops *fuse_operations_get(void);
/* A request's block request has ended: sends the next one, or answers. */
void fuse_operations_on_block_done(BlockRequest *block);
/* errno: what a file's user can make sense of. `error` is -errno of the block layer. */
int fuse_operations_errno(int error);
