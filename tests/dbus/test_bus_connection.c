/* What a connection does where there is no bus; with one it is tested in connection.py. */

#include <errno.h>

#include "base/log.h"
#include "base/virtual_event_loop.h"
#include "dbus/bus_connection.h"
#include "unit_test.h"

static int on_opened(BusConnection *connection, sd_bus *bus, void *userdata) {
        ck_abort_msg("there is no bus to open");
        return 0;
}

static void on_closed(BusConnection *connection, void *userdata) {}

static const BusConnectionHandlers handlers = { .opened = on_opened, .closed = on_closed };

static void count_warnings(const LogRecord *record, void *userdata) {
        unsigned *n_warnings = userdata;

        *n_warnings += record->level == LOG_LEVEL_WARNING;
}

START_TEST(pauses_double_up_to_the_longest) {
        uint64_t pause_ns = 0, former_ns;

        pause_ns = bus_connection_next_pause_ns(pause_ns);
        ck_assert_uint_eq(pause_ns, BUS_CONNECTION_PAUSE_MIN_NS);
        for (unsigned i = 0; i < 64; i++) {
                former_ns = pause_ns;
                pause_ns = bus_connection_next_pause_ns(pause_ns);
                ck_assert_uint_eq(pause_ns, MIN(former_ns * 2, BUS_CONNECTION_PAUSE_MAX_NS));
        }
        ck_assert_uint_eq(pause_ns, BUS_CONNECTION_PAUSE_MAX_NS);
}
END_TEST

START_TEST(missing_bus_is_tried_for_ever_and_told_once) {
        BusConnection *connection;
        unsigned n_warnings = 0;
        EventLoop *loop;
        uint64_t start_ns;

        log_set_sink(count_warnings, &n_warnings);
        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        ck_assert_int_eq(bus_connection_new(&connection, loop, "unix:path=/nonexistent/bus",
                                            "org.orion.Test", &handlers, NULL),
                         0);
        start_ns = event_loop_now_ns(loop);
        for (unsigned i = 0; i < 20; i++)
                ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        ck_assert_ptr_null(bus_connection_get_bus(connection));
        ck_assert_uint_gt(event_loop_now_ns(loop) - start_ns, BUS_CONNECTION_PAUSE_MAX_NS);
        ck_assert_uint_eq(n_warnings, 1);
        bus_connection_free(connection);
        event_loop_free(loop);
}
END_TEST

START_TEST(address_that_is_none_is_like_a_missing_bus) {
        BusConnection *connection;
        unsigned n_warnings = 0;
        EventLoop *loop;

        log_set_sink(count_warnings, &n_warnings);
        ck_assert_int_eq(virtual_event_loop_new(&loop), 0);
        ck_assert_int_eq(bus_connection_new(&connection, loop, "nonsense=1", "org.orion.Test",
                                            &handlers, NULL),
                         0);
        for (unsigned i = 0; i < 5; i++)
                ck_assert_int_eq(event_loop_run_once(loop, /* may_wait= */ true), 1);
        ck_assert_uint_eq(n_warnings, 1);
        bus_connection_free(connection);
        event_loop_free(loop);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                pauses_double_up_to_the_longest,
                missing_bus_is_tried_for_ever_and_told_once,
                address_that_is_none_is_like_a_missing_bus,
                NULL,
        };

        return run_suite(suite_of("bus_connection", tests));
}
