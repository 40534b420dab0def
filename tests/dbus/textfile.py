#!/usr/bin/python3
"""What node_exporter reads: written as the unit says, in a format that it knows, whole at every moment."""

import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser
from private_bus import BUILD_FOLDER, HERE, private_bus, skip_unless_root, wait_until
from results import Results

UNITS = os.path.join(BUILD_FOLDER, "units")
SERVICE = os.path.join(UNITS, "usb-storage-metrics.service")
TIMER = os.path.join(HERE, "../../units/usb-storage-metrics.timer")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def setting(path, key):
    """The values of a unit's key."""
    return re.findall(rf"^{key}=(.*)$", read(path), re.M)


def samples_of(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


class Checks:
    def __init__(self, bus, service):
        self.bus = bus
        self.service = service
        self.caller = bus.caller()
        self.folder = os.path.join(bus.folder, "node-exporter")
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "usb-storage.prom")
        wait_until(lambda: self.caller.get("Manager", "NExports") == 3, "all is exported")

    def run(self, path=None):
        """Runs what the unit runs, on our bus and into our folder."""
        (line,) = setting(SERVICE, "ExecStart")
        words = line.replace(os.path.dirname(setting(SERVICE, "ReadWritePaths")[0]), self.bus.folder).split()
        words[0] = os.path.join(BUILD_FOLDER, "src/cli/usb-storagectl")
        if path:
            words[-1] = f"--textfile={path}"
        assert words[-1] == f"--textfile={path or self.path}", words
        environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}
        return subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)

    def write(self):
        ran = self.run()
        assert ran.returncode == 0 and not ran.stdout and not ran.stderr, ran
        return read(self.path)

    def what_is_written_is_the_older_format(self):
        families = list(parser.text_string_to_metric_families(self.write()))
        kinds = {family.name: family.type for family in families}
        assert set(kinds.values()) == {"counter", "gauge", "histogram"}, kinds
        assert kinds["usb_storage_device_info"] == kinds["usb_storage_device_state"] == "gauge", kinds
        assert kinds["usb_storage_reads_completed"] == "counter", kinds
        assert all(family.documentation and family.samples for family in families)

    def it_has_the_samples_of_the_newer_format(self):
        newer = self.caller.call("Manager", "GetMetrics", "(@a{sv} {},)")
        older = samples_of(parser.text_string_to_metric_families(self.write()))
        assert samples_of(openmetrics_parser.text_string_to_metric_families(newer)).keys() == older.keys()
        assert newer.endswith("# EOF\n") and len(older) > 100

    def promtool_finds_nothing_wrong(self):
        if not shutil.which("promtool"):
            return
        ran = subprocess.run(["promtool", "check", "metrics"], input=self.write().encode(), capture_output=True,
                             check=False)  # fmt: skip
        assert ran.returncode == 0 and not ran.stderr, ran.stderr

    def a_reader_has_all_of_the_former_file(self):
        former = self.write()
        with open(self.path, encoding="utf-8") as file:
            half = file.read(len(former) // 2)
            self.write()
            assert half + file.read() == former
            assert os.stat(self.path).st_ino != os.fstat(file.fileno()).st_ino, "it was written in place"
        assert os.listdir(self.folder) == ["usb-storage.prom"]
        assert os.stat(self.path).st_mode & 0o777 == 0o644

    def a_file_that_cannot_be_written_is_told(self):
        missing = os.path.join(self.bus.folder, "missing/usb-storage.prom")
        ran = self.run(missing)
        assert ran.returncode == 1 and f"{missing}: No such file".encode() in ran.stderr, ran
        folder = os.path.join(self.bus.folder, "folder.prom")
        os.mkdir(folder)
        ran = self.run(folder)
        assert ran.returncode == 1 and f"{folder}: Is a directory".encode() in ran.stderr, ran
        assert not os.path.exists(folder + ".new")

    def systemd_understands_the_units(self):
        assert setting(TIMER, "PartOf") == setting(TIMER, "WantedBy") == ["usb-storaged.service"]
        assert setting(SERVICE, "ConditionPathIsDirectory") == setting(SERVICE, "ReadWritePaths")
        if not shutil.which("systemd-analyze"):
            return
        # Under their names, with a program that is there.
        folder = os.path.join(self.bus.folder, "units")
        os.mkdir(folder)
        shutil.copy(TIMER, folder)
        program = os.path.join(BUILD_FOLDER, "src/cli/usb-storagectl")
        with open(os.path.join(folder, os.path.basename(SERVICE)), "w", encoding="utf-8") as file:
            file.write(re.sub(r"^ExecStart=\S+", f"ExecStart={program}", read(SERVICE), flags=re.M))
        ran = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
             *(os.path.join(folder, name) for name in sorted(os.listdir(folder)))],
            capture_output=True, check=False)  # fmt: skip
        assert ran.returncode == 0 and b"usb-storage" not in ran.stderr, ran.stderr

    def a_service_that_is_not_there_leaves_the_former_file(self):
        former = self.write()
        self.service.terminate()
        self.service.wait()
        ran = self.run()
        assert ran.returncode == 1 and ran.stderr, ran
        assert read(self.path) == former
        assert os.listdir(self.folder) == ["usb-storage.prom"]


def every_family_is_in_the_manual():
    with open(os.path.join(HERE, "../../man/usb-storage-metrics.5.scd"), encoding="utf-8") as file:
        manual = file.read()
    documented = set(re.findall(r"^\*(usb_storage_\w+)\*$", manual, re.M))
    with private_bus() as bus:
        bus.start_service(
            specs=["size=8M,serial=A,smart=ata", "size=8M,serial=N,vid=152d,pid=0583,smart=nvme,bridge=nvme-jmicron"]
        )
        caller = bus.caller()
        wait_until(lambda: caller.get("Manager", "NExports") == 2, "all is exported")
        program = os.path.join(BUILD_FOLDER, "src/cli/usb-storagectl")
        for disk in ("A", "N"):
            subprocess.run([program, "--address", bus.address, "smart", disk], stdout=subprocess.DEVNULL, check=False)
        text = subprocess.run(
            [program, "--address", bus.address, "metrics"], capture_output=True, check=True, text=True
        ).stdout
    told = set(re.findall(r"^# HELP (\w+)", text, re.M))
    assert told == documented, f"not in the manual: {told - documented}; only there: {documented - told}"
    for label in re.findall(r"_duration_seconds_count{(?:device|lun).*?,([a-z]+)=\"[a-z-]+\"}", text):
        assert f"_{label}_" in manual, label


def main():
    skip_unless_root()
    results = Results()
    results.check(every_family_is_in_the_manual)
    with private_bus() as bus:
        service = bus.start_service(specs=["size=8M,luns=2,serial=ONE", 'size=1M,serial=ODD,model=a"\\b'])
        checks = Checks(bus, service)
        for check in (
            checks.what_is_written_is_the_older_format,
            checks.it_has_the_samples_of_the_newer_format,
            checks.promtool_finds_nothing_wrong,
            checks.a_reader_has_all_of_the_former_file,
            checks.a_file_that_cannot_be_written_is_told,
            checks.systemd_understands_the_units,
            checks.a_service_that_is_not_there_leaves_the_former_file,
        ):
            results.check(check)
    results.finish()


main()
