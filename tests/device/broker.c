/* See broker.h. */

#include <check.h>
#include <signal.h>
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

static void remember(Broker *broker, const LogRecord *record) {
        size_t size = strlen(broker->lines);

        snprintf(broker->lines + size, sizeof(broker->lines) - size, "%s\n", record->message);
        broker->has_awaited |= broker->awaited && strstr(record->message, broker->awaited);
}

static void on_log(const LogRecord *record, void *userdata) {
        Broker *broker = userdata;
        int pid;

        remember(broker, record);

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
        broker->options = (DeviceManagerOptions){
                .worker_path = broker->worker_path,
                .front_path = broker->front_path,
                .has_usb = has_usb,
                .n_devices_max = 2,
                .n_luns_max = 8,
                .state_dir = broker->children.folder,
                .cache = { .is_enabled = true, .is_write_back = true, .size = 16 * MIB },
        };
        ck_assert_int_eq(systemd_event_loop_new(&broker->loop), 0);
        ck_assert_int_eq(event_timer_init(&broker->poll, broker->loop, on_poll), 0);
}

void broker_make(Broker *broker) {
        ck_assert_int_eq(device_manager_new(&broker->manager, broker->loop, &broker->options,
                                            on_stopped, broker),
                         0);
        event_timer_set(&broker->poll, 1);
}

void broker_start(Broker *broker) {
        if (!broker->manager)
                broker_make(broker);
        ck_assert_int_eq(device_manager_start(broker->manager), 0);
}

void broker_init(Broker *broker, bool has_usb, const char *worker) {
        broker_prepare(broker, has_usb, worker, "front");
        broker_start(broker);
}

void broker_forget(Broker *broker) { broker->lines[0] = '\0'; }

bool broker_was_told(const Broker *broker, const char *text) {
        return strstr(broker->lines, text) != NULL;
}

void broker_run_until_told(Broker *broker, const char *text) {
        broker->awaited = text;
        broker->has_awaited = broker_was_told(broker, text);
        fake_children_run_until(broker->loop, &broker->has_awaited);
        broker->awaited = NULL;
}

void broker_replace_worker(Broker *broker) {
        broker->has_worker = false;
        ck_assert_int_eq(kill(broker->worker_pid, SIGKILL), 0);
        fake_children_run_until(broker->loop, &broker->has_worker);
}

void broker_crash(Broker *broker) {
        broker->manager = device_manager_free(broker->manager);
        broker_make(broker);
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
