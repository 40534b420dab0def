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
        DeviceManagerOptions options;
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
        bool has_refusal;     /* a disk was left to the kernel */
        bool has_worker;      /* a device was brought up */
        char base_name[128];  /* of the device that was given to a worker last */
        pid_t worker_pid;     /* that brought a device up last */
        const char *awaited;  /* a part of a line of the log */
        bool has_awaited;     /* it was told */
        char lines[64 * KIB]; /* of the log */
} Broker;

/* Children behave as `worker` and `front` say. There is no manager yet: options can be changed. */
void broker_prepare(Broker *broker, bool has_usb, const char *worker, const char *front);
/* Makes the manager, which is not started. */
void broker_make(Broker *broker);
/* Starts the manager; makes it if there is none. */
void broker_start(Broker *broker);
/* All of it, with a good front. */
void broker_init(Broker *broker, bool has_usb, const char *worker);
void broker_done(Broker *broker);
int broker_simulate(Broker *broker);
/* Until a line of the log has `text` in it; counts from where broker_forget() was. */
void broker_run_until_told(Broker *broker, const char *text);
void broker_forget(Broker *broker);
bool broker_was_told(const Broker *broker, const char *text);
/* Kills the worker that brought a device up last, and waits for its successor to do so. */
void broker_replace_worker(Broker *broker);
/* The manager ends without a word, as by a crash; another may be prepared. */
void broker_crash(Broker *broker);
