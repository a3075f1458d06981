"""Vendor quirks are data (``quirks.toml``, and the setting OCPP_QUIRKS): patterns of vendor, model and firmware →
behaviour."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from ocpp_app import conf
from ocpp_app.models import ChargePoint

PATTERNS = {"vendor": "vendor", "model": "model", "firmware": "firmware_version"}
"""Key of a quirk → field of the charge point."""


PING_INTERVAL_S = 25.0
"""Who is silent for twice as long is gone: nobody is shown online wrongly for a minute, with time to tell of it."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one charge point is treated; the defaults are for one without quirks. Durations in seconds."""

    pings: bool = True
    ping_interval_s: float = PING_INTERVAL_S
    call_timeout_s: float | None = None
    remote_start_delay_s: float = 0.0
    ask_boot: bool = True
    ask_configuration: bool = True
    ask_status: bool = True


BEHAVIOURS = frozenset(Behaviour.__dataclass_fields__)
TYPES: Mapping[str, tuple[type, ...]] = {
    "vendor": (str,),
    "model": (str,),
    "firmware": (str,),
    "source": (str,),
    "pings": (bool,),
    "ping_interval_s": (int, float),
    "call_timeout_s": (int, float),
    "remote_start_delay_s": (int, float),
    "ask_boot": (bool,),
    "ask_configuration": (bool,),
    "ask_status": (bool,),
}
"""What a quirk may have, and of which type."""


HEARTBEAT_WITHOUT_PINGS_S = 300
"""Where pings cannot tell whether a charge point is there (and a proxy keeps TCP from telling it), heartbeats do."""
MISSED_HEARTBEATS = 3


def heartbeat_interval_s(charge_point: ChargePoint) -> int:
    """What a BootNotification is answered with: its own interval, or the site's, shorter for one without pings."""
    if charge_point.heartbeat_interval_s is not None:
        return charge_point.heartbeat_interval_s
    usual = conf.heartbeat_interval_s()
    if behaviour_of(charge_point).pings:
        return usual
    return min(usual or HEARTBEAT_WITHOUT_PINGS_S, HEARTBEAT_WITHOUT_PINGS_S)


def silence_timeout_s(charge_point: ChargePoint) -> float | None:
    """After how much silence a charge point that gets no pings is gone; None where pings tell, or nothing can."""
    if behaviour_of(charge_point).pings:
        return None
    return float(heartbeat_interval_s(charge_point) * MISSED_HEARTBEATS) or None


def behaviour_of(charge_point: ChargePoint) -> Behaviour:
    """What the quirks say of this charge point, by what it said of itself in its last BootNotification."""
    return _behaviour(charge_point.vendor.lower(), charge_point.model.lower(), charge_point.firmware_version.lower())


@lru_cache(maxsize=1024)  # bounded: charge points name themselves
def _behaviour(vendor: str, model: str, firmware: str) -> Behaviour:
    described = {"vendor": vendor, "model": model, "firmware": firmware}
    behaviour = Behaviour()
    for quirk in _quirks():
        if all(fnmatchcase(described[key], quirk[key].lower()) for key in PATTERNS if key in quirk):
            behaviour = replace(behaviour, **{key: value for key, value in quirk.items() if key in BEHAVIOURS})
    return behaviour


@cache
def _quirks() -> tuple[Mapping[str, Any], ...]:
    builtin = tomllib.loads(files("ocpp_app").joinpath("quirks.toml").read_text("utf-8"))["quirk"]
    return (*checked(builtin), *checked(conf.quirks()))


def checked(quirks: Iterable[Any]) -> list[Mapping[str, Any]]:
    """The quirks, all of them well-formed; raises ImproperlyConfigured, naming the first that is not."""
    for quirk in quirks:
        if not isinstance(quirk, Mapping) or not quirk.keys() & PATTERNS.keys():
            raise ImproperlyConfigured(f"The quirk {quirk!r} names no vendor, model or firmware.")
        for key, value in quirk.items():
            expected = TYPES.get(key)
            if expected is None:
                raise ImproperlyConfigured(
                    f"The quirk {quirk!r} has the unknown key {key!r}; known are {sorted(TYPES)}."
                )
            if not isinstance(value, expected) or (isinstance(value, bool) and bool not in expected):
                names = " or ".join(kind.__name__ for kind in expected)
                raise ImproperlyConfigured(f"The quirk {quirk!r}: {key} takes {names}.")
    return list(quirks)


def _forget(*, setting: str, **_kwargs: object) -> None:
    if setting == "OCPP_QUIRKS":
        _quirks.cache_clear()
        _behaviour.cache_clear()


setting_changed.connect(_forget)
