"""Signing requests are checked, signed and sent; what is installed is what the charge point says."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from ocpp_app import certificate_signing, certificates
from ocpp_app.commands import issue_command
from ocpp_app.errors import SignerUnavailable, SigningRequestRefused
from ocpp_app.models import (
    CertificateRequest,
    ChargePoint,
    Command,
    CommandState,
    InstalledCertificate,
    Organisation,
)
from ocpp_app.rpc.command_care import dispatch_queued_commands
from ocpp_app.rpc.housekeeping import Housekeeping
from ocpp_app.signers import DevelopmentCA, Signer
from ocppj.messages import Request
from ocppj.v16 import (
    CertificateHashDataType,
    CertificateUseEnumType,
    DeleteCertificateRequest,
    GetInstalledCertificateIdsRequest,
    InstallCertificateRequest,
)
from tests.ocpp_app import pki
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("development_ca")]

MANUFACTURER = CertificateUseEnumType.ManufacturerRootCertificate
CENTRAL_SYSTEM = CertificateUseEnumType.CentralSystemRootCertificate


class Unreachable(Signer):
    def sign(self, csr: str, charge_point: ChargePoint) -> str:
        raise SignerUnavailable("The authority does not answer.")


class Unwilling(Signer):
    def sign(self, csr: str, charge_point: ChargePoint) -> str:
        raise SigningRequestRefused(f"Nobody knows {charge_point.identity}.")


class Broken(Signer):
    def sign(self, csr: str, charge_point: ChargePoint) -> str:
        return "no certificate"


def sign(wire: Wire, csr: str) -> str:
    return str(wire.ask("SignCertificate", {"csr": csr})["status"])


def the_request() -> CertificateRequest:
    return CertificateRequest.objects.get()


def answer(wire: Wire, command: Command, payload: str) -> None:
    assert wire.call(f'[3,"{command.pk}",{payload}]') is None


# -- signing requests --------------------------------------------------------------------------------------------------


@pytest.mark.spec("security whitepaper", "A02.FR.11")
def test_request_is_signed_after_the_reply_and_sent(wire: Wire) -> None:
    assert sign(wire, pki.csr()) == "Accepted"
    assert the_request().state == "accepted"
    assert Command.objects.count() == 0  # not before the reply

    assert certificate_signing.sign_waiting() == 1
    row = the_request()
    assert (row.state, row.subject) == ("signed", "CN=CP001,O=Operator")
    assert row.command is not None
    (items,) = dispatch_queued_commands().values()
    action, payload = json.loads(items[0].raw)[2:]  # type: ignore[union-attr]
    assert (action, payload) == ("CertificateSigned", {"certificateChain": row.certificate_chain})

    answer(wire, row.command, '{"status":"Accepted"}')
    assert the_request().state == "installed"


@pytest.mark.spec("security whitepaper", "A00.FR.511")
def test_certificate_of_the_development_ca_is_one_that_openssl_takes(wire: Wire, tmp_path: Path) -> None:
    sign(wire, pki.csr())
    certificate_signing.sign_waiting()
    (tmp_path / "ca.pem").write_text(DevelopmentCA().certificate())
    (tmp_path / "cp.pem").write_text(the_request().certificate_chain)
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.pem", "cp.pem"]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True).stdout == "cp.pem: OK\n"
    certificate = certificates.load(the_request().certificate_chain)
    assert certificates.common_names(certificate.subject) == ["CP001"]
    assert certificates.organisations(certificate.subject) == ["Operator"]


def test_development_ca_stays_the_same(wire: Wire, private_files: Any) -> None:
    assert DevelopmentCA().certificate() == DevelopmentCA().certificate()
    assert Path(private_files.path(DevelopmentCA.FILES[0])).stat().st_mode & 0o077 == 0


@pytest.mark.spec("security whitepaper", "A02.FR.07")
def test_certificate_that_the_charge_point_discards(wire: Wire) -> None:
    sign(wire, pki.csr())
    certificate_signing.sign_waiting()
    command = the_request().command
    assert command is not None
    answer(wire, command, '{"status":"Rejected"}')
    assert (the_request().state, the_request().detail) == ("failed", "The charge point answered Rejected.")


def test_certificate_that_never_reached_the_charge_point(wire: Wire) -> None:
    sign(wire, pki.csr())
    certificate_signing.sign_waiting()
    Command.objects.update(state=CommandState.EXPIRED, reason="too old")
    certificate_signing.sign_waiting()
    assert the_request().detail == "The certificate did not reach the charge point: too old"


@pytest.mark.parametrize("state", [CommandState.TIMED_OUT, CommandState.LOST])
def test_certificate_of_which_nothing_was_heard_has_failed_until_the_late_answer(
    state: CommandState, wire: Wire
) -> None:
    sign(wire, pki.csr())
    certificate_signing.sign_waiting()
    Command.objects.update(state=state, reason="no answer")
    now = 1000.0
    keeper = Housekeeping("worker-1", lambda: now)
    now += 61
    keeper.run_when_due()
    assert the_request().state == "failed"
    assert the_request().detail == "The charge point never said whether it has taken the certificate: no answer"
    command = the_request().command
    assert command is not None
    answer(wire, command, '{"status":"Accepted"}')
    assert the_request().state == "installed"


def weakly_signed() -> str:
    """Signed with SHA-1, which the library that makes the others refuses to do."""
    make = ["openssl", "req", "-new", "-sha1", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null"]
    return subprocess.run([*make, "-subj", "/O=Operator/CN=CP001"], capture_output=True, text=True).stdout


WRONG: dict[str, tuple[Callable[[], str], str]] = {
    "no request": (lambda: "hello", "no PEM signing request"),
    "short RSA key": (lambda: pki.csr(pki.rsa_key(1024)), "1024 bits; at least 2048 are needed (A00.FR.502)"),
    "short EC key": (lambda: pki.csr(pki.ec_key(ec.SECP192R1())), "192 bits; at least 224 are needed (A00.FR.503)"),
    "SHA-1": (weakly_signed, "signed with SHA1"),
    "no organisation": (lambda: pki.csr(organisation=None), "no organisation (O)"),
    "no common name": (lambda: pki.csr(common_name=None), "no common name (CN)"),
    "of somebody else": (lambda: pki.csr(common_name="CP002"), "registered as SN12 or CP001"),
    "two in one": (lambda: pki.csr(common_name="SN12 SN13"), "registered as SN12 or CP001"),
    "an address": (lambda: pki.csr(common_name="10.0.0.1"), "is an address"),
}


@pytest.mark.parametrize(("make", "why"), WRONG.values(), ids=WRONG)
@pytest.mark.spec("security whitepaper", "A02.FR.12")
def test_wrong_request_is_refused_and_kept(make: Callable[[], str], why: str, connect: Connect) -> None:
    wire = connect(registered_serial_number="SN12")
    csr = make()
    assert sign(wire, csr) == "Rejected"
    row = the_request()
    assert (row.state, row.csr) == ("refused", csr)
    assert why in row.detail
    assert certificate_signing.sign_waiting() == 0


def test_tampered_request_is_refused(wire: Wire) -> None:
    lines = pki.csr().splitlines()
    lines[2] = lines[2][:10] + ("A" if lines[2][10] != "A" else "B") + lines[2][11:]
    assert sign(wire, "\n".join(lines)) == "Rejected"


def test_serial_number_and_trusted_organisation_are_taken(connect: Connect, settings: Any) -> None:
    settings.OCPP_TRUSTED_OPERATORS = ["Operator"]
    wire = connect(registered_serial_number="SN12")
    assert sign(wire, pki.csr(common_name="SN12")) == "Accepted"
    assert sign(wire, pki.csr(common_name="SN12", organisation="Thief")) == "Rejected"
    assert "OCPP_TRUSTED_OPERATORS: Operator" in CertificateRequest.objects.latest("pk").detail


@pytest.mark.parametrize(
    ("own", "theirs"),
    [
        pytest.param({"registered_serial_number": "VICTIM"}, {}, id="own serial number is another's identity"),
        pytest.param(
            {"registered_serial_number": "SN12"}, {"registered_serial_number": "SN12"}, id="same serial number"
        ),
        pytest.param(
            {"identity": "EVIL-SN12"}, {"registered_serial_number": "SN12"}, id="another's within the identity"
        ),
    ],
)
def test_name_that_would_let_it_in_as_another_is_refused(
    own: dict[str, str], theirs: dict[str, str], connect: Connect
) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    ChargePoint.objects.create(identity="VICTIM", organisation=other, **theirs)
    wire = connect(**{"identity": "CP001", **own})
    name = own.get("registered_serial_number") or own["identity"]
    assert sign(wire, pki.csr(common_name=name)) == "Rejected"
    assert "another charge point" in the_request().detail


def test_without_a_signer_every_request_is_refused(wire: Wire, settings: Any) -> None:
    settings.OCPP_CERTIFICATE_SIGNER = ""
    assert sign(wire, pki.csr()) == "Rejected"
    assert the_request().detail == "Nobody signs certificates here: set OCPP_CERTIFICATE_SIGNER."


@pytest.mark.parametrize(
    ("signer", "state", "detail"),
    [
        ("Unreachable", "accepted", "Attempt 1: The authority does not answer."),
        ("Unwilling", "failed", "Nobody knows CP001."),
        ("Broken", "failed", "This is no PEM certificate"),
        ("Missing", "accepted", "Attempt 1: OCPP_CERTIFICATE_SIGNER names"),
    ],
)
def test_signer_that_fails(signer: str, state: str, detail: str, wire: Wire, settings: Any) -> None:
    settings.OCPP_CERTIFICATE_SIGNER = f"{__name__}.{signer}"
    sign(wire, pki.csr())
    assert certificate_signing.sign_waiting() == 1
    row = the_request()
    assert row.state == state
    assert row.detail.startswith(detail)
    assert certificate_signing.sign_waiting() == 0  # not again at once
    settings.OCPP_CERTIFICATE_SIGNER = "ocpp_app.signers.DevelopmentCA"
    CertificateRequest.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    certificate_signing.sign_waiting()
    assert the_request().state == ("signed" if state == "accepted" else "failed")


@pytest.mark.spec("security whitepaper", "7.3")
def test_chain_that_the_charge_point_cannot_take_is_not_sent(wire: Wire) -> None:
    name = "CertificateSignedMaxChainSize"
    wire.charge_point.configuration_keys.create(key=name, name=name.casefold(), value="100")
    sign(wire, pki.csr())
    certificate_signing.sign_waiting()
    assert the_request().state == "failed"
    assert the_request().detail.endswith("CertificateSignedMaxChainSize of the charge point is 100.")
    assert Command.objects.count() == 0


# -- what is installed -------------------------------------------------------------------------------------------------


def hash_data(certificate: x509.Certificate, algorithm: str = "SHA256") -> CertificateHashDataType:
    return CertificateHashDataType(**asdict(certificates.hash_data(certificate, algorithm=algorithm)))


def on_the_wire(data: CertificateHashDataType) -> dict[str, str]:
    return {
        "hashAlgorithm": str(data.hash_algorithm),
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }


def ask(wire: Wire, message: Request, payload: dict[str, Any]) -> None:
    answer(wire, issue_command(wire.identity, message), json.dumps(payload))


def install(wire: Wire, certificate: x509.Certificate, use: Any = MANUFACTURER, status: str = "Accepted") -> None:
    message = InstallCertificateRequest(certificate_type=use, certificate=pki.pem(certificate))
    ask(wire, message, {"status": status})


def listed(wire: Wire, *data: dict[str, str], use: Any = MANUFACTURER) -> None:
    payload: dict[str, Any] = {"status": "NotFound"}
    if data:
        payload = {"status": "Accepted", "certificateHashData": list(data)}
    ask(wire, GetInstalledCertificateIdsRequest(certificate_type=use), payload)


def installed() -> list[str]:
    rows = InstalledCertificate.objects.filter(removed_at=None).order_by("pk")
    return [row.subject or row.serial_number for row in rows]


def test_hashes_are_those_that_openssl_computes(tmp_path: Path) -> None:
    certificate = pki.root()
    (tmp_path / "root.pem").write_text(pki.pem(certificate))
    ocsp = ["openssl", "ocsp", "-issuer", "root.pem", "-sha256", "-cert", "root.pem", "-req_text"]
    printed = subprocess.run(ocsp, cwd=tmp_path, capture_output=True, text=True).stdout
    data = certificates.hash_data(certificate)
    assert f"Issuer Name Hash: {data.issuer_name_hash.upper()}" in printed
    assert f"Issuer Key Hash: {data.issuer_key_hash.upper()}" in printed
    assert f"{int(data.serial_number, 16):X}" in printed


@pytest.mark.spec("security whitepaper", "M05.FR.02")
def test_installed_certificate_is_known_and_the_list_is_asked_for(wire: Wire) -> None:
    install(wire, pki.root("Maker"))
    assert installed() == ["CN=Maker,O=Operator"]
    asked = Command.objects.latest("created_at")
    assert (asked.action, asked.payload) == (
        "GetInstalledCertificateIds",
        {"certificateType": "ManufacturerRootCertificate"},
    )


def test_refused_certificate_is_not_installed(wire: Wire) -> None:
    install(wire, pki.root(), status="Rejected")
    assert installed() == []


@pytest.mark.spec("security whitepaper", "M03.FR.04")
@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
def test_list_of_the_charge_point_is_the_truth(algorithm: str, wire: Wire) -> None:
    kept, lost, unknown = pki.root("Kept", serial_number=0xAB), pki.root("Lost"), pki.root("Unknown")
    install(wire, kept)
    install(wire, lost)
    install(wire, pki.root("Other"), CENTRAL_SYSTEM)
    told = on_the_wire(hash_data(kept, algorithm))
    as_it_writes = {**told, "serialNumber": "00ab", "issuerKeyHash": told["issuerKeyHash"].upper()}
    listed(wire, as_it_writes, on_the_wire(hash_data(unknown)))
    assert installed() == ["CN=Kept,O=Operator", "CN=Other,O=Operator", f"{unknown.serial_number:X}"]
    row = InstalledCertificate.objects.get(subject="CN=Kept,O=Operator")
    assert (row.hash_algorithm, row.serial_number) == (algorithm, "00ab")  # M04.FR.07: deleted by what it has told
    assert row.seen_at is not None
    listed(wire)
    assert installed() == ["CN=Other,O=Operator"]


@pytest.mark.spec("security whitepaper", "M04.FR.02")
@pytest.mark.parametrize(("status", "left"), [("Accepted", []), ("NotFound", []), ("Failed", ["CN=Root,O=Operator"])])
def test_deleted_certificate_is_gone(status: str, left: list[str], wire: Wire) -> None:
    certificate = pki.root()
    install(wire, certificate)
    ask(wire, DeleteCertificateRequest(certificate_hash_data=hash_data(certificate)), {"status": status})
    assert installed() == left
    install(wire, certificate)
    assert installed() == ["CN=Root,O=Operator"]
    assert InstalledCertificate.objects.count() == 1
