#!/usr/bin/python3
"""Processes die at the worst moment and are told to stop by whoever may: what was flushed is there, who is not
concerned notices nothing, and nothing stays behind. Starts services of its own."""

import contextlib
import os
import signal
import socket
import struct

import nbd

from results import Results
from service import Service, is_running, service, wait_until

MIB = 1 << 20
SIZE = 32 * MIB
BLOCK = 65536


def pattern(seed):
    return bytes((seed * 31 + i) % 251 for i in range(256)) * (BLOCK // 256)


def image(name):
    path = os.path.join(os.environ["SCRATCH"], name)
    with open(path, "wb") as file:
        file.truncate(SIZE)
    return path


def read_image(path, offset):
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(BLOCK)


class Bystander:
    """A client that must not notice anything: one connection, and each of its requests succeeds."""

    def __init__(self, handle):
        self.handle = handle
        self.n_rounds = 0

    def work(self):
        offset = self.n_rounds % 64 * BLOCK
        self.handle.pwrite(pattern(self.n_rounds), offset)
        assert self.handle.pread(BLOCK, offset) == pattern(self.n_rounds)
        self.n_rounds += 1

    def work_on(self, n_rounds=20):
        for _ in range(n_rounds):
            self.work()


def begin_writes(handle, n_writes):
    """Leaves them in flight."""
    data = nbd.Buffer.from_bytearray(bytearray(pattern(99)))
    for i in range(n_writes):
        handle.aio_pwrite(data, SIZE // 2 + i * BLOCK)
    return data


def is_cut_off(handle):
    """Whether the server has ended the connection."""
    try:
        handle.poll(100)
    except nbd.Error:
        return True
    return handle.aio_is_dead() or handle.aio_is_closed()


def killed_worker():
    """a worker that is killed in mid-I/O is replaced, and another device's client notices nothing"""
    with service("worker", "size=32M,serial=A,latency-us=20000", "size=32M,serial=B") as running:
        names = running.wait_for_exports(2)
        victim = running.connect(names[0])
        bystander = Bystander(running.connect(names[1]))
        bystander.work_on()
        victim.pwrite(pattern(1), 0)
        victim.flush()
        in_flight = begin_writes(victim, 16)
        pid = wait_until(lambda: running.worker_of("sim0"), "sim0 has a worker")
        other_pid = running.worker_of("sim1")

        running.kill(pid)
        wait_until(lambda: is_cut_off(victim), "the connection has ended", bystander.work)
        del in_flight
        wait_until(lambda: running.worker_of("sim0"), "it has another worker", bystander.work)
        assert running.wait_for_exports(2, bystander.work) == names
        again = running.connect(names[0])
        assert again.pread(BLOCK, 0) == pattern(1)
        again.pwrite(pattern(2), 0)
        again.flush()
        bystander.work_on()
        assert running.worker_of("sim0") != pid
        assert running.worker_of("sim1") == other_pid
        assert running.stop() == 0


def worker_killed_again_and_again():
    """a device whose workers are killed again and again comes back each time"""
    with service("again", "size=32M,serial=A") as running:
        names = running.wait_for_exports(1)
        handle = running.connect(names[0])
        handle.pwrite(pattern(5), 0)
        handle.flush()
        for _ in range(3):
            pid = wait_until(lambda: running.worker_of("sim0"), "it has a worker")
            running.kill(pid)
            wait_until(lambda: running.worker_of("sim0") not in (None, pid), "it has another")
            assert running.wait_for_exports(1) == names
        assert running.connect(names[0]).pread(BLOCK, 0) == pattern(5)
        assert running.stop() == 0


def killed_front():
    """connections outlive the front, and a new front has all exports"""
    with service("front", "size=32M,serial=A", "size=32M,serial=B") as running:
        names = running.wait_for_exports(2)
        bystander = Bystander(running.connect(names[0]))
        bystander.work_on()
        workers = running.worker_of("sim0"), running.worker_of("sim1")
        pid = wait_until(running.front, "there is a front")

        running.kill(pid)
        bystander.work_on()
        wait_until(lambda: running.front() not in (None, pid), "there is another", bystander.work)
        assert running.wait_for_exports(2, bystander.work) == names
        assert running.connect(names[1]).pread(512, 0) == bytes(512)
        bystander.work_on()
        assert (running.worker_of("sim0"), running.worker_of("sim1")) == workers
        assert running.stop() == 0


def killed_manager():
    """without a manager workers flush and end by themselves, and a new service can be started"""
    path = image("manager.img")
    with service("manager", f"file={path},serial=A", "size=32M,serial=B") as running:
        names = running.wait_for_exports(2)
        handle = running.connect(names[0])
        idle = running.connect(names[1])
        handle.pwrite(pattern(3), 0)
        assert read_image(path, 0) == bytes(BLOCK), "there is no volatile cache to be flushed"
        left = running.everything()

        running.process.kill()
        running.process.wait()
        wait_until(lambda: not any(map(is_running, left)), "all processes have ended")
        assert read_image(path, 0) == pattern(3)
        assert is_cut_off(handle) and is_cut_off(idle)

        running.start()
        assert running.wait_for_exports(2) == names
        assert running.connect(names[0]).pread(BLOCK, 0) == pattern(3)
        assert running.stop() == 0


def stop_by(name, tell):
    path = image(name + ".img")
    with service(name, f"file={path},serial=A", "size=32M,serial=B") as running:
        names = running.wait_for_exports(2)
        handle = running.connect(names[0])
        idle = running.connect(names[1])
        handle.pwrite(pattern(4), 0)
        left = running.everything()
        assert len(left) >= 4, left

        tell(running.process.pid)
        assert running.wait_for_end() == 0
        assert not any(map(is_running, left))
        assert read_image(path, 0) == pattern(4)
        assert is_cut_off(handle) and is_cut_off(idle)
        assert not os.path.exists(running.socket)


def stopped_with_clients():
    """a service that is stopped flushes and ends its clients"""
    stop_by("stop", lambda pid: os.kill(pid, signal.SIGTERM))


def stopped_as_a_group():
    """so it does if every process of it is told to stop at once"""
    stop_by("group", lambda pid: os.killpg(pid, signal.SIGTERM))


def interrupted():
    """so it does if somebody types ^C"""
    stop_by("interrupt", lambda pid: os.killpg(pid, signal.SIGINT))


def hung_up():
    """a service whose terminal is closed goes on"""
    with service("hangup", "size=32M,serial=A") as running:
        names = running.wait_for_exports(1)
        bystander = Bystander(running.connect(names[0]))
        before = running.everything()
        os.killpg(running.process.pid, signal.SIGHUP)
        wait_until(lambda: "The configuration is as it was" in running.log(), "it was told", bystander.work)
        bystander.work_on()
        assert before <= running.everything()
        assert running.stop() == 0


def stopped_with_a_client_that_reads_nothing():
    """a client that takes no answers does not keep a service from stopping"""
    path = image("silent.img")
    with service("silent", f"file={path},serial=A,link=ideal") as running:
        names = running.wait_for_exports(1)
        handle = running.connect(names[0])
        handle.pwrite(pattern(6), 0)
        with contextlib.closing(raw_client(running.socket, names[0])) as client:
            for i in range(16):
                client.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, i, 0, 8 * MIB))
            wait_until(lambda: client.recv(1, socket.MSG_PEEK), "the first answer comes")
            assert running.stop() == 0
        assert "killing it" not in running.log()
        assert read_image(path, 0) == pattern(6)


def raw_client(path, name):
    """A socket in transmission phase, with simple replies."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.recv(18, socket.MSG_WAITALL)
    client.sendall(struct.pack(">I", 3))
    client.sendall(b"IHAVEOPT" + struct.pack(">II", 1, len(name)) + name.encode())
    client.recv(10, socket.MSG_WAITALL)
    return client


def refusal(name, *arguments):
    """What such a service logs, which must end by itself and not well; else nothing stays of it."""
    other = Service(name, *arguments)
    try:
        assert other.wait_for_end() != 0
        return other.log()
    finally:
        other.destroy()


def second_service():
    """a second service in the same place refuses to start and disturbs nobody"""
    path = image("second.img")
    with service("second", f"file={path},serial=A") as running:
        names = running.wait_for_exports(1)
        bystander = Bystander(running.connect(names[0]))
        assert "another usb-storaged" in refusal("second")
        bystander.work_on()
        assert running.exports() == names
        assert running.stop() == 0


def image_of_another_service():
    """an image that a service has is refused to others"""
    path = image("locked.img")
    with service("locked", f"file={path}") as running:
        names = running.wait_for_exports(1)
        assert path in refusal("locked2", "--simulate", f"file={path}")
        assert "in use" in refusal("locked3", "--simulate", f"file={path}+{path}")
        assert running.exports() == names
        assert running.stop() == 0


def device_that_never_works():
    """a device that never answers is tried again and again, and disturbs nobody"""
    faults = "faults=freeze:command*always;port-reset-fails*always"
    with service("broken", f"size=1M,serial=A,{faults}", "size=32M,serial=B") as running:
        names = running.wait_for_exports(1)
        bystander = Bystander(running.connect(names[0]))
        wait_until(
            lambda: running.log().count("sim0: worker") >= 2, "it was tried again", bystander.work
        )
        assert running.exports() == names
        bystander.work_on()
        assert running.stop() == 0


def short_timeout():
    path = os.path.join(os.environ["SCRATCH"], "short.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write("[usb_storage]\nstorage_device_timeout = 2s\n")
    return ["--config", path]


def device_that_fails_at_work():
    """a device that fails for good at work comes back with another worker and a reset"""
    # From its 150th command on it hangs, so each probe after a reset does: a new one begins to count anew, and
    # does not come so far by being brought up.
    faults = "faults=" + ";".join(f"hang:command@nth={n}" for n in range(150, 162))
    with service("fails", f"size=32M,serial=A,{faults}", arguments=short_timeout()) as running:
        names = running.wait_for_exports(1)
        handle = running.connect(names[0])
        pid = running.worker_of("sim0")

        # None of these is in the cache.
        offsets = iter(range(0, 32 << 20, 64 << 10))

        def work_until_cut_off():
            try:
                handle.pread(512, next(offsets))
            except nbd.Error:
                return is_cut_off(handle)
            return False

        wait_until(work_until_cut_off, "it has failed")
        wait_until(lambda: running.worker_of("sim0") not in (None, pid), "it has another worker")
        assert running.wait_for_exports(1) == names
        assert running.connect(names[0]).pread(512, 0) == bytes(512)
        assert running.stop() == 0


def main():
    results = Results()
    for function in (
        killed_worker,
        worker_killed_again_and_again,
        killed_front,
        killed_manager,
        stopped_with_clients,
        stopped_as_a_group,
        interrupted,
        hung_up,
        stopped_with_a_client_that_reads_nothing,
        second_service,
        image_of_another_service,
        device_that_never_works,
        device_that_fails_at_work,
    ):
        results.check(function)
    results.finish()


main()
