/* What the policy says of a device is what becomes of it. */

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "broker.h"
#include "device/device_view.h"
#include "fake_host.h"
#include "unit_test.h"

static Broker broker;
static FakeHost host;
static DevicePolicy *policy;

static void prepare(const char *rules, DeviceTarget default_target, const char *worker) {
        ck_assert_int_eq(device_policy_new(&policy, default_target), 0);
        ck_assert_int_eq(device_policy_add(policy, "rules", rules, strlen(rules), NULL, NULL), 0);
        broker_prepare(&broker, /* has_usb= */ true, worker, "front");
        broker.options.policy = policy;
}

static void start(const char *rules) {
        prepare(rules, DEVICE_TARGET_ALLOW, "good");
        broker_start(&broker);
}

static void set_up(void) { fake_host_init(&host); }

static void tear_down(void) {
        broker_done(&broker);
        policy = device_policy_free(policy);
        fake_host_done(&host);
}

static void plug_in(void) {
        fake_host_add_stick(&host);
        fake_host_send(&host, "add", FAKE_STICK);
        fake_host_send(&host, "add", FAKE_STICK_INTERFACE);
}

static void pull_out(void) {
        fake_host_remove(&host, FAKE_STICK);
        fake_host_send(&host, "remove", FAKE_STICK);
}

static DeviceView get_device(void) {
        DeviceView view;

        ck_assert(device_manager_get_device(broker.manager, 0, &view));
        return view;
}

START_TEST(a_device_that_is_blocked_is_nobodys) {
        DeviceOtherView other;

        start("block 1209:*");
        plug_in();
        broker_run_until_told(&broker, "is blocked");
        ck_assert(broker_was_told(&broker, "rule 1 decides: block 1209:*"));
        ck_assert_ptr_null(host.drivers[0]);
        ck_assert_uint_eq(host.n_claimed, 1);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 0);
        ck_assert(device_manager_get_other(broker.manager, 0, &other));
        ck_assert_int_eq(other.reason, DEVICE_OTHER_REASON_POLICY);

        /* It comes back, and is blocked again. */
        broker_forget(&broker);
        pull_out();
        plug_in();
        broker_run_until_told(&broker, "is blocked");
        ck_assert_uint_eq(host.n_claimed, 2);
}
END_TEST

START_TEST(a_device_that_can_not_be_removed_is_blocked_all_the_same) {
        start("reject with-interface 08:06:50");
        plug_in();
        broker_run_until_told(&broker, "is rejected");
        ck_assert(broker_was_told(&broker, "so it is only blocked"));
        ck_assert_uint_eq(host.n_claimed, 1);
}
END_TEST

START_TEST(a_device_in_use_can_not_be_blocked) {
        prepare("block", DEVICE_TARGET_ALLOW, "good");
        host.busy_path = FAKE_STICK_DISK;
        broker_start(&broker);
        plug_in();
        broker_run_until_told(&broker, "can't be blocked, the kernel keeps it: it is in use");
        ck_assert_str_eq(host.drivers[0], "usb-storage");
}
END_TEST

START_TEST(a_device_that_can_not_be_held_is_told_to_be_nobodys) {
        prepare("block", DEVICE_TARGET_ALLOW, "good");
        host.claim_error = EIO;
        broker_start(&broker);
        plug_in();
        broker_run_until_told(&broker, "can't be blocked, though it was taken from the kernel");
        ck_assert_ptr_null(host.drivers[0]);
        ck_assert(!broker_was_told(&broker, "the kernel keeps it"));
}
END_TEST

START_TEST(what_no_rule_is_about_has_the_default) {
        prepare("allow 1209:0002", DEVICE_TARGET_READ_ONLY, "good");
        broker_start(&broker);
        plug_in();
        broker_run_until_told(&broker, "may only read");
        ck_assert_int_eq(get_device().target, DEVICE_TARGET_READ_ONLY);
        ck_assert_str_eq(get_device().rule, "");
        ck_assert(get_device().is_read_only);
}
END_TEST

START_TEST(options_of_a_rule_are_the_devices) {
        start("allow 1209:0001 cache write-through export \"backup\"\n"
              "block");
        plug_in();
        broker_run_until_told(&broker, "is driven by");
        ck_assert(broker_was_told(&broker, "may write"));
        ck_assert(broker_was_told(&broker, "mode 1"));
        ck_assert(broker_was_told(&broker, "drives backup"));
        fake_children_run_until(broker.loop, &broker.has_exports);
        ck_assert_str_eq(get_device().base_name, "backup");
        ck_assert_str_eq(get_device().rule,
                         "allow 1209:0001 cache write-through export \"backup\"");
}
END_TEST

/* It is the rule's for good. */
START_TEST(another_configured_mode_does_not_change_that_of_a_rule) {
        DeviceManagerOptions options;

        start("allow 1209:0001 cache write-through");
        plug_in();
        broker_run_until_told(&broker, "is driven by");
        options = broker.options;
        options.cache.is_enabled = false;
        options.cache.park_timeout_ms = 77;
        device_manager_set_options(broker.manager, &options);
        broker_run_until_told(&broker, "park 77");
        ck_assert(broker_was_told(&broker, "now, mode 1"));
        ck_assert(!broker_was_told(&broker, "now, mode 0"));
}
END_TEST

START_TEST(other_rules_decide_about_devices_that_come) {
        static const char rules[] = "block via-port \"sim1\"";
        DeviceManagerOptions options;
        DevicePolicy *next;

        start("allow");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_int_eq(device_policy_new(&next, DEVICE_TARGET_ALLOW), 0);
        ck_assert_int_eq(device_policy_add(next, "rules", rules, strlen(rules), NULL, NULL), 0);
        options = broker.options;
        options.policy = next;
        device_manager_set_options(broker.manager, &options);
        device_policy_free(policy);
        policy = next;
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 1);
        ck_assert_str_eq(get_device().rule, "allow");
}
END_TEST

START_TEST(two_devices_do_not_share_an_export_name) {
        start("allow export \"backup\"");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        broker_run_until_told(&broker, "drives backup-at-sim1");
}
END_TEST

START_TEST(a_simulated_device_is_judged_as_well) {
        start("block via-port \"sim0\"");
        ck_assert_int_eq(broker_simulate(&broker), 0);
        ck_assert(broker_was_told(&broker, "is blocked"));
        ck_assert_uint_eq(device_manager_get_counts(broker.manager).n_devices, 0);
}
END_TEST

START_TEST(a_present_device_that_a_rule_is_about_is_taken) {
        prepare("read-only 1209:*", DEVICE_TARGET_ALLOW, "good");
        broker.options.present_devices = DEVICE_PRESENT_POLICY_APPLY;
        fake_host_add_stick(&host);
        broker_start(&broker);
        broker_run_until_told(&broker, "may only read");
}
END_TEST

START_TEST(a_present_device_that_no_rule_is_about_is_the_kernels) {
        prepare("read-only 1209:0002", DEVICE_TARGET_ALLOW, "good");
        broker.options.present_devices = DEVICE_PRESENT_POLICY_APPLY;
        fake_host_add_stick(&host);
        broker_start(&broker);
        broker_run_until_told(&broker, "was there before, the kernel keeps it");
        ck_assert_uint_eq(host.n_taken, 0);
}
END_TEST

/* Its serial number is the same, but not what the policy says of it. */
START_TEST(a_device_that_returns_as_another_does_not_get_its_exports) {
        prepare("allow if !rule-applied", DEVICE_TARGET_BLOCK, "parks");
        broker.options.cache.park_timeout_ms = 600000;
        broker_start(&broker);
        plug_in();
        broker_run_until_told(&broker, "is driven by");
        pull_out();
        broker_run_until_told(&broker, "is gone, and waited for");
        plug_in();
        broker_run_until_told(&broker, "is blocked");
        ck_assert(!broker_was_told(&broker, "is back"));
}
END_TEST

/* While a disk is flushed, say. */
START_TEST(who_asks_a_manager_that_stops_is_told_so) {
        char *rules = NULL;
        DeviceDecision decision;

        prepare("allow", DEVICE_TARGET_BLOCK, "stays");
        broker_start(&broker);
        plug_in();
        broker_run_until_told(&broker, "is driven by");
        device_manager_stop(broker.manager);
        ck_assert_int_eq(device_manager_test_policy(broker.manager, "1-1", &decision), -ESHUTDOWN);
        ck_assert_int_eq(device_manager_generate_policy(broker.manager, &rules), -ESHUTDOWN);
        ck_assert_ptr_null(rules);
        ck_assert_int_eq(kill(broker.worker_pid, SIGKILL), 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_device_that_is_blocked_is_nobodys,
                a_device_that_can_not_be_removed_is_blocked_all_the_same,
                a_device_in_use_can_not_be_blocked,
                a_device_that_can_not_be_held_is_told_to_be_nobodys,
                what_no_rule_is_about_has_the_default,
                options_of_a_rule_are_the_devices,
                another_configured_mode_does_not_change_that_of_a_rule,
                other_rules_decide_about_devices_that_come,
                two_devices_do_not_share_an_export_name,
                a_simulated_device_is_judged_as_well,
                a_present_device_that_a_rule_is_about_is_taken,
                a_present_device_that_no_rule_is_about_is_the_kernels,
                a_device_that_returns_as_another_does_not_get_its_exports,
                who_asks_a_manager_that_stops_is_told_so,
                NULL,
        };

        return run_suite(suite_with_fixture("device admission", set_up, tear_down, tests));
}
