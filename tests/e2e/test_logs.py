"""The log of a whole session in a real process, in both formats and as talkative as it can be: everything is there but
the secrets."""

import asyncio
import base64
import json
import re
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.e2e.central_system import HOST, Launcher, Single
from tests.e2e.processes import PATIENCE_S

KEY, WRONG_KEY, NEW_KEY = "first-key-of-LOGGED-00", "wrong-key-of-LOGGED-11", "second-key-of-LOGGED-22"
PASSWORD, WRONG_PASSWORD, NEW_PASSWORD = "olgas-first-phrase", "olgas-wrong-phrase", "olgas-second-phrase"
FTP = "ftp://station:ftp-phrase-33@files.example.com/in?signature=query-phrase-44"
WRONG_TOKEN = "ocpp_wrong-token-55"
PREPARE = f"""
from django.contrib.auth import get_user_model
from ocpp_app.credentials import hash_key
from ocpp_app.models import ApiToken, ChargePoint, Organisation, Scope
get_user_model().objects.create_superuser("olga", "", "{PASSWORD}")
ChargePoint.objects.create(identity="LOGGED", security_profile=1, registration_status="Accepted",
    authorization_key=hash_key("{KEY}"))
token, result = ApiToken.issue(name="t", scope=Scope.ADMIN, organisation=Organisation.default())
"""


class Browser:
    """Somebody at the web part: status and text of each answer, whatever the status."""

    def __init__(self, port: int) -> None:
        self._root = f"http://{HOST}:{port}"
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        address = path if path.startswith("http") else self._root + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(address, body, named, method=method)
        try:
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as refused:
            return refused.code, refused.read().decode()

    def submit(self, path: str, **fields: str) -> tuple[int, str]:
        """Fill in a form of the admin."""
        self.ask("GET", path)
        token = next(cookie.value for cookie in self._cookies if cookie.name == "csrftoken")
        return self.ask("POST", path, urlencode({**fields, "csrfmiddlewaretoken": token}).encode())

    def post(self, path: str, token: str, data: Any) -> tuple[int, str]:
        body = json.dumps(data).encode()
        return self.ask(
            "POST", f"/api/v1/{path}", body, Authorization=f"Bearer {token}", Content_Type="application/json"
        )


def charger(system: Single, key: str) -> Any:
    basic = base64.b64encode(f"LOGGED:{key}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    return connect(
        f"{system.url}/LOGGED", subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers, proxy=None
    )


async def ask(websocket: ClientConnection, unique_id: str, action: str, payload: dict[str, Any]) -> list[Any]:
    await websocket.send(json.dumps([2, unique_id, action, payload]))
    async with asyncio.timeout(PATIENCE_S):
        return list(json.loads(await websocket.recv()))


async def take_call(websocket: ClientConnection, answer: dict[str, Any]) -> dict[str, Any]:
    """The payload of the next CALL of the central system, which is answered with this."""
    async with asyncio.timeout(PATIENCE_S):
        _type, unique_id, _action, payload = json.loads(await websocket.recv())
    await websocket.send(json.dumps([3, unique_id, answer]))
    return dict(payload)


async def whole_session(system: Single, token: str) -> list[str]:
    """Everything that has a secret in it is done, rightly and wrongly; returns the secrets that came up meanwhile."""
    browser = Browser(system.http_port)

    async def command(path: str, data: dict[str, Any]) -> None:
        status, text = await asyncio.to_thread(browser.post, path, token, data)
        assert status in (201, 202), text

    with pytest.raises(InvalidStatus):
        async with charger(system, WRONG_KEY):
            pass
    addresses = []
    async with charger(system, KEY) as websocket:
        boot = {"chargePointVendor": "Acme", "chargePointModel": "One"}
        assert (await ask(websocket, "boot-1", "BootNotification", boot))[2]["status"] == "Accepted"
        await command("charge-points/LOGGED/commands/", change_key())
        assert (await take_call(websocket, {"status": "Accepted"}))["value"] == NEW_KEY
        get = {"action": "GetDiagnostics", "payload": {"location": FTP}}
        await command("charge-points/LOGGED/commands/", get)
        assert (await take_call(websocket, {"fileName": "log.zip"}))["location"] == FTP
        await command("charge-points/LOGGED/commands/", {"action": "GetConfiguration", "payload": {}})
        shown = [{"key": "AuthorizationKey", "readonly": False, "value": NEW_KEY}]  # some charge points do
        await take_call(websocket, {"configurationKey": shown})
        await command("diagnostics/", {"charge_point": "LOGGED"})
        address = (await take_call(websocket, {"fileName": "log.zip"}))["location"]
        addresses.append(address)
        for tried in (address, address, address[:-3] + "xyz"):
            await asyncio.to_thread(browser.ask, "PUT", tried, b"diagnostics")
        assert (await ask(websocket, "odd\n1", "Nonsense", {}))[0] == 4
    async with charger(system, NEW_KEY) as websocket:
        assert (await ask(websocket, "beat-2", "Heartbeat", {}))[0] == 3
    assert (await asyncio.to_thread(browser.post, "diagnostics/", WRONG_TOKEN, {}))[0] == 401
    await asyncio.to_thread(sign_in_and_change_password, browser)
    return addresses


def change_key() -> dict[str, Any]:
    return {"action": "ChangeConfiguration", "payload": {"key": "AuthorizationKey", "value": NEW_KEY}}


def sign_in_and_change_password(browser: Browser) -> None:
    login, change = "/admin/login/", "/admin/password_change/"
    browser.submit(login, username="olga", password=WRONG_PASSWORD, next=change)
    assert "new_password1" in browser.submit(login, username="olga", password=PASSWORD, next=change)[1]
    for old in (WRONG_PASSWORD, PASSWORD):
        status, text = browser.submit(change, old_password=old, new_password1=NEW_PASSWORD, new_password2=NEW_PASSWORD)
    assert status == 200
    assert "new_password1" not in text


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_log_of_a_whole_session_has_everything_but_the_secrets(log_format: str, launcher: Launcher) -> None:
    system = launcher.prepared(LOG_FORMAT=log_format, LOG_LEVEL="DEBUG", OCPP_API_THROTTLE="1000/min")
    token = await asyncio.to_thread(system.shell, PREPARE)
    system.start()
    try:
        addresses = await whole_session(system, token)
        assert system.runcsms.stop() == 0
    finally:
        system.end()
    output = system.runcsms.output()

    secrets = [KEY, WRONG_KEY, NEW_KEY, PASSWORD, WRONG_PASSWORD, NEW_PASSWORD, token, WRONG_TOKEN]
    secrets += ["ftp-phrase-33", "query-phrase-44", *(path_secret(address) for address in addresses)]
    secrets += [base64.b64encode(f"LOGGED:{key}".encode()).decode() for key in (KEY, WRONG_KEY, NEW_KEY)]
    assert [secret for secret in secrets if secret in output] == []

    for name in ("BootNotification", "ChangeConfiguration", "GetDiagnostics", "Heartbeat", "Nonsense"):
        assert name in output, f"{name} was not logged at all"
    if log_format == "json":
        entries = [json.loads(line) for line in output.splitlines()]
        assert all({"time", "level", "logger", "message"} <= entry.keys() for entry in entries)
        about = [entry for entry in entries if entry.get("unique_id") == "boot-1"]
        assert about
        assert {entry["charge_point"] for entry in about} == {"LOGGED"}
        assert {entry["action"] for entry in about if "action" in entry} == {"BootNotification"}
        assert {entry["logger"].split(".")[0] for entry in entries} >= {"wsgate", "ocpp_app", "runcsms"}
    else:
        assert re.search(r"charge_point=LOGGED session=\S+ action=BootNotification unique_id=boot-1", output)


def path_secret(address: str) -> str:
    """The token in the address of a transfer."""
    found = re.search(r"/upload/([^/]+)", address)
    assert found, address
    return found[1]
