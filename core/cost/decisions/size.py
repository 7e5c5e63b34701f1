"""The model and token count that a sum of money trains best: by a law of loss, then at the prices of a market."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gpuledger.core.cost.amount import cents
from gpuledger.core.cost.quote_set import QuoteSet
from gpuledger.core.count import decimal_text
from gpuledger.core.errors import DoesNotFitError, NoOfferError
from gpuledger.core.plan import TrainingPlan, plan_from_mapping

# The model and token count that a sum of money trains best, with the tokens it will serve in mind.
#
# Loss law L(N, D) = E + A / N^alpha + B / D^beta. Constants: Besiroglu et al. 2024, arXiv:2404.10102,
# which refit the third approach of Hoffmann et al. 2022 (arXiv:2203.15556) and found the original
# inconsistent. Inference-aware sizing after Sardana et al. 2023, arXiv:2401.00448: least 6 N D + 2 N
# D_inference at the same loss.


@dataclass(frozen=True, kw_only=True)
class LossLaw:
    """Constants of L(N, D) = e + a / N^alpha + b / D^beta, in nats per token."""

    e: float
    a: float
    b: float
    alpha: float
    beta: float

    def loss(self, parameters: float, tokens: float) -> float:
        """Expected pretraining loss."""
        return self.e + self.a / parameters**self.alpha + self.b / tokens**self.beta

    def optimal_tokens(self, parameters: float) -> float:
        """Tokens at which that many parameters are compute-optimal: alpha a / N^alpha = beta b / D^beta."""
        return (self.beta * self.b * parameters**self.alpha / (self.alpha * self.a)) ** (1 / self.beta)


REFIT = LossLaw(e=1.8172, a=482.01, b=2085.43, alpha=0.3478, beta=0.3658)
HOFFMANN = LossLaw(e=1.69, a=406.4, b=410.7, alpha=0.34, beta=0.28)


@dataclass(frozen=True, kw_only=True)
class Size:
    """A model, what it is trained on, and what both parts of its life take."""

    parameters: float
    training_tokens: float
    inference_tokens: float
    loss: float
    training_flops: float
    inference_flops: float

    @classmethod
    def of(cls, parameters: float, tokens: float, inference_tokens: float, law: LossLaw = REFIT) -> Size:
        """6 N D for training and 2 N for each token served (Sardana et al. 2023, arXiv:2401.00448, section 2)."""
        return cls(
            parameters=parameters,
            training_tokens=tokens,
            inference_tokens=inference_tokens,
            loss=law.loss(parameters, tokens),
            training_flops=6 * parameters * tokens,
            inference_flops=2 * parameters * inference_tokens,
        )

    @property
    def lifetime_flops(self) -> float:
        return self.training_flops + self.inference_flops


def optimal(flops: float, law: LossLaw = REFIT) -> Size:
    """Parameters and tokens of least loss for that much training: 6 N D = flops.

    N = G (C / 6)^(beta / (alpha + beta)), G = (alpha A / (beta B))^(1 / (alpha + beta)).
    """
    ratio = (law.alpha * law.a / (law.beta * law.b)) ** (1 / (law.alpha + law.beta))
    parameters = ratio * (flops / 6) ** (law.beta / (law.alpha + law.beta))
    return Size.of(parameters, flops / 6 / parameters, 0.0, law)


def lifetime_optimal(flops: float, inference_tokens: float, law: LossLaw = REFIT) -> Size:
    """Least loss that so many FLOPs can both train and serve: 6 N D + 2 N D_inference = flops."""
    high = flops / (2 * inference_tokens) * (1 - 1e-9) if inference_tokens else flops / 6

    def at(parameters: float) -> float:
        tokens = (flops / parameters - 2 * inference_tokens) / 6
        return law.loss(parameters, max(tokens, 1.0))

    parameters = _least(at, 1e3, high)
    return Size.of(parameters, (flops / parameters - 2 * inference_tokens) / 6, inference_tokens, law)


def same_loss(target_loss: float, inference_tokens: float, law: LossLaw = REFIT) -> Size:
    """The cheapest model over its life of that loss.

    Raises:
        ValueError: no model reaches it; the entropy of the text is the limit.
    """
    if target_loss <= law.e:
        raise ValueError(f"loss {target_loss:g} cannot be reached; the text itself has {law.e}")
    smallest = (law.a / (target_loss - law.e)) ** (1 / law.alpha) * (1 + 1e-9)

    def tokens(parameters: float) -> float:
        return (law.b / (target_loss - law.e - law.a / parameters**law.alpha)) ** (1 / law.beta)

    def flops(parameters: float) -> float:
        return 6 * parameters * tokens(parameters) + 2 * parameters * inference_tokens

    parameters = _least(flops, smallest, smallest * 1e6)
    return Size.of(parameters, tokens(parameters), inference_tokens, law)


def _least(job: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is least, by golden section on a logarithmic scale."""
    inverse = (math.sqrt(5) - 1) / 2
    a, b = math.log(low), math.log(high)
    c, d = b - inverse * (b - a), a + inverse * (b - a)
    at_c, at_d = job(math.exp(c)), job(math.exp(d))
    for _ in range(200):
        if at_c < at_d:
            b, d, at_d = d, c, at_c
            c = b - inverse * (b - a)
            at_c = job(math.exp(c))
        else:
            a, c, at_c = c, d, at_d
            d = a + inverse * (b - a)
            at_d = job(math.exp(d))
    return math.exp((a + b) / 2)


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
            "budget_usd": decimal_text(self.budget_usd),
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
        raise NoOfferError(
            f"{budget_usd} USD: too little for any model that can be priced and trained in time"
        )
    return best


def _priced(
    budget_usd: Decimal, flops: float, inference_tokens: float, ask: Callable[[TrainingPlan], QuoteSet]
) -> Affordable | None:
    """That many FLOPs best divided and priced; `None` where nothing on sale can train them in time."""
    size = lifetime_optimal(flops, inference_tokens) if inference_tokens else optimal(flops)
    if size.training_tokens < 1 or size.parameters < SMALLEST_PARAMETERS:
        return None
    try:
        answer = ask(sized_plan(size))
    except (DoesNotFitError, NoOfferError):
        return None
    if answer.quotes[0].misses_deadline:
        return None
    share = Decimal(repr(size.inference_flops / size.training_flops))
    return Affordable(
        budget_usd=budget_usd,
        size=size,
        training_usd=answer.mid,
        inference_usd=cents(answer.mid * share),
        answer=answer,
    )
