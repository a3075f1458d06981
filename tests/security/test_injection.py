"""SQL, HTML, CSV and log injection through every text field that a charge point can send.

The messages are made from their types: a new field, or a new message, is attacked without anybody thinking of it.
"""

import csv
import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse

from ocpp_app.logs import ReadableFormatter
from ocpp_app.models import ApiToken, ChargePoint, Message, Organisation, Scope, Transaction
from ocppj.documentation import FieldDocumentation, describe
from ocppj.protocol import Sender
from ocppj.v16 import PROTOCOL
from tests.ocpp_app.api.world import Caller
from tests.ocpp_app.wire import Backend, GatewayEnd, Wire, ago

pytestmark = pytest.mark.django_db

MARK = "INJECTED"
SQL = f"{MARK}'); DROP TABLE ocpp_app_message; --"
HTML = f"<script>{MARK}</script><img src=x onerror={MARK}>"
CSV = f'=HYPERLINK("http://evil.example","{MARK}")'
LOG = f"{MARK}\r\n2030-01-01 00:00:00 CRITICAL root  forged\x1b[2J\u2028\x00"
ATTACKS = {
    "sql": SQL,
    "html": HTML,
    "csv": CSV,
    "log": LOG,
    "template": "{{7*7}}{% debug %}%s%(x)s${x}",
    "nul": "\x00" * 8,
}
SENT = sorted(name for name, spec in PROTOCOL.actions.items() if spec.sender is not Sender.central_system)


def value_of(field: FieldDocumentation, attack: str) -> Any:
    match field.kind:
        case "string":
            return attack[: field.max_length or None] if field.wire != "idTag" else attack[:20]
        case "enum":
            assert field.enum is not None
            return next(iter(field.enum)).value
        case "object":
            assert field.struct is not None
            return payload(field.struct, attack)
        case "date-time":
            return ago()
        case "integer":
            return max(1, field.minimum or 0)
        case "decimal":
            return 1
        case _:
            return True


def payload(structure: Any, attack: str) -> dict[str, Any]:
    """A message of this type with every field given, and the attack in every text."""
    found = {}
    for field in describe(structure):
        value = value_of(field, attack)
        found[field.wire] = [value] * max(1, field.min_items) if field.many else value
    return found


def enums(structure: Any, attack: str) -> Iterator[dict[str, Any]]:
    """The same with the attack in an enumeration and in a time, one after the other: what is odd is taken, too."""
    for field in describe(structure):
        if field.kind in ("enum", "date-time") and not field.many:
            yield {**payload(structure, attack), field.wire: attack}


@pytest.fixture
def wire(settings: Any) -> Wire:
    settings.OCPP_UNKNOWN_ID_TAG = "accept"
    ChargePoint.objects.create(identity="OWNER", security_profile=0)
    wire = Wire(GatewayEnd(Backend()), "OWNER")
    assert wire.open(user_agent=HTML, path=f"/ocpp/{HTML}/OWNER").accepted
    return wire


def rows() -> dict[str, int]:
    return {model.__name__: model._default_manager.count() for model in apps.get_app_config("ocpp_app").get_models()}


def attack_with(wire: Wire, name: str, attack: str) -> None:
    spec = PROTOCOL.actions[name]
    for each in (payload(spec.request, attack), *enums(spec.request, attack)):
        unique_id = attack[:30] if "\x00" not in attack else "n"
        answer = json.loads(wire.call(json.dumps([2, unique_id, name, each])) or "")
        assert answer[0] in (3, 4)
        assert answer[0] == 3 or answer[2] != "InternalError", answer


@pytest.mark.parametrize("kind", ATTACKS)
def test_every_text_field_of_every_message_is_taken_as_text(
    kind: str, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    attack = ATTACKS[kind]
    before = rows()
    for name in SENT:
        attack_with(wire, name, attack)
    wire.call(json.dumps([2, "1", attack, {}]))
    wire.call(json.dumps([3, attack, {"status": attack}]))
    wire.call(json.dumps([4, attack, attack, attack, {"a": attack}]))
    after = rows()
    assert set(after) == set(before)
    assert all(after[name] >= number for name, number in before.items())
    assert not [line for record in caplog.records for line in ReadableFormatter().format(record).splitlines()[1:]
                if "forged" in line and not record.exc_info]  # fmt: skip
    assert "\x1b" not in "".join(ReadableFormatter().format(record) for record in caplog.records)
    assert wire.ask("Heartbeat")


def test_text_in_a_log_line_stays_in_it() -> None:
    record = logging.LogRecord("root", logging.INFO, "file", 1, "The charger says %s", (LOG,), None)
    record.charge_point = LOG
    assert ReadableFormatter().format(record).isprintable()


def test_what_was_sent_is_kept_as_it_was(wire: Wire) -> None:
    attack_with(wire, "DataTransfer", SQL)
    raw = Message.objects.order_by("pk").first()
    assert raw is not None
    assert json.loads(raw.raw)[3]["data"] == SQL
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ocpp_app_message")


def test_pages_show_it_and_run_nothing(wire: Wire, admin_client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    for name in SENT:
        attack_with(wire, name, HTML)
    seen = 0
    for model in apps.get_app_config("ocpp_app").get_models():
        if model not in admin.site._registry:
            continue
        page_of = f"admin:ocpp_app_{model._meta.model_name}"
        pages = [reverse(f"{page_of}_changelist")]
        pages += [reverse(f"{page_of}_change", args=(row.pk,)) for row in model._default_manager.order_by("pk")[:3]]
        for page in pages:
            content = admin_client.get(page).content.decode()
            assert f"<script>{MARK}" not in content, page
            assert "<img src=x" not in content, page
            seen += content.count(MARK)
    assert seen > 50


def test_answers_of_the_api_are_data(wire: Wire, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    for name in SENT:
        attack_with(wire, name, HTML)
    _token, secret = ApiToken.issue(organisation=Organisation.default(), name="t", scope=Scope.ADMIN)
    for path in ("charge-points/", "charge-points/OWNER/", "transactions/", "messages/", "id-tags/"):
        response = Caller(secret).get(path)
        assert response["Content-Type"].startswith("application/json")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    "start", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "x;=1+1", "x;\t@1", "＝1+1", "\x0b=1"]
)
def test_no_cell_of_a_file_is_a_formula(start: str, wire: Wire, admin_client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    tag = f"{start}{MARK}"[:20]
    start_payload = {"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": ago(minutes=5)}
    transaction_id = wire.ask("StartTransaction", start_payload)["transactionId"]
    wire.ask("StopTransaction", {"transactionId": transaction_id, "meterStop": 1000, "timestamp": ago(), "idTag": tag})
    assert MARK in Transaction.objects.get().id_tag
    for grouping in ("tag", "owner", "charge_point", "site", "month"):
        response = admin_client.get(reverse("admin:ocpp_app_transaction_report"), {"by": grouping, "format": "csv"})
        text = b"".join(response.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
        # As a spreadsheet reads it, also one that begins a new cell at a semicolon, as in German.
        cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
        cells += [part.strip('" \x0b') for cell in cells for part in re.split("[;\t]", cell)]
        assert cells
        assert not [cell for cell in cells if cell[:1] in tuple("=+@＝\t\r") or (cell[:1] == "-" and MARK in cell)]
