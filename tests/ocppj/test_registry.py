"""The actions of OCPP 1.6 and who may send them."""

import re
import subprocess
import sys

import pytest

import ocppj.v16
from ocppj.messages import Request, Response, Structure
from ocppj.protocol import Sender
from ocppj.v16 import PROTOCOL, Action, FeatureProfile
from ocppj.versions import PROTOCOLS, protocol

# OCPP 1.6: what the Charge Point initiates is in §4, what the Central System initiates in §5. Whitepaper: see its §5.
BY_CHARGE_POINT = [
    "Authorize",
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
    "LogStatusNotification",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
]
BY_CENTRAL_SYSTEM = [
    "CancelReservation",
    "ChangeAvailability",
    "ChangeConfiguration",
    "ClearCache",
    "ClearChargingProfile",
    "GetCompositeSchedule",
    "GetConfiguration",
    "GetDiagnostics",
    "GetLocalListVersion",
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "ReserveNow",
    "Reset",
    "SendLocalList",
    "SetChargingProfile",
    "TriggerMessage",
    "UnlockConnector",
    "UpdateFirmware",
    "CertificateSigned",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetInstalledCertificateIds",
    "GetLog",
    "InstallCertificate",
    "SignedUpdateFirmware",
]
PROFILES = {
    "Core": 16,
    "FirmwareManagement": 4,
    "LocalAuthListManagement": 2,
    "Reservation": 2,
    "SmartCharging": 3,
    "RemoteTrigger": 1,
    "Security": 11,
}


@pytest.mark.spec("OCPP 1.6", "3.3")
def test_all_39_actions_are_there_with_their_sender():
    senders = {
        **dict.fromkeys(BY_CHARGE_POINT, Sender.charge_point),
        **dict.fromkeys(BY_CENTRAL_SYSTEM, Sender.central_system),
        "DataTransfer": Sender.both,
    }
    assert {action: spec.sender for action, spec in PROTOCOL.actions.items()} == senders
    assert len(senders) == 39
    assert set(Action) == senders.keys()


@pytest.mark.spec("OCPP 1.6", "3.3")
def test_profiles_hold_the_actions_of_the_specification():
    counted = {
        profile: [spec.profile for spec in PROTOCOL.actions.values()].count(profile) for profile in FeatureProfile
    }
    assert counted == PROFILES


@pytest.mark.parametrize("action", Action)
def test_names_are_those_of_the_specification(action: Action):
    spec = PROTOCOL.actions[action]
    assert spec.request.__name__ == f"{action}Request"
    assert spec.response.__name__ == f"{action}Response"
    assert spec.request.response is spec.response
    assert spec.request.action == spec.response.action == spec.action == action
    assert issubclass(spec.request, Request)
    assert issubclass(spec.response, Response)
    assert re.match(rf"{action}.req \((OCPP 1.6|security whitepaper) §\d", spec.request.__doc__ or "")
    assert re.match(rf"{action}.conf \((OCPP 1.6|security whitepaper) §\d", spec.response.__doc__ or "")
    assert re.fullmatch(r"OCPP 1.6 §[45].*|Security whitepaper [ALMN]\d\d.*", spec.section)


def test_every_structure_is_importable_from_the_version_package():
    def subclasses(structure: type) -> set[type]:
        return {structure}.union(*map(subclasses, structure.__subclasses__()))

    declared = {one.__name__ for one in subclasses(Structure) if one.__module__.startswith("ocppj.v16.")}
    assert declared <= set(ocppj.v16.__all__)
    assert all(hasattr(ocppj.v16, name) for name in ocppj.v16.__all__)


def test_a_version_is_found_by_its_subprotocol():
    assert protocol("ocpp1.6") is PROTOCOL is PROTOCOLS["ocpp1.6"]
    assert PROTOCOL.subprotocol == "ocpp1.6"
    with pytest.raises(LookupError, match=r"no OCPP version under the subprotocol 'ocpp2.0.1'; spoken are ocpp1.6"):
        protocol("ocpp2.0.1")


def test_the_table_for_the_documentation_has_a_line_per_action():
    printed = subprocess.run(
        [sys.executable, "-m", "ocppj.v16.table"], capture_output=True, text=True, check=True
    ).stdout
    lines = printed.splitlines()
    assert len(lines) == 2 + len(Action)
    assert "| Reset | Central System | `ResetRequest` `ResetResponse` | Core: OCPP 1.6 §5.14 |" in lines
