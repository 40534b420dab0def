/*
 * Requests run beside the manager's task, and beside each other. Where both would touch a unit, it is
 * the manager's that waits: for the unit's requests to end, and at the end of the stack for all of
 * them.
 */

#include "storage/storage_requests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cache/cache_volume.h"
#include "storage/storage_exclusive.h"
#include "storage/storage_history.h"
#include "storage/storage_pass_through.h"
#include "storage/storage_settings.h"
#include "storage/storage_tray.h"
#include "usb/usb_trace.h"

#define PROGRESS_PERIOD_NS (250 * NS_PER_MS)
/* A command that is under way may end by itself before it is given up. */
#define END_GRACE_NS (2 * NS_PER_S)
/* Of what has no other. */
#define TIMEOUT_DEFAULT_NS (60 * NS_PER_S)
#define RESET_POLL_NS (10 * NS_PER_MS)
/* A trace that nobody ends must not fill the disk. */
#define TRACE_TIME_DEFAULT_NS (3600 * NS_PER_S)

void storage_requests_init(StorageRequests *requests) {
        requests->n = 0;
        list_init(&requests->list);
}

static bool ends_device(const StorageRequest *request) {
        return request->request.kind == CONTROL_REQUEST_KIND_RELEASE ||
               request->request.kind == CONTROL_REQUEST_KIND_REMOVE;
}

static bool is_meant(const StorageRequest *request, const StorageUnit *unit) {
        return request->request.lun == CONTROL_LUN_ALL || request->request.lun == unit->lun;
}

static uint64_t get_end_ns(const StorageRequest *request, uint64_t default_ns) {
        uint64_t timeout_ns = request->request.timeout_ms * NS_PER_MS;

        return event_loop_now_ns(request->manager->loop) +
               (timeout_ns > 0 ? timeout_ns : default_ns);
}

/* Answers */

static void answer(StorageManager *manager, ControlReply *reply) {
        if (manager->handlers->replied)
                manager->handlers->replied(manager, reply, manager->userdata);
}

static void request_complete(StorageRequest *request, int error) {
        StorageManager *manager = request->manager;

        request->reply.error = error;
        if (error < 0) /* nothing half done is told */
                request->reply.data_size = request->reply.sense_size = 0;
        list_unlink(&request->node);
        manager->requests.n--;
        event_timer_done(&request->progress);
        fd_close(request->fd);
        answer(manager, &request->reply);
        free(request);
        storage_manager_wake(manager);
}

/* Progress */

/* What is written but not synchronised counts as done, as all of that is synchronised at once. */
static uint64_t get_dirty_size(const StorageRequest *request) {
        const StorageManager *manager = request->manager;
        uint64_t size = 0;

        for (unsigned i = 0; manager->cache && i < manager->n_units; i++)
                if (manager->units[i].is_open && is_meant(request, &manager->units[i]))
                        size += cache_manager_get_lun_statistics(manager->cache, i)->dirty_size;
        return size;
}

/* Clients may write faster than it is flushed. */
static void tell_progress(StorageRequest *request) {
        StorageManager *manager = request->manager;
        uint64_t dirty_size = MIN(get_dirty_size(request), request->total_size);
        ControlProgress progress = {
                .id = request->request.id,
                .n_done = request->total_size - dirty_size,
                .n_total = request->total_size,
        };

        if (manager->handlers->progressed)
                manager->handlers->progressed(manager, &progress, manager->userdata);
}

static void on_progress(EventTimer *timer) {
        StorageRequest *request = container_of(timer, StorageRequest, progress);

        tell_progress(request);
        event_timer_set(timer, event_loop_now_ns(request->manager->loop) + PROGRESS_PERIOD_NS);
}

/* The kinds */

static int flush_units(StorageRequest *request, Task *task) {
        StorageManager *manager = request->manager;
        int result = 0;

        for (unsigned i = 0; i < manager->n_units; i++) {
                StorageUnit *unit = &manager->units[i];
                int r;

                if (!is_meant(request, unit) || !unit->is_open || !unit->is_announced)
                        continue;
                unit->n_requests++;
                r = storage_manager_flush(manager, task, unit,
                                          get_end_ns(request, UINT32_MAX * NS_PER_MS));
                unit->n_requests--;
                if (r == -ECANCELED)
                        return r;
                if (r < 0)
                        result = r;
        }
        return result;
}

static int run_flush(StorageRequest *request, Task *task) {
        StorageManager *manager = request->manager;
        int r;

        if (request->request.lun != CONTROL_LUN_ALL &&
            !manager->units[request->request.lun].is_open)
                return -ENOMEDIUM;
        request->total_size = get_dirty_size(request);
        on_progress(&request->progress);
        r = flush_units(request, task);
        event_timer_clear(&request->progress);
        if (r == 0)
                tell_progress(request);
        return r;
}

static int reset_cache_of(StorageRequest *request, Task *task, StorageUnit *unit) {
        StorageExclusive exclusive;
        int r;

        if (!(request->request.flags & CONTROL_REQUEST_DISCARD_DIRTY)) {
                cache_volume_drop_clean(unit->volume);
                return 0;
        }
        r = storage_exclusive_begin(&exclusive, request->manager, task, unit,
                                    get_end_ns(request, TIMEOUT_DEFAULT_NS),
                                    /* is_given_up= */ true);
        if (r < 0)
                return r;
        storage_exclusive_end(&exclusive, /* is_changed= */ true);
        return 0;
}

static int run_cache_reset(StorageRequest *request, Task *task) {
        StorageManager *manager = request->manager;
        int r;

        for (unsigned i = 0; i < manager->n_units; i++) {
                StorageUnit *unit = &manager->units[i];

                if (!is_meant(request, unit) || !unit->is_open || !unit->volume)
                        continue;
                r = reset_cache_of(request, task, unit);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int run_cache_mode(StorageRequest *request) {
        StorageManager *manager = request->manager;
        CacheMode mode = (CacheMode) request->request.cache_mode;

        if (!manager->cache)
                return mode == CACHE_MODE_OFF ? 0 : -EOPNOTSUPP;
        storage_settings_set_cache_mode(manager, mode);
        for (unsigned i = 0; mode == CACHE_MODE_OFF && i < manager->n_units; i++)
                if (manager->units[i].is_open && manager->units[i].volume)
                        cache_volume_drop_clean(manager->units[i].volume);
        return 0;
}

/* Bulk-Only and CBI have no reset of a LUN. */
static TransportRecovery get_reset_step(const StorageRequest *request) {
        if (request->request.kind == CONTROL_REQUEST_KIND_DEVICE_RESET)
                return TRANSPORT_RECOVERY_PORT_RESET;
        return storage_stack_get_state(request->manager->stack).protocol == USB_STORAGE_PROTOCOL_UAS
                               ? TRANSPORT_RECOVERY_LUN_RESET
                               : TRANSPORT_RECOVERY_CLASS_RESET;
}

static int reset(StorageRequest *request, Task *task) {
        ErrorHandler *handler = storage_stack_get_error_handler(request->manager->stack);
        uint8_t lun = request->request.lun == CONTROL_LUN_ALL ? 0 : (uint8_t) request->request.lun;
        ErrorHandlerState state;
        int r;

        /* One that is under way helps as well. */
        r = error_handler_reset(handler, lun, get_reset_step(request));
        if (r < 0 && r != -EAGAIN)
                return r;
        request->manager->n_resets_asked += r == 0;
        do {
                if (task_sleep(task, RESET_POLL_NS) < 0)
                        return -ECANCELED;
                state = error_handler_get_state(handler);
        } while (state == ERROR_HANDLER_STATE_DRAINING || state == ERROR_HANDLER_STATE_RECOVERING);
        if (state == ERROR_HANDLER_STATE_GONE)
                return -ENODEV;
        return state == ERROR_HANDLER_STATE_FAILED ? -EIO : 0;
}

/* A reset goes past the gate. */
static int run_reset(StorageRequest *request, Task *task) {
        PowerManager *power = storage_stack_get_power(request->manager->stack);
        int r;

        r = power_manager_hold(power, task);
        if (r < 0)
                return r;
        r = reset(request, task);
        power_manager_let_go(power);
        return r;
}

/* The manager ends it before the device goes. */
static int run_trace(StorageRequest *request, Task *task) {
        const ControlTrace *asked = &request->request.trace;
        UsbTraceCounts counts;
        UsbTrace *trace;
        int r;

        r = usb_trace_new(&trace, storage_stack_get_device(request->manager->stack),
                          TAKE_FD(request->fd),
                          &(UsbTraceOptions){
                                          .realtime_ns = asked->realtime_ns,
                                          .bus_number = (uint16_t) asked->bus_number,
                                          .device_number = (uint8_t) asked->device_number,
                                          .data_size_max = asked->data_size_max,
                          });
        if (r < 0)
                return r;
        (void) task_sleep(task, request->request.timeout_ms > 0
                                                ? request->request.timeout_ms * NS_PER_MS
                                                : TRACE_TIME_DEFAULT_NS);
        counts = usb_trace_finish(trace);
        request->reply.n_packets = counts.n_packets;
        request->reply.n_dropped = counts.n_dropped;
        return 0;
}

static bool has_clients(const StorageManager *manager) {
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].n_sessions > 0)
                        return true;
        return false;
}

static int refuse_busy(StorageRequest *request) {
        storage_power_name_users(request->manager, request->reply.words);
        return -EBUSY;
}

/* Flushed first, so that what can't be written is told while nothing is lost yet. */
static int run_release(StorageRequest *request, Task *task) {
        StorageManager *manager = request->manager;
        bool is_forced = request->request.flags & CONTROL_REQUEST_FORCE;
        int r = 0;

        if (has_clients(manager) && !is_forced)
                return refuse_busy(request);
        if (manager->state == STORAGE_STATE_RUNNING && !manager->is_gone)
                r = run_flush(request, task);
        if (r == -ECANCELED || (r < 0 && !is_forced))
                return r;
        if (has_clients(manager) && !is_forced)
                return refuse_busy(request);
        manager->is_given_up = true;
        manager->must_stop_media |= request->request.kind == CONTROL_REQUEST_KIND_REMOVE;
        storage_manager_stop(manager);
        return 0;
}

/* Whoever uses it next wakes it. */
static int run_power_state(StorageRequest *request, Task *task) {
        StorageManager *manager = request->manager;
        PowerState state = (PowerState) request->request.power_state;
        int r;

        if (state != POWER_STATE_ACTIVE && !storage_power_is_asleep(manager)) {
                r = run_flush(request, task);
                if (r < 0)
                        return r;
        }
        r = storage_power_enter(manager, task, state);
        if (r == -EBUSY)
                return refuse_busy(request);
        if (r == -EOPNOTSUPP)
                snprintf(request->reply.words, CONTROL_WORDS_SIZE,
                         state == POWER_STATE_STANDBY
                                         ? "it has no unit that can be stopped, or does not bear it"
                                         : "the host can't suspend it, or it does not bear it");
        return r;
}

static int run(Task *task, void *userdata) {
        StorageRequest *request = userdata;

        switch ((ControlRequestKind) request->request.kind) {
        case CONTROL_REQUEST_KIND_FLUSH:
                return run_flush(request, task);
        case CONTROL_REQUEST_KIND_CACHE_RESET:
                return run_cache_reset(request, task);
        case CONTROL_REQUEST_KIND_CACHE_MODE:
                return run_cache_mode(request);
        case CONTROL_REQUEST_KIND_DEVICE_RESET:
        case CONTROL_REQUEST_KIND_LUN_RESET:
                return run_reset(request, task);
        case CONTROL_REQUEST_KIND_SCSI_COMMAND:
                return storage_pass_through_run(request, task);
        case CONTROL_REQUEST_KIND_RELEASE:
        case CONTROL_REQUEST_KIND_REMOVE:
                return run_release(request, task);
        case CONTROL_REQUEST_KIND_TRACE:
                return run_trace(request, task);
        case CONTROL_REQUEST_KIND_HISTORY:
                return storage_history_run(request);
        case CONTROL_REQUEST_KIND_EJECT:
        case CONTROL_REQUEST_KIND_LOAD:
                return storage_tray_run(request, task);
        case CONTROL_REQUEST_KIND_POWER_STATE:
                return run_power_state(request, task);
        case CONTROL_REQUEST_KIND_SMART_UPDATE:
        case CONTROL_REQUEST_KIND_SMART_TEST:
                return storage_smart_run(request, task);
        case _CONTROL_REQUEST_KIND_MAX:
                break;
        }
        assert_not_reached();
}

static void on_end(Task *task, int result, void *userdata) {
        StorageRequest *request = userdata;

        request->task = NULL;
        event_timer_clear(&request->progress);
        if (ends_device(request) && result == 0 && request->manager->must_stop) {
                storage_manager_wake(request->manager);
                return; /* answered at the very end */
        }
        request_complete(request, result == -ECANCELED && request->end_error < 0
                                                  ? request->end_error
                                                  : result);
}

/* Beginning */

static int check_state(const StorageManager *manager, const ControlRequest *request) {
        bool needs_no_device = request->kind == CONTROL_REQUEST_KIND_RELEASE ||
                               request->kind == CONTROL_REQUEST_KIND_REMOVE ||
                               request->kind == CONTROL_REQUEST_KIND_HISTORY;

        if (manager->must_stop)
                return -ESHUTDOWN;
        if (manager->requests.n >= CONTROL_REQUESTS_MAX)
                return -EBUSY;
        switch (manager->state) {
        case STORAGE_STATE_STARTING:
                return needs_no_device ? 0 : -EAGAIN;
        case STORAGE_STATE_PARKED:
                return needs_no_device ? 0 : -ENODEV;
        case STORAGE_STATE_RUNNING:
                break;
        case STORAGE_STATE_STOPPING:
        case STORAGE_STATE_STOPPED:
                return -ESHUTDOWN;
        case _STORAGE_STATE_MAX:
                assert_not_reached();
        }
        if (!needs_no_device && storage_manager_must_end(manager))
                return -ENODEV;
        return request->lun != CONTROL_LUN_ALL && request->lun >= manager->n_units ? -ENXIO : 0;
}

static int request_start(StorageManager *manager, const ControlRequest *asked, int *fd) {
        _cleanup_(freep) StorageRequest *request = NULL;
        int r;

        r = check_state(manager, asked);
        if (r < 0)
                return r;
        request = calloc(1, sizeof(*request));
        if (!request)
                return -ENOMEM;
        r = event_timer_init(&request->progress, manager->loop, on_progress);
        if (r < 0)
                return r;
        request->manager = manager;
        request->request = *asked;
        request->reply.id = asked->id;
        list_init(&request->node);
        r = task_start(&request->task, manager->loop, "request", run, on_end, request);
        if (r < 0) {
                event_timer_done(&request->progress);
                return r;
        }
        request->fd = TAKE_FD(*fd);
        list_append(&manager->requests.list, &request->node);
        manager->requests.n++;
        TAKE_PTR(request);
        return 0;
}

void storage_requests_add(StorageManager *manager, const ControlRequest *request, int fd) {
        _cleanup_(fd_closep) int owned_fd = fd;
        int r;

        r = request_start(manager, request, &owned_fd);
        if (r < 0)
                answer(manager, &(ControlReply){ .id = request->id, .error = r });
}

/* What makes the device end is past the point where it could be given up. */
void storage_requests_cancel(StorageManager *manager, uint64_t id) {
        LIST_FOR_EACH (node, &manager->requests.list) {
                StorageRequest *request = list_entry(node, StorageRequest, node);

                if (request->request.id == id && request->task)
                        task_cancel(request->task);
        }
}

/* Ending */

static size_t count_running(const StorageManager *manager) {
        size_t n = 0;

        LIST_FOR_EACH (node, &manager->requests.list)
                n += list_entry(node, StorageRequest, node)->task != NULL;
        return n;
}

static void cancel_all(StorageManager *manager, int error, bool with_commands) {
        LIST_FOR_EACH (node, &manager->requests.list) {
                StorageRequest *request = list_entry(node, StorageRequest, node);

                if (!request->task || task_is_cancelled(request->task))
                        continue;
                if (request->request.kind == CONTROL_REQUEST_KIND_SCSI_COMMAND && !with_commands)
                        continue;
                request->end_error = error;
                task_cancel(request->task);
        }
}

void storage_requests_end(StorageManager *manager, Task *task, int error) {
        uint64_t deadline_ns = event_loop_now_ns(manager->loop) + END_GRACE_NS;

        cancel_all(manager, error, /* with_commands= */ manager->is_gone);
        while (count_running(manager) > 0)
                if (storage_manager_wait(manager, task, deadline_ns) == -ETIMEDOUT) {
                        cancel_all(manager, error, /* with_commands= */ true);
                        deadline_ns = TASK_NEVER;
                }
}

void storage_requests_finish(StorageManager *manager, int result) {
        ListNode *node;

        assert(count_running(manager) == 0);
        while ((node = list_first(&manager->requests.list)))
                request_complete(list_entry(node, StorageRequest, node), result);
}
