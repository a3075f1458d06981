"""Errors of the Django app.

OCPPAppError
├── CallRefused             a middleware answers a CALL with a CALLERROR
├── CommandError            a command did not get its answer
│   ├── UnknownChargePoint      nobody has registered this identity
│   ├── ChargePointOffline      not connected (or not accepted), and queueing was not asked for
│   ├── CommandTimedOut         no answer in time; the command lives on
│   ├── CommandFailed           the charge point answered with a CALLERROR
│   ├── CommandNotDelivered     lost, expired or cancelled
│   ├── TriggerRefused          the charge point does not send the message that it was asked for
│   ├── IdempotencyKeyReused    the key belongs to another command
│   └── WaitNotPossible         waiting here would wait for ever
├── TransactionError        the back office cannot do this with a transaction
│   ├── TransactionEnded        it is not open any more
│   └── TransactionOpen         it is still open
├── ProfileNotSendable      a charging profile does not fit what it is sent to
├── UpgradeUnderWay         a charge point is being given a new key or profile already
├── UpgradeNotNeeded        a charge point has this security profile already
├── SerialNumberTaken       a certificate with this serial number would be another charge point's, too
├── TransferNotPossible     a file cannot reach the charge point, or not from it
├── FirmwareNotFitting      this firmware cannot be given to this charge point so
├── CampaignEnded           a campaign cannot be changed so any more
├── CertificateInvalid      this is no certificate
├── SigningRequestRefused   a certificate signing request that must not be signed
├── SignerUnavailable       the certificate authority does not answer; it is asked again
├── PruningElsewhere        another process prunes the same database
├── RelayUnavailable        the broker cannot be reached
│   └── DeliveryUnknown         the broker went away while something was on its way to it
└── DatabaseUnavailable     the database cannot be reached, or cannot write
"""

from typing import TYPE_CHECKING, Any

from ocppj.errors import ErrorCode

if TYPE_CHECKING:
    from ocpp_app.models import Command


class OCPPAppError(Exception):
    """Base of everything that ``ocpp_app`` raises on purpose."""


class CallRefused(OCPPAppError):
    """Raised by a middleware to answer the CALL with a CALLERROR; what was done so far is kept."""

    def __init__(self, code: ErrorCode, description: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.details = details or {}


class CommandError(OCPPAppError):
    """A command did not get its answer; ``command`` is its row, or None where none was made."""

    def __init__(self, message: str, command: "Command | None" = None) -> None:
        super().__init__(message)
        self.command = command


class UnknownChargePoint(CommandError):
    """No charge point has this identity."""


class ChargePointOffline(CommandError):
    """The charge point is not connected or not accepted, and the caller did not ask to queue (``expires_at``)."""


class CommandTimedOut(CommandError):
    """No answer within the time the caller gave, or the charge point was given; the row still completes with a late
    answer."""


class CommandFailed(CommandError):
    """The charge point answered with a CALLERROR (OCPP-J 1.6 §4.2.3)."""

    def __init__(self, command: "Command") -> None:
        super().__init__(f"{command.action}: {command.error_code} {command.error_description}".rstrip(), command)
        self.code = command.error_code
        self.description = command.error_description
        self.details = command.error_details


class CommandNotDelivered(CommandError):
    """The command ended lost, expired or cancelled; ``command.state`` says which."""


class TriggerRefused(CommandError):
    """The charge point answered TriggerMessage.req with Rejected or NotImplemented (OCPP 1.6 §5.17):
    ``command.status``."""


class IdempotencyKeyReused(CommandError):
    """The idempotency key was used before, for another action or payload: ``command`` is what it belongs to."""


class WaitNotPossible(CommandError):
    """Waiting inside a database transaction (the command would leave only after it) or inside a worker (which takes
    the answer)."""


class TransactionError(OCPPAppError):
    """The back office cannot do this with a transaction."""


class TransactionEnded(TransactionError):
    """The transaction is not open any more: there is nothing to close."""


class TransactionOpen(TransactionError):
    """The transaction is still open: its energy is not known yet."""


class ProfileNotSendable(OCPPAppError):
    """The charging profile does not fit: a TxProfile without a transaction, or another purpose where one is needed."""


class UpgradeUnderWay(OCPPAppError):
    """One security upgrade at a time; this charge point's has not ended."""


class UpgradeNotNeeded(OCPPAppError):
    """The charge point connects with this security profile already."""


class SerialNumberTaken(OCPPAppError):
    """One certificate would let in two charge points; the text says what to write down instead."""


class TransferNotPossible(OCPPAppError):
    """A file cannot be handed to the charge point, or taken from it; the text says which setting or key to change."""


class FirmwareNotFitting(OCPPAppError):
    """The firmware is for another vendor, model or organisation, or is not signed although that was asked for."""


class CampaignEnded(OCPPAppError):
    """The campaign is over, or not in the state from which it can do that."""


class CertificateInvalid(OCPPAppError):
    """A text that is no PEM certificate."""


class SigningRequestRefused(OCPPAppError):
    """The request breaks a rule of the whitepaper, or the certificate authority refuses it: it is not asked again."""


class SignerUnavailable(OCPPAppError):
    """The certificate authority cannot be reached; the request waits and is tried again."""


class PruningElsewhere(OCPPAppError):
    """One process at a time removes what is old."""


class RelayUnavailable(OCPPAppError):
    """The broker cannot be reached; the command stays queued and housekeeping sends it later."""


class DeliveryUnknown(RelayUnavailable):
    """The broker connection was lost while something was on its way: it may have arrived, or not."""


class DatabaseUnavailable(OCPPAppError):
    """The database cannot be reached or cannot write: nobody's message is to blame."""
