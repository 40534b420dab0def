/*
 * An inhibitor is a descriptor: the host may sleep when it is closed, or when logind's patience
 * (InhibitDelayMaxSec) is over, so that nobody has to be asked how long. Its match comes before the
 * question, and it is asked for again whenever logind comes.
 */

#include "dbus/bus_sleep.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "device/device_sleep.h"

#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER LOGIND_NAME ".Manager"
/* Longer than anybody has told logind to wait, and than a worker needs to flush at its end: a device
 * that hangs does not keep a host without patience awake for ever. */
#define FLUSH_TIMEOUT_NS (120 * NS_PER_S)

struct BusSleep {
        BusService *service;      /* borrowed */
        sd_bus_slot *call;        /* owned: the inhibitor is being asked for */
        int inhibitor;            /* owned; negative: none */
        DeviceSleep *preparation; /* owned; NULL: the host does not go to sleep */
        uint64_t start_ns;
        EventTimer timer; /* the patience with devices */
};

static void release(BusSleep *sleep) {
        sleep->preparation = device_sleep_free(sleep->preparation);
        event_timer_clear(&sleep->timer);
        sleep->inhibitor = fd_close(sleep->inhibitor);
}

static int on_inhibited(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        BusSleep *sleep = userdata;
        int fd, r;

        sleep->call = sd_bus_slot_unref(sleep->call);
        if (sd_bus_message_is_method_error(reply, NULL)) {
                log_debug("The host's sleep can't be delayed, ignoring: %s",
                          sd_bus_message_get_error(reply)->message);
                return 0;
        }
        r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return 0;
        fd_close(sleep->inhibitor);
        sleep->inhibitor = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        log_debug("The host's sleep waits for what is cached");
        return 0;
}

/* Who has none is not started for this. */
static void inhibit(BusSleep *sleep, sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        sleep->call = sd_bus_slot_unref(sleep->call);
        r = sd_bus_message_new_method_call(bus, &message, LOGIND_NAME, LOGIND_PATH, LOGIND_MANAGER,
                                           "Inhibit");
        if (r >= 0)
                r = sd_bus_message_append(message, "ssss", "sleep", "usb-storaged",
                                          "Writing what is cached to USB disks", "delay");
        if (r >= 0)
                r = sd_bus_message_set_auto_start(message, false);
        if (r >= 0)
                r = sd_bus_call_async(bus, &sleep->call, message, on_inhibited, sleep, 0);
        if (r < 0)
                log_debug("The host's sleep can't be delayed, ignoring: %s", strerror(-r));
        bus_connection_wake(sleep->service->connection);
}

static void on_ready(DeviceSleep *preparation, unsigned n_failed, void *userdata) {
        BusSleep *sleep = userdata;
        uint64_t time_ns = event_loop_now_ns(sleep->service->loop) - sleep->start_ns;

        if (n_failed > 0)
                log_warning("The host goes to sleep, and %u devices could not be flushed",
                            n_failed);
        else
                log_notice("The host may sleep: all is written, in %llu ms",
                           (unsigned long long) (time_ns / NS_PER_MS));
        release(sleep);
}

static void on_timer(EventTimer *timer) {
        BusSleep *sleep = container_of(timer, BusSleep, timer);

        log_warning("The host goes to sleep before all is written");
        release(sleep);
}

static void prepare(BusSleep *sleep) {
        uint64_t now_ns = event_loop_now_ns(sleep->service->loop);

        if (sleep->preparation)
                return;
        log_notice("The host is about to sleep: writing what is cached");
        sleep->start_ns = now_ns;
        if (device_sleep_new(&sleep->preparation, sleep->service->loop, sleep->service->manager,
                             on_ready, sleep) < 0) {
                log_error("No memory to write what is cached before the host sleeps");
                release(sleep);
                return;
        }
        event_timer_set(&sleep->timer, now_ns + FLUSH_TIMEOUT_NS);
}

static int on_prepare_for_sleep(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        BusSleep *sleep = userdata;
        int is_about_to;

        if (sd_bus_message_read(signal, "b", &is_about_to) < 0)
                return 0;
        if (is_about_to) {
                prepare(sleep);
                return 0;
        }
        log_notice("The host has woken: looking for devices");
        release(sleep);
        inhibit(sleep, sd_bus_message_get_bus(signal));
        device_manager_rescan(sleep->service->manager);
        return 0;
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        BusSleep *sleep = userdata;
        const char *name, *former, *owner;

        if (sd_bus_message_read(signal, "sss", &name, &former, &owner) < 0)
                return 0;
        if (owner[0] != '\0')
                inhibit(sleep, sd_bus_message_get_bus(signal));
        else
                release(sleep);
        return 0;
}

int bus_sleep_attach(BusService *service, sd_bus *bus) {
        BusSleep *sleep = service->sleep;
        int r;

        r = sd_bus_match_signal_async(bus, bus_service_add_slot(service), LOGIND_NAME, LOGIND_PATH,
                                      LOGIND_MANAGER, "PrepareForSleep", on_prepare_for_sleep, NULL,
                                      sleep);
        if (r < 0)
                return r;
        r = sd_bus_add_match_async(bus, bus_service_add_slot(service),
                                   "type='signal',sender='org.freedesktop.DBus',"
                                   "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                                   "member='NameOwnerChanged',arg0='" LOGIND_NAME "'",
                                   on_owner_changed, NULL, sleep);
        if (r < 0)
                return r;
        inhibit(sleep, bus);
        return 0;
}

void bus_sleep_detach(BusSleep *sleep) {
        sleep->call = sd_bus_slot_unref(sleep->call);
        release(sleep);
}

int bus_sleep_new(BusSleep **ret, BusService *service) {
        _cleanup_(freep) BusSleep *sleep = calloc(1, sizeof(*sleep));
        int r;

        if (!sleep)
                return -ENOMEM;
        sleep->service = service;
        sleep->inhibitor = -EBADF;
        r = event_timer_init(&sleep->timer, service->loop, on_timer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(sleep);
        return 0;
}

BusSleep *bus_sleep_free(BusSleep *sleep) {
        if (!sleep)
                return NULL;

        bus_sleep_detach(sleep);
        event_timer_done(&sleep->timer);
        free(sleep);
        return NULL;
}
