"""The model that a sum of money trains best at the prices of a market."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gpuledger.core.cost.amount import cents
from gpuledger.core.cost.decisions.scaling_law import Size, lifetime_optimal, optimal, same_loss
from gpuledger.core.cost.quote_set import QuoteSet
from gpuledger.core.errors import DoesNotFitError, NoOfferError
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from gpuledger.core.published import plain

# a first guess only, 2 USD an hour for 400 TFLOP/s; the search corrects it
FIRST_USD_PER_FLOP = 2.0 / (3600 * 4e14)
ROUNDS = 24
CLOSE = 0.005
SMALLEST_PARAMETERS = 1e6


@dataclass(frozen=True, kw_only=True)
class Affordable:
    """What the budget buys."""

    budget_usd: Decimal
    size: Size
    training_usd: Decimal
    inference_usd: Decimal
    answer: QuoteSet

    @property
    def spent_usd(self) -> Decimal:
        """Training and serving."""
        return self.training_usd + self.inference_usd

    def _training_optimum(self) -> dict[str, float]:
        """The model of the same loss that is cheapest to train, and what both parts of its life would take."""
        trained = same_loss(self.size.loss, 0.0)
        whole = Size.of(trained.parameters, trained.training_tokens, self.size.inference_tokens)
        return {
            "parameters": float(f"{whole.parameters:.4g}"),
            "training_tokens": float(f"{whole.training_tokens:.4g}"),
            "lifetime_flops": float(f"{whole.lifetime_flops:.4g}"),
        }

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
            "lifetime_flops": float(f"{self.size.lifetime_flops:.4g}"),
            "training_optimum": self._training_optimum(),
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
    """The largest sum of FLOPs, best divided, whose training and serving stays within the budget.

    Found by halving: what a FLOP costs depends on the size, and jumps where a model outgrows a machine.
    There the smaller model is taken, so that the budget may not be spent in full.

    Args:
        ask: the ranking of a plan.

    Raises:
        NoOfferError: the budget trains nothing that can be priced.
    """
    low, high = 0.0, math.inf
    flops = float(budget_usd) / FIRST_USD_PER_FLOP
    best: Affordable | None = None
    for _ in range(ROUNDS):
        result = _priced(budget_usd, flops, inference_tokens, ask)
        if result is not None and result.spent_usd <= budget_usd:
            low, best = flops, result
            if result.spent_usd >= budget_usd * Decimal(1 - CLOSE):
                break
        else:
            high = flops
        flops = low * 4 if math.isinf(high) else high / 4 if low == 0 else math.sqrt(low * high)
    if best is None:
        raise NoOfferError(f"{budget_usd} USD: too little for any model that can be priced")
    return best


def _priced(
    budget_usd: Decimal, flops: float, inference_tokens: float, ask: Callable[[TrainingPlan], QuoteSet]
) -> Affordable | None:
    """That many FLOPs best divided and priced; `None` where nothing on sale can train them."""
    size = lifetime_optimal(flops, inference_tokens) if inference_tokens else optimal(flops)
    if size.training_tokens < 1 or size.parameters < SMALLEST_PARAMETERS:
        return None
    try:
        answer = ask(sized_plan(size))
    except (DoesNotFitError, NoOfferError):
        return None
    share = Decimal(repr(size.inference_flops / size.training_flops))
    return Affordable(
        budget_usd=budget_usd,
        size=size,
        training_usd=answer.mid,
        inference_usd=cents(answer.mid * share),
        answer=answer,
    )
