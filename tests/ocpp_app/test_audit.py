"""The audit log: who did what, written once, by whichever way."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ocpp_app import security
from ocpp_app.command_batches import issue_command_to_many
from ocpp_app.commands import cancel_command, issue_command
from ocpp_app.models import (
    ApiToken,
    AppendOnly,
    AuditEntry,
    ChargePoint,
    IdTag,
    Membership,
    Organisation,
    RegistrationStatus,
    Role,
    Scope,
)
from ocpp_app.tag_import import import_tags
from ocppj.v16 import ChangeConfigurationRequest, ResetRequest, ResetType
from tests.ocpp_app.api.world import Caller
from tests.ocpp_app.conftest import Connect
from tests.ocpp_app.tables import kept_in

pytestmark = pytest.mark.django_db

RESET = ResetRequest(type=ResetType.Soft)


@pytest.fixture(autouse=True)
def _plain_and_quick(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def operator() -> Any:
    user = get_user_model().objects.create_user("olga", password="a long password")
    Membership.objects.create(user=user, organisation=Organisation.default(), role=Role.ADMIN)
    return user


def last() -> AuditEntry:
    return AuditEntry.objects.order_by("pk").last()  # type: ignore[return-value]


def deeds(**of: Any) -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.filter(**of).order_by("pk").values_list("actor", "action", "subject"))


# -- append-only ---------------------------------------------------------------------------------------------------


def test_an_entry_is_neither_changed_nor_deleted_by_the_models() -> None:
    entry = AuditEntry.objects.create(action="something")
    entry.actor = "somebody else"
    for attempt in (
        entry.save,
        entry.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(actor="x"),
        lambda: AuditEntry.objects.bulk_update([entry], ["actor"]),
    ):
        with pytest.raises(AppendOnly):
            attempt()
    assert AuditEntry.objects.get(pk=entry.pk).actor == ""


def test_the_database_itself_refuses_to_change_an_entry() -> None:
    mine, other = Organisation.default(), Organisation.objects.create(name="Other", slug="other")
    charge_point = ChargePoint.objects.create(identity="CP1", organisation=other)
    entry = AuditEntry.objects.create(action="something", organisation=mine)
    statements = [f"UPDATE ocpp_app_auditentry SET {column} = 'x'" for column in ("actor", "action", "subject")]
    statements.append(f"UPDATE ocpp_app_auditentry SET organisation_id = {other.pk} WHERE id = {entry.pk}")
    statements.append(f"UPDATE ocpp_app_auditentry SET charge_point_id = {charge_point.pk} WHERE id = {entry.pk}")
    if connection.vendor == "postgresql":
        statements.append("DELETE FROM ocpp_app_auditentry")
    else:
        columns = "id, at, actor, actor_id, remote_address, action, subject, detail"
        statements.append(
            f"INSERT OR REPLACE INTO ocpp_app_auditentry ({columns}) VALUES ({entry.pk}, '', '', '', '', 'x', '', '')"
        )
    for statement in statements:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert AuditEntry.objects.get(pk=entry.pk).action == "something"


def test_entries_outlive_what_they_are_about() -> None:
    organisation = Organisation.objects.create(name="Short", slug="short")
    charge_point = ChargePoint.objects.create(identity="CP1", organisation=organisation)
    charge_point.delete()
    organisation.delete()
    about = AuditEntry.objects.filter(subject__in=("CP1", "Short")).order_by("pk")
    assert [entry.action for entry in about] == [
        "Organisation added",
        "ChargePoint added",
        "ChargePoint deleted",
        "Organisation deleted",
    ]
    assert {(entry.organisation, entry.charge_point) for entry in about} == {(None, None)}


# -- what is written -----------------------------------------------------------------------------------------------


def test_changes_in_the_admin_say_who_from_where_and_what(admin_client: Client) -> None:
    tag = IdTag.objects.create(id_tag="TAG1")
    data = {
        "id_tag": "TAG1",
        "organisation": tag.organisation_id,
        "note": "spare",
        "expires_at_0": "",
        "expires_at_1": "",
    }
    admin_client.post(reverse("admin:ocpp_app_idtag_change", args=(tag.pk,)), data)
    entry = last()
    assert (entry.actor, entry.action, entry.subject) == ("admin", "IdTag changed", "TAG1")
    assert entry.detail == "note:  → spare"
    assert (entry.remote_address, entry.organisation) == ("127.0.0.1", tag.organisation)


def test_selected_tags_blocked_in_the_admin(admin_client: Client) -> None:
    tag = IdTag.objects.create(id_tag="TAG1")
    admin_client.post(reverse("admin:ocpp_app_idtag_changelist"), {"action": "block", "_selected_action": [tag.pk]})
    assert (last().actor, last().action, last().detail) == ("admin", "IdTag changed", "is_blocked: False → True")


def test_imported_tags_are_one_entry_that_names_them() -> None:
    import_tags(Organisation.default(), b"id_tag\nA1\nA2\n")
    assert (last().action, last().detail) == ("IdTags imported", "new: A1, A2; changed: ")
    count = AuditEntry.objects.count()
    import_tags(Organisation.default(), b"id_tag\nA3\n", dry_run=True)
    assert AuditEntry.objects.count() == count


def test_passwords_are_named_and_never_shown(operator: Any) -> None:
    operator.set_password("another long password")
    operator.save()
    assert (last().action, last().subject, last().detail) == ("User changed", "olga", "password: changed")
    charge_point = ChargePoint.objects.create(identity="CP1")
    key = security.make_key(charge_point, requested_by=operator)
    assert (last().actor, last().action, last().charge_point) == ("olga", "authorization key set", charge_point)
    token, secret = ApiToken.issue(organisation=Organisation.default(), name="billing", scope=Scope.READ)
    assert last().action == "ApiToken added"
    stored = [operator.password, key, secret, ChargePoint.objects.get().authorization_key]
    text = "\n".join(AuditEntry.objects.values_list("detail", flat=True))
    assert not [one for one in stored if one in text]
    assert [kept_in(one) for one in (key, secret)] == [set(), set()]
    assert kept_in(token.hint) >= {"ApiToken"}  # by what people tell them apart


def test_memberships_groups_and_links(operator: Any, django_user_model: Any) -> None:
    membership = Membership.objects.get()
    membership.role = Role.VIEWER
    membership.save()
    assert (last().action, last().detail) == ("Membership changed", "role: admin → viewer")
    membership.delete()
    assert last().action == "Membership deleted"


def test_signing_in_and_out(client: Client, operator: Any) -> None:
    client.post(reverse("admin:login"), {"username": "olga", "password": "a long password"})
    assert not deeds(action="signed in")  # no staff: the admin's form lets her not in
    get_user_model().objects.filter(pk=operator.pk).update(is_staff=True)
    client.post(reverse("admin:login"), {"username": "olga", "password": "a long password"})
    client.post(reverse("admin:logout"))
    assert deeds(actor="olga") == [("olga", "signed in", "olga"), ("olga", "signed out", "olga")]


def test_commands_of_people_and_programs_but_not_of_the_system(connect: Connect, operator: Any) -> None:
    wire = connect()
    issue_command("CP001", RESET, requested_by=operator)
    assert deeds(charge_point=wire.charge_point, action="Reset sent") == [("olga", "Reset sent", "CP001")]
    assert last().detail == '{"type": "Soft"}'
    count = AuditEntry.objects.count()
    issue_command("CP001", RESET)
    assert AuditEntry.objects.count() == count
    later = timezone.now() + timedelta(days=1)
    _token, secret = ApiToken.issue(organisation=Organisation.default(), name="billing", scope=Scope.ADMIN)
    body = {"action": "Reset", "payload": {"type": "Hard"}, "expires_at": later.isoformat()}
    assert Caller(secret).post("charge-points/CP001/commands/", body).status_code in (200, 201, 202)
    assert (last().actor, last().action) == ("token billing", "Reset sent")


def test_commands_taken_back_and_sent_to_many(connect: Connect, operator: Any, rf: Any) -> None:
    connect().close()
    later = timezone.now() + timedelta(days=1)
    command = issue_command("CP001", RESET, requested_by=operator, expires_at=later)
    cancel_command(command)
    assert last().action == "Reset sent"  # nobody is known to have cancelled it
    issue_command_to_many(["CP001"], RESET, requested_by=operator, expires_at=later)
    assert (last().actor, last().action, last().subject) == ("olga", "Reset sent", "1 charge points")
    assert last().detail.endswith("CP001")


def test_a_key_in_a_command_is_not_in_the_log(connect: Connect, operator: Any) -> None:
    connect()
    message = ChangeConfigurationRequest(key="authorizationKEY", value="0123456789abcdef")
    issue_command("CP001", message, requested_by=operator)
    assert last().action == "ChangeConfiguration sent"
    assert "0123456789abcdef" not in last().detail
    assert "hmac" not in last().detail


def test_approvals_and_rejections_over_the_api(connect: Connect, operator: Any) -> None:
    charge_point = ChargePoint.objects.create(
        identity="CP1", security_profile=0, registration_status=RegistrationStatus.PENDING
    )
    _token, secret = ApiToken.issue(
        organisation=Organisation.default(), name="billing", scope=Scope.OPERATE, user=operator
    )
    Caller(secret).post("charge-points/CP1/approve/")
    Caller(secret).post("charge-points/CP1/reject/")
    assert deeds(charge_point=charge_point)[1:] == [
        ("token billing of olga", "registration Accepted", "CP1"),
        ("token billing of olga", "registration Rejected", "CP1"),
    ]


def test_deeds_of_a_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["manage.py", "create_api_token", "billing"])
    call_command("create_api_token", "billing")
    assert (last().actor, last().action) == ("manage.py create_api_token", "ApiToken added")
    assert capsys.readouterr().out.strip() not in last().detail
