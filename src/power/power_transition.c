/*
 * Commands of ours go to the error handler at once, past the closed gate, and are not tried again by
 * it: what comes back says how the device bears this. One that breaks over it is recovered by the
 * error handler as ever, and is not asked again.
 */

#include "power/power_transition.h"

#include <errno.h>

#include "base/log.h"

#define POLL_NS NS_PER_MS
/* What is under way before a sleep has its own deadline; this is for what never comes home. */
#define DRAIN_TIMEOUT_NS (10 * NS_PER_S)
/* A disk writes its cache down before it stops. Who wants the device meanwhile has time left for a
 * recovery of it. */
#define STOP_TIMEOUT_NS (10 * NS_PER_S)
/* A disk that does not keep to IMMED spins up meanwhile. Likewise. */
#define START_TIMEOUT_NS (20 * NS_PER_S)
/* Then nobody waits for it any more: commands are sent, and told what the device says. */
#define READY_TIMEOUT_NS (60 * NS_PER_S)
#define READY_POLL_NS (100 * NS_PER_MS)
/* A device that was just resumed answers at once or not at all. */
#define PROBE_TIMEOUT_NS (3 * NS_PER_S)
/* UNIT ATTENTION comes once for each event that the device has to tell. */
#define TRIES_MAX 5
#define RESUMES_MAX 2
#define STARTS_MAX 2

#define ASC_NOT_READY 0x04
#define ASC_NO_MEDIUM 0x3A
#define ASCQ_BECOMING_READY 0x01
/* SBC-3, 5.25. */
#define POWER_CONDITION_STANDBY 0x30

typedef enum Outcome {
        OUTCOME_DONE,
        OUTCOME_MISSING, /* there is nothing to be stopped or started */
        OUTCOME_REFUSED, /* it does not know the command */
        OUTCOME_FAILED,
        OUTCOME_BROKEN, /* it did not answer, or not properly */
        OUTCOME_OVER,   /* gone, or the task was cancelled */
} Outcome;

static uint64_t now_ns(const PowerManager *power) { return event_loop_now_ns(power->target.loop); }

static bool has_ended(const PowerManager *power) { return power->phase == POWER_PHASE_ENDED; }

static Outcome judge(const ScsiCommand *command) {
        switch (command->result) {
        case SCSI_RESULT_GOOD:
                return OUTCOME_DONE;
        case SCSI_RESULT_CHECK_CONDITION:
                if (command->sense.key == SCSI_SENSE_KEY_ILLEGAL_REQUEST)
                        return OUTCOME_REFUSED;
                if (command->sense.key == SCSI_SENSE_KEY_RECOVERED_ERROR)
                        return OUTCOME_DONE;
                return command->sense.key == SCSI_SENSE_KEY_NOT_READY &&
                                                       command->sense.asc == ASC_NO_MEDIUM
                                       ? OUTCOME_MISSING
                                       : OUTCOME_FAILED;
        case SCSI_RESULT_BUSY:
        case SCSI_RESULT_RESERVED:
        case SCSI_RESULT_NO_MEMORY:
                return OUTCOME_FAILED;
        case SCSI_RESULT_INVALID: /* its own description of itself has no such command */
                return OUTCOME_REFUSED;
        case SCSI_RESULT_TRANSPORT_ERROR:
        case SCSI_RESULT_TIMED_OUT:
                return OUTCOME_BROKEN;
        case SCSI_RESULT_CANCELLED:
        case SCSI_RESULT_GONE:
                return OUTCOME_OVER;
        case _SCSI_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

static ScsiResult send(PowerManager *power, Task *task, ScsiCommand *command) {
        command->flags = SCSI_COMMAND_NO_RETRY;
        return scsi_target_await(power->next, task, command);
}

/* START STOP UNIT, with byte 4 as it is. */
static Outcome start_stop(PowerManager *power, Task *task, unsigned lun, bool starts,
                          uint8_t condition) {
        unsigned n_tries = 0;
        ScsiCommand command;
        ScsiResult result;

        do {
                scsi_command_init(&command, (uint8_t) lun,
                                  now_ns(power) + (starts ? START_TIMEOUT_NS : STOP_TIMEOUT_NS));
                scsi_command_start_stop(&command, starts, /* load_eject= */ false,
                                        /* immediate= */ starts);
                command.request.command[4] |= condition;
                result = send(power, task, &command);
        } while (result == SCSI_RESULT_CHECK_CONDITION &&
                 command.sense.key == SCSI_SENSE_KEY_UNIT_ATTENTION && ++n_tries < TRIES_MAX);
        return judge(&command);
}

/* The reset of a port wakes what is behind it. One that is being recovered anyway is waited for. */
static void reset_port(PowerManager *power, Task *task) {
        ErrorHandlerState state;
        int r;

        r = error_handler_reset(power->handler, 0, TRANSPORT_RECOVERY_PORT_RESET);
        if (r < 0 && r != -EAGAIN)
                return;
        do {
                state = error_handler_get_state(power->handler);
        } while ((state == ERROR_HANDLER_STATE_DRAINING ||
                  state == ERROR_HANDLER_STATE_RECOVERING) &&
                 task_sleep(task, POLL_NS) == 0);
}

/* Waking the media */

static bool is_becoming_ready(const ScsiCommand *command) {
        if (command->result == SCSI_RESULT_BUSY)
                return true;
        if (command->result != SCSI_RESULT_CHECK_CONDITION)
                return false;
        return command->sense.key == SCSI_SENSE_KEY_UNIT_ATTENTION ||
               (command->sense.key == SCSI_SENSE_KEY_NOT_READY &&
                command->sense.asc == ASC_NOT_READY && command->sense.ascq == ASCQ_BECOMING_READY);
}

/* False: it is not ready after all that time, or broke. */
static bool await_ready(PowerManager *power, Task *task, unsigned lun) {
        uint64_t deadline_ns = now_ns(power) + READY_TIMEOUT_NS;
        ScsiCommand command;

        for (;;) {
                scsi_command_init(&command, (uint8_t) lun, now_ns(power) + START_TIMEOUT_NS);
                scsi_command_test_unit_ready(&command);
                send(power, task, &command);
                if (!is_becoming_ready(&command))
                        return judge(&command) == OUTCOME_DONE;
                if (now_ns(power) >= deadline_ns || task_sleep(task, READY_POLL_NS) < 0)
                        return false;
        }
}

/* All begin to turn at once, then each is awaited. False: not all do. */
static bool start_units(PowerManager *power, Task *task, uint16_t luns) {
        uint16_t luns_started = 0;
        bool is_broken = false;

        for (unsigned lun = 0; luns >> lun != 0 && !has_ended(power); lun++) {
                Outcome outcome;

                if (!(luns >> lun & 1))
                        continue;
                outcome = start_stop(power, task, lun, /* starts= */ true, 0);
                is_broken |= outcome == OUTCOME_BROKEN || outcome == OUTCOME_FAILED;
                if (outcome == OUTCOME_DONE)
                        luns_started |= (uint16_t) (1U << lun);
        }
        for (unsigned lun = 0; luns_started >> lun != 0 && !has_ended(power); lun++)
                if (luns_started >> lun & 1)
                        is_broken |= !await_ready(power, task, lun);
        return !is_broken;
}

/* What does not even start after a reset has the commands find out. */
static void start_media(PowerManager *power, Task *task) {
        uint16_t luns = power->luns_stopped;

        if (luns == 0)
                return;
        power->statistics->n_spin_ups++;
        for (unsigned n = 0; n < STARTS_MAX && !start_units(power, task, luns); n++) {
                if (has_ended(power) || task_is_cancelled(task))
                        break;
                power_manager_learn(power, /* no_standby= */ true, /* no_suspend= */ false);
                reset_port(power, task);
        }
        power->luns_stopped &= (uint16_t) ~luns;
}

/* Waking the link */

static UsbResult operate(PowerManager *power, Task *task, UsbOperationType type) {
        UsbOperation operation = { .type = type };

        return usb_device_await_operation(task, power->device, &operation);
}

/* Found out here and not by a command that somebody waits for. */
static bool answers(PowerManager *power, Task *task) {
        ScsiCommand command;

        scsi_command_init(&command, 0, now_ns(power) + PROBE_TIMEOUT_NS);
        scsi_command_test_unit_ready(&command);
        send(power, task, &command);
        return judge(&command) != OUTCOME_BROKEN;
}

static void wake_link(PowerManager *power, Task *task) {
        bool is_broken = false;

        for (unsigned n = 0; power->is_link_asleep && n < RESUMES_MAX; n++) {
                UsbResult result = operate(power, task, USB_OPERATION_RESUME);

                if (result == USB_RESULT_OK || has_ended(power)) {
                        power->is_link_asleep = false;
                        break;
                }
                is_broken = true;
                reset_port(power, task);
        }
        /* Nobody can do more. */
        power->is_link_asleep = false;
        if (has_ended(power))
                return;
        is_broken |= !answers(power, task);
        if (is_broken && !has_ended(power))
                power_manager_learn(power, /* no_standby= */ false, /* no_suspend= */ true);
}

/* What the media do decides in which way it is awake. */
static void conclude(PowerManager *power) {
        bool is_stopped = power->luns_present != 0 &&
                          (power->luns_present & ~power->luns_stopped) == 0;

        power_manager_move(power, is_stopped ? POWER_EVENT_STOPPED : POWER_EVENT_WOKEN);
}

void power_transition_wake(PowerManager *power, Task *task) {
        if (power->is_link_asleep)
                wake_link(power, task);
        if (power->luns_stopped != 0 && power_manager_wants_medium(power) && !has_ended(power))
                start_media(power, task);
        if (power->wanted_ns != 0)
                storage_histogram_record(&power->statistics->wake_latency,
                                         now_ns(power) - power->wanted_ns);
        power->wanted_ns = 0;
        power->wants_medium = false;
        power->idle_since_ns = now_ns(power);
        conclude(power);
}

/* Falling asleep */

static bool is_clean(const PowerManager *power) {
        return power->ops->is_clean(power->was_written, power->userdata);
}

/* The gate is open meanwhile: what comes to be written is flushed, and who reads uses the device. */
static int flush(PowerManager *power, Task *task) {
        int r;

        power->was_read = power->was_written = false;
        /* Before they stop, media take in what is in their cache (SBC-3, 5.25). */
        if (power->phase == POWER_PHASE_STANDBY)
                return is_clean(power) ? 0 : -EAGAIN;
        r = power->ops->flush(task, power->is_asked, power->userdata);
        if (r < 0)
                return r;
        if (has_ended(power))
                return -ENODEV;
        if (power->n_users > 0 || (power->was_read && !power->is_asked))
                return -EAGAIN;
        return is_clean(power) ? 0 : -EAGAIN;
}

static bool is_drained(const PowerManager *power) {
        return power->n_passed == 0 && error_handler_is_idle(power->handler) &&
               usb_device_is_quiet(power->device);
}

static int drain(PowerManager *power, Task *task) {
        uint64_t deadline_ns = now_ns(power) + DRAIN_TIMEOUT_NS;

        while (!is_drained(power) && !has_ended(power) && !power_manager_is_wanted(power)) {
                if (now_ns(power) >= deadline_ns)
                        return -EIO;
                if (task_sleep(task, POLL_NS) < 0)
                        return -ECANCELED;
        }
        if (has_ended(power))
                return -ENODEV;
        if (power_manager_is_wanted(power) || !is_clean(power))
                return -EAGAIN;
        return error_handler_get_state(power->handler) == ERROR_HANDLER_STATE_NORMAL ? 0 : -EIO;
}

/* By the bit that all know; one that does not may know the condition. */
static Outcome stop_unit(PowerManager *power, Task *task, unsigned lun) {
        Outcome outcome = start_stop(power, task, lun, /* starts= */ false, 0);

        if (outcome == OUTCOME_REFUSED)
                outcome = start_stop(power, task, lun, /* starts= */ false,
                                     POWER_CONDITION_STANDBY);
        return outcome;
}

static int note_stop(PowerManager *power, unsigned lun, Outcome outcome) {
        uint16_t bit = (uint16_t) (1U << lun);

        switch (outcome) {
        case OUTCOME_DONE:
        case OUTCOME_MISSING:
                power->luns_stopped |= bit;
                return 0;
        case OUTCOME_REFUSED:
                power->luns_refusing |= bit;
                if ((power->luns_stoppable & ~power->luns_refusing) == 0)
                        power_manager_learn(power, /* no_standby= */ true,
                                            /* no_suspend= */ false);
                return -EOPNOTSUPP;
        case OUTCOME_FAILED:
                return -EIO;
        case OUTCOME_BROKEN:
                power_manager_learn(power, /* no_standby= */ true, /* no_suspend= */ false);
                return -EIO;
        case OUTCOME_OVER:
                return has_ended(power) ? -ENODEV : -ECANCELED;
        }

        assert_not_reached();
}

static int stop_media(PowerManager *power, Task *task) {
        int result = 0;

        for (unsigned lun = 0; power->luns_stoppable >> lun != 0; lun++) {
                uint16_t bit = (uint16_t) (1U << lun);

                if (!(power->luns_stoppable & ~power->luns_refusing & ~power->luns_stopped & bit))
                        continue;
                if (power_manager_is_wanted(power))
                        return -EAGAIN;
                result = note_stop(power, lun, stop_unit(power, task, lun));
                if (result < 0 && result != -EOPNOTSUPP)
                        return result;
        }
        return power->luns_stopped == 0 ? -EOPNOTSUPP : 0;
}

static int suspend(PowerManager *power, Task *task) {
        switch (operate(power, task, USB_OPERATION_SUSPEND)) {
        case USB_RESULT_OK:
                power->is_link_asleep = true;
                power->statistics->n_suspends++;
                return 0;
        case USB_RESULT_GONE:
                return -ENODEV;
        case USB_RESULT_STALL:
        case USB_RESULT_OVERFLOW:
        case USB_RESULT_TIMED_OUT:
        case USB_RESULT_CANCELLED:
        case USB_RESULT_NO_MEMORY:
        case USB_RESULT_ERROR:
                return -EIO;
        case _USB_RESULT_MAX:
                break;
        }

        assert_not_reached();
}

static bool is_failure(int result) {
        return result < 0 && result != -EAGAIN && result != -ECANCELED && result != -ENODEV;
}

/* One that stopped in part is started again. */
static void give_up(PowerManager *power, Task *task, uint16_t luns_stopped_before) {
        if (power->luns_stopped != luns_stopped_before && !has_ended(power))
                start_media(power, task);
        conclude(power);
}

int power_transition_fall(PowerManager *power, Task *task) {
        uint16_t luns_stopped_before = power->luns_stopped;
        int r;

        power->wanted_ns = 0;
        r = flush(power, task);
        if (r == 0) {
                power_manager_move(power, POWER_EVENT_FALL);
                assert(power->phase == POWER_PHASE_FALLING);
                r = drain(power, task);
                if (r == 0 && power->goal == POWER_STATE_STANDBY)
                        r = stop_media(power, task);
                else if (r == 0)
                        r = suspend(power, task);
                if (r < 0)
                        give_up(power, task, luns_stopped_before);
        }
        power->statistics->n_sleep_failures += is_failure(r);
        if (r < 0) {
                power->wanted_ns = 0;
                power->wants_medium = false;
                return r;
        }

        power->n_failures = 0;
        power->retry_ns = 0;
        power->statistics->n_standbys += power->goal == POWER_STATE_STANDBY;
        power_manager_move(power, power->goal == POWER_STATE_STANDBY ? POWER_EVENT_STOPPED
                                                                     : POWER_EVENT_SUSPENDED);
        return 0;
}
