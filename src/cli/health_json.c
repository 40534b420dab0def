/* A function for each part of the schema, which is smartmontools' (smartctl(8), --json). */

#include "cli/health_json.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/ctl_objects.h"
#include "cli/ctl_text.h"

#define SAFE_INTEGER_MAX ((UINT64_C(1) << 53) - 1) /* as exact as a double is */
#define OF_HUNDRED 100

/* Pieces */

static json_object *enter(json_object *parent, const char *key) {
        json_object *object = json_object_new_object();

        json_object_object_add(parent, key, object);
        return object;
}

static json_object *enter_array(json_object *parent, const char *key) {
        json_object *array = json_object_new_array();

        json_object_object_add(parent, key, array);
        return array;
}

static json_object *append_object(json_object *array) {
        json_object *object = json_object_new_object();

        json_object_array_add(array, object);
        return object;
}

static void add_text(json_object *object, const char *key, const char *text) {
        json_object_object_add(object, key, json_object_new_string(text));
}

static void add_truth(json_object *object, const char *key, bool truth) {
        json_object_object_add(object, key, json_object_new_boolean(truth));
}

static void add_number(json_object *object, const char *key, uint64_t number) {
        _cleanup_(freep) char *text_key = NULL, *text = NULL;

        json_object_object_add(object, key, json_object_new_uint64(number));
        if (number <= SAFE_INTEGER_MAX)
                return;
        text_key = ctl_text_format("%s_s", key);
        text = ctl_text_format("%" PRIu64, number);
        add_text(object, text_key, text);
}

/* Out of the data, if it is there. */
static void copy_number(json_object *object, const char *key, json_object *data, const char *name) {
        if (ctl_objects_property(data, name))
                add_number(object, key, ctl_objects_number(data, name));
}

static void copy_integer(json_object *object, const char *key, json_object *data,
                         const char *name) {
        json_object *value = ctl_objects_property(data, name);

        if (value)
                json_object_object_add(object, key, json_object_get(value));
}

static void copy_text(json_object *object, const char *key, json_object *data, const char *name) {
        const char *text = ctl_objects_string(data, name);

        if (*text != '\0')
                add_text(object, key, text);
}

static json_object *get_array(json_object *data, const char *name) {
        json_object *value = ctl_objects_property(data, name);

        return json_object_is_type(value, json_type_array) ? value : NULL;
}

static bool is_kind(json_object *data, const char *kind) {
        return strcmp(ctl_objects_string(data, "kind"), kind) == 0;
}

/* What all have */

static void add_smartctl(json_object *all, const HealthReport *report) {
        json_object *smartctl, *version, *arguments, *messages, *message;

        version = enter_array(all, "json_format_version");
        json_object_array_add(version, json_object_new_int(1));
        json_object_array_add(version, json_object_new_int(0));
        smartctl = enter(all, "smartctl");
        version = enter_array(smartctl, "version"); /* whose schema it is */
        json_object_array_add(version, json_object_new_int(7));
        json_object_array_add(version, json_object_new_int(3));
        add_text(smartctl, "platform_info", "usb-storagectl " PROJECT_VERSION);
        arguments = enter_array(smartctl, "argv");
        for (int i = 0; i < report->argc; i++)
                json_object_array_add(arguments, json_object_new_string(report->argv[i]));
        if (report->message) {
                messages = enter_array(smartctl, "messages");
                message = append_object(messages);
                add_text(message, "string", report->message);
                add_text(message, "severity", "error");
        }
        json_object_object_add(smartctl, "exit_status", json_object_new_int(report->status));
}

/* Of the data, not of its being told. */
static void add_time(json_object *all, json_object *data) {
        time_t updated = (time_t) ctl_objects_number(data, "updated");
        json_object *local_time;
        char text[64] = "";
        struct tm parts;

        if (updated == 0)
                return;
        local_time = enter(all, "local_time");
        json_object_object_add(local_time, "time_t", json_object_new_int64(updated));
        if (localtime_r(&updated, &parts) && strftime(text, sizeof(text), "%c %Z", &parts) > 0)
                add_text(local_time, "asctime", text);
}

static void add_device(json_object *all, const HealthReport *report) {
        const char *kind = ctl_objects_string(report->data, "kind");
        const char *way = ctl_objects_string(report->data, "way");
        json_object *device = enter(all, "device");
        _cleanup_(freep) char *info = NULL;

        info = ctl_text_format("%s%s%s%s", report->name, *way != '\0' ? " [" : "", way,
                               *way != '\0' ? "]" : "");
        add_text(device, "name", report->name);
        add_text(device, "info_name", info);
        if (strcmp(kind, "unknown") == 0 || *kind == '\0')
                return;
        add_text(device, "type",
                 strcmp(kind, "ATA") == 0    ? "sat"
                 : strcmp(kind, "NVMe") == 0 ? "nvme"
                                             : "scsi");
        add_text(device, "protocol", kind);
}

static void add_identity(json_object *all, const HealthReport *report) {
        json_object *data = report->data, *capacity;

        copy_text(all, is_kind(data, "SCSI") ? "scsi_model_name" : "model_name", data, "model");
        copy_text(all, "serial_number", data, "serial");
        copy_text(all, is_kind(data, "SCSI") ? "scsi_revision" : "firmware_version", data,
                  "firmware");
        if (ctl_objects_property(data, "capacity")) {
                uint64_t size = ctl_objects_number(data, "capacity");

                capacity = enter(all, "user_capacity");
                if (report->block_size > 0)
                        add_number(capacity, "blocks", size / report->block_size);
                add_number(capacity, "bytes", size);
        }
        if (report->block_size > 0)
                add_number(all, "logical_block_size", report->block_size);
        if (report->physical_block_size > 0 && !is_kind(data, "NVMe"))
                add_number(all, "physical_block_size", report->physical_block_size);
        copy_number(all, "rotation_rate", data, "rotation_rpm");
}

static void add_smart_status(json_object *all, json_object *data) {
        const char *status = ctl_objects_string(data, "status");
        json_object *support, *object;

        if (ctl_objects_property(data, "supported")) {
                support = enter(all, "smart_support");
                add_truth(support, "available", ctl_objects_boolean(data, "supported"));
                if (ctl_objects_property(data, "enabled"))
                        add_truth(support, "enabled", ctl_objects_boolean(data, "enabled"));
        }
        if (strcmp(status, "unknown") == 0 || *status == '\0')
                return;
        object = enter(all, "smart_status");
        add_truth(object, "passed", strcmp(status, "passed") == 0);
        if (is_kind(data, "NVMe") && ctl_objects_property(data, "health")) {
                json_object *nvme = enter(object, "nvme");

                copy_number(nvme, "value", ctl_objects_property(data, "health"),
                            "critical_warning");
        }
}

static void add_common(json_object *all, json_object *data) {
        json_object *temperature;

        if (ctl_objects_property(data, "temperature")) {
                temperature = enter(all, "temperature");
                copy_integer(temperature, "current", data, "temperature");
                if (is_kind(data, "SCSI"))
                        copy_integer(temperature, "drive_trip", data, "temperature_critical");
                else {
                        copy_integer(temperature, "lifetime_min", data, "temperature_min");
                        copy_integer(temperature, "lifetime_max", data, "temperature_max");
                        copy_integer(temperature, "op_limit_max", data, "temperature_warning");
                        copy_integer(temperature, "limit_max", data, "temperature_critical");
                }
        }
        if (ctl_objects_property(data, "power_on_hours"))
                copy_number(enter(all, "power_on_time"), "hours", data, "power_on_hours");
        copy_number(all, "power_cycle_count", data, "power_cycles");
}

/* ATA */

static void add_flags(json_object *entry, uint64_t flags) {
        static const struct {
                const char *name;
                char letter;
        } bits[] = {
                { "prefailure", 'P' }, { "updated_online", 'O' }, { "performance", 'S' },
                { "error_rate", 'R' }, { "event_count", 'C' },    { "auto_keep", 'K' },
        };
        char text[N_ELEMENTS(bits) + 2] = { 0 };
        json_object *object = enter(entry, "flags");

        for (size_t i = 0; i < N_ELEMENTS(bits); i++)
                text[i] = flags & UINT64_C(1) << i ? bits[i].letter : '-';
        text[N_ELEMENTS(bits)] = flags >> N_ELEMENTS(bits) ? '+' : ' ';
        add_number(object, "value", flags);
        add_text(object, "string", text);
        for (size_t i = 0; i < N_ELEMENTS(bits); i++)
                add_truth(object, bits[i].name, flags & UINT64_C(1) << i);
}

static const char *get_when_failed(json_object *attribute) {
        const char *state = ctl_objects_string(attribute, "state");

        if (strcmp(state, "failing-now") == 0)
                return "now";
        return strcmp(state, "failed-before") == 0 ? "past" : "";
}

/* Of temperatures the low byte alone is one; what is above differs from maker to maker. */
char *health_json_format_raw(json_object *attribute) {
        uint64_t id = ctl_objects_number(attribute, "id");
        uint64_t raw = ctl_objects_number(attribute, "raw");

        return ctl_text_format("%" PRIu64, id == 190 || id == 194 ? raw & UINT8_MAX : raw);
}

static void add_attribute(json_object *table, json_object *attribute) {
        json_object *entry = append_object(table), *raw;
        _cleanup_(freep) char *text = health_json_format_raw(attribute);

        copy_number(entry, "id", attribute, "id");
        copy_text(entry, "name", attribute, "name");
        copy_number(entry, "value", attribute, "value");
        copy_number(entry, "worst", attribute, "worst");
        copy_number(entry, "thresh", attribute, "threshold");
        add_text(entry, "when_failed", get_when_failed(attribute));
        add_flags(entry, ctl_objects_number(attribute, "flags"));
        raw = enter(entry, "raw");
        copy_number(raw, "value", attribute, "raw");
        add_text(raw, "string", text);
}

static void add_ata_attributes(json_object *all, json_object *data) {
        json_object *attributes = get_array(data, "attributes"), *table;

        if (!attributes)
                return;
        table = enter_array(enter(all, "ata_smart_attributes"), "table");
        for (size_t i = 0; i < json_object_array_length(attributes); i++)
                add_attribute(table, json_object_array_get_idx(attributes, i));
}

const char *health_json_describe_result(const char *result) {
        static const struct {
                const char *result;
                const char *words;
        } results[] = {
                { "passed", "completed without error" },
                { "aborted", "aborted by the host" },
                { "interrupted", "interrupted by a reset, or given up" },
                { "failed", "completed: it failed" },
                { "running", "in progress" },
        };

        for (size_t i = 0; i < N_ELEMENTS(results); i++)
                if (strcmp(results[i].result, result) == 0)
                        return results[i].words;
        return "unknown";
}

/* The code as a drive is given it (ACS-3, "SMART EXECUTE OFF-LINE IMMEDIATE"; NVM Express uses the same
 * for the first two). */
static int get_test_code(const char *kind) {
        static const char *const kinds[] = { "offline", "short", "extended", "conveyance",
                                             "selective" };

        for (size_t i = 0; i < N_ELEMENTS(kinds); i++)
                if (strcmp(kinds[i], kind) == 0)
                        return (int) i;
        return -1;
}

static void add_coded(json_object *object, const char *key, int64_t value, const char *text) {
        json_object *coded = enter(object, key);

        if (value >= 0)
                json_object_object_add(coded, "value", json_object_new_int64(value));
        add_text(coded, "string", text);
}

static void add_ata_status(json_object *object, json_object *test) {
        uint64_t remaining = ctl_objects_number(test, "remaining_percent");
        const char *result = ctl_objects_string(test, "result");
        json_object *status;

        add_coded(object, "status",
                  (int64_t) ((ctl_objects_number(test, "code") & 0xF) << 4 | remaining / 10),
                  health_json_describe_result(result));
        status = ctl_objects_property(object, "status");
        if (remaining > 0)
                add_number(status, "remaining_percent", remaining);
        if (strcmp(result, "passed") == 0 || strcmp(result, "failed") == 0)
                add_truth(status, "passed", strcmp(result, "passed") == 0);
}

static void add_ata_self_tests(json_object *all, json_object *data) {
        json_object *tests = get_array(data, "self_tests"), *standard, *table;

        if (!tests)
                return;
        standard = enter(enter(all, "ata_smart_self_test_log"), "standard");
        table = json_object_array_length(tests) > 0 ? enter_array(standard, "table") : NULL;
        for (size_t i = 0; i < json_object_array_length(tests); i++) {
                json_object *test = json_object_array_get_idx(tests, i);
                json_object *entry = append_object(table);
                const char *kind = ctl_objects_string(test, "kind");

                add_coded(entry, "type", get_test_code(kind), kind);
                add_ata_status(entry, test);
                copy_number(entry, "lifetime_hours", test, "power_on_hours");
                copy_number(entry, "lba", test, "lba");
        }
        add_number(standard, "count", json_object_array_length(tests));
}

static void add_ata_self_test_state(json_object *all, json_object *data) {
        bool is_running = ctl_objects_boolean(data, "self_test_running");
        json_object *test, *status, *minutes;

        if (!ctl_objects_property(data, "self_test_running"))
                return;
        test = enter(enter(all, "ata_smart_data"), "self_test");
        add_coded(test, "status", is_running ? 0xF0 : -1, is_running ? "in progress" : "idle");
        status = ctl_objects_property(test, "status");
        if (is_running)
                copy_number(status, "remaining_percent", data, "self_test_remaining_percent");
        minutes = enter(test, "polling_minutes");
        copy_number(minutes, "short", data, "self_test_short_minutes");
        copy_number(minutes, "extended", data, "self_test_extended_minutes");
        copy_number(minutes, "conveyance", data, "self_test_conveyance_minutes");
}

static void add_ata_errors(json_object *all, json_object *data) {
        json_object *errors = get_array(data, "errors"), *summary, *table;

        if (!errors)
                return;
        summary = enter(enter(all, "ata_smart_error_log"), "summary");
        copy_number(summary, "count", data, "n_errors");
        if (json_object_array_length(errors) == 0)
                return;
        add_number(summary, "logged_count", json_object_array_length(errors));
        table = enter_array(summary, "table");
        for (size_t i = 0; i < json_object_array_length(errors); i++) {
                json_object *error = json_object_array_get_idx(errors, i);
                json_object *entry = append_object(table), *registers;

                copy_number(entry, "error_number", error, "number");
                copy_number(entry, "lifetime_hours", error, "power_on_hours");
                registers = enter(entry, "completion_registers");
                copy_number(registers, "error", error, "error");
                copy_number(registers, "status", error, "status");
                copy_number(registers, "lba", error, "lba");
                copy_number(enter(append_object(enter_array(entry, "previous_commands")),
                                  "registers"),
                            "command", error, "command");
        }
}

/* NVMe */

static void add_nvme_health(json_object *all, json_object *data) {
        static const struct {
                const char *key;
                const char *name;
        } numbers[] = {
                { "available_spare", "spare_percent" },
                { "available_spare_threshold", "spare_threshold_percent" },
                { "percentage_used", "used_percent" },
                { "data_units_read", "data_units_read" },
                { "data_units_written", "data_units_written" },
                { "host_reads", "read_commands" },
                { "host_writes", "write_commands" },
                { "controller_busy_time", "busy_minutes" },
                { "unsafe_shutdowns", "unsafe_shutdowns" },
                { "media_errors", "media_errors" },
                { "num_err_log_entries", "error_log_entries" },
                { "warning_temp_time", "warm_minutes" },
                { "critical_comp_time", "hot_minutes" },
        };
        json_object *health = ctl_objects_property(data, "health"), *log, *sensors = NULL;

        if (!health)
                return;
        log = enter(all, "nvme_smart_health_information_log");
        copy_number(log, "critical_warning", health, "critical_warning");
        copy_integer(log, "temperature", data, "temperature");
        for (size_t i = 0; i < N_ELEMENTS(numbers); i++)
                copy_number(log, numbers[i].key, health, numbers[i].name);
        copy_number(log, "power_cycles", data, "power_cycles");
        copy_number(log, "power_on_hours", data, "power_on_hours");
        for (unsigned i = 1; i <= 8; i++) {
                _cleanup_(freep) char *name = ctl_text_format("sensor_%u", i);
                json_object *sensor = ctl_objects_property(health, name);

                if (!sensor)
                        continue;
                if (!sensors)
                        sensors = enter_array(log, "temperature_sensors");
                json_object_array_add(sensors, json_object_get(sensor));
        }
}

static void add_nvme_self_tests(json_object *all, json_object *data) {
        bool is_running = ctl_objects_boolean(data, "self_test_running");
        json_object *tests = get_array(data, "self_tests"), *log, *table;

        if (!tests)
                return;
        log = enter(all, "nvme_self_test_log");
        add_coded(log, "current_self_test_operation", is_running ? -1 : 0,
                  is_running ? "self-test in progress" : "no self-test in progress");
        if (is_running && ctl_objects_property(data, "self_test_remaining_percent"))
                add_number(log, "current_self_test_completion_percent",
                           OF_HUNDRED - MIN(ctl_objects_number(data, "self_test_remaining_percent"),
                                            (uint64_t) OF_HUNDRED));
        if (json_object_array_length(tests) == 0)
                return;
        table = enter_array(log, "table");
        for (size_t i = 0; i < json_object_array_length(tests); i++) {
                json_object *test = json_object_array_get_idx(tests, i);
                json_object *entry = append_object(table);
                const char *kind = ctl_objects_string(test, "kind");

                add_coded(entry, "self_test_code", get_test_code(kind), kind);
                add_coded(entry, "self_test_result", (int64_t) ctl_objects_number(test, "code"),
                          health_json_describe_result(ctl_objects_string(test, "result")));
                copy_number(entry, "power_on_hours", test, "power_on_hours");
                copy_number(entry, "lba", test, "lba");
        }
}

static void add_nvme_errors(json_object *all, json_object *data) {
        json_object *errors = get_array(data, "errors"), *table;

        if (!errors || json_object_array_length(errors) == 0)
                return;
        table = enter_array(enter(all, "nvme_error_information_log"), "table");
        for (size_t i = 0; i < json_object_array_length(errors); i++) {
                json_object *error = json_object_array_get_idx(errors, i);
                json_object *entry = append_object(table);

                copy_number(entry, "error_count", error, "number");
                copy_number(enter(entry, "status_field"), "value", error, "status");
                if (ctl_objects_property(error, "lba"))
                        copy_number(enter(entry, "lba"), "value", error, "lba");
        }
}

/* SCSI */

/* In units of 10^9 bytes, as text. */
static void add_gigabytes(json_object *log, json_object *counters) {
        uint64_t bytes = ctl_objects_number(counters, "bytes");
        _cleanup_(freep) char *text = NULL;

        if (!ctl_objects_property(counters, "bytes"))
                return;
        text = ctl_text_format("%" PRIu64 ".%03" PRIu64, bytes / 1000000000,
                               bytes / 1000000 % 1000);
        add_text(log, "gigabytes_processed", text);
}

static void add_scsi_counters(json_object *all, json_object *scsi) {
        static const char *const kinds[] = { "read", "write", "verify" };
        json_object *logs = NULL;

        for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
                json_object *counters = ctl_objects_property(scsi, kinds[i]), *log;

                if (!counters)
                        continue;
                if (!logs)
                        logs = enter(all, "scsi_error_counter_log");
                log = enter(logs, kinds[i]);
                copy_number(log, "errors_corrected_by_eccfast", counters, "corrected_fast");
                copy_number(log, "errors_corrected_by_eccdelayed", counters, "corrected_delayed");
                copy_number(log, "errors_corrected_by_rereads_rewrites", counters, "repeated");
                copy_number(log, "total_errors_corrected", counters, "corrected");
                copy_number(log, "correction_algorithm_invocations", counters, "corrections");
                add_gigabytes(log, counters);
                copy_number(log, "total_uncorrected_errors", counters, "uncorrected");
        }
}

static void add_scsi_start_stop(json_object *all, json_object *scsi) {
        json_object *counter;

        if (!ctl_objects_property(scsi, "start_stops"))
                return;
        counter = enter(all, "scsi_start_stop_cycle_counter");
        copy_number(counter, "specified_cycle_count_over_device_lifetime", scsi,
                    "start_stops_specified");
        copy_number(counter, "accumulated_start_stop_cycles", scsi, "start_stops");
        copy_number(counter, "specified_load_unload_count_over_device_lifetime", scsi,
                    "load_unloads_specified");
        copy_number(counter, "accumulated_load_unload_cycles", scsi, "load_unloads");
}

static void add_scsi_self_tests(json_object *all, json_object *data) {
        json_object *tests = get_array(data, "self_tests");

        for (size_t i = 0; tests && i < json_object_array_length(tests); i++) {
                json_object *test = json_object_array_get_idx(tests, i);
                _cleanup_(freep) char *key = ctl_text_format("scsi_self_test_%zu", i);
                const char *kind = ctl_objects_string(test, "kind");
                json_object *entry = enter(all, key);

                add_coded(entry, "code", get_test_code(kind), kind);
                add_coded(entry, "result", (int64_t) ctl_objects_number(test, "code"),
                          health_json_describe_result(ctl_objects_string(test, "result")));
                if (ctl_objects_property(test, "power_on_hours"))
                        copy_number(enter(entry, "power_on_time"), "hours", test, "power_on_hours");
        }
}

static void add_scsi(json_object *all, json_object *data) {
        json_object *scsi = ctl_objects_property(data, "scsi");

        copy_number(all, "scsi_grown_defect_list", scsi, "grown_defects");
        copy_number(all, "scsi_percentage_used_endurance_indicator", data, "used_percent");
        add_scsi_counters(all, scsi);
        add_scsi_start_stop(all, scsi);
        add_scsi_self_tests(all, data);
}

/* The whole */

json_object *health_json_format(const HealthReport *report) {
        json_object *all = json_object_new_object(), *data = report->data;

        add_smartctl(all, report);
        add_time(all, data);
        add_device(all, report);
        if (ctl_objects_number(data, "n_asked") == 0)
                return all;
        add_identity(all, report);
        add_smart_status(all, data);
        add_common(all, data);
        if (is_kind(data, "ATA")) {
                add_ata_self_test_state(all, data);
                add_ata_attributes(all, data);
                add_ata_errors(all, data);
                add_ata_self_tests(all, data);
        } else if (is_kind(data, "NVMe")) {
                add_nvme_health(all, data);
                add_nvme_errors(all, data);
                add_nvme_self_tests(all, data);
        } else {
                add_scsi(all, data);
        }
        return all;
}
