/*
 * Rates come from samples, which are taken when something was told: between two of them nothing has
 * changed, or it is told within a second. A window ends now and begins at the last sample that is
 * about as old; a sample that is much older is of a time without work, so that what came since then
 * is of the window alone.
 */

#include "device/device_stats.h"

#include "base/macros.h"

/* A sample that is so much younger than the window counts as old enough: timers are not exact. */
#define SLACK_NS (100 * NS_PER_MS)
/* Samples that come faster take each other's place, so that nobody can make the ring too short. */
#define SAMPLE_PERIOD_MIN_NS (900 * NS_PER_MS)
/* As long as there is work, news comes after a second; until then what was told last is the state. */
#define NEWS_PERIOD_MAX_NS (1500 * NS_PER_MS)

static const uint64_t window_lengths_ns[_DEVICE_STATS_WINDOW_MAX] = {
        [DEVICE_STATS_WINDOW_1_S] = 1 * NS_PER_S,
        [DEVICE_STATS_WINDOW_10_S] = 10 * NS_PER_S,
        [DEVICE_STATS_WINDOW_60_S] = 60 * NS_PER_S,
};

static_assert((DEVICE_STATS_SAMPLES - 2) * SAMPLE_PERIOD_MIN_NS >= 60 * NS_PER_S + SLACK_NS,
              "the longest window must fit");

/* Counted by second. */
typedef struct Speeds {
        double reads;
        double read_size;
        double read_ns;
        double writes;
        double write_size;
        double write_ns;
        double busy_ns;
        double weighted_ns;
        double hits;
        double misses;
} Speeds;

static StorageStats get_total(const DeviceStatsLun *lun) {
        StorageStats total = lun->now;

        storage_stats_add_counters(&total, &lun->past);
        return total;
}

/* Samples */

static DeviceStatsSample make_sample(const StorageStats *stats, uint64_t now_ns) {
        const StorageOperationStats *reads = &stats->operations[STORAGE_OPERATION_READ];
        const StorageOperationStats *writes = &stats->operations[STORAGE_OPERATION_WRITE];

        return (DeviceStatsSample){
                .time_ns = now_ns,
                .n_reads = reads->n,
                .read_size = reads->size,
                .read_ns = reads->latency.sum_ns,
                .n_writes = writes->n,
                .write_size = writes->size,
                .write_ns = writes->latency.sum_ns,
                .busy_ns = stats->busy_ns,
                .weighted_ns = stats->weighted_ns,
                .n_hits = stats->cache.n_hits,
                .n_misses = stats->cache.n_misses,
        };
}

/* 0: the newest. */
static const DeviceStatsSample *get_sample(const DeviceStatsLun *lun, size_t age) {
        assert(age < MIN(lun->n_samples, (size_t) DEVICE_STATS_SAMPLES));

        return &lun->samples[(lun->n_samples - 1 - age) % DEVICE_STATS_SAMPLES];
}

static void add_sample(DeviceStatsLun *lun, const DeviceStatsSample *sample) {
        bool is_full_period = lun->n_samples < 2 ||
                              get_sample(lun, 0)->time_ns - get_sample(lun, 1)->time_ns >=
                                              SAMPLE_PERIOD_MIN_NS;

        if (is_full_period)
                lun->n_samples++;
        lun->samples[(lun->n_samples - 1) % DEVICE_STATS_SAMPLES] = *sample;
}

/* The youngest that is as old, else the oldest. */
static const DeviceStatsSample *find_sample(const DeviceStatsLun *lun, uint64_t time_ns) {
        size_t n = MIN(lun->n_samples, (size_t) DEVICE_STATS_SAMPLES), age = 0;

        while (age < n - 1 && get_sample(lun, age)->time_ns > time_ns)
                age++;
        return get_sample(lun, age);
}

/* Rates */

/* Nobody keeps a worker that lies from counting backwards. */
static double per_second(uint64_t end, uint64_t begin, uint64_t length_ns) {
        return end <= begin ? 0 : (double) (end - begin) * (double) NS_PER_S / (double) length_ns;
}

static Speeds get_speeds(const DeviceStatsLun *lun, DeviceStatsWindow window, uint64_t now_ns) {
        uint64_t window_ns = window_lengths_ns[window], length_ns;
        const DeviceStatsSample *end = get_sample(lun, 0), *begin;

        if (now_ns - end->time_ns <= NEWS_PERIOD_MAX_NS)
                now_ns = end->time_ns;
        begin = find_sample(lun, now_ns - MIN(now_ns, window_ns - SLACK_NS));
        length_ns = now_ns - begin->time_ns;
        if (length_ns > window_ns + window_ns / 2)
                length_ns = window_ns;
        length_ns = MAX(length_ns, NS_PER_S / 2);
        return (Speeds){
                .reads = per_second(end->n_reads, begin->n_reads, length_ns),
                .read_size = per_second(end->read_size, begin->read_size, length_ns),
                .read_ns = per_second(end->read_ns, begin->read_ns, length_ns),
                .writes = per_second(end->n_writes, begin->n_writes, length_ns),
                .write_size = per_second(end->write_size, begin->write_size, length_ns),
                .write_ns = per_second(end->write_ns, begin->write_ns, length_ns),
                .busy_ns = per_second(end->busy_ns, begin->busy_ns, length_ns),
                .weighted_ns = per_second(end->weighted_ns, begin->weighted_ns, length_ns),
                .hits = per_second(end->n_hits, begin->n_hits, length_ns),
                .misses = per_second(end->n_misses, begin->n_misses, length_ns),
        };
}

static void add_speeds(Speeds *to, const Speeds *from) {
        to->reads += from->reads;
        to->read_size += from->read_size;
        to->read_ns += from->read_ns;
        to->writes += from->writes;
        to->write_size += from->write_size;
        to->write_ns += from->write_ns;
        to->busy_ns = MAX(to->busy_ns, from->busy_ns);
        to->weighted_ns += from->weighted_ns;
        to->hits += from->hits;
        to->misses += from->misses;
}

static DeviceStatsRates to_rates(const Speeds *speeds) {
        double busy = speeds->busy_ns / (double) NS_PER_S;
        double looked_up = speeds->hits + speeds->misses;

        return (DeviceStatsRates){
                .reads = speeds->reads,
                .read_size = speeds->read_size,
                .writes = speeds->writes,
                .write_size = speeds->write_size,
                .read_latency_ns = speeds->reads > 0 ? speeds->read_ns / speeds->reads : 0,
                .write_latency_ns = speeds->writes > 0 ? speeds->write_ns / speeds->writes : 0,
                .busy = MIN(busy, 1.0),
                .depth = speeds->weighted_ns / (double) NS_PER_S,
                .hit_ratio = looked_up > 0 ? speeds->hits / looked_up : 0,
        };
}

bool device_stats_get_lun_rates(const DeviceStats *stats, unsigned lun, DeviceStatsWindow window,
                                uint64_t now_ns, DeviceStatsRates *ret) {
        Speeds speeds;

        assert(lun < CONTROL_LUNS_MAX && window < _DEVICE_STATS_WINDOW_MAX);

        if (!stats->luns[lun])
                return false;
        speeds = get_speeds(stats->luns[lun], window, now_ns);
        *ret = to_rates(&speeds);
        return true;
}

void device_stats_get_sum_rates(const DeviceStats *stats, DeviceStatsWindow window, uint64_t now_ns,
                                DeviceStatsRates *ret) {
        Speeds sum = {};

        assert(window < _DEVICE_STATS_WINDOW_MAX);

        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                Speeds speeds;

                if (!stats->luns[lun])
                        continue;
                speeds = get_speeds(stats->luns[lun], window, now_ns);
                add_speeds(&sum, &speeds);
        }
        *ret = to_rates(&sum);
}

/* Counters */

bool device_stats_get_lun(const DeviceStats *stats, unsigned lun, StorageStats *ret) {
        assert(lun < CONTROL_LUNS_MAX);

        if (!stats->luns[lun])
                return false;
        *ret = get_total(stats->luns[lun]);
        return true;
}

void device_stats_get_sum(const DeviceStats *stats, StorageStats *ret) {
        *ret = (StorageStats){};
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                StorageStats total;

                if (device_stats_get_lun(stats, lun, &total))
                        storage_stats_add(ret, &total);
        }
}

bool device_stats_get_device(const DeviceStats *stats, StorageDeviceStats *ret) {
        if (!stats->has_device)
                return false;
        *ret = stats->now;
        storage_device_stats_add_counters(ret, &stats->past);
        return true;
}

/* What is told first happened since a second ago. */
static DeviceStatsLun *make_lun(uint64_t now_ns) {
        DeviceStatsLun *lun = calloc(1, sizeof(*lun));
        DeviceStatsSample nothing = { .time_ns = now_ns - MIN(now_ns, NS_PER_S) };

        if (lun)
                add_sample(lun, &nothing);
        return lun;
}

void device_stats_note_lun(DeviceStats *stats, unsigned lun, const StorageStats *told,
                           uint64_t now_ns) {
        DeviceStatsSample sample;
        StorageStats total;

        assert(lun < CONTROL_LUNS_MAX);

        if (!stats->luns[lun])
                stats->luns[lun] = make_lun(now_ns);
        if (!stats->luns[lun])
                return;
        stats->luns[lun]->now = *told;
        total = get_total(stats->luns[lun]);
        sample = make_sample(&total, now_ns);
        add_sample(stats->luns[lun], &sample);
}

void device_stats_note_device(DeviceStats *stats, const StorageDeviceStats *told) {
        stats->now = *told;
        stats->has_device = true;
}

void device_stats_end_worker(DeviceStats *stats) {
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                if (!stats->luns[lun])
                        continue;
                storage_stats_add_counters(&stats->luns[lun]->past, &stats->luns[lun]->now);
                stats->luns[lun]->now = (StorageStats){};
        }
        storage_device_stats_add_counters(&stats->past, &stats->now);
        stats->now = (StorageDeviceStats){};
}

void device_stats_done(DeviceStats *stats) {
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++) {
                free(stats->luns[lun]);
                stats->luns[lun] = NULL;
        }
}
