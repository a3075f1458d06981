"""``manage.py check`` finds every wrong setting and says what to do."""

import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.checks.registry import registry
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from ocpp_app import checks
from ocpp_app.middleware import HeartbeatMiddleware, OCPPMiddleware
from ocpp_app.models import ChargePoint
from ocppj.frames import MessageType
from ocppj.v16 import Action

HEARTBEAT = (Action.Heartbeat, MessageType.call)


class NeedsMore(OCPPMiddleware):
    """Cannot be made with the next middleware alone."""

    def __init__(self, next: OCPPMiddleware, colour: str) -> None:
        super().__init__(next)


def found() -> list[tuple[str | None, str, str]]:
    """What the checks of this app say: id, message, hint."""
    messages = [message for message in run_checks() if str(message.id).startswith("ocpp_app.")]
    return [(message.id, str(message.msg), str(message.hint)) for message in messages]


def written_ids(check: Callable[..., Any]) -> set[str]:
    """The ids that a check, and the functions beside it that it calls, may give."""
    source = inspect.getsource(check)
    beside = inspect.getmodule(check)
    called = {getattr(beside, name) for name in re.findall(r"\b(_check_\w+)\(", source)}
    return set(re.findall(r"ocpp_app\.[EW]\d{3}", source)).union(*map(written_ids, called - {check}))


def test_each_id_is_of_one_check() -> None:
    """Who silences one (SILENCED_SYSTEM_CHECKS) silences nothing else."""
    owners = defaultdict(set)
    for check in registry.get_checks(include_deployment_checks=True):
        if check.__module__.split(".")[0] in ("ocpp_app", "simulator"):
            for check_id in written_ids(check):
                owners[check_id].add(inspect.unwrap(check).__name__)
    assert len(owners) > 20
    assert {check_id: names for check_id, names in owners.items() if len(names) > 1} == {}


def test_the_defaults_are_in_order() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("setting", "value", "check_id", "hint"),
    [
        ("OCPP_UNKNOWN_CHARGE_POINT", "maybe", "ocpp_app.E001", "'pending', 'accept', 'reject'"),
        (
            "OCPP_SECURITY_PROFILE",
            0,
            "ocpp_app.E001",
            "Use one of 1, 2, 3. Profile 0 lets in whoever comes: set it for",
        ),
        ("OCPP_UNKNOWN_ID_TAG", "pending", "ocpp_app.E001", "'reject', 'accept'"),
        ("OCPP_UNKNOWN_ID_TAG", None, "ocpp_app.E001", "'reject', 'accept'"),
        ("OCPP_RPC_QUEUE_TYPE", "stream", "ocpp_app.E001", "'classic', 'quorum'"),
        ("OCPP_RELAY", "redis", "ocpp_app.E001", "'amqp', 'memory'"),
        ("OCPP_HEARTBEAT_INTERVAL", 0, "ocpp_app.E002", "a number above 0"),
        ("OCPP_WORKER_BATCH", -1, "ocpp_app.E002", "a number above 0"),
        ("OCPP_WORKER_BATCH", "64", "ocpp_app.E002", "a number above 0"),
        ("OCPP_CALL_TIMEOUT", True, "ocpp_app.E002", "a number above 0"),
        ("OCPP_CALL_TIMEOUT", None, "ocpp_app.E002", "a number above 0"),
        ("OCPP_MAX_UNKNOWN_CHARGE_POINTS", -1, "ocpp_app.E016", "0 or more"),
        ("OCPP_FAILED_LOGINS_PER_MINUTE", "5", "ocpp_app.E016", "0 or more"),
        ("OCPP_STRICT", "off", "ocpp_app.E017", "True or False"),
        ("OCPP_AUTO_REMOTE_START", None, "ocpp_app.E017", "True or False"),
        ("OCPP_API_THROTTLE", "fast", "ocpp_app.E018", "1000/min"),
        ("OCPP_API_THROTTLE", "1000/fortnight", "ocpp_app.E018", "1000/min"),
        ("OCPP_RELAY", "amqp", "ocpp_app.E003", "Set AMQP_URL"),
        ("OCPP_WEBSOCKET_URL", "https://csms.example.com/", "ocpp_app.E015", "wss://"),
        ("AMQP_URL", "http://rabbitmq:5672/", "ocpp_app.E004", "amqp://"),
        ("AMQP_URL", "amqp://node-1/ node-2", "ocpp_app.E004", "separated by commas"),
        ("OCPP_MIDDLEWARE", {"Heartbeat": []}, "ocpp_app.E005", "(Action.Heartbeat, MessageType.call)"),
        ("OCPP_MIDDLEWARE", {(Action.Heartbeat, 7): []}, "ocpp_app.E005", "(Action.Heartbeat, MessageType.call)"),
        ("OCPP_MIDDLEWARE", {(Action.Heartbeat, "call"): []}, "ocpp_app.E005", "MessageType.call"),
        ("OCPP_MIDDLEWARE", {HEARTBEAT: "myapp.Heartbeat"}, "ocpp_app.E006", "A value is a list"),
        ("OCPP_MIDDLEWARE", {HEARTBEAT: None}, "ocpp_app.E006", "A value is a list"),
        ("OCPP_MIDDLEWARE", {HEARTBEAT: ["no.such.Thing"]}, "ocpp_app.E007", "dotted path"),
        ("OCPP_MIDDLEWARE", {HEARTBEAT: [dict]}, "ocpp_app.E007", "dotted path"),
        ("OCPP_MIDDLEWARE", {HEARTBEAT: [NeedsMore]}, "ocpp_app.E007", "next"),
        ("OCPP_MIDDLEWARE", ["myapp.ocpp.TellTheDoorman"], "ocpp_app.E006", "(Action.Heartbeat, MessageType.call)"),
        ("OCPP_MIDDLEWARE", None, "ocpp_app.E006", "(Action.Heartbeat, MessageType.call)"),
        ("OCPP_MIDDLEWARE", {("Heartbaet", MessageType.call): []}, "ocpp_app.W001", "never runs"),
        ("OCPP_QUIRKS", [{"pings": False}], "ocpp_app.E008", "quirks.toml"),
        ("OCPP_QUIRKS", [{"vendor": "ACME", "pongs": False}], "ocpp_app.E008", "quirks.toml"),
        ("OCPP_QUIRKS", ["ACME"], "ocpp_app.E008", "quirks.toml"),
        ("OCPP_QUIRKS", 17, "ocpp_app.E008", "quirks.toml"),
        ("OCPP_TRUSTED_PROXIES", ["10.0.0.0/8", "proxy"], "ocpp_app.E012", "10.0.0.0/8"),
    ],
)
def test_wrong_setting_is_found_with_what_to_do(
    setting: str, value: Any, check_id: str, hint: str, settings: Any
) -> None:
    setattr(settings, setting, value)
    ((found_id, message, found_hint),) = found()
    assert (found_id, setting in message or setting == "OCPP_RELAY") == (check_id, True)
    assert hint in found_hint


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("OCPP_RELAY", None),
        ("OCPP_RELAY", "memory"),
        ("AMQP_URL", "amqp://guest:guest@localhost:5672/"),
        ("AMQP_URL", "amqps://broker/"),
        ("AMQP_URL", "amqp://node-1/,amqp://node-2/"),
        ("OCPP_CALL_TIMEOUT", 0.5),
        ("OCPP_FAILED_LOGINS_PER_MINUTE", 0),
        ("OCPP_API_THROTTLE", ""),
        ("OCPP_API_THROTTLE", "50000/day"),
        ("OCPP_MIDDLEWARE", {HEARTBEAT: (HeartbeatMiddleware,), ("Heartbeat", 3): []}),
        ("OCPP_MIDDLEWARE", {(Action.Reset, MessageType.call_error): ["ocpp_app.middleware.HeartbeatMiddleware"]}),
        ("OCPP_QUIRKS", [{"vendor": "ACME*", "ping_interval_s": 10}]),
    ],
)
def test_right_setting_is_not_complained_about(setting: str, value: Any, settings: Any) -> None:
    setattr(settings, setting, value)
    assert found() == []


@pytest.mark.parametrize("setting", ["AUTHENTICATION_BACKENDS", "MIDDLEWARE"])
def test_deployment_without_throttled_logins_or_audit_log_is_warned_about(setting: str, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["ocpp_app.logins.ThrottledLogins"]
    setattr(settings, setting, ["django.contrib.auth.backends.ModelBackend"])
    warnings = [
        str(message.msg) for message in run_checks(include_deployment_checks=True) if message.id == "ocpp_app.W010"
    ]
    assert len(warnings) == 1
    assert warnings[0].startswith(setting)


def warned(check_id: str, **options: Any) -> list[str]:
    messages = run_checks(include_deployment_checks=True, **options)
    return [str(message.msg) for message in messages if message.id == check_id]


def test_deployment_that_takes_every_stranger_is_warned_about(settings: Any) -> None:
    for policy, number in (("pending", 0), ("reject", 0), ("accept", 1)):
        settings.OCPP_UNKNOWN_CHARGE_POINT = policy
        assert len(warned("ocpp_app.W011")) == number


def test_deployment_with_charge_points_that_prove_nothing_is_warned_about(db: None) -> None:
    ChargePoint.objects.create(identity="KEYED", security_profile=0, authorization_key="hmac-sha256$a$b")
    ChargePoint.objects.create(identity="AS-THE-SETTING")
    assert warned("ocpp_app.W012", databases=["default"]) == []
    for number in range(checks.MAX_NAMED + 1):
        ChargePoint.objects.create(identity=f"OPEN-{number:02}", security_profile=0)
    assert warned("ocpp_app.W012") == []  # without --database nobody looks into it
    (text,) = warned("ocpp_app.W012", databases=["default"])
    assert "'OPEN-00', 'OPEN-01'" in text
    assert text.endswith("'OPEN-09', ….")


def test_worker_does_not_start_with_a_wrong_setting(settings: Any) -> None:
    settings.OCPP_MIDDLEWARE = {HEARTBEAT: ["no.such.Thing"]}
    with pytest.raises(SystemCheckError, match=r"no\.such\.Thing"):
        call_command("consume_rpc_queue", skip_checks=False)


def test_tracing_without_opentelemetry_says_what_to_install(settings, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    settings.OCPP_TRACING = 0.1
    (found,) = checks.check_tracing()
    assert found.id == "ocpp_app.E024"
    assert 'pip install "django-ocpp-csms[otel]"' in str(found.hint)
    settings.OCPP_TRACING = 0
    assert checks.check_tracing() == []


@pytest.mark.parametrize("share", ["1", True, None, -0.1, 1.1, float("nan")])
def test_a_share_of_traced_frames_that_cannot_be_is_found(settings, share):
    settings.OCPP_TRACING = share
    assert [found.id for found in checks.check_tracing()] == ["ocpp_app.E023"]
