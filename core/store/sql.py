"""Find the text of `sql/` and run it with named parameters."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import duckdb

from gpuledger.core.errors import StoreError

FOLDER = Path(__file__).resolve().parents[2] / "sql"
"""Beside `core/` in a checkout and in a wheel alike. Never `import sql`: strangers install a package of that
name."""


@lru_cache(maxsize=256)
def text(name: str) -> str:
    """The text of `sql/<name>.sql`, such as `queries/offers`."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def files(kind: str) -> list[str]:
    """Names of a folder of `sql/` for `text`, in the order of their numbers.

    Raises:
        StoreError: none there, so the installation is broken.
    """
    found = [f"{kind}/{path.stem}" for path in sorted((FOLDER / kind).glob("*.sql"))]
    if not found:
        raise StoreError(f"no SQL of kind {kind!r} in {FOLDER}: the installation is incomplete")
    return found


@cache
def relations() -> str:
    """A checksum of what this release's queries read from: the tables and views that it makes.

    Of `zlib`: every command computes it, and loading `hashlib` takes longer than all of it.
    """
    checksum = 0
    for name in (*files("migrations"), *files("views"), *files("publish")):
        checksum = zlib.crc32(f"{name}\0{text(name)}\0".encode(), checksum)
    return f"{checksum:08x}"


def rows(
    connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of one query as dictionaries by column."""
    cursor = connection.execute(text(name), dict(parameters or {}))
    columns = [column[0] for column in cursor.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
