#!/usr/bin/python3
"""Lets a disk fall asleep and wakes it by a read, some times; prints how long each took.

Usage: power.py URI SYSFS-FOLDER [ROUNDS]

The service suspends it after a second without work. What the kernel says of the device (power/runtime_status) must
agree each time: suspended before the read, active after it.
"""

import pathlib
import random
import statistics
import sys
import time

import nbd

IDLE = 1.0
PATIENCE = 60
BLOCK = 4096


def wait_for(path, status):
    """When it became so."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if path.read_text().strip() == status:
            return time.monotonic()
        time.sleep(0.002)
    sys.exit(f"power.py: the kernel says {path.read_text().strip()}, not {status}, after {PATIENCE} s")


def tell(what, times):
    print(f"# {what}: median {statistics.median(times) * 1000:.0f} ms, "
          f"{min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms")


def main():
    uri, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    status = folder / "power/runtime_status"
    handle = nbd.NBD()
    handle.connect_uri(uri)
    # None of them is in the cache, or read ahead.
    offsets = random.sample(range(0, handle.get_size(), 1 << 20), 2 * rounds)
    falls, wakes, reads = [], [], []

    for i in range(rounds):
        handle.pread(BLOCK, offsets[2 * i])
        began = time.monotonic()
        falls.append(wait_for(status, "suspended") - began - IDLE)
        time.sleep(0.3)
        if status.read_text().strip() != "suspended":
            sys.exit("power.py: something has woken it")
        began = time.monotonic()
        handle.pread(BLOCK, offsets[2 * i + 1])
        wakes.append(time.monotonic() - began)
        wait_for(status, "active")
        began = time.monotonic()
        handle.pread(BLOCK, offsets[2 * i + 1] + BLOCK)
        reads.append(time.monotonic() - began)
    tell("suspended after its second of idleness", falls)
    tell("a read that wakes it", wakes)
    tell("a read of one that is awake", reads)
    handle.shutdown()


if __name__ == "__main__":
    main()
