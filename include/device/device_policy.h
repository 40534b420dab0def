#pragma once

/*
 * DevicePolicy
 *
 * Which devices are taken, and how: rules in USBGuard's language, of which the first that matches
 * decides, and a default. Targets beyond USBGuard's own: `read-only`; options beyond it: `cache`,
 * `export`, `max-rate`, `standby` and `suspend`. See usb-storage-rules(5).
 */

#include "cache/cache_manager.h"
#include "device/device_identity.h"
#include "device/device_power.h"

#define DEVICE_RULES_MAX 1024
#define DEVICE_RULE_SIZE_MAX 4096
#define DEVICE_RULES_FILE_SIZE_MAX MIB
#define DEVICE_RULE_EXPORT_SIZE 96
/* Bytes a second: less could not carry one request within its deadline. */
#define DEVICE_RATE_MIN (64 * KIB)
#define DEVICE_RATE_MAX (GIB * KIB)

typedef enum DeviceTarget {
        DEVICE_TARGET_ALLOW,     /* taken and exported */
        DEVICE_TARGET_READ_ONLY, /* the same, but nothing is ever written to it */
        DEVICE_TARGET_BLOCK,     /* nobody gets it, the kernel neither */
        DEVICE_TARGET_REJECT,    /* as BLOCK, and removed from the system where we may do that */
        _DEVICE_TARGET_MAX,
} DeviceTarget;

typedef struct DeviceRuleOptions {
        bool has_cache_mode;
        CacheMode cache_mode;
        char export_name[DEVICE_RULE_EXPORT_SIZE]; /* "": made of the IDs and the serial number */
        uint64_t rate_max;                         /* bytes a second; 0: as fast as it goes */
        DevicePowerTimeouts power;
} DeviceRuleOptions;

typedef struct DeviceDecision {
        DeviceTarget target;
        DeviceRuleOptions options;
        unsigned number;  /* of the rule, from 1 on; 0: the default */
        const char *rule; /* borrowed from the policy; "" for the default */
} DeviceDecision;

typedef struct DevicePolicy DevicePolicy;

/* A mistake, as a sentence without its end. Line and column count from 1. */
typedef void (*DevicePolicyComplain)(const char *source, unsigned line, unsigned column,
                                     const char *text, void *userdata);

/* Without rules: `default_target` for all. -ENOMEM. */
int device_policy_new(DevicePolicy **ret, DeviceTarget default_target);
DevicePolicy *device_policy_free(DevicePolicy *policy);
DEFINE_CLEANUP(DevicePolicy *, device_policy_free);

/*
 * Adds rules, one a line; a comment runs from # to the end of its line. Every mistake is told, and
 * nothing is added if there was one: -EINVAL. -ENOMEM. `complain` may be NULL.
 */
int device_policy_add(DevicePolicy *policy, const char *source, const char *text, size_t size,
                      DevicePolicyComplain complain, void *userdata);
/* The same of a file. -errno: it can't be read, told as well unless it does not exist. Blocks. */
int device_policy_add_file(DevicePolicy *policy, const char *path, DevicePolicyComplain complain,
                           void *userdata);

/* What is to be done with a device that has come: counts for conditions. */
DeviceDecision device_policy_decide(DevicePolicy *policy, const DeviceIdentity *identity);
/* The same, just asked: nothing is counted. */
DeviceDecision device_policy_test(const DevicePolicy *policy, const DeviceIdentity *identity);

size_t device_policy_get_n_rules(const DevicePolicy *policy);
/* As it was written, without comments; `index` from 0 on. Borrowed. */
const char *device_policy_get_rule(const DevicePolicy *policy, size_t index,
                                   const char **ret_source);
DeviceTarget device_policy_get_default(const DevicePolicy *policy);
const char *device_target_to_string(DeviceTarget target);
/* -EINVAL */
int device_target_from_string(DeviceTarget *ret, const char *text);

/* A rule that allows this device and no other, on the heap; without a serial number it names the
 * port as well. NULL: out of memory. */
char *device_policy_generate(const DeviceIdentity *identity);

typedef struct DeviceManager DeviceManager;

/* What the manager goes by; NULL: there is none, all are allowed. Borrowed until it is reloaded. */
const DevicePolicy *device_manager_get_policy(const DeviceManager *manager);
/* What it says of a device that is plugged in at a port ("1-4.1"), or of a simulated one; nothing is
 * counted. -ENODEV: there is none; -ESHUTDOWN: the manager stops. */
int device_manager_test_policy(const DeviceManager *manager, const char *name, DeviceDecision *ret);
/* Rules that allow the storage devices which are plugged in now, one a line, on the heap. -ENOMEM,
 * -ESHUTDOWN. */
int device_manager_generate_policy(const DeviceManager *manager, char **ret);
