"""``manage.py csms_status``: each thing that can be wrong is named, with what to do."""

import datetime
import io
import json
import socket
import ssl
import threading
import uuid
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pika
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.management import call_command
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from ocpp_app.models import (
    CertificateRequest,
    ChargePoint,
    FailedMessage,
    Gateway,
    InstalledCertificate,
    Lease,
    RegistrationStatus,
    SecurityEvent,
    SecurityEventKind,
    Session,
)
from ocpp_app.models.certificate import RequestState
from ocpp_app.rpc.housekeeping import LEASE
from tests.ocpp_app.conftest import Connect

pytestmark = pytest.mark.django_db


def shown(*arguments: str) -> tuple[int, str]:
    """The exit status and the page."""
    page = io.StringIO()
    try:
        call_command("csms_status", *arguments, stdout=page, no_color=True)
    except SystemExit as ended:
        return int(str(ended.code)), page.getvalue()
    return 0, page.getvalue()


@pytest.fixture
def site(connect: Connect) -> ChargePoint:
    """A central system with one charge point, in which all is well."""
    Lease.objects.create(name=LEASE, holder="worker", expires_at=timezone.now() + timedelta(seconds=8))
    return connect("CP001").charge_point


def test_all_is_well(site: ChargePoint) -> None:
    status, page = shown()
    assert status == 0
    assert page.splitlines()[0].endswith(": all is well")
    assert "1 connected, 0 not" in page


def test_it_is_for_programs_too(site: ChargePoint) -> None:
    Lease.objects.all().delete()
    status, page = shown("--json")
    found = json.loads(page)
    assert (status, found["is_fine"]) == (1, False)
    assert found["findings"][0]["what"] == "No worker has ever run on this database."
    assert found["numbers"]["gateways"] == "1"


def worker_died(site: ChargePoint) -> None:
    Lease.objects.update(expires_at=timezone.now() - timedelta(minutes=7))


def gateway_fell_silent(site: ChargePoint) -> None:
    Gateway.objects.update(last_announced_at=timezone.now() - timedelta(seconds=45))


def gateway_is_gone(site: ChargePoint) -> None:
    now = timezone.now()
    Gateway.objects.update(last_announced_at=now - timedelta(seconds=50), gone_at=now)


def nobody_is_connected(site: ChargePoint) -> None:
    ChargePoint.objects.update(session=None)


def one_is_dead(site: ChargePoint) -> None:
    for number in range(7):
        ChargePoint.objects.create(identity=f"DEAD{number}", last_seen_at=timezone.now() - timedelta(days=3))


def one_waits_for_approval(site: ChargePoint) -> None:
    ChargePoint.objects.create(identity="NEW", registration_status=RegistrationStatus.PENDING)


def one_flaps(site: ChargePoint) -> None:
    now = timezone.now()
    Session.objects.bulk_create(Session(charge_point=site, connected_at=now, ended_at=now) for _ in range(12))


def two_are_one(site: ChargePoint) -> None:
    now = timezone.now()
    SecurityEvent.objects.create(
        kind=SecurityEventKind.FLAPPING, identity="CP001", hour=now, first_at=now, last_at=now, charge_point=site
    )


def our_code_failed(site: ChargePoint) -> None:
    FailedMessage.objects.create(charge_point=site, action="StopTransaction", received_at=timezone.now())


def certificate_ends(site: ChargePoint) -> None:
    now = timezone.now()
    end = {"charge_point": site, "state": RequestState.INSTALLED, "created_at": now}
    CertificateRequest.objects.create(**end, not_after=now - timedelta(days=2))  # renewed since
    CertificateRequest.objects.create(**end, not_after=now + timedelta(days=9))


def root_has_ended(site: ChargePoint) -> None:
    InstalledCertificate.objects.create(charge_point=site, use="x", not_after=timezone.now() - timedelta(days=1))


def migrations_are_missing(site: ChargePoint) -> None:
    MigrationRecorder.Migration.objects.filter(app="ocpp_app").latest("pk").delete()


@pytest.mark.parametrize(
    ("cause", "status", "what", "do"),
    [
        (worker_died, 1, "No worker is at work: the last sign of one is 7 minutes old.", "manage.py runcsms"),
        (gateway_fell_silent, 1, "A gateway has been silent for 4", "Look at its log"),
        (gateway_is_gone, 1, "No gateway announces itself", "manage.py runcsms"),
        (nobody_is_connected, 1, "None of 1 charge point is connected.", "The network"),
        (one_is_dead, 0, "day: DEAD0, DEAD1, DEAD2, DEAD3, DEAD4 and 2 more.", "power, network"),
        (one_waits_for_approval, 0, "Waiting for approval: 1 charge point.", "console, Charge points"),
        (one_flaps, 0, "Connects again and again within the hour: CP001 (13 times).", "Weak network"),
        (two_are_one, 0, "Two devices under one identity: CP001.", "another identity"),
        (our_code_failed, 1, "Our code failed on 1 transaction message", "manage.py replay"),
        (certificate_ends, 0, "Certificates that end within 30 days: CP001 (", "SignCertificate"),
        (root_has_ended, 1, "Certificates that have ended: CP001 (", "install the new root"),
        (migrations_are_missing, 1, "1 migrations are missing: ocpp_app.", "manage.py migrate"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_wrong_is_named_with_what_to_do(
    site: ChargePoint, cause: Callable[[ChargePoint], None], status: int, what: str, do: str
) -> None:
    cause(site)
    found, page = shown()
    text = " ".join(page.split())
    assert what in text
    assert do in text
    assert found == status


def test_problems_come_before_warnings(site: ChargePoint) -> None:
    one_is_dead(site)
    our_code_failed(site)
    _, page = shown()
    assert page.splitlines()[0].endswith(": 1 problem, 1 warning")
    assert page.index("PROBLEM") < page.index("WARNING")


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("free", "word"), [(50 << 20, "PROBLEM"), (900 << 20, "WARNING")])
def test_a_disk_that_is_almost_full(
    site: ChargePoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any, free: int, word: str
) -> None:
    usage = Usage(20 << 30, (20 << 30) - free, free)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    _, page = shown()
    assert f"{word}  " in page
    assert "GB left" in page


# -- the broker ------------------------------------------------------------------------------------------------


def test_no_broker(site: ChargePoint, settings: Any) -> None:
    settings.OCPP_RELAY, settings.AMQP_URL = "amqp", "amqp://guest:hidden@127.0.0.1:9/"
    status, page = shown()
    assert status == 1
    assert "The broker at 127.0.0.1:9 cannot be reached." in page
    assert "hidden" not in page


@pytest.fixture
def channel(amqp_url: str, settings: Any) -> Iterator[Any]:
    """A broker with a queue of the test's own."""
    settings.OCPP_RELAY, settings.AMQP_URL, settings.OCPP_RPC_QUEUE = "amqp", amqp_url, f"ocpp.rpc.{uuid.uuid4().hex}"
    connection = pika.BlockingConnection(pika.URLParameters(amqp_url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare(settings.OCPP_RPC_QUEUE)
    yield channel
    channel.queue_delete(settings.OCPP_RPC_QUEUE)
    connection.close()


def test_a_queue_that_nobody_reads_and_one_that_is_long(site: ChargePoint, settings: Any, channel: Any) -> None:
    for _ in range(150):
        channel.basic_publish("", settings.OCPP_RPC_QUEUE, b"")
    assert f"No worker takes requests from {settings.OCPP_RPC_QUEUE}; 150 messages wait." in " ".join(
        shown()[1].split()
    )
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(settings.OCPP_RPC_QUEUE, lambda *_: None)
    status, page = shown()
    assert status == 0
    assert "149 messages wait" in page
    assert "it does not grow" in page


def test_a_queue_that_does_not_exist(site: ChargePoint, settings: Any, channel: Any) -> None:
    settings.OCPP_RPC_QUEUE = "ocpp.rpc.nobody"
    assert "There is no queue ocpp.rpc.nobody" in shown()[1]


# -- the certificate that charge points are shown --------------------------------------------------------------


@pytest.fixture
def tls_port(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    """A TLS server whose certificate ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=90)).not_valid_after(now + timedelta(days=request.param))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "both.pem").write_bytes(pem + key.private_bytes(*form))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "both.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            try:
                raw, _ = server.accept()
            except TimeoutError:
                return  # nobody has asked: the test says so
            with raw, context.wrap_socket(raw, server_side=True) as secured:
                secured.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("tls_port", "said"), [(-1, "PROBLEM"), (10, "WARNING"), (60, "all is well")], indirect=["tls_port"]
)
def test_the_gateways_certificate_ends(site: ChargePoint, settings: Any, tls_port: int, said: str) -> None:
    settings.OCPP_WEBSOCKET_URL = f"wss://localhost:{tls_port}/ocpp"
    _, page = shown()
    assert said in page
    assert ("The certificate of localhost" in page) == (said != "all is well")


def test_an_address_that_does_not_answer(site: ChargePoint, settings: Any) -> None:
    settings.OCPP_WEBSOCKET_URL = "wss://localhost:9/ocpp"
    assert "localhost:9 answers no TLS handshake" in shown()[1]
