#pragma once

/*
 * DeviceCache
 *
 * The arenas of one device: that of the worker that lives, and those that its predecessors left,
 * until it has taken in what is in them. Nothing that was acknowledged is given up here: it is in
 * an arena, in an orphan file, or a worker said that it needs it no more.
 */

#include "device/cache_store.h"
#include "device/child_process.h"
#include "device/device_manager.h"

/* Predecessors' arenas in memory; before there are more, the oldest are saved as files. */
#define DEVICE_CACHE_PREDECESSORS_MAX 4
/* Questions of a worker that wait for an answer. */
#define DEVICE_CACHE_QUESTIONS_MAX CONTROL_LUNS_MAX

typedef struct DeviceCacheQuestion {
        uint32_t luns;
        OrphanSave *save; /* owned; NULL: others are saved first */
} DeviceCacheQuestion;

typedef struct DeviceCache {
        CacheStore *store;                 /* borrowed; NULL before init */
        const DeviceCacheOptions *options; /* borrowed */
        CacheMode mode;                    /* as asked for last */
        CacheMode configured_mode;         /* by `options`, as known so far */
        bool is_mode_given;                /* for this device: the configured one does not count */
        bool may_keep;                     /* what was written may be in the arena alone */
        const char *base_name;             /* borrowed */
        ChildProcess *worker;              /* borrowed; NULL: there is none */
        DeviceArena *arena;                /* owned: the worker's */
        ListNode remains;                  /* owned DeviceArena::node, the oldest first */
        DeviceArena *saving;               /* borrowed: one of the remains */
        DeviceCacheQuestion questions[DEVICE_CACHE_QUESTIONS_MAX]; /* the first is being saved */
        size_t n_questions;
        uint32_t exported_luns; /* clients may write to them */
        uint32_t unsaved_luns;  /* of the arena: that the worker asked to save in vain */
        uint32_t last_id;
        bool has_claimed; /* what waited in the store */
} DeviceCache;

void device_cache_init(DeviceCache *cache, CacheStore *store, const DeviceCacheOptions *options,
                       const char *base_name);
/* Gives everything to the store, to be saved there. Harmless if it was never initialised. */
void device_cache_done(DeviceCache *cache);

/* Before a worker is asked for. -EAGAIN: predecessors' arenas are being saved, or can't be, and
 * there would be too many of them; -E2BIG: there are more files than a worker can be told of. */
int device_cache_prepare(DeviceCache *cache);
/* Tells `worker` of its arena and of the remains; before the device. -errno. */
int device_cache_start(DeviceCache *cache, ChildProcess *worker, uint64_t size_max);
/* Its worker is asked to change the mode: what is written then may be in the arena alone. */
void device_cache_prepare_mode(DeviceCache *cache, CacheMode mode);
/* It has done so: its successors are told at once. */
void device_cache_set_mode(DeviceCache *cache, CacheMode mode);
/* Tells a worker that there is of the size and of what `options` have now. A mode that somebody set
 * for this device alone holds until the configured one changes, and one that is given for good. */
void device_cache_update(DeviceCache *cache, uint64_t size_max);
void device_cache_on_export(DeviceCache *cache, unsigned lun);
void device_cache_on_export_closed(DeviceCache *cache, unsigned lun);
/* -EBADMSG: there are no such remains. */
int device_cache_on_remains_left(DeviceCache *cache, const ControlRemains *message);
/* -EXFULL: too many questions. */
int device_cache_on_save(DeviceCache *cache, const ControlSave *message);
/* `is_clean`: it said that nothing in its arena is needed. */
void device_cache_on_worker_ended(DeviceCache *cache, bool is_clean);
/* Something is being saved for the worker. */
bool device_cache_is_saving(const DeviceCache *cache);
