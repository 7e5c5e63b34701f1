"""`docs/data.md`, written from the comments of the database: `python -m tools.docs.data_page > docs/data.md`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from gpuledger.core.store import sql
from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.migrate import migrate
from gpuledger.core.store.publish import publish, reading

HEAD = """# Data

Every snapshot is a DuckDB file with these relations; `gpuledger sql "..."` reads the newest one, `gpuledger export`
writes it as Parquet or as a plain DuckDB file. Written from the comments in the database by `make docs`; a test holds
it to them. Money is `DECIMAL(18,6)`, instants are UTC `TIMESTAMPTZ`.

The public relations come first. They stay as they are within a major release; a column may be added.
Questions that analysts ask are saved in `sql/queries/question_*.sql`.
"""

PUBLIC = (
    "offer_latest",
    "offers_as_of",
    "price_history",
    "price_history_of",
    "price_daily",
    "price_daily_of",
    "gpu_price_index",
    "provider_status",
    "data_quality",
    "focus_sku_price",
)


def page() -> str:
    """The page as Markdown, from an empty ledger of this release."""
    with TemporaryDirectory(prefix="gpuledger-") as folder:
        home = Home(Path(folder) / "home")
        with turn(home):
            with writing(home) as connection:
                migrate(connection, sources=(), aliases=())
            publish(home, now=datetime(2026, 1, 1, tzinfo=UTC))
        with reading(home) as connection:
            return HEAD + "".join(_sections(connection))


def _sections(connection: duckdb.DuckDBPyConnection) -> list[str]:
    relations: list[tuple[str, str | None]] = connection.execute(
        "select table_name, comment from duckdb_tables() where not internal"
        " union all select view_name, comment from duckdb_views() where not internal order by 1"
    ).fetchall()
    macros: list[tuple[str, Sequence[str], str | None]] = connection.execute(
        "select function_name, parameters, comment from duckdb_functions()"
        " where function_type in ('table_macro', 'macro') and schema_name = 'main' and not internal order by 1"
    ).fetchall()
    found = {name: _relation(connection, name, comment) for name, comment in relations}
    found |= {name: _macro(name, parameters, comment) for name, parameters, comment in macros}
    others = [name for name in found if name not in PUBLIC]
    return [
        "\n## Public relations\n",
        *(found[name] for name in PUBLIC),
        "\n## Tables and functions behind them\n",
        *(found[name] for name in sorted(others)),
        "\n## Saved questions\n\n| File | One row is | Parameters |\n|---|---|---|\n",
        *(_question(name) for name in sql.files("queries") if "/question_" in name),
    ]


def _relation(connection: duckdb.DuckDBPyConnection, name: str, comment: str | None) -> str:
    columns: list[tuple[str, str, str | None]] = connection.execute(
        "select column_name, data_type, comment from duckdb_columns() where table_name = ? order by column_index",
        [name],
    ).fetchall()
    rows = "".join(f"| {column} | {kind.lower()} | {_cell(said)} |\n" for column, kind, said in columns)
    return f"\n### {name}\n\n{_cell(comment)}\n\n| Column | Type | What it says |\n|---|---|---|\n{rows}"


def _macro(name: str, parameters: Sequence[str], comment: str | None) -> str:
    return f"\n### {name}({', '.join(parameters)})\n\n{_cell(comment)}\n"


def _question(name: str) -> str:
    head = [line.removeprefix("-- ") for line in sql.text(name).splitlines() if line.startswith("--")]
    said = " ".join(head).removeprefix("grain: ")
    grain, _, parameters = said.partition(" parameters: ")
    return f"| `{name.rpartition('/')[2]}.sql` | {_cell(grain)} | {_cell(parameters)} |\n"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.write(page())
