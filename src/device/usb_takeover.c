/* Exclusive opens, a flush, and two usbfs requests: see usb_takeover.h. */

#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/macros.h"
#include "device/usb_takeover.h"

typedef struct HeldDisks {
        int fds[USB_NODE_DISKS_MAX]; /* owned */
        size_t n_fds;
} HeldDisks;

static void held_disks_done(HeldDisks *held) {
        for (size_t i = 0; i < held->n_fds; i++)
                fd_close(held->fds[i]);
}

static int hold_disk(const UsbNode *node, const char *path, HeldDisks *held) {
        int fd;

        fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
                /* An empty slot has nothing to flush, and nobody can use it. */
                if (errno == ENOMEDIUM || errno == ENXIO || errno == ENOENT)
                        return 0;
                log_device_notice(node->name, "%s can't be held: %s", path, strerror(errno));
                return -errno;
        }

        held->fds[held->n_fds++] = fd;
        if (fsync(fd) < 0)
                log_device_warning(node->name, "%s could not be flushed, ignoring: %s", path,
                                   strerror(errno));
        return 0;
}

static int hold_disks(const UsbNode *node, struct udev *udev, HeldDisks *held) {
        UsbNodeDisks disks;
        int r;

        r = usb_node_find_disks(node, udev, &disks);
        if (r < 0)
                return r;
        for (size_t i = 0; i < disks.n_paths; i++) {
                r = hold_disk(node, disks.paths[i], held);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool is_bound_to_uas(int fd, uint8_t interface) {
        struct usbdevfs_getdriver driver = { .interface = interface };

        return ioctl(fd, USBDEVFS_GETDRIVER, &driver) == 0 && strcmp(driver.driver, "uas") == 0;
}

static int driver_request(int fd, uint8_t interface, int request) {
        struct usbdevfs_ioctl command = { .ifno = interface, .ioctl_code = request };

        return ioctl(fd, USBDEVFS_IOCTL, &command) < 0 ? -errno : 0;
}

/* All interfaces or none. */
static int detach_drivers(const UsbNode *node, int fd) {
        for (size_t i = 0; i < node->n_interfaces; i++) {
                int r = driver_request(fd, node->interfaces[i], USBDEVFS_DISCONNECT);

                if (r == 0 || r == -ENODATA) /* no driver was bound */
                        continue;
                while (i-- > 0)
                        driver_request(fd, node->interfaces[i], USBDEVFS_CONNECT);
                return r;
        }
        return 0;
}

int usb_takeover(const UsbNode *node, struct udev *udev, UsbTakeover *ret) {
        _cleanup_(held_disks_done) HeldDisks held = {};
        _cleanup_(fd_closep) int fd = -EBADF;
        bool needs_reset = false;
        int r;

        fd = open(node->dev_path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = hold_disks(node, udev, &held);
        if (r < 0)
                return r;

        for (size_t i = 0; i < node->n_interfaces; i++)
                needs_reset |= is_bound_to_uas(fd, node->interfaces[i]);
        r = detach_drivers(node, fd);
        if (r < 0)
                return r;

        *ret = (UsbTakeover){ .fd = TAKE_FD(fd), .needs_reset = needs_reset };
        return 0;
}

void usb_takeover_give_back(const UsbNode *node) {
        _cleanup_(fd_closep) int fd = -EBADF;

        fd = open(node->dev_path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
                return;
        for (size_t i = 0; i < node->n_interfaces; i++)
                driver_request(fd, node->interfaces[i], USBDEVFS_CONNECT);
}
