"""Quantities as people write them, and as they are written for programs. People write counts (`20M`, `20 million`,
`1.4T`, `2e12`, `1_000_000`, `1,000,000`, `20 million tokens`), shares (`30%`), sizes (`2 TB`, `16GiB`) and times
(`3 d`, `90 min`, `3 h 42 min`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

MICRO = Decimal("0.000001")
"""Resolution of money in the ledger: DECIMAL(18,6)."""
SCALES = {
    "": 1.0,
    **dict.fromkeys(("k", "thousand", "thousands"), 1e3),
    **dict.fromkeys(("m", "mn", "mln", "mio", "million", "millions"), 1e6),
    **dict.fromkeys(("b", "bn", "bln", "billion", "billions"), 1e9),
    **dict.fromkeys(("t", "tn", "trn", "trillion", "trillions"), 1e12),
}
NOUNS = {
    "tokens": ("token", "tokens", "tok", "toks"),
    "samples": ("sample", "samples", "example", "examples", "row", "rows", "record", "records", "document",
                "documents"),
    "parameters": ("parameter", "parameters", "param", "params"),
    "gpus": ("gpu", "gpus"),
    "epochs": ("epoch", "epochs", "pass", "passes"),
}  # fmt: skip
"""What is counted, by a word in the name of a key: `training_tokens` counts tokens, and a number may say so."""
LONGEST = 40
"""Characters of a number; a longer one is no quantity."""
_DIGITS = r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,3})?)"
_COUNT = re.compile(
    rf"^{_DIGITS}(?:\s*[x×*]\s*10\s*(?:\^|\*\*)\s*(?P<power>[+-]?\d{{1,3}}))?\s*(?P<words>[a-z ]*)$"
)
_THREES = re.compile(r"^[1-9]\d{0,2}(?:([,' \u2009\u202f\u00a0\u2019])\d{3})(?:\1\d{3})*(?=[.\s]|[a-z]|$)")
"""Digits in threes, parted by commas, spaces or apostrophes; `0,500` may be a half."""
MAY_BE = " may be "
"""In an error: the text has two readings."""
_WHOLE = ("tokens", "samples", "parameters", "gpus")
_POINTED_THREES = re.compile(r"^[1-9]\d{0,2}\.\d{3}$")
"""As many people write thousands."""
_MEASURE = re.compile(rf"{_DIGITS}\s*(?P<unit>[a-z]*)\s*")

GB_PER_UNIT = {
    "b": 1e-9,
    "kb": 1e-6,
    "mb": 1e-3,
    "gb": 1.0,
    "tb": 1e3,
    "pb": 1e6,
    "kib": 2**10 / 1e9,
    "mib": 2**20 / 1e9,
    "gib": 2**30 / 1e9,
    "tib": 2**40 / 1e9,
    "pib": 2**50 / 1e9,
    **dict.fromkeys(("k", "kilobyte", "kilobytes"), 1e-6),
    **dict.fromkeys(("m", "megabyte", "megabytes"), 1e-3),
    **dict.fromkeys(("g", "gigabyte", "gigabytes"), 1.0),
    **dict.fromkeys(("t", "terabyte", "terabytes"), 1e3),
    **dict.fromkeys(("p", "petabyte", "petabytes"), 1e6),
}
GIB_PER_UNIT = {
    # cards of 24 GB are sold, and counted by drivers, as 24 GiB
    "mb": 2**-10,
    "gb": 1.0,
    "tb": 2.0**10,
    "mib": 2**-10,
    "gib": 1.0,
    "tib": 2.0**10,
    "g": 1.0,
}
HOURS_PER_UNIT = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1 / 3600),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 1 / 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 1.0),
    **dict.fromkeys(("d", "day", "days"), 24.0),
    **dict.fromkeys(("w", "wk", "wks", "week", "weeks"), 168.0),
    **dict.fromkeys(("mo", "month", "months"), 730.0),
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), 8760.0),
}


def count_from(text: str, key: str = "") -> float:
    """The number that a text means; k, M, B and T are thousands, millions, billions and trillions in any case, and so
    are the words.

    Args:
        key: name of what is counted, as in a plan; its noun may follow the number (`20 million tokens`).

    Raises:
        ValueError: anything else, among it `1,4T`, which may be 1.4 or 14, samples where tokens are counted, and
            `5.000` of what has no fractions, which may be 5 or 5000.
    """
    match = _COUNT.match(_folded(text))
    words = match["words"].split() if match else []
    scale = words.pop(0) if words and words[0] in SCALES else ""
    counted = next((name for name in NOUNS if name in key), "tokens" if key == "sequence_length" else "")
    other = next((name for name in NOUNS if words and words[0] in NOUNS[name]), "")
    if match is not None and counted and len(words) == 1 and other and other != counted:
        raise ValueError(f"{text[:LONGEST]!r} counts {other}; {key} counts {counted}")
    if match is not None and counted in _WHOLE and not scale and _POINTED_THREES.match(match["number"]):
        part, whole = f"{float(match['number']):g}", match["number"].replace(".", "")
        raise ValueError(f"{text[:LONGEST]!r}{MAY_BE}{part} or {whole}; write the one that is meant")
    if match is None or (words and (len(words) > 1 or words[0] not in NOUNS.get(counted, ()))):
        raise ValueError(
            f"{text[:LONGEST]!r} is no count, as in 20000, 20k, 20M, 20 million, 1.4T or 2e7{number_hint(text)}"
        )
    return float(match["number"]) * 10.0 ** int(match["power"] or 0) * SCALES[scale]


def number_hint(text: str) -> str:
    """What an error adds where a number is written as many people do: `1,5` or `1.000.000`."""
    if re.search(r"\d\.\d{3}[.,]\d", text):
        return "; thousands are parted by commas or spaces"
    return "; the sign of decimals is a point" if re.search(r"\d\s*,\s*\d", text) else ""


def share_from(text: str, key: str = "") -> float:
    """A share of one: `0.3` or `30%`.

    Raises:
        ValueError: anything else.
    """
    percent = text.strip().removesuffix("%")
    try:
        return count_from(percent) / 100 if percent != text.strip() else count_from(text, key)
    except ValueError:
        raise ValueError(f"{text[:LONGEST]!r} is no share, as in 0.3 or 30%{number_hint(text)}") from None


def gb_from(text: str) -> float:
    """A size in GB of 10^9 bytes: `2 TB`, `500 MB`, `16GiB`; GB without a unit.

    Raises:
        ValueError: anything else.
    """
    return _sum_of(text, GB_PER_UNIT, "gb", "a size, as in 500 GB or 2 TB")


def gib_from(text: str) -> float:
    """Memory of one card: `24`, `24GB` and `24 GiB` mean the card that is sold as 24 GB.

    Raises:
        ValueError: anything else.
    """
    return _sum_of(text, GIB_PER_UNIT, "gib", "a memory, as in 24 or 80GB")


def hours_from(text: str) -> float:
    """A time in hours: `72`, `3 d`, `90 min`, `3 h 42 min`; hours without a unit.

    Raises:
        ValueError: anything else.
    """
    return _sum_of(text, HOURS_PER_UNIT, "h", "a time, as in 72, 3 d or 90 min")


def minutes_from(text: str) -> float:
    """A time in minutes; minutes without a unit.

    Raises:
        ValueError: anything else.
    """
    return 60 * _sum_of(text, HOURS_PER_UNIT, "m", "a time, as in 12, 12 min or 90 s")


def days_from(text: str) -> float:
    """A time in days; days without a unit.

    Raises:
        ValueError: anything else.
    """
    return _sum_of(text, HOURS_PER_UNIT, "d", "a time, as in 30, 30 d or 6 weeks") / HOURS_PER_UNIT["d"]


def months_from(text: str) -> float:
    """A time in months of 730 hours; months without a unit.

    Raises:
        ValueError: anything else.
    """
    return _sum_of(text, HOURS_PER_UNIT, "mo", "a time, as in 6, 6 months or 1 year") / HOURS_PER_UNIT["mo"]


def _folded(text: str) -> str:
    lowered = text.strip().lower().replace("_", "")
    if len(lowered) > LONGEST:
        raise ValueError(f"not a number: {len(lowered)} characters")
    threes = _THREES.match(lowered)
    return lowered[: threes.end()].replace(threes[1], "") + lowered[threes.end() :] if threes else lowered


def _sum_of(text: str, units: dict[str, float], unit: str, what: str) -> float:
    """Numbers with units, one after the other; a single number may lack its unit."""
    folded = _folded(text)
    total, place, parts = 0.0, 0, 0
    while place < len(folded):
        match = _MEASURE.match(folded, place)
        is_bare = match is not None and not match["unit"]
        if match is None or (is_bare and (parts or match.end() < len(folded))):
            raise ValueError(f"not {what}: {text[:LONGEST]!r}{number_hint(text)}")
        scale = units.get(match["unit"] or unit)
        if scale is None:
            raise ValueError(f"not {what}: {text[:LONGEST]!r}{number_hint(text)}")
        total += float(match["number"]) * scale
        place, parts = match.end(), parts + 1
    if not parts:
        raise ValueError(f"not {what}: {text[:LONGEST]!r}{number_hint(text)}")
    return total


def decimal_text(value: Decimal | None) -> str | None:
    """A decimal string without exponent or trailing zeros, at most six places; `None` stays `None`."""
    if value is None:
        return None
    text = format(value.quantize(MICRO, ROUND_HALF_EVEN).normalize(), "f")
    return "0" if text == "-0" else text


def instant_text(value: datetime | None) -> str | None:
    """ISO 8601 in UTC with a `Z`; `None` stays `None`."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def hours_text(value: float) -> str:
    """A time, as people say it: `40 s`, `42 min`, `3 h 42 min`, `26 d`, `4.2 y`."""
    minutes = round(value * 60)
    if value <= 0:
        return "0"
    if minutes < 2:
        return f"{max(round(value * 3600), 1)} s"
    if minutes < 100:
        return f"{minutes} min"
    whole, rest = divmod(minutes, 60)
    if value < 48:
        return f"{whole} h {rest} min" if rest and value < 24 else f"{round(value)} h"
    days = value / 24
    if days < 10:
        whole, rest = divmod(round(value), 24)
        return f"{whole} d {rest} h" if rest else f"{whole} d"
    return f"{days:,.0f} d" if days < 730 else f"{days / 365.25:,.1f} y"


def counted(count: int, noun: str) -> str:
    """`1 offer`, `2,000 offers`: the noun is given in the singular, its plural takes an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
