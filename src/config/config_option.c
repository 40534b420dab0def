/* What a ConfigOption leaves behind in its field. */

#include "config/config_option.h"

char **config_option_strings_free(char **strings) {
        if (!strings)
                return NULL;

        for (char **s = strings; *s; s++)
                free(*s);
        free(strings);
        return NULL;
}
