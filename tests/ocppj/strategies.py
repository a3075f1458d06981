"""Hypothesis strategies: payloads that a schema allows, the same with one thing spoilt, and messages that we
construct."""

import string
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings

from ocppj import v16
from ocppj.documentation import FieldDocumentation, describe
from ocppj.errors import PayloadError
from ocppj.messages import Structure

QUICK = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=20,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""The same examples in every run; 78 message types share the time."""

CHARACTERS = string.ascii_letters + string.digits + ' {}[]",:\\/-+\0\té€😀'
LONGEST = 12
"""Of a string, unless its limit is what is tried."""


def texts(max_length: int | None) -> st.SearchStrategy[str]:
    limit = LONGEST if max_length is None else min(LONGEST, max_length)
    short = st.text(CHARACTERS, max_size=limit)
    return short if max_length is None else short | st.sampled_from("a€😀").map(lambda one: one * max_length)


integers = st.integers(-3, 40) | st.sampled_from([-(2**63), 2**63 - 1, 2**31, 10**12])
tenths = st.integers(-5, 10**6).map(lambda tens: Decimal(tens) / 10) | st.sampled_from([Decimal("8.10"), Decimal(16)])
offsets = st.sampled_from(["Z", "z", "+00:00", "-00:00", "+02:00", "-11:30", "+23:59"])


@st.composite
def timestamps(draw: st.DrawFn) -> str:
    """RFC 3339 in all its freedom, a leap second included."""
    moment = draw(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
    time = draw(st.sampled_from([moment.strftime("%H:%M:%S"), "23:59:60"]))
    fraction = draw(st.sampled_from(["", ".1", ".123", ".123456", ".1234567", ".9999999", ".000"]))
    return f"{moment.year:04}{moment:-%m-%d}{draw(st.sampled_from('TTt'))}{time}{fraction}{draw(offsets)}"


uris = st.sampled_from(["ftp://user:secret@example.org:2121/logs", "https://example.org/a?b=c#d", "file:///tmp", "a:"])


def allowed(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What ``schema`` allows."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "object":
            required = {name: allowed(schema["properties"][name]) for name in schema.get("required", ())}
            optional = {
                name: allowed(inner) for name, inner in schema.get("properties", {}).items() if name not in required
            }
            return st.fixed_dictionaries(required, optional=optional)
        case "array":
            least = schema.get("minItems", 0)
            return st.lists(allowed(schema["items"]), min_size=least, max_size=least + 1)
        case "string":
            by_format = {"date-time": timestamps(), "uri": uris}
            return by_format[schema["format"]] if "format" in schema else texts(schema.get("maxLength"))
        case "integer":
            return integers
        case "number":
            return tenths
        case "boolean":
            return st.booleans()
    raise AssertionError(schema)


OTHER_TYPES: list[Any] = [None, True, 7, Decimal("1.5"), Decimal("1.0"), "7", "", [], {}, ["x"], {"x": 1}]
TIMESTAMPS_OF_CHARGE_POINTS = [
    "2024-01-31T12:00:00",
    "2024-01-31 12:00:00Z",
    "2024-01-31T12:00:00+02",
    "2024-01-31T12:00:00+0200",
    "2024-01-31T12:00:00-0000",
    "2024-01-31T24:00:00Z",
    "2024-02-30T12:00:00Z",
    "2024-01-31T12:00Z",
    "20240131T120000Z",
    "2024-01-31",
    "1706702400",
    "now",
]


def spoilt_value(schema: dict[str, Any], value: Any) -> st.SearchStrategy[Any]:
    """``value`` with one thing changed, which most often makes it something that ``schema`` forbids."""
    others = st.sampled_from(OTHER_TYPES)
    if isinstance(value, dict):
        names = sorted(value.keys() & schema.get("properties", {}).keys())
        spoilt: list[st.SearchStrategy[Any]] = [st.just({**value, "extra": 1})]
        if names:
            spoilt.append(st.sampled_from(names).map(lambda name: {key: value[key] for key in value if key != name}))
            spoilt += [st.sampled_from(names).flatmap(lambda name: _replace(schema, value, name))] * 6
        return st.one_of(*spoilt, others)
    if isinstance(value, list):
        spoilt = [st.just([]), others.map(lambda other: [*value, other])]
        if value and "items" in schema:
            spoilt += [spoilt_value(schema["items"], value[0]).map(lambda item: [item, *value[1:]])] * 4
        return st.one_of(*spoilt, others)
    if isinstance(value, str) and not isinstance(value, bool):
        return st.one_of(others, _spoilt_text(schema, value))
    return others | st.sampled_from([Decimal("0.05"), Decimal("8.15"), 2**63, -(2**70)])


def _replace(schema: dict[str, Any], value: dict[str, Any], name: str) -> st.SearchStrategy[dict[str, Any]]:
    return spoilt_value(schema["properties"][name], value[name]).map(lambda spoilt: {**value, name: spoilt})


def _spoilt_text(schema: dict[str, Any], value: str) -> st.SearchStrategy[str]:
    if "enum" in schema:
        return st.sampled_from([value.lower(), value + " ", "Unheard-of", ""])
    if schema.get("format") == "date-time":
        return st.sampled_from(TIMESTAMPS_OF_CHARGE_POINTS)
    if schema.get("format") == "uri":
        return st.sampled_from(["no uri", "/path", "ftp://a b", "http://a\n", ""])
    return st.just("x" * (schema.get("maxLength", LONGEST) + 1))


zones = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-11, minutes=-30))])
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)


@st.composite
def constructed(draw: st.DrawFn, /, structure: type[Structure], **fixed: Any) -> Structure:
    """An instance of ``structure`` made by its constructor; what breaks a rule across fields is drawn again without
    them."""
    fixed = {**FIXED.get(structure, {}), **fixed}
    values = {name: draw(value) if isinstance(value, st.SearchStrategy) else value for name, value in fixed.items()}
    for field in describe(structure):
        if field.attribute not in fixed and (field.required or draw(st.booleans())):
            values[field.attribute] = draw(_values(field))
    try:
        return structure(**values)
    except PayloadError:
        return structure(
            **{field.attribute: values[field.attribute] for field in describe(structure) if field.required}
        )


def _values(field: FieldDocumentation) -> st.SearchStrategy[Any]:
    match field.kind:
        case "object":
            assert field.struct
            one: st.SearchStrategy[Any] = constructed(field.struct)
        case "enum":
            assert field.enum
            one = st.sampled_from(list(field.enum)) | st.sampled_from([str(member.value) for member in field.enum])
        case "string":
            one = uris if field.wire == "location" else texts(field.max_length)
        case "integer":
            least = -5 if field.minimum is None else field.minimum
            one = (st.integers(least, 40) | st.just(2**63 - 1)).filter(lambda number: number not in field.never)
        case "decimal":
            one = tenths | st.sampled_from([6, 8.1])
        case "boolean":
            one = st.booleans()
        case "date-time":
            one = moments
    return st.lists(one, min_size=field.min_items, max_size=field.min_items + 1) if field.many else one


# What the rules across fields ask for, where chance would seldom find it.
FIXED: dict[type[Structure], dict[str, Any]] = {
    v16.ChargingSchedule: {
        "charging_schedule_period": st.tuples(
            constructed(v16.ChargingSchedulePeriod, start_period=0), constructed(v16.ChargingSchedulePeriod)
        ).map(list)
    },
    v16.RemoteStartTransactionRequest: {
        "charging_profile": st.none()
        | constructed(v16.ChargingProfile, charging_profile_purpose="TxProfile", transaction_id=None)
    },
    v16.SendLocalListRequest: {
        "local_authorization_list": st.none()
        | st.lists(
            constructed(v16.AuthorizationData, id_tag_info=constructed(v16.IdTagInfo)),
            unique_by=lambda entry: entry.id_tag.casefold(),  # type: ignore[attr-defined]
            max_size=2,
        )
    },
}
