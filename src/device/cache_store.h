#pragma once

/*
 * CacheStore
 *
 * Where arenas are that no device has: those of devices that went, and those that systemd kept
 * while the service restarted. A device that is taken gets its own back; what nobody claims is
 * saved as orphan files, one at a time.
 */

#include "base/event_loop.h"
#include "device/device_arena.h"

typedef struct CacheStore CacheStore;

typedef struct CacheStoreOptions {
        const char *state_dir;   /* copied */
        uint64_t cache_size;     /* of all devices together, and so the most that one can have */
        uint64_t patience_ns;    /* with devices whose arenas systemd kept */
        const char *runtime_dir; /* copied: where arenas lie without systemd; NULL: they are memfds */
} CacheStoreOptions;

/* A save has ended. */
typedef void (*CacheStoreChanged)(void *userdata);

/* What a former service left in the runtime folder is taken over, when its workers are done with it.
 * -EBUSY: they are not; -errno. */
int cache_store_new(CacheStore **ret, EventLoop *loop, const CacheStoreOptions *options,
                    CacheStoreChanged changed, void *userdata);
/* What is in it is lost, but for what systemd has. Takes NULL. */
CacheStore *cache_store_free(CacheStore *store);
DEFINE_CLEANUP(CacheStore *, cache_store_free);

/* What systemd kept under `name`: `fd` is taken over. -EBADMSG: it is none of ours, and closed. */
int cache_store_take_stored(CacheStore *store, int fd, const char *name);
/* Of arenas that are made from now on. */
void cache_store_set_cache_size(CacheStore *store, uint64_t cache_size);
/* A new one. -errno. */
int cache_store_make(CacheStore *store, const char *base_name, DeviceArena **ret);
/* Appends to `list` all that waits for a device, the oldest first. What can't be opened is told in
 * the log and left. */
void cache_store_claim(CacheStore *store, const char *base_name, ListNode *list);
/* Takes over what its device does not need any more: saves it if it is in no file. */
void cache_store_keep(CacheStore *store, DeviceArena *arena);
/* Nobody is waited for any more. */
void cache_store_save_all(CacheStore *store);
/* All is saved, or could not be. */
bool cache_store_is_idle(const CacheStore *store);
bool cache_store_is_saving(const CacheStore *store);
/* The folder of orphan files. */
const char *cache_store_get_folder(const CacheStore *store);

/* An orphan file, to be given back. -errno. */
int cache_store_open_file(CacheStore *store, const OrphanName *name, DeviceArena **ret);

/* Starts to save: see orphan_save_new(). */
int cache_store_save_luns(CacheStore *store, OrphanSave **ret, const OrphanSaveSource *source,
                          OrphanSaveDone done, void *userdata);
/* Starts to save what of the arena is in no file. -ENOMEM. */
int cache_store_save(CacheStore *store, DeviceArena *arena, unsigned n_files_max,
                     OrphanSaveDone done, void *userdata);
/* For `done`, if it ended well: notes the files. LUNs that were released meanwhile need none. */
void cache_store_set_saved(CacheStore *store, DeviceArena *arena);
