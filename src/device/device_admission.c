/* Each device that comes is identified anew: one that came with other descriptors is another one. */

#include "device/device_admission.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/device_manager_internal.h"

static const DeviceDecision nothing_said = { .target = DEVICE_TARGET_ALLOW, .rule = "" };

int device_admission_identify(const DeviceManager *manager, const UsbNode *node, bool is_simulated,
                              DeviceIdentity *ret) {
        if (!is_simulated)
                return usb_node_identify(node, usb_monitor_get_udev(manager->monitor), ret);

        *ret = (DeviceIdentity){ .vendor_id = node->vendor_id, .product_id = node->product_id };
        snprintf(ret->serial, sizeof(ret->serial), "%s", node->serial);
        snprintf(ret->name, sizeof(ret->name), "%s", node->product);
        snprintf(ret->port, sizeof(ret->port), "%s", node->name);
        return 0;
}

static void tell(const UsbNode *node, const DeviceDecision *decision) {
        if (decision->number > 0)
                log_device_info(node->name, "rule %u decides: %s", decision->number,
                                decision->rule);
}

int device_admission_decide(DeviceManager *manager, const UsbNode *node, DeviceDecision *ret) {
        DeviceIdentity identity;
        int r;

        *ret = nothing_said;
        if (!manager->options.policy)
                return 0;
        r = device_admission_identify(manager, node, /* is_simulated= */ false, &identity);
        if (r < 0)
                return r;
        *ret = device_policy_decide(manager->options.policy, &identity);
        tell(node, ret);
        return 0;
}

static int test(const DeviceManager *manager, const UsbNode *node, DeviceDecision *ret) {
        DeviceIdentity identity;
        int r;

        *ret = nothing_said;
        if (!manager->options.policy)
                return 0;
        r = device_admission_identify(manager, node, /* is_simulated= */ false, &identity);
        if (r == 0)
                *ret = device_policy_test(manager->options.policy, &identity);
        return r;
}

bool device_admission_has_rule(const DeviceManager *manager, const UsbNode *node) {
        DeviceDecision decision;

        return test(manager, node, &decision) == 0 && decision.number > 0;
}

static bool are_same_options(const DeviceRuleOptions *a, const DeviceRuleOptions *b) {
        return a->has_cache_mode == b->has_cache_mode &&
               (!a->has_cache_mode || a->cache_mode == b->cache_mode) &&
               strcmp(a->export_name, b->export_name) == 0 && a->rate_max == b->rate_max;
}

bool device_admission_agrees(const DeviceManager *manager, const UsbNode *node,
                             const DeviceDecision *decision) {
        DeviceDecision now;

        return test(manager, node, &now) == 0 && now.target == decision->target &&
               are_same_options(&now.options, &decision->options);
}

DeviceDecision device_admission_decide_simulated(DeviceManager *manager, const UsbNode *node) {
        DeviceIdentity identity;
        DeviceDecision decision;

        if (!manager->options.policy)
                return nothing_said;
        (void) device_admission_identify(manager, node, /* is_simulated= */ true, &identity);
        decision = device_policy_decide(manager->options.policy, &identity);
        tell(node, &decision);
        return decision;
}

static int fail_block(const UsbNode *node, const char *who, int r) {
        log_device_error(node->name, "%04x:%04x %s can't be blocked, %s: %s", node->vendor_id,
                         node->product_id, node->product, who,
                         r == -EBUSY ? "it is in use" : strerror(-r));
        return r;
}

int device_admission_block(DeviceManager *manager, const UsbNode *node, DeviceTarget target) {
        UsbBlock *block = NULL;
        UsbTakeover takeover;
        int r;

        assert(target == DEVICE_TARGET_BLOCK || target == DEVICE_TARGET_REJECT);

        r = usb_takeover(node, usb_monitor_get_udev(manager->monitor), &takeover);
        if (r < 0)
                return fail_block(node, "the kernel keeps it", r);
        r = usb_block_new(&block, node, takeover.fd, target == DEVICE_TARGET_REJECT);
        if (r < 0)
                return fail_block(node, "though it was taken from the kernel", r);
        log_device_notice(node->name, "%04x:%04x %s is %sed", node->vendor_id, node->product_id,
                          node->product, device_target_to_string(target));
        device_others_set_block(&manager->others, node->name, block);
        return 0;
}
