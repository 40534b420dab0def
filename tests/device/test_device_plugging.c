/*
 * Disks come and go in a made-up sysfs: whatever is plugged in is taken, once, also where the
 * worker of the one before is not done yet. Run by umockdev-wrapper.
 */

#include <check.h>
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "broker.h"

/* Behind ours: GLib replaces MIN and MAX. */
#include <umockdev.h>

#define N_INTERFACES 2

typedef struct Ports {
        UMockdevTestbed *testbed; /* owned */
        UMockdevIoctlBase *usbfs; /* owned */
        Broker broker;
        bool is_held;            /* the kernel's driver does not let go */
        atomic_uint n_connected; /* interfaces given back to it; told by umockdev's thread */
        unsigned device_number;  /* of the device that was plugged in last */
} Ports;

/* Drivers are detached and bound again, but for one that won't let go of the last interface. */
static gboolean on_usbfs_ioctl(UMockdevIoctlBase *usbfs, UMockdevIoctlClient *client,
                               gpointer userdata) {
        UMockdevIoctlData *argument = umockdev_ioctl_client_get_arg(client);
        const struct usbdevfs_ioctl *command;
        UMockdevIoctlData *data;
        Ports *ports = userdata;
        bool is_refused = true;

        if (umockdev_ioctl_client_get_request(client) == USBDEVFS_IOCTL) {
                data = umockdev_ioctl_data_resolve(argument, 0, sizeof(*command), NULL);
                command = (const struct usbdevfs_ioctl *) data->data;
                is_refused = ports->is_held && command->ifno == N_INTERFACES - 1;
                if (command->ioctl_code == (int) USBDEVFS_CONNECT)
                        atomic_fetch_add(&ports->n_connected, 1);
                umockdev_ioctl_data_unref(data);
        }
        umockdev_ioctl_client_complete(client, is_refused ? -1 : 0, is_refused ? EBUSY : 0);
        umockdev_ioctl_data_unref(argument);
        return TRUE;
}

static void ports_init(Ports *ports, const char *worker) {
        *ports = (Ports){
                .testbed = umockdev_testbed_new(),
                .usbfs = umockdev_ioctl_base_new(),
        };
        g_signal_connect(ports->usbfs, "handle-ioctl", G_CALLBACK(on_usbfs_ioctl), ports);
        broker_init(&ports->broker, /* has_usb= */ true, worker);
}

static void ports_done(Ports *ports) {
        broker_done(&ports->broker);
        g_object_unref(ports->testbed);
        g_object_unref(ports->usbfs);
}

/* A device as USB makes it: it is there before its interfaces are. */
static void plug(Ports *ports, const char *port, const char *product) {
        unsigned number = ++ports->device_number;
        char text[512], path[64], name[32], index[8];

        snprintf(text, sizeof(text),
                 "P: /devices/%s\nN: bus/usb/001/%03u\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n"
                 "E: DEVNAME=/dev/bus/usb/001/%03u\nA: idVendor=1209\nA: idProduct=0001\n"
                 "A: serial=S\nA: product=%s\n\n",
                 port, number, number, product);
        ck_assert(umockdev_testbed_add_from_string(ports->testbed, text, NULL));
        snprintf(path, sizeof(path), "/dev/bus/usb/001/%03u", number);
        ck_assert(umockdev_testbed_attach_ioctl(ports->testbed, path, ports->usbfs, NULL));

        snprintf(path, sizeof(path), "/sys/devices/%s", port);
        for (unsigned i = 0; i < N_INTERFACES; i++) {
                snprintf(name, sizeof(name), "%s:1.%u", port, i);
                snprintf(index, sizeof(index), "%02u", i);
                g_free(umockdev_testbed_add_device(ports->testbed, "usb", name, path,
                                                   "bInterfaceClass", "08", "bInterfaceNumber",
                                                   index, NULL, "DEVTYPE", "usb_interface", NULL));
        }
}

/* Without a word to anybody. */
static void vanish(Ports *ports, const char *port) {
        char path[64];

        for (unsigned i = 0; i < N_INTERFACES; i++) {
                snprintf(path, sizeof(path), "/sys/devices/%s/%s:1.%u", port, port, i);
                umockdev_testbed_remove_device(ports->testbed, path);
        }
        snprintf(path, sizeof(path), "/sys/devices/%s", port);
        umockdev_testbed_remove_device(ports->testbed, path);
}

static void unplug(Ports *ports, const char *port) {
        char path[64];

        snprintf(path, sizeof(path), "/sys/devices/%s", port);
        umockdev_testbed_uevent(ports->testbed, path, "remove");
        vanish(ports, port);
}

static void run_until(Ports *ports, const bool *condition) {
        fake_children_run_until(ports->broker.loop, condition);
}

/* Plugs a disk in, and out again; its worker lingers. */
static void leave_worker(Ports *ports, const char *port) {
        ports_init(ports, "lingers");
        plug(ports, port, "First");
        run_until(ports, &ports->broker.has_worker);
        ck_assert_str_eq(ports->broker.taken, "1209:0001  First");
        unplug(ports, port);
        run_until(ports, &ports->broker.has_unplugged);
        ports->broker.has_unplugged = false;
}

/* The worker that lingers has come to its end. */
static void end_worker(Ports *ports) {
        pid_t pid = ports->broker.worker_pid;

        ports->broker.has_worker = false;
        ports->broker.has_no_devices = false;
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
}

START_TEST(disk_is_taken_once_and_ends_when_it_is_unplugged) {
        Ports ports;

        ports_init(&ports, "good");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_exports);
        unplug(&ports, "1-1");
        ports.broker.has_no_devices = false;
        run_until(&ports, &ports.broker.has_no_devices);
        ck_assert_uint_eq(ports.broker.n_taken, 1);
        ports_done(&ports);
}
END_TEST

START_TEST(disk_that_is_plugged_in_behind_another_is_taken) {
        Ports ports;

        leave_worker(&ports, "1-1");
        plug(&ports, "1-1", "Second");
        run_until(&ports, &ports.broker.has_successor);
        ck_assert_uint_eq(ports.broker.n_taken, 1);
        end_worker(&ports);
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.taken, "1209:0001  Second");
        ck_assert_str_eq(ports.broker.base_name, "1209-0001-S");
        ck_assert_uint_eq(ports.broker.n_taken, 2);
        ports_done(&ports);
}
END_TEST

START_TEST(latest_of_several_disks_behind_another_is_taken) {
        Ports ports;

        leave_worker(&ports, "1-1");
        plug(&ports, "1-1", "Second");
        unplug(&ports, "1-1");
        plug(&ports, "1-1", "Third");
        run_until(&ports, &ports.broker.has_successor);
        end_worker(&ports);
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.taken, "1209:0001  Third");
        ck_assert_uint_eq(ports.broker.n_taken, 2);
        ports_done(&ports);
}
END_TEST

START_TEST(disk_that_did_not_stay_is_not_taken) {
        Ports ports;

        leave_worker(&ports, "1-1");
        plug(&ports, "1-1", "Second");
        run_until(&ports, &ports.broker.has_successor);
        unplug(&ports, "1-1");
        run_until(&ports, &ports.broker.has_unplugged);
        end_worker(&ports);
        run_until(&ports, &ports.broker.has_no_devices);
        ck_assert_uint_eq(ports.broker.n_taken, 1);
        ports_done(&ports);
}
END_TEST

/* Events may be lost: a device with another number is another device. */
START_TEST(disk_whose_removal_was_not_told_is_replaced) {
        Ports ports;

        ports_init(&ports, "good");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        vanish(&ports, "1-1");
        ports.broker.has_worker = false;
        plug(&ports, "1-1", "Second");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.taken, "1209:0001  Second");
        ck_assert_uint_eq(ports.broker.n_taken, 2);
        ports_done(&ports);
}
END_TEST

START_TEST(disk_keeps_its_name_in_another_port) {
        Ports ports;

        leave_worker(&ports, "1-1");
        ports.broker.has_worker = false;
        plug(&ports, "1-2", "First");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.base_name, "1209-0001-S");
        ports_done(&ports);
}
END_TEST

START_TEST(disk_that_cannot_be_taken_whole_is_given_back) {
        Ports ports;

        ports_init(&ports, "good");
        ports.is_held = true;
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_refusal);
        ck_assert_uint_eq(ports.broker.n_taken, 0);
        ck_assert_uint_ge(atomic_load(&ports.n_connected), N_INTERFACES - 1);
        ports_done(&ports);
}
END_TEST

START_TEST(second_disk_with_a_serial_is_named_after_its_port) {
        Ports ports;

        ports_init(&ports, "good");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        ports.broker.has_worker = false;
        plug(&ports, "1-2", "Second");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.base_name, "1209-0001-S-at-1-2");
        ports_done(&ports);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("device plugging");
        TCase *tcase = tcase_create("ports");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, disk_is_taken_once_and_ends_when_it_is_unplugged);
        tcase_add_test(tcase, disk_that_is_plugged_in_behind_another_is_taken);
        tcase_add_test(tcase, latest_of_several_disks_behind_another_is_taken);
        tcase_add_test(tcase, disk_that_did_not_stay_is_not_taken);
        tcase_add_test(tcase, disk_whose_removal_was_not_told_is_replaced);
        tcase_add_test(tcase, disk_keeps_its_name_in_another_port);
        tcase_add_test(tcase, disk_that_cannot_be_taken_whole_is_given_back);
        tcase_add_test(tcase, second_disk_with_a_serial_is_named_after_its_port);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
