#!/usr/bin/python3
"""The verbs that look at and command devices, against the fake service."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

from fake_bus import bus, expect
from results import Results

ALL_COLUMNS = (
    "NAME PORT ID VENDOR MODEL SERIAL SIZE LBA PROTO SPEED STATE POLICY EXPORT HEALTH TEMP POWER".split()
)


def list_fits(host):
    """list has a row for each unit, device without one and disk left alone, in 80 columns"""
    ran = expect(host.run(), 0)
    lines = ran.out.splitlines()
    assert lines[0].split()[0] == "NAME", lines
    assert [line.split()[0] for line in lines[1:]] == ["1-4.0", "2-1.3.0", "2-1.3.1", "3-1", "1-2"]
    assert max(map(len, lines)) <= 80, lines
    assert host.run("list").out == ran.out


def list_columns(host):
    """list shows the columns that are asked for, and '-' for no value"""
    ran = expect(host.run("list", "-o", "all"), 0)
    assert ran.out.splitlines()[0].split() == ALL_COLUMNS
    ran = expect(host.run("list", "--no-legend", "-b", "-o", "NAME,SIZE,TEMP"), 0)
    assert [line.split() for line in ran.out.splitlines()[:2]] == [["1-4.0", "8388608", "41"], ["2-1.3.0", "-", "-"]]
    expect(host.run("list", "-o", "COLOUR"), 2, "COLOUR")


def list_json(host):
    """list --json has a key for each column, numbers in bytes and null for no value"""
    rows = expect(host.run("list", "--json=short"), 0).json()
    assert [name.upper() for name in rows[0]] == ALL_COLUMNS
    assert rows[0]["size"] == 8 << 20 and rows[0]["temp"] == 41 and rows[1]["temp"] is None
    assert rows[0]["health"] == "warning" and rows[2]["export"] and rows[1]["health"] == "degraded" and rows[3]["health"] == "failed"
    assert rows[4]["state"] == "busy" and rows[4]["export"] is None
    pretty = host.run("list", "--json=pretty")
    assert pretty.json() == rows and pretty.out.count("\n") > 20
    assert host.run("-j").json() == rows


def strings_are_clean(host):
    """no control sequence or override of a device's reaches the terminal, nor JSON"""
    for arguments in (["list", "-o", "all"], ["status"], ["device-info", "2-1.3"], ["-j"]):
        ran = expect(host.run(*arguments), 0)
        assert "\x1b" not in ran.out and "\u202e" not in ran.out, ran.out


def status_device(host):
    """status tells state, transport, quirks, cache and the tree of units"""
    out = expect(host.run("status", "1-4"), 0).out
    for words in ("● 1-4 - Kingston DataTraveler 3.0 (0951:1666)", "State: running since",
                  "Transport: BOT at 5Gb/s", "Quirks: gu", "Learned: read-ahead helps",
                  "Cache: write-back, up to 256M, 3M not written yet, 87% hits",
                  "└─0 disk Kingston DataTraveler 3.0 8M", "export 0951-1666-60A44C413C-lun0, 1 client",
                  "(process 4712, user 1000)", "client 192.0.2.7:40000 (psk ", "mounted at /images/st"):
        assert words in out, out
    assert "\x1b" not in out, out
    out = host.run("status", "2-1.3").out
    assert "Degraded: write-through" in out and "├─0" in out and "no medium" in out, out
    assert "State: failed: it does not answer" in host.run("status", "3-1").out


def status_all(host):
    """status without a device begins with the service and has all devices"""
    out = expect(host.run("status"), 0).out
    assert out.startswith("usb-storaged 0.1.0: 3 devices, 2 exports"), out
    assert out.count("●") == 3
    everything = host.run("status", "-j").json()
    assert everything["Manager"]["Version"] == "0.1.0"
    assert [device["Device"]["Name"] for device in everything["Devices"]] == ["1-4", "2-1.3", "3-1"]
    one = host.run("status", "1-4", "-j").json()
    assert one["Cache"]["Mode"] == "write-back" and one["Luns"][0]["Lun"]["Number"] == 0


def colours(host):
    """colours come from SYSTEMD_COLORS, and not without a terminal"""
    assert "\x1b" not in host.run("status", "3-1").out
    coloured = host.run("status", "3-1", SYSTEMD_COLORS="1").out
    assert "\x1b[1;31m●\x1b[0m" in coloured, coloured
    assert "\x1b[33m" in host.run("status", "2-1.3", SYSTEMD_COLORS="1").out
    assert "●" not in host.run("status", "3-1", LC_ALL="C").out


def device_info(host):
    """device-info tells device and units, also under its other name"""
    out = expect(host.run("device-info", "1-4"), 0).out
    assert "Size: 8M, blocks of 512 (physical 4096), TRIM" in out, out
    assert host.run("1-4", name="usb_storage_device_info").out == out
    all_ = host.run("60A44C413C", "--json=short", name="usb_storage_device_info").json()
    assert all_["VendorId"] == 0x0951 and all_["Luns"][0]["BlockSize"] == 512
    expect(host.run(name="usb_storage_device_info"), 2, "Too few arguments")
    assert "usb_storage_device_info [OPTION]... DEV" in host.run("--help", name="usb_storage_device_info").out


def names(host):
    """devices are found by port, serial number and export; what is none or several is told"""
    for name in ("1-4", "60A44C413C", "1-4.0", "1-4:0", "0951-1666-60A44C413C-lun0"):
        assert host.run("device-info", name, "-j").json()["Name"] == "1-4"
    expect(host.run("device-info", "1-9"), 3, "There is no device '1-9'")
    expect(host.run("scsi-info", "1-4.7"), 3, "1-4 has no logical unit 7")
    expect(host.run("status", "1-9"), 3)
    expect(host.run("status", "1-2"), 3, "The service does not drive 1-2 (busy): see 'take'")
    expect(host.run("release", "CLONE"), 2, "There are several 'CLONE'")
    expect(host.run("release", "1-4.0"), 2, "whole devices")


def actions(host):
    """take, release, reset and remove call the service, and say what came of it"""
    assert "1-6 is driven" in expect(host.run("take", "1-6"), 0).out
    assert host.run("take", "1-6", "-j").json()["object"].endswith("/devices/_31_2d6")
    assert expect(host.run("release", "2-1.3", "-j"), 0).json() == {"device": "2-1.3"}
    assert "2-1.3 was reset." in expect(host.run("device-reset", "2-1.3"), 0).out
    expect(host.run("device-remove", "1-4"), 1, "1 client is connected")
    assert "may be unplugged" in expect(host.run("device-remove", "1-4", "--force"), 0).out
    said = host.said()
    assert said[:2] == ["Take 1-6 {}"] * 2
    assert [line.split()[0] for line in said[2:]] == ["Release", "Reset", "Remove"]
    assert said[-1].endswith("{'force': True}")


def exit_statuses(host):
    """what goes wrong has an exit status of its own"""
    expect(host.run("take", "1-2"), 1, "is mounted")
    expect(host.run("strange"), 2, "There is no verb 'strange'")
    expect(host.run("status", "1-4", "1-5"), 2, "Too many arguments")
    expect(host.run("status", "--force"), 2, "status does not take --force")
    expect(host.run("--strange"), 2, "strange")
    expect(host.run("take", "9-9"), 3, "There is no device 9-9")
    expect(host.run("take", "1-3"), 4, "Not authorized")
    expect(host.run("take", "1-5", "--timeout=1"), 5)
    expect(host.run("--address", "unix:path=/nowhere"), 1, "can't be reached")


def pager(host):
    """long output on a terminal goes through the pager, unless it shall not"""
    assert "P:● 1-4" in host.run_on_terminal("status", PAGER="sed s/^/P:/", NO_COLOR="1")
    assert "P:" not in host.run_on_terminal("status", "--no-pager", PAGER="sed s/^/P:/")
    assert "P:" not in host.run_on_terminal("take", "1-6", PAGER="sed s/^/P:/")
    assert "Q:" in host.run_on_terminal("list", PAGER="sed s/^/P:/", SYSTEMD_PAGER="sed s/^/Q:/")
    assert "P:" not in host.run("status", PAGER="sed s/^/P:/").out


def terminal_colours(host):
    """on a terminal there are colours, unless NO_COLOR, SYSTEMD_COLORS or TERM say otherwise"""
    assert "\x1b[1;31m" in host.run_on_terminal("list")
    for environment in ({"NO_COLOR": "1"}, {"SYSTEMD_COLORS": "0"}, {"TERM": "dumb"}):
        assert "\x1b[" not in host.run_on_terminal("list", **environment), environment


def narrow(host):
    """a table is cut to the terminal's width"""
    written = host.run_on_terminal("list", "-o", "all", COLUMNS="120", NO_COLOR="1")
    assert max(map(len, written.splitlines())) <= 120 and "…" in written, written


def help_texts(host):
    """--help names every verb and its options, --version the version"""
    out = expect(host.run("--help"), 0).out
    assert "  device-remove DEV" in out and "--json=MODE" in out
    assert max(map(len, out.splitlines())) <= 100
    assert "--force" in expect(host.run("device-remove", "--help"), 0).out
    assert "--force" not in host.run("status", "--help").out
    assert host.run("--version").out.startswith("usb-storagectl ")


CHECKS = (list_fits, list_columns, list_json, strings_are_clean, status_device, status_all, colours,
          device_info, names, actions, exit_statuses, pager, terminal_colours, narrow, help_texts)  # fmt: skip


def main():
    results = Results()
    with bus() as host:
        results.check(lambda: expect(host.run("list"), 1, "The service is not running"))
        host.start_service()
        for check in CHECKS:
            results.check(check, host)
    results.finish()


main()
