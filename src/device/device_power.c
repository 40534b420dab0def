/*
 * A worker tells of a state when it begins: what has passed since then is added by whoever looks.
 * News takes its time to come, so that sum may be a little ahead of what is told next, and is kept.
 */

#include "device/device_power.h"

#include "base/macros.h"

static bool is_asleep(PowerState state) {
        return state == POWER_STATE_STANDBY || state == POWER_STATE_SUSPENDED;
}

PowerState device_power_get_state(const DevicePower *power) {
        return power->is_told && !power->is_away ? (PowerState) power->told.state
                                                 : POWER_STATE_UNKNOWN;
}

static void add_statistics(PowerStatistics *to, const PowerStatistics *from) {
        for (size_t i = 0; i < _POWER_STATE_MAX; i++)
                to->time_ns[i] += from->time_ns[i];
        to->n_standbys += from->n_standbys;
        to->n_spin_ups += from->n_spin_ups;
        to->n_suspends += from->n_suspends;
        to->n_sleep_failures += from->n_sleep_failures;
        storage_histogram_add(&to->wake_latency, &from->wake_latency);
}

void device_power_get_statistics(const DevicePower *power, uint64_t now_ns, PowerStatistics *ret) {
        *ret = power->past;
        if (power->is_told)
                add_statistics(ret, &power->told.statistics);
        if (power->is_told && !power->is_away)
                ret->time_ns[power->told.state] += now_ns - power->told_ns;
        for (size_t i = 0; i < _POWER_STATE_MAX; i++)
                ret->time_ns[i] = MAX(ret->time_ns[i], power->shown_ns[i]);
}

static uint32_t choose(uint32_t configured, bool has_rule, uint32_t rule, bool has_asked,
                       uint32_t asked) {
        return has_asked ? asked : has_rule ? rule : configured;
}

PowerOptions device_power_merge(const PowerOptions *configured, const DevicePowerTimeouts *rule,
                                const DevicePowerTimeouts *asked) {
        PowerOptions options = *configured;

        options.standby_timeout_ms =
                        choose(configured->standby_timeout_ms, rule->has_standby, rule->standby_ms,
                               asked->has_standby, asked->standby_ms);
        options.suspend_timeout_ms =
                        choose(configured->suspend_timeout_ms, rule->has_suspend, rule->suspend_ms,
                               asked->has_suspend, asked->suspend_ms);
        return options;
}

static void keep_shown(DevicePower *power, uint64_t now_ns) {
        PowerStatistics shown;

        device_power_get_statistics(power, now_ns, &shown);
        for (size_t i = 0; i < _POWER_STATE_MAX; i++)
                power->shown_ns[i] = shown.time_ns[i];
}

/* Whether one more is not too much. That a device is awake is told to who heard that it slept. */
static bool may_tell(DevicePower *power, bool asleep, uint64_t now_ns) {
        uint64_t n_periods = (now_ns - power->news_ns) / DEVICE_POWER_NEWS_PERIOD_NS;

        if (!asleep)
                return true;
        power->n_news -= (unsigned) MIN(n_periods, (uint64_t) power->n_news);
        if (power->n_news == DEVICE_POWER_NEWS_MAX)
                return false;
        power->n_news++;
        power->news_ns = now_ns;
        return true;
}

static DevicePowerNews make_news(DevicePower *power, uint64_t now_ns) {
        bool asleep = is_asleep(device_power_get_state(power));

        if (asleep == power->was_asleep || !may_tell(power, asleep, now_ns))
                return DEVICE_POWER_NEWS_NONE;
        power->was_asleep = asleep;
        return asleep ? DEVICE_POWER_NEWS_ASLEEP : DEVICE_POWER_NEWS_AWAKE;
}

static void note_state(DevicePower *power, PowerState former, uint64_t realtime_us) {
        if (device_power_get_state(power) != former || power->since_us == 0)
                power->since_us = realtime_us;
}

DevicePowerNews device_power_note(DevicePower *power, const ControlPower *told, uint64_t now_ns,
                                  uint64_t realtime_us) {
        PowerState former = device_power_get_state(power);

        assert(told->state < _POWER_STATE_MAX);

        keep_shown(power, now_ns);
        power->told = *told;
        power->told_ns = now_ns;
        power->is_told = true;
        power->is_away = false;
        note_state(power, former, realtime_us);
        return make_news(power, now_ns);
}

void device_power_note_away(DevicePower *power, uint64_t now_ns, uint64_t realtime_us) {
        PowerState former = device_power_get_state(power);

        keep_shown(power, now_ns);
        power->is_away = true;
        power->was_asleep = false;
        note_state(power, former, realtime_us);
}

void device_power_end_worker(DevicePower *power, uint64_t now_ns, uint64_t realtime_us) {
        PowerState former = device_power_get_state(power);
        PowerStatistics total;

        device_power_get_statistics(power, now_ns, &total);
        power->past = total;
        power->told.statistics = (PowerStatistics){};
        power->is_told = false;
        power->was_asleep = false;
        note_state(power, former, realtime_us);
}
