#pragma once

/*
 * DeviceRuleParser
 *
 * The text of a rule, word by word. Whatever it does not know is a mistake: a rule that means less
 * than it seems to would let devices in.
 */

#include "device/device_rule.h"

typedef struct DeviceRuleMistake {
        size_t offset; /* in the text */
        char text[192];
} DeviceRuleMistake;

/* One rule, without end of line; only the comment at its end, if any, is passed over. -EINVAL: see
 * `ret_mistake`. -ENODATA: there is no rule. -ENOMEM. The rule's source is left for the caller. */
int device_rule_parse(DeviceRule *ret, const char *text, size_t size,
                      DeviceRuleMistake *ret_mistake);
