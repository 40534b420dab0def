#pragma once

/*
 * StorageMedium
 *
 * Watches the medium of one removable unit: asks whether it is still there, or there again, while
 * nobody's commands tell; and keeps it from being taken out while it is in use. Both are commands
 * that nobody waits for. Private to storage.
 *
 * It asks an optical drive that has events by GET EVENT STATUS NOTIFICATION, which also tells of the
 * drive's button, and all others by TEST UNIT READY. Where a drive's events are not what TEST UNIT
 * READY says, or don't come, they are not asked for again.
 */

#include "scsi/scsi_disk.h"
#include "scsi/scsi_media_event.h"
#include "scsi/scsi_target.h"

#define STORAGE_MEDIUM_POLL_NS (2 * NS_PER_S)
/* What does not answer is asked ever less often, up to 64 s. */
#define STORAGE_MEDIUM_DOUBLINGS_MAX 5U

typedef struct StorageMedium StorageMedium;

typedef enum StorageMediumNews {
        STORAGE_MEDIUM_NEWS_NONE,
        STORAGE_MEDIUM_NEWS_LOOK,   /* it went, came or changed */
        STORAGE_MEDIUM_NEWS_MODES,  /* its write protection may have changed */
        STORAGE_MEDIUM_NEWS_EJECT,  /* somebody wants it out, and waits for the host */
        STORAGE_MEDIUM_NEWS_DOUBT,  /* what the event says of the medium is not what is known */
        STORAGE_MEDIUM_NEWS_ASLEEP, /* stopped: not asked again before somebody has used it */
        STORAGE_MEDIUM_NEWS_SILENCE,
        _STORAGE_MEDIUM_NEWS_MAX,
} StorageMediumNews;

/* A poll has brought news, or the lock is settled. */
typedef void (*StorageMediumNotify)(StorageMedium *medium, StorageMediumNews news);

struct StorageMedium {
        EventLoop *loop; /* borrowed */
        uint8_t lun;
        StorageMediumNotify notify;
        bool is_watched; /* removable, and nothing else is to happen before it is looked at */
        bool is_present; /* there was one at the last look, whether it can be exported or not */
        uint64_t poll_ns;
        uint64_t asleep_ns; /* since when; 0: it is not */
        unsigned n_silences;
        ScsiCommand poll;
        bool is_polling;
        bool has_events;
        bool lacks_events; /* for good, whatever a look says */
        bool is_tray_known;
        bool is_tray_open;
        bool is_doubted;  /* TEST UNIT READY is to tell whether the event was right */
        Staging *staging; /* borrowed: of the device, that has the memory of `event` */
        uint8_t *event;   /* owned; while one is asked for */

        bool is_locked;
        bool is_lock_unknown; /* new to us, it did not answer, or was reset: it is told again */
        bool cannot_lock;     /* the device refused */
        unsigned n_lock_tries;
        bool wants_lock; /* what the command in flight does */
        ScsiCommand lock;
        bool is_locking;
};

void storage_medium_init(StorageMedium *medium, EventLoop *loop, uint8_t lun,
                         StorageMediumNotify notify);
/* What the answer to a poll means; `sense` counts for CHECK_CONDITION. Pure. */
StorageMediumNews storage_medium_judge(bool is_present, ScsiResult result, const ScsiSense *sense);
/* What an event means. Pure. */
StorageMediumNews storage_medium_judge_event(bool is_present, const ScsiMediaEvent *event);
/* After a look at `disk`: whether a medium was found in it. */
void storage_medium_watch(StorageMedium *medium, const ScsiDisk *disk, bool is_present);
/* The stack went: nothing is in flight, nothing is locked. */
void storage_medium_detach(StorageMedium *medium);
/* The device was reset, which ends what PREVENT ALLOW MEDIUM REMOVAL said (SPC-4, "PREVENT ALLOW
 * MEDIUM REMOVAL command"). */
void storage_medium_on_reset(StorageMedium *medium);

/* Polls if that is due: a command of the unit succeeded at `good_ns`. Returns when it will be;
 * TASK_NEVER: not before `notify`. A device that sleeps is not polled. */
uint64_t storage_medium_poll(StorageMedium *medium, ScsiTarget *target, uint64_t good_ns);
/* Sends ALLOW after what is in flight, and waits for it. */
void storage_medium_unlock(StorageMedium *medium, Task *task, ScsiTarget *target);
/* Unlocks it, whoever locked it, and has the drive bring it out. False: it did not, for `ret_sense`
 * (a key of 0: it did not answer). */
bool storage_medium_eject(StorageMedium *medium, Task *task, ScsiTarget *target,
                          ScsiSense *ret_sense);
/* Has the drive take its tray in. As storage_medium_eject(). */
bool storage_medium_load(StorageMedium *medium, Task *task, ScsiTarget *target,
                         ScsiSense *ret_sense);
/* Sends PREVENT or ALLOW if the device does not know it. */
void storage_medium_set_locked(StorageMedium *medium, ScsiTarget *target, bool is_locked);
