"""One bad row of a task of housekeeping costs only itself, and is not told of every few seconds."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, models
from django.utils import timezone

from ocpp_app import campaigns, charging_profiles, first_contact, upgrades, upkeep
from ocpp_app.command_batches import cancel_batch, issue_command_to_many
from ocpp_app.commands import issue_command
from ocpp_app.models import (
    Anomaly,
    ChargePoint,
    ChargingProfile,
    Command,
    CommandState,
    ConfigurationKey,
    ConfigurationTemplate,
    Connector,
    FirmwareCampaign,
    Organisation,
    ProfileInstallation,
    Reservation,
    ReservationState,
    SecurityUpgrade,
    Transaction,
    UpgradeState,
)
from ocpp_app.set_aside import FIRST_S, LONGEST_S, SetAside, aside
from ocppj.v16 import GetConfigurationRequest, ResetRequest, ResetType
from tests.ocpp_app.charging import Charging
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.test_transfer import make_firmware
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tag")]

Refuse = Callable[[type[models.Model], str], None]


@pytest.fixture
def refuse() -> Refuse:
    """Lets the database refuse to write some rows of a table, by a condition on OLD or NEW."""

    def refuse_writes(model: type[models.Model], condition: str) -> None:
        table, event = model._meta.db_table, "INSERT" if "NEW." in condition else "UPDATE"
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute(
                    f"CREATE TRIGGER bad BEFORE {event} ON {table} WHEN {condition} "
                    "BEGIN SELECT RAISE(ABORT, 'a bad row'); END"
                )
                return
            cursor.execute(
                "CREATE OR REPLACE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'a bad row' USING ERRCODE = 'integrity_constraint_violation'; END $$"
            )
            cursor.execute(
                f"CREATE TRIGGER bad BEFORE {event} ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION bad()"
            )

    return refuse_writes  # the triggers are rolled back with the test


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], int]:
    """How many errors were logged since the last time."""

    def count() -> int:
        errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
        caplog.clear()
        return len(errors)

    return count


def shown(task: Callable[[], None], told: Callable[[], int], still: Callable[[], Any], done: Any) -> None:
    """The good row is done beside the bad one; the bad one is told of once, and done when it is tried again."""
    task()
    assert still() == done
    assert told() == 1
    task()
    assert told() == 0
    aside.forget()
    task()
    assert told() == 1
    assert still() == done


def test_reservations(wire: Wire, refuse: Refuse, told: Callable[[], int]) -> None:
    now, charge_point = timezone.now(), wire.charge_point
    connector = charge_point.connectors.create(number=1)
    fields: dict[str, Any] = {
        "organisation": charge_point.organisation,
        "charge_point": charge_point,
        "connector": connector,
    }
    fields |= {"id_tag": "TAG1", "status": ReservationState.ACCEPTED, "status_at": now, "created_at": now}
    rows = [Reservation.objects.create(**fields, expires_at=now - timedelta(hours=1)) for _number in range(3)]
    refuse(Reservation, f"OLD.id = {rows[1].pk}")
    states = Reservation.objects.order_by("pk").values_list("status", flat=True)
    done = [ReservationState.EXPIRED, ReservationState.ACCEPTED, ReservationState.EXPIRED]
    shown(upkeep.expire_reservations, told, lambda: list(states.all()), done)


def test_transactions_that_were_never_stopped(wire: Wire, refuse: Refuse, told: Callable[[], int]) -> None:
    charging = [Charging(wire, connector=number).start() for number in (1, 2, 3)]
    ago = timezone.now() - timedelta(hours=3)
    Transaction.objects.update(start_received_at=ago)
    Connector.objects.update(status="Available", status_at=ago + timedelta(minutes=1))
    refuse(Anomaly, f"NEW.transaction_id = {charging[1].transaction_id}")
    shown(upkeep.note_never_stopped, told, lambda: [bool(each.anomalies) for each in charging], [True, False, True])


def test_charging_profiles(connect: Connect, refuse: Refuse, told: Callable[[], int]) -> None:
    wires = [connect(f"CP{number}") for number in range(3)]
    profile = ChargingProfile.objects.create(
        description="Night", purpose="TxDefaultProfile", kind="Absolute", start_schedule=timezone.now()
    )
    profile.periods.create(start_period_s=0, limit=16)
    for wire in wires:
        charging_profiles.assign(profile, charge_point=wire.charge_point)
    refuse(ProfileInstallation, f"NEW.charge_point_id = {wires[1].charge_point.pk}")
    sent = Command.objects.filter(action="SetChargingProfile").order_by("charge_point__identity")
    shown(
        upkeep.keep_charging_profiles, told, lambda: list(sent.values_list("charge_point__identity", flat=True)),
        ["CP0", "CP2"],
    )  # fmt: skip


def test_security_upgrades(connect: Connect, refuse: Refuse, told: Callable[[], int]) -> None:
    rows = [
        SecurityUpgrade.objects.create(
            charge_point=connect(f"CP{number}").charge_point,
            state=UpgradeState.WAITING,
            deadline=timezone.now() - timedelta(hours=1),
        )
        for number in range(3)
    ]
    refuse(SecurityUpgrade, f"OLD.id = {rows[1].pk}")
    states = SecurityUpgrade.objects.order_by("pk").values_list("state", flat=True)
    shown(upgrades.review, told, lambda: list(states.all()), ["fell_back", "waiting", "fell_back"])


@pytest.mark.usefixtures("private_files")
def test_campaigns(refuse: Refuse, told: Callable[[], int]) -> None:
    fields = {"firmware": make_firmware(), "state": "running", "created_at": timezone.now()}
    rows = [FirmwareCampaign.objects.create(**fields, name=f"C{number}") for number in range(3)]
    refuse(FirmwareCampaign, f"OLD.id = {rows[1].pk}")
    states = FirmwareCampaign.objects.order_by("pk").values_list("state", flat=True)
    shown(campaigns.review, told, lambda: list(states.all()), ["done", "running", "done"])


def test_templates_hold_up_nobody(wire: Wire, refuse: Refuse, told: Callable[[], int]) -> None:
    organisation = Organisation.default()
    rows = [
        ConfigurationTemplate.objects.create(organisation=organisation, name=f"T{number}", is_settled=False)
        for number in range(3)
    ]
    ConfigurationTemplate.objects.update(is_settled=False)
    refuse(ConfigurationTemplate, f"OLD.id = {rows[1].pk}")
    settled = ConfigurationTemplate.objects.order_by("pk").values_list("is_settled", flat=True)
    shown(first_contact.review, told, lambda: list(settled.all()), [True, False, True])


# -- what stopped too early --------------------------------------------------------------------------------------------


def test_all_that_is_queued_is_taken_back_though_somebody_sends_the_first_of_it(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpp_app.command_batches.AT_ONCE", 2)
    for number in range(6):
        ChargePoint.objects.create(identity=f"CP{number}")
    batch = issue_command_to_many(
        ChargePoint.objects.all(), ResetRequest(type=ResetType.Soft), expires_at=timezone.now() + timedelta(hours=1)
    )

    taken: set[Any] = set()

    def take(instance: Command, **_kwargs: Any) -> None:
        """Another worker dispatches the first two just when they have been found."""
        if len(taken) < 2:
            taken.add(instance.charge_point_id)
            instance.state = CommandState.DISPATCHED

    models.signals.post_init.connect(take, sender=Command)
    try:
        cancel_batch(batch)
    finally:
        models.signals.post_init.disconnect(take, sender=Command)
    others = Command.objects.exclude(charge_point__in=taken)
    assert list(others.values_list("state", flat=True)) == ["cancelled"] * 4


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("Vendor." + "x" * 300, id="long"),
        pytest.param("ß" * 200, id="longer in lower case"),
        pytest.param("Vendor\x00Key", id="nul"),
    ],
)
def test_a_key_that_is_no_key_is_read_again_and_again(key: str, wire: Wire) -> None:
    for value in ("1", "2"):
        known = [{"key": "HeartbeatInterval", "readonly": False}, {"key": key, "readonly": True, "value": value}]
        command = issue_command("CP001", GetConfigurationRequest())
        wire.tell(str(command.pk), "sent")
        wire.call(json.dumps([3, str(command.pk), {"configurationKey": known}]))
        command.refresh_from_db()
        assert command.state == CommandState.ANSWERED
    rows = ConfigurationKey.objects.filter(charge_point=wire.charge_point).exclude(name="heartbeatinterval")
    (row,) = rows
    assert (row.value, row.is_known) == ("2", True)


# -- how long ----------------------------------------------------------------------------------------------------------


def test_longer_each_time_up_to_a_day() -> None:
    now = [0.0]
    set_aside = SetAside(clock=lambda: now[0])
    waits = []
    for _time in range(12):
        set_aside.add("task", [1])
        assert set_aside.of("other") == []
        began = now[0]
        while set_aside.of("task"):
            now[0] += FIRST_S
        waits.append(now[0] - began)
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert waits[-1] == LONGEST_S
    now[0] += 2 * LONGEST_S  # it was in order for long: it begins anew
    set_aside.add("task", [1])
    now[0] += FIRST_S
    assert set_aside.of("task") == []
