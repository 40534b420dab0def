/*
 * Each tag has its own transfers: command, data and, with streams, status; without, one status
 * transfer serves all. A command is told when its status has come and its transfers are home, in
 * whatever order the host controller gives them back.
 */

#include "transport/uas_transport.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "transport/transport_control.h"
#include "transport/uas_iu.h"
#include "transport/uas_recovery.h"
#include "transport/uas_transport_internal.h"

#define UAS_LUN_MAX 15

#define UAS_TRANSFER_SIZE_HIGH_SPEED (120 * KIB)
#define UAS_TRANSFER_SIZE_SUPER_SPEED (1 * MIB)

/* For each tag, in the staging memory; the status needs a cache line of its own. */
#define UAS_BUFFER_SIZE 192
#define UAS_STATUS_OFFSET 64

/* Data that belongs to a good status is there before it, or right behind it. */
#define UAS_DATA_PATIENCE_NS (1 * NS_PER_S)

/* SAM-5, table 36. */
#define STATUS_GOOD 0x00
#define STATUS_CHECK_CONDITION 0x02
#define STATUS_CONDITION_MET 0x04
#define STATUS_BUSY 0x08
#define STATUS_RESERVATION_CONFLICT 0x18
#define STATUS_TASK_SET_FULL 0x28
#define STATUS_TASK_ABORTED 0x40

static UasTransport *uas_from_transport(const Transport *transport) {
        return container_of((Transport *) transport, UasTransport, transport);
}

UasTask *uas_transport_get_management(UasTransport *uas) { return &uas->tasks[uas->n_tags - 1]; }

static bool task_is_busy(const UasTask *task) {
        return task->state == UAS_TASK_STATE_SENT || task->state == UAS_TASK_STATE_ANSWERED ||
               task->state == UAS_TASK_STATE_LEAVING;
}

static bool task_is_home(const UasTask *task) {
        return !task->command.is_in_flight && !task->status.is_in_flight &&
               !task->data.is_in_flight;
}

static void task_recall(UasTask *task) {
        usb_transfer_cancel(&task->data);
        usb_transfer_cancel(&task->status);
        usb_transfer_cancel(&task->command);
}

void uas_transport_move(UasTask *task, UasTaskEvent event) {
        UasTransport *uas = task->uas;
        UasTaskState state = uas_task_next_state(task->state, event, task->is_known);

        if (state == task->state)
                return;
        log_device_debug(uas->transport.name, "UAS %u: %s -> %s", task->tag,
                         uas_task_state_to_string(task->state), uas_task_state_to_string(state));
        uas->n_busy -= task_is_busy(task);
        task->state = state;
        uas->n_busy += task_is_busy(task);

        switch (state) {
        case UAS_TASK_STATE_FREE:
                if (task != uas_transport_get_management(uas))
                        list_append(&uas->free_tasks, &task->node);
                return;
        case UAS_TASK_STATE_LEAVING:
                task_recall(task);
                return;
        case UAS_TASK_STATE_SENT:
        case UAS_TASK_STATE_ANSWERED:
        case UAS_TASK_STATE_STRAY:
                return;
        case _UAS_TASK_STATE_MAX:
                break;
        }

        assert_not_reached();
}

static void uas_enter(UasTransport *uas, UasState state) {
        static const char *const names[] = { "ready", "broken", "recovering" };

        if (state == uas->state)
                return;
        log_device_debug(uas->transport.name, "UAS: %s -> %s", names[uas->state], names[state]);
        uas->state = state;
}

void uas_transport_abandon(UasTask *task, TransportResult result) {
        if (task->state != UAS_TASK_STATE_SENT && task->state != UAS_TASK_STATE_ANSWERED)
                return;
        task->result = result;
        if (task->request)
                uas_enter(task->uas, UAS_STATE_BROKEN);
        uas_transport_move(task, UAS_TASK_EVENT_ABANDONED);
        event_defer_schedule(&task->uas->advance);
}

/* Nothing that is under way can be relied on. */
static void uas_fail_all(UasTransport *uas, const char *why) {
        log_device_debug(uas->transport.name, "UAS: %s, giving all commands up.", why);
        if (uas->state == UAS_STATE_READY)
                uas_enter(uas, UAS_STATE_BROKEN);
        for (unsigned i = 0; i < uas->n_tags; i++)
                uas_transport_abandon(&uas->tasks[i], TRANSPORT_RESULT_ERROR);
}

static void uas_arm(UasTransport *uas, uint64_t deadline_ns) {
        if (!event_timer_is_armed(&uas->timer) || deadline_ns < uas->timer.deadline_ns)
                event_timer_set(&uas->timer, deadline_ns);
}

/* The shared status transfer must be home when nobody waits for it any more. */
static bool uas_holds_back(UasTransport *uas) {
        if (uas->n_busy > 1 || !uas->status.is_in_flight)
                return false;
        usb_transfer_cancel(&uas->status);
        return true;
}

static void task_take_data(UasTask *task) {
        TransportRequest *request = task->request;
        bool is_delivered = task->result == TRANSPORT_RESULT_GOOD ||
                            task->result == TRANSPORT_RESULT_FAILED;

        request->actual_size = is_delivered && task->has_data ? task->data.actual_size : 0;
}

/* The last thing that happens to a command: its owner may submit the next one. */
static void task_complete(UasTask *task) {
        UasTransport *uas = task->uas;
        TransportRequest *request = task->request;
        Future *future = TAKE_PTR(task->future);

        if (request)
                task_take_data(task);
        task->request = NULL;
        if (task->is_known && usb_device_is_gone(uas->device))
                task->result = TRANSPORT_RESULT_GONE;
        uas_transport_move(task, UAS_TASK_EVENT_HOME);
        if (future)
                future_complete(future,
                                task->result == TRANSPORT_RESULT_GOOD ? task->response : -EIO);
        if (!request)
                return;
        request->result = task->result;
        request->done(request);
}

/* Whether the command was told. */
static bool task_advance(UasTask *task) {
        bool is_over = task->state == UAS_TASK_STATE_ANSWERED ||
                       task->state == UAS_TASK_STATE_LEAVING;

        if (!is_over || !task_is_home(task) || uas_holds_back(task->uas))
                return false;
        task_complete(task);
        return true;
}

static void uas_advance(UasTransport *uas) {
        for (unsigned i = 0; i < uas->n_tags; i++)
                (void) task_advance(&uas->tasks[i]);
}

static void uas_on_advance(EventDefer *defer) {
        UasTransport *uas = container_of(defer, UasTransport, advance);
        ListNode refused = LIST_INIT(refused);
        ListNode *node;

        uas_advance(uas);
        list_splice(&refused, &uas->refused);
        while ((node = list_take_first(&refused))) {
                TransportRequest *request = list_entry(node, TransportRequest, node);

                request->result = usb_device_is_gone(uas->device) ? TRANSPORT_RESULT_GONE
                                                                  : TRANSPORT_RESULT_ERROR;
                request->done(request);
        }
}

static void uas_on_timer(EventTimer *timer) {
        UasTransport *uas = container_of(timer, UasTransport, timer);
        uint64_t now_ns = event_loop_now_ns(uas->transport.loop);

        for (unsigned i = 0; i < uas->n_tags; i++) {
                UasTask *task = &uas->tasks[i];

                if (task->state == UAS_TASK_STATE_ANSWERED && task->deadline_ns <= now_ns)
                        task_recall(task); /* what it has brought is what there is */
                else if (task->state == UAS_TASK_STATE_SENT && task->deadline_ns <= now_ns)
                        uas_transport_abandon(task, TRANSPORT_RESULT_TIMED_OUT);
                else if (task_is_busy(task) && task->state != UAS_TASK_STATE_LEAVING)
                        uas_arm(uas, task->deadline_ns);
        }
}

/* Status */

static TransportResult result_from_status(uint8_t status) {
        switch (status) {
        case STATUS_GOOD:
        case STATUS_CONDITION_MET:
                return TRANSPORT_RESULT_GOOD;
        case STATUS_CHECK_CONDITION:
                return TRANSPORT_RESULT_FAILED;
        case STATUS_BUSY:
        case STATUS_TASK_SET_FULL:
        case STATUS_TASK_ABORTED:
                return TRANSPORT_RESULT_BUSY;
        case STATUS_RESERVATION_CONFLICT:
                return TRANSPORT_RESULT_RESERVED;
        default: /* a byte of the device, not an enum */
                return TRANSPORT_RESULT_ERROR;
        }
}

static void task_take_sense(UasTask *task, const UasIu *iu) {
        TransportRequest *request = task->request;
        size_t size = MIN(iu->sense_size, (size_t) TRANSPORT_SENSE_SIZE_MAX);

        task->result = result_from_status(iu->status);
        if (task->result != TRANSPORT_RESULT_FAILED || size == 0)
                return;
        memcpy(request->sense, iu->sense, size);
        request->sense_size = (uint8_t) size;
}

/* A device that refuses a command as such does not hold it. */
static bool task_take_answer(UasTask *task, const UasIu *iu) {
        bool is_management = !task->request;

        if (is_management != (iu->type == UAS_IU_TYPE_RESPONSE) && is_management)
                return false;
        task->is_known = false;
        task->response = iu->response;
        task->result = is_management ? TRANSPORT_RESULT_GOOD : TRANSPORT_RESULT_ERROR;
        if (iu->type == UAS_IU_TYPE_SENSE)
                task_take_sense(task, iu);
        if (!is_management && task->result == TRANSPORT_RESULT_ERROR)
                uas_enter(task->uas, UAS_STATE_BROKEN);
        uas_transport_move(task, UAS_TASK_EVENT_ANSWERED);

        if (task->result != TRANSPORT_RESULT_GOOD)
                usb_transfer_cancel(&task->data); /* which may not have begun */
        task->deadline_ns = MIN(task->deadline_ns, event_loop_now_ns(task->uas->transport.loop) +
                                                                   UAS_DATA_PATIENCE_NS);
        if (!task_is_home(task))
                uas_arm(task->uas, task->deadline_ns);
        return true;
}

/* UAS, 6.2.6: below SuperSpeed the device says when it wants the data. */
static bool task_take_ready(UasTask *task, UasIuType type) {
        const TransportRequest *request = task->request;
        bool is_in = type == UAS_IU_TYPE_READ_READY;

        if (!request || request->size == 0 ||
            is_in != (request->direction == TRANSPORT_DIRECTION_IN))
                return false;
        if (task->has_data)
                return task->uas->has_streams;
        task->has_data = true;
        return usb_transfer_submit(&task->data) == 0;
}

/* Whether it made sense. */
static bool uas_take_iu(UasTransport *uas, const UasIu *iu, UasTask *expected) {
        UasTask *task;

        if (iu->tag == 0 || iu->tag > uas->n_tags)
                return false;
        task = &uas->tasks[iu->tag - 1];
        if (expected && task != expected)
                return false;
        if (task->state == UAS_TASK_STATE_LEAVING) {
                /* Its last word came too late. */
                task->is_known = iu->type != UAS_IU_TYPE_SENSE && iu->type != UAS_IU_TYPE_RESPONSE;
                return true;
        }
        if (task->state == UAS_TASK_STATE_STRAY) {
                if (iu->type == UAS_IU_TYPE_SENSE || iu->type == UAS_IU_TYPE_RESPONSE)
                        uas_transport_move(task, UAS_TASK_EVENT_ANSWERED);
                return true;
        }
        if (task->state != UAS_TASK_STATE_SENT)
                return false;

        switch (iu->type) {
        case UAS_IU_TYPE_SENSE:
        case UAS_IU_TYPE_RESPONSE:
                return task_take_answer(task, iu);
        case UAS_IU_TYPE_READ_READY:
        case UAS_IU_TYPE_WRITE_READY:
                return task_take_ready(task, iu->type);
        }

        assert_not_reached();
}

/* Whether the status transfer is to be sent again: it has brought something that was no answer. */
static bool uas_judge_status(UasTransport *uas, UsbTransfer *transfer, UasTask *expected) {
        UasIu iu;

        if (transfer->result == USB_RESULT_CANCELLED)
                return true;
        if (transfer->result != USB_RESULT_OK) {
                uas_fail_all(uas, "the status pipe failed");
                return false;
        }
        if (!uas_iu_decode(&iu, transfer->data, transfer->actual_size) ||
            !uas_take_iu(uas, &iu, expected)) {
                uas_fail_all(uas, "an IU makes no sense");
                return false;
        }
        return true;
}

static void uas_resend_status(UasTransport *uas, UsbTransfer *transfer) {
        if (!transfer->is_in_flight && usb_transfer_submit(transfer) < 0)
                uas_fail_all(uas, "a status transfer was refused");
}

static void task_on_status(UsbTransfer *transfer) {
        UasTask *task = container_of(transfer, UasTask, status);

        if (uas_judge_status(task->uas, transfer, task) && task->state == UAS_TASK_STATE_SENT)
                uas_resend_status(task->uas, transfer);
        (void) task_advance(task);
}

static bool uas_waits_for_status(const UasTransport *uas) {
        for (unsigned i = 0; i < uas->n_tags; i++)
                if (uas->tasks[i].state == UAS_TASK_STATE_SENT)
                        return true;
        return false;
}

static void uas_on_status(UsbTransfer *transfer) {
        UasTransport *uas = container_of(transfer, UasTransport, status);

        if (uas_judge_status(uas, transfer, NULL) && uas_waits_for_status(uas))
                uas_resend_status(uas, transfer);
        uas_advance(uas);
}

static void task_on_transfer(UasTask *task, const UsbTransfer *transfer, const char *why) {
        if (transfer->result != USB_RESULT_OK && transfer->result != USB_RESULT_CANCELLED) {
                task->result = TRANSPORT_RESULT_ERROR;
                uas_fail_all(task->uas, why);
        }
        (void) task_advance(task);
}

static void task_on_data(UsbTransfer *transfer) {
        task_on_transfer(container_of(transfer, UasTask, data), transfer, "a data pipe failed");
}

static void task_on_command(UsbTransfer *transfer) {
        task_on_transfer(container_of(transfer, UasTask, command), transfer,
                         "the command pipe failed");
}

/* Submission */

/* In this order, so that whatever the device says finds a transfer that waits for it. */
int uas_transport_send(UasTask *task, size_t iu_size) {
        UasTransport *uas = task->uas;
        UsbTransfer *status = uas->has_streams ? &task->status : &uas->status;
        int r = 0;

        task->has_data = false;
        task->is_known = false;
        task->response = 0;
        task->command.size = iu_size;
        uas_transport_move(task, UAS_TASK_EVENT_SUBMITTED);
        uas_arm(uas, task->deadline_ns);

        if (!status->is_in_flight)
                r = usb_transfer_submit(status);
        if (r == 0 && uas->has_streams && task->request && task->request->size > 0) {
                r = usb_transfer_submit(&task->data);
                task->has_data = r == 0;
        }
        if (r == 0)
                r = usb_transfer_submit(&task->command);
        task->is_known = r == 0;
        return r;
}

static void task_prepare(UasTask *task, TransportRequest *request) {
        const UsbStorageDevice *storage_device = &task->uas->storage_device;
        bool is_in = request->direction == TRANSPORT_DIRECTION_IN;

        task->request = request;
        task->lun = request->lun;
        task->deadline_ns = request->deadline_ns;
        task->result = TRANSPORT_RESULT_ERROR;
        task->data.endpoint = storage_device->uas_pipes[is_in ? USB_UAS_PIPE_DATA_IN
                                                              : USB_UAS_PIPE_DATA_OUT]
                                              .address;
        task->data.data = request->data;
        task->data.size = request->size;
        uas_iu_encode_command(task->buffer, task->tag, request->lun, request->command,
                              MIN((size_t) request->command_size, (size_t) UAS_IU_CDB_SIZE_MAX));
}

static int uas_submit(Transport *transport, TransportRequest *request) {
        UasTransport *uas = uas_from_transport(transport);
        ListNode *node;
        UasTask *task;
        int r;

        if (usb_device_is_gone(uas->device))
                return -ENODEV;
        if (request->lun > UAS_LUN_MAX || request->command_size > UAS_IU_CDB_SIZE_MAX ||
            request->size > transport->transfer_size_max)
                return -EINVAL;
        request->sense_size = 0;
        request->actual_size = 0;
        if (uas->state != UAS_STATE_READY) {
                /* There may be no free tag. */
                list_init(&request->node);
                list_append(&uas->refused, &request->node);
                event_defer_schedule(&uas->advance);
                return 0;
        }
        node = list_take_first(&uas->free_tasks);
        if (!node)
                return -EBUSY;

        task = list_entry(node, UasTask, node);
        task_prepare(task, request);
        r = uas_transport_send(task, UAS_IU_COMMAND_SIZE);
        if (r == 0)
                return 0;
        /* Nothing was sent: the device is none the worse. */
        task->result = r == -ENOMEM ? TRANSPORT_RESULT_NO_MEMORY : TRANSPORT_RESULT_ERROR;
        if (r != -ENOMEM)
                uas_enter(uas, UAS_STATE_BROKEN);
        uas_transport_move(task, UAS_TASK_EVENT_ABANDONED);
        event_defer_schedule(&uas->advance);
        return 0;
}

static void uas_cancel(Transport *transport, TransportRequest *request) {
        UasTransport *uas = uas_from_transport(transport);

        for (unsigned i = 0; i < uas->n_tags; i++)
                if (uas->tasks[i].request == request)
                        uas_transport_abandon(&uas->tasks[i], TRANSPORT_RESULT_CANCELLED);
}

/* Life */

static int uas_recover(Transport *transport, Task *waiter, TransportRecovery recovery,
                       uint8_t lun) {
        UasTransport *uas = uas_from_transport(transport);
        int r;

        assert(uas->n_busy == 0);

        uas_enter(uas, UAS_STATE_RECOVERING);
        r = uas_recovery_run(uas, waiter, recovery, lun);
        uas_enter(uas, r == 0 ? UAS_STATE_READY : UAS_STATE_BROKEN);
        return r;
}

static int uas_init_transfer(UasTransport *uas, UsbTransfer *transfer, UsbUasPipe pipe,
                             uint16_t tag, UsbTransferDone done) {
        bool has_stream = uas->has_streams && pipe != USB_UAS_PIPE_COMMAND;

        transfer->type = has_stream ? USB_TRANSFER_TYPE_BULK_STREAM : USB_TRANSFER_TYPE_BULK;
        transfer->stream_id = has_stream ? tag : 0;
        transfer->endpoint = uas->storage_device.uas_pipes[pipe].address;
        transfer->done = done;
        return usb_transfer_init(transfer, uas->device);
}

static int uas_init_task(UasTransport *uas, unsigned index) {
        UasTask *task = &uas->tasks[index];
        int r;

        task->uas = uas;
        task->tag = (uint16_t) (index + 1);
        task->buffer = uas->buffers + (size_t) index * UAS_BUFFER_SIZE;
        task->command.data = task->buffer;
        task->status.data = task->buffer + UAS_STATUS_OFFSET;
        task->status.size = UAS_IU_STATUS_SIZE_MAX;
        list_init(&task->node);
        if (index + 1 < uas->n_tags)
                list_append(&uas->free_tasks, &task->node);

        r = uas_init_transfer(uas, &task->command, USB_UAS_PIPE_COMMAND, task->tag,
                              task_on_command);
        if (r < 0)
                return r;
        r = uas_init_transfer(uas, &task->data, USB_UAS_PIPE_DATA_IN, task->tag, task_on_data);
        if (r < 0 || !uas->has_streams)
                return r;
        return uas_init_transfer(uas, &task->status, USB_UAS_PIPE_STATUS, task->tag,
                                 task_on_status);
}

/* Without streams the last buffer is the shared status'. */
static int uas_init_tasks(UasTransport *uas, unsigned n_tags) {
        uas->tasks = calloc(n_tags, sizeof(*uas->tasks));
        if (!uas->tasks)
                return -ENOMEM;
        uas->n_tags = n_tags;
        uas->buffers_size = ((size_t) n_tags + 1) * UAS_BUFFER_SIZE;
        uas->buffers = staging_get(uas->transport.staging, uas->buffers_size);
        if (!uas->buffers)
                return -ENOMEM;

        for (unsigned i = 0; i < n_tags; i++) {
                int r = uas_init_task(uas, i);

                if (r < 0)
                        return r;
        }
        uas->transport.n_in_flight_max = n_tags - 1;
        if (uas->has_streams)
                return 0;
        uas->status.data = uas->buffers + (size_t) n_tags * UAS_BUFFER_SIZE;
        uas->status.size = UAS_IU_STATUS_SIZE_MAX;
        return uas_init_transfer(uas, &uas->status, USB_UAS_PIPE_STATUS, 0, uas_on_status);
}

static uint32_t uas_get_n_streams(const UasTransport *uas) {
        uint32_t n = uas->n_tags_wanted;

        for (size_t i = USB_UAS_PIPE_STATUS; i < _USB_UAS_PIPE_MAX; i++)
                n = MIN(n, uas->storage_device.uas_pipes[i].n_streams_max);
        return n;
}

static int uas_start(Transport *transport, Task *waiter) {
        UasTransport *uas = uas_from_transport(transport);
        uint32_t n_tags = MIN(uas->n_tags_wanted, (unsigned) UAS_TAGS_HIGH_SPEED);
        int r;

        assert(uas->n_tags == 0);

        r = transport_control_start(waiter, uas->device, &uas->storage_device.interface);
        if (r < 0)
                return r;
        if (uas->has_streams)
                r = uas_recovery_alloc_streams(uas, waiter, uas_get_n_streams(uas), &n_tags);
        if (r < 0)
                return r;
        return uas_init_tasks(uas, n_tags);
}

/* LUNs are told by REPORT LUNS. */
static int uas_get_max_lun(Transport *transport, Task *waiter) { return -EOPNOTSUPP; }

static void uas_free(Transport *transport) {
        UasTransport *uas = uas_from_transport(transport);

        assert(uas->n_busy == 0 && list_is_empty(&uas->refused));

        for (unsigned i = 0; i < uas->n_tags; i++) {
                usb_transfer_done(&uas->tasks[i].command);
                usb_transfer_done(&uas->tasks[i].status);
                usb_transfer_done(&uas->tasks[i].data);
        }
        usb_transfer_done(&uas->status);
        if (uas->timer.loop)
                event_timer_done(&uas->timer);
        event_defer_cancel(&uas->advance);
        staging_put(transport->staging, uas->buffers, uas->buffers_size);
        free(uas->tasks);
        free(uas);
}

static const TransportOps uas_ops = {
        .submit = uas_submit,
        .cancel = uas_cancel,
        .start = uas_start,
        .get_max_lun = uas_get_max_lun,
        .recover = uas_recover,
        .free = uas_free,
};

int uas_transport_new(Transport **ret, UsbDevice *device, const UsbStorageDevice *storage_device,
                      const UasOptions *options) {
        _cleanup_(transport_freep) Transport *transport = NULL;
        bool is_super = usb_device_get_speed(device) >= USB_SPEED_SUPER;
        UasTransport *uas;
        int r;

        assert(storage_device->protocol == USB_STORAGE_PROTOCOL_UAS);
        assert(options->n_tags_max != 1 && options->n_tags_max <= UAS_TAGS_MAX);

        uas = calloc(1, sizeof(*uas));
        if (!uas)
                return -ENOMEM;

        uas->device = device;
        uas->storage_device = *storage_device;
        uas->has_streams = is_super;
        uas->n_tags_wanted = options->n_tags_max > 0 ? options->n_tags_max : UAS_TAGS_MAX;
        list_init(&uas->free_tasks);
        list_init(&uas->refused);
        transport = &uas->transport;
        *transport = (Transport){
                .ops = &uas_ops,
                .loop = usb_device_get_loop(device),
                .staging = usb_device_get_staging(device),
                .name = usb_device_get_name(device),
                .n_in_flight_max = 1,
                .transfer_size_max = is_super ? UAS_TRANSFER_SIZE_SUPER_SPEED
                                              : UAS_TRANSFER_SIZE_HIGH_SPEED,
        };
        if (options->transfer_size_max > 0)
                transport->transfer_size_max = options->transfer_size_max;
        event_defer_init(&uas->advance, transport->loop, uas_on_advance);
        r = event_timer_init(&uas->timer, transport->loop, uas_on_timer);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(transport);
        return 0;
}
