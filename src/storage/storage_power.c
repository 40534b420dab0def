/* What is counted by the gate counts on in memory that outlives it, so that a device which comes
 * back goes on where it was. */

#include "storage/storage_power.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "storage/storage_manager_internal.h"
#include "usb/usb_descriptors.h"

#define PERIOD_NS (1 * NS_PER_S)
/* Before a sleep that nobody has asked for: what takes longer is no idle device. */
#define FLUSH_TIMEOUT_NS (60 * NS_PER_S)

static PowerManager *get_gate(const StorageManager *manager) {
        return manager->stack ? storage_stack_get_power(manager->stack) : NULL;
}

bool storage_power_is_asleep(const StorageManager *manager) {
        const PowerManager *gate = get_gate(manager);

        return gate && power_manager_is_asleep(gate);
}

/* Before sleep */

/* Whether somebody waits for a medium: in a slot that is empty nobody notices one while the device
 * sleeps, and a unit that did not answer is looked at again. */
static bool waits_for_medium(const StorageUnit *unit) {
        return (unit->medium.is_watched && !unit->medium.is_present) ||
               storage_unit_is_hoped_for(unit);
}

/* Whether somebody does what goes past the gate, or will. */
static bool is_no_time_to_sleep(const StorageManager *manager, bool is_asked) {
        if (manager->state != STORAGE_STATE_RUNNING || storage_manager_must_end(manager))
                return true;
        if (is_asked)
                return false;
        if (manager->is_tending || manager->requests.n > 0 || manager->luns_retry_ns != 0)
                return true;
        for (unsigned i = 0; i < manager->n_units; i++)
                if (waits_for_medium(&manager->units[i]))
                        return true;
        return false;
}

static int flush_unit(StorageManager *manager, Task *task, StorageUnit *unit) {
        int r;

        unit->n_requests++;
        r = storage_manager_flush(manager, task, unit,
                                  event_loop_now_ns(manager->loop) + FLUSH_TIMEOUT_NS);
        unit->n_requests--;
        storage_manager_wake(manager);
        return r;
}

static int on_flush(Task *task, bool is_asked, void *userdata) {
        StorageManager *manager = userdata;
        int r;

        if (is_no_time_to_sleep(manager, is_asked))
                return -EAGAIN;
        for (unsigned i = 0; i < manager->n_units; i++) {
                StorageUnit *unit = &manager->units[i];

                if (!unit->is_open || !unit->is_announced || unit->is_exclusive)
                        continue;
                r = flush_unit(manager, task, unit);
                if (r < 0) {
                        if (r != -ECANCELED)
                                log_device_warning(unit->name,
                                                   "It stays awake, as it can't be flushed: %s",
                                                   strerror(-r));
                        return r;
                }
        }
        return 0;
}

static bool on_is_clean(bool was_written, void *userdata) {
        const StorageManager *manager = userdata;

        /* A cache knows what it has written and not flushed; without one nobody does. */
        if (was_written && !manager->cache)
                return false;
        for (unsigned i = 0; i < manager->n_units; i++)
                if (manager->units[i].is_open && storage_unit_get_kept_size(&manager->units[i]) > 0)
                        return false;
        return true;
}

/* Telling */

static void describe(StorageManager *manager, ControlPower *ret) {
        PowerManager *gate = get_gate(manager);

        memset(ret, 0, sizeof(*ret));
        ret->options = manager->options.power;
        if (gate) {
                const UsbDescriptors *descriptors = usb_device_get_descriptors(
                                storage_stack_get_device(manager->stack));

                power_manager_count_time(gate);
                ret->state = power_manager_get_state(gate);
                ret->can_suspend = power_manager_can_suspend(gate);
                ret->can_standby = power_manager_can_standby(gate);
                ret->max_power_ma = descriptors->max_power_ma;
                ret->is_self_powered = descriptors->is_self_powered;
        }
        ret->statistics = manager->collector.stack.power;
}

/* The time that passes is no news. */
static bool is_same(const ControlPower *a, const ControlPower *b) {
        ControlPower other = *b;

        memcpy(other.statistics.time_ns, a->statistics.time_ns, sizeof(other.statistics.time_ns));
        return memcmp(a, &other, sizeof(other)) == 0;
}

static bool is_sleep(uint32_t state) {
        return state == POWER_STATE_STANDBY || state == POWER_STATE_SUSPENDED;
}

static void tell(StorageManager *manager) {
        StoragePower *power = &manager->power;
        ControlPower now;

        describe(manager, &now);
        if (power->has_told && is_same(&now, &power->told))
                return;
        power->told = now;
        power->has_told = true;
        power->told_ns = event_loop_now_ns(manager->loop);
        if (manager->handlers->power_changed)
                manager->handlers->power_changed(manager, &power->told, manager->userdata);
}

static void on_timer(EventTimer *timer) { tell(container_of(timer, StorageManager, power.timer)); }

void storage_power_tell(StorageManager *manager) {
        manager->power.is_brought_up = true;
        event_timer_clear(&manager->power.timer);
        tell(manager);
}

void storage_power_finish(StorageManager *manager) {
        if (manager->power.is_brought_up)
                storage_power_tell(manager);
        manager->power.is_brought_up = false;
}

static void note_traits(StorageManager *manager, const PowerManager *gate) {
        PowerTraits traits = power_manager_get_traits(gate);
        PowerTraits *known = &manager->power.known;

        if (traits.avoids_standby && !known->avoids_standby)
                log_device_warning(manager->name, "It does not bear that its media are stopped: "
                                                  "that is not done again");
        if (traits.avoids_suspend && !known->avoids_suspend)
                log_device_warning(manager->name, "It does not come back from a suspend as it "
                                                  "should: it is not suspended again");
        if (memcmp(&traits, known, sizeof(traits)) == 0)
                return;
        *known = traits;
        /* Known at once, lest the next worker tries it again. */
        manager->facts.next_ns = event_loop_now_ns(manager->loop);
        storage_manager_wake(manager);
}

/* What waits for the device to be awake is looked at by the task. */
static void note_sleep(StorageManager *manager, const PowerManager *gate) {
        bool is_asleep = power_manager_is_asleep(gate);

        if (is_asleep == manager->power.was_asleep)
                return;
        manager->power.was_asleep = is_asleep;
        storage_manager_wake(manager);
}

static void on_changed(void *userdata) {
        StorageManager *manager = userdata;
        StoragePower *power = &manager->power;
        const PowerManager *gate = get_gate(manager);
        uint64_t next_ns = power->told_ns + PERIOD_NS;
        PowerState state;

        if (!gate)
                return;
        state = power_manager_get_state(gate);
        note_traits(manager, gate);
        note_sleep(manager, gate);
        if (!power->is_brought_up)
                return;
        if (power->told.state != state && (is_sleep(power->told.state) || is_sleep(state)))
                next_ns = 0;
        if (!event_timer_is_armed(&power->timer) || next_ns < power->timer.deadline_ns)
                event_timer_set(&power->timer, next_ns);
}

const PowerManagerOps storage_power_ops = {
        .flush = on_flush,
        .is_clean = on_is_clean,
        .changed = on_changed,
};

int storage_power_init(StorageManager *manager) {
        return event_timer_init(&manager->power.timer, manager->loop, on_timer);
}

void storage_power_done(StoragePower *power) {
        if (power->timer.loop)
                event_timer_done(&power->timer);
}

/* Asking */

void storage_power_name_users(const StorageManager *manager, char *words) {
        size_t length = 0;

        for (unsigned i = 0; i < manager->n_units && length < CONTROL_WORDS_SIZE; i++) {
                const StorageUnit *unit = &manager->units[i];
                uint64_t kept_size = unit->is_open ? storage_unit_get_kept_size(unit) : 0;

                if (unit->n_sessions == 0 && kept_size == 0)
                        continue;
                length += (size_t) snprintf(words + length, CONTROL_WORDS_SIZE - length,
                                            "%sLUN %u has %u client%s", length > 0 ? ", " : "", i,
                                            unit->n_sessions, unit->n_sessions == 1 ? "" : "s");
                if (kept_size > 0 && length < CONTROL_WORDS_SIZE)
                        length += (size_t) snprintf(words + length, CONTROL_WORDS_SIZE - length,
                                                    " and %llu bytes to be written",
                                                    (unsigned long long) kept_size);
        }
        if (length == 0)
                snprintf(words, CONTROL_WORDS_SIZE, "it is used just now");
}

int storage_power_enter(StorageManager *manager, Task *task, PowerState state) {
        PowerManager *gate = get_gate(manager);

        return state == POWER_STATE_ACTIVE ? power_manager_wake(gate, task)
                                           : power_manager_sleep(gate, task, state);
}
