#!/usr/bin/python3
"""smart --json is what readers of smartctl's JSON expect: each of its keys is one of smartctl's, with a value of the same type, and
its exit status is the same mask. What ATA drives tell is compared with smartctl itself, where it is installed, on the same drive."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

from fake_bus import bus, expect
from results import Results

TYPES = {bool: "boolean", int: "number", float: "number", str: "string", dict: "object", list: "array"}
COMMON = """
json_format_version[] number
smartctl.version[] number
smartctl.platform_info string
smartctl.argv[] string
smartctl.messages[].string string
smartctl.messages[].severity string
smartctl.exit_status number
local_time.time_t number
local_time.asctime string
device.name string
device.info_name string
device.type string
device.protocol string
serial_number string
user_capacity.blocks number
user_capacity.bytes number
logical_block_size number
rotation_rate number
smart_support.available boolean
smart_support.enabled boolean
smart_status.passed boolean
temperature.current number
power_on_time.hours number
power_cycle_count number
nvme_self_test_log.current_self_test_operation.value number
"""
# smartctl can't replay these (smartmontools 7.4's manual and sources of its JSON).
NVME = """
model_name string
firmware_version string
smart_status.nvme.value number
temperature.op_limit_max number
temperature.lifetime_max number
nvme_smart_health_information_log.critical_warning number
nvme_smart_health_information_log.temperature number
nvme_smart_health_information_log.available_spare number
nvme_smart_health_information_log.available_spare_threshold number
nvme_smart_health_information_log.percentage_used number
nvme_smart_health_information_log.data_units_read number
nvme_smart_health_information_log.data_units_read_s string
nvme_smart_health_information_log.data_units_written number
nvme_smart_health_information_log.host_reads number
nvme_smart_health_information_log.host_writes number
nvme_smart_health_information_log.controller_busy_time number
nvme_smart_health_information_log.power_cycles number
nvme_smart_health_information_log.power_on_hours number
nvme_smart_health_information_log.unsafe_shutdowns number
nvme_smart_health_information_log.media_errors number
nvme_smart_health_information_log.num_err_log_entries number
nvme_smart_health_information_log.warning_temp_time number
nvme_smart_health_information_log.critical_comp_time number
nvme_smart_health_information_log.temperature_sensors[] number
nvme_self_test_log.current_self_test_operation.string string
nvme_self_test_log.current_self_test_completion_percent number
nvme_self_test_log.table[].self_test_code.value number
nvme_self_test_log.table[].self_test_code.string string
nvme_self_test_log.table[].self_test_result.value number
nvme_self_test_log.table[].self_test_result.string string
nvme_self_test_log.table[].power_on_hours number
"""
COUNTERS = (
    "errors_corrected_by_eccfast", "errors_corrected_by_eccdelayed", "errors_corrected_by_rereads_rewrites",
    "total_errors_corrected", "correction_algorithm_invocations", "total_uncorrected_errors",
)  # fmt: skip
SCSI = """
scsi_model_name string
scsi_revision string
physical_block_size number
temperature.drive_trip number
scsi_grown_defect_list number
scsi_percentage_used_endurance_indicator number
scsi_error_counter_log.read.gigabytes_processed string
scsi_error_counter_log.write.gigabytes_processed string
scsi_start_stop_cycle_counter.specified_cycle_count_over_device_lifetime number
scsi_start_stop_cycle_counter.accumulated_start_stop_cycles number
scsi_start_stop_cycle_counter.specified_load_unload_count_over_device_lifetime number
scsi_start_stop_cycle_counter.accumulated_load_unload_cycles number
scsi_self_test_0.code.value number
scsi_self_test_0.code.string string
scsi_self_test_0.result.value number
scsi_self_test_0.result.string string
scsi_self_test_0.power_on_time.hours number
""" + "".join(f"scsi_error_counter_log.{kind}.{key} number\n" for kind in ("read", "write") for key in COUNTERS)


def schema(text):
    return dict(line.split() for line in text.splitlines() if line)


def leaves(value, path=""):
    """Paths of all values that are no containers, with their types."""
    if isinstance(value, dict):
        found = {}
        for key, child in value.items():
            found |= leaves(child, f"{path}.{key}" if path else key)
        return found
    if isinstance(value, list):
        found = {}
        for child in value:
            found |= leaves(child, path + "[]")
        return found
    return {path: TYPES[type(value)]}


# The drive of fake_service.py's ATA data, as its own answers.


def put(data, offset, value, size):
    data[offset : offset + size] = value.to_bytes(size, "little")


def seal(data):
    data[511] = -sum(data[:511]) & 0xFF
    return bytes(data)


def identify():
    data = bytearray(512)
    for word, size, text in ((10, 20, "WX1"), (23, 8, "01.01A01"), (27, 40, "WDC WD10JMVW")):
        text = text.ljust(size).encode()
        data[2 * word : 2 * word + size] = bytes(text[i ^ 1] for i in range(size))
    for word, value in (
        (0, 0x40), (49, 0x2F00), (60, 0xFFFF), (61, 0xFFF), (80, 0x1F0), (82, 0x346B), (83, 0x7D01), (84, 0x4123),
        (85, 0x3469), (86, 0xBC01), (87, 0x4123), (100, 0x6DB0), (101, 0x7470), (217, 5400),
    ):  # fmt: skip
        put(data, 2 * word, value, 2)
    data[510] = 0xA5
    return seal(data)


def attributes():
    data = bytearray(512)
    data[0] = 16
    for i, (number, flags, value, worst, raw) in enumerate(
        ((3, 0x27, 253, 253, (1 << 48) - 1), (5, 0x33, 200, 100, 3), (194, 0x22, 109, 85, 0x3C00150029))
    ):
        data[2 + 12 * i] = number
        put(data, 3 + 12 * i, flags, 2)
        data[5 + 12 * i] = value
        data[6 + 12 * i] = worst
        put(data, 7 + 12 * i, raw, 6)
    data[362], data[367], data[368], data[370], data[372], data[373] = 0x82, 0x7B, 3, 1, 2, 200
    return seal(data)


def thresholds():
    data = bytearray(512)
    data[0] = 16
    for i, (number, threshold) in enumerate(((3, 21), (5, 140), (194, 0))):
        data[2 + 12 * i : 4 + 12 * i] = bytes((number, threshold))
    return seal(data)


def error_log():
    data = bytearray(512)
    data[0:2] = b"\x01\x01"
    data[2 + 4 * 12 + 7] = 0x60
    error = 2 + 5 * 12
    data[error + 1], data[error + 3], data[error + 7] = 0x40, 123, 0x41
    put(data, error + 28, 1000, 2)
    data[452] = 2
    return seal(data)


def self_test_log():
    data = bytearray(512)
    data[0] = 1
    for i, (kind, status, hours, lba) in enumerate(((2, 0x73, 1100, 5), (1, 0x00, 1200, 0xFFFFFFFF))):
        data[2 + 24 * i], data[3 + 24 * i] = kind, status
        put(data, 4 + 24 * i, hours, 2)
        put(data, 7 + 24 * i, lba, 4)
    data[508] = 2
    return seal(data)


def transcript():
    """As smartctl -r ataioctl,2 writes it and reads it again."""
    lines = []
    for name, parameter, data in (
        ("IDENTIFY DEVICE", "", identify()), ("SMART STATUS", "", None),
        ("SMART READ ATTRIBUTE VALUES", "", attributes()), ("SMART READ ATTRIBUTE THRESHOLDS", "", thresholds()),
        ("SMART STATUS CHECK", "", None), ("SMART READ LOG", " InputParameter=1", error_log()),
        ("SMART READ LOG", " InputParameter=6", self_test_log()),
    ):  # fmt: skip
        lines += [f"REPORT-IOCTL: Device=/dev/sda Command={name}{parameter}",
                  f"REPORT-IOCTL: Device=/dev/sda Command={name} returned 0"]  # fmt: skip
        if data is None:
            continue
        lines += ["", f"===== [{name}] DATA START (BASE-16) ====="]
        lines += [f"{i:03}-{i + 15:03}: {data[i : i + 16].hex(' ')} |................|" for i in range(0, 512, 16)]
        lines += [f"===== [{name}] DATA END (512 Bytes) =====", ""]
    return "\n".join(lines) + "\n"


def ata_is_smartctls(host):
    """each key about an ATA drive is one of smartctl's, with a value of its type, and what both tell is the same"""
    ours = expect(host.run("smart", "1-4", "-j"), 32 | 64 | 128).json()
    assert ours["smartctl"]["exit_status"] == 32 | 64 | 128
    if not shutil.which("smartctl"):
        return
    ran = subprocess.run(["smartctl", "-j", "-a", "-T", "permissive", "-"], input=transcript(), capture_output=True,
                         check=False, text=True)  # fmt: skip
    theirs = json.loads(ran.stdout)
    assert "ata_smart_self_test_log" in theirs and "ata_smart_error_log" in theirs, list(theirs)
    known = schema(COMMON) | leaves(theirs)
    known["temperature.lifetime_max"] = "number"  # of logs that the replayed drive does not have
    known["ata_smart_data.self_test.status.string"] = "string"
    strange = {path: kind for path, kind in leaves(ours).items() if known.get(path) != kind}
    assert not strange, strange
    for path in ("model_name", "serial_number", "firmware_version", "user_capacity", "rotation_rate", "smart_support",
                 "smart_status"):  # fmt: skip
        assert ours[path] == theirs[path], (ours[path], theirs[path])
    for our, their in zip(ours["ata_smart_attributes"]["table"], theirs["ata_smart_attributes"]["table"]):
        assert our["flags"] == their["flags"] and our["when_failed"] == their["when_failed"], (our, their)
        assert [our[k] for k in ("id", "name", "value", "worst")] == [their[k] for k in ("id", "name", "value", "worst")]
        assert our["raw"]["value"] == their["raw"]["value"]
    ours, theirs = (x["ata_smart_self_test_log"]["standard"]["table"] for x in (ours, theirs))
    assert [t["lifetime_hours"] for t in ours] == [t["lifetime_hours"] for t in theirs]
    assert [t["status"]["value"] for t in ours] == [t["status"]["value"] for t in theirs]
    assert [t["type"]["value"] for t in ours] == [t["type"]["value"] for t in theirs]


def is_known(host, status, text):
    ran = expect(host.run("smart", "1-4", "-j"), status)
    found, known = leaves(ran.json()), schema(COMMON) | schema(text)
    strange = {path: kind for path, kind in found.items() if known.get(path) != kind}
    assert not strange, strange
    missing = set(schema(text)) - set(found)
    assert not missing, missing
    return ran.json()


def nvme(host):
    """of an NVMe drive all keys are known and there, and numbers that no double holds are strings as well"""
    log = is_known(host, 0, NVME)["nvme_smart_health_information_log"]
    assert log["data_units_read_s"] == str((1 << 53) + 1) == str(log["data_units_read"])
    assert "data_units_written_s" not in log
    assert "Self-test: in progress, 60% left" in expect(host.run("smart", "1-4"), 0).out


def scsi(host):
    """of a SCSI drive all keys are known and there, and one that is failing is told by the exit status"""
    ours = is_known(host, 8, SCSI)
    assert ours["smart_status"] == {"passed": False} and ours["scsi_grown_defect_list"] == 4
    assert ours["scsi_error_counter_log"]["read"]["gigabytes_processed"] == "123456.789"
    out = expect(host.run("smart", "1-4"), 8).out
    assert "Health: failing" in out and "Defects: 4 grown" in out, out


def unknown(host):
    """a drive that tells nothing is told so, and why"""
    ran = expect(host.run("smart", "1-4", "-j"), 4)
    assert "smart_status" not in ran.json() and "temperature" not in ran.json()
    assert "Health: unknown" in expect(host.run("smart", "1-4"), 4).out


def asleep(host):
    """a drive that sleeps is left alone, and what it told last is shown with the reason"""
    ran = expect(host.run("smart", "1-4", "-j"), 2 | 32 | 64 | 128)
    assert ran.json()["smartctl"]["messages"] == [{"string": "The drive sleeps", "severity": "error"}]
    assert ran.json()["temperature"]["current"] == 41
    out = expect(host.run("smart", "1-4"), 2 | 32 | 64 | 128).out
    assert "Not asked now: The drive sleeps" in out and "Reallocated_Sector_Ct" in out, out


def denied(host):
    """who may not have it asked sees what it told last"""
    out = expect(host.run("smart", "1-4"), 32 | 64 | 128).out
    assert "Not asked now: Not authorized" in out, out


def main():
    results = Results()
    for check, environment in (
        (ata_is_smartctls, {}), (nvme, {"FAKE_SMART": "NVMe"}), (scsi, {"FAKE_SMART": "SCSI"}),
        (unknown, {"FAKE_SMART": "unknown", "FAKE_UPDATE": "unsupported"}), (asleep, {"FAKE_UPDATE": "sleeps"}),
        (denied, {"FAKE_UPDATE": "denied"}),
    ):  # fmt: skip
        with bus() as host:
            host.start_service(**environment)
            results.check(check, host)
    results.finish()


if __name__ == "__main__":
    main()
