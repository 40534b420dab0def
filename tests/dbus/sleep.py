#!/usr/bin/python3
"""The host sleeps when what is cached has been written, or nobody waits for that any more, and exports outlive it."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from gi.repository import GLib
from private_bus import HERE, PATIENCE_S, ROOT, SERVICE_USER, connect, is_there, private_bus, skip_unless_root, wait_until, write
from results import Results

DEVICE = f"{ROOT}/devices/sim0"
EXPORT = "1209-0001-SLOW-lun0"
# At full speed, some seconds.
SIZE = 2 << 20


class Logind:
    def __init__(self, bus):
        self.bus = bus
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [os.path.join(HERE, "fake_logind.py"), bus.address]
        )
        wait_until(lambda: bus.has_name("org.freedesktop.login1"), "logind is there")

    def ask(self, method, arguments=None):
        reply = self.bus.connection.call_sync(
            "org.freedesktop.login1", "/org/freedesktop/login1", "org.orion.Test", method, arguments, None, 0, -1, None
        )
        return reply.unpack()

    def inhibitors(self):
        return self.ask("GetInhibitors")[0]

    def tell(self, is_about_to_sleep):
        self.ask("Tell", GLib.Variant("(b)", (is_about_to_sleep,)))

    def end(self):
        self.process.kill()
        self.process.wait(PATIENCE_S)


class Checks:
    def __init__(self, bus, logind):
        self.bus = bus
        self.logind = logind
        self.caller = bus.caller(SERVICE_USER)
        self.wait_for_exports()

    def wait_for_exports(self):
        wait_until(lambda: self.caller.get("Manager", "NExports") == 2, "all is exported")

    def n_prepared(self):
        return self.bus.log().count("The host is about to sleep")

    def dirty(self):
        return self.caller.get("Cache", "DirtyBytes", DEVICE)

    def sleep_is_delayed(self):
        (inhibitor,) = wait_until(self.logind.inhibitors, "it is delayed")
        assert inhibitor[0] == "sleep" and inhibitor[1] == "usb-storaged" and inhibitor[3] == "delay", inhibitor

    def host_sleeps_when_all_is_written(self):
        write(self.bus, EXPORT, SIZE)
        wait_until(self.dirty, "something is cached")
        self.logind.tell(True)
        wait_until(lambda: not self.logind.inhibitors(), "it may sleep")
        assert "The host may sleep: all is written" in self.bus.log()
        # What is told comes once a second.
        wait_until(lambda: self.dirty() == 0, "all is written")

    def after_it_has_woken_sleep_is_delayed_again(self):
        self.logind.tell(False)
        wait_until(lambda: len(self.logind.inhibitors()) == 1, "it is delayed again")
        assert "looking for devices" in self.bus.log()

    def exports_go_on(self):
        handle = connect(self.bus, EXPORT)
        handle.pwrite(b"x" * 4096, 0)
        self.logind.tell(True)
        wait_until(lambda: not self.logind.inhibitors(), "it may sleep")
        assert handle.pread(4096, 0) == b"x" * 4096
        self.logind.tell(False)
        wait_until(self.logind.inhibitors, "it is delayed again")
        handle.pwrite(b"y" * 4096, 0)
        handle.flush()
        handle.shutdown()

    def a_device_whose_worker_dies_meanwhile_is_not_waited_for(self):
        write(self.bus, EXPORT, SIZE)
        pid = self.caller.get("Device", "WorkerPid", DEVICE)
        os.kill(pid, 19)
        n_prepared = self.n_prepared()
        self.logind.tell(True)
        wait_until(lambda: self.n_prepared() > n_prepared, "it is asked to")
        os.kill(pid, 9)
        wait_until(lambda: not self.logind.inhibitors(), "it may sleep")
        assert "could not be flushed before the host sleeps" in self.bus.log()
        self.logind.tell(False)
        wait_until(self.logind.inhibitors, "it is delayed again")

    def who_wakes_at_once_is_waited_for_no_more(self):
        self.wait_for_exports()
        write(self.bus, EXPORT, SIZE)
        self.logind.tell(True)
        self.logind.tell(False)
        wait_until(lambda: len(self.logind.inhibitors()) == 1, "it is delayed again")
        assert is_there(self.caller, DEVICE)

    def logind_may_come_and_go(self):
        self.logind.end()
        wait_until(lambda: not self.bus.has_name("org.freedesktop.login1"), "logind is gone")
        assert is_there(self.caller, DEVICE)
        self.logind = Logind(self.bus)
        wait_until(self.logind.inhibitors, "it is delayed again")


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        # First without a logind.
        bus.start_service(uid=SERVICE_USER, specs=["size=16M,serial=SLOW,speed=full", "size=4M,serial=OTHER"])
        logind = Logind(bus)
        checks = Checks(bus, logind)
        for check in (
            checks.sleep_is_delayed,
            checks.host_sleeps_when_all_is_written,
            checks.after_it_has_woken_sleep_is_delayed_again,
            checks.exports_go_on,
            checks.a_device_whose_worker_dies_meanwhile_is_not_waited_for,
            checks.who_wakes_at_once_is_waited_for_no_more,
            checks.logind_may_come_and_go,
        ):
            results.check(check)
        checks.logind.end()
    results.finish()


main()
