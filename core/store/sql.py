"""Find the text of `sql/` and run it with named parameters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import duckdb

from core.errors import StoreError

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
    """A hash of what this release's queries read from: the tables and views that it makes."""
    digest = hashlib.sha256()
    for name in (*files("migrations"), *files("views"), *files("publish")):
        digest.update(name.encode() + b"\0" + text(name).encode() + b"\0")
    return digest.hexdigest()


def rows(
    connection: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The rows of one query as dictionaries by column."""
    cursor = connection.execute(text(name), dict(parameters or {}))
    columns = [column[0] for column in cursor.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
