"""The table of all OCPP 1.6 actions for the documentation: ``python -m ocppj.v16.table`` prints it as Markdown."""

from collections.abc import Iterator

from ocppj.protocol import ActionSpec, Sender
from ocppj.v16.registry import PROTOCOL

_SENDERS = {
    Sender.charge_point: "Charge Point",
    Sender.central_system: "Central System",
    Sender.both: "both",
}


def rows() -> Iterator[str]:
    """Yield the lines of the table, by profile and action."""
    yield "| Action | Sent by | Messages | Profile, section |"
    yield "|---|---|---|---|"
    for spec in PROTOCOL.actions.values():
        yield f"| {' | '.join(cells(spec))} |"


def cells(spec: ActionSpec) -> tuple[str, ...]:
    """The cells of one action's line."""
    messages = f"`{spec.request.__name__}` `{spec.response.__name__}`"  # all of them are in ocppj.v16
    return (spec.action, _SENDERS[spec.sender], messages, f"{spec.profile}: {spec.section}")


if __name__ == "__main__":
    print("\n".join(rows()))
