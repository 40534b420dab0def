/* Reads every source to its end, so that all mistakes are told at once. */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon_config.h"
#include "daemon_drivedb.h"
#include "daemon_nbd.h"
#include "daemon_policy.h"
#include "daemon_quirks.h"
#include "daemon_settings.h"

#define COMPLAINT_SIZE_MAX 1024
#define SMART_PERIOD_MS_MIN UINT32_C(10000)
#define DEFAULT_PATH "/etc/usb-storage/usb-storage.conf"
#define SHIPPED_QUIRKS_PATH DATA_DIR "/quirks.conf"

struct DaemonConfig {
        DaemonSettings settings;
        ConfigTable table;    /* its target: `settings` */
        ConfigParser *parser; /* owned: where the values came from */
        UsbQuirksList quirks; /* owned */
        DevicePolicy *policy; /* owned */
        SmartDrivedb drivedb; /* owned */
        DaemonNbd nbd;
};

static const ConfigOption *find_option(const DaemonConfig *config, size_t offset) {
        for (size_t i = 0; i < config->table.n_options; i++)
                if (config->table.options[i].offset == offset)
                        return &config->table.options[i];

        assert_not_reached();
}

static int add_command_line(DaemonConfig *config, const DaemonOptions *options) {
        int r;

        if (options->log_level) {
                r = config_parser_override(config->parser, "daemon", "log_level",
                                           options->log_level, "--log-level");
                if (r < 0)
                        return r;
        }
        /* Each goes in front of those before. */
        for (size_t i = options->n_quirks; i > 0; i--) {
                r = config_parser_override(config->parser, "usb_storage", "quirks",
                                           options->quirks[i - 1], "--quirks");
                if (r < 0)
                        return r;
        }
        return 0;
}

/*
 * The file that a key names, also where there were mistakes: then it is looked at for its own. NULL:
 * it names none; one that can't be read is told with the key's place: -errno.
 */
static int get_named_file(const DaemonConfig *config, size_t offset, const char **ret,
                          ConfigComplain complain, void *userdata) {
        const ConfigOption *option = find_option(config, offset);
        const char *const *field = (const void *) ((const uint8_t *) &config->settings + offset);
        const char *path = *field ?: config_parser_peek(config->parser, option);
        char text[COMPLAINT_SIZE_MAX];
        ConfigOrigin origin;
        int r;

        *ret = NULL;
        if (!path || path[0] == '\0')
                return 0;
        if (access(path, R_OK) == 0) {
                *ret = path;
                return 0;
        }

        r = -errno;
        origin = config_parser_get_origin(config->parser, option);
        snprintf(text, sizeof(text), "%s = %s: must be a file that can be read: %s", option->key,
                 path, strerror(-r));
        complain(origin.file, origin.line, text, userdata);
        return r;
}

static int load_quirks(DaemonConfig *config, bool is_applied, ConfigComplain complain,
                       void *userdata) {
        DaemonQuirksSources sources = {
                .configured = is_applied ? config->settings.quirks : NULL,
                .shipped_path = SHIPPED_QUIRKS_PATH,
        };
        int r, load_r;

        r = get_named_file(config, offsetof(DaemonSettings, quirks_file), &sources.path, complain,
                           userdata);
        load_r = daemon_quirks_load(&config->quirks, &sources, complain, userdata);
        return r < 0 ? r : load_r;
}

static int load_policy(DaemonConfig *config, ConfigComplain complain, void *userdata) {
        const char *path;
        int r;

        r = device_policy_new(&config->policy, (DeviceTarget) config->settings.default_target);
        if (r < 0)
                return r;
        r = get_named_file(config, offsetof(DaemonSettings, rules_file), &path, complain, userdata);
        if (r < 0)
                return r;
        return daemon_policy_load(config->policy, path ? path : DAEMON_POLICY_DEFAULT_PATH,
                                  /* is_optional= */ !path, complain, userdata);
}

typedef struct NbdComplain {
        const DaemonConfig *config;
        ConfigComplain complain;
        void *userdata;
} NbdComplain;

/* With the key's place, or that of the section it could stand in. */
static void complain_about_nbd(size_t offset, const char *text, void *userdata) {
        const NbdComplain *to = userdata;
        ConfigOrigin origin;

        origin = config_parser_get_origin(to->config->parser, find_option(to->config, offset));
        to->complain(origin.file ?: "the command line", origin.line, text, to->userdata);
}

static int load_nbd(DaemonConfig *config, const DaemonOptions *options, bool is_applied,
                    ConfigComplain complain, void *userdata) {
        NbdComplain to = { config, complain, userdata };
        const char *path;
        int r, access_r, tls_r = 0;

        r = get_named_file(config, offsetof(DaemonSettings, access_file), &path, complain,
                           userdata);
        access_r = r < 0 ? r
                         : daemon_nbd_load_access(&config->nbd,
                                                  path ? path : DAEMON_NBD_ACCESS_DEFAULT_PATH,
                                                  /* is_optional= */ !path, complain, userdata);
        if (is_applied)
                tls_r = daemon_nbd_load_tls(&config->nbd, &config->settings, options,
                                            complain_about_nbd, &to);
        return access_r < 0 ? access_r : tls_r;
}

int daemon_config_load(DaemonConfig **ret, const DaemonOptions *options, ConfigComplain complain,
                       void *userdata) {
        _cleanup_(daemon_config_freep) DaemonConfig *config = NULL;
        const char *path = options->config_path ? options->config_path : DEFAULT_PATH;
        int r, quirks_r, policy_r, nbd_r;

        config = calloc(1, sizeof(*config));
        if (!config)
                return -ENOMEM;
        daemon_settings_init(&config->settings);
        daemon_nbd_init(&config->nbd);
        config->table.options = daemon_settings_get_options(&config->table.n_options);
        config->table.target = &config->settings;

        r = config_parser_new(&config->parser, &config->table, 1, complain, userdata);
        if (r < 0)
                return r;
        r = config_parser_read_path(config->parser, path,
                                    /* is_optional= */ !options->config_path);
        if (r < 0)
                return r;
        r = add_command_line(config, options);
        if (r < 0)
                return r;
        r = config_parser_apply(config->parser);
        if (r < 0 && r != -EINVAL)
                return r;
        quirks_r = load_quirks(config, /* is_applied= */ r == 0, complain, userdata);
        policy_r = load_policy(config, complain, userdata);
        nbd_r = load_nbd(config, options, /* is_applied= */ r == 0, complain, userdata);
        if (r < 0 || quirks_r < 0 || policy_r < 0 || nbd_r < 0)
                return r < 0 ? r : quirks_r < 0 ? quirks_r : policy_r < 0 ? policy_r : nbd_r;

        daemon_drivedb_load(&config->drivedb, config->settings.drivedb);
        *ret = TAKE_PTR(config);
        return 0;
}

DaemonConfig *daemon_config_free(DaemonConfig *config) {
        if (!config)
                return NULL;

        daemon_settings_done(&config->settings);
        daemon_nbd_done(&config->nbd);
        usb_quirks_list_done(&config->quirks);
        device_policy_free(config->policy);
        smart_drivedb_done(&config->drivedb);
        config_parser_free(config->parser);
        free(config);
        return NULL;
}

LogLevel daemon_config_get_log_level(const DaemonConfig *config) {
        return (LogLevel) config->settings.log_level;
}

/* Whoever forgets the unit does not keep drives busy with questions. */
static uint32_t get_smart_period_ms(const DaemonSettings *settings) {
        return settings->smart_period_ms > 0 ? MAX(settings->smart_period_ms, SMART_PERIOD_MS_MIN)
                                             : 0;
}

void daemon_config_fill(const DaemonConfig *config, DeviceManagerOptions *options) {
        const DaemonSettings *settings = &config->settings;

        options->device_timeout_ms = settings->device_timeout_ms;
        options->n_devices_max = settings->n_devices_max;
        options->n_luns_max = settings->n_luns_max;
        options->present_devices = (DevicePresentPolicy) settings->present_devices;
        options->is_trim_enabled = settings->is_trim_enabled;
        options->is_serial = !settings->is_device_async || !settings->is_io_async;
        options->skips_processing = !settings->is_processing_enabled;
        options->skips_validation = !settings->is_validation_enabled;
        options->n_commands_kept = settings->n_commands_kept;
        options->is_monitored = settings->is_monitored;
        options->quirks = &config->quirks;
        options->policy = config->policy;
        options->smart.period_ms = get_smart_period_ms(settings);
        options->smart.drivedb = &config->drivedb;
        options->cache = settings->cache;
        options->cache.policy = (CachePolicyKind) settings->cache_policy;
        options->power = (PowerOptions){
                .standby_timeout_ms = settings->standby_timeout_ms,
                .suspend_timeout_ms = settings->suspend_timeout_ms,
                .is_enabled = settings->is_power_managed,
        };
        options->nbd.tls_mode = (NbdTlsMode) settings->tls_mode;
        options->nbd.allows_plain_tcp = settings->allows_plain_tcp;
        options->nbd.tls_fds = config->nbd.tls_fds;
        options->nbd.access = &config->nbd.access;
}

int daemon_config_list(const DaemonConfig *config, ConfigWriterFound found, void *userdata) {
        return config_writer_list(&config->table, 1, config->parser, found, userdata);
}

bool daemon_config_is_monitored(const DaemonConfig *config) {
        return config->settings.is_monitored;
}

const DaemonSettings *daemon_config_get_settings(const DaemonConfig *config) {
        return &config->settings;
}

int daemon_config_write(const DaemonConfig *config, FILE *file) {
        return config_writer_write(file, &config->table, 1, config->parser);
}

static bool are_quirks_equal(const UsbQuirksList *a, const UsbQuirksList *b) {
        if (a->n_entries != b->n_entries)
                return false;
        for (size_t i = 0; i < a->n_entries; i++)
                if (a->entries[i].vendor_id != b->entries[i].vendor_id ||
                    a->entries[i].product_id != b->entries[i].product_id ||
                    a->entries[i].quirks != b->entries[i].quirks)
                        return false;
        return true;
}

static bool are_rules_equal(const DevicePolicy *a, const DevicePolicy *b) {
        const char *source;

        if (device_policy_get_n_rules(a) != device_policy_get_n_rules(b))
                return false;
        for (size_t i = 0; i < device_policy_get_n_rules(a); i++)
                if (strcmp(device_policy_get_rule(a, i, &source),
                           device_policy_get_rule(b, i, &source)) != 0)
                        return false;
        return true;
}

static bool is_tls_file_equal(const DaemonConfig *a, const DaemonConfig *b, size_t offset) {
        static const size_t offsets[_CONTROL_TLS_FILE_MAX] = {
                [CONTROL_TLS_FILE_CERTIFICATE] = offsetof(DaemonSettings, tls_certificate),
                [CONTROL_TLS_FILE_KEY] = offsetof(DaemonSettings, tls_key),
                [CONTROL_TLS_FILE_AUTHORITIES] = offsetof(DaemonSettings, tls_client_ca),
                [CONTROL_TLS_FILE_REVOKED] = offsetof(DaemonSettings, tls_client_crl),
                [CONTROL_TLS_FILE_PSK] = offsetof(DaemonSettings, tls_psk),
        };

        for (size_t i = 0; i < N_ELEMENTS(offsets); i++)
                if (offsets[i] == offset)
                        return daemon_nbd_is_tls_equal(&a->nbd, &b->nbd, (ControlTlsFile) i);
        return true;
}

/* Of a key that names a file, what is in that counts. */
static bool is_equal(const DaemonConfig *a, const DaemonConfig *b, const ConfigOption *option) {
        if (!config_option_is_equal(option, &a->settings, &b->settings))
                return false;
        if (option->offset == offsetof(DaemonSettings, rules_file))
                return are_rules_equal(a->policy, b->policy);
        if (option->offset == offsetof(DaemonSettings, drivedb))
                return daemon_drivedb_is_equal(&a->drivedb, &b->drivedb);
        if (option->offset == offsetof(DaemonSettings, access_file))
                return nbd_access_list_is_equal(&a->nbd.access, &b->nbd.access);
        if (option->offset == offsetof(DaemonSettings, quirks_file))
                return are_quirks_equal(&a->quirks, &b->quirks) ||
                       !is_equal(a, b, find_option(a, offsetof(DaemonSettings, quirks)));
        return is_tls_file_equal(a, b, option->offset);
}

void daemon_config_compare(const DaemonConfig *a, const DaemonConfig *b,
                           DaemonConfigChanged changed, void *userdata) {
        for (size_t i = 0; i < a->table.n_options; i++)
                if (!is_equal(a, b, &a->table.options[i]))
                        changed(&a->table.options[i], userdata);
}
