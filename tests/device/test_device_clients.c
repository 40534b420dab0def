/* Clients that are given one end of a pair: who has the other one, and what it can do. */

#include "device/device_clients.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "broker.h"
#include "device/device_view.h"
#include "unit_test.h"

static Broker broker;

static uint64_t start(const char *worker) {
        DeviceView view;

        broker_init(&broker, /* has_usb= */ false, worker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(device_manager_get_device(broker.manager, 0, &view));
        return view.id;
}

/* Waits for it: a descriptor that does not block would find nothing yet. */
static void expect_greeting(int fd, const char *greeting) {
        char bytes[64];
        ssize_t n;

        ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        n = read(fd, bytes, sizeof(bytes));
        ck_assert_int_eq(n, (ssize_t) strlen(greeting));
        ck_assert_int_eq(memcmp(bytes, greeting, (size_t) n), 0);
        fd_close(fd);
}

START_TEST(client_before_negotiation_is_the_fronts) {
        uint64_t id = start("good");
        LunView lun;
        char line[64];
        int fd;

        ck_assert(device_manager_get_lun(broker.manager, id, 0, &lun));
        snprintf(line, sizeof(line), "negotiates about export %u", (unsigned) lun.generation);
        ck_assert_int_eq(device_manager_connect(broker.manager, id, 0, &fd), 0);
        broker_run_until_told(&broker, line);
        expect_greeting(fd, "front");
        broker_done(&broker);
}
END_TEST

START_TEST(client_in_transmission_phase_is_the_workers) {
        uint64_t id = start("good");
        NbdExportInfo info;
        int fd;

        ck_assert_int_eq(device_manager_attach(broker.manager, id, 0, &fd, &info), 0);
        ck_assert_uint_eq(info.size, 512);
        ck_assert_uint_eq(info.transmission_flags & NBD_FLAG_HAS_FLAGS, NBD_FLAG_HAS_FLAGS);
        ck_assert_uint_eq(info.transmission_flags & NBD_FLAG_SEND_DF, 0);
        broker_run_until_told(&broker, "serves export 1"); /* by the worker's own numbering */
        ck_assert(!broker_was_told(&broker, "in structures"));
        expect_greeting(fd, "good");
        broker_done(&broker);
}
END_TEST

static int connect_to(uint64_t id, unsigned lun) {
        NbdExportInfo info;
        int fd = -1, r;

        r = device_manager_connect(broker.manager, id, lun, &fd);
        ck_assert_int_eq(device_manager_attach(broker.manager, id, lun, &fd, &info), r);
        ck_assert_int_eq(fd, -1);
        return r;
}

START_TEST(what_is_not_exported_has_no_clients) {
        uint64_t id = start("good");

        ck_assert_int_eq(connect_to(id + 1, 0), -ENODEV);
        ck_assert_int_eq(connect_to(id, CONTROL_LUNS_MAX), -ENODEV);
        ck_assert_int_eq(connect_to(id, UINT32_MAX), -ENODEV);
        ck_assert_int_eq(connect_to(id, 1), -EHOSTDOWN);
        broker_done(&broker);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                client_before_negotiation_is_the_fronts,
                client_in_transmission_phase_is_the_workers,
                what_is_not_exported_has_no_clients,
                NULL,
        };

        return run_suite(suite_of("device_clients", tests));
}
