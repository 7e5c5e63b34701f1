"""Money with its uncertainty: low, mid and high in US dollars, all `Decimal`.

Physics is float and money is `Decimal`; they meet in `decimal_from_physics` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal(0)
LEVELS = ("low", "mid", "high")

# finer than a nanosecond in hours, coarser than the noise of a float of a million hours
_NOISE = Decimal("0.000000001")


def decimal_from_physics(value: float) -> Decimal:
    """A computed quantity as the decimal that its shortest notation says, without the float's own noise."""
    return Decimal(repr(float(value))).quantize(_NOISE)


def cents(value: Decimal) -> Decimal:
    """Rounded to the cent, halves away from zero, as invoices are."""
    return value.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True, slots=True)
class Amount:
    """Low, mid and high of one quantity. Low is the good case of the whole plan, so a discount is largest
    (most negative) at high: the three are cases, not bounds of this one number."""

    low: Decimal
    mid: Decimal
    high: Decimal

    @staticmethod
    def same(value: Decimal) -> Amount:
        """One number for all three cases."""
        return Amount(value, value, value)

    @staticmethod
    def total(amounts: Iterable[Amount]) -> Amount:
        """The sum, case by case; zero of nothing."""
        low = mid = high = ZERO
        for amount in amounts:
            low, mid, high = low + amount.low, mid + amount.mid, high + amount.high
        return Amount(low, mid, high)

    def plus(self, other: Amount) -> Amount:
        return Amount(self.low + other.low, self.mid + other.mid, self.high + other.high)

    def minus(self, other: Amount) -> Amount:
        return Amount(self.low - other.low, self.mid - other.mid, self.high - other.high)

    def times(self, factor: Decimal | int) -> Amount:
        return Amount(self.low * factor, self.mid * factor, self.high * factor)

    def by(self, other: Amount) -> Amount:
        """The product, case by case."""
        return Amount(self.low * other.low, self.mid * other.mid, self.high * other.high)

    def each(self, change: Callable[[Decimal], Decimal]) -> Amount:
        return Amount(change(self.low), change(self.mid), change(self.high))

    def rounded(self) -> Amount:
        return self.each(cents)

    def to_dict(self) -> dict[str, str]:
        """Decimal strings with two places."""
        return {"low": f"{self.low:.2f}", "mid": f"{self.mid:.2f}", "high": f"{self.high:.2f}"}
