/* What a worker has counted is read when somebody asks: it changes all the time. */

#include "dbus/bus_power.h"

#include <errno.h>
#include <string.h>

#include "dbus/bus_device.h"
#include "dbus/bus_error.h"
#include "dbus/bus_job.h"
#include "dbus/bus_options.h"
#include "dbus/bus_properties.h"
#include "dbus/bus_request.h"
#include "device/device_power.h"

#define POWER_INTERFACE BUS_SERVICE_NAME ".Power"
#define FIELD(name) offsetof(BusPowerFacts, name)

void bus_power_set_facts(BusPowerFacts *facts, const DeviceView *view) {
        *facts = (BusPowerFacts){
                .since_us = view->power_since_us,
                .standby_timeout_us = UINT64_C(1000) * view->power_options.standby_timeout_ms,
                .suspend_timeout_us = UINT64_C(1000) * view->power_options.suspend_timeout_ms,
                .max_power_ma = view->max_power_ma,
                .is_self_powered = view->is_self_powered,
                .can_standby = view->can_standby,
                .can_suspend = view->can_suspend,
                .is_enabled = view->power_options.is_enabled,
        };
        BUS_PROPERTIES_SET_TEXT(facts->state, power_state_to_string(view->power_state));
}

PowerState bus_power_get_statistics(const BusDevice *device, PowerStatistics *ret) {
        const DevicePower *power;

        *ret = (PowerStatistics){};
        power = device_manager_get_power(device->service->manager, device->id);
        if (!power)
                return POWER_STATE_UNKNOWN;
        device_power_get_statistics(power, event_loop_now_ns(device->service->loop), ret);
        return device_power_get_state(power);
}

/* Counters */

static int get_times(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        PowerStatistics statistics;
        int r;

        bus_power_get_statistics(container_of(userdata, BusDevice, power), &statistics);
        r = sd_bus_message_open_container(reply, 'a', "{st}");
        for (PowerState i = 0; r >= 0 && i < _POWER_STATE_MAX; i++)
                r = sd_bus_message_append(reply, "{st}", power_state_to_string(i),
                                          statistics.time_ns[i] / NS_PER_US);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(reply);
}

static int get_counter(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        PowerStatistics statistics;

        bus_power_get_statistics(container_of(userdata, BusDevice, power), &statistics);
        const struct {
                const char *property;
                uint64_t value;
        } counters[] = {
                { "Standbys", statistics.n_standbys },
                { "SpinUps", statistics.n_spin_ups },
                { "Suspends", statistics.n_suspends },
                { "SleepFailures", statistics.n_sleep_failures },
                { "Wakes", storage_histogram_count(&statistics.wake_latency) },
        };

        for (size_t i = 0; i < N_ELEMENTS(counters); i++)
                if (strcmp(counters[i].property, property) == 0)
                        return sd_bus_message_append(reply, "t", counters[i].value);
        assert_not_reached();
}

static double to_seconds(uint64_t time_ns) { return (double) time_ns / (double) NS_PER_S; }

static int get_latency(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        PowerStatistics statistics;
        const StorageHistogram *latency = &statistics.wake_latency;

        bus_power_get_statistics(container_of(userdata, BusDevice, power), &statistics);
        return sd_bus_message_append(reply, "(ddd)",
                                     to_seconds(storage_histogram_get_quantile_ns(latency, 500)),
                                     to_seconds(storage_histogram_get_quantile_ns(latency, 990)),
                                     to_seconds(latency->largest_ns));
}

/* Methods */

/* All that is cached is written before it sleeps, which takes long: a job. */
static int set_state(BusDevice *device, sd_bus_message *message, PowerState state, uid_t uid,
                     sd_bus_error *ret_error) {
        _cleanup_(bus_request_abandonp) BusRequest *request = NULL;
        BusJob *job;
        int r;

        r = bus_request_new(&request, device->service, message, ret_error);
        if (r < 0)
                return r;
        r = bus_job_new(&job, request, "power", device->path, uid, ret_error);
        if (r < 0)
                return r;
        request->request.request = (ControlRequest){
                .kind = CONTROL_REQUEST_KIND_POWER_STATE,
                .lun = CONTROL_LUN_ALL,
                .power_state = state,
        };
        r = device_manager_request(device->service->manager, device->id, &request->request);
        if (r >= 0)
                bus_job_announce(job);
        return bus_request_sent(TAKE_PTR(request), r, ret_error);
}

static int parse_state(const char *text, PowerState *ret) {
        static const PowerState states[] = { POWER_STATE_ACTIVE, POWER_STATE_STANDBY,
                                             POWER_STATE_SUSPENDED };

        for (size_t i = 0; i < N_ELEMENTS(states); i++)
                if (strcmp(text, power_state_to_string(states[i])) == 0) {
                        *ret = states[i];
                        return 0;
                }
        return -EINVAL;
}

static int on_set_state(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusDevice *device = container_of(userdata, BusDevice, power);
        const char *text;
        PowerState state;
        uid_t uid;
        int r;

        r = sd_bus_message_read(message, "s", &text);
        if (r < 0)
                return r;
        r = bus_options_read(message, NULL, 0, ret_error);
        if (r < 0)
                return r;
        r = parse_state(text, &state);
        if (r < 0)
                return bus_error_set(ret_error, r,
                                     "A device can be set to active, standby and suspended alone");
        r = bus_service_check(device->service, message, BUS_ACTION("power-state"), device, &uid,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        return set_state(device, message, state, uid, ret_error);
}

/* Up to the next millisecond: what is not never does not become it. */
static int to_ms(uint64_t time_us, uint32_t *ret) {
        if (time_us > UINT64_C(1000) * DEVICE_POWER_TIMEOUT_MAX_MS)
                return -ERANGE;
        *ret = (uint32_t) DIV_ROUND_UP(time_us, UINT64_C(1000));
        return 0;
}

static int read_timeouts(sd_bus_message *message, DevicePowerTimeouts *timeouts, int *ret_resets,
                         sd_bus_error *ret_error) {
        uint64_t standby_us = 0, suspend_us = 0;
        const BusOption options[] = {
                { "standby", 't', &standby_us, &timeouts->has_standby },
                { "suspend", 't', &suspend_us, &timeouts->has_suspend },
                { "reset", 'b', ret_resets, NULL },
        };
        int r;

        r = bus_options_read(message, options, N_ELEMENTS(options), ret_error);
        if (r < 0)
                return r;
        if (!timeouts->has_standby && !timeouts->has_suspend && !*ret_resets)
                return bus_error_set(ret_error, -EINVAL,
                                     "There is nothing to be set: \"standby\", \"suspend\" or "
                                     "\"reset\" is needed");
        if (to_ms(standby_us, &timeouts->standby_ms) < 0 ||
            to_ms(suspend_us, &timeouts->suspend_ms) < 0)
                return bus_error_set(ret_error, -EINVAL, "A time is a day at most");
        return 0;
}

static int on_set_timeouts(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        BusDevice *device = container_of(userdata, BusDevice, power);
        DeviceManager *manager = device->service->manager;
        DevicePowerTimeouts timeouts = {};
        int resets = false;
        int r;

        r = read_timeouts(message, &timeouts, &resets, ret_error);
        if (r < 0)
                return r;
        r = bus_service_check(device->service, message, BUS_ACTION("power-timeouts"), device, NULL,
                              ret_error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (resets)
                (void) device_manager_set_power_timeouts(manager, device->id, NULL);
        (void) device_manager_set_power_timeouts(manager, device->id, &timeouts);
        /* Whoever reads them behind the answer reads the new ones. */
        bus_device_update(device, bus_service_get_bus(device->service));
        return sd_bus_reply_method_return(message, NULL);
}

static const sd_bus_vtable power_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("State", "s", bus_properties_get_text, FIELD(state),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StateSince", "t", NULL, FIELD(since_us),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("MaxPower", "u", NULL, FIELD(max_power_ma),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SelfPowered", "b", NULL, FIELD(is_self_powered),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CanStandby", "b", NULL, FIELD(can_standby),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("CanSuspend", "b", NULL, FIELD(can_suspend),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("StandbyTimeout", "t", NULL, FIELD(standby_timeout_us),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("SuspendTimeout", "t", NULL, FIELD(suspend_timeout_us),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("ManagementEnabled", "b", NULL, FIELD(is_enabled),
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("TimeInState", "a{st}", get_times, 0, 0),
        SD_BUS_PROPERTY("Standbys", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("SpinUps", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("Suspends", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("SleepFailures", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("Wakes", "t", get_counter, 0, 0),
        SD_BUS_PROPERTY("WakeLatency", "(ddd)", get_latency, 0, 0),
        SD_BUS_METHOD_WITH_ARGS("SetState", SD_BUS_ARGS("s", state, "a{sv}", options),
                                SD_BUS_NO_RESULT, on_set_state, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetTimeouts", SD_BUS_ARGS("a{sv}", timeouts), SD_BUS_NO_RESULT,
                                on_set_timeouts, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

void bus_power_announce_changes(sd_bus *bus, const char *path, const BusPowerFacts *former,
                                const BusPowerFacts *now) {
        bus_service_announce_changes(bus, path, POWER_INTERFACE, power_vtable, former, now);
}

static int find_device(sd_bus *bus, const char *path, const char *interface, void *userdata,
                       void **ret_found, sd_bus_error *ret_error) {
        BusDevice *device = bus_device_find_by_path(userdata, path);

        if (!device)
                return 0;
        *ret_found = &device->power;
        return 1;
}

int bus_power_attach(BusService *service, sd_bus *bus) {
        return sd_bus_add_fallback_vtable(bus, bus_service_add_slot(service),
                                          BUS_SERVICE_DEVICES_PATH, POWER_INTERFACE, power_vtable,
                                          find_device, service);
}
