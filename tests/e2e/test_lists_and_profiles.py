"""A simulated charge point gets its local list and its charging profile, and every change of them."""

import asyncio

from ocppj.v16 import ChargingRateUnitType
from tests.e2e.central_system import CentralSystem
from tests.e2e.chargers import charge_points, eventually, switched_on

IMPORTS = """
from ocpp_app.charging_profiles import assign, get_composite_schedule, unassign
from ocpp_app.local_lists import keep_local_list
from ocpp_app.models import *
"""
BEGIN = """
IdTag.objects.bulk_create(
    IdTag(id_tag=f"LIST{n}", key=f"LIST{n}", organisation_id=Organisation.default().pk) for n in range(150)
)
keep_local_list("LISTED-1", ListSelection.CHOSEN, tags=IdTag.objects.filter(key__startswith="LIST"))
profile = ChargingProfile.objects.create(description="6 A", purpose="ChargePointMaxProfile", kind="Relative")
profile.periods.create(start_period_s=0, limit=6)
assign(profile, charge_point=ChargePoint.objects.get(identity="LISTED-1"))
result = profile.pk
"""
CHANGE = """
IdTag.objects.filter(key="LIST7").update(is_blocked=True)
IdTag.objects.get(key="LIST8").delete()
ProfileAssignment.objects.get(charge_point__identity="LISTED-1").delete()
result = None
"""
COMPOSITE = """
schedule = get_composite_schedule("LISTED-1", 1, duration_s=600)
result = [schedule.charging_rate_unit, [period["limit"] for period in schedule.periods]]
"""
STATE = (
    "SELECT l.state FROM ocpp_app_locallist l JOIN ocpp_app_chargepoint c ON c.id = l.charge_point_id "
    "WHERE c.identity = %s"
)


async def test_charge_point_gets_its_list_and_its_profile_and_their_changes(central_system: CentralSystem) -> None:
    (charger,) = charge_points(central_system.urls[-1:], "LISTED", 1)
    async with switched_on([charger]):
        has, profiles = charger.charge_point.reader.local_list, charger.charge_point.profiles
        profile_id = await asyncio.to_thread(central_system.shell, IMPORTS + BEGIN)
        await eventually(lambda: len(has.entries) == 150 and len(profiles.installed) == 1, "it has both")
        assert profiles.installed[0].profile.charging_profile_id == profile_id
        assert await asyncio.to_thread(central_system.shell, IMPORTS + COMPOSITE) == [ChargingRateUnitType.A, [6.0]]
        await asyncio.to_thread(central_system.shell, IMPORTS + CHANGE)
        await eventually(lambda: len(has.entries) == 149 and not profiles.installed, "it has the changes")
        blocked = has.get("LIST7")
        assert blocked is not None
        assert blocked.status == "Blocked"
        await eventually(lambda: central_system.database.value(STATE, "LISTED-1") == "in_sync", "we know it, too")
