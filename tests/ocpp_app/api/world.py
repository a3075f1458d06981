"""What tests of the API look at: a tenant with rows, and whoever asks with a token."""

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.test import Client

from backend import urls, wsgi
from ocpp_app.configuration import set_availability
from ocpp_app.models import (
    Anomaly,
    AnomalyKind,
    ApiToken,
    CampaignTarget,
    CertificateRequest,
    ChargePoint,
    ChargePointGroup,
    ChargePointSecurityEvent,
    Command,
    CommandBatch,
    ConfigurationKey,
    ConfigurationTemplate,
    Connector,
    DeliveryState,
    DiagnosticsTask,
    Direction,
    Event,
    Firmware,
    FirmwareCampaign,
    FirmwareTask,
    IdTag,
    InstalledCertificate,
    Message,
    MeterValue,
    Organisation,
    QuirkNote,
    Reservation,
    Scope,
    SecurityEvent,
    SecurityUpgrade,
    Session,
    Site,
    Tariff,
    TaskStatus,
    Transaction,
    WebhookDelivery,
    WebhookSubscription,
)
from tests.ocpp_app.list_rows import make_list_and_profiles

NOW = datetime(2025, 3, 4, 12, 30, 45, tzinfo=UTC)
ROOT = "/api/v1/"
LOADED = (urls.urlpatterns, wsgi.application)
"""Before a test that commits leaves only this app installed."""


class Caller:
    """A program with a token."""

    def __init__(self, secret: str = "") -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def ask(self, method: str, path: str, data: Any = None, **headers: str) -> Any:
        body = {} if data is None else {"data": json.dumps(data), "content_type": "application/json"}
        address = path if path.startswith("/") else ROOT + path
        return self.client.generic(
            method.upper(),
            address,
            **body,  # type: ignore[arg-type]
            headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.ask("get", path, **headers)

    def post(self, path: str, data: Any = None, **headers: str) -> Any:
        return self.ask("post", path, data, **headers)

    def patch(self, path: str, data: Any, **headers: str) -> Any:
        return self.ask("patch", path, data, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.ask("delete", path, **headers)


@dataclass
class Tenant:
    organisation: Organisation
    charge_point: ChargePoint
    transaction: Transaction
    id_tag: IdTag
    site: Site
    group: ChargePointGroup
    tariff: Tariff

    def caller(self, scope: Scope, user: Any = None) -> Caller:
        _token, secret = ApiToken.issue(organisation=self.organisation, name=str(scope), scope=scope, user=user)
        return Caller(secret)


def make_tenant(slug: str) -> Tenant:
    organisation = Organisation.objects.create(name=slug.title(), slug=slug)
    site = Site.objects.create(organisation=organisation, name="Depot")
    group = ChargePointGroup.objects.create(organisation=organisation, name="Fast")
    tariff = Tariff.objects.create(organisation=organisation, name="Day", currency="EUR", price_per_kwh="0.39")
    tariff.windows.create(name="night", starts_at="22:00", ends_at="06:00", price_per_kwh="0.29")
    template = ConfigurationTemplate.objects.create(organisation=organisation, name="Other models", model="none")
    template.values.create(key="HeartbeatInterval", value="60")
    id_tag = IdTag.objects.create(organisation=organisation, id_tag="TAG1")
    charge_point = make_charge_point(organisation, f"{slug}-1", site=site)
    transaction = make_transaction(charge_point)
    return Tenant(organisation, charge_point, transaction, id_tag, site, group, tariff)


def make_charge_point(organisation: Organisation, identity: str, **values: Any) -> ChargePoint:
    """A connected charge point with two connectors, and one row of everything that belongs to it."""
    charge_point = ChargePoint.objects.create(
        organisation=organisation, identity=identity, security_profile=0, vendor="Vendor", model="M1", **values
    )
    charge_point.session = Session.objects.create(charge_point=charge_point, connected_at=NOW)
    charge_point.save(update_fields=["session"])
    for number in (1, 2):
        Connector.objects.create(charge_point=charge_point, number=number, status="Available", error_code="NoError")
    QuirkNote.objects.create(charge_point=charge_point, code="NullField", action="A", first_at=NOW, last_at=NOW)
    Message.objects.create(
        charge_point=charge_point,
        direction=Direction.INBOUND,
        unique_id="1",
        action="Heartbeat",
        raw='[2,"1","Heartbeat",{}]',
        at=NOW,
        answer_type=3,
        answer='[3,"1",{}]',
    )
    soft: dict[str, Any] = {"action": "Reset", "payload": {"type": "Soft"}, "created_at": NOW}
    batch = CommandBatch.objects.create(organisation=organisation, size=1, **soft)
    command = Command.objects.create(charge_point=charge_point, batch=batch, timeout_s=30, **soft)
    make_reservation(charge_point)
    make_tasks(charge_point)
    make_event(charge_point)
    ConfigurationKey.objects.create(
        charge_point=charge_point, key="HeartbeatInterval", name="heartbeatinterval", value="60", is_known=True
    )
    set_availability(charge_point, 1, operative=False)
    make_list_and_profiles(charge_point, command, identity, NOW)
    return charge_point


def make_tasks(charge_point: ChargePoint) -> None:
    """A firmware update of a campaign, diagnostics, certificates and a security event."""
    firmware, _made = Firmware.objects.get_or_create(
        organisation=charge_point.organisation,
        version="2.0",
        defaults={"file": "firmware/a.bin", "file_name": "a.bin", "size": 1, "sha256": "00"},
    )
    campaign, _made = FirmwareCampaign.objects.get_or_create(
        organisation=charge_point.organisation, name="Spring", defaults={"firmware": firmware, "created_at": NOW}
    )
    asked: dict[str, Any] = {"charge_point": charge_point, "created_at": NOW, "expires_at": NOW}
    update = FirmwareTask.objects.create(firmware=firmware, retrieve_at=NOW, **asked)
    upload = DiagnosticsTask.objects.create(kind="SecurityLog", **asked)
    CampaignTarget.objects.create(campaign=campaign, charge_point=charge_point, wave=1, task=update)
    told: dict[str, Any] = {"charge_point": charge_point, "action": "A", "status": "Idle", "received_at": NOW}
    TaskStatus.objects.create(firmware_task=update, **told)
    TaskStatus.objects.create(diagnostics_task=upload, **told)
    InstalledCertificate.objects.create(
        charge_point=charge_point,
        use="ManufacturerRootCertificate",
        hash_algorithm="SHA256",
        issuer_name_hash="aa",
        issuer_key_hash="bb",
        serial_number="1",
    )
    CertificateRequest.objects.create(charge_point=charge_point, csr="x", state="refused", created_at=NOW)
    ChargePointSecurityEvent.objects.create(charge_point=charge_point, type="StartupOfTheDevice", received_at=NOW)
    SecurityEvent.objects.create(
        kind="wrong_credentials",
        identity=charge_point.identity,
        charge_point=charge_point,
        organisation=charge_point.organisation,
        hour=NOW,
        first_at=NOW,
        last_at=NOW,
    )
    SecurityUpgrade.objects.create(charge_point=charge_point, target=1, state="done", deadline=NOW)


def make_event(charge_point: ChargePoint) -> Event:
    """An event, and a webhook to which it could not be delivered (an address for documentation: nobody is there)."""
    subscription, _made = WebhookSubscription.objects.get_or_create(
        organisation=charge_point.organisation,
        name="billing",
        defaults={"url": "https://192.0.2.1/", "events": ["*"], "secret_salt": "00"},
    )
    event = Event.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        type="firmware.status",
        sequence=1,
        at=NOW,
        data='{"status":"Installed"}',
    )
    WebhookDelivery.objects.create(subscription=subscription, event=event, state=DeliveryState.GIVEN_UP, attempts=3)
    return event


def make_reservation(charge_point: ChargePoint) -> Reservation:
    return Reservation.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        connector=charge_point.connectors.get(number=1),
        id_tag="TAG1",
        expires_at=NOW,
        status_at=NOW,
        created_at=NOW,
    )


def make_transaction(charge_point: ChargePoint, meter_values: int = 3, **values: Any) -> Transaction:
    connector = charge_point.connectors.get(number=1)
    transaction = Transaction.objects.create(
        **{
            "organisation": charge_point.organisation,
            "charge_point": charge_point,
            "connector": connector,
            "id_tag": "TAG1",
            "id_tag_status": "Accepted",
            "started_at": NOW,
            "start_received_at": NOW,
            "meter_start_wh": 1000,
            "energy_wh": 500,
            "last_register_wh": 1500,
            **values,
        }
    )
    Anomaly.objects.create(transaction=transaction, kind=AnomalyKind.LOWER_METER, found_at=NOW)
    for minute in range(meter_values):
        MeterValue.objects.create(
            connector=connector,
            transaction=transaction,
            timestamp=NOW + timedelta(minutes=minute),
            received_at=NOW,
            digest=uuid.uuid4(),
            sampled_values=[{"value": "1"}],
            energy_wh=1000 + 100 * minute,
            power_w=6000 + minute,
        )
    return transaction
