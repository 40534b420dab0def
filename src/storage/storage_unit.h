#pragma once

/*
 * StorageUnit
 *
 * One LUN of a device: the pipe of BlockDevices above it, its export, and the sessions on that. A
 * unit without a medium has neither pipe nor export. Each opening has a generation of its own, so
 * that a client of an earlier one is never served from a later.
 */

#include "export/nbd_session.h"
#include "scsi/scsi_disk.h"
#include "storage/storage_manager.h"

#define STORAGE_NAME_SIZE_MAX 128

typedef struct StorageUnit StorageUnit;

/* The last session of a unit has ended. */
typedef void (*StorageUnitIdle)(StorageUnit *unit);

struct StorageUnit {
        unsigned lun;
        uint64_t generation;
        bool is_open;
        bool is_medium_changed; /* the device said so: to be closed and looked at again */
        char name[STORAGE_NAME_SIZE_MAX];
        char description[STORAGE_NAME_SIZE_MAX];
        NbdExportInfo info;
        BlockDevice *block; /* owned: the top of the pipe, which here is the Lun itself */
        uint64_t request_timeout_ns;
        ListNode sessions; /* StorageSession::node */
        unsigned n_sessions;
        StorageUnitIdle on_idle;
};

void storage_unit_init(StorageUnit *unit, unsigned lun, StorageUnitIdle on_idle);
/* Closed, and without sessions. */
void storage_unit_done(StorageUnit *unit);

/* Builds the pipe on `target` for `disk`; the export may be announced then. -errno. */
int storage_unit_open(StorageUnit *unit, ScsiTarget *target, const ScsiDisk *disk,
                      const StorageOptions *options);
/* Takes `fd` over. -ESTALE: closed or another generation, -EUSERS: too many sessions. */
int storage_unit_add_session(StorageUnit *unit, uint64_t generation, int fd,
                             const NbdAgreement *agreement);
/* Sessions finish what is in flight, then end. */
void storage_unit_end_sessions(StorageUnit *unit);
/* Takes the pipe down; no session is left. */
void storage_unit_close(StorageUnit *unit);
