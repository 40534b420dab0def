#!/usr/bin/python3
"""systemd is told what sd_notify(3) has words for: here it is a socket. Starts services of its own."""

import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../cli"))

from fake_bus import bus
from notify import Systemd
from results import Results
from service import process_stat, service, wait_until

DISK = "size=16M,serial=A"
WATCHDOG_US = 3_000_000
STORED_NAME = "cache-1209-0001-A."


def ready():
    """it is ready when its socket is listened on, and once"""
    systemd = Systemd("ready.notify")
    with service("ready", prefix=systemd.arguments()) as running:
        systemd.wait_for_line("READY", "1")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(running.socket)
            client.settimeout(60)
            assert client.recv(8) == b"NBDMAGIC"
        assert running.stop() == 0
        systemd.read()
        assert [message for message in systemd.heard if "READY" in message] == [{"READY": "1"}]


def failed():
    """one that can't listen is never ready, and tells why"""
    systemd = Systemd("failed.notify")
    with service("failed", prefix=systemd.arguments()) as running:
        systemd.wait_for_line("READY", "1")
        other = Systemd("other.notify")
        with service("other", arguments=("--nbd", f"unix:{running.socket}"), prefix=other.arguments()) as late:
            assert late.wait_for_end() == 1
        other.read()
        assert other.heard == [{"STATUS": "Can't start: Address already in use", "ERRNO": "98"}], other.heard


def status():
    """the line follows what comes and goes"""
    with bus() as own_bus:
        systemd = Systemd("status.notify")
        arguments = ("--bus", own_bus.address)
        with service("status", DISK, "size=16M,luns=2,serial=B", arguments=arguments, prefix=systemd.arguments()) as running:
            systemd.wait_for_line("READY", "1")
            systemd.wait_for_line("STATUS", "2 disks, 3 exports")
            wait_until(lambda: own_bus.run("list").status == 0, "it is on the bus")
            assert own_bus.run("release", "sim1").status == 0
            systemd.wait_for_line("STATUS", "1 disk, 1 export")
            worker = running.worker_of("sim0")
            running.kill(worker)
            systemd.wait_for_line("STATUS", "1 disk, 0 exports")
            systemd.wait_for_line("STATUS", "1 disk, 1 export")
            assert running.stop() == 0


def watchdog():
    """signs of life come from the manager, and only while it runs"""
    systemd = Systemd("watchdog.notify", WATCHDOG_US)
    with service("watchdog", DISK, prefix=systemd.arguments()) as running:
        for _ in range(5):
            systemd.wait_for_line("WATCHDOG", "1")
        running.wait_for_exports(1)
        running.kill(running.process.pid, signal.SIGSTOP)
        wait_until(lambda: process_stat(running.process.pid)[1] == "T", "it is stopped")
        systemd.read()
        assert not systemd.hears_within(2 * WATCHDOG_US), systemd.heard[-1]
        running.kill(running.process.pid, signal.SIGCONT)
        systemd.wait_for_line("WATCHDOG", "1")
        assert running.stop() == 0


def reload():
    """a reload begins and ends, also one that finds mistakes"""
    systemd = Systemd("reload.notify")
    path = os.path.join(os.environ["SCRATCH"], "reload.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[daemon]\nlog_level = info\n")
    with service("reload", arguments=("--config", path), prefix=systemd.arguments()) as running:
        systemd.wait_for_line("READY", "1")
        for text in ("[daemon]\nlog_level = debug\n", "[daemon]\nlog_level = loud\n"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            asked_us = time.monotonic_ns() // 1000
            running.process.send_signal(signal.SIGHUP)
            message = systemd.wait_for(lambda message: message.get("RELOADING") == "1", "of a reload")
            assert int(message["MONOTONIC_USEC"]) >= asked_us
            assert systemd.wait_for(lambda message: True, "more") == {"READY": "1"}
        assert running.stop() == 0


def stop():
    """a stop is told once, before the last sign of life"""
    systemd = Systemd("stop.notify")
    with service("stop", DISK, prefix=systemd.arguments()) as running:
        running.wait_for_exports(1)
        systemd.read()
        n_before = len(systemd.heard)
        assert running.stop() == 0
        systemd.read()
        told = systemd.heard[n_before:]
        assert told[0] == {"STOPPING": "1"}, told
        assert [message for message in told if "STOPPING" in message] == told[:1], told
        lines = [message["STATUS"] for message in told if "STATUS" in message]
        assert lines and all(line.startswith("Stopping: ") for line in lines), told
        assert not any("READY" in message for message in told), told
        assert not systemd.kept, systemd.kept


def store():
    """an arena is kept from before the export is offered, under the device's name, and is no more than memory"""
    systemd = Systemd("store.notify")
    with service("store", DISK, prefix=systemd.arguments()) as running:
        systemd.wait_for(lambda message: "FDSTORE" in message, "of a descriptor")
        stored = systemd.heard[-1]
        assert stored["FDPOLL"] == "0" and stored["FDNAME"].startswith(STORED_NAME), stored
        assert not any(message.get("STATUS", "").endswith("1 export") for message in systemd.heard), systemd.heard
        (fd,) = systemd.kept.values()
        assert os.readlink(f"/proc/self/fd/{fd}").startswith("/memfd:"), os.readlink(f"/proc/self/fd/{fd}")
        running.wait_for_exports(1)
        assert running.stop() == 0
        systemd.read()
        assert not systemd.kept


def main():
    results = Results()
    for check in (ready, failed, status, watchdog, reload, stop, store):
        results.check(check)
    results.finish()


main()
