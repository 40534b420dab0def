#!/usr/bin/python3
"""An optical drive on the bus: its disc, its tray, and who may move that."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from private_bus import (NAME, ROOT, STRANGER, Failure, Watcher, connect, expect_failure, is_there, private_bus,
                         skip_unless_root, wait_until)  # fmt: skip
from results import Results

DRIVE = f"{ROOT}/devices/sim0/lun0"
BLANK = f"{ROOT}/devices/sim1/lun0"
AUDIO = f"{ROOT}/devices/sim2/lun0"
DISK = f"{ROOT}/devices/sim3/lun0"
SPECS = ["type=optical,size=1M,serial=DATA", "type=optical,size=1M,serial=BLANK,disc=blank",
         "type=optical,size=1M,serial=AUDIO,disc=audio", "size=1M,serial=DISK,rotation=5400"]  # fmt: skip
NOTHING = "(@a{sv} {},)"


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.root = bus.caller()
        self.stranger = bus.caller(STRANGER)
        self.watcher = Watcher(bus)
        for path in (DRIVE, BLANK, AUDIO, DISK):
            wait_until(lambda where=path: is_there(self.root, where), f"{path} is there")
        wait_until(lambda: self.tray() == "closed", "the drive was looked at")

    def tray(self, path=DRIVE):
        return self.root.get("Optical", "Tray", path)

    def move(self, method, options=NOTHING, caller=None):
        return (caller or self.root).call("Optical", method, options, path=DRIVE)

    def a_drive_tells_of_its_disc(self):
        assert self.stranger.get_all("Optical", DRIVE) == {
            "Profile": "CD-ROM", "Blank": False, "DataTracks": 1, "AudioTracks": 0, "Tray": "closed",
            "Locked": False, "CanEject": True}  # fmt: skip
        blank = self.stranger.get_all("Optical", BLANK)
        assert blank["Blank"] and blank["Profile"] == "CD-R", blank
        audio = self.stranger.get_all("Optical", AUDIO)
        assert (audio["AudioTracks"], audio["DataTracks"], audio["Blank"]) == (3, 0, False), audio
        assert self.root.get("Lun", "MediaAvailable", BLANK) and self.root.get("Lun", "Export", BLANK) == ""

    def a_disk_has_no_tray(self):
        objects = self.stranger.call("org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
        assert f"{NAME}.Optical" in objects[DRIVE] and f"{NAME}.Optical" not in objects[DISK]
        try:
            self.root.call("Optical", "Eject", NOTHING, path=DISK)
        except Failure as failure:
            assert failure.name.startswith("org.freedesktop.DBus.Error.Unknown"), failure
            return
        raise AssertionError("a disk was ejected")

    def a_disk_tells_how_fast_it_turns_and_what_it_is(self):
        lun = self.root.get_all("Lun", DISK)
        assert lun["RotationRate"] == 5400 and lun["Rotational"], lun
        assert lun["WWN"].startswith("0x") and len(lun["WWN"]) in (18, 34), lun
        assert self.root.get("Lun", "RotationRate", DRIVE) == -1
        assert self.root.get("Device", "Id", f"{ROOT}/devices/sim3") == "1209-0001-DISK"

    def a_stranger_moves_a_tray_if_polkit_lets_him(self):
        self.bus.set_verdict(f"{NAME}.eject", "no")
        for method in ("Eject", "CloseTray"):
            expect_failure("NotAuthorized", self.move, method, caller=self.stranger)
        assert self.tray() == "closed"
        self.bus.set_verdict(f"{NAME}.eject", "yes")
        self.bus.set_verdict(f"{NAME}.eject-busy", "no")
        expect_failure("NotAuthorized", self.move, "Eject", "({'force': <true>},)", caller=self.stranger)
        self.move("CloseTray", caller=self.stranger)

    def a_disc_comes_out_and_goes_in(self):
        former = self.root.get("Lun", "ExportNumber", DRIVE)
        self.watcher.forget()
        self.move("Eject", caller=self.stranger)
        self.watcher.wait_for_property(DRIVE, "Optical", "Tray", "open")
        self.watcher.wait_for_property(DRIVE, "Optical", "Profile", "")
        self.watcher.wait_for_property(DRIVE, "Lun", "Export", "")
        assert self.root.get("Lun", "ExportNumber", DRIVE) == 0
        assert not self.root.get("Lun", "MediaAvailable", DRIVE)
        self.move("CloseTray")
        self.watcher.wait_for_property(DRIVE, "Lun", "Export", "1209-0001-DATA-lun0")
        number = self.root.get("Lun", "ExportNumber", DRIVE)
        assert number not in (0, former), (number, former)
        self.watcher.wait_for_property(DRIVE, "Optical", "Profile", "CD-ROM")
        assert self.tray() == "closed"

    def a_disc_in_use_comes_out_by_force_alone(self):
        handle = connect(self.bus, "1209-0001-DATA-lun0")
        wait_until(lambda: self.root.get("Optical", "Locked", DRIVE), "it is locked")
        expect_failure("DeviceBusy", self.move, "Eject")
        assert handle.pread(2048, 0) is not None
        self.move("Eject", "({'force': <true>},)")
        wait_until(lambda: self.tray() == "open" and not self.root.get("Optical", "Locked", DRIVE), "it is out")
        wait_until(lambda: self.root.get("Lun", "NClients", DRIVE) == 0, "its client was ended")

    def nonsense_is_refused(self):
        expect_failure("InvalidArgument", self.move, "Eject", "({'gently': <true>},)")
        expect_failure("InvalidArgument", self.move, "CloseTray", "({'force': <true>},)")


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        bus.start_polkit()
        bus.start_service(specs=SPECS)
        checks = Checks(bus)
        for name, check in vars(Checks).items():
            if callable(check) and not name.startswith("_") and name not in ("tray", "move"):
                results.check(getattr(checks, name))
    results.finish()


main()
