/* A mount is one more client of its unit, that closes with it. */

#include "storage/storage_mounts.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "export/fuse_session.h"

typedef struct StorageMount {
        StorageUnit *unit; /* borrowed: its owner */
        ControlMount message;
        int fd;               /* owned, until it is served */
        int slots_fd;         /* owned, likewise */
        FuseSession *session; /* owned; NULL: waits for its unit */
        bool is_left;         /* to a successor */
        ListNode node;        /* StorageUnit::mounts */
} StorageMount;

static StorageManager *get_manager(StorageUnit *unit) {
        return container_of(unit - unit->lun, StorageManager, units[0]);
}

static void mount_free(StorageMount *mount) {
        fuse_session_free(mount->session);
        fd_close(mount->fd);
        fd_close(mount->slots_fd);
        list_unlink(&mount->node);
        free(mount);
}

static void tell_ended(StorageManager *manager, uint32_t id, int error) {
        if (manager->handlers->mount_ended)
                manager->handlers->mount_ended(manager, id, error, manager->userdata);
}

static void session_on_ended(FuseSession *session, int error, void *userdata) {
        StorageMount *mount = userdata;
        StorageUnit *unit = mount->unit;
        bool is_left = mount->is_left;
        uint32_t id = mount->message.id;

        mount_free(mount);
        assert(unit->n_sessions > 0);
        unit->n_sessions--;
        if (!is_left)
                tell_ended(get_manager(unit), id, error == -ECANCELED ? 0 : error);
        unit->on_idle(unit);
}

/* What does not depend on which questions a unit has answered this time. */
static CacheIdentity get_steady_identity(const StorageUnit *unit) {
        CacheIdentity identity = unit->identity;

        memset(identity.unit_serial, 0, sizeof(identity.unit_serial));
        memset(identity.identifier, 0, sizeof(identity.identifier));
        return identity;
}

static int mount_start(StorageMount *mount) {
        StorageUnit *unit = mount->unit;
        CacheIdentity identity = get_steady_identity(unit);
        int r;

        r = fuse_session_start(&mount->session, unit->block, TAKE_FD(mount->fd), mount->slots_fd,
                               &(FuseSessionOptions){
                                               .request_timeout_ns = unit->request_timeout_ns,
                                               .budget = unit->budget,
                                               .uid = mount->message.uid,
                                               .gid = mount->message.gid,
                                               .is_read_only = mount->message.is_read_only,
                                               .realtime_ns = mount->message.realtime_ns,
                                               .identity = &identity,
                                               .identity_size = sizeof(identity),
                               },
                               session_on_ended, mount);
        mount->slots_fd = fd_close(mount->slots_fd);
        return r;
}

static void serve(StorageManager *manager, StorageMount *mount) {
        StorageUnit *unit = mount->unit;
        uint32_t id = mount->message.id;
        int r;

        r = mount_start(mount);
        if (r < 0) {
                log_device_warning(unit->name, "A FUSE mount of it can't be served: %s",
                                   r == -ESTALE ? "it was of another medium" : strerror(-r));
                mount_free(mount);
                tell_ended(manager, id, r);
                return;
        }
        unit->n_sessions++;
        if (manager->handlers->mount_served)
                manager->handlers->mount_served(manager, id, manager->userdata);
}

static int mount_new(StorageMount **ret, StorageUnit *unit, const ControlMount *message, int fd,
                     int slots_fd) {
        StorageMount *mount;

        mount = calloc(1, sizeof(*mount));
        if (!mount) {
                fd_close(fd);
                fd_close(slots_fd);
                return -ENOMEM;
        }
        mount->unit = unit;
        mount->message = *message;
        mount->fd = fd;
        mount->slots_fd = slots_fd;
        list_init(&mount->node);
        list_append(&unit->mounts, &mount->node);
        *ret = mount;
        return 0;
}

void storage_mounts_add(StorageManager *manager, const ControlMount *message, int fd,
                        int slots_fd) {
        StorageUnit *unit = &manager->units[message->lun];
        bool is_there = unit->is_open && unit->is_announced && !unit->is_medium_changed;
        StorageMount *mount;
        int r;

        r = mount_new(&mount, unit, message, fd, slots_fd);
        if (r < 0) {
                tell_ended(manager, message->id, r);
                return;
        }
        if (message->generation != 0 && (!is_there || message->generation != unit->generation)) {
                mount_free(mount);
                tell_ended(manager, message->id, -ESTALE);
                return;
        }
        if (!is_there)
                return;
        serve(manager, mount);
        storage_manager_wake(manager);
}

static void end(StorageManager *manager, StorageMount *mount) {
        uint32_t id = mount->message.id;

        if (mount->session) {
                fuse_session_shut_down(mount->session);
                return;
        }
        mount_free(mount);
        tell_ended(manager, id, 0);
}

void storage_mounts_end(StorageManager *manager, uint32_t id) {
        for (unsigned i = 0; i < STORAGE_LUNS_MAX; i++)
                LIST_FOR_EACH (node, &manager->units[i].mounts) {
                        StorageMount *mount = list_entry(node, StorageMount, node);

                        if (mount->message.id == id)
                                end(manager, mount);
                }
}

void storage_mounts_serve(StorageManager *manager, StorageUnit *unit) {
        LIST_FOR_EACH (node, &unit->mounts) {
                StorageMount *mount = list_entry(node, StorageMount, node);

                if (!mount->session)
                        serve(manager, mount);
        }
}

void storage_mounts_shut_down(StorageManager *manager, StorageUnit *unit) {
        LIST_FOR_EACH (node, &unit->mounts)
                end(manager, list_entry(node, StorageMount, node));
}

void storage_mounts_leave(StorageManager *manager, StorageUnit *unit) {
        LIST_FOR_EACH (node, &unit->mounts) {
                StorageMount *mount = list_entry(node, StorageMount, node);

                mount->is_left = true;
                if (mount->session)
                        fuse_session_leave(mount->session);
                else
                        mount_free(mount);
        }
}

void storage_mounts_set_timeout(StorageUnit *unit, uint64_t timeout_ns) {
        LIST_FOR_EACH (node, &unit->mounts) {
                StorageMount *mount = list_entry(node, StorageMount, node);

                if (mount->session)
                        fuse_session_set_request_timeout(mount->session, timeout_ns);
        }
}
