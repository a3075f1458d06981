"""What a charge point is asked by the system itself: what is missing, gently, and nothing else."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ocpp_app import first_contact, inquiries
from ocpp_app.configuration import want
from ocpp_app.models import ChargePoint, Command, CommandState, Inquiry, RegistrationStatus, Session
from ocpp_app.rpc.housekeeping import Housekeeping
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.looked_at import Charger, actions
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire

pytestmark = pytest.mark.django_db

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One", "firmwareVersion": "1.0"}
TWO = {"NumberOfConnectors": "2", "GetConfigurationMaxKeys": "10"}
STATUS = {"connectorId": 1, "status": "Available", "errorCode": "NoError"}


@pytest.fixture(autouse=True)
def _asking(settings: Any) -> None:
    settings.OCPP_FIRST_CONTACT = True


def trigger(message: str, connector: int | None = None) -> tuple[str, dict[str, Any]]:
    on = {} if connector is None else {"connectorId": connector}
    return "TriggerMessage", {"requestedMessage": message, **on}


def connect_again(charger: Charger, *, away: timedelta) -> None:
    """Its connection ends, and there is a new one so much later."""
    charger.wire.close()
    Session.objects.filter(pk=charger.wire.session).update(ended_at=timezone.now() - away)
    charger.wire = Wire(charger.wire.gateway, charger.wire.identity)
    assert charger.wire.open().accepted


def test_first_contact_without_a_boot(wire: Wire) -> None:
    charger = Charger(wire, **TWO)
    assert charger.look_until_nothing() == [
        trigger("BootNotification"),
        ("GetConfiguration", {}),
        trigger("StatusNotification", 1),
        trigger("StatusNotification", 2),
    ]


@pytest.mark.spec("OCPP 1.6", "errata 3.22")
def test_who_boots_and_tells_its_status_is_asked_for_nothing_of_it(wire: Wire) -> None:
    charger = Charger(wire, NumberOfConnectors="1")
    wire.ask("BootNotification", BOOT)
    wire.ask("StatusNotification", STATUS)
    assert charger.look_until_nothing() == [("GetConfiguration", {})]


def test_reconnect_without_a_boot_asks_for_the_status_of_each_connector(wire: Wire) -> None:
    charger = Charger(wire, **TWO)
    wire.ask("BootNotification", BOOT)
    charger.look_until_nothing()
    connect_again(charger, away=timedelta(hours=1))
    charger.wire.ask("StatusNotification", STATUS)
    assert charger.look_until_nothing() == [trigger("StatusNotification", 2)]
    assert charger.look_until_nothing() == []  # once for each connection, also where nothing came of it


def test_who_was_away_for_a_moment_is_asked_for_nothing(wire: Wire) -> None:
    charger = Charger(wire, NumberOfConnectors="1")
    wire.ask("BootNotification", BOOT)
    wire.ask("StatusNotification", STATUS)
    charger.look_until_nothing()
    connect_again(charger, away=timedelta(seconds=30))
    assert charger.look_until_nothing() == []


@pytest.mark.spec("OCPP 1.6", "errata 3.40")
@pytest.mark.parametrize(("told", "is_asked"), [("Pending", True), ("Accepted", False)])
def test_boot_is_triggered_only_while_it_was_not_told_accepted(connect: Connect, told: str, is_asked: bool) -> None:
    charger = Charger(connect(registration_status=told), NumberOfConnectors="1")
    assert charger.wire.ask("BootNotification", BOOT)["status"] == told
    charger.look_until_nothing()
    connect_again(charger, away=timedelta(hours=1))
    assert (trigger("BootNotification") in charger.look_until_nothing()) is is_asked


def test_pending_charge_point_is_not_asked_for_its_status(connect: Connect) -> None:
    charger = Charger(connect(registration_status=RegistrationStatus.PENDING), **TWO)
    assert charger.look_until_nothing() == [trigger("BootNotification"), ("GetConfiguration", {})]


def test_rejected_charge_point_is_asked_for_nothing(connect: Connect) -> None:
    assert Charger(connect(registration_status=RegistrationStatus.REJECTED)).look_until_nothing() == []


def test_without_a_known_number_all_connectors_are_asked_at_once(wire: Wire) -> None:
    charger = Charger(wire)
    charger.overrides["GetConfiguration"] = lambda payload: "NotSupported"
    wire.ask("BootNotification", BOOT)
    assert charger.look_until_nothing()[-1] == trigger("StatusNotification")


@pytest.mark.parametrize("refusal", [{"status": "NotImplemented"}, "NotSupported", "NotImplemented"])
def test_who_does_not_know_triggers_is_not_asked_again_with_this_firmware(wire: Wire, refusal: Any) -> None:
    charger = Charger(wire, **TWO)
    charger.overrides["TriggerMessage"] = lambda payload: refusal
    wire.ask("BootNotification", BOOT)
    assert actions(charger.look_until_nothing()).count("TriggerMessage") == 2
    connect_again(charger, away=timedelta(hours=1))
    assert charger.look_until_nothing() == []
    charger.wire.ask("BootNotification", {**BOOT, "firmwareVersion": "2.0"})
    assert "TriggerMessage" in actions(charger.look_until_nothing())


def test_who_has_no_remote_trigger_profile_is_not_triggered(wire: Wire) -> None:
    charger = Charger(wire, SupportedFeatureProfiles="Core, FirmwareManagement", **TWO)
    wire.ask("BootNotification", BOOT)
    assert charger.look_until_nothing() == [("GetConfiguration", {})]


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        ({"ask_boot": False}, ["GetConfiguration", "TriggerMessage", "TriggerMessage"]),
        ({"ask_configuration": False}, ["TriggerMessage", "TriggerMessage"]),
        ({"ask_status": False}, ["TriggerMessage", "GetConfiguration"]),
    ],
)
def test_quirk_switches_each_question_off(
    connect: Connect, settings: Any, switch: dict[str, bool], expected: list[str]
) -> None:
    settings.OCPP_QUIRKS = [{"vendor": "Acme*", **switch}]
    charger = Charger(connect(vendor="Acme Ltd"), **TWO)
    assert actions(charger.look_until_nothing()) == expected


def test_setting_switches_all_questions_off(wire: Wire, settings: Any) -> None:
    settings.OCPP_FIRST_CONTACT = False
    assert Charger(wire, **TWO).look_until_nothing() == []


def test_setting_that_is_off_still_lets_wanted_values_be_followed(wire: Wire, settings: Any) -> None:
    settings.OCPP_FIRST_CONTACT = False
    charger = Charger(wire, A="0", **TWO)
    want("CP001", {"A": "1"})
    asked = charger.look_until_nothing()
    assert actions(asked) == ["GetConfiguration"] * 2 + ["ChangeConfiguration", "GetConfiguration"]
    assert [payload["key"] for action, payload in asked if action == "GetConfiguration"] == [
        ["GetConfigurationMaxKeys"],
        ["A"],
        ["A"],
    ]
    assert charger.row("A").confirmed_at is not None


def test_nobody_is_asked_before_it_has_settled(wire: Wire) -> None:
    first_contact.review()
    assert not Command.objects.exists()
    inquiry = Inquiry.objects.get()
    assert inquiry.due_at is not None
    wait = inquiry.due_at - timezone.now()
    assert timedelta(seconds=4) < wait < inquiries.SETTLED_AFTER + timedelta(seconds=inquiries.SPREAD_S)


def test_who_has_not_answered_yet_is_not_asked_for_more(wire: Wire) -> None:
    charger = Charger(wire, **TWO)
    charger.overrides["GetConfiguration"] = charger.overrides["TriggerMessage"] = lambda payload: None
    first = charger.look()
    assert len(first) == 2
    assert charger.look() == []
    Command.objects.update(state=CommandState.TIMED_OUT)
    assert trigger("BootNotification") not in charger.look()  # once for each connection


def test_storm_of_reconnects_is_taken_a_few_at_a_time_and_what_is_known_costs_no_command(
    backend: Backend, gateway: GatewayEnd
) -> None:
    count = 600
    rows = [
        ChargePoint(identity=f"S{number}", security_profile=0, vendor="Acme", firmware_version="1.0")
        for number in range(count)
    ]
    ChargePoint.objects.bulk_create(rows)
    wires = [Wire(gateway, f"S{number}") for number in range(count)]
    backend.process(gateway.pack(*(wire.connect() for wire in wires)))
    known = list(ChargePoint.objects.filter(identity__regex=r"^S[0-9]?[0-9]$"))  # a hundred, of whom all is known
    ChargePoint.objects.filter(pk__in=[row.pk for row in known]).update(last_boot_at=timezone.now())
    now = timezone.now()
    asked_already = {"status_asked_at": now, "configuration_read_at": now, "firmware_version": "1.0"}
    Inquiry.objects.filter(charge_point__in=known).update(told="Accepted", due_at=now - timedelta(seconds=9))
    Inquiry.objects.filter(charge_point__in=known).update(**asked_already)
    Inquiry.objects.exclude(charge_point__in=known).update(due_at=now - timedelta(seconds=5))
    with CaptureQueriesContext(connection) as queries:
        assert first_contact.review(), "of the first all is known, so the others need not wait"
    assert not Command.objects.exists()
    assert len(queries) < 30
    runs = 1
    while first_contact.review():
        runs += 1
    assert runs == len(known) // first_contact.AT_ONCE
    assert first_contact.AT_ONCE <= Command.objects.count() <= 2 * first_contact.AT_ONCE
    assert not Command.objects.filter(charge_point__in=known).exists()
    Command.objects.update(state=CommandState.ANSWERED)
    for _run in range(count // first_contact.AT_ONCE):
        first_contact.review()
    assert Command.objects.filter(action="GetConfiguration").count() == count - len(known)


def test_one_run_takes_so_many_and_the_next_goes_on(wire: Wire) -> None:
    count = first_contact.AT_ONCE + 5
    ChargePoint.objects.bulk_create([ChargePoint(identity=f"S{number}") for number in range(count)])
    inquiries.look_at(ChargePoint.objects.filter(identity__startswith="S"), timezone.now())
    due = Inquiry.objects.filter(due_at__lte=timezone.now())
    assert first_contact.review()
    assert due.count() == 5
    assert not first_contact.review()
    assert due.count() == 0


def test_one_that_cannot_be_looked_after_keeps_nobody_waiting(connect: Connect) -> None:
    connect("BAD")
    good = Charger(connect("GOOD"), **TWO)
    Inquiry.objects.filter(charge_point__identity="BAD").update(due_at=timezone.now() - timedelta(hours=1))

    def fail(instance: Inquiry, **_kwargs: Any) -> None:
        if instance.charge_point.identity == "BAD":
            raise RuntimeError("a bug")

    post_init.connect(fail, sender=Inquiry)
    try:
        assert trigger("BootNotification") in good.look()
    finally:
        post_init.disconnect(fail, sender=Inquiry)
    due_at = Inquiry.objects.get(charge_point__identity="BAD").due_at
    assert due_at is not None
    assert due_at > timezone.now() + timedelta(minutes=5)


def test_housekeeping_asks_and_the_question_leaves_at_once(wire: Wire) -> None:
    Inquiry.objects.update(due_at=timezone.now())
    items = Housekeeping("test").run_when_due()
    frames = [json.loads(item.raw) for some in items.values() for item in some]  # type: ignore[union-attr]
    assert [frame[2] for frame in frames] == ["TriggerMessage", "GetConfiguration"]
    assert all(re.fullmatch(r"[0-9a-f-]{36}", frame[1]) for frame in frames)
