/*
 * What all transports share: the checks at the crossing into them, and names for the log.
 */

#include "transport/transport.h"

#include <errno.h>

Transport *transport_free(Transport *transport) {
        if (transport)
                transport->ops->free(transport);
        return NULL;
}

int transport_submit(Transport *transport, TransportRequest *request) {
        bool has_data = request->direction != TRANSPORT_DIRECTION_NONE;
        int r;

        assert(request->done);
        assert(request->deadline_ns > 0);
        assert(request->command_size >= 1 && request->command_size <= TRANSPORT_COMMAND_SIZE_MAX);
        assert(has_data || request->size == 0);
        assert(request->data || request->size == 0);

        r = transport->ops->submit(transport, request);
        assert(r == 0 || r == -EBUSY || r == -ENODEV || r == -EINVAL);
        return r;
}

void transport_cancel(Transport *transport, TransportRequest *request) {
        transport->ops->cancel(transport, request);
}

int transport_start(Transport *transport, Task *task) {
        int r;

        r = transport->ops->start(transport, task);
        assert(r <= 0);
        return r;
}

int transport_get_max_lun(Transport *transport, Task *task) {
        int r;

        r = transport->ops->get_max_lun(transport, task);
        assert(r < 16);
        return r;
}

int transport_recover(Transport *transport, Task *task, TransportRecovery recovery, uint8_t lun) {
        int r;

        assert(recovery < _TRANSPORT_RECOVERY_MAX);

        r = transport->ops->recover(transport, task, recovery, lun);
        assert(r == 0 || r == -EOPNOTSUPP || r == -ENODEV || r == -EIO || r == -ECANCELED);
        return r;
}

const char *transport_result_to_string(TransportResult result) {
        static const char *const names[_TRANSPORT_RESULT_MAX] = {
                [TRANSPORT_RESULT_GOOD] = "good",
                [TRANSPORT_RESULT_FAILED] = "failed",
                [TRANSPORT_RESULT_UNTOLD] = "untold",
                [TRANSPORT_RESULT_BUSY] = "busy",
                [TRANSPORT_RESULT_RESERVED] = "reserved",
                [TRANSPORT_RESULT_ERROR] = "error",
                [TRANSPORT_RESULT_TIMED_OUT] = "timed out",
                [TRANSPORT_RESULT_NO_MEMORY] = "no memory",
                [TRANSPORT_RESULT_CANCELLED] = "cancelled",
                [TRANSPORT_RESULT_GONE] = "gone",
        };

        assert(result < _TRANSPORT_RESULT_MAX);
        return names[result];
}

const char *transport_recovery_to_string(TransportRecovery recovery) {
        static const char *const names[_TRANSPORT_RECOVERY_MAX] = {
                [TRANSPORT_RECOVERY_CLEAR_HALTS] = "clear halts",
                [TRANSPORT_RECOVERY_CLASS_RESET] = "class reset",
                [TRANSPORT_RECOVERY_LUN_RESET] = "LUN reset",
                [TRANSPORT_RECOVERY_PORT_RESET] = "port reset",
        };

        assert(recovery < _TRANSPORT_RECOVERY_MAX);
        return names[recovery];
}
