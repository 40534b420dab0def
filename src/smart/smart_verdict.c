/* The verdict: what fails counts before what is a warning, that before what is not known, and only
   where there is none of these a drive is good. */

#include "smart/smart_verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/macros.h"

#define USED_PERCENT_WARNING 100

/* True if there is something to say, which is then said. */
typedef bool (*SmartCheck)(const SmartData *data, char *reason);

static _printf_(2, 3) bool say(char *reason, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(reason, SMART_VERDICT_REASON_SIZE, format, arguments);
        va_end(arguments);
        return true;
}

static bool is_over(const SmartNumber *number, uint64_t limit) {
        return number->is_known && number->value > limit;
}

static bool say_count(char *reason, const SmartNumber *number, const char *one,
                      const char *several) {
        return is_over(number, 0) &&
               say(reason, "%" PRIu64 " %s", number->value, number->value == 1 ? one : several);
}

static const SmartAttribute *find_attribute_in(const SmartData *data, SmartAttributeState state,
                                               bool is_prefailure) {
        for (size_t i = 0; i < data->n_attributes; i++) {
                const SmartAttribute *attribute = &data->attributes[i];

                if (attribute->state == state &&
                    !!(attribute->flags & SMART_ATTRIBUTE_PREFAILURE) == is_prefailure)
                        return attribute;
        }
        return NULL;
}

static bool check_health_fails(const SmartData *data, char *reason) {
        uint8_t warning = data->health.critical_warning;

        if (data->answers[SMART_SECTION_HEALTH] != SMART_ANSWER_GOOD)
                return false;
        if (warning & SMART_HEALTH_READ_ONLY)
                return say(reason, "it has become read-only");
        if (warning & SMART_HEALTH_UNRELIABLE)
                return say(reason, "it is no longer reliable");
        if (warning & SMART_HEALTH_SPARE_LOW)
                return say(reason, "its spare is used up to %u%%", data->health.spare_percent);
        return false;
}

static bool check_attribute_fails(const SmartData *data, char *reason) {
        const SmartAttribute *attribute = find_attribute_in(data, SMART_ATTRIBUTE_STATE_FAILING,
                                                            /* is_prefailure= */ true);

        return attribute && say(reason, "attribute %u is at %u, its threshold is %u", attribute->id,
                                attribute->value, attribute->threshold);
}

/* NVMe's is any of its warnings: see check_health_fails() and check_health_warns(). */
static bool check_status_fails(const SmartData *data, char *reason) {
        return data->kind != SMART_KIND_NVME && data->status == SMART_STATUS_FAILING &&
               say(reason, "it predicts its own failure");
}

static bool check_sectors(const SmartData *data, char *reason) {
        return say_count(reason, &data->pending_sectors, "sector cannot be read",
                         "sectors cannot be read") ||
               say_count(reason, &data->uncorrectable_sectors, "sector cannot be corrected",
                         "sectors cannot be corrected") ||
               say_count(reason, &data->reallocated_sectors, "sector was replaced",
                         "sectors were replaced");
}

static bool check_old_age(const SmartData *data, char *reason) {
        const SmartAttribute *attribute = find_attribute_in(data, SMART_ATTRIBUTE_STATE_FAILING,
                                                            /* is_prefailure= */ false);

        return attribute && say(reason, "attribute %u is at %u, its threshold is %u: old age",
                                attribute->id, attribute->value, attribute->threshold);
}

static bool check_former_failure(const SmartData *data, char *reason) {
        for (unsigned is_prefailure = 0; is_prefailure < 2; is_prefailure++) {
                const SmartAttribute *attribute = find_attribute_in(
                                data, SMART_ATTRIBUTE_STATE_FAILED_BEFORE, is_prefailure);

                if (attribute)
                        return say(reason, "attribute %u was at %u once, its threshold is %u",
                                   attribute->id, attribute->worst, attribute->threshold);
        }
        return false;
}

/* What one failed at, only a newer one that reads the whole drive can tell to be over. */
static bool check_self_tests(const SmartData *data, char *reason) {
        for (size_t i = 0; i < data->self_tests.n_entries; i++) {
                const SmartSelfTest *test = &data->self_tests.entries[i];

                switch (test->result) {
                case SMART_SELF_TEST_RESULT_FAILED:
                        return say(reason, "a self-test failed");
                case SMART_SELF_TEST_RESULT_PASSED:
                        if (test->kind == SMART_SELF_TEST_KIND_EXTENDED)
                                return false;
                        break;
                case SMART_SELF_TEST_RESULT_UNKNOWN:
                case SMART_SELF_TEST_RESULT_ABORTED:
                case SMART_SELF_TEST_RESULT_INTERRUPTED:
                case SMART_SELF_TEST_RESULT_RUNNING:
                case _SMART_SELF_TEST_RESULT_MAX:
                        break;
                }
        }
        return false;
}

static bool check_health_warns(const SmartData *data, char *reason) {
        const SmartHealth *health = &data->health;

        if (data->answers[SMART_SECTION_HEALTH] != SMART_ANSWER_GOOD)
                return false;
        if (health->critical_warning & SMART_HEALTH_BACKUP_FAILED)
                return say(reason, "its backup of volatile memory has failed");
        if (health->critical_warning & SMART_HEALTH_PERSISTENT_REGION)
                return say(reason, "its persistent memory is not reliable");
        if (health->critical_warning & SMART_HEALTH_TEMPERATURE)
                return say(reason, "it is too warm or too cold");
        if (health->critical_warning != 0)
                return say(reason, "it has the unknown warning %02Xh", health->critical_warning);
        return health->media_errors > 0 &&
               say(reason, "%" PRIu64 " times data could not be corrected", health->media_errors);
}

static bool check_wear(const SmartData *data, char *reason) {
        return data->used_percent.is_known && data->used_percent.value >= USED_PERCENT_WARNING &&
               say(reason, "%" PRIu64 "%% of its estimated life is over", data->used_percent.value);
}

static bool check_temperature(const SmartData *data, char *reason) {
        const SmartCelsius *now = &data->temperature;
        const SmartCelsius *limit = data->temperature_warning.is_known
                                                    ? &data->temperature_warning
                                                    : &data->temperature_critical;

        return now->is_known && limit->is_known && now->value >= limit->value &&
               say(reason, "it has %d degrees, its limit is %d", now->value, limit->value);
}

static bool check_scsi(const SmartData *data, char *reason) {
        const SmartScsi *scsi = &data->scsi;

        if (data->status != SMART_STATUS_FAILING && scsi->asc != 0)
                return say(reason, "it tells of an exception (%02X/%02X)", scsi->asc, scsi->ascq);
        return say_count(reason, &scsi->grown_defects, "defect has grown", "defects have grown") ||
               say_count(reason, &scsi->read.uncorrected, "read could not be corrected",
                         "reads could not be corrected") ||
               say_count(reason, &scsi->write.uncorrected, "write could not be corrected",
                         "writes could not be corrected") ||
               say_count(reason, &scsi->verify.uncorrected, "block could not be verified",
                         "blocks could not be verified");
}

static bool check_support(const SmartData *data, char *reason) {
        if (data->kind == SMART_KIND_UNKNOWN)
                return say(reason, "it tells nothing of its health");
        if (data->is_supported.is_known && !data->is_supported.value)
                return say(reason, "it has no SMART");
        if (data->is_enabled.is_known && !data->is_enabled.value)
                return say(reason, "its SMART is off");
        return false;
}

static bool check_answers(const SmartData *data, char *reason) {
        for (SmartSection section = 0; section < _SMART_SECTION_MAX; section++) {
                switch (data->answers[section]) {
                case SMART_ANSWER_NONE:
                case SMART_ANSWER_GOOD:
                case SMART_ANSWER_REFUSED:
                case SMART_ANSWER_LOST:
                        break;
                case SMART_ANSWER_TRUNCATED:
                case SMART_ANSWER_CHECKSUM:
                case SMART_ANSWER_ABSURD:
                case _SMART_ANSWER_MAX:
                        return say(reason, "its %s %s", smart_section_to_string(section),
                                   smart_answer_to_string(data->answers[section]));
                }
        }
        return false;
}

/* Every one that would mean a failure has a sound value, and there is one. */
static bool has_judged_attributes(const SmartData *data) {
        size_t n_judged = 0;

        for (size_t i = 0; i < data->n_attributes; i++) {
                const SmartAttribute *attribute = &data->attributes[i];

                if (!(attribute->flags & SMART_ATTRIBUTE_PREFAILURE))
                        continue;
                if (attribute->state == SMART_ATTRIBUTE_STATE_UNKNOWN)
                        return false;
                n_judged += attribute->threshold > 0;
        }
        return n_judged > 0;
}

static bool check_status_is_missing(const SmartData *data, char *reason) {
        SmartSection section =
                        data->kind == SMART_KIND_NVME ? SMART_SECTION_HEALTH : SMART_SECTION_STATUS;

        if (data->kind == SMART_KIND_NVME ? data->answers[section] == SMART_ANSWER_GOOD
                                          : data->status != SMART_STATUS_UNKNOWN)
                return false;
        if (data->kind == SMART_KIND_ATA && has_judged_attributes(data))
                return false;
        return say(reason, "its %s %s", smart_section_to_string(section),
                   smart_answer_to_string(data->answers[section]));
}

static const SmartCheck failures[] = { check_status_fails, check_health_fails,
                                       check_attribute_fails };

static const SmartCheck warnings[] = {
        check_sectors,      check_old_age, check_former_failure, check_self_tests,
        check_health_warns, check_wear,    check_scsi,           check_temperature,
};

static const SmartCheck doubts[] = { check_support, check_answers, check_status_is_missing };

static bool check_each(const SmartCheck *checks, size_t n, const SmartData *data, char *reason) {
        for (size_t i = 0; i < n; i++)
                if (checks[i](data, reason))
                        return true;
        return false;
}

static SmartVerdictKind judge(const SmartData *data, char *reason) {
        if (check_each(failures, N_ELEMENTS(failures), data, reason))
                return SMART_VERDICT_KIND_FAILING;
        if (check_each(warnings, N_ELEMENTS(warnings), data, reason))
                return SMART_VERDICT_KIND_WARNING;
        if (check_each(doubts, N_ELEMENTS(doubts), data, reason))
                return SMART_VERDICT_KIND_UNKNOWN;
        if (data->kind == SMART_KIND_ATA && data->status == SMART_STATUS_UNKNOWN)
                say(reason, "by its attributes: its status %s",
                    smart_answer_to_string(data->answers[SMART_SECTION_STATUS]));
        return SMART_VERDICT_KIND_GOOD;
}

void smart_verdict(const SmartData *data, SmartVerdict *ret) {
        *ret = (SmartVerdict){ 0 };
        ret->kind = judge(data, ret->reason);
}

const char *smart_verdict_kind_to_string(SmartVerdictKind kind) {
        switch (kind) {
        case SMART_VERDICT_KIND_UNKNOWN:
                return "unknown";
        case SMART_VERDICT_KIND_GOOD:
                return "good";
        case SMART_VERDICT_KIND_WARNING:
                return "warning";
        case SMART_VERDICT_KIND_FAILING:
                return "failing";
        case _SMART_VERDICT_KIND_MAX:
                break;
        }

        assert_not_reached();
}
