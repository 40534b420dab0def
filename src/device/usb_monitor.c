/*
 * Devices are reported by their interfaces: when the first storage interface is added, the device
 * is configured and its descriptors can be read, which its own "add" event does not promise.
 */

#include <errno.h>
#include <libudev.h>
#include <string.h>

#include "base/log.h"
#include "device/usb_monitor.h"

#define USB_MONITOR_EVENTS_MAX 64 /* in one turn of the loop */
#define USB_MONITOR_BUFFER_SIZE (4 * MIB)

struct UsbMonitor {
        struct udev *udev;            /* owned */
        struct udev_monitor *monitor; /* owned */
        EventFd watch;
        const UsbMonitorHandlers *handlers; /* borrowed */
        void *userdata;
};

static void report_interface(UsbMonitor *monitor, struct udev_device *interface) {
        struct udev_device *device = udev_device_get_parent_with_subsystem_devtype(interface, "usb",
                                                                                   "usb_device");
        UsbNode node;

        if (device && usb_node_read(&node, monitor->udev, device) == 0)
                monitor->handlers->added(&node, /* was_present= */ false, monitor->userdata);
}

static void report_disk(UsbMonitor *monitor, struct udev_device *disk) {
        struct udev_device *device =
                        udev_device_get_parent_with_subsystem_devtype(disk, "usb", "usb_device");
        UsbNode node;

        if (device && usb_node_read(&node, monitor->udev, device) == 0)
                monitor->handlers->disk_settled(&node, monitor->userdata);
}

static void handle_event(UsbMonitor *monitor, struct udev_device *device) {
        const char *action = udev_device_get_action(device);
        const char *type = udev_device_get_devtype(device);

        if (!action || !type)
                return;
        if (strcmp(action, "add") == 0 && strcmp(type, "disk") == 0)
                report_disk(monitor, device);
        else if (strcmp(action, "add") == 0 && strcmp(type, "usb_interface") == 0)
                report_interface(monitor, device);
        else if (strcmp(action, "remove") == 0 && strcmp(type, "usb_device") == 0)
                monitor->handlers->removed(udev_device_get_sysname(device), monitor->userdata);
}

static void monitor_on_event(EventFd *watch, uint32_t events) {
        UsbMonitor *monitor = container_of(watch, UsbMonitor, watch);

        for (unsigned i = 0; i < USB_MONITOR_EVENTS_MAX; i++) {
                struct udev_device *device = udev_monitor_receive_device(monitor->monitor);

                /* NULL may also mean: filtered. The level-triggered watch comes back. */
                if (!device)
                        return;
                handle_event(monitor, device);
                udev_device_unref(device);
        }
}

static int monitor_start(UsbMonitor *monitor, EventLoop *loop) {
        bool has_udevd = access("/run/udev/control", F_OK) == 0;
        int r;

        monitor->udev = udev_new();
        if (!monitor->udev)
                return -ENOMEM;
        monitor->monitor =
                        udev_monitor_new_from_netlink(monitor->udev, has_udevd ? "udev" : "kernel");
        if (!monitor->monitor)
                return -errno;

        udev_monitor_filter_add_match_subsystem_devtype(monitor->monitor, "usb", NULL);
        udev_monitor_filter_add_match_subsystem_devtype(monitor->monitor, "block", "disk");
        udev_monitor_set_receive_buffer_size(monitor->monitor, USB_MONITOR_BUFFER_SIZE);
        r = udev_monitor_enable_receiving(monitor->monitor);
        if (r < 0)
                return r;
        log_debug("Watching USB devices through %s's events", has_udevd ? "udev" : "the kernel");
        return event_fd_add(&monitor->watch, loop, udev_monitor_get_fd(monitor->monitor), EPOLLIN,
                            monitor_on_event);
}

int usb_monitor_new(UsbMonitor **ret, EventLoop *loop, const UsbMonitorHandlers *handlers,
                    void *userdata) {
        _cleanup_(usb_monitor_freep) UsbMonitor *monitor = NULL;
        int r;

        monitor = calloc(1, sizeof(*monitor));
        if (!monitor)
                return -ENOMEM;
        monitor->handlers = handlers;
        monitor->userdata = userdata;
        r = monitor_start(monitor, loop);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(monitor);
        return 0;
}

UsbMonitor *usb_monitor_free(UsbMonitor *monitor) {
        if (!monitor)
                return NULL;

        event_fd_remove(&monitor->watch);
        if (monitor->monitor)
                udev_monitor_unref(monitor->monitor);
        if (monitor->udev)
                udev_unref(monitor->udev);
        free(monitor);
        return NULL;
}

static void report_present(UsbMonitor *monitor, const char *path, bool was_present) {
        struct udev_device *device = udev_device_new_from_syspath(monitor->udev, path);
        UsbNode node;

        if (!device)
                return;
        if (usb_node_read(&node, monitor->udev, device) == 0)
                monitor->handlers->added(&node, was_present, monitor->userdata);
        udev_device_unref(device);
}

int usb_monitor_enumerate(UsbMonitor *monitor, bool was_present) {
        struct udev_enumerate *enumerate;
        struct udev_list_entry *entry;
        int r;

        enumerate = udev_enumerate_new(monitor->udev);
        if (!enumerate)
                return -ENOMEM;

        udev_enumerate_add_match_subsystem(enumerate, "usb");
        udev_enumerate_add_match_property(enumerate, "DEVTYPE", "usb_device");
        r = udev_enumerate_scan_devices(enumerate);
        udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
                        report_present(monitor, udev_list_entry_get_name(entry), was_present);
        udev_enumerate_unref(enumerate);
        return r < 0 ? r : 0;
}

bool usb_monitor_has_device(UsbMonitor *monitor, const char *sys_path) {
        struct udev_device *device = udev_device_new_from_syspath(monitor->udev, sys_path);

        if (!device)
                return false;
        udev_device_unref(device);
        return true;
}

struct udev *usb_monitor_get_udev(UsbMonitor *monitor) {
        return monitor->udev;
}
