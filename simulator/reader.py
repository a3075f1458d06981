"""The tag reader: who may start and stop, decided here or asked of the central system (OCPP 1.6 §3.5, §4.1).

Pure. It never sends: what has to be asked goes into ``questions``.
"""

from dataclasses import dataclass

from ocppj.v16 import AuthorizationStatus, ChargePointStatus, IdTagInfo, Reason
from simulator.authorization import Cache, LocalList, is_accepted
from simulator.charging import Charging
from simulator.clock import Clock
from simulator.configuration import Configuration
from simulator.connector import Authorization, Connector


@dataclass(slots=True)
class Presentation:
    """An idTag held against the reader, and what came of it; ``status`` is None until that is decided."""

    id_tag: str
    connector: Connector
    is_to_stop: bool
    status: AuthorizationStatus | None = None
    refusal: str = ""
    """Why it was refused, in words for a log."""

    def refuse(self, refusal: str) -> None:
        """Decide against it without the central system."""
        self.status, self.refusal = AuthorizationStatus.Invalid, refusal


class Reader:
    """One reader for all connectors, with the local list and the cache behind it."""

    def __init__(self, charging: Charging, clock: Clock, configuration: Configuration) -> None:
        self.cache = Cache()
        self.local_list = LocalList(configuration.integer("LocalAuthListMaxLength"))
        self.questions: list[Presentation] = []
        self._charging = charging
        self._clock = clock
        self._configuration = configuration

    def present(self, id_tag: str, connector: Connector | None, now: float, *, is_online: bool) -> Presentation:
        """A driver holds a tag against the reader; without a connector the reader finds out which is meant."""
        if connector is None:
            connector = self._meant_by(id_tag)
        transaction = connector.transaction
        presentation = Presentation(id_tag, connector, transaction is not None)
        if transaction is not None and _is_same(transaction.id_tag, id_tag):
            # OCPP 1.6 §4.1: the tag that started need not be asked about
            presentation.status = AuthorizationStatus.Accepted
            self._charging.stop(connector, Reason.Local, now, id_tag)
        elif connector.status in (ChargePointStatus.Unavailable, ChargePointStatus.Faulted):
            presentation.refuse(f"connector {connector.connector_id} is {connector.status}")
        elif connector.authorization is not None and _is_same(connector.authorization.id_tag, id_tag):
            presentation.status = AuthorizationStatus.Accepted  # B1: the second presentation ends what the first began
            connector.authorization = None
            self._charging.settle(now)
        elif is_online and not self._is_authorized_beforehand(id_tag, now):
            self.questions.append(presentation)
        else:
            self.decide_locally(presentation, now, is_online=is_online)
        return presentation

    def decide(self, presentation: Presentation, info: IdTagInfo, now: float) -> None:
        """Act on what the central system, the local list or the cache says about the tag."""
        connector = presentation.connector
        presentation.status = AuthorizationStatus(info.status)
        if not is_accepted(info, self._clock.utc(now)):
            presentation.refusal = f"the tag is {info.status}"
        elif presentation.is_to_stop:
            self._decide_stop(presentation, info, now)
        elif connector.transaction is not None:
            presentation.refusal = f"connector {connector.connector_id} is charging for somebody else"
        elif not self._charging.reservations.may_use(connector, presentation.id_tag, info.parent_id_tag):
            presentation.refusal = f"connector {connector.connector_id} is reserved for somebody else"
        else:
            self._charging.authorize(connector, Authorization(presentation.id_tag, info.parent_id_tag), now)

    def decide_locally(self, presentation: Presentation, now: float, *, is_online: bool) -> None:
        """Stand alone, as far as the configuration allows it (OCPP 1.6 §3.5)."""
        info = self.known(presentation.id_tag)
        is_unknown = info is None
        if is_unknown and self._configuration.boolean("AllowOfflineTxForUnknownId"):
            info = IdTagInfo(status=AuthorizationStatus.Accepted)
        may_decide = is_online or is_unknown or self._configuration.boolean("LocalAuthorizeOffline")
        if info is not None and may_decide:
            self.decide(presentation, info, now)
        else:
            presentation.refuse("the central system cannot be asked, and the tag is not known here")

    def known(self, id_tag: str) -> IdTagInfo | None:
        """What is known here about a tag; the local list goes before the cache (OCPP 1.6 §3.5.3)."""
        info = self.local_list.get(id_tag) if self._configuration.boolean("LocalAuthListEnabled") else None
        if info is None and self._configuration.boolean("AuthorizationCacheEnabled"):
            info = self.cache.get(id_tag)
        return info

    def learn(self, id_tag: str, info: IdTagInfo, now: float) -> bool:
        """Take what a .conf says into the cache; False where it contradicts the local list (OCPP 1.6 §3.5.2)."""
        utc = self._clock.utc(now)
        listed = self.local_list.get(id_tag)
        if listed is not None:
            return is_accepted(listed, utc) == is_accepted(info, utc)
        if self._configuration.boolean("AuthorizationCacheEnabled"):
            self.cache.put(id_tag, info)
        return True

    def _is_authorized_beforehand(self, id_tag: str, now: float) -> bool:
        info = self.known(id_tag)
        is_valid = info is not None and is_accepted(info, self._clock.utc(now))
        return is_valid and self._configuration.boolean("LocalPreAuthorize")

    def _decide_stop(self, presentation: Presentation, info: IdTagInfo, now: float) -> None:
        transaction = presentation.connector.transaction
        if transaction is None:
            return  # it has stopped meanwhile
        # OCPP 1.6 §3.10: another token of the same group may stop it.
        if info.parent_id_tag is not None and _is_same(info.parent_id_tag, transaction.parent_id_tag or ""):
            self._charging.stop(presentation.connector, Reason.Local, now, presentation.id_tag)
        else:
            presentation.refusal = "another tag started this transaction"

    def _meant_by(self, id_tag: str) -> Connector:
        def rank(connector: Connector) -> tuple[bool, ...]:
            transaction = connector.transaction
            has_started = transaction is not None and _is_same(transaction.id_tag, id_tag)
            is_waiting = connector.is_plugged and connector.status == ChargePointStatus.Preparing
            is_reserved_for = connector.is_reserved and self._charging.reservations.may_use(connector, id_tag, None)
            return (has_started, is_waiting, is_reserved_for, connector.is_free, transaction is None)

        return max(self._charging.connectors, key=rank)


def _is_same(id_tag: str, other: str) -> bool:
    return id_tag.casefold() == other.casefold()  # OCPP 1.6 §7.28: case-insensitive
