/*
 * The messages' sizes, descriptors and rules, in one table and one check for each type. What passes
 * here can be used without further thought about memory; whether it makes sense is the receiver's
 * business.
 */

#include <errno.h>
#include <string.h>

#include "base/rate_budget.h"
#include "control/control_message.h"
#include "control/control_text.h"
#include "negotiation/nbd_server.h"
#include "usb/usb_quirks.h"

#define HEADER_SIZE offsetof(ControlMessage, body)

typedef struct ControlTypeTraits {
        const char *name;
        size_t body_size;
        size_t n_fds_min;
        size_t n_fds_max;
} ControlTypeTraits;

static const ControlTypeTraits control_type_traits[_CONTROL_TYPE_MAX] = {
        [CONTROL_TYPE_HELLO] = { "HELLO", sizeof(ControlHello) },
        [CONTROL_TYPE_CONFIGURE] = { "CONFIGURE", sizeof(ControlConfigure) },
        [CONTROL_TYPE_READY] = { "READY" },
        [CONTROL_TYPE_PING] = { "PING", sizeof(ControlPing) },
        [CONTROL_TYPE_PONG] = { "PONG", sizeof(ControlPing) },
        [CONTROL_TYPE_LOG] = { "LOG", sizeof(ControlLog) },
        [CONTROL_TYPE_STOP] = { "STOP" },
        [CONTROL_TYPE_STOPPED] = { "STOPPED" },
        [CONTROL_TYPE_USB_DEVICE] = { "USB_DEVICE", sizeof(ControlUsbDevice), 1, 1 },
        [CONTROL_TYPE_SIMULATE] = { "SIMULATE", sizeof(ControlSimulate), 0, CONTROL_FDS_MAX },
        [CONTROL_TYPE_GONE] = { "GONE" },
        [CONTROL_TYPE_BROUGHT_UP] = { "BROUGHT_UP", sizeof(ControlBroughtUp) },
        [CONTROL_TYPE_FAILED] = { "FAILED", sizeof(ControlFailed) },
        [CONTROL_TYPE_EXPORT] = { "EXPORT", sizeof(ControlExport) },
        [CONTROL_TYPE_EXPORT_CLOSED] = { "EXPORT_CLOSED", sizeof(ControlExportClosed) },
        [CONTROL_TYPE_LISTEN] = { "LISTEN", 0, 1, 1 },
        [CONTROL_TYPE_CONNECT] = { "CONNECT", sizeof(ControlConnect), 1, 1 },
        [CONTROL_TYPE_HANDOVER] = { "HANDOVER", sizeof(ControlHandover), 1, 2 },
        [CONTROL_TYPE_CLIENT] = { "CLIENT", sizeof(ControlHandover), 1, 1 },
        [CONTROL_TYPE_CACHE] = { "CACHE", sizeof(ControlCache), 1, 1 },
        [CONTROL_TYPE_CACHE_OPTIONS] = { "CACHE_OPTIONS", sizeof(ControlCache) },
        [CONTROL_TYPE_REMAINS] = { "REMAINS", sizeof(ControlRemains), 1, 1 },
        [CONTROL_TYPE_REMAINS_LEFT] = { "REMAINS_LEFT", sizeof(ControlRemains) },
        [CONTROL_TYPE_SAVE] = { "SAVE", sizeof(ControlSave) },
        [CONTROL_TYPE_SAVED] = { "SAVED", sizeof(ControlSave) },
        [CONTROL_TYPE_PARKED] = { "PARKED" },
        [CONTROL_TYPE_DEVICE_INFO] = { "DEVICE_INFO", sizeof(ControlDeviceInfo) },
        [CONTROL_TYPE_LUN_INFO] = { "LUN_INFO", sizeof(ControlLunInfo) },
        [CONTROL_TYPE_REQUEST] = { "REQUEST", sizeof(ControlRequest), 0, 1 },
        [CONTROL_TYPE_CANCEL] = { "CANCEL", sizeof(ControlCancel) },
        [CONTROL_TYPE_REPLY] = { "REPLY", sizeof(ControlReply) },
        [CONTROL_TYPE_PROGRESS] = { "PROGRESS", sizeof(ControlProgress) },
        [CONTROL_TYPE_LEARNED] = { "LEARNED", sizeof(ControlLearned) },
        [CONTROL_TYPE_LUN_STATS] = { "LUN_STATS", sizeof(ControlLunStats) },
        [CONTROL_TYPE_DEVICE_STATS] = { "DEVICE_STATS", sizeof(StorageDeviceStats) },
        [CONTROL_TYPE_POWER_OPTIONS] = { "POWER_OPTIONS", sizeof(PowerOptions) },
        [CONTROL_TYPE_POWER] = { "POWER", sizeof(ControlPower) },
        [CONTROL_TYPE_SMART_OPTIONS] = { "SMART_OPTIONS", sizeof(ControlSmartOptions) },
        [CONTROL_TYPE_SMART] = { "SMART", sizeof(ControlSmart) },
        [CONTROL_TYPE_MOUNT] = { "MOUNT", sizeof(ControlMount), 2, 2 },
        [CONTROL_TYPE_MOUNT_SERVED] = { "MOUNT_SERVED", sizeof(ControlMountState) },
        [CONTROL_TYPE_MOUNT_ENDED] = { "MOUNT_ENDED", sizeof(ControlMountState) },
        [CONTROL_TYPE_UNMOUNT] = { "UNMOUNT", sizeof(ControlMountState) },
        [CONTROL_TYPE_TLS] = { "TLS", sizeof(ControlTls), 0, _CONTROL_TLS_FILE_MAX },
        [CONTROL_TYPE_ACCESS] = { "ACCESS", sizeof(ControlAccess) },
        [CONTROL_TYPE_CLIENT_ENDED] = { "CLIENT_ENDED", sizeof(ControlClientEnded) },
};

static_assert(sizeof(ControlMessage) <= CONTROL_MESSAGE_SIZE_MAX, "a message must fit");

#define IS_TERMINATED(field) (memchr((field), '\0', sizeof(field)) != NULL)

/* DESIGN section 1: an export's name is made of these alone, so that it needs no quoting anywhere.
 */
static bool is_name(const char *text) {
        static const char allowed[] =
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                        "._-";

        return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

static bool is_configure_valid(const ControlConfigure *configure) {
        return configure->log_level < _LOG_LEVEL_MAX &&
               control_is_bool(configure->is_trim_enabled) &&
               control_is_bool(configure->is_monitored) && control_is_bool(configure->is_serial) &&
               control_is_bool(configure->skips_processing) &&
               control_is_bool(configure->skips_validation) &&
               configure->n_luns_max <= CONTROL_LUNS_MAX &&
               configure->n_commands_kept <= CONTROL_COMMANDS_KEPT_MAX;
}

static bool is_log_valid(const ControlLog *log) {
        return log->level < _LOG_LEVEL_MAX && IS_TERMINATED(log->device) &&
               IS_TERMINATED(log->message);
}

static bool is_quirks(uint32_t quirks) { return (quirks & ~USB_QUIRKS_ALL) == 0; }

static bool is_usb_device_valid(const ControlUsbDevice *device) {
        return IS_TERMINATED(device->name) && IS_TERMINATED(device->base_name) &&
               is_name(device->base_name) && IS_TERMINATED(device->serial) &&
               is_quirks(device->quirks) && usb_learned_facts_is_valid(&device->facts) &&
               device->rate_max <= RATE_BUDGET_RATE_MAX && control_is_bool(device->is_read_only) &&
               control_is_bool(device->is_restart);
}

static bool is_simulate_valid(const ControlSimulate *simulate) {
        return IS_TERMINATED(simulate->name) && IS_TERMINATED(simulate->base_name) &&
               is_name(simulate->base_name) && IS_TERMINATED(simulate->spec) &&
               is_quirks(simulate->quirks) && usb_learned_facts_is_valid(&simulate->facts) &&
               simulate->rate_max <= RATE_BUDGET_RATE_MAX &&
               control_is_bool(simulate->is_read_only) && control_is_bool(simulate->is_restart);
}

static bool is_export_valid(const ControlExport *export) {
        return export->lun < CONTROL_LUNS_MAX && IS_TERMINATED(export->name) &&
               is_name(export->name) && IS_TERMINATED(export->description);
}

static bool is_handover_valid(const ControlHandover *handover) {
        const NbdAgreement *agreement = &handover->agreement;

        return handover->lun < CONTROL_LUNS_MAX && IS_TERMINATED(handover->identity) &&
               control_is_bool(agreement->has_structured_replies) &&
               control_is_bool(agreement->has_base_allocation) &&
               control_is_bool(agreement->has_block_size) &&
               control_is_bool(agreement->is_read_only);
}

static bool is_tls_valid(const ControlTls *tls, size_t n_fds) {
        size_t n_files = 0;

        for (size_t i = 0; i < _CONTROL_TLS_FILE_MAX; i++) {
                if (!control_is_bool(tls->has_file[i]))
                        return false;
                n_files += tls->has_file[i];
        }
        return tls->mode < _NBD_TLS_MODE_MAX && control_is_bool(tls->allows_plain_tcp) &&
               n_files == n_fds &&
               tls->has_file[CONTROL_TLS_FILE_CERTIFICATE] == tls->has_file[CONTROL_TLS_FILE_KEY];
}

static bool is_access_valid(const ControlAccess *access) {
        if (access->n_rules == 0)
                return access->index == 0;
        return access->n_rules <= NBD_ACCESS_RULES_MAX && access->index < access->n_rules &&
               nbd_access_rule_is_valid(&access->rule);
}

static bool is_cache_valid(const ControlCache *cache) {
        return cache->mode < _CACHE_MODE_MAX && cache->policy < _CACHE_POLICY_KIND_MAX &&
               control_is_bool(cache->has_read_ahead) && control_is_bool(cache->verifies_hits);
}

static bool is_luns(uint32_t luns) { return (luns & ~CONTROL_LUNS_ALL) == 0; }

static bool is_some_luns(uint32_t luns) { return luns != 0 && is_luns(luns); }

static bool is_mount_valid(const ControlMount *mount) {
        return mount->lun < CONTROL_LUNS_MAX && control_is_bool(mount->is_read_only);
}

static bool is_settings_valid(const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_CONFIGURE)
                return is_configure_valid(&message->body.configure);
        if (message->type == CONTROL_TYPE_POWER_OPTIONS)
                return control_power_options_is_valid(&message->body.power_options);
        return control_smart_options_is_valid(&message->body.smart_options);
}

static bool is_front_message_valid(const ControlMessage *message, size_t n_fds) {
        if (message->type == CONTROL_TYPE_EXPORT)
                return is_export_valid(&message->body.export);
        if (message->type == CONTROL_TYPE_EXPORT_CLOSED)
                return message->body.export_closed.lun < CONTROL_LUNS_MAX;
        if (message->type == CONTROL_TYPE_TLS)
                return is_tls_valid(&message->body.tls, n_fds);
        return is_access_valid(&message->body.access);
}

static bool is_remains_message_valid(const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_REMAINS)
                return is_some_luns(message->body.remains.luns);
        if (message->type == CONTROL_TYPE_REMAINS_LEFT)
                return is_luns(message->body.remains.luns);
        if (message->type == CONTROL_TYPE_SAVE)
                return is_some_luns(message->body.save.luns) && message->body.save.error == 0;
        return is_some_luns(message->body.save.luns) && control_is_error(message->body.save.error);
}

/* What a worker tells of its device. */
static bool is_description_valid(const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_DEVICE_INFO)
                return control_device_info_is_valid(&message->body.device_info);
        if (message->type == CONTROL_TYPE_LUN_INFO)
                return control_lun_info_is_valid(&message->body.lun_info);
        if (message->type == CONTROL_TYPE_LEARNED)
                return usb_learned_facts_is_valid(&message->body.learned.facts);
        if (message->type == CONTROL_TYPE_LUN_STATS)
                return message->body.lun_stats.lun < CONTROL_LUNS_MAX &&
                       storage_stats_is_valid(&message->body.lun_stats.stats);
        if (message->type == CONTROL_TYPE_DEVICE_STATS)
                return storage_device_stats_is_valid(&message->body.device_stats);
        if (message->type == CONTROL_TYPE_POWER)
                return control_power_is_valid(&message->body.power);
        return control_smart_is_valid(&message->body.smart);
}

static bool is_request_message_valid(const ControlMessage *message, size_t n_fds) {
        if (message->type == CONTROL_TYPE_REQUEST)
                return control_request_is_valid(&message->body.request, n_fds);
        if (message->type == CONTROL_TYPE_REPLY)
                return control_reply_is_valid(&message->body.reply);
        return control_progress_is_valid(&message->body.progress);
}

static bool is_mount_message_valid(const ControlMessage *message) {
        if (message->type == CONTROL_TYPE_MOUNT)
                return is_mount_valid(&message->body.mount);
        if (message->type == CONTROL_TYPE_MOUNT_ENDED)
                return control_is_error(message->body.mount_state.error);
        return message->body.mount_state.error == 0;
}

static bool is_brought_up_valid(const ControlBroughtUp *brought_up) {
        return brought_up->n_luns <= CONTROL_LUNS_MAX && brought_up->n_exports <= CONTROL_LUNS_MAX;
}

static bool is_failed_valid(const ControlFailed *failed) {
        return control_is_error(failed->error) && IS_TERMINATED(failed->reason);
}

static bool is_body_valid(const ControlMessage *message, size_t n_fds) {
        switch ((ControlType) message->type) {
        case CONTROL_TYPE_CONFIGURE:
        case CONTROL_TYPE_POWER_OPTIONS:
        case CONTROL_TYPE_SMART_OPTIONS:
                return is_settings_valid(message);
        case CONTROL_TYPE_LOG:
                return is_log_valid(&message->body.log);
        case CONTROL_TYPE_USB_DEVICE:
                return is_usb_device_valid(&message->body.usb_device);
        case CONTROL_TYPE_SIMULATE:
                return is_simulate_valid(&message->body.simulate);
        case CONTROL_TYPE_EXPORT:
        case CONTROL_TYPE_EXPORT_CLOSED:
        case CONTROL_TYPE_TLS:
        case CONTROL_TYPE_ACCESS:
                return is_front_message_valid(message, n_fds);
        case CONTROL_TYPE_BROUGHT_UP:
                return is_brought_up_valid(&message->body.brought_up);
        case CONTROL_TYPE_FAILED:
                return is_failed_valid(&message->body.failed);
        case CONTROL_TYPE_HANDOVER:
        case CONTROL_TYPE_CLIENT:
                return is_handover_valid(&message->body.handover);
        case CONTROL_TYPE_CACHE:
        case CONTROL_TYPE_CACHE_OPTIONS:
                return is_cache_valid(&message->body.cache);
        case CONTROL_TYPE_REMAINS:
        case CONTROL_TYPE_REMAINS_LEFT:
        case CONTROL_TYPE_SAVE:
        case CONTROL_TYPE_SAVED:
                return is_remains_message_valid(message);
        case CONTROL_TYPE_DEVICE_INFO:
        case CONTROL_TYPE_LUN_INFO:
        case CONTROL_TYPE_LEARNED:
        case CONTROL_TYPE_LUN_STATS:
        case CONTROL_TYPE_DEVICE_STATS:
        case CONTROL_TYPE_POWER:
        case CONTROL_TYPE_SMART:
                return is_description_valid(message);
        case CONTROL_TYPE_REQUEST:
        case CONTROL_TYPE_REPLY:
        case CONTROL_TYPE_PROGRESS:
                return is_request_message_valid(message, n_fds);
        case CONTROL_TYPE_MOUNT:
        case CONTROL_TYPE_MOUNT_ENDED:
        case CONTROL_TYPE_MOUNT_SERVED:
        case CONTROL_TYPE_UNMOUNT:
                return is_mount_message_valid(message);
        case CONTROL_TYPE_CLIENT_ENDED:
                return message->body.client_ended.id != 0;
        case CONTROL_TYPE_HELLO: /* who receives it compares the version, to say so */
        case CONTROL_TYPE_READY:
        case CONTROL_TYPE_PING:
        case CONTROL_TYPE_PONG:
        case CONTROL_TYPE_STOP:
        case CONTROL_TYPE_STOPPED:
        case CONTROL_TYPE_GONE:
        case CONTROL_TYPE_LISTEN:
        case CONTROL_TYPE_CONNECT:
        case CONTROL_TYPE_PARKED:
        case CONTROL_TYPE_CANCEL:
                return true;
        case _CONTROL_TYPE_MAX:
                break;
        }

        assert_not_reached(); /* the type was checked before */
        return false;
}

int control_message_validate(const ControlMessage *message, size_t received_size, size_t n_fds) {
        const ControlTypeTraits *traits;

        assert(message);

        if (received_size < HEADER_SIZE || message->type >= _CONTROL_TYPE_MAX)
                return -EBADMSG;

        traits = &control_type_traits[message->type];
        if (message->size != traits->body_size || received_size != HEADER_SIZE + traits->body_size)
                return -EBADMSG;
        if (n_fds < traits->n_fds_min || n_fds > traits->n_fds_max)
                return -EBADMSG;

        return is_body_valid(message, n_fds) ? 0 : -EBADMSG;
}

void control_message_init(ControlMessage *message, ControlType type) {
        assert(message);
        assert(type < _CONTROL_TYPE_MAX);

        /* The padding too: it goes to another process. */
        memset(message, 0, sizeof(*message));
        message->type = type;
        message->size = (uint32_t) control_type_traits[type].body_size;
}

size_t control_message_wire_size(const ControlMessage *message) {
        assert(message->type < _CONTROL_TYPE_MAX);
        assert(message->size == control_type_traits[message->type].body_size);

        return HEADER_SIZE + message->size;
}

const char *control_type_to_string(ControlType type) {
        assert(type < _CONTROL_TYPE_MAX);

        return control_type_traits[type].name;
}
