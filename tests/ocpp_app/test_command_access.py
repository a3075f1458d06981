"""Who may send what: the same by every way that leads to a charge point."""

import json
from typing import Any

import pytest

from ocpp_app.command_access import OPERATE, right_of_action
from ocpp_app.commands import issue_command
from ocpp_app.models import Command, CommandBatch, Role, Scope
from ocppj.errors import PayloadError
from ocppj.v16 import Action, ChangeConfigurationRequest
from tests.ocpp_app import pki
from tests.ocpp_app.console.world import Tenant, make_alive, make_tenant, person

pytestmark = pytest.mark.django_db

KEY = "00112233445566778899AABBCCDDEEFF00112233"
HASHES = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1"}
TRUST: list[tuple[str, dict[str, Any]]] = [
    ("InstallCertificate", {"certificateType": "CentralSystemRootCertificate", "certificate": pki.pem(pki.root())}),
    ("DeleteCertificate", {"certificateHashData": HASHES}),
    ("CertificateSigned", {"certificateChain": pki.pem(pki.root())}),
    ("ChangeConfiguration", {"key": "AuthorizationKey", "value": KEY}),
    ("ChangeConfiguration", {"key": "authorizationkey ", "value": KEY}),
    ("ChangeConfiguration", {"key": "SecurityProfile", "value": "1"}),
]
ORDINARY: list[tuple[str, dict[str, Any]]] = [
    ("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "60"}),
    ("Reset", {"type": "Soft"}),
]


@pytest.fixture
def ours(db: None, settings: Any) -> Tenant:
    settings.SECURE_SSL_REDIRECT = False
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    make_alive()
    return make_tenant("ours")


def by_every_way(tenant: Tenant, role: Role, scope: Scope, action: str, payload: dict[str, Any]) -> list[int]:
    """The status that somebody with this role gets from API and console, to one and to many."""
    program, browser = tenant.caller(scope), person(tenant, role)
    identity, key = tenant.charge_point.identity, tenant.charge_point.pk
    wanted = {"action": action, "payload": payload, "expires_at": "2099-01-01T00:00:00Z"}
    form = {"as-json": json.dumps(payload), "keep": "3600"}
    answers: list[Any] = [
        program.post(f"charge-points/{identity}/commands/", wanted),
        program.post("command-batches/", {**wanted, "filter": {"identities": [identity]}}),
        browser.post(f"/charge-points/{key}/commands/{action}/", form),
        browser.post(f"/batches/send/{action}/?q={identity}", form),
    ]
    return [answer.status_code for answer in answers]


@pytest.mark.parametrize(("action", "payload"), TRUST)
def test_whom_a_charge_point_trusts_is_for_admins(action: str, payload: dict[str, Any], ours: Tenant) -> None:
    before = set(Command.objects.values_list("pk", flat=True))
    assert by_every_way(ours, Role.OPERATOR, Scope.OPERATE, action, payload) == [403] * 4
    assert set(Command.objects.values_list("pk", flat=True)) == before
    assert not CommandBatch.objects.filter(source__in=("api", "console"), action=action).exists()
    if payload.get("key") != "authorizationkey ":
        assert by_every_way(ours, Role.ADMIN, Scope.ADMIN, action, payload) == [202, 202, 302, 302]


@pytest.mark.parametrize(("action", "payload"), ORDINARY)
def test_the_rest_is_for_operators(action: str, payload: dict[str, Any], ours: Tenant) -> None:
    assert by_every_way(ours, Role.OPERATOR, Scope.OPERATE, action, payload) == [202, 202, 302, 302]


def test_an_operator_is_offered_what_he_may_send(ours: Tenant) -> None:
    pages = [f"/charge-points/{ours.charge_point.pk}/commands/", "/batches/choose/"]
    refused = [str(action) for action in Action if right_of_action(action) != OPERATE]
    assert refused == ["CertificateSigned", "DeleteCertificate", "InstallCertificate"]
    for page in pages:
        offered = {role: person(ours, role).get(page).content.decode() for role in (Role.OPERATOR, Role.ADMIN)}
        for action in refused:
            assert [f"{action}/" in offered[role] for role in (Role.OPERATOR, Role.ADMIN)] == [False, True]
        assert "Reset/" in offered[Role.OPERATOR]


def test_passwords_are_for_admins_in_the_console_as_in_the_api(ours: Tenant) -> None:
    client, row = person(ours, Role.OPERATOR), ours.charge_point
    had = row.authorization_key, row.security_profile
    for what, data in (("password", {}), ("password/rotate", {}), ("approve", {"without_password": "yes"})):
        assert client.post(f"/charge-points/{row.pk}/{what}/", data).status_code == 403
    row.refresh_from_db()
    assert (row.authorization_key, row.security_profile) == had
    assert "Set a password" not in client.get(f"/charge-points/{row.pk}/access/").content.decode()


@pytest.mark.spec("security whitepaper", "A00.FR.205")
@pytest.mark.parametrize("value", ["", "0123456789abcde", "0" * 41, "0123456789 abcdef", "0123456789abcdé0"])
def test_password_that_no_charge_point_could_use_is_not_sent(value: str, ours: Tenant) -> None:
    with pytest.raises(PayloadError, match="16 to 40 printable ASCII characters") as refused:
        issue_command(ours.charge_point, ChangeConfigurationRequest(key="AuthorizationKey", value=value))
    assert refused.value.field == "value"
    assert not value or value not in str(refused.value)
    wanted = {"action": "ChangeConfiguration", "payload": {"key": "AuthorizationKey", "value": value}}
    answer = ours.caller(Scope.ADMIN).post(f"charge-points/{ours.charge_point.identity}/commands/", wanted)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/payload/value")


def test_security_profile_is_no_wish_of_the_configuration(ours: Tenant) -> None:
    wish = {"values": {"SecurityProfile": "0"}}
    answer = ours.caller(Scope.ADMIN).patch(f"charge-points/{ours.charge_point.identity}/configuration/", wish)
    assert (answer.status_code, "step by step" in answer.content.decode()) == (400, True)
