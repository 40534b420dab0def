/* What sysfs tells of a device: only what is whole, its own and storage is taken from it. */

#include <check.h>
#include <errno.h>
#include <libudev.h>
#include <stdio.h>
#include <string.h>

#include "device/usb_node.h"
#include "fake_host.h"
#include "unit_test.h"

/* Made by other programs. */
#define STICK_HASH "WEP2TkUHDJc11Ls38HR23wiDwu2vWOW2PeWLcFYp3TY="
#define HUB_HASH "Q1Dobzv+3tftMVv/r9vz2fD7K27TolNUPJ0x5t6BuFw="

static FakeHost host;
static UsbNode node;

static void set_up(void) { fake_host_init(&host); }

static void tear_down(void) { fake_host_done(&host); }

static int read_node(const char *sys_path) {
        struct udev_device *device = udev_device_new_from_syspath(NULL, sys_path);
        int r;

        ck_assert_ptr_nonnull(device);
        r = usb_node_read(&node, NULL, device);
        udev_device_unref(device);
        return r;
}

static void add_interface(const char *sys_path, const char *class, const char *number) {
        const FakeDevice interface = {
                sys_path,
                "usb",
                "usb_interface",
                NULL,
                { { "bInterfaceClass", class }, { "bInterfaceNumber", number } },
        };

        fake_host_add(&host, &interface);
}

START_TEST(stick_is_read) {
        fake_host_add_stick(&host);
        ck_assert_int_eq(read_node(FAKE_STICK), 0);
        ck_assert_str_eq(node.name, "1-1");
        ck_assert_str_eq(node.dev_path, FAKE_STICK_NODE);
        ck_assert_uint_eq(node.vendor_id, 0x1209);
        ck_assert_uint_eq(node.product_id, 1);
        ck_assert_str_eq(node.serial, "STICK");
        ck_assert_str_eq(node.product, "");
        ck_assert_uint_eq(node.speed_mbps, 0);
        ck_assert_uint_eq(node.n_interfaces, 1);
        ck_assert_uint_eq(node.interfaces[0], 0);
}
END_TEST

START_TEST(only_own_storage_interfaces_count) {
        fake_host_add_stick(&host);
        add_interface(FAKE_STICK "/1-1:1.1", "03", "01");
        add_interface(FAKE_STICK "/1-1:1.2", "08", "02");
        add_interface(FAKE_STICK "/1-1:1.3", NULL, NULL);
        add_interface(FAKE_STICK "/1-1.4/1-1.4:1.5", "08", "05");
        add_interface(FAKE_STICK "/1-12/1-12:1.6", "08", "06");
        ck_assert_int_eq(read_node(FAKE_STICK), 0);
        ck_assert_uint_eq(node.n_interfaces, 2);
        ck_assert_uint_eq(node.interfaces[1], 2);
}
END_TEST

START_TEST(more_interfaces_than_fit_are_left_out) {
        static char paths[USB_NODE_INTERFACES_MAX + 3][64];

        fake_host_add_stick(&host);
        for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
                snprintf(paths[i], sizeof(paths[i]), FAKE_STICK "/1-1:1.%zu", i + 1);
                add_interface(paths[i], "08", "01");
        }
        ck_assert_int_eq(read_node(FAKE_STICK), 0);
        ck_assert_uint_eq(node.n_interfaces, USB_NODE_INTERFACES_MAX);
}
END_TEST

START_TEST(device_without_storage_is_none) {
        fake_host_add_stick(&host);
        fake_host_remove(&host, FAKE_STICK_INTERFACE);
        ck_assert_int_eq(read_node(FAKE_STICK), -ENODEV);
}
END_TEST

START_TEST(device_that_vanishes_is_none) {
        struct udev_device *device;

        fake_host_add_stick(&host);
        device = udev_device_new_from_syspath(NULL, FAKE_STICK);
        fake_host_remove(&host, FAKE_STICK);
        ck_assert_int_eq(usb_node_read(&node, NULL, device), -ENODEV);
        udev_device_unref(device);
}
END_TEST

START_TEST(paths_that_do_not_fit_are_refused) {
        char long_path[600], long_name[100] = "/sys/";
        char long_node[100] = "/dev/";
        const FakeDevice devices[] = {
                { long_path, "usb", "usb_device", "/dev/a", {} },
                { long_name, "usb", "usb_device", "/dev/b", {} },
                { "/sys/c", "usb", "usb_device", long_node, {} },
                { "/sys/d", "usb", "usb_device", NULL, {} },
        };

        memset(long_path, 'x', sizeof(long_path));
        memcpy(long_path, "/sys/", 5);
        memcpy(long_path + sizeof(long_path) - 3, "/a", 3);
        memset(long_name + 5, 'x', 90);
        memset(long_node + 5, 'x', 90);
        for (size_t i = 0; i < N_ELEMENTS(devices); i++) {
                fake_host_add(&host, &devices[i]);
                ck_assert_int_eq(read_node(devices[i].sys_path), -ENODEV);
        }
}
END_TEST

START_TEST(serial_is_cut_to_its_field) {
        static char serial[300];
        FakeDevice stick;

        memset(serial, 's', sizeof(serial) - 1);
        fake_host_add_stick(&host);
        stick = host.devices[0];
        stick.attributes[2].value = serial;
        host.devices[0] = stick;
        ck_assert_int_eq(read_node(FAKE_STICK), 0);
        ck_assert_uint_eq(strlen(node.serial), sizeof(node.serial) - 1);
}
END_TEST

START_TEST(who_it_says_it_is_is_read_for_rules) {
        DeviceIdentity identity;

        fake_host_add(&host, &(FakeDevice){ "/sys/devices/usb1",
                                            "usb",
                                            "usb_device",
                                            "/dev/usb0",
                                            { { "idVendor", "1d6b" }, { "idProduct", "0002" } } });
        fake_host_add_stick(&host);
        ck_assert_int_eq(read_node(FAKE_STICK), 0);
        ck_assert_int_eq(usb_node_identify(&node, NULL, &identity), 0);
        ck_assert_uint_eq(identity.vendor_id, 0x1209);
        ck_assert_str_eq(identity.serial, "STICK");
        ck_assert_str_eq(identity.port, "1-1");
        ck_assert_uint_eq(identity.n_interfaces, 1);
        ck_assert_uint_eq(identity.interfaces[0].subclass, 0x06);
        ck_assert_str_eq(identity.hash, STICK_HASH);
        ck_assert_str_eq(identity.parent_hash, HUB_HASH);
}
END_TEST

START_TEST(who_is_vanishing_is_nobody) {
        DeviceIdentity identity;

        fake_host_add_stick(&host);
        ck_assert_int_eq(read_node(FAKE_STICK), 0);
        fake_host_remove(&host, FAKE_STICK);
        ck_assert_int_eq(usb_node_identify(&node, NULL, &identity), -ENODEV);
}
END_TEST

START_TEST(disks_below_the_device_are_found) {
        static const FakeDevice partition = {
                FAKE_STICK_INTERFACE "/host0/block/sda/sda1", "block", "partition", "/dev/sda1", {},
        };
        static const FakeDevice other = {
                "/sys/devices/usb1/1-2/block/sdb", "block", "disk", "/dev/sdb", {},
        };
        static const FakeDevice nodeless = {
                FAKE_STICK_INTERFACE "/host0/block/sdc", "block", "disk", NULL, {},
        };
        UsbNodeDisks disks;

        fake_host_add_stick(&host);
        fake_host_add(&host, &partition);
        fake_host_add(&host, &other);
        fake_host_add(&host, &nodeless);
        ck_assert_int_eq(read_node(FAKE_STICK), 0);
        ck_assert_int_eq(usb_node_find_disks(&node, NULL, &disks), 0);
        ck_assert_uint_eq(disks.n_paths, 1);
        ck_assert_str_eq(disks.paths[0], FAKE_STICK_DISK);

        fake_host_remove(&host, FAKE_STICK);
        ck_assert_int_eq(usb_node_find_disks(&node, NULL, &disks), -ENODEV);
}
END_TEST

START_TEST(more_disks_than_can_be_held_are_an_error) {
        static char paths[USB_NODE_DISKS_MAX][64];
        UsbNodeDisks disks;

        fake_host_add_stick(&host);
        for (size_t i = 0; i < N_ELEMENTS(paths); i++) {
                snprintf(paths[i], sizeof(paths[i]), FAKE_STICK_INTERFACE "/host0/block/sd%zu", i);
                fake_host_add(&host, &(FakeDevice){ paths[i], "block", "disk", "/dev/sdx", {} });
        }
        ck_assert_int_eq(read_node(FAKE_STICK), 0);
        ck_assert_int_eq(usb_node_find_disks(&node, NULL, &disks), -E2BIG);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                stick_is_read,
                only_own_storage_interfaces_count,
                more_interfaces_than_fit_are_left_out,
                device_without_storage_is_none,
                device_that_vanishes_is_none,
                paths_that_do_not_fit_are_refused,
                serial_is_cut_to_its_field,
                who_it_says_it_is_is_read_for_rules,
                who_is_vanishing_is_nobody,
                disks_below_the_device_are_found,
                more_disks_than_can_be_held_are_an_error,
                NULL,
        };

        return run_suite(suite_with_fixture("usb node", set_up, tear_down, tests));
}
