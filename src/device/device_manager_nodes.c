/*
 * A node that is not taken is remembered with the reason, so that somebody can ask for it later. One
 * that looks like a device that went is that device's, at whatever port.
 */

#include "device/device_manager_nodes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/device_admission.h"
#include "device/device_manager_internal.h"
#include "device/device_request.h"
#include "device/device_sleep.h"

static void leave_alone(DeviceManager *manager, const UsbNode *node, DeviceOtherReason reason) {
        char words[192];

        device_others_set(&manager->others, node, reason);
        if (reason != DEVICE_OTHER_REASON_POLICY)
                return;
        snprintf(words, sizeof(words), "%s: %04x:%04x is left alone", node->name, node->vendor_id,
                 node->product_id);
        device_manager_tell_event(manager, DEVICE_EVENT_POLICY, 0, CONTROL_LUN_ALL, words);
}

static int take_from_kernel(DeviceManager *manager, const UsbNode *node, UsbTakeover *ret) {
        int r;

        r = usb_takeover(node, usb_monitor_get_udev(manager->monitor), ret);
        if (r < 0) {
                log_device_notice(node->name, "%04x:%04x %s is left to the kernel: %s",
                                  node->vendor_id, node->product_id, node->product,
                                  r == -EBUSY ? "it is in use" : strerror(-r));
                leave_alone(manager, node,
                            r == -EBUSY ? DEVICE_OTHER_REASON_BUSY : DEVICE_OTHER_REASON_FAILED);
                /* The kernel may have made the disk just now: its node is root's until udevd has seen it. */
                if (r == -EACCES)
                        device_others_set_wants_disk(&manager->others, node->name);
        }
        return r;
}

/* 0: it may be taken, as `ret` says; -EPERM: not; -ENODEV. */
static int admit(DeviceManager *manager, const UsbNode *node, DeviceDecision *ret) {
        int r;

        if (device_manager_ignores(manager, node)) {
                leave_alone(manager, node, DEVICE_OTHER_REASON_POLICY);
                return -EPERM;
        }
        r = device_admission_decide(manager, node, ret);
        if (r < 0)
                return r;
        if (ret->target == DEVICE_TARGET_ALLOW || ret->target == DEVICE_TARGET_READ_ONLY)
                return 0;
        leave_alone(manager, node, DEVICE_OTHER_REASON_POLICY);
        (void) device_admission_block(manager, node, ret->target);
        return -EPERM;
}

static int take(DeviceManager *manager, const UsbNode *node, ManagedDevice **ret) {
        DeviceDecision decision;
        ManagedDevice *device;
        UsbTakeover takeover;
        int r;

        r = admit(manager, node, &decision);
        if (r < 0)
                return r;
        r = take_from_kernel(manager, node, &takeover);
        if (r < 0)
                return r;
        r = device_manager_add(manager, node, &decision, &device);
        if (r < 0) {
                log_device_warning(node->name, "can't be taken: %s",
                                   r == -ENOSPC ? "there are too many devices" : strerror(-r));
                fd_close(takeover.fd);
                usb_takeover_give_back(node);
                leave_alone(manager, node,
                            r == -ENOSPC ? DEVICE_OTHER_REASON_LIMIT : DEVICE_OTHER_REASON_FAILED);
                return r;
        }
        log_device_info(node->name, "taking %04x:%04x %s %s", node->vendor_id, node->product_id,
                        node->manufacturer, node->product);
        device_others_remove(&manager->others, node->name);
        taken_devices_add(manager->taken, node);
        managed_device_start_usb(device, node, usb_monitor_get_udev(manager->monitor), takeover.fd,
                                 takeover.needs_reset);
        *ret = device;
        return 0;
}

/* At any port, at any speed: its worker knows what was on it. */
static int resume(DeviceManager *manager, ManagedDevice *device, const UsbNode *node) {
        UsbTakeover takeover;
        int r;

        device->has_successor = false;
        r = take_from_kernel(manager, node, &takeover);
        if (r < 0)
                return r;
        log_device_info(node->name, "%04x:%04x %s is back", node->vendor_id, node->product_id,
                        node->product);
        device_others_remove(&manager->others, node->name);
        taken_devices_add(manager->taken, node);
        managed_device_resume_usb(device, node, takeover.fd);
        return 0;
}

void device_manager_nodes_take_successor(DeviceManager *manager, const UsbNode *node,
                                         ManagedDevice *parked) {
        UsbNode successor = *node;
        ManagedDevice *device;

        if (manager->state != DEVICE_MANAGER_STATE_RUNNING)
                return;
        if (parked)
                (void) resume(manager, parked, &successor);
        else
                (void) take(manager, &successor, &device);
}

/* Without a serial number only the port tells devices of a kind apart. */
static bool is_same_device(const UsbNode *a, const UsbNode *b) {
        if (a->vendor_id != b->vendor_id || a->product_id != b->product_id ||
            strcmp(a->serial, b->serial) != 0)
                return false;
        return a->serial[0] != '\0' || strcmp(a->name, b->name) == 0;
}

/* Something else that is plugged in waits for it. */
static bool has_other_successor(const DeviceManager *manager, const ManagedDevice *device,
                                const UsbNode *node) {
        return device->has_successor && strcmp(device->successor.name, node->name) != 0 &&
               usb_monitor_has_device(manager->monitor, device->successor.sys_path);
}

/* Of several with a cloned serial number, the one that was in this port. What the policy sees with
 * other eyes now is none of them. */
static ManagedDevice *find_former(DeviceManager *manager, const UsbNode *node) {
        ManagedDevice *former = NULL;

        LIST_FOR_EACH (list_node, &manager->devices) {
                ManagedDevice *device = list_entry(list_node, ManagedDevice, node_of_manager);

                if (!device->is_unplugged || !is_same_device(&device->node, node) ||
                    has_other_successor(manager, device, node) ||
                    !device_admission_agrees(manager, node, &device->decision))
                        continue;
                if (!former || strcmp(device->name, node->name) == 0)
                        former = device;
        }
        return former;
}

/* Its worker has not said yet whether it stays, and what it has to be saved. What comes last in a port
 * is taken when that is known. */
static void queue(ManagedDevice *device, const UsbNode *node) {
        if (!device->has_successor)
                log_device_info(node->name, "%04x:%04x %s waits until the former is done with",
                                node->vendor_id, node->product_id, node->product);
        device->has_successor = true;
        device->successor = *node;
}

/* 0 with the device; -EAGAIN: it is taken when the former one is done with. */
static int take_or_resume(DeviceManager *manager, const UsbNode *node, ManagedDevice **ret) {
        ManagedDevice *former = find_former(manager, node);

        if (!former)
                return take(manager, node, ret);
        *ret = former;
        if (former->state == MANAGED_DEVICE_STATE_PARKED)
                return resume(manager, former, node);
        queue(former, node);
        return -EAGAIN;
}

/* Somebody gave it back, and its interfaces may be told of again and again; or all are looked for
 * again, and it was decided about. */
static bool is_left(const DeviceManager *manager, const UsbNode *node) {
        const DeviceOther *other = device_others_find(&manager->others, node->name);

        return other && strcmp(other->node.dev_path, node->dev_path) == 0 &&
               (manager->is_rescanning || other->reason == DEVICE_OTHER_REASON_RELEASED);
}

/* Of those that were there before the service. What a former service had is ours. */
static bool is_kernels(const DeviceManager *manager, const UsbNode *node) {
        if (taken_devices_has(manager->taken, node))
                return false;
        switch (manager->options.present_devices) {
        case DEVICE_PRESENT_POLICY_KEEP:
                return true;
        case DEVICE_PRESENT_POLICY_TAKE:
                return false;
        case DEVICE_PRESENT_POLICY_APPLY:
                return !device_admission_has_rule(manager, node);
        case _DEVICE_PRESENT_POLICY_MAX:
                break;
        }
        assert_not_reached();
        return true;
}

void device_manager_nodes_on_added(const UsbNode *node, bool was_present, void *userdata) {
        DeviceManager *manager = userdata;
        ManagedDevice *device = device_manager_find(manager, node->name);

        if (manager->state != DEVICE_MANAGER_STATE_RUNNING || is_left(manager, node))
                return;
        /* Each interface of a device adds its node again. */
        if (device && strcmp(device->node.dev_path, node->dev_path) == 0)
                return;
        /* Another number, so it is another device: the removal of the former was not told. */
        if (device)
                managed_device_set_unplugged(device);
        if (was_present && is_kernels(manager, node)) {
                log_device_info(node->name, "%04x:%04x %s was there before, the kernel keeps it",
                                node->vendor_id, node->product_id, node->product);
                leave_alone(manager, node, DEVICE_OTHER_REASON_PRESENT);
                return;
        }
        (void) take_or_resume(manager, node, &device);
}

static void forget_successor(DeviceManager *manager, const char *name) {
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (!device->has_successor || strcmp(device->successor.name, name) != 0)
                        continue;
                log_device_info(name, "was unplugged before it could be taken");
                device->has_successor = false;
        }
}

void device_manager_nodes_on_removed(const char *name, void *userdata) {
        DeviceManager *manager = userdata;
        ManagedDevice *device = device_manager_find(manager, name);

        device_others_remove(&manager->others, name);
        forget_successor(manager, name);
        if (device)
                managed_device_set_unplugged(device);
}

void device_manager_nodes_on_disk_settled(const UsbNode *node, void *userdata) {
        DeviceManager *manager = userdata;
        const DeviceOther *other = device_others_find(&manager->others, node->name);
        ManagedDevice *device;

        if (manager->state != DEVICE_MANAGER_STATE_RUNNING || !other || !other->wants_disk ||
            strcmp(other->node.dev_path, node->dev_path) != 0)
                return;
        (void) take_or_resume(manager, node, &device);
}

int device_manager_take(DeviceManager *manager, const char *name, uint64_t *ret_id) {
        ManagedDevice *device = device_manager_find(manager, name);
        const DeviceOther *other = device_others_find(&manager->others, name);
        UsbNode node;
        int r;

        if (manager->state != DEVICE_MANAGER_STATE_RUNNING)
                return -ESHUTDOWN;
        if (device) {
                *ret_id = device->id;
                return device->state == MANAGED_DEVICE_STATE_STOPPING ? -EAGAIN : -EALREADY;
        }
        if (!other)
                return -ENODEV;
        node = other->node;
        r = take_or_resume(manager, &node, &device);
        if (r == 0)
                *ret_id = device->id;
        return r;
}

static void give_up_lost(DeviceManager *manager) {
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (device->udev && !device->is_unplugged &&
                    !usb_monitor_has_device(manager->monitor, device->node.sys_path))
                        device_manager_nodes_on_removed(device->name, manager);
        }
        LIST_FOR_EACH (node, &manager->others.list) {
                const DeviceOther *other = list_entry(node, DeviceOther, node_of_others);

                if (!usb_monitor_has_device(manager->monitor, other->node.sys_path))
                        device_others_remove(&manager->others, other->node.name);
        }
}

void device_manager_rescan(DeviceManager *manager) {
        int r;

        if (!manager->monitor || manager->state != DEVICE_MANAGER_STATE_RUNNING)
                return;
        give_up_lost(manager);
        manager->is_rescanning = true;
        r = usb_monitor_enumerate(manager->monitor, /* was_present= */ false);
        manager->is_rescanning = false;
        if (r < 0)
                log_warning("USB devices can't be listed, ignoring: %s", strerror(-r));
}
