"""What keeps certificates true: signing requests and their answers, what is installed on a charge point.

Security whitepaper A02, A03, M03, M04, M05.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from ocpp_app import certificates, conf, signals, signing_requests
from ocpp_app.batch import Batch
from ocpp_app.bulk import fit
from ocpp_app.certificates import HashData, key_of
from ocpp_app.errors import CertificateInvalid, SigningRequestRefused
from ocpp_app.middleware.base import OCPPRequest, OCPPResponse
from ocpp_app.models import CertificateRequest, ChargePoint, InstalledCertificate, RequestState
from ocppj.v16 import (
    CertificateSignedStatusEnumType,
    CertificateStatusEnumType,
    CertificateUseEnumType,
    DeleteCertificateStatusEnumType,
    GenericStatusEnumType,
    GetInstalledCertificateIdsRequest,
    GetInstalledCertificateStatusEnumType,
)

SOURCE = "certificates"
NO_SIGNER = "Nobody signs certificates here: set OCPP_CERTIFICATE_SIGNER."
ASKED_WITHIN = timedelta(hours=1)
"""How long the question what is installed now may wait for its charge point."""


# -- signing requests ----------------------------------------------------------------------------------------


def take_request(request: OCPPRequest) -> GenericStatusEnumType:
    """Check and keep a SignCertificate.req; what is accepted is signed after the reply, by housekeeping."""
    row = CertificateRequest(
        charge_point=request.charge_point,
        csr=request.message.csr,
        subject=signing_requests.subject_of(request.message.csr),
        state=RequestState.ACCEPTED,
        created_at=request.received_at,
    )
    try:
        if not conf.certificate_signer():
            raise SigningRequestRefused(NO_SIGNER)
        signing_requests.check(request.message.csr, request.charge_point)
    except SigningRequestRefused as error:
        row.state, row.detail, row.finished_at = RequestState.REFUSED, str(error), request.received_at
    request.batch.add_with_key(row)
    request.batch.send(
        signals.certificate_requested, CertificateRequest, charge_point=request.charge_point, certificate_request=row
    )
    accepted = row.state == RequestState.ACCEPTED
    return GenericStatusEnumType.Accepted if accepted else GenericStatusEnumType.Rejected


def note_signed_answer(request: OCPPRequest) -> None:
    """Follow the answer to a CertificateSigned.req: installed, or discarded (A02.FR.06, A02.FR.07)."""
    row = (
        CertificateRequest.objects.select_for_update(of=("self",), no_key=True).filter(command=request.command).first()
    )
    command = request.command
    if row is None or command is None or row.state not in (RequestState.SIGNED, RequestState.FAILED):
        return
    row.finished_at = request.received_at
    if request.message is None:
        row.state, row.detail = RequestState.FAILED, f"{command.error_code} {command.error_description}".strip()
    elif request.message.status == CertificateSignedStatusEnumType.Accepted:
        row.state, row.detail = RequestState.INSTALLED, ""
    else:
        row.state, row.detail = RequestState.FAILED, f"The charge point answered {request.message.status}."
    fit(row)
    row.save(update_fields=["state", "detail", "finished_at"])


# -- what is installed ---------------------------------------------------------------------------------------


def note_install_answer(request: OCPPRequest, response: OCPPResponse) -> None:
    """A certificate that was accepted is installed; then the charge point is asked what it has now, since a new root
    may have replaced an old one (M05.FR.09)."""
    if request.message is None or request.message.status != CertificateStatusEnumType.Accepted:
        return
    assert request.command is not None
    use, pem = request.command.payload["certificateType"], request.command.payload["certificate"]
    try:
        facts = certificates.facts(certificates.load(pem))
    except CertificateInvalid:
        facts = None
    if facts is not None:
        known = _Known(request.charge_point, use)
        data = next(certificates.every_hash_data(pem))
        row = known.find(certificates.every_hash_data(pem)) or _new(request.charge_point, use, data)
        row.pem, row.subject, row.not_after = pem, facts.subject, facts.not_after
        row.installed_at, row.removed_at = request.received_at, None
        _save(row)
    ask_what_is_installed(request.batch, response, [use])


def note_delete_answer(request: OCPPRequest) -> None:
    """A certificate that was deleted, or not found, is not there any more."""
    if request.message is None or request.message.status == DeleteCertificateStatusEnumType.Failed:
        return
    assert request.command is not None
    named = request.command.payload["certificateHashData"]
    data = HashData(named["hashAlgorithm"], named["issuerNameHash"], named["issuerKeyHash"], named["serialNumber"])
    for row in _locked(request.charge_point):
        if key_of(row) == key_of(data):
            row.removed_at = request.received_at
            _save(row)


def note_list_answer(request: OCPPRequest) -> None:
    """What the charge point lists is installed, nothing else of this use (M03)."""
    message = request.message
    if message is None:
        return
    assert request.command is not None
    listed = list(message.certificate_hash_data or ())
    found = message.status == GetInstalledCertificateStatusEnumType.Accepted
    if not found and message.status != GetInstalledCertificateStatusEnumType.NotFound:
        return  # a word that the whitepaper does not have says nothing
    use = request.command.payload["certificateType"]
    known = _Known(request.charge_point, use)
    there = set()
    for data in listed:
        row = known.find([data]) or _new(request.charge_point, use, data)
        row.hash_algorithm, row.serial_number = str(data.hash_algorithm), data.serial_number
        row.issuer_name_hash, row.issuer_key_hash = data.issuer_name_hash, data.issuer_key_hash
        row.seen_at, row.removed_at = request.received_at, None
        _save(row)
        there.add(row.pk)
    for row in known.rows:
        if row.pk not in there and row.removed_at is None:
            row.removed_at = request.received_at
            _save(row)


def ask_what_is_installed(batch: Batch, response: OCPPResponse, uses: Iterable[str]) -> None:
    """Have the charge point list its certificates of these uses."""
    for use in uses:
        message = GetInstalledCertificateIdsRequest(certificate_type=CertificateUseEnumType(use))
        response.add_command(message, source=SOURCE, expires_at=batch.now + ASKED_WITHIN)


class _Known:
    """The certificates of one use that a charge point is known to have, or to have had."""

    def __init__(self, charge_point: ChargePoint, use: str) -> None:
        self.rows = [row for row in _locked(charge_point) if row.use == use]
        self._by_key = {key_of(row): row for row in self.rows}
        for row in self.rows:  # the charge point may name by another algorithm what we have installed
            for data in certificates.every_hash_data(row.pem) if row.pem else ():
                self._by_key.setdefault(key_of(data), row)

    def find(self, named: Iterable[Any]) -> InstalledCertificate | None:
        return next((self._by_key[key_of(data)] for data in named if key_of(data) in self._by_key), None)


def _locked(charge_point: ChargePoint) -> list[InstalledCertificate]:
    rows = InstalledCertificate.objects.filter(charge_point=charge_point)
    return list(rows.select_for_update(of=("self",), no_key=True).order_by("pk"))


def _new(charge_point: ChargePoint, use: str, data: Any) -> InstalledCertificate:
    return InstalledCertificate(
        charge_point=charge_point,
        use=use,
        hash_algorithm=str(data.hash_algorithm),
        issuer_name_hash=data.issuer_name_hash,
        issuer_key_hash=data.issuer_key_hash,
        serial_number=data.serial_number,
    )


def _save(row: InstalledCertificate) -> None:
    fit(row)
    row.save()
