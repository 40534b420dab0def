/* See smart_dump.h. What is not known is null. */

#include "smart_dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/macros.h"

static void put_number(FILE *file, const char *name, const SmartNumber *number) {
        if (number->is_known)
                fprintf(file, "\"%s\": %" PRIu64 ",\n", name, number->value);
        else
                fprintf(file, "\"%s\": null,\n", name);
}

static void put_celsius(FILE *file, const char *name, const SmartCelsius *celsius) {
        if (celsius->is_known)
                fprintf(file, "\"%s\": %d,\n", name, celsius->value);
        else
                fprintf(file, "\"%s\": null,\n", name);
}

static void put_truth(FILE *file, const char *name, const SmartTruth *truth) {
        fprintf(file, "\"%s\": %s,\n", name,
                !truth->is_known ? "null"
                : truth->value   ? "true"
                                 : "false");
}

static void put_answers(FILE *file, const SmartData *data) {
        fprintf(file, "\"answers\": {");
        for (SmartSection section = 0; section < _SMART_SECTION_MAX; section++)
                fprintf(file, "%s\"%s\": \"%s\"", section == 0 ? "" : ",\n",
                        smart_section_to_string(section),
                        smart_answer_to_string(data->answers[section]));
        fprintf(file, "},\n");
}

static void put_identity(FILE *file, const SmartIdentity *identity) {
        fprintf(file, "\"model\": \"%s\",\n\"serial\": \"%s\",\n\"firmware\": \"%s\",\n",
                identity->model, identity->serial, identity->firmware);
        put_number(file, "capacity_bytes", &identity->capacity_bytes);
        put_number(file, "rotation_rpm", &identity->rotation_rpm);
}

static void put_attributes(FILE *file, const SmartData *data) {
        fprintf(file, "\"attributes\": [");
        for (size_t i = 0; i < data->n_attributes; i++) {
                const SmartAttribute *attribute = &data->attributes[i];

                fprintf(file,
                        "%s{\"id\": %u, \"flags\": %u, \"value\": %u, \"worst\": %u, \"raw\": "
                        "%" PRIu64 ", \"threshold\": %d, \"state\": %u}",
                        i == 0 ? "" : ",\n", attribute->id, attribute->flags, attribute->value,
                        attribute->worst, attribute->raw,
                        attribute->has_threshold ? attribute->threshold : -1, attribute->state);
        }
        fprintf(file, "],\n");
}

static void put_errors(FILE *file, const SmartData *data) {
        put_number(file, "n_errors", &data->n_errors);
        fprintf(file, "\"errors\": [");
        for (size_t i = 0; i < data->n_error_entries; i++) {
                const SmartError *error = &data->errors[i];

                fprintf(file, "%s{\"command\": %u, \"error\": %u, \"status\": %u,\n",
                        i == 0 ? "" : ",\n", error->command, error->error, error->status);
                put_number(file, "number", &error->number);
                put_number(file, "power_on_hours", &error->power_on_hours);
                put_number(file, "lba", &error->lba);
                fprintf(file, "\"end\": null}");
        }
        fprintf(file, "],\n");
}

static void put_self_tests(FILE *file, const SmartSelfTests *tests) {
        put_truth(file, "test_is_running", &tests->is_running);
        put_number(file, "test_remaining_percent", &tests->remaining_percent);
        put_number(file, "test_short_minutes", &tests->short_minutes);
        put_number(file, "test_extended_minutes", &tests->extended_minutes);
        put_number(file, "test_conveyance_minutes", &tests->conveyance_minutes);
        fprintf(file, "\"tests\": [");
        for (size_t i = 0; i < tests->n_entries; i++) {
                const SmartSelfTest *test = &tests->entries[i];

                fprintf(file, "%s{\"kind\": %u, \"result\": %u, \"code\": %u,\n",
                        i == 0 ? "" : ",\n", test->kind, test->result, test->code);
                put_number(file, "remaining_percent", &test->remaining_percent);
                put_number(file, "power_on_hours", &test->power_on_hours);
                put_number(file, "lba", &test->lba);
                fprintf(file, "\"end\": null}");
        }
        fprintf(file, "],\n");
}

static void put_health(FILE *file, const SmartHealth *health) {
        fprintf(file,
                "\"health\": {\"critical_warning\": %u, \"spare_percent\": %u, "
                "\"spare_threshold_percent\": %u, \"used_percent\": %u,\n\"data_units_read\": "
                "%" PRIu64 ", \"data_units_written\": %" PRIu64 ", \"read_commands\": %" PRIu64
                ", \"write_commands\": %" PRIu64 ",\n\"busy_minutes\": %" PRIu64
                ", \"unsafe_shutdowns\": %" PRIu64 ", \"media_errors\": %" PRIu64
                ", \"error_log_entries\": %" PRIu64 "},\n",
                health->critical_warning, health->spare_percent, health->spare_threshold_percent,
                health->used_percent, health->data_units_read, health->data_units_written,
                health->read_commands, health->write_commands, health->busy_minutes,
                health->unsafe_shutdowns, health->media_errors, health->error_log_entries);
}

static void put_counters(FILE *file, const char *name, const SmartErrorCounters *counters) {
        fprintf(file, "\"%s\": {", name);
        put_number(file, "corrected_fast", &counters->corrected_fast);
        put_number(file, "corrected_delayed", &counters->corrected_delayed);
        put_number(file, "repeated", &counters->repeated);
        put_number(file, "corrected", &counters->corrected);
        put_number(file, "corrections", &counters->corrections);
        put_number(file, "bytes", &counters->bytes);
        put_number(file, "uncorrected", &counters->uncorrected);
        fprintf(file, "\"end\": null},\n");
}

static void put_scsi(FILE *file, const SmartScsi *scsi) {
        fprintf(file, "\"asc\": %u, \"ascq\": %u, \"n_pages\": %zu,\n", scsi->asc, scsi->ascq,
                scsi->n_pages);
        put_counters(file, "write", &scsi->write);
        put_counters(file, "read", &scsi->read);
        put_counters(file, "verify", &scsi->verify);
        put_number(file, "non_medium_errors", &scsi->non_medium_errors);
        put_number(file, "start_stops", &scsi->start_stops);
        put_number(file, "start_stops_specified", &scsi->start_stops_specified);
        put_number(file, "load_unloads", &scsi->load_unloads);
        put_number(file, "made_year", &scsi->made_year);
        put_number(file, "made_week", &scsi->made_week);
        put_truth(file, "scan_is_running", &scsi->scan_is_running);
        put_number(file, "scans", &scsi->scans);
        put_number(file, "grown_defects", &scsi->grown_defects);
}

char *smart_dump(const SmartData *data) {
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        assert(file);
        fprintf(file, "{\"kind\": \"%s\",\n\"status\": %u,\n", smart_kind_to_string(data->kind),
                data->status);
        put_answers(file, data);
        put_identity(file, &data->identity);
        put_truth(file, "is_supported", &data->is_supported);
        put_truth(file, "is_enabled", &data->is_enabled);
        put_celsius(file, "temperature", &data->temperature);
        put_celsius(file, "temperature_min", &data->temperature_min);
        put_celsius(file, "temperature_max", &data->temperature_max);
        put_celsius(file, "temperature_warning", &data->temperature_warning);
        put_celsius(file, "temperature_critical", &data->temperature_critical);
        put_number(file, "power_on_hours", &data->power_on_hours);
        put_number(file, "power_cycles", &data->power_cycles);
        put_number(file, "reallocated_sectors", &data->reallocated_sectors);
        put_number(file, "pending_sectors", &data->pending_sectors);
        put_number(file, "uncorrectable_sectors", &data->uncorrectable_sectors);
        put_number(file, "used_percent", &data->used_percent);
        put_errors(file, data);
        put_self_tests(file, &data->self_tests);
        put_attributes(file, data);
        put_health(file, &data->health);
        put_scsi(file, &data->scsi);
        fprintf(file, "\"end\": null}\n");
        fclose(file);
        return text;
}
