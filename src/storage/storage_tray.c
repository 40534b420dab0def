/*
 * A medium comes out when all that was written is on it and nobody uses it any more, or whoever does
 * is to lose it. Whatever the drive did, the unit is looked at anew.
 */

#include "storage/storage_tray.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "storage/storage_description.h"
#include "storage/storage_exclusive.h"

/* For the flush, if there is something to be flushed, and to wait for its turn. */
#define TIMEOUT_DEFAULT_NS (60 * NS_PER_S)
#define LOOK_TIMEOUT_NS (10 * NS_PER_S)
#define LOOK_POLL_NS NS_PER_MS

static int move(StorageRequest *request, Task *task, StorageUnit *unit) {
        ScsiTarget *target = storage_stack_get_target(request->manager->stack);
        bool is_eject = request->request.kind == CONTROL_REQUEST_KIND_EJECT;
        char text[SCSI_SENSE_TEXT_SIZE];
        ScsiSense sense;

        if (is_eject ? storage_medium_eject(&unit->medium, task, target, &sense)
                     : storage_medium_load(&unit->medium, task, target, &sense)) {
                log_device_notice(request->manager->name, "LUN %u: the medium was %s", unit->lun,
                                  is_eject ? "brought out" : "taken in");
                unit->is_medium_changed = true;
                return 0;
        }
        if (storage_manager_must_end(request->manager))
                return -ENODEV;
        snprintf(request->reply.words, sizeof(request->reply.words), "%s",
                 sense.key != 0 ? scsi_sense_format(&sense, text, sizeof(text))
                                : "the drive does not answer");
        return sense.key == SCSI_SENSE_KEY_ILLEGAL_REQUEST && sense.asc == 0x20 ? -EOPNOTSUPP
                                                                                : -EIO;
}

/* So that whoever is told that it is done sees what came of it. A disc that takes its time to become
 * ready is told of later. */
static void await_look(StorageManager *manager, Task *task, const StorageUnit *unit) {
        uint64_t deadline_ns = event_loop_now_ns(manager->loop) + LOOK_TIMEOUT_NS;

        while ((unit->is_medium_changed || manager->is_tending) &&
               !storage_manager_must_end(manager) && event_loop_now_ns(manager->loop) < deadline_ns)
                if (task_sleep(task, LOOK_POLL_NS) < 0)
                        return;
        storage_description_update_now(manager);
}

int storage_tray_run(StorageRequest *request, Task *task) {
        StorageManager *manager = request->manager;
        bool is_forced = request->request.flags & CONTROL_REQUEST_FORCE;
        StorageUnit *unit = &manager->units[request->request.lun];
        StorageExclusive exclusive;
        int r;

        if (!unit->medium.is_watched)
                return -EOPNOTSUPP;
        if (request->request.kind == CONTROL_REQUEST_KIND_EJECT && unit->n_sessions > 0 &&
            !is_forced)
                return -EBUSY;
        r = storage_exclusive_begin(&exclusive, manager, task, unit,
                                    event_loop_now_ns(manager->loop) + TIMEOUT_DEFAULT_NS,
                                    /* is_given_up= */ false);
        if (r < 0)
                return r;
        r = storage_manager_must_end(manager) || !manager->stack ? -ENODEV
                                                                 : move(request, task, unit);
        storage_exclusive_end(&exclusive, /* is_changed= */ false);
        if (r == 0)
                await_look(manager, task, unit);
        return r;
}
