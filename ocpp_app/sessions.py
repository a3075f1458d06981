"""Connections come and go: what ``connect``, ``disconnect`` and the gateways' announcements do to the database."""

import logging
import uuid
from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db.models import Count
from django.db.models.functions import Now

from ocpp_app import (
    admission,
    clock,
    conf,
    inquiries,
    lifecycle,
    loads,
    quirks,
    round_trips,
    rows,
    security_events,
    signals,
    upgrades,
)
from ocpp_app.admission import Admission
from ocpp_app.batch import Batch
from ocpp_app.habits import FrameHabit
from ocpp_app.middleware.base import PlannedCommand
from ocpp_app.models import (
    ChargePoint,
    Command,
    CommandState,
    Gateway,
    RegistrationStatus,
    SecurityEventKind,
    SecurityProfile,
    Session,
)
from ocpp_app.round_trips import Query
from ocpp_app.security_events import Seen
from ocppj import envelope
from ocppj.tolerance import Note

logger = logging.getLogger(__name__)

REPLACED = "replaced by a newer connection"
GATEWAY_SILENT = "its gateway fell silent"

DEFAULT_PROTOCOL = "ocpp1.6"
"""What a charge point speaks that asks for no subprotocol."""
FLAPPING_WITHIN = timedelta(seconds=60)
FLAPPING_AFTER = 4
"""So many connections of one identity that replaced one another are two devices: the next one has to wait."""


class Sessions:
    """The sessions and gateways that a batch speaks of, loaded once."""

    def __init__(self, batch: Batch, requests: Iterable[tuple[envelope.Request, str, str]]) -> None:
        """``requests``: each with the name of its gateway and that gateway's queue. Charge points must be locked
        already."""
        self.batch = batch
        ids: set[uuid.UUID] = set()
        gateways: dict[str, str] = {}
        connecting: set[str] = set()
        for request, name, queue in requests:
            if isinstance(request, envelope.Connect | envelope.Disconnect):
                ids.add(request.session)
            if isinstance(request, envelope.Connect | envelope.Announce):
                gateways[name] = queue
            if isinstance(request, envelope.Connect):
                connecting.add(request.identity)
        if ids:
            ids.update(row.session_id for row in batch.charge_points.values() if row.session_id)
        self._connecting = [row for identity, row in batch.charge_points.items() if identity in connecting]
        self._sessions: dict[uuid.UUID, Session | None] = {}
        self._gateways: dict[str, Gateway] = {}
        self._new_gateways: set[str] = set()
        self.with_commands: set[int] = set()
        """Charge points that connect while commands wait for them."""
        self.to_close: list[tuple[str, envelope.CloseSession]] = []
        """Sockets to close, each with the queue of its gateway."""
        self.planned: list[tuple[ChargePoint, list[PlannedCommand]]] = []
        """CALLs for charge points that have come back from a step of their security upgrade."""
        if ids or gateways:
            self._load(ids, gateways)

    def _load(self, ids: set[uuid.UUID], gateways: dict[str, str]) -> None:
        connecting = [row.pk for row in self._connecting]
        queries: list[Query[Any]] = [loads.gateways(gateways, ids), loads.sessions(ids)]
        if connecting:
            queries += [loads.security_upgrades(connecting), loads.with_queued_commands(connecting)]
        found, sessions, *of_connecting = round_trips.fetch(queries)
        if connecting:
            under_way, self.with_commands = of_connecting
            upgrades.remember(self.batch, self._connecting, under_way)
        by_id = {row.pk: row for row in found}
        for session in sessions:
            Session._meta.get_field("gateway").set_cached_value(session, by_id.get(session.gateway_id))
            self._sessions[session.pk] = session
        known = {row.name: row for row in found}
        self._gateways = {name: self._gateway(known.get(name), name, queue) for name, queue in gateways.items()}

    def _gateway(self, gateway: Gateway | None, name: str, queue: str) -> Gateway:
        if gateway is None:
            gateway, created = Gateway.objects.get_or_create(name=name, defaults={"queue": queue})
            if created:
                self._new_gateways.add(name)
        if gateway.queue != queue:
            gateway.queue = queue
            gateway.save(update_fields=["queue"])
        return gateway

    # -- connect ---------------------------------------------------------------------------------------------

    def connect(self, request: envelope.Connect, gateway_name: str) -> envelope.ConnectReply:
        """Let a charge point in, or say with which HTTP status it is kept out."""
        known = self._sessions.get(request.session)
        if known is not None:  # the request was published again
            return self._connect_again(request, known)
        charge_point = self.batch.charge_points.get(request.identity) or self._register(request.identity)
        if charge_point is None:
            return self._refuse_unknown(request)
        admitted = admission.examine(charge_point, request)
        if not admitted.is_refused:
            admitted = self._beside_the_present_one(charge_point, admitted)
        if admitted.is_refused:
            seen = Seen(admitted.kind, request.remote_address, charge_point, detail=admitted.reason)
            security_events.note(self.batch, seen)
            return envelope.ConnectReply(request.relay_id, False, admitted.status, admitted.reason)
        self._open(charge_point, request, self._gateways[gateway_name], admitted)
        upgrade = upgrades.under_way(self.batch, [charge_point]).get(charge_point.pk)
        planned = upgrades.came_back(self.batch, charge_point, upgrade, admitted)
        if planned:
            self.planned.append((charge_point, planned))
        return envelope.ConnectReply(request.relay_id, True, settings=_settings_of(charge_point))

    def _connect_again(self, request: envelope.Connect, session: Session) -> envelope.ConnectReply:
        """The answer to a connect that was published again; a session that has ended meanwhile stays closed."""
        charge_point = self.batch.charge_points.get(request.identity)
        if session.ended_at is not None or charge_point is None or session.charge_point_id != charge_point.pk:
            return envelope.ConnectReply(request.relay_id, False, 503, "This connection has ended already.")
        return envelope.ConnectReply(request.relay_id, True, settings=_settings_of(charge_point))

    def _register(self, identity: str) -> ChargePoint | None:
        policy = conf.unknown_charge_point()
        if policy == "reject" or (policy == "pending" and not _is_room_for_unknown()):
            return None
        # Who accepts everybody asks nobody for a password.
        fields: dict[str, Any] = {"registration_status": RegistrationStatus.PENDING}
        if policy == "accept":
            fields = {"registration_status": RegistrationStatus.ACCEPTED, "security_profile": SecurityProfile.NONE}
        charge_point = ChargePoint.objects.create(identity=identity, **fields)
        self.batch.charge_points[identity] = charge_point
        return charge_point

    def _refuse_unknown(self, request: envelope.Connect) -> envelope.ConnectReply:
        is_full = conf.unknown_charge_point() == "pending"
        kind = SecurityEventKind.TOO_MANY_UNKNOWN if is_full else SecurityEventKind.UNKNOWN_IDENTITY
        security_events.note(self.batch, Seen(kind, request.remote_address, detail=request.identity))
        if is_full:
            text = "Too many charge points wait for approval; approve or delete some, or register this one."
            return envelope.ConnectReply(request.relay_id, False, 429, text)
        return envelope.ConnectReply(request.relay_id, False, 404, "No charge point with this identity is registered.")

    def _beside_the_present_one(self, charge_point: ChargePoint, admitted: Admission) -> Admission:
        """The verdict when there is an open connection already: it goes, unless it is the surer one, or unless two
        devices push each other out all the time."""
        old = self._sessions.get(charge_point.session_id) if charge_point.session_id else None
        if old is None or old.ended_at is not None:
            return admitted
        if admission.strength_of(old.security_profile) < admitted.strength:
            return admitted  # who has stolen the password does not keep the certificate out
        if admission.strength_of(old.security_profile) > admitted.strength:
            text = "The charge point is connected, and has proven better who it is."
            return Admission(status=403, reason=text, kind=SecurityEventKind.HIJACK)
        if charge_point.pk in self._flapping:
            text = "Two devices connect as this charge point and push each other out."
            return Admission(status=429, reason=text, kind=SecurityEventKind.FLAPPING)
        return admitted

    @cached_property
    def _flapping(self) -> set[int]:
        """The charge points of which devices have pushed each other out again and again."""
        since = self.batch.now - FLAPPING_WITHIN
        replaced = Session.objects.filter(charge_point__in=self._connecting, close_reason=REPLACED, ended_at__gte=since)
        counts = replaced.order_by().values_list("charge_point").annotate(Count("pk"))
        return {charge_point_id for charge_point_id, count in counts if count >= FLAPPING_AFTER}

    def _open(
        self, charge_point: ChargePoint, request: envelope.Connect, gateway: Gateway, admitted: Admission
    ) -> None:
        at = clock.from_epoch(request.at)
        old = self._sessions.get(charge_point.session_id) if charge_point.session_id else None
        if old is not None:
            self._replace(old, gateway)
            security_events.note(self.batch, Seen(SecurityEventKind.REPLACED, request.remote_address, charge_point))
        session = rows.new(
            Session,
            id=request.session,
            charge_point=charge_point,
            gateway=gateway,
            remote_address=request.remote_address,
            path=request.path,
            subprotocol=request.subprotocol,
            user_agent=request.user_agent,
            secure=request.secure,
            authenticated=admitted.strength > 0,
            security_profile=admitted.profile,
            certificate_fingerprint="" if request.certificate is None else request.certificate.fingerprint,
            connected_at=at,
        )
        self._sessions[session.pk] = session
        self.batch.add(session)
        if not request.subprotocol:
            self.batch.notes.add(charge_point, "", (Note(FrameHabit.NoSubprotocol, "", request.user_agent),))
        protocol = request.subprotocol or DEFAULT_PROTOCOL
        self.batch.change(charge_point, session_id=session.pk, last_seen_at=at, protocol=protocol)
        self.batch.send(signals.charge_point_connected, ChargePoint, charge_point=charge_point, session_id=session.pk)
        inquiries.note_connection(self.batch, charge_point)

    def _replace(self, old: Session, gateway: Gateway) -> None:
        self.batch.change(old, ended_at=self.batch.now, close_reason=REPLACED)
        if old.gateway is not None and old.gateway_id != gateway.pk:  # the same gateway closes it by itself
            self.to_close.append((old.gateway.queue, envelope.CloseSession(old.pk, 1008, REPLACED)))

    # -- disconnect ------------------------------------------------------------------------------------------

    def disconnect(self, request: envelope.Disconnect) -> None:
        """A session has ended; an old one's end never marks a newer one offline."""
        charge_point = self.batch.charge_points.get(request.identity)
        if charge_point is None:
            return
        session = self._sessions.get(request.session)
        if session is not None and session.charge_point_id != charge_point.pk:
            return  # another charge point's
        ended_at = clock.from_epoch(request.at)
        if session is None:
            # Its connect may still be on its way (published again after the gateway gave up): it finds this and is
            # not let in.
            session = Session(pk=request.session, charge_point=charge_point, connected_at=ended_at)
            self._sessions[session.pk] = session
            self.batch.add(session)
        # That it was replaced is known already, and counted: the gateway only says so in its own words.
        reason = REPLACED if session.close_reason == REPLACED else request.reason
        self.batch.change(session, ended_at=ended_at, close_code=request.code, close_reason=reason)
        if charge_point.session_id == session.pk:
            self.batch.change(charge_point, session_id=None)
            self.batch.send(
                signals.charge_point_disconnected, ChargePoint, charge_point=charge_point, session_id=session.pk
            )

    # -- frames and announcements ----------------------------------------------------------------------------

    def touch(self, charge_point: ChargePoint, session_id: uuid.UUID) -> bool:
        """Whether a frame's session is the current one; a session that was thought dead lives again unless there is a
        newer one."""
        if charge_point.session_id == session_id:
            return True
        if charge_point.session_id is not None:
            return False
        session = self._session(session_id)
        if session is None or session.charge_point_id != charge_point.pk:
            return False
        if session.close_reason == REPLACED or session.close_code is not None:
            return False
        self.batch.change(session, ended_at=None, close_reason="")
        self.batch.change(charge_point, session_id=session_id)
        self.batch.send(signals.charge_point_connected, ChargePoint, charge_point=charge_point, session_id=session_id)
        return True

    def _session(self, session_id: uuid.UUID) -> Session | None:
        """The session as this batch has left it, not as it still is in the database."""
        if session_id not in self._sessions:
            self._sessions[session_id] = Session.objects.select_related("gateway").filter(pk=session_id).first()
        return self._sessions[session_id]

    def announce(self, request: envelope.Announce, gateway_name: str) -> envelope.AnnounceReply:
        """A gateway lives; one that was thought dead, or whose sessions are unknown, is asked for them."""
        gateway = self._gateways[gateway_name]
        is_unsure = (gateway.gone_at is not None or gateway_name in self._new_gateways) and request.connections > 0
        Gateway.objects.filter(pk=gateway.pk).update(
            last_announced_at=Now(), connections=request.connections, gone_at=Now() if request.leaving else None
        )
        for incident in request.incidents:
            owner = self.batch.charge_points.get(incident.identity)
            seen = Seen(incident.kind, incident.address, owner, incident.identity, gateway_name, incident.count)
            security_events.note(self.batch, seen)
        ask = is_unsure and request.sessions is None and not request.leaving
        return envelope.AnnounceReply(request.relay_id, resend_sessions=ask)


def _is_room_for_unknown() -> bool:
    waiting = ChargePoint.objects.filter(registration_status=RegistrationStatus.PENDING).count()
    return waiting < conf.max_unknown_charge_points()


def _settings_of(charge_point: ChargePoint) -> envelope.SessionSettings:
    """How the gateway is to treat this charge point."""
    behaviour = quirks.behaviour_of(charge_point)
    return envelope.SessionSettings(
        ping_interval_s=behaviour.ping_interval_s if behaviour.pings else None,
        silence_timeout_s=quirks.silence_timeout_s(charge_point),
    )


# -- outside of batches --------------------------------------------------------------------------------------


def identities_to_reconcile(request: envelope.Announce, gateway_name: str) -> list[str]:
    """Whose online state may differ from what a gateway says it holds; the charge points to lock before
    ``reconcile``."""
    held = set(request.sessions or ())
    of_gateway = Session.objects.filter(gateway__name=gateway_name)
    thought_open = of_gateway.filter(ended_at=None, connected_at__lt=clock.from_epoch(request.at)).exclude(pk__in=held)
    thought_dead = of_gateway.filter(pk__in=held, ended_at__isnull=False, close_reason=GATEWAY_SILENT)
    rows = (thought_open | thought_dead).values_list("charge_point__identity", flat=True)
    return list(rows)


def reconcile(batch: Batch, request: envelope.Announce, gateway_name: str) -> None:
    """Make the sessions of a gateway what it says they are (it lost its broker connection, or we thought that it was
    gone)."""
    held = set(request.sessions or ())
    charge_points = {row.pk: row for row in batch.charge_points.values()}
    sessions = Session.objects.filter(gateway__name=gateway_name, charge_point__in=charge_points)
    for session in sessions.filter(pk__in=held, ended_at__isnull=False, close_reason=GATEWAY_SILENT):
        charge_point = charge_points[session.charge_point_id]
        if charge_point.session_id is None:
            batch.change(session, ended_at=None, close_reason="")
            batch.change(charge_point, session_id=session.pk)
    gone = sessions.filter(ended_at=None, connected_at__lt=clock.from_epoch(request.at)).exclude(pk__in=held)
    end(batch, gone, "no longer held by its gateway")


def end(batch: Batch, sessions: Iterable[Session], reason: str) -> None:
    """End sessions whose gateway cannot tell any more; their unanswered commands are lost. Their charge points must
    be locked."""
    charge_points = {row.pk: row for row in batch.charge_points.values()}
    ended = []
    for session in sessions:
        charge_point = charge_points.get(session.charge_point_id)
        if charge_point is None:
            continue
        batch.change(session, ended_at=batch.now, close_reason=reason)
        ended.append(session.pk)
        if charge_point.session_id == session.pk:
            batch.change(charge_point, session_id=None)
            batch.send(signals.charge_point_disconnected, ChargePoint, charge_point=charge_point, session_id=session.pk)
    for command in _alive_commands_of(ended):
        command.charge_point = charge_points[command.charge_point_id]
        # Also what was only handed over: nobody can tell any more whether it was written, so it is never sent again.
        lifecycle.change(batch, command, CommandState.LOST, finished_at=batch.now, reason=reason)


def _alive_commands_of(session_ids: list[uuid.UUID]) -> list[Command]:
    alive = Command.objects.filter(session__in=session_ids, state__in=(CommandState.DISPATCHED, CommandState.SENT))
    return list(alive.select_for_update(no_key=True).order_by("pk")) if session_ids else []
