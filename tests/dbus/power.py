#!/usr/bin/python3
"""Power of devices: what is told of it, who may change it, and what the worker is told then."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from private_bus import (
    ROOT,
    SERVICE_USER,
    STRANGER,
    Watcher,
    connect,
    expect_failure,
    is_there,
    private_bus,
    skip_unless_root,
    wait_until,
)
from results import Results

DEVICE = f"{ROOT}/devices/sim0"
NONE = "@a{sv} {}"
MINUTE_US = 60_000_000
STATES = {"unknown", "active", "idle", "standby", "suspended"}


class Checks:
    """With a worker that goes into each state that it is asked for at once."""

    def __init__(self, bus):
        self.bus = bus
        self.root = bus.caller()
        self.stranger = bus.caller(STRANGER)
        self.watcher = Watcher(bus)
        wait_until(lambda: is_there(self.root, DEVICE), "the device is there")
        wait_until(lambda: self.root.get("Device", "State", DEVICE) == "running", "it runs")

    def get(self, name):
        return self.stranger.get("Power", name, DEVICE)

    def _set_state(self, caller, state, options=NONE):
        return caller.call("Power", "SetState", f"('{state}', {options})", path=DEVICE)

    def _set_timeouts(self, caller, options):
        return caller.call("Power", "SetTimeouts", f"({options},)", path=DEVICE)

    def _verdict(self, action, verdict):
        self.bus.set_verdict(f"org.orion.UsbStorage1.{action}", verdict)
        self.bus.polkit_calls()

    def nothing_is_known_before_it_was_told(self):
        facts = self.stranger.get_all("Power", DEVICE)
        assert (facts["State"], facts["StateSince"], facts["MaxPower"]) == ("unknown", 0, 0), facts
        assert set(facts["TimeInState"]) == STATES
        assert facts["WakeLatency"] == (0.0, 0.0, 0.0)
        assert (facts["StandbyTimeout"], facts["SuspendTimeout"]) == (10 * MINUTE_US, 0)
        assert facts["ManagementEnabled"] is True

    def a_state_is_set_and_told(self):
        self.watcher.forget()
        self._set_state(self.root, "standby")
        self.watcher.wait_for_property(DEVICE, "Power", "State", "standby")
        self.watcher.wait_for_property(DEVICE, "Power", "MaxPower", 500)
        self.watcher.wait_for_event("asleep", DEVICE)
        assert self.get("StateSince") > 0 and self.get("CanStandby") is True
        self._set_state(self.root, "active")
        self.watcher.wait_for_property(DEVICE, "Power", "State", "active")
        self.watcher.wait_for_event("awake", DEVICE)
        assert (self.get("Standbys"), self.get("SpinUps"), self.get("Wakes")) == (1, 1, 1)
        p50, p99, longest = self.get("WakeLatency")
        assert 1 < p50 <= p99 <= longest == 2.0
        assert self.get("TimeInState")["standby"] >= 1_000_000

    def that_is_a_job(self):
        wait_until(lambda: len(self.watcher.jobs_of("power")) == 2, "both had a job")
        assert all(job[2] == DEVICE for job in self.watcher.jobs_of("power"))

    def there_are_three_states_to_be_set(self):
        for state in ("idle", "unknown", "asleep"):
            failure = expect_failure("InvalidArgument", self._set_state, self.root, state)
            assert "active, standby and suspended" in failure.message
        expect_failure("InvalidArgument", self._set_state, self.root, "standby", "{'fast': <true>}")

    def a_stranger_sets_a_state_where_polkit_allows_it(self):
        self._verdict("power-state", "no")
        expect_failure("NotAuthorized", self._set_state, self.stranger, "suspended")
        assert self.get("State") == "active"
        self._verdict("power-state", "challenge")
        expect_failure("NotAuthorizedCanObtain", self._set_state, self.stranger, "suspended")
        self._verdict("power-state", "yes")
        self._set_state(self.stranger, "suspended")
        wait_until(lambda: self.get("State") == "suspended", "it is suspended")
        assert self.get("Suspends") == 1

    def timeouts_are_set_until_they_are_reset(self):
        self.watcher.forget()
        self._set_timeouts(self.root, "{'standby': <uint64 0>, 'suspend': <uint64 1500001>}")
        self.watcher.wait_for_property(DEVICE, "Power", "SuspendTimeout", 1_501_000)
        self.watcher.wait_for_property(DEVICE, "Power", "StandbyTimeout", 0)
        wait_until(lambda: "standby after 0, suspended after 1501" in self.bus.log(), "the worker is told")
        self._set_timeouts(self.root, "{'reset': <true>, 'suspend': <uint64 2000000>}")
        assert (self.get("StandbyTimeout"), self.get("SuspendTimeout")) == (10 * MINUTE_US, 2_000_000)

    def timeouts_that_make_no_sense_are_refused(self):
        for options in (
            NONE,
            "{'reset': <false>}",
            "{'standby': <uint64 86400000001>}",
            "{'standby': <'10min'>}",
            "{'idle': <uint64 5>}",
        ):
            expect_failure("InvalidArgument", self._set_timeouts, self.root, options)
        assert self.get("StandbyTimeout") == 10 * MINUTE_US

    def a_stranger_sets_timeouts_where_polkit_allows_it(self):
        options = "{'standby': <uint64 60000000>}"
        self._verdict("power-timeouts", "no")
        expect_failure("NotAuthorized", self._set_timeouts, self.stranger, options)
        assert self.get("StandbyTimeout") == 10 * MINUTE_US
        self._verdict("power-timeouts", "yes")
        self._set_timeouts(self.stranger, options)
        assert self.get("StandbyTimeout") == MINUTE_US

    def a_reload_counts_at_once(self):
        self.watcher.forget()
        write_configuration(self.bus, "[usb_storage]\npower_management_enabled = no\n")
        self.root.call("Manager", "Reload", f"({NONE},)")
        self.watcher.wait_for_property(DEVICE, "Power", "ManagementEnabled", False)
        assert self.get("StandbyTimeout") == MINUTE_US  # still this device's own
        assert self.get("SuspendTimeout") == 2_000_000

    def metrics_tell_the_same(self):
        text = self.stranger.call("Manager", "GetMetrics", f"({NONE},)")
        for line in (
            'usb_storage_power_state{device="sim0",usb_storage_power_state="suspended"} 1',
            'usb_storage_max_power_amperes{device="sim0"} 0.500',
            'usb_storage_spin_ups_total{device="sim0"} 1',
            'usb_storage_wake_duration_seconds_count{device="sim0"} 1',
        ):
            assert f"\n{line}\n" in text, f"{line} is not in {text}"

    def a_report_tells_it_in_words(self):
        report = self.root.call("Device", "Diagnose", f"({NONE},)", path=DEVICE)
        for words in ("Power: suspended; it has standby: yes", "It may draw 500 mA", "spin-ups: 1", "Wakes: 1"):
            assert words in report, f"{words} is not in {report}"

    def what_was_counted_outlives_the_worker(self):
        self.watcher.forget()
        os.kill(self.root.get("Device", "WorkerPid", DEVICE), 9)
        self.watcher.wait_for_property(DEVICE, "Power", "State", "unknown")
        self.watcher.wait_for_property(DEVICE, "Device", "State", "running")
        assert (self.get("SpinUps"), self.get("Suspends")) == (1, 1)


def simulated_disk(results):
    def a_disk_sleeps_by_itself_and_wakes_for_who_wants_something():
        with private_bus() as bus:
            path = write_configuration(bus, "[power]\nstandby_timeout = 300ms\n")
            bus.start_service("--config", path, specs=["size=16M,serial=REAL"])
            caller, watcher = bus.caller(), Watcher(bus)
            wait_until(lambda: is_there(caller, f"{DEVICE}/lun0"), "the unit is there")
            wait_until(lambda: caller.get("Power", "State", DEVICE) == "standby", "it sleeps")
            assert caller.get("Power", "MaxPower", DEVICE) > 0 and caller.get("Power", "CanStandby", DEVICE)
            handle = connect(bus, "1209-0001-REAL-lun0")
            handle.pread(4096, 0)
            wait_until(lambda: caller.get("Power", "SpinUps", DEVICE) == 1, "it is woken")
            watcher.wait_for_event("awake", DEVICE)
            wait_until(lambda: caller.get("Power", "State", DEVICE) == "standby", "it sleeps again")
            write_configuration(bus, "[power]\nstandby_timeout = 0\n")
            caller.call("Manager", "Reload", f"({NONE},)")
            caller.call("Power", "SetState", f"('active', {NONE})", path=DEVICE)
            caller.call("Power", "SetState", f"('suspended', {NONE})", path=DEVICE)
            wait_until(lambda: caller.get("Power", "State", DEVICE) == "suspended", "it is suspended")
            handle.pread(4096, 8 << 20)
            wait_until(lambda: caller.get("Power", "Wakes", DEVICE) >= 3, "it is woken")
            assert caller.get("Power", "WakeLatency", DEVICE)[2] > 0
            handle.shutdown()

    results.check(a_disk_sleeps_by_itself_and_wakes_for_who_wants_something)


def write_configuration(bus, text):
    path = f"{bus.folder}/power.conf"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def service_as_its_own_user(results):
    def the_services_own_user_needs_no_polkit():
        with private_bus() as bus:
            bus.start_service(uid=SERVICE_USER, specs=["size=16M,serial=A"], program=bus.make_program())
            caller = bus.caller(SERVICE_USER)
            wait_until(lambda: is_there(caller, DEVICE), "the device is there")
            wait_until(lambda: caller.get("Device", "State", DEVICE) == "running", "it runs")
            caller.call("Power", "SetState", f"('standby', {NONE})", path=DEVICE)
            caller.call("Power", "SetTimeouts", "({'standby': <uint64 1000>},)", path=DEVICE)
            assert caller.get("Power", "StandbyTimeout", DEVICE) == 1000
            stranger = bus.caller(STRANGER)
            for method, arguments in (
                ("SetState", f"('active', {NONE})"),
                ("SetTimeouts", "({'standby': <uint64 1000>},)"),
            ):
                expect_failure("NotAuthorized", stranger.call, "Power", method, arguments, path=DEVICE)

    results.check(the_services_own_user_needs_no_polkit)


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        bus.start_polkit()
        path = write_configuration(bus, "[power]\nstandby_timeout = 10min\n")
        bus.start_service("--config", path, specs=["size=16M,serial=FIRST"], program=bus.make_program())
        checks = Checks(bus)
        for name, check in vars(Checks).items():
            if callable(check) and not name.startswith(("_", "get")):
                results.check(getattr(checks, name))
    service_as_its_own_user(results)
    simulated_disk(results)
    results.finish()


main()
