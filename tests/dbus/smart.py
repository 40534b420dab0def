#!/usr/bin/python3
"""The interface Smart: what drives of each kind know of their health, who may ask, and what is remembered of them."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from private_bus import (  # fmt: skip
    NAME, ROOT, SERVICE_USER, STRANGER, Watcher, expect_failure, private_bus, skip_unless_root, wait_until,
)
from results import Results

NOTHING = "(@a{sv} {},)"
KELVIN = 273.15
DRIVES = (
    "size=8M,serial=ATADRIVE,link=ideal,smart=ata,temperature=41,power-on-hours=1234,attribute-5=0",
    "size=8M,serial=NVMEDRIVE,vid=152d,pid=0583,link=ideal,smart=nvme,temperature=50,wear=7,spare=90",
    "size=8M,serial=SCSIDRIVE,link=ideal,smart=scsi,temperature=35,defects=0",
    "size=8M,serial=PLAIN,link=ideal",
)
# The second service: the same drives, some of them worse.
LATER = (
    "size=8M,serial=ATADRIVE,link=ideal,smart=ata,attribute-5=3",
    "size=8M,serial=NVMEDRIVE,vid=152d,pid=0583,link=ideal,smart=nvme,failing",
)


def lun(index):
    return f"{ROOT}/devices/sim{index}/lun0"


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.root = bus.caller()
        self.service = bus.caller(SERVICE_USER)
        self.stranger = bus.caller(STRANGER)
        self.watcher = Watcher(bus)
        wait_until(lambda: self.root.get("Manager", "NExports") == len(DRIVES), "all is exported")

    def get(self, index, name):
        return self.stranger.get("Smart", name, path=lun(index))

    def call(self, index, method, arguments=NOTHING, caller=None, **options):
        return (caller or self.stranger).call("Smart", method, arguments, path=lun(index), **options)

    def update(self, index):
        """Waits until the properties are those of this update."""
        self.call(index, "Update", caller=self.root)

    def root_may_have_a_drive_asked(self):
        for index in range(3):
            self.update(index)
            wait_until(lambda i=index: self.get(i, "Updated") > 0, "it is told")

    def each_kind_of_drive_has_its_verdict_and_its_way(self):
        assert [self.get(i, "Verdict") for i in range(3)] == ["good"] * 3
        assert [self.get(i, "Kind") for i in range(3)] == ["ATA", "NVMe", "SCSI"]
        assert all(self.get(i, "Way") for i in range(3))
        assert [round(self.get(i, "Temperature") - KELVIN) for i in range(3)] == [41, 50, 35]
        assert self.get(0, "PowerOnSeconds") == 1234 * 3600
        assert self.get(0, "Supported") is True and self.get(0, "Enabled") is True
        assert self.get(0, "Failing") is False and self.get(0, "NumAttributesFailing") == 0
        assert self.get(0, "NumBadSectors") == 0 and self.get(1, "NumBadSectors") == -1
        assert self.get(1, "CriticalWarning") == []

    def what_tells_nothing_is_unknown_and_says_why(self):
        assert self.get(3, "Verdict") == "unknown" and self.get(3, "Reason")
        expect_failure("NotSupported", self.call, 3, "Update", caller=self.root)
        assert self.get(3, "Verdict") == "unknown" and self.get(3, "Temperature") == 0

    def attributes_are_as_udisks_has_them(self):
        attributes = {a[0]: a for a in self.call(0, "GetAttributes")}
        _, name, _, value, worst, threshold, pretty, unit, more = attributes[5]
        assert name == "Reallocated_Sector_Ct" and value >= worst > threshold >= 0
        assert (pretty, unit) == (0, 3) and more["raw"] == 0 and more["state"] == "good"
        assert attributes[194][7] == 4 and round(attributes[194][6] / 1000 - KELVIN) == 41
        assert self.call(1, "GetAttributes") == []

    def all_data_is_told(self):
        data = [self.call(i, "GetData") for i in range(4)]
        assert data[0]["power_on_hours"] == 1234 and data[0]["status"] == "passed"
        assert {a["id"] for a in data[0]["attributes"]} >= {5, 9, 194}
        assert data[1]["health"]["spare_percent"] == 90 and data[1]["health"]["used_percent"] == 7
        assert data[2]["scsi"]["grown_defects"] == 0 and "read" in data[2]["scsi"]
        assert all(d["serial"] and d["model"] for d in data[:3])
        assert "attributes" not in data[1] and "health" not in data[0]

    def history_has_what_was_seen(self):
        (sample,) = self.call(0, "GetHistory")
        assert sample["replaced-sectors"] == 0 and sample["verdict"] == "good"
        assert 0 < sample["first"] <= sample["last"]

    def changes_are_signals(self):
        self.watcher.forget()
        self.call(0, "StartSelfTest", "('short', @a{sv} {})", caller=self.root)
        self.update(0)
        self.watcher.wait_for_property(lun(0), "Smart", "SelftestStatus", "inprogress")
        self.call(0, "AbortSelfTest", caller=self.root)
        self.update(0)
        self.watcher.wait_for_property(lun(0), "Smart", "SelftestStatus", "aborted")

    def a_self_test_runs_to_its_end(self):
        self.call(0, "StartSelfTest", "('extended', @a{sv} {})", caller=self.service)

        def has_ended():
            self.update(0)
            return self.get(0, "SelftestStatus") == "success"

        wait_until(has_ended, "it is done")
        assert self.get(0, "SelftestPercentRemaining") == -1
        assert self.call(0, "GetData")["self_tests"][0]["kind"] == "extended"

    def nonsense_is_refused(self):
        for kind in ("", "long", "other", "selective"):
            expect_failure("InvalidArgument", self.call, 0, "StartSelfTest", f"('{kind}', @a{{sv}} {{}})",
                           caller=self.root)  # fmt: skip
        expect_failure("InvalidArgument", self.call, 0, "Update", "({'wake': <true>},)", caller=self.root)
        expect_failure("InvalidArgument", self.call, 0, "Update", "({'nowakeup': <'yes'>},)", caller=self.root)
        expect_failure("InvalidArgument", self.call, 0, "GetData", "({'all': <true>},)")

    def a_stranger_may_not_have_drives_asked_or_tested(self):
        expect_failure("NotAuthorized", self.call, 0, "Update")
        expect_failure("NotAuthorized", self.call, 0, "StartSelfTest", "('short', @a{sv} {})")
        expect_failure("NotAuthorized", self.call, 0, "AbortSelfTest")

    def a_stranger_may_what_polkit_allows(self):
        self.bus.start_polkit()
        self.bus.set_verdict(f"{NAME}.smart-update", "yes")
        self.call(0, "Update")
        expect_failure("NotAuthorized", self.call, 0, "StartSelfTest", "('short', @a{sv} {})")
        self.bus.set_verdict(f"{NAME}.smart-selftest", "yes")
        self.call(0, "StartSelfTest", "('short', @a{sv} {})")
        self.call(0, "AbortSelfTest")

    def a_report_has_it_without_the_serial_number(self):
        report = self.root.call("Device", "Diagnose", NOTHING, path=f"{ROOT}/devices/sim0")
        assert "Health: good" in report and "Attribute 5, Reallocated_Sector_Ct" in report, report
        assert self.get(0, "Serial") not in report.split("Its drive:")[1]

    def metrics_have_it(self):
        text = self.stranger.call("Manager", "GetMetrics", NOTHING)
        assert 'usb_storage_smart_healthy{device="sim0",lun="0"} 1\n' in text
        assert 'usb_storage_temperature_celsius{device="sim1",lun="0"} 50\n' in text
        assert 'usb_storage_smart_healthy{device="sim3"' not in text


class LaterChecks(Checks):
    def __init__(self, bus):  # pylint: disable=super-init-not-called
        self.bus = bus
        self.root = self.stranger = bus.caller()
        self.watcher = Watcher(bus)
        wait_until(lambda: self.root.get("Manager", "NExports") == len(LATER), "all is exported")

    def a_change_is_told_across_a_restart(self):
        self.update(0)
        wait_until(lambda: self.get(0, "Verdict") == "warning", "it is told")
        assert self.get(0, "Changes").startswith("3 sectors were replaced since 20"), self.get(0, "Changes")
        assert self.get(0, "Reason").endswith(self.get(0, "Changes"))
        assert [s["replaced-sectors"] for s in self.call(0, "GetHistory")] == [0, 3]
        assert "LUN 0: health is warning, was good: 3 sectors were replaced" in self.bus.log()

    def it_is_an_event(self):
        self.watcher.forget()
        self.update(1)

        def is_told():
            return [
                v for _, _, member, v in self.watcher.signals if member == "Event" and v[0] == "health" and v[1] == lun(1)
            ]  # the other drive's may come late

        ((_, _, words),) = wait_until(is_told, "the event came")
        assert words.startswith("health is failing, was good: "), words


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        service = bus.start_service("--log-level", "debug", specs=DRIVES, uid=SERVICE_USER)
        checks = Checks(bus)
        for check in (
            checks.root_may_have_a_drive_asked,
            checks.each_kind_of_drive_has_its_verdict_and_its_way,
            checks.what_tells_nothing_is_unknown_and_says_why,
            checks.attributes_are_as_udisks_has_them,
            checks.all_data_is_told,
            checks.history_has_what_was_seen,
            checks.changes_are_signals,
            checks.a_self_test_runs_to_its_end,
            checks.nonsense_is_refused,
            checks.a_stranger_may_not_have_drives_asked_or_tested,
            checks.a_stranger_may_what_polkit_allows,
            checks.a_report_has_it_without_the_serial_number,
            checks.metrics_have_it,
        ):
            results.check(check)
        service.terminate()
        service.wait()
        bus.start_service(specs=LATER, uid=SERVICE_USER)
        later = LaterChecks(bus)
        results.check(later.a_change_is_told_across_a_restart)
        results.check(later.it_is_an_event)
    results.finish()


main()
