#pragma once

/*
 * DaemonSettings
 *
 * What the keys of the configuration say, as a table of options fills it in. Plain data.
 */

#include "base/log.h"
#include "config/config_option.h"
#include "device/device_manager.h"
#include "device/device_policy.h"
#include "device/device_power.h"

typedef struct DaemonSettings {
        uint32_t device_timeout_ms;
        uint32_t n_devices_max;
        uint32_t n_luns_max;
        bool is_device_async;
        bool is_io_async;
        bool is_processing_enabled;
        bool is_validation_enabled;
        uint32_t n_commands_kept;
        bool is_monitored;
        char **quirks;     /* owned */
        char *quirks_file; /* owned */
        DeviceCacheOptions cache;
        int cache_policy;    /* CachePolicyKind */
        int present_devices; /* DevicePresentPolicy */
        char *rules_file;    /* owned; NULL: the default, if it exists */
        int default_target;  /* DeviceTarget, of what no rule is about */
        bool is_trim_enabled;
        bool is_power_managed;
        uint32_t standby_timeout_ms;
        uint32_t suspend_timeout_ms;
        uint32_t smart_period_ms;
        char **drivedb;     /* owned; NULL: smartmontools' own */
        char **listen;      /* owned */
        char *socket_mode;  /* owned: octal; NULL: the default */
        char *socket_group; /* owned; NULL: the service's */
        int tls_mode;       /* NbdTlsMode */
        bool allows_plain_tcp;
        char *tls_certificate; /* owned paths; NULL: none */
        char *tls_key;
        char *tls_client_ca;
        char *tls_client_crl;
        char *tls_psk;
        char *access_file; /* owned; NULL: the default, if it exists */
        int log_level;     /* LogLevel */
} DaemonSettings;

/* In the order of their sections. */
const ConfigOption *daemon_settings_get_options(size_t *ret_n);
/* The defaults. */
void daemon_settings_init(DaemonSettings *settings);
void daemon_settings_done(DaemonSettings *settings);
