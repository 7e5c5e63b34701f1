"""Answers with what every one of them says: the snapshot, how new it is, and whether prices in it are
stale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gpuledger.core.store.snapshot_pool import Edition
from gpuledger.ledger import Ledger
from gpuledger.web.formats import TYPE_OF, FormatName, csv_bytes, json_bytes, negotiated, parquet_bytes

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


def headers_of(edition: Edition, at: datetime, stale: int = 0) -> dict[str, str]:
    """What is said of the snapshot: `ETag`, `Last-Modified`, and `Warning` where prices are stale."""
    headers = {
        "etag": f'W/"{edition.version(at)}"',
        "x-gpuledger-snapshot": str(edition.number),
        "cache-control": "no-cache",
        "vary": "accept, authorization",
    }
    if edition.last_observed_at is not None:
        headers["last-modified"] = format_datetime(edition.last_observed_at, usegmt=True)
    if stale:
        headers["warning"] = f'110 gpuledger "{stale} prices here are past their freshness target"'
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
    headers = headers_of(edition, ledger_of(request).clock(), answer.stale) | {
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
