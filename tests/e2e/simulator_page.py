"""The simulator page in a real Chromium, and what tests ask of the central system meanwhile."""

import json
import urllib.request
from typing import Any
from urllib.error import HTTPError

from playwright.sync_api import Locator, Page, expect

from tests.e2e.central_system import HOST, Single

PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)


class Charger:
    """One charge point on the page."""

    def __init__(self, card: Locator) -> None:
        self.card = card

    def button(self, name: str, connector: int = 1) -> Locator:
        return self.card.get_by_role("button", name=name, exact=True).nth(connector - 1)

    def press(self, name: str, connector: int = 1) -> None:
        self.button(name, connector).click()

    def present(self, id_tag: str) -> None:
        self.card.locator(".reader input").first.fill(id_tag)
        self.press("Present")

    def expect_status(self, status: str) -> None:
        expect(self.card.locator(".status").first).to_have_text(status)

    def expect_connection(self, word: str) -> None:
        expect(self.card.locator(".connection")).to_have_text(word)

    @property
    def power_kw(self) -> float:
        return float(self.card.locator(".power").first.inner_text())

    def wait_for_energy(self, least_kwh: float) -> float:
        """The energy of the session, once it is that much."""
        energy = self.card.locator(".energy").first
        self.card.page.wait_for_timeout(0)
        for _ in range(PATIENCE_MS // 50):
            text = energy.inner_text()
            if text != "-" and float(text) >= least_kwh:
                return float(text)
            self.card.page.wait_for_timeout(50)
        raise AssertionError(f"{text} kWh instead of {least_kwh}")

    def run_time(self, step: int) -> None:
        """The slider: 0 is real time, 8 the fastest."""
        self.card.locator(".speed").fill(str(step))

    def open(self, title: str) -> None:
        self.card.locator("summary", has_text=title).click()

    def send_raw(self, text: str) -> None:
        self.card.locator("textarea").fill(text)
        self.press("Send")

    def frames(self, text: str) -> Locator:
        """Lines of the log with this text."""
        return self.card.locator(".frames li", has_text=text)


class SimulatorPage:
    """The page, open."""

    def __init__(self, page: Page, system: Single) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(f"http://{HOST}:{system.http_port}/demo/ocpp/")
        expect(page.locator("body[data-ready]")).to_have_count(1)

    def add(
        self, identity: str, endpoint: str, *, kind: str = "ac11", password: str = "", quirks: tuple[str, ...] = ()
    ) -> Charger:
        """Switch a charge point on."""
        form = self.page.locator("#add")
        form.get_by_label("Endpoint", exact=True).fill(endpoint)
        form.get_by_label("Identity", exact=True).fill(identity)
        form.locator("[name=password]").fill(password)
        form.get_by_label("Kind", exact=True).select_option(kind)
        if quirks:
            form.locator("summary").click()
        for quirk in quirks:
            form.locator(f"[name=quirk][value={quirk}]").check()
        form.get_by_role("button", name="Switch it on").click()
        return self.charger(identity)

    def charger(self, identity: str) -> Charger:
        title = self.page.get_by_role("heading", name=identity, exact=True)
        return Charger(self.page.locator("article.charger").filter(has=title))

    def import_module(self, name: str, expression: str, argument: Any = None) -> Any:
        """What ``expression``, a function of a module and the argument, makes of it."""
        address = f"/static/simulator/{name}"
        return self.page.evaluate(
            f"([address, argument]) => import(address).then((module) => ({expression})(module, argument))",
            [address, argument],
        )


class Api:
    """The REST API of a ``runcsms``, with a token that may do everything."""

    def __init__(self, system: Single) -> None:
        self._address = f"http://{HOST}:{system.http_port}/api/v1"
        done = system.manage("create_api_token", "tests", "--scope", "admin")
        assert done.returncode == 0, done.stderr
        self._token = done.stdout.split()[-1]

    def command(self, identity: str, action: str, **payload: Any) -> dict[str, Any]:
        """The charge point's answer to a command."""
        order = {"action": action, "payload": payload, "wait": 10}
        request = urllib.request.Request(
            f"{self._address}/charge-points/{identity}/commands/",
            json.dumps(order).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:
                command: dict[str, Any] = json.load(response)
        except HTTPError as error:
            raise AssertionError(f"{action}: {error.code} {error.read().decode()}") from None
        assert command["state"] == "answered", command
        answer: dict[str, Any] = command["response"]
        return answer
