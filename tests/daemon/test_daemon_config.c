/*
 * The keys of the configuration go where they belong, and what is commented out in the file that
 * is installed is what holds without it.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon_config.h"
#include "daemon_options.h"
#include "daemon_settings.h"
#include "device/device_policy.h"

#define COMPLAINTS_SIZE_MAX 4096
#define DUMP_SIZE_MAX 16384

static const char *installed_path; /* of conf/usb-storage.conf */
static const char *manual_path;    /* of man/usb-storage.conf.5.scd */
static char complaints[COMPLAINTS_SIZE_MAX];
static DaemonConfig *config;         /* owned: as load() got it */
static DeviceManagerOptions manager; /* what it says */

static DaemonOptions options; /* as a command line without options */

static void set_up(void) {
        char *arguments[] = { (char *) "usb-storaged", NULL };

        ck_assert_int_eq(daemon_options_parse(&options, 1, arguments), 0);
        complaints[0] = '\0';
        manager = (DeviceManagerOptions){ 0 };
}

static void tear_down(void) { config = daemon_config_free(config); }

static void complain(const char *file, unsigned line, const char *text, void *userdata) {
        size_t size = strlen(complaints);

        snprintf(complaints + size, sizeof(complaints) - size, "%u: %s\n", line, text);
}

/* Into `config` and `manager`. */
static int load(const char *text) {
        char path[] = "/tmp/daemon-config-XXXXXX";
        int fd, r;

        fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (int) strlen(text));
        fd_close(fd);
        options.config_path = path;
        config = daemon_config_free(config);
        r = daemon_config_load(&config, &options, complain, NULL);
        unlink(path);
        if (r == 0)
                daemon_config_fill(config, &manager);
        return r;
}

static void assert_cache_is_equal(const DeviceCacheOptions *a, const DeviceCacheOptions *b) {
        ck_assert_int_eq(a->is_enabled, b->is_enabled);
        ck_assert_int_eq(a->is_write_back, b->is_write_back);
        ck_assert_int_eq(a->has_read_ahead, b->has_read_ahead);
        ck_assert_int_eq(a->verifies_hits, b->verifies_hits);
        ck_assert_int_eq(a->policy, b->policy);
        ck_assert_uint_eq(a->size, b->size);
        ck_assert_uint_eq(a->park_timeout_ms, b->park_timeout_ms);
}

typedef struct CacheCase {
        const char *text;
        const char *bad_text; /* of the same key */
        DeviceCacheOptions expected;
} CacheCase;

static const CacheCase cache_cases[] = {
        {
                        .text = "[usb_storage]\ncache_enabled = false\n",
                        .bad_text = "[usb_storage]\ncache_enabled = perhaps\n",
                        .expected = { false, true, true, false, 0, 256 * MIB, 60000 },
        },
        {
                        .text = "[usb_storage]\nwrite_back_cache = false\n",
                        .bad_text = "[usb_storage]\nwrite_back_cache = 2\n",
                        .expected = { true, false, true, false, 0, 256 * MIB, 60000 },
        },
        {
                        .text = "[usb_storage]\nread_ahead_cache = no\n",
                        .bad_text = "[usb_storage]\nread_ahead_cache = 64K\n",
                        .expected = { true, true, false, false, 0, 256 * MIB, 60000 },
        },
        {
                        .text = "[device]\ncache_verify = yes\n",
                        .bad_text = "[usb_storage]\ncache_verify = yes\n",
                        .expected = { true, true, true, true, 0, 256 * MIB, 60000 },
        },
        {
                        .text = "[usb_storage]\ncache_policy = s3fifo\n",
                        .bad_text = "[usb_storage]\ncache_policy = arc\n",
                        .expected = { true, true, true, false, CACHE_POLICY_KIND_S3FIFO, 256 * MIB,
                                      60000 },
        },
        {
                        .text = "[usb_storage]\ncache_size = \"64MB\"\n",
                        .bad_text = "[usb_storage]\ncache_size = 1M\n",
                        .expected = { true, true, true, false, 0, 64 * MIB, 60000 },
        },
        {
                        .text = "[device]\npark_timeout = 5min\n",
                        .bad_text = "[device]\npark_timeout = 2h\n",
                        .expected = { true, true, true, false, 0, 256 * MIB, 300000 },
        },
        {
                        .text = "[device]\npark_timeout = 0\n",
                        .bad_text = "[device]\npark_timeout = never\n",
                        .expected = { true, true, true, false, 0, 256 * MIB, 0 },
        },
};

START_TEST(key_of_the_cache_is_read) {
        const CacheCase *c = &cache_cases[_i];

        ck_assert_int_eq(load(c->text), 0);
        assert_cache_is_equal(&manager.cache, &c->expected);
}
END_TEST

START_TEST(keys_of_power_are_read) {
        ck_assert_int_eq(load(""), 0);
        ck_assert(manager.power.is_enabled);
        ck_assert_uint_eq(manager.power.standby_timeout_ms, 0);
        ck_assert_uint_eq(manager.power.suspend_timeout_ms, 0);
        ck_assert_int_eq(load("[usb_storage]\npower_management_enabled = no\n"
                              "[power]\nstandby_timeout = 10min\nsuspend_timeout = 24h\n"),
                         0);
        ck_assert(!manager.power.is_enabled);
        ck_assert_uint_eq(manager.power.standby_timeout_ms, 600000);
        ck_assert_uint_eq(manager.power.suspend_timeout_ms, 86400000);
        ck_assert_int_eq(load("[power]\nstandby_timeout = 25h\nsuspend_timeout = soon\n"), -EINVAL);
        ck_assert_ptr_nonnull(strstr(complaints, "2: standby_timeout = 25h: must be"));
        ck_assert_ptr_nonnull(strstr(complaints, "3: suspend_timeout = soon: must be"));
}
END_TEST

START_TEST(bad_value_is_refused) {
        ck_assert_int_eq(load(cache_cases[_i].bad_text), -EINVAL);
        ck_assert_ptr_null(config);
        ck_assert_ptr_nonnull(strstr(complaints, "2: "));
}
END_TEST

typedef struct DeviceCase {
        const char *text;
        uint32_t timeout_ms;
        unsigned n_devices, n_luns, n_commands;
        bool is_trim_enabled, is_serial, skips_processing, skips_validation;
} DeviceCase;

static const DeviceCase device_cases[] = {
        { "", 30000, 16, 8, 64, false, false, false, false },
        { "storage_device_timeout = 5s", 5000, 16, 8, 64, false, false, false, false },
        { "storage_device_max_devices = 3", 30000, 3, 8, 64, false, false, false, false },
        { "storage_device_max_luns = 1", 30000, 16, 1, 64, false, false, false, false },
        { "scsi_command_cache_size = 0", 30000, 16, 8, 0, false, false, false, false },
        { "[device]\ntrim = yes", 30000, 16, 8, 64, true, false, false, false },
        { "storage_device_async_enabled = no", 30000, 16, 8, 64, false, true, false, false },
        { "async_io_enabled = off", 30000, 16, 8, 64, false, true, false, false },
        { "scsi_processing_enabled = 0", 30000, 16, 8, 64, false, false, true, false },
        { "scsi_validation_enabled = no", 30000, 16, 8, 64, false, false, false, true },
};

START_TEST(key_of_devices_is_read) {
        const DeviceCase *c = &device_cases[_i];
        char text[256];

        snprintf(text, sizeof(text), "[usb_storage]\n%s\n", c->text);
        ck_assert_int_eq(load(text), 0);
        ck_assert_uint_eq(manager.device_timeout_ms, c->timeout_ms);
        ck_assert_uint_eq(manager.n_devices_max, c->n_devices);
        ck_assert_uint_eq(manager.n_luns_max, c->n_luns);
        ck_assert_uint_eq(manager.n_commands_kept, c->n_commands);
        ck_assert_int_eq(manager.is_trim_enabled, c->is_trim_enabled);
        ck_assert_int_eq(manager.is_serial, c->is_serial);
        ck_assert_int_eq(manager.skips_processing, c->skips_processing);
        ck_assert_int_eq(manager.skips_validation, c->skips_validation);
}
END_TEST

START_TEST(performance_monitoring_is_on_unless_the_key_says_otherwise) {
        ck_assert_int_eq(load(""), 0);
        ck_assert(manager.is_monitored);
        ck_assert_int_eq(load("[usb_storage]\nperformance_monitoring_enabled = false\n"), 0);
        ck_assert(!manager.is_monitored);
}
END_TEST

START_TEST(drives_are_asked_as_often_as_the_key_says_but_not_all_the_time) {
        static const struct {
                const char *text;
                uint32_t period_ms;
        } cases[] = {
                { "", 1800000 },
                { "[smart]\npoll_interval = 0\n", 0 },
                { "[smart]\npoll_interval = 2h\n", 7200000 },
                { "[smart]\npoll_interval = 30\n", 10000 },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                ck_assert_int_eq(load(cases[i].text), 0);
                ck_assert_uint_eq(manager.smart.period_ms, cases[i].period_ms);
        }
        ck_assert_int_eq(load("[smart]\npoll_interval = 169h\n"), -EINVAL);
        ck_assert_int_eq(load("[smart]\ndrivedb = drivedb.h\n"), -EINVAL);
        ck_assert_ptr_nonnull(strstr(complaints, "2: drivedb = drivedb.h: must be absolute paths"));
}
END_TEST

static char log_lines[4096];

static void on_log(const LogRecord *record, void *userdata) {
        size_t size = strlen(log_lines);

        snprintf(log_lines + size, sizeof(log_lines) - size, "%s\n", record->message);
}

static void write_new(char *path, const char *text) {
        int fd = mkstemp(path);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (int) strlen(text));
        fd_close(fd);
}

static SmartBridgeKind find_bridge(uint16_t vendor_id, uint16_t product_id) {
        SmartBridge bridge;

        if (!smart_drivedb_find(manager.smart.drivedb, &bridge, vendor_id, product_id, 0))
                return _SMART_BRIDGE_KIND_MAX;
        return bridge.kind;
}

START_TEST(bridges_are_looked_up_in_the_files_that_are_named_and_bad_ones_do_no_harm) {
        char first[] = "/tmp/daemon-drivedb-XXXXXX", second[] = "/tmp/daemon-drivedb-XXXXXX";
        char text[256];

        write_new(first, "{\"USB: A; B\",\"0xfff0:0x0001\",\"\",\"\",\"-d usbjmicron\"},\n");
        write_new(second, "{\"USB: A; B\",\"0xfff0:0x000[12]\",\"\",\"\",\"-d sat\"},\n");
        log_lines[0] = '\0';
        log_set_sink(on_log, NULL);
        snprintf(text, sizeof(text), "[smart]\ndrivedb = \"%s, /nonexistent, /dev/zero, %s\"\n",
                 first, second);
        ck_assert_int_eq(load(text), 0);
        log_set_sink(NULL, NULL);
        unlink(first);
        unlink(second);
        ck_assert_int_eq(find_bridge(0xfff0, 1), SMART_BRIDGE_KIND_JMICRON);
        ck_assert_int_eq(find_bridge(0xfff0, 2), SMART_BRIDGE_KIND_SAT_16);
        ck_assert_int_eq(find_bridge(0xfff0, 3), _SMART_BRIDGE_KIND_MAX);
        ck_assert_ptr_nonnull(strstr(log_lines, "/nonexistent: bridges are not looked up there"));
        ck_assert_ptr_nonnull(strstr(log_lines, "/dev/zero: bridges are not looked up there"));
}
END_TEST

static uint32_t find(uint16_t vendor_id, uint16_t product_id) {
        return usb_quirks_list_find(manager.quirks, vendor_id, product_id);
}

START_TEST(quirks_of_the_command_line_come_before_those_of_the_configuration_and_its_file) {
        char path[] = "/tmp/daemon-quirks-XXXXXX", text[256];
        int fd;

        fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, "fff0:1:r,fff0:2:r # why\nfff0:3:r\n", 33), 33);
        fd_close(fd);
        snprintf(text, sizeof(text),
                 "[usb_storage]\nquirks = \"fff0:1:g, fff0:2:g, fff0:4:g\"\nquirks_file = %s\n",
                 path);
        options.quirks[options.n_quirks++] = "fff0:1:u,fff0:5:u";
        options.quirks[options.n_quirks++] = "fff0:4:i,fff0:5:i";
        ck_assert_int_eq(load(text), 0);
        unlink(path);
        ck_assert_uint_eq(find(0xfff0, 1), USB_QUIRK_IGNORE_UAS);
        ck_assert_uint_eq(find(0xfff0, 2), USB_QUIRK_MAX_SECTORS_240);
        ck_assert_uint_eq(find(0xfff0, 3), USB_QUIRK_IGNORE_RESIDUE);
        ck_assert_uint_eq(find(0xfff0, 4), USB_QUIRK_IGNORE_DEVICE);
        ck_assert_uint_eq(find(0xfff0, 5), USB_QUIRK_IGNORE_UAS);
}
END_TEST

static const char *const bad_quirks[] = {
        "[usb_storage]\nquirks = fff0:1:q\n",
        "[usb_storage]\nquirks = fff0:1\n",
        "[usb_storage]\nquirks_file = /nonexistent/quirks\n",
        "[usb_storage]\nquirks_file = /dev/zero\n",
};

START_TEST(bad_quirks_are_refused) {
        ck_assert_int_lt(load(bad_quirks[_i]), 0);
        ck_assert_str_ne(complaints, "");
}
END_TEST

START_TEST(bad_quirks_of_the_command_line_are_refused) {
        options.quirks[options.n_quirks++] = "fff0:1:u,";
        ck_assert_int_eq(load(""), -EINVAL);
}
END_TEST

START_TEST(the_command_line_beats_the_level_of_the_log) {
        ck_assert_int_eq(load("[daemon]\nlog_level = error\n"), 0);
        ck_assert_int_eq(daemon_config_get_log_level(config), LOG_LEVEL_ERROR);
        options.log_level = "debug";
        ck_assert_int_eq(load("[daemon]\nlog_level = error\n"), 0);
        ck_assert_int_eq(daemon_config_get_log_level(config), LOG_LEVEL_DEBUG);
}
END_TEST

START_TEST(all_mistakes_of_all_sources_are_told_at_once) {
        static const char *const expected[] = {
                "2: there is no key cach_size in [usb_storage], only: ",
                "3: cache_policy = arc: must be one of: lru, s3fifo\n",
                "4: storage_device_max_luns = 17: must be a number from 1 to 16\n",
                "0: quirks = fff0:2: must be VID:PID:letters",
                "5: quirks_file = /nonexistent: must be a file that can be read: No such file",
                "7: rules_file = /nowhere: must be a file that can be read: No such file",
        };

        options.quirks[options.n_quirks++] = "fff0:2";
        ck_assert_int_eq(load("[usb_storage]\ncach_size = 1G\ncache_policy = arc\n"
                              "storage_device_max_luns = 17\nquirks_file = /nonexistent\n"
                              "[device]\nrules_file = /nowhere\n"),
                         -EINVAL);
        for (size_t i = 0; i < N_ELEMENTS(expected); i++)
                ck_assert_msg(strstr(complaints, expected[i]), "%s in\n%s", expected[i],
                              complaints);
}
END_TEST

/* None of them as it is by default. */
static const char *const other_values[] = {
        "[usb_storage]\nstorage_device_timeout = 2500\n",
        "[usb_storage]\nstorage_device_max_devices = 3\n",
        "[usb_storage]\nstorage_device_max_luns = 1\n",
        "[usb_storage]\nstorage_device_async_enabled = false\n",
        "[usb_storage]\nasync_io_enabled = false\n",
        "[usb_storage]\nscsi_processing_enabled = false\n",
        "[usb_storage]\nscsi_validation_enabled = false\n",
        "[usb_storage]\nscsi_command_cache_size = 0\n",
        "[usb_storage]\nperformance_monitoring_enabled = false\n",
        "[usb_storage]\nquirks = \"fff0:1:g, fff0:2:\"\n",
        "[usb_storage]\nquirks_file = /dev/null\n",
        "[usb_storage]\ncache_enabled = false\n",
        "[usb_storage]\nwrite_back_cache = false\n",
        "[usb_storage]\nread_ahead_cache = false\n",
        "[usb_storage]\ncache_size = 5000001\n",
        "[usb_storage]\ncache_policy = s3fifo\n",
        "[usb_storage]\npower_management_enabled = false\n",
        "[power]\nstandby_timeout = 10min\n",
        "[power]\nsuspend_timeout = 1s\n",
        "[device]\ncache_verify = true\n",
        "[device]\npark_timeout = 0\n",
        "[device]\npresent_devices = take\n",
        "[device]\ntrim = true\n",
        "[device]\nrules_file = /dev/null\n",
        "[device]\ndefault_target = read-only\n",
        "[smart]\npoll_interval = 0\n",
        "[smart]\ndrivedb = /dev/null\n",
        "[nbd]\nlisten = \"unix:/tmp/a, unix:/tmp/b\"\n",
        "[nbd]\nsocket_mode = 0666\n",
        "[nbd]\nsocket_group = root\n",
        "[nbd]\naccess_file = /dev/null\n",
        "[nbd]\ntcp_without_tls = yes\n",
        "[daemon]\nlog_level = debug\n",
};

/* They need each other, or files: tested by themselves. */
#define N_TLS_KEYS 6

/* One file and two drop-ins of it. */
static void write_rules(const char *folder, const char *name, const char *text) {
        char path[256];
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", folder, name);
        file = fopen(path, "w");
        ck_assert_ptr_nonnull(file);
        ck_assert_int_ge(fputs(text, file), 0);
        ck_assert_int_eq(fclose(file), 0);
}

static void remove_rules(const char *folder) {
        static const char *const names[] = { "rules.d/20.conf", "rules.d/10.conf", "rules.d",
                                             "rules", "." };
        char path[256];

        for (size_t i = 0; i < N_ELEMENTS(names); i++) {
                snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
                ck_assert_int_eq(remove(i + 1 < N_ELEMENTS(names) ? path : folder), 0);
        }
}

static int load_rules(const char *folder) {
        char text[256];

        snprintf(text, sizeof(text), "[device]\nrules_file = %s/rules\ndefault_target = block\n",
                 folder);
        return load(text);
}

START_TEST(rules_are_those_of_the_file_and_its_drop_ins_in_their_order) {
        char folder[] = "/tmp/daemon-rules-XXXXXX", path[256];
        const char *source;

        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(path, sizeof(path), "%s/rules.d", folder);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        write_rules(folder, "rules", "allow 0001:*\n");
        write_rules(folder, "rules.d/20.conf", "reject 0003:*\n");
        write_rules(folder, "rules.d/10.conf", "read-only 0002:*\n");
        ck_assert_int_eq(load_rules(folder), 0);
        ck_assert_int_eq(device_policy_get_default(manager.policy), DEVICE_TARGET_BLOCK);
        ck_assert_uint_eq(device_policy_get_n_rules(manager.policy), 3);
        ck_assert_str_eq(device_policy_get_rule(manager.policy, 1, &source), "read-only 0002:*");
        ck_assert_ptr_nonnull(strstr(source, "rules.d/10.conf:1"));

        write_rules(folder, "rules", "allow\nallow 1\n");
        write_rules(folder, "rules.d/20.conf", "perhaps");
        ck_assert_int_eq(load_rules(folder), -EINVAL);
        ck_assert_ptr_nonnull(strstr(complaints, "2: column 7: "));
        ck_assert_ptr_nonnull(strstr(complaints, "1: column 1: a rule begins with"));
        remove_rules(folder);
}
END_TEST

START_TEST(rules_that_were_asked_for_must_be_there) {
        ck_assert_int_eq(load("[device]\nrules_file = /nowhere/rules\n"), -ENOENT);
        ck_assert_ptr_nonnull(strstr(complaints, "No such file"));
}
END_TEST

static const char *const key_files[] = { "certificate", "key", "ca", "crl", "psk" };

/* Files of TLS in a folder; what is in them is for the front to judge. */
static void make_key_files(char *folder) {
        ck_assert_ptr_nonnull(mkdtemp(folder));
        for (size_t i = 0; i < N_ELEMENTS(key_files); i++) {
                char path[128];
                int fd;

                snprintf(path, sizeof(path), "%s/%s", folder, key_files[i]);
                fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
                ck_assert_int_ge(fd, 0);
                fd_close(fd);
        }
}

static void remove_key_files(const char *folder) {
        for (size_t i = 0; i < N_ELEMENTS(key_files); i++) {
                char path[128];

                snprintf(path, sizeof(path), "%s/%s", folder, key_files[i]);
                unlink(path);
        }
        rmdir(folder);
}

/* "@" stands for the folder. */
static int load_with_folder(const char *text, const char *folder) {
        char whole[2048] = "";

        for (const char *t = text; *t; t++) {
                size_t size = strlen(whole);

                if (*t == '@')
                        snprintf(whole + size, sizeof(whole) - size, "%s", folder);
                else
                        snprintf(whole + size, sizeof(whole) - size, "%c", *t);
        }
        return load(whole);
}

typedef struct TlsCase {
        const char *text;
        const char *complaint; /* NULL: it is good */
} TlsCase;

#define X509 "tls_certificate = @/certificate\ntls_key = @/key\n"

static const TlsCase tls_cases[] = {
        { "[nbd]\ntls = on\n" X509, NULL },
        { "[nbd]\ntls = require\ntls_psk = @/psk\n", NULL },
        { "[nbd]\ntls = require\n" X509 "tls_client_ca = @/ca\ntls_client_crl = @/crl\n", NULL },
        { "[nbd]\n" X509, NULL },
        { "[nbd]\ntls = on\nlisten = tcp:localhost:10809\n" X509, NULL },
        { "[nbd]\ntcp_without_tls = yes\nlisten = tcp:[::1]:10809\n", NULL },
        { "[nbd]\ntls = on\n", "2: tls needs tls_certificate and tls_key, or tls_psk, or both" },
        { "[nbd]\ntls_certificate = @/certificate\n", "2: tls_certificate needs tls_key as well" },
        { "[nbd]\ntls_key = @/key\n", "2: tls_key needs tls_certificate as well" },
        { "[nbd]\ntls_client_ca = @/ca\n",
          "2: tls_client_ca needs tls_certificate and tls_key as well" },
        { "[nbd]\n" X509 "tls_client_crl = @/crl\n",
          "4: tls_client_crl needs tls_client_ca as well" },
        { "[nbd]\ntls_psk = @/nothing\n", "/nothing: No such file or directory" },
        { "[nbd]\ntls_psk = @\n", ": must be a file" },
        { "[nbd]\nlisten = tcp:localhost:10809\n", "2: tcp:localhost:10809: no TCP without TLS" },
        { "[nbd]\nlisten = tcp:10809\n", "must be unix:/PATH and tcp:HOST:PORT" },
        { "[nbd]\nlisten = unix:here\n", "must be unix:/PATH and tcp:HOST:PORT" },
        { "[nbd]\nsocket_mode = 1777\n", "must be a file mode" },
        { "[nbd]\nsocket_mode = rw\n", "must be a file mode" },
        { "[nbd]\nsocket_group = no-such-group\n", "must be the name of a group that exists" },
};

START_TEST(keys_of_tls_must_fit_each_other) {
        const TlsCase *c = &tls_cases[_i];
        char folder[] = "/tmp/daemon-tls-XXXXXX";
        int r;

        make_key_files(folder);
        r = load_with_folder(c->text, folder);
        if (c->complaint) {
                ck_assert_int_eq(r, -EINVAL);
                ck_assert_msg(strstr(complaints, c->complaint), "%s", complaints);
        } else {
                ck_assert_msg(r == 0, "%s", complaints);
        }
        remove_key_files(folder);
}
END_TEST

START_TEST(secrets_must_not_be_open_to_all) {
        char folder[] = "/tmp/daemon-tls-XXXXXX", path[128];

        make_key_files(folder);
        snprintf(path, sizeof(path), "%s/key", folder);
        ck_assert_int_eq(chmod(path, 0644), 0);
        ck_assert_int_eq(load_with_folder("[nbd]\n" X509, folder), -EINVAL);
        ck_assert_ptr_nonnull(strstr(complaints, "is open to all users"));
        remove_key_files(folder);
}
END_TEST

START_TEST(the_command_line_gets_no_tcp_without_tls_either) {
        options.listen_addresses[options.n_listen_addresses++] = "tcp:localhost:1";
        ck_assert_int_eq(load(""), -EINVAL);
        ck_assert_ptr_nonnull(strstr(complaints, "tcp:localhost:1: no TCP without TLS"));
}
END_TEST

START_TEST(mistakes_of_an_access_list_are_told_with_their_lines) {
        char path[] = "/tmp/daemon-access-XXXXXX", text[256];
        int fd = mkstemp(path);

        ck_assert_int_eq(write(fd, "allow\nallow * to root\n", 22), 22);
        fd_close(fd);
        snprintf(text, sizeof(text), "[nbd]\naccess_file = %s\n", path);
        ck_assert_int_eq(load(text), -EINVAL);
        ck_assert_ptr_nonnull(strstr(complaints, "1: the line ends where"));
        ck_assert_ptr_nonnull(strstr(complaints, "2: root: allowed are everyone, "));
        unlink(path);
}
END_TEST

static const char *changed_key;
static unsigned n_changed;

static void on_changed(const ConfigOption *option, void *userdata) {
        changed_key = option->key;
        n_changed++;
}

static void compare(const DaemonConfig *a, const DaemonConfig *b) {
        changed_key = "";
        n_changed = 0;
        daemon_config_compare(a, b, on_changed, NULL);
}

static void dump(char *text) {
        FILE *file = fmemopen(text, DUMP_SIZE_MAX, "w");

        ck_assert_ptr_nonnull(file);
        ck_assert_int_eq(daemon_config_write(config, file), 0);
        ck_assert_int_eq(fclose(file), 0);
}

START_TEST(what_is_dumped_can_be_read_back) {
        const char *key = strchr(other_values[_i], '\n') + 1;
        size_t key_size = strcspn(key, " ");
        char text[DUMP_SIZE_MAX] = "";
        DaemonConfig *defaults, *changed;

        ck_assert_int_eq(load(""), 0);
        defaults = TAKE_PTR(config);
        ck_assert_int_eq(load(other_values[_i]), 0);
        compare(defaults, config);
        ck_assert_uint_eq(n_changed, 1);
        ck_assert_uint_eq(strlen(changed_key), key_size);
        ck_assert_mem_eq(changed_key, key, key_size);

        dump(text);
        changed = TAKE_PTR(config);
        ck_assert_int_eq(load(text), 0);
        compare(changed, config);
        ck_assert_uint_eq(n_changed, 0);
        daemon_config_free(defaults);
        daemon_config_free(changed);
}
END_TEST

static void write_file(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        fd_close(fd);
}

typedef struct FileCase {
        const char *section;
        const char *key;
        const char *before;
        const char *after;
} FileCase;

static const FileCase file_cases[] = {
        { "usb_storage", "quirks_file", "fff0:1:g\n", "fff0:1:u\n" },
        { "usb_storage", "quirks_file", "fff0:1:g\n", "fff0:1:g,fff0:2:g\n" },
        { "device", "rules_file", "allow\n", "block\n" },
        { "nbd", "access_file", "allow * to unix\n", "allow * to unix read-only\n" },
        { "device", "rules_file", "block 1209:0001\n", "block 1209:0001\nallow\n" },
};

START_TEST(what_stands_in_a_file_that_is_named_counts) {
        const FileCase *c = &file_cases[_i];
        char path[] = "/tmp/daemon-named-XXXXXX", text[256];
        DaemonConfig *before;

        fd_close(mkstemp(path));
        write_file(path, c->before);
        snprintf(text, sizeof(text), "[%s]\n%s = %s\n", c->section, c->key, path);
        ck_assert_int_eq(load(text), 0);
        before = TAKE_PTR(config);
        ck_assert_int_eq(load(text), 0);
        compare(before, config);
        ck_assert_uint_eq(n_changed, 0);
        write_file(path, c->after);
        ck_assert_int_eq(load(text), 0);
        compare(before, config);
        ck_assert_uint_eq(n_changed, 1);
        ck_assert_str_eq(changed_key, c->key);
        daemon_config_free(before);
        unlink(path);
}
END_TEST

/* So that a new key is in the list above. */
START_TEST(each_key_has_another_value) {
        char text[DUMP_SIZE_MAX] = "";
        size_t n_keys = 0;

        ck_assert_int_eq(load(""), 0);
        dump(text);
        for (const char *line = text; line; line = strchr(line + 1, '\n'))
                n_keys += strncmp(line, "\n# Set by: ", 11) == 0;
        ck_assert_uint_eq(n_keys, N_ELEMENTS(other_values) + N_TLS_KEYS);
}
END_TEST

/* By its words; of a list, and of what may be missing, the manual tells in words of its own. */
static bool has_default(const ConfigOption *option, const char *entry, const char *dumped) {
        char line[128];
        const char *value;
        size_t size;

        snprintf(line, sizeof(line), "\n%s = ", option->key);
        value = strstr(dumped, line) + strlen(line);
        size = strcspn(value, "\n");
        return option->type == CONFIG_TYPE_STRING || option->type == CONFIG_TYPE_STRING_LIST ||
               (strncmp(entry, value, size) == 0 && (entry[size] == ';' || entry[size] == ')'));
}

static const char *get_effect(const ConfigOption *option) {
        static const char *const effects[] = {
                [CONFIG_EFFECT_START] = "; next start)",
                [CONFIG_EFFECT_DEVICES] = "; devices that come)",
                [CONFIG_EFFECT_NOW] = "; at once)",
        };

        return strcmp(option->key, "trim") == 0 ? "; media that are exported from then on)"
                                                : effects[option->effect];
}

START_TEST(the_manual_tells_each_key_its_default_and_when_it_counts) {
        char text[32768] = "", dumped[DUMP_SIZE_MAX] = "", name[128];
        const ConfigOption *table;
        size_t n;
        int fd;

        fd = open(manual_path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
        fd_close(fd);
        ck_assert_int_eq(load(""), 0);
        dump(dumped);
        table = daemon_settings_get_options(&n);
        for (size_t i = 0; i < n; i++) {
                const char *entry, *end;

                snprintf(name, sizeof(name), "\n*%s* = ", table[i].key);
                entry = strstr(text, name);
                ck_assert_msg(entry, "%s", table[i].key);
                end = strchr(entry + 1, '\n');
                entry = strchr(entry, '(') + 1;
                ck_assert_msg(has_default(&table[i], entry, dumped), "%s", table[i].key);
                entry = strstr(entry, get_effect(&table[i]));
                ck_assert_msg(entry && entry < end, "%s", table[i].key);
        }
}
END_TEST

START_TEST(the_dump_tells_where_values_came_from) {
        static const char *const expected[] = {
                "# Set by: default\nstorage_device_timeout = 30s\n",
                ":2\ncache_size = 1G\n",
                "# Set by: command line, --quirks, then /",
                ":3\nquirks = \"fff0:1:u, fff0:2:g\"\n",
                "# Set by: command line, --log-level\nlog_level = error\n",
        };
        char text[DUMP_SIZE_MAX] = "";

        options.log_level = "error";
        options.quirks[options.n_quirks++] = "fff0:1:u";
        ck_assert_int_eq(load("[usb_storage]\ncache_size = 1024M\nquirks = fff0:2:g\n"
                              "[daemon]\nlog_level = debug\n"),
                         0);
        dump(text);
        for (size_t i = 0; i < N_ELEMENTS(expected); i++)
                ck_assert_msg(strstr(text, expected[i]), "%s in\n%s", expected[i], text);
}
END_TEST

/* Each line "#key = value", without its "#". */
static void uncomment(char *text) {
        char *to = text;

        for (const char *from = text; *from != '\0'; from++)
                if (*from != '#' || (from != text && from[-1] != '\n') || from[1] == ' ')
                        *to++ = *from;
        *to = '\0';
}

static const char *const without_default[] = {
        "quirks =",        "quirks_file =",    "rules_file =",  "drivedb =",         "listen =",
        "socket_mode =",   "socket_group =",   "access_file =", "tls_certificate =", "tls_key =",
        "tls_client_ca =", "tls_client_crl =", "tls_psk =",
};

START_TEST(installed_file_tells_the_defaults) {
        char text[8192] = {}, dumped[DUMP_SIZE_MAX] = "", *first;
        DaemonConfig *defaults;
        int fd;

        fd = open(installed_path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
        fd_close(fd);
        first = strchr(text, '\n'); /* its heading */
        uncomment(first);
        ck_assert_ptr_nonnull(strstr(first, "\ncache_size = \"256MB\"\n"));

        ck_assert_int_eq(load(""), 0);
        defaults = TAKE_PTR(config);
        ck_assert_int_eq(load(first), 0);
        compare(defaults, config);
        ck_assert_uint_eq(n_changed, 0);
        daemon_config_free(defaults);

        /* All but those that have no value without a file. */
        dump(dumped);
        first = dumped;
        for (size_t i = 0; i < N_ELEMENTS(without_default); i++) {
                first = strstr(first + 1, "# Set by: default\n");
                ck_assert_ptr_nonnull(first);
                first = strchr(first, '\n') + 1;
                ck_assert_mem_eq(first, without_default[i], strlen(without_default[i]));
        }
        ck_assert_ptr_null(strstr(first, "# Set by: default"));
}
END_TEST

int main(int argc, char **argv) {
        Suite *suite = suite_create("daemon config");
        TCase *tcase = tcase_create("keys");
        SRunner *runner;
        int n_failed;

        installed_path = argc > 1 ? argv[1] : "conf/usb-storage.conf";
        manual_path = argc > 2 ? argv[2] : "man/usb-storage.conf.5.scd";
        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_loop_test(tcase, key_of_the_cache_is_read, 0, N_ELEMENTS(cache_cases));
        tcase_add_test(tcase, keys_of_power_are_read);
        tcase_add_loop_test(tcase, bad_value_is_refused, 0, N_ELEMENTS(cache_cases));
        tcase_add_loop_test(tcase, key_of_devices_is_read, 0, N_ELEMENTS(device_cases));
        tcase_add_test(tcase, performance_monitoring_is_on_unless_the_key_says_otherwise);
        tcase_add_loop_test(tcase, keys_of_tls_must_fit_each_other, 0, (int) N_ELEMENTS(tls_cases));
        tcase_add_test(tcase, secrets_must_not_be_open_to_all);
        tcase_add_test(tcase, the_command_line_gets_no_tcp_without_tls_either);
        tcase_add_test(tcase, mistakes_of_an_access_list_are_told_with_their_lines);
        tcase_add_test(tcase, installed_file_tells_the_defaults);
        tcase_add_test(tcase,
                       quirks_of_the_command_line_come_before_those_of_the_configuration_and_its_file);
        tcase_add_test(tcase, drives_are_asked_as_often_as_the_key_says_but_not_all_the_time);
        tcase_add_test(tcase,
                       bridges_are_looked_up_in_the_files_that_are_named_and_bad_ones_do_no_harm);
        tcase_add_loop_test(tcase, bad_quirks_are_refused, 0, N_ELEMENTS(bad_quirks));
        tcase_add_test(tcase, bad_quirks_of_the_command_line_are_refused);
        tcase_add_test(tcase, the_command_line_beats_the_level_of_the_log);
        tcase_add_test(tcase, all_mistakes_of_all_sources_are_told_at_once);
        tcase_add_loop_test(tcase, what_is_dumped_can_be_read_back, 0, N_ELEMENTS(other_values));
        tcase_add_loop_test(tcase, what_stands_in_a_file_that_is_named_counts, 0,
                            N_ELEMENTS(file_cases));
        tcase_add_test(tcase, each_key_has_another_value);
        tcase_add_test(tcase, the_manual_tells_each_key_its_default_and_when_it_counts);
        tcase_add_test(tcase, rules_are_those_of_the_file_and_its_drop_ins_in_their_order);
        tcase_add_test(tcase, rules_that_were_asked_for_must_be_there);
        tcase_add_test(tcase, the_dump_tells_where_values_came_from);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
