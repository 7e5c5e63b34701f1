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
from gpuledger.core.offer import TERMS, identity
from gpuledger.core.store import sql
from gpuledger.core.store.database import transaction

# Offers under the ids of this release: a ledger of an earlier one keeps its history under new ids.

_LOGS = ("price_change", "stock_change")


def renew_ids(connection: duckdb.DuckDBPyConnection) -> int:
    """Give every offer the id that its terms have in this release, note the former one, and join offers of one source
    that differed in case or in invisible characters alone; only inside a transaction. Returns how many changed."""
    count = _note_former_ids(connection, "offer")
    if count:
        for table in ("offer", "offer_current"):
            connection.execute(
                f"update {table} set offer_id = former.offer_id from former_offer_id as former"
                f" where {table}.offer_id = former.former_id"
            )
        _join_doubled(connection)
    return count


def renew_arriving(connection: duckdb.DuckDBPyConnection) -> None:
    """The same for what machines of an earlier release appended to a shared log: rows of temporary tables
    `shared_offer` and so on, as `gpuledger.core.store.shared.follow` stages them."""
    _note_former_ids(connection, "shared_offer")
    row = sql.first(connection, "select count(*) from former_offer_id")
    if row and row[0]:
        for table in ("offer", *_LOGS):
            connection.execute(
                f"update shared_{table} set offer_id = former.offer_id from former_offer_id as former"
                f" where shared_{table}.offer_id = former.former_id"
            )


def _note_former_ids(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    rows = connection.execute(f"select distinct offer_id, {', '.join(TERMS)} from {table}").fetchall()
    changed = [(former, new) for former, *terms in rows if (new := identity(*terms)) != former]
    if changed:
        connection.execute(
            "insert into former_offer_id select former_id, offer_id from ("
            " select unnest($former::varchar[]) as former_id, unnest($new::varchar[]) as offer_id) as noted"
            " where former_id not in (select former_id from former_offer_id)",
            {"former": [former for former, _ in changed], "new": [new for _, new in changed]},
        )
    return len(changed)


def _join_doubled(connection: duckdb.DuckDBPyConnection) -> None:
    """Two offers that are one now: the logs of the later one go on in the first; of two rows at one time the lower
    price stands."""
    connection.execute(
        "create or replace temp table joined_offer as"
        " select offer_no, min(offer_no) over (partition by source, offer_id) as first_no from offer"
        " qualify offer_no <> first_no"
    )
    row = sql.first(connection, "select count(*) from joined_offer")
    if not row or not row[0]:
        return
    # That one spelling went is no withdrawal of the offer.
    for table, is_absence in (
        ("price_change", "amount is null"),
        ("stock_change", "availability = 'unlisted'"),
    ):
        connection.execute(
            f"delete from {table} where {is_absence} and offer_no in (select offer_no from joined_offer)"
        )
        connection.execute(
            f"update {table} set offer_no = joined.first_no from joined_offer as joined"
            f" where {table}.offer_no = joined.offer_no"
        )
    ranks = {"price_change": "amount nulls last", "stock_change": "run_no desc"}
    for table, rank in ranks.items():
        connection.execute(
            f"delete from {table} using (select rowid as row_no from {table}"
            " where offer_no in (select first_no from joined_offer)"
            f" qualify row_number() over (partition by offer_no, observed_at order by {rank}) > 1) as doubled"
            f" where {table}.rowid = doubled.row_no"
        )
    connection.execute(
        "delete from price_change using (select rowid as row_no from price_change"
        " where offer_no in (select first_no from joined_offer)"
        " qualify row(amount, upfront_amount, currency, unit) is not distinct from"
        " lag(row(amount, upfront_amount, currency, unit)) over (partition by offer_no order by observed_at)"
        ") as repeated where price_change.rowid = repeated.row_no"
    )
    connection.execute(
        "update offer_current set changed_at = last.observed_at, amount = last.amount,"
        " upfront_amount = last.upfront_amount, currency = last.currency, unit = last.unit,"
        " effective_at = last.effective_at, run_no = last.run_no, document_no = last.document_no from ("
        " select * from price_change where offer_no in (select first_no from joined_offer)"
        " qualify row_number() over (partition by offer_no order by observed_at desc) = 1) as last"
        " where offer_current.offer_no = last.offer_no"
    )
    connection.execute(
        "update offer_current set availability = last.availability, stock_changed_at = last.observed_at from ("
        " select * from stock_change where offer_no in (select first_no from joined_offer)"
        " qualify row_number() over (partition by offer_no order by observed_at desc) = 1) as last"
        " where offer_current.offer_no = last.offer_no"
    )
    for table in ("offer", "offer_current"):
        connection.execute(f"delete from {table} where offer_no in (select offer_no from joined_offer)")
    # Checkpoints and daily prices follow from the logs.
    connection.execute("delete from price_checkpoint")
    connection.execute("delete from derived")


IDENTITY = "2"
"""Version of the rule that gives offers their ids, `gpuledger.core.offer.identity`."""


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
        for name in sql.files("views"):
            connection.execute(sql.text(name))
        write_setting(connection, "reference", print_of_release)
        write_setting(connection, "relations", sql.relations())
        write_setting(connection, "duckdb", duckdb.__version__)


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


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> str | None:
    """A value that the ledger keeps by name."""
    row = sql.first(connection, "select value from ledger_setting where name = ?", [name])
    return row[0] if row else None


def write_setting(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    """Keep a value by name; only inside a transaction."""
    connection.execute("delete from ledger_setting where name = ?", [name])
    connection.execute("insert into ledger_setting values (?, ?)", [name, value])


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
    """One text for all rows, as for the aliases."""
    connection.execute("delete from source")
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
