#pragma once

/*
 * BusOption
 *
 * The options a{sv} at the end of a method's arguments: each method has a table of what it knows,
 * and anything else is an error.
 */

#include <systemd/sd-bus.h>

#include "base/macros.h"

typedef struct BusOption {
        const char *name;
        char type; /* 'b': to an int, 'u': to a uint32_t, 't': to a uint64_t, 's': to a const char * */
        void *value;      /* changed only if the option is there */
        bool *ret_is_set; /* NULL: nobody wants to know */
} BusOption;

/* Reads the dictionary at the message's position. Negative with `ret_error` set: it is refused. */
int bus_options_read(sd_bus_message *message, const BusOption *options, size_t n_options,
                     sd_bus_error *ret_error);
