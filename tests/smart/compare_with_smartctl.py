#!/usr/bin/python3
"""Whether smartctl makes of an ATA drive's answers what our decoders make of them, field by field.

    compare_with_smartctl.py SMART_REPLAY SMARTCTL
"""

import json
import os
import subprocess
import sys
import tempfile

SPECS = [
    "size=2G,smart=ata,rotation=5400",
    "size=2G,smart=ata,rotation=1,errors=3,temperature=57",
    "size=2G,smart=ata,errors=7,power-on-hours=54321",
    "size=2G,smart=ata,failing,attribute-5=2000/100/90/140",
    "size=2G,smart=ata,attribute-5=12/200/90/140,attribute-197=8,attribute-198=9",
    "size=2G,smart=ata,attribute-1=1234567890123/44/1/51,attribute-240=281474976710655",
    "size=2G,smart=ata,attribute-190=34/66/60/45,attribute-194=25/120/100",
    "size=2G,smart=ata,self-test-result=7",
    "size=2G,smart=ata,self-test-result=3,errors=1",
]

WHEN_FAILED = {0: None, 1: "", 2: "past", 3: "now"}


def get(tree, *path):
    for name in path:
        if not isinstance(tree, dict) or name not in tree:
            return None
        tree = tree[name]
    return tree


def compare_attributes(ours, theirs, differ):
    table = get(theirs, "ata_smart_attributes", "table") or []
    differ("attributes", [a["id"] for a in ours["attributes"]], [a["id"] for a in table])
    for mine, other in zip(ours["attributes"], table):
        name = f"attribute {mine['id']}"
        for field, value in (
            ("value", other["value"]),
            ("worst", other["worst"]),
            ("threshold", other["thresh"]),
            ("flags", other["flags"]["value"]),
            ("raw", other["raw"]["value"]),
        ):
            differ(f"{name} {field}", mine[field], value)
        differ(f"{name} when failed", WHEN_FAILED[mine["state"]], other["when_failed"])


def compare_errors(ours, theirs, differ):
    log = get(theirs, "ata_smart_error_log", "summary") or {}
    table = log.get("table", [])
    differ("errors", ours["n_errors"], log.get("count"))
    differ("error entries", len(ours["errors"]), len(table))
    for mine, other in zip(ours["errors"], table):
        registers = other["completion_registers"]
        differ("error number", mine["number"], other["error_number"])
        differ("error hours", mine["power_on_hours"], other["lifetime_hours"])
        differ("error register", mine["error"], registers["error"])
        differ("error status", mine["status"], registers["status"])
        differ("error lba", mine["lba"], registers["lba"])
        differ("error command", mine["command"],
               other["previous_commands"][0]["registers"]["command"])


def compare_tests(ours, theirs, differ):
    table = get(theirs, "ata_smart_self_test_log", "standard", "table") or []
    kinds = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4}
    differ("self-tests", len(ours["tests"]), len(table))
    for mine, other in zip(ours["tests"], table):
        differ("self-test kind", kinds[mine["kind"]], other["type"]["value"])
        differ("self-test code", mine["code"], other["status"]["value"] >> 4)
        differ("self-test passed", mine["result"] == 1, other["status"].get("passed", False))
        differ("self-test hours", mine["power_on_hours"], other["lifetime_hours"])
        differ("self-test lba", mine["lba"], other.get("lba"))
        if "remaining_percent" in other["status"]:
            differ("self-test left", mine["remaining_percent"],
                   other["status"]["remaining_percent"])
    polling = get(theirs, "ata_smart_data", "self_test", "polling_minutes") or {}
    for name in ("short", "extended", "conveyance"):
        differ(f"{name} self-test's minutes", ours[f"test_{name}_minutes"], polling.get(name))
    remaining = get(theirs, "ata_smart_data", "self_test", "status", "remaining_percent")
    if ours["test_is_running"]:
        differ("what is left of a self-test", ours["test_remaining_percent"], remaining)


def compare(ours, theirs, differ):
    differ("model", ours["model"], theirs.get("model_name"))
    differ("serial", ours["serial"], theirs.get("serial_number"))
    differ("firmware", ours["firmware"], theirs.get("firmware_version"))
    differ("capacity", ours["capacity_bytes"], get(theirs, "user_capacity", "bytes"))
    differ("rotation", ours["rotation_rpm"], theirs.get("rotation_rate"))
    differ("supported", ours["is_supported"], get(theirs, "smart_support", "available"))
    differ("enabled", ours["is_enabled"], get(theirs, "smart_support", "enabled"))
    differ("status", {1: True, 2: False}.get(ours["status"]), get(theirs, "smart_status", "passed"))
    differ("temperature", ours["temperature"], get(theirs, "temperature", "current"))
    differ("hours", ours["power_on_hours"], get(theirs, "power_on_time", "hours"))
    differ("cycles", ours["power_cycles"], theirs.get("power_cycle_count"))
    compare_attributes(ours, theirs, differ)
    compare_errors(ours, theirs, differ)
    compare_tests(ours, theirs, differ)


def replay(smart_replay, smartctl, spec, folder):
    transcript, dump = os.path.join(folder, "transcript"), os.path.join(folder, "ours")
    subprocess.run([smart_replay, spec, transcript, dump], check=True)
    with open(transcript, encoding="ascii") as file:
        # The database of drives knows none that is simulated, but defaults of its own.
        run = subprocess.run(
            [smartctl, "-j", "-a", "-P", "ignore", "-"],
            stdin=file, stdout=subprocess.PIPE, check=False,
        )
    with open(dump, encoding="ascii") as file:
        return json.load(file), json.loads(run.stdout)


def main():
    smart_replay, smartctl = sys.argv[1:]
    n_compared, differences = 0, []
    with tempfile.TemporaryDirectory() as folder:
        for spec in SPECS:
            ours, theirs = replay(smart_replay, smartctl, spec, folder)

            def differ(what, mine, other, spec=spec):
                nonlocal n_compared
                n_compared += 1
                if mine != other:
                    differences.append(f"{spec}: {what}: {mine!r}, smartctl has {other!r}")

            compare(ours, theirs, differ)
    print(f"{n_compared} fields of {len(SPECS)} drives")
    print("\n".join(differences))
    return 1 if differences or n_compared < 400 else 0


if __name__ == "__main__":
    sys.exit(main())
