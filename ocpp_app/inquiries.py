"""What the system itself asks of a charge point: kept in one row each (``Inquiry``), which says when to look next.

A connection, a BootNotification, a wish or a change of a template only makes the row due. ``first_contact.review``
looks after what is due, a few charge points at a time, and finds out by ``plan`` what is to be sent.
"""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta

from ocpp_app import bulk, conf, quirks, rows
from ocpp_app.batch import Batch
from ocpp_app.middleware.base import OCPPRequest
from ocpp_app.models import ChargePoint, ConfigurationKey, Connector, Inquiry, RegistrationStatus, Session, name_of
from ocppj.errors import ErrorCode
from ocppj.messages import Request
from ocppj.v16 import GetConfigurationRequest, MessageTrigger, TriggerMessageRequest, TriggerMessageStatus

SETTLED_AFTER = timedelta(seconds=5)
"""A charge point that has just connected or booted tells most by itself within so long."""
SPREAD_S = 5.0
"""How far apart charge points are looked at that connected in the same moment."""
SOON = timedelta(seconds=1)
AGAIN_AFTER = timedelta(minutes=10)
"""When a question is put again that nobody answered, at first; twice as long each time, a day at the most."""
LONGEST = timedelta(days=1)
BRIEF = timedelta(minutes=2)
"""Who was away for no longer has no other status than before, or tells it."""
FRESH_FOR = timedelta(days=1)
"""After so long the configuration is read again: somebody may have changed it at the charge point."""
MAX_KEYS = "GetConfigurationMaxKeys"
CONNECTORS = "NumberOfConnectors"
PROFILES = "SupportedFeatureProfiles"
MOST_CONNECTORS = 64

STANDARD_KEYS = (
    MAX_KEYS,
    CONNECTORS,
    PROFILES,
    "AllowOfflineTxForUnknownId",
    "AuthorizationCacheEnabled",
    "AuthorizeRemoteTxRequests",
    "BlinkRepeat",
    "ClockAlignedDataInterval",
    "ConnectionTimeOut",
    "ConnectorPhaseRotation",
    "HeartbeatInterval",
    "LightIntensity",
    "LocalAuthorizeOffline",
    "LocalPreAuthorize",
    "MaxEnergyOnInvalidId",
    "MeterValuesAlignedData",
    "MeterValuesSampledData",
    "MeterValueSampleInterval",
    "MinimumStatusDuration",
    "ResetRetries",
    "StopTransactionOnEVSideDisconnect",
    "StopTransactionOnInvalidId",
    "StopTxnAlignedData",
    "StopTxnSampledData",
    "TransactionMessageAttempts",
    "TransactionMessageRetryInterval",
    "UnlockConnectorOnEVSideDisconnect",
    "WebSocketPingInterval",
    "LocalAuthListEnabled",
    "LocalAuthListMaxLength",
    "SendLocalListMaxLength",
    "ReserveConnectorZeroSupported",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "ConnectorSwitch3to1PhaseSupported",
    "MaxChargingProfilesInstalled",
    "SupportedFileTransferProtocols",
)
"""What is read, by name, of a charge point that does not tell everything at once (OCPP 1.6 §9)."""


# -- becoming due --------------------------------------------------------------------------------------------


def note_connection(batch: Batch, charge_point: ChargePoint) -> None:
    """It has connected: look at it when it has settled."""
    due_at = batch.now + SETTLED_AFTER + _spread()
    batch.upsert(_due(charge_point, due_at), "charge_point", ("due_at",))


def note_boot(batch: Batch, charge_point: ChargePoint, told: str) -> None:
    """It was told this registration status in the answer to its BootNotification."""
    due_at = batch.now + SETTLED_AFTER + _spread()
    batch.upsert(_due(charge_point, due_at, told=told), "charge_point", ("due_at", "told"))


def note_trigger_answers(batch: Batch, answers: list[OCPPRequest]) -> None:
    """Remember who does not know TriggerMessage, until it has another firmware (for ``Batch.at_end``)."""
    refusing = {request.charge_point.pk: request.charge_point for request in answers if _is_refused(request)}
    for inquiry in Inquiry.objects.filter(charge_point__in=refusing):
        batch.change(inquiry, refuses_triggers=_firmware(refusing[inquiry.charge_point_id]))


def _is_refused(request: OCPPRequest) -> bool:
    if request.message is None and request.command is not None:
        return request.command.error_code in (ErrorCode.NotImplemented, ErrorCode.NotSupported)
    return bool(request.message.status == TriggerMessageStatus.NotImplemented)


def look_at(charge_points: Iterable[ChargePoint], at: datetime) -> None:
    """Look at these charge points then, connected or not."""
    due = {row.pk: _due(row, at) for row in charge_points}
    bulk.upsert([due[key] for key in sorted(due)], "charge_point", ["due_at"])


def _due(charge_point: ChargePoint, at: datetime, **values: str) -> Inquiry:
    return rows.new(Inquiry, charge_point=charge_point, due_at=at, **values)


def _spread() -> timedelta:
    return timedelta(seconds=random.uniform(0, SPREAD_S))


# -- what is missing -----------------------------------------------------------------------------------------


class Known:
    """What is known of one connected charge point when it is looked at."""

    def __init__(
        self,
        charge_point: ChargePoint,
        inquiry: Inquiry,
        session: Session,
        keys: Iterable[ConfigurationKey],
        connectors: Iterable[Connector],
        previous_end: datetime | None,
    ) -> None:
        self.charge_point = charge_point
        self.inquiry = inquiry
        self.session = session
        self.keys = {row.name: row for row in keys}
        self.connectors = {row.number: row for row in connectors}
        self.previous_end = previous_end
        self.behaviour = quirks.behaviour_of(charge_point)

    def number(self, key: str) -> int | None:
        """The value of a configuration key as a number above 0; None where it is none, or unknown."""
        row = self.keys.get(name_of(key))
        try:
            found = 0 if row is None else int(row.value or "")
        except ValueError:
            return None
        return found if found > 0 else None


def plan(batch: Batch, known: Known) -> list[Request]:
    """What to ask this charge point for; notes in its row that it was asked."""
    if not conf.first_contact():
        return _configuration(batch, known, reads_all=False)  # what became of wanted values, and nothing else
    messages = [*_boot(batch, known), *_configuration(batch, known, reads_all=True)]
    return [*messages, *(_statuses(batch, known) if known.charge_point.is_accepted else [])]


def _boot(batch: Batch, known: Known) -> list[Request]:
    """Errata 3.40: never once it was told Accepted. One that has booted before this row was there was told, too."""
    charge_point, inquiry, connected_at = known.charge_point, known.inquiry, known.session.connected_at
    told = inquiry.told or (charge_point.registration_status if charge_point.last_boot_at else "")
    has_booted = charge_point.last_boot_at is not None and charge_point.last_boot_at >= connected_at
    is_asked = inquiry.boot_asked_at is not None and inquiry.boot_asked_at >= connected_at
    if told == RegistrationStatus.ACCEPTED or has_booted or is_asked or not known.behaviour.ask_boot:
        return []
    if not _takes_triggers(known):
        return []
    batch.change(inquiry, boot_asked_at=batch.now)
    return [TriggerMessageRequest(requested_message=MessageTrigger.BootNotification)]


def _statuses(batch: Batch, known: Known) -> list[Request]:
    """TriggerMessage for each connector whose status may have changed unheard."""
    inquiry, connected_at = known.inquiry, known.session.connected_at
    is_asked = inquiry.status_asked_at is not None and inquiry.status_asked_at >= connected_at
    if is_asked or not known.behaviour.ask_status or not _takes_triggers(known):
        return []
    if _waits_for_configuration(batch, known):
        return []
    count = known.number(CONNECTORS) or max(known.connectors, default=0)
    missing = [number for number in range(1, min(count, MOST_CONNECTORS) + 1) if not _is_fresh(known, number)]
    if count == 0:
        batch.change(inquiry, status_asked_at=batch.now)
        return [TriggerMessageRequest(requested_message=MessageTrigger.StatusNotification)]
    if not missing:
        return []
    batch.change(inquiry, status_asked_at=batch.now)
    trigger = MessageTrigger.StatusNotification
    return [TriggerMessageRequest(requested_message=trigger, connector_id=number) for number in missing]


def _is_fresh(known: Known, number: int) -> bool:
    connector = known.connectors.get(number)
    if connector is None or connector.status_at is None:
        return False
    was_brief = known.previous_end is not None and known.session.connected_at - known.previous_end <= BRIEF
    return was_brief or connector.status_at >= known.session.connected_at


def _waits_for_configuration(batch: Batch, known: Known) -> bool:
    """Whether the number of connectors has just been asked for."""
    is_asked = known.inquiry.configuration_asked_at == batch.now and known.inquiry.unanswered <= 1
    return is_asked and known.number(CONNECTORS) is None


def _takes_triggers(known: Known) -> bool:
    if known.inquiry.refuses_triggers and known.inquiry.refuses_triggers == _firmware(known.charge_point):
        return False
    profiles = known.keys.get(name_of(PROFILES))
    return profiles is None or not profiles.value or "remotetrigger" in profiles.value.replace(" ", "").casefold()


def _firmware(charge_point: ChargePoint) -> str:
    return charge_point.firmware_version or "?"


# -- GetConfiguration ----------------------------------------------------------------------------------------


def _configuration(batch: Batch, known: Known, *, reads_all: bool) -> list[Request]:
    """One GetConfiguration for everything, or by name in chunks of GetConfigurationMaxKeys."""
    inquiry = known.inquiry
    if not known.behaviour.ask_configuration or not _is_time_to_ask(batch, known):
        return []
    reads_all = reads_all and is_stale(batch.now, known.charge_point, inquiry)
    if reads_all and not inquiry.refuses_all:
        batch.change(inquiry, configuration_asked_at=batch.now, unanswered=inquiry.unanswered + 1)
        return [GetConfigurationRequest()]
    chunks = _chunks(known, _names_to_read(known, reads_all=reads_all))
    if chunks:
        batch.change(inquiry, configuration_asked_at=batch.now, unanswered=inquiry.unanswered + 1)
    return chunks


def is_stale(now: datetime, charge_point: ChargePoint, inquiry: Inquiry) -> bool:
    """Whether all of the configuration has to be read (again)."""
    read_at = inquiry.configuration_read_at
    return read_at is None or now - read_at >= FRESH_FOR or inquiry.firmware_version != charge_point.firmware_version


def _is_time_to_ask(batch: Batch, known: Known) -> bool:
    inquiry = known.inquiry
    if inquiry.configuration_asked_at is None or inquiry.unanswered == 0:
        return True
    return batch.now >= inquiry.configuration_asked_at + patience(inquiry.unanswered)


def patience(times: int) -> timedelta:
    """How long to wait before what went unanswered so often is tried again."""
    return min(AGAIN_AFTER * 2 ** min(times - 1, 10), LONGEST) if times else timedelta(0)


def _names_to_read(known: Known, *, reads_all: bool) -> list[str]:
    """What has to be read by name: wanted values that nobody has seen there yet, what a restart may have changed, and
    everything from a charge point that does not tell all."""
    found = {row.key: None for row in known.keys.values() if must_be_read(row, known.charge_point)}
    if reads_all:
        since = known.inquiry.configuration_read_at
        for key in STANDARD_KEYS:
            row = known.keys.get(name_of(key))
            if row is None or row.read_at is None or (since is not None and row.read_at <= since):
                found[key] = None
    return list(found)


def has_restarted_since(charge_point: ChargePoint, since: datetime | None) -> bool:
    """Whether it has booted since then on a new connection: while it is Pending (OCPP 1.6 §4.2), and when it is
    triggered, it sends a BootNotification without a restart."""
    session, booted_at = charge_point.session, charge_point.last_boot_at
    if since is None or booted_at is None or session is None:
        return False
    return booted_at > since and session.connected_at > since


def must_be_read(row: ConfigurationKey, charge_point: ChargePoint) -> bool:
    """Whether nobody has seen what this key has become."""
    if row.next_value is not None:
        return has_restarted_since(charge_point, row.next_since)
    if row.wanted is None:
        return False
    return row.read_at is None or (row.value_since is not None and row.read_at < row.value_since)


def _chunks(known: Known, keys: list[str]) -> list[Request]:
    """How many keys at a time: what the charge point allows, or one by one until that is known."""
    if not keys:
        return []
    limit = known.number(MAX_KEYS)
    if limit is None:
        row = known.keys.get(name_of(MAX_KEYS))
        if row is None or row.read_at is None:
            return [GetConfigurationRequest(key=[MAX_KEYS])]
        limit = 1
    return [GetConfigurationRequest(key=keys[start : start + limit]) for start in range(0, len(keys), limit)]
