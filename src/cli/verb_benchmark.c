/* A few patterns, one after the other, each for the same time. */

#include <errno.h>
#include <string.h>

#include "cli/ctl_interrupt.h"
#include "cli/ctl_table.h"
#include "cli/ctl_text.h"
#include "cli/export_load.h"
#include "cli/verb_benchmark.h"

#define SECONDS_DEFAULT 3
#define DEEP 0 /* the depth is that of --depth, or the default */
#define DEPTH_DEFAULT 16

typedef struct Pattern {
        const char *name;
        size_t block_size;
        unsigned depth;
        bool is_write;
        bool is_random;
} Pattern;

static const Pattern patterns[] = {
        { "sequential read", MIB, DEEP },
        { "sequential read", 64 * KIB, 1 },
        { "random read", 4 * KIB, DEEP, .is_random = true },
        { "random read", 4 * KIB, 1, .is_random = true },
        { "sequential write", MIB, DEEP, .is_write = true },
        { "random write", 4 * KIB, DEEP, .is_write = true, .is_random = true },
        { "random write", 4 * KIB, 1, .is_write = true, .is_random = true },
};

typedef enum BenchmarkColumn {
        BENCHMARK_COLUMN_TEST,
        BENCHMARK_COLUMN_BLOCK,
        BENCHMARK_COLUMN_DEPTH,
        BENCHMARK_COLUMN_IOPS,
        BENCHMARK_COLUMN_RATE,
        BENCHMARK_COLUMN_MEAN,
        BENCHMARK_COLUMN_P50,
        BENCHMARK_COLUMN_P99,
        BENCHMARK_COLUMN_MAX,
        BENCHMARK_COLUMN_ERRORS,
        _BENCHMARK_COLUMN_MAX,
} BenchmarkColumn;

#define NUMBER(heading, name) \
        { heading, .is_right = true, .is_default = true, .key = (name) }

static const CtlColumn columns[_BENCHMARK_COLUMN_MAX] = {
        [BENCHMARK_COLUMN_TEST] = { "TEST", .is_default = true },
        [BENCHMARK_COLUMN_BLOCK] = NUMBER("BLOCK", "block_size"),
        [BENCHMARK_COLUMN_DEPTH] = NUMBER("DEPTH", "depth"),
        [BENCHMARK_COLUMN_IOPS] = NUMBER("IOPS", "requests_per_s"),
        [BENCHMARK_COLUMN_RATE] = NUMBER("RATE", "bytes_per_s"),
        [BENCHMARK_COLUMN_MEAN] = NUMBER("MEAN", "mean_s"),
        [BENCHMARK_COLUMN_P50] = NUMBER("P50", "p50_s"),
        [BENCHMARK_COLUMN_P99] = NUMBER("P99", "p99_s"),
        [BENCHMARK_COLUMN_MAX] = NUMBER("MAX", "max_s"),
        [BENCHMARK_COLUMN_ERRORS] = NUMBER("ERRORS", "errors"),
};

/* Takes `text`. */
static void set(CtlTable *table, BenchmarkColumn column, double value, char *text) {
        ctl_table_set(table, column, json_object_new_double(value), text);
        free(text);
}

static void set_latency(CtlTable *table, BenchmarkColumn column, uint64_t ns) {
        double seconds = (double) ns / (double) NS_PER_S;

        set(table, column, seconds, ctl_text_latency(seconds));
}

static void add_row(CtlTable *table, const Pattern *pattern, unsigned depth,
                    const ExportLoadResult *result) {
        const Histogram *latencies = &result->latencies;
        double seconds = (double) result->duration_ns / (double) NS_PER_S;
        double per_s = seconds > 0 ? (double) latencies->n_values / seconds : 0;
        double bytes_per_s = per_s * (double) pattern->block_size;
        _cleanup_(freep) char *block = ctl_text_size(pattern->block_size, false);

        ctl_table_begin_row(table);
        ctl_table_set(table, BENCHMARK_COLUMN_TEST, json_object_new_string(pattern->name), NULL);
        ctl_table_set(table, BENCHMARK_COLUMN_BLOCK, json_object_new_uint64(pattern->block_size),
                      block);
        ctl_table_set(table, BENCHMARK_COLUMN_DEPTH, json_object_new_uint64(depth), NULL);
        set(table, BENCHMARK_COLUMN_IOPS, per_s, ctl_text_format("%.0f", per_s));
        set(table, BENCHMARK_COLUMN_RATE, bytes_per_s, ctl_text_rate(bytes_per_s));
        set_latency(table, BENCHMARK_COLUMN_MEAN, histogram_mean(latencies));
        set_latency(table, BENCHMARK_COLUMN_P50, histogram_quantile(latencies, 500));
        set_latency(table, BENCHMARK_COLUMN_P99, histogram_quantile(latencies, 990));
        set_latency(table, BENCHMARK_COLUMN_MAX, latencies->largest);
        ctl_table_set(table, BENCHMARK_COLUMN_ERRORS, json_object_new_uint64(result->n_errors),
                      NULL);
        if (result->n_errors > 0)
                ctl_table_set_colour(table, BENCHMARK_COLUMN_ERRORS, CTL_COLOUR_RED);
}

static CtlExit measure(Ctl *ctl, NbdHandle *nbd, uint64_t size, CtlTable *table) {
        uint64_t seconds = ctl->options.seconds > 0 ? ctl->options.seconds : SECONDS_DEFAULT;
        unsigned deep = ctl->options.depth > 0 ? (unsigned) ctl->options.depth : DEPTH_DEFAULT;
        bool writes = ctl_options_has(&ctl->options, CTL_OPTION_WRITE);
        _cleanup_(fd_closep) int interrupt = ctl_interrupt_open();

        for (size_t i = 0; i < N_ELEMENTS(patterns); i++) {
                const Pattern *pattern = &patterns[i];
                const ExportLoadParameters parameters = {
                        .nbd = nbd,
                        .size = size,
                        .block_size = pattern->block_size,
                        .depth = pattern->depth == DEEP ? deep : pattern->depth,
                        .duration_ns = seconds * NS_PER_S,
                        .is_write = pattern->is_write,
                        .is_random = pattern->is_random,
                        .interrupt = interrupt,
                };
                ExportLoadResult result;
                int r;

                if (pattern->is_write && !writes)
                        continue;
                if (isatty(STDERR_FILENO))
                        fprintf(stderr, "\r\033[K%s …", pattern->name);
                r = export_load_run(&parameters, &result);
                if (isatty(STDERR_FILENO))
                        fputs("\r\033[K", stderr);
                if (r < 0) {
                        ctl_complain(ctl, "%s", r == -EINTR ? "Interrupted" : strerror(-r));
                        return CTL_EXIT_FAILURE;
                }
                add_row(table, pattern, parameters.depth, &result);
        }
        return CTL_EXIT_OK;
}

static CtlExit confirm_write(Ctl *ctl, NbdHandle *nbd, const CtlTarget *target) {
        _cleanup_(freep) char *name = ctl_target_name(target), *question = NULL;

        if (!ctl_options_has(&ctl->options, CTL_OPTION_WRITE))
                return CTL_EXIT_OK;
        if (nbd_is_read_only(nbd) > 0) {
                ctl_complain(ctl, "%s is read-only", name);
                return CTL_EXIT_FAILURE;
        }
        question = ctl_text_format("All that is on %s is lost then. Go on?", name);
        return ctl_confirm(ctl, question);
}

CtlExit verb_benchmark(Ctl *ctl, char **arguments) {
        _cleanup_(ctl_table_freep) CtlTable *table = ctl_table_new(columns, _BENCHMARK_COLUMN_MAX);
        _cleanup_(ctl_objects_done) CtlObjects objects = {};
        _cleanup_(nbd_client_freep) NbdHandle *nbd = NULL;
        CtlTarget target;
        int64_t size;
        CtlExit e, shown;

        e = ctl_target_load(&target, ctl, &objects, arguments[0], CTL_TARGET_LUN);
        if (e == CTL_EXIT_OK)
                e = nbd_client_open(&nbd, ctl, &target);
        if (e == CTL_EXIT_OK)
                e = confirm_write(ctl, nbd, &target);
        if (e != CTL_EXIT_OK)
                return e;
        size = nbd_get_size(nbd);
        if (size < (int64_t) EXPORT_LOAD_BLOCK_SIZE_MAX) {
                ctl_complain(ctl, "It is too small to be measured");
                return CTL_EXIT_FAILURE;
        }
        e = measure(ctl, nbd, (uint64_t) size, table);
        shown = ctl_table_show(table, ctl);
        return e != CTL_EXIT_OK ? e : shown;
}
