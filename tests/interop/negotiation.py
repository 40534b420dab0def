#!/usr/bin/python3
"""The handshake: INFO equals GO, LIST, contexts that are offered, an unknown export, an old-style client.

Expects one export.
"""

import os
import socket
import struct

import nbd

from results import Results, connect, expect_error

NBD_OPT_ABORT = 2
NBD_REP_ACK = 1
NBD_REP_ERR_UNSUP = (1 << 31) + 1
NBD_REP_ERR_INVALID = (1 << 31) + 3


def name():
    return os.environ["EXPORTS"].splitlines()[0]


def negotiating():
    handle = nbd.NBD()
    handle.set_opt_mode(True)
    handle.connect_unix(os.environ["SOCKET"])
    return handle


def info_equals_go():
    """INFO tells what GO tells then"""
    handle = negotiating()
    handle.set_export_name(name())
    handle.opt_info()
    told = (handle.get_size(), handle.is_read_only(), handle.can_flush(), handle.can_trim(),
            handle.get_block_size(nbd.SIZE_MAXIMUM))
    handle.opt_go()
    assert told == (handle.get_size(), handle.is_read_only(), handle.can_flush(), handle.can_trim(),
                    handle.get_block_size(nbd.SIZE_MAXIMUM))
    handle.pread(512, 0)
    handle.shutdown()


def unknown_export():
    """an unknown export is refused, and the negotiation goes on"""
    handle = negotiating()
    handle.set_export_name("no-such-export")
    expect_error("ENOENT", handle.opt_go)
    handle.set_export_name(name())
    handle.opt_go()
    handle.shutdown()


def list_exports():
    """LIST tells the names and descriptions"""
    handle = negotiating()
    found = []
    handle.opt_list(lambda export, description: found.append((export, description)))
    assert [export for export, _ in found] == os.environ["EXPORTS"].splitlines()
    assert all(description for _, description in found)
    handle.opt_abort()


def contexts():
    """base:allocation is offered, by name and by wildcard, and others are not"""
    handle = negotiating()
    handle.set_export_name(name())
    offered = []
    handle.opt_list_meta_context(offered.append)
    assert "base:allocation" in offered, offered
    handle.add_meta_context("base:")
    offered.clear()
    handle.opt_list_meta_context(offered.append)
    assert offered == ["base:allocation"], offered
    handle.clear_meta_contexts()
    handle.add_meta_context("qemu:dirty-bitmap:x")
    offered.clear()
    handle.opt_list_meta_context(offered.append)
    assert offered == [], offered
    handle.opt_abort()


def export_name_option():
    """the old option EXPORT_NAME leads to the transmission as well, with and without padding"""
    for flags in (1, 3):
        with raw_connection(flags) as client:
            send_option(client, 1, name().encode())
            reply = receive(client, 10 if flags & 2 else 134)
            assert struct.unpack(">Q", reply[:8])[0] > 0
            assert not any(reply[10:])
            client.sendall(struct.pack(">IHHQQI", 0x25609513, 0, 0, 77, 0, 512))
            magic, error, cookie = struct.unpack(">IIQ", receive(client, 16))
            assert (magic, error, cookie) == (0x67446698, 0, 77)
            receive(client, 512)


def unknown_option():
    """an unknown option gets ERR_UNSUP, its data is passed over, and ABORT an ACK"""
    with raw_connection() as client:
        send_option(client, 4711, b"x" * 5000)
        assert receive_reply(client)[1] == NBD_REP_ERR_UNSUP
        send_option(client, NBD_OPT_ABORT)
        assert receive_reply(client)[1] == NBD_REP_ACK


def lying_lengths():
    """a length within an option that is longer than the option gets ERR_INVALID"""
    with raw_connection() as client:
        for option in (6, 7):
            send_option(client, option, struct.pack(">I", 1000) + b"short" + bytes(2))
            assert receive_reply(client)[1] == NBD_REP_ERR_INVALID
            send_option(client, option, b"\0")
            assert receive_reply(client)[1] == NBD_REP_ERR_INVALID
        send_option(client, NBD_OPT_ABORT)
        assert receive_reply(client)[1] == NBD_REP_ACK


def unknown_client_flags():
    """a client whose flags nobody knows is dropped"""
    with raw_connection(1 << 9) as client:
        try:
            send_option(client, NBD_OPT_ABORT)
            assert client.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass


def raw_connection(flags=3):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(os.environ["SOCKET"])
    magic, option_magic, _ = struct.unpack(">8s8sH", receive(client, 18))
    assert (magic, option_magic) == (b"NBDMAGIC", b"IHAVEOPT")
    client.sendall(struct.pack(">I", flags))
    return client


def send_option(client, option, data=b""):
    client.sendall(b"IHAVEOPT" + struct.pack(">II", option, len(data)) + data)


def receive_reply(client):
    magic, option, kind, size = struct.unpack(">QIII", receive(client, 20))
    assert magic == 0x3e889045565a9
    receive(client, size)
    return option, kind


def receive(client, size):
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        assert more, "the server has closed the connection"
        data += more
    return data


def works_after_all():
    """and a new client is served as if nothing had been"""
    handle = connect()
    handle.pread(4096, 0)
    handle.shutdown()


def main():
    results = Results()
    for function in (info_equals_go, unknown_export, list_exports, contexts, export_name_option, unknown_option,
                     lying_lengths, unknown_client_flags, works_after_all):
        results.check(function)
    results.finish()


main()
