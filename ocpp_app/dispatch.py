"""A batch of requests in, replies out: one transaction for all, and one for each where that fails.

``Dispatcher.process`` is what a relay's consumer calls. It answers every request exactly once after COMMIT; a request
that came before is answered from the frame log. What cannot be handled because of our own code costs only itself and
is kept for replay.
"""

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, IntegrityError, connections, transaction
from django.utils import timezone

from ocpp_app import failures, logs
from ocpp_app.acquaintances import Acquaintances, ChargePointsChanged
from ocpp_app.batch import Batch
from ocpp_app.database import is_conflict, is_no_rows_fault, is_unavailable
from ocpp_app.errors import DatabaseUnavailable, RelayUnavailable
from ocpp_app.handling import Handling
from ocpp_app.monitoring.tally import TALLY
from ocpp_app.round_trips import Meanwhile
from ocpp_app.work import Items, Work
from ocppj import envelope

if TYPE_CHECKING:
    from ocpp_app.monitoring.tracing import Tracing

logger = logging.getLogger(__name__)

ALONE_FOR_S = 600
"""How long a (charge point, action) that failed keeps out of other messages' transactions, in seconds."""
CONFLICT_RETRIES = 3
CHECKED_EVERY_S = 5.0
"""The database connection is looked after no more often: that takes a round trip. One that died meanwhile is an error
of the batch, which then comes again."""
NOBODYS_FAULT = (DatabaseUnavailable, RelayUnavailable)
"""No message is to blame: the requests come again."""

Publish = Callable[[Items], None]
Result = TypeVar("Result")
Row = TypeVar("Row")


@dataclass(slots=True)
class AfterCommit:
    """What is left to do once the replies are out: the users' ``on_commit`` hooks and the domain events."""

    hooks: list[Callable[[], Any]] = field(default_factory=list)

    def run(self) -> None:
        """Run them all; one that fails is logged and stops no other."""
        for hook in self.hooks:
            try:
                hook()
            except Exception:  # the edge of the process: what users hang on a commit must not take the worker down
                logger.exception("A hook after COMMIT failed; what was committed stays committed.")


class Dispatcher:
    """Handles requests; one instance for each worker process or thread."""

    def __init__(self, tracing: "Tracing | None" = None, meanwhile: Meanwhile | None = None) -> None:
        """``meanwhile``: what the worker does while the database works; see ``round_trips``."""
        self._tracing = tracing
        self._meanwhile = meanwhile
        self._acquaintances = Acquaintances()
        self._alone_until: dict[tuple[str | None, str], float] = {}
        self._checked_at = -CHECKED_EVERY_S

    def process(self, works: Sequence[Work], publish: Publish) -> AfterCommit:
        """Handle the requests in their order; ``publish`` gets the replies by queue right after each COMMIT.

        Acknowledge the requests afterwards, then call ``run`` on what is returned. Raises ``DatabaseUnavailable``
        when the database is to blame: call again later with the same requests, those already carried out are answered
        from memory. What ``publish`` raises for a broker that is gone (``RelayUnavailable``) goes up as it is: the
        requests come again.
        """
        self._check_connection()
        after = AfterCommit()
        try:
            for group in self._groups(works):
                self._process_group(group, publish, after)
        except NOBODYS_FAULT:
            after.run()  # of what was committed; when the requests come again it is only answered
            raise
        return after

    def _check_connection(self) -> None:
        now, database = time.monotonic(), connections[DEFAULT_DB_ALIAS]
        if not database.in_atomic_block and (database.errors_occurred or now - self._checked_at >= CHECKED_EVERY_S):
            self._checked_at = now
            database.close_if_unusable_or_obsolete()

    def _groups(self, works: Sequence[Work]) -> Iterator[list[Work]]:
        group: list[Work] = []
        for work in works:
            if self._runs_alone(work):
                if group:
                    yield group
                yield [work]
                group = []
            else:
                group.append(work)
        if group:
            yield group

    def _runs_alone(self, work: Work) -> bool:
        if isinstance(work.request, envelope.Announce):
            return work.request.sessions is not None
        until = self._alone_until.get((work.identity, work.action))
        return until is not None and time.monotonic() < until

    def _process_group(self, group: list[Work], publish: Publish, after: AfterCommit) -> None:
        if len(group) > 1:
            try:
                self._commit_again(group, publish, after)
                return
            except NOBODYS_FAULT:
                raise
            except Exception:  # one bad message must cost only itself: each again in a transaction of its own
                logger.warning("A batch of %d requests failed; each is run alone.", len(group), exc_info=True)
                TALLY.splits += 1
        for work in group:
            self._process_alone(work, publish, after)

    def _process_alone(self, work: Work, publish: Publish, after: AfterCommit) -> None:
        outside = logs.at_hand.set(work)  # also for what is said of its failure
        try:
            self._process_one(work, publish, after)
        finally:
            logs.at_hand.reset(outside)

    def _process_one(self, work: Work, publish: Publish, after: AfterCommit) -> None:
        try:
            self._commit_again([work], publish, after)
        except NOBODYS_FAULT:
            raise
        except Exception:  # ours or a user's bug: decided by ``failures``
            logger.exception("%s failed.", work.action, extra={"charge_point": work.identity, "action": work.action})
            TALLY.failed(work.action)
            self._alone_until[work.identity, work.action] = time.monotonic() + ALONE_FOR_S
            self._fail(work, traceback.format_exc(), publish, after)

    def _fail(self, work: Work, failure: str, publish: Publish, after: AfterCommit) -> None:
        try:
            self._commit_again([work], publish, after, failure=failure)
        except NOBODYS_FAULT:
            raise
        except Exception:  # not even that can be written: raising would kill one worker after the other
            logger.exception("%s cannot be kept.", work.action, extra={"charge_point": work.identity})
            publish(failures.answer_without_database(work))
            if self._tracing is not None:
                self._tracing.answered([work])

    def _commit_again(
        self, works: list[Work], publish: Publish, after: AfterCommit, failure: str | None = None
    ) -> None:
        for attempt in range(1, CONFLICT_RETRIES + 1):
            try:
                self._commit(works, publish, after, failure)
                return
            except DatabaseError as error:
                if is_unavailable(error):
                    raise DatabaseUnavailable(str(error)) from error
                if not is_conflict(error) or (attempt == CONFLICT_RETRIES and isinstance(error, IntegrityError)):
                    raise
                if attempt == CONFLICT_RETRIES:  # somebody holds a lock for long: no message is to blame
                    raise DatabaseUnavailable(str(error)) from error
                logger.info("The batch conflicts with another and is run again: %s", error)

    def _commit(self, works: list[Work], publish: Publish, after: AfterCommit, failure: str | None) -> None:
        def handle(batch: Batch) -> Items:
            if failure is not None:
                return failures.answer(batch, works[0], failure)
            return Handling(batch, works, self._acquaintances).handle()

        def attempt() -> tuple[Items, AfterCommit]:
            try:
                return commit(handle, self._meanwhile)
            except ChargePointsChanged:  # they are unknown now
                return commit(handle, self._meanwhile)

        tracing = self._tracing
        outgoing, left = attempt() if tracing is None else tracing.transaction(works, attempt)
        after.hooks.extend(left.hooks)
        publish(outgoing)
        TALLY.answered(works, outgoing)
        if tracing is not None:
            tracing.answered(works)


def commit(handle: Callable[[Batch], Result], meanwhile: Meanwhile | None = None) -> tuple[Result, AfterCommit]:
    """Let ``handle`` work on a batch in a transaction of its own; returns its result and what is left to ``run``."""
    database = connections[DEFAULT_DB_ALIAS]
    is_within_another = database.in_atomic_block
    with transaction.atomic():
        batch = Batch(timezone.now(), meanwhile)
        result = handle(batch)
        batch.flush(and_commit=not is_within_another)
        hooks = _take_hooks(database)
    heard = [(signal, arguments) for signal, arguments in batch.events if signal.receivers]
    return result, AfterCommit([*hooks, *(_event(signal, arguments) for signal, arguments in heard)])


def commit_each_if_need_be(
    handle: Callable[[Batch, list[Row]], Result], rows: Sequence[Row]
) -> tuple[list[Result], list[Row]]:
    """Let ``handle`` work on all rows at once, and where that fails on each of them alone: one bad row costs only
    itself. Returns the results and the rows that failed; raises when the database is to blame, or somebody who holds a
    lock for long."""
    results, failed, portions = [], [], [list(rows)]
    while portions:
        some = portions.pop(0)
        try:
            result, after = commit(lambda batch, some=some: handle(batch, some))  # type: ignore[misc]
        except Exception as error:  # whatever is wrong with one of them
            if isinstance(error, DatabaseError) and is_no_rows_fault(error):
                raise
            if len(some) > 1:
                logger.warning("A portion of %d rows failed; each is done alone.", len(some), exc_info=True)
                portions = [[row] for row in some]
            else:
                logger.exception("%s cannot be looked after.", some)
                failed += some
        else:
            after.run()
            results.append(result)
    return results, failed


def _take_hooks(database: Any) -> list[Callable[[], Any]]:
    """Take over the hooks that users gave to ``transaction.on_commit``: they run after our replies are out, each for
    itself."""
    hooks = [entry[1] for entry in database.run_on_commit]
    database.run_on_commit = []
    return hooks


def _event(signal: Any, arguments: dict[str, Any]) -> Callable[[], None]:
    def send() -> None:
        for receiver, result in signal.send_robust(**arguments):
            if isinstance(result, Exception):
                logger.error("The receiver %r of a signal failed.", receiver, exc_info=result)

    return send
