#pragma once

/*
 * SmartHistory
 *
 * The telling numbers of a drive as they were over time: a sample for each set of values, with the
 * first and the last time at which they were seen. So it can be told what has changed, and since
 * when. Plain data; times are seconds of CLOCK_REALTIME, given by the caller.
 */

#include "smart/smart_data.h"
#include "smart/smart_verdict.h"

typedef enum SmartHistoryItem {
        SMART_HISTORY_ITEM_REPLACED_SECTORS,
        SMART_HISTORY_ITEM_PENDING_SECTORS,
        SMART_HISTORY_ITEM_UNCORRECTABLE_SECTORS,
        SMART_HISTORY_ITEM_MEDIA_ERRORS,
        SMART_HISTORY_ITEM_GROWN_DEFECTS,
        SMART_HISTORY_ITEM_CRC_ERRORS,
        SMART_HISTORY_ITEM_LOGGED_ERRORS,
        SMART_HISTORY_ITEM_SPARE_PERCENT,
        SMART_HISTORY_ITEM_USED_PERCENT,
        /* From here on they change all the time, or mean nothing: no reason for a new sample. */
        SMART_HISTORY_ITEM_TEMPERATURE_MAX, /* Celsius; below zero counts as zero */
        SMART_HISTORY_ITEM_POWER_ON_HOURS,
        SMART_HISTORY_ITEM_POWER_CYCLES,
        _SMART_HISTORY_ITEM_MAX,
} SmartHistoryItem;

#define SMART_HISTORY_UNKNOWN UINT64_MAX
#define SMART_HISTORY_SAMPLES_MAX 32
#define SMART_HISTORY_WORDS_SIZE 256
/* What changed before that is no longer news. */
#define SMART_HISTORY_NEWS_S (UINT64_C(30) * 24 * 60 * 60)

typedef struct SmartHistorySample {
        uint64_t first_s;
        uint64_t last_s;
        SmartVerdictKind verdict;
        uint64_t values[_SMART_HISTORY_ITEM_MAX]; /* or SMART_HISTORY_UNKNOWN */
} SmartHistorySample;

typedef struct SmartHistory {
        size_t n_samples;
        SmartHistorySample samples[SMART_HISTORY_SAMPLES_MAX]; /* the oldest one first */
} SmartHistory;

void smart_history_take(SmartHistorySample *ret, const SmartData *data, SmartVerdictKind verdict,
                        uint64_t now_s);
/* True: it differs from the one before in something telling. A clock that was set back is not
 * believed. Of too many the first is kept, and the one after it goes. */
bool smart_history_add(SmartHistory *history, const SmartHistorySample *sample);
/* What has got worse lately and since when: "3 sectors were replaced since 2026-11-20"; or "". */
void smart_history_describe(const SmartHistory *history,
                            char words[static SMART_HISTORY_WORDS_SIZE]);
/* Times in their order, and values that can be. */
bool smart_history_is_valid(const SmartHistory *history);
/* "replaced-sectors" */
const char *smart_history_item_to_string(SmartHistoryItem item);
