/*
 * The UsbDevice in front of a simulated device: queues of transfers for each pipe, the link's time,
 * and the operations of a host controller. All work is done by one deferred call, the pump, which
 * offers the first transfer of each pipe to the device until nothing moves any more; what the
 * owners of completed transfers submit meanwhile is served in the same round.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "simulator/simulated_bot.h"
#include "simulator/simulated_cbi.h"
#include "simulator/simulated_control.h"
#include "simulator/simulated_descriptors.h"
#include "simulator/simulated_device.h"
#include "simulator/simulated_link.h"
#include "simulator/simulated_uas.h"
#include "usb/usb_descriptors.h"

/* Transfers in flight at once. */
#define TRANSFERS_MAX 1024
/* Steps of the pump before others get their turn on the loop. */
#define PUMP_STEPS_MAX 64
/* A transfer is told as complete so much before its time, as no real timer is more exact. The
 * account of the link stays exact. */
#define LINK_SLACK_NS (20 * NS_PER_US)
/* A timer that fires late delays the host's next transfer, which a real link would not: what is
 * submitted so soon after a late completion counts as submitted in time, up to a limit. */
#define PROMPT_NS (50 * NS_PER_US)
#define LATENESS_MAX_NS (200 * NS_PER_US)
/* USB 2.0, 7.1.7.5: reset and recovery, and then enumeration again. */
#define PORT_RESET_NS (50 * NS_PER_MS)
/* USB 2.0, 7.1.7.6: so long without traffic; 7.1.7.7: resume and recovery. */
#define SUSPEND_NS (3 * NS_PER_MS)
#define RESUME_NS (30 * NS_PER_MS)

typedef struct SimulatedTransfer {
        UsbTransfer *transfer;    /* borrowed: its owner */
        ListNode node;            /* SimulatedDevice::pipes or SimulatedDevice::finished */
        uint64_t submitted_at_ns; /* not kept on an instant link */
        UsbResult result;         /* of a finished or moving one */
        size_t size;
} SimulatedTransfer;

typedef struct SimulatedDevice {
        UsbDevice usb;
        UsbDescriptors descriptors;
        char name[48];
        SimulatedTarget target;
        union {
                SimulatedBot bot;
                SimulatedCbi cbi;
        };
        SimulatedUas uas;
        SimulatedWire *wires[2]; /* borrowed: by alternate setting; NULL: there is none */
        SimulatedWire *wire;     /* borrowed: the selected one */
        uint32_t n_streams;      /* 0: none are allocated */
        SimulatedLink link;
        ListNode pipes[_SIMULATED_PIPE_MAX]; /* SimulatedTransfer::node */
        ListNode finished;                   /* SimulatedTransfer::node: to be told */
        SimulatedTransfer *moving;           /* borrowed; still first in its pipe */
        size_t n_transfers;
        EventDefer pump;
        EventTimer wake;        /* the moving transfer has arrived, or a slow device is ready */
        uint64_t late_since_ns; /* when the timer last fired */
        uint64_t lateness_ns;   /* by how much too late */
        bool is_pumping;
        bool is_suspended;
        UsbOperation *operation; /* borrowed */
        UsbResult operation_result;
        uint32_t operation_value;
        EventTimer operation_timer;
        SimulatedDeviceCounters counters;
} SimulatedDevice;

static SimulatedDevice *get(UsbDevice *device) {
        return container_of(device, SimulatedDevice, usb);
}

static void schedule_pump(SimulatedDevice *device) {
        if (!device->is_pumping)
                event_defer_schedule(&device->pump);
}

/* Transfers */

static int simulated_device_transfer_init(UsbDevice *usb, UsbTransfer *transfer) {
        SimulatedTransfer *simulated = calloc(1, sizeof(*simulated));

        if (!simulated)
                return -ENOMEM;
        simulated->transfer = transfer;
        list_init(&simulated->node);
        transfer->backend = simulated;
        return 0;
}

static void simulated_device_transfer_done(UsbDevice *usb, UsbTransfer *transfer) {
        SimulatedTransfer *simulated = transfer->backend;

        assert(list_is_empty(&simulated->node));
        free(simulated);
        transfer->backend = NULL;
}

/* UAS, 4.2: all pipes but the command pipe have streams, once those are allocated. */
static int find_uas_pipe(const SimulatedDevice *device, const UsbTransfer *transfer,
                         SimulatedPipe *ret) {
        bool has_stream = transfer->type == USB_TRANSFER_TYPE_BULK_STREAM;

        if (transfer->endpoint == SIMULATED_ENDPOINT_COMMAND)
                *ret = SIMULATED_PIPE_COMMAND;
        else if (transfer->endpoint == SIMULATED_ENDPOINT_STATUS)
                *ret = SIMULATED_PIPE_STATUS;
        else if (transfer->endpoint == SIMULATED_ENDPOINT_IN)
                *ret = SIMULATED_PIPE_IN;
        else if (transfer->endpoint == SIMULATED_ENDPOINT_OUT)
                *ret = SIMULATED_PIPE_OUT;
        else
                return -EINVAL;

        if (!has_stream && transfer->type != USB_TRANSFER_TYPE_BULK)
                return -EINVAL;
        if (has_stream != (device->n_streams > 0 && *ret != SIMULATED_PIPE_COMMAND))
                return -EINVAL;
        if (has_stream && (transfer->stream_id == 0 || transfer->stream_id > device->n_streams))
                return -EINVAL;
        return 0;
}

static int find_pipe(const SimulatedDevice *device, const UsbTransfer *transfer,
                     SimulatedPipe *ret) {
        bool is_bulk = transfer->type == USB_TRANSFER_TYPE_BULK;
        bool is_interrupt = transfer->type == USB_TRANSFER_TYPE_INTERRUPT;
        bool has_pipes = device->wire->ops->pipe;

        if (transfer->type == USB_TRANSFER_TYPE_CONTROL && transfer->endpoint == 0)
                *ret = SIMULATED_PIPE_CONTROL;
        else if (has_pipes)
                return find_uas_pipe(device, transfer, ret);
        else if (is_bulk && transfer->endpoint == SIMULATED_ENDPOINT_OUT)
                *ret = SIMULATED_PIPE_OUT;
        else if (is_bulk && transfer->endpoint == SIMULATED_ENDPOINT_IN)
                *ret = SIMULATED_PIPE_IN;
        else if (is_interrupt && transfer->endpoint == SIMULATED_ENDPOINT_INTERRUPT &&
                 device->wire->ops->interrupt)
                *ret = SIMULATED_PIPE_INTERRUPT;
        else
                return -EINVAL;
        return 0;
}

static uint64_t get_submission_time(SimulatedDevice *device) {
        uint64_t now_ns = event_loop_now_ns(device->usb.loop);

        if (now_ns - device->late_since_ns > PROMPT_NS)
                return now_ns;
        return now_ns - device->lateness_ns;
}

static int simulated_device_submit(UsbDevice *usb, UsbTransfer *transfer) {
        SimulatedDevice *device = get(usb);
        SimulatedTransfer *simulated = transfer->backend;
        SimulatedPipe pipe;

        if (usb->is_gone)
                return -ENODEV;
        if (device->is_suspended) {
                device->counters.n_suspended_uses++;
                return -EIO; /* as measured on usbfs, and it does not wake */
        }
        if (device->n_transfers == TRANSFERS_MAX)
                return -ENOMEM;
        int r = find_pipe(device, transfer, &pipe);
        if (r < 0)
                return r;

        if (!simulated_link_is_instant(&device->link))
                simulated->submitted_at_ns = get_submission_time(device);
        list_append(&device->pipes[pipe], &simulated->node);
        device->n_transfers++;
        schedule_pump(device);
        return 0;
}

/* The transfer's outcome is told from the pump. */
static void finish_later(SimulatedDevice *device, SimulatedTransfer *simulated, UsbResult result,
                         size_t size) {
        if (device->moving == simulated) {
                device->moving = NULL;
                event_timer_clear(&device->wake);
        }
        list_unlink(&simulated->node);
        simulated->result = result;
        simulated->size = size;
        list_append(&device->finished, &simulated->node);
        schedule_pump(device);
}

static void simulated_device_cancel(UsbDevice *usb, UsbTransfer *transfer) {
        SimulatedDevice *device = get(usb);
        SimulatedTransfer *simulated = transfer->backend;

        LIST_FOR_EACH (node, &device->finished)
                if (node == &simulated->node)
                        return;
        if (device->moving == simulated) /* it was faster */
                finish_later(device, simulated, simulated->result, simulated->size);
        else
                finish_later(device, simulated, USB_RESULT_CANCELLED, 0);
}

static void finish_all(SimulatedDevice *device, UsbResult result) {
        for (size_t i = 0; i < _SIMULATED_PIPE_MAX; i++)
                LIST_FOR_EACH (node, &device->pipes[i])
                        finish_later(device, list_entry(node, SimulatedTransfer, node), result, 0);
}

/* The pump */

static void complete(SimulatedDevice *device, SimulatedTransfer *simulated, UsbResult result,
                     size_t size) {
        UsbTransfer *transfer = simulated->transfer;

        list_unlink(&simulated->node);
        device->n_transfers--;
        device->counters.n_transfers++;
        if (transfer->endpoint & USB_ENDPOINT_IN)
                device->counters.n_bytes_in += size;
        else
                device->counters.n_bytes_out += size;
        usb_device_transfer_completed(transfer, result, size);
}

static UsbResult answer_to_result(SimulatedAnswer answer) {
        switch (answer) {
        case SIMULATED_ANSWER_DONE:
                return USB_RESULT_OK;
        case SIMULATED_ANSWER_STALL:
                return USB_RESULT_STALL;
        case SIMULATED_ANSWER_BABBLE:
                return USB_RESULT_OVERFLOW;
        case SIMULATED_ANSWER_ERROR:
                return USB_RESULT_ERROR;
        case SIMULATED_ANSWER_GONE:
        case SIMULATED_ANSWER_NAK: /* is no result */
                break;
        }

        assert_not_reached();
}

/* What was answered reaches the host now, or when the link has carried it. */
static void answer_transfer(SimulatedDevice *device, SimulatedTransfer *simulated,
                            SimulatedAnswer answer, size_t size) {
        UsbResult result = answer_to_result(answer);

        if (!simulated_link_is_instant(&device->link)) {
                uint64_t now_ns = event_loop_now_ns(device->usb.loop);
                uint64_t arrives_at_ns = simulated_link_send(&device->link,
                                                             simulated->submitted_at_ns, size);

                if (arrives_at_ns > now_ns + LINK_SLACK_NS) {
                        simulated->result = result;
                        simulated->size = size;
                        device->moving = simulated;
                        event_timer_set(&device->wake, arrives_at_ns);
                        return;
                }
        }
        complete(device, simulated, result, size);
}

static SimulatedTransfer *first_transfer(SimulatedDevice *device, SimulatedPipe pipe) {
        ListNode *node = list_first(&device->pipes[pipe]);

        return node ? list_entry(node, SimulatedTransfer, node) : NULL;
}

/* Whether the transfer got an answer. */
static bool offer(SimulatedDevice *device, SimulatedPipe pipe, SimulatedTransfer *simulated) {
        UsbTransfer *transfer = simulated->transfer;
        size_t size = 0;

        SimulatedAnswer answer = simulated_wire_offer(device->wire, pipe, transfer->stream_id,
                                                      &transfer->setup, transfer->data,
                                                      transfer->size, &size);
        if (answer == SIMULATED_ANSWER_NAK)
                return false;
        if (answer == SIMULATED_ANSWER_GONE) {
                log_device_debug(device->name, "The simulated device disconnects itself.");
                simulated_device_unplug(&device->usb);
                return true;
        }
        if (pipe == SIMULATED_PIPE_CONTROL)
                device->counters.n_control_requests++;
        answer_transfer(device, simulated, answer, size);
        return true;
}

/* Whether a transfer of the pipe got an answer: its first one, or the first one of any stream. */
static bool serve(SimulatedDevice *device, SimulatedPipe pipe) {
        LIST_FOR_EACH (node, &device->pipes[pipe]) {
                SimulatedTransfer *simulated = list_entry(node, SimulatedTransfer, node);

                if (offer(device, pipe, simulated))
                        return true;
                if (simulated->transfer->type != USB_TRANSFER_TYPE_BULK_STREAM)
                        return false;
        }
        return false;
}

/* A device that does not bear an IN before its CBW sees the IN first, and takes the CBW none the
 * less. */
static bool refuse_early(SimulatedDevice *device) {
        SimulatedTransfer *simulated = first_transfer(device, SIMULATED_PIPE_IN);

        if (!simulated || !simulated_wire_refuse_early(device->wire))
                return false;
        finish_later(device, simulated, USB_RESULT_STALL, 0);
        return true;
}

/* One transfer goes one step further; false: nothing can. */
static bool pump_step(SimulatedDevice *device) {
        ListNode *node = list_first(&device->finished);

        if (node) {
                SimulatedTransfer *simulated = list_entry(node, SimulatedTransfer, node);

                complete(device, simulated, simulated->result, simulated->size);
                return true;
        }
        if (device->moving || device->usb.is_gone)
                return false;
        if (serve(device, SIMULATED_PIPE_CONTROL))
                return true;
        if (device->wire->ops->pipe)
                return serve(device, SIMULATED_PIPE_COMMAND) || serve(device, SIMULATED_PIPE_OUT) ||
                       serve(device, SIMULATED_PIPE_IN) || serve(device, SIMULATED_PIPE_STATUS);
        bool has_refused = refuse_early(device);
        return serve(device, SIMULATED_PIPE_OUT) || serve(device, SIMULATED_PIPE_IN) ||
               serve(device, SIMULATED_PIPE_INTERRUPT) || has_refused;
}

/* A slow device is looked at again when it is ready. */
static void arm_wake(SimulatedDevice *device) {
        if (!device->moving && device->wire->ready_at_ns != 0)
                event_timer_set(&device->wake, device->wire->ready_at_ns);
}

static void on_pump(EventDefer *defer) {
        SimulatedDevice *device = container_of(defer, SimulatedDevice, pump);
        size_t n_steps = 0;

        device->is_pumping = true;
        while (n_steps < PUMP_STEPS_MAX && pump_step(device))
                n_steps++;
        device->is_pumping = false;

        if (n_steps == PUMP_STEPS_MAX)
                event_defer_schedule(&device->pump);
        arm_wake(device);
}

/* What a slow device sends now, it did not have before. */
static void end_slowness(SimulatedDevice *device) {
        uint64_t *ready_at_ns = &device->wire->ready_at_ns;

        if (*ready_at_ns > event_loop_now_ns(device->usb.loop))
                return;
        device->link.free_at_ns = MAX(device->link.free_at_ns, *ready_at_ns);
        *ready_at_ns = 0;
}

static void arrive(SimulatedDevice *device, SimulatedTransfer *moving) {
        uint64_t now_ns = event_loop_now_ns(device->usb.loop);

        device->late_since_ns = now_ns;
        device->lateness_ns = MIN(now_ns - device->link.free_at_ns, LATENESS_MAX_NS);
        finish_later(device, moving, moving->result, moving->size);
}

static void on_wake(EventTimer *timer) {
        SimulatedDevice *device = container_of(timer, SimulatedDevice, wake);
        SimulatedTransfer *moving = TAKE_PTR(device->moving);

        if (moving)
                arrive(device, moving);
        else
                end_slowness(device);
        schedule_pump(device);
}

/* Operations */

static void on_operation_timer(EventTimer *timer) {
        SimulatedDevice *device = container_of(timer, SimulatedDevice, operation_timer);
        UsbOperation *operation = TAKE_PTR(device->operation);

        usb_device_operation_completed(operation, device->operation_result,
                                       device->operation_value);
}

static bool takes_fault(SimulatedDevice *device, SimulatorFaultKind kind) {
        SimulatorFaultOccasion occasion = { .over = device->target.protocol };

        return simulator_fault_plan_take(&device->target.spec.faults, kind, 0, &occasion,
                                         &device->target.random);
}

static void set_wire(SimulatedDevice *device, unsigned alternate) {
        SimulatorTransport transport = device->target.spec.transport;

        device->wire = device->wires[alternate];
        if (device->wire == &device->uas.wire)
                device->target.protocol = SIMULATOR_PROTOCOL_UAS;
        else if (transport == SIMULATOR_TRANSPORT_BOT || transport == SIMULATOR_TRANSPORT_UAS)
                device->target.protocol = SIMULATOR_PROTOCOL_BOT;
}

/* USB 2.0, 9.1.1.5: also ends all streams, and what halted. */
static void select_wire(SimulatedDevice *device, unsigned alternate) {
        set_wire(device, alternate);
        device->n_streams = 0;
        if (simulator_spec_has_uas(&device->target.spec))
                simulated_uas_set_streams(&device->uas, 0);
        simulated_wire_port_reset(device->wire);
}

static UsbResult set_interface(SimulatedDevice *device, const UsbOperation *operation) {
        SimulatedSilence silence = device->wire->silence;

        if (operation->interface != 0 || operation->alternate >= N_ELEMENTS(device->wires) ||
            !device->wires[operation->alternate])
                return USB_RESULT_STALL;
        if (silence == SIMULATED_SILENCE_FROZEN)
                return USB_RESULT_TIMED_OUT;
        finish_all(device, USB_RESULT_CANCELLED);
        select_wire(device, operation->alternate);
        device->wire->silence = silence;
        return USB_RESULT_OK;
}

static UsbResult alloc_streams(SimulatedDevice *device, const UsbOperation *operation) {
        if (device->target.spec.speed != USB_SPEED_SUPER || !device->wire->ops->pipe ||
            operation->n_streams == 0)
                return USB_RESULT_ERROR;
        device->n_streams = MIN(operation->n_streams, device->target.spec.n_streams);
        simulated_uas_set_streams(&device->uas, device->n_streams);
        device->operation_value = device->n_streams;
        return USB_RESULT_OK;
}

static UsbResult port_reset(SimulatedDevice *device) {
        device->counters.n_port_resets++;
        device->is_suspended = false;
        finish_all(device, USB_RESULT_ERROR);
        if (takes_fault(device, SIMULATOR_FAULT_PORT_RESET_GONE)) {
                simulated_device_unplug(&device->usb);
                return USB_RESULT_GONE;
        }
        if (takes_fault(device, SIMULATOR_FAULT_PORT_RESET_FAILS))
                return USB_RESULT_ERROR;

        select_wire(device, 0);
        simulated_target_reset(&device->target, device->target.spec.loses_cache_on_reset);
        return USB_RESULT_OK;
}

static UsbResult clear_halt(SimulatedDevice *device, uint8_t endpoint) {
        if (device->wire->silence == SIMULATED_SILENCE_FROZEN)
                return USB_RESULT_TIMED_OUT;
        if (!simulated_control_clear_halt(device->wire, endpoint))
                return USB_RESULT_STALL;
        device->counters.n_halts_cleared++;
        schedule_pump(device);
        return USB_RESULT_OK;
}

/* As measured: what is in flight does not keep it awake, and fails. */
static UsbResult suspend(SimulatedDevice *device) {
        if (!device->target.spec.can_suspend)
                return USB_RESULT_ERROR;
        device->counters.n_suspends++;
        device->counters.n_suspended_uses += device->n_transfers;
        device->is_suspended = true;
        finish_all(device, USB_RESULT_ERROR);
        return USB_RESULT_OK;
}

static UsbResult resume(SimulatedDevice *device) {
        if (!device->is_suspended)
                return USB_RESULT_OK;
        if (takes_fault(device, SIMULATOR_FAULT_RESUME_FAILS))
                return USB_RESULT_ERROR;
        device->counters.n_resumes++;
        device->is_suspended = false;
        if (takes_fault(device, SIMULATOR_FAULT_RESUME_GONE)) {
                simulated_device_unplug(&device->usb);
                return USB_RESULT_GONE;
        }
        if (takes_fault(device, SIMULATOR_FAULT_RESUME_POWER_CYCLE))
                simulated_target_power_cycle(&device->target);
        if (takes_fault(device, SIMULATOR_FAULT_RESUME_FROZEN))
                device->wire->silence = SIMULATED_SILENCE_FROZEN;
        return USB_RESULT_OK;
}

/* What the host does by itself does not need the device. */
static bool needs_link(UsbOperationType type) {
        return type != USB_OPERATION_RESET && type != USB_OPERATION_SUSPEND &&
               type != USB_OPERATION_RESUME && type != USB_OPERATION_CLAIM;
}

static UsbResult run_operation(SimulatedDevice *device, const UsbOperation *operation) {
        if (device->is_suspended && needs_link(operation->type)) {
                device->counters.n_suspended_uses++;
                return USB_RESULT_ERROR;
        }
        switch (operation->type) {
        case USB_OPERATION_CLAIM:
        case USB_OPERATION_RELEASE:
                return operation->interface == 0 ? USB_RESULT_OK : USB_RESULT_ERROR;
        case USB_OPERATION_SET_INTERFACE:
                return set_interface(device, operation);
        case USB_OPERATION_CLEAR_HALT:
                return clear_halt(device, operation->endpoint);
        case USB_OPERATION_RESET:
                return port_reset(device);
        case USB_OPERATION_ALLOC_STREAMS:
                return alloc_streams(device, operation);
        case USB_OPERATION_FREE_STREAMS:
                if (device->n_streams == 0)
                        return USB_RESULT_ERROR;
                device->n_streams = 0;
                simulated_uas_set_streams(&device->uas, 0);
                return USB_RESULT_OK;
        case USB_OPERATION_SUSPEND:
                return suspend(device);
        case USB_OPERATION_RESUME:
                return resume(device);
        case _USB_OPERATION_TYPE_MAX:
                break;
        }

        assert_not_reached();
}

static uint64_t get_own_time_ns(UsbOperationType type) {
        switch (type) {
        case USB_OPERATION_RESET:
                return PORT_RESET_NS;
        case USB_OPERATION_SUSPEND:
                return SUSPEND_NS;
        case USB_OPERATION_RESUME:
                return RESUME_NS;
        case USB_OPERATION_CLAIM:
        case USB_OPERATION_RELEASE:
        case USB_OPERATION_SET_INTERFACE:
        case USB_OPERATION_CLEAR_HALT:
        case USB_OPERATION_ALLOC_STREAMS:
        case USB_OPERATION_FREE_STREAMS:
                return 0;
        case _USB_OPERATION_TYPE_MAX:
                break;
        }

        assert_not_reached();
}

static void simulated_device_operate(UsbDevice *usb, UsbOperation *operation) {
        SimulatedDevice *device = get(usb);
        uint64_t duration_ns = device->link.latency_ns;

        assert(!device->operation);

        if (!device->link.is_ideal)
                duration_ns += get_own_time_ns(operation->type);
        device->operation = operation;
        device->operation_value = 0;
        device->operation_result = run_operation(device, operation);
        event_timer_set(&device->operation_timer, event_loop_now_ns(usb->loop) + duration_ns);
}

/* What hands and cables do */

void simulated_device_unplug(UsbDevice *usb) {
        SimulatedDevice *device = get(usb);

        usb_device_set_gone(usb);
        finish_all(device, USB_RESULT_GONE);
        if (device->operation) {
                device->operation_result = USB_RESULT_GONE;
                event_timer_set(&device->operation_timer, event_loop_now_ns(usb->loop));
        }
}

void simulated_device_power_cycle(UsbDevice *usb) {
        SimulatedDevice *device = get(usb);

        finish_all(device, USB_RESULT_ERROR);
        device->is_suspended = false;
        select_wire(device, 0);
        simulated_target_power_cycle(&device->target);
}

bool simulated_device_is_suspended(UsbDevice *usb) { return get(usb)->is_suspended; }

void simulated_device_remove_medium(UsbDevice *usb, size_t lun) {
        simulated_target_remove_medium(&get(usb)->target, lun);
}

void simulated_device_insert_medium(UsbDevice *usb, size_t lun) {
        simulated_target_insert_medium(&get(usb)->target, lun);
}

void simulated_device_press_button(UsbDevice *usb, size_t lun) {
        simulated_target_press_button(&get(usb)->target, lun);
}

static SimulatedLun *get_lun(UsbDevice *usb, size_t lun) {
        SimulatedTarget *target = &get(usb)->target;

        assert(lun < target->spec.n_luns);
        return &target->luns[lun];
}

bool simulated_device_is_stopped(UsbDevice *usb, size_t lun) {
        return simulated_drive_is_asleep(&get_lun(usb, lun)->drive);
}

bool simulated_device_is_tray_open(UsbDevice *usb, size_t lun) {
        return get_lun(usb, lun)->is_tray_open;
}

void simulated_device_set_disc(UsbDevice *usb, size_t lun, SimulatorDisc disc) {
        get_lun(usb, lun)->disc = disc;
}

void simulated_device_set_protected(UsbDevice *usb, size_t lun, bool is_protected) {
        simulated_target_set_protected(&get(usb)->target, lun, is_protected);
}

bool simulated_device_is_removal_prevented(UsbDevice *usb, size_t lun) {
        return get_lun(usb, lun)->is_prevented;
}

void simulated_device_put_drive_to_sleep(UsbDevice *usb, size_t lun) {
        simulated_drive_sleep(&get_lun(usb, lun)->drive);
}

int simulated_device_change_medium(UsbDevice *usb, size_t lun, uint64_t size) {
        return simulated_target_change_medium(&get(usb)->target, lun, size);
}

int simulated_device_add_faults(UsbDevice *usb, const char *text, char **ret_error) {
        return simulator_fault_plan_parse(&get(usb)->target.spec.faults, text, ret_error);
}

void simulated_device_clear_faults(UsbDevice *usb) { get(usb)->target.spec.faults.n_faults = 0; }

static SimulatedMedium *get_medium(UsbDevice *usb, size_t lun) { return get_lun(usb, lun)->medium; }

static bool is_in_range(const SimulatedMedium *medium, uint64_t offset, uint64_t size) {
        uint64_t end = simulated_medium_get_size(medium);

        return size <= end && offset <= end - size;
}

int simulated_device_read_medium(UsbDevice *usb, size_t lun, bool is_stable, uint64_t offset,
                                 void *bytes, size_t size) {
        SimulatedMedium *medium = get_medium(usb, lun);

        if (!is_in_range(medium, offset, size))
                return -ERANGE;
        return is_stable ? simulated_medium_read_stable(medium, offset, bytes, size)
                         : simulated_medium_read(medium, offset, bytes, size);
}

int simulated_device_write_medium(UsbDevice *usb, size_t lun, uint64_t offset, const void *bytes,
                                  size_t size) {
        SimulatedMedium *medium = get_medium(usb, lun);

        if (!is_in_range(medium, offset, size))
                return -ERANGE;
        return simulated_medium_write_stable(medium, offset, bytes, size);
}

uint64_t simulated_device_get_medium_size(UsbDevice *usb, size_t lun) {
        return simulated_medium_get_size(get_medium(usb, lun));
}

uint64_t simulated_device_get_payload_rate(UsbSpeed speed) {
        return simulated_link_get_payload_rate(speed);
}

const SimulatedDeviceCounters *simulated_device_get_counters(UsbDevice *usb) {
        SimulatedDevice *device = get(usb);
        SimulatedDeviceCounters *counters = &device->counters;

        counters->n_commands = device->target.n_commands;
        memcpy(counters->n_commands_by_opcode, device->target.n_commands_by_opcode,
               sizeof(counters->n_commands_by_opcode));
        counters->n_cache_losses = device->target.n_cache_losses;
        counters->n_class_resets = 0;
        counters->n_stalls = 0;
        counters->n_cbws_refused = 0;
        counters->n_transfers_early = 0;
        for (size_t i = 0; i < N_ELEMENTS(device->wires) && device->wires[i]; i++) {
                counters->n_class_resets += device->wires[i]->n_class_resets;
                counters->n_stalls += device->wires[i]->n_stalls;
                counters->n_cbws_refused += device->wires[i]->n_commands_refused;
                counters->n_transfers_early += device->wires[i]->n_transfers_early;
        }
        counters->n_task_managements = device->uas.n_task_managements;
        counters->n_queue_max = device->uas.n_queue_max;
        counters->n_queue_full = device->uas.n_queue_full;
        counters->n_spin_ups = device->target.n_spin_ups;
        return counters;
}

/* Life */

static void simulated_device_free(UsbDevice *usb) {
        SimulatedDevice *device = get(usb);

        assert(device->n_transfers == 0);
        assert(!device->operation);

        event_defer_cancel(&device->pump);
        event_timer_done(&device->wake);
        event_timer_done(&device->operation_timer);
        simulated_uas_done(&device->uas);
        simulated_target_done(&device->target);
        usb_device_done(&device->usb);
        free(device);
}

static const UsbDeviceOps simulated_device_ops = {
        .transfer_init = simulated_device_transfer_init,
        .transfer_done = simulated_device_transfer_done,
        .submit = simulated_device_submit,
        .cancel = simulated_device_cancel,
        .operate = simulated_device_operate,
        .free = simulated_device_free,
};

static int init_descriptors(SimulatedDevice *device, const SimulatorSpec *spec) {
        uint8_t bytes[2 * SIMULATED_DESCRIPTOR_SIZE_MAX];

        size_t size = simulated_descriptors_get(spec, SIMULATED_DESCRIPTOR_DEVICE, 0, bytes);
        size += simulated_descriptors_get(spec, SIMULATED_DESCRIPTOR_CONFIGURATION, 0,
                                          bytes + size);
        int r = usb_descriptors_parse(&device->descriptors, bytes, size,
                                      /* configuration_value= */ 0);
        if (r < 0)
                return r;

        size = simulated_descriptors_get(spec, SIMULATED_DESCRIPTOR_BOS, 0, bytes);
        if (size > 0)
                usb_descriptors_parse_bos(&device->descriptors, bytes, size);
        return 0;
}

static void init_wire(SimulatedDevice *device, const SimulatorSpec *spec) {
        size_t packet_size = simulated_descriptors_get_packet_size(spec->speed);

        if (simulator_spec_has_uas(spec))
                simulated_uas_init(&device->uas, &device->target, packet_size);
        switch (spec->transport) {
        case SIMULATOR_TRANSPORT_UAS:
                device->wires[1] = &device->uas.wire;
                /* fall through */
        case SIMULATOR_TRANSPORT_BOT:
                simulated_bot_init(&device->bot, &device->target, packet_size);
                device->wires[0] = &device->bot.wire;
                break;
        case SIMULATOR_TRANSPORT_CBI:
        case SIMULATOR_TRANSPORT_CB:
                simulated_cbi_init(&device->cbi, &device->target, packet_size);
                device->wires[0] = &device->cbi.wire;
                break;
        case SIMULATOR_TRANSPORT_UAS_ONLY:
                device->wires[0] = &device->uas.wire;
                break;
        }
        set_wire(device, 0);
}

static int init_parts(SimulatedDevice *device, const SimulatorSpec *spec, const int *image_fds,
                      size_t n_image_fds) {
        EventLoop *loop = device->usb.loop;

        int r = event_timer_init(&device->wake, loop, on_wake);
        if (r == 0)
                r = event_timer_init(&device->operation_timer, loop, on_operation_timer);
        if (r == 0)
                r = simulated_target_init(&device->target, loop, spec, image_fds, n_image_fds);
        if (r == 0)
                r = init_descriptors(device, spec);
        if (r < 0)
                return r;

        init_wire(device, spec);
        simulated_link_init(&device->link, spec->speed, spec->is_link_ideal, spec->latency_us);
        return 0;
}

int simulated_device_new(UsbDevice **ret, EventLoop *loop, const SimulatorSpec *spec,
                         const int *image_fds, size_t n_image_fds) {
        SimulatedDevice *device = calloc(1, sizeof(*device));

        assert(image_fds || n_image_fds == 0);

        if (!device)
                return -ENOMEM;
        int r = usb_device_init(&device->usb, loop, &simulated_device_ops);
        if (r < 0) {
                free(device);
                return r;
        }

        for (size_t i = 0; i < _SIMULATED_PIPE_MAX; i++)
                list_init(&device->pipes[i]);
        list_init(&device->finished);
        event_defer_init(&device->pump, loop, on_pump);
        snprintf(device->name, sizeof(device->name), "sim-%s", spec->serial);
        device->usb.name = device->name;
        device->usb.speed = spec->speed;
        device->usb.descriptors = &device->descriptors;
        device->usb.can_suspend = spec->can_suspend;

        r = init_parts(device, spec, image_fds, n_image_fds);
        if (r < 0) {
                simulated_device_free(&device->usb);
                return r;
        }
        *ret = &device->usb;
        return 0;
}
