"""A service of a test's own, for tests that kill parts of it: started in a session of its own, watched through /proc
and its log."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import nbd

# Long enough for sanitizers on a busy machine; nothing waits so long unless it is broken.
PATIENCE_S = 60
WORKER = "usb-storage-wrk"
FRONT = "usb-storage-fnt"


def wait_until(condition, what, meanwhile=lambda: None):
    """Returns what `condition` returned when it held; `meanwhile` runs between two looks."""
    end = time.monotonic() + PATIENCE_S
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited in vain until {what}"
        meanwhile()
        time.sleep(0.02)


def process_stat(pid):
    """Name, state and parent; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
    return name, rest[0], int(rest[1])


def is_running(pid):
    stat = process_stat(pid)
    return stat is not None and stat[1] not in "ZX"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    def __init__(self, name, *arguments, prefix=()):
        self.folder = os.path.join(os.environ["SCRATCH"], name)
        self.socket = os.path.join(self.folder, "nbd.sock")
        self.log_path = os.path.join(self.folder, "log")
        self.arguments = arguments
        self.prefix = prefix  # of the command line
        self.pass_fds = ()
        os.makedirs(self.folder, exist_ok=True)
        self.start()

    def start(self):
        program = os.path.join(os.environ["BUILD_FOLDER"], "daemon", "usb-storaged")
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*self.prefix, program, "--bus", "none", "--no-usb"]
                + ["--runtime-dir", self.folder + "/runtime", "--state-dir", self.folder + "/state"]
                + ["--nbd", f"unix:{self.socket}", *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self.pass_fds,
            )

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def children(self, name):
        pids = (int(entry) for entry in os.listdir("/proc") if entry.isdecimal())
        stats = ((pid, process_stat(pid)) for pid in pids)
        return {
            pid
            for pid, stat in stats
            if stat and stat[0] == name and stat[1] not in "ZX" and stat[2] == self.process.pid
        }

    def worker_of(self, device):
        """The process that drives it now, as the log tells."""
        pids = re.findall(rf"{device}: is driven by process (\d+)", self.log())
        return int(pids[-1]) if pids and is_running(int(pids[-1])) else None

    def front(self):
        return next(iter(self.children(FRONT)), None)

    def everything(self):
        return {self.process.pid} | self.children(WORKER) | self.children(FRONT)

    def exports(self):
        """What a new client is told; None while nobody answers."""
        handle = nbd.NBD()
        names = []
        try:
            handle.set_opt_mode(True)
            handle.connect_unix(self.socket)
            handle.opt_list(lambda name, description: names.append(name))
            handle.opt_abort()
        except nbd.Error:
            return None
        return sorted(names)

    def wait_for_exports(self, n_exports, meanwhile=lambda: None):
        def are_there():
            names = self.exports()
            return names if names is not None and len(names) == n_exports else None

        return wait_until(are_there, f"there are {n_exports} exports", meanwhile)

    def connect(self, name):
        handle = nbd.NBD()
        handle.set_export_name(name)
        handle.connect_unix(self.socket)
        return handle

    def kill(self, pid, number=signal.SIGKILL):
        os.kill(pid, number)
        if number == signal.SIGKILL:
            wait_until(lambda: not is_running(pid), f"process {pid} is dead")

    def wait_for_end(self):
        """The exit status of the manager."""
        return self.process.wait(PATIENCE_S)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait_for_end()

    def destroy(self):
        """However the test ended, nothing stays."""
        left = self.everything()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in left:
            if is_running(pid) and process_stat(pid)[0] in (WORKER, FRONT):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def service(name, *specs, arguments=(), prefix=()):
    """A service with a simulated disk for each of `specs`; its log is shown if the test fails."""
    options = [option for spec in specs for option in ("--simulate", spec)]
    running = Service(name, *options, *arguments, prefix=prefix)
    try:
        yield running
    except BaseException:
        for line in running.log().splitlines()[-30:]:
            print(f"# {line}")
        raise
    finally:
        running.destroy()
