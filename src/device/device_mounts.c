/*
 * A mount is served as long as somebody holds its descriptor. When the last one is closed the kernel fails
 * what it has, and what comes; so it does nobody harm to give a mount up, and no caller waits for ever for a
 * device that nobody can drive.
 */

#include "device/device_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/log.h"
#include "device/managed_device.h"
#include "export/fuse_session.h"

/* A request's deadline and the time that an unplugged device is waited for, as they are by default. */
#define PATIENCE_NS (90 * NS_PER_S)
/* Documentation/admin-guide/devices.txt */
#define FUSE_MAJOR 10
#define FUSE_MINOR 229

typedef struct DeviceMountEntry {
        uint32_t id;
        unsigned lun;
        int fd;       /* owned */
        int slots_fd; /* owned */
        char path[DEVICE_MOUNT_PATH_SIZE_MAX];
        uid_t uid;
        gid_t gid;
        bool is_read_only;
        bool is_served; /* by the worker that there is */
        bool must_end;
        ListNode node; /* DeviceMounts::list */
} DeviceMountEntry;

static void tell_changed(ManagedDevice *device, unsigned lun) {
        device->mounts.n_changes[lun]++;
        if (device->luns[lun].is_present)
                device->handlers->lun_changed(device, lun, MANAGED_DEVICE_NEWS_CHANGED,
                                              device->userdata);
}

static void entry_free(DeviceMountEntry *entry) {
        fd_close(entry->fd);
        fd_close(entry->slots_fd);
        free(entry);
}

static void entry_drop(ManagedDevice *device, DeviceMountEntry *entry) {
        unsigned lun = entry->lun;

        list_unlink(&entry->node);
        device->mounts.n--;
        entry_free(entry);
        tell_changed(device, lun);
}

static uint64_t get_realtime_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * NS_PER_S + (uint64_t) now.tv_nsec;
}

static void entry_send(ManagedDevice *device, const DeviceMountEntry *entry, uint64_t generation) {
        const int fds[] = { entry->fd, entry->slots_fd };
        ControlMessage message;
        ControlMount *body = &message.body.mount;

        control_message_init(&message, CONTROL_TYPE_MOUNT);
        body->generation = generation;
        body->realtime_ns = get_realtime_ns();
        body->id = entry->id;
        body->lun = entry->lun;
        body->uid = entry->uid;
        body->gid = entry->gid;
        body->is_read_only = entry->is_read_only;
        child_process_send(device->worker, &message, fds, N_ELEMENTS(fds));
}

static void entry_send_end(ManagedDevice *device, const DeviceMountEntry *entry) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_UNMOUNT);
        message.body.mount_state.id = entry->id;
        child_process_send(device->worker, &message, NULL, 0);
}

static DeviceMountEntry *find(const ManagedDevice *device, uint32_t id) {
        LIST_FOR_EACH (node, &device->mounts.list) {
                DeviceMountEntry *entry = list_entry(node, DeviceMountEntry, node);

                if (entry->id == id)
                        return entry;
        }
        return NULL;
}

static bool is_at(const DeviceMountEntry *entry, unsigned lun, const char *path) {
        return entry->lun == lun && (*path == '\0' || strcmp(entry->path, path) == 0);
}

static bool is_all_served(const ManagedDevice *device) {
        LIST_FOR_EACH (node, &device->mounts.list)
                if (!list_entry(node, DeviceMountEntry, node)->is_served)
                        return false;
        return true;
}

static void on_timer(EventTimer *timer) {
        ManagedDevice *device = container_of(timer, ManagedDevice, mounts.timer);

        LIST_FOR_EACH (node, &device->mounts.list) {
                DeviceMountEntry *entry = list_entry(node, DeviceMountEntry, node);

                if (entry->is_served)
                        continue;
                log_device_warning(device->name,
                                   "LUN %u could not be served for so long that who waits at its "
                                   "FUSE mount gets errors now",
                                   entry->lun);
                /* A worker that waits for the unit has the descriptor, too. */
                if (device->worker)
                        entry_send_end(device, entry);
                entry_drop(device, entry);
        }
}

int device_mounts_init(DeviceMounts *mounts, EventLoop *loop) {
        list_init(&mounts->list);
        return event_timer_init(&mounts->timer, loop, on_timer);
}

/* -EINVAL: it is none. */
static int check_fuse(int fd) {
        struct stat status;

        if (fstat(fd, &status) < 0)
                return -errno;
        return S_ISCHR(status.st_mode) && status.st_rdev == makedev(FUSE_MAJOR, FUSE_MINOR)
                               ? 0
                               : -EINVAL;
}

/* The worker maps it, so it must not shrink. */
static int make_slots(void) {
        _cleanup_(fd_closep) int fd = -EBADF;

        fd = memfd_create("usb-storage mount", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, (off_t) FUSE_SESSION_SLOTS_SIZE) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int entry_open(DeviceMountEntry *entry, int fd) {
        int flags = fcntl(fd, F_GETFL);

        entry->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (entry->fd < 0 || flags < 0 || fcntl(entry->fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        entry->slots_fd = make_slots();
        return MIN(entry->slots_fd, 0);
}

static int entry_new(DeviceMountEntry **ret, ManagedDevice *device, unsigned lun, int fd,
                     const DeviceMountOptions *options) {
        DeviceMountEntry *entry;
        int r;

        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return -ENOMEM;
        entry->fd = entry->slots_fd = -EBADF;
        entry->lun = lun;
        entry->uid = options->uid;
        entry->gid = options->gid;
        entry->is_read_only = options->is_read_only;
        snprintf(entry->path, sizeof(entry->path), "%s", options->path);
        list_init(&entry->node);
        r = entry_open(entry, fd);
        if (r < 0) {
                entry_free(entry);
                return r;
        }
        entry->id = ++device->mounts.last_id;
        *ret = entry;
        return 0;
}

int device_mounts_add(ManagedDevice *device, unsigned lun, int fd,
                      const DeviceMountOptions *options) {
        DeviceMountEntry *entry;
        int r;

        assert(device->worker && device->exports[lun].is_open);

        r = check_fuse(fd);
        if (r < 0)
                return r;
        if (strlen(options->path) >= DEVICE_MOUNT_PATH_SIZE_MAX)
                return -ENAMETOOLONG;
        if (device->mounts.n >= CONTROL_MOUNTS_MAX)
                return -ENOSPC;
        LIST_FOR_EACH (node, &device->mounts.list)
                if (*options->path != '\0' &&
                    is_at(list_entry(node, DeviceMountEntry, node), lun, options->path))
                        return -EEXIST;
        r = entry_new(&entry, device, lun, fd, options);
        if (r < 0)
                return r;
        list_append(&device->mounts.list, &entry->node);
        device->mounts.n++;
        entry_send(device, entry, device->exports[lun].worker_generation);
        tell_changed(device, lun);
        return 0;
}

static void entry_end(ManagedDevice *device, DeviceMountEntry *entry) {
        if (!device->worker) {
                entry_drop(device, entry);
                return;
        }
        entry->must_end = true;
        entry_send_end(device, entry);
}

int device_mounts_remove(ManagedDevice *device, unsigned lun, const char *path) {
        int r = -ENOENT;

        LIST_FOR_EACH (node, &device->mounts.list) {
                DeviceMountEntry *entry = list_entry(node, DeviceMountEntry, node);

                if (!is_at(entry, lun, path))
                        continue;
                entry_end(device, entry);
                r = 0;
        }
        return r;
}

const char *device_mounts_get(const ManagedDevice *device, unsigned lun, size_t index) {
        LIST_FOR_EACH (node, &device->mounts.list) {
                const DeviceMountEntry *entry = list_entry(node, DeviceMountEntry, node);

                if (entry->lun == lun && index-- == 0)
                        return entry->path;
        }
        return NULL;
}

void device_mounts_on_worker_started(ManagedDevice *device) {
        LIST_FOR_EACH (node, &device->mounts.list)
                entry_send(device, list_entry(node, DeviceMountEntry, node), 0);
}

void device_mounts_on_worker_ended(ManagedDevice *device) {
        LIST_FOR_EACH (node, &device->mounts.list) {
                DeviceMountEntry *entry = list_entry(node, DeviceMountEntry, node);

                entry->is_served = false;
                if (entry->must_end)
                        entry_drop(device, entry);
        }
        if (device->mounts.n > 0 && !event_timer_is_armed(&device->mounts.timer))
                event_timer_set(&device->mounts.timer,
                                event_loop_now_ns(device->loop) + PATIENCE_NS);
}

void device_mounts_on_served(ManagedDevice *device, const ControlMountState *state) {
        DeviceMountEntry *entry = find(device, state->id);

        if (entry)
                entry->is_served = true;
        if (is_all_served(device))
                event_timer_clear(&device->mounts.timer);
}

void device_mounts_on_ended(ManagedDevice *device, const ControlMountState *state) {
        DeviceMountEntry *entry = find(device, state->id);

        if (!entry)
                return;
        if (state->error < 0)
                log_device_info(device->name, "LUN %u: a FUSE mount has ended: %s", entry->lun,
                                strerror(-state->error));
        entry_drop(device, entry);
        if (is_all_served(device))
                event_timer_clear(&device->mounts.timer);
}

void device_mounts_done(ManagedDevice *device) {
        ListNode *node;

        while (device->mounts.n > 0 && (node = list_take_first(&device->mounts.list))) {
                device->mounts.n--;
                entry_free(list_entry(node, DeviceMountEntry, node));
        }
        event_timer_done(&device->mounts.timer);
}
