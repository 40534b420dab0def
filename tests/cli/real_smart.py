#!/usr/bin/python3
"""smart and smart-test against the service itself, on simulated drives of each kind behind bridges."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

from fake_bus import PATIENCE_S, bus, expect
from fake_smart import COMMON, NVME, SCSI, leaves, schema
from results import Results

COMMON_OF_DRIVE = ",link=ideal,self-test-ms=300"
DRIVES = (
    "size=8M,serial=ATADRIVE,smart=ata,temperature=41,attribute-5=3,attribute-197=1" + COMMON_OF_DRIVE,
    "size=8M,serial=NVMEDRIVE,vid=152d,pid=0583,smart=nvme,temperature=50,wear=7" + COMMON_OF_DRIVE,
    "size=8M,serial=SCSIDRIVE,smart=scsi,temperature=35,failing" + COMMON_OF_DRIVE,
    "size=8M,serial=SLEEPER,smart=ata,stop-after-ms=1000" + COMMON_OF_DRIVE,
    "size=8M,serial=BADTEST,smart=ata,self-test-result=7" + COMMON_OF_DRIVE,
)  # fmt: skip
ATA, NVME_DRIVE, SCSI_DRIVE, SLEEPER, BAD_TEST = (f"sim{i}" for i in range(len(DRIVES)))


def start(host):
    specs = [word for drive in DRIVES for word in ("--simulate", drive)]
    with open(host.folder + "/log", "wb") as log:
        process = subprocess.Popen(
            [os.environ["BUILD_FOLDER"] + "/daemon/usb-storaged", "--no-usb", "--bus", host.address,
             "--runtime-dir", host.folder + "/run", "--state-dir", host.folder + "/state", *specs],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # fmt: skip
    end = time.monotonic() + PATIENCE_S
    while True:
        ran = host.run("list", "-j")
        if ran.status == 0 and sum(bool(row["export"]) for row in ran.json()) == len(DRIVES):
            return process
        assert time.monotonic() < end and process.poll() is None, ran.err
        time.sleep(0.05)


def text(host):
    """each kind of drive is told with its verdict, in 80 columns"""
    for name, status, words in (
        (ATA, 0, ("Health: warning", "Why: 1 sector cannot be read", "Drive: ATA", "Temperature: 41", "Reallocated_Sector_Ct")),
        (NVME_DRIVE, 0, ("Health: good", "Drive: NVMe", "Temperature: 50", "Worn: 7%")),
        (SCSI_DRIVE, 8, ("Health: failing", "Drive: SCSI", "Temperature: 35")),
    ):  # fmt: skip
        out = expect(host.run("smart", name), status).out
        for word in words:
            assert word in out, (word, out)
        assert max(map(len, out.splitlines())) <= 80, out


def schemas(host):
    """JSON of NVMe and SCSI drives has known keys of known types, and the drive's numbers"""
    for name, known in ((NVME_DRIVE, NVME), (SCSI_DRIVE, SCSI)):
        found = leaves(host.run("smart", name, "-j").json())
        allowed = schema(COMMON) | schema(known) | {
            key: kind for key, kind in found.items() if key.startswith(("temperature.", "scsi_error_counter_log.verify."))}  # fmt: skip
        strange = {path: kind for path, kind in found.items() if allowed.get(path) != kind}
        assert not strange, strange
    ata = host.run("smart", ATA, "-j").json()
    table = {row["id"]: row["raw"]["value"] for row in ata["ata_smart_attributes"]["table"]}
    assert (table[5], table[197]) == (3, 1) and ata["temperature"]["current"] == 41
    assert host.run("smart", NVME_DRIVE, "-j").json()["nvme_smart_health_information_log"]["percentage_used"] == 7
    assert host.run("smart", SCSI_DRIVE, "-j").json()["smart_status"]["passed"] is False


def columns(host):
    """list and status show health and temperature"""
    rows = {row["port"]: row for row in host.run("list", "-j").json()}
    shown = {name: (rows[name]["health"], rows[name]["temp"]) for name in (ATA, NVME_DRIVE, SCSI_DRIVE)}
    assert shown == {ATA: ("warning", 41), NVME_DRIVE: ("good", 50), SCSI_DRIVE: ("failing", 35)}, shown
    assert "health failing, 35 °C" in expect(host.run("status", SCSI_DRIVE), 0).out
    assert "Health: warning" in expect(host.run("diagnose", ATA), 0).out


def asleep(host):
    """a drive that sleeps is woken only where that is asked for"""
    end, pause = time.monotonic() + PATIENCE_S, 0.1
    while not (ran := host.run("smart", SLEEPER, "-j")).status & 2:  # it has not fallen asleep yet
        assert time.monotonic() < end, ran.out
        time.sleep(pause)  # being asked may keep it awake
        pause *= 2
    assert ran.json()["smartctl"]["messages"], ran.out
    assert "ata_smart_attributes" in expect(host.run("smart", SLEEPER, "-j", "--force"), 0).json()


def self_tests(host):
    """a self-test is begun, waited for, told, and ended"""
    for name in (ATA, NVME_DRIVE, SCSI_DRIVE):
        assert "completed without error" in expect(host.run("smart-test", name, "--wait"), 0).out
        assert "Self-test: short, completed without error" in host.run("smart", name).out
    assert host.run("smart-test", ATA, "extended", "--wait", "-j").json()["result"] == "passed"
    expect(host.run("smart-test", BAD_TEST, "--wait"), 1)
    assert expect(host.run("smart", BAD_TEST, "-j"), 128).json()["smartctl"]["exit_status"] == 128
    expect(host.run("smart-test", ATA, "extended"), 0)
    expect(host.run("smart-test", ATA, "abort"), 0)
    assert "aborted by the host" in host.run("smart", ATA).out


def main():
    results = Results()
    with bus() as host:
        service = start(host)
        for check in (text, schemas, columns, asleep, self_tests):
            results.check(check, host)
        service.terminate()
        service.wait(PATIENCE_S)
    results.finish()


if __name__ == "__main__":
    main()
