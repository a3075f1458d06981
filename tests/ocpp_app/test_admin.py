"""The admin: every page of every model answers, evidence stays as it is, and big tables stay quick."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ocpp_app.admin.search import BigTableMixin
from ocpp_app.configuration import want
from ocpp_app.credentials import verify_key
from ocpp_app.models import (
    Anomaly,
    AnomalyKind,
    AuditEntry,
    ChargePoint,
    Command,
    ConfigurationKey,
    ConfigurationTemplate,
    ConnectorAvailability,
    IdTag,
    Message,
    MeterValue,
    Organisation,
    RegistrationStatus,
    Session,
    Site,
    StatusHistory,
    Transaction,
    WantedState,
)
from tests.ocpp_app.admin_world import (
    NOW,
    SCRIPT,
    act,
    add_page,
    changelist,
    count_queries,
    form_of,
    listed,
    make_charge_point,
    make_configuration,
    make_message,
    make_script,
    make_transaction,
    page,
    text_of,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def charge_point() -> ChargePoint:
    return make_script()


@pytest.fixture(autouse=True)
def _plain_and_quick(settings: Any, private_files: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False


def test_lists_on_the_page_of_a_charge_point_cannot_be_changed(charge_point: ChargePoint, admin_client: Client) -> None:
    data = form_of(admin_client.get(page(charge_point)))
    connector = charge_point.connectors.get(number=1)
    data |= {
        "connectors-0-id": connector.pk,
        "connectors-0-status": "Faulted",
        "connectors-0-DELETE": "on",
        "name": "North",
    }
    assert admin_client.post(page(charge_point), data).status_code == 302
    charge_point.refresh_from_db()
    assert charge_point.name == "North"
    assert charge_point.connectors.get(number=1).status == "Charging"


def test_rows_that_come_and_go_while_a_page_is_open_do_no_harm(charge_point: ChargePoint, admin_client: Client) -> None:
    data = form_of(admin_client.get(page(charge_point)))
    for hour in range(12):
        Session.objects.create(charge_point=charge_point, connected_at=NOW + timedelta(hours=hour))
    charge_point.connectors.get(number=2).delete()
    assert admin_client.post(page(charge_point), {**data, "name": "North"}).status_code == 302
    charge_point.refresh_from_db()
    assert charge_point.name == "North"


# -- anomalies ---------------------------------------------------------------------------------------------------------


def test_selected_anomalies_are_resolved_with_the_note(
    charge_point: ChargePoint, admin_client: Client, admin_user: Any
) -> None:
    first, second = Anomaly.objects.order_by("pk")
    Anomaly.objects.filter(pk=first.pk).update(resolved_at=NOW, note="Earlier.")
    response = act(admin_client, "resolve", first, second, note="Meter replaced.")
    assert "1 anomaly is resolved now." in text_of(response)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.note, first.resolved_at) == ("Earlier.", NOW)
    assert (second.note, second.resolved_by) == ("Meter replaced.", admin_user)
    assert second.resolved_at is not None


def test_anomalies_are_not_resolved_without_a_note(charge_point: ChargePoint, admin_client: Client) -> None:
    response = act(admin_client, "resolve", *Anomaly.objects.all(), note="  ")
    assert "Write a note" in text_of(response)
    assert not Anomaly.objects.exclude(resolved_at=None).exists()


def test_an_anomaly_without_its_note_is_open_again(charge_point: ChargePoint, admin_client: Client) -> None:
    anomaly = Anomaly.objects.earliest("pk")
    admin_client.post(page(anomaly), {"note": "Seen."})
    assert Anomaly.objects.get(pk=anomaly.pk).resolved_at is not None
    admin_client.post(page(anomaly), {"note": ""})
    anomaly.refresh_from_db()
    assert (anomaly.resolved_at, anomaly.resolved_by) == (None, None)


def test_transactions_are_found_by_their_anomalies(charge_point: ChargePoint, admin_client: Client) -> None:
    resolved, unresolved = Transaction.objects.order_by("pk")
    resolved.anomalies.update(resolved_at=NOW)
    assert listed(admin_client, Transaction, anomalies="unresolved") == [unresolved.pk]
    assert listed(admin_client, Transaction, anomalies="none") == [resolved.pk]
    assert listed(admin_client, Transaction, anomalies="any") == [unresolved.pk, resolved.pk]
    text = text_of(admin_client.get(changelist(Transaction)))
    assert "1 unresolved" in text
    assert "1 resolved" in text


# -- charge points -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "status"),
    [
        ("approve", RegistrationStatus.ACCEPTED),
        ("reject", RegistrationStatus.REJECTED),
        ("set_pending", RegistrationStatus.PENDING),
    ],
)
def test_selected_charge_points_are_approved_and_rejected(action: str, status: str, admin_client: Client) -> None:
    other = next(one for one in RegistrationStatus if one != status)
    chosen, untouched = (
        make_charge_point(identity, registration_status=other, security_profile=0) for identity in ("CP1", "CP2")
    )
    act(admin_client, action, chosen)
    chosen.refresh_from_db()
    untouched.refresh_from_db()
    assert (chosen.registration_status, untouched.registration_status) == (status, other)
    assert LogEntry.objects.filter(object_id=str(chosen.pk)).exists()


def test_a_new_charge_point_gets_its_key_hashed(admin_client: Client) -> None:
    key = "a-key-of-sixteen"
    data = {**form_of(admin_client.get(add_page(ChargePoint))), "identity": "CP9", "new_authorization_key": key}
    assert admin_client.post(add_page(ChargePoint), data).status_code == 302
    charge_point = ChargePoint.objects.get(identity="CP9")
    assert verify_key(key.encode(), charge_point.authorization_key)
    content = admin_client.get(page(charge_point)).content.decode()
    assert key not in content
    assert charge_point.authorization_key not in content


def test_the_key_stays_until_it_is_replaced_or_removed(charge_point: ChargePoint, admin_client: Client) -> None:
    def save(**changes: str) -> str:
        data = {**form_of(admin_client.get(page(charge_point))), **changes}
        assert admin_client.post(page(charge_point), data).status_code == 302
        charge_point.refresh_from_db()
        return charge_point.authorization_key

    first = save(new_authorization_key="0123456789abcdef")
    assert verify_key(b"0123456789abcdef", first)
    assert save(name="North") == first
    assert verify_key(b"f" * 40, save(new_authorization_key="f" * 40))
    assert save(remove_authorization_key="on") == ""
    assert not LogEntry.objects.filter(change_message__contains="0123456789abcdef").exists()


@pytest.mark.parametrize("key", ["x" * 15, "x" * 41, "with a space in it", "with-ümläuts-in-it"])
def test_a_key_that_a_charger_could_not_send_is_refused(
    key: str, charge_point: ChargePoint, admin_client: Client
) -> None:
    data = {**form_of(admin_client.get(page(charge_point))), "new_authorization_key": key}
    response = admin_client.post(page(charge_point), data)
    assert "new_authorization_key" in response.context["adminform"].form.errors
    assert key not in response.content.decode()
    charge_point.refresh_from_db()
    assert charge_point.authorization_key == ""


def test_the_identity_is_fixed_and_live_state_is_not_overwritten(
    charge_point: ChargePoint, admin_client: Client
) -> None:
    data = {**form_of(admin_client.get(page(charge_point))), "name": "North", "identity": "other", "last_seen_at": ""}
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert admin_client.post(page(charge_point), data).status_code == 302
    updates = [q["sql"] for q in queries if q["sql"].startswith('UPDATE "ocpp_app_chargepoint"')]
    assert len(updates) == 1
    assert "session_id" not in updates[0].split("WHERE")[0]
    charge_point.refresh_from_db()
    assert (charge_point.name, charge_point.identity, charge_point.last_seen_at) == ("North", SCRIPT, NOW)


def test_connected_and_offline_are_words(admin_client: Client) -> None:
    make_charge_point("CP1")
    ChargePoint.objects.create(identity="CP2")
    rows = re.findall(r"<tr><td.*?</tr>", admin_client.get(changelist(ChargePoint)).content.decode(), re.DOTALL)
    assert [">connected<" in row for row in rows] == [True, False]
    assert [">offline<" in row for row in rows] == [False, True]
    assert "1 Charging" in rows[0]


def test_a_charge_point_with_transactions_cannot_be_deleted(charge_point: ChargePoint, admin_client: Client) -> None:
    assert "would require deleting the following protected related objects" in text_of(
        admin_client.post(page(charge_point, "delete"), {"post": "yes"})
    )
    assert ChargePoint.objects.filter(pk=charge_point.pk).exists()


def test_a_charge_point_that_never_charged_is_deleted_with_what_it_said(admin_client: Client) -> None:
    stranger = make_charge_point("stranger")
    make_message(stranger)
    confirmation = text_of(admin_client.get(page(stranger, "delete")))
    assert "Messages: 1" in confirmation
    assert "Status history: 3" in confirmation
    assert admin_client.post(page(stranger, "delete"), {"post": "yes"}).status_code == 302
    assert not ChargePoint.objects.exists()
    assert not Message.objects.exists()


def test_asking_to_delete_reads_no_message(admin_client: Client) -> None:
    charge_point = make_charge_point("CP1")
    for _ in range(3):
        make_message(charge_point)
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(page(charge_point, "delete"))
    about_messages = [q["sql"] for q in queries if 'FROM "ocpp_app_message"' in q["sql"]]
    assert about_messages
    assert all("COUNT(" in sql for sql in about_messages)


def test_a_site_of_another_organisation_is_refused(charge_point: ChargePoint, admin_client: Client) -> None:
    other = Organisation.objects.create(name="Other", slug="other")
    data = {**form_of(admin_client.get(page(charge_point))), "organisation": other.pk}
    errors = admin_client.post(page(charge_point), data).context["adminform"].form.errors
    assert set(errors) == {"site", "groups"}


# -- tags and organisations --------------------------------------------------------------------------------------------


def test_an_id_tag_that_differs_in_case_only_is_refused(admin_client: Client) -> None:
    IdTag.objects.create(id_tag="Tag")
    data = {**form_of(admin_client.get(add_page(IdTag))), "id_tag": "tAG"}
    assert "id_tag" in admin_client.post(add_page(IdTag), data).context["adminform"].form.errors
    assert admin_client.post(add_page(IdTag), {**data, "id_tag": "other"}).status_code == 302
    assert IdTag.objects.get(id_tag="other").key == "OTHER"


def test_a_tag_is_not_its_own_parent(admin_client: Client) -> None:
    tag = IdTag.objects.create(id_tag="TAG1")
    data = {**form_of(admin_client.get(page(tag))), "parent": tag.pk}
    assert "parent" in admin_client.post(page(tag), data).context["adminform"].form.errors


def test_tags_are_blocked_and_filtered(admin_client: Client) -> None:
    IdTag.objects.all().delete()
    good = IdTag.objects.create(id_tag="GOOD", expires_at=datetime.now(UTC) + timedelta(days=1))
    old = IdTag.objects.create(id_tag="OLD", expires_at=datetime.now(UTC) - timedelta(seconds=1))
    assert listed(admin_client, IdTag, expired="yes") == [old.pk]
    assert listed(admin_client, IdTag, expired="no") == [good.pk]
    act(admin_client, "block", good, old)
    assert set(listed(admin_client, IdTag, blocked="yes")) == {good.pk, old.pk}
    act(admin_client, "unblock", good)
    assert listed(admin_client, IdTag, blocked="no") == [good.pk]


def test_exactly_one_organisation_is_the_default(admin_client: Client) -> None:
    old, new = Organisation.default(), Organisation.objects.create(name="New", slug="new")
    act(admin_client, "make_default", old, new)
    assert Organisation.default() == old
    act(admin_client, "make_default", new)
    assert list(Organisation.objects.filter(is_default=True)) == [new]


# -- search and links --------------------------------------------------------------------------------------------------


def test_messages_are_found_by_charge_point_and_unique_id(admin_client: Client) -> None:
    first, second = make_charge_point("CP1"), make_charge_point("CP10")
    of_first, other_of_first = make_message(first, unique_id="a"), make_message(first, unique_id="b")
    of_second = make_message(second, unique_id="a")
    assert set(listed(admin_client, Message, q="cp1")) == {of_first.pk, other_of_first.pk}
    assert len(listed(admin_client, Message, q="CP")) == 3
    assert listed(admin_client, Message, q="CP1 b") == [other_of_first.pk]
    assert set(listed(admin_client, Message, q="a")) == {of_first.pk, of_second.pk}
    assert listed(admin_client, Message, charge_point=second.pk) == [of_second.pk]


def test_transactions_are_found_by_charge_point_tag_and_number(admin_client: Client) -> None:
    first, second = make_charge_point("CP1"), make_charge_point("CP2")
    of_first, of_second = make_transaction(first), make_transaction(second, id_tag="Guest")
    assert listed(admin_client, Transaction, q="CP1") == [of_first.pk]
    assert listed(admin_client, Transaction, q="guest") == [of_second.pk]
    assert listed(admin_client, Transaction, q=str(of_first.pk)) == [of_first.pk]
    assert listed(admin_client, MeterValue, transaction=of_second.pk) == [of_second.meter_values.get().pk]


def test_a_number_is_a_transaction_even_where_charge_points_begin_with_it(admin_client: Client) -> None:
    transaction = make_transaction(make_charge_point("CP1"))
    numbered = make_transaction(make_charge_point(f"{transaction.pk}-north"))
    assert set(listed(admin_client, Transaction, q=str(transaction.pk))) == {transaction.pk, numbered.pk}


def test_a_transaction_leads_to_its_frames(admin_client: Client) -> None:
    charge_point = make_charge_point("CP1")
    transaction = make_transaction(charge_point, is_active=False, stopped_at=NOW + timedelta(hours=1))
    inside = make_message(charge_point, at=NOW + timedelta(minutes=30))
    make_message(charge_point, at=NOW - timedelta(hours=1))
    make_message(charge_point, at=NOW + timedelta(hours=2))
    make_message(make_charge_point("CP2"), at=NOW + timedelta(minutes=30))
    content = admin_client.get(page(transaction)).content.decode()
    addresses = [unescape(href) for href in re.findall(r'href="([^"?]*[?][^"]*)"', content)]
    address = next(a for a in addresses if urlsplit(a).path == changelist(Message))
    assert [row.pk for row in admin_client.get(address).context["cl"].result_list] == [inside.pk]


def test_nonsense_in_the_address_takes_the_filters_off(charge_point: ChargePoint, admin_client: Client) -> None:
    for model, name in ((Message, "charge_point"), (Session, "gateway"), (ChargePoint, "site__id__exact")):
        response = admin_client.get(changelist(model), {name: "nonsense"}, follow=True)
        assert response.status_code == 200
        assert response.request["QUERY_STRING"] == "e=1"


# -- what is shown -----------------------------------------------------------------------------------------------------


def test_frames_are_shown_pretty_and_as_they_came(admin_client: Client) -> None:
    raw = '[2,"17","Authorize",{"idTag":"Grün"}]'
    message = make_message(make_charge_point("CP1"), raw=raw, answer='[4,"17","NotSupported","",{}]')
    content = unescape(admin_client.get(page(message)).content.decode())
    assert raw in content
    assert json.dumps(json.loads(raw), indent=2, ensure_ascii=False) in content
    text = text_of(admin_client.get(changelist(Message)))
    assert "CALLERROR NotSupported" in text
    assert "42 ms" in text


@pytest.mark.parametrize("raw", ['[2,"1","A",{"a":"\\ud800"}]', "[" * 100_000, "\\x00\\xff", "", "[NaN]", "null"])
def test_frames_that_are_no_frames_are_shown(raw: str, admin_client: Client) -> None:
    message = make_message(make_charge_point("CP1"), raw=raw, answer=raw)
    assert admin_client.get(page(message)).status_code == 200
    assert admin_client.get(changelist(Message)).status_code == 200


def test_a_transaction_shows_energy_and_time_as_people_read_them(
    charge_point: ChargePoint, admin_client: Client
) -> None:
    active, ended = Transaction.objects.order_by("pk")
    text = text_of(admin_client.get(changelist(Transaction)))
    assert "12.345 kWh so far" in text
    assert "26:03:04" in text
    text = text_of(admin_client.get(page(active)))
    assert "0001-01-01 00:00:00" in text
    assert "11.04 kW" in text
    assert "13.345 kWh 11.04 kW 55.0 % 16.00 A 230.0 V" in text
    assert "ended" in text_of(admin_client.get(page(ended)))


@pytest.mark.parametrize("time_zone", ["America/New_York", "Asia/Tokyo"])
def test_absurd_clocks_are_shown_in_any_time_zone(time_zone: str, admin_client: Client, settings: Any) -> None:
    settings.TIME_ZONE = time_zone
    charge_point = make_charge_point("CP1")
    for clock in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)):
        history = StatusHistory.objects.create(
            connector=charge_point.connectors.get(number=1),
            status="Available",
            error_code="NoError",
            timestamp=clock,
            received_at=NOW,
        )
        assert admin_client.get(page(history)).status_code == 200


# -- many rows ---------------------------------------------------------------------------------------------------------


def test_the_page_of_a_transaction_needs_no_more_queries_for_more_meter_values(admin_client: Client) -> None:
    transaction = make_transaction(make_charge_point("CP1"))
    admin_client.get(page(transaction))  # what is looked up once for a process
    few = count_queries(lambda: admin_client.get(page(transaction)))
    for minute in range(60):
        MeterValue.objects.create(
            connector=transaction.connector,
            transaction=transaction,
            timestamp=NOW + timedelta(minutes=minute),
            received_at=NOW,
            digest=uuid.uuid4(),
            sampled_values=[],
        )
        Anomaly.objects.create(transaction=transaction, kind=AnomalyKind.FOREIGN_STOP, found_at=NOW)
    response = admin_client.get(page(transaction))
    shown = {formset.formset.model: len(formset.formset.forms) for formset in response.context["inline_admin_formsets"]}
    assert shown == {Anomaly: 20, MeterValue: 50}
    assert count_queries(lambda: admin_client.get(page(transaction))) == few


def test_without_a_charge_point_only_the_newest_rows_are_looked_at(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BigTableMixin, "window", 2)
    charge_point = make_charge_point("CP1")
    rows = [make_message(charge_point, unique_id=f"u{n}").pk for n in range(4)]
    assert listed(admin_client, Message) == rows[:1:-1]
    assert listed(admin_client, Message, q="u0") == []
    assert listed(admin_client, Message, q="CP1 u0") == rows[:1]
    assert len(listed(admin_client, Message, q="CP1")) == 4
    assert len(listed(admin_client, Message, charge_point=charge_point.pk)) == 4
    assert admin_client.get(page(Message.objects.get(pk=rows[0]))).status_code == 200


def test_filters_by_site_and_vendor_do_not_become_endless(admin_client: Client) -> None:
    sites = [Site.objects.create(name=f"Site {n:03}") for n in range(60)]
    for n, site in enumerate(sites):
        ChargePoint.objects.create(identity=f"CP{n:03}", site=site, vendor=f"Vendor {n:03}")
    assert "Vendor 001" not in text_of(admin_client.get(changelist(ChargePoint))).split("Filter")[-1]
    query = {"site__id__exact": sites[1].pk, "vendor": "Vendor 001"}
    response = admin_client.get(changelist(ChargePoint), query)
    assert [row.identity for row in response.context["cl"].result_list] == ["CP001"]
    filters = response.content.decode().split('id="changelist-filter"')[1]
    assert "Site 001" in filters
    assert "Site 002" not in filters
    assert "Vendor 001" in filters


# -- configuration -----------------------------------------------------------------------------------------------------


def test_wanted_value_is_written_in_the_admin(admin_client: Client) -> None:
    charge_point = make_charge_point("CP1")
    data = {"charge_point": charge_point.pk, "key": "MeterValueSampleInterval", "wish": "60"}
    assert admin_client.post(add_page(ConfigurationKey), data).status_code == 302
    key = ConfigurationKey.objects.get()
    assert (key.wanted, key.is_own, key.state) == ("60", True, WantedState.TO_SEND)
    assert admin_client.post(page(key), {"wish": "90"}).status_code == 302
    key.refresh_from_db()
    assert key.wanted == "90"
    assert admin_client.post(page(key), {"wish": "90", "as_templates_say": "on"}).status_code == 302
    key.refresh_from_db()
    assert key.wanted is None
    assert AuditEntry.objects.filter(action="configuration wanted").count() == 3


def test_secret_is_refused_as_a_wanted_value(admin_client: Client) -> None:
    data = {"charge_point": make_charge_point("CP1").pk, "key": "AuthorizationKey", "wish": "0123456789abcdef"}
    assert "holds a secret" in text_of(admin_client.post(add_page(ConfigurationKey), data))
    values = {"values-TOTAL_FORMS": 1, "values-INITIAL_FORMS": 0, "values-0-key": "WifiPassword", "values-0-value": "x"}
    form = form_of(admin_client.get(add_page(ConfigurationTemplate)))
    response = admin_client.post(add_page(ConfigurationTemplate), {**form, "name": "T", **values})
    assert "holds a secret" in text_of(response)
    assert not ConfigurationTemplate.objects.exists()


def test_template_is_made_changed_and_shows_what_is_not_in_force(admin_client: Client) -> None:
    charge_point = make_charge_point("CP1", vendor="Acme")
    form = form_of(admin_client.get(add_page(ConfigurationTemplate)))
    values = {"values-TOTAL_FORMS": 2, "values-INITIAL_FORMS": 0, "values-0-key": "A", "values-0-value": "1"}
    twice = {**form, "name": "T", **values, "values-1-key": "a", "values-1-value": "2"}
    assert "This key is here already" in text_of(admin_client.post(add_page(ConfigurationTemplate), twice))
    once = {**form, "name": "T", "vendor": "Acme*", "position": 1, **values, "values-TOTAL_FORMS": 1}
    assert admin_client.post(add_page(ConfigurationTemplate), once).status_code == 302
    template = ConfigurationTemplate.objects.get()
    assert not template.is_settled
    want(charge_point, {})  # looked at: the row says what the template says
    assert ConfigurationKey.objects.get().template == template
    assert "0 of 1 1 not in force" in text_of(admin_client.get(changelist(ConfigurationTemplate)))
    assert "1 not in force" in text_of(admin_client.get(page(charge_point)))
    assert listed(admin_client, ConfigurationKey, drift="yes") == [ConfigurationKey.objects.get().pk]


def test_refused_values_are_applied_again_and_the_charge_point_restarted(admin_client: Client) -> None:
    charge_point = make_charge_point("CP1")
    key = make_configuration(charge_point)
    assert "reboot required" in text_of(admin_client.get(page(charge_point)))
    for row, action in (
        (key, "apply_selected"),
        (charge_point, "apply_configuration"),
        (key.template, "apply_configuration"),
    ):
        ConfigurationKey.objects.update(state=WantedState.REJECTED)
        assert "1 wanted value is sent again" in text_of(act(admin_client, action, row))
        key.refresh_from_db()
        assert key.state == WantedState.TO_SEND
    assert "asked for its configuration" in text_of(act(admin_client, "read_configuration", charge_point))
    assert "Reset" in text_of(act(admin_client, "restart", key))
    command = Command.objects.get()
    assert (command.action, command.payload, command.charge_point) == ("Reset", {"type": "Soft"}, charge_point)


def test_connectors_are_taken_out_of_use_and_put_back(admin_client: Client) -> None:
    connector = make_charge_point("CP1").connectors.get(number=1)
    assert "1 connector is asked" in text_of(act(admin_client, "take_out_of_use", connector))
    assert "Inoperative: to be sent" in text_of(admin_client.get(changelist(type(connector))))
    act(admin_client, "put_into_use", connector)
    assert ConnectorAvailability.objects.get().wanted == "Operative"
