"""What is wrong just now, and what to do about it: the page that ``manage.py csms_status`` shows."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from django.db import DatabaseError, connection
from django.db.models import Count, Max, Q
from django.utils import timezone

from ocpp_app import conf
from ocpp_app.errors import RelayUnavailable
from ocpp_app.models import (
    CertificateRequest,
    ChargePoint,
    InstalledCertificate,
    Lease,
    RegistrationStatus,
    SecurityEvent,
    SecurityEventKind,
    Session,
    WebhookSubscription,
)
from ocpp_app.models.certificate import RequestState
from ocpp_app.monitoring import broker, facts
from ocpp_app.rpc.housekeeping import LEASE
from ocppj.queues import broker_urls

PROBLEM, WARNING = "problem", "warning"

QUEUE_IS_LONG = 100
"""More than any worker that keeps up leaves in the queue."""
LOOK_AGAIN_S = 1.0
SILENT_S = 30.0
OVERDUE_S = 30.0
STUCK_S = 600.0
LATE_EVENTS_S = 300.0
MANY_CONNECTIONS = 10
"""Connections of one charge point within an hour that are no accident."""
NAMED = 5
"""Charge points that are named; of more only the number is told."""
TLS_TIMEOUT_S = 3.0
GIGABYTE = 1 << 30


class Finding(NamedTuple):
    """One thing that is not as it should be."""

    level: str
    what: str
    do: str


class Report(NamedTuple):
    """Everything, the worst first."""

    at: datetime
    findings: list[Finding]
    numbers: dict[str, str]

    @property
    def is_fine(self) -> bool:
        return not any(finding.level == PROBLEM for finding in self.findings)


def report() -> Report:
    """Look at everything; whatever cannot be looked at is a finding."""
    now = timezone.now()
    findings: list[Finding] = []
    numbers: dict[str, str] = {}
    try:
        pending = facts.pending_migrations()
        if pending:
            shown = ", ".join(pending[:NAMED])
            findings.append(
                Finding(PROBLEM, f"{len(pending)} migrations are missing: {shown}", "Run: manage.py migrate")
            )
        else:
            values: Any = facts.read()
            if not values["ocpp_database_up"]:
                raise DatabaseError("it stopped answering")
            for check in DATABASE_CHECKS:
                findings += check(values, now)
            numbers = _numbers(values)
    except DatabaseError as error:
        findings.append(_no_database(error))
    findings += [*_broker(), *_disks(), *_gateway_certificate(now)]
    return Report(now, sorted(findings, key=lambda each: each.level != PROBLEM), numbers)


def _no_database(error: DatabaseError) -> Finding:
    engine = {"postgresql": "PostgreSQL", "sqlite": "The SQLite file"}.get(connection.vendor, "The database")
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return Finding(
        PROBLEM,
        f"{engine} cannot be used: {reason}",
        "Start it, or correct DATABASE_URL. Workers wait for it and charge points keep their transactions.",
    )


# -- what stands in the database -------------------------------------------------------------------------------


def _workers(values: Any, now: datetime) -> Iterator[Finding]:
    start = _start("manage.py consume_rpc_queue")
    lease = Lease.objects.filter(name=LEASE).first()
    if lease is None:
        yield Finding(PROBLEM, "No worker has ever run on this database.", start)
    elif (overdue := values["ocpp_housekeeping_overdue_seconds"]) > OVERDUE_S:
        do = f"{start}. If one runs, its log says what it waits for."
        yield Finding(PROBLEM, f"No worker is at work: the last sign of one is {_ago(overdue)} old.", do)


def _gateways(values: Any, now: datetime) -> Iterator[Finding]:
    silence = values["ocpp_gateway_silence_seconds"]
    if not values["ocpp_gateways"]:
        do = f"{_start('python -m wsgate')}. If one runs, its log says whether the backend answers it."
        yield Finding(PROBLEM, "No gateway announces itself: no charge point can connect.", do)
    elif silence > SILENT_S:
        do = "Look at its log and machine; its charge points reconnect to another gateway, if there is one."
        yield Finding(PROBLEM, f"A gateway has been silent for {_ago(silence)}.", do)
    if lost := int(values["ocpp_gateways_lost"]):
        do = "See whether it was killed (memory?) and started again: admin, Gateways."
        yield Finding(WARNING, f"{_count(lost, 'gateway')} died without a good-bye in the last 15 minutes.", do)


def _charge_points(values: Any, now: datetime) -> Iterator[Finding]:
    counts = values["ocpp_charge_points"]
    accepted = RegistrationStatus.ACCEPTED
    alive = counts.get((accepted, "connected"), 0)
    offline = sum(counts.get((accepted, state), 0) for state in ("offline", "dead"))
    if offline and not alive:
        do = "The network, the proxy or the certificate before the gateway: try its address with a browser."
        yield Finding(PROBLEM, f"None of {_count(offline, 'charge point')} is connected.", do)
    if counts.get((accepted, "dead")):
        rows = ChargePoint.objects.filter(
            Q(last_seen_at__lt=now - facts.DEAD_AFTER) | Q(last_seen_at=None, created_at__lt=now - facts.DEAD_AFTER),
            registration_status=accepted,
            session=None,
        )
        named = _names(rows.order_by("identity").values_list("identity", flat=True))
        do = "Somebody has to look at them: power, network, SIM card. Delete those that are gone for good."
        yield Finding(WARNING, f"Offline for more than a day: {named}.", do)
    if pending := sum(number for (status, _), number in counts.items() if status == RegistrationStatus.PENDING):
        yield Finding(
            WARNING, f"Waiting for approval: {_count(pending, 'charge point')}.", "Approve: console, Charge points."
        )


def _flapping(values: Any, now: datetime) -> Iterator[Finding]:
    hour = now - timedelta(hours=1)
    often = (
        Session.objects.filter(connected_at__gte=hour)
        .order_by()
        .values_list("charge_point__identity")
        .annotate(times=Count("pk"))
        .filter(times__gte=MANY_CONNECTIONS)
        .order_by("-times")
    )
    if rows := list(often):
        named = _names([f"{identity} ({times} times)" for identity, times in rows])
        do = "Weak network, a proxy that closes idle connections, or two devices as one: console, Connections."
        yield Finding(WARNING, f"Connects again and again within the hour: {named}.", do)
    twins = SecurityEvent.objects.filter(kind=SecurityEventKind.FLAPPING, last_at__gte=hour)
    if names := sorted(set(twins.values_list("identity", flat=True))):
        do = "Give one of them another identity, and the other a new password."
        yield Finding(WARNING, f"Two devices under one identity: {_names(names)}.", do)


def _commands(values: Any, now: datetime) -> Iterator[Finding]:
    for state in ("dispatched", "sent"):
        if (age := values["ocpp_oldest_command_seconds"][state]) > STUCK_S:
            do = "Housekeeping should have ended it long ago: look for its errors in the workers' logs."
            yield Finding(WARNING, f"A command has been {state} for {_ago(age)}.", do)
    if failed := values["ocpp_failed_messages"]:
        do = "admin, Failed messages, shows the exception. Repair it, then: manage.py replay"
        yield Finding(PROBLEM, f"Our code failed on {_count(failed, 'transaction message')}; kept for replay.", do)


def _events(values: Any, now: datetime) -> Iterator[Finding]:
    for to, age in values["ocpp_oldest_event_seconds"].items():
        if age > LATE_EVENTS_S:
            do = f"{_start('manage.py deliver_events')}. If one runs, see its log."
            yield Finding(PROBLEM, f"Nobody hands on events ({to}): the oldest is {_ago(age)} old.", do)
    failing = WebhookSubscription.objects.filter(is_active=True).exclude(last_error="")
    for name, error in failing.values_list("name", "last_error")[:NAMED]:
        do = "Events wait for a day, then they are given up: console, Webhooks."
        yield Finding(WARNING, f"The webhook {name} takes no events: {error}", do)


def _certificates(values: Any, now: datetime) -> Iterator[Finding]:
    if not values["ocpp_certificates_expiring"]:
        return
    until = now + facts.EXPIRING
    signed = CertificateRequest.objects.filter(state=RequestState.INSTALLED).order_by()
    own = signed.values_list("charge_point__identity").annotate(end=Max("not_after")).filter(end__lt=until)
    roots = InstalledCertificate.objects.filter(not_after__lt=until, removed_at=None)
    rows = [*own, *roots.values_list("charge_point__identity", "not_after")]
    for is_over, what in ((True, "have ended"), (False, "end within 30 days")):
        some = sorted((end, identity) for identity, end in rows if (end < now) == is_over)
        if some:
            named = _names([f"{identity} ({end:%Y-%m-%d})" for end, identity in some])
            do = "Trigger SignCertificate, or install the new root: see Certificates in the documentation."
            yield Finding(PROBLEM if is_over else WARNING, f"Certificates that {what}: {named}.", do)


DATABASE_CHECKS: tuple[Callable[[Any, datetime], Iterator[Finding]], ...] = (
    _workers,
    _gateways,
    _charge_points,
    _flapping,
    _commands,
    _events,
    _certificates,
)


# -- the rest --------------------------------------------------------------------------------------------------


def _broker() -> Iterator[Finding]:
    if conf.relay() != "amqp":
        return
    try:
        queue = broker.look()
        again = queue
        if queue is not None and queue.messages > QUEUE_IS_LONG:
            time.sleep(LOOK_AGAIN_S)
            again = broker.look()
    except RelayUnavailable:
        nodes = [urlsplit(url) for url in broker_urls(conf.amqp_url())]
        where = " or ".join(f"{node.hostname}:{node.port or 5672}" for node in nodes)
        do = "Start RabbitMQ, or correct AMQP_URL. Charge points are sent away after 20 s and keep their transactions."
        yield Finding(PROBLEM, f"The broker at {where} cannot be reached.", do)
        return
    name = conf.rpc_queue()
    if queue is None or again is None:
        yield Finding(PROBLEM, f"There is no queue {name}: neither worker nor gateway runs.", "Start both.")
    elif not again.consumers:
        do = "Start one: manage.py consume_rpc_queue. If one runs, its log says what it waits for."
        yield Finding(PROBLEM, f"No worker takes requests from {name}; {again.messages} messages wait.", do)
    elif again.messages > QUEUE_IS_LONG:
        grows = again.messages > queue.messages
        words = f"{again.messages} messages wait in {name}, {'and it grows' if grows else 'it does not grow'}."
        do = "Add workers (consume_rpc_queue --processes), or see whether the database is slow."
        yield Finding(PROBLEM if grows else WARNING, words, do)


def _disks() -> Iterator[Finding]:
    values: Any = facts.disk()
    for path, free in values["ocpp_disk_free_bytes"].items():
        share = free / values["ocpp_disk_size_bytes"][path]
        if share < 0.1 or free < GIGABYTE:
            level = PROBLEM if share < 0.03 or free < GIGABYTE / 4 else WARNING
            do = "Make room: old diagnostics, logs, manage.py prune. A full disk stops every write."
            yield Finding(level, f"{path} has {free / GIGABYTE:.1f} GB left ({share:.0%}).", do)


def _gateway_certificate(now: datetime) -> Iterator[Finding]:
    """The certificate that charge points are shown, where it is known at which address."""
    parts = urlsplit(str(conf.read("OCPP_WEBSOCKET_URL")))
    if parts.scheme != "wss" or not parts.hostname or "{" in parts.netloc:
        return
    where = f"{parts.hostname}:{parts.port or 443}"
    try:
        end = _end_of_certificate(parts.hostname, parts.port or 443)
    except (OSError, ValueError) as error:
        do = "Charge points cannot connect either, unless they know another address: OCPP_WEBSOCKET_URL."
        yield Finding(WARNING, f"{where} answers no TLS handshake: {error}.", do)
        return
    if end < now + timedelta(days=14):
        do = "Renew it, then send SIGHUP to the gateway (or reload the proxy)."
        words = f"The certificate of {where} {'ended' if end < now else 'ends'} on {end:%Y-%m-%d}."
        yield Finding(PROBLEM if end < now + timedelta(days=3) else WARNING, words, do)


def _end_of_certificate(host: str, port: int) -> datetime:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # one that has ended is to be seen, too
    with (
        socket.create_connection((host, port), timeout=TLS_TIMEOUT_S) as raw,
        context.wrap_socket(raw, server_hostname=host) as secured,
    ):
        der = secured.getpeercert(binary_form=True)
    if der is None:
        raise ValueError("there is no certificate")
    return x509.load_der_x509_certificate(der).not_valid_after_utc.astimezone(UTC)


def _numbers(values: Any) -> dict[str, str]:
    counts, commands = values["ocpp_charge_points"], values["ocpp_commands"]
    connected = sum(number for (_, state), number in counts.items() if state == "connected")
    return {
        "charge points": f"{connected} connected, {sum(counts.values()) - connected} not",
        "charging": f"{values['ocpp_transactions_active']} transactions, {values['ocpp_power_watts'] / 1000:.1f} kW",
        "last 24 hours": f"{values['ocpp_transactions_stopped_last_day']} transactions, "
        f"{values['ocpp_energy_last_day_watt_hours'] / 1000:.1f} kWh",
        "commands": f"{commands['queued']} queued, {commands['sent'] + commands['dispatched']} on their way",
        "to review": f"{sum(values['ocpp_anomalies_open'].values())} anomalies of transactions",
        "gateways": str(values["ocpp_gateways"]),
    }


def _start(part: str) -> str:
    """How a part is started that seems not to run."""
    return "Start it: manage.py runcsms" if conf.relay() == "memory" else f"Start one: {part}"


def _names(names: Any) -> str:
    found = list(names)
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def _count(number: float, what: str) -> str:
    return f"{number:g} {what}{'' if number == 1 else 's'}"


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}s"
    return f"{seconds:.0f} s"
