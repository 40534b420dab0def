#!/usr/bin/python3
"""Attaches an NBD export to /dev/nbdN and stays: when the connection dies, the kernel is given a new one.

nbd-client sets the device up so that a dead connection fails what is in flight, also with -persist. Set up by
netlink with NBD_ATTR_DEAD_CONN_TIMEOUT the kernel waits instead, and with NBD_ATTR_TIMEOUT it sends again on the
new connection what the old one left unanswered. Says "attached" when the device is there, "attached again" when it
has a new connection; SIGTERM detaches.
"""

import argparse
import os
import re
import signal
import socket
import struct
import sys
import time

HANDSHAKE_TIMEOUT_SECONDS = 10

# What an old connection left unanswered is sent again only when it is so old, so this is how long users of the device
# wait. Nor may it be shorter than the lab's disks take to answer, or the kernel gives up a connection that is well.
REQUEST_TIMEOUT_SECONDS = 10

# So long requests wait for a new connection before they fail.
RECONNECT_LIMIT_SECONDS = 120


class NbdError(Exception):
    pass


class Connection:
    """The NBD protocol's fixed newstyle negotiation, with NBD_OPT_GO and simple replies."""

    MAGIC, OPTION_MAGIC, REPLY_MAGIC = 0x4E42444D41474943, 0x49484156454F5054, 0x0003E889045565A9
    FIXED_NEWSTYLE, NO_ZEROES = 1, 2
    OPT_GO = 7
    REP_ACK, REP_INFO, REP_FLAG_ERROR = 1, 3, 1 << 31
    INFO_EXPORT, INFO_BLOCK_SIZE = 0, 3
    REPLY_SIZE_MAX = 64 << 10
    # The kernel has no smaller blocks.
    BLOCK_SIZE_MIN = 512

    def __init__(self, path, export):
        self.size = self.flags = None
        self.block_size = self.BLOCK_SIZE_MIN
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.settimeout(HANDSHAKE_TIMEOUT_SECONDS)
            self.socket.connect(path)
            self.greet()
            self.go(export.encode())
            self.socket.settimeout(None)
        except BaseException:
            self.socket.close()
            raise

    def receive(self, layout):
        size = struct.calcsize(layout)
        data = self.socket.recv(size, socket.MSG_WAITALL) if size else b""
        if len(data) != size:
            raise NbdError("the server closed the connection")
        return struct.unpack(layout, data)

    def greet(self):
        magic, option_magic, flags = self.receive(">QQH")
        if magic != self.MAGIC or option_magic != self.OPTION_MAGIC or not flags & self.FIXED_NEWSTYLE:
            raise NbdError("this is no server of fixed newstyle NBD")
        self.socket.sendall(struct.pack(">I", flags & (self.FIXED_NEWSTYLE | self.NO_ZEROES)))

    def go(self, name):
        data = struct.pack(f">I{len(name)}sHH", len(name), name, 1, self.INFO_BLOCK_SIZE)
        self.socket.sendall(struct.pack(">QII", self.OPTION_MAGIC, self.OPT_GO, len(data)) + data)
        while not self.is_last_reply():
            pass
        if self.size is None:
            raise NbdError("the server told no size")

    def is_last_reply(self):
        magic, option, kind, size = self.receive(">QIII")
        if magic != self.REPLY_MAGIC or option != self.OPT_GO or size > self.REPLY_SIZE_MAX:
            raise NbdError("the server's reply is out of step")
        (data,) = self.receive(f"{size}s")
        if kind & self.REP_FLAG_ERROR:
            raise NbdError(f"the server refused with {kind:#x}: {data.decode(errors='replace')}")
        if kind == self.REP_INFO:
            self.take_info(data)
        return kind == self.REP_ACK

    def take_info(self, data):
        (kind,) = struct.unpack_from(">H", data)
        if kind == self.INFO_EXPORT:
            self.size, self.flags = struct.unpack_from(">QH", data, 2)
        elif kind == self.INFO_BLOCK_SIZE:
            (minimum,) = struct.unpack_from(">I", data, 2)
            self.block_size = max(minimum, self.BLOCK_SIZE_MIN)


def attribute(kind, payload):
    data = struct.pack("=HH", 4 + len(payload), kind) + payload
    return data + bytes(-len(data) % 4)


def attribute_u32(kind, value):
    return attribute(kind, struct.pack("=I", value))


def attribute_u64(kind, value):
    return attribute(kind, struct.pack("=Q", value))


def attributes_of(data):
    """A dictionary of what lies between the attributes' headers."""
    found = {}
    while len(data) >= 4:
        size, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:size]  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
        data = data[(size + 3) & ~3 :]
    return found


class GenericNetlink:
    HEADER = "=IHHIIBBxx"  # struct nlmsghdr, struct genlmsghdr
    HEADER_SIZE = struct.calcsize(HEADER)
    MESSAGE_ERROR, REQUEST, ACK = 2, 1, 4  # NLMSG_ERROR, NLM_F_REQUEST, NLM_F_ACK
    CONTROL, CONTROL_VERSION, GET_FAMILY = 0x10, 2, 3  # GENL_ID_CTRL, CTRL_CMD_GETFAMILY
    FAMILY_ID, FAMILY_NAME, GROUPS, GROUP_NAME, GROUP_ID = 1, 2, 7, 1, 2  # CTRL_ATTR_*
    NETLINK_GENERIC, SOL_NETLINK, ADD_MEMBERSHIP = 16, 270, 1

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, self.NETLINK_GENERIC)
        self.socket.bind((0, 0))

    def receive(self):
        """The messages of a datagram, each as its type, command and what follows both headers."""
        data = self.socket.recv(64 << 10)
        while len(data) >= 16:
            size, kind = struct.unpack_from("=IH", data)
            yield kind, data[16], data[:size]
            data = data[(size + 3) & ~3 :]

    def request(self, family, version, command, attributes):
        """Returns the attributes of the answer, if there is one, when the kernel has done it."""
        size = self.HEADER_SIZE + len(attributes)
        header = struct.pack(self.HEADER, size, family, self.REQUEST | self.ACK, 0, 0, command, version)
        self.socket.send(header + attributes)
        answer = {}
        while True:
            for kind, _, message in self.receive():
                if kind != self.MESSAGE_ERROR:
                    answer = attributes_of(message[self.HEADER_SIZE :])
                    continue
                (error,) = struct.unpack_from("=i", message, 16)
                if error:
                    raise OSError(-error, f"netlink command {command}: {os.strerror(-error)}")
                return answer

    def find_family(self, name):
        """Its number, and the numbers of its multicast groups by their names."""
        found = self.request(
            self.CONTROL, self.CONTROL_VERSION, self.GET_FAMILY, attribute(self.FAMILY_NAME, name + b"\0")
        )
        groups = {}
        for item in attributes_of(found[self.GROUPS]).values():
            group = attributes_of(item)
            groups[group[self.GROUP_NAME].rstrip(b"\0")] = struct.unpack("=I", group[self.GROUP_ID])[0]
        return struct.unpack("=H", found[self.FAMILY_ID])[0], groups

    def join(self, group):
        self.socket.setsockopt(self.SOL_NETLINK, self.ADD_MEMBERSHIP, group)


class Device:
    """/dev/nbdN, by way of linux/nbd-netlink.h."""

    VERSION = 1
    CONNECT, DISCONNECT, RECONFIGURE, LINK_DEAD = 1, 2, 3, 4
    INDEX, SIZE_BYTES, BLOCK_SIZE_BYTES, TIMEOUT, SERVER_FLAGS, SOCKETS, DEAD_CONN_TIMEOUT = 1, 2, 3, 4, 5, 7, 8
    SOCK_ITEM, SOCK_FD = 1, 1

    def __init__(self, path):
        self.index = int(re.fullmatch(r"/dev/nbd(\d+)", path)[1])
        self.commands, self.events = GenericNetlink(), GenericNetlink()
        self.family, groups = self.commands.find_family(b"nbd")
        self.events.join(groups[b"nbd_mc_group"])

    def request(self, command, attributes=b""):
        attributes = attribute_u32(self.INDEX, self.index) + attributes
        self.commands.request(self.family, self.VERSION, command, attributes)

    def sockets(self, connection):
        descriptor = attribute_u32(self.SOCK_FD, connection.socket.fileno())
        return attribute(self.SOCKETS, attribute(self.SOCK_ITEM, descriptor))

    def connect(self, connection):
        self.request(
            self.CONNECT,
            attribute_u64(self.SIZE_BYTES, connection.size)
            + attribute_u64(self.BLOCK_SIZE_BYTES, connection.block_size)
            + attribute_u64(self.SERVER_FLAGS, connection.flags)
            + attribute_u64(self.TIMEOUT, REQUEST_TIMEOUT_SECONDS)
            + attribute_u64(self.DEAD_CONN_TIMEOUT, RECONNECT_LIMIT_SECONDS)
            + self.sockets(connection),
        )

    def reconnect(self, connection):
        self.request(self.RECONFIGURE, self.sockets(connection))

    def disconnect(self):
        self.request(self.DISCONNECT)

    def wait_for_dead_link(self):
        while True:
            for kind, command, message in self.events.receive():
                if kind != self.family or command != self.LINK_DEAD:
                    continue
                index = attributes_of(message[GenericNetlink.HEADER_SIZE :])[self.INDEX]
                if struct.unpack("=I", index)[0] == self.index:
                    return


def connect_again(path, export):
    """The export is away for as long as its worker has no successor; at first it may still seem to be there."""
    deadline = time.monotonic() + RECONNECT_LIMIT_SECONDS
    while True:
        time.sleep(0.1)
        try:
            return Connection(path, export)
        except (OSError, NbdError):
            if time.monotonic() > deadline:
                raise


def serve(device, first, path, export):
    """Never returns; the kernel holds on to a connection's socket by itself."""
    expected = (first.size, first.flags, first.block_size)
    while True:
        device.wait_for_dead_link()
        connection = connect_again(path, export)
        if (connection.size, connection.flags, connection.block_size) != expected:
            sys.exit("the export has become another one")
        device.reconnect(connection)
        connection.socket.close()
        print("attached again", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("socket")
    parser.add_argument("export")
    parser.add_argument("device")
    arguments = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    device = Device(arguments.device)
    connection = Connection(arguments.socket, arguments.export)
    device.connect(connection)
    try:
        connection.socket.close()
        print("attached", flush=True)
        serve(device, connection, arguments.socket, arguments.export)
    finally:
        device.disconnect()


main()
