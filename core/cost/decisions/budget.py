"""What was planned against what was paid, line by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gpuledger.core.cost.amount import ZERO
from gpuledger.core.cost.cost_lines import CostLine
from gpuledger.core.cost.decisions.bill_words import by_quote_line, is_total
from gpuledger.core.errors import UsageError
from gpuledger.core.money import dollars_from

TOLERANCE = Decimal("0.10")
COLUMNS = ("name", "usd")
FLAGGED = ("over", "not planned")
"""States of a line that somebody must look at."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One line of both."""

    name: str
    planned_usd: Decimal | None
    actual_usd: Decimal | None
    billed_as: tuple[str, ...] = ()
    """Names of the bill that were taken for this line, where they are not its own."""

    @property
    def over_usd(self) -> Decimal:
        """Paid beyond the plan; negative if less was paid."""
        return (self.actual_usd or ZERO) - (self.planned_usd or ZERO)

    @property
    def state(self) -> str:
        """`over` by more than 10 percent or not planned at all, `under` by more than 10 percent, else
        `ok`."""
        if self.actual_usd is None:
            return "not paid"
        if self.planned_usd is None:
            return "not planned" if self.actual_usd else "ok"
        limit = abs(self.planned_usd) * TOLERANCE
        if self.over_usd > limit:
            return "over"
        return "under" if self.over_usd < -limit else "ok"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings, percent of the plan with one decimal."""
        planned, actual = self.planned_usd, self.actual_usd
        return {
            "name": self.name,
            "planned_usd": None if planned is None else f"{planned:.2f}",
            "actual_usd": None if actual is None else f"{actual:.2f}",
            "over_usd": f"{self.over_usd:.2f}",
            "over_percent": f"{self.over_usd / planned * 100:.1f}" if planned else None,
            "state": self.state,
            "billed_as": ", ".join(self.billed_as) or None,
        }


def read_actual(text: str, origin: str) -> dict[str, Decimal]:
    """What was paid, from CSV with the columns `name` and `usd`; lines of one name add up, one that sums up the others
    does not count.

    Raises:
        UsageError: a column is missing, or an amount is none; names the line and the value seen.
    """
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")))
    names = {(field or "").strip().lower(): field for field in reader.fieldnames or ()}
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise UsageError(f"{origin}: column {missing[0]!r} is missing; it has {', '.join(names) or 'none'}")
    paid: dict[str, Decimal] = {}
    for row in reader:
        name = (row[names["name"]] or "").strip()
        amount = (row[names["usd"]] or "").strip()
        if not name and not amount:
            continue
        try:
            usd = dollars_from(amount)
        except ValueError:
            raise UsageError(f"{origin} line {reader.line_num}: usd: {amount!r} is no amount") from None
        paid[name] = paid.get(name, ZERO) + usd
    if not paid:
        raise UsageError(f"{origin}: no line in it")
    return paid


def differences(lines: Sequence[CostLine], paid: Mapping[str, Decimal]) -> list[Difference]:
    """Lines of the plan in their order, then what was paid without being planned, then the total. Rows of the bill that
    sum up others do not count; what it calls by other words is found by `bill_words`."""
    planned = {line.name: line.usd.mid for line in lines if line.usd is not None}
    charged = {name: usd for name, usd in paid.items() if not is_total(name)}
    billed = by_quote_line(charged, planned)
    result = [
        Difference(
            name=name,
            planned_usd=planned.get(name),
            actual_usd=sum((charged[one] for one in billed[name]), ZERO) if name in billed else None,
            billed_as=tuple(one for one in billed.get(name, ()) if one != name),
        )
        for name in [*planned, *(name for name in billed if name not in planned)]
    ]
    total = Difference(
        name="total",
        planned_usd=sum(planned.values(), ZERO),
        actual_usd=sum(charged.values(), ZERO),
    )
    return [*result, total]
