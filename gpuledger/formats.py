"""Values as every face writes them: JSON and CSV for programs, ages, dollars and sizes for people.

Strings in a result may be a stranger's: no control character reaches a terminal or a page, no formula a spreadsheet.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, cast

from gpuledger.core.count import hours_text

Row = Mapping[str, Any]
hours = hours_text


class ReportForm(StrEnum):
    """What a quote can be written as, to paste or to hand on."""

    MD = "md"
    HTML = "html"
    INFRACOST = "infracost"

    @property
    def media_type(self) -> str:
        """As HTTP names the form."""
        return {"md": "text/markdown", "html": "text/html", "infracost": "application/yaml"}[self.value]


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


def count(value: float | None) -> str:
    """A count as people write it: `600`, `20M`, `1.4T`."""
    if value is None:
        return ""
    for scale, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if value >= scale:
            return f"{value / scale:.4g}{letter}"
    return f"{value:,.0f}"


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


def digits(value: Any) -> str:
    """The same as programs read it: nothing parts the thousands."""
    return number(value).replace(",", "")


def flat(row: Row, prefix: str = "") -> dict[str, Any]:
    """A row whose values are single ones: `usd_total_mid` for what is nested, `lines_gpu_time_usd` for a list of named
    objects, texts parted by `; ` for other lists."""
    out: dict[str, Any] = {}
    for name, value in row.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            out |= flat(cast("Row", value), f"{key}_")
        elif isinstance(value, (list, tuple)):
            out |= _flat_list(key, cast("Sequence[Any]", value))
        else:
            out[key] = value
    return out


def _flat_list(key: str, values: Sequence[Any]) -> dict[str, Any]:
    tables = [cast("Row", value) for value in values if isinstance(value, Mapping)]
    if tables and all("name" in table for table in tables):
        out: dict[str, Any] = {}
        for table in tables:
            rest = {name: value for name, value in table.items() if name != "name"}
            out |= flat(rest, f"{key}_{table['name']}_")
        return out
    return {key: "; ".join(_in_words(value) for value in values)}


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{name} {_in_words(one)}" for name, one in cast("Row", value).items() if one is not None
        )
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_in_words, cast("Sequence[Any]", value)))
    return str(plain(value)) if isinstance(value, (Decimal, datetime, timedelta)) else str(value)


def csv_text(rows: Sequence[Row]) -> str:
    """CSV with a header of all keys, in which no cell is a formula, nor anything nested."""
    import csv
    import io

    out = io.StringIO()
    tables = list(map(flat, rows))
    names = list(dict.fromkeys(name for row in tables for name in row))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([_csv_cell(name) for name in names])
    for row in tables:
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
    return str(plain(value))
