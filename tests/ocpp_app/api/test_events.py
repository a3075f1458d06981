"""Events, webhooks and their deliveries over the API."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from docs.examples import verify_webhook
from ocpp_app.events import body
from ocpp_app.models import AuditEntry, DeliveryState, Event, WebhookDelivery, WebhookSubscription
from tests.ocpp_app.api.test_schema import document
from tests.ocpp_app.api.world import Caller, Tenant
from tests.ocpp_app.events.receiving import Receiver

pytestmark = pytest.mark.django_db

HOOK = {"name": "crm", "url": "https://crm.example.com/in", "events": ["transaction.*"]}


@pytest.fixture
def receiver(tmp_path: Any, settings: Any) -> Iterator[Receiver]:
    settings.OCPP_WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    receiver = Receiver(tmp_path)
    yield receiver
    receiver.end()


def test_secret_of_a_webhook_is_shown_once(admin: Caller, ours: Tenant) -> None:
    made = admin.post("webhooks/", HOOK)
    assert made.status_code == 201, made.content
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    where = f"webhooks/{made.json()['id']}/"
    assert "secret" not in admin.get(where).json()
    renewed = admin.post(f"{where}renew-secret/").json()["secret"]
    assert renewed != secret
    row = WebhookSubscription.objects.get(name="crm")
    assert row.organisation == ours.organisation
    kept = " ".join(str(value) for value in row.__dict__.values())
    assert secret not in kept
    assert renewed not in kept
    noted = AuditEntry.objects.filter(action__startswith="WebhookSubscription", subject="crm").order_by("pk")
    assert [entry.action for entry in noted] == ["WebhookSubscription added", "WebhookSubscription changed"]
    assert noted[1].detail == "secret_salt: changed"


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({**HOOK, "url": "https://127.0.0.1/"}, "/url"),
        ({**HOOK, "url": "http://crm.example.com/"}, "/url"),
        ({**HOOK, "url": "crm"}, "/url"),
        ({**HOOK, "events": []}, "/events"),
        ({**HOOK, "events": ["transaction.strated"]}, "/events"),
        ({**HOOK, "events": "*"}, "/events"),
        ({"url": HOOK["url"], "events": ["*"]}, "/name"),
    ],
)
def test_what_is_wrong_with_a_webhook_is_named(sent: Any, pointer: str, admin: Caller) -> None:
    response = admin.post("webhooks/", sent)
    assert response.status_code == 400
    assert {error["pointer"] for error in response.json()["errors"]} == {pointer}


def test_webhook_is_changed_and_deleted(admin: Caller) -> None:
    where = f"webhooks/{admin.post('webhooks/', HOOK).json()['id']}/"
    shown = admin.get(where)
    changed = admin.patch(where, {"events": ["*"], "is_active": False}, If_Match=shown["ETag"])
    assert (changed.json()["events"], changed.json()["is_active"]) == (["*"], False)
    assert admin.delete(where, If_Match=shown["ETag"]).status_code == 412
    assert admin.delete(where).status_code == 204


def test_webhook_is_tried_out(admin: Caller, receiver: Receiver) -> None:
    made = admin.post("webhooks/", {**HOOK, "url": receiver.start().url}).json()
    tried = admin.post(f"webhooks/{made['id']}/test/").json()
    assert (tried["ok"], tried["status_code"], tried["response"]) == (True, 200, "ok")
    (one,) = receiver.got
    assert verify_webhook.is_genuine(made["secret"], one["headers"], one["body"].encode())
    receiver.kill()
    failed = admin.post(f"webhooks/{made['id']}/test/").json()
    assert (failed["ok"], failed["status_code"]) == (False, None)
    assert "refused" in failed["error"]


def test_deliveries_are_replayed_one_by_one_and_all_together(operator: Caller, ours: Tenant) -> None:
    (shown,) = operator.get("webhook-deliveries/?state=given_up").json()["results"]
    assert (shown["event"]["charge_point"], shown["attempts"]) == ("ours-1", 3)
    where = f"webhook-deliveries/{shown['id']}/replay/"
    assert operator.post(where).json()["state"] == "replay"
    assert operator.post(where).status_code == 409
    WebhookDelivery.objects.update(state=DeliveryState.GIVEN_UP)
    webhook = f"webhooks/{shown['webhook']}/replay/"
    assert operator.post(webhook, {"at_before": "2001-01-01T00:00:00Z"}).json() == {"replayed": 0}
    assert operator.post(webhook, {"state": "delivered"}).json() == {"replayed": 0}
    assert operator.post(webhook).json() == {"replayed": 1}


def test_event_is_the_same_as_a_webhook_gets(reader: Caller, ours: Tenant) -> None:
    (shown,) = reader.get("events/?charge_point=ours-1&after=0&type=firmware.status").json()["results"]
    event = Event.objects.select_related("charge_point", "organisation").get(uid=shown["id"])
    assert body.encode(event).decode() == json.dumps(shown, separators=(",", ":"))
    assert reader.get(f"events/{event.uid}/").json() == shown
    assert reader.get("events/?charge_point=ours-1&after=1").json()["results"] == []


def test_schema_describes_every_event() -> None:
    described = document()
    hook = described["webhooks"]["transaction.started"]["post"]
    assert hook["operationId"] == "onTransactionStartedEvent"
    schemas = described["components"]["schemas"]
    assert schemas["TransactionStartedEvent"]["properties"]["type"] == {
        "type": "string",
        "const": "transaction.started",
    }
    assert schemas["TransactionStartData"]["properties"]["meter_start_wh"] == {"type": "integer"}
