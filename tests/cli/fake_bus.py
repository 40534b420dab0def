"""A bus of a test's own with the fake service on it, and the program to be tested beside it."""

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import tempfile
import termios

HERE = os.path.dirname(os.path.realpath(__file__))
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={folder}/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>"""
PATIENCE_S = 60


def expect(ran, status, err=None):
    assert ran.status == status, f"exit status {ran.status}, expected {status}: {ran.err}"
    if err is not None:
        assert err in ran.err, ran.err
    return ran


class Ran:
    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout.decode(errors="surrogateescape")
        self.raw = process.stdout
        self.err = process.stderr.decode(errors="surrogateescape")

    def json(self):
        return json.loads(self.out)


class Bus:
    def __init__(self, folder):
        self.folder = folder
        self.address = f"unix:path={folder}/bus"
        self.services = []
        with open(folder + "/bus.conf", "w", encoding="utf-8") as file:
            file.write(CONFIG.format(folder=folder))
        self.daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={folder}/bus.conf", "--nofork", "--print-address"],
            stdout=subprocess.PIPE)
        self.daemon.stdout.readline()

    def start_service(self, **environment):
        service = subprocess.Popen(
            ["/usr/bin/python3", HERE + "/fake_service.py", self.address, os.environ["INTERFACES"]],
            stdout=subprocess.PIPE, env=os.environ | environment, text=True)
        self.services.append(service)
        assert service.stdout.readline() == "ready\n"
        return service

    def command(self, *arguments, name="usb-storagectl"):
        program = os.path.join(os.environ["PROGRAM_FOLDER"], name)
        return [program, "--address", self.address, *arguments]

    def run(self, *arguments, name="usb-storagectl", text="", **environment):
        """Runs the program to its end."""
        return Ran(subprocess.run(
            self.command(*arguments, name=name), input=text.encode(), capture_output=True, check=False,
            env=os.environ | {"LC_ALL": "C.UTF-8"} | environment, timeout=PATIENCE_S))

    def run_on_terminal(self, *arguments, keys=b"", **environment):
        """The same on a terminal of 80 columns; returns all that it wrote there."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm", "PAGER": "cat"} | environment
        process = subprocess.Popen(self.command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs,
                                   env=environment, start_new_session=True)  # fmt: skip
        os.close(theirs)
        os.write(ours, keys)
        written = b""
        with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
            while chunk := os.read(ours, 4096):
                written += chunk
        os.close(ours)
        assert process.wait(PATIENCE_S) == 0, written
        return written.decode(errors="surrogateescape")

    def said(self):
        """What the service was called with since the last time."""
        self.run("--timeout=5", "take", "said")
        lines = []
        while not lines or not lines[-1].startswith("Take said"):
            lines.append(self.services[-1].stdout.readline().strip())
        return lines[:-1]

    def destroy(self):
        for process in (*self.services, self.daemon):
            process.kill()
            process.wait()


@contextlib.contextmanager
def bus():
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="cli.", dir="/tmp") as folder:
        running = Bus(folder)
        try:
            yield running
        finally:
            running.destroy()
