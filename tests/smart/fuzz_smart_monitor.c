/*
 * Fuzz target: the whole of a poll, and a self-test, beside a device that answers anything. The first
 * byte is the way (a kind of bridge, or 15: probing) and, in its upper half, flags. Then comes a byte for
 * each command that says what happens to it, and what it brings: data as long as was asked for (or what
 * is left of the input); zeroes; a byte of a size, and as much data; a size and sense; nothing else.
 * Every poll ends, what becomes known can be believed, and a failure leaves what was known.
 */

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/task.h"
#include "base/virtual_event_loop.h"
#include "smart/smart_monitor.h"

#define POLLS 3
#define COMMANDS_MAX 400
#define WAY_PROBE 15

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum Action {
        ACTION_DATA,
        ACTION_ZEROES,
        ACTION_SHORT,
        ACTION_SENSE,
        ACTION_ERROR,
        ACTION_SILENCE,
        ACTION_BUSY,
        _ACTION_MAX,
} Action;

typedef struct Device {
        ScsiTarget target;
        const uint8_t *input; /* what is left of it */
        size_t size;
        EventDefer defer;
        ScsiCommand *command; /* borrowed: in flight; NULL: none */
        unsigned n_commands;
        bool is_held;
        SmartMonitor monitor;
        unsigned flags;
        int result;
        bool has_ended;
} Device;

static uint8_t take_byte(Device *device) {
        if (device->size == 0)
                return ACTION_ZEROES;
        device->size--;
        return *device->input++;
}

static size_t take(Device *device, void *to, size_t size) {
        size = MIN(size, device->size);
        if (size > 0)
                memcpy(to, device->input, size);
        device->input += size;
        device->size -= size;
        return size;
}

static void bring(Device *device, ScsiCommand *command, size_t size) {
        size = MIN(size, command->request.size);
        command->actual_size = size;
        if (command->request.direction == TRANSPORT_DIRECTION_IN)
                (void) take(device, command->request.data, size);
}

static ScsiResult bring_sense(Device *device, ScsiCommand *command) {
        uint8_t sense[TRANSPORT_SENSE_SIZE_MAX] = { 0 };
        size_t size = take(device, sense, take_byte(device) % sizeof(sense));

        command->raw_sense_size = size;
        memcpy(command->raw_sense, sense, size);
        if (scsi_sense_decode(&command->sense, sense, size) < 0)
                command->sense = (ScsiSense){ .key = SCSI_SENSE_KEY_HARDWARE_ERROR };
        return SCSI_RESULT_CHECK_CONDITION;
}

static ScsiResult answer(Device *device, ScsiCommand *command) {
        switch ((Action) (take_byte(device) % _ACTION_MAX)) {
        case ACTION_DATA:
                bring(device, command, command->request.size);
                return SCSI_RESULT_GOOD;
        case ACTION_ZEROES:
                command->actual_size = command->request.size;
                return SCSI_RESULT_GOOD;
        case ACTION_SHORT:
                bring(device, command, take_byte(device));
                return SCSI_RESULT_GOOD;
        case ACTION_SENSE:
                return bring_sense(device, command);
        case ACTION_ERROR:
                return SCSI_RESULT_TRANSPORT_ERROR;
        case ACTION_SILENCE:
                return SCSI_RESULT_TIMED_OUT;
        case ACTION_BUSY:
                return SCSI_RESULT_BUSY;
        case _ACTION_MAX:
                break;
        }
        assert_not_reached();
}

static void on_defer(EventDefer *defer) {
        Device *device = container_of(defer, Device, defer);
        ScsiCommand *command = TAKE_PTR(device->command);

        command->result = answer(device, command);
        command->state = SCSI_COMMAND_STATE_IDLE;
        command->done(command);
}

static void on_submit(ScsiTarget *target, ScsiCommand *command) {
        Device *device = container_of(target, Device, target);

        assert(!device->command);
        assert(++device->n_commands < COMMANDS_MAX);
        assert(device->is_held == !!(command->flags & SCSI_COMMAND_HOLDER));
        device->command = command;
        command->state = SCSI_COMMAND_STATE_IN_FLIGHT;
        command->was_sent = true;
        event_defer_schedule(&device->defer);
}

static void on_cancel(ScsiTarget *target, ScsiCommand *command) {}

static void on_hold(void *userdata) {
        Device *device = userdata;

        assert(!device->is_held);
        device->is_held = true;
}

static void on_release(void *userdata) {
        Device *device = userdata;

        assert(device->is_held);
        device->is_held = false;
}

static void drop_log(const LogRecord *record, void *userdata) {
        assert(strlen(record->message) > 0);
}

static bool is_expected(int result) {
        return result == 0 || result == -EAGAIN || result == -EOPNOTSUPP || result == -EIO ||
               result == -EBUSY || result == -ETIMEDOUT;
}

static int poll_main(Task *task, void *userdata) {
        Device *device = userdata;
        SmartData known = device->monitor.data;
        int r;

        r = smart_monitor_poll(&device->monitor, task, &device->target, device->flags);
        assert(is_expected(r));
        assert(smart_data_is_valid(&device->monitor.data));
        assert(r == 0 || memcmp(&known, &device->monitor.data, sizeof(known)) == 0);
        assert(strlen(smart_monitor_describe_way(&device->monitor)) > 0);
        if (device->monitor.verdict.kind == SMART_VERDICT_KIND_GOOD)
                assert(device->monitor.data.status == SMART_STATUS_PASSED ||
                       device->monitor.data.kind != SMART_KIND_SCSI);
        return 0;
}

static int test_main(Task *task, void *userdata) {
        char words[SMART_MONITOR_WORDS_SIZE];
        Device *device = userdata;

        assert(is_expected(smart_monitor_start_test(&device->monitor, task, &device->target,
                                                    SMART_SELF_TEST_KIND_SHORT, words)));
        assert(is_expected(
                        smart_monitor_abort_test(&device->monitor, task, &device->target, words)));
        return 0;
}

static void on_end(Task *task, int result, void *userdata) {
        ((Device *) userdata)->has_ended = true;
}

static void run(Device *device, TaskMain main) {
        device->has_ended = false;
        device->n_commands = 0;
        if (task_start(NULL, device->target.loop, "fuzz", main, on_end, device) < 0)
                abort();
        while (!device->has_ended)
                if (event_loop_run_once(device->target.loop, /* may_wait= */ true) <= 0)
                        abort();
        assert(!device->is_held);
}

static void device_init(Device *device, EventLoop *loop, uint8_t choice) {
        static const ScsiTargetOps ops = { .submit = on_submit, .cancel = on_cancel };
        static const SmartMonitorHandlers handlers = { .hold = on_hold, .release = on_release };
        uint8_t way = choice & 0x0F;
        SmartMonitorOptions options = {
                .name = "fuzz",
                .may_probe = way >= _SMART_BRIDGE_KIND_MAX,
                .has_bridge = way < _SMART_BRIDGE_KIND_MAX,
        };

        if (options.has_bridge)
                smart_bridge_init(&options.bridge, (SmartBridgeKind) way);
        options.bridge.is_sat_too = choice & 0x80;
        device->target = (ScsiTarget){ .ops = &ops, .loop = loop, .staging = staging_heap() };
        device->flags = choice >> 4 & 0x07;
        event_defer_init(&device->defer, loop, on_defer);
        smart_monitor_init(&device->monitor, &options, &handlers, device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static Device device;
        EventLoop *loop;

        if (size < 1)
                return 0;
        log_set_sink(drop_log, NULL);
        if (virtual_event_loop_new(&loop) < 0)
                abort();
        device = (Device){ .input = data + 1, .size = size - 1 };
        device_init(&device, loop, data[0]);
        for (unsigned i = 0; i < POLLS; i++)
                run(&device, poll_main);
        run(&device, test_main);
        event_loop_free(loop);
        return 0;
}
