/*
 * The list of devices, the spare worker, the front, and the routes between them. A client's way:
 * the front hands it over with its export's generation, the device that has this generation passes
 * it to its worker.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/managed_device.h"
#include "device/usb_monitor.h"

/* A front that dies is started again after this. */
#define FRONT_PAUSE_NS (200 * NS_PER_MS)
/* The front and the spare worker have nothing to finish when they are told to stop. */
#define STOP_TIMEOUT_NS (5 * NS_PER_S)
/* Clients that come while the first devices are brought up wait for so long at most. */
#define SETTLE_TIMEOUT_NS (10 * NS_PER_S)

typedef enum DeviceManagerState {
        DEVICE_MANAGER_STATE_READY,
        DEVICE_MANAGER_STATE_RUNNING,
        DEVICE_MANAGER_STATE_STOPPING,
        DEVICE_MANAGER_STATE_STOPPED,
} DeviceManagerState;

/* What the front must be told again when it is started anew. */
typedef struct FrontExport {
        ControlExport export;
        ListNode node; /* DeviceManager::exports */
} FrontExport;

struct DeviceManager {
        EventLoop *loop; /* borrowed */
        DeviceManagerState state;
        DeviceManagerOptions options;
        CacheStore *store;     /* owned */
        LearnedStore *learned; /* owned */
        DeviceManagerStopped stopped;
        void *userdata;

        UsbMonitor *monitor; /* owned; NULL without USB */
        ListNode devices;    /* ManagedDevice::node_of_manager */
        unsigned n_devices;
        unsigned n_simulations;
        ListNode exports; /* FrontExport::node */
        unsigned n_exports;
        uint64_t last_generation;

        ChildProcess *spare; /* owned: a worker that waits for a device */
        EventDefer spare_start;
        ChildProcess *front;    /* owned */
        EventTimer front_timer; /* the pause before a restart, or the patience with a stop */
        int listeners[DEVICE_MANAGER_LISTENERS_MAX]; /* owned */
        size_t n_listeners;
        bool is_settled; /* the devices that were there at the start had their chance */
        EventTimer settle_timer;
        EventDefer settle_check;
        EventDefer stop_check;
};

static_assert(DEVICE_MANAGER_COMMANDS_KEPT_MAX <= CONTROL_COMMANDS_KEPT_MAX, "workers take it");

/* The front */

static void front_send_export(DeviceManager *manager, const ControlExport *export) {
        ControlMessage message;

        if (!manager->front)
                return;
        control_message_init(&message, CONTROL_TYPE_EXPORT);
        message.body.export = *export;
        child_process_send(manager->front, &message, NULL, 0);
}

static void front_send_export_closed(DeviceManager *manager, uint64_t generation) {
        ControlMessage message;

        if (!manager->front)
                return;
        control_message_init(&message, CONTROL_TYPE_EXPORT_CLOSED);
        message.body.export_closed.generation = generation;
        child_process_send(manager->front, &message, NULL, 0);
}

static void on_handover(DeviceManager *manager, const ControlHandover *handover, int fd) {
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (managed_device_add_client(device, handover, fd) == 0)
                        return;
        }
        log_debug("A client came too late for its export, closing it");
}

static void on_front_message(ChildProcess *front, const ControlMessage *message, int *fds,
                             size_t n_fds, void *userdata) {
        DeviceManager *manager = userdata;

        if (message->type == CONTROL_TYPE_HANDOVER)
                on_handover(manager, &message->body.handover, fds[0]);
        else if (message->type != CONTROL_TYPE_STOPPED)
                child_process_kill(front, "sent what is not a front's to send");
}

static void on_front_ended(ChildProcess *front, const char *how, void *userdata) {
        DeviceManager *manager = userdata;

        manager->front = child_process_free(front);
        if (manager->state != DEVICE_MANAGER_STATE_RUNNING) {
                event_defer_schedule(&manager->stop_check);
                return;
        }
        log_warning("The NBD front %s, starting another", how);
        event_timer_set(&manager->front_timer, event_loop_now_ns(manager->loop) + FRONT_PAUSE_NS);
}

static void send_configure(DeviceManager *manager, ChildProcess *child) {
        ControlMessage message;
        ControlConfigure *body = &message.body.configure;

        control_message_init(&message, CONTROL_TYPE_CONFIGURE);
        body->log_level = log_get_level();
        body->device_timeout_ms = manager->options.device_timeout_ms;
        body->n_luns_max = manager->options.n_luns_max;
        body->n_commands_kept = manager->options.n_commands_kept;
        body->is_trim_enabled = manager->options.is_trim_enabled;
        body->is_serial = manager->options.is_serial;
        body->skips_processing = manager->options.skips_processing;
        body->skips_validation = manager->options.skips_validation;
        child_process_send(child, &message, NULL, 0);
}

static void front_send_listeners(DeviceManager *manager) {
        ControlMessage message;

        if (!manager->front || !manager->is_settled)
                return;
        control_message_init(&message, CONTROL_TYPE_LISTEN);
        for (size_t i = 0; i < manager->n_listeners; i++)
                child_process_send(manager->front, &message, &manager->listeners[i], 1);
}

static int front_start(DeviceManager *manager) {
        static const ChildHandlers handlers = {
                .message = on_front_message,
                .ended = on_front_ended,
        };
        int r;

        r = child_process_new(&manager->front, manager->loop, manager->options.front_path, "front");
        if (r < 0)
                return r;
        child_process_set_owner(manager->front, "front", &handlers, manager);
        send_configure(manager, manager->front);

        LIST_FOR_EACH (node, &manager->exports)
                front_send_export(manager, &list_entry(node, FrontExport, node)->export);
        front_send_listeners(manager);
        return 0;
}

static void front_restart(DeviceManager *manager) {
        int r;

        r = front_start(manager);
        if (r < 0) {
                log_error("The NBD front can't be started: %s", strerror(-r));
                event_timer_set(&manager->front_timer,
                                event_loop_now_ns(manager->loop) + FRONT_PAUSE_NS);
        }
}

static void front_on_timer(EventTimer *timer) {
        DeviceManager *manager = container_of(timer, DeviceManager, front_timer);

        if (manager->state == DEVICE_MANAGER_STATE_RUNNING) {
                front_restart(manager);
                return;
        }
        if (manager->front)
                child_process_kill(manager->front, "did not stop in time");
        if (manager->spare)
                child_process_kill(manager->spare, "did not stop in time");
}

/* Workers */

static void on_spare_message(ChildProcess *spare, const ControlMessage *message, int *fds,
                             size_t n_fds, void *userdata) {
        if (message->type != CONTROL_TYPE_STOPPED)
                child_process_kill(spare, "spoke before it had a device");
}

static void on_spare_ended(ChildProcess *spare, const char *how, void *userdata) {
        DeviceManager *manager = userdata;

        /* Not started again at once: a worker that can't even wait would only spin. */
        if (manager->state == DEVICE_MANAGER_STATE_RUNNING)
                log_error("The spare worker %s", how);
        manager->spare = child_process_free(spare);
        event_defer_schedule(&manager->stop_check);
}

static int worker_start(DeviceManager *manager, ChildProcess **ret) {
        static const ChildHandlers handlers = {
                .message = on_spare_message,
                .ended = on_spare_ended,
        };
        int r;

        r = child_process_new(ret, manager->loop, manager->options.worker_path, "worker");
        if (r < 0)
                return r;
        child_process_set_owner(*ret, "spare worker", &handlers, manager);
        send_configure(manager, *ret);
        return 0;
}

static void spare_on_start(EventDefer *defer) {
        DeviceManager *manager = container_of(defer, DeviceManager, spare_start);
        int r;

        if (manager->spare || manager->state != DEVICE_MANAGER_STATE_RUNNING)
                return;
        r = worker_start(manager, &manager->spare);
        if (r < 0)
                log_warning("No spare worker can be started, ignoring: %s", strerror(-r));
}

static int on_get_worker(ChildProcess **ret, void *userdata) {
        DeviceManager *manager = userdata;

        event_defer_schedule(&manager->spare_start);
        if (manager->spare) {
                *ret = TAKE_PTR(manager->spare);
                return 0;
        }
        return worker_start(manager, ret);
}

/* Devices */

static void on_export_opened(ManagedDevice *device, ControlExport *export, void *userdata) {
        DeviceManager *manager = userdata;
        FrontExport *entry;

        export->generation = ++manager->last_generation;
        entry = calloc(1, sizeof(*entry));
        if (!entry) {
                log_device_error(device->name, "No memory to announce %s", export->name);
                return;
        }
        entry->export = *export;
        list_init(&entry->node);
        list_append(&manager->exports, &entry->node);
        manager->n_exports++;
        front_send_export(manager, export);
}

static void on_export_closed(ManagedDevice *device, uint64_t generation, void *userdata) {
        DeviceManager *manager = userdata;

        front_send_export_closed(manager, generation);
        LIST_FOR_EACH (node, &manager->exports) {
                FrontExport *entry = list_entry(node, FrontExport, node);

                if (entry->export.generation != generation)
                        continue;
                list_unlink(node);
                free(entry);
                manager->n_exports--;
                return;
        }
}

static void on_device_settled(ManagedDevice *device, void *userdata) {
        DeviceManager *manager = userdata;

        event_defer_schedule(&manager->settle_check);
}

/* Each has the same: what one does not need is not taken from the system either. */
static void share_cache(DeviceManager *manager) {
        unsigned n_devices = MAX(manager->n_devices, 1U);
        uint64_t size_max = MAX(manager->options.cache.size / n_devices, DEVICE_CACHE_SIZE_MIN);

        LIST_FOR_EACH (node, &manager->devices)
                managed_device_set_cache_size(list_entry(node, ManagedDevice, node_of_manager),
                                              size_max);
}

static void take_node(DeviceManager *manager, const UsbNode *node);
static void resume_device(DeviceManager *manager, ManagedDevice *device, const UsbNode *node);

static void on_device_parked(ManagedDevice *device, void *userdata) {
        DeviceManager *manager = userdata;
        UsbNode successor = device->successor;

        if (device->has_successor && manager->state == DEVICE_MANAGER_STATE_RUNNING)
                resume_device(manager, device, &successor);
}

static void on_device_ended(ManagedDevice *device, void *userdata) {
        DeviceManager *manager = userdata;
        bool has_successor = device->has_successor;
        UsbNode successor = device->successor;

        managed_device_free(device);
        manager->n_devices--;
        share_cache(manager);
        if (has_successor && manager->state == DEVICE_MANAGER_STATE_RUNNING)
                take_node(manager, &successor);
        event_defer_schedule(&manager->stop_check);
}

/* One that is gone from its port does not count, though it may be back there soon. */
static ManagedDevice *find_device(DeviceManager *manager, const char *name) {
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (!device->is_unplugged && strcmp(device->name, name) == 0)
                        return device;
        }
        return NULL;
}

static bool is_base_name_taken(DeviceManager *manager, const char *base_name) {
        LIST_FOR_EACH (node, &manager->devices)
                if (strcmp(list_entry(node, ManagedDevice, node_of_manager)->base_name,
                           base_name) == 0)
                        return true;
        return false;
}

/* UsbQuirk */
static uint32_t find_quirks(const DeviceManager *manager, uint16_t vendor_id, uint16_t product_id) {
        if (!manager->options.quirks)
                return 0;
        return usb_quirks_list_find(manager->options.quirks, vendor_id, product_id);
}

static bool is_ignored(const DeviceManager *manager, const char *name, uint16_t vendor_id,
                       uint16_t product_id) {
        if (!(find_quirks(manager, vendor_id, product_id) & USB_QUIRK_IGNORE_DEVICE))
                return false;
        log_device_notice(name, "%04x:%04x is left alone: it has the quirk i", vendor_id,
                          product_id);
        return true;
}

static void set_quirks(const DeviceManager *manager, ManagedDevice *device, uint16_t vendor_id,
                       uint16_t product_id) {
        uint32_t quirks = find_quirks(manager, vendor_id, product_id);
        char text[USB_QUIRKS_TEXT_SIZE];

        if (quirks != 0)
                log_device_info(device->name, "%04x:%04x has the quirks %s", vendor_id, product_id,
                                usb_quirks_format(quirks, text));
        managed_device_set_quirks(device, quirks);
}

/* Makes a device under a name that is its alone: the first holder of a serial keeps it. */
static int add_device(DeviceManager *manager, const char *name, uint16_t vendor_id,
                      uint16_t product_id, const char *serial, ManagedDevice **ret) {
        static const ManagedDeviceHandlers handlers = {
                .get_worker = on_get_worker,
                .export_opened = on_export_opened,
                .export_closed = on_export_closed,
                .settled = on_device_settled,
                .parked = on_device_parked,
                .ended = on_device_ended,
        };
        char base_name[EXPORT_NAME_SIZE_MAX];
        int r;

        if (manager->n_devices >= manager->options.n_devices_max)
                return -ENOSPC;

        export_name_format(base_name, vendor_id, product_id, serial, name);
        if (is_base_name_taken(manager, base_name))
                export_name_add_port(base_name, name);
        r = managed_device_new(ret, manager->loop, name, base_name, &handlers, manager);
        if (r < 0)
                return r;
        managed_device_set_cache(*ret, manager->store, &manager->options.cache);
        managed_device_set_learned(*ret, manager->learned);
        set_quirks(manager, *ret, vendor_id, product_id);
        list_append(&manager->devices, &(*ret)->node_of_manager);
        manager->n_devices++;
        share_cache(manager);
        return 0;
}

static int take_from_kernel(DeviceManager *manager, const UsbNode *node, UsbTakeover *ret) {
        int r;

        r = usb_takeover(node, usb_monitor_get_udev(manager->monitor), ret);
        if (r < 0)
                log_device_notice(node->name, "%04x:%04x %s is left to the kernel: %s",
                                  node->vendor_id, node->product_id, node->product,
                                  r == -EBUSY ? "it is in use" : strerror(-r));
        return r;
}

static void take_node(DeviceManager *manager, const UsbNode *node) {
        ManagedDevice *device;
        UsbTakeover takeover;
        int r;

        if (is_ignored(manager, node->name, node->vendor_id, node->product_id))
                return;
        if (take_from_kernel(manager, node, &takeover) < 0)
                return;
        r = add_device(manager, node->name, node->vendor_id, node->product_id, node->serial,
                       &device);
        if (r < 0) {
                log_device_warning(node->name, "can't be taken: %s",
                                   r == -ENOSPC ? "there are too many devices" : strerror(-r));
                fd_close(takeover.fd);
                usb_takeover_give_back(node);
                return;
        }
        log_device_info(node->name, "taking %04x:%04x %s %s", node->vendor_id, node->product_id,
                        node->manufacturer, node->product);
        managed_device_start_usb(device, node, usb_monitor_get_udev(manager->monitor), takeover.fd,
                                 takeover.needs_reset);
}

/* At any port, at any speed: its worker knows what was on it. */
static void resume_device(DeviceManager *manager, ManagedDevice *device, const UsbNode *node) {
        UsbTakeover takeover;

        device->has_successor = false;
        if (take_from_kernel(manager, node, &takeover) < 0)
                return;
        log_device_info(node->name, "%04x:%04x %s is back", node->vendor_id, node->product_id,
                        node->product);
        managed_device_resume_usb(device, node, takeover.fd);
}

/* Without a serial number only the port tells devices of a kind apart. */
static bool is_same_device(const UsbNode *a, const UsbNode *b) {
        if (a->vendor_id != b->vendor_id || a->product_id != b->product_id ||
            strcmp(a->serial, b->serial) != 0)
                return false;
        return a->serial[0] != '\0' || strcmp(a->name, b->name) == 0;
}

/* Of several with a cloned serial number, the one that was in this port. */
static ManagedDevice *find_former(DeviceManager *manager, const UsbNode *node) {
        ManagedDevice *former = NULL;

        LIST_FOR_EACH (list_node, &manager->devices) {
                ManagedDevice *device = list_entry(list_node, ManagedDevice, node_of_manager);

                if (!device->is_unplugged || !is_same_device(&device->node, node))
                        continue;
                if (!former || strcmp(device->name, node->name) == 0)
                        former = device;
        }
        return former;
}

/* Its worker has not said yet whether it stays, and what it has to be saved. What comes last is
 * taken when that is known. */
static void queue_node(ManagedDevice *device, const UsbNode *node) {
        if (!device->has_successor)
                log_device_info(node->name, "%04x:%04x %s waits until the former is done with",
                                node->vendor_id, node->product_id, node->product);
        device->has_successor = true;
        device->successor = *node;
}

static void on_node_added(const UsbNode *node, bool was_present, void *userdata) {
        DeviceManager *manager = userdata;
        ManagedDevice *device = find_device(manager, node->name);

        if (manager->state != DEVICE_MANAGER_STATE_RUNNING)
                return;
        /* Each interface of a device adds its node again. */
        if (device && strcmp(device->node.dev_path, node->dev_path) == 0)
                return;
        /* Another number, so it is another device: the removal of the former was not told. */
        if (device)
                managed_device_set_unplugged(device);
        if (was_present && manager->options.present_devices == DEVICE_PRESENT_POLICY_KEEP) {
                log_device_info(node->name, "%04x:%04x %s was there before, the kernel keeps it",
                                node->vendor_id, node->product_id, node->product);
                return;
        }

        device = find_former(manager, node);
        if (!device)
                take_node(manager, node);
        else if (device->state == MANAGED_DEVICE_STATE_PARKED)
                resume_device(manager, device, node);
        else
                queue_node(device, node);
}

static void forget_successor(DeviceManager *manager, const char *name) {
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (!device->has_successor || strcmp(device->successor.name, name) != 0)
                        continue;
                log_device_info(name, "was unplugged before it could be taken");
                device->has_successor = false;
        }
}

static void on_node_removed(const char *name, void *userdata) {
        ManagedDevice *device = find_device(userdata, name);

        forget_successor(userdata, name);
        if (device)
                managed_device_set_unplugged(device);
}

static void close_images(const DeviceSimulation *simulation) {
        for (size_t i = 0; i < simulation->n_fds; i++)
                fd_close(simulation->fds[i]);
        free(simulation->fds);
}

int device_manager_add_simulation(DeviceManager *manager, const DeviceSimulation *simulation) {
        ManagedDevice *device;
        char name[32];
        int r;

        snprintf(name, sizeof(name), "sim%u", manager->n_simulations);
        if (is_ignored(manager, name, simulation->vendor_id, simulation->product_id)) {
                close_images(simulation);
                return 0;
        }
        r = add_device(manager, name, simulation->vendor_id, simulation->product_id,
                       simulation->serial, &device);
        if (r < 0) {
                close_images(simulation);
                return r;
        }
        manager->n_simulations++;
        return managed_device_start_simulation(device, simulation);
}

/* The whole */

static void manager_close_listeners(DeviceManager *manager) {
        while (manager->n_listeners > 0)
                fd_close(manager->listeners[--manager->n_listeners]);
}

/* Who connects at the start, as socket activation lets clients do, shall find the exports. */
static void manager_settle(DeviceManager *manager) {
        if (manager->is_settled)
                return;
        manager->is_settled = true;
        event_timer_clear(&manager->settle_timer);
        front_send_listeners(manager);
}

static void on_settle_timer(EventTimer *timer) {
        manager_settle(container_of(timer, DeviceManager, settle_timer));
}

static void check_settled(EventDefer *defer) {
        DeviceManager *manager = container_of(defer, DeviceManager, settle_check);

        LIST_FOR_EACH (node, &manager->devices)
                if (!list_entry(node, ManagedDevice, node_of_manager)->is_settled)
                        return;
        manager_settle(manager);
}

static void check_stopped(EventDefer *defer) {
        DeviceManager *manager = container_of(defer, DeviceManager, stop_check);

        if (manager->state != DEVICE_MANAGER_STATE_STOPPING)
                return;
        if (manager->n_devices > 0 || manager->front || manager->spare)
                return;
        if (!cache_store_is_idle(manager->store))
                return;
        manager->state = DEVICE_MANAGER_STATE_STOPPED;
        manager->stopped(manager, manager->userdata);
}

static void on_store_changed(void *userdata) {
        DeviceManager *manager = userdata;

        event_defer_schedule(&manager->stop_check);
}

static int start_store(DeviceManager *manager) {
        const DeviceManagerOptions *options = &manager->options;
        const CacheStoreOptions store_options = {
                .state_dir = options->state_dir,
                .runtime_dir = options->runtime_dir,
                .cache_size = MAX(options->cache.size, DEVICE_CACHE_SIZE_MIN),
                .patience_ns = options->cache.park_timeout_ms * NS_PER_MS,
        };

        return cache_store_new(&manager->store, manager->loop, &store_options, on_store_changed,
                               manager);
}

int device_manager_new(DeviceManager **ret, EventLoop *loop, const DeviceManagerOptions *options,
                       DeviceManagerStopped stopped, void *userdata) {
        _cleanup_(device_manager_freep) DeviceManager *manager = NULL;
        int r;

        assert(options->n_devices_max <= DEVICE_MANAGER_DEVICES_MAX);

        manager = calloc(1, sizeof(*manager));
        if (!manager)
                return -ENOMEM;
        manager->loop = loop;
        manager->options = *options;
        manager->stopped = stopped;
        manager->userdata = userdata;
        list_init(&manager->devices);
        list_init(&manager->exports);
        event_defer_init(&manager->spare_start, loop, spare_on_start);
        event_defer_init(&manager->settle_check, loop, check_settled);
        event_defer_init(&manager->stop_check, loop, check_stopped);
        r = event_timer_init(&manager->front_timer, loop, front_on_timer);
        if (r < 0)
                return r;
        r = event_timer_init(&manager->settle_timer, loop, on_settle_timer);
        if (r < 0)
                return r;
        r = start_store(manager);
        if (r < 0)
                return r;
        r = learned_store_new(&manager->learned, options->state_dir);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(manager);
        return 0;
}

DeviceManager *device_manager_free(DeviceManager *manager) {
        if (!manager)
                return NULL;

        usb_monitor_free(manager->monitor);
        LIST_FOR_EACH (node, &manager->devices)
                managed_device_free(list_entry(node, ManagedDevice, node_of_manager));
        LIST_FOR_EACH (node, &manager->exports) {
                list_unlink(node);
                free(list_entry(node, FrontExport, node));
        }
        cache_store_free(manager->store);
        learned_store_free(manager->learned);
        child_process_free(manager->spare);
        child_process_free(manager->front);
        manager_close_listeners(manager);
        event_timer_done(&manager->front_timer);
        event_timer_done(&manager->settle_timer);
        event_defer_cancel(&manager->settle_check);
        event_defer_cancel(&manager->spare_start);
        event_defer_cancel(&manager->stop_check);
        free(manager);
        return NULL;
}

int device_manager_listen(DeviceManager *manager, int fd) {
        if (manager->n_listeners >= N_ELEMENTS(manager->listeners)) {
                fd_close(fd);
                return -ENOSPC;
        }
        manager->listeners[manager->n_listeners++] = fd;
        return 0;
}

bool device_manager_is_stored_name(const char *name) { return device_arena_is_stored_name(name); }

int device_manager_take_stored(DeviceManager *manager, int fd, const char *name) {
        return cache_store_take_stored(manager->store, fd, name);
}

static int start_monitor(DeviceManager *manager) {
        static const UsbMonitorHandlers handlers = {
                .added = on_node_added,
                .removed = on_node_removed,
        };
        int r;

        if (!manager->options.has_usb)
                return 0;
        r = usb_monitor_new(&manager->monitor, manager->loop, &handlers, manager);
        if (r < 0) {
                log_warning("USB devices can't be watched, going on without: %s", strerror(-r));
                return 0;
        }
        r = usb_monitor_enumerate(manager->monitor);
        if (r < 0)
                log_warning("USB devices can't be listed, ignoring: %s", strerror(-r));
        return 0;
}

int device_manager_start(DeviceManager *manager) {
        int r;

        assert(manager->state == DEVICE_MANAGER_STATE_READY);
        manager->state = DEVICE_MANAGER_STATE_RUNNING;
        r = front_start(manager);
        if (r < 0)
                return r;
        if (!manager->spare) {
                r = worker_start(manager, &manager->spare);
                if (r < 0)
                        return r;
        }
        event_timer_set(&manager->settle_timer,
                        event_loop_now_ns(manager->loop) + SETTLE_TIMEOUT_NS);
        event_defer_schedule(&manager->settle_check);
        return start_monitor(manager);
}

void device_manager_stop(DeviceManager *manager) {
        if (manager->state != DEVICE_MANAGER_STATE_RUNNING)
                return;

        manager->state = DEVICE_MANAGER_STATE_STOPPING;
        manager->monitor = usb_monitor_free(manager->monitor);
        event_timer_set(&manager->front_timer, event_loop_now_ns(manager->loop) + STOP_TIMEOUT_NS);
        manager_close_listeners(manager);
        if (manager->front)
                child_process_send_type(manager->front, CONTROL_TYPE_STOP);
        if (manager->spare)
                child_process_send_type(manager->spare, CONTROL_TYPE_STOP);
        LIST_FOR_EACH (node, &manager->devices)
                managed_device_stop(list_entry(node, ManagedDevice, node_of_manager));
        cache_store_save_all(manager->store);
        event_defer_schedule(&manager->stop_check);
}

DeviceManagerCounts device_manager_get_counts(const DeviceManager *manager) {
        DeviceManagerCounts counts = {
                .n_devices = manager->n_devices,
                .n_exports = manager->n_exports,
                .is_saving = cache_store_is_saving(manager->store),
        };

        LIST_FOR_EACH (node, &manager->devices)
                counts.is_saving |= device_cache_is_saving(
                                &list_entry(node, ManagedDevice, node_of_manager)->cache);
        return counts;
}
