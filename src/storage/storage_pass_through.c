/*
 * A command is judged, then sent as it is, once. One that may change something has its unit for
 * itself; one after which the medium may be another has the unit looked at.
 */

#include "storage/storage_pass_through.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "scsi/scsi_pass_through.h"
#include "storage/storage_exclusive.h"

#define TIMEOUT_DEFAULT_NS (30 * NS_PER_S)
/* A FORMAT UNIT or SANITIZE takes hours. */
#define TIMEOUT_MAX_NS (48 * 3600 * NS_PER_S)
#define OPCODE_MODE_SELECT_6 0x15
#define OPCODE_MODE_SELECT_10 0x55

typedef struct PassThrough {
        StorageRequest *request;
        StorageManager *manager;
        StorageUnit *unit;
        const ControlScsi *scsi;
        ScsiDanger danger;
        uint64_t deadline_ns;
        uint8_t *data; /* owned: staging memory */
} PassThrough;

static ScsiPassThroughLimits get_limits(const PassThrough *pass) {
        const StorageUnit *unit = pass->unit;
        const ScsiDisk *disk = unit->is_open ? &unit->disk : &unit->seen;
        ScsiPassThroughLimits limits = {
                .device_type = SCSI_DEVICE_TYPE_ANY,
                .transfer_size_max =
                                storage_stack_get_target(pass->manager->stack)->transfer_size_max,
                .danger_max = (ScsiDanger) pass->scsi->danger_max,
                .refusals = pass->manager->quirks.processor.refusals,
        };

        if (pass->manager->options.is_read_only && limits.danger_max > SCSI_DANGER_CHANGES_STATE)
                limits.danger_max = SCSI_DANGER_CHANGES_STATE;
        if (unit->is_seen)
                limits.device_type = disk->device_type == SCSI_DEVICE_TYPE_RBC
                                                     ? SCSI_DEVICE_TYPE_DISK
                                                     : disk->device_type;
        if (unit->is_open) {
                limits.n_blocks = disk->n_blocks;
                limits.block_size = disk->block_size;
        }
        return limits;
}

/* Not even as another type's, or with another length. */
static bool is_unknown(const ControlScsi *scsi) {
        uint8_t padded[SCSI_CDB_SIZE_MAX] = { 0 };

        memcpy(padded, scsi->cdb, scsi->cdb_size);
        return !scsi_cdb_find(padded, sizeof(padded));
}

/* What nobody knows may do anything. */
static int judge_unknown(PassThrough *pass, const ScsiPassThroughLimits *limits) {
        char *words = pass->request->reply.words;

        if (limits->danger_max < SCSI_DANGER_DESTROYS) {
                snprintf(words, CONTROL_WORDS_SIZE, "what is not known may do anything");
                return -EPERM;
        }
        if (pass->scsi->data_size > limits->transfer_size_max)
                return -E2BIG;
        pass->danger = SCSI_DANGER_DESTROYS;
        return 0;
}

static int judge(PassThrough *pass) {
        const ControlScsi *scsi = pass->scsi;
        ScsiPassThroughLimits limits = get_limits(pass);
        char reason[SCSI_PASS_THROUGH_REASON_SIZE] = "";
        int r;

        if ((pass->request->request.flags & CONTROL_REQUEST_FORCE) && is_unknown(scsi))
                return judge_unknown(pass, &limits);
        r = scsi_pass_through_check(
                        &(ScsiPassThrough){
                                        .cdb = scsi->cdb,
                                        .cdb_size = scsi->cdb_size,
                                        .direction = (TransportDirection) scsi->direction,
                                        .data_size = scsi->data_size,
                        },
                        &limits, reason);
        snprintf(pass->request->reply.words, CONTROL_WORDS_SIZE, "%s", reason);
        pass->danger = scsi_pass_through_judge(scsi->cdb, scsi->cdb_size, limits.device_type);
        return r;
}

static bool may_change_medium(const PassThrough *pass) {
        switch (pass->scsi->cdb[0]) {
        case SCSI_OPCODE_START_STOP_UNIT:
        case OPCODE_MODE_SELECT_6:
        case OPCODE_MODE_SELECT_10:
                return true;
        default: /* any byte */
                return pass->danger >= SCSI_DANGER_DESTROYS;
        }
}

/* Data */

static bool is_out(const PassThrough *pass) {
        return pass->scsi->direction == TRANSPORT_DIRECTION_OUT;
}

static int get_data(PassThrough *pass, ScsiTarget *target) {
        const ControlScsi *scsi = pass->scsi;

        if (scsi->data_size == 0)
                return 0;
        pass->data = staging_get(target->staging, scsi->data_size);
        if (!pass->data)
                return -ENOMEM;
        memset(pass->data, 0, scsi->data_size);
        if (!is_out(pass))
                return 0;
        if (pass->request->fd < 0) {
                memcpy(pass->data, scsi->data, scsi->data_size);
                return 0;
        }
        return pread(pass->request->fd, pass->data, scsi->data_size, 0) == (ssize_t) scsi->data_size
                               ? 0
                               : -EINVAL;
}

static int put_data(PassThrough *pass, size_t size) {
        ControlReply *reply = &pass->request->reply;

        if (pass->scsi->direction != TRANSPORT_DIRECTION_IN || size == 0)
                return 0;
        size = MIN(size, (size_t) pass->scsi->data_size);
        if (pass->request->fd < 0)
                memcpy(reply->data, pass->data, size);
        else if (pwrite(pass->request->fd, pass->data, size, 0) != (ssize_t) size)
                return -EIO;
        reply->data_size = (uint32_t) size;
        return 0;
}

/* The answer */

static int set_status(ControlReply *reply, ScsiResult result) {
        switch (result) {
        case SCSI_RESULT_GOOD:
                reply->status = 0x00;
                return 0;
        case SCSI_RESULT_CHECK_CONDITION:
                reply->status = 0x02;
                return 0;
        case SCSI_RESULT_BUSY:
                reply->status = 0x08;
                return 0;
        case SCSI_RESULT_RESERVED:
                reply->status = 0x18;
                return 0;
        case SCSI_RESULT_TRANSPORT_ERROR:
                return -EIO;
        case SCSI_RESULT_TIMED_OUT:
                return -ETIMEDOUT;
        case SCSI_RESULT_NO_MEMORY:
                return -ENOMEM;
        case SCSI_RESULT_CANCELLED:
                return -ECANCELED;
        case SCSI_RESULT_GONE:
                return -ENODEV;
        case SCSI_RESULT_INVALID:
                return -EINVAL;
        case _SCSI_RESULT_MAX:
                break;
        }
        assert_not_reached();
}

static void set_sense_words(ControlReply *reply, const ScsiSense *sense) {
        char text[SCSI_SENSE_TEXT_SIZE];

        snprintf(reply->words, sizeof(reply->words), "%s",
                 scsi_sense_format(sense, text, sizeof(text)));
        for (char *c = reply->words; *c != '\0'; c++)
                if (*c < ' ' || *c > '~')
                        *c = '?';
}

static int send_command(PassThrough *pass, Task *task) {
        ScsiTarget *target = storage_stack_get_target(pass->manager->stack);
        ControlReply *reply = &pass->request->reply;
        const ControlScsi *scsi = pass->scsi;
        ScsiCommand command;
        int r;

        scsi_command_init(&command, (uint8_t) pass->unit->lun, pass->deadline_ns);
        scsi_command_set_cdb(&command, scsi->cdb, scsi->cdb_size);
        scsi_command_set_data(&command, (TransportDirection) scsi->direction, pass->data,
                              scsi->data_size);
        command.flags = SCSI_COMMAND_NO_RETRY | SCSI_COMMAND_VALIDATED;
        command.raw_sense = reply->sense;
        r = set_status(reply, scsi_target_await(target, task, &command));
        storage_unit_note_told(pass->unit, &command);
        if (r < 0)
                return r;

        reply->sense_size = (uint32_t) command.raw_sense_size;
        if (command.result == SCSI_RESULT_CHECK_CONDITION)
                set_sense_words(reply, &command.sense);
        return put_data(pass, command.actual_size);
}

static int run_exclusively(PassThrough *pass, Task *task) {
        StorageManager *manager = pass->manager;
        StorageExclusive exclusive;
        int r;

        r = storage_exclusive_begin(&exclusive, manager, task, pass->unit, pass->deadline_ns,
                                    /* is_given_up= */ false);
        if (r < 0) {
                if (r != -ECANCELED)
                        snprintf(pass->request->reply.words, CONTROL_WORDS_SIZE,
                                 "what was written before can't be flushed");
                return r;
        }
        /* While it waited the device may have gone. */
        r = storage_manager_must_end(manager) || !manager->stack ? -ENODEV
                                                                 : send_command(pass, task);
        if (may_change_medium(pass))
                pass->unit->is_medium_changed = true;
        storage_exclusive_end(&exclusive,
                              pass->danger >= SCSI_DANGER_WRITES_DATA || may_change_medium(pass));
        return r;
}

static uint64_t get_deadline_ns(const StorageRequest *request) {
        uint64_t timeout_ns = request->request.timeout_ms * NS_PER_MS;

        if (timeout_ns == 0)
                timeout_ns = TIMEOUT_DEFAULT_NS;
        return event_loop_now_ns(request->manager->loop) + MIN(timeout_ns, TIMEOUT_MAX_NS);
}

int storage_pass_through_run(StorageRequest *request, Task *task) {
        StorageManager *manager = request->manager;
        PassThrough pass = {
                .request = request,
                .manager = manager,
                .unit = &manager->units[request->request.lun],
                .scsi = &request->request.scsi,
                .deadline_ns = get_deadline_ns(request),
        };
        ScsiTarget *target = storage_stack_get_target(manager->stack);
        int r;

        if (request->request.lun >= manager->n_units)
                return -ENXIO;
        r = judge(&pass);
        if (r < 0)
                return r;
        r = get_data(&pass, target);
        if (r == 0)
                r = pass.danger >= SCSI_DANGER_CHANGES_STATE ? run_exclusively(&pass, task)
                                                             : send_command(&pass, task);
        if (pass.data)
                staging_put(target->staging, pass.data, pass.scsi->data_size);
        return r;
}
