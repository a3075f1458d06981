"""libpq's pipeline mode by hand: all statements leave in one packet, and all their results are read in one go.

psycopg's own pipeline looks at the socket after each statement: for a worker's twenty of each batch that took eight
times the CPU time, and the server was woken for every one of them. Otherwise than with a cursor of psycopg, parameters
are text, whole numbers and None, whose types the statement tells, or bytes: a value in binary form (``array_rows``).
Results travel in binary form and come out as Django has them.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache, partial
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

from psycopg import Connection, Error, IsolationLevel, OperationalError, adapters, errors, pq
from psycopg.abc import Transformer as AbstractTransformer
from psycopg.adapt import AdaptersMap, Buffer, Loader, Transformer
from psycopg.pq.abc import PGconn, PGresult
from psycopg.types.net import CidrBinaryLoader, InetBinaryLoader
from psycopg.waiting import Ready, Wait

Rows = list[tuple[Any, ...]]
Statements = Sequence[tuple[str, Sequence[Any]]]
"""SQL with ``%s``, and its parameters."""
Arrival = Callable[[], None] | None
"""What is done when a statement's result is here; None: the caller wants it."""
Communication = Generator[Wait, Ready | int, list[PGresult]]

STALE = (errors.FeatureNotSupported, errors.InvalidSqlStatementName)
"""What the server says of a prepared statement whose table has been altered, or that somebody has thrown away."""
OK = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)

_known: "WeakKeyDictionary[Connection[Any], _Known]" = WeakKeyDictionary()
_numbers = count(1)


def execute(
    connection: "Connection[Any]",
    statements: Statements,
    meanwhile: Callable[[], None] | None = None,
) -> list[Rows]:
    """Execute statements (SQL with ``%s``, and its parameters) in one round trip; see ``Trip.finish``."""
    return Trip(connection).finish(statements, meanwhile)


class Trip:
    """Statements on their way to the server, and what comes back; until it is finished nobody else can use the
    connection.

    Statements are prepared once for the connection, unless its ``prepare_threshold`` is None. A transaction begins
    where there is none, unless the connection is in autocommit. Each method raises the ``psycopg.Error`` of the first
    statement that fails, those behind it are not executed, and the trip is over.
    """

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        known = _known.get(connection)
        if known is None:
            known = _known[connection] = _Known({}, Transformer(_Context(_adapters(), None)))
        self._names, self._transformer = known
        self._new_names: dict[str, bytes] = {}
        self._arrivals: list[Arrival] = []
        """One for each result to come."""
        self.is_under_way = False

    def send(self, statements: Statements) -> None:
        """Let the server begin with these, whose rows nobody wants; waits for nothing."""
        with self._closed_if_broken():
            self._queue(statements, _nothing)
            self._pgconn.flush()

    def fetch(self, statements: Statements, behind: Statements) -> list[Rows]:
        """The rows of these statements; those behind them are sent with them, and not waited for."""
        with self._closed_if_broken():
            self._queue(statements, None)
            self._pgconn.send_flush_request()
            awaited, self._arrivals = self._arrivals, []
            self._queue(behind, _nothing)
            found = self._connection.wait(_communicate(self._pgconn, len(awaited)))
        try:
            return self._rows(awaited, found)
        except Error:
            with suppress(Error):  # of those behind: they were not executed
                self.finish(())
            raise

    def finish(self, statements: Statements, meanwhile: Callable[[], None] | None = None) -> list[Rows]:
        """The rows of these statements, when they and all before them are done. ``meanwhile`` is called when they are
        on their way; it neither raises nor uses the connection."""
        with self._closed_if_broken():
            self._queue(statements, None)
            self._pgconn.pipeline_sync()
            if meanwhile is not None:
                self._pgconn.flush()
                meanwhile()
            found = self._connection.wait(_communicate(self._pgconn))
            self._pgconn.exit_pipeline_mode()
            self.is_under_way = False
        awaited, self._arrivals = self._arrivals, []
        return self._rows(awaited, found)

    @contextmanager
    def _closed_if_broken(self) -> Iterator[None]:
        try:
            with self._connection.lock:
                yield
        except BaseException as error:
            self._pgconn.finish()  # something may still be on its way: nobody can go on with this connection
            self.is_under_way = False
            if isinstance(error, OperationalError):  # libpq then speaks of the pipeline that is no more
                raise OperationalError(f"The connection to the database was lost: {error}") from error
            raise

    def _queue(self, statements: Statements, arrival: Arrival) -> None:
        if not self.is_under_way:
            self.is_under_way = True
            self._pgconn.enter_pipeline_mode()
            self._begin()
        for sql, parameters in statements:
            formats = [type(value) is bytes for value in parameters]
            self._send(sql, parameters if all(formats) else [_dump(value) for value in parameters], formats)
            self._arrivals.append(arrival)

    def _rows(self, awaited: Sequence[Arrival], results: Sequence[PGresult]) -> list[Rows]:
        return [_rows(self._transformer, result) for result in self._wanted(awaited, results)]

    def _begin(self) -> None:
        if self._connection.autocommit or self._pgconn.transaction_status != pq.TransactionStatus.IDLE:
            return
        level = self._connection.isolation_level
        option = "" if level is None else f" ISOLATION LEVEL {IsolationLevel(level).name.replace('_', ' ')}"
        self._send(f"BEGIN{option}", [], [])
        self._arrivals.append(_nothing)

    def _send(self, sql: str, parameters: Sequence[bytes | None], formats: list[bool]) -> None:
        """``formats``: whether each parameter is in binary form, as libpq wants it."""
        if self._connection.prepare_threshold is None:
            self._pgconn.send_query_params(
                _numbered(sql), parameters, param_formats=formats, result_format=pq.Format.BINARY
            )
        else:
            self._pgconn.send_query_prepared(self._name_of(sql), parameters, formats, pq.Format.BINARY)

    def _name_of(self, sql: str) -> bytes:
        name = self._names.get(sql) or self._new_names.get(sql)
        if name is None:
            name = self._new_names[sql] = b"_ocpp_%d" % next(_numbers)
            self._pgconn.send_prepare(name, _numbered(sql))
            self._arrivals.append(partial(self._names.__setitem__, sql, name))
        return name

    def _wanted(self, awaited: Sequence[Arrival], results: Sequence[PGresult]) -> list[PGresult]:
        wanted = []
        for arrival, result in zip(awaited, results, strict=True):
            if result.status not in OK:
                error = errors.error_from_result(result)
                if isinstance(error, STALE):
                    self._names.clear()  # all are prepared anew; the old ones end with the connection
                raise error
            if arrival is None:
                wanted.append(result)
            else:
                arrival()
        return wanted


def _communicate(pgconn: PGconn, count: int | None = None) -> Communication:
    """Send what is to be sent, and read so many results, or all; as ``Connection.wait`` wants it."""
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()
    results: list[PGresult] = []
    while len(results) != count:
        while pgconn.is_busy():
            if (yield Wait.R):
                pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of what one statement gives
            if pgconn.status == pq.ConnStatus.BAD:
                raise OperationalError(pgconn.get_error_message())
        elif result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        else:
            results.append(result)
    return results


def _nothing() -> None:
    pass


@cache
def _numbered(sql: str) -> bytes:
    numbers = count(1)
    return re.sub("%s|%%", lambda found: "%" if found[0] == "%%" else f"${next(numbers)}", sql).encode()


# -- values --------------------------------------------------------------------------------------------------


def _dump(value: Any) -> bytes | None:
    if value is None or type(value) is bytes:
        return value
    if isinstance(value, str):
        return value.encode()
    if type(value) is int:
        return b"%d" % value
    raise TypeError(f"A parameter is text, a whole number, bytes or None; convert the {type(value).__name__} before.")


def _rows(transformer: AbstractTransformer, result: PGresult) -> Rows:
    if result.status != pq.ExecStatus.TUPLES_OK:
        return []
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


class _Context(NamedTuple):
    """How values are loaded (psycopg's ``AdaptContext``); without a connection, times are of UTC."""

    adapters: AdaptersMap
    connection: None


class _Known(NamedTuple):
    """What is known of a connection."""

    names: dict[str, bytes]
    """Its prepared statements."""
    transformer: AbstractTransformer
    """What remembers how its columns are loaded."""


@cache
def _adapters() -> AdaptersMap:
    """psycopg's own, but for what Django wants as text."""
    found = AdaptersMap(adapters)
    found.register_loader("uuid", _Uuid)
    found.register_loader("jsonb", _JsonbText)
    found.register_loader("inet", _InetText)
    found.register_loader("cidr", _CidrText)
    return found


class _Uuid(Loader):
    """Charge points of a worker have the same sessions for long: most of what a row has was seen before."""

    format = pq.Format.BINARY

    def load(self, data: Buffer) -> UUID:
        return _uuid(bytes(data))


@lru_cache(maxsize=20_000)
def _uuid(data: bytes) -> UUID:
    return UUID(bytes=data)


class _JsonbText(Loader):
    format = pq.Format.BINARY

    def load(self, data: Buffer) -> str:
        return bytes(data)[1:].decode()  # the first byte is the version of the format


class _InetText(InetBinaryLoader):
    def load(self, data: Buffer) -> str:  # type: ignore[override]
        return str(super().load(data))


class _CidrText(CidrBinaryLoader):
    def load(self, data: Buffer) -> str:  # type: ignore[override]
        return str(super().load(data))
