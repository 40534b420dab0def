#!/usr/bin/python3
"""Requests that break the rules: each gets the error that the protocol names, and the connection goes on.

Expects an export of 16 MiB.
"""

import os
import nbd

from results import Results, connect, expect_error

BEYOND = 1 << 60


def past_the_end(handle, size):
    """WRITE and WRITE_ZEROES past the end get ENOSPC, all others EINVAL"""
    expect_error("EINVAL", handle.pread, 1024, size - 512)
    expect_error("EINVAL", handle.pread, 512, size)
    expect_error("ENOSPC", handle.pwrite, bytes(1024), size - 512)
    expect_error("ENOSPC", handle.zero, 1024, size - 512)
    expect_error("EINVAL", handle.trim, 1024, size - 512)
    expect_error("EINVAL", handle.cache, 1024, size - 512)


def far_past_the_end(handle, _size):
    """offsets near 2^64 do not wrap around"""
    for offset in (BEYOND, (1 << 63) - 512, (1 << 64) - 512):
        expect_error("EINVAL", handle.pread, 1024, offset)
        expect_error("ENOSPC", handle.pwrite, bytes(1024), offset)
        expect_error("EINVAL", handle.trim, 1024, offset)


def unknown_flags(handle, _size):
    """a flag that the command does not have gets EINVAL, and a payload behind it is passed over"""
    expect_error("EINVAL", handle.pread, 512, 0, nbd.CMD_FLAG_FAST_ZERO)
    expect_error("EINVAL", handle.pwrite, bytes(4096), 0, nbd.CMD_FLAG_NO_HOLE)
    expect_error("EINVAL", handle.flush, nbd.CMD_FLAG_DF)


def fua_everywhere(handle, _size):
    """FUA is accepted on every command that has a range"""
    handle.pwrite(bytes(512), 0, nbd.CMD_FLAG_FUA)
    handle.zero(512, 0, nbd.CMD_FLAG_FUA)
    handle.trim(4096, 0, nbd.CMD_FLAG_FUA)
    handle.pread(512, 0, nbd.CMD_FLAG_FUA)


def too_large_read(handle, size):
    """a READ of more than a payload may have gets an error"""
    try:
        handle.pread(size + (65 << 20), 0)
    except nbd.Error as error:
        assert error.errno in ("EINVAL", "EOVERFLOW", "ENOMEM", "ERANGE"), error.errno
        return
    raise AssertionError("it succeeded")


def zero_length(handle, _size):
    """a length of zero never ends the connection"""
    for request in (lambda: handle.pread(0, 0), lambda: handle.pwrite(b"", 0),
                    lambda: handle.trim(0, 0), lambda: handle.zero(0, 0),
                    lambda: handle.cache(0, 0)):
        try:
            request()
        except nbd.Error as error:
            assert error.errno in ("EINVAL", "ENOSPC"), error.errno
    handle.pread(512, 0)


def still_works(handle, size):
    """after all of that the connection works"""
    assert handle.aio_is_ready()
    handle.pwrite(b"end" * 512, size - 1536)
    assert handle.pread(1536, size - 1536) == b"end" * 512


def main():
    results = Results()
    for structured in (True, False):
        handle = connect(strict=False, structured=structured)
        size = handle.get_size()
        print(f"# structured replies: {structured}, {os.environ['URI']}")
        for function in (past_the_end, far_past_the_end, unknown_flags, fua_everywhere, too_large_read,
                         zero_length, still_works):
            results.check(function, handle, size)
        handle.shutdown()
    results.finish()


main()
