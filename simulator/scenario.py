"""Scripts for a charge point: one step on a line, in words.

    plug                    # a car is connected to connector 1
    tag ABC123              # and its driver presents a tag
    wait Charging
    charge 5000 Wh
    offline 30 s            # the network is lost for half a minute
    tag ABC123
    wait Finishing
    unplug

Energies are in Wh or kWh, times in the charge point's own seconds (``s``, ``min``, ``h``), which ``--speed``
compresses. ``on 2`` at the end of a line means connector 2.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ocppj.v16 import ChargePointErrorCode, ChargePointStatus
from simulator.client import SimulatedChargePoint
from simulator.meter import Car

WAIT_S = 120.0
"""Real seconds after which a ``wait`` gives up."""
DEFAULT_TAG = "SIMULATOR"

_UNITS: Mapping[str, Mapping[str, float]] = {
    "time": {"s": 1.0, "min": 60.0, "h": 3600.0},
    "energy": {"Wh": 1.0, "kWh": 1000.0},
    "percent": {"%": 1.0},
}


class ScenarioError(Exception):
    """A script cannot be read, or a step of it did not come to its end; the message names the line."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line: what to do, with what, on which connector."""

    line: int
    verb: str
    arguments: tuple[str, ...]
    connector_id: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A script that has been read."""

    name: str
    steps: tuple[Step, ...]

    async def play(self, charge_point: SimulatedChargePoint, tag: str = DEFAULT_TAG) -> None:
        """Do all steps, one after the other; ``tag`` is what a ``tag`` without a name presents. Raises
        ``ScenarioError``.
        """
        for step in self.steps:
            try:
                await VERBS[step.verb].act(charge_point, step, tag)
            except (TimeoutError, ValueError) as error:
                raise ScenarioError(
                    f"{charge_point.identity}: {self.name}, line {step.line} ({step.verb}): {error}"
                ) from error


def parse(text: str, name: str = "scenario") -> Scenario:
    """The scenario that ``text`` writes; raises ``ScenarioError`` for the first line that cannot be understood."""
    lines = [(number, line.partition("#")[0].split()) for number, line in enumerate(text.splitlines(), start=1)]
    steps, open_line = _block(iter([(number, words) for number, words in lines if words]), name)
    if open_line is not None:
        raise ScenarioError(f"{name}, line {open_line}: this `end` has no `repeat`.")
    return Scenario(name, tuple(steps))


def load(name_or_path: str) -> Scenario:
    """A built-in scenario by its name, or one from a file."""
    scripts = built_in()
    if name_or_path in scripts:
        return parse(scripts[name_or_path], name_or_path)
    try:
        text = Path(name_or_path).read_text(encoding="utf-8")
    except OSError as error:
        names = ", ".join(scripts)
        raise ScenarioError(
            f"{name_or_path!r} is no file that can be read ({error.strerror}), nor one of: {names}."
        ) from error
    return parse(text, Path(name_or_path).name)


def _block(lines: Iterator[tuple[int, list[str]]], name: str) -> tuple[list[Step], int | None]:
    """The steps up to the end of the text or the next ``end``, whose line is returned."""
    steps: list[Step] = []
    for number, words in lines:
        if words[0] == "end":
            return steps, number
        if words[0] != "repeat":
            steps.append(_step(number, words, name))
            continue
        times = words[1] if len(words) == 2 else ""
        if not times.isdecimal():
            raise ScenarioError(f"{name}, line {number}: `repeat` is followed by how often, as in `repeat 3`.")
        inner, end = _block(lines, name)
        if end is None:
            raise ScenarioError(f"{name}, line {number}: this `repeat` has no `end`.")
        steps += inner * int(times)
    return steps, None


def _step(number: int, words: list[str], name: str) -> Step:
    verb, rest, connector_id = words[0], words[1:], 1
    if verb not in VERBS:
        raise ScenarioError(f"{name}, line {number}: {verb!r} is none of: {', '.join([*VERBS, 'repeat', 'end'])}.")
    if len(rest) >= 2 and rest[-2] == "on":
        connector_id, rest = _connector_id(rest[-1], name, number), rest[:-2]
    elif len(rest) == 1 and VERBS[verb].takes_connector_only and rest[0].isdecimal():
        connector_id, rest = _connector_id(rest[0], name, number), []
    step = Step(number, verb, tuple(rest), connector_id)
    try:
        VERBS[verb].check(step)
    except ValueError as error:
        raise ScenarioError(f"{name}, line {number}: {error}") from None
    return step


def _connector_id(word: str, name: str, number: int) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise ScenarioError(f"{name}, line {number}: {word!r} is no connector; they are numbered from 1.")
    return int(word)


# -- the steps ------------------------------------------------------------------------------------------


def _amount(step: Step, kind: str) -> float:
    """The number in a step's arguments, in the base unit of its kind."""
    units = _UNITS[kind]
    number, unit = _split_unit(step.arguments, units)
    if not _is_number(number):
        words = " ".join(step.arguments)
        raise ValueError(f"`{step.verb}` is followed by a number and {' or '.join(units)}, not by {words!r}.")
    return float(number) * units.get(unit, 1.0)


def _split_unit(words: tuple[str, ...], units: Mapping[str, float]) -> tuple[str, str]:
    """``5 kWh`` and ``5kWh`` as number and unit; a number alone is in the base unit."""
    if len(words) == 2 and words[1] in units:
        return words[0], words[1]
    if len(words) != 1:
        return "", ""
    unit = next((unit for unit in sorted(units, key=len, reverse=True) if words[0].endswith(unit)), "")
    return words[0].removesuffix(unit), unit


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


def _nothing(step: Step) -> None:
    if step.arguments:
        raise ValueError(f"`{step.verb}` is followed by nothing but a connector, not by {' '.join(step.arguments)!r}.")


def _at_most_one_word(step: Step) -> None:
    if len(step.arguments) > 1:
        raise ValueError(f"`{step.verb}` is followed by one word at most, not by {' '.join(step.arguments)!r}.")


def _awaited(step: Step) -> str:
    word = step.arguments[0] if len(step.arguments) == 1 else ""
    for name in (*CONDITIONS, *(status.value for status in ChargePointStatus)):
        if word.casefold() == name.casefold():
            return name
    names = ", ".join([*ChargePointStatus, *CONDITIONS])
    raise ValueError(f"`wait` is followed by one of {names}, not by {' '.join(step.arguments)!r}.")


def _error_code(step: Step) -> ChargePointErrorCode:
    word = step.arguments[0] if step.arguments else ChargePointErrorCode.OtherError.value
    for code in ChargePointErrorCode:
        if word.casefold() == code.value.casefold():
            return code
    raise ValueError(f"`fault` is followed by an error code such as GroundFailure, not by {word!r}.")


async def _plug(charge_point: SimulatedChargePoint, step: Step, _tag: str) -> None:
    soc = _amount(step, "percent") if step.arguments else Car().soc
    await charge_point.plug_in(step.connector_id, Car(soc=soc))


async def _tag(charge_point: SimulatedChargePoint, step: Step, tag: str) -> None:
    await charge_point.present_tag(step.arguments[0] if step.arguments else tag, step.connector_id)


async def _wait(charge_point: SimulatedChargePoint, step: Step, _tag: str) -> None:
    awaited = _awaited(step)
    if awaited in CONDITIONS:
        await charge_point.wait_until(lambda: CONDITIONS[awaited](charge_point), awaited, WAIT_S)
    else:
        await charge_point.wait_for_status(awaited, step.connector_id, WAIT_S)


async def _charge(charge_point: SimulatedChargePoint, step: Step, _tag: str) -> None:
    await charge_point.charge(step.connector_id, energy_wh=_amount(step, "energy"))


async def _offline(charge_point: SimulatedChargePoint, step: Step, _tag: str) -> None:
    await charge_point.go_offline()
    if step.arguments:
        await charge_point.pass_time(_amount(step, "time"))
        await charge_point.go_online()


async def _fault(charge_point: SimulatedChargePoint, step: Step, _tag: str) -> None:
    await charge_point.fault(step.connector_id, _error_code(step))


async def _recover(charge_point: SimulatedChargePoint, step: Step, _tag: str) -> None:
    await charge_point.fault(step.connector_id, ChargePointErrorCode.NoError)


async def _sleep(charge_point: SimulatedChargePoint, step: Step, _tag: str) -> None:
    await charge_point.pass_time(_amount(step, "time"))


@dataclass(frozen=True, slots=True)
class Verb:
    """A kind of step: what it does, and what it makes of its arguments when the script is read."""

    help: str
    act: Callable[[SimulatedChargePoint, Step, str], Awaitable[None]]
    check: Callable[[Step], object] = _nothing
    takes_connector_only: bool = True


def _if_any(check: Callable[[Step], object]) -> Callable[[Step], object]:
    return lambda step: check(step) if step.arguments else None


CONDITIONS: Mapping[str, Callable[[SimulatedChargePoint], bool]] = {
    "accepted": lambda charge_point: charge_point.charge_point.registration.is_accepted,
    "online": lambda charge_point: charge_point.charge_point.is_online,
    "offline": lambda charge_point: not charge_point.charge_point.is_connected,
    "delivered": lambda charge_point: charge_point.charge_point.is_idle,
}

VERBS: Mapping[str, Verb] = {
    "plug": Verb("plug [1] or plug 35 % on 1: connect a car", _plug, _if_any(lambda step: _amount(step, "percent"))),
    "unplug": Verb("unplug [1]: take the cable out at the car", lambda cp, step, _: cp.unplug(step.connector_id)),
    "tag": Verb(
        "tag [ABC123] [on 1]: present a tag, to start or to stop", _tag, _at_most_one_word, takes_connector_only=False
    ),
    "stop": Verb("stop [1]: press the stop button", lambda cp, step, _: cp.stop_charging(step.connector_id)),
    "wait": Verb("wait Charging [on 1]: until a status, or accepted, online, offline, delivered", _wait, _awaited),
    "charge": Verb(
        "charge 5000 Wh [on 1]: until so much has been charged in this transaction",
        _charge,
        lambda step: _amount(step, "energy"),
    ),
    "pause": Verb(
        "pause [1]: the car asks for no energy (SuspendedEV)", lambda cp, step, _: cp.pause(step.connector_id)
    ),
    "resume": Verb("resume [1]: the car asks for energy again", lambda cp, step, _: cp.resume(step.connector_id)),
    "fault": Verb("fault [GroundFailure] [on 1]: a fault is detected", _fault, _error_code),
    "recover": Verb("recover [1]: the fault is resolved", _recover),
    "offline": Verb(
        "offline [30 s]: lose the network, for a time or until `online`",
        _offline,
        _if_any(lambda step: _amount(step, "time")),
    ),
    "online": Verb("online: get the network back", lambda cp, _step, _: cp.go_online()),
    "sleep": Verb("sleep 10 s: let time pass", _sleep, lambda step: _amount(step, "time"), takes_connector_only=False),
}


def built_in() -> dict[str, str]:
    """The scripts that come with the simulator, by name; the first line of each says in a comment what it is."""
    folder = resources.files("simulator") / "scenarios"
    return {file.name.removesuffix(".txt"): file.read_text("utf-8") for file in sorted(folder.iterdir(), key=str)}


def overview() -> Sequence[str]:
    """Lines that list the built-in scenarios and the steps, for ``--help``."""
    scripts = built_in()
    width = max(len(name) for name in scripts)
    scenarios = [f"  {name:<{width}}  {script.partition(chr(10))[0].lstrip('# ')}" for name, script in scripts.items()]
    return [
        "built-in scenarios:",
        *scenarios,
        "",
        "steps of a script:",
        *(f"  {verb.help}" for verb in VERBS.values()),
        "  repeat 3 … end",
    ]
