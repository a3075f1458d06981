"""What housekeeping looks at: nothing while there is nothing to do, else all from the first task that has some."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ocpp_app import authorization_caches, first_contact, upkeep
from ocpp_app.campaigns import start_campaign
from ocpp_app.models import (
    AuthorizationCache,
    CertificateRequest,
    ChargePointGroup,
    CommandState,
    ConfigurationTemplate,
    Connector,
    DiagnosticsTask,
    FirmwareTask,
    Gateway,
    IdTag,
    Inquiry,
    LocalList,
    ProfileAssignment,
    ProfileInstallation,
    Reservation,
    SecurityUpgrade,
    ToldTag,
)
from ocpp_app.monitoring.tally import TALLY
from ocpp_app.rpc import housekeeping, occasions
from ocpp_app.rpc.housekeeping import Housekeeping
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.test_charging_profiles import make_profile
from tests.ocpp_app.test_housekeeping import Clock, command_for, last_announced
from tests.ocpp_app.test_transfer import make_firmware
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private_files")]

ALL = tuple(occasions.OCCASIONS)
NAMES = [f"{task.__module__.rpartition('.')[2]}.{task.__name__}" for task in ALL]


@pytest.fixture
def wire(wire: Wire, tag: IdTag) -> Wire:
    """A charge point, and an idTag, of which all is known."""
    Inquiry.objects.update(due_at=None)
    authorization_caches.note_stricter_tags(timezone.now())
    return wire


def all_rows() -> dict[str, list[Any]]:
    """All that is stored."""
    models = apps.get_app_config("ocpp_app").get_models()
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in models}


def first(tasks: Any) -> str:
    return NAMES[-len(tasks)] if tasks else "nothing"


def reserve(wire: Wire, status: str) -> Reservation:
    charge_point, now = wire.charge_point, timezone.now()
    connector, _created = Connector.objects.get_or_create(charge_point=charge_point, number=1)
    values: dict[str, Any] = {"expires_at": now, "status_at": now, "created_at": now, "id_tag": "DRIVER"}
    organisation = charge_point.organisation
    return Reservation.objects.create(
        charge_point=charge_point, connector=connector, organisation=organisation, status=status, **values
    )


def update_firmware(wire: Wire, state: str) -> FirmwareTask:
    now = timezone.now()
    times = {"retrieve_at": now, "created_at": now, "expires_at": now + timedelta(days=1)}
    return FirmwareTask.objects.create(charge_point=wire.charge_point, state=state, **times)


def upload_log(wire: Wire, state: str) -> DiagnosticsTask:
    now = timezone.now()
    times = {"created_at": now, "expires_at": now + timedelta(days=1)}
    return DiagnosticsTask.objects.create(charge_point=wire.charge_point, state=state, kind="SecurityLog", **times)


def upgrade(wire: Wire, state: str) -> SecurityUpgrade:
    return SecurityUpgrade.objects.create(charge_point=wire.charge_point, state=state, deadline=timezone.now())


def campaign(wire: Wire, state: str, target: str) -> None:
    row = start_campaign(make_firmware(vendor="", model="*"), [wire.charge_point])
    row.targets.update(state=target)
    type(row).objects.update(state=state)


def one_tag() -> IdTag:
    return IdTag.objects.order_by("pk")[0]


def change_tag(wire: Wire, **values: Any) -> None:
    IdTag.objects.update(**values)


def add_family(wire: Wire) -> None:
    parent = IdTag.objects.create(id_tag="FAMILY")
    authorization_caches.note_stricter_tags(timezone.now())
    IdTag.objects.exclude(pk=parent.pk).update(parent=parent)


def restrict_tag(wire: Wire) -> None:
    one_tag().groups.add(ChargePointGroup.objects.create(name="Depot"))


def free_tag(wire: Wire) -> None:
    ToldTag.objects.update(groups="1")


def assign(wire: Wire) -> None:
    charge_point = wire.charge_point
    ProfileAssignment.objects.create(
        charging_profile=make_profile(), charge_point=charge_point, organisation=charge_point.organisation
    )


def install(wire: Wire) -> None:
    values = {"profile_id": 1, "stack_level": 0, "purpose": "TxProfile", "state": "installed"}
    ProfileInstallation.objects.create(charge_point=wire.charge_point, status_at=timezone.now(), **values)


def request_certificate(wire: Wire, state: str) -> None:
    CertificateRequest.objects.create(charge_point=wire.charge_point, state=state, created_at=timezone.now())


def make_due(wire: Wire, seconds: float) -> None:
    Inquiry.objects.update(due_at=timezone.now() + timedelta(seconds=seconds))


def outdate(wire: Wire) -> None:
    AuthorizationCache.objects.create(charge_point=wire.charge_point, outdated_at=timezone.now())


def keep_list(wire: Wire, selection: str) -> None:
    LocalList.objects.update_or_create(charge_point=wire.charge_point, defaults={"selection": selection})


def lose_gateway(wire: Wire) -> None:
    Gateway.objects.update(gone_at=Now())


def lose_empty_gateway(wire: Wire) -> None:
    wire.close()
    Gateway.objects.update(gone_at=Now())


WORLDS: list[tuple[Callable[[Wire], Any], str]] = [
    (lambda wire: None, "nothing"),
    (lambda wire: last_announced("gateway-1", 25), "nothing"),
    (lambda wire: last_announced("gateway-1", 31), "gateway_care.close_silent_gateways"),
    (lose_gateway, "gateway_care.close_silent_gateways"),
    (lose_empty_gateway, "nothing"),
    (lambda wire: command_for(wire, CommandState.SENT), "command_care.give_up_overdue_commands"),
    (lambda wire: command_for(wire, CommandState.DISPATCHED), "command_care.give_up_overdue_commands"),
    (lambda wire: command_for(wire, CommandState.QUEUED), "command_care.dispatch_queued_commands"),
    (lambda wire: command_for(wire, CommandState.ANSWERED), "nothing"),
    (lambda wire: reserve(wire, "Requested"), "upkeep.expire_reservations"),
    (lambda wire: reserve(wire, "Accepted"), "upkeep.expire_reservations"),
    (lambda wire: reserve(wire, "Expired"), "nothing"),
    (lambda wire: upgrade(wire, "waiting"), "upgrades.review"),
    (lambda wire: upgrade(wire, "done"), "nothing"),
    (lambda wire: update_firmware(wire, "requested"), "upkeep.end_tasks"),
    (lambda wire: upload_log(wire, "running"), "upkeep.end_tasks"),
    (lambda wire: (update_firmware(wire, "done"), upload_log(wire, "failed")), "nothing"),
    (lambda wire: campaign(wire, "running", "waiting"), "campaigns.review"),
    (lambda wire: campaign(wire, "stopped", "running"), "campaigns.review"),
    (lambda wire: campaign(wire, "stopped", "waiting"), "nothing"),
    (lambda wire: IdTag.objects.create(id_tag="NEW"), "upkeep.note_stricter_tags"),
    (lambda wire: one_tag().delete(), "upkeep.note_stricter_tags"),
    (lambda wire: change_tag(wire, is_blocked=True), "upkeep.note_stricter_tags"),
    (lambda wire: change_tag(wire, expires_at=timezone.now()), "upkeep.note_stricter_tags"),
    (lambda wire: change_tag(wire, note="lost and found"), "nothing"),
    (add_family, "upkeep.note_stricter_tags"),
    (restrict_tag, "upkeep.note_stricter_tags"),
    (free_tag, "upkeep.note_stricter_tags"),
    (outdate, "upkeep.clear_caches"),
    (lambda wire: keep_list(wire, "all"), "upkeep.keep_lists"),
    (lambda wire: keep_list(wire, "off"), "nothing"),
    (assign, "upkeep.keep_charging_profiles"),
    (install, "upkeep.keep_charging_profiles"),
    (lambda wire: make_due(wire, -1), "first_contact.review"),
    (lambda wire: make_due(wire, 60), "nothing"),
    (lambda wire: ConfigurationTemplate.objects.create(name="All"), "first_contact.review"),
    (lambda wire: request_certificate(wire, "accepted"), "certificate_signing.sign_in_background"),
    (lambda wire: request_certificate(wire, "signed"), "nothing"),
]
"""Something that is there, and the first task that it gives anything to do."""


@pytest.mark.parametrize(("prepare", "expected"), WORLDS)
def test_first_task_that_has_anything_to_do(
    prepare: Callable[[Wire], Any], expected: str, wire: Wire, settings: Any
) -> None:
    settings.OCPP_TRANSFER_URL = "https://testserver/transfer"
    prepare(wire)
    assert first(occasions.worth_while(ALL)) == expected
    idle = ALL if expected == "nothing" else ALL[: NAMES.index(expected)]
    before = all_rows()
    assert not any(task() for task in idle)
    assert all_rows() == before


def test_what_a_task_does_may_be_an_occasion_for_those_behind_it(wire: Wire) -> None:
    command_for(wire, CommandState.QUEUED)

    def unknown() -> None:
        """Nobody knows what it waits for."""

    assert occasions.worth_while((*ALL, unknown)) == (*ALL[-2:], unknown)
    assert occasions.worth_while((ALL[0], unknown, ALL[1])) == (unknown, ALL[1])
    assert occasions.worth_while(()) == ()


def test_a_quiet_site_is_asked_for_everything_at_once(wire: Wire) -> None:
    clock = Clock()
    keeper = Housekeeping("worker-1", clock)
    keeper.run_when_due()
    clock.now += 15  # the lease, and all that is done every few seconds
    with CaptureQueriesContext(connection) as captured:
        assert keeper.run_when_due() == {}
    assert len(captured) == 2


@commits
def test_all_is_done_where_it_cannot_be_told_what_there_is_to_do(wire: Wire) -> None:
    command_for(wire, CommandState.QUEUED)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ocpp_app_firmwarecampaign RENAME TO ocpp_app_firmwarecampaign_away")
    failures = TALLY.tasks["worth_while"].failures if "worth_while" in TALLY.tasks else 0
    clock = Clock()
    keeper = Housekeeping("worker-1", clock)
    clock.now += 5
    try:
        assert keeper.run_when_due().keys() == {"queue-of-gateway-1"}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE ocpp_app_firmwarecampaign_away RENAME TO ocpp_app_firmwarecampaign")
    assert TALLY.tasks["worth_while"].failures == failures + 1


@commits
def test_what_was_due_is_done_after_an_outage(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    done: list[str] = []
    monkeypatch.setattr(upkeep, "note_power", lambda: done.append("power"))
    keeper = Housekeeping("worker-1", clock)
    clock.now += 60
    with monkeypatch.context() as outage:
        outage.setattr(housekeeping, "is_unavailable", lambda error: True)
        outage.setattr(occasions, "_ask", _fail)
        assert keeper.run_when_due() == {}
    assert done == []
    clock.now += 5
    keeper.run_when_due()
    assert done == ["power"]


def _fail(_tasks: object) -> None:
    raise OperationalError("the connection was lost")


def test_caches_that_are_left_alone_are_not_asked_for(wire: Wire, settings: Any) -> None:
    settings.OCPP_CLEAR_CACHE = False
    IdTag.objects.create(id_tag="NEW")
    outdate(wire)
    clock = Clock()
    keeper = Housekeeping("worker-1", clock)
    keeper.run_when_due()
    clock.now += 15
    with CaptureQueriesContext(connection) as captured:
        keeper.run_when_due()
    assert len(captured) == 2


def test_time_goes_on(wire: Wire) -> None:
    """The SQL is made once, and asks for what is due when it is executed."""
    task = (first_contact.review,)
    make_due(wire, 0.2)
    assert occasions.worth_while(task) == ()
    deadline = time.monotonic() + 10
    while occasions.worth_while(task) == ():
        assert time.monotonic() < deadline


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps the zone with the time")
def test_time_is_in_the_zone_of_the_database(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.__dict__, "timezone", ZoneInfo("Asia/Tokyo"))
    make_due(wire, -1)
    assert occasions.worth_while((first_contact.review,)) == (first_contact.review,)
    make_due(wire, 60)
    assert occasions.worth_while((first_contact.review,)) == ()
