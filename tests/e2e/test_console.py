"""The console in Chromium, over running processes and simulated charge points."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from scripts.screenshots import data, pages
from scripts.services.state import choose_port
from tests.e2e.central_system import HOST, CentralSystem, Launcher, wait_until_listening
from tests.e2e.chargers import begin_charging, charge_points, eventually, switched_on
from tests.e2e.databases import TAGS
from tests.e2e.processes import ROOT, environment

pytestmark = pytest.mark.timeout(180)  # real processes and a browser, on a machine that may be busy
PATIENCE_MS = 30_000
FITS = """new Promise((resolve) => {  // a chart follows the window in the next moment
    const end = performance.now() + 5000;
    const look = () => {
        const fits = document.documentElement.scrollWidth <= innerWidth;
        if (fits || performance.now() > end) resolve(fits);
        else requestAnimationFrame(look);
    };
    look();
})"""
AXE = (ROOT / "tests" / "vendor" / "axe-core" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
USERNAME, PASSWORD = "operator", "a long enough password"

HELD = "SELECT count(*) FROM ocpp_app_lease WHERE name = 'housekeeping' AND expires_at > now()"
SILENT = "SELECT count(*) FROM ocpp_app_gateway WHERE last_announced_at < now() - interval '30 seconds'"

expect.set_options(timeout=PATIENCE_MS)


@asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def signed_in(browser: Browser, port: int, username: str = USERNAME, **options: Any) -> tuple[Page, list[str]]:
    """A page of somebody (who may do everything), and a list in which stands whatever the browser complains of."""
    context = await browser.new_context(base_url=f"http://{HOST}:{port}", timezone_id="Asia/Tokyo", **options)
    context.set_default_timeout(PATIENCE_MS)
    page, complaints = await context.new_page(), []  # type: ignore[var-annotated]

    def keep(said: ConsoleMessage) -> None:
        if said.type == "error":
            complaints.append(said.text)

    page.on("console", keep)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto("/login/")
    await page.fill("[name=username]", username)
    await page.fill("[name=password]", PASSWORD)
    await page.click("button.primary")
    await expect(page.locator("#figures")).to_be_visible()
    return page, complaints


def make_login(system: CentralSystem) -> None:
    arguments = ["createsuperuser", "--noinput", "--username", USERNAME, "--email", ""]
    done = system.manage(*arguments, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    assert done.returncode == 0, done.stderr


async def test_a_charge_is_shown_live_and_a_remote_stop_from_the_page_ends_it(
    launcher: Launcher, chromium_path: str
) -> None:
    system = launcher.single(OCPP_AUTO_REMOTE_START="off")
    make_login(system)
    (charger,) = charge_points(system.urls, "LIVE", 1)
    async with chromium(chromium_path) as browser, switched_on([charger]):
        page, complaints = await signed_in(browser, system.http_port)
        await expect(page.locator("#figures")).to_contain_text("of 1")
        await expect(page.locator(".foot")).to_contain_text("Asia/Tokyo")
        await page.click(".side >> text=Charge points")
        await page.click("#list >> text=LIVE-1")
        connector = page.locator("section.connector").first
        await expect(connector).to_contain_text("Available")
        await page.evaluate("document.body.dataset.stays = 'yes'")

        await begin_charging(charger, TAGS[0])
        await expect(connector).to_contain_text("Charging")
        await expect(connector.locator(".power")).to_contain_text("kW")
        await expect(connector).to_contain_text(TAGS[0])

        await page.locator("#stop-1").focus()
        await page.keyboard.press("Enter")
        dialog = page.locator("dialog")
        await expect(dialog).to_contain_text(f"of the tag {TAGS[0]} at connector 1 ends")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()

        await page.click("#stop-1")
        await dialog.locator("button.primary").click()
        await expect(dialog.locator(".steps li.done")).to_have_count(3)
        await expect(dialog.locator(".badge")).to_have_text("Accepted")
        await eventually(lambda: charger.charge_point.connectors[0].transaction is None, "the charge point has stopped")
        await dialog.locator("[data-close]").last.click()
        await expect(connector.locator("#start-1")).to_be_visible()
        assert await page.evaluate("document.body.dataset.stays") == "yes"  # never loaded anew

        await page.click(".tabs >> text=Messages")
        await expect(page.locator("#entries")).to_contain_text("RemoteStopTransaction")
        await page.click(".side >> text=Transactions")
        await expect(page.locator("#list")).to_contain_text(TAGS[0])
        assert complaints == []
    assert not system.tracebacks({})


async def test_a_dead_worker_shows_as_such(launcher: Launcher, chromium_path: str) -> None:
    system = launcher.cluster(workers=1)
    make_login(system)
    port = choose_port()
    serve = ("-m", "waitress", f"--listen={HOST}:{port}", "backend.wsgi:application")
    web = system._process("web", *serve).start()
    wait_until_listening(web, port)
    async with chromium(chromium_path) as browser:
        page, _complaints = await signed_in(browser, port)
        await eventually(lambda: system.database.value(HELD), "the worker holds its lease")
        await expect(page.locator("#state")).to_have_text("")
        system.worker.end()
        await eventually(lambda: not system.database.value(HELD), "the lease of the worker has expired")
        await expect(page.locator("#state")).to_contain_text("No worker is running.")
        system.worker.start()
        await asyncio.to_thread(system.worker.wait_for_output, "takes requests")
        await eventually(lambda: system.database.value(HELD), "the worker holds its lease")
        await eventually(lambda: not system.database.value(SILENT), "the worker has heard both gateways again")
        await expect(page.locator("#state")).to_have_text("")


VIEWS: tuple[tuple[Any, Any], ...] = (
    ("light", {"width": 1280, "height": 800}),
    ("dark", {"width": 390, "height": 844}),
)


async def test_no_page_has_accessibility_violations_in_light_and_dark(launcher: Launcher, chromium_path: str) -> None:
    system = launcher.prepared(OCPP_SIMULATOR="staff")
    fill(system)
    system.start()
    assert (USERNAME, PASSWORD) == (data.USERNAME, data.PASSWORD)
    found: list[str] = []
    async with chromium(chromium_path) as browser:
        page, complaints = await signed_in(browser, system.http_port)
        for path in pages.pages().values():
            found += await faults(page, path)
        await page.goto("/charge-points/1/")
        await page.click("#start-1")
        await expect(page.locator("dialog")).to_be_visible()
        found += await faults_in_view(page)
        assert complaints == []
        for path, status in pages.errors().values():
            found += await faults(page, path, status)
        viewer, _complaints = await signed_in(browser, system.http_port, data.VIEWER)
        found += await faults(viewer, pages.refused(), 403)
        stranger = await browser.new_page(base_url=f"http://{HOST}:{system.http_port}")
        found += await faults(stranger, "/login/")
        while "Wait a little" not in await stranger.title():
            await stranger.fill("[name=username]", "nobody")
            await stranger.fill("[name=password]", "a guess")
            async with stranger.expect_navigation():
                await stranger.click("button.primary")
        found += await faults_in_view(stranger)
    assert found == []


async def faults(page: Page, path: str, status: int = 200) -> list[str]:
    """What is wrong with a page, another answer included."""
    answer = await page.goto(path)
    assert answer is not None
    if await page.locator("[hx-trigger^=load]").count():
        await page.wait_for_load_state("networkidle")
    wrong = [] if answer.status == status else [f"{path} is {answer.status}"]
    return wrong + await faults_in_view(page)


async def faults_in_view(page: Page) -> list[str]:
    """What axe finds, and what is wider than the window: on a desk in light, on a phone in the dark."""
    found = []
    await page.evaluate(AXE)
    for scheme, size in VIEWS:
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size(size)
        found += [f"{page.url} ({scheme}): {what}" for what in await violations(page)]
        if not await page.evaluate(FITS):
            found.append(f"{page.url} is wider than {size['width']} pixels")
    return found


def fill(system: CentralSystem) -> None:
    """A month of a believable site, in a database that nobody uses yet."""
    command = [sys.executable, "-m", "scripts.screenshots.data"]
    subprocess.run(command, cwd=ROOT, env=environment(**system.variables), check=True)


async def violations(page: Page) -> list[str]:
    found = await page.evaluate(
        "(rules) => axe.run(document, {runOnly: rules})"
        ".then((result) => result.violations.map((one) => [one.id, one.nodes.slice(0, 3).map((node) => node.html)]))",
        RULES,
    )
    return [f"{rule}: {nodes}" for rule, nodes in found]
