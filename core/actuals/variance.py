"""Planned against paid, line by line, with what prices and what quantities did apart.

    over = paid - planned = (quantity paid - quantity planned) x planned price      quantity variance
                          + (price paid - price planned) x quantity paid            price variance

The quantity variance is rounded to the cent and the price variance is the rest, so that both sum to `over` exactly.
A line without quantities has no such parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT, ZERO = Decimal("0.01"), Decimal(0)
TOLERANCE = Decimal("0.10")
GPU, STORAGE, NETWORK, CREDIT = "gpu", "storage", "network", "credit"
PLANNED_KINDS = {
    "final run": GPU,
    "failed runs and experiments": GPU,
    "storage and network": STORAGE,
    "own terms": CREDIT,
}
NETWORK_LINES = ("dataset_transfer_in", "egress")
"""Of a quote's category `storage and network`; a bill tells them apart."""


@dataclass(frozen=True, kw_only=True)
class VarianceLine:
    """One line of both."""

    name: str
    unit: str | None = None
    planned_quantity: Decimal | None = None
    actual_quantity: Decimal | None = None
    planned_usd: Decimal | None = None
    actual_usd: Decimal | None = None
    is_on_a_bill: bool = True

    @property
    def over_usd(self) -> Decimal | None:
        """Paid beyond the plan; `None` for what no cloud bills."""
        if not self.is_on_a_bill:
            return None
        return _cents(self.actual_usd or ZERO) - _cents(self.planned_usd or ZERO)

    @property
    def quantity_variance_usd(self) -> Decimal | None:
        if self.planned_usd is None or not self.planned_quantity or self.actual_quantity is None:
            return None
        price = self.planned_usd / self.planned_quantity
        return _cents((self.actual_quantity - self.planned_quantity) * price)

    @property
    def price_variance_usd(self) -> Decimal | None:
        quantity, over = self.quantity_variance_usd, self.over_usd
        return None if quantity is None or over is None else over - quantity

    @property
    def state(self) -> str:
        """As a budget says it: `over` and `under` by more than 10 percent, `not planned`, `not paid`, else `ok`."""
        if not self.is_on_a_bill:
            return "not on a cloud bill"
        if self.actual_usd is None:
            return "not paid"
        if self.planned_usd is None:
            return "not planned" if _cents(self.actual_usd) else "ok"
        over, limit = self.over_usd or ZERO, abs(self.planned_usd) * TOLERANCE
        return "over" if over > limit else "under" if over < -limit else "ok"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money and quantities as decimal strings."""
        return {
            "name": self.name,
            "unit": self.unit,
            "planned_quantity": _plain(self.planned_quantity),
            "actual_quantity": _plain(self.actual_quantity),
            "planned_usd_per_unit": _price(self.planned_usd, self.planned_quantity),
            "actual_usd_per_unit": _price(self.actual_usd, self.actual_quantity),
            "planned_usd": _usd(self.planned_usd),
            "actual_usd": _usd(self.actual_usd),
            "over_usd": _usd(self.over_usd),
            "price_variance_usd": _usd(self.price_variance_usd),
            "quantity_variance_usd": _usd(self.quantity_variance_usd),
            "state": self.state,
        }


def planned_lines(quote: Mapping[str, Any]) -> dict[str, tuple[Decimal | None, Decimal]]:
    """Quantity and US dollars planned by line, of a quote as `Quote.to_dict` writes it: `gpu` in GPU-hours, the others
    without; lines that are not given are left out."""
    usd: dict[str, Decimal] = {}
    run = ZERO
    for line in quote["lines"]:
        if line["usd"] is None:
            continue
        amount = Decimal(line["usd"])
        name = str(PLANNED_KINDS.get(line["category"], line["name"]))
        if name == STORAGE and line["name"] in NETWORK_LINES:
            name = NETWORK
        if name == CREDIT and "credit" not in line["name"]:
            # a discount or a contracted rate changes the price of the hours
            name = GPU
        usd[name] = usd.get(name, ZERO) + amount
        run += amount if line["category"] == "final run" else ZERO
    hours = Decimal(repr(float(quote["gpu_hours"]["mid"])))
    repeated = ZERO
    for line in quote["lines"]:
        if line["category"] == "failed runs and experiments" and line["usd"] is not None:
            repeated += Decimal(line["usd"])
    if run:
        # experiments take hours as the run does, at its price
        hours += hours * repeated / run
    return {name: (hours if name == GPU else None, amount) for name, amount in usd.items()}


def variance(quote: Mapping[str, Any], charged: Iterable[Mapping[str, Any]]) -> list[VarianceLine]:
    """The lines of the plan, then what was paid beside it, then the total of what clouds bill.

    Args:
        charged: rows of `sql/actuals/actual_lines.sql`.
    """
    usd: dict[str, Decimal] = {}
    hours, is_counted = ZERO, True
    for row in charged:
        if row["usd"] is None:
            continue
        is_planned = row["matched_by"] != "not planned"
        name = _name(row["kind"]) if is_planned else f"not planned: {_name(row['kind'])}"
        usd[name] = usd.get(name, ZERO) + row["usd"]
        if name == GPU and row.get("without_hours"):
            # a sum of some of the hours is no quantity
            is_counted = False
        if name == GPU and row["gpu_hours"] is not None and not row["is_unused"]:
            hours += (
                row["gpu_hours"] if isinstance(row["gpu_hours"], Decimal) else Decimal(repr(row["gpu_hours"]))
            )
    planned = planned_lines(quote)
    names = [*planned, *(name for name in usd if name not in planned)]
    billed = {GPU, STORAGE, NETWORK, CREDIT, *usd}
    lines = [
        VarianceLine(
            name=name,
            unit="GPU-hours" if name == GPU else None,
            planned_quantity=planned.get(name, (None, ZERO))[0],
            actual_quantity=hours if name == GPU and name in usd and is_counted else None,
            planned_usd=planned[name][1] if name in planned else None,
            actual_usd=usd.get(name),
            is_on_a_bill=name in billed,
        )
        for name in names
    ]
    return [*lines, total_of(lines)]


def total_of(lines: Sequence[VarianceLine]) -> VarianceLine:
    """The sum of the lines that clouds bill."""
    inside = [line for line in lines if line.is_on_a_bill]
    return VarianceLine(
        name="total",
        planned_usd=sum((_cents(line.planned_usd or ZERO) for line in inside), ZERO),
        actual_usd=sum((_cents(line.actual_usd or ZERO) for line in inside), ZERO),
    )


def _name(kind: str) -> str:
    return "compute without GPU" if kind == "compute" else kind


def _cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


def _usd(value: Decimal | None) -> str | None:
    return None if value is None else f"{_cents(value):.2f}"


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else format(value.quantize(Decimal("0.000001")).normalize(), "f")


def _price(usd: Decimal | None, quantity: Decimal | None) -> str | None:
    return None if usd is None or not quantity else _plain(usd / quantity)
