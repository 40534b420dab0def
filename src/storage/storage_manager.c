/*
 * A device's life is one Task: start the stack, find the units, serve until something happens, and
 * take everything down again in the opposite order. What happens meanwhile (stop, unplugged, medium
 * changed, given up, come back) is noted by whoever learns of it and handled by the task alone.
 *
 * A device that is unplugged takes its stack with it; the units are parked. When it comes back they
 * go on, those with the same medium; the data of others is set aside: saved by the manager, as an
 * orphan.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "scsi/scsi_bring_up.h"
#include "storage/storage_manager_internal.h"
#include "storage/storage_mounts.h"
#include "storage/storage_units.h"

#define STORAGE_DEVICE_TIMEOUT_MS_DEFAULT 30000
#define STORAGE_LUNS_DEFAULT 8
/* A device that does not tell how many LUNs it has is asked again, so often, at first after so long:
 * one with a single LUN need not tell, but where others were hidden by a glitch, so is their data. */
#define STORAGE_LUNS_TRIES_MAX 4U
#define STORAGE_LUNS_RETRY_MIN_NS (2 * NS_PER_S)
#define STORAGE_STOP_MEDIUM_NS (10 * NS_PER_S)

static const char *storage_state_to_string(StorageState state) {
        static const char *const names[_STORAGE_STATE_MAX] = {
                [STORAGE_STATE_STARTING] = "starting", [STORAGE_STATE_RUNNING] = "running",
                [STORAGE_STATE_PARKED] = "parked",     [STORAGE_STATE_STOPPING] = "stopping",
                [STORAGE_STATE_STOPPED] = "stopped",
        };

        return names[state];
}

static void storage_enter(StorageManager *manager, StorageState state) {
        log_device_debug(manager->name, "storage is %s", storage_state_to_string(state));
        manager->state = state;
}

void storage_manager_wake(StorageManager *manager) {
        if (!manager->is_waiting)
                return;
        manager->is_waiting = false;
        future_complete(&manager->wake, 0);
}

static void wait_on_cancel(Future *future) {
        storage_manager_wake(container_of(future, StorageManager, wake));
}

int storage_manager_wait(StorageManager *manager, Task *task, uint64_t deadline_ns) {
        future_init(&manager->wake, manager->loop, wait_on_cancel);
        manager->is_waiting = true;
        return task_await(task, &manager->wake, deadline_ns);
}

bool storage_manager_must_end(const StorageManager *manager) {
        return manager->must_stop || manager->is_gone || manager->has_failed ||
               manager->has_unsaved;
}

static void unit_on_idle(StorageUnit *unit) {
        storage_manager_wake(container_of(unit - unit->lun, StorageManager, units[0]));
}

static void unit_on_active(StorageUnit *unit) {
        storage_collector_note(container_of(unit - unit->lun, StorageManager, units[0]));
}

static void unit_on_client_ended(StorageUnit *unit, uint64_t client_id) {
        StorageManager *manager = container_of(unit - unit->lun, StorageManager, units[0]);

        if (manager->handlers->client_ended)
                manager->handlers->client_ended(manager, client_id, manager->userdata);
}

static void storage_note_gone(StorageManager *manager) {
        if (manager->is_gone)
                return;

        manager->is_gone = true;
        for (unsigned i = 0; i < manager->n_units; i++) {
                StorageUnit *unit = &manager->units[i];

                if (!unit->is_open)
                        continue;
                storage_unit_park(unit);
                storage_unit_set_away(unit);
                /* Nobody waits for its return any more, or not yet. */
                if (unit->volume &&
                    (manager->state == STORAGE_STATE_STOPPING || !unit->is_announced))
                        storage_unit_shut_down(unit);
        }
        storage_manager_wake(manager);
}

/* One that somebody asked for says nothing of the device. */
static void storage_note_reset(StorageManager *manager) {
        manager->n_resets++;
        if (manager->n_resets_asked > 0)
                manager->n_resets_asked--;
        else
                storage_degradation_note_reset(&manager->degradation,
                                               event_loop_now_ns(manager->loop));
}

static void on_stack_event(ErrorHandlerEvent event, uint8_t lun, void *userdata) {
        StorageManager *manager = userdata;

        storage_collector_note(manager);
        switch (event) {
        case ERROR_HANDLER_EVENT_RESET:
                if (manager->cache)
                        cache_manager_on_reset(manager->cache);
                storage_note_reset(manager);
                for (unsigned i = 0; i < manager->n_units; i++)
                        storage_medium_on_reset(&manager->units[i].medium);
                storage_manager_wake(manager);
                return;
        case ERROR_HANDLER_EVENT_MEDIUM_CHANGED:
                if (lun < manager->n_units)
                        manager->units[lun].is_medium_changed = true;
                storage_manager_wake(manager);
                return;
        case ERROR_HANDLER_EVENT_MODES_CHANGED:
                if (lun < manager->n_units)
                        manager->units[lun].is_mode_changed = true;
                storage_manager_wake(manager);
                return;
        case ERROR_HANDLER_EVENT_TRANSPORT_CHANGED:
                /* Known at once, lest the next worker begins with the same. */
                manager->facts.next_ns = event_loop_now_ns(manager->loop);
                storage_manager_wake(manager);
                return;
        case ERROR_HANDLER_EVENT_SENSE:
                storage_manager_wake(manager);
                return;
        case ERROR_HANDLER_EVENT_FAILED:
                manager->has_failed = true;
                storage_manager_wake(manager);
                return;
        case ERROR_HANDLER_EVENT_GONE:
                storage_note_gone(manager);
                return;
        case _ERROR_HANDLER_EVENT_MAX:
                break;
        }
        assert_not_reached();
}

/* Learning */

/* Of a device that is gone nothing is learned: what went wrong may have been the cable. */
static void storage_learn(StorageManager *manager) {
        StorageStackFacts learned;

        storage_facts_plan(&manager->facts, event_loop_now_ns(manager->loop));
        if (manager->is_gone || !manager->stack)
                return;
        learned = storage_stack_get_facts(manager->stack);
        storage_facts_learn_stack(&manager->facts, &learned);
        for (unsigned i = 0; i < manager->n_units; i++) {
                const StorageUnit *unit = &manager->units[i];
                LunFacts facts;

                if (!unit->is_open || !unit->lun_device)
                        continue;
                facts = lun_get_facts(unit->lun_device);
                storage_facts_learn_unit(&manager->facts, i, &facts);
        }
        if (storage_facts_take_news(&manager->facts) && manager->handlers->learned)
                manager->handlers->learned(manager, &manager->facts.known, manager->userdata);
}

static bool has_learned_enough(const StorageManager *manager) {
        return event_loop_now_ns(manager->loop) < manager->facts.next_ns;
}

/* LUNs */

static void storage_plan_luns_retry(StorageManager *manager) {
        manager->luns_retry_ns = 0;
        if (storage_stack_has_told_luns(manager->stack) ||
            manager->n_luns_tries >= STORAGE_LUNS_TRIES_MAX)
                return;
        manager->luns_retry_ns = event_loop_now_ns(manager->loop) +
                                 (STORAGE_LUNS_RETRY_MIN_NS << manager->n_luns_tries);
        manager->n_luns_tries++;
}

/* Units that are known stay: what a glitch hides is still there. */
static void storage_count_luns(StorageManager *manager) {
        unsigned n_luns =
                        MIN(storage_stack_get_n_luns(manager->stack), manager->options.n_luns_max);

        manager->n_units = MAX(manager->n_units, n_luns);
        storage_plan_luns_retry(manager);
}

/* Whether the device says that there is no such LUN. */
static bool is_lun_missing(const StorageManager *manager, unsigned lun) {
        return storage_stack_has_told_luns(manager->stack) &&
               lun >= storage_stack_get_n_luns(manager->stack);
}

/* -errno: gone. */
static int storage_ask_luns(StorageManager *manager, Task *task) {
        unsigned n_known = manager->n_units;
        int r;

        r = storage_stack_ask_luns(manager->stack, task);
        if (r < 0 && r != -EAGAIN)
                return r;
        storage_count_luns(manager);
        for (unsigned i = n_known; i < manager->n_units && !storage_manager_must_end(manager);
             i++) {
                r = storage_units_bring_up(manager, task, &manager->units[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Starting */

/* What was held back until all remains had their place. */
static void storage_serve_all(StorageManager *manager) {
        manager->opens_together = false;
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].is_open && !manager->units[i].is_announced)
                        storage_units_serve(manager, &manager->units[i]);
}

static int storage_start(StorageManager *manager, Task *task) {
        int r;

        r = storage_stack_start(manager->stack, task, manager->options.starts_with_reset,
                                &manager->reason);
        if (r < 0)
                return r;
        if (manager->options.skips_processing)
                log_device_notice(manager->name,
                                  "It gets no SCSI commands, so nothing of it is exported");
        storage_count_luns(manager);
        manager->opens_together = manager->remains.n > 0;
        for (unsigned i = 0; i < manager->n_units && !storage_manager_must_end(manager); i++) {
                r = storage_units_bring_up(manager, task, &manager->units[i]);
                if (r < 0)
                        return r;
        }
        if (manager->is_gone)
                return -ENODEV;
        if (manager->has_failed)
                return -EIO;
        if (manager->opens_together && !manager->must_stop)
                storage_serve_all(manager);
        storage_remains_tell(&manager->remains, storage_units_on_remains_left, manager);
        return 0;
}

/* Serving */

/* Until when nothing is to be done for the media. */
static uint64_t storage_tend_media(StorageManager *manager) {
        ErrorHandler *handler = storage_stack_get_error_handler(manager->stack);
        ScsiTarget *target = storage_stack_get_target(manager->stack);
        uint64_t next_ns = TASK_NEVER;

        if (storage_power_is_asleep(manager))
                return TASK_NEVER;
        for (unsigned i = 0; i < manager->n_units; i++)
                next_ns = MIN(next_ns,
                              storage_unit_tend_medium(
                                              &manager->units[i], target,
                                              error_handler_get_good_ns(handler, (uint8_t) i)));
        return next_ns;
}

/* A request that has the medium for itself wakes the task when it ends. */
static bool unit_is_due(const StorageUnit *unit, uint64_t now_ns, bool is_asleep) {
        if (unit->is_exclusive)
                return false;
        /* What nobody waits for waits until the device is awake. */
        if (is_asleep)
                return unit->is_medium_changed || storage_unit_is_to_eject(unit) ||
                       (storage_unit_is_hoped_for(unit) && unit->retry_ns <= now_ns);
        return unit->is_medium_changed || (unit->retry_ns != 0 && unit->retry_ns <= now_ns) ||
               storage_unit_get_mode_ns(unit) <= now_ns || storage_unit_is_to_eject(unit);
}

/* When the unit will be due, unless something happens. */
static uint64_t unit_get_due_ns(const StorageUnit *unit, bool is_asleep) {
        uint64_t retry_ns = unit->retry_ns != 0 ? unit->retry_ns : TASK_NEVER;

        if (is_asleep)
                return storage_unit_is_hoped_for(unit) ? retry_ns : TASK_NEVER;
        return MIN(retry_ns, storage_unit_get_mode_ns(unit));
}

/* NULL: there is none before `ret_next_ns`. */
static StorageUnit *storage_find_due(StorageManager *manager, uint64_t *ret_next_ns) {
        uint64_t now_ns = event_loop_now_ns(manager->loop);
        bool is_asleep = storage_power_is_asleep(manager);

        *ret_next_ns = manager->luns_retry_ns != 0 ? manager->luns_retry_ns : TASK_NEVER;
        for (unsigned i = 0; i < manager->n_units; i++) {
                StorageUnit *unit = &manager->units[i];

                if (unit_is_due(unit, now_ns, is_asleep))
                        return unit;
                if (!unit->is_exclusive)
                        *ret_next_ns = MIN(*ret_next_ns, unit_get_due_ns(unit, is_asleep));
        }
        return NULL;
}

static bool are_luns_due(const StorageManager *manager) {
        return manager->luns_retry_ns != 0 &&
               manager->luns_retry_ns <= event_loop_now_ns(manager->loop);
}

/* What is written at once is lost less often than what waits for a device that comes and goes. */
static void storage_adapt(StorageManager *manager) {
        bool is_on = storage_degradation_is_on(&manager->degradation,
                                               event_loop_now_ns(manager->loop));
        CacheMode mode = is_on ? CACHE_MODE_WRITE_THROUGH : CACHE_MODE_WRITE_BACK;

        if (!manager->cache || manager->options.cache.mode != CACHE_MODE_WRITE_BACK ||
            cache_manager_get_mode(manager->cache) == mode)
                return;
        if (is_on)
                log_device_warning(
                                manager->name,
                                "It was reset too often: writes wait for the device for a while");
        else
                log_device_notice(
                                manager->name,
                                "It has not been reset for a good while: writes are cached again");
        cache_manager_set_mode(manager->cache, mode);
}

/* What has changed comes first: it may be that there is nothing to eject any more. */
static int storage_tend_unit(StorageManager *manager, Task *task, StorageUnit *unit) {
        if (unit->is_medium_changed || !storage_unit_is_to_eject(unit))
                return storage_units_reopen(manager, task, unit);
        storage_units_eject(manager, task, unit);
        return 0;
}

static void storage_serve(StorageManager *manager, Task *task) {
        uint64_t next_ns, media_ns;
        StorageUnit *due;
        int r;

        while (!storage_manager_must_end(manager)) {
                storage_adapt(manager);
                if (!has_learned_enough(manager))
                        storage_learn(manager);
                media_ns = storage_tend_media(manager);
                due = storage_find_due(manager, &next_ns);
                next_ns = MIN(next_ns, storage_degradation_get_end_ns(&manager->degradation));
                next_ns = MIN(next_ns, manager->facts.next_ns);
                next_ns = MIN(next_ns, storage_description_update(manager));
                next_ns = MIN(next_ns, storage_smart_tend(manager));
                if (!due && !are_luns_due(manager)) {
                        storage_manager_wait(manager, task, MIN(next_ns, media_ns));
                        continue;
                }
                manager->is_tending = true;
                r = due ? storage_tend_unit(manager, task, due) : storage_ask_luns(manager, task);
                manager->is_tending = false;
                if (r < 0) {
                        /* Then nobody knows what is there: a successor begins with a reset. */
                        manager->has_failed |= !storage_manager_must_end(manager);
                        return;
                }
                storage_remains_tell(&manager->remains, storage_units_on_remains_left, manager);
        }
}

/* With all media unlocked: who drives the device next expects that. */
static void storage_stop_stack(StorageManager *manager, Task *task) {
        bool has_target = storage_stack_get_power(manager->stack);

        for (unsigned i = 0; has_target && i < manager->n_units; i++)
                storage_medium_unlock(&manager->units[i].medium, task,
                                      storage_stack_get_target(manager->stack));
        storage_stack_stop(manager->stack, task);
        for (unsigned i = 0; i < manager->n_units; i++)
                storage_medium_detach(&manager->units[i].medium);
}

/* Parking */

static bool storage_parks(const StorageManager *manager) {
        return manager->cache && manager->options.park_timeout_ms > 0;
}

static bool storage_can_park(const StorageManager *manager) {
        bool has_open = false;

        for (unsigned i = 0; i < manager->n_units; i++)
                has_open |= manager->units[i].is_open;
        return storage_parks(manager) && manager->is_gone && has_open && !manager->must_stop &&
               !manager->has_failed && !manager->has_unsaved;
}

/* The device's stack goes, the units stay. */
static void storage_detach(StorageManager *manager, Task *task) {
        storage_requests_end(manager, task, -ENODEV);
        storage_smart_end(manager, task);
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].is_open && manager->units[i].volume) {
                        storage_unit_park(&manager->units[i]);
                        storage_unit_detach(&manager->units[i], task);
                }
        if (manager->stack)
                storage_stop_stack(manager, task);
        storage_collector_detach(manager);
        manager->stack = storage_stack_free(manager->stack);
}

/* Those whose medium is there go on, and the clients of the others know that theirs is not, before
 * anything is saved, which takes time. */
static int storage_return_units(StorageManager *manager, Task *task, unsigned *ret_replaced) {
        unsigned replaced = 0;

        for (unsigned i = 0; i < manager->n_units && !storage_manager_must_end(manager); i++) {
                StorageUnit *unit = &manager->units[i];
                int r = 0;

                if (!unit->is_open)
                        continue;
                if (!is_lun_missing(manager, i))
                        r = storage_units_return(manager, task, unit);
                if (r < 0)
                        return r;
                if (r > 0)
                        continue;
                replaced |= 1U << i;
                storage_unit_shut_down(unit);
                storage_units_begin_close(manager, unit);
        }
        *ret_replaced = replaced;
        return 0;
}

static int storage_replace_units(StorageManager *manager, Task *task, unsigned replaced) {
        for (unsigned i = 0; i < manager->n_units && !storage_manager_must_end(manager); i++) {
                StorageUnit *unit = &manager->units[i];
                int r = 0;

                if (is_lun_missing(manager, i)) {
                        if (unit->is_open)
                                storage_units_set_aside(manager, task, unit);
                } else if (replaced >> i & 1)
                        r = storage_units_replace(manager, task, unit);
                else if (!unit->is_open)
                        r = storage_units_bring_up(manager, task, unit);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int storage_make_stack(StorageManager *manager, UsbDevice *device) {
        int r;

        r = storage_stack_new(&manager->stack, device, &manager->quirks, &manager->collector.stack,
                              on_stack_event, &storage_power_ops, manager);
        if (r < 0)
                return r;
        storage_stack_set_power_options(manager->stack, &manager->options.power);
        return 0;
}

/* A new stack for the device that came back. -errno: it did not answer, or went away again. */
static int storage_attach(StorageManager *manager, Task *task) {
        unsigned replaced;
        const char *reason;
        int r;

        storage_facts_apply(&manager->facts, &manager->quirks);
        r = storage_make_stack(manager, TAKE_PTR(manager->returned));
        if (r < 0)
                return r;
        manager->is_gone = false;
        r = storage_stack_start(manager->stack, task, /* with_reset= */ false, &reason);
        if (r < 0)
                return r;

        manager->n_luns_tries = 0;
        storage_count_luns(manager);
        r = storage_return_units(manager, task, &replaced);
        if (r == 0)
                r = storage_replace_units(manager, task, replaced);
        if (r < 0)
                return r;
        storage_remains_tell(&manager->remains, storage_units_on_remains_left, manager);
        return storage_manager_must_end(manager) ? -ENODEV : 0;
}

/* 0: the device is back. -ETIMEDOUT: the park time is over; -ECANCELED: asked to stop; -EIO: it is
 * for a successor to go on. */
static int storage_park(StorageManager *manager, Task *task) {
        uint64_t deadline_ns = event_loop_now_ns(manager->loop) +
                               manager->options.park_timeout_ms * NS_PER_MS;
        int r;

        for (;;) {
                storage_detach(manager, task);
                storage_enter(manager, STORAGE_STATE_PARKED);
                storage_collector_set_parked(manager, /* is_parked= */ true);
                storage_power_tell(manager);
                /* One may have come while the last one was found to be gone. */
                if (!manager->returned)
                        manager->handlers->parked(manager, manager->userdata);
                while (!manager->returned && !manager->must_stop) {
                        uint64_t next_ns = storage_description_update(manager);

                        r = storage_manager_wait(manager, task, MIN(next_ns, deadline_ns));
                        if (r == -ETIMEDOUT && !manager->returned &&
                            event_loop_now_ns(manager->loop) >= deadline_ns)
                                return r;
                }
                if (manager->must_stop)
                        return -ECANCELED;
                r = storage_attach(manager, task);
                if (r == 0) {
                        storage_enter(manager, STORAGE_STATE_RUNNING);
                        storage_collector_set_parked(manager, /* is_parked= */ false);
                        storage_description_update_now(manager);
                        storage_power_tell(manager);
                        manager->handlers->returned(manager, manager->userdata);
                        return 0;
                }
                if (manager->has_unsaved)
                        return -EIO;
                log_device_info(manager->name, "It came back, but can't be driven: %s",
                                strerror(-r));
                if (manager->stack)
                        storage_stack_set_gone(manager->stack);
                manager->is_gone = true;
                manager->has_failed = false;
        }
}

/* Stopping */

static uint64_t storage_get_dirty_size(StorageManager *manager) {
        return manager->cache ? cache_manager_get_statistics(manager->cache)->dirty_size : 0;
}

static uint64_t storage_get_flush_time_ns(const StorageManager *manager) {
        /* Without a cache of ours, a disk's whole cache goes to the medium. */
        return manager->cache ? cache_manager_get_flush_time_ns(manager->cache)
                              : 2 * manager->options.device_timeout_ms * NS_PER_MS;
}

/* As long as the device gets on, however much slower than before, it is given the time. */
int storage_manager_flush(StorageManager *manager, Task *task, StorageUnit *unit, uint64_t end_ns) {
        uint64_t dirty_size, now_ns;
        int r;

        /* It was flushed before it fell asleep. */
        if (storage_power_is_asleep(manager) && storage_unit_get_kept_size(unit) == 0)
                return 0;
        do {
                dirty_size = storage_get_dirty_size(manager);
                now_ns = event_loop_now_ns(manager->loop);
                r = storage_unit_flush(unit, task,
                                       MIN(end_ns, now_ns + storage_get_flush_time_ns(manager)));
        } while (r == -ETIMEDOUT && event_loop_now_ns(manager->loop) < end_ns &&
                 storage_get_dirty_size(manager) < dirty_size);
        return r;
}

/* The device answers: everything goes there. */
static void unit_stop(StorageManager *manager, Task *task, StorageUnit *unit) {
        int r;

        storage_units_await_sessions(manager, task, unit);
        if (manager->flush_end_ns == 0)
                manager->flush_end_ns =
                                event_loop_now_ns(manager->loop) + STORAGE_STOP_FLUSH_MAX_NS;
        r = storage_manager_flush(manager, task, unit, manager->flush_end_ns);
        if (r < 0)
                log_device_error(unit->name, "The last flush failed: %s", strerror(-r));
}

/* What a device that failed leaves is for a successor, which begins with a port reset. */
static bool is_for_successor(const StorageManager *manager) {
        return !manager->must_stop && !manager->is_gone;
}

static void unit_end(StorageManager *manager, Task *task, StorageUnit *unit) {
        /* One whose medium was just being recognised is not written to. */
        bool is_detached = unit->volume && !unit->lun_device;

        if (!manager->is_gone && !manager->has_failed && !is_detached)
                unit_stop(manager, task, unit);
        storage_unit_park(unit);
        if (!unit->volume) {
                storage_units_await_sessions(manager, task, unit);
                storage_unit_close(unit, task, /* with_discard= */ false);
                return;
        }
        storage_unit_detach(unit, task);
        if (!is_for_successor(manager)) {
                storage_units_set_aside(manager, task, unit);
                return;
        }
        storage_unit_shut_down(unit);
        storage_units_await_sessions(manager, task, unit);
        storage_unit_close(unit, task, /* with_discard= */ false);
}

/* Nobody waits until another unit's data is saved. */
static void storage_end_requests(StorageManager *manager, Task *task) {
        for (unsigned i = 0; i < manager->n_units; i++) {
                StorageUnit *unit = &manager->units[i];

                if (!unit->is_open || !unit->volume)
                        continue;
                storage_unit_park(unit);
                storage_unit_detach(unit, task);
                storage_unit_shut_down(unit);
        }
}

/* A disk parks its heads. What does not know the command need not. */
static void storage_stop_media(StorageManager *manager, Task *task) {
        bool has_target = storage_stack_get_power(manager->stack);

        for (unsigned i = 0; has_target && i < manager->n_units; i++) {
                ScsiTarget *target = storage_stack_get_target(manager->stack);
                StorageUnit *unit = &manager->units[i];
                ScsiCommand command;

                if (!unit->is_seen || !unit->seen.has_medium)
                        continue;
                storage_medium_unlock(&unit->medium, task, target);
                scsi_command_init(&command, (uint8_t) i,
                                  event_loop_now_ns(manager->loop) + STORAGE_STOP_MEDIUM_NS);
                scsi_command_start_stop(&command, /* start= */ false, /* load_eject= */ false,
                                        /* immediate= */ false);
                command.flags = SCSI_COMMAND_NO_RETRY;
                if (scsi_target_await(target, task, &command) != SCSI_RESULT_GOOD)
                        log_device_debug(manager->name, "LUN %u does not stop, ignoring", i);
        }
}

static void storage_stop(StorageManager *manager, Task *task) {
        storage_learn(manager);
        storage_enter(manager, STORAGE_STATE_STOPPING);
        storage_collector_set_parked(manager, /* is_parked= */ false);
        storage_requests_end(manager, task, manager->is_gone ? -ENODEV : -ESHUTDOWN);
        storage_smart_end(manager, task);
        for (unsigned i = 0; i < STORAGE_LUNS_MAX; i++) {
                if (is_for_successor(manager))
                        storage_mounts_leave(manager, &manager->units[i]);
                storage_units_begin_close(manager, &manager->units[i]);
        }
        /* What is not kept need not be saved. */
        if (manager->cache)
                cache_manager_set_size(manager->cache, 0);
        if (manager->is_gone || manager->has_failed)
                storage_end_requests(manager, task);
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].is_open)
                        unit_end(manager, task, &manager->units[i]);
        if (manager->must_stop_media && manager->stack && !manager->is_gone && !manager->has_failed)
                storage_stop_media(manager, task);
        storage_power_finish(manager);
        if (manager->stack)
                storage_stop_stack(manager, task);
        if (manager->cache && cache_manager_get_statistics(manager->cache)->n_slots_kept == 0)
                cache_manager_wipe(manager->cache);
        storage_collector_finish(manager);
}

/* Who has data left in the arena has failed, however it ended: the arena must be kept. */
static bool has_left_data(const StorageManager *manager) {
        return manager->cache && cache_manager_get_statistics(manager->cache)->n_slots_kept > 0;
}

static int storage_get_error(const StorageManager *manager, int error) {
        return manager->is_gone && !has_left_data(manager) ? -ENODEV : error;
}

/* The whole life. Returns why it ended: 0 asked to, -ENODEV gone, -errno. */
static int storage_live(Task *task, void *userdata) {
        StorageManager *manager = userdata;
        int r;

        r = storage_start(manager, task);
        if (r < 0 && !manager->must_stop) {
                storage_stop(manager, task);
                return storage_get_error(manager, r);
        }

        manager->reason = NULL;
        storage_enter(manager, STORAGE_STATE_RUNNING);
        storage_learn(manager);
        storage_collector_note(manager);
        storage_description_update_now(manager);
        manager->handlers->brought_up(manager, 0, manager->n_units, NULL, manager->userdata);
        storage_power_tell(manager);
        do
                storage_serve(manager, task);
        while (storage_can_park(manager) && storage_park(manager, task) == 0);

        storage_stop(manager, task);
        if (manager->must_stop && !has_left_data(manager))
                return 0;
        return storage_get_error(manager, -EIO);
}

static void storage_on_end(Task *task, int result, void *userdata) {
        StorageManager *manager = userdata;
        const char *reason = TAKE_PTR(manager->reason);

        storage_enter(manager, STORAGE_STATE_STOPPED);
        storage_requests_finish(manager, result);
        if (reason)
                manager->handlers->brought_up(
                                manager, result, 0,
                                result == -ENODEV && manager->is_gone ? "it was unplugged" : reason,
                                manager->userdata);
        else
                manager->handlers->stopped(manager, result, manager->userdata);
}

static void set_defaults(StorageOptions *options) {
        if (options->device_timeout_ms == 0)
                options->device_timeout_ms = STORAGE_DEVICE_TIMEOUT_MS_DEFAULT;
        if (options->n_luns_max == 0)
                options->n_luns_max = STORAGE_LUNS_DEFAULT;
        options->n_luns_max = MIN(options->n_luns_max, (unsigned) STORAGE_LUNS_MAX);
}

/* What the options ask of the layers of the stack, beside what the device's quirks do. */
static void storage_set_stack_options(StorageManager *manager) {
        StorageOptions *options = &manager->options;
        StorageQuirks *quirks = &manager->quirks;

        storage_quirks_init(quirks, options->quirks);
        quirks->processor.is_validating = !options->skips_validation;
        quirks->processor.n_commands_kept = options->n_commands_kept;
        quirks->processor.is_serial = options->is_serial;
        quirks->bot.is_serial = options->is_serial;
        manager->wants_read_ahead = options->cache.has_read_ahead;
        options->cache.has_read_ahead &= !options->is_serial;
        if (options->skips_processing) {
                quirks->has_single_lun = true; /* it is not asked */
                options->n_luns_max = 0;
        }
}

static int copy_texts(StorageManager *manager) {
        manager->base_name = strdup(manager->options.base_name);
        if (!manager->base_name)
                return -ENOMEM;
        manager->options.base_name = manager->base_name;
        if (!manager->options.serial)
                return 0;
        manager->serial = strdup(manager->options.serial);
        return manager->serial ? 0 : -ENOMEM;
}

static int storage_init_cache(StorageManager *manager) {
        if (!manager->options.has_cache)
                return 0;
        manager->options.cache.request_timeout_ns = manager->options.device_timeout_ms * NS_PER_MS;
        return cache_manager_new(&manager->cache, manager->loop, manager->options.arena_fd,
                                 &manager->options.cache);
}

int storage_manager_new(StorageManager **ret, UsbDevice *device, const StorageOptions *options,
                        const StorageHandlers *handlers, void *userdata) {
        _cleanup_(storage_manager_freep) StorageManager *manager = NULL;
        int r;

        assert(options->base_name);

        manager = calloc(1, sizeof(*manager));
        if (!manager) {
                usb_device_free(device);
                return -ENOMEM;
        }
        manager->loop = usb_device_get_loop(device);
        manager->state = STORAGE_STATE_STOPPED; /* until its task is started */
        manager->options = *options;
        manager->handlers = handlers;
        manager->userdata = userdata;
        snprintf(manager->name, sizeof(manager->name), "%s", usb_device_get_name(device));
        set_defaults(&manager->options);
        storage_set_stack_options(manager);
        storage_facts_init(&manager->facts, options->quirks, options->known);
        storage_facts_apply(&manager->facts, &manager->quirks);
        storage_remains_init(&manager->remains);
        storage_requests_init(&manager->requests);
        storage_smart_init(&manager->smart, &options->smart);
        manager->budget.rate_max = options->rate_max;
        for (unsigned i = 0; i < STORAGE_LUNS_MAX; i++) {
                storage_unit_init(&manager->units[i], manager->loop, i, unit_on_idle,
                                  unit_on_active);
                manager->units[i].on_client_ended = unit_on_client_ended;
                manager->units[i].budget = &manager->budget;
        }

        r = storage_make_stack(manager, device);
        if (r < 0)
                return r;
        r = copy_texts(manager);
        if (r < 0)
                return r;
        r = storage_collector_init(manager);
        if (r < 0)
                return r;
        r = storage_power_init(manager);
        if (r < 0)
                return r;
        r = storage_init_cache(manager);
        if (r < 0)
                return r;
        r = task_start(NULL, manager->loop, "storage", storage_live, storage_on_end, manager);
        if (r < 0)
                return r;
        manager->state = STORAGE_STATE_STARTING;
        *ret = TAKE_PTR(manager);
        return 0;
}

StorageManager *storage_manager_free(StorageManager *manager) {
        if (!manager)
                return NULL;

        assert(manager->state == STORAGE_STATE_STOPPED);
        for (unsigned i = 0; i < STORAGE_LUNS_MAX; i++)
                storage_unit_done(&manager->units[i]);
        storage_collector_done(&manager->collector);
        storage_power_done(&manager->power);
        storage_remains_done(&manager->remains);
        storage_stack_free(manager->stack);
        usb_device_free(manager->returned);
        cache_manager_free(manager->cache);
        free(manager->base_name);
        free(manager->serial);
        free(manager);
        return NULL;
}

StorageState storage_manager_get_state(const StorageManager *manager) { return manager->state; }

unsigned storage_manager_get_n_luns(const StorageManager *manager) { return manager->n_units; }

CacheManager *storage_manager_get_cache(StorageManager *manager) { return manager->cache; }

/* A parked device's clients wait like all others. */
static bool accepts_clients(const StorageManager *manager) {
        return !manager->must_stop && !manager->has_failed &&
               (!manager->is_gone || storage_parks(manager)) &&
               manager->state != STORAGE_STATE_STOPPING;
}

int storage_manager_add_client(StorageManager *manager, unsigned lun, uint64_t generation, int fd,
                               const NbdAgreement *agreement) {
        if (lun >= manager->n_units || !accepts_clients(manager)) {
                fd_close(fd);
                return -ESTALE;
        }
        storage_manager_wake(manager);
        return storage_unit_add_session(&manager->units[lun], generation, fd, agreement);
}

void storage_manager_add_mount(StorageManager *manager, const ControlMount *mount, int fd,
                               int slots_fd) {
        if (accepts_clients(manager)) {
                storage_mounts_add(manager, mount, fd, slots_fd);
                return;
        }
        fd_close(fd);
        fd_close(slots_fd);
        if (manager->handlers->mount_ended)
                manager->handlers->mount_ended(manager, mount->id, -ESTALE, manager->userdata);
}

void storage_manager_end_mount(StorageManager *manager, uint32_t id) {
        storage_mounts_end(manager, id);
}

void storage_manager_set_gone(StorageManager *manager) {
        if (manager->stack)
                storage_stack_set_gone(manager->stack);
}

int storage_manager_replug(StorageManager *manager, UsbDevice *device) {
        if (manager->state != STORAGE_STATE_PARKED || manager->returned) {
                usb_device_free(device);
                return -EBUSY;
        }
        manager->returned = device;
        storage_manager_wake(manager);
        return 0;
}

void storage_manager_recall(StorageManager *manager, const UsbLearnedFacts *known) {
        storage_facts_init(&manager->facts, manager->options.quirks, known);
}

void storage_manager_stop(StorageManager *manager) {
        manager->must_stop = true;
        storage_manager_wake(manager);
}

int storage_manager_add_remains(StorageManager *manager, uint32_t id, unsigned luns, int fd) {
        if (!manager->cache) {
                fd_close(fd);
                return -EOPNOTSUPP;
        }
        return storage_remains_add(&manager->remains, id, luns, fd);
}

void storage_manager_saved(StorageManager *manager, unsigned luns, int error) {
        if (manager->n_saving == 0)
                return;
        /* The answer that is waited for is the last one; those before may be late. */
        manager->n_saving--;
        if (error == 0)
                manager->luns_saved |= luns;
        else
                manager->luns_saved &= ~luns;
        storage_manager_wake(manager);
}

void storage_manager_request(StorageManager *manager, const ControlRequest *request, int fd) {
        storage_requests_add(manager, request, fd);
}

void storage_manager_cancel_request(StorageManager *manager, uint64_t id) {
        storage_requests_cancel(manager, id);
}
