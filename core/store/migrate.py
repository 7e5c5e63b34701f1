"""Bring a ledger to this release: migrations once each, then reference data and views as they are now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from gpuledger.core.alias import Alias, Aliases
from gpuledger.core.errors import MigrationError
from gpuledger.core.store import sql
from gpuledger.core.store.database import transaction
from gpuledger.core.store.identity import IDENTITY, renew_ids
from gpuledger.core.store.ledger_setting import setting, write_setting


@dataclass(frozen=True, kw_only=True)
class SourceRow:
    """What the ledger keeps about a declared source."""

    source: str
    provider: str
    kind: str
    fresh_for_seconds: int
    every_seconds: int
    homepage: str
    licence: str
    confidence: str = "direct"


def migrate(
    connection: duckdb.DuckDBPyConnection, *, sources: Iterable[SourceRow], aliases: Iterable[Alias]
) -> None:
    """Apply pending migrations, then replace seeds and views when any of their texts changed.

    Raises:
        MigrationError: a released migration was edited, or the ledger is of a newer release.
    """
    alias_rows = tuple(aliases)
    source_rows = tuple(sources)
    _apply_migrations(connection)
    if setting(connection, "identity") != IDENTITY:
        with transaction(connection):
            renew_ids(connection)
            write_setting(connection, "identity", IDENTITY)
    print_of_release = _fingerprint(alias_rows, source_rows)
    if setting(connection, "reference") == print_of_release:
        return
    with transaction(connection):
        _load_sources(connection, source_rows)
        _load_seeds(connection)
        _load_aliases(connection, alias_rows)
        resolve_labels(connection, Aliases(alias_rows))
        _make_way(connection)
        for name in sql.files("views"):
            connection.execute(sql.text(name))
        write_setting(connection, "reference", print_of_release)
        write_setting(connection, "relations", sql.relations())
        write_setting(connection, "duckdb", duckdb.__version__)


def _make_way(connection: duckdb.DuckDBPyConnection) -> None:
    """What other releases had as a view and this one has as a table, which cannot take its place."""
    if sql.first(connection, "select 1 from duckdb_views() where view_name = 'offer_described'"):
        connection.execute("drop view offer_described")


def _apply_migrations(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "create table if not exists schema_migration (name varchar not null, sha256 varchar not null)"
    )
    connection.execute(
        "create table if not exists ledger_setting (name varchar not null, value varchar not null)"
    )
    applied: dict[str, str] = dict(connection.execute("select name, sha256 from schema_migration").fetchall())
    migrations = sql.files("migrations")
    unknown = sorted(set(applied) - set(migrations))
    if unknown:
        raise MigrationError(
            f"the ledger has {unknown[-1]}, which this release does not know; upgrade gpuledger"
        )
    for name in migrations:
        digest = hashlib.sha256(sql.text(name).encode()).hexdigest()
        if name in applied:
            if applied[name] != digest:
                raise MigrationError(f"{name} differs from what was applied; released migrations are frozen")
            continue
        with transaction(connection):
            connection.execute(sql.text(name))
            connection.execute("insert into schema_migration values (?, ?)", [name, digest])


def _fingerprint(aliases: tuple[Alias, ...], sources: tuple[SourceRow, ...]) -> str:
    digest = hashlib.sha256(sql.relations().encode())
    for path in _reference_files():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(repr(aliases).encode())
    digest.update(repr(sources).encode())
    return digest.hexdigest()


def _reference_files() -> list[Path]:
    return sorted((sql.FOLDER / "seeds").glob("*"))


def _load_sources(connection: duckdb.DuckDBPyConnection, sources: tuple[SourceRow, ...]) -> None:
    """One text for all rows, as for the aliases.

    What was read once stays on record though nobody declares it any more, or its plug-in is not installed here: without
    its source no price of it would be seen.
    """
    connection.execute(
        "delete from source where source in (select unnest($declared::varchar[]))"
        " or source not in (select source from scrape_run)",
        {"declared": [row.source for row in sources]},
    )
    shape = [
        {
            "source": "VARCHAR",
            "provider": "VARCHAR",
            "kind": "VARCHAR",
            "fresh_for_seconds": "BIGINT",
            "every_seconds": "BIGINT",
            "homepage": "VARCHAR",
            "licence": "VARCHAR",
            "confidence": "VARCHAR",
        }
    ]
    connection.execute(
        "insert into source by name select unnest(from_json($rows, $shape), recursive := true)",
        {"rows": json.dumps([vars(row) for row in sources]), "shape": json.dumps(shape)},
    )


def _load_seeds(connection: duckdb.DuckDBPyConnection) -> None:
    """Each `sql/seeds/NAME.sql` makes a table; `NAME.csv` and every `NAME_*.csv` beside it fill it."""
    names = sql.files("seeds")
    tables = sorted((name.rpartition("/")[2] for name in names), key=len, reverse=True)
    for name in names:
        connection.execute(sql.text(name))
    for path in sorted((sql.FOLDER / "seeds").glob("*.csv")):
        # The longest name wins: gpu_alias_aws.csv belongs to gpu_alias, not to gpu.
        table = next((table for table in tables if f"{path.stem}_".startswith(f"{table}_")), None)
        if table is not None and table != "gpu_alias":
            _fill(connection, table, path)


def _fill(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    columns = ", ".join(
        row[0]
        for row in connection.execute(
            "select column_name from duckdb_columns() where table_name = ? order by column_index", [table]
        ).fetchall()
    )
    connection.execute(
        f"insert into {table} ({columns}) select {columns}"
        " from read_csv($path, header = true, all_varchar = true, nullstr = '')",
        {"path": str(path)},
    )


def _load_aliases(connection: duckdb.DuckDBPyConnection, aliases: tuple[Alias, ...]) -> None:
    """One text for all rows: binding a list from Python takes some 80 microseconds per element."""
    rows = [
        {
            "provider": row.provider,
            "label": row.label,
            "memory": None if row.memory_gib is None else str(row.memory_gib),
            "gpu_id": row.gpu_id,
        }
        for row in aliases
    ]
    shape = [{"provider": "VARCHAR", "label": "VARCHAR", "memory": "DECIMAL(12, 4)", "gpu_id": "VARCHAR"}]
    connection.execute(
        "insert into gpu_alias select alias.provider, alias.label, alias.memory, alias.gpu_id"
        " from (select unnest(from_json($rows, $shape)) as alias)",
        {"rows": json.dumps(rows), "shape": json.dumps(shape)},
    )


def resolve_labels(connection: duckdb.DuckDBPyConnection, aliases: Aliases) -> None:
    """Give every offer its accelerator again; only the distinct labels are looked up."""
    labels: list[tuple[str, str, Decimal | None]] = connection.execute(
        "select distinct provider, gpu_label, gpu_memory_gib from offer"
    ).fetchall()
    meant = {
        "provider": [provider for provider, _, _ in labels],
        "label": [label for _, label, _ in labels],
        "memory": [None if memory is None else str(memory) for _, _, memory in labels],
        "gpu_id": [aliases.resolve(provider, label, memory) for provider, label, memory in labels],
    }
    for table in ("offer", "disputed_price"):
        connection.execute(
            f"update {table} set gpu_id = resolved.gpu_id from ("
            " select unnest($provider::varchar[]) as provider, unnest($label::varchar[]) as gpu_label,"
            " unnest($memory::varchar[])::decimal(12, 4) as gpu_memory_gib, unnest($gpu_id::varchar[]) as gpu_id"
            f") as resolved where {table}.provider = resolved.provider and {table}.gpu_label = resolved.gpu_label"
            f" and {table}.gpu_memory_gib is not distinct from resolved.gpu_memory_gib"
            f" and {table}.gpu_id is distinct from resolved.gpu_id",
            meant,
        )
