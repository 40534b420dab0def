/* First the match, then the question: who leaves between the two is told by either. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dbus/bus_caller.h"

/* Unique names are short; a bus that gives longer ones is none. */
#define CALLER_NAME_SIZE_MAX 256

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

struct BusCaller {
        const BusCallerHandlers *handlers;
        void *userdata;
        sd_bus_slot *match_slot; /* owned */
        sd_bus_slot *user_slot;  /* owned */
};

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        BusCaller *caller = userdata;
        const char *name, *former, *owner;

        if (sd_bus_message_read(signal, "sss", &name, &former, &owner) < 0 || owner[0] != '\0')
                return 0;
        caller->user_slot = sd_bus_slot_unref(caller->user_slot);
        caller->handlers->gone(caller, caller->userdata);
        return 0;
}

static int on_user(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        BusCaller *caller = userdata;
        uint32_t uid = 0;
        int r;

        r = -sd_bus_message_get_errno(reply);
        if (r == 0)
                r = sd_bus_message_read(reply, "u", &uid);
        caller->handlers->known(caller, MIN(r, 0), uid, caller->userdata);
        return 0;
}

/* What the bus says to the match is of no interest: without it, nobody is told of the end. */
static int on_match(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) { return 0; }

static int ask(BusCaller *caller, sd_bus *bus, const char *name) {
        char rule[sizeof("type='signal',sender='" BUS_NAME "',path='" BUS_PATH
                         "',interface='" BUS_NAME "',member='NameOwnerChanged',arg0=''") +
                  CALLER_NAME_SIZE_MAX];
        int r;

        if (strlen(name) >= CALLER_NAME_SIZE_MAX)
                return -EINVAL;
        snprintf(rule, sizeof(rule),
                 "type='signal',sender='" BUS_NAME "',path='" BUS_PATH "',interface='" BUS_NAME
                 "',member='NameOwnerChanged',arg0='%s'",
                 name);
        r = sd_bus_add_match_async(bus, &caller->match_slot, rule, on_owner_changed, on_match,
                                   caller);
        if (r < 0 || !caller->handlers->known)
                return r;
        return sd_bus_call_method_async(bus, &caller->user_slot, BUS_NAME, BUS_PATH, BUS_NAME,
                                        "GetConnectionUnixUser", on_user, caller, "s", name);
}

int bus_caller_new(BusCaller **ret, BusConnection *connection, sd_bus_message *message,
                   const BusCallerHandlers *handlers, void *userdata) {
        _cleanup_(bus_caller_freep) BusCaller *caller = NULL;
        const char *name = sd_bus_message_get_sender(message);
        int r;

        assert(handlers->gone);

        if (!name)
                return -EACCES;
        caller = calloc(1, sizeof(*caller));
        if (!caller)
                return -ENOMEM;
        caller->handlers = handlers;
        caller->userdata = userdata;
        r = ask(caller, bus_connection_get_bus(connection), name);
        bus_connection_wake(connection);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(caller);
        return 0;
}

BusCaller *bus_caller_free(BusCaller *caller) {
        if (!caller)
                return NULL;

        sd_bus_slot_unref(caller->match_slot);
        sd_bus_slot_unref(caller->user_slot);
        free(caller);
        return NULL;
}
