"""Results as a table for people, or as JSON, JSON lines, CSV or Markdown for programs."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from gpuledger.formats import Row, clean, csv_text, json_text, plain

Cell = TypeVar("Cell")


class Format(StrEnum):
    """Output formats; a table on a terminal is the default, else JSON lines for lists and JSON for one."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MD = "md"


@dataclass(frozen=True)
class Column:
    """One column of a table for people."""

    title: str
    key: str
    show: Callable[[Any], str] | None = None
    is_number: bool = False
    shed: int = 0
    """Where a terminal is too narrow columns leave it, the highest first as far as needed; 0 stays."""


def emit(
    result: Sequence[Row] | Row,
    format: Format | None = None,
    *,
    columns: Sequence[Column] | None = None,
    title: str | None = None,
) -> None:
    """Write a result to standard output.

    Args:
        result: rows of a list, or one object.
        columns: of the table; all keys without.
    """
    rows: list[Row] = [result] if isinstance(result, Mapping) else list(result)
    is_list = not isinstance(result, Mapping)
    chosen = format or _default(is_list)
    if chosen is Format.TABLE and is_list:
        if rows:
            _table(rows, columns, title)
        return
    if chosen is Format.TABLE:
        _records(rows)
        return
    text = {
        Format.JSON: lambda: json_text(rows if is_list else rows[0], indent=2) + "\n",
        Format.JSONL: lambda: "".join(json_text(row) + "\n" for row in rows),
        Format.CSV: lambda: csv_text(rows),
        Format.MD: lambda: _markdown(rows, columns or _columns(rows)),
    }[chosen]()
    sys.stdout.write(text)


def emit_in_blocks(
    rows: Sequence[Row], format: Format | None, label: Column, columns: Sequence[Column]
) -> None:
    """A table with more columns than a terminal has room for, as tables one below the other, each of which begins with
    the label. Nothing is hidden, and nothing is cut."""
    width = _terminal_columns() if sys.stdout.isatty() and format in (None, Format.TABLE) else None
    rest = list(columns)
    while rest:
        taken = len(rest)
        while width is not None and taken > 1:
            shown = [label, *rest[:taken]]
            if _needed(shown, _lines(rows, shown), longest=10_000) <= width:
                break
            taken -= 1
        emit(rows, format, columns=[label, *rest[:taken]])
        rest = rest[taken:]


def _default(is_list: bool) -> Format:
    if sys.stdout.isatty():
        return Format.TABLE
    return Format.JSONL if is_list else Format.JSON


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, dict)):
        return clean(json_text(value))
    return clean(str(plain(value)) if isinstance(value, (Decimal, datetime, timedelta)) else str(value))


def _columns(rows: Sequence[Row]) -> list[Column]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [
        Column(name, name, is_number=any(isinstance(row.get(name), (int, float, Decimal)) for row in rows))
        for name in names
    ]


def _cells(row: Row, columns: Sequence[Column]) -> list[str]:
    return [
        clean(column.show(row.get(column.key))) if column.show else _shown(row.get(column.key))
        for column in columns
    ]


def _table(rows: Sequence[Row], columns: Sequence[Column] | None, title: str | None) -> None:
    """A table as wide as the terminal at most: columns without a value go, then those that may be shed; a
    result whose columns nobody declared becomes one record below the other."""
    # Piped to a file the width is unknown: then no cell is wrapped.
    width = _terminal_columns() if sys.stdout.isatty() else None
    if columns is None:
        shown = _columns(rows)
        if width is not None and rows and _needed(shown, _lines(rows, shown)) > width:
            _records(rows)
            return
    else:
        filled = [column for column in columns if any(row.get(column.key) not in (None, "") for row in rows)]
        shown = filled or list(columns)
    lines = _lines(rows, shown)
    stored = list(range(len(shown))) if width is None else _fitting(shown, lines, width)
    left = [column.title for place, column in enumerate(shown) if place not in stored]
    shown, lines = _at_places(shown, stored), [_at_places(line, stored) for line in lines]
    _print_table(shown, lines, title, width)
    if left:
        sys.stdout.write(f"Hidden (too narrow): {', '.join(left)}.\n")


def _fitting(columns: Sequence[Column], lines: Sequence[Sequence[str]], width: int) -> list[int]:
    """Places of the columns that a terminal has room for, those that leave last tried first."""
    stored = [place for place, column in enumerate(columns) if not column.shed]
    others = [place for place, column in enumerate(columns) if column.shed]
    for place in sorted(others, key=lambda place: columns[place].shed):
        more = sorted([*stored, place])
        if _needed(_at_places(columns, more), [_at_places(line, more) for line in lines]) <= width:
            stored = more
    return stored


def _at_places(values: Sequence[Cell], places: Sequence[int]) -> list[Cell]:
    return [values[place] for place in places]


def _print_table(
    columns: Sequence[Column], lines: Sequence[Sequence[str]], title: str | None, width: int | None
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(
            escape(clean(column.title)),
            justify="right" if column.is_number else "left",
            no_wrap=column.is_number,
            overflow="fold",
        )
    for line in lines:
        table.add_row(*(escape(cell) for cell in line))
    Console(width=width or max(400, _needed(columns, lines, longest=10_000))).print(table)


def _terminal_columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


def wrapped(text: str) -> str:
    """A remark as wide as the terminal at most; what does not fit goes on, indented."""
    import textwrap

    if not sys.stdout.isatty():
        return text
    return "\n".join(textwrap.wrap(text, max(_terminal_columns(), 40), subsequent_indent="    ")) or text


def _lines(rows: Sequence[Row], columns: Sequence[Column]) -> list[list[str]]:
    return [_cells(row, columns) for row in rows]


WRAPPED = 48
"""Cells longer than this are sentences, which may be wrapped."""


def _needed(columns: Sequence[Column], lines: Sequence[Sequence[str]], longest: int = WRAPPED) -> int:
    """Terminal columns that the table takes where only long text is wrapped: three between two of its own,
    one at each edge."""
    from rich.cells import cell_len

    widest = (
        max(cell_len(clean(column.title)), *(min(cell_len(line[place]), longest) for line in lines), 0)
        for place, column in enumerate(columns)
    )
    return sum(widest) + 3 * (len(columns) - 1) + 2


def _records(rows: Sequence[Row]) -> None:
    """Each row as lines of name and value, parted by empty lines; what is nested in a row stands in a line."""
    import textwrap

    width = _terminal_columns() if sys.stdout.isatty() else 400
    for number, row in enumerate(rows):
        if number:
            sys.stdout.write("\n")
        longest = max((len(clean(name)) for name in row), default=0)
        for name, value in row.items():
            for place, one in enumerate(_cell_lines(value, width - longest)):
                head = f"{clean(name) if not place else '':<{longest}}  "
                text = clean(one, limit=2000)
                wrapped = textwrap.wrap(text, max(width - len(head), 20)) or [""]
                body = f"\n{' ' * len(head)}".join(wrapped)
                sys.stdout.write(f"{head}{body}".rstrip() + "\n")


def _cell_lines(value: Any, width: int) -> list[str]:
    """A value as lines: a list that does not fit in one has a line for each entry."""
    whole = _for_people(value)
    if isinstance(value, (list, tuple)) and len(whole) > width:
        return [_for_people(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return [whole]


def _for_people(value: Any) -> str:
    """A value in one line: numbers with six digits at most, what a mapping holds as `name value`."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_for_people(one)}" for name, one in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, (list, tuple)):
        return ", ".join(_for_people(one) for one in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e15 else f"{value:,.6g}"
    return _shown(value)


def _markdown(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    lines = [
        "| " + " | ".join(clean(column.title).replace("|", "\\|") for column in columns) + " |",
        "|" + "|".join("---:" if column.is_number else "---" for column in columns) + "|",
    ]
    lines += [
        "| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(row, columns)) + " |" for row in rows
    ]
    return "\n".join(lines) + "\n"
