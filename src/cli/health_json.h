#pragma once

/*
 * HealthJson
 *
 * What GetData tells, in the schema of smartctl --json, so that whoever reads that can read this. What
 * is not known is not there. Pure.
 */

#include <json-c/json.h>

typedef struct HealthReport {
        const char *name; /* of the unit: "1-4.0" */
        json_object *data;
        uint64_t block_size;
        uint64_t physical_block_size;
        const char *message; /* why it could not be asked now; NULL: it was */
        int status;          /* HealthStatus */
        int argc;
        char *const *argv;
} HealthReport;

/* The caller's. */
json_object *health_json_format(const HealthReport *report);
/* An attribute's raw value as people read it; to be freed. */
char *health_json_format_raw(json_object *attribute);
/* "completed", "interrupted"… of a self-test's result as GetData names it. */
const char *health_json_describe_result(const char *result);
