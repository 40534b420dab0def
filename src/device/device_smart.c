/* The last word of each unit, and what is made of it: see device_smart.h. */

#include "device/device_smart.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void device_smart_done(DeviceSmart *smart) {
        for (unsigned lun = 0; lun < N_ELEMENTS(smart->units); lun++)
                device_smart_forget(smart, lun);
}

void device_smart_forget(DeviceSmart *smart, unsigned lun) {
        free(smart->units[lun]);
        smart->units[lun] = NULL;
}

/* Behind a bridge there may be another drive than before. */
static void load_history(DeviceSmart *smart, DeviceSmartUnit *unit, uint64_t now_s) {
        SmartHistoryFile file;
        const SmartHistory *history = &unit->history;

        smart_history_file_init(&file, &unit->told.data);
        if (unit->saved_s > 0 && smart_history_file_is_equal(&file, &unit->file))
                return;
        unit->file = file;
        unit->saved_s = now_s;
        unit->has_known = smart_history_file_load(&file, smart->store, &unit->history) &&
                          history->n_samples > 0;
        if (unit->has_known)
                unit->known = history->samples[history->n_samples - 1].verdict;
}

static void add_to_history(DeviceSmart *smart, DeviceSmartUnit *unit, uint64_t now_s) {
        SmartHistorySample sample;
        bool is_news;

        smart_history_take(&sample, &unit->told.data, unit->told.verdict.kind, now_s);
        is_news = smart_history_add(&unit->history, &sample);
        if (!is_news && now_s - MIN(unit->saved_s, now_s) < DEVICE_SMART_SAVE_S)
                return;
        unit->saved_s = now_s;
        smart_history_file_save(&unit->file, smart->store, &unit->history);
}

static const char *describe_error(int error) {
        switch (error) {
        case 0:
                return "";
        case -EOPNOTSUPP:
                return "no way to its health is known";
        case -EAGAIN:
                return "it sleeps";
        default:
                return strerror(-error);
        }
}

static void set_reason(DeviceSmartUnit *unit) {
        const char *reason = unit->told.verdict.reason;

        if (reason[0] == '\0' && unit->told.verdict.kind == SMART_VERDICT_KIND_UNKNOWN)
                reason = describe_error(unit->told.error);
        snprintf(unit->reason, sizeof(unit->reason), "%.*s%s%s", SMART_VERDICT_REASON_SIZE - 4,
                 reason, reason[0] != '\0' && unit->news[0] != '\0' ? "; " : "", unit->news);
}

/* A drive that nobody knew is no news while nothing is wrong with it. */
static bool is_change(const DeviceSmartUnit *unit) {
        SmartVerdictKind kind = unit->told.verdict.kind;

        if (!unit->has_known)
                return kind == SMART_VERDICT_KIND_WARNING || kind == SMART_VERDICT_KIND_FAILING;
        return kind != unit->known;
}

static void describe_change(const DeviceSmartUnit *unit,
                            char words[static DEVICE_SMART_REASON_SIZE]) {
        snprintf(words, DEVICE_SMART_REASON_SIZE, "health is %s%s%s%s%.*s",
                 smart_verdict_kind_to_string(unit->told.verdict.kind),
                 unit->has_known ? ", was " : "",
                 unit->has_known ? smart_verdict_kind_to_string(unit->known) : "",
                 unit->reason[0] != '\0' ? ": " : "", DEVICE_SMART_REASON_SIZE - 64, unit->reason);
}

static bool judge_anew(DeviceSmart *smart, DeviceSmartUnit *unit, uint64_t now_s,
                       char words[static DEVICE_SMART_REASON_SIZE]) {
        bool has_changed;

        load_history(smart, unit, now_s);
        add_to_history(smart, unit, now_s);
        smart_history_describe(&unit->history, unit->news);
        set_reason(unit);
        has_changed = is_change(unit);
        if (has_changed)
                describe_change(unit, words);
        unit->known = unit->told.verdict.kind;
        unit->has_known = true;
        return has_changed;
}

bool device_smart_set(DeviceSmart *smart, const ControlSmart *message, uint64_t now_s,
                      char words[static DEVICE_SMART_REASON_SIZE]) {
        DeviceSmartUnit *unit = smart->units[message->lun];

        if (!unit)
                unit = smart->units[message->lun] = calloc(1, sizeof(*unit));
        if (!unit) {
                log_warning("No memory for what a drive told of its health, ignoring");
                return false;
        }
        unit->told = *message;
        if (message->error < 0) { /* what it said before still holds */
                set_reason(unit);
                return false;
        }
        return judge_anew(smart, unit, MAX(now_s, UINT64_C(1)), words);
}

/* sd-journald's MESSAGE_ID: a unique number for this kind of event. */
#define HEALTH_MESSAGE_ID "86e28b93877e4ddbacbe70e6b46250d5"

static LogLevel get_health_level(SmartVerdictKind verdict) {
        if (verdict == SMART_VERDICT_KIND_FAILING)
                return LOG_LEVEL_ERROR;
        return verdict == SMART_VERDICT_KIND_WARNING ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE;
}

void device_smart_log(const ControlSmart *smart, const char *device, const char *device_serial,
                      const char *words) {
        const char *serial = smart->data.identity.serial;
        char message[LOG_MESSAGE_SIZE_MAX];

        snprintf(message, sizeof(message), "LUN %u: %s", smart->lun, words);
        log_record(&(LogRecord){
                        .level = get_health_level(smart->verdict.kind),
                        .device = device,
                        .message = message,
                        .serial = serial[0] != '\0' ? serial : device_serial,
                        .message_id = HEALTH_MESSAGE_ID,
                        .file = __FILE__,
                        .function = __func__,
                        .line = __LINE__,
        });
}
