#!/usr/bin/python3
"""copy and benchmark, against the fake service and nbdkit."""

import hashlib
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

from fake_bus import PATIENCE_S, bus, expect
from results import Results

SIZE = 8 << 20
BLOCK = 512
MIB = 1 << 20
# The blocks that nbdkit can't read or write; in two pieces of 1 MiB.
BAD = range(2 * MIB - 1024, 2 * MIB + 512)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def pattern(size, seed):
    """Bytes that differ everywhere, with a run of zeroes in them."""
    data = bytearray(hashlib.shake_256(seed.encode()).digest(size))
    data[size // 8 * 5 : size // 8 * 7] = bytes(size // 8 * 7 - size // 8 * 5)
    return bytes(data)


def extents(path):
    lines = [line.split() for line in read(path).decode().splitlines() if not line.startswith("#")]
    return [(int(start, 0), int(size, 0), status) for start, size, status in lines[1:]]


def with_gap(data):
    return data[: BAD.start] + bytes(len(BAD)) + data[BAD.stop :]


class Host:
    """A bus with a fake service whose disk is a file."""

    def __init__(self, running, **environment):
        self.bus = running
        self.medium = running.folder + "/medium"
        self.image = running.folder + "/image"
        self.map = running.folder + "/map"
        self.data = pattern(SIZE, "medium")
        running.start_service(FAKE_MEDIUM=self.medium, **environment)
        self.reset()

    def reset(self):
        write(self.medium, self.data)
        for path in (self.image, self.map):
            if os.path.exists(path):
                os.unlink(path)

    def copy(self, *arguments):
        return self.bus.run("copy", *arguments)


def copies_out(host):
    """an image of a disk is the disk, with holes where it has zeroes"""
    ran = expect(host.copy("1-4.0", host.image), 0)
    assert ran.out.startswith("8M copied in "), ran.out
    assert read(host.image) == host.data
    assert os.stat(host.image).st_blocks * 512 <= SIZE - 2 * MIB


def copies_in(host):
    """an image goes into a disk, and what is behind it stays"""
    image = pattern(3 * MIB + 512, "image")
    write(host.image, image)
    answer = expect(host.copy(host.image, "1-4.0", "--yes", "-j", "--depth=3"), 0).json()
    assert answer == {"size": len(image), "copied": len(image), "copied_before": 0, "bad": 0, "bad_areas": 0,
                      "seconds": answer["seconds"]}  # fmt: skip
    assert read(host.medium) == image + host.data[len(image) :]


def asks_before(host):
    """what is in a disk or a file is not overwritten unasked"""
    write(host.image, b"precious")
    expect(host.copy("1-4", host.image), 2, "--yes")
    assert read(host.image) == b"precious"
    expect(host.copy(host.image, "1-4"), 2, "--yes")
    assert read(host.medium) == host.data
    expect(host.copy("1-4", host.image, "--yes"), 0)
    assert read(host.image) == host.data


def usage(host):
    """what can't be copied is told"""
    expect(host.copy("1-4", "2-1.3"), 2, "Both are disks")
    expect(host.copy("a", "b"), 3, "Neither 'a' nor 'b'")
    expect(host.copy("1-4"), 2, "Too few")
    expect(host.copy("1-4", host.image, "--retry"), 2, "it needs --map")
    expect(host.copy("1-4", "/nowhere/x"), 1, "/nowhere/x")
    expect(host.copy("/nowhere/x", "1-4"), 1, "/nowhere/x")
    expect(host.copy("2-1.3", host.image), 2, "several logical units")
    expect(host.copy("2-1.3.0", host.image), 1, "not exported")
    expect(host.copy("2-1.3.1", host.image), 1, "somebody else writes")
    for special in ("/dev/null", host.bus.folder, host.bus.folder + "/fifo"):
        if special.endswith("fifo"):
            os.mkfifo(special)
        expect(host.copy(special, "1-4", "--yes"), 1, special + " is neither a regular file nor a block device")
    expect(host.copy("1-4", host.bus.folder + "/fifo", "--yes"), 1, "is neither a regular file")
    expect(host.copy("1-4", host.image, "--map", "/nowhere/map"), 1, "The map can't be saved: No such file")
    os.unlink(host.image)
    expect(host.copy("1-4", host.image, "--map", "/dev/zero"), 1, "/dev/zero is too large for a mapfile")
    write(host.image, bytes(SIZE + 1))
    expect(host.copy(host.image, "1-4", "--yes"), 1, "is larger than 1-4.0")
    write(host.map, b"nonsense\n")
    expect(host.copy("1-4", host.image, "--yes", "--map", host.map), 1, "map:1: this is no mapfile")
    write(host.map, b"0 +\n0 %d +\n" % (SIZE + 512))
    expect(host.copy("1-4", host.image, "--yes", "--map", host.map), 1, "map:2: the map is of something larger")


def resumes(host):
    """what the map calls done is not copied again, and the file is kept"""
    done = 3 * MIB
    write(host.image, bytes(done) + b"x" * (SIZE - done))
    write(host.map, b"0x0 ? 1\n0 %d +\n" % done)
    answer = expect(host.copy("1-4", host.image, "--map", host.map, "-j"), 0).json()
    assert answer["copied"] == SIZE and answer["copied_before"] == done
    assert read(host.image) == bytes(done) + host.data[done:]
    assert extents(host.map) == [(0, SIZE, "+")]
    write(host.map, b"0x0 ? 1\n0 %d +\n" % done)
    os.unlink(host.image)
    expect(host.copy("1-4", host.image, "--map", host.map), 1, "No such file")


def start_and_hang(host):
    """Starts a copy and waits until it does: the disk gives 4 MiB and then nothing more."""
    write(host.medium + ".wait", b"")
    process = subprocess.Popen(host.bus.command("copy", "1-4", host.image, "--map", host.map, "--depth=1"),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    end = time.monotonic() + PATIENCE_S
    while not os.path.exists(host.image) or read(host.image)[4 * MIB - BLOCK : 4 * MIB] != host.data[4 * MIB - BLOCK : 4 * MIB]:
        assert time.monotonic() < end, "nothing is copied"
        time.sleep(0.02)
    return process


def interrupted(host):
    """a signal ends it with a map from which it goes on"""
    process = start_and_hang(host)
    process.send_signal(signal.SIGINT)
    os.unlink(host.medium + ".wait")
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and b"Interrupted: the same command goes on" in err, (out, err)
    assert extents(host.map) == [(0, 5 * MIB, "+"), (5 * MIB, 3 * MIB, "?")]
    answer = expect(host.copy("1-4", host.image, "--map", host.map, "-j"), 0).json()
    assert answer["copied"] == SIZE and answer["copied_before"] == 5 * MIB
    assert read(host.image) == host.data


def interrupted_twice(host):
    """the second signal does not wait for the disk, and the map is one from which it goes on"""
    process = start_and_hang(host)
    process.send_signal(signal.SIGINT)
    line = process.stderr.readline()
    assert b"once more ends this at once" in line, line
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -signal.SIGINT, process.returncode
    assert sum(size for _, size, _ in extents(host.map)) == SIZE
    os.unlink(host.medium + ".wait")
    expect(host.copy("1-4", host.image, "--map", host.map), 0)
    assert read(host.image) == host.data


def reconnects(host):
    """when the connection ends, another one is used for what is left"""
    write(host.medium + ".die", b"")
    ran = expect(host.copy("1-4", host.image), 0, "trying again")
    assert ran.out.startswith("8M copied") and read(host.image) == host.data


def progress(host):
    """a terminal is shown how far it is"""
    written = host.bus.run_on_terminal("copy", "1-4", host.image)
    assert "copying " in written and "% [" in written and "8M copied in" in written, written


def benchmark(host):
    """benchmark reads in several ways, and writes only with --write and a yes"""
    rows = expect(host.bus.run("benchmark", "1-4", "--seconds=1", "--depth=4", "-j"), 0).json()
    assert [(row["test"], row["block_size"], row["depth"]) for row in rows] == [
        ("sequential read", MIB, 4), ("sequential read", 65536, 1), ("random read", 4096, 4),
        ("random read", 4096, 1)]  # fmt: skip
    for row in rows:
        assert row["requests_per_s"] > 0 and row["errors"] == 0
        assert abs(row["bytes_per_s"] / row["requests_per_s"] / row["block_size"] - 1) < 1e-6
        assert 0 < row["p50_s"] <= row["p99_s"] <= row["max_s"]
    assert read(host.medium) == host.data
    expect(host.bus.run("benchmark", "1-4", "--write"), 2, "is lost then")
    assert read(host.medium) == host.data
    out = expect(host.bus.run("benchmark", "1-4", "--write", "--yes", "--seconds=1"), 0).out
    assert out.count("write") == 3 and out.startswith("TEST "), out
    assert read(host.medium) != host.data


CHECKS = (copies_out, copies_in, asks_before, usage, resumes, interrupted, interrupted_twice, reconnects, progress,
          benchmark)  # fmt: skip


def rescues(host):
    """around bad blocks everything is read; they are zeroes, and the map has just them"""
    ran = expect(host.copy("1-4", host.image, "--map", host.map), 1)
    assert "; 1.5K in 1 area could not be read." in ran.out, ran.out
    assert read(host.image) == with_gap(host.data)
    assert extents(host.map) == [(0, BAD.start, "+"), (BAD.start, len(BAD), "-"),
                                 (BAD.stop, SIZE - BAD.stop, "+")]  # fmt: skip


def zero_fills(host):
    """in a file that is continued, what could not be read is overwritten with zeroes"""
    write(host.image, b"\xee" * SIZE)
    write(host.map, b"0x0 ? 1\n")
    answer = expect(host.copy("1-4", host.image, "--map", host.map, "--json=short"), 1).json()
    assert answer["bad"] == len(BAD) and answer["bad_areas"] == 1
    assert read(host.image) == with_gap(host.data)


def bad_stays_bad(host):
    """bad blocks are not tried again without --retry"""
    expect(host.copy("1-4", host.image, "--map", host.map), 1)
    answer = expect(host.copy("1-4", host.image, "--map", host.map, "-j"), 1).json()
    assert answer["copied_before"] == SIZE - len(BAD) and answer["bad"] == len(BAD)
    answer = expect(host.copy("1-4", host.image, "--map", host.map, "--retry", "-j"), 1).json()
    assert answer["bad"] == len(BAD)


def writes_around(host):
    """what can't be written is passed over, and told"""
    image = pattern(SIZE, "image")
    write(host.image, image)
    ran = expect(host.copy(host.image, "1-4", "--yes", "--map", host.map), 1)
    assert "1.5K in 1 area could not be written" in ran.out, ran.out
    assert read(host.medium) == image[: BAD.start] + host.data[BAD.start : BAD.stop] + image[BAD.stop :]
    assert (BAD.start, len(BAD), "-") in extents(host.map)


BAD_CHECKS = (rescues, zero_fills, bad_stays_bad, writes_around)


def mended(host):
    """--retry completes an image when the blocks can be read again"""
    write(host.image, with_gap(host.data))
    write(host.map, b"0 + 1\n0 %d +\n%d %d -\n%d %d +\n"
          % (BAD.start, BAD.start, len(BAD), BAD.stop, SIZE - BAD.stop))  # fmt: skip
    expect(host.copy("1-4", host.image, "--map", host.map), 1)
    expect(host.copy("1-4", host.image, "--map", host.map, "--retry"), 0)
    assert read(host.image) == host.data


def dies(host):
    """when every connection ends, it fails, and the map has what was done"""
    ran = expect(host.copy("1-4", host.image, "--map", host.map), 1, "It failed while")
    assert ran.err.count("trying again") >= 5, ran.err
    assert "copied" in ran.out
    assert sum(size for _, size, _ in extents(host.map)) == SIZE


def main():
    results = Results()
    for checks, environment in (
            (CHECKS + (mended,), {}),
            (BAD_CHECKS, {"FAKE_BAD": f"{BAD.start}-{BAD.stop - 1}"}),
            ((dies,), {"FAKE_DIES": str(4 * MIB)}),
    ):  # fmt: skip
        with bus() as running:
            host = Host(running, **environment)
            for check in checks:
                host.reset()
                results.check(check, host)
    results.finish()


main()
