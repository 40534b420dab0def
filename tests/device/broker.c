/* See broker.h. */

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "broker.h"

static void on_stopped(DeviceManager *manager, void *userdata) {
        ((Broker *) userdata)->has_stopped = true;
}

static void on_poll(EventTimer *timer) {
        Broker *broker = container_of(timer, Broker, poll);
        DeviceManagerCounts counts = device_manager_get_counts(broker->manager);

        broker->has_exports = counts.n_exports > 0;
        broker->has_no_devices = counts.n_devices == 0;
        event_timer_set(timer, event_loop_now_ns(broker->loop) + 10 * NS_PER_MS);
}

static void on_log(const LogRecord *record, void *userdata) {
        Broker *broker = userdata;
        int pid;

        if (sscanf(record->message, "taking %127[^\n]", broker->taken) == 1)
                broker->n_taken++;
        if (sscanf(record->message, "is driven by process %d", &pid) == 1) {
                broker->has_worker = true;
                broker->worker_pid = pid;
        }
        sscanf(record->message, "drives %127s", broker->base_name);
        if (strstr(record->message, "starting another in"))
                broker->has_enough_restarts = ++broker->n_restarts_logged >= 3;
        if (strstr(record->message, "told of an export that is not its own"))
                broker->has_lie = true;
        if (strstr(record->message, "until the former is done with"))
                broker->has_successor = true;
        if (strstr(record->message, "is left to the kernel"))
                broker->has_refusal = true;
        if (strstr(record->message, "was unplugged"))
                broker->has_unplugged = true;
}

void broker_prepare(Broker *broker, bool has_usb, const char *worker, const char *front) {
        *broker = (Broker){};
        log_set_sink(on_log, broker);
        fake_children_init(&broker->children);
        strcpy(broker->worker_path, fake_children_get(&broker->children, worker));
        strcpy(broker->front_path, fake_children_get(&broker->children, front));
        ck_assert_int_eq(systemd_event_loop_new(&broker->loop), 0);
        ck_assert_int_eq(event_timer_init(&broker->poll, broker->loop, on_poll), 0);
        ck_assert_int_eq(device_manager_new(&broker->manager, broker->loop,
                                            &(DeviceManagerOptions){
                                                            .worker_path = broker->worker_path,
                                                            .front_path = broker->front_path,
                                                            .has_usb = has_usb,
                                                            .n_devices_max = 2,
                                                            .n_luns_max = 8,
                                            },
                                            on_stopped, broker),
                         0);
        event_timer_set(&broker->poll, 1);
}

void broker_init(Broker *broker, bool has_usb, const char *worker) {
        broker_prepare(broker, has_usb, worker, "front");
        ck_assert_int_eq(device_manager_start(broker->manager), 0);
}

int broker_simulate(Broker *broker) {
        return device_manager_add_simulation(broker->manager, &(DeviceSimulation){
                                                                              .spec = "size=1M",
                                                                              .vendor_id = 0x1209,
                                                                              .product_id = 1,
                                                                              .serial = "X",
                                                              });
}

void broker_done(Broker *broker) {
        device_manager_stop(broker->manager);
        fake_children_run_until(broker->loop, &broker->has_stopped);
        device_manager_free(broker->manager);
        event_timer_done(&broker->poll);
        event_loop_free(broker->loop);
        fake_children_done(&broker->children);
        log_set_sink(NULL, NULL);
}
