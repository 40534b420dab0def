#!/usr/bin/python3
"""Requests at any offset and of any length, compared with a copy in memory. Expects an export of at least 4 MiB."""

import random

from results import Results, connect

SIZE = 2 << 20
BASE = 1 << 20


def compare(handle, copy):
    """the whole area is as the copy in memory"""
    assert handle.pread(SIZE, BASE) == bytes(copy)


def odd_writes(handle, copy):
    """writes at odd offsets change their bytes and no others"""
    choice = random.Random(7)
    for _ in range(300):
        length = choice.choice([1, 2, 3, 511, 513, 4095, 4097, 70001])
        offset = choice.randrange(SIZE - length)
        data = choice.randbytes(length)
        handle.pwrite(data, BASE + offset)
        copy[offset:offset + length] = data


def odd_zeroes(handle, copy):
    """so does writing zeroes"""
    choice = random.Random(8)
    for _ in range(100):
        length = choice.choice([1, 513, 4097, 20000])
        offset = choice.randrange(SIZE - length)
        handle.zero(length, BASE + offset)
        copy[offset:offset + length] = bytes(length)


def odd_reads(handle, copy):
    """reads at odd offsets give their bytes"""
    choice = random.Random(9)
    for _ in range(300):
        length = choice.choice([1, 2, 511, 513, 4097, 100001])
        offset = choice.randrange(SIZE - length)
        assert handle.pread(length, BASE + offset) == copy[offset:offset + length]


def neighbours_at_once(handle, copy):
    """many writes into the same block at once all arrive"""
    cookies = []
    for i in range(64):
        data = bytearray([i + 1] * 64)
        cookies.append(handle.aio_pwrite(_buffer(data), BASE + i * 64))
        copy[i * 64:i * 64 + 64] = data
    for cookie in cookies:
        while not handle.aio_command_completed(cookie):
            handle.poll(-1)


def _buffer(data):
    import nbd

    return nbd.Buffer.from_bytearray(data)


def odd_trims(handle, copy):
    """a trim that touches blocks in part leaves what is outside it alone"""
    offset, length = 123457, 20001
    handle.trim(length, BASE + offset)
    now = handle.pread(length, BASE + offset)
    for i in range(length):
        assert now[i] in (0, copy[offset + i])
    copy[offset:offset + length] = now


def main():
    results = Results()
    handle = connect()
    copy = bytearray(SIZE)
    handle.zero(SIZE, BASE)
    for function in (odd_writes, compare, odd_reads, odd_zeroes, compare, neighbours_at_once, compare, odd_trims,
                     compare):
        results.check(function, handle, copy)
    handle.shutdown()
    results.finish()


main()
