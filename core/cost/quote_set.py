"""What a quote answers, and the keys that other programs read it by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from gpuledger.core.cost.accounting import accounting, not_included
from gpuledger.core.cost.amount import Amount, cents
from gpuledger.core.cost.carbon import energy
from gpuledger.core.cost.cost_lines import CostLine, list_total
from gpuledger.core.cost.decisions.decision import price_for_work
from gpuledger.core.cost.purchase import Purchase
from gpuledger.core.cost.receipt import Receipt
from gpuledger.core.count import decimal_text, instant_text
from gpuledger.core.estimate.estimate import Evidence
from gpuledger.core.money import SECONDS_PER_HOUR
from gpuledger.core.plan import Costs
from gpuledger.core.store.older_price import check_command


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One plan on one offer in dollars."""

    rank: int
    quote_id: str
    purchase: Purchase
    lines: tuple[CostLine, ...]
    total: Amount
    price_state: str
    price_age_hours: float
    misses_deadline: bool
    receipt: Receipt
    survival: str | None = None
    """Of a stale price: the share of the prices of that provider and purchase option that held longer than its age."""

    @property
    def list_total(self) -> Amount:
        """What it would come to without discounts, contracted rates and credits."""
        return list_total(self.lines)

    def to_dict(self) -> dict[str, Any]:
        """The keys that design.md pins, and more; money as decimal strings."""
        bought, offer = self.purchase, self.purchase.offer
        wall = bought.running_hours
        return {
            "rank": self.rank,
            "quote_id": self.quote_id,
            "provider": offer.provider,
            "via": offer.via,
            "instance_type": offer.instance_type,
            "region": offer.region,
            "zone": offer.zone,
            "purchase_option": offer.purchase_option,
            "term_months": decimal_text(offer.term_months),
            "tier": offer.tier,
            "gpu_id": offer.gpu_id,
            "gpus": bought.option.gpus,
            "paid_gpus": bought.billed_gpus,
            "nodes": bought.option.instances,
            "parallelism": bought.option.estimate.parallelism,
            "wall_hours": _hours(wall),
            "gpu_hours": _hours(wall.times(bought.billed_gpus)),
            "usd_total": self.total.to_dict(),
            "usd_list_total": self.list_total.to_dict(),
            "lines": [_line(line) for line in self.lines],
            "usd_per_gpu_hour": decimal_text(offer.usd_per_gpu_hour),
            "usd_per_petaflop_hour": self._usd_per_petaflop_hour(),
            "price_age_hours": self.price_age_hours,
            "price_state": self.price_state,
            "survival": self.survival,
            "availability": offer.availability,
            "misses_deadline": self.misses_deadline,
            "interruptions": self._interruptions(),
            "energy": energy(
                offer.gpu_id or "",
                _hours(wall.times(bought.billed_gpus)),
                provider=offer.provider,
                region=offer.region,
                country=offer.country,
            ),
            "receipt": self.receipt.to_dict(),
        }

    def _usd_per_petaflop_hour(self) -> str | None:
        """Price of the work, not of the hour: US dollars for a petaFLOP/s of the model sustained through an hour."""
        estimate, price = self.purchase.option.estimate, self.purchase.offer.usd_per_gpu_hour
        flops, hours = estimate.model_flops, estimate.gpu_hours.mid
        if price is None or not flops or not hours:
            return None
        return decimal_text(price_for_work(price, flops / (hours * SECONDS_PER_HOUR)))

    def _interruptions(self) -> dict[str, Any] | None:
        spot = self.purchase.spot
        if spot is None:
            return None
        useful = float(self.purchase.useful_hours.mid)
        return {
            "rate_per_instance_hour": {"low": spot.rate.low, "mid": spot.rate.mid, "high": spot.rate.high},
            "basis": spot.rate.basis,
            "lost_hours_each": round(spot.lost_hours(useful), 6),
            "expected": round(spot.expected_interruptions(useful), 3),
            "useful_hours": round(useful, 6),
            "expected_hours": float(self.purchase.running_hours.mid),
            "p90_hours": round(spot.p90_hours(useful), 6),
            "checkpoint_interval_hours": round(spot.interval_hours(useful), 6),
        }


def _hours(hours: Amount) -> dict[str, float]:
    return {"low": float(hours.low), "mid": float(hours.mid), "high": float(hours.high)}


def _line(line: CostLine) -> dict[str, Any]:
    usd = line.usd
    return {
        "name": line.name,
        "category": line.category,
        "usd": None if usd is None else f"{usd.mid:.2f}",
        "usd_low": None if usd is None else f"{usd.low:.2f}",
        "usd_high": None if usd is None else f"{usd.high:.2f}",
        "basis": line.basis,
    }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether the best quote keeps to a limit by the middle estimate, and by how much; `high` is the upper end of its
    range."""

    limit: Decimal
    value: Decimal
    high: Decimal
    unit: str

    @property
    def passes(self) -> bool:
        return self.value <= self.limit

    @property
    def is_certain(self) -> bool:
        """Whether the upper end of the range keeps to the limit too."""
        return self.high <= self.limit

    def to_dict(self) -> dict[str, Any]:
        """Limit, value and slack (negative: by how much it is missed) with the unit in the key."""
        return {
            "passes": self.passes,
            "is_certain": self.is_certain,
            f"high_{self.unit}": decimal_text(self.high),
            f"limit_{self.unit}": decimal_text(self.limit),
            f"value_{self.unit}": decimal_text(self.value),
            f"slack_{self.unit}": decimal_text(self.limit - self.value),
        }


@dataclass(frozen=True, kw_only=True)
class QuoteSet:
    """The ranking of one plan."""

    plan: str
    as_of: datetime
    snapshot: int
    quotes: tuple[Quote, ...]
    excluded: Mapping[str, int]
    cheapest_per_gpu_hour: Quote | None
    deadline: Verdict | None
    budget: Verdict | None
    overruled: tuple[str, ...]
    """Limits of the plan or the options that a stricter one overrules, a sentence each."""
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    """The published runs nearest to the best quote."""
    costs: Costs
    cheaper_but_older: Quote | None = None
    """The cheapest purchase at a stale or lapsed price, where it would cost less than the first."""

    @property
    def keeps_limits(self) -> bool:
        """Whether one of the quotes keeps both deadline and budget, where there are any."""
        return any(
            not quote.misses_deadline and (self.budget is None or quote.total.mid <= self.budget.limit)
            for quote in self.quotes
        )

    @property
    def low(self) -> Decimal:
        """Total of the best quote in the good case."""
        return self.quotes[0].total.low

    @property
    def mid(self) -> Decimal:
        """Total of the best quote."""
        return self.quotes[0].total.mid

    @property
    def high(self) -> Decimal:
        """Total of the best quote in the bad case."""
        return self.quotes[0].total.high

    @property
    def lines(self) -> tuple[CostLine, ...]:
        """Lines of the best quote."""
        return self.quotes[0].lines

    @property
    def receipt(self) -> Receipt:
        """Receipt of the best quote."""
        return self.quotes[0].receipt

    @property
    def flipped_by(self) -> dict[str, Any] | None:
        """Why the offer that is cheapest per GPU-hour does not win: the line that costs most more there."""
        other, best = self.cheapest_per_gpu_hour, self.quotes[0]
        if other is None or other.purchase.offer.price_id == best.purchase.offer.price_id:
            return None
        line, usd = costlier_line(other.lines, best.lines)
        return {
            "line": line,
            "usd_more": f"{usd:.2f}",
            "usd_total_more": f"{other.total.mid - best.total.mid:.2f}",
            "price_state": other.price_state,
        }

    def to_dict(self) -> dict[str, Any]:
        """The keys that design.md pins, and more."""
        other = self.cheapest_per_gpu_hour
        return {
            "plan": self.plan,
            "as_of": instant_text(self.as_of),
            "snapshot": self.snapshot,
            "quotes": [quote.to_dict() for quote in self.quotes],
            "excluded": [{"reason": reason, "count": count} for reason, count in self.excluded.items()],
            "cheapest_per_gpu_hour": None if other is None else _short(other),
            "flipped_by": self.flipped_by,
            "cheaper_but_older": None if self.cheaper_but_older is None else _older(self.cheaper_but_older),
            "deadline": None if self.deadline is None else self.deadline.to_dict(),
            "budget": None if self.budget is None else self.budget.to_dict(),
            "overruled": list(self.overruled),
            "keeps_limits": self.keeps_limits,
            "accounting": accounting(self.lines),
            "not_included": not_included(self.costs),
            "assumptions": list(self.assumptions),
            "warnings": list(self.warnings),
            "evidence": [asdict(one) for one in self.evidence],
        }


def costlier_line(job: Sequence[CostLine], than: Sequence[CostLine]) -> tuple[str, Decimal]:
    """The line by which the one quote is most above the other, and by how much."""

    def usd(lines: Sequence[CostLine]) -> dict[str, Decimal]:
        return {line.name: line.usd.mid for line in lines if line.usd is not None}

    ours, theirs = usd(job), usd(than)
    more = {name: ours.get(name, Decimal(0)) - theirs.get(name, Decimal(0)) for name in {**ours, **theirs}}
    name = max(more, key=lambda key: (more[key], key))
    return name, cents(more[name])


def _short(quote: Quote) -> dict[str, Any]:
    offer = quote.purchase.offer
    return {
        "provider": offer.provider,
        "instance_type": offer.instance_type,
        "region": offer.region,
        "purchase_option": offer.purchase_option,
        "gpu_id": offer.gpu_id,
        "usd_per_gpu_hour": decimal_text(offer.usd_per_gpu_hour),
        "usd_total": quote.total.to_dict(),
        "price_state": quote.price_state,
    }


def _older(quote: Quote) -> dict[str, Any]:
    offer = quote.purchase.offer
    return _short(quote) | {
        "price_age_hours": quote.price_age_hours,
        "observed_at": instant_text(offer.last_seen_at),
        "check": check_command(offer),
    }
