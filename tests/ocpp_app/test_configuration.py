"""Configuration keys: read, stored, wanted, brought to the charge point, and kept an eye on."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from ocpp_app import inquiries
from ocpp_app.configuration import read_again, reapply, want
from ocpp_app.configuration_rules import is_same
from ocpp_app.models import (
    ChargePoint,
    ChargePointGroup,
    Command,
    CommandState,
    ConfigurationKey,
    ConfigurationTemplate,
    Inquiry,
    Message,
    Organisation,
    RegistrationStatus,
    WantedState,
)
from ocppj.v16 import ChangeConfigurationRequest, GetConfigurationRequest
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.looked_at import Charger, actions
from tests.ocpp_app.test_commands import issue
from tests.ocpp_app.wire import Wire

pytestmark = pytest.mark.django_db

BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One", "firmwareVersion": "1.0"}
INTERVAL = "MeterValueSampleInterval"
PING = "WebSocketPingInterval"
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def _asking(settings: Any) -> None:
    settings.OCPP_FIRST_CONTACT = True


@pytest.fixture
def charger(wire: Wire, _asking: None) -> Charger:
    """A charge point that has booted and told everything of its one connector."""
    made = Charger(wire, GetConfigurationMaxKeys="3", NumberOfConnectors="1", **{INTERVAL: "0", PING: "0"})
    wire.ask("BootNotification", BOOT)
    wire.ask("StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"})
    return made


def template(**fields: Any) -> ConfigurationTemplate:
    values = fields.pop("values", {INTERVAL: "60"})
    groups = fields.pop("groups", [])
    made = ConfigurationTemplate.objects.create(**{"name": "Everybody", **fields})
    for key, value in values.items():
        made.values.create(key=key, value=value)
    made.groups.set(groups)
    return made


def send(charger: Charger, message: Any) -> None:
    """A command of somebody, answered by the charge point."""
    command = issue("CP001", message, expires_at=timezone.now() + timedelta(hours=1))
    answer = charger.answer(command.action, command.payload)
    charger.wire.tell(str(command.pk), "sent")
    if isinstance(answer, str):
        charger.wire.call(json.dumps([4, str(command.pk), answer, "", {}]))
    else:
        charger.wire.call(json.dumps([3, str(command.pk), answer]))


# -- reading -------------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "5.8")
def test_answer_to_get_configuration_is_stored(charger: Charger) -> None:
    send(charger, GetConfigurationRequest(key=["numberofconnectors", INTERVAL, "Nonsense"]))
    known, unknown = charger.row("NumberOfConnectors"), charger.row("Nonsense")
    assert (known.key, known.value, known.is_readonly, known.is_known) == ("NumberOfConnectors", "1", True, True)
    assert known.read_at is not None
    assert (unknown.value, unknown.is_known) == (None, False)
    charger.keys[INTERVAL] = "30"
    since = charger.row(INTERVAL).value_since
    send(charger, GetConfigurationRequest())
    assert charger.row(INTERVAL).value == "30"
    now = charger.row(INTERVAL).value_since
    assert since is not None
    assert now is not None
    assert now > since
    assert charger.row("NumberOfConnectors").value_since == known.value_since


@pytest.mark.parametrize(
    ("status", "value", "next_value", "is_known"),
    [
        ("Accepted", "60", None, True),
        ("RebootRequired", "0", "60", True),
        ("Rejected", "0", None, True),
        ("NotSupported", "0", None, True),
    ],
)
@pytest.mark.spec("OCPP 1.6", "5.3")
def test_change_of_somebody_is_stored(
    charger: Charger, status: str, value: str, next_value: str | None, is_known: bool
) -> None:
    send(charger, GetConfigurationRequest())
    charger.says[INTERVAL] = status
    send(charger, ChangeConfigurationRequest(key=INTERVAL, value="60"))
    row = charger.row(INTERVAL)
    assert (row.value, row.next_value, row.is_known, row.state) == (value, next_value, is_known, "")


@pytest.mark.parametrize("key", ["AuthorizationKey", "authorizationkey", "WiFi-Password", "Acme.ApnSecret"])
@pytest.mark.spec("OCPP 1.6 security whitepaper", "A01.FR.09")
def test_secret_is_nowhere_in_the_database(charger: Charger, key: str) -> None:
    charger.keys[key] = SECRET
    charger.look_until_nothing()
    send(charger, GetConfigurationRequest(key=[key]))
    assert (charger.row(key).is_known, charger.row(key).value) == (True, None)
    send(charger, ChangeConfigurationRequest(key=key, value=SECRET))
    assert Message.objects.filter(command__isnull=False).count() >= 3
    everything = [
        str(value)
        for model in (Command, Message, ConfigurationKey)
        for row in model.objects.values()
        for value in row.values()
    ]
    assert not [text for text in everything if SECRET in text]
    with pytest.raises(ValidationError, match="holds a secret"):
        want("CP001", {key: SECRET})


def test_first_contact_reads_everything_once(charger: Charger) -> None:
    assert charger.look_until_nothing() == [("GetConfiguration", {})]
    assert charger.row("NumberOfConnectors").value == "1"
    charger.wire.close()
    again = Wire(charger.wire.gateway, "CP001")
    assert again.open().accepted
    charger.wire = again
    assert charger.look() == []  # all is known and fresh


def test_new_firmware_and_old_knowledge_are_read_again(charger: Charger) -> None:
    charger.look_until_nothing()
    charger.wire.ask("BootNotification", {**BOOT, "firmwareVersion": "2.0"})
    assert actions(charger.look_until_nothing()) == ["GetConfiguration"]
    Inquiry.objects.update(configuration_read_at=timezone.now() - inquiries.FRESH_FOR)
    assert actions(charger.look_until_nothing()) == ["GetConfiguration"]
    read_again([charger.wire.charge_point])
    assert actions(charger.look_until_nothing()) == ["GetConfiguration"]


@pytest.mark.parametrize("refusal", ["FormationViolation", "NotSupported", {}])
def test_who_does_not_tell_everything_is_asked_in_chunks(charger: Charger, refusal: Any) -> None:
    def configuration(payload: dict[str, Any]) -> Any:
        asked = payload.get("key") or []
        if not asked or len(asked) > 3:
            return refusal
        return charger._configuration(asked)

    charger.overrides["GetConfiguration"] = configuration
    asked = charger.look_until_nothing()
    names = [payload.get("key", []) for _action, payload in asked]
    assert names[:2] == [[], ["GetConfigurationMaxKeys"]]
    assert {len(some) for some in names[2:-1]} == {3}
    assert sorted(name for some in names for name in some) == sorted(inquiries.STANDARD_KEYS)
    assert charger.row(INTERVAL).value == "0"
    assert charger.row("LightIntensity").is_known is False
    assert Inquiry.objects.get().configuration_read_at is not None


def test_who_does_not_answer_is_asked_less_and_less(charger: Charger) -> None:
    charger.overrides["GetConfiguration"] = lambda payload: None
    assert actions(charger.look()) == ["GetConfiguration"]
    assert charger.look() == []  # its answer is still waited for
    Command.objects.update(state=CommandState.TIMED_OUT)
    assert charger.look() == []
    waits = []
    for _times in range(4):
        inquiry = Inquiry.objects.get()
        waits.append(inquiries.patience(inquiry.unanswered))
        Inquiry.objects.update(configuration_asked_at=timezone.now() - waits[-1])
        assert actions(charger.look()) == ["GetConfiguration"]
        Command.objects.update(state=CommandState.TIMED_OUT)
    assert waits == [inquiries.AGAIN_AFTER * factor for factor in (1, 2, 4, 8)]


def test_inventive_charge_point_fills_no_table(charger: Charger) -> None:
    charger.keys |= {f"Key{number}": "1" for number in range(600)}
    charger.look_until_nothing()
    assert ConfigurationKey.objects.count() == 500


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("60", "60.0", True), ("True", "true", True), ("a, B", "A,b", True), ("60", "61", False), ("", None, False)],
)
def test_values_that_mean_the_same(one: str, other: str | None, same: bool) -> None:
    assert is_same(one, other) is same


# -- wanted values ---------------------------------------------------------------------------------------------


def test_wanted_value_is_brought_and_confirmed(charger: Charger) -> None:
    charger.look_until_nothing()
    want("CP001", {INTERVAL: "60"})
    assert charger.row(INTERVAL).state == WantedState.TO_SEND
    assert charger.look_until_nothing() == [
        ("ChangeConfiguration", {"key": INTERVAL, "value": "60"}),
        ("GetConfiguration", {"key": [INTERVAL]}),
    ]
    row = charger.row(INTERVAL)
    assert (row.state, row.value, row.confirmed_at == row.read_at) == (WantedState.IN_FORCE, "60", True)
    want("CP001", {INTERVAL: None})
    assert (charger.row(INTERVAL).wanted, charger.row(INTERVAL).state) == (None, "")
    assert charger.look_until_nothing() == []


def test_nothing_is_sent_that_is_there_already(charger: Charger) -> None:
    want("CP001", {INTERVAL: "0"})
    assert charger.look_until_nothing() == [("GetConfiguration", {})]
    assert charger.states() == {INTERVAL: WantedState.IN_FORCE}


@pytest.mark.parametrize(
    ("says", "state", "detail"),
    [
        ("Rejected", WantedState.REJECTED, "It answered Rejected."),
        ("NotSupported", WantedState.NOT_SUPPORTED, "It answered NotSupported."),
        ("InternalError", WantedState.FAILED, "It answered CALLERROR InternalError."),
    ],
)
def test_refusal_is_kept_until_somebody_applies_it_again(charger: Charger, says: str, state: str, detail: str) -> None:
    charger.says[INTERVAL] = says
    want("CP001", {INTERVAL: "60"})
    charger.look_until_nothing()
    assert (charger.row(INTERVAL).state, charger.row(INTERVAL).detail) == (state, detail)
    charger.wire.ask("BootNotification", BOOT)
    assert charger.look_until_nothing() == []
    del charger.says[INTERVAL]
    assert reapply([charger.wire.charge_point]) == 1
    assert actions(charger.look_until_nothing()) == ["ChangeConfiguration", "GetConfiguration"]
    assert charger.row(INTERVAL).state == WantedState.IN_FORCE


def test_another_firmware_may_take_what_was_refused(charger: Charger) -> None:
    charger.says[INTERVAL] = "Rejected"
    want("CP001", {INTERVAL: "60"})
    charger.look_until_nothing()
    del charger.says[INTERVAL]
    charger.wire.ask("BootNotification", {**BOOT, "firmwareVersion": "2.0"})
    charger.look_until_nothing()
    assert charger.states() == {INTERVAL: WantedState.IN_FORCE}


def test_reboot_required_lasts_until_the_restart(charger: Charger) -> None:
    charger.says[PING] = "RebootRequired"
    want("CP001", {PING: "30"})
    charger.look_until_nothing()
    row = charger.row(PING)
    assert (row.state, row.value, row.next_value) == (WantedState.REBOOT_REQUIRED, "0", "30")
    assert charger.look_until_nothing() == []
    charger.wire.ask("BootNotification", BOOT)  # of one that is Pending, or was triggered: no restart (§4.2)
    assert charger.look_until_nothing() == []
    assert charger.row(PING).state == WantedState.REBOOT_REQUIRED
    charger.keys[PING] = "30"
    charger.restart()
    assert actions(charger.look_until_nothing()) == ["GetConfiguration"]
    row = charger.row(PING)
    assert (row.state, row.value, row.next_value) == (WantedState.IN_FORCE, "30", None)


def test_value_that_a_restart_did_not_bring_has_drifted(charger: Charger) -> None:
    charger.says[PING] = "RebootRequired"
    want("CP001", {PING: "30"})
    charger.look_until_nothing()
    charger.restart()
    charger.look_until_nothing()
    assert (charger.row(PING).state, charger.row(PING).next_value) == (WantedState.DRIFTED, None)


def test_what_somebody_changed_at_the_charge_point_is_put_back(charger: Charger) -> None:
    want("CP001", {INTERVAL: "60"})
    charger.look_until_nothing()
    charger.keys[INTERVAL] = "900"
    read_again([charger.wire.charge_point])
    assert charger.look() == [("GetConfiguration", {})]
    row = charger.row(INTERVAL)
    assert (row.state, row.detail) == (WantedState.DRIFTED, "Somebody has changed it at the charge point.")
    assert actions(charger.look_until_nothing()) == ["ChangeConfiguration", "GetConfiguration"]
    assert (charger.keys[INTERVAL], charger.row(INTERVAL).state) == ("60", WantedState.IN_FORCE)


def test_what_a_charge_point_takes_and_does_not_keep_is_shown_not_repeated(charger: Charger) -> None:
    charger.overrides["ChangeConfiguration"] = lambda payload: {"status": "Accepted"}
    want("CP001", {INTERVAL: "60"})
    assert actions(charger.look_until_nothing()).count("ChangeConfiguration") == 1
    row = charger.row(INTERVAL)
    assert (row.state, row.value, row.wanted) == (WantedState.DRIFTED, "0", "60")
    assert row.detail == "It was taken, and the charge point has another value."


def test_command_with_another_value_is_drift_and_nobody_fights(charger: Charger) -> None:
    want("CP001", {INTERVAL: "60"})
    charger.look_until_nothing()
    send(charger, ChangeConfigurationRequest(key=INTERVAL, value="10"))
    row = charger.row(INTERVAL)
    assert (row.state, row.detail) == (WantedState.DRIFTED, "A command has set another value.")
    assert "ChangeConfiguration" not in actions(charger.look_until_nothing())
    send(charger, ChangeConfigurationRequest(key=INTERVAL, value="60"))
    assert charger.row(INTERVAL).state == WantedState.IN_FORCE


def test_unanswered_change_is_tried_again_and_then_failed(charger: Charger) -> None:
    charger.look_until_nothing()
    charger.overrides["ChangeConfiguration"] = lambda payload: None
    want("CP001", {INTERVAL: "60"})
    for _attempt in range(3):
        assert actions(charger.look()) == ["ChangeConfiguration"]
        Command.objects.filter(state=CommandState.SENT).update(state=CommandState.TIMED_OUT)
    assert charger.look() == []
    row = charger.row(INTERVAL)
    assert (row.state, row.detail) == (WantedState.FAILED, "It did not answer.")
    charger.wire.close()
    charger.wire = Wire(charger.wire.gateway, "CP001")
    charger.wire.open()
    assert actions(charger.look()) == ["ChangeConfiguration"]


def test_wish_for_an_offline_charge_point_waits(charger: Charger) -> None:
    charger.look_until_nothing()
    charger.wire.close()
    want("CP001", {INTERVAL: "60"})
    assert charger.look() == []
    assert charger.states() == {INTERVAL: WantedState.TO_SEND}
    charger.wire = Wire(charger.wire.gateway, "CP001")
    charger.wire.open()
    assert actions(charger.look())[0] == "ChangeConfiguration"


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("", "1", "Name the configuration key"),
        ("K" * 51, "1", "the key has 51 characters; OCPP allows 50"),
        (INTERVAL, "1" * 501, "the value has 501 characters; OCPP allows 500"),
        (INTERVAL, "\x00", "a NUL character"),
    ],
)
def test_wish_that_cannot_be(wire: Wire, key: str, value: str, error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        want("CP001", {key: value})
    assert not ConfigurationKey.objects.exists()


# -- templates -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_asking")
def test_template_is_applied_while_pending(connect: Connect) -> None:
    """§4.2: the central system may change the configuration of a charge point that is Pending."""
    charger = Charger(connect(registration_status=RegistrationStatus.PENDING), **{INTERVAL: "0"})
    template()
    assert charger.wire.ask("BootNotification", BOOT)["status"] == "Pending"
    asked = charger.look_until_nothing()
    assert ("ChangeConfiguration", {"key": INTERVAL, "value": "60"}) in asked
    assert (charger.keys[INTERVAL], charger.states()) == ("60", {INTERVAL: WantedState.IN_FORCE})


@pytest.mark.usefixtures("_asking")
def test_template_is_applied_after_the_boot_that_tells_the_model(connect: Connect) -> None:
    charger = Charger(connect(), **{INTERVAL: "0"})
    template(vendor="acme*", model="O?e", firmware="1.*")
    template(name="Others", vendor="Other*", values={PING: "30"})
    assert "ChangeConfiguration" not in actions(charger.look_until_nothing())
    charger.wire.ask("BootNotification", BOOT)
    assert "ChangeConfiguration" in actions(charger.look_until_nothing())
    assert charger.states() == {INTERVAL: WantedState.IN_FORCE}
    assert charger.row(INTERVAL).template.name == "Everybody"


def test_template_follows_its_groups_its_values_and_its_end(
    charger: Charger, django_capture_on_commit_callbacks: Any
) -> None:
    charger.look_until_nothing()
    group = ChargePointGroup.objects.create(name="Fast")
    made = template(groups=[group], values={INTERVAL: "60", PING: "30"})
    charger.look_until_nothing()
    assert charger.states() == {}
    with django_capture_on_commit_callbacks(execute=True):
        charger.wire.charge_point.groups.add(group)
    charger.look_until_nothing()
    assert charger.states() == {INTERVAL: WantedState.IN_FORCE, PING: WantedState.IN_FORCE}
    made.values.get(key=PING).delete()
    changed = made.values.get(key=INTERVAL)
    changed.value = "90"
    changed.save()
    charger.look_until_nothing()
    assert (charger.states(), charger.keys[INTERVAL]) == ({INTERVAL: WantedState.IN_FORCE}, "90")
    with django_capture_on_commit_callbacks(execute=True):
        made.delete()
    charger.look_until_nothing()
    assert (charger.states(), charger.keys[INTERVAL]) == ({}, "90")


def test_own_wish_beats_the_higher_template_beats_the_lower(charger: Charger) -> None:
    template(values={INTERVAL: "10", PING: "10"}, position=1)
    template(name="Higher", values={PING: "20", INTERVAL: "20"}, position=2)
    want("CP001", {INTERVAL: "30"})
    charger.look_until_nothing()
    assert (charger.keys[INTERVAL], charger.keys[PING]) == ("30", "20")
    want("CP001", {INTERVAL: None})
    charger.look_until_nothing()
    assert charger.keys[INTERVAL] == "20"


def test_template_of_another_organisation_wants_nothing(charger: Charger) -> None:
    template(organisation=Organisation.objects.create(name="Others", slug="others"))
    template(name="Off", is_enabled=False, values={PING: "5"})
    charger.look_until_nothing()
    assert charger.states() == {}


def test_template_restarts_once_nothing_is_charging(charger: Charger, tag: Any) -> None:
    charger.says[PING] = "RebootRequired"
    started = charger.wire.ask(
        "StartTransaction",
        {"connectorId": 1, "idTag": "TAG1", "meterStart": 0, "timestamp": timezone.now().isoformat()},
    )
    template(resets=True, values={PING: "30"})
    assert "Reset" not in actions(charger.look_until_nothing())
    charger.wire.ask(
        "StopTransaction",
        {"transactionId": started["transactionId"], "meterStop": 1, "timestamp": timezone.now().isoformat()},
    )
    assert charger.look_until_nothing() == [("Reset", {"type": "Soft"})]
    assert charger.look_until_nothing() == []


def test_offline_charge_points_are_settled_as_well(wire: Wire) -> None:
    ChargePoint.objects.create(identity="CP002")
    template()
    Charger(wire).look()
    assert ConfigurationKey.objects.filter(wanted="60").count() == 2
