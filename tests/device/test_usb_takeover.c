/* A disk is taken as a whole or not at all, and never one that is in use. */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "device/usb_takeover.h"
#include "fake_host.h"
#include "unit_test.h"

static FakeHost host;
static UsbNode node;

static void set_up(void) {
        fake_host_init(&host);
        fake_host_add_stick(&host);
        node = (UsbNode){
                .name = "1-1",
                .sys_path = FAKE_STICK,
                .dev_path = FAKE_STICK_NODE,
                .n_interfaces = 1,
        };
}

static void tear_down(void) { fake_host_done(&host); }

/* Two interfaces, as a device with two functions has them. */
static void add_second_interface(void) {
        node.interfaces[node.n_interfaces++] = 2;
        host.drivers[2] = "usb-storage";
}

START_TEST(disk_is_taken_and_given_back) {
        UsbTakeover takeover;

        add_second_interface();
        ck_assert_int_eq(usb_takeover(&node, NULL, &takeover), 0);
        ck_assert_int_ge(takeover.fd, 0);
        ck_assert(!takeover.needs_reset);
        ck_assert_uint_eq(host.n_taken, 2);
        ck_assert_ptr_null(host.drivers[0]);
        fd_close(takeover.fd);

        usb_takeover_give_back(&node);
        ck_assert_uint_eq(host.n_given_back, 2);
}
END_TEST

START_TEST(disk_that_no_driver_has_is_taken) {
        UsbTakeover takeover;

        host.drivers[0] = NULL;
        ck_assert_int_eq(usb_takeover(&node, NULL, &takeover), 0);
        ck_assert_uint_eq(host.n_taken, 0);
        fd_close(takeover.fd);
}
END_TEST

START_TEST(uas_leaves_a_device_that_needs_a_reset) {
        UsbTakeover takeover;

        host.drivers[0] = "uas";
        ck_assert_int_eq(usb_takeover(&node, NULL, &takeover), 0);
        ck_assert(takeover.needs_reset);
        fd_close(takeover.fd);
}
END_TEST

START_TEST(disk_in_use_is_left_alone) {
        UsbTakeover takeover;

        host.busy_path = FAKE_STICK_DISK;
        ck_assert_int_eq(usb_takeover(&node, NULL, &takeover), -EBUSY);
        ck_assert_uint_eq(host.n_taken, 0);
}
END_TEST

START_TEST(empty_slot_is_no_obstacle) {
        UsbTakeover takeover;

        host.empty_path = FAKE_STICK_DISK;
        ck_assert_int_eq(usb_takeover(&node, NULL, &takeover), 0);
        ck_assert_uint_eq(host.n_taken, 1);
        fd_close(takeover.fd);
}
END_TEST

START_TEST(interface_that_stays_gives_the_others_back) {
        UsbTakeover takeover;

        add_second_interface();
        host.failing_interface = 2;
        ck_assert_int_eq(usb_takeover(&node, NULL, &takeover), -EIO);
        ck_assert_uint_eq(host.n_taken, 1);
        ck_assert_ptr_nonnull(host.drivers[0]);
        ck_assert_ptr_nonnull(host.drivers[2]);
}
END_TEST

START_TEST(device_that_is_gone_is_an_error) {
        UsbTakeover takeover;

        fake_host_remove(&host, FAKE_STICK);
        ck_assert_int_eq(usb_takeover(&node, NULL, &takeover), -ENOENT);
        usb_takeover_give_back(&node);
        ck_assert_uint_eq(host.n_given_back, 0);
}
END_TEST

START_TEST(device_whose_disks_are_not_known_is_left_alone) {
        UsbTakeover takeover;

        strcpy(node.sys_path, "/sys/elsewhere");
        ck_assert_int_eq(usb_takeover(&node, NULL, &takeover), -ENODEV);
        ck_assert_uint_eq(host.n_taken, 0);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                disk_is_taken_and_given_back,
                disk_that_no_driver_has_is_taken,
                uas_leaves_a_device_that_needs_a_reset,
                disk_in_use_is_left_alone,
                empty_slot_is_no_obstacle,
                interface_that_stays_gives_the_others_back,
                device_that_is_gone_is_an_error,
                device_whose_disks_are_not_known_is_left_alone,
                NULL,
        };

        return run_suite(suite_with_fixture("usb takeover", set_up, tear_down, tests));
}
