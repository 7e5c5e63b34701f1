"""How far published results lie from what is computed, by class of plan: the 80 percent intervals of rate and hours.

A class is what the errors differ by: method, experts, kernels, one node or many, and whether the plan says its
division and software or only model, tokens, GPU and count. `sql/seeds/interval.csv` holds the quantiles of published
over computed of rows whose family was left out of the fit; they need not be symmetric.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from gpuledger.core import seeds
from gpuledger.core.estimate.stack import ONLINE, is_open, stack_of
from gpuledger.core.estimate.workload import Demand

Quantity = Literal["rate", "hours"]


@dataclass(frozen=True, kw_only=True)
class Range:
    """Low, mid and high of an 80 percent interval."""

    low: float
    mid: float
    high: float


def plan_class(need: Demand, nodes: float, quantity: Quantity) -> str:
    """The class of a plan on so many nodes, as the table names it."""
    plan, stated = need.plan, "open" if is_open(need.plan) else "stated"
    if plan.method in ONLINE:
        return "online"
    if quantity == "hours":
        kind = "pretraining" if plan.method in ("pretrain", "distillation") else "fine-tuning"
        return f"{kind}, {stated}"
    if plan.method in ("lora", "qlora"):
        return f"adapters, {stated}"
    if need.architecture.experts > 1:
        return f"experts, {stated}"
    if stated == "open":
        return f"dense, open, {_places(nodes)}"
    return f"dense, {stack_of(plan).kernels}, {_places(nodes)}"


def _places(nodes: float) -> str:
    return "one node" if nodes <= 1 else "many nodes"


@lru_cache(maxsize=1)
def spreads() -> Mapping[tuple[str, str], tuple[float, float]]:
    """Logarithms of mid over low and of high over mid, by quantity and class."""
    return {
        (row["quantity"], row["class"]): (float(row["low_log"]), float(row["high_log"]))
        for row in seeds.rows("interval")
    }


def interval(mid: float, need: Demand, nodes: float, quantity: Quantity) -> Range:
    """The 80 percent interval around a computed rate or a computed number of hours."""
    low, high = spreads()[quantity, plan_class(need, nodes, quantity)]
    return Range(low=mid * math.exp(-low), mid=mid, high=mid * math.exp(high))


def even_interval(mid: float, half_width: float) -> Range:
    """The interval of that half width, as a logarithm, on both sides."""
    return Range(low=mid * math.exp(-half_width), mid=mid, high=mid * math.exp(half_width))
