/* A rule for each topic: whether it applies, and what it says then. */

#include "device/optimization_advice.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/macros.h"
#include "usb/usb_quirks.h"

/* Less than this proves nothing. */
#define COMMANDS_MIN 1000
#define READS_MIN 1000
#define WRITES_MIN 100
#define FLUSHES_MIN 100
#define READ_AHEAD_SIZE_MIN (64 * MIB)
/* From here on it is worth a word. */
#define WASTE_PERCENT_MIN 40
#define HIT_PERCENT_MAX 30
#define FLUSH_NS_MIN (50 * NS_PER_MS)
#define RETRIES_PER_MILLE_MIN 10
#define QUEUE_TENTHS_MAX 15
#define SPIN_UPS_MIN 8
#define SPIN_UPS_PER_HOUR_MIN 4.0
#define SLEEP_FAILURES_MIN 8

#define MBPS_HIGH_SPEED 480
#define MBPS_FULL_SPEED 12
/* Devices that can do SuperSpeed say so at high speed (USB 3.2, 9.6.1), and few others do. */
#define USB_VERSION_MAYBE_SUPER 0x0210

typedef struct AdviceRule {
        const char *name;
        OptimizationSeverity severity;
        bool (*applies)(const OptimizationFacts *facts);
        void (*say)(const OptimizationFacts *facts, char *text);
} AdviceRule;

static _printf_(2, 3) void say(char *text, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, OPTIMIZATION_ADVICE_TEXT_SIZE, format, arguments);
        va_end(arguments);
}

static unsigned long long to_kib(uint64_t size) { return (unsigned long long) (size / KIB); }

/* 0 of nothing. The product fits: by thousands, where there are many. */
static unsigned share(uint64_t part, uint64_t whole, unsigned of) {
        if (whole == 0)
                return 0;
        if (whole > UINT64_MAX / 1000) {
                part /= 1000;
                whole /= 1000;
        }
        return (unsigned) (MIN(part, whole) * of / whole);
}

static double to_ms(uint64_t ns) { return (double) ns / (double) NS_PER_MS; }

static const StorageOperationStats *get_operation(const OptimizationFacts *facts,
                                                  StorageOperation kind) {
        return &facts->stats.operations[kind];
}

static uint64_t get_mean_ns(const StorageHistogram *histogram) {
        uint64_t n = storage_histogram_count(histogram);

        return n > 0 ? histogram->sum_ns / n : 0;
}

static uint64_t count_resets(const OptimizationFacts *facts) {
        const uint64_t *n_resets = facts->device.n_resets;

        return n_resets[STORAGE_RESET_CLASS] + n_resets[STORAGE_RESET_LUN] +
               n_resets[STORAGE_RESET_PORT];
}

static uint64_t count_commands(const OptimizationFacts *facts) {
        return storage_histogram_count(&facts->stats.layers[STORAGE_LAYER_TRANSPORT]);
}

/* The link */

static bool link_applies(const OptimizationFacts *facts) {
        return facts->device.speed_mbps > 0 &&
               facts->device.speed_mbps_max > facts->device.speed_mbps;
}

static void link_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "It is connected at %u Mb/s and can do %u Mb/s: use a faster port, without a slower "
            "hub "
            "in between, and a cable that is made for it.",
            facts->device.speed_mbps, facts->device.speed_mbps_max);
}

static bool maybe_link_applies(const OptimizationFacts *facts) {
        if (link_applies(facts) || facts->device.speed_mbps_max > 0)
                return false;
        return (facts->device.speed_mbps == MBPS_HIGH_SPEED &&
                facts->device.usb_version >= USB_VERSION_MAYBE_SUPER) ||
               (facts->device.speed_mbps == MBPS_FULL_SPEED && facts->device.usb_version >= 0x0200);
}

static void maybe_link_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "It is connected at %u Mb/s, but calls itself a device of USB %x.%02x, which may do "
            "more: try a faster port or another cable.",
            facts->device.speed_mbps, facts->device.usb_version >> 8,
            facts->device.usb_version & 0xFF);
}

/* UAS */

static bool lacks_uas(const OptimizationFacts *facts) {
        return facts->device.offers_uas && facts->device.transport != STORAGE_TRANSPORT_UAS &&
               facts->device.transport != STORAGE_TRANSPORT_NONE;
}

static bool uas_broken_applies(const OptimizationFacts *facts) {
        return lacks_uas(facts) && !(facts->quirks & USB_QUIRK_IGNORE_UAS);
}

static void uas_broken_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "It offers UAS, which serves many commands at once, but failed with it, so it gets one "
            "at a time: look for newer firmware, or try another cable or port.");
}

static bool uas_quirk_applies(const OptimizationFacts *facts) {
        return lacks_uas(facts) && facts->quirks & USB_QUIRK_IGNORE_UAS;
}

static void uas_quirk_say(const OptimizationFacts *facts, char *text) {
        say(text, "It offers UAS, which serves many commands at once, but a quirk (u) forbids it: "
                  "if that "
                  "is an old one, try without.");
}

/* Transfers */

static bool transfer_errors_applies(const OptimizationFacts *facts) {
        return facts->stats.transfer_limit == STORAGE_TRANSFER_LIMIT_ERRORS &&
               facts->stats.transfer_size > 0;
}

static void transfer_errors_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "Long commands fail, so they carry %llu KiB at most instead of %llu: try another "
            "cable, "
            "or a port without a hub.",
            to_kib(facts->stats.transfer_size), to_kib(facts->device.transfer_size_max));
}

static bool transfer_quirk_applies(const OptimizationFacts *facts) {
        return facts->stats.transfer_limit == STORAGE_TRANSFER_LIMIT_QUIRK &&
               facts->stats.transfer_size > 0;
}

static void transfer_quirk_say(const OptimizationFacts *facts, char *text) {
        say(text, "A quirk (%s) allows commands of %llu KiB at most.",
            facts->quirks & USB_QUIRK_MAX_SECTORS_64 ? "m" : "g",
            to_kib(facts->stats.transfer_size));
}

static bool usb_memory_applies(const OptimizationFacts *facts) {
        return facts->device.n_memory_refusals > 0;
}

static void usb_memory_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "The host refused memory for its transfers %llu times, so data is copied once more or "
            "sent in smaller parts: raise the kernel's usbcore.usbfs_memory_mb.",
            (unsigned long long) facts->device.n_memory_refusals);
}

/* Commands */

static bool serial_applies(const OptimizationFacts *facts) { return facts->device.is_serial; }

static void serial_say(const OptimizationFacts *facts, char *text) {
        say(text, "It gets one command at a time, and nothing is read ahead: that is what "
                  "storage_device_async_enabled and async_io_enabled are for, if both are true.");
}

static bool pipelining_applies(const OptimizationFacts *facts) {
        return facts->device.transport == STORAGE_TRANSPORT_BOT && !facts->device.is_pipelined &&
               count_commands(facts) >= COMMANDS_MIN;
}

static void pipelining_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "The parts of each command are sent one by one, as it does not bear them at once: a "
            "command takes %.2f ms on the average, and large ones lose least.",
            to_ms(get_mean_ns(&facts->stats.layers[STORAGE_LAYER_TRANSPORT])));
}

static uint64_t get_queue_tenths(const OptimizationFacts *facts) {
        uint64_t busy_ms = facts->stats.busy_ns / NS_PER_MS;

        return busy_ms == 0 ? 0 : facts->stats.weighted_ns / NS_PER_MS * 10 / busy_ms;
}

static bool queue_applies(const OptimizationFacts *facts) {
        return facts->device.transport == STORAGE_TRANSPORT_UAS && facts->device.depth > 1 &&
               facts->stats.cache.n_misses >= READS_MIN && get_queue_tenths(facts) > 0 &&
               get_queue_tenths(facts) <= QUEUE_TENTHS_MAX;
}

static void queue_say(const OptimizationFacts *facts, char *text) {
        uint64_t tenths = get_queue_tenths(facts);

        say(text,
            "It takes %u commands at once, but its clients ask for %llu.%llu on the average: those "
            "that ask for more at a time get more.",
            facts->device.depth, (unsigned long long) (tenths / 10),
            (unsigned long long) (tenths % 10));
}

/* The cache */

static bool cache_off_applies(const OptimizationFacts *facts) {
        return facts->device.cache_mode == STORAGE_CACHE_MODE_NONE ||
               facts->device.cache_mode == STORAGE_CACHE_MODE_OFF;
}

static void cache_off_say(const OptimizationFacts *facts, char *text) {
        say(text, "Nothing is cached: that is what cache_enabled = true is for.");
}

static uint64_t count_lookups(const OptimizationFacts *facts) {
        return facts->stats.cache.n_hits + facts->stats.cache.n_misses;
}

static unsigned get_hit_percent(const OptimizationFacts *facts) {
        return share(facts->stats.cache.n_hits, count_lookups(facts), 100);
}

static bool cache_size_applies(const OptimizationFacts *facts) {
        return !cache_off_applies(facts) && count_lookups(facts) >= READS_MIN &&
               get_hit_percent(facts) <= HIT_PERCENT_MAX;
}

static void cache_size_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "Of %llu reads %u %% were answered from the cache, the others in %.2f ms on the "
            "average: "
            "if the same data is read again and again, raise cache_size.",
            (unsigned long long) count_lookups(facts), get_hit_percent(facts),
            to_ms(get_mean_ns(&facts->stats.layers[STORAGE_LAYER_CACHE_MISS])));
}

static uint64_t get_read_ahead_size(const OptimizationFacts *facts) {
        return facts->stats.cache.read_ahead_used_size + facts->stats.cache.read_ahead_wasted_size;
}

static unsigned get_waste_percent(const OptimizationFacts *facts) {
        return share(facts->stats.cache.read_ahead_wasted_size, get_read_ahead_size(facts), 100);
}

static bool read_ahead_applies(const OptimizationFacts *facts) {
        return get_read_ahead_size(facts) >= READ_AHEAD_SIZE_MIN &&
               get_waste_percent(facts) >= WASTE_PERCENT_MIN;
}

static void read_ahead_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "Of %llu MiB that were read ahead %u %% were thrown away unread: raise cache_size, or "
            "try read_ahead_cache = false.",
            (unsigned long long) (get_read_ahead_size(facts) / MIB), get_waste_percent(facts));
}

static bool write_through_applies(const OptimizationFacts *facts) {
        return facts->device.cache_mode == STORAGE_CACHE_MODE_WRITE_THROUGH &&
               !facts->device.is_write_through_by_resets &&
               get_operation(facts, STORAGE_OPERATION_WRITE)->n >= WRITES_MIN;
}

static void write_through_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "Each write waits for the device, %.2f ms on the average: with write_back_cache = true "
            "it waits for a FLUSH alone.",
            to_ms(get_mean_ns(&get_operation(facts, STORAGE_OPERATION_WRITE)->latency)));
}

static bool flushes_applies(const OptimizationFacts *facts) {
        const StorageOperationStats *flushes = get_operation(facts, STORAGE_OPERATION_FLUSH);

        return flushes->n >= FLUSHES_MIN && get_mean_ns(&flushes->latency) >= FLUSH_NS_MIN;
}

static void flushes_say(const OptimizationFacts *facts, char *text) {
        const StorageOperationStats *flushes = get_operation(facts, STORAGE_OPERATION_FLUSH);

        say(text,
            "Its clients asked for %llu FLUSHes, each of which took %.0f ms on the average: "
            "whoever "
            "can do with fewer of them, as by a file system's longer commit interval, is faster.",
            (unsigned long long) flushes->n, to_ms(get_mean_ns(&flushes->latency)));
}

/* Trouble */

static bool resets_applies(const OptimizationFacts *facts) {
        return facts->device.is_write_through_by_resets;
}

static void resets_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "It was reset %llu times, too often for its writes to be put off, so each waits for "
            "it: "
            "try another cable, a port without a hub, or a power supply of its own.",
            (unsigned long long) count_resets(facts));
}

static unsigned get_retries_per_mille(const OptimizationFacts *facts) {
        return share(facts->stats.n_retries, count_commands(facts), 1000);
}

static bool retries_applies(const OptimizationFacts *facts) {
        return count_commands(facts) >= COMMANDS_MIN &&
               get_retries_per_mille(facts) >= RETRIES_PER_MILLE_MIN;
}

static void retries_say(const OptimizationFacts *facts, char *text) {
        unsigned per_mille = get_retries_per_mille(facts);

        say(text,
            "Of %llu commands %u.%u %% were tries of what had failed before: look at the log for "
            "the "
            "reason.",
            (unsigned long long) count_commands(facts), per_mille / 10, per_mille % 10);
}

static bool writes_refused_applies(const OptimizationFacts *facts) {
        return facts->stats.is_read_only_by_errors;
}

static void writes_refused_say(const OptimizationFacts *facts, char *text) {
        say(text,
            "It refused to be written to, so it is read-only for a while: look for a switch for "
            "write protection; a worn stick does so at its end.");
}

/* Power */

static double get_hours(const OptimizationFacts *facts) {
        uint64_t total_ns = 0;

        for (PowerState state = 0; state < _POWER_STATE_MAX; state++)
                total_ns += facts->power.time_ns[state];
        return (double) total_ns / (3600.0 * (double) NS_PER_S);
}

static bool spin_ups_applies(const OptimizationFacts *facts) {
        double n = (double) facts->power.n_spin_ups;

        return facts->power.n_spin_ups >= SPIN_UPS_MIN &&
               n >= SPIN_UPS_PER_HOUR_MIN * get_hours(facts);
}

static void spin_ups_say(const OptimizationFacts *facts, char *text) {
        const StorageHistogram *latency = &facts->power.wake_latency;
        char timeout[64] = "";

        if (facts->power_options.standby_timeout_ms > 0)
                snprintf(timeout, sizeof(timeout), " (now %u s)",
                         facts->power_options.standby_timeout_ms / 1000);
        say(text,
            "It was stopped and started again %llu times, %.0f times an hour, and half of the "
            "wakes "
            "took %.1f ms or more, which wears it and is waited for: a longer standby timeout%s "
            "costs less than it saves.",
            (unsigned long long) facts->power.n_spin_ups,
            (double) facts->power.n_spin_ups / MAX(get_hours(facts), 0.001),
            to_ms(storage_histogram_get_quantile_ns(latency, 500)), timeout);
}

static bool sleep_failures_applies(const OptimizationFacts *facts) {
        return facts->power.n_sleep_failures >= SLEEP_FAILURES_MIN &&
               facts->power.n_sleep_failures >= facts->power.n_standbys + facts->power.n_suspends;
}

static void sleep_failures_say(const OptimizationFacts *facts, char *text) {
        unsigned long long n_failures = facts->power.n_sleep_failures;
        unsigned long long n_sleeps = facts->power.n_standbys + facts->power.n_suspends;

        say(text,
            "It could not be put to sleep %llu times, and did sleep %llu times: set its timeouts "
            "to never, by power-set or in a rule.",
            n_failures, n_sleeps);
}

#define RULE(topic, name, severity, prefix)                                                        \
        [OPTIMIZATION_TOPIC_##topic] = { name, OPTIMIZATION_SEVERITY_##severity, prefix##_applies, \
                                         prefix##_say }

static const AdviceRule rules[_OPTIMIZATION_TOPIC_MAX] = {
        RULE(LINK, "link", HIGH, link),
        RULE(MAYBE_LINK, "maybe-link", MEDIUM, maybe_link),
        RULE(UAS_BROKEN, "uas-broken", MEDIUM, uas_broken),
        RULE(UAS_QUIRK, "uas-quirk", LOW, uas_quirk),
        RULE(TRANSFER_ERRORS, "transfer-errors", HIGH, transfer_errors),
        RULE(TRANSFER_QUIRK, "transfer-quirk", LOW, transfer_quirk),
        RULE(USB_MEMORY, "usb-memory", MEDIUM, usb_memory),
        RULE(SERIAL, "serial", HIGH, serial),
        RULE(PIPELINING, "pipelining", LOW, pipelining),
        RULE(QUEUE, "queue", LOW, queue),
        RULE(CACHE_OFF, "cache-off", MEDIUM, cache_off),
        RULE(CACHE_SIZE, "cache-size", LOW, cache_size),
        RULE(READ_AHEAD, "read-ahead", MEDIUM, read_ahead),
        RULE(WRITE_THROUGH, "write-through", MEDIUM, write_through),
        RULE(FLUSHES, "flushes", LOW, flushes),
        RULE(RESETS, "resets", HIGH, resets),
        RULE(RETRIES, "retries", MEDIUM, retries),
        RULE(WRITES_REFUSED, "writes-refused", HIGH, writes_refused),
        RULE(SPIN_UPS, "spin-ups", MEDIUM, spin_ups),
        RULE(SLEEP_FAILURES, "sleep-failures", LOW, sleep_failures),
};

static size_t find_of(const OptimizationFacts *facts, OptimizationSeverity severity,
                      OptimizationAdvice *ret) {
        size_t n = 0;

        for (unsigned topic = 0; topic < _OPTIMIZATION_TOPIC_MAX; topic++) {
                const AdviceRule *rule = &rules[topic];

                if (rule->severity != severity || !rule->applies(facts))
                        continue;
                ret[n].topic = (OptimizationTopic) topic;
                ret[n].severity = severity;
                rule->say(facts, ret[n].text);
                n++;
        }
        return n;
}

size_t optimization_advice_find(const OptimizationFacts *facts,
                                OptimizationAdvice ret[_OPTIMIZATION_TOPIC_MAX]) {
        size_t n = 0;

        for (unsigned severity = _OPTIMIZATION_SEVERITY_MAX; severity-- > 0;)
                n += find_of(facts, (OptimizationSeverity) severity, ret + n);
        return n;
}

const char *optimization_topic_to_string(OptimizationTopic topic) {
        assert(topic < _OPTIMIZATION_TOPIC_MAX);

        return rules[topic].name;
}

const char *optimization_severity_to_string(OptimizationSeverity severity) {
        static const char *const names[_OPTIMIZATION_SEVERITY_MAX] = {
                [OPTIMIZATION_SEVERITY_LOW] = "low",
                [OPTIMIZATION_SEVERITY_MEDIUM] = "medium",
                [OPTIMIZATION_SEVERITY_HIGH] = "high",
        };

        assert(severity < _OPTIMIZATION_SEVERITY_MAX);
        return names[severity];
}
