#pragma once

/*
 * BusProperties
 *
 * Properties that lie as fields in a struct of plain data, where a vtable's offsets lead: getters
 * for what sd-bus has none of its own, and what has changed between two such structs. Texts are
 * arrays, filled with zeroes to their end; a property of an array's type ("as", "ao") is a mask in
 * a uint32_t, with a getter of its owner's; booleans are ints, as sd-bus wants them.
 */

#include <systemd/sd-bus.h>

#include "base/macros.h"

/* Of one interface. */
#define BUS_PROPERTIES_CHANGED_MAX 48

/* A text field. */
int bus_properties_get_text(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *ret_error);
/* A text field of type "o". */
int bus_properties_get_path(sd_bus *bus, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *ret_error);
/* Fills a text field with what any bytes can be told as: valid UTF-8 without control characters. */
void bus_properties_set_text(char *field, size_t size, const char *text);
#define BUS_PROPERTIES_SET_TEXT(field, text) bus_properties_set_text(field, sizeof(field), text)
/* The same of any length, as a message's next text. */
int bus_properties_append_text(sd_bus_message *message, const char *text);

/*
 * Which of the properties that announce their changes differ: their names, borrowed from the
 * vtable, and NULL behind the last. Returns how many.
 */
size_t bus_properties_compare(const sd_bus_vtable *vtable, const void *former, const void *now,
                              const char *ret_names[static BUS_PROPERTIES_CHANGED_MAX + 1]);
