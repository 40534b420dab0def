#!/usr/bin/python3
"""Reads a disk some of whose sectors are bad: exactly those may fail, and the rest must be right.

Usage: bad_sectors.py pattern MEGABYTES > IMAGE
       bad_sectors.py device|export DEVICE|URI SECTOR...
"""

import mmap
import os
import sys
import time

import nbd

SECTOR = 512
LONG = 64 << 10


def pattern(first, n):
    return b"".join(b"%015d\n" % sector * 32 for sector in range(first, first + n))


class Device:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
        self.buffer = mmap.mmap(-1, LONG)

    def read(self, sector, n):
        """The data, or None, and the sector of the error as far as it is told."""
        try:
            size = os.preadv(self.fd, [memoryview(self.buffer)[: n * SECTOR]], sector * SECTOR)
        except OSError:
            return None, None
        return (self.buffer[:size], None) if size == n * SECTOR else (None, sector + size // SECTOR)


class Export:
    def __init__(self, uri):
        self.handle = nbd.NBD()
        self.handle.connect_uri(uri)

    def read(self, sector, n):
        bad = []

        def note(_buffer, at, status, _error):
            if status == nbd.READ_ERROR:
                bad.append(at / SECTOR)

        try:
            return bytes(self.handle.pread_structured(n * SECTOR, sector * SECTOR, note)), None
        except nbd.Error:
            return None, bad[0] if bad else None


def read_one_by_one(disk, bad):
    for middle in bad:
        for sector in range(middle - 6, middle + 7):
            data, _ = disk.read(sector, 1)
            if (data is None) != (sector in bad):
                sys.exit(f"sector {sector}: {'fails' if data is None else 'does not fail'}")
            if data is not None and data != pattern(sector, 1):
                sys.exit(f"sector {sector}: holds {data[:16]}")


def read_long(disk, bad, must_tell):
    """Reads that begin before a bad sector and end after it."""
    for first_bad in bad[0], bad[-1]:
        for before in (1, 50, 127):
            data, told = disk.read(first_bad - before, LONG // SECTOR)
            if data is not None:
                sys.exit(f"a read from {before} sectors before {first_bad} on does not fail")
            if must_tell and told != first_bad:
                sys.exit(f"a read from {before} sectors before {first_bad} on: {told} is told")


def read_around(disk, bad):
    """Long reads that come as near as can be."""
    n = LONG // SECTOR
    for first in (bad[0] - n, bad[-1] - n, bad[-1] + 1):
        data, _ = disk.read(first, n)
        if data != pattern(first, n):
            sys.exit(f"{n} good sectors from {first} on: {'fail' if data is None else 'are wrong'}")


def main():
    if sys.argv[1] == "pattern":
        sys.stdout.buffer.write(pattern(0, int(sys.argv[2]) * (1 << 20) // SECTOR))
        return
    disk = {"device": Device, "export": Export}[sys.argv[1]](sys.argv[2])
    bad = [int(sector) for sector in sys.argv[3:]]
    began = time.monotonic()
    read_one_by_one(disk, bad)
    read_long(disk, bad, must_tell=sys.argv[1] == "export")
    read_around(disk, bad)
    print(f"{time.monotonic() - began:.1f} s")


main()
