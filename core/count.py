"""Quantities as people write them, and as they are written for programs. People write counts (`20M`, `1.4T`, `2e12`,
`1_000_000`, `1,000,000`), sizes (`2 TB`, `16GiB`) and times (`3 d`, `90 min`, `3 h 42 min`)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

MICRO = Decimal("0.000001")
"""Resolution of money in the ledger: DECIMAL(18,6)."""
SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
LONGEST = 40
"""Characters of a number; a longer one is no quantity."""
_COUNT = re.compile(r"^(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d{1,3})?)\s*(?P<scale>[kmbt]?)$")
_THREES = re.compile(r"^\d{1,3}(,\d{3})+(?=[.\s]|[a-z]|$)")
_MEASURE = re.compile(r"(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d{1,3})?)\s*(?P<unit>[a-z]*)\s*")

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
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1 / 3600),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 1 / 60),
    **dict.fromkeys(("h", "hour", "hours"), 1.0),
    **dict.fromkeys(("d", "day", "days"), 24.0),
    **dict.fromkeys(("w", "week", "weeks"), 168.0),
    **dict.fromkeys(("mo", "month", "months"), 730.0),
}


def count_from(text: str) -> float:
    """The number that a text means; k, M, B and T are thousands, millions, billions and trillions in any case.

    Raises:
        ValueError: anything else, among it `1,4T`, which may be 1.4 or 14.
    """
    match = _COUNT.match(_folded(text))
    if match is None:
        raise ValueError(f"{text[:LONGEST]!r} is no count, as in 20000, 20k, 20M, 1.4T or 2e7")
    return float(match["number"]) * SCALES[match["scale"]]


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


def _folded(text: str) -> str:
    lowered = text.strip().lower().replace("_", "")
    if len(lowered) > LONGEST:
        raise ValueError(f"not a number: {len(lowered)} characters")
    return lowered.replace(",", "") if _THREES.match(lowered) else lowered


def _sum_of(text: str, units: dict[str, float], unit: str, what: str) -> float:
    """Numbers with units, one after the other; a single number may lack its unit."""
    folded = _folded(text)
    total, place, parts = 0.0, 0, 0
    while place < len(folded):
        match = _MEASURE.match(folded, place)
        is_bare = match is not None and not match["unit"]
        if match is None or (is_bare and (parts or match.end() < len(folded))):
            raise ValueError(f"not {what}: {text[:LONGEST]!r}")
        scale = units.get(match["unit"] or unit)
        if scale is None:
            raise ValueError(f"not {what}: {text[:LONGEST]!r}")
        total += float(match["number"]) * scale
        place, parts = match.end(), parts + 1
    if not parts:
        raise ValueError(f"not {what}: {text[:LONGEST]!r}")
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
