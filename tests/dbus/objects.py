#!/usr/bin/python3
"""Devices and units as objects: what they tell, when that changes, and what may be done to them by whom."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from private_bus import (
    NAME,
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
LUN = f"{DEVICE}/lun0"
SPECS = ["size=16M,serial=FIRST,vendor=ACME,model=Rocket", "size=8M,luns=2,read-only,serial=SECOND"]
INQUIRY = "[byte 0x12, 0, 0, 0, 0x24, 0]"
TEST_UNIT_READY = "[byte 0, 0, 0, 0, 0, 0]"
READ = "[byte 0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0]"
WRITE = "[byte 0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0]"
FORMAT_UNIT = "[byte 4, 0, 0, 0, 0, 0]"
MODE_SELECT = "[byte 0x55, 0x10, 0, 0, 0, 0, 0, 0, 0x14, 0]"
RESERVE = "[byte 0x16, 0, 0, 0, 0, 0]"
UNKNOWN = "[byte 0xff, 0, 0, 0, 0, 0]"
EMPTY = "@ay []"


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.root = bus.caller()
        self.stranger = bus.caller(STRANGER)
        self.watcher = Watcher(bus)
        wait_until(lambda: is_there(self.root, f"{ROOT}/devices/sim1/lun1"), "all units are there")
        wait_until(lambda: self.root.get("Manager", "NExports") == 3, "all units are exported")

    # What they tell

    def objects_are_those_of_the_devices(self):
        objects = self.root.call("org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        assert set(objects) == {DEVICE, LUN, f"{ROOT}/devices/sim1"} | {
            f"{ROOT}/devices/sim1/lun{n}" for n in (0, 1)
        }, set(objects)
        assert f"{NAME}.Device" in objects[DEVICE] and f"{NAME}.Cache" in objects[DEVICE]
        assert f"{NAME}.Lun" in objects[LUN] and f"{NAME}.Scsi" in objects[LUN]
        assert f"{NAME}.Lun" not in objects[DEVICE] and f"{NAME}.Device" not in objects[LUN]

    def manager_counts_them(self):
        assert self.stranger.get("Manager", "NDevices") == 2
        assert self.stranger.get("Manager", "NExports") == 3

    def device_tells_what_it_is(self):
        facts = self.stranger.get_all("Device", DEVICE)
        expected = {
            "Name": "sim0",
            "VendorId": 0x1209,
            "ProductId": 1,
            "Serial": "FIRST",
            "ConnectionBus": "simulated",
            "State": "running",
            "FailureReason": "",
            "Transport": "bulk-only",
            "ReadOnly": False,
            "Quirks": "",
            "Degradations": [],
            "NRestarts": 0,
            "Luns": [LUN],
        }
        for name, value in expected.items():
            assert facts[name] == value, f"{name} is {facts[name]}"
        assert facts["TransferSizeMax"] > 0 and facts["TimeTaken"] > 0
        assert os.path.exists(f"/proc/{facts['WorkerPid']}")

    def cache_tells_what_it_is(self):
        facts = self.stranger.get_all("Cache", DEVICE)
        assert (facts["Mode"], facts["Policy"], facts["ReadAhead"]) == ("write-back", "lru", True)
        assert facts["SizeMax"] == 128 << 20

    def unit_tells_what_it_is(self):
        facts = self.stranger.get_all("Lun", LUN)
        expected = {
            "Device": DEVICE,
            "Number": 0,
            "Kind": "disk",
            "Vendor": "ACME",
            "Model": "Rocket",
            "Serial": "FIRST",
            "Size": 16 << 20,
            "BlockSize": 512,
            "MediaRemovable": False,
            "MediaAvailable": True,
            "ReadOnly": False,
            "Export": "1209-0001-FIRST-lun0",
            "NClients": 0,
        }
        for name, value in expected.items():
            assert facts[name] == value, f"{name} is {facts[name]}"

    def unit_that_is_read_only_says_so(self):
        assert self.stranger.get("Lun", "ReadOnly", f"{ROOT}/devices/sim1/lun1") is True

    def unit_tells_what_commands_it_has(self):
        facts = self.stranger.get_all("Scsi", LUN)
        assert facts["PeripheralType"] == 0 and facts["Version"] > 0

    def object_that_is_not_there_is_not_found(self):
        expect_failure(
            "org.freedesktop.DBus.Error.UnknownObject",
            self.root.call,
            "Device",
            "Reset",
            "(@a{sv} {},)",
            path=f"{ROOT}/devices/sim7",
        )

    # What changes

    def clients_are_counted_as_they_come_and_go(self):
        self.watcher.forget()
        handle = connect(self.bus, "1209-0001-FIRST-lun0")
        self.watcher.wait_for_property(LUN, "Lun", "NClients", 1)
        handle.shutdown()
        self.watcher.wait_for_property(LUN, "Lun", "NClients", 0)

    def worker_that_dies_is_told(self):
        self.watcher.forget()
        pid = self.root.get("Device", "WorkerPid", DEVICE)
        os.kill(pid, 9)
        self.watcher.wait_for_property(DEVICE, "Device", "NRestarts", 1)
        self.watcher.wait_for_event("worker-died", DEVICE)
        self.watcher.wait_for_property(DEVICE, "Device", "State", "running")
        assert self.root.get("Device", "WorkerPid", DEVICE) != pid
        wait_until(lambda: self.root.get("Manager", "NExports") == 3, "all units are exported again")

    # What is done

    def options_are_checked(self):
        for arguments, error in (
            ("({'unknown': <true>},)", "InvalidArgument"),
            ("({'force': <1>},)", "InvalidArgument"),
        ):
            expect_failure(error, self.root.call, "Device", "Remove", arguments, path=DEVICE)

    def expect_denied(self, action, interface, method, arguments, path, **options):
        """As a stranger: refused by default, by polkit's word, and where a password would do."""
        self.bus.set_verdict(f"{NAME}.{action}", "no")
        self.bus.polkit_calls()
        expect_failure("NotAuthorized", self.stranger.call, interface, method, arguments, path=path, **options)
        ((_, asked, details, flags, _),) = self.bus.polkit_calls()
        assert (asked, flags) == (f"{NAME}.{action}", 0), asked
        if path != ROOT:
            assert details["device.name"] == "sim0" and details["device.serial"] == "FIRST", details
        self.bus.set_verdict(f"{NAME}.{action}", "challenge")
        expect_failure("NotAuthorizedCanObtain", self.stranger.call, interface, method, arguments, path=path)

    def expect_allowed(self, action, interface, method, arguments, path, **options):
        self.bus.set_verdict(f"{NAME}.{action}", "yes")
        return self.stranger.call(interface, method, arguments, path=path, **options)

    def expect_checked(self, *arguments, **options):
        self.expect_denied(*arguments, **options)
        return self.expect_allowed(*arguments, **options)

    def device_is_reset(self):
        self.watcher.forget()
        self.expect_checked("reset", "Device", "Reset", "(@a{sv} {},)", DEVICE)
        self.watcher.wait_for_event("reset", DEVICE)

    def unit_is_reset(self):
        self.expect_checked("reset", "Scsi", "Reset", "(@a{sv} {},)", LUN)

    def cache_mode_is_set(self):
        self.watcher.forget()
        self.expect_checked("cache", "Cache", "SetMode", "('write-through', @a{sv} {})", DEVICE)
        self.watcher.wait_for_property(DEVICE, "Cache", "Mode", "write-through")
        self.root.call("Cache", "SetMode", "('write-back', @a{sv} {})", path=DEVICE)
        self.watcher.wait_for_property(DEVICE, "Cache", "Mode", "write-back")
        expect_failure(
            "InvalidArgument", self.root.call, "Cache", "SetMode", "('fast', @a{sv} {})", path=DEVICE
        )

    def cache_is_reset(self):
        self.expect_checked("cache", "Cache", "Reset", "(@a{sv} {},)", DEVICE)
        self.expect_checked("discard", "Cache", "Reset", "({'discard-dirty': <true>},)", DEVICE)

    def cache_is_flushed(self):
        self.watcher.forget()
        job = self.expect_checked("flush", "Cache", "Flush", "(@a{sv} {},)", DEVICE)
        assert job.startswith(f"{ROOT}/jobs/")
        assert self.watcher.wait_for_completion(job) == (True, "")
        job = self.root.call("Cache", "Flush", "({'lun': <uint32 0>},)", path=DEVICE)
        assert self.watcher.wait_for_completion(job) == (True, "")
        expect_failure("NotFound", self.root.call, "Cache", "Flush", "({'lun': <uint32 7>},)", path=DEVICE)

    def _scsi(self, cdb, n_in=0, data=EMPTY, options="@a{sv} {}"):
        return "Scsi", "Command", f"({cdb}, {data}, uint32 {n_in}, {options})", LUN

    def commands_are_sent(self):
        status, data, sense, words = self.expect_checked("scsi-harmless", *self._scsi(INQUIRY, 36))
        assert (status, len(data), sense, words) == (0, 36, [], "")
        assert bytes(data[8:16]) == b"ACME    "

    def command_without_data_is_sent(self):
        status, data, _, _ = self.root.call(*self._scsi(TEST_UNIT_READY)[:3], path=LUN)
        assert (status, data) == (0, [])

    def commands_that_read_the_medium_are_an_action_of_their_own(self):
        status, data, _, _ = self.expect_checked("scsi-read", *self._scsi(READ, 512))
        assert (status, len(data)) == (0, 512)

    def commands_that_write_are_an_action_of_their_own(self):
        data = "[byte " + ", ".join("0x5a" for _ in range(512)) + "]"
        status, _, _, _ = self.expect_checked("scsi-write", *self._scsi(WRITE, data=data))
        assert status == 0
        _, data, _, _ = self.root.call(*self._scsi(READ, 512)[:3], path=LUN)
        assert bytes(data) == b"\x5a" * 512

    def commands_that_destroy_are_an_action_of_their_own(self):
        self.expect_denied("scsi-destroy", *self._scsi(FORMAT_UNIT))

    def commands_that_change_settings_are_an_action_of_their_own(self):
        data = "[byte " + ", ".join("0" for _ in range(20)) + "]"
        self.expect_denied("scsi-settings", *self._scsi(MODE_SELECT, data=data))

    def command_that_fails_tells_its_sense(self):
        beyond = "[byte 0x28, 0, 0, 0x10, 0, 0, 0, 0, 1, 0]"
        expect_failure("InvalidArgument", self.root.call, *self._scsi(beyond, 512)[:3], path=LUN)
        status, _, sense, words = self.root.call(
            *self._scsi("[byte 0x1a, 0, 0x3e, 0, 0xff, 0]", 255)[:3], path=LUN
        )
        assert status == 2 and sense[0] in (0x70, 0x72) and words

    def unknown_commands_are_refused_unless_forced(self):
        expect_failure("NotSupported", self.stranger.call, *self._scsi(UNKNOWN)[:3], path=LUN)
        self.expect_denied("scsi-destroy", *self._scsi(UNKNOWN, options="{'force': <true>}"))
        status, _, sense, _ = self.root.call(*self._scsi(UNKNOWN, options="{'force': <true>}")[:3], path=LUN)
        assert status == 2 and sense

    def commands_that_would_take_the_device_away_are_never_passed_on(self):
        expect_failure("NotAuthorized", self.root.call, *self._scsi(RESERVE)[:3], path=LUN)

    def nonsense_is_no_command(self):
        for arguments in (
            self._scsi(EMPTY),
            self._scsi("[byte " + "0, " * 64 + "0]"),
            self._scsi(INQUIRY, 36, "[byte 1]"),
            self._scsi(INQUIRY, 2 << 20),
        ):
            expect_failure("InvalidArgument", self.root.call, *arguments[:3], path=LUN)

    def caller_that_leaves_is_forgotten(self):
        caller = self.bus.caller()
        for _ in range(4):
            caller.start("Cache", "Reset", "(@a{sv} {},)", path=DEVICE)
        caller.end()
        assert self.root.get("Manager", "NDevices") == 2

    def other_disks_are_listed(self):
        assert self.stranger.call("Manager", "ListOthers") == []

    def taking_needs_leave_and_a_disk(self):
        arguments = ("take", "Manager", "Take", "('9-9', @a{sv} {})", ROOT)
        self.expect_denied(*arguments)
        expect_failure("NotFound", self.expect_allowed, *arguments)

    def device_that_is_used_is_not_let_go(self):
        handle = connect(self.bus, "1209-0001-FIRST-lun0")
        wait_until(lambda: self.root.get("Lun", "NClients", LUN) == 1, "the client is counted")
        for method in ("Remove", "Release"):
            expect_failure("DeviceBusy", self.root.call, "Device", method, "(@a{sv} {},)", path=DEVICE)
        handle.shutdown()
        wait_until(lambda: self.root.get("Lun", "NClients", LUN) == 0, "the client is gone")

    def device_is_let_go(self):
        self.watcher.forget()
        self.expect_denied("release", "Device", "Release", "(@a{sv} {},)", DEVICE)
        self.expect_denied("remove", "Device", "Remove", "(@a{sv} {},)", DEVICE)
        self.expect_denied("remove-busy", "Device", "Remove", "({'force': <true>},)", DEVICE)
        self.expect_allowed("remove", "Device", "Remove", "(@a{sv} {},)", DEVICE)
        self.watcher.wait_for_removal(LUN)
        self.watcher.wait_for_removal(DEVICE)
        self.watcher.wait_for_event("removed", None)
        assert not is_there(self.root, DEVICE)
        assert self.watcher.jobs_of("remove"), "it had no job"
        self.watcher.wait_for_property(ROOT, "Manager", "NDevices", 1)


def service_as_its_own_user(results):
    def service_runs_as_its_own_user_who_may_do_everything():
        with private_bus() as bus:
            bus.start_service(uid=SERVICE_USER, specs=["size=16M,serial=FIRST"])
            caller = bus.caller(SERVICE_USER)
            wait_until(lambda: is_there(caller, LUN), "the unit is there")
            wait_until(lambda: caller.get("Device", "State", DEVICE) == "running", "it runs")
            caller.call("Device", "Reset", "(@a{sv} {},)", path=DEVICE)
            stranger = bus.caller(STRANGER)
            expect_failure("NotAuthorized", stranger.call, "Device", "Reset", "(@a{sv} {},)", path=DEVICE)

    results.check(service_runs_as_its_own_user_who_may_do_everything)


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        bus.start_polkit()
        bus.start_service(specs=SPECS)
        checks = Checks(bus)
        for name, check in vars(Checks).items():
            if callable(check) and not name.startswith(("_", "expect_")):
                results.check(getattr(checks, name))
    service_as_its_own_user(results)
    results.finish()


main()
