#pragma once

/*
 * ScsiCommandPool
 *
 * Where hot paths take their ScsiCommands from, one for a device: those that are done with are kept
 * for reuse, up to a number, so that a busy device allocates nothing.
 */

#include "scsi/scsi_command.h"

#define SCSI_COMMAND_POOL_KEPT_MAX 4096
#define SCSI_COMMAND_POOL_KEPT_DEFAULT 64

typedef struct ScsiCommandPool ScsiCommandPool;

typedef struct ScsiCommandPoolStatistics {
        uint64_t n_hits;   /* a kept one was there */
        uint64_t n_misses; /* one was allocated */
} ScsiCommandPoolStatistics;

/* Keeps at most `n_kept_max`, none at first. -ENOMEM. */
int scsi_command_pool_new(ScsiCommandPool **ret, size_t n_kept_max);
/* What is kept beyond it goes at once. */
void scsi_command_pool_set_kept_max(ScsiCommandPool *pool, size_t n_kept_max);
/* None is in use. */
ScsiCommandPool *scsi_command_pool_free(ScsiCommandPool *pool);
DEFINE_CLEANUP(ScsiCommandPool *, scsi_command_pool_free);
/* NULL: out of memory. What is in it is left over: scsi_command_init(). */
ScsiCommand *scsi_command_pool_get(ScsiCommandPool *pool);
void scsi_command_pool_put(ScsiCommandPool *pool, ScsiCommand *command);
const ScsiCommandPoolStatistics *scsi_command_pool_get_statistics(const ScsiCommandPool *pool);
