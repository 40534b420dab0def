/* A line and a sign of life, at intervals and when a count has changed: see daemon_status.h. */

#include <string.h>
#include <systemd/sd-daemon.h>

#include "daemon_status.h"

/* How often systemd is told how we are, where it did not ask for more. */
#define INTERVAL_NS (10 * NS_PER_S)
/* So much longer systemd waits for a stop, each time that it is told. */
#define STOP_EXTENSION_NS (60 * NS_PER_S)

static void tell(DaemonStatus *status) {
        DeviceManagerCounts counts = device_manager_get_counts(status->manager);

        sd_notifyf(/* unset_environment= */ 0, "WATCHDOG=1\nSTATUS=%s%u disk%s, %u export%s",
                   counts.is_stopping ? "Stopping: " : "", counts.n_devices,
                   counts.n_devices == 1 ? "" : "s", counts.n_exports,
                   counts.n_exports == 1 ? "" : "s");
        /* A slow disk is no reason to lose what is being written to it. */
        if (counts.is_stopping && counts.is_saving)
                sd_notifyf(/* unset_environment= */ 0, "EXTEND_TIMEOUT_USEC=%llu",
                           (unsigned long long) (STOP_EXTENSION_NS / NS_PER_US));
        status->told = counts;
        event_timer_set(&status->timer, event_loop_now_ns(status->loop) + status->interval_ns);
}

static void on_timer(EventTimer *timer) { tell(container_of(timer, DaemonStatus, timer)); }

static void on_change(EventDefer *defer) {
        DaemonStatus *status = container_of(defer, DaemonStatus, change);
        DeviceManagerCounts counts = device_manager_get_counts(status->manager);

        if (counts.n_devices != status->told.n_devices ||
            counts.n_exports != status->told.n_exports)
                tell(status);
}

/* A device that goes is counted until all have been told. */
static void on_device(uint64_t id, void *userdata) {
        DaemonStatus *status = userdata;

        event_defer_schedule(&status->change);
}

static void on_lun(uint64_t id, unsigned lun, void *userdata) { on_device(id, userdata); }

static uint64_t choose_interval_ns(void) {
        uint64_t watchdog_us = 0;

        if (sd_watchdog_enabled(/* unset_environment= */ 0, &watchdog_us) <= 0)
                return INTERVAL_NS;
        return MIN(INTERVAL_NS, watchdog_us * NS_PER_US / 3);
}

int daemon_status_init(DaemonStatus *status, EventLoop *loop, DeviceManager *manager) {
        static const DeviceObserverHandlers handlers = {
                .device_added = on_device,
                .device_removed = on_device,
                .lun_added = on_lun,
                .lun_changed = on_lun,
                .lun_removed = on_lun,
        };
        int r;

        r = event_timer_init(&status->timer, loop, on_timer);
        if (r < 0)
                return r;
        event_defer_init(&status->change, loop, on_change);
        status->loop = loop;
        status->manager = manager;
        status->interval_ns = choose_interval_ns();
        status->observer.handlers = &handlers;
        status->observer.userdata = status;
        device_manager_add_observer(manager, &status->observer);
        sd_notify(/* unset_environment= */ 0, "READY=1");
        tell(status);
        return 0;
}

void daemon_status_done(DaemonStatus *status) {
        if (!status->loop)
                return;
        device_manager_remove_observer(status->manager, &status->observer);
        event_defer_cancel(&status->change);
        event_timer_done(&status->timer);
        status->loop = NULL;
}

void daemon_status_reloading(DaemonStatus *status) {
        sd_notifyf(/* unset_environment= */ 0, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long) (event_loop_now_ns(status->loop) / NS_PER_US));
}

void daemon_status_reloaded(DaemonStatus *status) {
        sd_notify(/* unset_environment= */ 0, "READY=1");
        tell(status);
}

void daemon_status_stopping(DaemonStatus *status) {
        sd_notify(/* unset_environment= */ 0, "STOPPING=1");
        tell(status);
}

void daemon_status_failed(int error) {
        sd_notifyf(/* unset_environment= */ 0, "STATUS=Can't start: %s\nERRNO=%d", strerror(-error),
                   -error);
}
