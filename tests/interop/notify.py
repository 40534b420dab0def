"""The end of sd_notify(3) that systemd has: a socket, what came through it, and a store of descriptors."""

import os
import select
import socket
import time

from service import PATIENCE_S


class Systemd:
    def __init__(self, name, watchdog_us=0):
        self.path = os.path.join(os.environ["SCRATCH"], name)
        self.watchdog_us = watchdog_us
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.kept = {}
        self.heard = []  # each message a dictionary

    def receive(self):
        """The next message, which is dealt with and noted; None if there is none."""
        try:
            text, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
        except BlockingIOError:
            return None
        message = dict(line.split("=", 1) for line in text.decode().split("\n"))
        name = message.get("FDNAME")
        if "FDSTORE" in message:
            assert name not in self.kept and len(fds) == 1
            self.kept[name] = fds[0]
        else:
            assert not fds
        if "FDSTOREREMOVE" in message:
            os.close(self.kept.pop(name))
        self.heard.append(message)
        return message

    def read(self):
        while self.receive() is not None:
            pass

    def wait_for(self, condition, what):
        """Until a message, from now on, meets `condition`; returns it."""
        end = time.monotonic() + PATIENCE_S
        while True:
            message = self.receive()
            if message is None:
                assert time.monotonic() < end, f"waited in vain until systemd is told {what}; it was told {self.heard}"
                select.select([self.socket], [], [], 1)
            elif condition(message):
                return message

    def hears_within(self, timeout_us):
        return bool(select.select([self.socket], [], [], timeout_us / 1e6)[0])

    def wait_for_line(self, key, value):
        return self.wait_for(lambda message: message.get(key) == value, f"{key}={value}")

    def arguments(self):
        """To begin a command line with: environment and descriptors as of a service."""
        script = ""
        if self.kept:
            moves = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(self.kept.values()))
            names = ":".join(self.kept)
            script = f"exec {moves}; LISTEN_PID=$$ LISTEN_FDS={len(self.kept)} LISTEN_FDNAMES={names} "
        if self.watchdog_us:
            script += f"WATCHDOG_PID=$$ WATCHDOG_USEC={self.watchdog_us} "
        return ["bash", "-c", f'{script}NOTIFY_SOCKET={self.path} exec "$@"', "bash"]
