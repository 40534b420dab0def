#pragma once

/*
 * Broker
 *
 * A DeviceManager whose children are fake ones, and what its log told of them.
 */

#include "device/device_manager.h"
#include "fake_children.h"

typedef struct Broker {
        EventLoop *loop;
        FakeChildren children;
        char worker_path[128];
        char front_path[128];
        DeviceManager *manager;
        bool has_stopped;
        bool has_exports;
        bool has_no_devices;
        EventTimer poll;
        uint64_t n_restarts_logged;
        bool has_enough_restarts;
        bool has_lie;
        char taken[128]; /* the USB device that was taken last */
        unsigned n_taken;
        bool has_successor; /* something was plugged in where another's worker was still at work */
        bool has_unplugged;
        bool has_refusal;    /* a disk was left to the kernel */
        bool has_worker;     /* a device was brought up */
        char base_name[128]; /* of the device that was given to a worker last */
        pid_t worker_pid;    /* that brought a device up last */
} Broker;

/* Makes a manager whose children behave as `worker` and `front` say. */
void broker_prepare(Broker *broker, bool has_usb, const char *worker, const char *front);
/* The same, with a good front, and starts it. */
void broker_init(Broker *broker, bool has_usb, const char *worker);
void broker_done(Broker *broker);
int broker_simulate(Broker *broker);
