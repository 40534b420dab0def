#pragma once

/*
 * CacheVolume
 *
 * The cache of one LUN: a BlockDevice on another one, the LUN's Lun. Its bytes are those of the
 * Lun with what was written since; a WRITE that completed is never lost as long as the arena lives,
 * a FLUSH that completed has it on the medium.
 *
 * The Lun below may go away (the device was unplugged) and another one for the same medium may come:
 * meanwhile the volume is parked. What lies in memory is still read, everything else waits, and
 * while the device is away whatever its deadline, until the volume goes on or is shut down.
 *
 * A READ that overlaps a WRITE in flight may see either's bytes, block by block.
 */

#include "block/block_device.h"
#include "cache/cache_identity.h"
#include "cache/cache_manager.h"

/* `lower` is borrowed until it is parked. `identity` is copied. The volume is the LUN's only one;
 * nothing of that LUN is in the cache yet. -errno. Freed by block_device_free(), when nothing is
 * in flight; what is kept stays in the arena. */
int cache_volume_new(BlockDevice **ret, CacheManager *manager, unsigned lun,
                     const CacheIdentity *identity, BlockDevice *lower);

/* `lower` gets no more requests; those it has must end soon, with whatever result. */
void cache_volume_park(BlockDevice *volume);
/* Parked, and the device was unplugged: nobody's time runs until it is back. */
void cache_volume_set_away(BlockDevice *volume);
/* Parked, and `lower` may be freed. */
bool cache_volume_is_detached(const BlockDevice *volume);
/* Only when detached. Everything that was not known to be on the medium is written to `lower`,
 * which has the size and block size that the volume has. */
void cache_volume_resume(BlockDevice *volume, BlockDevice *lower);
/* Only when detached: the medium may be another one, on which what was read before is not. */
void cache_volume_forget_clean(BlockDevice *volume);
/* Only when parked: all that waits, and all that comes, ends with -ESHUTDOWN. */
void cache_volume_shut_down(BlockDevice *volume);
bool cache_volume_is_shut_down(const BlockDevice *volume);

/* What comes is not begun, but for FLUSHes, and nothing is lent: somebody else is about to change the
 * medium. Until it is let go. */
void cache_volume_hold(BlockDevice *volume);
void cache_volume_let_go(BlockDevice *volume);
/* A change that was begun before is under way: more may become dirty. */
bool cache_volume_is_changing(const BlockDevice *volume);
/* Bytes that a FLUSH would bring to the medium. Lost blocks do not count. */
uint64_t cache_volume_get_unsynced_size(const BlockDevice *volume);
/* Only when detached: what was read, and sampled, is on the medium no longer. */
void cache_volume_forget_medium(BlockDevice *volume);
/* Only when detached: what is not known to be on the medium is given up, and so lost. */
void cache_volume_give_up_kept(BlockDevice *volume);
/* What is clean and not in use is forgotten, at any time. */
void cache_volume_drop_clean(BlockDevice *volume);

/* Nothing is in flight, not even on the volume's own account: it may be freed. */
bool cache_volume_is_idle(const BlockDevice *volume);

/* Blocks that a successor would have to write, in bytes; lost ones count. */
uint64_t cache_volume_get_kept_size(const BlockDevice *volume);
/* The LUN's data is of no use any more (it was saved, or another medium is there). Only when shut
 * down and nothing is in flight. */
void cache_volume_discard(BlockDevice *volume);
