#!/usr/bin/python3
"""A read-only export: says so, reads, and refuses everything that would change it with EPERM."""

import nbd

from results import Results, connect, expect_error


def says_so(handle):
    """the flag is set"""
    assert handle.is_read_only()


def reads(handle):
    """it can be read"""
    assert len(handle.pread(65536, 0)) == 65536


def refuses_changes(handle):
    """WRITE, WRITE_ZEROES and TRIM get EPERM"""
    expect_error("EPERM", handle.pwrite, bytes(65536), 0)
    expect_error("EPERM", handle.pwrite, bytes(512), 0, nbd.CMD_FLAG_FUA)
    expect_error("EPERM", handle.zero, 512, 0)
    expect_error("EPERM", handle.trim, 4096, 0)


def main():
    results = Results()
    handle = connect(strict=False)
    for function in (says_so, reads, refuses_changes, reads):
        results.check(function, handle)
    handle.shutdown()
    results.finish()


main()
