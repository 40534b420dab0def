"""A message bus of a test's own, with a polkit that does as it is told, callers of any user, and the service on it."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

import nbd
from gi.repository import Gio, GLib

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD_FOLDER = os.environ.get("BUILD_FOLDER", os.path.join(HERE, "../../build"))
NAME = "org.orion.UsbStorage1"
ROOT = "/org/orion/UsbStorage1"
STRANGER = 65534
# Whom the service runs as in some tests: the bus wants to know its users.
SERVICE_USER = 1  # daemon
# Long enough for sanitizers on a busy machine; nothing waits so long unless it is broken.
PATIENCE_S = int(os.environ.get("PATIENCE_S", "60"))

CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
    <allow own="org.freedesktop.PolicyKit1"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
    <allow own="org.freedesktop.login1"/>
    <allow send_destination="org.freedesktop.login1"/>
  </policy>
  <policy user="daemon"> <allow own="org.orion.UsbStorage1"/> </policy>
  <include>{policy}</include>
</busconfig>
"""


def read_name():
    """Of this process, as the kernel has it."""
    with open("/proc/self/comm", encoding="utf-8") as file:
        return file.read().strip()


def wait_until(condition, what):
    """Returns what `condition` returned when it held."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain until {what}"
        iterate()
        time.sleep(0.01)


def iterate():
    """Deals with what has come from the bus."""
    context = GLib.MainContext.default()
    while context.iteration(False):
        pass


def as_user(uid):
    if uid is None:
        return []
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]


class Failure(Exception):
    """An error that came over the bus; `name` without its prefix if that is ours."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name.removeprefix(NAME + ".Error.")
        self.message = message


class Caller:
    """A process on the bus, of any user."""

    def __init__(self, address, uid=None, name=NAME):
        with open(os.path.join(HERE, "caller.py"), encoding="utf-8") as file:
            source = file.read()
        self.destination = name
        self.n_calls = 0
        self.answers = {}
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*as_user(uid), "/usr/bin/python3", "-c", source, address],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        self.received = b""
        self.unique_name = self.read()["name"]

    def read(self):
        while b"\n" not in self.received:
            assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], "no answer came"
            received = os.read(self.process.stdout.fileno(), 65536)
            assert received, "the caller has ended"
            self.received += received
        line, self.received = self.received.split(b"\n", 1)
        return json.loads(line)

    def start(self, interface, method, arguments=None, path=ROOT, interactive=False, file=None):
        """Returns a number for finish(). `file` is a path: the caller opens it, and it goes along as handle 0."""
        self.n_calls += 1
        words = {
            "number": self.n_calls,
            "name": self.destination,
            "path": path,
            "interface": interface if "." in interface else f"{NAME}.{interface}",
            "method": method,
            "arguments": arguments,
            "interactive": interactive,
            "file": file,
        }
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return self.n_calls

    def finish(self, number):
        """The reply's values: one as it is, several in a tuple."""
        while number not in self.answers:
            answer = self.read()
            self.answers[answer["number"]] = answer
        answer = self.answers.pop(number)
        if "error" in answer:
            raise Failure(answer["error"], answer["message"])
        values = GLib.Variant.parse(None, answer["value"], None, None).unpack()
        return values[0] if len(values) == 1 else values

    def call(self, *arguments, **options):
        return self.finish(self.start(*arguments, **options))

    def get(self, interface, name, path=ROOT):
        return self.call("org.freedesktop.DBus.Properties", "Get", f"('{NAME}.{interface}', '{name}')", path=path)

    def get_all(self, interface, path):
        return self.call("org.freedesktop.DBus.Properties", "GetAll", f"('{NAME}.{interface}',)", path=path)

    def end(self):
        """Leaves the bus without waiting for anything."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def expect_failure(name, function, *arguments, **options):
    try:
        value = function(*arguments, **options)
    except Failure as failure:
        assert failure.name == name, f"{failure}, expected {name}"
        return failure
    raise AssertionError(f"it returned {value}, expected {name}")


class PrivateBus:
    """The bus, polkit and the programs of a test, in a folder that goes with it."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="dbus.", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.address = f"unix:path={self.folder}/bus"
        self.callers = []
        self.programs = []
        self.daemon = None
        self.polkit = None
        self.polkit_interface = None
        self.connection = None
        policy = os.path.join(HERE, "../../conf/org.orion.UsbStorage1.conf")
        with open(os.path.join(self.folder, "bus.conf"), "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=self.folder, policy=os.path.realpath(policy)))
        self.start_daemon()

    def start_daemon(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(self.folder, "bus"))
        with open(os.path.join(self.folder, "bus.log"), "a", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(  # pylint: disable=consider-using-with
                ["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--nopidfile"], stderr=log
            )
        self.connection = wait_until(self.connect, "the bus is there")
        self.connection.set_exit_on_close(False)

    def connect(self):
        """None if nobody listens yet."""
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        try:
            return Gio.DBusConnection.new_for_address_sync(self.address, flags, None, None)
        except GLib.Error:
            return None

    def stop_daemon(self):
        self.daemon.kill()
        self.daemon.wait()

    def has_name(self, name):
        reply = self.connection.call_sync(
            "org.freedesktop.DBus",
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameHasOwner",
            GLib.Variant("(s)", (name,)),
            None,
            0,
            -1,
            None,
        )
        return reply.unpack()[0]

    def start_polkit(self):
        self.run_polkit([os.path.join(HERE, "fake_polkit.py"), self.address], "org.orion.Test")

    def start_mock_polkit(self):
        """python3-dbusmock's: another project's view of polkit, without challenges."""
        self.run_polkit(["/usr/bin/python3", "-m", "dbusmock", "--system", "--template", "polkitd"],
                        "org.freedesktop.DBus.Mock")  # fmt: skip

    def run_polkit(self, command, interface):
        """`interface` is by which it is told what to answer."""
        self.polkit_interface = interface
        self.polkit = subprocess.Popen(  # pylint: disable=consider-using-with
            command, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}, stdout=subprocess.DEVNULL
        )
        wait_until(lambda: self.has_name("org.freedesktop.PolicyKit1"), "polkit is there")

    def ask_polkit(self, method, signature=None, *arguments):
        reply = self.connection.call_sync(
            "org.freedesktop.PolicyKit1",
            "/org/freedesktop/PolicyKit1/Authority",
            self.polkit_interface,
            method,
            GLib.Variant(signature, arguments) if signature else None,
            None,
            0,
            -1,
            None,
        )
        return reply.unpack()

    def set_verdict(self, action, verdict):
        self.ask_polkit("SetVerdict", "(ss)", action, verdict)

    def polkit_calls(self):
        """Since the last time: (subject, action, details, flags, cancellation)."""
        return self.ask_polkit("TakeCalls")[0]

    def caller(self, uid=None, name=NAME):
        caller = Caller(self.address, uid, name)
        self.callers.append(caller)
        return caller

    def start_program(self, name, *arguments, uid=None):
        """`name` is a path in the build folder. Waits until it has our name."""
        log_path = os.path.join(self.folder, "program.log")
        with open(log_path, "a", encoding="utf-8") as log:
            program = subprocess.Popen(  # pylint: disable=consider-using-with
                [*as_user(uid), os.path.join(BUILD_FOLDER, name), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.programs.append(program)
        wait_until(lambda: self.has_name(NAME) or program.poll() is not None, f"{name} is on the bus")
        return program

    def make_program(self):
        """The service with workers that do as they are told at once: the program beside them."""
        folder = os.path.join(self.folder, "programs")
        os.makedirs(folder)
        for source, name in (
            ("daemon/usb-storaged", "usb-storaged"),
            ("daemon/usb-storage-front", "usb-storage-front"),
            ("tests/device/fake_child", "usb-storage-worker"),
        ):
            shutil.copy(os.path.join(BUILD_FOLDER, source), os.path.join(folder, name))
        return os.path.join(folder, "usb-storaged")

    def start_service(self, *arguments, uid=None, specs=(), program="daemon/usb-storaged"):
        simulations = [option for spec in specs for option in ("--simulate", spec)]
        for folder in ("runtime", "state"):
            path = os.path.join(self.folder, folder)
            os.makedirs(path, exist_ok=True)
            if uid is not None:
                os.chown(path, uid, uid)
        return self.start_program(
            program,
            *("--bus", self.address, "--no-usb", "--nbd", f"unix:{self.folder}/runtime/nbd.sock"),
            *("--runtime-dir", f"{self.folder}/runtime", "--state-dir", f"{self.folder}/state"),
            *arguments,
            *simulations,
            uid=uid,
        )

    def log(self):
        with open(os.path.join(self.folder, "program.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def end(self):
        for caller in self.callers:
            caller.end()
        for process in [*self.programs, self.polkit, self.daemon]:
            if process and process.poll() is None:
                process.terminate()
                process.wait(PATIENCE_S)
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def private_bus():
    bus = PrivateBus()
    try:
        yield bus
    except BaseException:
        for line in bus.log().splitlines()[-30:] if bus.programs else ():
            print(f"# {line}")
        raise
    finally:
        bus.end()


def skip_unless_root():
    if os.geteuid() != 0:
        print("1..0 # SKIP callers of several users need root")
        sys.exit(0)


def is_there(caller, path):
    return path in caller.call("org.freedesktop.DBus.ObjectManager", "GetManagedObjects")


def connect(bus, name):
    """To an export, by the service's own socket."""
    handle = nbd.NBD()
    handle.set_export_name(name)
    handle.connect_unix(f"{bus.folder}/runtime/nbd.sock")
    return handle


def write(bus, name, size):
    """Leaves so much in an export's cache."""
    handle = connect(bus, name)
    for offset in range(0, size, 1 << 20):
        handle.pwrite(os.urandom(1 << 20), offset)
    handle.shutdown()


class Watcher:
    """What the service has told of itself by signals."""

    def __init__(self, bus):
        self.signals = []
        self.removed = set()
        self.operations = []  # of jobs
        self.connection = bus.connection
        bus.connection.signal_subscribe(NAME, None, None, None, None, 0, self.on_signal)

    def on_signal(self, _connection, _sender, path, interface, member, parameters):
        values = parameters.unpack()
        self.signals.append((path, interface, member, values))
        if member == "InterfacesRemoved":
            self.removed.add(values[0])
        elif member == "InterfacesAdded":
            self.removed.discard(values[0])
            job = values[1].get(f"{NAME}.Job")
            if job:
                self.operations.append((values[0], job["Operation"], job["Object"], job["StartedByUID"]))

    def forget(self):
        iterate()
        self.signals = []

    def wait_for_property(self, path, interface, name, value):
        def has_changed():
            for where, _, member, values in self.signals:
                if (where, member) == (path, "PropertiesChanged") and values[0] == f"{NAME}.{interface}":
                    if name in values[1] and values[1][name] == value:
                        return True
            return False

        wait_until(has_changed, f"{name} becomes {value}")

    def wait_for_event(self, kind, path):
        def has_come():
            return any(
                member == "Event" and values[0] == kind and path in (None, values[1])
                for _, _, member, values in self.signals
            )

        wait_until(has_come, f"{kind} is told")

    def wait_for_removal(self, path):
        wait_until(lambda: path in self.removed, f"{path} is gone")

    def wait_for_completion(self, path):
        def has_completed():
            for where, _, member, values in self.signals:
                if (where, member) == (path, "Completed"):
                    return values
            return None

        values = wait_until(has_completed, f"{path} is done")
        self.wait_for_removal(path)
        return values

    def jobs_of(self, operation):
        return [job for job in self.operations if job[1] == operation]
