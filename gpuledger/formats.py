"""Values as every face writes them: JSON and CSV for programs, ages, dollars and sizes for people.

Strings in a result may be a stranger's: no control character reaches a terminal or a page, no formula a spreadsheet.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]


def plain(value: Any) -> Any:
    """What JSON does not know: decimals as strings without exponent, instants in UTC with a `Z`."""
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text
    if isinstance(value, datetime):
        return (
            (value if value.tzinfo else value.replace(tzinfo=UTC))
            .astimezone(UTC)
            .isoformat()
            .replace("+00:00", "Z")
        )
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON with money as decimal strings and instants in UTC; what is not a number becomes null."""
    try:
        return json.dumps(value, default=plain, indent=indent, allow_nan=False)
    except (TypeError, ValueError):
        return json.dumps(_for_json(value), default=plain, indent=indent, allow_nan=False)


def _for_json(value: Any) -> Any:
    """SQL has not-a-number, infinity and maps with any key; JSON has neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        items: Any = value.items()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return {key if isinstance(key, str) else str(plain(key)): _for_json(one) for key, one in items}
    if isinstance(value, (list, tuple)):
        entries: Any = value  # pyright: ignore[reportUnknownVariableType]
        return [_for_json(entry) for entry in entries]
    return value


def clean(text: str, limit: int | None = 200) -> str:
    """A stranger's text for a terminal: printable characters only, and not too many."""
    stored = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return stored if limit is None or len(stored) <= limit else f"{stored[: limit - 1]}…"


def age(value: timedelta | None) -> str:
    """How long ago, as people say it: `12 min`, `5 h`, `3 d`, `8 mo`."""
    if value is None:
        return ""
    seconds = value.total_seconds()
    if seconds < 60:
        return "now"
    for limit, unit, name in (
        (5400, 60, "min"),
        (172_800, 3600, "h"),
        (5_184_000, 86_400, "d"),
        (63_072_000, 2_629_800, "mo"),
    ):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{seconds / 31_557_600:.1f} y"


def dollars(value: Decimal | None) -> str:
    """Two to four decimals, as price lists print them."""
    if value is None:
        return "?"
    text = f"{value:,.4f}"
    return text[:-2] if text.endswith("00") else text.rstrip("0")


def number(value: Any) -> str:
    """A count or size without needless decimals."""
    if value is None:
        return ""
    return f"{Decimal(str(value)).normalize():,f}"


def csv_text(rows: Sequence[Row]) -> str:
    """CSV with a header of all keys, in which no cell is a formula."""
    import csv
    import io

    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_csv_cell(name) for name in names])
    for row in rows:
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    return out.getvalue()


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # A spreadsheet would run these as formulas; a terminal would obey control characters.
        text = clean(value, limit=None)
        return f"'{text}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else text
    if isinstance(value, (bool, int, float)):
        return str(value)
    if isinstance(value, (list, dict)):
        return json_text(value)
    return str(plain(value))
