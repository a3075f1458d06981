"""The chart of deploy/helm: linted and rendered by Helm itself, what comes out held against Kubernetes' own schemas."""

import functools
import json
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import referencing
import yaml
from django.core.management import get_commands, load_command_class

from backend.settings_reference import read_variables
from scripts.check_compose import stop_times
from scripts.services.helm import SCHEMAS
from tests import services

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "django-ocpp-csms"
SCHEMA_FOLDER = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict"
LEAST = {
    "secrets": {"secretKey": "s3cret", "databaseUrl": "postgres://u:p@db/csms", "amqpUrl": "amqp://u:p@mq/"},
}
EVERYTHING = {
    **LEAST,
    "imagePullSecrets": [{"name": "registry"}],
    "trustedProxies": ["10.42.0.0/16"],
    "settings": {"OCPP_UNKNOWN_CHARGE_POINT": "reject", "OCPP_WORKER_BATCH": 32, "OCPP_STRICT": True},
    "gatewaySettings": {"WSGATE_MAX_FRAME_BYTES": 131072},
    "web": {"autoscaling": {"enabled": True}, "nodeSelector": {"disk": "ssd"}, "annotations": {"a": "b"}},
    "gateway": {
        "autoscaling": {"enabled": False},
        "replicas": 5,
        "tolerations": [{"key": "edge", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "tls": {"secretName": "ocpp-tls", "clientCASecretName": "operators"},
        "service": {"type": "LoadBalancer", "port": 443, "externalTrafficPolicy": "Local", "annotations": {"a": "b"}},
    },
    "persistence": {"storageClass": "nfs"},
    "metrics": {"podMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "serviceAccount": {"annotations": {"a": "b"}},
}
NOTHING_MORE = {
    "existingSecret": "csms",
    "ingress": {"enabled": False},
    "persistence": {"enabled": False},
    "migrations": {"enabled": False},
    "metrics": {"annotations": False},
    "serviceAccount": {"create": False},
    "worker": {"autoscaling": {"enabled": False}, "podDisruptionBudget": {"enabled": False}},
}
VALUES = {"least": LEAST, "everything": EVERYTHING, "nothing more": NOTHING_MORE}


def helm(folder: Path, *words: str, values: dict[str, Any]) -> "subprocess.CompletedProcess[str]":
    (folder / "values.json").write_text(json.dumps(values))
    homes = {f"HELM_{name}_HOME": str(folder) for name in ("CACHE", "CONFIG", "DATA")}
    return subprocess.run(
        [services.helm_path(), *words, "--values", str(folder / "values.json")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **homes},
        capture_output=True, text=True, timeout=50,
    )  # fmt: skip


RENDERED: dict[str, str] = {}
"""What came out, by the values that went in."""


def rendered(folder: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    key = json.dumps(values)
    if key not in RENDERED:
        done = helm(folder, "template", "csms", str(CHART), "--namespace", "charging", values=values)
        assert done.returncode == 0, done.stderr
        RENDERED[key] = done.stdout
    return [document for document in yaml.load_all(RENDERED[key], Loader=yaml.CSafeLoader) if document]


def named(documents: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


@functools.cache
def schema(name: str) -> referencing.Resource:
    """One of Kubernetes' schemas, as the package has it."""
    with zipfile.ZipFile(SCHEMAS) as wheel:
        return referencing.Resource.from_contents(json.loads(wheel.read(f"{SCHEMA_FOLDER}/{name}")))


@functools.cache
def registry() -> referencing.Registry:
    """What the schemas of all kinds refer to."""
    return referencing.Registry().with_resource("/api/_definitions.json", schema("_definitions.json")).crawl()


def problems(document: dict[str, Any]) -> list[str]:
    """What Kubernetes would say of an object; unknown fields are a problem as well."""
    group, _, version = document["apiVersion"].rpartition("/")
    name = "-".join(filter(None, [document["kind"].lower(), group.split(".")[0], version])) + ".json"
    validator = jsonschema.Draft202012Validator(schema(name).contents, registry=registry())
    return [f"{document['kind']} {error.json_path}: {error.message}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_helm_has_nothing_against_it(tmp_path: Path, values: dict[str, Any]) -> None:
    done = helm(tmp_path, "lint", "--strict", str(CHART), values=values)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_kubernetes_takes_what_it_renders(tmp_path: Path, values: dict[str, Any]) -> None:
    documents = rendered(tmp_path, values)
    assert {"Deployment", "Service", "ConfigMap"} <= {document["kind"] for document in documents}
    core = [document for document in documents if document["kind"] != "PodMonitor"]  # an operator's own kind
    assert [problem for document in core for problem in problems(document)] == []


def test_kubernetes_would_notice_a_mistake(tmp_path: Path) -> None:
    deployment = named(rendered(tmp_path, LEAST), "Deployment")["csms-django-ocpp-csms-web"]
    deployment["spec"]["template"]["spec"]["containers"][0]["port"] = [{"containerPort": "http"}]
    assert any("port" in problem for problem in problems(deployment))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"host": "https://csms.example.com"}, "host"),
        ({"web": {"replicas": "two"}}, "replicas"),
        ({"wokrer": {}}, "wokrer"),
        ({"worker": {"terminationGracePeriodSeconds": 10}}, "terminationGracePeriodSeconds"),
        ({"gatewaySettings": {"MAX_FRAME_BYTES": 1}}, "MAX_FRAME_BYTES"),
        ({"trustedProxies": ["ingress"]}, "trustedProxies"),
        ({"secrets": {**LEAST["secrets"], "databaseUrl": "sqlite:///x"}}, "databaseUrl"),
        ({"secrets": {"secretKey": ""}}, "Set secrets.secretKey"),
    ],
)
def test_wrong_values_are_refused_with_their_name(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    done = helm(tmp_path, "template", "csms", str(CHART), values={**LEAST, **wrong})
    assert done.returncode != 0
    assert words in done.stderr


def test_every_part_reads_what_it_needs_and_is_asked_how_it_is(tmp_path: Path) -> None:
    documents = rendered(tmp_path, EVERYTHING)
    deployments = {name.rpartition("-")[2]: one for name, one in named(documents, "Deployment").items()}
    assert set(deployments) == {"web", "worker", "events", "gateway"}
    for component, deployment in deployments.items():
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert container["livenessProbe"]["httpGet"]["port"] in ports
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["securityContext"]["runAsNonRoot"] is True
        names = {variable["name"] for variable in container["env"]}
        if component == "gateway":
            assert "WSGATE_AMQP_URL" in names
            assert not {"SECRET_KEY", "DATABASE_URL"} & names
        else:
            assert {"SECRET_KEY", "DATABASE_URL", "AMQP_URL"} <= names


def test_commands_of_the_pods_are_taken(tmp_path: Path) -> None:
    documents = rendered(tmp_path, EVERYTHING)
    owners = [*named(documents, "Deployment").values(), *named(documents, "Job").values()]
    pods = [owner["spec"]["template"]["spec"] for owner in owners]
    commands = [container["command"] for pod in pods for container in pod["containers"] if "command" in container]
    assert len(commands) == 3
    for python, manage, name, *arguments in commands:
        assert (python, manage) == ("python", "manage.py")
        load_command_class(get_commands()[name], name).create_parser("manage.py", name).parse_args(arguments)


def test_nothing_is_killed_before_it_has_stopped_by_itself(tmp_path: Path) -> None:
    deployments = named(rendered(tmp_path, LEAST), "Deployment")
    for component, part in (("worker", "worker"), ("events", "events"), ("gateway", "wsgate")):
        pod = deployments[f"csms-django-ocpp-csms-{component}"]["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] >= stop_times()[part] + 5
    gateway = deployments["csms-django-ocpp-csms-gateway"]["spec"]["template"]["spec"]
    drain = {entry["name"]: entry.get("value") for entry in gateway["containers"][0]["env"]}["WSGATE_DRAIN_SECONDS"]
    assert gateway["terminationGracePeriodSeconds"] >= float(drain) + 5


def test_database_is_migrated_before_anything_is_upgraded(tmp_path: Path) -> None:
    documents = rendered(tmp_path, LEAST)
    (job,) = named(documents, "Job").values()
    hooks = job["metadata"]["annotations"]
    assert hooks["helm.sh/hook"] == "pre-install,pre-upgrade"
    # What the job reads is there before it, with the first installation as well.
    for kind in ("ConfigMap", "Secret", "ServiceAccount"):
        for document in named(documents, kind).values():
            weight = document["metadata"]["annotations"]["helm.sh/hook-weight"]
            assert int(weight) < int(hooks["helm.sh/hook-weight"])


def test_sockets_of_charge_points_are_kept_for_months(tmp_path: Path) -> None:
    ingresses = named(rendered(tmp_path, LEAST), "Ingress")
    gateway, web = ingresses["csms-django-ocpp-csms-gateway"], ingresses["csms-django-ocpp-csms-web"]
    assert gateway["spec"]["rules"][0]["http"]["paths"][0]["path"] == "/ocpp/"
    timeout = "nginx.ingress.kubernetes.io/proxy-read-timeout"
    assert int(gateway["metadata"]["annotations"][timeout]) >= 3600
    assert timeout not in (web["metadata"]["annotations"] or {})


def test_settings_that_it_names_are_read(tmp_path: Path) -> None:
    documents = rendered(tmp_path, EVERYTHING)
    (config,) = named(documents, "ConfigMap").values()
    assert set(config["data"]) <= set(read_variables())
    assert (config["data"]["OCPP_STRICT"], config["data"]["OCPP_WORKER_BATCH"]) == ("true", "32")
    assert not any("s3cret" in json.dumps(document) for document in documents if document["kind"] != "Secret")
    page = (ROOT / "docs" / "generated" / "settings.md").read_text()
    used = set(re.findall(r"WSGATE_[A-Z_]+", json.dumps(documents)))
    assert used <= set(re.findall(r"WSGATE_[A-Z_]+", page))
