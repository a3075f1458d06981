"""Configuration, availability and triggers with real processes and simulated charge points."""

from tests.e2e.central_system import CentralSystem, Launcher
from tests.e2e.chargers import begin_charging, charge_points, end_charging, eventually, switched_on
from tests.e2e.test_commands import charge_point, shell

IMPORTS = """
from ocpp_app.configuration import *
from ocpp_app.models import *
from ocpp_app.triggers import trigger
"""
STATE = (
    "SELECT k.state FROM ocpp_app_configurationkey k JOIN ocpp_app_chargepoint c ON c.id = k.charge_point_id "
    "WHERE c.identity = %s AND k.key = %s"
)
AVAILABILITY = (
    "SELECT a.state FROM ocpp_app_connectoravailability a JOIN ocpp_app_connector n ON n.id = a.connector_id "
    "JOIN ocpp_app_chargepoint c ON c.id = n.charge_point_id WHERE c.identity = %s AND n.number = 1"
)


async def test_template_is_applied_and_restarts_for_what_needs_it(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "TEMPLATE") as charger:
        await shell(
            central_system,
            IMPORTS + "group = ChargePointGroup.objects.create(name='TEMPLATE')\n"
            "ChargePoint.objects.get(identity='TEMPLATE-1').groups.add(group)\n"
            "template = ConfigurationTemplate.objects.create(name='TEMPLATE', resets=True)\n"
            "template.groups.add(group)\n"
            "template.values.create(key='MeterValueSampleInterval', value='77')\n"
            "template.values.create(key='WebSocketPingInterval', value='33')\n"
            "result = None",
        )
        configuration = charger.charge_point.configuration
        for key, value in (("MeterValueSampleInterval", "77"), ("WebSocketPingInterval", "33")):
            await charger.wait_until(lambda k=key, v=value: configuration.value(k) == v, f"{key} is {value}")  # type: ignore[misc]
            await eventually(
                lambda k=key: central_system.database.value(STATE, "TEMPLATE-1", k) == "in_force",  # type: ignore[misc]
                f"{key} is in force",
            )
    assert not charger.ledger.faults


async def test_connector_is_out_of_use_after_its_transaction(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "OUTOFUSE") as charger:
        await begin_charging(charger, "TAG020")
        await shell(central_system, IMPORTS + "result = set_availability('OUTOFUSE-1', 1, operative=False).state")

        def state() -> object:
            return central_system.database.value(AVAILABILITY, "OUTOFUSE-1")

        await eventually(lambda: state() == "scheduled", "it is scheduled")
        await end_charging(charger)
        await eventually(lambda: state() == "in_force", "it is in force")
        assert charger.charge_point.connectors[0].status == "Unavailable"


async def test_triggered_message_is_waited_for_from_a_shell(central_system: CentralSystem) -> None:
    async with charge_point(central_system, "TRIGGERED"):
        status = await shell(
            central_system,
            IMPORTS + "found = trigger('TRIGGERED-1', MessageTrigger.StatusNotification, connector_id=1)\n"
            "result = [type(found).__name__, found.connector_id, str(found.status)]",
        )
    assert status == ["StatusNotificationRequest", 1, "Available"]


async def test_first_contact_reads_the_configuration_of_a_charge_point(launcher: Launcher) -> None:
    system = launcher.single(OCPP_FIRST_CONTACT="on")
    chargers = charge_points(system.urls, "CONTACT", 1, connectors=2)
    async with switched_on(chargers):
        read = "SELECT count(*) FROM ocpp_app_configurationkey WHERE is_known"
        keys = len(list(chargers[0].charge_point.configuration))
        await eventually(lambda: system.database.value(read) == keys, "its configuration is read")
        secrets = "SELECT count(*) FROM ocpp_app_configurationkey WHERE key = 'AuthorizationKey' AND value IS NULL"
        assert system.database.value(secrets) == 1
    assert not chargers[0].ledger.faults
