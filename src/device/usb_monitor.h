#pragma once

/*
 * UsbMonitor
 *
 * Tells of USB storage devices that are there, come and go: a udev monitor on the loop (udev's own
 * events where udevd runs, the kernel's where it does not) and sysfs.
 */

#include "base/event_loop.h"
#include "device/usb_node.h"

typedef struct UsbMonitor UsbMonitor;

typedef struct UsbMonitorHandlers {
        void (*added)(const UsbNode *node, bool was_present, void *userdata);
        void (*removed)(const char *name, void *userdata);
        /* udevd has set up a disk that the kernel's driver made of a device: from now on it can be opened. */
        void (*disk_settled)(const UsbNode *node, void *userdata);
} UsbMonitorHandlers;

/* -errno. */
int usb_monitor_new(UsbMonitor **ret, EventLoop *loop, const UsbMonitorHandlers *handlers,
                    void *userdata);
UsbMonitor *usb_monitor_free(UsbMonitor *monitor);
DEFINE_CLEANUP(UsbMonitor *, usb_monitor_free);
/* Tells of each device that is there now. */
int usb_monitor_enumerate(UsbMonitor *monitor, bool was_present);
/* Whether a device is there, whatever the events have told. */
bool usb_monitor_has_device(UsbMonitor *monitor, const char *sys_path);
struct udev *usb_monitor_get_udev(UsbMonitor *monitor);
