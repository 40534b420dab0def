/* All of it or nothing. */

#include "daemon_reload.h"

#include "base/log.h"

static const char *effect_to_string(ConfigEffect effect) {
        switch (effect) {
        case CONFIG_EFFECT_START:
                return "takes effect at the next start";
        case CONFIG_EFFECT_DEVICES:
                return "takes effect for devices that come from now on";
        case CONFIG_EFFECT_NOW:
                return "takes effect now";
        }

        assert_not_reached();
}

typedef struct Changes {
        unsigned n;
        DaemonConfigChanged pending;
        void *userdata;
} Changes;

static void tell_change(const ConfigOption *option, void *userdata) {
        Changes *changes = userdata;

        changes->n++;
        if (option->effect == CONFIG_EFFECT_START && changes->pending)
                changes->pending(option, changes->userdata);
        log_notice("%s has changed: it %s", option->key, effect_to_string(option->effect));
}

int daemon_reload(DaemonConfig **config, const DaemonOptions *options, DeviceManager *manager,
                  ConfigComplain complain, DaemonConfigChanged pending, void *userdata) {
        Changes changes = { .pending = pending, .userdata = userdata };
        DeviceManagerOptions manager_options = { 0 };
        DaemonConfig *next;
        int r;

        r = daemon_config_load(&next, options, complain, userdata);
        if (r < 0)
                return r;

        log_set_level(daemon_config_get_log_level(next));
        daemon_config_compare(*config, next, tell_change, &changes);
        if (changes.n == 0)
                log_notice("The configuration is as it was");
        daemon_config_fill(next, &manager_options);
        device_manager_set_options(manager, &manager_options);
        daemon_config_free(*config);
        *config = next;
        return 0;
}
