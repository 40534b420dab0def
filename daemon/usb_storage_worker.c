/*
 * usb-storage-worker: drives one USB device. Started by usb-storaged with its control channel as
 * descriptor 3; it opens nothing itself, and is in its sandbox before the first byte from the
 * device.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/log.h"
#include "base/systemd_event_loop.h"
#include "control/control_channel.h"
#include "control/control_version.h"
#include "sandbox/sandbox.h"
#include "scsi/scsi_command_pool.h"
#include "simulator/simulated_device.h"
#include "simulator/simulator_spec.h"
#include "storage/storage_manager.h"
#include "storage/storage_settings.h"
#include "usb/libusb_device.h"

#define CONTROL_FD 3

static_assert(CONTROL_REMAINS_MAX <= STORAGE_REMAINS_MAX, "what the manager sends is taken");
static_assert(CONTROL_COMMANDS_KEPT_MAX <= SCSI_COMMAND_POOL_KEPT_MAX, "likewise");

typedef struct PendingRemains {
        uint32_t id;
        uint32_t luns;
        int fd; /* owned */
} PendingRemains;

typedef struct PendingMount {
        ControlMount message;
        int fd;       /* owned */
        int slots_fd; /* owned */
} PendingMount;

typedef struct Worker {
        EventLoop *loop;                /* owned */
        ControlChannel *channel;        /* owned; NULL when the manager is gone */
        LibusbLibrary *library;         /* owned */
        StorageManager *storage;        /* owned */
        int usb_fd;                     /* owned */
        int image_fds[CONTROL_FDS_MAX]; /* owned: of a simulated device */
        size_t n_image_fds;
        int arena_fd;                                /* owned; negative: no cache */
        ControlCache cache;                          /* as it was told with the arena */
        PendingRemains remains[CONTROL_REMAINS_MAX]; /* that came before the device */
        size_t n_remains;
        PendingMount mounts[CONTROL_MOUNTS_MAX]; /* likewise */
        size_t n_mounts;
        ControlConfigure settings;
        ControlSmartOptions smart;
        uint64_t asked_realtime_s[STORAGE_LUNS_MAX]; /* the drive of each LUN */
        PowerOptions power;
        bool must_stop;
        unsigned n_exports;
} Worker;

static void worker_log(const LogRecord *record, void *userdata) {
        Worker *worker = userdata;

        if (worker->channel)
                control_channel_send_log(worker->channel, record);
}

static void worker_send(Worker *worker, const ControlMessage *message) {
        if (worker->channel)
                control_channel_send(worker->channel, message, NULL, 0);
}

static void worker_send_type(Worker *worker, ControlType type) {
        ControlMessage message;

        control_message_init(&message, type);
        worker_send(worker, &message);
}

static void worker_finish(Worker *worker) {
        worker_send_type(worker, CONTROL_TYPE_STOPPED);
        event_loop_exit(worker->loop, 0);
}

static void worker_fail(Worker *worker, int error, const char *reason) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_FAILED);
        message.body.failed.error = error;
        snprintf(message.body.failed.reason, sizeof(message.body.failed.reason), "%s (%s)", reason,
                 strerror(-error));
        worker_send(worker, &message);
        worker_finish(worker);
}

static void on_export_opened(StorageManager *storage, const StorageExport *export, void *userdata) {
        Worker *worker = userdata;
        ControlMessage message;
        ControlExport *body = &message.body.export;

        control_message_init(&message, CONTROL_TYPE_EXPORT);
        body->lun = export->lun;
        body->generation = export->generation;
        body->info = export->info;
        snprintf(body->name, sizeof(body->name), "%s", export->name);
        snprintf(body->description, sizeof(body->description), "%s", export->description);
        worker_send(worker, &message);
        worker->n_exports++;
}

static void on_export_closed(StorageManager *storage, unsigned lun, uint64_t generation,
                             void *userdata) {
        Worker *worker = userdata;
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_EXPORT_CLOSED);
        message.body.export_closed.lun = lun;
        message.body.export_closed.generation = generation;
        worker_send(worker, &message);
        worker->n_exports--;
}

static void worker_send_brought_up(Worker *worker, unsigned n_luns) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_BROUGHT_UP);
        message.body.brought_up.n_luns = n_luns;
        message.body.brought_up.n_exports = worker->n_exports;
        worker_send(worker, &message);
}

static void on_brought_up(StorageManager *storage, int result, unsigned n_luns, const char *reason,
                          void *userdata) {
        Worker *worker = userdata;

        if (result < 0)
                worker_fail(worker, result, reason);
        else
                worker_send_brought_up(worker, n_luns);
}

static void on_stopped(StorageManager *storage, int result, void *userdata) {
        Worker *worker = userdata;

        if (result < 0 && result != -ENODEV)
                worker_fail(worker, result, "it stopped working");
        else
                worker_finish(worker);
}

static void worker_send_luns(Worker *worker, ControlType type, uint32_t id, uint32_t luns) {
        ControlMessage message;

        control_message_init(&message, type);
        if (type == CONTROL_TYPE_REMAINS_LEFT) {
                message.body.remains.id = id;
                message.body.remains.luns = luns;
        } else {
                message.body.save.luns = luns;
        }
        worker_send(worker, &message);
}

static void on_parked(StorageManager *storage, void *userdata) {
        Worker *worker = userdata;

        /* The device on it is gone by now, and a descriptor that is held would keep its node. */
        worker->usb_fd = fd_close(worker->usb_fd);
        worker_send_type(worker, CONTROL_TYPE_PARKED);
}

static void on_returned(StorageManager *storage, void *userdata) {
        Worker *worker = userdata;

        worker_send_brought_up(worker, storage_manager_get_n_luns(storage));
}

static void on_save(StorageManager *storage, unsigned luns, void *userdata) {
        Worker *worker = userdata;

        if (worker->channel)
                worker_send_luns(worker, CONTROL_TYPE_SAVE, 0, luns);
        else
                storage_manager_saved(storage, luns, -EPIPE);
}

static void on_device_described(StorageManager *storage, const ControlDeviceInfo *info,
                                void *userdata) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_DEVICE_INFO);
        message.body.device_info = *info;
        worker_send(userdata, &message);
}

static void on_lun_described(StorageManager *storage, const ControlLunInfo *info, void *userdata) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_LUN_INFO);
        message.body.lun_info = *info;
        worker_send(userdata, &message);
}

/* A drive that could not be asked now is known from when it could. */
static void on_smart_told(StorageManager *storage, const ControlSmart *smart, void *userdata) {
        Worker *worker = userdata;
        ControlMessage message;

        if (smart->error == 0)
                worker->asked_realtime_s[smart->lun] = (uint64_t) time(NULL);
        control_message_init(&message, CONTROL_TYPE_SMART);
        message.body.smart = *smart;
        message.body.smart.asked_realtime_s = worker->asked_realtime_s[smart->lun];
        worker_send(worker, &message);
}

static void on_progressed(StorageManager *storage, const ControlProgress *progress,
                          void *userdata) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_PROGRESS);
        message.body.progress = *progress;
        worker_send(userdata, &message);
}

static void on_replied(StorageManager *storage, const ControlReply *reply, void *userdata) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_REPLY);
        message.body.reply = *reply;
        worker_send(userdata, &message);
}

static void on_learned(StorageManager *storage, const UsbLearnedFacts *facts, void *userdata) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_LEARNED);
        message.body.learned.facts = *facts;
        worker_send(userdata, &message);
}

static void on_power_changed(StorageManager *storage, const ControlPower *power, void *userdata) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_POWER);
        message.body.power = *power;
        worker_send(userdata, &message);
}

static void worker_send_client_ended(Worker *worker, uint64_t id) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_CLIENT_ENDED);
        message.body.client_ended.id = id;
        worker_send(worker, &message);
}

static void on_client_ended(StorageManager *storage, uint64_t client_id, void *userdata) {
        worker_send_client_ended(userdata, client_id);
}

static void on_remains_left(StorageManager *storage, uint32_t id, unsigned luns, void *userdata) {
        worker_send_luns(userdata, CONTROL_TYPE_REMAINS_LEFT, id, luns);
}

static void on_lun_stats(StorageManager *storage, unsigned lun, const StorageStats *stats,
                         void *userdata) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_LUN_STATS);
        message.body.lun_stats.lun = lun;
        message.body.lun_stats.stats = *stats;
        worker_send(userdata, &message);
}

static void worker_send_mount_state(Worker *worker, ControlType type, uint32_t id, int error) {
        ControlMessage message;

        control_message_init(&message, type);
        message.body.mount_state.id = id;
        message.body.mount_state.error = error;
        worker_send(worker, &message);
}

static void on_mount_served(StorageManager *storage, uint32_t id, void *userdata) {
        worker_send_mount_state(userdata, CONTROL_TYPE_MOUNT_SERVED, id, 0);
}

static void on_mount_ended(StorageManager *storage, uint32_t id, int error, void *userdata) {
        worker_send_mount_state(userdata, CONTROL_TYPE_MOUNT_ENDED, id, error);
}

static void on_device_stats(StorageManager *storage, const StorageDeviceStats *stats,
                            void *userdata) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_DEVICE_STATS);
        message.body.device_stats = *stats;
        worker_send(userdata, &message);
}

/* What can't be read stays where it is: the manager is told that nothing of it was given back. */
static void worker_add_remains(Worker *worker, const PendingRemains *remains) {
        int r;

        r = storage_manager_add_remains(worker->storage, remains->id, remains->luns, remains->fd);
        if (r == 0)
                return;
        log_error("What an earlier worker left (%u) can't be used: %s", remains->id, strerror(-r));
        worker_send_luns(worker, CONTROL_TYPE_REMAINS_LEFT, remains->id, remains->luns);
}

typedef struct DeviceTraits {
        const char *base_name;
        const char *serial;
        uint32_t quirks;
        const UsbLearnedFacts *facts;
        uint64_t rate_max;
        bool is_read_only;
        bool is_restart;
} DeviceTraits;

static CacheOptions get_cache_options(const ControlCache *message) {
        return (CacheOptions){
                .mode = (CacheMode) message->mode,
                .policy = (CachePolicyKind) message->policy,
                .has_read_ahead = message->has_read_ahead,
                .verifies_hits = message->verifies_hits,
                .size_max = message->size_max,
        };
}

static void worker_start_storage(Worker *worker, UsbDevice *device, const DeviceTraits *traits) {
        static const StorageHandlers handlers = {
                .export_opened = on_export_opened,
                .export_closed = on_export_closed,
                .brought_up = on_brought_up,
                .stopped = on_stopped,
                .learned = on_learned,
                .device_described = on_device_described,
                .lun_described = on_lun_described,
                .smart_told = on_smart_told,
                .progressed = on_progressed,
                .power_changed = on_power_changed,
                .client_ended = on_client_ended,
                .replied = on_replied,
                .parked = on_parked,
                .returned = on_returned,
                .save = on_save,
                .remains_left = on_remains_left,
                .mount_served = on_mount_served,
                .mount_ended = on_mount_ended,
                .lun_stats = on_lun_stats,
                .device_stats = on_device_stats,
        };
        const ControlConfigure *settings = &worker->settings;
        const ControlCache *cache = &worker->cache;
        int r;

        r = storage_manager_new(&worker->storage, device,
                                &(StorageOptions){
                                                .base_name = traits->base_name,
                                                .serial = traits->serial,
                                                .quirks = traits->quirks,
                                                .known = traits->facts,
                                                .rate_max = traits->rate_max,
                                                .is_read_only = traits->is_read_only,
                                                .is_trim_enabled = settings->is_trim_enabled,
                                                .is_monitored = settings->is_monitored,
                                                .starts_with_reset = traits->is_restart,
                                                .device_timeout_ms = settings->device_timeout_ms,
                                                .n_luns_max = settings->n_luns_max,
                                                .is_serial = settings->is_serial,
                                                .skips_processing = settings->skips_processing,
                                                .skips_validation = settings->skips_validation,
                                                .n_commands_kept = settings->n_commands_kept,
                                                .power = worker->power,
                                                .has_cache = worker->arena_fd >= 0,
                                                .arena_fd = worker->arena_fd,
                                                .cache = get_cache_options(cache),
                                                .smart = worker->smart,
                                                .park_timeout_ms = cache->park_timeout_ms,
                                },
                                &handlers, worker);
        if (r < 0) {
                worker_fail(worker, r, "it could not be started");
                return;
        }
        for (size_t i = 0; i < worker->n_remains; i++)
                worker_add_remains(worker, &worker->remains[i]);
        worker->n_remains = 0;
        for (size_t i = 0; i < worker->n_mounts; i++)
                storage_manager_add_mount(worker->storage, &worker->mounts[i].message,
                                          worker->mounts[i].fd, worker->mounts[i].slots_fd);
        worker->n_mounts = 0;
}

static UsbSpeed speed_from_mbps(uint32_t mbps) {
        if (mbps >= 10000)
                return USB_SPEED_SUPER_PLUS;
        if (mbps >= 5000)
                return USB_SPEED_SUPER;
        if (mbps >= 480)
                return USB_SPEED_HIGH;
        if (mbps >= 12)
                return USB_SPEED_FULL;
        return mbps > 0 ? USB_SPEED_LOW : USB_SPEED_UNKNOWN;
}

static void on_usb_device(Worker *worker, const ControlUsbDevice *message, int *fd) {
        UsbDevice *device;
        int r;

        if (worker->storage && storage_manager_get_state(worker->storage) != STORAGE_STATE_PARKED) {
                log_warning("The manager sent a second device, ignoring");
                return;
        }
        fd_close(worker->usb_fd);
        worker->usb_fd = TAKE_FD(*fd);
        r = libusb_device_new(&device, worker->library, worker->usb_fd,
                              &(LibusbDeviceOptions){
                                              .name = message->name,
                                              .speed = speed_from_mbps(message->speed_mbps),
                              });
        if (r < 0 && worker->storage)
                worker_send_type(worker, CONTROL_TYPE_PARKED); /* it waits for another try */
        else if (r < 0)
                worker_fail(worker, r, "its node could not be used");
        else if (worker->storage) {
                storage_manager_recall(worker->storage, &message->facts);
                storage_manager_replug(worker->storage, device);
        } else
                worker_start_storage(worker, device,
                                     &(DeviceTraits){
                                                     .base_name = message->base_name,
                                                     .serial = message->serial,
                                                     .quirks = message->quirks,
                                                     .facts = &message->facts,
                                                     .rate_max = message->rate_max,
                                                     .is_read_only = message->is_read_only,
                                                     .is_restart = message->is_restart,
                                     });
}

static void on_simulate(Worker *worker, const ControlSimulate *message, int *fds, size_t n_fds) {
        _cleanup_(freep) char *error = NULL;
        SimulatorSpec spec;
        UsbDevice *device;
        int r;

        assert(!worker->storage);

        for (size_t i = 0; i < n_fds; i++)
                worker->image_fds[worker->n_image_fds++] = TAKE_FD(fds[i]);
        r = simulator_spec_parse(&spec, message->spec, &error);
        if (r == 0)
                r = simulated_device_new(&device, worker->loop, &spec, worker->image_fds,
                                         worker->n_image_fds);
        if (r < 0) {
                worker_fail(worker, r, error ? error : "it could not be simulated");
                return;
        }
        worker_start_storage(worker, device,
                             &(DeviceTraits){
                                             .base_name = message->base_name,
                                             .serial = spec.serial,
                                             .quirks = message->quirks,
                                             .facts = &message->facts,
                                             .rate_max = message->rate_max,
                                             .is_read_only = message->is_read_only,
                                             .is_restart = message->is_restart,
                             });
}

static void on_configure(Worker *worker, const ControlConfigure *message) {
        log_set_level((LogLevel) message->log_level);
        worker->settings = *message;
        if (worker->storage)
                storage_settings_set(
                                worker->storage,
                                &(StorageOptions){
                                                .device_timeout_ms = message->device_timeout_ms,
                                                .is_trim_enabled = message->is_trim_enabled,
                                                .is_serial = message->is_serial,
                                                .skips_validation = message->skips_validation,
                                                .n_commands_kept = message->n_commands_kept,
                                });
}

static void on_power_options(Worker *worker, const PowerOptions *options) {
        worker->power = *options;
        if (worker->storage)
                storage_settings_set_power(worker->storage, options);
}

static void on_cache(Worker *worker, const ControlCache *message, int *fd) {
        if (worker->storage || worker->arena_fd >= 0) {
                log_warning("The manager sent a second arena, ignoring");
                return;
        }
        worker->arena_fd = TAKE_FD(*fd);
        worker->cache = *message;
}

static void on_remains(Worker *worker, const ControlRemains *message, int *fd) {
        PendingRemains remains = { .id = message->id, .luns = message->luns, .fd = *fd };

        *fd = -EBADF;
        if (worker->storage) {
                worker_add_remains(worker, &remains);
        } else if (worker->n_remains == CONTROL_REMAINS_MAX) {
                log_error("Too much is left of earlier workers, ignoring what comes last");
                fd_close(remains.fd);
        } else {
                worker->remains[worker->n_remains++] = remains;
        }
}

/* A mode that was asked for meanwhile holds, unless the manager has another one now. */
static void on_cache_options(Worker *worker, const ControlCache *message) {
        bool has_other_mode = message->mode != worker->cache.mode;
        CacheOptions options = get_cache_options(message);

        worker->cache = *message;
        if (!worker->storage)
                return;
        if (has_other_mode)
                storage_settings_set_cache_mode(worker->storage, options.mode);
        storage_settings_set_cache(worker->storage, &options, message->park_timeout_ms);
}

static void on_smart_options(Worker *worker, const ControlSmartOptions *message) {
        worker->smart = *message;
        if (worker->storage)
                storage_settings_set_smart(worker->storage, message);
}

static void on_client(Worker *worker, const ControlHandover *message, int *fd) {
        int r = -ESTALE;

        if (worker->storage)
                r = storage_manager_add_client(worker->storage, message->lun, message->generation,
                                               TAKE_FD(*fd), &message->agreement);
        if (r == 0)
                return;
        log_info("A client of LUN %u is refused: %s", message->lun, strerror(-r));
        if (message->agreement.client_id != 0)
                worker_send_client_ended(worker, message->agreement.client_id);
}

static void on_mount(Worker *worker, const ControlMount *message, int *fds) {
        PendingMount mount = {
                .message = *message,
                .fd = TAKE_FD(fds[0]),
                .slots_fd = TAKE_FD(fds[1]),
        };

        if (worker->storage) {
                storage_manager_add_mount(worker->storage, message, mount.fd, mount.slots_fd);
        } else if (worker->n_mounts < CONTROL_MOUNTS_MAX) {
                worker->mounts[worker->n_mounts++] = mount;
        } else {
                fd_close(mount.fd);
                fd_close(mount.slots_fd);
                worker_send_mount_state(worker, CONTROL_TYPE_MOUNT_ENDED, message->id, -ENOSPC);
        }
}

/* One that waits for the device ends at once: nobody would be told of it again. */
static void worker_forget_mount(Worker *worker, uint32_t id) {
        for (size_t i = 0; i < worker->n_mounts; i++) {
                if (worker->mounts[i].message.id != id)
                        continue;
                fd_close(worker->mounts[i].fd);
                fd_close(worker->mounts[i].slots_fd);
                worker->mounts[i] = worker->mounts[--worker->n_mounts];
                worker_send_mount_state(worker, CONTROL_TYPE_MOUNT_ENDED, id, 0);
                return;
        }
}

static void on_unmount(Worker *worker, uint32_t id) {
        if (worker->storage)
                storage_manager_end_mount(worker->storage, id);
        else
                worker_forget_mount(worker, id);
}

static void on_request(Worker *worker, const ControlRequest *request, int *fd) {
        ControlMessage message;

        if (worker->storage) {
                storage_manager_request(worker->storage, request, TAKE_FD(*fd));
                return;
        }
        control_message_init(&message, CONTROL_TYPE_REPLY);
        message.body.reply.id = request->id;
        message.body.reply.error = -ENODEV;
        worker_send(worker, &message);
}

static void worker_stop(Worker *worker) {
        if (worker->must_stop)
                return;
        worker->must_stop = true;
        if (worker->storage)
                storage_manager_stop(worker->storage);
        else
                worker_finish(worker);
}

static void on_ping(Worker *worker, const ControlPing *ping) {
        ControlMessage pong;

        control_message_init(&pong, CONTROL_TYPE_PONG);
        pong.body.ping = *ping;
        worker_send(worker, &pong);
}

static void on_gone(Worker *worker) {
        if (worker->storage)
                storage_manager_set_gone(worker->storage);
}

static void on_saved(Worker *worker, const ControlSave *message) {
        if (worker->storage)
                storage_manager_saved(worker->storage, message->luns, message->error);
}

static void on_cache_message(Worker *worker, const ControlMessage *message, int *fds) {
        if (message->type == CONTROL_TYPE_CACHE)
                on_cache(worker, &message->body.cache, &fds[0]);
        else if (message->type == CONTROL_TYPE_CACHE_OPTIONS)
                on_cache_options(worker, &message->body.cache);
        else if (message->type == CONTROL_TYPE_REMAINS)
                on_remains(worker, &message->body.remains, &fds[0]);
        else
                on_saved(worker, &message->body.save);
}

static void on_settings_message(Worker *worker, const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_CONFIGURE)
                on_configure(worker, &message->body.configure);
        else if (message->type == CONTROL_TYPE_POWER_OPTIONS)
                on_power_options(worker, &message->body.power_options);
        else
                on_smart_options(worker, &message->body.smart_options);
}

static void on_client_message(Worker *worker, const ControlMessage *message, int *fds,
                              size_t n_fds) {
        int no_fd = -EBADF;

        if (message->type == CONTROL_TYPE_CLIENT)
                on_client(worker, &message->body.handover, &fds[0]);
        else if (message->type == CONTROL_TYPE_REQUEST)
                on_request(worker, &message->body.request, n_fds > 0 ? &fds[0] : &no_fd);
        else if (worker->storage)
                storage_manager_cancel_request(worker->storage, message->body.cancel.id);
}

static void on_device_message(Worker *worker, const ControlMessage *message, int *fds,
                              size_t n_fds) {
        if (message->type == CONTROL_TYPE_USB_DEVICE)
                on_usb_device(worker, &message->body.usb_device, &fds[0]);
        else if (message->type == CONTROL_TYPE_SIMULATE)
                on_simulate(worker, &message->body.simulate, fds, n_fds);
        else
                on_gone(worker);
}

static void on_mount_message(Worker *worker, const ControlMessage *message, int *fds) {
        if (message->type == CONTROL_TYPE_MOUNT)
                on_mount(worker, &message->body.mount, fds);
        else
                on_unmount(worker, message->body.mount_state.id);
}

static void worker_refuse(const ControlMessage *message) {
        log_warning("The manager sent %s, which is not for a worker, ignoring",
                    control_type_to_string((ControlType) message->type));
}

static void on_message(ControlChannel *channel, const ControlMessage *message, int *fds,
                       size_t n_fds, void *userdata) {
        Worker *worker = userdata;

        switch ((ControlType) message->type) {
        case CONTROL_TYPE_CONFIGURE:
        case CONTROL_TYPE_POWER_OPTIONS:
        case CONTROL_TYPE_SMART_OPTIONS:
                on_settings_message(worker, message);
                return;
        case CONTROL_TYPE_PING:
                on_ping(worker, &message->body.ping);
                return;
        case CONTROL_TYPE_STOP:
                worker_stop(worker);
                return;
        case CONTROL_TYPE_USB_DEVICE:
        case CONTROL_TYPE_SIMULATE:
        case CONTROL_TYPE_GONE:
                on_device_message(worker, message, fds, n_fds);
                return;
        case CONTROL_TYPE_CACHE:
        case CONTROL_TYPE_CACHE_OPTIONS:
        case CONTROL_TYPE_REMAINS:
        case CONTROL_TYPE_SAVED:
                on_cache_message(worker, message, fds);
                return;
        case CONTROL_TYPE_MOUNT:
        case CONTROL_TYPE_UNMOUNT:
                on_mount_message(worker, message, fds);
                return;
        case CONTROL_TYPE_CLIENT:
        case CONTROL_TYPE_REQUEST:
        case CONTROL_TYPE_CANCEL:
                on_client_message(worker, message, fds, n_fds);
                return;
        case CONTROL_TYPE_HELLO:
        case CONTROL_TYPE_READY:
        case CONTROL_TYPE_PONG:
        case CONTROL_TYPE_LOG:
        case CONTROL_TYPE_STOPPED:
        case CONTROL_TYPE_BROUGHT_UP:
        case CONTROL_TYPE_FAILED:
        case CONTROL_TYPE_EXPORT:
        case CONTROL_TYPE_EXPORT_CLOSED:
        case CONTROL_TYPE_LISTEN:
        case CONTROL_TYPE_CONNECT:
        case CONTROL_TYPE_HANDOVER:
        case CONTROL_TYPE_REMAINS_LEFT:
        case CONTROL_TYPE_SAVE:
        case CONTROL_TYPE_PARKED:
        case CONTROL_TYPE_LUN_STATS:
        case CONTROL_TYPE_DEVICE_STATS:
        case CONTROL_TYPE_POWER:
        case CONTROL_TYPE_SMART:
        case CONTROL_TYPE_MOUNT_SERVED:
        case CONTROL_TYPE_MOUNT_ENDED:
        case CONTROL_TYPE_TLS:
        case CONTROL_TYPE_ACCESS:
        case CONTROL_TYPE_CLIENT_ENDED:
        case CONTROL_TYPE_DEVICE_INFO:
        case CONTROL_TYPE_LUN_INFO:
        case CONTROL_TYPE_REPLY:
        case CONTROL_TYPE_PROGRESS:
        case CONTROL_TYPE_LEARNED:
                worker_refuse(message);
                return;
        case _CONTROL_TYPE_MAX:
                break;
        }
        assert_not_reached();
}

/* Without a manager nobody can reach the device any more: what it has is flushed, then it is given
 * back. */
static void on_channel_closed(ControlChannel *channel, int error, void *userdata) {
        Worker *worker = userdata;

        worker->channel = control_channel_free(channel);
        worker_stop(worker);
}

static int worker_start(Worker *worker) {
        ControlMessage hello;
        int r;

        r = systemd_event_loop_new(&worker->loop);
        if (r < 0)
                return r;
        r = control_channel_new(&worker->channel, worker->loop, CONTROL_FD, on_message,
                                on_channel_closed, worker);
        if (r < 0)
                return r;
        log_set_sink(worker_log, worker);

        control_message_init(&hello, CONTROL_TYPE_HELLO);
        hello.body.hello.version = CONTROL_VERSION;
        hello.body.hello.pid = (uint32_t) getpid();
        worker_send(worker, &hello);

        r = libusb_library_new(&worker->library, worker->loop);
        if (r < 0)
                return r;
        r = sandbox_enter(SANDBOX_PROFILE_WORKER);
        if (r < 0)
                return r;
        worker_send_type(worker, CONTROL_TYPE_READY);
        return 0;
}

static void worker_done(Worker *worker) {
        if (worker->storage && storage_manager_get_state(worker->storage) == STORAGE_STATE_STOPPED)
                storage_manager_free(worker->storage);
        libusb_library_free(worker->library);
        fd_close(worker->usb_fd);
        fd_close(worker->arena_fd);
        for (size_t i = 0; i < worker->n_remains; i++)
                fd_close(worker->remains[i].fd);
        for (size_t i = 0; i < worker->n_mounts; i++) {
                fd_close(worker->mounts[i].fd);
                fd_close(worker->mounts[i].slots_fd);
        }
        for (size_t i = 0; i < worker->n_image_fds; i++)
                fd_close(worker->image_fds[i]);
        control_channel_free(TAKE_PTR(worker->channel));
        event_loop_free(worker->loop);
}

int main(int argc, char **argv) {
        Worker worker = { .usb_fd = -EBADF, .arena_fd = -EBADF };
        int r;

        if (control_version_check(argc, argv) < 0)
                return EXIT_FAILURE;
        signal(SIGPIPE, SIG_IGN);
        /*
         * Signals of a terminal and of systemd are for the manager, which stops its children in
         * order.
         */
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        prctl(PR_SET_NAME, "usb-storage-wrk");

        r = worker_start(&worker);
        if (r < 0) {
                fprintf(stderr, "usb-storage-worker: can't start: %s\n", strerror(-r));
                return EXIT_FAILURE;
        }
        r = event_loop_run(worker.loop);
        worker_done(&worker);
        return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
