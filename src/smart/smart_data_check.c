/*
 * What may be believed of SmartData that came from another process: that each enum and bool has a
 * value that it can have, texts end, and no list is longer than it can be.
 */

#include <string.h>

#include "base/macros.h"
#include "smart/smart_data.h"

#define AT(field) offsetof(SmartData, field)

/* SmartNumber, SmartTruth and SmartCelsius begin with a bool. */
static_assert(offsetof(SmartNumber, is_known) == 0, "a bool is first");
static_assert(offsetof(SmartTruth, is_known) == 0, "likewise");
static_assert(offsetof(SmartCelsius, is_known) == 0, "likewise");

static const size_t numbers[] = {
        AT(identity.capacity_bytes),
        AT(identity.rotation_rpm),
        AT(power_on_hours),
        AT(power_cycles),
        AT(reallocated_sectors),
        AT(pending_sectors),
        AT(uncorrectable_sectors),
        AT(used_percent),
        AT(n_errors),
        AT(self_tests.remaining_percent),
        AT(self_tests.short_minutes),
        AT(self_tests.extended_minutes),
        AT(self_tests.conveyance_minutes),
        AT(scsi.non_medium_errors),
        AT(scsi.start_stops),
        AT(scsi.start_stops_specified),
        AT(scsi.load_unloads),
        AT(scsi.load_unloads_specified),
        AT(scsi.made_year),
        AT(scsi.made_week),
        AT(scsi.scan_progress_percent),
        AT(scsi.scans),
        AT(scsi.grown_defects),
};

static const size_t counters[] = { AT(scsi.write), AT(scsi.read), AT(scsi.verify) };

static const size_t counter_numbers[] = {
        offsetof(SmartErrorCounters, corrected_fast),
        offsetof(SmartErrorCounters, corrected_delayed),
        offsetof(SmartErrorCounters, repeated),
        offsetof(SmartErrorCounters, corrected),
        offsetof(SmartErrorCounters, corrections),
        offsetof(SmartErrorCounters, bytes),
        offsetof(SmartErrorCounters, uncorrected),
};

static const size_t truths[] = {
        AT(is_supported),
        AT(is_enabled),
        AT(self_tests.is_running),
        AT(scsi.scan_is_running),
};

static const size_t temperatures[] = {
        AT(temperature),         AT(temperature_min),      AT(temperature_max),
        AT(temperature_warning), AT(temperature_critical),
};

/* A bool that is none must not be read as one (C17, 6.2.6.1). */
static bool is_bool(const void *field) { return *(const uint8_t *) field <= 1; }

static bool are_bools(const void *base, const size_t *offsets, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (!is_bool((const uint8_t *) base + offsets[i]))
                        return false;
        return true;
}

static bool are_truths(const SmartData *data) {
        for (size_t i = 0; i < N_ELEMENTS(truths); i++) {
                const uint8_t *truth = (const uint8_t *) data + truths[i];

                if (!is_bool(truth) || !is_bool(truth + offsetof(SmartTruth, value)))
                        return false;
        }
        return true;
}

static bool are_counters(const SmartData *data) {
        for (size_t i = 0; i < N_ELEMENTS(counters); i++)
                if (!are_bools((const uint8_t *) data + counters[i], counter_numbers,
                               N_ELEMENTS(counter_numbers)))
                        return false;
        return true;
}

static bool is_text(const char *text, size_t size) {
        const char *end = memchr(text, '\0', size);

        if (!end)
                return false;
        for (; text < end; text++)
                if (*text < 0x20 || *text > 0x7E)
                        return false;
        return true;
}

static bool has_valid_texts(const SmartIdentity *identity) {
        return is_text(identity->model, sizeof(identity->model)) &&
               is_text(identity->serial, sizeof(identity->serial)) &&
               is_text(identity->firmware, sizeof(identity->firmware));
}

static bool has_valid_attributes(const SmartData *data) {
        if (data->n_attributes > SMART_ATTRIBUTES_MAX)
                return false;
        for (size_t i = 0; i < data->n_attributes; i++)
                if (!is_bool(&data->attributes[i].has_threshold) ||
                    data->attributes[i].state >= _SMART_ATTRIBUTE_STATE_MAX)
                        return false;
        return true;
}

static bool has_valid_errors(const SmartData *data) {
        if (data->n_error_entries > SMART_ERRORS_MAX)
                return false;
        for (size_t i = 0; i < data->n_error_entries; i++)
                if (!is_bool(&data->errors[i].number) ||
                    !is_bool(&data->errors[i].power_on_hours) || !is_bool(&data->errors[i].lba))
                        return false;
        return true;
}

static bool has_valid_self_tests(const SmartSelfTests *tests) {
        if (tests->n_entries > SMART_SELF_TESTS_MAX)
                return false;
        for (size_t i = 0; i < tests->n_entries; i++) {
                const SmartSelfTest *test = &tests->entries[i];

                if (test->kind >= _SMART_SELF_TEST_KIND_MAX ||
                    test->result >= _SMART_SELF_TEST_RESULT_MAX ||
                    !is_bool(&test->remaining_percent) || !is_bool(&test->power_on_hours) ||
                    !is_bool(&test->lba))
                        return false;
        }
        return true;
}

static bool has_valid_answers(const SmartData *data) {
        for (size_t i = 0; i < _SMART_SECTION_MAX; i++)
                if (data->answers[i] >= _SMART_ANSWER_MAX)
                        return false;
        return true;
}

static bool has_valid_sensors(const SmartData *data) {
        for (size_t i = 0; i < SMART_SENSORS_MAX; i++)
                if (!is_bool(&data->health.sensors[i]))
                        return false;
        return true;
}

bool smart_data_is_valid(const SmartData *data) {
        return data->kind < _SMART_KIND_MAX && data->status < _SMART_STATUS_MAX &&
               data->scsi.n_pages <= SMART_PAGES_MAX && has_valid_answers(data) &&
               has_valid_texts(&data->identity) && are_bools(data, numbers, N_ELEMENTS(numbers)) &&
               are_bools(data, temperatures, N_ELEMENTS(temperatures)) && are_truths(data) &&
               are_counters(data) && has_valid_attributes(data) && has_valid_errors(data) &&
               has_valid_self_tests(&data->self_tests) && has_valid_sensors(data);
}
