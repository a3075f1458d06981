"""Every page of the console, from the table of its addresses: a new page cannot be forgotten.

They lead to rows that ``data`` makes. Django has to be set up.
"""

from typing import Any

from django.urls import URLPattern, reverse

from ocpp_app.console import urls
from scripts.screenshots.data import BATCH, COMMAND

BUTTONS = {
    "logout", "language", "approve", "reject", "password", "rotate", "command-cancel", "reservation-cancel",
    "configuration-change", "local-list", "batch-cancel", "webhook-secret",
    "webhook-again", "profile-unassign", "campaign-change",
}  # fmt: skip
"""They answer a POST only."""
FILES = {"messages-download", "transactions-download", "tags-export", "file"}
"""What is no page."""
PARTS = {"energy", "power", "curve", "state"}
"""What pages fetch into themselves, and nobody opens."""
DOOR = "login"
"""What only those see who have not signed in."""
ROWS = {"commands": COMMAND, "batches": BATCH, "transactions": 3}
"""By the beginning of the address; of everything else the first row."""
ACTIONS = {"send": "SetChargingProfile", "batch-send": "Reset"}
QUERIES = {
    "quick": "?connector=1",
    "reports": "?first=2020-01-01&by=charge_point",
    "campaign-add": "?as_targets=yes",
}


def pages() -> dict[str, str]:
    """The address of every page by its name, the simulator's last."""
    found = {
        str(pattern.name): reverse(f"console:{pattern.name}", kwargs=_key_of(pattern))
        + QUERIES.get(str(pattern.name), "")
        for pattern in urls.urlpatterns
        if pattern.name not in BUTTONS | FILES | PARTS | {DOOR}
    }
    return {**found, "simulator": reverse("simulator:page")}


def errors() -> dict[str, tuple[str, int]]:
    """Addresses that lead nowhere, with the status of the answer."""
    return {"missing": (reverse("console:charge-point", kwargs={"pk": 999_999}), 404), "unknown": ("/nowhere/", 404)}


def refused() -> str:
    """Where ``data.VIEWER`` may not go."""
    return reverse("console:tokens")


def _key_of(pattern: URLPattern) -> dict[str, Any]:
    values = {
        "pk": ROWS.get(str(pattern.pattern).split("/")[0], 1),
        "name": "start",
        "action": ACTIONS.get(str(pattern.name), ""),
    }
    return {name: values[name] for name in pattern.pattern.converters}
