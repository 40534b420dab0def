#pragma once

/*
 * DaemonStatus
 *
 * What systemd is told of the service, sd_notify(3): that it is ready, how it is, that it lives.
 * Where no systemd is nothing happens.
 */

#include "device/device_observer.h"

typedef struct DaemonStatus {
        EventLoop *loop;        /* borrowed */
        DeviceManager *manager; /* borrowed */
        DeviceObserver observer;
        EventDefer change;
        EventTimer timer;
        uint64_t interval_ns;
        DeviceManagerCounts told;
} DaemonStatus;

/* It is ready; what comes and goes is told from now on. `manager` must outlive it. */
int daemon_status_init(DaemonStatus *status, EventLoop *loop, DeviceManager *manager);
/* Harmless before init, and twice. */
void daemon_status_done(DaemonStatus *status);
void daemon_status_reloading(DaemonStatus *status);
void daemon_status_reloaded(DaemonStatus *status);
/* The manager has been told so. */
void daemon_status_stopping(DaemonStatus *status);
/* It never became ready: `error` (-errno) is why. */
void daemon_status_failed(int error);
