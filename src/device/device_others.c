/* A list by port. */

#include "device/device_others.h"

#include <string.h>

#include "base/log.h"

void device_others_init(DeviceOthers *others) {
        others->n = 0;
        list_init(&others->list);
}

static void drop(DeviceOthers *others, DeviceOther *other) {
        list_unlink(&other->node_of_others);
        usb_block_free(other->block);
        free(other);
        others->n--;
}

void device_others_done(DeviceOthers *others) {
        LIST_FOR_EACH (node, &others->list)
                drop(others, list_entry(node, DeviceOther, node_of_others));
}

static DeviceOther *find(const DeviceOthers *others, const char *name) {
        LIST_FOR_EACH (node, &others->list) {
                DeviceOther *other = list_entry(node, DeviceOther, node_of_others);

                if (strcmp(other->node.name, name) == 0)
                        return other;
        }
        return NULL;
}

const DeviceOther *device_others_find(const DeviceOthers *others, const char *name) {
        return find(others, name);
}

void device_others_set(DeviceOthers *others, const UsbNode *node, DeviceOtherReason reason) {
        DeviceOther *other = find(others, node->name);

        if (!other) {
                other = others->n < DEVICE_OTHERS_MAX ? calloc(1, sizeof(*other)) : NULL;
                if (!other) {
                        log_device_debug(node->name, "is not listed, there are too many");
                        return;
                }
                list_init(&other->node_of_others);
                list_append(&others->list, &other->node_of_others);
                others->n++;
        }
        other->node = *node;
        other->reason = reason;
        other->wants_disk = false;
        other->block = usb_block_free(other->block);
}

void device_others_set_wants_disk(DeviceOthers *others, const char *name) {
        DeviceOther *other = find(others, name);

        if (other)
                other->wants_disk = true;
}

void device_others_set_block(DeviceOthers *others, const char *name, UsbBlock *block) {
        DeviceOther *other = find(others, name);

        if (other)
                other->block = block;
        else
                usb_block_free(block);
}

void device_others_remove(DeviceOthers *others, const char *name) {
        DeviceOther *other = find(others, name);

        if (other)
                drop(others, other);
}
