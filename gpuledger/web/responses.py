# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Answers as JSON, CSV or Parquet, with what every one of them says: the snapshot, how new it is, and whether
prices in it are stale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from gpuledger import formats
from gpuledger.core.count import counted
from gpuledger.core.store.snapshot_pool import Edition
from gpuledger.ledger import Ledger
from gpuledger.web.problems import ProblemError

# Rows as JSON, CSV or Parquet, by the `Accept` header or `?format=`.

FormatName = Literal["json", "csv", "parquet"]
MEDIA_TYPES: dict[str, FormatName] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
}
TYPE_OF: dict[FormatName, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


def negotiated(accept: str | None, request: FormatName | None) -> FormatName:
    """The format that a request wants; `?format=` wins, for links that people click.

    Raises:
        ProblemError: none of the types named is on offer.
    """
    if request is not None:
        return request
    if not accept:
        return "json"
    ranked: list[tuple[float, int, FormatName]] = []
    for position, part in enumerate(accept.split(",")):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = next((_quality(text[2:]) for text in parameters if text.startswith("q=")), 1.0)
        result = MEDIA_TYPES.get(name)
        if name in ("*/*", "application/*"):
            result = "json"
        elif name == "text/*":
            result = "csv"
        if result is not None and quality > 0:
            ranked.append((-quality, position, result))
    if not ranked:
        raise ProblemError(
            406, "not-acceptable", f"accept: {accept[:80]!r} names none of {', '.join(MEDIA_TYPES)}"
        )
    return min(ranked)[2]


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def json_bytes(value: Any) -> bytes:
    """JSON with money as decimal strings and instants in UTC."""
    return formats.json_text(value).encode()


def csv_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """CSV in which no cell is a formula."""
    return formats.csv_text(rows).encode()


def parquet_bytes(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One Parquet file, zstd."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pa.table({name: _array([row.get(name) for row in rows]) for name in names})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _array(values: Sequence[Any]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # rows of SQL may hold what a column cannot: mixed types become their text
        return pa.array([None if value is None else str(formats.plain(value)) for value in values])


SIZES = ("gpu_count", "gpu_memory_gib", "vcpus", "memory_gib", "term_months")
"""Decimals that are sizes and not money: numbers in JSON."""


STALE = ("stale", "unlisted", "lapsed")
"""States of a price that nobody should take for today's without looking."""


def ledger_of(request: Request) -> Ledger:
    """The ledger that answers the request."""
    return request.app.state.ledger


def is_stale(rows: Sequence[Mapping[str, Any]]) -> int:
    """How many rows rest on a price that is past its freshness target or no longer listed."""
    return sum(row.get("price_state") in STALE for row in rows)


def headers_of(edition: Edition, at: datetime, stale: int = 0, noun: str = "price") -> dict[str, str]:
    """What is said of the snapshot: `ETag`, `Last-Modified`, and `Warning` where prices or sources are stale."""
    headers = {
        "etag": f'W/"{edition.version(at)}"',
        "x-gpuledger-snapshot": str(edition.number),
        "cache-control": "no-cache",
        "vary": "accept, authorization",
    }
    if edition.last_observed_at is not None:
        headers["last-modified"] = format_datetime(edition.last_observed_at, usegmt=True)
    if stale:
        headers["warning"] = f'110 gpuledger "{counted(stale, noun)} here past the freshness target"'
    return headers


@dataclass(frozen=True)
class Listing:
    """Rows and what is said of them."""

    name: str
    rows: Sequence[Mapping[str, Any]]
    total: int
    next_cursor: str | None = None
    stale: int = 0
    more: Mapping[str, Any] | None = None


def listing(request: Request, edition: Edition, answer: Listing, format: FormatName | None) -> Response:
    """Rows as the request wants them; JSON comes with the snapshot, the total and the next page's cursor."""
    kind = negotiated(request.headers.get("accept"), format)
    noun = "source" if answer.name == "sources" else "price"
    headers = headers_of(edition, ledger_of(request).clock(), answer.stale, noun) | {
        "x-total-count": str(answer.total)
    }
    if answer.next_cursor is not None:
        following = request.url.include_query_params(cursor=answer.next_cursor)
        headers["link"] = f'<{following.path}?{following.query}>; rel="next"'
    if kind == "json":
        content = json_bytes(
            {
                "snapshot": edition.number,
                "total": answer.total,
                **(answer.more or {}),
                answer.name: [sized(row) for row in answer.rows],
                "next_cursor": answer.next_cursor,
            }
        )
    else:
        content = csv_bytes(answer.rows) if kind == "csv" else parquet_bytes(answer.rows)
        headers["content-disposition"] = f'attachment; filename="{answer.name}-{edition.number:06d}.{kind}"'
    return Response(content, headers=headers, media_type=TYPE_OF[kind])


def one(
    edition: Edition, at: datetime, content: Mapping[str, Any], *, stale: int = 0, status: int = 200
) -> Response:
    """One object."""
    return Response(
        json_bytes(content), status, headers=headers_of(edition, at, stale), media_type="application/json"
    )


def sized(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose sizes are numbers; money stays decimal text."""
    return dict(row) | {name: _number(row[name]) for name in SIZES if row.get(name) is not None}


def _number(value: Any) -> int | float:
    number = float(value)
    return int(number) if number.is_integer() else number
