/*
 * A request in flight keeps whom it goes back to in fields of its own (BlockRequest::observer), so
 * that nothing is looked up or allocated.
 */

#include "performance/performance_monitor.h"

#include <errno.h>

#include "base/macros.h"

typedef struct PerformanceMonitor {
        BlockDevice device;
        BlockDevice *lower;  /* borrowed */
        StorageStats *stats; /* borrowed */
        PerformanceMonitorOptions options;
        bool is_active;         /* told of, since it rested */
        uint64_t changed_ns;    /* up to here the times of `stats` reach */
        uint64_t loan_ns;       /* how long the last loan that was measured took */
        unsigned n_loans_until; /* the next one that is */
} PerformanceMonitor;

static PerformanceMonitor *get(BlockDevice *device) {
        return container_of(device, PerformanceMonitor, device);
}

/* False: it is not counted. */
static bool to_storage_operation(BlockOperation operation, StorageOperation *ret) {
        switch (operation) {
        case BLOCK_OPERATION_READ:
                *ret = STORAGE_OPERATION_READ;
                return true;
        case BLOCK_OPERATION_WRITE:
                *ret = STORAGE_OPERATION_WRITE;
                return true;
        case BLOCK_OPERATION_FLUSH:
                *ret = STORAGE_OPERATION_FLUSH;
                return true;
        case BLOCK_OPERATION_TRIM:
                *ret = STORAGE_OPERATION_TRIM;
                return true;
        case BLOCK_OPERATION_WRITE_ZEROES:
                *ret = STORAGE_OPERATION_WRITE_ZEROES;
                return true;
        case BLOCK_OPERATION_PREFETCH:
        case BLOCK_OPERATION_STATUS:
                return false;
        case _BLOCK_OPERATION_MAX:
                break;
        }
        assert_not_reached();
}

static void wake(PerformanceMonitor *monitor) {
        if (monitor->is_active)
                return;
        monitor->is_active = true;
        if (monitor->options.notify)
                monitor->options.notify(monitor->options.userdata);
}

/* Before the number of requests in flight changes. */
static void advance(PerformanceMonitor *monitor, uint64_t now_ns) {
        StorageStats *stats = monitor->stats;
        uint64_t passed_ns = now_ns - monitor->changed_ns;

        monitor->changed_ns = now_ns;
        if (stats->n_in_flight == 0)
                return;
        stats->busy_ns += passed_ns;
        stats->weighted_ns += passed_ns * stats->n_in_flight;
}

static void count_refused(PerformanceMonitor *monitor, StorageOperation operation, int error) {
        monitor->stats->operations[operation].n++;
        monitor->stats->operations[operation].n_errors++;
        monitor->stats->n_errors[storage_error_from_errno(error)]++;
}

static void count_layer(PerformanceMonitor *monitor, const BlockRequest *request,
                        uint64_t time_ns) {
        StorageLayer layer = request->was_hit ? STORAGE_LAYER_CACHE_HIT : STORAGE_LAYER_CACHE_MISS;

        if (monitor->options.has_cache && request->operation == BLOCK_OPERATION_READ)
                storage_histogram_record(&monitor->stats->layers[layer], time_ns);
}

static void count(PerformanceMonitor *monitor, const BlockRequest *request, uint64_t time_ns) {
        StorageOperationStats *operation;
        StorageOperation kind;

        if (!to_storage_operation(request->operation, &kind))
                return;
        operation = &monitor->stats->operations[kind];
        operation->n++;
        storage_histogram_record(&operation->latency, time_ns);
        if (request->error < 0) {
                operation->n_errors++;
                monitor->stats->n_errors[storage_error_from_errno(request->error)]++;
                return;
        }
        operation->size += request->size;
        count_layer(monitor, request, time_ns);
}

static void on_done(BlockRequest *request) {
        PerformanceMonitor *monitor = request->observer;
        uint64_t now_ns = event_loop_now_ns(monitor->device.loop);

        assert(monitor->stats->n_in_flight > 0);

        advance(monitor, now_ns);
        monitor->stats->n_in_flight--;
        count(monitor, request, now_ns - request->observed_ns);
        wake(monitor);
        request->observer = NULL;
        request->done = request->observed_done;
        request->done(request);
}

static int monitor_submit(BlockDevice *device, BlockRequest *request) {
        PerformanceMonitor *monitor = get(device);
        StorageStats *stats = monitor->stats;
        StorageOperation kind;
        int r;

        if (!to_storage_operation(request->operation, &kind))
                return block_device_submit(monitor->lower, request);

        request->observer = monitor;
        request->observed_done = request->done;
        request->observed_ns = event_loop_now_ns(device->loop);
        request->done = on_done;
        r = block_device_submit(monitor->lower, request);
        wake(monitor);
        if (r < 0) {
                request->done = request->observed_done;
                request->observer = NULL;
                count_refused(monitor, kind, r);
                return r;
        }
        advance(monitor, request->observed_ns);
        stats->n_in_flight++;
        stats->n_in_flight_max = MAX(stats->n_in_flight_max, stats->n_in_flight);
        return 0;
}

static void monitor_cancel(BlockDevice *device, BlockRequest *request) {
        block_device_cancel(get(device)->lower, request);
}

/* It is over as soon as it has begun. */
static void count_loan(PerformanceMonitor *monitor, uint64_t size) {
        StorageStats *stats = monitor->stats;
        StorageOperationStats *reads = &stats->operations[STORAGE_OPERATION_READ];

        reads->n++;
        reads->size += size;
        storage_histogram_record(&reads->latency, monitor->loan_ns);
        storage_histogram_record(&stats->layers[STORAGE_LAYER_CACHE_HIT], monitor->loan_ns);
        stats->weighted_ns += monitor->loan_ns;
        if (stats->n_in_flight == 0)
                stats->busy_ns += monitor->loan_ns;
        stats->n_in_flight_max = MAX(stats->n_in_flight_max, stats->n_in_flight + 1);
        wake(monitor);
}

static bool lend_measured(PerformanceMonitor *monitor, uint64_t offset, uint64_t size,
                          BlockLoan *ret) {
        EventLoop *loop = monitor->device.loop;
        uint64_t began_ns = event_loop_read_clock_ns(loop);

        if (!block_device_lend(monitor->lower, offset, size, ret))
                return false;
        monitor->loan_ns = event_loop_read_clock_ns(loop) - began_ns;
        monitor->n_loans_until = PERFORMANCE_MONITOR_LOANS_PER_SAMPLE;
        return true;
}

static bool monitor_lend(BlockDevice *device, uint64_t offset, uint64_t size, BlockLoan *ret) {
        PerformanceMonitor *monitor = get(device);
        bool is_lent = monitor->n_loans_until == 0
                                       ? lend_measured(monitor, offset, size, ret)
                                       : block_device_lend(monitor->lower, offset, size, ret);

        if (!is_lent)
                return false;
        monitor->n_loans_until--;
        count_loan(monitor, size);
        return true;
}

static void monitor_take_back(BlockDevice *device, BlockLoan *loan) {
        block_device_take_back(get(device)->lower, loan);
}

static void monitor_free(BlockDevice *device) {
        PerformanceMonitor *monitor = get(device);

        assert(monitor->stats->n_in_flight == 0);
        free(monitor);
}

void performance_monitor_rest(BlockDevice *device) {
        PerformanceMonitor *monitor = get(device);

        advance(monitor, event_loop_now_ns(device->loop));
        monitor->is_active = false;
}

int performance_monitor_new(BlockDevice **ret, BlockDevice *lower, StorageStats *stats,
                            const PerformanceMonitorOptions *options) {
        static const BlockDeviceOps ops = {
                .submit = monitor_submit,
                .cancel = monitor_cancel,
                .lend = monitor_lend,
                .take_back = monitor_take_back,
                .free = monitor_free,
        };
        PerformanceMonitor *monitor;

        assert(stats->n_in_flight == 0);

        monitor = calloc(1, sizeof(*monitor));
        if (!monitor)
                return -ENOMEM;
        monitor->device = (BlockDevice){
                .ops = &ops,
                .loop = lower->loop,
                .staging = lower->staging,
                .name = lower->name,
                .info = lower->info,
        };
        monitor->lower = lower;
        monitor->stats = stats;
        monitor->options = *options;
        monitor->changed_ns = event_loop_now_ns(lower->loop);
        *ret = &monitor->device;
        return 0;
}
