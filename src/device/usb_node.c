/* Reads sysfs through libudev, which works with and without udevd. */

#include <errno.h>
#include <fcntl.h>
#include <libudev.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "device/usb_node.h"

#define USB_CLASS_STORAGE 0x08
/* Of the device and all its configurations, as far as sysfs tells: 65535 each at most. */
#define DESCRIPTORS_SIZE_MAX (64 * KIB)

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

static int read_descriptors(const char *sys_path, DeviceIdentity *identity) {
        _cleanup_(fd_closep) int fd = -EBADF;
        uint8_t bytes[DESCRIPTORS_SIZE_MAX];
        char path[PATH_MAX];
        ssize_t size;

        if ((size_t) snprintf(path, sizeof(path), "%s/descriptors", sys_path) >= sizeof(path))
                return -ENODEV;
        fd = open(path, O_RDONLY | O_CLOEXEC);
        size = fd < 0 ? -errno : fd_read_all(fd, bytes, sizeof(bytes));
        if (size < 0)
                return (int) size;
        device_identity_set_descriptors(identity, bytes, (size_t) size);
        return 0;
}

static int identify(struct udev_device *device, DeviceIdentity *ret) {
        *ret = (DeviceIdentity){
                .vendor_id = (uint16_t) number_attribute(device, "idVendor", 16),
                .product_id = (uint16_t) number_attribute(device, "idProduct", 16),
        };
        copy_attribute(ret->serial, sizeof(ret->serial), device, "serial");
        copy_attribute(ret->name, sizeof(ret->name), device, "product");
        copy_attribute(ret->connect_type, sizeof(ret->connect_type), device, "port/connect_type");
        snprintf(ret->port, sizeof(ret->port), "%s", udev_device_get_sysname(device));
        return read_descriptors(udev_device_get_syspath(device), ret);
}

int usb_node_identify(const UsbNode *node, struct udev *udev, DeviceIdentity *ret) {
        _cleanup_(udev_device_unrefp) struct udev_device *device = NULL;
        struct udev_device *parent;
        DeviceIdentity hub;
        int r;

        device = udev_device_new_from_syspath(udev, node->sys_path);
        if (!device)
                return -ENODEV;
        r = identify(device, ret);
        if (r < 0)
                return -ENODEV;
        parent = udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_device");
        if (parent && identify(parent, &hub) == 0)
                memcpy(ret->parent_hash, hub.hash, sizeof(hub.hash));
        return 0;
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
