/*
 * Drives BOT commands through the states of bot_state.h. The transfers of the three phases are
 * preallocated and either started when their state is entered or, pipelined, all at once; in both
 * cases they are judged in the order of the phases, so that the rest of the machine is one. The
 * loop's timer, not the host controller's, bounds a command.
 */

#include "transport/bot_transport.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "transport/bot_control.h"
#include "transport/bot_habits.h"
#include "transport/bot_state.h"
#include "transport/transport_control.h"
#include "transport/transport_phase.h"

#define BOT_LUN_MAX 15

#define BOT_TRANSFER_SIZE_HIGH_SPEED (120 * KIB)
#define BOT_TRANSFER_SIZE_SUPER_SPEED (1 * MIB)

/* One block of staging memory for both wrappers, in a cache line each. */
#define BOT_WRAPPERS_SIZE 128
#define BOT_CSW_OFFSET 64

/*
 * While pipelining is tried or was chosen by trial: how long a CSW may take behind all of the data
 * (or behind the CBW) until it is read anew, which costs nothing. Reading comes to its end with its
 * data, whereas writing and what has no data may go on for long.
 */
#define BOT_STATUS_PATIENCE_IN_NS (250 * NS_PER_MS)
#define BOT_STATUS_PATIENCE_NS (2 * NS_PER_S)
/*
 * How long a read on trial may take before it is given up, which costs a reset and leaves time to
 * repeat it: what a disk that is awake needs at the most (a seek takes 20 ms, a pause of flash some
 * hundreds), and its bytes at half of what full speed carries. A disk that sleeps may need 10 s to
 * answer, so one is tried only if it has just answered.
 */
#define BOT_TRIAL_PATIENCE_NS (1 * NS_PER_S)
#define BOT_TRIAL_RATE (512 * KIB)
#define BOT_TRIAL_AWAKE_NS (1 * NS_PER_S)
/* A CSW that is read anew within this time had got lost; after it, the device was just busy. */
#define BOT_STATUS_LOST_NS (100 * NS_PER_MS)

typedef struct BotTransport {
        Transport transport;
        UsbDevice *device; /* borrowed */
        UsbStorageDevice storage_device;
        BotHabits habits;
        BotState state;
        uint32_t tag;

        /* Of the current command. */
        TransportRequest *request; /* borrowed; NULL: none */
        TransportResult result;    /* what it will be if the device has no say in it */
        BotCsw csw;                /* valid from the end of STATUS on */
        bool is_pipelined;
        bool has_anomaly;       /* seen although the command may end well */
        bool is_no_proof;       /* of anything, however it ends */
        uint64_t unanswered_ns; /* when the CSW was read anew; 0: it was not */

        TransportPhase command;
        TransportPhase data;
        TransportPhase status;
        uint8_t *wrappers; /* owned, of the staging memory: CBW and CSW */
        UsbOperation clear_halt;
        bool is_clearing;
        UsbResult clear_result;
        uint64_t answered_ns; /* when the last command was; 0: none was */
        EventTimer timer;     /* the command's deadline, or sooner when watching for anomalies */
        EventDefer advance;   /* for what must not happen within submit and cancel */
} BotTransport;

static void bot_advance(BotTransport *bot);

static BotTransport *bot_from_transport(const Transport *transport) {
        return container_of((Transport *) transport, BotTransport, transport);
}

static bool bot_has_data(const BotTransport *bot) { return bot->request->size > 0; }

static bool bot_is_in(const BotTransport *bot) {
        return bot->request->direction == TRANSPORT_DIRECTION_IN;
}

static bool bot_is_quiet(const BotTransport *bot) {
        return !transport_phase_is_in_flight(&bot->command) &&
               !transport_phase_is_in_flight(&bot->data) &&
               !transport_phase_is_in_flight(&bot->status) && !bot->is_clearing;
}

static void bot_on_transfer_done(UsbTransfer *transfer) {
        TransportPhase *phase = container_of(transfer, TransportPhase, transfer);

        bot_advance(phase->owner);
}

static void bot_on_halt_cleared(UsbOperation *operation) {
        BotTransport *bot = container_of(operation, BotTransport, clear_halt);

        bot->is_clearing = false;
        bot->clear_result = operation->result;
        bot_advance(bot);
}

/* A host that has no room for all three at once starts the others in their turn. */
static void bot_start_ahead(BotTransport *bot) {
        if (!transport_phase_is_in_flight(&bot->command))
                return;
        if (bot_has_data(bot) && transport_phase_submit(&bot->data) < 0)
                return;
        (void) transport_phase_submit(&bot->status);
}

static bool bot_is_awake(const BotTransport *bot) {
        return bot->answered_ns > 0 &&
               event_loop_now_ns(bot->transport.loop) < bot->answered_ns + BOT_TRIAL_AWAKE_NS;
}

static void bot_prepare(BotTransport *bot) {
        const TransportRequest *request = bot->request;
        BotCbw cbw = {
                .tag = ++bot->tag,
                .data_size = (uint32_t) request->size,
                .is_in = bot_is_in(bot),
                .lun = request->lun,
                .command_size = request->command_size,
                .command = request->command,
        };

        bot_protocol_encode_cbw(bot->wrappers, &cbw);
        bot->is_pipelined = bot_habits_wants_pipeline(&bot->habits, request->direction,
                                                      request->size) &&
                            (bot->habits.mode != BOT_MODE_AUTO || bot_is_awake(bot));
        transport_phase_rewind(&bot->command);
        transport_phase_rewind(&bot->data);
        transport_phase_rewind(&bot->status);
        bot->data.transfer.endpoint = bot_is_in(bot) ? bot->storage_device.bulk_in.address
                                                     : bot->storage_device.bulk_out.address;
        bot->data.transfer.data = request->data;
        bot->data.transfer.size = request->size;
}

static void bot_arm(BotTransport *bot, uint64_t patience_ns) {
        uint64_t deadline_ns = bot->request->deadline_ns;

        if (patience_ns > 0)
                deadline_ns = MIN(deadline_ns,
                                  event_loop_now_ns(bot->transport.loop) + patience_ns);
        event_timer_set(&bot->timer, deadline_ns);
}

static bool bot_is_on_trial(const BotTransport *bot) {
        return bot->is_pipelined && bot->habits.mode == BOT_MODE_AUTO;
}

static void bot_start_command(BotTransport *bot) {
        uint64_t transfer_ns = bot->request->size * NS_PER_S / BOT_TRIAL_RATE;

        bot_arm(bot, bot_is_on_trial(bot) ? BOT_TRIAL_PATIENCE_NS + transfer_ns : 0);
        transport_phase_start(&bot->command);
        if (bot->is_pipelined)
                bot_start_ahead(bot);
}

/* Once its transfer was queued ahead of its turn. */
static void bot_watch_status(BotTransport *bot) {
        if (transport_phase_is_in_flight(&bot->status) && bot_habits_is_watchful(&bot->habits))
                bot_arm(bot, bot_is_in(bot) ? BOT_STATUS_PATIENCE_IN_NS : BOT_STATUS_PATIENCE_NS);
}

/* BOT 1.0, 6.7.2: a device that has less to send than was asked for may halt the endpoint behind
 * it, where the status is waited for. */
static bool bot_is_data_short(const BotTransport *bot) {
        return bot_is_in(bot) && bot->data.transfer.actual_size < bot->data.transfer.size;
}

static void bot_start_clear_halt(BotTransport *bot, uint8_t endpoint) {
        bot->clear_halt.endpoint = endpoint;
        bot->is_clearing = usb_device_operate(bot->device, &bot->clear_halt) == 0;
        if (!bot->is_clearing)
                bot->clear_result = USB_RESULT_ERROR;
}

/* A halted IN endpoint refuses a status transfer that waits in it, too. On the other one it may
 * stay. */
static void bot_recall_status(BotTransport *bot) {
        if (bot_is_in(bot))
                transport_phase_recall(&bot->status);
}

static void bot_recall_all(BotTransport *bot) {
        event_timer_clear(&bot->timer);
        transport_phase_recall(&bot->status);
        transport_phase_recall(&bot->data);
        transport_phase_recall(&bot->command);
}

/* The one place where the state changes and where transfers start. */
static void bot_enter(BotTransport *bot, BotState state) {
        BotState previous = bot->state;

        log_device_debug(bot->transport.name, "BOT: %s -> %s", bot_state_to_string(previous),
                         bot_state_to_string(state));
        bot->state = state;

        switch (state) {
        case BOT_STATE_COMMAND:
                bot_start_command(bot);
                return;
        case BOT_STATE_DATA:
                transport_phase_start(&bot->data);
                return;
        case BOT_STATE_STATUS_UNANSWERED:
                bot->unanswered_ns = event_loop_now_ns(bot->transport.loop);
                transport_phase_recall(&bot->status);
                return;
        case BOT_STATE_DATA_HALTED:
        case BOT_STATE_DATA_OVERRUN:
        case BOT_STATE_DATA_SKIPPED:
                bot_recall_status(bot);
                return;
        case BOT_STATE_CLEAR_DATA_HALT:
                bot_start_clear_halt(bot, bot->data.transfer.endpoint);
                return;
        case BOT_STATE_STATUS:
                if (previous == BOT_STATE_CLEAR_DATA_HALT || previous == BOT_STATE_DATA_OVERRUN)
                        transport_phase_sift(&bot->status);
                if (bot->status.is_started)
                        bot_watch_status(bot);
                transport_phase_start(&bot->status);
                return;
        case BOT_STATE_CLEAR_STATUS_HALT:
                bot->has_anomaly = !bot_is_data_short(bot);
                bot->is_no_proof = true;
                bot_arm(bot, /* patience_ns= */ 0);
                bot_start_clear_halt(bot, bot->storage_device.bulk_in.address);
                return;
        case BOT_STATE_STATUS_AGAIN:
                if (previous == BOT_STATE_STATUS_UNANSWERED)
                        transport_phase_sift(&bot->status);
                else
                        transport_phase_rewind(&bot->status);
                bot_arm(bot, /* patience_ns= */ 0);
                transport_phase_start(&bot->status);
                return;
        case BOT_STATE_GIVE_UP:
                bot_recall_all(bot);
                return;
        case BOT_STATE_IDLE:
        case BOT_STATE_BROKEN:
        case BOT_STATE_RECOVERING:
                return;
        case _BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

static BotEvent event_from_result(UsbResult result) {
        switch (result) {
        case USB_RESULT_OK:
                return BOT_EVENT_DONE;
        case USB_RESULT_STALL:
                return BOT_EVENT_STALLED;
        case USB_RESULT_OVERFLOW:
                return BOT_EVENT_OVERFLOWED;
        case USB_RESULT_TIMED_OUT:
        case USB_RESULT_CANCELLED:
        case USB_RESULT_NO_MEMORY:
        case USB_RESULT_ERROR:
        case USB_RESULT_GONE:
                return BOT_EVENT_FAILED;
        case _USB_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

static BotEvent bot_judge_command(BotTransport *bot) {
        const UsbTransfer *transfer = &bot->command.transfer;

        if (transfer->result == USB_RESULT_NO_MEMORY && bot_is_quiet(bot)) {
                bot->result = TRANSPORT_RESULT_NO_MEMORY;
                return BOT_EVENT_NOT_SENT;
        }
        if (transfer->result == USB_RESULT_OK && transfer->actual_size != BOT_CBW_SIZE)
                return BOT_EVENT_FAILED;
        return event_from_result(transfer->result);
}

/* The device has the last word, whichever way its CSW came. */
static void bot_take_csw(BotTransport *bot, const BotCsw *csw) {
        bool is_overrun = bot->data.is_started && bot->data.transfer.result == USB_RESULT_OVERFLOW;

        bot->csw = *csw;
        bot->result = csw->status == BOT_CSW_STATUS_PASSED && !is_overrun ? TRANSPORT_RESULT_GOOD
                                                                          : TRANSPORT_RESULT_FAILED;
        if (bot_habits_learn_signature(&bot->habits, csw->signature))
                log_device_notice(bot->transport.name,
                                  "The device signs its status with %08x, accepting that.",
                                  csw->signature);
}

/* Some devices skip the data phase of what they can't do and send the CSW at once. */
static bool bot_take_skipped_data(BotTransport *bot) {
        UsbTransfer *transfer = &bot->data.transfer;
        BotCsw csw;

        if (!bot_is_in(bot) ||
            !bot_protocol_decode_csw(&csw, transfer->data, transfer->actual_size) ||
            !bot_habits_accept_csw_as_data(&bot->habits, &csw, bot->tag) ||
            csw.status == BOT_CSW_STATUS_PHASE_ERROR)
                return false;

        memset(transfer->data, 0, BOT_CSW_SIZE);
        transfer->actual_size = 0;
        bot_take_csw(bot, &csw);
        return true;
}

static BotEvent bot_judge_data(BotTransport *bot) {
        if (bot->data.transfer.result == USB_RESULT_OK && bot_take_skipped_data(bot))
                return BOT_EVENT_STATUS_CAME;
        return event_from_result(bot->data.transfer.result);
}

/* Behind a CSW that came in place of data nothing may follow. */
static BotEvent bot_judge_recall(BotTransport *bot) {
        bool is_superfluous = bot->state == BOT_STATE_DATA_SKIPPED && bot->status.is_started;

        if (is_superfluous && bot->status.transfer.actual_size > 0)
                return BOT_EVENT_FAILED;
        return BOT_EVENT_DONE;
}

/* BOT 1.0, 5.3.3: a phase error wants a reset, like a CSW that makes no sense. */
static BotEvent bot_judge_status(BotTransport *bot) {
        const UsbTransfer *transfer = &bot->status.transfer;
        BotCsw csw;

        if (transfer->result != USB_RESULT_OK)
                return event_from_result(transfer->result);
        if (transfer->actual_size == 0)
                return BOT_EVENT_EMPTY;
        if (!bot_protocol_decode_csw(&csw, transfer->data, transfer->actual_size) ||
            !bot_habits_accept_csw(&bot->habits, &csw, bot->tag))
                return BOT_EVENT_FAILED;

        bot_take_csw(bot, &csw);
        return csw.status == BOT_CSW_STATUS_PHASE_ERROR ? BOT_EVENT_FAILED : BOT_EVENT_DONE;
}

/* Whether what the state waits for still is with the USB device. */
static bool bot_is_waiting(const BotTransport *bot) {
        switch (bot->state) {
        case BOT_STATE_COMMAND:
                return transport_phase_is_in_flight(&bot->command);
        case BOT_STATE_DATA:
                return transport_phase_is_in_flight(&bot->data);
        case BOT_STATE_DATA_HALTED:
        case BOT_STATE_DATA_OVERRUN:
        case BOT_STATE_DATA_SKIPPED:
                return bot_is_in(bot) && transport_phase_is_in_flight(&bot->status);
        case BOT_STATE_CLEAR_DATA_HALT:
        case BOT_STATE_CLEAR_STATUS_HALT:
                return bot->is_clearing;
        case BOT_STATE_STATUS:
        case BOT_STATE_STATUS_UNANSWERED:
        case BOT_STATE_STATUS_AGAIN:
                return transport_phase_is_in_flight(&bot->status);
        case BOT_STATE_GIVE_UP:
                return !bot_is_quiet(bot);
        case BOT_STATE_IDLE:
        case BOT_STATE_BROKEN:
        case BOT_STATE_RECOVERING:
                return true; /* for the owner */
        case _BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

/* What came, once it is there. */
static BotEvent bot_judge(BotTransport *bot) {
        switch (bot->state) {
        case BOT_STATE_COMMAND:
                return bot_judge_command(bot);
        case BOT_STATE_DATA:
                return bot_judge_data(bot);
        case BOT_STATE_DATA_HALTED:
        case BOT_STATE_DATA_OVERRUN:
        case BOT_STATE_DATA_SKIPPED:
        case BOT_STATE_STATUS_UNANSWERED:
                return bot_judge_recall(bot);
        case BOT_STATE_CLEAR_DATA_HALT:
        case BOT_STATE_CLEAR_STATUS_HALT:
                return event_from_result(bot->clear_result);
        case BOT_STATE_STATUS:
        case BOT_STATE_STATUS_AGAIN:
                return bot_judge_status(bot);
        case BOT_STATE_GIVE_UP:
                return BOT_EVENT_DONE;
        case BOT_STATE_IDLE:
        case BOT_STATE_BROKEN:
        case BOT_STATE_RECOVERING:
        case _BOT_STATE_MAX:
                break;
        }

        assert_not_reached();
}

static void bot_move(BotTransport *bot, BotEvent event) {
        BotState next = bot_state_next(bot->state, event, bot->request && bot_has_data(bot));

        if (next == BOT_STATE_GIVE_UP && event != BOT_EVENT_ABANDONED)
                bot->result = TRANSPORT_RESULT_ERROR;
        bot_enter(bot, next);
}

/* Bytes over the wire as data; those of an overrun are not worth anything. */
static size_t bot_transferred_size(const BotTransport *bot) {
        if (!bot->data.is_started || bot->data.transfer.result == USB_RESULT_OVERFLOW)
                return 0;
        return bot->data.transfer.actual_size;
}

/* The device has answered: what of the data counts, and what this says about the device. */
static void bot_conclude_answer(BotTransport *bot) {
        TransportRequest *request = bot->request;
        size_t transferred = bot_transferred_size(bot);

        if (bot_habits_learn_residue(&bot->habits, &bot->csw, request->direction, request->size,
                                     transferred))
                log_device_notice(bot->transport.name,
                                  "The device counts missing bytes wrongly, ignoring its count.");
        request->actual_size =
                        bot_habits_actual_size(&bot->habits, &bot->csw, request->size, transferred);
        if (bot->result == TRANSPORT_RESULT_GOOD && !bot->is_no_proof && bot->unanswered_ns == 0 &&
            bot_habits_learn_good(&bot->habits, bot->is_pipelined))
                log_device_debug(bot->transport.name, "BOT: pipelined from now on");
}

static bool bot_has_lost_status(const BotTransport *bot) {
        return bot->unanswered_ns > 0 &&
               event_loop_now_ns(bot->transport.loop) <= bot->unanswered_ns + BOT_STATUS_LOST_NS;
}

static void bot_conclude_anomaly(BotTransport *bot) {
        bool is_suspicious = bot->has_anomaly || bot_has_lost_status(bot) ||
                             bot->result == TRANSPORT_RESULT_ERROR ||
                             bot->result == TRANSPORT_RESULT_TIMED_OUT;

        if (bot->is_pipelined && is_suspicious && bot_habits_learn_anomaly(&bot->habits))
                log_device_notice(bot->transport.name,
                                  "The device does not bear pipelined transfers, going on phase "
                                  "by phase.");
}

/* The last thing that happens to a command: its owner may submit the next one, or free us. */
static void bot_complete(BotTransport *bot) {
        TransportRequest *request = bot->request;
        bool is_answered = bot->result == TRANSPORT_RESULT_GOOD ||
                           bot->result == TRANSPORT_RESULT_FAILED;

        assert(bot_is_quiet(bot));

        event_timer_clear(&bot->timer);
        event_defer_cancel(&bot->advance);
        if (!is_answered && usb_device_is_gone(bot->device))
                bot->result = TRANSPORT_RESULT_GONE;
        request->actual_size = 0;
        request->sense_size = 0;
        if (is_answered) {
                bot->answered_ns = event_loop_now_ns(bot->transport.loop);
                bot_conclude_answer(bot);
        }
        if (bot->result != TRANSPORT_RESULT_GONE)
                bot_conclude_anomaly(bot);
        request->result = bot->result;
        bot->request = NULL;
        request->done(request);
}

/* Goes on as far as what came allows. */
static void bot_advance(BotTransport *bot) {
        while (!bot_is_waiting(bot))
                bot_move(bot, bot_judge(bot));
        if (bot->request && !bot_state_is_active(bot->state))
                bot_complete(bot);
}

static void bot_on_advance(EventDefer *defer) {
        bot_advance(container_of(defer, BotTransport, advance));
}

static void bot_on_timer(EventTimer *timer) {
        BotTransport *bot = container_of(timer, BotTransport, timer);

        assert(bot->request);

        if (event_loop_now_ns(bot->transport.loop) >= bot->request->deadline_ns ||
            bot->state != BOT_STATE_STATUS) {
                bot->result = TRANSPORT_RESULT_TIMED_OUT;
                bot_move(bot, BOT_EVENT_ABANDONED);
        } else
                bot_move(bot, BOT_EVENT_UNANSWERED);
        bot_advance(bot);
}

static int bot_submit(Transport *transport, TransportRequest *request) {
        BotTransport *bot = bot_from_transport(transport);

        if (bot->request)
                return -EBUSY;
        if (usb_device_is_gone(bot->device))
                return -ENODEV;
        if (request->lun > BOT_LUN_MAX || request->command_size > BOT_CBW_COMMAND_SIZE_MAX ||
            request->size > transport->transfer_size_max)
                return -EINVAL;

        bot->request = request;
        bot->result = TRANSPORT_RESULT_ERROR;
        bot->is_pipelined = false;
        bot->has_anomaly = false;
        bot->is_no_proof = false;
        bot->unanswered_ns = 0;
        if (bot->state == BOT_STATE_IDLE) {
                bot_prepare(bot);
                bot_move(bot, BOT_EVENT_SUBMITTED);
        }
        if (bot_is_quiet(bot))
                event_defer_schedule(&bot->advance);
        return 0;
}

static void bot_cancel(Transport *transport, TransportRequest *request) {
        BotTransport *bot = bot_from_transport(transport);

        if (bot->request != request || bot->state == BOT_STATE_GIVE_UP)
                return;

        bot->result = TRANSPORT_RESULT_CANCELLED;
        if (bot_state_is_active(bot->state))
                bot_move(bot, BOT_EVENT_ABANDONED);
        if (bot_is_quiet(bot))
                event_defer_schedule(&bot->advance);
}

static int bot_start(Transport *transport, Task *task) {
        BotTransport *bot = bot_from_transport(transport);

        return transport_control_start(task, bot->device, &bot->storage_device.interface);
}

static int bot_get_max_lun(Transport *transport, Task *task) {
        BotTransport *bot = bot_from_transport(transport);

        return bot_control_get_max_lun(task, bot->device, &bot->storage_device.interface);
}

static int bot_recover(Transport *transport, Task *task, TransportRecovery recovery, uint8_t lun) {
        BotTransport *bot = bot_from_transport(transport);
        int r;

        assert(!bot->request);

        if (recovery == TRANSPORT_RECOVERY_LUN_RESET)
                return -EOPNOTSUPP;

        bot_move(bot, BOT_EVENT_RECOVERY);
        r = bot_control_recover(task, bot->device, &bot->storage_device, recovery);
        if (r == 0 && recovery == TRANSPORT_RECOVERY_PORT_RESET)
                bot_habits_forget_signature(&bot->habits);
        bot_move(bot, r == 0 ? BOT_EVENT_RECOVERED : BOT_EVENT_UNRECOVERED);
        return r;
}

static void bot_free(Transport *transport) {
        BotTransport *bot = bot_from_transport(transport);

        assert(!bot->request);

        transport_phase_done(&bot->command);
        transport_phase_done(&bot->data);
        transport_phase_done(&bot->status);
        if (bot->timer.loop)
                event_timer_done(&bot->timer);
        event_defer_cancel(&bot->advance);
        staging_put(transport->staging, bot->wrappers, BOT_WRAPPERS_SIZE);
        free(bot);
}

static const TransportOps bot_ops = {
        .submit = bot_submit,
        .cancel = bot_cancel,
        .start = bot_start,
        .get_max_lun = bot_get_max_lun,
        .recover = bot_recover,
        .free = bot_free,
};

static int bot_init_phases(BotTransport *bot) {
        uint8_t in = bot->storage_device.bulk_in.address;
        uint8_t out = bot->storage_device.bulk_out.address;
        int r;

        bot->wrappers = staging_get(bot->transport.staging, BOT_WRAPPERS_SIZE);
        if (!bot->wrappers)
                return -ENOMEM;

        bot->command.transfer.data = bot->wrappers;
        bot->command.transfer.size = BOT_CBW_SIZE;
        bot->status.transfer.data = bot->wrappers + BOT_CSW_OFFSET;
        bot->status.transfer.size = BOT_CSW_SIZE;

        r = transport_phase_init(&bot->command, bot, bot->device, USB_TRANSFER_TYPE_BULK, out,
                                 bot_on_transfer_done);
        if (r < 0)
                return r;
        r = transport_phase_init(&bot->data, bot, bot->device, USB_TRANSFER_TYPE_BULK, in,
                                 bot_on_transfer_done);
        if (r < 0)
                return r;
        return transport_phase_init(&bot->status, bot, bot->device, USB_TRANSFER_TYPE_BULK, in,
                                    bot_on_transfer_done);
}

static size_t default_transfer_size_max(UsbSpeed speed) {
        return speed >= USB_SPEED_SUPER ? BOT_TRANSFER_SIZE_SUPER_SPEED
                                        : BOT_TRANSFER_SIZE_HIGH_SPEED;
}

int bot_transport_new(Transport **ret, UsbDevice *device, const UsbStorageDevice *storage_device,
                      const BotOptions *options) {
        _cleanup_(transport_freep) Transport *transport = NULL;
        BotTransport *bot;
        int r;

        assert(storage_device->protocol == USB_STORAGE_PROTOCOL_BOT);

        bot = calloc(1, sizeof(*bot));
        if (!bot)
                return -ENOMEM;

        bot->device = device;
        bot->storage_device = *storage_device;
        bot_habits_init(&bot->habits, options->mode, options->ignores_residue);
        bot_habits_recall(&bot->habits, options->known_mode);
        bot->habits.is_serial = options->is_serial;
        bot->clear_halt.type = USB_OPERATION_CLEAR_HALT;
        bot->clear_halt.done = bot_on_halt_cleared;
        transport = &bot->transport;
        *transport = (Transport){
                .ops = &bot_ops,
                .loop = usb_device_get_loop(device),
                .staging = usb_device_get_staging(device),
                .name = usb_device_get_name(device),
                .n_in_flight_max = 1,
                .transfer_size_max =
                                options->transfer_size_max > 0
                                                ? options->transfer_size_max
                                                : default_transfer_size_max(
                                                                  usb_device_get_speed(device)),
        };
        event_defer_init(&bot->advance, transport->loop, bot_on_advance);
        r = event_timer_init(&bot->timer, transport->loop, bot_on_timer);
        if (r < 0)
                return r;
        r = bot_init_phases(bot);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(transport);
        return 0;
}

void bot_transport_set_serial(Transport *transport, bool is_serial) {
        assert(transport->ops == &bot_ops);
        bot_from_transport(transport)->habits.is_serial = is_serial;
}

BotMode bot_transport_get_mode(const Transport *transport) {
        assert(transport->ops == &bot_ops);
        return bot_from_transport(transport)->habits.mode;
}

const char *bot_mode_to_string(BotMode mode) {
        static const char *const names[_BOT_MODE_MAX] = {
                [BOT_MODE_AUTO] = "auto",
                [BOT_MODE_BY_PHASE] = "by-phase",
                [BOT_MODE_PIPELINED] = "pipelined",
        };

        assert(mode < _BOT_MODE_MAX);
        return names[mode];
}
