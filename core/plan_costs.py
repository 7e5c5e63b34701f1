"""The sections of a plan that say what a purchase must satisfy, and which money is counted beside the GPU-hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from pydantic import model_validator

from gpuledger.core.quantity import (
    GB,
    USD,
    Amount,
    AmountOrZero,
    Count,
    CountOrZero,
    Hours,
    PositiveShare,
    RunsRange,
    Section,
    Share,
)

PurchaseOption = Literal["on_demand", "spot", "reserved", "capacity_block"]


# nobody waits longer for one run without having said so
MAX_WALL_DAYS = 90.0
HOURS_PER_DAY = 24.0


class Constraints(Section):
    """`[constraints]`: what a choice of hardware must satisfy."""

    deadline_hours: Hours | None = None
    max_wall_days: Amount | None = None
    """A search proposes nothing that takes longer; 90 unless said, or the deadline where that is later."""
    budget_usd: USD | None = None
    max_gpus: Count | None = None
    regions: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    purchase_options: tuple[PurchaseOption, ...] = ()

    @property
    def longest_wall_hours(self) -> float:
        """Beyond which a search proposes no hardware."""
        if self.max_wall_days is not None:
            return self.max_wall_days * HOURS_PER_DAY
        return max(MAX_WALL_DAYS * HOURS_PER_DAY, self.deadline_hours or 0.0)


class Costs(Section):
    """`[costs]`: money and quantities beside the run itself; `None` is "not given"."""

    dataset_gb: GB | None = None
    checkpoint_keep: CountOrZero | None = None
    checkpoint_interval_hours: Hours | None = None
    failed_run_factor: RunsRange | None = None
    experiments: CountOrZero | None = None
    experiment_usd: USD | None = None
    trials: CountOrZero | None = None
    trial_fraction: Share | None = None
    early_stop: Share | None = None
    utilisation: PositiveShare | None = None
    people_usd: USD | None = None
    data_usd: USD | None = None
    label_items: CountOrZero | None = None
    usd_per_label: USD | None = None
    data_overhead: AmountOrZero | None = None
    """Share of what data and labels cost, for cleaning, formatting and privacy."""
    safety_usd: USD | None = None
    hosting_usd_per_month: USD | None = None
    hosting_months: AmountOrZero | None = None
    inference_tokens: AmountOrZero | None = None
    egress_gb: GB | None = None
    storage_months: AmountOrZero | None = None
    interruption_rate_per_hour: AmountOrZero | None = None
    checkpoint_write_minutes: AmountOrZero | None = None
    restart_minutes: AmountOrZero | None = None
    startup_minutes: AmountOrZero | None = None
    """Of each run until its first step: image, weights and data fetched and loaded; a restart takes as long."""
    teacher_usd: USD | None = None
    network_usd: USD | None = None
    storage_usd: USD | None = None

    @model_validator(mode="before")
    @classmethod
    def _credit_of_whom(cls, keys: Any) -> Any:
        if isinstance(keys, Mapping) and "credit_usd" in keys:
            usd = cast(Mapping[str, Any], keys)["credit_usd"]
            raise ValueError(
                f"credit_usd {usd}: at which provider can it be spent? write [[credit]] with "
                f'provider = "..." and usd = {usd} instead'
            )
        return cast(Any, keys)


class PlanCredit(Section):
    """`[[credit]]`: money that can be spent at one provider."""

    provider: str
    usd: USD
