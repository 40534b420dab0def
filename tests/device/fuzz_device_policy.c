/* Texts as rules: what was taken in says the same when it is read again. */

#include <assert.h>
#include <string.h>

#include "device/device_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_mistake(const char *source, unsigned line, unsigned column, const char *text,
                       void *userdata) {
        unsigned *n_mistakes = userdata;

        assert(line > 0 && column > 0 && text[0] != '\0');
        (*n_mistakes)++;
}

static DevicePolicy *read_policy(const char *text, size_t size) {
        DevicePolicy *policy;
        unsigned n_mistakes = 0;
        int r;

        r = device_policy_new(&policy, DEVICE_TARGET_BLOCK);
        assert(r == 0);
        r = device_policy_add(policy, "fuzz", text, size, on_mistake, &n_mistakes);
        assert((r == 0) == (n_mistakes == 0));
        assert(r == 0 || device_policy_get_n_rules(policy) == 0);
        return policy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        DeviceIdentity identity = { .vendor_id = 0x1209, .serial = "1", .port = "1-1" };
        _cleanup_(device_policy_freep) DevicePolicy *policy = NULL;

        device_identity_set_descriptors(&identity, data, size);
        policy = read_policy((const char *) data, size);
        (void) device_policy_decide(policy, &identity);
        for (size_t i = 0; i < device_policy_get_n_rules(policy); i++) {
                _cleanup_(device_policy_freep) DevicePolicy *other = NULL;
                const char *source, *text = device_policy_get_rule(policy, i, &source);

                other = read_policy(text, strlen(text));
                assert(device_policy_get_n_rules(other) == 1);
                assert(strcmp(device_policy_get_rule(other, 0, &source), text) == 0);
        }
        return 0;
}
