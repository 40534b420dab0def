/* What the front was told is kept, as the next one must be told again. */

#include "device/device_front.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

/* A front that dies is started again after this. */
#define FRONT_PAUSE_NS (200 * NS_PER_MS)

typedef struct FrontExport {
        ControlExport export;
        ListNode node; /* DeviceFront::exports */
} FrontExport;

void device_front_send(DeviceFront *front, const ControlMessage *message, const int *fds,
                       size_t n_fds) {
        if (front->child)
                child_process_send(front->child, message, fds, n_fds);
}

static void send_tls(DeviceFront *front, const DeviceNbdOptions *options) {
        int fds[_CONTROL_TLS_FILE_MAX];
        ControlMessage message;
        size_t n_fds = 0;

        control_message_init(&message, CONTROL_TYPE_TLS);
        message.body.tls.mode = options->tls_mode;
        message.body.tls.allows_plain_tcp = options->allows_plain_tcp;
        for (size_t i = 0; options->tls_fds && i < _CONTROL_TLS_FILE_MAX; i++) {
                if (options->tls_fds[i] < 0)
                        continue;
                message.body.tls.has_file[i] = true;
                fds[n_fds++] = options->tls_fds[i];
        }
        device_front_send(front, &message, fds, n_fds);
}

static void send_access(DeviceFront *front, const NbdAccessList *list) {
        size_t n_rules = list ? list->n_rules : 0;
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_ACCESS);
        message.body.access.n_rules = (uint32_t) n_rules;
        if (n_rules == 0)
                device_front_send(front, &message, NULL, 0);
        for (size_t i = 0; i < n_rules; i++) {
                message.body.access.index = (uint32_t) i;
                message.body.access.rule = list->rules[i];
                device_front_send(front, &message, NULL, 0);
        }
}

void device_front_send_nbd_options(DeviceFront *front, const DeviceNbdOptions *options) {
        send_tls(front, options);
        send_access(front, options->access);
}

static void send_export(DeviceFront *front, const ControlExport *export) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_EXPORT);
        message.body.export = *export;
        device_front_send(front, &message, NULL, 0);
}

static FrontExport *find_export(const DeviceFront *front, uint64_t generation) {
        LIST_FOR_EACH (node, &front->exports) {
                FrontExport *entry = list_entry(node, FrontExport, node);

                if (entry->export.generation == generation)
                        return entry;
        }
        return NULL;
}

const ControlExport *device_front_find_export(const DeviceFront *front, uint64_t generation) {
        const FrontExport *entry = find_export(front, generation);

        return entry ? &entry->export : NULL;
}

int device_front_add_export(DeviceFront *front, const ControlExport *export) {
        FrontExport *entry = calloc(1, sizeof(*entry));

        if (!entry)
                return -ENOMEM;
        entry->export = *export;
        list_init(&entry->node);
        list_append(&front->exports, &entry->node);
        front->n_exports++;
        send_export(front, export);
        return 0;
}

void device_front_remove_export(DeviceFront *front, uint64_t generation) {
        FrontExport *entry = find_export(front, generation);
        ControlMessage message;

        if (!entry)
                return;
        list_unlink(&entry->node);
        free(entry);
        front->n_exports--;
        control_message_init(&message, CONTROL_TYPE_EXPORT_CLOSED);
        message.body.export_closed.generation = generation;
        device_front_send(front, &message, NULL, 0);
}

static void on_message(ChildProcess *child, const ControlMessage *message, int *fds, size_t n_fds,
                       void *userdata) {
        DeviceFront *front = userdata;

        if (message->type == CONTROL_TYPE_HANDOVER)
                front->handlers->client(front, &message->body.handover, fds, n_fds);
        else if (message->type != CONTROL_TYPE_STOPPED)
                child_process_kill(child, "sent what is not a front's to send");
}

static void plan_restart(DeviceFront *front) {
        event_timer_set(&front->timer, event_loop_now_ns(front->loop) + FRONT_PAUSE_NS);
}

static void on_ended(ChildProcess *child, const char *how, void *userdata) {
        DeviceFront *front = userdata;

        front->child = child_process_free(child);
        if (front->must_stop) {
                front->handlers->ended(front);
                return;
        }
        log_warning("The NBD front %s, starting another", how);
        plan_restart(front);
}

int device_front_start(DeviceFront *front) {
        static const ChildHandlers handlers = {
                .message = on_message,
                .ended = on_ended,
        };
        int r;

        r = child_process_new(&front->child, front->loop, front->path, "front");
        if (r < 0)
                return r;
        child_process_set_owner(front->child, "front", &handlers, front);
        front->handlers->configure(front);
        LIST_FOR_EACH (node, &front->exports)
                send_export(front, &list_entry(node, FrontExport, node)->export);
        front->handlers->listen(front);
        return 0;
}

static void on_timer(EventTimer *timer) {
        DeviceFront *front = container_of(timer, DeviceFront, timer);
        int r;

        r = device_front_start(front);
        if (r < 0) {
                log_error("The NBD front can't be started: %s", strerror(-r));
                plan_restart(front);
        }
}

void device_front_stop(DeviceFront *front) {
        front->must_stop = true;
        event_timer_clear(&front->timer);
        if (front->child)
                child_process_send_type(front->child, CONTROL_TYPE_STOP);
}

int device_front_init(DeviceFront *front, EventLoop *loop, const char *path,
                      const DeviceFrontHandlers *handlers) {
        int r;

        *front = (DeviceFront){ .path = path, .handlers = handlers };
        list_init(&front->exports);
        r = event_timer_init(&front->timer, loop, on_timer);
        if (r == 0)
                front->loop = loop;
        return r;
}

void device_front_done(DeviceFront *front) {
        if (!front->loop)
                return;
        LIST_FOR_EACH (node, &front->exports) {
                list_unlink(node);
                free(list_entry(node, FrontExport, node));
        }
        front->child = child_process_free(front->child);
        event_timer_done(&front->timer);
        front->loop = NULL;
}
