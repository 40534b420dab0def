#!/usr/bin/python3
"""Clients whose TLS ends in the front: told as all others are, with where they come from and who TLS says they are."""

import os
import re
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../interop"))

# pylint: disable=wrong-import-position
import nbd
from certificates import Authority, fingerprint, write_keys
from private_bus import BUILD_FOLDER, ROOT, expect_failure, private_bus, read_name, skip_unless_root, wait_until
from results import Results
from service import free_port

DEVICE = f"{ROOT}/devices/sim0"
KEY = "00112233445566778899aabbccddeeff" * 2
ALICE = "certificate CN=alice,O=Example"


class Checks:
    def __init__(self, bus, folder):
        self.bus = bus
        self.root = bus.caller()
        self.authority = Authority(os.path.join(folder, "pki"))
        self.alice = self.authority.client("alice")
        self.psk = write_keys(os.path.join(folder, "psk"), bob=KEY)
        self.port = free_port()
        certificate, key = self.authority.server()
        config = os.path.join(folder, "tls.conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(f"[nbd]\ntls = on\ntls_certificate = {certificate}\ntls_key = {key}\n"
                       f"tls_client_ca = {self.authority.certificate}\ntls_psk = {self.psk}\n")
        bus.start_service("--config", config, "--nbd", f"tcp:localhost:{self.port}", specs=["size=8M,serial=DISK"])
        wait_until(lambda: self.root.get("Manager", "NExports") == 1, "all is exported")

    def clients(self):
        return self.root.get("Device", "Clients", DEVICE)

    def wait_for_clients(self, n_clients):
        wait_until(lambda: self.root.get("Lun", "NClients", f"{DEVICE}/lun0") == n_clients, f"{n_clients} are counted")
        return wait_until(lambda: len(self.clients()) == n_clients and [self.clients()], "as many are listed")[0]

    def client(self, folder=None, identity=None):
        handle = nbd.NBD()
        handle.set_tls(nbd.TLS_REQUIRE)
        handle.set_tls_verify_peer(False)
        if folder:
            handle.set_tls_certificates(folder)
        else:
            handle.set_tls_username(identity)
            handle.set_tls_psk_file(self.psk)
        return handle

    def over_tcp(self, **who):
        """Returns the client, and its address as the service should know it."""
        handle = self.client(**who)
        with socket.socket() as connection:
            connection.connect(("127.0.0.1", self.port))
            address = "{}:{}".format(*connection.getsockname())
            handle.connect_socket(connection.detach())
        return handle, address

    def run(self, *words):
        return subprocess.run([os.path.join(BUILD_FOLDER, "src/cli/usb-storagectl"), *words], check=True, text=True,
                              env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address},
                              stdin=subprocess.DEVNULL, capture_output=True).stdout  # fmt: skip

    def they_have_their_address_and_what_tls_says(self):
        alice, alices_address = self.over_tcp(folder=self.alice)
        bob, bobs_address = self.over_tcp(identity="bob")
        expected = [(0, 0, 0, alices_address, ALICE), (0, 0, 0, bobs_address, "psk bob")]
        clients = self.wait_for_clients(2)
        assert clients == expected, clients
        text = self.run("status", "sim0")
        assert f"client {alices_address} ({ALICE})\n" in text and f"client {bobs_address} (psk bob)\n" in text, text
        samples = re.findall(r"^usb_storage_export_clients\{.*\} (\d+)$", self.run("metrics"), re.M)
        assert samples == ["2"], samples
        failure = expect_failure("DeviceBusy", self.root.call, "Device", "Remove", "(@a{sv} {},)", path=DEVICE)
        assert failure.message.endswith(f": {alices_address} ({ALICE}), {bobs_address} (psk bob)"), failure.message
        alice.shutdown()
        clients = self.wait_for_clients(1)
        assert clients == expected[1:], clients
        bob.shutdown()
        self.wait_for_clients(0)

    def over_a_unix_socket_they_have_their_process_too(self):
        handle = self.client(folder=self.alice)
        handle.connect_unix(f"{self.bus.folder}/runtime/nbd.sock")
        clients = self.wait_for_clients(1)
        assert clients == [(0, os.getpid(), os.getuid(), read_name(), ALICE)], clients
        assert f"(process {os.getpid()}, user {os.getuid()}, {ALICE})\n" in self.run("status", "sim0")
        handle.shutdown()
        self.wait_for_clients(0)

    def a_certificate_without_a_subject_is_told_by_its_fingerprint(self):
        folder = self.authority.client("nobody", subject=[])
        handle, address = self.over_tcp(folder=folder)
        expected = f"fingerprint {fingerprint(os.path.join(folder, 'client-cert.pem'))}"
        clients = self.wait_for_clients(1)
        assert clients == [(0, 0, 0, address, expected)], clients
        handle.shutdown()
        self.wait_for_clients(0)

    def a_front_that_dies_leaves_nobody(self):
        handle, _ = self.over_tcp(identity="bob")
        self.wait_for_clients(1)
        fronts = subprocess.run(["pgrep", "-P", str(self.bus.programs[0].pid), "usb-storage-fnt"], check=True, text=True,
                                capture_output=True).stdout.split()  # fmt: skip
        os.kill(int(fronts[0]), 9)
        self.wait_for_clients(0)
        try:
            handle.pread(512, 0)
            raise AssertionError("it was served without a front")
        except nbd.Error:
            pass


def main():
    skip_unless_root()
    results = Results()
    with private_bus() as bus, tempfile.TemporaryDirectory() as folder:
        checks = Checks(bus, folder)
        for check in (
            checks.they_have_their_address_and_what_tls_says,
            checks.over_a_unix_socket_they_have_their_process_too,
            checks.a_certificate_without_a_subject_is_told_by_its_fingerprint,
            checks.a_front_that_dies_leaves_nobody,
        ):
            results.check(check)
    results.finish()


main()
