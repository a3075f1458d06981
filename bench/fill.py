"""``python -m bench.fill``: a PostgreSQL database with 10 000 charge points, a million transactions, 20 million meter
values and a million messages, and how long the API takes to list them and the console to show its pages.

The rows are made by the database itself (``generate_series``), in a database of its own on the server that
``make services`` has started; it takes about 8 GB, and is dropped at the end unless ``--keep`` says otherwise.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from bench import bulk, pages
from scripts.services import postgres

DATABASE = "ocpp_csms_fill"
CHARGE_POINTS = 10_000
ORGANISATIONS = 20
ASKED = 30
"""How often each list is asked for."""
LIMIT_MS = 50.0

LISTS = {
    "the newest": "",
    "the second page": "",
    "of a charge point": "charge_point={identity}",
    "of a connector": "charge_point={identity}&connector=1",
    "of an idTag": "id_tag={id_tag}",
    "that are active": "active=true",
    "of a month": "started_from=2024-05-01T00:00:00Z&started_before=2024-06-01T00:00:00Z",
    "by their start": "ordering=started_at",
    "with an anomaly": "anomaly=any",
    "with one that nobody resolved": "anomaly=unresolved",
    "with one of a kind": "anomaly=lower_meter",
    "without one": "anomaly=none",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fill", description=__doc__)
    parser.add_argument("--transactions", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--meter-values", type=int, default=20, help="of each transaction (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="leave the database for another look")
    parser.add_argument("--again", action="store_true", help="measure once more what --keep has left")
    options = parser.parse_args()
    server = postgres.discover()
    if server is None:
        print("PostgreSQL is not up; start it: make services", file=sys.stderr)
        return 1
    url = postgres.create_database(server, DATABASE)
    os.environ |= {
        "DATABASE_URL": url,
        "ENV_FILE": os.devnull,
        "HTTPS": "off",
        "ALLOWED_HOSTS": "testserver",
        "OCPP_API_THROTTLE": "",
        "DJANGO_SETTINGS_MODULE": "backend.settings",
    }
    try:
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], check=True)
        import django

        django.setup()
        if not options.again:
            fill(options.transactions, options.meter_values, options.messages)
        slow = measure()
    finally:
        if not options.keep:
            from django.db import connection

            connection.close()
            postgres.drop_database(url)
    return 1 if slow else 0


# -- filling -----------------------------------------------------------------------------------------------------


def fill(transactions: int, meter_values: int, messages: int) -> None:
    """Make the rows, ``ANALYZE`` them, and say how long it took."""
    from django.db import connection

    from ocpp_app.models import Anomaly, ChargePoint, Connector, IdTag, MeterValue, Organisation, Transaction

    run = bulk.inserter(connection)
    at = "timestamptz '2024-01-01' + make_interval(secs => t.id * 40.0)"
    with bulk.timed("charge points"):
        names = ((f"Tenant {number}", f"tenant-{number}") for number in range(ORGANISATIONS))
        Organisation.objects.bulk_create([Organisation(name=name, slug=slug) for name, slug in names])
        owners = "(SELECT array_agg(id ORDER BY id) FROM ocpp_app_organisation WHERE NOT is_default)"
        owner = f"({owners})[1 + n % {ORGANISATIONS}]"
        each = f"generate_series(0, {CHARGE_POINTS - 1}) AS n"
        run(ChargePoint, each, identity="'CP' || lpad(n::text, 6, '0')", organisation_id=owner, created_at="now()")
        numbers = "ocpp_app_chargepoint AS c, generate_series(1, 2) AS n"
        run(Connector, numbers, charge_point_id="c.id", number="n", status="'Available'")
        tags = "ocpp_app_organisation AS o, generate_series(1, 200) AS n"
        name = "'TAG' || n"
        run(IdTag, tags, organisation_id="o.id", id_tag=name, key=name, created_at="now()")
    with bulk.timed(f"{transactions:,} transactions"), bulk.without_indexes(connection, Transaction):
        source = (
            f"generate_series(1, {transactions}::bigint) AS t(id) "
            "JOIN (SELECT k.id AS connector, c.id AS charge_point, c.organisation_id AS organisation, "
            "row_number() OVER (ORDER BY k.id) - 1 AS n FROM ocpp_app_connector k "
            f"JOIN ocpp_app_chargepoint c ON c.id = k.charge_point_id) AS k ON k.n = t.id * 7919 % {2 * CHARGE_POINTS}"
        )
        is_last = f"t.id > {transactions} - 300"
        run(
            Transaction,
            source,
            id="t.id",
            organisation_id="k.organisation",
            charge_point_id="k.charge_point",
            connector_id="k.connector",
            id_tag="'TAG' || (1 + (hashint8(t.id) & 127))",
            id_tag_status="'Accepted'",
            is_active=is_last,
            started_at=at,
            start_timestamp=at,
            start_received_at=at,
            meter_start_wh="t.id * 100",
            stopped_at=f"CASE WHEN {is_last} THEN NULL ELSE {at} + interval '1 hour' END",
            stop_received_at=f"CASE WHEN {is_last} THEN NULL ELSE {at} + interval '1 hour' END",
            meter_stop_wh="t.id * 100 + 9000",
            energy_wh="9000",
            duration_s="3600",
            closed_by=f"CASE WHEN {is_last} THEN '' ELSE 'charge_point' END",
        )
        connection.cursor().execute(
            "SELECT setval(pg_get_serial_sequence('ocpp_app_transaction', 'id'), %s)", [transactions]
        )
    with bulk.timed("an anomaly for every hundredth"):
        quiet = "(SELECT id FROM ocpp_app_organisation WHERE slug = 'tenant-5')"  # has none, and asks for some
        odd = f"ocpp_app_transaction AS t WHERE (hashint4(t.id) >> 7) % 100 = 0 AND t.organisation_id <> {quiet}"
        kind = "CASE WHEN t.id % 10 = 0 THEN 'lower_meter' ELSE 'orphaned' END"
        resolved = "CASE WHEN t.id % 5 = 0 THEN NULL ELSE now() END"
        run(Anomaly, odd, transaction_id="t.id", kind=kind, found_at="t.started_at", resolved_at=resolved)
        Transaction.objects.filter(pk__in=Anomaly.objects.values("transaction")).update(has_anomaly=True)
    with bulk.timed(f"{messages:,} messages"):
        pages.fill_messages(run, messages, CHARGE_POINTS)
    with bulk.timed(f"{transactions * meter_values:,} meter values"), bulk.without_indexes(connection, MeterValue):
        run(
            MeterValue,
            f"ocpp_app_transaction AS t, generate_series(1, {meter_values}) AS n",
            connector_id="t.connector_id",
            transaction_id="t.id",
            timestamp="t.started_at + make_interval(mins => n * 3)",
            received_at="t.started_at + make_interval(mins => n * 3)",
            digest="md5(t.id::text || '/' || n::text)::uuid",
            sampled_values="""'[{"value": "11000", "measurand": "Power.Active.Import", "unit": "W"}]'::jsonb""",
            energy_wh="t.meter_start_wh + n * 450",
            power_w="11000",
        )
    with bulk.timed("ANALYZE"), connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        print(f"The database has {cursor.fetchone()[0]}.")


# -- measuring ---------------------------------------------------------------------------------------------------


def measure() -> list[str]:
    """Ask for each list as a tenant and as somebody who sees everything; the names of those that took too long."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    from ocpp_app.models import ApiToken, ChargePoint, Membership, Organisation, Role, Scope

    organisation = Organisation.objects.get(slug="tenant-3")
    _token, secret = ApiToken.issue(organisation=organisation, name="bench", scope=Scope.READ)
    identity = ChargePoint.objects.filter(organisation=organisation).order_by("pk")[7].identity
    tenant = Client(headers={"Authorization": f"Bearer {secret}"})
    everybody = Client()
    everybody.force_login(get_user_model().objects.create_superuser(f"bench-{time.time_ns()}"))
    slow = []
    print(
        f"\n{'GET /api/v1/transactions/':34} {'ms':>10} {'least':>8} {'median':>8} {'95 %':>8} {'own CPU':>8}  queries"
    )
    quiet = Organisation.objects.get(slug="tenant-5")
    _token, secret = ApiToken.issue(organisation=quiet, name="bench", scope=Scope.READ)
    without = Client(headers={"Authorization": f"Bearer {secret}"})
    for who, client in (("a tenant", tenant), ("without one", without), ("everything", everybody)):
        for what, query in LISTS.items():
            path = f"/api/v1/transactions/?{query.format(identity=identity, id_tag='TAG7')}"
            if what == "the second page":
                path = client.get(path).json()["next"]
            times, cpu, queries = _ask(client, path)
            figures = (min(times), statistics.median(times), statistics.quantiles(times, n=20)[18], cpu)
            print(f"{what:34} {who:>10} {' '.join(f'{figure:8.1f}' for figure in figures)}  {queries}", flush=True)
            if statistics.median(times) > LIMIT_MS:
                slow.append(f"{what} ({who})")
    print(f"\nMedian over {LIMIT_MS:g} ms: {', '.join(slow) or 'none'}.")
    member = get_user_model().objects.create_user(f"bench-{time.time_ns()}")
    Membership.objects.create(user=member, organisation=organisation, role=Role.ADMIN)
    admin = Client()
    admin.force_login(member)
    for who, client in (("an admin of an organisation", admin), ("a superuser", everybody)):
        print(f"\nAs {who}, with {ChargePoint.objects.count():,} charge points:")
        slow += pages.measure(client, organisation)
    return slow


def _ask(client: Any, path: str) -> tuple[list[float], float, int]:
    """How long it took each time, how much of it this process computed (both in ms); and how many queries it makes."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    times, cpu = [], []
    for number in range(ASKED + 2):
        started, computed = time.perf_counter(), time.process_time()
        response = client.get(path)
        if number >= 2:  # the first ones find nothing in the cache
            times.append((time.perf_counter() - started) * 1000)
            cpu.append((time.process_time() - computed) * 1000)
        if response.status_code != 200:
            raise SystemExit(f"{path} was answered with {response.status_code}: {response.content!r}")
    with CaptureQueriesContext(connection) as captured:
        client.get(path)
    return times, statistics.median(cpu), len(captured)


if __name__ == "__main__":
    sys.exit(main())
