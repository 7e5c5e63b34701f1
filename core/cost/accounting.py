"""Where the money of a training project goes: the six categories, their shares, and what nobody counted.

The categories are those of broad accounting: the final run, failed runs and experiments, data, storage and
network, people, safety; hosting and a teacher model join them over the life of a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any

from gpuledger.core.cost.amount import ZERO, Amount
from gpuledger.core.cost.cost_lines import (
    DATA,
    FAILED,
    HOSTING,
    PEOPLE,
    RUN,
    SAFETY,
    STORAGE,
    TEACHER,
    CostLine,
)
from gpuledger.core.plan import Costs

SIX = (RUN, FAILED, DATA, STORAGE, PEOPLE, SAFETY)
LIFETIME = (*SIX, TEACHER, HOSTING)
TENTH = Decimal("0.1")

# what the founding article says that its figures leave out, and the key that gives an amount for it
EXCLUSIONS: tuple[tuple[str, str | None], ...] = (
    ("development and operation", "people_usd"),
    ("optimised libraries or APIs", None),
    ("licensing and legal", None),
    ("privacy and regulation", None),
    ("bias and ethics", None),
    ("adversarial and security", "safety_usd"),
    ("deployment", "hosting_usd_per_month"),
)


def not_included(costs: Costs) -> list[str]:
    """The exclusions for which the plan gives no amount."""
    return [name for name, key in EXCLUSIONS if key is None or getattr(costs, key) is None]


def categories(lines: Iterable[CostLine]) -> dict[str, Amount | None]:
    """US dollars by category, in their order; `None` where no line of it is given."""
    result: dict[str, Amount | None] = dict.fromkeys(LIFETIME)
    for line in lines:
        if line.usd is not None and line.category in result:
            result[line.category] = (result[line.category] or Amount.same(ZERO)).plus(line.usd)
    return result


def shares(usd: Mapping[str, Decimal | None]) -> dict[str, Decimal | None]:
    """Percent of the sum of what is given, in tenths, adding up to 100.0 exactly."""
    inputs = {name: value for name, value in usd.items() if value}
    return dict.fromkeys(usd) | normalised_weights(inputs)


def normalised_weights(weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Weights scaled to 100 percent in tenths; what rounding down leaves goes to the largest remainders.

    Published shares often sum to something else (the mid-points of one article to 107.5), so whoever shows
    these says that they were scaled.
    """
    total = sum(weights.values(), ZERO)
    if not total:
        return {}
    exact = {name: value / total * 100 for name, value in weights.items()}
    scaled = {name: value.quantize(TENTH, ROUND_DOWN) for name, value in exact.items()}
    left = int((100 - sum(scaled.values(), ZERO)) / TENTH)
    for name in sorted(exact, key=lambda name: scaled[name] - exact[name])[:left]:
        scaled[name] += TENTH
    return scaled


def accounting(lines: Sequence[CostLine]) -> list[dict[str, Any]]:
    """One row per category: US dollars and percent, "not given" where the plan does not say."""
    usd = categories(lines)
    percent = shares({name: None if amount is None else amount.mid for name, amount in usd.items()})
    return [
        {
            "category": name,
            "usd": None if amount is None else f"{amount.mid:.2f}",
            "percent": None if percent[name] is None else str(percent[name]),
            "basis": "not given" if amount is None else "as the lines of the cheapest quote",
        }
        for name, amount in usd.items()
    ]
