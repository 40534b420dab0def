/* Reads sysfs through libudev, which works with and without udevd. */

#include <errno.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "device/usb_node.h"

#define USB_CLASS_STORAGE 0x08

static inline void udev_enumerate_unrefp(struct udev_enumerate **enumerate) {
        if (*enumerate)
                udev_enumerate_unref(*enumerate);
}

static inline void udev_device_unrefp(struct udev_device **device) {
        if (*device)
                udev_device_unref(*device);
}

static void copy_attribute(char *ret, size_t size, struct udev_device *device, const char *name) {
        const char *value = udev_device_get_sysattr_value(device, name);

        snprintf(ret, size, "%s", value ? value : "");
}

static unsigned long number_attribute(struct udev_device *device, const char *name, int base) {
        const char *value = udev_device_get_sysattr_value(device, name);

        return value ? strtoul(value, NULL, base) : 0;
}

/* Finds what is below the node in a subsystem and of a type; NULL if out of memory or it vanished.
 */
static struct udev_enumerate *find_children(const UsbNode *node, struct udev *udev,
                                            const char *subsystem, const char *type) {
        _cleanup_(udev_enumerate_unrefp) struct udev_enumerate *enumerate = NULL;
        _cleanup_(udev_device_unrefp) struct udev_device *parent = NULL;

        parent = udev_device_new_from_syspath(udev, node->sys_path);
        enumerate = udev_enumerate_new(udev);
        if (!parent || !enumerate)
                return NULL;

        udev_enumerate_add_match_subsystem(enumerate, subsystem);
        udev_enumerate_add_match_property(enumerate, "DEVTYPE", type);
        udev_enumerate_add_match_parent(enumerate, parent);
        if (udev_enumerate_scan_devices(enumerate) < 0)
                return NULL;
        return TAKE_PTR(enumerate);
}

/* A device below a hub is below the hub's path too: only direct children are the node's own
 * interfaces. */
static bool is_own_interface(const UsbNode *node, const char *path) {
        const char *name = strrchr(path, '/');
        size_t size = strlen(node->name);

        return name && strncmp(name + 1, node->name, size) == 0 && name[1 + size] == ':';
}

static int read_interfaces(UsbNode *node, struct udev *udev) {
        _cleanup_(udev_enumerate_unrefp) struct udev_enumerate *enumerate = NULL;
        struct udev_list_entry *entry;

        enumerate = find_children(node, udev, "usb", "usb_interface");
        if (!enumerate)
                return -ENODEV;

        udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate)) {
                _cleanup_(udev_device_unrefp) struct udev_device *interface = NULL;
                const char *path = udev_list_entry_get_name(entry);

                if (!is_own_interface(node, path))
                        continue;
                interface = udev_device_new_from_syspath(udev, path);
                if (!interface ||
                    number_attribute(interface, "bInterfaceClass", 16) != USB_CLASS_STORAGE)
                        continue;
                if (node->n_interfaces < N_ELEMENTS(node->interfaces))
                        node->interfaces[node->n_interfaces++] = (uint8_t) number_attribute(
                                        interface, "bInterfaceNumber", 16);
        }
        return node->n_interfaces > 0 ? 0 : -ENODEV;
}

int usb_node_read(UsbNode *node, struct udev *udev, struct udev_device *device) {
        const char *name = udev_device_get_sysname(device);
        const char *sys_path = udev_device_get_syspath(device);
        const char *dev_path = udev_device_get_devnode(device);

        if (!name || !sys_path || !dev_path || strlen(name) >= sizeof(node->name) ||
            strlen(sys_path) >= sizeof(node->sys_path) ||
            strlen(dev_path) >= sizeof(node->dev_path))
                return -ENODEV;

        *node = (UsbNode){};
        strcpy(node->name, name);
        strcpy(node->sys_path, sys_path);
        strcpy(node->dev_path, dev_path);
        node->vendor_id = (uint16_t) number_attribute(device, "idVendor", 16);
        node->product_id = (uint16_t) number_attribute(device, "idProduct", 16);
        node->version = (uint16_t) number_attribute(device, "bcdDevice", 16);
        node->speed_mbps = (unsigned) number_attribute(device, "speed", 10);
        copy_attribute(node->serial, sizeof(node->serial), device, "serial");
        copy_attribute(node->manufacturer, sizeof(node->manufacturer), device, "manufacturer");
        copy_attribute(node->product, sizeof(node->product), device, "product");
        return read_interfaces(node, udev);
}

int usb_node_find_disks(const UsbNode *node, struct udev *udev, UsbNodeDisks *ret) {
        _cleanup_(udev_enumerate_unrefp) struct udev_enumerate *enumerate = NULL;
        struct udev_list_entry *entry;

        enumerate = find_children(node, udev, "block", "disk");
        if (!enumerate)
                return -ENODEV;

        ret->n_paths = 0;
        udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate)) {
                _cleanup_(udev_device_unrefp) struct udev_device *disk = NULL;
                const char *dev_path;

                disk = udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));
                dev_path = disk ? udev_device_get_devnode(disk) : NULL;
                if (!dev_path)
                        continue;
                if (ret->n_paths == N_ELEMENTS(ret->paths) ||
                    strlen(dev_path) >= sizeof(ret->paths[0]))
                        return -E2BIG;
                strcpy(ret->paths[ret->n_paths++], dev_path);
        }
        return 0;
}
