# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Rows as JSON, CSV or Parquet, by the `Accept` header or `?format=`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gpuledger import formats
from gpuledger.web.problems import ProblemError

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
