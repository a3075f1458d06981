"""The table of all metrics, from their definitions."""

from collections.abc import Iterator, Sequence

from ocpp_app.monitoring import definitions
from ocppj.metrics import Definition
from wsgate import metrics

SECTIONS: dict[str, Sequence[Definition]] = {
    "Gateway": metrics.DEFINITIONS,
    "Worker": definitions.WORKER,
    "Events": definitions.COURIER,
    "Web": definitions.WEB,
    "Web, worker and events": definitions.EVERYWHERE,
    "What stands in database and broker, told by the web part": definitions.FACTS,
    "The same for each charge point, with `OCPP_METRICS_PER_CHARGE_POINT`": definitions.PER_CHARGE_POINT,
}


def lines() -> Iterator[str]:
    """The tables as Markdown."""
    for number, (title, section) in enumerate(SECTIONS.items()):
        if number:
            yield ""
        yield f"### {title}"
        yield ""
        yield "| metric | type | labels | what it says |"
        yield "|---|---|---|---|"
        for each in section:
            labels = ", ".join(f"`{label}`" for label in each.labels)
            yield f"| `{each.name}` | {each.kind} | {labels} | {each.words} |"
