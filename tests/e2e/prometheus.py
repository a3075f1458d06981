"""Prometheus with the files of deploy/monitoring, in front of a running central system."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from scripts.services.state import choose_port
from tests import services
from tests.e2e.processes import ROOT, Process, environment

HOST = "127.0.0.1"
FOLDER = ROOT / "deploy" / "monitoring"
EVERY = "1s"
RATE_OVER = "6s"
"""What Grafana makes of $__rate_interval, for this interval."""


class Prometheus:
    """One that asks the ports of each job every second; ``process`` is to be started and ended."""

    def __init__(self, folder: Path, ports: dict[str, list[int]], token: str) -> None:
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": EVERY, "evaluation_interval": EVERY}
        config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
        (folder / "token").write_text(token)
        for job in config["scrape_configs"]:
            job["static_configs"] = [{"targets": [f"{HOST}:{port}" for port in ports[job["job_name"]]]}]
            if "authorization" in job:
                job["authorization"]["credentials_file"] = str(folder / "token")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._port = choose_port()
        command = [
            str(services.prometheus_path()), f"--config.file={folder / 'prometheus.yml'}", "--log.level=warn",
            f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address={HOST}:{self._port}",
        ]  # fmt: skip
        self.process = Process("prometheus", command, environment(), folder)

    def without_data(self) -> list[str]:
        """The queries of the dashboard that give nothing, or no number."""
        return [query for query in queries() if not self.values(query.replace("$__rate_interval", RATE_OVER))]

    def raised(self) -> list[str]:
        """The alerts whose condition is met, or of which Prometheus cannot tell."""
        return [name for name, sides in alerts() if not any(set(self.values(side)) == {0.0} for side in sides)]

    def unhealthy_rules(self) -> list[str]:
        groups = self._ask("rules")["groups"]
        return [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"]

    def values(self, query: str) -> list[float]:
        """The numbers that a query gives now; empty when one of them is none, or Prometheus has just been started."""
        try:
            result = self._ask("query", query=query)["result"]
        except (URLError, ConnectionError):
            return []
        numbers = [float(sample["value"][1]) for sample in result]
        return [] if any(number != number for number in numbers) else numbers

    def _ask(self, what: str, **parameters: str) -> Any:
        with urlopen(f"http://{HOST}:{self._port}/api/v1/{what}?{urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]


def queries() -> list[str]:
    """Those of all panels."""
    panels = json.loads((FOLDER / "grafana.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())]


def alerts() -> Iterator[tuple[str, list[str]]]:
    """Each alert's condition, or one of those joined by "or": the sides of its "and", which say 0 or 1 where the rule
    would say nothing or something."""
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            told = re.sub(r" (==|<|>) ", r" \1 bool ", rule["expr"].replace("offset 15m", "offset 2s"))
            yield from ((rule["alert"], condition.split(" and ")) for condition in told.split(" or "))
