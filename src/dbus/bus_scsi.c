/*
 * Commands from outside. How dangerous one is decides which of polkit's actions it is, and the
 * worker is told that nothing worse was allowed; it knows the unit and judges again.
 */

#include "dbus/bus_scsi.h"

#include <errno.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_lun.h"
#include "dbus/bus_options.h"
#include "dbus/bus_performance.h"
#include "dbus/bus_request.h"
#include "scsi/scsi_pass_through.h"

static uint64_t add_check_conditions(const StorageStats *totals) {
        uint64_t n = 0;

        for (size_t i = 0; i < N_ELEMENTS(totals->n_check_conditions); i++)
                n += totals->n_check_conditions[i];
        return n;
}

int bus_scsi_get_counter(sd_bus *bus, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        BusLun *lun = container_of(userdata, BusLun, facts);
        StorageStats totals = bus_performance_get_totals(&lun->subject);
        const struct {
                const char *property;
                uint64_t value;
        } counters[] = {
                { "Commands", storage_histogram_count(&totals.layers[STORAGE_LAYER_SCSI]) },
                { "CheckConditions", add_check_conditions(&totals) },
                { "Retries", totals.n_retries },
                { "Timeouts", totals.n_timeouts },
        };

        for (size_t i = 0; i < N_ELEMENTS(counters); i++)
                if (strcmp(counters[i].property, property) == 0)
                        return sd_bus_message_append(reply, "t", counters[i].value);
        assert_not_reached();
}

typedef struct BusScsiCall {
        const void *cdb; /* borrowed from the message, as the data is */
        size_t cdb_size;
        const void *data;
        size_t data_size;
        uint32_t n_in;
        uint32_t timeout_ms;
        int is_forced;
        ScsiDanger danger;
} BusScsiCall;

static const char *action_of(ScsiDanger danger) {
        switch (danger) {
        case SCSI_DANGER_NONE:
                return BUS_ACTION("scsi-harmless");
        case SCSI_DANGER_READS_DATA:
                return BUS_ACTION("scsi-read");
        case SCSI_DANGER_CHANGES_STATE:
                return BUS_ACTION("scsi-settings");
        case SCSI_DANGER_WRITES_DATA:
                return BUS_ACTION("scsi-write");
        case SCSI_DANGER_DESTROYS:
                return BUS_ACTION("scsi-destroy");
        case SCSI_DANGER_BLOCKED:
        case _SCSI_DANGER_MAX:
                break;
        }

        assert_not_reached();
}

static int read_call(sd_bus_message *message, BusScsiCall *call, sd_bus_error *ret_error) {
        const BusOption options[] = {
                { "timeout-ms", 'u', &call->timeout_ms },
                { "force", 'b', &call->is_forced },
        };
        int r;

        r = sd_bus_message_read_array(message, 'y', &call->cdb, &call->cdb_size);
        if (r < 0)
                return r;
        r = sd_bus_message_read_array(message, 'y', &call->data, &call->data_size);
        if (r < 0)
                return r;
        r = sd_bus_message_read(message, "u", &call->n_in);
        if (r < 0)
                return r;
        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        if (call->cdb_size == 0 || call->cdb_size > SCSI_CDB_SIZE_MAX)
                return bus_error_set(ret_error, -EINVAL, "A command has 1 to %u bytes",
                                     (unsigned) SCSI_CDB_SIZE_MAX);
        if (call->data_size > 0 && call->n_in > 0)
                return bus_error_set(ret_error, -EINVAL, "Data goes out or comes in, not both");
        if (call->data_size > CONTROL_DATA_MAX || call->n_in > CONTROL_DATA_MAX)
                return bus_error_set(ret_error, -EINVAL, "Data is at most %u bytes",
                                     (unsigned) CONTROL_DATA_MAX);
        return 0;
}

/* What no table knows may do anything. */
static int judge(BusScsiCall *call, const BusLun *lun, sd_bus_error *ret_error) {
        uint8_t type = lun->facts.peripheral_type;

        if (!scsi_cdb_find_for(call->cdb, call->cdb_size, type)) {
                if (!call->is_forced)
                        return bus_error_set(ret_error, -EOPNOTSUPP,
                                             "The command is not known, \"force\" sends it");
                call->danger = SCSI_DANGER_DESTROYS;
                return 0;
        }
        call->danger = scsi_pass_through_judge(call->cdb, call->cdb_size, type);
        if (call->danger == SCSI_DANGER_BLOCKED)
                return bus_error_set(ret_error, -EPERM, "This command is never passed on");
        return 0;
}

static int reply_command(BusRequest *request, const ControlReply *reply, const uint8_t *data) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *answer = NULL;
        int r;

        r = sd_bus_message_new_method_return(request->message, &answer);
        if (r < 0)
                return r;
        r = sd_bus_message_append(answer, "y", (uint8_t) reply->status);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(answer, 'y', data, reply->data_size);
        if (r < 0)
                return r;
        r = sd_bus_message_append_array(answer, 'y', reply->sense, reply->sense_size);
        if (r < 0)
                return r;
        r = sd_bus_message_append(answer, "s", reply->words);
        if (r < 0)
                return r;
        return sd_bus_message_send(answer);
}

static void fill_in(DeviceRequest *request, const BusScsiCall *call, uint32_t lun) {
        ControlRequest *body = &request->request;
        ControlScsi *scsi = &body->scsi;

        body->kind = CONTROL_REQUEST_KIND_SCSI_COMMAND;
        body->lun = lun;
        body->timeout_ms = call->timeout_ms;
        body->flags = call->is_forced ? CONTROL_REQUEST_FORCE : 0;
        memcpy(scsi->cdb, call->cdb, call->cdb_size);
        scsi->cdb_size = (uint32_t) call->cdb_size;
        scsi->danger_max = call->danger;
        if (call->data_size > 0) {
                scsi->direction = TRANSPORT_DIRECTION_OUT;
                scsi->data_size = (uint32_t) call->data_size;
                request->data = call->data;
        } else {
                scsi->direction =
                                call->n_in > 0 ? TRANSPORT_DIRECTION_IN : TRANSPORT_DIRECTION_NONE;
                scsi->data_size = call->n_in;
        }
}

int bus_scsi_on_command(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusLun *lun = container_of(userdata, BusLun, facts);
        BusDevice *device = lun->device;
        BusScsiCall call = { .is_forced = false };
        BusRequest *request;
        int r;

        r = read_call(message, &call, ret_error);
        if (r < 0)
                return r;
        r = judge(&call, lun, ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(device->service, message, action_of(call.danger), device, NULL,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = bus_request_new(&request, device->service, message, ret_error);
        if (r < 0)
                return r;
        request->reply = reply_command;
        fill_in(&request->request, &call, lun->facts.number);
        return bus_request_send(request, device->id, ret_error);
}

int bus_scsi_on_reset(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusLun *lun = container_of(userdata, BusLun, facts);
        const ControlRequest request = {
                .kind = CONTROL_REQUEST_KIND_LUN_RESET,
                .lun = lun->facts.number,
        };
        int r;

        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        return bus_request_ask(lun->device, message, BUS_ACTION("reset"), &request, ret_error);
}
