/* Metrics of devices that are made up; metrics.py has another project's parser read a service's. */

#include "dbus/metrics_text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dbus/metrics_counter.h"
#include "unit_test.h"

static ControlSmart smart = {
        .asked_realtime_s = 1795000000,
        .verdict = { .kind = SMART_VERDICT_KIND_WARNING },
        .data = {
                .temperature = { true, -3 },
                .power_on_hours = { true, 1000000 },
                .used_percent = { true, 107 },
                .pending_sectors = { true, 8 },
                .n_attributes = 2,
                .attributes = {
                        { .id = 5, .value = 99, .worst = 98, .has_threshold = true, .threshold = 36,
                          .raw = UINT64_C(0xffffffffffff) },
                        { .id = 250 },
                },
        },
};

static MetricsLun lun = {
        .smart = &smart,
        .number = 1,
        .kind = "disk",
        .vendor = "ACME",
        .model = "Disk",
        .serial = "L1",
        .export_name = "1209-0001-A-lun1",
        .size = 16 * MIB,
        .n_clients = 2,
};

static MetricsDevice device = {
        .name = "1-4.1",
        .vendor = "He said \"no\"\\\n",
        .model = "Model",
        .serial = "A",
        .state = "running",
        .vendor_id = 0x1209,
        .product_id = 1,
        .n_restarts = 3,
        .is_degraded = true,
        .luns = &lun,
        .n_luns = 1,
};

static char *format(void) {
        char *text = NULL;

        ck_assert_int_eq(metrics_text_format(&text, METRICS_FORMAT_OPENMETRICS, "1.0", &device, 1),
                         0);
        return text;
}

static void expect_line(const char *line) {
        char wanted[512];
        char *text;

        lun.stats = (StorageStats){
                .operations[STORAGE_OPERATION_READ] = { .n = 3, .n_errors = 1, .size = 12288 },
                .n_errors[STORAGE_ERROR_IO] = 1,
                .n_check_conditions[3] = 7,
                .busy_ns = UINT64_C(1234567890123456789),
                .cache.dirty_size = 4096,
        };
        storage_histogram_record(&lun.stats.operations[STORAGE_OPERATION_READ].latency, 1000);
        storage_histogram_record(&lun.stats.operations[STORAGE_OPERATION_READ].latency, 1500);
        storage_histogram_record(&lun.stats.operations[STORAGE_OPERATION_READ].latency,
                                 100 * NS_PER_S);
        device.power_state = POWER_STATE_STANDBY;
        device.max_power_ma = 896;
        device.power = (PowerStatistics){
                .time_ns[POWER_STATE_SUSPENDED] = UINT64_C(86400000000001),
                .n_standbys = 4,
                .n_spin_ups = 3,
                .n_suspends = 2,
                .n_sleep_failures = 1,
        };
        storage_histogram_record(&device.power.wake_latency, 3 * NS_PER_S);
        device.stats.n_resets[STORAGE_RESET_PORT] = 2;
        device.stats.transport = STORAGE_TRANSPORT_UAS;

        text = format();
        snprintf(wanted, sizeof(wanted), "\n%s\n", line);
        ck_assert_msg(strstr(text, wanted) != NULL, "there is no line %s in\n%s", line, text);
        free(text);
}

static const char *const lines[] = {
        "# TYPE usb_storage_read_bytes counter",
        "# UNIT usb_storage_read_bytes bytes",
        "usb_storage_read_bytes_total{device=\"1-4.1\",lun=\"1\"} 12288",
        "usb_storage_reads_completed_total{device=\"1-4.1\",lun=\"1\"} 3",
        "usb_storage_read_errors_total{device=\"1-4.1\",lun=\"1\"} 1",
        "usb_storage_io_time_seconds_total{device=\"1-4.1\",lun=\"1\"} 1234567890.123456789",
        "usb_storage_read_time_seconds_total{device=\"1-4.1\",lun=\"1\"} 100.000002500",
        "# TYPE usb_storage_cache_dirty_bytes gauge",
        "usb_storage_cache_dirty_bytes{device=\"1-4.1\",lun=\"1\"} 4096",
        "usb_storage_errors_total{device=\"1-4.1\",lun=\"1\",error=\"io\"} 1",
        "usb_storage_check_conditions_total{device=\"1-4.1\",lun=\"1\",key=\"medium-error\"} 7",
        "usb_storage_transport_resets_total{device=\"1-4.1\",level=\"port\"} 2",
        "usb_storage_request_duration_seconds_bucket{device=\"1-4.1\",lun=\"1\",operation=\"read\","
        "le=\"0.000001024\"} 1",
        "usb_storage_request_duration_seconds_bucket{device=\"1-4.1\",lun=\"1\",operation=\"read\","
        "le=\"0.000002048\"} 2",
        "usb_storage_request_duration_seconds_bucket{device=\"1-4.1\",lun=\"1\",operation=\"read\","
        "le=\"34.359738368\"} 2",
        "usb_storage_request_duration_seconds_bucket{device=\"1-4.1\",lun=\"1\",operation=\"read\","
        "le=\"+Inf\"} 3",
        "usb_storage_request_duration_seconds_count{device=\"1-4.1\",lun=\"1\",operation=\"read\"} "
        "3",
        "usb_storage_device_info{device=\"1-4.1\",id=\"1209:0001\",vendor=\"He said "
        "\\\"no\\\"\\\\\\n\",model=\"Model\",serial=\"A\",transport=\"uas\"} 1",
        "usb_storage_device_state{device=\"1-4.1\",usb_storage_device_state=\"running\"} 1",
        "usb_storage_device_state{device=\"1-4.1\",usb_storage_device_state=\"parked\"} 0",
        "usb_storage_device_degraded{device=\"1-4.1\"} 1",
        "usb_storage_worker_restarts_total{device=\"1-4.1\"} 3",
        "usb_storage_export_clients{device=\"1-4.1\",lun=\"1\"} 2",
        "usb_storage_size_bytes{device=\"1-4.1\",lun=\"1\"} 16777216",
        "# TYPE usb_storage_power_state stateset",
        "usb_storage_power_state{device=\"1-4.1\",usb_storage_power_state=\"standby\"} 1",
        "usb_storage_power_state{device=\"1-4.1\",usb_storage_power_state=\"idle\"} 0",
        "usb_storage_power_state_seconds_total{device=\"1-4.1\",state=\"suspended\"} "
        "86400.000000001",
        "# UNIT usb_storage_max_power_amperes amperes",
        "usb_storage_max_power_amperes{device=\"1-4.1\"} 0.896",
        "usb_storage_standbys_total{device=\"1-4.1\"} 4",
        "usb_storage_spin_ups_total{device=\"1-4.1\"} 3",
        "usb_storage_suspends_total{device=\"1-4.1\"} 2",
        "usb_storage_sleep_failures_total{device=\"1-4.1\"} 1",
        "usb_storage_wake_duration_seconds_bucket{device=\"1-4.1\",le=\"2.147483648\"} 0",
        "usb_storage_wake_duration_seconds_bucket{device=\"1-4.1\",le=\"4.294967296\"} 1",
        "usb_storage_wake_duration_seconds_count{device=\"1-4.1\"} 1",
        "usb_storage_wake_duration_seconds_sum{device=\"1-4.1\"} 3.000000000",
        "usb_storage_smart_healthy{device=\"1-4.1\",lun=\"1\"} 0",
        "usb_storage_smart_verdict{device=\"1-4.1\",lun=\"1\",usb_storage_smart_verdict="
        "\"warning\"} "
        "1",
        "usb_storage_smart_verdict{device=\"1-4.1\",lun=\"1\",usb_storage_smart_verdict=\"good\"} "
        "0",
        "usb_storage_smart_updated_timestamp_seconds{device=\"1-4.1\",lun=\"1\"} 1795000000",
        "# UNIT usb_storage_temperature_celsius celsius",
        "usb_storage_temperature_celsius{device=\"1-4.1\",lun=\"1\"} -3",
        "usb_storage_power_on_seconds_total{device=\"1-4.1\",lun=\"1\"} 3600000000",
        "usb_storage_smart_used_ratio{device=\"1-4.1\",lun=\"1\"} 1.07",
        "usb_storage_smart_sectors{device=\"1-4.1\",lun=\"1\",state=\"pending\"} 8",
        "usb_storage_smart_attribute{device=\"1-4.1\",lun=\"1\",id=\"5\",name=\"Reallocated_Sector_"
        "Ct"
        "\",kind=\"raw\"} 281474976710655",
        "usb_storage_smart_attribute{device=\"1-4.1\",lun=\"1\",id=\"5\",name=\"Reallocated_Sector_"
        "Ct"
        "\",kind=\"threshold\"} 36",
        "usb_storage_build_info{version=\"1.0\"} 1",
};

START_TEST(text_has_the_line) { expect_line(lines[_i]); }
END_TEST

/* Of a drive of which that is known: there is no such sample. */
static const char *const absent[] = {
        "usb_storage_smart_healthy{",
        "usb_storage_power_cycles_total{",
        "usb_storage_smart_sectors{device=\"1-4.1\",lun=\"1\",state=\"replaced\"}",
        "id=\"250\",name=\"Read_Error_Retry_Rate\",kind=\"threshold\"",
};

START_TEST(what_a_drive_does_not_know_has_no_sample) {
        char *text;

        smart.verdict.kind = SMART_VERDICT_KIND_UNKNOWN;
        text = format();
        smart.verdict.kind = SMART_VERDICT_KIND_WARNING;
        ck_assert_ptr_nonnull(strstr(text, "usb_storage_temperature_celsius{"));
        for (size_t i = 0; i < N_ELEMENTS(absent); i++)
                ck_assert_msg(!strstr(text, absent[i]), "%s", absent[i]);
        free(text);
}
END_TEST

START_TEST(text_has_its_end_and_every_family_once) {
        const MetricsCounter *counter;
        char *text = format();

        ck_assert_str_eq(text + strlen(text) - strlen("\n# EOF\n"), "\n# EOF\n");
        for (size_t i = 0; (counter = metrics_counter_get(i)); i++) {
                char type[256];
                const char *found;

                snprintf(type, sizeof(type), "# TYPE usb_storage_%s ", counter->name);
                found = strstr(text, type);
                ck_assert_msg(found != NULL, "%s", counter->name);
                ck_assert_msg(strstr(found + 1, type) == NULL, "%s is there twice", counter->name);
        }
        free(text);
}
END_TEST

START_TEST(no_devices_are_no_samples) {
        char *text = NULL;

        ck_assert_int_eq(metrics_text_format(&text, METRICS_FORMAT_OPENMETRICS, "1.0", NULL, 0), 0);
        ck_assert_ptr_null(strstr(text, "{device="));
        free(text);
}
END_TEST

static const char *const older_lines[] = {
        "# TYPE usb_storage_read_bytes_total counter",
        "# TYPE usb_storage_cache_dirty_bytes gauge",
        "# TYPE usb_storage_device_info gauge",
        "# TYPE usb_storage_device_state gauge",
        "# TYPE usb_storage_request_duration_seconds histogram",
};

START_TEST(older_format_names_families_by_their_samples) {
        char *text = NULL;

        ck_assert_int_eq(metrics_text_format(&text, METRICS_FORMAT_PROMETHEUS, "1.0", &device, 1),
                         0);
        for (size_t i = 0; i < N_ELEMENTS(older_lines); i++)
                ck_assert_msg(strstr(text, older_lines[i]) != NULL, "%s", older_lines[i]);
        ck_assert_ptr_null(strstr(text, "# UNIT"));
        ck_assert_ptr_null(strstr(text, "# EOF"));
        free(text);
}
END_TEST

START_TEST(a_device_that_does_not_say_what_it_needs_has_no_sample) {
        char *text;

        device.max_power_ma = 0;
        text = format();
        ck_assert_ptr_null(strstr(text, "usb_storage_max_power_amperes"));
        free(text);
}
END_TEST

START_TEST(no_text_is_longer_than_a_bus_bears) {
        static MetricsLun luns[16];
        static MetricsDevice devices[64];
        char *text = NULL;

        for (size_t i = 0; i < N_ELEMENTS(luns); i++)
                luns[i] = lun;
        for (size_t i = 0; i < N_ELEMENTS(devices); i++) {
                devices[i] = device;
                devices[i].luns = luns;
                devices[i].n_luns = N_ELEMENTS(luns) / 2;
        }
        ck_assert_int_eq(metrics_text_format(&text, METRICS_FORMAT_OPENMETRICS, "1.0", devices,
                                             N_ELEMENTS(devices)),
                         0);
        ck_assert_uint_lt(strlen(text), 32 * MIB);
        free(text);
        for (size_t i = 0; i < N_ELEMENTS(devices); i++)
                devices[i].n_luns = N_ELEMENTS(luns);
        ck_assert_int_eq(metrics_text_format(&text, METRICS_FORMAT_OPENMETRICS, "1.0", devices,
                                             N_ELEMENTS(devices)),
                         -E2BIG);
}
END_TEST

START_TEST(formats_have_names) {
        MetricsFormat format;

        ck_assert_int_eq(metrics_format_from_string("prometheus", &format), 0);
        ck_assert_int_eq(format, METRICS_FORMAT_PROMETHEUS);
        ck_assert_int_eq(metrics_format_from_string("openmetrics", &format), 0);
        ck_assert_int_eq(format, METRICS_FORMAT_OPENMETRICS);
        ck_assert_int_eq(metrics_format_from_string("xml", &format), -EINVAL);
}
END_TEST

START_TEST(name_of_an_integer_tells_its_unit) {
        const MetricsCounter *counter;
        char name[METRICS_COUNTER_NAME_SIZE];

        for (size_t i = 0; (counter = metrics_counter_get(i)); i++) {
                metrics_counter_format_name(counter, name);
                if (counter->unit == METRICS_UNIT_SECONDS)
                        ck_assert_str_eq(name + strlen(name) - 3, "_ns");
                else
                        ck_assert_str_eq(name, counter->name);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("metrics_text");
        TCase *tcase = tcase_create("metrics_text");

        tcase_add_loop_test(tcase, text_has_the_line, 0, (int) N_ELEMENTS(lines));
        tcase_add_test(tcase, what_a_drive_does_not_know_has_no_sample);
        tcase_add_test(tcase, text_has_its_end_and_every_family_once);
        tcase_add_test(tcase, no_devices_are_no_samples);
        tcase_add_test(tcase, older_format_names_families_by_their_samples);
        tcase_add_test(tcase, a_device_that_does_not_say_what_it_needs_has_no_sample);
        tcase_add_test(tcase, no_text_is_longer_than_a_bus_bears);
        tcase_add_test(tcase, formats_have_names);
        tcase_add_test(tcase, name_of_an_integer_tells_its_unit);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
