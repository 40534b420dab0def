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

static void tell_change(const ConfigOption *option, void *userdata) {
        ++*(unsigned *) userdata;
        log_notice("%s has changed: it %s", option->key, effect_to_string(option->effect));
}

int daemon_reload(DaemonConfig **config, const DaemonOptions *options, DeviceManager *manager,
                  ConfigComplain complain, void *userdata) {
        DeviceManagerOptions manager_options = { 0 };
        DaemonConfig *next;
        unsigned n_changes = 0;
        int r;

        r = daemon_config_load(&next, options, complain, userdata);
        if (r < 0)
                return r;

        log_set_level(daemon_config_get_log_level(next));
        daemon_config_compare(*config, next, tell_change, &n_changes);
        if (n_changes == 0)
                log_notice("The configuration is as it was");
        daemon_config_fill(next, &manager_options);
        device_manager_set_options(manager, &manager_options);
        daemon_config_free(*config);
        *config = next;
        return 0;
}
