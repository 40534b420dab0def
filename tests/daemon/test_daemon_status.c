/* What systemd hears, and when. It is a socket here; the devices are counts. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/virtual_event_loop.h"
#include "daemon_status.h"
#include "unit_test.h"

static int socket_fd;
static char folder[] = "/tmp/status.XXXXXX";
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static EventLoop *loop;
static DaemonStatus status;
static DeviceManagerCounts counts;
static DeviceObserver *observer;

/* In place of the device layer's. */
DeviceManagerCounts device_manager_get_counts(const DeviceManager *manager) { return counts; }

void device_manager_add_observer(DeviceManager *manager, DeviceObserver *added) {
        ck_assert_ptr_null(observer);
        observer = added;
}

void device_manager_remove_observer(DeviceManager *manager, DeviceObserver *removed) {
        ck_assert_ptr_eq(observer, removed);
        observer = NULL;
}

static void set_up(void) {
        ck_assert_ptr_nonnull(mkdtemp(folder));
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", folder);
        socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        ck_assert_int_eq(bind(socket_fd, (struct sockaddr *) &address, sizeof(address)), 0);
        setenv("NOTIFY_SOCKET", address.sun_path, 1);
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        counts = (DeviceManagerCounts){ .n_devices = 1, .n_exports = 2 };
}

static void tear_down(void) {
        daemon_status_done(&status);
        daemon_status_done(&status);
        ck_assert_ptr_null(observer);
        event_loop_free(loop);
        close(socket_fd);
        unlink(address.sun_path);
        rmdir(folder);
}

static void set_watchdog(uint64_t timeout_us, pid_t pid) {
        char text[32];

        snprintf(text, sizeof(text), "%llu", (unsigned long long) timeout_us);
        setenv("WATCHDOG_USEC", text, 1);
        snprintf(text, sizeof(text), "%d", (int) pid);
        setenv("WATCHDOG_PID", text, 1);
}

static void start(void) { ck_assert_int_eq(daemon_status_init(&status, loop, NULL), 0); }

static void run_for(uint64_t duration_ns) {
        uint64_t end_ns = event_loop_now_ns(loop) + duration_ns;

        ck_assert_int_eq(virtual_event_loop_run_until(loop, end_ns), 0);
}

/* NULL: nothing was told. */
static const char *hear(void) {
        static char text[512];
        ssize_t size = recv(socket_fd, text, sizeof(text) - 1, 0);

        if (size < 0)
                return NULL;
        text[size] = '\0';
        return text;
}

static void assert_heard(const char *expected) {
        const char *text = hear();

        ck_assert_msg(text, "nothing was told");
        ck_assert_str_eq(text, expected);
}

static void assert_silence(void) { ck_assert_ptr_null(hear()); }

static unsigned count_heard(void) {
        unsigned n = 0;

        while (hear())
                n++;
        return n;
}

START_TEST(readiness_comes_before_the_first_line) {
        start();
        assert_heard("READY=1");
        assert_heard("WATCHDOG=1\nSTATUS=1 disk, 2 exports");
        assert_silence();
}
END_TEST

START_TEST(sign_of_life_comes_often_enough) {
        static const struct {
                uint64_t watchdog_us, interval_ns;
                bool is_other_process;
        } cases[] = {
                { .interval_ns = 10 * NS_PER_S },
                { .watchdog_us = 30000000, .interval_ns = 10 * NS_PER_S },
                { .watchdog_us = 3000000, .interval_ns = NS_PER_S },
                { .watchdog_us = 600000000, .interval_ns = 10 * NS_PER_S },
                { .watchdog_us = 3000000, .interval_ns = 10 * NS_PER_S, .is_other_process = true },
        };
        const uint64_t watchdog_us = cases[_i].watchdog_us;

        if (watchdog_us > 0)
                set_watchdog(watchdog_us, cases[_i].is_other_process ? getppid() : getpid());
        start();
        ck_assert_uint_eq(count_heard(), 2);
        run_for(cases[_i].interval_ns);
        assert_silence();
        run_for(1);
        assert_heard("WATCHDOG=1\nSTATUS=1 disk, 2 exports");
        run_for(10 * cases[_i].interval_ns);
        ck_assert_uint_eq(count_heard(), 10);
}
END_TEST

/* While a device goes it is still counted. */
START_TEST(line_follows_what_comes_and_goes) {
        start();
        (void) count_heard();
        observer->handlers->device_added(1, observer->userdata);
        observer->handlers->lun_added(1, 0, observer->userdata);
        counts = (DeviceManagerCounts){ .n_devices = 2, .n_exports = 2 };
        run_for(1);
        assert_heard("WATCHDOG=1\nSTATUS=2 disks, 2 exports");
        observer->handlers->lun_changed(1, 0, observer->userdata);
        counts.n_exports = 3;
        run_for(1);
        assert_heard("WATCHDOG=1\nSTATUS=2 disks, 3 exports");
        observer->handlers->lun_removed(1, 0, observer->userdata);
        observer->handlers->device_removed(1, observer->userdata);
        counts = (DeviceManagerCounts){ .n_devices = 1, .n_exports = 1 };
        run_for(1);
        assert_heard("WATCHDOG=1\nSTATUS=1 disk, 1 export");
        assert_silence();
}
END_TEST

START_TEST(news_that_change_no_count_are_not_told) {
        start();
        (void) count_heard();
        observer->handlers->lun_changed(1, 0, observer->userdata);
        run_for(1);
        assert_silence();
}
END_TEST

START_TEST(reload_ends_with_readiness) {
        char reloading[64];

        run_for(5 * NS_PER_MS);
        start();
        (void) count_heard();
        daemon_status_reloading(&status);
        snprintf(reloading, sizeof(reloading), "RELOADING=1\nMONOTONIC_USEC=%llu",
                 (unsigned long long) (event_loop_now_ns(loop) / NS_PER_US));
        assert_heard(reloading);
        daemon_status_reloaded(&status);
        assert_heard("READY=1");
        assert_heard("WATCHDOG=1\nSTATUS=1 disk, 2 exports");
        assert_silence();
}
END_TEST

START_TEST(stop_asks_for_time_while_data_is_saved) {
        start();
        (void) count_heard();
        counts.is_saving = true;
        run_for(10 * NS_PER_S + 1);
        ck_assert_uint_eq(count_heard(), 1);

        counts = (DeviceManagerCounts){ .n_devices = 1, .n_exports = 2, .is_stopping = true };
        daemon_status_stopping(&status);
        assert_heard("STOPPING=1");
        assert_heard("WATCHDOG=1\nSTATUS=Stopping: 1 disk, 2 exports");
        assert_silence();
        counts.is_saving = true;
        for (unsigned i = 0; i < 3; i++) {
                run_for(10 * NS_PER_S + 1);
                assert_heard("WATCHDOG=1\nSTATUS=Stopping: 1 disk, 2 exports");
                assert_heard("EXTEND_TIMEOUT_USEC=60000000");
                assert_silence();
        }
}
END_TEST

START_TEST(failed_start_tells_why) {
        daemon_status_failed(-EADDRINUSE);
        assert_heard("STATUS=Can't start: Address already in use\nERRNO=98");
        assert_silence();
}
END_TEST

START_TEST(nothing_is_told_once_it_is_done) {
        start();
        daemon_status_done(&status);
        (void) count_heard();
        run_for(60 * NS_PER_S);
        assert_silence();
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                readiness_comes_before_the_first_line,  line_follows_what_comes_and_goes,
                news_that_change_no_count_are_not_told, reload_ends_with_readiness,
                stop_asks_for_time_while_data_is_saved, failed_start_tells_why,
                nothing_is_told_once_it_is_done,        NULL,
        };
        Suite *suite = suite_with_fixture("daemon status", set_up, tear_down, tests);
        TCase *intervals = tcase_create("intervals");

        tcase_add_checked_fixture(intervals, set_up, tear_down);
        tcase_add_loop_test(intervals, sign_of_life_comes_often_enough, 0, 5);
        suite_add_tcase(suite, intervals);
        return run_suite(suite);
}
