/* The policy, for who asks what it says. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device/device_admission.h"
#include "device/device_manager_internal.h"

const DevicePolicy *device_manager_get_policy(const DeviceManager *manager) {
        return manager->options.policy;
}

/* One that stops looks at no USB device any more. */
static bool is_stopping(const DeviceManager *manager) {
        return manager->state > DEVICE_MANAGER_STATE_RUNNING;
}

static int identify(const DeviceManager *manager, const char *name, DeviceIdentity *ret) {
        const ManagedDevice *device = device_manager_find(manager, name);
        const DeviceOther *other = device_others_find(&manager->others, name);

        if (device)
                return device_admission_identify(manager, &device->node, !device->udev, ret);
        if (other)
                return device_admission_identify(manager, &other->node, /* is_simulated= */ false,
                                                 ret);
        return -ENODEV;
}

int device_manager_test_policy(const DeviceManager *manager, const char *name,
                               DeviceDecision *ret) {
        DeviceIdentity identity;
        int r;

        if (is_stopping(manager))
                return -ESHUTDOWN;
        r = identify(manager, name, &identity);
        if (r < 0)
                return r;
        *ret = (DeviceDecision){ .target = DEVICE_TARGET_ALLOW, .rule = "" };
        if (manager->options.policy)
                *ret = device_policy_test(manager->options.policy, &identity);
        return 0;
}

/* One that is vanishing has no rule. */
static int add_rule(const DeviceManager *manager, const UsbNode *node, bool is_simulated,
                    FILE *file) {
        _cleanup_(freep) char *rule = NULL;
        DeviceIdentity identity;

        if (device_admission_identify(manager, node, is_simulated, &identity) < 0)
                return 0;
        rule = device_policy_generate(&identity);
        if (!rule)
                return -ENOMEM;
        fprintf(file, "%s\n", rule);
        return 0;
}

static int add_rules(const DeviceManager *manager, FILE *file) {
        int r = 0;

        LIST_FOR_EACH (node, &manager->devices) {
                const ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (r == 0 && !device->is_unplugged)
                        r = add_rule(manager, &device->node, !device->udev, file);
        }
        LIST_FOR_EACH (node, &manager->others.list)
                if (r == 0)
                        r = add_rule(manager, &list_entry(node, DeviceOther, node_of_others)->node,
                                     /* is_simulated= */ false, file);
        return r;
}

int device_manager_generate_policy(const DeviceManager *manager, char **ret) {
        _cleanup_(freep) char *text = NULL;
        size_t size;
        FILE *file;
        int r;

        if (is_stopping(manager))
                return -ESHUTDOWN;
        file = open_memstream(&text, &size);
        if (!file)
                return -errno;
        r = add_rules(manager, file);
        if (fclose(file) != 0 || r < 0)
                return -ENOMEM;
        *ret = TAKE_PTR(text);
        return 0;
}
