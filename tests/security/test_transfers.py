"""One-time addresses for files: somebody has read one, or guesses, and comes with it once more."""

import asyncio
import json
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from websockets.asyncio.client import ClientConnection

from ocpp_app.diagnostics import request_diagnostics
from ocpp_app.models import DiagnosticsTask, TaskState
from tests.security.stand import PATIENCE_S, Pki, attacked, in_database

pytestmark = pytest.mark.usefixtures("registered")

FILE, FORGED = b"what really happened", b"what somebody else would like to have happened"


@pytest.fixture
def port(live_server: Any, settings: Any, tmp_path: Path) -> int:
    """The port of a web server, to which charge points bring their files."""
    options = {**settings.STORAGES["ocpp"]["OPTIONS"], "location": tmp_path / "files"}
    settings.STORAGES = {**settings.STORAGES, "ocpp": {**settings.STORAGES["ocpp"], "OPTIONS": options}}
    settings.OCPP_TRANSFER_URL = f"{live_server.url}/transfer/"
    return int(urlsplit(live_server.url).port or 0)


async def put(url: str, body: bytes) -> int:
    """The status with which a file is taken, or not."""

    def sent() -> int:
        parts = urlsplit(url)
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
        connection.request("PUT", parts.path, body)
        status = connection.getresponse().status
        connection.close()
        return status

    return await asyncio.to_thread(sent)


async def asked_for(websocket: ClientConnection) -> tuple[int, str]:
    """OWNER is asked for its diagnostics: the task, and the address that it gets."""
    task = await in_database(lambda: request_diagnostics("OWNER"))
    async with asyncio.timeout(PATIENCE_S):
        _type, unique_id, action, payload = json.loads(await websocket.recv())
    assert action == "GetDiagnostics"
    await websocket.send(json.dumps([3, unique_id, {"fileName": "log"}]))
    return task.pk, payload["location"]


async def content(task: int) -> bytes:
    def read() -> bytes:
        row = DiagnosticsTask.objects.get(pk=task)
        return row.file.read() if row.file else b""

    return await in_database(read)


@pytest.mark.usefixtures("port")
async def test_upload_is_not_replayed(pki: Pki) -> None:
    async with attacked(pki) as system, system.owner() as owner:
        task, url = await asked_for(owner)
        other, other_url = await asked_for(owner)
        assert await put(url, FILE) == 201
        assert [await put(url + name, FORGED) for name in ("", "log", "other/../log")] == [410] * 3
        assert await content(task) == FILE
        event = await system.seen("wrong_transfer", "OWNER", "127.0.0.1")
        assert (event.count, url.split("/")[5] in event.detail) == (3, False)
        assert (await content(other), await put(other_url, FILE)) == (b"", 201)


@pytest.mark.usefixtures("port")
async def test_two_at_once_with_one_address_leave_one_file(pki: Pki) -> None:
    async with attacked(pki) as system, system.owner() as owner:
        task, url = await asked_for(owner)
        answers = await asyncio.gather(put(url, FILE), put(url, FORGED))
        assert sorted(answers) == [201, 410]
        assert await content(task) == (FILE if answers[0] == 201 else FORGED)
        await system.seen("wrong_transfer", "OWNER")


@pytest.mark.usefixtures("port")
async def test_address_whose_time_or_task_is_over(pki: Pki) -> None:
    async with attacked(pki) as system, system.owner() as owner:
        late, late_url = await asked_for(owner)
        cancelled, cancelled_url = await asked_for(owner)
        await in_database(
            lambda: DiagnosticsTask.objects.filter(pk=late).update(expires_at=timezone.now() - timedelta(seconds=1))
        )
        await in_database(lambda: DiagnosticsTask.objects.filter(pk=cancelled).update(state=TaskState.CANCELLED))
        assert [await put(url, FORGED) for url in (late_url, cancelled_url)] == [410, 410]
        assert [await content(task) for task in (late, cancelled)] == [b"", b""]
        await system.seen("wrong_transfer", "OWNER")


async def test_guessing_finds_nothing(port: int, pki: Pki) -> None:
    async with attacked(pki) as system, system.owner() as owner:
        task, url = await asked_for(owner)
        token = url.split("/")[5]
        digest = (await in_database(lambda: DiagnosticsTask.objects.get(pk=task))).link_digest
        base = f"http://localhost:{port}/transfer/upload"
        for guess in (digest, token[:-1], token.swapcase(), token + "A", str(task), "%00", "x" * 500):
            assert await put(f"{base}/{guess}/", FORGED) == 404, guess
        assert await content(task) == b""
        assert (await system.seen("wrong_transfer", address="127.0.0.1")).identity == ""
        assert await put(url, FILE) == 201
