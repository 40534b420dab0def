/* A device's way through its workers: see managed_device.h. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "device/managed_device.h"

static const char *managed_device_state_to_string(ManagedDeviceState state) {
        static const char *const names[_MANAGED_DEVICE_STATE_MAX] = {
                [MANAGED_DEVICE_STATE_STARTING] = "starting",
                [MANAGED_DEVICE_STATE_RUNNING] = "running",
                [MANAGED_DEVICE_STATE_LEAVING] = "leaving",
                [MANAGED_DEVICE_STATE_PARKED] = "parked",
                [MANAGED_DEVICE_STATE_PAUSING] = "pausing",
                [MANAGED_DEVICE_STATE_STOPPING] = "stopping",
                [MANAGED_DEVICE_STATE_ENDED] = "ended",
        };

        return names[state];
}

static uint64_t device_pause_ns(const ManagedDevice *device) {
        unsigned doublings = MIN(device->n_deaths, 16U);

        if (doublings <= 1)
                return 0;
        return MIN(MANAGED_DEVICE_PAUSE_MIN_NS << (doublings - 2), MANAGED_DEVICE_PAUSE_MAX_NS);
}

static void device_tell_event(ManagedDevice *device, DeviceEvent event, unsigned lun,
                              const char *words) {
        device->handlers->happened(device, event, lun, words, device->userdata);
}

static uint64_t get_realtime_us(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void device_settle(ManagedDevice *device, ManagedDeviceState state) {
        if (device->is_settled || state == MANAGED_DEVICE_STATE_STARTING)
                return;
        device->is_settled = true;
        device->handlers->settled(device, device->userdata);
}

static void device_on_running(ManagedDevice *device) {
        if (device->is_resuming)
                device_tell_event(device, DEVICE_EVENT_RETURNED, CONTROL_LUN_ALL, "is back");
        device->is_resuming = false;
}

static void device_enter(ManagedDevice *device, ManagedDeviceState state) {
        uint64_t now_ns = event_loop_now_ns(device->loop);

        device_settle(device, state);
        log_device_debug(device->name, "device is %s", managed_device_state_to_string(state));
        device->state = state;
        device->handlers->changed(device, device->userdata);
        switch (state) {
        case MANAGED_DEVICE_STATE_STARTING:
                device->started_ns = now_ns;
                event_timer_clear(&device->timer);
                return;
        case MANAGED_DEVICE_STATE_RUNNING:
                device_on_running(device);
                return;
        case MANAGED_DEVICE_STATE_LEAVING:
                event_timer_set(&device->timer, now_ns + MANAGED_DEVICE_LEAVE_TIMEOUT_NS);
                return;
        case MANAGED_DEVICE_STATE_STOPPING:
                event_timer_set(&device->timer, now_ns + MANAGED_DEVICE_STOP_TIMEOUT_NS);
                return;
        case MANAGED_DEVICE_STATE_PARKED:
                /* The worker counts its time itself, and then needs some to leave. */
                event_timer_set(&device->timer,
                                now_ns + device->cache.options->park_timeout_ms * NS_PER_MS +
                                                MANAGED_DEVICE_LEAVE_TIMEOUT_NS);
                device->handlers->parked(device, device->userdata);
                return;
        case MANAGED_DEVICE_STATE_PAUSING:
                event_timer_set(&device->timer, now_ns + device_pause_ns(device));
                return;
        case MANAGED_DEVICE_STATE_ENDED:
                event_timer_clear(&device->timer);
                device->handlers->ended(device, device->userdata);
                return;
        case _MANAGED_DEVICE_STATE_MAX:
                break;
        }
        assert_not_reached();
}

static void device_tell_lun(ManagedDevice *device, unsigned lun) {
        if (device->luns[lun].is_present)
                device->handlers->lun_changed(device, lun, MANAGED_DEVICE_NEWS_CHANGED,
                                              device->userdata);
}

static void device_close_export(ManagedDevice *device, ManagedExport *export) {
        if (!export->is_open)
                return;
        export->is_open = false;
        device_cache_on_export_closed(&device->cache, (unsigned) (export - device->exports));
        device->handlers->export_closed(device, export->generation, device->userdata);
        device_tell_lun(device, (unsigned) (export - device->exports));
}

static void device_close_exports(ManagedDevice *device) {
        for (size_t i = 0; i < N_ELEMENTS(device->exports); i++)
                device_close_export(device, &device->exports[i]);
}

/* The worker chose the name from what we gave it; a worker that lies must not take another's name.
 */
static bool is_own_export_name(const ManagedDevice *device, const ControlExport *export) {
        char expected[CONTROL_NAME_SIZE_MAX];

        snprintf(expected, sizeof(expected), "%s-lun%u", device->export_name, export->lun);
        return strcmp(expected, export->name) == 0;
}

static void on_export(ManagedDevice *device, const ControlExport *message) {
        ControlExport export = *message;
        ManagedExport *slot;

        if (export.lun >= N_ELEMENTS(device->exports) || !is_own_export_name(device, &export)) {
                child_process_kill(device->worker, "told of an export that is not its own");
                return;
        }

        /* Also of a device that has gone meanwhile: a worker that waits for it does not tell again. */
        slot = &device->exports[export.lun];
        device_close_export(device, slot);
        slot->worker_generation = export.generation;
        device_cache_on_export(&device->cache, export.lun);
        device->handlers->export_opened(device, &export, device->userdata);
        slot->generation = export.generation;
        slot->is_open = true;
        device_tell_lun(device, export.lun);
}

static void on_export_closed(ManagedDevice *device, const ControlExportClosed *message) {
        if (message->lun < N_ELEMENTS(device->exports))
                device_close_export(device, &device->exports[message->lun]);
}

static void on_power(ManagedDevice *device, const ControlPower *told) {
        DevicePowerNews news;

        news = device_power_note(&device->power, told, event_loop_now_ns(device->loop),
                                 get_realtime_us());
        device->handlers->changed(device, device->userdata);
        if (news == DEVICE_POWER_NEWS_ASLEEP)
                device_tell_event(device, DEVICE_EVENT_ASLEEP, CONTROL_LUN_ALL,
                                  told->state == POWER_STATE_STANDBY ? "is put to standby"
                                                                     : "is suspended");
        else if (news == DEVICE_POWER_NEWS_AWAKE)
                device_tell_event(device, DEVICE_EVENT_AWAKE, CONTROL_LUN_ALL, "is awake");
}

static void on_lun_stats(ManagedDevice *device, const ControlLunStats *message) {
        device_stats_note_lun(&device->stats, message->lun, &message->stats,
                              event_loop_now_ns(device->loop));
}

static void on_failed(ManagedDevice *device, const ControlFailed *failed) {
        log_device_warning(device->name, "can't be driven: %s", failed->reason);
        device->has_failed = true;
        snprintf(device->failure_reason, sizeof(device->failure_reason), "%s", failed->reason);
        device_tell_event(device, DEVICE_EVENT_FAILED, CONTROL_LUN_ALL, failed->reason);
        /* Not ours to drive, however often it is tried: the kernel gets it back. */
        if (failed->error == -EOPNOTSUPP && device->state == MANAGED_DEVICE_STATE_STARTING) {
                device->is_refused = true;
                device_enter(device, MANAGED_DEVICE_STATE_STOPPING);
        }
}

static void on_parked(ManagedDevice *device) {
        if (device->state != MANAGED_DEVICE_STATE_STARTING &&
            device->state != MANAGED_DEVICE_STATE_RUNNING &&
            device->state != MANAGED_DEVICE_STATE_LEAVING)
                return;
        log_device_info(device->name, "is gone, and waited for");
        device->is_resuming = false;
        device_power_note_away(&device->power, event_loop_now_ns(device->loop), get_realtime_us());
        device_tell_event(device, DEVICE_EVENT_PARKED, CONTROL_LUN_ALL, "is gone, and waited for");
        device_enter(device, MANAGED_DEVICE_STATE_PARKED);
}

static void on_stopped(ManagedDevice *device) {
        device->has_stopped = true;
        if (device->state == MANAGED_DEVICE_STATE_STARTING ||
            device->state == MANAGED_DEVICE_STATE_RUNNING ||
            device->state == MANAGED_DEVICE_STATE_PARKED)
                device_enter(device, MANAGED_DEVICE_STATE_LEAVING);
}

/* What it was, and what its worker says that it is now. */
static void device_tell_degradations(ManagedDevice *device, unsigned lun, uint32_t before,
                                     uint32_t now) {
        for (unsigned i = 0; i < CONTROL_DEGRADATIONS_N; i++) {
                uint32_t bit = UINT32_C(1) << i;

                if ((before ^ now) & bit)
                        device_tell_event(device,
                                          now & bit ? DEVICE_EVENT_DEGRADED
                                                    : DEVICE_EVENT_RECOVERED,
                                          lun, control_degradation_to_string(bit));
        }
}

static void on_device_info(ManagedDevice *device, const ControlDeviceInfo *info) {
        ControlDeviceInfo before = device->info;

        device->info = *info;
        device->has_info = true;
        device->handlers->changed(device, device->userdata);
        /* A worker's count begins anew. */
        if (info->n_resets > before.n_resets)
                device_tell_event(device, DEVICE_EVENT_RESET, CONTROL_LUN_ALL, "was reset");
        device_tell_degradations(device, CONTROL_LUN_ALL, before.degradations, info->degradations);
}

static void on_lun_info(ManagedDevice *device, const ControlLunInfo *info) {
        ControlLunInfo *slot = &device->luns[info->lun];
        ControlLunInfo before = *slot;

        if (!before.is_present && !info->is_present)
                return;
        if (!info->is_present) {
                device_smart_forget(&device->smart, info->lun);
                device->handlers->lun_changed(device, info->lun, MANAGED_DEVICE_NEWS_REMOVED,
                                              device->userdata);
                slot->is_present = false;
                return;
        }
        *slot = *info;
        device->handlers->lun_changed(device, info->lun,
                                      before.is_present ? MANAGED_DEVICE_NEWS_CHANGED
                                                        : MANAGED_DEVICE_NEWS_ADDED,
                                      device->userdata);
        device_tell_degradations(device, info->lun, before.is_present ? before.degradations : 0,
                                 info->degradations);
}

static void on_smart(ManagedDevice *device, const ControlSmart *smart) {
        char words[DEVICE_SMART_REASON_SIZE];
        bool has_changed;

        has_changed = device_smart_set(&device->smart, smart, get_realtime_us() / 1000000, words);
        device_tell_lun(device, smart->lun);
        if (!has_changed)
                return;
        device_smart_log(smart, device->name, device->node.serial, words);
        device_tell_event(device, DEVICE_EVENT_HEALTH, smart->lun, words);
}

static void on_brought_up(ManagedDevice *device, const ControlBroughtUp *message) {
        log_device_info(device->name, "is driven by process %d: %u LUNs, %u exports",
                        (int) child_process_get_pid(device->worker), message->n_luns,
                        message->n_exports);
        if (device->state != MANAGED_DEVICE_STATE_STARTING)
                return;
        device->failure_reason[0] = '\0';
        device_enter(device, MANAGED_DEVICE_STATE_RUNNING);
}

/* What must fit to what the worker was told before. */
static void on_statement(ManagedDevice *device, const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_REMAINS_LEFT &&
            device_cache_on_remains_left(&device->cache, &message->body.remains) < 0)
                child_process_kill(device->worker, "told of remains that it was not given");
        if (message->type == CONTROL_TYPE_SAVE &&
            device_cache_on_save(&device->cache, &message->body.save) < 0)
                child_process_kill(device->worker, "asked to save too much");
        if (message->type == CONTROL_TYPE_CLIENT_ENDED &&
            device_peers_remove(&device->peers, message->body.client_ended.id) < 0)
                child_process_kill(device->worker, "told of a client that it was not given");
        if (message->type == CONTROL_TYPE_REPLY &&
            device_requests_on_reply(device, &message->body.reply) < 0)
                child_process_kill(device->worker, "answered what it was not asked");
        if (message->type == CONTROL_TYPE_PROGRESS &&
            device_requests_on_progress(device, &message->body.progress) < 0)
                child_process_kill(device->worker, "told of what it was not asked");
}

static void on_mount_state(ManagedDevice *device, const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_MOUNT_SERVED)
                device_mounts_on_served(device, &message->body.mount_state);
        else
                device_mounts_on_ended(device, &message->body.mount_state);
}

static void on_learned(ManagedDevice *device, const ControlLearned *message) {
        device_learned_set(&device->learned, &message->facts);
        device->handlers->changed(device, device->userdata);
}

static void on_description(ManagedDevice *device, const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_LEARNED)
                on_learned(device, &message->body.learned);
        else if (message->type == CONTROL_TYPE_SMART)
                on_smart(device, &message->body.smart);
        else if (message->type == CONTROL_TYPE_LUN_STATS)
                on_lun_stats(device, &message->body.lun_stats);
        else if (message->type == CONTROL_TYPE_DEVICE_STATS)
                device_stats_note_device(&device->stats, &message->body.device_stats);
        else if (message->type == CONTROL_TYPE_POWER)
                on_power(device, &message->body.power);
        else if (message->type == CONTROL_TYPE_DEVICE_INFO)
                on_device_info(device, &message->body.device_info);
        else
                on_lun_info(device, &message->body.lun_info);
}

static void on_export_message(ManagedDevice *device, const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_EXPORT)
                on_export(device, &message->body.export);
        else
                on_export_closed(device, &message->body.export_closed);
}

static void on_state_message(ManagedDevice *device, const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_BROUGHT_UP)
                on_brought_up(device, &message->body.brought_up);
        else if (message->type == CONTROL_TYPE_FAILED)
                on_failed(device, &message->body.failed);
        else if (message->type == CONTROL_TYPE_STOPPED)
                on_stopped(device);
        else
                on_parked(device);
}

static void on_worker_message(ChildProcess *worker, const ControlMessage *message, int *fds,
                              size_t n_fds, void *userdata) {
        ManagedDevice *device = userdata;

        switch ((ControlType) message->type) {
        case CONTROL_TYPE_EXPORT:
        case CONTROL_TYPE_EXPORT_CLOSED:
                on_export_message(device, message);
                return;
        case CONTROL_TYPE_BROUGHT_UP:
        case CONTROL_TYPE_FAILED:
        case CONTROL_TYPE_STOPPED:
        case CONTROL_TYPE_PARKED:
                on_state_message(device, message);
                return;
        case CONTROL_TYPE_REMAINS_LEFT:
        case CONTROL_TYPE_SAVE:
        case CONTROL_TYPE_CLIENT_ENDED:
        case CONTROL_TYPE_REPLY:
        case CONTROL_TYPE_PROGRESS:
                on_statement(device, message);
                return;
        case CONTROL_TYPE_LEARNED:
        case CONTROL_TYPE_LUN_STATS:
        case CONTROL_TYPE_DEVICE_STATS:
        case CONTROL_TYPE_POWER:
        case CONTROL_TYPE_DEVICE_INFO:
        case CONTROL_TYPE_LUN_INFO:
        case CONTROL_TYPE_SMART:
                on_description(device, message);
                return;
        case CONTROL_TYPE_MOUNT_SERVED:
        case CONTROL_TYPE_MOUNT_ENDED:
                on_mount_state(device, message);
                return;
        case CONTROL_TYPE_HELLO:
        case CONTROL_TYPE_CONFIGURE:
        case CONTROL_TYPE_READY:
        case CONTROL_TYPE_PING:
        case CONTROL_TYPE_PONG:
        case CONTROL_TYPE_LOG:
        case CONTROL_TYPE_STOP:
        case CONTROL_TYPE_USB_DEVICE:
        case CONTROL_TYPE_SIMULATE:
        case CONTROL_TYPE_GONE:
        case CONTROL_TYPE_LISTEN:
        case CONTROL_TYPE_CONNECT:
        case CONTROL_TYPE_HANDOVER:
        case CONTROL_TYPE_CLIENT:
        case CONTROL_TYPE_CACHE:
        case CONTROL_TYPE_CACHE_OPTIONS:
        case CONTROL_TYPE_REMAINS:
        case CONTROL_TYPE_SAVED:
        case CONTROL_TYPE_POWER_OPTIONS:
        case CONTROL_TYPE_SMART_OPTIONS:
        case CONTROL_TYPE_MOUNT:
        case CONTROL_TYPE_UNMOUNT:
        case CONTROL_TYPE_TLS:
        case CONTROL_TYPE_ACCESS:
        case CONTROL_TYPE_REQUEST:
        case CONTROL_TYPE_CANCEL:
                child_process_kill(worker, "sent what is not a worker's to send");
                return;
        case _CONTROL_TYPE_MAX:
                break;
        }
        assert_not_reached();
}

static void device_count_death(ManagedDevice *device) {
        uint64_t lived_ns = event_loop_now_ns(device->loop) - device->started_ns;

        if (lived_ns >= MANAGED_DEVICE_WELL_AFTER_NS)
                device->n_deaths = 0;
        device->n_deaths++;
}

/* It may be freed then. */
static void device_end(ManagedDevice *device) {
        if (device->udev && !device->is_unplugged && !device->is_removed)
                usb_takeover_give_back(&device->node);
        device_enter(device, MANAGED_DEVICE_STATE_ENDED);
}

/* The last that it told of them is of before. */
static void device_forget_clients(ManagedDevice *device) {
        device_peers_clear(&device->peers);
        for (unsigned lun = 0; lun < N_ELEMENTS(device->luns); lun++) {
                if (device->luns[lun].n_clients == 0)
                        continue;
                device->luns[lun].n_clients = 0;
                device_tell_lun(device, lun);
        }
}

static void on_worker_ended(ChildProcess *worker, const char *how, void *userdata) {
        ManagedDevice *device = userdata;

        device->worker = child_process_free(worker);
        device_forget_clients(device);
        device_close_exports(device);
        device_learned_flush(&device->learned);
        device_stats_end_worker(&device->stats);
        device_power_end_worker(&device->power, event_loop_now_ns(device->loop), get_realtime_us());
        device_mounts_on_worker_ended(device);
        device_cache_on_worker_ended(&device->cache, device->has_stopped && !device->has_failed);

        if (device->is_unplugged || device->state == MANAGED_DEVICE_STATE_STOPPING) {
                device_end(device);
                return;
        }

        device_count_death(device);
        device->n_restarts++;
        device_tell_event(device, DEVICE_EVENT_WORKER_DIED, CONTROL_LUN_ALL, how);
        log_device_warning(device->name, "worker %s; starting another in %llu ms", how,
                           (unsigned long long) (device_pause_ns(device) / NS_PER_MS));
        device->is_restart = true;
        device->info = (ControlDeviceInfo){};
        device->has_info = false;
        device_enter(device, MANAGED_DEVICE_STATE_PAUSING);
        device_requests_on_worker_ended(device);
}

bool managed_device_is_read_only(const ManagedDevice *device) {
        return device->is_read_only || device->decision.target == DEVICE_TARGET_READ_ONLY;
}

PowerOptions managed_device_get_power_options(const ManagedDevice *device) {
        return device_power_merge(device->power_options, &device->decision.options.power,
                                  &device->power_timeouts);
}

static void device_send_power(ManagedDevice *device) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_POWER_OPTIONS);
        message.body.power_options = managed_device_get_power_options(device);
        child_process_send(device->worker, &message, NULL, 0);
}

static void device_send_usb(ManagedDevice *device, int fd, bool needs_reset) {
        ControlMessage message;
        ControlUsbDevice *body = &message.body.usb_device;

        control_message_init(&message, CONTROL_TYPE_USB_DEVICE);
        snprintf(body->name, sizeof(body->name), "%s", device->name);
        snprintf(body->base_name, sizeof(body->base_name), "%s", device->export_name);
        snprintf(body->serial, sizeof(body->serial), "%s", device->node.serial);
        body->speed_mbps = device->node.speed_mbps;
        body->quirks = device->quirks;
        body->facts = device->learned.facts;
        body->is_read_only = managed_device_is_read_only(device);
        body->rate_max = device->decision.options.rate_max;
        body->is_restart = needs_reset || device->is_restart;
        child_process_send(device->worker, &message, &fd, 1);
}

static void device_send_simulation(ManagedDevice *device) {
        ControlMessage message;
        ControlSimulate *body = &message.body.simulate;

        control_message_init(&message, CONTROL_TYPE_SIMULATE);
        snprintf(body->name, sizeof(body->name), "%s", device->name);
        snprintf(body->base_name, sizeof(body->base_name), "%s", device->export_name);
        snprintf(body->spec, sizeof(body->spec), "%s", device->spec);
        body->quirks = device->quirks;
        body->facts = device->learned.facts;
        body->is_read_only = managed_device_is_read_only(device);
        body->rate_max = device->decision.options.rate_max;
        body->is_restart = device->is_restart;
        child_process_send(device->worker, &message, device->fds, device->n_fds);
}

/* What can't be started now is tried again later, like a worker that died. */
static void device_retry(ManagedDevice *device, const char *what, int error) {
        device->started_ns = event_loop_now_ns(device->loop);
        device_count_death(device);
        log_device_warning(device->name, "%s: %s; trying again in %llu ms", what, strerror(-error),
                           (unsigned long long) (device_pause_ns(device) / NS_PER_MS));
        device_enter(device, MANAGED_DEVICE_STATE_PAUSING);
}

static const ChildHandlers worker_handlers = {
        .message = on_worker_message,
        .ended = on_worker_ended,
};

static int device_get_worker(ManagedDevice *device) {
        int r;

        r = device_cache_prepare(&device->cache);
        if (r < 0)
                return r;
        r = device->handlers->get_worker(&device->worker, device->userdata);
        if (r < 0)
                return r;
        r = device_cache_start(&device->cache, device->worker, device->cache_size_max);
        if (r < 0)
                device->worker = child_process_free(device->worker);
        return r;
}

static const char *why_no_worker(int error) {
        if (error == -EAGAIN)
                return "what its workers left is not saved yet";
        if (error == -E2BIG)
                return "there are too many orphan files of it, export or delete some";
        return "no worker can be started";
}

static void device_send_smart_options(ManagedDevice *device) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_SMART_OPTIONS);
        message.body.smart_options = device->smart.options;
        child_process_send(device->worker, &message, NULL, 0);
}

static void device_start(ManagedDevice *device, int usb_fd, bool needs_reset) {
        int r;

        assert(!device->worker);
        r = device_get_worker(device);
        if (r < 0) {
                device_retry(device, why_no_worker(r), r);
                return;
        }

        device->has_failed = device->has_stopped = false;
        child_process_set_owner(device->worker, device->name, &worker_handlers, device);
        device_enter(device, MANAGED_DEVICE_STATE_STARTING);
        device_send_power(device);
        device_mounts_on_worker_started(device);
        device_send_smart_options(device);
        if (device->udev)
                device_send_usb(device, usb_fd, needs_reset);
        else
                device_send_simulation(device);
}

/* The node is opened anew: the dead worker's transfers live on in the old descriptor. */
static void device_restart(ManagedDevice *device) {
        UsbTakeover takeover = { .fd = -EBADF };
        int r;

        if (device->udev) {
                r = usb_takeover(&device->node, device->udev, &takeover);
                if (r < 0) {
                        device_retry(device, "its node can't be opened", r);
                        return;
                }
        }
        device_start(device, takeover.fd, takeover.needs_reset);
        fd_close(takeover.fd);
}

static void device_on_timer(EventTimer *timer) {
        ManagedDevice *device = container_of(timer, ManagedDevice, timer);

        switch (device->state) {
        case MANAGED_DEVICE_STATE_PAUSING:
                if (device->must_leave)
                        device_end(device);
                else
                        device_restart(device);
                return;
        case MANAGED_DEVICE_STATE_LEAVING:
        case MANAGED_DEVICE_STATE_PARKED:
        case MANAGED_DEVICE_STATE_STOPPING:
                if (device_cache_is_saving(&device->cache))
                        event_timer_set(timer, event_loop_now_ns(device->loop) +
                                                               MANAGED_DEVICE_LEAVE_TIMEOUT_NS);
                else
                        child_process_kill(device->worker, "did not stop in time");
                return;
        case MANAGED_DEVICE_STATE_STARTING:
        case MANAGED_DEVICE_STATE_RUNNING:
        case MANAGED_DEVICE_STATE_ENDED:
        case _MANAGED_DEVICE_STATE_MAX:
                break;
        }
        assert_not_reached();
}

int managed_device_new(ManagedDevice **ret, EventLoop *loop, const char *name,
                       const char *base_name, const ManagedDeviceHandlers *handlers,
                       void *userdata) {
        _cleanup_(freep) ManagedDevice *device = NULL;
        int r;

        device = calloc(1, sizeof(*device));
        if (!device)
                return -ENOMEM;
        r = event_timer_init(&device->timer, loop, device_on_timer);
        if (r < 0)
                return r;
        r = device_mounts_init(&device->mounts, loop);
        if (r < 0) {
                event_timer_done(&device->timer);
                return r;
        }

        device->loop = loop;
        device_learned_init(&device->learned, loop, /* store= */ NULL);
        device->handlers = handlers;
        device->userdata = userdata;
        list_init(&device->node_of_manager);
        device_requests_init(&device->requests);
        device_peers_init(&device->peers);
        device->taken_us = get_realtime_us();
        snprintf(device->name, sizeof(device->name), "%s", name);
        snprintf(device->base_name, sizeof(device->base_name), "%s", base_name);
        snprintf(device->export_name, sizeof(device->export_name), "%s", base_name);
        *ret = TAKE_PTR(device);
        return 0;
}

ManagedDevice *managed_device_free(ManagedDevice *device) {
        if (!device)
                return NULL;

        device->worker = child_process_free(device->worker);
        device->state = MANAGED_DEVICE_STATE_ENDED;
        device_requests_end(device);
        device_peers_clear(&device->peers);
        device_mounts_done(device);
        device_cache_done(&device->cache);
        device_stats_done(&device->stats);
        device_smart_done(&device->smart);
        list_unlink(&device->node_of_manager);
        event_timer_done(&device->timer);
        for (size_t i = 0; i < device->n_fds; i++)
                fd_close(device->fds[i]);
        free(device->fds);
        free(device->spec);
        free(device->rule);
        free(device);
        return NULL;
}

void managed_device_set_cache(ManagedDevice *device, CacheStore *store,
                              const DeviceCacheOptions *options) {
        device_cache_init(&device->cache, store, options, device->base_name);
}

void managed_device_set_quirks(ManagedDevice *device, uint32_t quirks) { device->quirks = quirks; }

int managed_device_set_decision(ManagedDevice *device, const DeviceDecision *decision,
                                const char *export_name) {
        char *rule = strdup(decision->rule);

        if (!rule)
                return -ENOMEM;
        free(device->rule);
        device->rule = rule;
        device->decision = *decision;
        device->decision.rule = rule;
        device->cache.is_mode_given = decision->options.has_cache_mode;
        if (decision->options.has_cache_mode) {
                device_cache_prepare_mode(&device->cache, decision->options.cache_mode);
                device_cache_set_mode(&device->cache, decision->options.cache_mode);
        }
        snprintf(device->export_name, sizeof(device->export_name), "%s",
                 export_name[0] != '\0' ? export_name : device->base_name);
        return 0;
}

void managed_device_set_learned(ManagedDevice *device, LearnedStore *store) {
        device_learned_init(&device->learned, device->loop, store);
}

void managed_device_set_power(ManagedDevice *device, const PowerOptions *options) {
        device->power_options = options;
}

void managed_device_set_power_timeouts(ManagedDevice *device, const DevicePowerTimeouts *timeouts) {
        DevicePowerTimeouts *known = &device->power_timeouts;

        if (!timeouts)
                *known = (DevicePowerTimeouts){};
        if (timeouts && timeouts->has_standby) {
                known->has_standby = true;
                known->standby_ms = timeouts->standby_ms;
        }
        if (timeouts && timeouts->has_suspend) {
                known->has_suspend = true;
                known->suspend_ms = timeouts->suspend_ms;
        }
        if (device->worker)
                device_send_power(device);
        device->handlers->changed(device, device->userdata);
}

void managed_device_set_smart(ManagedDevice *device, StateStore *store) {
        device->smart.store = store;
}

void managed_device_set_smart_options(ManagedDevice *device, const ControlSmartOptions *options) {
        if (memcmp(&device->smart.options, options, sizeof(*options)) == 0)
                return;
        device->smart.options = *options;
        if (device->worker)
                device_send_smart_options(device);
}

void managed_device_set_cache_size(ManagedDevice *device, uint64_t size_max) {
        bool is_new = device->cache_size_max == 0;

        if (device->cache_size_max == size_max)
                return;
        device->cache_size_max = size_max;
        if (!is_new) /* else nobody has been told of the device */
                device->handlers->changed(device, device->userdata);
        device_cache_update(&device->cache, size_max);
}

void managed_device_update_settings(ManagedDevice *device, const ControlMessage *configure) {
        if (device->worker) {
                child_process_send(device->worker, configure, NULL, 0);
                device_send_power(device);
        }
        device->handlers->changed(device, device->userdata);
        device_cache_update(&device->cache, device->cache_size_max);
}

static void device_set_node(ManagedDevice *device, const UsbNode *node) {
        char name[LEARNED_STORE_NAME_SIZE_MAX];

        device->node = *node;
        learned_store_format_name(name, node->vendor_id, node->product_id, node->version,
                                  node->serial);
        device_learned_load(&device->learned, name);
}

void managed_device_start_usb(ManagedDevice *device, const UsbNode *node, struct udev *udev, int fd,
                              bool needs_reset) {
        device_set_node(device, node);
        device->udev = udev;
        device_start(device, fd, needs_reset);
        fd_close(fd);
}

void managed_device_resume_usb(ManagedDevice *device, const UsbNode *node, int fd) {
        assert(device->state == MANAGED_DEVICE_STATE_PARKED);

        device_set_node(device, node);
        snprintf(device->name, sizeof(device->name), "%s", node->name);
        device->is_unplugged = false;
        device->is_resuming = true;
        device->has_successor = false;
        child_process_set_owner(device->worker, device->name, &worker_handlers, device);
        device_enter(device, MANAGED_DEVICE_STATE_STARTING);
        device_send_power(device);
        device_send_usb(device, fd, /* needs_reset= */ true);
        fd_close(fd);
}

int managed_device_start_simulation(ManagedDevice *device, const DeviceSimulation *simulation) {
        device->fds = simulation->fds;
        device->n_fds = simulation->n_fds;
        device->is_read_only = simulation->is_read_only;
        device->spec = strdup(simulation->spec);
        if (!device->spec)
                return -ENOMEM;
        device_start(device, -EBADF, /* needs_reset= */ false);
        return 0;
}

void managed_device_set_unplugged(ManagedDevice *device) {
        if (device->is_unplugged)
                return;

        device->is_unplugged = true;
        log_device_info(device->name, "was unplugged");
        if (!device->worker) {
                device_enter(device, MANAGED_DEVICE_STATE_ENDED);
                return;
        }
        if (device->state == MANAGED_DEVICE_STATE_PARKED) /* the worker saw it first */
                return;
        child_process_send_type(device->worker, CONTROL_TYPE_GONE);
        if (device->state != MANAGED_DEVICE_STATE_STOPPING)
                device_enter(device, MANAGED_DEVICE_STATE_LEAVING);
}

void managed_device_stop(ManagedDevice *device) {
        if (device->state == MANAGED_DEVICE_STATE_STOPPING)
                return;

        if (!device->worker) {
                device_end(device);
                return;
        }
        device_enter(device, MANAGED_DEVICE_STATE_STOPPING);
        child_process_send_type(device->worker, CONTROL_TYPE_STOP);
}

void managed_device_leave(ManagedDevice *device, bool is_removal) {
        device->must_leave = true;
        device->is_removed |= is_removal;
        if (device->state == MANAGED_DEVICE_STATE_PAUSING)
                event_timer_set(&device->timer, event_loop_now_ns(device->loop));
        else if (device->state != MANAGED_DEVICE_STATE_STOPPING)
                device_enter(device, MANAGED_DEVICE_STATE_STOPPING);
}

int managed_device_add_client(ManagedDevice *device, const ControlHandover *handover,
                              const int *fds, size_t n_fds) {
        int own_fd = fds[n_fds - 1];
        ControlMessage message;

        if (!device->worker)
                return -ESTALE;
        for (unsigned lun = 0; lun < N_ELEMENTS(device->exports); lun++) {
                const ManagedExport *export = &device->exports[lun];

                if (!export->is_open || export->generation != handover->generation)
                        continue;
                control_message_init(&message, CONTROL_TYPE_CLIENT);
                message.body.handover.lun = lun;
                message.body.handover.generation = export->worker_generation;
                message.body.handover.agreement = handover->agreement;
                message.body.handover.agreement.client_id =
                                device_peers_add(&device->peers, lun, own_fd, handover->identity);
                child_process_send(device->worker, &message, fds, 1);
                return 0;
        }
        return -ESTALE;
}

unsigned managed_device_count_exports(const ManagedDevice *device) {
        unsigned n_exports = 0;

        for (size_t i = 0; i < N_ELEMENTS(device->exports); i++)
                n_exports += device->exports[i].is_open;
        return n_exports;
}
