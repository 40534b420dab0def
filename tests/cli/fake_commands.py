#!/usr/bin/python3
"""The verbs that send commands, watch, and ask the service about itself, against the fake service."""

import contextlib
import os
import resource
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

from fake_bus import PATIENCE_S, bus, expect
from results import Results

INQUIRY = ["12", "0", "0", "0", "24", "0"]


def scsi_command_in(host):
    """scsi-command reads: raw into a pipe, as a dump on a terminal, in hexadecimal as JSON"""
    ran = expect(host.run("scsi-command", "1-4.0", "--in", "36", *INQUIRY), 0)
    assert len(ran.raw) == 36 and ran.raw[8:13] == b"Orion", ran.raw
    answer = host.run("1-4", "120000002400", "--in=36", "-j", name="usb_storage_scsi_command").json()
    assert answer["status"] == 0 and bytes.fromhex(answer["data"]) == ran.raw and answer["sense"] == ""
    assert "Orion   |" in host.run_on_terminal("scsi-command", "1-4.0", "--in", "36", *INQUIRY)
    assert host.said() == ["Command 120000002400  36 {}"] * 3


def scsi_command_out(host):
    """scsi-command writes what a file or standard input holds"""
    path = host.folder + "/data"
    with open(path, "wb") as file:
        file.write(b"\x01\x02")
    expect(host.run("scsi-command", "1-4", "--out", path, "--force", "0x3b:00,0"), 0)
    expect(host.run("scsi-command", "1-4", "--out", "-", "3b", text="AB"), 0)
    assert host.said() == ["Command 3b0000 0102 0 {'force': True}", "Command 3b 4142 0 {}"]
    expect(host.run("scsi-command", "1-4", "--out", "/nowhere", "3b"), 1, "/nowhere")


def scsi_command_fails(host):
    """a command that fails has its sense told in words, and 1 as status"""
    ran = expect(host.run("scsi-command", "1-4", "000000000000"), 1, "Status 02h: Not ready: Medium not present")
    assert "70 00 02 00" in ran.err and ran.out == ""
    ran = expect(host.run("scsi-command", "1-4", "000000000000", "--json=short"), 1)
    assert ran.json()["status"] == 2 and ran.json()["sense"].startswith("700002")
    expect(host.run("scsi-command", "1-4", "04"), 4, "destroys")


def scsi_command_usage(host):
    """what is no command block, or names no single unit, is refused"""
    expect(host.run("scsi-command", "1-4", "1g"), 2, "'1g'")
    expect(host.run("scsi-command", "1-4", "123"), 2, "'123'")
    expect(host.run("scsi-command", "1-4", "00" * 17), 2, "16 bytes")
    expect(host.run("scsi-command", "1-4", "--in", "1", "--out", "-", "00"), 2, "not both")
    expect(host.run("scsi-command", "2-1.3", "00"), 2, "several logical units")
    expect(host.run("scsi-command", "3-1", "00"), 3, "no logical unit")
    expect(host.run("scsi-command", "1-4"), 2, "Too few")


def scsi_info(host):
    """scsi-info tells what a unit can do and has done"""
    out = expect(host.run("scsi-info", "1-4"), 0).out
    assert "Last sense: Medium not present" in out and "Commands: 1000" in out, out
    assert host.run("scsi-info", "1-4", "-j").json()["Timeouts"] == 1
    expect(host.run("scsi-info", "2-1.3.0"), 6, "SCSI is not supported")
    expect(host.run("scsi-reset", "2-1.3:1"), 0)
    assert host.said()[-1].startswith("ScsiReset") and "lun1" in host.run("status", "2-1.3").out


def cache(host):
    """cache-info has the counters, cache-reset asks before something is lost"""
    out = expect(host.run("cache-info", "1-4"), 0).out
    assert "Not written yet: 3M" in out and "Hit ratio: 87.0%" in out, out
    info = host.run("cache-info", "1-4", "-j").json()
    assert info["Hits"] == 870 and info["DirtyBytes"] == 3 << 20
    expect(host.run("cache-info", "2-1.3"), 6, "A cache is not supported")
    expect(host.run("cache-reset", "1-4"), 0)
    expect(host.run("cache-reset", "1-4", "--discard-dirty"), 2, "--yes")
    expect(host.run("cache-reset", "1-4", "--discard-dirty", "--yes"), 0)
    assert [line.split(" ", 2)[2] for line in host.said()] == ["{}", "{'discard-dirty': True}"]


def cache_flush(host):
    """cache-flush waits for its job, of one unit where one is named"""
    assert "everything on its medium" in expect(host.run("cache-flush", "1-4"), 0).out
    assert host.run("cache-flush", "1-4.0", "-j").json() == {"unit": "1-4.0"}
    assert [line.split(" ", 2)[2] for line in host.said()] == ["{}", "{'lun': 0}"]


def performance(host):
    """performance-stats has rates, latencies and counters, optimization-info advice"""
    out = expect(host.run("performance-stats", "1-4"), 0).out
    for words in ("1 s     100 410 kB/s  100 us", "read        100 80.0 us 900 us 5.0 ms", "read_bytes "):
        assert words in out, out
    numbers = host.run("performance-stats", "1-4.0", "-j").json()
    assert numbers["rates"][0]["hit_ratio"] == 0.9 and numbers["rates"][1]["window"] == 10
    assert numbers["latency"]["read"]["buckets"][0] == [0.0001, 90]
    assert numbers["counters"]["reads_completed"] == 100
    expect(host.run("performance-stats", "3-1"), 6)
    assert "try another port" in expect(host.run("optimization-info", "1-4"), 0).out
    advice = host.run("1-4", "-j", name="usb_storage_optimization_info").json()
    assert advice[1] == {"id": "speed", "severity": "warning", "text": advice[1]["text"]}


def unsupported(host):
    """power and SMART are unsupported while no object has such an interface; smart exits with smartctl's mask"""
    for arguments in (["power-info", "3-1"], ["power-set", "3-1", "standby"]):
        expect(host.run(*arguments), 6, "there is no org.orion.UsbStorage1.Power")
    for arguments in (["smart-test", "2-1.3.1"], ["smart-test", "2-1.3.1", "long"]):
        expect(host.run(*arguments), 6, "there is no org.orion.UsbStorage1.Smart")
    expect(host.run("smart", "2-1.3.1"), 4, "there is no org.orion.UsbStorage1.Smart")
    expect(host.run("2-1.3.1", name="usb_storage_smart_info"), 4)
    expect(host.run("smart", "9-9"), 2, "9-9")


def smart_text(host):
    """smart tells the verdict, why, and what it stands on, within 80 columns and without control characters"""
    out = expect(host.run("smart", "1-4"), 32 | 64 | 128).out
    for words in ("Health: warning", "Why: 3 sectors were replaced\n", "3 sectors were replaced since 2026-11-20\n",
                  "SAT, 16 bytes", "Drive: ATA, WDC WD10JMVW\n", "Serial: WX1, firmware 01.01A01\n", "Temperature: 41 °C, most 60 °C",
                  "Switched on: 1234 hours, 56 times", "Sectors: 3 replaced, 0 pending", "Errors: 2 in its log",
                  "Self-test: short, completed without error, at 1200 hours"):  # fmt: skip
        assert words in out, (words, out)
    assert max(map(len, out.splitlines())) <= 80 and "\x1b" not in out, out
    row = next(line.split() for line in out.splitlines() if "Reallocated_Sector_Ct" in line)
    temperature = next(line.split() for line in out.splitlines() if "Temperature_Celsius" in line)
    assert temperature[-1] == "41", temperature
    assert row == ["5", "Reallocated_Sector_Ct", "200", "100", "140", "failed-before", "3"], row
    assert host.said()[-1] == "Update {'nowakeup': True}"
    expect(host.run("1-4", "--force", name="usb_storage_smart_info"), 32 | 64 | 128)
    assert host.said() == ["Update {'nowakeup': False}"]
    assert "health warning, 41 °C" in expect(host.run("status", "1-4"), 0).out
    (row,) = [row for row in host.run("list", "-j").json() if row["name"] == "1-4.0"]
    assert (row["temp"], row["health"]) == (41, "warning"), row


def smart_test(host):
    """smart-test begins a test, ends one, and waits for one"""
    expect(host.run("smart-test", "1-4", "long"), 2, "Self-tests are short")
    assert "tests itself now" in expect(host.run("smart-test", "1-4"), 0).out
    assert "no longer" in expect(host.run("smart-test", "1-4.0", "abort"), 0).out
    expect(host.run("smart-test", "1-4.0", "abort", "--wait"), 2)
    expect(host.run("smart-test", "1-4.0", "offline", "--wait"), 2, "offline")
    assert [line for line in host.said() if not line.startswith("Update")] == [
        "StartSelfTest long {}", "StartSelfTest short {}", "AbortSelfTest {}"]  # fmt: skip
    ran = expect(host.run("1-4", "extended", "--wait", "-j", name="usb_storage_smart_test"), 0)
    assert ran.json() == {"unit": "1-4.0", "result": "passed"}, ran.out
    said = host.said()
    assert said[0] == "StartSelfTest extended {}" and said.count("Update {'nowakeup': False}") >= 2, said
    assert "tests itself, 50% left" in host.run_on_terminal("smart-test", "1-4", "--wait")
    host.said()


def power_is_told(host):
    """power-info tells the state, what a device may do, and what was counted, as does its other name"""
    out = expect(host.run("power-info", "1-4"), 0).out
    for words in ("State: standby since 20", "Standby: after 10:00", "Suspended: never; it can't be",
                  "May draw: 896 mA, bus-powered", "Time: active 1:02, standby 1:02:03", "Stopped: 4 times, started 3 times",
                  "Wakes: 5: half in 4.2 ms, 99% in 2.50 s, all in 6.50 s"):  # fmt: skip
        assert words in out, out
    facts = host.run("1-4", "-j", name="usb_storage_power_info").json()
    assert facts["SpinUps"] == 3 and facts["TimeInState"]["standby"] == 3723000000
    assert facts["WakeLatency"] == [0.0042, 2.5, 6.5]
    assert [row["power"] for row in host.run("list", "-j").json()][:2] == ["standby", None]
    assert "Power: standby since 20" in host.run("status", "1-4").out
    assert "Power:" not in host.run("status", "3-1").out
    assert "standby" in host.run("top", "-n1").out
    assert host.run("top", "-n1", "-j").json()[0]["state"] == "running"


def power_is_set(host):
    """power-set sets states and timeouts, of whole devices, as does its other name"""
    host.said()
    assert "1-4 is in standby, until" in expect(host.run("power-set", "1-4", "standby"), 0).out
    assert "1-4 is awake." in expect(host.run("1-4", "active", name="usb_storage_power_set"), 0).out
    assert host.run("power-set", "1-4", "suspended", "-j").json() == {"device": "1-4"}
    expect(host.run("power-set", "1-4", "--standby-timeout=10min", "--suspend-timeout", "never"), 0, "")
    expect(host.run("power-set", "1-4", "standby", "--default-timeouts", "--standby-timeout=500"), 0)
    path = "/org/orion/UsbStorage1/devices/_31_2d4"
    assert host.said() == [
        "SetState standby {}", "SetState active {}", "SetState suspended {}",
        f"SetTimeouts {path} {{'standby': 600000000, 'suspend': 0}}",
        f"SetTimeouts {path} {{'reset': True, 'standby': 500000}}", "SetState standby {}",
    ]  # fmt: skip
    expect(host.run("power-set", "1-4"), 2, "needs a state")
    expect(host.run("power-set", "1-4", "--standby-timeout=soon"), 2, "soon is no value for it")
    expect(host.run("power-set", "1-4.0", "standby"), 2, "whole devices")
    expect(host.run("power-set", "1-4", "sleepy"), 2, "active, standby and suspended alone")


def policy(host):
    """policy lists, tests and generates rules"""
    out = expect(host.run("policy"), 0).out
    assert out == host.run("policy", "list").out and "1 allow id 0951:1666 " in out
    assert host.run("policy", "-j").json()[1]["number"] == 2
    assert host.run("policy", "test", "2-1.3").out == "2-1.3: read-only, by default\n"
    assert host.run("policy", "test", "1-4").out == "1-4: allow, by rule 1: allow id 0951:1666\n"
    assert host.run("policy", "test", "1-4", "-j").json() == {"target": "allow", "number": 1, "rule": "allow id 0951:1666"}
    expect(host.run("policy", "test", "9-9"), 3)
    assert host.run("policy", "generate").out.count("\n") == 2
    assert host.run("policy", "generate", "-j").json()["rules"].startswith("allow id")
    for arguments in (["test"], ["list", "1-4"], ["strange"]):
        expect(host.run("policy", *arguments), 2, "policy test PORT")


def service(host):
    """quirks, config, reload, metrics and diagnose show what the service says"""
    assert "1234:5678 gu     configuration" in expect(host.run("quirks"), 0).out
    assert host.run("quirks", "-j").json()[1] == {"id": "058f:6364", "quirks": "s", "source": "/usr/share/quirks.conf:7"}
    assert "daemon      log_level     info" in expect(host.run("config"), 0).out
    assert host.run("config", "-j").json()[0]["value"] == "true"
    assert "cache_size will have" in expect(host.run("reload"), 0).out
    assert host.run("reload", "-j").json() == {"pending_keys": ["usb_storage.cache_size"]}
    assert expect(host.run("metrics"), 0).out.endswith("\n# EOF\n")
    assert "io_now" in host.run("metrics", "-j").json()["metrics"]
    path = host.folder + "/usb-storage.prom"
    expect(host.run("metrics", "--textfile", path), 0)
    with open(path, encoding="ascii") as file:
        assert file.read().endswith(" 0\n")
    expect(host.run("metrics", "--textfile", host.folder + "/none/usb-storage.prom"), 1, "No such file")
    assert expect(host.run("diagnose", "1-4"), 0).out.startswith("Report on")
    assert "0.1.0" in host.run("diagnose", "1-4", "-j").json()["report"]
    assert host.said() == ["Reload {}"] * 2


def trace(host):
    """trace has the service write into a file that only its owner reads, or a pipe"""
    path = host.folder + "/trace"
    ran = expect(host.run("trace", "1-4", "--pcap", path, "--seconds", "1"), 0)
    assert ran.out == "1-4: 12 packets, 1 lost\n"
    assert os.stat(path).st_mode & 0o777 == 0o600
    with open(path, "rb") as file:
        assert file.read() == b"\xd4\xc3\xb2\xa1trace"
    ran = expect(host.run("trace", "1-4", "--pcap=-", "--seconds", "1", "-j"), 0, "12 packets")
    assert ran.raw == b"\xd4\xc3\xb2\xa1trace"
    assert host.said() == ["StartTrace {'seconds': 6}", "StopTrace {}"] * 2
    expect(host.run("trace", "1-4"), 2, "--pcap")
    expect(host.run("trace", "1-4", "--pcap", "/nowhere/x"), 1, "/nowhere/x")


def trace_interrupted(host):
    """trace ends with a signal, and tells what was recorded"""
    process = subprocess.Popen(host.command("trace", "1-4", "--pcap=/dev/null"), stdout=subprocess.PIPE)
    while not host.services[-1].stdout.readline().startswith("StartTrace"):
        pass
    process.terminate()
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0 and out == b"1-4: 12 packets, 1 lost\n", out


def trace_unread(host):
    """trace ends at the service as well when nobody reads any more, or reads too slowly, or nothing can be written"""
    ours, theirs = os.pipe()
    os.close(ours)
    ran = subprocess.run(host.command("trace", "1-4", "--pcap=-"), stdout=theirs, timeout=PATIENCE_S, check=False)
    os.close(theirs)
    assert ran.returncode == 0 and host.said()[-1] == "StopTrace {}", ran
    expect(host.run("trace", "1-4", "--pcap=/dev/full"), 1, "/dev/full: No space left")
    assert host.said()[-1] == "StopTrace {}"
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, bytes(4096))
    os.set_blocking(theirs, True)
    process = subprocess.Popen(host.command("trace", "1-4", "--pcap=-"), stdout=theirs, stderr=subprocess.PIPE)
    while not host.services[-1].stdout.readline().startswith("StartTrace"):
        pass
    process.terminate()
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and b"The end is missing" in err, err
    assert host.said() == ["StopTrace {}"]
    os.close(ours)
    os.close(theirs)


def output_is_lost(host):
    """what can't be written is told, however long it is"""
    for arguments in (["--help"], ["--version"], ["list"], ["list", "--help"], ["diagnose", "1-4"], ["status", "-j"],
                      ["scsi-command", "1-4", "--in", "36", *INQUIRY]):  # fmt: skip
        with open("/dev/full", "wb") as full:
            ran = subprocess.run(host.command(*arguments), stdout=full, stderr=subprocess.PIPE, check=False)
        assert ran.returncode == 1 and b"The output can't be written" in ran.stderr, (arguments, ran)
    host.said()


def limit_files():
    """No file may become longer than that: what is beyond fails as it does on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def textfile_stays(host):
    """a text file that can't be written is as it was"""
    path = host.folder + "/stays.prom"
    with open(path, "w", encoding="ascii") as file:
        file.write("former\n")
    ran = subprocess.run(host.command("metrics", "--textfile", path), stderr=subprocess.PIPE, preexec_fn=limit_files,
                         check=False)  # fmt: skip
    assert ran.returncode == 1 and b"File too large" in ran.stderr, ran
    with open(path, encoding="ascii") as file:
        assert file.read() == "former\n"
    assert not os.path.exists(path + ".new")


def no_tray(host):
    """what is no optical drive is told so"""
    expect(host.run("eject", "1-4"), 6, "1-4 is no optical drive")
    expect(host.run("load", "1-4.0"), 6, "1-4.0 is no optical drive")


def top_batch(host):
    """top prints as many tables as it is told to, without a terminal's sequences"""
    ran = expect(host.run("top", "-n", "2", "-d", "1"), 0)
    tables = ran.out.strip().split("\n\n")
    assert len(tables) == 2 and tables[0] == tables[1] and "\x1b" not in ran.out
    assert "1-4   Kingston DataTraveler 3.0  100 410 kB/s 100 us" in tables[0]
    lines = host.run("top", "-n2", "--json=short").out.splitlines()
    assert len(lines) == 2 and '"hit_ratio":0.9,' in lines[0], lines


def top_terminal(host):
    """top redraws on a terminal of 80 columns, and q ends it"""
    written = host.run_on_terminal("top", keys=b"q")
    assert written.removeprefix("q").startswith("\x1b[?1049h") and written.rstrip().endswith("\x1b[?1049l"), written
    screens = host.run_on_terminal("top", "-n", "2").split("\x1b[H\x1b[J")[1:]
    assert len(screens) == 2
    for line in screens[0].splitlines():
        plain = line.replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[33m", "").replace("\x1b[1;31m", "")
        assert len(plain) <= 80, plain


def monitor_until(host, *arguments, options=()):
    """What it prints of two things that happen; the command is run until it has seen some."""
    process = subprocess.Popen(host.command("monitor", "-n", "2", *options), stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        expect(host.run(*arguments), 0)
    host.said()
    assert process.returncode == 0
    return process.communicate(timeout=PATIENCE_S)[0].splitlines()


def monitor(host):
    """monitor prints events and changed properties, a line each"""
    lines = monitor_until(host, "device-reset", "1-4")
    assert lines[0][9:] == "reset 1-4 port ?[2Jreset" and lines[1][9:] == "changed 1-4 Device.NRestarts=2", lines
    lines = monitor_until(host, "device-reset", "1-4", options=["--json=short"])
    assert '"kind":"reset","object":"1-4"' in lines[0] and '"text":{"NRestarts":2}' in lines[1], lines


def monitor_objects(host):
    """monitor prints what comes and goes"""
    lines = monitor_until(host, "cache-flush", "1-4")
    assert sorted(line[9:].rstrip("0123456789") for line in lines) == [
        "object-added /org/orion/UsbStorage1/jobs/", "object-removed /org/orion/UsbStorage1/jobs/"], lines  # fmt: skip


def confirmation(host):
    """on a terminal the question can be answered"""
    written = host.run_on_terminal("cache-reset", "1-4", "--discard-dirty", keys=b"y\n")
    assert "Go on? [y/N]" in written and "has an empty cache" in written, written
    assert len(host.said()) == 1


CHECKS = (scsi_command_in, scsi_command_out, scsi_command_fails, scsi_command_usage, scsi_info, cache, cache_flush,
          performance, unsupported, smart_text, smart_test, power_is_told, power_is_set, policy, service, trace, trace_interrupted, trace_unread,
          output_is_lost, textfile_stays, no_tray, top_batch, top_terminal, monitor,
          monitor_objects, confirmation)  # fmt: skip


def failed_flush(host):
    """cache-flush tells why its job failed"""
    expect(host.run("cache-flush", "1-4"), 1, "3 blocks can't be written")


def slow_flush(host):
    """cache-flush waits for its job as long as it was told to"""
    expect(host.run("--timeout=1", "cache-flush", "1-4"), 5, "timed out")


def slow_release(host):
    """release shows how far its job is on a terminal"""
    written = host.run_on_terminal("release", "1-4")
    assert "writing  50% [" in written and "1-4 is no longer driven by the service." in written, written


def slow_sleep(host):
    """power-set shows how far its job is on a terminal"""
    written = host.run_on_terminal("power-set", "1-4", "suspended")
    assert "writing  50% [" in written and "1-4 is suspended, until" in written, written


def monitor_service(host):
    """monitor prints that the service ends"""
    process = subprocess.Popen(host.command("monitor"), stdout=subprocess.PIPE, text=True)
    reset = subprocess.Popen(["sh", "-c", 'while "$0" "$@" > /dev/null; do :; done', *host.command("device-reset", "1-4")],
                             stderr=subprocess.DEVNULL)  # fmt: skip
    assert " reset 1-4 " in process.stdout.readline()
    host.services[-1].kill()
    while "service-stopped" not in process.stdout.readline():
        assert process.poll() is None
    process.kill()
    process.wait()
    reset.wait(PATIENCE_S)


def main():
    results = Results()
    with bus() as host:
        host.start_service()
        for check in CHECKS:
            results.check(check, host)
    with bus() as host:
        host.start_service(FAKE_FLUSH="fails", FAKE_RELEASE="slow")
        results.check(failed_flush, host)
        results.check(slow_release, host)
        results.check(slow_sleep, host)
        results.check(monitor_service, host)
    with bus() as host:
        host.start_service(FAKE_FLUSH="hangs")
        results.check(slow_flush, host)
    results.finish()


main()
