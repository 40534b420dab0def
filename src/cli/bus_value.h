#pragma once

/*
 * Values on the bus as JSON: what the service says goes through here, so that every string is clean
 * before anything prints it.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

/* The next complete value of `message`; a dictionary becomes an object. -errno, -ENODATA at the
 * end. */
int bus_value_read(sd_bus_message *message, json_object **ret);
/* A string that a stranger may have written. */
json_object *bus_value_string(const char *text);
