#!/usr/bin/python3
"""base:allocation: extents cover what was asked for, and tell data from holes. Expects a thin export of 64 MiB."""

import nbd

from results import Results, connect

HOLE_AND_ZERO = nbd.STATE_HOLE | nbd.STATE_ZERO
MIB = 1 << 20


def status(handle, size, offset, flags=0):
    """Pairs of length and state."""
    extents = []

    def on_extents(context, extent_offset, entries, _error):
        assert context == nbd.CONTEXT_BASE_ALLOCATION
        assert extent_offset == offset
        extents.extend(zip(entries[::2], entries[1::2]))

    handle.block_status(size, offset, on_extents, flags)
    return extents


def whole(handle):
    """Follows the answers from the beginning to the end of the export."""
    offset = 0
    extents = []
    while offset < handle.get_size():
        for length, state in status(handle, handle.get_size() - offset, offset):
            assert length > 0
            extents.append((offset, length, state))
            offset += length
    assert offset == handle.get_size()
    return extents


def is_data(handle, offset):
    return not status(handle, 4096, offset)[0][1] & nbd.STATE_HOLE


def empty_is_hole(handle):
    """an untouched medium is a hole that reads as zeroes"""
    assert all(state == HOLE_AND_ZERO for _, _, state in whole(handle)), whole(handle)


def written_is_data(handle):
    """what was written is data, its surroundings are not"""
    handle.pwrite(b"d" * MIB, 8 * MIB)
    assert is_data(handle, 8 * MIB)
    assert is_data(handle, 9 * MIB - 4096)
    assert not is_data(handle, 0)
    assert not is_data(handle, 32 * MIB)


def trimmed_is_hole(handle):
    """what was trimmed is a hole again"""
    handle.trim(MIB, 8 * MIB)
    handle.flush()
    assert not is_data(handle, 8 * MIB)


def no_hole_stays(handle):
    """zeroes written with NO_HOLE stay allocated"""
    handle.pwrite(b"d" * MIB, 16 * MIB)
    handle.zero(MIB, 16 * MIB, nbd.CMD_FLAG_NO_HOLE)
    assert is_data(handle, 16 * MIB)
    assert handle.pread(MIB, 16 * MIB) == bytes(MIB)


def one_extent(handle):
    """with REQ_ONE there is one extent, not longer than asked for"""
    handle.pwrite(b"d" * 65536, 40 * MIB)
    extents = status(handle, 65536, 40 * MIB - 32768, nbd.CMD_FLAG_REQ_ONE)
    assert len(extents) == 1, extents
    assert extents[0][0] <= 65536, extents


def odd_offset(handle):
    """an odd offset gets an answer that begins there"""
    extents = status(handle, 100001, 40 * MIB + 12345)
    assert sum(length for length, _ in extents) > 0


def main():
    results = Results()
    handle = connect(meta_context=nbd.CONTEXT_BASE_ALLOCATION)
    assert handle.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    for function in (empty_is_hole, written_is_data, trimmed_is_hole, no_hole_stays, one_extent, odd_offset):
        results.check(function, handle)
    handle.shutdown()
    results.finish()


main()
