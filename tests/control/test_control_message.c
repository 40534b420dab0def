/* What control_message_validate() lets through, as tables: each type, and each lie about it. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "control/control_message.h"

/* Generous, for sanitizers and busy machines. */
#define TIMEOUT_S 120

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER_SIZE offsetof(ControlMessage, body)
#define FUZZ_ROUNDS 200000

typedef struct TypeCase {
        ControlType type;
        size_t body_size;
        size_t n_fds_min;
        size_t n_fds_max;
} TypeCase;

static const TypeCase type_cases[] = {
        { CONTROL_TYPE_HELLO, sizeof(ControlHello), 0, 0 },
        { CONTROL_TYPE_CONFIGURE, sizeof(ControlConfigure), 0, 0 },
        { CONTROL_TYPE_READY, 0, 0, 0 },
        { CONTROL_TYPE_PING, sizeof(ControlPing), 0, 0 },
        { CONTROL_TYPE_PONG, sizeof(ControlPing), 0, 0 },
        { CONTROL_TYPE_LOG, sizeof(ControlLog), 0, 0 },
        { CONTROL_TYPE_STOP, 0, 0, 0 },
        { CONTROL_TYPE_STOPPED, 0, 0, 0 },
        { CONTROL_TYPE_USB_DEVICE, sizeof(ControlUsbDevice), 1, 1 },
        { CONTROL_TYPE_SIMULATE, sizeof(ControlSimulate), 0, 16 },
        { CONTROL_TYPE_GONE, 0, 0, 0 },
        { CONTROL_TYPE_BROUGHT_UP, sizeof(ControlBroughtUp), 0, 0 },
        { CONTROL_TYPE_FAILED, sizeof(ControlFailed), 0, 0 },
        { CONTROL_TYPE_EXPORT, sizeof(ControlExport), 0, 0 },
        { CONTROL_TYPE_EXPORT_CLOSED, sizeof(ControlExportClosed), 0, 0 },
        { CONTROL_TYPE_LISTEN, 0, 1, 1 },
        { CONTROL_TYPE_CONNECT, sizeof(ControlConnect), 1, 1 },
        { CONTROL_TYPE_HANDOVER, sizeof(ControlHandover), 1, 2 },
        { CONTROL_TYPE_CLIENT, sizeof(ControlHandover), 1, 1 },
        { CONTROL_TYPE_CACHE, sizeof(ControlCache), 1, 1 },
        { CONTROL_TYPE_CACHE_OPTIONS, sizeof(ControlCache), 0, 0 },
        { CONTROL_TYPE_REMAINS, sizeof(ControlRemains), 1, 1 },
        { CONTROL_TYPE_REMAINS_LEFT, sizeof(ControlRemains), 0, 0 },
        { CONTROL_TYPE_SAVE, sizeof(ControlSave), 0, 0 },
        { CONTROL_TYPE_SAVED, sizeof(ControlSave), 0, 0 },
        { CONTROL_TYPE_PARKED, 0, 0, 0 },
        { CONTROL_TYPE_DEVICE_INFO, sizeof(ControlDeviceInfo), 0, 0 },
        { CONTROL_TYPE_LUN_INFO, sizeof(ControlLunInfo), 0, 0 },
        { CONTROL_TYPE_REQUEST, sizeof(ControlRequest), 0, 0 }, /* what a memfd needs: below */
        { CONTROL_TYPE_CANCEL, sizeof(ControlCancel), 0, 0 },
        { CONTROL_TYPE_REPLY, sizeof(ControlReply), 0, 0 },
        { CONTROL_TYPE_PROGRESS, sizeof(ControlProgress), 0, 0 },
        { CONTROL_TYPE_LEARNED, sizeof(ControlLearned), 0, 0 },
        { CONTROL_TYPE_LUN_STATS, sizeof(ControlLunStats), 0, 0 },
        { CONTROL_TYPE_DEVICE_STATS, sizeof(StorageDeviceStats), 0, 0 },
        { CONTROL_TYPE_POWER_OPTIONS, sizeof(PowerOptions), 0, 0 },
        { CONTROL_TYPE_POWER, sizeof(ControlPower), 0, 0 },
        { CONTROL_TYPE_SMART_OPTIONS, sizeof(ControlSmartOptions), 0, 0 },
        { CONTROL_TYPE_SMART, sizeof(ControlSmart), 0, 0 },
        { CONTROL_TYPE_MOUNT, sizeof(ControlMount), 2, 2 },
        { CONTROL_TYPE_MOUNT_SERVED, sizeof(ControlMountState), 0, 0 },
        { CONTROL_TYPE_MOUNT_ENDED, sizeof(ControlMountState), 0, 0 },
        { CONTROL_TYPE_UNMOUNT, sizeof(ControlMountState), 0, 0 },
        { CONTROL_TYPE_TLS, sizeof(ControlTls), 0, 5 },
        { CONTROL_TYPE_ACCESS, sizeof(ControlAccess), 0, 0 },
        { CONTROL_TYPE_CLIENT_ENDED, sizeof(ControlClientEnded), 0, 0 },
};

static_assert(N_ELEMENTS(type_cases) == _CONTROL_TYPE_MAX, "a type is missing in the table");

/* One field of one type set to one value, written over a valid message. */
typedef struct LieCase {
        ControlType type;
        const char *what;
        size_t offset; /* in ControlMessage */
        size_t size;
        uint8_t byte; /* fills the field */
} LieCase;

#define LIE(type, field, byte)                                                        \
        {                                                                             \
                CONTROL_TYPE_##type, #field, offsetof(ControlMessage, body.field),    \
                                sizeof(((ControlMessage *) NULL)->body.field), (byte) \
        }

static const LieCase lie_cases[] = {
        LIE(CONFIGURE, configure.log_level, 0x05),
        LIE(CONFIGURE, configure.n_luns_max, 0xff),
        LIE(CONFIGURE, configure.is_trim_enabled, 2),
        LIE(CONFIGURE, configure.is_serial, 2),
        LIE(CONFIGURE, configure.skips_processing, 2),
        LIE(CONFIGURE, configure.skips_validation, 2),
        LIE(CONFIGURE, configure.n_commands_kept, 0xff),
        LIE(CONFIGURE, configure.is_monitored, 2),
        LIE(LOG, log.level, 0xff),
        LIE(LOG, log.device, 'x'),
        LIE(LOG, log.message, 'x'),
        LIE(USB_DEVICE, usb_device.name, 'x'),
        LIE(USB_DEVICE, usb_device.base_name, 'x'),
        LIE(USB_DEVICE, usb_device.base_name, 0),
        LIE(USB_DEVICE, usb_device.base_name[0], '/'),
        LIE(USB_DEVICE, usb_device.serial, 'x'),
        LIE(USB_DEVICE, usb_device.quirks, 0xff),
        LIE(USB_DEVICE, usb_device.rate_max, 0xff),
        LIE(USB_DEVICE, usb_device.is_read_only, 2),
        LIE(USB_DEVICE, usb_device.is_restart, 0xff),
        LIE(SIMULATE, simulate.name, 'x'),
        LIE(SIMULATE, simulate.base_name, 'x'),
        LIE(SIMULATE, simulate.spec, 'x'),
        LIE(SIMULATE, simulate.quirks, 0x40),
        LIE(SIMULATE, simulate.rate_max, 0xff),
        LIE(SIMULATE, simulate.is_read_only, 2),
        LIE(SIMULATE, simulate.is_restart, 2),
        LIE(BROUGHT_UP, brought_up.n_luns, 0x11),
        LIE(BROUGHT_UP, brought_up.n_exports, 0xff),
        LIE(FAILED, failed.error, 1),
        LIE(FAILED, failed.error, 0x80),
        LIE(FAILED, failed.reason, 'x'),
        LIE(EXPORT, export.lun, 0x10),
        LIE(EXPORT, export.name, 'x'),
        LIE(EXPORT, export.name, 0),
        LIE(EXPORT, export.name[0], '\n'),
        LIE(EXPORT, export.name[0], 0xc3),
        LIE(EXPORT, export.description, 'x'),
        LIE(EXPORT_CLOSED, export_closed.lun, 0x10),
        LIE(HANDOVER, handover.lun, 0x10),
        LIE(HANDOVER, handover.agreement.has_structured_replies, 2),
        LIE(HANDOVER, handover.identity, 'x'),
        LIE(CLIENT, handover.agreement.has_base_allocation, 2),
        LIE(CLIENT, handover.agreement.has_block_size, 2),
        LIE(CLIENT, handover.agreement.is_read_only, 2),
        LIE(CACHE, cache.mode, 3),
        LIE(CACHE, cache.policy, 2),
        LIE(CACHE, cache.has_read_ahead, 2),
        LIE(CACHE, cache.verifies_hits, 0xff),
        LIE(REMAINS, remains.luns, 0),
        LIE(MOUNT, mount.lun, 0x10),
        LIE(MOUNT, mount.is_read_only, 2),
        LIE(MOUNT_SERVED, mount_state.error, 0xff),
        LIE(MOUNT_ENDED, mount_state.error, 1),
        LIE(CLIENT_ENDED, client_ended.id, 0),
        LIE(UNMOUNT, mount_state.error, 1),
        LIE(REMAINS, remains.luns, 0xff),
        LIE(REMAINS_LEFT, remains.luns, 0xff),
        LIE(SAVE, save.luns, 0),
        LIE(SAVE, save.luns, 0xff),
        LIE(SAVE, save.error, 0xff),
        LIE(SAVED, save.luns, 0),
        LIE(SAVED, save.luns, 0xff),
        LIE(SAVED, save.error, 1),
        LIE(TLS, tls.mode, 3),
        LIE(TLS, tls.allows_plain_tcp, 2),
        LIE(TLS, tls.has_file[0], 1),
        LIE(TLS, tls.has_file[4], 1),
        LIE(TLS, tls.has_file[4], 2),
        LIE(ACCESS, access.n_rules, 0xff),
        LIE(ACCESS, access.index, 1),
        LIE(ACCESS, access.rule.grant, 3),
        LIE(ACCESS, access.rule.who, 9),
        LIE(ACCESS, access.rule.exports, 'x'),
        LIE(ACCESS, access.rule.exports, 0),
        LIE(ACCESS, access.rule.name, 'x'),
        LIE(POWER_OPTIONS, power_options.is_enabled, 2),
        LIE(POWER, power.state, 5),
        LIE(POWER, power.options.is_enabled, 2),
        LIE(POWER, power.can_suspend, 2),
        LIE(POWER, power.can_standby, 2),
        LIE(POWER, power.is_self_powered, 0xff),
        LIE(SMART_OPTIONS, smart_options.has_bridge, 2),
        LIE(SMART_OPTIONS, smart_options.bridge_kind, 0x0a),
        LIE(SMART_OPTIONS, smart_options.bridge_is_sat_too, 2),
        LIE(SMART_OPTIONS, smart_options.bridge_is_extended, 2),
        LIE(SMART_OPTIONS, smart_options.bridge_is_prolific, 2),
        LIE(SMART_OPTIONS, smart_options.bridge_port, 2),
        LIE(SMART_OPTIONS, smart_options.bridge_port, 0xfe),
        LIE(SMART, smart.lun, 0x10),
        LIE(SMART, smart.error, 1),
        LIE(SMART, smart.error, 0x80),
        LIE(SMART, smart.way, 'x'),
        LIE(SMART, smart.way[0], '\n'),
        LIE(SMART, smart.verdict.kind, 4),
        LIE(SMART, smart.verdict.reason, 'x'),
        LIE(SMART, smart.verdict.reason[0], 0x1b),
        LIE(SMART, smart.data.kind, 4),
        LIE(SMART, smart.data.status, 3),
        LIE(SMART, smart.data.answers[3], 7),
        LIE(SMART, smart.data.identity.model, 'x'),
        LIE(SMART, smart.data.identity.serial[0], 0x1b),
        LIE(SMART, smart.data.identity.firmware, 'x'),
        LIE(SMART, smart.data.identity.capacity_bytes.is_known, 2),
        LIE(SMART, smart.data.is_enabled.value, 2),
        LIE(SMART, smart.data.self_tests.is_running.is_known, 2),
        LIE(SMART, smart.data.temperature.is_known, 0xff),
        LIE(SMART, smart.data.n_error_entries, 9),
        LIE(SMART, smart.data.n_attributes, 31),
        LIE(SMART, smart.data.self_tests.n_entries, 22),
        LIE(SMART, smart.data.health.sensors[7].is_known, 2),
        LIE(SMART, smart.data.scsi.n_pages, 65),
        LIE(SMART, smart.data.scsi.verify.uncorrected.is_known, 2),
        LIE(DEVICE_INFO, device_info.protocol, 4),
        LIE(DEVICE_INFO, device_info.quirks, 0xff),
        LIE(DEVICE_INFO, device_info.degradations, 0x20),
        LIE(DEVICE_INFO, device_info.cache_mode, 3),
        LIE(DEVICE_INFO, device_info.has_cache, 2),
        LIE(DEVICE_INFO, device_info.is_pipelined, 2),
        LIE(LUN_STATS, lun_stats.lun, 0x10),
        LIE(LUN_STATS, lun_stats.stats.transfer_limit, 5),
        LIE(LUN_STATS, lun_stats.stats.is_read_only_by_errors, 1),
        LIE(DEVICE_STATS, device_stats.transport, 5),
        LIE(DEVICE_STATS, device_stats.cache_mode, 4),
        LIE(DEVICE_STATS, device_stats.offers_uas, 2),
        LIE(DEVICE_STATS, device_stats.is_pipelined, 2),
        LIE(DEVICE_STATS, device_stats.is_write_through_by_resets, 2),
        LIE(DEVICE_STATS, device_stats.is_parked, 2),
        LIE(DEVICE_STATS, device_stats.is_serial, 2),
        LIE(DEVICE_STATS, device_stats.has_read_ahead, 2),
        LIE(LUN_INFO, lun_info.lun, 0x10),
        LIE(LUN_INFO, lun_info.kind, 4),
        LIE(LUN_INFO, lun_info.degradations, 0xff),
        LIE(LUN_INFO, lun_info.peripheral_type, 0x20),
        LIE(LUN_INFO, lun_info.is_present, 2),
        LIE(LUN_INFO, lun_info.is_removable, 2),
        LIE(LUN_INFO, lun_info.has_medium, 2),
        LIE(LUN_INFO, lun_info.is_read_only, 2),
        LIE(LUN_INFO, lun_info.is_rotational, 2),
        LIE(LUN_INFO, lun_info.tray, _CONTROL_TRAY_MAX),
        LIE(LUN_INFO, lun_info.can_eject, 2),
        LIE(LUN_INFO, lun_info.rotation_rpm, -2),
        LIE(LUN_INFO, lun_info.can_trim, 2),
        LIE(LUN_INFO, lun_info.has_fua, 2),
        LIE(LUN_INFO, lun_info.can_unmap, 2),
        LIE(LUN_INFO, lun_info.has_synchronize_cache, 2),
        LIE(LUN_INFO, lun_info.vendor, 'x'),
        LIE(LUN_INFO, lun_info.vendor[0], '\n'),
        LIE(LUN_INFO, lun_info.model[0], 0x7f),
        LIE(LUN_INFO, lun_info.revision[0], 0xc3),
        LIE(LUN_INFO, lun_info.serial, 'x'),
        LIE(LUN_INFO, lun_info.serial[0], 0x1b),
        LIE(LUN_INFO, lun_info.last_sense[0], 0x80),
        LIE(LUN_INFO, lun_info.last_sense, 'x'),
        LIE(REPLY, reply.error, 1),
        LIE(REPLY, reply.error, 0x80),
        LIE(REPLY, reply.status, 0xff),
        LIE(REPLY, reply.data_size, 0xff),
        LIE(REPLY, reply.sense_size, 0x01),
        LIE(REPLY, reply.words, 'x'),
        LIE(REPLY, reply.words[0], '\r'),
        LIE(PROGRESS, progress.n_done, 1),
        LIE(USB_DEVICE, usb_device.facts.facts, 0xff),
        LIE(SIMULATE, simulate.facts.unused, 1),
        LIE(LEARNED, learned.facts.facts, 0x40),
        LIE(LEARNED, learned.facts.facts, USB_FACT_BY_PHASE | USB_FACT_PIPELINED),
        LIE(LEARNED, learned.facts.unused, 0xff),
        LIE(LEARNED, learned.facts.units[0].facts, USB_UNIT_FACT_UNMAP_PROVEN),
        LIE(LEARNED, learned.facts.units[15].facts, 0xff),
        LIE(LEARNED, learned.facts.units[15].transfer_size, 1),
};

/* A request as a whole; what is not named is zero. */
typedef struct RequestCase {
        const char *what;
        ControlRequest request;
        size_t n_fds;
        bool is_valid;
} RequestCase;

#define COMMAND(...)                                                                         \
        {                                                                                    \
                .kind = CONTROL_REQUEST_KIND_SCSI_COMMAND, .lun = 1, .scsi = { __VA_ARGS__ } \
        }
#define ON(request_kind, request_lun, ...) \
        { .kind = CONTROL_REQUEST_KIND_##request_kind, .lun = (request_lun), ##__VA_ARGS__ }

static const RequestCase request_cases[] = {
        { "a flush of all", ON(FLUSH, CONTROL_LUN_ALL), 0, true },
        { "a flush of the last LUN", ON(FLUSH, CONTROL_LUNS_MAX - 1), 0, true },
        { "a LUN too high", ON(FLUSH, CONTROL_LUNS_MAX), 0, false },
        { "a flush that is forced", ON(FLUSH, 0, .flags = CONTROL_REQUEST_FORCE), 0, false },
        { "a flush with a descriptor", ON(FLUSH, 0), 1, false },
        { "a flush with a mode", ON(FLUSH, 0, .cache_mode = 1), 0, false },
        { "a flush with a command", ON(FLUSH, 0, .scsi.cdb_size = 6), 0, false },
        { "a flush with data", ON(FLUSH, 0, .scsi.data = { [2047] = 1 }), 0, false },
        { "a cache reset", ON(CACHE_RESET, CONTROL_LUN_ALL), 0, true },
        { "a cache reset with loss", ON(CACHE_RESET, 0, .flags = CONTROL_REQUEST_DISCARD_DIRTY), 0,
          true },
        { "a cache reset by force", ON(CACHE_RESET, 0, .flags = CONTROL_REQUEST_FORCE), 0, false },
        { "a cache mode", ON(CACHE_MODE, CONTROL_LUN_ALL, .cache_mode = 2), 0, true },
        { "no cache mode", ON(CACHE_MODE, CONTROL_LUN_ALL, .cache_mode = 3), 0, false },
        { "a cache mode of a LUN", ON(CACHE_MODE, 0, .cache_mode = 1), 0, false },
        { "a device reset", ON(DEVICE_RESET, CONTROL_LUN_ALL), 0, true },
        { "a device reset of a LUN", ON(DEVICE_RESET, 0), 0, false },
        { "a LUN reset", ON(LUN_RESET, 3), 0, true },
        { "a LUN reset of all", ON(LUN_RESET, CONTROL_LUN_ALL), 0, false },
        { "a release", ON(RELEASE, CONTROL_LUN_ALL), 0, true },
        { "sleep", ON(POWER_STATE, CONTROL_LUN_ALL, .power_state = POWER_STATE_STANDBY), 0, true },
        { "sleep of one unit", ON(POWER_STATE, 0, .power_state = POWER_STATE_STANDBY), 0, false },
        { "no state", ON(POWER_STATE, CONTROL_LUN_ALL), 0, false },
        { "a state to be told alone",
          ON(POWER_STATE, CONTROL_LUN_ALL, .power_state = POWER_STATE_IDLE), 0, false },
        { "a flush to sleep", ON(FLUSH, 0, .power_state = POWER_STATE_ACTIVE), 0, false },
        { "health", ON(SMART_UPDATE, 3, .flags = CONTROL_REQUEST_NO_WAKE), 0, true },
        { "health of all", ON(SMART_UPDATE, CONTROL_LUN_ALL), 0, false },
        { "a self-test", ON(SMART_TEST, 0, .self_test = SMART_SELF_TEST_KIND_SHORT), 0, true },
        { "its abort", ON(SMART_TEST, 0, .self_test = CONTROL_SELF_TEST_ABORT), 0, true },
        { "no self-test", ON(SMART_TEST, 0), 0, false },
        { "another self-test", ON(SMART_TEST, 0, .self_test = _SMART_SELF_TEST_KIND_MAX), 0,
          false },
        { "a reset and a self-test", ON(DEVICE_RESET, CONTROL_LUN_ALL, .self_test = 1), 0, false },
        { "a forced removal", ON(REMOVE, CONTROL_LUN_ALL, .flags = CONTROL_REQUEST_FORCE), 0,
          true },
        { "a trace", ON(TRACE, CONTROL_LUN_ALL, .trace.data_size_max = 64), 1, true },
        { "a trace without a file", ON(TRACE, CONTROL_LUN_ALL), 0, false },
        { "a trace of a LUN", ON(TRACE, 0), 1, false },
        { "a trace on a bus too high", ON(TRACE, CONTROL_LUN_ALL, .trace.bus_number = 0x10000), 1,
          false },
        { "a trace of a device too high", ON(TRACE, CONTROL_LUN_ALL, .trace.device_number = 256), 1,
          false },
        { "an eject", ON(EJECT, 3, .flags = CONTROL_REQUEST_FORCE), 0, true },
        { "an eject of all", ON(EJECT, CONTROL_LUN_ALL), 0, false },
        { "a tray to close", ON(LOAD, 0), 0, true },
        { "a tray to close by force", ON(LOAD, 0, .flags = CONTROL_REQUEST_FORCE), 0, false },
        { "the history", ON(HISTORY, CONTROL_LUN_ALL), 1, true },
        { "the history without a memfd", ON(HISTORY, CONTROL_LUN_ALL), 0, false },
        { "the history of a LUN", ON(HISTORY, 0), 1, false },
        { "a flush with a trace", ON(FLUSH, 0, .trace.realtime_ns = 1), 0, false },
        { "flags beyond all", ON(REMOVE, CONTROL_LUN_ALL, .flags = 0x80000001), 0, false },
        { "a kind beyond all",
          { .kind = _CONTROL_REQUEST_KIND_MAX, .lun = CONTROL_LUN_ALL },
          0,
          false },
        { "a command", COMMAND(.cdb_size = 6), 0, true },
        { "a command of the longest", COMMAND(.cdb_size = SCSI_CDB_SIZE_MAX), 0, true },
        { "a command without a byte", COMMAND(.cdb_size = 0), 0, false },
        { "a command too long", COMMAND(.cdb_size = SCSI_CDB_SIZE_MAX + 1), 0, false },
        { "data without a direction", COMMAND(.cdb_size = 6, .data_size = 1), 0, false },
        { "a direction without data", COMMAND(.cdb_size = 6, .direction = 1), 0, false },
        { "no direction", COMMAND(.cdb_size = 6, .direction = 3, .data_size = 1), 0, false },
        { "data in the message",
          COMMAND(.cdb_size = 6, .direction = 2, .data_size = CONTROL_DATA_INLINE_MAX), 0, true },
        { "data in the message, and a descriptor",
          COMMAND(.cdb_size = 6, .direction = 1, .data_size = CONTROL_DATA_INLINE_MAX), 1, false },
        { "more data without a descriptor",
          COMMAND(.cdb_size = 6, .direction = 1, .data_size = CONTROL_DATA_INLINE_MAX + 1), 0,
          false },
        { "more data with a descriptor",
          COMMAND(.cdb_size = 6, .direction = 1, .data_size = CONTROL_DATA_MAX), 1, true },
        { "too much data",
          COMMAND(.cdb_size = 6, .direction = 1, .data_size = CONTROL_DATA_MAX + 1), 1, false },
        { "what is never passed on", COMMAND(.cdb_size = 6, .danger_max = SCSI_DANGER_BLOCKED), 0,
          false },
};

static void make_valid(ControlMessage *message, ControlType type) {
        control_message_init(message, type);
        if (type == CONTROL_TYPE_USB_DEVICE)
                strcpy(message->body.usb_device.base_name, "0951-1666-A");
        if (type == CONTROL_TYPE_SIMULATE)
                strcpy(message->body.simulate.base_name, "sim0");
        if (type == CONTROL_TYPE_EXPORT)
                strcpy(message->body.export.name, "0951-1666-A-lun0");
        if (type == CONTROL_TYPE_ACCESS) {
                message->body.access.n_rules = 1;
                strcpy(message->body.access.rule.exports, "*");
        }
        if (type == CONTROL_TYPE_REMAINS)
                message->body.remains.luns = CONTROL_LUNS_ALL;
        if (type == CONTROL_TYPE_SAVE || type == CONTROL_TYPE_SAVED)
                message->body.save.luns = UINT32_C(1) << (CONTROL_LUNS_MAX - 1);
        if (type == CONTROL_TYPE_CLIENT_ENDED)
                message->body.client_ended.id = 1;
}

static void set_tls_files(ControlTls *tls, size_t n_files) {
        static const ControlTlsFile order[] = {
                CONTROL_TLS_FILE_PSK,         CONTROL_TLS_FILE_KEY,
                CONTROL_TLS_FILE_CERTIFICATE, CONTROL_TLS_FILE_AUTHORITIES,
                CONTROL_TLS_FILE_REVOKED,
        };
        size_t first = n_files % 2 == 0 && n_files < 5 ? 1 : 0;

        memset(tls->has_file, 0, sizeof(tls->has_file));
        for (size_t i = 0; i < n_files; i++)
                tls->has_file[order[first + i]] = true;
}

START_TEST(each_type_has_its_size_and_its_descriptors) {
        const TypeCase *c = &type_cases[_i];
        ControlMessage message;
        size_t size = HEADER_SIZE + c->body_size;

        make_valid(&message, c->type);
        ck_assert_uint_eq(control_message_wire_size(&message), size);
        for (size_t n_fds = 0; n_fds <= CONTROL_FDS_MAX + 1; n_fds++) {
                bool is_allowed = n_fds >= c->n_fds_min && n_fds <= c->n_fds_max;

                /* It says how many there are, and never a certificate without its key. */
                if (c->type == CONTROL_TYPE_TLS && n_fds <= c->n_fds_max)
                        set_tls_files(&message.body.tls, n_fds);

                ck_assert_int_eq(control_message_validate(&message, size, n_fds),
                                 is_allowed ? 0 : -EBADMSG);
        }
}
END_TEST

START_TEST(any_other_size_is_refused) {
        const TypeCase *c = &type_cases[_i];
        size_t size = HEADER_SIZE + c->body_size;
        ControlMessage message;

        make_valid(&message, c->type);
        for (size_t received = 0; received <= sizeof(message); received++)
                if (received != size)
                        ck_assert_int_eq(control_message_validate(&message, received, c->n_fds_min),
                                         -EBADMSG);

        message.size++;
        ck_assert_int_eq(control_message_validate(&message, size, c->n_fds_min), -EBADMSG);
        ck_assert_int_eq(control_message_validate(&message, size + 1, c->n_fds_min), -EBADMSG);
}
END_TEST

START_TEST(an_unknown_type_is_refused) {
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_READY);
        message.type = _CONTROL_TYPE_MAX;
        ck_assert_int_eq(control_message_validate(&message, HEADER_SIZE, 0), -EBADMSG);
        message.type = UINT32_MAX;
        ck_assert_int_eq(control_message_validate(&message, HEADER_SIZE, 0), -EBADMSG);
}
END_TEST

START_TEST(a_field_that_lies_is_refused) {
        const LieCase *c = &lie_cases[_i];
        const TypeCase *type = &type_cases[c->type];
        ControlMessage message;

        make_valid(&message, c->type);
        ck_assert_int_eq(control_message_validate(&message, HEADER_SIZE + type->body_size,
                                                  type->n_fds_min),
                         0);
        memset((uint8_t *) &message + c->offset, c->byte, c->size);
        ck_assert_msg(control_message_validate(&message, HEADER_SIZE + type->body_size,
                                               type->n_fds_min) == -EBADMSG,
                      "%s was not refused", c->what);
}
END_TEST

START_TEST(a_request_has_what_its_kind_has) {
        const RequestCase *c = &request_cases[_i];
        ControlMessage message;

        control_message_init(&message, CONTROL_TYPE_REQUEST);
        message.body.request = c->request;
        ck_assert_msg(control_message_validate(&message, HEADER_SIZE + sizeof(ControlRequest),
                                               c->n_fds) == (c->is_valid ? 0 : -EBADMSG),
                      "%s was %s", c->what, c->is_valid ? "refused" : "taken");
}
END_TEST

START_TEST(each_type_has_a_name_of_its_own) {
        for (size_t i = 0; i < _CONTROL_TYPE_MAX; i++)
                for (size_t j = 0; j < i; j++)
                        ck_assert_str_ne(control_type_to_string((ControlType) i),
                                         control_type_to_string((ControlType) j));
}
END_TEST

START_TEST(init_zeroes_the_padding_too) {
        static const uint8_t zeroes[sizeof(ControlMessage)];
        ControlMessage message;

        memset(&message, 0xaa, sizeof(message));
        control_message_init(&message, CONTROL_TYPE_EXPORT);
        ck_assert_mem_eq(&message.body, zeroes, sizeof(message.body));
}
END_TEST

START_TEST(random_bytes_do_no_harm) {
        uint8_t data[1 + sizeof(ControlMessage)];
        Random random;

        random_init(&random, 1);
        for (size_t i = 0; i < FUZZ_ROUNDS; i++) {
                const TypeCase *c = &type_cases[random_below(&random, N_ELEMENTS(type_cases))];
                ControlMessage message;
                size_t n_changes = random_below(&random, 4);

                make_valid(&message, c->type);
                data[0] = (uint8_t) c->n_fds_min;
                memcpy(data + 1, &message, sizeof(message));
                for (size_t j = 0; j < n_changes; j++)
                        data[random_below(&random, sizeof(data))] = (uint8_t) random_u64(&random);
                LLVMFuzzerTestOneInput(data, random_one_in(&random, 8)
                                                             ? random_below(&random, sizeof(data))
                                                             : 1 + HEADER_SIZE + c->body_size);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("control_message");
        TCase *tcase = tcase_create("validate");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_loop_test(tcase, each_type_has_its_size_and_its_descriptors, 0,
                            (int) N_ELEMENTS(type_cases));
        tcase_add_loop_test(tcase, any_other_size_is_refused, 0, (int) N_ELEMENTS(type_cases));
        tcase_add_test(tcase, an_unknown_type_is_refused);
        tcase_add_loop_test(tcase, a_field_that_lies_is_refused, 0, (int) N_ELEMENTS(lie_cases));
        tcase_add_loop_test(tcase, a_request_has_what_its_kind_has, 0,
                            (int) N_ELEMENTS(request_cases));
        tcase_add_test(tcase, each_type_has_a_name_of_its_own);
        tcase_add_test(tcase, init_zeroes_the_padding_too);
        tcase_add_test(tcase, random_bytes_do_no_harm);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
