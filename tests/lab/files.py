#!/usr/bin/python3
"""Works on a file of a mounted file system for a while and knows what must be in it, in the manner of fsx.

Reads, writes, truncates, punches holes and synchronises at random, and compares what it reads with what it wrote.
Any error ends it.
"""

import argparse
import ctypes
import os
import random
import sys
import time

SIZE_MAX = 16 << 20
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2


class File:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self.contents = bytearray()

    def write(self, choice):
        offset = choice.randrange(SIZE_MAX - (64 << 10))
        data = choice.randbytes(choice.randrange(1, 64 << 10))
        if len(self.contents) < offset + len(data):
            self.contents.extend(bytes(offset + len(data) - len(self.contents)))
        self.contents[offset : offset + len(data)] = data
        os.pwrite(self.fd, data, offset)

    def compare(self, offset, size):
        data = os.pread(self.fd, size, offset)
        if data != self.contents[offset : offset + size]:
            sys.exit(f"{size} bytes at {offset} are not what was written")

    def read(self, choice):
        self.compare(choice.randrange(len(self.contents) + 1), choice.randrange(1, 64 << 10))

    def truncate(self, choice):
        size = choice.randrange(len(self.contents) + 1)
        del self.contents[size:]
        os.ftruncate(self.fd, size)

    def punch(self, choice):
        offset = choice.randrange(len(self.contents) + 1)
        size = min(choice.randrange(1, 64 << 10), len(self.contents) - offset)
        if size == 0:
            return
        self.contents[offset : offset + size] = bytes(size)
        libc = ctypes.CDLL(None, use_errno=True)
        mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
        if libc.fallocate64(self.fd, mode, ctypes.c_int64(offset), ctypes.c_int64(size)) != 0:
            sys.exit(f"punching a hole failed: {os.strerror(ctypes.get_errno())}")

    def synchronise(self, choice):
        """What is read next comes from the disk, not from the page cache."""
        os.fsync(self.fd)
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--until", help="ends sooner, when there is this file")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    choice = random.Random(arguments.seed)
    file = File(arguments.path)
    steps = 8 * [file.write] + 8 * [file.read] + [file.truncate, file.punch, file.synchronise]
    deadline = time.monotonic() + arguments.seconds
    n_steps = 0
    while time.monotonic() < deadline and not (arguments.until and os.path.exists(arguments.until)):
        choice.choice(steps)(choice)
        n_steps += 1
    file.synchronise(choice)
    file.compare(0, SIZE_MAX)
    print(f"{n_steps} steps")


main()
