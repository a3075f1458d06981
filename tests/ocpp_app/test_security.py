"""Security profiles 0-3, new keys and upgrades step by step, and approval: what the backend decides."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ocpp_app import security, upgrades
from ocpp_app.commands import issue_command
from ocpp_app.credentials import hash_key, verify_key
from ocpp_app.errors import ChargePointOffline, UpgradeNotNeeded, UpgradeUnderWay
from ocpp_app.models import (
    ApiToken,
    AuditEntry,
    ChargePoint,
    Command,
    Message,
    Organisation,
    RegistrationStatus,
    Scope,
    SecurityEvent,
    SecurityUpgrade,
    Session,
    UpgradeState,
)
from ocpp_app.outbound import by_queue, claim
from ocpp_app.rpc.gateway_care import close_sessions_of
from ocpp_app.secrecy import HASHED
from ocppj import envelope
from ocppj.envelope import ClientCertificate
from ocppj.secrets import REDACTED
from ocppj.v16 import ChangeConfigurationRequest
from tests.ocpp_app.api.world import Caller
from tests.ocpp_app.wire import GatewayEnd, Wire

pytestmark = pytest.mark.django_db

KEY, WRONG = b"0123456789abcdef", b"fedcba9876543210"
PENDING, ACCEPTED = RegistrationStatus.PENDING, RegistrationStatus.ACCEPTED
BOOT = {"chargePointVendor": "ACME", "chargePointModel": "Box"}


@pytest.fixture(autouse=True)
def _as_deployed(settings: Any) -> None:
    settings.OCPP_SECURITY_PROFILE = 1
    settings.OCPP_TRUSTED_OPERATORS = ["Operator"]
    settings.SECURE_SSL_REDIRECT = False


def certificate(*common_names: str, organisation: str = "Operator") -> ClientCertificate:
    return ClientCertificate(common_names, (organisation,), "17", "ab" * 32)


def with_key(key: bytes = KEY, name: str = "CP001", **more: Any) -> dict[str, Any]:
    return {"username": name, "password": key, **more}


def register(**fields: Any) -> ChargePoint:
    fields = {"authorization_key": hash_key(KEY.decode()), **fields}
    return ChargePoint.objects.create(identity="CP001", **fields)


def events() -> list[tuple[str, str]]:
    return list(SecurityEvent.objects.order_by("pk").values_list("kind", "identity"))


def reconnect(wire: Wire, **how: Any) -> Wire:
    """The charge point closes its connection and makes another."""
    wire.close()
    again = Wire(wire.gateway, wire.identity)
    reply = again.open(**how)
    assert reply.accepted, reply
    return again


def sent(wire: Wire) -> tuple[str, str, str]:
    """Unique id, key and value of the last ChangeConfiguration that went out to it."""
    message_type, unique_id, action, payload = json.loads(wire.commands[-1].raw)
    assert (message_type, action) == (2, "ChangeConfiguration")
    return unique_id, payload["key"], payload["value"]


def answer(wire: Wire, status: str) -> str:
    """The charge point answers the last ChangeConfiguration; what comes back is the value that it was sent."""
    unique_id, _key, value = sent(wire)
    wire.call(json.dumps([3, unique_id, {"status": status}]))
    return value


@pytest.fixture
def online(gateway: GatewayEnd) -> Any:
    """Connects the registered charge point."""

    def connected(**how: Any) -> Wire:
        wire = Wire(gateway, "CP001")
        reply = wire.open(**how)
        assert reply.accepted, reply
        return wire

    return connected


# -- which connection is let in ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("required", "how", "status"),
    [
        (0, {}, 101),
        (1, with_key(), 101),
        (1, {}, 401),
        (1, with_key(WRONG), 401),
        (1, with_key(name="CP002"), 401),
        (2, with_key(secure=True), 101),
        (2, with_key(), 403),
        (2, {"secure": True}, 401),
        (3, {"secure": True, "certificate": certificate("SN-7")}, 101),
        (3, {"secure": True, "certificate": certificate("Box SN-7 v2")}, 101),
        (3, {"secure": True, "certificate": certificate("CP001")}, 101),
        (3, {"secure": True, "certificate": certificate("SN-77")}, 403),
        (3, {"secure": True, "certificate": certificate("XSN-7")}, 403),
        (3, {"secure": True, "certificate": certificate("SN-7", organisation="Stranger")}, 403),
        (3, {"secure": False, "certificate": certificate("SN-7")}, 403),
        (3, with_key(secure=True), 403),
        (1, {"secure": True, "certificate": certificate("SN-7")}, 101),
        (None, {}, 401),
        (None, with_key(), 101),
    ],
)
@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.002")
@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.404")
@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.405")
def test_required_profile(required: int | None, how: dict[str, Any], status: int, gateway: GatewayEnd) -> None:
    key = "" if required == 0 else hash_key(KEY.decode())
    register(security_profile=required, authorization_key=key, registered_serial_number="SN-7", serial_number="CP9")
    reply = Wire(gateway, "CP001").open(**how)
    assert (reply.status, reply.accepted) == (status, status == 101)
    if status != 101:
        assert Session.objects.count() == 0
        ((kind, identity),) = events()
        assert (identity, kind in ("wrong_credentials", "weak_profile", "wrong_certificate")) == ("CP001", True)


@pytest.mark.parametrize("setting", [0, 1])
def test_no_setting_lets_in_an_accepted_one_without_a_key(setting: int, gateway: GatewayEnd, settings: Any) -> None:
    """Profile 0 is its own, or it is not there; the check that refuses the setting may have been silenced."""
    settings.OCPP_SECURITY_PROFILE = setting
    charge_point = register(security_profile=None, authorization_key="")
    assert Wire(gateway, "CP001").open().status == 401
    ChargePoint.objects.filter(pk=charge_point.pk).update(security_profile=0)
    assert Wire(gateway, "CP001").open().accepted


def test_serial_number_that_it_only_claims_is_no_proof(gateway: GatewayEnd) -> None:
    register(security_profile=3, serial_number="SN-7", charge_box_serial_number="SN-7")
    how = {"secure": True, "certificate": certificate("SN-7")}
    assert Wire(gateway, "CP001").open(**how).status == 403
    assert events() == [("wrong_certificate", "CP001")]


def test_registered_charge_point_without_a_key_is_kept_out_until_it_has_one(gateway: GatewayEnd) -> None:
    charge_point = register(authorization_key="")
    assert Wire(gateway, "CP001").open().status == 401
    key = security.make_key(charge_point)
    assert Wire(gateway, "CP001").open(**with_key(key.encode())).accepted


def test_unknown_ones_under_pending_are_capped_in_number(gateway: GatewayEnd, settings: Any) -> None:
    settings.OCPP_MAX_UNKNOWN_CHARGE_POINTS = 2
    assert [Wire(gateway, f"NEW{number}").open().status for number in range(3)] == [101, 101, 429]
    assert Wire(gateway, "NEW1").open().accepted  # who waits already comes back
    assert ("too_many_unknown", "") in events()
    security.set_registration(ChargePoint.objects.get(identity="NEW0"), RegistrationStatus.REJECTED)
    assert Wire(gateway, "NEW2").open().accepted


def test_unknown_one_gets_pending_and_nothing_else(gateway: GatewayEnd) -> None:
    wire = Wire(gateway, "NEW")
    assert wire.open().accepted
    assert wire.ask("BootNotification", BOOT)["status"] == "Pending"
    assert json.loads(wire.call('[2,"1","Heartbeat",{}]') or "")[2] == "SecurityError"


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (with_key(), with_key(), 101),
        (with_key(), {"secure": True, "certificate": certificate("CP001")}, 101),
        (with_key(), with_key(secure=True), 101),
        (with_key(secure=True), with_key(), 403),  # on an open network somebody may have read it
        ({"secure": True, "certificate": certificate("CP001")}, with_key(), 403),
        ({"secure": True, "certificate": certificate("CP001")}, with_key(WRONG), 401),
    ],
)
def test_second_connection_replaces_the_first_only_if_it_is_as_sure(
    first: dict[str, Any], second: dict[str, Any], status: int, gateway: GatewayEnd
) -> None:
    register()
    owner, other = Wire(gateway, "CP001"), Wire(gateway, "CP001")
    assert owner.open(**first).accepted
    assert other.open(**second).status == status
    assert owner.charge_point.session_id == (other.session if status == 101 else owner.session)
    assert [kind for kind, _identity in events()] == [
        {101: "replaced", 403: "hijack", 401: "wrong_credentials"}[status]
    ]


def test_who_has_the_password_does_not_keep_the_certificate_out(gateway: GatewayEnd) -> None:
    register()
    while (again := Wire(gateway, "CP001").open(**with_key())).accepted:
        pass
    assert again.status == 429
    assert Wire(gateway, "CP001").open(secure=True, certificate=certificate("CP001")).accepted


def test_two_devices_that_push_each_other_out_are_slowed_down(gateway: GatewayEnd) -> None:
    register()
    statuses, old = [], None
    for _ in range(6):
        wire = Wire(gateway, "CP001")
        statuses.append(wire.open(**with_key()).status)
        if old is not None:
            old.close(reason="Replaced by a newer connection.")  # as its gateway says it
        old = wire
    assert statuses == [101] * 5 + [429]
    assert ("flapping", "CP001") in events()


# -- a new key (A01) -----------------------------------------------------------------------------------------------


def begin(what: Any, wire: Wire, *arguments: Any) -> SecurityUpgrade:
    """What a person asks for, and the message of it that has gone out to the charge point."""
    row: SecurityUpgrade = what("CP001", *arguments)
    go_out(wire)
    return row


def go_out(wire: Wire) -> None:
    """What is queued leaves, as housekeeping sends it."""
    with transaction.atomic():
        claimed = claim([wire.charge_point.pk], timezone.now())
    for queue, items in by_queue(claimed).items():
        wire.backend.published.extend((queue, item) for item in items)


def state(row: SecurityUpgrade) -> str:
    row.refresh_from_db()
    return row.state


def opens(gateway: GatewayEnd, key: str | bytes) -> bool:
    """Whether the key would let it in; nothing else changes by trying."""
    presented = key.encode() if isinstance(key, str) else key
    charge_point = ChargePoint.objects.get(identity="CP001")
    stored = (charge_point.authorization_key, charge_point.next_authorization_key)
    return any(one and verify_key(presented, one) for one in stored)


@pytest.mark.parametrize(
    ("status", "old_opens", "new_opens", "ends_as"),
    [
        ("Accepted", False, True, UpgradeState.DONE),
        ("Rejected", True, False, UpgradeState.FAILED),
        ("NotSupported", True, False, UpgradeState.FAILED),
        ("RebootRequired", True, True, UpgradeState.WAITING),
    ],
)
@pytest.mark.spec("OCPP 1.6 security whitepaper", "A01.FR.03")
@pytest.mark.spec("OCPP 1.6 security whitepaper", "A01.FR.04")
def test_new_key(status: str, old_opens: bool, new_opens: bool, ends_as: str, online: Any, gateway: GatewayEnd) -> None:
    register()
    wire = online(**with_key())
    row = begin(security.rotate_authorization_key, wire)
    _unique_id, name, new = sent(wire)
    assert (name, len(new)) == ("AuthorizationKey", 40)
    assert (opens(gateway, KEY), opens(gateway, new), opens(gateway, WRONG)) == (True, True, False)
    answer(wire, status)
    assert (opens(gateway, KEY), opens(gateway, new)) == (old_opens, new_opens)
    assert state(row) == ends_as
    reconnect(wire, **with_key(new.encode() if new_opens else KEY))
    assert (opens(gateway, KEY), opens(gateway, new)) == (not new_opens, new_opens)


@pytest.mark.parametrize("took_it", [True, False])
def test_lost_answer_keeps_both_keys_until_one_is_used(took_it: bool, online: Any, gateway: GatewayEnd) -> None:
    register()
    wire = online(**with_key())
    row = begin(security.rotate_authorization_key, wire)
    new = sent(wire)[2].encode()
    gateway.send(wire.disconnect(unanswered=(sent(wire)[0],)))
    assert opens(gateway, KEY)
    assert opens(gateway, new)
    used = Wire(gateway, "CP001")
    assert used.open(**with_key(new if took_it else KEY)).accepted
    assert (opens(gateway, KEY), opens(gateway, new)) == (not took_it, took_it)
    assert state(row) == (UpgradeState.DONE if took_it else UpgradeState.FAILED)


def test_old_key_that_is_used_before_the_message_left_does_not_end_the_new_one(
    online: Any, gateway: GatewayEnd
) -> None:
    register()
    wire = online(**with_key())
    row = security.rotate_authorization_key("CP001")  # its command is still queued
    Command.objects.update(expires_at=timezone.now() + timedelta(hours=1))
    wire = reconnect(wire, **with_key())
    assert state(row) == UpgradeState.KEY_SENT
    new = answer(wire, "Accepted")
    assert (opens(gateway, KEY), opens(gateway, new)) == (False, True)


def test_key_is_shown_nowhere(online: Any, caplog: pytest.LogCaptureFixture) -> None:
    register()
    wire = online(**with_key())
    begin(security.rotate_authorization_key, wire)
    unique_id, _name, new = sent(wire)
    wire.tell(unique_id, "sent")
    wire.call(json.dumps([3, unique_id, {"status": "Accepted"}]))
    wire.call(f'[2,"9","DataTransfer",{{"vendorId":"x","data":"{{}}","key":"AuthorizationKey","value":"{new}"}}]')
    kept = [str(row) for model in (Command, Message, AuditEntry, SecurityUpgrade, ChargePoint)
            for row in model._default_manager.values_list()]  # fmt: skip
    assert "AuthorizationKey" in "".join(kept)
    assert new not in "".join(kept) + caplog.text


@pytest.mark.parametrize(
    "told", ['[3,"{id}",{"status":"Accepted","was":"{key}"}]', '[4,"{id}","E","{key} is short",{"value":"{key}"}]']
)
def test_new_key_is_shown_to_nobody_not_even_as_its_hash(told: str, online: Any, admin_client: Any) -> None:
    register()
    wire = online(**with_key())
    begin(security.rotate_authorization_key, wire)
    unique_id, _name, new = sent(wire)
    wire.tell(unique_id, "sent")
    wire.call(told.replace("{id}", unique_id).replace("{key}", new))
    hashed = Command.objects.get().payload["value"]
    assert HASHED.fullmatch(hashed)
    for page in (
        f"/api/v1/commands/{unique_id}/",
        "/api/v1/charge-points/CP001/commands/",
        "/api/v1/messages/",
        f"/commands/{unique_id}/",
        f"/charge-points/{wire.charge_point.pk}/messages.jsonl",
        f"/admin/ocpp_app/command/{unique_id}/change/",
        f"/admin/ocpp_app/message/{Message.objects.get(command_id=unique_id).pk}/change/",
    ):
        shown = admin_client.get(page, secure=True)
        assert (page, shown.status_code) == (page, 200)
        found = shown.getvalue().decode()
        assert (page, REDACTED in found, hashed in found, new in found) == (page, True, False, False)


def test_key_sent_as_a_command_of_somebodys_own(online: Any, gateway: GatewayEnd) -> None:
    register()
    wire = online(**with_key())
    for number, (status, taken) in enumerate((("Rejected", False), ("Accepted", True))):
        new = f"a-key-of-somebody{number}"
        issue_command("CP001", ChangeConfigurationRequest(key="AuthorizationKey", value=new))
        go_out(wire)
        assert opens(gateway, KEY)
        assert opens(gateway, new)
        answer(wire, status)
        assert (opens(gateway, KEY), opens(gateway, new)) == (not taken, taken)


def test_key_set_by_hand_ends_what_was_being_sent(online: Any, gateway: GatewayEnd) -> None:
    charge_point = register()
    wire = online(**with_key())
    row = begin(security.rotate_authorization_key, wire)
    by_hand = security.make_key(charge_point)
    assert state(row) == UpgradeState.FAILED
    assert not opens(gateway, sent(wire)[2])
    answer(wire, "Rejected")
    assert opens(gateway, by_hand)


def test_one_upgrade_at_a_time_and_only_while_connected(online: Any) -> None:
    register()
    with pytest.raises(ChargePointOffline):
        security.rotate_authorization_key("CP001")
    assert not SecurityUpgrade.objects.exists()
    assert ChargePoint.objects.get().next_authorization_key == ""
    online(**with_key())
    security.rotate_authorization_key("CP001")
    with pytest.raises(UpgradeUnderWay):
        security.rotate_authorization_key("CP001")
    with pytest.raises(UpgradeNotNeeded):
        security.upgrade_security_profile("CP001", 1)


# -- from profile to profile (A05) -----------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A05.FR.09")
def test_upgrade_from_0_to_3_step_by_step(online: Any, gateway: GatewayEnd) -> None:
    register(authorization_key="", security_profile=0, serial_number="SN-7")
    wire = online()
    row = begin(security.upgrade_security_profile, wire, 3)
    key = answer(wire, "Accepted").encode()
    assert sent(wire)[1:] == ("SecurityProfile", "1")
    answer(wire, "Accepted")
    steps = (with_key(key), with_key(key, secure=True), {"secure": True, "certificate": certificate("SN-7")})
    for reached, how in enumerate(steps, start=1):
        wire = reconnect(wire, **how)
        assert wire.charge_point.security_profile == reached
        if reached < 3:
            assert sent(wire)[1:] == ("SecurityProfile", str(reached + 1))
            answer(wire, "Accepted")
    assert state(row) == UpgradeState.DONE
    wire.close()
    for lower in ({}, with_key(key), with_key(key, secure=True)):
        assert Wire(gateway, "CP001").open(**lower).status in (401, 403)
    assert wire.charge_point.registered_serial_number == "SN-7"


def test_answer_and_return_in_one_batch(online: Any, gateway: GatewayEnd) -> None:
    register(security_profile=1)
    wire = online(**with_key())
    row = begin(security.upgrade_security_profile, wire, 2)
    again = Wire(gateway, "CP001")
    answered = wire.frame(json.dumps([3, sent(wire)[0], {"status": "Accepted"}]))
    gateway.send(answered, wire.disconnect(), again.connect(**with_key(secure=True)))
    assert (state(row), again.charge_point.security_profile) == (UpgradeState.DONE, 2)


def test_upgrade_that_is_refused_leaves_everything_as_it_was(online: Any, gateway: GatewayEnd) -> None:
    register(security_profile=1)
    wire = online(**with_key())
    row = begin(security.upgrade_security_profile, wire, 2)
    assert sent(wire)[1:] == ("SecurityProfile", "2")
    answer(wire, "Rejected")
    assert state(row) == UpgradeState.FAILED
    assert ("key_rejected", "CP001") in events()
    assert reconnect(wire, **with_key()).charge_point.security_profile == 1


def test_charge_point_that_does_not_come_back_with_it_falls_back(online: Any, gateway: GatewayEnd) -> None:
    register(security_profile=1)
    wire = online(**with_key())
    row = begin(security.upgrade_security_profile, wire, 2)
    answer(wire, "Accepted")
    wire = reconnect(wire, **with_key())  # A05.FR.08: it could not, and is back with what it had
    upgrades.review()
    assert state(row) == UpgradeState.WAITING
    SecurityUpgrade.objects.update(deadline=timezone.now())
    upgrades.review()
    assert state(row) == UpgradeState.FELL_BACK
    assert ("upgrade_fell_back", "CP001") in events()
    assert reconnect(wire, **with_key()).charge_point.security_profile == 1


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A00.FR.201")
def test_first_key_of_a_charge_point_on_tls_does_not_lead_it_to_plain_text(online: Any) -> None:
    register(authorization_key="", security_profile=0)
    wire = online(secure=True)
    row = begin(security.upgrade_security_profile, wire, 1)
    key = answer(wire, "Accepted").encode()
    assert sent(wire)[1:] == ("SecurityProfile", "2")
    answer(wire, "NotSupported")
    assert state(row) == UpgradeState.WAITING
    reconnect(wire, **with_key(key, secure=True))
    assert state(row) == UpgradeState.DONE


@pytest.mark.spec("OCPP 1.6 security whitepaper", "A01.FR.03")
def test_key_that_was_accepted_stays_valid_although_its_charge_point_comes_back_too_late(online: Any) -> None:
    register(authorization_key="", security_profile=0)
    wire = online()
    row = begin(security.upgrade_security_profile, wire, 1)
    key = answer(wire, "Accepted").encode()
    answer(wire, "NotSupported")
    SecurityUpgrade.objects.update(deadline=timezone.now())
    upgrades.review()
    assert state(row) == UpgradeState.FELL_BACK
    assert verify_key(key, reconnect(wire, **with_key(key)).charge_point.authorization_key)


def test_upgrade_whose_message_never_left_ends(online: Any, gateway: GatewayEnd) -> None:
    register(authorization_key="", security_profile=0)
    wire = online()
    row = security.upgrade_security_profile("CP001", 1)
    wire.close()
    Command.objects.update(state="expired")
    upgrades.review()
    assert state(row) == UpgradeState.FAILED
    assert wire.charge_point.next_authorization_key == ""
    assert Wire(gateway, "CP001").open().accepted


def test_gateway_that_dies_in_the_middle_loses_nothing(online: Any, gateway: GatewayEnd) -> None:
    register()
    wire = online(**with_key())
    row = begin(security.rotate_authorization_key, wire)
    new = sent(wire)[2]
    close_sessions_of(Session.objects.get().gateway)  # type: ignore[arg-type]
    assert opens(gateway, KEY)
    assert opens(gateway, new)
    assert Wire(gateway, "CP001").open(**with_key(new.encode())).accepted
    assert state(row) == UpgradeState.DONE


# -- approval ------------------------------------------------------------------------------------------------------


def act(client: Client, action: str, row: ChargePoint) -> str:
    address = reverse("admin:ocpp_app_chargepoint_changelist")
    return client.post(address, {"action": action, "_selected_action": [row.pk]}, follow=True).content.decode()


def test_approval_of_an_unknown_charger_gives_it_a_password(gateway: GatewayEnd, admin_client: Client) -> None:
    wire = Wire(gateway, "CP001")
    wire.open()
    wire.ask("BootNotification", BOOT)
    text = act(admin_client, "approve", wire.charge_point)
    assert "CP001 is being given a password" in text
    go_out(wire)
    key = answer(wire, "Accepted").encode()
    answer(wire, "NotSupported")  # it knows no SecurityProfile: the key alone makes profile 1
    assert wire.charge_point.registration_status == PENDING
    wire = reconnect(wire, **with_key(key))
    assert wire.ask("BootNotification", BOOT)["status"] == "Accepted"
    assert wire.charge_point.security_profile == 1
    assert Wire(gateway, "CP001").open().status == 401
    approved = AuditEntry.objects.get(action="upgrade to security profile 1")
    assert (approved.actor, approved.charge_point) == ("admin", wire.charge_point)


def test_charger_that_knows_no_password_is_approved_without_one(gateway: GatewayEnd, admin_client: Client) -> None:
    wire = Wire(gateway, "CP001")
    wire.open()
    act(admin_client, "approve", wire.charge_point)
    go_out(wire)
    answer(wire, "NotSupported")
    assert wire.charge_point.registration_status == PENDING
    text = act(admin_client, "approve_without_password", wire.charge_point)
    assert "1 charge point is Accepted now" in text
    assert (wire.charge_point.security_profile, wire.charge_point.registration_status) == (0, ACCEPTED)
    assert reconnect(wire).ask("BootNotification", BOOT)["status"] == "Accepted"


def test_approval_of_one_that_is_away_says_what_can_be_done(gateway: GatewayEnd, admin_client: Client) -> None:
    wire = Wire(gateway, "CP001")
    wire.open()
    wire.close()
    text = act(admin_client, "approve", wire.charge_point)
    assert "approve it while it is connected, or enter a key" in text
    assert wire.charge_point.registration_status == PENDING


def test_charger_with_a_key_of_its_own_is_approved_at_once(online: Any, admin_client: Client) -> None:
    register(registration_status=PENDING)
    wire = online(**with_key())
    act(admin_client, "approve", wire.charge_point)
    assert wire.charge_point.registration_status == ACCEPTED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "set: it must be sent"),
        ({"authorization_key": ""}, "none: it cannot connect until it has one"),
        ({"authorization_key": "", "registration_status": PENDING}, "none: it is given one when it is approved"),
        ({"authorization_key": "", "security_profile": 0}, "none: anybody may connect in its name"),
        ({"authorization_key": "", "security_profile": 3}, "none: its certificate counts"),
        ({"security_profile": 3}, "set: its certificate counts"),
    ],
)
def test_the_page_of_a_charge_point_says_what_its_key_is_for(
    fields: dict[str, Any], words: str, admin_client: Client
) -> None:
    row = register(**fields)
    assert words in admin_client.get(reverse("admin:ocpp_app_chargepoint_change", args=(row.pk,))).content.decode()


def test_charge_point_that_could_not_connect_is_not_registered_by_mistake(admin_client: Client) -> None:
    address = reverse("admin:ocpp_app_chargepoint_add")
    form = admin_client.get(address).context["adminform"].form
    data = {name: value for name in form.fields if (value := form[name].value()) not in (None, False)}
    data["identity"] = "CP9"
    errors = admin_client.post(address, data).context["adminform"].form.errors
    assert "Security profile 1 asks for a key" in str(errors["new_authorization_key"])
    for more in ({"security_profile": "0"}, {"registration_status": "Pending"}, {"new_authorization_key": "k" * 16}):
        assert admin_client.post(address, {**data, **more}).status_code == 302
        ChargePoint.objects.get(identity="CP9").delete()


def test_actions_of_the_admin_rotate_and_upgrade(online: Any, admin_client: Client) -> None:
    row = register()
    assert "not connected" in act(admin_client, "renew_key", row)
    wire = online(**with_key())
    assert "Sent to CP001" in act(admin_client, "renew_key", row)
    assert "being given a new key" in act(admin_client, "upgrade_to_2", row)
    go_out(wire)
    answer(wire, "Accepted")
    assert "Sent to CP001" in act(admin_client, "upgrade_to_2", row)


def test_api_approves_by_the_same_rules(gateway: GatewayEnd) -> None:
    user = get_user_model().objects.create_superuser("root", "", "x")
    _token, secret = ApiToken.issue(organisation=Organisation.default(), name="t", scope=Scope.ADMIN, user=user)
    api = Caller(secret)
    wire = Wire(gateway, "CP001")
    wire.open()
    wire.close()
    refused = api.post("charge-points/CP001/approve/")
    assert refused.status_code == 409
    assert "not connected" in refused.json()["detail"]
    key = api.post("charge-points/CP001/renew-password/").json()["password"]
    assert api.post("charge-points/CP001/approve/").json()["registration_status"] == "Accepted"
    assert Wire(gateway, "CP001").open(**with_key(key.encode())).accepted
    changed = api.patch("charge-points/CP001/", {"password": "another-key-of-16", "security_profile": 2})
    assert (changed.status_code, changed.json()["security_profile"]) == (200, 2)
    assert Wire(gateway, "CP001").open(**with_key(b"another-key-of-16", secure=True)).accepted


def test_a_connect_is_never_asked_to_prove_more_than_once(gateway: GatewayEnd) -> None:
    """A request that is published again is answered from memory: it is no second attempt."""
    register()
    wire = Wire(gateway, "CP001")
    request = wire.connect(**with_key())
    first = gateway.send(request)
    assert gateway.send(request)[0].accepted
    assert isinstance(first[0], envelope.ConnectReply)
    assert events() == []


@pytest.mark.django_db
def test_approval_without_a_password_takes_no_security_profile_away() -> None:
    charge_point = ChargePoint.objects.create(
        identity="CERTIFIED", security_profile=3, registration_status=RegistrationStatus.ACCEPTED
    )
    security.approve(charge_point, without_password=True)
    charge_point.refresh_from_db()
    assert charge_point.security_profile == 3
