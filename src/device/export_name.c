/* Pure text: see export_name.h. */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "device/export_name.h"

#define SUFFIX_SIZE_MAX 40

static bool is_allowed(char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
}

void export_name_sanitise(char *text) {
        for (; *text != '\0'; text++)
                if (!is_allowed(*text))
                        *text = '_';
}

void export_name_format(char *ret, uint16_t vendor_id, uint16_t product_id, const char *serial,
                        const char *port) {
        snprintf(ret, EXPORT_NAME_SIZE_MAX, "%04x-%04x-%s", vendor_id, product_id,
                 serial[0] != '\0' ? serial : port);
        export_name_sanitise(ret);
}

/* What does not fit is cut off before it. */
static void add_suffix(char *name, const char *suffix) {
        strcpy(name + MIN(strlen(name), EXPORT_NAME_SIZE_MAX - 1 - strlen(suffix)), suffix);
}

void export_name_add_port(char *name, const char *port) {
        char suffix[SUFFIX_SIZE_MAX];

        snprintf(suffix, sizeof(suffix), "-at-%s", port);
        export_name_sanitise(suffix);
        add_suffix(name, suffix);
}

void export_name_add_number(char *name, unsigned number) {
        char suffix[SUFFIX_SIZE_MAX];

        snprintf(suffix, sizeof(suffix), "-%u", number);
        add_suffix(name, suffix);
}
