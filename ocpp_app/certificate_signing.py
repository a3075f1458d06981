"""Accepted signing requests on their way to the certificate authority and back (security whitepaper A02.FR.04).

The authority may be slow or away, so it is asked outside of any transaction, in a thread of its own: nobody waits for
it. The row says how far a request is; a process that dies in between leaves it to the next.
"""

import logging
import threading
from datetime import datetime, timedelta

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from ocpp_app import certificates, outbound, signers
from ocpp_app.bulk import fit
from ocpp_app.errors import CertificateInvalid, SignerUnavailable, SigningRequestRefused
from ocpp_app.models import CertificateRequest, ChargePoint, CommandState, ConfigurationKey, RequestState
from ocppj.errors import PayloadError
from ocppj.v16 import CertificateSignedRequest

logger = logging.getLogger(__name__)

SOURCE = "certificate request"
"""The ``source`` of a CertificateSigned.req; the row's key follows it."""
MAX_CHAIN = "CertificateSignedMaxChainSize"
LONGEST_CHAIN = 10_000
WAITS_FOR_CHARGE_POINT = timedelta(days=7)
RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)
MOST_ATTEMPTS = 50
"""About two days: A02 does not want a charge point to ask again by itself, so we do not give up early."""
CLAIMED_FOR = timedelta(minutes=10)
"""A process that has claimed a request and not come back after so long has died."""
UNDELIVERED = (CommandState.EXPIRED, CommandState.CANCELLED, CommandState.ERROR)
UNANSWERED = (CommandState.TIMED_OUT, CommandState.LOST)

_busy = threading.Lock()


def sign_in_background() -> None:
    """Sign what waits, in a thread, unless one of this process is at it; never waits and never raises."""
    if not _waiting(timezone.now()).exists() or not _busy.acquire(blocking=False):
        return
    threading.Thread(target=_sign_and_disconnect, name="certificate signer", daemon=True).start()


def sign_waiting() -> int:
    """Sign what waits, one after the other; how many were asked for."""
    count = 0
    while (row := _claim(timezone.now())) is not None:
        _sign(row)
        count += 1
    end_undelivered()
    return count


def end_undelivered() -> None:
    """End the requests whose certificate never reached the charge point, or was never answered; a late answer still
    counts."""
    states = (*UNDELIVERED, *UNANSWERED)
    rows = CertificateRequest.objects.filter(command__state__in=states, state=RequestState.SIGNED)
    for row in rows.select_related("command"):
        assert row.command is not None
        what = "The certificate did not reach the charge point"
        if row.command.state in UNANSWERED:
            what = "The charge point never said whether it has taken the certificate"
        detail = f"{what}: {row.command.reason or row.command.error_description}"
        ended = CertificateRequest.objects.filter(pk=row.pk, state=RequestState.SIGNED)
        ended.update(state=RequestState.FAILED, detail=detail, finished_at=timezone.now())


def _waiting(now: datetime) -> QuerySet[CertificateRequest]:
    due = Q(not_before=None) | Q(not_before__lte=now)
    return accepted().filter(due)


def accepted() -> QuerySet[CertificateRequest]:
    """Those that are to be signed."""
    return CertificateRequest.objects.filter(state=RequestState.ACCEPTED)


def _sign_and_disconnect() -> None:
    try:
        sign_waiting()
    except DatabaseError as error:
        logger.error("Certificates cannot be signed without the database: %s", error)
    except Exception:  # the edge of the thread: what is not done stays accepted, and is tried again
        logger.exception("The signing of certificates failed.")
    finally:
        connection.close()
        _busy.release()


def _claim(now: datetime) -> CertificateRequest | None:
    row = _waiting(now).select_related("charge_point").order_by("pk").first()
    if row is None:
        return None
    as_seen = accepted().filter(pk=row.pk, attempts=row.attempts)
    if not as_seen.update(not_before=now + CLAIMED_FOR, attempts=row.attempts + 1):
        return _claim(now)
    row.attempts += 1
    return row


def _sign(row: CertificateRequest) -> None:
    try:
        signer = signers.signer()
        if signer is None:
            raise SigningRequestRefused("Nobody signs certificates here any more: OCPP_CERTIFICATE_SIGNER is empty.")
        _deliver(row, signer.sign(row.csr, row.charge_point))
    except (SigningRequestRefused, CertificateInvalid, PayloadError) as error:
        _fail(row, str(error))
    except (SignerUnavailable, ImproperlyConfigured, OSError) as error:
        _try_again(row, str(error))
    except DatabaseError:
        raise
    except Exception as error:  # somebody's signer; it may work the next time
        identity = row.charge_point.identity
        logger.exception("The signer failed for %s.", identity, extra={"charge_point": identity})
        _try_again(row, f"{type(error).__name__}: {error}")


def _deliver(row: CertificateRequest, chain: str) -> None:
    """Keep the chain, and have it sent; both or nothing."""
    facts = certificates.facts(certificates.load(chain))
    most = _longest_chain(row.charge_point)
    if len(chain) > most:
        raise CertificateInvalid(f"The chain has {len(chain)} characters; {MAX_CHAIN} of the charge point is {most}.")
    now = timezone.now()
    with transaction.atomic():
        charge_point = ChargePoint.objects.select_for_update(no_key=True).get(pk=row.charge_point_id)
        command = outbound.new_command(
            charge_point,
            CertificateSignedRequest(certificate_chain=chain),
            now=now,
            expires_at=now + WAITS_FOR_CHARGE_POINT,
            source=f"{SOURCE} {row.pk}",
        )
        command.save(force_insert=True)  # housekeeping sends it
        row.state, row.certificate_chain, row.signed_at, row.detail = RequestState.SIGNED, chain, now, ""
        row.serial_number, row.not_after, row.command = facts.serial_number, facts.not_after, command
        row.save(
            update_fields=["state", "certificate_chain", "signed_at", "detail", "serial_number", "not_after", "command"]
        )


def _longest_chain(charge_point: ChargePoint) -> int:
    """What the charge point says that it takes (whitepaper §7.3); what the message takes where it says nothing."""
    key = ConfigurationKey.objects.filter(charge_point=charge_point, name=MAX_CHAIN.casefold()).first()
    text = "" if key is None else (key.value or "").strip()
    return min(int(text), LONGEST_CHAIN) if text.isdecimal() else LONGEST_CHAIN


def _fail(row: CertificateRequest, detail: str) -> None:
    identity = row.charge_point.identity
    logger.warning("A certificate for %s was not signed: %s", identity, detail, extra={"charge_point": identity})
    row.state, row.detail, row.finished_at = RequestState.FAILED, detail, timezone.now()
    fit(row)
    row.save(update_fields=["state", "detail", "finished_at"])


def _try_again(row: CertificateRequest, detail: str) -> None:
    if row.attempts >= MOST_ATTEMPTS:
        _fail(row, f"The certificate authority did not answer {row.attempts} times: {detail}")
        return
    wait = min(RETRY * 2 ** min(row.attempts - 1, 10), LONGEST_RETRY)
    row.detail, row.not_before = f"Attempt {row.attempts}: {detail}", timezone.now() + wait
    fit(row)
    row.save(update_fields=["detail", "not_before"])
