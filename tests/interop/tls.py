#!/usr/bin/python3
"""TLS with other people's clients: certificates and shared keys, who is let in and who is not, what becomes of rude
clients, and of connections when something ends. Starts services of its own."""

import contextlib
import hashlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import time

import nbd

from certificates import Authority, fingerprint, write_keys
from results import Results, expect_error
from service import free_port, is_running, service, wait_until

MIB = 1 << 20
SIZE = 64 * MIB
ALICES_KEY = "00112233445566778899aabbccddeeff" * 2
BOBS_KEY = "ffeeddccbbaa99887766554433221100" * 2
DISK = f"size={SIZE},link=ideal,serial="
A, B = "1209-0001-A-lun0", "1209-0001-B-lun0"


def scratch(name):
    return os.path.join(os.environ["SCRATCH"], name)


def write_file(name, text):
    path = scratch(name)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


class Keys:
    """What all tests use; made once."""

    def __init__(self):
        self.authority = Authority(scratch("pki"))
        self.certificate, self.key = self.authority.server()
        self.alice = self.authority.client("alice")
        self.bob = self.authority.client("bob")
        self.psk = write_keys(scratch("server.psk"), alice=ALICES_KEY, bob=BOBS_KEY)
        self.alices_psk = write_keys(scratch("alice.psk"), alice=ALICES_KEY)

    def config(self, mode="on", access=None, **others):
        keys = {"tls": mode, "tls_certificate": self.certificate, "tls_key": self.key,
                "tls_client_ca": self.authority.certificate, "tls_psk": self.psk, **others}
        if access is not None:
            keys["access_file"] = write_file("access.list", access)
        return "[nbd]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value)


KEYS = None


@contextlib.contextmanager
def tls_service(name, *disks, config=None):
    port = free_port()
    path = write_file(f"{name}.conf", config if config is not None else KEYS.config())
    arguments = ("--config", path, "--nbd", f"tcp:localhost:{port}")
    with service(name, *(DISK + disk for disk in disks or "A"), arguments=arguments) as running:
        running.port = port
        running.config_path = path
        # Its first line in the log is not yet an open socket.
        wait_until(lambda: is_listening(port), "the service listens")
        wait_until(lambda: running.log().count("is exported") >= len(disks or "A"), "the disks are exported")
        yield running


def is_listening(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


def client(folder=None, identity=None, psk=None, name=None):
    handle = nbd.NBD()
    handle.set_tls(nbd.TLS_REQUIRE)
    if folder:
        handle.set_tls_certificates(folder)
    if identity:
        handle.set_tls_username(identity)
        handle.set_tls_psk_file(psk)
    if name:
        handle.set_export_name(name)
    return handle


def connect(running, **who):
    handle = client(**who)
    handle.connect_tcp("localhost", str(running.port))
    return handle


def names(running, **who):
    handle = client(**who)
    found = []
    handle.set_opt_mode(True)
    handle.connect_tcp("localhost", str(running.port))
    handle.opt_list(lambda name, description: found.append(name))
    handle.opt_abort()
    return found


def refused(running, **who):
    try:
        handle = connect(running, **who)
        handle.pread(512, 0)
    except nbd.Error:
        return
    raise AssertionError(f"{who} was let in")


def uri(running, **query):
    who = f"{query.pop('identity')}@" if "identity" in query else ""
    return f"nbds://{who}localhost:{running.port}/{query.pop('name', '')}?" + "&".join(
        f"{key.replace('_', '-')}={value}" for key, value in query.items())


def run(*arguments, **options):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=300, check=False, **options)
    assert done.returncode == 0, f"{arguments}: {done.stdout.decode(errors='replace')}"
    return done.stdout


def certificates_and_keys():
    """a client with a certificate and one with a key are served, over TCP and over a unix socket"""
    with tls_service("both") as running:
        for who in ({"folder": KEYS.alice}, {"identity": "alice", "psk": KEYS.alices_psk}):
            handle = connect(running, **who)
            assert handle.get_protocol() == "newstyle-fixed" and handle.get_tls_negotiated()
            handle.pwrite(b"x" * 4096, 8192)
            handle.flush()
            assert handle.pread(4096, 8192) == b"x" * 4096
            handle.shutdown()
            handle = client(**who)
            handle.set_tls_verify_peer(False)
            handle.connect_unix(running.socket)
            assert handle.get_tls_negotiated() and handle.pread(4096, 8192) == b"x" * 4096
            handle.shutdown()
        # Over a unix socket it is only offered.
        handle = running.connect("")
        assert not handle.get_tls_negotiated()
        handle.shutdown()


def required():
    """where TLS is required, nobody gets anything else before it, also over a unix socket"""
    with tls_service("required", config=KEYS.config(mode="require")) as running:
        for place in (running.socket, None):
            handle = nbd.NBD()
            handle.set_opt_mode(True)
            if place:
                handle.connect_unix(place)
            else:
                handle.connect_tcp("localhost", str(running.port))
            expect_error("ENOTSUP", handle.opt_list, lambda name, description: None)
            try:
                handle.opt_go()
                raise AssertionError("it was let in")
            except nbd.Error:
                pass
        handle = client(folder=KEYS.alice)
        handle.set_tls_verify_peer(False)
        handle.connect_unix(running.socket)
        handle.shutdown()


def strangers():
    """no certificate, another authority's, an expired, a server's and a revoked one, and a wrong key, are not let in"""
    other = Authority(scratch("other-pki"), "other")
    mallory = other.client("mallory")
    os.unlink(os.path.join(mallory, "ca-cert.pem"))
    os.link(KEYS.authority.certificate, os.path.join(mallory, "ca-cert.pem"))
    nobody = scratch("nobody")
    os.makedirs(nobody)
    os.link(KEYS.authority.certificate, os.path.join(nobody, "ca-cert.pem"))
    expired = KEYS.authority.client("expired", days=-1)
    server = KEYS.authority.client("server-like", purpose="tls_www_server")
    KEYS.authority.client("revoked")
    wrong = write_keys(scratch("wrong.psk"), alice=BOBS_KEY, carol=BOBS_KEY)
    config = KEYS.config(tls_client_crl=KEYS.authority.revoke("revoked"))
    with tls_service("strangers", config=config) as running:
        for folder in (nobody, mallory, expired, server, os.path.join(KEYS.authority.folder, "revoked")):
            refused(running, folder=folder)
        for identity in ("alice", "carol"):
            refused(running, identity=identity, psk=wrong)
        # And all others still are.
        connect(running, folder=KEYS.alice).shutdown()
        # A client that knows another authority does not trust us.
        shutil.copy(other.certificate, os.path.join(nobody, "ca-cert.pem.new"))
        os.replace(os.path.join(nobody, "ca-cert.pem.new"), os.path.join(nobody, "ca-cert.pem"))
        refused(running, folder=nobody)
        connect(running, folder=KEYS.alice).shutdown()


def former_list():
    """a list of revoked certificates whose time is over still counts"""
    KEYS.authority.client("gone")
    former = KEYS.authority.revoke("gone", until='crl_this_update_date = "2020-01-01 00:00:00"\n'
                                                 'crl_next_update_date = "2020-02-01 00:00:00"')
    with tls_service("former-list", config=KEYS.config(tls_client_crl=former)) as running:
        refused(running, folder=os.path.join(KEYS.authority.folder, "gone"))
        connect(running, folder=KEYS.alice).shutdown()


def manual():
    """the commands of usb-storaged(8) make certificates that are taken, and a list by which one is not any more"""
    path = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../man/usb-storaged.8.scd")
    with open(path, encoding="utf-8") as file:
        blocks = file.read().replace("\\\\", "\\").split("```\n")[1::2]
    certify, revoke = (block for block in blocks if "certtool" in block)
    folder = scratch("manual")
    os.makedirs(folder)

    def follow(block):
        run("sh", "-e", "-c", block, cwd=folder)

    follow(certify)
    run("certtool", "--verify", "--load-ca-certificate", "ca-cert.pem", "--infile", "server-cert.pem",
        "--verify-hostname", "disks.example.org", cwd=folder)
    files = {"tls_certificate": "server-cert.pem", "tls_key": "server-key.pem", "tls_client_ca": "ca-cert.pem"}
    config = {key: os.path.join(folder, name) for key, name in files.items()}
    access = 'allow * to unix\nallow * to certificate "CN=alice,O=Example"\n'
    with tls_service("manual-service", config=KEYS.config(access=access, **config)) as running:
        manual_connect(running, folder).shutdown()
        follow(revoke)
        write_file("manual-service.conf", KEYS.config(access=access, tls_client_crl=os.path.join(folder, "crl.pem"), **config))
        running.kill(running.process.pid, signal.SIGHUP)
        wait_until(lambda: "tls_client_crl has changed" in running.log(), "the change is told")
        wait_until(lambda: manual_connect(running, folder) is None, "it is refused")


def manual_connect(running, folder):
    """None if it is refused. The name in the service's certificate is not that of this host."""
    handle = client(folder=folder)
    handle.set_tls_verify_peer(False)
    try:
        handle.connect_tcp("localhost", str(running.port))
        handle.pread(512, 0)
    except nbd.Error:
        return None
    return handle


def exports_of_clients():
    """each client sees the exports that the list allows, and writes where it may"""
    access = (f'allow {A} to certificate "CN=alice,O=Example"\n'
              f"allow {B} to fingerprint {fingerprint(os.path.join(KEYS.bob, 'client-cert.pem'))} read-only\n"
              f"allow * to psk bob read-only\n")
    bobs_psk = write_keys(scratch("bob.psk"), bob=BOBS_KEY)
    with tls_service("access", "A", "B", config=KEYS.config(access=access)) as running:
        assert names(running, folder=KEYS.alice) == [A]
        assert names(running, folder=KEYS.bob) == [B]
        assert sorted(names(running, identity="bob", psk=bobs_psk)) == [A, B]
        assert names(running, identity="alice", psk=KEYS.alices_psk) == []
        assert len(running.wait_for_exports(2)) == 2  # over the unix socket, which no line is about
        refused(running, folder=KEYS.alice, name=B)
        refused(running, folder=KEYS.alice, name="no-such-export")
        handle = connect(running, folder=KEYS.alice)  # the only one there is for it
        assert not handle.is_read_only() and handle.can_fua()
        handle.pwrite(b"a" * 512, 0)
        handle.shutdown()
        handle = connect(running, folder=KEYS.bob, name=B)
        assert handle.is_read_only() and not handle.can_trim()
        handle.set_strict_mode(0)
        expect_error("EPERM", handle.pwrite, b"b" * 512, 0)
        expect_error("EPERM", handle.zero, 512, 0)
        assert handle.pread(512, 0) == bytes(512)
        handle.shutdown()


def unix_users():
    """over a unix socket the user and group of the process count"""
    access = f"allow {A} to user {os.getuid()} read-only\nallow {B} to group {os.getgid()}\nallow * to psk x\n"
    path = write_file("unix-access.conf", access)
    config = write_file("unix.conf", f"[nbd]\naccess_file = {path}\nsocket_mode = 0600\n")
    with service("unix", DISK + "A", DISK + "B", arguments=("--config", config)) as running:
        running.wait_for_exports(2)
        assert os.stat(running.socket).st_mode & 0o777 == 0o600
        assert running.connect(A).is_read_only()
        assert not running.connect(B).is_read_only()
        keeper = running.connect(B)
        write_file("unix-access.conf", f"deny {B} to everyone\nallow {A} to unix\n")
        running.kill(running.process.pid, signal.SIGHUP)
        running.wait_for_exports(1)
        assert not running.connect(A).is_read_only()
        keeper.pwrite(b"k" * 512, 0)  # who has one open keeps it
        # A mistake changes nothing.
        write_file("unix-access.conf", "allow * to nobody-in-particular\n")
        running.kill(running.process.pid, signal.SIGHUP)
        wait_until(lambda: "nobody-in-particular: allowed are everyone" in running.log(), "the mistake is told")
        assert running.wait_for_exports(1) == [A]


def reload():
    """other certificates and keys count from a reload on, and connections stay"""
    keys = write_keys(scratch("reload.psk"), alice=ALICES_KEY)
    with tls_service("reload", config=KEYS.config(tls_psk=keys)) as running:
        old = connect(running, identity="alice", psk=KEYS.alices_psk)
        write_keys(scratch("reload.psk.new"), bob=BOBS_KEY)
        os.replace(scratch("reload.psk.new"), keys)
        running.kill(running.process.pid, signal.SIGHUP)
        wait_until(lambda: "tls_psk has changed" in running.log(), "the change is told")

        def is_refused():
            with contextlib.suppress(nbd.Error):
                connect(running, identity="alice", psk=KEYS.alices_psk).shutdown()
                return False
            return True

        wait_until(is_refused, "the former key is refused")
        connect(running, identity="bob", psk=write_keys(scratch("bob.psk"), bob=BOBS_KEY)).shutdown()
        old.pwrite(b"o" * 4096, 0)
        assert old.pread(4096, 0) == b"o" * 4096
        # What is no key lets nobody in, and is told.
        write_keys(keys, alice="too short")
        running.kill(running.process.pid, signal.SIGHUP)
        wait_until(lambda: "TLS can't be used: line 1 of the keys" in running.log(), "the mistake is told")
        refused(running, folder=KEYS.alice)
        old.shutdown()


def refused_configurations():
    """TCP without TLS, a key that is open to all, and keys that are missing are refused, all at once"""
    program = os.path.join(os.environ["BUILD_FOLDER"], "daemon", "usb-storaged")
    open_key = scratch("open-key.pem")
    shutil.copy(KEYS.key, open_key)
    os.chmod(open_key, 0o644)
    path = write_file("refused.conf", f"[nbd]\nlisten = tcp:localhost:10809\ntls_key = {open_key}\n"
                                      f"access_file = {write_file('refused-access.conf', 'allow')}\n")
    done = subprocess.run([program, "--test-config", "--config", path], capture_output=True, encoding="utf-8",
                          timeout=60, check=False)
    assert done.returncode == 1
    for expected in (f"{path}:2: tcp:localhost:10809: no TCP without TLS", f"{path}:3: tls_key needs tls_certificate",
                     f"{path}:3: tls_key = {open_key}: is open to all users", "refused-access.conf:1: the line ends"):
        assert expected in done.stderr, done.stderr
    with tls_service("plain", config="[nbd]\ntcp_without_tls = yes\n") as running:
        run("nbdinfo", f"nbd://localhost:{running.port}/")


def passed_sockets():
    """of sockets that are passed, TCP is refused without TLS, too, and used with it"""
    program = os.path.join(os.environ["BUILD_FOLDER"], "daemon", "usb-storaged")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        os.set_inheritable(listener.fileno(), True)
        # What systemd does, whose descriptors begin at 3.
        script = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{listener.fileno()}'
        start = ["sh", "-c", script, "sh", program, "--bus", "none", "--no-usb", "--runtime-dir", scratch("passed"),
                 "--state-dir", scratch("passed-state"), "--simulate", DISK + "A"]
        done = subprocess.run(start, capture_output=True, encoding="utf-8", timeout=60, check=False, close_fds=False)
        assert done.returncode == 1 and "is TCP, and there is no TLS for it" in done.stderr, done.stderr
        config = write_file("passed.conf", KEYS.config())
        with subprocess.Popen([*start, "--config", config], close_fds=False, stderr=subprocess.DEVNULL) as process:
            try:
                handle = client(identity="alice", psk=KEYS.alices_psk)
                handle.connect_tcp("localhost", str(listener.getsockname()[1]))
                assert handle.get_tls_negotiated() and handle.get_size() == SIZE
                handle.shutdown()
            finally:
                process.terminate()
            assert process.wait(60) == 0


def copies():
    """nbdcopy and qemu-img carry a disk's worth through TLS and back, unchanged"""
    source, target = scratch("source"), scratch("target")
    with open(source, "wb") as file:
        file.write(os.urandom(SIZE))
    qemu = ("--object", f"tls-creds-x509,id=x,dir={KEYS.alice},endpoint=client",
            "--object", f"tls-creds-psk,id=p,dir={scratch('qemu')},endpoint=client,username=alice")
    os.makedirs(scratch("qemu"))
    write_keys(scratch("qemu/keys.psk"), alice=ALICES_KEY)
    with tls_service("copies") as running:
        for address in (uri(running, tls_certificates=KEYS.alice),
                        uri(running, identity="alice", tls_psk_file=KEYS.alices_psk)):
            run("nbdcopy", source, address)
            run("nbdcopy", address, target)
            run("cmp", source, target)
        for credentials in "xp":
            options = f"driver=nbd,host=localhost,port={running.port},export={A},tls-creds={credentials}"
            run("qemu-img", "convert", *qemu, "--target-image-opts", "-n", "-W", "-m", "16", "-f", "raw", source, options)
            run("qemu-img", "compare", *qemu, "--image-opts", f"driver=raw,file.filename={source}", options)
            run("qemu-io", *qemu, "--image-opts", "-c", "write -P 7 0 64k", "-c", "write -z 64k 1M", "-c",
                "read -P 7 0 64k", "-c", "read -P 0 64k 1M", "-c", "write -f 4M 4k", "-c", "flush", options)


def rude_clients():
    """clients that begin and leave, say nonsense or flood are dropped, and nobody else notices"""
    with tls_service("rude") as running:
        front = running.front()
        good = connect(running, folder=KEYS.alice)
        hello = client_hello()
        for size in range(0, len(hello), 37):
            with starttls(running) as rude:
                rude.sendall(hello[:size])
        for data in (b"GET / HTTP/1.1\r\n\r\n", bytes(70000), os.urandom(70000), hello[:5] + b"\xff" * 70000,
                     b"IHAVEOPT\0\0\0\7\0\0\0\6\0\0\0\0\0\0"):
            with starttls(running) as rude:
                with contextlib.suppress(OSError):
                    rude.sendall(data)
                    # Until it is dropped, or it waits for more of what may still become a record.
                    rude.settimeout(1)
                    while rude.recv(4096):
                        pass
        # gnutls-cli speaks no NBD: after its handshake it says nonsense, or goes in the middle of a record.
        for how in ("nonsense", "flood"):
            with starttls(running, keep=True) as rude:
                flood_with_gnutls(rude, how)
        good.pwrite(b"g" * 65536, 0)
        assert good.pread(65536, 0) == b"g" * 65536
        assert running.front() == front and is_running(front)


@contextlib.contextmanager
def starttls(running, keep=False):
    """A connection on which TLS would begin now."""
    with socket.create_connection(("127.0.0.1", running.port), 60) as rude:
        receive(rude, 18)
        rude.sendall(b"\0\0\0\3IHAVEOPT\0\0\0\5\0\0\0\0")
        assert receive(rude, 20)[12:16] == b"\0\0\0\1"
        yield rude


def receive(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, "the server has closed the connection"
        data += more
    return data


def client_hello():
    """What gnutls-cli says first."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with subprocess.Popen(["gnutls-cli", "--insecure", "-p", str(port), "127.0.0.1"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(60)
                hello = connection.recv(65536)
            process.kill()
    assert len(hello) > 100
    return hello


def flood_with_gnutls(rude, how):
    """gnutls-cli through a relay of ours, as it can't say STARTTLS in NBD."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        command = ["gnutls-cli", "--insecure", "-p", str(listener.getsockname()[1]), "--pskusername", "alice", "--pskkey",
                   ALICES_KEY, "--priority", "NORMAL:-KX-ALL:+ECDHE-PSK:+DHE-PSK:+PSK", "127.0.0.1"]
        nonsense = write_file("nonsense", "nonsense\n" * (3 if how == "nonsense" else 100000))
        with open(nonsense, "rb") as text, subprocess.Popen(
                command, stdin=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            connection, _ = listener.accept()
            with connection:
                carry(connection, rude, how)
            process.kill()
            assert b"Handshake was completed" in process.stdout.read()


def carry(one, other, how):
    """Both ways, until one of them ends; a flood is cut in the middle of a record."""
    carried, deadline = 0, time.monotonic() + 20
    for end in (one, other):
        end.setblocking(False)
    while time.monotonic() < deadline:
        for source, target in ((one, other), (other, one)):
            try:
                data = source.recv(1000)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            target.settimeout(20)
            try:
                target.sendall(data)
            except OSError:
                return
            target.setblocking(False)
            carried += len(data)
            if how == "flood" and carried > 20000:
                return
        time.sleep(0.001)


def worker_killed():
    """a worker that is killed ends its clients in TLS, and new ones are served"""
    with tls_service("killed") as running:
        handle = connect(running, folder=KEYS.alice)
        handle.pwrite(b"w" * 4096, 0)
        running.kill(running.worker_of("sim0"))

        def is_cut_off():
            try:
                handle.pread(4096, 0)
            except nbd.Error:
                return handle.aio_is_dead() or handle.aio_is_closed()
            return False

        wait_until(is_cut_off, "the client is cut off")

        def is_served():
            with contextlib.suppress(nbd.Error):
                again = connect(running, folder=KEYS.alice)
                data = again.pread(4096, 0)
                again.shutdown()
                return data == b"w" * 4096
            return False

        wait_until(is_served, "a new client is served, with what was written")


def front_killed():
    """a front that is killed ends its clients in TLS, and the next one has the same keys"""
    with tls_service("front", config=KEYS.config(access=f"allow {A} to psk alice\n")) as running:
        handle = connect(running, identity="alice", psk=KEYS.alices_psk)
        front = running.front()
        running.kill(front)
        wait_until(lambda: running.front() not in (None, front), "there is another front")
        try:
            handle.pread(512, 0)
            raise AssertionError("it lives on")
        except nbd.Error:
            pass
        wait_until(lambda: is_listening(running.port), "it listens")
        connect(running, identity="alice", psk=KEYS.alices_psk).shutdown()
        assert names(running, folder=KEYS.bob) == []


def memory_of(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def is_sanitized():
    """AddressSanitizer keeps what was freed."""
    with open(os.path.join(os.environ["BUILD_FOLDER"], "daemon", "usb-storage-front"), "rb") as file:
        return b"__asan_init" in file.read()


def slow_reader():
    """a client that takes no replies costs a bounded amount of memory, and holds nobody else up"""
    with tls_service("slow") as running:
        front = running.front()
        fast = connect(running, folder=KEYS.alice)
        slow = connect(running, folder=KEYS.bob)
        before = memory_of(front)
        # Requests go out, and nothing is read.
        buffers = [nbd.Buffer(MIB) for _ in range(64)]
        cookies = [slow.aio_pread(buffer, i * MIB % SIZE) for i, buffer in enumerate(buffers)]
        digest = hashlib.sha256(fast.pread(4 * MIB, 0)).digest()
        for _ in range(50):
            assert hashlib.sha256(fast.pread(4 * MIB, 0)).digest() == digest
        grown = memory_of(front) - before
        assert grown < 8 * MIB or is_sanitized(), grown
        assert slow.aio_in_flight() > 0
        # It is not lost.
        for cookie in cookies:
            while not slow.aio_command_completed(cookie):
                slow.poll(-1)
        slow.shutdown()
        fast.shutdown()


def stopped_while_relaying():
    """a service that stops ends its clients in TLS, and ends well"""
    with tls_service("stopped") as running:
        handle = connect(running, folder=KEYS.alice)
        handle.pwrite(b"s" * 4096, 0)
        assert running.stop() == 0
        try:
            handle.pread(512, 0)
            raise AssertionError("it lives on")
        except nbd.Error:
            pass


def main():
    global KEYS  # pylint: disable=global-statement
    results = Results()
    KEYS = Keys()
    for function in (certificates_and_keys, required, strangers, former_list, manual, exports_of_clients, unix_users, reload,
                     refused_configurations, passed_sockets, copies, rude_clients, worker_killed, front_killed, slow_reader,
                     stopped_while_relaying):
        results.check(function)
    results.finish()


main()
