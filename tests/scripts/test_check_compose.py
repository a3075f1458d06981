"""The check of docker-compose.yml finds what would only show at run time."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import check_compose

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def compose(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(ROOT)
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return copy.deepcopy(read)


def test_there_is_nothing_to_find(compose: dict[str, Any]) -> None:
    assert list(check_compose.check_services(compose)) == []
    assert list(check_compose.check_dockerfile()) == []
    assert list(check_compose.check_variables((ROOT / "docker-compose.yml").read_text())) == []


@pytest.mark.parametrize(
    ("service", "harm", "words"),
    [
        ("wsgate", lambda wsgate: wsgate.update(ports=["9000:9000"]), "forbids --scale"),
        ("worker", lambda worker: worker.update(hostname="worker"), "forbids --scale"),
        ("worker", lambda worker: worker.update(stop_grace_period="30s"), "too short"),
        ("wsgate", lambda wsgate: wsgate.pop("stop_grace_period"), "too short"),
        ("worker", lambda worker: worker.pop("healthcheck"), "no health check"),
        ("web", lambda web: web.update(networks=["side"]), "network side is not declared"),
        ("web", lambda web: web.update(build={"context": ".", "target": "nothing"}), "no stage nothing"),
        ("proxy", lambda proxy: proxy.update(volumes=["./deploy/nothing:/etc/nothing"]), "no such file"),
        ("proxy", lambda proxy: proxy.update(image="caddy:latest"), "caddy:latest is not pinned"),
        ("proxy", lambda proxy: proxy.update(image="caddy:2.10-alpine"), "caddy:2.10-alpine is not pinned"),
        ("postgres", lambda postgres: postgres.update(image="postgres:17-alpine"), "postgres:17-alpine is not pinned"),
        ("migrate", lambda migrate: migrate.update(privileged=True), "unknown key privileged"),
        ("events", lambda events: events.pop("env_file"), "settings in .env do not reach it"),
        ("wsgate", lambda wsgate: wsgate["environment"].pop("WSGATE_MAX_FRAME_BYTES"), "WSGATE_MAX_FRAME_BYTES cannot"),
        ("wsgate", lambda wsgate: wsgate["environment"].pop("OTEL_EXPORTER_OTLP_ENDPOINT"), "OTEL_EXPORTER_OTLP_END"),
    ],
)
def test_harm_is_found(compose: dict[str, Any], service: str, harm: Callable[[Any], object], words: str) -> None:
    harm(compose["services"][service])
    (finding,) = check_compose.check_services(compose)
    assert finding.startswith(f"docker-compose.yml: {service}: ")
    assert words in finding


def test_what_believes_the_proxy_is_alone_with_it(compose: dict[str, Any]) -> None:
    """Whoever is in the trusted network could say that he is anybody."""
    services = compose["services"]
    (subnet,) = [entry["subnet"] for entry in compose["networks"]["front"]["ipam"]["config"]]
    assert services["wsgate"]["environment"]["WSGATE_TRUSTED_PROXIES"] == subnet
    assert services["web"]["environment"]["OCPP_TRUSTED_PROXIES"] == subnet
    assert {name for name, one in services.items() if "front" in one["networks"]} == {"proxy", "web", "wsgate"}


def test_secrets_reach_only_who_needs_them(compose: dict[str, Any]) -> None:
    assert set(compose["services"]["wsgate"]["environment"]) & {"SECRET_KEY", "DATABASE_URL"} == set()
    assert "env_file" not in compose["services"]["wsgate"]
    assert "SECRET" not in str(compose["services"]["proxy"])


def test_what_is_set_in_the_file_itself_is_what_makes_it_a_system(compose: dict[str, Any]) -> None:
    """Anything else here would win over .env without a word."""
    assert set(compose["services"]["web"]["environment"]) == {
        "ALLOWED_HOSTS", "AMQP_URL", "BEHIND_PROXY", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "HTTPS",
        "OCPP_TRANSFER_URL", "OCPP_TRUSTED_PROXIES", "OCPP_WEBSOCKET_URL", "SECRET_KEY",
    }  # fmt: skip
