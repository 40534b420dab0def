#pragma once

/*
 * StorageUnit
 *
 * One LUN of a device: the pipe of BlockDevices above it, its export, and the sessions on that. A
 * unit without a medium has neither pipe nor export. Each opening has a generation of its own, so
 * that a client of an earlier one is never served from a later.
 *
 * A unit with a cache outlives its device: it is parked, and goes on when the device comes back
 * with the same medium.
 */

#include "block/lun.h"
#include "cache/cache_identity.h"
#include "cache/cache_manager.h"
#include "export/nbd_session.h"
#include "performance/performance_monitor.h"
#include "scsi/scsi_disk.h"
#include "storage/storage_manager.h"
#include "storage/storage_medium.h"

#define STORAGE_NAME_SIZE_MAX 128

typedef struct StorageUnit StorageUnit;

/* The last session of a unit has ended, or another thing that its manager waits for. */
typedef void (*StorageUnitIdle)(StorageUnit *unit);
/* Its clients want something again, since storage_unit_rest(). */
typedef void (*StorageUnitActive)(StorageUnit *unit);
/* NbdAgreement::client_id */
typedef void (*StorageUnitClientEnded)(StorageUnit *unit, uint64_t client_id);

struct StorageUnit {
        unsigned lun;
        uint64_t generation;
        bool is_open;
        bool is_announced;      /* others know of the export */
        bool is_medium_changed; /* the device said so: to be closed and looked at again */
        uint64_t retry_ns;      /* looked at again then, as it failed; 0: it did not */
        bool is_told_empty;     /* the log has it that it has no medium */
        unsigned n_failures;    /* looks in a row that failed */
        bool is_mode_changed;   /* its write protection may have changed: to be asked for */
        uint64_t mode_ns;       /* when that was asked for last */
        bool is_eject_wanted;   /* by the drive's button */
        StorageMedium medium;
        LunFacts known;    /* before it is opened */
        ScsiDisk disk;     /* as it was opened */
        ScsiDisk seen;     /* as it was at the last look, with a medium or without */
        bool is_seen;      /* that told what it is */
        bool is_exclusive; /* a request has the medium for itself: nobody else opens or closes it */
        unsigned n_requests; /* that use its pipe beside the sessions */
        char name[STORAGE_NAME_SIZE_MAX];
        char description[STORAGE_NAME_SIZE_MAX];
        NbdExportInfo info;
        CacheIdentity identity;
        BlockDevice *lun_device; /* owned; NULL: the device is away */
        BlockDevice *volume;     /* owned; NULL: no cache */
        BlockDevice *monitor;    /* owned; NULL: nobody looks on */
        BlockDevice *block;      /* borrowed: the top of the pipe */
        StorageStats stats;      /* what monitors have seen, in all openings */
        StorageStats told;       /* all that is counted of it, as others know it */
        Task *sampler;           /* takes samples of the medium; NULL: it has ended */
        uint64_t request_timeout_ns;
        RateBudget *budget;  /* borrowed: the device's */
        ListNode sessions;   /* StorageSession::node */
        ListNode mounts;     /* StorageMount::node */
        unsigned n_sessions; /* of both kinds */
        StorageUnitIdle on_idle;
        StorageUnitActive on_active;
        StorageUnitClientEnded on_client_ended; /* NULL: nobody wants to know */
};

void storage_unit_init(StorageUnit *unit, EventLoop *loop, unsigned lun, StorageUnitIdle on_idle,
                       StorageUnitActive on_active);
/* Closed, and without sessions. */
void storage_unit_done(StorageUnit *unit);

/* Builds the pipe on `target` for `disk`, with a cache unless `cache` is NULL; the export may be
 * announced then. -errno. */
int storage_unit_open(StorageUnit *unit, ScsiTarget *target, const ScsiDisk *disk,
                      CacheManager *cache, const CacheIdentity *identity,
                      const StorageOptions *options);
/* Brings the times of `stats` up to now; the next request of a client is told of. */
void storage_unit_rest(StorageUnit *unit);
/* Begins to take samples of the medium, if there is a cache. */
void storage_unit_start_sampling(StorageUnit *unit);
/* Takes `fd` over. -ESTALE: closed or another generation, -EUSERS: too many sessions. */
int storage_unit_add_session(StorageUnit *unit, uint64_t generation, int fd,
                             const NbdAgreement *agreement);
/* Of requests that come, and commands that are sent, from now on. */
void storage_unit_set_timeout(StorageUnit *unit, uint64_t timeout_ns);
/* Sessions finish what is in flight, then end. */
void storage_unit_end_sessions(StorageUnit *unit, bool comes_again);
/* Writes and synchronises all that is dirty. -errno; -ETIMEDOUT: what is written stays so. */
int storage_unit_flush(StorageUnit *unit, Task *task, uint64_t deadline_ns);

/* The device below gets no more requests; what it has ends with -ESHUTDOWN. With a cache the
 * requests of clients wait, else they fail. */
void storage_unit_park(StorageUnit *unit);
/* Parked, and the device was unplugged. */
void storage_unit_set_away(StorageUnit *unit);
/* Parked, waits until nothing is below, and takes the Lun away. */
void storage_unit_detach(StorageUnit *unit, Task *task);
/* Detached: goes on with the unit of `target` if that has the same identity and medium: 1, 0 if
 * not, -errno if it does not answer. */
int storage_unit_return(StorageUnit *unit, Task *task, ScsiTarget *target, const ScsiDisk *disk,
                        const CacheIdentity *identity, const StorageOptions *options);
/* Whether something tells its medium from others that look alike. */
bool storage_unit_has_samples(const StorageUnit *unit);
/* Detached: nobody waits for the device any longer. */
void storage_unit_shut_down(StorageUnit *unit);
bool storage_unit_is_shut_down(const StorageUnit *unit);
/* It failed at the last look, but not too often: it is worth keeping the device awake for it, and
 * waking it. */
bool storage_unit_is_hoped_for(const StorageUnit *unit);
/* When the unit's write protection is to be asked for; TASK_NEVER: there is no reason to. One that
 * refuses some writes for other reasons is not asked each time. */
uint64_t storage_unit_get_mode_ns(const StorageUnit *unit);
/* Its medium is wanted out, and nobody uses it. */
bool storage_unit_is_to_eject(const StorageUnit *unit);
/* Who uses a medium, or has left something to be written, must not find that somebody has taken it
 * out; and what nobody uses is polled. A command of the unit succeeded at `good_ns`. Returns when to
 * call it again, unless something happens. */
uint64_t storage_unit_tend_medium(StorageUnit *unit, ScsiTarget *target, uint64_t good_ns);
/* A command was not tried again: what it was told is told to nobody else. */
void storage_unit_note_told(StorageUnit *unit, const ScsiCommand *command);
/* Bytes that are not on the medium yet. */
uint64_t storage_unit_get_kept_size(const StorageUnit *unit);
/* Takes the pipe down; no session is left. What is kept is discarded if so told, else it stays in
 * the arena. */
void storage_unit_close(StorageUnit *unit, Task *task, bool with_discard);
