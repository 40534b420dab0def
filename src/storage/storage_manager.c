/*
 * A device's life is one Task: start the transport, find the units, serve until something happens,
 * and take everything down again in the opposite order. What happens meanwhile (stop, unplugged,
 * medium changed, given up) is noted by whoever learns of it and handled by the task alone.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "block/lun.h"
#include "error/error_handler.h"
#include "scsi/scsi_bring_up.h"
#include "storage/storage_manager.h"
#include "storage/storage_unit.h"
#include "transport/bot_transport.h"

#define STORAGE_DEVICE_TIMEOUT_MS_DEFAULT 30000
#define STORAGE_LUNS_DEFAULT 8
/* How long sessions may take to finish what is in flight, beyond a request's own deadline. */
#define STORAGE_SESSIONS_GRACE_NS (5 * NS_PER_S)
/* How long a unit may still be looked at once its manager was told to stop. */
#define STORAGE_LOOK_GRACE_NS (2 * NS_PER_S)

struct StorageManager {
        EventLoop *loop; /* borrowed */
        StorageState state;
        UsbDevice *device; /* owned */
        UsbStorageDevice storage_device;
        Transport *transport;        /* owned */
        ScsiProcessor *processor;    /* owned */
        ErrorHandler *error_handler; /* owned */
        char *base_name;             /* owned */
        StorageOptions options;
        const StorageHandlers *handlers; /* borrowed */
        void *userdata;

        StorageUnit units[STORAGE_LUNS_MAX];
        unsigned n_units;

        Future wake; /* what the task waits for between two events */
        bool is_waiting;
        bool must_stop; /* asked to, from without */
        bool is_gone;
        bool has_failed; /* the error handler gave up */
        bool is_claimed;
        const char *reason;
};

static const char *storage_state_to_string(StorageState state) {
        static const char *const names[_STORAGE_STATE_MAX] = {
                [STORAGE_STATE_STARTING] = "starting",
                [STORAGE_STATE_RUNNING] = "running",
                [STORAGE_STATE_STOPPING] = "stopping",
                [STORAGE_STATE_STOPPED] = "stopped",
        };

        return names[state];
}

static void storage_enter(StorageManager *manager, StorageState state) {
        log_device_debug(usb_device_get_name(manager->device), "storage is %s",
                         storage_state_to_string(state));
        manager->state = state;
}

static void storage_wake(StorageManager *manager) {
        if (!manager->is_waiting)
                return;
        manager->is_waiting = false;
        future_complete(&manager->wake, 0);
}

static void wait_on_cancel(Future *future) {
        storage_wake(container_of(future, StorageManager, wake));
}

/* Waits until somebody calls storage_wake(), or the deadline. */
static int storage_wait(StorageManager *manager, Task *task, uint64_t deadline_ns) {
        future_init(&manager->wake, manager->loop, wait_on_cancel);
        manager->is_waiting = true;
        return task_await(task, &manager->wake, deadline_ns);
}

static bool storage_must_end(const StorageManager *manager) {
        return manager->must_stop || manager->is_gone || manager->has_failed;
}

static void unit_on_idle(StorageUnit *unit) {
        StorageManager *manager = container_of(unit - unit->lun, StorageManager, units[0]);

        storage_wake(manager);
}

static void on_error_event(ErrorHandler *handler, ErrorHandlerEvent event, uint8_t lun,
                           void *userdata) {
        StorageManager *manager = userdata;

        switch (event) {
        case ERROR_HANDLER_EVENT_RESET:
                return;
        case ERROR_HANDLER_EVENT_MEDIUM_CHANGED:
                if (lun < manager->n_units)
                        manager->units[lun].is_medium_changed = true;
                storage_wake(manager);
                return;
        case ERROR_HANDLER_EVENT_FAILED:
                manager->has_failed = true;
                storage_wake(manager);
                return;
        case ERROR_HANDLER_EVENT_GONE:
                storage_manager_set_gone(manager);
                return;
        case _ERROR_HANDLER_EVENT_MAX:
                break;
        }
        assert_not_reached();
}

static void on_device_gone(UsbDevice *device, void *userdata) {
        storage_manager_set_gone(userdata);
}

static void unit_announce_closed(StorageManager *manager, StorageUnit *unit) {
        if (unit->is_open)
                manager->handlers->export_closed(manager, unit->lun, unit->generation,
                                                 manager->userdata);
}

/* Whether bring-up came so far that INQUIRY was answered. */
static bool has_identity(ScsiBringUpResult result) {
        return result == SCSI_BRING_UP_RESULT_READY || result == SCSI_BRING_UP_RESULT_NO_MEDIUM ||
               result == SCSI_BRING_UP_RESULT_UNSUPPORTED;
}

/* A look at a unit, in a task of its own: a disk that spins up takes longer than a stop may. */
typedef struct UnitLook {
        StorageManager *manager; /* borrowed */
        StorageUnit *unit;       /* borrowed */
        ScsiDisk disk;
        ScsiBringUpResult result;
        bool has_ended;
} UnitLook;

static int look_run(Task *task, void *userdata) {
        UnitLook *look = userdata;
        ScsiTarget *target = error_handler_get_target(look->manager->error_handler);

        /* A change from now on is not in what will be learned. */
        look->unit->is_medium_changed = false;
        look->result = scsi_bring_up(task, target, (uint8_t) look->unit->lun, NULL, &look->disk);
        return 0;
}

static void look_on_end(Task *task, int result, void *userdata) {
        UnitLook *look = userdata;

        look->has_ended = true;
        storage_wake(look->manager);
}

/* Returns when the look has ended; -ENOMEM. */
static int unit_look(UnitLook *look, Task *task) {
        StorageManager *manager = look->manager;
        uint64_t deadline_ns = TASK_NEVER;
        Task *look_task;
        int r;

        r = task_start(&look_task, manager->loop, "look", look_run, look_on_end, look);
        if (r < 0)
                return r;

        while (!look->has_ended) {
                if (manager->must_stop && deadline_ns == TASK_NEVER &&
                    !task_is_cancelled(look_task))
                        deadline_ns = event_loop_now_ns(manager->loop) + STORAGE_LOOK_GRACE_NS;
                r = storage_wait(manager, task, deadline_ns);
                if (r == -ETIMEDOUT && !look->has_ended) {
                        task_cancel(look_task);
                        deadline_ns = TASK_NEVER;
                }
        }
        return 0;
}

/* Looks at a LUN, and exports it if there is something to export. -ENODEV if the device has gone.
 */
static int unit_bring_up(StorageManager *manager, Task *task, StorageUnit *unit) {
        const char *name = usb_device_get_name(manager->device);
        UnitLook look = { .manager = manager, .unit = unit };
        const ScsiDisk *disk = &look.disk;
        int r;

        r = unit_look(&look, task);
        if (r < 0)
                return r;
        if (has_identity(look.result))
                error_handler_set_removable(manager->error_handler, (uint8_t) unit->lun,
                                            disk->is_removable);
        if (manager->must_stop)
                return 0;

        switch (look.result) {
        case SCSI_BRING_UP_RESULT_READY:
                break;
        case SCSI_BRING_UP_RESULT_NO_UNIT:
        case SCSI_BRING_UP_RESULT_NO_MEDIUM:
        case SCSI_BRING_UP_RESULT_UNSUPPORTED:
        case SCSI_BRING_UP_RESULT_FAILED:
                log_device_info(name, "LUN %u is not exported: %s", unit->lun,
                                scsi_bring_up_result_to_string(look.result));
                return 0;
        case SCSI_BRING_UP_RESULT_GONE:
                return -ENODEV;
        case _SCSI_BRING_UP_RESULT_MAX:
                assert_not_reached();
        }

        r = storage_unit_open(unit, error_handler_get_target(manager->error_handler), disk,
                              &manager->options);
        if (r < 0)
                return r;

        log_device_info(name, "LUN %u is exported as %s: %s%s", unit->lun, unit->name,
                        unit->description, disk->is_read_only ? ", read-only" : "");
        manager->handlers->export_opened(manager,
                                         &(StorageExport){
                                                         .lun = unit->lun,
                                                         .generation = unit->generation,
                                                         .name = unit->name,
                                                         .description = unit->description,
                                                         .info = unit->info,
                                         },
                                         manager->userdata);
        return 0;
}

static int storage_start_transport(StorageManager *manager, Task *task) {
        const UsbDescriptors *descriptors = usb_device_get_descriptors(manager->device);
        int r;

        manager->reason = "it has no interface that can be driven";
        r = usb_storage_device_init(&manager->storage_device, descriptors,
                                    usb_device_get_speed(manager->device),
                                    1U << USB_STORAGE_PROTOCOL_BOT);
        if (r == -ENODEV)
                return -EOPNOTSUPP;
        if (r < 0)
                return r;

        manager->reason = "its transport could not be started";
        r = bot_transport_new(&manager->transport, manager->device, &manager->storage_device,
                              &(BotOptions){ .mode = BOT_MODE_AUTO });
        if (r < 0)
                return r;
        r = transport_start(manager->transport, task);
        if (r < 0)
                return r;
        manager->is_claimed = true;

        if (!manager->options.starts_with_reset)
                return 0;
        manager->reason = "it could not be reset after its last worker died";
        return transport_recover(manager->transport, task, TRANSPORT_RECOVERY_PORT_RESET, 0);
}

static int storage_start(StorageManager *manager, Task *task) {
        int max_lun, r;

        r = storage_start_transport(manager, task);
        if (r < 0)
                return r;

        manager->reason = "it does not answer";
        max_lun = transport_get_max_lun(manager->transport, task);
        if (max_lun < 0)
                return max_lun;
        manager->n_units = MIN((unsigned) max_lun + 1, manager->options.n_luns_max);

        r = scsi_processor_new(&manager->processor, manager->transport);
        if (r < 0)
                return r;
        /* Of a unit that has not told what it is a change of medium is rather believed. */
        r = error_handler_new(&manager->error_handler, manager->processor, manager->transport,
                              &(ErrorHandlerOptions){ .is_removable = true }, on_error_event,
                              manager);
        if (r < 0)
                return r;

        for (unsigned i = 0; i < manager->n_units && !storage_must_end(manager); i++) {
                r = unit_bring_up(manager, task, &manager->units[i]);
                if (r < 0)
                        return r;
        }
        if (manager->is_gone)
                return -ENODEV;
        return manager->has_failed ? -EIO : 0;
}

/* No client is accepted any more, and those that are there are told to end. */
static void unit_begin_close(StorageManager *manager, StorageUnit *unit) {
        unit_announce_closed(manager, unit);
        storage_unit_end_sessions(unit);
}

/* The sessions end by their requests' deadlines. */
static void unit_await_sessions(StorageManager *manager, Task *task, StorageUnit *unit) {
        uint64_t patience_ns = 2 * unit->request_timeout_ns + STORAGE_SESSIONS_GRACE_NS;

        while (unit->n_sessions > 0)
                if (storage_wait(manager, task, event_loop_now_ns(manager->loop) + patience_ns) ==
                    -ETIMEDOUT)
                        log_device_warning(usb_device_get_name(manager->device),
                                           "LUN %u still has %u sessions past their deadline",
                                           unit->lun, unit->n_sessions);
}

static bool unit_reopen(StorageManager *manager, Task *task, StorageUnit *unit) {
        unit_begin_close(manager, unit);
        unit_await_sessions(manager, task, unit);
        if (unit->is_open)
                storage_unit_close(unit);
        return unit_bring_up(manager, task, unit) == 0;
}

static StorageUnit *storage_find_changed(StorageManager *manager) {
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].is_medium_changed)
                        return &manager->units[i];
        return NULL;
}

static void storage_serve(StorageManager *manager, Task *task) {
        StorageUnit *changed;

        while (!storage_must_end(manager)) {
                changed = storage_find_changed(manager);
                if (!changed)
                        storage_wait(manager, task, TASK_NEVER);
                else if (!unit_reopen(manager, task, changed))
                        return;
        }
}

typedef struct UnitFlush {
        BlockRequest request;
        Future future;
} UnitFlush;

static void flush_on_done(BlockRequest *request) {
        future_complete(&container_of(request, UnitFlush, request)->future, request->error);
}

static int unit_flush(StorageManager *manager, Task *task, StorageUnit *unit) {
        UnitFlush flush = {
                .request = {
                        .operation = BLOCK_OPERATION_FLUSH,
                        .deadline_ns = event_loop_now_ns(manager->loop) + unit->request_timeout_ns,
                        .done = flush_on_done,
                },
        };
        int r;

        if (unit->info.transmission_flags & NBD_FLAG_READ_ONLY)
                return 0;

        future_init(&flush.future, manager->loop, NULL);
        r = block_device_submit(unit->block, &flush.request);
        if (r < 0)
                return r;
        return task_await(task, &flush.future, TASK_NEVER);
}

static void unit_stop(StorageManager *manager, Task *task, StorageUnit *unit) {
        int r;

        if (manager->is_gone || manager->has_failed)
                lun_shut_down(unit->block);
        unit_await_sessions(manager, task, unit);

        if (!manager->is_gone && !manager->has_failed) {
                r = unit_flush(manager, task, unit);
                if (r < 0)
                        log_device_error(unit->name, "The last flush failed: %s", strerror(-r));
        }
        storage_unit_close(unit);
}

/* Gives the interface back to the kernel's driver. */
static void storage_release(StorageManager *manager, Task *task) {
        UsbOperation release = {
                .type = USB_OPERATION_RELEASE,
                .interface = manager->storage_device.interface.number,
        };

        if (!manager->is_claimed || manager->is_gone)
                return;
        manager->is_claimed = false;
        usb_device_await_operation(task, manager->device, &release);
}

static void storage_stop(StorageManager *manager, Task *task) {
        storage_enter(manager, STORAGE_STATE_STOPPING);
        for (unsigned i = 0; i < manager->n_units; i++)
                unit_begin_close(manager, &manager->units[i]);
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].is_open)
                        unit_stop(manager, task, &manager->units[i]);

        while (manager->error_handler && !error_handler_is_idle(manager->error_handler))
                task_sleep(task, NS_PER_MS);
        manager->error_handler = error_handler_free(manager->error_handler);
        manager->processor = scsi_processor_free(manager->processor);
        storage_release(manager, task);
        manager->transport = transport_free(manager->transport);
}

/* The whole life. Returns why it ended: 0 asked to, -ENODEV gone, -errno. */
static int storage_live(Task *task, void *userdata) {
        StorageManager *manager = userdata;
        int r;

        r = storage_start(manager, task);
        if (r < 0 && !manager->must_stop) {
                storage_stop(manager, task);
                return manager->is_gone ? -ENODEV : r;
        }

        manager->reason = NULL;
        storage_enter(manager, STORAGE_STATE_RUNNING);
        manager->handlers->brought_up(manager, 0, manager->n_units, NULL, manager->userdata);
        storage_serve(manager, task);

        storage_stop(manager, task);
        if (manager->must_stop)
                return 0;
        return manager->is_gone ? -ENODEV : -EIO;
}

static void storage_on_end(Task *task, int result, void *userdata) {
        StorageManager *manager = userdata;
        const char *reason = TAKE_PTR(manager->reason);

        storage_enter(manager, STORAGE_STATE_STOPPED);
        if (reason)
                manager->handlers->brought_up(
                                manager, result, 0,
                                result == -ENODEV && manager->is_gone ? "it was unplugged" : reason,
                                manager->userdata);
        else
                manager->handlers->stopped(manager, result, manager->userdata);
}

static int storage_manager_new_on(StorageManager **ret, UsbDevice *device,
                                  const StorageOptions *options) {
        StorageManager *manager;

        manager = calloc(1, sizeof(*manager));
        if (!manager)
                return -ENOMEM;

        manager->loop = usb_device_get_loop(device);
        manager->device = device;
        manager->options = *options;
        if (manager->options.device_timeout_ms == 0)
                manager->options.device_timeout_ms = STORAGE_DEVICE_TIMEOUT_MS_DEFAULT;
        if (manager->options.n_luns_max == 0)
                manager->options.n_luns_max = STORAGE_LUNS_DEFAULT;
        manager->options.n_luns_max = MIN(manager->options.n_luns_max, (unsigned) STORAGE_LUNS_MAX);
        for (unsigned i = 0; i < STORAGE_LUNS_MAX; i++)
                storage_unit_init(&manager->units[i], i, unit_on_idle);

        *ret = manager;
        return 0;
}

int storage_manager_new(StorageManager **ret, UsbDevice *device, const StorageOptions *options,
                        const StorageHandlers *handlers, void *userdata) {
        _cleanup_(usb_device_freep) UsbDevice *owned_device = device;
        _cleanup_(freep) StorageManager *manager = NULL;
        _cleanup_(freep) char *base_name = NULL;
        int r;

        assert(options->base_name);

        r = storage_manager_new_on(&manager, device, options);
        if (r < 0)
                return r;
        base_name = strdup(options->base_name);
        if (!base_name)
                return -ENOMEM;
        r = task_start(NULL, manager->loop, "storage", storage_live, storage_on_end, manager);
        if (r < 0)
                return r;

        manager->handlers = handlers;
        manager->userdata = userdata;
        manager->base_name = TAKE_PTR(base_name);
        manager->options.base_name = manager->base_name;
        usb_device_set_gone_handler(device, on_device_gone, manager);
        TAKE_PTR(owned_device);
        *ret = TAKE_PTR(manager);
        return 0;
}

StorageManager *storage_manager_free(StorageManager *manager) {
        if (!manager)
                return NULL;

        assert(manager->state == STORAGE_STATE_STOPPED);
        for (unsigned i = 0; i < STORAGE_LUNS_MAX; i++)
                storage_unit_done(&manager->units[i]);
        usb_device_free(manager->device);
        free(manager->base_name);
        free(manager);
        return NULL;
}

StorageState storage_manager_get_state(const StorageManager *manager) { return manager->state; }

int storage_manager_add_client(StorageManager *manager, unsigned lun, uint64_t generation, int fd,
                               const NbdAgreement *agreement) {
        if (lun >= manager->n_units || storage_must_end(manager)) {
                fd_close(fd);
                return -ESTALE;
        }
        return storage_unit_add_session(&manager->units[lun], generation, fd, agreement);
}

void storage_manager_set_gone(StorageManager *manager) {
        if (manager->is_gone)
                return;

        manager->is_gone = true;
        usb_device_set_gone(manager->device);
        if (manager->error_handler)
                error_handler_set_gone(manager->error_handler);
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].is_open)
                        lun_shut_down(manager->units[i].block);
        storage_wake(manager);
}

void storage_manager_stop(StorageManager *manager) {
        manager->must_stop = true;
        storage_wake(manager);
}
