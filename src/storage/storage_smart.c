/*
 * A poll is a task of its own, so that who asked for it may leave: a command in flight is not given up
 * for that, as the device would have to be recovered from it.
 */

#include "storage/storage_smart.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "storage/storage_manager_internal.h"

/* After a unit has come; a shorter period counts more. */
#define FIRST_NS (1 * NS_PER_S)
/* Nobody has wanted anything of the device for so long. */
#define QUIET_NS (1 * NS_PER_S)
/* A device that is never quiet is asked all the same when so many periods are over. */
#define OVERDUE_PERIODS 4
/* A drive that turns, and that nobody has used meanwhile, is left alone for so many of them: whoever
 * talks to it may keep it from going to sleep by itself. */
#define UNUSED_PERIODS 6
/* No drive goes to sleep by itself that soon after it was used. */
#define AWAKE_NS (60 * NS_PER_S)
/* How a self-test gets on is asked for so often, and whether somebody has woken a drive. */
#define TEST_PERIOD_NS (60 * NS_PER_S)
/* A command that is under way may end by itself before it is given up. */
#define END_GRACE_NS (2 * NS_PER_S)
#define TURN_POLL_NS (10 * NS_PER_MS)
#define TIMEOUT_DEFAULT_NS (60 * NS_PER_S)

void storage_smart_init(StorageSmart *smart, const ControlSmartOptions *options) {
        *smart = (StorageSmart){ .options = *options };
}

/* The monitor's handlers */

static StorageStack *get_stack(StorageManager *manager) {
        assert(manager->stack);
        return manager->stack;
}

static void on_hold(void *userdata) { storage_stack_hold(get_stack(userdata)); }

static void on_release(void *userdata) { storage_stack_release(get_stack(userdata)); }

static void on_told(const ScsiCommand *command, void *userdata) {
        StorageManager *manager = userdata;

        storage_unit_note_told(&manager->units[command->request.lun], command);
        storage_manager_wake(manager);
}

static bool on_must_end(void *userdata) { return ((StorageManager *) userdata)->smart.must_end; }

static const SmartMonitorHandlers monitor_handlers = {
        .hold = on_hold,
        .release = on_release,
        .told = on_told,
        .must_end = on_must_end,
};

/* Units */

/* What has no drive of its own behind it is not asked: floppies, discs. */
static bool is_drive(const StorageManager *manager, const StorageUnit *unit) {
        return unit->is_open && unit->is_announced && unit->lun_device &&
               (unit->disk.device_type == SCSI_DEVICE_TYPE_DISK ||
                unit->disk.device_type == SCSI_DEVICE_TYPE_RBC) &&
               storage_stack_get_command_set(manager->stack) == SCSI_COMMAND_SET_FULL;
}

static SmartIdentity get_identity(const ScsiDisk *disk) {
        SmartIdentity identity = {
                .capacity_bytes = { true, scsi_disk_get_size(disk) },
                .rotation_rpm = { disk->is_rotation_known && !disk->is_rotational, 0 },
        };

        snprintf(identity.model, sizeof(identity.model), "%s%s%s", disk->vendor,
                 disk->vendor[0] != '\0' && disk->product[0] != '\0' ? " " : "", disk->product);
        snprintf(identity.serial, sizeof(identity.serial), "%.*s",
                 (int) sizeof(identity.serial) - 1, disk->serial);
        snprintf(identity.firmware, sizeof(identity.firmware), "%s", disk->revision);
        return identity;
}

static void init_monitor(StorageManager *manager, const StorageUnit *unit,
                         StorageSmartUnit *smart_unit) {
        const UsbDescriptors *descriptors =
                        usb_device_get_descriptors(storage_stack_get_device(manager->stack));
        SmartMonitorOptions options = {
                .name = unit->name,
                .lun = (uint8_t) unit->lun,
                .vendor_id = descriptors->vendor_id,
                .product_id = descriptors->product_id,
                .device_bcd = descriptors->device_version,
                /* As udev has it: what can be taken out is a card or a stick, as a rule. */
                .may_probe = !unit->disk.is_removable,
                .is_given_up = manager->facts.known.facts & USB_FACT_NO_SMART,
                .identity = get_identity(&unit->disk),
        };

        options.has_bridge =
                        control_smart_options_get_bridge(&manager->smart.options, &options.bridge);
        smart_monitor_init(&smart_unit->monitor, &options, &monitor_handlers, manager);
}

static void tell(StorageManager *manager, unsigned lun, int error) {
        const SmartMonitor *monitor = &manager->smart.units[lun].monitor;
        ControlSmart *told = &manager->smart.told;

        memset(told, 0, sizeof(*told));
        told->lun = lun;
        told->error = error;
        told->n_asked = monitor->n_asked;
        told->verdict = monitor->verdict;
        told->data = monitor->data;
        snprintf(told->way, sizeof(told->way), "%s", smart_monitor_describe_way(monitor));
        if (manager->handlers->smart_told)
                manager->handlers->smart_told(manager, told, manager->userdata);
}

/* The same drive is known as it was, however the device is attached. */
static void refresh(StorageManager *manager, const StorageUnit *unit,
                    StorageSmartUnit *smart_unit) {
        SmartMonitor former = smart_unit->monitor;
        bool is_same = smart_unit->generation == unit->generation;

        init_monitor(manager, unit, smart_unit);
        if (is_same) {
                smart_unit->monitor.n_asked = former.n_asked;
                smart_unit->monitor.data = former.data;
                smart_unit->monitor.verdict = former.verdict;
        } else {
                smart_unit->asked_ns = smart_unit->asleep_ns = 0;
        }
        smart_unit->generation = unit->generation;
        smart_unit->n_attachment = manager->smart.n_attachments;
        smart_unit->next_ns = event_loop_now_ns(manager->loop) +
                              MIN(FIRST_NS, manager->smart.options.period_ms * NS_PER_MS);
        /* Why nothing is known of it. */
        if (smart_unit->monitor.is_given_up)
                tell(manager, unit->lun, -EIO);
}

/* NULL: there is no drive that could be asked. */
static StorageSmartUnit *get_unit(StorageManager *manager, unsigned lun) {
        StorageSmartUnit *smart_unit = &manager->smart.units[lun];
        const StorageUnit *unit = &manager->units[lun];

        if (!is_drive(manager, unit))
                return NULL;
        if (smart_unit->generation != unit->generation ||
            smart_unit->n_attachment != manager->smart.n_attachments)
                refresh(manager, unit, smart_unit);
        return smart_unit;
}

void storage_smart_set_options(StorageManager *manager, const ControlSmartOptions *options) {
        StorageSmart *smart = &manager->smart;
        bool is_other_way =
                        memcmp(&smart->options.has_bridge, &options->has_bridge,
                               sizeof(*options) - offsetof(ControlSmartOptions, has_bridge)) != 0;
        uint64_t now_ns = event_loop_now_ns(manager->loop);

        smart->options = *options;
        /* What runs has its options already; afterwards the way is looked for anew. */
        if (is_other_way)
                smart->n_attachments++;
        for (unsigned i = 0; i < STORAGE_LUNS_MAX; i++)
                smart->units[i].next_ns = MIN(smart->units[i].next_ns,
                                              now_ns + options->period_ms * NS_PER_MS);
}

/* Jobs */

static bool runs_test(const SmartMonitor *monitor) {
        const SmartTruth *is_running = &monitor->data.self_tests.is_running;

        return is_running->is_known && is_running->value;
}

static uint64_t get_period_ns(const StorageManager *manager, const StorageSmartUnit *unit) {
        uint64_t period_ns = manager->smart.options.period_ms * NS_PER_MS;

        if (runs_test(&unit->monitor))
                return period_ns == 0 ? TEST_PERIOD_NS : MIN(period_ns, TEST_PERIOD_NS);
        return period_ns;
}

static void plan(StorageManager *manager, StorageSmartUnit *unit, int error) {
        uint64_t now_ns = event_loop_now_ns(manager->loop);
        uint64_t period_ns = get_period_ns(manager, unit);

        if (error == 0)
                unit->asked_ns = now_ns;
        unit->asleep_ns = error == -EAGAIN ? now_ns : 0;
        unit->next_ns = period_ns == 0 ? TASK_NEVER : now_ns + period_ns;
}

/* The next worker must know as well. */
static void note_given_up(StorageManager *manager) {
        if (manager->facts.known.facts & USB_FACT_NO_SMART)
                return;
        storage_facts_set_no_smart(&manager->facts);
        manager->facts.next_ns = event_loop_now_ns(manager->loop);
        for (unsigned i = 0; i < STORAGE_LUNS_MAX; i++)
                manager->smart.units[i].monitor.is_given_up = true;
}

/* A test that was refused is no failure of what the drive tells of itself. */
static void tell_of_job(StorageManager *manager, const StorageSmartJob *job, int result) {
        const SmartMonitor *monitor = &manager->smart.units[job->lun].monitor;

        if (result == -EAGAIN || result == -ECANCELED || result == -ENODEV)
                return;
        if (job->is_test && monitor->n_asked > job->n_asked)
                tell(manager, job->lun, 0);
        else if (!job->is_test || monitor->is_given_up || monitor->n_asked == 0)
                tell(manager, job->lun, result);
}

static void on_end(Task *task, int result, void *userdata) {
        StorageManager *manager = userdata;
        StorageSmart *smart = &manager->smart;
        StorageSmartJob *job = &smart->job;
        StorageSmartUnit *unit = &smart->units[job->lun];
        StorageSmartWait *wait = TAKE_PTR(job->wait);

        smart->task = NULL;
        if (unit->monitor.is_given_up)
                note_given_up(manager);
        plan(manager, unit, result);
        tell_of_job(manager, job, result);
        if (wait) {
                memcpy(wait->words, job->words, sizeof(wait->words));
                future_complete(&wait->future, result);
        }
        storage_manager_wake(manager);
}

static int run_test(StorageManager *manager, Task *task, StorageSmartJob *job) {
        ScsiTarget *target = storage_stack_get_target(manager->stack);
        SmartMonitor *monitor = &manager->smart.units[job->lun].monitor;
        int r;

        r = job->self_test == CONTROL_SELF_TEST_ABORT
                            ? smart_monitor_abort_test(monitor, task, target, job->words)
                            : smart_monitor_start_test(monitor, task, target,
                                                       (SmartSelfTestKind) job->self_test,
                                                       job->words);
        /* That it runs is told at once. */
        return r < 0 ? r : smart_monitor_poll(monitor, task, target, SMART_MONITOR_MAY_WAKE);
}

static int run_job(StorageManager *manager, Task *task, StorageSmartJob *job) {
        if (job->is_test)
                return run_test(manager, task, job);
        return smart_monitor_poll(&manager->smart.units[job->lun].monitor, task,
                                  storage_stack_get_target(manager->stack), job->flags);
}

/* The gate could not move a device whose processor is held: it is awake, and stays so. */
static int run(Task *task, void *userdata) {
        StorageManager *manager = userdata;
        StorageSmartJob *job = &manager->smart.job;
        PowerManager *gate = storage_stack_get_power(manager->stack);
        bool may_wake = job->is_test || (job->flags & SMART_MONITOR_MAY_WAKE);
        int r;

        if (power_manager_is_asleep(gate) && !may_wake)
                return -EAGAIN;
        r = power_manager_hold(gate, task);
        if (r < 0)
                return r;
        r = may_wake ? power_manager_wake(gate, task) : 0;
        if (r == 0)
                r = run_job(manager, task, job);
        power_manager_let_go(gate);
        return r;
}

/* None runs. -ENOMEM. */
static int start(StorageManager *manager, const StorageSmartJob *job) {
        StorageSmart *smart = &manager->smart;

        assert(!smart->task);

        smart->job = *job;
        smart->job.n_asked = smart->units[job->lun].monitor.n_asked;
        return task_start(&smart->task, manager->loop, "smart", run, on_end, manager);
}

/* By itself */

static bool was_used_since(const StorageManager *manager, unsigned lun, uint64_t since_ns) {
        return error_handler_get_good_ns(storage_stack_get_error_handler(manager->stack),
                                         (uint8_t) lun) > since_ns;
}

/* What tests itself turns as well. */
static bool is_surely_awake(const StorageManager *manager, unsigned lun) {
        uint64_t now_ns = event_loop_now_ns(manager->loop);

        if (runs_test(&manager->smart.units[lun].monitor))
                return true;
        return was_used_since(manager, lun, now_ns > AWAKE_NS ? now_ns - AWAKE_NS : 0);
}

/* It turns, as far as is known, and has nothing new to tell. */
static bool is_left_alone(const StorageManager *manager, const StorageUnit *unit,
                          const StorageSmartUnit *smart_unit) {
        const ScsiDisk *disk = &unit->disk;
        uint64_t since_ns = MAX(smart_unit->asked_ns, smart_unit->asleep_ns);

        if ((disk->is_rotation_known && !disk->is_rotational) || since_ns == 0 ||
            runs_test(&smart_unit->monitor))
                return false;
        return !was_used_since(manager, unit->lun, since_ns) &&
               event_loop_now_ns(manager->loop) - since_ns <
                               UNUSED_PERIODS * manager->smart.options.period_ms * NS_PER_MS;
}

static bool is_quiet(const StorageManager *manager) {
        ErrorHandler *handler = storage_stack_get_error_handler(manager->stack);
        uint64_t now_ns = event_loop_now_ns(manager->loop);

        if (!error_handler_is_idle(handler))
                return false;
        for (unsigned i = 0; i < manager->n_units; i++)
                if (was_used_since(manager, i, now_ns > QUIET_NS ? now_ns - QUIET_NS : 0))
                        return false;
        return true;
}

static bool is_overdue(const StorageManager *manager, const StorageSmartUnit *unit) {
        uint64_t patience_ns = OVERDUE_PERIODS * get_period_ns(manager, unit);

        return event_loop_now_ns(manager->loop) - unit->next_ns >= patience_ns;
}

/* Until when there is nothing to do for it; now: it is asked. */
static uint64_t tend_unit(StorageManager *manager, unsigned lun) {
        StorageSmartUnit *smart_unit = get_unit(manager, lun);
        uint64_t now_ns = event_loop_now_ns(manager->loop);

        if (!smart_unit || get_period_ns(manager, smart_unit) == 0 ||
            smart_unit->monitor.is_given_up || smart_unit->monitor.way == SMART_WAY_NONE)
                return TASK_NEVER;
        if (smart_unit->next_ns > now_ns)
                return smart_unit->next_ns;
        if (is_left_alone(manager, &manager->units[lun], smart_unit)) {
                smart_unit->next_ns = now_ns + get_period_ns(manager, smart_unit);
                return smart_unit->next_ns;
        }
        if (manager->units[lun].is_exclusive ||
            (!is_quiet(manager) && !is_overdue(manager, smart_unit)))
                return now_ns + MIN(QUIET_NS, get_period_ns(manager, smart_unit));
        return now_ns;
}

uint64_t storage_smart_tend(StorageManager *manager) {
        uint64_t now_ns = event_loop_now_ns(manager->loop);
        uint64_t next_ns = TASK_NEVER;

        /* Its end wakes whoever calls, and so does a device that wakes. */
        if (manager->smart.task || storage_power_is_asleep(manager))
                return TASK_NEVER;
        for (unsigned i = 0; i < manager->n_units; i++) {
                uint64_t unit_ns = tend_unit(manager, i);

                if (unit_ns > now_ns) {
                        next_ns = MIN(next_ns, unit_ns);
                        continue;
                }
                if (start(manager, &(StorageSmartJob){
                                                   .lun = i,
                                                   .flags = is_surely_awake(manager, i)
                                                                            ? SMART_MONITOR_IS_AWAKE
                                                                            : 0,
                                   }) == 0)
                        return TASK_NEVER;
                next_ns = MIN(next_ns, now_ns + QUIET_NS);
        }
        return next_ns;
}

/* By request */

static void on_wait_cancel(Future *future) {
        StorageSmartWait *wait = container_of(future, StorageSmartWait, future);

        assert(wait->manager->smart.job.wait == wait);

        wait->manager->smart.job.wait = NULL;
        future_complete(future, -ECANCELED);
}

static void fill_job(const StorageRequest *request, StorageSmartJob *job) {
        const ControlRequest *asked = &request->request;
        StorageManager *manager = request->manager;

        *job = (StorageSmartJob){
                .lun = asked->lun,
                .flags = SMART_MONITOR_LOOK_AGAIN | SMART_MONITOR_MAY_WAKE,
                .is_test = asked->kind == CONTROL_REQUEST_KIND_SMART_TEST,
                .self_test = asked->self_test,
        };
        if (asked->flags & CONTROL_REQUEST_NO_WAKE)
                job->flags = SMART_MONITOR_LOOK_AGAIN |
                             (is_surely_awake(manager, asked->lun) ? SMART_MONITOR_IS_AWAKE : 0);
}

/* The words that the monitor has none for. */
static const char *explain(int error) {
        switch (error) {
        case -EAGAIN:
                return "the drive sleeps";
        case -EOPNOTSUPP:
                return "no way to the drive is known";
        case -EIO:
                return "the device broke over being asked";
        case -EBUSY:
                return "the device is busy";
        default: /* any other error says it all */
                return "";
        }
}

static int await_turn(StorageRequest *request, Task *task, uint64_t end_ns) {
        StorageManager *manager = request->manager;

        while (manager->smart.task || manager->is_tending ||
               manager->units[request->request.lun].is_exclusive) {
                if (event_loop_now_ns(manager->loop) >= end_ns)
                        return -ETIMEDOUT;
                if (task_sleep(task, TURN_POLL_NS) < 0)
                        return -ECANCELED;
        }
        return 0;
}

int storage_smart_run(StorageRequest *request, Task *task) {
        StorageManager *manager = request->manager;
        uint64_t timeout_ns = request->request.timeout_ms * NS_PER_MS ?: TIMEOUT_DEFAULT_NS;
        uint64_t end_ns = event_loop_now_ns(manager->loop) + timeout_ns;
        StorageSmartWait wait = { .manager = manager };
        StorageSmartJob job;
        int r;

        r = await_turn(request, task, end_ns);
        if (r < 0)
                return r;
        if (!get_unit(manager, request->request.lun))
                return manager->units[request->request.lun].is_open ? -EOPNOTSUPP : -ENOMEDIUM;
        fill_job(request, &job);
        future_init(&wait.future, manager->loop, on_wait_cancel);
        job.wait = &wait;
        r = start(manager, &job);
        if (r < 0)
                return r;
        r = task_await(task, &wait.future, end_ns);
        snprintf(request->reply.words, sizeof(request->reply.words), "%s",
                 r < 0 && wait.words[0] == '\0' ? explain(r) : wait.words);
        return r;
}

/* Ending */

void storage_smart_end(StorageManager *manager, Task *task) {
        StorageSmart *smart = &manager->smart;
        uint64_t deadline_ns = event_loop_now_ns(manager->loop) + END_GRACE_NS;

        smart->must_end = true;
        while (smart->task)
                if (storage_manager_wait(manager, task, deadline_ns) == -ETIMEDOUT) {
                        task_cancel(smart->task);
                        deadline_ns = TASK_NEVER;
                }
        smart->must_end = false;
        smart->n_attachments++;
}
