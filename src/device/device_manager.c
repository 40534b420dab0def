/*
 * The list of devices, the spare worker, and the routes between them and the front. A client's way:
 * the front hands it over with its export's generation, the device that has this generation passes
 * it to its worker.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "device/device_admission.h"
#include "device/device_manager_internal.h"
#include "device/device_manager_nodes.h"

/* The front and the spare worker have nothing to finish when they are told to stop. */
#define STOP_TIMEOUT_NS (5 * NS_PER_S)
/* Clients that come while the first devices are brought up wait for so long at most. */
#define SETTLE_TIMEOUT_NS (10 * NS_PER_S)

static_assert(DEVICE_MANAGER_COMMANDS_KEPT_MAX <= CONTROL_COMMANDS_KEPT_MAX, "workers take it");

static void make_configure(const DeviceManager *manager, ControlMessage *message) {
        const DeviceManagerOptions *options = &manager->options;
        ControlConfigure *body = &message->body.configure;

        control_message_init(message, CONTROL_TYPE_CONFIGURE);
        body->log_level = log_get_level();
        body->device_timeout_ms = options->device_timeout_ms;
        body->n_luns_max = options->n_luns_max;
        body->n_commands_kept = options->n_commands_kept;
        body->is_trim_enabled = options->is_trim_enabled;
        body->is_serial = options->is_serial;
        body->skips_processing = options->skips_processing;
        body->skips_validation = options->skips_validation;
        body->is_monitored = options->is_monitored;
}

static void send_configure(DeviceManager *manager, ChildProcess *child) {
        ControlMessage message;

        make_configure(manager, &message);
        child_process_send(child, &message, NULL, 0);
}

/* The front */

static DeviceManager *get_manager(DeviceFront *front) {
        return container_of(front, DeviceManager, front);
}

static void on_front_configure(DeviceFront *front) {
        send_configure(get_manager(front), front->child);
        device_front_send_nbd_options(front, &get_manager(front)->options.nbd);
}

static void on_front_listen(DeviceFront *front) {
        DeviceManager *manager = get_manager(front);
        ControlMessage message;

        if (!manager->is_settled)
                return;
        control_message_init(&message, CONTROL_TYPE_LISTEN);
        for (size_t i = 0; i < manager->n_listeners; i++)
                device_front_send(front, &message, &manager->listeners[i], 1);
}

static void on_front_client(DeviceFront *front, const ControlHandover *handover, const int *fds,
                            size_t n_fds) {
        LIST_FOR_EACH (node, &get_manager(front)->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (managed_device_add_client(device, handover, fds, n_fds) == 0)
                        return;
        }
        log_debug("A client came too late for its export, closing it");
}

static void on_front_ended(DeviceFront *front) {
        event_defer_schedule(&get_manager(front)->stop_check);
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

        export->generation = ++manager->last_generation;
        if (device_front_add_export(&manager->front, export) < 0)
                log_device_error(device->name, "No memory to announce %s", export->name);
}

static void on_export_closed(ManagedDevice *device, uint64_t generation, void *userdata) {
        DeviceManager *manager = userdata;

        device_front_remove_export(&manager->front, generation);
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

static void on_device_changed(ManagedDevice *device, void *userdata) {
        device_manager_tell_device(userdata, device, MANAGED_DEVICE_NEWS_CHANGED);
}

static void on_lun_changed(ManagedDevice *device, unsigned lun, ManagedDeviceNews news,
                           void *userdata) {
        device_manager_tell_lun(userdata, device, lun, news);
}

static void on_device_happened(ManagedDevice *device, DeviceEvent event, unsigned lun,
                               const char *words, void *userdata) {
        device_manager_tell_event(userdata, event, device->id, lun, words);
}

static void on_device_parked(ManagedDevice *device, void *userdata) {
        if (device->has_successor)
                device_manager_nodes_take_successor(userdata, &device->successor, device);
}

/* It is still plugged in, and not driven any more. */
static void remember_other(DeviceManager *manager, const ManagedDevice *device) {
        if (!device->udev || device->is_unplugged || manager->state != DEVICE_MANAGER_STATE_RUNNING)
                return;
        if (device->must_leave)
                device_others_set(&manager->others, &device->node, DEVICE_OTHER_REASON_RELEASED);
        else if (device->is_refused)
                device_others_set(&manager->others, &device->node, DEVICE_OTHER_REASON_UNSUPPORTED);
}

static void forget_taken(DeviceManager *manager, const ManagedDevice *device) {
        if (!device->udev)
                return;
        if (manager->state == DEVICE_MANAGER_STATE_RUNNING || !manager->options.keeps_taken)
                taken_devices_remove(manager->taken, &device->node);
}

static void tell_removed(DeviceManager *manager, ManagedDevice *device) {
        for (unsigned lun = 0; lun < CONTROL_LUNS_MAX; lun++)
                if (device->luns[lun].is_present)
                        device_manager_tell_lun(manager, device, lun, MANAGED_DEVICE_NEWS_REMOVED);
        device_manager_tell_device(manager, device, MANAGED_DEVICE_NEWS_REMOVED);
        device_manager_tell_event(manager, DEVICE_EVENT_REMOVED, device->id, CONTROL_LUN_ALL,
                                  device->must_leave ? "was given up" : "is gone");
}

static void on_device_ended(ManagedDevice *device, void *userdata) {
        DeviceManager *manager = userdata;
        bool has_successor = device->has_successor;
        UsbNode successor = device->successor;

        remember_other(manager, device);
        forget_taken(manager, device);
        tell_removed(manager, device);
        list_unlink(&device->node_of_manager);
        manager->n_devices--;
        managed_device_free(device);
        share_cache(manager);
        if (has_successor)
                device_manager_nodes_take_successor(manager, &successor, NULL);
        event_defer_schedule(&manager->stop_check);
}

ManagedDevice *device_manager_find(const DeviceManager *manager, const char *name) {
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (!device->is_unplugged && strcmp(device->name, name) == 0)
                        return device;
        }
        return NULL;
}

ManagedDevice *device_manager_get(const DeviceManager *manager, uint64_t id) {
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (device->id == id)
                        return device;
        }
        return NULL;
}

static bool is_name_taken(DeviceManager *manager, const char *name) {
        LIST_FOR_EACH (node, &manager->devices) {
                const ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                if (strcmp(device->base_name, name) == 0 || strcmp(device->export_name, name) == 0)
                        return true;
        }
        return false;
}

/* A port's name may be that of a device which was there and moved, or chose its serial number so. */
static void make_unique(DeviceManager *manager, char *name, const char *port) {
        char stem[EXPORT_NAME_SIZE_MAX];

        if (!is_name_taken(manager, name))
                return;
        export_name_add_port(name, port);
        strcpy(stem, name);
        /* There are more numbers than devices. */
        for (unsigned i = 2; is_name_taken(manager, name); i++) {
                strcpy(name, stem);
                export_name_add_number(name, i);
        }
}

/* UsbQuirk */
static uint32_t find_quirks(const DeviceManager *manager, uint16_t vendor_id, uint16_t product_id) {
        if (!manager->options.quirks)
                return 0;
        return usb_quirks_list_find(manager->options.quirks, vendor_id, product_id);
}

bool device_manager_ignores(const DeviceManager *manager, const UsbNode *node) {
        if (!(find_quirks(manager, node->vendor_id, node->product_id) & USB_QUIRK_IGNORE_DEVICE))
                return false;
        log_device_notice(node->name, "%04x:%04x is left alone: it has the quirk i",
                          node->vendor_id, node->product_id);
        return true;
}

static void set_quirks(const DeviceManager *manager, ManagedDevice *device) {
        const UsbNode *node = &device->node;
        uint32_t quirks = find_quirks(manager, node->vendor_id, node->product_id);
        char text[USB_QUIRKS_TEXT_SIZE];

        if (quirks != 0)
                log_device_info(device->name, "%04x:%04x has the quirks %s", node->vendor_id,
                                node->product_id, usb_quirks_format(quirks, text));
        managed_device_set_quirks(device, quirks);
}

/* A bridge is known by its model, whatever drive is behind it. */
static void set_smart_options(const DeviceManager *manager, ManagedDevice *device) {
        ControlSmartOptions options = {
                .period_ms = manager->options.smart.period_ms,
        };
        const SmartDrivedb *drivedb = manager->options.smart.drivedb;
        const UsbNode *node = &device->node;
        SmartBridge bridge;

        if (drivedb &&
            smart_drivedb_find(drivedb, &bridge, node->vendor_id, node->product_id, node->version))
                control_smart_options_set_bridge(&options, &bridge);
        managed_device_set_smart_options(device, &options);
}

static int set_decision(DeviceManager *manager, ManagedDevice *device,
                        const DeviceDecision *decision) {
        char name[EXPORT_NAME_SIZE_MAX];

        snprintf(name, sizeof(name), "%s", decision->options.export_name);
        if (name[0] != '\0')
                make_unique(manager, name, device->name);
        return managed_device_set_decision(device, decision, name);
}

int device_manager_add(DeviceManager *manager, const UsbNode *node, const DeviceDecision *decision,
                       ManagedDevice **ret) {
        static const ManagedDeviceHandlers handlers = {
                .get_worker = on_get_worker,
                .export_opened = on_export_opened,
                .export_closed = on_export_closed,
                .settled = on_device_settled,
                .parked = on_device_parked,
                .ended = on_device_ended,
                .changed = on_device_changed,
                .lun_changed = on_lun_changed,
                .happened = on_device_happened,
        };
        _cleanup_(managed_device_freep) ManagedDevice *device = NULL;
        char base_name[EXPORT_NAME_SIZE_MAX];
        int r;

        if (manager->n_devices >= manager->options.n_devices_max)
                return -ENOSPC;

        export_name_format(base_name, node->vendor_id, node->product_id, node->serial, node->name);
        make_unique(manager, base_name, node->name);
        r = managed_device_new(&device, manager->loop, node->name, base_name, &handlers, manager);
        if (r < 0)
                return r;
        device->id = ++manager->last_id;
        device->node = *node;
        managed_device_set_cache(device, manager->store, &manager->options.cache);
        managed_device_set_learned(device, manager->learned);
        managed_device_set_power(device, &manager->options.power);
        managed_device_set_smart(device, manager->smart);
        set_smart_options(manager, device);
        r = set_decision(manager, device, decision);
        if (r < 0)
                return r;
        set_quirks(manager, device);
        list_append(&manager->devices, &device->node_of_manager);
        manager->n_devices++;
        share_cache(manager);
        device_manager_tell_device(manager, device, MANAGED_DEVICE_NEWS_ADDED);
        device_manager_tell_event(manager, DEVICE_EVENT_ADDED, device->id, CONTROL_LUN_ALL,
                                  "is taken");
        *ret = TAKE_PTR(device);
        return 0;
}

static void close_images(const DeviceSimulation *simulation) {
        for (size_t i = 0; i < simulation->n_fds; i++)
                fd_close(simulation->fds[i]);
        free(simulation->fds);
}

int device_manager_add_simulation(DeviceManager *manager, const DeviceSimulation *simulation) {
        UsbNode node = {
                .vendor_id = simulation->vendor_id,
                .product_id = simulation->product_id,
        };
        DeviceDecision decision;
        ManagedDevice *device;
        int r;

        snprintf(node.name, sizeof(node.name), "sim%u", manager->n_simulations++);
        snprintf(node.serial, sizeof(node.serial), "%s", simulation->serial);
        if (device_manager_ignores(manager, &node)) {
                close_images(simulation);
                return 0;
        }
        decision = device_admission_decide_simulated(manager, &node);
        if (decision.target == DEVICE_TARGET_BLOCK || decision.target == DEVICE_TARGET_REJECT) {
                log_device_notice(node.name, "is %sed", device_target_to_string(decision.target));
                close_images(simulation);
                return 0;
        }
        r = device_manager_add(manager, &node, &decision, &device);
        if (r < 0) {
                close_images(simulation);
                return r;
        }
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
        on_front_listen(&manager->front);
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
        if (manager->n_devices > 0 || manager->front.child || manager->spare)
                return;
        if (!cache_store_is_idle(manager->store))
                return;
        manager->state = DEVICE_MANAGER_STATE_STOPPED;
        manager->stopped(manager, manager->userdata);
}

static void on_stop_timer(EventTimer *timer) {
        DeviceManager *manager = container_of(timer, DeviceManager, stop_timer);

        if (manager->front.child)
                child_process_kill(manager->front.child, "did not stop in time");
        if (manager->spare)
                child_process_kill(manager->spare, "did not stop in time");
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
        static const DeviceFrontHandlers front_handlers = {
                .configure = on_front_configure,
                .listen = on_front_listen,
                .client = on_front_client,
                .ended = on_front_ended,
        };
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
        list_init(&manager->observers);
        device_others_init(&manager->others);
        event_defer_init(&manager->spare_start, loop, spare_on_start);
        event_defer_init(&manager->settle_check, loop, check_settled);
        event_defer_init(&manager->stop_check, loop, check_stopped);
        r = event_timer_init(&manager->stop_timer, loop, on_stop_timer);
        if (r < 0)
                return r;
        r = event_timer_init(&manager->settle_timer, loop, on_settle_timer);
        if (r < 0)
                return r;
        r = device_front_init(&manager->front, loop, options->front_path, &front_handlers);
        if (r < 0)
                return r;
        r = start_store(manager);
        if (r < 0)
                return r;
        r = learned_store_new(&manager->learned, options->state_dir);
        if (r < 0)
                return r;
        r = taken_devices_new(&manager->taken, options->taken_dir);
        if (r < 0)
                return r;
        manager->options.taken_dir = NULL; /* it has its copy */
        r = state_store_new(&manager->smart, options->state_dir, SMART_HISTORY_FOLDER_NAME,
                            SMART_HISTORY_FILES_MAX);
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
        device_others_done(&manager->others);
        cache_store_free(manager->store);
        learned_store_free(manager->learned);
        taken_devices_free(manager->taken);
        state_store_free(manager->smart);
        child_process_free(manager->spare);
        device_front_done(&manager->front);
        manager_close_listeners(manager);
        event_timer_done(&manager->stop_timer);
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
                .added = device_manager_nodes_on_added,
                .removed = device_manager_nodes_on_removed,
                .disk_settled = device_manager_nodes_on_disk_settled,
        };
        int r;

        if (!manager->options.has_usb)
                return 0;
        r = usb_monitor_new(&manager->monitor, manager->loop, &handlers, manager);
        if (r < 0) {
                log_warning("USB devices can't be watched, going on without: %s", strerror(-r));
                return 0;
        }
        r = usb_monitor_enumerate(manager->monitor, /* was_present= */ true);
        if (r < 0)
                log_warning("USB devices can't be listed, ignoring: %s", strerror(-r));
        return 0;
}

int device_manager_start(DeviceManager *manager) {
        int r;

        assert(manager->state == DEVICE_MANAGER_STATE_READY);
        manager->state = DEVICE_MANAGER_STATE_RUNNING;
        r = device_front_start(&manager->front);
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
        event_timer_set(&manager->stop_timer, event_loop_now_ns(manager->loop) + STOP_TIMEOUT_NS);
        manager_close_listeners(manager);
        device_front_stop(&manager->front);
        if (manager->spare)
                child_process_send_type(manager->spare, CONTROL_TYPE_STOP);
        LIST_FOR_EACH (node, &manager->devices)
                managed_device_stop(list_entry(node, ManagedDevice, node_of_manager));
        cache_store_save_all(manager->store);
        event_defer_schedule(&manager->stop_check);
}

void device_manager_set_options(DeviceManager *manager, const DeviceManagerOptions *options) {
        DeviceManagerOptions *known = &manager->options;
        ControlMessage configure;

        assert(options->n_devices_max <= DEVICE_MANAGER_DEVICES_MAX);

        known->n_devices_max = options->n_devices_max;
        known->n_luns_max = options->n_luns_max;
        known->device_timeout_ms = options->device_timeout_ms;
        known->is_trim_enabled = options->is_trim_enabled;
        known->is_serial = options->is_serial;
        known->skips_processing = options->skips_processing;
        known->skips_validation = options->skips_validation;
        known->n_commands_kept = options->n_commands_kept;
        known->is_monitored = options->is_monitored;
        known->quirks = options->quirks;
        known->policy = options->policy;
        known->cache = options->cache;
        known->power = options->power;
        known->smart = options->smart;
        known->nbd = options->nbd;
        cache_store_set_cache_size(manager->store, MAX(known->cache.size, DEVICE_CACHE_SIZE_MIN));

        make_configure(manager, &configure);
        device_front_send(&manager->front, &configure, NULL, 0);
        device_front_send_nbd_options(&manager->front, &known->nbd);
        if (manager->spare)
                child_process_send(manager->spare, &configure, NULL, 0);
        share_cache(manager);
        LIST_FOR_EACH (node, &manager->devices) {
                ManagedDevice *device = list_entry(node, ManagedDevice, node_of_manager);

                managed_device_update_settings(device, &configure);
                set_smart_options(manager, device);
        }
}

const DeviceManagerOptions *device_manager_get_options(const DeviceManager *manager) {
        return &manager->options;
}

DeviceManagerCounts device_manager_get_counts(const DeviceManager *manager) {
        DeviceManagerCounts counts = {
                .n_devices = manager->n_devices,
                .n_exports = manager->front.n_exports,
                .is_saving = cache_store_is_saving(manager->store),
                .is_stopping = manager->state > DEVICE_MANAGER_STATE_RUNNING,
        };

        LIST_FOR_EACH (node, &manager->devices)
                counts.is_saving |= device_cache_is_saving(
                                &list_entry(node, ManagedDevice, node_of_manager)->cache);
        return counts;
}
