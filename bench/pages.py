"""Every page of the console and every list of the API over what ``bench.fill`` has made: how long each takes."""

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

ASKED = 10
"""How often each page is asked for."""
LIMIT_MS = 200.0


def measure(client: Any, organisation: Any) -> list[str]:
    """Ask for each as somebody who administers the organisation; the names of those that took too long."""
    slow = []
    print(f"\n{'':58} {'least':>8} {'median':>8} {'greatest':>8}  queries")
    for path in [*_pages(organisation), *_lists(organisation)]:
        times, queries = _ask(client, path)
        if times:
            median = statistics.median(times)
            print(f"{path:58} {min(times):8.1f} {median:8.1f} {max(times):8.1f}  {queries}", flush=True)
            if median > LIMIT_MS:
                slow.append(path)
    print(f"\nMedian over {LIMIT_MS:g} ms: {', '.join(slow) or 'none'}.")
    return slow


def _pages(organisation: Any) -> Iterator[str]:
    """The addresses of the console's table, with rows of the organisation; and the lists with their filters."""
    from django.urls import reverse

    from ocpp_app.console import urls

    charge_point = organisation.charge_points.order_by("pk")[3]
    transaction = charge_point.transactions.order_by("-pk").first()
    rows = {"charge-points": charge_point.pk, "transactions": transaction.pk if transaction else None}
    for pattern in urls.urlpatterns:
        names = list(pattern.pattern.converters)
        values: dict[str, Any] = {
            "pk": rows.get(str(pattern.pattern).split("/")[0]),
            "name": "reset",
            "action": "GetConfiguration",
        }
        if all(values.get(name) is not None for name in names):
            yield reverse(f"console:{pattern.name}", kwargs={name: values[name] for name in names})
    for query in ("?q=CP0007", "?state=charging", "?state=faulted", "?state=offline&page=20", "?q=nothing+at+all"):
        yield f"/charge-points/{query}"
    for query in ("?state=odd", "?state=active", f"?charge_point={charge_point.identity}", "?id_tag=TAG7"):
        yield f"/transactions/{query}"
    for query in ("?action=Heartbeat", "?errors=1", "?action=Nothing"):
        yield f"/charge-points/{charge_point.pk}/messages/{query}"
    yield "/reports/?by=charge_point"


def _lists(organisation: Any) -> Iterator[str]:
    """The lists of the API, and of a charge point what there is inside it."""
    from ocpp_app.api.urls import resources

    charge_point = organisation.charge_points.order_by("pk")[3]
    transaction = organisation.transactions.order_by("-pk").values_list("pk", flat=True).first()
    for pattern in resources:
        where = str(pattern.pattern).replace("<str:identity>", charge_point.identity)
        if "<" not in where and "get" in pattern.callback.actions:  # type: ignore[attr-defined]
            yield f"/api/v1/{where}" + (f"?transaction={transaction}" if where.startswith("meter-values/") else "")


def _ask(client: Any, path: str) -> tuple[list[float], int]:
    """How long it took each time, in ms, and how many queries it makes; nothing for what only takes a POST, is a
    file, or is not for the visitor."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    times = []
    with CaptureQueriesContext(connection) as captured:
        first = client.get(path)
    queries = len(captured)  # the next request forgets them
    if first.status_code in (302, 403, 405) or first.streaming:
        return [], 0
    if first.status_code != 200:
        raise SystemExit(f"{path} was answered with {first.status_code}.")
    for _ in range(ASKED):
        started = time.perf_counter()
        client.get(path)
        times.append((time.perf_counter() - started) * 1000)
    return times, queries


def fill_messages(run: Any, messages: int, charge_points: int) -> None:
    """The frame log of the last days, as even as charge points make it; a lease, a gateway, and who is connected."""
    from django.utils import timezone

    from ocpp_app.models import Gateway, Lease, Message, Session

    now = timezone.now()
    source = (
        "(SELECT id, row_number() OVER (ORDER BY id) - 1 AS n FROM ocpp_app_chargepoint) AS c "
        f"JOIN generate_series(0, {messages}::bigint - 1) AS m(id) ON m.id % {charge_points} = c.n"
    )
    run(
        Message,
        source,
        charge_point_id="c.id",
        direction="'in'",
        unique_id="m.id::text",
        action="CASE m.id % 3 WHEN 0 THEN 'MeterValues' WHEN 1 THEN 'Heartbeat' ELSE 'StatusNotification' END",
        raw="""'[2,"' || m.id || '","Heartbeat",{}]'""",
        at=f"now() - make_interval(secs => ({messages} - m.id) * 0.2)",
        answer="""'[3,"' || m.id || '",{}]'""",
        answer_type="3",
        answered_at=f"now() - make_interval(secs => ({messages} - m.id) * 0.2 - 0.02)",
    )
    run(Session, "ocpp_app_chargepoint AS c", id="gen_random_uuid()", charge_point_id="c.id", connected_at="now()")
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ocpp_app_chargepoint AS c SET session_id = s.id, last_seen_at = now() "
            "FROM ocpp_app_session AS s WHERE s.charge_point_id = c.id AND c.id % 10 > 0"
        )
    Lease.objects.update_or_create(
        name="housekeeping", defaults={"holder": "bench", "expires_at": now + timedelta(days=1)}
    )
    Gateway.objects.create(name="bench", last_announced_at=now + timedelta(days=1))
