/*
 * sd-bus as a guest of our loop: a watch of its descriptor, a timer for its deadlines, and a
 * deferred call for what it has read already. All three lead to connection_process(), after which
 * descriptor, events and deadline are asked for anew.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "dbus/bus_connection.h"

struct BusConnection {
        EventLoop *loop; /* borrowed */
        char *address;   /* owned */
        char *name;      /* owned */
        const BusConnectionHandlers *handlers;
        void *userdata;
        sd_bus *bus;            /* owned; NULL: pausing */
        sd_bus_slot *name_slot; /* owned: the request of the name */
        uint64_t pause_ns;      /* before the next attempt */
        bool has_complained;    /* the next failures are not news */
        EventFd watch;
        EventTimer bus_timer; /* sd-bus's own deadline */
        EventTimer pause_timer;
        EventDefer turn;
};

uint64_t bus_connection_next_pause_ns(uint64_t pause_ns) {
        if (pause_ns == 0)
                return BUS_CONNECTION_PAUSE_MIN_NS;
        return MIN(pause_ns * 2, BUS_CONNECTION_PAUSE_MAX_NS);
}

static void connection_close(BusConnection *connection) {
        if (!connection->bus)
                return;
        connection->handlers->closed(connection, connection->userdata);
        event_fd_remove(&connection->watch);
        event_timer_clear(&connection->bus_timer);
        event_defer_cancel(&connection->turn);
        connection->name_slot = sd_bus_slot_unref(connection->name_slot);
        connection->bus = sd_bus_close_unref(connection->bus);
}

static void connection_lose(BusConnection *connection, int error) {
        connection_close(connection);
        connection->pause_ns = bus_connection_next_pause_ns(connection->pause_ns);
        if (!connection->has_complained)
                log_warning("There is no bus at %s, going on without and trying again: %s",
                            connection->address, strerror(-error));
        connection->has_complained = true;
        event_timer_set(&connection->pause_timer,
                        event_loop_now_ns(connection->loop) + connection->pause_ns);
}

/* sd-bus tells deadlines of CLOCK_MONOTONIC, where our loop's clock starts anywhere. */
static uint64_t deadline_from_bus(EventLoop *loop, uint64_t timeout_us) {
        struct timespec now;
        uint64_t now_us, left_us;
        int r;

        r = clock_gettime(CLOCK_MONOTONIC, &now);
        assert(r == 0);
        now_us = (uint64_t) now.tv_sec * (NS_PER_S / NS_PER_US) +
                 (uint64_t) now.tv_nsec / NS_PER_US;
        left_us = timeout_us > now_us ? timeout_us - now_us : 0;
        return event_loop_now_ns(loop) + left_us * NS_PER_US;
}

static int arm_timer(BusConnection *connection) {
        uint64_t timeout_us;
        int r;

        r = sd_bus_get_timeout(connection->bus, &timeout_us);
        if (r < 0)
                return r;
        if (timeout_us == UINT64_MAX)
                event_timer_clear(&connection->bus_timer);
        else if (timeout_us == 0)
                event_defer_schedule(&connection->turn);
        else
                event_timer_set(&connection->bus_timer,
                                deadline_from_bus(connection->loop, timeout_us));
        return 0;
}

static void on_watch(EventFd *watch, uint32_t events);

static int arm_watch(BusConnection *connection) {
        int events, fd;

        fd = sd_bus_get_fd(connection->bus);
        if (fd < 0)
                return fd;
        events = sd_bus_get_events(connection->bus);
        if (events < 0)
                return events;
        /* Until it is ready, the next of several addresses may be tried, with another descriptor
         * that may have the same number. */
        if (connection->watch.loop && sd_bus_is_ready(connection->bus) > 0 &&
            connection->watch.fd == fd) {
                event_fd_set_events(&connection->watch, (uint32_t) events);
                return 0;
        }
        event_fd_remove(&connection->watch);
        return event_fd_add(&connection->watch, connection->loop, fd, (uint32_t) events, on_watch);
}

static int connection_arm(BusConnection *connection) {
        uint64_t n_queued = 0;
        int r;

        if (sd_bus_is_open(connection->bus) <= 0)
                return -ENOTCONN;
        r = sd_bus_get_n_queued_write(connection->bus, &n_queued);
        if (r < 0)
                return r;
        if (n_queued > BUS_CONNECTION_QUEUE_MAX)
                return -EXFULL;
        r = arm_timer(connection);
        if (r < 0)
                return r;
        return arm_watch(connection);
}

static void connection_process(BusConnection *connection) {
        int r = 1;

        for (unsigned i = 0; i < BUS_CONNECTION_BATCH_MAX && r > 0; i++)
                r = sd_bus_process(connection->bus, NULL);
        if (r > 0)
                event_defer_schedule(&connection->turn);
        if (r >= 0)
                r = connection_arm(connection);
        if (r < 0)
                connection_lose(connection, r);
}

static void on_watch(EventFd *watch, uint32_t events) {
        connection_process(container_of(watch, BusConnection, watch));
}

static void on_bus_timer(EventTimer *timer) {
        connection_process(container_of(timer, BusConnection, bus_timer));
}

static int on_name(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        BusConnection *connection = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        uint32_t result = 0;

        if (error) {
                log_error("The name %s can't be had on the bus: %s", connection->name,
                          error->message);
                return 0;
        }
        connection->pause_ns = 0;
        connection->has_complained = false;
        if (sd_bus_message_read(reply, "u", &result) >= 0 && result == 2)
                log_warning("%s belongs to another process on the bus, waiting for its end",
                            connection->name);
        else
                log_info("Serving %s at %s", connection->name, connection->address);
        return 0;
}

static int open_bus(BusConnection *connection) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (strcmp(connection->address, "system") == 0)
                return sd_bus_open_system(&connection->bus);
        if (strcmp(connection->address, "session") == 0)
                return sd_bus_open_user(&connection->bus);
        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, connection->address);
        if (r < 0)
                return r;
        r = sd_bus_set_bus_client(bus, true);
        if (r < 0)
                return r;
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        connection->bus = TAKE_PTR(bus);
        return 0;
}

static int connection_open(BusConnection *connection) {
        int r;

        r = open_bus(connection);
        if (r < 0)
                return r;
        r = connection->handlers->opened(connection, connection->bus, connection->userdata);
        if (r < 0)
                return r;
        r = sd_bus_request_name_async(connection->bus, &connection->name_slot, connection->name,
                                      SD_BUS_NAME_QUEUE, on_name, connection);
        if (r < 0)
                return r;
        return connection_arm(connection);
}

static void connection_try(BusConnection *connection) {
        int r;

        r = connection_open(connection);
        if (r < 0)
                connection_lose(connection, r);
}

static void on_pause_timer(EventTimer *timer) {
        connection_try(container_of(timer, BusConnection, pause_timer));
}

static void on_turn(EventDefer *defer) {
        connection_process(container_of(defer, BusConnection, turn));
}

int bus_connection_new(BusConnection **ret, EventLoop *loop, const char *address, const char *name,
                       const BusConnectionHandlers *handlers, void *userdata) {
        _cleanup_(bus_connection_freep) BusConnection *connection = NULL;
        int r;

        connection = calloc(1, sizeof(*connection));
        if (!connection)
                return -ENOMEM;
        connection->loop = loop;
        connection->handlers = handlers;
        connection->userdata = userdata;
        connection->address = strdup(address);
        connection->name = strdup(name);
        if (!connection->address || !connection->name)
                return -ENOMEM;
        event_defer_init(&connection->turn, loop, on_turn);
        r = event_timer_init(&connection->bus_timer, loop, on_bus_timer);
        if (r < 0)
                return r;
        r = event_timer_init(&connection->pause_timer, loop, on_pause_timer);
        if (r < 0)
                return r;
        event_timer_set(&connection->pause_timer, event_loop_now_ns(loop));
        *ret = TAKE_PTR(connection);
        return 0;
}

BusConnection *bus_connection_free(BusConnection *connection) {
        if (!connection)
                return NULL;

        connection_close(connection);
        event_timer_done(&connection->bus_timer);
        event_timer_done(&connection->pause_timer);
        free(connection->address);
        free(connection->name);
        free(connection);
        return NULL;
}

sd_bus *bus_connection_get_bus(const BusConnection *connection) { return connection->bus; }

void bus_connection_wake(BusConnection *connection) {
        if (connection->bus)
                event_defer_schedule(&connection->turn);
}
