/*
 * Objects of libudev are copies of FakeDevices, so that one which was removed meanwhile is still
 * what it was for who holds it. What libudev refuses (a device that is not there) is refused here.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <linux/usbdevice_fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fake_host.h"

#define DESCRIPTORS_FILE "/descriptors"

struct udev {
        unsigned n_references;
};

struct udev_device {
        FakeDevice device;
        const char *action;
        struct udev_device *parent; /* owned, by the one that asked for it */
};

struct udev_list_entry {
        const char *name;
        struct udev_list_entry *next;
};

struct udev_enumerate {
        const char *subsystem;
        const char *type;
        const char *parent_path;
        struct udev_list_entry entries[FAKE_HOST_DEVICES_MAX];
        size_t n_entries;
};

struct udev_monitor {
        int unused;
};

typedef struct FakeEvent {
        const char *action;
        const char *sys_path;
} FakeEvent;

static FakeHost *the_host;
static FakeEvent events[FAKE_HOST_EVENTS_MAX];
static size_t n_events;

/* The host */

void fake_host_init(FakeHost *host) {
        *host = (FakeHost){ .failing_interface = -1 };
        host->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
        ck_assert_int_ge(host->event_fd, 0);
        n_events = 0;
        the_host = host;
}

void fake_host_done(FakeHost *host) {
        fd_close(host->event_fd);
        the_host = NULL;
}

void fake_host_add(FakeHost *host, const FakeDevice *device) {
        ck_assert_uint_lt(host->n_devices, FAKE_HOST_DEVICES_MAX);
        host->devices[host->n_devices++] = *device;
}

static bool is_below(const char *path, const char *parent_path) {
        size_t size = strlen(parent_path);

        return strncmp(path, parent_path, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

void fake_host_remove(FakeHost *host, const char *sys_path) {
        for (size_t i = 0; i < host->n_devices; i++)
                if (host->devices[i].sys_path && is_below(host->devices[i].sys_path, sys_path))
                        host->devices[i].sys_path = NULL;
}

void fake_host_add_stick(FakeHost *host) {
        static const FakeDevice stick = {
                FAKE_STICK,
                "usb",
                "usb_device",
                FAKE_STICK_NODE,
                { { "idVendor", "1209" }, { "idProduct", "0001" }, { "serial", "STICK" } },
        };
        static const FakeDevice interface = {
                FAKE_STICK_INTERFACE,
                "usb",
                "usb_interface",
                NULL,
                { { "bInterfaceClass", "08" }, { "bInterfaceNumber", "00" } },
        };
        static const FakeDevice disk = {
                FAKE_STICK_BLOCK, "block", "disk", FAKE_STICK_DISK, {},
        };

        fake_host_add(host, &stick);
        fake_host_add(host, &interface);
        fake_host_add(host, &disk);
        host->drivers[0] = "usb-storage";
}

void fake_host_send(FakeHost *host, const char *action, const char *sys_path) {
        ck_assert_uint_lt(n_events, FAKE_HOST_EVENTS_MAX);
        events[n_events++] = (FakeEvent){ action, sys_path };
        ck_assert_int_eq(eventfd_write(host->event_fd, 1), 0);
}

static const FakeDevice *find_device(const char *sys_path) {
        for (size_t i = 0; i < the_host->n_devices; i++) {
                const FakeDevice *device = &the_host->devices[i];

                if (device->sys_path && strcmp(device->sys_path, sys_path) == 0)
                        return device;
        }
        return NULL;
}

/* libudev: devices */

struct udev *udev_new(void) {
        return calloc(1, sizeof(struct udev));
}

struct udev *udev_unref(struct udev *udev) {
        free(udev);
        return NULL;
}

struct udev_device *udev_device_new_from_syspath(struct udev *udev, const char *syspath) {
        const FakeDevice *found = find_device(syspath);
        struct udev_device *device;

        if (!found)
                return NULL;
        device = calloc(1, sizeof(*device));
        ck_assert_ptr_nonnull(device);
        device->device = *found;
        return device;
}

struct udev_device *udev_device_unref(struct udev_device *udev_device) {
        if (udev_device->parent)
                udev_device_unref(udev_device->parent);
        free(udev_device);
        return NULL;
}

struct udev_device *udev_device_get_parent_with_subsystem_devtype(struct udev_device *udev_device,
                                                                  const char *subsystem,
                                                                  const char *devtype) {
        const FakeDevice *found = NULL;
        char path[256];

        if (udev_device->parent)
                return udev_device->parent;
        strcpy(path, udev_device->device.sys_path);
        while (!found || strcmp(found->type, devtype) != 0) {
                char *slash = strrchr(path, '/');

                if (slash == path)
                        return NULL;
                *slash = '\0';
                found = find_device(path);
        }
        udev_device->parent = udev_device_new_from_syspath(NULL, path);
        return udev_device->parent;
}

const char *udev_device_get_syspath(struct udev_device *udev_device) {
        return udev_device->device.sys_path;
}

const char *udev_device_get_sysname(struct udev_device *udev_device) {
        return strrchr(udev_device->device.sys_path, '/') + 1;
}

const char *udev_device_get_devnode(struct udev_device *udev_device) {
        return udev_device->device.dev_path;
}

const char *udev_device_get_devtype(struct udev_device *udev_device) {
        return udev_device->device.type;
}

const char *udev_device_get_action(struct udev_device *udev_device) { return udev_device->action; }

const char *udev_device_get_sysattr_value(struct udev_device *udev_device, const char *sysattr) {
        for (size_t i = 0; i < N_ELEMENTS(udev_device->device.attributes); i++) {
                const FakeAttribute *attribute = &udev_device->device.attributes[i];

                if (attribute->name && strcmp(attribute->name, sysattr) == 0)
                        return attribute->value;
        }
        return NULL;
}

/* libudev: lists */

struct udev_enumerate *udev_enumerate_new(struct udev *udev) {
        return calloc(1, sizeof(struct udev_enumerate));
}

struct udev_enumerate *udev_enumerate_unref(struct udev_enumerate *udev_enumerate) {
        free(udev_enumerate);
        return NULL;
}

int udev_enumerate_add_match_subsystem(struct udev_enumerate *udev_enumerate,
                                       const char *subsystem) {
        udev_enumerate->subsystem = subsystem;
        return 0;
}

int udev_enumerate_add_match_property(struct udev_enumerate *udev_enumerate, const char *property,
                                      const char *value) {
        ck_assert_str_eq(property, "DEVTYPE");
        udev_enumerate->type = value;
        return 0;
}

int udev_enumerate_add_match_parent(struct udev_enumerate *udev_enumerate,
                                    struct udev_device *parent) {
        const FakeDevice *found = find_device(parent->device.sys_path);

        udev_enumerate->parent_path = found ? found->sys_path : "/sys/nowhere";
        return 0;
}

static bool is_matched(const struct udev_enumerate *enumerate, const FakeDevice *device) {
        if (!device->sys_path || strcmp(device->subsystem, enumerate->subsystem) != 0 ||
            strcmp(device->type, enumerate->type) != 0)
                return false;
        return !enumerate->parent_path || is_below(device->sys_path, enumerate->parent_path);
}

int udev_enumerate_scan_devices(struct udev_enumerate *udev_enumerate) {
        struct udev_list_entry *previous = NULL;

        for (size_t i = 0; i < the_host->n_devices; i++) {
                struct udev_list_entry *entry = &udev_enumerate->entries[udev_enumerate->n_entries];

                if (!is_matched(udev_enumerate, &the_host->devices[i]))
                        continue;
                udev_enumerate->n_entries++;
                entry->name = the_host->devices[i].sys_path;
                if (previous)
                        previous->next = entry;
                previous = entry;
        }
        return 0;
}

struct udev_list_entry *udev_enumerate_get_list_entry(struct udev_enumerate *udev_enumerate) {
        return udev_enumerate->n_entries > 0 ? &udev_enumerate->entries[0] : NULL;
}

struct udev_list_entry *udev_list_entry_get_next(struct udev_list_entry *list_entry) {
        return list_entry->next;
}

const char *udev_list_entry_get_name(struct udev_list_entry *list_entry) {
        return list_entry->name;
}

/* libudev: events */

struct udev_monitor *udev_monitor_new_from_netlink(struct udev *udev, const char *name) {
        if (the_host->has_no_monitor) {
                errno = EPERM;
                return NULL;
        }
        return calloc(1, sizeof(struct udev_monitor));
}

struct udev_monitor *udev_monitor_unref(struct udev_monitor *udev_monitor) {
        free(udev_monitor);
        return NULL;
}

int udev_monitor_filter_add_match_subsystem_devtype(struct udev_monitor *udev_monitor,
                                                    const char *subsystem, const char *devtype) {
        ck_assert(strcmp(subsystem, "usb") == 0 || strcmp(subsystem, "block") == 0);
        return 0;
}

int udev_monitor_set_receive_buffer_size(struct udev_monitor *udev_monitor, int size) { return 0; }

int udev_monitor_enable_receiving(struct udev_monitor *udev_monitor) { return 0; }

int udev_monitor_get_fd(struct udev_monitor *udev_monitor) { return the_host->event_fd; }

/* A removed device is told of by what its event brings along. */
struct udev_device *udev_monitor_receive_device(struct udev_monitor *udev_monitor) {
        static const char *const subsystems[] = { "usb" };
        struct udev_device *device;
        eventfd_t value;
        FakeEvent event;

        if (n_events == 0)
                return NULL;
        ck_assert_int_eq(eventfd_read(the_host->event_fd, &value), 0);
        event = events[0];
        memmove(events, events + 1, --n_events * sizeof(events[0]));
        device = udev_device_new_from_syspath(NULL, event.sys_path);
        if (!device) {
                device = calloc(1, sizeof(*device));
                ck_assert_ptr_nonnull(device);
                device->device = (FakeDevice){
                        event.sys_path, subsystems[0], "usb_device", NULL, {}
                };
        }
        device->action = event.action;
        return device;
}

/* Nodes and usbfs */

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int fail_with(int error) {
        errno = error;
        return -1;
}

static bool is_path(const char *path, const char *expected) {
        return expected && strcmp(path, expected) == 0;
}

static int open_node(const char *path) {
        for (size_t i = 0; i < the_host->n_devices; i++)
                if (the_host->devices[i].sys_path && is_path(path, the_host->devices[i].dev_path)) {
                        the_host->n_node_opens++;
                        return memfd_create(path, MFD_CLOEXEC);
                }
        errno = ENOENT;
        return -1;
}

/* One interface of Bulk-Only: a device of 12 and a configuration of 09 and 04 and 05. */
static const uint8_t descriptors[] = {
        0x12, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x40, 0x09, 0x12, 0x01, 0x00, 0x00,
        0x01, 0x01, 0x02, 0x03, 0x01, 0x09, 0x02, 0x20, 0x00, 0x01, 0x01, 0x00, 0x80,
        0x32, 0x09, 0x04, 0x00, 0x00, 0x02, 0x08, 0x06, 0x50, 0x00, 0x07, 0x05, 0x81,
        0x02, 0x00, 0x02, 0x00, 0x07, 0x05, 0x02, 0x02, 0x00, 0x02, 0x00,
};

/* The file of that name below a device. */
static int open_descriptors(const char *path) {
        size_t size = strlen(path) - strlen(DESCRIPTORS_FILE);
        char sys_path[256];
        int fd;

        snprintf(sys_path, sizeof(sys_path), "%.*s", (int) size, path);
        if (!find_device(sys_path)) {
                errno = ENOENT;
                return -1;
        }
        fd = memfd_create("descriptors", MFD_CLOEXEC);
        ck_assert_int_eq(write(fd, descriptors, sizeof(descriptors)), sizeof(descriptors));
        ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
        return fd;
}

static bool is_descriptors_file(const char *path) {
        size_t size = strlen(path);

        return strncmp(path, "/sys/", 5) == 0 && size > strlen(DESCRIPTORS_FILE) &&
               strcmp(path + size - strlen(DESCRIPTORS_FILE), DESCRIPTORS_FILE) == 0;
}

int __wrap_open64(const char *path, int flags, ...) {
        va_list arguments;
        unsigned mode;

        va_start(arguments, flags);
        mode = va_arg(arguments, unsigned);
        va_end(arguments);
        if (the_host && is_descriptors_file(path))
                return open_descriptors(path);
        if (!the_host || strncmp(path, "/dev/", 5) != 0 || is_path(path, "/dev/null"))
                return __real_open64(path, flags, mode);
        if (is_path(path, the_host->busy_path))
                return fail_with(EBUSY);
        if (is_path(path, the_host->empty_path))
                return fail_with(ENOMEDIUM);
        if (is_path(path, the_host->private_path))
                return fail_with(EACCES);
        return open_node(path);
}

static int disconnect(int interface) {
        if (interface == the_host->failing_interface)
                return fail_with(EIO);
        if (!the_host->drivers[interface])
                return fail_with(ENODATA);
        the_host->drivers[interface] = NULL;
        the_host->n_taken++;
        return 0;
}

static int control_driver(const struct usbdevfs_ioctl *command) {
        ck_assert_int_lt(command->ifno, FAKE_HOST_INTERFACES_MAX);
        if ((unsigned) command->ioctl_code == USBDEVFS_DISCONNECT)
                return disconnect(command->ifno);
        ck_assert_uint_eq((unsigned) command->ioctl_code, USBDEVFS_CONNECT);
        the_host->drivers[command->ifno] = "usb-storage";
        the_host->n_given_back++;
        return 0;
}

static int get_driver(struct usbdevfs_getdriver *driver) {
        ck_assert_uint_lt(driver->interface, FAKE_HOST_INTERFACES_MAX);
        if (!the_host->drivers[driver->interface])
                return fail_with(ENODATA);
        strcpy(driver->driver, the_host->drivers[driver->interface]);
        return 0;
}

static int claim(unsigned interface) {
        ck_assert_uint_lt(interface, FAKE_HOST_INTERFACES_MAX);
        if (the_host->drivers[interface])
                return fail_with(EBUSY);
        if (the_host->claim_error > 0)
                return fail_with(the_host->claim_error);
        the_host->n_claimed++;
        return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
        va_list arguments;
        void *argument;

        va_start(arguments, request);
        argument = va_arg(arguments, void *);
        va_end(arguments);
        if (the_host && request == USBDEVFS_IOCTL)
                return control_driver(argument);
        if (the_host && request == USBDEVFS_GETDRIVER)
                return get_driver(argument);
        if (the_host && request == USBDEVFS_CLAIMINTERFACE)
                return claim(*(unsigned *) argument);
        return __real_ioctl(fd, request, argument);
}
