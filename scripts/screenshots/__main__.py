"""Runs a site with simulated charge points on a database of its own, and photographs every page of its console.

All pictures go to FOLDER; the best three (``BEST``) to docs/images/ as well.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from scripts import ports
from scripts.screenshots.data import PASSWORD, USERNAME, VIEWER
from scripts.services import chromium
from scripts.services.state import choose_port

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".services" / "screenshots"
IMAGES = ROOT / "docs" / "images"
SIZES = {"wide": (1280, 860), "narrow": (390, 844)}
BEST = {
    "overview-wide-light": "console",
    "charge-point-wide-light": "console-charge-point",
    "transaction-wide-dark": "console-transaction",
}


def main() -> int:
    path = chromium.discover()
    if path is None:
        print("Chromium is missing; bring it with: make services", file=sys.stderr)
        return 1
    folder = Path(mkdtemp(prefix="screenshots-"))
    ws, http = choose_port(), choose_port()
    environment = {
        **os.environ,
        "DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'csms.sqlite3'}",
        "HTTPS": "off",
        "ENV_FILE": "/dev/null",
        "OCPP_UNKNOWN_ID_TAG": "accept",
        "OCPP_AUTO_REMOTE_START": "off",
        "OCPP_SIMULATOR": "staff",
        "OCPP_TRANSFER_URL": "https://csms.example.com/transfer/",
        "AMQP_URL": "",
        "OCPP_RELAY": "memory",
    }
    os.environ.update(environment)
    subprocess.run([sys.executable, "-m", "scripts.screenshots.data"], cwd=ROOT, env=environment, check=True)
    running: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "log").open("wb") as log:
            begin = [sys.executable, "manage.py", "runcsms", "--ws", f"127.0.0.1:{ws}", "--http", f"127.0.0.1:{http}"]
            running.append(subprocess.Popen(begin, cwd=ROOT, env=environment, stdout=log, stderr=log))
            wait_until_listening(http, ws)
            for identity in ("GARAGE-1", "GARAGE-2", "YARD-1", "YARD-2"):
                simulator = [
                    sys.executable,
                    "-m",
                    "simulator",
                    "--url",
                    f"ws://127.0.0.1:{ws}/ocpp",
                    "--identity",
                    identity,
                    "--connectors",
                    "2",
                    "--speed",
                    "20",
                ]
                running.append(subprocess.Popen(simulator, cwd=ROOT, env=environment, stdout=log, stderr=log))
            shoot(path, f"http://127.0.0.1:{http}", f"ws://127.0.0.1:{ws}/ocpp", sys.argv[1:])
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait()
        shutil.rmtree(folder)
    return 0


def wait_until_listening(*wanted: int) -> None:
    deadline = time.monotonic() + 60
    while not all(ports.accepts("127.0.0.1", port) for port in wanted):
        if time.monotonic() > deadline:
            raise SystemExit("The central system does not listen.")
        time.sleep(0.1)


def shoot(chromium_path: str, address: str, endpoint: str, only: list[str]) -> None:
    import django
    from playwright.sync_api import sync_playwright

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "backend.settings")
    django.setup()
    from scripts.screenshots.pages import errors, pages, refused

    addresses = {**pages(), **{name: path for name, (path, _status) in errors().items()}}
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        state, viewer = sign_in(browser, address, USERNAME), sign_in(browser, address, VIEWER)
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                view: Any = {"width": width, "height": height}

                def opened(view: Any = view, scheme: Any = scheme, **options: Any) -> Any:
                    context = browser.new_context(
                        viewport=view, color_scheme=scheme, timezone_id="Europe/Berlin", base_url=address, **options
                    )
                    page = context.new_page()
                    page.on("console", lambda message: print(message.text, file=sys.stderr))
                    page.on("pageerror", lambda error: print(error, file=sys.stderr))
                    return page

                page = opened(storage_state=state)
                for name, path in addresses.items():
                    if not only or name in only:
                        page.goto(path)
                        if name == "simulator":
                            charge(page, endpoint)
                        take(page, f"{name}-{size}-{scheme}")
                page.context.close()
                if not only or "door" in only:
                    page = opened(storage_state=viewer)
                    page.goto(refused())
                    take(page, f"refused-{size}-{scheme}")
                    page.context.close()
                    page = opened()
                    page.goto("/login/")
                    take(page, f"login-{size}-{scheme}")
                    guess_too_often(page)
                    take(page, f"too-many-{size}-{scheme}")
                    page.context.close()
        browser.close()


def sign_in(browser: Any, address: str, username: str) -> Any:
    page = browser.new_context(timezone_id="Europe/Berlin").new_page()
    page.goto(f"{address}/login/")
    page.fill("[name=username]", username)
    page.fill("[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_selector("#figures")
    page.wait_for_selector("#charging tbody tr:nth-child(2)", timeout=60_000)
    return page.context.storage_state()


def guess_too_often(page: Any) -> None:
    while "Wait a little" not in page.title():
        page.fill("[name=username]", "nobody")
        page.fill("[name=password]", "a guess")
        with page.expect_navigation():
            page.click("button.primary")


def charge(page: Any, endpoint: str) -> None:
    """A charge point in the browser, and a car at it."""
    page.wait_for_selector("body[data-ready]")
    form = page.locator("#add")
    form.get_by_label("Endpoint", exact=True).fill(endpoint)
    form.get_by_label("Identity", exact=True).fill("ON-THE-PAGE")
    form.get_by_role("button", name="Switch it on").click()
    card = page.locator("article.charger")
    card.get_by_role("button", name="Plug in", exact=True).first.click()
    card.locator(".reader input").first.fill("Miller")
    card.get_by_role("button", name="Present", exact=True).first.click()
    card.locator(".status").first.get_by_text("Charging", exact=True).wait_for()


def take(page: Any, name: str) -> None:
    page.wait_for_load_state("networkidle")
    for chart in page.query_selector_all("[data-chart]"):
        chart.wait_for_selector(".u-wrap")
    page.screenshot(path=FOLDER / f"{name}.png", full_page=True)
    if name in BEST:
        page.screenshot(path=IMAGES / f"{BEST[name]}.png")
    print(name, flush=True)


if __name__ == "__main__":
    sys.exit(main())
