"""A middleware of the user's own, named in the settings, changes an answer in a running central system."""

from datetime import UTC, datetime

from tests.e2e.central_system import Launcher
from tests.e2e.chargers import charge_points, switched_on
from tests.e2e.databases import TAGS
from tests.e2e.processes import ROOT
from tests.e2e.wire import Wire

SITE = {"DJANGO_SETTINGS_MODULE": "tests.e2e.site_settings", "PYTHONPATH": str(ROOT / "docs" / "examples")}


async def test_only_connector_one_may_charge(kind: str, launcher: Launcher) -> None:
    system = launcher.either(kind, **SITE)
    statuses = {}
    async with Wire(system.url, "MINE") as wire:
        await wire.boot()
        for connector_id in (1, 2, 3):
            start = {
                "connectorId": connector_id,
                "idTag": TAGS[connector_id],
                "meterStart": 0,
                "timestamp": datetime.now(UTC).isoformat(),
            }
            answer = await wire.call("StartTransaction", start)
            statuses[answer["transactionId"]] = answer["idTagInfo"]["status"]
    assert list(statuses.values()) == ["Accepted", "Blocked", "Blocked"]
    rows = system.database.rows("SELECT id, id_tag_status FROM ocpp_app_transaction")
    assert {row["id"]: row["id_tag_status"] for row in rows} == statuses


async def test_charge_point_ends_what_the_middleware_refuses(launcher: Launcher) -> None:
    system = launcher.single(OCPP_AUTO_REMOTE_START="off", **SITE)
    (charger,) = charge_points(system.urls, "TWO", 1, connectors=2)
    async with switched_on([charger]):
        for connector_id in (1, 2):
            await charger.present_tag(TAGS[connector_id], connector_id)
            await charger.plug_in(connector_id)
        await charger.wait_until(lambda: len(charger.ledger.transactions) == 2, "both have started")
        first, second = charger.ledger.transactions
        await charger.wait_until(lambda: second.is_stop_confirmed, "the second is stopped")
        assert second.reason == "DeAuthorized"
        await charger.wait_until(lambda: first.confirmed_meter_values > 3, "the first goes on")
    assert not charger.ledger.faults


def test_misspelt_middleware_stops_the_start_and_says_what_to_do(launcher: Launcher) -> None:
    system = launcher.single()
    check = system.manage("check", DJANGO_SETTINGS_MODULE="tests.e2e.site_settings")  # not on the path
    assert check.returncode == 1
    assert "'only_connector_one.OnlyConnectorOne', which cannot be imported" in check.stderr
    assert "HINT: Check the dotted path" in check.stderr
