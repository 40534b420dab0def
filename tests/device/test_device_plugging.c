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

#define N_DEVICES_MAX 3
/* Longer than any test. */
#define PARK_TIMEOUT_MS 600000

static void ports_init(Ports *ports, const char *worker) {
        *ports = (Ports){
                .testbed = umockdev_testbed_new(),
                .usbfs = umockdev_ioctl_base_new(),
        };
        g_signal_connect(ports->usbfs, "handle-ioctl", G_CALLBACK(on_usbfs_ioctl), ports);
        broker_prepare(&ports->broker, /* has_usb= */ true, worker, "front");
        ports->broker.options.cache.park_timeout_ms = PARK_TIMEOUT_MS;
        ports->broker.options.n_devices_max = N_DEVICES_MAX;
        broker_start(&ports->broker);
}

static void ports_done(Ports *ports) {
        broker_done(&ports->broker);
        ck_assert(!broker_was_told(&ports->broker, "lun0.2.orphan"));
        g_object_unref(ports->testbed);
        g_object_unref(ports->usbfs);
}

/* A device as USB makes it: it is there before its interfaces are. */
static void plug_version(Ports *ports, const char *port, const char *product, const char *serial,
                         unsigned version) {
        unsigned number = ++ports->device_number;
        char text[512], path[64], name[32], index[8];

        snprintf(text, sizeof(text),
                 "P: /devices/%s\nN: bus/usb/001/%03u\nE: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n"
                 "E: DEVNAME=/dev/bus/usb/001/%03u\nA: idVendor=1209\nA: idProduct=0001\n"
                 "A: bcdDevice=%04x\nA: serial=%s\nA: product=%s\n\n",
                 port, number, number, version, serial, product);
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

static void plug_serial(Ports *ports, const char *port, const char *product, const char *serial) {
        plug_version(ports, port, product, serial, 0x100);
}

static void plug(Ports *ports, const char *port, const char *product) {
        plug_serial(ports, port, product, "S");
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

/* What it left may be newer than what is on the disk. */
START_TEST(disk_keeps_its_name_in_another_port_and_waits) {
        Ports ports;

        leave_worker(&ports, "1-1");
        plug(&ports, "1-2", "First");
        run_until(&ports, &ports.broker.has_successor);
        ck_assert_uint_eq(ports.broker.n_taken, 1);
        end_worker(&ports);
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.base_name, "1209-0001-S");
        ck_assert_uint_eq(ports.broker.n_taken, 2);
        ports_done(&ports);
}
END_TEST

/* Of one model with one serial, as cheap ones have. */
START_TEST(each_of_two_equal_disks_that_moved_is_taken) {
        pid_t pid;
        Ports ports;

        ports_init(&ports, "lingers");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        pid = ports.broker.worker_pid;
        ports.broker.has_worker = false;
        plug(&ports, "1-2", "Second");
        run_until(&ports, &ports.broker.has_worker);
        unplug(&ports, "1-1");
        unplug(&ports, "1-2");

        plug(&ports, "1-3", "First");
        broker_run_until_told(&ports.broker, "First waits until");
        plug(&ports, "1-4", "Second");
        broker_run_until_told(&ports.broker, "Second waits until");
        broker_forget(&ports.broker);
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        end_worker(&ports);
        broker_run_until_told(&ports.broker, "taking 1209:0001  First");
        broker_run_until_told(&ports.broker, "taking 1209:0001  Second");
        ck_assert_uint_eq(ports.broker.n_taken, 4);
        ports_done(&ports);
}
END_TEST

static void park(Ports *ports, const char *worker) {
        ports_init(ports, worker);
        plug(ports, "1-1", "First");
        run_until(ports, &ports->broker.has_worker);
        unplug(ports, "1-1");
        broker_run_until_told(&ports->broker, "is gone, and waited for");
        ports->broker.has_worker = false;
        broker_forget(&ports->broker);
}

START_TEST(parked_disk_is_resumed_in_another_port) {
        Ports ports;
        pid_t pid;

        park(&ports, "parks");
        pid = ports.broker.worker_pid;
        ck_assert_uint_eq(device_manager_get_counts(ports.broker.manager).n_exports, 1);
        plug(&ports, "1-2", "First");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "resumed as 1-2, serial S, restart 1"));
        ck_assert_int_eq(ports.broker.worker_pid, pid);
        ck_assert_uint_eq(ports.broker.n_taken, 1);
        ck_assert_uint_eq(device_manager_get_counts(ports.broker.manager).n_exports, 1);
        ck_assert(!broker_was_told(&ports.broker, "waits until"));

        /* And it is known there. */
        broker_forget(&ports.broker);
        unplug(&ports, "1-2");
        ports.broker.has_no_devices = false;
        run_until(&ports, &ports.broker.has_no_devices);
        ports_done(&ports);
}
END_TEST

/* The worker, which told of it just before, does not tell of it again. */
START_TEST(export_that_was_told_of_as_its_disk_went_is_there) {
        Ports ports;

        park(&ports, "parks,dawdles");
        ck_assert_uint_eq(device_manager_get_counts(ports.broker.manager).n_exports, 1);
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "resumed as 1-1"));
        ck_assert_uint_eq(device_manager_get_counts(ports.broker.manager).n_exports, 1);
        ports_done(&ports);
}
END_TEST

/* The plug was loose: the worker has not answered yet. */
START_TEST(disk_that_is_back_at_once_is_resumed) {
        Ports ports;

        ports_init(&ports, "parks");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        ports.broker.has_worker = false;
        unplug(&ports, "1-1");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "resumed as 1-1, serial S, restart 1"));
        ck_assert_uint_eq(ports.broker.n_taken, 1);
        ports_done(&ports);
}
END_TEST

START_TEST(port_of_a_parked_disk_is_free_for_others) {
        Ports ports;

        park(&ports, "parks");
        plug_serial(&ports, "1-1", "Other", "T");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.base_name, "1209-0001-T");
        ck_assert_uint_eq(device_manager_get_counts(ports.broker.manager).n_devices, 2);

        /* The first one comes back elsewhere, while its port is taken. */
        ports.broker.has_worker = false;
        plug(&ports, "1-3", "First");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "resumed as 1-3"));
        ck_assert_uint_eq(device_manager_get_counts(ports.broker.manager).n_devices, 2);
        ports_done(&ports);
}
END_TEST

/* The one that went first is not meant. */
START_TEST(disk_that_goes_from_the_port_of_a_parked_one_is_missed) {
        Ports ports;

        park(&ports, "parks");
        plug_serial(&ports, "1-1", "Other", "T");
        run_until(&ports, &ports.broker.has_worker);
        unplug(&ports, "1-1");
        broker_run_until_told(&ports.broker, "is gone, and waited for");
        ports_done(&ports);
}
END_TEST

/* Without a serial number the port is all there is. */
START_TEST(disk_without_a_serial_is_resumed_in_its_port_alone) {
        Ports ports;

        ports_init(&ports, "parks");
        plug_serial(&ports, "1-1", "First", "");
        run_until(&ports, &ports.broker.has_worker);
        unplug(&ports, "1-1");
        broker_run_until_told(&ports.broker, "is gone, and waited for");
        ports.broker.has_worker = false;
        plug_serial(&ports, "1-2", "First", "");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.base_name, "1209-0001-1-2");
        ck_assert(!broker_was_told(&ports.broker, "resumed"));

        ports.broker.has_worker = false;
        plug_serial(&ports, "1-1", "First", "");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "resumed as 1-1"));
        ports_done(&ports);
}
END_TEST

START_TEST(worker_that_does_not_know_the_disk_is_replaced) {
        Ports ports;
        char text[64];

        park(&ports, "parks,rejects");
        snprintf(text, sizeof(text), "remains of %d, LUNs 1", (int) ports.broker.worker_pid);
        plug(&ports, "1-1", "Second");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "resumed as 1-1"));
        ck_assert(broker_was_told(&ports.broker, "drives 1209-0001-S"));
        ck_assert(broker_was_told(&ports.broker, text));
        ports_done(&ports);
}
END_TEST

START_TEST(cache_of_a_parked_worker_that_dies_is_saved) {
        Ports ports;

        park(&ports, "parks");
        ports.broker.has_no_devices = false;
        kill(ports.broker.worker_pid, SIGKILL);
        broker_run_until_told(&ports.broker, "is kept in");
        ck_assert(broker_was_told(&ports.broker, "1209-0001-S-lun0.1.orphan"));
        run_until(&ports, &ports.broker.has_no_devices);
        ck_assert_uint_eq(device_manager_get_counts(ports.broker.manager).n_exports, 0);

        /* It is given back with the disk. */
        broker_forget(&ports.broker);
        plug(&ports, "1-4", "First");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "remains of"));
        broker_run_until_told(&ports.broker, "was given back");
        ports_done(&ports);
}
END_TEST

START_TEST(parked_disk_is_stopped_with_the_service) {
        Ports ports;

        park(&ports, "parks,saves");
        ports_done(&ports);
}
END_TEST

START_TEST(cache_of_a_disk_that_goes_is_saved) {
        Ports ports;

        ports_init(&ports, "saves");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        unplug(&ports, "1-1");
        broker_run_until_told(&ports.broker, "saved LUNs 1: Success");
        ports.broker.has_no_devices = false;
        run_until(&ports, &ports.broker.has_no_devices);
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

/* The name of a disk that was in a port goes with it, and the next one there is another. */
START_TEST(disk_in_a_port_that_gave_its_name_away_has_a_name_of_its_own) {
        Ports ports;

        ports_init(&ports, "parks");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        ports.broker.has_worker = false;
        plug(&ports, "1-2", "Second");
        run_until(&ports, &ports.broker.has_worker);
        unplug(&ports, "1-2");
        broker_run_until_told(&ports.broker, "is gone, and waited for");
        ports.broker.has_worker = false;
        plug(&ports, "1-3", "Second");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "resumed as 1-3"));

        ports.broker.has_worker = false;
        plug(&ports, "1-2", "Third");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert_str_eq(ports.broker.base_name, "1209-0001-S-at-1-2-2");
        ports_done(&ports);
}
END_TEST

/* Plugs the disk in, and out again when its worker has told what it knows. */
static void show(Ports *ports, unsigned version, const char *expected) {
        Broker *broker = &ports->broker;

        broker_forget(broker);
        broker->has_worker = false;
        plug_version(ports, "1-1", "First", "S", version);
        run_until(ports, &broker->has_worker);
        ck_assert(broker_was_told(broker, expected));
        unplug(ports, "1-1");
        broker->has_no_devices = false;
        run_until(ports, &broker->has_no_devices);
}

static void get_learned_path(const Ports *ports, char *ret, size_t size) {
        snprintf(ret, size, "%s/learned/1209-0001-0100-S", ports->broker.children.folder);
}

START_TEST(what_a_disk_taught_is_known_until_its_file_is_deleted) {
        char path[192];
        Ports ports;

        ports_init(&ports, "learns");
        get_learned_path(&ports, path, sizeof(path));
        show(&ports, 0x100, "knows facts 0\n");
        ck_assert_int_eq(access(path, F_OK), 0);
        show(&ports, 0x100, "knows facts 2\n");
        /* Another version may have other faults. */
        show(&ports, 0x101, "knows facts 0\n");

        broker_crash(&ports.broker);
        broker_start(&ports.broker);
        show(&ports, 0x100, "knows facts 2\n");
        ck_assert_int_eq(unlink(path), 0);
        show(&ports, 0x100, "knows facts 0\n");
        ports_done(&ports);
}
END_TEST

START_TEST(a_parked_disk_comes_back_with_what_it_taught) {
        Ports ports;

        park(&ports, "parks,learns");
        plug(&ports, "1-2", "First");
        run_until(&ports, &ports.broker.has_worker);
        ck_assert(broker_was_told(&ports.broker, "resumed as 1-2"));
        ck_assert(broker_was_told(&ports.broker, "knows facts 2\n"));
        ports_done(&ports);
}
END_TEST

START_TEST(cache_that_was_saved_is_not_saved_again) {
        Ports ports;

        ports_init(&ports, "saves,dies");
        plug(&ports, "1-1", "First");
        run_until(&ports, &ports.broker.has_worker);
        unplug(&ports, "1-1");
        broker_run_until_told(&ports.broker, "saved LUNs 1: Success");
        ports.broker.has_no_devices = false;
        run_until(&ports, &ports.broker.has_no_devices);
        ports_done(&ports);
}
END_TEST

/* A service that notes what it takes has a disk. */
static void take_noted(Ports *ports, bool keeps_taken) {
        static char folder[192];

        ports_init(ports, "good");
        snprintf(folder, sizeof(folder), "%s/taken", ports->broker.children.folder);
        ports->broker.options.taken_dir = folder;
        ports->broker.options.keeps_taken = keeps_taken;
        broker_crash(&ports->broker);
        broker_start(&ports->broker);
        plug(ports, "1-1", "First");
        run_until(ports, &ports->broker.has_worker);
}

static void stop_service(Ports *ports) {
        device_manager_stop(ports->broker.manager);
        run_until(ports, &ports->broker.has_stopped);
        ports->broker.has_stopped = false;
}

/* After a stop, a crash, or a removal. */
static void start_next(Ports *ports) {
        ports->broker.has_worker = false;
        broker_forget(&ports->broker);
        broker_crash(&ports->broker);
        broker_start(&ports->broker);
}

START_TEST(disk_of_a_service_that_died_is_the_next_ones) {
        Ports ports;

        take_noted(&ports, /* keeps_taken= */ false);
        start_next(&ports);
        run_until(&ports, &ports.broker.has_worker);
        ports_done(&ports);
}
END_TEST

START_TEST(disk_of_a_service_that_stopped_is_the_next_ones_where_it_is_kept) {
        const bool keeps_taken = _i != 0;
        Ports ports;

        take_noted(&ports, keeps_taken);
        stop_service(&ports);
        start_next(&ports);
        if (keeps_taken)
                run_until(&ports, &ports.broker.has_worker);
        else
                ck_assert(broker_was_told(&ports.broker, "the kernel keeps it"));
        ports_done(&ports);
}
END_TEST

START_TEST(disk_that_was_plugged_in_between_two_services_is_the_kernels) {
        Ports ports;

        take_noted(&ports, /* keeps_taken= */ true);
        stop_service(&ports);
        vanish(&ports, "1-1");
        plug(&ports, "1-1", "First");
        start_next(&ports);
        ck_assert(broker_was_told(&ports.broker, "the kernel keeps it"));
        ports_done(&ports);
}
END_TEST

START_TEST(disk_that_goes_takes_its_note_with_it) {
        Ports ports;

        take_noted(&ports, /* keeps_taken= */ true);
        ports.broker.has_no_devices = false;
        unplug(&ports, "1-1");
        run_until(&ports, &ports.broker.has_no_devices);
        ck_assert_int_eq(rmdir(ports.broker.options.taken_dir), 0);
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
        tcase_add_test(tcase, disk_keeps_its_name_in_another_port_and_waits);
        tcase_add_test(tcase, each_of_two_equal_disks_that_moved_is_taken);
        tcase_add_test(tcase, parked_disk_is_resumed_in_another_port);
        tcase_add_test(tcase, export_that_was_told_of_as_its_disk_went_is_there);
        tcase_add_test(tcase, disk_that_is_back_at_once_is_resumed);
        tcase_add_test(tcase, port_of_a_parked_disk_is_free_for_others);
        tcase_add_test(tcase, cache_that_was_saved_is_not_saved_again);
        tcase_add_test(tcase, what_a_disk_taught_is_known_until_its_file_is_deleted);
        tcase_add_test(tcase, a_parked_disk_comes_back_with_what_it_taught);
        tcase_add_test(tcase, disk_that_goes_from_the_port_of_a_parked_one_is_missed);
        tcase_add_test(tcase, disk_without_a_serial_is_resumed_in_its_port_alone);
        tcase_add_test(tcase, worker_that_does_not_know_the_disk_is_replaced);
        tcase_add_test(tcase, cache_of_a_parked_worker_that_dies_is_saved);
        tcase_add_test(tcase, parked_disk_is_stopped_with_the_service);
        tcase_add_test(tcase, cache_of_a_disk_that_goes_is_saved);
        tcase_add_test(tcase, disk_that_cannot_be_taken_whole_is_given_back);
        tcase_add_test(tcase, second_disk_with_a_serial_is_named_after_its_port);
        tcase_add_test(tcase, disk_in_a_port_that_gave_its_name_away_has_a_name_of_its_own);
        tcase_add_test(tcase, disk_of_a_service_that_died_is_the_next_ones);
        tcase_add_loop_test(tcase, disk_of_a_service_that_stopped_is_the_next_ones_where_it_is_kept,
                            0, 2);
        tcase_add_test(tcase, disk_that_was_plugged_in_between_two_services_is_the_kernels);
        tcase_add_test(tcase, disk_that_goes_takes_its_note_with_it);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
