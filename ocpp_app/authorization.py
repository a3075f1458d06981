"""What an idTag may do (OCPP 1.6 §4.1, §7.2, §7.27)."""

from typing import NamedTuple

from ocpp_app import conf
from ocpp_app.batch import Batch
from ocpp_app.bulk import fit_text
from ocpp_app.models import ChargePoint, IdTag, Transaction
from ocppj.v16 import AuthorizationStatus, IdTagInfo

KEPT_OF_ID_TAG = Transaction._meta.get_field("id_tag").max_length
"""How much of an over-long idTag a transaction keeps."""


class Verdict(NamedTuple):
    """The answer about an idTag, and the row it is about (None for one that nobody registered)."""

    status: AuthorizationStatus
    tag: IdTag | None = None

    def id_tag_info(self) -> IdTagInfo:
        """IdTagInfo (OCPP 1.6 §7.27) with expiry and parent."""
        tag = self.tag
        if tag is None:
            return IdTagInfo(status=self.status)
        parent = None if tag.parent_id is None else tag.parent
        return IdTagInfo(
            status=self.status, expiry_date=tag.expires_at, parent_id_tag=None if parent is None else parent.id_tag
        )


def authorize(batch: Batch, charge_point: ChargePoint, id_tag: str) -> Verdict:
    """Accepted, Blocked, Expired or Invalid; whether the tag charges elsewhere is not asked (see
    ``authorize_start``)."""
    tag = batch.tag(charge_point.organisation_id, id_tag)
    if tag is None:
        return Verdict(_policy_for_unknown(charge_point))
    if tag.is_blocked:
        return Verdict(AuthorizationStatus.Blocked, tag)
    if tag.expires_at is not None and tag.expires_at <= batch.now:
        return Verdict(AuthorizationStatus.Expired, tag)
    if not _is_allowed_here(tag, charge_point):
        return Verdict(AuthorizationStatus.Invalid, tag)
    return Verdict(AuthorizationStatus.Accepted, tag)


def authorize_start(batch: Batch, charge_point: ChargePoint, id_tag: str, *, retried: Transaction | None) -> Verdict:
    """As ``authorize``, and ConcurrentTx when the tag has as many transactions as it may (only in
    StartTransaction.conf, §7.2).

    ``retried``: the transaction of which this start is a repetition; it does not count.
    """
    verdict = authorize(batch, charge_point, id_tag)
    tag = verdict.tag
    if verdict.status != AuthorizationStatus.Accepted or tag is None or tag.concurrent_limit is None:
        return verdict
    # A start that was refused does not count: a charge point that never began to charge may never send its stop.
    others = [
        row
        for row in batch.active_transactions_of(tag)
        if row is not retried and row.id_tag_status == AuthorizationStatus.Accepted
    ]
    if len(others) >= tag.concurrent_limit:
        return Verdict(AuthorizationStatus.ConcurrentTx, tag)
    return verdict


def may_stop(batch: Batch, transaction: Transaction, id_tag: str) -> bool:
    """Whether a tag may stop a transaction: the same tag, or one with the same parent (OCPP 1.6 §4.10, §7.27)."""
    if fit_text(id_tag, KEPT_OF_ID_TAG).upper() == transaction.id_tag.upper():
        return True
    stopping = batch.tag(transaction.organisation_id, id_tag)
    starting = batch.tag(transaction.organisation_id, transaction.id_tag)
    return (
        stopping is not None
        and starting is not None
        and stopping.parent_id is not None
        and stopping.parent_id == starting.parent_id
    )


def _policy_for_unknown(charge_point: ChargePoint) -> AuthorizationStatus:
    policy = charge_point.unknown_id_tag or conf.unknown_id_tag()
    return AuthorizationStatus.Accepted if policy == "accept" else AuthorizationStatus.Invalid


def _is_allowed_here(tag: IdTag, charge_point: ChargePoint) -> bool:
    if not tag.is_restricted:  # type: ignore[attr-defined]  # annotated by Batch.tag
        return True
    return tag.groups.filter(charge_points=charge_point).exists()
