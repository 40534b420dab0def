/* What a device has of an attribute is a list, of one value for most: operators compare lists. */

#include <string.h>

#include "device/device_rule.h"

bool device_attribute_is_pattern(DeviceAttribute attribute) {
        return attribute == DEVICE_ATTRIBUTE_ID || attribute == DEVICE_ATTRIBUTE_WITH_INTERFACE;
}

static size_t count_values(const DeviceIdentity *identity, DeviceAttribute attribute) {
        return attribute == DEVICE_ATTRIBUTE_WITH_INTERFACE ? identity->n_interfaces : 1;
}

static bool fits(const DevicePattern *pattern, size_t position, unsigned number) {
        return pattern->is_any[position] || pattern->numbers[position] == number;
}

static bool is_interface(const DevicePattern *pattern, const DeviceInterfaceType *type) {
        return fits(pattern, 0, type->class) && fits(pattern, 1, type->subclass) &&
               fits(pattern, 2, type->protocol);
}

/* Whether the device's value number `index` is that of a rule. */
static bool is_value(const DeviceIdentity *identity, DeviceAttribute attribute, size_t index,
                     const DeviceRuleValue *value) {
        switch (attribute) {
        case DEVICE_ATTRIBUTE_ID:
                return fits(&value->pattern, 0, identity->vendor_id) &&
                       fits(&value->pattern, 1, identity->product_id);
        case DEVICE_ATTRIBUTE_SERIAL:
                return strcmp(value->text, identity->serial) == 0;
        case DEVICE_ATTRIBUTE_NAME:
                return strcmp(value->text, identity->name) == 0;
        case DEVICE_ATTRIBUTE_HASH:
                return strcmp(value->text, identity->hash) == 0;
        case DEVICE_ATTRIBUTE_PARENT_HASH:
                return strcmp(value->text, identity->parent_hash) == 0;
        case DEVICE_ATTRIBUTE_VIA_PORT:
                return strcmp(value->text, identity->port) == 0;
        case DEVICE_ATTRIBUTE_WITH_INTERFACE:
                return is_interface(&value->pattern, &identity->interfaces[index]);
        case DEVICE_ATTRIBUTE_WITH_CONNECT_TYPE:
                return strcmp(value->text, identity->connect_type) == 0;
        case _DEVICE_ATTRIBUTE_MAX:
                break;
        }
        assert_not_reached();
        return false;
}

static bool device_has(const DeviceIdentity *identity, DeviceAttribute attribute,
                       const DeviceRuleValue *value) {
        for (size_t i = 0; i < count_values(identity, attribute); i++)
                if (is_value(identity, attribute, i, value))
                        return true;
        return false;
}

static size_t count_that_device_has(const DeviceIdentity *identity, DeviceAttribute attribute,
                                    const DeviceRuleSet *set) {
        size_t n = 0;

        for (size_t i = 0; i < set->n_values; i++)
                n += device_has(identity, attribute, &set->values[i]);
        return n;
}

static bool rule_has(const DeviceIdentity *identity, DeviceAttribute attribute, size_t index,
                     const DeviceRuleSet *set) {
        for (size_t i = 0; i < set->n_values; i++)
                if (is_value(identity, attribute, index, &set->values[i]))
                        return true;
        return false;
}

static bool rule_has_all(const DeviceIdentity *identity, DeviceAttribute attribute,
                         const DeviceRuleSet *set) {
        for (size_t i = 0; i < count_values(identity, attribute); i++)
                if (!rule_has(identity, attribute, i, set))
                        return false;
        return true;
}

static bool are_pairs(const DeviceIdentity *identity, DeviceAttribute attribute,
                      const DeviceRuleSet *set) {
        if (set->n_values != count_values(identity, attribute))
                return false;
        for (size_t i = 0; i < set->n_values; i++)
                if (!is_value(identity, attribute, i, &set->values[i]))
                        return false;
        return true;
}

static bool set_matches(const DeviceRuleSet *set, const DeviceIdentity *identity,
                        DeviceAttribute attribute) {
        size_t n = count_that_device_has(identity, attribute, set);

        switch (set->relation) {
        case DEVICE_RELATION_ALL_OF:
                return n == set->n_values;
        case DEVICE_RELATION_ONE_OF:
                return n > 0;
        case DEVICE_RELATION_NONE_OF:
                return n == 0;
        case DEVICE_RELATION_EQUALS:
                return n == set->n_values && rule_has_all(identity, attribute, set);
        case DEVICE_RELATION_EQUALS_ORDERED:
                return are_pairs(identity, attribute, set);
        case DEVICE_RELATION_MATCH_ALL:
                return rule_has_all(identity, attribute, set);
        case _DEVICE_RELATION_MAX:
                break;
        }
        assert_not_reached();
        return false;
}

static bool is_condition_met(const DeviceRule *rule) {
        switch (rule->condition) {
        case DEVICE_CONDITION_TRUE:
                return !rule->is_condition_negated;
        case DEVICE_CONDITION_RULE_APPLIED:
                return (rule->n_applied > 0) != rule->is_condition_negated;
        case DEVICE_CONDITION_RULE_EVALUATED:
                return (rule->n_evaluated > 0) != rule->is_condition_negated;
        case _DEVICE_CONDITION_MAX:
                break;
        }
        assert_not_reached();
        return false;
}

bool device_rule_applies(const DeviceRule *rule, const DeviceIdentity *identity) {
        for (DeviceAttribute i = 0; i < _DEVICE_ATTRIBUTE_MAX; i++)
                if (rule->sets[i].values && !set_matches(&rule->sets[i], identity, i))
                        return false;
        return is_condition_met(rule);
}

void device_rule_done(DeviceRule *rule) {
        for (DeviceAttribute i = 0; i < _DEVICE_ATTRIBUTE_MAX; i++) {
                DeviceRuleSet *set = &rule->sets[i];

                for (size_t j = 0; j < set->n_values && !device_attribute_is_pattern(i); j++)
                        free(set->values[j].text);
                free(set->values);
        }
        free(rule->text);
        free(rule->source);
        *rule = (DeviceRule){ 0 };
}
