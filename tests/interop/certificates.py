"""Certificates and keys of a test's own, made by certtool."""

import os
import subprocess


def run(*arguments, **options):
    return subprocess.run(
        [str(argument) for argument in arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=True,
        **options,
    ).stdout


class Authority:
    """A folder with the authority's certificate, and one for each that it has certified, under libnbd's and QEMU's names."""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.certificate = os.path.join(folder, "ca-cert.pem")
        self.key = os.path.join(folder, "ca-key.pem")
        self.make_key(self.key)
        template = self.template("ca", [f"cn = {name}", "ca", "cert_signing_key", "crl_signing_key"])
        run("certtool", "--generate-self-signed", "--load-privkey", self.key, "--template", template,
            "--outfile", self.certificate)

    @staticmethod
    def make_key(path):
        run("certtool", "--generate-privkey", "--key-type", "ecdsa", "--outfile", path)
        os.chmod(path, 0o600)

    def template(self, name, lines, days=30):
        path = os.path.join(self.folder, f"{name}.template")
        with open(path, "w", encoding="ascii") as file:
            # Negative days mean for ever to certtool.
            if days < 0:
                lines = [*lines, 'activation_date = "2020-01-01 00:00:00"', 'expiration_date = "2020-01-02 00:00:00"']
            else:
                lines = [*lines, f"expiration_days = {days}"]
            file.write("\n".join([*lines, ""]))
        return path

    def certify(self, name, lines, days=30):
        certificate, key = (os.path.join(self.folder, f"{name}-{what}.pem") for what in ("cert", "key"))
        self.make_key(key)
        run("certtool", "--generate-certificate", "--load-privkey", key, "--load-ca-certificate", self.certificate,
            "--load-ca-privkey", self.key, "--template", self.template(name, lines, days), "--outfile", certificate)
        return certificate, key

    def server(self, name="localhost", address="127.0.0.1"):
        return self.certify("server", [f"cn = {name}", f"dns_name = {name}", f"ip_address = {address}",
                                       "tls_www_server", "signing_key"])

    def client(self, common_name, days=30, purpose="tls_www_client", subject=None):
        """A folder that a client of that name is to be pointed at."""
        if subject is None:
            subject = [f"cn = {common_name}", "organization = Example"]
        certificate, key = self.certify(f"of-{common_name}", [*subject, purpose, "signing_key"], days)
        folder = os.path.join(self.folder, common_name)
        os.makedirs(folder, exist_ok=True)
        for source, name in ((self.certificate, "ca-cert.pem"), (certificate, "client-cert.pem"),
                             (key, "client-key.pem")):
            target = os.path.join(folder, name)
            if os.path.exists(target):
                os.unlink(target)
            os.link(source, target)
        return folder

    def revoke(self, common_name, until="crl_next_update = 30"):
        """The list of revoked certificates, with that one."""
        path = os.path.join(self.folder, "crl.pem")
        run("certtool", "--generate-crl", "--load-ca-certificate", self.certificate, "--load-ca-privkey", self.key,
            "--load-certificate", os.path.join(self.folder, f"of-{common_name}-cert.pem"),
            "--template", self.template("crl", [until, "crl_number = 1"]), "--outfile", path)
        return path


def fingerprint(certificate):
    text = run("certtool", "--certificate-info", "--infile", certificate)
    lines = [line.strip() for line in text.splitlines()]
    return next(line for line in lines if line.startswith("sha256:"))


def write_keys(path, **keys):
    with open(path, "w", encoding="ascii") as file:
        for identity, key in keys.items():
            file.write(f"{identity}:{key}\n")
    os.chmod(path, 0o600)
    return path
