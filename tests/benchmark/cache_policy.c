/*
 * cache_policy: how well the cache's policies choose, and what they cost. Runs a generated trace
 * through LRU, S3-FIFO and the ideal (Belady's, which knows the future) and prints their hit rates;
 * or measures operations. Prints one line of key=value pairs, like nbd_load.
 */

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "cache/cache_policy.h"
#include "cache/cache_stream.h"

#define N_LINES 100000 /* the footprint of each trace */
#define N_ACCESSES 2000000
#define N_SCANNERS 4
#define SCAN_PERIOD 200000 /* accesses between two scans */
#define N_SLOTS_MICRO (1U << 20)
#define N_OPERATIONS_MICRO 4000000
#define SEED 1

typedef struct Trace {
        uint32_t *lines; /* owned */
        uint32_t n_accesses;
} Trace;

static const char *arg_trace;
static double arg_share = 10;
static const char *arg_micro;

static void *allocate(size_t n, size_t size) {
        void *memory = calloc(n, size);

        if (!memory) {
                fputs("cache_policy: out of memory\n", stderr);
                exit(1);
        }
        return memory;
}

/* --- traces */

typedef struct Zipf {
        Random random;
        double *sums; /* owned: of the weights of all ranks up to each */
        uint32_t n_lines;
} Zipf;

static void zipf_init(Zipf *zipf, double exponent, uint32_t n_lines) {
        double sum = 0;

        *zipf = (Zipf){ .sums = allocate(n_lines, sizeof(double)), .n_lines = n_lines };
        random_init(&zipf->random, SEED);
        for (uint32_t i = 0; i < n_lines; i++)
                zipf->sums[i] = sum += pow(i + 1, -exponent);
}

static uint32_t zipf_next(Zipf *zipf) {
        double wanted = (double) (random_u64(&zipf->random) >> 11) / (double) (1ULL << 53) *
                        zipf->sums[zipf->n_lines - 1];
        uint32_t low = 0, high = zipf->n_lines - 1;

        while (low < high) {
                uint32_t middle = low + (high - low) / 2;

                if (zipf->sums[middle] < wanted)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void fill_zipf(Trace *trace, double exponent) {
        Zipf zipf;

        zipf_init(&zipf, exponent, N_LINES);
        for (uint32_t i = 0; i < trace->n_accesses; i++)
                trace->lines[i] = zipf_next(&zipf);
        free(zipf.sums);
}

/* Half of the lines are wanted as by Zipf; from time to time the other half is read through. */
static void fill_scan(Trace *trace, double exponent) {
        Zipf zipf;

        zipf_init(&zipf, exponent, N_LINES / 2);
        for (uint32_t i = 0; i < trace->n_accesses; i++) {
                uint32_t scanned = i % SCAN_PERIOD;

                trace->lines[i] = scanned < N_LINES / 2 ? N_LINES / 2 + scanned : zipf_next(&zipf);
        }
        free(zipf.sums);
}

/* The same, with scanners that read one line for each that is wanted. */
static void fill_mix(Trace *trace, double exponent) {
        const uint32_t n_each = N_LINES / 2 / N_SCANNERS;
        Zipf zipf;

        zipf_init(&zipf, exponent, N_LINES / 2);
        for (uint32_t i = 0; i < trace->n_accesses; i++) {
                uint32_t who = i / 2 % N_SCANNERS;

                trace->lines[i] = i % 2 == 0 ? zipf_next(&zipf)
                                             : N_LINES / 2 + who * n_each +
                                                                  i / 2 / N_SCANNERS % n_each;
        }
        free(zipf.sums);
}

static void fill_uniform(Trace *trace, double unused) {
        Random random;

        random_init(&random, SEED);
        for (uint32_t i = 0; i < trace->n_accesses; i++)
                trace->lines[i] = (uint32_t) random_below(&random, N_LINES);
}

static void fill_loop(Trace *trace, double unused) {
        for (uint32_t i = 0; i < trace->n_accesses; i++)
                trace->lines[i] = i % N_LINES;
}

static const struct {
        const char *name;
        void (*fill)(Trace *trace, double exponent);
        double exponent;
} traces[] = {
        { "zipf_0.8", fill_zipf, 0.8 }, { "zipf_0.99", fill_zipf, 0.99 },
        { "zipf_1.1", fill_zipf, 1.1 }, { "uniform", fill_uniform, 0 },
        { "loop", fill_loop, 0 },       { "scan", fill_scan, 0.99 },
        { "mix", fill_mix, 0.99 },
};

static int trace_init(Trace *trace, const char *name) {
        for (size_t i = 0; i < N_ELEMENTS(traces); i++)
                if (strcmp(name, traces[i].name) == 0) {
                        *trace = (Trace){ .lines = allocate(N_ACCESSES, sizeof(uint32_t)),
                                          .n_accesses = N_ACCESSES };
                        traces[i].fill(trace, traces[i].exponent);
                        return 0;
                }
        fprintf(stderr, "cache_policy: there is no trace %s\n", name);
        return -EINVAL;
}

/* --- hit rates */

static bool any_slot(uint32_t slot, void *userdata) { return true; }

static CachePolicy *new_policy(CachePolicyKind kind, uint32_t n_slots) {
        CachePolicy *policy;

        if (cache_policy_new(&policy, kind, n_slots) < 0) {
                fputs("cache_policy: out of memory\n", stderr);
                exit(1);
        }
        return policy;
}

static double percent(uint64_t part, uint64_t whole) {
        return 100 * (double) part / (double) whole;
}

static double run_policy(const Trace *trace, CachePolicyKind kind, uint32_t n_slots) {
        CachePolicy *policy = new_policy(kind, n_slots);
        uint32_t *slot_of = allocate(N_LINES, sizeof(uint32_t)); /* plus 1; 0: none */
        uint32_t *line_of = allocate(n_slots, sizeof(uint32_t));
        uint32_t n_used = 0;
        uint64_t n_hits = 0;

        for (uint32_t i = 0; i < trace->n_accesses; i++) {
                uint32_t line = trace->lines[i], slot = n_used;

                if (slot_of[line] > 0) {
                        cache_policy_touch(policy, slot_of[line] - 1);
                        n_hits++;
                        continue;
                }
                if (n_used < n_slots)
                        n_used++;
                else {
                        slot = cache_policy_get_victim(policy, any_slot, NULL);
                        cache_policy_remove(policy, slot, /* is_evicted= */ true);
                        slot_of[line_of[slot]] = 0;
                }
                cache_policy_insert(policy, slot, line);
                slot_of[line] = slot + 1;
                line_of[slot] = line;
        }
        cache_policy_free(policy);
        free(slot_of);
        free(line_of);
        return percent(n_hits, trace->n_accesses);
}

/* When each access' line is wanted next; n_accesses: never. */
static uint32_t *find_next_uses(const Trace *trace) {
        uint32_t *next_uses = allocate(trace->n_accesses, sizeof(uint32_t));
        uint32_t *next_of_line = allocate(N_LINES, sizeof(uint32_t));

        for (uint32_t line = 0; line < N_LINES; line++)
                next_of_line[line] = trace->n_accesses;
        for (uint32_t i = trace->n_accesses; i-- > 0;) {
                next_uses[i] = next_of_line[trace->lines[i]];
                next_of_line[trace->lines[i]] = i;
        }
        free(next_of_line);
        return next_uses;
}

/* Who is wanted latest is at the top. */
typedef struct Heap {
        uint32_t *uses; /* owned */
        uint32_t n;
} Heap;

static void heap_push(Heap *heap, uint32_t use) {
        uint32_t i = heap->n++;

        for (; i > 0 && heap->uses[(i - 1) / 2] < use; i = (i - 1) / 2)
                heap->uses[i] = heap->uses[(i - 1) / 2];
        heap->uses[i] = use;
}

static uint32_t heap_pop(Heap *heap) {
        uint32_t top = heap->uses[0], last = heap->uses[--heap->n], i = 0;

        for (uint32_t child = 1; child < heap->n; i = child, child = 2 * i + 1) {
                child += child + 1 < heap->n && heap->uses[child + 1] > heap->uses[child];
                if (heap->uses[child] <= last)
                        break;
                heap->uses[i] = heap->uses[child];
        }
        heap->uses[i] = last;
        return top;
}

/*
 * Belady: a line stays until its next use unless it is the one whose next use is latest. So a slot is
 * known by that time alone: an access hits if it is expected. The heap keeps uses that have passed,
 * which are smaller than all others and never come to the top before these.
 */
static double run_ideal(const Trace *trace, uint32_t n_slots) {
        uint32_t *next_uses = find_next_uses(trace);
        bool *is_expected = allocate(trace->n_accesses + 1, sizeof(bool));
        Heap heap = { .uses = allocate(trace->n_accesses, sizeof(uint32_t)) };
        uint32_t n_used = 0;
        uint64_t n_hits = 0;

        for (uint32_t i = 0; i < trace->n_accesses; i++) {
                if (is_expected[i])
                        n_hits++;
                else if (n_used < n_slots)
                        n_used++;
                else
                        is_expected[heap_pop(&heap)] = false;
                is_expected[next_uses[i]] = true;
                heap_push(&heap, next_uses[i]);
        }
        free(next_uses);
        free(is_expected);
        free(heap.uses);
        return percent(n_hits, trace->n_accesses);
}

static int compare_policies(void) {
        uint32_t n_slots = (uint32_t) (N_LINES * arg_share / 100);
        Trace trace;

        if (trace_init(&trace, arg_trace) < 0)
                return -EINVAL;
        printf("lru=%.2f s3fifo=%.2f ideal=%.2f\n",
               run_policy(&trace, CACHE_POLICY_KIND_LRU, n_slots),
               run_policy(&trace, CACHE_POLICY_KIND_S3FIFO, n_slots), run_ideal(&trace, n_slots));
        free(trace.lines);
        return 0;
}

/* --- what operations cost */

/* Of this process: others share the machine. */
static double now_ns(void) {
        struct timespec now;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
        return (double) now.tv_sec * 1e9 + (double) now.tv_nsec;
}

/* Scattered over all slots, by a factor that is odd. */
static uint32_t slot_at(uint32_t i) { return i * 2654435761U % N_SLOTS_MICRO; }

static void measure_policy(const char *name, CachePolicyKind kind) {
        CachePolicy *policy = new_policy(kind, N_SLOTS_MICRO);
        double started = now_ns(), inserted, touched, evicted;
        uint64_t key = 0;

        for (uint32_t i = 0; i < N_SLOTS_MICRO; i++)
                cache_policy_insert(policy, slot_at(i), key++);
        inserted = now_ns();
        for (uint32_t i = 0; i < N_OPERATIONS_MICRO; i++)
                cache_policy_touch(policy, slot_at(i * 7));
        touched = now_ns();
        for (uint32_t i = 0; i < N_OPERATIONS_MICRO; i++) {
                uint32_t slot = cache_policy_get_victim(policy, any_slot, NULL);

                cache_policy_remove(policy, slot, /* is_evicted= */ true);
                cache_policy_insert(policy, slot, key++);
        }
        evicted = now_ns();
        printf("%s_insert_ns=%.1f %s_touch_ns=%.1f %s_evict_ns=%.1f ", name,
               (inserted - started) / N_SLOTS_MICRO, name,
               (touched - inserted) / N_OPERATIONS_MICRO, name,
               (evicted - touched) / N_OPERATIONS_MICRO);
        cache_policy_free(policy);
}

/* `n_readers` in turns, and at random one in `n_random` reads; 0: none is. */
static void measure_streams(const char *name, unsigned n_readers, unsigned n_random) {
        const CacheStreamsOptions options = { .device_size = 1024 * GIB,
                                              .window_size_max = MIB,
                                              .alignment = 64 * KIB };
        CacheStreams *streams;
        uint64_t offset, n_advised = 0;
        double started;
        Random random;

        if (cache_streams_new(&streams, &options) < 0)
                exit(1);
        random_init(&random, SEED);
        started = now_ns();
        for (uint64_t i = 0; i < N_OPERATIONS_MICRO; i++) {
                offset = i % n_readers * 100 * GIB + i / n_readers * 4 * KIB;
                if (random_one_in(&random, n_random))
                        offset = random_u64(&random) % (1024 * GIB) / (4 * KIB) * (4 * KIB);
                n_advised += cache_streams_observe(streams, offset, 4 * KIB).size > 0;
        }
        printf("%s_ns=%.1f %s_advised=%llu ", name, (now_ns() - started) / N_OPERATIONS_MICRO, name,
               (unsigned long long) n_advised);
        cache_streams_free(streams);
}

static int measure_costs(void) {
        if (strcmp(arg_micro, "policies") == 0) {
                measure_policy("lru", CACHE_POLICY_KIND_LRU);
                measure_policy("s3fifo", CACHE_POLICY_KIND_S3FIFO);
        } else if (strcmp(arg_micro, "streams") == 0) {
                measure_streams("one", 1, 0);
                measure_streams("eight", 8, 0);
                measure_streams("mixed", 8, 2);
                measure_streams("random", 8, 1);
        } else {
                fprintf(stderr, "cache_policy: there is no measurement %s\n", arg_micro);
                return -EINVAL;
        }
        putchar('\n');
        return 0;
}

static int print_help(void) {
        puts("cache_policy --trace=NAME [--share=PERCENT] | --micro=policies | --micro=streams\n"
             "\n"
             "  --trace=NAME     compare hit rates (in percent) on zipf_0.8, zipf_0.99, zipf_1.1,\n"
             "                   uniform, loop, scan (over a Zipf set) or mix (of Zipf and scans)\n"
             "  --share=PERCENT  how much of what is read fits into the cache (10)\n"
             "  --micro=WHAT     measure the operations of policies with a million slots, or "
             "those\n"
             "                   of streams\n"
             "  --help           show this");
        return 0;
}

static int parse_options(int argc, char **argv) {
        static const struct option options[] = {
                { "trace", required_argument, NULL, 't' },
                { "share", required_argument, NULL, 's' },
                { "micro", required_argument, NULL, 'm' },
                { "help", no_argument, NULL, 'h' },
                { NULL, 0, NULL, 0 },
        };
        int option;

        while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (option) {
                case 't':
                        arg_trace = optarg;
                        break;
                case 's':
                        arg_share = strtod(optarg, NULL);
                        break;
                case 'm':
                        arg_micro = optarg;
                        break;
                case 'h':
                        exit(print_help());
                default:
                        return -EINVAL;
                }
        if (!arg_trace == !arg_micro || !(arg_share * N_LINES >= 100) || arg_share > 100) {
                fputs("cache_policy: say what to measure; the share is a percentage\n", stderr);
                return -EINVAL;
        }
        return 0;
}

int main(int argc, char **argv) {
        if (parse_options(argc, argv) < 0)
                return 2;
        return (arg_trace ? compare_policies() : measure_costs()) < 0 ? 2 : 0;
}
