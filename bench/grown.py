"""``python -m bench.grown``: a PostgreSQL database that has served 1 000 charge points for months, with 10 million
messages and 20 million meter values, and how much room its rows take.

It is filled once, by the database itself, on the server that `make services` has started: that takes a quarter of an
hour and 19 GB. It is kept, for the system `scaled-grown` of `python -m bench`, which fills it when it is not there.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from bench import bulk, database
from bench.limits import bare_websocket
from bench.mix import BOOT, SESSION, Mix
from scripts.services import postgres

PREFIX = "ocpp_csms_bench_grown"
CHARGE_POINTS = 1_000
MESSAGE_DAYS = 75
METER_VALUE_DAYS = 150
"""Over so many days the rows are spread: less than what is kept (90 and 180), so that nothing is pruned."""
PER_TRANSACTION = 40
"""Meter values of each transaction, one a minute; 500 transactions of each charge point make 20 million."""
STATUSES = 3
"""StatusNotifications of each transaction, as in the mix."""
PLACEHOLDER = "<unique id>"


@dataclass(frozen=True)
class Stored:
    """How much is in the database before anything is measured."""

    messages: int = 10_000_000
    meter_values: int = 20_000_000


def url_of(server_url: str, charge_points: int, stored: Stored) -> str:
    """The database with so many rows on this server, whether it is there or not."""
    return postgres.with_database(server_url, f"{PREFIX}_{charge_points}_{stored.messages}_{stored.meter_values}")


def make(url: str, charge_points: int, stored: Stored) -> None:
    """Fill the database unless it is there, and bring it up to date. It has its name only when it is complete."""
    name, maintenance = postgres.name_of(url), postgres.with_database(url, "postgres")
    with psycopg.connect(maintenance, autocommit=True) as server:
        if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            unfinished = f"{name}_unfinished"
            postgres.drop_database(postgres.with_database(url, unfinished))
            _use(postgres.create_database(maintenance, unfinished))
            with bulk.timed(name):
                fill(charge_points, stored)
            _leave()
            names = (sql.Identifier(unfinished), sql.Identifier(name))
            server.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*names))
    _use(url)
    settle(charge_points)


def _use(url: str) -> None:
    """Let the models of this process mean this database, and migrate it."""
    import django
    from django.core.management import call_command
    from django.db import connection

    os.environ |= {"DATABASE_URL": url, "ENV_FILE": os.devnull, "DJANGO_SETTINGS_MODULE": "backend.settings"}
    django.setup()
    connection.settings_dict["NAME"] = postgres.name_of(url)  # settings are read only once
    call_command("migrate", verbosity=0, interactive=False)


def _leave() -> None:
    from django.db import connection

    connection.close()


# -- filling -----------------------------------------------------------------------------------------------------


def fill(charge_points: int, stored: Stored) -> None:
    """Make the rows in the order of their times, as they would have come, and vacuum them."""
    from django.db import connection

    from ocpp_app.models import Connector

    run = bulk.inserter(connection)
    database.register(charge_points)
    run(Connector, "ocpp_app_chargepoint AS c, generate_series(0, 1) AS n", charge_point_id="c.id", number="n")
    transactions = -(-stored.meter_values // (charge_points * PER_TRANSACTION)) * charge_points
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE place AS SELECT row_number() OVER (ORDER BY c.identity) - 1 AS n, "
            "c.id AS charge_point, c.organisation_id AS organisation, k.id AS connector, t.id AS tag, t.id_tag "
            "FROM ocpp_app_chargepoint c JOIN ocpp_app_connector k ON k.charge_point_id = c.id AND k.number = 1 "
            "JOIN ocpp_app_idtag t ON t.id_tag = replace(c.identity, 'BENCH-', 'BENCHTAG')"
        )
        cursor.execute("ANALYZE place")
    _transactions(run, charge_points, transactions)
    _statuses(run, charge_points, transactions)
    _messages(run, charge_points, stored.messages)
    _meter_values(run, charge_points, stored.meter_values, transactions)
    with bulk.timed("VACUUM"), connection.cursor() as cursor:
        cursor.execute("VACUUM (FREEZE, ANALYZE)")


def _began(session: str, place: str, sessions: int) -> str:
    """When a charge point's charging session with this number began: evenly over the days, not all at the same time."""
    step_s = METER_VALUE_DAYS * 86_400 / sessions
    return (
        f"date_trunc('second', now()) - interval '{METER_VALUE_DAYS} days' "
        f"+ make_interval(secs => ({session}) * {step_s} + ({place}) % 3600)"
    )


def _transactions(run: Any, charge_points: int, transactions: int) -> None:
    from django.db import connection

    from ocpp_app.models import ClosedBy, Transaction

    began = _began(f"t.n / {charge_points}", "p.n", transactions // charge_points)
    ended = f"{began} + interval '{PER_TRANSACTION + 1} minutes'"
    register, energy_wh = f"1000000 + t.n / {charge_points} * 10000", PER_TRANSACTION * 250
    with bulk.timed(f"{transactions:,} transactions"), bulk.without_indexes(connection, Transaction):
        run(
            Transaction,
            f"generate_series(0, {transactions - 1}) AS t(n) JOIN place AS p ON p.n = t.n % {charge_points}",
            id="t.n + 1",
            organisation_id="p.organisation",
            charge_point_id="p.charge_point",
            connector_id="p.connector",
            id_tag="p.id_tag",
            tag_id="p.tag",
            id_tag_status="'Accepted'",
            is_active="false",
            is_id_known="true",
            started_at=began,
            start_timestamp=began,
            start_received_at=began,
            meter_start_wh=register,
            stopped_at=ended,
            stop_timestamp=ended,
            stop_received_at=ended,
            meter_stop_wh=f"{register} + {energy_wh}",
            stop_reason="'EVDisconnected'",
            stop_id_tag="p.id_tag",
            closed_by=f"'{ClosedBy.CHARGE_POINT}'",
            duration_s=f"{(PER_TRANSACTION + 1) * 60}",
            energy_wh=f"{energy_wh}",
            last_register_wh=f"{register} + {energy_wh}",
            last_power_w="11040",
            last_soc_percent="47",
            last_meter_at=ended,
        )
        with connection.cursor() as cursor:
            sequence = "pg_get_serial_sequence('ocpp_app_transaction', 'id')"
            cursor.execute(f"SELECT setval({sequence}, %s)", [transactions])


def _statuses(run: Any, charge_points: int, transactions: int) -> None:
    from django.db import connection

    from ocpp_app.models import StatusHistory

    session = f"s.n / {STATUSES * charge_points}"
    at = _began(session, "p.n", transactions // charge_points)
    at += f" + make_interval(mins => (s.n / {charge_points} % {STATUSES} * {PER_TRANSACTION // 2})::int)"
    count = STATUSES * transactions
    with bulk.timed(f"{count:,} StatusNotifications"), bulk.without_indexes(connection, StatusHistory):
        run(
            StatusHistory,
            f"generate_series(0, {count - 1}) AS s(n) JOIN place AS p ON p.n = s.n % {charge_points}",
            connector_id="p.connector",
            status=f"(ARRAY['Preparing', 'Charging', 'Available'])[1 + s.n / {charge_points} % {STATUSES}]",
            error_code="'NoError'",
            timestamp=at,
            received_at=at,
        )


def _messages(run: Any, charge_points: int, messages: int) -> None:
    from django.db import connection

    from ocpp_app.models import Direction, Message

    found = list(exchanges())
    rows = ", ".join(
        f"({number}, {_literal(action)}, {_literal(call)}, {_literal(answer)})"
        for number, (action, call, answer) in enumerate(found)
    )
    source = (
        f"(SELECT n, md5('message ' || n)::uuid AS unique_id FROM generate_series(0, {messages - 1}) AS n) AS m "
        f"JOIN place AS p ON p.n = m.n % {charge_points} "
        f"JOIN (VALUES {rows}) AS x(n, action, call, answer) ON x.n = m.n / {charge_points} % {len(found)}"
    )
    at = f"now() - make_interval(secs => ({messages} - m.n) * {MESSAGE_DAYS * 86_400 / messages})"
    with bulk.timed(f"{messages:,} messages"), bulk.without_indexes(connection, Message):
        run(
            Message,
            source,
            charge_point_id="p.charge_point",
            session_id="md5('session ' || p.n)::uuid",
            direction=f"'{Direction.INBOUND}'",
            unique_id="m.unique_id::text",
            action="x.action",
            raw=f"replace(x.call, '{PLACEHOLDER}', m.unique_id::text)",
            at=at,
            answer_type="3",
            answer=f"replace(x.answer, '{PLACEHOLDER}', m.unique_id::text)",
            answered_at=f"{at} + interval '17 ms'",
            relay_id=_time_ordered(at, "m.n"),
        )


def _meter_values(run: Any, charge_points: int, meter_values: int, transactions: int) -> None:
    from django.db import connection

    from ocpp_app.models import MeterValue

    session, number = f"v.n / {charge_points * PER_TRANSACTION}", f"v.n / {charge_points} % {PER_TRANSACTION}"
    began = _began(session, "p.n", transactions // charge_points)
    at = f"{began} + make_interval(mins => ({number})::int + 1)"
    with bulk.timed(f"{meter_values:,} meter values"), bulk.without_indexes(connection, MeterValue):
        run(
            MeterValue,
            f"generate_series(0, {meter_values - 1}) AS v(n) JOIN place AS p ON p.n = v.n % {charge_points}",
            connector_id="p.connector",
            transaction_id=f"{session} * {charge_points} + p.n + 1",
            timestamp=at,
            received_at=at,
            digest=_time_ordered(at, "v.n"),
            sampled_values=f"{_literal(_sampled_values())}::jsonb",
            energy_wh=f"1000000 + {session} * 10000 + ({number} + 1) * 250",
            power_w="11040",
            soc_percent="47",
        )


def _time_ordered(at: str, number: str) -> str:
    """A UUID of this time, as relay ids and digests are: an index over them grows at its end."""
    milliseconds = f"(extract(epoch FROM {at}) * 1000)::bigint"
    return f"(lpad(to_hex({milliseconds}), 12, '0') || right(md5(({number})::text), 20))::uuid"


def exchanges() -> Iterator[tuple[str, str, str]]:
    """A charging session of the load: action, CALL, CALLRESULT, with a placeholder for the unique id."""
    for action, call, answer in _session():
        unique_id = json.loads(call)[1]
        yield action, call.replace(unique_id, PLACEHOLDER), answer.replace(unique_id, PLACEHOLDER)


def _sampled_values() -> str:
    """Those of one MeterValues of the load."""
    call = next(call for action, call, _answer in _session() if action == "MeterValues")
    return json.dumps(json.loads(call)[3]["meterValue"][0]["sampledValue"])


def _session() -> Iterator[tuple[str, str, str]]:
    mix = Mix(1)
    for _ in BOOT:
        mix.advance()
    for action, _payload in SESSION:
        call = mix.next_call()
        answer = bare_websocket.answer(call)
        mix.take_answer(answer)
        yield action, call.decode(), answer.decode()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# -- before a measurement ------------------------------------------------------------------------------------------


def settle(charge_points: int) -> None:
    """What a run that was broken off has left open is closed, and nothing is pruned while it is measured."""
    from django.db.models import F
    from django.utils import timezone

    from ocpp_app import retention
    from ocpp_app.models import ClosedBy, Pruning, Transaction

    database.give_keys(charge_points)
    Transaction.objects.filter(is_active=True).update(
        is_active=False, stopped_at=F("started_at"), closed_by=ClosedBy.BACK_OFFICE
    )
    for table in retention.TABLES:
        Pruning.objects.update_or_create(table=table, defaults={"finished_at": timezone.now()})


def sizes() -> str:
    """The tables, each with its rows, and how many bytes a row takes without and with its indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reltuples::bigint, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class "
            "WHERE relkind = 'r' AND relname LIKE 'ocpp_app_%' AND reltuples > 0 "
            "ORDER BY pg_total_relation_size(oid) DESC LIMIT 4"
        )
        lines = [
            f"{name:<26} {rows:>12,} {table / rows:>12,.0f} {indexes / rows:>12,.0f} {(table + indexes) / 1e9:>8.2f}"
            for name, rows, table, indexes in cursor.fetchall()
        ]
    return "\n".join([f"{'table':<26} {'rows':>12} {'bytes a row':>12} {'in indexes':>12} {'GB':>8}", *lines])


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.grown", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--charge-points", type=int, default=CHARGE_POINTS, metavar="K", help="(default: %(default)s)")
    parser.add_argument("--messages", type=int, default=Stored.messages, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--meter-values", type=int, default=Stored.meter_values, metavar="N", help="(default: %(default)s)"
    )
    parser.add_argument("--server", metavar="URL", help="of a PostgreSQL (default: that of make services)")
    return parser.parse_args(arguments)


def main() -> int:
    options = parse_options()
    server = options.server or postgres.discover("bench")
    if server is None:
        print("PostgreSQL is not up; start it: make services", file=sys.stderr)
        return 1
    stored = Stored(options.messages, options.meter_values)
    url = url_of(server, options.charge_points, stored)
    make(url, options.charge_points, stored)
    print(f"\n{postgres.name_of(url)}\n{sizes()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
