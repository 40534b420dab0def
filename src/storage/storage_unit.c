/* A LUN's pipe, export and sessions: see storage_unit.h. */

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "block/lun.h"
#include "storage/storage_unit.h"

typedef struct StorageSession {
        StorageUnit *unit;   /* borrowed: its owner */
        NbdSession *session; /* owned */
        ListNode node;       /* StorageUnit::sessions */
} StorageSession;

void storage_unit_init(StorageUnit *unit, unsigned lun, StorageUnitIdle on_idle) {
        *unit = (StorageUnit){ .lun = lun, .on_idle = on_idle };
        list_init(&unit->sessions);
}

void storage_unit_done(StorageUnit *unit) {
        assert(!unit->is_open);
        assert(list_is_empty(&unit->sessions));
}

int storage_unit_open(StorageUnit *unit, ScsiTarget *target, const ScsiDisk *disk,
                      const StorageOptions *options) {
        int r;

        assert(!unit->is_open);
        assert(disk->has_medium);

        snprintf(unit->name, sizeof(unit->name), "%s-lun%u", options->base_name, unit->lun);
        snprintf(unit->description, sizeof(unit->description), "%s%s%s, %llu MiB", disk->vendor,
                 disk->vendor[0] != '\0' ? " " : "", disk->product,
                 (unsigned long long) (scsi_disk_get_size(disk) / MIB));

        r = lun_new(&unit->block, target, disk,
                    &(LunOptions){
                                    .name = unit->name,
                                    .is_read_only = options->is_read_only,
                                    .is_trim_enabled = options->is_trim_enabled,
                                    .command_timeout_ns = options->device_timeout_ms * NS_PER_MS,
                    });
        if (r < 0)
                return r;

        nbd_session_describe(unit->block, &unit->info);
        unit->request_timeout_ns = options->device_timeout_ms * NS_PER_MS;
        unit->is_open = true;
        unit->generation++;
        return 0;
}

static void session_on_ended(NbdSession *nbd_session, void *userdata) {
        StorageSession *session = userdata;
        StorageUnit *unit = session->unit;

        nbd_session_free(nbd_session);
        list_unlink(&session->node);
        free(session);

        assert(unit->n_sessions > 0);
        unit->n_sessions--;
        if (unit->n_sessions == 0)
                unit->on_idle(unit);
}

int storage_unit_add_session(StorageUnit *unit, uint64_t generation, int fd,
                             const NbdAgreement *agreement) {
        _cleanup_(freep) StorageSession *session = NULL;
        _cleanup_(fd_closep) int owned_fd = fd;
        int r;

        if (!unit->is_open || unit->is_medium_changed || generation != unit->generation)
                return -ESTALE;
        if (unit->n_sessions >= STORAGE_SESSIONS_PER_EXPORT_MAX)
                return -EUSERS;

        session = calloc(1, sizeof(*session));
        if (!session)
                return -ENOMEM;
        session->unit = unit;
        list_init(&session->node);

        r = nbd_session_new(&session->session, unit->block, TAKE_FD(owned_fd), agreement,
                            &(NbdSessionOptions){ .request_timeout_ns = unit->request_timeout_ns },
                            session_on_ended, session);
        if (r < 0)
                return r;

        list_append(&unit->sessions, &session->node);
        unit->n_sessions++;
        TAKE_PTR(session);
        return 0;
}

void storage_unit_end_sessions(StorageUnit *unit) {
        LIST_FOR_EACH (node, &unit->sessions)
                nbd_session_shut_down(list_entry(node, StorageSession, node)->session);
}

void storage_unit_close(StorageUnit *unit) {
        assert(list_is_empty(&unit->sessions));

        unit->block = block_device_free(unit->block);
        unit->is_open = false;
}
