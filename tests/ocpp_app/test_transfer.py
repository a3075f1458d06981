"""One-time addresses: what charge points hand over is kept once, what they fetch is theirs alone."""

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ocpp_app import firmware_files, upkeep
from ocpp_app.commands import issue_command
from ocpp_app.diagnostics import request_diagnostics
from ocpp_app.errors import ChargePointOffline, FirmwareNotFitting, IdempotencyKeyReused, TransferNotPossible
from ocpp_app.firmware import update_firmware
from ocpp_app.models import (
    ChargePoint,
    Command,
    ConfigurationKey,
    DiagnosticsKind,
    DiagnosticsTask,
    Event,
    Firmware,
    FirmwareTask,
    Message,
    Organisation,
    TaskState,
    WebhookSubscription,
)
from ocpp_app.outbound import raw_call
from ocppj.errors import PayloadError
from ocppj.v16 import GetDiagnosticsRequest
from tests.ocpp_app import pki
from tests.ocpp_app.conftest import Connect, commits
from tests.ocpp_app.tables import kept_in
from tests.ocpp_app.wire import Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("private_files", "_reachable")]

IMAGE = b"firmware image " * 1000


@pytest.fixture
def _reachable(settings: Any) -> None:
    settings.OCPP_TRANSFER_URL = "https://testserver/transfer"
    settings.SECURE_SSL_REDIRECT = True  # these addresses are exempt: the scheme is OCPP_TRANSFER_URL's


@pytest.fixture
def charger() -> Client:
    """A charge point's HTTP client: no session, and no CSRF token."""
    return Client(enforce_csrf_checks=True)


def payload_of(task: Any) -> dict[str, Any]:
    assert task.command is not None
    return dict(json.loads(raw_call(task.command))[3])


def address(task: Any) -> str:
    """The path that the charge point was told."""
    payload = payload_of(task)
    payload = payload.get("log") or payload.get("firmware") or payload
    url = payload.get("remoteLocation") or payload["location"]
    assert url.startswith("https://testserver/transfer/")
    return str(url.removeprefix("https://testserver"))


def make_firmware(**values: Any) -> Firmware:
    file = ContentFile(IMAGE, "ac 2.4.1.bin")
    row = Firmware(**{"version": "2.4.1", "vendor": "Maker", "model": "AC*", "file": file, **values})
    firmware_files.describe(row, row.file, str(row.file.name))
    row.save()
    return row


def state(task: Any) -> str:
    task.refresh_from_db()
    return str(task.state)


def content(task: DiagnosticsTask) -> bytes:
    task.refresh_from_db()
    with task.file.open("rb") as file:
        return bytes(file.read())


# -- asking ------------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OCPP 1.6", "6.25")
def test_diagnostics_are_asked_for_with_an_address_of_ours(wire: Wire, admin_user: Any) -> None:
    since = timezone.now().replace(microsecond=0) - timedelta(days=1)
    task = request_diagnostics("CP001", oldest_at=since, retries=2, retry_interval_s=60, requested_by=admin_user)
    payload = payload_of(task)
    assert payload.pop("location").startswith("https://testserver/transfer/upload/")
    assert payload == {"retries": 2, "retryInterval": 60, "startTime": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    assert (task.state, task.request_id, task.requested_by) == ("requested", None, admin_user)
    assert task.link_digest not in payload_of(task)["location"]


@pytest.mark.spec("security whitepaper", "5.9")
def test_log_is_asked_for_with_its_request_id(wire: Wire) -> None:
    task = request_diagnostics("CP001", kind=DiagnosticsKind.SECURITY_LOG)
    payload = payload_of(task)
    assert (payload["requestId"], payload["logType"], task.request_id) == (task.pk, "SecurityLog", task.pk)


def test_what_cannot_be_asked_for_leaves_nothing(connect: Connect, settings: Any) -> None:
    wire = connect()
    with pytest.raises(PayloadError, match="retries"):
        request_diagnostics("CP001", retries=-1)
    settings.OCPP_TRANSFER_URL = ""
    with pytest.raises(TransferNotPossible, match="set OCPP_TRANSFER_URL"):
        request_diagnostics("CP001")
    settings.OCPP_TRANSFER_URL = "https://testserver/transfer/"
    wire.close()
    with pytest.raises(ChargePointOffline):
        request_diagnostics("CP001")
    assert (DiagnosticsTask.objects.count(), Command.objects.count()) == (0, 0)
    assert request_diagnostics("CP001", queue=True).command is not None


@pytest.mark.spec("OCPP 1.6", "9.4.1")
def test_protocols_of_the_charge_point_are_respected(wire: Wire) -> None:
    name = "SupportedFileTransferProtocols"
    key = ConfigurationKey.objects.create(
        charge_point=wire.charge_point, key=name, name=name.casefold(), value="FTP, HTTP"
    )
    with pytest.raises(TransferNotPossible, match=r"CP001 transfers files by FTP, HTTP .* not by HTTPS"):
        request_diagnostics("CP001")
    assert request_diagnostics("CP001", location="ftp://u:p@files.example/").location == "ftp://u:…@files.example/"
    key.value = "HTTPS"
    key.save()
    assert request_diagnostics("CP001").is_own_location


@pytest.mark.spec("OCPP 1.6", "6.55")
def test_update_names_the_file(connect: Connect) -> None:
    connect(vendor="maker", model="AC11", firmware_version="2.0")
    task = update_firmware("CP001", make_firmware())
    assert address(task).endswith("/ac_2.4.1.bin")
    assert set(payload_of(task)) == {"location", "retrieveDate"}
    assert (task.is_signed, task.request_id, task.previous_version) == (False, None, "2.0")


@pytest.mark.spec("security whitepaper", "L01.FR.11")
def test_signed_update_carries_certificate_and_signature(connect: Connect) -> None:
    connect(vendor="Maker", model="AC11")
    certificate = pki.pem(pki.root())
    task = update_firmware("CP001", make_firmware(signing_certificate=certificate, signature="c2lnbmF0dXJl"))
    payload = payload_of(task)
    assert payload["requestId"] == task.request_id == task.pk
    assert payload["firmware"]["signingCertificate"] == certificate
    assert payload["firmware"]["signature"] == "c2lnbmF0dXJl"


def test_firmware_that_does_not_fit_is_refused(connect: Connect) -> None:
    wire = connect(vendor="Other", model="AC11")
    firmware = make_firmware()
    with pytest.raises(FirmwareNotFitting, match="CP001 is Other AC11, but this firmware is for Maker AC"):
        update_firmware("CP001", firmware)
    with pytest.raises(FirmwareNotFitting, match="signing certificate and signature"):
        update_firmware("CP001", firmware, signed=True)
    with pytest.raises(FirmwareNotFitting, match="either a firmware"):
        update_firmware("CP001")
    with pytest.raises(FirmwareNotFitting, match="time of installation"):
        update_firmware("CP001", location="http://x.example/fw", install_at=timezone.now())
    ChargePoint.objects.filter(pk=wire.charge_point.pk).update(
        organisation=Organisation.objects.create(name="Other", slug="other")
    )
    with pytest.raises(FirmwareNotFitting, match="another organisation"):
        update_firmware("CP001", firmware)
    assert FirmwareTask.objects.count() == 0


TASKS: list[tuple[str, Any]] = [
    ("GetDiagnostics", lambda: request_diagnostics("CP001")),
    ("GetLog", lambda: request_diagnostics("CP001", kind=DiagnosticsKind.SECURITY_LOG)),
    ("UpdateFirmware", lambda: update_firmware("CP001", make_firmware())),
    (
        "SignedUpdateFirmware",
        lambda: update_firmware(
            "CP001", make_firmware(signing_certificate=pki.pem(pki.root()), signature="c2lnbmF0dXJl")
        ),
    ),
]


@pytest.mark.parametrize(("action", "begin"), TASKS, ids=[action for action, _begin in TASKS])
def test_address_is_shown_to_its_charge_point_only(
    action: str, begin: Any, connect: Connect, admin_client: Client, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = False
    organisation = Organisation.objects.get()
    WebhookSubscription.objects.create(
        organisation=organisation, name="all", url="https://hooks.example/", events=["*"]
    )
    wire = connect(vendor="Maker", model="AC11")
    task = begin()
    sent, url = str(task.command_id), f"https://testserver{address(task)}"
    token = url.split("/")[5]
    assert (len(token), token in raw_call(task.command).decode()) == (len("onetime_") + 43, True)
    wire.tell(sent, "sent")
    pages = [
        f"/admin/ocpp_app/command/{sent}/change/",
        f"/commands/{sent}/",
        f"/charge-points/{wire.charge_point.pk}/messages/",
        f"/charge-points/{wire.charge_point.pk}/messages.jsonl",
        f"/charge-points/{wire.charge_point.pk}/commands/",
        f"/charge-points/{wire.charge_point.pk}/files/",
        f"/admin/ocpp_app/message/{Message.objects.get(action=action).pk}/change/",
        f"/api/v1/commands/{sent}/",
        "/api/v1/charge-points/CP001/commands/",
        "/api/v1/messages/",
    ]
    for _ in ("under way", "ended"):
        for page in pages:
            response = admin_client.get(page)
            assert (page, response.status_code) == (page, 200)
            shown = response.getvalue()
            assert (page, token.encode() in shown) == (page, False)
        wire.call(json.dumps([4, sent, "GenericError", f"cannot reach {url}", {"url": url}]))
    row = Command.objects.get(pk=sent)
    assert (row.state, row.error_description.startswith("cannot reach https://testserver/")) == ("error", True)
    assert Event.objects.filter(type="command.finished").exists()
    assert kept_in(token) == set()
    assert token not in caplog.text


@pytest.mark.parametrize(
    "answer",
    [
        '[3,"{id}",{"fileName":"{url}x.log"}]',
        '[3,"{id}",{"fileName":"{token}"}]',
        '[4,"{id}","GenericError","{url}",{}]',
    ],
)
def test_address_that_the_charge_point_repeats_anywhere_is_kept_nowhere(answer: str, wire: Wire, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    everything = WebhookSubscription(organisation=Organisation.objects.get(), name="all", events=["*"])
    everything.url = "https://hooks.example/"
    everything.save()
    task = request_diagnostics("CP001")
    url = f"https://testserver{address(task)}"
    token = url.split("/")[5]
    told = [
        answer,
        '[2,"1","SecurityEventNotification",{"type":"X","timestamp":"2026-01-01T00:00:00Z","techInfo":"lost {url}"}]',
        '[2,"2","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Faulted","info":"{token}",'
        '"vendorErrorCode":"{token}","vendorId":"{token}"}]',
        '[2,"3","DataTransfer",{"vendorId":"x","messageId":"{token}","data":"{\\"url\\":\\"{url}\\"}"}]',
        '[2,"4","Authorize",{"idTag":"{token}"}]',
        '[2,"5","MadeUp",{"url":"{url}","{url}":1}]',
        '[2,"6","BootNotification",{"chargePointVendor":"{token}","chargePointModel":"{url}"}]',
        '[2,"7","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"x","sampledValue":[{"value":"{url}"}]}]}]',
        '[2,"{token}","Heartbeat",{}]',
        '[2,"8","Heartbeat",{"{url}',
    ]
    for frame in told:
        wire.call(frame.replace("{id}", str(task.command_id)).replace("{url}", url).replace("{token}", token))
    assert kept_in("/transfer/upload/…/") >= {"Message", "ChargePointSecurityEvent", "Event"}
    assert kept_in(token) == set()
    assert token not in caplog.text


def test_idempotency_key_finds_the_command_whose_address_is_not_kept(wire: Wire) -> None:
    message = GetDiagnosticsRequest(location="ftp://u:p@files.example/")
    first = issue_command("CP001", message, idempotency_key="once")
    wire.call(f'[3,"{first.pk}",{{}}]')
    first.refresh_from_db()
    assert first.payload == {"location": "ftp://u:…@files.example/"}
    assert issue_command("CP001", message, idempotency_key="once").pk == first.pk
    with pytest.raises(IdempotencyKeyReused):
        issue_command("CP001", GetDiagnosticsRequest(location="ftp://u:p@elsewhere/"), idempotency_key="once")


# -- uploads -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["put", "post"])
@pytest.mark.parametrize("name", ["", "logs of today.zip"])
def test_file_is_kept_once(method: str, name: str, wire: Wire, charger: Client) -> None:
    task = request_diagnostics("CP001")
    where = address(task) + name
    send = getattr(charger, method)
    assert send(where, b"what happened", content_type="application/octet-stream").status_code == 201
    assert content(task) == b"what happened"
    assert (task.state, task.size, task.uploaded_from) == ("done", 13, "127.0.0.1")
    assert task.file_name == name
    assert task.sha256 == hashlib.sha256(b"what happened").hexdigest()
    again = send(where, b"something else", content_type="application/octet-stream")
    assert again.status_code == 410
    assert content(task) == b"what happened"


def test_subscriber_hears_of_the_file(wire: Wire, charger: Client) -> None:
    WebhookSubscription.objects.create(name="hook", url="https://example.com/hook", events=["diagnostics.task"])
    task = request_diagnostics("CP001")
    Event.objects.all().delete()
    assert charger.put(address(task), b"x").status_code == 201
    assert charger.put(address(task), b"y").status_code == 410
    event = Event.objects.get()
    assert (event.type, event.charge_point, json.loads(event.data)["state"]) == (
        "diagnostics.task", wire.charge_point, "done",
    )  # fmt: skip


def test_form_with_a_file_is_taken(wire: Wire, charger: Client) -> None:
    task = request_diagnostics("CP001")
    answer = charger.post(address(task), {"comment": "mine", "file": ContentFile(b"in a form", "diag.txt")})
    assert answer.status_code == 201
    assert (content(task), task.file_name) == (b"in a form", "diag.txt")


def test_form_without_a_file_is_refused_and_may_be_sent_again(wire: Wire, charger: Client) -> None:
    task = request_diagnostics("CP001")
    assert charger.post(address(task), {"comment": "none"}).status_code == 400
    assert charger.put(address(task), b"").status_code == 400
    assert charger.put(address(task), b"now").status_code == 201


def test_cut_off_upload_is_no_upload(wire: Wire, charger: Client) -> None:
    task = request_diagnostics("CP001")
    cut_off: dict[str, Any] = {"wsgi.input": BytesIO(b"half"), "CONTENT_LENGTH": "8"}
    assert charger.put(address(task), **cut_off).status_code == 400
    assert state(task) == "requested"
    assert charger.put(address(task), b"the file").status_code == 201


@pytest.mark.parametrize("form", [False, True])
def test_too_large_a_file_is_refused(
    form: bool, wire: Wire, charger: Client, settings: Any, private_files: Any
) -> None:
    settings.OCPP_UPLOAD_MAX_BYTES = 1000
    task = request_diagnostics("CP001")
    data: Any = {"file": ContentFile(b"x" * 1001, "a")} if form else b"x" * 1001
    answer = charger.post(address(task), data, **({} if form else {"content_type": "text/plain"}))
    assert answer.status_code == 413
    assert state(task) == "requested"
    assert not private_files.exists("uploads")


def test_address_ends_with_its_time(wire: Wire, charger: Client) -> None:
    task = request_diagnostics("CP001")
    DiagnosticsTask.objects.update(expires_at=timezone.now())
    assert charger.put(address(task), b"late").status_code == 410
    assert charger.put("/transfer/upload/" + "a" * 43 + "/", b"x").status_code == 404
    assert charger.get(address(task)).status_code == 405


@commits
def test_of_two_uploads_at_once_one_is_kept(connect: Connect, private_files: Any) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one writer in at a time")
    connect()
    task = request_diagnostics("CP001")
    where, together = address(task), threading.Barrier(4)

    def send(number: int) -> int:
        try:
            together.wait()
            return Client().put(where, b"%d" % number).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(send, range(4)))
    assert answers == [201, 410, 410, 410]
    folder = Path(private_files.path(f"uploads/{task.charge_point_id}"))
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("said_first", [True, False])
def test_file_and_status_end_the_task_in_either_order(said_first: bool, wire: Wire, charger: Client) -> None:
    task = request_diagnostics("CP001")
    where = address(task)
    assert wire.call(f'[3,"{task.command_id}",{{"fileName":"a.log"}}]') is None  # type: ignore[attr-defined]
    wire.ask("DiagnosticsStatusNotification", {"status": "Uploading"})
    if said_first:
        wire.ask("DiagnosticsStatusNotification", {"status": "Uploaded"})
        assert state(task) == "failed"
        assert task.detail == "The charge point says that it has uploaded a file, but none has arrived here."
    assert charger.put(where, b"file").status_code == 201
    if not said_first:
        wire.ask("DiagnosticsStatusNotification", {"status": "UploadFailed"})
    assert (state(task), task.detail, task.file_name) == ("done", "", "a.log")


def test_uploaded_file_is_saved_never_shown(wire: Wire, charger: Client, admin_client: Client, client: Client) -> None:
    task = request_diagnostics("CP001")
    charger.put(address(task) + "x.html", b"<script>alert(1)</script>", content_type="text/html")
    page = reverse("admin:ocpp_app_diagnosticstask_file", args=(task.pk,))
    answer = admin_client.get(page, secure=True)
    assert b"".join(answer) == b"<script>alert(1)</script>"  # type: ignore[call-overload]
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="x.html"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert client.get(page, secure=True).status_code == 302  # to the login


def test_stored_file_lies_outside_of_the_web_root(wire: Wire, charger: Client, private_files: Any) -> None:
    task = request_diagnostics("CP001")
    charger.put(address(task) + "../../../etc/passwd", b"x")
    task.refresh_from_db()
    assert task.file.name == f"uploads/{task.charge_point_id}/{task.pk}"
    assert task.file_name == "passwd"
    assert Path(private_files.path(task.file.name)).stat().st_mode & 0o077 == 0


# -- downloads ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def update(connect: Connect) -> FirmwareTask:
    connect(vendor="Maker", model="AC11")
    return update_firmware("CP001", make_firmware())


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_firmware_is_fetched(update: FirmwareTask, charger: Client) -> None:
    answer = charger.get(address(update))
    assert (body(answer), answer["Content-Length"]) == (IMAGE, str(len(IMAGE)))
    update.refresh_from_db()
    assert update.downloads == 1
    assert charger.head(address(update))["Content-Length"] == str(len(IMAGE))


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=5-9", IMAGE[5:10]), ("bytes=14990-", IMAGE[14990:]), ("bytes=-10", IMAGE[-10:]), ("bytes=0-99999", IMAGE)],
)
def test_download_that_was_cut_off_goes_on(wanted: str, part: bytes, update: FirmwareTask, charger: Client) -> None:
    answer = charger.get(address(update), headers={"range": wanted})
    assert body(answer) == part
    if part != IMAGE:
        start = IMAGE.index(part) if wanted != "bytes=-10" else len(IMAGE) - 10
        start = 14990 if "14990" in wanted else start
        assert answer.status_code == 206
        assert answer["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(IMAGE)}"


def test_part_that_does_not_exist(update: FirmwareTask, charger: Client) -> None:
    answer = charger.get(address(update), headers={"range": "bytes=15000-"})
    assert (answer.status_code, answer["Content-Range"]) == (416, "bytes */15000")


@pytest.mark.parametrize("ended", [TaskState.DONE, TaskState.CANCELLED])
def test_address_of_an_update_that_has_ended_is_over(ended: str, update: FirmwareTask, charger: Client) -> None:
    FirmwareTask.objects.update(state=TaskState.FAILED)
    assert charger.get(address(update)).status_code == 200  # it may try again
    FirmwareTask.objects.update(state=ended)
    assert charger.get(address(update)).status_code == 410


def test_update_is_done_when_the_charge_point_restarts_with_the_version(update: FirmwareTask) -> None:
    ChargePoint.objects.update(firmware_version="2.4.1", last_boot_at=timezone.now() + timedelta(seconds=1))
    upkeep.end_tasks()
    assert state(update) == "done"
    assert update.detail == "The charge point has restarted with version 2.4.1."


def test_file_goes_with_its_row(
    update: FirmwareTask, private_files: Any, django_capture_on_commit_callbacks: Any
) -> None:
    firmware = update.firmware
    assert firmware is not None
    assert private_files.exists(firmware.file.name)
    with django_capture_on_commit_callbacks(execute=True):
        update.delete()
        firmware.delete()
    assert not private_files.exists(firmware.file.name)


# -- settings ----------------------------------------------------------------------------------------------------------


def found() -> list[str | None]:
    return [message.id for message in run_checks()]


def test_settings_are_checked(settings: Any, tmp_path: Path) -> None:
    assert found() == []
    settings.OCPP_TRANSFER_URL = "ftp://files.example/"
    assert found() == ["ocpp_app.E020"]
    settings.OCPP_TRANSFER_URL = "https://elsewhere.example/transfer/"
    assert found() == ["ocpp_app.W020"]
    settings.ALLOWED_HOSTS = ["elsewhere.example"]
    settings.OCPP_STORAGE = "nowhere"
    assert found() == ["ocpp_app.W021"]
    settings.OCPP_STORAGE = "ocpp"
    settings.MEDIA_ROOT = str(tmp_path)
    assert found() == ["ocpp_app.E021"]
    settings.MEDIA_ROOT = ""
    settings.OCPP_CERTIFICATE_SIGNER = "nothing.Here"
    assert found() == ["ocpp_app.E022"]


def test_address_that_is_still_valid_is_in_no_log(
    wire: Wire, charger: Client, caplog: pytest.LogCaptureFixture
) -> None:
    where = address(request_diagnostics("CP001"))
    assert charger.put(where, b"", content_type="application/octet-stream").status_code == 400
    assert charger.put(where + "log", b"x", content_type="application/octet-stream").status_code == 201
    assert charger.put(where, b"x", content_type="application/octet-stream").status_code == 410
    assert where.split("/")[3] not in caplog.text
    assert "/transfer/upload/…/: 400 No file was kept" in caplog.text
