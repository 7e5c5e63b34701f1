"""Daily prices and the index over the bundled lists, shipped beside them: they follow from the lists, but to follow
them through thirteen years takes longer than a first question may.

They are taken for what a new ledger holds only when nothing that decides them differs: the lists, the rules, the
accelerators, the sources that prices are held to. Otherwise the days are derived, which gives the same rows.
"""

from __future__ import annotations

import hashlib
import inspect
from datetime import date
from pathlib import Path

import duckdb

from gpuledger.core import price_index
from gpuledger.core.store import index_days, sql

TABLES = ("gpu_price_day", "gpu_vote_day", "gpu_index_day", "price_end_day")
FOLDER = sql.FOLDER / "history" / "days"
KEY = FOLDER / "key.txt"
"""Fingerprint of what the files follow from, and the first day that they do not have."""


def fingerprint(connection: duckdb.DuckDBPyConnection) -> str:
    """Of everything that decides the days of the lists in a ledger."""
    digest = hashlib.sha256()
    for name in (*sql.files("derive"), *sql.files("views"), *sql.files("migrations")):
        digest.update(f"{name}\0{sql.text(name)}\0".encode())
    for module in (price_index, index_days):
        digest.update(inspect.getsource(module).encode())
    for row in connection.execute(sql.text("derive/days_follow_from")).fetchall():
        digest.update(repr(row).encode())
    return digest.hexdigest()


def take(connection: duckdb.DuckDBPyConnection, *, today: date) -> date | None:
    """Put the shipped days before today into a ledger, in the place of any that an earlier release derived; returns the
    first day that is missing then, or `None` where they are not for this ledger."""
    if not KEY.exists():
        return None
    key, until = KEY.read_text(encoding="ascii").split()
    stop = date.fromisoformat(until)
    if today < stop or key != fingerprint(connection):
        return None
    for table in TABLES:
        connection.execute(f"delete from {table}")
        connection.execute(
            f"insert into {table} by name select * from read_parquet($path)",
            {"path": str(FOLDER / f"{table}.parquet")},
        )
    return stop


def write(connection: duckdb.DuckDBPyConnection, folder: Path, *, until: date) -> None:
    """Write the days of a ledger that holds the bundled lists alone, to be shipped."""
    folder.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        connection.execute(
            f"copy (select * from {table} where price_date < $until order by all) to '{folder / table}.parquet'"
            " (format parquet, compression zstd, compression_level 19, row_group_size 1000000)",
            {"until": until},
        )
    (folder / KEY.name).write_text(f"{fingerprint(connection)} {until}\n", encoding="ascii")
