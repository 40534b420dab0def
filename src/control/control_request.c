/* What may be believed of requests and their answers. */

#include "control/control_request.h"

#include "control/control_text.h"

static bool is_all_zeroes(const void *bytes, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (((const uint8_t *) bytes)[i] != 0)
                        return false;
        return true;
}

bool control_scsi_has_memfd(const ControlScsi *scsi) {
        return scsi->data_size > CONTROL_DATA_INLINE_MAX;
}

static bool is_scsi_valid(const ControlScsi *scsi) {
        return scsi->cdb_size > 0 && scsi->cdb_size <= SCSI_CDB_SIZE_MAX &&
               scsi->direction <= TRANSPORT_DIRECTION_OUT && scsi->data_size <= CONTROL_DATA_MAX &&
               (scsi->direction == TRANSPORT_DIRECTION_NONE) == (scsi->data_size == 0) &&
               scsi->danger_max < SCSI_DANGER_BLOCKED;
}

static bool is_lun(uint32_t lun) { return lun < CONTROL_LUNS_MAX; }

static bool is_trace_valid(const ControlRequest *request) {
        const ControlTrace *trace = &request->trace;

        if (request->kind != CONTROL_REQUEST_KIND_TRACE)
                return is_all_zeroes(trace, sizeof(*trace));
        return trace->bus_number <= UINT16_MAX && trace->device_number <= UINT8_MAX;
}

static bool is_power_state_valid(const ControlRequest *request) {
        if (request->kind != CONTROL_REQUEST_KIND_POWER_STATE)
                return request->power_state == 0;
        return request->power_state == POWER_STATE_ACTIVE ||
               request->power_state == POWER_STATE_STANDBY ||
               request->power_state == POWER_STATE_SUSPENDED;
}

static bool is_self_test_valid(const ControlRequest *request) {
        if (request->kind != CONTROL_REQUEST_KIND_SMART_TEST)
                return request->self_test == 0;
        return request->self_test == CONTROL_SELF_TEST_ABORT ||
               (request->self_test > SMART_SELF_TEST_KIND_OTHER &&
                request->self_test < _SMART_SELF_TEST_KIND_MAX);
}

/* What each kind has beside what all have: a LUN, flags, a mode, a command. */
bool control_request_is_valid(const ControlRequest *request, size_t n_fds) {
        uint32_t flags = 0, mode_max = CACHE_MODE_OFF, n_fds_needed = 0;
        bool is_lun_valid = request->lun == CONTROL_LUN_ALL;

        switch ((ControlRequestKind) request->kind) {
        case CONTROL_REQUEST_KIND_FLUSH:
                is_lun_valid |= is_lun(request->lun);
                break;
        case CONTROL_REQUEST_KIND_CACHE_RESET:
                is_lun_valid |= is_lun(request->lun);
                flags = CONTROL_REQUEST_DISCARD_DIRTY;
                break;
        case CONTROL_REQUEST_KIND_CACHE_MODE:
                mode_max = _CACHE_MODE_MAX - 1;
                break;
        case CONTROL_REQUEST_KIND_DEVICE_RESET:
                break;
        case CONTROL_REQUEST_KIND_LUN_RESET:
                is_lun_valid = is_lun(request->lun);
                break;
        case CONTROL_REQUEST_KIND_SCSI_COMMAND:
                return is_lun(request->lun) && request->cache_mode == CACHE_MODE_OFF &&
                       request->power_state == 0 && request->self_test == 0 &&
                       (request->flags & ~(uint32_t) CONTROL_REQUEST_FORCE) == 0 &&
                       is_scsi_valid(&request->scsi) && is_trace_valid(request) &&
                       n_fds == control_scsi_has_memfd(&request->scsi);
        case CONTROL_REQUEST_KIND_RELEASE:
        case CONTROL_REQUEST_KIND_REMOVE:
                flags = CONTROL_REQUEST_FORCE;
                break;
        case CONTROL_REQUEST_KIND_TRACE:
        case CONTROL_REQUEST_KIND_HISTORY:
                n_fds_needed = 1;
                break;
        case CONTROL_REQUEST_KIND_POWER_STATE:
                break;
        case CONTROL_REQUEST_KIND_SMART_UPDATE:
                is_lun_valid = is_lun(request->lun);
                flags = CONTROL_REQUEST_NO_WAKE;
                break;
        case CONTROL_REQUEST_KIND_EJECT:
                is_lun_valid = is_lun(request->lun);
                flags = CONTROL_REQUEST_FORCE;
                break;
        case CONTROL_REQUEST_KIND_LOAD:
        case CONTROL_REQUEST_KIND_SMART_TEST:
                is_lun_valid = is_lun(request->lun);
                break;
        case _CONTROL_REQUEST_KIND_MAX:
        default: /* what came from a peer may be none of ours */
                return false;
        }

        return is_lun_valid && (request->flags & ~flags) == 0 && request->cache_mode <= mode_max &&
               is_all_zeroes(&request->scsi, sizeof(request->scsi)) && n_fds == n_fds_needed &&
               is_trace_valid(request) && is_power_state_valid(request) &&
               is_self_test_valid(request);
}

bool control_reply_is_valid(const ControlReply *reply) {
        return control_is_error(reply->error) && reply->status <= UINT8_MAX &&
               reply->data_size <= CONTROL_DATA_MAX && reply->sense_size <= sizeof(reply->sense) &&
               CONTROL_TEXT_IS_PRINTABLE(reply->words);
}

bool control_progress_is_valid(const ControlProgress *progress) {
        return progress->n_done <= progress->n_total;
}

const char *control_request_kind_to_string(ControlRequestKind kind) {
        static const char *const names[_CONTROL_REQUEST_KIND_MAX] = {
                [CONTROL_REQUEST_KIND_FLUSH] = "flush",
                [CONTROL_REQUEST_KIND_CACHE_RESET] = "cache reset",
                [CONTROL_REQUEST_KIND_CACHE_MODE] = "cache mode",
                [CONTROL_REQUEST_KIND_DEVICE_RESET] = "device reset",
                [CONTROL_REQUEST_KIND_LUN_RESET] = "LUN reset",
                [CONTROL_REQUEST_KIND_SCSI_COMMAND] = "SCSI command",
                [CONTROL_REQUEST_KIND_RELEASE] = "release",
                [CONTROL_REQUEST_KIND_REMOVE] = "remove",
                [CONTROL_REQUEST_KIND_TRACE] = "trace",
                [CONTROL_REQUEST_KIND_POWER_STATE] = "power state",
                [CONTROL_REQUEST_KIND_SMART_UPDATE] = "SMART update",
                [CONTROL_REQUEST_KIND_SMART_TEST] = "SMART self-test",
                [CONTROL_REQUEST_KIND_HISTORY] = "history",
                [CONTROL_REQUEST_KIND_EJECT] = "eject",
                [CONTROL_REQUEST_KIND_LOAD] = "load",
        };

        assert(kind < _CONTROL_REQUEST_KIND_MAX);
        return names[kind];
}
