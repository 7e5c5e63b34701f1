"""Write what is on sale in the form of another program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from gpuledger.core.errors import StoreError, UsageError
from gpuledger.core.provider import instance_shape
from gpuledger.core.store import sql
from gpuledger.exports import catalogues, tables
from gpuledger.ledger import Ledger

Form = Literal["parquet", "duckdb", "skypilot", "gpuhunt", "dstack", "opencost", "focus", "prometheus"]
FORMS: tuple[str, ...] = get_args(Form)


def export(
    ledger: Ledger, path: Path, form: str | None = None
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Write the newest snapshot; returns a row per file or table, and how many offers were left out by reason.

    Args:
        path: a folder for `parquet`, `skypilot` and `gpuhunt`, else a file.
        form: one of `FORMS`; `duckdb` where the path ends so, else `parquet`.

    Raises:
        StoreError: it cannot be written.
        UsageError: no such form.
    """
    form = form or ("duckdb" if path.suffix == ".duckdb" else "parquet")
    if form not in FORMS:
        raise UsageError(f"--as: {form!r} is none of {', '.join(FORMS)}")
    try:
        if form in ("parquet", "duckdb"):
            return _relations(ledger, path, form), {}
        files, left = _offers(ledger, path, form)
    except OSError as error:
        raise StoreError(f"cannot write {error.filename or path}: {error.strerror}") from error
    return [{"file": str(file)} for file in files], dict(left)


def _relations(ledger: Ledger, path: Path, form: str) -> list[dict[str, Any]]:
    from gpuledger.core.store.export import export_duckdb, export_parquet

    with ledger.connect() as connection:
        if form == "duckdb":
            return [{"table": name} for name in export_duckdb(connection, path)]
        return [{"file": str(file)} for file in export_parquet(connection, path)]


def _offers(ledger: Ledger, path: Path, form: str) -> tuple[list[Path], Counter[str]]:
    if form == "focus":
        with ledger.connect() as connection:
            return tables.focus(sql.rows(connection, "export/focus"), path)
    rows = [_with_host(row) for row in ledger.offers()]
    at = ledger.clock()
    writers: dict[str, Callable[[], tuple[list[Path], Counter[str]]]] = {
        "skypilot": lambda: catalogues.skypilot(rows, path),
        "gpuhunt": lambda: catalogues.gpuhunt(rows, path, at=at),
        "dstack": lambda: catalogues.dstack(rows, path),
        "opencost": lambda: tables.opencost(rows, path, at=at),
        "prometheus": lambda: tables.prometheus(rows, path),
    }
    return writers[form]()


def _with_host(row: dict[str, Any]) -> dict[str, Any]:
    """The offer with processors and memory of its machine, where the seeds know it and the source did not say."""
    shape = instance_shape(row["provider"], row["instance_type"])
    if shape is None or (row["vcpus"] is not None and row["memory_gib"] is not None):
        return row
    return row | {"vcpus": row["vcpus"] or shape.vcpus, "memory_gib": row["memory_gib"] or shape.memory_gib}
