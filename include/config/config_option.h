#pragma once

/*
 * ConfigOption
 *
 * One key of the configuration, as the layer that needs it declares it: where it stands, what its
 * values are, and into which field of that layer's struct they go. Plain data.
 */

#include "base/macros.h"

typedef enum ConfigType {
        CONFIG_TYPE_BOOL,        /* bool: true, false, yes, no, on, off, 1, 0 */
        CONFIG_TYPE_UINT,        /* uint32_t */
        CONFIG_TYPE_SIZE,        /* uint64_t, bytes: 4096, 64K, "256MB"; K is 1024 */
        CONFIG_TYPE_DURATION_MS, /* uint32_t: 500, 500ms, 30s, 5min, 1h */
        CONFIG_TYPE_ENUM,        /* int or an enum: the index in `names` */
        CONFIG_TYPE_STRING,      /* char *, owned by the struct; NULL or heap memory before */
        CONFIG_TYPE_STRING_LIST, /* char **, NULL-terminated, as STRING; values part at commas */
} ConfigType;

/* From when on a value counts that is read while the program runs. */
typedef enum ConfigEffect {
        CONFIG_EFFECT_START,   /* from the next start on */
        CONFIG_EFFECT_DEVICES, /* for devices that come later */
        CONFIG_EFFECT_NOW,
} ConfigEffect;

/* Whether `text` is a good value. */
typedef bool (*ConfigCheck)(const char *text);

typedef struct ConfigOption {
        const char *section;
        const char *key;
        ConfigType type;
        size_t offset;            /* of the field in ConfigTable::target */
        uint64_t minimum;         /* UINT, SIZE, DURATION_MS */
        uint64_t maximum;         /* the same; 0: whatever fits */
        const char *const *names; /* ENUM: NULL-terminated */
        ConfigCheck check;        /* STRING, each of STRING_LIST: NULL: anything */
        const char *allowed;      /* with `check`: what is allowed, for complaints */
        const char *help;         /* a sentence */
        ConfigEffect effect;
} ConfigOption;

typedef struct ConfigTable {
        const ConfigOption *options; /* borrowed */
        size_t n_options;
        void *target; /* borrowed */
} ConfigTable;

/* A number of bytes as SIZE has it, of milliseconds as DURATION_MS has it, for texts elsewhere.
 * -EINVAL, -ERANGE. */
int config_value_parse_size(const char *text, uint64_t *ret);
int config_value_parse_duration_ms(const char *text, uint64_t *ret);

/* Frees what a STRING_LIST field holds; takes NULL, returns NULL. */
char **config_option_strings_free(char **strings);
DEFINE_CLEANUP(char **, config_option_strings_free);
/* Whether two targets have the same value. No string and no list are empty ones. */
bool config_option_is_equal(const ConfigOption *option, const void *a, const void *b);
