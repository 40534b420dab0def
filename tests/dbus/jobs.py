#!/usr/bin/python3
"""What takes long is a job: it tells how far it is, ends with a signal, and can be cancelled by who has started it."""

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
    write,
)
from results import Results

DEVICE = f"{ROOT}/devices/sim0"
EXPORT = "1209-0001-SLOW-lun0"
# At full speed, some seconds.
SIZE = 4 << 20


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.root = bus.caller()
        self.stranger = bus.caller(STRANGER)
        self.watcher = Watcher(bus)
        wait_until(lambda: self.root.get("Manager", "NExports") == 1, "the unit is exported")

    def flush(self, caller):
        self.watcher.forget()
        write(self.bus, EXPORT, SIZE)
        return caller.call("Cache", "Flush", "(@a{sv} {},)", path=DEVICE)

    def cancel(self, caller, job):
        return caller.call("Job", "Cancel", "(@a{sv} {},)", path=job)

    def a_job_tells_what_it_is(self):
        job = self.flush(self.stranger)
        facts = self.root.get_all("Job", job)
        assert (facts["Operation"], facts["Object"], facts["StartedByUID"]) == ("flush", DEVICE, STRANGER)
        assert 0 <= facts["Progress"] <= 1 and facts["StartTime"] > 0
        assert self.watcher.wait_for_completion(job) == (True, "")
        assert not is_there(self.root, job)

    def a_job_tells_how_far_it_is(self):
        job = self.flush(self.root)

        def is_on_its_way():
            for path, _, member, values in self.watcher.signals:
                if (path, member) == (job, "PropertiesChanged") and 0 < values[1]["Progress"] < 1:
                    return values[1]
            return None

        facts = wait_until(is_on_its_way, "progress is told")
        assert 0 < facts["Bytes"] <= SIZE and facts["Rate"] > 0
        assert facts["ExpectedEndTime"] > self.root.get("Job", "StartTime", job)
        assert self.watcher.wait_for_completion(job) == (True, "")

    def who_has_started_a_job_may_cancel_it(self):
        self.bus.polkit_calls()
        job = self.flush(self.stranger)
        self.cancel(self.stranger, job)
        success, words = self.watcher.wait_for_completion(job)
        assert not success and words
        assert [call[1] for call in self.bus.polkit_calls()] == [f"{NAME}.flush"]

    def others_may_cancel_it_if_polkit_says_so(self):
        job = self.flush(self.root)
        expect_failure("NotAuthorized", self.cancel, self.stranger, job)
        self.bus.set_verdict(f"{NAME}.cancel", "yes")
        self.cancel(self.stranger, job)
        assert self.watcher.wait_for_completion(job)[0] is False

    def a_job_outlives_its_caller(self):
        caller = self.bus.caller()
        job = self.flush(caller)
        caller.end()
        assert self.watcher.wait_for_completion(job) == (True, "")

    def a_device_that_goes_ends_its_jobs(self):
        job = self.flush(self.root)
        os.kill(self.root.get("Device", "WorkerPid", DEVICE), 9)
        success, words = self.watcher.wait_for_completion(job)
        assert not success and words

    def letting_a_device_go_is_a_job_meanwhile(self):
        wait_until(lambda: self.root.get("Manager", "NExports") == 1, "the unit is exported again")
        self.watcher.forget()
        write(self.bus, EXPORT, SIZE)
        release = self.root.start("Device", "Release", "(@a{sv} {},)", path=DEVICE)
        (path, _, of, uid) = wait_until(lambda: self.watcher.jobs_of("release"), "there is a job")[0]
        assert (of, uid) == (DEVICE, 0)
        self.root.finish(release)
        assert self.watcher.wait_for_completion(path) == (True, "")
        wait_until(lambda: not is_there(self.root, DEVICE), "the device is gone")


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        bus.start_polkit()
        bus.set_verdict(f"{NAME}.flush", "yes")
        bus.start_service(specs=["size=64M,speed=full,serial=SLOW"])
        checks = Checks(bus)
        for check in (
            checks.a_job_tells_what_it_is,
            checks.a_job_tells_how_far_it_is,
            checks.who_has_started_a_job_may_cancel_it,
            checks.others_may_cancel_it_if_polkit_says_so,
            checks.a_job_outlives_its_caller,
            checks.a_device_that_goes_ends_its_jobs,
            checks.letting_a_device_go_is_a_job_meanwhile,
        ):
            results.check(check)
    results.finish()


main()
