/*
 * New changes are held in the cache and those under way end, so each FLUSH leaves less, until nothing
 * is left; then nothing is below any more.
 */

#include "storage/storage_exclusive.h"

#include <errno.h>

#include "block/lun.h"
#include "cache/cache_volume.h"

#define POLL_NS NS_PER_MS

/* The manager's task opens and closes units, too. */
static int await_turn(StorageExclusive *exclusive, Task *task, uint64_t deadline_ns) {
        StorageUnit *unit = exclusive->unit;

        while (unit->is_exclusive || unit->is_medium_changed || exclusive->manager->is_tending) {
                if (event_loop_now_ns(exclusive->manager->loop) >= deadline_ns)
                        return -ETIMEDOUT;
                if (task_sleep(task, POLL_NS) < 0)
                        return -ECANCELED;
        }
        return 0;
}

static int flush_all(StorageExclusive *exclusive, Task *task, uint64_t deadline_ns) {
        StorageUnit *unit = exclusive->unit;
        int r;

        do {
                r = storage_unit_flush(unit, task, deadline_ns);
                if (r < 0)
                        return r;
                while (cache_volume_is_changing(unit->volume)) {
                        if (event_loop_now_ns(exclusive->manager->loop) >= deadline_ns)
                                return -ETIMEDOUT;
                        if (task_sleep(task, POLL_NS) < 0)
                                return -ECANCELED;
                }
                if (event_loop_now_ns(exclusive->manager->loop) >= deadline_ns)
                        return -ETIMEDOUT;
        } while (cache_volume_get_unsynced_size(unit->volume) > 0);
        return 0;
}

typedef struct Rest {
        EventTimer timer;
        Future future;
} Rest;

static void on_rested(EventTimer *timer) {
        future_complete(&container_of(timer, Rest, timer)->future, 0);
}

/* Even where the task is cancelled. -errno. */
static int rest(StorageExclusive *exclusive, Task *task) {
        EventLoop *loop = exclusive->manager->loop;
        Rest pause;
        int r;

        r = event_timer_init(&pause.timer, loop, on_rested);
        if (r < 0)
                return r;
        future_init(&pause.future, loop, NULL);
        event_timer_set(&pause.timer, event_loop_now_ns(loop) + POLL_NS);
        (void) task_await(task, &pause.future, TASK_NEVER);
        event_timer_done(&pause.timer);
        return 0;
}

/* Soon: the commands below have their deadlines. */
static void park(StorageExclusive *exclusive, Task *task) {
        StorageUnit *unit = exclusive->unit;
        Task *sampler = unit->sampler;

        if (sampler)
                task_cancel(sampler);
        cache_volume_park(unit->volume);
        exclusive->is_parked = true;
        while (unit->sampler || !cache_volume_is_detached(unit->volume))
                if (rest(exclusive, task) < 0)
                        abort(); /* out of memory for a timer */
}

static void let_go(StorageExclusive *exclusive) {
        StorageUnit *unit = exclusive->unit;

        if (unit->volume)
                cache_volume_let_go(unit->volume);
        unit->is_exclusive = false;
        unit->n_requests--;
        storage_manager_wake(exclusive->manager);
}

int storage_exclusive_begin(StorageExclusive *exclusive, StorageManager *manager, Task *task,
                            StorageUnit *unit, uint64_t deadline_ns, bool is_given_up) {
        int r;

        *exclusive = (StorageExclusive){ .manager = manager, .unit = unit };
        r = await_turn(exclusive, task, deadline_ns);
        if (r < 0)
                return r;
        unit->is_exclusive = true;
        unit->n_requests++;
        if (!unit->is_open || !unit->volume)
                return 0;

        cache_volume_hold(unit->volume);
        r = flush_all(exclusive, task, deadline_ns);
        if (r < 0 && (!is_given_up || r == -ECANCELED || manager->is_gone)) {
                let_go(exclusive);
                return r;
        }
        park(exclusive, task);
        if (is_given_up)
                cache_volume_give_up_kept(unit->volume);
        return 0;
}

void storage_exclusive_end(StorageExclusive *exclusive, bool is_changed) {
        StorageManager *manager = exclusive->manager;
        StorageUnit *unit = exclusive->unit;

        if (exclusive->is_parked && is_changed)
                cache_volume_forget_medium(unit->volume);
        if (unit->lun_device && is_changed)
                lun_forget_bad_blocks(unit->lun_device);
        /* Who drives the device sees to the units of one that has gone. */
        if (exclusive->is_parked && !manager->is_gone && !storage_unit_is_shut_down(unit)) {
                cache_volume_resume(unit->volume, unit->lun_device);
                if (unit->is_announced)
                        storage_unit_start_sampling(unit);
        }
        let_go(exclusive);
}
