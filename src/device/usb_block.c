/* One usbfs request for each interface, and sysfs's `remove`. */

#include "device/usb_block.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/log.h"

struct UsbBlock {
        int fd; /* owned: the node, which has the claims */
};

/* All interfaces or none: closing the node gives up what was claimed. */
static int claim_interfaces(const UsbNode *node, int fd) {
        for (size_t i = 0; i < node->n_interfaces; i++) {
                unsigned interface = node->interfaces[i];

                if (ioctl(fd, USBDEVFS_CLAIMINTERFACE, &interface) < 0)
                        return -errno;
        }
        return 0;
}

/* As if it had been unplugged, until it really is. Only root may write there. */
static void remove_from_system(const UsbNode *node) {
        _cleanup_(fd_closep) int fd = -EBADF;
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/remove", node->sys_path);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "1", 1) != 1)
                log_device_notice(node->name,
                                  "It can't be removed from the system, so it is only "
                                  "blocked: %s",
                                  strerror(errno));
}

int usb_block_new(UsbBlock **ret, const UsbNode *node, int fd, bool is_rejected) {
        _cleanup_(usb_block_freep) UsbBlock *block = NULL;
        int r;

        block = calloc(1, sizeof(*block));
        if (!block) {
                fd_close(fd);
                return -ENOMEM;
        }
        block->fd = fd;
        r = claim_interfaces(node, fd);
        if (r < 0)
                return r;
        if (is_rejected)
                remove_from_system(node);
        *ret = TAKE_PTR(block);
        return 0;
}

UsbBlock *usb_block_free(UsbBlock *block) {
        if (!block)
                return NULL;
        fd_close(block->fd);
        free(block);
        return NULL;
}
