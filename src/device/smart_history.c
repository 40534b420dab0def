/* Samples, and the difference between two of them in words. */

#include "device/smart_history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/macros.h"
#include "smart/smart_attribute.h"

#define N_TELLING SMART_HISTORY_ITEM_TEMPERATURE_MAX
#define DATE_SIZE 32

/* Items that only grow where a drive gets worse have words for what was added. */
static const struct {
        const char *name;
        const char *one;
        const char *several;
} items[_SMART_HISTORY_ITEM_MAX] = {
        [SMART_HISTORY_ITEM_REPLACED_SECTORS] = { "replaced-sectors", "sector was replaced",
                                                  "sectors were replaced" },
        [SMART_HISTORY_ITEM_PENDING_SECTORS] = { "pending-sectors", "sector became unreadable",
                                                 "sectors became unreadable" },
        [SMART_HISTORY_ITEM_UNCORRECTABLE_SECTORS] = { "uncorrectable-sectors",
                                                       "sector could not be corrected",
                                                       "sectors could not be corrected" },
        [SMART_HISTORY_ITEM_MEDIA_ERRORS] = { "media-errors", "time data could not be corrected",
                                              "times data could not be corrected" },
        [SMART_HISTORY_ITEM_GROWN_DEFECTS] = { "grown-defects", "defect has grown",
                                               "defects have grown" },
        [SMART_HISTORY_ITEM_CRC_ERRORS] = { "crc-errors", "transfer to the drive was garbled",
                                            "transfers to the drive were garbled" },
        [SMART_HISTORY_ITEM_LOGGED_ERRORS] = { "logged-errors", "error was logged",
                                               "errors were logged" },
        [SMART_HISTORY_ITEM_SPARE_PERCENT] = { "spare-percent", NULL, NULL },
        [SMART_HISTORY_ITEM_USED_PERCENT] = { "used-percent", NULL, NULL },
        [SMART_HISTORY_ITEM_TEMPERATURE_MAX] = { "temperature-max", NULL, NULL },
        [SMART_HISTORY_ITEM_POWER_ON_HOURS] = { "power-on-hours", NULL, NULL },
        [SMART_HISTORY_ITEM_POWER_CYCLES] = { "power-cycles", NULL, NULL },
};

const char *smart_history_item_to_string(SmartHistoryItem item) {
        assert(item < _SMART_HISTORY_ITEM_MAX);
        return items[item].name;
}

/* Samples */

static uint64_t from_number(const SmartNumber *number) {
        return number->is_known ? number->value : SMART_HISTORY_UNKNOWN;
}

static uint64_t from_celsius(const SmartCelsius *most, const SmartCelsius *now) {
        const SmartCelsius *celsius = most->is_known ? most : now;

        return celsius->is_known ? (uint64_t) MAX(celsius->value, 0) : SMART_HISTORY_UNKNOWN;
}

static uint64_t count_media_errors(const SmartData *data) {
        const SmartNumber *const counts[] = {
                &data->scsi.read.uncorrected,
                &data->scsi.write.uncorrected,
                &data->scsi.verify.uncorrected,
        };
        uint64_t sum = SMART_HISTORY_UNKNOWN;

        if (data->kind == SMART_KIND_NVME)
                return data->answers[SMART_SECTION_HEALTH] == SMART_ANSWER_GOOD
                                       ? data->health.media_errors
                                       : SMART_HISTORY_UNKNOWN;
        for (size_t i = 0; i < N_ELEMENTS(counts); i++)
                if (counts[i]->is_known)
                        sum = (sum == SMART_HISTORY_UNKNOWN ? 0 : sum) +
                              MIN(counts[i]->value, UINT64_MAX / 4);
        return sum;
}

static uint64_t get_crc_errors(const SmartData *data) {
        const SmartAttribute *attribute =
                        smart_data_find_attribute(data, SMART_ATTRIBUTE_CRC_ERRORS);

        return attribute ? attribute->raw : SMART_HISTORY_UNKNOWN;
}

void smart_history_take(SmartHistorySample *ret, const SmartData *data, SmartVerdictKind verdict,
                        uint64_t now_s) {
        bool has_health = data->answers[SMART_SECTION_HEALTH] == SMART_ANSWER_GOOD;

        *ret = (SmartHistorySample){
                .first_s = now_s,
                .last_s = now_s,
                .verdict = verdict,
                .values = {
                        from_number(&data->reallocated_sectors),
                        from_number(&data->pending_sectors),
                        from_number(&data->uncorrectable_sectors),
                        count_media_errors(data),
                        from_number(&data->scsi.grown_defects),
                        get_crc_errors(data),
                        from_number(&data->n_errors),
                        has_health ? data->health.spare_percent : SMART_HISTORY_UNKNOWN,
                        from_number(&data->used_percent),
                        from_celsius(&data->temperature_max, &data->temperature),
                        from_number(&data->power_on_hours),
                        from_number(&data->power_cycles),
                },
        };
}

static bool is_news(const SmartHistorySample *a, const SmartHistorySample *b) {
        return a->verdict != b->verdict ||
               memcmp(a->values, b->values, N_TELLING * sizeof(a->values[0])) != 0;
}

/* What was not told this time is as it was, and the warmest of all that was seen counts, where the
 * drive itself does not keep that. */
static void keep_former(SmartHistorySample *sample, const SmartHistorySample *former) {
        size_t warmest = SMART_HISTORY_ITEM_TEMPERATURE_MAX;

        for (size_t i = 0; i < _SMART_HISTORY_ITEM_MAX; i++)
                if (sample->values[i] == SMART_HISTORY_UNKNOWN)
                        sample->values[i] = former->values[i];
        if (former->values[warmest] != SMART_HISTORY_UNKNOWN)
                sample->values[warmest] = MAX(sample->values[warmest], former->values[warmest]);
        if (sample->verdict == SMART_VERDICT_KIND_UNKNOWN)
                sample->verdict = former->verdict;
}

bool smart_history_add(SmartHistory *history, const SmartHistorySample *sample) {
        SmartHistorySample *newest = NULL, next = *sample;

        if (history->n_samples > 0)
                newest = &history->samples[history->n_samples - 1];
        if (newest) {
                next.first_s = next.last_s = MAX(sample->last_s, newest->last_s);
                keep_former(&next, newest);
        }
        if (newest && !is_news(newest, &next)) {
                next.first_s = newest->first_s;
                *newest = next;
                return false;
        }
        if (history->n_samples == SMART_HISTORY_SAMPLES_MAX) {
                memmove(&history->samples[1], &history->samples[2],
                        (SMART_HISTORY_SAMPLES_MAX - 2) * sizeof(history->samples[0]));
                history->n_samples--;
        }
        history->samples[history->n_samples++] = next;
        return true;
}

/* Words */

/* What was last seen to be so when the news began; NULL: nothing was. */
static const SmartHistorySample *find_former(const SmartHistory *history) {
        const SmartHistorySample *newest = &history->samples[history->n_samples - 1];

        for (size_t i = 0; i + 1 < history->n_samples; i++)
                if (history->samples[i].last_s + SMART_HISTORY_NEWS_S >= newest->last_s)
                        return &history->samples[i];
        return NULL;
}

static uint64_t count_added(const SmartHistorySample *former, const SmartHistorySample *now,
                            size_t item) {
        uint64_t before = former->values[item], after = now->values[item];

        if (before == SMART_HISTORY_UNKNOWN || after == SMART_HISTORY_UNKNOWN)
                return 0;
        return after - MIN(before, after);
}

static void format_date(uint64_t time_s, char date[static DATE_SIZE]) {
        time_t time = (time_t) time_s;
        struct tm parts;

        if (!gmtime_r(&time, &parts) || strftime(date, DATE_SIZE, "%Y-%m-%d", &parts) == 0)
                strcpy(date, "long ago");
}

static _printf_(2, 3) void add_words(char words[static SMART_HISTORY_WORDS_SIZE],
                                     const char *format, ...) {
        size_t size = strlen(words);
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(words + size, SMART_HISTORY_WORDS_SIZE - size, format, arguments);
        va_end(arguments);
}

void smart_history_describe(const SmartHistory *history,
                            char words[static SMART_HISTORY_WORDS_SIZE]) {
        const SmartHistorySample *former, *now;
        char date[DATE_SIZE];

        words[0] = '\0';
        former = history->n_samples > 0 ? find_former(history) : NULL;
        if (!former)
                return;
        now = &history->samples[history->n_samples - 1];
        for (size_t i = 0; i < _SMART_HISTORY_ITEM_MAX; i++) {
                uint64_t n_added = items[i].one ? count_added(former, now, i) : 0;

                if (n_added > 0)
                        add_words(words, "%s%" PRIu64 " %s", words[0] != '\0' ? ", " : "", n_added,
                                  n_added == 1 ? items[i].one : items[i].several);
        }
        if (words[0] == '\0')
                return;
        format_date(former->last_s, date);
        add_words(words, " since %s", date);
}

bool smart_history_is_valid(const SmartHistory *history) {
        uint64_t former_s = 0;

        if (history->n_samples > SMART_HISTORY_SAMPLES_MAX)
                return false;
        for (size_t i = 0; i < history->n_samples; i++) {
                const SmartHistorySample *sample = &history->samples[i];

                if (sample->verdict >= _SMART_VERDICT_KIND_MAX || sample->first_s < former_s ||
                    sample->last_s < sample->first_s || sample->last_s > INT64_MAX / 2)
                        return false;
                former_s = sample->last_s;
        }
        return true;
}
