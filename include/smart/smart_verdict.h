#pragma once

/*
 * SmartVerdict
 *
 * How a drive is, in a word and a reason. A drive is good only if it, or each of its attributes with
 * a threshold, says so, and if no answer that is looked at here was broken.
 */

#include "smart/smart_data.h"

typedef enum SmartVerdictKind {
        SMART_VERDICT_KIND_UNKNOWN,
        SMART_VERDICT_KIND_GOOD,
        SMART_VERDICT_KIND_WARNING,
        SMART_VERDICT_KIND_FAILING,
        _SMART_VERDICT_KIND_MAX,
} SmartVerdictKind;

#define SMART_VERDICT_REASON_SIZE 160

typedef struct SmartVerdict {
        SmartVerdictKind kind;
        char reason[SMART_VERDICT_REASON_SIZE]; /* empty only if good without a remark */
} SmartVerdict;

void smart_verdict(const SmartData *data, SmartVerdict *ret);
const char *smart_verdict_kind_to_string(SmartVerdictKind kind);
