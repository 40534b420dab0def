#!/usr/bin/python3
"""Every verb against the service itself, on simulated disks and a bus of the test's own."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

from fake_bus import PATIENCE_S, bus, expect
from results import Results

MIB = 1 << 20
SIZE = 16 * MIB
DISKS = (f"size={SIZE},serial=ONE,link=ideal", "size=8M,luns=2,serial=TWO,link=ideal",
         "size=8M,serial=BAD,link=ideal,faults=medium-error@lba=4100..4102",
         "type=optical,size=1M,serial=DISC")  # fmt: skip


class Daemon:
    def __init__(self, running):
        self.bus = running
        self.log_path = running.folder + "/log"
        specs = [word for disk in DISKS for word in ("--simulate", disk)]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [os.environ["BUILD_FOLDER"] + "/daemon/usb-storaged", "--no-usb", "--bus", running.address,
                 "--runtime-dir", running.folder + "/run", "--state-dir", running.folder + "/state", *specs],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # fmt: skip
        self.names = {}
        end = time.monotonic() + PATIENCE_S
        while len(self.names) < len(DISKS) or not all(row["export"] for row in self.rows):
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)
            ran = running.run("list", "-j")
            self.rows = ran.json() if ran.status == 0 else []
            self.names = {row["serial"]: row["port"] for row in self.rows if row["export"]}

    def run(self, *arguments, **options):
        return self.bus.run(*arguments, **options)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(PATIENCE_S) == 0, self.log()


def lists(host):
    """list has the simulated disks with their sizes and exports"""
    rows = {row["name"]: row for row in host.rows}
    assert len(rows) == 5, rows
    row = rows[host.names["ONE"] + ".0"]
    assert row["size"] == SIZE and row["lba"] == 512 and row["proto"] == "BOT" and row["state"] == "running"
    out = expect(host.run("list", "-o", "all"), 0).out
    assert out.count("\n") == 6 and "SIMULATED DISK" in out
    assert max(map(len, host.run().out.splitlines())) <= 80


def status(host):
    """status and device-info tell of the service, its devices and their units"""
    out = expect(host.run("status"), 0).out
    assert out.startswith("usb-storaged ") and out.count("●") == 4, out
    assert "├─0 disk ORION SIMULATED DISK 8M" in out, out
    everything = host.run("status", "-j").json()
    assert len(everything["Devices"]) == 4 and everything["Manager"]["Version"]
    info = expect(host.run("ONE", "-j", name="usb_storage_device_info"), 0).json()
    assert info["Serial"] == "ONE" and info["Luns"][0]["Size"] == SIZE
    expect(host.run("status", "nobody"), 3)


def scsi(host):
    """commands go to units: data comes back, a bad block is told in words, an unknown command is refused"""
    ran = expect(host.run("scsi-command", "TWO.1", "--in", "36", "120000002400"), 0)
    assert ran.raw[8:13] == b"ORION", ran.raw
    answer = host.run("scsi-command", "ONE", "000000000000", "-j").json()
    assert answer["status"] == 0 and answer["sense"] == ""
    expect(host.run("scsi-command", "BAD", "--in", "512", "28", *"0 0 0 10 4 0 0 1 0".split()), 1, "edium error")
    assert "Commands" in host.run("scsi-info", "ONE", "-j").json()
    assert "Has unmap" in expect(host.run("scsi-info", "ONE"), 0).out
    expect(host.run("scsi-command", "ONE", "ff"), 6, "not known")
    expect(host.run("scsi-command", "ONE", "ff", "--force"), 1, "llegal request")
    expect(host.run("scsi-reset", "TWO.1"), 0)


def trays(host):
    """a disc is brought out and taken in, and status shows it"""
    assert "CD-ROM, 1 data track, tray closed" in expect(host.run("status", "DISC"), 0).out
    assert expect(host.run("eject", "DISC.0"), 0).out == host.names["DISC"] + ".0 is out.\n"
    out = host.run("status", "DISC").out
    assert "tray open" in out and "no medium" in out, out
    assert host.run("eject", "DISC", "-j").json() == {"unit": host.names["DISC"] + ".0"}
    expect(host.run("load", "DISC"), 0)
    assert "CD-ROM, 1 data track, tray closed" in host.run("status", "DISC").out
    assert "DISC-lun0" in host.run("status", "DISC").out
    expect(host.run("eject", "ONE"), 6)
    expect(host.run("load", "TWO"), 2)


def cache(host):
    """the cache's numbers are told, it is flushed and emptied"""
    assert "Mode: write-back" in expect(host.run("cache-info", "ONE"), 0).out
    info = host.run("cache-info", "ONE", "-j").json()
    assert info["SizeMax"] > 0 and info["DirtyBytes"] == 0 and "Hits" in info
    expect(host.run("cache-flush", "ONE"), 0)
    expect(host.run("cache-flush", "TWO.1"), 0)
    expect(host.run("cache-reset", "ONE"), 0)
    expect(host.run("cache-reset", "ONE", "--discard-dirty", "--yes"), 0)


def performance(host):
    """rates, latencies and advice are told"""
    numbers = expect(host.run("performance-stats", "ONE", "-j"), 0).json()
    assert [rate["window"] for rate in numbers["rates"]] == [1, 10, 60]
    assert numbers["latency"]["scsi"]["buckets"] and "reads_completed" in numbers["counters"]
    assert "WINDOW" in expect(host.run("performance-stats", "TWO.1"), 0).out
    assert isinstance(expect(host.run("optimization-info", "ONE", "-j"), 0).json(), list)
    assert expect(host.run("top", "-n", "2"), 0).out.count("running") == 8
    assert expect(host.run("metrics"), 0).out.endswith("# EOF\n")
    with open("/dev/full", "wb") as full:
        assert subprocess.run(host.bus.command("metrics"), stdout=full, check=False).returncode == 1


def tells_of_itself(host):
    """settings, rules and quirks are told, the policy is tested, the configuration is read again"""
    settings = {row["key"]: row for row in expect(host.run("config", "-j"), 0).json()}
    assert settings["park_timeout"]["value"] == "60s" and settings["park_timeout"]["source"] == "default"
    assert expect(host.run("policy", "-j"), 0).json() == []
    assert expect(host.run("policy"), 0).out == "There are no rules: the default is for all.\n"
    assert host.run("policy", "test", host.names["ONE"], "-j").json()["target"] == "allow"
    expect(host.run("policy", "test", "9-9"), 3)
    assert 'serial "ONE"' in expect(host.run("policy", "generate"), 0).out
    assert isinstance(expect(host.run("quirks", "-j"), 0).json(), list)
    assert expect(host.run("reload", "-j"), 0).json() == {"pending_keys": []}


def no_smart(host):
    """a disk that knows nothing of its health is told so, and why"""
    ran = expect(host.run("smart", "ONE", "-j"), 4)
    assert ran.json()["smartctl"]["exit_status"] == 4 and ran.json()["smartctl"]["messages"], ran.out
    assert "Health: unknown" in expect(host.run("smart", "ONE"), 4).out
    expect(host.run("smart-test", "ONE"), 6)


def power(host):
    """timeouts of a device are set, in force and told"""
    assert host.run("power-info", "ONE", "-j").json()["StandbyTimeout"] == 0
    expect(host.run("ONE", "--standby-timeout=10min", "--suspend-timeout=1h", name="usb_storage_power_set"), 0)
    facts = expect(host.run("ONE", "-j", name="usb_storage_power_info"), 0).json()
    assert (facts["StandbyTimeout"], facts["SuspendTimeout"]) == (600_000_000, 3_600_000_000), facts
    assert "Standby: after 10:00" in host.run("power-info", "ONE").out
    expect(host.run("power-set", "ONE", "--default-timeouts"), 0)
    assert host.run("power-info", "ONE", "-j").json()["StandbyTimeout"] == 0
    assert host.run("power-info", "TWO.1", "-j").json()["ManagementEnabled"] is True


def trace(host):
    """what trace records is decoded by Wireshark as SCSI commands, from a file and from a pipe"""
    path = host.bus.folder + "/trace"
    for name in (path, "-"):
        process = subprocess.Popen(host.bus.command("trace", "ONE", "--pcap", name, "--seconds=2"),
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # fmt: skip
        time.sleep(1)
        expect(host.run("scsi-command", "ONE", "--in", "36", "120000002400"), 0)
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, out
        if name == "-":
            with open(path, "wb") as file:
                file.write(out)
        shown = subprocess.run(["tshark", "-n", "-r", path], capture_output=True, check=True).stdout.decode()
        assert "SCSI: Inquiry" in shown and "SCSI: Response LUN: 0x00 (Inquiry) (Good)" in shown, shown
    first = subprocess.Popen(host.bus.command("trace", "ONE", "--pcap", path), stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    expect(host.run("trace", "ONE", "--pcap", path, "--seconds=1"), 1, "recorded already")
    first.terminate()
    assert first.wait(PATIENCE_S) == 0


def diagnosis(host):
    """diagnose has a report"""
    expect(host.run("scsi-command", "BAD", "--in", "512", "28", *"0 0 0 10 4 0 0 1 0".split()), 1)
    report = expect(host.run("diagnose", "BAD"), 0).out
    assert "1209:0001" in report and "unit 0: READ(10), block 4100, 512 bytes in, 0 of them moved" in report, report
    assert "edium error" in report.splitlines()[-1] and "at block 4100 [28 00 00 00 10 04" in report, report
    assert host.run("diagnose", "ONE", "-j").json()["report"]


def copies(host):
    """an image that is copied in comes out again, and is on the medium"""
    image, back = host.bus.folder + "/image", host.bus.folder + "/back"
    data = hashlib.shake_256(b"image").digest(SIZE)
    with open(image, "wb") as file:
        file.write(data)
    expect(host.run("copy", image, "ONE", "--yes"), 0)
    assert expect(host.run("copy", "ONE.0", back, "-j"), 0).json()["copied"] == SIZE
    with open(back, "rb") as file:
        assert file.read() == data


def rescues(host):
    """around bad blocks everything is copied, and the map has just these"""
    image, rescue_map = host.bus.folder + "/rescued", host.bus.folder + "/map"
    answer = expect(host.run("copy", "BAD", image, "--map", rescue_map, "-j"), 1).json()
    assert answer["bad"] == 3 * 512 and answer["bad_areas"] == 1, answer
    with open(rescue_map, encoding="ascii") as file:
        assert "0x00200800  0x00000600  -" in file.read()


def benchmarks(host):
    """benchmark has a row for each pattern"""
    rows = expect(host.run("benchmark", "ONE", "--seconds=1", "-j"), 0).json()
    assert len(rows) == 4 and all(row["requests_per_s"] > 0 and row["errors"] == 0 for row in rows)


def watches(host):
    """monitor sees what happens to a device"""
    process = subprocess.Popen(host.bus.command("monitor", "-n", "1", "-j"), stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + PATIENCE_S
    # It does not tell when it has begun to look, and a device bears ten resets a minute.
    while process.poll() is None:
        assert time.monotonic() < end, "nothing is seen"
        expect(host.run("device-reset", "TWO"), 0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(8)
    event = json.loads(process.communicate()[0].splitlines()[0])
    assert process.returncode == 0 and event["kind"] and event["object"].startswith(host.names["TWO"]), event


def denied(host):
    """a stranger may look, and without polkit change nothing"""
    if os.geteuid() != 0:
        return
    os.chmod(host.bus.folder, 0o755)
    stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for arguments, status in ((["list"], 0), (["device-reset", "TWO"], 4), (["cache-flush", "TWO"], 4),
                              (["scsi-command", "TWO.1", "04", "0", "0", "0", "0", "0"], 4)):  # fmt: skip
        ran = subprocess.run(stranger + host.bus.command(*arguments), capture_output=True, check=False)
        assert ran.returncode == status, (arguments, ran)


def ends(host):
    """devices are removed and released, and are gone then"""
    assert "may be unplugged" in expect(host.run("device-remove", "TWO"), 0).out
    expect(host.run("device-reset", "TWO"), 3)
    expect(host.run("release", "ONE"), 0)
    expect(host.run("take", "9-9"), 3)
    assert {row["serial"] for row in host.run("-j").json() if row["export"]} == {"BAD", "DISC"}


def stops(host):
    """the service ends well after all of that"""
    host.stop()


CHECKS = (lists, status, scsi, trays, cache, performance, tells_of_itself, no_smart, power, trace, diagnosis, copies, rescues, benchmarks, watches,
          denied, ends)  # fmt: skip


def main():
    results = Results()
    with bus() as running:
        host = Daemon(running)
        running.services.append(host.process)
        for check in CHECKS:
            results.check(check, host)
        results.check(stops, host)
        if results.n_failed:
            for line in host.log().splitlines()[-40:]:
                print(f"# {line}")
    results.finish()


main()
