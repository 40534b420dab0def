/*
 * Each step is a part of the manager's task: it returns when it is done, or when the device does not
 * let it be done.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "scsi/scsi_bring_up.h"
#include "storage/storage_look.h"
#include "storage/storage_mounts.h"
#include "storage/storage_units.h"

/* How long sessions may take to finish what is in flight, beyond a request's own deadline. */
#define STORAGE_SESSIONS_GRACE_NS (5 * NS_PER_S)
/* How long a unit may still be looked at once its manager was told to stop. */
#define STORAGE_LOOK_GRACE_NS (2 * NS_PER_S)
/* A unit that could not be brought up is looked at again, at first after so long. */
#define STORAGE_RETRY_MIN_NS (10 * NS_PER_S)
#define STORAGE_RETRY_DOUBLINGS_MAX 5U
/* How long it may take to flush what is ejected. */
#define STORAGE_EJECT_FLUSH_NS (60 * NS_PER_S)
/* How long it may take to save an arena. */
#define STORAGE_SAVE_TIMEOUT_NS (300 * NS_PER_S)

/* Closing */

static void unit_announce_closed(StorageManager *manager, StorageUnit *unit) {
        if (!unit->is_announced)
                return;
        unit->is_announced = false;
        manager->handlers->export_closed(manager, unit->lun, unit->generation, manager->userdata);
}

void storage_units_begin_close(StorageManager *manager, StorageUnit *unit) {
        unit_announce_closed(manager, unit);
        storage_unit_end_sessions(unit,
                                  /* comes_again= */ manager->must_stop && !manager->is_given_up);
        storage_mounts_shut_down(manager, unit);
}

void storage_units_await_sessions(StorageManager *manager, Task *task, StorageUnit *unit) {
        uint64_t patience_ns = 2 * unit->request_timeout_ns + STORAGE_SESSIONS_GRACE_NS;

        while (unit->n_sessions > 0 || unit->n_requests > 0)
                if (storage_manager_wait(manager, task,
                                         event_loop_now_ns(manager->loop) + patience_ns) ==
                    -ETIMEDOUT)
                        log_device_warning(manager->name,
                                           "LUN %u still has %u sessions past their deadline",
                                           unit->lun, unit->n_sessions);
}

/* Has the manager save what is kept. Whether it is safe now. */
static bool storage_save(StorageManager *manager, Task *task, unsigned luns) {
        uint64_t deadline_ns = event_loop_now_ns(manager->loop) + STORAGE_SAVE_TIMEOUT_NS;

        manager->n_saving++;
        manager->luns_saved &= ~luns;
        manager->handlers->save(manager, luns, manager->userdata);
        while (manager->n_saving > 0)
                if (storage_manager_wait(manager, task, deadline_ns) == -ETIMEDOUT)
                        break;
        return (manager->luns_saved & luns) == luns;
}

void storage_units_set_aside(StorageManager *manager, Task *task, StorageUnit *unit) {
        uint64_t kept_size;
        bool is_saved = true;

        storage_unit_shut_down(unit);
        storage_units_begin_close(manager, unit);
        storage_units_await_sessions(manager, task, unit);
        kept_size = storage_unit_get_kept_size(unit);
        if (kept_size > 0) {
                log_device_warning(unit->name, "%llu bytes could not be written, saving them",
                                   (unsigned long long) kept_size);
                is_saved = storage_save(manager, task, 1U << unit->lun);
        }
        if (!is_saved) {
                log_device_error(unit->name,
                                 "They could not be saved yet, so they stay in the cache");
                /* With them in it no other medium can use the cache. */
                manager->has_unsaved |= manager->state != STORAGE_STATE_STOPPING;
        }
        storage_unit_close(unit, task, /* with_discard= */ is_saved);
}

/* Looking */

/* A look at a unit, in a task of its own: a disk that spins up takes longer than a stop may. */
typedef struct UnitLook {
        StorageManager *manager; /* borrowed */
        StorageLook look;
        CacheIdentity identity; /* of what is ready */
        bool has_ended;
} UnitLook;

static UnitLook unit_begin_look(StorageManager *manager, StorageUnit *unit) {
        UnitLook look = {
                .manager = manager,
                .look = {
                        .unit = unit,
                        .target = storage_stack_get_target(manager->stack),
                        .options = manager->quirks.bring_up,
                },
        };

        look.look.options.command_set = storage_stack_get_command_set(manager->stack);
        storage_facts_apply_to_look(&manager->facts, unit->lun, &look.look.options);
        look.look.options.asks_no_events |= unit->medium.lacks_events;
        return look;
}

static void look_on_end(Task *task, int result, void *userdata) {
        UnitLook *look = container_of(userdata, UnitLook, look);

        look->has_ended = true;
        storage_manager_wake(look->manager);
}

/* Returns when the look has ended; -ENOMEM. */
static int unit_look(UnitLook *look, Task *task, TaskMain run) {
        StorageManager *manager = look->manager;
        uint64_t deadline_ns = TASK_NEVER;
        Task *look_task;
        int r;

        r = task_start(&look_task, manager->loop, "look", run, look_on_end, &look->look);
        if (r < 0)
                return r;

        while (!look->has_ended) {
                if (manager->must_stop && deadline_ns == TASK_NEVER &&
                    !task_is_cancelled(look_task))
                        deadline_ns = event_loop_now_ns(manager->loop) + STORAGE_LOOK_GRACE_NS;
                r = storage_manager_wait(manager, task, deadline_ns);
                if (r == -ETIMEDOUT && !look->has_ended) {
                        task_cancel(look_task);
                        deadline_ns = TASK_NEVER;
                }
        }
        return 0;
}

/* What failed may have been a glitch, but a LUN that is broken for good must not keep the device
 * busy. */
static void unit_plan_retry(StorageManager *manager, StorageUnit *unit) {
        unsigned n_doublings = MIN(unit->n_failures, STORAGE_RETRY_DOUBLINGS_MAX);

        unit->n_failures++;
        unit->retry_ns = event_loop_now_ns(manager->loop) + (STORAGE_RETRY_MIN_NS << n_doublings);
}

/* What was left out for the sake of another unit that was here is made up for. */
static int unit_look_and_learn(UnitLook *look, Task *task) {
        StorageManager *manager = look->manager;
        StorageUnit *unit = look->look.unit;
        int r;

        r = unit_look(look, task, storage_look_run);
        if (r < 0 || !storage_facts_learn_disk(&manager->facts, unit->lun, &look->look.disk,
                                               look->look.result == SCSI_BRING_UP_RESULT_READY))
                return r;
        *look = unit_begin_look(manager, unit);
        r = unit_look(look, task, storage_look_run);
        if (r == 0)
                storage_facts_learn_disk(&manager->facts, unit->lun, &look->look.disk,
                                         look->look.result == SCSI_BRING_UP_RESULT_READY);
        return r;
}

/* A reader that is always ready is looked at again and again, in case that something is in it. */
static void unit_tell_obstacle(const StorageManager *manager, const StorageLook *look) {
        StorageUnit *unit = look->unit;
        bool is_empty = look->result == SCSI_BRING_UP_RESULT_NO_MEDIUM;
        bool is_told = is_empty && unit->is_told_empty;

        unit->is_told_empty = is_empty;
        if (is_told)
                return;
        log_device_info(manager->name, "LUN %u is not exported: %s", unit->lun,
                        look->disk.obstacle ?: scsi_bring_up_result_to_string(look->result));
}

/* Returns 1 with what is there, 0 if there is nothing to export, -ENODEV: gone, -ENOMEM. */
static int unit_find(UnitLook *look, Task *task) {
        StorageManager *manager = look->manager;
        unsigned lun = look->look.unit->lun;
        int r;

        storage_stack_set_unit(manager->stack, lun, NULL);
        r = unit_look_and_learn(look, task);
        if (r < 0)
                return r;
        look->look.unit->is_seen = storage_look_has_identity(&look->look);
        if (look->look.unit->is_seen)
                look->look.unit->seen = look->look.disk;
        if (look->look.unit->is_seen)
                error_handler_set_removable(storage_stack_get_error_handler(manager->stack),
                                            (uint8_t) lun, look->look.disk.is_removable);
        if (manager->must_stop)
                return 0;

        switch (look->look.result) {
        case SCSI_BRING_UP_RESULT_READY:
                cache_identity_init(&look->identity,
                                    usb_device_get_descriptors(
                                                    storage_stack_get_device(manager->stack)),
                                    manager->serial ?: "", &look->look.disk);
                look->look.unit->is_told_empty = false;
                look->look.unit->known =
                                storage_facts_get_unit(&manager->facts, lun, &look->look.disk);
                storage_stack_set_unit(manager->stack, lun, &look->look.disk);
                return 1;
        case SCSI_BRING_UP_RESULT_FAILED:
                unit_plan_retry(manager, look->look.unit);
                /* fallthrough */
        case SCSI_BRING_UP_RESULT_NO_UNIT:
        case SCSI_BRING_UP_RESULT_NO_MEDIUM:
        case SCSI_BRING_UP_RESULT_UNSUPPORTED:
                unit_tell_obstacle(manager, &look->look);
                return 0;
        case SCSI_BRING_UP_RESULT_GONE:
                return -ENODEV;
        case _SCSI_BRING_UP_RESULT_MAX:
                break;
        }
        assert_not_reached();
}

static void unit_announce(StorageManager *manager, StorageUnit *unit) {
        bool is_read_only = unit->info.transmission_flags & NBD_FLAG_READ_ONLY;

        log_device_info(manager->name, "LUN %u is exported as %s: %s%s", unit->lun, unit->name,
                        unit->description, is_read_only ? ", read-only" : "");
        unit->is_announced = true;
        manager->handlers->export_opened(manager,
                                         &(StorageExport){
                                                         .lun = unit->lun,
                                                         .generation = unit->generation,
                                                         .name = unit->name,
                                                         .description = unit->description,
                                                         .info = unit->info,
                                         },
                                         manager->userdata);
}

/* What a predecessor's mounts had asked for is older than what others may ask for from now on. */
void storage_units_serve(StorageManager *manager, StorageUnit *unit) {
        storage_mounts_serve(manager, unit);
        unit_announce(manager, unit);
        storage_unit_start_sampling(unit);
}

void storage_units_on_remains_left(uint32_t id, unsigned luns, void *userdata) {
        StorageManager *manager = userdata;

        manager->handlers->remains_left(manager, id, luns, manager->userdata);
}

/* Without a part of what was acknowledged it must not be seen. Nothing is lost: it is still where it
 * was before. */
static void unit_postpone(StorageManager *manager, Task *task, StorageUnit *unit, int error) {
        storage_unit_park(unit);
        storage_unit_detach(unit, task);
        storage_unit_shut_down(unit);
        storage_unit_close(unit, task, /* with_discard= */ true);
        if (storage_manager_must_end(manager))
                return;
        unit_plan_retry(manager, unit);
        log_device_error(unit->name,
                         "It is not exported yet, as what was written before can't be given back: "
                         "%s. Trying again in %llu s",
                         error == -EXFULL ? "it takes no writes, and the cache can't hold all"
                                          : strerror(-error),
                         (unsigned long long) ((unit->retry_ns - event_loop_now_ns(manager->loop)) /
                                               NS_PER_S));
}

static int unit_open(StorageManager *manager, Task *task, const UnitLook *look) {
        StorageUnit *unit = look->look.unit;
        int r;

        r = storage_unit_open(unit, storage_stack_get_target(manager->stack), &look->look.disk,
                              manager->cache, &look->identity, &manager->options);
        if (r < 0)
                return r;
        r = storage_remains_give(&manager->remains, task, unit, manager->cache);
        if (r < 0) {
                unit_postpone(manager, task, unit, r);
                return storage_manager_must_end(manager) ? r : 0;
        }
        unit->n_failures = 0;
        /* Before the first client may write: what a successor is given after that is older. */
        storage_remains_tell(&manager->remains, storage_units_on_remains_left, manager);
        if (!manager->opens_together)
                storage_units_serve(manager, unit);
        return 0;
}

int storage_units_bring_up(StorageManager *manager, Task *task, StorageUnit *unit) {
        UnitLook look = unit_begin_look(manager, unit);
        int r;

        r = unit_find(&look, task);
        return r <= 0 ? r : unit_open(manager, task, &look);
}

/* Whether what was found is what the clients of a detached unit know: 1, 0, -errno. */
static int unit_resume(StorageManager *manager, Task *task, StorageUnit *unit,
                       const UnitLook *look) {
        /* Media were exchanged here, and it may be that for which data waits. */
        if (storage_remains_has_lun(&manager->remains, unit->lun) &&
            !storage_unit_has_samples(unit))
                return 0;
        if (look->look.disk.is_read_only != unit->disk.is_read_only) {
                log_device_info(unit->name, "It is write protected %s",
                                look->look.disk.is_read_only ? "now" : "no longer");
                return 0;
        }
        return storage_unit_return(unit, task, storage_stack_get_target(manager->stack),
                                   &look->look.disk, &look->identity, &manager->options);
}

int storage_units_return(StorageManager *manager, Task *task, StorageUnit *unit) {
        UnitLook look = unit_begin_look(manager, unit);
        int r;

        /* Its clients were told that it is over. */
        if (storage_unit_is_shut_down(unit))
                return 0;
        r = unit_find(&look, task);
        if (r < 0)
                return r;
        if (manager->must_stop)
                return 1; /* the stop sees to it */
        if (r > 0)
                r = unit_resume(manager, task, unit, &look);
        if (r == 0)
                log_device_warning(unit->name, "Its medium is not there any more");
        if (r <= 0)
                return r;
        unit->n_failures = 0;
        log_device_info(unit->name, "The same medium is there again");
        return 1;
}

int storage_units_replace(StorageManager *manager, Task *task, StorageUnit *unit) {
        storage_units_set_aside(manager, task, unit);
        return storage_manager_must_end(manager) ? 0 : storage_units_bring_up(manager, task, unit);
}

/* Write protection that has changed is a change of the medium. */
static int unit_check_modes(StorageManager *manager, Task *task, StorageUnit *unit) {
        UnitLook look = unit_begin_look(manager, unit);
        int r;

        r = unit_look(&look, task, storage_look_at_modes);
        if (r < 0 || look.look.result == SCSI_BRING_UP_RESULT_GONE)
                return r < 0 ? r : -ENODEV;
        if (storage_look_has_news(&look.look))
                unit->is_medium_changed = true;
        return 0;
}

int storage_units_reopen(StorageManager *manager, Task *task, StorageUnit *unit) {
        int r;

        if (!unit->is_open)
                return storage_units_bring_up(manager, task, unit);
        if (!unit->is_medium_changed)
                return unit_check_modes(manager, task, unit);
        if (unit->volume) {
                storage_unit_park(unit);
                storage_unit_detach(unit, task);
                r = storage_units_return(manager, task, unit);
                return r != 0 ? MIN(r, 0) : storage_units_replace(manager, task, unit);
        }
        storage_units_begin_close(manager, unit);
        storage_units_await_sessions(manager, task, unit);
        storage_unit_close(unit, task, /* with_discard= */ false);
        r = storage_units_bring_up(manager, task, unit);
        return r;
}

/* False: what was written is not all on the medium. */
static bool unit_flush(Task *task, StorageUnit *unit) {
        uint64_t deadline_ns = event_loop_now_ns(unit->medium.loop) + STORAGE_EJECT_FLUSH_NS;
        int r = storage_unit_flush(unit, task, deadline_ns);

        if (r < 0)
                log_device_error(unit->name, "The medium stays in, as it could not be flushed: %s",
                                 strerror(-r));
        return r >= 0;
}

void storage_units_eject(StorageManager *manager, Task *task, StorageUnit *unit) {
        ScsiTarget *target = storage_stack_get_target(manager->stack);
        char text[SCSI_SENSE_TEXT_SIZE];
        ScsiSense sense;

        unit->is_eject_wanted = false;
        if (unit->is_open && !unit_flush(task, unit))
                return;
        /* A client that came meanwhile keeps it. */
        unit->is_eject_wanted = unit->n_sessions > 0;
        if (unit->is_eject_wanted || unit->is_medium_changed || storage_manager_must_end(manager))
                return;

        unit_announce_closed(manager, unit);
        if (storage_medium_eject(&unit->medium, task, target, &sense)) {
                log_device_notice(manager->name,
                                  "LUN %u: the medium came out by the drive's button", unit->lun);
                unit->is_medium_changed = true;
                return;
        }
        log_device_warning(manager->name, "LUN %u: the medium does not come out: %s", unit->lun,
                           sense.key != 0 ? scsi_sense_format(&sense, text, sizeof(text))
                                          : "the drive does not answer");
        if (unit->is_open && !unit->is_medium_changed && !storage_manager_must_end(manager))
                unit_announce(manager, unit);
}
