"""The guards that keep data from being lost or doubled, and how to switch each off in one process.

Only processes that the suite has started so (FAULTS_GUARD_OFF) go without; the product knows nothing of it. Each is
switched off once, to see that the suite finds what it keeps away.
"""

import importlib.util
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Guard:
    """One guard: what it is, which module holds it, how it is switched off there, and which fault shows it."""

    what: str
    module: str
    patch: Callable[[Any], None]
    faults: tuple[str, ...]
    expected: tuple[str, ...]
    """At least one of these kinds of findings is there without it."""
    sql: str = ""
    """What is done to the database beforehand."""


def forget_replies(handling: Any) -> None:
    class Forgetful(dict[Any, Any]):
        def __contains__(self, key: object) -> bool:
            return False

    load = handling.Handling._load

    def load_and_forget(self: Any) -> None:
        load(self)
        self.earlier, self.answered = {}, Forgetful()

    handling.Handling._load = load_and_forget


def answer_first(dispatch: Any) -> None:
    def commit(self: Any, works: list[Any], publish: Any, after: Any, failure: str | None) -> None:
        def handle(batch: Any) -> Any:
            items = dispatch.Handling(batch, works).handle() if failure is None else None
            if items is None:
                items = dispatch.failures.answer(batch, works[0], failure)
            publish(items)
            time.sleep(0.05)
            return items

        _outgoing, left = dispatch.commit(handle)
        after.hooks.extend(left.hooks)

    dispatch.Dispatcher._commit = commit


def take_every_start_for_new(transactions: Any) -> None:
    assert hasattr(transactions, "find_earlier_start")
    transactions.find_earlier_start = lambda request: None


def take_every_meter_value_for_new(metering: Any) -> None:
    assert hasattr(metering, "digest")
    metering.digest = lambda *_arguments: uuid.uuid4()


def blame_the_charge_point(dispatch: Any) -> None:
    assert hasattr(dispatch, "is_unavailable")
    dispatch.is_unavailable = lambda _error: False


def believe_that_all_live(liveness: Any) -> None:
    assert hasattr(liveness.Liveness, "next_check")
    liveness.Liveness.next_check = lambda _self, _heard_at: None
    liveness.Liveness.check = lambda _self, _now, _heard_at: liveness.Verdict.alive


def publish_once(relay: Any) -> None:
    assert hasattr(relay.Relay, "_publish_again")
    assert hasattr(relay.Relay, "_is_overdue")
    relay.Relay._publish_again = lambda _self, _batch: None
    relay.Relay._is_overdue = lambda _self, _pending, _now: False


def take_every_command_for_new(session: Any) -> None:
    assert hasattr(session.Session, "has_seen")
    session.Session.has_seen = lambda _self, _unique_id: False


GUARDS: dict[str, Guard] = {
    "stored-replies": Guard(
        "a request that comes again is answered with the stored reply, and its relay id is unique",
        "ocpp_app.handling",
        forget_replies,
        ("delivered-twice",),
        ("doubled",),
        "ALTER TABLE ocpp_app_message DROP CONSTRAINT IF EXISTS ocpp_app_message_relay_id_key",
    ),
    "answer-after-commit": Guard(
        "an answer leaves only after COMMIT",
        "ocpp_app.dispatch",
        answer_first,
        ("workers-killed", "connections-dropped", "workers-killed"),
        ("lost", "wrong"),
    ),
    "starts-by-content": Guard(
        "a StartTransaction that comes again is the same transaction",
        "ocpp_app.transactions",
        take_every_start_for_new,
        ("answers-lost",) * 8,  # a start must be among what is lost
        ("doubled",),
    ),
    "meter-values-by-content": Guard(
        "a meter value that comes again is stored once",
        "ocpp_app.metering",
        take_every_meter_value_for_new,
        ("answers-lost",),
        ("doubled",),
    ),
    "database-is-to-blame": Guard(
        "a database that is away is no charge point's fault",
        "ocpp_app.dispatch",
        blame_the_charge_point,
        ("connections-dropped", "postgres-restarted"),
        ("lost", "wrong"),
    ),
    "publish-again": Guard(
        "what the broker has lost on the way is published again",
        "wsgate.relay",
        publish_once,
        ("broker-killed",) * 2,
        ("lost", "wrong"),
    ),
    "liveness": Guard(
        "sockets on which nothing comes any more are found and closed",
        "wsgate.liveness",
        believe_that_all_live,
        ("vanished",),
        ("wrong",),
    ),
    "commands-once": Guard(
        "a gateway ignores a command that it has seen",
        "ocppj.session",
        take_every_command_for_new,
        ("told-twice",),
        ("doubled",),
    ),
}


def switch_off(name: str) -> None:
    """Patch this process, as soon as it imports what holds the guard."""
    sys.meta_path.insert(0, _PatchedImport(GUARDS[name]))


class _PatchedImport(MetaPathFinder):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._guard.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        spec.loader = _PatchingLoader(spec.loader, self._guard.patch)
        return spec


class _PatchingLoader(Loader):
    def __init__(self, loader: Loader, patch: Callable[[Any], None]) -> None:
        self._loader, self._patch = loader, patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._patch(module)
