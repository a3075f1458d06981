"""What tests of the console look at: two organisations that call everything a script, and people with each role."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import URLPattern, reverse

from ocpp_app.console import urls
from ocpp_app.events import signing
from ocpp_app.models import (
    ApiToken,
    AuditEntry,
    ChargePoint,
    Command,
    CommandBatch,
    CommandState,
    CompositeSchedule,
    ConfigurationKey,
    DiagnosticsKind,
    DiagnosticsTask,
    Direction,
    Event,
    FailedMessage,
    FirmwareTask,
    Gateway,
    Lease,
    LocalList,
    Membership,
    Message,
    PowerSample,
    ProfileAssignment,
    ProfileInstallation,
    QuirkNote,
    RegistrationStatus,
    Reservation,
    Role,
    WebhookDelivery,
    WebhookSubscription,
)
from tests.ocpp_app.api import world
from tests.ocpp_app.api.world import NOW, Tenant, make_charge_point, make_transaction

SCRIPT = "<script>alert(1)</script>"
__all__ = ["NOW", "SCRIPT", "Tenant", "make_charge_point", "make_transaction"]


def make_tenant(slug: str) -> Tenant:
    """An organisation with one row at least of everything, each text of which is a script."""
    tenant = world.make_tenant(slug)
    tenant.organisation.name = f"{slug} {SCRIPT}"
    tenant.organisation.save()
    tenant.id_tag.note = SCRIPT
    tenant.id_tag.save()
    charge_point = tenant.charge_point
    texts = ("name", "vendor", "model", "serial_number", "firmware_version", "meter_type", "iccid")
    ChargePoint.objects.filter(pk=charge_point.pk).update(
        **dict.fromkeys(texts, SCRIPT), last_seen_at=datetime.now(UTC)
    )
    connector = charge_point.connectors.get(number=2)
    connector.status, connector.error_code, connector.info = "Faulted", SCRIPT, SCRIPT
    connector.save()
    tenant.transaction.anomalies.update(detail=SCRIPT, raw=SCRIPT)
    command = Command.objects.create(
        charge_point=charge_point,
        action="GetConfiguration",
        payload={"key": [SCRIPT]},
        state=CommandState.ANSWERED,
        timeout_s=30,
        created_at=NOW,
        sent_at=NOW,
        finished_at=NOW,
        response={"configurationKey": [{"key": SCRIPT, "readonly": True, "value": SCRIPT}], "unknownKey": [SCRIPT]},
    )
    for raw, answer, answer_type, action in (
        (f'[2,"7","Authorize",{{"idTag":"{SCRIPT}"}}]', f'[4,"7","InternalError","{SCRIPT}",{{}}]', 4, "Authorize"),
        (SCRIPT, "", None, ""),
    ):
        Message.objects.create(
            charge_point=charge_point,
            direction=Direction.INBOUND,
            action=action,
            raw=raw,
            at=NOW,
            answer=answer,
            answer_type=answer_type,
            answered_at=NOW + timedelta(milliseconds=42) if answer else None,
        )
    QuirkNote.objects.create(
        charge_point=charge_point,
        code="NullField",
        action=SCRIPT,
        field=SCRIPT,
        detail=SCRIPT,
        first_at=NOW,
        last_at=NOW,
    )
    Reservation.objects.create(
        organisation=tenant.organisation,
        charge_point=charge_point,
        connector=connector,
        id_tag=SCRIPT[:20],
        expires_at=NOW,
        status_at=NOW,
        created_at=NOW,
        command=command,
    )
    FailedMessage.objects.create(
        charge_point=charge_point, action=SCRIPT, raw=SCRIPT, received_at=NOW, error=SCRIPT, answered_with=SCRIPT
    )
    AuditEntry.objects.create(actor=SCRIPT, action=SCRIPT, subject=SCRIPT, charge_point=charge_point)
    PowerSample.objects.create(organisation=tenant.organisation, at=datetime.now(UTC), power_w=1000, charging=1)
    ConfigurationKey.objects.create(
        charge_point=charge_point, key=SCRIPT, name=SCRIPT, value=SCRIPT, wanted=SCRIPT, state="drifted", detail=SCRIPT
    )
    batch = CommandBatch.objects.create(
        organisation=tenant.organisation, action="Reset", payload={"type": "Soft"}, size=1, created_at=NOW
    )
    Command.objects.filter(charge_point=charge_point, action="Reset").update(batch=batch, reason=SCRIPT)
    ApiToken.issue(organisation=tenant.organisation, name=SCRIPT)
    Membership.objects.create(
        user=get_user_model().objects.create_user(f"{slug}-member"), organisation=tenant.organisation, role=Role.VIEWER
    )
    webhook = WebhookSubscription(
        organisation=tenant.organisation, name=SCRIPT, url="https://example.org/x", events=["*"]
    )
    signing.give_secret(webhook)
    webhook.save()
    event = Event.objects.create(
        type="charge_point.connected",
        organisation=tenant.organisation,
        charge_point=charge_point,
        sequence=1000,
        at=NOW,
        data="{}",
    )
    WebhookDelivery.objects.create(subscription=webhook, event=event, state="given_up", error=SCRIPT)
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}
    ProfileInstallation.objects.create(
        charge_point=charge_point,
        connector_number=1,
        profile_id=1_000_070,
        purpose=SCRIPT,
        stack_level=0,
        state="installed",
        status_at=NOW,
        detail=SCRIPT,
        payload={"chargingSchedule": schedule},
    )
    CompositeSchedule.objects.create(
        charge_point=charge_point,
        connector_number=1,
        status="Accepted",
        starts_at=NOW,
        received_at=NOW,
        charging_rate_unit="A",
        periods=[{"start": NOW.isoformat(), "end": None, "limit": 16}],
    )
    local_list, _ = LocalList.objects.get_or_create(charge_point=charge_point, defaults={"detail": SCRIPT})
    local_list.entries.create(key="A TAG", id_tag=SCRIPT[:20], status="Accepted")
    DiagnosticsTask.objects.create(
        charge_point=charge_point,
        kind=DiagnosticsKind.values[0],
        expires_at=NOW,
        created_at=NOW,
        file_name=SCRIPT,
        detail=SCRIPT,
        file=ContentFile(b"a log", "log"),
    )
    FirmwareTask.objects.create(
        charge_point=charge_point, expires_at=NOW, created_at=NOW, retrieve_at=NOW, location=SCRIPT, detail=SCRIPT
    )
    waiting = ChargePoint.objects.create(
        organisation=tenant.organisation,
        identity=f"{slug}-{SCRIPT.replace('/', '')}",
        vendor=SCRIPT,
        registration_status=RegistrationStatus.PENDING,
    )
    assert waiting.pk
    return tenant


def make_alive() -> None:
    """A worker and a gateway that have just been heard of."""
    soon = datetime.now(UTC) + timedelta(minutes=5)
    Lease.objects.update_or_create(name="housekeeping", defaults={"holder": "worker", "expires_at": soon})
    Gateway.objects.update_or_create(name="gateway-1", defaults={"last_announced_at": soon, "gone_at": None})


def person(tenant: Tenant | None, role: Role | None = None, **fields: Any) -> Client:
    """A browser in which somebody has signed in."""
    user = get_user_model().objects.create_user(f"user-{get_user_model().objects.count()}", **fields)
    if tenant is not None and role is not None:
        Membership.objects.create(user=user, organisation=tenant.organisation, role=role)
    client = Client()
    client.force_login(user)
    client.user = user  # type: ignore[attr-defined]
    return client


# -- every address of the console ----------------------------------------------------------------------------


def key_of(pattern: URLPattern, tenant: Tenant) -> dict[str, Any]:
    """The arguments that lead to rows of the tenant."""
    route = str(pattern.pattern)
    charge_point, transaction = tenant.charge_point, tenant.transaction
    known: dict[str, Any] = {
        "charge-points": charge_point.pk,
        "transactions": transaction.pk,
        "anomalies": transaction.anomalies.order_by("pk")[0].pk,
        "commands": charge_point.commands.filter(action="GetConfiguration").order_by("pk")[0].pk,
        "tags": tenant.id_tag.pk,
        "tariffs": tenant.tariff.pk,
        "people": tenant.organisation.memberships.order_by("pk")[0].pk,
        "organisations": tenant.organisation.pk,
        "tokens": tenant.organisation.api_tokens.order_by("pk")[0].pk,
        "webhooks": tenant.organisation.webhooks.order_by("pk")[0].pk,
        "profiles": tenant.organisation.charging_profiles.order_by("pk")[0].pk,
        "assignments": ProfileAssignment.objects.filter(organisation=tenant.organisation).order_by("pk")[0].pk,
        "campaigns": tenant.organisation.firmware_campaigns.order_by("pk")[0].pk,
        "firmware": tenant.organisation.firmware.order_by("pk")[0].pk,
        "batches": tenant.organisation.command_batches.order_by("pk")[0].pk,
    }
    values: dict[str, Any] = {
        "pk": known.get(route.split("/")[0]),
        "name": "unlock",
        "action": "Reset",
        "reservation": charge_point.reservations.order_by("pk")[0].pk,
        "task": charge_point.diagnostics_tasks.order_by("-pk")[0].pk,
    }
    return {name: values[name] for name in pattern.pattern.converters}


def addresses(tenant: Tenant) -> dict[str, str]:
    """Every address by its name, leading to rows of the tenant; a new page cannot be forgotten."""
    return {
        str(pattern.name): reverse(f"console:{pattern.name}", kwargs=key_of(pattern, tenant))
        + QUERIES.get(str(pattern.name), "")
        for pattern in urls.urlpatterns
    }


QUERIES = {"quick": "?connector=1"}
FREE = {"login", "language"}
"""What one sees without having signed in."""


def text_of(response: Any) -> str:
    """What a reader sees: without tags, blanks collapsed."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body_of(response))).split())


def body_of(response: Any) -> str:
    data: bytes = b"".join(response.streaming_content) if response.streaming else response.content
    return data.decode()
