/* Text output of properties. */

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "cli/ctl_facts.h"
#include "cli/ctl_text.h"

void ctl_facts_print(const Ctl *ctl, const char *title, const char *format, ...) {
        _cleanup_(freep) char *value = NULL;
        va_list arguments;

        va_start(arguments, format);
        if (vasprintf(&value, format, arguments) < 0)
                ctl_text_no_memory();
        va_end(arguments);
        if (*value != '\0')
                printf("%*s%s: %s\n", MAX(CTL_FACTS_INDENT - (int) strlen(title), 0), "", title,
                       value);
}

static char *make_title(const char *name) {
        char *title = malloc(2 * strlen(name) + 1), *to = title;

        if (!title)
                ctl_text_no_memory();
        for (const char *c = name; *c != '\0'; c++) {
                bool begins = c > name && isupper((unsigned char) *c) &&
                              islower((unsigned char) c[-1]);

                if (begins)
                        *to++ = ' ';
                *to++ = begins ? (char) tolower((unsigned char) *c) : *c;
        }
        *to = '\0';
        return title;
}

char *ctl_facts_join(json_object *array, const char *separator) {
        char *joined = ctl_text_copy("");

        if (!json_object_is_type(array, json_type_array))
                return joined;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                const char *word = json_object_get_string(json_object_array_get_idx(array, i));
                char *longer = ctl_text_format("%s%s%s", joined, i > 0 ? separator : "",
                                               word ? word : "-");

                free(joined);
                joined = longer;
        }
        return joined;
}

void ctl_facts_print_all(const Ctl *ctl, json_object *properties) {
        json_object_object_foreach(properties, name, value) {
                _cleanup_(freep) char *title = make_title(name);
                _cleanup_(freep) char *text = NULL;

                if (json_object_is_type(value, json_type_array))
                        text = ctl_facts_join(value, ", ");
                else if (json_object_is_type(value, json_type_boolean))
                        text = ctl_text_copy(json_object_get_boolean(value) ? "yes" : "no");
                else
                        text = ctl_text_copy(value ? json_object_get_string(value) : "");
                ctl_facts_print(ctl, title, "%s", *text != '\0' ? text : "-");
        }
}
