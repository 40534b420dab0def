/* Files of a StateFolder: see taken_devices.h. */

#include "device/taken_devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "device/state_folder.h"

static_assert(sizeof(((UsbNode *) NULL)->name) <= STATE_FOLDER_NAME_SIZE_MAX,
              "a name has its room");

struct TakenDevices {
        char *folder; /* owned; NULL: nothing is noted */
};

int taken_devices_new(TakenDevices **ret, const char *folder) {
        _cleanup_(taken_devices_freep) TakenDevices *taken = NULL;

        taken = calloc(1, sizeof(*taken));
        if (!taken)
                return -ENOMEM;
        if (folder) {
                taken->folder = strdup(folder);
                if (!taken->folder)
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(taken);
        return 0;
}

TakenDevices *taken_devices_free(TakenDevices *taken) {
        if (!taken)
                return NULL;

        free(taken->folder);
        free(taken);
        return NULL;
}

void taken_devices_add(TakenDevices *taken, const UsbNode *node) {
        int r;

        if (!taken->folder)
                return;
        r = state_folder_replace(taken->folder, node->name, node->dev_path, strlen(node->dev_path));
        if (r < 0)
                log_device_warning(node->name,
                                   "%s/%s can't be written, so a service that is restarted leaves "
                                   "the device to the kernel: %s",
                                   taken->folder, node->name, strerror(-r));
}

void taken_devices_remove(TakenDevices *taken, const UsbNode *node) {
        int r;

        /* Another one may be in its port by now. */
        if (!taken_devices_has(taken, node))
                return;
        r = state_folder_remove(taken->folder, node->name);
        if (r < 0)
                log_device_warning(node->name, "%s/%s can't be removed, ignoring: %s",
                                   taken->folder, node->name, strerror(-r));
}

bool taken_devices_has(const TakenDevices *taken, const UsbNode *node) {
        _cleanup_(fd_closep) int fd = -EBADF;
        char dev_path[sizeof(node->dev_path)];
        ssize_t size;

        if (!taken->folder)
                return false;
        fd = state_folder_open_file(taken->folder, node->name);
        size = fd < 0 ? fd : fd_read_all(fd, dev_path, sizeof(dev_path));
        return size >= 0 && (size_t) size == strlen(node->dev_path) &&
               memcmp(dev_path, node->dev_path, (size_t) size) == 0;
}
