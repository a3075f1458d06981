"""Real certificates for tests, made with the openssl program: a CA, servers, charge points, a revocation list."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

RSA = ("-newkey", "rsa:2048")
ECDSA = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")

CA_CONFIG = """
[ca]
default_ca = it
[it]
dir = {folder}
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
crlnumber = {folder}/crlnumber
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[v3]
subjectAltName = IP:127.0.0.1,DNS:localhost
"""


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: str
    key: str


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        (folder / "index.txt").touch()
        (folder / "serial").write_text("1000\n")
        (folder / "crlnumber").write_text("01\n")
        self._config = folder / "ca.cnf"
        self._config.write_text(CA_CONFIG.format(folder=folder))
        self.certificate = str(folder / "ca.pem")
        subject = f"/O=Authority/CN={name}"
        _openssl("req", "-x509", *RSA, "-nodes", "-days", "30", "-subj", subject, "-out", self.certificate,
                 "-keyout", str(folder / "ca.key"))  # fmt: skip

    def issue(self, common_name: str, organisation: str = "", algorithm: tuple[str, ...] = ECDSA) -> Pair:
        """A certificate for this subject, good for 127.0.0.1 as a server's."""
        stem = str(self._folder / f"{len(list(self._folder.iterdir()))}")
        subject = (f"/O={organisation}" if organisation else "") + f"/CN={common_name}"
        _openssl("req", "-new", *algorithm, "-nodes", "-subj", subject, "-out", f"{stem}.csr", "-keyout", f"{stem}.key")
        _openssl("ca", "-batch", "-notext", "-config", str(self._config), "-extensions", "v3",
                 "-in", f"{stem}.csr", "-out", f"{stem}.pem")  # fmt: skip
        return Pair(f"{stem}.pem", f"{stem}.key")

    def revoke(self, pair: Pair) -> None:
        _openssl("ca", "-config", str(self._config), "-revoke", pair.certificate)

    def revocation_list(self) -> str:
        """The list as it is now, in the same file as ever."""
        crl = str(self._folder / "crl.pem")
        _openssl("ca", "-config", str(self._config), "-gencrl", "-out", crl)
        return crl


def client_context(authority: Authority, client: Pair | None = None, **limits: object) -> ssl.SSLContext:
    """What a charge point trusts and shows; ``limits`` are attributes of the context, ``ciphers`` its suites."""
    context = ssl.create_default_context(cafile=authority.certificate)
    ciphers = limits.pop("ciphers", None)
    if ciphers is not None:
        context.set_ciphers(str(ciphers))
    for name, value in limits.items():
        setattr(context, name, value)
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    return context


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
