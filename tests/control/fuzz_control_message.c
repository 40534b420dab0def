/*
 * Fuzz target: any bytes as a message. What validates must be usable: its strings end within their
 * fields, and its size is what the type says.
 */

#include <string.h>

#include "control/control_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const ControlMessage *message, size_t size) {
        assert(control_message_wire_size(message) == size);
        assert(control_type_to_string(message->type));

        if (message->type == CONTROL_TYPE_LOG)
                assert(strlen(message->body.log.message) < LOG_MESSAGE_SIZE_MAX);
        if (message->type == CONTROL_TYPE_USB_DEVICE)
                assert(strlen(message->body.usb_device.serial) < CONTROL_NAME_SIZE_MAX);
        if (message->type == CONTROL_TYPE_SIMULATE)
                assert(strlen(message->body.simulate.spec) < CONTROL_SPEC_SIZE_MAX);
        if (message->type == CONTROL_TYPE_EXPORT)
                assert(strlen(message->body.export.name) > 0);
        if (message->type == CONTROL_TYPE_CACHE)
                assert(message->body.cache.mode < _CACHE_MODE_MAX);
        if (message->type == CONTROL_TYPE_REMAINS_LEFT)
                assert((message->body.remains.luns & ~CONTROL_LUNS_ALL) == 0);
        if (message->type == CONTROL_TYPE_LEARNED)
                assert(usb_learned_facts_is_valid(&message->body.learned.facts));
        if (message->type == CONTROL_TYPE_SAVE)
                assert(message->body.save.luns != 0);
        if (message->type == CONTROL_TYPE_LUN_INFO)
                assert(strlen(message->body.lun_info.last_sense) < CONTROL_SENSE_TEXT_SIZE);
        if (message->type == CONTROL_TYPE_LUN_STATS) {
                StorageStats sum = {};

                storage_stats_add(&sum, &message->body.lun_stats.stats);
                assert(storage_transfer_limit_to_string(sum.transfer_limit));
        }
        if (message->type == CONTROL_TYPE_DEVICE_STATS)
                assert(storage_transport_to_string(message->body.device_stats.transport));
        if (message->type == CONTROL_TYPE_POWER)
                assert(power_state_to_string(message->body.power.state));
        if (message->type == CONTROL_TYPE_SMART)
                assert(strlen(message->body.smart.verdict.reason) < SMART_VERDICT_REASON_SIZE);
        if (message->type == CONTROL_TYPE_REQUEST)
                assert(message->body.request.scsi.cdb_size <= SCSI_CDB_SIZE_MAX);
        if (message->type == CONTROL_TYPE_REPLY)
                assert(message->body.reply.data_size <= CONTROL_DATA_MAX);
}

/* The message of that type that says what the bytes are, filled up or cut to its size. */
static size_t compose(ControlMessage *message, uint8_t type, const uint8_t *body, size_t size) {
        size_t body_size;

        control_message_init(message, type % _CONTROL_TYPE_MAX);
        body_size = control_message_wire_size(message) - offsetof(ControlMessage, body);
        if (body_size > 0)
                memcpy(&message->body, body, MIN(size, body_size));
        return control_message_wire_size(message);
}

/*
 * The first byte is the number of descriptors, with the highest bit: then the second is the type of
 * a message whose body follows; else what follows is the whole that came.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) ControlMessage *message = NULL;
        size_t received_size, n_fds;
        ControlMessage composed;
        const void *received = data + 1;

        if (size < 2)
                return 0;
        n_fds = data[0] & 0x7F;
        if (data[0] & 0x80) {
                received_size = compose(&composed, data[1], data + 2, size - 2);
                received = &composed;
        } else
                received_size = MIN(size - 1, sizeof(*message));

        /* Exactly as large as what came, so that a sanitizer sees each byte read past it. */
        message = malloc(MAX(received_size, (size_t) 1));
        if (!message)
                return 0;
        memcpy(message, received, received_size);

        if (control_message_validate(message, received_size, n_fds) == 0)
                use(message, received_size);
        return 0;
}
