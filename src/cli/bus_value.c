/* Walks a message by its signature. sd-bus has checked that it is well formed, and how deep. */

#include <errno.h>

#include "base/macros.h"
#include "cli/bus_value.h"
#include "cli/ctl_text.h"

DEFINE_CLEANUP(json_object *, json_object_put);

/* The widest of each kind. */
typedef union BusBasic {
        uint8_t y;
        int b;
        int16_t n;
        uint16_t q;
        int32_t i;
        uint32_t u;
        int64_t x;
        uint64_t t;
        double d;
        const char *s;
} BusBasic;

json_object *bus_value_string(const char *text) {
        _cleanup_(freep) char *copy = ctl_text_copy(text);

        ctl_text_clean(copy);
        return json_object_new_string(copy);
}

static json_object *basic_to_json(char type, const BusBasic *basic) {
        switch (type) {
        case SD_BUS_TYPE_BYTE:
                return json_object_new_int(basic->y);
        case SD_BUS_TYPE_BOOLEAN:
                return json_object_new_boolean(basic->b);
        case SD_BUS_TYPE_INT16:
                return json_object_new_int(basic->n);
        case SD_BUS_TYPE_UINT16:
                return json_object_new_int(basic->q);
        case SD_BUS_TYPE_INT32:
                return json_object_new_int(basic->i);
        case SD_BUS_TYPE_UINT32:
                return json_object_new_int64(basic->u);
        case SD_BUS_TYPE_INT64:
                return json_object_new_int64(basic->x);
        case SD_BUS_TYPE_UINT64:
                return json_object_new_uint64(basic->t);
        case SD_BUS_TYPE_DOUBLE:
                return json_object_new_double(basic->d);
        case SD_BUS_TYPE_UNIX_FD:
                return NULL;
        default:
                return bus_value_string(basic->s);
        }
}

static int read_basic(sd_bus_message *message, char type, json_object **ret) {
        BusBasic basic = {};
        int r;

        r = sd_bus_message_read_basic(message, type, &basic);
        if (r < 0)
                return r;
        *ret = basic_to_json(type, &basic);
        return 0;
}

/* After the container was entered: all that is in it. */
static int read_elements(sd_bus_message *message, json_object *array) {
        int r;

        while ((r = sd_bus_message_at_end(message, /* complete= */ false)) == 0) {
                json_object *element = NULL;

                r = bus_value_read(message, &element);
                if (r < 0)
                        return r;
                json_object_array_add(array, element);
        }
        return r < 0 ? r : 0;
}

static int read_entry(sd_bus_message *message, json_object *object) {
        _cleanup_(json_object_putp) json_object *key = NULL;
        json_object *value = NULL;
        int r;

        r = bus_value_read(message, &key);
        if (r < 0)
                return r;
        r = bus_value_read(message, &value);
        if (r < 0)
                return r;
        json_object_object_add(object, json_object_get_string(key), value);
        return 0;
}

static int read_dictionary(sd_bus_message *message, json_object *object) {
        const char *contents;
        char type;
        int r;

        while ((r = sd_bus_message_peek_type(message, &type, &contents)) > 0) {
                r = sd_bus_message_enter_container(message, type, contents);
                if (r < 0)
                        return r;
                r = read_entry(message, object);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r;
}

static int read_container(sd_bus_message *message, char type, const char *contents,
                          json_object **ret) {
        bool is_dictionary = type == SD_BUS_TYPE_ARRAY && contents[0] == '{';
        _cleanup_(json_object_putp) json_object *value = NULL;
        int r;

        r = sd_bus_message_enter_container(message, type, contents);
        if (r < 0)
                return r;
        if (type == SD_BUS_TYPE_VARIANT) {
                r = bus_value_read(message, &value);
        } else if (is_dictionary) {
                value = json_object_new_object();
                r = read_dictionary(message, value);
        } else {
                value = json_object_new_array();
                r = read_elements(message, value);
        }
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(value);
        return 0;
}

/* It is recursive, as values are. NOLINTNEXTLINE(misc-no-recursion) */
int bus_value_read(sd_bus_message *message, json_object **ret) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(message, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -ENODATA;
        if (type == SD_BUS_TYPE_ARRAY || type == SD_BUS_TYPE_VARIANT || type == SD_BUS_TYPE_STRUCT)
                return read_container(message, type, contents, ret);
        return read_basic(message, type, ret);
}
