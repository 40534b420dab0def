/* A device that is as fast as it can be gets no advice; each thing that is wrong gets its own, with
 * the number that shows it. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"
#include "device/optimization_advice.h"
#include "usb/usb_quirks.h"

static OptimizationFacts facts;
static OptimizationAdvice found[_OPTIMIZATION_TOPIC_MAX];

static void record(StorageHistogram *histogram, unsigned n, uint64_t time_ns) {
        for (unsigned i = 0; i < n; i++)
                storage_histogram_record(histogram, time_ns);
}

/* A UAS disk at SuperSpeed with a good cache, and much to do. */
static void set_up(void) {
        StorageStats *stats = &facts.stats;

        facts = (OptimizationFacts){
                .device = {
                        .speed_mbps = 5000,
                        .speed_mbps_max = 5000,
                        .usb_version = 0x0320,
                        .transport = STORAGE_TRANSPORT_UAS,
                        .offers_uas = true,
                        .depth = 30,
                        .transfer_size_max = 1 << 20,
                        .cache_mode = STORAGE_CACHE_MODE_WRITE_BACK,
                        .n_resets = { [STORAGE_RESET_PORT] = 4 },
                },
        };
        stats->transfer_size = 1 << 20;
        stats->transfer_limit = STORAGE_TRANSFER_LIMIT_BUS;
        stats->busy_ns = 100 * NS_PER_S;
        stats->weighted_ns = 800 * NS_PER_S;
        stats->cache.n_hits = 5000;
        stats->cache.n_misses = 5000;
        stats->cache.read_ahead_used_size = 900 * MIB;
        stats->cache.read_ahead_wasted_size = 100 * MIB;
        stats->operations[STORAGE_OPERATION_WRITE].n = 5000;
        stats->operations[STORAGE_OPERATION_FLUSH].n = 200;
        record(&stats->operations[STORAGE_OPERATION_WRITE].latency, 5000, 6 * NS_PER_MS);
        record(&stats->operations[STORAGE_OPERATION_FLUSH].latency, 200, 5 * NS_PER_MS);
        record(&stats->layers[STORAGE_LAYER_CACHE_MISS], 5000, 9 * NS_PER_MS);
        record(&stats->layers[STORAGE_LAYER_TRANSPORT], 10000, 3 * NS_PER_MS);
}

static void be_at_high_speed(void) { facts.device.speed_mbps = 480; }

static void be_at_high_speed_and_not_tell(void) {
        facts.device.speed_mbps = 480;
        facts.device.speed_mbps_max = 0;
        facts.device.usb_version = 0x0210;
}

static void be_at_full_speed_and_not_tell(void) {
        facts.device.speed_mbps = 12;
        facts.device.speed_mbps_max = 0;
        facts.device.usb_version = 0x0200;
}

static void break_uas(void) {
        facts.device.transport = STORAGE_TRANSPORT_BOT;
        facts.device.is_pipelined = true;
}

static void forbid_uas(void) {
        break_uas();
        facts.quirks = USB_QUIRK_IGNORE_UAS;
}

static void shorten_transfers(void) {
        facts.stats.transfer_limit = STORAGE_TRANSFER_LIMIT_ERRORS;
        facts.stats.transfer_size = 64 * KIB;
}

static void forbid_long_transfers(void) {
        facts.quirks = USB_QUIRK_MAX_SECTORS_64;
        facts.stats.transfer_limit = STORAGE_TRANSFER_LIMIT_QUIRK;
        facts.stats.transfer_size = 32 * KIB;
}

static void refuse_memory(void) { facts.device.n_memory_refusals = 17; }

static void be_serial(void) { facts.device.is_serial = true; }

static void send_by_phase(void) {
        facts.device.offers_uas = false;
        facts.device.transport = STORAGE_TRANSPORT_BOT;
}

static void ask_for_little_at_once(void) { facts.stats.weighted_ns = 120 * NS_PER_S; }

static void cache_nothing(void) { facts.device.cache_mode = STORAGE_CACHE_MODE_NONE; }

static void miss(void) { facts.stats.cache.n_misses = 45000; }

static void waste(void) { facts.stats.cache.read_ahead_wasted_size = 900 * MIB; }

static void write_through(void) { facts.device.cache_mode = STORAGE_CACHE_MODE_WRITE_THROUGH; }

static void flush_slowly(void) {
        StorageOperationStats *flushes = &facts.stats.operations[STORAGE_OPERATION_FLUSH];

        flushes->n = 1200;
        record(&flushes->latency, 1000, 96 * NS_PER_MS);
}

static void be_reset(void) {
        write_through();
        facts.device.is_write_through_by_resets = true;
}

static void try_again(void) { facts.stats.n_retries = 234; }

static void refuse_writes(void) { facts.stats.is_read_only_by_errors = true; }

/* Ten in two hours of which it was asleep for most, each of which took two seconds. */
static void wake_again_and_again(void) {
        facts.power.time_ns[POWER_STATE_STANDBY] = 6000 * NS_PER_S;
        facts.power.time_ns[POWER_STATE_IDLE] = 1200 * NS_PER_S;
        facts.power.n_spin_ups = facts.power.n_standbys = 10;
        facts.power_options.standby_timeout_ms = 60000;
        record(&facts.power.wake_latency, 10, 2 * NS_PER_S);
}

static void not_sleep(void) {
        facts.power.n_sleep_failures = 12;
        facts.power.n_suspends = 1;
}

static const struct {
        void (*spoil)(void);
        OptimizationTopic topic;
        OptimizationSeverity severity;
        const char *words;
} cases[] = {
        { be_at_high_speed, OPTIMIZATION_TOPIC_LINK, OPTIMIZATION_SEVERITY_HIGH,
          "at 480 Mb/s and can do 5000 Mb/s" },
        { be_at_high_speed_and_not_tell, OPTIMIZATION_TOPIC_MAYBE_LINK,
          OPTIMIZATION_SEVERITY_MEDIUM, "USB 2.10" },
        { be_at_full_speed_and_not_tell, OPTIMIZATION_TOPIC_MAYBE_LINK,
          OPTIMIZATION_SEVERITY_MEDIUM, "at 12 Mb/s" },
        { break_uas, OPTIMIZATION_TOPIC_UAS_BROKEN, OPTIMIZATION_SEVERITY_MEDIUM, "firmware" },
        { forbid_uas, OPTIMIZATION_TOPIC_UAS_QUIRK, OPTIMIZATION_SEVERITY_LOW, "(u)" },
        { shorten_transfers, OPTIMIZATION_TOPIC_TRANSFER_ERRORS, OPTIMIZATION_SEVERITY_HIGH,
          "64 KiB at most instead of 1024" },
        { forbid_long_transfers, OPTIMIZATION_TOPIC_TRANSFER_QUIRK, OPTIMIZATION_SEVERITY_LOW,
          "(m) allows commands of 32 KiB" },
        { refuse_memory, OPTIMIZATION_TOPIC_USB_MEMORY, OPTIMIZATION_SEVERITY_MEDIUM, "17 times" },
        { be_serial, OPTIMIZATION_TOPIC_SERIAL, OPTIMIZATION_SEVERITY_HIGH, "one command" },
        { send_by_phase, OPTIMIZATION_TOPIC_PIPELINING, OPTIMIZATION_SEVERITY_LOW, "3.00 ms" },
        { ask_for_little_at_once, OPTIMIZATION_TOPIC_QUEUE, OPTIMIZATION_SEVERITY_LOW,
          "30 commands at once, but its clients ask for 1.2" },
        { cache_nothing, OPTIMIZATION_TOPIC_CACHE_OFF, OPTIMIZATION_SEVERITY_MEDIUM,
          "cache_enabled" },
        { miss, OPTIMIZATION_TOPIC_CACHE_SIZE, OPTIMIZATION_SEVERITY_LOW,
          "50000 reads 10 % were answered from the cache, the others in 9.00 ms" },
        { waste, OPTIMIZATION_TOPIC_READ_AHEAD, OPTIMIZATION_SEVERITY_MEDIUM,
          "1800 MiB that were read ahead 50 %" },
        { write_through, OPTIMIZATION_TOPIC_WRITE_THROUGH, OPTIMIZATION_SEVERITY_MEDIUM,
          "6.00 ms" },
        { flush_slowly, OPTIMIZATION_TOPIC_FLUSHES, OPTIMIZATION_SEVERITY_LOW,
          "1200 FLUSHes, each of which took 81 ms" },
        { be_reset, OPTIMIZATION_TOPIC_RESETS, OPTIMIZATION_SEVERITY_HIGH, "reset 4 times" },
        { try_again, OPTIMIZATION_TOPIC_RETRIES, OPTIMIZATION_SEVERITY_MEDIUM,
          "10000 commands 2.3 %" },
        { refuse_writes, OPTIMIZATION_TOPIC_WRITES_REFUSED, OPTIMIZATION_SEVERITY_HIGH,
          "read-only" },
        { wake_again_and_again, OPTIMIZATION_TOPIC_SPIN_UPS, OPTIMIZATION_SEVERITY_MEDIUM,
          "10 times, 5 times an hour, and half of the wakes took 2000.0 ms or more, which wears it "
          "and is waited for: a longer standby timeout (now 60 s)" },
        { not_sleep, OPTIMIZATION_TOPIC_SLEEP_FAILURES, OPTIMIZATION_SEVERITY_LOW,
          "sleep 12 times, and did sleep 1 times" },
};

START_TEST(nothing_is_wrong_with_a_good_device) {
        ck_assert_uint_eq(optimization_advice_find(&facts, found), 0);
}
END_TEST

START_TEST(what_is_wrong_gets_its_advice_alone) {
        cases[_i].spoil();
        ck_assert_uint_eq(optimization_advice_find(&facts, found), 1);
        ck_assert_int_eq(found[0].topic, cases[_i].topic);
        ck_assert_int_eq(found[0].severity, cases[_i].severity);
        ck_assert_msg(strstr(found[0].text, cases[_i].words), "\"%s\" is not in \"%s\"",
                      cases[_i].words, found[0].text);
        /* A sentence that was not cut. */
        ck_assert_int_eq(found[0].text[strlen(found[0].text) - 1], '.');
}
END_TEST

START_TEST(each_topic_has_a_case) {
        uint64_t covered = 0;

        for (size_t i = 0; i < N_ELEMENTS(cases); i++)
                covered |= UINT64_C(1) << cases[i].topic;
        ck_assert_uint_eq(covered, (UINT64_C(1) << _OPTIMIZATION_TOPIC_MAX) - 1);
}
END_TEST

START_TEST(what_matters_most_comes_first) {
        size_t n;

        try_again();
        forbid_uas();
        be_at_high_speed();
        refuse_memory();
        n = optimization_advice_find(&facts, found);
        ck_assert_uint_eq(n, 4);
        for (size_t i = 1; i < n; i++)
                ck_assert_int_ge(found[i - 1].severity, found[i].severity);
        ck_assert_int_eq(found[0].topic, OPTIMIZATION_TOPIC_LINK);
}
END_TEST

START_TEST(a_device_that_was_just_plugged_in_is_not_judged_by_numbers) {
        facts = (OptimizationFacts){ .device = { .speed_mbps = 480, .usb_version = 0x0200 } };
        facts.device.transport = STORAGE_TRANSPORT_BOT;
        facts.device.cache_mode = STORAGE_CACHE_MODE_WRITE_THROUGH;
        ck_assert_uint_eq(optimization_advice_find(&facts, found), 0);
}
END_TEST

/* All that a worker can tell. */
START_TEST(numbers_that_make_no_sense_do_no_harm) {
        memset(&facts.stats, 0xFF, sizeof(facts.stats));
        memset(&facts.device, 0xFF, sizeof(facts.device));
        memset(&facts.power, 0xFF, sizeof(facts.power));
        facts.stats.transfer_limit = STORAGE_TRANSFER_LIMIT_ERRORS;
        facts.device.transport = STORAGE_TRANSPORT_UAS;
        facts.device.cache_mode = STORAGE_CACHE_MODE_WRITE_BACK;
        ck_assert_uint_le(optimization_advice_find(&facts, found), _OPTIMIZATION_TOPIC_MAX);
        memset(&facts.stats, 0, sizeof(facts.stats));
        facts.stats.transfer_size = 1;
        facts.device.transport = STORAGE_TRANSPORT_BOT;
        ck_assert_uint_le(optimization_advice_find(&facts, found), _OPTIMIZATION_TOPIC_MAX);
}
END_TEST

START_TEST(each_topic_and_severity_has_a_name_of_its_own) {
        for (unsigned i = 0; i < _OPTIMIZATION_TOPIC_MAX; i++)
                for (unsigned j = 0; j < i; j++)
                        ck_assert_str_ne(optimization_topic_to_string((OptimizationTopic) i),
                                         optimization_topic_to_string((OptimizationTopic) j));
        ck_assert_str_eq(optimization_severity_to_string(OPTIMIZATION_SEVERITY_LOW), "low");
        ck_assert_str_eq(optimization_severity_to_string(OPTIMIZATION_SEVERITY_HIGH), "high");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("optimization_advice");
        TCase *tcase = tcase_create("optimization_advice");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, nothing_is_wrong_with_a_good_device);
        tcase_add_loop_test(tcase, what_is_wrong_gets_its_advice_alone, 0, (int) N_ELEMENTS(cases));
        tcase_add_test(tcase, each_topic_has_a_case);
        tcase_add_test(tcase, what_matters_most_comes_first);
        tcase_add_test(tcase, a_device_that_was_just_plugged_in_is_not_judged_by_numbers);
        tcase_add_test(tcase, numbers_that_make_no_sense_do_no_harm);
        tcase_add_test(tcase, each_topic_and_severity_has_a_name_of_its_own);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
