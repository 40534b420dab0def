#pragma once

/*
 * DeviceRule
 *
 * One line of the device policy in USBGuard's rule language: a target, and what a device must be
 * for it to count. Made by device_rule_parse(), a pure function of its text.
 */

#include "device/device_identity.h"
#include "device/device_policy.h"

#define DEVICE_RULE_VALUES_MAX 64

typedef enum DeviceAttribute {
        DEVICE_ATTRIBUTE_ID,
        DEVICE_ATTRIBUTE_SERIAL,
        DEVICE_ATTRIBUTE_NAME,
        DEVICE_ATTRIBUTE_HASH,
        DEVICE_ATTRIBUTE_PARENT_HASH,
        DEVICE_ATTRIBUTE_VIA_PORT,
        DEVICE_ATTRIBUTE_WITH_INTERFACE,
        DEVICE_ATTRIBUTE_WITH_CONNECT_TYPE,
        _DEVICE_ATTRIBUTE_MAX,
} DeviceAttribute;

/* Between the values of the rule and those of the device. */
typedef enum DeviceRelation {
        DEVICE_RELATION_ALL_OF,         /* each of the rule's is one of the device's */
        DEVICE_RELATION_ONE_OF,         /* any of the rule's is one of the device's */
        DEVICE_RELATION_NONE_OF,        /* none of the rule's is one of the device's */
        DEVICE_RELATION_EQUALS,         /* ALL_OF and MATCH_ALL */
        DEVICE_RELATION_EQUALS_ORDERED, /* pair by pair */
        DEVICE_RELATION_MATCH_ALL,      /* each of the device's is one of the rule's */
        _DEVICE_RELATION_MAX,
} DeviceRelation;

/* A number that may be "*", as those of an ID and of an interface's type. */
typedef struct DevicePattern {
        uint16_t numbers[3];
        bool is_any[3];
} DevicePattern;

typedef union DeviceRuleValue {
        DevicePattern pattern; /* ID: two numbers; WITH_INTERFACE: three */
        char *text;            /* owned; the others */
} DeviceRuleValue;

typedef struct DeviceRuleSet {
        DeviceRelation relation;
        DeviceRuleValue *values; /* owned; NULL: the rule does not ask for this attribute */
        size_t n_values;
} DeviceRuleSet;

typedef enum DeviceCondition {
        DEVICE_CONDITION_TRUE,
        DEVICE_CONDITION_RULE_APPLIED,   /* it has decided about a device before */
        DEVICE_CONDITION_RULE_EVALUATED, /* it was looked at before */
        _DEVICE_CONDITION_MAX,
} DeviceCondition;

typedef struct DeviceRule {
        DeviceTarget target;
        DeviceRuleSet sets[_DEVICE_ATTRIBUTE_MAX];
        DeviceCondition condition;
        bool is_condition_negated;
        DeviceRuleOptions options;
        char *text;   /* owned: as it was written */
        char *source; /* owned: file and line */
        unsigned n_evaluated;
        unsigned n_applied;
} DeviceRule;

bool device_attribute_is_pattern(DeviceAttribute attribute);
/* Whether a device is what the rule asks for, and its condition is met. */
bool device_rule_applies(const DeviceRule *rule, const DeviceIdentity *identity);
void device_rule_done(DeviceRule *rule);
