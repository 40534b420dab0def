#!/usr/bin/python3
"""What the service as a whole tells and does: configuration, policy, quirks, and reading all of that again."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from private_bus import (
    NAME,
    ROOT,
    STRANGER,
    Watcher,
    expect_failure,
    is_there,
    private_bus,
    skip_unless_root,
    wait_until,
)
from results import Results

ALLOWED = f"{ROOT}/devices/sim0"
READ_ONLY = f"{ROOT}/devices/sim1"
RELOAD = ("Manager", "Reload", "(@a{sv} {},)")


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.config = f"{bus.folder}/usb-storage.conf"
        self.rules = f"{bus.folder}/rules.conf"
        self.quirks = f"{bus.folder}/quirks.conf"
        self.write(self.rules, '# ours\nallow serial "FIRST"\nread-only serial "SECOND"\n')
        self.write(self.quirks, "# known\n1209:0001:g\n")
        self.configure("info")
        bus.start_service(
            "--config",
            self.config,
            "--quirks",
            "1234:5678:u",
            specs=["size=1M,serial=FIRST", "size=1M,serial=SECOND"],
        )
        self.root = bus.caller()
        self.stranger = bus.caller(STRANGER)
        self.watcher = Watcher(bus)
        wait_until(lambda: self.root.get("Manager", "NExports") == 2, "all is exported")

    def write(self, path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def configure(self, level, more=""):
        self.write(
            self.config,
            f"[usb_storage]\nquirks_file = {self.quirks}\n{more}\n[device]\nrules_file = {self.rules}\n"
            f"[daemon]\nlog_level = {level}\n",
        )

    def settings(self):
        return {
            (section, key): (value, origin)
            for section, key, value, origin in self.stranger.call("Manager", "GetConfiguration")
        }

    def settings_are_told_with_where_they_come_from(self):
        settings = self.settings()
        assert settings["daemon", "log_level"] == ("info", f"{self.config}:7"), settings["daemon", "log_level"]
        assert settings["device", "park_timeout"][1] == "default"
        assert "command line" in settings["usb_storage", "quirks"][1]

    def rules_are_told_in_their_order(self):
        rules = self.stranger.call("Manager", "ListPolicy")
        assert rules == [
            (1, 'allow serial "FIRST"', f"{self.rules}:2"),
            (2, 'read-only serial "SECOND"', f"{self.rules}:3"),
        ], rules

    def a_device_tells_its_rule(self):
        assert self.stranger.get("Device", "Policy", ALLOWED) == "allow"
        assert self.stranger.get("Device", "Policy", READ_ONLY) == "read-only"
        assert self.stranger.get("Device", "PolicyRule", READ_ONLY) == 'read-only serial "SECOND"'
        assert self.stranger.get("Device", "ReadOnly", READ_ONLY) is True

    def the_policy_can_be_asked(self):
        assert self.stranger.call("Manager", "TestPolicy", "('sim1',)") == (
            "read-only",
            2,
            'read-only serial "SECOND"',
        )
        expect_failure("NotFound", self.stranger.call, "Manager", "TestPolicy", "('9-9',)")

    def rules_are_generated_for_what_is_plugged_in(self):
        rules = self.stranger.call("Manager", "GeneratePolicy", "(@a{sv} {},)").splitlines()
        assert len(rules) == 2 and all(rule.startswith("allow ") for rule in rules), rules
        assert '"FIRST"' in rules[0] and '"SECOND"' in rules[1]

    def quirks_are_told_with_where_they_stand(self):
        quirks = self.stranger.call("Manager", "ListQuirks")
        assert (0x1234, 0x5678, "u", "quirks:1") in quirks, quirks[:3]
        assert (0x1209, 1, "g", f"{self.quirks}:2") in quirks, quirks[:3]
        assert self.stranger.get("Device", "Quirks", ALLOWED) == "g"

    def strangers_may_not_reload_unless_polkit_says_so(self):
        self.bus.set_verdict(f"{NAME}.configure", "no")
        expect_failure("NotAuthorized", self.stranger.call, *RELOAD)
        self.bus.set_verdict(f"{NAME}.configure", "yes")
        assert self.stranger.call(*RELOAD) == []

    def what_is_reloaded_is_told(self):
        self.watcher.forget()
        self.configure("debug")
        assert self.root.call(*RELOAD) == []
        self.watcher.wait_for_property(ROOT, "Manager", "LogLevel", "debug")
        assert self.settings()["daemon", "log_level"][0] == "debug"

    def what_needs_a_restart_is_told(self):
        assert self.root.get("Manager", "PerformanceMonitoring") is True
        self.configure("info", "performance_monitoring_enabled = false")
        pending = self.root.call(*RELOAD)
        assert isinstance(pending, list), pending

    def a_mistake_changes_nothing_and_is_told(self):
        self.configure("shouting")
        failure = expect_failure("InvalidArgument", self.root.call, *RELOAD)
        assert f"{self.config}:7" in failure.message and "shouting" not in self.root.get("Manager", "LogLevel")
        self.configure("info")
        self.root.call(*RELOAD)
        assert is_there(self.root, ALLOWED)

    def sighup_is_told_as_well(self):
        self.watcher.forget()
        self.configure("warning")
        self.bus.programs[-1].send_signal(1)
        self.watcher.wait_for_property(ROOT, "Manager", "LogLevel", "warning")

    def timeouts_follow_the_configuration(self):
        self.watcher.forget()
        self.configure("warning", "storage_device_timeout = 45s")
        self.root.call(*RELOAD)
        self.watcher.wait_for_property(ROOT, "Manager", "DeviceTimeout", 45_000_000)

    def what_files_have_in_another_character_set_is_told(self):
        access = os.path.join(self.bus.folder.encode(), b"gr\xfcn")
        with open(access, "wb") as file:
            file.write(b"# nothing\n")
        with open(self.rules, "wb") as file:
            file.write(b'allow\tserial one-of { "FIRST" "gr\xfcn" }\n')
        self.configure("warning")
        with open(self.config, "ab") as file:
            file.write(b"[nbd]\naccess_file = " + access + b"\n")
        self.root.call(*RELOAD)
        rule = 'allow serial one-of { "FIRST" "gr?n" }'
        assert self.stranger.call("Manager", "ListPolicy") == [(1, rule, f"{self.rules}:1")]
        assert self.stranger.call("Manager", "TestPolicy", "('sim0',)") == ("allow", 1, rule)
        value, _ = self.settings()["nbd", "access_file"]
        assert value == f'"{self.bus.folder}/gr?n"', value


def a_service_without_devices_tells_what_it_is():
    with private_bus() as bus:
        bus.start_service("--log-level", "info", specs=[])
        caller = bus.caller(STRANGER)
        assert caller.get("Manager", "LogLevel") == "info"
        assert caller.get("Manager", "DeviceTimeout") == 30_000_000
        assert caller.get("Manager", "ParkTimeout") == 60_000_000


def main():
    skip_unless_root()
    results = Results()
    results.check(a_service_without_devices_tells_what_it_is)
    with private_bus() as bus:
        bus.start_polkit()
        checks = Checks(bus)
        for check in (
            checks.settings_are_told_with_where_they_come_from,
            checks.rules_are_told_in_their_order,
            checks.a_device_tells_its_rule,
            checks.the_policy_can_be_asked,
            checks.rules_are_generated_for_what_is_plugged_in,
            checks.quirks_are_told_with_where_they_stand,
            checks.strangers_may_not_reload_unless_polkit_says_so,
            checks.what_is_reloaded_is_told,
            checks.what_needs_a_restart_is_told,
            checks.a_mistake_changes_nothing_and_is_told,
            checks.sighup_is_told_as_well,
            checks.timeouts_follow_the_configuration,
            checks.what_files_have_in_another_character_set_is_told,
        ):
            results.check(check)
    results.finish()


main()
