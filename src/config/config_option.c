/* What a ConfigOption leaves behind in its field. */

#include <string.h>

#include "config/config_option.h"

char **config_option_strings_free(char **strings) {
        if (!strings)
                return NULL;

        for (char **s = strings; *s; s++)
                free(*s);
        free(strings);
        return NULL;
}

static bool are_strings_equal(char *const *a, char *const *b) {
        for (; a && *a && b && *b; a++, b++)
                if (strcmp(*a, *b) != 0)
                        return false;
        return (!a || !*a) && (!b || !*b);
}

bool config_option_is_equal(const ConfigOption *option, const void *a, const void *b) {
        const void *left = (const uint8_t *) a + option->offset;
        const void *right = (const uint8_t *) b + option->offset;

        switch (option->type) {
        case CONFIG_TYPE_BOOL:
                return *(const bool *) left == *(const bool *) right;
        case CONFIG_TYPE_UINT:
        case CONFIG_TYPE_DURATION_MS:
                return *(const uint32_t *) left == *(const uint32_t *) right;
        case CONFIG_TYPE_SIZE:
                return *(const uint64_t *) left == *(const uint64_t *) right;
        case CONFIG_TYPE_ENUM:
                return *(const int *) left == *(const int *) right;
        case CONFIG_TYPE_STRING:
                return strcmp(*(char *const *) left ?: "", *(char *const *) right ?: "") == 0;
        case CONFIG_TYPE_STRING_LIST:
                return are_strings_equal(*(char **const *) left, *(char **const *) right);
        }

        assert_not_reached();
}
