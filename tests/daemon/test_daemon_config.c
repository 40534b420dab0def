/*
 * The keys of the configuration go where they belong, and what is commented out in the file that
 * is installed is what holds without it.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "daemon_config.h"
#include "daemon_options.h"

static const char *installed_path; /* of conf/usb-storage.conf */

/* What holds without a command line and a file. */
static DaemonOptions get_defaults(void) {
        char *arguments[] = { (char *) "usb-storaged", NULL };
        DaemonOptions options;

        ck_assert_int_eq(daemon_options_parse(&options, 1, arguments), 0);
        return options;
}

static int load(DaemonOptions *options, const char *text) {
        char path[] = "/tmp/daemon-config-XXXXXX";
        int fd, r;

        fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, text, strlen(text)), (int) strlen(text));
        fd_close(fd);
        options->config_path = path;
        r = daemon_config_load(options);
        options->config_path = NULL;
        unlink(path);
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
        DaemonOptions options = get_defaults();

        ck_assert_int_eq(load(&options, c->text), 0);
        assert_cache_is_equal(&options.device_manager.cache, &c->expected);
}
END_TEST

START_TEST(bad_value_is_refused_and_changes_nothing) {
        const DaemonOptions defaults = get_defaults();
        DaemonOptions options = defaults;

        ck_assert_int_eq(load(&options, cache_cases[_i].bad_text), -EINVAL);
        assert_cache_is_equal(&options.device_manager.cache, &defaults.device_manager.cache);
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
        DaemonOptions options = get_defaults();
        const DeviceManagerOptions *manager = &options.device_manager;
        char text[256];

        snprintf(text, sizeof(text), "[usb_storage]\n%s\n", c->text);
        ck_assert_int_eq(load(&options, text), 0);
        ck_assert_uint_eq(manager->device_timeout_ms, c->timeout_ms);
        ck_assert_uint_eq(manager->n_devices_max, c->n_devices);
        ck_assert_uint_eq(manager->n_luns_max, c->n_luns);
        ck_assert_uint_eq(manager->n_commands_kept, c->n_commands);
        ck_assert_int_eq(manager->is_trim_enabled, c->is_trim_enabled);
        ck_assert_int_eq(manager->is_serial, c->is_serial);
        ck_assert_int_eq(manager->skips_processing, c->skips_processing);
        ck_assert_int_eq(manager->skips_validation, c->skips_validation);
}
END_TEST

static uint32_t find(const DaemonOptions *options, uint16_t vendor_id, uint16_t product_id) {
        return usb_quirks_list_find(options->device_manager.quirks, vendor_id, product_id);
}

START_TEST(quirks_of_the_command_line_come_before_those_of_the_configuration_and_its_file) {
        DaemonOptions options = get_defaults();
        char path[] = "/tmp/daemon-quirks-XXXXXX", text[256];
        int fd;

        fd = mkstemp(path);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, "fff0:1:r,fff0:2:r # why\nfff0:3:r\n", 33), 33);
        fd_close(fd);
        snprintf(text, sizeof(text),
                 "[usb_storage]\nquirks = \"fff0:1:g, fff0:2:g\"\nquirks_file = %s\n", path);
        options.quirks[options.n_quirks++] = "fff0:1:u";
        ck_assert_int_eq(load(&options, text), 0);
        unlink(path);
        ck_assert_uint_eq(find(&options, 0xfff0, 1), USB_QUIRK_IGNORE_UAS);
        ck_assert_uint_eq(find(&options, 0xfff0, 2), USB_QUIRK_MAX_SECTORS_240);
        ck_assert_uint_eq(find(&options, 0xfff0, 3), USB_QUIRK_IGNORE_RESIDUE);
        usb_quirks_list_done(&options.quirks_list);
}
END_TEST

static const char *const bad_quirks[] = {
        "[usb_storage]\nquirks = fff0:1:q\n",
        "[usb_storage]\nquirks = fff0:1\n",
        "[usb_storage]\nquirks_file = /nonexistent/quirks\n",
        "[usb_storage]\nquirks_file = /dev/zero\n",
};

START_TEST(bad_quirks_are_refused) {
        DaemonOptions options = get_defaults();

        ck_assert_int_lt(load(&options, bad_quirks[_i]), 0);
        ck_assert_ptr_null(options.device_manager.quirks);
        usb_quirks_list_done(&options.quirks_list);
}
END_TEST

START_TEST(bad_quirks_of_the_command_line_are_refused) {
        DaemonOptions options = get_defaults();

        options.quirks[options.n_quirks++] = "fff0:1:u,";
        ck_assert_int_eq(load(&options, ""), -EINVAL);
        usb_quirks_list_done(&options.quirks_list);
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

START_TEST(installed_file_tells_the_defaults) {
        const DaemonOptions defaults = get_defaults();
        DaemonOptions options = defaults;
        char text[8192] = {}, *first;
        int fd;

        fd = open(installed_path, O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
        fd_close(fd);
        first = strchr(text, '\n'); /* its heading */
        uncomment(first);
        ck_assert_ptr_nonnull(strstr(first, "\ncache_size = \"256MB\"\n"));

        options.device_manager.cache = (DeviceCacheOptions){};
        options.device_manager.device_timeout_ms = 1;
        ck_assert_int_eq(load(&options, first), 0);
        assert_cache_is_equal(&options.device_manager.cache, &defaults.device_manager.cache);
        ck_assert_uint_eq(options.device_manager.device_timeout_ms, 30000);
}
END_TEST

int main(int argc, char **argv) {
        Suite *suite = suite_create("daemon config");
        TCase *tcase = tcase_create("keys");
        SRunner *runner;
        int n_failed;

        installed_path = argc > 1 ? argv[1] : "conf/usb-storage.conf";
        tcase_add_loop_test(tcase, key_of_the_cache_is_read, 0, N_ELEMENTS(cache_cases));
        tcase_add_loop_test(tcase, bad_value_is_refused_and_changes_nothing, 0,
                            N_ELEMENTS(cache_cases));
        tcase_add_loop_test(tcase, key_of_devices_is_read, 0, N_ELEMENTS(device_cases));
        tcase_add_test(tcase, installed_file_tells_the_defaults);
        tcase_add_test(tcase,
                       quirks_of_the_command_line_come_before_those_of_the_configuration_and_its_file);
        tcase_add_loop_test(tcase, bad_quirks_are_refused, 0, N_ELEMENTS(bad_quirks));
        tcase_add_test(tcase, bad_quirks_of_the_command_line_are_refused);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
