"""Webhooks, from the outbox to a receiver that is a process of its own."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from docs.examples import verify_webhook
from ocpp_app.events import delivery, outbox, signing
from ocpp_app.events.delivery import Courier, prune
from ocpp_app.events.posting import Poster
from ocpp_app.events.replay import replay
from ocpp_app.models import (
    ChargePoint,
    DeliveryState,
    Event,
    Lease,
    WebhookDelivery,
    WebhookStream,
    WebhookSubscription,
)
from ocpp_app.signals import diagnostics_status_changed, firmware_status_changed
from tests.e2e.processes import wait_until
from tests.ocpp_app.conftest import commits
from tests.ocpp_app.events.receiving import Receiver

pytestmark = commits


@pytest.fixture
def receiver(tmp_path: Path, settings: Any) -> Iterator[Receiver]:
    settings.OCPP_WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    receiver = Receiver(tmp_path)
    yield receiver
    receiver.end()


@contextmanager
def running(name: str = "courier") -> Iterator[Courier]:
    courier = Courier(name)
    thread = threading.Thread(target=courier.run, name=name)
    thread.start()
    try:
        yield courier
    finally:
        courier.stop()
        thread.join(30)
        assert not thread.is_alive()


def subscribe(url: str, *events: str) -> tuple[WebhookSubscription, str]:
    subscription = WebhookSubscription(name="hook", url=url, events=list(events or ("*",)))
    secret = signing.give_secret(subscription)
    subscription.save()
    return subscription, secret


def make(identity: str = "CP001") -> ChargePoint:
    return ChargePoint.objects.get_or_create(identity=identity)[0]


def say(charge_point: ChargePoint, *statuses: str) -> None:
    for status in statuses:
        outbox.tell(firmware_status_changed, ChargePoint, charge_point=charge_point, status=status)


def numbers(count: int, first: int = 0) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def states() -> list[tuple[str, int]]:
    return list(WebhookDelivery.objects.order_by("event_id").values_list("state", "attempts"))


# -- what arrives ----------------------------------------------------------------------------------------------


def test_events_arrive_in_order_and_the_receiver_can_verify_them(receiver: Receiver) -> None:
    _subscription, secret = subscribe(receiver.start().url)
    say(make(), *numbers(30))
    with running():
        wait_until(lambda: len(receiver.got) == 30, "30 events arrive")
    assert receiver.statuses("CP001") == numbers(30)
    assert [event["sequence"] for event in receiver.events] == list(range(1, 31))
    for one in receiver.got:  # with what the documentation tells receivers to do
        assert verify_webhook.is_genuine(secret, one["headers"], one["body"].encode())
        assert not verify_webhook.is_genuine(secret, one["headers"], one["body"].encode() + b" ")
        assert not verify_webhook.is_genuine("whsec_AAAA", one["headers"], one["body"].encode())
        assert one["headers"]["webhook-id"] == json.loads(one["body"])["id"]
    assert one["path"] == "/hook?key=1"
    assert states() == [("delivered", 1)] * 30
    assert not Event.objects.filter(webhooks_due=True).exists()


def test_receiver_that_dies_and_comes_back_gets_each_event_in_order(receiver: Receiver) -> None:
    subscribe(receiver.start().url)
    charge_points = [make(f"CP{number}") for number in range(3)]
    with running():
        for charge_point in charge_points:
            say(charge_point, *numbers(5))
        wait_until(lambda: len(receiver.got) >= 15, "the first events arrive")
        receiver.kill()
        for charge_point in charge_points:
            say(charge_point, *numbers(5, first=5))
        wait_until(
            lambda: WebhookSubscription.objects.get().failures > 0 and ("retrying", 1) in states(),
            "an attempt fails",
        )
        receiver.start()
        wait_until(lambda: len({e["id"] for e in receiver.events}) == 30, "all events arrive")
    for charge_point in charge_points:
        assert receiver.statuses(charge_point.identity) == numbers(10)
    assert {state for state, _attempts in states()} == {"delivered"}
    subscription = WebhookSubscription.objects.get()
    assert (subscription.failures, subscription.last_error) == (0, "")


def test_courier_that_dies_in_between_delivers_again_and_loses_nothing(receiver: Receiver) -> None:
    subscription, _secret = subscribe(receiver.start().url)
    say(make(), *numbers(6))
    # What a courier leaves behind that was killed after it had posted and before it wrote down.
    delivery.hand_on()
    with running():
        wait_until(lambda: len(receiver.got) == 6, "they arrive")
    WebhookStream.objects.filter(subscription=subscription).update(position=2)
    with running("another"):
        wait_until(lambda: len(receiver.got) == 10, "four arrive again")
    assert receiver.statuses("CP001") == numbers(6)
    assert len({event["id"] for event in receiver.events}) == 6


def test_what_a_failing_database_did_not_take_is_posted_again(receiver: Receiver) -> None:
    subscribe(receiver.start().url)
    for number in range(3):
        say(make(f"CP{number}"), "Downloaded")
    failures: list[str] = []

    def fail_twice(execute: Any, sql: str, *rest: Any) -> Any:
        if len(failures) < 2 and sql.startswith("INSERT") and WebhookDelivery._meta.db_table in sql:
            wait_until(lambda: len(receiver.got) >= 3, "all are under way")
            failures.append(sql)
            raise OperationalError("the disk is full")
        return execute(sql, *rest)

    def run() -> None:
        with connection.execute_wrapper(fail_twice):
            courier.run()

    courier = Courier("courier")
    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: states() == [("delivered", 1)] * 3, "all are written down")
    finally:
        courier.stop()
        thread.join(30)
    assert len(failures) == 2


def test_charge_point_that_waits_for_its_next_attempt_holds_up_no_other(receiver: Receiver) -> None:
    subscription, _secret = subscribe(receiver.start().url)
    say(make("CP1"), *numbers(2))
    WebhookStream.objects.create(
        subscription=subscription,
        charge_point=make("CP1"),
        position=0,
        head=2,
        attempts=3,
        due_at=timezone.now() + timedelta(hours=1),
    )
    say(make("CP2"), *numbers(2))
    with running():
        wait_until(lambda: receiver.statuses("CP2") == numbers(2), "the other one's events arrive")
    assert receiver.statuses("CP1") == []


@pytest.mark.parametrize("status", [500, 400, 302])
def test_other_answers_than_2xx_are_failures_and_redirects_are_not_followed(status: int, receiver: Receiver) -> None:
    subscribe(receiver.start(status).url)
    say(make(), "1", "2")
    with running():
        wait_until(lambda: ("retrying", 2) in states(), "it is tried twice")
    assert {event["data"]["status"] for event in receiver.events} == {"1"}
    assert {one["path"] for one in receiver.got} == {"/hook?key=1"}
    row = WebhookDelivery.objects.get()
    assert (row.status_code, row.response) == (status, "ok")
    assert row.error.startswith(f"HTTP {status}")


def test_slow_receiver_holds_up_nobody_else(receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never answers
        slow, _secret = subscribe(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        subscribe(receiver.start().url)
        charge_points = [make(f"CP{number}") for number in range(20)]
        with running() as courier:
            for charge_point in charge_points:
                say(charge_point, "1")
            wait_until(lambda: len(receiver.got) == 20, "the quick one gets its events", timeout_s=8)
            assert len(courier._lanes[slow.pk].under_way) >= delivery.AT_ONCE


def test_one_courier_at_a_time_serves_a_subscription(receiver: Receiver) -> None:
    subscription, _secret = subscribe(receiver.start().url)
    say(make(), "1")
    Lease.objects.create(
        name=f"webhook:{subscription.pk}", holder="somebody else", expires_at=timezone.now() + timedelta(hours=1)
    )
    with running():
        wait_until(lambda: WebhookStream.objects.exists(), "it is handed on")
        Lease.objects.update(expires_at=timezone.now() - timedelta(seconds=1))  # the holder is dead
        assert receiver.got == []
        wait_until(lambda: len(receiver.got) == 1, "it takes over")
    assert Lease.objects.get().expires_at is None


# -- for how long ----------------------------------------------------------------------------------------------


def test_after_a_day_an_event_is_given_up_and_the_next_one_is_tried(receiver: Receiver) -> None:
    subscribe(receiver.start(500).url)
    say(make(), "old", "new")
    old = Event.objects.get(sequence=1)
    WebhookSubscription.objects.update(active_since=timezone.now() - timedelta(days=3))
    Event.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=1, seconds=1))
    with running():
        wait_until(lambda: len(states()) == 2, "the next one is tried")
    assert [state for state, _attempts in states()] == ["given_up", "retrying"]
    assert [event["data"]["status"] for event in receiver.events][:2] == ["old", "new"]


def test_what_was_given_up_can_be_replayed(receiver: Receiver) -> None:
    subscription, _secret = subscribe(receiver.start().url)
    say(make(), "1", "2")
    delivery.hand_on()
    event = Event.objects.get(sequence=1)
    WebhookDelivery.objects.create(subscription=subscription, event=event, state=DeliveryState.GIVEN_UP, attempts=40)
    WebhookStream.objects.update(position=2)
    assert replay(WebhookDelivery.objects.all()) == 1
    with running():
        wait_until(lambda: states() == [("delivered", 1)], "it arrives")
    (one,) = receiver.got
    assert one["headers"]["webhook-replay"] == "true"
    assert one["headers"]["webhook-id"] == str(event.uid)


def test_subscription_that_is_switched_on_again_gets_only_what_happens_from_then_on(receiver: Receiver) -> None:
    subscription, _secret = subscribe(receiver.start().url)
    say(make(), "1")
    delivery.hand_on()
    subscription = WebhookSubscription.objects.get(pk=subscription.pk)
    for active in (False, True):
        subscription.is_active = active
        subscription.save()
    say(make(), "2")
    with running():
        wait_until(lambda: len(receiver.got) >= 1, "the second arrives")
    assert receiver.statuses("CP001") == ["2"]


def test_filter_lets_only_wanted_events_through(receiver: Receiver) -> None:
    subscribe(receiver.start().url, "firmware.status")
    subscribe("http://127.0.0.1:9/", "*")
    charge_point = make()
    for number in range(25):  # more than are looked at in a row
        outbox.tell(diagnostics_status_changed, ChargePoint, charge_point=charge_point, status=str(number))
    say(charge_point, "mine")
    with running():
        wait_until(lambda: len(receiver.got) == 1, "the one that is wanted arrives")
    assert receiver.statuses("CP001") == ["mine"]
    assert WebhookStream.objects.get(subscription__url=receiver.url).position == 26


def test_old_events_go_and_the_numbers_go_on(settings: Any) -> None:
    subscribe("http://127.0.0.1:9/")
    charge_point = make()
    say(charge_point, *numbers(5))
    Event.objects.update(at=timezone.now() - timedelta(days=8))
    assert prune(timezone.now()) == 4
    say(charge_point, "next")
    assert list(Event.objects.order_by("sequence").values_list("sequence", flat=True)) == [5, 6]


def test_replaced_secret_signs_for_another_day(receiver: Receiver) -> None:
    subscription, first = subscribe(receiver.start().url)
    second = signing.give_secret(subscription)
    now = timezone.now()
    assert signing.secrets_of(subscription, now) == [second, first]
    assert signing.secrets_of(subscription, now + timedelta(days=1, minutes=1)) == [second]
    assert first not in json.dumps({k: str(v) for k, v in subscription.__dict__.items()})


def test_answer_that_trickles_is_cut_off(settings: Any) -> None:
    settings.OCPP_WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        poster = Poster(f"http://127.0.0.1:{server.getsockname()[1]}/")
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(poster.post({}, b"{}")))
        thread.start()
        client, _address = server.accept()
        client.sendall(b"HTTP/1.1 2")

        def is_cut_off() -> bool:
            poster.abort()
            return not thread.is_alive()

        wait_until(is_cut_off, "it is cut off", timeout_s=5)
        client.close()
    assert answers[0].status_code is None


@pytest.mark.parametrize("phase", ["connecting", "TLS handshake"])
def test_whoever_does_not_even_let_us_in_is_cut_off(phase: str, settings: Any) -> None:
    """The kernel answers no more connections than the backlog has room for; a TLS server may say nothing at all."""
    settings.OCPP_WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with ExitStack() as opened:
        server = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port = server.getsockname()[1]
        scheme = "https" if phase == "TLS handshake" else "http"
        poster = Poster(f"{scheme}://127.0.0.1:{port}/")
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(poster.post({}, b"{}")))
        if phase == "TLS handshake":
            thread.start()
            client = opened.enter_context(server.accept()[0])
            assert client.recv(1) == b"\x16"  # its ClientHello begins
        else:
            waiting = 0
            while not waiting:  # fill the backlog, until one is left without an answer
                other = opened.enter_context(socket.socket())
                other.setblocking(False)
                other.connect_ex(server.getsockname())
                waiting = connecting_to(port)
            thread.start()
            wait_until(lambda: connecting_to(port) > waiting, "it connects", timeout_s=5)

        def is_cut_off() -> bool:
            poster.abort()
            return not thread.is_alive()

        wait_until(is_cut_off, "it is cut off", timeout_s=5)
    assert answers[0].status_code is None


def connecting_to(port: int) -> int:
    """How many sockets have sent a SYN to this port that nobody has answered (proc(5), net/tcp)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)
