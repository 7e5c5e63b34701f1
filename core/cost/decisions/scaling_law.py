"""The model and token count that a sum of money trains best, with the tokens it will serve in mind.

Loss law L(N, D) = E + A / N^alpha + B / D^beta. Constants: Besiroglu et al. 2024, arXiv:2404.10102, which
refit the third approach of Hoffmann et al. 2022 (arXiv:2203.15556) and found the original inconsistent.
Inference-aware sizing after Sardana et al. 2023, arXiv:2401.00448: least 6 N D + 2 N D_inference at the
same loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gpuledger.core.published import plain


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


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Money for arithmetic."""

    usd_per_flop: Decimal
    gpu_id: str
    provider: str
    basis: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; for 10^18 FLOPs, as one FLOP costs next to nothing."""
        return {
            "usd_per_exaflop": plain(self.usd_per_flop * 10**18),
            "gpu_id": self.gpu_id,
            "provider": self.provider,
            "basis": self.basis,
        }


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
