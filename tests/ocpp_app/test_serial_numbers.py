"""Serial numbers of certificates: what a charge point says counts once its password has proved who it is."""

from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from ocpp_app import admission, loads, round_trips, security, serial_numbers
from ocpp_app.credentials import hash_key
from ocpp_app.errors import SerialNumberTaken
from ocpp_app.models import AuditEntry, CertificateRequest, ChargePoint, Organisation, RegistrationStatus, Scope
from ocpp_app.round_trips import Query, Statement
from ocppj.envelope import ClientCertificate
from tests.ocpp_app import pki
from tests.ocpp_app.api.world import make_tenant
from tests.ocpp_app.wire import GatewayEnd, Wire

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("development_ca")]

KEY = "0123456789abcdef"
BY_PASSWORD = {"username": "CP001", "password": KEY.encode(), "secure": True}


def boot(gateway: GatewayEnd, serial: str = "SN-77", how: dict[str, Any] = BY_PASSWORD, **of: str) -> Wire:
    """CP001 connects like this and says who it is."""
    wire = Wire(gateway, "CP001")
    assert wire.open(**how).accepted
    told = of or {"chargePointSerialNumber": serial}
    assert wire.ask("BootNotification", {"chargePointVendor": "ACME", "chargePointModel": "Box", **told})
    return wire


def registered(identity: str = "CP001") -> str:
    return ChargePoint.objects.get(identity=identity).registered_serial_number


@pytest.fixture
def charge_point(db: None) -> ChargePoint:
    return ChargePoint.objects.create(identity="CP001", authorization_key=hash_key(KEY))


@pytest.mark.spec("security whitepaper", "A00.FR.511")
def test_certificate_with_its_serial_number_is_signed_without_anybody_registering_it(
    charge_point: ChargePoint, gateway: GatewayEnd
) -> None:
    wire = boot(gateway)
    assert registered() == "SN-77"
    assert AuditEntry.objects.filter(action="serial number registered", detail="SN-77").exists()
    csr = pki.csr(common_name="SN-77")
    assert wire.ask("SignCertificate", {"csr": csr})["status"] == "Accepted"
    assert CertificateRequest.objects.get().state != "refused"


def test_what_it_says_later_does_not_change_whose_certificate_it_is(
    charge_point: ChargePoint, gateway: GatewayEnd
) -> None:
    boot(gateway).close()
    boot(gateway, "SN-VICTIM")
    assert registered() == "SN-77"


def test_other_field_of_the_boot_serves_as_well(charge_point: ChargePoint, gateway: GatewayEnd) -> None:
    boot(gateway, chargeBoxSerialNumber="BOX-1")
    assert registered() == "BOX-1"


def test_without_a_password_its_word_counts_for_nothing(charge_point: ChargePoint, gateway: GatewayEnd) -> None:
    ChargePoint.objects.update(authorization_key="", security_profile=0)
    boot(gateway, how={})
    assert registered() == ""


def test_nor_while_nobody_has_approved_it(charge_point: ChargePoint, gateway: GatewayEnd) -> None:
    ChargePoint.objects.update(registration_status=RegistrationStatus.PENDING)
    boot(gateway)
    assert registered() == ""


@pytest.mark.parametrize(
    ("serial", "theirs"),
    [
        ("SN-77", {"registered_serial_number": "SN-77"}),
        ("SN-77", {"registered_serial_number": "SN"}),
        ("SN", {"registered_serial_number": "SN-77"}),
        ("OTHER", {}),
        ("X" * 26, {}),
        ("--", {}),
    ],
)
def test_serial_number_of_another_is_not_taken(
    serial: str, theirs: dict[str, str], charge_point: ChargePoint, gateway: GatewayEnd
) -> None:
    organisation = Organisation.objects.create(name="Other", slug="other")
    ChargePoint.objects.create(identity="OTHER", organisation=organisation, **theirs)
    boot(gateway, serial)
    assert registered() == ""


def test_an_unknown_one_that_calls_itself_so_keeps_nobody_from_it(
    charge_point: ChargePoint, gateway: GatewayEnd
) -> None:
    ChargePoint.objects.create(identity="SN-77", registration_status=RegistrationStatus.PENDING)
    wire = boot(gateway)
    assert registered() == "SN-77"
    assert wire.ask("SignCertificate", {"csr": pki.csr(common_name="SN-77")})["status"] == "Accepted"


def test_two_of_one_batch_get_one_of_it(charge_point: ChargePoint, gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP002", authorization_key=hash_key(KEY))
    wires = [Wire(gateway, name) for name in ("CP001", "CP002")]
    raw = '[2,"1","BootNotification",{"chargePointVendor":"A","chargePointModel":"B","chargePointSerialNumber":"SAME"}]'
    for wire in wires:
        assert wire.open(**{**BY_PASSWORD, "username": wire.identity}).accepted
    gateway.send(*(wire.frame(raw) for wire in wires))
    assert sorted([registered("CP001"), registered("CP002")]) == ["", "SAME"]


NAMES = ("SN-77", "SN", "77", "SN 77", "-7", "A--7", "A -7", "SN77", "77-SN", "--", "A---B", "ÄSN", "SN-77 SN-78", "")


@pytest.mark.parametrize("identity", ["CP001", "SN-77", "A--7"])
def test_serial_number_is_anothers_where_one_certificate_would_be_both_of_theirs(identity: str) -> None:
    other = ChargePoint.objects.create(identity=identity)
    for theirs in NAMES:
        ChargePoint.objects.update(registered_serial_number=theirs)
        other.registered_serial_number = theirs
        for serial in filter(None, NAMES):
            mine = ChargePoint(organisation=other.organisation, registered_serial_number=serial)
            is_anothers = admission.is_named(other, serial) or any(
                name and admission.is_named(mine, name) for name in (identity, theirs)
            )
            with pytest.raises(SerialNumberTaken) if is_anothers else nullcontext():
                serial_numbers.check_free(serial)
            serial_numbers.check_free(serial, other)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL has inverted indexes")
def test_names_are_looked_up_in_indexes() -> None:
    sql, parameters = loads.named(["SN-77", "SN"], [["SN", "77"], ["SN"]]).statement
    explain = Query(Statement(f"EXPLAIN {sql}", parameters), lambda rows: [line for (line,) in rows])
    *_ahead, plan = round_trips.fetch([*round_trips.by_index(), *round_trips.with_bitmaps(), explain])
    assert any("ocpp_point_words" in line for line in plan)
    assert any("ocpp_point_serial" in line for line in plan)
    assert not any("Seq Scan" in line for line in plan)


def test_upgrade_to_profile_3_takes_no_serial_number_of_another(charge_point: ChargePoint, gateway: GatewayEnd) -> None:
    ChargePoint.objects.create(identity="CP002", registered_serial_number="SN-77")
    wire = boot(gateway)
    with pytest.raises(SerialNumberTaken, match="SN-77 is another charge point's"):
        security.upgrade_security_profile("CP001", 3)
    ChargePoint.objects.filter(identity="CP001").update(registered_serial_number="CP001")
    assert security.upgrade_security_profile("CP001", 3).step == 3
    wire.close()


def test_nobody_writes_down_the_serial_number_of_another(admin_client: Client, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
    ours, theirs = make_tenant("ours"), make_tenant("theirs")
    ChargePoint.objects.filter(pk=theirs.charge_point.pk).update(registered_serial_number="SN-77")
    api, path = ours.caller(Scope.ADMIN), f"charge-points/{ours.charge_point.identity}/"
    refused = api.patch(path, {"registered_serial_number": "SN-77"})
    assert refused.status_code == 400
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/registered_serial_number"]
    assert theirs.charge_point.identity not in refused.content.decode()
    created = api.post("charge-points/", {"identity": "NEW", "registered_serial_number": "SN-77"})
    assert created.status_code == 400
    assert api.patch(path, {"registered_serial_number": "SN-78"}).status_code == 200
    assert api.patch(path, {"registered_serial_number": "SN-78", "name": "Gate"}).status_code == 200
    page = f"/admin/ocpp_app/chargepoint/{ours.charge_point.pk}/change/"
    form = admin_client.get(page).context["adminform"].form
    data = {name: value for name, value in form.initial.items() if isinstance(value, str | int)}
    answer = admin_client.post(page, {**data, "registered_serial_number": "SN-77"})
    assert "another charge point&#x27;s" in answer.content.decode()


@pytest.mark.spec("security whitepaper", "A00.FR.404")
def test_each_organisation_trusts_its_own_operator(
    charge_point: ChargePoint, gateway: GatewayEnd, settings: Any
) -> None:
    settings.OCPP_TRUSTED_OPERATORS = ["Operator"]
    Organisation.objects.update(operator_names="City, Works\n\n Depot ")
    ChargePoint.objects.update(registered_serial_number="SN-77", security_profile=3)

    def status(operator: str) -> int:
        wire = Wire(gateway, "CP001")
        shown = ClientCertificate(("SN-77",), (operator,), "17", "ab" * 32)
        reply = wire.open(secure=True, certificate=shown)
        if reply.accepted:
            wire.close()
        return reply.status

    assert [status(name) for name in ("City, Works", "Depot", "Operator", "City")] == [101, 101, 403, 403]
    assert admission.operators_of(charge_point) == ("City, Works", "Depot")
    Organisation.objects.update(operator_names="")
    assert [status(name) for name in ("Depot", "Operator")] == [403, 101]
