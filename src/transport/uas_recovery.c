/* Task management (UAS-3, 6.2.7 and 6.3.6), and what a port reset takes with it. */

#include "transport/uas_recovery.h"

#include <errno.h>

#include "base/log.h"
#include "transport/transport_control.h"
#include "transport/uas_iu.h"
#include "transport/uas_transport_internal.h"

#define UAS_MANAGEMENT_TIMEOUT_NS (3 * NS_PER_S)

/* One task management function; the response code, or -EIO, -ENODEV, -ECANCELED. */
static int uas_manage(UasTransport *uas, Task *waiter, UasFunction function, uint16_t managed_tag,
                      uint8_t lun) {
        UasTask *task = uas_transport_get_management(uas);
        Future future;
        int r;

        if (usb_device_is_gone(uas->device))
                return -ENODEV;
        if (task->state != UAS_TASK_STATE_FREE)
                return -EIO; /* the last one was never answered */

        future_init(&future, uas->transport.loop, /* cancel= */ NULL);
        uas_iu_encode_task_management(task->buffer, task->tag, function, managed_tag, lun);
        task->future = &future;
        task->lun = lun;
        task->deadline_ns = event_loop_now_ns(uas->transport.loop) + UAS_MANAGEMENT_TIMEOUT_NS;
        task->result = TRANSPORT_RESULT_ERROR;
        if (uas_transport_send(task, UAS_IU_TASK_MANAGEMENT_SIZE) < 0)
                uas_transport_abandon(task, TRANSPORT_RESULT_ERROR);
        r = task_await(waiter, &future, TASK_NEVER);
        log_device_debug(uas->transport.name, "Task management function %02x: %d", function, r);
        if (r == -EIO && usb_device_is_gone(uas->device))
                return -ENODEV;
        return r;
}

static int uas_manage_well(UasTransport *uas, Task *waiter, UasFunction function,
                           uint16_t managed_tag, uint8_t lun) {
        int r = uas_manage(uas, waiter, function, managed_tag, lun);

        if (r < 0)
                return r;
        return r == UAS_RESPONSE_COMPLETE || r == UAS_RESPONSE_SUCCEEDED ? 0 : -EIO;
}

static int uas_clear_halts(UasTransport *uas, Task *waiter) {
        for (size_t i = 0; i < _USB_UAS_PIPE_MAX; i++) {
                int r = transport_control_clear_halt(waiter, uas->device,
                                                     uas->storage_device.uas_pipes[i].address);

                if (r < 0)
                        return r;
        }
        return 0;
}

static void uas_forget_strays(UasTransport *uas, int lun) {
        for (unsigned i = 0; i < uas->n_tags; i++)
                if (lun < 0 || uas->tasks[i].lun == lun)
                        uas_transport_move(&uas->tasks[i], UAS_TASK_EVENT_FORGOTTEN);
}

/* SAM-5, 7.2: also a task that is not there any more is aborted well. */
static int uas_abort_strays(UasTransport *uas, Task *waiter) {
        for (unsigned i = 0; i + 1 < uas->n_tags; i++) {
                UasTask *task = &uas->tasks[i];
                int r;

                if (task->state != UAS_TASK_STATE_STRAY)
                        continue;
                r = uas_manage_well(uas, waiter, UAS_FUNCTION_ABORT_TASK, task->tag, task->lun);
                if (r < 0)
                        return r;
                uas_transport_move(task, UAS_TASK_EVENT_FORGOTTEN);
        }
        return 0;
}

/* Other LUNs may have strays as well: those are aborted one by one, or all at once. */
static int uas_reset_lun(UasTransport *uas, Task *waiter, uint8_t lun) {
        int r;

        r = uas_manage_well(uas, waiter, UAS_FUNCTION_LOGICAL_UNIT_RESET, 0, lun);
        if (r == 0) {
                uas_forget_strays(uas, lun);
                r = uas_abort_strays(uas, waiter);
        }
        if (r != -EIO)
                return r;
        r = uas_manage_well(uas, waiter, UAS_FUNCTION_I_T_NEXUS_RESET, 0, lun);
        if (r == 0)
                uas_forget_strays(uas, /* lun= */ -1);
        return r;
}

int uas_recovery_alloc_streams(UasTransport *uas, Task *waiter, uint32_t n_streams,
                               uint32_t *ret_granted) {
        UsbOperation operation = {
                .type = USB_OPERATION_ALLOC_STREAMS,
                .n_endpoints = 3,
                .n_streams = n_streams,
        };
        UsbResult result;

        for (size_t i = 0; i < operation.n_endpoints; i++)
                operation.endpoints[i] =
                                uas->storage_device.uas_pipes[USB_UAS_PIPE_STATUS + i].address;
        result = usb_device_await_operation(waiter, uas->device, &operation);
        if (result == USB_RESULT_GONE)
                return -ENODEV;
        if (task_is_cancelled(waiter))
                return -ECANCELED;
        if (result != USB_RESULT_OK || operation.value < 2)
                return -EIO;
        *ret_granted = MIN(operation.value, n_streams);
        return 0;
}

/* The reset has also taken the alternate setting and the streams. */
static int uas_reset_port(UasTransport *uas, Task *waiter) {
        uint32_t granted = 0;
        int r;

        r = transport_control_reset_port(waiter, uas->device, &uas->storage_device);
        if (r < 0)
                return r;
        uas_forget_strays(uas, /* lun= */ -1);
        if (!uas->has_streams)
                return 0;
        r = uas_recovery_alloc_streams(uas, waiter, uas->n_tags, &granted);
        if (r < 0)
                return r;
        return granted == uas->n_tags ? 0 : -EIO;
}

int uas_recovery_run(UasTransport *uas, Task *waiter, TransportRecovery recovery, uint8_t lun) {
        int r = 0;

        switch (recovery) {
        case TRANSPORT_RECOVERY_CLEAR_HALTS:
        case TRANSPORT_RECOVERY_CLASS_RESET:
                r = uas_clear_halts(uas, waiter);
                return r < 0 ? r : uas_abort_strays(uas, waiter);
        case TRANSPORT_RECOVERY_LUN_RESET:
                return uas_reset_lun(uas, waiter, lun);
        case TRANSPORT_RECOVERY_PORT_RESET:
                return uas_reset_port(uas, waiter);
        case _TRANSPORT_RECOVERY_MAX:
                break;
        }

        assert_not_reached();
}
