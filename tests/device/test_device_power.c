/* What becomes of what workers tell of power, and who decides when a device sleeps. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "device/device_observer.h"
#include "device/device_policy.h"
#include "device/device_power.h"
#include "device/device_request.h"
#include "device/device_view.h"
#include "unit_test.h"

#define START_NS (1000 * NS_PER_S)
#define START_US UINT64_C(1700000000000000)

static DevicePower power;
static uint64_t now_ns;

static void set_up(void) {
        power = (DevicePower){};
        now_ns = START_NS;
}

/* Of which a worker has counted so much. */
static ControlPower make_told(PowerState state, uint64_t time_s) {
        ControlPower told = { .state = state };

        told.statistics.time_ns[state] = time_s * NS_PER_S;
        told.statistics.n_spin_ups = time_s;
        return told;
}

/* At a time that counts from the start. */
static DevicePowerNews note(PowerState state, uint64_t time_s) {
        ControlPower told = make_told(state, time_s);

        now_ns = START_NS + time_s * NS_PER_S;
        return device_power_note(&power, &told, now_ns, START_US + time_s * 1000000);
}

static uint64_t get_time_s(PowerState state) {
        PowerStatistics statistics;

        device_power_get_statistics(&power, now_ns, &statistics);
        return statistics.time_ns[state] / NS_PER_S;
}

START_TEST(a_state_lasts_until_another_is_told) {
        ck_assert_int_eq(device_power_get_state(&power), POWER_STATE_UNKNOWN);
        ck_assert_uint_eq(get_time_s(POWER_STATE_UNKNOWN), 0);
        note(POWER_STATE_STANDBY, 10);
        ck_assert_int_eq(device_power_get_state(&power), POWER_STATE_STANDBY);
        ck_assert_uint_eq(power.since_us, START_US + 10 * 1000000);
        now_ns += 3600 * NS_PER_S;
        ck_assert_uint_eq(get_time_s(POWER_STATE_STANDBY), 3610);
        note(POWER_STATE_STANDBY, 20);
        ck_assert_uint_eq(power.since_us, START_US + 10 * 1000000);
}
END_TEST

START_TEST(no_time_runs_backwards) {
        ControlPower told = make_told(POWER_STATE_IDLE, 0);

        device_power_note(&power, &told, now_ns, START_US);
        now_ns += 5 * NS_PER_S;
        ck_assert_uint_eq(get_time_s(POWER_STATE_IDLE), 5);
        /* The news came late: a second of that was work already. */
        told = make_told(POWER_STATE_ACTIVE, 1);
        told.statistics.time_ns[POWER_STATE_IDLE] = 4 * NS_PER_S;
        device_power_note(&power, &told, now_ns, START_US);
        ck_assert_uint_eq(get_time_s(POWER_STATE_IDLE), 5);
        ck_assert_uint_eq(get_time_s(POWER_STATE_ACTIVE), 1);
}
END_TEST

START_TEST(counters_go_on_over_workers_and_states_do_not) {
        PowerStatistics statistics;

        note(POWER_STATE_SUSPENDED, 30);
        now_ns += 10 * NS_PER_S;
        device_power_end_worker(&power, now_ns, START_US + 99);
        ck_assert_int_eq(device_power_get_state(&power), POWER_STATE_UNKNOWN);
        ck_assert_uint_eq(power.since_us, START_US + 99);
        now_ns += 1000 * NS_PER_S;
        ck_assert_uint_eq(get_time_s(POWER_STATE_SUSPENDED), 40);
        note(POWER_STATE_SUSPENDED, 2);
        device_power_get_statistics(&power, now_ns, &statistics);
        ck_assert_uint_eq(statistics.time_ns[POWER_STATE_SUSPENDED], 42 * NS_PER_S);
        ck_assert_uint_eq(statistics.n_spin_ups, 32);
}
END_TEST

START_TEST(of_a_device_that_is_away_nothing_is_known) {
        note(POWER_STATE_IDLE, 5);
        device_power_note_away(&power, now_ns, START_US);
        ck_assert_int_eq(device_power_get_state(&power), POWER_STATE_UNKNOWN);
        now_ns += 100 * NS_PER_S;
        ck_assert_uint_eq(get_time_s(POWER_STATE_IDLE), 5);
        ck_assert_uint_eq(get_time_s(POWER_STATE_UNKNOWN), 0);
        note(POWER_STATE_IDLE, 7);
        ck_assert_uint_eq(get_time_s(POWER_STATE_IDLE), 7);
}
END_TEST

START_TEST(going_to_sleep_and_waking_are_news) {
        ck_assert_int_eq(note(POWER_STATE_ACTIVE, 1), DEVICE_POWER_NEWS_NONE);
        ck_assert_int_eq(note(POWER_STATE_IDLE, 2), DEVICE_POWER_NEWS_NONE);
        ck_assert_int_eq(note(POWER_STATE_STANDBY, 3), DEVICE_POWER_NEWS_ASLEEP);
        ck_assert_int_eq(note(POWER_STATE_SUSPENDED, 4), DEVICE_POWER_NEWS_NONE);
        ck_assert_int_eq(note(POWER_STATE_ACTIVE, 5), DEVICE_POWER_NEWS_AWAKE);
}
END_TEST

START_TEST(a_device_that_can_not_make_up_its_mind_is_not_heard_all_the_time) {
        unsigned n_asleep = 0, n_awake = 0;

        for (uint64_t i = 0; i < 600; i++) {
                DevicePowerNews news = note(i % 2 ? POWER_STATE_SUSPENDED : POWER_STATE_IDLE, i);

                n_asleep += news == DEVICE_POWER_NEWS_ASLEEP;
                n_awake += news == DEVICE_POWER_NEWS_AWAKE;
        }
        ck_assert_uint_ge(n_asleep, 10);
        ck_assert_uint_le(n_asleep, 14);
        ck_assert_uint_le(n_asleep - n_awake, 1);
        note(POWER_STATE_IDLE, 1000);
        ck_assert_int_eq(note(POWER_STATE_SUSPENDED, 1001), DEVICE_POWER_NEWS_ASLEEP);
}
END_TEST

START_TEST(who_is_nearer_to_the_device_decides) {
        const PowerOptions configured = { 1000, 2000, true, {} };
        DevicePowerTimeouts rule = { .has_standby = true, .standby_ms = 0 };
        DevicePowerTimeouts asked = {};
        PowerOptions options = device_power_merge(&configured, &rule, &asked);

        ck_assert_uint_eq(options.standby_timeout_ms, 0);
        ck_assert_uint_eq(options.suspend_timeout_ms, 2000);
        ck_assert(options.is_enabled);
        asked = (DevicePowerTimeouts){ .has_standby = true, .standby_ms = 7, .has_suspend = true };
        options = device_power_merge(&configured, &rule, &asked);
        ck_assert_uint_eq(options.standby_timeout_ms, 7);
        ck_assert_uint_eq(options.suspend_timeout_ms, 0);
}
END_TEST

/* With a manager and a worker that does as it is told */

static Broker broker;
static char events[KIB];

static void on_event(DeviceEvent event, uint64_t id, unsigned lun, const char *words,
                     void *userdata) {
        size_t size = strlen(events);

        snprintf(events + size, sizeof(events) - size, "%s: %s\n", device_event_to_string(event),
                 words);
}

static void start(DevicePolicy *policy, const PowerOptions *options, DeviceView *ret) {
        static const DeviceObserverHandlers handlers = { .event = on_event };
        static DeviceObserver observer;

        events[0] = '\0';
        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        broker.options.policy = policy;
        broker.options.power = *options;
        broker_make(&broker);
        observer = (DeviceObserver){ .handlers = &handlers };
        device_manager_add_observer(broker.manager, &observer);
        broker_start(&broker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(device_manager_get_device(broker.manager, 0, ret));
}

typedef struct Answer {
        DeviceRequest request;
        bool is_done;
} Answer;

static void on_done(DeviceRequest *request, const ControlReply *reply, const uint8_t *data) {
        ck_assert_int_eq(reply->error, 0);
        container_of(request, Answer, request)->is_done = true;
}

static void set_state(DeviceView *view, PowerState state) {
        Answer answer = {
                .request = { .request = { .kind = CONTROL_REQUEST_KIND_POWER_STATE,
                                          .lun = CONTROL_LUN_ALL,
                                          .power_state = state },
                             .done = on_done },
        };

        ck_assert_int_eq(device_manager_request(broker.manager, view->id, &answer.request), 0);
        fake_children_run_until(broker.loop, &answer.is_done);
        ck_assert(device_manager_find_device(broker.manager, view->id, view));
}

START_TEST(a_worker_is_told_before_its_device_and_when_it_changes) {
        static const char text[] = "allow 1209:* standby \"10min\"";
        _cleanup_(device_policy_freep) DevicePolicy *policy = NULL;
        PowerOptions options = { 5000, 6000, true, {} };
        DevicePowerTimeouts timeouts = { .has_suspend = true, .suspend_ms = 7000 };
        DeviceView view;

        ck_assert_int_eq(device_policy_new(&policy, DEVICE_TARGET_ALLOW), 0);
        ck_assert_int_eq(device_policy_add(policy, "f", text, strlen(text), NULL, NULL), 0);
        start(policy, &options, &view);
        ck_assert_ptr_nonnull(strstr(broker.lines, "standby after 600000, suspended after 6000\n"));
        ck_assert(strstr(broker.lines, "standby after") < strstr(broker.lines, "drives "));
        ck_assert_uint_eq(view.power_options.standby_timeout_ms, 600000);

        broker.options.power.suspend_timeout_ms = 0;
        broker.options.power.is_enabled = false;
        device_manager_set_options(broker.manager, &broker.options);
        broker_run_until_told(&broker, "standby after 600000, suspended after 0, if asked");

        ck_assert_int_eq(device_manager_set_power_timeouts(broker.manager, view.id, &timeouts), 0);
        broker_run_until_told(&broker, "standby after 600000, suspended after 7000, if asked");
        broker_forget(&broker);
        broker_replace_worker(&broker);
        ck_assert(broker_was_told(&broker, "standby after 600000, suspended after 7000"));
        broker_forget(&broker);
        ck_assert_int_eq(device_manager_set_power_timeouts(broker.manager, view.id, NULL), 0);
        broker_run_until_told(&broker, "standby after 600000, suspended after 0, if asked");
        ck_assert_int_eq(device_manager_set_power_timeouts(broker.manager, view.id + 1, NULL),
                         -ENODEV);
        broker_done(&broker);
}
END_TEST

START_TEST(what_a_worker_tells_of_power_is_seen) {
        const PowerOptions options = {};
        PowerStatistics statistics;
        const DevicePower *known;
        DeviceView view;

        start(NULL, &options, &view);
        ck_assert_int_eq(view.power_state, POWER_STATE_UNKNOWN);
        ck_assert_uint_eq(view.power_since_us, 0);
        set_state(&view, POWER_STATE_STANDBY);
        ck_assert_int_eq(view.power_state, POWER_STATE_STANDBY);
        ck_assert_uint_gt(view.power_since_us, START_US);
        ck_assert_uint_eq(view.max_power_ma, 500);
        ck_assert(view.can_standby && !view.can_suspend && !view.is_self_powered);
        set_state(&view, POWER_STATE_ACTIVE);
        ck_assert_ptr_nonnull(strstr(events, "asleep: is put to standby\nawake: is awake\n"));

        broker_replace_worker(&broker);
        set_state(&view, POWER_STATE_SUSPENDED);
        known = device_manager_get_power(broker.manager, view.id);
        ck_assert_ptr_null(device_manager_get_power(broker.manager, view.id + 1));
        device_power_get_statistics(known, event_loop_now_ns(broker.loop), &statistics);
        ck_assert_uint_ge(statistics.time_ns[POWER_STATE_STANDBY], NS_PER_S);
        ck_assert_uint_eq(statistics.n_standbys, 1);
        ck_assert_uint_eq(statistics.n_spin_ups, 1);
        ck_assert_uint_eq(statistics.n_suspends, 1);
        ck_assert_uint_eq(storage_histogram_count(&statistics.wake_latency), 1);
        ck_assert_ptr_nonnull(strstr(events, "asleep: is suspended\n"));
        broker_done(&broker);
}
END_TEST

int main(void) {
        const TTest *const broker_tests[] = {
                a_worker_is_told_before_its_device_and_when_it_changes,
                what_a_worker_tells_of_power_is_seen,
                NULL,
        };
        Suite *suite = suite_of("device power", broker_tests);
        TCase *tcase = tcase_create("alone");

        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, a_state_lasts_until_another_is_told);
        tcase_add_test(tcase, no_time_runs_backwards);
        tcase_add_test(tcase, counters_go_on_over_workers_and_states_do_not);
        tcase_add_test(tcase, of_a_device_that_is_away_nothing_is_known);
        tcase_add_test(tcase, going_to_sleep_and_waking_are_news);
        tcase_add_test(tcase, a_device_that_can_not_make_up_its_mind_is_not_heard_all_the_time);
        tcase_add_test(tcase, who_is_nearer_to_the_device_decides);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
