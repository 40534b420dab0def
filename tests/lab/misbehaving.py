#!/usr/bin/python3
"""Runs a table of misbehaving gadgets under a driver, several at a time, and compares what two drivers did.

Each case is a gadget (tests/lab/gadget) on a dummy_hcd controller of its own. Eight pieces of it are read one after the
other, or written and read, as the driver presents it: the kernel's /dev/sdX with O_DIRECT, or our NBD export. A fault
strikes one of the pieces, or what the driver asks before. What came is compared with what is there.
"""

import argparse
import glob
import json
import mmap
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback

import nbd

from misbehaving_cases import CASES

GADGETS = "/sys/kernel/config/usb_gadget"
IMAGE_SIZE = 8 << 20
PIECE_SIZE = 64 << 10
N_PIECES = 8
FIRST_OFFSET = 1 << 20
VENDOR, PRODUCT = "1d6b", "0104"
FIND_SECONDS = 45  # a disk that did not come by then does not come
LIMIT_SECONDS = 90  # a driver that has not answered by then hangs
AFTER_SECONDS = 15  # for a driver that told an error to have the disk again


def pattern(offset, size, generation=0):
    """Different for each block of 512 bytes."""
    return b"".join(
        b"%015d\n" % (generation << 40 | block) * 32 for block in range(offset // 512, (offset + size) // 512)
    )


class Gadget:
    def __init__(self, case, slot, folder):
        self.case = case
        self.slot = slot
        self.serial = f"CASE{case.number:03d}"
        self.folder = f"{folder}/{case.number:03d}"
        self.config = f"{GADGETS}/slot{slot}"
        self.image = f"{self.folder}/image"
        self.log_path = f"{self.folder}/log"
        self.process = None

    def put(self, name, value):
        with open(f"{self.config}/{name}", "w", encoding="utf-8") as file:
            file.write(value)

    def configure(self):
        name = f"slot{self.slot}"
        os.makedirs(f"{self.config}/strings/0x409")
        os.makedirs(f"{self.config}/configs/c.1")
        self.put("idVendor", "0x" + VENDOR)
        self.put("idProduct", "0x" + PRODUCT)
        self.put("strings/0x409/serialnumber", self.serial)
        for string, value in self.case.strings.items():
            self.put("strings/0x409/" + string, value)
        os.makedirs(f"{self.config}/functions/ffs.{name}")
        os.symlink(f"{self.config}/functions/ffs.{name}", f"{self.config}/configs/c.1/ffs")
        os.makedirs(f"{self.folder}/functionfs")
        subprocess.run(["mount", "-t", "functionfs", name, f"{self.folder}/functionfs"], check=True)

    def start(self, program):
        os.makedirs(self.folder)
        with open(self.image, "wb") as file:
            file.write(pattern(0, IMAGE_SIZE))
        self.configure()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [program, f"--connection={self.config}/UDC"]
                + self.case.options
                + [f"{self.folder}/functionfs", self.image],
                stdout=log,
                stderr=log,
            )
        while "ready" not in self.log():
            if self.process.poll() is not None:
                raise RuntimeError("the gadget ended: " + self.log())
            time.sleep(0.02)
        self.put("UDC", f"dummy_udc.{self.slot}")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def n_strikes(self):
        return self.log().count("struck:")

    def stop(self):
        if os.path.exists(f"{self.config}/UDC"):
            try:
                self.put("UDC", "\n")
            except OSError:
                pass
        if self.process:
            self.process.kill()
            self.process.wait()
        subprocess.run(["umount", f"{self.folder}/functionfs"], check=False)
        for path in ("configs/c.1/ffs",):
            if os.path.islink(f"{self.config}/{path}"):
                os.unlink(f"{self.config}/{path}")
        for path in (f"functions/ffs.slot{self.slot}", "configs/c.1", "strings/0x409", ""):
            if os.path.isdir(f"{self.config}/{path}"):
                os.rmdir(f"{self.config}/{path}")
        os.unlink(self.image)


class KernelDisk:
    """/dev/sdX of the kernel's usb-storage, past its page cache."""

    def __init__(self, serial, arguments):
        self.fd = None
        for path in glob.glob("/sys/bus/usb/devices/*/serial"):
            with open(path, encoding="utf-8", errors="replace") as file:
                if file.read().strip() != serial:
                    continue
            for block in glob.glob(os.path.dirname(path) + "/*/host*/target*/*:0/block/*"):
                self.open(block, arguments)
        if self.fd is None:
            raise FileNotFoundError(serial)

    def open(self, block, arguments):
        with open(f"{block}/size", encoding="ascii") as file:
            self.size = int(file.read()) * 512
        if self.size == 0:
            return
        with open(f"{block}/device/timeout", "w", encoding="ascii") as file:
            file.write(str(arguments.kernel_timeout))
        self.fd = os.open("/dev/" + os.path.basename(block), os.O_RDWR | os.O_DIRECT)

    def read(self, offset, size):
        buffer = mmap.mmap(-1, max(size, mmap.PAGESIZE))
        n = os.preadv(self.fd, [memoryview(buffer)[:size]], offset)
        if n != size:
            raise OSError(5, "short read")
        return buffer[:size]

    def write(self, offset, data):
        buffer = mmap.mmap(-1, len(data))
        buffer[:] = data
        if os.pwritev(self.fd, [buffer], offset) != len(data):
            raise OSError(5, "short write")
        os.fsync(self.fd)


class Export:
    """The export of usb-storaged."""

    def __init__(self, serial, arguments):
        self.handle = nbd.NBD()
        self.handle.connect_uri(f"nbd+unix:///{VENDOR}-{PRODUCT}-{serial}-lun0?socket={arguments.socket}")
        self.size = self.handle.get_size()

    def read(self, offset, size):
        bad = []

        def note(_buffer, at, status, _error):
            if status == nbd.READ_ERROR:
                bad.append(at)

        try:
            return bytes(self.handle.pread_structured(size, offset, note))
        except nbd.Error as error:
            if not bad:
                raise
            raise BadBlock(bad[0], error) from error

    def write(self, offset, data):
        self.handle.pwrite(data, offset)
        self.handle.flush()


class BadBlock(OSError):
    """Our export tells where."""

    def __init__(self, offset, error):
        super().__init__(5, str(error))
        self.offset = offset


# What became of a case, from bad to good.
OUTCOMES = ["wrong data", "hangs", "no disk", "given up", "error", "error, then right", "right"]
RANKS = {outcome: rank for rank, outcome in enumerate(OUTCOMES)}

DRIVERS = {"kernel": KernelDisk, "ours": Export}


def open_disk(driver, serial, arguments, seconds):
    deadline = time.monotonic() + seconds
    while True:
        try:
            return DRIVERS[driver](serial, arguments)
        except (OSError, nbd.Error):
            if time.monotonic() > deadline:
                return None
            time.sleep(0.2)


def list_pieces(size):
    if size < FIRST_OFFSET + N_PIECES * PIECE_SIZE:
        return [(0, min(size, PIECE_SIZE) // 512 * 512)]
    return [(FIRST_OFFSET + i * PIECE_SIZE, PIECE_SIZE) for i in range(N_PIECES)]


def use_piece(disk, case, offset, size, generation):
    """What became of it: "right", "wrong data" or the error."""
    if case.writes:
        disk.write(offset, pattern(offset, size, generation))
        return "right"
    return "right" if disk.read(offset, size) == pattern(offset, size) else "wrong data"


def use_disk(disk, case, generation, tell):
    for offset, size in list_pieces(disk.size):
        began = time.monotonic()
        bad = None
        try:
            result = use_piece(disk, case, offset, size, generation)
        except (OSError, nbd.Error) as error:
            result = f"error: {error}"
            bad = getattr(error, "offset", None)
        tell({"piece": offset, "result": result, "seconds": time.monotonic() - began, "bad": bad})


def use_in_child(driver, case, gadget, arguments, tell):
    began = time.monotonic()
    disk = open_disk(driver, gadget.serial, arguments, FIND_SECONDS)
    if not disk:
        tell({"found": False})
        return
    tell({"found": True, "size": disk.size, "seconds": time.monotonic() - began})
    results = []

    def tell_and_note(line):
        results.append(line["result"])
        tell(line)

    use_disk(disk, case, 1, tell_and_note)
    # After an error the disk is used anew until it is right, or time is up.
    deadline = time.monotonic() + AFTER_SECONDS
    while set(results) != {"right"} and time.monotonic() < deadline:
        time.sleep(0.5)
        results = []
        disk = open_disk(driver, gadget.serial, arguments, AFTER_SECONDS)
        if not disk:
            tell({"gone": True})
            return
        tell({"again": True})
        use_disk(disk, case, 1, tell_and_note)


def fork_child(function):
    """Returns a pipe with lines of JSON, and the child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return reader, child
    os.close(reader)
    try:
        function(lambda line: os.write(writer, json.dumps(line).encode() + b"\n"))
    except BaseException:  # noqa: whatever it was, the parent's work is not ours
        traceback.print_exc()
    os._exit(0)


def read_lines(reader, seconds):
    """All that came until the end or the limit, and whether it was the end."""
    deadline = time.monotonic() + seconds
    text = b""
    while time.monotonic() < deadline:
        if not select.select([reader], [], [], max(0, deadline - time.monotonic()))[0]:
            break
        part = os.read(reader, 65536)
        if not part:
            return [json.loads(line) for line in text.splitlines()], True
        text += part
    return [json.loads(line) for line in text.splitlines()], False


def wrong_pieces_of_image(gadget):
    """Of a disk to which all was written well."""
    with open(gadget.image, "rb") as file:
        image = file.read()
    return [
        offset for offset, size in list_pieces(IMAGE_SIZE) if image[offset : offset + size] != pattern(offset, size, 1)
    ]


def judge_lines(lines, has_ended, case, gadget):
    """In words, and the longest wait of the first round."""
    found = next((line for line in lines if "found" in line), None)
    if not found or not found["found"]:
        return {"outcome": "no disk", "longest": 0}
    rounds = [[]]
    for line in lines:
        if "piece" in line:
            rounds[-1].append(line)
        elif "again" in line:
            rounds.append([])
    result = {
        "size": found["size"],
        "found": found["seconds"],
        "longest": max((line["seconds"] for line in lines if "piece" in line), default=0),
        "errors": [line for line in rounds[0] if line["result"] != "right"],
    }
    if any(line.get("result") == "wrong data" for line in lines):
        result["outcome"] = "wrong data"
    elif not has_ended and len(rounds) == 1:
        result["outcome"] = "hangs"
    elif not result["errors"]:
        is_wrong = case.writes and wrong_pieces_of_image(gadget)
        result["outcome"] = "wrong data" if is_wrong else "right"
    else:
        last = {line["result"] for line in rounds[-1]}
        if "gone" in lines[-1]:
            last = set()
        elif len(rounds[-1]) < len(rounds[0]):
            last.add("not ended")
        result["outcome"] = (
            "error, then right" if last == {"right"} else "error" if "right" in last else "given up"
        )
    return result


def run_case(driver, case, slot, arguments):
    gadget = Gadget(case, slot, f"{arguments.folder}/{driver}")
    child = None
    try:
        began = time.monotonic()
        gadget.start(arguments.gadget)
        reader, child = fork_child(lambda tell: use_in_child(driver, case, gadget, arguments, tell))
        lines, has_ended = read_lines(reader, LIMIT_SECONDS)
        result = judge_lines(lines, has_ended, case, gadget)
        result["strikes"] = gadget.n_strikes()
        result["took"] = time.monotonic() - began
    finally:
        gadget.stop()
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    with open(f"{arguments.folder}/{driver}/{case.number:03d}.json", "w", encoding="utf-8") as file:
        json.dump(result, file)


def run_case_in_child(driver, case, slot, arguments):
    child = os.fork()
    if child:
        return child
    status = 0
    try:
        run_case(driver, case, slot, arguments)
    except BaseException:  # noqa: told, and the parent sees the status
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)


def run(driver, cases, arguments):
    shutil.rmtree(f"{arguments.folder}/{driver}", ignore_errors=True)
    os.makedirs(f"{arguments.folder}/{driver}")
    slots = list(range(arguments.first_slot, arguments.first_slot + arguments.slots))
    running, failed, waiting = {}, [], sorted(cases, key=lambda case: not case.is_slow)
    while waiting or running:
        while waiting and slots:
            case, slot = waiting.pop(0), slots.pop()
            running[run_case_in_child(driver, case, slot, arguments)] = case, slot
        child, status = os.wait()
        case, slot = running.pop(child)
        slots.append(slot)
        if status != 0:
            failed.append(case.name)
    if failed:
        sys.exit("these could not be run: " + ", ".join(failed))


def load_result(driver, case, arguments):
    with open(f"{arguments.folder}/{driver}/{case.number:03d}.json", encoding="utf-8") as file:
        return json.load(file)


def show_table(cases, arguments):
    def cell(result):
        if result["outcome"] == "no disk":
            return "no disk"
        return f"{result['outcome']}, {result['longest']:.1f} s"

    print("| misbehaviour | the kernel | ours |\n|---|---|---|")
    for case in cases:
        kernel, ours = (load_result(driver, case, arguments) for driver in ("kernel", "ours"))
        print(f"| {case.name} | {cell(kernel)} | {cell(ours)} |")


def complaints(case, arguments):
    kernel, ours = (load_result(driver, case, arguments) for driver in ("kernel", "ours"))
    for name, result in (("the kernel", kernel), ("us", ours)):
        if case.strikes and result["strikes"] == 0:
            yield f"the fault did not strike {name}"
    if ours["outcome"] in ("wrong data", "hangs"):
        yield ours["outcome"]
    if case.bad_block and [error["bad"] for error in ours["errors"]] != [case.bad_block * 512]:
        yield "the client was not told which block is bad"
    if RANKS[ours["outcome"]] < RANKS[kernel["outcome"]]:
        yield f"the kernel was \"{kernel['outcome']}\", we were \"{ours['outcome']}\""
    if case.must_be and ours["outcome"] != case.must_be:
        yield f"it is not \"{case.must_be}\" but \"{ours['outcome']}\""
    if ours["longest"] > arguments.deadline:
        yield f"a request waited for {ours['longest']:.1f} s"


def judge(cases, arguments):
    """A line for each case, as a scenario reports it."""
    for case in cases:
        found = list(complaints(case, arguments))
        if found:
            print(f"not ok {case.name}: {'; '.join(found)}")
            for driver in ("kernel", "ours"):
                print(f"# {driver}: {json.dumps(load_result(driver, case, arguments))}")
                with open(f"{arguments.folder}/{driver}/{case.number:03d}/log", encoding="utf-8") as file:
                    print("".join(f"#   gadget: {line}" for line in file.readlines()[-10:]), end="")
        else:
            print(f"ok {case.name}: no worse than the kernel")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["kernel", "ours", "table", "judge"])
    parser.add_argument("--folder", required=True, help="of the results")
    parser.add_argument("--gadget", help="the program")
    parser.add_argument("--socket", help="of usb-storaged")
    parser.add_argument("--first-slot", type=int, default=0, help="dummy_hcd's controllers from here on are used")
    parser.add_argument("--slots", type=int, default=8, help="so many of them")
    parser.add_argument("--kernel-timeout", type=int, default=6, help="seconds for a command under the kernel's driver")
    parser.add_argument("--deadline", type=float, default=30, help="no request of ours may wait for longer")
    parser.add_argument("--only", default="", help="cases with this in their name")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    cases = [case for case in CASES if arguments.only in case.name]
    if arguments.action == "table":
        show_table(cases, arguments)
    elif arguments.action == "judge":
        judge(cases, arguments)
    else:
        run(arguments.action, cases, arguments)


main()
