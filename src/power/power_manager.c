/*
 * The gate and its clockwork. While the device is awake a command costs a look at the phase and two
 * stores; what moves the device is a task (power_transition), and there is one at a time.
 */

#include "power/power_manager.h"

#include <errno.h>

#include "base/log.h"
#include "power/power_transition.h"
#include "scsi/scsi_cdb.h"

/* Who waits for a task of the gate looks so often. */
#define POLL_NS NS_PER_MS
/* When it is no time to sleep, somebody is asked again after so long. */
#define RETRY_SOON_NS (5 * NS_PER_S)
/* A sleep that failed is not tried again before, then after twice as long, and so on. */
#define RETRY_MIN_NS (60 * NS_PER_S)
#define RETRY_DOUBLINGS_MAX 6U
/* Somebody who asks for a sleep waits so long for the device to be free. */
#define ASKED_PATIENCE_NS (2 * NS_PER_S)
#define ASKED_PAUSE_NS (50 * NS_PER_MS)

#define ASC_ASCQ_START_NEEDED 0x0402
/* SBC-3, 5.25: byte 4 of START STOP UNIT. */
#define START_BIT 0x01
#define LOAD_EJECT_BIT 0x02
#define POWER_CONDITION_SHIFT 4
#define POWER_CONDITION_START_VALID 0x0
#define POWER_CONDITION_ACTIVE 0x1
#define POWER_CONDITION_STANDBY 0x3

static uint64_t now_ns(const PowerManager *power) { return event_loop_now_ns(power->target.loop); }

static uint16_t lun_bit(const ScsiCommand *command) {
        return (uint16_t) (1U << command->request.lun);
}

static bool is_use(const ScsiCommand *command) {
        return !(command->flags & (SCSI_COMMAND_NO_WAKE | SCSI_COMMAND_ASIDE));
}

static bool may_wake(const ScsiCommand *command) {
        return !(command->flags & SCSI_COMMAND_NO_WAKE);
}

/* SBC-3, 4.20: a unit that is stopped carries these out none the less. */
static bool needs_medium(const ScsiCommand *command) {
        switch (command->request.command[0]) {
        case SCSI_OPCODE_TEST_UNIT_READY:
        case SCSI_OPCODE_REQUEST_SENSE:
        case SCSI_OPCODE_INQUIRY:
        case SCSI_OPCODE_REPORT_LUNS:
        case SCSI_OPCODE_START_STOP_UNIT:
        case SCSI_OPCODE_PREVENT_ALLOW_MEDIUM_REMOVAL:
        case SCSI_OPCODE_GET_EVENT_STATUS_NOTIFICATION:
                return false;
        default: /* a byte of the sender, not an enum */
                return true;
        }
}

/* State */

void power_manager_count_time(PowerManager *power) {
        uint64_t n_wakes = error_handler_get_statistics(power->handler)->n_wakes;
        uint64_t now = now_ns(power);

        power->statistics->time_ns[power->state] += now - power->since_ns;
        power->since_ns = now;
        power->statistics->n_spin_ups += n_wakes - power->n_wakes_below;
        power->n_wakes_below = n_wakes;
}

void power_manager_move(PowerManager *power, PowerEvent event) {
        PowerPhase phase = power_machine_next(power->phase, event);
        PowerState state = power_machine_get_state(phase, power->state);

        if (phase == power->phase)
                return;
        log_device_debug(power->target.name, "power: %s -> %s",
                         power_machine_phase_to_string(power->phase),
                         power_machine_phase_to_string(phase));
        power->phase = phase;
        if (state != power->state) {
                power_manager_count_time(power);
                power->state = state;
        }
        power->ops->changed(power->userdata);
}

static bool is_all_stopped(const PowerManager *power) {
        return power->luns_present != 0 && (power->luns_present & ~power->luns_stopped) == 0;
}

/* Of one that is awake, or in standby, as far as its media tell. */
static void note_media(PowerManager *power) {
        if (power->phase == POWER_PHASE_IDLE && power->n_passed == 0 && !power->task &&
            is_all_stopped(power))
                power_manager_move(power, POWER_EVENT_STOPPED);
        else if (power->phase == POWER_PHASE_STANDBY && !is_all_stopped(power))
                power_manager_move(power, POWER_EVENT_WOKEN);
}

void power_manager_learn(PowerManager *power, bool no_standby, bool no_suspend) {
        power->traits.avoids_standby |= no_standby;
        power->traits.avoids_suspend |= no_suspend;
        power->ops->changed(power->userdata);
}

/* What becomes of commands */

static void on_defer(EventDefer *defer) {
        PowerManager *power = container_of(defer, PowerManager, defer);
        ListNode completed = LIST_INIT(completed);
        ListNode *node;

        list_splice(&completed, &power->completed);
        while ((node = list_take_first(&completed))) {
                ScsiCommand *command = list_entry(node, ScsiCommand, node);

                command->state = SCSI_COMMAND_STATE_IDLE;
                command->done(command);
        }
}

/* Not sent: told later. */
static void complete(PowerManager *power, ScsiCommand *command, ScsiResult result) {
        list_unlink(&command->node);
        command->state = SCSI_COMMAND_STATE_COMPLETED;
        command->result = result;
        command->gate = NULL;
        command->was_sent = false;
        command->has_failed = false;
        command->is_too_long = false;
        command->saw_deferred = false;
        command->is_unexplained = false;
        command->actual_size = 0;
        command->raw_sense_size = 0;
        list_append(&power->completed, &command->node);
        event_defer_schedule(&power->defer);
}

/* What a command that started or stopped a unit made of it. */
static void note_start_stop(PowerManager *power, const ScsiCommand *command) {
        uint8_t how = command->request.command[4];
        uint8_t condition = how >> POWER_CONDITION_SHIFT;
        bool starts = condition == POWER_CONDITION_ACTIVE ||
                      (condition == POWER_CONDITION_START_VALID && (how & START_BIT));
        bool stops = condition == POWER_CONDITION_STANDBY ||
                     (condition == POWER_CONDITION_START_VALID && !(how & START_BIT));

        if (how & LOAD_EJECT_BIT)
                return;
        if (starts && (power->luns_stopped & lun_bit(command))) {
                power->luns_stopped &= (uint16_t) ~lun_bit(command);
                power->statistics->n_spin_ups++;
        } else if (stops) {
                power->luns_stopped |= lun_bit(command);
        }
}

static void note_result(PowerManager *power, const ScsiCommand *command) {
        if (command->flags & SCSI_COMMAND_ASIDE)
                return;
        if (command->result == SCSI_RESULT_CHECK_CONDITION &&
            command->sense.key == SCSI_SENSE_KEY_NOT_READY &&
            SCSI_ASC_ASCQ(&command->sense) == ASC_ASCQ_START_NEEDED)
                power->luns_stopped |= lun_bit(command);
        if (command->result != SCSI_RESULT_GOOD)
                return;
        if (command->request.command[0] == SCSI_OPCODE_START_STOP_UNIT)
                note_start_stop(power, command);
        else if (needs_medium(command) && command->request.size > 0)
                power->luns_stopped &= (uint16_t) ~lun_bit(command);
}

static void arm_idle(PowerManager *power);

/* The callee may take the device down: nothing may touch it afterwards. */
static void on_passed_done(ScsiCommand *command) {
        PowerManager *power = command->gate;

        command->gate = NULL;
        command->done = command->gate_done;
        assert(power->n_passed > 0);
        power->n_passed--;
        note_result(power, command);
        if (is_use(command)) {
                assert(power->n_users > 0);
                power->n_users--;
        }
        if (power->n_users == 0 && is_use(command)) {
                power->idle_since_ns = now_ns(power);
                power_manager_move(power, POWER_EVENT_RESTED);
        }
        if (power->n_passed == 0)
                note_media(power);
        if (power->n_users == 0)
                arm_idle(power);
        command->done(command);
}

static void pass(PowerManager *power, ScsiCommand *command) {
        command->gate = power;
        command->gate_done = command->done;
        command->done = on_passed_done;
        power->n_passed++;
        if (is_use(command)) {
                power->was_read |= command->request.direction == TRANSPORT_DIRECTION_IN;
                power->was_written |= command->request.direction == TRANSPORT_DIRECTION_OUT;
                if (power->n_users++ == 0)
                        power_manager_move(power, POWER_EVENT_USED);
        }
        scsi_target_submit(power->next, command);
}

static bool lets_through(const PowerManager *power, const ScsiCommand *command) {
        return power_machine_is_open(power->phase) ||
               (power->phase == POWER_PHASE_STANDBY && may_wake(command) && !needs_medium(command));
}

/* Moving it */

static int run_fall(Task *task, void *userdata) { return power_transition_fall(userdata, task); }

static int run_wake(Task *task, void *userdata) {
        power_transition_wake(userdata, task);
        return 0;
}

static void plan_retry(PowerManager *power) {
        uint64_t timeout_ms =
                        MAX(power->options.suspend_timeout_ms, power->options.standby_timeout_ms);
        uint64_t pause_ns = MAX(RETRY_MIN_NS, timeout_ms * NS_PER_MS);

        power->retry_ns = now_ns(power) + (pause_ns << MIN(power->n_failures, RETRY_DOUBLINGS_MAX));
        power->n_failures++;
}

static void on_task_end(Task *task, int result, void *userdata) {
        PowerManager *power = userdata;

        power->task = NULL;
        if (result == -EAGAIN)
                power->retry_ns = now_ns(power) + RETRY_SOON_NS;
        else if (result < 0)
                plan_retry(power);
        power_manager_settle(power);
}

static void fail_waiting(PowerManager *power, ScsiResult result) {
        LIST_FOR_EACH (node, &power->waiting)
                complete(power, list_entry(node, ScsiCommand, node), result);
}

static void begin_wake(PowerManager *power) {
        assert(!power->task);

        power->is_asked = false;
        if (power->wanted_ns == 0)
                power->wanted_ns = now_ns(power);
        if (task_start(&power->task, power->target.loop, "wake", run_wake, on_task_end, power) < 0)
                fail_waiting(power, SCSI_RESULT_NO_MEMORY);
        else
                power_manager_move(power, POWER_EVENT_WANTED);
}

static void begin_fall(PowerManager *power, PowerState goal) {
        power->goal = goal;
        power->is_asked = false;
        if (task_start(&power->task, power->target.loop, "sleep", run_fall, on_task_end, power) < 0)
                plan_retry(power);
}

bool power_manager_is_wanted(const PowerManager *power) {
        return power->wanted_ns != 0 || !list_is_empty(&power->waiting);
}

bool power_manager_wants_medium(const PowerManager *power) {
        if (power->wants_medium)
                return true;
        LIST_FOR_EACH (node, &power->waiting)
                if (needs_medium(list_entry(node, ScsiCommand, node)))
                        return true;
        return false;
}

static void arm_deadline(PowerManager *power, uint64_t deadline_ns) {
        if (!event_timer_is_armed(&power->deadline) || deadline_ns < power->deadline.deadline_ns)
                event_timer_set(&power->deadline, deadline_ns);
}

static void on_deadline(EventTimer *timer) {
        PowerManager *power = container_of(timer, PowerManager, deadline);

        LIST_FOR_EACH (node, &power->waiting) {
                ScsiCommand *command = list_entry(node, ScsiCommand, node);

                if (command->deadline_ns > now_ns(power))
                        arm_deadline(power, command->deadline_ns);
                else
                        complete(power, command, SCSI_RESULT_TIMED_OUT);
        }
}

static void hold_back(PowerManager *power, ScsiCommand *command) {
        command->state = SCSI_COMMAND_STATE_WAITING;
        command->gate = NULL;
        list_append(&power->waiting, &command->node);
        arm_deadline(power, command->deadline_ns);
        if (power->wanted_ns == 0)
                power->wanted_ns = now_ns(power);
        if (!power->task)
                begin_wake(power);
}

void power_manager_settle(PowerManager *power) {
        LIST_FOR_EACH (node, &power->waiting) {
                ScsiCommand *command = list_entry(node, ScsiCommand, node);

                if (!lets_through(power, command))
                        continue;
                list_unlink(&command->node);
                command->state = SCSI_COMMAND_STATE_IDLE;
                pass(power, command);
        }
        if (list_is_empty(&power->waiting))
                event_timer_clear(&power->deadline);
        else if (!power->task)
                begin_wake(power);
        note_media(power);
        arm_idle(power);
}

/* Idleness */

/* When it may sleep, and how; TASK_NEVER: not as things are. */
static uint64_t get_due_ns(const PowerManager *power, PowerState *ret_goal) {
        const PowerOptions *options = &power->options;
        uint64_t suspend_ns = TASK_NEVER, standby_ns = TASK_NEVER;

        if (!options->is_enabled || power->task || power->n_holds > 0 ||
            (power->phase != POWER_PHASE_IDLE && power->phase != POWER_PHASE_STANDBY))
                return TASK_NEVER;
        if (options->suspend_timeout_ms > 0 && power_manager_can_suspend(power))
                suspend_ns = power->idle_since_ns + options->suspend_timeout_ms * NS_PER_MS;
        if (options->standby_timeout_ms > 0 && power_manager_can_standby(power) &&
            power->phase == POWER_PHASE_IDLE)
                standby_ns = power->idle_since_ns + options->standby_timeout_ms * NS_PER_MS;

        *ret_goal = standby_ns < suspend_ns ? POWER_STATE_STANDBY : POWER_STATE_SUSPENDED;
        return MAX(MIN(suspend_ns, standby_ns), power->retry_ns);
}

/* The timer may come too early: commands that come and go do not touch it. */
static void arm_idle(PowerManager *power) {
        PowerState goal;
        uint64_t due_ns;

        if (event_timer_is_armed(&power->idle))
                return;
        due_ns = get_due_ns(power, &goal);
        if (due_ns != TASK_NEVER)
                event_timer_set(&power->idle, due_ns);
}

static void on_idle(EventTimer *timer) {
        PowerManager *power = container_of(timer, PowerManager, idle);
        PowerState goal;
        uint64_t due_ns = get_due_ns(power, &goal);

        if (due_ns == TASK_NEVER)
                return;
        if (now_ns(power) < due_ns || power->n_users > 0)
                event_timer_set(timer, MAX(due_ns, now_ns(power) + NS_PER_MS));
        else
                begin_fall(power, goal);
}

/* The target */

static void power_manager_submit(ScsiTarget *target, ScsiCommand *command) {
        PowerManager *power = container_of(target, PowerManager, target);

        if (lets_through(power, command))
                pass(power, command);
        else if (may_wake(command))
                hold_back(power, command);
        else
                complete(power, command, SCSI_RESULT_BUSY);
}

/* One that waits has nobody else who knows of it. */
static void power_manager_cancel(ScsiTarget *target, ScsiCommand *command) {
        PowerManager *power = container_of(target, PowerManager, target);

        if (command->gate)
                scsi_target_cancel(power->next, command);
        else if (command->state == SCSI_COMMAND_STATE_WAITING)
                complete(power, command, SCSI_RESULT_CANCELLED);
}

ScsiTarget *power_manager_get_target(PowerManager *power) { return &power->target; }

static const ScsiTargetOps power_manager_ops = {
        .submit = power_manager_submit,
        .cancel = power_manager_cancel,
};

/* What others set and ask */

void power_manager_set_options(PowerManager *power, const PowerOptions *options) {
        power->options = *options;
        power->retry_ns = 0;
        power->n_failures = 0;
        event_timer_clear(&power->idle);
        arm_idle(power);
        power->ops->changed(power->userdata);
}

void power_manager_set_unit(PowerManager *power, unsigned lun, bool has_medium, bool can_stop) {
        uint16_t bit = (uint16_t) (1U << lun);

        assert(lun < SCSI_PROCESSOR_LUNS_MAX);

        power->luns_present &= (uint16_t) ~bit;
        power->luns_stoppable &= (uint16_t) ~bit;
        power->luns_refusing &= (uint16_t) ~bit;
        if (has_medium)
                power->luns_present |= bit;
        else
                power->luns_stopped &= (uint16_t) ~bit;
        if (has_medium && can_stop)
                power->luns_stoppable |= bit;
        event_timer_clear(&power->idle);
        arm_idle(power);
}

void power_manager_note_depth(PowerManager *power) {
        scsi_target_take_depth(&power->target, power->next);
}

void power_manager_on_event(PowerManager *power, ErrorHandlerEvent event) {
        switch (event) {
        case ERROR_HANDLER_EVENT_RESET:
                power->target.n_resets = power->next->n_resets;
                if (power_machine_is_open(power->phase))
                        power->luns_stopped = 0;
                return;
        case ERROR_HANDLER_EVENT_TRANSPORT_CHANGED:
                power_manager_note_depth(power);
                return;
        case ERROR_HANDLER_EVENT_FAILED:
        case ERROR_HANDLER_EVENT_GONE:
                if (power->task && !power->is_asked)
                        task_cancel(power->task);
                power_manager_move(power, POWER_EVENT_ENDED);
                power_manager_settle(power);
                return;
        case ERROR_HANDLER_EVENT_MEDIUM_CHANGED:
        case ERROR_HANDLER_EVENT_MODES_CHANGED:
        case ERROR_HANDLER_EVENT_SENSE:
                return;
        case _ERROR_HANDLER_EVENT_MAX:
                break;
        }

        assert_not_reached();
}

PowerState power_manager_get_state(const PowerManager *power) { return power->state; }

bool power_manager_is_asleep(const PowerManager *power) {
        return !power_machine_is_open(power->phase);
}

bool power_manager_can_standby(const PowerManager *power) {
        return !power->traits.avoids_standby &&
               (power->luns_stoppable & ~power->luns_refusing) != 0 &&
               power->luns_stoppable == power->luns_present;
}

bool power_manager_can_suspend(const PowerManager *power) {
        return !power->traits.avoids_suspend && usb_device_can_suspend(power->device);
}

PowerTraits power_manager_get_traits(const PowerManager *power) { return power->traits; }

/* For tasks */

static int await_task(PowerManager *power, Task *task) {
        while (power->task)
                if (task_sleep(task, POLL_NS) < 0)
                        return -ECANCELED;
        return power->phase == POWER_PHASE_ENDED ? -ENODEV : 0;
}

static int await_awake(PowerManager *power, Task *task, bool with_media) {
        while (power_manager_is_asleep(power)) {
                if (power->phase == POWER_PHASE_STANDBY && !with_media && !power->task)
                        return 0;
                power->wants_medium |= with_media;
                if (power->wanted_ns == 0)
                        power->wanted_ns = now_ns(power);
                if (!power->task)
                        begin_wake(power);
                if (task_sleep(task, POLL_NS) < 0)
                        return -ECANCELED;
        }
        return 0;
}

int power_manager_wake(PowerManager *power, Task *task) {
        return await_awake(power, task, /* with_media= */ true);
}

static bool can_do(const PowerManager *power, PowerState state) {
        return state == POWER_STATE_STANDBY ? power_manager_can_standby(power)
                                            : power_manager_can_suspend(power);
}

/* Others may move it meanwhile. From a suspend there is no way to standby but by waking. */
static int await_turn(PowerManager *power, Task *task, PowerState state) {
        int r;

        do {
                r = await_task(power, task);
                if (r < 0 || power->state == state)
                        return r;
                if (power->phase == POWER_PHASE_SUSPENDED)
                        r = await_awake(power, task, /* with_media= */ false);
        } while (r == 0 && power->task);
        return r;
}

static int fall_asked(PowerManager *power, Task *task, PowerState state) {
        int r;

        r = await_turn(power, task, state);
        if (r < 0 || power->state == state)
                return r;
        if (!can_do(power, state))
                return -EOPNOTSUPP;
        if (power->n_holds > 0)
                return -EAGAIN;
        power->task = task;
        power->goal = state;
        power->is_asked = true;
        r = power_transition_fall(power, task);
        power->task = NULL;
        power_manager_settle(power);
        return r;
}

int power_manager_sleep(PowerManager *power, Task *task, PowerState state) {
        uint64_t deadline_ns = now_ns(power) + ASKED_PATIENCE_NS;
        int r;

        assert(state == POWER_STATE_STANDBY || state == POWER_STATE_SUSPENDED);

        /* What was on its way, and what we do beside our clients, is soon over. */
        do
                r = fall_asked(power, task, state);
        while (r == -EAGAIN && now_ns(power) < deadline_ns &&
               task_sleep(task, ASKED_PAUSE_NS) == 0);
        return r == -EAGAIN ? -EBUSY : r;
}

int power_manager_hold(PowerManager *power, Task *task) {
        int r;

        power->n_holds++;
        r = await_task(power, task);
        if (r == 0)
                r = await_awake(power, task, /* with_media= */ false);
        if (r != -ECANCELED)
                return 0;
        power_manager_let_go(power);
        return r;
}

void power_manager_let_go(PowerManager *power) {
        assert(power->n_holds > 0);

        if (--power->n_holds == 0)
                arm_idle(power);
}

/* Whoever drives the device next finds its link awake; its media it starts itself. */
void power_manager_end(PowerManager *power, Task *task) {
        power->n_holds++;
        event_timer_clear(&power->idle);
        if (power->task && !power->is_asked)
                task_cancel(power->task);
        (void) await_task(power, task);
        if (power->is_link_asleep && power->phase != POWER_PHASE_ENDED) {
                power->task = task;
                power->is_asked = true; /* the task is the caller's: it has more to do */
                power_manager_move(power, POWER_EVENT_WANTED);
                power_transition_wake(power, task);
                power->task = NULL;
        }
        power_manager_move(power, POWER_EVENT_ENDED);
        power_manager_settle(power);
}

bool power_manager_is_idle(const PowerManager *power) {
        return !power->task && power->n_passed == 0 && list_is_empty(&power->waiting) &&
               list_is_empty(&power->completed);
}

/* Life */

int power_manager_new(PowerManager **ret, const PowerManagerSetup *setup) {
        _cleanup_(power_manager_freep) PowerManager *power = NULL;
        EventLoop *loop = error_handler_get_target(setup->handler)->loop;
        int r;

        assert(setup->ops->flush && setup->ops->is_clean && setup->ops->changed);

        power = calloc(1, sizeof(*power));
        if (!power)
                return -ENOMEM;
        power->phase = POWER_PHASE_ENDED; /* if it is not finished */
        list_init(&power->waiting);
        list_init(&power->completed);
        event_defer_init(&power->defer, loop, on_defer);
        r = event_timer_init(&power->deadline, loop, on_deadline);
        if (r == 0)
                r = event_timer_init(&power->idle, loop, on_idle);
        if (r < 0)
                return r;

        power->handler = setup->handler;
        power->next = error_handler_get_target(setup->handler);
        power->target = *power->next;
        power->target.ops = &power_manager_ops;
        power->device = setup->device;
        power->traits = setup->traits;
        power->options = setup->options;
        power->statistics = setup->statistics;
        power->ops = setup->ops;
        power->userdata = setup->userdata;
        power->phase = POWER_PHASE_UNKNOWN;
        power->since_ns = power->idle_since_ns = now_ns(power);
        power->n_wakes_below = error_handler_get_statistics(setup->handler)->n_wakes;
        *ret = TAKE_PTR(power);
        return 0;
}

PowerManager *power_manager_free(PowerManager *power) {
        if (!power)
                return NULL;

        assert(power->phase == POWER_PHASE_ENDED);
        assert(power_manager_is_idle(power));
        if (power->deadline.loop)
                event_timer_done(&power->deadline);
        if (power->idle.loop)
                event_timer_done(&power->idle);
        event_defer_cancel(&power->defer);
        free(power);
        return NULL;
}
