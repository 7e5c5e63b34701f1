"""The Parquet files of a release: price events by month, the offers on sale, the index and its votes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gpuledger.core.price_index import METHOD_VERSION
from gpuledger.core.store import sql
from gpuledger.release.layout import INDEX, OFFERS, PRICES

if TYPE_CHECKING:
    import duckdb

INDEX_FILE = f"{INDEX}/v{METHOD_VERSION}.parquet"
VOTES_FILE = f"{INDEX}/v{METHOD_VERSION}_votes.parquet"

_FORMAT = "(format parquet, compression zstd, compression_level 9, row_group_size 122880)"


def begin_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Say what a price event is; returns how many each month has."""
    connection.execute(sql.text("release/price_event"))
    return dict(connection.execute(sql.text("release/price_event_months")).fetchall())


def month_file(month: str) -> str:
    """Path of a month's events in a release."""
    return f"{PRICES}/{month}.parquet"


def write_month(
    connection: duckdb.DuckDBPyConnection,
    month: str,
    target: Path,
    *,
    late: tuple[list[str], list[Path]] | None,
) -> int:
    """Write a month's events; returns how many.

    Args:
        late: months that are closed but lack events, and all closed files: what came for them since goes into this
            month's file, with its own times.
    """
    rows_sql = "select * exclude (month) from price_event($from_at::timestamptz, $to_at::timestamptz)"
    named: dict[str, object] = dict(zip(("from_at", "to_at"), _bounds(month), strict=True))
    if late is not None and late[0]:
        rows_sql += (
            " union all select event.* exclude (month)"
            " from price_event($late_from_at::timestamptz, $late_to_at::timestamptz) as event"
            " anti join read_parquet($files) as known using (source, offer_id, observed_at)"
            " where list_contains($late, event.month)"
        )
        named |= {"late": late[0], "files": [str(path) for path in late[1]]}
        named |= {"late_from_at": _bounds(min(late[0]))[0], "late_to_at": _bounds(max(late[0]))[1]}
    order = "order by gpu_id, provider, source, offer_id, observed_at"
    return _copy(connection, f"{rows_sql} {order}", target, named)


def _bounds(month: str) -> tuple[str, str]:
    """When a month begins and ends, as SQL has it."""
    year, number = (int(part) for part in month.split("-"))
    after = f"{year + number // 12:04}-{number % 12 + 1:02}"
    return f"{month}-01 00:00:00+00", f"{after}-01 00:00:00+00"


def rows_by_month(connection: duckdb.DuckDBPyConnection, files: list[Path]) -> dict[str, int]:
    """How many events of each month the files hold."""
    if not files:
        return {}
    text = "select strftime(observed_at, '%Y-%m'), count(*) from read_parquet($files) group by all"
    return dict(connection.execute(text, {"files": [str(path) for path in files]}).fetchall())


def write_whole_files(connection: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[tuple[str, int]]:
    """Write the files that every release has anew; yields path and rows of each."""
    (folder / INDEX).mkdir(exist_ok=True)
    votes = "select * from gpu_vote_day order by gpu_id, purchase_option, segment nulls first, price_date, provider"
    index = "select * from gpu_price_index order by gpu_id, purchase_option, segment nulls first, price_date"
    for path, text in ((OFFERS, sql.text("release/current_offer")), (INDEX_FILE, index), (VOTES_FILE, votes)):
        yield path, _copy(connection, text.rstrip().rstrip(";"), folder / path, {})


def _copy(connection: duckdb.DuckDBPyConnection, text: str, target: Path, named: dict[str, object]) -> int:
    temporary = target.with_name(f".{target.name}.new")
    rows = connection.execute(f"copy ({text}) to {sql.literal(str(temporary))} {_FORMAT}", named).fetchall()
    temporary.replace(target)
    return rows[0][0]
