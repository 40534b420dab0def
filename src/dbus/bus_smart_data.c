/* By tables: where a fact stands in SmartData, and what it is called. */

#include "dbus/bus_smart_data.h"

#include <stdio.h>
#include <string.h>

#include "dbus/bus_dictionary.h"
#include "smart/smart_attribute.h"

typedef struct NamedField {
        const char *key;
        size_t offset;
} NamedField;

#define AT(field) offsetof(SmartData, field)
#define AT_HEALTH(field) offsetof(SmartHealth, field)
#define AT_COUNTER(field) offsetof(SmartErrorCounters, field)

static const NamedField numbers[] = {
        { "capacity", AT(identity.capacity_bytes) },
        { "rotation_rpm", AT(identity.rotation_rpm) },
        { "power_on_hours", AT(power_on_hours) },
        { "power_cycles", AT(power_cycles) },
        { "reallocated_sectors", AT(reallocated_sectors) },
        { "pending_sectors", AT(pending_sectors) },
        { "uncorrectable_sectors", AT(uncorrectable_sectors) },
        { "used_percent", AT(used_percent) },
        { "n_errors", AT(n_errors) },
        { "self_test_remaining_percent", AT(self_tests.remaining_percent) },
        { "self_test_short_minutes", AT(self_tests.short_minutes) },
        { "self_test_extended_minutes", AT(self_tests.extended_minutes) },
        { "self_test_conveyance_minutes", AT(self_tests.conveyance_minutes) },
};

static const NamedField temperatures[] = {
        { "temperature", AT(temperature) },
        { "temperature_min", AT(temperature_min) },
        { "temperature_max", AT(temperature_max) },
        { "temperature_warning", AT(temperature_warning) },
        { "temperature_critical", AT(temperature_critical) },
};

static const NamedField truths[] = {
        { "supported", AT(is_supported) },
        { "enabled", AT(is_enabled) },
        { "self_test_running", AT(self_tests.is_running) },
};

static const NamedField health_numbers[] = {
        { "data_units_read", AT_HEALTH(data_units_read) },
        { "data_units_written", AT_HEALTH(data_units_written) },
        { "read_commands", AT_HEALTH(read_commands) },
        { "write_commands", AT_HEALTH(write_commands) },
        { "busy_minutes", AT_HEALTH(busy_minutes) },
        { "unsafe_shutdowns", AT_HEALTH(unsafe_shutdowns) },
        { "media_errors", AT_HEALTH(media_errors) },
        { "error_log_entries", AT_HEALTH(error_log_entries) },
};

static const NamedField scsi_numbers[] = {
        { "non_medium_errors", AT(scsi.non_medium_errors) },
        { "start_stops", AT(scsi.start_stops) },
        { "start_stops_specified", AT(scsi.start_stops_specified) },
        { "load_unloads", AT(scsi.load_unloads) },
        { "load_unloads_specified", AT(scsi.load_unloads_specified) },
        { "made_year", AT(scsi.made_year) },
        { "made_week", AT(scsi.made_week) },
        { "scan_progress_percent", AT(scsi.scan_progress_percent) },
        { "scans", AT(scsi.scans) },
        { "grown_defects", AT(scsi.grown_defects) },
};

static const NamedField counters[] = {
        { "write", AT(scsi.write) },
        { "read", AT(scsi.read) },
        { "verify", AT(scsi.verify) },
};

static const NamedField counter_numbers[] = {
        { "corrected_fast", AT_COUNTER(corrected_fast) },
        { "corrected_delayed", AT_COUNTER(corrected_delayed) },
        { "repeated", AT_COUNTER(repeated) },
        { "corrected", AT_COUNTER(corrected) },
        { "corrections", AT_COUNTER(corrections) },
        { "bytes", AT_COUNTER(bytes) },
        { "uncorrected", AT_COUNTER(uncorrected) },
};

/* Words that belong to the interface, not to people. */
static const char *const status_names[_SMART_STATUS_MAX] = {
        [SMART_STATUS_UNKNOWN] = "unknown",
        [SMART_STATUS_PASSED] = "passed",
        [SMART_STATUS_FAILING] = "failing",
};

static const char *const self_test_kinds[_SMART_SELF_TEST_KIND_MAX] = {
        [SMART_SELF_TEST_KIND_OTHER] = "other",
        [SMART_SELF_TEST_KIND_OFFLINE] = "offline",
        [SMART_SELF_TEST_KIND_SHORT] = "short",
        [SMART_SELF_TEST_KIND_EXTENDED] = "extended",
        [SMART_SELF_TEST_KIND_CONVEYANCE] = "conveyance",
        [SMART_SELF_TEST_KIND_SELECTIVE] = "selective",
};

static const char *const self_test_results[_SMART_SELF_TEST_RESULT_MAX] = {
        [SMART_SELF_TEST_RESULT_UNKNOWN] = "unknown",
        [SMART_SELF_TEST_RESULT_PASSED] = "passed",
        [SMART_SELF_TEST_RESULT_ABORTED] = "aborted",
        [SMART_SELF_TEST_RESULT_INTERRUPTED] = "interrupted",
        [SMART_SELF_TEST_RESULT_FAILED] = "failed",
        [SMART_SELF_TEST_RESULT_RUNNING] = "running",
};

const char *bus_smart_data_get_self_test_kind(SmartSelfTestKind kind) {
        return kind < _SMART_SELF_TEST_KIND_MAX ? self_test_kinds[kind] : NULL;
}

/* ACS-3, "Self-test execution status values", by UDisks2's names. */
static const char *get_ata_self_test(uint8_t code) {
        static const char *const names[] = {
                "success",          "aborted",     "interrupted", "fatal",          "error_unknown",
                "error_electrical", "error_servo", "error_read",  "error_handling",
        };

        return code < N_ELEMENTS(names) ? names[code] : "error_unknown";
}

const char *bus_smart_data_get_self_test(const SmartData *data, int32_t *ret_remaining_percent) {
        const SmartSelfTests *tests = &data->self_tests;
        const SmartSelfTest *newest = &tests->entries[0];
        const SmartNumber *remaining = &tests->remaining_percent;

        *ret_remaining_percent = -1;
        if (tests->is_running.is_known && tests->is_running.value) {
                if (remaining->is_known)
                        *ret_remaining_percent = (int32_t) MIN(remaining->value, UINT64_C(100));
                return "inprogress";
        }
        if (tests->n_entries == 0)
                return "";
        switch (newest->result) {
        case SMART_SELF_TEST_RESULT_UNKNOWN:
                return "";
        case SMART_SELF_TEST_RESULT_PASSED:
                return "success";
        case SMART_SELF_TEST_RESULT_ABORTED:
                return "aborted";
        case SMART_SELF_TEST_RESULT_INTERRUPTED:
                return "interrupted";
        case SMART_SELF_TEST_RESULT_FAILED:
                return data->kind == SMART_KIND_ATA ? get_ata_self_test(newest->code)
                                                    : "error_unknown";
        case SMART_SELF_TEST_RESULT_RUNNING:
                return "inprogress";
        case _SMART_SELF_TEST_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

/* GetData */

static void add_number(BusDictionary *dictionary, const char *key, const SmartNumber *number) {
        if (number->is_known)
                bus_dictionary_add_number(dictionary, key, number->value);
}

static void add_numbers(BusDictionary *dictionary, const NamedField *fields, size_t n_fields,
                        const void *base) {
        for (size_t i = 0; i < n_fields; i++)
                add_number(dictionary, fields[i].key,
                           (const void *) ((const uint8_t *) base + fields[i].offset));
}

static void add_celsius(BusDictionary *dictionary, const char *key, const SmartCelsius *celsius) {
        if (celsius->is_known)
                bus_dictionary_add_integer(dictionary, key, celsius->value);
}

static void add_plain(BusDictionary *dictionary, const SmartData *data) {
        const uint8_t *base = (const uint8_t *) data;

        add_numbers(dictionary, numbers, N_ELEMENTS(numbers), data);
        for (size_t i = 0; i < N_ELEMENTS(temperatures); i++)
                add_celsius(dictionary, temperatures[i].key,
                            (const void *) (base + temperatures[i].offset));
        for (size_t i = 0; i < N_ELEMENTS(truths); i++) {
                const SmartTruth *truth = (const void *) (base + truths[i].offset);

                if (truth->is_known)
                        bus_dictionary_add_truth(dictionary, truths[i].key, truth->value);
        }
}

static void add_attribute(BusDictionary *dictionary, const SmartAttribute *attribute) {
        bus_dictionary_open(dictionary);
        bus_dictionary_add_number(dictionary, "id", attribute->id);
        bus_dictionary_add_text(dictionary, "name", smart_attribute_get_name(attribute->id));
        bus_dictionary_add_number(dictionary, "flags", attribute->flags);
        bus_dictionary_add_number(dictionary, "value", attribute->value);
        bus_dictionary_add_number(dictionary, "worst", attribute->worst);
        if (attribute->has_threshold)
                bus_dictionary_add_number(dictionary, "threshold", attribute->threshold);
        bus_dictionary_add_number(dictionary, "raw", attribute->raw);
        bus_dictionary_add_text(dictionary, "state",
                                smart_attribute_state_to_string(attribute->state));
        bus_dictionary_close(dictionary);
}

static void add_attributes(BusDictionary *dictionary, const SmartData *data) {
        if (data->n_attributes == 0)
                return;
        bus_dictionary_enter(dictionary, "attributes", "aa{sv}");
        for (size_t i = 0; i < data->n_attributes; i++)
                add_attribute(dictionary, &data->attributes[i]);
        bus_dictionary_leave(dictionary);
}

static void add_errors(BusDictionary *dictionary, const SmartData *data) {
        if (data->answers[SMART_SECTION_ERROR_LOG] != SMART_ANSWER_GOOD)
                return;
        bus_dictionary_enter(dictionary, "errors", "aa{sv}");
        for (size_t i = 0; i < data->n_error_entries; i++) {
                const SmartError *error = &data->errors[i];

                bus_dictionary_open(dictionary);
                bus_dictionary_add_number(dictionary, "command", error->command);
                bus_dictionary_add_number(dictionary, "error", error->error);
                bus_dictionary_add_number(dictionary, "status", error->status);
                add_number(dictionary, "number", &error->number);
                add_number(dictionary, "power_on_hours", &error->power_on_hours);
                add_number(dictionary, "lba", &error->lba);
                bus_dictionary_close(dictionary);
        }
        bus_dictionary_leave(dictionary);
}

static void add_self_tests(BusDictionary *dictionary, const SmartData *data) {
        if (data->answers[SMART_SECTION_SELF_TESTS] != SMART_ANSWER_GOOD)
                return;
        bus_dictionary_enter(dictionary, "self_tests", "aa{sv}");
        for (size_t i = 0; i < data->self_tests.n_entries; i++) {
                const SmartSelfTest *test = &data->self_tests.entries[i];

                bus_dictionary_open(dictionary);
                bus_dictionary_add_text(dictionary, "kind", self_test_kinds[test->kind]);
                bus_dictionary_add_text(dictionary, "result", self_test_results[test->result]);
                bus_dictionary_add_number(dictionary, "code", test->code);
                add_number(dictionary, "remaining_percent", &test->remaining_percent);
                add_number(dictionary, "power_on_hours", &test->power_on_hours);
                add_number(dictionary, "lba", &test->lba);
                bus_dictionary_close(dictionary);
        }
        bus_dictionary_leave(dictionary);
}

static void add_sensors(BusDictionary *dictionary, const SmartHealth *health) {
        char key[16];

        for (size_t i = 0; i < SMART_SENSORS_MAX; i++) {
                snprintf(key, sizeof(key), "sensor_%zu", i + 1);
                add_celsius(dictionary, key, &health->sensors[i]);
        }
}

static void add_health(BusDictionary *dictionary, const SmartData *data) {
        const SmartHealth *health = &data->health;

        if (data->answers[SMART_SECTION_HEALTH] != SMART_ANSWER_GOOD)
                return;
        bus_dictionary_enter(dictionary, "health", "a{sv}");
        bus_dictionary_add_number(dictionary, "critical_warning", health->critical_warning);
        bus_dictionary_add_number(dictionary, "spare_percent", health->spare_percent);
        bus_dictionary_add_number(dictionary, "spare_threshold_percent",
                                  health->spare_threshold_percent);
        bus_dictionary_add_number(dictionary, "used_percent", health->used_percent);
        for (size_t i = 0; i < N_ELEMENTS(health_numbers); i++) {
                uint64_t value;

                memcpy(&value, (const uint8_t *) health + health_numbers[i].offset, sizeof(value));
                bus_dictionary_add_number(dictionary, health_numbers[i].key, value);
        }
        bus_dictionary_add_number(dictionary, "warm_minutes", health->warm_minutes);
        bus_dictionary_add_number(dictionary, "hot_minutes", health->hot_minutes);
        add_sensors(dictionary, health);
        bus_dictionary_leave(dictionary);
}

static void add_counters(BusDictionary *dictionary, const SmartData *data) {
        static const SmartSection sections[N_ELEMENTS(counters)] = {
                SMART_SECTION_WRITE_COUNTERS,
                SMART_SECTION_READ_COUNTERS,
                SMART_SECTION_VERIFY_COUNTERS,
        };

        for (size_t i = 0; i < N_ELEMENTS(counters); i++) {
                if (data->answers[sections[i]] != SMART_ANSWER_GOOD)
                        continue;
                bus_dictionary_enter(dictionary, counters[i].key, "a{sv}");
                add_numbers(dictionary, counter_numbers, N_ELEMENTS(counter_numbers),
                            (const uint8_t *) data + counters[i].offset);
                bus_dictionary_leave(dictionary);
        }
}

static void add_scsi(BusDictionary *dictionary, const SmartData *data) {
        const SmartScsi *scsi = &data->scsi;

        if (data->kind != SMART_KIND_SCSI)
                return;
        bus_dictionary_enter(dictionary, "scsi", "a{sv}");
        bus_dictionary_add_number(dictionary, "asc", scsi->asc);
        bus_dictionary_add_number(dictionary, "ascq", scsi->ascq);
        add_numbers(dictionary, scsi_numbers, N_ELEMENTS(scsi_numbers), data);
        if (scsi->scan_is_running.is_known) {
                bus_dictionary_add_truth(dictionary, "scan_running", scsi->scan_is_running.value);
                bus_dictionary_add_number(dictionary, "scan_status", scsi->scan_status);
        }
        add_counters(dictionary, data);
        bus_dictionary_leave(dictionary);
}

/* What came of each question, where something else than its answer did. */
static void add_answers(BusDictionary *dictionary, const SmartData *data) {
        bus_dictionary_enter(dictionary, "missing", "a{sv}");
        for (SmartSection section = 0; section < _SMART_SECTION_MAX; section++)
                if (data->answers[section] != SMART_ANSWER_NONE &&
                    data->answers[section] != SMART_ANSWER_GOOD)
                        bus_dictionary_add_text(dictionary, smart_section_to_string(section),
                                                smart_answer_to_string(data->answers[section]));
        bus_dictionary_leave(dictionary);
}

static void add_data(BusDictionary *dictionary, const SmartData *data) {
        bus_dictionary_add_text(dictionary, "kind", smart_kind_to_string(data->kind));
        bus_dictionary_add_text(dictionary, "model", data->identity.model);
        bus_dictionary_add_text(dictionary, "serial", data->identity.serial);
        bus_dictionary_add_text(dictionary, "firmware", data->identity.firmware);
        bus_dictionary_add_text(dictionary, "status", status_names[data->status]);
        add_plain(dictionary, data);
        add_attributes(dictionary, data);
        add_errors(dictionary, data);
        add_self_tests(dictionary, data);
        add_health(dictionary, data);
        add_scsi(dictionary, data);
        add_answers(dictionary, data);
}

int bus_smart_data_append(sd_bus_message *reply, const LunView *view) {
        BusDictionary dictionary = { .message = reply };
        const ControlSmart *smart = view->smart;

        bus_dictionary_open(&dictionary);
        if (smart) {
                bus_dictionary_add_text(&dictionary, "verdict",
                                        smart_verdict_kind_to_string(smart->verdict.kind));
                bus_dictionary_add_text(&dictionary, "reason", view->smart_reason);
                bus_dictionary_add_text(&dictionary, "changes", view->smart_news);
                bus_dictionary_add_text(&dictionary, "way", smart->way);
                bus_dictionary_add_number(&dictionary, "updated", smart->asked_realtime_s);
                bus_dictionary_add_number(&dictionary, "n_asked", smart->n_asked);
                bus_dictionary_add_integer(&dictionary, "error", smart->error);
                add_data(&dictionary, &smart->data);
        }
        bus_dictionary_close(&dictionary);
        return dictionary.r;
}

/* GetAttributes */

/* UDisks2's pretty_unit. */
typedef enum PrettyUnit {
        PRETTY_UNIT_UNKNOWN,
        PRETTY_UNIT_NONE,
        PRETTY_UNIT_MILLISECONDS,
        PRETTY_UNIT_SECTORS,
        PRETTY_UNIT_MILLIKELVIN,
} PrettyUnit;

/* What is known of an attribute beside its raw value, whose meaning is the maker's. */
static int64_t get_pretty(const SmartData *data, const SmartAttribute *attribute,
                          PrettyUnit *ret_unit) {
        *ret_unit = PRETTY_UNIT_UNKNOWN;
        switch (attribute->id) {
        case SMART_ATTRIBUTE_SECTORS_REPLACED:
        case SMART_ATTRIBUTE_SECTORS_PENDING:
        case SMART_ATTRIBUTE_SECTORS_UNCORRECTABLE:
                *ret_unit = PRETTY_UNIT_SECTORS;
                return (int64_t) attribute->raw;
        case SMART_ATTRIBUTE_CRC_ERRORS:
        case SMART_ATTRIBUTE_POWER_CYCLES:
                *ret_unit = PRETTY_UNIT_NONE;
                return (int64_t) attribute->raw;
        case SMART_ATTRIBUTE_POWER_ON:
                if (!data->power_on_hours.is_known)
                        return 0;
                *ret_unit = PRETTY_UNIT_MILLISECONDS;
                return (int64_t) (MIN(data->power_on_hours.value, (uint64_t) UINT32_MAX) * 3600000);
        case SMART_ATTRIBUTE_TEMPERATURE:
                if (!data->temperature.is_known)
                        return 0;
                *ret_unit = PRETTY_UNIT_MILLIKELVIN;
                return (int64_t) ((data->temperature.value + BUS_SMART_DATA_KELVIN) * 1000);
        default: /* numbers of makers, not ours */
                return 0;
        }
}

static int append_attribute(sd_bus_message *reply, const SmartData *data,
                            const SmartAttribute *attribute) {
        BusDictionary dictionary = { .message = reply };
        PrettyUnit unit;
        int64_t pretty = get_pretty(data, attribute, &unit);
        int r;

        r = sd_bus_message_open_container(reply, 'r', "ysqiiixia{sv}");
        if (r < 0)
                return r;
        r = sd_bus_message_append(reply, "ysqiiixi", attribute->id,
                                  smart_attribute_get_name(attribute->id), attribute->flags,
                                  (int32_t) attribute->value, (int32_t) attribute->worst,
                                  attribute->has_threshold ? (int32_t) attribute->threshold : -1,
                                  pretty, (int32_t) unit);
        if (r < 0)
                return r;
        bus_dictionary_open(&dictionary);
        bus_dictionary_add_number(&dictionary, "raw", attribute->raw);
        bus_dictionary_add_text(&dictionary, "state",
                                smart_attribute_state_to_string(attribute->state));
        bus_dictionary_close(&dictionary);
        return dictionary.r < 0 ? dictionary.r : sd_bus_message_close_container(reply);
}

int bus_smart_data_append_attributes(sd_bus_message *reply, const LunView *view) {
        size_t n = view->smart ? view->smart->data.n_attributes : 0;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(ysqiiixia{sv})");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = append_attribute(reply, &view->smart->data, &view->smart->data.attributes[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* GetHistory */

static void add_sample(BusDictionary *dictionary, const SmartHistorySample *sample) {
        bus_dictionary_open(dictionary);
        bus_dictionary_add_number(dictionary, "first", sample->first_s);
        bus_dictionary_add_number(dictionary, "last", sample->last_s);
        bus_dictionary_add_text(dictionary, "verdict",
                                smart_verdict_kind_to_string(sample->verdict));
        for (unsigned i = 0; i < _SMART_HISTORY_ITEM_MAX; i++)
                if (sample->values[i] != SMART_HISTORY_UNKNOWN)
                        bus_dictionary_add_number(
                                        dictionary,
                                        smart_history_item_to_string((SmartHistoryItem) i),
                                        sample->values[i]);
        bus_dictionary_close(dictionary);
}

int bus_smart_data_append_history(sd_bus_message *reply, const LunView *view) {
        size_t n = view->smart_history ? view->smart_history->n_samples : 0;
        BusDictionary dictionary = { .message = reply };

        bus_dictionary_open_list(&dictionary);
        for (size_t i = 0; i < n; i++)
                add_sample(&dictionary, &view->smart_history->samples[i]);
        bus_dictionary_close_list(&dictionary);
        return dictionary.r;
}
