"""Rows that the tests of the admin look at, all of which call themselves a script, and how a page is asked for."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from html import unescape
from typing import Any

from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ocpp_app.configuration import set_availability
from ocpp_app.models import (
    Anomaly,
    AnomalyKind,
    ApiToken,
    AuditEntry,
    AvailabilityState,
    CampaignTarget,
    CertificateRequest,
    CertificateUse,
    ChargePoint,
    ChargePointGroup,
    ChargePointSecurityEvent,
    ClosedBy,
    Command,
    CommandBatch,
    CommandState,
    ConfigurationKey,
    ConfigurationTemplate,
    Connector,
    ConnectorAvailability,
    DeliveryState,
    DiagnosticsTask,
    Direction,
    Event,
    FailedMessage,
    Firmware,
    FirmwareCampaign,
    FirmwareTask,
    Gateway,
    IdTag,
    InstalledCertificate,
    Lease,
    Membership,
    Message,
    MeterValue,
    MeterValueMean,
    Organisation,
    PowerSample,
    Pruning,
    QuirkNote,
    RequestState,
    Reservation,
    SecurityEvent,
    SecurityEventKind,
    SecurityUpgrade,
    Session,
    SignIn,
    Site,
    StatusHistory,
    Tariff,
    TaskState,
    TaskStatus,
    Transaction,
    UpgradeState,
    WantedState,
    WebhookDelivery,
    WebhookStream,
    WebhookSubscription,
)
from tests.ocpp_app.list_rows import make_list_and_profiles

NOW = datetime(2025, 3, 4, 12, 30, 45, tzinfo=UTC)
SCRIPT = "<script>alert(1)</script>"


# -- rows --------------------------------------------------------------------------------------------------------------


def make_charge_point(identity: str, **values: Any) -> ChargePoint:
    """A connected charge point with two connectors, in the site and the group named Depot."""
    site, _ = Site.objects.get_or_create(name="Depot", defaults={"grid_limit_w": 43_000, "address": SCRIPT})
    group, _ = ChargePointGroup.objects.get_or_create(name="Depot")
    charge_point = ChargePoint.objects.create(
        **{"identity": identity, "site": site, "vendor": SCRIPT, "model": SCRIPT, "serial_number": SCRIPT, **values}
    )
    charge_point.groups.add(group)
    gateway, _ = Gateway.objects.get_or_create(name="gateway-1", defaults={"last_announced_at": NOW})
    Session.objects.create(
        charge_point=charge_point,
        gateway=gateway,
        connected_at=NOW - timedelta(days=1),
        ended_at=NOW,
        close_reason=SCRIPT,
    )
    charge_point.session = Session.objects.create(
        charge_point=charge_point, gateway=gateway, connected_at=NOW, path=SCRIPT, user_agent=SCRIPT
    )
    charge_point.last_seen_at = NOW
    charge_point.save()
    for number, status in ((0, "Available"), (1, "Charging"), (2, SCRIPT)):
        connector = Connector.objects.create(
            charge_point=charge_point, number=number, status=status, error_code="NoError", info=SCRIPT, status_at=NOW
        )
        StatusHistory.objects.create(
            connector=connector, status=status, error_code="NoError", info=SCRIPT, received_at=NOW
        )
    return charge_point


def make_tariff(name: str = SCRIPT) -> Tariff:
    """A tariff with one window, both of which call themselves a script."""
    tariff, is_new = Tariff.objects.get_or_create(name=name, currency="EUR", note=SCRIPT)
    if is_new:
        tariff.windows.create(name=SCRIPT, starts_at=time(22), ends_at=time(6))
    return tariff


def make_transaction(charge_point: ChargePoint, **values: Any) -> Transaction:
    """A transaction on connector 1 with an anomaly and a meter value."""
    tag, _ = IdTag.objects.get_or_create(
        id_tag="TAG1", defaults={"expires_at": NOW, "parent": IdTag.objects.create(id_tag=uuid.uuid4().hex[:20])}
    )
    connector = charge_point.connectors.get(number=1)
    transaction = Transaction.objects.create(
        **{
            "organisation": charge_point.organisation,
            "charge_point": charge_point,
            "connector": connector,
            "id_tag": "TAG1",
            "tag": tag,
            "id_tag_status": "Accepted",
            "started_at": NOW,
            "start_timestamp": datetime(1, 1, 1, tzinfo=UTC),  # the charger's clock
            "start_received_at": NOW,
            "tariff": make_tariff(),
            "tariff_terms": make_tariff().terms(),
            "currency": "EUR",
            "cost_minor": 123,
            "cost_lines": [
                {"kind": "energy", "window": SCRIPT, "quantity": "1", "unit": "kWh", "price": "1.23", "amount": "1.23"}
            ],
            "meter_start_wh": 1_000,
            "energy_wh": 12_345,
            "last_register_wh": 13_345,
            "last_power_w": 11_040.0,
            "last_soc_percent": 55.0,
            "last_meter_at": NOW,
            **values,
        }
    )
    Anomaly.objects.create(
        transaction=transaction,
        kind=AnomalyKind.LOWER_METER,
        detail=SCRIPT,
        raw=f'[2,"1","X",{{"a":"{SCRIPT}"}}]',
        found_at=NOW,
    )
    value = MeterValue.objects.create(
        connector=connector,
        transaction=transaction,
        timestamp=NOW,
        received_at=NOW,
        digest=uuid.uuid4(),
        sampled_values=[{"value": SCRIPT, "measurand": "Energy.Active.Import.Register"}, {"value": "1"}],
        energy_wh=13_345,
        power_w=11_040,
        soc_percent=55,
        current_a=16,
        voltage_v=230,
    )
    MeterValueMean.objects.create(
        value=value, connector=value.connector, span_at=NOW, first_at=NOW, first_energy_wh=1.5, count=15, digests=b""
    )
    return transaction


def make_reservation(charge_point: ChargePoint, **values: Any) -> Reservation:
    return Reservation.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        connector=charge_point.connectors.get(number=1),
        id_tag="TAG1",
        expires_at=NOW,
        status_at=NOW,
        created_at=NOW,
        detail=SCRIPT,
        **values,
    )


def make_configuration(charge_point: ChargePoint, name: str = SCRIPT) -> ConfigurationKey:
    """A key whose wanted value was refused, wanted by a template of this name; and connector 1 out of use."""
    template = ConfigurationTemplate.objects.create(name=name, vendor=SCRIPT)
    template.values.create(key=SCRIPT, value=SCRIPT)
    template.groups.set(charge_point.groups.all())
    key = ConfigurationKey.objects.create(
        charge_point=charge_point,
        key=SCRIPT,
        name=SCRIPT,
        value=SCRIPT,
        next_value=SCRIPT,
        wanted=SCRIPT,
        template=template,
        state=WantedState.REJECTED,
        detail=SCRIPT,
        is_known=True,
        read_at=NOW,
        state_since=NOW,
    )
    row = set_availability(charge_point, 1, operative=False)  # makes the inquiry, too
    ConnectorAvailability.objects.filter(pk=row.pk).update(state=AvailabilityState.REJECTED, detail=SCRIPT)
    return key


def make_message(charge_point: ChargePoint, **values: Any) -> Message:
    return Message.objects.create(
        **{
            "charge_point": charge_point,
            "session_id": charge_point.session_id,
            "direction": Direction.INBOUND,
            "unique_id": "17",
            "action": "Authorize",
            "raw": f'[2,"17","Authorize",{{"idTag":"{SCRIPT}"}}]',
            "at": NOW,
            "answer_type": 4,
            "answer": f'[4,"17","InternalError","{SCRIPT}",{{}}]',
            "answered_at": NOW + timedelta(milliseconds=42),
            **values,
        }
    )


def make_batch(charge_point: ChargePoint) -> CommandBatch:
    return CommandBatch.objects.create(
        organisation=charge_point.organisation,
        action="Reset",
        payload={"type": SCRIPT},
        selection={"model": SCRIPT},
        size=1,
        source=SCRIPT,
        created_at=NOW,
    )


def make_delivery(charge_point: ChargePoint, name: str) -> WebhookDelivery:
    """A webhook, an event, and how its delivery failed."""
    subscription = WebhookSubscription.objects.create(
        name=name, url="https://example.com/", events=["*"], secret_salt="00", last_error=name, last_success_at=NOW
    )
    event = Event.objects.create(
        type="transaction.started",
        organisation=charge_point.organisation,
        charge_point=charge_point,
        sequence=1,
        at=NOW,
        data=json.dumps({"id_tag": name}),
    )
    WebhookStream.objects.create(subscription=subscription, charge_point=charge_point, position=0, head=1)
    return WebhookDelivery.objects.create(
        subscription=subscription,
        event=event,
        state=DeliveryState.GIVEN_UP,
        last_attempt_at=NOW,
        error=name,
        response=name,
        duration_s=1.5,
    )


def make_tasks(charge_point: ChargePoint, command: Command) -> None:
    """A firmware update of a campaign, diagnostics, certificates and a security event, all of them called a script."""
    firmware = Firmware.objects.create(
        version=f"{SCRIPT}{charge_point.pk}",
        vendor=SCRIPT,
        model=SCRIPT,
        file="firmware/x.bin",
        file_name="x.bin",
        size=1,
        sha256="0" * 64,
    )
    asked: dict[str, Any] = {
        "charge_point": charge_point,
        "command": command,
        "status": SCRIPT,
        "status_at": NOW,
        "detail": SCRIPT,
        "location": SCRIPT,
        "expires_at": NOW,
        "created_at": NOW,
    }
    update = FirmwareTask.objects.create(firmware=firmware, retrieve_at=NOW, state=TaskState.RUNNING, **asked)
    FirmwareTask.objects.create(retrieve_at=NOW, **asked)
    upload = DiagnosticsTask.objects.create(kind="SecurityLog", file_name=SCRIPT, size=1, **asked)
    upload.file.save("uploads/1", ContentFile(SCRIPT))
    told = {"charge_point": charge_point, "action": SCRIPT, "status": SCRIPT, "received_at": NOW}
    TaskStatus.objects.create(firmware_task=update, **told)
    TaskStatus.objects.create(diagnostics_task=upload, **told)
    campaign = FirmwareCampaign.objects.create(name=SCRIPT, firmware=firmware, detail=SCRIPT, created_at=NOW)
    CampaignTarget.objects.create(
        campaign=campaign, charge_point=charge_point, wave=1, task=update, detail=SCRIPT, started_at=NOW
    )
    InstalledCertificate.objects.create(
        charge_point=charge_point,
        use=CertificateUse.MANUFACTURER_ROOT,
        hash_algorithm="SHA256",
        issuer_name_hash=SCRIPT,
        issuer_key_hash=SCRIPT,
        serial_number=SCRIPT,
        subject=SCRIPT,
        pem=SCRIPT,
        seen_at=NOW,
    )
    CertificateRequest.objects.create(
        charge_point=charge_point, csr=SCRIPT, subject=SCRIPT, state=RequestState.REFUSED, detail=SCRIPT, created_at=NOW
    )
    ChargePointSecurityEvent.objects.create(
        charge_point=charge_point, type=SCRIPT, tech_info=SCRIPT, timestamp=NOW, received_at=NOW
    )


def make_script() -> ChargePoint:
    """A charge point that calls itself a script, with one row at least of everything that belongs to it."""
    make_tariff("Other")  # nobody chooses between one
    charge_point = make_charge_point(SCRIPT)
    make_transaction(charge_point)
    make_transaction(
        charge_point,
        is_active=False,
        stopped_at=NOW + timedelta(hours=26, minutes=3, seconds=4),
        stop_received_at=NOW + timedelta(hours=26),
        meter_stop_wh=14_000,
        stop_reason=SCRIPT,
        closed_by=ClosedBy.CHARGE_POINT,
    )
    command = Command.objects.create(
        charge_point=charge_point,
        batch=make_batch(charge_point),
        action="RemoteStartTransaction",
        payload={"idTag": SCRIPT},
        state=CommandState.ANSWERED,
        timeout_s=30,
        created_at=NOW,
        sent_at=NOW,
        finished_at=NOW,
        status="Accepted",
        response={"status": SCRIPT},
        session=charge_point.session,
    )
    make_message(charge_point)
    make_message(
        charge_point, direction=Direction.OUTBOUND, unique_id=str(command.pk), answer_type=3, answer='[3,"1",{}]'
    )
    make_message(charge_point, action="", raw=SCRIPT, answer="", answer_type=None, answered_at=None)
    FailedMessage.objects.create(
        charge_point=charge_point,
        action="StopTransaction",
        raw=f'[2,"1","StopTransaction",{{"idTag":"{SCRIPT}"}}]',
        received_at=NOW,
        error=f"Traceback …\nValueError: {SCRIPT}",
        answered_with='[3,"1",{}]',
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
    Lease.objects.create(name="housekeeping", holder="worker-1", expires_at=NOW)
    Pruning.objects.create(table="messages", finished_at=NOW, removed=12)
    PowerSample.objects.create(organisation=charge_point.organisation, at=NOW, power_w=11_040, charging=1)
    make_reservation(charge_point, command=command)
    make_configuration(charge_point)
    ConfigurationTemplate.objects.create(name="Other").values.create(key="A", value="B")
    make_list_and_profiles(charge_point, command, SCRIPT, NOW)
    make_tasks(charge_point, command)
    user = get_user_model().objects.create_user("operator")
    Membership.objects.create(user=user, organisation=charge_point.organisation)
    ApiToken.issue(organisation=charge_point.organisation, name=SCRIPT, last_used_at=NOW)
    AuditEntry.objects.create(actor=SCRIPT, action=SCRIPT, subject=SCRIPT, detail=SCRIPT, charge_point=charge_point)
    SecurityEvent.objects.create(
        kind=SecurityEventKind.WRONG_CREDENTIALS,
        identity=SCRIPT,
        hour=NOW,
        charge_point=charge_point,
        detail=SCRIPT,
        first_at=NOW,
        last_at=NOW,
    )
    SecurityUpgrade.objects.create(
        charge_point=charge_point, target=2, state=UpgradeState.WAITING, deadline=NOW, detail=SCRIPT
    )
    make_delivery(charge_point, SCRIPT)
    SignIn.objects.create(account=SCRIPT, remote_address=SCRIPT)
    return charge_point


def make_everything(number: int) -> None:
    charge_point = make_charge_point(f"CP{number:03}")
    make_transaction(charge_point)
    make_message(charge_point)
    make_reservation(charge_point)
    make_configuration(charge_point, f"T{number}")
    make_tariff(f"T{number}")
    command = Command.objects.create(
        charge_point=charge_point,
        batch=make_batch(charge_point),
        action="Reset",
        payload={},
        timeout_s=30,
        created_at=NOW,
    )
    make_list_and_profiles(charge_point, command, f"L{number}", NOW)
    make_tasks(charge_point, command)
    FailedMessage.objects.create(charge_point=charge_point, action="A", raw="[]", received_at=NOW, error="E")
    QuirkNote.objects.create(charge_point=charge_point, code="NullField", action="A", first_at=NOW, last_at=NOW)
    Organisation.objects.create(name=f"O{number}", slug=f"o{number}")
    Site.objects.create(name=f"S{number}")
    ChargePointGroup.objects.create(name=f"G{number}")
    Gateway.objects.create(name=f"gateway-{number}-again")
    Lease.objects.create(name=f"L{number}")
    Pruning.objects.create(table=f"P{number}")
    user = get_user_model().objects.create_user(f"user{number}")
    Membership.objects.create(user=user, organisation=charge_point.organisation)
    ApiToken.issue(organisation=charge_point.organisation, user=user, name=f"T{number}")
    PowerSample.objects.create(organisation=charge_point.organisation, at=NOW, power_w=number, charging=1)
    AuditEntry.objects.create(action="A", charge_point=charge_point)
    SecurityEvent.objects.create(kind="hijack", identity=f"I{number}", hour=NOW, first_at=NOW, last_at=NOW)
    SecurityUpgrade.objects.create(charge_point=charge_point, state=UpgradeState.DONE, deadline=NOW)
    make_delivery(charge_point, f"W{number}")
    SignIn.objects.create(account=f"user{number}")


# -- pages -------------------------------------------------------------------------------------------------------------


def changelist(model: type[models.Model]) -> str:
    return reverse(f"admin:ocpp_app_{model._meta.model_name}_changelist")


def add_page(model: type[models.Model]) -> str:
    return reverse(f"admin:ocpp_app_{model._meta.model_name}_add")


def page(obj: models.Model, view: str = "change") -> str:
    return reverse(f"admin:ocpp_app_{obj._meta.model_name}_{view}", args=(obj.pk,))


def text_of(response: Any) -> str:
    """What a reader sees: without tags, blanks collapsed."""
    assert response.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def listed(client: Client, model: type[models.Model], **query: Any) -> list[Any]:
    """The primary keys on the first page of a list."""
    response = client.get(changelist(model), query)
    assert response.status_code == 200
    return [row.pk for row in response.context["cl"].result_list]


def act(client: Client, action: str, *rows: models.Model, **data: Any) -> Any:
    posted = {"action": action, "_selected_action": [str(row.pk) for row in rows], **data}
    return client.post(changelist(type(rows[0])), posted, follow=True)


def form_of(response: Any) -> dict[str, Any]:
    """What a browser would send from this page: the form and the management forms of its inlines."""
    form = response.context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    for inline in response.context["inline_admin_formsets"]:
        management = inline.formset.management_form
        data |= {management.add_prefix(name): management[name].value() for name in management.fields}
    return {name: value for name, value in data.items() if value not in (None, False)}


def count_queries(view: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert view().status_code == 200
    return len(queries)
