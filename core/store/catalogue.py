"""The PostgreSQL server behind a shared ledger: how DuckDB reaches it, and turns that hold across machines.

A turn is an advisory lock of a transaction. The server gives it back when its holder's session ends, however it
ends: `flock` for several machines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import StoreBusyError, StoreError, UnreachableError
from gpuledger.core.store import sql

SERVER_RETURNS_WITHIN_SECONDS = 10.0
"""A server that restarts is waited for that long."""

GONE_SECONDS = 15.0
"""For so long after a server was found gone, nobody in this process waits for it again."""

EVERYTHING = "everything"
"""The turn that all recorders share and that whoever rewrites the lake holds alone."""


WITH_EXTENSIONS: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""Of a DuckDB that loads extensions: the installed ones, and none that it finds for itself."""


@dataclass(frozen=True)
class Turn:
    """A turn that is held."""

    name: str
    _session: duckdb.DuckDBPyConnection

    def now(self) -> datetime:
        """The catalogue's clock, which all machines have in common.

        Raises:
            StoreError: the turn was lost.
        """
        query = "select extract(epoch from clock_timestamp())::float8 as seconds"
        try:
            row = sql.first(
                self._session, f"select seconds from postgres_query('turns', {sql.literal(query)})"
            )
        except duckdb.Error as error:
            raise StoreError(f"the turn of {self.name} was lost: {sql.first_line(error)}") from error
        assert row is not None
        return datetime.fromtimestamp(row[0], UTC)

    def check(self) -> None:
        """Make sure that it is still held: a server that restarted gave it back.

        Raises:
            StoreError: it is not.
        """
        try:
            self._session.execute("select * from postgres_query('turns', 'select 1 as held')").fetchall()
        except duckdb.Error as error:
            raise StoreError(f"the turn of {self.name} was lost: {sql.first_line(error)}") from error


def load(connection: duckdb.DuckDBPyConnection, *names: str) -> None:
    """Load DuckDB extensions that were installed as Python packages; nothing is downloaded.

    Raises:
        StoreError: one is not installed, or is made for another DuckDB.
    """
    for name in names:
        extension = find_spec(f"duckdb_extension_{name}")
        if extension is None or extension.origin is None:
            raise StoreError(
                f"a shared store needs DuckDB's extension {name}: pip install 'gpuledger[scale]'"
            )
        made_for = Path(extension.origin).parent / "extensions"
        path = made_for / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if not path.exists():
            versions = ", ".join(sorted(entry.name for entry in made_for.glob("v*"))) or "none"
            raise StoreError(
                f"DuckDB's extension {name} is made for {versions} and this is v{duckdb.__version__}:"
                f" a shared store needs the version of the extra 'gpuledger[scale]'"
            )
        connection.execute(f"load {sql.literal(str(path))}")


def libpq(address: LakeAddress) -> str:
    """The connection string, without a password: the client library finds that itself."""
    parts = {
        "host": address.host,
        "port": address.port,
        "dbname": address.database,
        "user": address.user,
        "application_name": "gpuledger",
        # A machine that vanished gives its turns back after some 30 s, and a server that vanished is noticed.
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 4,
    }
    return " ".join(
        "{}='{}'".format(name, str(value).replace("\\", "\\\\").replace("'", "\\'"))
        for name, value in parts.items()
    )


@contextmanager
def turn_at(
    address: LakeAddress, name: str, *, wait_seconds: float, whose: str, shared: str | None = None
) -> Generator[Turn]:
    """Hold a turn by that name among all machines of the lake.

    Args:
        whose: who else may hold it, for the message.
        shared: a second turn, held together with all others who share it.

    Raises:
        StoreBusyError: it was not given back within `wait_seconds`.
        UnreachableError: the server cannot be reached.
    """
    session = _acquire(address, name, shared, wait_seconds, whose)
    try:
        yield Turn(name, session)
    finally:
        _let_go(session)


def _acquire(
    address: LakeAddress, name: str, shared: str | None, wait_seconds: float, whose: str
) -> duckdb.DuckDBPyConnection:
    locks = [f"pg_try_advisory_xact_lock({_key(address, name)})"]
    if shared is not None:
        locks.insert(0, f"pg_try_advisory_xact_lock_shared({_key(address, shared)})")
    # Whoever holds a turn is idle in a transaction while a provider answers; a server that ends such sessions would
    # give the turn to a second machine meanwhile.
    patient = "set_config('idle_in_transaction_session_timeout', '0', true)"
    query = sql.literal(f"select {' and '.join(locks)} as got, {patient} as patient")
    busy_at = time.monotonic() + wait_seconds
    gone_at = patience(address)
    while True:
        session = None
        try:
            session = _server(address).cursor()
            session.begin()
            row = sql.first(session, f"select got from postgres_query('turns', {query})")
            if row and row[0]:
                _gone.pop(address, None)
                return session
            session.rollback()
        except duckdb.Error as error:
            # A session that the server ended in a transaction has to be rolled back, or its DuckDB aborts the process.
            _let_go(session)
            session = None
            hang_up(address)
            if time.monotonic() > gone_at:
                _gone[address] = time.monotonic()
                raise unreachable(address, error) from error
            # To try again loads an extension anew, which takes a third of a second of a processor.
            time.sleep(1.0)
        else:
            if time.monotonic() > busy_at:
                raise StoreBusyError(f"{whose} has held the turn of {name} for {wait_seconds:g} s")
            time.sleep(0.05)
        if session is not None:
            session.close()


def _let_go(session: duckdb.DuckDBPyConnection | None) -> None:
    if session is not None:
        with suppress(duckdb.Error):
            session.rollback()
        session.close()


def clock_of(address: LakeAddress) -> datetime:
    """The catalogue's clock.

    Raises:
        UnreachableError: the server cannot be reached.
    """
    with turn_at(address, "clock", wait_seconds=60, whose="whoever asks for the time") as held:
        return held.now()


def executed(address: LakeAddress, statements: str) -> None:
    """Run statements in the server's own SQL, as one transaction.

    Raises:
        UnreachableError: the server cannot be reached, or refused.
    """
    _in_session(address, f"call postgres_execute('turns', {sql.literal(statements)})")


def query_catalogue(address: LakeAddress, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query in the server's own SQL.

    Raises:
        UnreachableError: the server cannot be reached, or refused.
    """
    return _in_session(address, f"from postgres_query('turns', {sql.literal(query)})")


def _in_session(address: LakeAddress, statement: str) -> list[tuple[Any, ...]]:
    try:
        session = _server(address).cursor()
        try:
            return session.execute(statement).fetchall()
        finally:
            session.close()
    except duckdb.Error as error:
        raise unreachable(address, error) from error


def patience(address: LakeAddress) -> float:
    """Until when, by the monotonic clock, a server that does not answer is waited for."""
    now = time.monotonic()
    found_gone = _gone.get(address)
    is_gone = found_gone is not None and now - found_gone < GONE_SECONDS
    return now if is_gone else now + SERVER_RETURNS_WITHIN_SECONDS


def unusable(address: LakeAddress, error: duckdb.Error) -> StoreError:
    """What to say when the catalogue does not answer as it should."""
    return StoreError(_unusable(address, error))


def unreachable(address: LakeAddress, error: duckdb.Error) -> UnreachableError:
    """What to say when the catalogue does not answer."""
    return UnreachableError(_unusable(address, error))


def _unusable(address: LakeAddress, error: duckdb.Error) -> str:
    where = f"{address.host}:{address.port}/{address.database}"
    return f"cannot use the shared store at postgres://{where}: {sql.first_line(error)}"


def _key(address: LakeAddress, name: str) -> int:
    # every command loads this module, hardly any takes a turn: hashlib costs 3 ms
    import hashlib

    digest = hashlib.sha256(f"gpuledger/{address.schema}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


# One session pool a process: loading the extension for each of twenty sources would take two seconds.
_servers: dict[LakeAddress, duckdb.DuckDBPyConnection] = {}
_gone: dict[LakeAddress, float] = {}
_guard = threading.Lock()


def _server(address: LakeAddress) -> duckdb.DuckDBPyConnection:
    with _guard:
        if address not in _servers:
            connection = duckdb.connect(config=WITH_EXTENSIONS)
            load(connection, "postgres_scanner")
            connection.execute(f"attach {sql.literal(libpq(address))} as turns (type postgres)")
            _servers[address] = connection
        return _servers[address]


def hang_up(address: LakeAddress) -> None:
    """End this process's sessions there; the next turn opens new ones. Those of a server that restarted are dead."""
    with _guard:
        server = _servers.pop(address, None)
    if server is not None:
        server.close()
