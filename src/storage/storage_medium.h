#pragma once

/*
 * StorageMedium
 *
 * Watches the medium of one removable unit: asks by TEST UNIT READY whether it is still there, or
 * there again, while nobody's commands tell; and keeps it from being taken out while it is in use.
 * Both are commands that nobody waits for. Private to storage.
 */

#include "error/error_handler.h"

#define STORAGE_MEDIUM_POLL_NS (2 * NS_PER_S)
/* What does not answer is asked ever less often, up to 64 s. */
#define STORAGE_MEDIUM_DOUBLINGS_MAX 5U

typedef struct StorageMedium StorageMedium;

typedef enum StorageMediumNews {
        STORAGE_MEDIUM_NEWS_NONE,
        STORAGE_MEDIUM_NEWS_LOOK,   /* it went, came or changed */
        STORAGE_MEDIUM_NEWS_MODES,  /* its write protection may have changed */
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

        bool is_locked;
        bool cannot_lock; /* the device refused */
        unsigned n_lock_tries;
        bool wants_lock; /* what the command in flight does */
        ScsiCommand lock;
        bool is_locking;
};

void storage_medium_init(StorageMedium *medium, EventLoop *loop, uint8_t lun,
                         StorageMediumNotify notify);
/* What the answer to a poll means; `sense` counts for CHECK_CONDITION. Pure. */
StorageMediumNews storage_medium_judge(bool is_present, ScsiResult result, const ScsiSense *sense);
/* After a look: whether the unit is to be watched, and what it had. */
void storage_medium_watch(StorageMedium *medium, bool is_watched, bool is_present);
/* The stack went: nothing is in flight, nothing is locked. */
void storage_medium_detach(StorageMedium *medium);
/* The device was reset, which ends what PREVENT ALLOW MEDIUM REMOVAL said (SPC-4, "PREVENT ALLOW
 * MEDIUM REMOVAL command"). */
void storage_medium_on_reset(StorageMedium *medium);

/* Polls if that is due. Returns when it will be; TASK_NEVER: not before `notify`. */
uint64_t storage_medium_poll(StorageMedium *medium, ErrorHandler *handler);
/* Sends ALLOW after what is in flight. */
void storage_medium_unlock(StorageMedium *medium, Task *task, ErrorHandler *handler);
/* Sends PREVENT or ALLOW if the device does not know it. */
void storage_medium_set_locked(StorageMedium *medium, ErrorHandler *handler, bool is_locked);
