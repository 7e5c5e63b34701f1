# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownParameterType=false
# pyright: reportMissingTypeStubs=false, reportUnknownArgumentType=false
"""The lake: the log that several machines share, as tables of DuckLake. Their catalogue is in PostgreSQL, their rows
are Parquet on shared storage.

Rows are only ever appended, in one transaction per run, so writers of different sources do not conflict. Who reads
the lake into a ledger is `gpuledger.core.store.shared.follow`, who gathers its files
`gpuledger.core.store.shared.compaction`.

A lake is opened in a DuckDB of its own, in memory, once per process: a catalogue that went away leaves a
transaction behind that keeps its DuckDB from ever closing, and the ledger's file must not wait for that.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import NotMountedError, OlderReleaseError, UnreachableError
from gpuledger.core.store import sql
from gpuledger.core.store.catalogue import (
    EVERYTHING,
    WITH_EXTENSIONS,
    libpq,
    load,
    patience,
    query_catalogue,
    turn_at,
    unreachable,
    unusable,
)
from gpuledger.core.store.database import transaction
from gpuledger.core.store.shared import marker
from gpuledger.core.store.sql import prepare

TABLES = (
    "scrape_run",
    "document",
    "offer",
    "price_change",
    "stock_change",
    "skipped_row",
    "storage_price",
    "transfer_price",
    "exchange_rate",
    "interruption_band",
    "market_sample",
    "price_list",
    "disputed_price",
    "disputed_rate",
)
"""What is shared. The rest follows from it, or is reference data of the release."""

GROWING = ("price_change", "stock_change")
"""Laid out by month and offer. Only where no place of a row within its run counts: sorting, and merging what is
sorted, numbers the rows of a file anew."""

LAYOUT = "month/offer"

INLINED_ROWS = 100
"""Up to so many rows an append goes into the catalogue and not into a Parquet file of its own; `maintain` moves
them. A refresh in a steady hour writes no file at all."""


@contextmanager
def open_lake(
    address: LakeAddress, ledger: duckdb.DuckDBPyConnection
) -> Generator[duckdb.DuckDBPyConnection]:
    """The lake, attached as `lake`; the first machine makes its tables.

    Args:
        ledger: of this release; asked for its columns when tables of the lake have to be made or changed.

    Raises:
        StoreError: an extension is missing, or the catalogue does not answer, for whatever is done inside too.
        OlderReleaseError: the lake is of a newer release.
    """
    connection = _connected(address, ledger)
    try:
        yield connection
    except duckdb.Error as error:
        _hang_up(address)
        raise unusable(address, error) from error
    finally:
        connection.close()


def commit_no(connection: duckdb.DuckDBPyConnection) -> int:
    """Number of the lake's newest commit."""
    row = sql.first(connection, "select id from lake.current_snapshot()")
    return row[0] if row else 0


def store_id(connection: duckdb.DuckDBPyConnection) -> str | None:
    """What names the lake for as long as it lives, whatever is written into it."""
    return _setting(connection, "id")


def generation(connection: duckdb.DuckDBPyConnection) -> str:
    """Changes when the whole log is written anew."""
    return _setting(connection, "generation") or ""


def append(
    connection: duckdb.DuckDBPyConnection, rows: Mapping[str, Any], still_allowed: Callable[[], None]
) -> None:
    """One commit.

    Args:
        still_allowed: asked last; raises where the turn to write was lost meanwhile.
    """
    with transaction(connection):
        for table in TABLES:
            if rows[table].num_rows:
                insert(connection, table, rows[table])
        still_allowed()


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Any) -> None:
    """Append rows, an Arrow table or a stream of Arrow batches; only inside a transaction."""
    with sql.registered(connection, appended=rows):
        connection.execute(f"insert into lake.{table} by name from appended")


def remake(connection: duckdb.DuckDBPyConnection, ledger: duckdb.DuckDBPyConnection) -> None:
    """Empty tables in the place of the old ones, whose files need not be there any more; only inside a turn of
    everything and a transaction."""
    for table, shape in _shapes(ledger).items():
        connection.execute(f"drop table if exists lake.{table}")
        with sql.registered(connection, shape=shape):
            connection.execute(f"create table lake.{table} as from shape")
    lay_out(connection)
    connection.execute(sql.text("lake/offer_current"))


def missing_files(address: LakeAddress, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Files of Parquet that the catalogue names and the shared folder lacks; those in S3 are not looked for."""
    if address.data.startswith("s3:"):
        return []
    return [
        file
        for table in TABLES
        for (file,) in connection.execute(
            "select data_file from ducklake_list_files('lake', $table)", {"table": table}
        ).fetchall()
        if not Path(file).exists()
    ]


def has_layout(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether new files of the tables that grow are sorted and parted; those of an earlier release are not."""
    return _setting(connection, "layout") == LAYOUT


def lay_out(connection: duckdb.DuckDBPyConnection) -> None:
    """From now on files of the tables that grow hold one month each, in the order of offers and times; what lies in
    other files stays there. Only inside a turn of everything and a transaction."""
    for table in GROWING:
        connection.execute(
            f"alter table lake.{table} set partitioned by (year(observed_at), month(observed_at))"
        )
        connection.execute(f"alter table lake.{table} set sorted by (source, offer_id, observed_at)")
    _write_setting(connection, "layout", LAYOUT)


def begin_anew(connection: duckdb.DuckDBPyConnection) -> None:
    """Say that the log is another one now; only inside a turn of everything and a transaction."""
    _write_setting(connection, "generation", uuid.uuid4().hex)


_open: dict[LakeAddress, duckdb.DuckDBPyConnection] = {}
_guard = threading.Lock()


def _hang_up(address: LakeAddress) -> None:
    with _guard:
        _open.pop(address, None)


def close(address: LakeAddress) -> None:
    """End this process's sessions with the lake."""
    with _guard:
        connection = _open.pop(address, None)
    if connection is not None:
        connection.close()


def _connected(address: LakeAddress, ledger: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A connection that answered a moment ago; a server that restarts is waited for."""
    gone_at = patience(address)
    while True:
        try:
            with _guard:
                if address not in _open:
                    _open[address] = _attached(address, ledger)
                connection = _open[address].cursor()
            connection.execute("set timezone = 'UTC'")
            # also whether the server answers, and whether another machine brought a newer release meanwhile
            _bring_to_release(address, connection, ledger)
            return connection
        except (duckdb.Error, UnreachableError) as error:
            _hang_up(address)
            if time.monotonic() > gone_at:
                if isinstance(error, UnreachableError):
                    raise
                raise unreachable(address, error) from error
            time.sleep(1.0)


def _attached(address: LakeAddress, ledger: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config=WITH_EXTENSIONS)
    prepare(connection)
    load(connection, "ducklake", "postgres_scanner")
    if address.data.startswith("s3:"):
        _reach_s3(address, connection)
    # Two commits at once are one conflict on the number of the next snapshot, which DuckLake tries again: here for
    # up to a minute, at first after 20 ms.
    for name, value in (("max_retry_count", 100), ("retry_wait_ms", 20), ("retry_backoff", 1.05)):
        connection.execute(f"set global ducklake_{name} = {value}")
    if not _attach(address, connection):
        with turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever makes the lake"):
            # Another machine may have made it a moment ago.
            if not _attach(address, connection):
                new_id = uuid.uuid4().hex
                with marker.making(address, new_id):
                    _attach(address, connection, creating=True)
                    _make_tables(connection, _shapes(ledger), new_id)
    marker.check_marker(address, _known_id(address, connection))
    return connection


def _known_id(address: LakeAddress, connection: duckdb.DuckDBPyConnection) -> str:
    """The lake's id; one that an earlier release made gets one now, where its folders are there."""
    identity = store_id(connection)
    if identity is not None:
        return identity
    with turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever upgrades the lake"):
        identity = store_id(connection)
        if identity is not None:
            return identity
        holds = sql.first(connection, "select count(*) from lake.scrape_run")
        if holds and holds[0] and not (address.archive / "runs").is_dir():
            raise NotMountedError(
                f"{address.archive} is not mounted: the shared store has {holds[0]} runs and none is there; mount it"
            )
        identity = uuid.uuid4().hex
        marker.make(address, identity)
        with transaction(connection):
            _write_setting(connection, "id", identity)
    return identity


def _reach_s3(address: LakeAddress, connection: duckdb.DuckDBPyConnection) -> None:
    """Keys and region are what the extension finds in `AWS_...` for itself."""
    load(connection, "httpfs")
    if address.endpoint is not None:
        scheme, _, host = address.endpoint.partition("://")
        connection.execute(f"set global s3_endpoint = {sql.literal(host.rstrip('/'))}")
        connection.execute(f"set global s3_use_ssl = {str(scheme == 'https').lower()}")
        connection.execute("set global s3_url_style = 'path'")


def _attach(address: LakeAddress, connection: duckdb.DuckDBPyConnection, *, creating: bool = False) -> bool:
    options = (
        f"metadata_schema {sql.literal(address.schema)}, data_path {sql.literal(address.parquet)},"
        f" create_if_not_exists {str(creating).lower()}, data_inlining_row_limit {INLINED_ROWS}"
    )
    try:
        connection.execute(f"attach {sql.literal('ducklake:postgres:' + libpq(address))} as lake ({options})")
    except duckdb.Error:
        # A server that restarts just now is no reason to make a lake, and to mark the folders as another store's.
        if creating or _is_made(address):
            raise
        return False
    if creating or _is_whole(connection):
        return True
    connection.execute("detach database if exists lake")
    return False


def _is_made(address: LakeAddress) -> bool:
    """Whether the catalogue holds a lake, be it half made.

    Raises:
        UnreachableError: it does not answer.
    """
    rows = query_catalogue(
        address,
        "select 1 as there from information_schema.tables"
        f" where table_schema = {sql.literal(address.schema)} and table_name = 'ducklake_metadata'",
    )
    return bool(rows)


def _is_whole(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether whoever made the lake came to the end of it."""
    try:
        return _setting(connection, "generation") is not None
    except duckdb.CatalogException:
        return False


def _make_tables(connection: duckdb.DuckDBPyConnection, shapes: Mapping[str, Any], new_id: str) -> None:
    """Only inside the turn of everything."""
    with transaction(connection):
        for table in TABLES:
            with sql.registered(connection, shape=shapes[table]):
                connection.execute(f"create table if not exists lake.{table} as from shape")
        connection.execute("create table if not exists lake.ledger_setting (name varchar, value varchar)")
        lay_out(connection)
        connection.execute(sql.text("lake/offer_current"))
        if _setting(connection, "generation") is None:
            begin_anew(connection)
            _write_setting(connection, "id", new_id)
            _write_setting(connection, "release", sql.files("migrations")[-1])


def _bring_to_release(
    address: LakeAddress, connection: duckdb.DuckDBPyConnection, ledger: duckdb.DuckDBPyConnection
) -> None:
    """Columns that a newer release added to the ledger are added to the lake as well."""
    release, ours = _setting(connection, "release"), sql.files("migrations")[-1]
    if release == ours:
        return
    if release is None or release > ours:
        raise OlderReleaseError(
            f"the shared store has {release}, which this machine's release does not know: upgrade gpuledger here;"
            " until then it reads its last snapshot and fetches into the archive"
        )
    with (
        turn_at(address, EVERYTHING, wait_seconds=60, whose="whoever upgrades the lake"),
        transaction(connection),
    ):
        for table, shape in _shapes(ledger).items():
            with sql.registered(connection, shape=shape):
                connection.execute(f"create table if not exists lake.{table} as from shape")
                columns = connection.execute("describe shape").fetchall()
            there = {name for name, *_ in connection.execute(f"describe lake.{table}").fetchall()}
            for name, kind, *_ in columns:
                if name not in there:
                    connection.execute(f"alter table lake.{table} add column {name} {kind}")
        _write_setting(connection, "release", ours)


def _shapes(ledger: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Each shared table's columns, as an Arrow table without rows."""
    ledger.execute(sql.text("lake/form"))
    return {
        table: sql.arrow(
            ledger,
            "select ''::varchar as run_id, * from form_offer limit 0"
            if table == "offer"
            else f"from form_{table} limit 0",
        )
        for table in TABLES
    }


def _setting(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    row = sql.first(connection, "select value from lake.ledger_setting where name = $1", [name])
    return row[0] if row else None


def _write_setting(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    connection.execute("delete from lake.ledger_setting where name = $1", [name])
    connection.execute("insert into lake.ledger_setting values ($1, $2)", [name, value])
