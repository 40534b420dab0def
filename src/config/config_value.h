#pragma once

/*
 * ConfigValue
 *
 * A value that has been parsed for an option, and waits to be written into its field.
 */

#include <stdio.h>

#include "config/config_option.h"

#define CONFIG_REASON_SIZE_MAX 1024
#define CONFIG_STRINGS_MAX 64

typedef struct ConfigValue {
        bool boolean;
        uint64_t number;
        char *string;   /* owned */
        char **strings; /* owned */
} ConfigValue;

void config_value_done(ConfigValue *value);
/* -EINVAL: it is no value of that option; `reason` then says what is allowed. -ENOMEM. */
int config_value_parse(ConfigValue *ret, const ConfigOption *option, const char *text,
                       char reason[static CONFIG_REASON_SIZE_MAX]);
/* Of a list: puts what `rest` has behind it, which has nothing then. -E2BIG: there are too many,
 * -ENOMEM. */
int config_value_append(ConfigValue *value, ConfigValue *rest);
/* Moves the value into its field. */
void config_value_apply(ConfigValue *value, const ConfigOption *option, void *target);
/* Writes the field's value as config_value_parse() takes it. */
void config_value_print(const ConfigOption *option, const void *target, FILE *file);
