#!/usr/bin/python3
"""Writes and reads an NBD export for a while and knows what must be on it afterwards.

Every block carries its number and a version. A write that failed may or may not have happened: from then on
either version is right. At the end all blocks are read and compared.
"""

import argparse
import os
import pickle
import random
import struct
import sys
import time

import nbd

BLOCK_SIZE = 4096
RECONNECT_LIMIT_SECONDS = 60


class Disk:
    """A connection, which is made anew when it breaks and that is allowed."""

    def __init__(self, uri):
        self.uri = uri
        self.n_reconnects = 0
        self.handle = None
        self.connect()

    def connect(self):
        handle = nbd.NBD()
        handle.connect_uri(self.uri)
        self.handle = handle

    def reconnect(self):
        deadline = time.monotonic() + RECONNECT_LIMIT_SECONDS
        while True:
            try:
                self.connect()
                self.n_reconnects += 1
                return
            except nbd.Error:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


class Contents:
    """For each block the versions that it may have."""

    def __init__(self):
        self.versions = {}
        self.next_version = 1

    def begin(self, block):
        version = self.next_version
        self.next_version += 1
        self.versions.setdefault(block, {0}).add(version)
        return version

    def end(self, block, version):
        self.versions[block] = {version}

    def check(self, block, data):
        expected = [pattern(block, version) for version in self.versions[block] if version]
        if 0 in self.versions[block]:
            return
        if data not in expected:
            sys.exit(f"block {block}: holds {data[:16].hex()}, not version {self.versions[block]}")


def pattern(block, version):
    return struct.pack("<QQ", block, version) * (BLOCK_SIZE // 16)


def one_request(arguments, disk, contents, choice, n_blocks):
    block = choice.randrange(n_blocks)
    if choice.random() < 0.02 and not arguments.no_flush:
        disk.handle.flush()
    elif block in contents.versions and choice.random() < 0.5:
        contents.check(block, disk.handle.pread(BLOCK_SIZE, block * BLOCK_SIZE))
    else:
        version = contents.begin(block)
        disk.handle.pwrite(pattern(block, version), block * BLOCK_SIZE)
        contents.end(block, version)


def verify(disk, contents):
    for block in sorted(contents.versions):
        contents.check(block, disk.handle.pread(BLOCK_SIZE, block * BLOCK_SIZE))


def run(arguments, disk, contents):
    """True if it ended by an error that was asked for."""
    choice = random.Random(arguments.seed)
    n_blocks = min(arguments.blocks, disk.handle.get_size() // BLOCK_SIZE)
    deadline = time.monotonic() + arguments.seconds
    n_requests = 0
    while time.monotonic() < deadline and not os.path.exists(arguments.until):
        try:
            one_request(arguments, disk, contents, choice, n_blocks)
            n_requests += 1
            time.sleep(arguments.pause)
        except nbd.Error as error:
            print(f"after {n_requests} requests: {error}", flush=True)
            if arguments.until_error:
                return True
            if not arguments.reconnect:
                sys.exit(1)
            disk.reconnect()
    print(f"{n_requests} requests, {disk.n_reconnects} reconnects", flush=True)
    return False


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--until", default="", help="end when this file appears")
    parser.add_argument("--blocks", type=int, default=1024, help="use the first N blocks of 4096 bytes")
    parser.add_argument("--pause", type=float, default=0, help="so many seconds after each request")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reconnect", action="store_true", help="errors are allowed")
    parser.add_argument("--reconnects-min", type=int, default=0, help="fail with fewer reconnects")
    parser.add_argument("--until-error", action="store_true", help="an error must come, and ends the run")
    parser.add_argument("--no-flush", action="store_true", help="leave the end to others: neither flush nor compare")
    parser.add_argument("--save", help="leave what is expected in this file")
    parser.add_argument("--verify", help="only compare with what a run has saved")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    disk = Disk(arguments.uri)
    if arguments.verify:
        with open(arguments.verify, "rb") as file:
            verify(disk, pickle.load(file))
        return
    contents = Contents()
    had_error = run(arguments, disk, contents)
    if arguments.save:
        with open(arguments.save, "wb") as file:
            pickle.dump(contents, file)
    if had_error != arguments.until_error:
        sys.exit("no error came")
    if not had_error and not arguments.no_flush:
        disk.handle.flush()
        verify(disk, contents)
    if disk.n_reconnects < arguments.reconnects_min:
        sys.exit(f"only {disk.n_reconnects} reconnects")


main()
