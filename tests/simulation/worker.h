#pragma once

/*
 * Worker
 *
 * A worker as the manager sees it: started on the disk when that is there, told to stop, killed,
 * and followed by another. It is the whole stack below the sockets, in this process.
 */

#include "hardware.h"
#include "storage/storage_manager.h"

#define WORKER_REMAINS_MAX 16

typedef struct WorkerExport {
        bool is_open;
        bool is_foreign;         /* of no use to clients */
        uint64_t generation;     /* unique over all workers of a run */
        uint64_t own_generation; /* the worker's */
        NbdExportInfo info;
} WorkerExport;

/* What a worker left: an arena, or a copy of one that it had saved. */
typedef struct WorkerRemains {
        int fd; /* owned */
        uint32_t id;
        unsigned luns; /* a mask: whose data in it matters */
        bool is_file;  /* outlives the host's power */
} WorkerRemains;

typedef struct WorkerEvents {
        /* The device serves clients, again. */
        void (*returned)(void *userdata);
        /* Right when it happens, deep inside of the worker: what it has done until now is all that
         * it has done. */
        void (*killed)(void *userdata);
} WorkerEvents;

typedef struct Worker {
        EventLoop *loop;            /* borrowed */
        Journal *journal;           /* borrowed */
        const Plan *plan;           /* borrowed */
        Hardware *hardware;         /* borrowed */
        const WorkerEvents *events; /* borrowed */
        void *userdata;
        StorageManager *storage; /* owned; NULL: there is none */
        WorkerExport exports[PLAN_LUNS_MAX];
        uint64_t last_generation;
        bool is_brought_up;
        bool is_stopping;
        bool is_parked;
        bool is_killed;  /* to be buried */
        bool has_ended;  /* by itself, or stopped: to be buried */
        bool has_failed; /* the last one did not end well: the next one resets the device */
        int result;
        UsbLearnedFacts learned; /* told to each that follows, whichever disk it finds */
        EventTimer start_timer;
        PowerOptions power;
        uint64_t last_request;
        unsigned n_requests; /* that are not answered yet */

        int arena_fd;           /* owned; negative: there is none */
        unsigned luns_in_arena; /* whose data may be in it and nowhere else */
        unsigned luns_saving;   /* a question that was not answered yet */
        unsigned luns_unsaved;  /* it was answered by a failure */
        EventTimer save_timer;
        Random random;
        uint64_t n_stores_left; /* until it is killed; 0: it is not */
        HardwareCache cache_at_kill;
        WorkerRemains remains[WORKER_REMAINS_MAX]; /* the oldest first */
        size_t n_remains;
        uint32_t last_id;
} Worker;

void worker_init(Worker *worker, EventLoop *loop, Journal *journal, const Plan *plan,
                 Hardware *hardware, const WorkerEvents *events, void *userdata);
/* None is left. */
void worker_done(Worker *worker);

/* Does what the manager would do now: buries a dead one, starts one that is missing. To be called
 * after each turn of the loop, never from within. */
void worker_manage(Worker *worker);
bool worker_has_clients(const Worker *worker, unsigned lun);
/* Takes `fd` over; false: refused. */
bool worker_add_client(Worker *worker, unsigned lun, int fd, const NbdAgreement *agreement);

/* Of this one, and of those that follow. */
void worker_set_power(Worker *worker, const PowerOptions *options);
/* Asks for the health of the first unit's drive, or that it tests itself. */
void worker_ask_smart(Worker *worker, bool is_test);
/* Asks for a state; whatever comes of it. */
void worker_ask_power(Worker *worker, PowerState state);
void worker_stop(Worker *worker);
/* At once. A successor is started, with what is in the arena. */
void worker_kill(Worker *worker, HardwareCache cache);
/* Likewise, but right before it, or its successor, changes its arena for the n-th time from now; 0:
 * not at all. */
void worker_kill_at_store(Worker *worker, uint64_t n, HardwareCache cache);
/* The host loses its power: the worker is killed, and all arenas are gone. */
void worker_lose_power(Worker *worker, HardwareCache cache);
/* NULL: it has none. */
CacheManager *worker_get_cache(Worker *worker);
