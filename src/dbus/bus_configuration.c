/* The configuration is the program's: it is asked by BusServiceOptions::configuration. */

#include "dbus/bus_configuration.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "dbus/bus_error.h"
#include "dbus/bus_options.h"
#include "dbus/bus_properties.h"
#include "dbus/bus_service_internal.h"

/* A list that is filled in as things are told. */
typedef struct Listing {
        sd_bus_message *reply;
        int r; /* of the first that failed */
} Listing;

/* Values and names of files are as somebody wrote them, in whatever character set. */
static int append_setting(sd_bus_message *reply, const BusSetting *setting) {
        const char *const texts[] = { setting->section, setting->key, setting->value,
                                      setting->origin };
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ssss");
        for (size_t i = 0; i < N_ELEMENTS(texts) && r >= 0; i++)
                r = bus_properties_append_text(reply, texts[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static void add_setting(const BusSetting *setting, void *userdata) {
        Listing *listing = userdata;

        if (listing->r >= 0)
                listing->r = append_setting(listing->reply, setting);
}

static void add_key(const char *key, void *userdata) {
        Listing *listing = userdata;

        if (listing->r >= 0)
                listing->r = sd_bus_message_append(listing->reply, "s", key);
}

/* Makes the reply with an open array of these. */
static int open_listing(Listing *listing, sd_bus_message *message, const char *type) {
        int r;

        r = sd_bus_message_new_method_return(message, &listing->reply);
        if (r < 0)
                return r;
        return sd_bus_message_open_container(listing->reply, 'a', type);
}

static int send_listing(Listing *listing) {
        if (listing->r < 0)
                return listing->r;
        listing->r = sd_bus_message_close_container(listing->reply);
        if (listing->r < 0)
                return listing->r;
        return sd_bus_message_send(listing->reply);
}

static void listing_done(Listing *listing) { sd_bus_message_unref(listing->reply); }

int bus_configuration_on_get(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(listing_done) Listing listing = { .r = 0 };
        BusService *service = userdata;
        int r;

        r = open_listing(&listing, message, "(ssss)");
        if (r < 0)
                return r;
        r = service->options.configuration->list(add_setting, &listing, service->options.userdata);
        if (r < 0)
                return bus_error_set(ret_error, r, "%s", strerror(-r));
        return send_listing(&listing);
}

int bus_configuration_on_reload(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(listing_done) Listing listing = { .r = 0 };
        char mistake[BUS_SERVICE_MISTAKE_SIZE] = "";
        BusService *service = userdata;
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(service, message, BUS_ACTION("configure"), NULL, NULL, ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = open_listing(&listing, message, "s");
        if (r < 0)
                return r;
        r = service->options.configuration->reload(add_key, &listing, mistake,
                                                   service->options.userdata);
        if (r == 0)
                return send_listing(&listing);
        log_sanitise(mistake);
        return bus_error_set(ret_error, r, "The configuration stays as it was: %s",
                             mistake[0] != '\0' ? mistake : strerror(-r));
}
