/* The vtable is the only list of the properties: what is compared is read from it. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "dbus/bus_properties.h"

int bus_properties_get_text(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *ret_error) {
        const char *text = userdata;

        return sd_bus_message_append(reply, "s", text);
}

int bus_properties_get_path(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *ret_error) {
        const char *value = userdata;

        return sd_bus_message_append(reply, "o", value);
}

/* Files have tabs for blanks. */
static void clean(char *text) {
        for (char *t = text; (t = strchr(t, '\t'));)
                *t = ' ';
        log_sanitise(text);
}

void bus_properties_set_text(char *field, size_t size, const char *text) {
        memset(field, 0, size);
        snprintf(field, size, "%s", text);
        clean(field);
}

int bus_properties_append_text(sd_bus_message *message, const char *text) {
        _cleanup_(freep) char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        clean(copy);
        return sd_bus_message_append(message, "s", copy);
}

/* Of a field by its type on the bus. */
static bool is_equal(const char *signature, const void *former, const void *now) {
        switch (signature[0]) {
        case 'y':
                return memcmp(former, now, sizeof(uint8_t)) == 0;
        case 'q':
                return memcmp(former, now, sizeof(uint16_t)) == 0;
        case 'b':
        case 'i':
        case 'u':
        case 'a':
                return memcmp(former, now, sizeof(uint32_t)) == 0;
        case 't':
        case 'x':
        case 'd':
                return memcmp(former, now, sizeof(uint64_t)) == 0;
        case 's':
        case 'o':
                return strcmp(former, now) == 0;
        default: /* no property has another type */
                assert_not_reached();
        }
}

size_t bus_properties_compare(const sd_bus_vtable *vtable, const void *former, const void *now,
                              const char *ret_names[static BUS_PROPERTIES_CHANGED_MAX + 1]) {
        size_t n_names = 0;

        for (; vtable->type != _SD_BUS_VTABLE_END; vtable++) {
                size_t offset;

                if (vtable->type != _SD_BUS_VTABLE_PROPERTY ||
                    !(vtable->flags & SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE))
                        continue;
                offset = vtable->x.property.offset;
                if (is_equal(vtable->x.property.signature, (const char *) former + offset,
                             (const char *) now + offset))
                        continue;
                assert(n_names < BUS_PROPERTIES_CHANGED_MAX);
                ret_names[n_names++] = vtable->x.property.member;
        }
        ret_names[n_names] = NULL;
        return n_names;
}
