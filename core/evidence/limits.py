"""How far a price may go before somebody has to agree. Measured, see docs/decisions/0014."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class MoveLimits:
    """Factors on the believed price of one offer, between which a move needs no other evidence."""

    lowest: float
    highest: float
    lowest_in_7_days: float
    highest_in_7_days: float
    lowest_in_30_days: float
    highest_in_30_days: float
    lowest_under_the_market: float
    """A move below this factor that also undercuts every other provider is disputed."""


LIST = MoveLimits(
    lowest=0.79,
    highest=1.55,
    lowest_in_7_days=0.6,
    highest_in_7_days=2.5,
    lowest_in_30_days=0.3,
    highest_in_30_days=4,
    lowest_under_the_market=0.9,
)
"""On demand, reserved, capacity blocks: a fifth off is everyday."""

SPOT = MoveLimits(
    lowest=0.49,
    highest=2.5,
    lowest_in_7_days=0.2,
    highest_in_7_days=6,
    lowest_in_30_days=0.1,
    highest_in_30_days=10,
    lowest_under_the_market=0.7,
)
"""Spot prices halve within a day."""

MARKET_SHARE = 0.02
"""How far below the market a price has to be to count as undercutting it."""

KIN_SHARE = 0.02
"""How far below all its kin a new offer has to be to count as cheaper than they are."""

MARKETPLACE_KIN_SHARE = 0.3
"""The same where single hosts ask what they like."""

COUNT_MATCH = 0.005
"""How near, as a difference of logarithms, a move has to be to a machine's count of GPUs to be the count itself."""

SPOT_OF_LIST = 0.25
"""Least share of the provider's price on demand that a spot price is believed at where no other one is known."""

ON_DEMAND_OF_LIST = 0.8
"""The same of what somebody else sells of a provider on demand."""

RESERVED_OF_LIST = (0.5, 0.35, 0.22)
"""The same of commitments for up to 3 months, up to 12, and longer."""

HALVES_IN_DAYS = 365.0
"""An old price says less: the band of what it allows widens by a factor of two a year."""

PRODUCT_SHARE = 0.5
"""Share of a product's offers, in three regions at least, that have to move by one factor for a cut of the product."""

UNIFORM_SHARE = 0.5
"""Share of the offers in both batches that moved by one factor, from which on it is a unit or a currency."""

UNIFORM_LEAST = 3
"""Fewest such offers."""

UNIFORM_MOVE = 0.03
"""Smallest such move, as a difference of logarithms."""

GONE_SHARE = 0.15
"""Share of a list that is gone at once, from which on the list is doubted and not the offers."""

GONE_LEAST = 3

REPLACED_SHARE = 0.5
"""Share of a list that is gone at once, from which on its new offers are the old ones under other names."""

NEVER_BY_TIME = 6.0
"""A price that is further away than this factor from what was believed waits for a second source or an operator."""

INTERVALS = 2
"""Intervals of its source over which the same value confirms itself."""

LONGEST_DISPUTE = timedelta(days=30)
"""How long a value has to stand to be believed whatever contradicts it, within the band of its GPU."""

SAME_LIST, SAME_SPOT = 0.004, 0.2231
"""Difference of logarithms up to which two claims are the same one; prices of an hour move by a quarter meanwhile."""

SAME_AGAIN = 0.01
"""The same of a price and the one before it."""

SIBLINGS_LEAST = 3
"""Fewest places of one machine whose prices say what it may cost in another."""

RELOCATED_LEAST = 3
"""Fewest rows at one price that went from one place and came to another, from which on the places were exchanged."""

JITTER = 1 / 6
"""Share of an interval by which a schedule may be early."""

FACTORS: dict[str, float] = {
    "a half": 1 / 2,
    "two": 2,
    "a third": 1 / 3,
    "three": 3,
    "a quarter": 1 / 4,
    "four": 4,
    "one eighth, as of eight GPUs": 1 / 8,
    "eight, as of eight GPUs": 8,
    "one sixteenth": 1 / 16,
    "sixteen": 16,
    "one twelfth, as of months": 1 / 12,
    "twelve, as of months": 12,
    "24, as of hours in a day": 24,
    "1/24, as of hours in a day": 1 / 24,
    "60, as of minutes": 60,
    "1/60, as of minutes": 1 / 60,
    "100, as of cents": 100,
    "1/100, as of cents": 1 / 100,
    "730, as of hours in a month": 730,
    "1/730, as of hours in a month": 1 / 730,
    "8760, as of hours in a year": 8760,
    "1/8760, as of hours in a year": 1 / 8760,
    "1000": 1000,
    "1/1000": 1 / 1000,
}
"""Factors that stand for a unit and not for a price."""


def waits(every: timedelta) -> timedelta:
    """How long a value has to stand before it confirms itself."""
    return every * (INTERVALS - JITTER)
