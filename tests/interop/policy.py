#!/usr/bin/python3
"""Rules decide about simulated disks as about real ones: who is exported, under which name, who can be written, and how
fast."""

import os
import time

from results import Results, expect_error
from service import Service

RULES = """\
block via-port "sim0"
read-only via-port "sim1"
allow via-port "sim2" export "backup" cache off max-rate "4MB"  # a slow one
"""
RATE = 4 << 20


def start_service():
    folder = os.path.join(os.environ["SCRATCH"], "policy")
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/rules", "w", encoding="utf-8") as file:
        file.write(RULES)
    with open(folder + "/config", "w", encoding="utf-8") as file:
        file.write(f"[device]\nrules_file = {folder}/rules\ndefault_target = reject\n")
    disks = [argument for serial in "ABCD" for argument in ("--simulate", f"size=32M,link=ideal,serial={serial}")]
    return Service("policy", "--config", folder + "/config", *disks)


def who_is_blocked_is_not_exported(service):
    """blocked and rejected disks have no exports"""
    assert service.wait_for_exports(2) == ["1209-0001-B-lun0", "backup-lun0"]


def who_may_be_read_only_is_not_written(service):
    """a disk under read-only can't be written"""
    handle = service.connect("1209-0001-B-lun0")
    handle.set_strict_mode(0)
    assert handle.is_read_only()
    assert handle.pread(4096, 0) == bytes(4096)
    expect_error("EPERM", handle.pwrite, bytes(4096), 0)
    handle.shutdown()


def the_rate_is_kept(service):
    """a disk with a largest rate is not faster than that, over two connections"""
    handles = [service.connect("backup-lun0") for _ in range(2)]
    start, read = time.monotonic(), 0
    for i in range(8):
        read += len(handles[i % 2].pread(1 << 20, i << 20))
    seconds = time.monotonic() - start
    # The first may pass at once, and a tenth of a second's worth with it.
    assert seconds >= (read - (1 << 20)) / RATE - 0.2, f"{read} bytes in {seconds} s"
    for handle in handles:
        handle.shutdown()


def main():
    results = Results()
    service = start_service()
    try:
        for function in (who_is_blocked_is_not_exported, who_may_be_read_only_is_not_written, the_rate_is_kept):
            results.check(function, service)
    finally:
        service.destroy()
    results.finish()


main()
