/*
 * What values look like. Numbers are decimal digits and nothing else: no sign, no octal, no
 * exponent, so that a value means what it seems to.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/config_value.h"

typedef struct ConfigUnit {
        const char *name;
        uint64_t factor;
} ConfigUnit;

static const ConfigUnit no_units[] = { { "", 1 }, { 0 } };

static const ConfigUnit size_units[] = {
        { "", 1 },      { "B", 1 },        { "K", KIB },       { "KB", KIB },       { "KiB", KIB },
        { "M", MIB },   { "MB", MIB },     { "MiB", MIB },     { "G", GIB },        { "GB", GIB },
        { "GiB", GIB }, { "T", GIB *KIB }, { "TB", GIB *KIB }, { "TiB", GIB *KIB }, { 0 },
};

static const ConfigUnit duration_units[] = {
        { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 }, { 0 },
};

void config_value_done(ConfigValue *value) {
        free(value->string);
        config_option_strings_free(value->strings);
        *value = (ConfigValue){ 0 };
}

static int parse_bool(const char *text, bool *ret) {
        static const struct {
                const char *text;
                bool value;
        } words[] = {
                { "true", true },   { "yes", true }, { "on", true },   { "1", true },
                { "false", false }, { "no", false }, { "off", false }, { "0", false },
        };

        for (size_t i = 0; i < N_ELEMENTS(words); i++)
                if (strcasecmp(text, words[i].text) == 0) {
                        *ret = words[i].value;
                        return 0;
                }
        return -EINVAL;
}

static int find_unit(const ConfigUnit *units, const char *name, uint64_t *ret_factor) {
        for (; units->name; units++)
                if (strcasecmp(units->name, name) == 0) {
                        *ret_factor = units->factor;
                        return 0;
                }
        return -EINVAL;
}

/* Digits, blanks, a unit. -EINVAL, -ERANGE. */
static int parse_number(const char *text, const ConfigUnit *units, uint64_t *ret) {
        uint64_t number = 0, factor;
        const char *t = text;
        int r;

        for (; *t >= '0' && *t <= '9'; t++)
                if (__builtin_mul_overflow(number, 10, &number) ||
                    __builtin_add_overflow(number, (uint64_t) (*t - '0'), &number))
                        return -ERANGE;
        if (t == text)
                return -EINVAL;

        r = find_unit(units, t + strspn(t, " \t"), &factor);
        if (r < 0)
                return r;
        return __builtin_mul_overflow(number, factor, ret) ? -ERANGE : 0;
}

int config_value_parse_size(const char *text, uint64_t *ret) {
        return parse_number(text, size_units, ret);
}

int config_value_parse_duration_ms(const char *text, uint64_t *ret) {
        return parse_number(text, duration_units, ret);
}

/* The largest value that the field can keep, or that the option wants. */
static uint64_t maximum(const ConfigOption *option) {
        uint64_t fits = option->type == CONFIG_TYPE_SIZE ? UINT64_MAX : UINT32_MAX;

        return option->maximum > 0 ? MIN(option->maximum, fits) : fits;
}

static const ConfigUnit *units_of(const ConfigOption *option) {
        if (option->type == CONFIG_TYPE_SIZE)
                return size_units;
        return option->type == CONFIG_TYPE_DURATION_MS ? duration_units : no_units;
}

static const char *what_numbers_are(const ConfigOption *option) {
        if (option->type == CONFIG_TYPE_SIZE)
                return "a number of bytes, which may end in K, M, G or T,";
        return option->type == CONFIG_TYPE_DURATION_MS
                               ? "a number of milliseconds, or one with ms, s, min or h,"
                               : "a number";
}

static int parse_ranged(const ConfigOption *option, const char *text, uint64_t *ret, char *reason) {
        uint64_t number;
        int r;

        r = parse_number(text, units_of(option), &number);
        if (r == 0 && number >= option->minimum && number <= maximum(option)) {
                *ret = number;
                return 0;
        }

        snprintf(reason, CONFIG_REASON_SIZE_MAX, "must be %s from %llu to %llu",
                 what_numbers_are(option), (unsigned long long) option->minimum,
                 (unsigned long long) maximum(option));
        return -EINVAL;
}

static int parse_enum(const ConfigOption *option, const char *text, uint64_t *ret, char *reason) {
        size_t size;

        for (size_t i = 0; option->names[i]; i++)
                if (strcmp(option->names[i], text) == 0) {
                        *ret = i;
                        return 0;
                }

        size = (size_t) snprintf(reason, CONFIG_REASON_SIZE_MAX, "must be one of:");
        for (size_t i = 0; option->names[i] && size < CONFIG_REASON_SIZE_MAX; i++)
                size += (size_t) snprintf(reason + size, CONFIG_REASON_SIZE_MAX - size, "%s %s",
                                          i == 0 ? "" : ",", option->names[i]);
        return -EINVAL;
}

static int parse_string(const ConfigOption *option, const char *text, char **ret, char *reason) {
        if (option->check && !option->check(text)) {
                snprintf(reason, CONFIG_REASON_SIZE_MAX, "must be %s",
                         option->allowed ?: "something else");
                return -EINVAL;
        }

        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* The next item of a list, without blanks around it; cuts `*text` there. */
static char *take_item(char **text) {
        char *item = strsep(text, ",");
        size_t size;

        item += strspn(item, " \t");
        size = strlen(item);
        while (size > 0 && strchr(" \t", item[size - 1]))
                size--;
        item[size] = '\0';
        return item;
}

static int parse_strings(const ConfigOption *option, const char *text, char ***ret, char *reason) {
        _cleanup_(config_option_strings_freep) char **strings = NULL;
        _cleanup_(freep) char *copy = NULL;
        char *rest;
        size_t n = 0;

        strings = calloc(CONFIG_STRINGS_MAX + 1, sizeof(*strings));
        rest = copy = strdup(text);
        if (!strings || !copy)
                return -ENOMEM;

        if (*rest == '\0') /* an empty list, not one of an empty item */
                rest = NULL;
        while (rest) {
                const char *item = take_item(&rest);
                int r;

                if (n == CONFIG_STRINGS_MAX || *item == '\0') {
                        snprintf(reason, CONFIG_REASON_SIZE_MAX,
                                 "must be at most %d values with commas in between",
                                 CONFIG_STRINGS_MAX);
                        return -EINVAL;
                }
                r = parse_string(option, item, &strings[n], reason);
                if (r < 0)
                        return r;
                n++;
        }

        *ret = TAKE_PTR(strings);
        return 0;
}

int config_value_parse(ConfigValue *ret, const ConfigOption *option, const char *text,
                       char reason[static CONFIG_REASON_SIZE_MAX]) {
        ConfigValue value = { 0 };
        int r = -EINVAL;

        assert(ret);
        assert(option);
        assert(text);

        switch (option->type) {
        case CONFIG_TYPE_BOOL:
                r = parse_bool(text, &value.boolean);
                if (r < 0)
                        snprintf(reason, CONFIG_REASON_SIZE_MAX,
                                 "must be one of: true, false, yes, no, on, off, 1, 0");
                break;
        case CONFIG_TYPE_UINT:
        case CONFIG_TYPE_SIZE:
        case CONFIG_TYPE_DURATION_MS:
                r = parse_ranged(option, text, &value.number, reason);
                break;
        case CONFIG_TYPE_ENUM:
                r = parse_enum(option, text, &value.number, reason);
                break;
        case CONFIG_TYPE_STRING:
                r = parse_string(option, text, &value.string, reason);
                break;
        case CONFIG_TYPE_STRING_LIST:
                r = parse_strings(option, text, &value.strings, reason);
                break;
        }
        if (r < 0)
                return r;

        *ret = value;
        return 0;
}

static size_t count_strings(char *const *strings) {
        size_t n = 0;

        while (strings && strings[n])
                n++;
        return n;
}

int config_value_append(ConfigValue *value, ConfigValue *rest) {
        size_t n = count_strings(value->strings), n_rest = count_strings(rest->strings);
        char **strings;

        if (n_rest == 0)
                return 0;
        if (n + n_rest > CONFIG_STRINGS_MAX)
                return -E2BIG;
        strings = reallocarray(value->strings, n + n_rest + 1, sizeof(*strings));
        if (!strings)
                return -ENOMEM;
        memcpy(strings + n, rest->strings, (n_rest + 1) * sizeof(*strings));
        value->strings = strings;
        free(rest->strings);
        rest->strings = NULL;
        return 0;
}

void config_value_apply(ConfigValue *value, const ConfigOption *option, void *target) {
        void *field = (uint8_t *) target + option->offset;

        switch (option->type) {
        case CONFIG_TYPE_BOOL:
                *(bool *) field = value->boolean;
                return;
        case CONFIG_TYPE_UINT:
        case CONFIG_TYPE_DURATION_MS:
                *(uint32_t *) field = (uint32_t) value->number;
                return;
        case CONFIG_TYPE_SIZE:
                *(uint64_t *) field = value->number;
                return;
        case CONFIG_TYPE_ENUM:
                *(int *) field = (int) value->number;
                return;
        case CONFIG_TYPE_STRING:
                free(*(char **) field);
                *(char **) field = TAKE_PTR(value->string);
                return;
        case CONFIG_TYPE_STRING_LIST:
                config_option_strings_free(*(char ***) field);
                *(char ***) field = TAKE_PTR(value->strings);
                return;
        }

        assert_not_reached();
}

/* In the largest unit that leaves nothing over. */
static void print_size(uint64_t size, FILE *file) {
        static const char units[] = "KMGT";
        size_t i = 0;

        while (size > 0 && size % KIB == 0 && i < strlen(units)) {
                size /= KIB;
                i++;
        }
        fprintf(file, "%llu", (unsigned long long) size);
        if (i > 0)
                fputc(units[i - 1], file);
}

static void print_duration(uint32_t ms, FILE *file) {
        if (ms % 1000 == 0)
                fprintf(file, "%us", ms / 1000);
        else
                fprintf(file, "%ums", ms);
}

/* What has quotes in it was read without quotes around it. */
static void print_quoted(const char *text, FILE *file) {
        fprintf(file, strchr(text, '"') ? "%s" : "\"%s\"", text);
}

static void print_strings(char *const *strings, FILE *file) {
        bool has_quotes = false;

        for (char *const *s = strings; s && *s; s++)
                has_quotes |= strchr(*s, '"') != NULL;
        fputs(has_quotes ? "" : "\"", file);
        /* After a blank, also within quotes, a semicolon begins a comment. */
        for (char *const *s = strings; s && *s; s++)
                fprintf(file, "%s%s", s == strings ? "" : **s == ';' ? "," : ", ", *s);
        fputs(has_quotes ? "" : "\"", file);
}

void config_value_print(const ConfigOption *option, const void *target, FILE *file) {
        const void *field = (const uint8_t *) target + option->offset;

        switch (option->type) {
        case CONFIG_TYPE_BOOL:
                fputs(*(const bool *) field ? "true" : "false", file);
                return;
        case CONFIG_TYPE_UINT:
                fprintf(file, "%u", *(const uint32_t *) field);
                return;
        case CONFIG_TYPE_SIZE:
                print_size(*(const uint64_t *) field, file);
                return;
        case CONFIG_TYPE_DURATION_MS:
                print_duration(*(const uint32_t *) field, file);
                return;
        case CONFIG_TYPE_ENUM:
                fputs(option->names[*(const int *) field], file);
                return;
        case CONFIG_TYPE_STRING:
                print_quoted(*(char *const *) field ?: "", file);
                return;
        case CONFIG_TYPE_STRING_LIST:
                print_strings(*(char **const *) field, file);
                return;
        }

        assert_not_reached();
}
