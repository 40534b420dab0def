#pragma once

/*
 * HealthStatus
 *
 * What `smart` exits with: smartctl's mask, out of what GetData tells. Pure.
 */

#include <json-c/json.h>

typedef enum HealthStatus {
        HEALTH_STATUS_USAGE = 1 << 0,
        HEALTH_STATUS_NOT_ASKED = 1 << 1, /* it can't be reached, or sleeps */
        HEALTH_STATUS_COMMAND = 1 << 2,   /* a part of what matters is missing or broken */
        HEALTH_STATUS_FAILING = 1 << 3,
        HEALTH_STATUS_PREFAILURE = 1 << 4, /* an attribute says that it will fail */
        HEALTH_STATUS_PAST = 1 << 5,       /* one did, or an old-age attribute does */
        HEALTH_STATUS_ERRORS = 1 << 6,     /* its log has errors */
        HEALTH_STATUS_SELF_TESTS = 1 << 7, /* some failed since the last extended one that passed */
} HealthStatus;

int health_status_get(json_object *data);
