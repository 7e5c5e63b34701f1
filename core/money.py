"""Money as published: an amount, its currency, and what it buys."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from gpuledger.core.count import MAY_BE, SCALES, decimal_text

HOURS_PER_MONTH = Decimal(730)
"""8,760 / 12. GCP and Azure divide their monthly and term prices by it (reference lists of both, 2026)."""


SECONDS_PER_HOUR = 3600


class Unit(StrEnum):
    """What one published amount buys of an offer."""

    HOUR = "hour"
    """the whole instance for an hour"""
    GPU_HOUR = "gpu_hour"
    """one GPU of the instance for an hour"""
    MONTH = "month"
    """the whole instance for a month"""
    TERM = "term"
    """the whole instance for the whole commitment"""


LEAST_PRICE = Decimal("0.000001")
"""The smallest amount that the ledger keeps apart from zero."""

MOST_PRICE = Decimal("1e11")


class Price(BaseModel):
    """A positive amount of a currency per unit. A price of zero does not exist: it is a missing price."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Decimal = Field(ge=LEAST_PRICE, lt=MOST_PRICE, allow_inf_nan=False)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    unit: Unit


def decimal_from(text: str) -> Decimal:
    """The number in a plain decimal string such as `49.24` or `9.0E-4`; thousands commas only in threes.

    Raises:
        ValueError: anything else, among it `1,59` and `1.234,56`, which a lenient reader would misread.
    """
    cleaned = text.strip()
    whole, _, _ = cleaned.partition(".")
    groups = whole.split(",")
    if len(groups) > 1:
        first = groups[0].lstrip("-")
        # 0,030 is three hundredths with a decimal comma, not thirty.
        if first.startswith("0") or not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups[1:]):
            raise ValueError(f"not a decimal number: {text!r}")
        cleaned = cleaned.replace(",", "")
    try:
        value = Decimal(cleaned)
    except InvalidOperation:
        raise ValueError(f"not a decimal number: {text!r}") from None
    if not value.is_finite():
        raise ValueError(f"not a decimal number: {text!r}")
    return value


_DOLLARS = re.compile(
    r"^(?P<sign>-?)\s*(?:us)?\$?\s*(?P<number>[-\d.,e+]+)\s*(?P<scale>[a-z]*?)\s*(?:usd|us dollars?|dollars?|\$)?$",
    re.IGNORECASE,
)


_TOTAL_IN_TWO_WAYS = re.compile(r"^[1-9]\d{0,2}\.\d{3}$")


def total_from(text: str) -> Decimal:
    """A sum of US dollars, such as a budget: as `dollars_from`, but `1.250` is refused, which is a rate to some and a
    thousand to others.

    Raises:
        ValueError: anything else.
    """
    usd = dollars_from(text)
    match = _DOLLARS.match(text.strip()[:60])
    number = "" if match is None or match["scale"] else match["number"]
    if _TOTAL_IN_TWO_WAYS.match(number):
        raise ValueError(
            f"{text[:60]!r}{MAY_BE}{decimal_text(usd)} or {usd * 1000:.0f}; write the one that is meant"
        )
    return usd


def dollars_from(text: str) -> Decimal:
    """US dollars as people write them: `20`, `$20`, `20 USD`, `1,250 dollars`, `50k`, `1.5 million dollars`.

    Raises:
        ValueError: anything else.
    """
    match = _DOLLARS.match(text.strip()[:60])
    scale = None if match is None else SCALES.get(match["scale"].lower())
    if match is None or scale is None:
        raise ValueError(f"{text[:60]!r} is no amount of US dollars, as in 20, $1,250 or 1.5M")
    amount = decimal_from(match["sign"] + match["number"])
    try:
        return amount * Decimal(scale)
    except ArithmeticError:
        raise ValueError(f"{text[:60]!r} is no amount of US dollars, as in 20, $1,250 or 1.5M") from None
