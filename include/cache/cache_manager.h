#pragma once

/*
 * CacheManager
 *
 * The cache of one device, shared by its LUNs. Each LUN gets a CacheVolume, a BlockDevice filter
 * above its Lun (cache_volume.h). All lines lie in an arena, a memfd that outlives the process:
 * what was acknowledged and is not yet on the medium is found there by a successor.
 */

#include "base/event_loop.h"

typedef struct CacheManager CacheManager;

typedef enum CachePolicyKind {
        CACHE_POLICY_KIND_LRU,
        CACHE_POLICY_KIND_S3FIFO,
        _CACHE_POLICY_KIND_MAX,
} CachePolicyKind;

typedef enum CacheMode {
        CACHE_MODE_OFF,           /* write-through, and nothing that was read is held */
        CACHE_MODE_WRITE_THROUGH, /* writes complete when the device has them */
        CACHE_MODE_WRITE_BACK,    /* writes complete when the arena has them */
        _CACHE_MODE_MAX,
} CacheMode;

typedef struct CacheOptions {
        CacheMode mode;
        CachePolicyKind policy;
        bool has_read_ahead;
        bool verifies_hits;    /* the sums of what is read, and not only of what is recovered */
        uint32_t line_size;    /* 0: default, 64 KiB */
        uint64_t size_max;     /* bytes of lines in use; 0: as many as the arena has */
        uint64_t dirty_age_ns; /* written back after so long; 0: default, 5 s */
        uint64_t request_timeout_ns; /* of what the cache itself asks of the device; 0: 30 s */
} CacheOptions;

typedef struct CacheStatistics {
        uint64_t n_slots;
        uint64_t n_slots_used;
        uint64_t n_slots_kept;  /* by what is not known to be on the medium */
        uint64_t dirty_size;    /* bytes not yet written to the device */
        uint64_t unsynced_size; /* written, but not known to be on the medium */
        uint64_t n_hits;        /* reads answered from memory alone */
        uint64_t n_misses;
        uint64_t hit_size; /* bytes of these reads */
        uint64_t miss_size;
        uint64_t direct_size; /* read past the cache */
        uint64_t n_evictions;
        uint64_t read_ahead_size;        /* bytes read before they were asked for */
        uint64_t read_ahead_used_size;   /* and then asked for */
        uint64_t read_ahead_wasted_size; /* or thrown away */
        uint64_t n_writes_back;          /* commands to the device */
        uint64_t write_back_size;
        uint64_t n_writes_delayed; /* for the dirty limit's sake */
        uint64_t n_write_errors;
        uint64_t n_sum_errors;
} CacheStatistics;

/* `arena_fd` is borrowed and must outlive it; what it held is gone. -EINVAL: it is too small;
 * -errno. */
int cache_manager_new(CacheManager **ret, EventLoop *loop, int arena_fd,
                      const CacheOptions *options);
/* No volume is left. Takes NULL, returns NULL. */
CacheManager *cache_manager_free(CacheManager *manager);
DEFINE_CLEANUP(CacheManager *, cache_manager_free);

/* Shrinks by and by: clean lines at once, dirty ones when they were written. */
void cache_manager_set_size(CacheManager *manager, uint64_t size_max);
/* Takes effect for new writes at once; what is dirty is written soon. */
void cache_manager_set_mode(CacheManager *manager, CacheMode mode);
CacheMode cache_manager_get_mode(const CacheManager *manager);
/* Each takes effect at once. The policy may stay as it was, for lack of memory: -ENOMEM. */
int cache_manager_set_policy(CacheManager *manager, CachePolicyKind policy);
int cache_manager_set_read_ahead(CacheManager *manager, bool has_read_ahead);
void cache_manager_set_verification(CacheManager *manager, bool verifies_hits);
void cache_manager_set_request_timeout(CacheManager *manager, uint64_t timeout_ns);
/* The device was reset, or lost its power: what it had not synchronised is written again. */
void cache_manager_on_reset(CacheManager *manager);
/* What a FLUSH of all that is dirty may take: twice what it needs at the rate at which the device
 * has written so far, and a request's time to synchronise it. */
uint64_t cache_manager_get_flush_time_ns(const CacheManager *manager);
const CacheStatistics *cache_manager_get_statistics(CacheManager *manager);
/* What a LUN has of these, in all its volumes one after the other; slots and evictions are the
 * device's alone. */
const CacheStatistics *cache_manager_get_lun_statistics(const CacheManager *manager, unsigned lun);
/* Everything is zeroes: only when nothing is kept, or it was saved elsewhere. It can only be freed
 * then. */
void cache_manager_wipe(CacheManager *manager);

const char *cache_mode_to_string(CacheMode mode);
const char *cache_policy_kind_to_string(CachePolicyKind kind);
