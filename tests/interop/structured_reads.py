#!/usr/bin/python3
"""Structured replies: a READ's chunks cover it exactly, with DF in one piece. Expects an export of at least 40 MiB."""

import errno

import nbd

from results import Results, connect

SIZE = 1 << 20


def collect(handle, size, offset, flags=0):
    chunks = []

    def on_chunk(data, chunk_offset, status, error):
        chunks.append((chunk_offset, len(data), status, error.value))

    data = handle.pread_structured(size, offset, on_chunk, flags)
    return bytes(data), chunks


def assert_covers(chunks, size, offset):
    position = offset
    for chunk_offset, length, status, _ in sorted(chunks):
        assert status in (nbd.READ_DATA, nbd.READ_HOLE), status
        assert chunk_offset == position, chunks
        position += length
    assert position == offset + size, chunks


def covered(handle):
    """the chunks cover the request, each byte once"""
    pattern = bytes(range(256)) * (SIZE // 256)
    handle.pwrite(pattern, SIZE)
    data, chunks = collect(handle, SIZE, SIZE)
    assert_covers(chunks, SIZE, SIZE)
    assert data == pattern


def across_a_hole(handle):
    """so they do across zeroes"""
    handle.zero(SIZE, 2 * SIZE)
    handle.pwrite(b"x" * 4096, 2 * SIZE + 65536)
    data, chunks = collect(handle, SIZE, 2 * SIZE)
    assert_covers(chunks, SIZE, 2 * SIZE)
    assert data == bytes(65536) + b"x" * 4096 + bytes(SIZE - 65536 - 4096)


def not_fragmented(handle):
    """with DF there is one chunk of data"""
    _, chunks = collect(handle, SIZE, 2 * SIZE, nbd.CMD_FLAG_DF)
    assert len(chunks) == 1, chunks
    assert_covers(chunks, SIZE, 2 * SIZE)


def large(handle):
    """32 MiB in one request"""
    data, chunks = collect(handle, 32 << 20, 4096)
    assert_covers(chunks, 32 << 20, 4096)
    assert len(data) == 32 << 20


def error_is_a_chunk(handle):
    """a failed READ is told by a chunk, and the connection goes on"""
    try:
        collect(handle, 4096, handle.get_size())
    except nbd.Error as error:
        assert error.errno == errno.errorcode[errno.EINVAL]
        assert handle.aio_is_ready()
        return
    raise AssertionError("it succeeded")


def main():
    results = Results()
    handle = connect(strict=False)
    assert handle.get_structured_replies_negotiated()
    for function in (covered, across_a_hole, not_fragmented, large, error_is_a_chunk):
        results.check(function, handle)
    handle.shutdown()
    results.finish()


main()
