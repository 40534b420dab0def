#!/usr/bin/python3
"""The service on a bus that is late, goes away, or has the name given to another."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
import nbd
from private_bus import NAME, PATIENCE_S, ROOT, is_there, private_bus, wait_until, write
from results import Results


DEVICE = f"{ROOT}/devices/sim0"


def version_of(bus):
    return bus.caller().get("Manager", "Version")


def is_exported(bus):
    handle = nbd.NBD()
    names = []
    try:
        handle.set_opt_mode(True)
        handle.connect_unix(f"{bus.folder}/runtime/nbd.sock")
        handle.opt_list(lambda name, description: names.append(name))
        handle.opt_abort()
    except nbd.Error:
        return False
    return len(names) == 1


def service_has_the_name_and_says_what_it_is():
    with private_bus() as bus:
        bus.start_service(specs=["size=16M"])
        assert version_of(bus)
        assert bus.caller().get("Manager", "ListenAddresses") == [f"unix:{bus.folder}/runtime/nbd.sock"]


def service_works_without_its_bus_and_comes_back_to_it():
    with private_bus() as bus:
        bus.start_service(specs=["size=16M"])
        bus.stop_daemon()
        wait_until(lambda: "There is no bus" in bus.log(), "the loss is noticed")
        wait_until(lambda: is_exported(bus), "the disk is exported")
        bus.start_daemon()
        wait_until(lambda: bus.has_name(NAME), "the service is back")
        assert version_of(bus)


def bus_that_hangs_does_not_hold_up_the_service():
    with private_bus() as bus:
        program = bus.start_service(specs=["size=16M"])
        bus.daemon.send_signal(19)
        wait_until(lambda: is_exported(bus), "the disk is exported")
        program.terminate()
        assert program.wait(PATIENCE_S) == 0
        bus.daemon.send_signal(18)


def what_is_under_way_outlives_the_bus():
    with private_bus() as bus:
        program = bus.start_service(specs=["size=16M,speed=full,serial=SLOW"])
        caller = bus.caller()
        wait_until(lambda: caller.get("Manager", "NExports") == 1, "the disk is exported")
        write(bus, "1209-0001-SLOW-lun0", 4 << 20)
        job = caller.call("Cache", "Flush", "(@a{sv} {},)", path=DEVICE)
        caller.start("Cache", "SetMode", "('write-through', @a{sv} {})", path=DEVICE)
        bus.stop_daemon()
        bus.start_daemon()
        wait_until(lambda: bus.has_name(NAME), "the service is back")
        caller = bus.caller()
        wait_until(lambda: not is_there(caller, job), "the job is done")
        assert caller.get("Device", "State", DEVICE) == "running"
        program.terminate()
        assert program.wait(PATIENCE_S) == 0


def stop_in_the_middle_of_a_job_is_a_stop():
    with private_bus() as bus:
        program = bus.start_service(specs=["size=16M,speed=full,serial=SLOW"])
        caller = bus.caller()
        wait_until(lambda: caller.get("Manager", "NExports") == 1, "the disk is exported")
        write(bus, "1209-0001-SLOW-lun0", 4 << 20)
        caller.call("Cache", "Flush", "(@a{sv} {},)", path=DEVICE)
        caller.start("Device", "Remove", "(@a{sv} {},)", path=DEVICE)
        program.terminate()
        program.terminate()
        program.wait(PATIENCE_S)
        assert program.returncode in (0, 1), program.returncode


def second_service_waits_for_the_name():
    with private_bus() as bus:
        first = bus.start_service()
        os.rename(f"{bus.folder}/runtime", f"{bus.folder}/runtime.first")
        second = bus.start_service()
        wait_until(lambda: "belongs to another process" in bus.log(), "the name is waited for")
        assert second.poll() is None
        first.terminate()
        assert first.wait(PATIENCE_S) == 0
        wait_until(lambda: bus.has_name(NAME), "the second has the name")
        assert version_of(bus)


def main():
    results = Results()
    for check in (
        service_has_the_name_and_says_what_it_is,
        service_works_without_its_bus_and_comes_back_to_it,
        bus_that_hangs_does_not_hold_up_the_service,
        what_is_under_way_outlives_the_bus,
        stop_in_the_middle_of_a_job_is_a_stop,
        second_service_waits_for_the_name,
    ):
        results.check(check)
    results.finish()


main()
