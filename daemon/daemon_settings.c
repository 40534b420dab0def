/* The table of options that the manager has, and what holds without a file. */

#include "daemon_settings.h"

#include "daemon_nbd.h"
#include "daemon_quirks.h"

static const char *const present_device_names[] = {
        [DEVICE_PRESENT_POLICY_KEEP] = "keep",
        [DEVICE_PRESENT_POLICY_TAKE] = "take",
        [DEVICE_PRESENT_POLICY_APPLY] = "apply-policy",
        NULL,
};

static const char *const target_names[] = {
        [DEVICE_TARGET_ALLOW] = "allow", [DEVICE_TARGET_READ_ONLY] = "read-only",
        [DEVICE_TARGET_BLOCK] = "block", [DEVICE_TARGET_REJECT] = "reject",
        [_DEVICE_TARGET_MAX] = NULL,
};

static const char *const cache_policy_names[] = {
        [CACHE_POLICY_KIND_LRU] = "lru",
        [CACHE_POLICY_KIND_S3FIFO] = "s3fifo",
        NULL,
};

static const char *const tls_mode_names[] = {
        [NBD_TLS_MODE_OFF] = "off",
        [NBD_TLS_MODE_ON] = "on",
        [NBD_TLS_MODE_REQUIRE] = "require",
        [_NBD_TLS_MODE_MAX] = NULL,
};

static const char *const log_level_names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
        [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",     NULL,
};

#define SMART_PERIOD_MS_MAX (7 * 24 * 3600 * 1000)

static bool is_absolute_path(const char *text) { return text[0] == '/'; }

static const ConfigOption options[] = {
        {
                        .section = "usb_storage",
                        .key = "storage_device_timeout",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_DURATION_MS,
                        .offset = offsetof(DaemonSettings, device_timeout_ms),
                        .minimum = 1000,
                        .maximum = 600000,
                        .help = "The deadline of reads and writes.",
        },
        {
                        .section = "usb_storage",
                        .key = "storage_device_max_devices",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_UINT,
                        .offset = offsetof(DaemonSettings, n_devices_max),
                        .minimum = 1,
                        .maximum = DEVICE_MANAGER_DEVICES_MAX,
                        .help = "Devices beyond it are left to the kernel.",
        },
        {
                        .section = "usb_storage",
                        .key = "storage_device_max_luns",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_UINT,
                        .offset = offsetof(DaemonSettings, n_luns_max),
                        .minimum = 1,
                        .maximum = 16,
                        .help = "Logical units of a device beyond it are not looked at.",
        },
        {
                        .section = "usb_storage",
                        .key = "storage_device_async_enabled",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, is_device_async),
                        .help = "Off: a device gets one command at a time, and nothing is read "
                                "ahead.",
        },
        {
                        .section = "usb_storage",
                        .key = "async_io_enabled",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, is_io_async),
                        .help = "The same, under another name: either is enough.",
        },
        {
                        .section = "usb_storage",
                        .key = "scsi_processing_enabled",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, is_processing_enabled),
                        .help = "Off: devices are taken, but get no command, and nothing is "
                                "exported.",
        },
        {
                        .section = "usb_storage",
                        .key = "scsi_validation_enabled",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, is_validation_enabled),
                        .help = "Whether commands are checked before a device gets them.",
        },
        {
                        .section = "usb_storage",
                        .key = "scsi_command_cache_size",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_UINT,
                        .offset = offsetof(DaemonSettings, n_commands_kept),
                        .maximum = DEVICE_MANAGER_COMMANDS_KEPT_MAX,
                        .help = "So many commands of each device are kept for reuse.",
        },
        {
                        .section = "usb_storage",
                        .key = "performance_monitoring_enabled",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, is_monitored),
                        .help = "Whether what clients do is counted and timed.",
        },
        {
                        .section = "usb_storage",
                        .key = "quirks",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_STRING_LIST,
                        .offset = offsetof(DaemonSettings, quirks),
                        .check = daemon_quirks_is_entry,
                        .allowed = "VID:PID:letters, with hexadecimal numbers and the letters "
                                   "abcdefghijklmnoprstuwy",
                        .help = "What is known to be wrong with models of devices.",
        },
        {
                        .section = "usb_storage",
                        .key = "quirks_file",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, quirks_file),
                        .help = "More of them; after these come those that are shipped.",
        },
        {
                        .section = "usb_storage",
                        .key = "cache_enabled",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, cache.is_enabled),
                        .help = "Whether anything is cached.",
        },
        {
                        .section = "usb_storage",
                        .key = "write_back_cache",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, cache.is_write_back),
                        .help = "Whether writes complete when they are in the cache.",
        },
        {
                        .section = "usb_storage",
                        .key = "read_ahead_cache",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, cache.has_read_ahead),
                        .help = "Whether more is read than was asked for, where that pays.",
        },
        {
                        .section = "usb_storage",
                        .key = "cache_size",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_SIZE,
                        .offset = offsetof(DaemonSettings, cache.size),
                        .minimum = DEVICE_CACHE_SIZE_MIN,
                        .maximum = DEVICE_CACHE_SIZE_MAX,
                        .help = "Memory for the caches of all devices together.",
        },
        {
                        .section = "usb_storage",
                        .key = "cache_policy",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_ENUM,
                        .offset = offsetof(DaemonSettings, cache_policy),
                        .names = cache_policy_names,
                        .help = "What is dropped from a full cache.",
        },
        {
                        .section = "usb_storage",
                        .key = "power_management_enabled",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, is_power_managed),
                        .help = "Off: no device is put to sleep, unless somebody asks for it.",
        },
        {
                        .section = "device",
                        .key = "cache_verify",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, cache.verifies_hits),
                        .help = "Whether the sums of what is read from the cache are checked.",
        },
        {
                        .section = "device",
                        .key = "park_timeout",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_DURATION_MS,
                        .offset = offsetof(DaemonSettings, cache.park_timeout_ms),
                        .maximum = 3600000,
                        .help = "For so long a device that was unplugged is waited for.",
        },
        {
                        .section = "device",
                        .key = "present_devices",
                        .effect = CONFIG_EFFECT_START,
                        .type = CONFIG_TYPE_ENUM,
                        .offset = offsetof(DaemonSettings, present_devices),
                        .names = present_device_names,
                        .help = "What happens to disks that were there before the service.",
        },
        {
                        .section = "device",
                        .key = "rules_file",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, rules_file),
                        .help = "Which devices are taken, and how.",
        },
        {
                        .section = "device",
                        .key = "default_target",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_ENUM,
                        .offset = offsetof(DaemonSettings, default_target),
                        .names = target_names,
                        .help = "What becomes of devices that no rule is about.",
        },
        {
                        .section = "device",
                        .key = "trim",
                        .effect = CONFIG_EFFECT_DEVICES,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, is_trim_enabled),
                        .help = "Whether TRIM is passed on to devices that offer it, once they "
                                "passed a trial.",
        },
        {
                        .section = "power",
                        .key = "standby_timeout",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_DURATION_MS,
                        .offset = offsetof(DaemonSettings, standby_timeout_ms),
                        .maximum = DEVICE_POWER_TIMEOUT_MAX_MS,
                        .help = "After so long without work a disk is stopped; 0: never.",
        },
        {
                        .section = "power",
                        .key = "suspend_timeout",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_DURATION_MS,
                        .offset = offsetof(DaemonSettings, suspend_timeout_ms),
                        .maximum = DEVICE_POWER_TIMEOUT_MAX_MS,
                        .help = "After so long without work its USB port is suspended; 0: never.",
        },
        {
                        .section = "smart",
                        .key = "poll_interval",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_DURATION_MS,
                        .offset = offsetof(DaemonSettings, smart_period_ms),
                        .maximum = SMART_PERIOD_MS_MAX,
                        .help = "How often drives that are awake are asked for their health; 0: "
                                "only on demand.",
        },
        {
                        .section = "smart",
                        .key = "drivedb",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_STRING_LIST,
                        .offset = offsetof(DaemonSettings, drivedb),
                        .check = is_absolute_path,
                        .allowed = "absolute paths",
                        .help = "Where bridges are looked up: smartmontools' drivedb.h.",
        },
        {
                        .section = "nbd",
                        .key = "listen",
                        .effect = CONFIG_EFFECT_START,
                        .type = CONFIG_TYPE_STRING_LIST,
                        .offset = offsetof(DaemonSettings, listen),
                        .check = daemon_nbd_is_address,
                        .allowed = "unix:/PATH and tcp:HOST:PORT",
                        .help = "Where clients come to, unless --nbd says; none: the "
                                "socket in the runtime folder.",
        },
        {
                        .section = "nbd",
                        .key = "socket_mode",
                        .effect = CONFIG_EFFECT_START,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, socket_mode),
                        .check = daemon_nbd_is_mode,
                        .allowed = "a file mode like 0660",
                        .help = "Who may connect to unix sockets.",
        },
        {
                        .section = "nbd",
                        .key = "socket_group",
                        .effect = CONFIG_EFFECT_START,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, socket_group),
                        .check = daemon_nbd_is_group,
                        .allowed = "the name of a group that exists",
                        .help = "The group that unix sockets belong to.",
        },
        {
                        .section = "nbd",
                        .key = "access_file",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, access_file),
                        .help = "Which client may open which exports.",
        },
        {
                        .section = "nbd",
                        .key = "tls",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_ENUM,
                        .offset = offsetof(DaemonSettings, tls_mode),
                        .names = tls_mode_names,
                        .help = "On: offered over unix sockets, required over TCP.",
        },
        {
                        .section = "nbd",
                        .key = "tls_certificate",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, tls_certificate),
                        .help = "Our certificate, and those up to its root.",
        },
        {
                        .section = "nbd",
                        .key = "tls_key",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, tls_key),
                        .help = "Its key.",
        },
        {
                        .section = "nbd",
                        .key = "tls_client_ca",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, tls_client_ca),
                        .help = "Clients must have a certificate of one of these.",
        },
        {
                        .section = "nbd",
                        .key = "tls_client_crl",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, tls_client_crl),
                        .help = "And none of these, which were revoked.",
        },
        {
                        .section = "nbd",
                        .key = "tls_psk",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonSettings, tls_psk),
                        .help = "Keys that we share with clients.",
        },
        {
                        .section = "nbd",
                        .key = "tcp_without_tls",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonSettings, allows_plain_tcp),
                        .help = "TCP in the clear: everybody on the network may read and "
                                "write the disks.",
        },
        {
                        .section = "daemon",
                        .key = "log_level",
                        .effect = CONFIG_EFFECT_NOW,
                        .type = CONFIG_TYPE_ENUM,
                        .offset = offsetof(DaemonSettings, log_level),
                        .names = log_level_names,
                        .help = "What is logged.",
        },
};

const ConfigOption *daemon_settings_get_options(size_t *ret_n) {
        *ret_n = N_ELEMENTS(options);
        return options;
}

void daemon_settings_init(DaemonSettings *settings) {
        *settings = (DaemonSettings){
                .device_timeout_ms = 30000,
                .n_devices_max = 16,
                .n_luns_max = 8,
                .is_device_async = true,
                .is_io_async = true,
                .is_processing_enabled = true,
                .is_validation_enabled = true,
                .n_commands_kept = 64,
                .is_monitored = true,
                .present_devices = DEVICE_PRESENT_POLICY_KEEP,
                .cache = {
                        .is_enabled = true,
                        .is_write_back = true,
                        .has_read_ahead = true,
                        .size = 256 * MIB,
                        .park_timeout_ms = 60000,
                },
                .cache_policy = CACHE_POLICY_KIND_LRU,
                .is_power_managed = true,
                .smart_period_ms = 30 * 60 * 1000,
                .log_level = LOG_LEVEL_INFO,
        };
}

static void free_string(char **string) {
        free(*string);
        *string = NULL;
}

void daemon_settings_done(DaemonSettings *settings) {
        settings->quirks = config_option_strings_free(settings->quirks);
        settings->drivedb = config_option_strings_free(settings->drivedb);
        settings->listen = config_option_strings_free(settings->listen);
        free_string(&settings->quirks_file);
        free_string(&settings->rules_file);
        free_string(&settings->socket_mode);
        free_string(&settings->socket_group);
        free_string(&settings->access_file);
        free_string(&settings->tls_certificate);
        free_string(&settings->tls_key);
        free_string(&settings->tls_client_ca);
        free_string(&settings->tls_client_crl);
        free_string(&settings->tls_psk);
}
