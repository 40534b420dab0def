#!/usr/bin/python3
"""The configuration is tested, written out, and read again while exports are in use. Starts services of its own."""

import contextlib
import os
import re
import signal
import socket
import subprocess

from results import Results
from service import service, wait_until

BLOCK = 65536
DATA = bytes(i % 251 for i in range(BLOCK))


def scratch(name):
    return os.path.join(os.environ["SCRATCH"], name)


def write_config(name, text):
    path = scratch(name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def run(*arguments):
    """Exit status, output and complaints of the program."""
    program = os.path.join(os.environ["BUILD_FOLDER"], "daemon", "usb-storaged")
    done = subprocess.run([program, *arguments], capture_output=True, encoding="utf-8", timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def good_configuration():
    """--test-config likes a good configuration, and starts nothing"""
    path = write_config("good.conf", "[usb_storage]\ncache_size = 64M\n")
    status, output, complaints = run("--test-config", "--config", path, "--runtime-dir", scratch("none"))
    assert (status, complaints) == (0, "") and "good" in output
    assert not os.path.exists(scratch("none"))


def bad_configuration():
    """--test-config tells all mistakes of all sources at once, with file, line, key and what is allowed"""
    path = write_config(
        "bad.conf", "[usb_storage]\ncache_size = 1K\ncach_policy = lru\nquirks_file = /nonexistent\n[x]\n"
    )
    os.makedirs(f"{path}.d", exist_ok=True)
    drop_in = write_config("bad.conf.d/1.conf", "[device]\n\ntrim = perhaps\n")
    status, output, complaints = run("--test-config", "--config", path, "--quirks", "1:2")
    assert (status, output) == (1, "")
    for expected in (
        f"{path}:2: cache_size = 1K: must be a number of bytes",
        f"{path}:3: there is no key cach_policy in [usb_storage], only: storage_device_timeout, ",
        f"{path}:5: there is no section [x], only: [usb_storage], [device], ",
        f"{drop_in}:3: trim = perhaps: must be one of: true, false, ",
        "--quirks: quirks = 1:2: must be VID:PID:letters",
        f"{path}:4: quirks_file = /nonexistent: must be a file that can be read: No such file or directory",
    ):
        assert expected in complaints, expected
    assert run("--dump-config", "--config", path)[0] == 1


def dumped_configuration():
    """what --dump-config writes can be read back, and is the same then but for where it came from"""
    path = write_config("dump.conf", "[usb_storage]\ncache_size = 64M\n[device]\npark_timeout = 1500\n")
    status, output, complaints = run("--dump-config", "--config", path, "--log-level", "debug", "--quirks", "1:2:u")
    assert (status, complaints) == (0, "")
    for expected in (
        f"# Set by: {path}:2\ncache_size = 64M\n",
        f"# Set by: {path}:4\npark_timeout = 1500ms\n",
        "# Set by: default\nstorage_device_max_luns = 8\n",
        "# Set by: command line, --log-level\nlog_level = debug\n",
        '# Set by: command line, --quirks\nquirks = "1:2:u"\n',
    ):
        assert expected in output, expected
    again = run("--dump-config", "--config", write_config("again.conf", output))
    assert (again[0], again[2]) == (0, "")
    assert re.sub("#.*", "", again[1]) == re.sub("#.*", "", output)
    assert "Set by: default" not in again[1]


def units_and_commands():
    """units beyond the limit are not exported, and with one command at a time all works"""
    text = "[usb_storage]\nstorage_device_max_luns = 2\nasync_io_enabled = no\nscsi_command_cache_size = 0\n"
    path = write_config("luns.conf", text)
    with service("luns", "size=8M,luns=4,serial=A,transport=uas", arguments=["--config", path]) as running:
        names = running.wait_for_exports(2)
        assert [name[-4:] for name in names] == ["lun0", "lun1"]
        handle = running.connect(names[1])
        handle.pwrite(DATA, 0)
        handle.flush()
        assert handle.pread(BLOCK, 0) == DATA
        assert running.stop() == 0


def no_processing():
    """without processing a device is taken, and nothing of it is exported"""
    path = write_config("off.conf", "[usb_storage]\nscsi_processing_enabled = no\n")
    with service("off", "size=8M,luns=2,serial=A", arguments=["--config", path]) as running:
        wait_until(lambda: "sim0: is driven by process" in running.log(), "it is taken")
        assert ": 0 LUNs, 0 exports" in running.log()
        wait_until(lambda: running.exports() == [], "it says that there are no exports")
        assert running.stop() == 0


class Settings:
    """A service whose configuration changes while somebody uses its export."""

    def __init__(self, running, path):
        self.running = running
        self.path = path
        self.handle = running.connect(running.wait_for_exports(1)[0])
        self.pids = running.everything()
        self.n_rounds = 0

    def work(self):
        offset = self.n_rounds % 64 * BLOCK
        data = bytes([self.n_rounds % 256]) + DATA[1:]
        self.handle.pwrite(data, offset)
        assert self.handle.pread(BLOCK, offset) == data
        self.n_rounds += 1

    def reload(self, text, until):
        """Returns what the log says since."""
        before = len(self.running.log())
        with open(self.path, "w", encoding="ascii") as file:
            file.write(text)
        self.running.process.send_signal(signal.SIGHUP)

        def is_told():
            return re.search(until, self.running.log()[before:])

        wait_until(is_told, f"the log says {until}", self.work)
        self.work()
        assert self.pids <= self.running.everything(), "a process was replaced"
        return self.running.log()[before:]


@contextlib.contextmanager
def settings(name, spec="size=16M,serial=A", text="", arguments=()):
    path = write_config(f"{name}.conf", text)
    with service(name, spec, arguments=["--config", path, *arguments]) as running:
        yield Settings(running, path)
        assert running.stop() == 0


def reloaded_levels():
    """SIGHUP changes what is logged, in every process, and no client notices"""
    with settings("levels") as used:
        log = used.reload("[daemon]\nlog_level = debug\n", "log_level has changed: it takes effect now")
        assert "SIGHUP: the configuration is read again" in log
        used.reload("", "log_level has changed")
        used.reload("", "The configuration is as it was")


def reloaded_cache():
    """SIGHUP changes mode, size, policy, read-ahead and verification of the cache under its users"""
    path = scratch("cache.img")
    with open(path, "wb") as file:
        file.truncate(16 << 20)
    with settings("cache", f"file={path},serial=A,write-cache=no") as used:
        keys = "write_back_cache = no\ncache_policy = s3fifo\nread_ahead_cache = no\ncache_size = 8M\n"
        log = used.reload(f"[usb_storage]\n{keys}[device]\ncache_verify = yes\n", "cache_verify has changed")
        for key in ("write_back_cache", "cache_policy", "read_ahead_cache", "cache_size"):
            assert f"{key} has changed: it takes effect now" in log, key
        # The disk has no cache: written through, it is in the image without a FLUSH.
        used.handle.pwrite(DATA, 8 << 20)
        with open(path, "rb") as file:
            file.seek(8 << 20)
            assert file.read(BLOCK) == DATA
        used.reload("[usb_storage]\ncache_enabled = no\n", "cache_enabled has changed")
        used.reload("", "cache_enabled has changed")


def reloaded_commands():
    """SIGHUP changes how commands go to devices that are there, under their clients"""
    text = ("[usb_storage]\nstorage_device_async_enabled = no\nscsi_validation_enabled = no\n"
            "scsi_command_cache_size = 0\n")  # fmt: skip
    with settings("commands", "size=16M,serial=A,transport=uas") as used:
        log = used.reload(text, "scsi_command_cache_size has changed")
        for key in ("storage_device_async_enabled", "scsi_validation_enabled", "scsi_command_cache_size"):
            assert f"{key} has changed: it takes effect now" in log, key
        used.handle.pwrite(DATA, 8 << 20)
        used.reload("[usb_storage]\nasync_io_enabled = no\n", "async_io_enabled has changed: it takes effect now")
        used.handle.flush()
        used.reload("", "async_io_enabled has changed")
        assert used.handle.pread(BLOCK, 8 << 20) == DATA


def reloaded_with_mistakes():
    """mistakes in what is read again are told, and all stays as it was"""
    with settings("mistakes", text="[daemon]\nlog_level = notice\n") as used:
        log = used.reload("[daemon]\nlog_level = loud\n[usb_storage]\nquirks = x\n", "stays as it was: there are")
        assert f"{used.path}:2: log_level = loud: must be one of: error, " in log
        assert f"{used.path}:4: quirks = x: must be VID:PID:letters" in log
        log = used.reload("[daemon]\nlog_level = notice\n", "The configuration is as it was")


def reloaded_for_later():
    """what can't change while the service runs, or for devices that are there, is told by name"""
    with settings("later") as used:
        text = "[device]\npresent_devices = take\ntrim = yes\n[usb_storage]\nstorage_device_max_luns = 1\nquirks = 1:2:u\n"
        log = used.reload(text, "trim has changed")
        assert "present_devices has changed: it takes effect at the next start" in log
        for key in ("trim", "storage_device_max_luns", "quirks"):
            assert f"{key} has changed: it takes effect for devices that come from now on" in log, key


def passed_socket():
    """a socket that is passed takes the default address' place"""
    program = os.path.join(os.environ["BUILD_FOLDER"], "daemon", "usb-storaged")
    runtime, path = scratch("passed"), scratch("passed.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        os.set_inheritable(listener.fileno(), True)
        # What systemd does, whose descriptors begin at 3.
        script = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{listener.fileno()}'
        start = ["sh", "-c", script, "sh", program, "--bus", "none", "--no-usb", "--runtime-dir", runtime,
                 "--state-dir", scratch("passed-state"), "--simulate", "size=1M,serial=PASSED"]
        with subprocess.Popen(start, close_fds=False, stderr=subprocess.DEVNULL) as process:
            try:
                subprocess.run(["nbdinfo", f"nbd+unix:///?socket={path}"], stdout=subprocess.DEVNULL, timeout=60, check=True)
                assert not os.path.exists(os.path.join(runtime, "nbd.sock"))
            finally:
                process.terminate()
            assert process.wait(60) == 0


def main():
    results = Results()
    for check in (
        good_configuration,
        bad_configuration,
        dumped_configuration,
        units_and_commands,
        no_processing,
        reloaded_levels,
        reloaded_cache,
        reloaded_commands,
        reloaded_with_mistakes,
        reloaded_for_later,
        passed_socket,
    ):
        results.check(check)
    results.finish()


if __name__ == "__main__":
    main()
