#!/usr/bin/python3
"""Image files: the kernel's FUSE and loop on simulated disks, with the programs that people use on them."""

import contextlib
import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(HERE, "../dbus"))
sys.path.insert(0, os.path.join(HERE, "../interop"))

# pylint: disable=wrong-import-position
from gi.repository import Gio, GLib
from private_bus import NAME, PATIENCE_S, ROOT, STRANGER, expect_failure, private_bus, wait_until
from results import Results

MIB = 1 << 20
SIZE = 64 * MIB
SPECS = (f"size={SIZE},serial=DISK,link=ideal", "size=8M,luns=2,serial=TWO,link=ideal",
         "size=4M,read-only,serial=LOCKED,link=ideal")  # fmt: skip
DISK, TWO, LOCKED = (f"{ROOT}/devices/sim{i}" for i in range(3))
CTL = os.path.join(os.environ["BUILD_FOLDER"], "src/cli/usb-storagectl")


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(0)


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False, **options)


def do(*words, **options):
    ran = run(*words, **options)
    assert ran.returncode == 0, f"{' '.join(words)}: {ran.returncode} {ran.stdout} {ran.stderr}"
    return ran.stdout


def random_bytes(size, seed):
    return hashlib.shake_128(bytes([seed])).digest(size)


def write_all(path, data, offset=0):
    fd = os.open(path, os.O_WRONLY)
    try:
        view = memoryview(data)
        while view:
            n = os.pwrite(fd, view[:MIB], offset)
            view, offset = view[n:], offset + n
        os.fsync(fd)
    finally:
        os.close(fd)


def read_all(path):
    with open(path, "rb", buffering=0) as file:
        return file.read()


@contextlib.contextmanager
def opened(path):
    """What nobody serves any more tells so when it is closed, too."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)


def expect_errno(number, function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        assert error.errno == number, f"{error}, expected {errno.errorcode[number]}"
        return
    raise AssertionError(f"it succeeded, expected {errno.errorcode[number]}")


def is_mount(path):
    with open("/proc/self/mounts", encoding="utf-8") as file:
        return any(line.split()[1] == path for line in file)


class Host:
    def __init__(self, bus):
        self.bus = bus
        self.caller = bus.caller()
        self.n_files = 0

    def ctl(self, *words, user=None):
        prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return run(*prefix, CTL, f"--address={self.bus.address}", *words)

    def do_ctl(self, *words, **options):
        ran = self.ctl(*words, **options)
        assert ran.returncode == 0, f"{words}: {ran.returncode} {ran.stdout} {ran.stderr}"
        return ran.stdout

    def mounts(self, lun):
        return self.caller.get("Lun", "Mounts", path=lun)

    def file(self):
        self.n_files += 1
        path = f"{self.bus.folder}/image{self.n_files}"
        with open(path, "w", encoding="ascii"):
            pass
        return path

    @contextlib.contextmanager
    def mounted(self, unit, *options):
        path = self.file()
        self.do_ctl("mount", *options, unit, path)
        try:
            yield path
        finally:
            run("umount", "-l", path)
            wait_until(lambda: not self.mounts(f"{ROOT}/devices/{unit.replace('.', '/lun')}"), "it is unmounted")

    def kill_worker(self, device=DISK):
        """Of a device that has one; another one drives it then."""
        pid = wait_until(lambda: self.caller.get("Device", "WorkerPid", path=device), "there is a worker")
        os.kill(pid, signal.SIGKILL)
        return pid


def is_a_file_of_the_disks_size(host):
    with host.mounted("sim0.0") as path:
        status = os.stat(path)
        assert status.st_size == SIZE and status.st_mode & 0o7777 == 0o600 and status.st_uid == 0, status
        assert os.statvfs(path).f_blocks * os.statvfs(path).f_frsize == SIZE
        assert host.mounts(DISK + "/lun0") == [path]
        wait_until(lambda: host.caller.get("Lun", "NClients", path=DISK + "/lun0") == 1, "it is a client")
        assert "fuse.usb-storage" in do("findmnt", "-no", "FSTYPE", path)


def holds_what_was_written_at_any_offset(host):
    data = random_bytes(3 * MIB + 777, 1)
    with host.mounted("sim0.0") as path:
        write_all(path, data, 4097)
        assert read_all(path)[4097 : 4097 + len(data)] == data
        with open(path, "r+b", buffering=0) as file:
            file.seek(0, os.SEEK_END)
            expect_errno(errno.ENOSPC, file.write, b"more")
            assert file.read(1) == b""
            expect_errno(errno.EPERM, os.ftruncate, file.fileno(), 4096)
            os.ftruncate(file.fileno(), SIZE)


def serves_dd_with_and_without_o_direct(host):
    source = host.file()
    data = random_bytes(16 * MIB, 2)
    write_all(source, data)
    with host.mounted("sim0.0") as path:
        do("dd", f"if={source}", f"of={path}", "bs=1M", "status=none", "conv=fsync")  # with O_TRUNC
        assert os.stat(path).st_size == SIZE
        assert do("cmp", "-n", str(len(data)), source, path) == ""
        do("dd", f"if={source}", f"of={path}", "bs=64k", "seek=512", "oflag=direct", "conv=notrunc", "status=none")
        copy = host.file()
        do("dd", f"if={path}", f"of={copy}", "bs=64k", "skip=512", "count=256", "iflag=direct", "status=none")
        assert read_all(copy) == data


def serves_qemu_img(host):
    with host.mounted("sim0.0") as path:
        data = random_bytes(2 * MIB, 3)
        write_all(path, bytes(SIZE))
        write_all(path, data, 8 * MIB)
        copy = host.file()
        do("qemu-img", "convert", "-f", "raw", "-O", "qcow2", path, copy)
        do("qemu-img", "compare", "-f", "raw", "-F", "qcow2", path, copy)
        write_all(path, bytes(2 * MIB), 8 * MIB)
        do("qemu-img", "convert", "-n", "-f", "qcow2", "-O", "raw", copy, path)
        assert read_all(path)[8 * MIB : 10 * MIB] == data
        do("qemu-io", "-f", "raw", "-c", "write -P 7 0 64k", "-c", "write -z 16k 16k", "-c", "discard 32k 16k",
           "-c", "flush", "-c", "read -P 0 16k 16k", "-c", "read -P 7 0 16k", path)  # fmt: skip


@contextlib.contextmanager
def loop(path, *options):
    device = do("losetup", "--show", "-f", *options, path).strip()
    try:
        yield device
    finally:
        run("losetup", "-d", device)


def carries_a_file_system_by_loop(host):
    folder = host.bus.folder + "/mnt"
    os.makedirs(folder, exist_ok=True)
    data = random_bytes(8 * MIB, 4)
    for options in ((), ("--direct-io=on",)):
        with host.mounted("sim0.0") as path:
            do("mkfs.ext4", "-qF", path)
            with loop(path, *options) as device:
                do("mount", device, folder)
                try:
                    write_all_new(folder + "/file", data)
                    write_all_new(folder + "/gone", data)
                    os.unlink(folder + "/gone")
                    assert int(re.search(r"\((\d+) bytes", do("fstrim", "-v", folder)).group(1)) > 0
                finally:
                    do("umount", folder)
                do("mount", "-o", "ro", device, folder)
                try:
                    assert read_all(folder + "/file") == data
                finally:
                    do("umount", folder)
            do("e2fsck", "-fn", path)


def write_all_new(path, data):
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def goes_on_without_an_error_when_its_worker_dies(host):
    data = random_bytes(24 * MIB, 5)
    with host.mounted("sim0.0") as path:
        failures, killed = [], []

        def write():
            try:
                for _ in range(4):
                    write_all(path, data)
            except OSError as error:
                failures.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive() and len(killed) < 3:
            time.sleep(0.03)  # somewhere in the middle of it
            killed.append(host.kill_worker())
            wait_until(
                lambda: host.caller.get("Device", "WorkerPid", path=DISK) not in (0, killed[-1]), "there is another"
            )
        writer.join()
        assert not failures, failures
        assert len(killed) == 3, killed
        assert read_all(path)[: len(data)] == data
        assert host.mounts(DISK + "/lun0") == [path]


def lets_a_reader_wait_for_the_next_worker(host):
    data = random_bytes(MIB, 6)
    with host.mounted("sim0.0") as path:
        write_all(path, data)
        pid = host.kill_worker()
        with open(path, "rb", buffering=0) as file:
            assert file.read(MIB) == data
        assert host.caller.get("Device", "WorkerPid", path=DISK) != pid


def keeps_what_many_write_at_once_while_workers_die(host):
    with host.mounted("sim0.0") as path:
        command = [
            *("fio", "--name=x", f"--filename={path}", "--ioengine=psync", "--direct=1", "--rw=randrw", "--bs=4k"),
            *("--size=8M", "--numjobs=8", "--offset_increment=8M", "--io_size=16M", "--thread", "--minimal"),
            *("--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0", "--verify_backlog=64"),
        ]
        fio = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        n_killed = 0
        while fio.poll() is None and n_killed < 4:
            time.sleep(0.2)
            pid = host.kill_worker()
            n_killed += 1
            wait_until(lambda: host.caller.get("Device", "WorkerPid", path=DISK) not in (0, pid), "there is another")
        out = fio.communicate(timeout=PATIENCE_S * 2)[0]
        assert fio.returncode == 0 and n_killed > 0, out


def is_read_only_where_it_must_be(host):
    for unit, options in (("sim0.0", ("--read-only",)), ("sim2.0", ())):
        with host.mounted(unit, *options) as path:
            assert os.stat(path).st_mode & 0o7777 == 0o400
            expect_errno(errno.EROFS, os.open, path, os.O_WRONLY)
            assert len(read_all(path)) == os.stat(path).st_size


def says_what_is_wrong(host):
    path = host.file()
    folder = host.bus.folder
    for words, status, text in (
        (("mount", "sim0.0", path + ".none"), 1, "No such file"),
        (("mount", "sim0.0", folder), 1, "not a regular file"),
        (("mount", "sim9", path), 3, ""),
        (("mount", "sim1", path), 2, ""),  # two units
        (("mount", "sim0.0"), 2, "--all"),
        (("mount", "--all", "sim0.0", path), 2, "--all"),
        (("mount", "--all", path), 1, "no folder"),
        (("umount", path), 3, "no image"),
        (("umount", "sim0.0"), 3, "not mounted"),
    ):
        ran = host.ctl(*words)
        assert ran.returncode == status and text in ran.stderr, (words, ran)
    with host.mounted("sim0.0") as mounted:
        ran = host.ctl("mount", "sim1.0", mounted)
        assert ran.returncode == 1 and "mounted there" in ran.stderr, ran
        with open(mounted, "rb"):
            ran = host.ctl("umount", mounted)
            assert ran.returncode == 1 and "in use" in ran.stderr, ran
        assert host.mounts(DISK + "/lun0") == [mounted]


def is_unmounted_by_unit_or_by_file(host):
    first, second = host.file(), host.file()
    answer = json.loads(host.do_ctl("mount", "-j", "sim1.1", first))
    assert answer == {"unit": "sim1.1", "file": first}
    host.do_ctl("mount", "sim1.1", second)
    assert host.mounts(TWO + "/lun1") == [first, second]
    assert json.loads(host.do_ctl("umount", "-j", os.path.relpath(first))) == [first]
    wait_until(lambda: host.mounts(TWO + "/lun1") == [second], "one is left")
    with open(second, "rb") as file:
        assert json.loads(host.do_ctl("umount", "--force", "-j", "sim1.1")) == [second]
        assert file.read(512) == bytes(512)  # who uses it keeps it
    wait_until(lambda: host.mounts(TWO + "/lun1") == [], "none is left")


def takes_no_other_descriptor(host):
    path = host.file()
    with open(path, "rb") as file:
        for fd in (file.fileno(), os.open("/dev/null", os.O_RDWR)):
            failure = call_mount(host.bus, fd)
            assert "InvalidArgument" in failure and "/dev/fuse" in failure, failure
    fd = os.open("/dev/fuse", os.O_RDWR)  # that nothing was mounted with
    assert call_mount(host.bus, fd) == ""
    wait_until(lambda: host.mounts(DISK + "/lun0") == [], "it was given up")
    os.close(fd)


def call_mount(bus, fd):
    fds = Gio.UnixFDList.new()
    index = fds.append(fd)
    try:
        bus.connection.call_with_unix_fd_list_sync(
            *(NAME, DISK + "/lun0", f"{NAME}.Lun", "Mount", GLib.Variant("(ha{sv})", (index, {})), None),
            *(Gio.DBusCallFlags.NONE, -1, fds, None),
        )
    except GLib.Error as error:
        return str(error)
    return ""


def needs_polkits_consent(host):
    stranger = host.bus.caller(STRANGER)
    host.bus.set_verdict(f"{NAME}.mount", "no")
    expect_failure("NotAuthorized", stranger.call, "Lun", "Unmount", "(@a{sv} {},)", path=DISK + "/lun0")
    path = host.file()
    os.chown(path, STRANGER, STRANGER)
    ran = host.ctl("mount", "--no-ask-password", "sim0.0", path, user=STRANGER)
    assert ran.returncode == 4 and not is_mount(path), ran
    host.bus.set_verdict(f"{NAME}.mount", "yes")


def belongs_to_who_has_mounted_it(host):
    path = host.file()
    os.chown(path, STRANGER, STRANGER)
    host.bus.set_verdict(f"{NAME}.mount", "yes")
    host.do_ctl("mount", "sim0.0", path, user=STRANGER)
    as_stranger = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    assert do(*as_stranger, "stat", "-c", "%u %g %s", path).split() == [str(STRANGER), str(STRANGER), str(SIZE)]
    do(*as_stranger, "dd", "if=/dev/zero", f"of={path}", "bs=1M", "count=1", "conv=notrunc", "status=none")
    expect_errno(errno.EACCES, os.stat, path)  # stock fuse.conf
    host.do_ctl("umount", path, user=STRANGER)
    assert not is_mount(path)


def ends_with_errors_when_the_service_ends_it(host):
    path = host.file()
    host.do_ctl("mount", "sim0.0", path)
    with opened(path) as fd:
        assert len(os.pread(fd, 4096, 0)) == 4096
        host.caller.call("Lun", "Unmount", f"({{'path': <'{path}'>}},)", path=DISK + "/lun0")
        wait_until(lambda: host.mounts(DISK + "/lun0") == [], "it has ended")
        expect_errno(errno.ENOTCONN, os.stat, path)
        expect_errno(errno.ENOTCONN, os.pread, fd, 4096, 0)
    host.do_ctl("mount", "sim0.0", path)  # over what is left
    assert os.stat(path).st_size == SIZE
    host.do_ctl("umount", "sim0.0")
    assert not is_mount(path)


def follows_units_in_a_folder(host):
    folder = host.bus.folder + "/images"
    os.makedirs(folder)
    program = subprocess.Popen(
        [CTL, f"--address={host.bus.address}", "mount", "--all", "--follow", "--json=short", folder],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        names = {f"1209-0001-{name}.img" for name in ("DISK-lun0", "TWO-lun0", "TWO-lun1", "LOCKED-lun0")}
        wait_until(
            lambda: {n for n in os.listdir(folder) if is_mount(f"{folder}/{n}")} == names, "all units are mounted"
        )
        assert len(read_all(f"{folder}/1209-0001-TWO-lun1.img")) == 8 * MIB
        host.kill_worker(TWO)
        assert len(read_all(f"{folder}/1209-0001-TWO-lun0.img")) == 8 * MIB
        ran = host.ctl("release", "sim1")
        assert ran.returncode != 0, "a mount is a client"
        for n in (0, 1):
            host.caller.call("Lun", "Unmount", "(@a{sv} {},)", path=f"{TWO}/lun{n}")
        wait_until(lambda: host.mounts(f"{TWO}/lun0") != [], "it is mounted again")
    finally:
        program.terminate()
        out = program.communicate(timeout=PATIENCE_S)[0]
    assert program.returncode == 0 and os.listdir(folder) == [], os.listdir(folder)
    first = json.loads(out.splitlines()[0])
    assert first["mounted"] is True and first["file"].startswith(folder + "/") and first["export"], first


def gives_its_memory_back_when_nobody_uses_it(host):
    with host.mounted("sim0.0") as path:
        write_all(path, random_bytes(8 * MIB, 7))

        def slots_size():
            pid = host.caller.get("Device", "WorkerPid", path=DISK)
            with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as file:
                text = file.read()
            sizes = re.findall(r"usb-storage mount.*?\n(?:.*\n)*?Rss: +(\d+) kB", text)
            return sum(map(int, sizes))

        assert slots_size() > 0
        wait_until(lambda: slots_size() <= 64, "it has gone back")


def ends_with_the_service(host):
    path = host.file()
    host.do_ctl("mount", "sim0.0", path)
    with opened(path) as fd:
        assert len(os.pread(fd, 4096, 0)) == 4096
        for program in host.bus.programs:
            program.terminate()
            assert program.wait(PATIENCE_S) == 0
        expect_errno(errno.ENOTCONN, os.stat, path)
    do("umount", path)


def main():
    if os.geteuid() != 0:
        skip("it mounts, as root")
    if not os.path.exists("/dev/fuse") or run("losetup", "-f").returncode != 0:
        skip("there is no FUSE or no loop device here")
    results = Results()
    with private_bus() as bus:
        bus.start_polkit()
        bus.start_service(specs=SPECS)
        host = Host(bus)
        wait_until(lambda: host.caller.get("Manager", "NExports") == 4, "all is exported")
        for check in (
            is_a_file_of_the_disks_size,
            holds_what_was_written_at_any_offset,
            serves_dd_with_and_without_o_direct,
            serves_qemu_img,
            carries_a_file_system_by_loop,
            goes_on_without_an_error_when_its_worker_dies,
            lets_a_reader_wait_for_the_next_worker,
            keeps_what_many_write_at_once_while_workers_die,
            is_read_only_where_it_must_be,
            says_what_is_wrong,
            is_unmounted_by_unit_or_by_file,
            takes_no_other_descriptor,
            needs_polkits_consent,
            belongs_to_who_has_mounted_it,
            ends_with_errors_when_the_service_ends_it,
            follows_units_in_a_folder,
            gives_its_memory_back_when_nobody_uses_it,
            ends_with_the_service,
        ):
            results.check(check, host)
    results.finish()


main()
