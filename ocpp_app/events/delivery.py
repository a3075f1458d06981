"""Webhooks: from the outbox to each subscription, in the order of each charge point, until they have arrived.

The outbox is the queue. ``hand_on`` notes in ``WebhookStream`` up to which event a subscription is to get those of a
charge point; a ``Courier`` posts them one after the other, several charge points at once, and moves ``position`` on.
What was posted and not written down when a process dies is posted again.

One process at a time serves a subscription, by a lease. Each subscription has threads of its own: a slow receiver holds
up nobody else. They do nothing but HTTP; all that touches the database happens in the courier's own thread.
"""

import logging
import queue
import random
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from ocpp_app import conf, leases
from ocpp_app.events import body, catalogue, signing
from ocpp_app.events.posting import LONGEST_S, Answer, Poster, headers_of
from ocpp_app.models import DeliveryState, Event, WebhookDelivery, WebhookStream, WebhookSubscription
from ocpp_app.monitoring.tally import TALLY

logger = logging.getLogger(__name__)

POLL_S = 0.5
"""How long an idle courier waits before it looks for new events."""
UNWANTED_POLL_S = 2.0
"""The same while nobody has subscribed to any."""
LEASE_FOR = timedelta(seconds=10)
RENEW_EVERY_S = 3.0
AT_ONCE = 8
"""Charge points whose events go to one subscription at the same time."""
IN_A_ROW = 20
"""Events of a charge point that are posted before their arrival is written down."""
HANDED_ON_AT_ONCE = 1000
GIVE_UP_AFTER = timedelta(days=1)
"""An event is tried for so long, and once at least."""
LONGEST_RETRY_S = 3600.0
SUCCESS_WRITTEN_EVERY = timedelta(seconds=10)
"""``last_success_at`` is written when it is older."""
LONGEST_PAUSE_S = 60.0
"""Of a receiver that cannot be reached; then one event is tried again."""
PRUNE_EVERY_S = 600.0
PRUNED_AT_ONCE = 5000
STOP_WITHIN_S = 3.0
FIRST_BACKOFF_S, MAX_BACKOFF_S = 0.5, 10.0


# -- handing on ------------------------------------------------------------------------------------------------


def hand_on() -> int:
    """Note for each subscription up to which event of which charge point it is to get; how many events there were."""
    due = Event.objects.filter(webhooks_due=True)
    if not due.exists():
        return 0
    with transaction.atomic():
        # Whoever comes second waits for the lock, and finds them done: the order of a charge point stays.
        found = due.select_for_update(of=("self",), no_key=True).order_by("id")
        events = list(found.only("id", "type", "organisation", "charge_point", "sequence", "at")[:HANDED_ON_AT_ONCE])
        streams: dict[tuple[int, int], WebhookStream] = {}
        for subscription in WebhookSubscription.objects.filter(is_active=True):
            names = catalogue.expand(subscription.events)
            for event in events:
                if not _is_for(event, subscription, names):
                    continue
                key = (subscription.pk, event.charge_point_id)
                stream = streams.setdefault(
                    key,
                    WebhookStream(
                        subscription=subscription,
                        charge_point_id=event.charge_point_id,
                        position=event.sequence - 1,
                        head=event.sequence,
                    ),
                )
                stream.head = max(stream.head, event.sequence)
        WebhookStream.objects.bulk_create(
            list(streams.values()),
            update_conflicts=True,
            unique_fields=["subscription", "charge_point"],
            update_fields=["head"],
        )
        Event.objects.filter(pk__in=[event.pk for event in events]).update(webhooks_due=False)
    return len(events)


def _is_for(event: Event, subscription: WebhookSubscription, names: frozenset[str]) -> bool:
    return (
        event.organisation_id == subscription.organisation_id
        and event.type in names
        and event.at >= subscription.active_since
    )


def prune(now: datetime) -> int:
    """Delete events that are old enough; of each charge point the last one stays, because its numbers go on."""
    newer = Event.objects.filter(charge_point=OuterRef("charge_point"), sequence__gt=OuterRef("sequence"))
    old = Event.objects.filter(Exists(newer), at__lt=now - timedelta(days=conf.events_keep_days()))
    ids = list(old.order_by("id").values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    if ids:
        Event.objects.filter(pk__in=ids).delete()
    return len(ids)


# -- posting ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """One event for one subscription."""

    event_id: int
    uid: str
    at: datetime
    sequence: int
    body: bytes


@dataclass(slots=True)
class Task:
    """Parcels of one charge point, in their order; or one that is delivered once more."""

    subscription: WebhookSubscription
    parcels: list[Parcel]
    attempts: int
    """How often the first one was tried before."""
    stream: WebhookStream | None = None
    replay: WebhookDelivery | None = None
    skipped_to: int = 0
    """Up to which sequence number there is nothing else for this subscription."""
    answers: list[Answer] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, int]:
        row: Any = self.stream or self.replay
        return ("stream" if self.stream is not None else "replay", row.pk)


class Lane:
    """The threads of one subscription."""

    def __init__(self, done: "queue.SimpleQueue[Task]") -> None:
        self._done = done
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook")
        self._local = threading.local()
        self._posters: set[Poster] = set()
        self.under_way: set[tuple[str, int]] = set()
        self.renewed_at = time.monotonic()

    @property
    def room(self) -> int:
        """How many tasks it takes just now."""
        return max(0, 2 * AT_ONCE - len(self.under_way))

    def submit(self, task: Task) -> None:
        """Carry out a task; it comes back through the queue, with answers up to the first that is no success."""
        self.under_way.add(task.key)
        self._threads.submit(self._run, task)

    def abort(self, longer_than_s: float) -> None:
        """Cut off the attempts that have taken so long."""
        now = time.monotonic()
        for poster in list(self._posters):
            began_at = poster.began_at
            if began_at is not None and now - began_at > longer_than_s:
                poster.abort()

    def close(self) -> None:
        """No further tasks; what is under way is cut off."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.abort(longer_than_s=0)

    def _run(self, task: Task) -> None:
        try:
            poster = self._poster(task.subscription.url)
            for number, parcel in enumerate(task.parcels):
                now = timezone.now()
                secrets = signing.secrets_of(task.subscription, now)
                attempt = task.attempts + 1 if number == 0 else 1
                is_replay = task.replay is not None
                headers = headers_of(parcel.uid, secrets, parcel.body, now, attempt=attempt, is_replay=is_replay)
                answer = poster.post(headers, parcel.body)
                task.answers.append(answer)
                if not answer.is_success:
                    break
        except Exception:  # the edge of the thread: whatever it is, the task has failed and comes again
            logger.exception("A webhook could not be posted.")
            task.answers.append(Answer(None, "our own failure; see the log"))
        finally:
            self._done.put(task)

    def _poster(self, url: str) -> Poster:
        """The connection of this thread."""
        poster: Poster | None = getattr(self._local, "poster", None)
        if poster is None or poster.url != url:
            if poster is not None:
                poster.close()
                self._posters.discard(poster)
            poster = self._local.poster = Poster(url)
            self._posters.add(poster)
        return poster


# -- the loop --------------------------------------------------------------------------------------------------


class Courier:
    """Serves the webhooks until ``stop`` is called."""

    def __init__(self, name: str, stopping: threading.Event | None = None) -> None:
        """``name``: unique for each process; it holds the leases."""
        self._name = name
        self._stopping = stopping or threading.Event()
        self._done: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._lanes: dict[int, Lane] = {}
        self._prune_due = time.monotonic()
        self._is_wanted = False
        """Whether somebody has subscribed, when it looked last."""

    def stop(self) -> None:
        """Finish what is under way, then return from ``run``; may be called from a signal handler or another
        thread."""
        self._stopping.set()

    def run(self) -> None:
        """Serve; through any outage of the database and of the receivers."""
        backoff_s = FIRST_BACKOFF_S
        while not self._stopping.is_set():
            try:
                self._turn()
                backoff_s = FIRST_BACKOFF_S
            except DatabaseError as error:
                logger.error("Webhooks wait for the database, trying again in %.1f s: %s", backoff_s, error)
                connection.close()
                self._stopping.wait(backoff_s)
                backoff_s = min(backoff_s * 2, MAX_BACKOFF_S)
        self._end()

    def _turn(self) -> None:
        handed_on = hand_on()
        submitted = self._submit_due()
        busy = handed_on == HANDED_ON_AT_ONCE or (submitted and any(lane.room for lane in self._lanes.values()))
        if self._is_wanted or self._lanes:
            self._record(self._take(0.0 if busy else POLL_S))
        else:
            self._stopping.wait(0.0 if busy else UNWANTED_POLL_S)
        for lane in self._lanes.values():
            lane.abort(LONGEST_S)
        if time.monotonic() >= self._prune_due and prune(timezone.now()) < PRUNED_AT_ONCE:
            self._prune_due = time.monotonic() + PRUNE_EVERY_S

    def _take(self, timeout_s: float) -> list[Task]:
        """The tasks that have come back."""
        tasks: list[Task] = []
        try:
            tasks.append(self._done.get(timeout=timeout_s) if timeout_s else self._done.get_nowait())
            while True:
                tasks.append(self._done.get_nowait())
        except queue.Empty:
            return tasks

    def _submit_due(self) -> int:
        now = timezone.now()
        submitted = 0
        active = list(WebhookSubscription.objects.filter(is_active=True).select_related("organisation"))
        self._is_wanted = bool(active)
        self._close_idle({subscription.pk for subscription in active})
        for subscription in active:
            if subscription.paused_until is not None and subscription.paused_until > now:
                continue
            lane = self._lane(subscription, now)
            if lane is None:
                continue
            for task in self._tasks(subscription, lane, now):
                if task.parcels:
                    lane.submit(task)
                else:
                    self._skip(task)
                submitted += 1
        return submitted

    def _lane(self, subscription: WebhookSubscription, now: datetime) -> Lane | None:
        """The subscription's threads; None where nothing is due, or another process has it."""
        lane = self._lanes.get(subscription.pk)
        if lane is None:
            if not (_is_due(subscription, now) and leases.hold(_lease(subscription.pk), self._name, LEASE_FOR)):
                return None
            lane = self._lanes[subscription.pk] = Lane(self._done)
        elif time.monotonic() - lane.renewed_at > RENEW_EVERY_S:
            if not (lane.under_way or _is_due(subscription, now)):
                return None  # idle, see below
            if not leases.hold(_lease(subscription.pk), self._name, LEASE_FOR):
                return None  # we were away for too long; what is under way comes back and is written down
            lane.renewed_at = time.monotonic()
        return lane

    def _close_idle(self, active: set[int]) -> None:
        """End the threads of subscriptions that were switched off or have had nothing to do for a while."""
        for pk, lane in list(self._lanes.items()):
            is_idle = time.monotonic() - lane.renewed_at > LEASE_FOR.total_seconds()
            if not lane.under_way and (pk not in active or is_idle):
                self._close(pk)

    def _close(self, pk: int) -> None:
        self._lanes.pop(pk).close()
        leases.release(_lease(pk), self._name)

    def _tasks(self, subscription: WebhookSubscription, lane: Lane, now: datetime) -> Iterable[Task]:
        under_way = [pk for kind, pk in lane.under_way if kind == "stream"]
        names = catalogue.expand(subscription.events)
        for stream in _due_streams(subscription, now).exclude(pk__in=under_way).order_by("due_at")[: lane.room]:
            yield _task_of_stream(subscription, stream, names)
        under_way = [pk for kind, pk in lane.under_way if kind == "replay"]
        replays = _due_replays(subscription, now).exclude(pk__in=under_way).order_by("replay_at")
        for delivery in replays.select_related("event__charge_point", "event__organisation")[: lane.room]:
            yield Task(subscription, [_parcel(delivery.event)], delivery.attempts, replay=delivery)

    def _skip(self, task: Task) -> None:
        """Nothing of what comes next is for this subscription (any more)."""
        assert task.stream is not None
        _move(task.stream, task.skipped_to)

    # -- what came of it -------------------------------------------------------------------------------------------

    def _record(self, tasks: list[Task]) -> None:
        for task in tasks:  # all of them first: what a failing database keeps from being written down is posted again
            lane = self._lanes.get(task.subscription.pk)
            if lane is not None:
                lane.under_way.discard(task.key)
        for task in tasks:
            TALLY.delivered(task.answers)
            try:
                with transaction.atomic():
                    _record_task(task, timezone.now())
            except IntegrityError as error:  # the subscription or the charge point was deleted meanwhile
                logger.info("A delivery is not written down: %s", error)

    def _end(self) -> None:
        """Wait a little for what is under way, write it down, and give the leases back."""
        deadline = time.monotonic() + STOP_WITHIN_S
        try:
            while any(lane.under_way for lane in self._lanes.values()) and time.monotonic() < deadline:
                self._record(self._take(POLL_S))
            for pk in list(self._lanes):
                self._close(pk)
        except DatabaseError as error:
            logger.error("Webhooks that are under way are posted again after the next start: %s", error)
        finally:
            for lane in self._lanes.values():
                lane.close()
            connection.close()


def _lease(subscription_id: int) -> str:
    return f"webhook:{subscription_id}"


def _is_due(subscription: WebhookSubscription, now: datetime) -> bool:
    return bool(_due_streams(subscription, now).exists() or _due_replays(subscription, now).exists())


def _due_streams(subscription: WebhookSubscription, now: datetime) -> Any:
    return WebhookStream.objects.filter(subscription=subscription, position__lt=F("head"), due_at__lte=now)


def _due_replays(subscription: WebhookSubscription, now: datetime) -> Any:
    return WebhookDelivery.objects.filter(subscription=subscription, state=DeliveryState.REPLAY, replay_at__lte=now)


def _task_of_stream(subscription: WebhookSubscription, stream: WebhookStream, names: frozenset[str]) -> Task:
    following = Event.objects.filter(
        charge_point=stream.charge_point_id, sequence__gt=stream.position, sequence__lte=stream.head
    )
    events = list(following.select_related("charge_point", "organisation").order_by("sequence")[:IN_A_ROW])
    parcels = [_parcel(event) for event in events if _is_for(event, subscription, names)]
    skipped_to = events[-1].sequence if len(events) == IN_A_ROW else stream.head
    return Task(subscription, parcels, stream.attempts, stream=stream, skipped_to=skipped_to)


def _parcel(event: Event) -> Parcel:
    return Parcel(event.pk, str(event.uid), event.at, event.sequence, body.encode(event))


# -- writing down ----------------------------------------------------------------------------------------------


def _record_task(task: Task, now: datetime) -> None:
    if not task.answers:
        return  # cut off before it began
    if task.replay is not None:
        _record_replay(task, task.replay, now)
    elif task.stream is not None:
        _record_stream(task, task.stream, now)
    _record_receiver(task, now)


def _record_stream(task: Task, stream: WebhookStream, now: datetime) -> None:
    rows = []
    for number, (parcel, answer) in enumerate(zip(task.parcels, task.answers, strict=False)):
        state = _state(answer, parcel.at, now)
        attempts = task.attempts + 1 if number == 0 else 1
        rows.append(_row(task.subscription, parcel, answer, state, attempts, now))
    WebhookDelivery.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["subscription", "event"],
        update_fields=["state", "attempts", "last_attempt_at", "status_code", "error", "response", "duration_s"],
    )
    last = rows[-1]
    if last.state == DeliveryState.RETRYING:
        position = task.parcels[len(rows) - 2].sequence if len(rows) > 1 else stream.position
        _move(stream, position)
        due_at = now + _retry_after(last.attempts)
        WebhookStream.objects.filter(pk=stream.pk).update(attempts=last.attempts, due_at=due_at)
    else:
        is_all = len(rows) == len(task.parcels)
        _move(stream, task.skipped_to if is_all else task.parcels[len(rows) - 1].sequence)
        WebhookStream.objects.filter(pk=stream.pk).update(attempts=0, due_at=now)


def _move(stream: WebhookStream, position: int) -> None:
    """Only forwards: another process may have come further meanwhile."""
    WebhookStream.objects.filter(pk=stream.pk, position__lt=position).update(position=position)


def _record_replay(task: Task, delivery: WebhookDelivery, now: datetime) -> None:
    answer = task.answers[0]
    asked_at = delivery.replay_asked_at or now
    state = _state(answer, asked_at, now)
    attempts = task.attempts + 1
    row = _row(task.subscription, task.parcels[0], answer, state, attempts, now)
    row.pk = delivery.pk
    names = ["state", "attempts", "last_attempt_at", "status_code", "error", "response", "duration_s", "replay_at"]
    row.replay_at = None
    if state == DeliveryState.RETRYING:
        row.state, row.replay_at = DeliveryState.REPLAY, now + _retry_after(attempts)
    row.save(update_fields=names)


def _row(
    subscription: WebhookSubscription,
    parcel: Parcel,
    answer: Answer,
    state: DeliveryState,
    attempts: int,
    now: datetime,
) -> WebhookDelivery:
    return WebhookDelivery(
        subscription=subscription,
        event_id=parcel.event_id,
        state=state,
        attempts=attempts,
        last_attempt_at=now,
        status_code=answer.status_code,
        error=answer.error[:255],
        response=answer.response[:500],
        duration_s=round(answer.duration_s, 4),
    )


def _state(answer: Answer, since: datetime, now: datetime) -> DeliveryState:
    if answer.is_success:
        return DeliveryState.DELIVERED
    return DeliveryState.GIVEN_UP if now - since >= GIVE_UP_AFTER else DeliveryState.RETRYING


def _record_receiver(task: Task, now: datetime) -> None:
    """Whether the receiver is there: while it is not, one attempt now and then is enough."""
    rows = WebhookSubscription.objects.filter(pk=task.subscription.pk)
    answer = task.answers[-1]
    if answer.is_success:
        last = task.subscription.last_success_at
        if task.subscription.last_error or last is None or now - last > SUCCESS_WRITTEN_EVERY:
            rows.update(last_success_at=now, failures=0, paused_until=None, last_error="")
        if task.subscription.failures:  # it is back: whoever waits for his next attempt need not
            logger.info("The webhook %s takes events again.", task.subscription.name)
            waiting = WebhookStream.objects.filter(subscription=task.subscription, position__lt=F("head"))
            waiting.filter(attempts__gt=0, due_at__gt=now).update(due_at=now)
        return
    values: dict[str, Any] = {"last_error": answer.error[:255]}
    if not task.subscription.last_error:
        logger.warning("The webhook %s took no event: %s", task.subscription.name, answer.error)
    if answer.is_unreachable and not _is_paused(rows, now):
        failures = task.subscription.failures + 1
        pause_s = min(2.0 ** min(failures - 1, 10), LONGEST_PAUSE_S)
        values |= {"failures": failures, "paused_until": now + timedelta(seconds=pause_s)}
    rows.update(**values)


def _is_paused(rows: Any, now: datetime) -> bool:
    """Whether another attempt of the same moment has found so already."""
    return bool(rows.filter(paused_until__gt=now).exists())


def _retry_after(attempts: int) -> timedelta:
    """1 s, 2 s, 4 s … an hour, a little less by chance, so that not all come at once."""
    seconds = min(2.0 ** min(attempts - 1, 20), LONGEST_RETRY_S)
    return timedelta(seconds=seconds * random.uniform(0.75, 1.0))
