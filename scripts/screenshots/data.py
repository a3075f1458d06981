"""Fills an empty database with a believable site: a month of charging, a tariff, people, an oddity or two.

A program of its own, since it needs Django: ``python -m scripts.screenshots.data`` with DATABASE_URL set.
"""

import json
import os
import random
import uuid
from datetime import datetime, timedelta
from typing import Any

USERNAME, PASSWORD = "operator", "a long enough password"
VIEWER = "carla"
"""May look and change nothing; has the same password."""
COMMAND, BATCH = uuid.UUID(int=1), uuid.UUID(int=2)
TAGS = ("Miller", "Chen", "Okafor", "Visitor", "Pool-1", "Pool-2")
PLACES = (("Garage", 3), ("Yard", 2))


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    from django.core.management import call_command
    from django.db import transaction

    call_command("migrate", verbosity=0, interactive=False)
    with transaction.atomic():
        fill(random.Random(7))


def fill(chance: random.Random) -> None:
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from ocpp_app.models import IdTag, Membership, Organisation, Site, Tariff

    now = timezone.now()
    users = get_user_model().objects
    users.create_superuser(USERNAME, "", PASSWORD)
    organisation = Organisation.default()
    organisation.name = "Harbour Works"
    organisation.save()
    for name, role in (("ada", "admin"), ("ben", "operator"), ("carla", "viewer")):
        password = PASSWORD if name == VIEWER else None
        user = users.create_user(name, password=password)
        Membership.objects.create(user=user, organisation=organisation, role=role)
    tariff = Tariff.objects.create(
        name="Staff", currency="EUR", price_per_kwh="0.39", price_per_start="0.50", is_default=True
    )
    tariff.windows.create(name="night", starts_at="22:00", ends_at="06:00", price_per_kwh="0.29")
    for number, name in enumerate(TAGS):
        IdTag.objects.create(id_tag=name, note="Company car" if number < 3 else "", is_blocked=name == "Pool-2")
    charge_points = [
        make_charge_point(Site.objects.get_or_create(name=place)[0], f"{place.upper()}-{number + 1}", now)
        for place, count in PLACES
        for number in range(count)
    ]
    for charge_point in charge_points:
        charge_for_a_month(chance, charge_point, tariff, now)
    make_oddities(charge_points, now)
    make_profile(charge_points, now)
    make_campaign(charge_points, now)
    make_inside(charge_points[0], now)
    make_tasks(charge_points[0], now)
    make_batch(charge_points, now)
    make_integrations(charge_points[0], now)
    make_charge_point(Site.objects.get(name="Yard"), "ON-THE-PAGE", now)
    draw_power(chance, organisation, now)


def make_charge_point(site: Any, identity: str, now: datetime) -> Any:
    from ocpp_app.models import ChargePoint, Connector, Session

    charge_point = ChargePoint.objects.create(
        identity=identity,
        security_profile=0,  # the simulator page knows no password
        site=site,
        vendor="Volterra",
        model="Duo 22",
        serial_number=f"V22-{identity}",
        firmware_version="2.4.1",
        last_seen_at=now,
        last_boot_at=now - timedelta(days=9),
    )
    ChargePoint.objects.filter(pk=charge_point.pk).update(created_at=now - timedelta(days=40))
    for day in (9, 5, 2):
        began = now - timedelta(days=day)
        Session.objects.create(
            charge_point=charge_point,
            connected_at=began,
            ended_at=began + timedelta(days=2, hours=19),
            close_code=1006,
            close_reason="connection lost",
            remote_address="192.168.7.31",
            security_profile=1,
        )
    for number in (0, 1, 2):
        Connector.objects.create(
            charge_point=charge_point,
            number=number,
            status="Available",
            error_code="NoError",
            status_at=now - timedelta(hours=2),
        )
    return charge_point


def charge_for_a_month(chance: random.Random, charge_point: Any, tariff: Any, now: datetime) -> None:
    for day in range(31, 0, -1):
        for _ in range(chance.choice((0, 1, 1, 2))):
            began = (now - timedelta(days=day)).replace(hour=chance.randint(6, 17), minute=chance.randint(0, 59))
            charge_once(chance, charge_point, tariff, began, chance.randint(40, 260))


def charge_once(chance: random.Random, charge_point: Any, tariff: Any, began: datetime, minutes: int) -> Any:
    from ocpp_app.models import Transaction

    power_w, connector = (
        chance.choice((3700, 7400, 11000, 22000)),
        chance.choice(list(charge_point.connectors.filter(number__gt=0))),
    )
    energy_wh = int(power_w * minutes / 60 * 0.9)
    ended = began + timedelta(minutes=minutes)
    cost = 50 + energy_wh * 39 // 1000
    lines = [
        {"kind": "start", "window": "", "quantity": "1", "unit": "", "price": "0.50", "amount": "0.50"},
        {
            "kind": "energy",
            "window": "",
            "quantity": f"{energy_wh / 1000:.3f}",
            "unit": "kWh",
            "price": "0.39",
            "amount": f"{(cost - 50) / 100:.2f}",
        },
    ]
    transaction = Transaction.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        connector=connector,
        id_tag=chance.choice(TAGS),
        id_tag_status="Accepted",
        is_active=False,
        started_at=began,
        start_timestamp=began,
        start_received_at=began,
        meter_start_wh=100_000,
        stopped_at=ended,
        stop_timestamp=ended,
        stop_received_at=ended,
        meter_stop_wh=100_000 + energy_wh,
        last_register_wh=100_000 + energy_wh,
        energy_wh=energy_wh,
        duration_s=minutes * 60,
        stop_reason=chance.choice(("Local", "EVDisconnected")),
        closed_by="charge_point",
        tariff=tariff,
        tariff_terms=tariff.terms(),
        currency="EUR",
        cost_minor=cost,
        cost_lines=lines,
        last_meter_at=ended,
    )
    measure(transaction, began, minutes, power_w)
    return transaction


def measure(transaction: Any, began: datetime, minutes: int, power_w: float) -> None:
    from ocpp_app.models import MeterValue

    rows, energy_wh = [], 0.0
    for minute in range(0, minutes + 1, 5):
        share = minute / minutes
        now_w = power_w * (1 if share < 0.75 else max(0.05, 1 - (share - 0.75) * 3.6))
        rows.append(
            MeterValue(
                connector=transaction.connector,
                transaction=transaction,
                timestamp=began + timedelta(minutes=minute),
                received_at=began,
                digest=uuid.uuid4(),
                sampled_values=[],
                energy_wh=100_000 + energy_wh,
                power_w=now_w,
                soc_percent=20 + 75 * share,
            )
        )
        energy_wh += now_w * 5 / 60
    MeterValue.objects.bulk_create(rows)


def make_oddities(charge_points: list[Any], now: datetime) -> None:
    from ocpp_app.models import (
        Anomaly,
        ChargePoint,
        Command,
        Connector,
        Direction,
        Message,
        QuirkNote,
        RegistrationStatus,
        Transaction,
    )

    Connector.objects.filter(charge_point=charge_points[-1], number=2).update(
        status="Faulted", error_code="GroundFailure", info="RCD tripped"
    )
    last = Transaction.objects.order_by("-pk").first()
    assert last is not None
    Anomaly.objects.create(
        transaction=last,
        kind="meter_disagrees",
        detail="meterStop 141200 Wh is below 142100 Wh, which was seen at 16:05",
        found_at=now - timedelta(hours=3),
        raw='[2,"81","StopTransaction",{"transactionId":12,"meterStop":141200}]',
    )
    for name, vendor in (("CP-7F3A", "Volterra"), ("WALLBOX-9", "Acme Charging")):
        ChargePoint.objects.create(
            identity=name, vendor=vendor, model="One 11", registration_status=RegistrationStatus.PENDING
        )
    QuirkNote.objects.create(
        charge_point=charge_points[0],
        code="NumberAsString",
        action="MeterValues",
        field="meterValue[0].sampledValue[0].value",
        detail='"16.2" taken as a number',
        count=412,
        first_at=now - timedelta(days=9),
        last_at=now,
    )
    frames: Any = (
        (
            "BootNotification",
            {"chargePointVendor": "Volterra", "chargePointModel": "Duo 22"},
            {"status": "Accepted", "interval": 3600},
        ),
        ("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Preparing"}, {}),
        ("Authorize", {"idTag": "Chen"}, {"idTagInfo": {"status": "Accepted"}}),
        (
            "StartTransaction",
            {"connectorId": 1, "idTag": "Chen", "meterStart": 100000},
            {"transactionId": 71, "idTagInfo": {"status": "Accepted"}},
        ),
    )
    for number, (action, payload, answer) in enumerate(frames):
        at = now - timedelta(minutes=40 - number)
        Message.objects.create(
            charge_point=charge_points[0],
            direction=Direction.INBOUND,
            unique_id=str(number),
            action=action,
            raw=json.dumps([2, str(number), action, payload]),
            at=at,
            answer_type=3,
            answer=json.dumps([3, str(number), answer]),
            answered_at=at + timedelta(milliseconds=12),
        )
    Message.objects.create(
        charge_point=charge_points[0],
        direction=Direction.OUTBOUND,
        unique_id="c1",
        action="GetDiagnostics",
        raw='[2,"c1","GetDiagnostics",{"location":"ftp://files/"}]',
        at=now - timedelta(minutes=30),
        answer_type=4,
        answer='[4,"c1","NotSupported","no diagnostics here",{}]',
        answered_at=now - timedelta(minutes=30, milliseconds=-340),
    )
    Command.objects.create(
        pk=COMMAND,
        charge_point=charge_points[0],
        action="GetConfiguration",
        payload={},
        state="answered",
        timeout_s=30,
        created_at=now - timedelta(minutes=20),
        sent_at=now - timedelta(minutes=20),
        finished_at=now - timedelta(minutes=20),
        latency_s=0.184,
        response={
            "configurationKey": [
                {"key": "HeartbeatInterval", "readonly": False, "value": "3600"},
                {"key": "NumberOfConnectors", "readonly": True, "value": "2"},
            ],
            "unknownKey": ["Colour"],
        },
    )


def make_profile(charge_points: list[Any], now: datetime) -> None:
    """Less by day; in two places, and taken at one of them."""
    from ocpp_app.models import ChargePointGroup, ChargingProfile, ProfileAssignment, ProfileInstallation

    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    profile = ChargingProfile.objects.create(
        description="Day 16 A, night 32 A",
        purpose="TxDefaultProfile",
        kind="Recurring",
        recurrency_kind="Daily",
        start_schedule=day,
        duration_s=86_400,
    )
    for start_s, limit in ((0, 32), (6 * 3600, 16), (22 * 3600, 32)):
        profile.periods.create(start_period_s=start_s, limit=limit)
    group = ChargePointGroup.objects.create(name="Yard")
    group.charge_points.set(charge_points[3:])
    ProfileAssignment.objects.create(charging_profile=profile, charge_point=charge_points[0])
    ProfileAssignment.objects.create(charging_profile=profile, group=group)
    for charge_point, state, answer in (
        (charge_points[0], "installed", "Accepted"),
        (charge_points[4], "refused", "NotSupported"),
    ):
        ProfileInstallation.objects.create(
            charge_point=charge_point,
            connector_number=0,
            profile_id=profile.pk,
            charging_profile=profile,
            purpose=profile.purpose,
            stack_level=0,
            state=state,
            answer=answer,
            status_at=now,
            is_assigned=True,
        )


def make_campaign(charge_points: list[Any], now: datetime) -> None:
    """Firmware on its way, wave by wave; paused, so that it stays as it is."""
    from django.core.files.base import ContentFile

    from ocpp_app import firmware_files
    from ocpp_app.models import CampaignTarget, Firmware, FirmwareCampaign

    firmware = Firmware(version="2.5.0", vendor="Volterra", model="One *")
    file = ContentFile(b"firmware" * 40_000, "one-2.5.0.bin")
    firmware_files.describe(firmware, file, "one-2.5.0.bin")
    firmware.file = file
    firmware.save()
    campaign = FirmwareCampaign.objects.create(
        name="Spring update", firmware=firmware, wave_size="2", state="paused", wave=2, created_at=now
    )
    for number, (charge_point, state) in enumerate(
        zip(charge_points, ("done", "done", "failed", "waiting", "skipped"), strict=True)
    ):
        CampaignTarget.objects.create(
            campaign=campaign,
            charge_point=charge_point,
            wave=0 if state == "skipped" else 1 + number // 2,
            state=state,
            started_at=now if state in ("done", "failed") else None,
            detail={"failed": "It reports DownloadFailed.", "skipped": "It has version 2.5.0 already."}.get(state, ""),
        )


def make_inside(charge_point: Any, now: datetime) -> None:
    """What is in the charge point: configuration, one key of which it changed by itself, a list, a reservation."""
    from ocpp_app.models import CompositeSchedule, ConfigurationKey, LocalList, Reservation

    for key, value, wanted in (("HeartbeatInterval", "3600", ""), ("MeterValueSampleInterval", "900", "60")):
        ConfigurationKey.objects.create(
            charge_point=charge_point,
            key=key.lower(),
            name=key,
            value=value,
            wanted=wanted,
            state="drifted" if wanted else "",
            detail="It was 60, and is 900 since it restarted." if wanted else "",
        )
    local_list, _ = LocalList.objects.get_or_create(charge_point=charge_point)
    local_list.entries.create(key="MILLER", id_tag="Miller", status="Accepted")
    CompositeSchedule.objects.create(
        charge_point=charge_point,
        connector_number=1,
        status="Accepted",
        starts_at=now,
        received_at=now,
        charging_rate_unit="A",
        periods=[{"start": now.isoformat(), "end": None, "limit": 16}],
    )
    Reservation.objects.create(
        organisation=charge_point.organisation,
        charge_point=charge_point,
        connector=charge_point.connectors.get(number=2),
        id_tag="Chen",
        expires_at=now + timedelta(hours=2),
        status_at=now,
        created_at=now,
    )


def make_tasks(charge_point: Any, now: datetime) -> None:
    """Diagnostics that came, firmware that did not."""
    from django.core.files.base import ContentFile

    from ocpp_app.models import DiagnosticsTask, FirmwareTask

    DiagnosticsTask.objects.create(
        charge_point=charge_point,
        kind="Diagnostics",
        state="done",
        created_at=now - timedelta(days=1),
        expires_at=now,
        file_name="duo-22.log",
        file=ContentFile(b"log", "duo-22.log"),
        size=3,
        uploaded_at=now - timedelta(hours=23),
    )
    FirmwareTask.objects.create(
        charge_point=charge_point,
        state="failed",
        detail="It reports DownloadFailed.",
        created_at=now - timedelta(days=3),
        expires_at=now,
        retrieve_at=now - timedelta(days=3),
        location="https://csms.example.com/duo.bin",
    )


def make_batch(charge_points: list[Any], now: datetime) -> None:
    """A restart of all: one has it behind it, one refused, the others wait."""
    from ocpp_app.models import Command, CommandBatch

    payload = {"type": "Soft"}
    batch = CommandBatch.objects.create(
        pk=BATCH,
        organisation=charge_points[0].organisation,
        action="Reset",
        payload=payload,
        size=len(charge_points),
        created_at=now,
    )
    answers = ({"status": "Accepted"}, {"status": "Rejected"})
    for number, charge_point in enumerate(charge_points):
        is_answered = number < len(answers)
        Command.objects.create(
            charge_point=charge_point,
            batch=batch,
            action="Reset",
            payload=payload,
            state="answered" if is_answered else "expired",
            timeout_s=30,
            created_at=now,
            finished_at=now,
            response=answers[number] if is_answered else None,
            status=answers[number]["status"] if is_answered else "",
            reason="" if is_answered else "It was not connected in time.",
        )


def make_integrations(charge_point: Any, now: datetime) -> None:
    """A token, and a webhook whose receiver was away once."""
    from ocpp_app.events import signing
    from ocpp_app.models import ApiToken, Event, WebhookDelivery, WebhookSubscription

    organisation = charge_point.organisation
    ApiToken.issue(organisation=organisation, name="billing")
    webhook = WebhookSubscription(
        organisation=organisation, name="Billing", url="https://billing.example.com/events", events=["*"]
    )
    signing.give_secret(webhook)
    webhook.save()
    for number, (state, error) in enumerate((("delivered", ""), ("given_up", "It answered 503."))):
        event = Event.objects.create(
            type="charge_point.connected",
            organisation=organisation,
            charge_point=charge_point,
            sequence=1 + number,
            at=now,
            data="{}",
        )
        WebhookDelivery.objects.create(subscription=webhook, event=event, state=state, error=error, attempts=1)


def draw_power(chance: random.Random, organisation: Any, now: datetime) -> None:
    from ocpp_app.models import PowerSample

    power_w, rows = 0.0, []
    for minute in range(24 * 60, 0, -1):
        at = now - timedelta(minutes=minute)
        wanted = 38_000 if 7 <= at.hour < 17 else 7_000 if at.hour < 22 else 2_500
        power_w += (wanted - power_w) * 0.04 + chance.uniform(-700, 700)
        rows.append(
            PowerSample(organisation=organisation, at=at, power_w=max(0.0, power_w), charging=int(power_w // 9000) + 1)
        )
    PowerSample.objects.bulk_create(rows)


if __name__ == "__main__":
    main()
