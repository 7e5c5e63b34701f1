"""What is asked of a quote beside the plan, and the offers that both allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from gpuledger.core.cost.market.offers import MarketFilter
from gpuledger.core.cost.market.own_terms import Overrides
from gpuledger.core.errors import NoOfferError
from gpuledger.core.estimate.measurements import Measurement
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.spec import Spec, parse_spec


@dataclass(frozen=True, kw_only=True)
class QuoteOptions:
    """What the asker wants beside the plan's own constraints; both hold."""

    gpu: str | None = None
    """A SPEC; its count is the GPUs of one instance."""
    providers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    purchase_options: tuple[str, ...] = ()
    deadline_hours: float | None = None
    budget_usd: Decimal | None = None
    max_gpus: int | None = None
    allow_stale: bool = False
    limit: int = 10
    evidence: bool = True
    """The published runs nearest to the best quote stand beside it."""
    overrides: Overrides = field(default_factory=Overrides)
    measurements: tuple[Measurement, ...] = ()
    """The user's own measured runs; estimates of plans like them rest on them."""


def spec_of(plan: TrainingPlan, asked: QuoteOptions) -> Spec | None:
    """The accelerators that plan and asker allow.

    Raises:
        UnknownGPUError: no such accelerator.
        UsageError: the SPEC cannot be understood.
        NoOfferError: plan and asker name different ones.
    """
    if plan.hardware.gpu is None or asked.gpu is None:
        text = asked.gpu or plan.hardware.gpu
        return None if text is None else parse_spec(text)
    wanted, allowed = parse_spec(asked.gpu), parse_spec(plan.hardware.gpu)
    both = tuple(gpu_id for gpu_id in wanted.gpu_ids if gpu_id in allowed.gpu_ids)
    if not both:
        raise NoOfferError(f"the plan runs on {plan.hardware.gpu}, but {asked.gpu} was asked for")
    return Spec(text=asked.gpu, gpu_ids=both, min_count=wanted.min_count, max_count=wanted.max_count)


def market_filter(plan: TrainingPlan, asked: QuoteOptions) -> MarketFilter:
    """The offers to choose from, by what plan and asker allow.

    Raises:
        UnknownGPUError: no such accelerator.
        UsageError: the SPEC cannot be understood.
        NoOfferError: plan and asker allow nothing in common.
    """
    spec, within = spec_of(plan, asked), plan.constraints
    return MarketFilter(
        gpu_ids=() if spec is None else spec.gpu_ids,
        providers=_both("provider", asked.providers, within.providers),
        regions=_both("region", asked.regions, within.regions),
        tiers=_both("tier", asked.tiers, within.tiers),
        by_provider=bool(asked.overrides.rules),
        purchase_options=_both("purchase option", asked.purchase_options, within.purchase_options),
    )


def _both(what: str, asked: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    if not asked or not allowed:
        return tuple(asked or allowed)
    common = tuple(value for value in asked if value in allowed)
    if not common:
        raise NoOfferError(
            f"{what}: the plan allows {', '.join(allowed)}, but {', '.join(asked)} was asked for"
        )
    return common
