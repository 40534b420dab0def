#!/usr/bin/python3
"""The service's D-Bus interfaces without a service: what they are comes from their XML, what is in them from the table
below. Each method that does something says so on standard output, so that a test sees what it was called with.

fake_service.py ADDRESS INTERFACES: says "ready" when it has its name on the bus.
"""

import glob
import os
import socket
import subprocess
import sys

from gi.repository import Gio, GLib

PREFIX = "org.orion.UsbStorage1."
ROOT = "/org/orion/UsbStorage1"
ERROR = PREFIX + "Error."
MEDIUM = 8 << 20

INQUIRY = bytes.fromhex("00 80 06 02 1f 00 00 00") + b"Orion   FakeDisk        1.00"
SENSE = bytes.fromhex("70 00 02 00 00 00 00 0a 00 00 00 00 3a 00 00 00 00 00")


def encode(name):
    """sd_bus_path_encode()"""
    plain = (c.isalpha() or (c.isdigit() and i > 0) for i, c in enumerate(name))
    return "".join(c if p else f"_{ord(c):02x}" for c, p in zip(name, plain))


def device_path(name):
    return f"{ROOT}/devices/{encode(name)}"


def device(name, **properties):
    return {
        "Name": name, "VendorId": 0x0951, "ProductId": 0x1666, "DeviceRevision": 0x0110,
        "Vendor": "Kingston", "Model": "DataTraveler 3.0", "Serial": "60A44C413C", "Speed": 5000,
        "ConnectionBus": "usb", "State": "running", "FailureReason": "", "Transport": "bulk-only",
        "TransferSizeMax": 1 << 20, "Policy": "allow", "PolicyRule": "allow id 0951:1666",
        "ReadOnly": False, "Quirks": "gu", "LearnedFacts": ["read-ahead helps"], "Degradations": [],
        "WorkerPid": 4711, "NRestarts": 1, "TimeTaken": 1764165605000000, "Luns": [],
        "Clients": [(0, 4712, 1000, "nbd-\x1bclient", ""), (0, 0, 0, "192.0.2.7:40000", "psk \x1balice")],
    } | properties  # fmt: skip


def lun(device_name, number, **properties):
    return {
        "Device": device_path(device_name), "Number": number, "Kind": "disk", "Vendor": "Kingston",
        "Model": "DataTraveler 3.0", "Revision": "PMAP", "Serial": "", "Size": MEDIUM,
        "BlockSize": 512, "PhysicalBlockSize": 4096, "MediaRemovable": True, "MediaAvailable": True,
        "ReadOnly": False, "Rotational": False, "CanTrim": True,
        "Export": f"0951-1666-60A44C413C-lun{number}", "ExportNumber": 1, "NClients": 1, "Mounts": ["/images/st\x1bick"],
    } | properties  # fmt: skip


CACHE = {
    "Mode": "write-back", "Policy": "lru", "ReadAhead": True, "SizeMax": 256 << 20,
    "DirtyBytes": 3 << 20, "Hits": 870, "Misses": 130, "ReadAheadUsedBytes": 1 << 20, "ReadAheadWastedBytes": 4096,
}  # fmt: skip
SCSI = {
    "PeripheralType": 0, "Version": 6, "HasFua": True, "HasUnmap": False, "HasSynchronizeCache": True,
    "LastSense": "Medium not present", "Commands": 1000, "CheckConditions": 3, "Retries": 2, "Timeouts": 1,
}  # fmt: skip

POWER = {
    "State": "standby", "StateSince": 1764165605000000, "MaxPower": 896, "SelfPowered": False, "CanStandby": True,
    "CanSuspend": False, "StandbyTimeout": 600000000, "SuspendTimeout": 0, "ManagementEnabled": True,
    "TimeInState": {"active": 62000000, "idle": 500000, "standby": 3723000000, "suspended": 0, "unknown": 0},
    "Standbys": 4, "SpinUps": 3, "Suspends": 2, "SleepFailures": 1, "Wakes": 5, "WakeLatency": (0.0042, 2.5, 6.5),
}  # fmt: skip

OBJECTS = {
    ROOT: {"Manager": {
        "Version": "0.1.0", "NDevices": 3, "NExports": 2, "LogLevel": "info",
        "ListenAddresses": ["unix:/run/usb-storage/nbd.sock"], "PerformanceMonitoring": True,
    }},
    device_path("1-4"): {"Device": device("1-4"), "Cache": CACHE, "Performance": {}, "Power": POWER},
    device_path("1-4") + "/lun0": {"Lun": lun("1-4", 0), "Scsi": SCSI, "Performance": {}},
    device_path("2-1.3"): {"Device": device(
        "2-1.3", VendorId=0x058F, ProductId=0x6364, Vendor="Evil\x1b[31mReader", Model="Multi\u202eCard",
        Serial="CLONE", Speed=480, Degradations=["write-through"], Quirks="", LearnedFacts=[],
        Policy="read-only", PolicyRule="", ReadOnly=True)},
    device_path("2-1.3") + "/lun0": {"Lun": lun(
        "2-1.3", 0, Vendor="", Model="", Size=0, MediaAvailable=False, Export="", NClients=0,
        BlockSize=0)},
    device_path("2-1.3") + "/lun1": {"Lun": lun(
        "2-1.3", 1, Vendor="Generic", Model="SD Card", Export="058f-6364-CLONE-lun1",
        NClients=0), "Scsi": SCSI},
    device_path("3-1"): {"Device": device(
        "3-1", Serial="CLONE", State="failed", FailureReason="it does not answer", Transport="",
        WorkerPid=0, Speed=0, LearnedFacts=[])},
}  # fmt: skip

# Told one by one only.
COUNTERS = {
    "Cache": {"DirtyBytes", "Hits", "Misses", "ReadAheadUsedBytes", "ReadAheadWastedBytes"},
    "Scsi": {"Commands", "CheckConditions", "Retries", "Timeouts"},
    "Power": {"TimeInState", "Standbys", "SpinUps", "Suspends", "SleepFailures", "Wakes", "WakeLatency"},
}

OBJECT_MANAGER = """<node><interface name="org.freedesktop.DBus.ObjectManager">
<method name="GetManagedObjects"><arg type="a{oa{sa{sv}}}" direction="out"/></method>
<signal name="InterfacesAdded"><arg type="o"/><arg type="a{sa{sv}}"/></signal>
<signal name="InterfacesRemoved"><arg type="o"/><arg type="as"/></signal></interface>
<interface name="org.freedesktop.DBus.Properties">
<method name="Get"><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="v" direction="out"/></method>
<method name="GetAll"><arg type="s" direction="in"/><arg type="a{sv}" direction="out"/></method>
<signal name="PropertiesChanged"><arg type="s"/><arg type="a{sv}"/><arg type="as"/></signal>
</interface></node>"""
PROPERTIES = "org.freedesktop.DBus.Properties"

SMART = {
    "Verdict": "warning", "Reason": "3 sectors were replaced; 3 sectors were replaced since 2026-11-20",
    "Changes": "3 sectors were replaced since 2026-11-20", "Way": "SAT, 16 bytes", "Kind": "ATA",
    "Model": "WDC WD10JMVW", "Serial": "WX\x1b[31m1", "Firmware": "01.01A01", "Supported": True, "Enabled": True,
    "Updated": 1764165605, "Failing": False, "PowerOnSeconds": 4442400, "Temperature": 273.15 + 41,
    "NumAttributesFailing": 0, "NumAttributesFailedInThePast": 1, "NumBadSectors": 3, "SelftestStatus": "success",
    "SelftestPercentRemaining": -1, "CriticalWarning": [],
}  # fmt: skip
COMMON_DATA = {
    "reason": SMART["Reason"], "changes": SMART["Changes"], "updated": 1764165605, "n_asked": 7, "error": 0,
    "serial": "WX1", "firmware": "01.01A01", "capacity": 1000204886016, "supported": True, "enabled": True,
    "temperature": 41, "temperature_max": 60, "power_on_hours": 1234, "power_cycles": 56, "missing": {},
}  # fmt: skip
COUNTERS_DATA = {
    "corrected_fast": 1, "corrected_delayed": 2, "repeated": 3, "corrected": 6, "corrections": 7,
    "bytes": 123456789012345, "uncorrected": 0,
}  # fmt: skip
DATA = {
    "ATA": COMMON_DATA | {
        "verdict": "warning", "kind": "ATA", "model": "WDC WD10JMVW", "way": "SAT, 16 bytes", "status": "passed",
        "rotation_rpm": 5400, "reallocated_sectors": 3, "pending_sectors": 0, "n_errors": 2,
        "self_test_running": False, "self_test_short_minutes": 2, "self_test_extended_minutes": 200,
        "attributes": [
            {"id": 3, "name": "Spin_Up_Time", "flags": 0x27, "value": 253, "worst": 253, "threshold": 21,
             "raw": (1 << 48) - 1, "state": "good"},
            {"id": 5, "name": "Reallocated_Sector_Ct", "flags": 0x33, "value": 200, "worst": 100, "threshold": 140,
             "raw": 3, "state": "failed-before"},
            {"id": 194, "name": "Temperature_Celsius", "flags": 0x22, "value": 109, "worst": 85,
             "raw": 0x3C0015_0029, "state": "unknown"},
        ],
        "errors": [{"command": 0x60, "error": 0x40, "status": 0x41, "number": 2, "power_on_hours": 1000, "lba": 123}],
        "self_tests": [
            {"kind": "short", "result": "passed", "code": 0, "power_on_hours": 1200},
            {"kind": "extended", "result": "failed", "code": 7, "remaining_percent": 30, "power_on_hours": 1100, "lba": 5},
        ],
    },
    "NVMe": COMMON_DATA | {
        "verdict": "good", "reason": "", "kind": "NVMe", "model": "Samsung SSD 980", "way": "an NVMe bridge",
        "status": "passed", "used_percent": 7, "temperature_warning": 82, "self_test_running": True,
        "self_test_remaining_percent": 60,
        "health": {
            "critical_warning": 0, "spare_percent": 100, "spare_threshold_percent": 10, "used_percent": 7,
            "data_units_read": (1 << 53) + 1, "data_units_written": 5, "read_commands": 6, "write_commands": 7,
            "busy_minutes": 8, "unsafe_shutdowns": 9, "media_errors": 0, "error_log_entries": 1, "warm_minutes": 0,
            "hot_minutes": 0, "sensor_1": 41,
        },
        "errors": [], "self_tests": [{"kind": "short", "result": "passed", "code": 0, "power_on_hours": 1200}],
    },
    "SCSI": COMMON_DATA | {
        "verdict": "failing", "reason": "it predicts its own failure", "kind": "SCSI", "model": "SEAGATE ST300",
        "way": "SCSI log pages", "status": "failing", "temperature_critical": 68, "used_percent": 3,
        "scsi": {"asc": 0x5D, "ascq": 0x10, "start_stops": 50, "start_stops_specified": 10000, "load_unloads": 60,
                 "load_unloads_specified": 300000, "grown_defects": 4, "read": COUNTERS_DATA, "write": COUNTERS_DATA},
        "self_tests": [{"kind": "extended", "result": "passed", "code": 0, "power_on_hours": 1200}],
    },
    "unknown": {"verdict": "unknown", "reason": "no way to its health is known", "n_asked": 0, "error": -95,
                "updated": 0, "kind": "unknown"},
}  # fmt: skip
OBJECTS[device_path("1-4") + "/lun0"]["Smart"] = SMART
UPDATE_REFUSALS = {
    "sleeps": ("WouldWakeup", "The drive sleeps"), "denied": ("NotAuthorized", "Not authorized"),
    "unsupported": ("NotSupported", "No way to its health is known"),
}  # fmt: skip


def to_variants(data):
    """A dictionary as a{sv}, as GetData has it."""
    return {key: to_variant(key, value) for key, value in data.items()}


def to_variant(key, value):
    if isinstance(value, dict):
        return GLib.Variant("a{sv}", to_variants(value))
    if isinstance(value, list):
        return GLib.Variant("aa{sv}", [to_variants(element) for element in value])
    if isinstance(value, bool):
        return GLib.Variant("b", value)
    if isinstance(value, str):
        return GLib.Variant("s", value)
    return GLib.Variant("x" if key == "error" or key.startswith(("temperature", "sensor_")) else "t", value)


class Refusal(Exception):
    def __init__(self, name, text):
        super().__init__(text)
        self.name = name if "." in name else ERROR + name


class Later(Exception):
    """No answer."""


class Slow(Exception):
    """An answer only when somebody has looked at the job, which is the argument."""


def load_interfaces(folder):
    for path in glob.glob(folder + "/*.xml"):
        with open(path, encoding="utf-8") as file:
            yield from Gio.DBusNodeInfo.new_for_xml(file.read()).interfaces


def say(*words):
    print(*words, flush=True)


class Service:
    def __init__(self, address, folder):
        flags = Gio.DBusConnectionFlags
        self.bus = Gio.DBusConnection.new_for_address_sync(
            address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        self.interfaces = {}
        for interface in load_interfaces(folder):
            self.interfaces[interface.name] = interface
        self.common = Gio.DBusNodeInfo.new_for_xml(OBJECT_MANAGER).interfaces
        self.n_jobs = 0
        self.n_updates = 0
        self.tested_until = -1  # after so many updates a self-test is over
        self.slow = None
        self.trace = None
        for path in OBJECTS:
            self.register(path)
        reply = self.bus.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
            GLib.Variant("(su)", (PREFIX[:-1], 4)), None, Gio.DBusCallFlags.NONE, -1, None)
        assert reply.unpack() == (1,), "somebody has the name"

    def register(self, path):
        for name in OBJECTS[path]:
            self.bus.register_object(path, self.interfaces[PREFIX + name], self.on_call, None, None)
        for interface in self.common:
            if path == ROOT or interface.name == PROPERTIES:
                self.bus.register_object(path, interface, self.on_call, None, None)

    def variant(self, interface, name, value):
        info = self.interfaces[PREFIX + interface].lookup_property(name)
        return GLib.Variant(info.signature, value)

    def properties(self, path, interface):
        return {
            name: self.variant(interface, name, value)
            for name, value in OBJECTS[path][interface].items()
            if name not in COUNTERS.get(interface, ())
        }

    def on_call(self, _bus, _sender, path, interface, method, arguments, invocation):
        name = interface.removeprefix(PREFIX)
        function = getattr(self, f"{interface.rsplit('.', 1)[-1]}_{method}")
        try:
            result = function(path, *arguments.unpack())
        except Refusal as refusal:
            invocation.return_dbus_error(refusal.name, str(refusal))
            return
        except Later:
            return
        except Slow as slow:
            self.slow = (slow.args[0], invocation)
            return
        info = (self.interfaces.get(PREFIX + name) or
                next(i for i in self.common if i.name == interface)).lookup_method(method)
        signature = "(" + "".join(arg.signature for arg in info.out_args) + ")"
        if isinstance(result, tuple) and any(isinstance(v, socket.socket) for v in result):
            fds = Gio.UnixFDList.new_from_array([v.detach() for v in result if isinstance(v, socket.socket)])
            values = tuple(0 if isinstance(v, socket.socket) else v for v in result)
            invocation.return_value_with_unix_fd_list(GLib.Variant(signature, values), fds)
            return
        invocation.return_value(GLib.Variant(signature, result if isinstance(result, tuple) else ()))

    def emit(self, path, interface, name, signature, *values):
        self.bus.emit_signal(None, path, interface, name, GLib.Variant(signature, values))

    # org.freedesktop.DBus

    def ObjectManager_GetManagedObjects(self, _path):
        if self.slow:
            job, invocation = self.slow
            self.slow = None
            GLib.timeout_add(50, lambda: self.complete_job(job, True) or invocation.return_value(None))
        return ({
            path: {PREFIX + name: self.properties(path, name) for name in interfaces}
            for path, interfaces in OBJECTS.items() if path != ROOT
        },)

    def lookup(self, path, interface):
        name = interface.removeprefix(PREFIX)
        if name not in OBJECTS.get(path, {}):
            raise Refusal("org.freedesktop.DBus.Error.UnknownInterface", f"Unknown interface {interface}")
        return name

    def Properties_Get(self, path, interface, name):
        interface = self.lookup(path, interface)
        return (self.variant(interface, name, OBJECTS[path][interface][name]),)

    def Properties_GetAll(self, path, interface):
        return (self.properties(path, self.lookup(path, interface)),)

    # Manager

    def Manager_Take(self, _path, name, options):
        refusals = {
            "1-2": ("DeviceBusy", "1-2 is in use: /dev/sda1 is mounted"),
            "1-3": ("NotAuthorized", "Not authorized"),
            "9-9": ("NotFound", "There is no device 9-9"),
        }
        if name == "1-5":
            raise Later()
        if name in refusals:
            raise Refusal(*refusals[name])
        say("Take", name, options)
        return (device_path(name),)

    def Manager_ListOthers(self, _path):
        other = {
            "Name": GLib.Variant("s", "1-2"), "VendorId": GLib.Variant("q", 0x0781),
            "ProductId": GLib.Variant("q", 0x5581), "Vendor": GLib.Variant("s", "SanDisk"),
            "Model": GLib.Variant("s", "Ultra"), "Serial": GLib.Variant("s", "4C53"),
            "Speed": GLib.Variant("u", 480), "Reason": GLib.Variant("s", "busy"),
        }  # fmt: skip
        return ([other],)

    def Manager_Reload(self, _path, options):
        say("Reload", options)
        return (["usb_storage.cache_size"],)

    def Manager_GetConfiguration(self, _path):
        return ([("usb_storage", "cache_enabled", "true", "default"),
                 ("daemon", "log_level", "info", "/etc/usb-storage/usb-storage.conf:3")],)  # fmt: skip

    def Manager_ListPolicy(self, _path):
        return ([(1, "allow id 0951:1666", "/etc/usb-storage/rules.d/10.rules:1"),
                 (2, "block with-interface all-of { 08:*:* 03:*:* }", "/etc/usb-storage/rules.d/10.rules:2")],)

    def Manager_TestPolicy(self, _path, name):
        if name == "9-9":
            raise Refusal("NotFound", "There is no device 9-9")
        return ("read-only", 0, "") if name == "2-1.3" else ("allow", 1, "allow id 0951:1666")

    def Manager_GeneratePolicy(self, _path, options):
        return ('allow id 0951:1666 serial "60A44C413C"\nallow id 058f:6364 serial "CLONE"\n',)

    def Manager_ListQuirks(self, _path):
        return ([(0x1234, 0x5678, "gu", "configuration"), (0x058F, 0x6364, "s", "/usr/share/quirks.conf:7")],)

    def Manager_GetMetrics(self, _path, options):
        if options.get("format") == "prometheus":
            return ('# TYPE usb_storage_io_now gauge\nusb_storage_io_now{device="1-4"} 0\n',)
        return ('# TYPE usb_storage_io_now gauge\nusb_storage_io_now{device="1-4"} 0\n# EOF\n',)

    # Device

    def Device_Release(self, path, options):
        say("Release", path, options)
        if os.environ.get("FAKE_RELEASE") == "slow":
            raise Slow(self.add_job("release", path))

    def Device_Remove(self, path, options):
        if path == device_path("1-4") and not options.get("force"):
            raise Refusal("DeviceBusy", "1 client is connected")
        say("Remove", path, options)

    def Device_Reset(self, path, options):
        say("Reset", path, options)
        self.emit(ROOT, PREFIX + "Manager", "Event", "(sos)", "reset", path, "port \x1b[2Jreset")
        self.emit(path, PROPERTIES, "PropertiesChanged", "(sa{sv}as)", PREFIX + "Device",
                  {"NRestarts": GLib.Variant("u", 2)}, [])  # fmt: skip

    def Device_Diagnose(self, path, options):
        return (f"Report on {path}\nVersion 0.1.0\n",)

    def Device_StopTrace(self, _path, options):
        say("StopTrace", options)
        return (12, 1)

    # Lun, Scsi

    def Scsi_Command(self, path, cdb, data, n_in, options):
        say("Command", bytes(cdb).hex(), bytes(data).hex(), n_in, options)
        if cdb[0] == 0x12:
            return (0, INQUIRY[:n_in], b"", "good")
        if cdb[0] == 0x00:
            return (2, b"", SENSE, "Not ready: Medium not present")
        if cdb[0] == 0x04:
            raise Refusal("NotAuthorized", "FORMAT UNIT destroys data")
        return (0, b"", b"", "good")

    def Scsi_Reset(self, path, options):
        say("ScsiReset", path, options)

    # Cache

    def Cache_Flush(self, path, options):
        say("Flush", path, options)
        job = self.add_job("flush", path)
        if os.environ.get("FAKE_FLUSH") == "hangs":
            return (job,)
        failed = os.environ.get("FAKE_FLUSH") == "fails"
        GLib.timeout_add(50, self.complete_job, job, not failed)
        return (job,)

    def add_job(self, operation, path):
        self.n_jobs += 1
        job = f"{ROOT}/jobs/{self.n_jobs}"
        OBJECTS[job] = {"Job": {
            "Operation": operation, "Object": path, "Progress": 0.5, "Bytes": 3 << 20, "Rate": 1 << 20,
            "StartTime": 1, "ExpectedEndTime": 0, "StartedByUID": 0,
        }}  # fmt: skip
        self.register(job)
        self.emit(ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "(oa{sa{sv}})", job, {})
        return job

    def complete_job(self, job, success):
        self.emit(job, PREFIX + "Job", "Completed", "(bs)", success, "" if success else "3 blocks can't be written")
        self.emit(ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", "(oas)", job, [PREFIX + "Job"])
        del OBJECTS[job]
        return False

    def Cache_Reset(self, path, options):
        say("CacheReset", path, options)

    # Power

    def Power_SetState(self, path, state, options):
        if state == "sleepy":
            raise Refusal("InvalidArgument", "A device can be set to active, standby and suspended alone")
        say("SetState", state, options)
        if os.environ.get("FAKE_RELEASE") == "slow":
            raise Slow(self.add_job("power", path))

    def Power_SetTimeouts(self, path, timeouts):
        say("SetTimeouts", path, dict(sorted(timeouts.items())))

    # Smart: FAKE_SMART is a kind of drive, FAKE_UPDATE why it can't be asked

    def Smart_Update(self, path, options):
        say("Update", options)
        if os.environ.get("FAKE_UPDATE"):
            raise Refusal(*UPDATE_REFUSALS[os.environ["FAKE_UPDATE"]])
        self.n_updates += 1

    def Smart_GetData(self, path, options):
        data = dict(DATA[os.environ.get("FAKE_SMART", "ATA")])
        if self.n_updates > self.tested_until:
            return (to_variants(data),)
        data |= {"self_test_running": True, "self_test_remaining_percent": 50}
        return (to_variants(data),)

    def Smart_StartSelfTest(self, path, kind, options):
        say("StartSelfTest", kind, options)
        if kind == "long":
            raise Refusal("InvalidArgument", "Self-tests are short, extended, conveyance and offline")
        self.tested_until = self.n_updates + 1

    def Smart_AbortSelfTest(self, path, options):
        say("AbortSelfTest", options)

    # Performance

    def Performance_GetCounters(self, _path):
        return ({"reads_completed": 100, "read_bytes": 409600, "writes_completed": 5, "written_bytes": 20480,
                 "flushes_completed": 2, "cache_hits": 90},)

    def Performance_GetRates(self, _path):
        return ([(1, 100.0, 409600.0, 5.0, 20480.0, 0.0001, 0.002, 0.9),
                 (10, 50.0, 204800.0, 2.0, 8192.0, 0.0002, 0.003, 0.8),
                 (60, 10.0, 40960.0, 0.0, 0.0, 0.0002, 0.0, 0.5)],)  # fmt: skip

    def Performance_GetLatency(self, _path, operation):
        if operation not in ("read", "write"):
            return ([], 0.0, 0.0, 0.0)
        return ([(0.0001, 90), (0.001, 99), (0.01, 100)], 0.00008, 0.0009, 0.005)

    def Performance_GetAdvice(self, _path):
        return ([("write-back", "notice", "Writes go through: three resets in ten minutes"),
                 ("speed", "warning", "A SuperSpeed device at high speed: try another port")],)  # fmt: skip


NBD_SCRIPT = """#!/bin/bash
overlaps() { [ $(($2 + $1)) -gt "$FAKE_BAD_FIRST" ] && [ "$2" -le "$FAKE_BAD_LAST" ]; }
case $1 in
get_size) stat -L -c %s "$FAKE_MEDIUM" ;;
pread)
        [ "$4" -lt "${FAKE_DIES:-9000000000}" ] || { kill -9 $PPID; exit 1; }
        ! rm "$FAKE_MEDIUM.die" 2> /dev/null || { kill -9 $PPID; exit 1; }
        while [ "$4" -ge 4194304 ] && [ -e "$FAKE_MEDIUM.wait" ]; do sleep 0.05; done
        if overlaps "$3" "$4"; then echo 'EIO bad block' >&2; exit 1; fi
        exec dd if="$FAKE_MEDIUM" bs=64K iflag=skip_bytes,count_bytes skip="$4" count="$3" status=none ;;
can_write | can_flush) exit 0 ;;
pwrite)
        if overlaps "$3" "$4"; then cat > /dev/null; echo 'EIO bad block' >&2; exit 1; fi
        exec dd of="$FAKE_MEDIUM" bs=64K oflag=seek_bytes seek="$4" conv=notrunc iflag=fullblock status=none ;;
flush) exit 0 ;;
*) exit 2 ;;
esac
"""


def start_nbd():
    """nbdkit on one end of a pair of sockets: FAKE_MEDIUM is the disk, FAKE_BAD "FIRST-LAST" are its bad bytes, it dies
    when it shall read beyond FAKE_DIES, or once if FAKE_MEDIUM.die exists, and waits in its middle as long as FAKE_MEDIUM.wait exists."""
    ours, theirs = socket.socketpair()
    first, last = os.environ.get("FAKE_BAD", "9000000000-0").split("-")
    script = os.environ["FAKE_MEDIUM"] + ".sh"
    if not os.path.exists(script):  # who still runs it must not see it change
        with open(script, "w", encoding="utf-8") as file:
            file.write(NBD_SCRIPT)
        os.chmod(script, 0o755)
    with ours:
        subprocess.Popen(["nbdkit", "-s", "sh", script], stdin=ours, stdout=ours, stderr=subprocess.DEVNULL,
                         env=os.environ | {"FAKE_BAD_FIRST": first, "FAKE_BAD_LAST": last})
    return theirs


class WithFds(Service):
    """What passes file descriptors."""

    def Lun_OpenNbd(self, path, options):
        say("OpenNbd", path, options)
        if path.endswith("lun1"):
            raise Refusal("DeviceBusy", "somebody else writes")
        return (start_nbd(),)

    def on_call(self, bus, sender, path, interface, method, arguments, invocation):
        if method == "StartTrace":
            fds = invocation.get_message().get_unix_fd_list().steal_fds()
            os.write(fds[arguments[0]], b"\xd4\xc3\xb2\xa1trace")
            for fd in fds:
                os.close(fd)
            say("StartTrace", arguments[1])
            invocation.return_value(None)
            return
        super().on_call(bus, sender, path, interface, method, arguments, invocation)


def main():
    WithFds(sys.argv[1], sys.argv[2])
    say("ready")
    GLib.MainLoop().run()


main()
