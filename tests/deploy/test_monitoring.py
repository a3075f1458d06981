"""Alert rules and dashboard ask only for metrics that exist, with labels that they have."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend import metrics_reference
from ocppj.metrics import HISTOGRAM, Definition
from tests import services
from tests.deploy.alert_cases import CASES, Case

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "monitoring"
EVERY_TARGET = {"job", "instance"}
STANDARD = {
    "up": EVERY_TARGET, "process_cpu_seconds_total": EVERY_TARGET, "process_resident_memory_bytes": EVERY_TARGET
}  # fmt: skip
"""What Prometheus itself adds, and prometheus-client for each process."""
WORDS = {
    "sum", "max", "min", "by", "rate", "increase", "delta", "histogram_quantile", "offset", "and", "or", "ignoring"
}  # fmt: skip
TOKENS = re.compile(
    r'(?P<string>"[^"]*")|(?P<range>\[[^\]]*\])|(?P<number>\d+(?:\.\d+)?[smhd]?)|(?P<name>[a-z_]+)'
    r"|(?P<operator>==|!=|=~|>=|<=|[-+*/<>=])|(?P<bracket>[(){}])|(?P<comma>,)|(?P<space>\s+)"
)


def known() -> dict[str, set[str]]:
    """The labels of every series, by its name."""
    found = {name: set(labels) for name, labels in STANDARD.items()}
    for section in metrics_reference.SECTIONS.values():
        for definition in section:
            found |= {name: EVERY_TARGET | set(definition.labels) | extra for name, extra in series(definition)}
    return found


def series(definition: Definition) -> Iterator[tuple[str, set[str]]]:
    if definition.kind == HISTOGRAM:
        yield f"{definition.name}_bucket", {"le"}
        yield f"{definition.name}_sum", set()
        yield f"{definition.name}_count", set()
    else:
        yield definition.name, set()


def wrong_with(expression: str) -> list[str]:
    """What of an expression cannot be: its brackets, names, labels."""
    metrics, problems, open_brackets = known(), [], []
    metric, labels_of_group, position = "", False, 0
    used: set[str] = set()
    grouped: set[str] = set()
    while position < len(expression):
        token = TOKENS.match(expression, position)
        if token is None:
            return [f"{expression[position:]!r} is no PromQL"]
        position, kind, text = token.end(), token.lastgroup, token.group()
        if kind == "bracket":
            if text in "({":
                open_brackets.append(text)
            elif not open_brackets or open_brackets.pop() != {")": "(", "}": "{"}[text]:
                problems.append(f"{text} closes nothing")
            labels_of_group = labels_of_group and text != ")"
        elif kind == "name" and "{" in open_brackets:
            if text not in metrics.get(metric, ()):
                problems.append(f"{metric} has no label {text}")
        elif kind == "name" and labels_of_group:
            grouped.add(text)
        elif kind == "name" and text in ("by", "ignoring"):
            labels_of_group = True
        elif kind == "name" and text not in WORDS:
            metric = text
            used.add(text)
            if text not in metrics:
                problems.append(f"there is no metric {text}")
    of_all = {label for name in used for label in metrics.get(name, ())}
    problems += [f"no metric here has the label {label}" for label in grouped - of_all]
    return problems + [f"{text} is not closed" for text in open_brackets] + ([] if used else ["it asks for nothing"])


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads((FOLDER / "grafana.json").read_text())["panels"] if each["type"] != "row"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_exists_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert wrong_with(rule["expr"]) == []
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))


def promtool(*words: str) -> "subprocess.CompletedProcess[str]":
    path = services.prometheus_path().with_name("promtool")
    return subprocess.run([str(path), *words], capture_output=True, text=True, timeout=50)


def test_prometheus_has_nothing_against_them() -> None:
    done = promtool("check", "config", "--syntax-only", str(FOLDER / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("check", "rules", str(FOLDER / "alerts.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"SUCCESS: {len(rules())} rules found" in done.stdout


def alert_tests(name: str, case: Case) -> list[dict[str, Any]]:
    """What promtool is to try: the alert is raised by the one, and silent with the other."""
    (rule,) = [rule for rule in rules() if rule["alert"] == f"Csms{name}"]
    words = rule["annotations"]
    raised = {
        "exp_labels": {**rule["labels"], **case.labels},
        "exp_annotations": {
            "summary": case.summary or words["summary"], "description": case.description or words["description"]
        },
    }  # fmt: skip
    return [
        {
            "name": f"{name} {what}",
            "interval": "1m",
            "input_series": [{"series": key, "values": values} for key, values in series.items()],
            "alert_rule_test": [{"alertname": rule["alert"], "eval_time": case.at, "exp_alerts": expected}],
        }
        for what, series, expected in (("raised", case.raised_by, [raised]), ("silent", case.silent_with, []))
    ]


def test_each_alert_is_raised_by_what_it_is_for_and_by_nothing_less(tmp_path: Path) -> None:
    assert {f"Csms{name}" for name in CASES} == {rule["alert"] for rule in rules()}
    tests = [test for name, case in CASES.items() for test in alert_tests(name, case)]
    whole = {"rule_files": [str(FOLDER / "alerts.yml")], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(whole))
    done = promtool("test", "rules", str(tmp_path / "tests.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_must_be_heard_of_has_an_alert() -> None:
    wanted = {
        "ChargePointsDead",
        "QueueGrowing",
        "ErrorRate",
        "GatewaySilent",
        "DatabaseDown",
        "BrokerDown",
        "NoWorker",
    }
    assert {f"Csms{name}" for name in wanted} <= {rule["alert"] for rule in rules()}
    assert len({rule["alert"] for rule in rules()}) == len(rules())


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_asks_for_what_exists(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert wrong_with(target["expr"]) == []
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        for name in shown:
            assert re.search(rf"\b{name}\b", target["expr"]) or name in EVERY_TARGET


UNITS = {"bytes", "none", "ops", "percentunit", "reqps", "s", "watt", "watth"}
"""Grafana's names for those that the panels have."""


def test_grafana_asks_the_source_that_was_chosen_and_tells_panels_and_queries_apart() -> None:
    dashboard = json.loads((FOLDER / "grafana.json").read_text())
    (variable,) = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    source = {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert {panel["type"] for panel in dashboard["panels"]} == {"row", "stat", "timeseries"}
    for panel in panels():
        assert [each["datasource"] for each in (panel, *panel["targets"])] == [source] * (1 + len(panel["targets"]))
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


def test_panels_do_not_lie_on_each_other() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        mine = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & mine, panel["title"]
        assert place["x"] + place["w"] <= 24
        cells |= mine


@pytest.mark.parametrize(
    "expression",
    [
        "max(ocpp_no_such_metric) > 0",
        'ocpp_commands{status="queued"}',
        "sum by (action) (ocpp_commands)",
        "max(ocpp_gateways",
        "max(ocpp_gateways))",
        "wsgate_relay_latency_seconds",
        "ocpp_gateways ? 1",
    ],
)
def test_what_is_wrong_would_be_found(expression: str) -> None:
    assert wrong_with(expression)


def test_the_scrape_configuration_names_the_rules() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    assert [(FOLDER / name).exists() for name in config["rule_files"]] == [True]
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    (up,) = [rule["expr"] for rule in rules() if rule["expr"].startswith("up{")]
    assert jobs == set(re.findall(r'"(.+)"', up)[0].split("|"))
