"""The model that a sum of money trains best at the prices of a market."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.cost.answer import QuoteSet
from core.cost.sizing import Size, lifetime_optimal, optimal
from core.errors import NoOfferError
from core.plan import TrainingPlan, plan_from_mapping
from core.published import plain

SECONDS_PER_HOUR = 3600
# a first guess only; five rounds of pricing correct it
FIRST_USD_PER_FLOP = 2.0 / (SECONDS_PER_HOUR * 4e14)
ROUNDS = 8
CLOSE = 0.01


@dataclass(frozen=True, kw_only=True)
class Affordable:
    """What the budget buys."""

    budget_usd: Decimal
    size: Size
    training_usd: Decimal
    inference_usd: Decimal
    answer: QuoteSet

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings."""
        best = self.answer.quotes[0].to_dict()
        return {
            "budget_usd": plain(self.budget_usd),
            "parameters": float(f"{self.size.parameters:.4g}"),
            "training_tokens": float(f"{self.size.training_tokens:.4g}"),
            "inference_tokens": self.size.inference_tokens,
            "loss": round(self.size.loss, 4),
            "training_flops": float(f"{self.size.training_flops:.4g}"),
            "inference_flops": float(f"{self.size.inference_flops:.4g}"),
            "training_usd": f"{self.training_usd:.2f}",
            "inference_usd": f"{self.inference_usd:.2f}",
            "quote": {
                key: best[key]
                for key in (
                    "provider",
                    "instance_type",
                    "region",
                    "purchase_option",
                    "gpu_id",
                    "paid_gpus",
                    "nodes",
                    "wall_hours",
                    "usd_total",
                    "usd_per_gpu_hour",
                    "price_state",
                )
            },
            "assumptions": [
                "loss law: Besiroglu et al. 2024, arXiv:2404.10102",
                "a FLOP of inference costs what a FLOP of training costs",
            ],
            "warnings": list(self.answer.warnings),
        }


def sized_plan(size: Size) -> TrainingPlan:
    """A pretraining plan of that size, shape and batch left to the estimate."""
    return plan_from_mapping(
        {
            "name": "size",
            "method": "pretrain",
            "parameters": size.parameters,
            "training_tokens": size.training_tokens,
            "sequence_length": 4096,
        }
    )


def affordable(
    budget_usd: Decimal, inference_tokens: float, ask: Callable[[TrainingPlan], QuoteSet]
) -> Affordable:
    """The size whose training, and serving of `inference_tokens`, comes to the budget.

    Prices a FLOP by quoting a plan of the size found so far, until the money agrees within 1 percent; hours
    per FLOP depend on the size, so it takes a few rounds.

    Args:
        ask: the ranking of a plan.

    Raises:
        NoOfferError: the budget trains nothing that can be priced.
        DoesNotFitError: nothing on sale holds the model.
    """
    usd_per_flop = FIRST_USD_PER_FLOP
    for _ in range(ROUNDS):
        flops = float(budget_usd) / usd_per_flop
        size = lifetime_optimal(flops, inference_tokens) if inference_tokens else optimal(flops)
        if size.training_tokens < 1 or size.parameters < 1e6:
            raise NoOfferError(f"{budget_usd} USD: too little for any model that can be priced")
        answer = ask(sized_plan(size))
        usd_per_flop = float(answer.mid) / size.training_flops
        spent = usd_per_flop * size.lifetime_flops
        if abs(spent / float(budget_usd) - 1) < CLOSE:
            break
    else:
        raise NoOfferError(f"{budget_usd} USD: prices and sizes did not settle in {ROUNDS} rounds")
    return Affordable(
        budget_usd=budget_usd,
        size=size,
        training_usd=answer.mid,
        inference_usd=Decimal(repr(round(usd_per_flop * size.inference_flops, 2))),
        answer=answer,
    )
