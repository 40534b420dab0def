#!/usr/bin/python3
"""Clients of an export whose socket comes over the bus: before negotiation, and in transmission phase."""

import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
import nbd
from gi.repository import Gio, GLib
from private_bus import (NAME, ROOT, STRANGER, connect, expect_failure, private_bus, read_name, skip_unless_root,
                         wait_until)  # fmt: skip
from results import Results

LUN = f"{ROOT}/devices/sim0/lun1"
EXPORT = "1209-0001-DISK-lun1"
SIZE = 8 << 20
REQUEST, REPLY = 0x25609513, 0x67446698
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3


def call(bus, method):
    """Returns the reply's values, a socket in place of its index."""
    values, fds = bus.connection.call_with_unix_fd_list_sync(
        NAME, LUN, f"{NAME}.Lun", method, GLib.Variant("(a{sv})", ({},)), None, Gio.DBusCallFlags.NONE, -1, None, None
    )
    values = list(values.unpack())
    values[0] = socket.socket(fileno=fds.get(values[0]))
    values[0].settimeout(30)
    return values


def ask(connection, command, offset, size, data=b""):
    """A request of the simple kind, and what it is answered with."""
    connection.sendall(struct.pack(">IHHQQI", REQUEST, 0, command, 7, offset, size) + data)
    if command == DISCONNECT:
        return connection.recv(1)
    wanted = 16 + (size if command == READ else 0)
    reply = connection.recv(wanted, socket.MSG_WAITALL)
    magic, error, handle = struct.unpack(">IIQ", reply[:16])
    assert (magic, error, handle) == (REPLY, 0, 7), reply[:16]
    return reply[16:]


class Checks:
    def __init__(self, bus):
        self.bus = bus
        self.root = bus.caller()
        self.stranger = bus.caller(STRANGER)
        wait_until(lambda: self.root.get("Manager", "NExports") == 2, "all is exported")

    def a_client_before_negotiation_sees_its_export_alone(self):
        (connection,) = call(self.bus, "OpenNbd")
        handle = nbd.NBD()
        names = []
        handle.set_opt_mode(True)
        handle.connect_socket(connection.detach())
        handle.opt_list(lambda name, description: names.append(name))
        assert names == [EXPORT], names
        handle.set_export_name("1209-0001-DISK-lun0")
        try:
            handle.opt_go()
        except nbd.Error as error:
            assert error.errno == "ENOENT", error
        else:
            raise AssertionError("another export could be chosen")
        handle.set_export_name("")
        handle.opt_go()
        assert handle.get_size() == SIZE
        handle.pwrite(b"over the bus" + bytes(500), 1024)
        assert handle.pread(512, 1024).startswith(b"over the bus")
        handle.shutdown()

    def a_client_in_transmission_phase_is_served_at_once(self):
        connection, size, block_size, flags = call(self.bus, "Attach")
        assert (size, block_size) == (SIZE, 512)
        assert flags & nbd.CMD_FLAG_FUA and flags & 4 and not flags & 2, flags
        ask(connection, WRITE, 4096, 4096, b"kernel!!" * 512)
        ask(connection, FLUSH, 0, 0)
        assert ask(connection, READ, 4096, 4096) == b"kernel!!" * 512
        wait_until(lambda: self.root.get("Lun", "NClients", LUN) == 1, "it is counted")
        assert (1, 0, 0, "over the bus", "") in self.clients()
        assert ask(connection, DISCONNECT, 0, 0) == b""
        wait_until(lambda: self.root.get("Lun", "NClients", LUN) == 0, "it is gone")

    def clients(self):
        return self.root.get("Device", "Clients", f"{ROOT}/devices/sim0")

    def who_is_connected_is_told_and_in_the_way(self):
        wait_until(lambda: self.clients() == [], "the others are gone")
        handle = connect(self.bus, EXPORT)
        client = (1, os.getpid(), os.getuid(), read_name(), "")
        assert wait_until(self.clients, "it is listed") == [client]
        failure = expect_failure(
            "DeviceBusy", self.root.call, "Device", "Remove", "(@a{sv} {},)", path=f"{ROOT}/devices/sim0"
        )
        assert failure.message.endswith(f": {client[3]} (process {client[1]}, user {client[2]})"), failure.message
        handle.shutdown()
        wait_until(lambda: self.clients() == [], "it is gone")

    def strangers_get_no_socket_unless_polkit_says_so(self):
        for method in ("OpenNbd", "Attach"):
            self.bus.set_verdict(f"{NAME}.open", "no")
            expect_failure("NotAuthorized", self.stranger.call, "Lun", method, "(@a{sv} {},)", path=LUN)
            self.bus.set_verdict(f"{NAME}.open", "yes")
            self.stranger.call("Lun", method, "(@a{sv} {},)", path=LUN)

    def what_is_not_exported_has_no_clients(self):
        expect_failure(
            "NotFound", self.root.call, "Lun", "OpenNbd", "(@a{sv} {},)", path=f"{ROOT}/devices/sim1/lun0"
        )


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus:
        bus.start_polkit()
        bus.start_service(specs=["size=8M,luns=2,serial=DISK", "size=1M,removable,empty=0,serial=EMPTY"])
        checks = Checks(bus)
        for check in (
            checks.a_client_before_negotiation_sees_its_export_alone,
            checks.a_client_in_transmission_phase_is_served_at_once,
            checks.who_is_connected_is_told_and_in_the_way,
            checks.strangers_get_no_socket_unless_polkit_says_so,
            checks.what_is_not_exported_has_no_clients,
        ):
            results.check(check)
    results.finish()


main()
