#!/usr/bin/python3
"""Who may call a method of each interface, as another project's mock of polkit says: python3-dbusmock's."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from private_bus import (NAME, ROOT, SERVICE_USER, STRANGER, expect_failure, private_bus, skip_unless_root,
                         wait_until)  # fmt: skip
from results import Results

DEVICE = f"{ROOT}/devices/sim0"
LUN = f"{DEVICE}/lun0"
DRIVE = f"{ROOT}/devices/sim1/lun0"
SPECS = ["size=8M,serial=DISK,link=ideal,smart=ata", "type=optical,size=1M,serial=DISC"]
NOTHING = "(@a{sv} {},)"
INQUIRY = "(@ay [0x12, 0, 0, 0, 36, 0], @ay [], uint32 36, @a{sv} {})"
# Each may be done again and again: interface, method, arguments, object, polkit's action.
METHODS = (
    ("Manager", "Reload", NOTHING, ROOT, "configure"),
    ("Device", "Diagnose", NOTHING, DEVICE, "diagnose"),
    ("Lun", "OpenNbd", NOTHING, LUN, "open"),
    ("Scsi", "Command", INQUIRY, LUN, "scsi-harmless"),
    ("Cache", "Reset", NOTHING, DEVICE, "cache"),
    ("Power", "SetTimeouts", "({'standby': <uint64 0>},)", DEVICE, "power-timeouts"),
    ("Smart", "Update", NOTHING, LUN, "smart-update"),
    ("Optical", "CloseTray", NOTHING, DRIVE, "eject"),
)
ACTIONS = {f"{NAME}.{method[4]}" for method in METHODS}


def attempt(caller, method):
    interface, name, arguments, path, _ = method
    return caller.call(interface, name, arguments, path=path)


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.root = bus.caller()
        self.service = bus.caller(SERVICE_USER)
        self.stranger = bus.caller(STRANGER)
        wait_until(lambda: self.root.get("Manager", "NExports") == len(SPECS), "all is exported")

    def _tell_polkit(self, allowed, allows_unknown=False):
        self.bus.ask_polkit("SetAllowed", "(as)", sorted(allowed))
        self.bus.ask_polkit("AllowUnknown", "(b)", allows_unknown)

    def _privileged_may_all(self):
        for method in METHODS:
            attempt(self.root, method)
            attempt(self.service, method)

    def root_and_the_service_may_all_that_polkit_denies(self):
        self._tell_polkit([])
        self._privileged_may_all()

    def root_and_the_service_may_all_that_polkit_allows(self):
        self._tell_polkit([], allows_unknown=True)
        self._privileged_may_all()

    def a_stranger_may_nothing_that_polkit_denies(self):
        self._tell_polkit([])
        for method in METHODS:
            expect_failure("NotAuthorized", attempt, self.stranger, method)

    def a_stranger_may_what_polkit_allows(self):
        for method in METHODS:
            self._tell_polkit([f"{NAME}.{method[4]}"])
            attempt(self.stranger, method)

    def what_polkit_allows_is_no_other_action(self):
        for method in METHODS:
            self._tell_polkit(ACTIONS - {f"{NAME}.{method[4]}"})
            expect_failure("NotAuthorized", attempt, self.stranger, method)

    def a_stranger_may_all_if_polkit_allows_all(self):
        self._tell_polkit([], allows_unknown=True)
        for method in METHODS:
            attempt(self.stranger, method)


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        bus.start_mock_polkit()
        bus.start_service(uid=SERVICE_USER, specs=SPECS)
        checks = Checks(bus)
        for name, check in vars(Checks).items():
            if callable(check) and not name.startswith("_"):
                results.check(getattr(checks, name))
    results.finish()


main()
