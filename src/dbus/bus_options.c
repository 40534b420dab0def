/* Options by their table. */

#include <errno.h>
#include <string.h>

#include "dbus/bus_error.h"
#include "dbus/bus_options.h"

static const BusOption *find_option(const BusOption *options, size_t n_options, const char *name) {
        for (size_t i = 0; i < n_options; i++)
                if (strcmp(options[i].name, name) == 0)
                        return &options[i];
        return NULL;
}

static int read_value(sd_bus_message *message, const BusOption *option, sd_bus_error *ret_error) {
        const char type[] = { option->type, '\0' };
        const char *contents;
        char kind;
        int r;

        r = sd_bus_message_peek_type(message, &kind, &contents);
        if (r < 0)
                return r;
        if (kind != 'v' || strcmp(contents, type) != 0)
                return bus_error_set(ret_error, -EINVAL, "The option \"%s\" is of type %s",
                                     option->name, type);
        r = sd_bus_message_read(message, "v", type, option->value);
        if (r >= 0 && option->ret_is_set)
                *option->ret_is_set = true;
        return r;
}

static int read_entry(sd_bus_message *message, const BusOption *options, size_t n_options,
                      sd_bus_error *ret_error) {
        const BusOption *option;
        const char *name;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        option = find_option(options, n_options, name);
        if (!option)
                return bus_error_set(ret_error, -EINVAL, "There is no option \"%s\"", name);
        r = read_value(message, option, ret_error);
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(message);
}

int bus_options_read(sd_bus_message *message, const BusOption *options, size_t n_options,
                     sd_bus_error *ret_error) {
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_entry(message, options, n_options, ret_error);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        return sd_bus_message_exit_container(message);
}
