#!/usr/bin/python3
"""As many devices as the service takes, with as many LUNs as it serves of each, all of them used at once: each LUN keeps
its own bytes. Starts a service of its own."""

import random
import threading

from results import Results
from service import service, wait_until

N_DEVICES = 16
N_LUNS = 8
SIZE = 4 << 20
N_STEPS = 40
LENGTHS = [512, 4096, 4096, 65536, 200000]


def specs():
    return [f"size=4M,luns={N_LUNS},serial=D{i},link=ideal" for i in range(N_DEVICES)]


def names():
    return [f"1209-0001-D{i}-lun{lun}" for i in range(N_DEVICES) for lun in range(N_LUNS)]


class Load(threading.Thread):
    """Writes, flushes and reads what nobody else has, and compares it with a copy."""

    def __init__(self, running, name):
        super().__init__(name=name)
        self.running = running
        self.choice = random.Random(name)
        self.copy = bytearray(SIZE)
        self.error = None

    def step(self, handle):
        length = self.choice.choice(LENGTHS)
        offset = self.choice.randrange(SIZE - length)
        if self.choice.random() < 0.5:
            data = self.choice.randbytes(length)
            handle.pwrite(data, offset)
            self.copy[offset:offset + length] = data
        else:
            assert handle.pread(length, offset) == self.copy[offset:offset + length], (offset, length)
        if self.choice.random() < 0.1:
            handle.flush()

    def run(self):
        try:
            handle = self.running.connect(self.name)
            for _ in range(N_STEPS):
                self.step(handle)
            handle.flush()
            handle.shutdown()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def compare(self):
        handle = self.running.connect(self.name)
        assert handle.pread(SIZE, 0) == bytes(self.copy), self.name
        handle.shutdown()


def all_at_once(running):
    """all LUNs of all devices are used at once, and each has its own bytes"""
    loads = [Load(running, name) for name in names()]
    for load in loads:
        load.start()
    for load in loads:
        load.join()
        assert load.error is None, f"{load.name}: {load.error!r}"
    for load in loads:
        load.compare()


def with_a_dead_worker(running):
    """a worker that is killed meanwhile takes nothing of the others with it, and loses nothing"""
    victim = running.worker_of("sim3")
    others = [Load(running, name) for name in names() if "-D3-" not in name]
    before = {name: bytes_of(running, name) for name in names() if "-D3-" in name}
    for load in others:
        load.copy = bytearray(bytes_of(running, load.name))
        load.start()
    running.kill(victim)
    for load in others:
        load.join()
        assert load.error is None, f"{load.name}: {load.error!r}"
    wait_until(lambda: running.worker_of("sim3") not in (None, victim), "there is another worker")
    running.wait_for_exports(N_DEVICES * N_LUNS)
    for name, data in before.items():
        assert bytes_of(running, name) == data, name


def bytes_of(running, name):
    handle = running.connect(name)
    data = handle.pread(SIZE, 0)
    handle.shutdown()
    return bytes(data)


def the_end(running):
    """the service ends well"""
    assert running.stop() == 0
    wait_until(lambda: not running.everything() - {running.process.pid}, "no process is left")


def main():
    results = Results()
    with service("many", *specs()) as running:
        running.wait_for_exports(N_DEVICES * N_LUNS)
        for function in (all_at_once, with_a_dead_worker, the_end):
            results.check(function, running)
    results.finish()


main()
