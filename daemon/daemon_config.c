/* The table of options that the manager has today, and where they go. */

#include <errno.h>
#include <stdio.h>

#include "config/config_parser.h"
#include "daemon_config.h"
#include "daemon_quirks.h"

#define DEFAULT_PATH "/etc/usb-storage/usb-storage.conf"

/* What a table can write to; copied into the options when all is well. */
typedef struct DaemonConfig {
        uint32_t device_timeout_ms;
        uint32_t n_devices_max;
        uint32_t n_luns_max;
        int present_devices;
        bool is_trim_enabled;
        bool is_device_async;
        bool is_io_async;
        bool is_processing_enabled;
        bool is_validation_enabled;
        uint32_t n_commands_kept;
        char **quirks;     /* owned */
        char *quirks_file; /* owned */
        DeviceCacheOptions cache;
        int cache_policy;
        int log_level;
} DaemonConfig;

static const char *const present_device_names[] = {
        [DEVICE_PRESENT_POLICY_KEEP] = "keep",
        [DEVICE_PRESENT_POLICY_TAKE] = "take",
        NULL,
};

static const char *const cache_policy_names[] = {
        [CACHE_POLICY_KIND_LRU] = "lru",
        [CACHE_POLICY_KIND_S3FIFO] = "s3fifo",
        NULL,
};

static const char *const log_level_names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
        [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",     NULL,
};

static const ConfigOption config_options[] = {
        {
                        .section = "usb_storage",
                        .key = "storage_device_timeout",
                        .type = CONFIG_TYPE_DURATION_MS,
                        .offset = offsetof(DaemonConfig, device_timeout_ms),
                        .minimum = 1000,
                        .maximum = 600000,
                        .help = "The deadline of reads and writes.",
        },
        {
                        .section = "usb_storage",
                        .key = "storage_device_max_devices",
                        .type = CONFIG_TYPE_UINT,
                        .offset = offsetof(DaemonConfig, n_devices_max),
                        .minimum = 1,
                        .maximum = DEVICE_MANAGER_DEVICES_MAX,
                        .help = "Devices beyond it are left to the kernel.",
        },
        {
                        .section = "usb_storage",
                        .key = "storage_device_max_luns",
                        .type = CONFIG_TYPE_UINT,
                        .offset = offsetof(DaemonConfig, n_luns_max),
                        .minimum = 1,
                        .maximum = 16,
                        .help = "Logical units of a device beyond it are not looked at.",
        },
        {
                        .section = "usb_storage",
                        .key = "storage_device_async_enabled",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, is_device_async),
                        .help = "Off: a device gets one command at a time, and nothing is read "
                                "ahead.",
        },
        {
                        .section = "usb_storage",
                        .key = "async_io_enabled",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, is_io_async),
                        .help = "The same, under another name: either is enough.",
        },
        {
                        .section = "usb_storage",
                        .key = "scsi_processing_enabled",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, is_processing_enabled),
                        .help = "Off: devices are taken, but get no command, and nothing is "
                                "exported.",
        },
        {
                        .section = "usb_storage",
                        .key = "scsi_validation_enabled",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, is_validation_enabled),
                        .help = "Whether commands are checked before a device gets them.",
        },
        {
                        .section = "usb_storage",
                        .key = "scsi_command_cache_size",
                        .type = CONFIG_TYPE_UINT,
                        .offset = offsetof(DaemonConfig, n_commands_kept),
                        .maximum = DEVICE_MANAGER_COMMANDS_KEPT_MAX,
                        .help = "So many commands of each device are kept for reuse.",
        },
        {
                        .section = "usb_storage",
                        .key = "quirks",
                        .type = CONFIG_TYPE_STRING_LIST,
                        .offset = offsetof(DaemonConfig, quirks),
                        .check = daemon_quirks_is_entry,
                        .allowed = "VID:PID:letters, with hexadecimal numbers and the letters "
                                   "abcdefghijklmnoprstuwy",
                        .help = "What is known to be wrong with models of devices.",
        },
        {
                        .section = "usb_storage",
                        .key = "quirks_file",
                        .type = CONFIG_TYPE_STRING,
                        .offset = offsetof(DaemonConfig, quirks_file),
                        .help = "More of them; after these come those that are shipped.",
        },
        {
                        .section = "usb_storage",
                        .key = "cache_enabled",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, cache.is_enabled),
                        .help = "Whether anything is cached.",
        },
        {
                        .section = "usb_storage",
                        .key = "write_back_cache",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, cache.is_write_back),
                        .help = "Whether writes complete when they are in the cache.",
        },
        {
                        .section = "usb_storage",
                        .key = "read_ahead_cache",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, cache.has_read_ahead),
                        .help = "Whether more is read than was asked for, where that pays.",
        },
        {
                        .section = "usb_storage",
                        .key = "cache_size",
                        .type = CONFIG_TYPE_SIZE,
                        .offset = offsetof(DaemonConfig, cache.size),
                        .minimum = DEVICE_CACHE_SIZE_MIN,
                        .maximum = DEVICE_CACHE_SIZE_MAX,
                        .help = "Memory for the caches of all devices together.",
        },
        {
                        .section = "usb_storage",
                        .key = "cache_policy",
                        .type = CONFIG_TYPE_ENUM,
                        .offset = offsetof(DaemonConfig, cache_policy),
                        .names = cache_policy_names,
                        .help = "What is dropped from a full cache.",
        },
        {
                        .section = "device",
                        .key = "cache_verify",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, cache.verifies_hits),
                        .help = "Whether the sums of what is read from the cache are checked.",
        },
        {
                        .section = "device",
                        .key = "park_timeout",
                        .type = CONFIG_TYPE_DURATION_MS,
                        .offset = offsetof(DaemonConfig, cache.park_timeout_ms),
                        .maximum = 3600000,
                        .help = "For so long a device that was unplugged is waited for.",
        },
        {
                        .section = "device",
                        .key = "present_devices",
                        .type = CONFIG_TYPE_ENUM,
                        .offset = offsetof(DaemonConfig, present_devices),
                        .names = present_device_names,
                        .help = "What happens to disks that were there before the service.",
        },
        {
                        .section = "device",
                        .key = "trim",
                        .type = CONFIG_TYPE_BOOL,
                        .offset = offsetof(DaemonConfig, is_trim_enabled),
                        .help = "Whether TRIM is passed on to devices that offer it, once they "
                                "passed a trial.",
        },
        {
                        .section = "daemon",
                        .key = "log_level",
                        .type = CONFIG_TYPE_ENUM,
                        .offset = offsetof(DaemonConfig, log_level),
                        .names = log_level_names,
                        .help = "What is logged.",
        },
};

static void complain(const char *file, unsigned line, const char *text, void *userdata) {
        if (line > 0)
                fprintf(stderr, "%s:%u: %s\n", file, line, text);
        else
                fprintf(stderr, "%s: %s\n", file, text);
}

int daemon_config_load(DaemonOptions *options) {
        DeviceManagerOptions *manager = &options->device_manager;
        DaemonConfig config = {
                .device_timeout_ms = manager->device_timeout_ms,
                .n_devices_max = manager->n_devices_max,
                .n_luns_max = manager->n_luns_max,
                .present_devices = (int) manager->present_devices,
                .is_trim_enabled = manager->is_trim_enabled,
                .is_device_async = !manager->is_serial,
                .is_io_async = !manager->is_serial,
                .is_processing_enabled = !manager->skips_processing,
                .is_validation_enabled = !manager->skips_validation,
                .n_commands_kept = manager->n_commands_kept,
                .cache = manager->cache,
                .cache_policy = (int) manager->cache.policy,
                .log_level = (int) options->log_level,
        };
        const ConfigTable table = {
                .options = config_options,
                .n_options = N_ELEMENTS(config_options),
                .target = &config,
        };
        _cleanup_(config_option_strings_freep) char **quirks = NULL;
        _cleanup_(freep) char *quirks_file = NULL;
        int r;

        r = config_parser_load(&table, 1,
                               options->config_path ? options->config_path : DEFAULT_PATH,
                               /* is_optional= */ !options->config_path, complain, NULL);
        quirks = config.quirks;
        quirks_file = config.quirks_file;
        if (r < 0)
                return r;
        r = daemon_quirks_load(options, &(DaemonQuirksSources){
                                                        .configured = quirks,
                                                        .path = quirks_file,
                                                        .shipped_path = DATA_DIR "/quirks.conf",
                                        });
        if (r < 0)
                return r;

        manager->device_timeout_ms = config.device_timeout_ms;
        manager->n_devices_max = config.n_devices_max;
        manager->n_luns_max = config.n_luns_max;
        manager->present_devices = (DevicePresentPolicy) config.present_devices;
        manager->is_trim_enabled = config.is_trim_enabled;
        manager->is_serial = !config.is_device_async || !config.is_io_async;
        manager->skips_processing = !config.is_processing_enabled;
        manager->skips_validation = !config.is_validation_enabled;
        manager->n_commands_kept = config.n_commands_kept;
        manager->cache = config.cache;
        manager->cache.policy = (CachePolicyKind) config.cache_policy;
        if (!options->has_log_level)
                options->log_level = (LogLevel) config.log_level;
        return 0;
}
