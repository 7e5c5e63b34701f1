"""A question in full: plan, options and times resolved once, by one rule. Where plan and option limit the same, the
stricter of both holds, zero is a value, and what was overruled is said in the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from gpuledger.core.cost.assumption import plan_checkpoint_gb
from gpuledger.core.cost.market.offers import MarketFilter
from gpuledger.core.cost.market.own_terms import Credit
from gpuledger.core.cost.options import QuoteOptions
from gpuledger.core.count import MAY_BE
from gpuledger.core.errors import NoOfferError, UsageError
from gpuledger.core.gpu import gpus
from gpuledger.core.money import total_from
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.provider import place_code
from gpuledger.core.provider_name import provider_asked, provider_id
from gpuledger.core.spec import Spec, parse_spec


@dataclass(frozen=True, kw_only=True)
class Question:
    """A plan to be priced, and all that decides how. Make it with `Question.of`."""

    plan: TrainingPlan
    options: QuoteOptions
    as_of: datetime | None
    """The past time that prices are asked of; `None` is now."""
    now: datetime
    spec: Spec | None
    """Accelerators that plan and options both allow; `None` is any."""
    offers: MarketFilter
    """Offers that plan and options both allow."""
    deadline_hours: float | None
    budget_usd: Decimal | None
    max_gpus: int | None
    checkpoint_gb: Decimal | None
    """Size of one checkpoint; `None` where the plan names no network."""
    credits: tuple[Credit, ...]
    """Of the options; those of plan and own terms are beside them."""
    overruled: tuple[str, ...]
    """Limits of plan or options that a stricter one overrules, one sentence each."""

    @property
    def moment(self) -> datetime:
        """The time at which prices are judged."""
        return self.as_of or self.now

    @classmethod
    def of(
        cls,
        plan: TrainingPlan,
        options: QuoteOptions | None = None,
        *,
        as_of: datetime | None = None,
        now: datetime,
    ) -> Question:
        """The question that plan and options ask together.

        Raises:
            UnknownGPUError: no such accelerator.
            UsageError: the SPEC cannot be understood.
            NoOfferError: plan and options allow nothing in common.
        """
        chosen = options or QuoteOptions()
        within, overruled = plan.constraints, list[str]()
        spec = _within_memory(joint_spec(plan, chosen.gpu), chosen)
        return cls(
            plan=plan,
            options=chosen,
            as_of=as_of,
            now=now,
            spec=spec,
            offers=MarketFilter(
                gpu_ids=() if spec is None else spec.gpu_ids,
                providers=_common("provider", _ids(chosen.providers), _ids(within.providers)),
                regions=_common("region", _codes(chosen.regions), _codes(within.regions)),
                tiers=_common("tier", chosen.tiers, within.tiers),
                by_provider=bool(chosen.overrides.rules),
                purchase_options=_common("purchase option", chosen.purchase_options, within.purchase_options),
            ),
            deadline_hours=_stricter(
                "deadline_hours", chosen.deadline_hours, within.deadline_hours, "h", overruled
            ),
            budget_usd=_stricter("budget_usd", chosen.budget_usd, within.budget_usd, "USD", overruled),
            max_gpus=_stricter("max_gpus", chosen.max_gpus, within.max_gpus, "GPUs", overruled),
            checkpoint_gb=plan_checkpoint_gb(plan),
            credits=tuple(map(credit_from, chosen.credits)),
            overruled=tuple(overruled),
        )


def joint_spec(plan: TrainingPlan, text: str | None) -> Spec | None:
    """The accelerators that both the plan and a SPEC allow; `None` where neither names one.

    Raises:
        UnknownGPUError: no such accelerator.
        UsageError: a SPEC cannot be understood.
        NoOfferError: they name different ones.
    """
    named = [parse_spec(one) for one in (text, plan.hardware.gpu) if one is not None]
    if len(named) < 2:
        return named[0] if named else None
    ours, theirs = named
    both = tuple(gpu_id for gpu_id in ours.gpu_ids if gpu_id in theirs.gpu_ids)
    least = max((c for c in (ours.min_count, theirs.min_count) if c is not None), default=None)
    most = min((c for c in (ours.max_count, theirs.max_count) if c is not None), default=None)
    if not both or (least is not None and most is not None and least > most):
        raise NoOfferError(f"the plan runs on {plan.hardware.gpu}, but {text} was asked for")
    return Spec(text=ours.text, gpu_ids=both, min_count=least, max_count=most)


def credit_from(text: str) -> Credit:
    """`aws=100` as a credit.

    Raises:
        UsageError: no provider, or no amount.
    """
    provider, equals, usd = text.partition("=")
    if not equals or not provider.strip():
        raise UsageError(f"credit: {text[:60]!r} does not say which provider's it is; write it as aws=100")
    try:
        amount = total_from(usd)
    except ValueError as error:
        why = (
            f"{error}"
            if MAY_BE in str(error)
            else f"{usd[:40]!r} is no amount of dollars; write it as aws=100"
        )
        raise UsageError(f"credit: {why}") from None
    if amount <= 0:
        raise UsageError(f"credit: {usd[:40]!r} must be above 0; write it as aws=100")
    return Credit(line=f"credit: {text}", provider=provider_id(provider), usd=amount)


def _within_memory(spec: Spec | None, options: QuoteOptions) -> Spec | None:
    """The accelerators whose memory the options allow."""
    least, most = options.min_gpu_memory, options.max_gpu_memory
    if least is None and most is None:
        return spec
    chips = [gpus()[gpu_id] for gpu_id in spec.gpu_ids] if spec is not None else list(gpus().values())
    fitting = tuple(
        chip.gpu_id
        for chip in chips
        if chip.memory_gib and (least or 0) <= chip.memory_gib <= (math.inf if most is None else most)
    )
    if not fitting:
        raise NoOfferError(
            f"no accelerator asked for has from {least or 0:g} to {most or math.inf:g} GiB of memory"
        )
    if spec is None:
        return Spec(text=f"..{most:g}GB" if most else f"{least:g}GB..", gpu_ids=fitting)
    return replace(spec, gpu_ids=fitting)


def _ids(providers: Sequence[str]) -> tuple[str, ...]:
    return tuple(provider_asked(name) for name in providers)


def _codes(regions: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place_code(name) for name in regions))


def _common(what: str, option: Sequence[str], plan: Sequence[str]) -> tuple[str, ...]:
    if not option or not plan:
        return tuple(option or plan)
    common = tuple(value for value in option if value in plan)
    if not common:
        raise NoOfferError(
            f"{what}: the plan allows {', '.join(plan)}, but {', '.join(option)} was asked for"
        )
    return common


def _stricter(what: str, option: Any, plan: Any, unit: str, overruled: list[str]) -> Any:
    if option is None or plan is None:
        return plan if option is None else option
    if option != plan:
        loser, larger = ("plan", plan) if option < plan else ("option", option)
        overruled.append(
            f"{what}: the {loser} says {larger} {unit}, the stricter {min(option, plan)} {unit} holds"
        )
    return min(option, plan)
