"""Habits of charge points around the payload, from the frame to the counted note."""

import pytest

from ocpp_app.commands import issue_command
from ocpp_app.habits import MAX_NOTES
from ocpp_app.models import ChargePoint, CommandState, Message, QuirkNote
from ocppj.v16 import ClearCacheRequest, GetConfigurationRequest
from tests.ocpp_app.wire import Wire

pytestmark = pytest.mark.django_db(transaction=True)


def notes() -> list[tuple[str, str, str, int]]:
    return list(QuirkNote.objects.order_by("code", "action", "field").values_list("code", "action", "field", "count"))


def test_an_accepted_charge_point_needs_no_boot(wire: Wire) -> None:
    assert wire.call('[2,"1","Heartbeat",{}]').startswith('[3,"1"')


@pytest.mark.parametrize("raw", ["", " ", "null", "[]", '{"a":1}', "nonsense", "[9,1,{}]", "\x00"])
def test_a_frame_that_is_none_is_noted_and_ignored(raw: str, wire: Wire) -> None:
    assert wire.call(raw) is None
    assert notes() == [("MalformedFrame", "", "", 1)]
    assert Message.objects.get().answer == ""


@pytest.mark.parametrize(
    ("unique_id", "code"), [("17", "NumericUniqueId"), (f'"{"x" * 37}"', "OverlongUniqueId"), ("-1", "NumericUniqueId")]
)
def test_an_odd_unique_id_is_repeated_in_the_answer_and_noted(unique_id: str, code: str, wire: Wire) -> None:
    assert wire.call(f'[2,{unique_id},"Heartbeat",{{}}]').startswith(f"[3,{unique_id},")
    assert notes() == [(code, "Heartbeat", "", 1)]


@pytest.mark.parametrize("raw", ['[3,"zz",{}]', '[4,"zz","GenericError","",{}]', '[4,"zz"]'])
def test_an_answer_to_nothing_is_noted_and_kept(raw: str, wire: Wire) -> None:
    assert wire.call(raw) is None
    assert notes() == [("UnexpectedAnswer", "", "", 1)]
    assert Message.objects.get().raw == raw


def test_the_same_habit_is_one_note_with_a_count_and_what_was_seen_last(wire: Wire) -> None:
    for hour in ("01", "02", "03"):
        wire.call(
            '[2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available",'
            f'"timestamp":"2026-01-01T{hour}:00:00"}}]'
        )
    note = QuirkNote.objects.get()
    assert (note.code, note.action, note.field, note.count) == (
        "TimestampWithoutZone",
        "StatusNotification",
        "timestamp",
        3,
    )
    assert "03:00:00" in note.detail
    assert note.first_at < note.last_at


def test_an_ordinary_message_leaves_no_note(wire: Wire) -> None:
    wire.call('[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]')
    assert notes() == []


def test_a_charge_point_does_not_fill_the_table_with_invented_fields(wire: Wire) -> None:
    charge_point = ChargePoint.objects.get()
    at = charge_point.created_at
    QuirkNote.objects.bulk_create(
        QuirkNote(charge_point=charge_point, code="X", action="Y", field=f"f{number}", first_at=at, last_at=at)
        for number in range(MAX_NOTES)
    )
    frame = '[2,"1","StatusNotification",{"connectorId":"1","errorCode":"NoError","status":"Available"}]'
    wire.call(frame)
    wire.call(frame)
    assert list(QuirkNote.objects.filter(code="NumberAsString").values_list("field", "count")) == [("", 2)]


@pytest.mark.parametrize("strictness", ["setting", "charge point"])
def test_strict_refuses_what_is_tolerated_otherwise(strictness: str, wire: Wire, settings) -> None:
    settings.OCPP_STRICT = strictness == "setting"
    ChargePoint.objects.update(is_strict=True if strictness == "charge point" else None)
    answer = wire.call('[2,"1","StatusNotification",{"connectorId":"1","errorCode":"NoError","status":"Available"}]')
    assert answer.startswith('[4,"1","TypeConstraintViolation","connectorId: ')


def test_a_charge_point_may_be_tolerated_where_the_rest_is_not(wire: Wire, settings) -> None:
    settings.OCPP_STRICT = True
    ChargePoint.objects.update(is_strict=False)
    frame = '[2,"1","StatusNotification",{"connectorId":"1","errorCode":"NoError","status":"Available"}]'
    assert wire.call(frame).startswith('[3,"1"')


def test_habits_in_an_answer_are_noted_as_well(wire: Wire) -> None:
    command = issue_command(wire.charge_point, GetConfigurationRequest())
    wire.tell(str(command.pk), "sent")
    wire.call(f'[3,"{command.pk}",{{"configurationKey":[{{"key":"HeartbeatInterval","readonly":"false","value":5}}]}}]')
    assert {(code, action) for code, action, _field, _count in notes()} == {
        ("BooleanAsString", "GetConfiguration"),
        ("StringAsNumber", "GetConfiguration"),
    }


def test_an_answer_has_exactly_our_unique_id(wire: Wire) -> None:
    command = issue_command(wire.charge_point, ClearCacheRequest())
    wire.tell(str(command.pk), "sent")
    wire.call(f'[3,"{str(command.pk).upper()}",{{"status":"Accepted"}}]')
    command.refresh_from_db()
    assert command.state == CommandState.SENT
    assert [code for code, *_rest in notes()] == ["UnexpectedAnswer"]
