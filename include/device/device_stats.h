#pragma once

/*
 * DeviceStats
 *
 * What workers have told of a device and its LUNs, added up over its workers, and the rates of the
 * last seconds, as far as the device has been driven for so long. The numbers are a worker's word:
 * they are shown, nothing is decided by them.
 */

#include "base/storage_stats.h"
#include "control/control_message.h"

/* A worker tells of something at most once a second. */
#define DEVICE_STATS_SAMPLES 72

typedef struct DeviceManager DeviceManager;

typedef enum DeviceStatsWindow {
        DEVICE_STATS_WINDOW_1_S,
        DEVICE_STATS_WINDOW_10_S,
        DEVICE_STATS_WINDOW_60_S,
        _DEVICE_STATS_WINDOW_MAX,
} DeviceStatsWindow;

/* Of one window of time. */
typedef struct DeviceStatsRates {
        double reads; /* a second */
        double read_size;
        double writes;
        double write_size;
        double read_latency_ns; /* the mean; 0: there were none */
        double write_latency_ns;
        double busy;  /* the share of time in which there were requests, 0 to 1; of several LUNs,
                         that of the busiest */
        double depth; /* the mean number of requests */
        double hit_ratio; /* of reads: the share that memory alone answered, 0 to 1 */
} DeviceStatsRates;

/* What rates are made of, at one time. */
typedef struct DeviceStatsSample {
        uint64_t time_ns;
        uint64_t n_reads;
        uint64_t read_size;
        uint64_t read_ns;
        uint64_t n_writes;
        uint64_t write_size;
        uint64_t write_ns;
        uint64_t busy_ns;
        uint64_t weighted_ns;
        uint64_t n_hits; /* of the cache */
        uint64_t n_misses;
} DeviceStatsSample;

typedef struct DeviceStatsLun {
        StorageStats past;                               /* counters of earlier workers */
        StorageStats now;                                /* as this one told last */
        DeviceStatsSample samples[DEVICE_STATS_SAMPLES]; /* a ring, of past and now together */
        size_t n_samples;                                /* that ever were */
} DeviceStatsLun;

/* Initially zero. Read it by the functions below. */
typedef struct DeviceStats {
        DeviceStatsLun *luns[CONTROL_LUNS_MAX]; /* owned; NULL: nothing was told of it */
        StorageDeviceStats past;
        StorageDeviceStats now;
        bool has_device;
} DeviceStats;

/* Of the device with that id, as DeviceView has it; borrowed until the loop goes on. NULL: there is
 * none (any more). */
const DeviceStats *device_manager_get_stats(const DeviceManager *manager, uint64_t id);

/* False: nothing was told of that LUN. */
bool device_stats_get_lun(const DeviceStats *stats, unsigned lun, StorageStats *ret);
bool device_stats_get_lun_rates(const DeviceStats *stats, unsigned lun, DeviceStatsWindow window,
                                uint64_t now_ns, DeviceStatsRates *ret);
/* All LUNs together. */
void device_stats_get_sum(const DeviceStats *stats, StorageStats *ret);
void device_stats_get_sum_rates(const DeviceStats *stats, DeviceStatsWindow window, uint64_t now_ns,
                                DeviceStatsRates *ret);
/* False: nothing was told. */
bool device_stats_get_device(const DeviceStats *stats, StorageDeviceStats *ret);

/* For who supervises the device. `lun` < CONTROL_LUNS_MAX. Without memory nothing is noted. */
void device_stats_note_lun(DeviceStats *stats, unsigned lun, const StorageStats *told,
                           uint64_t now_ns);
void device_stats_note_device(DeviceStats *stats, const StorageDeviceStats *told);
/* The next one begins at 0. */
void device_stats_end_worker(DeviceStats *stats);
void device_stats_done(DeviceStats *stats);
