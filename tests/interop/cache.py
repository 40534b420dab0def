#!/usr/bin/python3
"""What was acknowledged and is on no medium outlives whatever dies: the worker, the service, the device. Starts services
of its own; where systemd is needed, this is systemd."""

import glob
import os
import signal
import subprocess

from notify import Systemd
from results import Results
from service import is_running, service, wait_until

MIB = 1 << 20
SIZE = 32 * MIB
BLOCK = 65536
OFFSET = MIB
DATA = bytes(i % 251 for i in range(BLOCK))
# Of the blocks that are written, so that they stay where they are.
WRITE_ERRORS = "faults=write-error@lba=2048..2175*always"
NAME = "1209-0001-A-lun0"


def disk(path):
    return f"file={path},serial=A"


def stubborn_disk(path):
    return f"{disk(path)},{WRITE_ERRORS}"


def image(name):
    path = os.path.join(os.environ["SCRATCH"], name)
    with open(path, "wb") as file:
        file.truncate(SIZE)
    return path


def read_image(path):
    with open(path, "rb") as file:
        file.seek(OFFSET)
        return file.read(BLOCK)


def write(running):
    running.wait_for_exports(1)
    handle = running.connect(NAME)
    handle.pwrite(DATA, OFFSET)
    return handle


def assert_is_there(running):
    running.wait_for_exports(1)
    handle = running.connect(NAME)
    assert handle.pread(BLOCK, OFFSET) == DATA
    return handle


def orphans(running):
    return sorted(glob.glob(f"{running.folder}/state/orphans/*"))


def arenas(running):
    return sorted(os.listdir(f"{running.folder}/runtime/arenas"))


def orphan_tool(running, *arguments):
    program = os.path.join(os.environ["BUILD_FOLDER"], "daemon", "usb-storage-orphan")
    return subprocess.run(
        [program, "--state-dir", f"{running.folder}/state", *arguments],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def killed_worker():
    """a write that was not flushed outlives the worker"""
    path = image("worker")
    with service("killed", stubborn_disk(path)) as running:
        handle = write(running)
        pid = running.worker_of("sim0")
        running.kill(pid)
        del handle
        wait_until(lambda: running.worker_of("sim0") not in (None, pid), "it has another worker")
        assert_is_there(running)
        assert read_image(path) == bytes(BLOCK)


def killed_service():
    """with systemd it outlives the service and its worker"""
    path = image("service")
    systemd = Systemd("notify")
    with service("crashed", stubborn_disk(path), prefix=systemd.arguments()) as running:
        write(running)
        worker = running.worker_of("sim0")
        os.kill(worker, signal.SIGSTOP)
        running.kill(running.process.pid)
        running.wait_for_end()
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not is_running(worker), "the worker is dead")
        systemd.read()
        assert len(systemd.kept) == 1, systemd.kept
        assert read_image(path) == bytes(BLOCK)

        running.arguments = ("--simulate", disk(path))
        running.prefix = systemd.arguments()
        running.pass_fds = tuple(systemd.kept.values())
        running.start()
        assert_is_there(running).flush()
        assert read_image(path) == DATA
        assert running.stop() == 0
        systemd.read()
        assert not systemd.kept, systemd.kept
        assert not orphans(running)


def killed_service_without_systemd():
    """without systemd too, whether its worker is killed, even under the next one, or finds that it can't flush"""
    for name in ("killed", "killed-late", "left"):
        path = image(f"alone-{name}.image")
        with service(f"alone-{name}", stubborn_disk(path)) as running:
            write(running)
            worker = running.worker_of("sim0")
            if name != "left":
                os.kill(worker, signal.SIGSTOP)
            running.kill(running.process.pid)
            running.wait_for_end()
            running.arguments = ("--simulate", disk(path))
            if name == "killed-late":
                running.start()
                wait_until(lambda run=running: "still writes, waiting" in run.log(), "the arena is waited for")
            if name != "left":
                os.kill(worker, signal.SIGKILL)
            wait_until(lambda pid=worker: not is_running(pid), "the worker is dead")
            if name != "killed-late":
                assert len([file for file in arenas(running) if not file.startswith(".")]) == 1, arenas(running)
                assert read_image(path) == bytes(BLOCK)
                running.start()
            assert_is_there(running).flush()
            assert read_image(path) == DATA
            assert running.stop() == 0
            assert not arenas(running), arenas(running)
            assert not orphans(running)


def stopped_service():
    """a device that takes no writes leaves an orphan file, which can be exported, and is given back later"""
    path, copy = image("stopped"), image("copy")
    with service("orphaned", stubborn_disk(path)) as running:
        write(running)
        assert running.stop() == 0
        files = orphans(running)
        assert [os.path.basename(file) for file in files] == [f"{NAME}.1.orphan"], files
        assert os.stat(files[0]).st_blocks * 512 < 2 * MIB
        assert read_image(path) == bytes(BLOCK)

        assert ", serial A," in orphan_tool(running, "list")
        assert f"kept: {BLOCK} bytes, lost: 0 bytes" in orphan_tool(running, "list")
        assert orphan_tool(running, "--map", "export", files[0]) == f"{OFFSET} {BLOCK} kept\n"
        orphan_tool(running, "export", files[0], copy)
        assert read_image(copy) == DATA

        running.arguments = ("--simulate", disk(path))
        running.start()
        assert_is_there(running).flush()
        assert read_image(path) == DATA
        wait_until(lambda: not orphans(running), "the orphan file is gone")
        assert running.stop() == 0


def main():
    results = Results()
    for function in (killed_worker, killed_service, killed_service_without_systemd, stopped_service):
        results.check(function)
    results.finish()


main()
