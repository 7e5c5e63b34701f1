"""A snapshot in forms that other programs read: Parquet, one file a month, and a plain DuckDB file."""

from __future__ import annotations

from pathlib import Path

import duckdb

from gpuledger.core.errors import StoreError
from gpuledger.core.store import sql

WHOLE = ("offer_latest", "gpu_price_index", "provider_status", "data_quality", "focus_sku_price")
"""Relations that are one Parquet file each; `price_history` is one a month, by its `valid_from`."""


def export_parquet(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[Path]:
    """Write the public relations; returns the files.

    Raises:
        StoreError: the folder cannot be written.
    """
    months: list[tuple[str]] = connection.execute(sql.text("export/months")).fetchall()
    files: list[Path] = []
    try:
        (folder / "price_history").mkdir(parents=True, exist_ok=True)
        connection.execute(sql.text("export/exported_history"))
        for (month,) in months:
            files.append(folder / "price_history" / f"{month}.parquet")
            connection.execute(
                "copy (select * from exported_history where strftime(valid_from, '%Y-%m') = $month) to $path"
                " (format parquet, compression zstd)",
                {"path": str(files[-1]), "month": month},
            )
        for name in WHOLE:
            files.append(folder / f"{name}.parquet")
            connection.execute(
                f"copy (select * from {name}) to $path (format parquet, compression zstd)",
                {"path": str(files[-1])},
            )
    except (OSError, duckdb.Error) as error:
        raise StoreError(f"cannot export to {folder}: {error}") from error
    return files


def export_duckdb(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Write the public relations as tables of a new DuckDB file; returns their names.

    Raises:
        StoreError: the file is there already, or cannot be written.
    """
    if path.exists():
        raise StoreError(f"{path} is there already; an export does not overwrite")
    names = ["price_history", *WHOLE]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection.execute(f"attach {sql.literal(str(path))} as exported (read_write)")
        try:
            for name in names:
                connection.execute(f"create table exported.{name} as select * from {name}")
        finally:
            connection.execute("detach exported")
    except (OSError, duckdb.Error) as error:
        raise StoreError(f"cannot export to {path}: {error}") from error
    return names
