"""The SQL page: a query and its parameters in the address, rows that sort, and the relations there are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from gpuledger import formats
from gpuledger.core.errors import StoreBusyError, UsageError
from gpuledger.web.page.frame import Made, snapshot_cache
from gpuledger.web.page.listings import saved
from gpuledger.web.page.state import Elsewhere, PageState, address, command_line, sql_text
from gpuledger.web.responses import csv_bytes, json_bytes, ledger_of

SHOWN_ROWS = 500
"""Of a query on the page; the CSV holds all."""
DRAWN_ROWS = 500
LONGEST = 20_000
_TOKEN = re.compile(r"'(?:[^']|'')*'|--[^\n]*|\"[^\"]*\"|\$([a-z_][a-z0-9_]*)")
STARTER = (
    "select provider, min(usd_per_gpu_hour) as usd\nfrom offer_latest\n"
    "where gpu_id = $gpu_id and purchase_option = 'on_demand'\ngroup by provider\norder by usd"
)


def parameters_of(text: str) -> list[str]:
    """Names of the `$parameters` of a query, outside of texts and comments, in their order."""
    return list(dict.fromkeys(match[1] for match in _TOKEN.finditer(text) if match[1]))


def filled(text: str, values: Mapping[str, str]) -> str:
    """A query with its parameters as SQL texts, which DuckDB casts to what is needed; an empty one is null.

    A price_id that is not given is that of some price.
    """

    def value(match: re.Match[str]) -> str:
        if not match[1]:
            return match[0]
        parameter_value = values.get(match[1], "")
        if not parameter_value and match[1] == "price_id":
            return "(select min(price_id) from offer_latest)"
        return sql_text(parameter_value) if parameter_value else "null"

    return _TOKEN.sub(value, text)


def examples(now: datetime) -> dict[str, str]:
    """What stands in a parameter's field until somebody edits it."""
    month_ago = (now - timedelta(days=30)).date().isoformat()
    return {
        "gpu_id": "h100-sxm-80gb",
        "as_of": month_ago,
        "since": month_ago,
        "until": (now + timedelta(days=1)).date().isoformat(),
        "month": now.date().replace(day=1).isoformat(),
        "max_rows": "50",
    }


def _query_of(request: Request, inputs: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The query and the values of its parameters."""
    text = inputs.get("q", "")
    if not text and inputs.get("saved"):
        named = next((question for question in saved() if question.name == inputs["saved"]), None)
        if named is None:
            raise UsageError(f"saved: no question {inputs['saved'][:60]!r}")
        text = named.text
    if len(text) > LONGEST:
        raise UsageError(f"q: {len(text)} characters, at most {LONGEST}")
    defaults = examples(ledger_of(request).clock())
    values = {
        name: inputs.get(
            f"p_{name}", "" if "run" in inputs and f"p_{name}" in inputs else defaults.get(name, "")
        )
        for name in parameters_of(text)
    }
    return text, values


def query(request: Request, state: PageState) -> Made:
    """The editor, the rows where it is run, the saved questions, and the relations with their columns."""
    inputs = state.inputs
    ledger = ledger_of(request)
    text, values = _query_of(request, inputs)
    content: dict[str, Any] = {
        "text": text or (STARTER if "run" not in inputs else text),
        "parameters": values if text else {"gpu_id": "h100-sxm-80gb"},
        "questions": saved(),
        "relations": _relations(snapshot_cache(request).look_up(ledger, "relations", ledger.relations)),
        "columns": [],
        "rows": None,
        "total": 0,
    }
    if "run" not in inputs:
        return Made(ledger.edition, content, Elsewhere())
    try:
        rows = ledger.query(filled(text, values))
    except (UsageError, StoreBusyError) as error:
        return Made(ledger.edition, content | {"wrong": str(error)}, Elsewhere())
    columns = list(rows[0]) if rows else []
    ordered = _sorted(rows, columns, inputs.get("sort", ""))
    is_number = [_is_number([row[name] for row in rows]) for name in columns]
    shown = _aligned([[_cell(value) for value in row.values()] for row in ordered[:SHOWN_ROWS]], is_number)
    drawn = [[_plain(value) for value in row.values()] for row in ordered[:DRAWN_ROWS]]
    content |= {
        "columns": [
            (
                name,
                is_number[at],
                _sort_of(inputs.get("sort", ""), at),
                state.here(sort=_next_sort(inputs.get("sort", ""), at, is_number[at])),
            )
            for at, name in enumerate(columns)
        ],
        "numbers": is_number,
        "rows": shown,
        "total": len(rows),
        "can_draw": len(rows) > 1 and any(is_number) and not all(is_number),
        "data": Markup(json_bytes({"columns": columns, "rows": drawn}).decode().replace("<", "\\u003c")),
        "csv": address(
            "/sql.csv", {name: value for name, value in inputs.items() if name not in ("sort", "run")}
        ),
    }
    whole = filled(text, values)
    return Made(
        ledger.edition,
        content,
        Elsewhere(command_line("sql", whole), address("/v1/sql", {"q": whole}), whole),
    )


def query_file(request: Request) -> Response:
    """All rows of the query as CSV."""
    inputs = dict(request.query_params.items())
    text, values = _query_of(request, {**inputs, "run": "1"})
    rows = ledger_of(request).query(filled(text, values))
    headers = {"content-disposition": 'attachment; filename="gpuledger.csv"', "cache-control": "no-store"}
    return Response(csv_bytes(rows), media_type="text/csv; charset=utf-8", headers=headers)


def _relations(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    made: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        made.setdefault(row["relation"], []).append(row)
    first = ("offer_latest", "price_history", "gpu_price_index", "gpu", "price_daily", "provider_status")
    return sorted(
        made.items(), key=lambda item: (first.index(item[0]) if item[0] in first else len(first), item[0])
    )


def _sorted(rows: Sequence[Mapping[str, Any]], columns: list[str], sort: str) -> list[Mapping[str, Any]]:
    place = sort.removeprefix("-")
    names = {str(number): name for number, name in enumerate(columns)}
    if place not in names:
        return list(rows)
    name = names[place]
    there = [row for row in rows if row[name] is not None]
    try:
        there.sort(key=lambda row: row[name], reverse=sort.startswith("-"))
    except TypeError:
        there.sort(key=lambda row: str(row[name]), reverse=sort.startswith("-"))
    return [*there, *(row for row in rows if row[name] is None)]


def _sort_of(sort: str, at: int) -> str:
    return "descending" if sort == f"-{at}" else "ascending" if sort == str(at) else ""


def _next_sort(sort: str, at: int, is_number: bool) -> str:
    if sort in (str(at), f"-{at}"):
        return str(at) if sort.startswith("-") else f"-{at}"
    return f"-{at}" if is_number else str(at)


def _is_number(values: Sequence[Any]) -> bool:
    there = [value for value in values if value is not None]
    return bool(there) and all(
        isinstance(value, (int, float, Decimal)) and not isinstance(value, bool) for value in there
    )


def _aligned(rows: Sequence[Sequence[str]], is_number: Sequence[bool]) -> list[list[tuple[str, str]]]:
    """Each cell with what has to follow it, unseen, so that the decimal points of a column of numbers stand below each
    other; the number itself stays as it is."""
    tails = [[_after_units(cell) if is_number[at] else "" for at, cell in enumerate(row)] for row in rows]
    widest = [max(column, key=len) for column in zip(*tails, strict=True)]
    return [
        [
            (cell, re.sub(r"\d", "0", widest[at][len(tail) :]) if cell else "")
            for at, (cell, tail) in enumerate(zip(row, row_tails, strict=True))
        ]
        for row, row_tails in zip(rows, tails, strict=True)
    ]


def _after_units(number: str) -> str:
    """`.25` of `1.25`."""
    return number[number.index(".") :] if "." in number else ""


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if value is None or isinstance(value, (int, float)):
        return value
    return _cell(value)[:80]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        return json_bytes(value).decode()
    return str(value if isinstance(value, (str, int, float)) else formats.plain(value))
